//! `swarm wait`: until workers, or loops, have ended. Their ends are events; nothing is asked again and again.

use super::error::{Error, Result};
use super::fleet::{Whom, whom};
use super::{assemble, fleet, loops, print, runs, settings};
use crate::driver::fleet::{Fleet, Sight, View, not_found};
use crate::host::limits;
use crate::host::process::PidFd;
use crate::host::ready::Crowd;
use crate::model::{RunId, Span};
use crate::report::workers;
use clap::ArgMatches;
use serde_json::json;
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// Runs the verb and returns the exit code.
pub(super) fn run(matches: &ArgMatches) -> Result<u8> {
    let whom = whom(matches)?;
    let timeout = timeout(matches)?;
    let fleet = fleet::open()?;
    let view = fleet::view(&fleet)?;
    let mut wait =
        Wait { fleet, json: matches.get_flag("json"), waited_for: BTreeMap::new(), next_token: 0, timed_out: false };
    wait.begin(&whom, &view)?;
    assemble::block_on(wait.until(timeout))??;
    Ok(u8::from(wait.timed_out))
}

/// Seconds, or a duration with a unit.
fn timeout(matches: &ArgMatches) -> Result<Option<Span>> {
    matches.get_one::<String>("timeout").map(|text| settings::duration("timeout", text)).transpose()
}

/// Those who have not ended yet.
struct Wait {
    fleet: Fleet,
    json: bool,
    /// By the token that their end is reported as.
    waited_for: BTreeMap<u64, Awaited>,
    next_token: u64,
    timed_out: bool,
}

struct Awaited {
    name: String,
    /// The life that is waited for; a worker that is started again meanwhile has another.
    run: Option<RunId>,
    held: Option<PidFd>,
    is_loop: bool,
}

impl Wait {
    /// Takes hold of everybody who is meant. Nobody is waited for when one of them does not exist.
    fn begin(&mut self, whom: &Whom, view: &View) -> Result<()> {
        let names: Vec<String> = match whom {
            Whom::All => {
                view.sights.iter().filter(|sight| sight.is_live()).map(|sight| sight.entry.name.clone()).collect()
            }
            Whom::Names(names) => names.clone(),
        };
        limits::open_files(OUR_FILES + names.len());
        for name in names {
            let awaited = match view.find(&name) {
                Some(sight) => hold(&self.fleet, sight)?,
                None => match loops::find(self.fleet.home(), &name)? {
                    Some(found) => Awaited { name, run: None, held: found.held()?, is_loop: true },
                    // A loop that has ended: whoever asks late gets the same answer.
                    None if runs::find(self.fleet.home(), Some(&name)).is_ok() => {
                        Awaited { name, run: None, held: None, is_loop: true }
                    }
                    None => return Err(not_found(&name).into()),
                },
            };
            self.await_end(awaited);
        }
        Ok(())
    }

    fn await_end(&mut self, awaited: Awaited) {
        self.waited_for.insert(self.next_token, awaited);
        self.next_token += 1;
    }

    /// Waits for all of them, or for the time to be up.
    async fn until(&mut self, timeout: Option<Span>) -> Result<()> {
        let failed = |error: std::io::Error| Error::failed(format!("cannot wait: {error}"));
        let deadline = timeout.map(|span| Instant::now() + span.duration());
        let mut crowd = Crowd::new().map_err(failed)?;
        watch(&crowd, &self.waited_for).map_err(failed)?;
        let mut ended: Vec<u64> = self.without_hold();
        while !self.waited_for.is_empty() {
            if ended.is_empty() {
                let next = match deadline {
                    None => crowd.wait().await,
                    Some(deadline) => match timeout_at(deadline, crowd.wait()).await {
                        Ok(next) => next,
                        Err(_elapsed) => {
                            self.give_up();
                            return Ok(());
                        }
                    },
                };
                ended = next.map_err(failed)?;
            }
            if self.take(std::mem::take(&mut ended)).await? {
                crowd = Crowd::new().map_err(failed)?;
                watch(&crowd, &self.waited_for).map_err(failed)?;
                ended = self.without_hold();
            }
        }
        Ok(())
    }

    fn without_hold(&self) -> Vec<u64> {
        self.waited_for.iter().filter(|(_, awaited)| awaited.held.is_none()).map(|(token, _)| *token).collect()
    }

    /// Judges and tells those ends. True if one of them was only the end of whoever started a worker: then that worker is
    /// held itself.
    async fn take(&mut self, tokens: Vec<u64>) -> Result<bool> {
        let ended: Vec<Awaited> = tokens.iter().filter_map(|token| self.waited_for.remove(token)).collect();
        let view = self.fleet.settle(self.fleet.look()?).await?;
        fleet::warn(&self.fleet);
        let mut again = false;
        for awaited in ended {
            let same_life = view.find(&awaited.name).filter(|sight| sight.is_live() && sight.entry.run == awaited.run);
            match same_life.filter(|_| !awaited.is_loop) {
                Some(sight) => {
                    let again_held = hold(&self.fleet, sight)?;
                    if again_held.held.is_none() {
                        // It lives, and nobody can be waited for: whoever starts it has not said yet who it is.
                        tokio::time::sleep(UNHELD).await;
                    }
                    self.await_end(again_held);
                    again = true;
                }
                None => self.tell_end(&awaited.name, awaited.is_loop, &view),
            }
        }
        Ok(again)
    }

    fn tell_end(&self, name: &str, is_loop: bool, view: &View) {
        let end = view.find(name).filter(|_| !is_loop).and_then(|sight| sight.end());
        if self.json {
            let how = end.as_ref().map(|(exit, ending)| workers::how(exit, ending.as_ref()));
            let exit = end.map(|(exit, _)| exit);
            print::line(&json!({"name": name, "exited": true, "how": how, "exit": exit}).to_string());
        } else {
            print::line(&format!("{name}: exited"));
        }
    }

    fn give_up(&mut self) {
        self.timed_out = true;
        for awaited in self.waited_for.values() {
            match self.json {
                true => print::line(&json!({"name": awaited.name, "exited": false, "timeout": true}).to_string()),
                false => print::line(&format!("{}: still running (timeout)", awaited.name)),
            }
        }
    }
}

/// Between two looks at one that lives and cannot be held.
const UNHELD: Duration = Duration::from_millis(20);

/// Open files beside one for each who is waited for: ours, and those that it takes to judge an end.
const OUR_FILES: usize = 64;

fn hold(fleet: &Fleet, sight: &Sight) -> Result<Awaited> {
    let name = sight.entry.name.clone();
    let held = sight.hold(fleet.home());
    let held = held.map_err(|error| Error::failed(format!("cannot watch worker '{name}': {error}")))?;
    Ok(Awaited { name, run: sight.entry.run.clone(), held, is_loop: false })
}

fn watch(crowd: &Crowd, waited_for: &BTreeMap<u64, Awaited>) -> std::io::Result<()> {
    let held = waited_for.iter().filter_map(|(token, awaited)| Some((*token, awaited.held.as_ref()?)));
    held.into_iter().try_for_each(|(token, held)| crowd.add(held, token))
}
