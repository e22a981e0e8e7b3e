//! Why a rule matches a waybill, or doesn't: its condition as a tree, each part true or false, with the text it saw.

use super::Rule;
use crate::screen::{Expr, Predicate};
use crate::text::fold;
use crate::waybill::{Schema, Value, Waybill};
use serde::Serialize;

/// One part of a condition, with its truth.
#[derive(Clone, Debug, Serialize)]
pub struct Explanation {
    /// What it says: the name of a selection, `and`, `or`, `not`, or a comparison.
    pub says: String,
    /// Whether it holds.
    pub holds: bool,
    /// The value that a comparison saw, as it stands in the record.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub saw: Option<String>,
    /// The same after normalising, where that differs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub normalised: Option<String>,
    /// What matched in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub matched: Option<String>,
    /// Its parts.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<Explanation>,
}

/// Explains a rule on a waybill: the condition, then each selection by its name.
pub fn explain(rule: &Rule, waybill: &Waybill<'_>, schema: &Schema) -> Explanation {
    let selections = rule.selections.iter().map(|(name, expr)| {
        let inner = tree(expr, waybill, schema);
        Explanation {
            says: name.clone(),
            holds: inner.holds,
            saw: None,
            normalised: None,
            matched: None,
            parts: vec![inner],
        }
    });
    let whole = tree(&rule.spec.condition, waybill, schema);
    Explanation {
        says: format!("condition: {}", rule.condition_text),
        holds: whole.holds,
        saw: None,
        normalised: None,
        matched: None,
        parts: selections.collect(),
    }
}

fn tree(expr: &Expr, waybill: &Waybill<'_>, schema: &Schema) -> Explanation {
    let branch = |says: &str, holds: bool, parts| Explanation {
        says: says.to_owned(),
        holds,
        saw: None,
        normalised: None,
        matched: None,
        parts,
    };
    match expr {
        Expr::And(parts) => {
            let parts: Vec<_> = parts.iter().map(|part| tree(part, waybill, schema)).collect();
            branch("and", parts.iter().all(|part| part.holds), parts)
        }
        Expr::Or(parts) => {
            let parts: Vec<_> = parts.iter().map(|part| tree(part, waybill, schema)).collect();
            branch("or", parts.iter().any(|part| part.holds), parts)
        }
        Expr::Not(part) => {
            let part = tree(part, waybill, schema);
            branch("not", !part.holds, vec![part])
        }
        Expr::Is(predicate) => leaf(predicate, waybill, schema),
    }
}

fn leaf(predicate: &Predicate, waybill: &Waybill<'_>, schema: &Schema) -> Explanation {
    let found = predicate.find(waybill, schema);
    let saw = predicate.field.as_deref().map(|path| match schema.slot(path) {
        Some(slot) => seen(waybill.get(slot)),
        None => "(absent)".to_owned(),
    });
    let normalised = saw.as_deref().map(|text| text.chars().map(fold).collect::<String>());
    Explanation {
        says: predicate.to_string(),
        holds: found.is_some(),
        normalised: normalised.filter(|text| Some(text) != saw.as_ref()),
        saw,
        matched: found.map(|found| match found.span {
            Some([start, end]) => format!("{} → {} [{start}, {end})", found.term, found.text),
            None => found.term,
        }),
        parts: Vec::new(),
    }
}

fn seen(value: Value<'_>) -> String {
    match value {
        Value::Absent => "(absent)".to_owned(),
        Value::Null => "null".to_owned(),
        Value::Bool(truth) => truth.to_string(),
        Value::Int(number) => number.to_string(),
        Value::Float(number) => number.to_string(),
        Value::Text(text) => text.to_owned(),
        Value::Object => "(object)".to_owned(),
        Value::List(list) => format!("[{}]", list.map(seen).collect::<Vec<_>>().join(", ")),
    }
}
