//! Where attempts run. A runtime starts, finds again, signals and watches; it decides nothing.

pub mod process;
pub mod tmux;

use crate::model::{AttemptId, Exit, Found, Handle, Launch, LaunchError};
use std::io;
use std::path::Path;

/// What a runtime is asked to do to a live attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Nudge {
    /// Ask the worker to end (TERM, and CONT so that a stopped one hears it).
    Term,
    /// End it and everything it started, now.
    Kill,
    /// Stop its processes for a while (the operator's Ctrl-Z).
    Suspend,
    /// Let them go on.
    Continue,
}

/// What a runtime reports by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The raw log grew; the new bytes are in the caller's buffer.
    Output {
        /// Whose.
        attempt: AttemptId,
    },
    /// The log cannot be written (disk full, folder gone); the worker's output waits in its pipe.
    Paused {
        /// Whose.
        attempt: AttemptId,
        /// The system's words.
        error: String,
    },
    /// The log can be written again.
    Flowing {
        /// Whose.
        attempt: AttemptId,
    },
    /// The attempt is over: its exit is recorded, none of its processes is left (but those named), and every byte of its
    /// raw log was delivered before. The last event of an attempt.
    Ended {
        /// Whose.
        attempt: AttemptId,
        /// How.
        exit: Exit,
    },
}

/// The place where attempts run. The driver is generic over it, so that the simulator runs the same code.
#[allow(async_fn_in_trait, reason = "used with static dispatch on one thread")]
pub trait Runtime {
    /// Starts an attempt, and returns when the program was really executed or could not be. On an error nothing is left
    /// behind. An attempt that was started before is never started twice: its handle is returned.
    async fn launch(&mut self, launch: &Launch) -> Result<Handle, LaunchError>;

    /// What became of an attempt that an earlier supervisor opened.
    async fn probe(&mut self, attempt: &AttemptId) -> io::Result<Found>;

    /// Follows an attempt that an earlier supervisor started and that is alive, ended or gone: its raw log `out` from
    /// byte `from` on comes as [`Event::Output`], then [`Event::Ended`] (status lost where no record tells).
    async fn adopt(&mut self, attempt: &AttemptId, out: &Path, from: u64) -> io::Result<()>;

    /// Signals a live attempt. One that is over is left alone: no signal ever reaches a process that is not ours.
    fn nudge(&mut self, attempt: &AttemptId, nudge: Nudge) -> io::Result<()>;

    /// Removes what the runtime keeps of an attempt that is over.
    async fn discard(&mut self, attempt: &AttemptId) -> io::Result<()>;

    /// Waits for the next thing to report. `chunk` is overwritten with the bytes of an [`Event::Output`]. Cancel-safe:
    /// a dropped call loses no event. Pending for ever while nothing runs.
    async fn next(&mut self, chunk: &mut Vec<u8>) -> Event;
}
