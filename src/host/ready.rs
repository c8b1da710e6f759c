//! Waiting for a file descriptor inside tokio: the one place that registers one.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// A second descriptor of `thing` that tokio tells readable. Must be called inside a tokio runtime.
#[allow(unsafe_code, reason = "tokio leaves it to the caller that the descriptor stays what it is")]
pub fn readable(thing: &impl AsFd) -> io::Result<AsyncFd<OwnedFd>> {
    let own = thing.as_fd().try_clone_to_owned()?;
    // SAFETY: the AsyncFd owns the descriptor, so nobody else closes or replaces it while it is registered.
    Ok(unsafe { AsyncFd::register_with_interest(own, Interest::READABLE) }?)
}
