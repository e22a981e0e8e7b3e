//! What rules mean: one-line rows, each replayed over every way in which the engine can come to the answer — the
//! compiled screen with the rule alone, the same among hundreds of others, the same with its terms in the automaton,
//! and the plain evaluation of its condition — and random rules on random records, compiled against plain.

use jingyou::ruleset::{Folder, RuleSet, Subject};
use jingyou::screen::{Expr, Scratch, Thresholds};
use jingyou::waybill::{Decoder, Schema, Waybill};
use proptest::prelude::*;
use std::fmt::Write as _;

/// A rule file of one detection.
fn rule(title: &str, detection: &str) -> String {
    format!(
        "title: {title}\nid: {title}\nlevel: high\nlogsource: {{product: postal, category: waybill}}\ndetection:\n{detection}\n"
    )
}

/// Other rules over the same fields, so that atoms are shared and tables are full.
fn crowd() -> String {
    let mut yaml = String::new();
    for number in 0..200 {
        let detection = format!(
            "  a:\n    item.name|contains: ['词{number}', '枪{number}', 'abc{number}']\n  b:\n    item.weight_g|gt: {number}\n    carrier: C{number}\n  condition: a or b"
        );
        let _ = write!(yaml, "---\n{}", rule(&format!("crowd-{number}"), &detection));
    }
    yaml
}

fn compile(yaml: &str) -> RuleSet {
    RuleSet::compile(
        &Folder::of_text("rules.yml", yaml),
        Subject::Waybills,
        Thresholds::default(),
    )
    .unwrap_or_else(|problems| panic!("{problems}\n{yaml}"))
}

fn hits(set: &RuleSet, json: &[u8], id: &str) -> bool {
    let decoder = Decoder::new(set.screen().schema().clone());
    let mut record = decoder.record();
    let waybill = decoder
        .decode(json, &mut record)
        .unwrap_or_else(|refusal| panic!("{refusal}"));
    let verdict = set.screen().run(&waybill, &mut Scratch::new(set.screen()));
    verdict.is_some_and(|verdict| verdict.hits.iter().any(|hit| hit.rule_id == id))
}

fn plainly(expr: &Expr, waybill: &Waybill<'_>, schema: &Schema) -> bool {
    match expr {
        Expr::And(parts) => parts.iter().all(|part| plainly(part, waybill, schema)),
        Expr::Or(parts) => parts.iter().any(|part| plainly(part, waybill, schema)),
        Expr::Not(part) => !plainly(part, waybill, schema),
        Expr::Is(predicate) => predicate.find(waybill, schema).is_some(),
    }
}

fn plain_hits(set: &RuleSet, json: &[u8], id: &str) -> bool {
    let schema = set.screen().schema();
    let decoder = Decoder::new(schema.clone());
    let mut record = decoder.record();
    let waybill = decoder
        .decode(json, &mut record)
        .unwrap_or_else(|refusal| panic!("{refusal}"));
    plainly(&set.rule(id).expect("the rule").spec.condition, &waybill, schema)
}

/// A waybill with the given JSON members beside the required ones.
fn waybill(members: &str) -> Vec<u8> {
    let comma = if members.is_empty() { "" } else { "," };
    format!(
        r#"{{"waybill_no":"YT88123456","carrier":"YTO","event":"arrive","occurred_at":"2022-11-11T08:23:11+08:00"{comma}{members}}}"#
    )
    .into_bytes()
}

/// Detection (selections of one line each, then the condition), members of the waybill, whether it matches.
const ROWS: &[(&str, &str, bool)] = &[
    // Equality: case does not matter, wildcards do.
    ("s: {carrier: yto}; s", "", true),
    ("s: {carrier: YT}; s", "", false),
    ("s: {carrier: 'Y*'}; s", "", true),
    ("s: {carrier: '?TO'}; s", "", true),
    ("s: {carrier: '??'}; s", "", false),
    ("s: {carrier|cased: yto}; s", "", false),
    ("s: {carrier|cased: YTO}; s", "", true),
    ("s: {item.name: ''}; s", r#""item":{"name":""}"#, true),
    ("s: {item.name: ''}; s", "", false),
    ("s: {item.name: null}; s", "", true),
    ("s: {item.name: null}; s", r#""item":{"name":null}"#, true),
    ("s: {item.name: null}; s", r#""item":{"name":"x"}"#, false),
    ("s: {item.name: '*'}; s", r#""item":{"name":"x"}"#, true),
    ("s: {item.name: '*'}; s", "", false),
    ("s: {item.name: ['衣服', 鞋]}; s", r#""item":{"name":"鞋"}"#, true),
    // Escapes.
    (r"s: {item.name: 'a\*b'}; s", r#""item":{"name":"a*b"}"#, true),
    (r"s: {item.name: 'a\*b'}; s", r#""item":{"name":"axb"}"#, false),
    (r"s: {item.name|contains: '\\'}; s", r#""item":{"name":"a\\b"}"#, true),
    (r"s: {item.name|contains: 'a\b'}; s", r#""item":{"name":"a\\b"}"#, true),
    // Parts.
    ("s: {item.name|contains: 毒}; s", r#""item":{"name":"冰毒一袋"}"#, true),
    ("s: {item.name|contains: 冰毒}; s", r#""item":{"name":"冰 毒"}"#, false),
    (
        "s: {item.name|contains: '冰*袋'}; s",
        r#""item":{"name":"大冰毒一袋x"}"#,
        true,
    ),
    ("s: {item.name|contains: abC}; s", r#""item":{"name":"xxABcxx"}"#, true),
    (
        "s: {item.name|contains|cased: abC}; s",
        r#""item":{"name":"xxABcxx"}"#,
        false,
    ),
    ("s: {item.name|startswith: 冰}; s", r#""item":{"name":"冰毒"}"#, true),
    ("s: {item.name|startswith: 毒}; s", r#""item":{"name":"冰毒"}"#, false),
    (
        "s: {item.name|endswith: [枪, 毒]}; s",
        r#""item":{"name":"冰毒"}"#,
        true,
    ),
    ("s: {item.name|endswith|cased: B}; s", r#""item":{"name":"ab"}"#, false),
    (
        "s: {item.name|contains|all: [冰, 袋]}; s",
        r#""item":{"name":"冰毒一袋"}"#,
        true,
    ),
    (
        "s: {item.name|contains|all: [冰, 桶]}; s",
        r#""item":{"name":"冰毒一袋"}"#,
        false,
    ),
    ("s: {item.name|contains: 'Ж'}; s", r#""item":{"name":"ж"}"#, true),
    // Escaped JSON is compared as what it says.
    (
        r"s: {item.name|contains: 冰毒}; s",
        r#""item":{"name":"\u51b0\u6bd2"}"#,
        true,
    ),
    (r#"s: {item.name|contains: '"'}; s"#, r#""item":{"name":"a\"b"}"#, true),
    // Numbers.
    ("s: {item.weight_g|gt: 100}; s", r#""item":{"weight_g":100}"#, false),
    ("s: {item.weight_g|gte: 100}; s", r#""item":{"weight_g":100}"#, true),
    ("s: {item.weight_g|lt: 0.5}; s", r#""item":{"weight_g":0.25}"#, true),
    ("s: {item.weight_g|lte: 100}; s", r#""item":{"weight_g":100.5}"#, false),
    ("s: {item.weight_g|lt: 100}; s", "", false),
    ("s: {item.weight_g: 850}; s", r#""item":{"weight_g":850.0}"#, true),
    ("s: {item.weight_g: '850'}; s", r#""item":{"weight_g":850}"#, true),
    ("s: {sender.region: 533102}; s", r#""sender":{"region":"533102"}"#, true),
    (
        "s: {sender.region|startswith: 53}; s",
        r#""sender":{"region":"533102"}"#,
        true,
    ),
    ("s: {item.quantity: [1, 2]}; s", r#""item":{"quantity":2}"#, true),
    // Booleans.
    (
        "s: {real_name.verified: false}; s",
        r#""real_name":{"verified":false}"#,
        true,
    ),
    (
        "s: {real_name.verified: false}; s",
        r#""real_name":{"verified":true}"#,
        false,
    ),
    ("s: {real_name.verified: false}; s", "", false),
    (
        "s: {real_name.verified: 'true'}; s",
        r#""real_name":{"verified":true}"#,
        true,
    ),
    // Existence.
    ("s: {item.remark|exists: true}; s", r#""item":{"remark":""}"#, true),
    ("s: {item.remark|exists: false}; s", "", true),
    ("s: {item.remark|exists: false}; s", r#""item":{"remark":"x"}"#, false),
    ("s: {extra|exists: true}; s", r#""extra":{"a":1}"#, true),
    // Not equal.
    ("s: {carrier|neq: YTO}; s", "", false),
    ("s: {carrier|neq: [SF, ZTO]}; s", "", true),
    ("s: {item.name|contains|neq: 毒}; s", r#""item":{"name":"衣服"}"#, true),
    // Regular expressions.
    ("s: {item.name|re: '冰.?毒'}; s", r#""item":{"name":"大冰x毒"}"#, true),
    ("s: {item.name|re: '^冰毒$'}; s", r#""item":{"name":"冰毒x"}"#, false),
    ("s: {item.name|re: '(?i)lsd|k粉'}; s", r#""item":{"name":"LsD"}"#, true),
    ("s: {item.name|re: '[0-9]{3}g'}; s", r#""item":{"name":"500g"}"#, true),
    (
        "s: {item.name|re: '(高纯)?(苯|汞)($|样品)'}; s",
        r#""item":{"name":"汞样品"}"#,
        true,
    ),
    ("s: {item.name|re: LSD}; s", r#""item":{"name":"lsd"}"#, false),
    // Fields against fields.
    (
        "s: {sender.region|fieldref: receiver.region}; s",
        r#""sender":{"region":"33"},"receiver":{"region":"33"}"#,
        true,
    ),
    (
        "s: {sender.region|fieldref: receiver.region}; s",
        r#""sender":{"region":"33"},"receiver":{"region":"34"}"#,
        false,
    ),
    (
        "s: {sender.region|fieldref: receiver.region}; s",
        r#""sender":{"region":"33"}"#,
        false,
    ),
    (
        "s: {sender.region|fieldref|startswith: extra.p}; s",
        r#""sender":{"region":"3304"},"extra":{"p":"33"}"#,
        true,
    ),
    // Lists of values in the record: any element.
    (
        "s: {xray.labels: knife}; s",
        r#""xray":{"labels":["battery","knife"]}"#,
        true,
    ),
    ("s: {xray.labels: knife}; s", r#""xray":{"labels":[]}"#, false),
    (
        "s: {xray.labels|contains: nif}; s",
        r#""xray":{"labels":["battery","knife"]}"#,
        true,
    ),
    (
        "s: {extra.parts.name: b}; s",
        r#""extra":{"parts":[{"name":"a"},{"name":"b"}]}"#,
        true,
    ),
    // Maps are and, lists are or.
    ("s: {carrier: YTO, event: accept}; s", "", false),
    ("s: [{carrier: SF}, {event: arrive}]; s", "", true),
    ("s: [冰毒, 枪]; s", r#""item":{"remark":"内有枪"}"#, true),
    ("s: [冰毒, 枪]; s", r#""extra":{"note":["内有枪"]}"#, true),
    ("s: [冰毒, 枪]; s", r#""item":{"remark":"衣服"}"#, false),
    (
        "s: {'|all': [冰毒, 枪]}; s",
        r#""item":{"name":"冰毒","remark":"枪"}"#,
        true,
    ),
    ("s: {'|all': [冰毒, 枪]}; s", r#""item":{"name":"冰毒"}"#, false),
    // Conditions.
    ("a: {carrier: YTO}; b: {event: accept}; a and not b", "", true),
    ("a: {carrier: SF}; b: {event: accept}; not a and not b", "", true),
    ("x1: {carrier: SF}; x2: {event: arrive}; 1 of x*", "", true),
    ("x1: {carrier: SF}; x2: {event: arrive}; all of them", "", false),
    ("x1: {carrier: YTO}; x2: {event: arrive}; all of x*", "", true),
    (
        "a: {carrier: SF}; b: {event: arrive}; c: {item.weight_g|gt: 5}; a or b and c",
        r#""item":{"weight_g":6}"#,
        true,
    ),
    (
        "a: {item.name|contains: 毒}; b: {item.name|contains: 杀虫}; a and not b",
        r#""item":{"name":"毒杀虫剂"}"#,
        false,
    ),
    // Any other field.
    ("s: {extra.hazmat: yes-1}; s", r#""extra":{"hazmat":"YES-1"}"#, true),
    ("s: {hazmat.class|gte: 3}; s", r#""hazmat":{"class":3}"#, true),
];

fn detection(row: &str) -> String {
    let mut parts: Vec<&str> = row.split("; ").collect();
    let condition = parts.pop().expect("a condition");
    parts.iter().map(|part| format!("  {part}\n")).collect::<String>() + &format!("  condition: {condition}")
}

#[test]
fn rows_mean_the_same_in_every_configuration() {
    let crowd = crowd();
    for (row, members, expected) in ROWS {
        let detection = detection(row);
        let json = waybill(members);
        let alone = compile(&rule("row", &detection));
        assert_eq!(hits(&alone, &json, "row"), *expected, "alone: {row} on {members}");
        assert_eq!(
            plain_hits(&alone, &json, "row"),
            *expected,
            "plainly: {row} on {members}"
        );
        let crowded = compile(&format!("{}{crowd}", rule("row", &detection)));
        assert_eq!(
            hits(&crowded, &json, "row"),
            *expected,
            "in a crowd: {row} on {members}"
        );
    }
}

#[test]
fn every_row_means_the_same_when_all_are_one_rule_set() {
    let all: String = ROWS
        .iter()
        .enumerate()
        .map(|(at, (row, ..))| format!("---\n{}", rule(&format!("row-{at}"), &detection(row))))
        .collect();
    let set = compile(&all);
    for (at, (row, members, expected)) in ROWS.iter().enumerate() {
        assert_eq!(
            hits(&set, &waybill(members), &format!("row-{at}")),
            *expected,
            "{row} on {members}"
        );
    }
}

#[test]
fn evidence_is_in_the_original_text() {
    let set = compile(&rule(
        "evidence",
        "  s:\n    item.name|contains: ['冰毒', '毒品x']\n    item.weight_g|gt: 5\n  condition: s",
    ));
    let decoder = Decoder::new(set.screen().schema().clone());
    let mut record = decoder.record();
    let json = waybill(r#""item":{"name":"ＡＢ大冰毒品X","weight_g":6}"#);
    let waybill = decoder.decode(&json, &mut record).unwrap();
    let verdict = set.screen().run(&waybill, &mut Scratch::new(set.screen())).unwrap();
    let hit = &verdict.hits[0];
    assert_eq!(
        (hit.field.as_str(), hit.term.as_str(), hit.text.as_str()),
        ("item.name", "冰毒", "冰毒")
    );
    assert_eq!(hit.span, Some([3, 5]));
    assert_eq!(hit.also.len(), 1);
    assert_eq!((hit.also[0].term.as_str(), hit.also[0].text.as_str()), ("> 5", "6"));
}

#[test]
fn evidence_never_shows_personal_data() {
    let set = compile(&rule(
        "person",
        "  s:\n    sender.phone|startswith: '138'\n    sender.name: 王伟\n    sender.id_no|re: '1949'\n  condition: s",
    ));
    let decoder = Decoder::new(set.screen().schema().clone());
    let mut record = decoder.record();
    let json = waybill(r#""sender":{"name":"王伟","phone":"13800138000","id_no":"11010519491231002X"}"#);
    let waybill = decoder.decode(&json, &mut record).unwrap();
    let verdict = set.screen().run(&waybill, &mut Scratch::new(set.screen())).unwrap();
    for also in &verdict.hits[0].also {
        assert_ne!(also.text, "王伟");
        assert!(also.text.contains('*') || also.text.is_empty(), "{also:?}");
    }
    assert!(verdict.hits[0].text.contains('*'), "{:?}", verdict.hits[0]);
}

#[test]
fn scores_add_up_and_a_rules_own_colour_holds() {
    use jingyou::alert::Color;
    let yaml = |level: &str, more: &str| {
        format!(
            "title: {level}\nid: '{level} {more:?}'\nlevel: {level}\n{more}\ndetection:\n  s: {{carrier: YTO}}\n  condition: s\n---\n"
        )
    };
    let color = |files: &[String]| {
        let set = compile(&files.concat());
        let decoder = Decoder::new(set.screen().schema().clone());
        let mut record = decoder.record();
        let json = waybill("");
        let waybill = decoder.decode(&json, &mut record).unwrap();
        set.screen()
            .run(&waybill, &mut Scratch::new(set.screen()))
            .map(|verdict| (verdict.color, verdict.score))
            .unwrap()
    };
    assert_eq!(color(&[yaml("medium", "")]), (None, 30));
    assert_eq!(color(&[yaml("high", "")]), (Some(Color::Yellow), 60));
    assert_eq!(color(&[yaml("critical", "")]), (Some(Color::Red), 100));
    assert_eq!(
        color(&[yaml("medium", ""), yaml("medium", "score: 31")]),
        (Some(Color::Yellow), 61)
    );
    assert_eq!(
        color(&[yaml("high", "alert: none"), yaml("high", "score: 40")]),
        (Some(Color::Red), 100)
    );
    assert_eq!(color(&[yaml("low", "alert: red")]), (Some(Color::Red), 10));
    assert_eq!(color(&[yaml("critical", "mode: shadow")]), (None, 0));
    assert_eq!(color(&[yaml("high", "alert: none\nscore: 0")]), (None, 0));
}

#[test]
fn validity_is_of_the_event() {
    let matches = |valid: &str, members: &str| {
        let yaml = format!(
            "valid: {valid}\n{}",
            rule("valid", "  s: {carrier: YTO}\n  condition: s")
        );
        hits(&compile(&yaml), &waybill(members), "valid")
    };
    assert!(matches("{from: 2022-11-11, until: 2022-11-11}", ""));
    assert!(!matches("{from: 2022-11-12}", ""));
    assert!(!matches("{until: 2022-11-10}", ""));
    assert!(matches("{regions: ['3304']}", r#""site":{"region":"330482"}"#));
    assert!(!matches(
        "{regions: ['3304']}",
        r#""site":{"region":"310000"},"receiver":{"region":"330482"}"#
    ));
    assert!(matches("{regions: ['3304']}", r#""receiver":{"region":"330482"}"#));
    assert!(!matches("{regions: ['3304']}", ""));
}

#[test]
fn faults_say_file_line_column_key_and_what_would_be_right() {
    for (yaml, expected) in [
        (
            "title: x\nlevel: hihg\ndetection: {s: {carrier: A}, condition: s}",
            "rules.yml:2:8: level: `hihg` is not accepted: informational, low",
        ),
        (
            "title: x\ndetection:\n  s:\n    carrier|contians: A\n  condition: s",
            "rules.yml:4:5: detection.s.carrier|contians: unknown modifier `contians`: did you mean `contains`?",
        ),
        (
            "title: x\ndetection:\n  s:\n    item.name|fuzzy: A\n  condition: s",
            "rules.yml:4:5: detection.s.item.name|fuzzy: the modifier `fuzzy` is not supported by this version",
        ),
        (
            "title: x\ndetection:\n  s:\n    carrier: A\n  condition: s and t",
            "rules.yml:5:20: detection.condition: there is no selection `t`: there are `s`",
        ),
        (
            "title: x\ndetection:\n  s:\n    item.name|re: '(?=a)'\n  condition: s",
            "rules.yml:4:19: detection.s.item.name|re: not a regular expression of this engine (linear time",
        ),
        (
            "title: x\ndetection:\n  s:\n    item.name|re: 'a{1000}{1000}'\n  condition: s",
            "rules.yml:4:19: detection.s.item.name|re: the regular expression is larger",
        ),
        (
            "title: x\ndetection:\n  s:\n    item.name|contains|expand: '%drugs%'\n  condition: s",
            "rules.yml:4:32: detection.s.item.name|contains|expand: there is no list lists/drugs.txt",
        ),
        (
            "title: x\ndetection:\n  s:\n    item.weight_g|gt: heavy\n  condition: s",
            "rules.yml:4:23: detection.s.item.weight_g|gt: takes a number, not a string",
        ),
        (
            "title: x\nscore: -1\ndetection: {s: {carrier: A}, condition: s}",
            "rules.yml:2:8: score: must be a whole number from 0 to 1000",
        ),
        (
            "title: x\ncatgory: '12'\ndetection: {s: {carrier: A}, condition: s}",
            "rules.yml:2:1: catgory: unknown key: did you mean `category`?",
        ),
        (
            "title: x",
            "rules.yml:1:1: detection: required: selections and a condition",
        ),
        ("- a", "rules.yml:1:1: a rule must be a map, not a list"),
        (
            "title: x\ncorrelation: {}",
            "rules.yml:2:1: correlation: this version reads detection documents only",
        ),
    ] {
        let error = RuleSet::compile(
            &Folder::of_text("rules.yml", yaml),
            Subject::Waybills,
            Thresholds::default(),
        )
        .expect_err(yaml)
        .to_string();
        assert!(
            error.lines().any(|line| line.starts_with(expected)),
            "{yaml}\n{error}\nexpected {expected}"
        );
    }
}

#[test]
fn a_folder_loads_whole_or_not_at_all() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("lists")).unwrap();
    std::fs::write(
        dir.path().join("a.yml"),
        rule("a", "  s: {item.name|contains|expand: '%t%'}\n  condition: s"),
    )
    .unwrap();
    std::fs::write(dir.path().join("lists/t.txt"), "冰毒\n!冰毒检测\n").unwrap();
    let load = || RuleSet::load(dir.path(), Thresholds::default());
    let set = load().unwrap();
    assert!(hits(&set, &waybill(r#""item":{"name":"冰毒"}"#), "a"));
    assert!(!hits(&set, &waybill(r#""item":{"name":"冰毒检测试纸"}"#), "a"));
    assert!(hits(&set, &waybill(r#""item":{"name":"冰毒检测试纸和冰毒"}"#), "a"));
    let digest = set.digest().to_owned();
    std::fs::write(dir.path().join("lists/t.txt"), "海洛因\n").unwrap();
    assert_ne!(load().unwrap().digest(), digest);
    std::fs::write(dir.path().join("b.yml"), rule("a", "  s: {carrier: A}\n  condition: s")).unwrap();
    let problems = load().unwrap_err().to_string();
    assert!(
        problems.starts_with("b.yml:1:1: id: `a` is the id of `a` (a.yml:1:1) too"),
        "{problems}"
    );
    std::fs::write(dir.path().join("b.yml"), b"title: \xff").unwrap();
    assert!(load().unwrap_err().to_string().contains("b.yml: not UTF-8 in line 1"));
    std::fs::remove_file(dir.path().join("b.yml")).unwrap();
    std::fs::write(
        dir.path().join("lists/w.csv"),
        "value,type,authority,legal_basis,expires\n13800138000,phone,测试机关,测试依据,2022-11-11\n13900139000,phone,测试机关,测试依据,2022-11-10\n",
    )
    .unwrap();
    std::fs::write(
        dir.path().join("c.yml"),
        rule("c", "  s: {sender.phone|watch: w}\n  condition: s"),
    )
    .unwrap();
    let set = load().unwrap();
    assert!(hits(&set, &waybill(r#""sender":{"phone":"+86 138 0013 8000"}"#), "c"));
    assert!(
        !hits(&set, &waybill(r#""sender":{"phone":"13900139000"}"#), "c"),
        "an expired entry never matches"
    );
}

/// Random detections over a few fields and a small alphabet, so that matches are frequent.
fn selection() -> impl Strategy<Value = String> {
    let field = prop::sample::select(vec!["item.name", "item.remark", "carrier", "extra.note", "xray.labels"]);
    let word = "[ab冰毒枪?*]{1,3}";
    let text = (
        field,
        prop::sample::select(vec![
            "",
            "|contains",
            "|startswith",
            "|endswith",
            "|contains|all",
            "|cased",
            "|neq",
        ]),
        prop::collection::vec(word, 2..12),
    )
        .prop_map(|(field, modifier, words)| format!("{{{field}{modifier}: ['{}']}}", words.join("', '")));
    let number = (prop::sample::select(vec!["gt", "gte", "lt", "lte"]), 0..6_i32)
        .prop_map(|(is, than)| format!("{{item.weight_g|{is}: {than}}}"));
    let other = prop::sample::select(vec![
        "{item.weight_g: [1, 3]}",
        "{real_name.verified: false}",
        "{item.remark|exists: true}",
        "{item.name: null}",
        "{item.name|fieldref: item.remark}",
        "{item.name|re: '冰.毒|b+枪'}",
        "[冰毒, 枪b]",
    ]);
    prop_oneof![5 => text, 2 => number, 2 => other.prop_map(str::to_owned)]
}

fn condition() -> impl Strategy<Value = String> {
    let name = prop::sample::select(vec!["s0", "s1", "s2"]).prop_map(str::to_owned);
    name.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a} and {b})")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a} or {b})")),
            inner.prop_map(|a| format!("not {a}")),
        ]
    })
}

fn members() -> impl Strategy<Value = String> {
    let word = "[abAB冰毒枪]{0,6}";
    (word, prop::option::of(word), word, 0..6_i32, any::<bool>(), prop::collection::vec(word, 0..3)).prop_map(
        |(name, remark, note, weight, verified, labels)| {
            let remark = remark.map_or_else(|| "null".to_owned(), |remark| format!("\"{remark}\""));
            let labels: Vec<String> = labels.iter().map(|label| format!("\"{label}\"")).collect();
            format!(
                r#""item":{{"name":"{name}","remark":{remark},"weight_g":{weight}}},"extra":{{"note":"{note}"}},"real_name":{{"verified":{verified}}},"xray":{{"labels":[{}]}}"#,
                labels.join(",")
            )
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    #[test]
    fn compiled_rules_say_what_their_conditions_say(
        rules in prop::collection::vec((prop::array::uniform3(selection()), condition()), 1..12),
        records in prop::collection::vec(members(), 1..12),
    ) {
        let yaml: String = rules.iter().enumerate().map(|(at, (selections, condition))| {
            let [a, b, c] = selections;
            format!("---\n{}", rule(&format!("r{at}"), &format!("  s0: {a}\n  s1: {b}\n  s2: {c}\n  condition: {condition}")))
        }).collect();
        let set = compile(&yaml);
        for members in &records {
            let json = waybill(members);
            for at in 0..rules.len() {
                let id = format!("r{at}");
                prop_assert_eq!(hits(&set, &json, &id), plain_hits(&set, &json, &id), "{} of\n{}\non {}", id, yaml, members);
            }
        }
    }
}
