//! `iteration-N.log`: an iteration as a person wants to read it.
//!
//! It is a pure function of the raw log: a header for each try, then what the agent says. That makes it cheap to lose. An
//! adopted attempt's part is cut off and written again from the first byte; what a full disk or a removed folder kept out
//! is written again at the end, from the raw log. No trouble here is ever more than a warning.

use super::masks::Masks;
use super::page::{Look, Page};
use crate::model::Sign;
use nix::fcntl::OFlag;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// What is kept for a disk that is full for a moment. Beyond it the log is written again at the end.
const PATIENCE: usize = 1 << 20;

/// How much of a raw log is read at once.
const CHUNK: usize = 64 * 1024;

/// A part of a raw log that is read again.
#[derive(Debug, Clone, Copy)]
pub enum Part<'a> {
    /// Its next bytes.
    Bytes(&'a [u8]),
    /// There are no more.
    End,
}

/// Makes a fresh reader of raw logs: takes their parts and appends what they say. The agents' scanners live in another
/// ring; whoever builds the reporter wraps one.
pub type Rescan = Box<dyn Fn() -> Box<dyn FnMut(Part<'_>, &mut Vec<Sign>)>>;

/// The text log of one try.
pub(super) struct TextLog {
    path: PathBuf,
    raw: PathBuf,
    raw_from: u64,
    text_from: u64,
    header: String,
    file: Option<File>,
    page: Page,
    /// Bytes rendered, from `text_from`.
    rendered: u64,
    /// What stood there when we came.
    known: u64,
    /// Something could not be kept: the file has a hole at its end.
    torn: bool,
    /// The first trouble, until it is told.
    trouble: Option<io::Error>,
    told: bool,
}

/// Where a try's logs lie, and where its part of them begins.
#[derive(Debug, Clone)]
pub(super) struct Place<'a> {
    /// The folder.
    pub(super) folder: &'a Path,
    /// The number of the log files.
    pub(super) log: u32,
    /// Where its bytes begin in the raw log.
    pub(super) raw_from: u64,
    /// Where its words begin in the text log.
    pub(super) text_from: u64,
}

impl TextLog {
    /// Opens the log, cuts off what stands behind the try's beginning, and writes the header.
    pub(super) fn open(place: &Place<'_>, heading: &str) -> TextLog {
        let path = place.folder.join(format!("iteration-{}.log", place.log));
        let raw = place.folder.join(format!("iteration-{}.log.raw", place.log));
        let gap = if place.text_from > 0 { "\n" } else { "" };
        let mut log = TextLog {
            path,
            raw,
            raw_from: place.raw_from,
            text_from: place.text_from,
            header: format!("{gap}── {heading} ──\n"),
            file: None,
            page: Page::new(Look::Faithful),
            rendered: 0,
            known: 0,
            torn: false,
            trouble: None,
            told: false,
        };
        match log.reopen() {
            Ok((file, size)) => {
                log.file = Some(file);
                log.known = size.saturating_sub(log.text_from);
            }
            Err(error) => log.fail(error),
        }
        log.render_header();
        log.write();
        log
    }

    /// Appends what `signs` say. `shown` gets each sign with those of its bytes that were not in the file when it was
    /// opened; signs that were there entirely are left out.
    pub(super) fn heard(&mut self, signs: &[Sign], masks: &Masks, mut shown: impl FnMut(&Sign, &[u8])) {
        for sign in signs {
            let start = self.page.bytes().len();
            self.page.sign(sign, masks);
            let fresh = &self.page.bytes()[start..];
            let before = self.rendered;
            self.rendered += fresh.len() as u64;
            if self.rendered > self.known {
                let seen = usize::try_from(self.known.saturating_sub(before)).unwrap_or(usize::MAX);
                shown(sign, &fresh[seen.min(fresh.len())..]);
            }
        }
        self.write();
    }

    /// Writes the last line's end, and all of it again if something was lost. What remains wrong is the answer.
    pub(super) fn close(&mut self, masks: &Masks, rescan: &Rescan) -> Option<String> {
        self.page.end_line();
        self.write();
        if !self.torn && self.page.bytes().is_empty() && self.is_in_place() {
            return None;
        }
        let (path, raw) = (self.path.display().to_string(), self.raw.display().to_string());
        match File::open(&self.raw) {
            Err(error) => Some(format!("{path} is missing or incomplete, and {raw} cannot be read: {error}")),
            Ok(whole) => {
                let error = self.write_again(whole, masks, rescan).err()?;
                Some(format!("{path} is missing or incomplete: {error}; {raw} has everything"))
            }
        }
    }

    /// The first trouble, once.
    pub(super) fn take_trouble(&mut self) -> Option<String> {
        let error = self.trouble.take().filter(|_| !std::mem::replace(&mut self.told, true))?;
        Some(format!("cannot write {}: {error}; the run goes on", self.path.display()))
    }

    fn render_header(&mut self) {
        self.page.text(&self.header);
        self.rendered += self.header.len() as u64;
    }

    /// Opens the file for appending, cut off at the try's beginning; how long it was.
    fn reopen(&self) -> io::Result<(File, u64)> {
        let no_link = OFlag::O_NOFOLLOW.bits();
        let file = OpenOptions::new().append(true).create(true).mode(0o600).custom_flags(no_link).open(&self.path)?;
        let size = file.metadata()?.len();
        if size > self.text_from {
            file.set_len(self.text_from)?;
        }
        Ok((file, size))
    }

    /// Writes what waits. What cannot be written goes on waiting, within bounds.
    fn write(&mut self) {
        let mut done = 0;
        while let Some(file) = self.file.as_mut().filter(|_| !self.torn) {
            let rest = &self.page.bytes()[done..];
            if rest.is_empty() {
                break;
            }
            match file.write(rest) {
                Ok(count) if count > 0 => done += count,
                Ok(_) => {
                    self.fail(io::ErrorKind::WriteZero.into());
                    break;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    self.fail(error);
                    break;
                }
            }
        }
        self.page.written(done);
        if self.file.is_none() || self.page.bytes().len() > PATIENCE {
            self.torn = true;
        }
        if self.torn {
            self.page.written(usize::MAX);
        }
    }

    fn fail(&mut self, error: io::Error) {
        self.trouble.get_or_insert(error);
    }

    /// Does the path still lead to the file that we wrote?
    fn is_in_place(&self) -> bool {
        let ours = self.file.as_ref().and_then(|file| file.metadata().ok());
        let there = std::fs::symlink_metadata(&self.path).ok();
        ours.zip(there).is_some_and(|(ours, there)| (ours.dev(), ours.ino()) == (there.dev(), there.ino()))
    }

    /// The try's part once more, from the raw log.
    fn write_again(&mut self, mut raw: File, masks: &Masks, rescan: &Rescan) -> io::Result<()> {
        raw.seek(SeekFrom::Start(self.raw_from))?;
        let (mut file, _) = self.reopen()?;
        self.page = Page::new(Look::Faithful);
        self.render_header();
        let mut read = rescan();
        let (mut chunk, mut signs) = (vec![0; CHUNK], Vec::new());
        loop {
            let count = match raw.read(&mut chunk) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                count => count?,
            };
            read(if count > 0 { Part::Bytes(&chunk[..count]) } else { Part::End }, &mut signs);
            signs.drain(..).for_each(|sign| self.page.sign(&sign, masks));
            if count == 0 {
                self.page.end_line();
            }
            file.write_all(self.page.bytes())?;
            self.page.written(usize::MAX);
            if count == 0 {
                break;
            }
        }
        self.file = Some(file);
        self.torn = false;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    /// Each line of the raw log is a text.
    fn rescan() -> Rescan {
        Box::new(|| {
            Box::new(|part, signs| {
                if let Part::Bytes(bytes) = part {
                    signs.push(Sign::Text(String::from_utf8_lossy(bytes).into_owned()));
                }
            })
        })
    }

    fn open(folder: &Path, text_from: u64) -> TextLog {
        let place = Place { folder, log: 7, raw_from: 0, text_from };
        TextLog::open(&place, "iteration 1/3 (log 7)")
    }

    fn hear(log: &mut TextLog, texts: &[&str]) -> String {
        let signs: Vec<Sign> = texts.iter().map(|text| Sign::Text((*text).into())).collect();
        let mut shown = String::new();
        log.heard(&signs, &Masks::default(), |_, fresh| {
            assert!(!fresh.is_empty(), "nothing of it is new");
            shown.push_str(&String::from_utf8_lossy(fresh));
        });
        shown
    }

    #[test]
    fn an_adopted_log_comes_out_the_same_and_only_the_new_is_shown() {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("iteration-7.log");
        let mut first = open(scratch.path(), 0);
        assert_eq!(hear(&mut first, &["one\n", "tw"]), "one\ntw");
        drop(first);
        let mut second = open(scratch.path(), 0);
        assert_eq!(hear(&mut second, &["one\n", "two\n", "three"]), "o\nthree");
        assert_eq!(second.close(&Masks::default(), &rescan()), None);
        assert_eq!(fs::read_to_string(&path).unwrap(), "── iteration 1/3 (log 7) ──\none\ntwo\nthree\n");
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_second_try_stands_behind_the_first() {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("iteration-7.log");
        fs::write(&path, "before\n").unwrap();
        let mut log = open(scratch.path(), 7);
        hear(&mut log, &["x\n"]);
        assert_eq!(fs::read_to_string(&path).unwrap(), "before\n\n── iteration 1/3 (log 7) ──\nx\n");
    }

    #[test]
    fn what_was_removed_is_written_again_from_the_raw_log() {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("iteration-7.log");
        let mut log = open(scratch.path(), 0);
        hear(&mut log, &["one\n"]);
        fs::remove_file(&path).unwrap();
        fs::write(scratch.path().join("iteration-7.log.raw"), "one\ntwo").unwrap();
        hear(&mut log, &["two"]);
        assert_eq!(log.close(&Masks::default(), &rescan()), None);
        assert_eq!(fs::read_to_string(&path).unwrap(), "── iteration 1/3 (log 7) ──\none\ntwo\n");
    }

    #[test]
    fn a_missing_folder_is_told_once_and_fails_nothing() {
        let scratch = tempfile::tempdir().unwrap();
        let folder = scratch.path().join("logs");
        let mut log = open(&folder, 0);
        assert_eq!(hear(&mut log, &["shown all the same\n"]), "shown all the same\n");
        assert!(log.take_trouble().unwrap().contains("iteration-7.log: No such file"));
        assert_eq!(log.take_trouble(), None);
        assert!(log.close(&Masks::default(), &rescan()).unwrap().contains("cannot be read"));
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("iteration-7.log.raw"), "late\n").unwrap();
        assert_eq!(log.close(&Masks::default(), &rescan()), None);
        assert!(fs::read_to_string(folder.join("iteration-7.log")).unwrap().ends_with("──\nlate\n"));
    }

    /// `/dev/full` answers every write with ENOSPC.
    #[test]
    fn a_full_disk_is_waited_out_within_bounds() {
        let scratch = tempfile::tempdir().unwrap();
        let mut log = open(scratch.path(), 0);
        let real = log.file.replace(OpenOptions::new().write(true).open("/dev/full").unwrap());
        hear(&mut log, &["kept\n"]);
        assert!(log.take_trouble().unwrap().contains("No space left"));
        assert!(!log.torn);
        log.file = real;
        hear(&mut log, &["and more\n"]);
        let path = scratch.path().join("iteration-7.log");
        assert!(fs::read_to_string(&path).unwrap().ends_with("kept\nand more\n"));
        log.file = Some(OpenOptions::new().write(true).open("/dev/full").unwrap());
        hear(&mut log, &["x".repeat(PATIENCE + 1).as_str()]);
        assert!(log.torn && log.page.bytes().is_empty());
    }

    #[test]
    fn a_link_in_the_logs_place_is_not_followed() {
        let scratch = tempfile::tempdir().unwrap();
        let victim = scratch.path().join("victim");
        fs::write(&victim, "precious").unwrap();
        std::os::unix::fs::symlink(&victim, scratch.path().join("iteration-7.log")).unwrap();
        let mut log = open(scratch.path(), 0);
        hear(&mut log, &["x\n"]);
        assert_eq!(fs::read_to_string(&victim).unwrap(), "precious");
    }
}
