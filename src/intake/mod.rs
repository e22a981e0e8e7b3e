//! Where records come from — Kafka, HTTP, files — and where refused ones go. Sources differ in how they cut, hold back
//! and acknowledge; what happens to a record is the same [`crate::engine::lane::Lane`] for all.

pub(crate) mod client;
pub mod dead_letters;
pub(crate) mod gather;
pub mod http;
pub mod kafka;
pub mod lines;
pub(crate) mod publisher;
pub mod rejects;
