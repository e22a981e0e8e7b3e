//! Why a record was refused. A refusal never holds a value from the record: it goes to logs, headers and metrics.

use std::borrow::Cow;
use std::fmt;

/// The kind of fault, as metrics and dead-letter headers name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// Longer than [`super::RECORD_BYTES_MAX`].
    TooLarge,
    /// Not UTF-8.
    BadUtf8,
    /// Not JSON.
    NotJson,
    /// JSON, but not an object.
    NotAnObject,
    /// A required field is absent, null or empty.
    MissingField,
    /// A field has another type than the record says.
    WrongType,
    /// A field has the right type and a value that can't be.
    BadValue,
    /// A field stands in the record twice: which one is meant can't be known.
    DuplicateField,
    /// A CSV row that has more or fewer cells than the header, or broken quotes.
    CsvShape,
}

impl Reason {
    /// All reasons: metrics start at zero for each.
    pub const ALL: [Self; 9] = [
        Self::TooLarge,
        Self::BadUtf8,
        Self::NotJson,
        Self::NotAnObject,
        Self::MissingField,
        Self::WrongType,
        Self::BadValue,
        Self::DuplicateField,
        Self::CsvShape,
    ];

    /// The word used in metrics, headers and reject files.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::TooLarge => "too_large",
            Self::BadUtf8 => "bad_utf8",
            Self::NotJson => "not_json",
            Self::NotAnObject => "not_an_object",
            Self::MissingField => "missing_field",
            Self::WrongType => "wrong_type",
            Self::BadValue => "bad_value",
            Self::DuplicateField => "duplicate_field",
            Self::CsvShape => "csv_shape",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One refused record: the reason, the field, and what would have been right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The kind of fault.
    pub reason: Reason,
    /// Dotted path of the field at fault; empty when it is the record as a whole.
    pub field: String,
    /// What is wrong and what would be right. Never a value from the record.
    pub detail: Cow<'static, str>,
}

impl Refusal {
    /// A refusal of the record as a whole.
    pub fn record(reason: Reason, detail: impl Into<Cow<'static, str>>) -> Self {
        Self {
            reason,
            field: String::new(),
            detail: detail.into(),
        }
    }

    /// The refusal of a record that is longer than any waybill.
    pub fn too_large() -> Self {
        let detail = format!("longer than {} KiB", super::RECORD_BYTES_MAX / 1024);
        Self::record(Reason::TooLarge, detail)
    }

    /// A refusal because of one field.
    pub fn field(reason: Reason, field: &str, detail: impl Into<Cow<'static, str>>) -> Self {
        Self {
            reason,
            field: field.to_owned(),
            detail: detail.into(),
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.field.is_empty() {
            write!(f, "{}: {}", self.reason, self.detail)
        } else {
            write!(f, "{}: {}: {}", self.reason, self.field, self.detail)
        }
    }
}

impl std::error::Error for Refusal {}
