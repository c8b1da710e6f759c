//! What can go wrong between us and tmux, in tmux's own words wherever it said something.

use super::version::{OLDEST, Version};
use std::fmt;
use std::io;
use std::time::Duration;

/// Why a request was not done.
#[derive(Debug)]
pub enum TmuxError {
    /// There is no program `tmux` on the `PATH`.
    NotInstalled,
    /// The installed tmux lacks what we need.
    TooOld(Version),
    /// No server listens on the socket; tmux's words.
    NoServer(String),
    /// The server went away while it was asked; tmux's words.
    Lost(String),
    /// The session, window or pane is not there (any more), or it is another server's one with the same number; tmux's
    /// words, empty where it was we who found out.
    Gone(String),
    /// The session was made by somebody else in the same moment.
    Duplicate(String),
    /// A name that tmux would change or take for something else.
    BadSession(String),
    /// This text cannot be sent to this pane; the reason.
    Unsendable(String),
    /// No answer for so long: the server is stopped or hangs.
    Silent(Duration),
    /// Anything else that tmux said.
    Failed(String),
    /// The program `tmux` could not be run or talked to.
    Io(io::Error),
}

impl TmuxError {
    /// What tmux's words on standard error mean.
    pub(super) fn said(words: &str) -> TmuxError {
        let words = words.trim().to_owned();
        let any = |parts: &[&str]| parts.iter().any(|part| words.contains(part));
        let nobody_listens = words.starts_with("error connecting to ")
            && any(&["(No such file or directory)", "(Connection refused)", "(Not a directory)"]);
        if nobody_listens || any(&["no server running on"]) {
            TmuxError::NoServer(words)
        } else if any(&["server exited", "lost server"]) {
            TmuxError::Lost(words)
        } else if any(&["can't find ", "target pane has exited", "no current ", "no sessions"]) {
            TmuxError::Gone(words)
        } else if any(&["duplicate session"]) {
            TmuxError::Duplicate(words)
        } else if words.is_empty() {
            TmuxError::Failed("tmux failed and said nothing".into())
        } else {
            TmuxError::Failed(words)
        }
    }
}

impl From<io::Error> for TmuxError {
    fn from(error: io::Error) -> TmuxError {
        if error.kind() == io::ErrorKind::NotFound { TmuxError::NotInstalled } else { TmuxError::Io(error) }
    }
}

impl fmt::Display for TmuxError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TmuxError::NotInstalled => f.write_str("tmux is not installed"),
            TmuxError::TooOld(version) => write!(f, "tmux {version} is too old: {OLDEST} or later is needed"),
            TmuxError::Gone(said) if said.is_empty() => f.write_str("the window is gone"),
            TmuxError::NoServer(said) | TmuxError::Lost(said) | TmuxError::Gone(said) => f.write_str(said),
            TmuxError::Duplicate(said) | TmuxError::Failed(said) => f.write_str(said),
            TmuxError::BadSession(why) | TmuxError::Unsendable(why) => f.write_str(why),
            TmuxError::Silent(time) => write!(f, "tmux did not answer within {} s", time.as_secs()),
            TmuxError::Io(error) => write!(f, "cannot run tmux: {}", crate::host::words::words(error)),
        }
    }
}

impl std::error::Error for TmuxError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_of_tmux_are_told_apart() {
        let said = |words: &str| format!("{:?}", TmuxError::said(words));
        assert!(said("no server running on /tmp/tmux-0/default\n").starts_with("NoServer"));
        assert!(said("error connecting to /tmp/t (No such file or directory)").starts_with("NoServer"));
        assert!(said("error connecting to /tmp/t (Permission denied)").starts_with("Failed"));
        assert!(said("server exited unexpectedly").starts_with("Lost"));
        assert!(said("lost server").starts_with("Lost"));
        assert!(said("can't find pane: %9").starts_with("Gone"));
        assert!(said("no current target").starts_with("Gone"));
        assert!(said("duplicate session: a").starts_with("Duplicate"));
        assert!(said("").starts_with("Failed"));
    }
}
