//! `swarm send`: types a text into a worker's window, and Enter.

use super::error::{Error, Result};
use super::fleet::{self, Whom};
use super::print;
use super::windows::{self, Window};
use crate::driver::fleet::Fleet;
use crate::runtime::tmux::{Text, TmuxError, is_canonical, refuse_long_line};
use clap::ArgMatches;
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;

/// Runs the verb and returns the exit code.
pub(super) fn run(matches: &ArgMatches) -> Result<u8> {
    let (whom, text) = words(matches)?;
    let text = Text {
        text: text.as_bytes(),
        enter: !matches.get_flag("no-enter"),
        clear: !matches.get_flag("raw"),
        escape: matches.get_flag("escape"),
    };
    let fleet = fleet::open()?;
    if let Whom::Names(names) = &whom
        && let [name] = names.as_slice()
        && let Some(sent) = send_at_once(&fleet, name, &text)
    {
        return sent;
    }
    let view = fleet::view(&fleet)?;
    windows::each(&fleet, &view, &whom, |window| send(window, &text), |name| format!("sent to {name}"))
}

/// Without a look at all workers. `None` if it takes one, and nothing was typed.
fn send_at_once(fleet: &Fleet, name: &str, text: &Text<'_>) -> Option<Result<u8>> {
    // Only a look at the terminal tells whether it takes a longer line.
    refuse_long_line(text.text, true).ok()?;
    let (server, target) = fleet.window(name)?;
    match server.send_text(&target, text) {
        Ok(()) => {
            print::line(&format!("sent to {name}"));
            Some(Ok(0))
        }
        Err(TmuxError::Gone(_) | TmuxError::NoServer(_)) => None,
        Err(error) => Some(Err(windows::failed(name, &error))),
    }
}

fn send(window: &Window<'_>, text: &Text<'_>) -> Result<(), TmuxError> {
    // A terminal that cannot be opened is gone, which tmux will say.
    refuse_long_line(text.text, is_canonical(&window.pane.tty).unwrap_or(false))?;
    window.server.send_text(&window.pane.target(), text)
}

/// `NAME TEXT`, or with `--all` the text alone.
fn words(matches: &ArgMatches) -> Result<(Whom, &OsString)> {
    let words: Vec<&OsString> = matches.get_many("words").into_iter().flatten().collect();
    match (matches.get_flag("all"), words.as_slice()) {
        (true, [text]) => Ok((Whom::All, text)),
        (true, _) => Err(fleet::both()),
        (false, [name, text]) => Ok((Whom::Names(vec![name.to_string_lossy().into_owned()]), text)),
        (false, _) => Err(Error::usage("no text to send (swarm send NAME TEXT, or --all TEXT)")
            .hint("\"\" presses Enter alone; `--` before a text that begins with a dash")),
    }
}
