//! What screening says of a waybill: the verdict and its evidence.

use crate::alert::Color;
use serde::{Deserialize, Serialize};

/// The outcome of screening one waybill that hit at least one rule.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Verdict {
    /// The colour, if the hits amount to one.
    pub color: Option<Color>,
    /// Sum of the scores of the live hits.
    pub score: u32,
    /// Category of the hit that decides (the strongest of the colour), or empty.
    pub category: String,
    /// Live hits, strongest first.
    pub hits: Vec<Hit>,
    /// Hits of rules in shadow mode: counted and shown, never part of the score.
    pub shadow: Vec<Hit>,
    /// What the live rules ask for, without repeats, in rule order.
    pub respond: Vec<String>,
}

/// One rule that matched, with the evidence that a person is shown.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Hit {
    /// The rule's `id`.
    pub rule_id: String,
    /// The rule's `title`.
    pub title: String,
    /// The rule's `category`, or empty.
    pub category: String,
    /// The colour that the rule raises by itself, if any.
    pub color: Option<Color>,
    /// The rule's part of the score.
    pub score: u32,
    /// Field of the main evidence, dotted path; empty if the rule matched by the absence of something.
    pub field: String,
    /// The list entry, literal, pattern or comparison that matched, as the rule file has it.
    pub term: String,
    /// Where in the original text of the field: half-open `[start, end)`, in Unicode characters; `None` when the
    /// evidence is not a piece of text.
    pub span: Option<[u32; 2]>,
    /// The original text under the span, or the value compared; masked where the field is personal data.
    pub text: String,
    /// Further evidence, beyond the main one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub also: Vec<Evidence>,
}

/// One piece of evidence: a field, what matched in it, and where.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// Dotted path of the field.
    pub field: String,
    /// What matched, as the rule file has it.
    pub term: String,
    /// Half-open character span in the original text.
    pub span: Option<[u32; 2]>,
    /// The original text or value, masked where the field is personal data.
    pub text: String,
}
