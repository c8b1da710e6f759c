//! `swarm doctor` and `swarm doctor --leaks`: leaks that were made on purpose are named, and the commands that are told
//! really remove them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test says what is wrong by panicking")]

#[path = "support/scratch.rs"]
mod scratch;

use scratch::Scratch;
use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, SystemTime};
use swarm::host::order::MARK;
use swarm::host::process::{self, PidFd};
use swarm::model::ProcessId;

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(60);

/// A place with a tmux server of its own, gone with the value as the workers are.
struct Bench {
    scratch: Scratch,
}

impl Bench {
    fn new() -> Bench {
        let bench = Bench { scratch: Scratch::new() };
        fs::create_dir(bench.scratch.path("tmux")).unwrap();
        bench
    }

    /// With the folder that the first command makes.
    fn begun() -> Bench {
        let bench = Bench::new();
        ["runs", "workers", "logs", "trees"].iter().for_each(|name| bench.folder(&bench.state().join(name)));
        bench
    }

    fn state(&self) -> PathBuf {
        self.scratch.state()
    }

    fn folder(&self, path: &Path) {
        fs::create_dir_all(path).unwrap();
        fs::set_permissions(self.state(), fs::Permissions::from_mode(0o700)).unwrap();
    }

    /// A program that finds us on its `PATH`.
    fn command(&self, program: &str) -> Command {
        let mut command = self.scratch.command(program);
        let ours = Path::new(env!("CARGO_BIN_EXE_swarm")).parent().unwrap().display();
        command.env("PATH", format!("{ours}:{}", std::env::var("PATH").unwrap()));
        command.env("TMUX_TMPDIR", self.scratch.path("tmux"));
        command
    }

    fn run(&self, program: &str, arguments: &[&str]) -> Output {
        self.command(program).args(arguments).output().unwrap()
    }

    /// The same, and it must succeed.
    fn done(&self, program: &str, arguments: &[&str]) -> String {
        let output = self.run(program, arguments);
        assert!(output.status.success(), "{program} {arguments:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// What `--leaks` finds.
    fn leaks(&self) -> Vec<Value> {
        let output = self.run("swarm", &["doctor", "--leaks", "--json"]);
        let json: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"));
        assert_eq!(json["schema"], 1);
        let leaks = json["leaks"].as_array().unwrap().clone();
        assert_eq!(output.status.code(), Some(i32::from(!leaks.is_empty())), "{output:?}");
        leaks
    }

    /// The only leak there is.
    fn leak(&self) -> Leak {
        let mut leaks = self.leaks();
        assert_eq!(leaks.len(), 1, "{leaks:#?}");
        Leak::of(&leaks.remove(0))
    }

    /// Does what is told to remove a leak.
    fn remove(&self, leak: &Leak) {
        self.done("sh", &["-c", &leak.remove]);
    }

    fn no_leaks(&self) {
        assert_eq!(self.leaks(), Vec::<Value>::new());
        assert_eq!(self.done("swarm", &["doctor", "--leaks"]).lines().next(), Some("no leaks"));
    }

    /// The check of that name.
    fn check(&self, name: &str) -> Value {
        let output = self.run("swarm", &["doctor", "--json"]);
        let json: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"));
        let checks = json["checks"].as_array().unwrap();
        let is_bad = checks.iter().any(|check| check["level"] == "problem");
        assert_eq!(output.status.code(), Some(i32::from(is_bad)), "{output:?}");
        checks.iter().find(|check| check["check"] == name).unwrap_or_else(|| panic!("no {name} in {json:#}")).clone()
    }

    fn level(&self, name: &str) -> String {
        self.check(name)["level"].as_str().unwrap().to_owned()
    }

    /// The worker's entry in the registry.
    fn entry(&self, name: &str) -> Value {
        let state: Value = serde_json::from_slice(&fs::read(self.state().join("state.json")).unwrap()).unwrap();
        let entries = state["workers"].as_array().unwrap();
        entries.iter().find(|entry| entry["name"] == name).unwrap().clone()
    }

    /// A process that says it is of the attempt `1.1` of the run in `folder`, until its input ends.
    fn marked(&self, folder: &Path) -> Child {
        let mut command = self.command("cat");
        command.env(MARK, folder.join("attempts/1.1")).stdin(Stdio::piped()).stdout(Stdio::null());
        command.spawn().unwrap()
    }

    /// A loop's run that is over, by its record.
    fn run_of_loop(&self, settings: Value) -> PathBuf {
        let run = self.state().join("runs/20260101-000000-000-1-0");
        self.folder(&run);
        let record = json!({"schema": 1, "id": "20260101-000000-000-1-0", "name": "night", "tree": self.scratch.repo(),
            "folder": self.scratch.repo(), "created": 0, "settings": settings});
        fs::write(run.join("run.json"), record.to_string()).unwrap();
        run
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        self.run("tmux", &["kill-server"]);
        if self.state().join("state.json").exists() {
            self.run("swarm", &["kill", "--all", "--grace", "0"]);
        }
    }
}

struct Leak {
    kind: String,
    what: String,
    why: String,
    remove: String,
}

impl Leak {
    fn of(json: &Value) -> Leak {
        let text = |key: &str| json[key].as_str().unwrap_or_else(|| panic!("no {key} in {json}")).to_owned();
        Leak { kind: text("kind"), what: text("what"), why: text("why"), remove: text("remove") }
    }
}

/// What somebody needed for a moment, an hour ago.
fn age(path: &Path) {
    let hour_ago = SystemTime::now() - Duration::from_secs(3600);
    fs::File::open(path).unwrap().set_modified(hour_ago).unwrap();
}

fn id(json: &Value) -> ProcessId {
    serde_json::from_value(json.clone()).unwrap()
}

/// Waits for the end of a process that is not our child.
fn until_gone(id: &ProcessId) {
    if let Some(held) = PidFd::open(id).unwrap() {
        assert!(held.wait(PATIENCE), "{id:?} lives");
    }
}

#[test]
fn a_healthy_home_is_told_so() {
    let bench = Bench::new();
    assert_eq!(bench.level("state folder"), "ok");
    assert!(!bench.state().exists(), "doctor makes nothing");
    bench.no_leaks();
    bench.done("swarm", &["spawn", "--name", "bare", "--", "sleep", "300"]);
    bench.done("swarm", &["spawn", "--name", "shown", "--tmux", "--worktree", "--", "sleep", "300"]);
    for name in ["swarm", "kernel", "tmux", "tmux server", "tmux sockets", "git", "state folder", "state.json"] {
        assert_eq!(bench.level(name), "ok", "{}", bench.check(name));
    }
    for name in ["private files", "core.bare", "docker", "clock"] {
        assert_eq!(bench.level(name), "ok", "{}", bench.check(name));
    }
    assert!(bench.check("state.json")["says"].as_str().unwrap().contains("2 workers"));
    assert!(bench.check("tmux server")["says"].as_str().unwrap().contains("1 of workers"));
    bench.no_leaks();
    bench.done("swarm", &["kill", "--all", "--grace", "0"]);
    bench.no_leaks();
    bench.done("swarm", &["clean", "--all"]);
    bench.no_leaks();
}

#[test]
fn every_check_is_one_line_and_one_object() {
    let bench = Bench::new();
    let output = bench.run("swarm", &["doctor"]);
    let text = String::from_utf8(output.stdout).unwrap();
    let json: Value = serde_json::from_slice(&bench.run("swarm", &["doctor", "--json"]).stdout).unwrap();
    assert_eq!(json["schema"], 1);
    let checks = json["checks"].as_array().unwrap();
    assert_eq!(text.lines().count(), checks.len(), "{text}");
    for (line, check) in text.lines().zip(checks) {
        let level = check["level"].as_str().unwrap();
        assert!(["ok", "warning", "problem"].contains(&level), "{check}");
        assert!(line.starts_with(level) && line.contains(check["check"].as_str().unwrap()), "{line}: {check}");
        assert_eq!(check["todo"].is_null(), level == "ok", "{check}");
        assert_eq!(line.contains(" → "), level != "ok", "{line}");
    }
    for agent in ["codex", "gemini"] {
        assert!(bench.check(agent)["says"].as_str().unwrap().contains("unverified"), "{}", bench.check(agent));
    }
}

#[test]
fn agents_are_asked_for_their_version() {
    let bench = Bench::new();
    let folder = bench.scratch.path("bin");
    fs::create_dir(&folder).unwrap();
    let install = |name: &str, script: &str| {
        let path = folder.join(name);
        fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    };
    install("claude", "[ -z \"$CLAUDECODE\" ] && [ \"$1\" = --version ] && echo '9.8.7 (Claude Code)'");
    install("codex", "echo codex-cli 1.2");
    install("gemini", "exit 3");
    let mut command = bench.command("swarm");
    let path = format!("{}:{}", folder.display(), std::env::var("PATH").unwrap());
    let ours = Path::new(env!("CARGO_BIN_EXE_swarm")).parent().unwrap();
    command.env("PATH", format!("{}:{path}", ours.display())).env("CLAUDECODE", "1").args(["doctor", "--json"]);
    let json: Value = serde_json::from_slice(&command.output().unwrap().stdout).unwrap();
    let check = |name: &str| json["checks"].as_array().unwrap().iter().find(|check| check["check"] == name).unwrap();
    let told = |name: &str| (check(name)["level"].as_str().unwrap(), check(name)["says"].as_str().unwrap());
    assert!(matches!(told("claude"), ("ok", says) if says.contains("9.8.7")), "{json:#}");
    assert!(
        matches!(told("codex"), ("warning", says) if says.contains("1.2") && says.contains("unverified")),
        "{json:#}"
    );
    assert!(matches!(told("gemini"), ("warning", says) if says.contains("exit status: 3")), "{json:#}");
}

#[test]
fn the_docker_daemon_is_a_socket() {
    let bench = Bench::new();
    let path = bench.scratch.path("docker.sock");
    let says = |host: &str| {
        let output = bench.command("swarm").args(["doctor"]).env("DOCKER_HOST", host).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        text.lines().find(|line| line.contains("  docker ")).unwrap().to_owned()
    };
    let host = format!("unix://{}", path.display());
    assert!(says(&host).contains("no daemon"));
    let _daemon = std::os::unix::net::UnixListener::bind(&path).unwrap();
    assert!(says(&host).contains("a daemon listens at"));
    assert!(says("tcp://127.0.0.1:9").contains("not tried"));
}

#[test]
fn nothing_is_taken_for_granted() {
    let bench = Bench::new();
    let ours = env!("CARGO_BIN_EXE_swarm");
    for (path, home) in [("", false), ("/nonexistent", false), ("/nonexistent", true)] {
        for arguments in [&["doctor"][..], &["doctor", "--json"], &["doctor", "--leaks"]] {
            let mut command = Command::new(ours);
            command.args(arguments).env_clear().env("PATH", path).current_dir(bench.scratch.repo());
            if home {
                command.env("HOME", bench.scratch.path("home"));
            }
            let output = command.stdin(Stdio::null()).output().unwrap();
            let words = scratch::words(&output);
            assert!(!words.contains("panicked"), "{words}");
            let leaks = arguments.contains(&"--leaks");
            let expected = if leaks && home {
                0
            } else if leaks {
                2
            } else {
                1
            };
            assert_eq!(output.status.code(), Some(expected), "{arguments:?} PATH={path}: {output:?}");
            let text = String::from_utf8(output.stdout).unwrap();
            let says_it = if leaks { !home || text.contains("tmux is not installed") } else { text.contains("git") };
            assert!(says_it, "{text}");
        }
    }
}

#[test]
fn what_is_open_to_others_is_told_with_the_command_that_closes_it() {
    let bench = Bench::begun();
    fs::set_permissions(bench.state(), fs::Permissions::from_mode(0o755)).unwrap();
    let open = bench.state().join("logs/a.stdout.log");
    fs::write(&open, "").unwrap();
    fs::set_permissions(&open, fs::Permissions::from_mode(0o644)).unwrap();
    assert_eq!(bench.level("state folder"), "warning");
    let check = bench.check("private files");
    assert_eq!(check["level"], "problem", "{check}");
    assert!(check["says"].as_str().unwrap().contains("a.stdout.log"), "{check}");
    bench.done("sh", &["-c", bench.check("state folder")["todo"].as_str().unwrap()]);
    assert_eq!(bench.level("private files"), "warning", "nobody comes to it any more");
    bench.done("sh", &["-c", check["todo"].as_str().unwrap()]);
    assert_eq!((bench.level("state folder"), bench.level("private files")), ("ok".into(), "ok".into()));
}

#[test]
fn a_state_folder_that_cannot_be_one() {
    let bench = Bench::new();
    fs::write(bench.state(), "").unwrap();
    assert_eq!(bench.level("state folder"), "problem");
}

#[test]
fn what_is_wrong_with_the_registry_is_told_and_left_alone() {
    let bench = Bench::begun();
    let path = bench.state().join("state.json");
    for (text, says) in
        [("{\"version\": 1, \"workers\": [", "damaged"), ("{\"version\": 99, \"workers\": []}", "version 99")]
    {
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        let check = bench.check("state.json");
        assert_eq!(check["level"], "problem", "{check}");
        assert!(check["says"].as_str().unwrap().contains(says), "{check}");
        assert_eq!(fs::read_to_string(&path).unwrap(), text);
    }
    fs::remove_file(&path).unwrap();
}

#[test]
fn a_repository_made_bare_by_mistake() {
    let bench = Bench::new();
    assert_eq!(bench.level("core.bare"), "ok");
    bench.done("git", &["config", "core.bare", "true"]);
    let check = bench.check("core.bare");
    assert_eq!(check["level"], "problem", "{check}");
    bench.done("sh", &["-c", check["todo"].as_str().unwrap()]);
    assert_eq!(bench.level("core.bare"), "ok");
}

#[test]
fn a_process_whose_run_is_gone() {
    let bench = Bench::begun();
    let mut stranger = bench.marked(&bench.scratch.path("other-home/workers/w"));
    let mut orphan = bench.marked(&bench.state().join("workers/w"));
    let leak = bench.leak();
    assert_eq!((leak.kind.as_str(), leak.what), ("process", format!("{} (cat)", orphan.id())));
    assert!(leak.why.contains("its run is gone"), "{}", leak.why);
    bench.remove(&Leak { what: String::new(), ..leak });
    orphan.wait().unwrap();
    bench.no_leaks();
    drop(stranger.stdin.take());
    stranger.wait().unwrap();
}

#[test]
fn a_process_whose_attempt_is_over_unless_it_was_kept_on_purpose() {
    let bench = Bench::begun();
    let run = bench.run_of_loop(json!({ "keep_children": false }));
    let mut left = bench.marked(&run);
    let leak = bench.leak();
    assert!(leak.why.contains("attempt 1.1 of 'night'") && leak.why.contains("is over"), "{}", leak.why);
    bench.run_of_loop(json!({ "keep_children": true }));
    bench.no_leaks();
    drop(left.stdin.take());
    left.wait().unwrap();
}

#[test]
fn a_worker_that_the_registry_forgot() {
    let bench = Bench::new();
    bench.done("swarm", &["spawn", "--name", "lost", "--", "sh", "-c", "sleep 300 & wait"]);
    let entry = bench.entry("lost");
    let (shim, worker) = (id(&entry["shim"]), id(&entry["worker"]));
    fs::remove_file(bench.state().join("state.json")).unwrap();
    let leaks: Vec<Leak> = bench.leaks().iter().map(Leak::of).collect();
    let told: Vec<&Leak> = leaks.iter().filter(|leak| leak.kind == "process").collect();
    assert!(told.len() >= 3, "shim, shell and its child");
    assert!(told.iter().all(|leak| leak.why.contains("'lost'")));
    let of_shim = told.iter().find(|leak| leak.what.starts_with(&format!("{} ", shim.pid))).expect("the shim");
    bench.remove(of_shim);
    until_gone(&shim);
    assert!(!process::is_alive(&worker));
    let leaks: Vec<Leak> = bench.leaks().iter().map(Leak::of).collect();
    let kinds: Vec<&str> = leaks.iter().map(|leak| leak.kind.as_str()).collect();
    assert_eq!(kinds, ["run", "log"], "its run, its logs");
    leaks.iter().for_each(|leak| bench.remove(leak));
    bench.no_leaks();
}

#[test]
fn what_a_killed_shim_left_is_settled_by_the_next_command() {
    let bench = Bench::new();
    bench.done("swarm", &["spawn", "--name", "cut", "--", "sleep", "300"]);
    let entry = bench.entry("cut");
    let (shim, worker) = (id(&entry["shim"]), id(&entry["worker"]));
    bench.done("sh", &["-c", &format!("kill -KILL {}", shim.pid)]);
    until_gone(&shim);
    let leak = bench.leak();
    assert_eq!(leak.what, format!("{} (sleep 300)", worker.pid));
    assert!(leak.why.contains("lost its shim"), "{}", leak.why);
    assert_eq!(leak.remove, "swarm ls");
    bench.remove(&leak);
    until_gone(&worker);
    bench.no_leaks();
}

#[test]
fn a_window_whose_run_is_not_known() {
    let bench = Bench::new();
    let tmux = |arguments: &[&str]| bench.done("tmux", arguments);
    tmux(&["-f", "/dev/null", "new-session", "-d", "-s", "mine", "-n", "plain", "cat"]);
    tmux(&["new-session", "-d", "-s", "swarm-0badcafe", "-n", "others", "cat"]);
    tmux(&["set-option", "-w", "-t", "=swarm-0badcafe:others", "@swarm_run", "w2"]);
    bench.no_leaks();
    tmux(&["new-window", "-d", "-t", "=mine:", "-n", "gone", "cat"]);
    tmux(&["set-option", "-w", "-t", "=mine:gone", "@swarm_run", "w1"]);
    let leak = bench.leak();
    assert_eq!(leak.kind, "window");
    assert!(leak.what.contains("mine:gone") && leak.why.contains("w1"), "{} {}", leak.what, leak.why);
    bench.remove(&leak);
    bench.no_leaks();
    let left = tmux(&["list-windows", "-a", "-F", "#{window_name}"]);
    assert_eq!(left, "plain\nothers\n", "what is no leak stays");
}

#[test]
fn a_window_on_a_server_that_only_the_registry_names() {
    let bench = Bench::new();
    let socket = bench.scratch.path("tmux/own").display().to_string();
    bench.done("swarm", &["spawn", "--name", "there", "--tmux", "--tmux-socket", &socket, "--", "sleep", "300"]);
    bench.no_leaks();
    let tmux = |arguments: &[&str]| bench.done("tmux", &[&["-S", &socket], arguments].concat());
    tmux(&["new-session", "-d", "-s", "mine", "-n", "gone", "cat"]);
    tmux(&["set-option", "-w", "-t", "=mine:gone", "@swarm_worker", "nobody"]);
    let leak = bench.leak();
    assert!(leak.remove.contains(&socket) && leak.why.contains("nobody"), "{} {}", leak.remove, leak.why);
    bench.remove(&leak);
    bench.no_leaks();
    bench.done("swarm", &["kill", "there", "--grace", "0"]);
}

#[test]
fn a_worktree_without_a_worker() {
    let bench = Bench::new();
    bench.done("git", &["worktree", "add", "--quiet", "-b", "mine", "../elsewhere/mine"]);
    bench.no_leaks();
    bench.done("git", &["worktree", "add", "--quiet", "-b", "lost", "../repo-worktrees/lost"]);
    let mut person = bench.command("cat");
    person.current_dir(bench.scratch.path("repo-worktrees/lost")).stdin(Stdio::piped()).stdout(Stdio::null());
    let mut person = person.spawn().unwrap();
    bench.no_leaks();
    drop(person.stdin.take());
    person.wait().unwrap();
    let leak = bench.leak();
    assert_eq!(leak.kind, "worktree");
    assert!(leak.what.ends_with("repo-worktrees/lost (branch lost)"), "{}", leak.what);
    fs::write(bench.scratch.path("repo-worktrees/lost/work"), "of a night").unwrap();
    let refused = bench.run("sh", &["-c", &leak.remove]);
    assert!(!refused.status.success(), "work is not lost by what we tell people to do");
    fs::remove_file(bench.scratch.path("repo-worktrees/lost/work")).unwrap();
    bench.remove(&leak);
    bench.no_leaks();
    bench.done("git", &["worktree", "add", "--quiet", "../repo-worktrees/lost", "lost"]);
    fs::remove_dir_all(bench.scratch.path("repo-worktrees")).unwrap();
    let leak = bench.leak();
    assert!(leak.why.contains("its folder is gone"), "{}", leak.why);
    bench.remove(&leak);
    bench.no_leaks();
}

#[test]
fn files_of_nobody() {
    let bench = Bench::begun();
    let run = bench.state().join("workers/w1");
    bench.folder(&run);
    let moments =
        ["state.json.tmp", "detach-77.env", "workers/w1/run.json.77.tmp"].map(|name| bench.state().join(name));
    moments.iter().for_each(|path| fs::write(path, "x").unwrap());
    for name in ["old.stdout.log", "old.stderr.log", "note.txt"] {
        fs::write(bench.state().join("logs").join(name), "x").unwrap();
    }
    let kinds = || bench.leaks().iter().map(|leak| Leak::of(leak).kind).collect::<Vec<_>>();
    assert_eq!(kinds(), ["run", "log"], "what was just written is still needed");
    moments.iter().for_each(|path| age(path));
    assert_eq!(kinds(), ["run", "log", "temporary", "temporary", "temporary"]);
    let leaks: Vec<Leak> = bench.leaks().iter().map(Leak::of).collect();
    // The last is in the run's folder, which goes first.
    leaks.iter().filter(|leak| !leak.what.contains("w1/run.json")).for_each(|leak| bench.remove(leak));
    bench.no_leaks();
    assert!(bench.state().join("logs/note.txt").exists(), "what is not ours stays");
}
