//! Messages that a sink refused for good, kept in `outbox.dead.ndjson` in the data folder, so that the stream behind
//! them goes on: `at`, `sink`, `id`, `key`, `error`, and the message as `event`.

use super::Message;
use crate::intake::rejects::open_to_append;
use serde_json::{Value, json};
use std::fmt::Display;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// The file.
pub(super) struct DeadList {
    path: PathBuf,
}

impl DeadList {
    pub fn new(folder: &Path) -> Self {
        Self {
            path: folder.join("outbox.dead.ndjson"),
        }
    }

    /// Keeps a message; it is on the disk when this returns.
    pub fn keep(&self, sink: &str, message: &Message, error: &dyn Display) -> io::Result<()> {
        let event: Value = serde_json::from_slice(&message.body)?;
        let line = json!({
            "at": OffsetDateTime::now_utc().format(&Rfc3339).map_err(io::Error::other)?,
            "sink": sink,
            "id": message.id,
            "key": message.key,
            "error": error.to_string(),
            "event": event,
        });
        let mut file = open_to_append(&self.path)?;
        file.write_all(format!("{line}\n").as_bytes())?;
        file.sync_data()
    }
}
