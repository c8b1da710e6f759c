//! `swarm loop --tmux`: the window that the agents of a loop run in, all of them in the same one.

use super::error::{Error, Result};
use super::settings::Settings;
use crate::driver::fleet::TmuxWish;
use crate::journal::{Home, RunRecord};
use crate::model::Window;
use crate::runtime::process::Spot;
use crate::runtime::tmux::{Server, check_session};
use serde::Deserialize;
use std::path::Path;

/// Where the settings of a loop in `folder` want a window, if they do.
pub(super) fn wish(settings: &Settings, folder: &Path) -> Result<Option<TmuxWish>> {
    if !settings.switch("tmux")? {
        // In a file or a variable they may wait for their day.
        return match ["session", "tmux-socket"].into_iter().find(|name| settings.is_flag(name)) {
            Some(name) => Err(Error::usage(format!("--{name} needs --tmux"))),
            None => Ok(None),
        };
    }
    let socket = settings.text("tmux-socket").map(|socket| absolute(socket, folder));
    Ok(Some(TmuxWish { session: settings.text("session"), socket }))
}

/// A path holds from wherever the run is gone on with; a name is tmux's own.
fn absolute(socket: String, folder: &Path) -> String {
    let path = socket.contains('/').then(|| folder.join(&socket));
    path.and_then(|path| path.into_os_string().into_string().ok()).unwrap_or(socket)
}

/// Looks at what must be there before anything is made.
pub(super) fn preflight(wish: &TmuxWish) -> Result<()> {
    if let Some(session) = &wish.session {
        check_session(session).map_err(|error| Error::usage(format!("session: {error}")))?;
    }
    let version = Server::new(wish.socket.as_deref()).version();
    version.map(drop).map_err(|error| {
        Error::failed(format!("--tmux: {error}"))
            .hint("install tmux, or leave --tmux out: the text logs say the same, and `swarm loop logs -f` shows them")
    })
}

/// The window of a run, whether it is open or not; `None` for one that has none, or whose settings cannot be read.
pub(super) fn of(home: &Home, record: &RunRecord) -> Option<Window> {
    let wish = Option::<TmuxWish>::deserialize(record.settings.get("tmux")?).ok()??;
    Some(wish.window(home, &record.name))
}

/// Where its agents are started. What the window shows stands in the logs already.
pub(super) fn spot(window: &Window, record: &RunRecord) -> Spot {
    Spot {
        server: Server::new(window.socket.as_deref()),
        session: window.session.clone(),
        window: window.window.clone(),
        worker: record.name.clone(),
        run: record.id.0.clone(),
        pane_log: None,
        cwd: record.folder.clone(),
    }
}
