//! What the window of a headless worker shows: its text log, as somebody else writes it. A terminal that takes nothing
//! (Ctrl-S, a tmux that is stopped) keeps nobody waiting: what it missed is left out.

use crate::host::inotify::Watcher;
use crate::model::Show;
use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags};
use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};

/// What is read at once.
const CHUNK: usize = 16 * 1024;

/// A terminal that is further behind than this…
const MAX_LAG: u64 = 256 * 1024;

/// …goes on with so much of the end.
const KEPT: u64 = 32 * 1024;

/// A text log on a terminal.
#[derive(Debug)]
pub(super) struct View {
    log: File,
    /// How much of it was shown.
    at: u64,
    /// Our own opening of the terminal: that it does not block is nobody else's business.
    tty: File,
    watcher: Watcher,
    /// The terminal took less than there was.
    blocked: bool,
}

impl View {
    /// Shows it on the terminal that we are in. If it is what was shown before, that goes on: an attempt that is made again
    /// writes into the same log.
    pub(super) fn of(show: &Show, before: Option<&View>) -> io::Result<View> {
        let flags = OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
        let tty = OpenOptions::new().write(true).custom_flags(flags.bits()).open("/dev/tty")?;
        let log = OpenOptions::new().read(true).custom_flags(flags.bits()).open(&show.log)?;
        let watcher = Watcher::new()?;
        watcher.add(&log)?;
        let identity = |file: &File| file.metadata().map(|file| (file.dev(), file.ino()));
        let ours = identity(&log)?;
        let before = before.filter(|view| identity(&view.log).is_ok_and(|other| other == ours));
        let at = before.map_or(show.from, |view| view.at);
        let mut view = View { log, at, tty, watcher, blocked: false };
        // Nobody tells of what stood there before.
        view.run()?;
        Ok(view)
    }

    /// What to wait on for more.
    pub(super) fn waits_on(&self) -> PollFd<'_> {
        match self.blocked {
            true => PollFd::new(self.tty.as_fd(), PollFlags::POLLOUT),
            false => PollFd::new(self.watcher.as_fd(), PollFlags::POLLIN),
        }
    }

    /// Shows what is new, if there is a view. An error is of a terminal or a log that is gone: the view ends.
    pub(super) fn run_in(view: &mut Option<View>) {
        if view.as_mut().is_some_and(|view| view.run().is_err()) {
            *view = None;
        }
    }

    fn run(&mut self) -> io::Result<()> {
        // Only that something changed is told, and that is looked at.
        self.watcher.changes()?;
        self.catch_up()?;
        self.blocked = false;
        let mut buffer = [0; CHUNK];
        loop {
            let read = self.log.read_at(&mut buffer, self.at)?;
            if read == 0 {
                return Ok(());
            }
            match self.tty.write(&buffer[..read]) {
                Ok(written) => self.at += written as u64,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    self.blocked = true;
                    return Ok(());
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Leaves out what is too far behind, up to the beginning of a line.
    fn catch_up(&mut self) -> io::Result<()> {
        let size = self.log.metadata()?.len();
        if size < self.at {
            self.at = size;
        }
        if size - self.at <= MAX_LAG {
            return Ok(());
        }
        let mut kept = vec![0; KEPT as usize];
        let read = self.log.read_at(&mut kept, size - KEPT)?;
        let line = kept[..read].iter().position(|&byte| byte == b'\n').map_or(0, |end| end + 1);
        self.at = size - KEPT + line as u64;
        Ok(())
    }
}
