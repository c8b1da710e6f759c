//! What can go wrong with workers, in words for people.

use crate::journal::RegistryError;
use std::fmt;
use std::io;

/// An error of the fleet: what happened, to which thing, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// What the exit code is made of.
    pub kind: Kind,
    /// What happened, to which thing.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

/// Kinds of trouble that a caller can tell apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// It failed.
    Failed,
    /// What was asked for cannot be.
    Usage,
    /// Somebody else holds what is needed.
    Held,
    /// State or logs cannot be written.
    CannotWrite,
    /// A signal came first; its number.
    Interrupted(i32),
}

impl Trouble {
    /// It failed.
    pub fn failed(message: impl Into<String>) -> Trouble {
        Trouble { kind: Kind::Failed, message: message.into(), hint: None }
    }

    /// The same of another kind.
    #[must_use]
    pub fn kind(self, kind: Kind) -> Trouble {
        Trouble { kind, ..self }
    }

    /// The same with a hint.
    #[must_use]
    pub fn hint(self, hint: impl Into<String>) -> Trouble {
        Trouble { hint: Some(hint.into()), ..self }
    }

    /// The same, behind what was being done.
    #[must_use]
    pub fn while_doing(self, what: &str) -> Trouble {
        Trouble { message: format!("{what}: {}", self.message), ..self }
    }

    /// An error of the system about one thing; a full or read-only disk is one of writing.
    pub fn of_io(what: impl fmt::Display, error: &io::Error) -> Trouble {
        use io::ErrorKind::{PermissionDenied, QuotaExceeded, ReadOnlyFilesystem, StorageFull};
        let writing = matches!(error.kind(), StorageFull | QuotaExceeded | ReadOnlyFilesystem | PermissionDenied);
        let kind = if writing { Kind::CannotWrite } else { Kind::Failed };
        Trouble::failed(format!("{what}: {error}")).kind(kind)
    }
}

impl From<RegistryError> for Trouble {
    fn from(error: RegistryError) -> Trouble {
        let kind = match &error {
            RegistryError::Held { .. } => Kind::Held,
            RegistryError::CannotWrite { .. } => Kind::CannotWrite,
            RegistryError::Newer { .. } | RegistryError::CannotRead { .. } => Kind::Failed,
        };
        let hint = match &error {
            RegistryError::Held { .. } => "wait for it, or end it if it hangs",
            RegistryError::Newer { .. } => "use the version of swarm that wrote it; it was left untouched",
            RegistryError::CannotRead { .. } => "correct its rights, or set SWARM_HOME to another folder",
            RegistryError::CannotWrite { .. } => "make room or correct the rights there, or set SWARM_HOME",
        };
        Trouble::failed(error.to_string()).kind(kind).hint(hint)
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Trouble {}
