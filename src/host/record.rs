//! The record of an attempt: what its shim did and saw, readable when no supervisor was alive to see it.
//!
//! A file of one reserved block, so that a full disk cannot keep an ending from being written. Its front holds lines that
//! are only ever appended, by one writer, each behind its own checksum: a torn one is not believed.
//!
//! ```text
//! starting <shim pid> <shim start time> <boot id> <size of the raw log> <file name of the raw log>
//! running <worker pid> <worker start time>     or: failed <0|1 permanent> <message>
//! exited <status>
//! ended <status> <oom> <pid:start time of each process left behind…>
//! ```
//!
//! Its last part is one slot, rewritten in place, that says whether the log can be written now.
//!
//! The file is locked (`flock`) before the shim is started, and the lock lives as long as the shim does: it belongs to the
//! open file, which the worker does not inherit. Held means starting or alive; free without an `ended` line means lost.
//!
//! No line is synced: the record must survive the death of our processes, not of the machine. After a reboot nothing of
//! the attempt is alive, the boot id says so, and what the journal synced is what counts.

use super::lock;
use crate::model::{Exit, Oom, ProcessId, Status};
use std::fs::{File, TryLockError};
use std::io;
use std::os::unix::fs::FileExt;

/// Name of the record in the attempt's folder.
pub const NAME: &str = "record";

/// The size of the file: one block, reserved when it is made.
pub const SIZE: u64 = 4096;

/// Where the slot begins that says whether the log can be written.
const FLOW_AT: u64 = 3584;

/// Longest message kept of an error of the operating system.
const MAX_MESSAGE: usize = 400;

/// What a record says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Record {
    /// The shim runs, and may have started the worker.
    pub started: Option<Started>,
    /// The worker was executed.
    pub worker: Option<ProcessId>,
    /// The worker could not be executed; the shim ended.
    pub failed: Option<Failure>,
    /// The worker ended. Its descendants may still be there, and its output may not be complete.
    pub exited: Option<Status>,
    /// All is over, and the logs are complete.
    pub ended: Option<Exit>,
    /// The error that keeps the log from being written now.
    pub paused: Option<String>,
}

/// The first line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Started {
    /// Who writes the record.
    pub shim: ProcessId,
    /// The size of the raw log when the attempt began: where its own output starts.
    pub out_from: u64,
    /// The file name of the raw log; a journal that was damaged finds it again here. Empty for a name with a space in it.
    pub out: String,
}

/// Why there is no worker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Trying again cannot help.
    pub permanent: bool,
    /// What failed, in the words of the operating system.
    pub message: String,
}

/// Makes the record: reserved, and locked for whoever will hold this open file.
pub fn create(path: &std::path::Path) -> io::Result<File> {
    let file = super::files::create_private(path)?;
    let prepared = nix::fcntl::posix_fallocate(&file, 0, SIZE as i64).map_err(io::Error::from);
    let prepared = prepared.and_then(|()| match lock::try_alone(&file)? {
        true => Ok(()),
        false => Err(io::Error::other("somebody else locked the record that was just made")),
    });
    match prepared {
        Ok(()) => Ok(file),
        Err(error) => {
            super::files::remove(path)?;
            Err(error)
        }
    }
}

/// Does a shim, or a supervisor that is about to start one, hold this record?
pub fn is_held(file: &File) -> io::Result<bool> {
    match file.try_lock_shared() {
        Ok(()) => file.unlock().map(|()| false),
        Err(TryLockError::WouldBlock) => Ok(true),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// Reads what the record says now.
pub fn read(file: &File) -> io::Result<Record> {
    let mut block = [0; SIZE as usize];
    let mut length = 0;
    while length < block.len() {
        match file.read_at(&mut block[length..], length as u64)? {
            0 => break,
            read => length += read,
        }
    }
    Ok(parse(&block))
}

fn parse(block: &[u8; SIZE as usize]) -> Record {
    let (lines, slot) = block.split_at(FLOW_AT as usize);
    let mut record = Record::default();
    for line in lines.split_inclusive(|&byte| byte == b'\n').map_while(checked) {
        record.take(line);
    }
    let slot = slot.split_inclusive(|&byte| byte == b'\n').next().and_then(checked);
    record.paused = slot.and_then(|line| line.strip_prefix("paused ")).map(str::to_owned);
    record
}

/// The text of a line whose checksum is right.
fn checked(line: &[u8]) -> Option<&str> {
    let line = std::str::from_utf8(line.strip_suffix(b"\n")?).ok()?;
    let (sum, text) = line.split_once(' ')?;
    (u32::from_str_radix(sum, 16) == Ok(crc32fast::hash(text.as_bytes()))).then_some(text)
}

impl Record {
    /// Takes in one line; one of an unknown kind is of a later version and says nothing to us.
    fn take(&mut self, line: &str) {
        let (kind, rest) = line.split_once(' ').unwrap_or((line, ""));
        match kind {
            "starting" => self.started = started(rest),
            "running" => self.worker = rest.split_once(' ').and_then(|(pid, start)| self.process(pid, start)),
            "failed" => self.failed = failure(rest),
            "exited" => self.exited = status(rest),
            "ended" => self.ended = self.exit(rest),
            _ => {}
        }
    }

    /// A process of the boot that the first line names.
    fn process(&self, pid: &str, start_time: &str) -> Option<ProcessId> {
        let boot_id = self.started.as_ref()?.shim.boot_id.clone();
        Some(ProcessId { pid: pid.parse().ok()?, start_time: start_time.parse().ok()?, boot_id })
    }

    fn exit(&self, rest: &str) -> Option<Exit> {
        let mut words = rest.split(' ');
        let (status, oom) = (status(words.next()?)?, oom(words.next()?)?);
        let left = words.filter_map(|word| word.split_once(':')).filter_map(|(pid, start)| self.process(pid, start));
        Some(Exit { status, oom, left: left.collect() })
    }
}

fn started(rest: &str) -> Option<Started> {
    let words: Vec<&str> = rest.split(' ').collect();
    let [pid, start_time, boot_id, out_from, out] = words.as_slice() else { return None };
    let boot_id = (*boot_id).to_owned();
    let shim = ProcessId { pid: pid.parse().ok()?, start_time: start_time.parse().ok()?, boot_id };
    Some(Started { shim, out_from: out_from.parse().ok()?, out: out.trim_matches('/').to_owned() })
}

fn failure(rest: &str) -> Option<Failure> {
    let (permanent, message) = rest.split_once(' ')?;
    Some(Failure { permanent: permanent == "1", message: message.to_owned() })
}

fn status(word: &str) -> Option<Status> {
    match word.split_once(':') {
        Some(("code", code)) => code.parse().ok().map(Status::Code),
        Some(("signal", signal)) => signal.parse().ok().map(Status::Signal),
        _ => (word == "lost").then_some(Status::Lost),
    }
}

fn status_word(status: Status) -> String {
    match status {
        Status::Code(code) => format!("code:{code}"),
        Status::Signal(signal) => format!("signal:{signal}"),
        Status::Lost => "lost".to_owned(),
    }
}

const OOM_WORDS: [(Oom, &str); 4] =
    [(Oom::Confirmed, "confirmed"), (Oom::Inside, "inside"), (Oom::Denied, "denied"), (Oom::Unknown, "unknown")];

fn oom(word: &str) -> Option<Oom> {
    OOM_WORDS.iter().find(|(_, name)| *name == word).map(|(oom, _)| *oom)
}

fn oom_word(oom: Oom) -> &'static str {
    OOM_WORDS.iter().find(|(known, _)| *known == oom).map_or("unknown", |(_, word)| word)
}

/// The one who writes a record.
#[derive(Debug)]
pub struct Writer {
    file: File,
    length: u64,
}

impl Writer {
    /// Goes on with an empty record that [`create`] made.
    pub fn new(file: File) -> Writer {
        Writer { file, length: 0 }
    }

    /// The shim is about to start the worker.
    pub fn starting(&mut self, started: &Started) -> io::Result<()> {
        let Started { shim, out_from, out } = started;
        // A slash stands for no name: no file is called so.
        let out = if out.is_empty() || out.contains(char::is_whitespace) { "/" } else { out };
        self.append(&format!("starting {} {} {} {out_from} {out}", shim.pid, shim.start_time, shim.boot_id))
    }

    /// The worker was executed.
    pub fn running(&mut self, worker: &ProcessId) -> io::Result<()> {
        self.append(&format!("running {} {}", worker.pid, worker.start_time))
    }

    /// The worker could not be executed.
    pub fn failed(&mut self, failure: &Failure) -> io::Result<()> {
        self.append(&format!("failed {} {}", u8::from(failure.permanent), one_line(&failure.message)))
    }

    /// The worker ended.
    pub fn exited(&mut self, status: Status) -> io::Result<()> {
        self.append(&format!("exited {}", status_word(status)))
    }

    /// All is over.
    pub fn ended(&mut self, exit: &Exit) -> io::Result<()> {
        let mut line = format!("ended {} {}", status_word(exit.status), oom_word(exit.oom));
        // What does not fit is not named: an ending with some of those left behind is better than none.
        let room = (FLOW_AT - self.length) as usize - FRAME;
        for process in &exit.left {
            let word = format!(" {}:{}", process.pid, process.start_time);
            if line.len() + word.len() > room {
                break;
            }
            line.push_str(&word);
        }
        self.append(&line)
    }

    /// Rewrites the slot: the error that keeps the log from being written, or none.
    pub fn flow(&mut self, error: Option<&str>) -> io::Result<()> {
        let text = error.map_or("flowing".to_owned(), |error| format!("paused {}", one_line(error)));
        self.file.write_all_at(&framed(&text), FLOW_AT)
    }

    fn append(&mut self, text: &str) -> io::Result<()> {
        let line = framed(text);
        if self.length + line.len() as u64 > FLOW_AT {
            return Err(io::Error::other("the record is full"));
        }
        self.file.write_all_at(&line, self.length)?;
        self.length += line.len() as u64;
        Ok(())
    }
}

/// Checksum, blank and line end.
const FRAME: usize = 10;

fn framed(text: &str) -> Vec<u8> {
    format!("{:08x} {text}\n", crc32fast::hash(text.as_bytes())).into_bytes()
}

/// A bounded message without line ends.
fn one_line(message: &str) -> String {
    let mut line = message.replace(['\n', '\0'], " ");
    let end = (0..=MAX_MESSAGE.min(line.len())).rev().find(|&at| line.is_char_boundary(at));
    line.truncate(end.unwrap_or(0));
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(pid: i32) -> ProcessId {
        ProcessId { pid, start_time: 7, boot_id: "boot".into() }
    }

    fn written(write: impl FnOnce(&mut Writer)) -> (tempfile::TempDir, std::path::PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(NAME);
        let mut writer = Writer::new(create(&path).unwrap());
        write(&mut writer);
        (folder, path)
    }

    fn read_back(path: &std::path::Path) -> Record {
        read(&File::open(path).unwrap()).unwrap()
    }

    fn whole(writer: &mut Writer) {
        writer.starting(&Started { shim: id(5), out_from: 12, out: "iteration-3.log.raw".into() }).unwrap();
        writer.running(&id(6)).unwrap();
        writer.flow(Some("No space\nleft")).unwrap();
        writer.exited(Status::Signal(9)).unwrap();
        let exit = Exit { status: Status::Signal(9), oom: Oom::Confirmed, left: vec![id(8), id(9)] };
        writer.ended(&exit).unwrap();
    }

    #[test]
    fn what_is_written_is_read() {
        let (_folder, path) = written(whole);
        let record = read_back(&path);
        assert_eq!(record.started, Some(Started { shim: id(5), out_from: 12, out: "iteration-3.log.raw".into() }));
        assert_eq!(record.worker, Some(id(6)));
        assert_eq!(record.exited, Some(Status::Signal(9)));
        assert_eq!(record.paused.as_deref(), Some("No space left"));
        let exit = record.ended.unwrap();
        assert_eq!((exit.status, exit.oom, exit.left), (Status::Signal(9), Oom::Confirmed, vec![id(8), id(9)]));
    }

    #[test]
    fn a_record_cut_or_flipped_anywhere_says_nothing_wrong() {
        let (folder, path) = written(whole);
        let full = read_back(&path);
        let bytes = std::fs::read(&path).unwrap();
        let end = bytes.iter().position(|&byte| byte == 0).unwrap();
        let copy = folder.path().join("copy");
        for at in 0..end {
            std::fs::write(&copy, &bytes[..at]).unwrap();
            let cut = read_back(&copy);
            assert!(cut.ended.is_none() && cut.paused.is_none());
            let mut flipped = bytes.clone();
            flipped[at] ^= 1;
            std::fs::write(&copy, &flipped).unwrap();
            let record = read_back(&copy);
            assert!(record.ended.is_none(), "byte {at}");
            assert!(record.exited.is_none_or(|status| Some(status) == full.exited));
        }
    }

    #[test]
    fn many_left_behind_never_overflow_the_block() {
        let (_folder, path) = written(|writer| {
            writer.starting(&Started { shim: id(5), out_from: 0, out: String::new() }).unwrap();
            writer.failed(&Failure { permanent: true, message: "ä".repeat(5000) }).unwrap();
            writer.flow(Some(&"x".repeat(5000))).unwrap();
            let left = (1_000_000..1_001_000).map(id).collect();
            writer.ended(&Exit { status: Status::Lost, oom: Oom::Unknown, left }).unwrap();
        });
        let record = read_back(&path);
        assert!(record.ended.unwrap().left.len() > 100);
        assert_eq!(record.paused.unwrap().len(), MAX_MESSAGE);
        assert_eq!(path.metadata().unwrap().len(), SIZE);
    }

    #[test]
    fn the_lock_lives_as_long_as_the_open_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(NAME);
        let owner = create(&path).unwrap();
        let reader = File::open(&path).unwrap();
        let inherited = owner.try_clone().unwrap();
        drop(owner);
        assert!(is_held(&reader).unwrap());
        drop(inherited);
        assert!(!is_held(&reader).unwrap());
        assert!(create(&path).is_err(), "never made twice");
    }
}
