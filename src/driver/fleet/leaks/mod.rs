//! `swarm doctor --leaks`: what is still there and nobody's. It only names things, each with the command that removes it:
//! what no record tells of may be somebody's after all.
//!
//! Things are looked at first, and who owns them is asked after that: a worker that is spawned meanwhile has an entry, or
//! holds the lock of its run, before there is much of it. What was found is looked for once more a moment later.
//!
//! | file | what it finds |
//! |---|---|
//! | `processes.rs` | workers, what they started, and shims, by their marks |
//! | `windows.rs` | tmux windows that were opened for a run |
//! | `worktrees.rs` | linked work trees where workers get theirs |
//! | `files.rs` | runs, logs and temporary files in the state folder |

mod files;
mod processes;
mod windows;
mod worktrees;

use super::plan::WorkerPlan;
use super::{Fleet, Result, rebuild};
use crate::host::{lock, marked};
use crate::journal::{Home, RunFolder};
use crate::model::{Entry, RunId};
use crate::report::doctor::{Leak, Leaks};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The folder of a run that is just being made, or removed, is nobody's for some milliseconds; nobody tells when that is
/// over.
const SECOND_LOOK: Duration = Duration::from_millis(500);

/// Who owns things.
struct Owners<'a> {
    home: &'a Home,
    /// The state folder's path as it is, and without links: processes know it by either.
    roots: [PathBuf; 2],
    /// All workers that are known.
    entries: Vec<Entry>,
}

impl Owners<'_> {
    /// Has a worker this run?
    fn know(&self, run: &str) -> bool {
        self.entries.iter().any(|entry| entry.run.as_ref().is_some_and(|id| id.0 == run))
    }
}

/// Is somebody busy with this run, or about to make it?
fn is_attended(run: &RunFolder) -> bool {
    // A lock that cannot be asked proves nothing: then it is left alone.
    !matches!(lock::holder(&run.lock()), Ok(None))
}

impl Fleet {
    /// All that nobody owns. `here` is the current folder, whose repository is looked at too. Where something is found it
    /// takes half a second: only what is found twice counts.
    pub async fn leaks(&self, here: Option<&Path>) -> Result<Leaks> {
        let first = self.look_for_leaks(here).await?;
        if first.found.is_empty() {
            return Ok(first);
        }
        tokio::time::sleep(SECOND_LOOK).await;
        let mut second = self.look_for_leaks(here).await?;
        let again = |leak: &Leak| first.found.iter().any(|other| other.kind == leak.kind && other.what == leak.what);
        second.found.retain(again);
        Ok(second)
    }

    async fn look_for_leaks(&self, here: Option<&Path>) -> Result<Leaks> {
        let known = self.known()?;
        let mut unseen = vec!["containers: not in this version".to_owned()];
        let processes = marked::all();
        let panes = windows::look(&sockets(&known, &self.planned()), &mut unseen);
        let trees = worktrees::look(&known, here, &mut unseen).await;
        let files = files::look(&self.home);
        let root = self.home.root();
        let real = root.canonicalize().unwrap_or_else(|_| root.to_owned());
        let owners = Owners { home: &self.home, roots: [root.to_owned(), real], entries: self.known()? };
        let mut found = processes::leaks(&owners, &processes);
        found.extend(windows::leaks(&owners, &panes));
        found.extend(worktrees::leaks(&owners, &trees));
        found.extend(files::leaks(&owners, &files));
        Ok(Leaks { found, unseen })
    }

    /// All workers: of a damaged registry also those that the next change would bring back.
    fn known(&self) -> Result<Vec<Entry>> {
        let reading = self.registry.read()?;
        let mut state = reading.state;
        if reading.damage.is_some() {
            let back = rebuild::entries(&self.home);
            back.into_iter().for_each(|entry| _ = state.insert(entry));
        }
        Ok(state.workers)
    }

    /// The entries that the runs of workers were spawned with, known or not.
    fn planned(&self) -> Vec<Entry> {
        let runs = self.home.workers().unwrap_or_default();
        runs.iter().filter_map(|run| Some(WorkerPlan::of(&run.record().ok()?).ok()?.entry)).collect()
    }
}

/// The tmux servers that there may be windows of ours on: the default one, the one that we are in, and all that were ever
/// named.
fn sockets(known: &[Entry], planned: &[Entry]) -> Vec<Option<String>> {
    let named = known.iter().chain(planned).filter_map(|entry| entry.tmux.as_ref()).map(|window| window.socket.clone());
    let mut sockets: Vec<Option<String>> = named.chain([None, windows::ours()]).collect();
    sockets.sort();
    sockets.dedup();
    sockets
}

/// A run in the state folder, by a path in it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Place {
    run: RunFolder,
    id: String,
    /// It is a worker's, not a loop's.
    is_workers: bool,
    /// `1.1`, where the path leads to an attempt.
    attempt: Option<String>,
}

impl Owners<'_> {
    /// The run that `path` (`<state folder>/workers/<id>[/attempts/1.1]`) lies in; `None` outside of this state folder.
    fn place(&self, path: &Path) -> Option<Place> {
        let inside = self.roots.iter().find_map(|root| path.strip_prefix(root).ok())?;
        let mut names = inside.iter().map(|name| name.to_string_lossy().into_owned());
        let (kind, id) = (names.next()?, names.next()?);
        let attempt = names.nth(1);
        let run = RunId(id.clone());
        let (run, is_workers) = match kind.as_str() {
            "workers" => (self.home.worker(&run), true),
            "runs" => (self.home.run(&run), false),
            _ => return None,
        };
        Some(Place { run, id, is_workers, attempt })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_leads_to_its_run() {
        let home = Home::at(Path::new("/h"));
        let owners = Owners { home: &home, roots: ["/h".into(), "/real".into()], entries: Vec::new() };
        let place = owners.place(Path::new("/real/workers/w1/attempts/1.1")).unwrap();
        assert_eq!((place.id.as_str(), place.is_workers, place.attempt.as_deref()), ("w1", true, Some("1.1")));
        assert_eq!(place.run, home.worker(&RunId("w1".into())));
        assert_eq!(owners.place(Path::new("/h/runs/r1")).unwrap().attempt, None);
        for outside in ["/other/runs/r1", "/h/logs/x", "/h/runs", "/h2/runs/r1"] {
            assert_eq!(owners.place(Path::new(outside)), None, "{outside}");
        }
    }
}
