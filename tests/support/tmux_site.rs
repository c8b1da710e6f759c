//! A tmux server of a test's own: on a socket in a scratch folder, ended through that socket with the value.
#![allow(dead_code, reason = "each test program uses its own part of it")]
#![allow(clippy::unwrap_used, reason = "a helper of a test panics as the test would")]

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::unistd::Pid;
use std::ffi::OsString;
use std::fs::{self, OpenOptions};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use swarm::host::inotify::Watcher;
use swarm::runtime::tmux::{Capture, NewWindow, Opened, Pane, PaneLog, Server, Target, Text};

pub(crate) const SWARM: &str = env!("CARGO_BIN_EXE_swarm");

/// No wait of a test is longer.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

/// The server and its folder.
pub(crate) struct Site {
    folder: tempfile::TempDir,
    pub(crate) server: Server,
}

/// A program in a pane that keeps every byte it is sent.
pub(crate) struct Reader {
    pub(crate) target: Target,
    pub(crate) got: PathBuf,
}

impl Site {
    /// A place where no server runs yet.
    pub(crate) fn empty() -> Site {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::new(folder.path().join("socket").to_str());
        Site { folder, server }
    }

    /// A server without any session, and without the tester's own settings.
    pub(crate) fn new() -> Site {
        let site = Site::empty();
        site.tmux(&["start-server", ";", "set-option", "-s", "exit-empty", "off"]);
        site
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.path("socket")
    }

    /// What a client of the user's own prints.
    pub(crate) fn tmux(&self, words: &[&str]) -> String {
        let mut command = Command::new("tmux");
        command.args(["-u", "-f", "/dev/null", "-S"]).arg(self.socket()).args(words).env_remove("TMUX");
        let output = command.stdin(Stdio::null()).output().unwrap();
        assert!(output.status.success(), "tmux {words:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).trim_end_matches('\n').to_owned()
    }

    /// A window to be, that runs `cat`.
    pub(crate) fn window<'a>(&'a self, session: &'a str, window: &'a str) -> NewWindow<'a> {
        NewWindow {
            session,
            window,
            cwd: self.folder(),
            command: &[],
            options: &[],
            pane_log: None,
            size: Some((110, 36)),
        }
    }

    pub(crate) fn open(&self, session: &str, window: &str, command: &[&str]) -> Opened {
        self.open_with(session, window, command, &[])
    }

    pub(crate) fn open_with(&self, session: &str, window: &str, command: &[&str], options: &[(&str, &str)]) -> Opened {
        let command: Vec<OsString> = command.iter().map(OsString::from).collect();
        self.server.open(&NewWindow { command: &command, options, ..self.window(session, window) }).unwrap()
    }

    pub(crate) fn open_logged(&self, session: &str, window: &str, command: &[&str], log: &Path) -> Opened {
        let command: Vec<OsString> = command.iter().map(OsString::from).collect();
        let pane_log = Some(PaneLog { program: SWARM.as_ref(), log });
        self.server.open(&NewWindow { command: &command, pane_log, ..self.window(session, window) }).unwrap()
    }

    /// The shell command that tells [`Site::wait_for`] that it was reached.
    pub(crate) fn signal(&self, name: &str) -> String {
        format!("tmux -S '{}' wait-for -S {name}", self.socket().display())
    }

    /// Waits until a program of ours has signalled.
    pub(crate) fn wait_for(&self, name: &str) {
        self.tmux(&["wait-for", name]);
    }

    /// A window whose program reads single bytes; it has printed `asks` (as `printf` takes it) when this returns.
    pub(crate) fn reader(&self, asks: &str) -> Reader {
        let got = self.path("got");
        fs::write(&got, "").unwrap();
        let script =
            format!("stty raw -echo; printf '{asks}'; {}; exec cat > '{}'", self.signal("reading"), got.display());
        let target = self.open("readers", "reader", &["sh", "-c", &script]).target();
        self.wait_for("reading");
        // The signal came through a client that was started after the program had asked, so tmux has read that by now.
        Reader { target, got }
    }

    pub(crate) fn type_line(&self, opened: &Opened, line: &str) {
        let text = Text { text: line.as_bytes(), enter: true, clear: false, escape: false };
        self.server.send_text(&opened.target(), &text).unwrap();
    }

    pub(crate) fn screen(&self, target: &Target) -> String {
        let screen = self.server.capture(target, Capture::Screen).unwrap();
        String::from_utf8_lossy(&screen).into_owned()
    }

    /// Waits until `text` stands on the screen. tmux tells nobody without a connection, so it is asked.
    pub(crate) fn until_screen(&self, target: &Target, text: &str) {
        let end = Instant::now() + DEADLINE;
        while !self.screen(target).contains(text) {
            assert!(Instant::now() < end, "no {text:?} in\n{}", self.screen(target));
        }
    }

    /// Asks for the panes until they are as wanted.
    pub(crate) fn until_panes(&self, wanted: impl Fn(&[Pane]) -> bool) {
        let end = Instant::now() + DEADLINE;
        while !wanted(&self.server.panes().unwrap()) {
            assert!(Instant::now() < end, "{:?}", self.server.panes());
        }
    }

    /// The one child of the server that has this name.
    pub(crate) fn child_of_server(&self, name: &str) -> Pid {
        let server = self.tmux(&["display-message", "-p", "#{pid}"]);
        let children = fs::read_to_string(format!("/proc/{server}/task/{server}/children")).unwrap();
        let named = |pid: &&str| fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|comm| comm.trim() == name);
        let found: Vec<&str> = children.split_whitespace().filter(named).collect();
        assert_eq!(found.len(), 1, "{name}: {found:?}");
        Pid::from_raw(found[0].parse().unwrap())
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        let mut command = Command::new("tmux");
        command.arg("-S").arg(self.socket()).arg("kill-server").stderr(Stdio::null());
        let _ = command.env_remove("TMUX").status();
    }
}

/// Waits until the file has the bytes that are wanted; it is made if it is not there.
pub(crate) fn until(path: &Path, wanted: impl Fn(&[u8]) -> bool) {
    let file = OpenOptions::new().append(true).create(true).open(path).unwrap();
    let watcher = Watcher::new().unwrap();
    watcher.add(&file).unwrap();
    let end = Instant::now() + DEADLINE;
    loop {
        let bytes = fs::read(path).unwrap();
        if wanted(&bytes) {
            return;
        }
        let left = end.saturating_duration_since(Instant::now());
        let shown = String::from_utf8_lossy(&bytes[..bytes.len().min(2000)]).into_owned();
        assert!(!left.is_zero(), "{} holds {} bytes: {shown:?}", path.display(), bytes.len());
        let mut fds = [PollFd::new(watcher.as_fd(), PollFlags::POLLIN)];
        poll(&mut fds, PollTimeout::try_from(left).unwrap()).unwrap();
        watcher.changes().unwrap();
    }
}
