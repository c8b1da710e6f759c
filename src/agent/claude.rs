//! Claude Code.

use super::{DoneRule, Invocation, plain};
use std::ffi::OsString;

pub(super) const PROGRAM: &str = "claude";

pub(super) fn argv(inv: &Invocation) -> Vec<OsString> {
    let mut argv: Vec<OsString> =
        [PROGRAM, "-p", "--dangerously-skip-permissions", "--output-format", "stream-json", "--verbose"]
            .map(OsString::from)
            .to_vec();
    let mut option = |name: &str, value: String| argv.extend([name.into(), value.into()]);
    if let Some(model) = &inv.model {
        option("--model", model.clone());
    }
    if let Some(turns) = inv.max_turns {
        option("--max-turns", turns.to_string());
    }
    if let Some(budget) = inv.budget_usd {
        option("--max-budget-usd", format!("{:.2}", budget.max(0.01)));
    }
    argv.extend(inv.extra.iter().cloned());
    argv
}

pub(super) fn scanner(rule: &DoneRule) -> plain::Scanner {
    plain::Scanner::new(rule)
}
