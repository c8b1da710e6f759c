//! tmux windows that were opened for a run that nobody knows. Windows of other state folders look the same, and are left
//! alone as far as they can be told apart.

use super::{Owners, is_attended};
use crate::host::marked::{self, Owner};
use crate::model::RunId;
use crate::report::doctor::{Leak, LeakKind};
use crate::report::words;
use crate::runtime::process::live_attempts;
use crate::runtime::tmux::{Pane, Server, TmuxError};

/// The server that we are in: its socket, from `$TMUX`, which goes on with the server's process and the session's number.
pub(super) fn ours() -> Option<String> {
    let tmux = std::env::var("TMUX").ok()?;
    tmux.rsplitn(3, ',').nth(2).map(str::to_owned)
}

/// A pane that was opened for a run, and its server.
#[derive(Debug)]
pub(super) struct Found {
    socket: Option<String>,
    pane: Pane,
}

/// The panes with our options on these servers. A server that is reached by two sockets is told once.
pub(super) fn look(sockets: &[Option<String>], unseen: &mut Vec<String>) -> Vec<Found> {
    let mut found: Vec<Found> = Vec::new();
    for socket in sockets {
        let panes = match Server::new(socket.as_deref()).panes() {
            Ok(panes) => panes,
            Err(error @ TmuxError::NotInstalled) => {
                unseen.push(format!("windows: {error}"));
                break;
            }
            Err(error) => {
                let server = socket.as_deref().unwrap_or("the default server");
                unseen.push(format!("windows of {server}: {error}"));
                continue;
            }
        };
        let marked = panes.into_iter().filter(|pane| pane.run.is_some() || pane.worker.is_some());
        for pane in marked {
            if !found.iter().any(|other| other.pane.life == pane.life && other.pane.pane_id == pane.pane_id) {
                found.push(Found { socket: socket.clone(), pane });
            }
        }
    }
    found
}

/// Those that nobody owns.
pub(super) fn leaks(owners: &Owners<'_>, found: &[Found]) -> Vec<Leak> {
    let nobodys = found.iter().filter(|one| !is_owned(owners, &one.pane) && !is_of_another_home(owners, &one.pane));
    nobodys.map(leak).collect()
}

fn is_owned(owners: &Owners<'_>, pane: &Pane) -> bool {
    let Some(run) = &pane.run else {
        return pane.worker.as_ref().is_some_and(|name| owners.entries.iter().any(|entry| entry.name == *name));
    };
    if owners.know(run) {
        return true;
    }
    let id = RunId(run.clone());
    let lives = |run: &crate::journal::RunFolder| live_attempts(run.path()).is_ok_and(|live| !live.is_empty());
    let (worker, looping) = (owners.home.worker(&id), owners.home.run(&id));
    is_attended(&worker) || is_attended(&looping) || lives(&looping)
}

/// A window of another state folder is that one's: its shim says so, or its session's name.
fn is_of_another_home(owners: &Owners<'_>, pane: &Pane) -> bool {
    let owner = marked::of_pid(pane.pane_pid).map(|process| process.owner);
    if let Some(Owner::Run(folder) | Owner::Attempt(folder)) = owner {
        return owners.place(&folder).is_none();
    }
    let hash = pane.session.strip_prefix("swarm-").unwrap_or_default();
    let is_a_homes = hash.len() == 8 && hash.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_a_homes && pane.session != owners.home.session()
}

fn leak(Found { socket, pane }: &Found) -> Leak {
    let run = pane.run.as_ref().or(pane.worker.as_ref()).map_or("", String::as_str);
    Leak {
        kind: LeakKind::Window,
        what: format!("{} ({}:{})", pane.window_id, pane.session, pane.window_name),
        why: format!("opened for {run}, which is not known"),
        remove: format!("{} kill-window -t {}", words::tmux(socket.as_deref()), pane.window_id),
    }
}
