//! What a case is: its state, its tasks and hold orders, and what one alert does to it. Pure: the wall time is given.
//!
//! Which case an alert belongs to is [`super::joining`]'s to say, keeping cases the journal's and the store's.

use super::lifecycle::{State, Step};
use crate::alert::{Alert, AlertId, Color, Subject};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::time::Duration;
use time::{OffsetDateTime, macros::format_description, macros::offset};

/// A department that handles cases or is told of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Department {
    /// 邮政业安全中心.
    Center,
    /// 邮政管理局.
    Regulator,
    /// 公安机关.
    Police,
    /// 检察机关.
    Prosecutor,
    /// 应急管理.
    EmergencyManagement,
    /// 生态环境.
    Environment,
    /// 卫生健康.
    Health,
    /// 新闻出版.
    Publishing,
    /// 国家安全.
    StateSecurity,
    /// 市场监管.
    MarketRegulation,
    /// 林业和草原.
    Forestry,
    /// 海关.
    Customs,
}

use Department::{
    Customs, EmergencyManagement, Environment, Forestry, Health, MarketRegulation, Police, Publishing, StateSecurity,
};

/// Who else is told, by group of the official catalogue. Group 19 and the categories beside the catalogue tell nobody
/// beside the departments that their colour tells.
const ALSO_TOLD: &[(&str, &[Department])] = &[
    ("01", &[Police]),
    ("02", &[Police]),
    ("03", &[Police, EmergencyManagement]),
    ("04", &[EmergencyManagement]),
    ("05", &[EmergencyManagement]),
    ("06", &[EmergencyManagement]),
    ("07", &[Police, EmergencyManagement]),
    ("08", &[Police, Environment]),
    ("09", &[Health]),
    ("10", &[Environment, Police]),
    ("11", &[EmergencyManagement, Environment]),
    ("12", &[Police]),
    ("13", &[Publishing]),
    ("14", &[StateSecurity]),
    ("15", &[Police]),
    ("16", &[MarketRegulation]),
    ("17", &[Forestry, Police]),
    ("18", &[Customs]),
    ("19", &[]),
];

/// Who is told of an alert of that colour and category, beside the department that leads: of a red one police, center
/// and regulator; of either, those that the catalogue names.
fn told(color: Color, category: &str) -> Vec<Department> {
    let lead = lead(color);
    let by_color: &[Department] = match color {
        Color::Yellow => &[],
        Color::Red => &[Department::Center, Department::Regulator],
    };
    let by_category = ALSO_TOLD
        .iter()
        .find(|(group, _)| *group == category)
        .map_or(&[][..], |(_, told)| told);
    let mut all = Vec::with_capacity(by_color.len() + by_category.len());
    for department in by_color.iter().chain(by_category) {
        if *department != lead && !all.contains(department) {
            all.push(*department);
        }
    }
    all
}

/// Who leads a case of that colour.
const fn lead(color: Color) -> Department {
    match color {
        Color::Yellow => Department::Center,
        Color::Red => Department::Police,
    }
}

/// What a task asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TaskKind {
    /// Keep the parcel where it is.
    HoldParcel,
    /// Open it and look.
    OpenInspect,
    /// X-ray it again.
    SecondXray,
    /// Check who sent it.
    IdentityCheck,
    /// Visit the site.
    SiteVisit,
    /// Collect evidence.
    CollectEvidence,
    /// Decide on filing (立案 or 不立案).
    FilingDecision,
}

impl TaskKind {
    /// Every kind.
    pub const ALL: [Self; 7] = [
        Self::HoldParcel,
        Self::OpenInspect,
        Self::SecondXray,
        Self::IdentityCheck,
        Self::SiteVisit,
        Self::CollectEvidence,
        Self::FilingDecision,
    ];

    /// The word used in rules (`respond`), JSON and queries.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::HoldParcel => "hold_parcel",
            Self::OpenInspect => "open_inspect",
            Self::SecondXray => "second_xray",
            Self::IdentityCheck => "identity_check",
            Self::SiteVisit => "site_visit",
            Self::CollectEvidence => "collect_evidence",
            Self::FilingDecision => "filing_decision",
        }
    }

    /// The kind of that name.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }

    /// Who does it: what is done to the parcel, its carrier; what is done to people and papers, a department.
    fn assignee(self, carrier: &str) -> Assignee {
        match self {
            Self::HoldParcel | Self::OpenInspect | Self::SecondXray | Self::IdentityCheck => {
                Assignee::Carrier(carrier.to_owned())
            }
            Self::SiteVisit => Assignee::Department(Department::Regulator),
            Self::CollectEvidence | Self::FilingDecision => Assignee::Department(Department::Police),
        }
    }
}

/// Who a task is issued to: `{"carrier":"YTO"}` or `{"department":"police"}`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Assignee {
    /// A department.
    Department(Department),
    /// A carrier, by code.
    Carrier(String),
}

/// How far a task is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TaskState {
    /// Issued, not yet acknowledged.
    Issued,
    /// Whoever it was issued to knows of it.
    Acknowledged,
    /// Done, with a result.
    Done,
    /// Declined, with a reason.
    Declined,
}

impl TaskState {
    /// True while something is still to be done.
    pub const fn is_open(self) -> bool {
        matches!(self, Self::Issued | Self::Acknowledged)
    }
}

/// One thing that one department or carrier is asked to do about one waybill.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Task {
    /// The case's id and the task's place in it: `330482-20261111-7K3M9Q-1`.
    pub task_id: String,
    /// What is asked for.
    pub kind: TaskKind,
    /// Of whom.
    pub to: Assignee,
    /// How far it is.
    pub state: TaskState,
    /// Wall time of issue.
    #[serde(with = "time::serde::rfc3339")]
    pub issued_at: OffsetDateTime,
    /// Wall time by which it must be acknowledged (red) or done (yellow).
    #[serde(with = "time::serde::rfc3339")]
    pub due_at: OffsetDateTime,
    /// The parcel.
    pub waybill_no: String,
    /// The alert that asks.
    pub alert_id: AlertId,
}

/// An order to a carrier to keep a parcel where it is. It says nothing of why beyond the catalogue group: the reason
/// is not the carrier's to know, what may be dangerous is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HoldOrder {
    /// `hold-<alert id>`: one order per alert, the same whenever it is issued again.
    pub order_id: String,
    /// The case.
    pub case_id: String,
    /// The task that it stands for.
    pub task_id: String,
    /// The alert that asks.
    pub alert_id: AlertId,
    /// Colour of that alert.
    pub color: Color,
    /// Catalogue group `01`–`19`; empty for any other category.
    pub category: String,
    /// The parcel.
    pub waybill_no: String,
    /// Carrier code.
    pub carrier: String,
    /// Where the parcel was when the alert was raised, or empty.
    pub site_code: String,
    /// Name of that site, or empty.
    pub site_name: String,
    /// GB/T 2260 code, or empty.
    pub region: String,
    /// Wall time of issue.
    #[serde(with = "time::serde::rfc3339")]
    pub issued_at: OffsetDateTime,
    /// Wall time by which it must be acknowledged.
    #[serde(with = "time::serde::rfc3339")]
    pub due_at: OffsetDateTime,
}

/// How long departments and carriers have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadlines {
    /// A yellow alert must be verified within this.
    pub verify_within: Duration,
    /// A red alert must be acknowledged within this.
    pub acknowledge_within: Duration,
}

impl Default for Deadlines {
    fn default() -> Self {
        Self {
            verify_within: Duration::from_hours(24),
            acknowledge_within: Duration::from_mins(10),
        }
    }
}

impl Deadlines {
    fn due(&self, color: Color, now: OffsetDateTime) -> OffsetDateTime {
        let within = match color {
            Color::Yellow => self.verify_within,
            Color::Red => self.acknowledge_within,
        };
        now.saturating_add(time::Duration::try_from(within).unwrap_or(time::Duration::MAX))
    }
}

/// A case: alerts about the same subject and category, and what departments do about them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Case {
    /// `<region>-<date>-<code>`; see [`case_id`].
    pub case_id: String,
    /// Where it stands.
    pub state: State,
    /// The graver of its alerts' colours.
    pub color: Color,
    /// Category of the alert that opened it, or of the one that raised it.
    pub category: String,
    /// Who leads.
    pub lead_department: Department,
    /// Who else is told.
    pub told: Vec<Department>,
    /// GB/T 2260 code of the alert that opened it, or empty.
    pub region: String,
    /// Keyed hashes of all identities in its alerts, sorted.
    pub subjects: Vec<Subject>,
    /// Its waybills, in the order they joined.
    pub waybill_nos: Vec<String>,
    /// Its alerts, in the order they joined.
    pub alert_ids: Vec<AlertId>,
    /// Wall time of opening; never changes.
    #[serde(with = "time::serde::rfc3339")]
    pub opened_at: OffsetDateTime,
    /// Wall time of the last change.
    #[serde(with = "time::serde::rfc3339")]
    pub updated_at: OffsetDateTime,
    /// Event time of the latest alert: others join within 30 days of it.
    #[serde(with = "time::serde::rfc3339")]
    pub last_alert_at: OffsetDateTime,
    /// Wall time by which it must be verified (yellow) or acknowledged (red).
    #[serde(with = "time::serde::rfc3339")]
    pub due_at: OffsetDateTime,
    /// Its tasks, in the order they were issued.
    pub tasks: Vec<Task>,
    /// 1 at birth, one more for each change.
    pub revision: u32,
}

/// What an alert did to its case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CaseChange {
    /// Opened it.
    Opened,
    /// Joined it, or brought it new tasks or subjects.
    Joined,
    /// Joined it and turned it red.
    Raised,
    /// Left it as it was.
    None,
}

impl Case {
    /// A new case for an alert, with its tasks; and the hold orders among them.
    pub(super) fn open(
        case_id: String,
        alert: &Alert,
        deadlines: &Deadlines,
        now: OffsetDateTime,
    ) -> (Self, Vec<HoldOrder>) {
        let mut case = Self {
            case_id,
            state: match alert.color {
                Color::Yellow => State::Lead,
                Color::Red => State::Handling,
            },
            color: alert.color,
            category: alert.category.clone(),
            lead_department: lead(alert.color),
            told: told(alert.color, &alert.category),
            region: alert.region.clone(),
            subjects: alert.subjects.clone(),
            waybill_nos: vec![alert.waybill_no.clone()],
            alert_ids: vec![alert.alert_id],
            opened_at: now,
            updated_at: now,
            last_alert_at: alert.occurred_at,
            due_at: deadlines.due(alert.color, now),
            tasks: Vec::new(),
            revision: 1,
        };
        let (_, orders) = case.issue(alert, deadlines, now);
        (case, orders)
    }

    /// Takes a new alert in. A red one raises a yellow case. The case must be open.
    pub(super) fn take_in(
        &mut self,
        alert: &Alert,
        deadlines: &Deadlines,
        now: OffsetDateTime,
    ) -> (CaseChange, Vec<HoldOrder>) {
        debug_assert!(self.state.is_open(), "only open cases are joined");
        self.alert_ids.push(alert.alert_id);
        if !self.waybill_nos.contains(&alert.waybill_no) {
            self.waybill_nos.push(alert.waybill_no.clone());
        }
        self.add_subjects(alert);
        self.last_alert_at = self.last_alert_at.max(alert.occurred_at);
        let raised = alert.color > self.color;
        if raised {
            self.raise(alert, deadlines, now);
        }
        let (_, orders) = self.issue(alert, deadlines, now);
        self.touch(now);
        (if raised { CaseChange::Raised } else { CaseChange::Joined }, orders)
    }

    /// Takes in what a later finding added to an alert that the case already has.
    pub(super) fn follow(
        &mut self,
        alert: &Alert,
        deadlines: &Deadlines,
        now: OffsetDateTime,
    ) -> (CaseChange, Vec<HoldOrder>) {
        let met_someone = self.add_subjects(alert);
        let (issued, orders) = self.issue(alert, deadlines, now);
        if !met_someone && !issued {
            return (CaseChange::None, orders);
        }
        self.touch(now);
        (CaseChange::Joined, orders)
    }

    fn touch(&mut self, now: OffsetDateTime) {
        self.updated_at = now;
        self.revision += 1;
    }

    fn add_subjects(&mut self, alert: &Alert) -> bool {
        let before = self.subjects.len();
        self.subjects.extend_from_slice(&alert.subjects);
        self.subjects.sort();
        self.subjects.dedup();
        self.subjects.len() > before
    }

    /// Turns a yellow case red: the police lead, the graver category is its category, and a new clock runs.
    fn raise(&mut self, alert: &Alert, deadlines: &Deadlines, now: OffsetDateTime) {
        self.color = alert.color;
        self.state = self.state.after(Step::Raise).unwrap_or(self.state);
        self.lead_department = lead(alert.color);
        if !alert.category.is_empty() {
            self.category.clone_from(&alert.category);
        }
        self.told.extend(told(alert.color, &alert.category));
        self.told.sort_unstable();
        self.told.dedup();
        self.told.retain(|department| *department != self.lead_department);
        self.due_at = deadlines.due(alert.color, now);
    }

    /// Issues what the alert asks for and is not yet asked of the same people for the same parcel. A red alert that asks
    /// for what a yellow one already asked takes the task over, with its shorter time. Says if any task was issued or
    /// taken over, and gives the hold orders to send.
    fn issue(&mut self, alert: &Alert, deadlines: &Deadlines, now: OffsetDateTime) -> (bool, Vec<HoldOrder>) {
        let due_at = deadlines.due(alert.color, now);
        let mut orders = Vec::new();
        let mut issued = false;
        for kind in asked(alert) {
            let to = kind.assignee(&alert.carrier);
            let place = self.tasks.iter().position(|task| {
                task.kind == kind && task.to == to && task.waybill_no == alert.waybill_no && task.state.is_open()
            });
            let task = match place {
                Some(place) if self.tasks[place].alert_id == alert.alert_id => continue,
                Some(place) => {
                    let task = &mut self.tasks[place];
                    task.alert_id = alert.alert_id;
                    task.due_at = task.due_at.min(due_at);
                    &*task
                }
                None => {
                    let task_id = format!("{}-{}", self.case_id, self.tasks.len() + 1);
                    self.tasks.push(Task {
                        task_id,
                        kind,
                        to,
                        state: TaskState::Issued,
                        issued_at: now,
                        due_at,
                        waybill_no: alert.waybill_no.clone(),
                        alert_id: alert.alert_id,
                    });
                    &self.tasks[self.tasks.len() - 1]
                }
            };
            issued = true;
            if kind == TaskKind::HoldParcel {
                orders.push(hold_order(&self.case_id, task, alert, now));
            }
        }
        (issued, orders)
    }
}

/// What an alert asks for: what its rules say; of a red one first of all a hold; of a yellow one whose rules say
/// nothing, opening. A red parcel is opened only where a rule asks for it: what is in it may not bear opening. Words
/// that are no task are skipped; the rule set refuses them before they get here.
fn asked(alert: &Alert) -> Vec<TaskKind> {
    let mut kinds = match alert.color {
        Color::Yellow => Vec::new(),
        Color::Red => vec![TaskKind::HoldParcel],
    };
    for kind in alert.respond.iter().filter_map(|word| TaskKind::parse(word)) {
        if !kinds.contains(&kind) {
            kinds.push(kind);
        }
    }
    if kinds.is_empty() {
        kinds.push(TaskKind::OpenInspect);
    }
    kinds
}

fn hold_order(case_id: &str, task: &Task, alert: &Alert, now: OffsetDateTime) -> HoldOrder {
    let catalogued = ALSO_TOLD.iter().any(|(group, _)| *group == alert.category);
    HoldOrder {
        order_id: format!("hold-{}", alert.alert_id),
        case_id: case_id.to_owned(),
        task_id: task.task_id.clone(),
        alert_id: alert.alert_id,
        color: alert.color,
        category: if catalogued {
            alert.category.clone()
        } else {
            String::new()
        },
        waybill_no: alert.waybill_no.clone(),
        carrier: alert.carrier.clone(),
        site_code: alert.site_code.clone(),
        site_name: alert.site_name.clone(),
        region: alert.region.clone(),
        issued_at: now,
        due_at: task.due_at,
    }
}

/// Characters of a case id's code: 30 bits, which two alerts of one region and day share once in a billion.
const CODE_CHARS: usize = 6;

/// Characters that a code may grow to when it is taken: the whole hash, 51 whole characters of five bits.
const CODE_CHARS_MAX: usize = 51;

/// Crockford's base 32: no I, L, O, U, so that a case id can be read out over the telephone.
const CROCKFORD: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// The id of the case that an alert opens: `<region>-<date>-<code>`, such as `330482-20261111-7K3M9Q`.
///
/// The region is the alert's code filled with zeros to six digits, or `000000`; the date that of the event in China
/// (+08:00); the code the first characters of SHA-256 of the alert id in Crockford's base 32: six, or one more for each
/// id that `taken` says another case has. So opening a case again after a crash gives the same id.
pub(super) fn case_id<E>(alert: &Alert, mut taken: impl FnMut(&str) -> Result<bool, E>) -> Result<String, E> {
    let day = alert
        .occurred_at
        .checked_to_offset(offset!(+8))
        .unwrap_or(alert.occurred_at)
        .format(format_description!("[year repr:full][month][day]"))
        .unwrap_or_else(|_| "00000000".to_owned());
    let code = crockford(&Sha256::digest(alert.alert_id.0.as_bytes()));
    let head = format!("{}-{day}-", region6(&alert.region));
    for chars in CODE_CHARS..CODE_CHARS_MAX {
        let id = format!("{head}{}", &code[..chars]);
        if !taken(&id)? {
            return Ok(id);
        }
    }
    Ok(head + &code)
}

/// A region code as six digits: `3304` → `330400`; anything that is no code → `000000`.
fn region6(region: &str) -> String {
    if region.len() <= 6 && region.bytes().all(|b| b.is_ascii_digit()) {
        format!("{region:0<6}")
    } else {
        "000000".to_owned()
    }
}

fn crockford(hash: &[u8]) -> String {
    let mut code = String::with_capacity(CODE_CHARS_MAX);
    let (mut bits, mut held) = (0_u32, 0_u32);
    for byte in hash {
        bits = (bits << 8) | u32::from(*byte);
        held += 8;
        while held >= 5 && code.len() < CODE_CHARS_MAX {
            held -= 5;
            code.push(CROCKFORD[(bits >> held) as usize & 31] as char);
        }
    }
    code
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::{Finding, Known, Merged, merge};
    use crate::case::testing::{NOW, red, yellow};
    use time::macros::datetime;

    fn raised(finding: &Finding) -> Alert {
        match merge(finding, &Known::default(), NOW) {
            Merged::Raised(alert) => *alert,
            other => panic!("{other:?}"),
        }
    }

    fn open(finding: &Finding) -> (Case, Vec<HoldOrder>) {
        Case::open(
            "330482-20261111-000001".into(),
            &raised(finding),
            &Deadlines::default(),
            NOW,
        )
    }

    fn tasks(case: &Case) -> Vec<(TaskKind, &Assignee)> {
        case.tasks.iter().map(|task| (task.kind, &task.to)).collect()
    }

    #[test]
    fn who_is_told_follows_colour_and_catalogue() {
        use Department::*;
        let rows: &[(Color, &str, &[Department])] = &[
            (Color::Yellow, "01", &[Police]),
            (Color::Yellow, "09", &[Health]),
            (Color::Yellow, "17", &[Forestry, Police]),
            (Color::Yellow, "19", &[]),
            (Color::Yellow, "C1", &[]),
            (Color::Yellow, "", &[]),
            (Color::Red, "01", &[Center, Regulator]),
            (Color::Red, "03", &[Center, Regulator, EmergencyManagement]),
            (Color::Red, "W1", &[Center, Regulator]),
        ];
        for (color, category, expected) in rows {
            assert_eq!(told(*color, category), *expected, "{color} {category}");
        }
        let groups: Vec<String> = (1..=19).map(|n| format!("{n:02}")).collect();
        assert_eq!(ALSO_TOLD.iter().map(|row| row.0).collect::<Vec<_>>(), groups);
    }

    #[test]
    fn a_yellow_case_is_a_lead_with_a_task_for_the_carrier() {
        let (case, orders) = open(&yellow("YT1", "r1", &["s1"]));
        assert_eq!((case.state, case.lead_department), (State::Lead, Department::Center));
        assert_eq!(
            tasks(&case),
            [(TaskKind::OpenInspect, &Assignee::Carrier("YTO".into()))]
        );
        assert_eq!(case.due_at, NOW + time::Duration::hours(24));
        assert_eq!(case.tasks[0].task_id, "330482-20261111-000001-1");
        assert!(orders.is_empty());
    }

    #[test]
    fn a_red_case_is_in_handling_with_the_hold_order_out() {
        let (case, orders) = open(&Finding {
            respond: vec!["collect_evidence".into()],
            ..red("YT1", "r1", &["s1"])
        });
        assert_eq!(
            (case.state, case.lead_department),
            (State::Handling, Department::Police)
        );
        let police = Assignee::Department(Department::Police);
        let carrier = Assignee::Carrier("YTO".into());
        assert_eq!(
            tasks(&case),
            [(TaskKind::HoldParcel, &carrier), (TaskKind::CollectEvidence, &police)]
        );
        assert_eq!(
            (case.due_at, orders[0].due_at),
            (NOW + time::Duration::minutes(10), case.due_at)
        );
        assert_eq!(
            (orders.len(), orders[0].waybill_no.as_str(), orders[0].category.as_str()),
            (1, "YT1", "12")
        );
        assert_eq!(orders[0].order_id, format!("hold-{}", case.alert_ids[0]));
    }

    #[test]
    fn a_hold_order_does_not_say_what_the_carrier_must_not_know() {
        let (_, orders) = open(&Finding {
            category: "W1".into(),
            ..red("YT1", "名单", &["s1"])
        });
        let said = serde_json::to_string(&orders).expect("JSON");
        assert!(!said.contains("W1") && !said.contains("名单"), "{said}");
    }

    #[test]
    fn a_red_alert_raises_a_yellow_case_and_takes_its_hold_over() {
        let asks = Finding {
            respond: vec!["hold_parcel".into()],
            ..yellow("YT1", "r1", &["s1"])
        };
        let (mut case, orders) = open(&asks);
        assert_eq!(orders.len(), 1);
        let gun = Finding {
            category: "01".into(),
            ..red("YT1", "r9", &["s2"])
        };
        let (change, orders) = case.take_in(&raised(&gun), &Deadlines::default(), NOW);
        assert_eq!(change, CaseChange::Raised);
        assert_eq!(
            (case.state, case.color, case.category.as_str()),
            (State::Handling, Color::Red, "01")
        );
        assert_eq!(case.told, [Department::Center, Department::Regulator]);
        assert_eq!(
            (case.tasks.len(), case.tasks[0].due_at),
            (1, NOW + time::Duration::minutes(10))
        );
        assert_eq!((orders.len(), orders[0].alert_id), (1, case.alert_ids[1]));
        assert_eq!((case.waybill_nos.len(), case.subjects.len(), case.revision), (1, 2, 2));
    }

    #[test]
    fn a_later_finding_changes_the_case_only_by_tasks_and_subjects() {
        let (mut case, _) = open(&yellow("YT1", "r1", &["s1"]));
        let before = case.clone();
        let mut alert = raised(&yellow("YT1", "r1", &["s1"]));
        assert_eq!(case.follow(&alert, &Deadlines::default(), NOW).0, CaseChange::None);
        assert_eq!(case, before);
        alert.respond = vec!["second_xray".into()];
        assert_eq!(case.follow(&alert, &Deadlines::default(), NOW).0, CaseChange::Joined);
        assert_eq!((case.tasks.len(), case.revision), (2, 2));
    }

    #[test]
    fn a_case_id_can_be_read_out_and_grows_when_taken() {
        let at = |occurred_at, region: &str| {
            let alert = raised(&Finding {
                occurred_at,
                region: region.into(),
                ..yellow("YT1", "r1", &[])
            });
            case_id(&alert, |_| Ok::<_, ()>(false)).expect("an id")
        };
        let id = at(datetime!(2026-11-11 23:30 UTC), "330482");
        assert_eq!(id, at(datetime!(2026-11-12 07:30 +8), "330482"), "the date is China's");
        assert!(id.starts_with("330482-20261112-"), "{id}");
        assert_eq!(id.len(), 6 + 1 + 8 + 1 + 6);
        assert!(id[16..].bytes().all(|b| CROCKFORD.contains(&b)), "{id}");
        for (region, shown) in [
            ("33", "330000"),
            ("", "000000"),
            ("３３", "000000"),
            ("3304821", "000000"),
        ] {
            assert!(
                at(datetime!(2026-11-12 07:30 +8), region).starts_with(&format!("{shown}-")),
                "{region}"
            );
        }
        let latest = datetime!(9999-12-31 23:59 UTC);
        assert!(
            at(latest, "330482").starts_with("330482-99991231-"),
            "no date after that in China"
        );

        let alert = raised(&yellow("YT1", "r1", &[]));
        let mut tried = Vec::new();
        let id = case_id(&alert, |id| {
            tried.push(id.to_owned());
            Ok::<_, ()>(tried.len() < 4)
        });
        let id = id.expect("an id");
        assert_eq!(id.len(), 6 + 1 + 8 + 1 + 9);
        assert!(tried.iter().all(|shorter| id.starts_with(shorter.as_str())));
        assert!(case_id(&alert, |_| Ok::<_, ()>(true)).expect("an id").len() > 60);
    }

    #[test]
    fn base_32_is_crockfords() {
        assert_eq!(crockford(&[0, 0, 0, 0, 1]), "00000001");
        assert_eq!(crockford(&[0xff; 5]), "ZZZZZZZZ");
    }
}
