//! Alerts: what a finding is once it has left the hot path — its identity, its colour, how it merges with an earlier
//! one, and what may be seen of the people in it.
//!
//! Pure: no I/O, no clock. Keeping alerts is `case`'s work, sending them `notify`'s.

mod finding;
pub mod mask;
mod merge;

pub use finding::{Finding, Goods, Party, Subject, SubjectKey};
pub use merge::{Alert, Known, Merged, merge};

use serde::{Deserialize, Serialize};
use std::fmt;
use uuid::Uuid;

/// The colour of a warning. Ordered: yellow < red.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Color {
    /// 黄色预警: worth a person's check.
    Yellow,
    /// 红色预警: danger or crime is likely.
    Red,
}

impl Color {
    /// The word used in topics, JSON and metrics: `yellow` or `red`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Yellow => "yellow",
            Self::Red => "red",
        }
    }
}

impl fmt::Display for Color {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Namespace of alert ids (a random UUID, fixed for ever: it is part of every id).
const ALERT_NAMESPACE: Uuid = Uuid::from_u128(0x6d1f_3a52_5c0b_4e0e_9f27_2f1d_8a64_c3b1);

/// The identity of an alert: a version 5 UUID (RFC 9562) of what the alert is about, so that seeing a record again,
/// here or on another instance, gives the same id.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AlertId(pub Uuid);

impl AlertId {
    /// The id of a detection alert: waybill number and colour.
    pub fn detection(waybill_no: &str, color: Color) -> Self {
        Self(Uuid::new_v5(
            &ALERT_NAMESPACE,
            format!("detection\n{waybill_no}\n{color}").as_bytes(),
        ))
    }
}

impl fmt::Display for AlertId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for AlertId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
