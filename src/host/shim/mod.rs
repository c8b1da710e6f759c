//! The shim: the small process between a supervisor and one bare worker. It outlives the supervisor, so that no byte of
//! the worker's output is lost, its ending is always recorded, and nothing that it started stays behind.
//!
//! `swarm shim <run folder>`, with a socket as standard input over which attempts are handed to it, one after another: to
//! start a process costs more than all that a shim does for an attempt, so a loop has one shim and not one per iteration.
//! (The folder is there for people who look at `ps`.) It ends when the supervisor is gone and its attempt is over, and it
//! serves no second attempt if anything of the first one is left below it.
//!
//! One thread, no runtime, no command line parser. It waits for signals (through a signalfd), for the two pipes of its
//! worker, and for nothing else; timers exist only while something is being ended or a disk is full.
//!
//! | signal | what it does |
//! |---|---|
//! | TERM, INT, HUP | passes it to the worker's group, with CONT, so that a stopped worker hears it |
//! | USR2 | KILL to the worker and everything it started |
//! | TSTP, CONT | STOP, CONT to all of them |
//!
//! Without an attempt the first three end it, and the others do nothing.

mod ending;
mod flow;
mod oom;
mod pump;
mod worker;

pub use oom::counter as oom_counter;

use super::failpoint;
use super::handover::{Handover, Parcel};
use super::order::Order;
use super::process;
use super::record::{Failure, Started, Writer};
use super::words::words;
use crate::model::ProcessId;
use ending::Ending;
use flow::Flow;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::path::Path;
use std::process::ExitCode;

/// The signal that means: end everything, now.
pub const KILL: Signal = Signal::SIGUSR2;

/// The shim's whole life; standard input is the socket.
pub fn main() -> ExitCode {
    // Nobody reads what a shim prints; what happened is in the record, and how far it came is seen from there.
    match Shim::new().and_then(|shim| shim.serve()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

/// A shim between two attempts.
struct Shim {
    ourselves: ProcessId,
    handover: Handover,
    signals: SignalFd,
}

impl Shim {
    fn new() -> io::Result<Shim> {
        process::close_inherited();
        detach()?;
        let flags = SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC;
        let signals = SignalFd::with_flags(&blocked()?, flags)?;
        let handover = Handover::from(io::stdin().as_fd().try_clone_to_owned()?);
        Ok(Shim { ourselves: process::identify(std::process::id().cast_signed())?, handover, signals })
    }

    /// Attempt after attempt, until the supervisor is gone.
    fn serve(&self) -> io::Result<()> {
        while let Some(parcel) = self.wait()? {
            let mut record = Writer::new(parcel.record);
            let mut attempt = match self.start(parcel.order, &mut record) {
                Ok(attempt) => attempt,
                Err(error) => {
                    record.failed(&error.into())?;
                    continue;
                }
            };
            failpoint::hit("shim-before-running")?;
            record.running(&attempt.worker)?;
            if !attempt.watch(&mut record)? {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Waits for the next attempt. A signal that the supervisor meant for the last one, and that came too late, must not
    /// reach the next, nor end us.
    fn wait(&self) -> io::Result<Option<Parcel>> {
        loop {
            let mut fds = [
                PollFd::new(self.signals.as_fd(), PollFlags::POLLIN),
                PollFd::new(self.handover.as_fd(), PollFlags::POLLIN),
            ];
            poll(&mut fds, PollTimeout::NONE)?;
            while let Some(info) = self.signals.read_signal()? {
                let late = info.ssi_pid == std::os::unix::process::parent_id();
                if is_request_to_end(info.ssi_signo) && !late {
                    return Ok(None);
                }
            }
            match self.handover.receive() {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                parcel => return parcel,
            }
        }
    }

    /// From the order to the running worker. After an error there is none.
    fn start(&self, order: File, record: &mut Writer) -> Result<Ending<'_>, StartError> {
        let order = Order::read(order)?;
        let (flow, given) = Flow::open(&order.streams)?;
        let oom = oom::Watch::begin(order.oom_counter.as_deref());
        failpoint::hit("shim-before-starting")?;
        let (shim, out) = (self.ourselves.clone(), flow.out_name.clone());
        record.starting(&Started { shim, out_from: flow.out_from, out })?;
        failpoint::hit("shim-before-worker")?;
        let pid = worker::start(&order, &given)?;
        let worker = ProcessId { pid, start_time: process::stat(pid)?.start_time, boot_id: order.boot_id };
        Ok(Ending::new(worker, order.keep_children, &self.signals, flow, oom))
    }
}

fn is_request_to_end(signal: u32) -> bool {
    [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP].iter().any(|end| *end as u32 == signal)
}

/// A session of our own: no terminal's signal reaches us or the worker. And the parent of all orphans below us.
fn detach() -> io::Result<()> {
    // Fails only if we lead a group already: then somebody gave us a session.
    let _ = nix::unistd::setsid();
    nix::sys::prctl::set_child_subreaper(true)?;
    nix::sys::prctl::set_name(c"swarm-shim")?;
    // In nobody's folder: it may be a mount that somebody wants to unmount, or a work tree to be removed.
    std::env::set_current_dir("/")
}

/// All signals wait until we read them; those that are of no use to us are read and dropped. A log over the size limit
/// (XFSZ) becomes an error of the write.
fn blocked() -> io::Result<SigSet> {
    let all = SigSet::all();
    all.thread_block()?;
    Ok(all)
}

/// Why no worker runs.
struct StartError {
    error: io::Error,
    what: String,
    permanent: bool,
}

impl StartError {
    /// Says of an error what was tried on which path; trying again may help.
    fn with(verb: &str, path: &Path) -> impl FnOnce(io::Error) -> StartError {
        let what = format!("cannot {verb} {}", path.display());
        |error| StartError { error, what, permanent: false }
    }

    /// The same where trying again cannot help.
    fn permanent(verb: &str, path: &Path) -> impl FnOnce(io::Error) -> StartError {
        let with = StartError::with(verb, path);
        |error| StartError { permanent: true, ..with(error) }
    }

    /// An interactive worker was ordered of a shim without a window.
    fn no_terminal() -> StartError {
        let error = io::Error::other("it needs a terminal");
        StartError { permanent: true, ..StartError::from(error) }
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
