//! Signals that end a spawn. They are heard from before the first thing is made until the last: one that comes between two
//! steps is not lost.

use super::{Kind, Result, Trouble};
use crate::driver::seams::{Order, Orders};
use crate::engine::Ask;
use std::io;
use std::rc::Rc;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::Notify;

/// INT, TERM and HUP of this process.
pub(super) struct Signals {
    int: Signal,
    term: Signal,
    hangup: Signal,
}

impl Signals {
    /// Listens from now on. Needs a tokio runtime.
    pub(super) fn listen() -> Result<Signals> {
        let all = || -> io::Result<Signals> {
            Ok(Signals {
                int: signal(SignalKind::interrupt())?,
                term: signal(SignalKind::terminate())?,
                hangup: signal(SignalKind::hangup())?,
            })
        };
        all().map_err(|error| Trouble::of_io("cannot listen for signals", &error))
    }

    /// The number of the next one. Cancel-safe.
    async fn next(&mut self) -> i32 {
        tokio::select! {
            _ = self.int.recv() => SignalKind::interrupt().as_raw_value(),
            _ = self.term.recv() => SignalKind::terminate().as_raw_value(),
            _ = self.hangup.recv() => SignalKind::hangup().as_raw_value(),
        }
    }

    /// Gives `step` up when one comes; what it made is undone by the caller.
    pub(super) async fn interrupt<T>(&mut self, step: impl Future<Output = Result<T>>) -> Result<T> {
        tokio::select! {
            biased;
            signal = self.next() => Err(interrupted(signal)),
            done = step => done,
        }
    }
}

/// The trouble that this signal makes.
pub(super) fn interrupted(signal: i32) -> Trouble {
    Trouble::failed("interrupted").kind(Kind::Interrupted(signal))
}

/// While a worker is launched: a signal ends it, and once it is launched it is left.
pub(super) struct UntilLaunched<'a> {
    pub(super) signals: &'a mut Signals,
    pub(super) launched: Rc<Notify>,
}

impl Orders for UntilLaunched<'_> {
    async fn next(&mut self) -> Order {
        tokio::select! {
            biased;
            signal = self.signals.next() => Order::Ask(Ask::Stop { signal, at_once: true }),
            () = self.launched.notified() => Order::Leave,
        }
    }
}
