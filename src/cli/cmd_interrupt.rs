//! `swarm interrupt`: presses Ctrl-C in a worker's window.

use super::error::Result;
use super::fleet;
use super::windows::{self, Window};
use crate::runtime::tmux::Key;
use clap::ArgMatches;

/// Runs the verb and returns the exit code.
pub(super) fn run(matches: &ArgMatches) -> Result<u8> {
    let whom = fleet::whom(matches)?;
    let fleet = fleet::open()?;
    let view = fleet::view(&fleet)?;
    let press = |window: &Window<'_>| window.server.send_keys(&window.pane.target(), &[Key::Interrupt]);
    windows::each(&fleet, &view, &whom, press, |name| format!("interrupted {name}"))
}
