//! What an entry of the journal tells others. How it is wrapped, addressed and delivered is `notify`'s.

use super::entry::{Change, Entry};
use super::model::CaseChange;
use crate::alert::{Alert, Color};
use serde::Serialize;
use serde_json::Value;

/// To whom a notice goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NoticeKind {
    /// `alerts.yellow`.
    AlertYellow,
    /// `alerts.red`.
    AlertRed,
    /// `holds`.
    Hold,
    /// `cases`.
    Case,
}

impl NoticeKind {
    /// Every kind.
    pub const ALL: [Self; 4] = [Self::AlertYellow, Self::AlertRed, Self::Hold, Self::Case];

    /// The name of its topic.
    pub const fn topic(self) -> &'static str {
        match self {
            Self::AlertYellow => "alerts.yellow",
            Self::AlertRed => "alerts.red",
            Self::Hold => "holds",
            Self::Case => "cases",
        }
    }
}

/// One thing to tell.
#[derive(Clone, Debug, PartialEq)]
pub struct Notice {
    /// To whom.
    pub kind: NoticeKind,
    /// What keeps its order: notices of one key are told in order. Waybill number, or the case's id.
    pub key: String,
    /// The same for the same notice whenever it is told again: `<alert id>.<revision>`, the order's id, or
    /// `<case id>.<revision>`.
    pub id: String,
    /// The alert, hold order or case, in its new state.
    pub body: Value,
}

/// The notices of an entry: the alert with its revision, the hold orders, and the case if it changed. Of a superseded
/// yellow alert nothing is told: the red one names it in `supersedes`.
pub fn notices(entry: &Entry) -> Vec<Notice> {
    let (Change::AlertRaised(change) | Change::AlertJoined(change) | Change::AlertSuperseded(change)) = &entry.change
    else {
        return Vec::new();
    };
    let mut notices = vec![alert_notice(&change.alert)];
    notices.extend(change.orders.iter().map(|order| Notice {
        kind: NoticeKind::Hold,
        key: order.waybill_no.clone(),
        id: order.order_id.clone(),
        body: body(order),
    }));
    if change.case_change != CaseChange::None {
        let case = &change.case;
        notices.push(Notice {
            kind: NoticeKind::Case,
            key: case.case_id.clone(),
            id: format!("{}.{}", case.case_id, case.revision),
            body: body(case),
        });
    }
    notices
}

fn alert_notice(alert: &Alert) -> Notice {
    Notice {
        kind: match alert.color {
            Color::Yellow => NoticeKind::AlertYellow,
            Color::Red => NoticeKind::AlertRed,
        },
        key: alert.waybill_no.clone(),
        id: format!("{}.{}", alert.alert_id, alert.revision),
        body: body(alert),
    }
}

/// States of entries have been written as JSON before they get here.
fn body<T: Serialize>(state: &T) -> Value {
    serde_json::to_value(state).expect("a state that is in the journal can be written as JSON")
}
