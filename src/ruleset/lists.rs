//! The lists beside the rules: terms (`lists/*.txt`, for `expand`) and watchlists (`lists/*.csv`, for `watch`).

use super::problem::Fault;
use crate::screen::{Basis, EntryKind, Terms, Watchlist};
use crate::text::fold;
use crate::yaml::Mark;
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

/// All lists of a folder, by name.
#[derive(Debug, Default)]
pub struct Lists {
    pub(super) terms: BTreeMap<String, Arc<Terms>>,
    pub(super) watch: BTreeMap<String, Arc<Watchlist>>,
}

/// Reads a term list: one term a line, `#` comments, `!term` an allow-word.
pub(super) fn terms(name: &str, text: &str) -> Result<Terms, Vec<Fault>> {
    let mut terms = Terms {
        list: name.to_owned(),
        ..Terms::default()
    };
    let mut faults = Vec::new();
    let mut seen = HashSet::new();
    for (at, line) in text.trim_start_matches('\u{feff}').lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (word, into) = match line.strip_prefix('!') {
            Some(word) => (word.trim(), &mut terms.allow),
            None => (line, &mut terms.any),
        };
        let mark = Mark {
            line: at + 1,
            column: 1,
        };
        if word.is_empty() {
            faults.push(Fault::new(mark, "", "`!` must be followed by the allow-word"));
        } else if word.chars().count() > TERM_CHARS_MAX {
            faults.push(Fault::new(
                mark,
                "",
                format!("longer than {TERM_CHARS_MAX} characters: a term is a word"),
            ));
        } else if seen.insert((line.starts_with('!'), word.chars().map(fold).collect::<String>())) {
            into.push(word.to_owned());
        }
    }
    if terms.any.is_empty() && faults.is_empty() {
        let mark = Mark { line: 1, column: 1 };
        faults.push(Fault::new(mark, "", "the list has no term: write one a line"));
    }
    if faults.is_empty() { Ok(terms) } else { Err(faults) }
}

/// The longest term.
const TERM_CHARS_MAX: usize = 200;

/// Columns of a watchlist file, in this order.
const WATCHLIST_HEADER: [&str; 5] = ["value", "type", "authority", "legal_basis", "expires"];

/// Reads a watchlist: CSV with the columns `value,type,authority,legal_basis,expires`.
pub(super) fn watchlist(name: &str, text: &str) -> Result<Watchlist, Vec<Fault>> {
    let mut faults = Vec::new();
    let mut entries = Vec::new();
    let mut lines = text.trim_start_matches('\u{feff}').lines().enumerate();
    let header = lines.find(|(_, line)| !line.trim().is_empty() && !line.starts_with('#'));
    let expected = WATCHLIST_HEADER.join(",");
    if header.is_none_or(|(_, line)| line.trim() != expected) {
        let mark = Mark {
            line: header.map_or(1, |(at, _)| at + 1),
            column: 1,
        };
        return Err(vec![Fault::new(
            mark,
            "",
            format!("the first line must be `{expected}`"),
        )]);
    }
    let mut reader = csv_core::Reader::new();
    for (at, line) in lines.filter(|(_, line)| !line.trim().is_empty() && !line.starts_with('#')) {
        match entry(line, &mut reader) {
            Ok(entry) => entries.push(entry),
            Err(what) => faults.push(Fault::new(
                Mark {
                    line: at + 1,
                    column: 1,
                },
                "",
                what,
            )),
        }
    }
    if !faults.is_empty() {
        return Err(faults);
    }
    Watchlist::build(name, entries)
        .map_err(|error| vec![Fault::new(Mark { line: 1, column: 1 }, "", error.to_string())])
}

/// One line of a watchlist. An error never holds the value.
fn entry(line: &str, reader: &mut csv_core::Reader) -> Result<(EntryKind, String, Basis), String> {
    let cells = cells(line, reader)?;
    let [value, kind, authority, legal_basis, expires] = cells.as_slice() else {
        return Err(format!(
            "{} cells, where {} are needed: {}",
            cells.len(),
            WATCHLIST_HEADER.len(),
            WATCHLIST_HEADER.join(",")
        ));
    };
    let kind = EntryKind::parse(kind.trim()).ok_or("`type` must be phone, id_no or name")?;
    if authority.trim().is_empty() || legal_basis.trim().is_empty() {
        return Err("`authority` and `legal_basis` are required of every entry".to_owned());
    }
    let expires_day = day(expires.trim()).ok_or("`expires` is required: a date such as 2026-12-31")?;
    let basis = Basis {
        authority: authority.trim().to_owned(),
        legal_basis: legal_basis.trim().to_owned(),
        expires_day,
    };
    Ok((kind, value.clone(), basis))
}

/// The cells of one CSV line.
fn cells(line: &str, reader: &mut csv_core::Reader) -> Result<Vec<String>, String> {
    reader.reset();
    let mut out = vec![0; line.len() + 1];
    let mut ends = vec![0; WATCHLIST_HEADER.len() + 2];
    let (mut read, mut written, mut count) = (0, 0, 0);
    loop {
        let (result, input, output, cells) =
            reader.read_record(&line.as_bytes()[read..], &mut out[written..], &mut ends[count..]);
        (read, written, count) = (read + input, written + output, count + cells);
        match result {
            csv_core::ReadRecordResult::InputEmpty => {}
            csv_core::ReadRecordResult::Record | csv_core::ReadRecordResult::End => break,
            _ => return Err(format!("more than {} cells", WATCHLIST_HEADER.len())),
        }
    }
    let starts = std::iter::once(0).chain(ends[..count].iter().copied());
    let texts = starts
        .zip(&ends[..count])
        .map(|(start, &end)| std::str::from_utf8(&out[start..end]).map(str::to_owned));
    texts.collect::<Result<_, _>>().map_err(|_| "not UTF-8".to_owned())
}

/// A date such as `2026-12-31`, as days since 1970-01-01.
pub(super) fn day(text: &str) -> Option<i64> {
    let date = time::Date::parse(text, time::macros::format_description!("[year]-[month]-[day]")).ok()?;
    Some(i64::from(date.to_julian_day()) - 2_440_588)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn term_lists() {
        let list = terms("t", "# 来源\n冰毒\n !冰毒检测 \n\nBing\nbing\n").unwrap();
        assert_eq!(
            (list.any, list.allow),
            (vec!["冰毒".into(), "Bing".into()], vec!["冰毒检测".into()])
        );
        assert_eq!(terms("t", "#\n!\n").unwrap_err()[0].mark.line, 2);
        assert_eq!(terms("t", "\n").unwrap_err().len(), 1);
    }

    #[test]
    fn watchlists() {
        let header = "value,type,authority,legal_basis,expires\n";
        let list = watchlist(
            "w",
            &format!("{header}13800138000,phone,测试公安局,\"测试令, 第1号\",2026-12-31\n"),
        )
        .unwrap();
        assert_eq!(list.len(), 1);
        for (text, line, what) in [
            ("value,type\n", 1, "the first line must be `value,type,authority"),
            (&format!("{header}a,phone,b,c\n"), 2, "4 cells, where 5 are needed"),
            (
                &format!("{header}\n13800138000,mail,b,c,2026-12-31\n"),
                3,
                "`type` must be",
            ),
            (
                &format!("{header}13800138000,phone,,c,2026-12-31\n"),
                2,
                "`authority` and `legal_basis`",
            ),
            (
                &format!("{header}13800138000,phone,b,c,soon\n"),
                2,
                "`expires` is required",
            ),
        ] {
            let faults = watchlist("w", text).unwrap_err();
            assert_eq!(faults[0].mark.line, line);
            assert!(faults[0].what.starts_with(what), "{}", faults[0].what);
        }
        assert_eq!(day("1970-01-02"), Some(1));
    }
}
