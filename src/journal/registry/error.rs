//! Why the registry cannot be read or changed.

use super::VERSION;
use crate::host::lock::Holder;
use serde_json::Number;
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

/// The registry cannot be read or changed; the state file is as it was.
#[derive(Debug)]
pub enum RegistryError {
    /// Somebody else held the lock for all of the time-out.
    Held {
        /// The lock file.
        path: PathBuf,
        /// Who holds it, if that is to be known.
        holder: Option<Holder>,
        /// The time-out.
        waited: Duration,
    },
    /// A later version of the program wrote it.
    Newer {
        /// The state file.
        path: PathBuf,
        /// Its version.
        version: Number,
    },
    /// It is there, and cannot be read.
    CannotRead {
        /// The state file.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// It cannot be locked or written.
    CannotWrite {
        /// The state file, or the lock file.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
}

impl fmt::Display for RegistryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RegistryError::Held { path, holder: Some(holder), waited } => {
                let (path, pid, note) = (path.display(), holder.process.pid, holder.note.escape_debug());
                write!(f, "{path} is held by process {pid} ({note}); waited {} s for it", waited.as_secs_f64())
            }
            RegistryError::Held { path, holder: None, waited } => {
                write!(f, "{} is held by another process; waited {} s for it", path.display(), waited.as_secs_f64())
            }
            RegistryError::Newer { path, version } => {
                let path = path.display();
                write!(
                    f,
                    "{path} has version {version}, and this swarm knows {VERSION}: left as it is; use the newer swarm"
                )
            }
            RegistryError::CannotRead { path, error } => write!(f, "cannot read {}: {error}", path.display()),
            RegistryError::CannotWrite { path, error } => write!(f, "cannot write {}: {error}", path.display()),
        }
    }
}

impl std::error::Error for RegistryError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            RegistryError::CannotRead { error, .. } | RegistryError::CannotWrite { error, .. } => Some(error),
            RegistryError::Held { .. } | RegistryError::Newer { .. } => None,
        }
    }
}
