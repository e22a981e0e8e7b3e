//! RFC 3339 date-times, fast: every record has one.

/// Milliseconds since 1970-01-01T00:00:00Z, and the offset in minutes, of an RFC 3339 date-time (years 0000–9999;
/// a leap second counts as the second before it). `None` when it is not one.
pub fn parse_rfc3339(text: &str) -> Option<(i64, i16)> {
    let bytes = text.as_bytes();
    let fixed: &[u8; 19] = bytes.get(..19)?.try_into().ok()?;
    if fixed[4] != b'-' || fixed[7] != b'-' || !matches!(fixed[10], b'T' | b't' | b' ') || fixed[13] != b':' {
        return None;
    }
    if fixed[16] != b':' {
        return None;
    }
    let year = two(fixed, 0)? * 100 + two(fixed, 2)?;
    let (month, day) = (two(fixed, 5)?, two(fixed, 8)?);
    let (hour, minute, second) = (two(fixed, 11)?, two(fixed, 14)?, two(fixed, 17)?);
    if !(1..=12).contains(&month) || day == 0 || day > days_in_month(year, month) {
        return None;
    }
    if hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let (millis, rest) = fraction(&bytes[19..])?;
    let offset = offset_minutes(rest)?;
    let seconds = days_since_epoch(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second.min(59);
    Some(((seconds - i64::from(offset) * 60) * 1_000 + millis, offset))
}

/// The milliseconds of a fraction such as `.123456`, and what follows it.
fn fraction(bytes: &[u8]) -> Option<(i64, &[u8])> {
    let Some(digits) = bytes.strip_prefix(b".") else {
        return Some((0, bytes));
    };
    let count = digits.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if count == 0 {
        return None;
    }
    let millis = (0..3).fold(0, |millis, at| {
        millis * 10 + if at < count { i64::from(digits[at] - b'0') } else { 0 }
    });
    Some((millis, &digits[count..]))
}

/// `Z`, `+08:00` or `-03:30`, in minutes.
fn offset_minutes(bytes: &[u8]) -> Option<i16> {
    match bytes {
        b"Z" | b"z" => Some(0),
        [sign @ (b'+' | b'-'), _, _, b':', _, _] => {
            let (hours, minutes) = (two(bytes, 1)?, two(bytes, 4)?);
            if hours > 23 || minutes > 59 {
                return None;
            }
            let total = (hours * 60 + minutes) as i16;
            Some(if *sign == b'-' { -total } else { total })
        }
        _ => None,
    }
}

fn two(bytes: &[u8], at: usize) -> Option<i64> {
    let (tens, ones) = (bytes[at].wrapping_sub(b'0'), bytes[at + 1].wrapping_sub(b'0'));
    (tens < 10 && ones < 10).then(|| i64::from(tens) * 10 + i64::from(ones))
}

fn days_in_month(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days from 1970-01-01 in the proleptic Gregorian calendar, counted from 1 March so that the leap day comes last.
fn days_since_epoch(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use time::{OffsetDateTime, UtcOffset, format_description::well_known::Rfc3339};

    #[test]
    fn rows() {
        for (text, expected) in [
            ("1970-01-01T00:00:00Z", Some((0, 0))),
            ("2022-11-11T08:23:11+08:00", Some((1_668_126_191_000, 480))),
            ("2022-11-11t00:23:11.5z", Some((1_668_126_191_500, 0))),
            ("2024-02-29T23:59:60-00:30", Some((1_709_252_999_000, -30))),
            ("2023-02-29T00:00:00Z", None),
            ("2022-11-11T08:23:11", None),
            ("2022-11-11 08:23:11.+08:00", None),
            ("2022-13-11T08:23:11Z", None),
            ("2022-11-11T08:23:11+0800", None),
            ("二〇二二年十一月十一日", None),
            ("", None),
        ] {
            assert_eq!(parse_rfc3339(text), expected, "{text}");
        }
    }

    proptest! {
        #[test]
        fn agrees_with_the_time_crate(millis in -60_000_000_000_000_i64..250_000_000_000_000, minutes in -1439_i32..1440) {
            let at = OffsetDateTime::from_unix_timestamp_nanos(i128::from(millis) * 1_000_000).unwrap()
                .to_offset(UtcOffset::from_whole_seconds(minutes * 60).unwrap());
            prop_assume!((0..=9999).contains(&at.year()));
            prop_assert_eq!(parse_rfc3339(&at.format(&Rfc3339).unwrap()), Some((millis, minutes as i16)));
        }

        #[test]
        fn never_panics(text in ".{0,40}") {
            let _ = parse_rfc3339(&text);
        }
    }
}
