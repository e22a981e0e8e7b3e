//! One record through the tables. Nothing is allocated for a record that hits no rule.

use super::compile::number_key;
use super::predicate::{Found, Test, covers, piece, text_of};
use super::program::{
    AtomId, FieldPlan, Meaning, Mode, Node, Posting, Rule, RuleId, Screen, TextAtom, Truth, Validity, WatchAtom,
};
use super::verdict::{Evidence, Hit, Verdict};
use crate::alert::{Color, mask};
use crate::text::fold_into;
use crate::waybill::{Slot, Value, Waybill, slot};

/// What a worker needs beside the screen: marks and buffers, reused from record to record.
#[derive(Debug, Default)]
pub struct Scratch {
    /// The record's number: a mark that bears it is of this record.
    epoch: u32,
    atoms: Vec<u32>,
    rules: Vec<u32>,
    woken: Vec<RuleId>,
    folded: Vec<char>,
    text: String,
    canonical: String,
    /// Terms that were found, for the evidence.
    occurrences: Vec<Occurrence>,
    /// Rules that matched.
    matched: Vec<RuleId>,
}

/// Where a term was found.
#[derive(Clone, Copy, Debug)]
struct Occurrence {
    posting: u32,
    slot: Slot,
    /// Which element of a list.
    element: u32,
    start: u32,
}

/// Occurrences that are looked at in one record: a record of 256 KiB that is nothing but terms stops here, long after
/// its rules are awake.
const OCCURRENCES_MAX: usize = 100_000;

/// Pieces of evidence shown for one rule beside the main one.
const ALSO_MAX: usize = 8;

impl Scratch {
    /// Scratch for a screen.
    pub fn new(screen: &Screen) -> Self {
        Self {
            atoms: vec![0; screen.atoms.len()],
            rules: vec![0; screen.rules.len()],
            ..Self::default()
        }
    }

    fn start(&mut self) {
        if self.epoch == u32::MAX {
            self.atoms.fill(0);
            self.rules.fill(0);
            self.epoch = 0;
        }
        self.epoch += 1;
        self.woken.clear();
        self.occurrences.clear();
        self.matched.clear();
    }

    fn is_marked(&self, atom: AtomId) -> bool {
        self.atoms[atom as usize] == self.epoch
    }
}

impl Screen {
    /// Screens one record. `None` when no rule hit. The scratch must have been made for this screen.
    #[inline]
    pub fn run(&self, waybill: &Waybill<'_>, scratch: &mut Scratch) -> Option<Verdict> {
        scratch.start();
        for plan in &self.plans {
            let value = waybill.get(plan.slot);
            match value {
                Value::Absent | Value::Null | Value::Object => {}
                Value::List(list) => {
                    for (element, value) in list.enumerate() {
                        self.look_up(plan, value, element as u32, waybill, scratch);
                    }
                }
                value => self.look_up(plan, value, 0, waybill, scratch),
            }
        }
        if scratch.woken.is_empty() && self.always.is_empty() {
            return None;
        }
        self.evaluate(waybill, scratch)
    }

    /// Looks one value up in its field's tables and wakes what it finds there.
    #[inline]
    fn look_up(&self, plan: &FieldPlan, value: Value<'_>, element: u32, waybill: &Waybill<'_>, scratch: &mut Scratch) {
        if let Value::Bool(truth) = value {
            plan.bools[usize::from(truth)]
                .iter()
                .for_each(|&atom| self.mark(atom, scratch));
        }
        if !plan.numbers.is_empty() {
            self.look_up_number(plan, value, scratch);
        }
        let has_text = plan.contains
            || !plan.equals.is_empty()
            || !plan.prefixes.is_empty()
            || !plan.suffixes.is_empty()
            || !plan.watch.is_empty();
        if !has_text {
            return;
        }
        let mut buffer = std::mem::take(&mut scratch.text);
        if let Some(text) = text_of(value, &mut buffer) {
            self.look_up_text(plan, text, element, waybill, scratch);
        }
        scratch.text = buffer;
    }

    #[inline]
    fn look_up_text(&self, plan: &FieldPlan, text: &str, element: u32, waybill: &Waybill<'_>, scratch: &mut Scratch) {
        let has_terms =
            plan.contains || !plan.equals.is_empty() || !plan.prefixes.is_empty() || !plan.suffixes.is_empty();
        let mut folded = std::mem::take(&mut scratch.folded);
        folded.clear();
        if has_terms {
            fold_into(text, &mut folded);
        }
        if !plan.equals.is_empty()
            && let Some(atoms) = plan.equals.get(folded.as_slice())
        {
            self.mark_texts(atoms, text, scratch);
        }
        for (len, table) in &plan.prefixes {
            if let Some(atoms) = folded.get(..*len as usize).and_then(|prefix| table.get(prefix)) {
                self.mark_texts(atoms, text, scratch);
            }
        }
        for (len, table) in &plan.suffixes {
            let start = folded.len().checked_sub(*len as usize);
            if let Some(atoms) = start.and_then(|start| table.get(&folded[start..])) {
                self.mark_texts(atoms, text, scratch);
            }
        }
        if plan.contains {
            self.search(plan.slot, text, &folded, element, scratch);
        }
        scratch.folded = folded;
        for WatchAtom { atom, kinds } in &plan.watch {
            let Test::Watch(list) = &self.atoms[*atom as usize].predicate.test else {
                continue;
            };
            let listing = list.find(text, kinds, &mut scratch.canonical);
            if listing.is_some_and(|listing| listing.basis.expires_day >= waybill.occurred_day()) {
                self.mark(*atom, scratch);
            }
        }
    }

    /// Finds all terms in a text; what an allow-word covers does not count.
    #[inline]
    fn search(&self, slot: Slot, text: &str, folded: &[char], element: u32, scratch: &mut Scratch) {
        let first = scratch.occurrences.len();
        self.matcher.scan(folded, |term, start| {
            let (from, to) = (
                self.posting_starts[term as usize],
                self.posting_starts[term as usize + 1],
            );
            for at in from..to {
                let here = self.postings[at as usize].slot.is_none_or(|wanted| wanted == slot);
                if here && scratch.occurrences.len() < OCCURRENCES_MAX {
                    scratch.occurrences.push(Occurrence {
                        posting: at,
                        slot,
                        element,
                        start: start as u32,
                    });
                }
            }
        });
        if scratch.occurrences.len() > first {
            self.settle(text, first, scratch);
        }
    }

    /// Marks the atoms of the occurrences since `first` that stand, and forgets the others.
    #[inline(never)]
    fn settle(&self, text: &str, first: usize, scratch: &mut Scratch) {
        let mut occurrences = std::mem::take(&mut scratch.occurrences);
        let mut words: Vec<(AtomId, [usize; 2])> = Vec::new();
        for occurrence in &occurrences[first..] {
            let posting = self.posting(occurrence);
            if posting.meaning == Meaning::Allow {
                words.push((posting.atom, self.span(occurrence)));
            }
        }
        words.sort_unstable();
        let longest = words.iter().map(|(_, [start, end])| end - start).max().unwrap_or(0);
        let mut kept = first;
        for at in first..occurrences.len() {
            let occurrence = occurrences[at];
            let (posting, span) = (self.posting(&occurrence), self.span(&occurrence));
            let stands = match posting.meaning {
                Meaning::Allow => false,
                Meaning::Term => true,
                Meaning::CasedTerm => self.has_own_case(posting, text, span),
            };
            if stands && !is_covered(&words, longest, posting.atom, span) {
                self.mark(posting.atom, scratch);
                occurrences[kept] = occurrence;
                kept += 1;
            }
        }
        occurrences.truncate(kept);
        scratch.occurrences = occurrences;
    }

    fn posting(&self, occurrence: &Occurrence) -> &Posting {
        &self.postings[occurrence.posting as usize]
    }

    fn span(&self, occurrence: &Occurrence) -> [usize; 2] {
        let start = occurrence.start as usize;
        [start, start + self.posting(occurrence).len as usize]
    }

    fn has_own_case(&self, posting: &Posting, text: &str, [start, end]: [usize; 2]) -> bool {
        text.chars()
            .skip(start)
            .take(end - start)
            .eq(self.term(posting.atom, posting.term).chars())
    }

    /// A term of an atom, as the rule has it.
    fn term(&self, atom: AtomId, term: u32) -> &str {
        match &self.atoms[atom as usize].predicate.test {
            Test::Terms { terms, .. } => &terms.any[term as usize],
            _ => "",
        }
    }

    fn mark_texts(&self, atoms: &[TextAtom], text: &str, scratch: &mut Scratch) {
        for TextAtom { atom, term, cased } in atoms {
            let holds = !cased || {
                let predicate = &self.atoms[*atom as usize].predicate;
                let term = self.term(*atom, *term);
                match &predicate.test {
                    Test::Terms {
                        how: super::How::StartsWith,
                        ..
                    } => text.starts_with(term),
                    Test::Terms {
                        how: super::How::EndsWith,
                        ..
                    } => text.ends_with(term),
                    _ => text == term,
                }
            };
            if holds {
                self.mark(*atom, scratch);
            }
        }
    }

    fn look_up_number(&self, plan: &FieldPlan, value: Value<'_>, scratch: &mut Scratch) {
        let number = match value {
            Value::Int(number) => number as f64,
            Value::Float(number) => number,
            // '5' in a text equals 5: rare enough to ask the predicates themselves.
            Value::Text(text) => {
                for &atom in plan.numbers.equal.values().flatten() {
                    if matches!(&self.atoms[atom as usize].predicate.test, Test::Number { written, .. } if written == text)
                    {
                        self.mark(atom, scratch);
                    }
                }
                return;
            }
            _ => return,
        };
        if let Some(atoms) = plan.numbers.equal.get(&number_key(number)) {
            atoms.iter().for_each(|&atom| self.mark(atom, scratch));
        }
        let passes = |&&(than, itself, _): &&(f64, bool, AtomId)| number > than || itself && number >= than;
        for &(_, _, atom) in plan
            .numbers
            .greater
            .iter()
            .take_while(|entry| number >= entry.0)
            .filter(passes)
        {
            self.mark(atom, scratch);
        }
        let passes = |&&(than, itself, _): &&(f64, bool, AtomId)| number < than || itself && number <= than;
        for &(_, _, atom) in plan
            .numbers
            .less
            .iter()
            .take_while(|entry| number <= entry.0)
            .filter(passes)
        {
            self.mark(atom, scratch);
        }
    }

    /// Marks an atom as true and wakes its rules.
    #[inline]
    fn mark(&self, atom: AtomId, scratch: &mut Scratch) {
        if scratch.is_marked(atom) {
            return;
        }
        scratch.atoms[atom as usize] = scratch.epoch;
        let (from, to) = (self.wake_starts[atom as usize], self.wake_starts[atom as usize + 1]);
        for &rule in &self.wakes[from as usize..to as usize] {
            if scratch.rules[rule as usize] != scratch.epoch {
                scratch.rules[rule as usize] = scratch.epoch;
                scratch.woken.push(rule);
            }
        }
    }

    /// Evaluates the woken rules, and those that nothing wakes.
    #[inline(never)]
    fn evaluate(&self, waybill: &Waybill<'_>, scratch: &mut Scratch) -> Option<Verdict> {
        let mut matched = std::mem::take(&mut scratch.matched);
        for &id in self.always.iter().chain(&scratch.woken) {
            let rule = &self.rules[id as usize];
            if self.holds(rule.root, waybill, scratch) && (!self.schema.is_waybill() || rule.valid.covers(waybill)) {
                matched.push(id);
            }
        }
        matched.sort_unstable();
        let verdict = (!matched.is_empty()).then(|| self.verdict(&matched, waybill, scratch));
        scratch.matched = matched;
        verdict
    }

    fn holds(&self, node: u32, waybill: &Waybill<'_>, scratch: &Scratch) -> bool {
        match self.nodes[node as usize] {
            Node::And(from, to) => (from..to).all(|node| self.holds(node, waybill, scratch)),
            Node::Or(from, to) => (from..to).any(|node| self.holds(node, waybill, scratch)),
            Node::Not(node) => !self.holds(node, waybill, scratch),
            Node::Is(atom) => self.is_true(atom, waybill, scratch),
        }
    }

    fn is_true(&self, id: AtomId, waybill: &Waybill<'_>, scratch: &Scratch) -> bool {
        let atom = &self.atoms[id as usize];
        match atom.truth {
            Truth::Marked => scratch.is_marked(id),
            Truth::Evaluated => atom.predicate.holds(atom.slot, waybill, &self.schema),
            Truth::Gated(gate) => scratch.is_marked(gate) && atom.predicate.holds(atom.slot, waybill, &self.schema),
        }
    }

    /// The verdict of the rules that matched, with their evidence.
    fn verdict(&self, matched: &[RuleId], waybill: &Waybill<'_>, scratch: &Scratch) -> Verdict {
        let mut verdict = Verdict::default();
        let mut own = None;
        for &id in matched {
            let rule = &self.rules[id as usize];
            let hit = self.hit(rule, waybill, scratch);
            if rule.mode == Mode::Shadow {
                verdict.shadow.push(hit);
                continue;
            }
            verdict.score = verdict.score.saturating_add(hit.score);
            own = own.max(hit.color);
            for order in rule
                .respond
                .iter()
                .filter(|order| !verdict.respond.contains(order))
                .collect::<Vec<_>>()
            {
                verdict.respond.push(order.clone());
            }
            verdict.hits.push(hit);
        }
        let by_sum = match verdict.score {
            score if score >= self.thresholds.red_at => Some(Color::Red),
            score if score >= self.thresholds.yellow_at => Some(Color::Yellow),
            _ => None,
        };
        verdict.color = own.max(by_sum).filter(|_| !verdict.hits.is_empty());
        verdict.hits.sort_by(|a, b| {
            (b.color, b.score)
                .cmp(&(a.color, a.score))
                .then_with(|| a.rule_id.cmp(&b.rule_id))
        });
        let decisive = verdict.hits.iter().find(|hit| !hit.category.is_empty());
        verdict.category = decisive.map(|hit| hit.category.clone()).unwrap_or_default();
        verdict
    }

    fn hit(&self, rule: &Rule, waybill: &Waybill<'_>, scratch: &Scratch) -> Hit {
        let mut evidence = Vec::new();
        self.gather(rule.root, waybill, scratch, &mut evidence);
        // A piece of text says more than a comparison.
        evidence.sort_by_key(|evidence| evidence.span.is_none());
        let mut evidence = evidence.into_iter();
        let mut hit = rule.hit.clone();
        if let Some(main) = evidence.next() {
            (hit.field, hit.term, hit.span, hit.text) = (main.field, main.term, main.span, main.text);
        }
        hit.also = evidence.take(ALSO_MAX).collect();
        hit
    }

    /// The evidence of the parts of a condition that hold.
    fn gather(&self, node: u32, waybill: &Waybill<'_>, scratch: &Scratch, evidence: &mut Vec<Evidence>) {
        match self.nodes[node as usize] {
            Node::And(from, to) | Node::Or(from, to) => {
                for node in (from..to).filter(|&node| self.holds(node, waybill, scratch)) {
                    self.gather(node, waybill, scratch, evidence);
                }
            }
            Node::Not(_) => {}
            Node::Is(atom) => {
                let found = match self.occurrence(atom, waybill, scratch) {
                    None => self.atoms[atom as usize].predicate.find(waybill, &self.schema),
                    found => found,
                };
                if let Some(found) = found {
                    let found = self.shown(found);
                    if !evidence.contains(&found) {
                        evidence.push(found);
                    }
                }
            }
        }
    }

    /// What the matcher found for an atom: leftmost, then longest.
    fn occurrence(&self, atom: AtomId, waybill: &Waybill<'_>, scratch: &Scratch) -> Option<Found> {
        let of_atom = scratch
            .occurrences
            .iter()
            .filter(|occurrence| self.posting(occurrence).atom == atom);
        let best = of_atom.min_by_key(|occurrence| {
            let [start, end] = self.span(occurrence);
            (occurrence.slot, occurrence.element, start, std::cmp::Reverse(end))
        })?;
        let value = match waybill.get(best.slot) {
            Value::List(mut list) => list.nth(best.element as usize)?,
            value => value,
        };
        let mut buffer = String::new();
        let text = text_of(value, &mut buffer)?;
        let [start, end] = self.span(best);
        let found = piece(self.term(atom, self.posting(best).term), text, start, end);
        Some(Found {
            slot: Some(best.slot),
            ..found
        })
    }

    /// Evidence as it may be shown: personal data masked.
    fn shown(&self, found: Found) -> Evidence {
        let Some(at) = found.slot else {
            return Evidence {
                field: String::new(),
                term: found.term,
                span: found.span,
                text: found.text,
            };
        };
        let text = if self.schema.is_personal(at) {
            match at {
                slot::SENDER_PHONE | slot::RECEIVER_PHONE => mask::phone(&found.text),
                slot::SENDER_ID_NO => mask::id_no(&found.text),
                slot::SENDER_ADDRESS | slot::RECEIVER_ADDRESS => mask::address(&found.text),
                _ => mask::name(&found.text),
            }
        } else {
            found.text
        };
        Evidence {
            field: self.schema.path(at).to_owned(),
            term: found.term,
            span: found.span,
            text,
        }
    }
}

/// Whether an allow-word of the atom covers a match. The words are sorted; `longest` is the length of the longest.
fn is_covered(words: &[(AtomId, [usize; 2])], longest: usize, atom: AtomId, span: [usize; 2]) -> bool {
    let earliest = span[1].saturating_sub(longest);
    let from = words.partition_point(|word| *word < (atom, [earliest, 0]));
    words[from..]
        .iter()
        .take_while(|word| word.0 == atom && word.1[0] <= span[0])
        .any(|word| covers(word.1, span))
}

impl Validity {
    /// Whether a rule holds for this event.
    fn covers(&self, waybill: &Waybill<'_>) -> bool {
        let day = waybill.occurred_day();
        let region = match waybill.text(slot::SITE_REGION) {
            "" => waybill.text(slot::RECEIVER_REGION),
            region => region,
        };
        self.from_day.is_none_or(|from| day >= from)
            && self.until_day.is_none_or(|until| day <= until)
            && (self.regions.is_empty() || self.regions.iter().any(|prefix| region.starts_with(prefix.as_str())))
    }
}
