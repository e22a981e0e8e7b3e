//! The desk: where findings become alerts and cases. A cheap handle for every thread; behind it one writer thread that
//! owns journal and store.
//!
//! Findings are submitted for a [`Ticket`]; once [`Desk::durable`] has reached it, everything that they changed is on the
//! disk. What the writer does in which order is [`super::writer`]'s; telling others is `notify`'s, with
//! [`Desk::on_entry`], [`Desk::entries_after`] and [`Desk::record_delivered`].

use super::chain::Head;
use super::entry::{Digest, Entry};
use super::joining::Outcome;
use super::journal::{Journal, JournalReport, make_dir};
use super::model::{Case, CaseChange, Deadlines};
use super::queue::{NotTaken, Patience, Queue, Ticket};
use super::recovery::{OpenError, StoreStart, open_store};
use super::store::{AlertQuery, CaseQuery, Counts, ENTRIES_MAX, Page, Store, StoreError};
use super::writer::Writer;
use crate::alert::{Alert, AlertId, Color, Finding};
use serde::Serialize;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, RwLock};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};
use time::OffsetDateTime;

/// The wall clock, given so that tests can set it.
pub type Clock = Arc<dyn Fn() -> OffsetDateTime + Send + Sync>;

/// Called by the writer for each entry once it is durable and applied. It must not wait.
pub type Hook = Box<dyn Fn(&Arc<Entry>) + Send>;

/// Entries on the timeline of a [`CaseView`] at most: the last ones.
const TIMELINE_ENTRIES_MAX: usize = 500;

/// How a desk works.
#[derive(Clone)]
pub struct DeskConfig {
    /// Folder of journal and store. Made if it is not there.
    pub dir: PathBuf,
    /// How long departments and carriers have.
    pub deadlines: Deadlines,
    /// Findings that wait for the writer at most; submitting more waits (back-pressure).
    pub queue_findings_max: usize,
    /// Findings written with one fsync at most.
    pub group_findings_max: usize,
    /// How long [`Desk::apply_now`] waits for room and the disk.
    pub apply_timeout: Duration,
    /// Wait before a failed write is tried again; doubles up to `retry_wait_max`.
    pub retry_wait_min: Duration,
    /// Longest such wait.
    pub retry_wait_max: Duration,
    /// Tries of a failing write once the desk is being stopped.
    pub stop_tries_max: u32,
    /// Who is told of timings and failures.
    pub observer: Arc<dyn DeskObserver>,
}

impl DeskConfig {
    /// The defaults, for a folder.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self {
            dir: dir.into(),
            deadlines: Deadlines::default(),
            queue_findings_max: 10_000,
            group_findings_max: 256,
            apply_timeout: Duration::from_secs(10),
            retry_wait_min: Duration::from_millis(100),
            retry_wait_max: Duration::from_secs(5),
            stop_tries_max: 3,
            observer: Arc::new(NoObserver),
        }
    }
}

/// Who is told of what the writer does; `metrics` is one. Called by the writer: it must not wait.
pub trait DeskObserver: Send + Sync {
    /// A group was written to the journal: entries, bytes, time in fsync.
    fn journaled(&self, _entries: usize, _bytes: u64, _sync_time: Duration) {}
    /// A group was applied to the store.
    fn applied(&self, _entries: usize, _time: Duration) {}
    /// A finding was dealt with.
    fn settled(&self, _finding: &Finding, _outcome: &Outcome) {}
    /// Findings waiting, after a group was taken.
    fn queued(&self, _findings: usize) {}
    /// A write failed and will be tried again.
    fn degraded(&self, _reason: &str) {}
    /// It works again.
    fn recovered(&self) {}
}

struct NoObserver;

impl DeskObserver for NoObserver {}

/// What was found when the desk was opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenReport {
    /// The journal.
    pub journal: JournalReport,
    /// The store.
    pub store: StoreStart,
    /// How much there is.
    pub counts: Counts,
}

/// Whether the desk can write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Health {
    /// It can.
    Good,
    /// It cannot at the moment, and keeps trying. Nothing is lost; the queue fills.
    Degraded {
        /// Since when.
        since: OffsetDateTime,
        /// Why.
        reason: String,
    },
    /// It has ended.
    Stopped {
        /// Why.
        reason: String,
    },
}

/// What the writer has done since the desk was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct DeskStats {
    /// Findings waiting.
    pub queued_findings: usize,
    /// Findings dealt with.
    pub findings: u64,
    /// Of these: raised a new alert.
    pub raised: u64,
    /// Of these: brought new hits to an alert.
    pub joined: u64,
    /// Of these: raised a red alert in the place of a yellow one.
    pub superseded: u64,
    /// Of these: said nothing new.
    pub seen: u64,
    /// Of these: could not be written down.
    pub refused: u64,
    /// Groups written.
    pub groups: u64,
    /// Entries written.
    pub entries: u64,
    /// Bytes written to the journal.
    pub journal_bytes: u64,
    /// Time in fsync.
    pub sync_time: Duration,
    /// Time in applying entries to the store.
    pub apply_time: Duration,
    /// Writes that failed and were tried again.
    pub failures: u64,
}

/// The desk takes nothing any more.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the desk is stopped; findings are not taken any more")]
pub struct Stopped;

/// Why findings were not taken.
#[derive(Debug, thiserror::Error)]
pub enum TrySubmitError {
    /// The queue is full. The findings are handed back.
    #[error("the desk's queue is full; try again later")]
    Full(Vec<Finding>),
    /// The desk is stopped.
    #[error(transparent)]
    Stopped(#[from] Stopped),
}

/// Why a ticket did not become durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WaitError {
    /// Not in time. It may still.
    #[error("not durable in time; it may still become so, and submitting again does no harm")]
    Timeout,
    /// The desk has ended before it.
    #[error("the desk was stopped before it was durable; submit again after the next start")]
    Stopped,
}

/// Why findings could not be applied now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ApplyError {
    /// The queue was full all the time.
    #[error("the desk's queue is full; try again later")]
    Full,
    /// They were taken but are not durable in time. They may become so; submitting them again does no harm.
    #[error("not durable in time; it may still become so, and submitting again does no harm")]
    Timeout,
    /// The desk is stopped.
    #[error("the desk is stopped; submit again after the next start")]
    Stopped,
}

/// What could not be written before the desk ended.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the desk ended with {findings} findings not written: {reason}; they must be submitted again")]
pub struct StopError {
    /// Findings that were submitted and are not durable.
    pub findings: usize,
    /// Why.
    pub reason: String,
}

/// A case with its alerts and what happened to it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CaseView {
    /// The case.
    pub case: Case,
    /// Its alerts, in the order they joined.
    pub alerts: Vec<Alert>,
    /// What happened, in order; the last 500 entries.
    pub timeline: Vec<TimelineItem>,
}

/// An entry about a case, without the states that it carries.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TimelineItem {
    /// The entry.
    pub seq: u64,
    /// Wall time.
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
    /// Who.
    pub actor: String,
    /// What: `alert.raised`, ….
    pub action: &'static str,
    /// The alert.
    pub alert_id: Option<AlertId>,
    /// Its colour.
    pub color: Option<Color>,
    /// Its waybill.
    pub waybill_no: Option<String>,
    /// What it did to the case.
    pub case_change: Option<CaseChange>,
    /// Hash of the entry.
    pub hash: Digest,
}

impl From<&Entry> for TimelineItem {
    fn from(entry: &Entry) -> Self {
        let change = entry.change.alert_change();
        Self {
            seq: entry.seq,
            at: entry.at,
            actor: entry.actor.clone(),
            action: entry.change.action(),
            alert_id: change.map(|change| change.alert.alert_id),
            color: change.map(|change| change.alert.color),
            waybill_no: change.map(|change| change.alert.waybill_no.clone()),
            case_change: change.map(|change| change.case_change),
            hash: entry.hash,
        }
    }
}

/// How far the writer is.
#[derive(Default)]
pub(super) struct Progress {
    durable: u64,
    /// Why the writer has ended, and how many findings it left.
    ended: Option<StopError>,
}

/// What the handles and the writer share.
pub(super) struct Shared {
    pub queue: Queue,
    pub hooks: Mutex<Vec<Hook>>,
    pub stats: Mutex<DeskStats>,
    /// `None` while it is being opened again, and after the end.
    pub store: RwLock<Option<Arc<dyn Store>>>,
    health: Mutex<Health>,
    head: Mutex<Head>,
    progress: Mutex<Progress>,
    progressed: Condvar,
    /// `progress.durable`, to be read without waiting.
    durable: AtomicU64,
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    pub(super) fn store(&self) -> Result<Arc<dyn Store>, StoreError> {
        let store = self.store.read().unwrap_or_else(PoisonError::into_inner).clone();
        store.ok_or_else(|| {
            if self.queue.is_stopped() {
                StoreError::Closed
            } else {
                StoreError::Away
            }
        })
    }

    pub(super) fn set_store(&self, store: Option<Arc<dyn Store>>) {
        *self.store.write().unwrap_or_else(PoisonError::into_inner) = store;
    }

    pub(super) fn set_health(&self, health: Health) {
        *lock(&self.health) = health;
    }

    pub(super) fn is_degraded(&self) -> bool {
        matches!(*lock(&self.health), Health::Degraded { .. })
    }

    pub(super) fn set_head(&self, head: Head) {
        *lock(&self.head) = head;
    }

    pub(super) fn set_durable(&self, ticket: Ticket) {
        lock(&self.progress).durable = ticket.0;
        self.durable.store(ticket.0, Ordering::Release);
        self.progressed.notify_all();
    }

    /// Marks the end of the writer. The first reason counts.
    pub(super) fn end(&self, findings: usize, reason: &str) {
        let mut progress = lock(&self.progress);
        if progress.ended.is_none() {
            progress.ended = Some(StopError {
                findings,
                reason: reason.to_owned(),
            });
            self.set_health(Health::Stopped {
                reason: reason.to_owned(),
            });
        }
        self.progressed.notify_all();
    }
}

/// The desk. Clones are handles to the same desk; dropping the last one stops it as [`Self::stop`] does.
#[derive(Clone)]
pub struct Desk {
    handle: Arc<Handle>,
}

impl std::fmt::Debug for Desk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Desk")
            .field("head", &self.head().0)
            .field("health", &self.health())
            .finish_non_exhaustive()
    }
}

struct Handle {
    shared: Arc<Shared>,
    writer: Mutex<Option<JoinHandle<()>>>,
    apply_timeout: Duration,
}

impl Desk {
    /// Opens journal and store of a folder, brings the store up to date, and starts the writer.
    pub fn open(config: DeskConfig, clock: Clock) -> Result<(Self, OpenReport), OpenError> {
        make_dir(&config.dir).map_err(|error| OpenError::Folder {
            path: config.dir.clone(),
            doing: "making the folder",
            error,
        })?;
        let (journal, report) = Journal::open(&config.dir)?;
        Self::start(config, clock, journal, report)
    }

    /// Starts a desk on an open journal.
    pub(super) fn start(
        config: DeskConfig,
        clock: Clock,
        journal: Journal,
        report: JournalReport,
    ) -> Result<(Self, OpenReport), OpenError> {
        let (store, start) = open_store(&config.dir, &journal)?;
        let report = OpenReport {
            journal: report,
            store: start,
            counts: store.counts()?,
        };
        let shared = Arc::new(Shared {
            queue: Queue::new(config.queue_findings_max),
            hooks: Mutex::default(),
            stats: Mutex::default(),
            store: RwLock::new(Some(store)),
            health: Mutex::new(Health::Good),
            head: Mutex::new(journal.head()),
            progress: Mutex::default(),
            progressed: Condvar::new(),
            durable: AtomicU64::new(0),
        });
        let apply_timeout = config.apply_timeout;
        let dir = config.dir.clone();
        let writer = Writer::new(config, clock, journal, Arc::clone(&shared));
        let writer = thread::Builder::new()
            .name("desk".to_owned())
            .spawn(move || writer.run())
            .map_err(|error| OpenError::Folder {
                path: dir,
                doing: "starting the thread that writes to it",
                error,
            })?;
        let handle = Handle {
            shared,
            writer: Mutex::new(Some(writer)),
            apply_timeout,
        };
        Ok((
            Self {
                handle: Arc::new(handle),
            },
            report,
        ))
    }

    fn shared(&self) -> &Shared {
        &self.handle.shared
    }

    /// Submits findings, waiting while the queue is full. No findings get the ticket of those submitted last.
    pub fn submit(&self, findings: Vec<Finding>) -> Result<Ticket, Stopped> {
        self.shared()
            .queue
            .push(findings, None, Patience::Forever)
            .map_err(|_| Stopped)
    }

    /// Submits findings if there is room now.
    pub fn try_submit(&self, findings: Vec<Finding>) -> Result<Ticket, TrySubmitError> {
        self.shared()
            .queue
            .push(findings, None, Patience::Never)
            .map_err(|not| match not {
                NotTaken::Full(findings) => TrySubmitError::Full(findings),
                NotTaken::Stopped => TrySubmitError::Stopped(Stopped),
            })
    }

    /// The highest ticket all of whose changes, and all before, are on the disk and in the store. Does not wait.
    pub fn durable(&self) -> Ticket {
        Ticket(self.shared().durable.load(Ordering::Acquire))
    }

    /// Waits until a ticket is durable.
    pub fn wait(&self, ticket: Ticket, timeout: Duration) -> Result<(), WaitError> {
        let shared = self.shared();
        let waiting = |progress: &mut Progress| progress.durable < ticket.0 && progress.ended.is_none();
        let waited = shared
            .progressed
            .wait_timeout_while(lock(&shared.progress), timeout, waiting);
        let (progress, _) = waited.unwrap_or_else(PoisonError::into_inner);
        match (progress.durable >= ticket.0, &progress.ended) {
            (true, _) => Ok(()),
            (false, Some(_)) => Err(WaitError::Stopped),
            (false, None) => Err(WaitError::Timeout),
        }
    }

    /// Submits findings and waits until they are durable, [`DeskConfig::apply_timeout`] at most. One outcome for each.
    pub fn apply_now(&self, findings: Vec<Finding>) -> Result<Vec<Outcome>, ApplyError> {
        if findings.is_empty() {
            return Ok(Vec::new());
        }
        let end = Instant::now() + self.handle.apply_timeout;
        let (reply, outcomes) = sync_channel(1);
        self.shared()
            .queue
            .push(findings, Some(reply), Patience::Until(end))
            .map_err(|not| match not {
                NotTaken::Full(_) => ApplyError::Full,
                NotTaken::Stopped => ApplyError::Stopped,
            })?;
        let left = end.saturating_duration_since(Instant::now());
        outcomes.recv_timeout(left).map_err(|error| match error {
            RecvTimeoutError::Timeout => ApplyError::Timeout,
            RecvTimeoutError::Disconnected => ApplyError::Stopped,
        })
    }

    /// Alerts, newest first by event time.
    pub fn alerts(&self, query: &AlertQuery) -> Result<Page<Alert>, StoreError> {
        self.read(|store| store.alerts(query))
    }

    /// Cases, newest first by time of opening.
    pub fn cases(&self, query: &CaseQuery) -> Result<Page<Case>, StoreError> {
        self.read(|store| store.cases(query))
    }

    /// An alert.
    pub fn alert(&self, id: AlertId) -> Result<Option<Alert>, StoreError> {
        self.read(|store| store.alert(id))
    }

    /// A case with its alerts and its timeline.
    pub fn case(&self, case_id: &str) -> Result<Option<CaseView>, StoreError> {
        self.read(|store| {
            let Some(case) = store.case(case_id)? else {
                return Ok(None);
            };
            let missing = |id: AlertId| StoreError::Damaged(format!("alert {id} of case {case_id} is missing"));
            let alert = |id: &AlertId| store.alert(*id)?.ok_or_else(|| missing(*id));
            let alerts = case.alert_ids.iter().map(alert).collect::<Result<_, _>>()?;
            let entries = store.timeline(case_id, TIMELINE_ENTRIES_MAX)?;
            Ok(Some(CaseView {
                case,
                alerts,
                timeline: entries.iter().map(TimelineItem::from).collect(),
            }))
        })
    }

    /// Entries after a number, in order, 1,000 at most: none means that there are no more yet.
    pub fn entries_after(&self, seq: u64, limit: usize) -> Result<Vec<Entry>, StoreError> {
        self.read(|store| store.entries_after(seq, limit.min(ENTRIES_MAX)))
    }

    /// The last entry: its number and hash.
    pub fn head(&self) -> (u64, Digest) {
        let head = *lock(&self.shared().head);
        (head.seq, head.hash)
    }

    /// How many alerts and cases there are.
    pub fn counts(&self) -> Result<Counts, StoreError> {
        self.read(|store| store.counts())
    }

    /// Has `hook` called for each entry from now on, in order. A hook that panics is not called again. It may miss no
    /// entry by asking for [`Self::entries_after`] the first that it sees. A hook must not hold a [`Desk`]: that would
    /// keep the desk from ever being dropped.
    pub fn on_entry(&self, hook: Hook) {
        lock(&self.shared().hooks).push(hook);
    }

    /// Notes that a sink has every notice of every entry up to `up_to`. Returns at once; it is journaled with the next
    /// group. A note lost in a crash means that notices are told again. A cursor never needs to pass the last entry that
    /// tells anybody anything, and is kept there: the notes themselves are entries, and would else never end.
    pub fn record_delivered(&self, sink: &str, up_to: u64) {
        self.shared().queue.delivered(sink, up_to);
    }

    /// The entry up to which a sink has every notice; 0 at first.
    pub fn delivered(&self, sink: &str) -> Result<u64, StoreError> {
        self.read(|store| store.delivered(sink))
    }

    /// Whether the desk can write.
    pub fn health(&self) -> Health {
        lock(&self.shared().health).clone()
    }

    /// What the writer has done.
    pub fn stats(&self) -> DeskStats {
        DeskStats {
            queued_findings: self.shared().queue.len(),
            ..*lock(&self.shared().stats)
        }
    }

    /// Takes nothing more, writes what was taken, closes journal and store. Other handles then find the desk stopped.
    pub fn stop(self) -> Result<(), StopError> {
        self.handle.stop()
    }

    /// Asks the store; if it is damaged, has the writer build it again.
    fn read<T>(&self, ask: impl FnOnce(&dyn Store) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let store = self.shared().store()?;
        let answer = ask(&*store);
        if let Err(StoreError::Damaged(why)) = &answer {
            self.shared().queue.damaged(why);
        }
        answer
    }
}

impl Handle {
    fn stop(&self) -> Result<(), StopError> {
        self.shared.queue.stop();
        let writer = lock(&self.writer).take();
        if let Some(writer) = writer.filter(|writer| writer.thread().id() != thread::current().id()) {
            let _panicked_and_said_so = writer.join();
        }
        match &lock(&self.shared.progress).ended {
            Some(ended) if ended.findings > 0 => Err(ended.clone()),
            _ => Ok(()),
        }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        if let Err(error) = self.stop() {
            tracing::error!(%error, "desk dropped");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::case::joining::Fate;
    use crate::case::testing::{Faults, FaultyDisk, clock, red, yellow};
    use std::sync::mpsc::{Receiver, Sender, channel};

    const PATIENCE: Duration = Duration::from_secs(30);

    struct Failures(Mutex<Sender<String>>);

    impl DeskObserver for Failures {
        fn degraded(&self, reason: &str) {
            let _nobody_listens = lock(&self.0).send(reason.to_owned());
        }
    }

    /// A desk on a disk that fails as told, and the reasons that it gives.
    fn faulty(dir: &std::path::Path, queue_findings_max: usize) -> (Desk, Arc<Faults>, Receiver<String>) {
        let (reasons, heard) = channel();
        let config = DeskConfig {
            queue_findings_max,
            retry_wait_min: Duration::from_millis(1),
            retry_wait_max: Duration::from_millis(1),
            apply_timeout: PATIENCE,
            observer: Arc::new(Failures(Mutex::new(reasons))),
            ..DeskConfig::new(dir)
        };
        let faults = Faults::none();
        let disk = Arc::clone(&faults);
        let (journal, report) = Journal::open(dir).expect("opens");
        let journal = journal.with_medium(|medium| {
            Box::new(FaultyDisk {
                disk: medium,
                faults: disk,
            })
        });
        let (desk, _) = Desk::start(config, clock(), journal, report).expect("starts");
        (desk, faults, heard)
    }

    fn open(dir: &std::path::Path) -> (Desk, OpenReport) {
        Desk::open(
            DeskConfig {
                apply_timeout: PATIENCE,
                ..DeskConfig::new(dir)
            },
            clock(),
        )
        .expect("opens")
    }

    #[test]
    fn a_full_disk_loses_nothing_and_recovers_by_itself() {
        let dir = tempfile::tempdir().expect("a folder");
        let (desk, faults, failures) = faulty(dir.path(), 2);
        faults.room.store(100, Ordering::SeqCst);
        let ticket = desk.submit(vec![yellow("YT1", "r1", &["s1"])]).expect("taken");
        assert!(failures.recv_timeout(PATIENCE).expect("said so").contains("writing"));
        assert!(matches!(desk.health(), Health::Degraded { .. }));
        assert_eq!(desk.durable(), Ticket(0));
        assert_eq!(desk.wait(ticket, Duration::ZERO), Err(WaitError::Timeout));

        let last = desk
            .submit(vec![yellow("YT2", "r1", &["s2"]), yellow("YT3", "r1", &["s3"])])
            .expect("there is room");
        let full = desk.try_submit(vec![yellow("YT4", "r1", &["s4"])]);
        assert!(matches!(full, Err(TrySubmitError::Full(findings)) if findings.len() == 1));

        faults.room.store(u64::MAX, Ordering::SeqCst);
        desk.wait(last, PATIENCE).expect("durable");
        assert_eq!((desk.health(), desk.durable()), (Health::Good, last));
        assert_eq!(desk.counts().expect("counts"), Counts { alerts: 3, cases: 3 });
        assert!(desk.stats().failures > 0);
        desk.stop().expect("all written");
        assert_eq!(open(dir.path()).1.counts.alerts, 3);
    }

    #[test]
    fn stopping_on_a_full_disk_says_what_is_not_written() {
        let dir = tempfile::tempdir().expect("a folder");
        let (desk, faults, failures) = faulty(dir.path(), 10);
        desk.apply_now(vec![yellow("YT1", "r1", &["s1"])]).expect("durable");
        faults.fsync_fails.store(true, Ordering::SeqCst);
        let ticket = desk.submit(vec![yellow("YT2", "r1", &["s2"])]).expect("taken");
        failures.recv_timeout(PATIENCE).expect("said so");
        desk.submit(vec![yellow("YT3", "r1", &["s3"])]).expect("taken");
        let other = desk.clone();
        let error = desk.stop().expect_err("not all written");
        assert_eq!(error.findings, 2);
        assert!(error.reason.contains("fsync"), "{error}");
        assert_eq!(other.wait(ticket, PATIENCE), Err(WaitError::Stopped));
        assert_eq!(other.submit(Vec::new()), Err(Stopped));
        assert_eq!(
            other.apply_now(vec![yellow("YT9", "r1", &[])]),
            Err(ApplyError::Stopped)
        );
        assert!(matches!(other.counts(), Err(StoreError::Closed)));
        assert!(matches!(other.health(), Health::Stopped { .. }));
        assert_eq!(open(dir.path()).1.counts.alerts, 1);
    }

    #[test]
    fn a_damaged_store_is_built_again_while_running() {
        let dir = tempfile::tempdir().expect("a folder");
        let (desk, _) = open(dir.path());
        desk.apply_now(vec![yellow("YT1", "r1", &["s1"]), red("YT2", "r9", &["s2"])])
            .expect("durable");
        let before = desk.alerts(&AlertQuery::default()).expect("a page");
        desk.shared().queue.damaged("a test says so");
        desk.apply_now(vec![yellow("YT1", "r1", &["s1"])]).expect("goes on");
        assert_eq!(desk.alerts(&AlertQuery::default()).expect("a page"), before);
        assert!(dir.path().join("store.damaged-1").is_dir());
        assert_eq!(desk.health(), Health::Good);
    }

    #[test]
    fn findings_of_one_group_meet_each_other() {
        let dir = tempfile::tempdir().expect("a folder");
        let (desk, _) = open(dir.path());
        let group = vec![
            yellow("YT1", "r1", &["s1"]),
            yellow("YT1", "r1", &["s1"]),
            yellow("YT1", "r2", &["s1"]),
            yellow("YT2", "r1", &["s1"]),
            red("YT1", "r9", &["s1"]),
            yellow("YT1", "r3", &["s1"]),
        ];
        let outcomes = desk.apply_now(group).expect("durable");
        let fates: Vec<Fate> = outcomes.iter().map(|outcome| outcome.fate).collect();
        assert_eq!(
            fates,
            [
                Fate::Raised,
                Fate::Seen,
                Fate::Joined,
                Fate::Raised,
                Fate::Superseded,
                Fate::Joined
            ],
        );
        assert!(outcomes.iter().all(|outcome| outcome.case_id == outcomes[0].case_id));
        assert_eq!(desk.counts().expect("counts"), Counts { alerts: 3, cases: 1 });
        assert_eq!((desk.head().0, desk.stats().groups), (5, 1));
    }

    #[test]
    fn delivery_notes_do_not_breed() {
        let dir = tempfile::tempdir().expect("a folder");
        let (desk, _) = open(dir.path());
        desk.apply_now(vec![yellow("YT1", "r1", &["s1"])]).expect("durable");
        desk.record_delivered("kafka", 1);
        // A group with a finding that changes nothing comes after the note.
        desk.apply_now(vec![yellow("YT1", "r1", &["s1"])]).expect("durable");
        assert_eq!((desk.delivered("kafka").expect("a number"), desk.head().0), (1, 2));
        for up_to in [0, 1, 2, u64::MAX] {
            desk.record_delivered("kafka", up_to);
            desk.apply_now(vec![yellow("YT1", "r1", &["s1"])]).expect("durable");
        }
        assert_eq!((desk.delivered("kafka").expect("a number"), desk.head().0), (1, 2));
        assert_eq!(desk.delivered("other").expect("a number"), 0);
        drop(desk);
        assert_eq!(open(dir.path()).0.delivered("kafka").expect("a number"), 1);
    }

    #[test]
    fn hooks_get_every_entry_in_order_and_a_panicking_one_harms_nobody() {
        let dir = tempfile::tempdir().expect("a folder");
        let (desk, _) = open(dir.path());
        let (sender, entries) = channel();
        desk.on_entry(Box::new(|_| panic!("a bad hook")));
        desk.on_entry(Box::new(move |entry| {
            sender.send(Arc::clone(entry)).expect("the test listens");
        }));
        for n in 0..3 {
            desk.apply_now(vec![yellow(&format!("YT{n}"), "r1", &[])])
                .expect("durable");
        }
        desk.clone().stop().expect("written");
        let heard: Vec<u64> = entries.try_iter().map(|entry| entry.seq).collect();
        assert_eq!(heard, [1, 2, 3]);
    }

    #[test]
    fn no_findings_get_the_ticket_of_those_before() {
        let dir = tempfile::tempdir().expect("a folder");
        let (desk, _) = open(dir.path());
        assert_eq!(desk.submit(Vec::new()), Ok(Ticket(0)));
        desk.wait(Ticket(0), Duration::ZERO).expect("nothing to wait for");
        let ticket = desk.submit(vec![yellow("YT1", "r1", &[])]).expect("taken");
        assert_eq!(desk.submit(Vec::new()), Ok(ticket));
        desk.wait(ticket, PATIENCE).expect("durable");
    }

    #[test]
    fn a_finding_that_cannot_be_written_is_refused_and_the_rest_goes_on() {
        let dir = tempfile::tempdir().expect("a folder");
        let (desk, _) = open(dir.path());
        let odd = Finding {
            occurred_at: time::macros::datetime!(-0001-01-01 0:00 UTC),
            ..yellow("YT1", "r1", &["s1"])
        };
        let outcomes = desk
            .apply_now(vec![odd, yellow("YT2", "r1", &["s1"])])
            .expect("durable");
        assert_eq!((outcomes[0].fate, &outcomes[0].case_id), (Fate::Refused, &None));
        assert_eq!(outcomes[1].fate, Fate::Raised);
        assert_eq!((desk.head().0, desk.stats().refused), (1, 1));
    }

    #[test]
    fn a_folder_has_one_desk() {
        let dir = tempfile::tempdir().expect("a folder");
        let (desk, _) = open(dir.path());
        let second = Desk::open(DeskConfig::new(dir.path()), clock());
        assert!(
            second
                .expect_err("refused")
                .to_string()
                .contains("in use by another process")
        );
        drop(desk);
        open(dir.path());
    }
}
