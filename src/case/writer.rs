//! The desk's writer: one thread that turns groups of findings into entries.
//!
//! For each group, in this order: work out the changes, append them to the journal with one fsync, apply them to the
//! store, publish the new durable ticket, answer, call the hooks. When the journal cannot be written (disk full) it waits
//! and tries the same entries again, for ever while the desk runs; when the store fails it is opened again, and built
//! again if need be. Nothing that was taken is dropped but on [`super::Desk::stop`] with a disk that stays full.

use super::chain::Placed;
use super::desk::{Clock, DeskConfig, Health, Shared, lock};
use super::entry::{Change, Delivered, Entry};
use super::joining::{Fate, Outcome, Pending};
use super::journal::{Draft, Journal, stamp};
use super::queue::{Batch, Group};
use super::recovery::{open_anew, open_store};
use super::store::StoreError;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Instant;
use time::OffsetDateTime;

/// Who is named as the actor of what screening found.
const ENGINE: &str = "engine";

/// Who is named as the actor of delivery notes.
const NOTIFY: &str = "notify";

pub(super) struct Writer {
    config: DeskConfig,
    clock: Clock,
    journal: Journal,
    shared: Arc<Shared>,
}

/// The desk was stopped while something could not be written.
struct GaveUp {
    reason: String,
}

/// What a group comes to.
struct Work {
    drafts: Vec<Draft>,
    /// For each batch, the outcome of each finding.
    outcomes: Vec<Vec<Outcome>>,
}

/// Whatever ends the writer, a panic too, ends it for everyone who waits.
struct EndOnDrop(Arc<Shared>);

impl Drop for EndOnDrop {
    fn drop(&mut self) {
        self.0.queue.stop();
        let findings = self.0.queue.abandon();
        self.0.end(findings, "the writer ended unexpectedly; see the log");
        self.0.set_store(None);
    }
}

impl Writer {
    pub(super) fn new(config: DeskConfig, clock: Clock, journal: Journal, shared: Arc<Shared>) -> Self {
        Self {
            config,
            clock,
            journal,
            shared,
        }
    }

    pub(super) fn run(mut self) {
        let shared = Arc::clone(&self.shared);
        let _end = EndOnDrop(Arc::clone(&shared));
        while let Some(group) = shared.queue.take(self.config.group_findings_max) {
            self.config.observer.queued(shared.queue.len());
            let findings: usize = group.batches.iter().map(|batch| batch.findings.len()).sum();
            if let Err(gave_up) = self.process(group) {
                shared.end(findings + shared.queue.abandon(), &gave_up.reason);
                return;
            }
        }
        if let Err(error) = shared.store().and_then(|store| store.flush()) {
            tracing::warn!(%error, "the store could not be flushed; it catches up on the next start");
        }
        shared.end(0, "it was stopped");
    }

    fn process(&mut self, group: Group) -> Result<(), GaveUp> {
        if let Some(why) = group.damage {
            self.heal(&StoreError::Damaged(why))?;
        }
        let at = stamp((self.clock)());
        let work = self.work_out(&group.batches, &group.delivered, at)?;
        let mut placed = Vec::new();
        if !work.drafts.is_empty() {
            placed = self.append(at, &work.drafts)?;
            self.apply(&placed)?;
        }
        self.publish(group.batches, work.outcomes, &placed);
        Ok(())
    }

    /// The changes of a group, in order.
    fn work_out(&mut self, batches: &[Batch], delivered: &[Delivered], at: OffsetDateTime) -> Result<Work, GaveUp> {
        loop {
            match self.try_work_out(batches, delivered, at) {
                Ok(work) => return Ok(work),
                Err(error) => self.heal(&error)?,
            }
        }
    }

    fn try_work_out(&self, batches: &[Batch], delivered: &[Delivered], at: OffsetDateTime) -> Result<Work, StoreError> {
        let store = self.shared.store()?;
        let mut pending = Pending::new(&*store, self.config.deadlines, at);
        let mut work = Work {
            drafts: Vec::new(),
            outcomes: Vec::with_capacity(batches.len()),
        };
        for batch in batches {
            let mut outcomes = Vec::with_capacity(batch.findings.len());
            for finding in &batch.findings {
                let (mut outcome, change) = pending.settle(finding)?;
                match change.map(|change| Draft::new(ENGINE, change)) {
                    None => {}
                    Some(Ok(draft)) => {
                        pending.put(draft.change());
                        work.drafts.push(draft);
                    }
                    Some(Err(why)) => {
                        tracing::error!(alert_id = %outcome.alert_id, why, "a finding cannot be written down");
                        outcome.fate = Fate::Refused;
                        outcome.case_id = None;
                    }
                }
                outcomes.push(outcome);
            }
            work.outcomes.push(outcomes);
        }
        for note in delivered {
            let up_to = note.up_to.min(self.journal.last_told());
            if up_to > store.delivered(&note.sink)? {
                let note = Change::OutboxDelivered(Delivered {
                    sink: note.sink.clone(),
                    up_to,
                });
                work.drafts.extend(Draft::new(NOTIFY, note));
            }
        }
        Ok(work)
    }

    fn append(&mut self, at: OffsetDateTime, drafts: &[Draft]) -> Result<Vec<Placed>, GaveUp> {
        for attempt in 0.. {
            match self.journal.append(at, drafts) {
                Ok((placed, appended)) => {
                    self.recovered();
                    self.config
                        .observer
                        .journaled(placed.len(), appended.bytes, appended.sync_time);
                    let mut stats = lock(&self.shared.stats);
                    stats.groups += 1;
                    stats.entries += placed.len() as u64;
                    stats.journal_bytes += appended.bytes;
                    stats.sync_time += appended.sync_time;
                    return Ok(placed);
                }
                Err(error) => self.failed(attempt, &error.to_string())?,
            }
        }
        unreachable!("the attempts do not end")
    }

    fn apply(&mut self, placed: &[Placed]) -> Result<(), GaveUp> {
        let started = Instant::now();
        if let Err(error) = self.shared.store().and_then(|store| store.apply(placed)) {
            // Opening it again catches up with the journal, which has these entries.
            self.heal(&error)?;
        }
        let time = started.elapsed();
        self.config.observer.applied(placed.len(), time);
        lock(&self.shared.stats).apply_time += time;
        Ok(())
    }

    /// Opens the store again after an error, until it works; builds it again if it is known to be damaged.
    fn heal(&mut self, error: &StoreError) -> Result<(), GaveUp> {
        tracing::warn!(%error, "the store failed; opening it again");
        let mut damage = match error {
            StoreError::Damaged(why) => Some(why.clone()),
            _ => None,
        };
        self.shared.set_store(None);
        for attempt in 0.. {
            let opened = match &damage {
                Some(why) => open_anew(&self.config.dir, &self.journal, why),
                None => open_store(&self.config.dir, &self.journal),
            };
            match opened {
                Ok((store, start)) => {
                    tracing::warn!(?start, "the store is open again");
                    self.shared.set_store(Some(store));
                    self.recovered();
                    return Ok(());
                }
                Err(error) => {
                    // The damaged folder is out of the way, or could not be moved; what there is now is tried as it is.
                    damage = None;
                    self.failed(attempt, &error.to_string())?;
                }
            }
        }
        unreachable!("the attempts do not end")
    }

    /// Says that something failed, and waits before it is tried again.
    fn failed(&self, attempt: u32, reason: &str) -> Result<(), GaveUp> {
        if attempt == 0 {
            tracing::error!(reason, "the desk cannot write, and keeps trying");
            let since = (self.clock)();
            self.shared.set_health(Health::Degraded {
                since,
                reason: reason.to_owned(),
            });
        }
        lock(&self.shared.stats).failures += 1;
        self.config.observer.degraded(reason);
        let wait = self
            .config
            .retry_wait_min
            .saturating_mul(1 << attempt.min(16))
            .min(self.config.retry_wait_max);
        let stopping = self.shared.queue.pause(wait);
        if stopping && attempt + 1 >= self.config.stop_tries_max {
            return Err(GaveUp {
                reason: reason.to_owned(),
            });
        }
        Ok(())
    }

    fn recovered(&self) {
        if self.shared.is_degraded() {
            tracing::info!("the desk can write again");
            self.shared.set_health(Health::Good);
            self.config.observer.recovered();
        }
    }

    /// Makes it known: first the numbers, then whoever waits, then the hooks.
    fn publish(&mut self, batches: Vec<Batch>, outcomes: Vec<Vec<Outcome>>, placed: &[Placed]) {
        self.count(&batches, &outcomes);
        self.shared.set_head(self.journal.head());
        if let Some(batch) = batches.last() {
            self.shared.set_durable(batch.ticket);
        }
        for (batch, outcomes) in batches.into_iter().zip(outcomes) {
            if let Some(reply) = batch.reply {
                let _gone_if_it_waited_too_long = reply.try_send(outcomes);
            }
        }
        let mut hooks = lock(&self.shared.hooks);
        for Placed { entry, .. } in placed {
            hooks.retain(|hook| call(hook, entry));
        }
    }

    fn count(&self, batches: &[Batch], outcomes: &[Vec<Outcome>]) {
        let mut stats = lock(&self.shared.stats);
        for (batch, outcomes) in batches.iter().zip(outcomes) {
            for (finding, outcome) in batch.findings.iter().zip(outcomes) {
                stats.findings += 1;
                *match outcome.fate {
                    Fate::Raised => &mut stats.raised,
                    Fate::Joined => &mut stats.joined,
                    Fate::Superseded => &mut stats.superseded,
                    Fate::Seen => &mut stats.seen,
                    Fate::Refused => &mut stats.refused,
                } += 1;
                self.config.observer.settled(finding, outcome);
            }
        }
    }
}

/// Calls a hook; false if it panicked.
fn call(hook: &super::desk::Hook, entry: &Arc<Entry>) -> bool {
    let called = catch_unwind(AssertUnwindSafe(|| hook(entry)));
    if called.is_err() {
        tracing::error!(seq = entry.seq, "a hook panicked and is not called any more");
    }
    called.is_ok()
}
