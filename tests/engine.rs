//! The engine inside one process: records by feeder and by HTTP body, totals, dead letters; the outbox and a sink that
//! fails in every way it may.

#[path = "kafka/corpus.rs"]
mod corpus;

use corpus::Corpus;
use jingyou::api::Engine as _;
use jingyou::case::{AlertQuery, NoticeKind};
use jingyou::config::Config;
use jingyou::engine::Engine;
use jingyou::metrics::Metrics;
use jingyou::notify::{Delivery, Message, Outbox, Sink};
use jingyou::ruleset::RuleSet;
use jingyou::screen::Thresholds;
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// The longest that a test waits for anything that should happen.
const PATIENCE: Duration = Duration::from_mins(1);

fn engine(folder: &Path) -> Engine {
    let config = Config {
        data_dir: folder.to_owned(),
        ..Config::default()
    };
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("rules");
    let rules = RuleSet::load(&dir, Thresholds::default()).expect("the shipped rules load");
    Engine::embedded(&config, rules).unwrap_or_else(|error| panic!("{error}"))
}

fn stored(engine: &Engine) -> BTreeSet<String> {
    let mut ids = BTreeSet::new();
    let mut query = AlertQuery::default();
    loop {
        let page = engine.desk().alerts(&query).expect("a page");
        ids.extend(page.items.iter().map(|alert| alert.alert_id.to_string()));
        query.after = page.next;
        if query.after.is_none() {
            return ids;
        }
    }
}

fn feed(engine: &Engine, corpus: &Corpus) {
    let mut feeder = engine.feeder("test");
    for (_, record) in corpus.messages() {
        feeder.feed(record).expect("taken");
    }
    let ticket = feeder.flush().expect("taken");
    engine.desk().wait(ticket, PATIENCE).expect("durable");
}

#[test]
fn fed_records_raise_what_they_must_and_totals_reconcile() {
    let folder = tempfile::tempdir().expect("a folder");
    let engine = engine(folder.path());
    let mut corpus = Corpus::generate(3_000, 21);
    let expected = corpus.expected();
    corpus.0.insert(7, (Vec::new(), b"not json".to_vec()));
    feed(&engine, &corpus);
    assert!(stored(&engine) == expected);
    let totals = engine.metrics().reconcile();
    let test = totals.iter().find(|totals| totals.source == "test").expect("a source");
    assert_eq!((test.records, test.refused, test.dead_lettered), (3_001, 1, 1));
    assert!(test.balances());
    let letters = std::fs::read_to_string(folder.path().join("dead_letters.ndjson")).expect("a file");
    assert!(
        letters.contains("\"line\":8,") && letters.contains("\"original\":\"not json\""),
        "{letters}"
    );
    engine.shutdown().expect("all written");
}

#[test]
fn a_body_is_answered_line_by_line_and_may_be_sent_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let engine = engine(folder.path());
    let corpus = Corpus::generate(300, 22);
    let mut body = b"\n{}\r\n".to_vec();
    for (_, record) in &corpus.0 {
        body.extend_from_slice(record);
        body.push(b'\n');
    }
    body.extend_from_slice(format!("[1]\n{{\"waybill_no\":\"{}\"}}", "x".repeat(300 << 10)).as_bytes());
    for outcome in ["raised", "seen"] {
        let receipt = engine.submit(body.clone().into()).expect("taken");
        assert_eq!((receipt.received, receipt.screened), (303, 300));
        let refused: Vec<_> = receipt
            .refused
            .iter()
            .map(|refused| (refused.line, refused.reason.as_str()))
            .collect();
        assert_eq!(
            refused,
            [(2, "missing_field"), (303, "not_an_object"), (304, "too_large")]
        );
        let ids: BTreeSet<String> = receipt
            .alerts
            .iter()
            .map(|raised| raised.alert_id.to_string())
            .collect();
        assert!(ids == corpus.expected());
        assert!(
            receipt
                .alerts
                .iter()
                .all(|raised| raised.outcome == outcome && raised.case_id.is_some())
        );
    }
    assert!(stored(&engine) == corpus.expected());
    let http = engine
        .metrics()
        .reconcile()
        .into_iter()
        .find(|totals| totals.source == "http")
        .expect("a source");
    assert_eq!((http.records, http.screened, http.dead_lettered), (606, 600, 6));
    engine.shutdown().expect("all written");
}

/// What a sink got, shared with the test.
#[derive(Clone, Default)]
struct Got(Arc<Mutex<Vec<Message>>>);

impl Got {
    fn ids(&self) -> Vec<String> {
        self.0
            .lock()
            .expect("no panic")
            .iter()
            .map(|message| message.id.clone())
            .collect()
    }
}

/// Takes two thirds of what it is given at a time, and never the first of all.
struct Moody {
    got: Got,
    tries: usize,
    refused: Arc<Mutex<Option<String>>>,
}

impl Sink for Moody {
    fn name(&self) -> &'static str {
        "moody"
    }

    fn deliver(&mut self, messages: &[Message]) -> Vec<Delivery> {
        let mut refused = self.refused.lock().expect("no panic");
        let mut answer = |message: &Message| {
            self.tries += 1;
            if *refused.get_or_insert_with(|| message.id.clone()) == message.id {
                return Delivery::Never("too large".into());
            }
            if self.tries.is_multiple_of(3) {
                return Delivery::Again("busy".into());
            }
            self.got.0.lock().expect("no panic").push(message.clone());
            Delivery::Done
        };
        messages.iter().map(&mut answer).collect()
    }
}

#[test]
fn the_outbox_tells_everything_once_at_least_and_in_order_by_key() {
    let folder = tempfile::tempdir().expect("a folder");
    let engine = engine(folder.path());
    feed(&engine, &Corpus::generate(300, 23));
    let expected = stored(&engine);
    let (got, refused) = (Got::default(), Arc::new(Mutex::new(None)));
    let start = |metrics: &Arc<Metrics>| {
        let sink = Moody {
            got: got.clone(),
            tries: 0,
            refused: refused.clone(),
        };
        Outbox::start(engine.desk(), sink, folder.path(), metrics).expect("a thread")
    };
    let metrics = Metrics::new();
    let outbox = start(&metrics);
    let until = Instant::now() + PATIENCE;
    let alerts = |messages: &[Message]| {
        let is_alert = |message: &&Message| matches!(message.kind, NoticeKind::AlertYellow | NoticeKind::AlertRed);
        let id = |message: &Message| message.id.rsplit_once('.').map(|(id, _)| id.to_owned());
        messages
            .iter()
            .filter(is_alert)
            .filter_map(id)
            .collect::<BTreeSet<String>>()
    };
    while alerts(&got.0.lock().expect("no panic")).len() + 1 < expected.len() {
        assert!(Instant::now() < until, "told {} of {}", got.ids().len(), expected.len());
        sleep(Duration::from_millis(5));
    }
    outbox.stop();
    // The first message of all is the first alert: refused for good, kept, and in nobody's way.
    let refused_id = refused.lock().expect("no panic").clone().expect("it was refused");
    let dead = std::fs::read_to_string(folder.path().join("outbox.dead.ndjson")).expect("a dead list");
    assert!(dead.lines().count() == 1 && dead.contains(&refused_id), "{dead}");
    let mut told = alerts(&got.0.lock().expect("no panic"));
    told.extend(refused_id.rsplit_once('.').map(|(id, _)| id.to_owned()));
    assert!(told == expected);
    assert_eq!(metrics.faults("notice_dead"), 1);
    let messages = got.0.lock().expect("no panic").clone();
    for message in &messages {
        let revision = |message: &Message| {
            message
                .id
                .rsplit_once('.')
                .and_then(|(_, revision)| revision.parse().ok())
        };
        let of_key = messages
            .iter()
            .filter(|other| (other.kind, &other.key) == (message.kind, &message.key));
        let mut newest: Vec<u64> = of_key.filter_map(revision).collect();
        let last = newest.last().copied();
        newest.sort_unstable();
        assert_eq!(
            last,
            newest.last().copied(),
            "what was told last of {} is not the newest",
            message.key
        );
    }
    // The cursor is in the journal: another start tells nothing again.
    while engine.desk().delivered("moody").expect("a cursor") == 0 {
        assert!(Instant::now() < until, "the cursor is not recorded");
        sleep(Duration::from_millis(5));
    }
    let before = got.ids().len();
    start(&metrics).stop();
    assert_eq!(got.ids().len(), before);
    engine.shutdown().expect("all written");
}

#[test]
fn an_engine_that_is_stopped_takes_nothing_and_forgets_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let corpus = Corpus::generate(300, 24);
    let first = engine(folder.path());
    feed(&first, &corpus);
    first.shutdown().expect("all written");
    let again = engine(folder.path());
    assert_eq!(again.report().counts.alerts, corpus.expected().len() as u64);
    feed(&again, &corpus);
    assert!(stored(&again) == corpus.expected());
    again.shutdown().expect("all written");
}
