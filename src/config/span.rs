//! Lengths of time as people write them: `90s`, `10m`, `24h`, `30d`. No dates, no fractions.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// A length of time, whole milliseconds or more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Span(Duration);

/// Units from small to large, in milliseconds.
const UNITS: [(&str, u64); 5] = [
    ("ms", 1),
    ("s", 1000),
    ("m", 60_000),
    ("h", 3_600_000),
    ("d", 86_400_000),
];

impl Span {
    /// So many seconds.
    pub const fn seconds(count: u64) -> Self {
        Self(Duration::from_secs(count))
    }

    /// So many minutes.
    pub const fn minutes(count: u64) -> Self {
        Self::seconds(count * 60)
    }

    /// So many hours.
    pub const fn hours(count: u64) -> Self {
        Self::minutes(count * 60)
    }

    /// As the standard library has it.
    pub const fn duration(self) -> Duration {
        self.0
    }
}

impl FromStr for Span {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let refused = || "expected a number with a unit (ms, s, m, h, d), such as \"10m\"".to_owned();
        let split = text.find(|c: char| !c.is_ascii_digit()).ok_or_else(refused)?;
        let (count, unit) = text.split_at(split);
        let (_, ms) = UNITS
            .iter()
            .find(|(name, _)| *name == unit.trim())
            .ok_or_else(refused)?;
        let count: u64 = count.parse().map_err(|_| refused())?;
        count
            .checked_mul(*ms)
            .map(|ms| Self(Duration::from_millis(ms)))
            .ok_or_else(refused)
    }
}

impl TryFrom<String> for Span {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Span> for String {
    fn from(span: Span) -> Self {
        span.to_string()
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = self.0.as_millis() as u64;
        let (unit, size) = UNITS
            .iter()
            .rev()
            .find(|(_, size)| ms > 0 && ms.is_multiple_of(*size))
            .unwrap_or(&UNITS[1]);
        write!(f, "{}{unit}", ms / size)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn written_and_read() {
        for (text, seconds, back) in [
            ("90s", 90, "90s"),
            ("10m", 600, "10m"),
            ("60m", 3600, "1h"),
            ("0s", 0, "0s"),
        ] {
            let span: Span = text.parse().unwrap();
            assert_eq!((span.duration().as_secs(), span.to_string().as_str()), (seconds, back));
        }
        for wrong in ["", "10", "m", "1.5h", "10 years", "-1s", "99999999999999999999d"] {
            assert!(wrong.parse::<Span>().is_err(), "{wrong}");
        }
    }
}
