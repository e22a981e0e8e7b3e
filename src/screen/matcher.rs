//! Finds thousands of terms in a folded text at once. Most texts hold none of them, so what must be fast is to know
//! that: each term is anchored at one pair of neighbouring characters, the pairs are bits in a table that stays in the
//! first-level cache, and only where a pair's bit is set are the terms behind it compared.
//!
//! A text of `n` characters costs `n` probes whatever the number of terms; `benches/results` has it beside the
//! automata that were measured for the same work.

use rustc_hash::FxHashMap;

/// Index of a term, in the order in which the terms were given.
pub(super) type TermId = u32;

/// All terms, compiled.
#[derive(Debug, Default)]
pub(super) struct Matcher {
    /// One bit for each hash of a pair that anchors a term.
    bits: Vec<u64>,
    shift: u32,
    /// The terms behind each pair.
    pairs: FxHashMap<(char, char), Bucket>,
    entries: Vec<Entry>,
    /// Terms of a single character, and a bit for each hash of one.
    singles: FxHashMap<char, TermId>,
    single_bits: Vec<u64>,
    /// The characters of all terms, one after another.
    chars: Vec<char>,
}

#[derive(Clone, Copy, Debug)]
struct Bucket {
    start: u32,
    end: u32,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    term: TermId,
    /// Where the term stands in `chars`.
    start: u32,
    len: u32,
    /// How many of its characters stand before the anchoring pair.
    before: u32,
}

/// Bits in the table for each pair: at 64 a text without terms meets a set bit at one character in 64.
const BITS_PER_PAIR: usize = 64;
/// The table is at least a page, and never larger than a second-level cache.
const TABLE_BITS: std::ops::RangeInclusive<u32> = 15..=22;

/// Bits of the table of single characters: neighbours in Unicode are neighbours in it.
const SINGLE_BITS: usize = 1 << 15;

#[inline]
fn single_hash(c: char) -> usize {
    c as usize & (SINGLE_BITS - 1)
}

impl Matcher {
    /// Compiles distinct folded terms, none of them empty.
    pub fn new(terms: &[Vec<char>]) -> Self {
        let mut matcher = Self::default();
        let mut anchored: FxHashMap<(char, char), Vec<Entry>> = FxHashMap::default();
        for (id, term) in terms.iter().enumerate() {
            let id = id as TermId;
            if let [single] = term.as_slice() {
                matcher.single_bits.resize(SINGLE_BITS / 64, 0);
                matcher.single_bits[single_hash(*single) >> 6] |= 1 << (single_hash(*single) & 63);
                matcher.singles.insert(*single, id);
                continue;
            }
            let start = matcher.chars.len() as u32;
            matcher.chars.extend(term);
            let (before, pair) = rarest(term, &anchored);
            anchored.entry(pair).or_default().push(Entry {
                term: id,
                start,
                len: term.len() as u32,
                before,
            });
        }
        let table_bits = (anchored.len() * BITS_PER_PAIR).next_power_of_two().ilog2();
        let table_bits = table_bits.clamp(*TABLE_BITS.start(), *TABLE_BITS.end());
        matcher.shift = 32 - table_bits;
        matcher.bits = vec![0; 1 << (table_bits - 6)];
        for (pair, entries) in anchored {
            let hash = matcher.hash(pair.0, pair.1);
            matcher.bits[hash >> 6] |= 1 << (hash & 63);
            let start = matcher.entries.len() as u32;
            matcher.entries.extend(entries);
            matcher.pairs.insert(
                pair,
                Bucket {
                    start,
                    end: matcher.entries.len() as u32,
                },
            );
        }
        matcher
    }

    #[inline]
    fn hash(&self, first: char, second: char) -> usize {
        let mixed = (first as u32).wrapping_mul(0x9E37_79B1) ^ (second as u32).wrapping_mul(0x85EB_CA77).rotate_left(7);
        (mixed.wrapping_mul(0xC2B2_AE35) >> self.shift) as usize
    }

    /// Calls `found` with each term and its start, in characters, for every occurrence of every term.
    #[inline]
    pub fn scan(&self, text: &[char], mut found: impl FnMut(TermId, usize)) {
        for (at, pair) in text.windows(2).enumerate() {
            let hash = self.hash(pair[0], pair[1]);
            if self.bits[hash >> 6] >> (hash & 63) & 1 == 1 {
                self.compare(text, at, &mut found);
            }
        }
        if !self.single_bits.is_empty() {
            for (at, &c) in text.iter().enumerate() {
                let hash = single_hash(c);
                if self.single_bits[hash >> 6] >> (hash & 63) & 1 == 1
                    && let Some(&term) = self.singles.get(&c)
                {
                    found(term, at);
                }
            }
        }
    }

    #[inline(never)]
    fn compare(&self, text: &[char], at: usize, found: &mut impl FnMut(TermId, usize)) {
        let Some(bucket) = self.pairs.get(&(text[at], text[at + 1])) else {
            return;
        };
        for entry in &self.entries[bucket.start as usize..bucket.end as usize] {
            let Some(start) = at.checked_sub(entry.before as usize) else {
                continue;
            };
            let term = &self.chars[entry.start as usize..(entry.start + entry.len) as usize];
            if text.get(start..start + term.len()) == Some(term) {
                found(entry.term, start);
            }
        }
    }
}

/// The pair of a term that anchors the fewest terms so far, and how many characters stand before it.
fn rarest(term: &[char], anchored: &FxHashMap<(char, char), Vec<Entry>>) -> (u32, (char, char)) {
    let crowd = |pair: &[char]| {
        let terms = anchored.get(&(pair[0], pair[1])).map_or(0, Vec::len);
        // Pairs of ASCII (digits above all) are everywhere in waybills: the last to choose.
        let common = pair.iter().filter(|c| c.is_ascii()).count();
        (common, terms)
    };
    let (before, pair) = term
        .windows(2)
        .enumerate()
        .min_by_key(|(_, pair)| crowd(pair))
        .expect("two characters");
    (before as u32, (pair[0], pair[1]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn terms(terms: &[&str]) -> Vec<Vec<char>> {
        terms.iter().map(|term| term.chars().collect()).collect()
    }

    fn scan(matcher: &Matcher, text: &str) -> Vec<(TermId, usize)> {
        let text: Vec<char> = text.chars().collect();
        let mut all = Vec::new();
        matcher.scan(&text, |term, start| all.push((term, start)));
        all.sort_unstable();
        all
    }

    #[test]
    fn rows() {
        for (list, text, expected) in [
            (
                &["冰毒", "毒品", "枪"][..],
                "冰毒品和枪枪",
                vec![(0, 0), (1, 1), (2, 4), (2, 5)],
            ),
            (&["aa", "aaa"], "aaaa", vec![(0, 0), (0, 1), (0, 2), (1, 0), (1, 1)]),
            (&["甲基苯丙胺"], "甲基苯丙", vec![]),
            (&["ab"], "", vec![]),
            (&[], "任何", vec![]),
        ] {
            assert_eq!(scan(&Matcher::new(&terms(list)), text), expected, "{text}");
        }
    }

    proptest! {
        #[test]
        fn finds_what_a_naive_search_finds(
            list in prop::collection::btree_set("[ab冰毒枪]{1,5}", 0..40),
            text in "[ab冰毒枪弹]{0,60}",
        ) {
            let list: Vec<Vec<char>> = list.iter().map(|term| term.chars().collect()).collect();
            let chars: Vec<char> = text.chars().collect();
            let mut naive = Vec::new();
            for (id, term) in list.iter().enumerate() {
                for start in 0..chars.len() {
                    if chars[start..].starts_with(term) {
                        naive.push((id as TermId, start));
                    }
                }
            }
            prop_assert_eq!(scan(&Matcher::new(&list), &text), naive);
        }
    }
}
