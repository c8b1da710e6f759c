//! The shim: the small process between a supervisor and one worker. It outlives the supervisor, so that no byte of
//! the worker's output is lost, its ending is always recorded, and nothing that it started stays behind.
//!
//! `swarm shim <run folder>`, with a socket as standard input over which attempts are handed to it, one after another: to
//! start a process costs more than all that a shim does for an attempt, so a loop has one shim and not one per iteration.
//! (The folder is there for people who look at `ps`.) It ends when the supervisor is gone and its attempt is over, and it
//! serves no second attempt if anything of the first one is left below it.
//!
//! `swarm shim --window <run folder>` is the same, started by tmux as the program of a window: it goes to its supervisor
//! through the `door` of the run, and stays in the session and the terminal of the window. Its worker either
//! has that terminal, as if it alone were the window's program, or it reads and writes files as a bare worker does, and the
//! window shows a text.
//!
//! One thread, no runtime, no command line parser. It waits for signals (through a signalfd), for the two pipes of its
//! worker, for the text that it shows, and for nothing else; timers exist only while something is being ended or a disk is
//! full.
//!
//! | signal | what it does |
//! |---|---|
//! | TERM, INT, HUP | passes it to the worker's group, with CONT, so that a stopped worker hears it |
//! | HUP in a window | the window is gone: passes it, and if that does not help TERM and KILL after two seconds each |
//! | USR2 | KILL to the worker and everything it started |
//! | TSTP, CONT | STOP, CONT to all of them; a TSTP that was typed in a window is dropped: nobody could undo it |
//!
//! Without an attempt the first three end it (but an INT that was typed), and the others do nothing.

mod ending;
mod flow;
mod oom;
mod pump;
mod spared;
mod tty;
mod view;
mod worker;

pub use oom::counter as oom_counter;

use super::door;
use super::failpoint;
use super::handover::{Handover, Parcel};
use super::order::Order;
use super::process;
use super::record::{Failure, Started, Writer};
use super::words::words;
use crate::model::{ProcessId, Streams};
use ending::{Ending, Place};
use flow::Flow;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd, siginfo};
use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use tty::Tty;
use view::View;

/// The signal that means: end everything, now.
pub const KILL: Signal = Signal::SIGUSR2;

/// The shim's whole life. Without `--window`, standard input is the socket.
pub fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(2);
    let shim = match (arguments.next(), arguments.next()) {
        (Some(option), Some(run_folder)) if option == "--window" => Shim::in_window(Path::new(&run_folder)),
        _ => Shim::bare(),
    };
    // Nobody reads what a shim prints; what happened is in the record, and how far it came is seen from there.
    match shim.and_then(|mut shim| shim.serve()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

/// A shim between two attempts.
struct Shim {
    ourselves: ProcessId,
    handover: Handover,
    /// The process that hands over.
    supervisor: u32,
    signals: SignalFd,
    window: Option<Window>,
}

/// The window that a shim is in.
struct Window {
    tty: Tty,
    /// The counter of memory kills of the cgroup that the tmux server put us in.
    oom_counter: Option<PathBuf>,
    /// What it shows of the last attempt, whose text may still grow.
    view: Option<View>,
}

impl Shim {
    fn bare() -> io::Result<Shim> {
        process::close_inherited();
        // A session of our own: no terminal's signal reaches us or the worker. Fails only if we lead a group already: then
        // somebody gave us a session.
        let _ = nix::unistd::setsid();
        Shim::new(Handover::from(io::stdin().as_fd().try_clone_to_owned()?), None)
    }

    fn in_window(run_folder: &Path) -> io::Result<Shim> {
        process::close_inherited();
        let window = Window { tty: Tty::ours()?, oom_counter: oom::counter(), view: None };
        Shim::new(door::knock(run_folder)?, Some(window))
    }

    fn new(handover: Handover, window: Option<Window>) -> io::Result<Shim> {
        adopt_orphans()?;
        let flags = SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC;
        let signals = SignalFd::with_flags(&blocked()?, flags)?;
        let supervisor = handover.peer()?.pid().cast_unsigned();
        let ourselves = process::identify(std::process::id().cast_signed())?;
        Ok(Shim { ourselves, handover, supervisor, signals, window })
    }

    /// Attempt after attempt, until the supervisor is gone.
    fn serve(&mut self) -> io::Result<()> {
        while let Some(parcel) = self.wait()? {
            let mut record = Writer::new(parcel.record);
            let mut attempt = match self.start(parcel.order, &mut record) {
                Ok(attempt) => attempt,
                Err(error) => {
                    self.tidy(None);
                    record.failed(&error.into())?;
                    continue;
                }
            };
            failpoint::hit("shim-before-running")?;
            record.running(&attempt.worker)?;
            let reusable = attempt.watch(&mut record)?;
            let view = attempt.into_view();
            self.tidy(view);
            if !reusable {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Leaves a window as the next attempt wants to find it, showing what may still come of the last one.
    fn tidy(&mut self, view: Option<View>) {
        if let Some(window) = &mut self.window {
            window.tty.take_back();
            window.view = view;
        }
    }

    /// Waits for the next attempt.
    fn wait(&mut self) -> io::Result<Option<Parcel>> {
        loop {
            self.sleep()?;
            while let Some(info) = self.signals.read_signal()? {
                if self.is_request_to_end(&info) {
                    return Ok(None);
                }
            }
            if let Some(window) = &mut self.window {
                View::run_in(&mut window.view);
            }
            match self.handover.receive() {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                parcel => return parcel,
            }
        }
    }

    /// Until something happens.
    fn sleep(&self) -> io::Result<()> {
        let waits = [self.signals.as_fd(), self.handover.as_fd()].map(|fd| PollFd::new(fd, PollFlags::POLLIN));
        let view = self.window.as_ref().and_then(|window| window.view.as_ref());
        let mut fds: Vec<PollFd> = waits.into_iter().chain(view.map(View::waits_on)).collect();
        poll(&mut fds, PollTimeout::NONE)?;
        Ok(())
    }

    /// A signal that the supervisor meant for the last attempt, and that came too late, must not reach the next, nor end
    /// us. Nor does a Ctrl-C in a window in which nothing runs.
    fn is_request_to_end(&self, info: &siginfo) -> bool {
        let late = info.ssi_pid == self.supervisor;
        match Signal::try_from(info.ssi_signo.cast_signed()) {
            Ok(Signal::SIGTERM | Signal::SIGHUP) => !late,
            Ok(Signal::SIGINT) => !late && !was_typed(info),
            _ => false,
        }
    }

    /// From the order to the running worker. After an error there is none.
    fn start(&self, order: File, record: &mut Writer) -> Result<Ending<'_>, StartError> {
        let order = Order::read(order)?;
        let tty = self.window.as_ref().map(|window| &window.tty);
        let shown = self.window.as_ref().and_then(|window| window.view.as_ref());
        let (flow, given) = Flow::open(&order.streams, tty, shown)?;
        let oom = oom::Watch::begin(self.oom_counter(&order));
        failpoint::hit("shim-before-starting")?;
        let (shim, out) = (self.ourselves.clone(), flow.out_name.clone());
        record.starting(&Started { shim, out_from: flow.out_from, out })?;
        failpoint::hit("shim-before-worker")?;
        let pid = worker::start(&order, &given)?;
        let worker = ProcessId { pid, start_time: process::stat(pid)?.start_time, boot_id: order.boot_id };
        let place = match (tty, &order.streams) {
            (None, _) => Place::Bare,
            (Some(_), Streams::Files { .. }) => Place::Window,
            (Some(tty), Streams::Terminal) => Place::Terminal(tty),
        };
        Ok(Ending::new(worker, place, order.keep_children, &self.signals, flow, oom))
    }

    fn oom_counter<'a>(&'a self, order: &'a Order) -> Option<&'a Path> {
        match &self.window {
            Some(window) => window.oom_counter.as_deref(),
            None => order.oom_counter.as_deref(),
        }
    }
}

/// Does a signal come from the keyboard of our terminal (or from its end)?
fn was_typed(info: &siginfo) -> bool {
    info.ssi_code == nix::libc::SI_KERNEL
}

/// The parent of all orphans below us.
fn adopt_orphans() -> io::Result<()> {
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
