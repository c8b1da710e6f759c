//! `swarm status NAME`: how a worker is doing, or how it ended. Exit code 0 when it runs, 1 when it does not, 2 when it is
//! not known.

use super::error::{Error, Result};
use super::{fleet, print, runs};
use crate::driver::fleet::not_found;
use crate::host::clock;
use crate::report::workers;
use clap::ArgMatches;

/// Runs the verb and returns the exit code.
pub(super) fn run(matches: &ArgMatches) -> Result<u8> {
    let name = fleet::name(matches)?;
    let fleet = fleet::open()?;
    let view = fleet::view(&fleet)?;
    let json = matches.get_flag("json");
    if let Some(sight) = view.find(name) {
        print::text(&match json {
            true => workers::json_one(&sight.entry),
            false => workers::status(&sight.entry, sight.end().as_ref(), clock::now().wall, &clock::zone()) + "\n",
        });
        return Ok(if sight.is_live() { 0 } else { 1 });
    }
    let Ok(found) = runs::find(fleet.home(), Some(name)) else {
        return Err(Error { code: 2, ..not_found(name).into() });
    };
    let status = found.status();
    print::text(&if json { status.json() } else { status.human() });
    Ok(if found.supervisor().is_some() { 0 } else { 1 })
}
