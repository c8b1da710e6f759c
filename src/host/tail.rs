//! A log that is followed: it grows, is put aside for a new one of the same name, is cut, or is not there yet.

use super::inotify::{Watch, Watcher};
use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Most bytes that are read at once.
pub const PIECE: usize = 64 * 1024;

/// The file of one name, from some byte on. Its descriptor is readable when [`Tail::read`] may have more.
#[derive(Debug)]
pub struct Tail {
    path: PathBuf,
    watcher: Watcher,
    open: Option<Open>,
    /// Tells of a new file of the name; only while there is none.
    folder: Option<Watch>,
}

#[derive(Debug)]
struct Open {
    file: File,
    at: u64,
    watch: Watch,
}

impl Tail {
    /// Follows the file at `path` from the byte `from` on; a later one of the name is followed from its beginning.
    pub fn new(path: &Path, from: u64) -> io::Result<Tail> {
        let mut tail = Tail { path: path.to_owned(), watcher: Watcher::new()?, open: None, folder: None };
        tail.open = tail.open_named(from)?;
        Ok(tail)
    }

    /// Takes note of a wake. Call it before reading.
    pub fn wake(&self) -> io::Result<()> {
        self.watcher.changes().map(drop)
    }

    /// Replaces `piece` by the next bytes; `false` when there are none now, and the descriptor will tell of more.
    pub fn read(&mut self, piece: &mut Vec<u8>) -> io::Result<bool> {
        loop {
            if let Some(open) = &mut self.open {
                if open.read(piece)? {
                    return Ok(true);
                }
                if is_named(&open.file, &self.path) {
                    return Ok(false);
                }
                // What was written before the name was taken away.
                if open.read(piece)? {
                    return Ok(true);
                }
            }
            // One that was only removed may still be written: it is left for a new one of its name.
            let Some(new) = self.open_named(0)? else { return Ok(false) };
            if let Some(old) = self.open.replace(new) {
                self.watcher.remove(old.watch);
            }
        }
    }

    /// Leaves out what there is now, for who only wants to be woken.
    pub fn skip(&mut self) -> io::Result<()> {
        if let Some(open) = &mut self.open {
            open.at = open.file.metadata()?.len();
        }
        // What comes in between is told of again; it is read to find a new file of the name.
        self.read(&mut Vec::new()).map(drop)
    }

    /// Opens the file that has the name now. While there is none, the folder is watched for it.
    fn open_named(&mut self, from: u64) -> io::Result<Option<Open>> {
        let mut found = open(&self.path)?;
        if found.is_none() && self.folder.is_none() {
            // Without a folder nobody can make the file there; who waits for other events as well goes on.
            let folder = self.path.parent().and_then(|folder| File::open(folder).ok());
            self.folder = folder.map(|folder| self.watcher.add_folder(folder)).transpose()?;
            // It may have been made before we watched.
            found = open(&self.path)?;
        }
        let Some(file) = found else { return Ok(None) };
        if let Some(folder) = self.folder.take() {
            self.watcher.remove(folder);
        }
        let watch = self.watcher.add_named(&file)?;
        Ok(Some(Open { file, at: from, watch }))
    }
}

impl Open {
    fn read(&mut self, piece: &mut Vec<u8>) -> io::Result<bool> {
        if self.file.metadata()?.len() < self.at {
            // Somebody cut it.
            self.at = 0;
        }
        piece.resize(PIECE, 0);
        let count = self.file.read_at(piece, self.at)?;
        piece.truncate(count);
        self.at += count as u64;
        Ok(count > 0)
    }
}

impl AsFd for Tail {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.watcher.as_fd()
    }
}

/// A link is not followed: the worker can put one in its log's place.
fn open(path: &Path) -> io::Result<Option<File>> {
    let flags = nix::libc::O_NOFOLLOW | nix::libc::O_NONBLOCK;
    match OpenOptions::new().read(true).custom_flags(flags).open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        file => file.map(Some),
    }
}

fn is_named(file: &File, path: &Path) -> bool {
    let identity = |file: std::fs::Metadata| (file.dev(), file.ino());
    file.metadata()
        .map(identity)
        .is_ok_and(|ours| path.symlink_metadata().map(identity).is_ok_and(|named| named == ours))
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
    use std::io::Write;

    /// Everything that is there now; first waits to be told of it.
    fn told(tail: &mut Tail) -> String {
        let mut fds = [PollFd::new(tail.as_fd(), PollFlags::POLLIN)];
        assert_eq!(poll(&mut fds, PollTimeout::from(10_000u16)).unwrap(), 1, "nobody told of it");
        tail.wake().unwrap();
        rest(tail)
    }

    fn rest(tail: &mut Tail) -> String {
        let (mut piece, mut all) = (Vec::new(), Vec::new());
        while tail.read(&mut piece).unwrap() {
            all.extend_from_slice(&piece);
        }
        String::from_utf8(all).unwrap()
    }

    fn append(path: &Path, text: &str) {
        OpenOptions::new().append(true).create(true).open(path).unwrap().write_all(text.as_bytes()).unwrap();
    }

    #[test]
    fn growth_is_told_from_the_given_byte_on() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        append(&path, "before");
        let mut tail = Tail::new(&path, 3).unwrap();
        assert_eq!(rest(&mut tail), "ore");
        append(&path, " after");
        assert_eq!(told(&mut tail), " after");
        assert_eq!(rest(&mut tail), "");
    }

    #[test]
    fn one_that_is_not_there_yet_is_followed_when_it_comes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let mut tail = Tail::new(&path, 0).unwrap();
        assert_eq!(rest(&mut tail), "");
        append(&path, "first");
        assert_eq!(told(&mut tail), "first");
        append(&path, " second");
        assert_eq!(told(&mut tail), " second");
    }

    #[test]
    fn one_that_is_put_aside_is_read_to_its_end_and_the_new_one_from_its_beginning() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        append(&path, "a");
        let mut tail = Tail::new(&path, 0).unwrap();
        assert_eq!(rest(&mut tail), "a");
        append(&path, "b");
        std::fs::rename(&path, folder.path().join("log.1")).unwrap();
        append(&path, "c");
        assert_eq!(told(&mut tail), "bc");
        append(&path, "d");
        assert_eq!(told(&mut tail), "d");
        // Removed, and made again later.
        std::fs::remove_file(&path).unwrap();
        assert_eq!(told(&mut tail), "");
        append(&path, "e");
        assert_eq!(told(&mut tail), "e");
    }

    #[test]
    fn what_is_skipped_is_told_of_again_when_it_grows() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        append(&path, "a");
        let mut tail = Tail::new(&path, 0).unwrap();
        tail.skip().unwrap();
        assert_eq!(rest(&mut tail), "");
        std::fs::rename(&path, folder.path().join("log.1")).unwrap();
        append(&path, "b");
        tail.wake().unwrap();
        tail.skip().unwrap();
        append(&path, "c");
        assert_eq!(told(&mut tail), "c", "of the new one");
    }

    #[test]
    fn one_that_is_cut_is_read_from_its_beginning() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        append(&path, "long words");
        let mut tail = Tail::new(&path, 0).unwrap();
        assert_eq!(rest(&mut tail), "long words");
        File::create(&path).unwrap().write_all(b"short").unwrap();
        assert_eq!(told(&mut tail), "short");
    }
}
