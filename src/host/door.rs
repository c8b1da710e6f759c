//! The door of a run: where a shim that somebody else starts for us, in a window, finds its supervisor. Behind it is the
//! same [`Handover`] that a bare shim has from its birth.
//!
//! A socket in the run's folder, which nobody else may enter, for the moment of one start. Paths of sockets are short
//! (108 bytes) and folders may be deep, so it is named through an open folder.

use super::handover::Handover;
use super::process::PidFd;
use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{AddressFamily, Backlog, SockFlag, SockType, UnixAddr, accept4, bind, connect, listen, socket};
use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Name of the socket in the run's folder.
const NAME: &str = "w";

/// A door that is open; closed, and its socket gone, with the value.
#[derive(Debug)]
pub struct Door {
    socket: OwnedFd,
    folder: File,
}

impl Door {
    /// Opens the door of a run. What a killed supervisor left in its place goes: whoever holds the run's lock is alone.
    pub fn open(run_folder: &Path) -> io::Result<Door> {
        let folder = open_folder(run_folder)?;
        let path = path(&folder);
        super::files::remove(&path)?;
        let door = Door { socket: new_socket()?, folder };
        bind(door.socket.as_raw_fd(), &UnixAddr::new(&path)?)?;
        listen(&door.socket, Backlog::new(1)?)?;
        Ok(door)
    }

    /// Waits for the process `pid`, which `watched` holds, and takes it in. Anybody else is turned away. An error of kind
    /// `BrokenPipe` if it ends before it comes, `TimedOut` if it does not come `within` this time.
    pub fn admit(&self, pid: i32, watched: &PidFd, within: Duration) -> io::Result<Handover> {
        let deadline = Instant::now() + within;
        loop {
            self.wait(watched, deadline)?;
            let handover = match accept4(self.socket.as_raw_fd(), SockFlag::SOCK_CLOEXEC) {
                #[allow(unsafe_code, reason = "an accepted descriptor is a bare number")]
                // SAFETY: the kernel has just made it for us, and nobody else knows its number.
                Ok(fd) => Handover::from(unsafe { OwnedFd::from_raw_fd(fd) }),
                Err(Errno::EAGAIN | Errno::ECONNABORTED | Errno::EINTR) => continue,
                Err(errno) => return Err(errno.into()),
            };
            let peer = handover.peer()?;
            if peer.pid() == pid && is_us(peer.uid()) {
                return Ok(handover);
            }
        }
    }

    /// Until somebody knocks.
    fn wait(&self, watched: &PidFd, deadline: Instant) -> io::Result<()> {
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let timeout = PollTimeout::try_from(left + Duration::from_millis(1)).unwrap_or(PollTimeout::MAX);
            let mut fds = [&self.socket.as_fd(), &watched.as_fd()].map(|fd| PollFd::new(*fd, PollFlags::POLLIN));
            match poll(&mut fds, timeout) {
                Err(Errno::EINTR) => continue,
                Err(errno) => return Err(errno.into()),
                // Who knocked and ended is seen later, by the one who sends to it.
                Ok(_) if fds[0].any() == Some(true) => return Ok(()),
                Ok(_) if fds[1].any() == Some(true) => return Err(io::ErrorKind::BrokenPipe.into()),
                Ok(_) if Instant::now() >= deadline => return Err(io::ErrorKind::TimedOut.into()),
                Ok(_) => {}
            }
        }
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        // One that stays is removed by the next to open it.
        let _ = super::files::remove(&path(&self.folder));
    }
}

/// Goes to the supervisor behind the door of a run. An error when nobody is there any more.
pub(super) fn knock(run_folder: &Path) -> io::Result<Handover> {
    let folder = open_folder(run_folder)?;
    let socket = new_socket()?;
    // Connected at once or not at all: an error for a queue that is full.
    connect(socket.as_raw_fd(), &UnixAddr::new(&path(&folder))?)?;
    let handover = Handover::from(socket);
    match is_us(handover.peer()?.uid()) {
        true => Ok(handover),
        false => Err(io::ErrorKind::PermissionDenied.into()),
    }
}

fn is_us(uid: u32) -> bool {
    uid == nix::unistd::geteuid().as_raw()
}

fn open_folder(folder: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).custom_flags((OFlag::O_PATH | OFlag::O_DIRECTORY).bits()).open(folder)
}

fn path(folder: &File) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}", folder.as_raw_fd())).join(NAME)
}

fn new_socket() -> io::Result<OwnedFd> {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    Ok(socket(AddressFamily::Unix, SockType::SeqPacket, flags, None)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn us() -> (i32, PidFd) {
        let pid = std::process::id().cast_signed();
        (pid, PidFd::of_pid(pid).unwrap())
    }

    #[test]
    fn who_knocks_is_let_in_whatever_the_length_of_the_path() {
        let scratch = tempfile::tempdir().unwrap();
        let folder = scratch.path().join("x".repeat(200));
        std::fs::create_dir(&folder).unwrap();
        assert!(knock(&folder).is_err(), "no door");
        std::fs::write(folder.join(NAME), "left by somebody").unwrap();
        let (pid, held) = us();
        let door = Door::open(&folder).unwrap();
        let theirs = knock(&folder).unwrap();
        let ours = door.admit(pid, &held, Duration::from_secs(10)).unwrap();
        drop(door);
        assert!(!folder.join(NAME).exists());
        assert!(ours.is_open());
        drop(theirs);
        assert!(!ours.is_open());
    }

    #[test]
    fn strangers_are_turned_away_and_the_dead_not_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let door = Door::open(folder.path()).unwrap();
        let mut child = std::process::Command::new("cat").stdin(std::process::Stdio::piped()).spawn().unwrap();
        let pid = child.id().cast_signed();
        let held = PidFd::of_pid(pid).unwrap();
        let stranger = knock(folder.path()).unwrap();
        let late = door.admit(pid, &held, Duration::from_millis(20)).unwrap_err();
        assert_eq!(late.kind(), io::ErrorKind::TimedOut);
        assert!(!stranger.is_open());
        drop(child.stdin.take());
        let dead = door.admit(pid, &held, Duration::from_secs(60)).unwrap_err();
        assert_eq!(dead.kind(), io::ErrorKind::BrokenPipe);
        child.wait().unwrap();
    }
}
