//! Plain data that every other part speaks of. No I/O, no decisions.
#![deny(clippy::disallowed_methods)]

pub mod ending;
pub mod evidence;
pub mod exit;
pub mod handle;
pub mod ids;
pub mod launch;
pub mod limit;
pub mod sign;
pub mod survey;
pub mod time;
pub mod worker;

pub use ending::{Ending, Note, RunEnding, StopCause};
pub use evidence::{Claim, Evidence, LineCounts, Outcome, Usage};
pub use exit::{Exit, Oom, Status};
pub use handle::{Found, Handle, ProcessId};
pub use ids::{AttemptId, RunId, TaskId};
pub use launch::{Launch, LaunchError, Show, Streams};
pub use limit::LimitNotice;
pub use sign::Sign;
pub use survey::{Boxes, Survey, Tree};
pub use time::{Now, Span, Tick, Wall};
pub use worker::{BadName, Entry, Standing, Window, WorkerEnd, WorkerName, Worktree};
