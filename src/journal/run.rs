//! The folder of one run.

use super::file::FileJournal;
use crate::host::files;
use crate::model::{RunId, Wall};
use serde::{Deserialize, Serialize};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

/// The version of `run.json` that this binary writes.
pub const SCHEMA: u32 = 1;

/// The id of a new run, `20261121-120635-123-1a2b-0`: it sorts by time; the pid keeps two processes apart, the count two
/// runs of one process.
pub fn new_id() -> RunId {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let now = jiff::Timestamp::now().strftime("%Y%m%d-%H%M%S-%3f").to_string();
    RunId(format!("{now}-{:x}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed)))
}

/// The pid of the process that made this id with [`new_id`].
pub fn maker(id: &RunId) -> Option<i32> {
    let pid = id.0.split('-').nth(3)?;
    i32::from_str_radix(pid, 16).ok()
}

/// `run.json`: what the run is, and all that a later supervisor needs to go on with it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunRecord {
    /// Version of this format.
    pub schema: u32,
    /// Its id.
    pub id: RunId,
    /// The name that people use.
    pub name: String,
    /// The work tree's real path: no two loops share it.
    pub tree: PathBuf,
    /// It shares its work tree with other loops, and holds no lock on it.
    #[serde(default)]
    pub share_tree: bool,
    /// The folder that it was started in: the agents run there, and the logs lie there.
    pub folder: PathBuf,
    /// When it was made.
    pub created: Wall,
    /// The resolved settings, as the verb that made the run understands them. Holds no secret.
    pub settings: serde_json::Value,
}

/// The folder of one run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunFolder {
    path: PathBuf,
}

impl RunFolder {
    /// That folder.
    pub fn at(path: &Path) -> RunFolder {
        RunFolder { path: path.to_owned() }
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The facts.
    pub fn journal(&self) -> PathBuf {
        self.path.join("journal")
    }

    /// Held by its supervisor, and says who that is.
    pub fn lock(&self) -> PathBuf {
        self.path.join("lock")
    }

    /// The values that a worker's environment was given; private.
    pub fn environment(&self) -> PathBuf {
        self.path.join("env")
    }

    /// The control socket's folder is the run's own; its name is short because socket paths are.
    pub fn socket_name() -> &'static str {
        "s"
    }

    /// Makes the folder of a new run with an empty journal and its record, durable. The record comes last: a folder without
    /// one is no run, so a death in the middle leaves none that is half made.
    pub fn create(&self, record: &RunRecord) -> io::Result<FileJournal> {
        files::create_folder(&self.path.join("attempts"))?;
        let journal = FileJournal::create(&self.journal())?;
        let json = serde_json::to_vec_pretty(record)?;
        // Makes all names in the folder durable; then the folder's own.
        files::write_atomic(&self.path.join("run.json"), &json)?;
        files::sync_folder(&self.path)?;
        Ok(journal)
    }

    /// Reads its record. A damaged one is an error of kind `InvalidData`.
    pub fn record(&self) -> io::Result<RunRecord> {
        let bytes = std::fs::read(self.path.join("run.json"))?;
        serde_json::from_slice(&bytes).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
    }
}
