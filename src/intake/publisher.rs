//! Messages to Kafka with nothing lost: each is part of a [`Flight`], and a flight ends with every message either
//! acknowledged by the broker or handed back with the reason. What to do with those handed back is the sender's.

use super::client::{self, Reports};
use crate::config::Kafka;
use crate::metrics::Metrics;
use arc_swap::ArcSwap;
use rdkafka::ClientContext;
use rdkafka::config::{FromClientConfigAndContext, RDKafkaLogLevel};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Message, OwnedHeaders};
use rdkafka::producer::{BaseRecord, DeliveryResult, Producer, ProducerContext, ThreadedProducer};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// How long a send waits for room in librdkafka's queue before the message counts as undelivered for now.
const ROOM_WITHIN: Duration = Duration::from_secs(2);

/// Between two looks for room.
const ROOM_EVERY: Duration = Duration::from_millis(5);

/// What is left in a producer that is dropped has this long.
const FLUSH_WITHIN: Duration = Duration::from_secs(2);

/// One message.
#[derive(Clone, Debug)]
pub(crate) struct Parcel {
    pub topic: String,
    pub key: Option<Vec<u8>>,
    pub payload: Option<Vec<u8>>,
    pub headers: OwnedHeaders,
}

/// A message that was not delivered.
#[derive(Debug)]
pub(crate) struct Undelivered {
    /// Its place in the flight.
    pub index: usize,
    pub parcel: Parcel,
    pub error: KafkaError,
}

impl Undelivered {
    /// True when trying again can't help, because it is this message that the broker does not want.
    pub fn is_for_good(&self) -> bool {
        let codes = [
            RDKafkaErrorCode::MessageSizeTooLarge,
            RDKafkaErrorCode::InvalidMessageSize,
            RDKafkaErrorCode::InvalidRecord,
            RDKafkaErrorCode::InvalidMessage,
        ];
        self.error
            .rdkafka_error_code()
            .is_some_and(|code| codes.contains(&code))
    }
}

/// Messages sent together.
#[derive(Debug, Default)]
pub(crate) struct Flight {
    state: Mutex<State>,
    landed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    in_the_air: usize,
    undelivered: Vec<Undelivered>,
}

impl Flight {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Messages whose outcome is not known yet.
    pub fn in_the_air(&self) -> usize {
        self.state().in_the_air
    }

    /// Waits until every outcome is known; false if that took longer than `timeout`.
    pub fn wait(&self, timeout: Duration) -> bool {
        let waited = self
            .landed
            .wait_timeout_while(self.state(), timeout, |state| state.in_the_air > 0);
        waited.unwrap_or_else(PoisonError::into_inner).0.in_the_air == 0
    }

    /// Takes what was not delivered, in the order in which it was sent.
    pub fn undelivered(&self) -> Vec<Undelivered> {
        let mut undelivered = std::mem::take(&mut self.state().undelivered);
        undelivered.sort_by_key(|undelivered| undelivered.index);
        undelivered
    }

    fn lands(&self, undelivered: Option<Undelivered>) {
        let mut state = self.state();
        state.in_the_air -= 1;
        state.undelivered.extend(undelivered);
        if state.in_the_air == 0 {
            self.landed.notify_all();
        }
    }
}

/// A message's flight and its place in it.
pub(crate) struct Seat(Arc<Flight>, usize);

/// Takes the broker's answers.
pub(crate) struct Deliveries(Arc<Reports>);

impl ClientContext for Deliveries {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        self.0.log(level, facility, message);
    }

    fn stats_raw(&self, statistics: &[u8]) {
        self.0.stats_raw(statistics);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.0.error(error, reason);
    }
}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = Box<Seat>;

    fn delivery(&self, result: &DeliveryResult<'_>, seat: Box<Seat>) {
        let Seat(flight, index) = *seat;
        flight.lands(match result {
            Ok(_) => {
                self.0.is_up();
                None
            }
            Err((error, message)) => {
                let headers = message.headers().map(rdkafka::message::BorrowedHeaders::detach);
                let parcel = Parcel {
                    topic: message.topic().to_owned(),
                    key: message.key().map(<[u8]>::to_vec),
                    payload: message.payload().map(<[u8]>::to_vec),
                    headers: headers.unwrap_or_default(),
                };
                Some(Undelivered {
                    index,
                    parcel,
                    error: error.clone(),
                })
            }
        });
    }
}

/// A producer with a thread of its own; shared by all who send under its name.
pub(crate) struct Publisher {
    kafka: Kafka,
    reports: Arc<Reports>,
    producer: ArcSwap<ThreadedProducer<Deliveries>>,
}

impl Publisher {
    pub fn new(kafka: &Kafka, name: &str, metrics: Arc<Metrics>) -> Result<Self, KafkaError> {
        let reports = Arc::new(Reports::new(name, metrics));
        let producer = Self::producer(kafka, &reports)?;
        Ok(Self {
            kafka: kafka.clone(),
            reports,
            producer: ArcSwap::from_pointee(producer),
        })
    }

    fn producer(kafka: &Kafka, reports: &Arc<Reports>) -> Result<ThreadedProducer<Deliveries>, KafkaError> {
        let config = client::producer(kafka, &reports.name);
        ThreadedProducer::from_config_and_context(&config, Deliveries(reports.clone()))
    }

    /// Sends a message as part of a flight; `index` is its place there. Every failure ends up in the flight.
    pub fn send(&self, flight: &Arc<Flight>, index: usize, parcel: &Parcel) {
        flight.state().in_the_air += 1;
        let producer = self.producer.load();
        let until = Instant::now() + ROOM_WITHIN;
        let mut seat = Box::new(Seat(flight.clone(), index));
        loop {
            let mut record: BaseRecord<'_, [u8], [u8], Box<Seat>> =
                BaseRecord::with_opaque_to(&parcel.topic, seat).headers(parcel.headers.clone());
            (record.key, record.payload) = (parcel.key.as_deref(), parcel.payload.as_deref());
            let Err((error, record)) = producer.send(record) else {
                return;
            };
            let full = error.rdkafka_error_code() == Some(RDKafkaErrorCode::QueueFull);
            if !full || Instant::now() >= until {
                let parcel = parcel.clone();
                return flight.lands(Some(Undelivered { index, parcel, error }));
            }
            seat = record.delivery_opaque;
            sleep(ROOM_EVERY);
        }
    }

    /// Makes the producer anew if librdkafka has given it up: an idempotent one ends with the first doubt about order.
    pub fn mend(&self) {
        if self.producer.load().client().fatal_error().is_some()
            && let Ok(producer) = Self::producer(&self.kafka, &self.reports)
        {
            self.producer.store(Arc::new(producer));
        }
    }
}

impl Drop for Publisher {
    fn drop(&mut self) {
        let _what_is_left_is_sent_after_the_next_start = self.producer.load().flush(FLUSH_WITHIN);
    }
}
