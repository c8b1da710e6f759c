//! `swarm explain [RUN]`: why each iteration of a run ended, and why the run did.

use super::error::Result;
use super::{print, runs};
use crate::report::explain::Explanation;
use clap::ArgMatches;

/// Runs the verb and returns the exit code.
pub(super) fn run(matches: &ArgMatches) -> Result<u8> {
    let home = runs::home()?;
    let run = runs::find(&home, matches.get_one::<String>("run").map(String::as_str))?;
    let explanation = Explanation::of(&run.facts, &run.who());
    print::text(&if matches.get_flag("json") { explanation.json() } else { explanation.human() });
    Ok(0)
}
