//! What a scanner reports while an attempt runs: for the clocks, the text log and the terminal. Never for the verdict,
//! which is made once, from the [`Evidence`](super::Evidence) at the end.

/// One thing seen in the agent's output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sign {
    /// The agent's session began.
    Began {
        /// The model that answers, if named.
        model: Option<String>,
    },
    /// Words of the agent, whole lines or the rest of a text block.
    Text(String),
    /// A tool is called: its name, and one line that says on what.
    Tool {
        /// `Bash`, `Edit`, …
        name: String,
        /// The command, the path, the pattern; one line.
        what: String,
    },
    /// The agent's own client tries a request again. Resets no clock: nothing came from the model.
    Retry {
        /// Which retry, from 1.
        attempt: u32,
        /// The HTTP status that caused it, if any.
        status: Option<u16>,
    },
    /// A limit was hit or is near; one line for people.
    Limit(String),
    /// The final result is printed: the process is expected to end now.
    Final,
    /// Anything else that a person would want to see, one line.
    Remark(String),
}
