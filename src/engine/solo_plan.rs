//! The plan of `swarm spawn`: one task, one attempt, and its end is the end of the run. What the ending means is read from
//! the same truth table as a loop's; nothing is repeated, because a person or a director decides what comes next.

use super::board::{Board, Open};
use super::planner::{Ended, Next, Planner, Verdict};
use super::verdict;
use crate::model::{Ending, Note, Now, RunEnding, TaskId};

/// The plan of one worker.
#[derive(Debug, Clone, Copy, Default)]
pub struct SoloPlan;

impl SoloPlan {
    /// A worker's only task.
    pub fn task() -> TaskId {
        TaskId("worker".to_owned())
    }
}

impl Planner for SoloPlan {
    fn judge(&self, _board: &Board, _open: &Open, seen: &Ended<'_>) -> Verdict {
        let (ending, mut notes) = verdict::ending(seen.exit, seen.evidence, seen.cause);
        notes.extend(seen.exit.left.iter().map(|process| Note::LeftBehind { pid: process.pid }));
        Verdict { ending, notes, progress: None, to_verify: false }
    }

    fn next(&self, board: &Board, _now: Now) -> Next {
        if board.run.is_none() {
            return Next::Hold;
        }
        match board.last.as_ref().map(|last| &last.ending) {
            None => Next::Start { task: SoloPlan::task(), number: 1, tries: 1 },
            Some(Ending::LaunchFailed { error, .. }) => Next::Finish(RunEnding::CannotLaunch { error: error.clone() }),
            Some(_) => Next::Finish(RunEnding::WorkerEnded),
        }
    }
}
