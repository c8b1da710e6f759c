//! Processes: each attempt is a worker below a shim, which outlives us. What we know of it we read from two files that
//! the shim writes, its raw log and its record, so a started and an adopted attempt are followed by the same code, and so
//! are one whose shim we start and one whose shim is the program of a tmux window.
//!
//! Nothing is polled and nothing is kept per attempt but a few descriptors: one inotify instance tells of all files, one
//! epoll set of all shims that ended.

mod follow;
mod leftovers;
mod shims;
mod standing;
mod start;
mod window;

pub use standing::{Standing, is_held, standing};
pub use window::{Spot, WINDOW_SIZE, program};

use super::tmux::Opened;
use super::{Event, Nudge, Runtime};
use crate::host::inotify::{Change, Watch, Watcher};
use crate::host::process::{self, PidFd};
use crate::host::ready::Crowd;
use crate::host::record::{self, Record, Started};
use crate::host::{files, shim};
use crate::model::{AttemptId, Exit, Found, Handle, Launch, LaunchError};
use follow::{Follow, Step};
use nix::sys::signal::Signal;
use shims::{Hold, Resting, Shim};
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The token of the watcher itself; those of attempts and shims count from 1, together.
const FILES: u64 = 0;

/// How long a shim may take from its start to its first words. It needs a millisecond.
const SETTLE: Duration = Duration::from_secs(10);

/// The interval at which such a shim is looked at. Only a supervisor that starts in that very millisecond, after the
/// death of the one before, ever waits so.
const SETTLE_STEP: Duration = Duration::from_millis(5);

/// Our own program, whatever became of its file.
const OURSELVES: &str = "/proc/self/exe";

/// Where shims are started.
#[derive(Debug)]
enum Place {
    /// Below us.
    Bare,
    /// In windows.
    Window(Spot),
}

/// Attempts as processes, each below a shim.
#[derive(Debug)]
pub struct ProcessRuntime {
    /// `<run folder>/attempts`, absolute: the worker's mark is made of it.
    folder: PathBuf,
    /// The program that is started as shim.
    shim: PathBuf,
    place: Place,
    /// The window of the last attempt that was started.
    opened: Option<Opened>,
    oom_counter: Option<PathBuf>,
    resting: Resting,
    crowd: Crowd,
    /// Tells of files that grow; none where only the end of an attempt is waited for.
    watcher: Option<Watcher>,
    watches: HashMap<Watch, u64>,
    followed: BTreeMap<u64, Follow>,
    /// Attempts at which something may have changed, in the order in which it did.
    due: VecDeque<u64>,
    last_token: u64,
    /// Was anything left below us on purpose (`keep_children`)?
    kept: bool,
}

/// An attempt that was found alive by its locked record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LiveAttempt {
    /// The iteration.
    pub number: u32,
    /// Which try of it.
    pub tries: u32,
    /// Its processes; `None` while it is just starting.
    pub handle: Option<Handle>,
    /// What its shim recorded first; `None` before that.
    pub started: Option<Started>,
}

impl ProcessRuntime {
    /// The runtime of one run; attempts live in `<run_folder>/attempts/<number>.<tries>`. Our own program is the shim, also
    /// after its file was replaced by an upgrade. Makes this process the parent of orphans below it. Must be called inside
    /// a tokio runtime with I/O and time.
    pub fn new(run_folder: &Path) -> io::Result<ProcessRuntime> {
        ProcessRuntime::with_shim(run_folder, Path::new(OURSELVES))
    }

    /// The same in windows: the shim of an attempt is the program of a window that is opened at `spot`, and closes with it.
    /// The environment of a worker is ours there too, but for what belongs to the terminal.
    pub fn in_window(run_folder: &Path, spot: Spot) -> io::Result<ProcessRuntime> {
        ProcessRuntime::with_shim_in_window(run_folder, spot, Path::new(OURSELVES))
    }

    /// To take attempts over until they end, and no more: what they print is delivered when they have ended. It costs a few
    /// descriptors and none of the inotify instances, of which a user has few; so hundreds of workers can be ended at once.
    pub fn to_the_end(run_folder: &Path) -> io::Result<ProcessRuntime> {
        ProcessRuntime::with(run_folder, Path::new(OURSELVES), Place::Bare, None)
    }

    /// [`ProcessRuntime::new`] with another program as shim: for tests, whose own program is none.
    pub fn with_shim(run_folder: &Path, shim: &Path) -> io::Result<ProcessRuntime> {
        ProcessRuntime::with(run_folder, shim, Place::Bare, Some(Watcher::new()?))
    }

    /// [`ProcessRuntime::in_window`] with another program as shim.
    pub fn with_shim_in_window(run_folder: &Path, spot: Spot, shim: &Path) -> io::Result<ProcessRuntime> {
        ProcessRuntime::with(run_folder, shim, Place::Window(spot), Some(Watcher::new()?))
    }

    /// The window of the last attempt that was started here; none of a bare one.
    pub fn opened(&self) -> Option<&Opened> {
        self.opened.as_ref()
    }

    fn with(run_folder: &Path, shim: &Path, place: Place, watcher: Option<Watcher>) -> io::Result<ProcessRuntime> {
        nix::sys::prctl::set_child_subreaper(true)?;
        let crowd = Crowd::new()?;
        watcher.as_ref().map_or(Ok(()), |watcher| crowd.add(watcher, FILES))?;
        Ok(ProcessRuntime {
            folder: attempts_folder(run_folder)?,
            shim: shim.to_owned(),
            place,
            opened: None,
            oom_counter: shim::oom_counter(),
            resting: Resting::default(),
            crowd,
            watcher,
            watches: HashMap::new(),
            followed: BTreeMap::new(),
            due: VecDeque::new(),
            last_token: FILES,
            kept: false,
        })
    }

    fn attempt_folder(&self, attempt: &AttemptId) -> PathBuf {
        self.folder.join(attempt.folder())
    }

    fn find(&self, attempt: &AttemptId) -> Option<&Follow> {
        self.followed.values().find(|follow| follow.attempt == *attempt)
    }

    fn new_token(&mut self) -> u64 {
        self.last_token += 1;
        self.last_token
    }

    /// Begins to follow: its files are watched, and it is looked at at the next opportunity.
    fn follow(&mut self, mut follow: Follow) -> io::Result<u64> {
        let token = self.new_token();
        if let Some(watcher) = &mut self.watcher {
            follow.watches = follow.files().map(|file| watcher.add(file)).collect::<io::Result<_>>()?;
        }
        if let Some(Hold::Adopted(shim)) = &follow.shim {
            self.crowd.add(shim, token)?;
        }
        self.watches.extend(follow.watches.iter().map(|watch| (*watch, token)));
        self.followed.insert(token, follow);
        self.mark(token);
        Ok(token)
    }

    /// Ends to follow.
    fn forget(&mut self, token: u64) -> Option<Follow> {
        let follow = self.followed.remove(&token)?;
        for watch in &follow.watches {
            self.watches.remove(watch);
            self.watcher.iter_mut().for_each(|watcher| watcher.remove(*watch));
        }
        Some(follow)
    }

    /// Something may have changed at `token`.
    fn mark(&mut self, token: u64) {
        if let Some(follow) = self.followed.get_mut(&token).filter(|follow| !follow.marked) {
            follow.marked = true;
            self.due.push_back(token);
        }
    }

    fn mark_all(&mut self) {
        let tokens: Vec<u64> = self.followed.keys().copied().collect();
        tokens.into_iter().for_each(|token| self.mark(token));
    }

    /// Waits until something changes, and marks where. Cancel-safe: what was taken from the kernel is marked before the
    /// next wait.
    async fn wait(&mut self) {
        let deadline = self.followed.values().filter_map(Follow::deadline).min();
        let ready = match deadline {
            None => self.crowd.wait().await,
            Some(deadline) => match tokio::time::timeout_at(deadline.into(), self.crowd.wait()).await {
                Ok(ready) => ready,
                Err(_elapsed) => return self.mark_all(),
            },
        };
        match ready {
            Ok(tokens) => tokens.into_iter().for_each(|token| self.take(token)),
            // Not expected of epoll; a look at everything, now and then, is right whatever it means.
            Err(_) => {
                tokio::time::sleep(Duration::from_millis(100)).await;
                self.mark_all();
            }
        }
    }

    fn take(&mut self, token: u64) {
        if token != FILES {
            return self.somebody_ended(token);
        }
        let Some(watcher) = &mut self.watcher else { return };
        for change in watcher.changes().unwrap_or_else(|_| vec![Change::Any]) {
            match change {
                Change::Any => self.mark_all(),
                Change::Of(watch) => {
                    if let Some(token) = self.watches.get(&watch).copied() {
                        self.mark(token);
                    }
                }
            }
        }
    }

    /// A process that we hold has ended: the shim of an attempt or what it left, or a shim at rest.
    fn somebody_ended(&mut self, token: u64) {
        let ours = |follow: &Follow| matches!(&follow.shim, Some(Hold::Ours(shim)) if shim.token == token);
        let concerned = |(key, follow): &(&u64, &mut Follow)| **key == token || ours(follow);
        match self.followed.iter_mut().find(concerned).map(|(key, follow)| (*key, follow.somebody_ended())) {
            Some((key, ())) => self.mark(key),
            None => self.resting.ended(token),
        }
    }

    /// The next event that can be reported without waiting.
    fn report(&mut self, chunk: &mut Vec<u8>) -> Option<Event> {
        while let Some(token) = self.due.pop_front() {
            let Some(follow) = self.followed.get_mut(&token) else { continue };
            follow.marked = false;
            match follow.step(chunk) {
                Step::Nothing => {}
                Step::Report(event) => {
                    self.mark(token);
                    return Some(event);
                }
                Step::Over(record) => {
                    if let Some(event) = self.end(token, &record) {
                        return Some(event);
                    }
                }
            }
        }
        None
    }

    /// The log is delivered. Without a last line in the record the shim was killed, and what it would have ended is ours to
    /// end first.
    fn end(&mut self, token: u64, record: &Record) -> Option<Event> {
        let exit = match &record.ended {
            Some(exit) => exit.clone(),
            None => {
                let follow = self.followed.get_mut(&token)?;
                let left = follow.end_leftovers(&self.folder, record, &self.crowd, token)?;
                Exit { left, ..found_exit(record) }
            }
        };
        let mut follow = self.forget(token)?;
        if let Some(Hold::Ours(shim)) = follow.shim.take() {
            self.dismiss(shim, follow.keep_children, &exit);
        }
        self.kept |= follow.keep_children;
        if self.kept {
            leftovers::reap_kept();
        }
        Some(Event::Ended { attempt: follow.attempt, exit })
    }

    /// What becomes of a shim after its attempt: it rests until the next, unless something of this one is left below it.
    fn dismiss(&mut self, shim: Shim, keep_children: bool, exit: &Exit) {
        match keep_children || !exit.left.is_empty() {
            true => self.resting.send_away(shim),
            false => self.resting.put(shim),
        }
    }

    /// What the record of an attempt says, once a shim that is just starting has said something. With it: does the shim
    /// live? `None` without a record.
    async fn settled(&self, attempt: &AttemptId) -> io::Result<Option<(File, Record, bool)>> {
        let file = match File::open(self.attempt_folder(attempt).join(record::NAME)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            file => file?,
        };
        let deadline = tokio::time::Instant::now() + SETTLE;
        loop {
            // In this order: what is read after the lock was free is final.
            let held = record::is_held(&file)?;
            let record = record::read(&file)?;
            if !held || record.worker.is_some() {
                return Ok(Some((file, record, held)));
            }
            if tokio::time::Instant::now() >= deadline {
                return Err(io::Error::new(io::ErrorKind::TimedOut, format!("the shim of {attempt} does not start")));
            }
            tokio::time::sleep(SETTLE_STEP).await;
        }
    }

    /// Follows an attempt that an earlier supervisor started; its log too, if it has one.
    async fn adopt_with(&mut self, attempt: &AttemptId, out: Option<&Path>, from: u64) -> io::Result<()> {
        if self.find(attempt).is_some() {
            return Ok(());
        }
        let Some((file, record, held)) = self.settled(attempt).await? else {
            return Err(io::Error::new(io::ErrorKind::NotFound, format!("{attempt} was never started")));
        };
        let shim = match record.started.as_ref().filter(|_| held) {
            Some(started) => PidFd::open(&started.shim)?.map(Hold::Adopted),
            None => None,
        };
        let out = match out.map(File::open) {
            // Removed while nobody looked: what it held cannot be delivered, but how the attempt ended can.
            Some(Err(error)) if error.kind() == io::ErrorKind::NotFound => None,
            out => out.transpose()?,
        };
        let mut follow = Follow::new(attempt.clone(), file, out, from, shim);
        follow.handle = handle(&record);
        self.follow(follow).map(drop)
    }
}

impl Runtime for ProcessRuntime {
    async fn launch(&mut self, launch: &Launch) -> Result<Handle, LaunchError> {
        if let Some(handle) = self.find(&launch.attempt).and_then(|follow| follow.handle.clone()) {
            return Ok(handle);
        }
        let settled =
            self.settled(&launch.attempt).await.map_err(|error| start::temporary("cannot look for it", &error))?;
        match settled.map(|(_, record, held)| (found(&record, held), record)) {
            None | Some((Found::Never, _)) => self.start(launch).await,
            Some((Found::Alive(handle), record)) => {
                let from = record.started.map_or(0, |started| started.out_from);
                let adopted = self.adopt_with(&launch.attempt, launch.streams.out(), from).await;
                adopted.map(|()| handle).map_err(|error| start::temporary("cannot adopt it", &error))
            }
            Some((Found::Ended(_) | Found::Gone, _)) => {
                let message = format!("{} was started before and is over", launch.attempt);
                Err(LaunchError { message, permanent: false })
            }
        }
    }

    async fn probe(&mut self, attempt: &AttemptId) -> io::Result<Found> {
        Ok(self.settled(attempt).await?.map_or(Found::Never, |(_, record, held)| found(&record, held)))
    }

    async fn adopt(&mut self, attempt: &AttemptId, out: &Path, from: u64) -> io::Result<()> {
        self.adopt_with(attempt, Some(out), from).await
    }

    fn nudge(&mut self, attempt: &AttemptId, nudge: Nudge) -> io::Result<()> {
        let Some(shim) = self.find(attempt).and_then(|follow| follow.shim.as_ref()) else { return Ok(()) };
        let signals: &[Signal] = match nudge {
            // CONT after it, for a shim that somebody stopped.
            Nudge::Term => &[Signal::SIGTERM, Signal::SIGCONT],
            Nudge::Kill => &[shim::KILL, Signal::SIGCONT],
            Nudge::Suspend => &[Signal::SIGTSTP],
            Nudge::Continue => &[Signal::SIGCONT],
        };
        signals.iter().try_for_each(|signal| shim.signal(*signal))
    }

    async fn discard(&mut self, attempt: &AttemptId) -> io::Result<()> {
        if self.find(attempt).is_some() {
            return Err(io::Error::other(format!("{attempt} is not over")));
        }
        let folder = self.attempt_folder(attempt);
        files::remove(&folder.join(record::NAME))?;
        // The composed prompt is the driver's to keep or to remove: then the folder stays with it.
        let _ = std::fs::remove_dir(folder);
        Ok(())
    }

    async fn next(&mut self, chunk: &mut Vec<u8>) -> Event {
        loop {
            if let Some(event) = self.report(chunk) {
                return event;
            }
            self.wait().await;
        }
    }
}

/// The attempts of a run whose shim lives, also those that a damaged journal does not know of.
pub fn live_attempts(run_folder: &Path) -> io::Result<Vec<LiveAttempt>> {
    let entries = match std::fs::read_dir(attempts_folder(run_folder)?) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut live: Vec<LiveAttempt> = entries.flatten().filter_map(|entry| live_attempt(&entry.path())).collect();
    live.sort_by_key(|attempt| (attempt.number, attempt.tries));
    Ok(live)
}

fn live_attempt(folder: &Path) -> Option<LiveAttempt> {
    let (number, tries) = folder.file_name()?.to_str()?.split_once('.')?;
    let file = File::open(folder.join(record::NAME)).ok()?;
    record::is_held(&file).ok()?.then_some(())?;
    let record = record::read(&file).ok()?;
    // Held for a moment more after its last line.
    record.ended.is_none().then_some(())?;
    Some(LiveAttempt {
        number: number.parse().ok()?,
        tries: tries.parse().ok()?,
        handle: handle(&record),
        started: record.started,
    })
}

fn attempts_folder(run_folder: &Path) -> io::Result<PathBuf> {
    Ok(std::path::absolute(run_folder)?.join("attempts"))
}

fn handle(record: &Record) -> Option<Handle> {
    let shim = record.started.as_ref()?.shim.clone();
    Some(Handle::Process { shim, worker: record.worker.clone()? })
}

/// What a record and its lock say together.
fn found(record: &Record, held: bool) -> Found {
    if let Some(exit) = &record.ended {
        return Found::Ended(exit.clone());
    }
    match (handle(record), &record.started) {
        (Some(handle), _) if held => Found::Alive(handle),
        _ if record.exited.is_some() => Found::Ended(found_exit(record)),
        (_, Some(_)) if record.failed.is_none() => Found::Gone,
        _ => Found::Never,
    }
}

/// The exit of an attempt whose shim was killed before the last line.
fn found_exit(record: &Record) -> Exit {
    Exit::plain(record.exited.unwrap_or(crate::model::Status::Lost))
}

/// Reaps one of our own children that has ended.
fn reap(pid: i32) {
    use nix::sys::wait::{WaitPidFlag, waitpid};
    // ECHILD: it was not ours, or tokio was faster.
    let _ = waitpid(nix::unistd::Pid::from_raw(pid), Some(WaitPidFlag::WNOHANG));
}

/// Is this process below the attempts of this boot? A pid of another boot names nobody.
fn same_boot(id: &crate::model::ProcessId) -> bool {
    process::boot_id().is_ok_and(|boot| boot == id.boot_id)
}
