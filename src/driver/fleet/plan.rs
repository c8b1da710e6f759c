//! What a worker's run keeps of it: all that is needed to judge its end, to put its entry back, and to start it again.

use crate::engine::Policy;
use crate::journal::RunRecord;
use crate::model::{Entry, Span};
use serde::{Deserialize, Serialize};
use std::io;

/// The settings in a worker's `run.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WorkerPlan {
    /// Its entry in the registry, as it was spawned. It holds no value of its environment.
    pub entry: Entry,
    /// The engine's rules: a worker has no clock but the grace of its end.
    pub policy: Policy,
    /// Of one that is started again: its entry before, which stands again if it does not come to life.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Entry>,
}

impl WorkerPlan {
    /// The plan of the worker of `entry`, which gets `grace` between TERM and KILL.
    pub fn new(entry: Entry, grace: Span) -> WorkerPlan {
        let policy = Policy {
            iterations: Some(1),
            max_failures: None,
            max_stalled: None,
            max_ooms: None,
            start_timeout: None,
            idle_timeout: None,
            iteration_timeout: None,
            grace,
            ..Policy::default()
        };
        WorkerPlan { entry, policy, before: None }
    }

    /// The plan in a run's record; an error of kind `InvalidData` for the record of a loop or of another version.
    pub fn of(record: &RunRecord) -> io::Result<WorkerPlan> {
        WorkerPlan::deserialize(&record.settings).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
    }
}
