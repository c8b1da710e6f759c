//! Running loops among the workers: the verbs for workers take a loop's name as well. A worker of the same name comes
//! first.

use super::error::{Error, Result};
use super::runs::Run;
use crate::driver::control::{self, Request};
use crate::host::clock;
use crate::host::lock::Holder;
use crate::host::process::PidFd;
use crate::journal::{Home, RunFolder};
use crate::model::worker::written_time;
use crate::model::{Entry, Span, Standing, Worktree};
use serde_json::{Map, Value, json};

/// A loop whose supervisor lives.
pub(super) struct Loop {
    pub(super) run: Run,
    pub(super) supervisor: Holder,
}

/// All of them, oldest first. Only the lock of each run is looked at; what it says is read of those that run.
pub(super) fn running(home: &Home) -> Result<Vec<Loop>> {
    let folders =
        home.runs().map_err(|error| Error::failed(format!("cannot list {}: {error}", home.root().display())))?;
    let held =
        folders.into_iter().filter(|folder| crate::host::lock::holder(&folder.lock()).is_ok_and(|by| by.is_some()));
    Ok(held.filter_map(Run::load).filter_map(|run| Some(Loop { supervisor: run.supervisor()?, run })).collect())
}

/// The running loop of that name or id.
pub(super) fn find(home: &Home, name: &str) -> Result<Option<Loop>> {
    Ok(running(home)?.into_iter().find(|other| other.run.record.name == name || other.run.record.id.0 == name))
}

impl Loop {
    /// Its name.
    pub(super) fn name(&self) -> &str {
        &self.run.record.name
    }

    /// The same in the form of a worker, for lists.
    pub(super) fn entry(&self) -> Entry {
        let record = &self.run.record;
        let mut metadata = Map::new();
        metadata.insert("kind".to_owned(), Value::from("loop"));
        metadata.insert("iteration".to_owned(), json!(self.run.board.tally.iteration));
        Entry {
            name: record.name.clone(),
            status: Standing::Running,
            cmd: vec!["swarm".to_owned(), "loop".to_owned()],
            started: written_time(record.created, &clock::zone()),
            cwd: record.folder.to_string_lossy().into_owned(),
            env: Default::default(),
            tags: vec!["loop".to_owned()],
            tmux: self.run.window(),
            worktree: None::<Worktree>,
            pid: Some(self.supervisor.process.pid),
            metadata,
            run: Some(record.id.clone()),
            shim: None,
            worker: None,
            ended: None,
            other: Map::new(),
        }
    }

    /// Its supervisor, to be waited for; `None` if it has ended meanwhile.
    pub(super) fn held(&self) -> Result<Option<PidFd>> {
        PidFd::open(&self.supervisor.process)
            .map_err(|error| Error::failed(format!("cannot watch loop '{}': {error}", self.name())))
    }

    /// Asks it to end at once.
    pub(super) fn stop(&self) -> Result<()> {
        let answer = control::ask(self.run.folder.path(), RunFolder::socket_name(), Request::Stop { now: true });
        match answer {
            Ok(answer) if answer.ok => Ok(()),
            Ok(answer) => Err(Error::failed(answer.error.unwrap_or_else(|| "the supervisor refused".to_owned()))),
            Err(error) => Err(Error::failed(format!("cannot ask the supervisor of loop '{}': {error}", self.name()))
                .hint(format!("end it by hand: kill {}", self.supervisor.process.pid))),
        }
    }

    /// From TERM to KILL for its agent.
    pub(super) fn grace(&self) -> Span {
        self.run.board.run.as_ref().map_or(Span::seconds(10), |run| run.policy.grace)
    }
}
