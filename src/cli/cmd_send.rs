//! `swarm send`: types a text into a worker's window, and Enter.

use super::error::{Error, Result};
use super::fleet::{self, Whom};
use super::windows::{self, Window};
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
    let view = fleet::view(&fleet)?;
    windows::each(&fleet, &view, &whom, |window| send(window, &text), |name| format!("sent to {name}"))
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
