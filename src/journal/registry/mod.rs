//! The registry: who works here. `$SWARM_HOME/state.json`, which people, `jq` and the predecessor read as well.
//!
//! A change takes `state.lock`, reads the file anew, and replaces it whole: no writer ever writes back what it read before
//! it had the lock. A damaged file is kept beside, what is whole in it goes on, and the rest is rebuilt.

mod error;
mod salvage;
mod state;
mod text;

pub use error::RegistryError;
pub use state::State;

use super::home::Home;
use crate::host::lock::{Lock, Taken};
use crate::host::{failpoint, files};
use crate::model::Entry;
use std::io;
use std::path::PathBuf;
use std::time::Duration;
use text::Parsed;

/// The version of `state.json` that this binary reads and writes.
pub const VERSION: u64 = 1;

/// How long a change waits for the lock: a change takes milliseconds, so a holder of seconds hangs.
const PATIENCE: Duration = Duration::from_secs(10);

/// What others read of us while we hold the lock.
const NOTE: &str = "swarm, changing state.json";

/// A larger file was not written by any of us.
const MAX_BYTES: u64 = 64 << 20;

/// The registry of one state folder.
#[derive(Debug, Clone)]
pub struct Registry {
    folder: PathBuf,
    patience: Duration,
}

/// The registry as it stands.
#[derive(Debug)]
pub struct Reading {
    /// Who works here; of a damaged file what is whole.
    pub state: State,
    /// What is wrong with the file; the next [`Registry::update`] repairs it.
    pub damage: Option<Damage>,
}

/// What is wrong with a state file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// The first thing that is wrong.
    pub why: String,
    /// How many whole entries it still has.
    pub good: usize,
}

/// A damaged state file was repaired.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repair {
    /// Where the damaged one is kept, byte for byte.
    pub kept_as: PathBuf,
    /// What was wrong with it.
    pub why: String,
    /// How many entries of it go on.
    pub good: usize,
    /// How many were rebuilt from elsewhere.
    pub rebuilt: usize,
}

impl Registry {
    /// The registry of that state folder.
    pub fn at(home: &Home) -> Registry {
        Registry { folder: home.root().to_owned(), patience: PATIENCE }
    }

    /// The same, with another time-out for the lock (default 10 s).
    pub fn with_patience(self, patience: Duration) -> Registry {
        Registry { patience, ..self }
    }

    /// The state file.
    pub fn path(&self) -> PathBuf {
        self.folder.join("state.json")
    }

    /// Held by whoever changes the file.
    pub fn lock_path(&self) -> PathBuf {
        self.folder.join("state.lock")
    }

    /// Reads it. Takes no lock and never writes; a file that is not there is an empty registry.
    ///
    /// # Errors
    /// `Newer`, and `CannotRead` when there is something that cannot be read.
    pub fn read(&self) -> Result<Reading, RegistryError> {
        let (_, reading) = self.load()?;
        Ok(reading)
    }

    /// Changes it: `change` gets what stands there at that moment, and nobody else changes it meanwhile. The result is
    /// durable on return; nothing is written when nothing changed. When the file is damaged it is kept beside, and those of
    /// the entries of `rebuild` come back whose names are not in what is whole; the repair is told once.
    ///
    /// # Errors
    /// `Held` when the lock was not to be had in time, `Newer`, `CannotRead`, `CannotWrite`: in all of them the file is as it
    /// was, save for a `CannotWrite` of the last step, the syncing of the folder.
    pub fn update<T>(
        &self,
        rebuild: &dyn Fn() -> Vec<Entry>,
        change: impl FnOnce(&mut State) -> T,
    ) -> Result<(T, Option<Repair>), RegistryError> {
        let _lock = self.lock()?;
        let (before, Reading { mut state, damage }) = self.load()?;
        let repair = damage.map(|damage| self.repair(&mut state, damage, rebuild)).transpose()?;
        let answer = change(&mut state);
        let after = text::write(&state).map_err(|error| self.cannot_write(error))?;
        if repair.is_some() || before != after {
            self.replace(&after).map_err(|error| self.cannot_write(error))?;
        }
        Ok((answer, repair))
    }

    /// The bytes of the file and what they say. A file that is not there says what one of nobody says.
    fn load(&self) -> Result<(Vec<u8>, Reading), RegistryError> {
        let path = self.path();
        let bytes = match files::read_plain(&path, MAX_BYTES) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => text::write(&State::default()),
            bytes => bytes,
        };
        let bytes = bytes.map_err(|error| RegistryError::CannotRead { path: path.clone(), error })?;
        let reading = match text::read(&bytes) {
            Parsed::Whole(state) => Reading { state, damage: None },
            Parsed::Newer(version) => return Err(RegistryError::Newer { path, version }),
            Parsed::Damaged { state, why } => {
                let damage = Damage { why, good: state.workers.len() };
                Reading { state, damage: Some(damage) }
            }
        };
        Ok((bytes, reading))
    }

    fn lock(&self) -> Result<Lock, RegistryError> {
        let path = self.lock_path();
        let taken = files::create_folder(&self.folder).and_then(|()| Lock::take_soon(&path, NOTE, self.patience));
        match taken {
            Ok(Taken::Ours(lock)) => Ok(lock),
            Ok(Taken::Held(holder)) => Err(RegistryError::Held { path, holder, waited: self.patience }),
            Err(error) => Err(RegistryError::CannotWrite { path, error }),
        }
    }

    /// Keeps the damaged file and brings back who is missing.
    fn repair(
        &self,
        state: &mut State,
        damage: Damage,
        rebuild: &dyn Fn() -> Vec<Entry>,
    ) -> Result<Repair, RegistryError> {
        let kept_as = files::quarantine(&self.path()).map_err(|error| self.cannot_write(error))?;
        failpoint::hit("registry-quarantined").map_err(|error| self.cannot_write(error))?;
        let rebuilt = rebuild().into_iter().filter(|entry| state.insert(entry.clone())).count();
        Ok(Repair { kept_as, why: damage.why, good: damage.good, rebuilt })
    }

    fn replace(&self, bytes: &[u8]) -> io::Result<()> {
        failpoint::hit("registry-before-write")?;
        files::write_atomic_locked(&self.path(), bytes)
    }

    fn cannot_write(&self, error: io::Error) -> RegistryError {
        RegistryError::CannotWrite { path: self.path(), error }
    }
}
