//! Workers as a test of the verbs holds them: a home, a state folder, a repository and a tmux server of its own; every
//! `swarm` run to its end within a bound; everything that is left ended by its id.
#![allow(dead_code, reason = "each test program uses its own part of it")]

use crate::meeting::Meeting;
use crate::scratch::Scratch;
use nix::sched::{CloneFlags, unshare};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use std::cell::Cell;
use std::ffi::OsStr;
use std::io::Read;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

/// Longer than anything here takes; what takes longer hangs.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A worker's two places: the flags of `spawn` that say which.
pub(crate) const MODES: [&[&str]; 2] = [&[], &["--tmux"]];

/// The script of a worker that says its pid at `$MEET/begun` and stays until somebody speaks at `$MEET/go`.
pub(crate) const HOLD: &str = "mkfifo $MEET/go 2>/dev/null; echo $$ >$MEET/begun; cat $MEET/go >/dev/null";

/// Folders and files of the state folder that are there for good once anything was done: they are nobody's.
const LASTING: &[&str] = &["logs", "runs", "trees", "workers", "state.json", "state.json.tmp", "state.lock"];

/// Everything that a test of the verbs needs, and its end.
pub(crate) struct Fleet {
    pub(crate) scratch: Scratch,
    /// The state folder is a disk of its own.
    mounted: Cell<bool>,
}

/// What one command said.
pub(crate) struct Told {
    /// As a shell tells it: the code, or 128 and the signal.
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
    /// Standard output as it came.
    pub(crate) bytes: Vec<u8>,
}

/// A command that was started and not waited for.
pub(crate) struct Started {
    pub(crate) pid: Pid,
    out: Receiver<Vec<u8>>,
    err: Receiver<Vec<u8>>,
    status: Receiver<ExitStatus>,
}

/// All that a spawn can leave behind. Two of them are equal when nothing was added and nothing is missing.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Things {
    worktrees: String,
    branches: String,
    git_config: String,
    windows: Vec<String>,
    workers: Vec<String>,
    files: Vec<PathBuf>,
}

impl Fleet {
    pub(crate) fn new() -> Fleet {
        let scratch = Scratch::new();
        ["meet", "tmux"].iter().for_each(|name| std::fs::create_dir(scratch.path(name)).unwrap());
        Fleet { scratch, mounted: Cell::new(false) }
    }

    /// The state folder.
    pub(crate) fn home(&self) -> PathBuf {
        self.scratch.state()
    }

    pub(crate) fn repo(&self) -> PathBuf {
        self.scratch.repo()
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.scratch.path(name)
    }

    /// Moves the calling thread (a test has its own), and what it starts from now on, into a mount namespace where the
    /// state folder is a disk of its own of that many KiB.
    pub(crate) fn on_a_small_disk(&self, size: u32) {
        unshare(CloneFlags::CLONE_NEWNS).expect("a mount namespace; run the tests as root");
        let mount = |arguments: &[&str]| assert!(Command::new("mount").args(arguments).status().unwrap().success());
        mount(&["--make-rprivate", "/"]);
        std::fs::create_dir_all(self.home()).unwrap();
        mount(&["-t", "tmpfs", "-o", &format!("size={size}k,mode=700"), "none", self.home().to_str().unwrap()]);
        self.mounted.set(true);
    }

    /// The default place of worktrees.
    pub(crate) fn worktree(&self, name: &str) -> PathBuf {
        self.path("repo-worktrees").join(name)
    }

    /// A meeting point; a worker knows it as `$MEET/NAME`.
    pub(crate) fn meeting(&self, name: &str) -> Meeting {
        Meeting::new(self.path("meet").join(name))
    }

    /// Both meeting points of [`HOLD`].
    pub(crate) fn meetings(&self) -> (Meeting, Meeting) {
        (self.meeting("begun"), self.meeting("go"))
    }

    /// `program` in the repository, with this home and this tmux server.
    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = self.scratch.command(program);
        command.env("SWARM_HOME", self.home()).env("TMUX_TMPDIR", self.path("tmux"));
        command.env("MEET", self.path("meet")).env("TERM", "xterm-256color");
        command
    }

    /// `swarm` with these arguments.
    pub(crate) fn swarm<A: AsRef<OsStr>>(&self, arguments: &[A]) -> Command {
        let mut command = self.command(env!("CARGO_BIN_EXE_swarm"));
        command.args(arguments);
        command
    }

    /// `swarm` with these arguments, run to its end.
    pub(crate) fn run<A: AsRef<OsStr>>(&self, arguments: &[A]) -> Told {
        tell(self.swarm(arguments))
    }

    /// The same where it must go well and have nothing to complain of; what it prints.
    pub(crate) fn ok<A: AsRef<OsStr> + std::fmt::Debug>(&self, arguments: &[A]) -> String {
        let told = self.run(arguments);
        assert_eq!((told.code, told.err.as_str()), (0, ""), "{arguments:?}: {told:#?}");
        told.out
    }

    /// The same where it must be refused with this code and exactly this `swarm: error: …` (a hint may follow), and
    /// print nothing.
    #[track_caller]
    pub(crate) fn refused<A: AsRef<OsStr> + std::fmt::Debug>(&self, arguments: &[A], code: i32, message: &str) {
        let told = self.run(arguments);
        assert_eq!(told.code, code, "{arguments:?}: {told:#?}");
        assert_eq!(told.errors(), [message], "{arguments:?}: {told:#?}");
        assert_eq!(told.out, "", "{arguments:?}: {told:#?}");
    }

    /// `swarm spawn --name NAME FLAGS -- COMMAND`, with one list for the mode and one for the other flags.
    pub(crate) fn spawn(&self, mode: &[&str], name: &str, flags: &[&str], command: &[&str]) -> Told {
        self.run(&[&["spawn", "--name", name], mode, flags, &["--"], command].concat())
    }

    /// A worker that stays, and its pid. `meeting` is where [`HOLD`] says it.
    pub(crate) fn hold(&self, mode: &[&str], name: &str, flags: &[&str], begun: &Meeting) -> Pid {
        let told = self.spawn(mode, name, flags, &["sh", "-c", HOLD]);
        assert_eq!((told.code, told.err.as_str()), (0, ""), "{told:#?}");
        Pid::from_raw(begun.hear().trim().parse().unwrap())
    }

    /// A worker that does nothing for long; what `spawn` printed.
    pub(crate) fn sleeper(&self, mode: &[&str], name: &str, flags: &[&str]) -> String {
        let told = self.spawn(mode, name, flags, &["sleep", "300"]);
        assert_eq!((told.code, told.err.as_str()), (0, ""), "{told:#?}");
        told.out
    }

    /// Waits for the worker's end, as a user would.
    pub(crate) fn wait(&self, name: &str) {
        let told = self.run(&["wait", name, "--timeout", "50"]);
        assert_eq!((told.code, told.out.as_str()), (0, format!("{name}: exited\n").as_str()), "{told:#?}");
    }

    pub(crate) fn state_file(&self) -> PathBuf {
        self.home().join("state.json")
    }

    /// The registry as it lies on disk.
    pub(crate) fn state(&self) -> Value {
        let bytes = std::fs::read(self.state_file()).unwrap();
        serde_json::from_slice(&bytes).unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&bytes)))
    }

    /// A worker's entry as it lies on disk.
    pub(crate) fn entry(&self, name: &str) -> Value {
        let state = self.state();
        let entry = state["workers"].as_array().unwrap().iter().find(|entry| entry["name"] == name);
        entry.unwrap_or_else(|| panic!("no worker {name} in {state:#}")).clone()
    }

    /// A worker's own process, as the registry has it.
    pub(crate) fn worker(&self, name: &str) -> Pid {
        let entry = self.entry(name);
        let pid = entry["worker"]["pid"].as_i64().or(entry["pid"].as_i64());
        Pid::from_raw(i32::try_from(pid.unwrap_or_else(|| panic!("no pid in {entry:#}"))).unwrap())
    }

    /// A worker's shim.
    pub(crate) fn shim(&self, name: &str) -> Pid {
        let entry = self.entry(name);
        Pid::from_raw(i32::try_from(entry["shim"]["pid"].as_i64().unwrap_or_else(|| panic!("{entry:#}"))).unwrap())
    }

    /// `swarm ls --format json`.
    pub(crate) fn listed(&self) -> Vec<Value> {
        let text = self.ok(&["ls", "--format", "json"]);
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
    }

    /// The names and states that `ls` shows, in its order.
    pub(crate) fn standings(&self) -> Vec<(String, String)> {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        self.listed().iter().map(|entry| (text(&entry["name"]), text(&entry["status"]))).collect()
    }

    /// What a tmux command prints, on this server.
    pub(crate) fn tmux(&self, arguments: &[&str]) -> String {
        let told = tell(self.tmux_command(arguments));
        assert_eq!(told.code, 0, "tmux {arguments:?}: {told:#?}");
        told.out
    }

    pub(crate) fn tmux_command(&self, arguments: &[&str]) -> Command {
        let mut command = self.command("tmux");
        command.args(arguments);
        command
    }

    /// `session:window` of each window; none when no server runs.
    pub(crate) fn windows(&self) -> Vec<String> {
        let told = tell(self.tmux_command(&["list-windows", "-a", "-F", "#{session_name}:#{window_name}"]));
        let mut windows: Vec<String> = told.out.lines().map(str::to_owned).collect();
        windows.sort();
        windows
    }

    /// A worker's pane as tmux knows it.
    pub(crate) fn pane(&self, name: &str) -> String {
        let entry = self.entry(name);
        let pane = entry["tmux"]["pane_id"].as_str();
        pane.unwrap_or_else(|| panic!("no pane in {entry:#}")).to_owned()
    }

    /// What stands in a worker's pane.
    pub(crate) fn screen(&self, name: &str) -> String {
        self.tmux(&["capture-pane", "-p", "-t", &self.pane(name)])
    }

    /// Waits until a worker's pane shows this.
    pub(crate) fn shows(&self, name: &str, words: &str) {
        let pane = self.pane(name);
        let look = || self.tmux(&["capture-pane", "-p", "-t", &pane]).contains(words).then_some(());
        until(&format!("{words:?} in the pane of {name}"), look);
    }

    /// The processes of this fleet but the tmux server: each knows it by its environment.
    pub(crate) fn processes(&self) -> Vec<Pid> {
        let mark = format!("MEET={}", self.path("meet").display());
        let names = std::fs::read_dir("/proc").unwrap().filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        let belongs = |pid: &i32| {
            let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
            environment.split(|byte| *byte == 0).any(|entry| entry == mark.as_bytes()) && !is_tmux(*pid)
        };
        names.filter_map(|name| name.parse().ok()).filter(belongs).map(Pid::from_raw).collect()
    }

    /// Waits until nothing of it runs any more but the tmux server.
    #[track_caller]
    pub(crate) fn nobody_is_left(&self) {
        self.nobody_is_left_after("");
    }

    /// The same, after what.
    #[track_caller]
    pub(crate) fn nobody_is_left_after(&self, what: &str) {
        let deadline = Instant::now() + Duration::from_secs(20);
        while !self.processes().is_empty() {
            if Instant::now() > deadline {
                let left: Vec<String> = self.processes().iter().map(|pid| command_line(*pid)).collect();
                panic!("left behind: {left:#?} {what}");
            }
            pause();
        }
    }

    /// What a spawn can leave behind, as it is now.
    pub(crate) fn things(&self) -> Things {
        let workers = match std::fs::read(self.state_file()) {
            Ok(_) => {
                self.state()["workers"].as_array().unwrap().iter().map(|entry| entry["name"].to_string()).collect()
            }
            Err(_) => Vec::new(),
        };
        let outside = |path: &PathBuf| {
            let whole = path.to_str().unwrap();
            // The server's socket, and the inside of the repository, which is looked at through git.
            !["tmux/", "repo/", "home/.swarm", "meet/"].iter().any(|prefix| whole.starts_with(prefix))
        };
        let lasting = |path: &PathBuf| LASTING.iter().any(|name| path == Path::new(name));
        let mut files: Vec<PathBuf> = self.scratch.below(&self.path("")).into_iter().filter(outside).collect();
        files.extend(self.scratch.below(&self.home()).into_iter().filter(|path| !lasting(path)));
        Things {
            worktrees: self.worktrees(),
            branches: self.scratch.git(&["for-each-ref", "--format=%(refname) %(objectname)"]),
            git_config: std::fs::read_to_string(self.repo().join(".git/config")).unwrap(),
            windows: self.windows(),
            workers,
            files,
        }
    }

    pub(crate) fn worktrees(&self) -> String {
        self.scratch.git(&["worktree", "list", "--porcelain"])
    }

    pub(crate) fn branches(&self) -> Vec<String> {
        let names = self.scratch.git(&["for-each-ref", "--format=%(refname:short)", "refs/heads"]);
        names.lines().map(str::to_owned).collect()
    }

    /// A program in front of the real one on PATH, for the commands of the test that ask for it with [`Fleet::before`].
    pub(crate) fn wrap(&self, name: &str, script: &str) {
        let folder = self.path("bin");
        std::fs::create_dir_all(&folder).unwrap();
        let real = real_program(name);
        std::fs::write(folder.join(name), format!("#!/bin/sh\nREAL={real}\n{script}\n")).unwrap();
        std::fs::set_permissions(folder.join(name), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    }

    /// The same command with the programs of [`Fleet::wrap`] before all others.
    pub(crate) fn before(&self, mut command: Command) -> Command {
        command.env("PATH", format!("{}:{}", self.path("bin").display(), std::env::var("PATH").unwrap()));
        command
    }
}

impl Drop for Fleet {
    /// A test that failed in the middle leaves a tmux server and processes; each is ended by what names it.
    fn drop(&mut self) {
        for socket in std::fs::read_dir(self.path("tmux")).into_iter().flatten().flatten() {
            for socket in std::fs::read_dir(socket.path()).into_iter().flatten().flatten() {
                let _ = self.command("tmux").arg("-S").arg(socket.path()).arg("kill-server").output();
            }
        }
        for _ in 0..5 {
            for pid in self.processes() {
                let _ = kill(pid, Signal::SIGKILL);
            }
        }
        if self.mounted.get() {
            let _ = Command::new("umount").arg("--lazy").arg(self.home()).status();
        }
    }
}

impl std::fmt::Debug for Told {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "code {}\n--- stdout\n{}--- stderr\n{}", self.code, self.out, self.err)
    }
}

impl Told {
    /// The messages of its `swarm: error: …` lines.
    pub(crate) fn errors(&self) -> Vec<&str> {
        self.err.lines().filter_map(|line| line.strip_prefix("swarm: error: ")).collect()
    }

    /// The messages of its `swarm: warning: …` lines.
    pub(crate) fn warnings(&self) -> Vec<&str> {
        self.err.lines().filter_map(|line| line.strip_prefix("swarm: warning: ")).collect()
    }

    /// Its standard output as JSON.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:#?}"))
    }
}

impl Started {
    /// Waits until the process has so many files like this open (as `/proc/PID/fd` calls them).
    #[track_caller]
    pub(crate) fn holds(&self, count: usize, like: &str) {
        let folder = format!("/proc/{}/fd", self.pid);
        let names = || std::fs::read_dir(&folder).into_iter().flatten().flatten();
        let open = || names().filter_map(|entry| std::fs::read_link(entry.path()).ok());
        let enough = || (open().filter(|name| name.to_string_lossy().contains(like)).count() >= count).then_some(());
        until(&format!("{count} of {like} in the hands of {}", command_line(self.pid)), enough);
    }

    pub(crate) fn new(mut command: Command) -> Started {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let pid = Pid::from_raw(child.id().cast_signed());
        let (out, err) = (drain(child.stdout.take().unwrap()), drain(child.stderr.take().unwrap()));
        let (send, status) = channel();
        thread::spawn(move || send.send(child.wait().unwrap()));
        Started { pid, out, err, status }
    }

    /// Waits for its end, and for the end of all that it says: nobody else may hold its outputs.
    #[track_caller]
    pub(crate) fn finish(self) -> Told {
        let Ok(status) = self.status.recv_timeout(PATIENCE) else {
            let words = command_line(self.pid);
            let _ = kill(self.pid, Signal::SIGKILL);
            panic!("it hangs: {words}");
        };
        let bytes = self.out.recv_timeout(PATIENCE).expect("somebody else holds its standard output");
        let err = self.err.recv_timeout(PATIENCE).expect("somebody else holds its standard error");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let code = status.code().or(status.signal().map(|signal| 128 + signal)).unwrap();
        Told { code, out: text(&bytes), err: text(&err), bytes }
    }
}

/// Runs a command to its end.
#[track_caller]
pub(crate) fn tell(command: Command) -> Told {
    Started::new(command).finish()
}

fn drain(mut pipe: impl Read + Send + 'static) -> Receiver<Vec<u8>> {
    let (send, receive) = channel();
    thread::spawn(move || {
        let mut all = Vec::new();
        pipe.read_to_end(&mut all).unwrap();
        send.send(all)
    });
    receive
}

/// Looks again and again, within a bound, where nothing tells of the event.
#[track_caller]
pub(crate) fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match look() {
            Some(found) => return found,
            None => assert!(Instant::now() < deadline, "in vain: {what}"),
        }
        pause();
    }
}

/// Between two looks: the machine is not ours alone.
fn pause() {
    thread::park_timeout(Duration::from_millis(5));
}

/// The program that PATH finds.
pub(crate) fn real_program(name: &str) -> String {
    let path = std::env::var("PATH").unwrap();
    let mut places = path.split(':').map(|folder| Path::new(folder).join(name));
    places.find(|place| place.exists()).unwrap_or_else(|| panic!("no {name} on PATH")).display().to_string()
}

/// Does it run? Gone and zombie are the same.
pub(crate) fn lives(pid: Pid) -> bool {
    swarm::host::process::stat(pid.as_raw()).is_ok_and(|stat| !stat.zombie)
}

/// Waits for its end.
#[track_caller]
pub(crate) fn is_over(pid: Pid) {
    until(&format!("the end of {pid}: {}", command_line(pid)), || (!lives(pid)).then_some(()));
}

/// What a process was started with.
pub(crate) fn command_line(pid: Pid) -> String {
    let bytes = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    String::from_utf8_lossy(&bytes).replace('\0', " ").trim_end().to_owned()
}

fn is_tmux(pid: i32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name.starts_with("tmux"))
}

/// Does the whole text match?
#[track_caller]
pub(crate) fn matches(text: &str, pattern: &str) {
    let whole = regex::Regex::new(&format!("(?s)^(?:{pattern})$")).unwrap();
    assert!(whole.is_match(text), "{text:?} is not {pattern:?}");
}
