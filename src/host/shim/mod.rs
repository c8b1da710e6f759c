//! The shim: the small process between a supervisor and one bare worker. It outlives the supervisor, so that no byte of
//! the worker's output is lost, its ending is always recorded, and nothing that it started stays behind.
//!
//! `swarm shim <attempt folder>`, with the attempt's locked record as standard input. One thread, no runtime, no command
//! line parser: its start is paid for with every iteration. It waits for signals (through a signalfd), for the two pipes
//! of its worker, and for nothing else; timers exist only while something is being ended or a disk is full.
//!
//! | signal | what it does |
//! |---|---|
//! | TERM, INT, HUP | passes it to the worker's group, with CONT, so that a stopped worker hears it |
//! | USR2 | KILL to the worker and everything it started |
//! | TSTP, CONT | STOP, CONT to all of them |

mod ending;
mod oom;
mod pump;
mod worker;

pub use oom::counter as oom_counter;

use super::failpoint;
use super::order::{self, Order};
use super::process;
use super::record::{Failure, Started, Writer};
use crate::model::ProcessId;
use ending::Ending;
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use pump::Pump;
use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::path::Path;
use std::process::ExitCode;

/// The signal that means: end everything, now.
pub const KILL: Signal = Signal::SIGUSR2;

/// The shim's whole life. `folder` is the attempt's; standard input is its locked record.
pub fn main(folder: Option<&OsStr>) -> ExitCode {
    // Nobody reads what a shim prints; what happened is in the record, and how far it came is seen from there.
    match folder.map(|folder| run(Path::new(folder))) {
        Some(Ok(())) => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}

fn run(folder: &Path) -> io::Result<()> {
    process::close_inherited();
    let mut record = Writer::new(File::from(io::stdin().as_fd().try_clone_to_owned()?));
    let (worker, mut ending) = match start(folder, &mut record) {
        Ok(started) => started,
        Err(error) => return record.failed(&error.into()),
    };
    failpoint::hit("shim-before-running")?;
    record.running(&worker)?;
    ending.watch(&mut record)
}

/// From here to the running worker. After an error there is none.
fn start(folder: &Path, record: &mut Writer) -> Result<(ProcessId, Ending), StartError> {
    let bytes = std::fs::read(folder.join(order::NAME)).map_err(StartError::because("cannot read the order"))?;
    let order = Order::decode(&bytes).ok_or_else(|| io::Error::from(io::ErrorKind::InvalidData))?;
    detach()?;
    let signals =
        SignalFd::with_flags(&blocked()?, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC).map_err(io::Error::from)?;
    let (out, out_from, out_end) = Pump::to_log(&order.out)?;
    let (err, err_end) = Pump::to_file_with_first_byte(&order.err)?;
    let oom = oom::Watch::begin(order.oom_counter.as_deref());
    failpoint::hit("shim-before-starting")?;
    record.starting(&Started { shim: ourselves(&order)?, out_from })?;
    failpoint::hit("shim-before-worker")?;
    let pid = worker::start(&order, folder, &out_end, &err_end)?;
    let worker = ProcessId { pid, start_time: process::stat(pid)?.start_time, boot_id: order.boot_id };
    Ok((worker.clone(), Ending::new(worker, order.keep_children, signals, out, err, oom)))
}

/// A session of our own: no terminal's signal reaches us or the worker. And the parent of all orphans below us.
fn detach() -> io::Result<()> {
    // Fails only if we lead a group already: then somebody gave us a session.
    let _ = nix::unistd::setsid();
    nix::sys::prctl::set_child_subreaper(true)?;
    nix::sys::prctl::set_name(c"swarm-shim")?;
    Ok(())
}

/// All signals wait until we read them; those that are of no use to us are read and dropped. A log over the size limit
/// (XFSZ) becomes an error of the write.
fn blocked() -> io::Result<SigSet> {
    let all = SigSet::all();
    all.thread_block()?;
    Ok(all)
}

fn ourselves(order: &Order) -> io::Result<ProcessId> {
    let pid = std::process::id().cast_signed();
    Ok(ProcessId { pid, start_time: process::stat(pid)?.start_time, boot_id: order.boot_id.clone() })
}

/// Why no worker runs.
struct StartError {
    error: io::Error,
    what: String,
    permanent: bool,
}

impl StartError {
    /// Says of an error what was tried; trying again may help.
    fn because(what: impl Into<String>) -> impl FnOnce(io::Error) -> StartError {
        |error| StartError { error, what: what.into(), permanent: false }
    }
}

impl From<io::Error> for StartError {
    fn from(error: io::Error) -> StartError {
        StartError { error, what: "cannot start the worker".into(), permanent: false }
    }
}

impl From<StartError> for Failure {
    fn from(StartError { error, what, permanent }: StartError) -> Failure {
        Failure { permanent, message: format!("{what}: {}", words(&error)) }
    }
}

/// The system's words without Rust's `(os error 2)` behind them.
fn words(error: &io::Error) -> String {
    let text = error.to_string();
    match text.split_once(" (os error ") {
        Some((words, _)) => words.to_owned(),
        None => text,
    }
}
