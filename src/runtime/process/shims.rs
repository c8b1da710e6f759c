//! The shims that this supervisor started, below itself or in windows: the one of each of its attempts, and those that
//! rest until the next.

use super::reap;
use super::window::{Arrived, Spot, Window};
use crate::host::handover::{Handover, Parcel};
use crate::host::order::MARK;
use crate::host::process::PidFd;
use crate::model::LaunchError;
use crate::runtime::tmux::Opened;
use nix::sys::signal::Signal;
use nix::sys::wait::waitpid;
use nix::unistd::Pid;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

/// A shim that we started.
#[derive(Debug)]
pub(super) struct Shim {
    /// What its end is reported as.
    pub(super) token: u64,
    held: PidFd,
    handover: Handover,
    home: Home,
}

/// Whose child a shim is.
#[derive(Debug)]
enum Home {
    /// Ours, with this pid.
    Ours(i32),
    /// A tmux server's, in this window.
    Window(Window),
}

impl Shim {
    /// Starts one below us. `run_folder` is for those who look at `ps`.
    pub(super) fn start(program: &Path, run_folder: &Path, token: u64) -> io::Result<Shim> {
        let (ours, theirs) = Handover::pair()?;
        let mut command = Command::new(program);
        command.arg0("swarm").arg("shim").arg(run_folder);
        // We may be below a worker ourselves: what we start is not of its attempt.
        command.env_remove(MARK);
        command.stdin(OwnedFd::from(theirs)).stdout(Stdio::null()).stderr(Stdio::null());
        let pid = command.spawn()?.id().cast_signed();
        // The command holds their end of the socket too.
        drop(command);
        match PidFd::of_pid(pid) {
            Ok(held) => Ok(Shim { token, held, handover: ours, home: Home::Ours(pid) }),
            Err(error) => {
                drop(ours);
                wait_for(pid);
                Err(error)
            }
        }
    }

    /// Starts one in a window.
    pub(super) fn open(spot: &Spot, program: &Path, run_folder: &Path, token: u64) -> Result<Shim, LaunchError> {
        let Arrived { window, handover, held } = Window::open(spot, program, run_folder)?;
        Ok(Shim { token, held, handover, home: Home::Window(window) })
    }

    /// The window it is in.
    pub(super) fn opened(&self) -> Option<&Opened> {
        match &self.home {
            Home::Ours(_) => None,
            Home::Window(window) => Some(&window.opened),
        }
    }

    /// Gives it an attempt. An error of kind `BrokenPipe` if it has ended meanwhile.
    pub(super) fn send(&self, parcel: &Parcel) -> io::Result<()> {
        self.handover.send(parcel)
    }

    /// It has ended.
    pub(super) fn reap(self) {
        self.home.reap();
    }

    /// Lets it end. One without an attempt ends at once.
    pub(super) fn dismiss(self) {
        drop(self.handover);
        self.home.leave(&self.held);
    }

    /// Its worker runs: from now on its window is for people too.
    pub(super) fn keep(&mut self) {
        if let Home::Window(window) = &mut self.home {
            window.kept = true;
        }
    }

    fn is_unused_window(&self) -> bool {
        matches!(&self.home, Home::Window(window) if !window.kept)
    }
}

impl Home {
    /// Waits for the end of a shim that has nothing to do any more.
    fn leave(self, held: &PidFd) {
        match self {
            Home::Ours(pid) => wait_for(pid),
            Home::Window(window) => window.leave(held),
        }
    }

    /// After the end of a shim: what its parent has to do. What tmux has to do is its business.
    fn reap(&self) {
        if let Home::Ours(pid) = self {
            reap(*pid);
        }
    }
}

fn wait_for(pid: i32) {
    while waitpid(Pid::from_raw(pid), None) == Err(nix::errno::Errno::EINTR) {}
}

/// The shim of an attempt.
#[derive(Debug)]
pub(super) enum Hold {
    /// We started it.
    Ours(Shim),
    /// A supervisor before us did.
    Adopted(PidFd),
}

impl Hold {
    /// Sends it a signal; nobody gets it if it has ended.
    pub(super) fn signal(&self, signal: Signal) -> io::Result<()> {
        match self {
            Hold::Ours(shim) => shim.held.signal(signal).map(drop),
            Hold::Adopted(held) => held.signal(signal).map(drop),
        }
    }
}

impl AsFd for Shim {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.held.as_fd()
    }
}

/// Most shims at rest; a fleet that ends leaves no crowd behind.
const MAX_RESTING: usize = 8;

/// Shims without an attempt.
#[derive(Debug, Default)]
pub(super) struct Resting {
    /// Ready for the next attempt.
    ready: Vec<Shim>,
    /// About to end: what that is reported as, and who knows of it.
    leaving: Vec<(u64, Home, PidFd)>,
}

impl Resting {
    /// Takes one for an attempt.
    pub(super) fn take(&mut self) -> Option<Shim> {
        self.ready.pop()
    }

    /// Puts one back after its attempt.
    pub(super) fn put(&mut self, shim: Shim) {
        match self.ready.len() < MAX_RESTING {
            true => self.ready.push(shim),
            false => self.send_away(shim),
        }
    }

    /// Sends one away after its attempt.
    pub(super) fn send_away(&mut self, shim: Shim) {
        self.leaving.push((shim.token, shim.home, shim.held));
    }

    /// Closes the windows in which nothing ever ran.
    pub(super) fn close_unused_windows(&mut self) {
        self.ready.extract_if(.., |shim| shim.is_unused_window()).for_each(Shim::dismiss);
    }

    /// The one that is reported as `token` has ended.
    pub(super) fn ended(&mut self, token: u64) {
        self.leaving.extract_if(.., |(leaving, _, _)| *leaving == token).for_each(|(_, home, _)| home.reap());
        self.ready.extract_if(.., |shim| shim.token == token).for_each(Shim::reap);
    }
}

impl Drop for Resting {
    fn drop(&mut self) {
        self.ready.drain(..).for_each(Shim::dismiss);
        self.leaving.drain(..).for_each(|(_, home, held)| home.leave(&held));
    }
}
