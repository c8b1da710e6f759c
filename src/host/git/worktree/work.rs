//! What would be lost with a work tree.
//!
//! Not lost, and so not told: stashes (they belong to the repository, `git stash list` shows them from anywhere), other
//! branches that somebody made there, and what git was told to ignore.

use super::call::Call;
use super::error::GitError;
use super::repo::real;
use crate::host::git::Repository;
use crate::host::git::status::{Entries, path};
use crate::host::words::shell;
use std::fmt;
use std::path::Path;

/// So many of a kind are named; all are counted.
const NAMED: usize = 10;

/// Everything that is not in a commit, whatever the user's or the repository's settings hide.
const STATUS: [&str; 6] =
    ["status", "--porcelain=v2", "-z", "--untracked-files=all", "--no-renames", "--ignore-submodules=none"];

/// Everything that keeps a commit alive beside a work tree's own branch.
pub(super) const ANYWHERE: [&str; 3] = ["--branches", "--tags", "--remotes"];

/// Files and folders of git's that stand there while it is in the middle of something.
const UNDERWAY: [(&str, &str); 5] = [
    ("rebase-merge", "a rebase"),
    ("rebase-apply", "a rebase"),
    ("MERGE_HEAD", "a merge"),
    ("CHERRY_PICK_HEAD", "a cherry-pick"),
    ("REVERT_HEAD", "a revert"),
];

/// The work in a work tree that is nowhere else.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Work {
    /// How many files have uncommitted changes; untracked ones count, ignored ones do not.
    pub changes: u64,
    /// The first of them, as `git status --short` shows them.
    pub dirty: Vec<String>,
    /// Commits that are on no other branch, tag or remote.
    pub unmerged: Commits,
    /// What git is in the middle of: "a rebase".
    pub underway: Option<&'static str>,
    /// It has submodules with repositories of their own, which go with it.
    pub submodules: bool,
    /// The branch it is on.
    pub branch: Option<String>,
    /// HEAD is on no branch: nothing else may hold its commits.
    pub detached: bool,
}

/// Some commits.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Commits {
    /// How many.
    pub count: u64,
    /// The latest of them: `1a2b3c4 Subject`.
    pub latest: Vec<String>,
}

impl Work {
    /// Nothing would be lost.
    pub fn is_none(&self) -> bool {
        self.changes == 0 && self.unmerged.count == 0 && self.underway.is_none() && !self.submodules
    }
}

impl fmt::Display for Work {
    /// Completes "it has …".
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = Vec::new();
        if self.changes > 0 {
            parts.push(counted(self.changes, "uncommitted change", "", &self.dirty));
        }
        if self.unmerged.count > 0 {
            let place =
                if self.detached { " on no branch, tag or remote" } else { " on no other branch, tag or remote" };
            parts.push(counted(self.unmerged.count, "commit", place, &self.unmerged.latest));
        }
        parts.extend(self.underway.map(|what| format!("{what} in progress")));
        if self.submodules {
            parts.push("submodules, whose own commits would go with it".to_owned());
        }
        f.write_str(&if parts.is_empty() { "nothing that would be lost".to_owned() } else { parts.join("; ") })
    }
}

/// `12 commits on no other branch (a, b, …)`.
fn counted(count: u64, thing: &str, place: &str, named: &[String]) -> String {
    let plural = if count == 1 { "" } else { "s" };
    let more = if count > named.len() as u64 { ", …" } else { "" };
    format!("{count} {thing}{plural}{place} ({}{more})", named.join(", "))
}

/// What would be lost with the work tree at `worktree` (its root).
pub async fn work_in(worktree: &Path) -> Result<Work, GitError> {
    let files = Repository::around(worktree).filter(|files| real(&files.top) == real(worktree));
    let Some(files) = files else {
        return Err(GitError::NotAWorktree { path: worktree.to_owned(), root: None });
    };
    let (changes, dirty) = changes(worktree).await?;
    let branch = files.branch().await;
    let head: Vec<String> = files.head().await.into_iter().collect();
    let unmerged = only_there(worktree, &head, branch.as_deref(), &ANYWHERE).await?;
    let underway = UNDERWAY.iter().find(|(name, _)| files.git.join(name).exists()).map(|(_, what)| *what);
    // Those of a linked work tree have their repositories in its git folder, which is removed with it.
    let mut modules = std::fs::read_dir(files.git.join("modules")).into_iter().flatten();
    let submodules = files.git != files.common && modules.next().is_some();
    Ok(Work { changes, dirty, unmerged, underway, submodules, detached: branch.is_none(), branch })
}

/// How many entries `git status` has, and the first of them.
async fn changes(worktree: &Path) -> Result<(u64, Vec<String>), GitError> {
    #[derive(Default)]
    struct Seen(Entries, u64, Vec<String>);
    let call = Call::new(worktree, &STATUS);
    let seen = call.read(|Seen(entries, count, named), bytes| {
        entries.feed(bytes, |entry| {
            *count += 1;
            if named.len() < NAMED {
                named.push(label(entry));
            }
        });
    });
    let Seen(_, count, named) = seen.await?;
    Ok((count, named))
}

/// ` M path`, as people know it.
fn label(entry: &[u8]) -> String {
    let state = match entry.first() {
        Some(b'1' | b'u') => String::from_utf8_lossy(entry.get(2..4).unwrap_or_default()).replace('.', ""),
        _ => "??".to_owned(),
    };
    format!("{state} {}", shell(path(entry).as_os_str()))
}

/// Commits below `tips` that nothing else in the repository holds: neither a reference of these kinds, nor a branch
/// other than `own`.
pub(super) async fn only_there(
    folder: &Path,
    tips: &[String],
    own: Option<&str>,
    kinds: &[&str],
) -> Result<Commits, GitError> {
    if tips.is_empty() {
        return Ok(Commits::default());
    }
    // A branch's name holds none of the characters that make a pattern.
    let exclude: Vec<String> = own.iter().map(|own| format!("--exclude={own}")).collect();
    let mut range: Vec<&str> = tips.iter().map(String::as_str).collect();
    range.push("--not");
    range.extend(exclude.iter().map(String::as_str));
    range.extend(kinds);
    let count = Call::new(folder, &["rev-list", "--count"]).with_all(&range).answer().await?;
    let count = String::from_utf8_lossy(&count).trim().parse().unwrap_or(u64::MAX);
    if count == 0 {
        return Ok(Commits::default());
    }
    let limit = format!("--max-count={NAMED}");
    let list = Call::new(folder, &["rev-list", "--abbrev-commit", "--format=%s", &limit]).with_all(&range);
    Ok(Commits { count, latest: latest(&list.answer().await?) })
}

/// Pairs of lines: `commit 1a2b3c4`, and the subject.
fn latest(text: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(text);
    let lines: Vec<&str> = text.lines().collect();
    lines.chunks(2).map(|pair| pair.join(" ").trim_start_matches("commit ").trim_end().to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_be_lost_is_named_and_counted() {
        let unmerged = Commits { count: 1, latest: vec!["1a2b3c4 Mend it".into()] };
        let dirty = vec!["M a".into(), "?? b".into()];
        let mut work = Work { changes: 3, dirty, unmerged, underway: Some("a merge"), ..Work::default() };
        let words = "3 uncommitted changes (M a, ?? b, …); 1 commit on no other branch, tag or remote (1a2b3c4 Mend it); \
                     a merge in progress";
        assert_eq!(work.to_string(), words);
        assert!(!work.is_none());
        work = Work::default();
        assert!(work.is_none());
        work.submodules = true;
        assert!(!work.is_none());
    }

    #[test]
    fn subjects_are_kept_as_they_are() {
        assert_eq!(latest(b"commit 1a\nmend\ncommit 2b\ncommit\n"), ["1a mend", "2b commit"]);
        assert_eq!(latest(b"commit 1a\n\n"), ["1a"]);
    }
}
