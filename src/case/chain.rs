//! The chain: the form of the journal's lines, and reading and checking them. Appending is [`super::journal`]'s.
//!
//! ```json
//! {"seq":1,"at":"2026-11-11T00:23:11.5Z","actor":"engine","action":"alert.raised","case":"330482-20261111-7K3M9Q",
//!  "data":{…},"prev":"<64 hex>","hash":"<64 hex>"}
//! ```
//!
//! on one line without white space, keys in this order, `hash` last, ended by a line feed. `hash` is SHA-256 over the
//! bytes of the line up to and without `,"hash":"`, followed by one `}` — the object without its `hash`. `prev` is the
//! `hash` of the line before, 64 zeros in the first line. `seq` counts from 1. So any line can be checked with
//!
//! ```sh
//! sed -n 1p journal.jsonl | sed 's/,"hash":"[0-9a-f]*"}$/}/' | tr -d '\n' | sha256sum
//! ```

use super::entry::{Digest, Entry};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use std::borrow::Cow;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use time::OffsetDateTime;

/// Name of the journal in its folder.
pub const FILE_NAME: &str = "journal.jsonl";

/// Longest line: a change that would need more is refused before it gets here, and a reader stops at it.
pub const LINE_BYTES_MAX: usize = 16 * 1024 * 1024;

/// What every line ends with: `,"hash":"`, 64 digits, `"}`.
const HASH_KEY: &[u8] = b",\"hash\":\"";
pub(super) const HASH_BYTES: usize = HASH_KEY.len() + 64 + 2;

/// Why a line of the journal does not check.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// No line feed at the end of the file.
    #[error("the line is cut off: it has no line feed at its end")]
    CutOff,
    /// Longer than any entry.
    #[error("the line is longer than {LINE_BYTES_MAX} bytes, which no entry is")]
    TooLong,
    /// No hash at its end.
    #[error("the line does not end with a hash")]
    NoHash,
    /// The hash is right but the content is no entry, which no crash leaves.
    #[error("the line is no entry: {0}")]
    NotAnEntry(String),
    /// The content is not what was hashed.
    #[error("the content hashes to {content}, the line says {found}")]
    Hash {
        /// The hash in the line.
        found: Digest,
        /// The hash of the content.
        content: Digest,
    },
    /// The line is whole but not in its place.
    #[error("the line has seq {found}, expected {expected}")]
    Seq {
        /// In the line.
        found: u64,
        /// By the line before.
        expected: u64,
    },
    /// The line is whole but follows another one.
    #[error("the line follows {found}, but the line before has the hash {expected}")]
    Prev {
        /// In the line.
        found: Digest,
        /// By the line before.
        expected: Digest,
    },
}

impl Fault {
    /// True of what a write that was cut short can leave: a line that is not itself whole.
    pub(super) const fn may_be_torn(&self) -> bool {
        matches!(self, Self::CutOff | Self::TooLong | Self::NoHash | Self::Hash { .. })
    }
}

/// Where the chain breaks.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line} (entry {seq}, byte {offset}): {fault}")]
pub struct Break {
    /// Line number, from 1.
    pub line: u64,
    /// The entry that should be there.
    pub seq: u64,
    /// Byte at which the line begins.
    pub offset: u64,
    /// What is wrong with it.
    pub fault: Fault,
}

/// What goes wrong with a journal.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The file could not be read or written.
    #[error("journal {}: {doing}: {error}", .path.display())]
    Io {
        /// The journal.
        path: PathBuf,
        /// What was being done.
        doing: &'static str,
        /// What the system said.
        #[source]
        error: io::Error,
    },
    /// There is no journal.
    #[error("journal {}: no such file; name the folder that holds {FILE_NAME}", .0.display())]
    Missing(PathBuf),
    /// Another process has it.
    #[error("journal {}: in use by another process; stop that one first", .0.display())]
    Locked(PathBuf),
    /// The chain breaks before its end.
    #[error(
        "journal {}: broken at {broken}; what follows it cannot be trusted: restore the file from a copy, or keep it \
         as evidence and start a new folder",
        .path.display()
    )]
    Broken {
        /// The journal.
        path: PathBuf,
        /// Where.
        broken: Break,
    },
    /// An entry is whole but not understood.
    #[error("journal {}: entry {seq}: {what}", .path.display())]
    Unreadable {
        /// The journal.
        path: PathBuf,
        /// The entry.
        seq: u64,
        /// Why.
        what: String,
    },
}

/// The last entry: its number and hash. 0 and zeros in an empty journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Head {
    /// Number of the last entry.
    pub seq: u64,
    /// Its hash.
    pub hash: Digest,
}

/// Where a line is in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Byte at which it begins.
    pub offset: u64,
    /// Its length without the line feed.
    pub bytes: u32,
}

/// An entry and where it is.
#[derive(Clone, Debug)]
pub struct Placed {
    /// The entry.
    pub entry: Arc<Entry>,
    /// Its line.
    pub place: Place,
}

pub(super) fn io_error(path: &Path, doing: &'static str) -> impl FnOnce(io::Error) -> JournalError {
    let path = path.to_owned();
    move |error| JournalError::Io { path, doing, error }
}

/// Ends a line: puts the hash of its content, an object up to its closing brace, and the line feed.
pub(super) fn seal(mut content: Vec<u8>) -> (Vec<u8>, Digest) {
    let hash = Digest(Sha256::digest(&content).into());
    content.pop();
    content.extend_from_slice(HASH_KEY);
    content.extend_from_slice(hash.to_string().as_bytes());
    content.extend_from_slice(b"\"}\n");
    (content, hash)
}

/// The parts of a line that the chain is made of.
#[derive(Deserialize)]
pub(super) struct LineHead<'a> {
    pub(super) seq: u64,
    #[serde(with = "time::serde::rfc3339")]
    at: OffsetDateTime,
    #[serde(borrow)]
    pub(super) action: Cow<'a, str>,
    prev: Digest,
    pub(super) hash: Digest,
}

/// A line that checks.
pub(super) struct Line<'a> {
    pub(super) head: LineHead<'a>,
    pub(super) place: Place,
    bytes: &'a [u8],
}

/// One step of reading: a line that checks, the end, or the break.
pub(super) enum Step<'a> {
    Line(Line<'a>),
    End,
    Broken(Break),
}

/// One line read, unchecked.
enum ReadLine {
    Line,
    CutOff,
    TooLong,
    End,
}

/// Reads lines in order and checks each against the one before.
pub(super) struct Lines<R> {
    reader: R,
    line: Vec<u8>,
    line_no: u64,
    /// Byte after what has been read.
    offset: u64,
    head: Head,
}

impl<R: BufRead> Lines<R> {
    /// Reads on after a line, whose entry was `head`.
    pub(super) fn new(reader: R, after: Place, head: Head) -> Self {
        let offset = if head.seq == 0 {
            0
        } else {
            after.offset + u64::from(after.bytes) + 1
        };
        Self {
            reader,
            line: Vec::new(),
            line_no: head.seq,
            offset,
            head,
        }
    }

    fn read_line(&mut self) -> io::Result<ReadLine> {
        self.line.clear();
        let read = (&mut self.reader)
            .take(LINE_BYTES_MAX as u64 + 1)
            .read_until(b'\n', &mut self.line)?;
        self.offset += read as u64;
        Ok(match self.line.last() {
            None => ReadLine::End,
            Some(b'\n') => {
                self.line.pop();
                ReadLine::Line
            }
            Some(_) if read > LINE_BYTES_MAX => ReadLine::TooLong,
            Some(_) => ReadLine::CutOff,
        })
    }

    pub(super) fn next(&mut self) -> io::Result<Step<'_>> {
        let offset = self.offset;
        let read = self.read_line()?;
        self.line_no += 1;
        let expected = Head {
            seq: self.head.seq + 1,
            hash: self.head.hash,
        };
        let checked = match read {
            ReadLine::End => return Ok(Step::End),
            ReadLine::CutOff => Err(Fault::CutOff),
            ReadLine::TooLong => Err(Fault::TooLong),
            ReadLine::Line => check(&self.line, expected),
        };
        Ok(match checked {
            Err(fault) => Step::Broken(Break {
                line: self.line_no,
                seq: expected.seq,
                offset,
                fault,
            }),
            Ok(head) => {
                self.head = Head {
                    seq: head.seq,
                    hash: head.hash,
                };
                Step::Line(Line {
                    head,
                    place: Place {
                        offset,
                        bytes: self.line.len() as u32,
                    },
                    bytes: &self.line,
                })
            }
        })
    }

    /// After a break: true if no whole line follows it and no more than `bytes_max` bytes begin with it.
    pub(super) fn nothing_follows(&mut self, broken: &Break, bytes_max: u64) -> io::Result<bool> {
        while self.offset - broken.offset <= bytes_max {
            match self.read_line()? {
                ReadLine::End | ReadLine::CutOff => return Ok(self.offset - broken.offset <= bytes_max),
                ReadLine::Line if content_hash(&self.line).is_err() => {}
                ReadLine::Line | ReadLine::TooLong => return Ok(false),
            }
        }
        Ok(false)
    }
}

/// Checks a line against its own hash and the entry before.
fn check(line: &[u8], expected: Head) -> Result<LineHead<'_>, Fault> {
    content_hash(line)?;
    let head: LineHead = serde_json::from_slice(line).map_err(|error| Fault::NotAnEntry(error.to_string()))?;
    if head.seq != expected.seq {
        return Err(Fault::Seq {
            found: head.seq,
            expected: expected.seq,
        });
    }
    if head.prev != expected.hash {
        return Err(Fault::Prev {
            found: head.prev,
            expected: expected.hash,
        });
    }
    Ok(head)
}

/// The hash of a line's content, which is that in the line.
fn content_hash(line: &[u8]) -> Result<Digest, Fault> {
    let split = line.len().checked_sub(HASH_BYTES).ok_or(Fault::NoHash)?;
    let (content, end) = line.split_at(split);
    let digits = end.strip_prefix(HASH_KEY).and_then(|end| end.strip_suffix(b"\"}"));
    let found = digits.and_then(Digest::parse).ok_or(Fault::NoHash)?;
    let mut hasher = Sha256::new();
    hasher.update(content);
    hasher.update(b"}");
    let content = Digest(hasher.finalize().into());
    if found == content {
        Ok(found)
    } else {
        Err(Fault::Hash { found, content })
    }
}

/// What checking a whole journal found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifyReport {
    /// The file.
    pub path: PathBuf,
    /// Entries that check, from the first on.
    pub entries: u64,
    /// Their length in bytes.
    pub bytes: u64,
    /// Wall time of the first.
    pub first_at: Option<OffsetDateTime>,
    /// Wall time of the last.
    pub last_at: Option<OffsetDateTime>,
    /// Hash of the last: whoever kept an earlier one can find it in the chain.
    pub head: Digest,
    /// The first break, if there is one.
    pub broken: Option<Break>,
}

/// Checks the journal of a folder from the first line to the last. It may be in use: a line that is being written just
/// now is no break.
pub fn verify(dir: &Path) -> Result<VerifyReport, JournalError> {
    let path = dir.join(FILE_NAME);
    let file = File::open(&path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => JournalError::Missing(path.clone()),
        _ => io_error(&path, "opening")(error),
    })?;
    let mut lines = Lines::new(
        BufReader::with_capacity(1 << 20, &file),
        Place { offset: 0, bytes: 0 },
        Head::default(),
    );
    let mut report = VerifyReport {
        path: path.clone(),
        entries: 0,
        bytes: 0,
        first_at: None,
        last_at: None,
        head: Digest::ZERO,
        broken: None,
    };
    loop {
        match lines.next().map_err(io_error(&path, "reading"))? {
            Step::End => return Ok(report),
            Step::Line(line) => {
                report.entries = line.head.seq;
                report.bytes = line.place.offset + u64::from(line.place.bytes) + 1;
                report.first_at.get_or_insert(line.head.at);
                report.last_at = Some(line.head.at);
                report.head = line.head.hash;
            }
            Step::Broken(broken) => {
                let being_written = broken.fault == Fault::CutOff && is_in_use(&file);
                report.broken = (!being_written).then_some(broken);
                return Ok(report);
            }
        }
    }
}

/// True if another process has the journal open for appending.
fn is_in_use(file: &File) -> bool {
    match file.try_lock_shared() {
        Ok(()) => {
            let _released = file.unlock();
            false
        }
        Err(_) => true,
    }
}

/// Reads entries in order, checking each, after an entry whose place and head are known (or from the first).
pub(crate) struct Reader {
    path: PathBuf,
    lines: Lines<BufReader<File>>,
}

impl Reader {
    /// From the first entry on.
    pub(crate) fn from_start(path: &Path) -> Result<Self, JournalError> {
        Self::after(path, Place { offset: 0, bytes: 0 }, Head::default())
    }

    /// From the entry after `head`, whose line is at `place`.
    pub(crate) fn after(path: &Path, place: Place, head: Head) -> Result<Self, JournalError> {
        let mut file = File::open(path).map_err(io_error(path, "opening"))?;
        let start = if head.seq == 0 {
            0
        } else {
            place.offset + u64::from(place.bytes) + 1
        };
        file.seek(SeekFrom::Start(start)).map_err(io_error(path, "seeking"))?;
        Ok(Self {
            path: path.to_owned(),
            lines: Lines::new(BufReader::with_capacity(1 << 20, file), place, head),
        })
    }

    /// The next entry.
    pub(crate) fn next(&mut self) -> Result<Option<Placed>, JournalError> {
        let path = &self.path;
        match self.lines.next().map_err(io_error(path, "reading"))? {
            Step::End => Ok(None),
            Step::Broken(broken) => Err(JournalError::Broken {
                path: path.clone(),
                broken,
            }),
            Step::Line(line) => {
                let entry = Entry::parse(line.bytes).map_err(|what| JournalError::Unreadable {
                    path: path.clone(),
                    seq: line.head.seq,
                    what,
                })?;
                Ok(Some(Placed {
                    entry: Arc::new(entry),
                    place: line.place,
                }))
            }
        }
    }
}

/// The entries at some places, each checked against its own hash. `seq` is the number that the first should have.
pub(crate) fn read_at(path: &Path, places: impl IntoIterator<Item = (u64, Place)>) -> Result<Vec<Entry>, JournalError> {
    let mut file = File::open(path).map_err(io_error(path, "opening"))?;
    let mut entries = Vec::new();
    let mut line = Vec::new();
    for (seq, place) in places {
        let unreadable = |what: String| JournalError::Unreadable {
            path: path.to_owned(),
            seq,
            what,
        };
        if place.bytes as usize > LINE_BYTES_MAX {
            return Err(unreadable("its place in the index is no line".to_owned()));
        }
        line.resize(place.bytes as usize, 0);
        file.seek(SeekFrom::Start(place.offset))
            .map_err(io_error(path, "seeking"))?;
        file.read_exact(&mut line).map_err(io_error(path, "reading"))?;
        content_hash(&line).map_err(|fault| unreadable(fault.to_string()))?;
        let entry = Entry::parse(&line).map_err(unreadable)?;
        if entry.seq != seq {
            return Err(unreadable(format!("entry {} is in its place", entry.seq)));
        }
        entries.push(entry);
    }
    Ok(entries)
}
