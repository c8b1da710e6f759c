//! The numbered logs of a work tree. `iteration-N.log` is made when N is taken: numbers have no gaps, nothing is ever
//! overwritten, and the highest number is also the count of those files.
//!
//! N is taken by making that file, which only one can do; before, N is noted in the run's folder. Between this and the fact
//! that the attempt was opened a death may come: the same attempt, prepared again, takes the noted N if its log is still as
//! it was made. (A loop that shares the tree could have taken N between our note and our death; it has launched
//! its agent by now, and what was launched has a raw log.)
//!
//! None of it is synced: what a power cut takes from here, the launch makes again or misses aloud.

use crate::host::files;
use crate::model::AttemptId;
use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Everything in the folder is ignored, and so is this file.
const IGNORE: &[u8] = b"*\n";

/// Others may take numbers at the same time; nobody is unlucky so often.
const MAX_TRIES: u32 = 10_000;

/// How much of standard error is looked at.
const LAST_WORDS: u64 = 8 * 1024;

/// Name of the note in the run's folder.
const NOTE: &str = "log-note";

/// A note has always this length, so that it is replaced in one write. One file for all attempts of a loop, which come
/// one after the other: to make a file costs ten times as much as to write into one.
const NOTE_LENGTH: usize = 64;

/// The log folder of a work tree.
#[derive(Debug, Clone, Copy)]
pub(super) struct Logs<'a> {
    folder: &'a Path,
}

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

    /// Takes the next number for the attempt; the one that it has already, if it was taken before and never used.
    pub(super) fn reserve(&self, notes: &Notes<'_>) -> io::Result<u32> {
        if let Some(note) = notes.read().filter(|note| self.is_unused(note.log)) {
            return Ok(note.log);
        }
        let highest = self.highest()?;
        for log in (1..=MAX_TRIES).filter_map(|step| highest.checked_add(step)) {
            notes.write(Note { log, words_from: 0 })?;
            match files::create_private(&self.text(log)) {
                Ok(_) => return Ok(log),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
        Err(io::Error::other("no log number is free"))
    }

    /// Takes a number again for a repeated try.
    pub(super) fn reuse(&self, log: u32, notes: &Notes<'_>) -> io::Result<u32> {
        notes.write(Note { log, words_from: size(&self.words(log)) })?;
        Ok(log)
    }

    /// The highest number in use; 0 when there is none.
    fn highest(&self) -> io::Result<u32> {
        let mut highest = 0;
        for entry in std::fs::read_dir(self.folder)? {
            highest = highest.max(entry?.file_name().to_str().and_then(number).unwrap_or(0));
        }
        Ok(highest)
    }

    /// Was it made, and nothing ever written for it?
    fn is_unused(&self, log: u32) -> bool {
        let is_empty = std::fs::symlink_metadata(self.text(log)).is_ok_and(|file| file.is_file() && file.len() == 0);
        is_empty && !self.raw(log).exists() && !self.words(log).exists()
    }

    /// The end of what the attempt wrote to the standard error of `log`.
    pub(super) fn last_words(&self, log: u32, notes: &Notes<'_>) -> Vec<u8> {
        let from = notes.read().filter(|note| note.log == log).map_or(0, |note| note.words_from);
        files::read_end(&self.words(log), from, LAST_WORDS).unwrap_or_default()
    }
}

/// What is noted of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Note {
    /// Its number.
    log: u32,
    /// How much stood in its standard error before.
    words_from: u64,
}

/// The note of one attempt, if it is the latest of its run.
#[derive(Debug)]
pub(super) struct Notes<'a> {
    /// The run's folder.
    pub(super) run: &'a Path,
    /// The attempt.
    pub(super) attempt: &'a AttemptId,
}

impl Notes<'_> {
    fn write(&self, note: Note) -> io::Result<()> {
        let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(self.run.join(NOTE))?;
        let text = format!("{} {} {}", self.attempt.folder(), note.log, note.words_from);
        file.write_all_at(format!("{text:<width$}\n", width = NOTE_LENGTH - 1).as_bytes(), 0)
    }

    fn read(&self) -> Option<Note> {
        let text = std::fs::read_to_string(self.run.join(NOTE)).ok()?;
        let mut words = text.split_ascii_whitespace();
        let is_ours = words.next()? == self.attempt.folder();
        let note = Note { log: words.next()?.parse().ok()?, words_from: words.next()?.parse().ok()? };
        is_ours.then_some(note)
    }
}

/// Size of a file; 0 where there is none.
pub(super) fn size(path: &Path) -> u64 {
    path.metadata().map_or(0, |file| file.len())
}

/// N of `iteration-N.log`, `.log.raw` and `.err`.
fn number(name: &str) -> Option<u32> {
    let (number, kind) = name.strip_prefix("iteration-")?.split_once('.')?;
    let is_plain = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    if is_plain && matches!(kind, "log" | "log.raw" | "err") { number.parse().ok() } else { None }
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
