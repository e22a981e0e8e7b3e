//! Wires the stages: opens what a configuration names, starts the threads, and stops them in an order in which nothing
//! that was taken is lost. What the stages do is theirs; what the API asks of all this is answered in `upstream`, and
//! `serve` puts both into a process.

mod feeder;
pub mod lane;
mod observer;
mod serve;
mod site_key;
mod upstream;

pub use feeder::Feeder;
pub use serve::serve;

use crate::case::{self, Desk, DeskConfig, OpenError, OpenReport, StopError};
use crate::config::{self, Config, Problem};
use crate::intake::dead_letters::DeadLetters;
use crate::intake::http::{HttpIntake, Parts};
use crate::intake::kafka::KafkaIntake;
use crate::metrics::Metrics;
use crate::notify::{KafkaSink, Outbox};
use crate::ruleset::{Problems, RuleSet};
use crate::screen::Thresholds;
use crate::waybill::Mapping;
use arc_swap::ArcSwap;
use observer::Observer;
use rdkafka::error::KafkaError;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use time::OffsetDateTime;
use tracing::{error, info, warn};

/// Why an engine did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The configuration does not fit this machine.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Config(Vec<Problem>),
    /// The rules do not load.
    #[error("rules in {}:\n{problems}", .dir.display())]
    Rules {
        /// The folder.
        dir: PathBuf,
        /// What is wrong with them.
        problems: Problems,
    },
    /// Journal or store do not open.
    #[error("data folder: {0}")]
    Desk(#[from] Box<OpenError>),
    /// The site's key can't be read or made.
    #[error("{}: {error}: it must be a file of 32 bytes that this user can read", .path.display())]
    SiteKey {
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// A Kafka client can't be made of the configuration.
    #[error("kafka: {0}")]
    Kafka(#[from] KafkaError),
    /// No thread can be started.
    #[error("starting a thread: {0}")]
    Thread(io::Error),
}

/// A running engine. Dropping it without [`Self::shutdown`] is like a kill: nothing is lost, some is done again.
pub struct Engine {
    desk: Desk,
    parts: Parts,
    loaded_at: OffsetDateTime,
    kafka: Option<KafkaIntake>,
    http: Mutex<Option<Arc<HttpIntake>>>,
    outboxes: Vec<Outbox>,
    report: OpenReport,
}

impl Engine {
    /// Starts an engine: everything that the configuration names. Kafka brokers need not be there yet.
    pub fn start(config: &Config) -> Result<Self, StartError> {
        let problems = config::check(config);
        if !problems.is_empty() {
            return Err(StartError::Config(problems));
        }
        let thresholds = Thresholds {
            yellow_at: config.screen.yellow_at,
            red_at: config.screen.red_at,
        };
        let dir = &config.rules.dir;
        let rules = RuleSet::load(dir, thresholds).map_err(|problems| StartError::Rules {
            dir: dir.clone(),
            problems,
        })?;
        let mappings = mappings(config).map_err(StartError::Config)?;
        Self::with_rules(config, rules, &mappings)
    }

    /// Starts an engine without Kafka on rules that are loaded already, for `jingyou demo` and tests: records come by
    /// [`Self::feeder`] and HTTP.
    pub fn embedded(config: &Config, rules: RuleSet) -> Result<Self, StartError> {
        let config = Config {
            kafka: None,
            ..config.clone()
        };
        std::fs::create_dir_all(&config.data_dir).map_err(|error| {
            let detail = format!(
                "{}: {error}: must be a folder that can be written to",
                config.data_dir.display()
            );
            StartError::Config(vec![Problem {
                key: "data_dir".to_owned(),
                detail,
            }])
        })?;
        Self::with_rules(&config, rules, &[])
    }

    fn with_rules(config: &Config, rules: RuleSet, mappings: &[Option<Arc<Mapping>>]) -> Result<Self, StartError> {
        let metrics = Metrics::new();
        metrics.rule_set(rules.digest());
        let path = config.site_key_file();
        let key = site_key::read_or_make(&path).map_err(|error| StartError::SiteKey { path, error })?;
        let (desk, report) = open_desk(config, &metrics)?;
        let file = config.dead_letters_file();
        let dead_letters = match &config.kafka {
            Some(kafka) => DeadLetters::to_topic(kafka, &file, metrics.clone())?,
            None => DeadLetters::to_file(&file, metrics.clone()),
        };
        let parts = Parts {
            rules: Arc::new(ArcSwap::from_pointee(rules)),
            desk: desk.clone(),
            dead_letters: Arc::new(dead_letters),
            metrics: metrics.clone(),
            key,
        };
        let mut outboxes = Vec::new();
        if let Some(kafka) = &config.kafka {
            let sink = KafkaSink::new(kafka, metrics.clone())?;
            outboxes.push(Outbox::start(&desk, sink, &config.data_dir, &metrics).map_err(StartError::Thread)?);
        }
        let http = HttpIntake::start(&parts, &config.http_intake).map_err(StartError::Thread)?;
        let kafka = config
            .kafka
            .as_ref()
            .map(|kafka| KafkaIntake::start(kafka, mappings, &parts));
        Ok(Self {
            desk,
            loaded_at: OffsetDateTime::now_utc(),
            kafka: kafka.transpose().map_err(StartError::Thread)?,
            http: Mutex::new(Some(Arc::new(http))),
            outboxes,
            report,
            parts,
        })
    }

    /// The desk.
    pub fn desk(&self) -> &Desk {
        &self.desk
    }

    /// The counters.
    pub fn metrics(&self) -> &Arc<Metrics> {
        &self.parts.metrics
    }

    /// What was found in the data folder.
    pub fn report(&self) -> &OpenReport {
        &self.report
    }

    /// The rules in use.
    pub fn rules(&self) -> Arc<RuleSet> {
        self.parts.rules.load_full()
    }

    /// Changes over to another rule set, between two batches.
    pub fn adopt(&self, rules: RuleSet) {
        self.parts.metrics.rule_set(rules.digest());
        self.parts.rules.store(Arc::new(rules));
    }

    /// A way in for records of this process, counted as the source `name`.
    pub fn feeder(&self, name: &str) -> Feeder {
        Feeder::new(&self.parts, name)
    }

    fn http(&self) -> Option<Arc<HttpIntake>> {
        self.http.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Stops in order: intake, then what was taken is written, then what was written is told, then journal and store
    /// are closed. Each part has its own bound; what could not be done in it is done after the next start.
    pub fn shutdown(mut self) -> Result<(), StopError> {
        info!("stopping: no more records are taken");
        if let Some(kafka) = self.kafka.take() {
            kafka.stop();
        }
        let http = self.http.lock().unwrap_or_else(PoisonError::into_inner).take();
        match http.map(Arc::try_unwrap) {
            Some(Ok(http)) => http.stop(),
            Some(Err(_)) => warn!("a request is still being answered"),
            None => {}
        }
        for outbox in self.outboxes.drain(..) {
            outbox.stop();
        }
        let stopped = self.desk.clone().stop();
        match &stopped {
            Ok(()) => info!("stopped"),
            Err(error) => error!(%error, "stopped"),
        }
        stopped
    }
}

fn open_desk(config: &Config, metrics: &Arc<Metrics>) -> Result<(Desk, OpenReport), Box<OpenError>> {
    let desk = DeskConfig {
        deadlines: case::Deadlines {
            verify_within: config.deadlines.verify_within.duration(),
            acknowledge_within: config.deadlines.ack_within.duration(),
        },
        observer: Arc::new(Observer(metrics.clone())),
        ..DeskConfig::new(&config.data_dir)
    };
    let (desk, report) = Desk::open(desk, Arc::new(OffsetDateTime::now_utc)).map_err(Box::new)?;
    info!(?report, "journal and store opened");
    Ok((desk, report))
}

fn mappings(config: &Config) -> Result<Vec<Option<Arc<Mapping>>>, Vec<Problem>> {
    let topics = config.kafka.iter().flat_map(|kafka| &kafka.waybills);
    let read = topics.map(|topic| topic.mapping.as_deref().map(config::read_mapping).transpose());
    read.map(|mapping| match mapping {
        Ok(mapping) => Ok(mapping.map(Arc::new)),
        Err(detail) => Err(vec![Problem {
            key: "kafka.waybills.mapping".to_owned(),
            detail,
        }]),
    })
    .collect()
}
