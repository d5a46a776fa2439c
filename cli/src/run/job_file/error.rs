//! Why a job file is refused: the place as data, the sentence at the end.

use std::error::Error;
use std::fmt::{Display, Formatter, Result};
use std::io;

use super::field::FIELDS;

/// A refusal and its place.
#[derive(Debug)]
pub(crate) struct JobFileError {
    pub(crate) file: String,
    /// Counted from 1.
    pub(crate) line: usize,
    pub(crate) fault: Fault,
}

/// What is wrong with a line.
#[derive(Debug)]
#[non_exhaustive]
pub(crate) enum Fault {
    /// The file could not be read on.
    Io(io::Error),
    /// The line is longer than a job can be.
    LineTooLong { max: usize },
    /// The line is not JSON.
    Json { column: usize, message: String },
    /// The line is JSON, but not an object.
    NotAnObject,
    /// No job has this field.
    UnknownField { field: String },
    /// The field stands twice in one object.
    RepeatedField { field: String },
    /// A job cannot be without this field.
    Missing { field: &'static str },
    /// The value has the wrong type.
    Type { field: &'static str, expected: &'static str, found: &'static str },
    /// The value has the right type, but no command can use it.
    Value { field: &'static str, why: &'static str },
    /// The value is longer than its field allows.
    TooLong { field: &'static str, max: usize },
    /// The number is outside of its bounds.
    Range { field: &'static str, min: u64, max: u64 },
    /// An earlier line has the same id.
    DuplicateId { id: String, first: usize },
}

impl Display for JobFileError {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        write!(f, "{}:{}: {}", self.file, self.line, self.fault)
    }
}

impl Display for Fault {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self {
            Fault::Io(error) => write!(f, "cannot be read: {error}"),
            Fault::LineTooLong { max } => write!(f, "longer than {max} bytes"),
            Fault::Json { column, message } => write!(f, "column {column}: not JSON: {message}"),
            Fault::NotAnObject => write!(f, "not a JSON object"),
            Fault::UnknownField { field } => {
                write!(f, "field {field:?}: unknown; a job has {}", FIELDS.join(", "))
            }
            Fault::RepeatedField { field } => write!(f, "field {field:?}: stands here twice"),
            Fault::Missing { field } => write!(f, "field {field:?}: missing"),
            Fault::Type { field, expected, found } => {
                write!(f, "field {field:?}: expected {expected}, found {found}")
            }
            Fault::Value { field, why } => write!(f, "field {field:?}: {why}"),
            Fault::TooLong { field, max } => write!(f, "field {field:?}: longer than {max} bytes"),
            Fault::Range { field, min, max } => {
                write!(f, "field {field:?}: expected a whole number from {min} to {max}")
            }
            Fault::DuplicateId { id, first } => {
                write!(f, "field \"id\": {id:?} is the id of line {first} already")
            }
        }
    }
}

impl Error for JobFileError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.fault {
            Fault::Io(error) => Some(error),
            _ => None,
        }
    }
}
