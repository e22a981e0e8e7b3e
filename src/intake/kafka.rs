//! Waybills from Kafka: worker threads, each with a consumer of its own in the group, that take what is queued without
//! waiting to fill a batch and pass each borrowed message through a lane in place.
//!
//! Invariant: no offset is stored, and so none committed, before every finding from before it is durable and every
//! refused record from before it is put away. A worker does not wait for that: it keeps a short queue of batches with
//! what each of them still waits for, and stores the offsets of those that are done. When the queue is full, or the
//! desk takes nothing, it pauses its partitions and goes on polling, so that it stays in the group.

use super::client::{self, Reports};
use super::dead_letters::Letters;
use super::gather::{Gather, Took};
use super::http::Parts;
use super::rejects::{DeadLetter, Place};
use crate::alert::Finding;
use crate::case::{Health, Stopped, Ticket, TrySubmitError};
use crate::config::Kafka;
use crate::engine::lane::Lane;
use crate::metrics::event::{
    CommitFailed, DeskUnavailable, KafkaFault, PartitionsAssigned, PartitionsLost, PartitionsRevoked, WorkerDied,
};
use crate::metrics::{Metrics, Source};
use crate::waybill::Mapping;
use rdkafka::config::{FromClientConfigAndContext, RDKafkaLogLevel};
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer, ConsumerContext, Rebalance};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Message};
use rdkafka::{ClientContext, Offset, TopicPartitionList};
use std::collections::{BTreeMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Records of one batch: enough that the cost of a batch is nothing beside its records, few enough that a change of
/// rules or a stop is not waited for.
const BATCH_RECORDS_MAX: usize = 512;

/// Bytes of one batch: what refused records of a batch may take in memory.
const BATCH_BYTES_MAX: usize = 8 << 20;

/// Batches that wait for the disk or for dead letters; more, and the worker pauses.
const PENDING_BATCHES_MAX: usize = 32;

/// How long a poll waits for a first message when nothing is pending.
const IDLE_POLL: Duration = Duration::from_millis(100);

/// The same while batches are pending: their offsets are stored that soon after they are done.
const PENDING_POLL: Duration = Duration::from_millis(5);

/// How long a worker without room waits for the disk before it pauses its partitions, which throws away what was
/// fetched ahead. Short beside the time in which the group expects a poll.
const BLOCKED_WAIT: Duration = Duration::from_millis(500);

/// How long a rebalance or a stop waits for pending batches to be done. Past it they are read again by whoever gets the
/// partition; far below the session timeout, so that the worker is not thrown out of the group.
const REVOKE_WITHIN: Duration = Duration::from_secs(8);

/// Wait before a worker that ended by a bug or could not be made is started anew.
const RESTART_WAIT: Duration = Duration::from_secs(2);

/// How long a worker that has committed waits for the others to have done so before it leaves the group: its leaving
/// starts a rebalance, in which brokers may refuse commits.
const LEAVE_WITHIN: Duration = Duration::from_secs(3);

/// The end of the workers of one engine, in two steps: all commit, then all leave.
#[derive(Default)]
struct Stop {
    asked: AtomicBool,
    not_committed: AtomicUsize,
}

impl Stop {
    fn is_asked(&self) -> bool {
        self.asked.load(Ordering::Relaxed)
    }

    fn ask(&self) {
        self.asked.store(true, Ordering::Relaxed);
    }

    /// Says that a worker has committed, and waits for the others.
    fn committed(&self) {
        self.not_committed.fetch_sub(1, Ordering::Relaxed);
        let until = Instant::now() + LEAVE_WITHIN;
        while self.not_committed.load(Ordering::Relaxed) > 0 && Instant::now() < until {
            thread::sleep(PENDING_POLL);
        }
    }
}

/// The workers of one engine.
pub struct KafkaIntake {
    stop: Arc<Stop>,
    workers: Vec<(JoinHandle<()>, Arc<Reports>)>,
}

impl KafkaIntake {
    /// Starts the workers. Brokers need not be there yet.
    pub fn start(kafka: &Kafka, mappings: &[Option<Arc<Mapping>>], parts: &Parts) -> std::io::Result<Self> {
        let stop = Arc::new(Stop::default());
        let count = kafka
            .workers
            .unwrap_or_else(|| thread::available_parallelism().map_or(1, usize::from));
        let start = |at: usize| {
            let name = format!("consumer-{at}");
            let reports = Arc::new(Reports::new(name.clone(), parts.metrics.clone()));
            let plan = Plan {
                kafka: kafka.clone(),
                mappings: mappings.to_vec(),
                parts: parts.clone(),
                reports: reports.clone(),
                stop: stop.clone(),
            };
            let handle = thread::Builder::new().name(name).spawn(move || plan.keep_running())?;
            Ok((handle, reports))
        };
        stop.not_committed.store(count, Ordering::Relaxed);
        let workers = (0..count).map(start).collect::<std::io::Result<_>>()?;
        Ok(Self { stop, workers })
    }

    /// True when some worker can't reach any broker.
    pub fn is_cut_off(&self) -> bool {
        self.workers.iter().any(|(_, reports)| !reports.up())
    }

    /// Stops reading, waits a bounded time for what was read to be durable, commits, and leaves the group.
    pub fn stop(self) {
        self.stop.ask();
        for (worker, _) in self.workers {
            let _panicked_and_said_so = worker.join();
        }
    }
}

/// What a worker is made from, again if need be.
struct Plan {
    kafka: Kafka,
    mappings: Vec<Option<Arc<Mapping>>>,
    parts: Parts,
    reports: Arc<Reports>,
    stop: Arc<Stop>,
}

impl Plan {
    fn keep_running(&self) {
        while !self.stop.is_asked() {
            // What a bug leaves behind is dropped with the worker: nothing in it outlives it but counters.
            let ended = catch_unwind(AssertUnwindSafe(|| self.worker().and_then(Worker::run)));
            let metrics = &self.parts.metrics;
            match ended {
                Ok(Ok(())) => return,
                Ok(Err(error)) => metrics.emit(KafkaFault {
                    client: &self.reports.name,
                    error: &error,
                }),
                Err(_) => metrics.emit(WorkerDied {
                    worker: &self.reports.name,
                }),
            }
            thread::sleep(RESTART_WAIT);
        }
    }

    fn worker(&self) -> KafkaResult<Worker> {
        let topics: Vec<&str> = self
            .kafka
            .waybills
            .iter()
            .map(|waybills| waybills.topic.as_str())
            .collect();
        let topic = |(name, mapping): (&&str, &Option<Arc<Mapping>>)| Topic {
            name: Arc::from(*name),
            lane: Lane::new(self.parts.rules.load_full(), mapping.clone(), self.parts.key.clone()),
            source: self.parts.metrics.source(&format!("kafka/{name}")),
            gather: Gather::default(),
            letters: None,
            next: Vec::new(),
        };
        let hand = Hand {
            topics: topics.iter().zip(&self.mappings).map(topic).collect(),
            offsets: Offsets::default(),
            produced_ms: Vec::new(),
        };
        let context = Context {
            reports: self.reports.clone(),
            parts: self.parts.clone(),
            hand: Mutex::new(hand),
            pending: Mutex::default(),
            blocked: AtomicBool::new(false),
        };
        let config = client::consumer(&self.kafka, &self.reports.name);
        let consumer = BaseConsumer::from_config_and_context(&config, context)?;
        consumer.subscribe(&topics)?;
        Ok(Worker {
            consumer,
            stop: self.stop.clone(),
        })
    }
}

/// The offset to go on from, by topic and partition.
type Offsets = BTreeMap<(Arc<str>, i32), i64>;

/// A batch that is screened and not yet done.
struct Pending {
    /// All findings up to it are durable once this is.
    ticket: Ticket,
    letters: Vec<Letters>,
    offsets: Offsets,
    /// When the events with findings were produced, milliseconds since 1970.
    produced_ms: Vec<i64>,
}

/// One topic's lane and what the batch in hand has from it.
struct Topic {
    name: Arc<str>,
    lane: Lane,
    source: Arc<Source>,
    gather: Gather,
    letters: Option<Letters>,
    /// By partition, the offset to go on from; below 0 where the batch has nothing from it.
    next: Vec<i64>,
}

/// The batch in hand.
struct Hand {
    topics: Vec<Topic>,
    /// Of a batch that the desk had no room for.
    offsets: Offsets,
    produced_ms: Vec<i64>,
}

/// What a worker has, where the callbacks find it that librdkafka makes while the worker polls, on the same thread. The
/// locks are never waited for.
struct Context {
    reports: Arc<Reports>,
    parts: Parts,
    hand: Mutex<Hand>,
    pending: Mutex<VecDeque<Pending>>,
    /// The worker takes nothing: partitions that come are paused at once.
    blocked: AtomicBool,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn now_ms() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |now| now.as_millis() as i64)
}

impl Context {
    /// True while there is no room for another batch, or the last one could not be handed over.
    fn is_blocked(&self) -> bool {
        !locked(&self.hand).offsets.is_empty() || locked(&self.pending).len() >= PENDING_BATCHES_MAX
    }

    /// Stores the offsets of batches that are done, oldest first.
    fn settle(&self, consumer: &BaseConsumer<Self>) {
        let mut done = Offsets::new();
        let durable = self.parts.desk.durable();
        let mut pending = locked(&self.pending);
        while let Some(front) = pending.front_mut() {
            let put_away = front
                .letters
                .iter_mut()
                .all(|letters| self.parts.dead_letters.settled(letters));
            if front.ticket > durable || !put_away {
                break;
            }
            let now = now_ms();
            for produced in &front.produced_ms {
                let latency = (now - produced).max(0) as f64 / 1000.0;
                self.parts.metrics.alert_latency_seconds.observe(latency);
            }
            // Later batches have later offsets: the last one of a partition stays.
            done.extend(pending.pop_front().map(|batch| batch.offsets).unwrap_or_default());
        }
        self.parts
            .metrics
            .queue_depth("kafka_pending")
            .set(pending.len() as i64);
        drop(pending);
        self.store(consumer, &done);
    }

    fn store(&self, consumer: &BaseConsumer<Self>, offsets: &Offsets) {
        if offsets.is_empty() {
            return;
        }
        let mut list = TopicPartitionList::with_capacity(offsets.len());
        for ((topic, partition), offset) in offsets {
            let added = list.add_partition_offset(topic, *partition, Offset::Offset(*offset));
            added.expect("an offset read from Kafka");
        }
        if let Err(error) = consumer.store_offsets(&list) {
            // A partition that left in the meantime: whoever has it reads from the last commit.
            tracing::debug!(client = self.reports.name, %error, "offsets not stored");
        }
    }

    /// Waits, no longer than [`REVOKE_WITHIN`], for all pending batches.
    fn drain(&self, consumer: &BaseConsumer<Self>) {
        let until = Instant::now() + REVOKE_WITHIN;
        loop {
            self.settle(consumer);
            let Some(ticket) = locked(&self.pending).front().map(|front| front.ticket) else {
                return;
            };
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            if self.parts.desk.wait(ticket, left).is_ok() {
                // What is left to wait for is a dead letter.
                thread::sleep(PENDING_POLL);
            }
        }
    }

    /// Commits what is stored, and waits for the broker's answer.
    fn commit(&self, consumer: &BaseConsumer<Self>) {
        match consumer.commit_consumer_state(CommitMode::Sync) {
            Ok(()) | Err(KafkaError::ConsumerCommit(RDKafkaErrorCode::NoOffset)) => {}
            Err(error) => self.parts.metrics.emit(CommitFailed {
                client: &self.reports.name,
                error: &error,
            }),
        }
    }

    /// Partitions leave. What was read of them is handed over, waited for, and committed, so that whoever gets them
    /// goes on where this worker stops; partitions that were lost have somebody else's commits by now.
    fn revoke(&self, consumer: &BaseConsumer<Self>, partitions: &TopicPartitionList) {
        let lost = consumer.assignment_lost();
        if !lost {
            // A desk that is stopped takes nothing; then nothing is committed.
            let _stopped = self.hand_over(consumer);
            self.drain(consumer);
            self.commit(consumer);
        }
        let gone: Vec<(String, i32)> = partitions
            .elements()
            .iter()
            .map(|element| (element.topic().to_owned(), element.partition()))
            .collect();
        let mut pending = locked(&self.pending);
        for batch in pending.iter_mut() {
            forget(&mut batch.offsets, &gone);
        }
        let mut hand = locked(&self.hand);
        hand.collect();
        forget(&mut hand.offsets, &gone);
        for (topic, partition) in &gone {
            self.parts.metrics.lag(topic, *partition, None);
        }
        let (client, count, pending) = (&self.reports.name, gone.len(), pending.len());
        if lost {
            self.parts.metrics.emit(PartitionsLost { client, count });
        } else {
            self.parts.metrics.emit(PartitionsRevoked { client, count, pending });
        }
    }

    /// Ends the batch in hand: counts it, submits its findings, and puts it behind those that are pending. A batch that
    /// the desk does not take stays in hand.
    fn hand_over(&self, consumer: &BaseConsumer<Self>) -> Result<(), Stopped> {
        let mut hand = locked(&self.hand);
        hand.collect();
        let (findings, letters) = hand.end(&self.parts.metrics);
        if hand.offsets.is_empty() && findings.is_empty() && letters.is_empty() {
            return Ok(());
        }
        let nothing_new = findings.is_empty() && letters.is_empty();
        match self.parts.desk.try_submit(findings) {
            Ok(ticket) => {
                let batch = Pending {
                    ticket,
                    letters,
                    offsets: std::mem::take(&mut hand.offsets),
                    produced_ms: std::mem::take(&mut hand.produced_ms),
                };
                drop(hand);
                enqueue(&mut locked(&self.pending), batch, nothing_new);
                self.settle(consumer);
                Ok(())
            }
            Err(TrySubmitError::Full(findings)) => {
                if let Health::Degraded { reason, .. } = self.parts.desk.health() {
                    let source = hand.topics[0].source.name();
                    self.parts.metrics.emit(DeskUnavailable { source, error: &reason });
                }
                hand.keep(findings, letters);
                Ok(())
            }
            Err(TrySubmitError::Stopped(stopped)) => {
                // Nothing of this batch is committed: it is read again after the next start.
                hand.offsets.clear();
                Err(stopped)
            }
        }
    }
}

fn forget(offsets: &mut Offsets, gone: &[(String, i32)]) {
    offsets.retain(|(topic, partition), _| !gone.iter().any(|(name, at)| **name == **topic && at == partition));
}

impl ClientContext for Context {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        self.reports.log(level, facility, message);
    }

    fn stats_raw(&self, statistics: &[u8]) {
        self.reports.stats_raw(statistics);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.reports.error(error, reason);
    }
}

impl ConsumerContext for Context {
    fn pre_rebalance(&self, consumer: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        if let Rebalance::Revoke(partitions) = rebalance {
            self.revoke(consumer, partitions);
        }
    }

    fn post_rebalance(&self, consumer: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        if let Rebalance::Assign(partitions) = rebalance {
            self.reports.is_up();
            let (client, count) = (&self.reports.name, partitions.count());
            self.parts.metrics.emit(PartitionsAssigned { client, count });
            if self.blocked.load(Ordering::Relaxed) {
                let _not_ours_any_more = consumer.pause(partitions);
            }
        }
    }

    fn commit_callback(&self, result: KafkaResult<()>, _: &TopicPartitionList) {
        match result {
            Ok(()) | Err(KafkaError::ConsumerCommit(RDKafkaErrorCode::NoOffset)) => {}
            Err(error) => self.parts.metrics.emit(CommitFailed {
                client: &self.reports.name,
                error: &error,
            }),
        }
    }

    fn main_queue_min_poll_interval(&self) -> rdkafka::util::Timeout {
        IDLE_POLL.into()
    }
}

impl Hand {
    /// Gathers the offsets to go on from.
    fn collect(&mut self) {
        for topic in &mut self.topics {
            for (partition, next) in topic.next.iter_mut().enumerate().filter(|(_, next)| **next >= 0) {
                self.offsets.insert((topic.name.clone(), partition as i32), *next);
                *next = -1;
            }
        }
    }

    /// Counts the batch and takes what is in it.
    fn end(&mut self, metrics: &Metrics) -> (Vec<Finding>, Vec<Letters>) {
        let mut findings = Vec::new();
        for topic in &mut self.topics {
            topic.gather.count(metrics, &topic.source);
            findings.append(&mut topic.gather.findings);
        }
        (
            findings,
            self.topics
                .iter_mut()
                .filter_map(|topic| topic.letters.take())
                .collect(),
        )
    }

    /// Keeps what the desk had no room for.
    fn keep(&mut self, findings: Vec<Finding>, letters: Vec<Letters>) {
        self.topics[0].gather.findings = findings;
        for letters in letters {
            let topic = self
                .topics
                .iter_mut()
                .find(|topic| Arc::ptr_eq(&topic.source, letters.source()));
            if let Some(topic) = topic {
                topic.letters = Some(letters);
            }
        }
    }

    /// Passes one message through its topic's lane.
    fn take(&mut self, message: &BorrowedMessage<'_>, parts: &Parts) -> usize {
        let at = if self.topics.len() == 1 {
            0
        } else {
            let name = message.topic();
            self.topics
                .iter()
                .position(|topic| *topic.name == *name)
                .unwrap_or_default()
        };
        let topic = &mut self.topics[at];
        let (partition, offset) = (message.partition(), message.offset());
        let record = message.payload().unwrap_or_default();
        match topic.gather.take(&mut topic.lane, record) {
            Took::Screened => {}
            Took::Found => self.produced_ms.extend(message.timestamp().to_millis()),
            Took::Refused(refusal) => {
                let letter = DeadLetter {
                    source: topic.source.name(),
                    place: Place::Kafka {
                        topic: &topic.name,
                        partition,
                        offset,
                    },
                    refusal: &refusal,
                    key: message.key(),
                    original: record,
                };
                let letters = topic.letters.get_or_insert_with(|| Letters::new(topic.source.clone()));
                parts.dead_letters.put(letters, &letter);
            }
        }
        let slot = partition as usize;
        if slot >= topic.next.len() {
            topic.next.resize(slot + 1, -1);
        }
        topic.next[slot] = offset + 1;
        record.len()
    }
}

/// Puts a batch behind the pending ones. One that brings nothing to wait for joins the last: its offsets are good as
/// soon as those before them are.
fn enqueue(pending: &mut VecDeque<Pending>, batch: Pending, nothing_new: bool) {
    match pending.back_mut() {
        Some(last) if nothing_new => last.offsets.extend(batch.offsets),
        _ => pending.push_back(batch),
    }
}

/// One thread's consumer.
struct Worker {
    consumer: BaseConsumer<Context>,
    stop: Arc<Stop>,
}

impl Worker {
    /// Until it is told to stop, the desk is stopped, or librdkafka gives the consumer up. Dropping the consumer leaves
    /// the group.
    fn run(self) -> KafkaResult<()> {
        let context = self.consumer.context().clone();
        while !self.stop.is_asked() {
            context.settle(&self.consumer);
            if context.is_blocked() {
                self.wait_blocked(&context)?;
            } else {
                self.batch(&context)?;
            }
            if context.hand_over(&self.consumer).is_err() {
                self.stop.ask();
            }
        }
        context.drain(&self.consumer);
        context.commit(&self.consumer);
        self.stop.committed();
        Ok(())
    }

    /// Waits for the disk for a moment; after it, pauses all partitions and serves the group until there is room.
    fn wait_blocked(&self, context: &Context) -> KafkaResult<()> {
        let front = locked(&context.pending).front().map(|front| front.ticket);
        if context.parts.desk.wait(front.unwrap_or_default(), BLOCKED_WAIT).is_ok() {
            context.settle(&self.consumer);
        }
        let blocked = context.is_blocked();
        if context.blocked.swap(blocked, Ordering::Relaxed) != blocked
            && let Ok(assignment) = self.consumer.assignment()
        {
            // An error is about a partition that is not ours any more.
            let _gone = if blocked {
                self.consumer.pause(&assignment)
            } else {
                self.consumer.resume(&assignment)
            };
        }
        self.poll_one(context, if blocked { IDLE_POLL } else { Duration::ZERO })?;
        Ok(())
    }

    /// Takes what is queued, up to a batch.
    fn batch(&self, context: &Context) -> KafkaResult<()> {
        let rules = context.parts.rules.load();
        locked(&context.hand)
            .topics
            .iter_mut()
            .for_each(|topic| topic.lane.adopt(&rules));
        drop(rules);
        let nothing_pending = locked(&context.pending).is_empty();
        let first = if nothing_pending { IDLE_POLL } else { PENDING_POLL };
        let Some(mut bytes) = self.poll_one(context, first)? else {
            return Ok(());
        };
        let started = Instant::now();
        for _ in 1..BATCH_RECORDS_MAX {
            match self.poll_one(context, Duration::ZERO)? {
                Some(more) => bytes += more,
                None => break,
            }
            if bytes >= BATCH_BYTES_MAX {
                break;
            }
        }
        let elapsed = started.elapsed().as_secs_f64();
        for topic in locked(&context.hand)
            .topics
            .iter()
            .filter(|topic| topic.gather.records() > 0)
        {
            topic.source.batch_seconds.observe(elapsed);
        }
        Ok(())
    }

    /// Takes one message if there is one, and returns its size. Serves callbacks; fails when librdkafka has given the
    /// consumer up, and making it anew is the only way on.
    fn poll_one(&self, context: &Context, timeout: Duration) -> KafkaResult<Option<usize>> {
        match self.consumer.poll(timeout) {
            Some(Ok(message)) => Ok(Some(locked(&context.hand).take(&message, &context.parts))),
            Some(Err(error @ KafkaError::MessageConsumptionFatal(_))) => Err(error),
            // Any other error was said by the error callback; librdkafka goes on by itself.
            Some(Err(_)) | None => Ok(None),
        }
    }
}
