//! The rungs on a broker: draining, screening on the way, and the whole engine with durable cases.

use crate::Rung;
use crate::corpus::Rules;
use jingyou::alert::SubjectKey;
use jingyou::config::{Config, Kafka, Waybills};
use jingyou::engine::Engine;
use jingyou::engine::lane::Lane;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::Message;
use rdkafka::producer::{BaseRecord, Producer, ThreadedProducer};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use std::hint::black_box;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

const PARTITIONS: i32 = 8;
/// Records on the topic: enough that a rung runs for a second or more.
const RECORDS: usize = 400_000;
/// No round waits longer.
const ROUND_MAX: Duration = Duration::from_mins(2);
/// Rounds on the broker: each is long.
const ROUNDS_MAX: usize = 5;

/// Worker threads of the rungs that screen.
pub fn workers() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

/// Runs R1, R5 and R6 in turn.
pub fn run(brokers: &str, corpus: &[Vec<u8>], rules: &Rules, rounds: usize) -> Vec<Rung> {
    let rounds = rounds.min(ROUNDS_MAX);
    let name = format!("ladder-{}", std::process::id());
    fill(brokers, &name, corpus);
    let threads = workers();
    let mut drain = Rung::new("R1", format!("drain Kafka with {threads} BaseConsumers only"));
    let mut screen = Rung::new("R5", format!("Kafka → full screen, {threads} workers"));
    let mut engine = Rung::new(
        "R6",
        "the engine: R5 with offsets, alerts and durable cases at 1.2e-5 findings".to_owned(),
    );
    for round in 0..=rounds {
        drain.ns.push(consume(brokers, &name, || {
            |bytes: &[u8]| {
                black_box(bytes.len());
            }
        }));
        screen.ns.push(consume(brokers, &name, || {
            let mut lane = Lane::new(rules.set.clone(), None, SubjectKey::new(b"bench"));
            move |bytes: &[u8]| {
                black_box(lane.pass(bytes));
            }
        }));
        engine.ns.push(whole_engine(brokers, &name, rules, round));
    }
    let mut rungs = vec![drain, screen, engine];
    for rung in &mut rungs {
        rung.ns.remove(0);
    }
    rungs
}

fn client(brokers: &str) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", brokers);
    config
}

/// Makes a topic and fills it.
fn fill(brokers: &str, topic: &str, corpus: &[Vec<u8>]) {
    let admin: AdminClient<DefaultClientContext> = client(brokers).create().expect("an admin client");
    let topics = [topic.to_owned(), format!("{topic}-dlq")].map(|name| (name, PARTITIONS));
    let new = topics
        .iter()
        .map(|(name, count)| NewTopic::new(name, *count, TopicReplication::Fixed(1)));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime
        .block_on(admin.create_topics(new.collect::<Vec<_>>().iter(), &AdminOptions::new()))
        .expect("topics");
    let producer: ThreadedProducer<rdkafka::producer::DefaultProducerContext> = client(brokers)
        .set("compression.type", "lz4")
        .set("linger.ms", "20")
        .create()
        .expect("a producer");
    for (number, bytes) in corpus.iter().cycle().take(RECORDS).enumerate() {
        let mut record = BaseRecord::<(), [u8]>::to(topic)
            .payload(bytes)
            .partition(number as i32 % PARTITIONS);
        while let Err((error, again)) = producer.send(record) {
            assert_eq!(error, KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull));
            thread::sleep(Duration::from_millis(5));
            record = again;
        }
    }
    producer.flush(ROUND_MAX).expect("all are delivered");
}

/// Reads the whole topic on all threads, each with its own consumer and partitions. Nanoseconds a record, from the first.
fn consume<F: FnMut(&[u8])>(brokers: &str, topic: &str, each: impl Fn() -> F + Sync) -> f64 {
    let taken = AtomicUsize::new(0);
    let threads = workers();
    let started: Vec<Instant> = thread::scope(|scope| {
        let handles: Vec<_> = (0..threads)
            .map(|worker| {
                let (taken, each) = (&taken, &each);
                scope.spawn(move || {
                    let consumer: BaseConsumer = client(brokers)
                        .set("group.id", "ladder")
                        .set("enable.auto.commit", "false")
                        .set("queued.min.messages", "10000")
                        .set("fetch.queue.backoff.ms", "5")
                        .create()
                        .expect("a consumer");
                    let mut list = TopicPartitionList::new();
                    for partition in (0..PARTITIONS).filter(|partition| *partition as usize % threads == worker) {
                        list.add_partition_offset(topic, partition, Offset::Beginning)
                            .expect("an offset");
                    }
                    consumer.assign(&list).expect("an assignment");
                    let mut each = each();
                    let mut first = None;
                    while taken.load(Ordering::Relaxed) < RECORDS {
                        let Some(message) = consumer.poll(Duration::from_millis(50)) else {
                            continue;
                        };
                        let message = message.expect("a message");
                        first.get_or_insert_with(Instant::now);
                        each(message.payload().unwrap_or_default());
                        taken.fetch_add(1, Ordering::Relaxed);
                    }
                    first
                })
            })
            .collect();
        handles
            .into_iter()
            .filter_map(|handle| handle.join().expect("a worker"))
            .collect()
    });
    let first = started.into_iter().min().expect("records were there");
    first.elapsed().as_nanos() as f64 / RECORDS as f64
}

/// The engine as `jingyou run` starts it, in a new group, until it has taken every record.
fn whole_engine(brokers: &str, topic: &str, rules: &Rules, round: usize) -> f64 {
    let data = tempfile::tempdir().expect("a folder");
    let mut config = Config {
        data_dir: data.path().to_owned(),
        ..Config::default()
    };
    rules.dir.path().clone_into(&mut config.rules.dir);
    config.kafka = Some(Kafka {
        brokers: brokers.to_owned(),
        group: format!("{topic}-{round}"),
        workers: Some(workers()),
        waybills: vec![Waybills {
            topic: topic.to_owned(),
            mapping: None,
        }],
        dead_letters: format!("{topic}-dlq"),
        ..Kafka::default()
    });
    let engine = Engine::start(&config).unwrap_or_else(|error| panic!("{error}"));
    let taken = || {
        engine
            .metrics()
            .reconcile()
            .iter()
            .map(|totals| totals.records)
            .sum::<u64>()
    };
    let deadline = Instant::now() + ROUND_MAX;
    let wait = |until: u64| {
        while taken() < until {
            assert!(
                Instant::now() < deadline,
                "the engine took {} of {RECORDS} records",
                taken()
            );
            thread::sleep(Duration::from_millis(1));
        }
        (Instant::now(), taken())
    };
    let (first, before) = wait(1);
    let (last, after) = wait(RECORDS as u64);
    engine.shutdown().expect("it stops");
    last.duration_since(first).as_nanos() as f64 / (after - before) as f64
}
