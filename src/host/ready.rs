//! Waiting for descriptors without a task or a timer for each of them.

use super::process::PidFd;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::timerfd::TimerFd;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Who owns one descriptor, keeps it open for all its life, and never names another one.
pub(super) trait Owner {
    /// That descriptor.
    fn fd(&self) -> BorrowedFd<'_>;
}

impl Owner for Epoll {
    fn fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl Owner for TimerFd {
    fn fd(&self) -> BorrowedFd<'_> {
        self.as_fd()
    }
}

impl Owner for PidFd {
    fn fd(&self) -> BorrowedFd<'_> {
        self.as_fd()
    }
}

/// A descriptor whose readability tokio reports.
#[derive(Debug)]
pub(super) struct Ready<T: Owner>(AsyncFd<Raw<T>>);

/// Tokio asks for the bare number.
#[derive(Debug)]
struct Raw<T: Owner>(T);

impl<T: Owner> AsRawFd for Raw<T> {
    fn as_raw_fd(&self) -> RawFd {
        self.0.fd().as_raw_fd()
    }
}

impl<T: Owner> Ready<T> {
    /// Takes `owner`, whose descriptor must not block. Must be called inside a tokio runtime.
    pub(super) fn new(owner: T) -> io::Result<Ready<T>> {
        #[allow(unsafe_code, reason = "tokio cannot know that a descriptor stays open and the same")]
        // SAFETY: that is what the trait `Owner` promises, of three types that own theirs.
        let registered = unsafe { AsyncFd::register_with_interest(Raw(owner), Interest::READABLE) };
        Ok(Ready(registered?))
    }

    /// The owner.
    pub(super) fn get(&self) -> &T {
        &self.0.get_ref().0
    }

    /// Calls `read` until it says something else than `WouldBlock`. Cancel-safe if `read` is.
    pub(super) async fn read<R>(&self, mut read: impl FnMut(&T) -> io::Result<R>) -> io::Result<R> {
        self.0.async_io(Interest::READABLE, |raw| read(&raw.0)).await
    }

    /// Waits until there is something to read, and leaves it there.
    pub(super) async fn readable(&self) -> io::Result<()> {
        self.0.readable().await.map(drop)
    }
}

/// Any number of descriptors behind a single one: what a wake costs depends on who is ready, not on how many are watched.
#[derive(Debug)]
pub struct Crowd(Ready<Epoll>);

/// Most descriptors reported at once; the others follow at the next call.
const BATCH: usize = 64;

impl Crowd {
    /// Watches nobody yet. Must be called inside a tokio runtime.
    pub fn new() -> io::Result<Crowd> {
        Ok(Crowd(Ready::new(Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?)?))
    }

    /// Watches `fd` for something to read, until it is closed; it is reported as `token`.
    pub fn add(&self, fd: impl AsFd, token: u64) -> io::Result<()> {
        Ok(self.0.get().add(fd, EpollEvent::new(EpollFlags::EPOLLIN, token))?)
    }

    /// Who can be read now; waits until somebody can. Who is not read is reported again. Cancel-safe.
    pub async fn wait(&self) -> io::Result<Vec<u64>> {
        self.0.read(ready_now).await
    }
}

fn ready_now(epoll: &Epoll) -> io::Result<Vec<u64>> {
    let mut events = [EpollEvent::empty(); BATCH];
    match epoll.wait(&mut events, EpollTimeout::ZERO)? {
        0 => Err(io::ErrorKind::WouldBlock.into()),
        count => Ok(events.iter().take(count).map(EpollEvent::data).collect()),
    }
}
