//! Merging: what one more finding changes in what is known of its waybill.
//!
//! A waybill has at most one yellow and one red alert. Later findings join the alert that there is; a red one supersedes
//! the yellow one, and from then on everything joins the red one. The outcome is named, and seeing a finding again has
//! the outcome [`Merged::Seen`]: replaying a stream from any earlier point changes nothing that it already changed.
//! Which case an alert belongs to is `case`'s to say.

use super::{AlertId, Color, Finding, Goods, Party, Subject};
use crate::screen::Hit;
use serde::{Deserialize, Serialize};
use std::cmp::Reverse;
use time::OffsetDateTime;

/// An alert as it is stored and served: everything that its sightings said, masked as the findings were.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Alert {
    /// What it is about, hashed: see [`AlertId`].
    pub alert_id: AlertId,
    /// Yellow or red.
    pub color: Color,
    /// Waybill number.
    pub waybill_no: String,
    /// Carrier code.
    pub carrier: String,
    /// Category of the finding that raised it.
    pub category: String,
    /// Sum over the rules that hit, each rule once.
    pub score: u32,
    /// Hits of all sightings, strongest first, each once by rule, field and term.
    pub hits: Vec<Hit>,
    /// What the rules ask for, without repeats, in the order first asked.
    pub respond: Vec<String>,
    /// The goods as declared at the first sighting.
    pub goods: Goods,
    /// The sender, masked; what the first sighting left blank is filled from later ones.
    pub sender: Party,
    /// The receiver, masked; filled likewise.
    pub receiver: Party,
    /// Keyed hashes of the identities seen, sorted.
    pub subjects: Vec<Subject>,
    /// GB/T 2260 code that decides who handles it, or empty.
    pub region: String,
    /// Code of the site of the first sighting, or empty.
    pub site_code: String,
    /// Name of that site, or empty.
    pub site_name: String,
    /// `inbound`, `outbound`, `transit`, or empty.
    pub direction: String,
    /// The waybill event of the first sighting.
    pub event: String,
    /// Event time of the first sighting; never changes.
    #[serde(with = "time::serde::rfc3339")]
    pub occurred_at: OffsetDateTime,
    /// Latest event time of the sightings that said something new.
    #[serde(with = "time::serde::rfc3339")]
    pub last_seen_at: OffsetDateTime,
    /// Wall time at which it was raised.
    #[serde(with = "time::serde::rfc3339")]
    pub raised_at: OffsetDateTime,
    /// Digest of the rule set that raised it.
    pub rule_set: String,
    /// The yellow alert that this red one took the place of.
    pub supersedes: Option<AlertId>,
    /// The red alert that took the place of this yellow one.
    pub superseded_by: Option<AlertId>,
    /// The case it belongs to.
    pub case_id: Option<String>,
    /// 1 at birth, one more for each change.
    pub revision: u32,
}

impl Alert {
    /// A new alert for a finding, in no case yet.
    fn new(finding: &Finding, now: OffsetDateTime) -> Self {
        let mut alert = Self {
            alert_id: AlertId::detection(&finding.waybill_no, finding.color),
            color: finding.color,
            waybill_no: finding.waybill_no.clone(),
            carrier: finding.carrier.clone(),
            category: finding.category.clone(),
            score: finding.score,
            hits: Vec::with_capacity(finding.hits.len()),
            respond: finding.respond.clone(),
            goods: finding.goods.clone(),
            sender: finding.sender.clone(),
            receiver: finding.receiver.clone(),
            subjects: finding.subjects.clone(),
            region: finding.region.clone(),
            site_code: finding.site_code.clone(),
            site_name: finding.site_name.clone(),
            direction: finding.direction.clone(),
            event: finding.event.clone(),
            occurred_at: finding.occurred_at,
            last_seen_at: finding.occurred_at,
            raised_at: now,
            rule_set: finding.rule_set.clone(),
            supersedes: None,
            superseded_by: None,
            case_id: None,
            revision: 1,
        };
        alert.subjects.sort();
        alert.subjects.dedup();
        alert.take_hits(&finding.hits);
        alert
    }

    /// Adds the hits that are not there yet, and brings order and score up to date. True if there were any.
    fn take_hits(&mut self, hits: &[Hit]) -> bool {
        let before = self.hits.len();
        for hit in hits {
            if !self.hits.iter().any(|known| same_hit(known, hit)) {
                self.hits.push(hit.clone());
            }
        }
        self.hits.sort_by(|a, b| rank(a).cmp(&rank(b)));
        self.score = self.score.max(total(&self.hits));
        self.hits.len() > before
    }

    /// Adds what a finding says beside its hits.
    fn take_rest(&mut self, finding: &Finding) {
        for kind in &finding.respond {
            if !self.respond.contains(kind) {
                self.respond.push(kind.clone());
            }
        }
        self.subjects.extend_from_slice(&finding.subjects);
        self.subjects.sort();
        self.subjects.dedup();
        fill(&mut self.category, &finding.category);
        fill_party(&mut self.sender, &finding.sender);
        fill_party(&mut self.receiver, &finding.receiver);
        self.last_seen_at = self.last_seen_at.max(finding.occurred_at);
    }
}

/// What is known of a waybill before a finding.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Known {
    /// Its yellow alert, superseded or not.
    pub yellow: Option<Alert>,
    /// Its red alert.
    pub red: Option<Alert>,
}

/// What a finding changed. The alerts are in their new state.
#[derive(Clone, Debug, PartialEq)]
pub enum Merged {
    /// The first finding of its waybill: a new alert.
    Raised(Box<Alert>),
    /// New hits for the alert that there is.
    Joined(Box<Alert>),
    /// A red alert takes the place of the yellow one.
    Superseded {
        /// The new red alert.
        red: Box<Alert>,
        /// The yellow one, marked.
        yellow: Box<Alert>,
    },
    /// Nothing new.
    Seen(AlertId),
}

impl Merged {
    /// The alert that the finding belongs to.
    pub fn alert_id(&self) -> AlertId {
        match self {
            Self::Raised(alert) | Self::Joined(alert) | Self::Superseded { red: alert, .. } => alert.alert_id,
            Self::Seen(id) => *id,
        }
    }
}

/// Merges a finding into what is known of its waybill, at wall time `now`.
///
/// Only a red *finding* makes a red alert. A yellow alert whose joined score reaches that of a red one stays yellow:
/// what a sum is worth is for the rule set that screened one record to say, the sum over several events of one parcel
/// counts the same goods once for each thing said of them, and an alert's colour is part of its id, which must not
/// depend on which sightings happened to come together before a crash. The joined score is there to be seen, and a
/// person or a correlation rule decides.
pub fn merge(finding: &Finding, known: &Known, now: OffsetDateTime) -> Merged {
    match (&known.yellow, &known.red) {
        (_, Some(red)) => join(finding, red),
        (Some(yellow), None) if finding.color == Color::Red => supersede(finding, yellow, now),
        (Some(yellow), None) => join(finding, yellow),
        (None, None) => Merged::Raised(Box::new(Alert::new(finding, now))),
    }
}

/// Joins a finding to an alert: a change only if it brings a hit.
fn join(finding: &Finding, alert: &Alert) -> Merged {
    if finding
        .hits
        .iter()
        .all(|hit| alert.hits.iter().any(|known| same_hit(known, hit)))
    {
        return Merged::Seen(alert.alert_id);
    }
    let mut joined = alert.clone();
    joined.take_hits(&finding.hits);
    joined.take_rest(finding);
    joined.revision += 1;
    Merged::Joined(Box::new(joined))
}

/// A red finding after a yellow alert. The red alert is of the red finding's time and place, and carries all hits.
fn supersede(finding: &Finding, yellow: &Alert, now: OffsetDateTime) -> Merged {
    let mut red = Alert::new(finding, now);
    red.take_hits(&yellow.hits);
    red.subjects.extend_from_slice(&yellow.subjects);
    red.subjects.sort();
    red.subjects.dedup();
    for kind in &yellow.respond {
        if !red.respond.contains(kind) {
            red.respond.push(kind.clone());
        }
    }
    fill_party(&mut red.sender, &yellow.sender);
    fill_party(&mut red.receiver, &yellow.receiver);
    red.last_seen_at = red.last_seen_at.max(yellow.last_seen_at);
    red.supersedes = Some(yellow.alert_id);
    let mut yellow = yellow.clone();
    yellow.superseded_by = Some(red.alert_id);
    yellow.revision += 1;
    Merged::Superseded {
        red: Box::new(red),
        yellow: Box::new(yellow),
    }
}

/// Two hits are one if the same rule matched the same term in the same field.
fn same_hit(a: &Hit, b: &Hit) -> bool {
    a.rule_id == b.rule_id && a.field == b.field && a.term == b.term
}

/// Strongest first; then by name, so that the order does not depend on which sighting came first.
fn rank(hit: &Hit) -> impl Ord + use<'_> {
    (Reverse((hit.color, hit.score)), &hit.rule_id, &hit.field, &hit.term)
}

/// The sum over rules, each once with its highest score.
fn total(hits: &[Hit]) -> u32 {
    let mut by_rule: Vec<(&str, u32)> = Vec::with_capacity(hits.len());
    for hit in hits {
        match by_rule.iter_mut().find(|(rule, _)| *rule == hit.rule_id) {
            Some((_, score)) => *score = hit.score.max(*score),
            None => by_rule.push((&hit.rule_id, hit.score)),
        }
    }
    by_rule.iter().fold(0, |sum, (_, score)| sum.saturating_add(*score))
}

fn fill(blank: &mut String, from: &str) {
    if blank.is_empty() {
        from.clone_into(blank);
    }
}

fn fill_party(party: &mut Party, from: &Party) {
    fill(&mut party.name, &from.name);
    fill(&mut party.phone, &from.phone);
    fill(&mut party.id_no, &from.id_no);
    fill(&mut party.address, &from.address);
    fill(&mut party.region, &from.region);
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::datetime;

    const NOW: OffsetDateTime = datetime!(2026-11-11 00:30 UTC);

    fn hit(rule: &str, term: &str, score: u32, color: Option<Color>) -> Hit {
        Hit {
            rule_id: rule.into(),
            title: rule.into(),
            category: "12".into(),
            color,
            score,
            field: "item.name".into(),
            term: term.into(),
            span: Some([0, 2]),
            text: term.into(),
            also: Vec::new(),
        }
    }

    fn finding(color: Color, hits: Vec<Hit>) -> Finding {
        Finding {
            waybill_no: "YT8812345678901".into(),
            carrier: "YTO".into(),
            event: "arrive".into(),
            occurred_at: datetime!(2026-11-11 08:23:11 +8),
            direction: "inbound".into(),
            site_code: "330482-0012".into(),
            site_name: "平湖当湖网点".into(),
            region: "330482".into(),
            goods: Goods::default(),
            sender: Party {
                name: "王*".into(),
                ..Party::default()
            },
            receiver: Party::default(),
            subjects: vec![Subject("s1".into())],
            color,
            score: hits.iter().map(|hit| hit.score).sum(),
            category: "12".into(),
            hits,
            respond: vec!["open_inspect".into()],
            rule_set: "digest".into(),
        }
    }

    fn yellow(hits: Vec<Hit>) -> Finding {
        finding(Color::Yellow, hits)
    }

    fn take(known: &mut Known, finding: &Finding) -> &'static str {
        match merge(finding, known, NOW) {
            Merged::Raised(alert) | Merged::Joined(alert) if alert.revision > 1 => {
                put(known, *alert);
                "joined"
            }
            Merged::Raised(alert) | Merged::Joined(alert) => {
                put(known, *alert);
                "raised"
            }
            Merged::Superseded { red, yellow } => {
                put(known, *red);
                put(known, *yellow);
                "superseded"
            }
            Merged::Seen(_) => "seen",
        }
    }

    fn put(known: &mut Known, alert: Alert) {
        match alert.color {
            Color::Yellow => known.yellow = Some(alert),
            Color::Red => known.red = Some(alert),
        }
    }

    #[test]
    fn the_first_finding_raises_and_its_like_is_seen() {
        let mut known = Known::default();
        let first = yellow(vec![hit("r1", "氯麻黄碱", 60, None)]);
        assert_eq!(take(&mut known, &first), "raised");
        let alert = known.yellow.clone().expect("raised");
        assert_eq!((alert.revision, alert.score), (1, 60));
        assert_eq!(alert.alert_id, AlertId::detection("YT8812345678901", Color::Yellow));

        let again = Finding {
            event: "delivered".into(),
            occurred_at: datetime!(2026-11-12 08:00 +8),
            ..first
        };
        assert_eq!(take(&mut known, &again), "seen");
        assert_eq!(known.yellow, Some(alert));
    }

    #[test]
    fn new_hits_join_once_each_and_the_score_counts_a_rule_once() {
        let mut known = Known::default();
        take(&mut known, &yellow(vec![hit("r1", "甲", 60, None)]));
        let mut second = yellow(vec![
            hit("r1", "甲", 60, None),
            hit("r1", "乙", 60, None),
            hit("r2", "丙", 30, None),
        ]);
        second.occurred_at = datetime!(2026-11-12 08:00 +8);
        second.respond = vec!["hold_parcel".into()];
        second.sender.phone = "138****8000".into();
        second.subjects = vec![Subject("s0".into()), Subject("s1".into())];
        assert_eq!(take(&mut known, &second), "joined");

        let alert = known.yellow.clone().expect("there");
        assert_eq!((alert.revision, alert.score, alert.hits.len()), (2, 90, 3));
        assert_eq!(alert.respond, ["open_inspect", "hold_parcel"]);
        assert_eq!(
            (alert.sender.name.as_str(), alert.sender.phone.as_str()),
            ("王*", "138****8000")
        );
        assert_eq!(alert.subjects, [Subject("s0".into()), Subject("s1".into())]);
        assert_eq!(
            (alert.occurred_at, alert.last_seen_at),
            (datetime!(2026-11-11 08:23:11 +8), second.occurred_at)
        );
        assert_eq!(take(&mut known, &second), "seen");
    }

    #[test]
    fn a_red_finding_supersedes_and_then_everything_joins_the_red() {
        let mut known = Known::default();
        let first = yellow(vec![hit("r1", "甲", 60, None)]);
        let gun = finding(Color::Red, vec![hit("r9", "枪", 100, Some(Color::Red))]);
        take(&mut known, &first);
        assert_eq!(take(&mut known, &gun), "superseded");

        let (yellow_alert, red) = (known.yellow.clone().expect("yellow"), known.red.clone().expect("red"));
        assert_eq!((red.score, red.revision, red.hits.len()), (160, 1, 2));
        assert_eq!(red.hits[0].rule_id, "r9");
        assert_eq!(
            (red.supersedes, yellow_alert.superseded_by),
            (Some(yellow_alert.alert_id), Some(red.alert_id))
        );
        assert_eq!(yellow_alert.revision, 2);

        assert_eq!(take(&mut known, &first), "seen");
        assert_eq!(take(&mut known, &gun), "seen");
        assert_eq!(take(&mut known, &yellow(vec![hit("r2", "乙", 60, None)])), "joined");
        assert_eq!(known.red.as_ref().map(|red| (red.score, red.revision)), Some((220, 2)));
        assert_eq!(known.yellow, Some(yellow_alert));
    }

    #[test]
    fn a_red_finding_with_nothing_but_known_hits_still_supersedes() {
        let mut known = Known::default();
        take(&mut known, &yellow(vec![hit("r1", "甲", 60, None)]));
        assert_eq!(
            take(&mut known, &finding(Color::Red, vec![hit("r1", "甲", 100, None)])),
            "superseded"
        );
    }

    #[test]
    fn a_joined_score_turns_no_alert_red() {
        let mut known = Known::default();
        take(&mut known, &yellow(vec![hit("r1", "甲", 60, None)]));
        take(&mut known, &yellow(vec![hit("r2", "乙", 60, None)]));
        assert!(known.red.is_none());
        assert_eq!(
            known.yellow.map(|alert| (alert.score, alert.color)),
            Some((120, Color::Yellow))
        );
    }

    #[test]
    fn the_order_of_sightings_does_not_show_in_ids_hits_and_score() {
        let one = yellow(vec![hit("r1", "甲", 60, None)]);
        let two = yellow(vec![hit("r2", "乙", 70, None), hit("r1", "丙", 60, None)]);
        let mut there = Known::default();
        let mut back = Known::default();
        take(&mut there, &one);
        take(&mut there, &two);
        take(&mut back, &two);
        take(&mut back, &one);
        let (there, back) = (there.yellow.expect("there"), back.yellow.expect("back"));
        assert_eq!(
            (there.alert_id, there.score, there.hits),
            (back.alert_id, back.score, back.hits)
        );
    }
}
