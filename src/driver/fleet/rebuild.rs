//! Entries of a lost registry, put back from what is known elsewhere: each worker's run keeps its entry as it was spawned,
//! and its record says whether it lives. What is lost for good is only what somebody wrote into the file by hand.

use super::plan::WorkerPlan;
use crate::engine::SoloPlan;
use crate::journal::{Home, RunFolder};
use crate::model::{AttemptId, Entry, Handle};
use crate::runtime::process::{Standing, standing};

/// The entries of all runs of workers, oldest first; of two runs of one name (a respawn) the later.
pub(super) fn entries(home: &Home) -> Vec<Entry> {
    let mut entries: Vec<Entry> = Vec::new();
    for run in home.workers().unwrap_or_default() {
        if let Some(entry) = entry_of(&run) {
            entries.retain(|other| other.name != entry.name);
            entries.push(entry);
        }
    }
    entries
}

/// The entry of a run that was started once. What was spawned and never came to life is not brought back.
fn entry_of(run: &RunFolder) -> Option<Entry> {
    let mut entry = WorkerPlan::of(&run.record().ok()?).ok()?.entry;
    match stands(run) {
        Standing::Alive(handle) => fill_in(&mut entry, &handle),
        Standing::Starting | Standing::Ended(_) | Standing::Gone => {}
        // Its end was recorded, and the runtime's own record is no longer needed; or it never lived.
        Standing::Never => _ = super::look::recorded_end(run)?,
    }
    Some(entry)
}

/// How the only attempt of a worker's run stands.
pub(super) fn stands(run: &RunFolder) -> Standing {
    // What cannot be read says nothing of a worker: it is looked at again by the next command.
    standing(run.path(), &attempt(run).folder()).unwrap_or(Standing::Starting)
}

/// The only attempt of a worker's run.
fn attempt(run: &RunFolder) -> AttemptId {
    let id = run.path().file_name().unwrap_or_default().to_string_lossy().into_owned();
    AttemptId { run: crate::model::RunId(id), task: SoloPlan::task(), number: 1, tries: 1 }
}

/// What an entry says of the processes of a worker that lives.
pub(super) fn fill_in(entry: &mut Entry, handle: &Handle) {
    let Handle::Process { shim, worker } = handle;
    entry.pid = entry.tmux.is_none().then_some(worker.pid);
    entry.shim = Some(shim.clone());
    entry.worker = Some(worker.clone());
}

