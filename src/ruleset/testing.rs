//! Rules' own tests: each sample waybill goes through the whole compiled set, as a real one would.

use super::{RuleSet, RuleTest};
use crate::screen::Scratch;
use crate::waybill::Decoder;
use serde_json::{Map, Value};

/// How one test of one rule came out.
#[derive(Clone, Debug)]
pub struct TestOutcome {
    /// The rule's id.
    pub rule_id: String,
    /// The rule's title.
    pub title: String,
    /// The file, relative to the rule folder, with line and column.
    pub place: String,
    /// The test's name.
    pub name: String,
    /// `None` when it passed, else what happened.
    pub failure: Option<String>,
}

/// Runs all tests of a rule set.
pub fn test(set: &RuleSet) -> Vec<TestOutcome> {
    let decoder = Decoder::new(set.screen().schema().clone());
    let mut record = decoder.record();
    let mut scratch = Scratch::new(set.screen());
    let mut outcomes = Vec::new();
    for rule in set.rules() {
        for test in &rule.tests {
            let bytes = sample(test, rule.spec.valid.from_day).to_string().into_bytes();
            let failure = match decoder.decode(&bytes, &mut record) {
                Err(refusal) => Some(format!("the sample is no waybill: {refusal}")),
                Ok(waybill) => {
                    let verdict = set.screen().run(&waybill, &mut scratch).unwrap_or_default();
                    let matched = verdict
                        .hits
                        .iter()
                        .chain(&verdict.shadow)
                        .any(|hit| hit.rule_id == rule.spec.id);
                    match (test.matches, matched) {
                        (true, false) => Some("expected a match, the rule did not match".to_owned()),
                        (false, true) => Some("expected no match, the rule matched".to_owned()),
                        _ => None,
                    }
                }
            };
            outcomes.push(TestOutcome {
                rule_id: rule.spec.id.clone(),
                title: rule.spec.title.clone(),
                place: format!("{}:{}", rule.file, test.mark),
                name: test.name.clone(),
                failure,
            });
        }
    }
    outcomes
}

/// A test's waybill with the required fields filled in; dated on the first day on which its rule holds.
pub fn sample(test: &RuleTest, from_day: Option<i64>) -> Value {
    let date = from_day
        .and_then(|day| time::Date::from_julian_day(i32::try_from(day).ok()? + 2_440_588).ok())
        .map_or_else(|| "2026-01-01".to_owned(), |date| date.to_string());
    let mut waybill = Map::new();
    for (field, value) in [
        ("waybill_no", "TEST00000001"),
        ("carrier", "TEST"),
        ("event", "arrive"),
        ("occurred_at", &format!("{date}T12:00:00+08:00")),
    ] {
        waybill.insert(field.to_owned(), value.into());
    }
    if let Value::Object(given) = &test.waybill {
        waybill.extend(given.clone());
    }
    Value::Object(waybill)
}
