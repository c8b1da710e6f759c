//! `swarm attach`: shows a worker's window in this terminal. The process becomes tmux's client, so that nothing of ours
//! stands between the person and the window.

use super::error::{Error, Result};
use super::{fleet, windows};
use crate::host::words::words;
use clap::ArgMatches;
use std::io::{IsTerminal, stdin, stdout};
use std::os::unix::process::CommandExt;
use std::process::Command;

/// Runs the verb; returns only if that failed.
pub(super) fn run(matches: &ArgMatches) -> Result<u8> {
    let name = fleet::name(matches)?;
    let fleet = fleet::open()?;
    let view = fleet::view(&fleet)?;
    let window = windows::find(&fleet, &view, name)?;
    if !stdin().is_terminal() || !stdout().is_terminal() {
        return Err(Error::failed(format!("worker '{name}' cannot be shown here: this is no terminal"))
            .hint(format!("without one: `swarm peek {name}`, `swarm logs -f {name}`, `swarm send {name} TEXT`")));
    }
    let client = window.server.attach(&window.pane.target(), matches.get_flag("read-only"));
    let (program, arguments) =
        client.argv.split_first().ok_or_else(|| Error::failed("there is no command that attaches"))?;
    let mut command = Command::new(program);
    command.args(arguments);
    if client.without_tmux {
        command.env_remove("TMUX").env_remove("TMUX_PANE");
    }
    let error = command.exec();
    Err(Error::failed(format!("cannot run tmux: {}", words(&error))).hint("is it still installed? see `swarm doctor`"))
}
