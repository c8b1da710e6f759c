//! The life of a running worker and its end: signals passed on, output moved, descendants ended, all of it bounded.

use super::flow::Flow;
use super::tty::Tty;
use super::view::View;
use super::{KILL, oom, spared};
use crate::host::record::Writer;
use crate::host::words::words;
use crate::host::{failpoint, process};
use crate::model::{Exit, ProcessId, Status};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, kill, killpg};
use nix::sys::signalfd::SignalFd;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use std::io;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

/// Between TERM and KILL for what a worker left running.
const ASK: Duration = Duration::from_secs(2);

/// How long a killed process may take to be gone; what is left then is stuck in the kernel, and is named.
const UNKILLABLE: Duration = Duration::from_secs(5);

/// A new look for who was forked during the last one, while killing.
const SWEEP: Duration = Duration::from_millis(50);

/// Silence after which a pipe that somebody still holds open is left.
const SILENCE: Duration = Duration::from_millis(200);

/// The same for one that is held open and never silent.
const MAX_DRAIN: Duration = Duration::from_secs(2);

/// No event tells of free space: while a log cannot be written, and only then, it is tried at this interval.
const RETRY: Duration = Duration::from_secs(1);

/// Between HUP and TERM, and between TERM and KILL, for a worker whose window is gone: nobody else is there to ask it.
const HANG_UP: Duration = Duration::from_secs(2);

/// Where a worker lives.
pub(super) enum Place<'a> {
    /// Without a terminal.
    Bare,
    /// In a window that only shows its text.
    Window,
    /// In the foreground of a window's terminal.
    Terminal(&'a Tty),
}

/// How far it is.
#[derive(Debug, Clone, Copy)]
enum Phase {
    /// The worker lives.
    Running,
    /// It lives, but its window is gone: the next signal.
    HungUp { next: Signal, at: Instant },
    /// It ended; what it left got TERM.
    Asking { until: Instant },
    /// Everything got KILL.
    Killing { until: Instant },
    /// Nobody is left, or nobody who can be ended: the rest of the output.
    Draining { since: Instant },
}

/// A worker from its start to the last line of its record.
pub(super) struct Ending<'a> {
    pub(super) worker: ProcessId,
    place: Place<'a>,
    keep_children: bool,
    signals: &'a SignalFd,
    flow: Flow,
    oom: oom::Watch,
    phase: Phase,
    /// How the worker ended, once it has.
    status: Option<Status>,
    /// We were told to end everything.
    killed: bool,
    /// Its window is gone.
    hung_up: bool,
    /// All of its processes are stopped, by us.
    suspended: bool,
    /// No child is left below us, and so no descendant.
    alone: bool,
    left: Vec<ProcessId>,
    /// What the record says about the log.
    reported: Option<String>,
}

impl<'a> Ending<'a> {
    pub(super) fn new(
        worker: ProcessId,
        place: Place<'a>,
        keep_children: bool,
        signals: &'a SignalFd,
        flow: Flow,
        oom: oom::Watch,
    ) -> Ending<'a> {
        Ending {
            worker,
            place,
            hung_up: false,
            keep_children,
            signals,
            flow,
            oom,
            phase: Phase::Running,
            status: None,
            killed: false,
            suspended: false,
            alone: false,
            left: Vec::new(),
            reported: None,
        }
    }

    /// Until all is over and recorded. Returns whether another attempt can follow: nobody is left below us, and the window
    /// that we are in is there.
    pub(super) fn watch(&mut self, record: &mut Writer) -> io::Result<bool> {
        loop {
            self.wait()?;
            self.take_signals(record)?;
            self.flow.run();
            self.report_flow(record)?;
            self.advance();
            if self.is_over() {
                self.close(record)?;
                return Ok(self.alone && !self.hung_up);
            }
        }
    }

    /// Waits for a signal, for output, or for the next moment at which something is due.
    fn wait(&self) -> io::Result<()> {
        let due = self.due().map(|due| due.saturating_duration_since(Instant::now()));
        let timeout = match due {
            // Rounded up: a wake before its moment would spin.
            Some(due) => PollTimeout::try_from(due + Duration::from_millis(1)).unwrap_or(PollTimeout::MAX),
            None => PollTimeout::NONE,
        };
        let signals = PollFd::new(self.signals.as_fd(), PollFlags::POLLIN);
        let mut fds: Vec<PollFd> = std::iter::once(signals).chain(self.flow.waits_on()).collect();
        match poll(&mut fds, timeout) {
            Ok(_) | Err(Errno::EINTR) => Ok(()),
            Err(errno) => Err(errno.into()),
        }
    }

    /// The next moment at which to look without being called.
    fn due(&self) -> Option<Instant> {
        let phase = match self.phase {
            Phase::Running => None,
            Phase::HungUp { at, .. } => Some(at),
            Phase::Asking { until } => Some(until),
            Phase::Killing { until } => Some(until.min(Instant::now() + SWEEP)),
            Phase::Draining { .. } if self.is_paused() => None,
            Phase::Draining { since } => Some((self.silent_since(since) + SILENCE).min(since + MAX_DRAIN)),
        };
        let retry = self.is_paused().then(|| Instant::now() + RETRY);
        [phase, retry].into_iter().flatten().min()
    }

    fn is_paused(&self) -> bool {
        self.flow.paused().is_some()
    }

    fn silent_since(&self, since: Instant) -> Instant {
        self.flow.moved().map_or(since, |moved| moved.max(since))
    }

    fn take_signals(&mut self, record: &mut Writer) -> io::Result<()> {
        while let Some(info) = self.signals.read_signal()? {
            match Signal::try_from(info.ssi_signo as i32) {
                Ok(Signal::SIGCHLD) => self.reap(record)?,
                Ok(Signal::SIGHUP) if !matches!(self.place, Place::Bare) => self.hang_up(),
                Ok(signal @ (Signal::SIGTERM | Signal::SIGINT | Signal::SIGHUP)) => self.ask(signal),
                Ok(KILL) => self.kill(),
                Ok(Signal::SIGTSTP) if super::was_typed(&info) => {}
                Ok(Signal::SIGTSTP) => self.suspend(),
                Ok(Signal::SIGCONT) => self.resume(),
                _ => {}
            }
        }
        Ok(())
    }

    /// Takes in all that ended; orphans below us are ours too.
    fn reap(&mut self, record: &mut Writer) -> io::Result<()> {
        let stopped_too = match self.place {
            Place::Terminal(_) => WaitPidFlag::WUNTRACED,
            Place::Bare | Place::Window => WaitPidFlag::empty(),
        };
        loop {
            match waitpid(None, Some(WaitPidFlag::WNOHANG | stopped_too)) {
                Ok(WaitStatus::StillAlive) => return Ok(()),
                Err(Errno::ECHILD) => {
                    self.alone = true;
                    return Ok(());
                }
                Ok(WaitStatus::Exited(pid, code)) => self.ended(pid, Status::Code(code), record)?,
                Ok(WaitStatus::Signaled(pid, signal, _)) => self.ended(pid, Status::Signal(signal as i32), record)?,
                Ok(WaitStatus::Stopped(pid, _)) => self.stopped(pid),
                Ok(_) | Err(Errno::EINTR) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
    }

    /// A worker in a terminal stopped: Ctrl-Z, or a look at a terminal that somebody else was in the foreground of. There
    /// is no shell here in which one could say `fg`, so it is said at once.
    fn stopped(&self, pid: Pid) {
        let Place::Terminal(tty) = self.place else { return };
        if pid.as_raw() != self.worker.pid || self.suspended {
            return;
        }
        // It may have moved to another group meanwhile.
        let group = process::stat(self.worker.pid).map_or(self.worker.pid, |stat| stat.group);
        tty.give_to(group);
        self.signal_group(Signal::SIGCONT);
        if group != self.worker.pid {
            // Our child, not yet reaped: its pid is its own.
            let _ = kill(pid, Signal::SIGCONT);
        }
    }

    /// The worker's own end is recorded at once, whatever else is still to be done.
    fn ended(&mut self, pid: Pid, status: Status, record: &mut Writer) -> io::Result<()> {
        if pid.as_raw() != self.worker.pid {
            return Ok(());
        }
        self.status = Some(status);
        failpoint::hit("shim-before-exited")?;
        record.exited(status)
    }

    /// To the worker's group, as long as its number is its own: until the worker is reaped.
    fn signal_group(&self, signal: Signal) {
        if self.status.is_none() {
            // The group is gone only if the worker is, and then nobody needs the signal.
            let _ = killpg(Pid::from_raw(self.worker.pid), signal);
        }
    }

    fn signal_all(&self, signal: Signal) {
        self.signal_group(signal);
        process::signal_descendants(ourselves(), signal, &spared::is_spared);
    }

    fn ask(&mut self, signal: Signal) {
        self.signal_group(signal);
        self.signal_group(Signal::SIGCONT);
    }

    /// The window was closed, or its server ended.
    fn hang_up(&mut self) {
        self.hung_up = true;
        self.ask(Signal::SIGHUP);
        if matches!(self.phase, Phase::Running) {
            self.phase = Phase::HungUp { next: Signal::SIGTERM, at: Instant::now() + HANG_UP };
        }
    }

    /// What comes after a HUP, or a TERM, that did not help.
    fn insist(&mut self, next: Signal) {
        if next == Signal::SIGKILL {
            return self.kill();
        }
        self.ask(next);
        self.phase = Phase::HungUp { next: Signal::SIGKILL, at: Instant::now() + HANG_UP };
    }

    fn kill(&mut self) {
        self.killed = true;
        self.signal_all(Signal::SIGKILL);
        if !matches!(self.phase, Phase::Killing { .. } | Phase::Draining { .. }) {
            self.phase = Phase::Killing { until: Instant::now() + UNKILLABLE };
        }
    }

    fn suspend(&mut self) {
        self.suspended = true;
        self.signal_all(Signal::SIGSTOP);
    }

    fn resume(&mut self) {
        if std::mem::take(&mut self.suspended) {
            self.signal_all(Signal::SIGCONT);
        }
    }

    /// Says in the record when the log could no longer, or can again, be written.
    fn report_flow(&mut self, record: &mut Writer) -> io::Result<()> {
        let error = self.flow.paused().map(words);
        if error != self.reported {
            record.flow(error.as_deref())?;
            self.reported = error;
        }
        Ok(())
    }

    /// From one phase to the next, as far as things are.
    fn advance(&mut self) {
        let now = Instant::now();
        match self.phase {
            Phase::Running if self.status.is_none() => {}
            Phase::HungUp { next, at } if self.status.is_none() => {
                if now >= at {
                    self.insist(next);
                }
            }
            Phase::Running | Phase::HungUp { .. } if self.keep_children || self.is_done() => {
                self.phase = Phase::Draining { since: now };
            }
            Phase::Running | Phase::HungUp { .. } => {
                self.signal_all(Signal::SIGTERM);
                self.signal_all(Signal::SIGCONT);
                self.phase = Phase::Asking { until: now + ASK };
            }
            Phase::Asking { .. } | Phase::Killing { .. } if self.is_done() => {
                self.phase = Phase::Draining { since: now }
            }
            Phase::Asking { until } if now >= until => {
                self.signal_all(Signal::SIGKILL);
                self.phase = Phase::Killing { until: now + UNKILLABLE };
            }
            Phase::Killing { until } if now >= until => {
                self.left = process::descendants(ourselves(), &spared::is_spared);
                self.phase = Phase::Draining { since: now };
            }
            Phase::Killing { .. } => self.signal_all(Signal::SIGKILL),
            Phase::Asking { .. } | Phase::Draining { .. } => {}
        }
    }

    /// Is nobody left below us but those who are not ours to end?
    fn is_done(&self) -> bool {
        self.alone || process::children(ourselves()).into_iter().all(spared::is_spared)
    }

    /// Is there nothing more to wait for? A full disk is waited for until somebody tells us to end everything.
    fn is_over(&self) -> bool {
        let Phase::Draining { since } = self.phase else { return false };
        if self.flow.is_finished() {
            return true;
        }
        if self.is_paused() {
            return self.killed;
        }
        let now = Instant::now();
        now >= self.silent_since(since) + SILENCE || now >= since + MAX_DRAIN
    }

    /// What the window still shows when all is over.
    pub(super) fn into_view(self) -> Option<View> {
        self.flow.into_view()
    }

    fn close(&mut self, record: &mut Writer) -> io::Result<()> {
        self.flow.restore();
        if let Place::Terminal(tty) = self.place {
            tty.settle();
        }
        let status = self.status.unwrap_or(Status::Lost);
        let exit = Exit { status, oom: self.oom.judge(status, self.killed), left: std::mem::take(&mut self.left) };
        failpoint::hit("shim-before-ended")?;
        record.ended(&exit)?;
        failpoint::hit("shim-after-ended")
    }
}

fn ourselves() -> i32 {
    std::process::id().cast_signed()
}
