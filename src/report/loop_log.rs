//! `loop.log`: the supervisor's own lines with their times, for a pane that is gone. Every start, iteration, ending, wait,
//! warning and refusal is in it.

use super::when;
use super::words::one_line;
use crate::model::Wall;
use jiff::tz::TimeZone;
use nix::fcntl::OFlag;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// What is kept while the file cannot be written; the oldest lines go first.
const PATIENCE: usize = 64 * 1024;

/// The log of all loops of one folder. Opened when there is something to write, private, never followed through a link.
#[derive(Debug)]
pub struct LoopLog {
    path: PathBuf,
    name: String,
    zone: TimeZone,
    file: Option<File>,
    pending: Vec<u8>,
}

impl LoopLog {
    /// The log in the folder `logs`, for lines of the run `name`. Touches nothing.
    pub fn new(logs: &Path, name: &str, zone: TimeZone) -> LoopLog {
        LoopLog { path: logs.join("loop.log"), name: name.to_owned(), zone, file: None, pending: Vec::new() }
    }

    /// Appends a line of that time: `2026-11-21T15:04:05+01:00 web: text`. What cannot be written now is written with the
    /// next line; nobody hears of it.
    pub fn line(&mut self, at: Wall, text: &str) {
        self.add(at, text);
        self.flush();
    }

    /// Takes a line for the next [`LoopLog::flush`].
    pub(super) fn add(&mut self, at: Wall, text: &str) {
        let line = format!("{} {}: {}\n", when::stamp(at, &self.zone), self.name, one_line(text));
        self.pending.extend_from_slice(line.as_bytes());
    }

    /// Writes what waits, in one piece, so that the lines of two loops do not mix.
    pub(super) fn flush(&mut self) {
        if self.pending.is_empty() {
            return;
        }
        if self.append().is_err() {
            self.file = None;
            self.forget_the_oldest();
        }
    }

    fn append(&mut self) -> io::Result<()> {
        let removed = self.file.as_ref().is_some_and(|file| file.metadata().is_ok_and(|file| file.nlink() == 0));
        let file = match self.file.take().filter(|_| !removed) {
            Some(file) => file,
            None => {
                let no_link = OFlag::O_NOFOLLOW.bits() | OFlag::O_NONBLOCK.bits();
                OpenOptions::new().append(true).create(true).mode(0o600).custom_flags(no_link).open(&self.path)?
            }
        };
        let file = self.file.insert(file);
        while !self.pending.is_empty() {
            let count = file.write(&self.pending)?;
            self.pending.drain(..count);
        }
        Ok(())
    }

    fn forget_the_oldest(&mut self) {
        if self.pending.len() > PATIENCE {
            let cut = self.pending.len() - PATIENCE;
            let end = self.pending[cut..].iter().position(|byte| *byte == b'\n');
            self.pending.drain(..end.map_or(self.pending.len(), |end| cut + end + 1));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn lines_wait_for_a_folder_and_stand_on_one_line_each() {
        let scratch = tempfile::tempdir().unwrap();
        let logs = scratch.path().join("logs");
        let mut log = LoopLog::new(&logs, "web", TimeZone::UTC);
        log.line(Wall(0), "too\nearly");
        fs::create_dir(&logs).unwrap();
        log.line(Wall(1000), "now");
        let path = logs.join("loop.log");
        assert_eq!(
            fs::read_to_string(&path).unwrap(),
            "1970-01-01T00:00:00+00:00 web: too early\n1970-01-01T00:00:01+00:00 web: now\n"
        );
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        fs::remove_file(&path).unwrap();
        log.line(Wall(2000), "again");
        assert_eq!(fs::read_to_string(&path).unwrap(), "1970-01-01T00:00:02+00:00 web: again\n");
    }

    #[test]
    fn what_cannot_be_written_stays_bounded() {
        let mut log = LoopLog::new(Path::new("/nonexistent"), "web", TimeZone::UTC);
        (0..5000).for_each(|second| log.line(Wall(second * 1000), "a line of some length, to fill it up"));
        assert!(log.pending.len() <= PATIENCE);
        assert!(log.pending.starts_with(b"1970-01-01T"));
    }
}
