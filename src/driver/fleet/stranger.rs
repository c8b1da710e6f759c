//! Workers that the predecessor started: no shim, no record, only what `state.json` says of them. They are looked at and
//! ended with care: a pid alone identifies nothing, and a tmux name selects other windows as well.

use crate::host::clock;
use crate::host::process::{self, PidFd};
use crate::host::ready::Crowd;
use crate::model::{Entry, ProcessId, Window};
use crate::runtime::tmux::{Pane, Server};
use nix::sys::signal::Signal;
use std::io;
use std::time::Duration;

/// How far the start of the process and the time in the entry may lie apart: the predecessor noted it around the start,
/// and clocks are set.
const SLACK_MS: i64 = 60_000;

/// A killed process may take so long to be gone.
const UNKILLABLE: Duration = Duration::from_secs(5);

/// The process that the entry means, if it lives: that of its pid, started when the entry says.
pub(super) fn process(entry: &Entry) -> Option<ProcessId> {
    let pid = entry.pid.filter(|pid| *pid > 1)?;
    let id = process::identify(pid).ok().filter(process::is_alive)?;
    let (noted, began) = (entry.started_at(&clock::zone())?, process::started(&id).ok()?);
    ((noted.0 - began.0).abs() <= SLACK_MS).then_some(id)
}

/// The pane of its window, by the exact names.
pub(super) fn pane<'a>(window: &Window, panes: &'a [Pane]) -> Option<&'a Pane> {
    panes.iter().find(|pane| pane.session == window.session && pane.window_name == window.window)
}

/// Ends a process and its group: TERM, `grace`, then the signal `kill`. Returns whether it is gone.
pub(super) async fn end_process(id: &ProcessId, grace: Duration, kill: Signal) -> io::Result<bool> {
    let Some(held) = PidFd::open(id)? else { return Ok(true) };
    let leads = process::stat(id.pid).is_ok_and(|stat| stat.group == id.pid);
    let send = |signal: Signal| match leads {
        true => process::signal_group(id, signal),
        false => held.signal(signal),
    };
    send(Signal::SIGTERM)?;
    send(Signal::SIGCONT)?;
    if ended(&held, grace).await? {
        return Ok(true);
    }
    send(kill)?;
    send(Signal::SIGCONT)?;
    ended(&held, UNKILLABLE).await
}

/// Ends a window, and what ignores that.
pub(super) async fn end_window(server: &Server, pane: &Pane, grace: Duration) -> io::Result<bool> {
    let id = process::identify(pane.pane_pid).ok();
    server.kill_window(&pane.target()).map_err(io::Error::other)?;
    let Some(id) = id else { return Ok(true) };
    match PidFd::open(&id)? {
        Some(held) if !ended(&held, grace).await? => end_process(&id, grace, Signal::SIGKILL).await,
        _ => Ok(true),
    }
}

/// Waits for the end of a process, at most so long.
async fn ended(held: &PidFd, within: Duration) -> io::Result<bool> {
    let crowd = Crowd::new()?;
    crowd.add(held, 0)?;
    Ok(tokio::time::timeout(within, crowd.wait()).await.is_ok())
}
