//! Watchlists: an exact join of a field's canonical form with a list that names its authority, its legal basis and its
//! expiry. Most values are on no list, so a filter of nine bits an entry answers first.

use crate::waybill::{Schema, Slot, identity, slot};
use hashbrown::HashTable;
use rustc_hash::FxHasher;
use std::hash::Hasher;
use xorf::{BinaryFuse8, Filter};

/// What kind of value a list holds: which canonical form is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EntryKind {
    /// Phone numbers: digits.
    Phone,
    /// ID numbers: letters and digits, upper case.
    IdNo,
    /// Names and anything else: width and case folded, without spaces.
    Name,
}

impl EntryKind {
    /// The word in a list file's `type` column.
    pub fn parse(word: &str) -> Option<Self> {
        match word {
            "phone" => Some(Self::Phone),
            "id_no" => Some(Self::IdNo),
            "name" => Some(Self::Name),
            _ => None,
        }
    }

    /// Writes the canonical form of a value.
    fn canonical(self, text: &str, out: &mut String) {
        match self {
            Self::Phone => identity::phone_into(text, out),
            Self::IdNo => identity::id_no_into(text, out),
            Self::Name => identity::name_into(text, out),
        }
    }
}

/// Under whose authority, and on what legal basis, entries stand on a list, and until when.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Basis {
    /// The department that answers for the entry.
    pub authority: String,
    /// The law or order it stands on.
    pub legal_basis: String,
    /// The last day on which it matches, days since 1970-01-01.
    pub expires_day: i64,
}

/// One list.
#[derive(Debug)]
pub struct Watchlist {
    name: String,
    kinds: Vec<EntryKind>,
    bases: Vec<Basis>,
    /// Canonical values, one after another.
    values: String,
    entries: Vec<Entry>,
    index: HashTable<u32>,
    filter: Option<BinaryFuse8>,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    end: u32,
    basis: u16,
    kind: EntryKind,
}

/// An entry that a value was found on.
#[derive(Clone, Copy, Debug)]
pub struct Listing<'l> {
    /// The list.
    pub name: &'l str,
    /// Why it stands there, and until when.
    pub basis: &'l Basis,
}

/// Why a list can't be built.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WatchlistError {
    /// An entry has no letters or digits that could be compared.
    #[error("entry {0} has no value that can be compared")]
    Empty(usize),
    /// More text than one list may hold.
    #[error("the list is longer than 4 GiB of text: split it")]
    TooLong,
    /// More different authorities, legal bases and expiry days than a list may have.
    #[error("more than 65,536 combinations of authority, legal basis and expiry: split the list")]
    TooManyBases,
}

impl Watchlist {
    /// Builds a list from its entries: kind, value, and why it stands there.
    pub fn build(
        name: &str,
        entries: impl IntoIterator<Item = (EntryKind, String, Basis)>,
    ) -> Result<Self, WatchlistError> {
        let mut list = Self {
            name: name.to_owned(),
            kinds: Vec::new(),
            bases: Vec::new(),
            values: String::new(),
            entries: Vec::new(),
            index: HashTable::new(),
            filter: None,
        };
        let mut hashes = Vec::new();
        let mut canonical = String::new();
        for (at, (kind, value, basis)) in entries.into_iter().enumerate() {
            kind.canonical(&value, &mut canonical);
            if canonical.is_empty() {
                return Err(WatchlistError::Empty(at + 1));
            }
            if let Some(hash) = list.insert(kind, &canonical, basis)? {
                hashes.push(hash);
            }
        }
        hashes.sort_unstable();
        hashes.dedup();
        list.filter = BinaryFuse8::try_from(&hashes).ok();
        Ok(list)
    }

    fn insert(&mut self, kind: EntryKind, value: &str, basis: Basis) -> Result<Option<u64>, WatchlistError> {
        let hash = hash_of(kind, value);
        if self.lookup(hash, kind, value).is_some() {
            return Ok(None);
        }
        let basis = match self.bases.iter().position(|known| *known == basis) {
            Some(at) => at,
            None => {
                self.bases.push(basis);
                self.bases.len() - 1
            }
        };
        self.values.push_str(value);
        let entry = Entry {
            end: u32::try_from(self.values.len()).map_err(|_| WatchlistError::TooLong)?,
            basis: u16::try_from(basis).map_err(|_| WatchlistError::TooManyBases)?,
            kind,
        };
        if !self.kinds.contains(&kind) {
            self.kinds.push(kind);
        }
        let at = self.entries.len() as u32;
        self.entries.push(entry);
        let (entries, values) = (&self.entries, &self.values);
        self.index.insert_unique(hash, at, |&at| {
            hash_of(entries[at as usize].kind, value_at(entries, values, at))
        });
        Ok(Some(hash))
    }

    fn lookup(&self, hash: u64, kind: EntryKind, value: &str) -> Option<&Entry> {
        let same =
            |&at: &u32| self.entries[at as usize].kind == kind && value_at(&self.entries, &self.values, at) == value;
        self.index.find(hash, same).map(|&at| &self.entries[at as usize])
    }

    /// The kinds of entries that a field's values are joined with: its own kind, where the field has one.
    pub(super) fn kinds_for(&self, field: Slot, schema: &Schema) -> Vec<EntryKind> {
        let own = match field {
            _ if !schema.is_waybill() => None,
            slot::SENDER_PHONE | slot::RECEIVER_PHONE => Some(EntryKind::Phone),
            slot::SENDER_ID_NO => Some(EntryKind::IdNo),
            slot::SENDER_NAME | slot::RECEIVER_NAME | slot::SENDER_ORG => Some(EntryKind::Name),
            _ => None,
        };
        self.kinds
            .iter()
            .copied()
            .filter(|kind| own.is_none_or(|own| own == *kind))
            .collect()
    }

    /// The entry of one of the kinds that a value stands on, whatever its expiry. `canonical` is a buffer.
    #[inline]
    pub(super) fn find<'l>(&'l self, text: &str, kinds: &[EntryKind], canonical: &mut String) -> Option<Listing<'l>> {
        for &kind in kinds {
            kind.canonical(text, canonical);
            if canonical.is_empty() {
                continue;
            }
            let hash = hash_of(kind, canonical);
            if self.filter.as_ref().is_some_and(|filter| !filter.contains(&hash)) {
                continue;
            }
            if let Some(entry) = self.lookup(hash, kind, canonical) {
                return Some(Listing {
                    name: &self.name,
                    basis: &self.bases[usize::from(entry.basis)],
                });
            }
        }
        None
    }

    /// The name by which rules know the list.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How many entries it has.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

fn value_at<'v>(entries: &[Entry], values: &'v str, at: u32) -> &'v str {
    let start = if at == 0 { 0 } else { entries[at as usize - 1].end };
    &values[start as usize..entries[at as usize].end as usize]
}

fn hash_of(kind: EntryKind, value: &str) -> u64 {
    let mut hasher = FxHasher::default();
    hasher.write(value.as_bytes());
    hasher.write_u8(kind as u8);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn basis(day: i64) -> Basis {
        Basis {
            authority: "测试公安局".into(),
            legal_basis: "测试令".into(),
            expires_day: day,
        }
    }

    #[test]
    fn joins_canonical_forms() {
        let list = Watchlist::build(
            "wanted",
            [
                (EntryKind::Phone, "+86 138-0013-8000".to_owned(), basis(20_000)),
                (EntryKind::IdNo, "11010519491231002x".to_owned(), basis(20_001)),
                (EntryKind::Phone, "13800138000".to_owned(), basis(20_002)),
            ],
        )
        .unwrap();
        assert_eq!(list.len(), 2);
        let mut buffer = String::new();
        for (text, expected) in [
            ("１３８ 0013 8000", Some(20_000)),
            ("11010519491231002X", Some(20_001)),
            ("13800138001", None),
            ("", None),
        ] {
            assert_eq!(
                list.find(text, &list.kinds, &mut buffer)
                    .map(|listing| listing.basis.expires_day),
                expected,
                "{text}"
            );
        }
        assert_eq!(
            Watchlist::build("x", [(EntryKind::Phone, "无".to_owned(), basis(1))]).unwrap_err(),
            WatchlistError::Empty(1)
        );
    }
}
