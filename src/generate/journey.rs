//! The order of events: which waybill is seen at which stage, and when. Owns interleaving and event time; leaves out
//! what a waybill holds.

use std::fmt::Write;
use time::{Duration, OffsetDateTime};

/// Waybills that start their way between two events of one waybill. A multiple of [`SHUFFLED`].
const LAG: u64 = 256;
/// Waybills among which the order of the later events is shuffled.
const SHUFFLED: u64 = 64;

/// One event of one waybill.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stop {
    /// Index of the waybill in the run.
    pub(super) waybill: u64,
    /// Which of its events, from 0.
    pub(super) event_no: u8,
    /// How many events each waybill of the run has.
    pub(super) events: u8,
}

/// Goes through the events in rounds: in round `r` waybill `r` is seen first, and event `k` of a waybill some
/// `k × LAG` before it. Nothing about a waybill on its way has to be kept.
#[derive(Debug)]
pub(super) struct Journey {
    events: u8,
    round: u64,
    event_no: u8,
}

impl Journey {
    pub(super) fn new(events: u8) -> Self {
        Self {
            events,
            round: 0,
            event_no: 0,
        }
    }

    /// The next event.
    pub(super) fn next_stop(&mut self) -> Stop {
        let event_no = self.event_no;
        let position = self.round - u64::from(event_no) * LAG;
        let last = event_no + 1 == self.events || self.round < u64::from(event_no + 1) * LAG;
        if last {
            self.round += 1;
            self.event_no = 0;
        } else {
            self.event_no += 1;
        }
        Stop {
            waybill: shuffled(position, event_no),
            event_no,
            events: self.events,
        }
    }
}

/// Another order of the waybills in each block for each event; the first keeps theirs.
fn shuffled(position: u64, event_no: u8) -> u64 {
    let multiplier = [1, 37, 11, 53, 29, 43][usize::from(event_no)];
    let within = position % SHUFFLED * multiplier % SHUFFLED;
    position - position % SHUFFLED + within
}

/// Event time of the n-th record in RFC 3339, formatted once a second.
#[derive(Debug)]
pub(super) struct Clock {
    start: OffsetDateTime,
    per_second: f64,
    /// The second after the start for which `text` holds.
    second: u64,
    text: String,
}

impl Clock {
    pub(super) fn new(start: OffsetDateTime, per_second: f64) -> Self {
        Self {
            start,
            per_second,
            second: 0,
            text: rfc3339(start, String::new()),
        }
    }

    /// When record `number` of the run occurs, such as `2022-11-11T08:23:11+08:00`.
    pub(super) fn at(&mut self, number: u64) -> &str {
        let second = (number as f64 / self.per_second) as u64;
        if second != self.second {
            let passed = Duration::seconds(i64::try_from(second).unwrap_or(i64::MAX));
            self.text = rfc3339(self.start.saturating_add(passed), std::mem::take(&mut self.text));
            self.second = second;
        }
        &self.text
    }
}

/// Writes the time over `text`, whose memory it keeps.
fn rfc3339(at: OffsetDateTime, mut text: String) -> String {
    let (date, time) = (at.date(), at.time());
    let (hours, minutes, _) = at.offset().as_hms();
    let sign = if at.offset().is_negative() { '-' } else { '+' };
    text.clear();
    let written = write!(
        text,
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}{sign}{:02}:{:02}",
        date.year(),
        u8::from(date.month()),
        date.day(),
        time.hour(),
        time.minute(),
        time.second(),
        hours.unsigned_abs(),
        minutes.unsigned_abs(),
    );
    written.expect("a string takes any text");
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    #[test]
    fn every_event_of_a_waybill_comes_once_and_in_order() {
        let mut journey = Journey::new(6);
        let mut seen: HashMap<u64, u8> = HashMap::new();
        for _ in 0..50_000 {
            let stop = journey.next_stop();
            let next = seen.entry(stop.waybill).or_default();
            assert_eq!(stop.event_no, *next, "waybill {}", stop.waybill);
            *next += 1;
        }
        assert!(seen.values().filter(|events| **events == 6).count() > 7_000);
    }

    #[test]
    fn one_event_a_waybill_is_a_plain_count() {
        let mut journey = Journey::new(1);
        for waybill in 0..1_000 {
            assert_eq!(
                journey.next_stop(),
                Stop {
                    waybill,
                    event_no: 0,
                    events: 1
                }
            );
        }
    }

    #[test]
    fn the_clock_spaces_records_by_the_rate() {
        let mut clock = Clock::new(time::macros::datetime!(2022-11-11 23:59:58 +08:00), 2.0);
        let texts: Vec<String> = (0..6).map(|number| clock.at(number).to_owned()).collect();
        assert_eq!(texts[1], "2022-11-11T23:59:58+08:00");
        assert_eq!(texts[2], "2022-11-11T23:59:59+08:00");
        assert_eq!(texts[5], "2022-11-12T00:00:00+08:00");
        let mut west = Clock::new(time::macros::datetime!(2022-11-11 00:00:00 -03:30), 1.0);
        assert_eq!(west.at(0), "2022-11-11T00:00:00-03:30");
    }
}
