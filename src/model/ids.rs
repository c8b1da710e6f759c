//! Names of things that outlive one process.

use serde::{Deserialize, Serialize};
use std::fmt;

/// One run of one plan: the name of its folder below `$SWARM_HOME/runs`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct RunId(pub String);

/// Text that is no id of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadRunId(String);

impl TryFrom<String> for RunId {
    type Error = BadRunId;
    /// Paths are made of it, and folders removed by it: what is read from a file that anybody can have written is no id
    /// unless it is one plain name.
    fn try_from(id: String) -> Result<RunId, BadRunId> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        let is_name = !id.is_empty() && !id.starts_with('.') && id.bytes().all(plain);
        if is_name { Ok(RunId(id)) } else { Err(BadRunId(id)) }
    }
}

impl fmt::Display for BadRunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} is no id of a run", self.0)
    }
}

impl std::error::Error for BadRunId {}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_that_is_read_is_one_plain_name() {
        let read = |id: &str| serde_json::from_value::<RunId>(serde_json::json!(id));
        let ours = read("20261121-120635-123-1a2b-0").unwrap();
        assert_eq!(serde_json::to_string(&ours).unwrap(), "\"20261121-120635-123-1a2b-0\"");
        for bad in ["", ".", "..", "../../etc", "/etc", "a/b", "a b", "a\0", ".hidden"] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }
}
