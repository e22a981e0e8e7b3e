//! `jingyou run` as a process against a broker: nothing lost and nothing doubled, whatever is killed or taken away when.
//! Each test runs on librdkafka's mock cluster, and on a real broker when `KAFKA_BOOTSTRAP` is set.

mod broker;
mod corpus;
mod site;

use broker::{Breakable, Broker};
use corpus::{Corpus, lane};
use jingyou::case::{FILE_NAME, STORE_NAME};
use jingyou::engine::lane::Passed;
use site::{Instance, PARTITIONS, PATIENCE, Site, Told, Topics};
use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

macro_rules! on_brokers {
    ($($test:ident),+ $(,)?) => {
        mod mock {
            $(#[test] fn $test() { super::$test(&super::Broker::mock()); })+
        }
        mod real {
            $(#[test] fn $test() { if let Some(broker) = super::Broker::real() { super::$test(&broker); } })+
        }
    };
}

on_brokers!(
    kill_minus_nine,
    poison,
    rebalance,
    torn_journal_and_deleted_store,
    full_disk
);

/// Moments that differ from run to run; `JINGYOU_TEST_SEED` brings a run back.
struct Moments(u64);

impl Moments {
    fn new() -> Self {
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .expect("after 1970")
            .subsec_nanos();
        let seed = std::env::var("JINGYOU_TEST_SEED")
            .ok()
            .and_then(|seed| seed.parse().ok());
        let seed = seed.unwrap_or(u64::from(now) | 1);
        println!("JINGYOU_TEST_SEED={seed}");
        Self(seed)
    }

    fn below(&mut self, bound: u64) -> u64 {
        // xorshift64*: any generator does.
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) % bound
    }
}

fn kill_minus_nine(broker: &Broker) {
    let count = broker.scaled(24_000, 200_000);
    let corpus = Corpus::generate(count, 9);
    let expected = corpus.expected();
    let topics = Topics::create(broker, "kill");
    let site = Site::new(broker, &topics);
    broker.produce(&topics.waybills(), PARTITIONS, corpus.messages());
    let mut moments = Moments::new();
    for life in 1..=3 {
        let moment = moments.below(count / 4) as f64;
        let mut instance = site.start();
        let records = instance.wait_for("records", |instance| {
            let records = instance.sum("records_total");
            (records > moment).then_some(records)
        });
        println!("life {life}: killed after {records} records of {count}");
        instance.kill();
    }
    let since = Instant::now();
    let mut instance = site.start();
    instance.wait_for_lag_zero(broker, &topics);
    println!(
        "last life: {} records, {:?}",
        instance.sum("records_total"),
        since.elapsed()
    );
    Told::wait(broker, &topics, &expected);
    instance.assert_reconciled();
    instance.terminate();
    assert!(site.stored() == expected, "the store has other alerts than expected");
}

/// Records between which the good ones must get through. What is wrong with each, the decoder says.
fn poisons(broker: &Broker) -> Vec<Vec<u8>> {
    let large = broker.scaled(2 << 20, 10 << 20) as usize;
    let good = r#""carrier":"YTO","event":"arrive","occurred_at":"2022-11-11T08:23:11+08:00""#;
    let mut poisons: Vec<Vec<u8>> = [
        "not json",
        "{\"waybill_no\":",
        "null",
        "[]",
        "\"YT8812345678901\"",
        "{}",
        "{\"waybill_no\":null,\"carrier\":null,\"event\":null,\"occurred_at\":null}",
        &format!("{{\"waybill_no\":8812345678901,{good}}}"),
        &format!("{{\"waybill_no\":\"YT8812345678901\",\"item\":{{\"weight_g\":\"heavy\"}},{good}}}"),
        &format!("{{\"waybill_no\":\"YT8812345678901\",\"item\":[1,2],{good}}}"),
        &format!("{{\"waybill_no\":\"YT\\u00008812345\\ud800\",{good}}}"),
        &format!("{{\"waybill_no\":\"YT8812345678901\",\"waybill_no\":\"YT8812345678902\",{good}}}"),
    ]
    .iter()
    .map(|text| text.as_bytes().to_vec())
    .collect();
    poisons.push(b"{\"waybill_no\":\"\xff\xfe\"}".to_vec());
    poisons.push(vec![0; 100]);
    poisons.push(Vec::new());
    poisons.push(
        format!(
            "{{\"waybill_no\":\"YT8812345678901\",{good},\"extra\":\"{}\"}}",
            "x".repeat(large)
        )
        .into(),
    );
    poisons
}

fn poison(broker: &Broker) {
    let corpus = Corpus::generate(2_000, 5);
    let expected = corpus.expected();
    let topics = Topics::create(broker, "poison");
    let site = Site::new(broker, &topics);
    let poisons = poisons(broker);
    let mut refused: Vec<(Vec<u8>, String)> = Vec::new();
    let mut lane = lane();
    for poison in &poisons {
        match lane.pass(poison) {
            Passed::Refused(refusal) => refused.push((poison.clone(), refusal.reason.to_string())),
            passed => panic!("{} is no poison: {passed:?}", String::from_utf8_lossy(poison)),
        }
    }
    let good: Vec<_> = corpus.messages().collect();
    let mut messages = Vec::new();
    for (at, part) in good.chunks(good.len().div_ceil(poisons.len())).enumerate() {
        messages.extend_from_slice(part);
        messages.push((b"poisoned".as_slice(), poisons[at].as_slice()));
    }
    broker.produce(&topics.waybills(), PARTITIONS, messages);
    let mut instance = site.start();
    instance.wait_for_lag_zero(broker, &topics);
    Told::wait(broker, &topics, &expected);
    assert_eq!(instance.sum("records_refused_total") as usize, poisons.len());
    instance.assert_reconciled();
    let log = instance.log();
    instance.terminate();
    assert!(!log.contains("8812345"), "the log quotes a record:\n{log}");
    assert!(site.stored() == expected);
    let mut put_away: Vec<(Vec<u8>, String)> = Vec::new();
    for message in broker.read(&topics.named("dlq"), 1) {
        assert_eq!(message.key, b"poisoned");
        assert_eq!(message.headers["source.topic"], topics.waybills());
        assert!(message.headers["source.offset"].parse::<i64>().is_ok() && !message.headers["detail"].is_empty());
        put_away.push((message.payload, message.headers["reason"].clone()));
    }
    // What the broker finds too large for the dead-letter topic is in the file.
    let file = fs::read_to_string(site.data().join("dead_letters.ndjson")).unwrap_or_default();
    for line in file.lines() {
        let letter: serde_json::Value = serde_json::from_str(line).expect("a letter");
        assert_eq!(
            (letter["topic"].as_str(), letter["key"].as_str()),
            (Some(&*topics.waybills()), Some("poisoned"))
        );
        let text = |name: &str| letter[name].as_str().expect("text").to_owned();
        put_away.push((text("original").into_bytes(), text("reason")));
    }
    refused.sort();
    put_away.sort();
    let reasons = |letters: &[(Vec<u8>, String)]| -> Vec<(String, usize)> {
        letters
            .iter()
            .map(|(bytes, reason)| (reason.clone(), bytes.len()))
            .collect()
    };
    assert!(
        refused == put_away,
        "refused {:?}\nput away {:?}",
        reasons(&refused),
        reasons(&put_away)
    );
}

fn rebalance(broker: &Broker) {
    let count = broker.scaled(24_000, 80_000);
    let corpus = Corpus::generate(count, 7);
    let expected = corpus.expected();
    let topics = Topics::create(broker, "rebalance");
    let (first, second) = (Site::new(broker, &topics), Site::new(broker, &topics));
    let messages: Vec<_> = corpus.messages().collect();
    let parts: Vec<_> = messages.chunks(messages.len().div_ceil(40)).collect();
    let (before, during) = parts.split_at(4);
    for part in before {
        broker.produce(&topics.waybills(), PARTITIONS, part.iter().copied());
    }
    let mut one = first.start();
    one.wait_for("records", |one| (one.sum("records_total") > 0.0).then_some(()));
    let mut two = None;
    // Records keep coming while the second joins and leaves.
    for (at, part) in during.iter().enumerate() {
        broker.produce(&topics.waybills(), PARTITIONS, part.iter().copied());
        if at == 4 {
            two = Some(second.start());
        }
        if at == during.len() / 2 {
            let two: &mut Instance = two.as_mut().expect("it was started");
            two.wait_for("partitions", |two| {
                (two.sum("kafka_rebalances_total") > 0.0).then_some(())
            });
        }
        if at == during.len() / 2 + 6 {
            let mut two = two.take().expect("it was started");
            two.wait_for("records", |two| (two.sum("records_total") > 0.0).then_some(()));
            two.terminate();
        }
    }
    one.wait_for_lag_zero(broker, &topics);
    let told = Told::wait(broker, &topics, &expected);
    one.assert_reconciled();
    one.terminate();
    let logs = [first.log(), second.log()].concat();
    let (ones, twos) = (first.stored(), second.stored());
    println!("alerts: {} by the first, {} by the second", ones.len(), twos.len());
    assert!(!twos.is_empty(), "the second instance screened nothing");
    assert!(ones.union(&twos).cloned().collect::<BTreeSet<_>>() == expected);
    if logs.contains("offsets not committed") {
        // A broker may refuse commits while a group changes; then some is read twice, and the ids say so.
        println!("the broker refused a commit: alerts may be told twice");
        return;
    }
    assert_eq!(ones.intersection(&twos).count(), 0, "alerts of both instances");
    let doubled: Vec<_> = told.times.iter().filter(|(_, times)| **times > 1).collect();
    assert!(doubled.is_empty(), "told more than once: {doubled:?}");
}

fn torn_journal_and_deleted_store(broker: &Broker) {
    let corpus = Corpus::generate(9_000, 3);
    let topics = Topics::create(broker, "torn");
    let site = Site::new(broker, &topics);
    let messages: Vec<_> = corpus.messages().collect();
    let parts: Vec<_> = messages.chunks(messages.len() / 3).collect();
    for (at, part) in parts.iter().enumerate() {
        broker.produce(&topics.waybills(), PARTITIONS, part.iter().copied());
        let mut instance = site.start();
        instance.wait_for_lag_zero(broker, &topics);
        if at == 2 {
            Told::wait(broker, &topics, &corpus.expected());
            instance.terminate();
            break;
        }
        instance.kill();
        if at == 0 {
            let mut journal = fs::OpenOptions::new()
                .append(true)
                .open(site.data().join(FILE_NAME))
                .expect("a journal");
            journal.write_all(b"{\"seq\":99999,\"at\":\"2022-11-1").expect("torn");
        } else {
            fs::remove_dir_all(site.data().join(STORE_NAME)).expect("deleted");
        }
    }
    assert!(site.stored() == corpus.expected());
}

/// The journal may not grow for a while: intake stops and says so, nothing is committed, and then it all goes on.
fn full_disk(broker: &Broker) {
    let corpus = Corpus::generate(4_000, 17);
    let topics = Topics::create(broker, "full");
    let site = Site::new(broker, &topics);
    let messages: Vec<_> = corpus.messages().collect();
    let (before, after) = messages.split_at(messages.len() / 2);
    broker.produce(&topics.waybills(), PARTITIONS, before.iter().copied());
    let mut instance = site.start();
    instance.wait_for_lag_zero(broker, &topics);
    let full = fs::metadata(site.data().join(FILE_NAME)).expect("a journal").len() + 1_000;
    if let Err(error) = instance.limit_files(&full.to_string()) {
        println!("not tested here: {error}");
        return;
    }
    broker.produce(&topics.waybills(), PARTITIONS, after.iter().copied());
    instance.wait_for("sign that alerts can't be kept", |instance| {
        (!instance.ready()?).then_some(())
    });
    let lag = broker
        .lag(&topics.group(), &topics.waybills(), PARTITIONS)
        .expect("an answer");
    assert!(
        lag > 0,
        "offsets of records were committed whose alerts are not durable"
    );
    instance.limit_files("unlimited").expect("lifted");
    instance.wait_for("readiness again", |instance| (instance.ready()?).then_some(()));
    instance.wait_for_lag_zero(broker, &topics);
    Told::wait(broker, &topics, &corpus.expected());
    instance.assert_reconciled();
    instance.terminate();
    assert!(site.stored() == corpus.expected());
}

fn outage(breakable: &Breakable) {
    let broker = &breakable.broker;
    let corpus = Corpus::generate(4_000, 11);
    let topics = Topics::create(broker, "outage");
    let site = Site::new(broker, &topics);
    let messages: Vec<_> = corpus.messages().collect();
    let (before, after) = messages.split_at(messages.len() / 2);
    broker.produce(&topics.waybills(), PARTITIONS, before.iter().copied());
    let mut instance = site.start();
    instance.wait_for("records", |one| {
        (one.sum("records_total") >= before.len() as f64).then_some(())
    });
    instance.wait_for("readiness", |instance| (instance.ready()?).then_some(()));
    breakable.down();
    instance.wait_for("sign that Kafka is away", |instance| (!instance.ready()?).then_some(()));
    let said = |instance: &Instance| instance.log().matches("no Kafka broker can be reached").count();
    assert!(
        (1..=4).contains(&said(&instance)),
        "said once a client, not once a try: {}",
        instance.log()
    );
    breakable.up();
    broker.produce(&topics.waybills(), PARTITIONS, after.iter().copied());
    instance.wait_for("readiness again", |instance| (instance.ready()?).then_some(()));
    instance.wait_for_lag_zero(broker, &topics);
    Told::wait(broker, &topics, &corpus.expected());
    instance.assert_reconciled();
    instance.terminate();
    assert!(site.stored() == corpus.expected());
}

#[test]
fn outage_of_the_mock_broker() {
    outage(&Breakable::mock());
}

#[test]
fn outage_of_a_real_broker() {
    if let Some(breakable) = Breakable::real() {
        outage(&breakable);
    }
}

/// A process that is stopped past its session (`kill -STOP`) loses its partitions to another, and takes part again.
#[test]
fn a_worker_stopped_past_its_session() {
    let Some(broker) = Broker::real() else { return };
    let corpus = Corpus::generate(20_000, 13);
    let topics = Topics::create(&broker, "stopped");
    let (first, second) = (Site::new(&broker, &topics), Site::new(&broker, &topics));
    let messages: Vec<_> = corpus.messages().collect();
    let (before, after) = messages.split_at(messages.len() / 2);
    broker.produce(&topics.waybills(), PARTITIONS, before.iter().copied());
    let mut one = first.start();
    one.wait_for("records", |one| (one.sum("records_total") > 0.0).then_some(()));
    one.signal("STOP");
    let mut two = second.start();
    two.wait_for_lag_zero(&broker, &topics);
    one.signal("CONT");
    broker.produce(&topics.waybills(), PARTITIONS, after.iter().copied());
    two.wait_for_lag_zero(&broker, &topics);
    Told::wait(&broker, &topics, &corpus.expected());
    let until = Instant::now() + PATIENCE;
    while one.ready() != Some(true) {
        assert!(Instant::now() < until, "the stopped instance did not come back");
        thread::sleep(Duration::from_millis(50));
    }
    one.terminate();
    two.terminate();
    let all: BTreeSet<String> = first.stored().union(&second.stored()).cloned().collect();
    assert!(all == corpus.expected());
}
