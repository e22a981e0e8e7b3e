//! The journal: the truth about cases, an append-only file of hash-chained lines, `journal.jsonl` ([`super::chain`]).
//!
//! A group of entries is appended by one write and one fsync, and counts only once the fsync has returned. When either
//! fails (disk full, I/O error), the file is cut back to its last good length and the caller has its entries still. A
//! process that dies in the middle leaves a torn tail: it is moved aside when the journal is next opened. Anything else
//! that does not check is a break, and the journal does not open. Two processes cannot append: the file is locked.
//!
//! What the entries mean is left out: see [`super::entry`]; nor does the journal know of the store.

use super::chain::{
    Break, FILE_NAME, Fault, Head, JournalError, LINE_BYTES_MAX, Lines, Place, Placed, Step, io_error, seal,
};
use super::entry::{Change, Entry, OUTBOX_DELIVERED};
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, BufReader, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use time::format_description::well_known::Rfc3339;
use time::{OffsetDateTime, UtcOffset};

/// Longest tail that one torn group can leave; more than this that does not check is damage, not a crash.
const TORN_BYTES_MAX: u64 = 64 * 1024 * 1024;

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
        let data = change
            .data()
            .map_err(|error| format!("it cannot be written as JSON: {error}"))?;
        if data.len() > LINE_BYTES_MAX / 2 {
            return Err(format!(
                "it needs {} bytes, more than half a line of {LINE_BYTES_MAX}",
                data.len()
            ));
        }
        Ok(Self {
            actor: actor.to_owned(),
            change,
            data,
        })
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
        let content = format!(
            r#"{{"seq":{seq},"at":"{}","actor":{},"action":"{}","case":{},"data":{},"prev":"{}"}}"#,
            at.format(&Rfc3339).expect("a stamped time has a form"),
            text(&self.actor),
            self.change.action(),
            case.map_or_else(|| "null".to_owned(), text),
            self.data,
            head.hash,
        )
        .into_bytes();
        let (line, hash) = seal(content);
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
        let report = JournalReport {
            entries: scanned.head.seq,
            bytes: scanned.bytes,
            torn,
        };
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
    pub(crate) fn append(
        &mut self,
        at: OffsetDateTime,
        drafts: &[Draft],
    ) -> Result<(Vec<Placed>, Appended), JournalError> {
        self.clean()?;
        let (mut head, mut offset, mut last_told) = (self.head, self.bytes, self.last_told);
        let mut group = Vec::new();
        let mut placed = Vec::with_capacity(drafts.len());
        for draft in drafts {
            let (line, entry) = draft.write(at, head);
            head = Head {
                seq: entry.seq,
                hash: entry.hash,
            };
            if entry.change.action() != OUTBOX_DELIVERED {
                last_told = entry.seq;
            }
            let bytes = line.len() as u32 - 1;
            placed.push(Placed {
                entry: Arc::new(entry),
                place: Place { offset, bytes },
            });
            offset += line.len() as u64;
            group.extend_from_slice(&line);
        }
        let sync_time = self.write(&group)?;
        let appended = Appended {
            bytes: group.len() as u64,
            sync_time,
        };
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
        JournalError::Io {
            path: self.path.clone(),
            doing,
            error,
        }
    }

    /// Puts another medium in the file's place.
    #[cfg(test)]
    pub(crate) fn with_medium(mut self, wrap: impl FnOnce(Box<dyn Medium>) -> Box<dyn Medium>) -> Self {
        self.medium = wrap(self.medium);
        self
    }
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
    let mut lines = Lines::new(
        BufReader::with_capacity(1 << 20, file),
        Place { offset: 0, bytes: 0 },
        Head::default(),
    );
    let mut scanned = Scanned {
        head: Head::default(),
        bytes: 0,
        last_told: 0,
        tail: None,
    };
    loop {
        match lines.next().map_err(io_error(path, "reading"))? {
            Step::End => return Ok(scanned),
            Step::Line(line) => {
                scanned.head = Head {
                    seq: line.head.seq,
                    hash: line.head.hash,
                };
                scanned.bytes = line.place.offset + u64::from(line.place.bytes) + 1;
                if line.head.action != OUTBOX_DELIVERED {
                    scanned.last_told = line.head.seq;
                }
            }
            Step::Broken(broken) => {
                let is_tail = lines
                    .nothing_follows(&broken, TORN_BYTES_MAX)
                    .map_err(io_error(path, "reading"))?;
                if broken.fault.may_be_torn() && is_tail {
                    scanned.tail = Some(broken);
                    return Ok(scanned);
                }
                return Err(JournalError::Broken {
                    path: path.to_owned(),
                    broken,
                });
            }
        }
    }
}

/// Copies the bytes from a break to the end into a file of their own, makes that durable, then cuts them off.
fn move_aside(path: &Path, file: &File, broken: &Break) -> Result<Torn, JournalError> {
    let (aside, mut torn) = (1..=u32::MAX)
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
    Ok(Torn {
        path: aside,
        bytes,
        seq: broken.seq,
        fault: broken.fault.clone(),
    })
}

/// Makes the folder, for the owner alone, if it is not there.
pub(crate) fn make_dir(dir: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(dir)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::case::chain::{HASH_BYTES, Reader, read_at, verify};
    use crate::case::entry::Delivered;
    use crate::case::entry::Digest;
    use crate::case::testing::{Faults, FaultyDisk, NOW};
    use proptest::prelude::*;
    use sha2::{Digest as _, Sha256};
    use std::sync::atomic::Ordering;

    fn draft(n: u64) -> Draft {
        let change = Change::OutboxDelivered(Delivered {
            sink: format!("汇\"{n}"),
            up_to: n,
        });
        Draft::new("notify", change).expect("small")
    }

    /// A folder whose journal has some entries, and the journal's bytes.
    fn written(entries: u64) -> (tempfile::TempDir, Vec<u8>) {
        let dir = tempfile::tempdir().expect("a folder");
        let (mut journal, report) = Journal::open(dir.path()).expect("opens");
        assert_eq!((report.entries, report.torn), (0, None));
        for n in 1..=entries {
            journal.append(stamp(NOW), &[draft(n)]).expect("written");
        }
        drop(journal);
        let bytes = fs::read(dir.path().join(FILE_NAME)).expect("read");
        (dir, bytes)
    }

    fn put(dir: &tempfile::TempDir, bytes: &[u8]) {
        fs::write(dir.path().join(FILE_NAME), bytes).expect("written");
    }

    #[test]
    fn a_line_is_what_is_documented() {
        let (_dir, bytes) = written(1);
        let line = String::from_utf8(bytes).expect("UTF-8");
        let content = concat!(
            r#"{"seq":1,"at":"2026-11-11T00:30:00.5Z","actor":"notify","action":"outbox.delivered","case":null,"#,
            r#""data":{"sink":"汇\"1","up_to":1},"prev":"#,
            r#""0000000000000000000000000000000000000000000000000000000000000000"}"#
        );
        let hash = Digest(Sha256::digest(content.as_bytes()).into());
        assert_eq!(
            line,
            format!("{},\"hash\":\"{hash}\"}}\n", &content[..content.len() - 1])
        );

        let entry = Entry::parse(line.trim_end().as_bytes()).expect("an entry");
        assert_eq!(serde_json::to_string(&entry).expect("JSON") + "\n", line);
    }

    #[test]
    fn groups_chain_and_reopening_goes_on() {
        let (dir, _) = written(3);
        let (mut journal, report) = Journal::open(dir.path()).expect("opens");
        assert_eq!((report.entries, journal.last_told()), (3, 0));
        let (placed, appended) = journal.append(stamp(NOW), &[draft(4), draft(5)]).expect("written");
        assert_eq!(placed.iter().map(|placed| placed.entry.seq).collect::<Vec<_>>(), [4, 5]);
        assert!(appended.bytes > 0);

        let verified = verify(dir.path()).expect("readable");
        assert_eq!((verified.entries, verified.broken), (5, None));
        assert_eq!(
            (verified.head, verified.first_at, verified.last_at),
            (placed[1].entry.hash, Some(NOW), Some(NOW))
        );

        let places = placed.iter().map(|placed| (placed.entry.seq, placed.place));
        let read = read_at(journal.path(), places).expect("there");
        assert_eq!(
            read,
            placed.iter().map(|placed| (*placed.entry).clone()).collect::<Vec<_>>()
        );
        let mut reader = Reader::after(
            journal.path(),
            placed[0].place,
            Head {
                seq: 4,
                hash: placed[0].entry.hash,
            },
        )
        .expect("opens");
        assert_eq!(reader.next().expect("reads").map(|placed| placed.entry.seq), Some(5));
        assert!(reader.next().expect("reads").is_none());
    }

    #[test]
    fn a_second_writer_is_refused_and_a_reader_is_not() {
        let (dir, _) = written(1);
        let _journal = Journal::open(dir.path()).expect("opens");
        assert!(matches!(Journal::open(dir.path()), Err(JournalError::Locked(_))));
        assert_eq!(verify(dir.path()).expect("readable").entries, 1);
    }

    #[test]
    fn the_file_is_the_owners_alone() {
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let (dir, _) = written(1);
            let mode = fs::metadata(dir.path().join(FILE_NAME))
                .expect("there")
                .permissions()
                .mode();
            assert_eq!(mode & 0o077, 0);
        }
    }

    /// Wherever the last line is cut, what is before it stays and the cut bytes are kept.
    #[test]
    fn a_torn_tail_is_moved_aside_at_every_byte() {
        let (dir, bytes) = written(3);
        let last = bytes[..bytes.len() - 1]
            .iter()
            .rposition(|b| *b == b'\n')
            .expect("three lines")
            + 1;
        for cut in last..=bytes.len() {
            put(&dir, &bytes[..cut]);
            let (mut journal, report) = Journal::open(dir.path()).expect("opens");
            if cut == last || cut == bytes.len() {
                assert_eq!(
                    (report.torn, journal.head().seq),
                    (None, if cut == last { 2 } else { 3 }),
                    "at byte {cut}"
                );
                continue;
            }
            let torn = report.torn.expect("torn");
            assert_eq!(
                (torn.seq, torn.bytes, torn.fault),
                (3, (cut - last) as u64, Fault::CutOff),
                "at byte {cut}"
            );
            assert_eq!(fs::read(&torn.path).expect("kept"), &bytes[last..cut]);
            assert_eq!(journal.head().seq, 2);
            journal.append(stamp(NOW), &[draft(3)]).expect("goes on");
            drop(journal);
            assert_eq!(
                fs::read(dir.path().join(FILE_NAME)).expect("read"),
                bytes,
                "the same entry again"
            );
        }
    }

    #[test]
    fn torn_tails_do_not_overwrite_each_other() {
        let (dir, bytes) = written(1);
        for n in 1..=3 {
            put(&dir, &[&bytes[..], b"{\"seq\":2"].concat());
            let (_, report) = Journal::open(dir.path()).expect("opens");
            assert_eq!(
                report.torn.expect("torn").path,
                dir.path().join(format!("journal.torn-2-{n}"))
            );
        }
    }

    /// A group whose blocks reached the disk in part: nothing whole follows.
    #[test]
    fn a_tail_of_several_bad_lines_is_torn_too() {
        let (dir, bytes) = written(2);
        put(
            &dir,
            &[&bytes[..], &[0; 5000], b"\n{\"seq\":4}\n", &bytes[..40]].concat(),
        );
        let (journal, report) = Journal::open(dir.path()).expect("opens");
        assert_eq!(
            (journal.head().seq, report.torn.expect("torn").bytes),
            (2, 5000 + 11 + 40)
        );
    }

    #[test]
    fn a_break_in_the_middle_is_named_and_nothing_is_changed() {
        let (dir, bytes) = written(3);
        let damaged = {
            let mut damaged = bytes.clone();
            let second = bytes.iter().position(|b| *b == b'\n').expect("lines") + 1;
            damaged[second + 20] ^= 1;
            damaged
        };
        put(&dir, &damaged);
        let error = Journal::open(dir.path()).err().expect("broken");
        let JournalError::Broken { broken, .. } = &error else {
            panic!("{error}")
        };
        assert_eq!((broken.line, broken.seq), (2, 2));
        assert!(matches!(broken.fault, Fault::Hash { .. }), "{error}");
        assert!(error.to_string().contains("line 2 (entry 2, byte "), "{error}");
        assert_eq!(fs::read(dir.path().join(FILE_NAME)).expect("read"), damaged);
        assert_eq!(verify(dir.path()).expect("readable").broken.as_ref(), Some(broken));
    }

    #[test]
    fn whole_lines_that_are_not_in_their_place_are_no_torn_tail() {
        let (dir, bytes) = written(3);
        let lines: Vec<&[u8]> = bytes.split_inclusive(|b| *b == b'\n').collect();
        put(&dir, &[lines[0], lines[2]].concat());
        let error = Journal::open(dir.path()).err().expect("a line is missing");
        assert!(error.to_string().contains("the line has seq 3, expected 2"), "{error}");

        let (other, other_bytes) = written(0);
        let (mut journal, _) = Journal::open(other.path()).expect("opens");
        assert!(other_bytes.is_empty());
        journal.append(stamp(NOW), &[draft(9), draft(2)]).expect("written");
        let foreign = fs::read(other.path().join(FILE_NAME)).expect("read");
        let foreign: Vec<&[u8]> = foreign.split_inclusive(|b| *b == b'\n').collect();
        put(&dir, &[lines[0], foreign[1]].concat());
        let error = Journal::open(dir.path()).err().expect("a line of another journal");
        assert!(error.to_string().contains("the line follows "), "{error}");
    }

    #[test]
    fn a_folder_without_a_journal_has_nothing_to_verify() {
        let dir = tempfile::tempdir().expect("a folder");
        assert!(matches!(verify(dir.path()), Err(JournalError::Missing(_))));
    }

    #[test]
    fn a_line_that_is_being_written_is_no_break() {
        let (dir, bytes) = written(2);
        let (_journal, _) = Journal::open(dir.path()).expect("opens");
        let mut file = OpenOptions::new()
            .append(true)
            .open(dir.path().join(FILE_NAME))
            .expect("opens");
        file.write_all(&bytes[..30]).expect("written");
        let report = verify(dir.path()).expect("readable");
        assert_eq!((report.entries, report.broken), (2, None));
    }

    #[test]
    fn an_entry_of_a_newer_version_is_whole_but_not_read() {
        let (dir, bytes) = written(1);
        let text = String::from_utf8(bytes)
            .expect("UTF-8")
            .replace("outbox.delivered", "outbox.abandoned");
        let content = &text.as_bytes()[..text.len() - 1 - HASH_BYTES];
        let hash = Digest(Sha256::digest([content, b"}"].concat()).into());
        put(
            &dir,
            format!(
                "{},\"hash\":\"{hash}\"}}\n",
                std::str::from_utf8(content).expect("UTF-8")
            )
            .as_bytes(),
        );
        assert_eq!(verify(dir.path()).expect("readable").broken, None);
        let error = Reader::from_start(&dir.path().join(FILE_NAME))
            .expect("opens")
            .next()
            .expect_err("unknown");
        assert!(error.to_string().contains("a newer jingyou wrote it"), "{error}");
    }

    fn faulty(dir: &tempfile::TempDir) -> (Journal, Arc<Faults>) {
        let faults = Faults::none();
        let (journal, _) = Journal::open(dir.path()).expect("opens");
        let disk = Arc::clone(&faults);
        (
            journal.with_medium(|medium| {
                Box::new(FaultyDisk {
                    disk: medium,
                    faults: disk,
                })
            }),
            faults,
        )
    }

    #[test]
    fn a_full_disk_takes_nothing_of_a_group_wherever_it_is_cut() {
        let (dir, bytes) = written(1);
        let (mut journal, faults) = faulty(&dir);
        let group = [draft(2), draft(3)];
        for room in (0..400).step_by(7) {
            faults.room.store(room, Ordering::SeqCst);
            let error = journal.append(stamp(NOW), &group).expect_err("full");
            assert!(error.to_string().contains("writing: "), "{error}");
            assert_eq!(
                fs::read(dir.path().join(FILE_NAME)).expect("read"),
                bytes,
                "with room for {room}"
            );
            assert_eq!(journal.head().seq, 1);
        }
        faults.room.store(u64::MAX, Ordering::SeqCst);
        journal.append(stamp(NOW), &group).expect("room again");
        assert_eq!(verify(dir.path()).expect("readable").entries, 3);
    }

    #[test]
    fn a_group_whose_fsync_failed_is_written_again() {
        let (dir, bytes) = written(1);
        let (mut journal, faults) = faulty(&dir);
        faults.fsync_fails.store(true, Ordering::SeqCst);
        journal.append(stamp(NOW), &[draft(2)]).expect_err("not durable");
        assert_eq!(fs::read(dir.path().join(FILE_NAME)).expect("read"), bytes);
        faults.fsync_fails.store(false, Ordering::SeqCst);
        journal.append(stamp(NOW), &[draft(2)]).expect("durable");
        assert_eq!(verify(dir.path()).expect("readable").entries, 2);
    }

    #[test]
    fn what_could_not_be_cut_off_is_cut_off_before_the_next_group() {
        let (dir, _) = written(1);
        let (mut journal, faults) = faulty(&dir);
        faults.room.store(50, Ordering::SeqCst);
        faults.truncate_fails.store(true, Ordering::SeqCst);
        journal.append(stamp(NOW), &[draft(2)]).expect_err("full");
        faults.room.store(u64::MAX, Ordering::SeqCst);
        let error = journal.append(stamp(NOW), &[draft(2)]).expect_err("cannot cut");
        assert!(error.to_string().contains("cutting off"), "{error}");
        faults.truncate_fails.store(false, Ordering::SeqCst);
        journal.append(stamp(NOW), &[draft(2)]).expect("clean again");
        assert_eq!(verify(dir.path()).expect("readable").entries, 2);
    }

    #[test]
    fn a_change_that_no_line_holds_is_refused_before_it_is_a_draft() {
        let change = Change::OutboxDelivered(Delivered {
            sink: "s".repeat(LINE_BYTES_MAX),
            up_to: 1,
        });
        assert!(Draft::new("notify", change).is_err());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(300))]

        /// Whichever byte is changed, the chain says so, and at that line or, for a line feed, the line that it ended.
        #[test]
        fn any_changed_byte_is_found(at in any::<prop::sample::Index>(), flip in 1..=255_u8) {
            let (dir, mut bytes) = written(4);
            let at = at.index(bytes.len());
            bytes[at] ^= flip;
            put(&dir, &bytes);
            let broken = verify(dir.path()).expect("readable").broken.expect("found");
            let line = bytes[..at].split(|b| *b == b'\n').count() as u64;
            prop_assert_eq!(broken.line, line);
            prop_assert_eq!(broken.seq, line);
        }

        /// No file whatever makes opening or verifying panic, and no entry that checks is ever cut off.
        #[test]
        fn any_tail_is_survived(tail in prop::collection::vec(any::<u8>(), 0..300)) {
            let (dir, bytes) = written(2);
            put(&dir, &[&bytes[..], &tail[..]].concat());
            let (journal, _) = Journal::open(dir.path()).expect("whatever is no entry at the end is torn");
            prop_assert_eq!(journal.head().seq, 2);
        }
    }
}
