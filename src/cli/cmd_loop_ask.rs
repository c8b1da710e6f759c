//! `swarm loop pause`, `resume`, `stop`: asked of the run's supervisor over its control socket.

use super::error::{Error, Result};
use super::{print, runs};
use crate::driver::control::{self, Request};
use crate::journal::RunFolder;
use clap::ArgMatches;
use std::io::ErrorKind;

/// Runs the verb `verb` and returns the exit code.
pub(super) fn run(verb: &str, matches: &ArgMatches) -> Result<u8> {
    let home = runs::home()?;
    let run = runs::find(&home, matches.get_one::<String>("run").map(String::as_str))?;
    let name = &run.record.name;
    let (request, done) = match verb {
        "pause" => (Request::Pause, format!("loop '{name}' pauses after this iteration")),
        "resume" => (Request::Resume, format!("loop '{name}' goes on")),
        _ if matches.get_flag("now") => (Request::Stop { now: true }, format!("loop '{name}' stops now")),
        _ => (Request::Stop { now: false }, format!("loop '{name}' stops after this iteration")),
    };
    match control::ask(run.folder.path(), RunFolder::socket_name(), request) {
        Ok(answer) if answer.ok => print::line(&done),
        Ok(answer) => return Err(Error::failed(answer.error.unwrap_or_else(|| "the supervisor refused".to_owned()))),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::ConnectionRefused) => {
            let hint = match run.unfinished() {
                true => format!("its supervisor died: `swarm loop --resume {name}` goes on with it"),
                false => format!("it has ended: `swarm explain {name}` says why"),
            };
            return Err(Error::failed(format!("loop '{name}' is not running")).hint(hint));
        }
        Err(error) => return Err(Error::failed(format!("cannot ask the supervisor of loop '{name}': {error}"))),
    }
    Ok(0)
}
