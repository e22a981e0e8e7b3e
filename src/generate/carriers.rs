//! Carriers and the forms of their waybill numbers, from `data/carriers.csv`. Leaves out how a carrier's own field names
//! map to the record.

use super::draw::{Draw, Stream};
use super::line::{put, put_digits};
use std::sync::LazyLock;

static CARRIERS: LazyLock<Vec<Carrier>> = LazyLock::new(load);

/// A prime, so that multiplying by it visits every number of a power of ten once. Its product with
/// [`WAYBILLS_MAX`] fits 64 bits.
const STRIDE: u64 = 179_424_673;
/// Waybills of one run whose numbers are sure to differ.
const WAYBILLS_MAX: u64 = 100_000_000_000;

/// A courier company.
#[derive(Debug)]
pub(super) struct Carrier {
    /// As in the record, such as `YTO`.
    pub(super) code: &'static str,
    /// As on its sites' signs, such as `圆通`.
    pub(super) name: &'static str,
    prefix: &'static str,
    digits: usize,
    /// How many in a hundred parcels it carries.
    share: u32,
    pub(super) leaves_out: LeftOut,
}

/// Optional fields that a carrier's system does not send, each as a word of the column `leaves_out`.
#[derive(Debug)]
pub(super) struct LeftOut {
    /// Fields that would hold an empty text or object; the others send those.
    pub(super) empty: bool,
    /// `payment`.
    pub(super) payment: bool,
    /// `order`.
    pub(super) order: bool,
    /// `item.volume_cm3`.
    pub(super) volume: bool,
    /// `item.declared_value_fen`.
    pub(super) value: bool,
    /// `real_name.method`.
    pub(super) method: bool,
    /// `inspection.officer`.
    pub(super) officer: bool,
    /// `receiver.pickup`.
    pub(super) pickup: bool,
}

/// A waybill number: the prefixes or lengths of the carriers differ, and within one carrier each waybill's digits do.
#[derive(Clone, Copy, Debug)]
pub(super) struct WaybillNo {
    prefix: &'static str,
    digits: u64,
    width: usize,
}

/// One of the carriers, by their shares.
pub(super) fn draw_carrier(draw: &mut Draw) -> &'static Carrier {
    let mut at = draw.below(100);
    for carrier in CARRIERS.iter() {
        if at < carrier.share {
            return carrier;
        }
        at -= carrier.share;
    }
    &CARRIERS[0]
}

impl Carrier {
    /// The number of waybill `index` of a run.
    pub(super) fn waybill_no(&self, seed: u64, index: u64) -> WaybillNo {
        let space = 10_u64.pow(self.digits as u32);
        let offset = Draw::new(seed, Stream::WaybillNo, self.digits as u64).bits() % space;
        let digits = ((index % WAYBILLS_MAX) * STRIDE + offset) % space;
        WaybillNo {
            prefix: self.prefix,
            digits,
            width: self.digits,
        }
    }
}

impl WaybillNo {
    /// Appends the number.
    pub(super) fn put(&self, line: &mut Vec<u8>) {
        put(line, &[self.prefix]);
        put_digits(line, self.digits, self.width);
    }
}

impl std::fmt::Display for WaybillNo {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}{:0width$}", self.prefix, self.digits, width = self.width)
    }
}

fn load() -> Vec<Carrier> {
    let rows = include_str!("data/carriers.csv").lines().skip(1);
    rows.map(|row| {
        let columns: Vec<&str> = row.split(',').collect();
        let [code, prefix, digits, share, name, leaves_out] = columns[..] else {
            panic!("a carrier has six columns: {row}")
        };
        let number = |text: &str| text.parse::<u32>().expect("digits and share are numbers");
        let leaves_out = LeftOut::parse(leaves_out);
        Carrier {
            code,
            name,
            prefix,
            digits: number(digits) as usize,
            share: number(share),
            leaves_out,
        }
    })
    .collect()
}

impl LeftOut {
    fn parse(words: &str) -> Self {
        let has = |field: &str| words.split(' ').any(|word| word == field);
        Self {
            empty: has("empty"),
            payment: has("payment"),
            order: has("order"),
            volume: has("volume"),
            value: has("value"),
            method: has("method"),
            officer: has("officer"),
            pickup: has("pickup"),
        }
    }
}
