//! The windows of running workers, for the verbs that type into them.

use super::error::{Error, Result};
use super::fleet::{self, Whom};
use super::print;
use crate::driver::fleet::{Fleet, Sight, View};
use crate::runtime::tmux::{Pane, Server, TmuxError};

/// The window of a worker that runs.
pub(super) struct Window<'a> {
    /// The worker's name.
    pub(super) name: &'a str,
    pub(super) server: Server,
    pub(super) pane: &'a Pane,
}

/// The window of the worker of that name; an error if it has none, or does not run.
pub(super) fn find<'a>(fleet: &Fleet, view: &'a View, name: &str) -> Result<Window<'a>> {
    let sight = fleet::find(fleet, view, name)?;
    if sight.entry.tmux.is_none() {
        return Err(Error::failed(format!("worker '{name}' is not a tmux worker"))
            .hint("only a worker that was spawned with --tmux has a window to type into"));
    }
    if !sight.is_live() {
        return Err(not_running(name));
    }
    of(sight).ok_or_else(|| {
        Error::failed(format!("the window of worker '{name}' cannot be found"))
            .hint(format!("it is just being opened, or being closed; see `swarm status {name}`"))
    })
}

fn of(sight: &Sight) -> Option<Window<'_>> {
    let (window, pane) = (sight.entry.tmux.as_ref()?, sight.pane.as_ref()?);
    Some(Window { name: &sight.entry.name, server: Server::new(window.socket.as_deref()), pane })
}

/// Does `deed` in the window of one worker, or of all who run in one, and says of each that it was done.
pub(super) fn each(
    fleet: &Fleet,
    view: &View,
    whom: &Whom,
    deed: impl Fn(&Window<'_>) -> Result<(), TmuxError>,
    said: impl Fn(&str) -> String,
) -> Result<u8> {
    let windows = match whom {
        Whom::All => view.sights.iter().filter(|sight| sight.is_live()).filter_map(of).collect(),
        Whom::Names(names) => names.iter().map(|name| find(fleet, view, name)).collect::<Result<Vec<_>>>()?,
    };
    let mut first_error: Option<Error> = None;
    for window in windows {
        match deed(&window) {
            Ok(()) => print::line(&said(window.name)),
            Err(error) => {
                if let Some(earlier) = first_error.replace(failed(window.name, &error)) {
                    print::error(&earlier);
                }
            }
        }
    }
    first_error.map_or(Ok(0), Err)
}

/// `worker 'N' is not running`.
pub(super) fn not_running(name: &str) -> Error {
    Error::failed(format!("worker '{name}' is not running"))
}

/// What a window that nothing could be typed into says of its worker.
pub(super) fn failed(name: &str, error: &TmuxError) -> Error {
    match error {
        TmuxError::Gone(_) | TmuxError::NoServer(_) | TmuxError::Lost(_) => not_running(name),
        error => Error::failed(format!("nothing was typed into the window of worker '{name}': {error}")),
    }
}
