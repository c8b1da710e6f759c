//! Starting the worker: a clean process group, signals as after a login, three descriptors and no more. One of a window is
//! in its terminal's foreground before it is executed, or has no terminal at all: who is ordered to read and write files
//! finds in a window what it finds without one.

use super::StartError;
use super::flow::Given;
use super::tty;
use crate::host::order::Order;
use crate::model::Streams;
use nix::errno::Errno;
use nix::libc;
use nix::spawn::{PosixSpawnAttr, PosixSpawnFileActions, PosixSpawnFlags, posix_spawn};
use nix::sys::signal::SigSet;
use nix::unistd::{AccessFlags, Pid, access};
use std::ffi::{CString, OsStr, OsString};
use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

/// Executes the worker and returns its pid, which is its process group too. `posix_spawn` does not copy our memory, and
/// tells us the error of the exec itself.
pub(super) fn start(order: &Order, given: &Given) -> Result<i32, StartError> {
    std::env::set_current_dir(&order.cwd).map_err(StartError::permanent("enter", &order.cwd))?;
    let spawned = spawn(order, [(given.stdin.as_raw_fd(), 0), (given.out.as_raw_fd(), 1), (given.err.as_raw_fd(), 2)]);
    // Back from the worker's folder, which is not ours to keep busy.
    std::env::set_current_dir("/")?;
    spawned
}

fn spawn(order: &Order, descriptors: [(RawFd, RawFd); 3]) -> Result<i32, StartError> {
    let environment = order.environment(std::env::vars_os());
    let program = &order.argv[0];
    let path = find(program, environment.get(OsStr::new("PATH")));
    let argv: Vec<CString> = order.argv.iter().map(|word| c_string(word.clone())).collect::<io::Result<_>>()?;
    let pairs = environment.iter().map(|(name, value)| c_string(pair(name, value)));
    let env: Vec<CString> = pairs.collect::<io::Result<_>>()?;
    let mut actions = PosixSpawnFileActions::init().map_err(io::Error::from)?;
    for (from, to) in descriptors {
        actions.add_dup2(from, to).map_err(io::Error::from)?;
    }
    if order.streams == Streams::Terminal {
        tty::in_foreground(&mut actions).map_err(io::Error::from)?;
    }
    let own_session = order.in_window && order.streams != Streams::Terminal;
    let attributes = attributes(own_session).map_err(io::Error::from)?;
    let spawned = posix_spawn(path.as_path(), &actions, &attributes, &argv, &env).map_err(|errno| StartError {
        permanent: !passes(errno),
        ..StartError::with("start", Path::new(program))(errno.into())
    })?;
    Ok(spawned.as_raw())
}

/// A group of its own (the first of a session has one already), no signal blocked, none ignored.
fn attributes(own_session: bool) -> nix::Result<PosixSpawnAttr> {
    let mut attributes = PosixSpawnAttr::init()?;
    attributes.set_pgroup(Pid::from_raw(0))?;
    attributes.set_sigmask(&SigSet::empty())?;
    attributes.set_sigdefault(&SigSet::all())?;
    let group = match own_session {
        true => PosixSpawnFlags::from_bits_retain(libc::POSIX_SPAWN_SETSID.into()),
        false => PosixSpawnFlags::POSIX_SPAWN_SETPGROUP,
    };
    let mask = PosixSpawnFlags::POSIX_SPAWN_SETSIGMASK;
    attributes.set_flags(group | mask | PosixSpawnFlags::POSIX_SPAWN_SETSIGDEF)?;
    Ok(attributes)
}

/// A shortage that may pass; all other errors of an exec stay.
fn passes(errno: Errno) -> bool {
    matches!(errno, Errno::EAGAIN | Errno::ENOMEM | Errno::EMFILE | Errno::ENFILE | Errno::ETXTBSY | Errno::EIO)
}

fn pair(name: &OsStr, value: &OsStr) -> OsString {
    OsString::from_vec([name.as_bytes(), b"=", value.as_bytes()].concat())
}

/// The program along the worker's own `PATH`, as a shell finds it: a name with a slash is a path. What is nowhere is left
/// as it is, for the exec to say so.
fn find(program: &OsStr, path: Option<&OsString>) -> PathBuf {
    if program.as_bytes().contains(&b'/') {
        return program.into();
    }
    let default = OsString::from("/usr/local/bin:/usr/bin:/bin");
    let folders = std::env::split_paths(path.unwrap_or(&default));
    let mut candidates = folders.map(|folder| folder.join(program));
    let executable = |path: &PathBuf| access(path, AccessFlags::X_OK).is_ok() && path.is_file();
    candidates.find(executable).unwrap_or_else(|| program.into())
}

fn c_string(text: OsString) -> io::Result<CString> {
    Ok(CString::new(text.into_vec())?)
}
