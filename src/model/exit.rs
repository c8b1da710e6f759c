//! How a process ended, as the operating system tells it.

use super::handle::ProcessId;
use serde::{Deserialize, Serialize};
use std::fmt;

/// The end of an attempt's process, with what was seen around it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exit {
    /// Exit code, signal, or unseen.
    pub status: Status,
    /// Its own fact, never guessed from 137.
    pub oom: Oom,
    /// Descendants that could not be ended (they ignored KILL in the kernel, or belong to another daemon).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left: Vec<ProcessId>,
}

/// How the leader ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// It exited by itself.
    Code(i32),
    /// A signal ended it.
    Signal(i32),
    /// It is gone, and nobody saw how.
    Lost,
}

/// Whether the kernel killed it for memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Oom {
    /// The cgroup's or the container's own counter says so, and the leader was the victim.
    Confirmed,
    /// A child was the victim; the leader went on and ended by itself.
    Inside,
    /// There is a counter, and it did not move.
    Denied,
    /// No evidence is to be had.
    #[default]
    Unknown,
}

impl Exit {
    /// An end of which nothing but `status` is known.
    pub fn plain(status: Status) -> Exit {
        Exit { status, oom: Oom::Unknown, left: Vec::new() }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Status::Code(code) => write!(f, "exit code {code}"),
            Status::Signal(signal) => write!(f, "signal {signal}"),
            Status::Lost => f.write_str("unseen"),
        }
    }
}
