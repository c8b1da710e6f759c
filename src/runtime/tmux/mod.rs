//! tmux: windows in which people can watch and use what runs.
//!
//! Everything here is synchronous and one client process a call; only [`Control`] keeps a connection. A window is addressed
//! by the ids that tmux gave it, and each request carries the condition under which the ids are the right ones
//! ([`Target`]): no name is ever matched, and no number of a server that is gone.
//!
//! | file | what |
//! |---|---|
//! | `call.rs`, `list.rs`, `quote.rs` | one client process; several commands for it; words that arrive as they are |
//! | `open.rs` | a new window, with everything it needs from its first byte on |
//! | `pane.rs`, `target.rs` | what is there; what is meant |
//! | `capture.rs`, `send.rs`, `tty.rs` | what stands on a screen; what is typed |
//! | `attach.rs`, `control/` | a person's client; a program's client |

mod attach;
mod call;
mod capture;
mod control;
mod error;
mod list;
mod open;
mod pane;
mod quote;
mod send;
mod target;
mod tty;
mod version;

pub use capture::Capture;
pub use control::{Control, Event, Output};
pub use error::TmuxError;
pub use open::{NewWindow, Opened, PaneLog, check_session};
pub use pane::{Pane, ServerLife, find};
pub use send::{Key, Text};
pub use target::Target;
pub use tty::{is_canonical, refuse_long_line};
pub use version::Version;

use crate::host::order::MARK;
use call::Answer;
use list::List;
use std::ffi::OsString;
use std::process::Command;
use std::time::Duration;
use tmux_interface::{KillPane, KillWindow, Tmux};

/// How often a server that is just coming or going is asked again, and after which pause: a second in all. It tells
/// nobody when it is done, so there is nothing to wait on.
const ATTEMPTS: u32 = 100;
const PAUSE: Duration = Duration::from_millis(10);

/// A tmux server: whatever listens on its socket, if anything does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    socket: Option<String>,
}

impl Server {
    /// `None` is the default server, also for somebody who sits inside another one. A name is one in tmux's folder
    /// (`-L`), something with a `/` is a path (`-S`). Nothing is started or asked here.
    pub fn new(socket: Option<&str>) -> Server {
        Server { socket: socket.filter(|socket| !socket.is_empty()).map(str::to_owned) }
    }

    /// The socket as it was given.
    pub fn socket(&self) -> Option<&str> {
        self.socket.as_deref()
    }

    /// The installed version; [`TmuxError::TooOld`] and [`TmuxError::NotInstalled`] where it does not do.
    pub fn version(&self) -> Result<Version, TmuxError> {
        let mut command = self.command();
        command.arg("-V");
        let out = call::run(command, &[])?.complete()?;
        let version = Version::parse(&String::from_utf8_lossy(&out));
        if version.is_enough() { Ok(version) } else { Err(TmuxError::TooOld(version)) }
    }

    /// Ends the window and all that runs in it; only the pane, if somebody moved it into another window. A session ends
    /// with its last window; no other window is touched.
    pub fn kill_window(&self, target: &Target) -> Result<(), TmuxError> {
        let (window, pane) = (target.window_id(), target.pane_id());
        let at_home = format!("#{{==:#{{window_id}},{window}}}");
        let kill = list::either(
            target,
            &at_home,
            [KillWindow::new().target_window(window).build()],
            [KillPane::new().target_pane(pane).build()],
        );
        self.ask(&List::guarded(target, [kill]), &[]).map(drop)
    }

    /// A client for this server. `-u`: names arrive in UTF-8 whatever our own locale is. Without `$TMUX`: it would
    /// choose the server by where we were called.
    fn command(&self) -> Command {
        let tmux = Tmux::new().force_utf8();
        let tmux = match &self.socket {
            Some(path) if path.contains('/') => tmux.socket_path(path.clone()),
            Some(name) => tmux.socket_name(name.clone()),
            None => tmux,
        };
        let mut command = tmux.into_command();
        // A server that it starts is of no attempt, though we may be below a worker.
        command.env_remove("TMUX").env_remove("TMUX_PANE").env_remove(MARK);
        command
    }

    /// Has `list` done with `input`, and says what came out and what went wrong.
    fn run(&self, list: &List, input: &[u8]) -> Result<Answer, TmuxError> {
        let mut command = self.command();
        command.args(list.as_words());
        call::run(command, input)
    }

    /// The same for what may be asked again when the server was just ending and another one may take its place.
    fn ask(&self, list: &List, input: &[u8]) -> Result<Vec<u8>, TmuxError> {
        let mut outcome = self.run(list, input)?.complete();
        for _ in 1..ATTEMPTS {
            if !matches!(outcome, Err(TmuxError::Lost(_))) {
                break;
            }
            std::thread::sleep(PAUSE);
            outcome = self.run(list, input)?.complete();
        }
        outcome
    }

    /// The words of a client for this server with `list`, program first.
    fn words(&self, list: &List) -> Vec<OsString> {
        let command = self.command();
        let mut words = vec![command.get_program().to_owned()];
        words.extend(command.get_args().map(ToOwned::to_owned));
        words.extend_from_slice(list.as_words());
        words
    }
}
