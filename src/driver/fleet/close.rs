//! Ending workers, all at once.

use super::look::{self, Life, Sight};
use super::solo::Solo;
use super::{DEFAULT_GRACE, Fleet, PATIENCE, Result, Trouble, stranger};
use crate::host::{clock, limits, shim};
use crate::model::{Ending, Exit, ProcessId, Span, Standing as Noted, Status, WorkerEnd};
use crate::runtime::tmux::Server;
use futures_util::stream::{self, StreamExt};
use nix::sys::signal::Signal;
use std::io;

/// What became of a worker that was to be ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended {
    /// It was ended; how, unless the predecessor started it.
    Now(Option<WorkerEnd>),
    /// It had ended before.
    Before,
}

impl Fleet {
    /// Ends these workers at the same time: TERM, `grace` (else each one's own), KILL, and all that they started. Each one's
    /// answer stands at its place.
    pub async fn end(&self, sights: &[Sight], grace: Option<Span>) -> Vec<Result<Ended>> {
        let ends = sights.iter().map(|sight| self.end_one(sight, grace));
        let room = limits::open_files(OUR_FILES + sights.len() * FILES_EACH).saturating_sub(OUR_FILES);
        let ends: Vec<Result<Ended>> = stream::iter(ends).buffered((room / FILES_EACH).max(1)).collect().await;
        let over = sights.iter().zip(&ends).filter_map(|(sight, end)| match end {
            Ok(Ended::Now(end)) => Some((sight, end.clone())),
            // One of the predecessor's had nobody to say so.
            Ok(Ended::Before) if sight.entry.run.is_none() => Some((sight, None)),
            _ => None,
        });
        let told = self.update(|state| {
            for (sight, end) in over {
                if let Some(now) = state.find_mut(&sight.entry.name).filter(|now| now.is_same_life(&sight.entry)) {
                    (now.status, now.ended) = (Noted::Stopped, end);
                }
            }
        });
        if let Err(trouble) = told {
            // Their runs say that they ended; the next command tells the registry.
            self.warn(trouble.message);
        }
        ends
    }

    async fn end_one(&self, sight: &Sight, grace: Option<Span>) -> Result<Ended> {
        if sight.life == Life::Stopped {
            return Ok(Ended::Before);
        }
        let Some(run) = &sight.entry.run else { return self.end_stranger(sight, grace).await };
        let (folder, plan) = self.run(&sight.entry, run);
        let name = &sight.entry.name;
        let own = plan.policy.grace;
        if let Some(shim) = look::shim_without_record(&sight.entry, &folder) {
            return self.end_without_record(name, shim, grace.unwrap_or(own)).await;
        }
        let _lock = self.lock(name, &folder, "ending it", own.duration() + PATIENCE).await?;
        let logs = self.logs(&sight.entry).ok_or_else(|| super::not_found(name))?;
        let solo = Solo { folder: &folder, run, plan: &plan, logs };
        let end = solo.finish(Some(grace.unwrap_or(own))).await;
        let end = end.map_err(|error| Trouble::of_io(format!("cannot end worker '{name}'"), &error))?;
        match end.exit.left.as_slice() {
            [] => Ok(Ended::Now(Some(end))),
            left => {
                let pids: Vec<String> = left.iter().map(|process| process.pid.to_string()).collect();
                self.warn(format!("worker '{name}' left processes that cannot be ended: {}", pids.join(", ")));
                Ok(Ended::Now(Some(end)))
            }
        }
    }

    /// Ends a worker whose record somebody removed, through its shim.
    async fn end_without_record(&self, name: &str, shim: &ProcessId, grace: Span) -> Result<Ended> {
        let gone = stranger::end_process(shim, grace.duration(), shim::KILL).await;
        self.is_gone(name, gone)?;
        Ok(Ended::Now(Some(WorkerEnd { exit: Exit::plain(Status::Lost), ending: Ending::Lost, at: clock::now().wall })))
    }

    async fn end_stranger(&self, sight: &Sight, grace: Option<Span>) -> Result<Ended> {
        let grace = grace.unwrap_or(DEFAULT_GRACE).duration();
        let gone = match (&sight.entry.tmux, &sight.pane) {
            (Some(window), Some(pane)) => {
                stranger::end_window(&Server::new(window.socket.as_deref()), pane, grace).await
            }
            _ => match stranger::process(&sight.entry) {
                Some(id) => stranger::end_process(&id, grace, Signal::SIGKILL).await,
                None => return Ok(Ended::Before),
            },
        };
        self.is_gone(&sight.entry.name, gone).map(|()| Ended::Now(None))
    }

    fn is_gone(&self, name: &str, gone: io::Result<bool>) -> Result<()> {
        match gone.map_err(|error| Trouble::of_io(format!("cannot end worker '{name}'"), &error))? {
            true => Ok(()),
            false => Err(Trouble::failed(format!("worker '{name}' cannot be ended: it is stuck in the kernel"))),
        }
    }
}

/// Open files that it takes to end one worker, with some to spare.
const FILES_EACH: usize = 16;

/// Those that we have open all the time.
const OUR_FILES: usize = 16;
