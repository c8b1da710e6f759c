//! How an attempt stands, told by its record and the record's lock alone: no supervisor, no runtime, two system calls more
//! than to open a file. So a list of hundreds of workers is one pass.

use super::{found, handle};
use crate::host::record;
use crate::model::{Exit, Found, Handle, Status};
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

/// How an attempt stands at this moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// Nobody started it, or it could not be started; nothing of it is left.
    Never,
    /// Somebody is just starting it.
    Starting,
    /// It runs.
    Alive(Handle),
    /// Its shim saw it end.
    Ended(Exit),
    /// Its shim was killed, and nobody saw how it ended; something of it may still run.
    Gone,
}

impl Standing {
    /// Does it run, or is it about to?
    pub fn is_live(&self) -> bool {
        matches!(self, Standing::Starting | Standing::Alive(_))
    }

    /// How it ended, of one that is over.
    pub fn exit(&self) -> Option<Exit> {
        match self {
            Standing::Ended(exit) => Some(exit.clone()),
            Standing::Gone => Some(Exit::plain(Status::Lost)),
            Standing::Never | Standing::Starting | Standing::Alive(_) => None,
        }
    }
}

/// Does a shim, or somebody who is about to start one, hold the attempt's record? For one that is known to have been
/// started, this alone says that it lives.
pub fn is_held(run_folder: &Path, attempt: &str) -> io::Result<bool> {
    match File::open(record_of(run_folder, attempt)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        file => record::is_held(&file?),
    }
}

/// How the attempt in `<run folder>/attempts/<attempt>` stands.
pub fn standing(run_folder: &Path, attempt: &str) -> io::Result<Standing> {
    let file = match File::open(record_of(run_folder, attempt)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Standing::Never),
        file => file?,
    };
    // In this order: what is read after the lock was free is final.
    let held = record::is_held(&file)?;
    let record = record::read(&file)?;
    Ok(match found(&record, held) {
        Found::Ended(exit) => Standing::Ended(exit),
        Found::Alive(handle) => Standing::Alive(handle),
        _ if held => handle(&record).map_or(Standing::Starting, Standing::Alive),
        Found::Gone => Standing::Gone,
        Found::Never => Standing::Never,
    })
}

fn record_of(run_folder: &Path, attempt: &str) -> PathBuf {
    [run_folder, Path::new("attempts"), Path::new(attempt), Path::new(record::NAME)].iter().collect()
}
