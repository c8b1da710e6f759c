//! Google's Gemini CLI.

use super::{DoneRule, Invocation, plain};
use std::ffi::OsString;

pub(super) const PROGRAM: &str = "gemini";

pub(super) fn argv(inv: &Invocation) -> Vec<OsString> {
    let mut argv: Vec<OsString> = [PROGRAM, "--yolo", "--output-format", "stream-json"].map(OsString::from).to_vec();
    if let Some(model) = &inv.model {
        argv.extend(["--model".into(), model.into()]);
    }
    argv.extend(inv.extra.iter().cloned());
    argv
}

pub(super) fn scanner(rule: &DoneRule) -> plain::Scanner {
    plain::Scanner::new(rule)
}
