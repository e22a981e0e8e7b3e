//! jingyou (警邮) screens courier parcels while they are still in the network, and keeps the case until it is closed.
//!
//! The modules are declared in the order in which a waybill meets them; `ARCHITECTURE.md` is the map.

/// Documents with positions, in which rules and mappings are written.
pub mod yaml;

/// The record: fields, identifiers, decoding from JSON and CSV, carriers' mappings, refusals.
pub mod waybill;

/// Normal forms of text, one step a file, each with its map back to the original.
pub mod text;

/// Rules: Sigma documents and lists in a folder, checked and compiled.
pub mod ruleset;

/// The hot path: record in, verdict out.
pub mod screen;

/// Where records come from, and where refused ones go.
pub mod intake;

/// Identity, colour and merging of alerts; what each kind of reader may see.
pub mod alert;

/// Lifecycle, journal and store of cases.
pub mod case;

/// Telling others: outbox, CloudEvents, sinks.
pub mod notify;

/// The HTTP interface and the live page.
pub mod api;

/// Wires the stages; owns threads, channels, shutdown.
pub mod engine;

/// The configuration: file, environment, and what is wrong with them.
pub mod config;

/// What is counted and timed.
pub mod metrics;

/// The program's own log.
pub mod telemetry;

/// Synthetic waybills with known findings.
pub mod generate;
