//! A work tree whose making was cut off: git locks it when it begins, and a killed git leaves it so, half written.

use super::call::{Call, TRIES, pause};
use super::error::GitError;
use super::list::{Listed, find, list};
use super::repo::{Repo, real};
use crate::host::git::Repository;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// All work trees, after a leftover at `path` was finished or cleared away. A git that is still at it is waited for: it
/// outlives the supervisor that started it, and brings its work to the end.
pub(super) async fn settle(repo: &Repo, path: &Path) -> Result<Vec<Listed>, GitError> {
    for tries in 1..=TRIES {
        let listed = list(repo).await?;
        if !is_leftover(&listed, path) {
            return Ok(listed);
        }
        if !is_being_made(repo, path) {
            // Who ended in between has finished it.
            let listed = list(repo).await?;
            if let Some(leftover) = find(&listed, path).filter(|one| one.is_unfinished()) {
                clear(repo, leftover).await?;
            }
            return list(repo).await;
        }
        pause(tries).await;
    }
    Err(GitError::Busy { path: path.to_owned() })
}

fn is_leftover(listed: &[Listed], path: &Path) -> bool {
    find(listed, path).is_some_and(Listed::is_unfinished)
}

/// Does a git make a work tree in this repository: one that was called for it, or its child that fills this one? Others,
/// like a log in a pager, may stay for hours.
fn is_being_made(repo: &Repo, path: &Path) -> bool {
    let path = real(path);
    repo.files().is_in_use_by(|process| {
        let read = |name| std::fs::read(process.join(name)).unwrap_or_default();
        let (arguments, variables) = (read("cmdline"), read("environ"));
        let arguments: Vec<&[u8]> = arguments.split(|&byte| byte == 0).collect();
        let fills = |variable: &[u8]| {
            variable
                .strip_prefix(b"GIT_WORK_TREE=")
                .is_some_and(|tree| real(Path::new(OsStr::from_bytes(tree))) == path)
        };
        arguments.windows(2).any(|pair| pair == [&b"worktree"[..], b"add"])
            || variables.split(|&byte| byte == 0).any(fills)
    })
}

/// The index is written last. With it nothing is missing but the unlocking; without it nobody can have worked there, and
/// git takes the rest away. Where not even `.git` was written, git only remembers a folder.
async fn clear(repo: &Repo, leftover: &Listed) -> Result<(), GitError> {
    let git = Repository::around(&leftover.path).filter(|files| files.top == leftover.path).map(|files| files.git);
    let words: &[&str] = match git {
        Some(git) if !git.join("index").exists() => &["worktree", "remove", "--force", "--force", "--"],
        _ => &["worktree", "unlock", "--"],
    };
    Call::new(&repo.root, words).with(&leftover.path).run().await
}
