//! A site under test: its folder, topics and configuration, and `jingyou run` as a process that is started, asked and
//! killed.

use crate::broker::{Broker, Read};
use jingyou::case::{self, AlertQuery, Desk, DeskConfig};
use rdkafka::message::ToBytes;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::{self, sleep};
use std::time::{Duration, Instant};
use time::OffsetDateTime;

/// Partitions of the waybill topic.
pub const PARTITIONS: i32 = 8;

/// The longest that a test waits for anything that should happen.
pub const PATIENCE: Duration = Duration::from_secs(90);

/// The topics of one test.
#[derive(Clone)]
pub struct Topics {
    pub prefix: String,
}

impl Topics {
    /// Names that no other test uses, and the topics themselves.
    pub fn create(broker: &Broker, test: &str) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let now = OffsetDateTime::now_utc().unix_timestamp();
        let prefix = format!(
            "t{now}-{}-{}-{test}",
            std::process::id(),
            COUNT.fetch_add(1, Ordering::Relaxed)
        );
        let topics = Self { prefix };
        broker.create(&topics.waybills(), PARTITIONS, true);
        for name in ["dlq", "yellow", "red", "holds", "cases"] {
            broker.create(&topics.named(name), 1, false);
        }
        topics
    }

    pub fn named(&self, name: &str) -> String {
        format!("{}.{name}", self.prefix)
    }

    pub fn waybills(&self) -> String {
        self.named("waybills")
    }

    pub fn group(&self) -> String {
        self.named("group")
    }
}

/// One installation.
pub struct Site {
    folder: tempfile::TempDir,
    port: u16,
}

impl Site {
    pub fn new(broker: &Broker, topics: &Topics) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let port = TcpListener::bind("127.0.0.1:0")
            .and_then(|listener| listener.local_addr())
            .expect("a port")
            .port();
        let rules = Path::new(env!("CARGO_MANIFEST_DIR")).join("rules");
        let (named, data) = (|name| topics.named(name), folder.path().join("data"));
        let (data, rules) = (data.display(), rules.display());
        let config = format!(
            "data_dir = \"{data}\"\n[rules]\ndir = \"{rules}\"\n[api]\nlisten = \"127.0.0.1:{port}\"\n\
             [kafka]\nbrokers = {:?}\ngroup = {:?}\nworkers = 2\ndead_letters = {:?}\nalerts_yellow = {:?}\n\
             alerts_red = {:?}\nholds = {:?}\ncases = {:?}\nwaybills = [{{topic = {:?}}}]\n\
             properties.topic.metadata.refresh.interval.ms = 2000\nproperties.reconnect.backoff.max.ms = 1000\n\
             consumer.session.timeout.ms = 6000\nconsumer.heartbeat.interval.ms = 1000\n",
            broker.bootstrap(),
            topics.group(),
            named("dlq"),
            named("yellow"),
            named("red"),
            named("holds"),
            named("cases"),
            topics.waybills(),
        );
        fs::write(folder.path().join("jingyou.toml"), config).expect("a configuration");
        Self { folder, port }
    }

    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    pub fn start(&self) -> Instance {
        let log = File::options()
            .create(true)
            .append(true)
            .open(self.log_file())
            .expect("a log");
        // With SIGXFSZ ignored, a file that may not grow is an error to a write, as a full disk is.
        let child = Command::new("sh")
            .args(["-c", "trap '' XFSZ; exec \"$@\"", "sh"])
            .arg(env!("CARGO_BIN_EXE_jingyou"))
            .arg("run")
            .arg("-c")
            .arg(self.folder.path().join("jingyou.toml"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("jingyou starts");
        Instance {
            child,
            port: self.port,
            log: self.log_file(),
        }
    }

    fn log_file(&self) -> PathBuf {
        self.folder.path().join("log")
    }

    /// What all its lives so far have said.
    pub fn log(&self) -> String {
        fs::read_to_string(self.log_file()).unwrap_or_default()
    }

    /// The ids of all alerts in the store of a stopped site; the audit log checks, and none is there twice.
    pub fn stored(&self) -> BTreeSet<String> {
        let verified = case::verify(&self.data()).expect("the journal can be read");
        assert!(verified.broken.is_none(), "audit verify: {verified:?}");
        let clock = Arc::new(OffsetDateTime::now_utc);
        let (desk, report) = Desk::open(DeskConfig::new(self.data()), clock).expect("the store opens");
        let mut ids = BTreeSet::new();
        let mut query = AlertQuery::default();
        loop {
            let page = desk.alerts(&query).expect("a page");
            for alert in page.items {
                assert!(
                    ids.insert(alert.alert_id.to_string()),
                    "{} is in the store twice",
                    alert.alert_id
                );
            }
            query.after = page.next;
            if query.after.is_none() {
                break;
            }
        }
        assert_eq!(report.counts.alerts, ids.len() as u64);
        ids
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        if thread::panicking() {
            println!("log of {}:\n{}", self.folder.path().display(), self.log());
        }
    }
}

/// A running `jingyou run`.
pub struct Instance {
    child: Child,
    port: u16,
    log: PathBuf,
}

impl Instance {
    /// Waits until `look` finds something, with the end of the log where it does not.
    pub fn wait_for<T>(&mut self, what: &str, mut look: impl FnMut(&mut Self) -> Option<T>) -> T {
        let until = Instant::now() + PATIENCE;
        loop {
            if let Some(found) = look(self) {
                return found;
            }
            let ended = self.child.try_wait().expect("a process");
            assert!(
                ended.is_none(),
                "waiting for {what}: jingyou ended with {ended:?}\n{}",
                self.log_end()
            );
            let metrics = || {
                self.metrics()
                    .map(|metrics| format!("{metrics:#?}"))
                    .unwrap_or_default()
            };
            assert!(
                Instant::now() < until,
                "no {what} in {PATIENCE:?}\n{}\n{}",
                metrics(),
                self.log_end()
            );
            sleep(Duration::from_millis(20));
        }
    }

    fn log_end(&self) -> String {
        let log = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(40)..].join("\n")
    }

    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    fn get(&self, path: &str) -> Option<(u16, String)> {
        let client = reqwest::blocking::Client::builder()
            .timeout(Duration::from_secs(5))
            .build()
            .ok()?;
        let answer = client
            .get(format!("http://127.0.0.1:{}{path}", self.port))
            .send()
            .ok()?;
        Some((answer.status().as_u16(), answer.text().ok()?))
    }

    /// True, false, or no answer.
    pub fn ready(&self) -> Option<bool> {
        self.get("/readyz").map(|(status, _)| status == 200)
    }

    /// The samples of `/metrics`, by name with labels.
    pub fn metrics(&self) -> Option<BTreeMap<String, f64>> {
        let (_, text) = self.get("/metrics")?;
        let sample = |line: &str| {
            let (name, value) = line.rsplit_once(' ')?;
            Some((name.strip_prefix("jingyou_")?.to_owned(), value.parse().ok()?))
        };
        Some(
            text.lines()
                .filter(|line| !line.contains("_bucket"))
                .filter_map(sample)
                .collect(),
        )
    }

    /// The sum of a metric over its labels.
    pub fn sum(&self, name: &str) -> f64 {
        let of = |key: &str| key == name || key.strip_prefix(name).is_some_and(|rest| rest.starts_with('{'));
        self.metrics()
            .iter()
            .flatten()
            .filter(|(key, _)| of(key))
            .map(|(_, value)| value)
            .sum()
    }

    /// Waits until the group has committed everything in the waybill topic.
    pub fn wait_for_lag_zero(&mut self, broker: &Broker, topics: &Topics) {
        self.wait_for("lag of zero", |_| {
            (broker.lag(&topics.group(), &topics.waybills(), PARTITIONS)? == 0).then_some(())
        });
    }

    /// Checks that in this life, per source, records = screened + refused, and every refused one is put away.
    pub fn assert_reconciled(&self) {
        let total = |name: &str| self.sum(name);
        let (records, screened) = (total("records_total"), total("records_screened_total"));
        let (refused, put_away) = (total("records_refused_total"), total("dead_letters_total"));
        assert_eq!(
            (records, refused),
            (screened + refused, put_away),
            "totals don't reconcile"
        );
    }

    /// SIGKILL.
    pub fn kill(mut self) {
        self.child.kill().expect("killed");
        self.child.wait().expect("reaped");
    }

    /// Any signal, by name.
    pub fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        assert!(
            Command::new("kill")
                .args(["-s", name, &pid])
                .status()
                .expect("kill")
                .success()
        );
    }

    /// Lets no file of the process grow beyond so many bytes (`unlimited` for any); what the tool says if it can't.
    pub fn limit_files(&self, bytes: &str) -> Result<(), String> {
        let pid = self.child.id().to_string();
        let set = Command::new("prlimit")
            .args(["--pid", &pid, &format!("--fsize={bytes}:unlimited")])
            .output();
        match set {
            Ok(output) if output.status.success() => Ok(()),
            Ok(output) => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
            Err(error) => Err(format!("prlimit: {error}")),
        }
    }

    /// SIGTERM, and the end that should follow.
    pub fn terminate(mut self) {
        self.signal("TERM");
        let until = Instant::now() + PATIENCE;
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("a process") {
                break status;
            }
            assert!(
                Instant::now() < until,
                "jingyou did not end in {PATIENCE:?}\n{}",
                self.log_end()
            );
            sleep(Duration::from_millis(20));
        };
        assert!(status.success(), "jingyou ended with {status}\n{}", self.log_end());
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        let _ended_already = self.child.kill();
        let _reaped_already = self.child.wait();
    }
}

/// What the alert topics told: alert ids, and how often each idempotency key was told.
pub struct Told {
    pub alerts: BTreeSet<String>,
    pub times: BTreeMap<String, usize>,
}

impl Told {
    pub fn read(broker: &Broker, topics: &Topics) -> Self {
        let read = |name| broker.read(&topics.named(name), 1);
        let messages: Vec<Read> = [read("yellow"), read("red")].concat();
        let mut told = Self {
            alerts: BTreeSet::new(),
            times: BTreeMap::new(),
        };
        for message in messages {
            let event: serde_json::Value = serde_json::from_slice(&message.payload).expect("a CloudEvent");
            let id = event["data"]["alert_id"]
                .as_str()
                .expect("an alert has an id")
                .to_owned();
            let key = &message.headers["idempotency-key"];
            assert_eq!(
                (event["id"].as_str(), event["specversion"].as_str()),
                (Some(key.as_str()), Some("1.0"))
            );
            assert_eq!(
                message.key.to_bytes(),
                event["subject"].as_str().unwrap_or_default().as_bytes()
            );
            assert!(message.headers["content-type"].starts_with("application/cloudevents+json"));
            *told.times.entry(key.clone()).or_default() += 1;
            told.alerts.insert(id);
        }
        told
    }

    /// Reads until the topics have told as many alerts as are expected.
    pub fn wait(broker: &Broker, topics: &Topics, expected: &BTreeSet<String>) -> Self {
        let until = Instant::now() + PATIENCE;
        loop {
            let told = Self::read(broker, topics);
            if told.alerts.len() >= expected.len() || Instant::now() >= until {
                let missing: Vec<_> = expected.difference(&told.alerts).take(5).collect();
                let extra: Vec<_> = told.alerts.difference(expected).take(5).collect();
                let counts = (told.alerts.len(), expected.len());
                assert!(
                    told.alerts == *expected,
                    "told, expected: {counts:?}; missing {missing:?}, extra {extra:?}"
                );
                return told;
            }
            sleep(Duration::from_millis(100));
        }
    }
}
