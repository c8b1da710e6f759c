//! The terminal of a window: who is in its foreground, and what modes it is in when nobody is.

use nix::errno::Errno;
use nix::libc;
use nix::spawn::PosixSpawnFileActions;
use nix::sys::termios::{SetArg, Termios, tcgetattr, tcsetattr};
use nix::unistd::{Pid, getpgrp, tcsetpgrp};
use std::io;
use std::os::fd::{AsFd, OwnedFd};

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
