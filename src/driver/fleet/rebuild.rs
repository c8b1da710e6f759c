//! Entries of a lost registry, put back from what is known elsewhere: each worker's run keeps its entry as it was spawned,
//! and its record says whether it lives. Where even that is damaged, a living worker's own process and window say who it
//! is. What is lost for good is only what somebody wrote into the file by hand.

use super::plan::WorkerPlan;
use crate::host::{clock, process};
use crate::journal::{Home, RunFolder};
use crate::model::worker::written_time;
use crate::model::{Entry, Handle, RunId, Standing as Noted, Window, WorkerName};
use crate::runtime::process::{Standing, is_held as holds, standing};
use crate::runtime::tmux::{self, Pane, Server};
use serde_json::Map;
use std::cell::OnceCell;
use std::collections::BTreeMap;

/// The entries of all runs of workers, oldest first; of two runs of one name (a respawn) the later.
pub(super) fn entries(home: &Home) -> Vec<Entry> {
    let mut entries: Vec<Entry> = Vec::new();
    let asked = OnceCell::new();
    // Its windows are asked for only where they are needed; those of other servers nobody can know of any more.
    let panes = || asked.get_or_init(|| Server::new(None).panes().unwrap_or_default()).as_slice();
    for run in home.workers().unwrap_or_default() {
        if let Some(entry) = entry_of(&run, panes) {
            entries.retain(|other| other.name != entry.name);
            entries.push(entry);
        }
    }
    entries
}

/// The entry of a run that was started once. What was spawned and never came to life is not brought back.
fn entry_of<'a>(run: &RunFolder, panes: impl FnOnce() -> &'a [Pane]) -> Option<Entry> {
    let Ok(plan) = run.record().and_then(|record| WorkerPlan::of(&record)) else { return living(run, panes) };
    let mut entry = plan.entry;
    match stands(run) {
        Standing::Alive(handle) => fill_in(&mut entry, &handle),
        Standing::Starting | Standing::Ended(_) | Standing::Gone => {}
        // Its end was recorded, and the runtime's own record is no longer needed; or it never lived.
        Standing::Never => _ = super::look::recorded_end(run)?,
    }
    Some(entry)
}

/// What the process of a worker that lives, and its window, say of it.
fn living<'a>(run: &RunFolder, panes: impl FnOnce() -> &'a [Pane]) -> Option<Entry> {
    let Standing::Alive(handle) = stands(run) else { return None };
    let (id, Handle::Process { shim, worker }) = (id_of(run), &handle);
    let pane = tmux::find(panes(), &id.0, shim.pid);
    let told = pane.and_then(|pane| pane.worker.clone());
    let name = told.or_else(|| process::variable(worker.pid, "SWARM_WORKER"))?;
    let began = process::started(worker).unwrap_or(clock::now().wall);
    let mut entry = Entry {
        name: WorkerName::try_from(name).ok()?.into(),
        status: Noted::Running,
        cmd: process::command_line(worker.pid).unwrap_or_default(),
        started: written_time(began, &clock::zone()),
        cwd: process::folder(worker.pid).unwrap_or_default(),
        env: BTreeMap::new(),
        tags: Vec::new(),
        tmux: pane.map(window),
        worktree: None,
        pid: None,
        metadata: Map::new(),
        run: Some(id),
        shim: None,
        worker: None,
        ended: None,
        other: Map::new(),
    };
    fill_in(&mut entry, &handle);
    Some(entry)
}

fn window(pane: &Pane) -> Window {
    Window {
        session: pane.session.clone(),
        window: pane.window_name.clone(),
        socket: None,
        window_id: Some(pane.window_id.clone()),
        pane_id: Some(pane.pane_id.clone()),
        made_session: None,
        other: Map::new(),
    }
}

/// Does somebody hold the record of the only attempt of a worker's run? What cannot be read is looked at closer.
pub(super) fn is_held(run: &RunFolder) -> bool {
    holds(run.path(), ATTEMPT).unwrap_or(false)
}

/// How the only attempt of a worker's run stands.
pub(super) fn stands(run: &RunFolder) -> Standing {
    // What cannot be read says nothing of a worker: it is looked at again by the next command.
    standing(run.path(), ATTEMPT).unwrap_or(Standing::Starting)
}

/// The folder of the only attempt of a worker's run: the first try of the first iteration.
const ATTEMPT: &str = "1.1";

/// The id of a worker's run is its folder's name.
pub(super) fn id_of(run: &RunFolder) -> RunId {
    RunId(run.path().file_name().unwrap_or_default().to_string_lossy().into_owned())
}

/// What an entry says of the processes of a worker that lives.
pub(super) fn fill_in(entry: &mut Entry, handle: &Handle) {
    let Handle::Process { shim, worker } = handle;
    entry.pid = entry.tmux.is_none().then_some(worker.pid);
    entry.shim = Some(shim.clone());
    entry.worker = Some(worker.clone());
}
