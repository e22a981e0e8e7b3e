//! The embedded store: current state in one sled tree.
//!
//! | key | value |
//! | --- | --- |
//! | `m` `applied` | seq (8), hash (32), offset (8), bytes (4) of the last entry applied |
//! | `m` `alerts`, `m` `cases` | how many (8) |
//! | `m` `layout` | [`LAYOUT`] |
//! | `a` alert id (16) | alert, JSON |
//! | `A` time (8) alert id (16) | – : newest first by event time |
//! | `c` case id | case, JSON |
//! | `C` time (8) case id | – : newest first by time of opening |
//! | `s` subject `0` category `0` case id | – : open cases only |
//! | `o` case id | time (8) of the latest alert, alerts (4): open cases only |
//! | `e` seq (8) | offset (8), bytes (4) of the entry's line in the journal |
//! | `t` case id `0` seq (8) | – : a case's entries |
//! | `d` sink | seq (8) |
//!
//! Numbers are big-endian, times are microseconds counted down, so that the newest come first. A group of entries is one
//! sled batch. sled is beta software: its errors and its panics become [`StoreError`]s, nothing is kept here that the
//! journal does not have, and a damaged folder is moved aside and built again (see [`super::recovery`]).

use super::chain::{self, Head, Place, Placed};
use super::entry::{Change, Digest, Entry};
use super::journal::make_dir;
use super::model::Case;
use super::store::{
    AlertQuery, Applied, CaseQuery, Counts, ENTRIES_MAX, OpenCase, PAGE_ROWS_MAX, Page, Store, StoreError, page_items,
};
use crate::alert::{Alert, AlertId, Subject};
use ::sled::{Batch, Db, IVec};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::de::DeserializeOwned;
use std::collections::{BTreeSet, HashMap};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};
use time::OffsetDateTime;

/// Version of the table above. A store of another version is rebuilt.
const LAYOUT: &[u8] = b"1";

/// Pages that sled keeps in memory.
const CACHE_BYTES: u64 = 64 * 1024 * 1024;

/// How often sled makes what was applied durable by itself. The journal is what counts; this bounds what is caught up.
const FLUSH_EVERY_MS: u64 = 1_000;

/// How long to wait for a lock that the process itself still has, and between two tries.
const LOCK_WAIT_MAX: Duration = Duration::from_secs(5);
const LOCK_WAIT: Duration = Duration::from_millis(10);

/// Current state in a folder.
pub(crate) struct SledStore {
    db: Db,
    journal: PathBuf,
}

impl SledStore {
    /// Opens the store in a folder, making it if there is none. Entries are read from `journal`.
    pub(crate) fn open(dir: &Path, journal: &Path) -> Result<Self, StoreError> {
        guard(|| {
            make_dir(dir).map_err(|error| StoreError::Io(error.to_string()))?;
            let db = open_db(dir)?;
            match db.get(meta("layout")).map_err(failed)? {
                Some(layout) if layout == LAYOUT => {}
                None if db.is_empty() => {
                    db.insert(meta("layout"), LAYOUT).map_err(failed)?;
                }
                _ => return Err(StoreError::Damaged("its layout is that of another version".to_owned())),
            }
            Ok(Self {
                db,
                journal: journal.to_owned(),
            })
        })
    }

    fn get<T: DeserializeOwned>(&self, key: &[u8]) -> Result<Option<T>, StoreError> {
        self.db
            .get(key)
            .map_err(failed)?
            .map(|value| decode(key, &value))
            .transpose()
    }

    fn number(&self, key: &[u8]) -> Result<u64, StoreError> {
        self.db
            .get(key)
            .map_err(failed)?
            .map_or(Ok(0), |value| be64(key, &value))
    }

    fn applied_inner(&self) -> Result<Option<Applied>, StoreError> {
        let key = meta("applied");
        let Some(value) = self.db.get(&key).map_err(failed)? else {
            return Ok(None);
        };
        let fields = value.len() == 52;
        let hash = value
            .get(8..40)
            .and_then(|hash| hash.try_into().ok())
            .filter(|_| fields);
        let hash = Digest(hash.ok_or_else(|| damaged(&key, "it has the wrong length"))?);
        Ok(Some(Applied {
            head: Head {
                seq: be64(&key, &value[..8])?,
                hash,
            },
            place: place(&key, &value[40..])?,
        }))
    }

    /// The keys of an index from `start` on, within `prefix`, up to `PAGE_ROWS_MAX` of them.
    fn rows(&self, prefix: u8, start: Vec<u8>) -> impl Iterator<Item = Result<IVec, StoreError>> + use<> {
        let end = vec![prefix + 1];
        self.db.range(start..end).keys().map(|key| key.map_err(failed))
    }

    /// A page of an index: rows after the cursor and from the newest wanted time on, each looked up and filtered.
    fn page<T>(
        &self,
        wanted: &Wanted<'_>,
        item: impl Fn(&[u8]) -> Result<Option<T>, StoreError>,
        accepts: impl Fn(&T) -> bool,
    ) -> PageResult<T> {
        let start = wanted.start()?;
        let mut page = Page {
            items: Vec::new(),
            next: None,
        };
        for (looked_at, row) in self.rows(wanted.prefix, start).enumerate() {
            let row = row?;
            if wanted.is_past(&row) {
                break;
            }
            let found = item(&row[9..])?.ok_or_else(|| damaged(&row, "what it names is missing"))?;
            page.items.extend(Some(found).filter(&accepts));
            if page.items.len() == wanted.items || looked_at + 1 == PAGE_ROWS_MAX {
                page.next = Some(URL_SAFE_NO_PAD.encode(&row));
                break;
            }
        }
        Ok(page)
    }

    /// The same page, of items that are known by name.
    fn page_of<T>(wanted: &Wanted<'_>, mut named: Vec<(Vec<u8>, T)>) -> PageResult<T> {
        let start = wanted.start()?;
        named.retain(|(row, _)| *row >= start && !wanted.is_past(row));
        named.sort_by(|a, b| a.0.cmp(&b.0));
        let more = named.len() > wanted.items;
        named.truncate(wanted.items);
        let next = named
            .last()
            .filter(|_| more)
            .map(|(row, _)| URL_SAFE_NO_PAD.encode(row));
        Ok(Page {
            items: named.into_iter().map(|(_, item)| item).collect(),
            next,
        })
    }

    fn alert_inner(&self, id: AlertId) -> Result<Option<Alert>, StoreError> {
        self.get(&alert_key(id))
    }

    fn alert_of_row(&self, id: &[u8]) -> Result<Option<Alert>, StoreError> {
        let bytes = id.try_into().map_err(|_| damaged(id, "it is no alert id"))?;
        self.alert_inner(AlertId(uuid::Uuid::from_bytes(bytes)))
    }

    fn case_inner(&self, case_id: &str) -> Result<Option<Case>, StoreError> {
        self.get(&case_key(case_id))
    }

    fn places(&self, seqs: impl Iterator<Item = Result<u64, StoreError>>) -> Result<Vec<(u64, Place)>, StoreError> {
        seqs.map(|seq| {
            let seq = seq?;
            let key = numbered(b"e", seq);
            let value = self
                .db
                .get(&key)
                .map_err(failed)?
                .ok_or_else(|| damaged(&key, "it is missing"))?;
            Ok((seq, place(&key, &value)?))
        })
        .collect()
    }

    fn batch(&self, entries: &[Placed]) -> Result<Batch, StoreError> {
        let mut batch = Batch::default();
        let mut cases: HashMap<&str, &Case> = HashMap::new();
        let mut counts = self.counts_inner()?;
        for Placed { entry, place } in entries {
            batch.insert(numbered(b"e", entry.seq), place_bytes(*place));
            match &entry.change {
                Change::OutboxDelivered(delivered) => {
                    batch.insert(sink_key(&delivered.sink), &delivered.up_to.to_be_bytes());
                }
                Change::AlertRaised(change) | Change::AlertJoined(change) | Change::AlertSuperseded(change) => {
                    let case = &change.case;
                    let before = match cases.get(case.case_id.as_str()) {
                        Some(before) => Some((*before).clone()),
                        None => self.case_inner(&case.case_id)?,
                    };
                    counts.cases += u64::from(before.is_none());
                    counts.alerts += u64::from(!matches!(entry.change, Change::AlertJoined(_)));
                    put_alert(&mut batch, &change.alert)?;
                    if let Some(superseded) = &change.superseded {
                        put_alert(&mut batch, superseded)?;
                    }
                    put_case(&mut batch, case, before.as_ref())?;
                    batch.insert(timeline_key(&case.case_id, entry.seq), &[]);
                    cases.insert(&case.case_id, case);
                }
            }
        }
        batch.insert(meta("alerts"), &counts.alerts.to_be_bytes());
        batch.insert(meta("cases"), &counts.cases.to_be_bytes());
        if let Some(Placed { entry, place }) = entries.last() {
            batch.insert(meta("applied"), applied_bytes(entry, *place));
        }
        Ok(batch)
    }

    fn counts_inner(&self) -> Result<Counts, StoreError> {
        Ok(Counts {
            alerts: self.number(&meta("alerts"))?,
            cases: self.number(&meta("cases"))?,
        })
    }
}

type PageResult<T> = Result<Page<T>, StoreError>;

impl Store for SledStore {
    fn applied(&self) -> Result<Option<Applied>, StoreError> {
        guard(|| self.applied_inner())
    }

    fn apply(&self, entries: &[Placed]) -> Result<(), StoreError> {
        guard(|| {
            let batch = self.batch(entries)?;
            self.db.apply_batch(batch).map_err(failed)
        })
    }

    fn flush(&self) -> Result<(), StoreError> {
        guard(|| self.db.flush().map(|_| ()).map_err(failed))
    }

    fn alert(&self, id: AlertId) -> Result<Option<Alert>, StoreError> {
        guard(|| self.alert_inner(id))
    }

    fn case(&self, case_id: &str) -> Result<Option<Case>, StoreError> {
        guard(|| self.case_inner(case_id))
    }

    fn open_cases(&self, subject: &Subject, category: &str) -> Result<Vec<OpenCase>, StoreError> {
        guard(|| {
            let prefix = subject_key(subject, category, "");
            let cases = self.db.scan_prefix(&prefix).keys().map(|key| {
                let key = key.map_err(failed)?;
                self.open_case(text(&key, &key[prefix.len()..])?)
            });
            cases.collect()
        })
    }

    fn alerts(&self, query: &AlertQuery) -> Result<Page<Alert>, StoreError> {
        guard(|| {
            let wanted = Wanted {
                prefix: b'A',
                after: query.after.as_deref(),
                from: query.from,
                to: query.to,
                items: page_items(query.limit),
            };
            let ids = match (&query.waybill_no, &query.case_id) {
                (Some(waybill_no), _) => {
                    let known = self.known(waybill_no)?;
                    Some(known.yellow.into_iter().chain(known.red).collect())
                }
                (None, Some(case_id)) => Some(self.alerts_of(case_id)?),
                (None, None) => None,
            };
            match ids {
                Some(alerts) => {
                    let accepted = alerts.into_iter().filter(|alert| query.accepts(alert));
                    Self::page_of(&wanted, accepted.map(|alert| (alert_row(&alert), alert)).collect())
                }
                None => self.page(&wanted, |id| self.alert_of_row(id), |alert| query.accepts(alert)),
            }
        })
    }

    fn cases(&self, query: &CaseQuery) -> Result<Page<Case>, StoreError> {
        guard(|| {
            let wanted = Wanted {
                prefix: b'C',
                after: query.after.as_deref(),
                from: query.from,
                to: query.to,
                items: page_items(query.limit),
            };
            let Some(waybill_no) = &query.waybill_no else {
                return self.page(
                    &wanted,
                    |id| self.case_inner(&text(id, id)?),
                    |case| query.accepts(case),
                );
            };
            let known = self.known(waybill_no)?;
            let mut ids: Vec<String> = [known.yellow, known.red]
                .into_iter()
                .flatten()
                .filter_map(|alert| alert.case_id)
                .collect();
            ids.dedup();
            let mut named = Vec::new();
            for id in ids {
                named.extend(
                    self.case_inner(&id)?
                        .filter(|case| query.accepts(case))
                        .map(|case| (case_row(&case), case)),
                );
            }
            Self::page_of(&wanted, named)
        })
    }

    fn entries_after(&self, seq: u64, limit: usize) -> Result<Vec<Entry>, StoreError> {
        guard(|| {
            let Some(first) = seq.checked_add(1) else {
                return Ok(Vec::new());
            };
            let keys = self
                .db
                .range(numbered(b"e", first)..vec![b'e' + 1])
                .keys()
                .take(limit.min(ENTRIES_MAX));
            let places = self.places(keys.map(|key| {
                let key = key.map_err(failed)?;
                be64(&key, &key[1..])
            }))?;
            Ok(chain::read_at(&self.journal, places)?)
        })
    }

    fn timeline(&self, case_id: &str, limit: usize) -> Result<Vec<Entry>, StoreError> {
        guard(|| {
            let prefix = timeline_prefix(case_id);
            let keys = self.db.scan_prefix(&prefix).keys().rev().take(limit.min(ENTRIES_MAX));
            let mut places = self.places(keys.map(|key| {
                let key = key.map_err(failed)?;
                be64(&key, &key[prefix.len()..])
            }))?;
            places.reverse();
            Ok(chain::read_at(&self.journal, places)?)
        })
    }

    fn delivered(&self, sink: &str) -> Result<u64, StoreError> {
        guard(|| self.number(&sink_key(sink)))
    }

    fn counts(&self) -> Result<Counts, StoreError> {
        guard(|| self.counts_inner())
    }
}

impl SledStore {
    fn alerts_of(&self, case_id: &str) -> Result<Vec<Alert>, StoreError> {
        let ids = self.case_inner(case_id)?.map(|case| case.alert_ids).unwrap_or_default();
        let alert = |id| {
            self.alert_inner(id)?
                .ok_or_else(|| damaged(&alert_key(id), "it is missing"))
        };
        ids.into_iter().map(alert).collect()
    }

    fn open_case(&self, case_id: String) -> Result<OpenCase, StoreError> {
        let key = open_key(&case_id);
        let value = self.db.get(&key).map_err(failed)?.unwrap_or_default();
        let (time, alerts) = value
            .split_at_checked(8)
            .ok_or_else(|| damaged(&key, "it is missing"))?;
        let alerts = alerts.try_into().map_err(|_| damaged(&key, "it is no number"))?;
        Ok(OpenCase {
            case_id,
            last_alert_at: ascending(be64(&key, time)?),
            alerts: u32::from_be_bytes(alerts) as usize,
        })
    }
}

/// Opens the database. One that was closed a moment ago may still be locked by a thread of sled's that is finishing;
/// nobody else can have it, since whoever opens a store has the journal's lock.
fn open_db(dir: &Path) -> Result<Db, StoreError> {
    let config = ::sled::Config::new()
        .path(dir)
        .cache_capacity(CACHE_BYTES)
        .flush_every_ms(Some(FLUSH_EVERY_MS));
    let started = Instant::now();
    loop {
        match config.open() {
            Err(::sled::Error::Io(error)) if error.to_string().contains("acquire lock") => {
                if started.elapsed() >= LOCK_WAIT_MAX {
                    return Err(StoreError::Io(error.to_string()));
                }
                thread::sleep(LOCK_WAIT);
            }
            opened => return opened.map_err(failed),
        }
    }
}

/// A part of a time index.
struct Wanted<'a> {
    prefix: u8,
    after: Option<&'a str>,
    from: Option<OffsetDateTime>,
    to: Option<OffsetDateTime>,
    items: usize,
}

impl Wanted<'_> {
    /// The first row that may be wanted: after the cursor, and before `to`.
    fn start(&self) -> Result<Vec<u8>, StoreError> {
        let mut start = vec![self.prefix];
        if let Some(to) = self.to {
            // Rows count down: those at `to` itself come directly before those that are wanted.
            start.extend_from_slice(&descending(to).saturating_add(1).to_be_bytes());
        }
        let Some(cursor) = self.after else { return Ok(start) };
        let mut row = URL_SAFE_NO_PAD
            .decode(cursor)
            .ok()
            .filter(|row| row.len() > 9 && row[0] == self.prefix)
            .ok_or_else(|| StoreError::Cursor(cursor.chars().take(80).collect()))?;
        row.push(0);
        Ok(start.max(row))
    }

    /// True of rows older than `from`.
    fn is_past(&self, row: &[u8]) -> bool {
        self.from
            .is_some_and(|from| row[1..9] > descending(from).to_be_bytes()[..])
    }
}

/// Microseconds, counted down.
fn descending(at: OffsetDateTime) -> u64 {
    let micros = (at.unix_timestamp_nanos() / 1_000).clamp(i128::from(i64::MIN), i128::from(i64::MAX)) as i64;
    !(micros as u64 ^ (1 << 63))
}

/// The time that [`descending`] gave.
fn ascending(down: u64) -> OffsetDateTime {
    let micros = (!down ^ (1 << 63)) as i64;
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(micros) * 1_000).unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

fn put_alert(batch: &mut Batch, alert: &Alert) -> Result<(), StoreError> {
    batch.insert(alert_key(alert.alert_id), encode(alert)?);
    batch.insert(alert_row(alert), &[]);
    Ok(())
}

/// Puts a case, and keeps the index of open cases: the rows that it had and has not go, those that it has and had not
/// come; a case that is not open has none.
fn put_case(batch: &mut Batch, case: &Case, before: Option<&Case>) -> Result<(), StoreError> {
    let rows = |case: &Case| -> BTreeSet<Vec<u8>> {
        let open = case.subjects.iter().filter(|_| case.state.is_open());
        open.map(|subject| subject_key(subject, &case.category, &case.case_id))
            .collect()
    };
    let (had, has) = (before.map(rows).unwrap_or_default(), rows(case));
    had.difference(&has).for_each(|row| batch.remove(row.as_slice()));
    has.difference(&had).for_each(|row| batch.insert(row.as_slice(), &[]));
    if case.state.is_open() {
        let alerts = case.alert_ids.len() as u32;
        let summary = key(&[&descending(case.last_alert_at).to_be_bytes(), &alerts.to_be_bytes()]);
        batch.insert(open_key(&case.case_id), summary);
    } else {
        batch.remove(open_key(&case.case_id));
    }
    batch.insert(case_key(&case.case_id), encode(case)?);
    batch.insert(case_row(case), &[]);
    Ok(())
}

fn key(parts: &[&[u8]]) -> Vec<u8> {
    parts.concat()
}

fn meta(name: &str) -> Vec<u8> {
    key(&[b"m", name.as_bytes()])
}

fn alert_key(id: AlertId) -> Vec<u8> {
    key(&[b"a", id.0.as_bytes()])
}

fn alert_row(alert: &Alert) -> Vec<u8> {
    key(&[
        b"A",
        &descending(alert.occurred_at).to_be_bytes(),
        alert.alert_id.0.as_bytes(),
    ])
}

fn case_key(case_id: &str) -> Vec<u8> {
    key(&[b"c", case_id.as_bytes()])
}

fn open_key(case_id: &str) -> Vec<u8> {
    key(&[b"o", case_id.as_bytes()])
}

fn case_row(case: &Case) -> Vec<u8> {
    key(&[b"C", &descending(case.opened_at).to_be_bytes(), case.case_id.as_bytes()])
}

fn subject_key(subject: &Subject, category: &str, case_id: &str) -> Vec<u8> {
    key(&[
        b"s",
        subject.0.as_bytes(),
        &[0],
        category.as_bytes(),
        &[0],
        case_id.as_bytes(),
    ])
}

fn timeline_prefix(case_id: &str) -> Vec<u8> {
    key(&[b"t", case_id.as_bytes(), &[0]])
}

fn timeline_key(case_id: &str, seq: u64) -> Vec<u8> {
    key(&[b"t", case_id.as_bytes(), &[0], &seq.to_be_bytes()])
}

fn sink_key(sink: &str) -> Vec<u8> {
    key(&[b"d", sink.as_bytes()])
}

fn numbered(prefix: &[u8], seq: u64) -> Vec<u8> {
    key(&[prefix, &seq.to_be_bytes()])
}

fn place_bytes(place: Place) -> Vec<u8> {
    key(&[&place.offset.to_be_bytes(), &place.bytes.to_be_bytes()])
}

fn applied_bytes(entry: &Entry, place: Place) -> Vec<u8> {
    key(&[&entry.seq.to_be_bytes(), &entry.hash.0, &place_bytes(place)])
}

fn place(key: &[u8], value: &[u8]) -> Result<Place, StoreError> {
    let wrong = || damaged(key, "it is no place in the journal");
    let (offset, bytes) = value.split_at_checked(8).ok_or_else(wrong)?;
    Ok(Place {
        offset: be64(key, offset)?,
        bytes: u32::from_be_bytes(bytes.try_into().map_err(|_| wrong())?),
    })
}

fn be64(key: &[u8], value: &[u8]) -> Result<u64, StoreError> {
    value
        .try_into()
        .map(u64::from_be_bytes)
        .map_err(|_| damaged(key, "it is no number"))
}

fn text(key: &[u8], value: &[u8]) -> Result<String, StoreError> {
    std::str::from_utf8(value)
        .map(str::to_owned)
        .map_err(|_| damaged(key, "it is not UTF-8"))
}

fn encode<T: serde::Serialize>(value: &T) -> Result<Vec<u8>, StoreError> {
    serde_json::to_vec(value).map_err(|error| StoreError::Damaged(format!("a state cannot be written: {error}")))
}

fn decode<T: DeserializeOwned>(key: &[u8], value: &[u8]) -> Result<T, StoreError> {
    serde_json::from_slice(value).map_err(|error| damaged(key, &error.to_string()))
}

fn damaged(key: &[u8], what: &str) -> StoreError {
    StoreError::Damaged(format!("key {}: {what}", key.escape_ascii()))
}

/// Runs something in sled. A panic there is damage too.
fn guard<T>(work: impl FnOnce() -> Result<T, StoreError>) -> Result<T, StoreError> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let what = panic
            .downcast_ref::<String>()
            .map(String::as_str)
            .or_else(|| panic.downcast_ref::<&str>().copied())
            .unwrap_or("no message");
        Err(StoreError::Panicked(what.to_owned()))
    })
}

/// What a sled error means for the store: something outside it, or damage.
fn failed(error: ::sled::Error) -> StoreError {
    match error {
        ::sled::Error::Io(error) => match error.kind() {
            io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidData => StoreError::Damaged(error.to_string()),
            _ => StoreError::Io(error.to_string()),
        },
        other => StoreError::Damaged(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::case::chain::Reader;
    use crate::case::desk::{Desk, DeskConfig};
    use crate::case::testing::{clock, yellow};
    use time::macros::datetime;

    /// A store with one alert, and its folder.
    fn store() -> (tempfile::TempDir, SledStore) {
        let dir = tempfile::tempdir().expect("a folder");
        let (desk, _) = Desk::open(DeskConfig::new(dir.path()), clock()).expect("opens");
        desk.apply_now(vec![yellow("YT1", "r1", &["s1"])]).expect("durable");
        desk.stop().expect("written");
        let store = SledStore::open(&dir.path().join("store"), &dir.path().join("journal.jsonl")).expect("opens");
        (dir, store)
    }

    #[test]
    fn times_count_down_and_back() {
        let times = [
            datetime!(-0001-01-01 0:00 UTC),
            datetime!(1969-12-31 23:59:59.999999 UTC),
            OffsetDateTime::UNIX_EPOCH,
            datetime!(2026-11-11 08:23:11.000001 +8),
            datetime!(9999-12-31 23:59 UTC),
        ];
        assert!(times.iter().is_sorted_by(|a, b| descending(**a) > descending(**b)));
        for time in times {
            assert_eq!(ascending(descending(time)), time);
        }
    }

    #[test]
    fn what_is_missing_is_damage_and_not_silence() {
        let (_dir, store) = store();
        let alerts = store.alerts(&AlertQuery::default()).expect("a page").items;
        let subject = &alerts[0].subjects[0];
        assert_eq!(store.open_cases(subject, "12").expect("cases").len(), 1);
        let case_id = alerts[0].case_id.as_deref().expect("in a case");
        for key in [
            open_key(case_id),
            alert_key(alerts[0].alert_id),
            case_key(case_id),
            numbered(b"e", 1),
        ] {
            store.db.remove(key).expect("removed");
        }
        let damaged = |error: Option<StoreError>| matches!(error, Some(StoreError::Damaged(_)));
        assert!(damaged(store.alerts(&AlertQuery::default()).err()));
        assert!(damaged(store.cases(&CaseQuery::default()).err()));
        assert!(damaged(store.open_cases(subject, "12").err()));
        assert!(damaged(store.timeline(case_id, 10).err()));
    }

    #[test]
    fn a_store_of_another_layout_is_not_read() {
        let (dir, store) = store();
        store.db.insert(meta("layout"), b"0").expect("written");
        drop(store);
        let again = SledStore::open(&dir.path().join("store"), &dir.path().join("journal.jsonl"));
        assert!(matches!(again.err(), Some(StoreError::Damaged(_))));
        let (desk, report) = Desk::open(DeskConfig::new(dir.path()), clock()).expect("opens");
        assert!(
            matches!(report.store, crate::case::StoreStart::Rebuilt { .. }),
            "{report:?}"
        );
        assert_eq!(desk.counts().expect("counts").alerts, 1);
    }

    #[test]
    fn a_store_knows_how_far_it_is() {
        let (dir, store) = store();
        let mut reader = Reader::from_start(&dir.path().join("journal.jsonl")).expect("opens");
        let placed = reader.next().expect("reads").expect("an entry");
        let applied = store.applied().expect("a number").expect("something");
        assert_eq!(
            (applied.head.seq, applied.head.hash, applied.place),
            (1, placed.entry.hash, placed.place)
        );
    }
}
