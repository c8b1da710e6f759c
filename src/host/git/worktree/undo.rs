//! Takes back what [`add`](super::add) made, and nothing else, in reverse.

use super::add::{Added, exists};
use super::call::{CHECKOUT, Call};
use super::error::{GitError, command};
use super::list::{Listed, find};
use super::repo::{Repo, real};
use super::unfinished::settle;
use crate::host::words::{shell, words};
use std::io;
use std::path::Path;

/// Something that could not be taken back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leftover {
    /// What it is, and why it is still there.
    pub what: String,
    /// The command that removes it.
    pub command: String,
}

/// Takes back what `added.made` names: the work tree unless somebody worked in it, the branch unless it has a commit of
/// its own, folders as long as they are empty. Returns what is left.
pub async fn undo(repo: &Repo, added: &Added) -> Vec<Leftover> {
    let mut left = Vec::new();
    if added.made.worktree {
        left.extend(undo_worktree(repo, added).await.err());
    }
    if let Some(start) = &added.made.branch {
        left.extend(undo_branch(repo, added, start).await.err());
    }
    left.extend(undo_folders(added).err());
    left
}

/// Without force: what stands in it and is in no commit is not ours.
async fn undo_worktree(repo: &Repo, added: &Added) -> Result<(), Leftover> {
    let leftover = |error: GitError| Leftover {
        what: format!("the work tree {} ({error})", added.path.display()),
        command: command(&repo.root, &["worktree", "remove", "--force", "--"], added.path.as_os_str()),
    };
    let listed = settle(repo, &added.path).await.map_err(leftover)?;
    if find(&listed, &added.path).is_none() {
        return check_cleared(added);
    }
    let remove = Call::new(&repo.root, &["worktree", "remove", "--"]).with(real(&added.path)).within(CHECKOUT);
    remove.run().await.map_err(leftover)
}

/// Git has forgotten the work tree and its folder is not empty: a git that failed was killed as it cleared up. What stands
/// there is for a person to look at.
fn check_cleared(added: &Added) -> Result<(), Leftover> {
    let is_empty = std::fs::read_dir(&added.path).map_or(true, |mut entries| entries.next().is_none());
    if is_empty {
        return Ok(());
    }
    Err(Leftover {
        what: format!("the folder {} (git knows it no longer as a work tree)", added.path.display()),
        command: format!("rm -r -- {}", shell(added.path.as_os_str())),
    })
}

/// The branch goes only as it was made: at the very commit that it started from, compared by git as it deletes.
async fn undo_branch(repo: &Repo, added: &Added, start: &str) -> Result<(), Leftover> {
    let leftover = |why: &dyn std::fmt::Display| Leftover {
        what: format!("the branch '{}' ({why})", added.branch),
        command: command(&repo.root, &["branch", "-D", "--"], added.branch.as_ref()),
    };
    match exists(repo, &added.branch).await {
        Ok(true) => {}
        Ok(false) => return Ok(()),
        Err(error) => return Err(leftover(&error)),
    }
    let listed = super::list(repo).await.map_err(|error| leftover(&error))?;
    let holder = |one: &&Listed| one.branch.as_deref() == Some(&added.branch);
    if let Some(holder) = listed.iter().find(holder) {
        return Err(leftover(&format_args!("checked out at {}", holder.path.display())));
    }
    let name = format!("refs/heads/{}", added.branch);
    let tip = Call::new(&repo.root, &["rev-parse", "--verify", "--quiet", &name]).ask().await;
    if matches!(tip, Ok(Some(tip)) if tip != start.as_bytes()) {
        return Err(leftover(&"it has commits of its own"));
    }
    Call::new(&repo.root, &["update-ref", "-d", &name, start]).run().await.map_err(|error| leftover(&error))
}

/// Folders that were made, as long as nothing is in them; and the empty one that was there instead.
fn undo_folders(added: &Added) -> Result<(), Leftover> {
    let path = &added.path;
    if added.made.replaced {
        return match std::fs::create_dir(path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(Leftover {
                what: format!("the empty folder {} is missing ({})", path.display(), words(&error)),
                command: format!("mkdir -- {}", shell(path.as_os_str())),
            }),
            _ => Ok(()),
        };
    }
    let above = added.made.folder.as_deref();
    let made = path.ancestors().skip(1).take_while(|folder| above.is_some_and(|top| folder.starts_with(top)));
    std::iter::once(path.as_path()).chain(made).try_for_each(remove_empty)
}

/// What is not empty is in use by others, and stays without a word.
fn remove_empty(folder: &Path) -> Result<(), Leftover> {
    match std::fs::remove_dir(folder) {
        Err(error) if !matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::DirectoryNotEmpty) => {
            Err(Leftover {
                what: format!("the folder {} ({})", folder.display(), words(&error)),
                command: format!("rmdir -- {}", shell(folder.as_os_str())),
            })
        }
        _ => Ok(()),
    }
}
