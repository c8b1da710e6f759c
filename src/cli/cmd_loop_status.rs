//! `swarm loop status [NAME]`: how a loop is doing, or how it ended.

use super::error::Result;
use super::{print, runs};
use clap::ArgMatches;

/// Runs the verb and returns the exit code.
pub(super) fn run(matches: &ArgMatches) -> Result<u8> {
    let home = runs::home()?;
    let status = runs::find(&home, matches.get_one::<String>("run").map(String::as_str))?.status();
    print::text(&if matches.get_flag("json") { status.json() } else { status.human() });
    Ok(0)
}
