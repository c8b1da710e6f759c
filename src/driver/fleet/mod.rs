//! The fleet: workers that were spawned one by one, each a run of its own ([`SoloPlan`](crate::engine::SoloPlan)), known
//! by the names in the registry.
//!
//! There is no daemon. A command looks at what the registry says and at what is real (records, processes, windows), puts
//! right what differs, does what it was asked for, and leaves. The order is always the same: what is to be is made
//! durable, then it is done, then the registry says so; so a death between any two steps leaves something that the next
//! command understands:
//!
//! | died | what the next command finds | what it does |
//! |---|---|---|
//! | before the launch | an entry whose run was never started, its lock free | undoes what the spawn had noted |
//! | before the name was reserved | a run that no entry names, and no process that made it | removes it |
//! | after the launch | an entry whose run's shim lives | fills in what the entry lacks |
//! | while a worker was started again | the same, and the run before, that nobody names | undoes the spawn; the worker is as it was |
//! | while a worker was ended | a run with an open attempt, its lock free | judges and records the end, or goes on |

mod away;
mod close;
pub mod doctor;
mod environment;
mod known;
mod leaks;
mod look;
mod output;
mod plan;
mod rebuild;
mod respawn;
mod signals;
mod solo;
mod spawn;
mod stranger;
mod sweep;
mod trouble;
mod undo;
mod window;
mod work;

pub use away::{Cleaned, RemoveTree};
pub use close::Ended;
pub use environment::is_name;
pub use look::{Life, Sight, View};
pub use output::{Words, end_of};
pub use plan::WorkerPlan;
pub use spawn::{Spawn, Spawned, TmuxWish, TreePlace, WorktreeWish};
pub use trouble::{Kind, Trouble};

use crate::host::lock::{Lock, Taken};
use crate::journal::{Home, Registry, Repair, RunFolder, State, WorkerLogs};
use crate::model::{Entry, RunId, Span, WorkerName};
use std::cell::RefCell;
use std::io;
use std::time::Duration;

/// How long a command waits for another one that is busy with the same worker, beyond that worker's own grace.
const PATIENCE: Duration = Duration::from_secs(5);

/// Between TERM and KILL, unless somebody says otherwise.
pub const DEFAULT_GRACE: Span = Span::seconds(10);

/// All workers of one state folder.
#[derive(Debug)]
pub struct Fleet {
    home: Home,
    registry: Registry,
    /// What there is to say beside the results, oldest first.
    warnings: RefCell<Vec<String>>,
}

/// The result of what the fleet is asked.
pub type Result<T, E = Trouble> = std::result::Result<T, E>;

impl Fleet {
    /// The fleet of that state folder. Touches nothing.
    pub fn at(home: Home) -> Fleet {
        let registry = Registry::at(&home);
        Fleet { home, registry, warnings: RefCell::default() }
    }

    /// The state folder.
    pub fn home(&self) -> &Home {
        &self.home
    }

    /// What there is to say beside the results; each is told once.
    pub fn take_warnings(&self) -> Vec<String> {
        self.warnings.take()
    }

    fn warn(&self, text: String) {
        self.warnings.borrow_mut().push(text);
    }

    /// Where the output of the worker of that entry is kept; `None` for a name of the predecessor that is no file name.
    pub fn logs(&self, entry: &Entry) -> Option<WorkerLogs> {
        Some(self.home.worker_logs(&WorkerName::try_from(entry.name.as_str()).ok()?))
    }

    /// Changes the registry; a damaged one is put right first, and that is said. One that is gone, while there are workers,
    /// was removed by somebody: they come back.
    fn update<T>(&self, change: impl FnOnce(&mut State) -> T) -> Result<T> {
        self.home.create().map_err(|error| {
            Trouble::of_io(format!("cannot make the state folder {}", self.home.root().display()), &error)
                .kind(Kind::CannotWrite)
                .hint("set SWARM_HOME to a folder that can be written")
        })?;
        let gone = self.is_registry_gone();
        let mut back = 0;
        let (answer, repair) = self.registry.update(&|| rebuild::entries(&self.home), |state| {
            if gone && state.workers.is_empty() {
                back = rebuild::entries(&self.home).into_iter().filter(|entry| state.insert(entry.clone())).count();
            }
            change(state)
        })?;
        if back > 0 {
            let path = self.registry.path();
            self.warn(format!("the state file {} was gone: {back} workers are back in it", path.display()));
        }
        if let Some(repair) = repair {
            self.warn(self.words_about(&repair));
        }
        Ok(answer)
    }

    /// Is there no state file, though there are workers?
    fn is_registry_gone(&self) -> bool {
        !self.registry.path().exists() && self.home.workers().is_ok_and(|runs| !runs.is_empty())
    }

    fn words_about(&self, repair: &Repair) -> String {
        format!(
            "corrupt state file {}, kept as {}: {} entries were whole, {} rebuilt from what is known of them",
            self.registry.path().display(),
            repair.kept_as.file_name().unwrap_or_default().to_string_lossy(),
            repair.good,
            repair.rebuilt
        )
    }

    /// The run of a worker, and its plan. Where the run's record is lost, the entry tells enough: no worker is beyond reach
    /// for want of a file.
    fn run(&self, entry: &Entry, id: &RunId) -> (RunFolder, WorkerPlan) {
        let folder = self.home.worker(id);
        let plan = folder.record().and_then(|record| WorkerPlan::of(&record)).unwrap_or_else(|error| {
            self.warn(format!("the record of worker '{}' cannot be read ({error}); its entry has to do", entry.name));
            WorkerPlan::new(entry.clone(), DEFAULT_GRACE)
        });
        (folder, plan)
    }

    /// The lock of a worker's run, if nobody else is busy with it.
    fn try_lock(&self, run: &RunFolder, note: &str) -> Result<Option<Lock>> {
        let path = run.lock();
        match Lock::try_take(&path, note) {
            Ok(Taken::Ours(lock)) => Ok(Some(lock)),
            Ok(Taken::Held(_)) => Ok(None),
            // Somebody was faster, and removed it.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Trouble::of_io(format!("cannot lock {}", path.display()), &error)),
        }
    }

    /// The same, waiting for whoever is busy with it.
    async fn lock(&self, name: &str, run: &RunFolder, note: &str, within: Duration) -> Result<Lock> {
        let path = run.lock();
        match Lock::take_within(&path, note, within).await {
            Ok(Taken::Ours(lock)) => Ok(lock),
            Ok(Taken::Held(holder)) => {
                let by = holder.map_or_else(String::new, |by| format!(" (pid {}: {})", by.process.pid, by.note));
                Err(Trouble::failed(format!("another command is busy with worker '{name}'{by}")).kind(Kind::Held))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(changed(name)),
            Err(error) => Err(Trouble::of_io(format!("cannot lock {}", path.display()), &error)),
        }
    }
}

/// What a command found is not so any more.
fn changed(name: &str) -> Trouble {
    let message = format!("worker '{name}' was changed by somebody else meanwhile");
    Trouble::failed(message).kind(Kind::Held).hint("look at it again: swarm ls")
}

/// `worker 'N' not found`.
pub fn not_found(name: &str) -> Trouble {
    Trouble::failed(format!("worker '{name}' not found")).hint("see `swarm ls`")
}
