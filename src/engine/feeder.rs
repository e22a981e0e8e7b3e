//! Records from within the process, through the same lane and desk as any others, and counted like any source.

use super::lane::Lane;
use crate::case::{Stopped, Ticket};
use crate::intake::dead_letters::Letters;
use crate::intake::gather::{Gather, Took};
use crate::intake::http::Parts;
use crate::intake::lines::At;
use crate::intake::rejects::{DeadLetter, Place};
use crate::metrics::Source;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Records of one batch, as the Kafka workers have it.
const BATCH_RECORDS_MAX: u64 = 512;

/// How long dead letters of a batch are waited for before the feeder goes on without having seen them safe.
const LETTERS_WITHIN: Duration = Duration::from_secs(10);

/// A way in. One a thread.
pub struct Feeder {
    parts: Parts,
    lane: Lane,
    source: Arc<Source>,
    gather: Gather,
    letters: Letters,
    fed: u64,
    offset: u64,
    since: Instant,
}

impl Feeder {
    pub(super) fn new(parts: &Parts, name: &str) -> Self {
        let source = parts.metrics.source(name);
        Self {
            parts: parts.clone(),
            lane: Lane::new(parts.rules.load_full(), None, parts.key.clone()),
            letters: Letters::new(source.clone()),
            source,
            gather: Gather::default(),
            fed: 0,
            offset: 0,
            since: Instant::now(),
        }
    }

    /// Screens one record. Waits only when the desk's queue is full.
    pub fn feed(&mut self, record: &[u8]) -> Result<(), Stopped> {
        self.fed += 1;
        if let Took::Refused(refusal) = self.gather.take(&mut self.lane, record) {
            let at = At {
                line: self.fed,
                offset: self.offset,
            };
            let letter = DeadLetter {
                source: self.source.name(),
                place: Place::Line(at),
                refusal: &refusal,
                key: None,
                original: record,
            };
            self.parts.dead_letters.put(&mut self.letters, &letter);
        }
        self.offset += record.len() as u64 + 1;
        if self.gather.records() >= BATCH_RECORDS_MAX {
            self.flush()?;
        }
        Ok(())
    }

    /// Ends the batch: counts it and submits its findings, which are durable once the desk says so for the ticket.
    pub fn flush(&mut self) -> Result<Ticket, Stopped> {
        self.gather.count(&self.parts.metrics, &self.source);
        self.source.batch_seconds.observe(self.since.elapsed().as_secs_f64());
        let ticket = self.parts.desk.submit(std::mem::take(&mut self.gather.findings))?;
        let _said_so_if_not = self.parts.dead_letters.wait(&mut self.letters, LETTERS_WITHIN);
        self.lane.adopt(&self.parts.rules.load());
        self.since = Instant::now();
        Ok(ticket)
    }
}
