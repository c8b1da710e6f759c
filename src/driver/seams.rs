//! What a driver is handed: the world, in six pieces. The real ones are built by the command line; the simulator has its
//! own.

use crate::agent::Scan;
use crate::engine::board::Open;
use crate::engine::{Ask, Board, Problem, Stamped, Wake};
use crate::model::{AttemptId, Exit, Launch, LaunchError, Note, Now, Sign, Survey};
use jiff::tz::TimeZone;
use std::io;
use std::path::PathBuf;

/// Keeps facts.
#[allow(async_fn_in_trait, reason = "used with static dispatch on one thread")]
pub trait Journal {
    /// Appends facts; when it returns, they survive a power cut. On an error none of them counts.
    async fn append(&mut self, facts: &[Stamped]) -> io::Result<()>;
}

/// Tells the time.
#[allow(async_fn_in_trait, reason = "used with static dispatch on one thread")]
pub trait Clock {
    /// Both clocks, now.
    fn now(&self) -> Now;

    /// The time zone of reset times that name none.
    fn zone(&self) -> &TimeZone;

    /// Returns when either alarm has come; early if the wall clock was set; never if there is no alarm. Cancel-safe.
    async fn until(&self, wake: Wake);
}

/// An attempt whose prompt is composed and whose logs are reserved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ready {
    /// Number of its log files.
    pub log: u32,
    /// Size of the raw log now: its bytes begin there.
    pub raw_from: u64,
    /// Size of the text log now.
    pub text_from: u64,
    /// The work tree before it.
    pub survey: Survey,
}

/// The tree that the agents work in, and what is done there around an attempt. The futures borrow nothing: they run
/// beside the driver's other work.
pub trait Workspace {
    /// Composes the prompt of `attempt` (with what a refused check said), reserves its logs (`log` for a repeated try)
    /// and looks at the tree; `before` is what was seen last.
    fn prepare(
        &self,
        attempt: &AttemptId,
        log: Option<u32>,
        refused: Option<String>,
        before: Option<Survey>,
    ) -> impl Future<Output = Result<Ready, Problem>> + 'static;

    /// What to start for an attempt.
    fn launch(&self, open: &Open) -> Result<Launch, LaunchError>;

    /// The raw log of that number.
    fn raw_log(&self, log: u32) -> PathBuf;

    /// A fresh scanner for the agent's output.
    fn scanner(&self) -> Box<dyn Scan + Send>;

    /// The end of what the attempt wrote to standard error; empty if nothing.
    fn last_words(&self, open: &Open) -> Vec<u8>;

    /// Looks at the tree after an attempt, and removes git locks that a killed one left.
    fn after(&self, open: &Open, exit: &Exit) -> impl Future<Output = (Survey, Vec<Note>)> + 'static;

    /// Pushes the branch; what went wrong, if anything.
    fn push(&self) -> impl Future<Output = Option<String>> + 'static;

    /// Runs the check of a claim: accepted or not, and the end of what it printed.
    fn verify(&self, attempt: &AttemptId) -> impl Future<Output = (bool, String)> + 'static;
}

/// Is told everything, after it is durable: terminal, logs, events.
pub trait Audience {
    /// An attempt begins, or is taken over from an earlier supervisor.
    fn opened(&mut self, open: &Open, adopted: bool);

    /// An attempt's output.
    fn heard(&mut self, attempt: &AttemptId, signs: &[Sign]);

    /// An attempt's output is complete.
    fn closed(&mut self, attempt: &AttemptId);

    /// Facts, with the board after them.
    fn facts(&mut self, board: &Board, facts: &[Stamped]);
}

/// What the driver is told to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// A matter for the engine.
    Ask(Ask),
    /// Leave at once; the worker stays.
    Leave,
}

/// Signals, the control socket.
#[allow(async_fn_in_trait, reason = "used with static dispatch on one thread")]
pub trait Orders {
    /// The next order; pending while there is none. Cancel-safe.
    async fn next(&mut self) -> Order;
}
