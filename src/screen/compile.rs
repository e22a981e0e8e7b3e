//! Rules → tables. The one decision that makes screening fast is taken here: what wakes a rule.

use super::matcher::Matcher;
use super::predicate::{Comparison, How, Predicate, Terms, Test};
use super::program::{
    Atom, AtomId, Expr, FieldPlan, Meaning, Node, NumberTable, Posting, Rule, RuleId, RuleSpec, Screen, TextAtom,
    TextTable, Thresholds, Truth, WatchAtom,
};
use super::verdict::Hit;
use crate::text::fold;
use crate::waybill::{Kind, Schema, Slot, slot};
use rustc_hash::FxHashMap;
use std::sync::Arc;

/// Why rules can't be compiled.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CompileError {
    /// More fields than a record has room for.
    #[error("the rules ask for {0} fields; a rule set may ask for 60,000")]
    TooManyFields(usize),
}

/// Fields that a record has room for.
const FIELDS_MAX: usize = 60_000;

/// Up to so many terms of a predicate that wakes no rule are searched for only when a woken rule asks; more are worth
/// a place in the tables.
const TERMS_SEARCHED_ON_DEMAND_MAX: usize = 8;

impl Screen {
    /// Compiles rules over waybills.
    pub fn compile(rules: &[RuleSpec], thresholds: Thresholds) -> Result<Self, CompileError> {
        Self::compile_for(rules, thresholds, |paths| Schema::waybill(paths.iter().copied()))
    }

    /// Compiles rules over any JSON objects.
    pub fn compile_for_any(rules: &[RuleSpec], thresholds: Thresholds) -> Result<Self, CompileError> {
        Self::compile_for(rules, thresholds, |paths| Schema::any(paths.iter().copied()))
    }

    fn compile_for(
        rules: &[RuleSpec],
        thresholds: Thresholds,
        schema: impl FnOnce(&[&str]) -> Schema,
    ) -> Result<Self, CompileError> {
        let mut paths = Vec::new();
        let mut keywords = false;
        for rule in rules {
            rule.condition.predicates(&mut |predicate| {
                paths.extend(predicate.field.as_deref());
                if let Test::FieldRef { other, .. } = &predicate.test {
                    paths.push(other);
                }
                keywords |= predicate.field.is_none();
            });
        }
        paths.sort_unstable();
        paths.dedup();
        if paths.len() > FIELDS_MAX {
            return Err(CompileError::TooManyFields(paths.len()));
        }
        let mut schema = schema(&paths);
        if keywords {
            schema = schema.with_everything();
        }
        Ok(Compiler::new(schema).compile(rules, thresholds))
    }
}

impl Expr {
    /// Calls `each` with every predicate of the condition.
    pub fn predicates<'e>(&'e self, each: &mut impl FnMut(&'e Arc<Predicate>)) {
        match self {
            Self::And(parts) | Self::Or(parts) => parts.iter().for_each(|part| part.predicates(each)),
            Self::Not(part) => part.predicates(each),
            Self::Is(predicate) => each(predicate),
        }
    }
}

/// What must be true of a record for an expression to be: any of these atoms; and how often that will be, as a rough
/// order of magnitude to choose by.
#[derive(Clone, Debug)]
struct Waker {
    often: u32,
    atoms: Vec<AtomId>,
}

struct Compiler {
    schema: Schema,
    atoms: Vec<Atom>,
    known: FxHashMap<String, AtomId>,
    nodes: Vec<Node>,
    rules: Vec<Rule>,
    wakers: Vec<Option<Waker>>,
}

impl Compiler {
    fn new(schema: Schema) -> Self {
        Self {
            schema,
            atoms: Vec::new(),
            known: FxHashMap::default(),
            nodes: Vec::new(),
            rules: Vec::new(),
            wakers: Vec::new(),
        }
    }

    fn compile(mut self, rules: &[RuleSpec], thresholds: Thresholds) -> Screen {
        for spec in rules {
            let root = self.nodes.len() as u32;
            self.nodes.push(Node::And(0, 0));
            let waker = self.condition(&spec.condition, root);
            self.wakers.push(waker);
            self.rules.push(rule(spec, root));
        }
        let (wakes, wake_starts, always) = self.wakes();
        let wakes_any = |atom: AtomId| wake_starts[atom as usize] < wake_starts[atom as usize + 1];
        let tables = self.tables(&wakes_any);
        Screen {
            schema: Arc::new(self.schema),
            thresholds,
            atoms: self.atoms,
            rules: self.rules,
            nodes: self.nodes,
            wakes,
            wake_starts,
            always,
            plans: tables.plans,
            matcher: tables.matcher,
            postings: tables.postings,
            posting_starts: tables.posting_starts,
        }
    }

    /// Puts an expression at a node, and says what wakes it.
    fn condition(&mut self, expr: &Expr, at: u32) -> Option<Waker> {
        match expr {
            Expr::Is(predicate) => {
                let atom = self.atom(predicate);
                self.nodes[at as usize] = Node::Is(atom);
                self.waker_of(atom)
            }
            Expr::Not(part) => {
                let child = self.room_for(1);
                self.nodes[at as usize] = Node::Not(child);
                self.condition(part, child);
                None
            }
            Expr::And(parts) => {
                let first = self.room_for(parts.len());
                self.nodes[at as usize] = Node::And(first, first + parts.len() as u32);
                let wakers = self.children(parts, first);
                wakers
                    .into_iter()
                    .flatten()
                    .min_by_key(|waker| (waker.often, waker.atoms.len()))
            }
            Expr::Or(parts) => {
                let first = self.room_for(parts.len());
                self.nodes[at as usize] = Node::Or(first, first + parts.len() as u32);
                let wakers = self.children(parts, first);
                wakers.into_iter().try_fold(
                    Waker {
                        often: 0,
                        atoms: Vec::new(),
                    },
                    |mut all, waker| {
                        let waker = waker?;
                        all.often = all.often.max(waker.often);
                        all.atoms.extend(waker.atoms);
                        Some(all)
                    },
                )
            }
        }
    }

    fn children(&mut self, parts: &[Expr], first: u32) -> Vec<Option<Waker>> {
        parts
            .iter()
            .zip(first..)
            .map(|(part, at)| self.condition(part, at))
            .collect()
    }

    fn room_for(&mut self, count: usize) -> u32 {
        let first = self.nodes.len() as u32;
        self.nodes.extend(std::iter::repeat_n(Node::And(0, 0), count));
        first
    }

    /// The atom of a predicate: one for all rules that ask the same.
    fn atom(&mut self, predicate: &Arc<Predicate>) -> AtomId {
        let key = key(predicate);
        if let Some(&atom) = self.known.get(&key) {
            return atom;
        }
        let slot = predicate.field.as_deref().and_then(|path| self.schema.slot(path));
        let truth = match gate(predicate) {
            Some(gate) => Truth::Gated(self.atom(&Arc::new(gate))),
            None => Truth::Evaluated,
        };
        let atom = self.atoms.len() as AtomId;
        self.atoms.push(Atom {
            predicate: predicate.clone(),
            slot,
            truth,
        });
        self.known.insert(key, atom);
        atom
    }

    /// What wakes a rule that needs this atom: the atom itself where a table can say that it holds, its gate where it
    /// has one, else nothing.
    fn waker_of(&self, atom: AtomId) -> Option<Waker> {
        let Atom {
            predicate, truth, slot, ..
        } = &self.atoms[atom as usize];
        if let Truth::Gated(gate) = truth {
            return self.waker_of(*gate).map(|waker| Waker {
                often: waker.often + 1,
                ..waker
            });
        }
        let often = match &predicate.test {
            Test::Watch(_) => 1,
            Test::Terms { how, terms, .. } => often_text(*how, terms, slot.filter(|_| self.schema.is_waybill())),
            Test::Number {
                is: Comparison::Equal, ..
            } => 50,
            Test::Number { .. } => 70,
            Test::Bool(false) => 55,
            Test::Bool(true) => 80,
            // Absence wakes nothing, and what costs an evaluation must not be asked of every record.
            Test::Exists(_) | Test::Null | Test::FieldRef { .. } | Test::Glob { .. } | Test::Regex(_) => return None,
        };
        Some(Waker {
            often,
            atoms: vec![atom],
        })
    }

    fn wakes(&self) -> (Vec<RuleId>, Vec<u32>, Vec<RuleId>) {
        let mut of_atom: Vec<Vec<RuleId>> = vec![Vec::new(); self.atoms.len()];
        let mut always = Vec::new();
        for (rule, waker) in self.wakers.iter().enumerate() {
            match waker {
                Some(waker) => waker
                    .atoms
                    .iter()
                    .for_each(|&atom| of_atom[atom as usize].push(rule as RuleId)),
                None => always.push(rule as RuleId),
            }
        }
        of_atom.iter_mut().for_each(std::vec::Vec::dedup);
        let (wakes, starts) = flatten(of_atom);
        (wakes, starts, always)
    }

    fn tables(&mut self, wakes_any: &dyn Fn(AtomId) -> bool) -> Tables {
        let gates: Vec<AtomId> = self
            .atoms
            .iter()
            .filter_map(|atom| {
                if let Truth::Gated(gate) = atom.truth {
                    Some(gate)
                } else {
                    None
                }
            })
            .collect();
        let mut tables = TableBuilder::new(&self.schema);
        for atom in 0..self.atoms.len() as AtomId {
            let terms_many = match &self.atoms[atom as usize].predicate.test {
                Test::Terms { terms, .. } => terms.any.len() > TERMS_SEARCHED_ON_DEMAND_MAX,
                _ => false,
            };
            if (wakes_any(atom) || terms_many || gates.contains(&atom)) && tables.add(atom, &self.atoms[atom as usize])
            {
                self.atoms[atom as usize].truth = Truth::Marked;
            }
        }
        tables.build()
    }
}

fn rule(spec: &RuleSpec, root: u32) -> Rule {
    Rule {
        root,
        mode: spec.mode,
        valid: spec.valid.clone(),
        hit: Hit {
            rule_id: spec.id.clone(),
            title: spec.title.clone(),
            category: spec.category.clone(),
            color: spec.alert,
            score: spec.score,
            field: String::new(),
            term: String::new(),
            span: None,
            text: String::new(),
            also: Vec::new(),
        },
        respond: spec.respond.clone(),
    }
}

/// How often a text predicate will hold, roughly.
fn often_text(how: How, terms: &Terms, slot: Option<Slot>) -> u32 {
    let shortest = terms.any.iter().map(|term| term.chars().count()).min().unwrap_or(0);
    match how {
        How::Contains if shortest >= 2 => 5,
        How::Contains => 45,
        How::Equals if slot.is_some_and(|slot| FEW_VALUES.contains(&slot)) => 60,
        How::Equals if slot.is_some_and(|slot| REGIONS.contains(&slot)) => 30,
        How::Equals => 8,
        How::StartsWith | How::EndsWith => 40_u32.saturating_sub(3 * shortest as u32).max(10),
    }
}

/// Fields that have the same few values in all waybills.
const FEW_VALUES: [Slot; 12] = [
    slot::CARRIER,
    slot::EVENT,
    slot::DIRECTION,
    slot::SENDER_ID_TYPE,
    slot::RECEIVER_PICKUP,
    slot::ITEM_CATEGORY,
    slot::REAL_NAME_METHOD,
    slot::INSPECTION_RESULT,
    slot::XRAY_RESULT,
    slot::PAYMENT_METHOD,
    slot::ORDER_PLATFORM,
    slot::XRAY_LABELS,
];

const REGIONS: [Slot; 3] = [slot::SITE_REGION, slot::SENDER_REGION, slot::RECEIVER_REGION];

/// The literal without which a pattern or a regex can't match: the tables look for it, and only then is it run.
fn gate(predicate: &Predicate) -> Option<Predicate> {
    let literals: Vec<String> = match &predicate.test {
        Test::Glob { glob, .. } => glob.longest_literal().into_iter().map(str::to_owned).collect(),
        Test::Regex(regex) => regex_literals(regex)?,
        _ => return None,
    };
    if literals.is_empty() {
        return None;
    }
    let terms = Arc::new(Terms {
        list: String::new(),
        any: literals,
        allow: Vec::new(),
    });
    Some(Predicate {
        field: predicate.field.clone(),
        test: Test::Terms {
            how: How::Contains,
            terms,
            cased: false,
        },
    })
}

/// Literals one of which stands in every match of a regex, where there are such.
fn regex_literals(regex: &regex::Regex) -> Option<Vec<String>> {
    let hir = regex_syntax::ParserBuilder::new().build().parse(regex.as_str()).ok()?;
    required_literals(&hir)
}

/// Alternatives that a gate may have: more wake the rule too often to be worth their place.
const REGEX_LITERALS_MAX: usize = 128;

/// The best set of literals of which every match of the expression has one: what it begins with, what it ends with, or
/// what one of its parts requires; the set whose shortest literal is longest.
fn required_literals(hir: &regex_syntax::hir::Hir) -> Option<Vec<String>> {
    use regex_syntax::hir::HirKind;
    use regex_syntax::hir::literal::ExtractKind;
    let mut candidates = vec![extracted(hir, ExtractKind::Prefix), extracted(hir, ExtractKind::Suffix)];
    match hir.kind() {
        HirKind::Capture(capture) => candidates.push(required_literals(&capture.sub)),
        HirKind::Repetition(repetition) if repetition.min > 0 => candidates.push(required_literals(&repetition.sub)),
        HirKind::Concat(parts) => candidates.extend(parts.iter().map(required_literals)),
        HirKind::Alternation(branches) => {
            let all: Option<Vec<Vec<String>>> = branches.iter().map(required_literals).collect();
            candidates.push(all.map(|all| all.concat()));
        }
        _ => {}
    }
    let shortest = |texts: &Vec<String>| texts.iter().map(|text| text.chars().count()).min().unwrap_or(0);
    let usable = |texts: &Vec<String>| shortest(texts) >= 1 && texts.len() <= REGEX_LITERALS_MAX;
    candidates.into_iter().flatten().filter(usable).max_by_key(shortest)
}

/// The literals that every match begins or ends with.
fn extracted(hir: &regex_syntax::hir::Hir, kind: regex_syntax::hir::literal::ExtractKind) -> Option<Vec<String>> {
    use regex_syntax::hir::literal::{ExtractKind, Extractor};
    let is_prefix = matches!(kind, ExtractKind::Prefix);
    let mut seq = Extractor::new().kind(kind).limit_total(REGEX_LITERALS_MAX).extract(hir);
    if is_prefix {
        seq.optimize_for_prefix_by_preference();
    } else {
        seq.optimize_for_suffix_by_preference();
    }
    // A literal cut in the middle of a character is of no use. Folding maps one character to one, so a folded literal
    // is found wherever the literal itself stands.
    seq.literals()?
        .iter()
        .map(|literal| std::str::from_utf8(literal.as_bytes()).ok().map(str::to_owned))
        .collect()
}

/// What makes two predicates the same.
fn key(predicate: &Predicate) -> String {
    let field = predicate.field.as_deref().unwrap_or("\u{0}any");
    match &predicate.test {
        Test::Terms { how, terms, cased } if !terms.list.is_empty() => {
            format!("{field} {how:?} {cased} %{}", terms.list)
        }
        // A list is known by its name, within one loading of rules.
        Test::Watch(list) => format!("{field} watch {}", list.name()),
        test => format!("{field} {test:?}"),
    }
}

/// Many small lists as one, with where each starts.
fn flatten<T>(lists: Vec<Vec<T>>) -> (Vec<T>, Vec<u32>) {
    let mut flat = Vec::new();
    let mut starts = vec![0];
    for list in lists {
        flat.extend(list);
        starts.push(flat.len() as u32);
    }
    (flat, starts)
}

struct Tables {
    plans: Vec<FieldPlan>,
    matcher: Matcher,
    postings: Vec<Posting>,
    posting_starts: Vec<u32>,
}

struct TableBuilder<'s> {
    schema: &'s Schema,
    plans: FxHashMap<Slot, FieldPlan>,
    terms: FxHashMap<Vec<char>, Vec<Posting>>,
}

impl<'s> TableBuilder<'s> {
    fn new(schema: &'s Schema) -> Self {
        Self {
            schema,
            plans: FxHashMap::default(),
            terms: FxHashMap::default(),
        }
    }

    fn plan(&mut self, slot: Slot) -> &mut FieldPlan {
        self.plans.entry(slot).or_insert_with(|| FieldPlan {
            slot,
            contains: false,
            equals: TextTable::default(),
            prefixes: Vec::new(),
            suffixes: Vec::new(),
            numbers: NumberTable::default(),
            bools: [Vec::new(), Vec::new()],
            watch: Vec::new(),
        })
    }

    /// Puts an atom in the tables; `false` when no table can say whether it holds.
    fn add(&mut self, id: AtomId, atom: &Atom) -> bool {
        let Some(slot) = atom.slot else {
            return self.add_everywhere(id, atom);
        };
        match &atom.predicate.test {
            Test::Terms {
                how: How::Contains,
                terms,
                cased,
            } => {
                self.plan(slot).contains = true;
                self.postings(Some(slot), id, terms, *cased);
            }
            // An allow-word must be searched for, which only the matcher does.
            Test::Terms { how, terms, .. } if !terms.allow.is_empty() && *how != How::Equals => return false,
            Test::Terms { how, terms, cased } => self.whole(slot, id, *how, terms, *cased),
            Test::Number { is, than, .. } => self.number(slot, id, *is, *than),
            Test::Bool(wanted) => self.plan(slot).bools[usize::from(*wanted)].push(id),
            Test::Watch(list) => {
                let kinds = list.kinds_for(slot, self.schema);
                self.plan(slot).watch.push(WatchAtom { atom: id, kinds });
            }
            _ => return false,
        }
        true
    }

    /// A keyword: searched for in every field that can be text.
    fn add_everywhere(&mut self, id: AtomId, atom: &Atom) -> bool {
        let Test::Terms {
            how: How::Contains,
            terms,
            cased,
        } = &atom.predicate.test
        else {
            return false;
        };
        let texts: Vec<Slot> = self
            .schema
            .iter()
            .map(|(slot, _)| slot)
            .filter(|&slot| {
                matches!(
                    self.schema.kind(slot),
                    Kind::Text | Kind::TextList | Kind::Any | Kind::Number
                )
            })
            .collect();
        for slot in texts {
            self.plan(slot).contains = true;
        }
        self.postings(None, id, terms, *cased);
        true
    }

    fn postings(&mut self, slot: Option<Slot>, atom: AtomId, terms: &Terms, cased: bool) {
        let meaning = if cased { Meaning::CasedTerm } else { Meaning::Term };
        let all = terms.any.iter().zip(0..).map(|(term, at)| (term, at, meaning));
        let allow = terms.allow.iter().zip(0..).map(|(term, at)| (term, at, Meaning::Allow));
        for (text, term, meaning) in all.chain(allow) {
            let folded: Vec<char> = text.chars().map(fold).collect();
            let len = folded.len() as u32;
            self.terms.entry(folded).or_default().push(Posting {
                slot,
                atom,
                term,
                len,
                meaning,
            });
        }
    }

    fn whole(&mut self, slot: Slot, atom: AtomId, how: How, terms: &Terms, cased: bool) {
        let plan = self.plan(slot);
        for (text, term) in terms.any.iter().zip(0..) {
            let folded: Box<[char]> = text.chars().map(fold).collect();
            let table = match how {
                How::StartsWith => by_length(&mut plan.prefixes, folded.len() as u32),
                How::EndsWith => by_length(&mut plan.suffixes, folded.len() as u32),
                How::Equals | How::Contains => &mut plan.equals,
            };
            table.entry(folded).or_default().push(TextAtom { atom, term, cased });
        }
    }

    fn number(&mut self, slot: Slot, atom: AtomId, is: Comparison, than: f64) {
        let numbers = &mut self.plan(slot).numbers;
        match is {
            Comparison::Equal => numbers.equal.entry(number_key(than)).or_default().push(atom),
            Comparison::Greater => numbers.greater.push((than, false, atom)),
            Comparison::GreaterOrEqual => numbers.greater.push((than, true, atom)),
            Comparison::Less => numbers.less.push((than, false, atom)),
            Comparison::LessOrEqual => numbers.less.push((than, true, atom)),
        }
    }

    fn build(self) -> Tables {
        let mut plans: Vec<FieldPlan> = self.plans.into_values().collect();
        plans.sort_by_key(|plan| plan.slot);
        for plan in &mut plans {
            plan.numbers.greater.sort_by(|a, b| a.0.total_cmp(&b.0));
            plan.numbers.less.sort_by(|a, b| b.0.total_cmp(&a.0));
        }
        let mut terms: Vec<(Vec<char>, Vec<Posting>)> = self.terms.into_iter().collect();
        terms.sort_by(|a, b| a.0.cmp(&b.0));
        let (terms, postings): (Vec<_>, Vec<_>) = terms.into_iter().unzip();
        let matcher = Matcher::new(&terms);
        let (postings, posting_starts) = flatten(postings);
        Tables {
            plans,
            matcher,
            postings,
            posting_starts,
        }
    }
}

fn by_length(tables: &mut Vec<(u32, TextTable)>, len: u32) -> &mut TextTable {
    let at = match tables.iter().position(|(known, _)| *known == len) {
        Some(at) => at,
        None => {
            tables.push((len, TextTable::default()));
            tables.len() - 1
        }
    };
    &mut tables[at].1
}

/// The key of a number in the table of equal numbers: `0` and `-0` are one number.
pub(super) fn number_key(number: f64) -> u64 {
    (number + 0.0).to_bits()
}
