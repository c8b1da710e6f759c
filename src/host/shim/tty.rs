//! The terminal of a window: who is in its foreground, and what modes it is in when nobody is.

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::spawn::PosixSpawnFileActions;
use nix::sys::termios::{SetArg, Termios, cfmakeraw, tcgetattr, tcsetattr};
use nix::unistd::{Pid, getpgrp, tcsetpgrp};
use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::time::{Duration, Instant};

/// Asks a terminal how it is, and what one answers that is well. tmux answers in its turn: after all that was printed before.
const HOW_ARE_YOU: &[u8] = b"\x1b[5n";
const WELL: u8 = b'n';

/// How long a terminal may take to read what was printed. One that was stopped (Ctrl-S) answers never.
const SETTLE: Duration = Duration::from_secs(1);

/// The terminal that is our standard input, output and error.
pub(super) struct Tty {
    /// How tmux made it.
    modes: Termios,
}

impl Tty {
    /// Ours; an error if our standard input is none.
    pub(super) fn ours() -> io::Result<Tty> {
        Ok(Tty { modes: tcgetattr(io::stdin())? })
    }

    /// Its three descriptors, for a worker.
    pub(super) fn descriptors(&self) -> io::Result<[OwnedFd; 3]> {
        let (stdin, stdout, stderr) = (io::stdin(), io::stdout(), io::stderr());
        let of = |fd: &dyn AsFd| fd.as_fd().try_clone_to_owned();
        Ok([of(&stdin)?, of(&stdout)?, of(&stderr)?])
    }

    /// Puts a group in the foreground: what is typed is for it, and Ctrl-C reaches it alone. TTOU, which a process in the
    /// background gets for asking this, is blocked in us, and so never sent.
    pub(super) fn give_to(&self, group: i32) {
        // Gone, or hung up: then nobody types.
        let _ = tcsetpgrp(io::stdin(), Pid::from_raw(group));
    }

    /// Ours again, as it was: a worker that was killed leaves it raw, silent and in a foreground that nobody is in.
    pub(super) fn take_back(&self) {
        self.give_to(getpgrp().as_raw());
        // At once: to wait until all is printed is to wait for whoever typed Ctrl-S. A terminal that hung up has no modes.
        let _ = tcsetattr(io::stdin(), SetArg::TCSANOW, &self.modes);
    }

    /// Waits until tmux has read all that was printed, and so has passed it on to where it is kept: when the program of a
    /// window ends, tmux forgets what it has not passed on yet. Takes the terminal back first.
    pub(super) fn settle(&self) {
        self.take_back();
        // A terminal that hung up has nobody to ask.
        let _ = self.ask_how_it_is();
    }

    fn ask_how_it_is(&self) -> io::Result<()> {
        let mut raw = self.modes.clone();
        cfmakeraw(&mut raw);
        tcsetattr(io::stdin(), SetArg::TCSANOW, &raw)?;
        // Our own opening: that it does not block is nobody else's business.
        let flags = OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
        let mut tty = OpenOptions::new().read(true).write(true).custom_flags(flags.bits()).open("/dev/tty")?;
        let end = Instant::now() + SETTLE;
        if wait(&tty, PollFlags::POLLOUT, end)? {
            tty.write_all(HOW_ARE_YOU)?;
            while !heard(&mut tty)? && wait(&tty, PollFlags::POLLIN, end)? {}
        }
        Ok(())
    }
}

/// Has the answer come? What else is typed now is for nobody.
fn heard(tty: &mut File) -> io::Result<bool> {
    let mut typed = [0; 256];
    match tty.read(&mut typed) {
        Ok(0) => Ok(true),
        Ok(count) => Ok(typed[..count].contains(&WELL)),
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Until it takes or gives something; `false` at the end of our patience.
fn wait(tty: &File, what: PollFlags, end: Instant) -> io::Result<bool> {
    let left = end.saturating_duration_since(Instant::now());
    let mut fds = [PollFd::new(tty.as_fd(), what)];
    let ready = poll(&mut fds, PollTimeout::try_from(left).unwrap_or(PollTimeout::ZERO))?;
    Ok(ready > 0)
}

/// Lets the worker put itself in the foreground of its standard input before it is executed, so that at no moment it reads
/// from the background and is stopped for it.
pub(super) fn in_foreground(actions: &mut PosixSpawnFileActions) -> nix::Result<()> {
    let actions: *mut PosixSpawnFileActions = actions;
    #[allow(unsafe_code, reason = "nix does not offer this action of the C library")]
    // SAFETY: the type is transparent over the C type, and initialized; the call copies an integer into it.
    let result = unsafe { libc::posix_spawn_file_actions_addtcsetpgrp_np(actions.cast(), libc::STDIN_FILENO) };
    if result == 0 { Ok(()) } else { Err(Errno::from_raw(result)) }
}
