//! Runs that are nobody's: of a spawn that was killed before its name was reserved, or of a worker that was started again
//! by somebody who was killed before the old run was removed.

use super::{Fleet, Result, WorkerPlan, rebuild, undo};
use crate::host::{lock, process};
use crate::journal::{RunFolder, run};
use crate::model::{Entry, RunId};
use std::collections::HashSet;

impl Fleet {
    /// The runs that none of these entries names, and that nobody is at: nothing of them lives, and who made them is gone.
    pub(super) fn strays(&self, workers: &[Entry]) -> Vec<RunFolder> {
        // A folder that cannot be listed is a matter for whoever needs it.
        let runs = self.home.workers().unwrap_or_default();
        let named = self.named(workers);
        runs.into_iter().filter(|run| !named.contains(&rebuild::id_of(run)) && is_abandoned(run)).collect()
    }

    /// Removes them, unless an entry names them by now.
    pub(super) fn sweep(&self, strays: Vec<RunFolder>) -> Result<()> {
        if strays.is_empty() {
            return Ok(());
        }
        // Under the registry's lock: no name is reserved meanwhile.
        self.update(|state| {
            let named = self.named(&state.workers);
            strays.iter().filter(|stray| !named.contains(&rebuild::id_of(stray))).for_each(undo::remove_run);
        })
    }

    /// The runs that these entries name, and those that they may name again: of a worker that is just being started again
    /// the run before is still needed, in case that it does not come to life.
    fn named(&self, workers: &[Entry]) -> HashSet<RunId> {
        let now = workers.iter().filter_map(|entry| entry.run.clone());
        let lifeless = workers.iter().filter(|entry| entry.worker.is_none()).filter_map(|entry| entry.run.as_ref());
        let before = lifeless.filter_map(|run| {
            let plan = WorkerPlan::of(&self.home.worker(run).record().ok()?).ok()?;
            plan.before?.run
        });
        now.chain(before).collect()
    }
}

/// Its maker is asked for first: between making a run and locking it nothing else tells that somebody is at it.
fn is_abandoned(run: &RunFolder) -> bool {
    !has_maker(&rebuild::id_of(run))
        && lock::holder(&run.lock()).is_ok_and(|holder| holder.is_none())
        && !rebuild::stands(run).is_live()
}

/// Is there still a process with the pid of the one that made this id? Another one by now only delays the sweep.
fn has_maker(id: &RunId) -> bool {
    run::maker(id).is_none_or(|pid| process::stat(pid).is_ok_and(|stat| !stat.zombie))
}
