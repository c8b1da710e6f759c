//! The check of a claim: a shell command of the operator, run in the tree.

use crate::host::group::{self, End, Streams, Tail};
use crate::model::Span;
use std::ffi::OsString;
use std::path::Path;
use std::process::Command;

/// How much of its output is kept. It goes into a prompt: the last screen tells what is wrong, the rest costs.
const TAIL: usize = 4 * 1024;

/// A check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// For `sh -c`.
    pub command: String,
    /// It takes no longer.
    pub timeout: Span,
}

impl Check {
    /// Runs it in `folder`: accepted if it exits with 0, and the end of what it printed; for a refusal also how it ended.
    /// What it leaves running in its group is ended. A dropped call ends all of it.
    pub(super) async fn run(&self, folder: &Path, environment: &[(OsString, Option<OsString>)]) -> (bool, String) {
        let mut command = Command::new("sh");
        command.arg("-c").arg(&self.command).current_dir(folder);
        for (name, value) in environment {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        let mut tail = Tail::new(TAIL);
        let end = group::run(command, Streams::Merged, self.timeout.duration(), |bytes| tail.push(bytes)).await;
        match end {
            Ok(End::Exited(status)) if status.success() => (true, tail.text()),
            Ok(End::Exited(status)) => (false, closed(&tail, &format!("the check ended with {status}"))),
            Ok(End::TimedOut) => {
                (false, closed(&tail, &format!("the check took longer than {} and was ended", self.timeout)))
            }
            Err(error) => (false, closed(&tail, &format!("the check could not be run: {error}"))),
        }
    }
}

/// The output with a last line on how it ended.
fn closed(tail: &Tail, how: &str) -> String {
    let text = tail.text();
    if text.is_empty() { format!("({how})") } else { format!("{text}\n({how})") }
}
