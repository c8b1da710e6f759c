//! What a runtime needs to start one attempt.

use super::ids::AttemptId;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// One agent process to be: everything resolved, nothing left to decide.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Launch {
    /// Which attempt.
    pub attempt: AttemptId,
    /// Program and arguments. Never holds a secret: everybody on the machine can read it.
    pub argv: Vec<OsString>,
    /// Working folder.
    pub cwd: PathBuf,
    /// Changes to the supervisor's own environment: a value sets, `None` removes.
    pub env: Vec<(OsString, Option<OsString>)>,
    /// What its standard streams are.
    pub streams: Streams,
    /// Leave descendants alone when the worker ends.
    pub keep_children: bool,
}

/// What the worker reads, and where its words go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Streams {
    /// A headless worker.
    Files {
        /// The composed prompt; becomes standard input as a file, so an agent that never reads cannot block anybody.
        stdin: PathBuf,
        /// The raw log: standard output is appended here, byte for byte.
        out: PathBuf,
        /// Standard error is appended here; the file is made with the first byte.
        err: PathBuf,
        /// What the worker's window shows; nobody looks at a bare worker.
        show: Option<Show>,
    },
    /// An interactive worker: the terminal of the window in which it is started. There is no log of its own.
    Terminal,
}

/// A text log that somebody else writes, and that a window shows as it grows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Show {
    /// The log.
    pub log: PathBuf,
    /// From which byte on.
    pub from: u64,
}

impl Streams {
    /// The raw log, if there is one.
    pub fn out(&self) -> Option<&Path> {
        match self {
            Streams::Files { out, .. } => Some(out),
            Streams::Terminal => None,
        }
    }
}

/// Why an attempt could not be started. Whatever was made for it is gone again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LaunchError {
    /// What failed, to which thing, in the words of the operating system.
    pub message: String,
    /// The program does not exist or cannot be executed: trying again cannot help.
    pub permanent: bool,
}
