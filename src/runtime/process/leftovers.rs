//! What is left when a shim was killed: its worker and all that it started, now under us or under init. They are told
//! apart from everybody else by the mark in their environment, or by the group and session that the record names.

use super::{reap, same_boot};
use crate::host::order::MARK;
use crate::host::process::{self, PidFd, Stat};
use crate::host::record::Record;
use crate::model::ProcessId;
use nix::sys::signal::Signal;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Sends KILL to all of them. Returns those that still run, each held; those that have ended and are ours are reaped.
pub(super) fn kill(folder: &Path, record: &Record) -> Vec<(ProcessId, PidFd)> {
    let Some(started) = record.started.as_ref().filter(|started| same_boot(&started.shim)) else { return Vec::new() };
    let mark = [MARK.as_bytes(), b"=", folder.as_os_str().as_bytes()].concat();
    let family = Family { shim: &started.shim, worker: record.worker.as_ref(), mark: &mark };
    let us = std::process::id().cast_signed();
    let mut found = Vec::new();
    for pid in all_pids().filter(|pid| *pid != us) {
        let Some((stat, held)) = family.member(pid) else { continue };
        if stat.zombie {
            if stat.parent == us {
                reap(pid);
            }
            continue;
        }
        let id = ProcessId { pid, start_time: stat.start_time, boot_id: started.shim.boot_id.clone() };
        // One that may not be signalled stays in the list and is named at the end.
        let _ = held.signal(Signal::SIGKILL);
        found.push((id, held));
    }
    found
}

/// Reaps those of the killed that are our children. Not before all have ended: until its parent has, a dead child is not
/// ours but its parent's.
pub(super) fn reap_all(killed: &[ProcessId]) {
    for id in killed {
        if process::stat(id.pid).is_ok_and(|stat| stat.zombie && stat.start_time == id.start_time) {
            reap(id.pid);
        }
    }
}

/// Who belongs to an attempt.
struct Family<'a> {
    shim: &'a ProcessId,
    worker: Option<&'a ProcessId>,
    mark: &'a [u8],
}

impl Family<'_> {
    /// Takes hold of `pid` if it belongs here. What is asked about it is asked after the hold, so it is about the same
    /// process.
    fn member(&self, pid: i32) -> Option<(Stat, PidFd)> {
        let held = PidFd::of_pid(pid).ok()?;
        let stat = process::stat(pid).ok()?;
        // Older than the shim: a group or session number that is used again in the other direction.
        if stat.start_time < self.shim.start_time {
            return None;
        }
        // The worker's session is its shim's, or its own.
        let known = |session: i32, worker: i32| session == self.shim.pid || session == worker;
        let grouped = self.worker.is_some_and(|worker| worker.pid == stat.group && known(stat.session, worker.pid));
        (grouped || is_marked(pid, self.mark)).then_some((stat, held))
    }
}

/// Was the process started with this variable? It cannot be read of others' processes, and those are not ours.
fn is_marked(pid: i32, mark: &[u8]) -> bool {
    let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
    environment.split(|&byte| byte == 0).any(|variable| variable == mark)
}

fn all_pids() -> impl Iterator<Item = i32> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

/// Reaps what attempts left on purpose (`keep_children`), which is ours since their shim ended: children that ended, in
/// another session than ours. Those that somebody here waits for are in our own.
pub(super) fn reap_kept() {
    let us = std::process::id().cast_signed();
    let Ok(ours) = process::stat(us) else { return };
    for pid in process::children(us) {
        if process::stat(pid).is_ok_and(|stat| stat.zombie && stat.session != ours.session) {
            reap(pid);
        }
    }
}
