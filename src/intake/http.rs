//! The work behind `POST /api/v1/waybills`: a body of NDJSON goes through a lane on a thread of a small pool, and the
//! answer is given when everything raised is durable and everything refused is put away. Leaves requests, headers and
//! status codes to `api`.

use super::dead_letters::{DeadLetters, Letters};
use super::gather::{Gather, Took};
use super::lines::{At, Framing, Next, Records};
use super::rejects::{DeadLetter, Place};
use crate::alert::{Color, SubjectKey};
use crate::api::{NotTaken, Raised, Receipt, Refused};
use crate::case::{ApplyError, Desk, Fate, Health, Outcome};
use crate::config;
use crate::engine::lane::Lane;
use crate::metrics::{Metrics, Source};
use crate::ruleset::RuleSet;
use crate::waybill::{RECORD_BYTES_MAX, Reason, Refusal};
use arc_swap::ArcSwap;
use axum::body::Bytes;
use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// How long dead letters of one request may take to be safe before the caller is told to send again.
const LETTERS_WITHIN: Duration = Duration::from_secs(10);

/// The longest that an answer takes: a full queue of requests, each with the desk's and the letters' patience.
const ANSWER_WITHIN: Duration = Duration::from_mins(2);

/// What all its parts share.
pub struct HttpIntake {
    queue: Sender<Job>,
    workers: Vec<JoinHandle<()>>,
    desk: Desk,
    metrics: Arc<Metrics>,
    retry_after_s: u64,
}

/// What the pool works with.
#[derive(Clone)]
pub struct Parts {
    /// The rules in use.
    pub rules: Arc<ArcSwap<RuleSet>>,
    /// Where findings go.
    pub desk: Desk,
    /// Where refused records go.
    pub dead_letters: Arc<DeadLetters>,
    /// Where it is counted.
    pub metrics: Arc<Metrics>,
    /// The site's secret.
    pub key: SubjectKey,
}

struct Job {
    body: Bytes,
    since: Instant,
    answer: Sender<Result<Receipt, NotTaken>>,
}

impl HttpIntake {
    /// Starts the pool.
    pub fn start(parts: &Parts, limits: &config::HttpIntake) -> std::io::Result<Self> {
        let (queue, jobs) = bounded(limits.queue_max);
        let source = parts.metrics.source("http");
        let worker = |at: usize| {
            let worker = Worker {
                parts: parts.clone(),
                source: source.clone(),
                lane: Lane::new(parts.rules.load_full(), None, parts.key.clone()),
                retry_after_s: limits.retry_after.duration().as_secs().max(1),
            };
            let jobs = jobs.clone();
            thread::Builder::new()
                .name(format!("http-intake-{at}"))
                .spawn(move || worker.run(&jobs))
        };
        Ok(Self {
            queue,
            workers: (0..limits.workers).map(worker).collect::<Result<_, _>>()?,
            desk: parts.desk.clone(),
            metrics: parts.metrics.clone(),
            retry_after_s: limits.retry_after.duration().as_secs().max(1),
        })
    }

    /// Screens the records of a body, one a line, and returns when what they raised is durable. Blocks the thread.
    pub fn take(&self, body: Bytes) -> Result<Receipt, NotTaken> {
        let answer = self.queued(body);
        self.metrics.http_request(match &answer {
            Ok(_) => "taken",
            Err(NotTaken::Busy { .. }) => "behind",
            Err(NotTaken::Unavailable(_)) => "failed",
        });
        answer
    }

    fn queued(&self, body: Bytes) -> Result<Receipt, NotTaken> {
        if let Health::Degraded { reason, .. } | Health::Stopped { reason } = self.desk.health() {
            return Err(NotTaken::Unavailable(format!("alerts can't be kept now: {reason}")));
        }
        let (answer, answered) = bounded(1);
        let since = Instant::now();
        self.queue
            .try_send(Job { body, since, answer })
            .map_err(|error| match error {
                TrySendError::Full(_) => NotTaken::Busy {
                    retry_after_s: self.retry_after_s,
                },
                TrySendError::Disconnected(_) => NotTaken::Unavailable("the engine is stopping".to_owned()),
            })?;
        self.metrics.queue_depth("http_intake").set(self.queue.len() as i64);
        answered.recv_timeout(ANSWER_WITHIN).unwrap_or_else(|_| {
            Err(NotTaken::Unavailable(
                "no answer in time; send the same body again".to_owned(),
            ))
        })
    }

    /// Takes no more, and waits for what was taken.
    pub fn stop(self) {
        drop(self.queue);
        for worker in self.workers {
            let _panicked_and_said_so = worker.join();
        }
    }
}

struct Worker {
    parts: Parts,
    source: Arc<Source>,
    lane: Lane,
    retry_after_s: u64,
}

/// A record of the body that was refused, with where its bytes are.
struct Rejected<'b> {
    at: At,
    refusal: Refusal,
    original: &'b [u8],
}

impl Worker {
    fn run(mut self, jobs: &Receiver<Job>) {
        for job in jobs {
            self.parts.metrics.queue_depth("http_intake").set(jobs.len() as i64);
            let answer = self.screen(&job.body);
            self.parts
                .metrics
                .http_intake_seconds
                .observe(job.since.elapsed().as_secs_f64());
            // Whoever asked may have given up; the body is screened all the same.
            let _gone = job.answer.send(answer);
        }
    }

    /// Screens a body. Counts it only when it is taken whole: a body that is sent again is not counted twice.
    fn screen(&mut self, body: &[u8]) -> Result<Receipt, NotTaken> {
        let started = Instant::now();
        self.lane.adopt(&self.parts.rules.load());
        let mut gather = Gather::default();
        let rejected = self.pass(body, &mut gather);
        let received = gather.records();
        let found: Vec<_> = gather
            .findings
            .iter()
            .map(|found| (found.color, found.waybill_no.clone()))
            .collect();
        let outcomes = self
            .parts
            .desk
            .apply_now(std::mem::take(&mut gather.findings))
            .map_err(|error| match error {
                ApplyError::Full => NotTaken::Busy {
                    retry_after_s: self.retry_after_s,
                },
                error => NotTaken::Unavailable(error.to_string()),
            })?;
        self.put_away(&rejected)?;
        gather.count(&self.parts.metrics, &self.source);
        self.source.batch_seconds.observe(started.elapsed().as_secs_f64());
        Ok(Receipt {
            received,
            screened: received - rejected.len() as u64,
            refused: rejected.iter().map(Rejected::told).collect(),
            alerts: found.into_iter().zip(outcomes).filter_map(raised).collect(),
            rule_set: self.lane.rules().digest().to_owned(),
        })
    }

    fn pass<'b>(&mut self, body: &'b [u8], gather: &mut Gather) -> Vec<Rejected<'b>> {
        let mut rejected = Vec::new();
        let mut records = Records::new(body, Framing::Lines);
        // Reading from memory does not fail.
        while let Ok(Some(next)) = records.next_record() {
            match next {
                Next::Record(at, record) => {
                    if let Took::Refused(refusal) = gather.take(&mut self.lane, record) {
                        let original = &body[at.offset as usize..][..record.len()];
                        rejected.push(Rejected { at, refusal, original });
                    }
                }
                Next::TooLarge(at) => {
                    let length = records.copy_too_large(&mut std::io::sink()).unwrap_or_default();
                    let refusal = too_large();
                    gather.refuse(&refusal, length as usize);
                    let original = &body[at.offset as usize..][..length as usize];
                    rejected.push(Rejected { at, refusal, original });
                }
            }
        }
        rejected
    }

    fn put_away(&self, rejected: &[Rejected<'_>]) -> Result<(), NotTaken> {
        let mut letters = Letters::new(self.source.clone());
        for Rejected { at, refusal, original } in rejected {
            let letter = DeadLetter {
                source: self.source.name(),
                place: Place::Line(*at),
                refusal,
                key: None,
                original,
            };
            self.parts.dead_letters.put(&mut letters, &letter);
        }
        let safe = self.parts.dead_letters.wait(&mut letters, LETTERS_WITHIN);
        let why = "refused records can't be put away now; send the same body again";
        safe.then_some(()).ok_or_else(|| NotTaken::Unavailable(why.to_owned()))
    }
}

/// The refusal of a record longer than records may be.
pub fn too_large() -> Refusal {
    Refusal::record(Reason::TooLarge, format!("longer than {} KiB", RECORD_BYTES_MAX >> 10))
}

impl Rejected<'_> {
    fn told(&self) -> Refused {
        Refused {
            line: self.at.line,
            reason: self.refusal.reason.to_string(),
            field: self.refusal.field.clone(),
            detail: self.refusal.detail.to_string(),
        }
    }
}

fn raised(((color, waybill_no), outcome): ((Color, String), Outcome)) -> Option<Raised> {
    let word = match outcome.fate {
        Fate::Raised => "raised",
        Fate::Joined => "joined",
        Fate::Superseded => "superseded",
        Fate::Seen => "seen",
        Fate::Refused => return None,
    };
    Some(Raised {
        alert_id: outcome.alert_id,
        color,
        waybill_no,
        case_id: outcome.case_id,
        outcome: word,
    })
}
