//! Synthetic waybills: an endless supply of realistic records with known findings planted in them, for benchmarks,
//! tests and demonstrations. Owns what a made-up parcel looks like and which label it carries; leaves out reading,
//! screening and sending it. Everybody in it is invented: names are drawn character by character, resident IDs and
//! phone numbers from ranges. Region codes are the national standard GB/T 2260, resident IDs carry the check digit of
//! GB 11643.
//!
//! A run is a function of its [`Options`] alone: the same options give the same bytes on every machine. What a waybill
//! holds depends only on the seed and the waybill's index, so that it can be seen again at a later stage of its way
//! without being remembered.
//!
//! What is planted, and in which colour it is expected:
//!
//! | finding | in the record | colour |
//! | --- | --- | --- |
//! | `01`–`12` | a name of `data/planted.tsv` in `item.name`, or in `item.remark` beside a harmless name | of the file |
//! | `C1` | `real_name.verified` or `real_name.name_match` is false | yellow |
//! | `C2` | `inspection.opened` is false, or `inspection.result` is `fail` | yellow |
//! | `C3` | `xray.result` is `suspect` or `fail` with the label `gun` or `explosive` (red) or `knife` (yellow) | of the label |

mod carriers;
mod checks;
mod draw;
mod goods;
mod item;
mod journey;
mod label;
mod line;
mod parties;
mod phrases;
mod regions;
mod waybill;

#[cfg(test)]
mod tests;

use journey::{Clock, Journey};
use time::OffsetDateTime;
use time::macros::datetime;
use waybill::Waybill;

pub use label::{Colour, Disguise, Label, Planted};
pub use regions::{Region, Regions, regions};

/// The most events that one waybill can have: accept, depart, two arrivals, out for delivery, delivered.
pub const EVENTS_PER_WAYBILL_MAX: u8 = 6;

/// What to generate. [`Options::default`] is one event a waybill at a county's rate.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// Records (events, not waybills) to generate.
    pub count: u64,
    /// What everything is drawn from.
    pub seed: u64,
    /// Waybills in a million that carry a finding; a share of them, so that the number seen scatters around it.
    pub findings_per_million: u32,
    /// Waybills in a million with innocent goods that sound like contraband. Findings go first where both would
    /// exceed a million.
    pub near_miss_per_million: u32,
    /// How often a waybill is seen on its way, held to 1..=[`EVENTS_PER_WAYBILL_MAX`]. The next event of a waybill comes
    /// some 256 waybills after the one before; those still on their way at the end stay unfinished.
    pub events_per_waybill: u8,
    /// `occurred_at` of the first record, whose UTC offset all others share.
    pub start: OffsetDateTime,
    /// Simulated records a second, which space `occurred_at`; not a limit on speed. Anything but a positive number
    /// counts as the default.
    pub per_second: f64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            count: 1_000_000,
            seed: 1,
            findings_per_million: 500,
            near_miss_per_million: 20_000,
            events_per_waybill: 1,
            start: datetime!(2022-11-11 00:00:00 +08:00),
            per_second: 5.0,
        }
    }
}

/// What a generated record is, beside its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// What its waybill carries. The same at each of its events.
    pub planted: Planted,
    /// Which event of its waybill it is, from 0: a list of labels with each waybill once takes those at 0.
    pub event_no: u8,
}

/// Writes the records of one run, one by one, in constant memory.
#[derive(Debug)]
pub struct Generator {
    options: Options,
    journey: Journey,
    clock: Clock,
    written: u64,
}

impl Generator {
    /// Starts a run at its first record.
    pub fn new(options: Options) -> Self {
        let per_second = if options.per_second.is_finite() && options.per_second > 0.0 {
            options.per_second
        } else {
            Options::default().per_second
        };
        Self {
            journey: Journey::new(options.events_per_waybill.clamp(1, EVENTS_PER_WAYBILL_MAX)),
            clock: Clock::new(options.start, per_second),
            written: 0,
            options,
        }
    }

    /// Replaces what is in `line` by the next record as one JSON object without a line feed, and says what it is.
    /// Allocates for a finding's label only, once `line` has grown to about a kilobyte. `None` after the last record,
    /// with `line` empty.
    pub fn next_into(&mut self, line: &mut Vec<u8>) -> Option<Record> {
        line.clear();
        if self.written >= self.options.count {
            return None;
        }
        let occurred_at = self.clock.at(self.written);
        let stop = self.journey.next_stop();
        self.written += 1;
        let waybill = Waybill::draw(&self.options, stop.waybill);
        waybill.write_event(line, &stop, occurred_at);
        Some(Record {
            planted: waybill.planted(),
            event_no: stop.event_no,
        })
    }
}
