//! One comparison of a field: what a line of a Sigma selection says, checked and ready. [`Predicate::find`] is the plain
//! meaning, value by value; the compiled screen gives the same answers faster.

use super::watchlist::{Listing, Watchlist};
use crate::text::{fold, fold_into};
use crate::waybill::{Schema, Slot, Value, Waybill};
use std::fmt;
use std::sync::Arc;

/// A comparison, and the field it is of.
#[derive(Clone, Debug)]
pub struct Predicate {
    /// Dotted path; `None` searches every text of the record.
    pub field: Option<Arc<str>>,
    /// What is asked.
    pub test: Test,
}

/// What is asked of a field's value.
#[derive(Clone, Debug)]
pub enum Test {
    /// Any of the terms, by equality or as a part.
    Terms {
        /// As the whole, or as which part.
        how: How,
        /// The terms.
        terms: Arc<Terms>,
        /// Whether case matters.
        cased: bool,
    },
    /// A pattern with wildcards inside.
    Glob {
        /// Its pieces.
        glob: Glob,
        /// Whether case matters.
        cased: bool,
    },
    /// A regular expression, searched for anywhere.
    Regex(regex::Regex),
    /// The field is there (and not null), or it is not.
    Exists(bool),
    /// The field is null or absent.
    Null,
    /// The field is this boolean.
    Bool(bool),
    /// The field is a number that compares so.
    Number {
        /// How.
        is: Comparison,
        /// With what.
        than: f64,
        /// The number as the rule has it.
        written: String,
    },
    /// The field compares so with another field of the record.
    FieldRef {
        /// As the whole, or as which part.
        how: How,
        /// Dotted path of the other field.
        other: Arc<str>,
        /// Whether case matters.
        cased: bool,
    },
    /// The field's canonical form is an entry of a watchlist.
    Watch(Arc<Watchlist>),
}

/// Which part of the text a term must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum How {
    /// All of it.
    Equals,
    /// Any part.
    Contains,
    /// Its beginning.
    StartsWith,
    /// Its end.
    EndsWith,
}

/// How numbers compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Comparison {
    /// `=`
    Equal,
    /// `<`
    Less,
    /// `≤`
    LessOrEqual,
    /// `>`
    Greater,
    /// `≥`
    GreaterOrEqual,
}

impl Comparison {
    fn holds(self, value: f64, than: f64) -> bool {
        match self {
            #[expect(clippy::float_cmp, reason = "equality of numbers is what the rule asks for")]
            Self::Equal => value == than,
            Self::Less => value < than,
            Self::LessOrEqual => value <= than,
            Self::Greater => value > than,
            Self::GreaterOrEqual => value >= than,
        }
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Equal => "=",
            Self::Less => "<",
            Self::LessOrEqual => "≤",
            Self::Greater => ">",
            Self::GreaterOrEqual => "≥",
        })
    }
}

/// Terms, any of which will do, and the longer words that take a match away when they cover it.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Terms {
    /// Name of the list they come from, or empty when they stand in the rule itself.
    pub list: String,
    /// The terms, as written.
    pub any: Vec<String>,
    /// The allow-words, as written.
    pub allow: Vec<String>,
}

/// Pieces of a pattern: literals, with `?` and `*` between them.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Glob {
    /// As the rule has it.
    pub written: String,
    /// In order.
    pub pieces: Vec<Piece>,
}

/// A piece of a pattern.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Piece {
    /// These characters.
    Literal(String),
    /// `?`: any one character.
    One,
    /// `*`: any characters, or none.
    Many,
}

impl Glob {
    /// Whether the whole text is of this pattern.
    fn covers(&self, text: &[char], cased: bool) -> bool {
        let mut wanted: Vec<Option<char>> = Vec::new();
        let mut stars: Vec<usize> = Vec::new();
        for piece in &self.pieces {
            match piece {
                Piece::Literal(literal) => {
                    wanted.extend(literal.chars().map(|c| Some(if cased { c } else { fold(c) })));
                }
                Piece::One => wanted.push(None),
                Piece::Many => stars.push(wanted.len()),
            }
        }
        let fits = |at: usize, from: usize, to: usize| {
            at + (to - from) <= text.len()
                && wanted[from..to]
                    .iter()
                    .zip(&text[at..])
                    .all(|(want, have)| want.is_none_or(|want| want == *have))
        };
        let (Some(&first), Some(&last)) = (stars.first(), stars.last()) else {
            return wanted.len() == text.len() && fits(0, 0, wanted.len());
        };
        if text.len() < wanted.len() || !fits(0, 0, first) {
            return false;
        }
        let tail = text.len() - (wanted.len() - last);
        // Between two stars the leftmost place is as good as any other.
        let mut at = first;
        for between in stars.windows(2) {
            let (from, to) = (between[0], between[1]);
            match (at..=tail.saturating_sub(to - from)).find(|&at| at + (to - from) <= tail && fits(at, from, to)) {
                Some(found) => at = found + (to - from),
                None => return false,
            }
        }
        at <= tail && fits(tail, last, wanted.len())
    }

    /// The longest literal: no text without it is of this pattern.
    pub fn longest_literal(&self) -> Option<&str> {
        let literals = self.pieces.iter().filter_map(|piece| match piece {
            Piece::Literal(literal) => Some(literal.as_str()),
            Piece::One | Piece::Many => None,
        });
        literals.max_by_key(|literal| literal.chars().count())
    }
}

/// Where a predicate holds: the evidence, before it is masked and worded.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    /// The field.
    pub slot: Option<Slot>,
    /// What matched, as the rule file has it.
    pub term: String,
    /// Half-open span of characters in the original text, where the evidence is a piece of text.
    pub span: Option<[u32; 2]>,
    /// The original text, or the value compared.
    pub text: String,
}

/// The text of a scalar: what text comparisons see of numbers and booleans.
pub(super) fn text_of<'v>(value: Value<'v>, buffer: &'v mut String) -> Option<&'v str> {
    use fmt::Write as _;
    buffer.clear();
    match value {
        Value::Text(text) => return Some(text),
        Value::Int(number) => write!(buffer, "{number}").ok()?,
        Value::Float(number) => write!(buffer, "{number}").ok()?,
        Value::Bool(truth) => write!(buffer, "{truth}").ok()?,
        Value::Absent | Value::Null | Value::Object | Value::List(_) => return None,
    }
    Some(buffer)
}

impl Predicate {
    /// Where the predicate holds in a record, if it does: the plain meaning, without an index.
    pub fn find(&self, waybill: &Waybill<'_>, schema: &Schema) -> Option<Found> {
        match &self.field {
            Some(path) => {
                let slot = schema.slot(path);
                let value = slot.map_or(Value::Absent, |slot| waybill.get(slot));
                self.find_in(value, slot, waybill, schema)
                    .map(|found| Found { slot, ..found })
            }
            None => schema.iter().find_map(|(slot, _)| {
                self.find_in(waybill.get(slot), Some(slot), waybill, schema)
                    .map(|found| Found {
                        slot: Some(slot),
                        ..found
                    })
            }),
        }
    }

    /// Whether the predicate holds in a record: [`Self::find`] without the evidence, and without allocating for the
    /// comparisons that are asked most. `slot` is the field's.
    pub(super) fn holds(&self, slot: Option<Slot>, waybill: &Waybill<'_>, schema: &Schema) -> bool {
        match slot {
            Some(slot) => self.holds_in(waybill.get(slot), slot, waybill, schema),
            None => self.find(waybill, schema).is_some(),
        }
    }

    fn holds_in(&self, value: Value<'_>, slot: Slot, waybill: &Waybill<'_>, schema: &Schema) -> bool {
        match (&self.test, value) {
            (Test::Exists(wanted), value) => *wanted != matches!(value, Value::Absent | Value::Null),
            (Test::Null, value) => matches!(value, Value::Absent | Value::Null),
            (Test::Bool(wanted), Value::Bool(truth)) => truth == *wanted,
            (_, Value::Absent | Value::Null) => false,
            (Test::Number { is, than, .. }, Value::Int(number)) => is.holds(number as f64, *than),
            (Test::Number { is, than, .. }, Value::Float(number)) => is.holds(number, *than),
            (Test::Terms { how, terms, cased }, Value::Text(text)) if terms.allow.is_empty() => {
                terms.any.iter().any(|term| how.holds(text, term, *cased))
            }
            (Test::Regex(regex), Value::Text(text)) => regex.is_match(text),
            (_, value) => self.find_in(value, Some(slot), waybill, schema).is_some(),
        }
    }

    fn find_in(&self, value: Value<'_>, slot: Option<Slot>, waybill: &Waybill<'_>, schema: &Schema) -> Option<Found> {
        match (&self.test, value) {
            (Test::Exists(wanted), value) => {
                let there = !matches!(value, Value::Absent | Value::Null);
                (there == *wanted).then(|| plain(format!("exists: {wanted}"), String::new()))
            }
            (Test::Null, value) => matches!(value, Value::Absent | Value::Null).then(|| plain("null", String::new())),
            (_, Value::List(list)) => list
                .into_iter()
                .find_map(|element| self.find_in(element, slot, waybill, schema)),
            (Test::Bool(wanted), value) => {
                let mut buffer = String::new();
                let text = text_of(value, &mut buffer)?;
                text.eq_ignore_ascii_case(if *wanted { "true" } else { "false" })
                    .then(|| plain(wanted.to_string(), text.to_owned()))
            }
            (Test::Number { is, than, written }, value) => number(*is, *than, written, value),
            (test, value) => {
                let mut buffer = String::new();
                let text = text_of(value, &mut buffer)?;
                find_in_text(test, text, slot, waybill, schema)
            }
        }
    }
}

fn plain(term: impl Into<String>, text: String) -> Found {
    Found {
        slot: None,
        term: term.into(),
        span: None,
        text,
    }
}

fn number(is: Comparison, than: f64, written: &str, value: Value<'_>) -> Option<Found> {
    let holds = match value {
        Value::Int(number) => is.holds(number as f64, than),
        Value::Float(number) => is.holds(number, than),
        // Equality also holds with the same digits in a text: '5' and 5 are one value to whoever wrote the rule.
        Value::Text(text) => is == Comparison::Equal && text == written,
        _ => false,
    };
    let mut buffer = String::new();
    holds.then(|| {
        plain(
            format!("{is} {written}"),
            text_of(value, &mut buffer).unwrap_or_default().to_owned(),
        )
    })
}

fn find_in_text(test: &Test, text: &str, slot: Option<Slot>, waybill: &Waybill<'_>, schema: &Schema) -> Option<Found> {
    match test {
        Test::Terms { how, terms, cased } => {
            let (term, [start, end]) = find_term(*how, terms, *cased, text)?;
            Some(piece(term, text, start, end))
        }
        Test::Glob { glob, cased } => {
            let chars = characters(text, *cased);
            glob.covers(&chars, *cased)
                .then(|| piece(&glob.written, text, 0, chars.len()))
        }
        Test::Regex(regex) => {
            let found = regex.find(text)?;
            let start = text[..found.start()].chars().count();
            Some(piece(
                regex.as_str(),
                text,
                start,
                start + found.as_str().chars().count(),
            ))
        }
        Test::FieldRef { how, other, cased } => {
            let slot = schema.slot(other)?;
            let mut buffer = String::new();
            let other_text = text_of(waybill.get(slot), &mut buffer)?;
            let (chars, needle) = (characters(text, *cased), characters(other_text, *cased));
            let start = how.place(&chars, &needle)?;
            Some(piece(other, text, start, start + needle.len()))
        }
        Test::Watch(list) => {
            let mut key = String::new();
            let Listing { name, basis } = list.find(text, &list.kinds_for(slot?, schema), &mut key)?;
            let current = basis.expires_day >= waybill.occurred_day();
            current.then(|| piece(name, text, 0, text.chars().count()))
        }
        Test::Exists(_) | Test::Null | Test::Bool(_) | Test::Number { .. } => None,
    }
}

fn characters(text: &str, cased: bool) -> Vec<char> {
    let mut chars = Vec::new();
    if cased {
        chars.extend(text.chars());
    } else {
        fold_into(text, &mut chars);
    }
    chars
}

/// Evidence that is a piece of the text, given by its span in characters.
pub(super) fn piece(term: &str, text: &str, start: usize, end: usize) -> Found {
    Found {
        slot: None,
        term: term.to_owned(),
        span: Some([start as u32, end as u32]),
        text: text.chars().skip(start).take(end - start).collect(),
    }
}

impl How {
    /// Whether a term stands in the right part of a text.
    fn holds(self, text: &str, term: &str, cased: bool) -> bool {
        let same = |a: char, b: char| a == b || !cased && fold(a) == fold(b);
        let begins = |text: &str| {
            let mut chars = text.chars();
            term.chars().all(|wanted| chars.next().is_some_and(|c| same(c, wanted)))
        };
        match self {
            Self::StartsWith => begins(text),
            Self::Equals => begins(text) && text.chars().count() == term.chars().count(),
            Self::Contains => term.is_empty() || text.char_indices().any(|(at, _)| begins(&text[at..])),
            Self::EndsWith => {
                let mut chars = text.chars().rev();
                term.chars()
                    .rev()
                    .all(|wanted| chars.next().is_some_and(|c| same(c, wanted)))
            }
        }
    }

    /// The first place of a term in a text that is in the right part of it.
    fn place(self, text: &[char], term: &[char]) -> Option<usize> {
        match self {
            Self::Equals => (text == term).then_some(0),
            Self::StartsWith => text.starts_with(term).then_some(0),
            Self::EndsWith => text.ends_with(term).then(|| text.len() - term.len()),
            Self::Contains => places(text, term).next(),
        }
    }
}

fn places<'t>(text: &'t [char], term: &'t [char]) -> impl Iterator<Item = usize> + 't {
    let last = text.len().checked_sub(term.len());
    last.into_iter()
        .flat_map(|last| 0..=last)
        .filter(move |&at| text[at..].starts_with(term))
}

/// The first place where any of the terms stands and no allow-word covers it: leftmost, then longest.
fn find_term<'t>(how: How, terms: &'t Terms, cased: bool, text: &str) -> Option<(&'t str, [usize; 2])> {
    let chars = characters(text, cased);
    let allowed: Vec<[usize; 2]> = if how == How::Equals {
        Vec::new()
    } else {
        let words = terms.allow.iter().map(|word| characters(word, cased));
        words
            .flat_map(|word| {
                places(&chars, &word)
                    .map(|at| [at, at + word.len()])
                    .collect::<Vec<_>>()
            })
            .collect()
    };
    let mut best: Option<(&str, [usize; 2])> = None;
    for term in &terms.any {
        let needle = characters(term, cased);
        let starts: Vec<usize> = match how {
            How::Contains => places(&chars, &needle).collect(),
            _ => how.place(&chars, &needle).into_iter().collect(),
        };
        for start in starts {
            let span = [start, start + needle.len()];
            let free = !allowed.iter().any(|word| covers(*word, span));
            if free
                && best.is_none_or(|(_, at)| (start, std::cmp::Reverse(span[1])) < (at[0], std::cmp::Reverse(at[1])))
            {
                best = Some((term, span));
            }
        }
    }
    best
}

/// Whether an allow-word takes a match away: it covers it and is longer.
pub(super) fn covers(word: [usize; 2], term: [usize; 2]) -> bool {
    word[0] <= term[0] && word[1] >= term[1] && word[1] - word[0] > term[1] - term[0]
}

impl fmt::Display for Predicate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.field.as_deref().unwrap_or("(any text)"))?;
        let case = |cased: &bool| if *cased { " cased" } else { "" };
        match &self.test {
            Test::Terms { how, terms, cased } => {
                write!(f, " {}{} ", how.word(), case(cased))?;
                match (terms.list.as_str(), terms.any.as_slice()) {
                    ("", [term]) => write!(f, "'{term}'"),
                    ("", any) => write!(f, "any of '{}'", any.join("', '")),
                    (list, any) => write!(
                        f,
                        "any of %{list}% ({} terms, {} allowed)",
                        any.len(),
                        terms.allow.len()
                    ),
                }
            }
            Test::Glob { glob, cased } => write!(f, " matches{} '{}'", case(cased), glob.written),
            Test::Regex(regex) => write!(f, " matches /{regex}/"),
            Test::Exists(wanted) => write!(f, " exists: {wanted}"),
            Test::Null => f.write_str(" is null"),
            Test::Bool(wanted) => write!(f, " is {wanted}"),
            Test::Number { is, written, .. } => write!(f, " {is} {written}"),
            Test::FieldRef { how, other, cased } => write!(f, " {}{} field {other}", how.word(), case(cased)),
            Test::Watch(list) => write!(f, " is on watchlist {} ({} entries)", list.name(), list.len()),
        }
    }
}

impl How {
    fn word(self) -> &'static str {
        match self {
            Self::Equals => "is",
            Self::Contains => "contains",
            Self::StartsWith => "starts with",
            Self::EndsWith => "ends with",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn glob(written: &str) -> Glob {
        let mut pieces: Vec<Piece> = Vec::new();
        for c in written.chars() {
            match (c, pieces.last_mut()) {
                ('*', _) => pieces.push(Piece::Many),
                ('?', _) => pieces.push(Piece::One),
                (c, Some(Piece::Literal(literal))) => literal.push(c),
                (c, _) => pieces.push(Piece::Literal(c.to_string())),
            }
        }
        Glob {
            written: written.to_owned(),
            pieces,
        }
    }

    #[test]
    fn globs() {
        for (pattern, text, expected) in [
            ("a*b?d", "aXXbcd", true),
            ("a*b?d", "abd", false),
            ("a*b*", "ab", true),
            ("*a*a*", "a", false),
            ("*a*a*", "aa", true),
            ("?", "", false),
            ("*", "", true),
            ("a?c*", "a枪c", true),
            ("*ab*ab", "ab", false),
            ("*ab*ab", "abab", true),
            ("A*", "abc", true),
        ] {
            assert_eq!(
                glob(pattern).covers(&characters(text, false), false),
                expected,
                "{pattern} {text}"
            );
        }
    }

    #[test]
    fn allow_words_take_covered_matches_away() {
        let terms = Terms {
            list: String::new(),
            any: vec!["仿真".into(), "枪".into()],
            allow: vec!["仿真花".into(), "水枪".into()],
        };
        for (text, expected) in [
            ("仿真花", None),
            ("仿真枪", Some(("仿真", [0, 2]))),
            ("水枪", None),
            ("仿真花和枪", Some(("枪", [4, 5]))),
            ("水枪 仿真", Some(("仿真", [3, 5]))),
        ] {
            assert_eq!(find_term(How::Contains, &terms, false, text), expected, "{text}");
        }
    }
}
