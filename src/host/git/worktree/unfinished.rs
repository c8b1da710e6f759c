//! A work tree whose making was cut off: git locks it when it begins, and a killed git leaves it so, half written.

use super::call::{Call, TRIES, pause};
use super::error::GitError;
use super::list::{Listed, find, list};
use super::repo::Repo;
use crate::host::git::Repository;
use std::path::Path;

/// All work trees, after a leftover at `path` was finished or cleared away. A git that is still at it is waited for: it
/// outlives the supervisor that started it, and brings its work to the end.
pub(super) async fn settle(repo: &Repo, path: &Path) -> Result<Vec<Listed>, GitError> {
    for tries in 1..=TRIES {
        // Looked at before the list: who ends in between has finished.
        let is_in_use = repo.files().is_in_use();
        let listed = list(repo).await?;
        let Some(leftover) = find(&listed, path).filter(|one| one.is_unfinished()) else { return Ok(listed) };
        if !is_in_use {
            clear(repo, leftover).await?;
            return list(repo).await;
        }
        pause(tries).await;
    }
    Err(GitError::Busy { path: path.to_owned() })
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
