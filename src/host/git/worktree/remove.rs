//! A work tree that nobody needs any more. Git removes it, or it stays.

use super::add::exists;
use super::call::{CHECKOUT, Call};
use super::error::{GitError, command};
use super::list::{Listed, find, list};
use super::repo::Repo;
use super::undo::Leftover;
use super::unfinished::settle;
use super::work::{ANYWHERE, Work, only_there, work_in};
use crate::host::words::shell;
use std::path::Path;

/// What [`remove`] did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Removed {
    /// There was a work tree, or git remembered one. (Otherwise somebody was faster, which is no error.)
    pub worktree: bool,
    /// The branch went too.
    pub branch: bool,
    /// What is still there.
    pub left: Vec<Leftover>,
}

/// Removes the work tree at `path`; one whose folder is gone is forgotten. Refused where [`work_in`] finds something
/// that would be lost, unless `force`; refused always where somebody locked it, and for the repository's own work tree.
///
/// The branch stays, as people expect who merge it afterwards. One that was made for this work tree may be named as
/// `made_branch`: it goes as well, once every commit of it is on another branch here (a remote one is not enough: a new
/// branch of that name would begin elsewhere), also with `force`.
pub async fn remove(repo: &Repo, path: &Path, made_branch: Option<&str>, force: bool) -> Result<Removed, GitError> {
    let listed = settle(repo, path).await?;
    let mut removed = Removed::default();
    if let Some(one) = removable(repo, path, &listed)? {
        if !force {
            check_saved(repo, one).await?;
        }
        removed.left.extend(remove_worktree(repo, one, force).await?);
        removed.worktree = true;
    }
    if let Some(branch) = made_branch {
        match remove_branch(repo, branch).await {
            Ok(gone) => removed.branch = gone,
            Err(error) => removed.left.push(Leftover {
                what: format!("the branch '{branch}' ({error})"),
                command: command(&repo.root, &["branch", "-D", "--"], branch.as_ref()),
            }),
        }
    }
    Ok(removed)
}

/// The work tree, if there is one and it may be removed.
fn removable<'a>(repo: &Repo, path: &Path, listed: &'a [Listed]) -> Result<Option<&'a Listed>, GitError> {
    match find(listed, path) {
        None if std::fs::symlink_metadata(path).is_err() => Ok(None),
        None | Some(Listed { main: true, .. }) => {
            Err(GitError::NotAWorktree { path: path.to_owned(), root: Some(repo.root.clone()) })
        }
        Some(Listed { path, locked: Some(reason), .. }) => {
            let unlocks = command(&repo.root, &["worktree", "unlock", "--"], path.as_os_str());
            Err(GitError::Locked { path: path.clone(), reason: reason.clone(), unlocks })
        }
        Some(one) => Ok(Some(one)),
    }
}

/// Refuses where something would be lost. Without its folder a work tree can still hold commits that are on no branch.
async fn check_saved(repo: &Repo, one: &Listed) -> Result<(), GitError> {
    let work = if one.path.exists() {
        work_in(&one.path).await?
    } else {
        let head: Vec<String> = one.head.clone().into_iter().collect();
        let detached = one.branch.is_none();
        let unmerged =
            if detached { only_there(&repo.root, &head, None, &ANYWHERE).await? } else { Default::default() };
        Work { unmerged, detached, branch: one.branch.clone(), ..Work::default() }
    };
    if work.is_none() { Ok(()) } else { Err(GitError::Unsaved { path: one.path.clone(), work: Box::new(work) }) }
}

/// Git looks once more by itself. When it fails in the middle it has forgotten the work tree, and the rest of the folder
/// is for a person to look at.
async fn remove_worktree(repo: &Repo, one: &Listed, force: bool) -> Result<Option<Leftover>, GitError> {
    let forced: &[&str] = if force { &["--force", "--"] } else { &["--"] };
    let call = Call::new(&repo.root, &["worktree", "remove"]).with_all(forced).with(&one.path).within(CHECKOUT);
    let Err(error) = call.run().await else { return Ok(None) };
    if find(&list(repo).await?, &one.path).is_some() {
        return Err(error);
    }
    Ok(one.path.exists().then(|| Leftover {
        what: format!("the folder {} ({error})", one.path.display()),
        command: format!("rm -r -- {}", shell(one.path.as_os_str())),
    }))
}

/// Deletes the branch if all its commits are on another one; says whether it is gone.
async fn remove_branch(repo: &Repo, branch: &str) -> Result<bool, GitError> {
    if !exists(repo, branch).await? {
        return Ok(false);
    }
    let tip = [format!("refs/heads/{branch}")];
    if only_there(&repo.root, &tip, Some(branch), &["--branches"]).await?.count > 0 {
        return Ok(false);
    }
    // Git does that too as it deletes the branch, but only warns when another git has the configuration at that moment.
    // Mostly there is none, which is its way to fail.
    let _ = Call::new(&repo.root, &["config", "--remove-section", &format!("branch.{branch}")]).run().await;
    Call::new(&repo.root, &["branch", "-D", "--", branch]).run().await.map(|()| true)
}
