//! Which fields there are: the record of `docs/record.md` as one table, and the tree of keys by which a decoder finds
//! a field's slot. What a rule set asks for beyond the table (`extra.*`, or any other path) gets a slot of its own.

use super::mapping::Step;
use rustc_hash::FxHashMap;
use std::sync::Arc;

/// Where a record keeps a field's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Slot(pub u16);

/// What a field's value must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A JSON string.
    Text,
    /// A JSON number.
    Number,
    /// `true` or `false`.
    Bool,
    /// An array of strings.
    TextList,
    /// Anything: fields that only rules know.
    Any,
}

impl Kind {
    /// How an error names what would have been right.
    pub const fn expected(self) -> &'static str {
        match self {
            Self::Text => "a string",
            Self::Number => "a number",
            Self::Bool => "true or false",
            Self::TextList => "an array of strings",
            Self::Any => "any value",
        }
    }
}

/// One field of the record.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    /// Dotted path, as rules write it.
    pub path: &'static str,
    /// What its value must be.
    pub kind: Kind,
    /// Whether a record without it is refused.
    pub required: bool,
    /// Whether it is personal data: masked in every piece of evidence.
    pub personal: bool,
}

macro_rules! fields {
    ($($name:ident $path:literal $kind:ident $($flag:ident)?;)*) => {
        /// The slots of the record's own fields.
        pub mod slot {
            use super::Slot;
            #[allow(non_camel_case_types, clippy::upper_case_acronyms)]
            #[repr(u16)]
            enum Index { $($name),* }
            $(#[doc = concat!("`", $path, "`")] pub const $name: Slot = Slot(Index::$name as u16);)*
        }

        /// The record, field by field, in slot order.
        pub const FIELDS: &[Field] = &[$(fields!(@field $path $kind $($flag)?)),*];
    };
    (@field $path:literal $kind:ident) => {
        Field { path: $path, kind: Kind::$kind, required: false, personal: false }
    };
    (@field $path:literal $kind:ident required) => {
        Field { path: $path, kind: Kind::$kind, required: true, personal: false }
    };
    (@field $path:literal $kind:ident personal) => {
        Field { path: $path, kind: Kind::$kind, required: false, personal: true }
    };
}

fields! {
    WAYBILL_NO            "waybill_no"              Text required;
    CARRIER               "carrier"                 Text required;
    EVENT                 "event"                   Text required;
    OCCURRED_AT           "occurred_at"             Text required;
    DIRECTION             "direction"               Text;
    SITE_CODE             "site.code"               Text;
    SITE_NAME             "site.name"               Text;
    SITE_REGION           "site.region"             Text;
    SENDER_NAME           "sender.name"             Text personal;
    SENDER_PHONE          "sender.phone"            Text personal;
    SENDER_ID_TYPE        "sender.id_type"          Text;
    SENDER_ID_NO          "sender.id_no"            Text personal;
    SENDER_ORG            "sender.org"              Text;
    SENDER_ADDRESS        "sender.address"          Text personal;
    SENDER_REGION         "sender.region"           Text;
    RECEIVER_NAME         "receiver.name"           Text personal;
    RECEIVER_PHONE        "receiver.phone"          Text personal;
    RECEIVER_ADDRESS      "receiver.address"        Text personal;
    RECEIVER_REGION       "receiver.region"         Text;
    RECEIVER_PICKUP       "receiver.pickup"         Text;
    ITEM_NAME             "item.name"               Text;
    ITEM_CATEGORY         "item.category"           Text;
    ITEM_QUANTITY         "item.quantity"           Number;
    ITEM_WEIGHT_G         "item.weight_g"           Number;
    ITEM_VOLUME_CM3       "item.volume_cm3"         Number;
    ITEM_DECLARED_VALUE   "item.declared_value_fen" Number;
    ITEM_REMARK           "item.remark"             Text;
    REAL_NAME_VERIFIED    "real_name.verified"      Bool;
    REAL_NAME_METHOD      "real_name.method"        Text;
    REAL_NAME_NAME_MATCH  "real_name.name_match"    Bool;
    INSPECTION_OPENED     "inspection.opened"       Bool;
    INSPECTION_RESULT     "inspection.result"       Text;
    INSPECTION_OFFICER    "inspection.officer"      Text;
    XRAY_MACHINE          "xray.machine"            Text;
    XRAY_RESULT           "xray.result"             Text;
    XRAY_LABELS           "xray.labels"             TextList;
    PAYMENT_METHOD        "payment.method"          Text;
    PAYMENT_COD_FEN       "payment.cod_fen"         Number;
    ORDER_PLATFORM        "order.platform"          Text;
    ORDER_SHOP            "order.shop"              Text;
}

/// The fields that a decoder finds, and where it puts them.
#[derive(Clone, Debug)]
pub struct Schema {
    paths: Vec<Arc<str>>,
    kinds: Vec<Kind>,
    slots: FxHashMap<Arc<str>, Slot>,
    is_waybill: bool,
    everything: Option<Slot>,
}

impl Schema {
    /// The waybill record, and beside it the given paths of other fields.
    pub fn waybill<'a>(others: impl IntoIterator<Item = &'a str>) -> Self {
        let mut schema = Self::empty(true);
        for field in FIELDS {
            schema.add(field.path, field.kind);
        }
        others.into_iter().for_each(|path| {
            schema.add(path, Kind::Any);
        });
        schema
    }

    /// Any JSON object: only the given paths, nothing required, any type.
    pub fn any<'a>(paths: impl IntoIterator<Item = &'a str>) -> Self {
        let mut schema = Self::empty(false);
        paths.into_iter().for_each(|path| {
            schema.add(path, Kind::Any);
        });
        schema
    }

    fn empty(is_waybill: bool) -> Self {
        Self {
            paths: Vec::new(),
            kinds: Vec::new(),
            slots: FxHashMap::default(),
            is_waybill,
            everything: None,
        }
    }

    fn add(&mut self, path: &str, kind: Kind) -> Slot {
        if let Some(&slot) = self.slots.get(path) {
            return slot;
        }
        let slot = Slot(u16::try_from(self.paths.len()).expect("a rule set asks for fewer than 65,536 fields"));
        let path: Arc<str> = path.into();
        self.paths.push(path.clone());
        self.kinds.push(kind);
        self.slots.insert(path, slot);
        slot
    }

    /// Also collects every string (and number) that has no slot of its own, as one list: what a keyword search reads.
    #[must_use]
    pub fn with_everything(mut self) -> Self {
        if self.everything.is_none() {
            self.everything = Some(self.add("*", Kind::Any));
        }
        self
    }

    /// The slot that collects what has no slot of its own.
    pub fn everything(&self) -> Option<Slot> {
        self.everything
    }

    /// The slot of a path, if the schema has it.
    pub fn slot(&self, path: &str) -> Option<Slot> {
        self.slots.get(path).copied()
    }

    /// The path of a slot.
    pub fn path(&self, slot: Slot) -> &str {
        &self.paths[usize::from(slot.0)]
    }

    /// What a slot's value must be.
    pub fn kind(&self, slot: Slot) -> Kind {
        self.kinds[usize::from(slot.0)]
    }

    /// Whether a slot holds personal data.
    pub fn is_personal(&self, slot: Slot) -> bool {
        self.is_waybill && FIELDS.get(usize::from(slot.0)).is_some_and(|field| field.personal)
    }

    /// Whether records are waybills: required fields are required, types are checked.
    pub fn is_waybill(&self) -> bool {
        self.is_waybill
    }

    /// How many slots a record needs.
    pub fn len(&self) -> usize {
        self.paths.len()
    }

    /// Whether there is no field at all.
    pub fn is_empty(&self) -> bool {
        self.paths.is_empty()
    }

    /// All slots with their paths.
    pub fn iter(&self) -> impl Iterator<Item = (Slot, &str)> {
        self.paths
            .iter()
            .enumerate()
            .map(|(index, path)| (Slot(index as u16), &**path))
    }

    /// The tree of keys for records that are shaped as the schema says.
    pub(super) fn tree(&self) -> Tree {
        let mut tree = Tree::default();
        for (slot, path) in self.iter().filter(|(slot, _)| Some(*slot) != self.everything) {
            tree.insert(path.split('.').map(str::to_owned), Leaf { slot, steps: None });
        }
        tree
    }
}

/// A value's destination: a slot, and for mapped sources the steps on the way there.
#[derive(Clone, Debug)]
pub(super) struct Leaf {
    pub slot: Slot,
    pub steps: Option<Arc<[Step]>>,
}

/// The keys that a decoder looks for, as a tree. Node 0 is the root.
#[derive(Clone, Debug)]
pub(super) struct Tree {
    nodes: Vec<Node>,
}

/// One object (or array) level of the tree.
#[derive(Clone, Debug, Default)]
struct Node {
    /// Sorted by key length, then key: few enough a level that comparing lengths first beats hashing.
    children: Vec<(Box<str>, u32)>,
    /// `first[n]` is the index of the first child whose key has `n` bytes or more.
    first: Vec<u8>,
    leaves: Vec<Leaf>,
    /// The keys from the root, with dots between, for error texts.
    path: String,
}

impl Default for Tree {
    fn default() -> Self {
        Self {
            nodes: vec![Node::default()],
        }
    }
}

impl Tree {
    /// Puts a leaf at the end of a path of keys.
    pub fn insert(&mut self, keys: impl Iterator<Item = String>, leaf: Leaf) {
        let mut at = 0;
        for key in keys {
            at = match self.child(at, &key) {
                Some(child) => child,
                None => self.grow(at, &key),
            };
        }
        self.nodes[at as usize].leaves.push(leaf);
    }

    fn grow(&mut self, at: u32, key: &str) -> u32 {
        let child = self.nodes.len() as u32;
        let parent = &self.nodes[at as usize].path;
        let path = if parent.is_empty() {
            key.to_owned()
        } else {
            format!("{parent}.{key}")
        };
        self.nodes.push(Node {
            path,
            ..Node::default()
        });
        let node = &mut self.nodes[at as usize];
        node.children.push((key.into(), child));
        node.children.sort_by(|a, b| (a.0.len(), &a.0).cmp(&(b.0.len(), &b.0)));
        let longest = node.children.last().map_or(0, |(key, _)| key.len());
        // More than 255 keys on one level start from the front: still right, only slower.
        node.first = (0..=longest + 1)
            .map(|len| u8::try_from(node.children.partition_point(|(key, _)| key.len() < len)).unwrap_or(0))
            .collect();
        child
    }

    /// The child of a node under a key.
    #[inline]
    pub fn child(&self, at: u32, key: &str) -> Option<u32> {
        let node = &self.nodes[at as usize];
        let first = usize::from(*node.first.get(key.len())?);
        node.children[first..]
            .iter()
            .skip_while(|(child, _)| child.len() < key.len())
            .take_while(|(child, _)| child.len() == key.len())
            .find(|(child, _)| **child == *key)
            .map(|&(_, child)| child)
    }

    /// Where a value at this node goes.
    #[inline]
    pub fn leaves(&self, at: u32) -> &[Leaf] {
        &self.nodes[at as usize].leaves
    }

    /// The keys from the root to a node, with dots between.
    pub fn path(&self, at: u32) -> &str {
        &self.nodes[at as usize].path
    }

    /// Whether a child is an array index (JSON pointers of mappings).
    #[inline]
    pub fn index(&self, at: u32, index: usize) -> Option<u32> {
        let node = &self.nodes[at as usize];
        node.children
            .iter()
            .find(|(key, _)| key.parse() == Ok(index))
            .map(|&(_, child)| child)
    }
}
