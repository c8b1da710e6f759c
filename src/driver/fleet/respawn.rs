//! Starting a worker again as it was. It is never forgotten: until the new one runs its entry stays, stopped.

use super::close::Ended;
use super::environment;
use super::look::Sight;
use super::plan::WorkerPlan;
use super::spawn::{Spawn, Spawned, TmuxWish, TreePlace, WorktreeWish};
use super::{Fleet, Kind, Result, Trouble, undo};
use crate::model::{Entry, Span, Standing, WorkerName};
use std::ffi::OsString;

impl Fleet {
    /// Ends the worker if it runs, and starts it again: command, folder, environment, tags, window and worktree as they
    /// were. `clean_first` removes its worktree before, with unsaved work only if `force`.
    pub async fn respawn(&self, sight: &Sight, clean_first: bool, force: bool) -> Result<Spawned> {
        let spawn = self.as_before(&sight.entry)?;
        let mut entry = sight.entry.clone();
        if clean_first && !force {
            // Before it is ended: for what is refused nobody shall have to end.
            self.refuse_unsaved(&entry).await?;
        }
        if sight.is_live() {
            let ended = self.end(std::slice::from_ref(sight), None).await.pop();
            if let Ended::Now(Some(end)) = ended.unwrap_or(Ok(Ended::Before))? {
                entry.ended = Some(end);
            }
        }
        entry.status = Standing::Stopped;
        let _claim = self.claim(&entry).await?;
        if clean_first {
            self.remove_claimed_worktree(&entry, force).await?;
        }
        let spawned = self.spawn_again(&spawn, &entry).await?;
        if let Some(old) = &entry.run {
            undo::remove_run(&self.home.worker(old));
        }
        Ok(spawned)
    }

    /// The spawn that would make this entry.
    fn as_before(&self, entry: &Entry) -> Result<Spawn> {
        let name = WorkerName::try_from(entry.name.as_str());
        let name = name.map_err(|bad| Trouble::failed(bad.to_string()).kind(Kind::Usage))?;
        let worktree = entry.worktree.as_ref();
        Ok(Spawn {
            name,
            cmd: entry.cmd.clone(),
            cwd: worktree.map_or_else(|| entry.cwd.clone().into(), |tree| tree.base_repo.clone()),
            tmux: entry
                .tmux
                .as_ref()
                .map(|window| TmuxWish { session: Some(window.session.clone()), socket: window.socket.clone() }),
            worktree: worktree
                .map(|tree| WorktreeWish { branch: tree.branch.clone(), place: TreePlace::At(tree.path.clone()) }),
            tags: entry.tags.clone(),
            env: self.kept_environment(entry)?,
            metadata: entry.metadata.clone(),
            grace: self.grace(entry),
        })
    }

    fn kept_environment(&self, entry: &Entry) -> Result<Vec<(OsString, OsString)>> {
        let Some(run) = &entry.run else {
            if !entry.env.is_empty() {
                let names: Vec<&str> = entry.env.keys().map(String::as_str).collect();
                self.warn(format!("started without {}: the swarm that spawned it did not keep the values; `swarm clean` it and spawn it with --env", names.join(", ")));
            }
            return Ok(Vec::new());
        };
        let path = self.home.worker(run).environment();
        let kept = environment::kept(&path)
            .map_err(|error| Trouble::of_io(format!("cannot read the environment in {}", path.display()), &error))?;
        let is_kept = |name: &&str| kept.iter().any(|(kept, _)| kept.to_string_lossy() == **name);
        let lost: Vec<&str> = entry.env.keys().map(String::as_str).filter(|name| !is_kept(name)).collect();
        if !lost.is_empty() {
            self.warn(format!("the values of {} are lost: {} is gone or damaged", lost.join(", "), path.display()));
        }
        Ok(kept)
    }

    fn grace(&self, entry: &Entry) -> Span {
        let plan = entry.run.as_ref().and_then(|run| WorkerPlan::of(&self.home.worker(run).record().ok()?).ok());
        plan.map_or(super::DEFAULT_GRACE, |plan| plan.policy.grace)
    }
}
