//! Counts of today's alerts and of open cases, kept by reading the journal as it grows: asking the store for them again
//! and again would cost what it holds.

use super::Shared;
use super::problem::Problem;
use crate::alert::Color;
use crate::case::{CaseQuery, Change, Entry, PAGE_ITEMS_MAX};
use std::collections::HashSet;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use time::macros::offset;
use time::{Date, OffsetDateTime};

/// Entries read from the journal at once.
const ENTRIES_AT_ONCE: usize = 500;
/// Pause after the journal could not be read.
const AGAIN_AFTER: Duration = Duration::from_secs(5);

/// The counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counted {
    /// Yellow alerts raised today (in China).
    pub yellow: u64,
    /// Red alerts raised today, those that took a yellow one's place too.
    pub red: u64,
    /// Cases that are open.
    pub open_cases: u64,
}

/// The counts as they grow.
#[derive(Debug, Default)]
pub struct Tally(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    day: Option<Date>,
    yellow: u64,
    red: u64,
    open: HashSet<String>,
    ready: bool,
}

impl Tally {
    /// The counts at `now`; `None` until the first reading of the journal is done.
    pub fn at(&self, now: OffsetDateTime) -> Option<Counted> {
        let inner = self.lock();
        let (yellow, red) = if inner.day == Some(china(now)) {
            (inner.yellow, inner.red)
        } else {
            (0, 0)
        };
        inner.ready.then_some(Counted {
            yellow,
            red,
            open_cases: inner.open.len() as u64,
        })
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self, entry: &Entry) {
        let mut inner = self.lock();
        let Some(change) = entry.change.alert_change() else {
            return;
        };
        if change.case.state.is_open() {
            inner.open.insert(change.case.case_id.clone());
        } else {
            inner.open.remove(&change.case.case_id);
        }
        let day = china(entry.at);
        if inner.day < Some(day) {
            (inner.day, inner.yellow, inner.red) = (Some(day), 0, 0);
        }
        let is_new = matches!(entry.change, Change::AlertRaised(_) | Change::AlertSuperseded(_));
        match change.alert.color {
            _ if !is_new => {}
            Color::Yellow => inner.yellow += 1,
            Color::Red => inner.red += 1,
        }
    }
}

fn china(at: OffsetDateTime) -> Date {
    at.to_offset(offset!(+8)).date()
}

/// Keeps the tally until the task is ended.
pub async fn follow(shared: Shared) {
    let mut news = shared.news.subscribe();
    let mut seen = loop {
        match start(&shared).await {
            Ok(seen) => break seen,
            Err(_) => tokio::time::sleep(AGAIN_AFTER).await,
        }
    };
    loop {
        match catch_up(&shared, seen).await {
            Ok(last) => {
                seen = last;
                shared.tally.lock().ready = true;
                if matches!(news.recv().await, Err(tokio::sync::broadcast::error::RecvError::Closed)) {
                    return;
                }
            }
            Err(_) => tokio::time::sleep(AGAIN_AFTER).await,
        }
    }
}

/// Takes the open cases from the store; gives the entry before today's first.
async fn start(shared: &Shared) -> Result<u64, Problem> {
    let (open, before_today) = shared
        .ask(|desk| {
            let last = desk.head().0;
            let today = china(OffsetDateTime::now_utc());
            let (mut from, mut to) = (0, last);
            while from < to {
                let middle = u64::midpoint(from, to);
                match desk.entries_after(middle, 1)?.first() {
                    Some(entry) if china(entry.at) < today => from = middle + 1,
                    _ => to = middle,
                }
            }
            let mut open = HashSet::new();
            let mut query = CaseQuery {
                open_only: true,
                limit: Some(PAGE_ITEMS_MAX),
                ..CaseQuery::default()
            };
            loop {
                let page = desk.cases(&query)?;
                open.extend(page.items.into_iter().map(|case| case.case_id));
                query.after = page.next;
                if query.after.is_none() {
                    return Ok((open, from));
                }
            }
        })
        .await?;
    shared.tally.lock().open = open;
    Ok(before_today)
}

async fn catch_up(shared: &Shared, mut seen: u64) -> Result<u64, Problem> {
    loop {
        let entries = shared
            .ask(move |desk| desk.entries_after(seen, ENTRIES_AT_ONCE))
            .await?;
        let Some(last) = entries.last() else { return Ok(seen) };
        seen = last.seq;
        for entry in &entries {
            shared.tally.take(entry);
        }
    }
}
