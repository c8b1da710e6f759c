//! The one place of this ring that writes to the terminal. A closed pipe or a hung-up terminal is no error: what was to
//! be said is in the logs and in the exit code. A disk that is full is one: `swarm logs N >kept && swarm clean N` would
//! lose the logs.

use super::error::Error;
use crate::host::words::{without_numbers, words};
use std::io::{self, Write};
use std::sync::OnceLock;

/// What became of the first output that was lost although somebody wanted it.
static LOST: OnceLock<String> = OnceLock::new();

/// The error of output that was lost, if some was.
pub(super) fn lost() -> Option<Error> {
    let why = LOST.get()?;
    Some(
        Error::failed(format!("standard output cannot be written: {why}"))
            .hint("what was done is done; see `swarm ls`"),
    )
}

/// A line on stdout.
pub(super) fn line(text: &str) {
    raw(format!("{text}\n").as_bytes());
}

/// Text on stdout as it is.
pub(super) fn text(text: &str) {
    raw(text.as_bytes());
}

/// Bytes on stdout as they are; false when nobody reads any more.
pub(super) fn raw(bytes: &[u8]) -> bool {
    let mut out = io::stdout().lock();
    let written = out.write_all(bytes).and_then(|()| out.flush());
    if let Err(error) = &written
        && !is_nobody(error)
    {
        LOST.get_or_init(|| words(error));
    }
    written.is_ok()
}

/// Nobody reads there any more: a closed pipe, a terminal that hung up.
fn is_nobody(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::BrokenPipe || error.raw_os_error() == Some(nix::libc::EIO)
}

/// `swarm: error: …` on stderr.
pub(super) fn error(error: &Error) {
    let _ = writeln!(io::stderr().lock(), "{error}");
}

/// `swarm: warning: …` on stderr.
pub(super) fn warning(text: &str) {
    let _ = writeln!(io::stderr().lock(), "swarm: warning: {}", without_numbers(text));
}

/// `swarm: …` on stderr.
pub(super) fn note(text: &str) {
    let _ = writeln!(io::stderr().lock(), "swarm: {text}");
}
