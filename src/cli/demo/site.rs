//! The demonstration's engine: rules, desk and counters, as the API and the terminal ask for them.

use super::face::Reading;
use anyhow::{Context, anyhow};
use axum::body::Bytes;
use jingyou::alert::{Alert, Color, Finding, SubjectKey};
use jingyou::api::{Engine, NotTaken, Raised, Receipt, Refused, RulesInForce, Totals, Unready};
use jingyou::case::{ApplyError, Change, Desk, DeskConfig, Entry, Health, Ticket};
use jingyou::engine::lane::{Lane, Passed};
use jingyou::metrics::{self, Metrics, Source, Tally};
use jingyou::ruleset::RuleSet;
use jingyou::screen::{Mode, Thresholds};
use jingyou::waybill::Refusal;
use std::collections::VecDeque;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};
use time::OffsetDateTime;

/// An alert on its way to the terminal.
pub type Shown = Box<Alert>;

/// Alerts that wait for the terminal at most; more are counted and on the page, and not shown here.
const SHOWN_MAX: usize = 64;
/// Batches of findings whose durability is waited for at once, to time it.
const TIMED_MAX: usize = 1024;
/// Latencies that the percentile is taken over, the last ones.
const LATENCIES_MAX: usize = 10_000;
/// Time in which what was raised must be durable when the demonstration ends.
const SETTLE_WITHIN: Duration = Duration::from_secs(10);
/// What a caller is told to wait when the desk is full.
const RETRY_AFTER_S: u64 = 1;

/// The engine.
pub struct Site {
    /// Alerts and cases.
    pub desk: Desk,
    /// When it started.
    pub started: Instant,
    rules: Arc<RuleSet>,
    loaded_at: OffsetDateTime,
    key: SubjectKey,
    metrics: Arc<Metrics>,
    raised: Arc<Raisings>,
    latencies: Arc<Mutex<VecDeque<Duration>>>,
    timed: SyncSender<(Ticket, Instant)>,
}

/// What the journal has told of since the start.
#[derive(Default)]
struct Raisings {
    metrics: Arc<Metrics>,
    yellow: AtomicU64,
    red: AtomicU64,
    cases: AtomicU64,
}

/// One thread's way through the pure stages, with its counts.
pub struct Worker {
    lane: Lane,
    tally: Tally,
    source: Arc<Source>,
    metrics: Arc<Metrics>,
}

impl Site {
    /// Loads the rules, opens the desk, and gives the alerts that are raised from now on.
    pub fn open(rules: &Path, data: &Path) -> anyhow::Result<(Arc<Self>, Receiver<Shown>)> {
        let rules = RuleSet::load(rules, Thresholds::default())
            .map_err(|problems| anyhow!("{problems}"))
            .with_context(|| format!("rules in {}", rules.display()))?;
        let mut secret = [0; 32];
        getrandom::fill(&mut secret).map_err(|error| anyhow!("no randomness for the site's key: {error}"))?;
        let (desk, _) = Desk::open(DeskConfig::new(data), Arc::new(OffsetDateTime::now_utc))
            .with_context(|| format!("opening cases in {}", data.display()))?;
        let metrics = Metrics::new();
        metrics.rule_set(rules.digest());
        let raised = Arc::new(Raisings {
            metrics: metrics.clone(),
            ..Raisings::default()
        });
        let (shown, alerts) = sync_channel(SHOWN_MAX);
        let told = raised.clone();
        desk.on_entry(Box::new(move |entry| told.take(entry, &shown)));
        let latencies = Arc::new(Mutex::new(VecDeque::with_capacity(LATENCIES_MAX)));
        let timed = time_in_background(desk.clone(), latencies.clone())?;
        let site = Self {
            desk,
            started: Instant::now(),
            rules: Arc::new(rules),
            loaded_at: OffsetDateTime::now_utc(),
            key: SubjectKey::new(&secret),
            metrics,
            raised,
            latencies,
            timed,
        };
        Ok((Arc::new(site), alerts))
    }

    /// A way through the pure stages for one thread, counted under the name of a source.
    pub fn worker(&self, source: &str) -> Worker {
        Worker {
            lane: Lane::new(self.rules.clone(), None, self.key.clone()),
            tally: Tally::default(),
            source: self.metrics.source(source),
            metrics: self.metrics.clone(),
        }
    }

    /// Hands findings to the desk, which waits when it is behind. False once the desk takes nothing more.
    pub fn submit_findings(&self, findings: Vec<Finding>, arrived: Instant) -> bool {
        if findings.is_empty() {
            return true;
        }
        let Ok(ticket) = self.desk.submit(findings) else {
            return false;
        };
        let _not_timed_when_behind = self.timed.try_send((ticket, arrived));
        true
    }

    /// Waits until everything submitted is durable.
    pub fn settle(&self) {
        let Ok(last) = self.desk.submit(Vec::new()) else { return };
        if let Err(error) = self.desk.wait(last, SETTLE_WITHIN) {
            eprintln!("jingyou: not everything is durable: {error}");
        }
    }

    /// The figures for the terminal; with the mean rate when it is over.
    pub fn reading(&self, elapsed: Duration, over: bool) -> Reading {
        let Totals { screened, refused, .. } = self.totals();
        Reading {
            screened,
            refused,
            per_second: if over {
                screened as f64 / elapsed.as_secs_f64()
            } else {
                0.0
            },
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
        if change.case_change == jingyou::case::CaseChange::Opened {
            self.cases.fetch_add(1, Ordering::Relaxed);
        }
        self.metrics.alert(change.alert.color, &change.alert.category);
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

impl Engine for Site {
    fn submit(&self, body: Bytes) -> Result<Receipt, NotTaken> {
        let mut worker = self.worker("http");
        let mut receipt = Receipt {
            rule_set: self.rules.digest().to_owned(),
            ..Receipt::default()
        };
        let mut findings = Vec::new();
        let records = body
            .split(|byte| *byte == b'\n')
            .zip(1..)
            .filter(|(line, _)| !line.trim_ascii().is_empty());
        for (bytes, line) in records {
            receipt.received += 1;
            match worker.pass(bytes) {
                Ok(finding) => {
                    receipt.screened += 1;
                    findings.extend(finding);
                }
                Err(refusal) => receipt.refused.push(Refused::new(line, refusal)),
            }
        }
        let raised = self.desk.apply_now(findings.clone()).map_err(|error| match error {
            ApplyError::Full | ApplyError::Timeout => NotTaken::Busy {
                retry_after_s: RETRY_AFTER_S,
            },
            ApplyError::Stopped => NotTaken::Unavailable(error.to_string()),
        })?;
        receipt.alerts = findings
            .into_iter()
            .zip(raised)
            .map(|(finding, outcome)| Raised::new(finding, outcome))
            .collect();
        worker.add();
        Ok(receipt)
    }

    fn totals(&self) -> Totals {
        let sources = self.metrics.reconcile();
        let sum = |count: fn(&metrics::Totals) -> u64| sources.iter().map(count).sum();
        Totals {
            taken: sum(|of| of.records),
            screened: sum(|of| of.screened),
            refused: sum(|of| of.refused),
            lag: None,
        }
    }

    fn rules(&self) -> RulesInForce {
        RulesInForce {
            digest: self.rules.digest().to_owned(),
            rules: self.rules.rules().len(),
            loaded_at: self.loaded_at,
            stale: false,
        }
    }

    fn unready(&self) -> Vec<Unready> {
        match self.desk.health() {
            Health::Good => Vec::new(),
            Health::Degraded { reason, .. } | Health::Stopped { reason } => vec![Unready { part: "desk", reason }],
        }
    }

    fn metrics(&self) -> String {
        self.metrics.render()
    }
}

impl Worker {
    /// One record: what it raises, or why it was refused.
    pub fn pass(&mut self, bytes: &[u8]) -> Result<Option<Finding>, Refusal> {
        match self.lane.pass(bytes) {
            Passed::Clean => {
                self.tally.screened(bytes.len());
                Ok(None)
            }
            Passed::Hit(hit) => {
                self.tally.screened(bytes.len());
                hit.live.iter().for_each(|rule| self.tally.hit(rule, Mode::Live));
                hit.shadow.iter().for_each(|rule| self.tally.hit(rule, Mode::Shadow));
                Ok(hit.finding)
            }
            Passed::Refused(refusal) => {
                self.tally.refused(refusal.reason, bytes.len());
                Err(refusal)
            }
        }
    }

    /// Adds what was counted to the metrics: once a batch.
    pub fn add(&mut self) {
        self.tally.add_to(&self.metrics, &self.source);
    }
}
