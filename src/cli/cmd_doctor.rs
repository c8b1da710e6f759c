//! `swarm doctor`: is everything there that workers need? With `--leaks`: what is still there and nobody's? Exit code 1
//! when something is broken, or something leaked.

use super::error::Result;
use super::{assemble, fleet, print};
use crate::driver::fleet::doctor::examine;
use crate::journal::Home;
use crate::report::doctor::{self, Level};
use clap::ArgMatches;

/// Runs the verb and returns the exit code.
pub(super) fn run(matches: &ArgMatches) -> Result<u8> {
    let json = matches.get_flag("json");
    if matches.get_flag("leaks") { leaks(json) } else { checks(json) }
}

fn checks(json: bool) -> Result<u8> {
    let here = std::env::current_dir().ok();
    let checks = assemble::block_on(examine(Home::from_env().as_ref(), here.as_deref()))?;
    print::text(&if json { doctor::checks_json(&checks) } else { doctor::checks(&checks) });
    Ok(u8::from(doctor::worst(&checks) == Level::Problem))
}

fn leaks(json: bool) -> Result<u8> {
    let here = std::env::current_dir().ok();
    let leaks = assemble::block_on(fleet::open()?.leaks(here.as_deref()))??;
    print::text(&if json { doctor::leaks_json(&leaks) } else { doctor::leaks(&leaks) });
    Ok(u8::from(!leaks.found.is_empty()))
}
