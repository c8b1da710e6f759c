//! OpenAI's Codex.

use super::{DoneRule, Invocation, plain};
use std::ffi::OsString;

pub(super) const PROGRAM: &str = "codex";

pub(super) fn argv(inv: &Invocation) -> Vec<OsString> {
    let mut argv: Vec<OsString> =
        [PROGRAM, "exec", "--json", "--dangerously-bypass-approvals-and-sandbox"].map(OsString::from).to_vec();
    if let Some(model) = &inv.model {
        argv.extend(["--model".into(), model.into()]);
    }
    argv.extend(inv.extra.iter().cloned());
    argv.push("-".into());
    argv
}

pub(super) fn scanner(rule: &DoneRule) -> plain::Scanner {
    plain::Scanner::new(rule)
}
