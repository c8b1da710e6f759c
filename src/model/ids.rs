//! Names of things that outlive one process.

use serde::{Deserialize, Serialize};
use std::fmt;

/// One run of one plan: the name of its folder below `$SWARM_HOME/runs`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RunId(pub String);

/// One thing that a plan wants done. A loop has a single one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TaskId(pub String);

/// One start of one agent. `number` is the iteration; a wait repeats it with the next of `tries`. Both count from 1.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct AttemptId {
    /// The run it belongs to.
    pub run: RunId,
    /// What it works on.
    pub task: TaskId,
    /// The iteration, from 1.
    pub number: u32,
    /// Which try of that iteration, from 1.
    pub tries: u32,
}

impl AttemptId {
    /// The attempt's folder name inside its run, `<number>.<tries>`; unique within the run's task.
    pub fn folder(&self) -> String {
        format!("{}.{}", self.number, self.tries)
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for AttemptId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}.{}", self.task, self.number, self.tries)
    }
}
