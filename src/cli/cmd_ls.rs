//! `swarm ls`: all workers, and the loops that run.

use super::error::Result;
use super::{fleet, loops, print};
use crate::host::clock;
use crate::model::{Entry, Standing};
use crate::report::workers;
use clap::ArgMatches;

/// Runs the verb and returns the exit code.
pub(super) fn run(matches: &ArgMatches) -> Result<u8> {
    let fleet = fleet::open()?;
    let view = fleet::view(&fleet)?;
    let running = loops::running(fleet.home())?;
    let loops = running.iter().map(|run| run.entry());
    let entries: Vec<Entry> = view.sights.into_iter().map(|sight| sight.entry).chain(loops).collect();
    let wanted = Wanted::of(matches);
    let chosen: Vec<&Entry> = entries.iter().filter(|entry| wanted.takes(entry)).collect();
    print::text(&match matches.get_one::<String>("format").map(String::as_str) {
        Some("json") => workers::json(&chosen),
        Some("names") => chosen.iter().map(|entry| format!("{}\n", entry.name)).collect(),
        _ => workers::table(&chosen, clock::now().wall, &clock::zone()),
    });
    Ok(0)
}

/// Which workers are asked for.
struct Wanted<'a> {
    standing: Option<Standing>,
    tag: Option<&'a String>,
}

impl Wanted<'_> {
    fn of(matches: &ArgMatches) -> Wanted<'_> {
        let standing = match matches.get_one::<String>("status").map(String::as_str) {
            Some("running") => Some(Standing::Running),
            Some("stopped") => Some(Standing::Stopped),
            _ => None,
        };
        Wanted { standing, tag: matches.get_one("tag") }
    }

    fn takes(&self, entry: &Entry) -> bool {
        self.standing.is_none_or(|standing| entry.status == standing)
            && self.tag.is_none_or(|tag| entry.tags.contains(tag))
    }
}
