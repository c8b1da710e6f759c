//! The socket between a supervisor and a shim: orders and records are handed over as open files. A file in flight stays
//! open, and a record locked, whoever of the two dies meanwhile.

use nix::cmsg_space;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::sockopt::PeerCredentials;
use nix::sys::socket::{
    AddressFamily, ControlMessage, ControlMessageOwned, MsgFlags, SockFlag, SockType, UnixCredentials, getsockopt,
    recvmsg, sendmsg, socketpair,
};
use std::fs::File;
use std::io::{self, IoSlice, IoSliceMut};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

/// One end. It keeps the borders of messages; closing it ends the other one's wait.
#[derive(Debug)]
pub struct Handover(OwnedFd);

/// What is handed over for one attempt.
#[derive(Debug)]
pub struct Parcel {
    /// The locked, empty record.
    pub record: File,
    /// The order, from its beginning.
    pub order: File,
}

impl Handover {
    /// Both ends. Neither is inherited unless it is made somebody's standard input.
    pub fn pair() -> io::Result<(Handover, Handover)> {
        let (one, other) = socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC)?;
        Ok((Handover(one), Handover(other)))
    }

    /// Gives a parcel away. An error of kind `BrokenPipe` when nobody is there to take it.
    pub fn send(&self, parcel: &Parcel) -> io::Result<()> {
        let fds = [parcel.record.as_raw_fd(), parcel.order.as_raw_fd()];
        let flags = MsgFlags::MSG_NOSIGNAL | MsgFlags::MSG_DONTWAIT;
        // One byte: a message without any would look like the end.
        sendmsg::<()>(self.0.as_raw_fd(), &[IoSlice::new(&[1])], &[ControlMessage::ScmRights(&fds)], flags, None)?;
        Ok(())
    }

    /// Takes the next parcel, without waiting (`WouldBlock`); `None` when the other end is closed.
    pub fn receive(&self) -> io::Result<Option<Parcel>> {
        let (mut byte, mut space) = ([0; 1], cmsg_space!([RawFd; 2]));
        let flags = MsgFlags::MSG_CMSG_CLOEXEC | MsgFlags::MSG_DONTWAIT;
        let mut iov = [IoSliceMut::new(&mut byte)];
        let message = match recvmsg::<()>(self.0.as_raw_fd(), &mut iov, Some(&mut space), flags) {
            Err(Errno::ECONNRESET) => return Ok(None),
            message => message?,
        };
        if message.bytes == 0 {
            return Ok(None);
        }
        let mut files = message.cmsgs()?.flat_map(received);
        match (files.next(), files.next()) {
            (Some(record), Some(order)) => Ok(Some(Parcel { record, order })),
            _ => Err(io::Error::new(io::ErrorKind::InvalidData, "a parcel without its files")),
        }
    }
}

impl Handover {
    /// Who made the other end, as the kernel saw it then.
    pub(super) fn peer(&self) -> io::Result<UnixCredentials> {
        Ok(getsockopt(&self.0, PeerCredentials)?)
    }

    /// Does anybody still hold the other end?
    pub fn is_open(&self) -> bool {
        let mut fds = [PollFd::new(self.0.as_fd(), PollFlags::empty())];
        poll(&mut fds, PollTimeout::ZERO) == Ok(0)
    }
}

fn received(message: ControlMessageOwned) -> Vec<File> {
    let ControlMessageOwned::ScmRights(fds) = message else { return Vec::new() };
    #[allow(unsafe_code, reason = "received descriptors are bare numbers")]
    // SAFETY: the kernel has just made these descriptors for us, and nobody else knows their numbers.
    fds.into_iter().map(|fd| unsafe { File::from_raw_fd(fd) }).collect()
}

impl From<OwnedFd> for Handover {
    fn from(fd: OwnedFd) -> Handover {
        Handover(fd)
    }
}

impl From<Handover> for OwnedFd {
    fn from(handover: Handover) -> OwnedFd {
        handover.0
    }
}

impl AsFd for Handover {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::record;

    #[test]
    fn a_parcel_in_flight_stays_locked_and_the_end_is_seen() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("record");
        let (ours, theirs) = Handover::pair().unwrap();
        assert_eq!(theirs.receive().unwrap_err().kind(), io::ErrorKind::WouldBlock);
        let parcel = Parcel { record: record::create(&path).unwrap(), order: tempfile::tempfile().unwrap() };
        ours.send(&parcel).unwrap();
        drop((parcel, ours));
        let reader = File::open(&path).unwrap();
        assert!(record::is_held(&reader).unwrap());
        let parcel = theirs.receive().unwrap().unwrap();
        assert!(theirs.receive().unwrap().is_none());
        drop(parcel);
        assert!(!record::is_held(&reader).unwrap());
    }

    #[test]
    fn nobody_there_is_a_broken_pipe() {
        let (ours, theirs) = Handover::pair().unwrap();
        drop(theirs);
        let parcel = Parcel { record: tempfile::tempfile().unwrap(), order: tempfile::tempfile().unwrap() };
        assert_eq!(ours.send(&parcel).unwrap_err().kind(), io::ErrorKind::BrokenPipe);
    }
}
