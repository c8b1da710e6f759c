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

    /// The number of one that came while nobody listened: it is heard once the event loop has turned.
    pub(super) async fn missed(&mut self) -> Option<i32> {
        tokio::task::yield_now().await;
        tokio::select! {
            biased;
            signal = self.next() => Some(signal),
            () = std::future::ready(()) => None,
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
    signals: &'a mut Signals,
    launched: Rc<Notify>,
    /// A signal came: its end is waited for.
    stopping: bool,
}

impl UntilLaunched<'_> {
    /// `launched` tells when it runs.
    pub(super) fn new(signals: &mut Signals, launched: Rc<Notify>) -> UntilLaunched<'_> {
        UntilLaunched { signals, launched, stopping: false }
    }
}

impl Orders for UntilLaunched<'_> {
    /// Answers at the first look once it is launched: what a worker prints comes without a pause, and is heard before
    /// whoever takes longer.
    async fn next(&mut self) -> Order {
        let signal = tokio::select! {
            biased;
            signal = self.signals.next() => signal,
            () = self.launched.notified(), if !self.stopping => return Order::Leave,
        };
        self.stopping = true;
        Order::Ask(Ask::Stop { signal, at_once: true })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;
    use nix::sys::signal::{Signal, raise};

    #[tokio::test]
    async fn a_worker_that_is_launched_after_a_signal_is_not_left() {
        let mut signals = Signals::listen().unwrap();
        let launched = Rc::new(Notify::new());
        let mut orders = UntilLaunched::new(&mut signals, launched.clone());
        raise(Signal::SIGHUP).unwrap();
        let stop = Ask::Stop { signal: Signal::SIGHUP as i32, at_once: true };
        assert!(matches!(orders.next().await, Order::Ask(asked) if asked == stop));
        launched.notify_one();
        assert!(orders.next().now_or_never().is_none(), "its end is waited for");
    }

    #[tokio::test]
    async fn a_worker_that_is_launched_is_left_at_the_first_look() {
        let mut signals = Signals::listen().unwrap();
        let launched = Rc::new(Notify::new());
        launched.notify_one();
        let mut orders = UntilLaunched::new(&mut signals, launched);
        assert!(matches!(orders.next().now_or_never(), Some(Order::Leave)), "not after what it prints");
    }
}
