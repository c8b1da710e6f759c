//! One attempt that is followed: where its log is read, what its record said last, and how its shim's end is noticed.

use super::leftovers;
use super::shims::Hold;
use crate::host::inotify::Watch;
use crate::host::process::PidFd;
use crate::host::ready::Crowd;
use crate::host::record::{self, Record};
use crate::model::{AttemptId, Handle, ProcessId};
use crate::runtime::Event;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::{Duration, Instant};

/// Most bytes of an [`Event::Output`].
const CHUNK: u64 = 256 * 1024;

/// How long killed leftovers may take to be gone; what is left then is stuck in the kernel, and is named.
const UNKILLABLE: Duration = Duration::from_secs(5);

/// What a look at an attempt gives.
pub(super) enum Step {
    /// Nothing new.
    Nothing,
    /// One event; there may be more.
    Report(Event),
    /// Its record is final, and its log is read to the end.
    Over(Record),
}

/// An attempt between its start (or adoption) and its last event.
#[derive(Debug)]
pub(super) struct Follow {
    pub(super) attempt: AttemptId,
    pub(super) handle: Option<Handle>,
    pub(super) keep_children: bool,
    /// The shim while it lives.
    pub(super) shim: Option<Hold>,
    /// Waits in the queue of those to look at.
    pub(super) marked: bool,
    pub(super) watches: Vec<Watch>,
    record: File,
    out: Option<File>,
    /// How much of the log was delivered.
    at: u64,
    /// Was the log reported as unwritable?
    paused: bool,
    /// What a killed shim left, being killed.
    clearing: Option<Clearing>,
}

#[derive(Debug)]
struct Clearing {
    /// All that were killed.
    killed: Vec<ProcessId>,
    /// Those of them that have not ended yet.
    held: Vec<(ProcessId, PidFd)>,
    until: Instant,
}

impl Follow {
    /// An attempt whose log is delivered from `at` on. Without a shim it is over.
    pub(super) fn new(attempt: AttemptId, record: File, out: Option<File>, at: u64, shim: Option<Hold>) -> Follow {
        Follow {
            attempt,
            handle: None,
            keep_children: false,
            shim,
            marked: false,
            watches: Vec::new(),
            record,
            out,
            at,
            paused: false,
            clearing: None,
        }
    }

    /// The files whose changes concern it.
    pub(super) fn files(&self) -> impl Iterator<Item = &File> {
        [Some(&self.record), self.out.as_ref()].into_iter().flatten()
    }

    /// What the record says now; nothing if it cannot be read.
    pub(super) fn record(&self) -> Record {
        record::read(&self.record).unwrap_or_default()
    }

    /// When to look without being called.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.clearing.as_ref().map(|clearing| clearing.until)
    }

    /// A process that we hold has ended: the shim, or something that it left.
    pub(super) fn somebody_ended(&mut self) {
        if let Some(Hold::Ours(shim)) = self.shim.take() {
            shim.reap();
        }
    }

    /// The next thing to report. In this order: the record is final after the shim's end, and the log after the last line
    /// of the record.
    pub(super) fn step(&mut self, chunk: &mut Vec<u8>) -> Step {
        let alone = self.shim.is_none();
        let record = self.record();
        let over = alone || record.ended.is_some();
        if let Some(event) = self.flow(&record) {
            return Step::Report(event);
        }
        if self.read(chunk) {
            return Step::Report(Event::Output { attempt: self.attempt.clone() });
        }
        if over { Step::Over(record) } else { Step::Nothing }
    }

    fn flow(&mut self, record: &Record) -> Option<Event> {
        let attempt = || self.attempt.clone();
        let event = match (&record.paused, self.paused) {
            (Some(error), false) => Event::Paused { attempt: attempt(), error: error.clone() },
            (None, true) => Event::Flowing { attempt: attempt() },
            _ => return None,
        };
        self.paused = !self.paused;
        Some(event)
    }

    /// Reads what was written since the last time; `false` when that is nothing. A log that cannot be read has nothing.
    fn read(&mut self, chunk: &mut Vec<u8>) -> bool {
        let Some(out) = &self.out else { return false };
        let size = out.metadata().map_or(0, |metadata| metadata.len());
        let wanted = size.saturating_sub(self.at).min(CHUNK);
        chunk.resize(wanted as usize, 0);
        let read = if wanted == 0 { 0 } else { out.read_at(chunk, self.at).unwrap_or(0) };
        chunk.truncate(read);
        self.at += read as u64;
        read > 0
    }

    /// Kills what a killed shim left. `None` while some of it is still ending; then it is looked at again when one has
    /// ended. At last the list of those that cannot be killed.
    pub(super) fn end_leftovers(
        &mut self,
        attempts: &Path,
        record: &Record,
        crowd: &Crowd,
        token: u64,
    ) -> Option<Vec<ProcessId>> {
        let fresh = || Clearing { killed: Vec::new(), held: Vec::new(), until: Instant::now() + UNKILLABLE };
        let mut clearing = self.clearing.take().unwrap_or_else(fresh);
        clearing.held.retain(|(_, process)| !process.has_ended());
        for (id, process) in leftovers::kill(&attempts.join(self.attempt.folder()), record) {
            if !clearing.killed.contains(&id) {
                // Out of memory: the deadline still ends the wait.
                let _ = crowd.add(&process, token);
                clearing.killed.push(id.clone());
                clearing.held.push((id, process));
            }
        }
        if clearing.held.is_empty() || Instant::now() >= clearing.until {
            leftovers::reap_all(&clearing.killed);
            return Some(clearing.held.into_iter().map(|(id, _)| id).collect());
        }
        self.clearing = Some(clearing);
        None
    }
}
