//! The operator's limits, clocks and rules for one run. Recorded with the run, so that a resumed run obeys the same.

use crate::model::Span;
use serde::{Deserialize, Serialize};

/// Numbers and rules that decisions depend on. `None` means no limit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Policy {
    /// Iterations of the run.
    pub iterations: Option<u32>,
    /// Time from the run's first start.
    pub max_time: Option<Span>,
    /// USD over all iterations.
    pub max_cost: Option<f64>,
    /// Failures in a row that end the run.
    pub max_failures: Option<u32>,
    /// Iterations in a row without progress that end the run.
    pub max_stalled: Option<u32>,
    /// Confirmed OOMs in a row that end the run.
    pub max_ooms: Option<u32>,
    /// The longest single wait for a rate limit.
    pub max_wait: Span,
    /// The longest time without any answer of the API.
    pub max_outage: Span,
    /// Between iterations.
    pub delay: Span,
    /// Added to a reset time that the agent names.
    pub limit_margin: Span,
    /// No output at all since the start.
    pub start_timeout: Option<Span>,
    /// No output since the last.
    pub idle_timeout: Option<Span>,
    /// The whole iteration.
    pub iteration_timeout: Option<Span>,
    /// From the final result to TERM.
    pub result_grace: Span,
    /// From TERM to KILL.
    pub grace: Span,
    /// How long a full disk under the logs is waited out.
    pub disk_wait: Span,
    /// A claim is checked by a command.
    pub verify: bool,
    /// A claim with open boxes is refused.
    pub require_plan: bool,
    /// A plan without open boxes counts as a claim.
    pub done_on_plan: bool,
    /// `git push` after each iteration.
    pub push: bool,
}

impl Default for Policy {
    fn default() -> Policy {
        Policy {
            iterations: None,
            max_time: None,
            max_cost: None,
            max_failures: Some(5),
            max_stalled: Some(5),
            max_ooms: Some(3),
            max_wait: Span::seconds(6 * 3600),
            max_outage: Span::seconds(6 * 3600),
            delay: Span::ZERO,
            limit_margin: Span::seconds(60),
            start_timeout: Some(Span::seconds(120)),
            idle_timeout: Some(Span::seconds(30 * 60)),
            iteration_timeout: None,
            result_grace: Span::seconds(10),
            grace: Span::seconds(10),
            disk_wait: Span::seconds(600),
            verify: false,
            require_plan: false,
            done_on_plan: false,
            push: false,
        }
    }
}
