//! The state folder, `$SWARM_HOME`.

use super::run::RunFolder;
use crate::host::files;
use crate::model::{RunId, WorkerName};
use std::io;
use std::path::{Path, PathBuf};

/// The state folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Home {
    root: PathBuf,
}

impl Home {
    /// The folder that the environment names: `SWARM_HOME`, or `SWARM_DIR` (the predecessor's name for it), or
    /// `$HOME/.swarm`. `None` when none of the three is set.
    pub fn from_env() -> Option<Home> {
        let named =
            ["SWARM_HOME", "SWARM_DIR"].into_iter().filter_map(std::env::var_os).find(|value| !value.is_empty());
        let root = named.map(PathBuf::from).or_else(|| {
            std::env::var_os("HOME").filter(|home| !home.is_empty()).map(|home| Path::new(&home).join(".swarm"))
        })?;
        Some(Home { root: std::path::absolute(&root).unwrap_or(root) })
    }

    /// That folder.
    pub fn at(root: &Path) -> Home {
        Home { root: root.to_owned() }
    }

    /// Its path.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Makes the folders, private.
    pub fn create(&self) -> io::Result<()> {
        files::create_folder(&self.root)?;
        ["runs", "trees", "workers", "logs"]
            .into_iter()
            .try_for_each(|name| files::create_folder(&self.root.join(name)))
    }

    /// The folder of a run.
    pub fn run(&self, id: &RunId) -> RunFolder {
        RunFolder::at(&self.root.join("runs").join(&id.0))
    }

    /// The folder of the run that is a spawned worker's life. They are many and short-lived, so they lie apart.
    pub fn worker(&self, id: &RunId) -> RunFolder {
        RunFolder::at(&self.root.join("workers").join(&id.0))
    }

    /// The log files of the worker of that name.
    pub fn worker_logs(&self, name: &WorkerName) -> WorkerLogs {
        WorkerLogs { folder: self.root.join("logs"), name: name.clone() }
    }

    /// The tmux session of workers that name none: each state folder has one of its own.
    pub fn session(&self) -> String {
        use std::os::unix::ffi::OsStrExt;
        let real = self.root.canonicalize().unwrap_or_else(|_| self.root.clone());
        format!("swarm-{:08x}", fnv1a(real.as_os_str().as_bytes()) >> 32)
    }

    /// All runs, oldest first (their ids begin with their time). A missing folder holds none.
    pub fn runs(&self) -> io::Result<Vec<RunFolder>> {
        self.folders("runs")
    }

    /// All runs of spawned workers, oldest first.
    pub fn workers(&self) -> io::Result<Vec<RunFolder>> {
        self.folders("workers")
    }

    fn folders(&self, kind: &str) -> io::Result<Vec<RunFolder>> {
        let entries = match std::fs::read_dir(self.root.join(kind)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries?,
        };
        let mut folders: Vec<PathBuf> = entries
            .filter_map(Result::ok)
            .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
            .map(|entry| entry.path())
            .collect();
        folders.sort();
        Ok(folders.iter().map(|folder| RunFolder::at(folder)).collect())
    }

    /// The lock file of the loop in the work tree `tree` (its real path).
    pub fn tree_lock(&self, tree: &Path) -> PathBuf {
        use std::os::unix::ffi::OsStrExt;
        self.root.join("trees").join(format!("{:016x}.lock", fnv1a(tree.as_os_str().as_bytes())))
    }
}

/// Where the output of a spawned worker is kept, by its name: `logs/<name>.stdout.log` and `.stderr.log`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkerLogs {
    folder: PathBuf,
    name: WorkerName,
}

impl WorkerLogs {
    /// Its standard output; of a worker in a window, what its terminal was sent.
    pub fn out(&self) -> PathBuf {
        self.folder.join(format!("{}.stdout.log", self.name))
    }

    /// Its standard error; made with the first byte.
    pub fn err(&self) -> PathBuf {
        self.folder.join(format!("{}.stderr.log", self.name))
    }

    /// The older half of a terminal's output that grew too long.
    pub fn older(&self) -> PathBuf {
        self.folder.join(format!("{}.stdout.log.1", self.name))
    }

    /// All of them, there or not.
    pub fn all(&self) -> [PathBuf; 3] {
        [self.out(), self.err(), self.older()]
    }
}

/// FNV-1a, 64 bits: a file name of fixed length for a path of any. (The standard library's hasher may change.)
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}
