//! The journal: the truth about cases, as an append-only, hash-chained file of JSON Lines, `journal.jsonl`.
//!
//! # A line
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
//!
//! # What is promised
//!
//! A group of entries is appended by one write and one fsync, and counts only once the fsync has returned. When either
//! fails (disk full, I/O error), the file is cut back to its last good length and the caller has its entries still. A
//! process that dies in the middle leaves a torn tail: it is moved aside when the journal is next opened. Anything else
//! that does not check is a break, and the journal does not open. Two processes cannot append: the file is locked.
//!
//! What the entries mean is left out: see [`super::entry`]; nor does the journal know of the store.

use super::entry::{Change, Digest, Entry, OUTBOX_DELIVERED};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use std::borrow::Cow;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use time::{OffsetDateTime, UtcOffset};
use time::format_description::well_known::Rfc3339;

/// Name of the journal in its folder.
pub const FILE_NAME: &str = "journal.jsonl";

/// Longest line: a change that would need more is refused before it gets here, and a reader stops at it.
pub const LINE_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Longest tail that one torn group can leave; more than this that does not check is damage, not a crash.
const TORN_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// What every line ends with: `,"hash":"`, 64 digits, `"}`.
const HASH_KEY: &[u8] = b",\"hash\":\"";
const HASH_BYTES: usize = HASH_KEY.len() + 64 + 2;

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
    const fn may_be_torn(&self) -> bool {
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

/// A torn tail that was moved aside on opening.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Torn {
    /// Where its bytes are now: `journal.torn-<seq>-<n>`.
    pub path: PathBuf,
    /// How many they are.
    pub bytes: u64,
    /// The first entry that was lost; it was never acknowledged, unless the file was damaged afterwards.
    pub seq: u64,
    /// What was wrong with it.
    pub fault: Fault,
}

/// What was found when a journal was opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JournalReport {
    /// Entries in the journal.
    pub entries: u64,
    /// Its length in bytes.
    pub bytes: u64,
    /// The torn tail, if there was one.
    pub torn: Option<Torn>,
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

/// A change that is to be written.
#[derive(Clone, Debug)]
pub(crate) struct Draft {
    actor: String,
    change: Change,
    data: String,
}

impl Draft {
    /// Refuses a change that no line can hold, so that a draft can always be written.
    pub(crate) fn new(actor: &str, change: Change) -> Result<Self, String> {
        let data = change.data().map_err(|error| format!("it cannot be written as JSON: {error}"))?;
        if data.len() > LINE_BYTES_MAX / 2 {
            return Err(format!("it needs {} bytes, more than half a line of {LINE_BYTES_MAX}", data.len()));
        }
        Ok(Self { actor: actor.to_owned(), change, data })
    }

    /// What is to be written.
    pub(crate) fn change(&self) -> &Change {
        &self.change
    }

    /// The line at a place in the chain, with its line feed, and the entry.
    fn write(&self, at: OffsetDateTime, head: Head) -> (Vec<u8>, Entry) {
        let seq = head.seq + 1;
        let case = self.change.case_id();
        let text = |value: &str| serde_json::Value::from(value).to_string();
        let mut line = format!(
            r#"{{"seq":{seq},"at":"{}","actor":{},"action":"{}","case":{},"data":{},"prev":"{}"}}"#,
            at.format(&Rfc3339).expect("a stamped time has a form"),
            text(&self.actor),
            self.change.action(),
            case.map_or_else(|| "null".to_owned(), text),
            self.data,
            head.hash,
        )
        .into_bytes();
        let hash = Digest(Sha256::digest(&line).into());
        line.pop();
        line.extend_from_slice(HASH_KEY);
        line.extend_from_slice(hash.to_string().as_bytes());
        line.extend_from_slice(b"\"}\n");
        let entry = Entry {
            seq,
            at,
            actor: self.actor.clone(),
            case: case.map(str::to_owned),
            change: self.change.clone(),
            prev: head.hash,
            hash,
        };
        (line, entry)
    }
}

/// Wall times in the journal are UTC, to the millisecond. One that RFC 3339 cannot say, which no clock shows, becomes
/// the epoch.
pub(crate) fn stamp(now: OffsetDateTime) -> OffsetDateTime {
    now.checked_to_offset(UtcOffset::UTC)
        .filter(|utc| (0..=9999).contains(&utc.year()))
        .and_then(|utc| utc.replace_millisecond(utc.millisecond()).ok())
        .unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

/// What the journal needs of its file. A seam: tests put a disk in its place that fills up or fails.
pub(crate) trait Medium: Send {
    /// Writes all bytes at the end.
    fn append(&mut self, bytes: &[u8]) -> io::Result<()>;
    /// Returns once everything written is on the disk.
    fn sync(&mut self) -> io::Result<()>;
    /// Cuts the file to a length.
    fn truncate(&mut self, bytes: u64) -> io::Result<()>;
}

impl Medium for File {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.write_all(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.sync_data()
    }

    fn truncate(&mut self, bytes: u64) -> io::Result<()> {
        self.set_len(bytes)
    }
}

/// What one append took.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Appended {
    /// Bytes written.
    pub bytes: u64,
    /// Time in fsync.
    pub sync_time: Duration,
}

/// The open journal: the only one who appends.
pub(crate) struct Journal {
    path: PathBuf,
    medium: Box<dyn Medium>,
    head: Head,
    bytes: u64,
    /// The last entry that says something to others.
    last_told: u64,
    /// True if there may be bytes after the good ones.
    unclean: bool,
}

impl Journal {
    /// Opens the journal of a folder, making it if there is none; locks it, checks all of it, and moves a torn tail
    /// aside.
    pub(crate) fn open(dir: &Path) -> Result<(Self, JournalReport), JournalError> {
        let path = dir.join(FILE_NAME);
        let file = open_locked(&path)?;
        let scanned = scan(&path, &file)?;
        let torn = match &scanned.tail {
            None => None,
            Some(broken) => Some(move_aside(&path, &file, broken)?),
        };
        let report = JournalReport { entries: scanned.head.seq, bytes: scanned.bytes, torn };
        let journal = Self {
            path,
            medium: Box::new(file),
            head: scanned.head,
            bytes: scanned.bytes,
            last_told: scanned.last_told,
            unclean: false,
        };
        Ok((journal, report))
    }

    /// The last entry.
    pub(crate) fn head(&self) -> Head {
        self.head
    }

    /// The last entry that tells others something: no sink needs a cursor beyond it.
    pub(crate) fn last_told(&self) -> u64 {
        self.last_told
    }

    /// The file.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Appends a group with one write and one fsync. On an error nothing of it counts, and it can be tried again.
    pub(crate) fn append(&mut self, at: OffsetDateTime, drafts: &[Draft]) -> Result<(Vec<Placed>, Appended), JournalError> {
        self.clean()?;
        let (mut head, mut offset, mut last_told) = (self.head, self.bytes, self.last_told);
        let mut group = Vec::new();
        let mut placed = Vec::with_capacity(drafts.len());
        for draft in drafts {
            let (line, entry) = draft.write(at, head);
            head = Head { seq: entry.seq, hash: entry.hash };
            if entry.change.action() != OUTBOX_DELIVERED {
                last_told = entry.seq;
            }
            let bytes = line.len() as u32 - 1;
            placed.push(Placed { entry: Arc::new(entry), place: Place { offset, bytes } });
            offset += line.len() as u64;
            group.extend_from_slice(&line);
        }
        let sync_time = self.write(&group)?;
        let appended = Appended { bytes: group.len() as u64, sync_time };
        (self.head, self.bytes, self.last_told) = (head, offset, last_told);
        Ok((placed, appended))
    }

    /// One write, one fsync; whatever fails, the file is cut back. A failed fsync may have dropped what it could not
    /// write and say nothing the next time, so the bytes are never left to a second fsync: they are written again.
    fn write(&mut self, group: &[u8]) -> Result<Duration, JournalError> {
        self.unclean = true;
        if let Err(error) = self.medium.append(group) {
            let error = self.failed("writing", error);
            let _cut_later_if_not_now = self.clean();
            return Err(error);
        }
        let started = Instant::now();
        if let Err(error) = self.medium.sync() {
            let error = self.failed("waiting for the disk (fsync)", error);
            let _cut_later_if_not_now = self.clean();
            return Err(error);
        }
        self.unclean = false;
        Ok(started.elapsed())
    }

    /// Cuts off what a failed append left.
    fn clean(&mut self) -> Result<(), JournalError> {
        if self.unclean {
            let cut = self.medium.truncate(self.bytes);
            cut.map_err(|error| self.failed("cutting off a half-written group", error))?;
            self.unclean = false;
        }
        Ok(())
    }

    fn failed(&self, doing: &'static str, error: io::Error) -> JournalError {
        JournalError::Io { path: self.path.clone(), doing, error }
    }

    /// Puts another medium in the file's place.
    #[cfg(test)]
    pub(crate) fn with_medium(mut self, wrap: impl FnOnce(Box<dyn Medium>) -> Box<dyn Medium>) -> Self {
        self.medium = wrap(self.medium);
        self
    }
}

fn io_error(path: &Path, doing: &'static str) -> impl FnOnce(io::Error) -> JournalError {
    let path = path.to_owned();
    move |error| JournalError::Io { path, doing, error }
}

/// Opens the file for reading and appending, for the owner alone, and locks it.
fn open_locked(path: &Path) -> Result<File, JournalError> {
    let mut options = OpenOptions::new();
    options.read(true).append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let made = !path.exists();
    let file = options.open(path).map_err(io_error(path, "opening"))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Err(JournalError::Locked(path.to_owned())),
        Err(TryLockError::Error(error)) => return Err(io_error(path, "locking")(error)),
    }
    if made {
        sync_dir(path).map_err(io_error(path, "making it durable in its folder"))?;
    }
    Ok(file)
}

/// Makes the names in the folder of a path durable.
fn sync_dir(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(dir) if cfg!(unix) => File::open(dir)?.sync_all(),
        _ => Ok(()),
    }
}

/// What a scan of the whole journal found.
struct Scanned {
    head: Head,
    bytes: u64,
    last_told: u64,
    tail: Option<Break>,
}

/// Checks the whole file. A tail that a crash can have left is given back; any other break is an error.
fn scan(path: &Path, file: &File) -> Result<Scanned, JournalError> {
    let mut lines = Lines::new(BufReader::with_capacity(1 << 20, file), Place { offset: 0, bytes: 0 }, Head::default());
    let mut scanned = Scanned { head: Head::default(), bytes: 0, last_told: 0, tail: None };
    loop {
        match lines.next().map_err(io_error(path, "reading"))? {
            Step::End => return Ok(scanned),
            Step::Line(line) => {
                scanned.head = Head { seq: line.head.seq, hash: line.head.hash };
                scanned.bytes = line.place.offset + u64::from(line.place.bytes) + 1;
                if line.head.action != OUTBOX_DELIVERED {
                    scanned.last_told = line.head.seq;
                }
            }
            Step::Broken(broken) => {
                if broken.fault.may_be_torn() && is_tail(path, &mut lines, broken.offset)? {
                    scanned.tail = Some(broken);
                    return Ok(scanned);
                }
                return Err(JournalError::Broken { path: path.to_owned(), broken });
            }
        }
    }
}

/// True if no whole line follows, and no more than one group can have left.
fn is_tail<R: BufRead>(path: &Path, lines: &mut Lines<R>, start: u64) -> Result<bool, JournalError> {
    loop {
        if lines.offset - start > TORN_BYTES_MAX {
            return Ok(false);
        }
        match lines.read_line().map_err(io_error(path, "reading"))? {
            Read1::End | Read1::CutOff => return Ok(lines.offset - start <= TORN_BYTES_MAX),
            Read1::TooLong => return Ok(false),
            Read1::Line => {
                if content_hash(&lines.line).is_ok() {
                    return Ok(false);
                }
            }
        }
    }
}

/// Copies the bytes from a break to the end into a file of their own, makes that durable, then cuts them off.
fn move_aside(path: &Path, file: &File, broken: &Break) -> Result<Torn, JournalError> {
    let (aside, mut torn) = (1..)
        .map(|n| path.with_file_name(format!("journal.torn-{}-{n}", broken.seq)))
        .find_map(|aside| match File::create_new(&aside) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => None,
            made => Some(made.map(|file| (aside, file))),
        })
        .expect("the numbers do not end")
        .map_err(io_error(path, "making a file for its torn tail"))?;
    let copied = (|| {
        let mut from = file;
        from.seek(SeekFrom::Start(broken.offset))?;
        let bytes = io::copy(&mut from, &mut torn)?;
        torn.sync_all()?;
        sync_dir(path)?;
        file.set_len(broken.offset)?;
        file.sync_all()?;
        Ok(bytes)
    })();
    let bytes = copied.map_err(io_error(path, "moving its torn tail aside"))?;
    Ok(Torn { path: aside, bytes, seq: broken.seq, fault: broken.fault.clone() })
}

/// The parts of a line that the chain is made of.
#[derive(Deserialize)]
struct LineHead<'a> {
    seq: u64,
    #[serde(with = "time::serde::rfc3339")]
    at: OffsetDateTime,
    #[serde(borrow)]
    action: Cow<'a, str>,
    prev: Digest,
    hash: Digest,
}

/// A line that checks.
struct Line<'a> {
    head: LineHead<'a>,
    place: Place,
    bytes: &'a [u8],
}

/// One step of reading: a line that checks, the end, or the break.
enum Step<'a> {
    Line(Line<'a>),
    End,
    Broken(Break),
}

/// One line read, unchecked.
enum Read1 {
    Line,
    CutOff,
    TooLong,
    End,
}

/// Reads lines in order and checks each against the one before.
struct Lines<R> {
    reader: R,
    line: Vec<u8>,
    line_no: u64,
    /// Byte after what has been read.
    offset: u64,
    head: Head,
}

impl<R: BufRead> Lines<R> {
    /// Reads on after a line, whose entry was `head`.
    fn new(reader: R, after: Place, head: Head) -> Self {
        let offset = if head.seq == 0 { 0 } else { after.offset + u64::from(after.bytes) + 1 };
        Self { reader, line: Vec::new(), line_no: head.seq, offset, head }
    }

    fn read_line(&mut self) -> io::Result<Read1> {
        self.line.clear();
        let read = (&mut self.reader).take(LINE_BYTES_MAX as u64 + 1).read_until(b'\n', &mut self.line)?;
        self.offset += read as u64;
        Ok(match self.line.last() {
            None => Read1::End,
            Some(b'\n') => {
                self.line.pop();
                Read1::Line
            }
            Some(_) if read > LINE_BYTES_MAX => Read1::TooLong,
            Some(_) => Read1::CutOff,
        })
    }

    fn next(&mut self) -> io::Result<Step<'_>> {
        let offset = self.offset;
        let read = self.read_line()?;
        self.line_no += 1;
        let expected = Head { seq: self.head.seq + 1, hash: self.head.hash };
        let checked = match read {
            Read1::End => return Ok(Step::End),
            Read1::CutOff => Err(Fault::CutOff),
            Read1::TooLong => Err(Fault::TooLong),
            Read1::Line => check(&self.line, expected),
        };
        Ok(match checked {
            Err(fault) => Step::Broken(Break { line: self.line_no, seq: expected.seq, offset, fault }),
            Ok(head) => {
                self.head = Head { seq: head.seq, hash: head.hash };
                Step::Line(Line { head, place: Place { offset, bytes: self.line.len() as u32 }, bytes: &self.line })
            }
        })
    }
}

/// Checks a line against its own hash and the entry before.
fn check(line: &[u8], expected: Head) -> Result<LineHead<'_>, Fault> {
    content_hash(line)?;
    let head: LineHead = serde_json::from_slice(line).map_err(|error| Fault::NotAnEntry(error.to_string()))?;
    if head.seq != expected.seq {
        return Err(Fault::Seq { found: head.seq, expected: expected.seq });
    }
    if head.prev != expected.hash {
        return Err(Fault::Prev { found: head.prev, expected: expected.hash });
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
    if found == content { Ok(found) } else { Err(Fault::Hash { found, content }) }
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
    let mut lines =
        Lines::new(BufReader::with_capacity(1 << 20, &file), Place { offset: 0, bytes: 0 }, Head::default());
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
        let start = if head.seq == 0 { 0 } else { place.offset + u64::from(place.bytes) + 1 };
        file.seek(SeekFrom::Start(start)).map_err(io_error(path, "seeking"))?;
        Ok(Self { path: path.to_owned(), lines: Lines::new(BufReader::with_capacity(1 << 20, file), place, head) })
    }

    /// The next entry.
    pub(crate) fn next(&mut self) -> Result<Option<Placed>, JournalError> {
        let path = &self.path;
        match self.lines.next().map_err(io_error(path, "reading"))? {
            Step::End => Ok(None),
            Step::Broken(broken) => Err(JournalError::Broken { path: path.clone(), broken }),
            Step::Line(line) => {
                let entry = Entry::parse(line.bytes).map_err(|what| JournalError::Unreadable {
                    path: path.clone(),
                    seq: line.head.seq,
                    what,
                })?;
                Ok(Some(Placed { entry: Arc::new(entry), place: line.place }))
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
        let unreadable = |what: String| JournalError::Unreadable { path: path.to_owned(), seq, what };
        if place.bytes as usize > LINE_BYTES_MAX {
            return Err(unreadable("its place in the index is no line".to_owned()));
        }
        line.resize(place.bytes as usize, 0);
        file.seek(SeekFrom::Start(place.offset)).map_err(io_error(path, "seeking"))?;
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

/// Makes the folder, for the owner alone, if it is not there.
pub(crate) fn make_dir(dir: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(dir)
}
