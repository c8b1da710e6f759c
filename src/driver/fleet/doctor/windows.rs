//! tmux: is it there, do its servers answer, and can its sockets be made?

use super::Known;
use crate::model::{Entry, Standing};
use crate::report::doctor::Check;
use crate::report::words;
use crate::runtime::tmux::{Server, TmuxError};
use nix::unistd::Uid;
use std::collections::BTreeSet;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// What to install.
const INSTALL: &str = "install tmux 3.2 or later (apt-get install tmux)";

/// Where the folder of sockets lies unless somebody says otherwise.
const SOCKETS: &str = "/tmp";

/// The longest path of a socket, its end included (`sun_path`).
const LONGEST: usize = 108;

/// Version, servers, sockets.
pub(super) fn checks(known: &Known<'_>) -> Vec<Check> {
    let running = known.entries().iter().filter(|entry| entry.status == Standing::Running);
    let windows: Vec<&Entry> = running.filter(|entry| entry.tmux.is_some()).collect();
    let version = match Server::new(None).version() {
        Ok(version) => Check::ok("tmux", version.to_string()),
        Err(why) => unusable(&why, windows.len()),
    };
    let usable = version.todo.is_none();
    let mut checks = vec![version];
    if usable {
        checks.extend(sockets_of(&windows).iter().map(|socket| server(socket.as_deref())));
    }
    checks.push(folder());
    checks
}

/// Bare workers and loops need no tmux; those that run in windows cannot be reached without.
fn unusable(why: &TmuxError, windows: usize) -> Check {
    match windows {
        0 => Check::warning("tmux", format!("{why}: no `spawn --tmux`, no `loop --detach`"), INSTALL),
        _ => Check::problem("tmux", format!("{why}, and {windows} running workers are in windows"), INSTALL),
    }
}

/// The default server, and those of the workers in windows.
fn sockets_of(windows: &[&Entry]) -> BTreeSet<Option<String>> {
    let named = windows.iter().filter_map(|entry| entry.tmux.as_ref()).map(|window| window.socket.clone());
    named.chain([None]).collect()
}

fn server(socket: Option<&str>) -> Check {
    let named = socket.map_or("the default server".to_owned(), |socket| format!("the server at {socket}"));
    match Server::new(socket).panes() {
        Ok(panes) if panes.is_empty() => Check::ok("tmux server", format!("{named} does not run; a worker starts it")),
        Ok(panes) => {
            let ours = panes.iter().filter(|pane| pane.run.is_some()).count();
            Check::ok("tmux server", format!("{named} answers: {} panes, {ours} of workers", panes.len()))
        }
        Err(why) => {
            let todo = format!("see whether it answers: {} ls", words::tmux(socket));
            Check::problem("tmux server", format!("{named}: {why}"), todo)
        }
    }
}

/// tmux refuses a folder of sockets that is another user's, or open to others.
fn folder() -> Check {
    let parent = std::env::var_os("TMUX_TMPDIR").filter(|folder| !folder.is_empty());
    let parent = parent.map_or_else(|| PathBuf::from(SOCKETS), PathBuf::from);
    let folder = parent.join(format!("tmux-{}", Uid::effective()));
    if folder.join("default").as_os_str().len() >= LONGEST {
        let todo = "set TMUX_TMPDIR to a short path";
        return Check::warning("tmux sockets", format!("{} is too long for a socket", folder.display()), todo);
    }
    match folder.metadata() {
        Ok(found) => judge(&folder, found.uid(), found.mode()),
        Err(_) if parent.is_dir() => Check::ok("tmux sockets", format!("{} is made when needed", folder.display())),
        Err(_) => Check::warning(
            "tmux sockets",
            format!("there is no folder {}", parent.display()),
            "make it, or unset TMUX_TMPDIR",
        ),
    }
}

fn judge(folder: &Path, owner: u32, mode: u32) -> Check {
    let shown = folder.display();
    if owner != Uid::effective().as_raw() {
        let todo = "set TMUX_TMPDIR to a folder of yours";
        return Check::warning("tmux sockets", format!("{shown} belongs to user {owner}: tmux refuses it"), todo);
    }
    match mode & 0o007 {
        0 => Check::ok("tmux sockets", shown.to_string()),
        _ => Check::warning(
            "tmux sockets",
            format!("{shown} is open to others (mode {:o}): tmux refuses it", mode & 0o777),
            format!("chmod 700 {}", crate::host::words::shell(folder.as_os_str())),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::doctor::Level;

    #[test]
    fn what_tmux_refuses_is_a_warning() {
        let us = Uid::effective().as_raw();
        let level = |owner, mode| judge(Path::new("/t"), owner, mode).level;
        assert_eq!(level(us, 0o40700), Level::Ok);
        assert_eq!(level(us, 0o40701), Level::Warning);
        assert_eq!(level(us + 1, 0o40700), Level::Warning);
    }

    #[test]
    fn without_tmux_only_windows_are_lost() {
        assert_eq!(unusable(&TmuxError::NotInstalled, 0).level, Level::Warning);
        assert_eq!(unusable(&TmuxError::NotInstalled, 1).level, Level::Problem);
    }
}
