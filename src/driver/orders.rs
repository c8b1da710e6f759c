//! Who commands a supervisor: signals, and other commands over the control socket.
//!
//! | signal | order |
//! |---|---|
//! | INT, TERM, HUP | stop at once; the second one kills |
//! | TSTP | suspend the worker, then ourselves; go on when we are continued |
//! | QUIT | leave; the worker stays |
//!
//! A signal that was ignored when we were started (`nohup`) stays ignored.

use super::control::{self, Request};
use super::seams::{Order, Orders};
use crate::engine::Ask;
use nix::sys::signal::Signal;
use signal_hook::low_level::emulate_default_handler;
use std::io;
use std::os::unix::net::UnixListener;
use tokio::signal::unix::{self, SignalKind};
use tokio::sync::mpsc;

/// Signals and the control socket of this process.
pub struct RealOrders {
    stops: Vec<(i32, unix::Signal)>,
    quit: unix::Signal,
    stop_key: Option<unix::Signal>,
    listener: Option<tokio::net::UnixListener>,
    requests: (mpsc::UnboundedSender<Request>, mpsc::UnboundedReceiver<Request>),
    /// The worker was told to stand still; we are next.
    suspending: bool,
    /// Orders that were given before the driver ran.
    first: Option<Order>,
}

impl RealOrders {
    /// Listens from now on; `first` is given before anything else. Needs a tokio runtime.
    pub fn new(listener: Option<UnixListener>, first: Option<Order>) -> io::Result<RealOrders> {
        let ignored = ignored_signals();
        let heeded = |signal: i32| ignored & (1 << (signal - 1)) == 0;
        let listen = |signal: i32| unix::signal(SignalKind::from_raw(signal));
        let mut stops = Vec::new();
        for signal in [Signal::SIGINT as i32, Signal::SIGTERM as i32, Signal::SIGHUP as i32] {
            if heeded(signal) {
                stops.push((signal, listen(signal)?));
            }
        }
        let stop_key = if heeded(Signal::SIGTSTP as i32) { Some(listen(Signal::SIGTSTP as i32)?) } else { None };
        Ok(RealOrders {
            stops,
            quit: listen(Signal::SIGQUIT as i32)?,
            stop_key,
            listener: listener.map(tokio::net::UnixListener::from_std).transpose()?,
            requests: mpsc::unbounded_channel(),
            suspending: false,
            first,
        })
    }
}

impl Orders for RealOrders {
    async fn next(&mut self) -> Order {
        if let Some(order) = self.first.take() {
            return order;
        }
        if std::mem::take(&mut self.suspending) {
            // Returns when somebody continues us.
            if let Err(error) = emulate_default_handler(Signal::SIGTSTP as i32) {
                tracing::warn!(%error, "cannot stop ourselves");
            }
            return Order::Ask(Ask::Continue);
        }
        loop {
            let (stops, listener, requests) = (&mut self.stops, &self.listener, &mut self.requests);
            tokio::select! {
                signal = any(stops) => return Order::Ask(Ask::Stop { signal, at_once: true }),
                _ = self.quit.recv() => return Order::Leave,
                () = maybe(&mut self.stop_key) => {
                    self.suspending = true;
                    return Order::Ask(Ask::Suspend);
                }
                stream = accept(listener.as_ref()) => {
                    let sender = requests.0.clone();
                    tokio::spawn(control::serve(stream, move |request| _ = sender.send(request)));
                }
                Some(request) = requests.1.recv() => return Order::Ask(request.ask()),
            }
        }
    }
}

/// The number of the first of these signals that comes.
async fn any(signals: &mut [(i32, unix::Signal)]) -> i32 {
    std::future::poll_fn(|context| {
        let came =
            signals.iter_mut().find_map(|(number, signal)| signal.poll_recv(context).is_ready().then_some(*number));
        came.map_or(std::task::Poll::Pending, std::task::Poll::Ready)
    })
    .await
}

async fn maybe(signal: &mut Option<unix::Signal>) {
    match signal {
        Some(signal) => _ = signal.recv().await,
        None => std::future::pending().await,
    }
}

async fn accept(listener: Option<&tokio::net::UnixListener>) -> tokio::net::UnixStream {
    let Some(listener) = listener else { return std::future::pending().await };
    loop {
        match listener.accept().await {
            Ok((stream, _)) => return stream,
            // Out of file descriptors, most likely. The caller is told by its own timeout; we must not spin.
            Err(error) => {
                tracing::warn!(%error, "cannot accept a control connection");
                tokio::time::sleep(std::time::Duration::from_secs(1)).await;
            }
        }
    }
}

/// The mask of ignored signals, from `/proc/self/status`; empty where it cannot be read.
fn ignored_signals() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0)
}
