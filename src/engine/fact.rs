//! Facts: what happened, in the past tense. They are what the journal keeps, so their spelling is a format: fields are
//! added with defaults, never renamed, and old journals fold for ever.

use super::planner::Until;
use super::policy::Policy;
use crate::model::{AttemptId, Ending, Evidence, Exit, Handle, Note, Now, RunEnding, RunId, Span, StopCause, Survey};
use serde::{Deserialize, Serialize};

/// The version of the facts' format that this binary writes.
pub const VERSION: u32 = 1;

/// A fact with its place and time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Stamped {
    /// Place in the run's journal, from 0.
    pub seq: u64,
    /// When it became a fact.
    #[serde(flatten)]
    pub now: Now,
    /// What.
    #[serde(flatten)]
    pub fact: Fact,
}

/// What happened.
#[allow(clippy::large_enum_variant, reason = "few live at a time, and a box would be in every reader's way")]
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "fact")]
pub enum Fact {
    /// The run began.
    RunOpened {
        /// Format version of the journal.
        version: u32,
        /// Its id.
        run: RunId,
        /// Its rules.
        policy: Policy,
        /// The boot that ticks belong to.
        boot_id: String,
    },
    /// Another supervisor took the run over.
    RunResumed {
        /// The boot that ticks belong to from here on.
        boot_id: String,
        /// How long the run had lasted by then.
        elapsed: Span,
    },
    /// An attempt is to be made. Stands before anything is started.
    AttemptOpened {
        /// Which.
        attempt: AttemptId,
        /// Number of its log files.
        log: u32,
        /// Where in the raw log its bytes begin.
        raw_from: u64,
        /// Where in the text log its words begin.
        text_from: u64,
        /// The work tree before it.
        survey: Survey,
        /// USD that the agent is told to spend at most.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        budget: Option<f64>,
    },
    /// Its process runs.
    AttemptLaunched {
        /// Which.
        attempt: AttemptId,
        /// Where.
        handle: Handle,
    },
    /// A later supervisor found it alive and follows it.
    AttemptAdopted {
        /// Which.
        attempt: AttemptId,
    },
    /// We set out to end it.
    AttemptStopping {
        /// Which.
        attempt: AttemptId,
        /// Why.
        cause: StopCause,
    },
    /// It is over and judged.
    AttemptEnded {
        /// Which.
        attempt: AttemptId,
        /// How its process ended; `None` when it was never started.
        exit: Option<Exit>,
        /// What its output said.
        evidence: Evidence,
        /// The work tree after it.
        survey: Survey,
        /// Did it get anywhere? `None` when nothing can tell.
        progress: Option<bool>,
        /// The verdict.
        #[serde(flatten)]
        ending: Ending,
        /// What is said beside it.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        notes: Vec<Note>,
        /// What it is charged.
        charge: Charge,
        /// From launch to end.
        lasted: Span,
        /// A claim that must be checked before it counts.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        to_verify: bool,
    },
    /// The check of a claim answered.
    ClaimChecked {
        /// Whose claim.
        attempt: AttemptId,
        /// Did the check accept it?
        pass: bool,
        /// The end of what the check printed.
        tail: String,
    },
    /// The branch was pushed, or not.
    Pushed {
        /// After which attempt.
        attempt: AttemptId,
        /// Why not, if not.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        warning: Option<String>,
    },
    /// Nothing runs until then.
    WaitStarted {
        /// The end of the wait.
        until: Until,
        /// The ending that asks for it.
        why: Wait,
    },
    /// The log of a running attempt cannot be written.
    LogBlocked {
        /// Whose.
        attempt: AttemptId,
        /// The system's words.
        error: String,
    },
    /// It can be written again.
    LogFlowing {
        /// Whose.
        attempt: AttemptId,
    },
    /// The operator paused the run: no further iteration starts.
    Paused,
    /// The operator resumed it.
    Unpaused,
    /// The supervisor was stopped by the terminal (Ctrl-Z): the clocks stand.
    Suspended,
    /// It goes on.
    Continued {
        /// How long it stood.
        stood: Span,
    },
    /// The operator asked for the end.
    StopAsked {
        /// The signal that the exit code is made of.
        signal: i32,
        /// Not after this iteration but now.
        at_once: bool,
    },
    /// The run is over.
    RunFinished {
        /// Why.
        #[serde(flatten)]
        ending: RunEnding,
    },
}

/// Why nothing runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Wait {
    /// A rate or usage limit.
    RateLimit,
    /// The API is out of reach.
    Outage,
    /// A failure, backed off.
    Failure,
    /// Out of memory.
    Oom,
    /// `--delay`.
    Delay,
}

/// What an attempt costs the run.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Charge {
    /// The agent told.
    Exact(f64),
    /// It did not; at least this is assumed.
    AtLeast(f64),
    /// Nobody knows.
    #[default]
    Unknown,
}
