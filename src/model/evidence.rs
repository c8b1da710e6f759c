//! What the whole output of one attempt says, once it is over.

use super::limit::LimitNotice;
use serde::{Deserialize, Serialize};

/// All that an agent's output contributes to the verdict. The exit status and our own interference are judged with it
/// by the engine's one table.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Evidence {
    /// Did the final answer claim that everything is done?
    pub claim: Claim,
    /// What the agent says of its own ending.
    pub outcome: Outcome,
    /// A final line of the agent's protocol was read, and `outcome` is what it says. Never true for agents that have no such
    /// line: of those the exit status alone speaks.
    #[serde(default)]
    pub concluded: bool,
    /// A limit notice that stands at the end. Counts only where the attempt did not succeed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<LimitNotice>,
    /// The agent's client retried and no answer came after it: without a result line the cause lies with the API.
    #[serde(default)]
    pub retrying: bool,
    /// The last line of standard error, where the exit code alone says that it failed; empty if there is none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub last_words: String,
    /// What it cost.
    pub usage: Usage,
    /// What was read.
    pub lines: LineCounts,
}

/// The done rule applied to the final answer.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Claim {
    /// No word of it.
    #[default]
    None,
    /// The word appears, but the rule is not met.
    NearMiss {
        /// Line of the log on which it stands, from 1.
        line: u64,
        /// Which part of the rule is not met, in words.
        why: String,
    },
    /// The rule is met.
    Done {
        /// Line of the log that holds the answer, from 1.
        line: u64,
    },
}

/// How the agent's own protocol says that the attempt ended. Agents without one say `Completed` and let the exit status
/// speak.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Outcome {
    /// No final line although the protocol has one: killed, crashed, or never begun.
    #[default]
    Unfinished,
    /// It ended as it should.
    Completed,
    /// Refused by a rate or usage limit (the notice is in [`Evidence::limit`]).
    RateLimited,
    /// The API is overloaded, broken or out of reach; trying again later may cure it.
    Unavailable {
        /// The agent's words.
        text: String,
    },
    /// Not logged in, no credit, forbidden: a person must act.
    AuthFailure {
        /// The agent's words.
        text: String,
    },
    /// Wrong model, wrong flags, refuses to run here: a person must act.
    ConfigFailure {
        /// The agent's words.
        text: String,
    },
    /// The prompt or the conversation does not fit.
    ContextTooLong {
        /// The agent's words.
        text: String,
    },
    /// The model's output limit was hit.
    OutputLimit {
        /// The agent's words.
        text: String,
    },
    /// The model withheld the answer.
    Refusal {
        /// The agent's words.
        text: String,
    },
    /// The agent's own turn limit.
    OwnTurns,
    /// The agent's own budget.
    OwnBudget,
    /// Somebody sent it SIGINT.
    Interrupted,
    /// It says that it failed, and none of the above fits.
    Failed {
        /// The agent's words.
        text: String,
    },
}

/// What the agent reports of its consumption. Unknown is `None`, never zero.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Usage {
    /// USD.
    pub cost_usd: Option<f64>,
    /// Turns of the conversation.
    pub turns: Option<u64>,
    /// Tokens read, caches included.
    pub input_tokens: Option<u64>,
    /// Tokens written.
    pub output_tokens: Option<u64>,
}

/// What the scanner read. Nothing of it is fatal.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct LineCounts {
    /// All lines.
    pub total: u64,
    /// Well-formed, of a type this version does not know.
    pub unknown: u64,
    /// Not of the protocol at all.
    pub stray: u64,
    /// Lines of which only part was captured, for their length.
    pub long: u64,
}
