//! Enough to find an attempt again after our own crash.

use super::exit::Exit;
use serde::{Deserialize, Serialize};

/// One process, told apart from every other that had or will have its number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessId {
    /// Process id.
    pub pid: i32,
    /// Start time in clock ticks since boot: field 22 of `/proc/<pid>/stat`.
    pub start_time: u64,
    /// `/proc/sys/kernel/random/boot_id`.
    pub boot_id: String,
}

/// Where an attempt runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Handle {
    /// A bare process: its shim, and the worker below it, whose pid is also its process group.
    Process {
        /// The process that reaps the worker and writes its record.
        shim: ProcessId,
        /// The agent itself.
        worker: ProcessId,
    },
}

/// What a probe after a restart finds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Found {
    /// It runs: adopt it.
    Alive(Handle),
    /// It ended while nobody looked; its record says how.
    Ended(Exit),
    /// It was started and is gone without a record.
    Gone,
    /// It was never started: nothing to clean up, starting it is safe.
    Never,
}
