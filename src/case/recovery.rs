//! Opening a store beside a journal: as it is, caught up, or built again. The journal is never changed here.

use super::chain::{self, FILE_NAME, JournalError, Placed, Reader};
use super::entry::Change;
use super::journal::{Journal, Torn};
use super::sled::SledStore;
use super::store::{Counts, Store, StoreError};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Name of the store's folder.
pub const STORE_NAME: &str = "store";

/// Entries applied in one batch when catching up.
const BATCH_ENTRIES: usize = 256;

/// How a store came to be current.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreStart {
    /// It was.
    Current,
    /// It was behind the journal, and has caught up.
    CaughtUp {
        /// The last entry that it had.
        from: u64,
        /// The last entry that it has.
        to: u64,
    },
    /// It was built anew from the journal.
    Rebuilt {
        /// Why.
        why: String,
        /// Where the old one is now; `None` if there was none.
        moved_to: Option<PathBuf>,
        /// Entries applied.
        entries: u64,
    },
}

/// What rebuilding a store did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RebuildReport {
    /// Entries applied.
    pub entries: u64,
    /// Alerts and cases that there are now.
    pub counts: Counts,
    /// Where the old store is now; `None` if there was none. It can be deleted.
    pub moved_to: Option<PathBuf>,
    /// A torn tail of the journal that was moved aside.
    pub torn: Option<Torn>,
}

/// What goes wrong when state is opened or rebuilt.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The folder could not be made or changed.
    #[error("{}: {doing}: {error}", .path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What was being done.
        doing: &'static str,
        /// What the system said.
        #[source]
        error: io::Error,
    },
    /// The journal.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Builds the store of a folder anew from its journal. The folder must not be in use.
pub fn rebuild(dir: &Path) -> Result<RebuildReport, OpenError> {
    let journal = dir.join(FILE_NAME);
    if !journal.exists() {
        return Err(JournalError::Missing(journal).into());
    }
    let (journal, report) = Journal::open(dir)?;
    let moved_to = set_aside(&dir.join(STORE_NAME), "replaced")?;
    let store = SledStore::open(&dir.join(STORE_NAME), journal.path())?;
    let entries = catch_up(&store, &journal)?;
    store.flush()?;
    Ok(RebuildReport {
        entries,
        counts: store.counts()?,
        moved_to,
        torn: report.torn,
    })
}

/// Opens the store of a folder and brings it up to the journal's head.
pub(crate) fn open_store(dir: &Path, journal: &Journal) -> Result<(Arc<dyn Store>, StoreStart), OpenError> {
    let path = dir.join(STORE_NAME);
    let was_there = path.exists();
    match open_current(&path, journal) {
        Ok((store, start)) => {
            let anew = !was_there && journal.head().seq > 0;
            Ok((
                store,
                if anew {
                    rebuilt("there was no store", None, journal.head().seq)
                } else {
                    start
                },
            ))
        }
        Err(OpenError::Store(StoreError::Damaged(why) | StoreError::Panicked(why))) => open_anew(dir, journal, &why),
        Err(error) => Err(error),
    }
}

/// Moves the store of a folder aside and builds it again from the journal.
pub(crate) fn open_anew(dir: &Path, journal: &Journal, why: &str) -> Result<(Arc<dyn Store>, StoreStart), OpenError> {
    let path = dir.join(STORE_NAME);
    let moved_to = set_aside(&path, "damaged")?;
    let (store, _) = open_current(&path, journal)?;
    Ok((store, rebuilt(why, moved_to, journal.head().seq)))
}

fn rebuilt(why: &str, moved_to: Option<PathBuf>, entries: u64) -> StoreStart {
    StoreStart::Rebuilt {
        why: why.to_owned(),
        moved_to,
        entries,
    }
}

/// Opens the store; checks that it is of this journal and whole as far as its last entry tells; catches up.
fn open_current(path: &Path, journal: &Journal) -> Result<(Arc<dyn Store>, StoreStart), OpenError> {
    let store = SledStore::open(path, journal.path())?;
    let from = check(&store, journal)?;
    catch_up(&store, journal)?;
    let to = journal.head().seq;
    let start = if from == to {
        StoreStart::Current
    } else {
        StoreStart::CaughtUp { from, to }
    };
    Ok((Arc::new(store), start))
}

/// The last entry that the store has, which must be the journal's of that number, with its states in the store.
fn check(store: &dyn Store, journal: &Journal) -> Result<u64, StoreError> {
    let Some(applied) = store.applied()? else { return Ok(0) };
    let seq = applied.head.seq;
    let damaged = |what: String| Err(StoreError::Damaged(what));
    if seq > journal.head().seq {
        return damaged(format!(
            "it has entry {seq}, the journal ends with entry {}",
            journal.head().seq
        ));
    }
    let entry = match chain::read_at(journal.path(), [(seq, applied.place)]) {
        Ok(mut entries) => entries.remove(0),
        Err(error) => return damaged(format!("its last entry is not where it should be: {error}")),
    };
    if entry.hash != applied.head.hash {
        return damaged(format!("its entry {seq} is not that of the journal"));
    }
    let present = match &entry.change {
        Change::OutboxDelivered(delivered) => store.delivered(&delivered.sink)? == delivered.up_to,
        Change::AlertRaised(change) | Change::AlertJoined(change) | Change::AlertSuperseded(change) => {
            store.alert(change.alert.alert_id)?.as_ref() == Some(&change.alert)
                && store.case(&change.case.case_id)?.as_ref() == Some(&change.case)
        }
    };
    if present {
        Ok(seq)
    } else {
        damaged(format!("the states of its last entry {seq} are missing"))
    }
}

/// Applies every entry after the last one that the store has. Gives their number.
fn catch_up(store: &dyn Store, journal: &Journal) -> Result<u64, StoreError> {
    let end = journal.head().seq;
    let (mut at, mut reader) = match store.applied()? {
        None => (0, Reader::from_start(journal.path())?),
        Some(applied) => (
            applied.head.seq,
            Reader::after(journal.path(), applied.place, applied.head)?,
        ),
    };
    let start = at;
    while at < end {
        let mut batch: Vec<Placed> = Vec::with_capacity(BATCH_ENTRIES);
        while batch.len() < BATCH_ENTRIES && at < end {
            let Some(placed) = reader.next()? else { break };
            at = placed.entry.seq;
            batch.push(placed);
        }
        if batch.is_empty() {
            return Err(StoreError::Damaged(format!(
                "the journal ends at entry {at}, and had {end} a moment ago"
            )));
        }
        store.apply(&batch)?;
    }
    Ok(at - start)
}

/// Renames a store's folder to `store.<what>-<n>`.
fn set_aside(path: &Path, what: &str) -> Result<Option<PathBuf>, OpenError> {
    if !path.exists() {
        return Ok(None);
    }
    let aside = (1..=u32::MAX)
        .map(|n| path.with_file_name(format!("{STORE_NAME}.{what}-{n}")))
        .find(|aside| !aside.exists())
        .expect("the numbers do not end");
    fs::rename(path, &aside).map_err(|error| OpenError::Folder {
        path: path.to_owned(),
        doing: "moving the old store aside",
        error,
    })?;
    Ok(Some(aside))
}
