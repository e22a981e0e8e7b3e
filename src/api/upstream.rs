//! What the API asks of the engine around it. The engine answers; the API knows none of its parts.

use crate::alert::{AlertId, Color, Finding};
use crate::case::{Fate, Outcome};
use crate::waybill::Refusal;
use axum::body::Bytes;
use serde::Serialize;
use time::OffsetDateTime;

/// The engine as the API sees it. None of its answers may wait for anything but [`Engine::submit`], which is called on a
/// thread that may block.
pub trait Engine: Send + Sync + 'static {
    /// Screens the records of a body, one a line. Returns when they are screened and whatever they raised is durable.
    fn submit(&self, body: Bytes) -> Result<Receipt, NotTaken>;

    /// Counts since the start, over all sources.
    fn totals(&self) -> Totals;

    /// The rules now in force.
    fn rules(&self) -> RulesInForce;

    /// Why the engine is not ready for work; empty when it is.
    fn unready(&self) -> Vec<Unready>;

    /// The metrics in Prometheus' text format.
    fn metrics(&self) -> String;
}

/// What became of a body of records. `received = screened + refused.len()`.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Receipt {
    /// Records in the body; blank lines are none.
    pub received: u64,
    /// Records that were screened.
    pub screened: u64,
    /// Records that were not, in order of line.
    pub refused: Vec<Refused>,
    /// What the screened ones raised or joined, in order of record.
    pub alerts: Vec<Raised>,
    /// Digest of the rule set that screened them.
    pub rule_set: String,
}

/// A record that was not screened, and why; never a value from the record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Refused {
    /// Line in the body, from 1.
    pub line: u64,
    /// The kind of fault, as in metrics: `not_json`, `missing_field`, ….
    pub reason: String,
    /// Dotted path of the field at fault; empty when it is the record as a whole.
    pub field: String,
    /// What is wrong and what would be right.
    pub detail: String,
}

impl Refused {
    /// The refusal of the record on a line.
    pub fn new(line: u64, refusal: Refusal) -> Self {
        Self {
            line,
            reason: refusal.reason.to_string(),
            field: refusal.field,
            detail: refusal.detail.into_owned(),
        }
    }
}

/// What one record did to the alert of its waybill.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Raised {
    /// The alert.
    pub alert_id: AlertId,
    /// Colour of the finding: a yellow finding of a waybill that has a red alert joins that one.
    pub color: Color,
    /// Waybill number.
    pub waybill_no: String,
    /// The case that the alert belongs to.
    pub case_id: Option<String>,
    /// `raised`, `joined`, `superseded`, `seen`; `refused` for what no journal can hold.
    pub outcome: &'static str,
}

impl Raised {
    /// What the desk made of a finding.
    pub fn new(finding: Finding, outcome: Outcome) -> Self {
        Self {
            alert_id: outcome.alert_id,
            color: finding.color,
            waybill_no: finding.waybill_no,
            case_id: outcome.case_id,
            outcome: match outcome.fate {
                Fate::Raised => "raised",
                Fate::Joined => "joined",
                Fate::Superseded => "superseded",
                Fate::Seen => "seen",
                Fate::Refused => "refused",
            },
        }
    }
}

/// Why a body was not taken. Nothing of it was screened, or all of it may safely be sent again.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotTaken {
    /// As many bodies as may wait are waiting.
    #[error("screening is behind; send again after {retry_after_s} s")]
    Busy {
        /// Seconds after which it may do.
        retry_after_s: u64,
    },
    /// The engine can't keep alerts now (journal failed, disk full, stopping).
    #[error("{0}")]
    Unavailable(String),
}

/// Records since the start of the program, over all sources. `taken = screened + refused` when nothing is in flight.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Records that came in.
    pub taken: u64,
    /// Records screened.
    pub screened: u64,
    /// Records refused, for whatever reason.
    pub refused: u64,
    /// Records that wait in Kafka, where Kafka is read and the lag is known.
    pub lag: Option<u64>,
}

/// The rule set that screens now.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RulesInForce {
    /// Its digest.
    pub digest: String,
    /// Rules in it.
    pub rules: usize,
    /// When it was loaded.
    #[serde(with = "time::serde::rfc3339")]
    pub loaded_at: OffsetDateTime,
    /// True while the folder holds a newer set that failed to load.
    pub stale: bool,
}

/// One reason for which the engine is not ready.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Unready {
    /// The part: `rules`, `desk`, `kafka`, ….
    pub part: &'static str,
    /// What is the matter with it, for an operator.
    pub reason: String,
}
