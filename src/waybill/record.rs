//! A decoded record: for each slot, what stands there and where. Reused from record to record; nothing is copied but
//! strings with escapes and what a mapping's steps made.

use super::schema::Slot;
use super::slot;
use time::{OffsetDateTime, UtcOffset};

/// A place in one of a record's two texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub start: u32,
    /// The length in bytes; the top bit says that the place is in the made text, not in the original bytes.
    len: u32,
}

const MADE: u32 = 1 << 31;

impl Place {
    pub const fn original(start: usize, len: usize) -> Self {
        Self {
            start: start as u32,
            len: len as u32,
        }
    }

    pub const fn made(start: usize, len: usize) -> Self {
        Self {
            start: start as u32,
            len: len as u32 | MADE,
        }
    }
}

/// What a slot holds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Cell {
    Absent,
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(Place),
    Object,
    /// First and last link of a chain in `Record::links`.
    List(u32, u32),
    EmptyList,
}

/// End of a chain of list elements.
const END: u32 = u32::MAX;

/// Where each field's value stands in the bytes it was decoded from. Holds no reference to them, so one record serves
/// a whole stream; [`Waybill`] puts the two together.
#[derive(Clone, Debug)]
pub struct Record {
    cells: Vec<Cell>,
    links: Vec<(Cell, u32)>,
    /// Text that is not in the original bytes: unescaped strings, mapped values.
    made: String,
    pub(super) occurred_ms: i64,
    pub(super) offset_minutes: i16,
}

impl Record {
    /// An empty record of `slots` slots.
    pub fn new(slots: usize) -> Self {
        Self {
            cells: vec![Cell::Absent; slots],
            links: Vec::new(),
            made: String::new(),
            occurred_ms: 0,
            offset_minutes: 0,
        }
    }

    /// Forgets the last record, keeps the memory.
    pub(super) fn clear(&mut self, slots: usize) {
        self.cells.clear();
        self.cells.resize(slots, Cell::Absent);
        self.links.clear();
        self.made.clear();
        self.occurred_ms = 0;
        self.offset_minutes = 0;
    }

    #[inline]
    pub(super) fn cell(&self, slot: Slot) -> Cell {
        self.cells[usize::from(slot.0)]
    }

    #[inline]
    pub(super) fn set(&mut self, slot: Slot, cell: Cell) {
        self.cells[usize::from(slot.0)] = cell;
    }

    /// Adds an element to the list in a slot, which becomes a list if it was a single value.
    pub(super) fn push(&mut self, slot: Slot, cell: Cell) {
        let link = self.links.len() as u32;
        let list = match self.cell(slot) {
            Cell::Absent | Cell::EmptyList => Cell::List(link, link),
            Cell::List(first, last) => {
                self.links[last as usize].1 = link;
                Cell::List(first, link)
            }
            single => {
                self.links.push((single, link + 1));
                self.links.push((cell, END));
                self.set(slot, Cell::List(link, link + 1));
                return;
            }
        };
        self.links.push((cell, END));
        self.set(slot, list);
    }

    /// Keeps a text that is not in the original bytes.
    pub(super) fn make(&mut self, text: &str) -> Place {
        let start = self.made.len();
        self.made.push_str(text);
        Place::made(start, text.len())
    }

    #[inline]
    pub(super) fn text_at<'a>(&'a self, original: &'a str, place: Place) -> &'a str {
        let text = if place.len & MADE == 0 { original } else { &self.made };
        let start = place.start as usize;
        &text[start..start + (place.len & !MADE) as usize]
    }

    fn value<'a>(&'a self, original: &'a str, cell: Cell) -> Value<'a> {
        match cell {
            Cell::Absent => Value::Absent,
            Cell::Null => Value::Null,
            Cell::Bool(value) => Value::Bool(value),
            Cell::Int(value) => Value::Int(value),
            Cell::Float(value) => Value::Float(value),
            Cell::Text(place) => Value::Text(self.text_at(original, place)),
            Cell::Object => Value::Object,
            Cell::List(first, _) => Value::List(List {
                record: self,
                original,
                at: first,
            }),
            Cell::EmptyList => Value::List(List {
                record: self,
                original,
                at: END,
            }),
        }
    }
}

/// The value of a field.
#[derive(Clone, Copy, Debug)]
pub enum Value<'a> {
    /// The field is not there.
    Absent,
    /// The field is `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// Any other number.
    Float(f64),
    /// A string.
    Text(&'a str),
    /// An array: its elements, flattened; or the values of a field in each object of an array.
    List(List<'a>),
    /// An object: there, and nothing more is known of it.
    Object,
}

/// The elements of a list value.
#[derive(Clone, Copy, Debug)]
pub struct List<'a> {
    record: &'a Record,
    original: &'a str,
    at: u32,
}

#[allow(
    clippy::copy_iterator,
    reason = "a value is copied, and a list is one; each look at it starts anew"
)]
impl<'a> Iterator for List<'a> {
    type Item = Value<'a>;

    fn next(&mut self) -> Option<Value<'a>> {
        if self.at == END {
            return None;
        }
        let (cell, next) = self.record.links[self.at as usize];
        self.at = next;
        Some(self.record.value(self.original, cell))
    }
}

/// A decoded record together with the bytes it stands in.
#[derive(Clone, Copy, Debug)]
pub struct Waybill<'a> {
    pub(super) original: &'a str,
    pub(super) record: &'a Record,
}

impl<'a> Waybill<'a> {
    /// The value of a field.
    #[inline]
    pub fn get(&self, slot: Slot) -> Value<'a> {
        self.record.value(self.original, self.record.cell(slot))
    }

    /// The text of a field (of a list, its first element); empty when it is absent or not text.
    #[inline]
    pub fn text(&self, slot: Slot) -> &'a str {
        match self.record.cell(slot) {
            Cell::Text(place) => self.record.text_at(self.original, place),
            Cell::List(first, _) => match self.record.links[first as usize].0 {
                Cell::Text(place) => self.record.text_at(self.original, place),
                _ => "",
            },
            _ => "",
        }
    }

    /// The number in a field.
    pub fn number(&self, slot: Slot) -> Option<f64> {
        match self.record.cell(slot) {
            Cell::Int(value) => Some(value as f64),
            Cell::Float(value) => Some(value),
            _ => None,
        }
    }

    /// Waybill number.
    pub fn waybill_no(&self) -> &'a str {
        self.text(slot::WAYBILL_NO)
    }

    /// Event time, milliseconds since 1970-01-01T00:00:00Z.
    pub fn occurred_ms(&self) -> i64 {
        self.record.occurred_ms
    }

    /// Event time, in the record's own offset.
    pub fn occurred_at(&self) -> OffsetDateTime {
        let utc = OffsetDateTime::from_unix_timestamp_nanos(i128::from(self.record.occurred_ms) * 1_000_000)
            .unwrap_or(OffsetDateTime::UNIX_EPOCH);
        let offset = UtcOffset::from_whole_seconds(i32::from(self.record.offset_minutes) * 60);
        utc.to_offset(offset.unwrap_or(UtcOffset::UTC))
    }

    /// Event date in the record's own offset, days since 1970-01-01.
    pub fn occurred_day(&self) -> i64 {
        (self.record.occurred_ms + i64::from(self.record.offset_minutes) * 60_000).div_euclid(86_400_000)
    }
}
