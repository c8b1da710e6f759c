//! From the worker's pipe into its log: spliced, so that no byte passes through our memory. A full disk stops the reading,
//! never the worker: its output waits in the pipe until there is room.

use crate::host::files;
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, SpliceFFlags, fcntl, splice};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::fs::{File, OpenOptions};
use std::io::{self, Seek, SeekFrom};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Instant;

/// The pipe of standard output. Larger than the default, so that a burst needs fewer wakes and a full disk is survived for
/// longer; a user's pipes together are limited (`pipe-user-pages-soft`, 64 MB), so not as large as can be.
const PIPE_SIZE: i32 = 256 * 1024;

/// Most bytes a call of splice; the pipe bounds it anyway.
const SPLICE: usize = 1 << 20;

/// Most calls of splice in a row, so that signals are heard during a flood.
const BURST: usize = 32;

/// One pipe and its log.
#[derive(Debug)]
pub(super) struct Pump {
    /// The reading end; gone at the end of file.
    pipe: Option<OwnedFd>,
    path: PathBuf,
    /// The log; for standard error only once there is something to write. We are its only writer and keep our position:
    /// splice refuses files that are open for appending.
    log: Option<File>,
    /// The log cannot be written; since then nothing is read.
    paused: Option<io::Error>,
    /// When the last byte came.
    moved: Option<Instant>,
}

impl Pump {
    /// A pipe into the log at `path`, which is opened (and made, 0600) now. Returns the log's size so far and the end of
    /// the pipe that the worker gets.
    pub(super) fn to_log(path: &Path) -> io::Result<(Pump, u64, OwnedFd)> {
        let (mut pump, write) = Pump::to_file_with_first_byte(path)?;
        // A user with many pipes gets no larger ones; this one works all the same.
        let _ = fcntl(&write, FcntlArg::F_SETPIPE_SZ(PIPE_SIZE));
        let mut log = open_log(path)?;
        let size = log.stream_position()?;
        pump.log = Some(log);
        Ok((pump, size, write))
    }

    /// A pipe into a log that is opened (and made, 0600) when there is something to write.
    pub(super) fn to_file_with_first_byte(path: &Path) -> io::Result<(Pump, OwnedFd)> {
        let (read, write) = nix::unistd::pipe2(OFlag::O_CLOEXEC)?;
        Ok((Pump { pipe: Some(read), path: path.to_owned(), log: None, paused: None, moved: None }, write))
    }

    /// What to wait on for more; nothing at the end of file, and nothing while the log cannot be written.
    pub(super) fn waits_on(&self) -> Option<BorrowedFd<'_>> {
        self.pipe.as_ref().filter(|_| self.paused.is_none()).map(AsFd::as_fd)
    }

    /// Is everything written that anybody can ever have said?
    pub(super) fn is_finished(&self) -> bool {
        self.pipe.is_none()
    }

    /// Why the log cannot be written now.
    pub(super) fn paused(&self) -> Option<&io::Error> {
        self.paused.as_ref()
    }

    /// When the last byte came, if any did.
    pub(super) fn moved(&self) -> Option<Instant> {
        self.moved
    }

    /// Moves what there is. An error of the log pauses; the next call tries again.
    pub(super) fn run(&mut self) {
        self.paused = None;
        for _ in 0..BURST {
            match self.step() {
                Ok(true) => {}
                Ok(false) => return,
                Err(error) => {
                    self.paused = Some(error);
                    return;
                }
            }
        }
    }

    /// Moves one piece; `false` when there is no more now. The first look at a pipe that has no log yet is a poll: its log
    /// is made with the first byte and not before.
    fn step(&mut self) -> io::Result<bool> {
        let Some(pipe) = &self.pipe else { return Ok(false) };
        let log = match &self.log {
            Some(log) => log,
            None => match look(pipe)? {
                Look::Bytes => self.log.insert(open_log(&self.path)?),
                Look::Nothing => return Ok(false),
                Look::End => {
                    self.pipe = None;
                    return Ok(false);
                }
            },
        };
        let flags = SpliceFFlags::SPLICE_F_MOVE | SpliceFFlags::SPLICE_F_NONBLOCK;
        match splice(pipe, None, log, None, SPLICE, flags) {
            Ok(0) => self.pipe = None,
            Ok(_) => self.moved = Some(Instant::now()),
            Err(Errno::EAGAIN) => return Ok(false),
            Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno.into()),
        }
        Ok(true)
    }

    /// Puts a log back that somebody removed meanwhile, with its folder: an open file without a name holds all bytes, but
    /// nobody could read them any more. A file that took its place is left alone.
    pub(super) fn restore(&mut self) -> io::Result<()> {
        let Some(log) = &mut self.log else { return Ok(()) };
        if log.metadata()?.nlink() > 0 {
            return Ok(());
        }
        if let Some(folder) = self.path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        let mut copy = files::create_private(&self.path)?;
        log.seek(SeekFrom::Start(0))?;
        io::copy(log, &mut copy)?;
        Ok(())
    }
}

/// Opens a log for writing behind its end. Its folder is made again if it is gone. A link in its place is an error: the
/// worker can put one there, and a sandboxed one must not reach through us what it cannot reach itself.
fn open_log(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(0o600).custom_flags(OFlag::O_NOFOLLOW.bits());
    let opened = options.open(path).or_else(|error| match (error.kind(), path.parent()) {
        (io::ErrorKind::NotFound, Some(folder)) => {
            std::fs::create_dir_all(folder)?;
            options.open(path)
        }
        _ => Err(error),
    });
    let mut log = opened?;
    log.seek(SeekFrom::End(0))?;
    Ok(log)
}

/// What a pipe holds now.
enum Look {
    Bytes,
    Nothing,
    End,
}

fn look(pipe: &OwnedFd) -> io::Result<Look> {
    let mut fds = [PollFd::new(pipe.as_fd(), PollFlags::POLLIN)];
    poll(&mut fds, PollTimeout::ZERO)?;
    Ok(match fds[0].revents() {
        Some(events) if events.contains(PollFlags::POLLIN) => Look::Bytes,
        Some(events) if events.contains(PollFlags::POLLHUP) => Look::End,
        _ => Look::Nothing,
    })
}
