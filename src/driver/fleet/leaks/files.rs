//! What lies in the state folder and belongs to nobody: runs without a worker, logs without a name in the registry, files
//! that somebody needed for a moment and never came back for.

use super::{Owners, is_attended};
use crate::host::files::inside;
use crate::host::words::shell;
use crate::journal::{Home, RunFolder};
use crate::report::doctor::{Leak, LeakKind};
use crate::runtime::process::live_attempts;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What somebody needs for a moment is not older than this.
const MOMENT: Duration = Duration::from_secs(60);

/// The ends of a worker's log files.
const LOGS: [&str; 3] = [".stdout.log", ".stderr.log", ".stdout.log.1"];

/// What there is.
#[derive(Debug)]
pub(super) struct Found {
    workers: Vec<RunFolder>,
    /// Folders of runs that have no record.
    half_made: Vec<RunFolder>,
    /// The log files of each name.
    logs: BTreeMap<String, Vec<PathBuf>>,
    temporary: Vec<PathBuf>,
}

/// Looks at the state folder.
pub(super) fn look(home: &Home) -> Found {
    let (workers, runs) = (home.workers().unwrap_or_default(), home.runs().unwrap_or_default());
    let folders = workers.iter().chain(&runs).map(RunFolder::path).chain([home.root()]);
    let temporary = folders.flat_map(inside).filter(|path| is_temporary(path) && is_old(path)).collect();
    let has_record = |run: &&RunFolder| run.path().join("run.json").exists();
    let half_made = runs.iter().filter(|run| !has_record(run) && is_old(run.path())).cloned().collect();
    Found { half_made, workers, logs: logs(&home.root().join("logs")), temporary }
}

/// What is nobody's.
pub(super) fn leaks(owners: &Owners<'_>, found: &Found) -> Vec<Leak> {
    let known = |run: &&RunFolder| owners.know(&run.path().file_name().unwrap_or_default().to_string_lossy());
    // What lives is told as processes: its folder goes after them.
    let lives = |run: &&RunFolder| live_attempts(run.path()).is_ok_and(|live| !live.is_empty());
    let idle = |run: &&RunFolder| run.path().is_dir() && !is_attended(run) && !lives(run);
    let workers = found.workers.iter().filter(|run| !known(run) && idle(run));
    let runs = workers.map(|run| of_run(run, "the run of a worker that state.json does not know"));
    let half_made = found.half_made.iter().filter(idle).map(|run| of_run(run, "half made"));
    let is_worker = |name: &String| owners.entries.iter().any(|entry| entry.name == *name);
    let logs = found.logs.iter().filter(|(name, _)| !is_worker(name)).map(|(name, files)| of_logs(name, files));
    let temporary = found.temporary.iter().filter(|path| path.exists()).map(|path| of_temporary(path));
    runs.chain(half_made).chain(logs).chain(temporary).collect()
}

fn of_run(run: &RunFolder, why: &str) -> Leak {
    let path = run.path();
    let named = run.record().map_or_else(|_| String::new(), |record| format!(" ('{}')", record.name));
    Leak {
        kind: LeakKind::Run,
        what: format!("{}{named}", path.display()),
        why: why.to_owned(),
        remove: format!("rm -r {}", shell(path.as_os_str())),
    }
}

fn of_logs(name: &str, files: &[PathBuf]) -> Leak {
    let paths: Vec<String> = files.iter().map(|path| shell(path.as_os_str())).collect();
    Leak {
        kind: LeakKind::Log,
        what: format!("the logs of '{name}'"),
        why: "state.json knows no worker of that name".to_owned(),
        remove: format!("rm {}", paths.join(" ")),
    }
}

fn of_temporary(path: &Path) -> Leak {
    let secret = path.extension().is_some_and(|end| end == "env");
    let why = match secret {
        true => "the environment for a loop that never took it; it may hold secrets",
        false => "whoever wrote it died in the middle",
    };
    Leak {
        kind: LeakKind::Temporary,
        what: path.display().to_string(),
        why: why.to_owned(),
        remove: format!("rm {}", shell(path.as_os_str())),
    }
}

/// Log files by the worker's name; other files are not ours to judge.
fn logs(folder: &Path) -> BTreeMap<String, Vec<PathBuf>> {
    let mut logs: BTreeMap<String, Vec<PathBuf>> = BTreeMap::new();
    for path in inside(folder) {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if let Some(worker) = LOGS.iter().find_map(|end| name.strip_suffix(end)) {
            logs.entry(worker.to_owned()).or_default().push(path.clone());
        }
    }
    logs
}

/// The half of an atomic write, or the environment of a loop that is just being detached.
fn is_temporary(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.ends_with(".tmp") || name.starts_with("detach-") && name.ends_with(".env")
}

fn is_old(path: &Path) -> bool {
    let changed = path.metadata().and_then(|file| file.modified());
    changed.is_ok_and(|changed| changed.elapsed().is_ok_and(|age| age > MOMENT))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_needed_for_a_moment_only() {
        for name in ["state.json.tmp", "run.json.77.tmp", "detach-77.env"] {
            assert!(is_temporary(Path::new(name)), "{name}");
        }
        for name in ["state.json", "env", "state.json.corrupted", "detach-77", "x.env"] {
            assert!(!is_temporary(Path::new(name)), "{name}");
        }
    }
}
