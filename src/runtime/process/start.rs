//! Starting an attempt: its files, a shim for it, and the wait for the word that the worker was executed. Whatever was made
//! is gone again after an error.

use super::follow::Follow;
use super::shims::{Hold, Shim};
use super::{Place, ProcessRuntime};
use crate::host::handover::Parcel;
use crate::host::order::{Order, Site};
use crate::host::record::{self, Failure, Record};
use crate::host::words::{about, words};
use crate::host::{failpoint, files, process, shim};
use crate::model::{Exit, Handle, Launch, LaunchError, Status};
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

impl ProcessRuntime {
    /// Starts an attempt that was never started.
    pub(super) async fn start(&mut self, launch: &Launch) -> Result<Handle, LaunchError> {
        let folder = self.attempt_folder(&launch.attempt);
        let mut made = Made::new(&folder);
        let prepared = self.prepare(launch, &folder, &mut made).map_err(|error| cannot_prepare(&folder, &error))?;
        let Prepared { parcel, reader, out } = prepared;
        let (out, from) = out.map_or((None, 0), |out| (Some(out.file), out.size));
        let mut follow = Follow::new(launch.attempt.clone(), reader, out, from, None);
        follow.keep_children = launch.keep_children;
        let token = self.follow(follow).map_err(|error| temporary("cannot watch its files", &error))?;
        let result = match self.hand_over(token, parcel) {
            Ok(()) => self.started(token).await,
            Err(error) => Err(error),
        };
        match result.and_then(|handle| failpoint::hit("launch-before-return").map(|()| handle).map_err(failed)) {
            Ok(handle) => {
                made.keep();
                self.keep_window(token);
                Ok(handle)
            }
            Err(error) => {
                self.give_up(token).await;
                self.resting.close_unused_windows();
                Err(error)
            }
        }
    }

    /// Everything that can fail before there is a process.
    fn prepare(&self, launch: &Launch, folder: &Path, made: &mut Made) -> io::Result<Prepared> {
        let site = match &self.place {
            Place::Bare => Site::Bare(self.oom_counter.as_deref()),
            Place::Window(_) => Site::Window,
        };
        let order = Order::new(launch, folder, process::boot_id()?, site)?;
        files::create_folder(folder)?;
        made.forget_older()?;
        let out = match order.streams.out() {
            Some(out) => Some(made.log(out).map_err(about(out.display()))?),
            None => None,
        };
        let order = order.in_memory()?;
        failpoint::hit("launch-before-record")?;
        let path = folder.join(record::NAME);
        let parcel = Parcel { record: record::create(&path)?, order };
        let reader = File::open(path)?;
        failpoint::hit("launch-before-shim")?;
        Ok(Prepared { parcel, reader, out })
    }

    /// Gives the attempt to a shim. Our own hold on the record's lock ends here.
    fn hand_over(&mut self, token: u64, parcel: Parcel) -> Result<(), LaunchError> {
        let shim = self.send(&parcel)?;
        if let Some(follow) = self.followed.get_mut(&token) {
            follow.shim = Some(Hold::Ours(shim));
        }
        failpoint::hit("launch-after-handover").map_err(no_shim)
    }

    /// Sends it to a shim that rests, or to a new one.
    fn send(&mut self, parcel: &Parcel) -> Result<Shim, LaunchError> {
        loop {
            let (shim, rested) = match self.resting.take() {
                Some(shim) => (shim, true),
                None => (self.new_shim()?, false),
            };
            match failpoint::hit("launch-before-handover").and_then(|()| shim.send(parcel)) {
                Ok(()) => return Ok(shim),
                // Somebody killed it, or closed its window, while it had nothing to do.
                Err(error) if rested && error.kind() == io::ErrorKind::BrokenPipe => shim.dismiss(),
                Err(error) => {
                    self.resting.put(shim);
                    return Err(no_shim(error));
                }
            }
        }
    }

    fn new_shim(&mut self) -> Result<Shim, LaunchError> {
        let token = self.new_token();
        let run_folder = self.folder.parent().unwrap_or(&self.folder);
        let shim = match &self.place {
            Place::Bare => Shim::start(&self.shim, run_folder, token).map_err(no_shim)?,
            Place::Window(spot) => Shim::open(spot, &self.shim, run_folder, token)?,
        };
        match self.crowd.add(&shim, token) {
            Ok(()) => Ok(shim),
            Err(error) => {
                shim.dismiss();
                Err(no_shim(error))
            }
        }
    }

    /// The attempt runs, and so its window stays.
    fn keep_window(&mut self, token: u64) {
        if let Some(Hold::Ours(shim)) = self.followed.get_mut(&token).and_then(|follow| follow.shim.as_mut()) {
            shim.keep();
            self.opened = shim.opened().cloned();
        }
    }

    /// Waits for the shim's word. What happens to other attempts meanwhile is marked, and reported later.
    async fn started(&mut self, token: u64) -> Result<Handle, LaunchError> {
        loop {
            let Some(follow) = self.followed.get_mut(&token) else { return Err(silent()) };
            // In this order: what is read after the shim's end is final.
            let over = follow.shim.is_none();
            let record = follow.record();
            if let Some(handle) = super::handle(&record) {
                follow.handle = Some(handle.clone());
                return Ok(handle);
            }
            if let Some(Failure { permanent, message }) = record.failed {
                return Err(LaunchError { message, permanent });
            }
            if over {
                return Err(silent());
            }
            self.wait().await;
        }
    }

    /// Ends to follow a failed start, and ends everything that it may have started.
    async fn give_up(&mut self, token: u64) {
        loop {
            let Some(follow) = self.followed.get_mut(&token) else { return };
            let record = follow.record();
            let over = match &follow.shim {
                _ if record.failed.is_some() || record.ended.is_some() => true,
                None => follow.end_leftovers(&self.folder, &record, &self.crowd, token).is_some(),
                Some(shim) => {
                    // Again at each word of the record: a shim that has not begun yet drops what it hears. An error means
                    // that it has ended, and that is waited for.
                    let _ = shim.signal(shim::KILL);
                    false
                }
            };
            if over {
                return self.forget_failed(token, &record);
            }
            self.wait().await;
        }
    }

    fn forget_failed(&mut self, token: u64, record: &Record) {
        let Some(mut follow) = self.forget(token) else { return };
        if let Some(Hold::Ours(shim)) = follow.shim.take() {
            let exit = record.ended.clone().unwrap_or_else(|| Exit::plain(Status::Lost));
            self.dismiss(shim, follow.keep_children, &exit);
        }
    }
}

/// What the shim and the one who follows it need.
struct Prepared {
    parcel: Parcel,
    reader: File,
    /// Nothing of a worker that talks to a terminal.
    out: Option<Log>,
}

/// The raw log, open for reading, and its size before the attempt.
struct Log {
    file: File,
    size: u64,
}

/// What was made for an attempt, to be removed unless it is kept.
struct Made {
    folder: PathBuf,
    log: Option<PathBuf>,
    kept: bool,
}

impl Made {
    fn new(folder: &Path) -> Made {
        Made { folder: folder.to_owned(), log: None, kept: false }
    }

    /// The record of a start that never came to a worker.
    fn forget_older(&self) -> io::Result<()> {
        files::remove(&self.folder.join(record::NAME))
    }

    /// Opens the raw log, and makes it if there is none.
    fn log(&mut self, path: &Path) -> io::Result<Log> {
        // A link in its place is not followed, no more than by the shim that writes it.
        let open = || OpenOptions::new().read(true).custom_flags(nix::libc::O_NOFOLLOW).open(path);
        let file = match open() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                files::create_private(path)?;
                self.log = Some(path.to_owned());
                open()?
            }
            file => file?,
        };
        let size = file.metadata()?.len();
        Ok(Log { file, size })
    }

    fn keep(mut self) {
        self.kept = true;
    }
}

impl Drop for Made {
    fn drop(&mut self) {
        if self.kept {
            return;
        }
        // The error that led here is the one to tell.
        let _ = self.forget_older();
        if let Some(log) = self.log.take().filter(|log| log.metadata().is_ok_and(|log| log.len() == 0)) {
            let _ = files::remove(&log);
        }
        let _ = std::fs::remove_dir(&self.folder);
    }
}

fn cannot_prepare(folder: &Path, error: &io::Error) -> LaunchError {
    let permanent = error.kind() == io::ErrorKind::InvalidInput;
    LaunchError { permanent, ..temporary(&format!("cannot prepare {}", folder.display()), error) }
}

fn failed(error: io::Error) -> LaunchError {
    temporary("cannot start it", &error)
}

fn no_shim(error: io::Error) -> LaunchError {
    temporary("cannot start the shim", &error)
}

fn silent() -> LaunchError {
    LaunchError { message: "the shim was killed while it started the worker".into(), permanent: false }
}

/// An error that may pass.
pub(super) fn temporary(what: &str, error: &io::Error) -> LaunchError {
    LaunchError { message: format!("{what}: {}", words(error)), permanent: false }
}
