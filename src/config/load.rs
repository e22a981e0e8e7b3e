//! From a TOML file and `JINGYOU_…` variables to a [`Config`], or to the list of what is wrong with them.
//!
//! Unknown keys are found by comparing what was written with the defaults, key by key, so all of them are reported at
//! once and the known keys can't drift from the types.

use super::{Config, Kafka};
use figment::providers::{Format, Serialized, Toml};
use figment::value::{Dict, Map, Tag, Value};
use figment::{Figment, Metadata, Profile, Provider};
use std::fmt;
use std::path::{Path, PathBuf};

/// Prefix of environment variables that are configuration.
const PREFIX: &str = "JINGYOU_";

/// Between two levels in an environment variable's name.
const LEVEL: &str = "__";

/// Below this likeness (Jaro–Winkler, 0 to 1) another key is no help.
const LIKENESS_MIN: f64 = 0.75;

/// Keys under which everything is allowed, because librdkafka is the judge.
const FREE: [&str; 3] = ["kafka.properties", "kafka.consumer", "kafka.producer"];

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file can't be read.
    #[error("{}: {error}: give the path of the configuration with -c", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// Everything that is wrong in what was read.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Faults(Vec<Fault>),
}

/// One thing that is wrong: where it was written, under which key, and what would be right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The file, or the environment variable.
    pub origin: String,
    /// The key's full path, such as `kafka.brokers`; empty when it is the file as a whole.
    pub key: String,
    /// What is wrong, and what would be right.
    pub detail: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.key.as_str() {
            "" => write!(f, "{}: {}", self.origin, self.detail),
            key => write!(f, "{}: {key}: {}", self.origin, self.detail),
        }
    }
}

/// Reads a configuration: defaults, then the file (if one is given), then the environment, later ones winning.
pub fn load(file: Option<&Path>) -> Result<Config, ConfigError> {
    load_from(file, std::env::vars())
}

fn load_from(
    file: Option<&Path>,
    variables: impl IntoIterator<Item = (String, String)>,
) -> Result<Config, ConfigError> {
    let environment = Environment(variables.into_iter().collect());
    let mut written = Figment::new();
    if let Some(path) = file {
        let text = std::fs::read_to_string(path).map_err(|error| ConfigError::Unreadable {
            path: path.to_owned(),
            error,
        })?;
        Toml::string(&text).data().map_err(|error| {
            let fault = |error: figment::Error| Fault {
                origin: path.display().to_string(),
                key: String::new(),
                detail: error.to_string().trim_end().to_owned(),
            };
            ConfigError::Faults(error.into_iter().map(fault).collect())
        })?;
        written = written.merge(InFile {
            path: path.to_owned(),
            text,
        });
    }
    let written = written.merge(environment);
    let faults = unknown_keys(&written)?;
    if !faults.is_empty() {
        return Err(ConfigError::Faults(faults));
    }
    written.extract().map_err(|error| faults_of(&error))
}

/// The TOML file, named after its path in every message.
struct InFile {
    path: PathBuf,
    text: String,
}

impl Provider for InFile {
    fn metadata(&self) -> Metadata {
        Metadata::from("file", self.path.as_path())
    }

    fn data(&self) -> figment::Result<Map<Profile, Dict>> {
        Toml::string(&self.text).data()
    }
}

/// The variables that are configuration: `JINGYOU_` and a path with `__` between its levels, or a key of the top.
/// Others with the prefix belong to scripts (`JINGYOU_KAFKA_NAME`, …) and are left alone.
struct Environment(Vec<(String, String)>);

impl Environment {
    fn key(variable: &str) -> Option<String> {
        let rest = variable.strip_prefix(PREFIX)?.to_ascii_lowercase();
        (rest.contains(LEVEL) || rest == "data_dir").then(|| rest.replace(LEVEL, "."))
    }
}

impl Provider for Environment {
    fn metadata(&self) -> Metadata {
        Metadata::named("environment")
            .interpolater(|_: &Profile, keys: &[&str]| format!("{PREFIX}{}", keys.join(LEVEL).to_ascii_uppercase()))
    }

    fn data(&self) -> figment::Result<Map<Profile, Dict>> {
        let mut data = Dict::new();
        for (variable, value) in &self.0 {
            let Some(key) = Self::key(variable) else { continue };
            // librdkafka's properties are text: a password of digits must stay as it was written.
            let free = FREE.iter().any(|free| key.starts_with(free));
            let value = if free {
                Value::from(value.as_str())
            } else {
                value.parse().expect("never fails")
            };
            nest(&mut data, &key.split('.').collect::<Vec<_>>(), value);
        }
        Ok(Profile::Default.collect(data))
    }
}

fn nest(into: &mut Dict, path: &[&str], value: Value) {
    match path {
        [] => {}
        [last] => drop(into.insert((*last).to_owned(), value)),
        [first, rest @ ..] => {
            let inner = into
                .entry((*first).to_owned())
                .or_insert_with(|| Value::from(Dict::new()));
            if !matches!(inner, Value::Dict(..)) {
                *inner = Value::from(Dict::new());
            }
            if let Value::Dict(_, inner) = inner {
                nest(inner, rest, value);
            }
        }
    }
}

/// What could be written: the defaults, with the optional section present.
fn known() -> Dict {
    let everything = Config {
        kafka: Some(Kafka::default()),
        ..Config::default()
    };
    Serialized::defaults(everything)
        .data()
        .expect("defaults are plain data")
        .remove(&Profile::Default)
        .expect("is set")
}

fn unknown_keys(written: &Figment) -> Result<Vec<Fault>, ConfigError> {
    let data = written.data().map_err(|error| faults_of(&error))?;
    let known = known();
    let mut all = Vec::new();
    paths(&known, "", &mut all);
    let mut faults = Vec::new();
    for dict in data.values() {
        compare(dict, &known, "", &mut |path, tag| {
            let detail = match nearest(path, &all) {
                Some(near) => format!("unknown key; nearest known: `{near}`"),
                None => "unknown key; docs/configuration.md lists the known ones".to_owned(),
            };
            faults.push(Fault {
                origin: origin(written.get_metadata(tag), path),
                key: path.to_owned(),
                detail,
            });
        });
    }
    Ok(faults)
}

fn join(path: &str, key: &str) -> String {
    if path.is_empty() {
        key.to_owned()
    } else {
        format!("{path}.{key}")
    }
}

fn paths(known: &Dict, path: &str, into: &mut Vec<String>) {
    for (key, value) in known {
        let path = join(path, key);
        match value {
            Value::Dict(_, inner) => paths(inner, &path, into),
            Value::Array(_, items) => items
                .first()
                .and_then(Value::as_dict)
                .into_iter()
                .for_each(|inner| paths(inner, &path, into)),
            _ => {}
        }
        into.push(path);
    }
}

fn compare(written: &Dict, known: &Dict, path: &str, report: &mut impl FnMut(&str, Tag)) {
    for (key, value) in written {
        let path = join(path, key);
        let Some(expected) = known.get(key) else {
            report(&path, value.tag());
            continue;
        };
        if FREE.contains(&path.as_str()) {
            continue;
        }
        match (value, expected) {
            (Value::Dict(_, value), Value::Dict(_, expected)) => compare(value, expected, &path, report),
            (Value::Array(_, items), Value::Array(_, expected)) => {
                let Some(expected) = expected.first().and_then(Value::as_dict) else {
                    continue;
                };
                for item in items.iter().filter_map(Value::as_dict) {
                    compare(item, expected, &path, report);
                }
            }
            _ => {}
        }
    }
}

/// The known key most like the written one, by its whole path or, in another section, by its last part.
fn nearest<'k>(written: &str, known: &'k [String]) -> Option<&'k str> {
    let last = |path: &str| path.rsplit('.').next().unwrap_or_default().to_owned();
    let likeness = |known: &str| {
        let whole = strsim::jaro_winkler(written, known);
        whole.max(strsim::jaro_winkler(&last(written), &last(known)) - 0.02)
    };
    let (key, best) = known
        .iter()
        .map(|key| (key, likeness(key)))
        .max_by(|a, b| a.1.total_cmp(&b.1))?;
    (best >= LIKENESS_MIN).then_some(key.as_str())
}

fn origin(metadata: Option<&Metadata>, key: &str) -> String {
    match metadata {
        Some(metadata) => match metadata.source.as_ref().and_then(figment::Source::file_path) {
            Some(path) => path.display().to_string(),
            None => metadata.interpolate(&Profile::Default, &key.split('.').collect::<Vec<_>>()),
        },
        None => "configuration".to_owned(),
    }
}

fn faults_of(error: &figment::Error) -> ConfigError {
    use figment::error::Kind;
    let fault = |error: figment::Error| {
        let key = error.path.join(".");
        let detail = match &error.kind {
            Kind::InvalidType(actual, expected) | Kind::InvalidValue(actual, expected) => {
                let expected = if expected.starts_with("struct ") {
                    "a section"
                } else {
                    expected
                };
                format!("expected {expected}, found {actual}")
            }
            Kind::UnknownVariant(actual, known) => format!("expected one of {}, found `{actual}`", known.join(", ")),
            kind => kind.to_string().trim_end().to_owned(),
        };
        Fault {
            origin: origin(error.metadata.as_ref(), &key),
            key,
            detail,
        }
    };
    ConfigError::Faults(error.clone().into_iter().map(fault).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load_text(text: &str, variables: &[(&str, &str)]) -> Result<Config, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("jingyou.toml");
        std::fs::write(&path, text).unwrap();
        let variables = variables
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        load_from(Some(&path), variables)
            .map_err(|error| error.to_string().replace(path.to_str().unwrap(), "jingyou.toml"))
    }

    #[test]
    fn nothing_written_is_the_default() {
        assert_eq!(load_text("", &[]), Ok(Config::default()));
    }

    #[test]
    fn the_environment_wins_over_the_file() {
        let config = load_text(
            "data_dir = 'a'\n[kafka]\nbrokers = 'file:9092'\nproperties.sasl.mechanism = 'PLAIN'\n",
            &[
                ("JINGYOU_DATA_DIR", "/srv/b"),
                ("JINGYOU_KAFKA__BROKERS", "env:9092"),
                ("JINGYOU_KAFKA__PROPERTIES__SASL__PASSWORD", "007"),
                ("JINGYOU_KAFKA__WORKERS", "3"),
                ("JINGYOU_DEADLINES__ACK_WITHIN", "5m"),
                ("JINGYOU_KAFKA_NAME", "a script's, not ours"),
            ],
        )
        .unwrap();
        let kafka = config.kafka.unwrap();
        assert_eq!(
            (config.data_dir.to_str(), kafka.brokers.as_str()),
            (Some("/srv/b"), "env:9092")
        );
        assert_eq!(kafka.workers, Some(3));
        assert_eq!(config.deadlines.ack_within, super::super::Span::minutes(5));
        let properties: Vec<_> = kafka
            .properties
            .0
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        assert_eq!(properties, ["sasl.mechanism=PLAIN", "sasl.password=007"]);
        assert!(!format!("{:?}", kafka.properties).contains("007"));
    }

    #[test]
    fn faults_name_place_key_and_the_way_out() {
        for (text, variables, expected) in [
            (
                "data_dri = 'x'",
                vec![],
                "jingyou.toml: data_dri: unknown key; nearest known: `data_dir`",
            ),
            (
                "[kafka]\nbrokers = 'a'\n[[kafka.waybills]]\ntopics = 'b'",
                vec![],
                "jingyou.toml: kafka.waybills.topics: unknown key; nearest known: `kafka.waybills.topic`",
            ),
            (
                "brokers = 'a'",
                vec![],
                "jingyou.toml: brokers: unknown key; nearest known: `kafka.brokers`",
            ),
            (
                "",
                vec![("JINGYOU_API__LISTN", "x")],
                "JINGYOU_API__LISTN: api.listn: unknown key; nearest known: `api.listen`",
            ),
            (
                "[screen]\nyellow_at = 'sixty'",
                vec![],
                "jingyou.toml: screen.yellow_at: expected u32, found string \"sixty\"",
            ),
            (
                "[deadlines]\nack_within = '10 years'",
                vec![],
                "jingyou.toml: deadlines.ack_within: expected a number with a unit (ms, s, m, h, d), such as \"10m\"",
            ),
            (
                "[log]\nformat = 'xml'",
                vec![],
                "jingyou.toml: log.format: expected one of text, json, found `xml`",
            ),
            (
                "rules = 'x'",
                vec![],
                "jingyou.toml: rules: expected a section, found string \"x\"",
            ),
        ] {
            assert_eq!(load_text(text, &variables).unwrap_err(), expected, "{text}");
        }
    }

    #[test]
    fn all_unknown_keys_are_reported_at_once() {
        let error = load_text("one = 1\ntwo = 2\n[rules]\nthree = 3", &[]).unwrap_err();
        assert_eq!(error.lines().count(), 3, "{error}");
    }

    #[test]
    fn broken_toml_names_its_line() {
        let error = load_text("data_dir = 'x'\n[kafka", &[]).unwrap_err();
        assert!(error.contains("jingyou.toml") && error.contains("line 2"), "{error}");
    }

    #[test]
    fn the_shipped_file_is_the_default_and_says_so() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/jingyou.toml");
        let config = load_from(Some(&path), []).unwrap();
        let expected = Config {
            kafka: config.kafka.clone(),
            ..Config::default()
        };
        assert_eq!(config, expected);
    }
}
