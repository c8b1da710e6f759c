//! `swarm clean`: forgets workers that do not run.

use super::error::{Error, Result};
use super::fleet::{Whom, whom};
use super::{assemble, fleet, print};
use crate::driver::fleet::{RemoveTree, Sight};
use clap::ArgMatches;

/// Runs the verb and returns the exit code.
pub(super) fn run(matches: &ArgMatches) -> Result<u8> {
    let whom = whom(matches)?;
    let tree = (!matches.get_flag("no-rm-worktree")).then(|| RemoveTree { force: matches.get_flag("force-dirty") });
    let fleet = fleet::open()?;
    let view = fleet::view(&fleet)?;
    let mut first_error: Option<Error> = None;
    let mut complain = |error: Error| {
        if let Some(earlier) = first_error.replace(error) {
            print::error(&earlier);
        }
    };
    let chosen: Vec<&Sight> = match &whom {
        Whom::All => view.sights.iter().filter(|sight| !sight.is_live()).collect(),
        Whom::Names(names) => {
            let found = names.iter().filter_map(|name| {
                let sight = view.find(name);
                if sight.is_none() {
                    complain(fleet::not_found(&fleet, name));
                }
                sight
            });
            found.collect()
        }
    };
    for sight in chosen {
        match assemble::block_on(fleet.clean(sight, tree))? {
            Ok(_) => print::line(&format!("cleaned {}", sight.entry.name)),
            Err(trouble) => complain(trouble.into()),
        }
        fleet::warn(&fleet);
    }
    first_error.map_or(Ok(0), Err)
}
