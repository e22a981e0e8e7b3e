//! The configuration: every key with its unit and default, and nothing else. Reading it from a file and the
//! environment is `load`'s work, comparing it with the machine `check`'s.
//!
//! Relative paths hold from the folder that the program is started in.

mod check;
mod load;
mod span;

pub(crate) use check::mapping as read_mapping;
pub use check::{Problem, check, effective};
pub use load::{ConfigError, Fault, load};
pub use span::Span;

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

/// Everything that `jingyou run` can be told.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Config {
    /// Folder of journal, store, site key and dead letters; created at the first start. Default `data`.
    pub data_dir: PathBuf,
    /// The rules.
    pub rules: Rules,
    /// What a sum of scores amounts to.
    pub screen: Screen,
    /// How soon people must react.
    pub deadlines: Deadlines,
    /// Console and HTTP interface.
    pub api: Api,
    /// Waybills by HTTP (`POST /api/v1/waybills`).
    pub http_intake: HttpIntake,
    /// Waybills from Kafka, alerts to Kafka. Without this section there is no Kafka.
    pub kafka: Option<Kafka>,
    /// Where refused records go that did not come from Kafka.
    pub dead_letters: DeadLetters,
    /// The program's own log.
    pub log: Log,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            data_dir: "data".into(),
            rules: Rules::default(),
            screen: Screen::default(),
            deadlines: Deadlines::default(),
            api: Api::default(),
            http_intake: HttpIntake::default(),
            kafka: None,
            dead_letters: DeadLetters::default(),
            log: Log::default(),
        }
    }
}

impl Config {
    /// The file for refused records: the configured one, else `dead_letters.ndjson` in the data folder.
    pub fn dead_letters_file(&self) -> PathBuf {
        self.dead_letters
            .file
            .clone()
            .unwrap_or_else(|| self.data_dir.join("dead_letters.ndjson"))
    }

    /// The site's secret, from which subject hashes are made.
    pub fn site_key_file(&self) -> PathBuf {
        self.data_dir.join("site.key")
    }
}

/// `[rules]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Rules {
    /// Folder of rule files. Default `rules`.
    pub dir: PathBuf,
}

impl Default for Rules {
    fn default() -> Self {
        Self { dir: "rules".into() }
    }
}

/// `[screen]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Screen {
    /// Sum of scores from which a waybill is yellow. Default 60.
    pub yellow_at: u32,
    /// Sum of scores from which it is red. Default 100.
    pub red_at: u32,
}

impl Default for Screen {
    fn default() -> Self {
        Self {
            yellow_at: 60,
            red_at: 100,
        }
    }
}

/// `[deadlines]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Deadlines {
    /// A yellow alert must be verified within this time. Default `24h`.
    pub verify_within: Span,
    /// A red alert must be acknowledged within this time. Default `10m`.
    pub ack_within: Span,
}

impl Default for Deadlines {
    fn default() -> Self {
        Self {
            verify_within: Span::hours(24),
            ack_within: Span::minutes(10),
        }
    }
}

/// `[api]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Api {
    /// Address and port to listen on; loopback only until authentication exists. Default `127.0.0.1:8686`.
    pub listen: SocketAddr,
}

impl Default for Api {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8686)),
        }
    }
}

/// `[http_intake]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct HttpIntake {
    /// Largest request body, bytes. Default 8 MiB.
    pub body_bytes_max: usize,
    /// Requests that may wait to be screened; the next one is answered 429. Default 16.
    pub queue_max: usize,
    /// Threads that screen request bodies. Default 1.
    pub workers: usize,
    /// What a caller answered 429 is told to wait. Default `2s`.
    pub retry_after: Span,
}

impl Default for HttpIntake {
    fn default() -> Self {
        Self {
            body_bytes_max: 8 << 20,
            queue_max: 16,
            workers: 1,
            retry_after: Span::seconds(2),
        }
    }
}

/// `[kafka]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Kafka {
    /// Addresses to start from, `host:port,host:port`. Required.
    pub brokers: String,
    /// Consumer group; instances of one group share the partitions. Default `jingyou`.
    pub group: String,
    /// Threads, each with a consumer of its own. Default: as many as the machine has cores.
    pub workers: Option<usize>,
    /// Topics to read. Default one topic, `waybills`.
    pub waybills: Vec<Waybills>,
    /// Topic for refused records. Default `waybills.dlq`.
    pub dead_letters: String,
    /// Topic for yellow alerts. Default `alerts.yellow`.
    pub alerts_yellow: String,
    /// Topic for red alerts. Default `alerts.red`.
    pub alerts_red: String,
    /// Topic for hold orders to carriers. Default `holds`.
    pub holds: String,
    /// Topic for changes of cases. Default `cases`.
    pub cases: String,
    /// Properties of librdkafka for every client (SASL, TLS, …), dotted as librdkafka names them.
    pub properties: Properties,
    /// Properties for consumers only; these win over `properties`.
    pub consumer: Properties,
    /// Properties for producers only; these win over `properties`.
    pub producer: Properties,
}

impl Default for Kafka {
    fn default() -> Self {
        Self {
            brokers: String::new(),
            group: "jingyou".to_owned(),
            workers: None,
            waybills: vec![Waybills::default()],
            dead_letters: "waybills.dlq".to_owned(),
            alerts_yellow: "alerts.yellow".to_owned(),
            alerts_red: "alerts.red".to_owned(),
            holds: "holds".to_owned(),
            cases: "cases".to_owned(),
            properties: Properties::default(),
            consumer: Properties::default(),
            producer: Properties::default(),
        }
    }
}

/// One of `[[kafka.waybills]]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Waybills {
    /// Topic to read. Default `waybills`.
    pub topic: String,
    /// Mapping file, where the carrier's records have other field names than ours.
    pub mapping: Option<PathBuf>,
}

impl Default for Waybills {
    fn default() -> Self {
        Self {
            topic: "waybills".to_owned(),
            mapping: None,
        }
    }
}

/// Properties handed to librdkafka as they are; `sasl.mechanism = "PLAIN"` and `"sasl.mechanism" = "PLAIN"` both do.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(from = "BTreeMap<String, figment::value::Value>")]
pub struct Properties(pub BTreeMap<String, String>);

impl From<BTreeMap<String, figment::value::Value>> for Properties {
    fn from(nested: BTreeMap<String, figment::value::Value>) -> Self {
        let mut flat = BTreeMap::new();
        for (key, value) in nested {
            flatten(key, &value, &mut flat);
        }
        Self(flat)
    }
}

fn flatten(key: String, value: &figment::value::Value, into: &mut BTreeMap<String, String>) {
    use figment::value::Value;
    match value {
        Value::Dict(_, dict) => dict
            .iter()
            .for_each(|(name, value)| flatten(format!("{key}.{name}"), value, into)),
        Value::String(_, text) => drop(into.insert(key, text.clone())),
        Value::Bool(_, bool) => drop(into.insert(key, bool.to_string())),
        Value::Num(_, num) => {
            let text = num
                .to_i128()
                .map(|num| num.to_string())
                .or_else(|| num.to_u128().map(|num| num.to_string()));
            into.insert(
                key,
                text.or_else(|| num.to_f64().map(|num| num.to_string()))
                    .unwrap_or_default(),
            );
        }
        Value::Array(_, items) => {
            let mut each = BTreeMap::new();
            items
                .iter()
                .enumerate()
                .for_each(|(at, item)| flatten(at.to_string(), item, &mut each));
            into.insert(key, each.into_values().collect::<Vec<_>>().join(","));
        }
        Value::Char(_, char) => drop(into.insert(key, char.to_string())),
        Value::Empty(..) => {}
    }
}

impl Properties {
    /// True for properties whose value is a secret: it is used, and never shown.
    pub fn is_secret(name: &str) -> bool {
        [
            "password",
            "secret",
            "token",
            "jaas",
            "key.pem",
            "sasl.oauthbearer.config",
        ]
        .iter()
        .any(|part| name.contains(part))
    }
}

impl std::fmt::Debug for Properties {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let shown = |(name, value)| (name, if Self::is_secret(name) { MASKED } else { value });
        f.debug_map()
            .entries(
                self.0
                    .iter()
                    .map(|(name, value)| (name.as_str(), value.as_str()))
                    .map(shown),
            )
            .finish()
    }
}

/// What is shown in place of a secret.
const MASKED: &str = "********";

/// `[dead_letters]`
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct DeadLetters {
    /// File for refused records that did not come from Kafka, and for those too large for the dead-letter topic.
    /// Default `dead_letters.ndjson` in `data_dir`.
    pub file: Option<PathBuf>,
}

/// `[log]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Log {
    /// `text` or `json`. Default `text`.
    pub format: LogFormat,
    /// `error`, `warn`, `info`, `debug` or `trace`; also by part, as `info,jingyou::intake=debug`. Default `info`.
    pub level: String,
}

impl Default for Log {
    fn default() -> Self {
        Self {
            format: LogFormat::Text,
            level: "info".to_owned(),
        }
    }
}

/// How log lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}
