//! Where refused records go while the engine runs: to the dead-letter topic when they came from Kafka, with the reason
//! in the headers and key and body unchanged; to the dead-letter file otherwise, or when the topic does not take them.
//! Nothing is lost: a source moves on only when [`DeadLetters::settled`] says that its letters are safe.

use super::publisher::{Flight, Parcel, Publisher, Undelivered};
use super::rejects::{self, DeadLetter, Place};
use crate::config::Kafka;
use crate::metrics::event::{DeadLetterDelayed, DeadLetterFileFault, DeadLetterToFile};
use crate::metrics::{Metrics, Source};
use crate::waybill::Refusal;
use rdkafka::error::KafkaError;
use rdkafka::message::{Header, Headers, OwnedHeaders};
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Wait before letters that the broker did not take are sent again; doubles up to [`RETRY_WAIT_MAX`].
const RETRY_WAIT_MIN: Duration = Duration::from_millis(250);

/// Longest such wait.
const RETRY_WAIT_MAX: Duration = Duration::from_secs(10);

/// Both places.
pub struct DeadLetters {
    topic: Option<(Publisher, String)>,
    file: Mutex<LetterFile>,
    metrics: Arc<Metrics>,
}

/// The letters of one batch, on their way.
pub struct Letters {
    source: Arc<Source>,
    flight: Option<Arc<Flight>>,
    sent: usize,
    /// In the file's buffer, and not known to be on the disk.
    in_file: u64,
    again: Option<(Instant, Vec<Undelivered>)>,
    wait: Duration,
}

impl Letters {
    /// No letters yet.
    pub fn new(source: Arc<Source>) -> Self {
        Self {
            source,
            flight: None,
            sent: 0,
            in_file: 0,
            again: None,
            wait: RETRY_WAIT_MIN,
        }
    }

    /// Where the refused records came from.
    pub(super) fn source(&self) -> &Arc<Source> {
        &self.source
    }
}

/// The file, with what could not be written to it yet.
struct LetterFile {
    path: PathBuf,
    /// Opened with the first letter.
    file: Option<File>,
    unwritten: Vec<u8>,
}

impl LetterFile {
    /// Writes what there is and waits for the disk. After an error it goes on where it stopped.
    fn sync(&mut self) -> io::Result<()> {
        if self.file.is_none() {
            self.file = Some(rejects::open_to_append(&self.path)?);
        }
        let Some(file) = &mut self.file else { return Ok(()) };
        while !self.unwritten.is_empty() {
            let written = file.write(&self.unwritten)?;
            self.unwritten.drain(..written);
        }
        file.sync_data()
    }
}

impl DeadLetters {
    /// Dead letters to a file only.
    pub fn to_file(path: &Path, metrics: Arc<Metrics>) -> Self {
        let file = LetterFile {
            path: path.to_owned(),
            file: None,
            unwritten: Vec::new(),
        };
        let file = Mutex::new(file);
        Self {
            topic: None,
            file,
            metrics,
        }
    }

    /// Dead letters to the topic, and to the file what the topic does not take.
    pub fn to_topic(kafka: &Kafka, path: &Path, metrics: Arc<Metrics>) -> Result<Self, KafkaError> {
        let publisher = Publisher::new(kafka, "dead-letters", metrics.clone())?;
        let topic = Some((publisher, kafka.dead_letters.clone()));
        Ok(Self {
            topic,
            ..Self::to_file(path, metrics)
        })
    }

    fn file(&self) -> MutexGuard<'_, LetterFile> {
        self.file.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends one refused record on its way. It is safe when [`Self::settled`] says so.
    pub fn put(&self, letters: &mut Letters, letter: &DeadLetter<'_>) {
        let Some((publisher, topic)) = &self.topic else {
            return self.put_in_file(letters, letter);
        };
        let flight = letters.flight.get_or_insert_default();
        let parcel = Parcel {
            topic: topic.clone(),
            key: letter.key.map(<[u8]>::to_vec),
            payload: Some(letter.original.to_vec()),
            headers: headers(letter),
        };
        publisher.send(flight, letters.sent, &parcel);
        letters.sent += 1;
    }

    fn put_in_file(&self, letters: &mut Letters, letter: &DeadLetter<'_>) {
        rejects::line(&mut self.file().unwritten, letter).expect("memory takes what is written");
        letters.in_file += 1;
    }

    /// True once every letter is acknowledged by the broker or on the disk. Sends again what was not; never waits for
    /// the network.
    pub fn settled(&self, letters: &mut Letters) -> bool {
        let landed = self.landed(letters);
        self.written(letters) && landed
    }

    /// Waits until everything is settled; false if that took longer than `timeout`.
    pub fn wait(&self, letters: &mut Letters, timeout: Duration) -> bool {
        let until = Instant::now() + timeout;
        while !self.settled(letters) {
            let left = until.saturating_duration_since(Instant::now()).min(RETRY_WAIT_MIN);
            if left.is_zero() {
                return false;
            }
            match &letters.flight {
                Some(flight) if flight.in_the_air() > 0 => drop(flight.wait(left)),
                _ => std::thread::sleep(left.min(Duration::from_millis(20))),
            }
        }
        true
    }

    fn landed(&self, letters: &mut Letters) -> bool {
        let (Some((publisher, _)), Some(flight)) = (&self.topic, letters.flight.clone()) else {
            return true;
        };
        if flight.in_the_air() > 0 {
            return false;
        }
        if let Some((due, _)) = &letters.again {
            if *due > Instant::now() {
                return false;
            }
            publisher.mend();
            for undelivered in letters
                .again
                .take()
                .map(|(_, undelivered)| undelivered)
                .unwrap_or_default()
            {
                publisher.send(&flight, undelivered.index, &undelivered.parcel);
            }
            return false;
        }
        let (for_good, for_now): (Vec<_>, Vec<_>) =
            flight.undelivered().into_iter().partition(Undelivered::is_for_good);
        for undelivered in &for_good {
            self.to_file_instead(letters, undelivered);
        }
        let delivered = letters.sent - for_good.len() - for_now.len();
        letters.source.dead_lettered("topic", delivered as u64);
        letters.sent = for_now.len();
        let Some(first) = for_now.first() else {
            letters.flight = None;
            return true;
        };
        let (source, error) = (letters.source.name(), &first.error);
        self.metrics.emit(DeadLetterDelayed { source, error });
        letters.again = Some((Instant::now() + letters.wait, for_now));
        letters.wait = (letters.wait * 2).min(RETRY_WAIT_MAX);
        false
    }

    fn to_file_instead(&self, letters: &mut Letters, undelivered: &Undelivered) {
        let (parcel, source) = (&undelivered.parcel, letters.source.clone());
        let original = parcel.payload.as_deref().unwrap_or_default();
        let (bytes, error) = (original.len(), &undelivered.error);
        self.metrics.emit(DeadLetterToFile {
            source: source.name(),
            bytes,
            error,
        });
        let header = |name: &str| {
            let found = parcel.headers.iter().find(|header| header.key == name);
            found
                .and_then(|header| std::str::from_utf8(header.value?).ok())
                .unwrap_or_default()
        };
        let place = Place::Kafka {
            topic: header("source.topic"),
            partition: header("source.partition").parse().unwrap_or_default(),
            offset: header("source.offset").parse().unwrap_or_default(),
        };
        let reason = crate::waybill::Reason::ALL
            .into_iter()
            .find(|reason| reason.as_str() == header("reason"));
        let refusal = Refusal::field(
            reason.unwrap_or(crate::waybill::Reason::TooLarge),
            header("field"),
            header("detail").to_owned(),
        );
        let letter = DeadLetter {
            source: source.name(),
            place,
            refusal: &refusal,
            key: parcel.key.as_deref(),
            original,
        };
        self.put_in_file(letters, &letter);
    }

    fn written(&self, letters: &mut Letters) -> bool {
        if letters.in_file == 0 {
            return true;
        }
        match self.file().sync() {
            Ok(()) => {
                letters
                    .source
                    .dead_lettered("file", std::mem::take(&mut letters.in_file));
                true
            }
            Err(error) => {
                let source = letters.source.name();
                self.metrics.emit(DeadLetterFileFault { source, error: &error });
                false
            }
        }
    }
}

fn headers(letter: &DeadLetter<'_>) -> OwnedHeaders {
    let text = |headers: OwnedHeaders, key: &str, value: &str| {
        headers.insert(Header {
            key,
            value: Some(value),
        })
    };
    let refusal = letter.refusal;
    let mut headers = OwnedHeaders::new_with_capacity(6);
    headers = text(headers, "reason", refusal.reason.as_str());
    headers = text(headers, "field", &refusal.field);
    headers = text(headers, "detail", &refusal.detail);
    match letter.place {
        Place::Kafka {
            topic,
            partition,
            offset,
        } => {
            headers = text(headers, "source.topic", topic);
            headers = text(headers, "source.partition", &partition.to_string());
            text(headers, "source.offset", &offset.to_string())
        }
        Place::Line(at) => {
            headers = text(headers, "source.topic", letter.source);
            text(headers, "source.line", &at.line.to_string())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::intake::lines::At;
    use crate::waybill::Reason;

    #[test]
    fn letters_to_the_file_are_counted_once_they_are_on_the_disk() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("later").join("dead_letters.ndjson");
        let metrics = Metrics::new();
        let source = metrics.source("http");
        let dead_letters = DeadLetters::to_file(&path, metrics.clone());
        let mut letters = Letters::new(source);
        let refusal = Refusal::record(Reason::NotJson, "not JSON");
        let letter = DeadLetter {
            source: "http",
            place: Place::Line(At { line: 1, offset: 0 }),
            refusal: &refusal,
            key: None,
            original: b"{",
        };
        dead_letters.put(&mut letters, &letter);
        // The folder is not there yet: nothing is lost, nothing is counted.
        assert!(!dead_letters.settled(&mut letters));
        assert_eq!(
            (metrics.faults("dead_letter_file"), metrics.reconcile()[0].dead_lettered),
            (1, 0)
        );
        std::fs::create_dir(path.parent().unwrap()).unwrap();
        assert!(dead_letters.wait(&mut letters, Duration::from_secs(10)));
        assert_eq!(metrics.reconcile()[0].dead_lettered, 1);
        assert_eq!(std::fs::read_to_string(&path).unwrap().lines().count(), 1);
    }
}
