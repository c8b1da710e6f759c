//! What an agent says about a usage or rate limit.

use super::time::Wall;
use serde::{Deserialize, Serialize};

/// The agent was refused because of a limit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LimitNotice {
    /// When it ends, if the agent said so.
    pub resets_at: Option<Wall>,
    /// The agent's own words, one line.
    pub text: String,
}
