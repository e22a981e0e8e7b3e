//! Counting on the hot path: each worker counts in plain integers and adds them to the shared counters once a batch.

use super::{Metrics, Totals};
use crate::screen::Mode;
use crate::waybill::Reason;
use prometheus::{Histogram, IntCounter, IntCounterVec};
use std::sync::PoisonError;

/// The counters of one source, looked up once.
pub struct Source {
    name: String,
    records: IntCounter,
    bytes: IntCounter,
    screened: IntCounter,
    refused: [IntCounter; Reason::ALL.len()],
    dead_lettered: IntCounterVec,
    /// Screening of one batch.
    pub batch_seconds: Histogram,
}

/// Where refused records can go.
const PLACES: [&str; 2] = ["topic", "file"];

impl Source {
    pub(super) fn new(metrics: &Metrics, name: &str) -> Self {
        for place in PLACES {
            metrics.dead_lettered.with_label_values(&[name, place]);
        }
        Self {
            name: name.to_owned(),
            records: metrics.records.with_label_values(&[name]),
            bytes: metrics.bytes.with_label_values(&[name]),
            screened: metrics.screened.with_label_values(&[name]),
            refused: Reason::ALL.map(|reason| metrics.refused.with_label_values(&[name, reason.as_str()])),
            dead_lettered: metrics.dead_lettered.clone(),
            batch_seconds: metrics.batch_seconds.with_label_values(&[name]),
        }
    }

    /// The source's name, as metrics and dead letters have it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Counts refused records that are safe in a dead-letter `topic` or `file`.
    pub fn dead_lettered(&self, to: &'static str, count: u64) {
        self.dead_lettered
            .with_label_values(&[self.name.as_str(), to])
            .inc_by(count);
    }

    pub(super) fn totals(&self, source: &str) -> Totals {
        Totals {
            source: source.to_owned(),
            records: self.records.get(),
            screened: self.screened.get(),
            refused: self.refused.iter().map(IntCounter::get).sum(),
            dead_lettered: PLACES
                .iter()
                .map(|to| self.dead_lettered.with_label_values(&[source, *to]).get())
                .sum(),
        }
    }
}

/// One worker's counts since it last added them.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    bytes: u64,
    screened: u64,
    refused: [u64; Reason::ALL.len()],
    hits: Vec<(String, Mode, u64)>,
}

impl Tally {
    /// Counts a record that was screened, hit or not.
    pub fn screened(&mut self, bytes: usize) {
        self.screened += 1;
        self.bytes += bytes as u64;
    }

    /// Counts a record that was refused.
    pub fn refused(&mut self, reason: Reason, bytes: usize) {
        let at = Reason::ALL
            .iter()
            .position(|known| *known == reason)
            .unwrap_or_default();
        self.refused[at] += 1;
        self.bytes += bytes as u64;
    }

    /// Counts a hit of one rule.
    pub fn hit(&mut self, rule: &str, mode: Mode) {
        match self
            .hits
            .iter_mut()
            .find(|(known, in_mode, _)| known == rule && *in_mode == mode)
        {
            Some((_, _, count)) => *count += 1,
            None => self.hits.push((rule.to_owned(), mode, 1)),
        }
    }

    /// Records counted since the last adding.
    pub fn records(&self) -> u64 {
        self.screened + self.refused.iter().sum::<u64>()
    }

    /// Adds the counts to the shared counters, and starts at zero again.
    pub fn add_to(&mut self, metrics: &Metrics, source: &Source) {
        if self.records() == 0 {
            return;
        }
        for (rule, mode, count) in self.hits.drain(..) {
            metrics.hit(&rule, mode, count);
        }
        let _unsettled = metrics.settled.read().unwrap_or_else(PoisonError::into_inner);
        source.records.inc_by(self.records());
        source.bytes.inc_by(std::mem::take(&mut self.bytes));
        source.screened.inc_by(std::mem::take(&mut self.screened));
        for (counter, count) in source.refused.iter().zip(&mut self.refused) {
            if *count > 0 {
                counter.inc_by(std::mem::take(count));
            }
        }
    }
}
