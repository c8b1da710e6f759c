//! A way out of the process that can never hold it up: stdout or stderr, whoever reads them.
//!
//! A supervisor that writes to a pipe nobody empties, or to a terminal that is stopped with Ctrl-S, would stand still
//! with its worker unwatched. So no write here waits for long:
//!
//! - A regular file and `/dev/null` are written as they are: they do not block, and a file opened anew would have an offset
//!   of its own.
//! - A terminal or a pipe is opened anew through `/proc/self/fd`, non-blocking. The flag belongs to the open file, and the
//!   one we inherited is shared with our parent's shell, which must not become non-blocking with us. Where that fails
//!   (a socket, a pipe of another user) the inherited one is used, in pieces of `PIECE` that poll says it takes.
//! - What is not taken within `PATIENCE` stays in a queue of `QUEUE` bytes and goes out with what is written next.
//!   While the reader is stuck nothing waits at all. What does not fit into the queue is dropped whole, and counted; the
//!   agent's chatter goes first, lines of ours have a reserve. Waiting instead would be kinder to a slow reader, but
//!   timeouts, signals and the end of the worker would wait with it, and the logs have everything.
//! - A reader that is gone (EPIPE, EIO of a hung-up terminal, any other error) is no error: the outlet falls silent.
//!   Everything that matters is in the logs and in the journal.

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io::{self, IsTerminal};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::time::{Duration, Instant};

/// A write waits so long for its reader; once, then not again before the reader has caught up.
const PATIENCE: Duration = Duration::from_millis(250);

/// At the end of a run there is nothing else to do: so long without any progress of the reader,
const LAST_PATIENCE: Duration = Duration::from_secs(2);

/// and so long in all. Not longer, for the locks of the run are still held.
const LAST_PATIENCE_IN_ALL: Duration = Duration::from_secs(5);

/// What may wait for a slow reader.
const QUEUE: usize = 512 * 1024;

/// What may wait beyond that of what matters.
const RESERVE: usize = 64 * 1024;

/// A pipe that is writable takes so much without blocking (`PIPE_BUF`).
const PIECE: usize = 4096;

/// What becomes of bytes that nobody takes in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weight {
    /// The agent's words: dropped first, and then until the reader has caught up, so that what is missing is one piece.
    Chatter,
    /// Lines of ours, and events.
    Matter,
}

/// One way out.
#[derive(Debug)]
pub struct Outlet {
    to: Option<OwnedFd>,
    /// It may block: written only in pieces, and only when poll says so.
    blocking: bool,
    terminal: bool,
    queue: VecDeque<u8>,
    stuck: bool,
    dropped: u64,
}

impl Outlet {
    /// Standard output.
    pub fn stdout() -> Outlet {
        Outlet::inherited(&io::stdout())
    }

    /// Standard error.
    pub fn stderr() -> Outlet {
        Outlet::inherited(&io::stderr())
    }

    /// Nowhere.
    pub fn none() -> Outlet {
        Outlet::made(None, false, false)
    }

    /// `fd`, which is ours alone.
    pub fn to(fd: OwnedFd) -> Outlet {
        Outlet::inherited(&fd)
    }

    fn inherited(shared: &impl AsFd) -> Outlet {
        let Ok(shared) = shared.as_fd().try_clone_to_owned() else { return Outlet::none() };
        let Ok(copy) = shared.try_clone() else { return Outlet::none() };
        let terminal = shared.is_terminal();
        let kind = File::from(copy).metadata().map(|metadata| metadata.file_type());
        let is_patient = kind.is_ok_and(|kind| kind.is_file() || (kind.is_char_device() && !terminal));
        if is_patient {
            return Outlet::made(Some(shared), false, terminal);
        }
        match reopened(&shared) {
            Some(own) => Outlet::made(Some(own), false, terminal),
            None => Outlet::made(Some(shared), true, terminal),
        }
    }

    fn made(to: Option<OwnedFd>, blocking: bool, terminal: bool) -> Outlet {
        Outlet { to, blocking, terminal, queue: VecDeque::new(), stuck: false, dropped: 0 }
    }

    /// A person may be looking at it.
    pub fn is_terminal(&self) -> bool {
        self.terminal
    }

    /// How many writes were dropped because nobody took them, since this was asked last.
    pub fn take_dropped(&mut self) -> u64 {
        std::mem::take(&mut self.dropped)
    }

    /// The reader does not read.
    pub fn is_stuck(&self) -> bool {
        self.stuck
    }

    /// Writes `bytes`, all or none of them, now or as soon as the reader takes them.
    pub fn write(&mut self, bytes: &[u8], weight: Weight) {
        if self.to.is_none() || bytes.is_empty() {
            return;
        }
        let mut written = 0;
        if self.queue.is_empty() {
            written = self.push(bytes);
        }
        if written < bytes.len() && self.to.is_some() {
            self.keep(&bytes[written..], written > 0, weight);
            let patience = if self.stuck { Duration::ZERO } else { PATIENCE };
            self.flush(patience, patience);
        }
    }

    /// Gives the reader a last chance to take what is queued, then forgets it.
    pub fn finish(&mut self) {
        self.flush(LAST_PATIENCE, LAST_PATIENCE_IN_ALL);
        self.queue.clear();
    }

    /// Queues what was not taken at once. The rest of something that went out in part is always kept.
    fn keep(&mut self, bytes: &[u8], begun: bool, weight: Weight) {
        let room = match weight {
            Weight::Chatter if self.dropped > 0 => 0,
            Weight::Chatter => QUEUE,
            Weight::Matter => QUEUE + RESERVE,
        };
        if begun || self.queue.len() + bytes.len() <= room {
            self.queue.extend(bytes);
        } else {
            self.dropped += 1;
        }
    }

    /// Writes the queue, waiting at most `patience` for the reader to take something, and `in_all` for all of it.
    fn flush(&mut self, patience: Duration, in_all: Duration) {
        let until = Instant::now() + in_all;
        while !self.queue.is_empty() && self.to.is_some() {
            let queue = std::mem::take(&mut self.queue);
            let written = self.push(queue.as_slices().0);
            self.queue = queue;
            self.queue.drain(..written);
            let left = until.saturating_duration_since(Instant::now());
            if written == 0 && self.to.is_some() && !self.writable(left.min(patience)) {
                self.stuck = true;
                return;
            }
        }
        self.stuck = false;
        self.queue.shrink_to(PIECE);
    }

    /// Writes what is taken without waiting; how much that was.
    fn push(&mut self, bytes: &[u8]) -> usize {
        let mut written = 0;
        while written < bytes.len() {
            if self.blocking && !self.writable(Duration::ZERO) {
                break;
            }
            let Some(to) = &self.to else { break };
            let most = if self.blocking { PIECE } else { usize::MAX };
            let rest = &bytes[written..];
            match nix::unistd::write(to, &rest[..rest.len().min(most)]) {
                Ok(count) => written += count,
                Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN) => break,
                Err(_) => self.fall_silent(),
            }
        }
        written
    }

    /// Does the reader take something within `patience`? An error counts as yes: the write then tells.
    fn writable(&self, patience: Duration) -> bool {
        let Some(to) = &self.to else { return true };
        let mut fds = [PollFd::new(to.as_fd(), PollFlags::POLLOUT)];
        let timeout = PollTimeout::try_from(patience).unwrap_or(PollTimeout::ZERO);
        poll(&mut fds, timeout) != Ok(0)
    }

    fn fall_silent(&mut self) {
        self.to = None;
        self.queue = VecDeque::new();
    }
}

/// A terminal or pipe opened anew, non-blocking; `None` for a socket, or what belongs to another user.
fn reopened(fd: &OwnedFd) -> Option<OwnedFd> {
    let flags = OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
    let path = format!("/proc/self/fd/{}", fd.as_raw_fd());
    OpenOptions::new().write(true).custom_flags(flags.bits()).open(path).ok().map(OwnedFd::from)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    fn pipe() -> (File, Outlet) {
        let (reader, writer) = io::pipe().unwrap();
        (File::from(OwnedFd::from(reader)), Outlet::to(writer.into()))
    }

    #[test]
    fn a_reader_that_reads_gets_everything() {
        let (mut reader, mut outlet) = pipe();
        let sent: Vec<u8> = (0..1_000_000_u32).map(|n| (n % 251) as u8).collect();
        let reading = std::thread::spawn(move || {
            let mut got = Vec::new();
            reader.read_to_end(&mut got).unwrap();
            got
        });
        sent.chunks(100_000).for_each(|chunk| outlet.write(chunk, Weight::Chatter));
        outlet.finish();
        assert_eq!(outlet.take_dropped(), 0);
        drop(outlet);
        assert!(reading.join().unwrap() == sent);
    }

    /// Both ways of writing: on an open file of our own, and on a shared one by poll.
    #[test]
    fn a_reader_that_stopped_holds_nobody_up() {
        for blocking in [false, true] {
            let (mut reader, mut outlet) = pipe();
            if blocking {
                let (own_reader, writer) = io::pipe().unwrap();
                reader = File::from(OwnedFd::from(own_reader));
                outlet = Outlet::made(Some(writer.into()), true, false);
            }
            let started = Instant::now();
            for number in 0..200_000 {
                outlet.write(format!("{number:06}\n").as_bytes(), Weight::Chatter);
            }
            outlet.write(b"matter\n", Weight::Matter);
            assert!(started.elapsed() < Duration::from_secs(20), "it waited more than once");
            assert!(outlet.is_stuck() && outlet.take_dropped() > 0);
            let reading = std::thread::spawn(move || {
                let mut got = String::new();
                reader.read_to_string(&mut got).unwrap();
                got
            });
            outlet.finish();
            outlet.write(b"after!\n", Weight::Chatter);
            drop(outlet);
            let got = reading.join().unwrap();
            let lines: Vec<&str> = got.lines().collect();
            assert!(lines.iter().all(|line| line.len() == 6), "a line was torn");
            assert_eq!(&lines[lines.len() - 2..], ["matter", "after!"]);
        }
    }

    #[test]
    fn what_is_missing_is_one_piece_of_chatter() {
        let (mut reader, mut outlet) = pipe();
        outlet.write(&vec![b'a'; QUEUE], Weight::Chatter);
        outlet.write(&vec![b'b'; QUEUE], Weight::Chatter);
        outlet.write(b"c would fit", Weight::Chatter);
        outlet.write(b"ours", Weight::Matter);
        assert_eq!(outlet.take_dropped(), 2);
        let reading = std::thread::spawn(move || {
            let mut got = String::new();
            reader.read_to_string(&mut got).unwrap();
            got
        });
        outlet.finish();
        drop(outlet);
        assert!(reading.join().unwrap() == "a".repeat(QUEUE) + "ours");
    }

    #[test]
    fn a_reader_that_left_is_no_error() {
        let (reader, mut outlet) = pipe();
        drop(reader);
        outlet.write(b"to nobody", Weight::Matter);
        outlet.write(b"again", Weight::Matter);
        outlet.finish();
        assert!(outlet.to.is_none());
    }

    #[test]
    fn a_file_keeps_what_was_written_before_it_was_ours() {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("out");
        let mut file = File::create(&path).unwrap();
        io::Write::write_all(&mut file, b"before\n").unwrap();
        let mut outlet = Outlet::to(file.into());
        outlet.write(b"after\n", Weight::Matter);
        assert_eq!(std::fs::read_to_string(path).unwrap(), "before\nafter\n");
    }
}
