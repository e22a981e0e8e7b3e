//! What is known about a generated record: clean, a near miss, or a finding with its label. Leaves out how the finding
//! is put into the record.

use serde::{Deserialize, Serialize};

/// What a generated waybill carries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Planted {
    /// Ordinary goods, all checks passed or not reported.
    Clean,
    /// Innocent goods whose name contains or resembles that of contraband.
    NearMiss {
        /// The goods as in `data/near_miss_goods.tsv`.
        goods: &'static str,
    },
    /// Something a screen should warn of.
    Finding(Label),
}

/// The answer expected for a waybill with a finding. As JSON it is one line of a label file:
/// `{"waybill_no":"YT8812345678901","category":"12","colour":"red","goods":"冰毒","disguise":"plain"}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Label {
    /// The waybill it is about.
    pub waybill_no: String,
    /// Catalogue group `01`–`12`, or `C1`, `C2`, `C3`.
    pub category: String,
    /// The warning expected.
    pub colour: Colour,
    /// The goods' plain name; for `C1`–`C3` the declared goods, which are harmless.
    pub goods: String,
    /// How the name is written in the record.
    pub disguise: Disguise,
}

/// The colour of a warning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Colour {
    /// Worth a person's check.
    Yellow,
    /// Danger or crime is likely.
    Red,
}

/// How a planted name is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Disguise {
    /// As in `data/planted.tsv`.
    Plain,
}
