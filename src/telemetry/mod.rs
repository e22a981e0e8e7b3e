//! The program's own log: text or JSON lines on stderr. Leaves out metrics, and the journal, which is no log.
//!
//! Never with personal data, and this is how that is kept true:
//! * what is said about a record is said by the events of [`crate::metrics::event`], whose fields are sources, reasons,
//!   field paths, counts and ids; a [`crate::waybill::Refusal`] has no values by construction;
//! * a `Waybill` is never formatted, and a `Finding` holds masked parties only;
//! * a panic's message may quote the text it failed on (slicing a string does), so [`init`] installs a hook that writes
//!   the place in the source and leaves the message out.

use crate::config::{Log, LogFormat};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::writer::BoxMakeWriter;

/// The log could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The level is not one.
    #[error("log.level: {0}: expected error, warn, info, debug or trace, also by part as info,jingyou::intake=debug")]
    Level(#[from] tracing_subscriber::filter::ParseError),
    /// There is a log already.
    #[error("the log was set up twice: {0}")]
    Twice(Box<dyn std::error::Error + Send + Sync>),
}

/// Sets up the log for the whole process, and the panic hook.
pub fn init(log: &Log) -> Result<(), TelemetryError> {
    let filter: EnvFilter = log.level.parse()?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(BoxMakeWriter::new(std::io::stderr));
    match log.format {
        LogFormat::Text => builder.with_ansi(false).try_init(),
        LogFormat::Json => builder.json().flatten_event(true).with_current_span(false).try_init(),
    }
    .map_err(TelemetryError::Twice)?;
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        let thread = std::thread::current().name().unwrap_or("unnamed").to_owned();
        tracing::error!(place, thread, "a bug stopped this thread");
    }));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_that_is_none_is_refused() {
        let log = Log {
            level: "jingyou=loud".to_owned(),
            ..Log::default()
        };
        assert!(init(&log).unwrap_err().to_string().contains("log.level"));
    }
}
