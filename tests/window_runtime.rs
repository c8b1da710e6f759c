//! Workers in tmux windows, against a real tmux server of their own.
//!
//! The server is started by the test with an environment that is not ours, and holds a window of "the user", which nothing
//! here may touch. Tests that need a process of their own start this program again with one of the ignored tests at the end.
#![cfg(feature = "testing")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers of tests are tests")]

#[path = "support/processes.rs"]
mod processes;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use processes::{
    DEADLINE, attempt, finish, helper, helper_folder, processes_of, shim_pid, state, wait_until, worker_pid,
};
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::io::Write;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use swarm::host::failpoint;
use swarm::model::{Exit, Found, Handle, Launch, Show, Status, Streams};
use swarm::runtime::process::{ProcessRuntime, Spot};
use swarm::runtime::tmux::{Pane, Server};
use swarm::runtime::{Event, Nudge, Runtime};

const SWARM: &str = env!("CARGO_BIN_EXE_swarm");
const AGENT: &str = env!("CARGO_BIN_EXE_fake-agent");

/// The steps between two of which a supervisor may die, or fail.
fn points(prefixes: &[&str]) -> impl Iterator<Item = &'static str> {
    failpoint::ALL.iter().copied().filter(move |point| prefixes.iter().any(|prefix| point.starts_with(prefix)))
}

/// A folder with a tmux server.
struct Desk {
    folder: PathBuf,
    server: Server,
    /// Ends the server and removes the folder at the end, unless they are somebody else's.
    owned: Option<tempfile::TempDir>,
}

impl Desk {
    /// With a server whose shims pass through the failpoint `armed`.
    fn new(armed: &str) -> Desk {
        let owned = tempfile::tempdir().unwrap();
        let mut desk = Desk::at(owned.path());
        fs::write(desk.folder.join("prompt"), "the prompt\n").unwrap();
        // Longer than the path of a socket may be.
        fs::create_dir_all(desk.run_folder()).unwrap();
        let mut command = desk.tmux(&["-f", "/dev/null", "new-session", "-d", "-s", "w", "-n", "users", "cat"]);
        command.env("OF_SERVER", "1").env("PATH", "/usr/bin:/bin").env(failpoint::VARIABLE, armed);
        assert!(command.status().unwrap().success());
        desk.owned = Some(owned);
        desk
    }

    fn at(folder: &Path) -> Desk {
        let socket = folder.join("tmux");
        Desk { folder: folder.to_owned(), server: Server::new(socket.to_str()), owned: None }
    }

    fn run_folder(&self) -> PathBuf {
        self.folder.join(format!("run-{}", "x".repeat(120)))
    }

    fn tmux(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("tmux");
        command.arg("-S").arg(self.folder.join("tmux")).args(arguments).env_remove("TMUX").env("HOME", &self.folder);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command
    }

    /// Where workers' windows go.
    fn spot(&self) -> Spot {
        Spot {
            server: self.server.clone(),
            session: "w".into(),
            window: "worker".into(),
            worker: "worker".into(),
            run: "r".into(),
            pane_log: Some(self.folder.join("pane.log")),
            cwd: self.folder.clone(),
        }
    }

    /// The windows of ours.
    fn windows(&self) -> Vec<Pane> {
        self.server.panes().unwrap().into_iter().filter(|pane| pane.run.is_some()).collect()
    }

    fn assert_no_window(&self) {
        assert_eq!(self.windows(), []);
        self.assert_users_window();
    }

    fn assert_users_window(&self) {
        assert!(
            self.server.panes().unwrap().iter().any(|pane| pane.window_name == "users"),
            "the user's window is gone"
        );
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        if self.owned.is_some() {
            let _ = self.tmux(&["kill-server"]).status();
        }
    }
}

/// A desk and a runtime that works there.
struct Bench {
    desk: Desk,
    runtime: ProcessRuntime,
}

impl Bench {
    fn new() -> Bench {
        Bench::on(Desk::new(""))
    }

    fn on(desk: Desk) -> Bench {
        let spot = desk.spot();
        let runtime = ProcessRuntime::with_shim_in_window(&desk.run_folder(), spot, Path::new(SWARM)).unwrap();
        Bench { desk, runtime }
    }

    /// The same under a runtime that knows nothing.
    fn renewed(self) -> Bench {
        Bench::on(self.desk)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.desk.folder.join(name)
    }

    /// An interactive worker.
    fn terminal(&self, argv: &[&str]) -> Launch {
        Launch {
            attempt: attempt(1),
            argv: argv.iter().map(OsString::from).collect(),
            cwd: self.desk.folder.clone(),
            env: vec![("FAKE_AGENT_TRACE".into(), Some(self.path("trace").into()))],
            streams: Streams::Terminal,
            keep_children: false,
        }
    }

    fn shell(&self, script: &str) -> Launch {
        self.terminal(&["sh", "-c", script])
    }

    fn agent(&self, script: &str) -> Launch {
        let mut launch = self.terminal(&[AGENT]);
        launch.env.push(("FAKE_AGENT".into(), Some(script.into())));
        launch
    }

    /// A headless worker whose text is shown.
    fn headless(&self, number: u32, script: &str) -> Launch {
        let streams = Streams::Files {
            stdin: self.path("prompt"),
            out: self.path(&format!("{number}.raw")),
            err: self.path(&format!("{number}.err")),
            show: Some(self.show(number)),
        };
        Launch { attempt: attempt(number), streams, ..self.agent(script) }
    }

    /// The text log, from what stands there already on.
    fn show(&self, number: u32) -> Show {
        let log = self.path(&format!("{number}.log"));
        Show { from: log.metadata().map_or(0, |log| log.len()), log }
    }

    async fn launch(&mut self, launch: &Launch) -> Handle {
        self.runtime.launch(launch).await.unwrap()
    }

    async fn next(&mut self, chunk: &mut Vec<u8>) -> Event {
        tokio::time::timeout(DEADLINE, self.runtime.next(chunk)).await.expect("no event in time")
    }

    /// All that the one attempt says, and how it ends.
    async fn the_end(&mut self) -> (Vec<u8>, Exit) {
        let (mut chunk, mut output) = (Vec::new(), Vec::new());
        loop {
            match self.next(&mut chunk).await {
                Event::Output { .. } => output.extend_from_slice(&chunk),
                Event::Ended { exit, .. } => return (output, exit),
                other => panic!("{other:?}"),
            }
        }
    }

    async fn status(&mut self) -> Status {
        let exit = self.the_end().await.1;
        assert!(exit.left.is_empty(), "{exit:?}");
        exit.status
    }

    /// From start to end.
    async fn run(&mut self, launch: &Launch) -> Status {
        self.launch(launch).await;
        self.status().await
    }

    fn wait_for(&self, name: &str) {
        wait_until(name, || self.path(name).exists());
    }

    fn wait_for_text(&self, name: &str, text: &str) {
        wait_until(text, || fs::read_to_string(self.path(name)).is_ok_and(|found| found.contains(text)));
    }

    fn pane(&self) -> String {
        self.runtime.opened().unwrap().pane_id.clone()
    }

    /// What stands in the window.
    fn screen(&self) -> String {
        let pane = self.pane();
        let output = self.desk.tmux(&["capture-pane", "-p", "-t", &pane]).stdout(Stdio::piped()).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    }

    fn wait_for_screen(&self, text: &str) {
        wait_until(text, || self.screen().contains(text));
    }

    /// Types keys, by their names.
    fn press(&self, keys: &[&str]) {
        let pane = self.pane();
        let mut command = self.desk.tmux(&["send-keys", "-t", &pane]);
        assert!(command.args(keys).status().unwrap().success());
    }

    fn close_window(&self) {
        let pane = self.pane();
        assert!(self.desk.tmux(&["kill-window", "-t", &pane]).status().unwrap().success());
    }

    /// Without the runtime nothing is left: no process, no window, no socket.
    fn assert_gone(self) {
        let Bench { desk, runtime } = self;
        drop(runtime);
        assert!(!desk.run_folder().join("w").exists());
        wait_until("the end of the window", || desk.windows().is_empty());
        desk.assert_users_window();
        assert!(desk.tmux(&["kill-server"]).status().unwrap().success());
        wait_until("everybody's end", || processes_of(&desk.folder).is_empty());
    }

    /// How many agents were really started.
    fn starts(&self) -> usize {
        let trace = fs::read_to_string(self.path("trace")).unwrap_or_default();
        trace.lines().filter(|line| line.contains(" start ")).count()
    }
}

#[tokio::test]
async fn an_interactive_worker_has_the_terminal_and_is_in_its_foreground() {
    let mut bench = Bench::new();
    let script = "exec 3>report.new
        [ -t 0 ] && [ -t 1 ] && [ -t 2 ] && echo three >&3
        stty size >&3
        cut -d' ' -f5,8 /proc/$$/stat >&3
        cat /proc/$$/status | grep SigBlk >&3
        (ls /proc/$$/fd | tr '\\n' ' ') >&3
        mv report.new report
        printf 'name? ' > /dev/tty
        read name < /dev/tty
        echo \"hello $name\"
        read rest
        exit 3";
    bench.launch(&bench.shell(script)).await;
    let opened = bench.runtime.opened().unwrap().clone();
    let pane = &bench.desk.windows()[0];
    assert_eq!((pane.worker.as_deref(), pane.run.as_deref()), (Some("worker"), Some("r")));
    assert_eq!((&pane.pane_id, &pane.window_id, pane.pane_pid), (&opened.pane_id, &opened.window_id, opened.pane_pid));
    assert!(!opened.made_session && !bench.desk.run_folder().join("w").exists());
    bench.wait_for_screen("name?");
    bench.press(&["swarm", "Enter"]);
    bench.wait_for_screen("hello swarm");
    // All that was shown is kept, from the first byte.
    bench.wait_for_text("pane.log", "hello swarm");
    assert!(fs::read(bench.path("pane.log")).unwrap().starts_with(b"name? "));
    bench.press(&["Enter"]);
    assert_eq!(bench.status().await, Status::Code(3));
    let report = fs::read_to_string(bench.path("report")).unwrap();
    let lines: Vec<&str> = report.lines().collect();
    assert_eq!(lines[0], "three");
    assert!(lines[1].split_once(' ').is_some_and(|(rows, columns)| rows != "0" && columns != "0"), "{report}");
    assert!(lines[2].split_once(' ').is_some_and(|(own, foreground)| own == foreground), "{report}");
    assert_eq!(lines[3], "SigBlk:\t0000000000000000");
    assert_eq!(lines[4].trim(), "0 1 2 3");
    assert!(matches!(bench.runtime.probe(&attempt(1)).await.unwrap(), Found::Ended(_)));
    bench.assert_gone();
}

#[tokio::test]
async fn f25_endings_are_told_apart() {
    let mut bench = Bench::new();
    for (script, status) in [
        ("exit 0", Status::Code(0)),
        ("exit 137", Status::Code(137)),
        ("kill -9 $$", Status::Signal(9)),
        ("kill -11 $$", Status::Signal(11)),
    ] {
        assert_eq!(bench.run(&bench.shell(script)).await, status, "{script}");
        assert_eq!(bench.desk.windows().len(), 1, "the window waits for the next");
        bench.runtime.discard(&attempt(1)).await.unwrap();
    }
    bench.assert_gone();
}

#[tokio::test]
async fn what_cannot_be_started_leaves_no_window() {
    let mut bench = Bench::new();
    let good = bench.shell("exit 4");
    let cases = [
        ("no-such-program", bench.terminal(&["no-such-program"])),
        ("/no/folder", Launch { cwd: "/no/folder".into(), ..good.clone() }),
    ];
    for (thing, launch) in cases {
        let error = bench.runtime.launch(&launch).await.unwrap_err();
        assert!(error.permanent && error.message.contains(thing), "{error:?}");
        assert!(error.message.contains("No such file"), "{error:?}");
        bench.desk.assert_no_window();
        assert_eq!(bench.runtime.opened(), None);
        assert!(!bench.desk.run_folder().join("attempts/1.1").exists());
        assert_eq!(bench.runtime.probe(&attempt(1)).await.unwrap(), Found::Never);
    }
    assert_eq!(bench.run(&good).await, Status::Code(4));
    bench.assert_gone();
}

#[tokio::test]
async fn a_window_that_cannot_be_opened_is_an_error_in_tmuxs_words() {
    let desk = Desk::new("");
    for (session, shim, words) in
        [("a:b", SWARM, "a:b"), ("w", "/bin/true", "ended at once"), ("w", "/no/shim", "ended at once")]
    {
        let spot = Spot { session: session.into(), ..desk.spot() };
        let runtime = ProcessRuntime::with_shim_in_window(&desk.run_folder(), spot, Path::new(shim));
        let mut bench = Bench { runtime: runtime.unwrap(), desk: Desk::at(&desk.folder) };
        let error = bench.runtime.launch(&bench.shell("exit 0")).await.unwrap_err();
        assert!(error.message.starts_with("failed to create tmux window: "), "{error:?}");
        assert!(error.message.contains(words), "{error:?}");
        assert!(!desk.run_folder().join("attempts/1.1").exists() && !desk.run_folder().join("w").exists());
        desk.assert_no_window();
    }
}

#[tokio::test]
async fn a_window_whose_program_does_not_come_is_closed() {
    let mut bench = Bench::new();
    let shim = bench.path("shim");
    fs::write(&shim, "#!/bin/sh\necho $$ > pid\nexec sleep 60\n").unwrap();
    fs::set_permissions(&shim, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
    // This program is no keeper of output either.
    let spot = Spot { pane_log: None, ..bench.desk.spot() };
    bench.runtime = ProcessRuntime::with_shim_in_window(&bench.desk.run_folder(), spot, &shim).unwrap();
    let error = bench.runtime.launch(&bench.shell("exit 0")).await.unwrap_err();
    assert!(error.message.contains("did not answer") && !error.permanent, "{error:?}");
    bench.desk.assert_no_window();
    let pid = fs::read_to_string(bench.path("pid")).unwrap().trim().parse().unwrap();
    wait_until("its end", || state(pid) == 'X');
}

/// The environment of a process when it was executed.
fn environment(pid: i32) -> BTreeSet<Vec<u8>> {
    let mut bytes = Vec::new();
    // An execution is reported a moment before it is there to be read.
    wait_until("the environment", || {
        bytes = fs::read(format!("/proc/{pid}/environ")).unwrap();
        !bytes.is_empty()
    });
    bytes.split(|&byte| byte == 0).filter(|entry| !entry.is_empty()).map(<[u8]>::to_vec).collect()
}

#[tokio::test]
async fn the_environment_is_ours_byte_for_byte_whatever_the_servers_is() {
    let mut bench = Bench::new();
    let every_byte = OsString::from_vec((1..=255).collect());
    let mut launch = bench.terminal(&["sleep", "60"]);
    launch.env.push(("EVERY_BYTE".into(), Some(every_byte)));
    launch.env.push(("CARGO_MANIFEST_DIR".into(), None));
    let handle = bench.launch(&launch).await;
    let in_window = environment(worker_pid(&handle));
    bench.runtime.nudge(&attempt(1), Nudge::Kill).unwrap();
    assert_eq!(bench.status().await, Status::Signal(9));

    let mut bare = ProcessRuntime::with_shim(&bench.path("bare"), Path::new(SWARM)).unwrap();
    let Launch { streams, .. } = bench.headless(1, "");
    let handle = bare.launch(&Launch { streams, ..launch }).await.unwrap();
    let bare_one = environment(worker_pid(&handle));
    bare.nudge(&attempt(1), Nudge::Kill).unwrap();
    while !matches!(bare.next(&mut Vec::new()).await, Event::Ended { .. }) {}

    let of_the_place = |entry: &&Vec<u8>| {
        let name = entry.split(|&byte| byte == b'=').next().unwrap();
        [&b"TERM"[..], b"COLORTERM", b"TMUX", b"TMUX_PANE", b"SWARM_ATTEMPT"].contains(&name)
    };
    let ours = |all: &BTreeSet<Vec<u8>>| all.iter().filter(|entry| !of_the_place(entry)).cloned().collect::<Vec<_>>();
    // Not assert_eq: it would print them.
    assert!(ours(&in_window) == ours(&bare_one));
    assert!(in_window.iter().any(|entry| entry.starts_with(b"EVERY_BYTE=\x01\x02")));
    let pane = format!("TMUX_PANE={}", bench.pane());
    assert!(in_window.contains(pane.as_bytes()) && in_window.iter().any(|entry| entry.starts_with(b"TERM=")));
    assert!(!in_window.iter().any(|entry| entry.starts_with(b"OF_SERVER") || entry.starts_with(b"CARGO_MANIFEST_DIR")));
    drop(bare);
    bench.assert_gone();
}

#[tokio::test]
async fn a_closed_window_ends_its_worker() {
    let mut bench = Bench::new();
    let launch = bench.agent("setsid-child:60s;touch:up;hang");
    let launch = Launch { cwd: bench.desk.folder.clone(), ..launch };
    bench.launch(&launch).await;
    bench.wait_for("up");
    bench.close_window();
    assert_eq!(bench.status().await, Status::Signal(1));
    bench.assert_gone();
}

#[tokio::test]
async fn f10_a_worker_that_ignores_hup_and_term_ends_with_its_window() {
    let mut bench = Bench::new();
    let stubborn =
        "trap '' HUP TERM; setsid sh -c \"trap '' HUP TERM; sleep 90\" & touch up; while :; do sleep 1; done";
    bench.launch(&bench.shell(stubborn)).await;
    bench.wait_for("up");
    bench.close_window();
    let begun = Instant::now();
    assert_eq!(bench.status().await, Status::Signal(9));
    let taken = begun.elapsed();
    assert!(taken > Duration::from_secs(3) && taken < Duration::from_secs(6), "{taken:?}");
    bench.assert_gone();
}

#[tokio::test]
async fn a_worker_that_hears_term_is_not_killed() {
    let mut bench = Bench::new();
    bench.launch(&bench.shell("trap '' HUP; trap 'exit 9' TERM; touch up; while :; do sleep 0.1; done")).await;
    bench.wait_for("up");
    bench.close_window();
    assert_eq!(bench.status().await, Status::Code(9));
    bench.assert_gone();
}

#[tokio::test]
async fn f31_the_end_of_the_server_is_recorded() {
    let mut bench = Bench::new();
    bench.launch(&bench.shell("touch up; sleep 60 & wait")).await;
    bench.wait_for("up");
    assert!(bench.desk.tmux(&["kill-server"]).status().unwrap().success());
    assert_eq!(bench.status().await, Status::Signal(1));
    assert!(matches!(bench.runtime.probe(&attempt(1)).await.unwrap(), Found::Ended(_)));
    let Bench { desk, runtime } = bench;
    drop(runtime);
    wait_until("everybody's end", || processes_of(&desk.folder).is_empty());
}

#[tokio::test]
async fn f31_a_server_killed_at_once_takes_nothing_with_it_that_is_not_recorded() {
    let mut bench = Bench::new();
    bench.launch(&bench.shell("touch up; sleep 60 & wait")).await;
    bench.wait_for("up");
    let server = bench.runtime.opened().unwrap().life.pid;
    kill(Pid::from_raw(server), Signal::SIGKILL).unwrap();
    assert_eq!(bench.status().await, Status::Signal(1));
    let Bench { desk, runtime } = bench;
    drop(runtime);
    wait_until("everybody's end", || processes_of(&desk.folder).is_empty());
}

#[tokio::test]
async fn ctrl_c_reaches_the_worker_and_not_the_shim() {
    let mut bench = Bench::new();
    let handle = bench.launch(&bench.shell("trap 'touch heard' INT; touch up; while :; do sleep 0.1; done")).await;
    bench.wait_for("up");
    bench.press(&["C-c"]);
    bench.wait_for("heard");
    assert!(swarm::host::process::children(shim_pid(&handle)).contains(&worker_pid(&handle)));
    bench.press(&["C-\\"]);
    assert_eq!(bench.status().await, Status::Signal(3));
    // Nor one that is typed while nothing runs.
    bench.press(&["C-c"]);
    wait_until("the second one", || bench.screen().matches("^C").count() == 2);
    bench.runtime.discard(&attempt(1)).await.unwrap();
    let again = bench.launch(&bench.shell("exit 0")).await;
    assert_eq!(shim_pid(&again), shim_pid(&handle));
    assert_eq!(bench.status().await, Status::Code(0));
    bench.assert_gone();
}

#[tokio::test]
async fn ctrl_z_does_not_leave_it_stopped() {
    let mut bench = Bench::new();
    bench.launch(&bench.shell("trap 'echo going on' CONT; touch up; read a; read b; exit 6")).await;
    bench.wait_for("up");
    bench.press(&["C-z"]);
    bench.wait_for_screen("going on");
    bench.press(&["one", "Enter"]);
    bench.press(&["two", "Enter"]);
    assert_eq!(bench.status().await, Status::Code(6));
    bench.runtime.discard(&attempt(1)).await.unwrap();
    assert_eq!(bench.run(&bench.agent("stop-self;exit:7")).await, Status::Code(7));
    bench.assert_gone();
}

#[tokio::test]
async fn a_worker_that_lost_the_foreground_gets_it_back() {
    let mut bench = Bench::new();
    // An interactive shell puts its job in the foreground, and is killed before it takes it back.
    let script = "bash --norc -ic 'kill -9 $$' 2>/dev/null; echo ready; read line; exit $line";
    bench.launch(&bench.shell(script)).await;
    bench.wait_for_screen("ready");
    bench.press(&["8", "Enter"]);
    assert_eq!(bench.status().await, Status::Code(8));
    bench.assert_gone();
}

#[tokio::test]
async fn f38_a_stopped_worker_ends() {
    let mut bench = Bench::new();
    for (nudge, status) in [(Nudge::Term, Status::Signal(15)), (Nudge::Kill, Status::Signal(9))] {
        let handle = bench.launch(&bench.terminal(&["sleep", "60"])).await;
        bench.runtime.nudge(&attempt(1), Nudge::Suspend).unwrap();
        wait_until("the stop", || state(worker_pid(&handle)) == 'T');
        bench.runtime.nudge(&attempt(1), nudge).unwrap();
        assert_eq!(bench.status().await, status);
        bench.runtime.discard(&attempt(1)).await.unwrap();
    }
    let handle = bench.launch(&bench.terminal(&["sleep", "60"])).await;
    bench.runtime.nudge(&attempt(1), Nudge::Suspend).unwrap();
    wait_until("the stop", || state(worker_pid(&handle)) == 'T');
    bench.runtime.nudge(&attempt(1), Nudge::Continue).unwrap();
    wait_until("the going on", || state(worker_pid(&handle)) != 'T');
    bench.runtime.nudge(&attempt(1), Nudge::Suspend).unwrap();
    wait_until("the stop", || state(worker_pid(&handle)) == 'T');
    bench.close_window();
    assert_eq!(bench.status().await, Status::Signal(1));
    bench.assert_gone();
}

#[tokio::test]
async fn f08_descendants_in_other_sessions_are_gone_at_the_end() {
    let mut bench = Bench::new();
    assert_eq!(bench.run(&bench.agent("setsid-child:60s;child:60s;exit:0")).await, Status::Code(0));
    assert_eq!(processes_of(&bench.desk.run_folder()).len(), 1, "the shim");
    bench.assert_gone();
}

#[tokio::test]
async fn after_the_death_of_the_shim_its_family_is_ended() {
    let mut bench = Bench::new();
    let script = "trap '' HUP TERM; setsid sleep 90 & touch up; while :; do sleep 1; done";
    let handle = bench.launch(&bench.shell(script)).await;
    bench.wait_for("up");
    kill(Pid::from_raw(shim_pid(&handle)), Signal::SIGKILL).unwrap();
    assert_eq!(bench.status().await, Status::Lost);
    assert_eq!(bench.runtime.probe(&attempt(1)).await.unwrap(), Found::Gone);
    bench.assert_gone();
}

#[tokio::test]
async fn a_later_supervisor_ends_what_a_dead_shim_left() {
    let mut bench = Bench::new();
    let handle = bench.launch(&bench.headless(1, "setsid-child:60s;ignore-term;text:up;hang")).await;
    bench.wait_for_text("1.raw", "up\n");
    let mut bench = bench.renewed();
    kill(Pid::from_raw(shim_pid(&handle)), Signal::SIGKILL).unwrap();
    wait_until("its end", || matches!(state(shim_pid(&handle)), 'Z' | 'X'));
    assert_eq!(bench.runtime.probe(&attempt(1)).await.unwrap(), Found::Gone);
    let raw = bench.path("1.raw");
    bench.runtime.adopt(&attempt(1), &raw, 0).await.unwrap();
    assert_eq!(bench.status().await, Status::Lost);
    bench.assert_gone();
}

#[tokio::test]
async fn a_worker_outlives_its_launcher_and_is_adopted() {
    let mut bench = Bench::new();
    let launch = bench.shell("read line; exit 5");
    let handle = bench.launch(&launch).await;
    let pane = bench.pane();
    let mut bench = bench.renewed();
    assert_eq!(bench.runtime.probe(&attempt(1)).await.unwrap(), Found::Alive(handle.clone()));
    assert_eq!(bench.launch(&launch).await, handle, "never started twice");
    assert!(bench.desk.tmux(&["send-keys", "-t", &pane, "x", "Enter"]).status().unwrap().success());
    assert_eq!(bench.status().await, Status::Code(5));
    let bench = bench.renewed();
    wait_until("the end of the window", || bench.desk.windows().is_empty());
    bench.assert_gone();
}

#[tokio::test]
async fn the_last_words_of_a_worker_are_in_the_log_of_its_window() {
    for _ in 0..20 {
        let desk = Desk::new("");
        let log = desk.folder.join("pane.log");
        let go = desk.folder.join("go");
        nix::unistd::mkfifo(&go, nix::sys::stat::Mode::S_IRWXU).unwrap();
        let mut bench = Bench::on(desk);
        let launch = bench.shell("read line < go; seq 1 20000; printf LAST");
        bench.launch(&launch).await;
        let Bench { desk, runtime } = bench;
        // Without a supervisor the window closes as soon as its worker has ended.
        drop(runtime);
        fs::write(go, "\n").unwrap();
        wait_until("the end", || desk.windows().is_empty());
        wait_until("the log's end", || processes_of(&log).is_empty());
        let log = fs::read(log).unwrap();
        let end = String::from_utf8_lossy(&log[log.len().saturating_sub(40)..]).into_owned();
        assert!(end.contains("20000\r\nLAST"), "{end:?}");
    }
}

#[tokio::test]
async fn headless_attempts_share_a_window_that_shows_their_text() {
    let mut bench = Bench::new();
    let mut windows = BTreeSet::new();
    for number in 1..=2 {
        let log = bench.path(&format!("{number}.log"));
        fs::write(&log, "an earlier try\n").unwrap();
        let script = "text:raw;stderr:oops;echo-stdin;env:TERM;run:(: < /dev/tty) 2> /dev/null && echo terminal;exit:3";
        bench.launch(&bench.headless(number, script)).await;
        windows.insert(bench.runtime.opened().unwrap().window_id.clone());
        let (output, exit) = bench.the_end().await;
        assert_eq!(exit.status, Status::Code(3));
        let said = String::from_utf8_lossy(&output);
        assert!(said.starts_with("raw\nthe prompt\n") && !said.contains("terminal"), "{said:?}");
        assert_eq!(fs::read(bench.path(&format!("{number}.raw"))).unwrap(), output);
        assert_eq!(fs::read(bench.path(&format!("{number}.err"))).unwrap(), b"oops\n");
        // As the supervisor does: after the end too.
        let mut log = fs::OpenOptions::new().append(true).open(&log).unwrap();
        writeln!(log, "text of {number}").unwrap();
        bench.wait_for_screen(&format!("text of {number}"));
    }
    assert_eq!(windows.len(), 1);
    let screen = bench.screen();
    let lines: Vec<&str> = screen.lines().filter(|line| !line.is_empty()).collect();
    assert_eq!(lines, ["text of 1", "text of 2"]);
    bench.assert_gone();
}

#[tokio::test]
async fn a_window_that_was_closed_is_opened_anew() {
    let mut bench = Bench::new();
    assert_eq!(bench.run(&bench.headless(1, "text:one")).await, Status::Code(0));
    let first = bench.runtime.opened().unwrap().clone();
    bench.close_window();
    assert_eq!(bench.run(&bench.headless(2, "text:two")).await, Status::Code(0));
    assert_ne!(bench.runtime.opened().unwrap().window_id, first.window_id);
    // And one that is closed in the middle.
    bench.launch(&bench.headless(3, "text:up;hang")).await;
    bench.wait_for_text("3.raw", "up\n");
    bench.close_window();
    assert_eq!(bench.status().await, Status::Signal(1));
    assert_eq!(bench.run(&bench.headless(4, "text:four")).await, Status::Code(0));
    assert_eq!(bench.desk.windows().len(), 1);
    bench.assert_gone();
}

#[tokio::test]
async fn a_terminal_that_takes_nothing_keeps_no_worker_waiting() {
    let mut bench = Bench::new();
    fs::write(bench.path("1.log"), "").unwrap();
    bench.launch(&bench.headless(1, "text:up;wait-file:go;text:done")).await;
    bench.wait_for_text("1.raw", "up\n");
    bench.press(&["C-s"]);
    let mut log = fs::OpenOptions::new().append(true).open(bench.path("1.log")).unwrap();
    for number in 0..20_000 {
        writeln!(log, "line {number} {}", "x".repeat(60)).unwrap();
    }
    writeln!(log, "the last line").unwrap();
    fs::write(bench.path("go"), "").unwrap();
    let (output, exit) = bench.the_end().await;
    assert_eq!((output.as_slice(), exit.status), (&b"up\ndone\n"[..], Status::Code(0)));
    assert!(!bench.screen().contains("the last line"));
    bench.press(&["C-q"]);
    bench.wait_for_screen("the last line");
    bench.assert_gone();
}

#[tokio::test]
async fn what_is_typed_where_only_text_is_shown() {
    let mut bench = Bench::new();
    fs::write(bench.path("1.log"), "").unwrap();
    let handle = bench.launch(&bench.headless(1, "int-exit:4;text:up;wait-file:go;text:on;hang")).await;
    bench.wait_for_text("1.raw", "up\n");
    bench.press(&["C-z"]);
    bench.wait_for_screen("^Z");
    fs::write(bench.path("go"), "").unwrap();
    bench.wait_for_text("1.raw", "on\n");
    bench.press(&["C-c"]);
    assert_eq!(bench.status().await, Status::Code(4));
    assert!(state(shim_pid(&handle)) != 'X');
    bench.assert_gone();
}

#[tokio::test]
async fn modes_that_a_worker_left_are_put_right_for_the_next() {
    let mut bench = Bench::new();
    assert_eq!(bench.run(&bench.shell("stty raw -echo; kill -9 $$")).await, Status::Signal(9));
    bench.runtime.discard(&attempt(1)).await.unwrap();
    bench.launch(&bench.shell("stty -a > modes; read line; exit $line")).await;
    bench.press(&["9", "Enter"]);
    assert_eq!(bench.status().await, Status::Code(9));
    let modes = fs::read_to_string(bench.path("modes")).unwrap();
    assert!(modes.contains(" icanon") && modes.contains(" echo "), "{modes}");
    bench.assert_gone();
}

#[test]
fn f03_a_death_at_any_point_of_a_start_is_recovered_from() {
    for point in points(&["window-", "launch-", "shim-"]) {
        let armed = format!("{point}:abort");
        let desk = Desk::new(&armed);
        let mut command = helper("launcher", &desk.folder);
        command.env(failpoint::VARIABLE, &armed).stdout(Stdio::null());
        let died = finish(command);
        assert_eq!(died.success(), point.starts_with("shim-"), "{point}: {died}");
        // The next shims are to live.
        assert!(desk.tmux(&["set-environment", "-g", "-r", failpoint::VARIABLE]).status().unwrap().success());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(recover(point, desk));
    }
}

/// Goes on as a driver does; in the end the agent ran exactly once, or its one run is known to be lost. Only a start that
/// was reported as failed is repeated.
async fn recover(point: &str, desk: Desk) {
    let mut bench = Bench::on(desk);
    match bench.runtime.probe(&attempt(1)).await.unwrap() {
        Found::Never => {
            wait_until(&format!("{point}: the end of its window"), || bench.desk.windows().is_empty());
            assert_eq!(bench.run(&bench.agent("exit:3")).await, Status::Code(3), "{point}");
        }
        _ => {
            bench.runtime.adopt(&attempt(1), Path::new("/none"), 0).await.unwrap();
            let status = bench.status().await;
            let known = !matches!(point, "shim-before-running" | "shim-before-exited");
            assert_eq!(status, if known { Status::Code(3) } else { Status::Lost }, "{point}");
        }
    }
    let reported = bench.path("launch-failed").exists();
    assert!(bench.starts() <= 1 + usize::from(reported), "{point}: {} starts", bench.starts());
    bench.assert_gone();
}

#[tokio::test]
#[ignore = "started by another test"]
async fn launcher() {
    let mut bench = Bench::on(Desk::at(&helper_folder()));
    let launch = bench.agent("exit:3");
    match bench.runtime.launch(&launch).await {
        Ok(_) => drop(bench.the_end().await),
        Err(_) => fs::write(bench.path("launch-failed"), "").unwrap(),
    }
}

#[test]
fn f36_a_failure_at_any_step_of_a_start_is_rolled_back() {
    for point in points(&["window-", "launch-"]) {
        let desk = Desk::new("");
        let mut command = helper("launch_that_fails_once", &desk.folder);
        command.env(failpoint::VARIABLE, format!("{point}:err"));
        assert!(finish(command).success(), "{point}");
    }
}

#[tokio::test]
#[ignore = "started by another test"]
async fn launch_that_fails_once() {
    let mut bench = Bench::on(Desk::at(&helper_folder()));
    let launch = bench.agent("setsid-child:60s;hang");
    let error = bench.runtime.launch(&launch).await.unwrap_err();
    assert!(error.message.contains("failpoint") && !error.permanent, "{error:?}");
    assert!(!bench.desk.run_folder().join("attempts/1.1").exists());
    assert!(!bench.desk.run_folder().join("w").exists());
    bench.desk.assert_no_window();
    assert_eq!(bench.run(&bench.agent("exit:0")).await, Status::Code(0));
}
