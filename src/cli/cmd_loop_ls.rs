//! `swarm loop ls`: all loops, oldest first; of each name the latest run.

use super::error::Result;
use super::{print, runs};
use crate::report::table;
use clap::ArgMatches;
use std::collections::BTreeSet;

/// Runs the verb and returns the exit code.
pub(super) fn run(matches: &ArgMatches) -> Result<u8> {
    let mut seen = BTreeSet::new();
    let mut latest: Vec<_> = runs::all(&runs::home()?)?
        .into_iter()
        .rev()
        .filter(|run| seen.insert((run.record.name.clone(), run.record.tree.clone())))
        .map(|run| run.status())
        .collect();
    latest.reverse();
    print::text(&if matches.get_flag("json") { table::json(&latest) } else { table::human(&latest) });
    Ok(0)
}
