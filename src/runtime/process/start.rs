//! Starting an attempt: its files, its shim, and the wait for the word that the worker was executed. Whatever was made is
//! gone again after an error.

use super::ProcessRuntime;
use super::follow::Follow;
use crate::host::order::{self, Order};
use crate::host::process::{self, PidFd};
use crate::host::record::{self, Failure};
use crate::host::{failpoint, files, shim};
use crate::model::{Handle, Launch, LaunchError};
use nix::sys::signal::kill;
use nix::sys::wait::waitpid;
use nix::unistd::Pid;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

impl ProcessRuntime {
    /// Starts an attempt that was never started.
    pub(super) async fn start(&mut self, launch: &Launch) -> Result<Handle, LaunchError> {
        let folder = self.attempt_folder(&launch.attempt);
        let mut made = Made::new(&folder);
        let prepared = self.prepare(launch, &folder, &mut made).map_err(|error| cannot_prepare(&folder, &error))?;
        let pid = self.spawn(&folder, prepared.locked).map_err(|error| temporary("cannot start the shim", &error))?;
        let token = match self.follow_child(launch, pid, prepared.reader, prepared.out) {
            Ok(token) => token,
            Err(error) => {
                end_shim(pid);
                return Err(temporary("cannot watch the shim", &error));
            }
        };
        let started = self.started(token).await;
        match started.and_then(|handle| failpoint::hit("launch-before-return").map(|()| handle).map_err(failed)) {
            Ok(handle) => {
                made.keep();
                Ok(handle)
            }
            Err(error) => {
                if let Some(pid) = self.give_up(token).await {
                    end_shim(pid);
                }
                Err(error)
            }
        }
    }

    /// Ends to follow a failed start. Returns the shim that is still to be ended; one that was killed in the middle may
    /// have started a worker, which is ended here.
    async fn give_up(&mut self, token: u64) -> Option<i32> {
        loop {
            let follow = self.followed.get_mut(&token)?;
            let record = follow.record();
            let killed = follow.shim.is_none() && record.failed.is_none();
            if !killed || follow.end_leftovers(&self.folder, &record, &self.crowd, token).is_some() {
                return self.forget(token)?.child;
            }
            self.wait().await;
        }
    }

    /// Everything that can fail before there is a process.
    fn prepare(&self, launch: &Launch, folder: &Path, made: &mut Made) -> io::Result<Prepared> {
        let order = Order::new(launch, process::boot_id()?, self.oom_counter.as_deref())?;
        failpoint::hit("launch-before-order")?;
        files::create_folder(folder)?;
        made.forget_older()?;
        files::create_private(&folder.join(order::NAME))?.write_all(&order.encode())?;
        let out = made.log(&order.out)?;
        failpoint::hit("launch-before-record")?;
        let locked = record::create(&folder.join(record::NAME))?;
        let reader = File::open(folder.join(record::NAME))?;
        failpoint::hit("launch-before-spawn")?;
        Ok(Prepared { locked, reader, out })
    }

    /// The shim gets the locked record as its input; our own hold on the lock ends here.
    fn spawn(&self, folder: &Path, locked: File) -> io::Result<i32> {
        let mut command = Command::new(&self.shim);
        command.arg0("swarm").arg("shim").arg(folder);
        let child = command.stdin(locked).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
        Ok(child.id().cast_signed())
    }

    fn follow_child(&mut self, launch: &Launch, pid: i32, record: File, out: Log) -> io::Result<u64> {
        failpoint::hit("launch-after-spawn")?;
        let shim = Some(PidFd::of_pid(pid)?);
        let mut follow = Follow::new(launch.attempt.clone(), record, Some(out.file), out.size, shim);
        follow.child = Some(pid);
        follow.keep_children = launch.keep_children;
        self.follow(follow)
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
}

/// What the shim and the one who follows it need.
struct Prepared {
    locked: File,
    reader: File,
    out: Log,
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

    /// Files of a start that never came to a shim.
    fn forget_older(&self) -> io::Result<()> {
        [record::NAME, order::NAME].iter().try_for_each(|name| files::remove(&self.folder.join(name)))
    }

    /// Opens the raw log, and makes it if there is none.
    fn log(&mut self, path: &Path) -> io::Result<Log> {
        let file = match File::open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
                self.log = Some(path.to_owned());
                File::open(path)?
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

/// Ends a shim of ours, with its worker if it has one, and reaps it. Its pid is our unreaped child's. A shim that does not
/// know the signal yet has started nothing, and dies of it.
fn end_shim(pid: i32) {
    let pid = Pid::from_raw(pid);
    let _ = kill(pid, shim::KILL);
    while waitpid(pid, None) == Err(nix::errno::Errno::EINTR) {}
}

fn cannot_prepare(folder: &Path, error: &io::Error) -> LaunchError {
    let permanent = error.kind() == io::ErrorKind::InvalidInput;
    LaunchError { permanent, ..temporary(&format!("cannot prepare {}", folder.display()), error) }
}

fn failed(error: io::Error) -> LaunchError {
    temporary("cannot start it", &error)
}

fn silent() -> LaunchError {
    LaunchError { message: "the shim was killed while it started the worker".into(), permanent: false }
}

/// An error that may pass.
pub(super) fn temporary(what: &str, error: &io::Error) -> LaunchError {
    LaunchError { message: format!("{what}: {error}"), permanent: false }
}
