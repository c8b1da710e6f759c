//! Processes with our mark whose attempt is over, or whose run is not known; shims of runs that are gone.

use super::{Owners, Place, is_attended};
use crate::host::marked::{Marked, Owner};
use crate::host::{process, shim};
use crate::report::doctor::{Leak, LeakKind};
use crate::runtime::process::{Standing, standing};

/// The command by which any next command would put it right.
const SETTLES: &str = "swarm ls";

/// Those of this state folder that nobody owns.
pub(super) fn leaks(owners: &Owners<'_>, processes: &[Marked]) -> Vec<Leak> {
    processes.iter().filter_map(|process| leak(owners, process)).collect()
}

fn leak(owners: &Owners<'_>, process: &Marked) -> Option<Leak> {
    let (why, remove) = match &process.owner {
        Owner::Run(folder) => (of_shim(owners, &owners.place(folder)?)?, end(process, shim::KILL.as_str())),
        Owner::Attempt(folder) => match of_attempt(owners, &owners.place(folder)?)? {
            Orphan::Settled(why) => (why, end(process, "SIGKILL")),
            Orphan::Unsettled(why) => (why, SETTLES.to_owned()),
        },
    };
    let what = format!("{} ({})", process.id.pid, process.command);
    // It may have ended while it was judged: then its attempt was over for a good reason.
    process::is_alive(&process.id).then_some(Leak { kind: LeakKind::Process, what, why, remove })
}

fn end(process: &Marked, signal: &str) -> String {
    format!("kill -{} {}", signal.trim_start_matches("SIG"), process.id.pid)
}

/// Why a shim is nobody's.
fn of_shim(owners: &Owners<'_>, place: &Place) -> Option<String> {
    if !place.run.path().is_dir() {
        return Some(format!("a shim whose run is gone: {}", place.run.path().display()));
    }
    let unknown = place.is_workers && !owners.know(&place.id) && !is_attended(&place.run);
    unknown.then(|| format!("the shim of a worker that state.json does not know ({})", name(place)))
}

/// Why a worker, or what it started, is nobody's.
enum Orphan {
    /// Nobody will look after it.
    Settled(String),
    /// Its end was not judged yet: whoever does that ends it.
    Unsettled(String),
}

fn of_attempt(owners: &Owners<'_>, place: &Place) -> Option<Orphan> {
    if !place.run.path().is_dir() {
        return Some(Orphan::Settled(format!("its run is gone: {}", place.run.path().display())));
    }
    let attended = is_attended(&place.run);
    if place.is_workers && !owners.know(&place.id) {
        let why = format!("of a worker that state.json does not know ({})", name(place));
        return (!attended).then_some(Orphan::Settled(why));
    }
    let attempt = place.attempt.as_deref()?;
    let over = |how: &str| format!("attempt {attempt} of {} {how}", name(place));
    match standing(place.run.path(), attempt).ok()? {
        Standing::Starting | Standing::Alive(_) => None,
        // Whoever holds the run ends what is left of it.
        Standing::Ended(_) | Standing::Gone if attended => None,
        _ if keeps_children(place) => None,
        Standing::Gone if place.is_workers => Some(Orphan::Unsettled(over("lost its shim"))),
        Standing::Gone => Some(Orphan::Settled(over("lost its shim"))),
        Standing::Ended(_) | Standing::Never => Some(Orphan::Settled(over("is over"))),
    }
}

/// Was the run told to leave what its agents start?
fn keeps_children(place: &Place) -> bool {
    let record = place.run.record();
    record.is_ok_and(|record| record.settings.get("keep_children").is_some_and(|keeps| keeps == true))
}

/// How people call the run.
fn name(place: &Place) -> String {
    place.run.record().map_or_else(|_| place.id.clone(), |record| format!("'{}', {}", record.name, place.id))
}
