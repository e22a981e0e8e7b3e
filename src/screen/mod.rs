//! The hot path: record in, verdict out. Pure: no I/O, no clock, no tokio.

mod verdict;

pub use verdict::{Evidence, Hit, Verdict};
