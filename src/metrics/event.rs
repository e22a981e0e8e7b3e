//! What can happen to the engine that an operator should know: one struct an event, and [`Event::emit`] both counts it
//! and writes its log line, so that the two can't drift apart. No event has a field for anything out of a record.

use super::Metrics;
use crate::waybill::Reason;
use std::fmt::Display;
use tracing::{debug, error, info, warn};

/// Something that is counted and logged in one act.
pub trait Event {
    /// Counts it, and says it if it was not said just now.
    fn emit(self, metrics: &Metrics);
}

impl Metrics {
    /// Counts and logs an event.
    pub fn emit(&self, event: impl Event) {
        event.emit(self);
    }

    fn fault(&self, kind: &'static str) {
        self.faults.with_label_values(&[kind]).inc();
    }
}

/// Records of one batch were refused for one reason. Their count is kept by the source's tally.
pub struct RecordsRefused<'a> {
    /// The source.
    pub source: &'a str,
    /// Why.
    pub reason: Reason,
    /// Field of the first one at fault, or empty. A field's path, never its value.
    pub field: &'a str,
    /// How many.
    pub count: u64,
}

impl Event for RecordsRefused<'_> {
    fn emit(self, metrics: &Metrics) {
        let Self {
            source,
            reason,
            field,
            count,
        } = self;
        if metrics.say(&format!("refused {source} {reason}")) {
            warn!(source, %reason, field, count, "records refused; further ones are counted in jingyou_records_refused_total");
        } else {
            debug!(source, %reason, field, count, "records refused");
        }
    }
}

/// A client lost its last broker.
pub struct BrokersDown<'a> {
    /// The client.
    pub client: &'a str,
    /// What librdkafka says.
    pub detail: &'a dyn Display,
}

impl Event for BrokersDown<'_> {
    fn emit(self, metrics: &Metrics) {
        metrics.fault("brokers_down");
        error!(client = self.client, detail = %self.detail, "no Kafka broker can be reached; trying on");
    }
}

/// A client has a broker again.
pub struct BrokersUp<'a> {
    /// The client.
    pub client: &'a str,
}

impl Event for BrokersUp<'_> {
    fn emit(self, _: &Metrics) {
        info!(client = self.client, "connected to Kafka");
    }
}

/// Any other error of a Kafka client.
pub struct KafkaFault<'a> {
    /// The client.
    pub client: &'a str,
    /// The error.
    pub error: &'a dyn Display,
}

impl Event for KafkaFault<'_> {
    fn emit(self, metrics: &Metrics) {
        metrics.fault("kafka");
        if metrics.say(&format!("kafka {} {}", self.client, self.error)) {
            warn!(client = self.client, error = %self.error, "Kafka client error");
        }
    }
}

/// Partitions came to a worker.
pub struct PartitionsAssigned<'a> {
    /// The client.
    pub client: &'a str,
    /// How many.
    pub count: usize,
}

impl Event for PartitionsAssigned<'_> {
    fn emit(self, metrics: &Metrics) {
        metrics.rebalances.with_label_values(&["assigned"]).inc();
        info!(client = self.client, count = self.count, "partitions assigned");
    }
}

/// Partitions leave a worker, in order: what was read from them is durable and committed, or will be read again.
pub struct PartitionsRevoked<'a> {
    /// The client.
    pub client: &'a str,
    /// How many.
    pub count: usize,
    /// Batches that could not be made durable in time; whoever gets the partition reads them again.
    pub pending: usize,
}

impl Event for PartitionsRevoked<'_> {
    fn emit(self, metrics: &Metrics) {
        metrics.rebalances.with_label_values(&["revoked"]).inc();
        info!(
            client = self.client,
            count = self.count,
            pending = self.pending,
            "partitions revoked"
        );
    }
}

/// Partitions were taken from a worker that did not poll in time; another has them already.
pub struct PartitionsLost<'a> {
    /// The client.
    pub client: &'a str,
    /// How many.
    pub count: usize,
}

impl Event for PartitionsLost<'_> {
    fn emit(self, metrics: &Metrics) {
        metrics.rebalances.with_label_values(&["lost"]).inc();
        metrics.fault("partitions_lost");
        warn!(
            client = self.client,
            count = self.count,
            "partitions lost; their last batches will be read again"
        );
    }
}

/// Offsets could not be committed; the next commit covers them.
pub struct CommitFailed<'a> {
    /// The client.
    pub client: &'a str,
    /// The error.
    pub error: &'a dyn Display,
}

impl Event for CommitFailed<'_> {
    fn emit(self, metrics: &Metrics) {
        metrics.fault("commit");
        if metrics.say("commit") {
            warn!(client = self.client, error = %self.error, "offsets not committed; trying again with the next");
        }
    }
}

/// A refused record could not be put into the dead-letter topic for now.
pub struct DeadLetterDelayed<'a> {
    /// The source.
    pub source: &'a str,
    /// The error.
    pub error: &'a dyn Display,
}

impl Event for DeadLetterDelayed<'_> {
    fn emit(self, metrics: &Metrics) {
        metrics.fault("dead_letter_delayed");
        if metrics.say("dead_letter_delayed") {
            warn!(source = self.source, error = %self.error, "dead letter not acknowledged; trying again");
        }
    }
}

/// A refused record is too large for the dead-letter topic and was kept in the dead-letter file.
pub struct DeadLetterToFile<'a> {
    /// The source.
    pub source: &'a str,
    /// Its size.
    pub bytes: usize,
    /// What the broker says.
    pub error: &'a dyn Display,
}

impl Event for DeadLetterToFile<'_> {
    fn emit(self, metrics: &Metrics) {
        metrics.fault("dead_letter_to_file");
        warn!(source = self.source, bytes = self.bytes, error = %self.error, "dead letter kept in the dead-letter file");
    }
}

/// The dead-letter file can't be written.
pub struct DeadLetterFileFault<'a> {
    /// The source.
    pub source: &'a str,
    /// The error.
    pub error: &'a dyn Display,
}

impl Event for DeadLetterFileFault<'_> {
    fn emit(self, metrics: &Metrics) {
        metrics.fault("dead_letter_file");
        if metrics.say("dead_letter_file") {
            error!(source = self.source, error = %self.error, "dead-letter file can't be written; intake of this source waits");
        }
    }
}

/// The case desk does not take findings (disk full, journal fault); intake waits, and nothing is committed meanwhile.
pub struct DeskUnavailable<'a> {
    /// The source that waits.
    pub source: &'a str,
    /// The error.
    pub error: &'a dyn Display,
}

impl Event for DeskUnavailable<'_> {
    fn emit(self, metrics: &Metrics) {
        metrics.fault("desk_unavailable");
        if metrics.say("desk_unavailable") {
            error!(source = self.source, error = %self.error, "alerts can't be kept; intake waits until they can");
        }
    }
}

/// A write of the case desk failed; it tries on.
pub struct DeskDegraded<'a> {
    /// Why.
    pub reason: &'a str,
}

impl Event for DeskDegraded<'_> {
    fn emit(self, metrics: &Metrics) {
        metrics.fault("desk_degraded");
        if metrics.say("desk_degraded") {
            error!(reason = self.reason, "alerts can't be written; trying again");
        }
    }
}

/// The case desk can write again.
pub struct DeskRecovered;

impl Event for DeskRecovered {
    fn emit(self, _: &Metrics) {
        info!("alerts can be written again");
    }
}

/// A worker stopped with a panic.
pub struct WorkerDied<'a> {
    /// The worker.
    pub worker: &'a str,
}

impl Event for WorkerDied<'_> {
    fn emit(self, metrics: &Metrics) {
        metrics.fault("worker_died");
        error!(
            worker = self.worker,
            "worker stopped by a bug; starting it anew, its last batch will be read again"
        );
    }
}

/// A sink did not take a notice; it is tried again.
pub struct DeliveryFailed<'a> {
    /// The sink.
    pub sink: &'a str,
    /// How many tries the notice has had.
    pub tries: u32,
    /// The error.
    pub error: &'a dyn Display,
}

impl Event for DeliveryFailed<'_> {
    fn emit(self, metrics: &Metrics) {
        metrics.fault("delivery");
        if metrics.say(&format!("delivery {}", self.sink)) {
            warn!(sink = self.sink, tries = self.tries, error = %self.error, "notice not delivered; trying again");
        }
    }
}

/// A sink refused a notice for good; it stands in the dead list, and the stream behind it goes on.
pub struct NoticeDead<'a> {
    /// The sink.
    pub sink: &'a str,
    /// The notice's idempotency key.
    pub id: &'a str,
    /// The error.
    pub error: &'a dyn Display,
}

impl Event for NoticeDead<'_> {
    fn emit(self, metrics: &Metrics) {
        metrics.fault("notice_dead");
        metrics.undelivered.with_label_values(&[self.sink]).inc();
        error!(sink = self.sink, id = self.id, error = %self.error, "notice refused for good; kept in outbox.dead.ndjson");
    }
}

/// The outbox can't be read or its cursor not recorded; it is tried again.
pub struct OutboxFault<'a> {
    /// The sink.
    pub sink: &'a str,
    /// The error.
    pub error: &'a dyn Display,
}

impl Event for OutboxFault<'_> {
    fn emit(self, metrics: &Metrics) {
        metrics.fault("outbox");
        if metrics.say("outbox") {
            error!(sink = self.sink, error = %self.error, "outbox can't go on; trying again");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repeated_fault_is_counted_each_time_and_said_once() {
        let metrics = Metrics::new();
        for _ in 0..3 {
            metrics.emit(CommitFailed {
                client: "consumer-0",
                error: &"no",
            });
        }
        assert_eq!(metrics.faults("commit"), 3);
        assert!(!metrics.say("commit") && metrics.say("something else"));
    }
}
