//! Putting workers away that do not run: their worktrees, and themselves out of the registry. One command at a time does
//! that to a worker, or starts it again: who looked before another one began finds out in time.

use super::look::Sight;
use super::{Fleet, Kind, PATIENCE, Result, Trouble, changed, spawn, undo};
use crate::host::files;
use crate::host::git::worktree::{self, GitError};
use crate::host::lock::{self, Lock};
use crate::model::{Entry, Standing as Noted, Worktree};
use std::path::Path;

/// A worker that is gone from the registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cleaned {
    /// The branch that is kept, if its worktree was removed.
    pub kept_branch: Option<String>,
}

impl Fleet {
    /// Has the worker of `entry` for ourselves: it does not run, and as long as the claim is held nobody starts it again.
    pub(super) async fn claim(&self, entry: &Entry) -> Result<Claim> {
        let run = entry.run.as_ref().map(|run| self.home.worker(run)).filter(|run| run.path().is_dir());
        let lock = match &run {
            Some(run) => Some(self.lock(&entry.name, run, "putting it away", PATIENCE).await?),
            None => None,
        };
        let state = self.registry.read()?.state;
        match state.find(&entry.name).is_some_and(|now| is_same(now, entry)) {
            true => Ok(Claim { _lock: lock }),
            false => Err(changed(&entry.name)),
        }
    }

    /// Removes the worktree of a worker that does not run. Uncommitted or unmerged work is refused, unless `force`.
    pub async fn remove_worktree(&self, entry: &Entry, force: bool) -> Result<Option<Cleaned>> {
        let _claim = self.claim(entry).await?;
        self.remove_claimed_worktree(entry, force).await
    }

    /// The same for a worker that was claimed before.
    pub(super) async fn remove_claimed_worktree(&self, entry: &Entry, force: bool) -> Result<Option<Cleaned>> {
        let Some(tree) = &entry.worktree else { return Ok(None) };
        self.refuse_loop_in(&tree.path)?;
        let repository = match worktree::repository(&tree.base_repo).await {
            Ok(repository) => repository,
            Err(GitError::NoRepository { .. } | GitError::Path { .. }) => return without_repository(&entry.name, tree),
            Err(error) => return Err(spawn::of_git(error)),
        };
        let made = tree.made_branch.unwrap_or(false).then_some(tree.branch.as_str());
        let removed = worktree::remove(&repository, &tree.path, made, force).await.map_err(spawn::of_git)?;
        for left in &removed.left {
            self.warn(format!("{} is left; remove it with: {}", left.what, left.command));
        }
        Ok(Some(Cleaned { kept_branch: (!removed.branch).then(|| tree.branch.clone()) }))
    }

    /// Refuses where the removal of a worker's worktree would lose work.
    pub(super) async fn refuse_unsaved(&self, entry: &Entry) -> Result<()> {
        let Some(tree) = entry.worktree.as_ref().filter(|tree| tree.path.exists()) else { return Ok(()) };
        let work = worktree::work_in(&tree.path).await.map_err(spawn::of_git)?;
        match work.is_none() {
            true => Ok(()),
            false => Err(spawn::of_git(GitError::Unsaved { path: tree.path.clone(), work: Box::new(work) })),
        }
    }

    /// A loop may be at work in a worktree whose worker ended.
    fn refuse_loop_in(&self, tree: &Path) -> Result<()> {
        let lock = tree.canonicalize().map(|real| self.home.tree_lock(&real));
        match lock.and_then(|lock| lock::holder(&lock)) {
            Ok(Some(by)) => {
                let message = format!("a loop runs in {} (pid {})", tree.display(), by.process.pid);
                Err(Trouble::failed(message).kind(Kind::Held).hint("end it first: swarm loop stop"))
            }
            // Nobody; or there is no folder.
            Ok(None) | Err(_) => Ok(()),
        }
    }

    /// Takes a worker that does not run out of the registry, with its logs and its run; its worktree first, if it is to go.
    pub async fn clean(&self, sight: &Sight, tree: Option<RemoveTree>) -> Result<Cleaned> {
        let entry = &sight.entry;
        if sight.is_live() {
            return Err(Trouble::failed(format!("cannot clean running worker '{}'", entry.name))
                .hint(format!("end it first: swarm kill {}", entry.name)));
        }
        let _claim = self.claim(entry).await?;
        let cleaned = match tree {
            Some(RemoveTree { force }) => self.remove_claimed_worktree(entry, force).await?,
            None => None,
        };
        let removed = self.update(|state| {
            let same = state.find(&entry.name).is_some_and(|now| is_same(now, entry));
            if same {
                // First, and under the lock: the next worker of that name must not find them.
                self.remove_logs(entry);
                state.remove(&entry.name);
            }
            same
        })?;
        if !removed {
            return Err(changed(&entry.name));
        }
        if let Some(run) = &entry.run {
            undo::remove_run(&self.home.worker(run));
        }
        Ok(cleaned.unwrap_or(Cleaned { kept_branch: None }))
    }

    fn remove_logs(&self, entry: &Entry) {
        for log in self.logs(entry).iter().flat_map(|logs| logs.all()) {
            if let Err(error) = files::remove(&log) {
                self.warn(format!("{} is left: {error}", log.display()));
            }
        }
    }
}

/// A worker that does not run, and that nobody else starts again, cleans or ends.
pub(super) struct Claim {
    _lock: Option<Lock>,
}

/// Does the registry still mean the same life of the worker, and is that over?
fn is_same(now: &Entry, entry: &Entry) -> bool {
    now.is_same_life(entry) && now.status == Noted::Stopped
}

/// The repository was removed, and no git can say what would be lost: what still stands there is left to a person.
fn without_repository(name: &str, tree: &Worktree) -> Result<Option<Cleaned>> {
    let (path, repository) = (tree.path.display(), tree.base_repo.display());
    match tree.path.try_exists() {
        Ok(false) => Ok(None),
        _ => Err(Trouble::failed(format!("the repository {repository} of the work tree {path} is gone"))
            .hint(format!("`swarm clean {name} --no-rm-worktree` forgets the worker and leaves the work tree"))),
    }
}

/// How a worktree is to be removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RemoveTree {
    /// With the work that is in it.
    pub force: bool,
}
