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

/// A count with separators: `1,234,567`.
pub fn grouped(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
