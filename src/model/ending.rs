//! How an iteration and how a run ended: two closed lists.

use super::time::Wall;
use serde::{Deserialize, Serialize};

/// The ending of one attempt; the list of the loop contract.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "ending")]
pub enum Ending {
    /// The agent claims that all is done, by the rule.
    Done,
    /// A clean end without that claim: go on.
    Clean,
    /// It could not be started.
    LaunchFailed {
        /// What failed.
        error: String,
        /// Trying again cannot help.
        permanent: bool,
    },
    /// The log's disk stayed full past `--disk-wait`.
    LogFull,
    /// The model's output limit.
    OutputLimit,
    /// The model withheld the answer.
    Refusal,
    /// The operator stopped it.
    Stopped,
    /// The Docker daemon went away and took the evidence with it.
    EngineLost,
    /// Somebody removed the container.
    ContainerRemoved,
    /// A nonzero exit code that nothing explains better.
    Failed {
        /// The code; 0 when only the agent's own words say that it failed.
        code: i32,
        /// The agent's words, if any.
        text: String,
    },
    /// A signal that we did not send.
    Killed {
        /// The signal.
        signal: i32,
    },
    /// Out of memory, confirmed by the kernel's own counter.
    Oom,
    /// A child ran out of memory and the agent failed with it or after it.
    OomInside,
    /// No output at all in time.
    StartTimeout,
    /// Output stopped for too long.
    IdleTimeout,
    /// The iteration took too long.
    WallTimeout,
    /// A rate or usage limit.
    RateLimited {
        /// When it ends, if the agent said so.
        until: Option<Wall>,
    },
    /// The API is overloaded, broken or out of reach.
    Overloaded,
    /// A person must log in or pay.
    AuthFailure {
        /// The agent's words.
        text: String,
    },
    /// A person must correct the configuration.
    ConfigFailure {
        /// The agent's words.
        text: String,
    },
    /// The prompt or conversation does not fit.
    ContextTooLong,
    /// The agent's own turn or budget limit: a used iteration.
    OwnLimit,
    /// Somebody else sent it SIGINT.
    Interrupted,
    /// Gone, and nobody saw how.
    Lost,
}

impl Ending {
    /// The same iteration is to be tried again: it costs none.
    pub fn repeats(&self) -> bool {
        matches!(self, Ending::RateLimited { .. } | Ending::Overloaded)
    }

    /// Only a person can cure it; repeating at once is pointless.
    pub fn needs_a_person(&self) -> bool {
        matches!(self, Ending::AuthFailure { .. } | Ending::ConfigFailure { .. })
    }

    /// Counts towards `--max-failures`. Context, refusal and output limit do; the agent's own turn or budget limit is a
    /// used iteration, and OOM has a count of its own.
    pub fn is_failure(&self) -> bool {
        match self {
            Ending::Done
            | Ending::Clean
            | Ending::Stopped
            | Ending::OwnLimit
            | Ending::Oom
            | Ending::RateLimited { .. }
            | Ending::Overloaded => false,
            Ending::LaunchFailed { .. }
            | Ending::LogFull
            | Ending::OutputLimit
            | Ending::Refusal
            | Ending::EngineLost
            | Ending::ContainerRemoved
            | Ending::Failed { .. }
            | Ending::Killed { .. }
            | Ending::OomInside
            | Ending::StartTimeout
            | Ending::IdleTimeout
            | Ending::WallTimeout
            | Ending::AuthFailure { .. }
            | Ending::ConfigFailure { .. }
            | Ending::ContextTooLong
            | Ending::Interrupted
            | Ending::Lost => true,
        }
    }
}

/// Why we ourselves set out to end an attempt, if we did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StopCause {
    /// A signal to the supervisor, or the operator's `stop --now`.
    Operator,
    /// `--start-timeout`.
    StartTimeout,
    /// `--idle-timeout`.
    IdleTimeout,
    /// `--iteration-timeout`, or the run's `--max-time` while it ran.
    WallTimeout,
    /// `--result-grace` after the final result.
    HungAfterResult,
    /// `--disk-wait` with a full disk.
    LogFull,
}

/// What is said beside an ending and does not change it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "note")]
pub enum Note {
    /// The process stayed alive after its final result and was ended.
    HungAfterResult,
    /// A child was killed for memory; the agent went on.
    OomInside,
    /// The done word appears, but the rule is not met.
    NearMiss {
        /// Which part of the rule.
        why: String,
    },
    /// Done was claimed while the plan has open boxes.
    OpenBoxes {
        /// How many.
        open: u32,
    },
    /// A process of the worker could not be ended.
    LeftBehind {
        /// Its pid.
        pid: i32,
    },
    /// The plan has no open box left, for the second iteration, and the agent does not claim to be done.
    NoOpenBox,
    /// The same box has been the first open one for this many iterations.
    SameBox {
        /// Its text.
        text: String,
        /// For how many iterations.
        iterations: u32,
    },
    /// A git lock file that the killed worker left was removed.
    RemovedLock {
        /// Its path.
        path: String,
    },
}

/// Why the whole run ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "reason")]
pub enum RunEnding {
    /// Done by the rule.
    Done,
    /// Too many failures in a row.
    GaveUp {
        /// How many.
        failures: u32,
    },
    /// The prompt file is gone or unreadable.
    PromptGone {
        /// What the system says.
        error: String,
    },
    /// The program of the agent cannot be started at all.
    CannotLaunch {
        /// What the system says.
        error: String,
    },
    /// All iterations used without done.
    IterationsUsed,
    /// `--max-time`.
    TimeLimit,
    /// `--max-cost`.
    CostLimit,
    /// `--max-stalled` iterations without progress.
    Stalled {
        /// How many.
        iterations: u32,
    },
    /// Out of memory again and again.
    RepeatedOom {
        /// How many in a row.
        times: u32,
    },
    /// A person must act.
    PersonNeeded {
        /// Login, credit, model, …: the agent's words.
        text: String,
    },
    /// Logs or state cannot be written.
    CannotWrite {
        /// What and why.
        error: String,
    },
    /// A reset further away than `--max-wait`.
    WaitTooLong {
        /// When the limit ends, if known.
        until: Option<Wall>,
    },
    /// `--max-outage` without an answer.
    OutageTooLong,
    /// A signal, or the operator's `stop`.
    Stopped {
        /// The signal that the exit code is made of (`stop` counts as SIGTERM).
        signal: i32,
    },
    /// A single worker is over; its own ending says how.
    WorkerEnded,
}

impl RunEnding {
    /// The documented exit code of a run that ended so.
    pub fn exit_code(&self) -> u8 {
        match self {
            RunEnding::Done | RunEnding::WorkerEnded => 0,
            RunEnding::GaveUp { .. } | RunEnding::PromptGone { .. } | RunEnding::CannotLaunch { .. } => 1,
            RunEnding::IterationsUsed => 3,
            RunEnding::TimeLimit | RunEnding::CostLimit => 4,
            RunEnding::Stalled { .. } => 5,
            RunEnding::RepeatedOom { .. } => 6,
            RunEnding::PersonNeeded { .. } => 10,
            RunEnding::CannotWrite { .. } => 74,
            RunEnding::WaitTooLong { .. } | RunEnding::OutageTooLong => 75,
            RunEnding::Stopped { signal } => u8::try_from(128 + signal).unwrap_or(143),
        }
    }
}
