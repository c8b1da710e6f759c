//! The numbered logs of a work tree. `iteration-N.log` is made when N is taken: numbers have no gaps, nothing is ever
//! overwritten, and the highest number is also the count of those files.
//!
//! How N is taken so that a death at any moment neither loses it nor gives it to two: a file of ours, named after the
//! attempt, is made in the log folder; its inode is noted in the attempt's folder; it is linked to the first free name
//! (two cannot link to one name); its own name goes. The same attempt, prepared again after a death, finds the inode.

use crate::host::files;
use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

/// Everything in the folder is ignored, and so is this file.
const IGNORE: &[u8] = b"*\n";

/// Others may take numbers at the same time; nobody is unlucky so often.
const MAX_TRIES: u32 = 10_000;

/// How much of standard error is looked at.
const LAST_WORDS: u64 = 8 * 1024;

/// Name of the note on the inode, in the attempt's folder.
const INODE: &str = "log-inode";

/// Name of the note on where the attempt's part of standard error begins, in the attempt's folder.
const WORDS_FROM: &str = "err-from";

/// The log folder of a work tree.
#[derive(Debug, Clone, Copy)]
pub(super) struct Logs<'a> {
    folder: &'a Path,
}

/// Which file it is, whatever its name.
type Inode = (u64, u64);

impl<'a> Logs<'a> {
    pub(super) fn at(folder: &'a Path) -> Logs<'a> {
        Logs { folder }
    }

    /// The text as a person wants to read it.
    pub(super) fn text(&self, log: u32) -> PathBuf {
        self.folder.join(format!("iteration-{log}.log"))
    }

    /// The agent's own stream.
    pub(super) fn raw(&self, log: u32) -> PathBuf {
        self.folder.join(format!("iteration-{log}.log.raw"))
    }

    /// Its standard error; there only if it wrote any.
    pub(super) fn words(&self, log: u32) -> PathBuf {
        self.folder.join(format!("iteration-{log}.err"))
    }

    /// Makes the folder, private, and keeps git out of it. A folder that is there keeps its mode, and its ignore file.
    pub(super) fn make_folder(&self) -> io::Result<()> {
        files::create_folder(self.folder)?;
        match files::create_private(&self.folder.join(".gitignore")) {
            Ok(file) => file.write_all_at(IGNORE, 0),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Takes the next number for the attempt with the folder `attempt`; the one that it has already, if it was taken
    /// before and never used. `name` is the attempt's among all attempts of all runs.
    pub(super) fn reserve(&self, attempt: &Path, name: &str) -> io::Result<u32> {
        let claim = self.folder.join(format!(".claim-{name}"));
        let note = attempt.join(INODE);
        let noted = std::fs::read_to_string(&note).ok().and_then(|text| parse_inode(&text));
        if let Some(log) = noted.and_then(|inode| self.unused(inode)) {
            files::remove(&claim)?;
            return Ok(log);
        }
        files::remove(&claim)?;
        let (device, inode) = inode(&files::create_private(&claim)?.metadata()?);
        std::fs::write(&note, format!("{device} {inode}\n"))?;
        let log = self.link(&claim);
        files::remove(&claim)?;
        // The fact that names the log is durable; so must be the log.
        log.and_then(|log| files::sync_folder(&claim).map(|()| log))
    }

    /// Gives the file at `claim` the first free name of a log.
    fn link(&self, claim: &Path) -> io::Result<u32> {
        let first = self.highest()?;
        for log in (1..=MAX_TRIES).filter_map(|step| first.checked_add(step)) {
            // Only for the numbers that others take meanwhile; the highest was looked for.
            if self.raw(log).exists() || self.words(log).exists() {
                continue;
            }
            let path = self.text(log);
            let taken = match std::fs::hard_link(claim, &path) {
                // A file system without links: as exclusive, but a death before the fact leaves an empty log.
                Err(error) if is_unsupported(&error) => files::create_private(&path).map(drop),
                linked => linked,
            };
            match taken {
                Ok(()) => return Ok(log),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
        Err(io::Error::other("no log number is free"))
    }

    /// The highest number in use; 0 when there is none.
    fn highest(&self) -> io::Result<u32> {
        let mut highest = 0;
        for entry in std::fs::read_dir(self.folder)? {
            highest = highest.max(entry?.file_name().to_str().and_then(number).unwrap_or(0));
        }
        Ok(highest)
    }

    /// The number of the log that is this file, if nothing was ever written for it.
    fn unused(&self, wanted: Inode) -> Option<u32> {
        let entries = std::fs::read_dir(self.folder).ok()?.flatten();
        let logs = entries.filter_map(|entry| entry.file_name().to_str().and_then(number));
        logs.into_iter().find(|log| {
            let is_it = std::fs::symlink_metadata(self.text(*log))
                .is_ok_and(|file| file.is_file() && file.len() == 0 && inode(&file) == wanted);
            is_it && !self.raw(*log).exists() && !self.words(*log).exists()
        })
    }

    /// Notes how much stands in the standard error of `log` before the attempt.
    pub(super) fn remember_words(&self, log: u32, attempt: &Path) -> io::Result<()> {
        let size = self.words(log).metadata().map_or(0, |file| file.len());
        std::fs::write(attempt.join(WORDS_FROM), format!("{size}\n"))
    }

    /// The end of what the attempt wrote to standard error.
    pub(super) fn last_words(&self, log: u32, attempt: &Path) -> Vec<u8> {
        let from = std::fs::read_to_string(attempt.join(WORDS_FROM)).ok().and_then(|text| text.trim_end().parse().ok());
        end_of(&self.words(log), from.unwrap_or(0)).unwrap_or_default()
    }
}

/// The last bytes of a file, not before `from`.
fn end_of(path: &Path, from: u64) -> io::Result<Vec<u8>> {
    use std::io::{Read, Seek, SeekFrom};
    let mut file = File::open(path)?;
    let size = file.metadata()?.len();
    file.seek(SeekFrom::Start(from.max(size.saturating_sub(LAST_WORDS))))?;
    let mut words = Vec::new();
    file.take(LAST_WORDS).read_to_end(&mut words)?;
    Ok(words)
}

/// N of `iteration-N.log`, `.log.raw` and `.err`.
fn number(name: &str) -> Option<u32> {
    let (number, kind) = name.strip_prefix("iteration-")?.split_once('.')?;
    let is_plain = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    if is_plain && matches!(kind, "log" | "log.raw" | "err") { number.parse().ok() } else { None }
}

fn inode(file: &std::fs::Metadata) -> Inode {
    (file.dev(), file.ino())
}

fn parse_inode(text: &str) -> Option<Inode> {
    let (device, inode) = text.strip_suffix('\n')?.split_once(' ')?;
    Some((device.parse().ok()?, inode.parse().ok()?))
}

/// What file systems without hard links say.
fn is_unsupported(error: &io::Error) -> bool {
    use nix::libc::{ENOSYS, ENOTSUP, EPERM};
    matches!(error.raw_os_error(), Some(EPERM | ENOSYS | ENOTSUP))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn only_logs_have_numbers() {
        assert_eq!(number("iteration-12.log"), Some(12));
        assert_eq!(number("iteration-12.log.raw"), Some(12));
        assert_eq!(number("iteration-12.err"), Some(12));
        for other in [
            "iteration-.log",
            "iteration-1.txt",
            "iteration-+1.log",
            "iteration-1",
            "loop.log",
            "iteration-9999999999.log",
        ] {
            assert_eq!(number(other), None, "{other}");
        }
    }

    proptest! {
        #[test]
        fn any_name_is_survived(name in "(iteration-)?[0-9a-z.+-]{0,14}") {
            if let Some(number) = number(&name) {
                prop_assert!(name.contains(&number.to_string()));
            }
        }
    }
}
