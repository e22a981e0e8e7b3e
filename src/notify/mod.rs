//! Telling others: what the journal says goes to each sink at least once, in order by key, and nothing is dropped. Leaves out
//! what is worth telling (`case::notices`) and the live stream (`api`).
//!
//! The outbox is the journal itself: a sink has a cursor into it, and everything behind the cursor is delivered. The
//! stages stand in [`Outbox::start`], top to bottom. Another kind of receiver is another [`Sink`].

mod dead;
mod event;
mod kafka;

pub use event::CloudEvent;
pub use kafka::KafkaSink;

use crate::case::{Desk, Entry, Notice, NoticeKind, StoreError, notices};
use crate::metrics::Metrics;
use crate::metrics::event::{DeliveryFailed, NoticeDead, OutboxFault};
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};
use dead::DeadList;
use std::collections::HashSet;
use std::error::Error;
use std::fmt::Display;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// Entries taken from the journal at once.
const ENTRIES_MAX: usize = 200;

/// Between two looks at the journal when nobody says that there is something.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// How far a sink is, is noted that often: after a crash no more than this is told again.
const RECORD_EVERY: Duration = Duration::from_secs(1);

/// Wait before an undelivered notice is tried again; doubles up to [`RETRY_WAIT_MAX`].
const RETRY_WAIT_MIN: Duration = Duration::from_millis(100);

/// Longest such wait.
const RETRY_WAIT_MAX: Duration = Duration::from_secs(15);

/// What stopping waits for: what is in the journal by then should be told before the end, and is told after the next
/// start otherwise.
const STOP_WITHIN: Duration = Duration::from_secs(5);

/// Somebody who is told.
pub trait Sink: Send {
    /// Its name: its cursor, its label in metrics.
    fn name(&self) -> &'static str;

    /// Tries to deliver messages in order, and says what became of each. Waits no longer than its own bound for a try.
    fn deliver(&mut self, messages: &[Message]) -> Vec<Delivery>;
}

/// One message on its way to a sink.
#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    /// To whom.
    pub kind: NoticeKind,
    /// Messages of one key stay in order.
    pub key: String,
    /// The same whenever the same thing is told again: by it a receiver knows what it has already.
    pub id: String,
    /// A CloudEvent, structured mode, JSON.
    pub body: Vec<u8>,
}

impl Message {
    fn new(notice: Notice, entry: &Entry) -> Self {
        let body = CloudEvent::new(&notice, entry.at).to_json();
        Self {
            kind: notice.kind,
            key: notice.key,
            id: notice.id,
            body,
        }
    }
}

/// What became of one try to deliver one message.
#[derive(Debug)]
pub enum Delivery {
    /// The receiver has it.
    Done,
    /// Not this time.
    Again(Box<dyn Error + Send + Sync>),
    /// Never: the receiver does not want this message.
    Never(Box<dyn Error + Send + Sync>),
}

/// The delivery to one sink, on a thread of its own.
pub struct Outbox {
    stop: Arc<AtomicBool>,
    wake: Sender<()>,
    thread: JoinHandle<()>,
}

impl Outbox {
    /// Starts delivering to a sink from where it was.
    pub fn start(
        desk: &Desk,
        sink: impl Sink + 'static,
        folder: &Path,
        metrics: &Arc<Metrics>,
    ) -> std::io::Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let (wake, woken) = bounded(1);
        let waker = wake.clone();
        desk.on_entry(Box::new(move |_| {
            let _awake_already = waker.try_send(());
        }));
        let name = sink.name();
        let mut pipeline = Pipeline {
            entries: Entries {
                desk: desk.clone(),
                sink: name,
                cursor: None,
            },
            wait: Wait {
                woken,
                stop: stop.clone(),
            },
            deliver: Deliver {
                sink: Box::new(sink),
                stop: stop.clone(),
                metrics: metrics.clone(),
            },
            bury: DeadList::new(folder),
            record: Record {
                desk: desk.clone(),
                sink: name,
                told: 0,
                recorded: 0,
                at: Instant::now(),
            },
            metrics: metrics.clone(),
        };
        let thread = thread::Builder::new()
            .name(format!("outbox-{name}"))
            .spawn(move || pipeline.run())?;
        Ok(Self { stop, wake, thread })
    }

    /// Tells what the journal holds, for a bounded time, and ends. What is left is told after the next start.
    pub fn stop(self) {
        self.stop.store(true, Ordering::Relaxed);
        let _awake_already = self.wake.try_send(());
        let _panicked_and_said_so = self.thread.join();
    }
}

/// The stages, in order.
struct Pipeline {
    /// What the journal says after the cursor,
    entries: Entries,
    /// or, when that is nothing, a wait for more;
    wait: Wait,
    /// as messages to the sink, again and again until each is taken or refused for good;
    deliver: Deliver,
    /// those refused for good kept in a file;
    bury: DeadList,
    /// and how far the sink is noted in the journal.
    record: Record,
    metrics: Arc<Metrics>,
}

impl Pipeline {
    fn run(&mut self) {
        let mut until = None;
        loop {
            if self.wait.stop.load(Ordering::Relaxed) {
                let until = *until.get_or_insert_with(|| Instant::now() + STOP_WITHIN);
                if Instant::now() >= until {
                    break;
                }
            }
            let entries = match self.entries.next() {
                Ok(entries) => entries,
                Err(error) => {
                    self.metrics.emit(OutboxFault {
                        sink: self.record.sink,
                        error: &error,
                    });
                    Vec::new()
                }
            };
            let Some(last) = entries.last().map(|entry| entry.seq) else {
                self.record.now();
                if until.is_some() {
                    break;
                }
                self.wait.for_more();
                continue;
            };
            if !self.tell(&entries) {
                break;
            }
            self.entries.cursor = Some(last);
            self.metrics
                .outbox_lag(self.record.sink, self.entries.desk.head().0.saturating_sub(last));
        }
        self.record.now();
    }

    /// Delivers what some entries tell. False when the engine stopped before that was done.
    fn tell(&mut self, entries: &[Entry]) -> bool {
        let message = |entry| {
            notices(entry)
                .into_iter()
                .map(move |notice| Message::new(notice, entry))
        };
        let messages: Vec<Message> = entries.iter().flat_map(message).collect();
        let bury = &mut self.bury;
        let (sink, metrics) = (self.record.sink, &self.metrics);
        let told = self.deliver.all(messages, &mut |message, error| {
            metrics.emit(NoticeDead {
                sink,
                id: &message.id,
                error,
            });
            bury.keep(sink, message, error)
        });
        if told {
            let telling = entries.iter().rev().find(|entry| entry.change.alert_change().is_some());
            self.record.told(telling.map_or(0, |entry| entry.seq));
        }
        told
    }
}

/// The journal after a sink's cursor.
struct Entries {
    desk: Desk,
    sink: &'static str,
    cursor: Option<u64>,
}

impl Entries {
    fn next(&mut self) -> Result<Vec<Entry>, StoreError> {
        let cursor = match self.cursor {
            Some(cursor) => cursor,
            None => *self.cursor.insert(self.desk.delivered(self.sink)?),
        };
        self.desk.entries_after(cursor, ENTRIES_MAX)
    }
}

/// Waiting for the journal to grow.
struct Wait {
    woken: Receiver<()>,
    stop: Arc<AtomicBool>,
}

impl Wait {
    fn for_more(&self) {
        if let Err(RecvTimeoutError::Disconnected) = self.woken.recv_timeout(LOOK_EVERY) {
            thread::sleep(LOOK_EVERY);
        }
    }
}

/// Delivery with retries.
struct Deliver {
    sink: Box<dyn Sink>,
    stop: Arc<AtomicBool>,
    metrics: Arc<Metrics>,
}

impl Deliver {
    /// Tries until every message is taken, or refused for good and buried. False when stopped before that.
    fn all(
        &mut self,
        mut messages: Vec<Message>,
        bury: &mut dyn FnMut(&Message, &dyn Display) -> std::io::Result<()>,
    ) -> bool {
        let name = self.sink.name();
        let (mut wait, mut tries) = (RETRY_WAIT_MIN, 0);
        let mut until = None;
        while !messages.is_empty() {
            let deliveries = self.sink.deliver(&messages);
            tries += 1;
            let mut done = 0;
            let mut left = Vec::new();
            let mut behind = HashSet::new();
            for (message, delivery) in messages.into_iter().zip(deliveries) {
                match delivery {
                    // One of its key before it was not taken: it goes again, after that one.
                    Delivery::Done if behind.contains(&message.key) => left.push(message),
                    Delivery::Done => done += 1,
                    Delivery::Again(error) => {
                        self.metrics.emit(DeliveryFailed {
                            sink: name,
                            tries,
                            error: &error,
                        });
                        behind.insert(message.key.clone());
                        left.push(message);
                    }
                    Delivery::Never(error) => {
                        if let Err(error) = bury(&message, &error) {
                            self.metrics.emit(OutboxFault {
                                sink: name,
                                error: &error,
                            });
                            left.push(message);
                        }
                    }
                }
            }
            self.metrics.delivered(name, done);
            messages = left;
            if messages.is_empty() {
                break;
            }
            let stopping = self.stop.load(Ordering::Relaxed);
            if stopping && Instant::now() >= *until.get_or_insert_with(|| Instant::now() + STOP_WITHIN) {
                return false;
            }
            thread::sleep(jittered(if stopping { RETRY_WAIT_MIN } else { wait }));
            wait = (wait * 2).min(RETRY_WAIT_MAX);
        }
        true
    }
}

/// Between half and the whole of a wait, so that instances that failed together don't come back together.
fn jittered(wait: Duration) -> Duration {
    let mut random = [0; 2];
    let share = match getrandom::fill(&mut random) {
        Ok(()) => f64::from(u16::from_le_bytes(random)) / f64::from(u16::MAX),
        Err(_) => 1.0,
    };
    wait.mul_f64(0.5 + share / 2.0)
}

/// The sink's cursor in the journal.
struct Record {
    desk: Desk,
    sink: &'static str,
    told: u64,
    recorded: u64,
    at: Instant,
}

impl Record {
    fn told(&mut self, up_to: u64) {
        self.told = self.told.max(up_to);
        if self.at.elapsed() >= RECORD_EVERY {
            self.now();
        }
    }

    fn now(&mut self) {
        if self.told > self.recorded {
            self.desk.record_delivered(self.sink, self.told);
            self.recorded = self.told;
            self.at = Instant::now();
        }
    }
}
