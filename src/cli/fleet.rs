//! What the verbs for workers have in common: the fleet, who is meant, and the warnings.

use super::assemble;
use super::error::{Error, Result};
use super::{loops, print, runs};
use crate::driver::fleet::{self, Fleet, Kind, Sight, Trouble, View};
use clap::ArgMatches;

/// The fleet of this environment's state folder.
pub(super) fn open() -> Result<Fleet> {
    Ok(Fleet::at(runs::home()?))
}

/// All workers as they are; what differs from the registry is put right first. Warnings are printed.
pub(super) fn view(fleet: &Fleet) -> Result<View> {
    let settled = match fleet.look() {
        // Most often. Without an event loop, whose start would be most of the cost.
        Ok(view) if view.is_settled() => Ok(view),
        Ok(view) => assemble::block_on(fleet.settle(view))?,
        Err(trouble) => Err(trouble),
    };
    warn(fleet);
    Ok(settled?)
}

/// Prints what there is to say beside the results.
pub(super) fn warn(fleet: &Fleet) {
    fleet.take_warnings().iter().for_each(|text| print::warning(text));
}

/// Who is meant by a verb that takes names or `--all`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Whom {
    /// Everybody that the verb is for.
    All,
    /// These, each once.
    Names(Vec<String>),
}

/// The names or `--all`; both or none are usage errors.
pub(super) fn whom(matches: &ArgMatches) -> Result<Whom> {
    let mut names: Vec<String> = Vec::new();
    for name in matches.get_many::<String>("name").into_iter().flatten() {
        if !names.contains(name) {
            names.push(name.clone());
        }
    }
    match (matches.get_flag("all"), names.is_empty()) {
        (true, true) => Ok(Whom::All),
        (true, false) => Err(both()),
        (false, true) => Err(Error::usage("worker name required (or use --all)")),
        (false, false) => Ok(Whom::Names(names)),
    }
}

/// A name and `--all`.
pub(super) fn both() -> Error {
    Error::usage("a worker's name and --all cannot be given together").hint("leave one of them out")
}

/// The worker of that name, or `worker 'N' not found`.
pub(super) fn find<'a>(fleet: &Fleet, view: &'a View, name: &str) -> Result<&'a Sight> {
    view.find(name).ok_or_else(|| not_found(fleet, name))
}

/// `worker 'N' not found`, for a verb that knows only workers: `swarm ls` shows loops as well.
pub(super) fn not_found(fleet: &Fleet, name: &str) -> Error {
    match loops::find(fleet.home(), name) {
        Ok(Some(_)) => Error::failed(format!("worker '{name}' not found: it is a loop"))
            .hint("a loop can be asked for `status`, `peek`, `logs`, `wait` and `kill`; see `swarm loop --help`"),
        _ => fleet::not_found(name).into(),
    }
}

/// The one name of a verb that takes one.
pub(super) fn name(matches: &ArgMatches) -> Result<&str> {
    matches.get_one::<String>("name").map(String::as_str).ok_or_else(|| Error::usage("worker name required"))
}

impl From<Trouble> for Error {
    fn from(trouble: Trouble) -> Error {
        let error = match trouble.kind {
            Kind::Failed => Error::failed(trouble.message),
            Kind::Usage => Error::usage(trouble.message),
            Kind::Held => Error::held(trouble.message),
            Kind::CannotWrite => Error::cannot_write(trouble.message),
            Kind::Interrupted(signal) => {
                Error { code: u8::try_from(128 + signal).unwrap_or(130), ..Error::failed(trouble.message) }
            }
        };
        Error { hint: trouble.hint, ..error }
    }
}
