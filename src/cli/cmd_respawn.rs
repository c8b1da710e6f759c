//! `swarm respawn`: starts a worker again as it was. If it cannot be started, it stays known, and stopped.

use super::error::Result;
use super::{assemble, cmd_spawn, fleet, print};
use clap::ArgMatches;

/// Runs the verb and returns the exit code.
pub(super) fn run(matches: &ArgMatches) -> Result<u8> {
    let name = fleet::name(matches)?;
    let fleet = fleet::open()?;
    let view = fleet::view(&fleet)?;
    let sight = fleet::find(&fleet, &view, name)?;
    let force = matches.get_flag("force-dirty");
    let again = assemble::block_on(fleet.respawn(sight, matches.get_flag("clean-first"), force))?;
    fleet::warn(&fleet);
    print::line(&format!("respawned {}", cmd_spawn::told(&again?)));
    Ok(0)
}
