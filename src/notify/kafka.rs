//! The Kafka topics as a sink: an idempotent producer, one topic a kind, messages of one key in one partition.

use super::event::CONTENT_TYPE;
use super::{Delivery, Message, Sink};
use crate::case::NoticeKind;
use crate::config::Kafka;
use crate::intake::publisher::{Flight, Parcel, Publisher};
use crate::metrics::Metrics;
use rdkafka::error::KafkaError;
use rdkafka::message::{Header, OwnedHeaders};
use std::sync::Arc;
use std::time::Duration;

/// The longest that one try takes. librdkafka gives up by itself before it.
const TRY_WITHIN: Duration = Duration::from_mins(1);

/// The sink.
pub struct KafkaSink {
    publisher: Arc<Publisher>,
    kafka: Kafka,
}

impl KafkaSink {
    /// A sink that sends to the topics of the configuration.
    pub fn new(kafka: &Kafka, metrics: Arc<Metrics>) -> Result<Self, KafkaError> {
        let publisher = Arc::new(Publisher::new(kafka, "notify", metrics)?);
        Ok(Self {
            publisher,
            kafka: kafka.clone(),
        })
    }

    fn parcel(&self, message: &Message) -> Parcel {
        let topic = match message.kind {
            NoticeKind::AlertYellow => &self.kafka.alerts_yellow,
            NoticeKind::AlertRed => &self.kafka.alerts_red,
            NoticeKind::Hold => &self.kafka.holds,
            NoticeKind::Case => &self.kafka.cases,
        };
        let header = |key, value| Header {
            key,
            value: Some(value),
        };
        Parcel {
            topic: topic.clone(),
            key: Some(message.key.clone().into_bytes()),
            payload: Some(message.body.clone()),
            headers: OwnedHeaders::new_with_capacity(2)
                .insert(header("content-type", CONTENT_TYPE))
                .insert(header("idempotency-key", message.id.as_str())),
        }
    }
}

impl Sink for KafkaSink {
    fn name(&self) -> &'static str {
        "kafka"
    }

    fn deliver(&mut self, messages: &[Message]) -> Vec<Delivery> {
        let flight = Arc::new(Flight::default());
        self.publisher.mend();
        for (index, message) in messages.iter().enumerate() {
            self.publisher.send(&flight, index, &self.parcel(message));
        }
        if !flight.wait(TRY_WITHIN) {
            let again = |_| Delivery::Again("no answer from Kafka in time".into());
            return messages.iter().map(again).collect();
        }
        let mut deliveries: Vec<Delivery> = messages.iter().map(|_| Delivery::Done).collect();
        for undelivered in flight.undelivered() {
            let for_good = undelivered.is_for_good();
            let error = Box::new(undelivered.error);
            deliveries[undelivered.index] = if for_good {
                Delivery::Never(error)
            } else {
                Delivery::Again(error)
            };
        }
        deliveries
    }
}
