//! The waybill: its fields, how bytes become one, and why some are refused.
//!
//! Decoding is one pass without copies: a [`Record`] keeps, for each field that anyone asks for, where in the
//! original bytes its value stands. The same pass serves canonical records, carriers' own shapes (through a
//! [`Mapping`]), CSV rows, and arbitrary JSON objects. Pure: no I/O, no clock.

mod csv;
mod event_time;
pub mod identity;
mod json;
mod mapping;
mod record;
mod refusal;
mod schema;

pub use csv::CsvLayout;
pub use event_time::parse_rfc3339;
pub use json::{Decoder, RECORD_BYTES_MAX};
pub use mapping::{Mapping, MappingError};
pub use record::{List, Record, Value, Waybill};
pub use refusal::{Reason, Refusal};
pub use schema::{Field, Kind, Schema, Slot, slot};
