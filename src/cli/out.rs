//! Writing to pipes: buffers, and a reader that went away.

use std::io;
use std::process::ExitCode;

/// The buffer of bulk output, in bytes.
pub const BUFFER_BYTES: usize = 1 << 20;

/// A closed pipe (`jingyou … | head`) is the reader's way to say enough: the command ends well.
pub fn unless_closed(error: io::Error, what: &str) -> anyhow::Result<ExitCode> {
    if error.kind() == io::ErrorKind::BrokenPipe {
        return Ok(ExitCode::SUCCESS);
    }
    Err(anyhow::Error::new(error).context(format!("writing the {what}")))
}
