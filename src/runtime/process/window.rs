//! A shim that tmux starts: the window it is the program of, and how it is taken in. Whatever fails, the window is closed.

use super::start::temporary;
use crate::host::door::Door;
use crate::host::failpoint;
use crate::host::handover::Handover;
use crate::host::process::PidFd;
use crate::host::words::words;
use crate::model::LaunchError;
use crate::runtime::tmux::{NewWindow, Opened, PaneLog, Server, TmuxError};
use std::ffi::OsString;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long the program of a new window may take to reach us. It needs a few milliseconds.
const ARRIVAL: Duration = Duration::from_secs(10);

/// How long a shim without an attempt may take to end.
const DEPARTURE: Duration = Duration::from_secs(5);

/// Columns and rows of a window that nobody looks at yet.
pub const WINDOW_SIZE: (u16, u16) = (110, 36);

/// Where the windows of a run are opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spot {
    /// By which server; it is started if it does not run.
    pub server: Server,
    /// In which session; it is made if it is not there.
    pub session: String,
    /// The window's name, for people.
    pub window: String,
    /// Becomes the option `@swarm_worker`.
    pub worker: String,
    /// Becomes the option `@swarm_run`.
    pub run: String,
    /// Where all that the window shows is kept, if it is.
    pub pane_log: Option<PathBuf>,
    /// The folder of the window, where a person who splits it finds themselves.
    pub cwd: PathBuf,
}

/// A window that was opened here.
#[derive(Debug)]
pub(super) struct Window {
    server: Server,
    pub(super) opened: Opened,
    /// A worker was started in it. Before, it is ours alone.
    pub(super) kept: bool,
}

impl Window {
    /// Opens a window with `program` as its shim, and waits until that has come to us.
    pub(super) fn open(spot: &Spot, program: &Path, run_folder: &Path) -> Result<Arrived, LaunchError> {
        let door = Door::open(run_folder).map_err(|error| failed(&words(&error)))?;
        hit(failpoint::hit("window-before-open"))?;
        let program = executable(program).map_err(|error| failed(&words(&error)))?;
        let command = [program.clone().into(), "shim".into(), "--window".into(), run_folder.into()];
        let window = Window { server: spot.server.clone(), opened: spot.open(&program, &command)?, kept: false };
        match hit(failpoint::hit("window-after-open")).and_then(|()| window.admit(&door)) {
            Ok((handover, held)) => Ok(Arrived { window, handover, held }),
            Err(error) => {
                window.close();
                Err(error)
            }
        }
    }

    /// Waits for the window's program, and takes hold of it.
    fn admit(&self, door: &Door) -> Result<(Handover, PidFd), LaunchError> {
        let pid = self.opened.pane_pid;
        let come = PidFd::of_pid(pid).and_then(|watched| door.admit(pid, &watched, ARRIVAL));
        let handover = come.map_err(|error| failed(&not_come(&error)))?;
        hit(failpoint::hit("window-before-handover"))?;
        // Its pid may be somebody else's if it has ended. It has not if it is still at the other end afterwards.
        let held = PidFd::of_pid(pid).map_err(|error| failed(&not_come(&error)))?;
        match handover.is_open() {
            true => Ok((handover, held)),
            false => Err(failed(ENDED)),
        }
    }

    /// Closes it, whatever is in it.
    pub(super) fn close(&self) {
        // It is gone, or its server is: as it should be.
        let _ = self.server.kill_window(&self.opened.target());
    }

    /// Waits until the shim in it has ended, as it does without a supervisor: its window goes with it, unless somebody has
    /// split it meanwhile. One in which nothing ever ran is surely gone when this returns.
    pub(super) fn leave(self, held: &PidFd) {
        let ended = held.wait(DEPARTURE);
        if !ended || !self.kept {
            self.close();
        }
    }
}

/// A shim that came from its window.
pub(super) struct Arrived {
    pub(super) window: Window,
    pub(super) handover: Handover,
    pub(super) held: PidFd,
}

impl Spot {
    fn open(&self, program: &Path, command: &[OsString]) -> Result<Opened, LaunchError> {
        let pane_log = self.pane_log.as_deref().map(|log| PaneLog { program, log });
        let new = NewWindow {
            session: &self.session,
            window: &self.window,
            cwd: &self.cwd,
            command,
            options: &[("@swarm_worker", &self.worker), ("@swarm_run", &self.run)],
            pane_log,
            size: Some(WINDOW_SIZE),
        };
        self.server.open(&new).map_err(|error| LaunchError { permanent: stays(&error), ..failed(&error.to_string()) })
    }
}

/// A path under which tmux can execute `program`. Ours is `/proc/self/exe`, which is another program's there; its path may
/// have been given to a newer one meanwhile, then only we can still name it.
fn executable(program: &Path) -> io::Result<PathBuf> {
    if program != Path::new(super::OURSELVES) {
        return std::path::absolute(program);
    }
    let (path, ours) = (std::fs::read_link(program)?, program.metadata()?);
    let same = path.metadata().is_ok_and(|file| (file.dev(), file.ino()) == (ours.dev(), ours.ino()));
    Ok(if same { path } else { format!("/proc/{}/exe", std::process::id()).into() })
}

/// The path of this very program, for those who execute it by a path: tmux.
pub fn program() -> io::Result<PathBuf> {
    executable(Path::new(super::OURSELVES))
}

const ENDED: &str = "the program in it ended at once";

fn not_come(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::TimedOut => format!("the program in it did not answer within {} s", ARRIVAL.as_secs()),
        io::ErrorKind::BrokenPipe => ENDED.into(),
        _ if error.raw_os_error() == Some(nix::libc::ESRCH) => ENDED.into(),
        _ => words(error),
    }
}

/// Trying again does not help.
fn stays(error: &TmuxError) -> bool {
    matches!(error, TmuxError::NotInstalled | TmuxError::TooOld(_) | TmuxError::BadSession(_))
}

fn failed(why: &str) -> LaunchError {
    LaunchError { message: format!("failed to create tmux window: {why}"), permanent: false }
}

fn hit(failpoint: io::Result<()>) -> Result<(), LaunchError> {
    failpoint.map_err(|error| temporary("failed to create tmux window", &error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_named_so_that_another_process_can_execute_it() {
        let ours = executable(Path::new(super::super::OURSELVES)).unwrap();
        assert_eq!(ours, std::env::current_exe().unwrap());
        assert_eq!(executable(Path::new("/bin/sh")).unwrap(), Path::new("/bin/sh"));
    }
}
