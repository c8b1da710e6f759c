//! What the stand-in is asked to play: the format of the scenario file.
//!
//! ```json
//! { "faults": [{ "times": 2, "fault": "overloaded" }, { "times": 1, "fault": { "stall": { "seconds": 60 } } }],
//!   "sessions": [{ "steps": [{ "say": "Testing.", "bash": { "command": "sleep 60" } }, { "say": "Tested." }] }, "plan"] }
//! ```
//!
//! The faults are used up first, in their order, by the model requests as they come. What comes after them is answered:
//! the n-th session of the CLI (by its own session id) gets the n-th entry of `sessions`, later ones the last.

use serde::Deserialize;
use std::io;
use std::path::Path;

/// The whole file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Scenario {
    #[serde(default)]
    pub(crate) faults: Vec<Spell>,
    pub(crate) sessions: Vec<Session>,
}

/// A number of requests that fail alike.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Spell {
    pub(crate) times: usize,
    pub(crate) fault: Fault,
}

/// One way to fail. The words and headers are those of the real API.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Fault {
    /// 429 with `retry-after`.
    RateLimited { retry_after_s: u64 },
    /// 429 with the headers of a subscription whose five hours are used up. The CLI heeds them only with a token
    /// (`CLAUDE_CODE_OAUTH_TOKEN`), not with a key.
    UsageLimit { resets_in_s: u64 },
    /// 529.
    Overloaded,
    /// 500.
    ServerError,
    /// 401.
    Unauthorized,
    /// 403.
    Forbidden,
    /// 400, credit used up.
    NoCredit,
    /// The stream begins, then no byte for so long, then it closes.
    Stall { seconds: u64 },
    /// Not even a status line for so long, then it closes.
    Silence { seconds: u64 },
    /// The stream ends in the middle of the answer.
    Cut,
    /// The connection is reset.
    Reset,
}

/// What one conversation gets.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Session {
    /// The worker of `IMPLEMENTATION_PLAN.md`, see [`crate::plan`].
    Plan,
    /// These answers in this order; the last one again and again.
    Steps(Vec<Step>),
}

/// One answer of the model.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Step {
    /// Its text.
    pub(crate) say: String,
    /// The command that it asks the CLI to run; none ends the turn.
    #[serde(default)]
    pub(crate) bash: Option<Bash>,
}

/// The input of the CLI's Bash tool.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Bash {
    pub(crate) command: String,
    /// Asks for it to be run beside the conversation.
    #[serde(default)]
    pub(crate) background: bool,
}

/// Reads the file. What is not understood is an error.
pub(crate) fn read(path: &Path) -> io::Result<Scenario> {
    let scenario: Scenario = serde_json::from_slice(&std::fs::read(path)?)?;
    if scenario.sessions.iter().any(|session| matches!(session, Session::Steps(steps) if steps.is_empty())) {
        return Err(io::Error::other("a session without steps"));
    }
    if scenario.sessions.is_empty() { Err(io::Error::other("no sessions")) } else { Ok(scenario) }
}
