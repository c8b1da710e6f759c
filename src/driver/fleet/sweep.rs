//! Runs that are nobody's: of a spawn that was killed before its name was reserved, or of a worker that was started again
//! by somebody who was killed before the old run was removed.

use super::{Fleet, Result, rebuild, undo};
use crate::host::{lock, process};
use crate::journal::{RunFolder, run};
use crate::model::{Entry, RunId};

impl Fleet {
    /// The runs that none of these entries names, and that nobody is at: nothing of them lives, and who made them is gone.
    pub(super) fn strays(&self, workers: &[Entry]) -> Vec<RunFolder> {
        // A folder that cannot be listed is a matter for whoever needs it.
        let runs = self.home.workers().unwrap_or_default();
        runs.into_iter().filter(|run| !is_named(run, workers) && is_abandoned(run)).collect()
    }

    /// Removes them, unless an entry names them by now.
    pub(super) fn sweep(&self, strays: Vec<RunFolder>) -> Result<()> {
        if strays.is_empty() {
            return Ok(());
        }
        // Under the registry's lock: no name is reserved meanwhile.
        self.update(|state| {
            strays.iter().filter(|stray| !is_named(stray, &state.workers)).for_each(undo::remove_run);
        })
    }
}

fn is_named(run: &RunFolder, workers: &[Entry]) -> bool {
    let id = rebuild::id_of(run);
    workers.iter().any(|entry| entry.run.as_ref() == Some(&id))
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
