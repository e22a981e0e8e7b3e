//! The store: the current state of alerts and cases, as a trait. What is behind it may be lost at any time and is built
//! again from the journal; [`super::sled`] is the embedded one.
//!
//! The journal decides what is true and in what order; a store only puts the states that entries carry, and answers.

use super::chain::{Head, JournalError, Place, Placed};
use super::entry::Entry;
use super::lifecycle::State;
use super::model::Case;
use crate::alert::{Alert, AlertId, Color, Known, Subject};
use time::OffsetDateTime;

/// Items on a page at most.
pub const PAGE_ITEMS_MAX: usize = 200;

/// Items on a page if the query does not say.
pub const PAGE_ITEMS: usize = 50;

/// Rows looked at for one page at most. A page of a query that few rows fit may end early, with a cursor to go on from.
pub const PAGE_ROWS_MAX: usize = 20_000;

/// Entries given at once at most.
pub const ENTRIES_MAX: usize = 1_000;

/// What goes wrong with a store.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// It could not be read or written for a reason outside it: disk full, no permission, locked.
    #[error("store: {0}; free space or fix permissions, nothing is lost")]
    Io(String),
    /// Its content is damaged. It is rebuilt from the journal.
    #[error("store: damaged: {0}; it is rebuilt from the journal on the next start")]
    Damaged(String),
    /// The journal could not be read.
    #[error("store: {0}")]
    Journal(#[from] JournalError),
    /// A page cursor that this store did not make.
    #[error("{0:?} is no cursor; pass back `next` of the page before, unchanged, or none")]
    Cursor(String),
    /// It panicked. It is opened again.
    #[error("store: panicked: {0}; it is opened again")]
    Panicked(String),
    /// The desk has ended.
    #[error("store: closed; the desk is stopped")]
    Closed,
    /// It is being opened again after a failure.
    #[error("store: being opened again after a failure; try again in a moment")]
    Away,
}

/// The last entry applied, and where its line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Applied {
    /// The entry.
    pub head: Head,
    /// Its line in the journal.
    pub place: Place,
}

/// What is enough to see that an alert does not join a case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenCase {
    /// The case.
    pub case_id: String,
    /// Event time of its latest alert, to the microsecond.
    pub last_alert_at: OffsetDateTime,
    /// How many alerts it has.
    pub alerts: usize,
}

/// Current state.
pub trait Store: Send + Sync {
    /// The last entry applied; `None` in an empty store.
    fn applied(&self) -> Result<Option<Applied>, StoreError>;

    /// Puts the states that the entries carry and moves [`Self::applied`] to the last of them: all of it or nothing.
    /// Entries come in order, each directly after the one applied before.
    fn apply(&self, entries: &[Placed]) -> Result<(), StoreError>;

    /// Makes everything applied durable, so that less is to be caught up with after a crash.
    fn flush(&self) -> Result<(), StoreError>;

    /// An alert by id.
    fn alert(&self, id: AlertId) -> Result<Option<Alert>, StoreError>;

    /// What is known of a waybill.
    fn known(&self, waybill_no: &str) -> Result<Known, StoreError> {
        Ok(Known {
            yellow: self.alert(AlertId::detection(waybill_no, Color::Yellow))?,
            red: self.alert(AlertId::detection(waybill_no, Color::Red))?,
        })
    }

    /// A case by id.
    fn case(&self, case_id: &str) -> Result<Option<Case>, StoreError>;

    /// The open cases about a subject, of a category, in order of their ids.
    fn open_cases(&self, subject: &Subject, category: &str) -> Result<Vec<OpenCase>, StoreError>;

    /// Alerts, newest first by event time.
    fn alerts(&self, query: &AlertQuery) -> Result<Page<Alert>, StoreError>;

    /// Cases, newest first by time of opening.
    fn cases(&self, query: &CaseQuery) -> Result<Page<Case>, StoreError>;

    /// The entries after a number, in order, [`ENTRIES_MAX`] at most.
    fn entries_after(&self, seq: u64, limit: usize) -> Result<Vec<Entry>, StoreError>;

    /// The last entries about a case, in order, [`ENTRIES_MAX`] at most.
    fn timeline(&self, case_id: &str, limit: usize) -> Result<Vec<Entry>, StoreError>;

    /// The entry up to which a sink has everything; 0 at first.
    fn delivered(&self, sink: &str) -> Result<u64, StoreError>;

    /// How many alerts and cases there are.
    fn counts(&self) -> Result<Counts, StoreError>;
}

/// How much a store holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Alerts.
    pub alerts: u64,
    /// Cases.
    pub cases: u64,
}

/// Some items, and how to get the next ones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T> {
    /// The items; fewer than asked for, even none, does not mean that there are no more: `next` does.
    pub items: Vec<T>,
    /// Pass it as `after` to get the next page; `None` at the end.
    pub next: Option<String>,
}

/// Which alerts. Blank fields do not filter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AlertQuery {
    /// Of this colour.
    pub color: Option<Color>,
    /// Of this category.
    pub category: Option<String>,
    /// Of this carrier.
    pub carrier: Option<String>,
    /// Whose region starts with this.
    pub region_prefix: Option<String>,
    /// Of this waybill.
    pub waybill_no: Option<String>,
    /// Of this case.
    pub case_id: Option<String>,
    /// `true`: superseded ones only; `false`: none of them.
    pub superseded: Option<bool>,
    /// Event time of the first sighting at or after this.
    pub from: Option<OffsetDateTime>,
    /// Event time of the first sighting before this.
    pub to: Option<OffsetDateTime>,
    /// `next` of the page before.
    pub after: Option<String>,
    /// Items wanted: 1 to [`PAGE_ITEMS_MAX`]; [`PAGE_ITEMS`] if it does not say.
    pub limit: Option<usize>,
}

impl AlertQuery {
    /// Whether an alert is among those asked for.
    pub fn accepts(&self, alert: &Alert) -> bool {
        self.color.is_none_or(|color| alert.color == color)
            && same(self.category.as_ref(), &alert.category)
            && same(self.carrier.as_ref(), &alert.carrier)
            && self
                .region_prefix
                .as_ref()
                .is_none_or(|prefix| alert.region.starts_with(prefix.as_str()))
            && same(self.waybill_no.as_ref(), &alert.waybill_no)
            && self
                .case_id
                .as_ref()
                .is_none_or(|case_id| alert.case_id.as_ref() == Some(case_id))
            && self
                .superseded
                .is_none_or(|superseded| alert.superseded_by.is_some() == superseded)
            && self.from.is_none_or(|from| alert.occurred_at >= from)
            && self.to.is_none_or(|to| alert.occurred_at < to)
    }
}

/// Which cases. Blank fields do not filter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CaseQuery {
    /// In this state.
    pub state: Option<State>,
    /// Of this colour.
    pub color: Option<Color>,
    /// Of this category.
    pub category: Option<String>,
    /// Whose region starts with this.
    pub region_prefix: Option<String>,
    /// With this waybill.
    pub waybill_no: Option<String>,
    /// Open ones only.
    pub open_only: bool,
    /// Opened at or after this wall time.
    pub from: Option<OffsetDateTime>,
    /// Opened before this wall time.
    pub to: Option<OffsetDateTime>,
    /// `next` of the page before.
    pub after: Option<String>,
    /// Items wanted: 1 to [`PAGE_ITEMS_MAX`]; [`PAGE_ITEMS`] if it does not say.
    pub limit: Option<usize>,
}

impl CaseQuery {
    /// Whether a case is among those asked for.
    pub fn accepts(&self, case: &Case) -> bool {
        self.state.is_none_or(|state| case.state == state)
            && self.color.is_none_or(|color| case.color == color)
            && same(self.category.as_ref(), &case.category)
            && self
                .region_prefix
                .as_ref()
                .is_none_or(|prefix| case.region.starts_with(prefix.as_str()))
            && self
                .waybill_no
                .as_ref()
                .is_none_or(|waybill_no| case.waybill_nos.contains(waybill_no))
            && (!self.open_only || case.state.is_open())
            && self.from.is_none_or(|from| case.opened_at >= from)
            && self.to.is_none_or(|to| case.opened_at < to)
    }
}

fn same(wanted: Option<&String>, value: &str) -> bool {
    wanted.is_none_or(|wanted| wanted == value)
}

/// How many items a query gets.
pub(super) fn page_items(limit: Option<usize>) -> usize {
    limit.unwrap_or(PAGE_ITEMS).clamp(1, PAGE_ITEMS_MAX)
}
