//! What a plan is asked: two pure questions about the board.

use super::board::{Board, Open};
use super::fact::Wait;
use crate::model::{Ending, Evidence, Exit, Note, Now, RunEnding, StopCause, Survey, TaskId, Tick, Wall};
use serde::{Deserialize, Serialize};

/// A plan decides what an ending means and what comes next. It owns no state: everything is on the board.
pub trait Planner {
    /// What the end of `open` means, and whether its claim must still be checked.
    fn judge(&self, board: &Board, open: &Open, seen: &Ended<'_>) -> Verdict;

    /// What to do when nothing more is to be heard at `now`.
    fn next(&self, board: &Board, now: Now) -> Next;
}

/// What is known of an attempt that is over.
#[derive(Debug, Clone, Copy)]
pub struct Ended<'a> {
    /// How the process ended.
    pub exit: &'a Exit,
    /// What its output said.
    pub evidence: &'a Evidence,
    /// The work tree after it.
    pub survey: &'a Survey,
    /// Why we ended it, if we did.
    pub cause: Option<StopCause>,
}

/// The judgement of one attempt.
#[derive(Debug, Clone, PartialEq)]
pub struct Verdict {
    /// The ending.
    pub ending: Ending,
    /// What is said beside it.
    pub notes: Vec<Note>,
    /// Did it get anywhere?
    pub progress: Option<bool>,
    /// The claim counts only after the check.
    pub to_verify: bool,
}

/// What comes next.
#[derive(Debug, Clone, PartialEq)]
pub enum Next {
    /// Start this attempt.
    Start {
        /// On what.
        task: TaskId,
        /// Iteration.
        number: u32,
        /// Try of it.
        tries: u32,
    },
    /// Nothing before that.
    Wait {
        /// The end of the wait.
        until: Until,
        /// Why.
        why: Wait,
    },
    /// Nothing until something is heard.
    Hold,
    /// The run is over.
    Finish(RunEnding),
}

/// The end of a wait, on the clock that it belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Until {
    /// Ours: monotonic.
    Tick(Tick),
    /// The agent's: wall.
    Wall(Wall),
}

impl Until {
    /// Has it come?
    pub fn reached(self, now: Now) -> bool {
        match self {
            Until::Tick(tick) => now.tick >= tick,
            Until::Wall(wall) => now.wall >= wall,
        }
    }
}
