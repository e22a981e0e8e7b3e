//! What every Kafka client of ours has: settings, librdkafka's log in our log, and whether brokers can be reached.
//! Consumers and producers are made of it in `kafka` and `topic`, and in `notify`.

use crate::config::{Kafka, Properties};
use crate::metrics::Metrics;
use crate::metrics::event::{BrokersDown, BrokersUp, KafkaFault};
use rdkafka::ClientContext;
use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Between two reports of a client on itself: lag and connections are that fresh.
const STATISTICS_EVERY: Duration = Duration::from_secs(2);

/// Messages of a partition that a consumer keeps ready; several batches, so that a worker never waits for the network.
const QUEUED_MESSAGES_MIN: u32 = 10_000;

/// The same in KiB, whichever is reached first; it holds per partition, so 8 partitions take 128 MiB at most.
const QUEUED_KIB_MAX: u32 = 16 * 1024;

/// How soon a consumer that has enough ready looks again whether it should fetch. librdkafka's own second is longer than
/// a worker takes for all that is ready: it would stand still for most of it (measured: 31,000 records a second instead
/// of 128,000–180,000).
const FETCH_AGAIN: Duration = Duration::from_millis(5);

/// Between two commits of what is stored as done: after a crash that much is read again, and found to be seen before.
const COMMIT_EVERY: Duration = Duration::from_secs(1);

/// The largest message that a producer of ours hands to a broker, bytes. Above the largest record a broker is likely to
/// let in, because a dead letter is as large as what was refused; the broker has the last word.
const MESSAGE_BYTES_MAX: u32 = 64 << 20;

/// How long a producer tries to deliver one message before it says so; whoever produced it then tries again.
const DELIVERY_WITHIN: Duration = Duration::from_secs(30);

/// A wait for more messages to send in one request: nobody sees it, and requests become several times fewer.
const LINGER: Duration = Duration::from_millis(5);

fn millis(duration: Duration) -> String {
    duration.as_millis().to_string()
}

fn base(kafka: &Kafka, name: &str) -> ClientConfig {
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", &kafka.brokers)
        .set("client.id", format!("jingyou-{name}"))
        .set("statistics.interval.ms", millis(STATISTICS_EVERY))
        .set("log.connection.close", "false")
        .set_log_level(RDKafkaLogLevel::Warning);
    config
}

fn add(config: &mut ClientConfig, properties: &Properties) {
    for (name, value) in &properties.0 {
        config.set(name, value);
    }
}

/// Settings of a consumer in the group.
pub(super) fn consumer(kafka: &Kafka, name: &str) -> ClientConfig {
    let mut config = base(kafka, name);
    config
        .set("group.id", &kafka.group)
        .set("enable.auto.offset.store", "false")
        .set("enable.auto.commit", "true")
        .set("auto.commit.interval.ms", millis(COMMIT_EVERY))
        .set("auto.offset.reset", "earliest")
        .set("partition.assignment.strategy", "cooperative-sticky")
        .set("queued.min.messages", QUEUED_MESSAGES_MIN.to_string())
        .set("queued.max.messages.kbytes", QUEUED_KIB_MAX.to_string())
        .set("fetch.queue.backoff.ms", millis(FETCH_AGAIN))
        .set("allow.auto.create.topics", "false");
    add(&mut config, &kafka.properties);
    add(&mut config, &kafka.consumer);
    config
}

/// Settings of a producer that neither loses nor reorders.
pub(crate) fn producer(kafka: &Kafka, name: &str) -> ClientConfig {
    let mut config = base(kafka, name);
    config
        .set("enable.idempotence", "true")
        .set("message.max.bytes", MESSAGE_BYTES_MAX.to_string())
        .set("delivery.timeout.ms", millis(DELIVERY_WITHIN))
        .set("linger.ms", millis(LINGER));
    add(&mut config, &kafka.properties);
    add(&mut config, &kafka.producer);
    config
}

/// Asks librdkafka whether it takes the settings; nothing is connected to.
pub fn accepted(kafka: &Kafka) -> Result<(), String> {
    for config in [consumer(kafka, "check"), producer(kafka, "check")] {
        config.create_native_config().map_err(|error| error.to_string())?;
    }
    Ok(())
}

/// What a client tells us of itself.
pub(crate) struct Reports {
    /// The client's name in metrics and log: `consumer-0`, `dead-letters`, `notify`.
    pub name: String,
    pub metrics: Arc<Metrics>,
    up: AtomicBool,
    was_down: AtomicBool,
}

/// The part of librdkafka's statistics that is used.
#[derive(Deserialize)]
struct Statistics {
    #[serde(default)]
    brokers: BTreeMap<String, Broker>,
    #[serde(default)]
    topics: BTreeMap<String, Topic>,
}

#[derive(Deserialize)]
struct Broker {
    nodeid: i64,
    state: String,
    #[serde(default)]
    source: String,
}

#[derive(Deserialize)]
struct Topic {
    #[serde(default)]
    partitions: BTreeMap<String, Partition>,
}

#[derive(Deserialize)]
struct Partition {
    #[serde(rename = "partition")]
    number: i32,
    #[serde(default = "unknown")]
    consumer_lag: i64,
    #[serde(default)]
    fetch_state: String,
}

const fn unknown() -> i64 {
    -1
}

impl Reports {
    pub fn new(name: impl Into<String>, metrics: Arc<Metrics>) -> Self {
        let name = name.into();
        metrics.brokers_up(&name, 0);
        Self {
            name,
            metrics,
            up: AtomicBool::new(false),
            was_down: AtomicBool::new(false),
        }
    }

    /// False while no broker can be reached.
    pub fn up(&self) -> bool {
        self.up.load(Ordering::Relaxed)
    }

    /// Says that something came from a broker.
    pub fn is_up(&self) {
        if !self.up.swap(true, Ordering::Relaxed) {
            self.was_down.store(false, Ordering::Relaxed);
            self.metrics.emit(BrokersUp { client: &self.name });
        }
    }

    fn is_down(&self, detail: &str) {
        self.up.store(false, Ordering::Relaxed);
        self.metrics.brokers_up(&self.name, 0);
        // Once for each time that they go away, not for each try to find them again.
        if !self.was_down.swap(true, Ordering::Relaxed) {
            self.metrics.emit(BrokersDown {
                client: &self.name,
                detail: &detail,
            });
        }
    }

    fn take(&self, statistics: &Statistics) {
        // Bootstrap entries have no node id, and the group's coordinator stands there a second time as `logical`.
        let connected = |broker: &&Broker| broker.nodeid >= 0 && broker.source != "logical" && broker.state == "UP";
        let brokers_up = statistics.brokers.values().filter(connected).count();
        self.metrics
            .brokers_up(&self.name, i64::try_from(brokers_up).unwrap_or(i64::MAX));
        if brokers_up > 0 {
            self.is_up();
        }
        for (name, topic) in &statistics.topics {
            for partition in topic.partitions.values() {
                if partition.fetch_state == "active" && partition.consumer_lag >= 0 {
                    self.metrics.lag(name, partition.number, Some(partition.consumer_lag));
                }
            }
        }
    }
}

impl ClientContext for Reports {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        // Connection errors come by `error` too, once; here they, and what is tried again, would come with each try.
        if matches!(facility, "FAIL" | "ERROR" | "GETPID") {
            tracing::debug!(client = self.name, facility, message, "librdkafka");
        } else if (level as i32) <= (RDKafkaLogLevel::Error as i32) {
            tracing::error!(client = self.name, facility, message, "librdkafka");
        } else {
            tracing::warn!(client = self.name, facility, message, "librdkafka");
        }
    }

    fn stats_raw(&self, statistics: &[u8]) {
        if let Ok(statistics) = serde_json::from_slice(statistics) {
            self.take(&statistics);
        }
    }

    fn error(&self, error: KafkaError, reason: &str) {
        match error.rdkafka_error_code() {
            Some(RDKafkaErrorCode::AllBrokersDown) => self.is_down(reason),
            // One broker of several: the client goes on with the others.
            Some(RDKafkaErrorCode::BrokerTransportFailure | RDKafkaErrorCode::Resolve) => {
                tracing::debug!(client = self.name, reason, "connection to a broker lost");
            }
            _ => self.metrics.emit(KafkaFault {
                client: &self.name,
                error: &error,
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statistics_become_lag_and_connections() {
        let metrics = Metrics::new();
        let reports = Reports::new("consumer-0", metrics.clone());
        let statistics = r#"{
            "name": "rdkafka#consumer-1", "ts": 1,
            "brokers": {"a:1/bootstrap": {"nodeid": -1, "state": "UP"}, "a:1/1": {"nodeid": 1, "state": "UP"}},
            "topics": {"waybills": {"topic": "waybills", "partitions": {
                "0": {"partition": 0, "fetch_state": "active", "consumer_lag": 17},
                "1": {"partition": 1, "fetch_state": "none", "consumer_lag": 99},
                "-1": {"partition": -1}
            }}}
        }"#;
        reports.stats_raw(statistics.as_bytes());
        assert!(reports.up());
        let text = metrics.render();
        assert!(
            text.contains("jingyou_kafka_lag{partition=\"0\",topic=\"waybills\"} 17"),
            "{text}"
        );
        assert!(
            !text.contains("partition=\"1\"") && !text.contains("partition=\"-1\""),
            "{text}"
        );
        assert!(
            text.contains("jingyou_kafka_brokers_up{client=\"consumer-0\"} 1"),
            "{text}"
        );
    }

    #[test]
    fn brokers_that_go_away_are_said_once() {
        let metrics = Metrics::new();
        let reports = Reports::new("consumer-0", metrics.clone());
        let down = || KafkaError::Global(RDKafkaErrorCode::AllBrokersDown);
        reports.is_up();
        reports.error(down(), "1/1 brokers are down");
        reports.error(down(), "1/1 brokers are down");
        assert_eq!((reports.up(), metrics.faults("brokers_down")), (false, 1));
        reports.is_up();
        reports.error(down(), "1/1 brokers are down");
        assert_eq!(metrics.faults("brokers_down"), 2);
    }
}
