//! A person's client.

use super::Server;
use super::list::List;
use super::target::Target;
use std::ffi::OsString;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use tmux_interface::{AttachSession, SelectWindow, SwitchClient, TmuxCommand};

/// How a person gets to see a window.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attach {
    /// Program and arguments, to be executed in our place.
    pub argv: Vec<OsString>,
    /// Whether `TMUX` and `TMUX_PANE` must be removed from its environment: it is to be a client of its own, also inside
    /// of another server's pane.
    pub without_tmux: bool,
}

impl Server {
    /// What shows this window to the person at our terminal. Somebody who sits in the same server already is switched to
    /// it, but for one who wants to look only: that would be a property of his client, for all that it shows.
    pub fn attach(&self, target: &Target, read_only: bool) -> Attach {
        let here = std::env::var("TMUX").ok().is_some_and(|tmux| self.is_at(Path::new(socket_of(&tmux))));
        let switches = here && !read_only;
        let show = if switches { switch(target) } else { attach(target, read_only) };
        let select = SelectWindow::new().target_window(target.pane_id().to_owned()).build();
        Attach { argv: self.words(&List::guarded(target, [select, show])), without_tmux: !switches }
    }

    /// Is this the socket of ours?
    fn is_at(&self, socket: &Path) -> bool {
        let identity = |path: &Path| path.metadata().ok().map(|file| (file.dev(), file.ino()));
        let ours = identity(&self.socket_path());
        ours.is_some() && ours == identity(socket)
    }

    /// Where tmux makes the socket.
    fn socket_path(&self) -> PathBuf {
        let name = self.socket().unwrap_or("default");
        if name.contains('/') {
            return PathBuf::from(name);
        }
        let folder = std::env::var_os("TMUX_TMPDIR").filter(|folder| !folder.is_empty()).unwrap_or("/tmp".into());
        Path::new(&folder).join(format!("tmux-{}", nix::unistd::getuid())).join(name)
    }
}

/// `$TMUX` is the socket, the server's pid and the session's number.
fn socket_of(tmux: &str) -> &str {
    tmux.rsplitn(3, ',').last().unwrap_or_default()
}

fn attach<'a>(target: &Target, read_only: bool) -> TmuxCommand<'a> {
    let command = AttachSession::new().target_session(target.pane_id().to_owned());
    if read_only { command.read_only().build() } else { command.build() }
}

fn switch<'a>(target: &Target) -> TmuxCommand<'a> {
    SwitchClient::new().target_session(target.pane_id().to_owned()).build()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_socket_stands_before_the_last_two_commas() {
        assert_eq!(socket_of("/tmp/a,b/default,77,0"), "/tmp/a,b/default");
        assert_eq!(socket_of(""), "");
    }
}
