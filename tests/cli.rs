//! The commands as a person or a script uses them: files in, lines out, exit codes.

use jingyou::generate::Label;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

fn jingyou(args: &[&str]) -> Output {
    command(args).output().expect("the command starts")
}

fn command(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_jingyou"));
    command.args(args).current_dir(env!("CARGO_MANIFEST_DIR"));
    command
}

fn with_input(args: &[&str], input: &[u8]) -> Output {
    let mut child = command(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the command starts");
    let mut stdin = child.stdin.take().expect("a pipe");
    let input = input.to_owned();
    let writer = std::thread::spawn(move || stdin.write_all(&input));
    let output = child.wait_with_output().expect("the command ends");
    writer.join().expect("the writer").ok();
    output
}

fn lines(output: &[u8]) -> Vec<Value> {
    output
        .split(|&byte| byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_slice(line).expect("JSON"))
        .collect()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

const WAYBILL: &str = r#"{"waybill_no":"YT88123456","carrier":"YTO","event":"arrive","occurred_at":"2022-11-11T08:23:11+08:00","item":{"name":"冰毒"}}"#;

#[test]
fn every_planted_finding_is_found_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let (waybills, labels) = (dir.path().join("waybills.ndjson"), dir.path().join("labels.ndjson"));
    let (waybills, labels) = (waybills.to_str().unwrap(), labels.to_str().unwrap());
    let generated = jingyou(&[
        "generate",
        "--count",
        "100000",
        "--seed",
        "20",
        "--findings-per-million",
        "5000",
        "--labels",
        labels,
        "-o",
        waybills,
    ]);
    assert!(generated.status.success(), "{}", text(&generated.stderr));
    let screened = jingyou(&["screen", waybills]);
    assert!(screened.status.success(), "{}", text(&screened.stderr));

    let labels = std::fs::read_to_string(labels).unwrap();
    let expected: BTreeMap<String, Label> = labels
        .lines()
        .map(|line| serde_json::from_str::<Label>(line).expect("a label"))
        .map(|label| (label.waybill_no.clone(), label))
        .collect();
    assert!(expected.len() > 400);
    let alerts = lines(&screened.stdout);
    let ids: BTreeSet<&str> = alerts.iter().map(|alert| alert["alert_id"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), alerts.len(), "each alert once");
    let found: BTreeMap<&str, &Value> = alerts
        .iter()
        .map(|alert| (alert["waybill_no"].as_str().unwrap(), alert))
        .collect();
    for (waybill_no, label) in &expected {
        let alert = found
            .get(waybill_no.as_str())
            .unwrap_or_else(|| panic!("{} {} was missed", label.category, label.goods));
        let color = serde_json::to_value(label.colour).unwrap();
        assert!(
            alert["color"] == "red" || alert["color"] == color,
            "{}: {alert}",
            label.goods
        );
        assert!(alert["hits"].as_array().is_some_and(|hits| !hits.is_empty()));
    }
    for (waybill_no, alert) in &found {
        assert!(expected.contains_key(*waybill_no), "a false alarm: {alert}");
    }
    assert!(text(&screened.stderr).contains("100,000"), "{}", text(&screened.stderr));
}

#[test]
fn what_is_refused_is_kept_with_its_reason_and_the_rest_is_screened() {
    let dir = tempfile::tempdir().unwrap();
    let rejects = dir.path().join("rejects.ndjson");
    let mut input = Vec::new();
    let huge = format!("{{\"waybill_no\":\"{}\"}}", "x".repeat(10 << 20));
    let deep = "[".repeat(100_000);
    for line in [
        WAYBILL.as_bytes(),
        b"not json",
        b"\xff\xfe{}",
        b"null",
        br#"{"waybill_no":null}"#,
        br#"{"waybill_no":"YT88123457","carrier":"YTO","event":"arrive","occurred_at":"2022-11-11T08:23:11+08:00","item":{"name":5}}"#,
        br#"{"waybill_no":"YT88123457","carrier":"YTO","event":"stolen","occurred_at":"2022-11-11T08:23:11+08:00"}"#,
        br#"{"waybill_no":"YT88123457","carrier":"YTO","event":"arrive","occurred_at":"2022-11-11T08:23:11+08:00","item":{"name":"a"},"item":{"name":"b"}}"#,
        huge.as_bytes(),
        deep.as_bytes(),
        WAYBILL.replace("YT88123456", "YT88123458").replace("冰毒", "\\u51b0\\u6bd2\\n").as_bytes(),
    ] {
        input.extend_from_slice(line);
        input.push(b'\n');
    }
    let output = with_input(&["screen", "-", "--rejects", rejects.to_str().unwrap()], &input);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let alerts = lines(&output.stdout);
    assert_eq!(alerts.len(), 2);
    assert_eq!(alerts[0]["color"], "red");
    assert_eq!(alerts[0]["hits"][0]["text"], "冰毒");
    let kept = std::fs::read(&rejects).unwrap();
    let reasons: Vec<String> = lines(&kept)
        .iter()
        .map(|line| line["reason"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(
        reasons,
        [
            "not_json",
            "bad_utf8",
            "not_an_object",
            "missing_field",
            "wrong_type",
            "bad_value",
            "duplicate_field",
            "too_large",
            "not_an_object"
        ]
    );
    assert!(kept.len() > 10 << 20, "the original of the largest is kept");
    let mode = std::os::unix::fs::MetadataExt::mode(&std::fs::metadata(&rejects).unwrap());
    assert_eq!(mode & 0o777, 0o600);

    let output = with_input(&["screen", "-"], b"not json\n");
    assert_eq!(output.status.code(), Some(1), "refused and not kept");
}

#[test]
fn csv_and_carriers_shapes_are_screened_as_well() {
    let header = "waybill_no,carrier,event,occurred_at,item.name,item.weight_g\n";
    let csv = format!(
        "{header}YT88123456,YTO,arrive,2022-11-11T08:23:11+08:00,\"手枪,一把\",850\nYT88123457,YTO,arrive,2022-11-11T08:23:11+08:00,衣服,850\n"
    );
    let output = with_input(&["screen", "-", "--format", "csv"], csv.as_bytes());
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert_eq!(lines(&output.stdout).len(), 1);

    let json = r#"{"mailNo":" YT88123456 ","trace":{"opCode":520,"opTime":"2022-11-11 08:23:11"},"goods":[{"name":"衣服"},{"name":"冰毒"}],"weightKg":"0.85","realName":"Y"}"#;
    let output = with_input(
        &["screen", "-", "--map", "deploy/mappings/courier-json.yml"],
        json.as_bytes(),
    );
    assert!(output.status.success(), "{}", text(&output.stderr));
    let alerts = lines(&output.stdout);
    assert_eq!(
        (alerts[0]["carrier"].as_str(), alerts[0]["hits"][0]["text"].as_str()),
        (Some("YTO"), Some("冰毒"))
    );

    let csv = "运单号,快递公司,状态,时间,收件人,手机号,地址,品名,重量kg,备注\nYT88123456,圆通,入库,2022/11/11 08:23,测试,13800138000,平湖,雷管,1.5,\n";
    let output = with_input(
        &[
            "screen",
            "-",
            "--format",
            "csv",
            "--map",
            "deploy/mappings/station-csv.yml",
        ],
        csv.as_bytes(),
    );
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert_eq!(lines(&output.stdout)[0]["color"], "red");
}

#[test]
fn the_same_waybill_again_is_no_second_alert() {
    let twice = format!("{WAYBILL}\n{}\n", WAYBILL.replace("arrive", "delivered"));
    assert_eq!(lines(&with_input(&["screen", "-"], twice.as_bytes()).stdout).len(), 1);
}

#[test]
fn the_shipped_rules_are_well_and_wide_enough() {
    let output = jingyou(&["rules", "check", "rules"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let dir = tempfile::tempdir().unwrap();
    let junit = dir.path().join("junit.xml");
    let output = jingyou(&["rules", "test", "rules", "--junit", junit.to_str().unwrap()]);
    assert!(output.status.success(), "{}", text(&output.stdout));
    assert!(std::fs::read_to_string(junit).unwrap().contains("failures=\"0\""));
    let set = jingyou::ruleset::RuleSet::load(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("rules"),
        jingyou::screen::Thresholds::default(),
    )
    .unwrap();
    assert!(set.rules().len() >= 30);
    let categories: BTreeSet<&str> = set.rules().iter().map(|rule| rule.spec.category.as_str()).collect();
    for category in [
        "01", "02", "03", "04", "05", "06", "07", "08", "09", "10", "11", "12", "C1", "C2", "C3",
    ] {
        assert!(categories.contains(category), "no rule of category {category}");
    }
    for rule in set.rules() {
        let count = |matches| rule.tests.iter().filter(|test| test.matches == matches).count();
        assert!(
            count(true) >= 1 && count(false) >= 1,
            "{} has too few tests",
            rule.spec.title
        );
    }
}

#[test]
fn the_rule_commands_answer_with_exit_codes() {
    let dir = tempfile::tempdir().unwrap();
    let rules = dir.path().join("rules");
    std::fs::create_dir(&rules).unwrap();
    let write = |text: &str| std::fs::write(rules.join("a.yml"), text).unwrap();
    let rules = rules.to_str().unwrap();
    write(
        "title: gate\nid: gate\nlevel: high\ndetection:\n  s: {user.name|contains: root, port|gt: 1000}\n  condition: s\n",
    );
    let output = with_input(
        &["rules", "eval", "--rules", rules, "-"],
        b"{\"user\":{\"name\":\"root1\"},\"port\":2000}\n{\"port\":5}\n",
    );
    assert!(output.status.success(), "{}", text(&output.stderr));
    let hits = lines(&output.stdout);
    assert_eq!(
        (hits.len(), &hits[0]["rule_id"], &hits[0]["event"], &hits[0]["level"]),
        (1, &"gate".into(), &0.into(), &"high".into())
    );
    assert_eq!(hits[0]["evidence"][0]["text"], "root");

    write("title: gate\nlevel: hihg\ndetection: {s: {a: b}, condition: s}\n");
    let output = jingyou(&["rules", "check", rules]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        text(&output.stderr).starts_with("a.yml:2:8: level: `hihg`"),
        "{}",
        text(&output.stderr)
    );

    write(
        "title: gate\nlevel: high\ndetection: {s: {carrier: A}, condition: s}\ntests: [{name: t, waybill: {carrier: B}, expect: match}]\n",
    );
    let output = jingyou(&["rules", "test", rules]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stdout).contains("a.yml:4:9"), "{}", text(&output.stdout));

    let output = with_input(
        &["rules", "explain", "--rules", "rules", "--rule", "no such rule", "-"],
        WAYBILL.as_bytes(),
    );
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn closed_pipes_and_wrong_use_end_well() {
    let mut child = command(&["generate", "--count", "1000000"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    assert!(child.wait().unwrap().success());
    assert_eq!(jingyou(&["screen", "/no/such/file"]).status.code(), Some(2));
    assert_eq!(jingyou(&["screen", "--no-such-flag"]).status.code(), Some(2));
    assert_eq!(jingyou(&["audit", "verify", "/no/such/folder"]).status.code(), Some(2));
}
