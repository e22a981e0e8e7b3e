//! Cuts a stream of bytes into records: NDJSON lines, or CSV rows whose quoted cells may hold line ends. Records are
//! borrowed from one buffer; memory stays the same however long a line is. Leaves what a record means to `waybill`.
//!
//! Line ends are `\n` or `\r\n`; the last one may be missing; a byte-order mark and empty lines are skipped. In a CSV
//! stream a quote that is never closed costs its own line only: the lines after it are rows again.

use crate::waybill::RECORD_BYTES_MAX;
use memchr::{memchr, memchr_iter, memrchr};
use std::io::{ErrorKind, Read, Result, Write, sink};

/// The buffer: large enough that a system call is rare, small enough to stay in cache, above two whole records.
const BUFFER_BYTES: usize = 1 << 20;

/// A record with its line end.
const FRAMED_BYTES_MAX: usize = RECORD_BYTES_MAX + 2;

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// How records are set apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// One record a line.
    Lines,
    /// RFC 4180: a line end inside quotes belongs to the row.
    Csv,
}

/// Where a record stands in its stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct At {
    /// Line it starts on, from 1.
    pub line: u64,
    /// Bytes before it.
    pub offset: u64,
}

/// One step through the stream.
#[derive(Debug, PartialEq, Eq)]
pub enum Next<'a> {
    /// A record without its line end; never empty.
    Record(At, &'a [u8]),
    /// A record longer than [`RECORD_BYTES_MAX`]. Its bytes can be had with [`Records::copy_too_large`], and are
    /// skipped otherwise.
    TooLarge(At),
}

/// What is known of a record that is too large.
#[derive(Clone, Copy, Debug)]
enum Extent {
    /// Its length with its line end; all of it is in the buffer.
    Framed(usize),
    /// It goes on beyond the buffer.
    Open,
}

/// The records of a stream.
#[derive(Debug)]
pub struct Records<R> {
    from: R,
    framing: Framing,
    buffer: Vec<u8>,
    /// The unread part of the buffer.
    start: usize,
    end: usize,
    at: At,
    ended: bool,
    /// The record at `start` was reported as too large and is still there.
    too_large: Option<Extent>,
}

impl<R: Read> Records<R> {
    /// Reads records from a stream, which needs no buffer of its own.
    pub fn new(from: R, framing: Framing) -> Self {
        let at = At { line: 1, offset: 0 };
        let buffer = vec![0; BUFFER_BYTES];
        Self {
            from,
            framing,
            buffer,
            start: 0,
            end: 0,
            at,
            ended: false,
            too_large: None,
        }
    }

    /// Bytes read past so far: the whole stream's, once [`Self::next_record`] has returned `None`.
    pub fn offset(&self) -> u64 {
        self.at.offset
    }

    /// The next record, or `None` at the end. Errors are those of the stream.
    pub fn next_record(&mut self) -> Result<Option<Next<'_>>> {
        if self.too_large.is_some() {
            self.copy_too_large(&mut sink())?;
        }
        loop {
            let Some((length, framed)) = self.frame()? else {
                return Ok(None);
            };
            let at = self.at;
            if length > RECORD_BYTES_MAX {
                self.too_large = Some(if framed > 0 {
                    Extent::Framed(framed)
                } else {
                    Extent::Open
                });
                return Ok(Some(Next::TooLarge(at)));
            }
            let start = self.start;
            self.pass(framed);
            if length > 0 {
                return Ok(Some(Next::Record(at, &self.buffer[start..start + length])));
            }
        }
    }

    /// Writes the record that was just reported as too large, and returns its length in bytes. A record that goes on
    /// for gigabytes goes through the buffer piece by piece.
    pub fn copy_too_large(&mut self, into: &mut dyn Write) -> Result<u64> {
        let Some(extent) = self.too_large.take() else {
            return Ok(0);
        };
        if let Extent::Framed(framed) = extent {
            let record = without_line_end(&self.buffer[self.start..self.start + framed]);
            into.write_all(record)?;
            let length = record.len() as u64;
            self.pass(framed);
            return Ok(length);
        }
        let mut length = 0;
        loop {
            let unread = &self.buffer[self.start..self.end];
            if let Some(line_end) = memchr(b'\n', unread) {
                let rest = without_line_end(&unread[..=line_end]);
                into.write_all(rest)?;
                length += rest.len() as u64;
                self.pass(line_end + 1);
                return Ok(length);
            }
            into.write_all(unread)?;
            length += unread.len() as u64;
            self.pass(unread.len());
            if !self.fill()? {
                return Ok(length);
            }
        }
    }

    /// Length of the record at `start` without and with its line end; `(too long, 0)` where its end is not known.
    fn frame(&mut self) -> Result<Option<(usize, usize)>> {
        if self.at.offset == 0 {
            while self.end - self.start < BYTE_ORDER_MARK.len() && self.fill()? {}
            if self.buffer[self.start..self.end].starts_with(BYTE_ORDER_MARK) {
                self.pass(BYTE_ORDER_MARK.len());
            }
        }
        let (mut searched, mut quotes) = (0, 0);
        loop {
            let unread = &self.buffer[self.start..self.end];
            while let Some(line_end) = memchr(b'\n', &unread[searched..]) {
                let to = searched + line_end + 1;
                if self.framing == Framing::Csv {
                    quotes += memchr_iter(b'"', &unread[searched..to]).count();
                }
                searched = to;
                if quotes % 2 == 0 {
                    return Ok(Some((without_line_end(&unread[..to]).len(), to)));
                }
            }
            if self.framing == Framing::Csv {
                quotes += memchr_iter(b'"', &unread[searched..]).count();
            }
            searched = unread.len();
            if unread.len() >= FRAMED_BYTES_MAX {
                return Ok(Some(self.first_line().unwrap_or((searched, 0))));
            }
            if !self.fill()? {
                let unread = &self.buffer[self.start..self.end];
                let all = (without_line_end(unread).len(), unread.len());
                return Ok(match unread {
                    [] => None,
                    _ if quotes % 2 == 0 => Some(all),
                    _ => Some(self.first_line().unwrap_or(all)),
                });
            }
        }
    }

    /// The line at `start`, which stands for a row whose quotes are never closed.
    fn first_line(&self) -> Option<(usize, usize)> {
        let unread = &self.buffer[self.start..self.end];
        memchr(b'\n', unread).map(|line_end| (without_line_end(&unread[..=line_end]).len(), line_end + 1))
    }

    fn pass(&mut self, bytes: usize) {
        let passed = &self.buffer[self.start..self.start + bytes];
        self.at.offset += bytes as u64;
        self.at.line += match self.framing {
            Framing::Lines => u64::from(passed.last() == Some(&b'\n')),
            Framing::Csv => {
                memrchr(b'\n', passed).map_or(0, |last| 1 + memchr_iter(b'\n', &passed[..last]).count() as u64)
            }
        };
        self.start += bytes;
    }

    /// Reads more behind what is unread; false at the end of the stream.
    fn fill(&mut self) -> Result<bool> {
        if self.ended {
            return Ok(false);
        }
        if self.start > 0 {
            self.buffer.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
        loop {
            match self.from.read(&mut self.buffer[self.end..]) {
                Ok(0) => {
                    self.ended = true;
                    return Ok(false);
                }
                Ok(bytes) => {
                    self.end += bytes;
                    return Ok(true);
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

fn without_line_end(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A stream that gives a few bytes at a time.
    struct Drip<'a>(&'a [u8], usize);

    impl Read for Drip<'_> {
        fn read(&mut self, into: &mut [u8]) -> Result<usize> {
            let bytes = self.0.len().min(self.1).min(into.len());
            into[..bytes].copy_from_slice(&self.0[..bytes]);
            self.0 = &self.0[bytes..];
            Ok(bytes)
        }
    }

    fn cut(stream: &[u8], framing: Framing, drip: usize) -> Vec<(u64, String)> {
        let mut records = Records::new(Drip(stream, drip), framing);
        let mut found = Vec::new();
        loop {
            match records.next_record().unwrap() {
                None => break,
                Some(Next::Record(at, bytes)) => {
                    assert!(stream[at.offset as usize..].starts_with(bytes));
                    found.push((at.line, String::from_utf8_lossy(bytes).into_owned()));
                }
                Some(Next::TooLarge(at)) => {
                    let mut original = Vec::new();
                    let length = records.copy_too_large(&mut original).unwrap();
                    assert!(stream[at.offset as usize..].starts_with(&original));
                    assert_eq!(length, original.len() as u64);
                    found.push((at.line, format!("too large: {length}")));
                }
            }
        }
        assert_eq!(records.offset(), stream.len() as u64);
        found
    }

    #[test]
    fn rows() {
        for (stream, framing, expected) in [
            ("", Framing::Lines, vec![]),
            ("\n\r\n\n", Framing::Lines, vec![]),
            ("a", Framing::Lines, vec![(1, "a")]),
            ("a\nb\n", Framing::Lines, vec![(1, "a"), (2, "b")]),
            ("a\r\n\r\nb", Framing::Lines, vec![(1, "a"), (3, "b")]),
            ("\u{feff}a\n", Framing::Lines, vec![(1, "a")]),
            ("\u{feff}", Framing::Lines, vec![]),
            ("\"a\nb\"\n", Framing::Lines, vec![(1, "\"a"), (2, "b\"")]),
            ("\"a\nb\"\nc\n", Framing::Csv, vec![(1, "\"a\nb\""), (3, "c")]),
            (
                "\"a\"\"\r\nb\",x\r\nc",
                Framing::Csv,
                vec![(1, "\"a\"\"\r\nb\",x"), (3, "c")],
            ),
            (
                "\"never closed\nc\nd",
                Framing::Csv,
                vec![(1, "\"never closed"), (2, "c"), (3, "d")],
            ),
            ("c\n\"never closed", Framing::Csv, vec![(1, "c"), (2, "\"never closed")]),
        ] {
            let expected: Vec<_> = expected
                .into_iter()
                .map(|(line, text)| (line, text.to_owned()))
                .collect();
            for drip in [1, 3, 1 << 20] {
                assert_eq!(cut(stream.as_bytes(), framing, drip), expected, "{stream:?} {drip}");
            }
        }
    }

    #[test]
    fn a_record_at_the_bound_is_one_and_above_it_is_not() {
        let at_bound = "x".repeat(RECORD_BYTES_MAX);
        let above = "y".repeat(RECORD_BYTES_MAX + 1);
        let far_above = "z".repeat(5 * BUFFER_BYTES);
        for line_end in ["\n", "\r\n"] {
            let stream = [&at_bound, &above, "a", &far_above, "b", &above, ""].join(line_end);
            let expected = vec![
                (1, at_bound.clone()),
                (2, format!("too large: {}", above.len())),
                (3, "a".to_owned()),
                (4, format!("too large: {}", far_above.len())),
                (5, "b".to_owned()),
                (6, format!("too large: {}", above.len())),
            ];
            for framing in [Framing::Lines, Framing::Csv] {
                for drip in [977, 1 << 20] {
                    assert!(
                        cut(stream.as_bytes(), framing, drip) == expected,
                        "{line_end:?} {framing:?} {drip}"
                    );
                }
            }
        }
    }

    #[test]
    fn a_quote_that_is_never_closed_costs_its_own_line_only() {
        let rows = "row\n".repeat(60_000);
        let found = cut(format!("a\n\"b\n{rows}").as_bytes(), Framing::Csv, 1 << 20);
        assert_eq!(found.len(), 60_002);
        assert_eq!(found[1], (2, "\"b".to_owned()));
        assert_eq!(found[60_001], (60_002, "row".to_owned()));
    }

    #[test]
    fn a_record_that_is_too_large_may_be_left_unread() {
        let stream = format!("a\n{}\nb", "y".repeat(3 * BUFFER_BYTES));
        let mut records = Records::new(stream.as_bytes(), Framing::Lines);
        let mut lines = Vec::new();
        while let Some(next) = records.next_record().unwrap() {
            let (Next::Record(at, _) | Next::TooLarge(at)) = next;
            lines.push(at.line);
        }
        assert_eq!(lines, [1, 2, 3]);
    }

    proptest! {
        #[test]
        fn lines_are_what_the_standard_library_says(text in "[ab\r\n\"]{0,60}", drip in 1usize..9) {
            let expected: Vec<_> = text
                .split('\n')
                .enumerate()
                .map(|(line, text)| (line as u64 + 1, text.strip_suffix('\r').unwrap_or(text).to_owned()))
                .filter(|(_, text)| !text.is_empty())
                .collect();
            prop_assert_eq!(cut(text.as_bytes(), Framing::Lines, drip), expected);
        }
    }
}
