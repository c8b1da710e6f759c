//! Every error that a user sees: what happened, to which thing, and what to do about it.

use crate::host::words::without_numbers;
use std::fmt;

/// The result of a verb.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error with its documented exit code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    /// The exit code of the process.
    pub code: u8,
    /// What happened, to which thing; printed as `swarm: error: …`.
    pub message: String,
    /// What to do about it; printed on a line of its own.
    pub hint: Option<String>,
}

impl Error {
    /// The code of what is wrong with one thing and says nothing of another.
    pub const FAILED: u8 = 1;

    /// Exit code 1: it failed.
    pub fn failed(message: impl Into<String>) -> Error {
        Error { code: Error::FAILED, message: message.into(), hint: None }
    }

    /// Exit code 2: bad usage, nothing was made.
    pub fn usage(message: impl Into<String>) -> Error {
        Error { code: 2, ..Error::failed(message) }
    }

    /// Exit code 73: another supervisor holds it.
    pub fn held(message: impl Into<String>) -> Error {
        Error { code: 73, ..Error::failed(message) }
    }

    /// Exit code 74: logs or state cannot be written.
    pub fn cannot_write(message: impl Into<String>) -> Error {
        Error { code: 74, ..Error::failed(message) }
    }

    /// The same with a hint.
    #[must_use]
    pub fn hint(self, hint: impl Into<String>) -> Error {
        Error { hint: Some(hint.into()), ..self }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "swarm: error: {}", without_numbers(&self.message))?;
        match &self.hint {
            Some(hint) => write!(f, "\n  hint: {hint}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Error {}
