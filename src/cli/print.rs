//! The one place of this ring that writes to the terminal. A closed pipe or a hung-up terminal is no error: what was to
//! be said is in the logs and in the exit code.

use super::error::Error;
use std::io::Write;

/// A line on stdout.
pub(super) fn line(text: &str) {
    let _ = writeln!(std::io::stdout().lock(), "{text}");
}

/// Text on stdout as it is.
pub(super) fn text(text: &str) {
    raw(text.as_bytes());
}

/// Bytes on stdout as they are; false when nobody reads any more.
pub(super) fn raw(bytes: &[u8]) -> bool {
    let mut out = std::io::stdout().lock();
    out.write_all(bytes).and_then(|()| out.flush()).is_ok()
}

/// `swarm: error: …` on stderr.
pub(super) fn error(error: &Error) {
    let _ = writeln!(std::io::stderr().lock(), "{error}");
}

/// `swarm: warning: …` on stderr.
pub(super) fn warning(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "swarm: warning: {text}");
}

/// `swarm: …` on stderr.
pub(super) fn note(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "swarm: {text}");
}
