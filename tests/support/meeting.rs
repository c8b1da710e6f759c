//! A named pipe at which a test and a process that it did not start itself wait for each other.
#![allow(dead_code, reason = "each test program uses its own part of it")]

use nix::sys::stat::Mode;
use std::path::PathBuf;
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

/// What does not come in this time does not come at all.
const PATIENCE: Duration = Duration::from_secs(60);

/// The pipe. Whoever comes first waits for the other.
pub(crate) struct Meeting {
    path: PathBuf,
}

impl Meeting {
    /// Makes the pipe.
    pub(crate) fn new(path: PathBuf) -> Meeting {
        nix::unistd::mkfifo(&path, Mode::S_IRWXU).unwrap();
        Meeting { path }
    }

    /// Waits for the other side's words.
    pub(crate) fn hear(&self) -> String {
        let path = self.path.clone();
        self.within(move || std::fs::read_to_string(path).unwrap())
    }

    /// Waits for the other side to listen, and speaks.
    pub(crate) fn say(&self, words: &'static str) {
        let path = self.path.clone();
        self.within(move || std::fs::write(path, words).unwrap());
    }

    fn within<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> T {
        let (send, receive) = channel();
        thread::spawn(move || send.send(work()));
        receive.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("nobody came to {}", self.path.display()))
    }
}
