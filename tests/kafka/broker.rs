//! The brokers that the suite runs on: librdkafka's mock cluster, and a real one when `KAFKA_BOOTSTRAP` names it.

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Headers, Message};
use rdkafka::mocking::MockCluster;
use rdkafka::producer::{BaseProducer, BaseRecord, DefaultProducerContext, Producer};
use rdkafka::{Offset, TopicPartitionList};
use std::collections::BTreeMap;
use std::process::Command;
use std::time::{Duration, Instant};

/// The largest message that the waybill topics of the real broker take: above the largest poison.
const TOPIC_BYTES_MAX: &str = "16777216";

/// A broker to test on.
pub enum Broker {
    /// librdkafka's; keeps at most 5 MiB a partition.
    Mock(Box<MockCluster<'static, DefaultProducerContext>>),
    /// Apache Kafka, or what speaks like it.
    Real(String),
}

/// A message that was read back.
#[derive(Clone, Debug)]
pub struct Read {
    pub key: Vec<u8>,
    pub payload: Vec<u8>,
    pub headers: BTreeMap<String, String>,
}

impl Broker {
    /// The mock cluster.
    pub fn mock() -> Self {
        let cluster = MockCluster::new(1).expect("librdkafka has a mock cluster");
        println!("broker: librdkafka's mock cluster at {}", cluster.bootstrap_servers());
        Self::Mock(Box::new(cluster))
    }

    /// The real broker; `None`, said aloud, when there is none.
    pub fn real() -> Option<Self> {
        match std::env::var("KAFKA_BOOTSTRAP") {
            Ok(bootstrap) if !bootstrap.is_empty() => {
                println!("broker: KAFKA_BOOTSTRAP={bootstrap}");
                Some(Self::Real(bootstrap))
            }
            _ => {
                println!("broker: no real one, because KAFKA_BOOTSTRAP is not set (deploy/dev/kafka.sh with …)");
                None
            }
        }
    }

    pub fn bootstrap(&self) -> String {
        match self {
            Self::Mock(cluster) => cluster.bootstrap_servers(),
            Self::Real(bootstrap) => bootstrap.clone(),
        }
    }

    /// A count for each broker: what the mock can keep, and what the real one should prove.
    pub fn scaled(&self, mock: u64, real: u64) -> u64 {
        match self {
            Self::Mock(_) => mock,
            Self::Real(_) => real,
        }
    }

    pub fn config(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", self.bootstrap());
        config
    }

    /// Creates a topic.
    pub fn create(&self, topic: &str, partitions: i32, large: bool) {
        match self {
            Self::Mock(cluster) => cluster.create_topic(topic, partitions, 1).expect("a topic"),
            Self::Real(_) => {
                let admin: AdminClient<DefaultClientContext> = self.config().create().expect("an admin client");
                let mut new = NewTopic::new(topic, partitions, TopicReplication::Fixed(1));
                if large {
                    new = new.set("max.message.bytes", TOPIC_BYTES_MAX);
                }
                let runtime = tokio::runtime::Builder::new_current_thread()
                    .enable_all()
                    .build()
                    .expect("a runtime");
                let options = AdminOptions::new().operation_timeout(Some(Duration::from_secs(20)));
                let created = runtime
                    .block_on(admin.create_topics([&new], &options))
                    .expect("an answer");
                assert!(created.iter().all(Result::is_ok), "{topic}: {created:?}");
            }
        }
    }

    /// Produces messages, spread over the partitions by their place in the list, and waits until they are there.
    pub fn produce<'m>(&self, topic: &str, partitions: i32, messages: impl IntoIterator<Item = (&'m [u8], &'m [u8])>) {
        let producer: BaseProducer = self
            .config()
            .set("message.max.bytes", TOPIC_BYTES_MAX)
            .set("linger.ms", "20")
            .set("queue.buffering.max.messages", "1000000")
            .create()
            .expect("a producer");
        for (at, (key, payload)) in messages.into_iter().enumerate() {
            let mut record = BaseRecord::to(topic)
                .key(key)
                .payload(payload)
                .partition(at as i32 % partitions);
            while let Err((error, back)) = producer.send(record) {
                let full = KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull);
                assert_eq!(error, full, "producing to {topic}");
                record = back;
                producer.poll(Duration::from_millis(10));
            }
        }
        producer.flush(Duration::from_mins(1)).expect("all messages delivered");
    }

    /// Records between what a group has committed and the end of a topic.
    pub fn lag(&self, group: &str, topic: &str, partitions: i32) -> Option<i64> {
        let consumer: BaseConsumer = self.config().set("group.id", group).create().expect("a consumer");
        let mut list = TopicPartitionList::new();
        list.add_partition_range(topic, 0, partitions - 1);
        let committed = consumer.committed_offsets(list, Duration::from_secs(10)).ok()?;
        let mut lag = 0;
        for element in committed.elements() {
            let (low, high) = consumer
                .fetch_watermarks(topic, element.partition(), Duration::from_secs(10))
                .ok()?;
            lag += match element.offset() {
                Offset::Offset(offset) => high - offset,
                _ => high - low,
            };
        }
        Some(lag)
    }

    /// Everything in a topic.
    pub fn read(&self, topic: &str, partitions: i32) -> Vec<Read> {
        let consumer: BaseConsumer = self
            .config()
            .set("group.id", "jingyou-test-reader")
            .set("enable.partition.eof", "true")
            .set("enable.auto.commit", "false")
            .create()
            .expect("a consumer");
        let mut list = TopicPartitionList::new();
        for partition in 0..partitions {
            list.add_partition_offset(topic, partition, Offset::Beginning)
                .expect("a partition");
        }
        consumer.assign(&list).expect("assigned");
        let mut read = Vec::new();
        let mut ended = 0;
        let until = Instant::now() + Duration::from_mins(1);
        while ended < partitions {
            assert!(Instant::now() < until, "{topic} could not be read to its end in 60 s");
            match consumer.poll(Duration::from_millis(200)) {
                Some(Ok(message)) => {
                    let header = |header: rdkafka::message::Header<'_, &[u8]>| {
                        let value = String::from_utf8_lossy(header.value.unwrap_or_default()).into_owned();
                        (header.key.to_owned(), value)
                    };
                    read.push(Read {
                        key: message.key().unwrap_or_default().to_vec(),
                        payload: message.payload().unwrap_or_default().to_vec(),
                        headers: message
                            .headers()
                            .iter()
                            .flat_map(|headers| headers.iter())
                            .map(header)
                            .collect(),
                    });
                }
                Some(Err(KafkaError::PartitionEOF(_))) => ended += 1,
                Some(Err(_)) | None => {}
            }
        }
        read
    }
}

/// A broker that may be taken down: the mock, or a real one of the test's own by `deploy/dev/kafka.sh`.
pub struct Breakable {
    pub broker: Broker,
    script: Option<(String, String)>,
}

impl Breakable {
    pub fn mock() -> Self {
        Self {
            broker: Broker::mock(),
            script: None,
        }
    }

    /// Needs `JINGYOU_KAFKA_SH`; `None`, said aloud, without it.
    pub fn real() -> Option<Self> {
        let Ok(script) = std::env::var("JINGYOU_KAFKA_SH") else {
            println!("broker: none that may be stopped, because JINGYOU_KAFKA_SH is not set");
            return None;
        };
        let name = format!("outage-{}", std::process::id());
        let bootstrap = kafka_sh(&script, &name, "up");
        println!("broker: {script} --name {name} at {bootstrap}");
        Some(Self {
            broker: Broker::Real(bootstrap),
            script: Some((script, name)),
        })
    }

    pub fn down(&self) {
        match (&self.broker, &self.script) {
            (Broker::Mock(cluster), _) => cluster.broker_down(1).expect("down"),
            (_, Some((script, name))) => drop(kafka_sh(script, name, "stop")),
            _ => unreachable!("a real broker has its script"),
        }
    }

    pub fn up(&self) {
        match (&self.broker, &self.script) {
            (Broker::Mock(cluster), _) => cluster.broker_up(1).expect("up"),
            (_, Some((script, name))) => drop(kafka_sh(script, name, "up")),
            _ => unreachable!("a real broker has its script"),
        }
    }
}

impl Drop for Breakable {
    fn drop(&mut self) {
        if let Some((script, name)) = &self.script {
            let _left_behind = Command::new(script).args(["--name", name, "down"]).output();
        }
    }
}

fn kafka_sh(script: &str, name: &str, command: &str) -> String {
    // A broker of this test's own: the variable would make the script use the one that all tests share.
    let output = Command::new(script)
        .args(["--name", name, command])
        .env_remove("KAFKA_BOOTSTRAP")
        .output()
        .unwrap_or_else(|error| panic!("{script}: {error}"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{script} --name {name} {command}: {said}");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}
