//! One Sigma document → one rule, with everything that is wrong with it.

use super::condition::{self, Selections};
use super::detection;
use super::lists::{Lists, day};
use super::problem::{Fault, nearest};
use crate::alert::Color;
use crate::screen::{Expr, Mode, RuleSpec, Validity};
use crate::yaml::{Key, Mark, Node, Yaml};
use uuid::Uuid;

/// A rule as its file has it, checked.
#[derive(Clone, Debug)]
pub struct Rule {
    /// What the screen needs of it.
    pub spec: RuleSpec,
    /// What it is for, in words.
    pub description: String,
    /// `informational`, `low`, `medium`, `high` or `critical`.
    pub level: String,
    /// `stable`, `test`, `experimental`, `deprecated` or `unsupported`.
    pub status: String,
    /// The condition, as written.
    pub condition_text: String,
    /// The selections by name, for explanations.
    pub selections: Vec<(String, Expr)>,
    /// Its own tests.
    pub tests: Vec<RuleTest>,
    /// The file it stands in, relative to the rule folder.
    pub file: String,
    /// Where in the file.
    pub mark: Mark,
}

/// One of a rule's own tests.
#[derive(Clone, Debug)]
pub struct RuleTest {
    /// What it shows.
    pub name: String,
    /// The waybill, or as much of it as matters.
    pub waybill: serde_json::Value,
    /// Whether the rule must match it.
    pub matches: bool,
    /// Where in the file.
    pub mark: Mark,
}

/// Sigma's own keys, and those that jingyou adds.
const KEYS: [&str; 28] = [
    "title",
    "id",
    "related",
    "name",
    "taxonomy",
    "status",
    "description",
    "license",
    "author",
    "references",
    "date",
    "modified",
    "logsource",
    "detection",
    "fields",
    "falsepositives",
    "level",
    "tags",
    "scope",
    "correlation",
    "filter",
    "action",
    "alert",
    "score",
    "category",
    "respond",
    "mode",
    "valid",
];

const LEVELS: [(&str, u32, Option<Color>); 5] = [
    ("informational", 0, None),
    ("low", 10, None),
    ("medium", 30, None),
    ("high", 60, Some(Color::Yellow)),
    ("critical", 100, Some(Color::Red)),
];

const STATUSES: [&str; 5] = ["stable", "test", "experimental", "deprecated", "unsupported"];

/// What a rule may ask of others: the tasks of a case.
pub(super) const RESPONSES: [&str; 7] = [
    "hold_parcel",
    "open_inspect",
    "second_xray",
    "identity_check",
    "site_visit",
    "collect_evidence",
    "filing_decision",
];

/// Catalogue groups, and what stands beside the catalogue.
pub const CATEGORIES: [&str; 26] = [
    "01", "02", "03", "04", "05", "06", "07", "08", "09", "10", "11", "12", "13", "14", "15", "16", "17", "18", "19",
    "C1", "C2", "C3", "B1", "B2", "W1", "E1",
];

/// The highest score that one rule may give.
const SCORE_MAX: i64 = 1000;

/// Namespace of the ids of rules that have none: a function of file and title.
const RULE_NAMESPACE: Uuid = Uuid::from_u128(0x1c0f_7a0e_93d4_4a58_8f0c_7d53_b6e2_9a11);

/// Reads a document as a rule.
pub(super) fn rule(document: &Node, file: &str, lists: &Lists) -> Result<Rule, Vec<Fault>> {
    let Some(entries) = document.as_map() else {
        return Err(vec![Fault::new(
            document.mark,
            "",
            format!("a rule must be a map, not {}", document.kind()),
        )]);
    };
    let mut reader = Reader {
        document,
        faults: Vec::new(),
    };
    reader.refuse_other_documents(entries);
    reader.check_keys(entries);
    let title = reader.text("title").unwrap_or_default();
    if title.is_empty() {
        reader.fault(
            document.mark,
            "title",
            "required: what the alert shows to the duty officer",
        );
    }
    let (level, level_score, level_alert) = reader.level();
    let status = reader
        .one_of("status", &STATUSES)
        .unwrap_or_else(|| "experimental".to_owned());
    let id = reader
        .text("id")
        .unwrap_or_else(|| Uuid::new_v5(&RULE_NAMESPACE, format!("{file}\n{title}").as_bytes()).to_string());
    let (selections, condition, condition_text) = reader.detection(lists);
    let spec = RuleSpec {
        id,
        title,
        category: reader.one_of("category", &CATEGORIES).unwrap_or_default(),
        alert: reader.alert(level_alert),
        score: reader.score(level_score),
        respond: reader.respond(),
        mode: match reader.one_of("mode", &["live", "shadow"]).as_deref() {
            Some("shadow") => Mode::Shadow,
            _ => Mode::Live,
        },
        valid: reader.valid(),
        condition,
    };
    let description = reader.text("description").unwrap_or_default();
    let tests = reader.tests();
    if !reader.faults.is_empty() {
        return Err(reader.faults);
    }
    Ok(Rule {
        spec,
        description,
        level,
        status,
        condition_text,
        selections,
        tests,
        file: file.to_owned(),
        mark: document.mark,
    })
}

struct Reader<'d> {
    document: &'d Node,
    faults: Vec<Fault>,
}

impl<'d> Reader<'d> {
    fn fault(&mut self, mark: Mark, key: &str, what: impl Into<String>) {
        self.faults.push(Fault::new(mark, key, what));
    }

    fn refuse_other_documents(&mut self, entries: &[(Key, Node)]) {
        for (key, _) in entries
            .iter()
            .filter(|(key, _)| ["correlation", "filter", "action"].contains(&&*key.name))
        {
            let what = "this version reads detection documents only: remove the document, or write it as a detection";
            self.fault(key.mark, &key.name, what);
        }
    }

    /// Custom attributes are Sigma's way to extend, so only what looks like a slip of the pen is refused.
    fn check_keys(&mut self, entries: &[(Key, Node)]) {
        for (key, _) in entries {
            if KEYS.contains(&&*key.name) || key.name == "tests" {
                continue;
            }
            if let Some(near) = nearest(&key.name, KEYS.into_iter().chain(["tests"])) {
                self.fault(key.mark, &key.name, format!("unknown key: did you mean `{near}`?"));
            }
        }
    }

    fn text(&mut self, key: &str) -> Option<String> {
        let node = self.document.get(key)?;
        match node.scalar_text() {
            Some(text) => Some(text.trim().to_owned()),
            None => {
                self.fault(node.mark, key, format!("must be a string, not {}", node.kind()));
                None
            }
        }
    }

    fn one_of(&mut self, key: &str, accepted: &[&str]) -> Option<String> {
        let text = self.text(key)?;
        if accepted.contains(&text.as_str()) {
            return Some(text);
        }
        let mark = self.document.get(key)?.mark;
        self.fault(mark, key, format!("`{text}` is not accepted: {}", accepted.join(", ")));
        None
    }

    fn level(&mut self) -> (String, u32, Option<Color>) {
        let names: Vec<&str> = LEVELS.iter().map(|(name, ..)| *name).collect();
        let level = self.one_of("level", &names).unwrap_or_else(|| "medium".to_owned());
        let (_, score, alert) = LEVELS
            .into_iter()
            .find(|(name, ..)| *name == level)
            .unwrap_or(LEVELS[2]);
        (level, score, alert)
    }

    fn alert(&mut self, by_level: Option<Color>) -> Option<Color> {
        match self.one_of("alert", &["yellow", "red", "none"]).as_deref() {
            Some("yellow") => Some(Color::Yellow),
            Some("red") => Some(Color::Red),
            Some(_) => None,
            None => by_level,
        }
    }

    fn score(&mut self, by_level: u32) -> u32 {
        match self.document.get("score") {
            None => by_level,
            Some(Node {
                value: Yaml::Int(score @ 0..=SCORE_MAX, _),
                ..
            }) => *score as u32,
            Some(node) => {
                self.fault(
                    node.mark,
                    "score",
                    format!("must be a whole number from 0 to {SCORE_MAX}"),
                );
                by_level
            }
        }
    }

    fn list(&mut self, node: &'d Node, key: &str) -> Vec<(&'d str, Mark)> {
        let items = match &node.value {
            Yaml::List(items) => items.iter().collect(),
            _ => vec![node],
        };
        let mut texts = Vec::new();
        for item in items {
            match item.scalar_text() {
                Some(text) => texts.push((text, item.mark)),
                None => self.fault(item.mark, key, format!("must be a string, not {}", item.kind())),
            }
        }
        texts
    }

    fn respond(&mut self) -> Vec<String> {
        let Some(node) = self.document.get("respond") else {
            return Vec::new();
        };
        let mut orders = Vec::new();
        for (text, mark) in self.list(node, "respond") {
            if RESPONSES.contains(&text) {
                orders.push(text.to_owned());
            } else {
                self.fault(
                    mark,
                    "respond",
                    format!("`{text}` is not accepted: {}", RESPONSES.join(", ")),
                );
            }
        }
        orders
    }

    fn valid(&mut self) -> Validity {
        let mut valid = Validity::default();
        let Some(node) = self.document.get("valid") else {
            return valid;
        };
        let Some(entries) = node.as_map() else {
            self.fault(
                node.mark,
                "valid",
                "must be a map: {from: 2026-01-01, until: 2026-12-31, regions: ['3304']}",
            );
            return valid;
        };
        for (key, value) in entries {
            match key.name.as_str() {
                "from" => valid.from_day = self.day(value, "valid.from"),
                "until" => valid.until_day = self.day(value, "valid.until"),
                "regions" => {
                    for (text, mark) in self.list(value, "valid.regions") {
                        if !(2..=6).contains(&text.len()) || !text.bytes().all(|byte| byte.is_ascii_digit()) {
                            let what = format!("`{text}` is not a region: 2 to 6 digits of GB/T 2260, such as '3304'");
                            self.fault(mark, "valid.regions", what);
                        }
                        valid.regions.push(text.to_owned());
                    }
                }
                _ => self.fault(key.mark, &key.name, "unknown key: `valid` takes from, until, regions"),
            }
        }
        if valid
            .from_day
            .zip(valid.until_day)
            .is_some_and(|(from, until)| from > until)
        {
            self.fault(node.mark, "valid", "`from` is after `until`: the rule would never hold");
        }
        valid
    }

    fn day(&mut self, node: &Node, key: &str) -> Option<i64> {
        let day = node.scalar_text().and_then(day);
        if day.is_none() {
            self.fault(node.mark, key, "must be a date such as 2026-12-31");
        }
        day
    }

    fn detection(&mut self, lists: &Lists) -> (Vec<(String, Expr)>, Expr, String) {
        let nothing = (Vec::new(), Expr::Or(Vec::new()), String::new());
        let Some(node) = self.document.get("detection") else {
            self.fault(self.document.mark, "detection", "required: selections and a condition");
            return nothing;
        };
        let Some(entries) = node.as_map() else {
            self.fault(
                node.mark,
                "detection",
                format!("must be a map of selections, not {}", node.kind()),
            );
            return nothing;
        };
        let mut selections = Vec::new();
        for (key, value) in entries
            .iter()
            .filter(|(key, _)| !["condition", "timeframe"].contains(&&*key.name))
        {
            let known = self.faults.len();
            let expr = detection::selection(value, lists, &mut self.faults);
            for fault in &mut self.faults[known..] {
                let separator = if fault.key.is_empty() { "" } else { "." };
                fault.key = format!("detection.{}{separator}{}", key.name, fault.key);
            }
            selections.push((key.name.clone(), expr));
        }
        if let Some((key, _)) = entries.iter().find(|(key, _)| key.name == "timeframe") {
            let what = "windows are correlation documents in Sigma 2, not a part of a detection";
            self.fault(key.mark, "detection.timeframe", what);
        }
        if selections.is_empty() {
            self.fault(
                node.mark,
                "detection",
                "there is no selection: give it one, such as `selection: {item.name|contains: …}`",
            );
        }
        let (expr, text) = self.condition(node, &selections);
        (selections, expr, text)
    }

    fn condition(&mut self, detection: &'d Node, selections: &Selections) -> (Expr, String) {
        let Some(node) = detection.get("condition") else {
            self.fault(
                detection.mark,
                "detection.condition",
                "required: such as `selection and not exception`",
            );
            return (Expr::Or(Vec::new()), String::new());
        };
        let texts = self.list(node, "detection.condition");
        let mut parts = Vec::new();
        for (text, mark) in &texts {
            match condition::parse(text, selections) {
                Ok(expr) => parts.push(expr),
                Err(fault) => {
                    let mark = Mark {
                        column: mark.column + fault.at,
                        ..*mark
                    };
                    self.fault(mark, "detection.condition", fault.what);
                }
            }
        }
        let text = texts.iter().map(|(text, _)| *text).collect::<Vec<_>>().join(" | ");
        (
            if parts.len() == 1 {
                parts.remove(0)
            } else {
                Expr::Or(parts)
            },
            text,
        )
    }

    fn tests(&mut self) -> Vec<RuleTest> {
        let Some(node) = self.document.get("tests") else {
            return Vec::new();
        };
        let Yaml::List(items) = &node.value else {
            self.fault(node.mark, "tests", "must be a list of {name, waybill, expect}");
            return Vec::new();
        };
        items.iter().filter_map(|item| self.test(item)).collect()
    }

    fn test(&mut self, item: &Node) -> Option<RuleTest> {
        let known = ["name", "waybill", "expect"];
        if let Some((key, _)) = item
            .as_map()
            .unwrap_or_default()
            .iter()
            .find(|(key, _)| !known.contains(&&*key.name))
        {
            self.fault(
                key.mark,
                "tests",
                format!("unknown key `{}`: a test has name, waybill, expect", key.name),
            );
            return None;
        }
        let Some(waybill) = item.get("waybill").filter(|waybill| waybill.as_map().is_some()) else {
            self.fault(
                item.mark,
                "tests",
                "`waybill` is required: a map, as much of the record as matters",
            );
            return None;
        };
        let matches = match item.get("expect").and_then(Node::scalar_text) {
            Some("match") => true,
            Some("no_match") => false,
            _ => {
                self.fault(item.mark, "tests", "`expect` is required: match or no_match");
                return None;
            }
        };
        let name = item
            .get("name")
            .and_then(Node::scalar_text)
            .unwrap_or("(unnamed)")
            .to_owned();
        Some(RuleTest {
            name,
            waybill: waybill.to_json(),
            matches,
            mark: item.mark,
        })
    }
}
