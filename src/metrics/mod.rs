//! What is counted and timed, under which names and labels. Every outcome of a record has its own counter, so that per
//! source `records = screened + refused` holds exactly, in every scrape. Faults are counted and logged in one act by
//! the events of [`event`].
//!
//! Labels are bounded: sources are the configured ones, reasons, colours and queues are fixed words, rules are those
//! that were ever loaded, up to [`RULES_MAX`]. Nothing from a record ever becomes a label.

pub mod event;
mod tally;

pub use tally::{Source, Tally};

use crate::alert::Color;
use crate::screen::Mode;
use prometheus::{
    Gauge, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
    TextEncoder,
};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Rules that have counters of their own; hits of any beyond it are counted under `other`. A full pack has hundreds.
pub const RULES_MAX: usize = 5_000;

/// The label of rules beyond [`RULES_MAX`].
const OTHER: &str = "other";

/// Between two log lines about the same fault: a poisoned topic must not fill the disk.
const LOG_EVERY: Duration = Duration::from_secs(10);

/// Seconds, from a single record to a queue that stands.
const LATENCY_SECONDS: &[f64] = &[
    0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 120.0,
];

/// Seconds, from one screened record to a fsync on a slow disk.
const WORK_SECONDS: &[f64] = &[
    0.000_01, 0.000_1, 0.000_5, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1.0, 5.0,
];

/// All counters of one running engine.
pub struct Metrics {
    registry: Registry,
    /// Taken to read while a batch is added, to write while a scrape is made: totals never disagree within one.
    settled: RwLock<()>,
    sources: Mutex<BTreeMap<String, Arc<Source>>>,
    rules: Mutex<BTreeSet<String>>,
    logged: Mutex<HashMap<String, Instant>>,
    rule_set_since: Mutex<Option<Instant>>,

    records: IntCounterVec,
    bytes: IntCounterVec,
    screened: IntCounterVec,
    refused: IntCounterVec,
    dead_lettered: IntCounterVec,
    hits: IntCounterVec,
    alerts: IntCounterVec,
    batch_seconds: HistogramVec,
    /// Event produced → alert durable.
    pub alert_latency_seconds: Histogram,
    lag: IntGaugeVec,
    brokers_up: IntGaugeVec,
    rebalances: IntCounterVec,
    faults: IntCounterVec,
    rule_set: IntGaugeVec,
    rule_set_age_seconds: Gauge,
    rule_set_loaded_at: Gauge,
    rule_set_stale: IntGauge,
    journal_entries: IntCounter,
    journal_bytes: IntCounter,
    /// One fsync of the journal.
    pub journal_fsync_seconds: Histogram,
    /// One change applied to the store.
    pub store_apply_seconds: Histogram,
    queue_depth: IntGaugeVec,
    outbox_lag: IntGaugeVec,
    delivered: IntCounterVec,
    undelivered: IntCounterVec,
    http_requests: IntCounterVec,
    /// One `POST /api/v1/waybills`, from the queue to the answer.
    pub http_intake_seconds: Histogram,
}

/// A registered counter; names here are literals, so a failure is a bug that any test shows.
fn counters(registry: &Registry, name: &str, help: &str, labels: &[&str]) -> IntCounterVec {
    let made = IntCounterVec::new(Opts::new(format!("jingyou_{name}"), help), labels).expect("a valid name");
    registry.register(Box::new(made.clone())).expect("a name of its own");
    made
}

fn gauges(registry: &Registry, name: &str, help: &str, labels: &[&str]) -> IntGaugeVec {
    let made = IntGaugeVec::new(Opts::new(format!("jingyou_{name}"), help), labels).expect("a valid name");
    registry.register(Box::new(made.clone())).expect("a name of its own");
    made
}

fn gauge(registry: &Registry, name: &str, help: &str) -> Gauge {
    let made = Gauge::new(format!("jingyou_{name}"), help).expect("a valid name");
    registry.register(Box::new(made.clone())).expect("a name of its own");
    made
}

fn histograms(registry: &Registry, name: &str, help: &str, buckets: &[f64], labels: &[&str]) -> HistogramVec {
    let options = HistogramOpts::new(format!("jingyou_{name}"), help).buckets(buckets.to_vec());
    let made = HistogramVec::new(options, labels).expect("a valid name");
    registry.register(Box::new(made.clone())).expect("a name of its own");
    made
}

fn histogram(registry: &Registry, name: &str, help: &str, buckets: &[f64]) -> Histogram {
    histograms(registry, name, help, buckets, &[]).with_label_values::<&str>(&[])
}

impl Default for Metrics {
    fn default() -> Self {
        let registry = Registry::new();
        let r = &registry;
        let none: &[&str] = &[];
        let build = gauges(r, "build_info", "Version of the program.", &["version"]);
        build.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1);
        let stale =
            IntGauge::new("jingyou_rule_set_stale", "1 when a newer rule set was refused.").expect("a valid name");
        r.register(Box::new(stale.clone())).expect("a name of its own");
        Self {
            settled: RwLock::default(),
            sources: Mutex::default(),
            rules: Mutex::default(),
            logged: Mutex::default(),
            rule_set_since: Mutex::default(),
            records: counters(r, "records_total", "Records taken in.", &["source"]),
            bytes: counters(r, "record_bytes_total", "Bytes of the records taken in.", &["source"]),
            screened: counters(r, "records_screened_total", "Records screened.", &["source"]),
            refused: counters(r, "records_refused_total", "Records refused.", &["source", "reason"]),
            dead_lettered: counters(r, "dead_letters_total", "Refused records put away.", &["source", "to"]),
            hits: counters(r, "rule_hits_total", "Hits by rule.", &["rule", "mode"]),
            alerts: counters(r, "alerts_total", "Alerts raised.", &["color", "category"]),
            batch_seconds: histograms(r, "batch_seconds", "Screening of one batch.", WORK_SECONDS, &["source"]),
            alert_latency_seconds: histogram(
                r,
                "alert_latency_seconds",
                "From the event being produced to its alert being durable.",
                LATENCY_SECONDS,
            ),
            lag: gauges(r, "kafka_lag", "Records not yet committed.", &["topic", "partition"]),
            brokers_up: gauges(
                r,
                "kafka_brokers_up",
                "Brokers that a client is connected to.",
                &["client"],
            ),
            rebalances: counters(r, "kafka_rebalances_total", "Changes of the assignment.", &["kind"]),
            faults: counters(
                r,
                "faults_total",
                "Faults by kind; the log has the particulars.",
                &["kind"],
            ),
            rule_set: gauges(r, "rule_set_info", "The rule set in use.", &["digest"]),
            rule_set_age_seconds: gauge(r, "rule_set_age_seconds", "Since the rule set in use was loaded."),
            rule_set_loaded_at: gauge(r, "rule_set_loaded_timestamp_seconds", "When it was loaded."),
            rule_set_stale: stale,
            journal_entries: counters(r, "journal_entries_total", "Entries written.", &[]).with_label_values(none),
            journal_bytes: counters(r, "journal_bytes_total", "Bytes written.", &[]).with_label_values(none),
            journal_fsync_seconds: histogram(r, "journal_fsync_seconds", "One fsync of the journal.", WORK_SECONDS),
            store_apply_seconds: histogram(
                r,
                "store_apply_seconds",
                "One change applied to the store.",
                WORK_SECONDS,
            ),
            queue_depth: gauges(r, "queue_depth", "What waits in a queue.", &["queue"]),
            outbox_lag: gauges(r, "outbox_lag", "Journal entries not yet delivered.", &["sink"]),
            delivered: counters(
                r,
                "notices_delivered_total",
                "Notices acknowledged by a sink.",
                &["sink"],
            ),
            undelivered: counters(
                r,
                "notices_dead_total",
                "Notices that a sink refused for good.",
                &["sink"],
            ),
            http_requests: counters(r, "http_intake_requests_total", "Requests by outcome.", &["outcome"]),
            http_intake_seconds: histogram(r, "http_intake_seconds", "One intake request.", LATENCY_SECONDS),
            registry,
        }
    }
}

/// The totals of one source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Totals {
    /// The source.
    pub source: String,
    /// Records taken in.
    pub records: u64,
    /// Of these, screened.
    pub screened: u64,
    /// Of these, refused, by any reason.
    pub refused: u64,
    /// Refused records put away so far; equals `refused` when nothing is under way.
    pub dead_lettered: u64,
}

impl Totals {
    /// Invariant: records = screened + refused.
    pub fn balances(&self) -> bool {
        self.records == self.screened + self.refused
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Metrics {
    /// Counters at zero.
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    /// The counters of a source (`kafka/waybills`, `http`, `demo`, …); names come from the configuration only.
    pub fn source(&self, name: &str) -> Arc<Source> {
        let make = || Arc::new(Source::new(self, name));
        locked(&self.sources)
            .entry(name.to_owned())
            .or_insert_with(make)
            .clone()
    }

    /// Totals by source, all of one moment.
    pub fn reconcile(&self) -> Vec<Totals> {
        let _still = self.settled.write().unwrap_or_else(PoisonError::into_inner);
        locked(&self.sources)
            .iter()
            .map(|(name, source)| source.totals(name))
            .collect()
    }

    /// Counts one alert that was raised. `category` is one of the catalogue's words.
    pub fn alert(&self, color: Color, category: &str) {
        let known = category.len() <= 2 && category.bytes().all(|byte| byte.is_ascii_alphanumeric());
        let category = if known { category } else { OTHER };
        self.alerts.with_label_values(&[color.as_str(), category]).inc();
    }

    /// Counts hits of one rule.
    fn hit(&self, rule: &str, mode: Mode, count: u64) {
        let label = {
            let mut rules = locked(&self.rules);
            let known = rules.contains(rule) || (rules.len() < RULES_MAX && rules.insert(rule.to_owned()));
            if known { rule } else { OTHER }
        };
        self.hits.with_label_values(&[label, mode.as_str()]).inc_by(count);
    }

    /// Says which rule set is in use from now on.
    pub fn rule_set(&self, digest: &str) {
        self.rule_set.reset();
        self.rule_set.with_label_values(&[digest]).set(1);
        self.rule_set_stale.set(0);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        self.rule_set_loaded_at.set(now.as_secs_f64());
        *locked(&self.rule_set_since) = Some(Instant::now());
    }

    /// Says that a newer rule set was refused and the one in use stays.
    pub fn rule_set_stale(&self) {
        self.rule_set_stale.set(1);
    }

    /// Records not yet committed in a partition; `None` when it is not ours any more.
    pub fn lag(&self, topic: &str, partition: i32, records: Option<i64>) {
        let partition = partition.to_string();
        match records {
            Some(records) => self.lag.with_label_values(&[topic, &partition]).set(records),
            None => drop(self.lag.remove_label_values(&[topic, &partition])),
        }
    }

    /// Records not yet committed in all our partitions; `None` before any is known.
    pub fn total_lag(&self) -> Option<u64> {
        use prometheus::core::Collector;
        let families = self.lag.collect();
        let lags = families
            .iter()
            .flat_map(prometheus::proto::MetricFamily::get_metric)
            .map(|metric| metric.get_gauge().get_value());
        lags.reduce(|sum, lag| sum + lag).map(|lag| lag as u64)
    }

    /// Brokers that a client (`consumer-0`, `producer`, …) is connected to.
    pub fn brokers_up(&self, client: &str, count: i64) {
        self.brokers_up.with_label_values(&[client]).set(count);
    }

    /// What waits in a queue, by the queue's fixed name.
    pub fn queue_depth(&self, queue: &'static str) -> IntGauge {
        self.queue_depth.with_label_values(&[queue])
    }

    /// Journal entries that a sink has not yet taken.
    pub fn outbox_lag(&self, sink: &str, entries: u64) {
        self.outbox_lag
            .with_label_values(&[sink])
            .set(i64::try_from(entries).unwrap_or(i64::MAX));
    }

    /// Counts notices that a sink acknowledged.
    pub fn delivered(&self, sink: &str, count: u64) {
        self.delivered.with_label_values(&[sink]).inc_by(count);
    }

    /// Counts a group that was written to the journal.
    pub fn journaled(&self, entries: usize, bytes: u64, sync_time: Duration) {
        self.journal_entries.inc_by(entries as u64);
        self.journal_bytes.inc_by(bytes);
        self.journal_fsync_seconds.observe(sync_time.as_secs_f64());
    }

    /// Counts one intake request by outcome (`taken`, `behind`, `failed`).
    pub fn http_request(&self, outcome: &'static str) {
        self.http_requests.with_label_values(&[outcome]).inc();
    }

    /// How often a kind of fault was seen.
    pub fn faults(&self, kind: &str) -> u64 {
        self.faults.with_label_values(&[kind]).get()
    }

    /// True once every [`LOG_EVERY`] for the same words: a fault that repeats is counted each time and said now and then.
    fn say(&self, about: &str) -> bool {
        let mut logged = locked(&self.logged);
        let now = Instant::now();
        let due = logged
            .get(about)
            .is_none_or(|last| now.duration_since(*last) >= LOG_EVERY);
        if due {
            logged.insert(about.to_owned(), now);
        }
        due
    }

    /// Everything in Prometheus' text format.
    pub fn render(&self) -> String {
        if let Some(since) = *locked(&self.rule_set_since) {
            self.rule_set_age_seconds.set(since.elapsed().as_secs_f64());
        }
        let families = {
            let _still = self.settled.write().unwrap_or_else(PoisonError::into_inner);
            self.registry.gather()
        };
        TextEncoder::new().encode_to_string(&families).unwrap_or_default()
    }
}

impl std::fmt::Debug for Metrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Metrics")
            .field("totals", &self.reconcile())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::waybill::Reason;

    #[test]
    fn totals_balance_and_every_reason_starts_at_zero() {
        let metrics = Metrics::new();
        let source = metrics.source("test");
        let mut tally = Tally::default();
        tally.screened(100);
        tally.screened(50);
        tally.refused(Reason::NotJson, 3);
        tally.hit("rule-1", Mode::Live);
        tally.hit("rule-1", Mode::Live);
        tally.hit("rule-1", Mode::Shadow);
        tally.add_to(&metrics, &source);
        source.dead_lettered("file", 1);
        let totals = &metrics.reconcile()[0];
        assert_eq!(
            (totals.records, totals.screened, totals.refused, totals.dead_lettered),
            (3, 2, 1, 1)
        );
        assert!(totals.balances());
        let text = metrics.render();
        for line in [
            "jingyou_record_bytes_total{source=\"test\"} 153",
            "jingyou_records_refused_total{reason=\"csv_shape\",source=\"test\"} 0",
            "jingyou_records_refused_total{reason=\"not_json\",source=\"test\"} 1",
            "jingyou_rule_hits_total{mode=\"live\",rule=\"rule-1\"} 2",
            "jingyou_rule_hits_total{mode=\"shadow\",rule=\"rule-1\"} 1",
        ] {
            assert!(text.lines().any(|shown| shown == line), "{line} is not in\n{text}");
        }
    }

    #[test]
    fn a_scrape_under_load_never_disagrees_with_itself() {
        let metrics = Metrics::new();
        let source = metrics.source("test");
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for _ in 0..2_000 {
                    let mut tally = Tally::default();
                    tally.screened(1);
                    tally.refused(Reason::BadUtf8, 1);
                    tally.add_to(&metrics, &source);
                }
            });
            for _ in 0..200 {
                assert!(metrics.reconcile()[0].balances());
            }
        });
        assert_eq!(metrics.reconcile()[0].records, 4_000);
    }

    #[test]
    fn labels_are_bounded() {
        let metrics = Metrics::new();
        for rule in 0..RULES_MAX + 3 {
            metrics.hit(&format!("rule-{rule}"), Mode::Live, 1);
        }
        metrics.alert(Color::Red, "not a category");
        let text = metrics.render();
        assert!(text.contains("jingyou_rule_hits_total{mode=\"live\",rule=\"other\"} 3"));
        assert!(text.contains("jingyou_alerts_total{category=\"other\",color=\"red\"} 1"));
    }
}
