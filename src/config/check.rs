//! What a configuration means on this machine: folders, files, addresses, rules; and how it is shown to people.

use super::{Config, MASKED, Properties};
use crate::waybill::Mapping;
use figment::Provider;
use figment::providers::Serialized;
use figment::value::{Dict, Value};
use std::fmt::{self, Write};
use std::path::Path;

/// One thing that would keep `jingyou run` from starting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The key at fault.
    pub key: String,
    /// What is wrong, and what would be right.
    pub detail: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.key, self.detail)
    }
}

/// Compares a configuration with the machine, and returns all problems. Creates `data_dir` if it is absent, because a
/// folder that can be created is the only proof that it can. The rules are loaded by whoever runs them.
pub fn check(config: &Config) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut fault = |key: &str, detail: String| {
        problems.push(Problem {
            key: key.to_owned(),
            detail,
        });
    };
    if let Err(error) = writable(&config.data_dir) {
        fault(
            "data_dir",
            format!(
                "{}: {error}: must be a folder that can be written to",
                config.data_dir.display()
            ),
        );
    }
    if !config.rules.dir.is_dir() {
        fault("rules.dir", format!("{}: no such folder", config.rules.dir.display()));
    }
    if config.screen.yellow_at == 0 || config.screen.red_at <= config.screen.yellow_at {
        fault(
            "screen.red_at",
            "must be above screen.yellow_at, and that above 0".to_owned(),
        );
    }
    if !config.api.listen.ip().is_loopback() {
        let detail = "loopback only (127.0.0.1 or [::1]) until authentication exists";
        fault("api.listen", format!("{}: {detail}", config.api.listen));
    }
    for (key, value) in [
        ("http_intake.body_bytes_max", config.http_intake.body_bytes_max),
        ("http_intake.queue_max", config.http_intake.queue_max),
        ("http_intake.workers", config.http_intake.workers),
    ] {
        if value == 0 {
            fault(key, "must be at least 1".to_owned());
        }
    }
    if let Err(error) = config.log.level.parse::<tracing_subscriber::EnvFilter>() {
        fault(
            "log.level",
            format!("{error}: expected error, warn, info, debug or trace, also by part"),
        );
    }
    kafka(config, &mut fault);
    problems
}

fn kafka(config: &Config, fault: &mut impl FnMut(&str, String)) {
    let Some(kafka) = &config.kafka else { return };
    if kafka.brokers.trim().is_empty() {
        fault(
            "kafka.brokers",
            "is required with [kafka]: host:port,host:port".to_owned(),
        );
    }
    if kafka.workers == Some(0) {
        fault(
            "kafka.workers",
            "must be at least 1, or left out for one a core".to_owned(),
        );
    }
    if kafka.waybills.is_empty() {
        fault("kafka.waybills", "names no topic to read".to_owned());
    }
    let mut topics = Vec::new();
    for waybills in &kafka.waybills {
        if topics.contains(&&waybills.topic) {
            fault("kafka.waybills.topic", format!("{} stands there twice", waybills.topic));
        }
        topics.push(&waybills.topic);
        if let Some(path) = &waybills.mapping
            && let Err(detail) = mapping(path)
        {
            fault("kafka.waybills.mapping", detail);
        }
    }
    for (key, topic) in [
        ("kafka.dead_letters", &kafka.dead_letters),
        ("kafka.alerts_yellow", &kafka.alerts_yellow),
        ("kafka.alerts_red", &kafka.alerts_red),
        ("kafka.holds", &kafka.holds),
        ("kafka.cases", &kafka.cases),
    ] {
        if topic.is_empty() {
            fault(key, "must name a topic".to_owned());
        } else if topics.contains(&topic) {
            fault(
                key,
                format!("{topic} is read as waybills: what is written there would come back in"),
            );
        }
    }
    for (key, properties) in [
        ("kafka.properties", &kafka.properties),
        ("kafka.consumer", &kafka.consumer),
        ("kafka.producer", &kafka.producer),
    ] {
        for name in properties.0.keys().filter(|name| OURS.contains(&name.as_str())) {
            fault(key, format!("{name} is set by jingyou: delivery depends on it"));
        }
    }
    if let Err(detail) = crate::intake::client::accepted(kafka) {
        fault("kafka", detail);
    }
}

/// Properties on which the delivery guarantees rest.
const OURS: [&str; 6] = [
    "bootstrap.servers",
    "group.id",
    "enable.auto.offset.store",
    "enable.auto.commit",
    "enable.idempotence",
    "partition.assignment.strategy",
];

/// Reads a mapping file; the error says where and what.
pub(crate) fn mapping(path: &Path) -> Result<Mapping, String> {
    let text = std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    Mapping::parse(&text).map_err(|error| format!("{}:{error}", path.display()))
}

fn writable(folder: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(folder)?;
    let probe = folder.join(format!(".probe-{}", std::process::id()));
    std::fs::write(&probe, b"")?;
    std::fs::remove_file(&probe)
}

/// The configuration in effect as TOML, one dotted key a line, secrets masked.
pub fn effective(config: &Config) -> String {
    let data = Serialized::defaults(config)
        .data()
        .expect("a configuration is plain data");
    let mut lines = String::new();
    for dict in data.values() {
        show(dict, "", &mut lines);
    }
    lines
}

fn show(dict: &Dict, path: &str, into: &mut String) {
    for (key, value) in dict {
        let quoted = if key.contains('.') {
            format!("\"{key}\"")
        } else {
            key.clone()
        };
        let full = if path.is_empty() {
            quoted
        } else {
            format!("{path}.{quoted}")
        };
        match value {
            Value::Dict(_, inner) => show(inner, &full, into),
            Value::Empty(..) => {}
            value => {
                let shown = if Properties::is_secret(key) {
                    format!("\"{MASKED}\"")
                } else {
                    literal(value)
                };
                writeln!(into, "{full} = {shown}").expect("a string takes any text");
            }
        }
    }
}

fn literal(value: &Value) -> String {
    match value {
        Value::Bool(_, bool) => bool.to_string(),
        Value::Num(_, num) => num
            .to_i128()
            .map_or_else(|| format!("{:?}", num.to_f64()), |num| num.to_string()),
        Value::Array(_, items) => format!("[{}]", items.iter().map(literal).collect::<Vec<_>>().join(", ")),
        Value::Dict(_, dict) => {
            let entries = dict.iter().filter(|(_, value)| !matches!(value, Value::Empty(..)));
            let entries: Vec<_> = entries
                .map(|(key, value)| format!("{key} = {}", literal(value)))
                .collect();
            format!("{{{}}}", entries.join(", "))
        }
        Value::String(_, text) => serde_json::Value::from(text.as_str()).to_string(),
        Value::Char(_, char) => serde_json::Value::from(char.to_string()).to_string(),
        Value::Empty(..) => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Kafka, Waybills};

    fn on_this_machine() -> (tempfile::TempDir, Config) {
        let folder = tempfile::tempdir().unwrap();
        let mut config = Config {
            data_dir: folder.path().join("data"),
            ..Config::default()
        };
        config.rules.dir = folder.path().to_owned();
        (folder, config)
    }

    #[test]
    fn a_good_configuration_has_no_problem() {
        let (_folder, mut config) = on_this_machine();
        config.kafka = Some(Kafka {
            brokers: "127.0.0.1:9092".to_owned(),
            ..Kafka::default()
        });
        assert_eq!(check(&config), []);
    }

    #[test]
    fn each_fault_is_named() {
        type Spoil = fn(&mut Config);
        let kafka = |config: &mut Config| {
            config.kafka = Some(Kafka {
                brokers: "127.0.0.1:9092".to_owned(),
                ..Kafka::default()
            });
        };
        let rows: [(&str, &str, Spoil); 7] = [
            ("data_dir", "must be a folder", |config| {
                config.data_dir = "/proc/none".into();
            }),
            ("rules.dir", "no such folder", |config| {
                config.rules.dir = "/nowhere".into();
            }),
            ("screen.red_at", "above", |config| config.screen.red_at = 10),
            ("api.listen", "loopback only", |config| {
                config.api.listen = "0.0.0.0:8686".parse().unwrap();
            }),
            ("kafka.brokers", "required", |config| {
                config.kafka.as_mut().unwrap().brokers.clear();
            }),
            ("kafka.holds", "come back in", |config| {
                config.kafka.as_mut().unwrap().holds = "waybills".to_owned();
            }),
            ("kafka.waybills.mapping", "/nowhere.yml", |config| {
                let mapping = Some("/nowhere.yml".into());
                config.kafka.as_mut().unwrap().waybills = vec![Waybills {
                    mapping,
                    ..Waybills::default()
                }];
            }),
        ];
        for (key, detail, spoil) in rows {
            let (_folder, mut config) = on_this_machine();
            kafka(&mut config);
            spoil(&mut config);
            let problems = check(&config);
            assert_eq!(problems.len(), 1, "{key}: {problems:?}");
            assert!(
                problems[0].key == key && problems[0].detail.contains(detail),
                "{}",
                problems[0]
            );
        }
    }

    #[test]
    fn properties_are_judged_by_librdkafka_and_those_of_delivery_are_ours() {
        for (name, value, detail) in [
            ("sasl.mechanismus", "PLAIN", "sasl.mechanismus"),
            ("enable.auto.commit", "false", "is set by jingyou"),
        ] {
            let (_folder, mut config) = on_this_machine();
            let mut section = Kafka {
                brokers: "127.0.0.1:9092".to_owned(),
                ..Kafka::default()
            };
            section.properties.0.insert(name.to_owned(), value.to_owned());
            config.kafka = Some(section);
            let problems = check(&config);
            assert!(
                problems.iter().any(|problem| problem.detail.contains(detail)),
                "{problems:?}"
            );
        }
    }

    #[test]
    fn secrets_are_masked() {
        let mut config = Config {
            kafka: Some(Kafka::default()),
            ..Config::default()
        };
        let properties = &mut config.kafka.as_mut().unwrap().properties.0;
        properties.insert("sasl.password".to_owned(), "open sesame".to_owned());
        properties.insert("sasl.username".to_owned(), "jingyou".to_owned());
        let shown = effective(&config);
        assert!(!shown.contains("sesame"), "{shown}");
        for line in [
            "kafka.properties.\"sasl.password\" = \"********\"",
            "kafka.properties.\"sasl.username\" = \"jingyou\"",
            "kafka.waybills = [{topic = \"waybills\"}]",
            "deadlines.ack_within = \"10m\"",
            "api.listen = \"127.0.0.1:8686\"",
        ] {
            assert!(shown.lines().any(|shown| shown == line), "{line} is not in\n{shown}");
        }
    }
}
