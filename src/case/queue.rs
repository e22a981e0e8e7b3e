//! The way to the desk's writer: a bounded queue of findings with tickets, and the few things beside them that the writer
//! is told. What the writer does with them is left out.

use super::entry::Delivered;
use super::joining::Outcome;
use crate::alert::Finding;
use std::collections::{BTreeMap, VecDeque};
use std::sync::mpsc::SyncSender;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// A place in the order in which findings were submitted: 1, 2, 3, …
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);

/// Findings submitted together.
pub(super) struct Batch {
    pub ticket: Ticket,
    pub findings: Vec<Finding>,
    pub reply: Option<SyncSender<Vec<Outcome>>>,
}

/// What the writer takes at once.
#[derive(Default)]
pub(super) struct Group {
    pub batches: Vec<Batch>,
    pub delivered: Vec<Delivered>,
    /// A reader found the store damaged.
    pub damage: Option<String>,
}

/// How long to wait for room.
#[derive(Clone, Copy)]
pub(super) enum Patience {
    Never,
    Until(Instant),
    Forever,
}

/// Why findings were not taken. They are handed back.
pub(super) enum NotTaken {
    Full(Vec<Finding>),
    Stopped,
}

/// The queue. It holds `findings_max` findings, or one batch if that alone is larger.
pub(super) struct Queue {
    inner: Mutex<Inner>,
    /// Something came, or the queue was stopped.
    filled: Condvar,
    /// Something was taken, or the queue was stopped.
    drained: Condvar,
    findings_max: usize,
}

#[derive(Default)]
struct Inner {
    batches: VecDeque<Batch>,
    findings: usize,
    last_ticket: u64,
    /// The latest cursor of each sink: bounded by the number of sinks.
    delivered: BTreeMap<String, u64>,
    damage: Option<String>,
    stopped: bool,
}

impl Queue {
    pub(super) fn new(findings_max: usize) -> Self {
        Self {
            inner: Mutex::default(),
            filled: Condvar::new(),
            drained: Condvar::new(),
            findings_max,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a batch at the end, waiting for room as long as `patience` lasts. No findings get the ticket of the batch
    /// before.
    pub(super) fn push(
        &self,
        findings: Vec<Finding>,
        reply: Option<SyncSender<Vec<Outcome>>>,
        patience: Patience,
    ) -> Result<Ticket, NotTaken> {
        let mut inner = self.lock();
        loop {
            if inner.stopped {
                return Err(NotTaken::Stopped);
            }
            if findings.is_empty() {
                return Ok(Ticket(inner.last_ticket));
            }
            if inner.findings == 0 || inner.findings + findings.len() <= self.findings_max {
                break;
            }
            inner = match patience {
                Patience::Never => return Err(NotTaken::Full(findings)),
                Patience::Forever => self.drained.wait(inner).unwrap_or_else(PoisonError::into_inner),
                Patience::Until(end) => match end.checked_duration_since(Instant::now()) {
                    None | Some(Duration::ZERO) => return Err(NotTaken::Full(findings)),
                    Some(left) => {
                        self.drained
                            .wait_timeout(inner, left)
                            .unwrap_or_else(PoisonError::into_inner)
                            .0
                    }
                },
            };
        }
        inner.last_ticket += 1;
        inner.findings += findings.len();
        let ticket = Ticket(inner.last_ticket);
        inner.batches.push_back(Batch {
            ticket,
            findings,
            reply,
        });
        self.filled.notify_one();
        Ok(ticket)
    }

    /// Notes how far a sink has delivered. Never waits: of several notes of a sink the furthest counts.
    pub(super) fn delivered(&self, sink: &str, up_to: u64) {
        let mut inner = self.lock();
        let noted = inner.delivered.entry(sink.to_owned()).or_default();
        *noted = up_to.max(*noted);
        self.filled.notify_one();
    }

    /// Tells the writer that the store is damaged.
    pub(super) fn damaged(&self, why: &str) {
        self.lock().damage.get_or_insert_with(|| why.to_owned());
        self.filled.notify_one();
    }

    /// Waits until there is something; takes batches up to `findings_max` findings, one at least. `None` once the queue
    /// is stopped and empty.
    pub(super) fn take(&self, findings_max: usize) -> Option<Group> {
        let mut inner = self.lock();
        loop {
            if !inner.batches.is_empty() || !inner.delivered.is_empty() || inner.damage.is_some() {
                break;
            }
            if inner.stopped {
                return None;
            }
            inner = self.filled.wait(inner).unwrap_or_else(PoisonError::into_inner);
        }
        let mut group = Group {
            damage: inner.damage.take(),
            ..Group::default()
        };
        let mut taken = 0;
        while let Some(batch) = inner.batches.front() {
            if taken > 0 && taken + batch.findings.len() > findings_max {
                break;
            }
            taken += batch.findings.len();
            group.batches.extend(inner.batches.pop_front());
        }
        inner.findings -= taken;
        let delivered = std::mem::take(&mut inner.delivered);
        group.delivered = delivered
            .into_iter()
            .map(|(sink, up_to)| Delivered { sink, up_to })
            .collect();
        self.drained.notify_all();
        Some(group)
    }

    /// Waits, unless the queue is stopped. True if it is.
    pub(super) fn pause(&self, time: Duration) -> bool {
        let waited = self
            .filled
            .wait_timeout_while(self.lock(), time, |inner| !inner.stopped);
        waited.unwrap_or_else(PoisonError::into_inner).0.stopped
    }

    /// Takes nothing more. What is queued is still there to take.
    pub(super) fn stop(&self) {
        self.lock().stopped = true;
        self.filled.notify_all();
        self.drained.notify_all();
    }

    /// Throws away what is queued; says how many findings.
    pub(super) fn abandon(&self) -> usize {
        let mut inner = self.lock();
        inner.batches.clear();
        inner.delivered.clear();
        self.drained.notify_all();
        std::mem::take(&mut inner.findings)
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.lock().stopped
    }

    /// Findings queued.
    pub(super) fn len(&self) -> usize {
        self.lock().findings
    }
}
