//! Where records come from — Kafka, HTTP, files — and where refused ones go. Sources differ in how they cut, hold back
//! and acknowledge; what happens to a record is the same [`crate::engine::lane::Lane`] for all.

pub(crate) mod client;
pub mod lines;
pub mod rejects;
