//! The HTTP interface against a real listening server: a real screen with three rules, a real desk in a temporary folder.

use jingyou::alert::{Color, Finding, SubjectKey};
use jingyou::api::{self, Engine, Limits, NotTaken, Raised, Receipt, Refused, RulesInForce, Totals, Unready};
use jingyou::case::{Desk, DeskConfig};
use jingyou::engine::lane::{Lane, Passed};
use jingyou::ruleset::RuleSet;
use jingyou::screen::Thresholds;
use reqwest::blocking::{Client, RequestBuilder, Response};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;
use time::OffsetDateTime;
use tokio::sync::watch;

const RULES: &str = r"
title: 爆炸物品
id: 00000000-0000-4000-8000-000000000001
status: stable
logsource: {product: postal, category: waybill}
detection: {a: {item.name|contains: [烟花爆竹]}, condition: a}
level: critical
category: '03'
---
title: 易燃液体
id: 00000000-0000-4000-8000-000000000002
status: stable
logsource: {product: postal, category: waybill}
detection: {a: {item.name|contains: [乙醚]}, condition: a}
level: high
category: '05'
---
title: 号段异常
id: 00000000-0000-4000-8000-000000000003
status: stable
logsource: {product: postal, category: waybill}
detection: {a: {sender.phone|startswith: ['170']}, condition: a}
level: high
category: 'C1'
";

/// An engine as small as can be: it screens on the caller's thread.
struct OneThread {
    rules: Arc<RuleSet>,
    desk: Desk,
    key: SubjectKey,
    screened: AtomicU64,
    refused: AtomicU64,
    busy: AtomicBool,
    unready: Mutex<Vec<Unready>>,
}

impl OneThread {
    fn raise(&self, findings: Vec<Finding>) -> Vec<Raised> {
        let outcomes = self.desk.apply_now(findings.clone()).expect("durable");
        findings
            .into_iter()
            .zip(outcomes)
            .map(|(finding, outcome)| Raised::new(finding, outcome))
            .collect()
    }
}

impl Engine for OneThread {
    fn submit(&self, body: axum::body::Bytes) -> Result<Receipt, NotTaken> {
        if self.busy.load(Ordering::SeqCst) {
            return Err(NotTaken::Busy { retry_after_s: 2 });
        }
        let mut lane = Lane::new(self.rules.clone(), None, self.key.clone());
        let mut findings = Vec::new();
        let mut receipt = Receipt {
            rule_set: self.rules.digest().to_owned(),
            ..Receipt::default()
        };
        for (at, bytes) in body.split(|byte| *byte == b'\n').enumerate() {
            if bytes.trim_ascii().is_empty() {
                continue;
            }
            receipt.received += 1;
            receipt.screened += 1;
            match lane.pass(bytes) {
                Passed::Clean => {}
                Passed::Hit(screened) => findings.extend(screened.finding),
                Passed::Refused(refusal) => {
                    receipt.screened -= 1;
                    receipt.refused.push(Refused::new(at as u64 + 1, refusal));
                }
            }
        }
        receipt.alerts = self.raise(findings);
        self.screened.fetch_add(receipt.screened, Ordering::SeqCst);
        self.refused.fetch_add(receipt.refused.len() as u64, Ordering::SeqCst);
        Ok(receipt)
    }

    fn totals(&self) -> Totals {
        let (screened, refused) = (
            self.screened.load(Ordering::SeqCst),
            self.refused.load(Ordering::SeqCst),
        );
        Totals {
            taken: screened + refused,
            screened,
            refused,
            lag: None,
        }
    }

    fn rules(&self) -> RulesInForce {
        let loaded_at = OffsetDateTime::now_utc();
        RulesInForce {
            digest: self.rules.digest().to_owned(),
            rules: self.rules.rules().len(),
            loaded_at,
            stale: false,
        }
    }

    fn unready(&self) -> Vec<Unready> {
        self.unready.lock().expect("not poisoned").clone()
    }

    fn metrics(&self) -> String {
        "# TYPE jingyou_records_total counter\njingyou_records_total 0\n".to_owned()
    }
}

/// A running server, stopped when it goes out of scope.
struct Site {
    address: SocketAddr,
    engine: Arc<OneThread>,
    client: Client,
    stop: watch::Sender<bool>,
    server: Option<JoinHandle<()>>,
    _dir: tempfile::TempDir,
}

impl Drop for Site {
    fn drop(&mut self) {
        self.stop.send_replace(true);
        if let Some(server) = self.server.take() {
            let _ = server.join();
        }
    }
}

impl Site {
    fn new() -> Self {
        Self::with(Limits::default())
    }

    fn with(limits: Limits) -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        let rules_dir = dir.path().join("rules");
        std::fs::create_dir(&rules_dir).expect("a folder");
        std::fs::write(rules_dir.join("rules.yml"), RULES).expect("rules");
        let rules = RuleSet::load(&rules_dir, Thresholds::default()).unwrap_or_else(|problems| panic!("{problems:?}"));
        let desk = open_desk(dir.path());
        let engine = Arc::new(OneThread {
            rules: Arc::new(rules),
            desk: desk.clone(),
            key: SubjectKey::new(b"a key for tests"),
            screened: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            busy: AtomicBool::new(false),
            unready: Mutex::default(),
        });
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        listener.set_nonblocking(true).expect("non-blocking");
        let address = listener.local_addr().expect("an address");
        let (stop, stopped) = watch::channel(false);
        let serving: Arc<dyn Engine> = engine.clone();
        let server = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .worker_threads(2)
                .enable_all()
                .build();
            runtime.expect("a runtime").block_on(async {
                let listener = tokio::net::TcpListener::from_std(listener).expect("a listener");
                api::serve(listener, desk, serving, limits, stopped)
                    .await
                    .expect("served");
            });
        });
        let client = Client::builder()
            .timeout(Duration::from_secs(30))
            .build()
            .expect("a client");
        Self {
            address,
            engine,
            client,
            stop,
            server: Some(server),
            _dir: dir,
        }
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    fn request(&self, path: &str) -> RequestBuilder {
        self.client.get(self.url(path))
    }

    fn get(&self, path: &str) -> (u16, Value) {
        answer(self.request(path).send().expect("an answer"))
    }

    fn ok(&self, path: &str) -> Value {
        let (status, body) = self.get(path);
        assert_eq!(status, 200, "{path}: {body}");
        body
    }

    fn post(&self, body: impl Into<reqwest::blocking::Body>) -> (u16, Value) {
        answer(
            self.client
                .post(self.url("/api/v1/waybills"))
                .body(body)
                .send()
                .expect("an answer"),
        )
    }

    /// Every item of a list, by its cursors.
    fn pages(&self, path: &str, items: &str) -> Vec<Value> {
        let mut all = Vec::new();
        let mut cursor = String::new();
        loop {
            let page = self.ok(&format!("{path}{cursor}"));
            all.extend(page[items].as_array().expect("a list").iter().cloned());
            match page["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return all,
            }
        }
    }
}

fn open_desk(dir: &std::path::Path) -> Desk {
    let config = DeskConfig {
        apply_timeout: Duration::from_mins(1),
        ..DeskConfig::new(dir.join("desk"))
    };
    Desk::open(config, Arc::new(OffsetDateTime::now_utc)).expect("a desk").0
}

fn answer(response: Response) -> (u16, Value) {
    let status = response.status().as_u16();
    let text = response.text().expect("a body");
    (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
}

/// A record; `goods` decides what it raises, `at` its place in time.
fn record(waybill_no: &str, goods: &str, at: u32) -> Value {
    json!({
        "waybill_no": waybill_no, "carrier": if at.is_multiple_of(2) { "YTO" } else { "SF" }, "event": "arrive",
        "occurred_at": format!("2026-11-11T{:02}:{:02}:{:02}+08:00", at / 3600, at / 60 % 60, at % 60),
        "site": {"code": "330482-0012", "name": "平湖当湖网点", "region": if at.is_multiple_of(3) { "330482" } else { "310104" }},
        "sender": {"name": "王伟国", "phone": format!("138{at:08}"), "id_type": "resident_id", "id_no": id_no(at),
                   "address": "云南省德宏州瑞丽市姐告大道七号", "region": "533102"},
        "receiver": {"name": "欧阳娜娜", "phone": format!("139{at:08}"), "address": "浙江省嘉兴市平湖市当湖街道解放路九号", "region": "330482"},
        "item": {"name": goods, "weight_g": 850},
    })
}

/// One person for the first hundred, then everybody is somebody else, so that cases stay small.
fn id_no(at: u32) -> String {
    if at < 100 {
        "11010519491231002X".to_owned()
    } else {
        format!("33048219{at:010}")
    }
}

fn lines(records: &[Value]) -> String {
    records.iter().map(Value::to_string).collect::<Vec<_>>().join("\n") + "\n"
}

/// `count` records of which every one raises an alert, yellow and red by turns.
fn findings(from: u32, count: u32) -> String {
    let one = |at: u32| {
        record(
            &format!("YT{at:012}"),
            if at.is_multiple_of(2) { "乙醚" } else { "烟花爆竹" },
            at,
        )
    };
    lines(&(from..from + count).map(one).collect::<Vec<_>>())
}

fn code(body: &Value) -> &str {
    body["code"].as_str().unwrap_or_else(|| panic!("no problem: {body}"))
}

/// A reader of server-sent events.
struct Events(BufReader<Box<dyn Read>>);

#[derive(Debug, Default, PartialEq)]
struct Event {
    name: String,
    id: Option<u64>,
    data: Value,
}

impl Events {
    fn open(site: &Site, path: &str, last: Option<u64>) -> Self {
        let client = Client::builder().timeout(None).build().expect("a client");
        let mut request = client.get(site.url(path));
        if let Some(last) = last {
            request = request.header("last-event-id", last.to_string());
        }
        let response = request.send().expect("a stream");
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        let mut events = Self(BufReader::new(Box::new(response)));
        assert_eq!(events.block(), "retry: 2000\n: jingyou\n", "the stream has begun");
        events
    }

    fn block(&mut self) -> String {
        let mut block = String::new();
        loop {
            let mut line = String::new();
            self.0.read_line(&mut line).expect("a line");
            if line == "\n" || line.is_empty() {
                return block;
            }
            block.push_str(&line);
        }
    }

    fn next(&mut self) -> Event {
        let mut event = Event::default();
        for line in self.block().lines() {
            match line.split_once(": ") {
                Some(("event", name)) => name.clone_into(&mut event.name),
                Some(("id", id)) => event.id = id.parse().ok(),
                Some(("data", data)) => event.data = serde_json::from_str(data).expect("JSON"),
                _ => {}
            }
        }
        event
    }
}

#[test]
fn what_a_post_raises_is_there_as_soon_as_it_is_answered() {
    let site = Site::new();
    let body = lines(&[
        record("YT8812345678901", "纯棉T恤", 1),
        record("YT8812345678902", "大号烟花爆竹礼盒", 2),
        json!({"waybill_no": "YT8812345678903", "carrier": "YTO", "event": "arrive"}),
    ]) + "\n  \nnot json\n";
    let (status, receipt) = site.post(body);
    assert_eq!(status, 200, "{receipt}");
    assert_eq!(
        (receipt["received"].as_u64(), receipt["screened"].as_u64()),
        (Some(4), Some(2))
    );
    let refused: Vec<_> = receipt["refused"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|one| (&one["line"], &one["reason"], &one["field"]))
        .collect();
    assert_eq!(
        refused,
        [
            (&json!(3), &json!("missing_field"), &json!("occurred_at")),
            (&json!(6), &json!("not_json"), &json!(""))
        ]
    );
    let raised = &receipt["alerts"][0];
    assert_eq!(
        (raised["color"].as_str(), raised["outcome"].as_str()),
        (Some("red"), Some("raised"))
    );

    let alert = site.ok(&format!(
        "/api/v1/alerts/{}",
        raised["alert_id"].as_str().expect("an id")
    ));
    assert_eq!(alert["waybill_no"], "YT8812345678902");
    assert_eq!(alert["category_zh"], "爆炸物品");
    assert_eq!(alert["hits"][0]["span"], json!([2, 6]));
    assert_eq!(
        alert["sender"],
        json!({"name": "王**", "phone": "138****0002", "id_no": "110105********002X", "address": alert["sender"]["address"], "region": "533102"})
    );
    assert_eq!(alert["rule_set"], receipt["rule_set"]);
    assert_eq!(alert.get("subjects"), None);

    let found = site.ok(&format!(
        "/api/v1/cases/{}",
        raised["case_id"].as_str().expect("a case")
    ));
    assert_eq!(found["case"]["state"], "handling");
    assert_eq!(found["case"]["tasks"][0]["kind"], "hold_parcel");
    assert_eq!(found["alerts"], json!([alert]));
    assert_eq!(found["timeline"][0]["action"], "alert.raised");

    let (_, again) = site.post(lines(&[record("YT8812345678902", "大号烟花爆竹礼盒", 3)]));
    assert_eq!(again["alerts"][0]["outcome"], "seen");
    assert_eq!(again["alerts"][0]["alert_id"], raised["alert_id"]);
}

#[test]
fn pages_hold_each_item_once_and_in_order() {
    let site = Site::new();
    assert_eq!(site.ok("/api/v1/alerts"), json!({"alerts": [], "next_cursor": null}));
    assert_eq!(site.ok("/api/v1/cases"), json!({"cases": [], "next_cursor": null}));
    assert_eq!(site.post(findings(0, 57)).0, 200);
    for limit in [1, 7, 19, 57, 200] {
        let all = site.pages(&format!("/api/v1/alerts?limit={limit}"), "alerts");
        let at: Vec<&str> = all
            .iter()
            .map(|alert| alert["occurred_at"].as_str().expect("a time"))
            .collect();
        assert_eq!(at.len(), 57);
        assert!(at.windows(2).all(|pair| pair[0] > pair[1]), "newest first: {at:?}");
        let cases = site.pages(&format!("/api/v1/cases?limit={limit}"), "cases");
        let ids: BTreeSet<&str> = cases
            .iter()
            .map(|case| case["case_id"].as_str().expect("an id"))
            .collect();
        assert_eq!(ids.len(), cases.len());
        assert!(!cases.is_empty());
    }
    assert_eq!(site.ok("/api/v1/alerts")["alerts"].as_array().map(Vec::len), Some(50));
}

#[test]
fn filters_give_what_they_say() {
    let site = Site::new();
    assert_eq!(site.post(findings(0, 60)).0, 200);
    let count = |query: &str| site.pages(&format!("/api/v1/alerts?limit=200&{query}"), "alerts").len();
    for (query, expected) in [
        ("color=red", 30),
        ("color=yellow", 30),
        ("category=05", 30),
        ("category=12", 0),
        ("carrier=YTO", 30),
        ("carrier=YTO&color=red", 0),
        ("region=33", 20),
        ("region=330482", 20),
        ("region=3101", 40),
        ("region=99", 0),
        ("waybill_no=YT000000000007", 1),
        ("from=2026-11-11T00:00:30%2B08:00", 30),
        ("to=2026-11-10T16:00:10Z", 10),
        ("from=2026-11-11T00:00:10%2B08:00&to=2026-11-11T00:00:20%2B08:00", 10),
    ] {
        assert_eq!(count(query), expected, "{query}");
    }
    let cases = |query: &str| site.pages(&format!("/api/v1/cases?limit=200&{query}"), "cases");
    let all = cases("");
    for (query, key, value) in [
        ("state=lead", "state", "lead"),
        ("state=handling", "state", "handling"),
        ("color=red", "color", "red"),
        ("category=05", "category", "05"),
    ] {
        let some = cases(query);
        assert!(!some.is_empty() && some.len() < all.len(), "{query}");
        assert!(some.iter().all(|case| case[key] == value), "{query}");
    }
    assert_eq!(cases("open=true").len(), all.len());
    assert_eq!(cases("state=closed").len(), 0);
    assert!(cases("region=3304").iter().all(|case| case["region"] == "330482"));
}

#[test]
fn what_is_not_understood_is_refused_by_name() {
    let site = Site::new();
    for (path, status, expected) in [
        ("/api/v1/alerts?colour=red", 400, "unknown_parameter"),
        ("/api/v1/alerts?color=red&color=red", 400, "unknown_parameter"),
        ("/api/v1/alerts?color=green", 400, "bad_parameter"),
        ("/api/v1/alerts?color=", 400, "bad_parameter"),
        ("/api/v1/alerts?limit=201", 400, "bad_parameter"),
        ("/api/v1/alerts?from=today", 400, "bad_parameter"),
        ("/api/v1/alerts?cursor=nonsense", 400, "bad_cursor"),
        ("/api/v1/cases?cursor=nonsense", 400, "bad_cursor"),
        ("/api/v1/cases?state=open", 400, "bad_parameter"),
        ("/api/v1/cases?open=false", 400, "bad_parameter"),
        ("/api/v1/cases?carrier=YTO", 400, "unknown_parameter"),
        ("/api/v1/stats?x=1", 400, "unknown_parameter"),
        ("/api/v1/alerts/stream?after=x", 400, "bad_parameter"),
        ("/healthz?x=1", 400, "unknown_parameter"),
        ("/?x=1", 400, "unknown_parameter"),
        ("/api/v1/alerts/nonsense", 404, "not_found"),
        ("/api/v1/alerts/00000000-0000-4000-8000-000000000000", 404, "not_found"),
        ("/api/v1/cases/330482-20261111-AAAAAA", 404, "not_found"),
        ("/api/v1/nothing", 404, "unknown_path"),
        ("/live.html", 404, "unknown_path"),
        ("/api/v1/waybills", 405, "method_not_allowed"),
    ] {
        let response = site.request(path).send().expect("an answer");
        assert_eq!(
            response.headers()["content-type"],
            "application/problem+json; charset=utf-8",
            "{path}"
        );
        let (got, body) = answer(response);
        assert_eq!((got, code(&body)), (status, expected), "{path}");
        assert_eq!(body["status"], status);
        for key in ["title", "title_zh", "detail", "type"] {
            assert!(body[key].as_str().is_some_and(|text| !text.is_empty()), "{path}: {key}");
        }
    }
    let detail = site.get("/api/v1/alerts?colour=red").1["detail"]
        .as_str()
        .map(str::to_owned);
    assert!(detail.is_some_and(|detail| detail.contains("did you mean color")));
    let response = site
        .client
        .delete(site.url("/api/v1/alerts"))
        .send()
        .expect("an answer");
    assert_eq!(response.status(), 405);
    assert!(
        response.headers()["allow"]
            .to_str()
            .is_ok_and(|allow| allow.contains("GET"))
    );
}

#[test]
fn a_body_has_its_bounds() {
    let site = Site::with(Limits {
        body_bytes_max: 4096,
        body_within: Duration::from_millis(300),
    });
    for blank in ["", "\n", " \n\t\r\n"] {
        let (status, body) = site.post(blank);
        assert_eq!((status, code(&body)), (400, "empty_body"));
    }
    assert_eq!(site.post("x".repeat(4096)).0, 200);
    let (status, body) = site.post("x".repeat(4097));
    assert_eq!((status, code(&body)), (413, "body_too_large"));
    let unannounced = reqwest::blocking::Body::new(std::io::repeat(b'x').take(100_000));
    let (status, body) = site.post(unannounced);
    assert_eq!((status, code(&body)), (413, "body_too_large"));

    let typed = |kind: &str| {
        let request = site
            .client
            .post(site.url("/api/v1/waybills"))
            .header("content-type", kind);
        answer(request.body(findings(0, 1)).send().expect("an answer"))
    };
    assert_eq!(typed("application/x-ndjson; charset=utf-8").0, 200);
    let (status, body) = typed("multipart/form-data; boundary=x");
    assert_eq!((status, code(&body)), (415, "unsupported_media_type"));

    let mut slow = TcpStream::connect(site.address).expect("a connection");
    write!(
        slow,
        "POST /api/v1/waybills HTTP/1.1\r\nhost: {}\r\ncontent-length: 100\r\n\r\n{{",
        site.address
    )
    .expect("sent");
    let mut told = String::new();
    slow.read_to_string(&mut told).expect("told, and let go");
    assert!(
        told.starts_with("HTTP/1.1 408") && told.contains("body_too_slow"),
        "{told}"
    );
}

#[test]
fn when_screening_is_behind_it_says_when_to_come_back() {
    let site = Site::new();
    site.engine.busy.store(true, Ordering::SeqCst);
    let request = site.client.post(site.url("/api/v1/waybills")).body(findings(0, 1));
    let response = request.send().expect("an answer");
    assert_eq!(response.headers()["retry-after"], "2");
    let (status, body) = answer(response);
    assert_eq!((status, code(&body)), (429, "busy"));
    site.engine.busy.store(false, Ordering::SeqCst);
    assert_eq!(site.post(findings(0, 1)).0, 200);
}

#[test]
fn a_stream_tells_every_alert_once_across_reconnects() {
    let site = Site::new();
    assert_eq!(site.post(findings(0, 5)).0, 200);
    let mut told: BTreeMap<u64, Value> = BTreeMap::new();
    let take = |events: &mut Events, told: &mut BTreeMap<u64, Value>, count: usize| {
        let mut last = 0;
        for _ in 0..count {
            let event = events.next();
            assert_eq!(event.name, "alert");
            last = event.id.expect("an id");
            assert!(told.insert(last, event.data).is_none(), "told twice");
        }
        last
    };
    let mut events = Events::open(&site, "/api/v1/alerts/stream", Some(0));
    take(&mut events, &mut told, 3);
    let last = take(&mut events, &mut told, 2);
    drop(events);
    assert_eq!(site.post(findings(5, 40)).0, 200);
    let mut events = Events::open(&site, "/api/v1/alerts/stream", Some(last));
    take(&mut events, &mut told, 20);
    assert_eq!(site.post(findings(45, 5)).0, 200);
    let last = take(&mut events, &mut told, 25);
    drop(events);
    let waybills: BTreeSet<&str> = told.values().filter_map(|alert| alert["waybill_no"].as_str()).collect();
    assert_eq!((told.len(), waybills.len()), (50, 50));
    assert!(
        told.values()
            .all(|alert| alert["outcome"] == "raised" && alert["case_id"].is_string())
    );

    // Without an id a stream begins now; an id from another journal is told to begin anew.
    let mut events = Events::open(&site, "/api/v1/alerts/stream", None);
    let mut by_address = Events::open(&site, &format!("/api/v1/alerts/stream?after={last}"), None);
    let mut other = Events::open(&site, "/api/v1/alerts/stream", Some(last + 1_000));
    assert_eq!(other.next().name, "reset");
    assert_eq!(site.post(findings(50, 1)).0, 200);
    for events in [&mut events, &mut by_address, &mut other] {
        assert_eq!(events.next().data["waybill_no"], "YT000000000050");
    }
}

#[test]
fn a_slow_reader_is_told_and_misses_nothing() {
    const ALERTS: u32 = 6_000;
    let site = Site::new();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let stream = runtime.block_on(async {
        let socket = tokio::net::TcpSocket::new_v4().expect("a socket");
        socket.set_recv_buffer_size(4096).expect("a small buffer");
        socket
            .connect(site.address)
            .await
            .expect("a connection")
            .into_std()
            .expect("a socket")
    });
    stream.set_nonblocking(false).expect("blocking");
    let mut stream = stream;
    write!(
        stream,
        "GET /api/v1/alerts/stream?after=0 HTTP/1.0\r\nhost: {}\r\n\r\n",
        site.address
    )
    .expect("sent");
    let mut events = Events(BufReader::new(Box::new(stream)));
    assert!(events.block().contains("200 OK"), "the stream has begun");
    events.block();
    for from in (0..ALERTS).step_by(500) {
        assert_eq!(site.post(findings(from, 500)).0, 200);
    }
    let (mut seen, mut lagged) = (Vec::new(), 0);
    while seen.len() < ALERTS as usize {
        let event = events.next();
        match event.name.as_str() {
            "alert" => seen.push(event.id.expect("an id")),
            "lagged" => lagged += 1,
            other => assert_eq!(other, "", "comments only"),
        }
    }
    assert!(seen.windows(2).all(|pair| pair[0] < pair[1]), "in order, none twice");
    assert!(lagged > 0, "it was told that it had fallen behind");
}

#[test]
fn streams_are_bounded_and_end_with_the_server() {
    let site = Site::new();
    let mut open: Vec<Events> = (0..api::STREAMS_MAX)
        .map(|_| Events::open(&site, "/api/v1/alerts/stream", None))
        .collect();
    let (status, body) = site.get("/api/v1/alerts/stream");
    assert_eq!((status, code(&body)), (429, "too_many_streams"));
    let mut last = open.pop().expect("a stream");
    drop(site);
    assert_eq!(last.block(), "", "the stream has ended");
}

#[test]
fn only_this_machine_s_own_pages_may_ask() {
    let site = Site::new();
    let port = site.address.port();
    let status = |headers: &[(&str, String)]| {
        let mut request = site.client.post(site.url("/api/v1/waybills")).body(findings(0, 1));
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        let (status, body) = answer(request.send().expect("an answer"));
        (status, body["code"].as_str().unwrap_or_default().to_owned())
    };
    let refused = |status: u16, code: &str| (status, code.to_owned());
    assert_eq!(status(&[("host", format!("localhost:{port}"))]).0, 200);
    assert_eq!(status(&[("host", format!("[::1]:{port}"))]).0, 200);
    assert_eq!(
        status(&[("host", format!("evil.example:{port}"))]),
        refused(421, "wrong_host")
    );
    assert_eq!(status(&[("host", "localhost".to_owned())]), refused(421, "wrong_host"));
    assert_eq!(status(&[("origin", format!("http://127.0.0.1:{port}"))]).0, 200);
    assert_eq!(
        status(&[("origin", "http://evil.example".to_owned())]),
        refused(403, "cross_origin")
    );
    assert_eq!(status(&[("origin", "null".to_owned())]), refused(403, "cross_origin"));
    assert_eq!(
        status(&[("origin", format!("http://localhost:{}", port ^ 1))]),
        refused(403, "cross_origin")
    );
    assert_eq!(
        status(&[("sec-fetch-site", "cross-site".to_owned())]),
        refused(403, "cross_origin")
    );
    assert_eq!(site.engine.totals().screened, 3, "what was refused was not screened");
}

#[test]
fn the_page_and_its_files_are_its_own() {
    let site = Site::new();
    for (path, kind) in [
        ("/", "text/html"),
        ("/live", "text/html"),
        ("/live.css", "text/css"),
        ("/live.js", "text/javascript"),
    ] {
        let response = site.request(path).send().expect("an answer");
        assert_eq!(response.status(), 200, "{path}");
        let headers = response.headers().clone();
        assert!(
            headers["content-type"]
                .to_str()
                .is_ok_and(|given| given.starts_with(kind)),
            "{path}"
        );
        assert_eq!(headers["x-content-type-options"], "nosniff");
        assert_eq!(headers["cache-control"], "no-store");
        assert!(
            headers["content-security-policy"]
                .to_str()
                .is_ok_and(|policy| policy.starts_with("default-src 'none'"))
        );
        let text = response.text().expect("text");
        for foreign in [
            "innerHTML",
            "outerHTML",
            "insertAdjacentHTML",
            "document.write",
            "eval(",
            "http://",
            "https://",
        ] {
            let namespace = text.replace("http://www.w3.org/2000/svg", "");
            assert!(!namespace.contains(foreign), "{path} has {foreign}");
        }
    }
    assert_eq!(site.ok("/api/v1/alerts")["alerts"], json!([]));
}

#[test]
fn watchers_are_told_of_life_readiness_and_counts() {
    let site = Site::new();
    assert_eq!(site.ok("/healthz"), json!({"status": "alive"}));
    assert_eq!(site.ok("/readyz"), json!({"status": "ready"}));
    let reason = Unready {
        part: "kafka",
        reason: "no broker answers".to_owned(),
    };
    site.engine.unready.lock().expect("not poisoned").push(reason);
    let (status, body) = site.get("/readyz");
    assert_eq!(status, 503);
    assert_eq!(
        body["reasons"],
        json!([{"part": "kafka", "reason": "no broker answers"}])
    );
    assert_eq!(site.ok("/healthz"), json!({"status": "alive"}));
    let metrics = site.request("/metrics").send().expect("an answer");
    assert!(
        metrics.headers()["content-type"]
            .to_str()
            .is_ok_and(|kind| kind.starts_with("text/plain; version=0.0.4"))
    );

    assert_eq!(site.post(findings(0, 7) + "nonsense\n").0, 200);
    // The counts of alerts follow the journal a moment later.
    let end = std::time::Instant::now() + Duration::from_secs(30);
    let stats = loop {
        let stats = site.ok("/api/v1/stats");
        if stats["red"] == 3 && stats["yellow"] == 4 {
            break stats;
        }
        assert!(std::time::Instant::now() < end, "{stats}");
        std::thread::yield_now();
    };
    assert_eq!(
        (&stats["taken"], &stats["screened"], &stats["refused"]),
        (&json!(8), &json!(7), &json!(1))
    );
    assert_eq!(
        stats["open_cases"].as_u64(),
        Some(site.pages("/api/v1/cases?open=true", "cases").len() as u64)
    );
    assert_eq!(stats["rule_set"]["digest"].as_str(), Some(site.engine.rules.digest()));
    assert_eq!(stats["rule_set"]["rules"], 3);
}

#[test]
fn nobody_s_data_is_shown_in_full() {
    let site = Site::new();
    let mut own = record("YT8812345678901", "乙醚 烟花爆竹", 3);
    own["sender"]["phone"] = json!("17012345678");
    let (status, receipt) = site.post(lines(&[
        own.clone(),
        json!({"waybill_no": "13912345678", "carrier": 5, "note": "王伟国"}),
    ]));
    assert_eq!(status, 200);
    let raised = &receipt["alerts"][0];
    let mut seen = receipt.to_string();
    for path in [
        "/api/v1/alerts",
        "/api/v1/cases",
        "/api/v1/stats",
        "/metrics",
        "/readyz",
    ] {
        seen += &site.request(path).send().and_then(Response::text).expect("a body");
    }
    seen += &site
        .ok(&format!(
            "/api/v1/alerts/{}",
            raised["alert_id"].as_str().expect("an id")
        ))
        .to_string();
    seen += &site
        .ok(&format!(
            "/api/v1/cases/{}",
            raised["case_id"].as_str().expect("a case")
        ))
        .to_string();
    let mut events = Events::open(&site, "/api/v1/alerts/stream", Some(0));
    let event = events.next();
    assert_eq!(
        event.data["hits"].as_array().map(Vec::len),
        Some(3),
        "the rule about the phone hit: {}",
        event.data
    );
    seen += &event.data.to_string();
    for secret in [
        "17012345678",
        "13900000003",
        "11010519491231002X",
        "王伟国",
        "伟国",
        "欧阳娜娜",
        "姐告大道",
        "解放路九号",
    ] {
        assert!(!seen.contains(secret), "{secret} is shown");
    }
    let color: Color = serde_json::from_value(event.data["color"].clone()).expect("a colour");
    assert_eq!(color, Color::Red);
}

#[test]
fn an_address_that_others_can_reach_is_refused() {
    let dir = tempfile::tempdir().expect("a folder");
    let site = Site::new();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let refused = runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind("0.0.0.0:0").await.expect("a port");
        let engine: Arc<dyn Engine> = site.engine.clone();
        let (_stop, stopped) = watch::channel(false);
        api::serve(listener, open_desk(dir.path()), engine, Limits::default(), stopped).await
    });
    let error = refused.expect_err("refused");
    assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput);
}
