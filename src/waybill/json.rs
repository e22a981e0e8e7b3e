//! JSON → record, in one pass over the bytes, without copies. Every known field is checked, whether a rule asks for it
//! or not: what is refused never depends on the rules.

use super::mapping::{Mapping, Step};
use super::parse_rfc3339;
use super::record::{Cell, Place, Record, Waybill};
use super::refusal::{Reason, Refusal};
use super::schema::{FIELDS, Kind, Leaf, Schema, Slot, Tree, slot};
use serde::de::{DeserializeSeed, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::fmt;
use std::sync::Arc;

/// The longest record that is taken, in bytes. The largest real waybills are under 10 KiB.
pub const RECORD_BYTES_MAX: usize = 256 * 1024;

/// Turns bytes into records of one schema, canonical or through a carrier's mapping.
#[derive(Clone, Debug)]
pub struct Decoder {
    schema: Arc<Schema>,
    tree: Tree,
    constants: Vec<(Slot, Arc<str>)>,
    /// Whether text that means a number or a boolean is taken as one: carriers' own shapes and CSV.
    lenient: bool,
}

impl Decoder {
    /// A decoder of records that have the schema's own shape.
    pub fn new(schema: Arc<Schema>) -> Self {
        let tree = schema.tree();
        Self {
            schema,
            tree,
            constants: Vec::new(),
            lenient: false,
        }
    }

    /// A decoder of records in the schema's own shape whose numbers and booleans may be written as text.
    pub(super) fn lenient(schema: Arc<Schema>) -> Self {
        Self {
            lenient: true,
            ..Self::new(schema)
        }
    }

    /// A decoder of records in a carrier's shape.
    pub fn mapped(schema: Arc<Schema>, mapping: &Mapping) -> Self {
        let (tree, constants) = mapping.compile(&schema);
        Self {
            schema,
            tree,
            constants,
            lenient: true,
        }
    }

    /// The schema whose slots the records have.
    pub fn schema(&self) -> &Arc<Schema> {
        &self.schema
    }

    /// A record to decode into, again and again.
    pub fn record(&self) -> Record {
        Record::new(self.schema.len())
    }

    /// Decodes one JSON object.
    pub fn decode<'a>(&self, bytes: &'a [u8], record: &'a mut Record) -> Result<Waybill<'a>, Refusal> {
        if bytes.len() > RECORD_BYTES_MAX {
            return Err(Refusal::too_large());
        }
        let original = simdutf8::basic::from_utf8(bytes)
            .map_err(|_| Refusal::record(Reason::BadUtf8, "not UTF-8: send UTF-8, without a byte order mark"))?;
        self.start(record);
        let mut walk = Walk {
            decoder: self,
            original,
            record,
            fault: None,
            array_depth: 0,
        };
        let mut json = sonic_rs::Deserializer::from_str(original);
        let parsed = Below {
            walk: &mut walk,
            node: ROOT,
        }
        .deserialize(&mut json)
        .and_then(|()| json.end());
        if let Some(fault) = walk.fault {
            return Err(fault);
        }
        if let Err(error) = parsed {
            let detail = format!("not JSON at byte {}: send one JSON object", error.offset());
            return Err(Refusal::record(Reason::NotJson, detail));
        }
        self.finish(original, record)
    }

    /// Clears the record and puts a mapping's constants in.
    pub(super) fn start(&self, record: &mut Record) {
        record.clear(self.schema.len());
        for (slot, text) in &self.constants {
            let place = record.make(text);
            record.set(*slot, Cell::Text(place));
        }
    }

    /// Puts one value where a leaf says, through its steps, if it is of the right kind there.
    pub(super) fn put(
        &self,
        original: &str,
        record: &mut Record,
        leaf: &Leaf,
        cell: Cell,
        in_array: bool,
    ) -> Result<(), Refusal> {
        let slot = leaf.slot;
        let kind = self.schema.kind(slot);
        let refuse = |reason, detail: String| Refusal::field(reason, self.schema.path(slot), detail);
        let mut cell = cell;
        if let Some(steps) = &leaf.steps {
            for step in steps.iter() {
                cell = step
                    .apply(cell, original, record)
                    .map_err(|detail| refuse(Reason::BadValue, detail))?;
            }
        }
        if self.lenient {
            cell = coerced(cell, kind, original, record);
        }
        if cell == Cell::Absent {
            return Ok(());
        }
        let fits = match (kind, cell) {
            (Kind::Any, _) | (_, Cell::Null) | (Kind::TextList, Cell::EmptyList) => true,
            (Kind::Text, Cell::Text(_))
            | (Kind::Number, Cell::Int(_) | Cell::Float(_))
            | (Kind::Bool, Cell::Bool(_)) => !in_array || self.lenient,
            (Kind::TextList, Cell::Text(_)) => in_array || self.lenient,
            _ => false,
        };
        if !fits {
            let found = if in_array && kind != Kind::TextList {
                "an array"
            } else {
                kind_of(cell)
            };
            return Err(refuse(
                Reason::WrongType,
                format!("must be {}, not {found}", kind.expected()),
            ));
        }
        match record.cell(slot) {
            Cell::Absent if !in_array => record.set(slot, cell),
            _ if in_array => record.push(slot, cell),
            _ => return Err(refuse(Reason::DuplicateField, "stands in the record twice".to_owned())),
        }
        Ok(())
    }

    /// What must hold of a whole waybill.
    pub(super) fn finish<'a>(&self, original: &'a str, record: &'a mut Record) -> Result<Waybill<'a>, Refusal> {
        if !self.schema.is_waybill() {
            return Ok(Waybill { original, record });
        }
        for required in [slot::WAYBILL_NO, slot::CARRIER, slot::EVENT, slot::OCCURRED_AT] {
            let text = Waybill { original, record }.text(required);
            let fault = if text.is_empty() {
                Some(Reason::MissingField)
            } else {
                check(required, text)
            };
            if let Some(reason) = fault {
                let field = &FIELDS[usize::from(required.0)];
                return Err(Refusal::field(reason, field.path, requirement(required)));
            }
        }
        let text = Waybill { original, record }.text(slot::OCCURRED_AT);
        let Some((millis, offset)) = parse_rfc3339(text) else {
            let detail = requirement(slot::OCCURRED_AT);
            return Err(Refusal::field(
                Reason::BadValue,
                FIELDS[usize::from(slot::OCCURRED_AT.0)].path,
                detail,
            ));
        };
        record.occurred_ms = millis;
        record.offset_minutes = offset;
        Ok(Waybill { original, record })
    }
}

const ROOT: u32 = 0;

/// The events of a parcel's life.
const EVENTS: [&str; 6] = [
    "accept",
    "depart",
    "arrive",
    "out_for_delivery",
    "delivered",
    "returned",
];

fn check(field: Slot, text: &str) -> Option<Reason> {
    let right = match field {
        slot::WAYBILL_NO => (8..=32).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric()),
        slot::EVENT => EVENTS.contains(&text),
        _ => true,
    };
    (!right).then_some(Reason::BadValue)
}

fn requirement(field: Slot) -> &'static str {
    match field {
        slot::WAYBILL_NO => "required: 8 to 32 letters and digits",
        slot::CARRIER => "required: a carrier code such as SF or YTO",
        slot::EVENT => "required: accept, depart, arrive, out_for_delivery, delivered or returned",
        _ => "required: an RFC 3339 date-time such as 2022-11-11T08:23:11+08:00",
    }
}

fn kind_of(cell: Cell) -> &'static str {
    match cell {
        Cell::Absent | Cell::Null => "null",
        Cell::Bool(_) => "a boolean",
        Cell::Int(_) | Cell::Float(_) => "a number",
        Cell::Text(_) => "a string",
        Cell::Object => "an object",
        Cell::List(..) | Cell::EmptyList => "an array",
    }
}

/// Text that means what the field wants, taken as that; anything else as it was.
fn coerced(cell: Cell, kind: Kind, original: &str, record: &mut Record) -> Cell {
    match (kind, cell) {
        (Kind::Text, Cell::Int(value)) => Cell::Text(record.make(&value.to_string())),
        (Kind::Text, Cell::Float(value)) => Cell::Text(record.make(&value.to_string())),
        (Kind::Bool, Cell::Int(value @ (0 | 1))) => Cell::Bool(value == 1),
        (Kind::Number | Kind::Bool, Cell::Text(place)) => {
            let text = record.text_at(original, place).trim();
            let meant = if kind == Kind::Number {
                number(text)
            } else {
                boolean(text)
            };
            if text.is_empty() {
                Cell::Absent
            } else {
                meant.unwrap_or(cell)
            }
        }
        _ => cell,
    }
}

/// The number that a text is, if it is one.
pub(super) fn number(text: &str) -> Option<Cell> {
    if let Ok(value) = text.parse::<i64>() {
        return Some(Cell::Int(value));
    }
    text.parse::<f64>()
        .ok()
        .filter(|value| value.is_finite())
        .map(Cell::Float)
}

fn boolean(text: &str) -> Option<Cell> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "1" | "y" | "yes" | "是" => Some(Cell::Bool(true)),
        "false" | "0" | "n" | "no" | "否" => Some(Cell::Bool(false)),
        _ => None,
    }
}

/// One walk over one record's JSON.
struct Walk<'d, 'o, 'r> {
    decoder: &'d Decoder,
    original: &'o str,
    record: &'r mut Record,
    fault: Option<Refusal>,
    array_depth: u32,
}

impl Walk<'_, '_, '_> {
    #[inline]
    fn borrowed(&self, text: &str) -> Cell {
        // sonic-rs lends strings without escapes straight from the original bytes.
        Cell::Text(Place::original(
            text.as_ptr() as usize - self.original.as_ptr() as usize,
            text.len(),
        ))
    }

    fn owned(&mut self, text: &str) -> Cell {
        Cell::Text(self.record.make(text))
    }

    /// Puts a scalar (or an object's or empty array's mark) at a node.
    #[inline]
    fn put<E: serde::de::Error>(&mut self, node: u32, cell: Cell) -> Result<(), E> {
        let decoder = self.decoder;
        let leaves = decoder.tree.leaves(node);
        if leaves.is_empty() {
            return self.misplaced(node, cell);
        }
        for leaf in leaves {
            if let Err(fault) = decoder.put(self.original, self.record, leaf, cell, self.array_depth > 0) {
                self.fault = Some(fault);
                return Err(E::custom("refused"));
            }
        }
        Ok(())
    }

    /// A scalar where an object belongs.
    #[cold]
    fn misplaced<E: serde::de::Error>(&mut self, node: u32, cell: Cell) -> Result<(), E> {
        if matches!(cell, Cell::Null | Cell::Object | Cell::EmptyList) && node != ROOT {
            return Ok(());
        }
        if !self.decoder.schema.is_waybill() && node != ROOT {
            return self.keep(cell);
        }
        self.fault = Some(if node == ROOT {
            let detail = format!("a waybill must be a JSON object, not {}", kind_of(cell));
            Refusal::record(Reason::NotAnObject, detail)
        } else {
            let detail = format!("must be an object, not {}", kind_of(cell));
            Refusal::field(Reason::WrongType, self.decoder.tree.path(node), detail)
        });
        Err(E::custom("refused"))
    }

    /// Keeps a value that has no slot of its own, for keyword searches.
    #[expect(clippy::unnecessary_wraps, reason = "called as the tail of fallible visitor methods")]
    fn keep<E>(&mut self, cell: Cell) -> Result<(), E> {
        if let Some(everything) = self.decoder.schema.everything()
            && matches!(cell, Cell::Text(_) | Cell::Int(_) | Cell::Float(_))
        {
            self.record.push(everything, cell);
        }
        Ok(())
    }
}

/// A value at a node of the tree.
struct Below<'w, 'd, 'o, 'r> {
    walk: &'w mut Walk<'d, 'o, 'r>,
    node: u32,
}

impl<'de> DeserializeSeed<'de> for Below<'_, '_, 'de, '_> {
    type Value = ();

    #[inline]
    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Below<'_, '_, 'de, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    #[inline]
    fn visit_borrowed_str<E: serde::de::Error>(self, text: &'de str) -> Result<(), E> {
        let cell = self.walk.borrowed(text);
        self.walk.put(self.node, cell)
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<(), E> {
        let cell = self.walk.owned(text);
        self.walk.put(self.node, cell)
    }

    #[inline]
    fn visit_bool<E: serde::de::Error>(self, value: bool) -> Result<(), E> {
        self.walk.put(self.node, Cell::Bool(value))
    }

    #[inline]
    fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<(), E> {
        self.walk.put(self.node, Cell::Int(value))
    }

    #[inline]
    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<(), E> {
        self.walk.put(
            self.node,
            i64::try_from(value).map_or(Cell::Float(value as f64), Cell::Int),
        )
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<(), E> {
        self.walk.put(self.node, Cell::Float(value))
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<(), E> {
        self.walk.put(self.node, Cell::Null)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Self { walk, node } = self;
        if !walk.decoder.tree.leaves(node).is_empty() {
            walk.put(node, Cell::Object)?;
        }
        let tree = &walk.decoder.tree;
        while let Some(child) = map.next_key_seed(KeyAt { tree, node })? {
            match child {
                Some(node) => map.next_value_seed(Below { walk: &mut *walk, node })?,
                None if walk.decoder.schema.everything().is_some() => {
                    map.next_value_seed(Unknown { walk: &mut *walk })?;
                }
                None => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        let Self { walk, node } = self;
        if node == ROOT {
            walk.fault = Some(Refusal::record(
                Reason::NotAnObject,
                "a waybill must be a JSON object, not an array",
            ));
            return Err(A::Error::custom("refused"));
        }
        walk.array_depth += 1;
        let mut count = 0;
        loop {
            // A pointer that names one element (`/goods/0/name`) takes a single value, not a list.
            let named = walk.decoder.tree.index(node, count);
            walk.array_depth -= u32::from(named.is_some());
            let element = seq.next_element_seed(Below {
                walk: &mut *walk,
                node: named.unwrap_or(node),
            })?;
            walk.array_depth += u32::from(named.is_some());
            if element.is_none() {
                break;
            }
            count += 1;
        }
        walk.array_depth -= 1;
        if count == 0 {
            walk.put(node, Cell::EmptyList)
        } else {
            Ok(())
        }
    }
}

/// A key: the child of a node that it names, if anyone asks for it.
struct KeyAt<'t> {
    tree: &'t Tree,
    node: u32,
}

impl<'de> DeserializeSeed<'de> for KeyAt<'_> {
    type Value = Option<u32>;

    #[inline]
    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<Option<u32>, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for KeyAt<'_> {
    type Value = Option<u32>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    #[inline]
    fn visit_str<E>(self, key: &str) -> Result<Option<u32>, E> {
        Ok(self.tree.child(self.node, key))
    }
}

/// A value that has no slot: its strings and numbers are kept for keyword searches.
struct Unknown<'w, 'd, 'o, 'r> {
    walk: &'w mut Walk<'d, 'o, 'r>,
}

impl<'de> DeserializeSeed<'de> for Unknown<'_, '_, 'de, '_> {
    type Value = ();

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Unknown<'_, '_, 'de, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<(), E> {
        let cell = self.walk.borrowed(text);
        self.walk.keep(cell)
    }

    fn visit_str<E>(self, text: &str) -> Result<(), E> {
        let cell = self.walk.owned(text);
        self.walk.keep(cell)
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, value: i64) -> Result<(), E> {
        self.walk.keep(Cell::Int(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<(), E> {
        self.walk
            .keep(i64::try_from(value).map_or(Cell::Float(value as f64), Cell::Int))
    }

    fn visit_f64<E>(self, value: f64) -> Result<(), E> {
        self.walk.keep(Cell::Float(value))
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while map.next_key::<IgnoredAny>()?.is_some() {
            map.next_value_seed(Unknown { walk: &mut *self.walk })?;
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        while seq.next_element_seed(Unknown { walk: &mut *self.walk })?.is_some() {}
        Ok(())
    }
}

impl Step {
    /// The value after this step; an error says what was expected.
    fn apply(&self, cell: Cell, original: &str, record: &mut Record) -> Result<Cell, String> {
        if cell == Cell::Null {
            return Ok(cell);
        }
        let text = match cell {
            Cell::Text(place) => record.text_at(original, place).to_owned(),
            Cell::Int(value) => value.to_string(),
            Cell::Float(value) => value.to_string(),
            Cell::Bool(value) => value.to_string(),
            other => {
                return Err(format!(
                    "a mapping step needs a text or a number, not {}",
                    kind_of(other)
                ));
            }
        };
        Ok(match self.run(&text)? {
            super::mapping::Stepped::Text(text) => Cell::Text(record.make(&text)),
            super::mapping::Stepped::Number(value) if value.fract() == 0.0 && value.abs() < 9e15 => {
                Cell::Int(value as i64)
            }
            super::mapping::Stepped::Number(value) => Cell::Float(value),
            super::mapping::Stepped::Nothing => Cell::Absent,
        })
    }
}
