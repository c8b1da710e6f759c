//! `swarm pane-log <file>`: what tmux pipes the output of a worker's pane into. It keeps the bytes as they come, in a file
//! that does not grow for ever.
//!
//! It lives as long as the pane and never makes it wait: what cannot be written (disk full, folder gone) is dropped, and a
//! line in the log says how much and why as soon as there is room again.

use super::inotify::Watcher;
use super::words::words;
use super::{files, lock, process};
use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal};
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// A log of this size is put aside as `<log>.1`, in the place of the one put aside before: the newest half of what is kept.
pub const LARGEST: u64 = 32 * 1024 * 1024;

/// The whole life of the process; standard input is the pane's output.
pub fn main() -> ExitCode {
    let Some(path) = std::env::args_os().nth(2) else { return ExitCode::FAILURE };
    match keep(Path::new(&path)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

fn keep(path: &Path) -> io::Result<()> {
    process::close_inherited();
    wait_for_the_end_only()?;
    nix::sys::prctl::set_name(c"swarm-pane-log")?;
    let path = std::path::absolute(path)?;
    // In nobody's folder: it may be a work tree to be removed.
    std::env::set_current_dir("/")?;
    Log::new(path, LARGEST).drain(io::stdin().lock())
}

/// The end of the pane is the end of our input; what is in the pipe by then is still written. A log over the size limit of
/// processes (XFSZ) becomes an error of the write.
fn wait_for_the_end_only() -> io::Result<()> {
    let kept_off = [Signal::SIGHUP, Signal::SIGINT, Signal::SIGQUIT, Signal::SIGTSTP, Signal::SIGXFSZ];
    kept_off.into_iter().collect::<SigSet>().thread_block()?;
    Ok(())
}

/// The log of one pane.
struct Log {
    path: PathBuf,
    largest: u64,
    /// Open, with its size; nothing until it can be opened.
    open: Option<(File, u64)>,
    lost: Option<Lost>,
}

/// What was dropped since the last byte that was written.
struct Lost {
    bytes: u64,
    why: String,
}

impl Log {
    fn new(path: PathBuf, largest: u64) -> Log {
        Log { path, largest, open: None, lost: None }
    }

    /// Writes all that comes. An error only of the input.
    fn drain(&mut self, mut input: impl Read) -> io::Result<()> {
        let mut chunk = vec![0; 64 * 1024];
        // Also if nothing ever comes: that there is a log says that somebody listens.
        self.append(&[]);
        loop {
            match input.read(&mut chunk) {
                Ok(0) => break,
                Ok(count) => self.append(&chunk[..count]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.append(&[]);
        Ok(())
    }

    /// Writes `bytes`, or counts those that cannot be written.
    fn append(&mut self, bytes: &[u8]) {
        if let Err((written, error)) = self.try_append(bytes) {
            let before = self.lost.take().map_or(0, |lost| lost.bytes);
            let bytes = before + (bytes.len() - written) as u64;
            self.lost = Some(Lost { bytes, why: words(&error) }).filter(|lost| lost.bytes > 0);
        }
    }

    /// The error tells how many bytes were written before it.
    fn try_append(&mut self, bytes: &[u8]) -> Result<(), (usize, io::Error)> {
        let nothing = |error| (0, error);
        self.make_room().map_err(nothing)?;
        self.mark().map_err(nothing)?;
        let (file, size) = self.file().map_err(nothing)?;
        let mut written = 0;
        while written < bytes.len() {
            match file.write(&bytes[written..]) {
                Ok(0) => return Err((written, io::ErrorKind::WriteZero.into())),
                Ok(count) => {
                    written += count;
                    *size += count as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err((written, error)),
            }
        }
        Ok(())
    }

    /// Says in the log what is missing at this place. Either the whole line or nothing of it.
    fn mark(&mut self) -> io::Result<()> {
        let Some(lost) = &self.lost else { return Ok(()) };
        let line = format!("\r\n[swarm: {} bytes lost: {}]\r\n", lost.bytes, lost.why);
        let (file, size) = self.file()?;
        if let Err(error) = file.write_all(line.as_bytes()) {
            // Where the part cannot be cut off either, it stays: it says what it says.
            let _ = file.set_len(*size);
            return Err(error);
        }
        *size += line.len() as u64;
        self.lost = None;
        Ok(())
    }

    /// Puts a full log aside.
    fn make_room(&mut self) -> io::Result<()> {
        let (_, size) = self.file()?;
        if *size < self.largest {
            return Ok(());
        }
        let mut aside = self.path.clone().into_os_string();
        aside.push(".1");
        std::fs::rename(&self.path, aside)?;
        self.open = None;
        Ok(())
    }

    fn file(&mut self) -> io::Result<&mut (File, u64)> {
        let open = match self.open.take() {
            // What is written to a file without a name is kept for nobody.
            Some(open) if open.0.metadata()?.nlink() > 0 => open,
            _ => open(&self.path)?,
        };
        Ok(self.open.insert(open))
    }
}

/// A link in the log's place is an error: the worker can put one there.
fn open(path: &Path) -> io::Result<(File, u64)> {
    if let Some(folder) = path.parent() {
        files::create_folder(folder)?;
    }
    let mut options = OpenOptions::new();
    options.append(true).create(true).mode(0o600).custom_flags(OFlag::O_NOFOLLOW.bits() | OFlag::O_NONBLOCK.bits());
    let file = options.open(path)?;
    // Shared: the successor of a pipe that was cut may come before we have gone. Where it cannot be had, a reader only
    // does not wait for us.
    let _ = file.try_lock_shared();
    let size = file.metadata()?.len();
    Ok((file, size))
}

/// Waits until the log of a pane that was just opened is there, which says that its writer is at work, at most `within`; did
/// it come to that? Blocks this thread.
pub fn begun(log: &Path, within: Duration) -> io::Result<bool> {
    let deadline = Instant::now() + within;
    let watcher = Watcher::new()?;
    watcher.add_folder(File::open(log.parent().unwrap_or(Path::new("/")))?)?;
    while !log.exists() {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(false);
        }
        let mut fds = [PollFd::new(watcher.as_fd(), PollFlags::POLLIN)];
        match poll(&mut fds, PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX)) {
            Err(nix::errno::Errno::EINTR) => {}
            ready => drop(ready?),
        }
        watcher.changes()?;
    }
    Ok(true)
}

/// Waits until nobody writes the log of a pane any more, at most `within`, and says whether it came to that. A program's
/// last bytes come into the log after its end. Blocks this thread.
pub fn settled(log: &Path, within: Duration) -> io::Result<bool> {
    let file = match File::open(log) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(true),
        file => file?,
    };
    match file.try_lock() {
        Ok(()) => Ok(true),
        Err(TryLockError::WouldBlock) => Ok(lock::wait_in_queue(file, within)?.is_some()),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn the_newest_bytes_are_kept_and_no_more_than_twice_the_limit() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sub/log");
        let mut log = Log::new(path.clone(), 10);
        log.append(&[]);
        for piece in ["0123456789", "abcdefghij", "ABC"] {
            log.append(piece.as_bytes());
        }
        assert_eq!(std::fs::read(&path).unwrap(), b"ABC");
        assert_eq!(std::fs::read(folder.path().join("sub/log.1")).unwrap(), b"abcdefghij");
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(std::fs::read_dir(folder.path().join("sub")).unwrap().count(), 2);
    }

    #[test]
    fn what_cannot_be_written_is_counted_and_said_once_it_can() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sub/log");
        // A file where the log's folder should be.
        std::fs::write(folder.path().join("sub"), "").unwrap();
        let mut log = Log::new(path.clone(), 1000);
        log.append(b"12345");
        log.append(b"678");
        std::fs::remove_file(folder.path().join("sub")).unwrap();
        log.append(b"after");
        let text = std::fs::read_to_string(&path).unwrap();
        let (mark, after) = text.split_once("]\r\n").unwrap();
        assert!(mark.starts_with("\r\n[swarm: 8 bytes lost: "), "{text}");
        assert_eq!(after, "after");
    }

    #[test]
    fn a_log_that_somebody_removed_begins_anew() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sub/log");
        let mut log = Log::new(path.clone(), 1000);
        log.append(b"before");
        std::fs::remove_dir_all(folder.path().join("sub")).unwrap();
        log.append(b"after");
        assert_eq!(std::fs::read(&path).unwrap(), b"after");
    }

    #[test]
    fn a_log_is_settled_when_nobody_writes_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        assert!(settled(&path, Duration::ZERO).unwrap(), "there is none");
        let mut log = Log::new(path.clone(), 1000);
        log.append(b"x");
        assert!(!settled(&path, Duration::from_millis(1)).unwrap());
        let waiting = std::thread::spawn({
            let path = path.clone();
            move || settled(&path, Duration::from_secs(20)).unwrap()
        });
        drop(log);
        assert!(waiting.join().unwrap());
        assert!(settled(&path, Duration::ZERO).unwrap());
    }

    #[test]
    fn a_link_is_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let (path, elsewhere) = (folder.path().join("log"), folder.path().join("elsewhere"));
        std::fs::write(&elsewhere, "mine").unwrap();
        std::os::unix::fs::symlink(&elsewhere, &path).unwrap();
        let mut log = Log::new(path, 1000);
        log.append(b"x");
        assert_eq!(std::fs::read(&elsewhere).unwrap(), b"mine");
        assert_eq!(log.lost.unwrap().bytes, 1);
    }
}
