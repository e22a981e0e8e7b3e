//! Cases from the outside: findings in, alerts and cases out, whatever happens to the files in between.

use jingyou::alert::{Alert, Color, Finding, Goods, Party, Subject};
use jingyou::case::{
    AlertQuery, CASE_ALERTS_MAX, Case, CaseChange, CaseQuery, Change, Clock, Desk, DeskConfig, Digest, Fate,
    NoticeKind, OpenReport, Outcome, State, StoreError, StoreStart, TaskKind, notices, rebuild, verify,
};
use jingyou::screen::Hit;
use proptest::prelude::*;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use time::macros::datetime;
use time::{Duration as Span, OffsetDateTime};

const NOW: OffsetDateTime = datetime!(2026-11-11 00:30 UTC);
const EVENT: OffsetDateTime = datetime!(2026-11-11 08:23:11 +8);

fn clock() -> Clock {
    Arc::new(|| NOW)
}

fn open(dir: &Path) -> (Desk, OpenReport) {
    let config = DeskConfig {
        apply_timeout: Duration::from_mins(1),
        ..DeskConfig::new(dir)
    };
    Desk::open(config, clock()).expect("the desk opens")
}

fn finding(waybill_no: &str, color: Color, rule: &str, category: &str, subjects: &[&str]) -> Finding {
    let score = if color == Color::Red { 100 } else { 60 };
    Finding {
        waybill_no: waybill_no.into(),
        carrier: "YTO".into(),
        event: "arrive".into(),
        occurred_at: EVENT,
        direction: "inbound".into(),
        site_code: "330482-0012".into(),
        site_name: "平湖当湖网点".into(),
        region: "330482".into(),
        goods: Goods {
            name: "服装".into(),
            weight_g: Some(0.1 + 0.2),
            ..Goods::default()
        },
        sender: Party {
            name: "王*".into(),
            phone: "138****8000".into(),
            ..Party::default()
        },
        receiver: Party::default(),
        subjects: subjects.iter().map(|subject| Subject((*subject).into())).collect(),
        color,
        score,
        category: category.into(),
        hits: vec![Hit {
            rule_id: rule.into(),
            title: rule.into(),
            category: category.into(),
            color: Some(color),
            score,
            field: "item.name".into(),
            term: "氯麻黄碱".into(),
            span: Some([0, 4]),
            text: "氯麻黄碱".into(),
            also: Vec::new(),
        }],
        respond: Vec::new(),
        rule_set: "digest".into(),
    }
}

fn yellow(waybill_no: &str, subjects: &[&str]) -> Finding {
    finding(waybill_no, Color::Yellow, "r1", "12", subjects)
}

fn red(waybill_no: &str, subjects: &[&str]) -> Finding {
    finding(waybill_no, Color::Red, "r9", "12", subjects)
}

fn later(finding: Finding, by: Span) -> Finding {
    Finding {
        occurred_at: finding.occurred_at + by,
        ..finding
    }
}

fn apply(desk: &Desk, finding: Finding) -> Outcome {
    desk.apply_now(vec![finding]).expect("durable").remove(0)
}

fn case_of(desk: &Desk, outcome: &Outcome) -> Case {
    let case_id = outcome.case_id.as_deref().expect("in a case");
    desk.case(case_id).expect("readable").expect("there").case
}

/// Everything that a desk shows.
#[derive(Debug, PartialEq)]
struct Shown {
    head: (u64, Digest),
    alerts: Vec<Alert>,
    cases: Vec<Case>,
}

fn all_alerts(desk: &Desk, mut query: AlertQuery) -> Vec<Alert> {
    let mut all = Vec::new();
    loop {
        let page = desk.alerts(&query).expect("a page");
        all.extend(page.items);
        match page.next {
            Some(next) => query.after = Some(next),
            None => return all,
        }
    }
}

fn all_cases(desk: &Desk, mut query: CaseQuery) -> Vec<Case> {
    let mut all = Vec::new();
    loop {
        let page = desk.cases(&query).expect("a page");
        all.extend(page.items);
        match page.next {
            Some(next) => query.after = Some(next),
            None => return all,
        }
    }
}

fn shown(desk: &Desk) -> Shown {
    Shown {
        head: desk.head(),
        alerts: all_alerts(
            desk,
            AlertQuery {
                limit: Some(7),
                ..AlertQuery::default()
            },
        ),
        cases: all_cases(
            desk,
            CaseQuery {
                limit: Some(7),
                ..CaseQuery::default()
            },
        ),
    }
}

#[test]
fn an_alert_joins_the_open_case_of_its_subject_and_category_within_30_days() {
    let dir = tempfile::tempdir().expect("a folder");
    let (desk, _) = open(dir.path());
    let first = apply(&desk, yellow("YT1", &["a", "b"]));
    let same = |outcome: &Outcome| outcome.case_id == first.case_id;

    assert!(!same(&apply(&desk, yellow("YT2", &["c"]))), "another subject");
    assert!(!same(&apply(&desk, yellow("YT3", &[]))), "no subject");
    assert!(
        !same(&apply(&desk, finding("YT4", Color::Yellow, "r1", "05", &["a"]))),
        "another category"
    );
    assert!(
        !same(&apply(
            &desk,
            later(yellow("YT5", &["a"]), Span::days(30) + Span::SECOND)
        )),
        "too late"
    );
    assert!(
        !same(&apply(
            &desk,
            later(yellow("YT6", &["b"]), -Span::days(30) - Span::SECOND)
        )),
        "too early"
    );
    let edge = apply(&desk, later(yellow("YT7", &["b"]), Span::days(30)));
    // YT5's case has the later alert, but is not about b.
    assert!(same(&edge), "30 days to the second");

    let case = case_of(&desk, &edge);
    assert_eq!(case.waybill_nos, ["YT1", "YT7"]);
    assert_eq!((case.last_alert_at, case.revision), (EVENT + Span::days(30), 2));
    assert!(
        same(&apply(&desk, later(yellow("YT8", &["b", "d"]), Span::days(60)))),
        "30 days from the latest alert"
    );
    assert!(
        same(&apply(&desk, later(yellow("YT9", &["d"]), Span::days(61)))),
        "by a subject that joined with it"
    );
}

#[test]
fn of_several_cases_the_one_with_the_latest_alert_is_joined() {
    let dir = tempfile::tempdir().expect("a folder");
    let (desk, _) = open(dir.path());
    let old = apply(&desk, yellow("YT1", &["a"]));
    let new = apply(&desk, later(yellow("YT2", &["b"]), Span::DAY));
    assert_ne!(old.case_id, new.case_id);
    assert_eq!(apply(&desk, yellow("YT3", &["a", "b"])).case_id, new.case_id);
}

#[test]
fn a_red_alert_that_joins_raises_the_case_and_sends_the_hold_out() {
    let dir = tempfile::tempdir().expect("a folder");
    let (desk, _) = open(dir.path());
    let lead = apply(&desk, yellow("YT1", &["a"]));
    assert_eq!(case_of(&desk, &lead).state, State::Lead);
    let raised = apply(&desk, red("YT2", &["a"]));
    assert_eq!((raised.fate, &raised.case_id), (Fate::Raised, &lead.case_id));

    let case = case_of(&desk, &raised);
    assert_eq!((case.state, case.color), (State::Handling, Color::Red));
    assert_eq!(case.due_at, NOW + Span::minutes(10));
    let holds: Vec<&str> = case
        .tasks
        .iter()
        .filter(|task| task.kind == TaskKind::HoldParcel)
        .map(|task| task.waybill_no.as_str())
        .collect();
    assert_eq!(holds, ["YT2"]);

    let entry = desk.entries_after(1, 10).expect("entries").remove(0);
    let Change::AlertRaised(change) = &entry.change else {
        panic!("{entry:?}")
    };
    assert_eq!((change.case_change, change.orders.len()), (CaseChange::Raised, 1));
    let kinds: Vec<(NoticeKind, String)> = notices(&entry)
        .into_iter()
        .map(|notice| (notice.kind, notice.id))
        .collect();
    assert_eq!(
        kinds,
        [
            (NoticeKind::AlertRed, format!("{}.1", raised.alert_id)),
            (NoticeKind::Hold, format!("hold-{}", raised.alert_id)),
            (NoticeKind::Case, format!("{}.2", case.case_id)),
        ]
    );
}

#[test]
fn a_red_alert_joins_the_case_of_the_yellow_one_that_it_supersedes() {
    let dir = tempfile::tempdir().expect("a folder");
    let (desk, _) = open(dir.path());
    let first = apply(&desk, yellow("YT1", &["a"]));
    let gun = later(finding("YT1", Color::Red, "gun", "01", &["z"]), Span::days(300));
    let second = apply(&desk, gun.clone());
    assert_eq!((second.fate, &second.case_id), (Fate::Superseded, &first.case_id));

    let case = case_of(&desk, &second);
    assert_eq!(
        (case.category.as_str(), case.alert_ids.len(), case.waybill_nos.len()),
        ("01", 2, 1)
    );
    let yellow_alert = desk.alert(first.alert_id).expect("readable").expect("kept");
    assert_eq!(
        (yellow_alert.superseded_by, yellow_alert.revision),
        (Some(second.alert_id), 2)
    );
    let red_alert = desk.alert(second.alert_id).expect("readable").expect("raised");
    assert_eq!((red_alert.supersedes, red_alert.score), (Some(first.alert_id), 160));

    // The case is about category 01 now: others of that category join, those of 12 do not.
    assert_eq!(
        apply(&desk, finding("YT2", Color::Red, "gun", "01", &["a"])).fate,
        Fate::Raised
    );
    let joined = apply(
        &desk,
        later(finding("YT3", Color::Yellow, "gun", "01", &["z"]), Span::days(300)),
    );
    assert_eq!(joined.case_id, first.case_id);
    assert_ne!(apply(&desk, yellow("YT4", &["a"])).case_id, first.case_id);
    assert_eq!(apply(&desk, gun).fate, Fate::Seen);
}

#[test]
fn a_full_case_takes_no_more_alerts() {
    let dir = tempfile::tempdir().expect("a folder");
    let (desk, _) = open(dir.path());
    let flood = (0..=CASE_ALERTS_MAX)
        .map(|n| yellow(&format!("YT{n:04}"), &["a"]))
        .collect();
    let outcomes = desk.apply_now(flood).expect("durable");
    let case = case_of(&desk, &outcomes[0]);
    assert_eq!(case.alert_ids.len(), CASE_ALERTS_MAX);
    assert_ne!(outcomes[CASE_ALERTS_MAX].case_id, outcomes[0].case_id);
    assert_eq!(
        apply(&desk, yellow("YT9999", &["a"])).case_id,
        outcomes[CASE_ALERTS_MAX].case_id
    );
    let view = desk.case(&case.case_id).expect("readable").expect("there");
    assert_eq!(
        (view.alerts.len(), view.timeline.len()),
        (CASE_ALERTS_MAX, CASE_ALERTS_MAX)
    );
    assert!(view.timeline.iter().is_sorted_by_key(|item| item.seq));
}

#[test]
fn a_case_is_shown_with_its_alerts_and_its_timeline() {
    let dir = tempfile::tempdir().expect("a folder");
    let (desk, _) = open(dir.path());
    let first = apply(&desk, yellow("YT1", &["a"]));
    apply(&desk, yellow("YT2", &["b"]));
    apply(&desk, red("YT1", &["a"]));
    let view = desk
        .case(first.case_id.as_deref().expect("in a case"))
        .expect("readable")
        .expect("there");
    let timeline: Vec<_> = view
        .timeline
        .iter()
        .map(|item| (item.seq, item.action, item.case_change))
        .collect();
    assert_eq!(
        timeline,
        [
            (1, "alert.raised", Some(CaseChange::Opened)),
            (3, "alert.superseded", Some(CaseChange::Raised)),
        ]
    );
    assert_eq!(
        view.alerts.iter().map(|alert| alert.color).collect::<Vec<_>>(),
        [Color::Yellow, Color::Red]
    );
    assert_eq!(desk.case("no such case").expect("readable"), None);
}

#[test]
fn pages_are_newest_first_and_filters_filter() {
    let dir = tempfile::tempdir().expect("a folder");
    let (desk, _) = open(dir.path());
    for n in 0..25 {
        let mut one = later(yellow(&format!("YT{n:02}"), &[]), Span::minutes(n));
        one.region = if n % 2 == 0 { "330482" } else { "110105" }.into();
        one.carrier = if n % 5 == 0 { "SF" } else { "YTO" }.into();
        one.category = if n < 20 { "12" } else { "05" }.into();
        apply(&desk, one);
    }
    apply(&desk, later(red("YT03", &[]), Span::hours(10)));

    let numbers = |query: AlertQuery| {
        let all = all_alerts(
            &desk,
            AlertQuery {
                limit: Some(4),
                ..query
            },
        );
        all.into_iter().map(|alert| alert.waybill_no).collect::<Vec<_>>()
    };
    let q = AlertQuery::default;
    let everything = numbers(q());
    assert_eq!(
        (everything.len(), everything[0].as_str(), everything[1].as_str()),
        (26, "YT03", "YT24")
    );
    assert!(everything[1..].is_sorted_by(|a, b| a > b));
    assert_eq!(
        numbers(AlertQuery {
            color: Some(Color::Red),
            ..q()
        }),
        ["YT03"]
    );
    assert_eq!(
        numbers(AlertQuery {
            category: Some("05".into()),
            ..q()
        })
        .len(),
        5
    );
    assert_eq!(
        numbers(AlertQuery {
            carrier: Some("SF".into()),
            ..q()
        })
        .len(),
        5
    );
    assert_eq!(
        numbers(AlertQuery {
            region_prefix: Some("3304".into()),
            ..q()
        })
        .len(),
        14
    );
    assert_eq!(
        numbers(AlertQuery {
            waybill_no: Some("YT03".into()),
            ..q()
        }),
        ["YT03", "YT03"]
    );
    assert_eq!(
        numbers(AlertQuery {
            superseded: Some(true),
            ..q()
        }),
        ["YT03"]
    );
    assert_eq!(
        numbers(AlertQuery {
            superseded: Some(false),
            ..q()
        })
        .len(),
        25
    );
    let (from, to) = (Some(EVENT + Span::minutes(5)), Some(EVENT + Span::minutes(8)));
    assert_eq!(numbers(AlertQuery { from, to, ..q() }), ["YT07", "YT06", "YT05"]);
    assert_eq!(
        numbers(AlertQuery {
            from,
            to,
            waybill_no: Some("YT06".into()),
            ..q()
        }),
        ["YT06"]
    );

    let cases = |query: CaseQuery| {
        all_cases(
            &desk,
            CaseQuery {
                limit: Some(4),
                ..query
            },
        )
        .len()
    };
    let q = CaseQuery::default;
    assert_eq!(cases(q()), 25);
    assert_eq!(
        cases(CaseQuery {
            state: Some(State::Handling),
            ..q()
        }),
        1
    );
    assert_eq!(
        cases(CaseQuery {
            color: Some(Color::Yellow),
            ..q()
        }),
        24
    );
    assert_eq!(
        cases(CaseQuery {
            category: Some("05".into()),
            ..q()
        }),
        5
    );
    assert_eq!(
        cases(CaseQuery {
            waybill_no: Some("YT03".into()),
            ..q()
        }),
        1
    );
    assert_eq!(cases(CaseQuery { open_only: true, ..q() }), 25);
    assert_eq!(
        cases(CaseQuery {
            from: Some(NOW + Span::SECOND),
            ..q()
        }),
        0
    );
    assert_eq!(cases(CaseQuery { to: Some(NOW), ..q() }), 0);
    assert_eq!(
        cases(CaseQuery {
            from: Some(NOW),
            to: Some(NOW + Span::SECOND),
            ..q()
        }),
        25
    );

    for cursor in ["?", "", "QQ", "YWFhYWFhYWFhYWFhYWFhYQ"] {
        let query = AlertQuery {
            after: Some(cursor.into()),
            ..AlertQuery::default()
        };
        assert!(matches!(desk.alerts(&query), Err(StoreError::Cursor(_))), "{cursor}");
    }
    let page = desk.cases(&CaseQuery { limit: Some(1), ..q() }).expect("a page");
    let query = AlertQuery {
        after: page.next,
        ..AlertQuery::default()
    };
    assert!(
        matches!(desk.alerts(&query), Err(StoreError::Cursor(_))),
        "a cursor of cases is none of alerts"
    );
}

#[test]
fn entries_can_be_taken_up_anywhere() {
    let dir = tempfile::tempdir().expect("a folder");
    let (desk, _) = open(dir.path());
    for n in 0..10 {
        apply(&desk, yellow(&format!("YT{n}"), &[]));
    }
    let seqs = |after, limit| -> Vec<u64> {
        desk.entries_after(after, limit)
            .expect("entries")
            .iter()
            .map(|entry| entry.seq)
            .collect()
    };
    assert_eq!(seqs(0, 3), [1, 2, 3]);
    assert_eq!(seqs(8, 100), [9, 10]);
    assert_eq!(seqs(10, 100), [0_u64; 0]);
    assert_eq!(seqs(u64::MAX, 100), [0_u64; 0]);
    let entries = desk.entries_after(0, 100).expect("entries");
    assert!(entries.windows(2).all(|pair| pair[1].prev == pair[0].hash));
    assert_eq!(entries.last().map(|entry| (entry.seq, entry.hash)), Some(desk.head()));
}

#[test]
fn nothing_that_was_masked_is_written_in_clear() {
    let dir = tempfile::tempdir().expect("a folder");
    let (desk, _) = open(dir.path());
    apply(&desk, red("YT1", &["a"]));
    desk.stop().expect("written");
    let journal = fs::read_to_string(dir.path().join("journal.jsonl")).expect("readable");
    assert!(journal.contains("138****8000"));
    let data: serde_json::Value = serde_json::from_str(journal.trim_end()).expect("a line");
    assert_eq!(data["data"]["alert"]["sender"]["name"], "王*");
}

#[test]
fn replaying_in_any_order_changes_nothing() {
    let dir = tempfile::tempdir().expect("a folder");
    let (desk, _) = open(dir.path());
    let findings = story();
    desk.apply_now(findings.clone()).expect("durable");
    let before = shown(&desk);
    let mut shuffled = findings;
    shuffled.reverse();
    shuffled.rotate_left(5);
    let outcomes = desk.apply_now(shuffled).expect("durable");
    assert!(outcomes.iter().all(|outcome| outcome.fate == Fate::Seen));
    assert_eq!(shown(&desk), before);
}

/// Waybills interleaved otherwise, each in its own order: the same alerts with the same content.
#[test]
fn the_order_of_waybills_does_not_show_in_alerts() {
    let alerts = |findings: Vec<Finding>| {
        let dir = tempfile::tempdir().expect("a folder");
        let (desk, _) = open(dir.path());
        desk.apply_now(findings).expect("durable");
        let mut alerts = all_alerts(&desk, AlertQuery::default());
        for alert in &mut alerts {
            alert.case_id = None;
        }
        alerts
    };
    let mut by_waybill = story();
    by_waybill.sort_by(|a, b| b.waybill_no.cmp(&a.waybill_no));
    assert_eq!(alerts(story()), alerts(by_waybill));
}

/// Some findings about a few waybills.
fn story() -> Vec<Finding> {
    (0..40_i64)
        .map(|n| {
            let color = if n % 7 == 6 { Color::Red } else { Color::Yellow };
            let rule = format!("r{}", n % 3);
            let subject = format!("s{}", n % 4);
            later(
                finding(&format!("YT{}", n % 9), color, &rule, "12", &[&subject]),
                Span::hours(n),
            )
        })
        .collect()
}

#[test]
fn a_store_that_is_gone_damaged_or_ahead_is_built_again() {
    let dir = tempfile::tempdir().expect("a folder");
    let (desk, report) = open(dir.path());
    assert_eq!(report.store, StoreStart::Current);
    desk.apply_now(story()).expect("durable");
    let before = shown(&desk);
    desk.stop().expect("written");
    let reopened = |what: &str| {
        let (desk, report) = open(dir.path());
        assert_eq!(shown(&desk), before, "{what}");
        desk.stop().expect("written");
        report
    };
    assert_eq!(reopened("left alone").store, StoreStart::Current);

    fs::remove_dir_all(dir.path().join("store")).expect("removed");
    assert!(matches!(
        reopened("gone").store,
        StoreStart::Rebuilt { moved_to: None, .. }
    ));

    let db = dir.path().join("store/db");
    let mut bytes = fs::read(&db).expect("readable");
    for at in (0..bytes.len()).step_by(97) {
        bytes[at] ^= 0x55;
    }
    fs::write(&db, &bytes).expect("written");
    let report = reopened("damaged");
    assert_ne!(report.store, StoreStart::Current);

    fs::remove_dir_all(dir.path().join("store")).expect("removed");
    fs::write(dir.path().join("store"), b"not a folder").expect("written");
    let not_a_folder = Desk::open(DeskConfig::new(dir.path()), clock()).expect_err("refused");
    assert!(not_a_folder.to_string().starts_with("store: "), "{not_a_folder}");
    fs::remove_file(dir.path().join("store")).expect("removed");
    reopened("gone again");

    // The journal of another folder, shorter: the store is ahead of it, and not its own.
    let other = tempfile::tempdir().expect("a folder");
    let (desk, _) = open(other.path());
    apply(&desk, yellow("YT1", &["a"]));
    desk.stop().expect("written");
    fs::remove_dir_all(other.path().join("store")).expect("removed");
    copy(&dir.path().join("store"), &other.path().join("store"));
    let (desk, report) = open(other.path());
    let StoreStart::Rebuilt {
        why,
        moved_to: Some(_),
        entries: 1,
    } = &report.store
    else {
        panic!("{report:?}")
    };
    assert!(why.contains("the journal ends with entry 1"), "{why}");
    assert_eq!(desk.counts().expect("counts").alerts, 1);
}

#[test]
fn rebuild_and_verify_say_what_they_found() {
    let dir = tempfile::tempdir().expect("a folder");
    for error in [
        rebuild(dir.path()).expect_err("empty").to_string(),
        verify(dir.path()).expect_err("empty").to_string(),
    ] {
        assert!(error.contains("no such file"), "{error}");
    }
    assert_eq!(
        fs::read_dir(dir.path()).expect("readable").count(),
        0,
        "nothing is made by looking"
    );
    let (desk, _) = open(dir.path());
    desk.apply_now(story()).expect("durable");
    assert!(
        rebuild(dir.path())
            .expect_err("refused")
            .to_string()
            .contains("in use by another process")
    );
    let before = shown(&desk);
    let counts = desk.counts().expect("counts");
    assert_eq!(
        verify(dir.path()).expect("readable").entries,
        before.head.0,
        "while it is in use"
    );
    desk.stop().expect("written");

    let report = rebuild(dir.path()).expect("rebuilt");
    assert_eq!(
        (report.entries, report.counts, report.torn),
        (before.head.0, counts, None)
    );
    assert_eq!(report.moved_to, Some(dir.path().join("store.replaced-1")));
    let verified = verify(dir.path()).expect("readable");
    assert_eq!(
        (verified.entries, verified.head, verified.broken),
        (before.head.0, before.head.1, None)
    );
    let (desk, report) = open(dir.path());
    assert_eq!((report.store, shown(&desk)), (StoreStart::Current, before));
}

/// A copy of the folder, file after file, while it is being written: what a backup or a power cut may leave.
#[test]
fn a_copy_taken_while_running_opens_and_catches_up() {
    let dir = tempfile::tempdir().expect("a folder");
    let (desk, _) = open(dir.path());
    for round in 0..5_i64 {
        let findings: Vec<Finding> = (0..60)
            .map(|n| yellow(&format!("YT{round}-{n}"), &[&format!("s{}", n % 11)]))
            .collect();
        let mut last = None;
        for one in findings {
            last = Some(desk.submit(vec![one]).expect("taken"));
        }
        let copied = tempfile::tempdir().expect("a folder");
        fs::copy(dir.path().join("journal.jsonl"), copied.path().join("journal.jsonl")).expect("copied");
        copy(&dir.path().join("store"), &copied.path().join("store"));
        desk.wait(last.expect("some"), Duration::from_mins(1)).expect("durable");

        let (copy_desk, report) = open(copied.path());
        assert_eq!(copy_desk.counts().expect("counts").alerts, report.journal.entries);
        for n in 0..=round {
            let all = (0..60)
                .map(|k| yellow(&format!("YT{n}-{k}"), &[&format!("s{}", k % 11)]))
                .collect();
            copy_desk.apply_now(all).expect("durable");
        }
        assert_eq!(shown(&copy_desk), shown(&desk));
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("made");
    for file in fs::read_dir(from).expect("readable") {
        let file = file.expect("readable");
        // sled may remove a file while it is listed.
        if file.file_type().is_ok_and(|kind| kind.is_dir()) {
            copy(&file.path(), &to.join(file.file_name()));
        } else {
            let _gone = fs::copy(file.path(), to.join(file.file_name()));
        }
    }
}

/// Worked out apart, from the documentation: a change of these would make every open alert and case double.
#[test]
fn ids_are_what_they_always_were() {
    let dir = tempfile::tempdir().expect("a folder");
    let (desk, _) = open(dir.path());
    let outcome = apply(&desk, yellow("YT8812345678901", &["a"]));
    assert_eq!(outcome.alert_id.to_string(), "7a292c1c-0954-578b-b55a-ff94597222f2");
    assert_eq!(outcome.case_id.as_deref(), Some("330482-20261111-DS8Y5Y"));
}

/// What happens between two groups.
#[derive(Clone, Copy, Debug)]
enum Crash {
    None,
    /// The last so many bytes of the journal did not reach the disk.
    Tail(usize),
    /// Something that is no entry is at the end.
    Garbage(u8),
    /// The store is gone.
    NoStore,
    /// The store is gone, and the tail of the journal.
    NoStoreAndTail(usize),
    /// A byte in so many of the store's database is another one.
    Damage(usize),
}

fn crash(dir: &Path, crash: Crash) {
    let journal = dir.join("journal.jsonl");
    let cut = |bytes: usize| {
        let file = fs::OpenOptions::new().write(true).open(&journal).expect("opens");
        let length = file.metadata().expect("there").len();
        file.set_len(length.saturating_sub(bytes as u64)).expect("cut");
    };
    match crash {
        Crash::None => {}
        Crash::Tail(bytes) => cut(bytes),
        Crash::Garbage(byte) => {
            let bytes = [&fs::read(&journal).expect("readable")[..], &[byte; 99]].concat();
            fs::write(&journal, bytes).expect("written");
        }
        Crash::NoStore => fs::remove_dir_all(dir.join("store")).expect("removed"),
        Crash::NoStoreAndTail(bytes) => {
            cut(bytes);
            fs::remove_dir_all(dir.join("store")).expect("removed");
        }
        Crash::Damage(step) => {
            let db = dir.join("store/db");
            let mut bytes = fs::read(&db).expect("readable");
            for at in (0..bytes.len()).step_by(step) {
                bytes[at] = !bytes[at];
            }
            fs::write(&db, bytes).expect("written");
        }
    }
}

fn a_finding() -> impl Strategy<Value = Finding> {
    let parts = (
        0..6_u8,
        any::<bool>(),
        0..3_u8,
        0..2_u8,
        prop::collection::vec(0..5_u8, 0..3),
        0..70_i64,
    );
    parts.prop_map(|(waybill, is_red, rule, category, subjects, day)| {
        let color = if is_red { Color::Red } else { Color::Yellow };
        let subjects: Vec<String> = subjects.iter().map(|subject| format!("s{subject}")).collect();
        let subjects: Vec<&str> = subjects.iter().map(String::as_str).collect();
        let category = ["12", "05"][category as usize];
        later(
            finding(&format!("YT{waybill}"), color, &format!("r{rule}"), category, &subjects),
            Span::days(day),
        )
    })
}

fn a_crash() -> impl Strategy<Value = Crash> {
    prop_oneof![
        3 => Just(Crash::None),
        2 => (1..6000_usize).prop_map(Crash::Tail),
        1 => any::<u8>().prop_map(Crash::Garbage),
        1 => Just(Crash::NoStore),
        1 => (1..6000_usize).prop_map(Crash::NoStoreAndTail),
        1 => (1..5000_usize).prop_map(Crash::Damage),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Groups with crashes between them, after each of which the stream is replayed from its start, come to exactly
    /// what an uninterrupted run of single findings comes to: the same alerts, cases, and chain.
    #[test]
    fn whatever_crashes_the_outcome_is_the_same(
        groups in prop::collection::vec((prop::collection::vec(a_finding(), 1..6), a_crash()), 1..7),
    ) {
        let whole = tempfile::tempdir().expect("a folder");
        let (desk, _) = open(whole.path());
        for finding in groups.iter().flat_map(|(findings, _)| findings) {
            apply(&desk, finding.clone());
        }
        let expected = shown(&desk);

        let dir = tempfile::tempdir().expect("a folder");
        let mut stream: Vec<Finding> = Vec::new();
        for (findings, what) in &groups {
            let (desk, _) = open(dir.path());
            desk.apply_now(stream.clone()).expect("durable");
            stream.extend_from_slice(findings);
            desk.apply_now(findings.clone()).expect("durable");
            desk.stop().expect("written");
            crash(dir.path(), *what);
        }
        let (desk, _) = open(dir.path());
        desk.apply_now(stream).expect("durable");
        prop_assert_eq!(shown(&desk), expected);
        desk.stop().expect("written");
        let verified = verify(dir.path()).expect("readable");
        prop_assert_eq!(verified.broken, None);
    }
}
