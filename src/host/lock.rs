//! One holder at a time, by name: a lock file says who holds it, and the kernel frees it when the holder dies.
//!
//! The file is never removed: a second one of the same name would be a second lock.

use super::process::{self, PidFd};
use super::ready::Ready;
use crate::model::ProcessId;
use serde::{Deserialize, Serialize};
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout_at};

/// Who holds a lock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// The process.
    #[serde(flatten)]
    pub process: ProcessId,
    /// What it does, for people.
    pub note: String,
}

/// A lock that we hold, until it is dropped or we die.
#[derive(Debug)]
pub struct Lock {
    file: File,
}

/// The answer to an attempt at taking a lock.
#[derive(Debug)]
pub enum Taken {
    /// It is ours.
    Ours(Lock),
    /// Somebody has it; who, unless they are just taking it.
    Held(Option<Holder>),
}

impl Lock {
    /// Takes the lock at `path` if it is free. `note` tells others what it is held for.
    pub fn try_take(path: &Path, note: &str) -> io::Result<Taken> {
        let file = open(path)?;
        match try_alone(&file)? {
            true => Lock { file }.named(note).map(Taken::Ours),
            false => Ok(Taken::Held(holder_in(&file))),
        }
    }

    /// Takes the lock, and waits for it at most `within`: for the end of its holder, again if another one was faster.
    pub async fn take_within(path: &Path, note: &str, within: Duration) -> io::Result<Taken> {
        let deadline = Instant::now() + within;
        loop {
            let holder = match Lock::try_take(path, note)? {
                Taken::Held(holder) if Instant::now() < deadline => holder,
                taken => return Ok(taken),
            };
            // A deadline that passes is seen above, after one last try.
            let _ = timeout_at(deadline, ended(holder)).await;
        }
    }

    /// Takes a lock that everybody holds for moments only. It waits in the kernel's own queue, at most `within`, and blocks
    /// this thread. The holder may be a program that writes nothing into the file: then the kernel says who it is.
    pub fn take_soon(path: &Path, note: &str, within: Duration) -> io::Result<Taken> {
        let file = open(path)?;
        let locked = match file.try_lock() {
            Ok(()) => Some(file),
            Err(TryLockError::WouldBlock) => wait_in_queue(file, within)?,
            Err(TryLockError::Error(error)) => return Err(error),
        };
        match locked {
            Some(file) => Lock { file }.named(note).map(Taken::Ours),
            None => Ok(Taken::Held(holder_by_kernel(path)?)),
        }
    }

    /// Writes who we are into the file; what an earlier holder wrote goes.
    fn named(self, note: &str) -> io::Result<Lock> {
        let holder = Holder { process: process::identify(std::process::id().cast_signed())?, note: note.to_owned() };
        let text = serde_json::to_vec(&holder)?;
        self.file.write_all_at(&text, 0)?;
        // Not before: a file that was emptied is written to the disk when it is closed (ext4, `auto_da_alloc`).
        self.file.set_len(text.len() as u64)?;
        Ok(self)
    }
}

/// Locks `file` if nobody holds it. Those who only look ([`holder`]) have it too, together and for an instant: they are no
/// holders, and are let pass.
pub(super) fn try_alone(file: &File) -> io::Result<bool> {
    for _ in 0..GLANCES {
        match file.try_lock() {
            Ok(()) => return Ok(true),
            Err(TryLockError::WouldBlock) => {}
            Err(TryLockError::Error(error)) => return Err(error),
        }
        match file.try_lock_shared() {
            Ok(()) => file.unlock()?,
            Err(TryLockError::WouldBlock) => return Ok(false),
            Err(TryLockError::Error(error)) => return Err(error),
        }
        thread::yield_now();
    }
    // Looked at without a pause: in the kernel's queue our turn comes all the same. The clone is the same open file, so the
    // lock stays when it is closed.
    Ok(wait_in_queue(file.try_clone()?, QUEUE)?.is_some())
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)
}

/// Locks `file`; `None` when it took too long. flock has no time-out, so a thread of its own waits. One that is left behind
/// lets go at once of what it gets in the end.
pub(super) fn wait_in_queue(file: File, within: Duration) -> io::Result<Option<File>> {
    let (answer, locked) = mpsc::channel();
    thread::Builder::new().name("lock".to_owned()).spawn(move || answer.send(file.lock().map(|()| file)))?;
    locked.recv_timeout(within).ok().transpose()
}

/// Who holds the lock at `path`, by the kernel's own list; our text in the file adds what it is held for. The text alone may
/// be of an earlier holder.
fn holder_by_kernel(path: &Path) -> io::Result<Option<Holder>> {
    let file = File::open(path)?;
    let written = holder_in(&file);
    let locks = std::fs::read_to_string("/proc/locks").unwrap_or_default();
    let Some(pid) = holder_in_list(&locks, file.metadata()?.ino()) else {
        return Ok(written.filter(|holder| process::is_alive(&holder.process)));
    };
    let named = |process: ProcessId| {
        let note = std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default().trim_end().to_owned();
        written.filter(|holder| holder.process == process).unwrap_or(Holder { process, note })
    };
    Ok(process::identify(pid).ok().map(named))
}

/// The pid of who has a flock on the file `inode`, in the text of `/proc/locks`; those who wait for it are marked `->`. The
/// device is not compared: on stacked file systems it is another one than `stat` says.
fn holder_in_list(locks: &str, inode: u64) -> Option<i32> {
    locks.lines().find_map(|line| {
        let fields: Vec<&str> = line.split_ascii_whitespace().collect();
        let [_, "FLOCK", _, _, pid, file, ..] = fields.as_slice() else { return None };
        (file.rsplit(':').next()?.parse() == Ok(inode)).then(|| pid.parse().ok())?
    })
}

/// Who holds the lock at `path` now, for `status`: `None` when it is free or was never taken.
pub fn holder(path: &Path) -> io::Result<Option<Holder>> {
    let file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        file => file?,
    };
    match file.try_lock_shared() {
        Ok(()) => file.unlock().map(|()| None),
        Err(TryLockError::WouldBlock) => Ok(holder_in(&file)),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// What a lock file says; nothing while its new holder is writing it.
fn holder_in(file: &File) -> Option<Holder> {
    let mut text = Vec::new();
    file.take(MAX_HOLDER).read_to_end(&mut text).ok()?;
    serde_json::from_slice(&text).ok()
}

/// So many looks in a row are let pass. Each takes microseconds.
const GLANCES: u32 = 50;

/// And how long it waits for its turn then.
const QUEUE: Duration = Duration::from_millis(500);

/// More than this in a lock file is not ours.
const MAX_HOLDER: u64 = 64 * 1024;

/// How long to wait before asking again when nobody can be waited for: the holder writes its name, or let the lock go
/// and lives on. No event exists for either.
const RETRY: Duration = Duration::from_millis(20);

/// Returns when the holder has ended, or when there is another reason to ask again.
async fn ended(holder: Option<Holder>) {
    let held = holder.and_then(|holder| PidFd::open(&holder.process).ok().flatten());
    let Some(Ok(held)) = held.map(Ready::new) else {
        return sleep(RETRY).await;
    };
    // A holder may also let go and live on.
    let _ = tokio::time::timeout(RETRY * 10, held.readable()).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_holder_at_a_time_and_its_name_is_known() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run.lock");
        assert_eq!(holder(&path).unwrap(), None);
        let Taken::Ours(first) = Lock::try_take(&path, "loop a").unwrap() else { panic!("free") };
        let Taken::Held(Some(by)) = Lock::try_take(&path, "loop b").unwrap() else { panic!("held") };
        assert_eq!((by.note.as_str(), by.process.pid), ("loop a", std::process::id() as i32));
        assert_eq!(holder(&path).unwrap(), Some(by));
        let none = Lock::take_within(&path, "loop b", Duration::from_millis(30)).await.unwrap();
        assert!(matches!(none, Taken::Held(Some(_))));
        let waiting = tokio::spawn(async move { Lock::take_within(&path, "b", Duration::from_secs(10)).await });
        tokio::task::yield_now().await;
        drop(first);
        assert!(matches!(waiting.await.unwrap().unwrap(), Taken::Ours(_)));
    }

    #[test]
    fn those_who_look_are_no_holders() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run.lock");
        File::create(&path).unwrap();
        let over = std::sync::atomic::AtomicBool::new(false);
        thread::scope(|scope| {
            let look = || {
                while !over.load(std::sync::atomic::Ordering::Relaxed) {
                    holder(&path).unwrap();
                }
            };
            // One: several that never pause would leave no moment between them.
            scope.spawn(look);
            let taken = (0..2000).filter(|_| matches!(Lock::try_take(&path, "a").unwrap(), Taken::Ours(_))).count();
            over.store(true, std::sync::atomic::Ordering::Relaxed);
            assert_eq!(taken, 2000);
        });
    }

    #[tokio::test]
    async fn the_death_of_the_holder_frees_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run.lock");
        let file = File::create(&path).unwrap();
        file.lock().unwrap();
        // The child inherits the open file as its input, and with it the lock.
        let input = file.try_clone().unwrap();
        let mut child = std::process::Command::new("sleep").arg("60").stdin(input).spawn().unwrap();
        let process = process::identify(child.id() as i32).unwrap();
        file.write_all_at(&serde_json::to_vec(&Holder { process, note: "sleep".into() }).unwrap(), 0).unwrap();
        drop(file);
        let Taken::Held(Some(by)) = Lock::try_take(&path, "").unwrap() else { panic!("held") };
        assert_eq!(by.note, "sleep");
        child.kill().unwrap();
        assert!(matches!(Lock::take_within(&path, "", Duration::from_secs(10)).await.unwrap(), Taken::Ours(_)));
        child.wait().unwrap();
    }

    #[test]
    fn the_kernel_names_a_holder_that_wrote_nothing_and_its_queue_is_waited_in() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.lock");
        let dead = ProcessId { pid: 1, start_time: 0, boot_id: "another".into() };
        std::fs::write(&path, serde_json::to_vec(&Holder { process: dead, note: "long ago".into() }).unwrap()).unwrap();
        let file = File::open(&path).unwrap();
        file.lock().unwrap();
        let Taken::Held(Some(by)) = Lock::take_soon(&path, "b", Duration::from_millis(10)).unwrap() else { panic!() };
        assert_eq!(by.process, process::identify(std::process::id().cast_signed()).unwrap());
        assert_eq!(by.note, std::fs::read_to_string("/proc/self/comm").unwrap().trim_end());
        let waiting = thread::spawn({
            let path = path.clone();
            move || Lock::take_soon(&path, "b", Duration::from_secs(10)).unwrap()
        });
        drop(file);
        let Taken::Ours(lock) = waiting.join().unwrap() else { panic!("it was let go") };
        let Taken::Held(Some(by)) = Lock::take_soon(&path, "c", Duration::ZERO).unwrap() else { panic!("held") };
        assert_eq!(by.note, "b");
        drop(lock);
        assert!(matches!(Lock::take_soon(&path, "c", Duration::from_secs(10)).unwrap(), Taken::Ours(_)));
    }

    #[test]
    fn those_who_wait_are_no_holders() {
        let list = "1: POSIX  ADVISORY  WRITE 5 fe:00:77 0 EOF\n2: FLOCK  ADVISORY  WRITE 7 fe:00:78 0 EOF\n\
                    3: -> FLOCK  ADVISORY  WRITE 8 fe:00:77 0 EOF\n3: FLOCK  ADVISORY  WRITE 9 fe:00:77 0 EOF\n";
        assert_eq!(holder_in_list(list, 77), Some(9));
        assert_eq!(holder_in_list(list, 7), None);
    }
}
