//! Finding runs, and reading what their journals say.

use super::error::{Error, Result};
use super::{loop_window, print};
use crate::engine::{Board, Stamped};
use crate::host::lock::{self, Holder};
use crate::host::{clock, process};
use crate::journal::{FileJournal, Home, RunFolder, RunRecord};
use crate::model::Window;
use crate::report::Who;
use crate::report::status::{Status, Vitals};
use crate::runtime::process::live_attempts;
use std::path::{Path, PathBuf};

/// A run as its folder tells it.
#[derive(Debug)]
pub(super) struct Run {
    pub(super) folder: RunFolder,
    pub(super) record: RunRecord,
    pub(super) facts: Vec<Stamped>,
    pub(super) board: Board,
}

impl Run {
    /// Reads a run without touching it. `None` for a folder that is no run of this version: half made, or damaged beyond
    /// its record; a warning names it.
    pub(super) fn load(folder: RunFolder) -> Option<Run> {
        let record = match folder.record() {
            Ok(record) => record,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return None,
            Err(error) => {
                print::warning(&format!("cannot read {}: {error}", folder.path().join("run.json").display()));
                return None;
            }
        };
        let lines = FileJournal::read(&folder.journal()).map(|decoded| decoded.lines).unwrap_or_default();
        // A line of a newer version is left out here; who wants to go on with the run is refused.
        let facts: Vec<Stamped> = lines.iter().filter_map(|line| serde_json::from_str(line).ok()).collect();
        let board = Board::replay(&facts);
        Some(Run { folder, record, facts, board })
    }

    /// Its living supervisor.
    pub(super) fn supervisor(&self) -> Option<Holder> {
        // One that was killed while it started a process leaves the lock with that for an instant: until it is executed.
        lock::holder(&self.folder.lock()).ok().flatten().filter(|holder| process::is_alive(&holder.process))
    }

    /// Its journal does not say how it ended.
    pub(super) fn unfinished(&self) -> bool {
        self.board.finished.is_none()
    }

    /// Whose facts they are, for the words about them.
    pub(super) fn who(&self) -> Who {
        let zero = self.record.settings.get("exit_zero_on_limit").and_then(serde_json::Value::as_bool);
        Who { name: self.record.name.clone(), zone: clock::zone(), exit_zero_on_limit: zero.unwrap_or(false) }
    }

    /// How it is doing.
    pub(super) fn status(&self) -> Status {
        let (who, logs) = (self.who(), self.log_folder());
        let window = self.window();
        let vitals = Vitals {
            who: &who,
            folder: &self.record.folder,
            logs: &logs,
            window: window.as_ref(),
            supervisor: self.supervisor().map(|holder| holder.process.pid),
            worker_alive: live_attempts(self.folder.path()).is_ok_and(|live| !live.is_empty()),
            now: clock::now(),
        };
        Status::of(&self.board, &self.facts, &vitals)
    }

    /// Its newest text log, if an iteration has begun.
    pub(super) fn log(&self) -> Option<PathBuf> {
        let open = self.board.open.values().map(|open| open.log).max();
        let log = open.or(self.board.last.as_ref().map(|last| last.log))?;
        Some(self.log_folder().join(format!("iteration-{log}.log")))
    }

    /// The window that shows its agents.
    pub(super) fn window(&self) -> Option<Window> {
        loop_window::of(&home().ok()?, &self.record)
    }

    /// The folder of its logs.
    pub(super) fn log_folder(&self) -> PathBuf {
        log_folder(&self.record.folder)
    }
}

/// Where a loop in `folder` keeps its logs.
pub(super) fn log_folder(folder: &Path) -> PathBuf {
    folder.join(".loop-logs")
}

/// All loops, oldest first.
pub(super) fn all(home: &Home) -> Result<Vec<Run>> {
    let folders =
        home.runs().map_err(|error| Error::failed(format!("cannot list {}: {error}", home.root().display())))?;
    Ok(folders.into_iter().filter_map(Run::load).collect())
}

/// The run of that name or id; without one, the run of the current folder's work tree. Of several, one that is alive,
/// else the latest.
pub(super) fn find(home: &Home, name: Option<&str>) -> Result<Run> {
    let here = if name.is_none() { Some(work_tree(&current_folder()?)) } else { None };
    let fits = |run: &Run| match (name, &here) {
        (Some(name), _) => run.record.name == name || run.record.id.0 == name,
        (None, here) => here.as_ref() == Some(&run.record.tree),
    };
    let mut runs: Vec<Run> = all(home)?.into_iter().filter(fits).collect();
    if let Some(alive) = runs.iter().rposition(|run| run.supervisor().is_some()) {
        return Ok(runs.swap_remove(alive));
    }
    runs.pop().ok_or_else(|| match name {
        Some(name) => Error::failed(format!("loop '{name}' not found")).hint("see `swarm loop ls`"),
        None => Error::failed("no loop was ever started in this folder")
            .hint("see `swarm loop ls` for those of other folders"),
    })
}

/// The state folder, or an error that says which variable to set.
pub(super) fn home() -> Result<Home> {
    Home::from_env().ok_or_else(|| {
        Error::usage("no state folder: neither SWARM_HOME nor HOME is set").hint("set SWARM_HOME to a folder of yours")
    })
}

/// The folder that the command runs in.
pub(super) fn current_folder() -> Result<PathBuf> {
    std::env::current_dir().map_err(|error| {
        Error::failed(format!("the current folder cannot be used: {error}")).hint("change into an existing folder")
    })
}

/// The root of the work tree around `folder`, real path: the folder that holds `.git`; without one, `folder` itself.
pub(super) fn work_tree(folder: &Path) -> PathBuf {
    let real = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
    real.ancestors().find(|folder| folder.join(".git").exists()).map_or_else(|| real.clone(), Path::to_owned)
}
