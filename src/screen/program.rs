//! What a compiled screen is made of: rules as they come in, and the tables they become.

use super::matcher::Matcher;
use super::predicate::Predicate;
use super::verdict::Hit;
use super::watchlist::EntryKind;
use crate::alert::Color;
use crate::waybill::{Schema, Slot};
use hashbrown::HashMap;
use rustc_hash::FxBuildHasher;
use std::sync::Arc;

/// A rule, checked: what the screen needs to know of it.
#[derive(Clone, Debug)]
pub struct RuleSpec {
    /// The rule's `id`.
    pub id: String,
    /// The rule's `title`.
    pub title: String,
    /// Category, or empty.
    pub category: String,
    /// The colour that the rule raises by itself, whatever the sum of scores.
    pub alert: Option<Color>,
    /// Its part of the score.
    pub score: u32,
    /// What it asks for.
    pub respond: Vec<String>,
    /// Live, or only watched.
    pub mode: Mode,
    /// When and where it holds.
    pub valid: Validity,
    /// When it matches.
    pub condition: Expr,
}

/// Whether a rule's hits count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Mode {
    /// Hits score and alert.
    #[default]
    Live,
    /// Hits are counted and shown, and never alert.
    Shadow,
}

impl Mode {
    /// The word in rule files and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Shadow => "shadow",
        }
    }
}

/// When and where a rule holds; everything empty means always and everywhere.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Validity {
    /// First day (of the event, in the event's own offset), days since 1970-01-01.
    pub from_day: Option<i64>,
    /// Last day, inclusive.
    pub until_day: Option<i64>,
    /// Region prefixes, one of which the event's site must have (the receiver, where no site is known).
    pub regions: Vec<String>,
}

/// A condition over predicates.
#[derive(Clone, Debug)]
pub enum Expr {
    /// All of them; true when there are none.
    And(Vec<Expr>),
    /// Any of them; false when there are none.
    Or(Vec<Expr>),
    /// Not this.
    Not(Box<Expr>),
    /// One comparison.
    Is(Arc<Predicate>),
}

/// The sums of scores that make a colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Thresholds {
    /// Yellow from this sum on.
    pub yellow_at: u32,
    /// Red from this sum on.
    pub red_at: u32,
}

impl Default for Thresholds {
    fn default() -> Self {
        Self {
            yellow_at: 60,
            red_at: 100,
        }
    }
}

/// Index of a predicate in a compiled screen.
pub(super) type AtomId = u32;
/// Index of a rule.
pub(super) type RuleId = u32;

/// Rules compiled into tables. Immutable; shared by all workers.
#[derive(Debug)]
pub struct Screen {
    pub(super) schema: Arc<Schema>,
    pub(super) thresholds: Thresholds,
    pub(super) atoms: Vec<Atom>,
    pub(super) rules: Vec<Rule>,
    pub(super) nodes: Vec<Node>,
    /// For each atom, the rules that it wakes: `wakes[starts[atom]..starts[atom + 1]]`.
    pub(super) wakes: Vec<RuleId>,
    pub(super) wake_starts: Vec<u32>,
    /// Rules that nothing wakes: evaluated for every record.
    pub(super) always: Vec<RuleId>,
    pub(super) plans: Vec<FieldPlan>,
    pub(super) matcher: Matcher,
    /// For each term of the matcher, what it means: `postings[starts[term]..starts[term + 1]]`.
    pub(super) postings: Vec<Posting>,
    pub(super) posting_starts: Vec<u32>,
}

impl Screen {
    /// The fields that records must be decoded into.
    pub fn schema(&self) -> &Arc<Schema> {
        &self.schema
    }

    /// How many rules there are.
    pub fn len(&self) -> usize {
        self.rules.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// How many rules are evaluated for every record, because nothing in them must be present.
    pub fn always_evaluated(&self) -> usize {
        self.always.len()
    }
}

/// A predicate, and how its truth is known.
#[derive(Debug)]
pub(super) struct Atom {
    pub predicate: Arc<Predicate>,
    pub slot: Option<Slot>,
    pub truth: Truth,
}

/// How the truth of an atom is known while a record is evaluated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Truth {
    /// The tables have said so, or it is false.
    Marked,
    /// By evaluating it.
    Evaluated,
    /// False unless the tables have marked this other atom, else by evaluating it.
    Gated(AtomId),
}

/// A rule, compiled.
#[derive(Debug)]
pub(super) struct Rule {
    pub root: u32,
    pub mode: Mode,
    pub valid: Validity,
    /// A hit of this rule without its evidence.
    pub hit: Hit,
    pub respond: Vec<String>,
}

/// A node of a condition; children stand in `nodes` right behind one another.
#[derive(Clone, Copy, Debug)]
pub(super) enum Node {
    And(u32, u32),
    Or(u32, u32),
    Not(u32),
    Is(AtomId),
}

/// What is looked up of one field, for every record.
#[derive(Debug)]
pub(super) struct FieldPlan {
    pub slot: Slot,
    /// Whether the field's text goes through the matcher.
    pub contains: bool,
    pub equals: TextTable,
    /// By length in characters.
    pub prefixes: Vec<(u32, TextTable)>,
    pub suffixes: Vec<(u32, TextTable)>,
    pub numbers: NumberTable,
    /// Atoms of `false` and of `true`.
    pub bools: [Vec<AtomId>; 2],
    pub watch: Vec<WatchAtom>,
}

/// Folded texts, each with the atoms it makes true.
pub(super) type TextTable = HashMap<Box<[char]>, Vec<TextAtom>, FxBuildHasher>;

/// An atom that a text makes true; when case matters, only with this very term.
#[derive(Clone, Debug)]
pub(super) struct TextAtom {
    pub atom: AtomId,
    pub term: u32,
    pub cased: bool,
}

/// An atom that a watchlist makes true, and the kinds of entries that its field is joined with.
#[derive(Clone, Debug)]
pub(super) struct WatchAtom {
    pub atom: AtomId,
    pub kinds: Vec<EntryKind>,
}

/// Thresholds in order, so that those a number passes are a run.
#[derive(Debug, Default)]
pub(super) struct NumberTable {
    pub equal: HashMap<u64, Vec<AtomId>, FxBuildHasher>,
    /// Ascending; `bool` is whether the threshold itself passes.
    pub greater: Vec<(f64, bool, AtomId)>,
    /// Descending.
    pub less: Vec<(f64, bool, AtomId)>,
}

impl NumberTable {
    pub fn is_empty(&self) -> bool {
        self.equal.is_empty() && self.greater.is_empty() && self.less.is_empty()
    }
}

/// What an occurrence of a term means.
#[derive(Clone, Copy, Debug)]
pub(super) struct Posting {
    /// The field; `None` is any text.
    pub slot: Option<Slot>,
    pub atom: AtomId,
    /// Which of the atom's terms (or allow-words) it is.
    pub term: u32,
    pub len: u32,
    pub meaning: Meaning,
}

/// What an occurrence of a term does to its atom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// Makes it true.
    Term,
    /// Makes it true where the original has the term's own case.
    CasedTerm,
    /// Takes covered matches away.
    Allow,
}
