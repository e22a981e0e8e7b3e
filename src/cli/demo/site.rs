//! The demonstration's engine, and what the terminal asks of it: figures, alerts as they are raised, how long they took.

use super::face::Reading;
use anyhow::{Context, anyhow};
use jingyou::alert::{Alert, Color};
use jingyou::api::{Engine as _, Totals};
use jingyou::case::{CaseChange, Change, Desk, Entry, Ticket};
use jingyou::config::Config;
use jingyou::engine::Engine;
use jingyou::ruleset::RuleSet;
use jingyou::screen::Thresholds;
use std::collections::VecDeque;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// An alert on its way to the terminal.
pub type Shown = Box<Alert>;

/// Alerts that wait for the terminal at most; more are counted and on the page, and not shown here.
const SHOWN_MAX: usize = 64;
/// Batches whose durability is waited for at once, to time it.
const TIMED_MAX: usize = 1024;
/// Latencies that the percentile is taken over, the last ones.
const LATENCIES_MAX: usize = 10_000;
/// Time in which what was raised must be durable when the demonstration ends.
const SETTLE_WITHIN: Duration = Duration::from_secs(10);

/// The engine with its figures.
pub struct Site {
    /// Rules, desk and ways in.
    pub engine: Arc<Engine>,
    started: Instant,
    raised: Arc<Raisings>,
    latencies: Arc<Mutex<VecDeque<Duration>>>,
    timed: SyncSender<(Ticket, Instant)>,
}

/// What the journal has told of since the start.
#[derive(Default)]
struct Raisings {
    yellow: AtomicU64,
    red: AtomicU64,
    cases: AtomicU64,
}

impl Site {
    /// Loads the rules, starts the engine, and gives the alerts that are raised from now on.
    pub fn open(rules: &Path, data: &Path) -> anyhow::Result<(Arc<Self>, Receiver<Shown>)> {
        let set = RuleSet::load(rules, Thresholds::default())
            .map_err(|problems| anyhow!("{problems}"))
            .with_context(|| format!("rules in {}", rules.display()))?;
        let config = Config {
            data_dir: data.to_owned(),
            ..Config::default()
        };
        let engine = Arc::new(Engine::embedded(&config, set)?);
        let raised = Arc::new(Raisings::default());
        let (shown, alerts) = sync_channel(SHOWN_MAX);
        let told = raised.clone();
        engine.desk().on_entry(Box::new(move |entry| told.take(entry, &shown)));
        let latencies = Arc::new(Mutex::new(VecDeque::with_capacity(LATENCIES_MAX)));
        let timed = time_in_background(engine.desk().clone(), latencies.clone())?;
        let site = Self {
            engine,
            started: Instant::now(),
            raised,
            latencies,
            timed,
        };
        Ok((Arc::new(site), alerts))
    }

    /// Times a batch that arrived then, until its ticket is durable.
    pub fn time(&self, ticket: Ticket, arrived: Instant) {
        let _not_timed_when_behind = self.timed.try_send((ticket, arrived));
    }

    /// Waits until everything submitted is durable.
    pub fn settle(&self) {
        let desk = self.engine.desk();
        let Ok(last) = desk.submit(Vec::new()) else { return };
        if let Err(error) = desk.wait(last, SETTLE_WITHIN) {
            eprintln!("jingyou: not everything is durable: {error}");
        }
    }

    /// The figures for the terminal. The rate is the mean since the start.
    pub fn reading(&self) -> Reading {
        let Totals { screened, refused, .. } = self.engine.totals();
        let elapsed = self.started.elapsed();
        Reading {
            screened,
            refused,
            per_second: screened as f64 / elapsed.as_secs_f64().max(f64::EPSILON),
            yellow: self.raised.yellow.load(Ordering::Relaxed),
            red: self.raised.red.load(Ordering::Relaxed),
            open_cases: self.raised.cases.load(Ordering::Relaxed),
            p99: percentile_99(&lock(&self.latencies)),
            elapsed,
        }
    }
}

impl Raisings {
    /// Counts an entry, and shows the alert if the terminal keeps up.
    fn take(&self, entry: &Entry, shown: &SyncSender<Shown>) {
        let (Change::AlertRaised(change) | Change::AlertSuperseded(change)) = &entry.change else {
            return;
        };
        match change.alert.color {
            Color::Yellow => &self.yellow,
            Color::Red => &self.red,
        }
        .fetch_add(1, Ordering::Relaxed);
        if change.case_change == CaseChange::Opened {
            self.cases.fetch_add(1, Ordering::Relaxed);
        }
        let _not_shown_when_behind = shown.try_send(Box::new(change.alert.clone()));
    }
}

/// Starts the thread that times how long batches take to become durable. It ends with the site.
fn time_in_background(
    desk: Desk,
    latencies: Arc<Mutex<VecDeque<Duration>>>,
) -> std::io::Result<SyncSender<(Ticket, Instant)>> {
    let (sender, batches) = sync_channel::<(Ticket, Instant)>(TIMED_MAX);
    thread::Builder::new().name("timing".to_owned()).spawn(move || {
        for (ticket, arrived) in batches {
            if desk.wait(ticket, SETTLE_WITHIN).is_err() {
                continue;
            }
            let mut latencies = lock(&latencies);
            if latencies.len() == LATENCIES_MAX {
                latencies.pop_front();
            }
            latencies.push_back(arrived.elapsed());
        }
    })?;
    Ok(sender)
}

fn percentile_99(latencies: &VecDeque<Duration>) -> Option<Duration> {
    let mut sorted: Vec<Duration> = latencies.iter().copied().collect();
    sorted.sort_unstable();
    sorted.get(sorted.len() * 99 / 100).copied()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
