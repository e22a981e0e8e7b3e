//! Query parameters, read strictly: each name known, each given once, each value checked, so that a misspelt filter is
//! told of instead of quietly showing everything. What a parameter means is the resource's.

use super::names;
use super::problem::{Code, Problem};
use crate::alert::Color;
use crate::case::{PAGE_ITEMS, PAGE_ITEMS_MAX};
use crate::waybill::parse_rfc3339;
use axum::extract::{FromRequestParts, Query};
use axum::http::request::Parts;
use time::OffsetDateTime;

/// Bytes of one value at most; the longest right one is a cursor.
const VALUE_BYTES_MAX: usize = 512;

/// The query parameters of a request, not yet looked at.
#[derive(Debug)]
pub struct Params(Vec<(String, String)>);

impl<S: Send + Sync> FromRequestParts<S> for Params {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        Query::<Vec<(String, String)>>::try_from_uri(&parts.uri)
            .map(|Query(pairs)| Self(pairs))
            .map_err(|_| {
                Problem::new(
                    Code::BadParameter,
                    "the query is name=value pairs joined by &, percent-encoded",
                )
            })
    }
}

impl Params {
    /// Refuses names that are not in `known`, names given twice, and values that are empty or too long.
    pub fn only(self, known: &[&str]) -> Result<Self, Problem> {
        for (at, (name, value)) in self.0.iter().enumerate() {
            if !known.contains(&name.as_str()) {
                return Err(unknown(name, known));
            }
            if self.0[..at].iter().any(|(earlier, _)| earlier == name) {
                return Err(Problem::new(
                    Code::UnknownParameter,
                    format!("{name} may be given once"),
                ));
            }
            if value.is_empty() || value.len() > VALUE_BYTES_MAX {
                return Err(bad(
                    name,
                    &format!("a value of 1 to {VALUE_BYTES_MAX} bytes; leave {name} out for no filter"),
                ));
            }
        }
        Ok(self)
    }

    /// The value of a parameter, if it is given.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(given, _)| given == name)
            .map(|(_, value)| value.as_str())
    }

    /// A value made by `parse`, or the problem that says what is `accepted`.
    pub fn parsed<T>(
        &self,
        name: &str,
        accepted: &str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Option<T>, Problem> {
        self.text(name)
            .map(|text| parse(text).ok_or_else(|| bad(name, accepted)))
            .transpose()
    }

    /// `color`: `yellow` or `red`.
    pub fn color(&self) -> Result<Option<Color>, Problem> {
        self.parsed("color", "yellow or red", |text| match text {
            "yellow" => Some(Color::Yellow),
            "red" => Some(Color::Red),
            _ => None,
        })
    }

    /// `category`: a catalogue group or one of those beside it.
    pub fn category(&self) -> Result<Option<String>, Problem> {
        self.parsed("category", "01 to 19, C1, C2, C3, B1, B2, W1 or E1", |text| {
            names::is_category(text).then(|| text.to_owned())
        })
    }

    /// `carrier`: its code.
    pub fn carrier(&self) -> Result<Option<String>, Problem> {
        self.parsed(
            "carrier",
            "a carrier's code such as YTO: 1 to 16 capital letters, digits, _ or -",
            |text| {
                let right =
                    |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || matches!(byte, b'_' | b'-');
                (text.len() <= 16 && text.bytes().all(right)).then(|| text.to_owned())
            },
        )
    }

    /// `region`: the first 2 to 6 digits of a GB/T 2260 code, or the longer code of a street.
    pub fn region(&self) -> Result<Option<String>, Problem> {
        self.parsed(
            "region",
            "the first digits of a GB/T 2260 code: 33, 3304 or 330482",
            |text| {
                ((2..=12).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit()))
                    .then(|| text.to_owned())
            },
        )
    }

    /// `waybill_no`: 8 to 32 letters and digits.
    pub fn waybill_no(&self) -> Result<Option<String>, Problem> {
        self.parsed("waybill_no", "8 to 32 letters and digits", |text| {
            ((8..=32).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric()))
                .then(|| text.to_owned())
        })
    }

    /// `name`: an RFC 3339 date-time.
    pub fn instant(&self, name: &str) -> Result<Option<OffsetDateTime>, Problem> {
        self.parsed(
            name,
            "an RFC 3339 time such as 2026-11-21T08:00:00%2B08:00 (+ is written %2B in a query)",
            |text| {
                let (millis, _) = parse_rfc3339(text)?;
                OffsetDateTime::from_unix_timestamp_nanos(i128::from(millis) * 1_000_000).ok()
            },
        )
    }

    /// `open`: `true`; there is no asking for closed ones only, but by `state`.
    pub fn open(&self) -> Result<bool, Problem> {
        let open = self.parsed("open", "true; leave it out for open and closed ones", |text| {
            (text == "true").then_some(())
        })?;
        Ok(open.is_some())
    }

    /// `limit`: entries a page.
    pub fn limit(&self) -> Result<usize, Problem> {
        let limit = self.parsed("limit", &format!("1 to {PAGE_ITEMS_MAX}"), |text| {
            text.parse().ok().filter(|limit| (1..=PAGE_ITEMS_MAX).contains(limit))
        })?;
        Ok(limit.unwrap_or(PAGE_ITEMS))
    }
}

fn bad(name: &str, accepted: &str) -> Problem {
    Problem::new(Code::BadParameter, format!("{name} takes {accepted}"))
}

/// Names the parameter that was probably meant, and all that there are.
fn unknown(name: &str, known: &[&str]) -> Problem {
    if known.is_empty() {
        return Problem::new(Code::UnknownParameter, "this resource takes no query parameters");
    }
    let nearest = known
        .iter()
        .map(|known| (strsim::damerau_levenshtein(name, known), *known))
        .min();
    let hint = match nearest {
        Some((distance, near)) if distance <= 2 => format!("did you mean {near}? "),
        _ => String::new(),
    };
    Problem::new(
        Code::UnknownParameter,
        format!("{hint}known here: {}", known.join(", ")),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn params(pairs: &[(&str, &str)]) -> Params {
        Params(
            pairs
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
        )
    }

    fn detail(problem: &Problem) -> String {
        format!("{problem:?}")
    }

    #[test]
    fn a_misspelt_name_is_told_of() {
        let problem = params(&[("colour", "red")])
            .only(&["color", "limit"])
            .expect_err("unknown");
        assert!(
            detail(&problem).contains("did you mean color? known here: color, limit"),
            "{problem:?}"
        );
        assert!(params(&[("color", "red"), ("color", "red")]).only(&["color"]).is_err());
        assert!(params(&[("color", "")]).only(&["color"]).is_err());
        assert!(params(&[]).only(&[]).is_ok());
    }

    #[test]
    fn values_are_checked() {
        let refused = [
            params(&[("color", "Red")]).color().is_err(),
            params(&[("category", "20")]).category().is_err(),
            params(&[("carrier", "yto")]).carrier().is_err(),
            params(&[("region", "3")]).region().is_err(),
            params(&[("region", "33x")]).region().is_err(),
            params(&[("waybill_no", "short")]).waybill_no().is_err(),
            params(&[("from", "yesterday")]).instant("from").is_err(),
            params(&[("open", "yes")]).open().is_err(),
            params(&[("limit", "0")]).limit().is_err(),
            params(&[("limit", "201")]).limit().is_err(),
            params(&[("limit", "-1")]).limit().is_err(),
        ];
        assert_eq!(refused, [true; 11]);
        assert_eq!(params(&[]).limit(), Ok(PAGE_ITEMS));
        assert_eq!(params(&[("limit", "200")]).limit(), Ok(200));
        assert_eq!(params(&[("region", "3304")]).region(), Ok(Some("3304".into())));
        let from = params(&[("from", "2026-11-21T08:00:00+08:00")])
            .instant("from")
            .expect("right")
            .expect("given");
        assert_eq!(from, time::macros::datetime!(2026-11-21 0:00 UTC));
    }
}
