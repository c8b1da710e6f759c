//! What can go wrong with a work tree, in sentences that say what to do.

use super::work::Work;
use crate::host::words::{shell, words};
use crate::model::Span;
use std::fmt;
use std::io;
use std::path::PathBuf;

/// Lines of git's that are told.
const LINES: usize = 6;

/// Why a work tree could not be made, judged or removed.
#[derive(Debug)]
pub enum GitError {
    /// The folder lies in no repository.
    NoRepository {
        /// The folder.
        folder: PathBuf,
    },
    /// Git could not be started or listened to.
    NoGit(io::Error),
    /// Something about this path failed in the system.
    Path {
        /// The path.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// Git failed.
    Said {
        /// What it was asked for: its first words.
        call: String,
        /// Its exit code; `None` for a signal.
        code: Option<i32>,
        /// Its own words.
        words: String,
    },
    /// Git did not end in time, and was ended.
    TimedOut {
        /// What it was asked for.
        call: String,
        /// How long it had.
        limit: Span,
    },
    /// There is nothing that a new branch could start from.
    NoCommit {
        /// The repository.
        root: PathBuf,
    },
    /// No name for a branch, by git's rules.
    BadBranch {
        /// The name.
        branch: String,
    },
    /// The branch stands in another work tree.
    CheckedOut {
        /// The branch.
        branch: String,
        /// That work tree.
        at: PathBuf,
        /// The command that frees the branch, where that work tree's folder is gone.
        frees: Option<String>,
    },
    /// Something else stands where the work tree should be.
    Occupied {
        /// Where.
        path: PathBuf,
        /// What it is.
        by: String,
    },
    /// The work tree was locked by somebody.
    Locked {
        /// The work tree.
        path: PathBuf,
        /// Why, if they said so.
        reason: String,
        /// The command that unlocks it.
        unlocks: String,
    },
    /// Another git, which this process did not start, still makes this work tree.
    Busy {
        /// The work tree.
        path: PathBuf,
    },
    /// Removing it would lose work.
    Unsaved {
        /// The work tree.
        path: PathBuf,
        /// What would be lost.
        work: Box<Work>,
    },
    /// The path is no linked work tree of this repository.
    NotAWorktree {
        /// The path.
        path: PathBuf,
        /// The repository; `None` when there is none.
        root: Option<PathBuf>,
    },
}

impl GitError {
    /// Something of the system's, about `path`.
    pub(super) fn at(path: &std::path::Path) -> impl FnOnce(io::Error) -> GitError {
        let path = path.to_owned();
        move |error| GitError::Path { path, error }
    }
}

impl fmt::Display for GitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            GitError::NoRepository { .. } => f.write_str("not in a git repository (required for --worktree)"),
            GitError::NoGit(error) if error.kind() == io::ErrorKind::NotFound => {
                f.write_str("git is not installed, or not on PATH")
            }
            GitError::NoGit(error) => write!(f, "git could not be started: {}", words(error)),
            GitError::Path { path, error } => write!(f, "{}: {}", path.display(), words(error)),
            GitError::Said { call, code: None, words } => write!(f, "{call} was ended by a signal: {words}"),
            GitError::Said { call, words, .. } if words.is_empty() => write!(f, "{call} failed and did not say why"),
            GitError::Said { call, words, .. } => write!(f, "{call}: {words}"),
            GitError::TimedOut { call, limit } => write!(f, "{call} did not end within {limit} and was stopped"),
            GitError::NoCommit { root } => {
                write!(f, "{} has no commit yet that a branch could start from: commit something", root.display())
            }
            GitError::BadBranch { branch } => write!(f, "{branch:?} is no valid branch name"),
            GitError::CheckedOut { branch, at, frees: None } => {
                write!(f, "branch '{branch}' is already checked out at {}", at.display())
            }
            GitError::CheckedOut { branch, at, frees: Some(command) } => write!(
                f,
                "branch '{branch}' is checked out at {}, whose folder is gone; `{command}` frees it",
                at.display()
            ),
            GitError::Occupied { path, by } => write!(f, "{} is taken: {by}", path.display()),
            GitError::Locked { path, reason, unlocks } => {
                let why = if reason.is_empty() { String::new() } else { format!(" ({reason})") };
                write!(f, "the work tree {} is locked{why}; `{unlocks}` unlocks it", path.display())
            }
            GitError::Busy { path } => {
                write!(f, "another git is still making the work tree {}; try again when it has ended", path.display())
            }
            GitError::Unsaved { path, work } => write!(f, "the work tree {} has {work}", path.display()),
            GitError::NotAWorktree { path, root: Some(root) } => {
                write!(f, "{} is no linked work tree of {}", path.display(), root.display())
            }
            GitError::NotAWorktree { path, root: None } => write!(f, "{} is no work tree", path.display()),
        }
    }
}

impl std::error::Error for GitError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            GitError::NoGit(error) | GitError::Path { error, .. } => Some(error),
            _ => None,
        }
    }
}

/// The reason in what git said: from its first `fatal:` or `error:` on, without what it told of its progress before.
pub(super) fn reason(said: &str) -> String {
    let lines: Vec<&str> = said.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let is_complaint = |line: &&str| line.starts_with("fatal: ") || line.starts_with("error: ");
    let begin = lines.iter().position(is_complaint).unwrap_or(lines.len().saturating_sub(LINES));
    let mut reason = String::new();
    for line in lines[begin..].iter().take(LINES) {
        // "…, call:" goes on in the next line.
        reason.push_str(if reason.is_empty() {
            ""
        } else if reason.ends_with(':') {
            " "
        } else {
            "; "
        });
        reason.push_str(line.strip_prefix("fatal: ").or(line.strip_prefix("error: ")).unwrap_or(line));
    }
    reason
}

/// A command of git's for people, to be typed anywhere.
pub(super) fn command(root: &std::path::Path, words: &[&str], last: &std::ffi::OsStr) -> String {
    format!("git -C {} {} {}", shell(root.as_os_str()), words.join(" "), shell(last))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_is_not_the_reason() {
        assert_eq!(reason("Preparing worktree (checking out 'x')\nfatal: no room\n"), "no room");
        assert_eq!(reason("error: a\n\nfatal: b, call:\n\n\tgit c\n"), "a; b, call: git c");
        assert_eq!(reason("something else\n"), "something else");
        assert_eq!(reason(""), "");
    }
}
