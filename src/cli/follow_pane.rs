//! Following a window that has no log of ours, because the predecessor opened it: what its program writes is told by the
//! tmux server over a connection in control mode, until the window closes.

use super::error::{Error, Result};
use super::follow::{PAUSE, Sink};
use crate::runtime::tmux::{Control, Event, Output, Pane, Server, TmuxError};
use tokio::time::timeout;

/// Shows what the program of `pane` writes from now on.
pub(super) async fn follow(server: &Server, pane: &Pane, mut sink: Sink) -> Result<()> {
    let failed = |error: TmuxError| Error::failed(format!("cannot follow window {}: {error}", pane.window_name));
    let mut control = Control::connect(server, &pane.session, Output::Told).await.map_err(failed)?;
    let mut unshown = false;
    loop {
        let event = match unshown {
            false => control.next_event().await,
            true => match timeout(PAUSE, control.next_event()).await {
                Ok(event) => event,
                Err(_elapsed) => {
                    unshown = false;
                    if !sink.pause() {
                        return Ok(());
                    }
                    continue;
                }
            },
        };
        match event {
            Some(Event::Output { pane: of, bytes }) if of == pane.pane_id => {
                if !sink.take(&bytes) {
                    return Ok(());
                }
                unshown = true;
            }
            Some(Event::Output { .. }) => {}
            Some(Event::Closed { window }) if window != pane.window_id => {}
            Some(Event::Closed { .. } | Event::Exit { .. }) | None => {
                sink.pause();
                return Ok(());
            }
        }
    }
}
