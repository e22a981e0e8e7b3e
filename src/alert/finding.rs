//! What leaves the hot path about one waybill that raised a colour: owned, masked, and all that `case` and `notify`
//! will ever know of it. Personal data in clear never gets this far.

use super::{Color, mask};
use crate::screen::{Hit, Verdict};
use crate::waybill::{Waybill, identity, slot};
use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use time::OffsetDateTime;

/// One waybill event with a coloured verdict.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// Waybill number, as the carrier writes it.
    pub waybill_no: String,
    /// Carrier code (`SF`, `YTO`, …).
    pub carrier: String,
    /// The event that was screened (`accept`, `arrive`, …).
    pub event: String,
    /// Event time.
    #[serde(with = "time::serde::rfc3339")]
    pub occurred_at: OffsetDateTime,
    /// `inbound`, `outbound`, `transit`, or empty.
    pub direction: String,
    /// Code of the site that saw the parcel, or empty.
    pub site_code: String,
    /// Name of that site, or empty.
    pub site_name: String,
    /// GB/T 2260 code that decides who handles it: the site's region, else the receiver's, else the sender's; or empty.
    pub region: String,
    /// The goods as declared.
    pub goods: Goods,
    /// The sender, masked.
    pub sender: Party,
    /// The receiver, masked.
    pub receiver: Party,
    /// Keyed hashes of the identities in the waybill, by which cases about the same subject find each other.
    pub subjects: Vec<Subject>,
    /// Colour of the verdict.
    pub color: Color,
    /// Sum of the scores of all live hits.
    pub score: u32,
    /// Category of the hit that decides: catalogue group `01`–`19`, or `C1`–`C3`, `B1`, `B2`, `W1`, `E1`; or empty.
    pub category: String,
    /// Every live rule that hit, strongest first.
    pub hits: Vec<Hit>,
    /// What the rules ask for, without repeats: `hold_parcel`, `open_inspect`, ….
    pub respond: Vec<String>,
    /// Digest of the rule set that raised it.
    pub rule_set: String,
}

/// The declared goods.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Goods {
    /// `item.name`.
    pub name: String,
    /// `item.category`.
    pub category: String,
    /// `item.weight_g`, grams.
    pub weight_g: Option<f64>,
    /// `item.quantity`.
    pub quantity: Option<f64>,
}

/// A sender or receiver, masked.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Party {
    /// `王*`.
    pub name: String,
    /// `138****8000`.
    pub phone: String,
    /// `110105********002X`.
    pub id_no: String,
    /// Province and city, the rest masked.
    pub address: String,
    /// GB/T 2260 code.
    pub region: String,
}

/// A keyed hash of one identity in a waybill (HMAC-SHA-256, first 128 bits, hexadecimal), with the part that it plays.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Subject(pub String);

/// The site's secret for [`Subject`] hashes.
#[derive(Clone)]
pub struct SubjectKey(Hmac<Sha256>);

impl SubjectKey {
    /// A key from secret bytes of any length (32 random bytes are right).
    pub fn new(secret: &[u8]) -> Self {
        Self(Hmac::new_from_slice(secret).expect("HMAC takes a key of any length"))
    }

    /// The subject for a canonical identity value such as `id:110105…` or `phone:138…`.
    pub fn subject(&self, identity: &str) -> Subject {
        let mut mac = self.0.clone();
        mac.update(identity.as_bytes());
        let digest = mac.finalize().into_bytes();
        Subject(digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect())
    }
}

impl std::fmt::Debug for SubjectKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SubjectKey(…)")
    }
}

impl Finding {
    /// Builds the finding for a verdict that has a colour; `None` where it has none.
    pub fn new(waybill: &Waybill<'_>, verdict: Verdict, key: &SubjectKey, rule_set: &str) -> Option<Self> {
        let color = verdict.color?;
        let text = |slot| waybill.text(slot).to_owned();
        let party = |who: &PartySlots| Party {
            name: mask::name(waybill.text(who.name)),
            phone: mask::phone(waybill.text(who.phone)),
            id_no: who
                .id_no
                .map(|slot| mask::id_no(waybill.text(slot)))
                .unwrap_or_default(),
            address: mask::address(waybill.text(who.address)),
            region: text(who.region),
        };
        let region = [slot::SITE_REGION, slot::RECEIVER_REGION, slot::SENDER_REGION]
            .into_iter()
            .map(|slot| waybill.text(slot))
            .find(|code| !code.is_empty())
            .unwrap_or_default()
            .to_owned();
        Some(Self {
            waybill_no: text(slot::WAYBILL_NO),
            carrier: text(slot::CARRIER),
            event: text(slot::EVENT),
            occurred_at: waybill.occurred_at(),
            direction: text(slot::DIRECTION),
            site_code: text(slot::SITE_CODE),
            site_name: text(slot::SITE_NAME),
            region,
            goods: Goods {
                name: text(slot::ITEM_NAME),
                category: text(slot::ITEM_CATEGORY),
                weight_g: waybill.number(slot::ITEM_WEIGHT_G),
                quantity: waybill.number(slot::ITEM_QUANTITY),
            },
            sender: party(&SENDER),
            receiver: party(&RECEIVER),
            subjects: subjects(waybill, key),
            color,
            score: verdict.score,
            category: verdict.category,
            hits: verdict.hits,
            respond: verdict.respond,
            rule_set: rule_set.to_owned(),
        })
    }
}

struct PartySlots {
    name: crate::waybill::Slot,
    phone: crate::waybill::Slot,
    id_no: Option<crate::waybill::Slot>,
    address: crate::waybill::Slot,
    region: crate::waybill::Slot,
}

const SENDER: PartySlots = PartySlots {
    name: slot::SENDER_NAME,
    phone: slot::SENDER_PHONE,
    id_no: Some(slot::SENDER_ID_NO),
    address: slot::SENDER_ADDRESS,
    region: slot::SENDER_REGION,
};

const RECEIVER: PartySlots = PartySlots {
    name: slot::RECEIVER_NAME,
    phone: slot::RECEIVER_PHONE,
    id_no: None,
    address: slot::RECEIVER_ADDRESS,
    region: slot::RECEIVER_REGION,
};

/// The identities by which two waybills are about the same person: sender's ID number, either side's phone.
fn subjects(waybill: &Waybill<'_>, key: &SubjectKey) -> Vec<Subject> {
    let mut found = Vec::with_capacity(3);
    let id_no = identity::id_no(waybill.text(slot::SENDER_ID_NO));
    if !id_no.is_empty() {
        found.push(key.subject(&format!("id:{id_no}")));
    }
    for slot in [slot::SENDER_PHONE, slot::RECEIVER_PHONE] {
        let phone = identity::phone(waybill.text(slot));
        if !phone.is_empty() {
            found.push(key.subject(&format!("phone:{phone}")));
        }
    }
    found.sort();
    found.dedup();
    found
}
