//! `swarm peek`: the last lines that workers printed. Exit code 1 for one that does not run, 2 for one that is not known.

use super::error::{Error, Result};
use super::fleet::{self, Whom};
use super::{print, runs, windows};
use crate::driver::fleet::{Fleet, Sight, View, Words, end_of, not_found};
use crate::host::words::words;
use crate::model::Standing;
use crate::report::workers::{self, Peeked};
use clap::ArgMatches;

/// Runs the verb and returns the exit code.
pub(super) fn run(matches: &ArgMatches) -> Result<u8> {
    let whom = fleet::whom(matches)?;
    let count = matches.get_one::<u32>("lines").copied().unwrap_or(30) as usize;
    let (last, json) = (matches.get_flag("last"), matches.get_flag("json"));
    let fleet = fleet::open()?;
    if let Whom::Names(names) = &whom
        && let [name] = names.as_slice()
        && let Some(words) = fleet.last_words_in_window(name, count)
    {
        let peeked = peeked(name, Standing::Running, words);
        print::text(&if json { peeked.json() } else { peeked.text(count) });
        return Ok(0);
    }
    let view = fleet::view(&fleet)?;
    match whom {
        Whom::All => {
            let peeked = peek(&fleet, view.sights.iter().filter(|sight| last || sight.is_live()).collect(), count)?;
            print::text(&if json { workers::peeked_json(&peeked) } else { workers::peeked(&peeked, count) });
        }
        Whom::Names(names) => {
            for name in names {
                let peeked = one(&fleet, &view, &name, count, last)?;
                print::text(&if json { peeked.json() } else { peeked.text(count) });
            }
        }
    }
    Ok(0)
}

fn one(fleet: &Fleet, view: &View, name: &str, count: usize, last: bool) -> Result<Peeked> {
    match view.find(name) {
        Some(sight) if last || sight.is_live() => {
            peek(fleet, vec![sight], count)?.pop().ok_or_else(|| windows::not_running(name))
        }
        Some(_) => Err(windows::not_running(name).hint(hint(name))),
        None => a_loop(fleet, name, count, last),
    }
}

fn peek(fleet: &Fleet, sights: Vec<&Sight>, count: usize) -> Result<Vec<Peeked>> {
    let all = fleet.last_words(&sights, count)?;
    let standing = |sight: &Sight| if sight.is_live() { Standing::Running } else { Standing::Stopped };
    let peeked = |(sight, words): (&Sight, Words)| peeked(&sight.entry.name, standing(sight), words);
    Ok(sights.into_iter().zip(all).map(peeked).collect())
}

fn peeked(name: &str, status: Standing, Words { out, err }: Words) -> Peeked {
    Peeked { name: name.to_owned(), status, out, err }
}

/// The end of a loop's newest text log.
fn a_loop(fleet: &Fleet, name: &str, count: usize, last: bool) -> Result<Peeked> {
    let Ok(run) = runs::find(fleet.home(), Some(name)) else {
        return Err(Error { code: 2, ..not_found(name).into() });
    };
    let status = if run.supervisor().is_some() { Standing::Running } else { Standing::Stopped };
    if status == Standing::Stopped && !last {
        return Err(Error::failed(format!("loop '{name}' is not running")).hint(hint(name)));
    }
    let out = match run.log() {
        Some(log) => end_of(&log, count)
            .map_err(|error| Error::failed(format!("cannot read {}: {}", log.display(), words(&error))))?,
        None => Vec::new(),
    };
    Ok(Peeked { name: name.to_owned(), status, out, err: Vec::new() })
}

fn hint(name: &str) -> String {
    format!("what it printed last: swarm peek {name} --last")
}
