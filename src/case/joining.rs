//! Which case an alert belongs to: the open case of its own waybill's earlier alert, or one about the same subject and
//! category within 30 days, or a new one.
//!
//! Works on the findings of one group in order, each on what the ones before it left. Writing the changes down is the
//! desk's work; what an alert does to its case is the model's.

use super::entry::{AlertChange, Change};
use super::model::{Case, CaseChange, Deadlines, HoldOrder, case_id};
use super::store::{OpenCase, Store, StoreError};
use crate::alert::{Alert, AlertId, Color, Finding, Known, Merged, Subject, merge};
use std::collections::{BTreeSet, HashMap};
use time::{Duration, OffsetDateTime};

/// An alert joins an open case whose latest alert is at most this far from it, in event time.
pub const JOIN_WITHIN: Duration = Duration::days(30);

/// Alerts in a case at most, beside red ones that take the place of a yellow one of the case. The next alert opens
/// another case: an entry carries the whole case, and nobody works through a longer one.
pub const CASE_ALERTS_MAX: usize = 200;

/// What became of a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fate {
    /// It raised a new alert.
    Raised,
    /// It brought new hits to an alert.
    Joined,
    /// It raised a red alert in the place of a yellow one.
    Superseded,
    /// It said nothing new.
    Seen,
    /// It could not be written down: it has a time that RFC 3339 cannot say, or is larger than a line can be. Decoding
    /// lets no such record through.
    Refused,
}

/// Where a finding ended up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// What became of it.
    pub fate: Fate,
    /// Its alert.
    pub alert_id: AlertId,
    /// Its case; `None` if it was refused.
    pub case_id: Option<String>,
}

/// The state that the changes of one group lead to, over what the store has.
pub(super) struct Pending<'a> {
    store: &'a dyn Store,
    deadlines: Deadlines,
    now: OffsetDateTime,
    known: HashMap<String, Known>,
    cases: HashMap<String, Case>,
    open: HashMap<(Subject, String), BTreeSet<String>>,
}

/// A finding's outcome, and the change that it makes, if it makes one.
pub(super) type Settled = (Outcome, Option<Change>);

impl<'a> Pending<'a> {
    /// Nothing pending, at wall time `now`.
    pub(super) fn new(store: &'a dyn Store, deadlines: Deadlines, now: OffsetDateTime) -> Self {
        Self {
            store,
            deadlines,
            now,
            known: HashMap::new(),
            cases: HashMap::new(),
            open: HashMap::new(),
        }
    }

    /// Works out what a finding changes. Nothing is pending until the change is given to [`Self::put`].
    pub(super) fn settle(&mut self, finding: &Finding) -> Result<Settled, StoreError> {
        let now = self.now;
        let known = self.known(&finding.waybill_no)?;
        let merged = merge(finding, known, now);
        let alert_id = merged.alert_id();
        let change = match merged {
            Merged::Seen(_) => {
                let alert = known.red.as_ref().or(known.yellow.as_ref());
                let case_id = alert.and_then(|alert| alert.case_id.clone());
                return Ok((
                    Outcome {
                        fate: Fate::Seen,
                        alert_id,
                        case_id,
                    },
                    None,
                ));
            }
            Merged::Raised(alert) => Change::AlertRaised(self.place(*alert)?),
            Merged::Joined(alert) => Change::AlertJoined(self.follow(*alert)?),
            Merged::Superseded { red, yellow } => Change::AlertSuperseded(self.supersede(*red, *yellow)?),
        };
        let fate = match &change {
            Change::AlertRaised(_) => Fate::Raised,
            Change::AlertJoined(_) => Fate::Joined,
            _ => Fate::Superseded,
        };
        Ok((
            Outcome {
                fate,
                alert_id,
                case_id: change.case_id().map(str::to_owned),
            },
            Some(change),
        ))
    }

    /// Makes a change part of what the next finding meets.
    pub(super) fn put(&mut self, change: &Change) {
        let Some(AlertChange {
            alert,
            superseded,
            case,
            ..
        }) = change.alert_change()
        else {
            return;
        };
        let known = self.known.entry(alert.waybill_no.clone()).or_default();
        for alert in superseded.iter().chain([alert]) {
            match alert.color {
                Color::Yellow => known.yellow = Some(alert.clone()),
                Color::Red => known.red = Some(alert.clone()),
            }
        }
        for subject in &case.subjects {
            let open = self.open.entry((subject.clone(), case.category.clone())).or_default();
            open.insert(case.case_id.clone());
        }
        self.cases.insert(case.case_id.clone(), case.clone());
    }

    /// A new alert: joins the case that it belongs to, or opens one.
    fn place(&mut self, alert: Alert) -> Result<AlertChange, StoreError> {
        match self.host(&alert)? {
            Some(case) => Ok(self.join(alert, None, case)),
            None => self.open(alert, None),
        }
    }

    /// A red alert in the place of a yellow one: joins the yellow one's case, if that is still open.
    fn supersede(&mut self, red: Alert, yellow: Alert) -> Result<AlertChange, StoreError> {
        let own = match &yellow.case_id {
            Some(case_id) => self.case(case_id)?.filter(|case| case.state.is_open()),
            None => None,
        };
        let host = match own {
            Some(case) => Some(case),
            None => self.host(&red)?,
        };
        match host {
            Some(case) => Ok(self.join(red, Some(yellow), case)),
            None => self.open(red, Some(yellow)),
        }
    }

    /// New hits for an alert: its case gets what they add, if it is open; a closed one stays as it is.
    fn follow(&mut self, alert: Alert) -> Result<AlertChange, StoreError> {
        let case = match &alert.case_id {
            Some(case_id) => self.case(case_id)?,
            None => None,
        };
        let Some(mut case) = case else { return self.place(alert) };
        let (case_change, orders) = if case.state.is_open() {
            case.follow(&alert, &self.deadlines, self.now)
        } else {
            (CaseChange::None, Vec::new())
        };
        Ok(change(alert, None, case, orders, case_change))
    }

    fn join(&self, alert: Alert, superseded: Option<Alert>, mut case: Case) -> AlertChange {
        let (case_change, orders) = case.take_in(&alert, &self.deadlines, self.now);
        change(alert, superseded, case, orders, case_change)
    }

    fn open(&mut self, alert: Alert, superseded: Option<Alert>) -> Result<AlertChange, StoreError> {
        let id = case_id(&alert, |id| Ok::<_, StoreError>(self.case(id)?.is_some()))?;
        let (case, orders) = Case::open(id, &alert, &self.deadlines, self.now);
        Ok(change(alert, superseded, case, orders, CaseChange::Opened))
    }

    /// The open case that an alert joins by subject and category. Of several the one with the latest alert, then the
    /// first by id, so that the choice does not depend on the order in which they are found.
    fn host(&self, alert: &Alert) -> Result<Option<Case>, StoreError> {
        let mut host: Option<Case> = None;
        for id in self.candidates(alert)? {
            let Some(case) = self.case(&id)? else { continue };
            let near = (case.last_alert_at - alert.occurred_at).abs() <= JOIN_WITHIN;
            let room = case.alert_ids.len() < CASE_ALERTS_MAX;
            let later = host.as_ref().is_none_or(|host| case.last_alert_at > host.last_alert_at);
            if case.state.is_open() && case.category == alert.category && near && room && later {
                host = Some(case);
            }
        }
        Ok(host)
    }

    fn candidates(&self, alert: &Alert) -> Result<BTreeSet<String>, StoreError> {
        let mut ids = BTreeSet::new();
        for subject in &alert.subjects {
            let open = self.store.open_cases(subject, &alert.category)?;
            // Long-known subjects have many cases, most of them too old or full; the store's times are cut short.
            let near =
                |case: &OpenCase| (case.last_alert_at - alert.occurred_at).abs() <= JOIN_WITHIN + Duration::SECOND;
            let hosts = open
                .into_iter()
                .filter(|case| case.alerts < CASE_ALERTS_MAX && near(case));
            ids.extend(hosts.map(|case| case.case_id));
            if let Some(open) = self.open.get(&(subject.clone(), alert.category.clone())) {
                ids.extend(open.iter().cloned());
            }
        }
        Ok(ids)
    }

    fn known(&mut self, waybill_no: &str) -> Result<&Known, StoreError> {
        if !self.known.contains_key(waybill_no) {
            let known = self.store.known(waybill_no)?;
            self.known.insert(waybill_no.to_owned(), known);
        }
        Ok(&self.known[waybill_no])
    }

    fn case(&self, case_id: &str) -> Result<Option<Case>, StoreError> {
        match self.cases.get(case_id) {
            Some(case) => Ok(Some(case.clone())),
            None => self.store.case(case_id),
        }
    }
}

/// Alert and superseded alert get the case's id; the superseded one keeps its own if it has one.
fn change(
    mut alert: Alert,
    mut superseded: Option<Alert>,
    case: Case,
    orders: Vec<HoldOrder>,
    case_change: CaseChange,
) -> AlertChange {
    alert.case_id = Some(case.case_id.clone());
    if let Some(superseded) = &mut superseded {
        superseded.case_id.get_or_insert_with(|| case.case_id.clone());
    }
    AlertChange {
        alert,
        superseded,
        case,
        orders,
        case_change,
    }
}
