//! Refused records in a file, one JSON object a line, with the original kept whole: the dead-letter file of `run` and
//! the `--rejects` file of `screen`. Readable by its owner only, because what it keeps is personal data in clear.
//!
//! Fields: `source`, then `line` and `offset` or `topic`, `partition` and `offset`; `reason`, `field`, `detail`; and the
//! record as `original` (text) or, where it is not UTF-8 or longer than a record may be, `original_base64`; the key of
//! a Kafka message as `key` or `key_base64`.

use super::lines::At;
use crate::waybill::Refusal;
use base64::engine::general_purpose::STANDARD;
use base64::write::EncoderWriter;
use serde_json::Value;
use std::fs::{File, OpenOptions};
use std::io::{BufWriter, Read, Result, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Where a refused record stood.
#[derive(Clone, Copy, Debug)]
pub enum Place<'a> {
    /// In a file or a request.
    Line(At),
    /// In Kafka.
    Kafka {
        /// Topic.
        topic: &'a str,
        /// Partition.
        partition: i32,
        /// Offset.
        offset: i64,
    },
}

/// One refused record.
#[derive(Clone, Copy, Debug)]
pub struct DeadLetter<'a> {
    /// The source's name, as metrics have it.
    pub source: &'a str,
    /// Where it stood.
    pub place: Place<'a>,
    /// Why it was refused.
    pub refusal: &'a Refusal,
    /// The key of a Kafka message.
    pub key: Option<&'a [u8]>,
    /// The record as it came.
    pub original: &'a [u8],
}

/// Writes the line of one refused record.
pub(super) fn line(into: &mut impl Write, letter: &DeadLetter<'_>) -> Result<()> {
    head(into, letter.source, letter.place, letter.refusal)?;
    if let Some(key) = letter.key {
        bytes(into, "key", key)?;
    }
    bytes(into, "original", letter.original)?;
    into.write_all(b"}\n")
}

fn head(into: &mut impl Write, source: &str, place: Place<'_>, refusal: &Refusal) -> Result<()> {
    write!(into, "{{\"source\":{}", Value::from(source))?;
    match place {
        Place::Line(At { line, offset }) => write!(into, ",\"line\":{line},\"offset\":{offset}")?,
        Place::Kafka {
            topic,
            partition,
            offset,
        } => {
            let topic = Value::from(topic);
            write!(into, ",\"topic\":{topic},\"partition\":{partition},\"offset\":{offset}")?;
        }
    }
    let (reason, field, detail) = (
        refusal.reason,
        Value::from(&*refusal.field),
        Value::from(&*refusal.detail),
    );
    write!(into, ",\"reason\":\"{reason}\",\"field\":{field},\"detail\":{detail}")
}

fn bytes(into: &mut impl Write, name: &str, bytes: &[u8]) -> Result<()> {
    if let Ok(text) = std::str::from_utf8(bytes) {
        return write!(into, ",\"{name}\":{}", Value::from(text));
    }
    write!(into, ",\"{name}_base64\":\"")?;
    let mut encoder = EncoderWriter::new(&mut *into, &STANDARD);
    encoder.write_all(bytes)?;
    encoder.finish()?;
    drop(encoder);
    into.write_all(b"\"")
}

/// Opens a file to go on behind what is there; a last line that a crash cut off is closed first.
pub(crate) fn open_to_append(path: &Path) -> Result<File> {
    let mut file = OpenOptions::new()
        .read(true)
        .append(true)
        .create(true)
        .mode(0o600)
        .open(path)?;
    if file.metadata()?.len() > 0 {
        file.seek(SeekFrom::End(-1))?;
        let mut last = [0];
        file.read_exact(&mut last)?;
        if last != *b"\n" {
            file.write_all(b"\n")?;
        }
    }
    Ok(file)
}

/// A file of refused records.
#[derive(Debug)]
pub struct RejectsFile(BufWriter<File>);

impl RejectsFile {
    /// A new file, in place of any that is there.
    pub fn create(path: &Path) -> Result<Self> {
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(path)?;
        Ok(Self(BufWriter::new(file)))
    }

    /// Goes on behind what is there.
    pub fn append(path: &Path) -> Result<Self> {
        open_to_append(path).map(|file| Self(BufWriter::new(file)))
    }

    /// Writes one refused record.
    pub fn write(&mut self, letter: &DeadLetter<'_>) -> Result<()> {
        line(&mut self.0, letter)
    }

    /// Writes one refused record whose bytes come piece by piece, because they are more than memory should hold;
    /// `copy` writes them, as [`super::lines::Records::copy_too_large`] does, and its result is returned.
    pub fn write_streamed(
        &mut self,
        source: &str,
        place: Place<'_>,
        refusal: &Refusal,
        copy: impl FnOnce(&mut dyn Write) -> Result<u64>,
    ) -> Result<u64> {
        head(&mut self.0, source, place, refusal)?;
        self.0.write_all(b",\"original_base64\":\"")?;
        let mut encoder = EncoderWriter::new(&mut self.0, &STANDARD);
        let copied = copy(&mut encoder)?;
        encoder.finish()?;
        drop(encoder);
        self.0.write_all(b"\"}\n")?;
        Ok(copied)
    }

    /// Hands everything to the operating system.
    pub fn flush(&mut self) -> Result<()> {
        self.0.flush()
    }

    /// Waits until everything is on the disk.
    pub fn sync(&mut self) -> Result<()> {
        self.0.flush()?;
        self.0.get_ref().sync_data()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::waybill::Reason;
    use base64::Engine;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn originals_are_kept_whole_and_a_cut_line_is_closed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rejects.ndjson");
        std::fs::write(&path, "{\"cut").unwrap();
        let refusal = Refusal::field(Reason::WrongType, "item.weight_g", "must be a number");
        let place = Place::Kafka {
            topic: "waybills",
            partition: 3,
            offset: 17,
        };
        let letter = DeadLetter {
            source: "kafka/waybills",
            place,
            refusal: &refusal,
            key: Some(b"YT1"),
            original: "{\"品\"".as_bytes(),
        };
        let mut rejects = RejectsFile::append(&path).unwrap();
        rejects.write(&letter).unwrap();
        rejects
            .write(&DeadLetter {
                original: b"\xff\xfe",
                ..letter
            })
            .unwrap();
        let at = Place::Line(At { line: 2, offset: 9 });
        let copied = rejects.write_streamed("http", at, &refusal, |into| {
            into.write_all(b"\xff".repeat(100).as_slice())?;
            Ok(100)
        });
        assert_eq!(copied.unwrap(), 100);
        rejects.sync().unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!((lines.len(), lines[0]), (4, "{\"cut"));
        let lines: Vec<Value> = lines[1..]
            .iter()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        assert_eq!(
            (&lines[0]["original"], &lines[0]["key"]),
            (&Value::from("{\"品\""), &Value::from("YT1"))
        );
        assert_eq!(
            (&lines[0]["partition"], &lines[0]["offset"]),
            (&Value::from(3), &Value::from(17))
        );
        assert_eq!(lines[1]["original_base64"], STANDARD.encode(b"\xff\xfe"));
        assert_eq!(lines[2]["original_base64"], STANDARD.encode(b"\xff".repeat(100)));
        assert_eq!(lines[2]["line"], 2);
    }

    #[test]
    fn only_the_owner_reads_it() {
        let folder = tempfile::tempdir().unwrap();
        for (name, open) in [("a", RejectsFile::create as fn(&Path) -> _), ("b", RejectsFile::append)] {
            let path = folder.path().join(name);
            open(&path).unwrap();
            assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        }
    }
}
