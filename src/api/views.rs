//! What of alerts, cases and journal entries the API shows. They hold only masked data by their types; the keyed hashes of
//! identities stay inside too, since two of them tell that two people are one. What is added is words for people.

use super::names;
use crate::alert::Alert;
use crate::case::{Case, TimelineItem};
use crate::generate::regions;
use serde::Serialize;
use serde_json::{Map, Value};

/// An alert; `outcome` as the journal has it (`raised`, `joined`, `superseded`), where it comes from an entry.
pub fn alert(alert: &Alert, outcome: Option<&str>) -> Value {
    let mut view = named(alert, &alert.category, &alert.region);
    if let Some(outcome) = outcome {
        view.insert("outcome".to_owned(), outcome.into());
    }
    Value::Object(view)
}

/// A case.
pub fn case(case: &Case) -> Value {
    Value::Object(named(case, &case.category, &case.region))
}

/// One line of a case's timeline.
pub fn entry(item: &TimelineItem) -> Value {
    let Ok(Value::Object(mut view)) = serde_json::to_value(item) else {
        return Value::Null;
    };
    view.insert("action_zh".to_owned(), action_zh(item.action).into());
    Value::Object(view)
}

/// The outcome in an action: `raised` of `alert.raised`.
pub fn outcome(action: &str) -> &str {
    action.strip_prefix("alert.").unwrap_or(action)
}

fn action_zh(action: &str) -> &'static str {
    match action {
        "alert.raised" => "产生预警",
        "alert.joined" => "预警有新命中",
        "alert.superseded" => "黄色预警升为红色",
        _ => "",
    }
}

fn named(value: &impl Serialize, category: &str, region: &str) -> Map<String, Value> {
    let Ok(Value::Object(mut view)) = serde_json::to_value(value) else {
        return Map::new();
    };
    view.remove("subjects");
    let (zh, en) = names::category(category);
    view.insert("category_zh".to_owned(), zh.into());
    view.insert("category_en".to_owned(), en.into());
    view.insert("region_name".to_owned(), region_name(region).into());
    view
}

/// `浙江省嘉兴市平湖市` for `330482`, or for any longer code of a street in it; empty for a code that is not in the table.
fn region_name(code: &str) -> &'static str {
    let county = code.get(..6).unwrap_or(code);
    regions().get(county).map_or("", |region| region.full_name.as_str())
}
