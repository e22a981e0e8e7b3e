//! The envelope: CloudEvents 1.0 in structured mode, JSON.

use crate::case::{Notice, NoticeKind};
use serde::Serialize;
use serde_json::Value;
use time::OffsetDateTime;

/// `content-type` of a [`CloudEvent`].
pub const CONTENT_TYPE: &str = "application/cloudevents+json; charset=UTF-8";

/// One event.
#[derive(Debug, Serialize)]
pub struct CloudEvent<'a> {
    specversion: &'static str,
    /// The same whenever the same thing is told again.
    pub id: &'a str,
    source: &'static str,
    /// `cn.jingyou.alert.yellow`, `cn.jingyou.alert.red`, `cn.jingyou.hold` or `cn.jingyou.case`.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// Waybill number, or the case's id.
    pub subject: &'a str,
    /// When the journal's entry was written.
    #[serde(with = "time::serde::rfc3339")]
    pub time: OffsetDateTime,
    datacontenttype: &'static str,
    /// The alert, hold order or case, personal data masked.
    pub data: &'a Value,
}

impl<'a> CloudEvent<'a> {
    /// The event that carries a notice.
    pub fn new(notice: &'a Notice, at: OffsetDateTime) -> Self {
        Self {
            specversion: "1.0",
            id: &notice.id,
            source: "/jingyou",
            kind: match notice.kind {
                NoticeKind::AlertYellow => "cn.jingyou.alert.yellow",
                NoticeKind::AlertRed => "cn.jingyou.alert.red",
                NoticeKind::Hold => "cn.jingyou.hold",
                NoticeKind::Case => "cn.jingyou.case",
            },
            subject: &notice.key,
            time: at,
            datacontenttype: "application/json",
            data: &notice.body,
        }
    }

    /// As JSON.
    pub fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("an event is made of text, a time and JSON")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::datetime;

    #[test]
    fn an_event_has_what_the_specification_asks_for() {
        let notice = Notice {
            kind: NoticeKind::AlertRed,
            key: "YT8812345678901".to_owned(),
            id: "6d1f3a52.1".to_owned(),
            body: serde_json::json!({"color": "red"}),
        };
        let json: Value =
            serde_json::from_slice(&CloudEvent::new(&notice, datetime!(2022-11-11 08:23:11 UTC)).to_json()).unwrap();
        assert_eq!(
            json,
            serde_json::json!({
                "specversion": "1.0",
                "id": "6d1f3a52.1",
                "source": "/jingyou",
                "type": "cn.jingyou.alert.red",
                "subject": "YT8812345678901",
                "time": "2022-11-11T08:23:11Z",
                "datacontenttype": "application/json",
                "data": {"color": "red"}
            })
        );
    }
}
