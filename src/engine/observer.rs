//! What the desk tells of its work, as metrics and log lines.

use crate::alert::Finding;
use crate::case::{DeskObserver, Fate, Outcome};
use crate::metrics::Metrics;
use crate::metrics::event::{DeskDegraded, DeskRecovered};
use std::sync::Arc;
use std::time::Duration;

pub(super) struct Observer(pub Arc<Metrics>);

impl DeskObserver for Observer {
    fn journaled(&self, entries: usize, bytes: u64, sync_time: Duration) {
        self.0.journaled(entries, bytes, sync_time);
    }

    fn applied(&self, _entries: usize, time: Duration) {
        self.0.store_apply_seconds.observe(time.as_secs_f64());
    }

    fn settled(&self, finding: &Finding, outcome: &Outcome) {
        if matches!(outcome.fate, Fate::Raised | Fate::Superseded) {
            self.0.alert(finding.color, &finding.category);
        }
    }

    fn queued(&self, findings: usize) {
        self.0.queue_depth("desk").set(findings as i64);
    }

    fn degraded(&self, reason: &str) {
        self.0.emit(DeskDegraded { reason });
    }

    fn recovered(&self) {
        self.0.emit(DeskRecovered);
    }
}
