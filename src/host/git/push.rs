//! `git push` with nobody at the keyboard: bounded in time, asks nothing, and whatever goes wrong is a sentence.

use super::Repository;
use crate::host::group::{self, End, Streams, Tail};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// How much of what git says is kept. The reason stands at the end, hints of the server before it.
const WORDS: usize = 2 * 1024;

/// Lines of it that become the warning.
const LINES: usize = 4;

/// A push of the branch that HEAD is on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Push {
    /// It takes no longer.
    pub timeout: Duration,
}

impl Push {
    /// Pushes the branch of the work tree around `folder`; without an upstream to `origin`, which becomes the upstream.
    /// Returns what went wrong, if anything.
    pub async fn run(&self, folder: &Path) -> Option<String> {
        let Some(repository) = Repository::around(folder) else {
            return Some(format!("nothing to push: {} is in no git repository", folder.display()));
        };
        let Some(branch) = repository.branch().await else {
            return Some("nothing to push: HEAD is on no branch".to_owned());
        };
        self.push(&repository, &branch).await
    }

    async fn push(&self, repository: &Repository, branch: &str) -> Option<String> {
        let merge = format!("branch.{branch}.merge");
        let mut command = match repository.ask(&["config", "--get", &merge]).await {
            Some(_) => repository.command(&["push"]),
            None => repository.command(&["push", "--set-upstream", "origin", &format!("refs/heads/{branch}")]),
        };
        silence_ssh(repository, &mut command).await;
        let mut words = Tail::new(WORDS);
        match group::run(command, Streams::Merged, self.timeout, |bytes| words.push(bytes)).await {
            Ok(End::Exited(status)) if status.success() => None,
            Ok(End::Exited(status)) => Some(warning(&format!("git ended with {status}"), &words)),
            Ok(End::TimedOut) => {
                let took = crate::model::Span(u64::try_from(self.timeout.as_millis()).unwrap_or(u64::MAX));
                Some(warning(&format!("it did not end within {took} and was stopped"), &words))
            }
            Err(error) => Some(format!("git could not be started: {error}")),
        }
    }
}

/// Keeps ssh from asking for a password at the terminal, unless the user chose another ssh: its flags are not ours to
/// know.
async fn silence_ssh(repository: &Repository, command: &mut Command) {
    let chosen = ["GIT_SSH_COMMAND", "GIT_SSH"].iter().any(|name| std::env::var_os(name).is_some());
    if !chosen && repository.ask(&["config", "--get", "core.sshCommand"]).await.is_none() {
        command.env("GIT_SSH_COMMAND", "ssh -o BatchMode=yes");
    }
}

/// What happened, with git's last words on it.
fn warning(what: &str, words: &Tail) -> String {
    let words = words.text();
    let lines: Vec<&str> = words.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let last = lines[lines.len().saturating_sub(LINES)..].join("; ");
    if last.is_empty() { what.to_owned() } else { format!("{what}: {}", without_passwords(&last)) }
}

/// Git repeats the remote's address, and people put passwords into it: `https://name:secret@host` loses what stands
/// before the `@`.
fn without_passwords(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let (before, after) = rest.split_at(at + 3);
        clean.push_str(before);
        let host = after.find(|c: char| c == '/' || c == '\'' || c == '"' || c.is_whitespace()).unwrap_or(after.len());
        rest = match after[..host].rfind('@') {
            Some(at) => {
                clean.push_str("***");
                &after[at..]
            }
            None => after,
        };
    }
    clean.push_str(rest);
    clean
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn passwords_in_addresses_are_not_told() {
        let told = without_passwords("fatal: unable to access 'https://me:s3cret@host/x.git/': no; see http://a/b@c");
        assert_eq!(told, "fatal: unable to access 'https://***@host/x.git/': no; see http://a/b@c");
    }

    proptest! {
        #[test]
        fn no_password_is_ever_told(before in "[ -~]{0,20}", secret in "[A-Z]{8}", after in "[ -~]{0,20}") {
            let told = without_passwords(&format!("{before} https://user:{secret}@host/{after}"));
            prop_assert!(!told.contains(&secret), "{}", told);
        }
    }
}
