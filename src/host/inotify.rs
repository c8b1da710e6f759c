//! Files that grow: told by the kernel, never polled.

use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify, WatchDescriptor};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

/// Which watch an event belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Watch(WatchDescriptor);

/// What was reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// The watched file was written, or what else it is watched for.
    Of(Watch),
    /// The kernel's queue ran over: anything may have changed.
    Any,
}

/// One inotify instance for any number of files. Its descriptor is readable when [`Watcher::changes`] has something.
#[derive(Debug)]
pub struct Watcher(Inotify);

impl Watcher {
    /// A watcher of nothing. The kernel bounds their number per user (`fs.inotify.max_user_instances`): one a process.
    pub fn new() -> io::Result<Watcher> {
        Ok(Watcher(Inotify::init(InitFlags::IN_NONBLOCK | InitFlags::IN_CLOEXEC)?))
    }

    /// Reports writes to this open file from now on, whatever happens to its name.
    pub fn add(&self, file: impl AsFd) -> io::Result<Watch> {
        self.watch(file, AddWatchFlags::IN_MODIFY)
    }

    /// The same, and reports when the file's name is taken away.
    pub fn add_named(&self, file: impl AsFd) -> io::Result<Watch> {
        self.watch(file, AddWatchFlags::IN_MODIFY | AddWatchFlags::IN_MOVE_SELF | AddWatchFlags::IN_ATTRIB)
    }

    /// Reports new names in this open folder.
    pub fn add_folder(&self, folder: impl AsFd) -> io::Result<Watch> {
        self.watch(folder, AddWatchFlags::IN_CREATE | AddWatchFlags::IN_MOVED_TO)
    }

    fn watch(&self, file: impl AsFd, what: AddWatchFlags) -> io::Result<Watch> {
        let path = format!("/proc/self/fd/{}", file.as_fd().as_raw_fd());
        Ok(Watch(self.0.add_watch(path.as_str(), what)?))
    }

    /// Ends a watch. No error if the file is gone: its watch went with it.
    pub fn remove(&self, watch: Watch) {
        let _ = self.0.rm_watch(watch.0);
    }

    /// What was reported since the last call; empty when nothing was.
    pub fn changes(&self) -> io::Result<Vec<Change>> {
        match self.0.read_events() {
            Ok(events) => Ok(events.iter().map(|event| change(event.mask, event.wd)).collect()),
            Err(nix::errno::Errno::EAGAIN) => Ok(Vec::new()),
            Err(errno) => Err(errno.into()),
        }
    }
}

fn change(mask: AddWatchFlags, watch: WatchDescriptor) -> Change {
    if mask.contains(AddWatchFlags::IN_Q_OVERFLOW) { Change::Any } else { Change::Of(Watch(watch)) }
}

impl AsFd for Watcher {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
