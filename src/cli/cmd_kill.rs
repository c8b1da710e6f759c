//! `swarm kill`: ends workers, or loops, and everything that they started; all at the same time.

use super::error::{Error, Result};
use super::fleet::{Whom, whom};
use super::loops::Loop;
use super::{assemble, cmd_spawn, fleet, loops, print};
use crate::driver::fleet::{Ended, Fleet, Sight, View, not_found};
use crate::host::process::PidFd;
use crate::host::ready::Crowd;
use crate::model::Span;
use crate::report::workers;
use clap::ArgMatches;
use std::time::Duration;

/// Beyond its agent's grace a loop gets this long to close its journal.
const CLOSING: Duration = Duration::from_secs(10);

/// Runs the verb and returns the exit code.
pub(super) fn run(matches: &ArgMatches) -> Result<u8> {
    let whom = whom(matches)?;
    let grace = cmd_spawn::duration(matches, "grace")?;
    let remove = matches.get_flag("rm-worktree");
    let force = matches.get_flag("force-dirty");
    let fleet = fleet::open()?;
    let view = fleet::view(&fleet)?;
    let chosen = choose(&fleet, &whom, &view)?;
    let mut first_error = None;
    let mut complain = |error: Error| {
        if let Some(earlier) = first_error.replace(error) {
            print::error(&earlier);
        }
    };
    let ends = assemble::block_on(fleet.end(&chosen.workers, grace))?;
    fleet::warn(&fleet);
    for (sight, end) in chosen.workers.iter().zip(ends) {
        match end {
            Ok(end) => print::line(&told(sight, &end)),
            Err(trouble) => {
                complain(trouble.into());
                continue;
            }
        }
        if remove && let Err(trouble) = assemble::block_on(fleet.remove_worktree(&sight.entry, force))? {
            complain(trouble.into());
        }
        fleet::warn(&fleet);
    }
    for found in &chosen.loops {
        match assemble::block_on(end_loop(found, grace))? {
            Ok(()) => print::line(&format!("killed {}", found.name())),
            Err(error) => complain(error),
        }
    }
    chosen.unknown.into_iter().for_each(|name| complain(not_found(&name).into()));
    first_error.map_or(Ok(0), Err)
}

/// Who is to be ended.
struct Chosen {
    workers: Vec<Sight>,
    loops: Vec<Loop>,
    unknown: Vec<String>,
}

fn choose(fleet: &Fleet, whom: &Whom, view: &View) -> Result<Chosen> {
    let mut chosen = Chosen { workers: Vec::new(), loops: Vec::new(), unknown: Vec::new() };
    let Whom::Names(names) = whom else {
        // Loops are not among all: each of them is somebody's night.
        chosen.workers = view.sights.iter().filter(|sight| sight.is_live()).cloned().collect();
        return Ok(chosen);
    };
    for name in names {
        match view.find(name) {
            Some(sight) => chosen.workers.push(sight.clone()),
            None => match loops::find(fleet.home(), name)? {
                Some(found) => chosen.loops.push(found),
                None => chosen.unknown.push(name.clone()),
            },
        }
    }
    Ok(chosen)
}

/// `killed N`; of one that had ended, how.
fn told(sight: &Sight, end: &Ended) -> String {
    let name = &sight.entry.name;
    match (end, sight.end()) {
        (Ended::Now(_), _) => format!("killed {name}"),
        (Ended::Before, Some((exit, ending))) => {
            format!("killed {name} (it had stopped: {})", workers::how(&exit, ending.as_ref()))
        }
        (Ended::Before, None) => format!("killed {name} (it had stopped)"),
    }
}

/// Asks a loop's supervisor to end it at once, and waits for its end. What does not end in time is named.
async fn end_loop(found: &Loop, grace: Option<Span>) -> Result<()> {
    let Some(held) = found.held()? else { return Ok(()) };
    found.stop()?;
    let within = grace.unwrap_or(found.grace()).duration() + CLOSING;
    match ended(&held, within).await {
        Ok(true) => Ok(()),
        Ok(false) => Err(Error::failed(format!("loop '{}' does not end", found.name()))
            .hint(format!("its supervisor is process {}", found.supervisor.process.pid))),
        Err(error) => Err(Error::failed(format!("cannot wait for loop '{}': {error}", found.name()))),
    }
}

async fn ended(held: &PidFd, within: Duration) -> std::io::Result<bool> {
    let crowd = Crowd::new()?;
    crowd.add(held, 0)?;
    Ok(tokio::time::timeout(within, crowd.wait()).await.is_ok())
}
