//! Undoing a spawn: in reverse, only what this spawn made, and never by force. What cannot be undone is named with the
//! command that removes it.
//!
//! Before a worktree is added, what will be made is noted in the run's folder: so also a command that only finds the
//! remains of a spawn that was killed knows what it may remove.

use super::{Result, Trouble};
use crate::host::git::worktree::{self, Added};
use crate::host::{files, pane_log};
use crate::journal::{RunFolder, WorkerLogs};
use serde::{Deserialize, Serialize};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What a spawn is about to make outside of the state folder.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Intent {
    /// A folder in the repository.
    pub(super) repository: PathBuf,
    /// What will be made if all goes well.
    pub(super) planned: Added,
}

/// Name of the note in the run's folder.
const NAME: &str = "undo.json";

impl Intent {
    /// Notes it, durable.
    pub(super) fn note(&self, run: &RunFolder) -> Result<()> {
        let path = run.path().join(NAME);
        let written = serde_json::to_vec(self).map_err(Into::into).and_then(|json| files::write_atomic(&path, &json));
        written.map_err(|error| Trouble::of_io(format!("cannot write {}", path.display()), &error))
    }

    fn noted(run: &RunFolder) -> Option<Intent> {
        serde_json::from_slice(&std::fs::read(run.path().join(NAME)).ok()?).ok()
    }
}

/// The spawn is kept: what it made is not undone any more.
pub(super) fn keep(run: &RunFolder) {
    // Left behind it is read by nobody: the run was started.
    let _ = files::remove(&run.path().join(NAME));
}

/// Undoes what the spawn of `run` made and noted, but for its entry and its folder. Returns what is left, in words.
pub(super) async fn died(run: &RunFolder, logs: Option<&WorkerLogs>) -> Vec<String> {
    let mut left = Vec::new();
    if let Some(intent) = Intent::noted(run) {
        left.extend(remove_worktree(&intent).await);
    }
    left.extend(logs.into_iter().flat_map(|logs| logs.all()).filter_map(|log| remove_empty(&log)));
    left
}

async fn remove_worktree(intent: &Intent) -> Vec<String> {
    let repository = match worktree::repository(&intent.repository).await {
        Ok(repository) => repository,
        Err(error) => return vec![format!("cannot undo the worktree: {error}")],
    };
    let left = worktree::undo(&repository, &intent.planned).await;
    left.into_iter().map(|left| format!("{} is left; remove it with: {}", left.what, left.command)).collect()
}

/// Waits until the log of a window that was just opened and closed again is complete: who writes it may be slower than we
/// are, and would make it when it was removed.
pub(super) fn await_pane_log(logs: &WorkerLogs) {
    let log = logs.out();
    // In vain: then an empty log may be left.
    let _ = pane_log::begun(&log, LATE).and_then(|_| pane_log::settled(&log, LATE));
}

/// A pane's log begins and ends within milliseconds of its pane.
const LATE: Duration = Duration::from_secs(1);

/// A log without a byte was made by this spawn, or is of no use to anybody.
fn remove_empty(log: &Path) -> Option<String> {
    let empty = log.metadata().is_ok_and(|log| log.is_file() && log.len() == 0);
    let removed = if empty { files::remove(log) } else { Ok(()) };
    removed.err().map(|error| left_log(log, &error))
}

/// Removes logs that this spawn made, whatever is in them.
pub(super) fn remove_logs(made: &[PathBuf]) -> Vec<String> {
    let left = |log: &PathBuf| files::remove(log).err().map(|error| left_log(log, &error));
    made.iter().filter_map(left).collect()
}

fn left_log(log: &Path, error: &io::Error) -> String {
    format!("{} is left ({error}); remove it with: rm '{}'", log.display(), log.display())
}

/// Removes the folder of a run that is nobody's any more.
pub(super) fn remove_run(run: &RunFolder) {
    // What is left of it is no run without its record, which goes first.
    let _ = files::remove(&run.path().join("run.json"));
    let _ = std::fs::remove_dir_all(run.path());
}
