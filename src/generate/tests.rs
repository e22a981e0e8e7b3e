//! Whole runs held to what [`super`] promises of them.

use super::goods::goods;
use super::parties::id_check_digit;
use super::*;
use serde_json::Value;
use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};

fn run(options: Options) -> impl Iterator<Item = (Value, Record)> {
    let mut generator = Generator::new(options);
    let mut line = Vec::new();
    std::iter::from_fn(move || {
        let record = generator.next_into(&mut line)?;
        let value = serde_json::from_slice(&line).unwrap_or_else(|error| {
            panic!("{error}: {}", String::from_utf8_lossy(&line));
        });
        Some((value, record))
    })
}

fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value
        .pointer(pointer)
        .and_then(Value::as_str)
        .unwrap_or_else(|| panic!("no {pointer} in {value}"))
}

fn remark(value: &Value) -> &str {
    value["item"]["remark"].as_str().unwrap_or_default()
}

fn fingerprint(options: Options) -> u64 {
    let mut generator = Generator::new(options);
    let (mut line, mut hasher) = (Vec::new(), DefaultHasher::new());
    while generator.next_into(&mut line).is_some() {
        line.hash(&mut hasher);
    }
    hasher.finish()
}

/// Findings only, for tests of labels.
fn findings(count: u64) -> Options {
    Options {
        count,
        findings_per_million: 1_000_000,
        near_miss_per_million: 0,
        ..Options::default()
    }
}

#[test]
fn every_line_is_json_with_the_fields_of_a_waybill() {
    for (value, _) in run(Options {
        count: 20_000,
        events_per_waybill: 3,
        ..Options::default()
    }) {
        let waybill_no = text(&value, "/waybill_no");
        assert!((8..=32).contains(&waybill_no.len()) && waybill_no.bytes().all(|byte| byte.is_ascii_alphanumeric()));
        let events = [
            "accept",
            "depart",
            "arrive",
            "out_for_delivery",
            "delivered",
            "returned",
        ];
        assert!(events.contains(&text(&value, "/event")));
        assert!(["inbound", "outbound", "transit"].contains(&text(&value, "/direction")));
        assert!(!text(&value, "/item/name").is_empty() && !text(&value, "/carrier").is_empty());
        for number in ["quantity", "weight_g"] {
            let number = value["item"][number].as_u64();
            assert!(number.is_some_and(|number| number > 0), "{value}");
        }
        let format = &time::format_description::well_known::Rfc3339;
        OffsetDateTime::parse(text(&value, "/occurred_at"), format).expect("event time is RFC 3339");
    }
}

#[test]
fn identities_are_well_formed_and_regions_exist() {
    let mut home = 0;
    for (value, _) in run(Options {
        count: 20_000,
        ..Options::default()
    }) {
        if let Some(id_no) = value["sender"]["id_no"].as_str() {
            let digits: &[u8; 18] = id_no.as_bytes().try_into().expect("an ID has 18 characters");
            assert_eq!(digits[17], id_check_digit(digits));
            assert!(regions().get(&id_no[..6]).is_some(), "{id_no}");
        } else {
            assert_ne!(value["order"]["shop"], "", "only shops send without showing an ID");
        }
        for party in ["sender", "receiver"] {
            let phone = text(&value, &format!("/{party}/phone"));
            assert!(phone.len() == 11 && phone.starts_with('1') && phone.as_bytes()[1] >= b'3');
            let region = regions()
                .get(text(&value, &format!("/{party}/region")))
                .expect("a region of the table");
            assert!(text(&value, &format!("/{party}/address")).starts_with(&region.full_name));
        }
        let site = text(&value, "/site/region");
        assert!(text(&value, "/site/code").starts_with(site) && regions().get(site).is_some());
        home += u32::from(text(&value, "/receiver/region") == "330482");
    }
    assert!(
        (13_600..14_600).contains(&home),
        "{home} of 20,000 go to the home county"
    );
}

#[test]
fn check_digits_follow_the_standards_example() {
    assert_eq!(id_check_digit(b"11010519491231002X"), b'X');
}

#[test]
fn the_same_seed_gives_the_same_bytes() {
    let options = Options {
        count: 50_000,
        events_per_waybill: 3,
        ..Options::default()
    };
    assert_eq!(fingerprint(options.clone()), fingerprint(options.clone()));
    assert_ne!(
        fingerprint(options.clone()),
        fingerprint(Options { seed: 2, ..options })
    );
}

#[test]
fn bytes_stay_the_same_across_releases() {
    let mut generator = Generator::new(Options {
        count: 50_000,
        seed: 42,
        ..Options::default()
    });
    let (mut line, mut hash) = (Vec::new(), 0xcbf2_9ce4_8422_2325_u64);
    while generator.next_into(&mut line).is_some() {
        for byte in &line {
            hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
    assert_eq!(
        hash, 13_256_330_219_088_584_020,
        "FNV-1a; change it together with the data or the draws"
    );
}

#[test]
fn a_longer_run_begins_as_a_shorter_one() {
    let short = run(Options {
        count: 500,
        events_per_waybill: 2,
        ..Options::default()
    });
    let long = run(Options {
        count: 5_000,
        events_per_waybill: 2,
        ..Options::default()
    });
    assert!(short.zip(long).all(|(short, long)| short == long));
}

#[test]
fn waybill_numbers_are_unique_in_a_million() {
    let mut generator = Generator::new(Options::default());
    let mut line = Vec::new();
    let mut seen = HashSet::with_capacity(1_000_000);
    while generator.next_into(&mut line).is_some() {
        let from = b"{\"waybill_no\":\"".len();
        let length = line[from..]
            .iter()
            .position(|byte| *byte == b'"')
            .expect("the number ends");
        assert!(seen.insert(line[from..from + length].to_vec()));
    }
    assert_eq!(seen.len(), 1_000_000);
}

#[test]
fn findings_and_near_misses_come_at_their_rates() {
    let mut generator = Generator::new(Options {
        seed: 7,
        ..Options::default()
    });
    let (mut line, mut near_misses, mut found) = (Vec::new(), 0, 0);
    let (mut bytes, mut shortest, mut longest) = (0, usize::MAX, 0);
    while let Some(record) = generator.next_into(&mut line) {
        match record.planted {
            Planted::Clean => {}
            Planted::NearMiss { .. } => near_misses += 1,
            Planted::Finding(_) => found += 1,
        }
        bytes += line.len();
        shortest = shortest.min(line.len());
        longest = longest.max(line.len());
    }
    assert!((400..600).contains(&found), "{found} findings");
    assert!((19_300..20_700).contains(&near_misses), "{near_misses} near misses");
    let mean = bytes / 1_000_000;
    assert!(
        (820..920).contains(&mean) && shortest >= 500 && longest <= 1_150,
        "{shortest}..{mean}..{longest} bytes"
    );
}

#[test]
fn contraband_is_named_in_the_record_and_passes_its_checks() {
    let mut groups: HashMap<String, u32> = HashMap::new();
    let mut in_remark = 0;
    for (value, record) in run(findings(20_000)) {
        let Planted::Finding(label) = record.planted else {
            panic!("only findings were asked for")
        };
        assert_eq!(label.waybill_no, text(&value, "/waybill_no"));
        assert_eq!(label.disguise, Disguise::Plain);
        let (name, remark) = (text(&value, "/item/name"), remark(&value));
        assert!(
            name.contains(&label.goods) || remark.contains(&label.goods),
            "{label:?} in {value}"
        );
        if !label.category.starts_with('C') {
            in_remark += u32::from(!name.contains(&label.goods));
            assert!(passed_its_checks(&value), "{value}");
        }
        *groups.entry(label.category).or_default() += 1;
    }
    assert_eq!(groups.len(), 15);
    assert!(groups.values().all(|count| *count > 800), "{groups:?}");
    assert!((3_500..4_500).contains(&in_remark), "{in_remark}");
}

#[test]
fn compliance_findings_show_in_their_own_check_only() {
    for (value, record) in run(findings(5_000)) {
        let Planted::Finding(label) = record.planted else {
            panic!("only findings were asked for")
        };
        let real_name = value["real_name"]["verified"] == true && value["real_name"]["name_match"] == true;
        let inspection = value["inspection"]["opened"] == true && value["inspection"]["result"] == "pass";
        let xray = value["xray"]["result"] == "pass";
        let failed = (!real_name, !inspection, !xray);
        match label.category.as_str() {
            "C1" => assert_eq!(failed, (true, false, false)),
            "C2" => assert_eq!(failed, (false, true, false)),
            "C3" => {
                assert_eq!(failed, (false, false, true));
                let red = ["gun", "explosive"].contains(&text(&value, "/xray/labels/0"));
                assert_eq!(label.colour == Colour::Red, red);
            }
            _ => assert_eq!(failed, (false, false, false)),
        }
    }
}

#[test]
fn parcels_without_a_finding_pass_or_lack_their_checks() {
    let (mut unreported, mut escaped) = (0, 0);
    for (value, record) in run(Options {
        count: 30_000,
        findings_per_million: 0,
        ..Options::default()
    }) {
        assert!(!matches!(record.planted, Planted::Finding(_)));
        if let Planted::NearMiss { goods } = record.planted {
            assert!(text(&value, "/item/name").contains(goods));
        }
        assert!(value["xray"].is_null() || passed_its_checks(&value), "{value}");
        unreported += u32::from(value["xray"].is_null());
        let remark = remark(&value);
        escaped += u32::from(remark.contains(['"', '\n', '\t', '\\']) || remark.contains("一楼前台"));
    }
    assert!((600..1_200).contains(&unreported), "{unreported}");
    assert!((350..650).contains(&escaped), "{escaped}");
}

fn passed_its_checks(value: &Value) -> bool {
    let harmless = ["battery", "liquid"];
    value["real_name"]["verified"] == true
        && value["real_name"]["name_match"] == true
        && value["inspection"]["opened"] == true
        && value["inspection"]["result"] == "pass"
        && value["xray"]["result"] == "pass"
        && value["xray"]["labels"].as_array().is_some_and(|labels| {
            labels
                .iter()
                .all(|label| harmless.contains(&label.as_str().unwrap_or("")))
        })
}

#[test]
fn later_events_repeat_the_waybill_at_a_later_time() {
    let mut first: HashMap<String, (Value, Planted)> = HashMap::new();
    let mut repeats = 0;
    let options = Options {
        count: 20_000,
        events_per_waybill: 5,
        findings_per_million: 20_000,
        ..Options::default()
    };
    for (mut value, record) in run(options) {
        let waybill_no = text(&value, "/waybill_no").to_owned();
        let occurred_at = text(&value, "/occurred_at").to_owned();
        let fields = value.as_object_mut().expect("an object");
        for at_the_stop in ["event", "site", "occurred_at"] {
            fields.remove(at_the_stop);
        }
        fields.insert("first_seen".into(), occurred_at.clone().into());
        if record.event_no == 0 {
            assert!(first.insert(waybill_no, (value, record.planted)).is_none());
            continue;
        }
        let (before, planted) = &first[&waybill_no];
        assert!(text(before, "/first_seen") < occurred_at.as_str());
        value["first_seen"] = before["first_seen"].clone();
        assert_eq!((before, planted), (&value, &record.planted));
        repeats += 1;
    }
    assert!(repeats > 14_000, "{repeats}");
}

#[test]
fn harmless_goods_name_no_contraband() {
    for clean in &goods().clean {
        for (contraband, _) in goods().contraband.iter().flat_map(|group| &group.items) {
            for brand in phrases::phrases().brands.iter().chain(&[""]) {
                assert!(
                    !format!("{brand}{}", clean.name).contains(contraband),
                    "{brand}{}",
                    clean.name
                );
            }
        }
    }
}

#[test]
fn data_files_hold_what_was_asked_of_them() {
    let categories: HashSet<&str> = goods().clean.iter().map(|clean| clean.category).collect();
    let contraband: Vec<&str> = goods()
        .contraband
        .iter()
        .flat_map(|group| &group.items)
        .map(|item| item.0)
        .collect();
    let names: HashSet<&&str> = contraband.iter().collect();
    assert!(goods().clean.len() >= 400 && categories.len() >= 15);
    assert!(goods().near_misses.len() >= 200);
    assert!(contraband.len() >= 200 && names.len() == contraband.len());
    let groups: Vec<&str> = goods().contraband.iter().map(|group| group.group).collect();
    assert_eq!(
        groups,
        ["01", "02", "03", "04", "05", "06", "07", "08", "09", "10", "11", "12"]
    );
    for near_miss in &goods().near_misses {
        assert!(categories.contains(near_miss.category), "{}", near_miss.name);
        assert!(!names.contains(&near_miss.name), "{} is contraband", near_miss.name);
    }
}

#[test]
fn regions_are_found_by_code_and_prefix() {
    let county = regions().get("330482").expect("平湖 is in the table");
    assert_eq!(
        (county.name, county.full_name.as_str()),
        ("平湖市", "浙江省嘉兴市平湖市")
    );
    assert_eq!(
        regions().get("110101").expect("东城 is in the table").full_name,
        "北京市东城区"
    );
    assert_eq!(regions().within("3304").len(), 8);
    assert_eq!(regions().within("33")[0].name, "浙江省");
    assert!(regions().get("330499").is_none() && regions().within("99").is_empty());
    assert!(
        regions()
            .within("")
            .iter()
            .all(|region| regions().get(region.code) == Some(region))
    );
}

#[test]
fn a_label_is_one_json_line() {
    let record = run(findings(1)).next().expect("one record").1;
    let Planted::Finding(label) = record.planted else {
        panic!("only findings were asked for")
    };
    let line = serde_json::to_string(&label).expect("labels serialise");
    assert!(line.ends_with("\"disguise\":\"plain\"}") && !line.contains('\n'));
    assert_eq!(
        serde_json::from_str::<Label>(&line).expect("labels are read back"),
        label
    );
}
