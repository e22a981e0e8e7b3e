//! The entries of the journal: what a change to alerts and cases looks like when it is written down.
//!
//! One entry is one accepted change, with the full new state of everything that it changed, so that applying entries in
//! order — the first time, again, or all of them into an empty store — only ever puts states. Nothing in an entry is
//! personal data in clear: alerts are made of findings, and those are masked before they leave the hot path; identities
//! are keyed hashes. How entries become lines is the journal's to say.

use super::model::{Case, CaseChange, HoldOrder};
use crate::alert::Alert;
use serde::ser::SerializeStruct;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use time::OffsetDateTime;

/// A SHA-256 hash, written as 64 lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Digest(pub [u8; 32]);

impl Digest {
    /// What the first entry has as the hash before it: all zeros.
    pub const ZERO: Self = Self([0; 32]);

    /// Reads 64 lower-case hexadecimal digits. Upper case is refused: a hash has one spelling.
    pub fn parse(text: &[u8]) -> Option<Self> {
        let mut bytes = [0; 32];
        if text.len() != 64 {
            return None;
        }
        for (byte, pair) in bytes.iter_mut().zip(text.chunks_exact(2)) {
            *byte = nibble(pair[0])? << 4 | nibble(pair[1])?;
        }
        Some(Self(bytes))
    }
}

fn nibble(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        Self::parse(text.as_bytes())
            .ok_or_else(|| serde::de::Error::custom("a hash is 64 lower-case hexadecimal digits"))
    }
}

/// One entry of the journal. Serialises to the line of the journal, byte for byte, without the line feed.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// Its place: 1, 2, 3, …
    pub seq: u64,
    /// Wall time of writing, UTC, to the millisecond.
    pub at: OffsetDateTime,
    /// Who made the change; `engine` for what screening found.
    pub actor: String,
    /// The case that changed, if one did.
    pub case: Option<String>,
    /// What changed: `action` and `data` of the line.
    pub change: Change,
    /// Hash of the entry before.
    pub prev: Digest,
    /// Hash of this one.
    pub hash: Digest,
}

/// What an entry says.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// `alert.raised`: a new alert, and what it did to a case.
    AlertRaised(AlertChange),
    /// `alert.joined`: new hits for an alert.
    AlertJoined(AlertChange),
    /// `alert.superseded`: a new red alert in the place of a yellow one.
    AlertSuperseded(AlertChange),
    /// `outbox.delivered`: a sink has all notices up to an entry.
    OutboxDelivered(Delivered),
}

/// An alert, its case, and the orders that go out, in one act.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AlertChange {
    /// The alert's new state.
    pub alert: Alert,
    /// The yellow alert that it took the place of, marked.
    pub superseded: Option<Alert>,
    /// The case's new state.
    pub case: Case,
    /// The hold orders that go out with it.
    pub orders: Vec<HoldOrder>,
    /// What happened to the case.
    pub case_change: CaseChange,
}

/// How far a sink has delivered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivered {
    /// The sink.
    pub sink: String,
    /// Every notice of every entry up to this one is delivered.
    pub up_to: u64,
}

impl Change {
    /// The word in the line.
    pub const fn action(&self) -> &'static str {
        match self {
            Self::AlertRaised(_) => "alert.raised",
            Self::AlertJoined(_) => "alert.joined",
            Self::AlertSuperseded(_) => "alert.superseded",
            Self::OutboxDelivered(_) => OUTBOX_DELIVERED,
        }
    }

    /// The alert and case that it is about, if it is about any.
    pub const fn alert_change(&self) -> Option<&AlertChange> {
        match self {
            Self::AlertRaised(change) | Self::AlertJoined(change) | Self::AlertSuperseded(change) => Some(change),
            Self::OutboxDelivered(_) => None,
        }
    }

    /// The case that it is about, if any.
    pub(super) fn case_id(&self) -> Option<&str> {
        self.alert_change().map(|change| change.case.case_id.as_str())
    }

    /// The `data` of the line.
    pub(super) fn data(&self) -> serde_json::Result<String> {
        match self {
            Self::AlertRaised(change) | Self::AlertJoined(change) | Self::AlertSuperseded(change) => {
                serde_json::to_string(change)
            }
            Self::OutboxDelivered(delivered) => serde_json::to_string(delivered),
        }
    }

    fn parse(action: &str, data: serde_json::Value) -> Result<Self, String> {
        let wrong = |error: serde_json::Error| format!("the data of its action {action} does not fit: {error}");
        match action {
            "alert.raised" => serde_json::from_value(data).map(Self::AlertRaised).map_err(wrong),
            "alert.joined" => serde_json::from_value(data).map(Self::AlertJoined).map_err(wrong),
            "alert.superseded" => serde_json::from_value(data).map(Self::AlertSuperseded).map_err(wrong),
            OUTBOX_DELIVERED => serde_json::from_value(data).map(Self::OutboxDelivered).map_err(wrong),
            _ => Err(format!(
                "its action {action:?} is not known here; a newer jingyou wrote it"
            )),
        }
    }
}

/// The one action that tells nobody anything.
pub(super) const OUTBOX_DELIVERED: &str = "outbox.delivered";

impl Entry {
    /// Reads a line of the journal. Whether its hash and its place are right is the journal's to check.
    pub(super) fn parse(line: &[u8]) -> Result<Self, String> {
        #[derive(Deserialize)]
        struct Line {
            seq: u64,
            #[serde(with = "time::serde::rfc3339")]
            at: OffsetDateTime,
            actor: String,
            action: String,
            case: Option<String>,
            data: serde_json::Value,
            prev: Digest,
            hash: Digest,
        }
        let line: Line = serde_json::from_slice(line).map_err(|error| format!("it is no entry: {error}"))?;
        let change = Change::parse(&line.action, line.data)?;
        Ok(Self {
            seq: line.seq,
            at: line.at,
            actor: line.actor,
            case: line.case,
            change,
            prev: line.prev,
            hash: line.hash,
        })
    }
}

impl Serialize for Entry {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct At(#[serde(with = "time::serde::rfc3339")] OffsetDateTime);
        let mut line = serializer.serialize_struct("Entry", 8)?;
        line.serialize_field("seq", &self.seq)?;
        line.serialize_field("at", &At(self.at))?;
        line.serialize_field("actor", &self.actor)?;
        line.serialize_field("action", self.change.action())?;
        line.serialize_field("case", &self.case)?;
        match &self.change {
            Change::AlertRaised(data) | Change::AlertJoined(data) | Change::AlertSuperseded(data) => {
                line.serialize_field("data", data)?;
            }
            Change::OutboxDelivered(data) => line.serialize_field("data", data)?,
        }
        line.serialize_field("prev", &self.prev)?;
        line.serialize_field("hash", &self.hash)?;
        line.end()
    }
}
