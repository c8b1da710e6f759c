//! The verbs of the workers, by the table of the contract: verb by verb, flag by flag, in a process and in a window;
//! what is printed, to which stream, with which exit code.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a test says what is wrong by panicking"
)]

#[path = "support/fleet.rs"]
mod fleet;
#[path = "support/meeting.rs"]
mod meeting;
#[path = "support/scratch.rs"]
mod scratch;

use fleet::{Fleet, HOLD, MODES, Started, is_over, lives, matches, tell, until};
use nix::sys::signal::{Signal, kill};
use serde_json::{Value, json};
use std::path::Path;

/// Without the `swarm: error: ` before it.
fn not_found(name: &str) -> String {
    format!("worker '{name}' not found")
}

// ---- spawn

#[test]
fn spawn_says_the_pid_of_the_worker() {
    let fleet = Fleet::new();
    let said = fleet.sleeper(&[], "one", &[]);
    let pid = fleet.worker("one");
    assert_eq!(said, format!("spawned one (pid: {pid})\n"));
    assert_eq!(fleet::command_line(pid), "sleep 300");
    assert_eq!(std::fs::read_link(format!("/proc/{pid}/cwd")).unwrap(), fleet.repo().canonicalize().unwrap());
    fleet.ok(&["kill", "one"]);
    fleet.nobody_is_left();
}

#[test]
fn spawn_says_the_window() {
    let fleet = Fleet::new();
    let said = fleet.sleeper(&["--tmux"], "one", &[]);
    matches(&said, r"spawned one \(tmux: swarm-[0-9a-f]{8}:one\)\n");
    let session = fleet.entry("one")["tmux"]["session"].as_str().unwrap().to_owned();
    assert_eq!(fleet.windows(), [format!("{session}:one")]);
    // The session is the state folder's.
    assert_eq!(fleet.sleeper(&["--tmux"], "two", &[]), format!("spawned two (tmux: {session}:two)\n"));
    assert_eq!(fleet.windows(), [format!("{session}:one"), format!("{session}:two")]);
    let other = Fleet::new();
    other.sleeper(&["--tmux"], "one", &[]);
    assert_ne!(other.entry("one")["tmux"]["session"], session.as_str());
    fleet.ok(&["kill", "--all"]);
    assert!(fleet.windows().is_empty());
    fleet.nobody_is_left();
}

#[test]
fn spawn_into_a_session_and_a_server_by_name() {
    let fleet = Fleet::new();
    let said = fleet.sleeper(&["--tmux", "--session", "mine", "--tmux-socket", "other"], "one", &[]);
    assert_eq!(said, "spawned one (tmux: mine:one)\n");
    assert!(fleet.windows().is_empty(), "it is on the default server");
    assert_eq!(
        fleet.tmux(&["-L", "other", "list-windows", "-a", "-F", "#{session_name}:#{window_name}"]),
        "mine:one\n"
    );
    let tmux = &fleet.entry("one")["tmux"];
    assert_eq!((&tmux["session"], &tmux["window"], &tmux["socket"]), (&json!("mine"), &json!("one"), &json!("other")));
    assert_eq!(fleet.standings(), [("one".into(), "running".into())]);
    fleet.ok(&["peek", "one"]);
    fleet.ok(&["send", "one", "words"]);
    assert_eq!(fleet.ok(&["kill", "one"]), "killed one\n");
    assert_eq!(fleet.standings(), [("one".into(), "stopped".into())]);
    fleet.nobody_is_left();
}

#[test]
fn spawn_writes_the_entry_of_the_contract() {
    for mode in MODES {
        let fleet = Fleet::new();
        let flags = ["--tag", "red", "--tag", "blue", "--env", "SECRET=hidden", "--env", "EMPTY="];
        fleet.sleeper(mode, "one", &flags);
        let state = fleet.state();
        assert_eq!(state["version"], 1);
        let entry = fleet.entry("one");
        assert_eq!(entry["status"], "running");
        assert_eq!(entry["cmd"], json!(["sleep", "300"]));
        assert_eq!(entry["cwd"], fleet.repo().canonicalize().unwrap().to_str().unwrap());
        assert_eq!(entry["env"], json!({"SECRET": "", "EMPTY": ""}));
        assert_eq!(entry["tags"], json!(["red", "blue"]));
        assert_eq!(entry["worktree"], Value::Null);
        assert_eq!(entry["metadata"], json!({}));
        assert_eq!(entry["tmux"].is_null(), mode.is_empty());
        assert_eq!(entry["pid"].is_i64(), mode.is_empty(), "the predecessor's: null in a window");
        let started: jiff::Timestamp = entry["started"].as_str().unwrap().parse().expect("a time with its zone");
        assert!(jiff::Timestamp::now().duration_since(started).as_secs() < 60);
        let bytes = std::fs::read_to_string(fleet.state_file()).unwrap();
        let keys = ["name", "status", "cmd", "started", "cwd", "env", "tags", "tmux", "worktree", "pid", "metadata"];
        let places = keys.map(|key| bytes.find(&format!("\n      \"{key}\": ")).unwrap_or_else(|| panic!("no {key}")));
        assert!(places.is_sorted(), "the contract's order: {bytes}");
        assert!(
            bytes.starts_with("{\n  \"version\": 1,\n  \"workers\": [\n    {\n      \"name\": \"one\",\n"),
            "{bytes}"
        );
        let mode_of = |path: &Path| std::os::unix::fs::PermissionsExt::mode(&path.metadata().unwrap().permissions());
        assert_eq!(mode_of(&fleet.state_file()) & 0o777, 0o600);
        fleet.ok(&["kill", "one"]);
        fleet.nobody_is_left();
    }
}

#[test]
fn spawn_as_json() {
    for mode in MODES {
        let fleet = Fleet::new();
        let told = fleet.spawn(mode, "one", &["--json"], &["sleep", "300"]);
        assert_eq!((told.code, told.err.as_str()), (0, ""), "{told:#?}");
        let said = told.json();
        assert_eq!((&said["name"], &said["status"]), (&json!("one"), &json!("running")));
        assert_eq!(said["tmux"].is_null(), mode.is_empty());
        fleet.ok(&["kill", "one"]);
    }
}

#[test]
fn spawn_refuses_with_the_predecessors_words() {
    let fleet = Fleet::new();
    let none = "no command provided (use -- command...)";
    fleet.refused(&["spawn", "--name", "one"], 2, none);
    fleet.refused(&["spawn", "--name", "one", "--"], 2, none);
    fleet.refused(&["spawn", "--name", "one", "--", "--"], 2, none);
    let words = "invalid env format 'X' (expected KEY=VAL)";
    fleet.refused(&["spawn", "--name", "one", "--env", "X", "--", "true"], 2, words);
    let told = fleet.run(&["spawn", "--", "true"]);
    assert_eq!(told.code, 2, "{told:#?}");
    assert!(told.err.starts_with("swarm: error: ") && told.err.contains("--name"), "{told:#?}");
    let told = fleet.run(&["spawn", "--name", "one", "--nonsense", "--", "true"]);
    assert_eq!(told.code, 2, "{told:#?}");
    let mut outside = fleet.swarm(&["spawn", "--name", "one", "--worktree", "--", "true"]);
    outside.current_dir(fleet.path("home"));
    let told = tell(outside);
    assert_eq!(told.code, 1, "{told:#?}");
    assert_eq!(told.errors(), ["not in a git repository (required for --worktree)"]);
    assert!(!fleet.path("home-worktrees").exists());
    assert_eq!(fleet.ok(&["ls"]), "", "nothing was made");
    for mode in MODES {
        fleet.sleeper(mode, "one", &[]);
        let before = fleet.things();
        for again in MODES {
            let arguments = [&["spawn", "--name", "one", "--worktree"], again, &["--", "true"]].concat();
            fleet.refused(&arguments, 1, "worker 'one' already exists");
        }
        assert_eq!(fleet.things(), before);
        // A stopped one has its name still.
        fleet.ok(&["kill", "one"]);
        fleet.refused(&["spawn", "--name", "one", "--", "true"], 1, "worker 'one' already exists");
        assert_eq!(fleet.ok(&["clean", "one"]), "cleaned one\n");
    }
    fleet.nobody_is_left();
}

#[test]
fn what_comes_later_says_so() {
    let fleet = Fleet::new();
    let spawn = ["spawn", "--name", "one", "--heartbeat", "5m", "--", "true"];
    for arguments in [&["ralph", "spawn"][..], &["heartbeat", "ls"], &spawn] {
        let told = fleet.run(arguments);
        assert_eq!((told.code, told.errors().len()), (2, 1), "{told:#?}");
        assert!(told.err.contains("not in this version"), "{told:#?}");
    }
}

#[test]
fn one_leading_dash_dash_of_the_command_is_dropped() {
    for mode in MODES {
        let fleet = Fleet::new();
        fleet.run(&[&["spawn", "--name", "one"], mode, &["--", "--", "sleep", "300"]].concat());
        assert_eq!(fleet.entry("one")["cmd"], json!(["sleep", "300"]));
        // The command's own options are the command's.
        fleet.spawn(mode, "two", &[], &["sh", "-c", "sleep 300", "--", "--name", "--all"]);
        assert_eq!(fleet.entry("two")["cmd"], json!(["sh", "-c", "sleep 300", "--", "--name", "--all"]));
        fleet.ok(&["kill", "--all"]);
        fleet.nobody_is_left();
    }
}

#[test]
fn long_options_may_be_shortened_and_stand_after_positionals() {
    let fleet = Fleet::new();
    let told = fleet.run(&["spawn", "--nam", "one", "--tmux", "--sess", "mine", "--ta", "red", "--", "sleep", "300"]);
    assert_eq!((told.code, told.out.as_str()), (0, "spawned one (tmux: mine:one)\n"), "{told:#?}");
    assert_eq!(fleet.ok(&["ls", "--for", "names", "--stat", "running", "--ta", "red"]), "one\n");
    fleet.ok(&["status", "one", "--js"]);
    fleet.ok(&["peek", "one", "--li", "3"]);
    assert_eq!(fleet.ok(&["send", "one", "words", "--no-e"]), "sent to one\n");
    assert_eq!(fleet.ok(&["kill", "one", "--gr", "2"]), "killed one\n");
    assert_eq!(fleet.ok(&["clean", "one", "--no-rm"]), "cleaned one\n");
    fleet.nobody_is_left();
}

#[test]
fn the_cwd_is_the_callers_or_the_one_that_is_named() {
    for mode in MODES {
        let fleet = Fleet::new();
        let begun = fleet.meeting("begun");
        let say = &["sh", "-c", "pwd -P >$MEET/begun; sleep 300"];
        let repo = fleet.repo().canonicalize().unwrap();
        fleet.spawn(mode, "caller", &[], say);
        assert_eq!(begun.hear().trim_end(), repo.to_str().unwrap());
        std::fs::create_dir(repo.join("sub folder")).unwrap();
        fleet.spawn(mode, "named", &["--cwd", "sub folder"], say);
        assert_eq!(begun.hear().trim_end(), repo.join("sub folder").to_str().unwrap());
        assert_eq!(fleet.entry("named")["cwd"], repo.join("sub folder").to_str().unwrap());
        fleet.spawn(mode, "tree", &["--cwd", "sub folder", "--worktree"], say);
        assert_eq!(begun.hear().trim_end(), fleet.worktree("tree").canonicalize().unwrap().to_str().unwrap());
        fleet.ok(&["kill", "--all"]);
        fleet.nobody_is_left();
    }
}

#[test]
fn a_worktree_beside_the_repository_on_a_branch_of_the_workers_name() {
    for mode in MODES {
        let fleet = Fleet::new();
        fleet.sleeper(mode, "one", &["--worktree"]);
        assert_eq!(fleet.branches(), ["main", "one"]);
        let entry = &fleet.entry("one")["worktree"];
        let path = fleet.worktree("one").canonicalize().unwrap();
        assert_eq!((&entry["path"], &entry["branch"]), (&json!(path.to_str().unwrap()), &json!("one")));
        assert_eq!(entry["base_repo"], fleet.repo().canonicalize().unwrap().to_str().unwrap());
        fleet.sleeper(mode, "two", &["--worktree", "--branch", "feature/x", "--worktree-dir", "../else where"]);
        assert_eq!(fleet.branches(), ["feature/x", "main", "one"]);
        assert!(fleet.worktrees().contains("else where/two\n"), "{}", fleet.worktrees());
        let status = fleet.ok(&["status", "one"]);
        assert!(status.contains(&format!(", worktree {}, ", path.display())), "{status}");
        let listed = fleet.ok(&["ls"]);
        assert!(listed.lines().any(|line| line.contains(path.to_str().unwrap())), "{listed}");
        fleet.ok(&["kill", "--all"]);
        assert!(path.exists(), "kill alone leaves it");
        fleet.nobody_is_left();
    }
}

#[test]
fn an_env_file_and_what_is_always_set() {
    for mode in MODES {
        let fleet = Fleet::new();
        std::fs::write(fleet.path("vars"), "# a comment\n\nFROM_FILE=a b=c\nBOTH=file\n").unwrap();
        let begun = fleet.meeting("begun");
        let file = fleet.path("vars");
        let flags = ["--env-file", file.to_str().unwrap(), "--env", "BOTH=flag"];
        let say = "echo \"$FROM_FILE|$BOTH|$SWARM_WORKER|${SWARM_RUN:+run}|$TRACEPARENT\" >$MEET/begun; sleep 300";
        let told = fleet.spawn(mode, "one", &flags, &["sh", "-c", say]);
        assert_eq!(told.code, 0, "{told:#?}");
        matches(&begun.hear(), r"a b=c\|flag\|one\|run\|00-[0-9a-f]{32}-[0-9a-f]{16}-0[01]\n");
        assert_eq!(fleet.entry("one")["env"], json!({"FROM_FILE": "", "BOTH": ""}));
        fleet.ok(&["kill", "one"]);
    }
    let fleet = Fleet::new();
    let told = fleet.spawn(&[], "one", &["--env-file", "/nonexistent/vars"], &["true"]);
    assert_eq!((told.code, told.errors().len()), (1, 1), "{told:#?}");
    assert!(told.err.contains("/nonexistent/vars"), "{told:#?}");
    assert_eq!(fleet.ok(&["ls"]), "");
}

#[test]
fn spawn_gives_its_streams_back_and_reads_nothing() {
    // `Told` would not come if the worker held what spawn printed on.
    for mode in MODES {
        let fleet = Fleet::new();
        let (begun, go) = fleet.meetings();
        let command =
            ["sh", "-c", "read line; echo \"got $? $line\"; echo words >&2; echo $$ >$MEET/begun; cat $MEET/go"];
        let mut spawn = fleet.swarm(&[&["spawn", "--name", "one"], mode, &["--"], &command].concat());
        std::fs::write(fleet.path("input"), "mine\n").unwrap();
        spawn.stdin(std::fs::File::open(fleet.path("input")).unwrap());
        let told = tell(spawn);
        assert_eq!((told.code, told.err.as_str()), (0, ""), "{told:#?}");
        assert_eq!(told.out.lines().count(), 1, "{told:#?}");
        if !mode.is_empty() {
            fleet.ok(&["send", "one", "hello"]);
        }
        begun.hear();
        go.say("go");
        fleet.wait("one");
        if mode.is_empty() {
            assert_eq!(fleet.ok(&["logs", "one"]), "got 1 \ngo", "its standard input is empty");
        }
    }
}

// ---- ready

#[test]
fn ready_wait_for_a_shell_a_pattern_and_in_vain() {
    let fleet = Fleet::new();
    let told = fleet.spawn(&["--tmux"], "shell", &["--ready-wait"], &["sh"]);
    assert_eq!((told.code, told.err.as_str()), (0, ""), "{told:#?}");
    let script = "echo preparing; cat $MEET/go >/dev/null; echo 'now open for business'; sleep 300";
    let go = fleet.meeting("go");
    let flags = ["--tmux", "--ready-wait", "--ready-pattern", "open for \\w+", "--name", "pattern"];
    let spawn = Started::new(fleet.swarm(&[&["spawn"], &flags[..], &["--", "sh", "-c", script]].concat()));
    until("the window", || fleet.windows().iter().any(|window| window.ends_with(":pattern")).then_some(()));
    assert!(lives(spawn.pid), "it waits");
    go.say("go");
    let told = spawn.finish();
    assert_eq!((told.code, told.err.as_str()), (0, ""), "{told:#?}");
    let never = ["--ready-wait", "--ready-timeout", "1", "--ready-pattern", "never said"];
    let told = fleet.spawn(&["--tmux"], "slow", &never, &["sleep", "300"]);
    assert_eq!(told.code, 0, "{told:#?}");
    assert_eq!(told.warnings(), ["agent 'slow' did not become ready within 1s"], "{told:#?}");
    assert!(told.out.starts_with("spawned slow (tmux: "), "{told:#?}");
    assert_eq!(fleet.standings().last().unwrap().1, "running", "it is left running");
    fleet.ok(&["kill", "--all"]);
    fleet.nobody_is_left();
}

#[test]
fn a_worker_that_dies_ends_the_wait_for_it_at_once() {
    let fleet = Fleet::new();
    let flags = ["--ready-wait", "--ready-timeout", "50", "--ready-pattern", "never said"];
    let told = fleet.spawn(&["--tmux"], "one", &flags, &["sh", "-c", "echo words; exit 3"]);
    assert!(!told.err.contains("within 50s"), "{told:#?}");
    assert!(told.err.contains("'one'") && told.err.contains('3'), "it says how it ended: {told:#?}");
    fleet.nobody_is_left();
}

// ---- ls and status

#[test]
fn ls_is_a_table_names_or_json() {
    let fleet = Fleet::new();
    assert_eq!(fleet.ok(&["ls"]), "");
    assert_eq!(fleet.ok(&["ls", "--format", "names"]), "");
    assert_eq!(fleet.ok(&["ls", "--format", "json"]), "[]\n");
    assert!(!fleet.state_file().exists(), "a look makes no state");
    fleet.sleeper(&[], "proc", &["--tag", "red"]);
    fleet.sleeper(&["--tmux"], "window", &["--tag", "red", "--tag", "blue", "--worktree"]);
    fleet.sleeper(&[], "over", &[]);
    fleet.ok(&["kill", "over"]);
    let table = fleet.ok(&["ls"]);
    let rows: Vec<Vec<&str>> = table.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(rows[0], ["NAME", "STATUS", "PID/WINDOW", "STARTED", "WORKTREE", "TAG"]);
    let pid = fleet.worker("proc").to_string();
    let session = fleet.entry("window")["tmux"]["session"].as_str().unwrap().to_owned();
    let tree = fleet.worktree("window").canonicalize().unwrap();
    let age = rows[1][3];
    matches(age, r"\d+[smhd]");
    assert_eq!(rows[1], ["proc", "running", &pid, age, "-", "red"]);
    let window = format!("{session}:window");
    assert_eq!(rows[2], ["window", "running", &window, rows[2][3], tree.to_str().unwrap(), "red,blue"]);
    assert_eq!((rows[3][0], rows[3][1], rows[3][4], rows[3][5]), ("over", "stopped", "-", "-"));
    assert!(table.lines().all(|line| line == line.trim_end() || line.ends_with(' ')), "{table:?}");
    assert_eq!(fleet.ok(&["ls", "--format", "names"]), "proc\nwindow\nover\n");
    assert_eq!(fleet.ok(&["ls", "--format", "names", "--status", "running"]), "proc\nwindow\n");
    assert_eq!(fleet.ok(&["ls", "--format", "names", "--status", "stopped"]), "over\n");
    assert_eq!(fleet.ok(&["ls", "--format", "names", "--status", "all"]), "proc\nwindow\nover\n");
    assert_eq!(fleet.ok(&["ls", "--format", "names", "--tag", "blue"]), "window\n");
    assert_eq!(fleet.ok(&["ls", "--format", "names", "--tag", "bl"]), "");
    let listed = fleet.listed();
    assert_eq!(listed.len(), 3);
    assert_eq!(listed[0]["cmd"], json!(["sleep", "300"]));
    assert_eq!(fleet.run(&["ls", "--status", "nonsense"]).code, 2);
    assert_eq!(fleet.run(&["ls", "--format", "nonsense"]).code, 2);
    fleet.ok(&["kill", "--all"]);
    fleet.nobody_is_left();
}

#[test]
fn status_of_a_running_a_stopped_and_an_unknown_worker() {
    let fleet = Fleet::new();
    fleet.sleeper(&[], "proc", &[]);
    fleet.sleeper(&["--tmux", "--session", "mine"], "window", &["--worktree"]);
    let pid = fleet.worker("proc");
    matches(&fleet.ok(&["status", "proc"]), &format!(r"proc: running \(pid {pid}, uptime \d+[smhd]\)\n"));
    let tree = regex::escape(fleet.worktree("window").canonicalize().unwrap().to_str().unwrap());
    let line = format!(r"window: running \(tmux window mine:window, worktree {tree}, uptime \d+[smhd]\)\n");
    matches(&fleet.ok(&["status", "window"]), &line);
    let told: Value = serde_json::from_str(&fleet.ok(&["status", "window", "--json"])).unwrap();
    assert_eq!((&told["name"], &told["status"]), (&json!("window"), &json!("running")));
    fleet.ok(&["kill", "--all"]);
    for name in ["proc", "window"] {
        let told = fleet.run(&["status", name]);
        assert_eq!((told.code, told.err.as_str()), (1, ""), "{told:#?}");
        assert!(told.out.starts_with(&format!("{name}: stopped (")), "{told:#?}");
        let told = fleet.run(&["status", name, "--json"]);
        assert_eq!((told.code, &told.json()["status"]), (1, &json!("stopped")), "{told:#?}");
    }
    fleet.refused(&["status", "nobody"], 2, &not_found("nobody"));
    assert_eq!(fleet.run(&["status"]).code, 2);
}

#[test]
fn f25_how_a_worker_ended_is_known() {
    let ends = [("exit 0", "exit", 0), ("exit 3", "exit", 3), ("exit 137", "exit", 137), ("kill -9 $$", "signal", 9)];
    for mode in MODES {
        let fleet = Fleet::new();
        for (index, (script, kind, number)) in ends.into_iter().enumerate() {
            let name = format!("w{index}");
            fleet.spawn(mode, &name, &[], &["sh", "-c", script]);
            fleet.wait(&name);
            let told = fleet.run(&["status", &name]);
            assert_eq!(told.code, 1, "{told:#?}");
            let says = match kind {
                "exit" => format!("exit code {number}"),
                _ => format!("signal {number}"),
            };
            assert!(told.out.contains(&says) || told.out.contains("SIGKILL"), "{script}: {}", told.out);
            let json = fleet.run(&["status", &name, "--json"]).json();
            assert!(json["ended"].to_string().contains(&number.to_string()), "{json:#}");
        }
        fleet.ok(&["clean", "--all"]);
        assert_eq!(fleet.ok(&["ls"]), "");
        fleet.nobody_is_left();
    }
}

// ---- peek

#[test]
fn peek_shows_exactly_the_last_lines() {
    for mode in MODES {
        let fleet = Fleet::new();
        let (begun, go) = fleet.meetings();
        fleet.spawn(mode, "one", &[], &["sh", "-c", "seq 1 50; echo x >$MEET/begun; cat $MEET/go >/dev/null"]);
        begun.hear();
        if !mode.is_empty() {
            fleet.shows("one", "50");
        }
        let lines = |from: u32| (from..=50).map(|number| format!("{number}\n")).collect::<String>();
        assert_eq!(fleet.ok(&["peek", "one"]), lines(21));
        assert_eq!(fleet.ok(&["peek", "one", "-n", "3"]), lines(48));
        assert_eq!(fleet.ok(&["peek", "--lines", "1", "one"]), "50\n");
        assert_eq!(fleet.ok(&["peek", "one", "--lines", "45"]), lines(6), "more than a screen");
        assert_eq!(fleet.ok(&["peek", "one", "--lines", "1000"]), lines(1));
        let told: Value = serde_json::from_str(&fleet.ok(&["peek", "one", "-n", "2", "--json"])).unwrap();
        assert!(told.to_string().contains("\"one\"") && told.to_string().contains("50"), "{told:#}");
        assert_eq!(fleet.run(&["peek", "one", "-n", "-1"]).code, 2);
        assert_eq!(fleet.run(&["peek", "one", "-n", "many"]).code, 2);
        go.say("go");
        fleet.wait("one");
        fleet.refused(&["peek", "one"], 1, "worker 'one' is not running");
        assert_eq!(fleet.ok(&["peek", "one", "--last", "-n", "2"]), lines(49));
    }
}

#[test]
fn peek_of_all_names_each() {
    let fleet = Fleet::new();
    assert_eq!(fleet.ok(&["peek", "--all"]), "");
    let begun = fleet.meeting("begun");
    for (mode, name) in MODES.into_iter().zip(["proc", "window"]) {
        let say = format!("echo I am {name}; echo x >$MEET/begun; sleep 300");
        fleet.spawn(mode, name, &[], &["sh", "-c", &say]);
        begun.hear();
    }
    fleet.shows("window", "I am");
    fleet.spawn(&[], "over", &[], &["echo", "I was"]);
    fleet.wait("over");
    assert_eq!(fleet.ok(&["peek", "--all"]), "=== proc ===\nI am proc\n=== window ===\nI am window\n");
    let last = "=== proc ===\nI am proc\n=== window ===\nI am window\n=== over ===\nI was\n";
    assert_eq!(fleet.ok(&["peek", "--all", "--last"]), last);
    let told: Value = serde_json::from_str(&fleet.ok(&["peek", "--all", "--json"])).unwrap();
    assert_eq!(told.as_array().map(Vec::len), Some(2), "{told:#}");
    fleet.refused(&["peek", "nobody"], 2, &not_found("nobody"));
    fleet.ok(&["kill", "--all"]);
}

#[test]
fn peek_says_what_a_process_worker_says_on_stderr_too() {
    let fleet = Fleet::new();
    let begun = fleet.meeting("begun");
    fleet.spawn(&[], "one", &[], &["sh", "-c", "echo out; echo oops >&2; echo x >$MEET/begun; sleep 300"]);
    begun.hear();
    assert!(fleet.ok(&["peek", "one"]).contains("oops"));
    assert_eq!(fleet.ok(&["logs", "one", "--stderr"]), "oops\n");
    fleet.ok(&["kill", "one"]);
}

// ---- send, interrupt, eof, attach

#[test]
fn send_types_and_enters() {
    let fleet = Fleet::new();
    let begun = fleet.meeting("begun");
    let read = "while read -r line; do echo \"<$line>\" >$MEET/begun; done; echo eof >$MEET/begun";
    fleet.spawn(&["--tmux"], "one", &[], &["sh", "-c", read]);
    assert_eq!(fleet.ok(&["send", "one", "first words"]), "sent to one\n");
    assert_eq!(begun.hear(), "<first words>\n");
    assert_eq!(fleet.ok(&["send", "--no-enter", "one", "half "]), "sent to one\n");
    assert_eq!(fleet.ok(&["send", "one", "whole", "--raw"]), "sent to one\n");
    assert_eq!(begun.hear(), "<half whole>\n");
    // What stood in the line is wiped first.
    fleet.ok(&["send", "one", "rubbish", "--no-enter"]);
    fleet.ok(&["send", "one", "clean"]);
    assert_eq!(begun.hear(), "<clean>\n");
    fleet.ok(&["send", "one", ""]);
    assert_eq!(begun.hear(), "<>\n", "an empty text is Enter alone");
    assert_eq!(fleet.ok(&["eof", "one"]), "sent eof to one\n");
    assert_eq!(begun.hear(), "eof\n");
    fleet.wait("one");
    fleet.refused(&["send", "one", "words"], 1, "worker 'one' is not running");
    fleet.nobody_is_left();
}

#[test]
fn send_to_all_skips_who_cannot_hear() {
    let fleet = Fleet::new();
    let read = "read -r line; echo $line >$MEET/$SWARM_WORKER; sleep 300";
    let meetings: Vec<_> = ["a", "b"].iter().map(|name| fleet.meeting(name)).collect();
    fleet.spawn(&["--tmux"], "a", &[], &["sh", "-c", read]);
    fleet.sleeper(&[], "proc", &[]);
    fleet.spawn(&["--tmux"], "over", &[], &["true"]);
    fleet.wait("over");
    fleet.spawn(&["--tmux"], "b", &[], &["sh", "-c", read]);
    assert_eq!(fleet.ok(&["send", "--all", "to everybody"]), "sent to a\nsent to b\n");
    meetings.iter().for_each(|meeting| assert_eq!(meeting.hear(), "to everybody\n"));
    fleet.ok(&["kill", "--all"]);
    fleet.nobody_is_left();
}

#[test]
fn interrupt_is_ctrl_c_in_the_window() {
    let fleet = Fleet::new();
    let begun = fleet.meeting("begun");
    let script = "trap 'echo $SWARM_WORKER >$MEET/begun; exit 5' INT; echo ready; while :; do sleep 1; done";
    for name in ["a", "b", "c"] {
        fleet.spawn(&["--tmux"], name, &[], &["sh", "-c", script]);
        fleet.shows(name, "ready");
    }
    fleet.sleeper(&[], "proc", &[]);
    assert_eq!(fleet.ok(&["interrupt", "b"]), "interrupted b\n");
    assert_eq!(begun.hear(), "b\n");
    fleet.wait("b");
    let told = fleet.run(&["status", "b"]);
    assert!(told.out.contains('5'), "{told:#?}");
    assert_eq!(fleet.ok(&["interrupt", "--all"]), "interrupted a\ninterrupted c\n");
    // Both may speak at once.
    let mut heard = String::new();
    while !(heard.contains("a\n") && heard.contains("c\n")) {
        heard += &begun.hear();
    }
    fleet.ok(&["kill", "--all"]);
    fleet.nobody_is_left();
}

#[test]
fn verbs_of_windows_refuse_other_workers() {
    let fleet = Fleet::new();
    fleet.sleeper(&[], "proc", &[]);
    fleet.spawn(&["--tmux"], "over", &[], &["true"]);
    fleet.wait("over");
    for verb in [&["send"][..], &["interrupt"], &["eof"], &["attach"]] {
        let with = |name| [verb, &[name], if verb == ["send"] { &["words"][..] } else { &[] }].concat();
        fleet.refused(&with("nobody"), 1, &not_found("nobody"));
        fleet.refused(&with("proc"), 1, "worker 'proc' is not a tmux worker");
        fleet.refused(&with("over"), 1, "worker 'over' is not running");
    }
    fleet.ok(&["kill", "--all"]);
}

#[test]
fn attach_becomes_the_client_of_the_workers_window() {
    let fleet = Fleet::new();
    let begun = fleet.meeting("begun");
    for name in ["one", "two"] {
        let say = format!("echo here is {name}; read -r line; echo \"$line\" >$MEET/begun; sleep 300");
        fleet.spawn(&["--tmux", "--session", "mine"], name, &[], &["sh", "-c", &say]);
        fleet.shows(name, "here is");
    }
    for (flags, name) in [("", "one"), ("--read-only", "two")] {
        let mut shell = fleet.command("script");
        let line = format!("exec '{}' attach {name} {flags}", env!("CARGO_BIN_EXE_swarm"));
        // A keyboard at which nobody types; an end of it would be typed as Ctrl-D.
        let (keys, _keyboard) = std::io::pipe().unwrap();
        shell.args(["-qec", &line, "/dev/null"]).stdin(keys);
        let client = Started::new(shell);
        until("a client", || fleet.tmux(&["list-clients", "-F", "#{session_name}"]).contains("mine").then_some(()));
        let shown = fleet.tmux(&["list-clients", "-F", "#{window_name} #{client_readonly}"]);
        assert_eq!(shown, format!("{name} {}\n", u8::from(!flags.is_empty())));
        fleet.tmux(&["detach-client", "-s", "mine"]);
        let told = client.finish();
        assert_eq!(told.code, 0, "{told:#?}");
        assert!(told.out.contains(&format!("here is {name}")), "{told:#?}");
    }
    fleet.ok(&["send", "one", "words"]);
    assert_eq!(begun.hear(), "words\n", "it was not hurt");
    fleet.ok(&["kill", "--all"]);
    fleet.nobody_is_left();
}

// ---- logs

#[test]
fn logs_of_a_process_worker_are_its_bytes() {
    let fleet = Fleet::new();
    let (begun, go) = fleet.meetings();
    let script = "printf 'a\\000\\377\\n'; seq 1 1500; echo oops >&2; echo x >$MEET/begun; cat $MEET/go; echo end";
    fleet.spawn(&[], "one", &[], &["sh", "-c", script]);
    begun.hear();
    let all = fleet.run(&["logs", "one", "--lines", "5000"]);
    assert!(all.bytes.starts_with(b"a\0\xff\n1\n2\n"), "{:?}", &all.bytes[..20]);
    let last = fleet.ok(&["logs", "one", "--lines", "2"]);
    assert_eq!(last, "1499\n1500\n");
    assert_eq!(fleet.ok(&["logs", "one", "--stderr"]), "oops\n");
    let file = fleet.home().join("logs/one.stdout.log");
    assert!(std::fs::read(file).unwrap().starts_with(b"a\0\xff\n1\n2\n"));
    assert_eq!(std::fs::read(fleet.home().join("logs/one.stderr.log")).unwrap(), b"oops\n");
    let follow = Started::new(fleet.swarm(&["logs", "-f", "--lines", "1", "one"]));
    // It has read what there is once it watches for more.
    let files = || std::fs::read_dir(format!("/proc/{}/fd", follow.pid)).unwrap().flatten();
    let watches =
        |file: std::fs::DirEntry| std::fs::read_link(file.path()).is_ok_and(|to| to.ends_with("anon_inode:inotify"));
    until("a follower at work", || files().any(watches).then_some(()));
    go.say("words\n");
    let told = follow.finish();
    assert_eq!((told.code, told.err.as_str()), (0, ""), "it ends with the worker: {told:#?}");
    assert!(told.out.ends_with("1500\nwords\nend\n"), "{told:#?}");
    fleet.wait("one");
    assert_eq!(fleet.ok(&["logs", "one", "--lines", "2"]), "words\nend\n", "of a stopped one");
    fleet.refused(&["logs", "nobody"], 1, &not_found("nobody"));
}

#[test]
fn logs_of_a_window_are_what_it_showed() {
    let fleet = Fleet::new();
    let (begun, go) = fleet.meetings();
    let script = "seq 1 100; printf '\\033[31mred\\033[0m\\n'; echo x >$MEET/begun; cat $MEET/go; echo end";
    fleet.spawn(&["--tmux"], "one", &[], &["sh", "-c", script]);
    begun.hear();
    fleet.shows("one", "red");
    let shown = fleet.ok(&["logs", "one"]);
    assert!(shown.ends_with("99\n100\nred\n"), "{shown:?}");
    let all = fleet.ok(&["logs", "one", "--history"]);
    assert!(all.starts_with("1\n2\n3\n") && all.ends_with("100\nred\n"), "{all:?}");
    assert_eq!(fleet.ok(&["logs", "one", "--history", "--lines", "2"]), "100\nred\n");
    let follow = Started::new(fleet.swarm(&["logs", "--follow", "one"]));
    go.say("words\n");
    let told = follow.finish();
    assert_eq!(told.code, 0, "the window closed: {told:#?}");
    assert!(told.out.contains("end"), "{told:#?}");
    fleet.wait("one");
    let stopped = fleet.ok(&["logs", "one", "--history"]);
    assert!(stopped.starts_with("1\n2\n3\n") && stopped.ends_with("red\nwords\nend\n"), "{stopped:?}");
    let raw = fleet.run(&["logs", "one", "--raw"]);
    assert!(raw.out.contains("\x1b[31mred"), "{raw:#?}");
    fleet.nobody_is_left();
}

// ---- wait

#[test]
fn wait_for_an_end_and_for_a_time() {
    for mode in MODES {
        let fleet = Fleet::new();
        let (begun, go) = fleet.meetings();
        fleet.hold(mode, "one", &[], &begun);
        let told = fleet.run(&["wait", "one", "--timeout", "0.2"]);
        assert_eq!((told.code, told.out.as_str()), (1, "one: still running (timeout)\n"), "{told:#?}");
        let waiting = Started::new(fleet.swarm(&["wait", "one"]));
        go.say("go");
        let told = waiting.finish();
        assert_eq!((told.code, told.out.as_str()), (0, "one: exited\n"), "{told:#?}");
        assert_eq!(fleet.ok(&["wait", "one"]), "one: exited\n", "of a stopped one it says so again");
        let told = fleet.run(&["wait", "one", "--json"]);
        assert_eq!(told.code, 0, "{told:#?}");
        assert!(told.out.contains("\"one\"") && told.json().to_string().contains("exit"), "{told:#?}");
        fleet.nobody_is_left();
    }
}

#[test]
fn wait_for_several_and_for_all() {
    let fleet = Fleet::new();
    assert_eq!(fleet.ok(&["wait", "--all"]), "");
    let begun = fleet.meeting("begun");
    let pids = [fleet.hold(&[], "proc", &[], &begun), fleet.hold(&["--tmux"], "window", &[], &begun)];
    let told = fleet.run(&["wait", "proc", "window", "--timeout", "0.2"]);
    assert_eq!(told.code, 1, "{told:#?}");
    assert_eq!(told.out, "proc: still running (timeout)\nwindow: still running (timeout)\n");
    let waiting =
        [Started::new(fleet.swarm(&["wait", "--all"])), Started::new(fleet.swarm(&["wait", "window", "proc"]))];
    waiting.iter().for_each(|waiting| waiting.holds(2, "[pidfd]"));
    pids.iter().for_each(|pid| kill(*pid, Signal::SIGTERM).unwrap());
    for waiting in waiting {
        let told = waiting.finish();
        let mut lines: Vec<&str> = told.out.lines().collect();
        lines.sort_unstable();
        assert_eq!((told.code, lines), (0, vec!["proc: exited", "window: exited"]), "{told:#?}");
    }
    fleet.refused(&["wait", "nobody"], 1, &not_found("nobody"));
    fleet.nobody_is_left();
}

// ---- kill and clean

#[test]
fn kill_ends_the_worker_and_keeps_its_entry() {
    for mode in MODES {
        let fleet = Fleet::new();
        fleet.sleeper(mode, "one", &["--tag", "red"]);
        let pid = fleet.worker("one");
        assert_eq!(fleet.ok(&["kill", "one"]), "killed one\n");
        assert!(!lives(pid), "it is over when kill says so");
        assert!(fleet.windows().is_empty());
        assert_eq!(fleet.entry("one")["status"], "stopped");
        assert_eq!(fleet.entry("one")["tags"], json!(["red"]));
        let again = fleet.ok(&["kill", "one"]);
        assert!(again.starts_with("killed one"), "a stopped one is no error, as with the predecessor: {again}");
        fleet.refused(&["kill", "nobody"], 1, &not_found("nobody"));
        fleet.nobody_is_left();
    }
}

#[test]
fn kill_of_several_goes_on_after_one_that_is_unknown() {
    let fleet = Fleet::new();
    for name in ["a", "b"] {
        fleet.sleeper(&[], name, &[]);
    }
    let told = fleet.run(&["kill", "a", "nobody", "b"]);
    assert_eq!((told.code, told.errors()), (1, vec!["worker 'nobody' not found"]), "{told:#?}");
    fleet.ok(&["kill", "--all"]);
    fleet.nobody_is_left();
}

#[test]
fn kill_of_all_is_as_quick_as_the_slowest() {
    let fleet = Fleet::new();
    let begun = fleet.meeting("begun");
    let stubborn = "trap '' TERM HUP; echo $$ >$MEET/begun; while :; do sleep 1; done";
    for (index, mode) in MODES.into_iter().cycle().take(4).enumerate() {
        fleet.spawn(mode, &format!("w{index}"), &[], &["sh", "-c", stubborn]);
        begun.hear();
    }
    let start = std::time::Instant::now();
    let said = fleet.ok(&["kill", "--all", "--grace", "2"]);
    assert!(start.elapsed().as_secs_f64() < 6.0, "one after the other: {:?}", start.elapsed());
    let mut lines: Vec<&str> = said.lines().collect();
    lines.sort_unstable();
    assert_eq!(lines, ["killed w0", "killed w1", "killed w2", "killed w3"]);
    fleet.nobody_is_left();
}

#[test]
fn kill_gives_the_worker_its_grace() {
    for mode in MODES {
        let fleet = Fleet::new();
        let (begun, go) = fleet.meetings();
        let script =
            "trap 'echo bye >$MEET/begun; cat $MEET/go; exit 4' TERM; echo x >$MEET/begun; while :; do sleep 1; done";
        fleet.spawn(mode, "one", &[], &["sh", "-c", script]);
        begun.hear();
        let killing = Started::new(fleet.swarm(&["kill", "one", "--grace", "50"]));
        assert_eq!(begun.hear(), "bye\n");
        go.say("go");
        let told = killing.finish();
        assert_eq!((told.code, told.out.as_str()), (0, "killed one\n"), "{told:#?}");
        let told = fleet.run(&["status", "one"]);
        assert!(told.out.contains('4'), "how it ended is kept: {told:#?}");
        fleet.nobody_is_left();
    }
}

#[test]
fn clean_forgets_a_stopped_worker_with_its_logs() {
    for mode in MODES {
        let fleet = Fleet::new();
        let before = fleet.things();
        fleet.sleeper(mode, "one", &[]);
        fleet.refused(&["clean", "one"], 1, "cannot clean running worker 'one'");
        fleet.ok(&["kill", "one"]);
        assert_eq!(fleet.ok(&["clean", "one"]), "cleaned one\n");
        assert_eq!(fleet.things(), before, "as if it had never been");
        fleet.refused(&["clean", "one"], 1, &not_found("one"));
        fleet.nobody_is_left();
    }
}

#[test]
fn clean_of_all_leaves_the_running_ones() {
    let fleet = Fleet::new();
    assert_eq!(fleet.ok(&["clean", "--all"]), "");
    for mode in MODES {
        let kind = if mode.is_empty() { "proc" } else { "window" };
        fleet.sleeper(mode, &format!("{kind}-a"), &[]);
        fleet.spawn(mode, &format!("{kind}-b"), &[], &["true"]);
        fleet.wait(&format!("{kind}-b"));
    }
    let told = fleet.run(&["clean", "--all"]);
    assert_eq!((told.code, told.out.as_str()), (0, "cleaned proc-b\ncleaned window-b\n"), "{told:#?}");
    assert_eq!(fleet.ok(&["ls", "--format", "names"]), "proc-a\nwindow-a\n");
    fleet.ok(&["kill", "--all"]);
    assert_eq!(fleet.ok(&["clean", "--all"]), "cleaned proc-a\ncleaned window-a\n");
    fleet.nobody_is_left();
}

#[test]
fn a_worktree_goes_with_clean_unless_work_is_in_it() {
    let fleet = Fleet::new();
    let stop = |name: &str, flags: &[&str]| {
        fleet.sleeper(&[], name, &[&["--worktree"], flags].concat());
        fleet.ok(&["kill", name]);
        fleet.worktree(name)
    };
    let tree = stop("plain", &[]);
    assert_eq!(fleet.ok(&["clean", "plain"]), "cleaned plain\n");
    assert!(!tree.exists(), "the default");
    let tree = stop("kept", &[]);
    assert_eq!(fleet.ok(&["clean", "kept", "--no-rm-worktree"]), "cleaned kept\n");
    assert!(tree.exists());

    // Uncommitted work.
    let tree = stop("dirty", &[]);
    std::fs::write(tree.join("draft"), "mine").unwrap();
    let told = fleet.run(&["clean", "dirty"]);
    assert!(tree.join("draft").exists());
    assert!(told.err.contains("draft") && told.err.contains("--force-dirty"), "it says which: {told:#?}");
    assert_eq!((told.code, told.out.as_str()), (1, ""), "{told:#?}");
    assert_eq!(fleet.entry("dirty")["status"], "stopped", "and it is not forgotten");
    assert_eq!(fleet.ok(&["clean", "dirty", "--force-dirty"]), "cleaned dirty\n");
    assert!(!tree.exists());

    // A commit that is nowhere else.
    let tree = stop("commit", &[]);
    fleet.scratch.git(&["-C", tree.to_str().unwrap(), "commit", "--quiet", "--allow-empty", "--message=my own work"]);
    let told = fleet.run(&["clean", "commit"]);
    assert!(tree.exists(), "{told:#?}");
    assert!(told.err.contains("my own work"), "it says which: {told:#?}");

    // The same on no branch at all.
    let tree = stop("detached", &[]);
    let git = |arguments: &[&str]| fleet.scratch.git(&[&["-C", tree.to_str().unwrap()], arguments].concat());
    git(&["checkout", "--quiet", "--detach"]);
    git(&["commit", "--quiet", "--allow-empty", "--message=on no branch"]);
    let told = fleet.run(&["clean", "detached"]);
    assert!(tree.exists() && told.err.contains("on no branch"), "{told:#?}");
    fleet.nobody_is_left();
}

#[test]
fn kill_removes_a_worktree_only_when_it_is_asked() {
    for mode in MODES {
        let fleet = Fleet::new();
        let tree = |name: &str| {
            fleet.sleeper(mode, name, &["--worktree"]);
            fleet.worktree(name)
        };
        let kept = tree("kept");
        fleet.ok(&["kill", "kept"]);
        assert!(kept.exists());
        let gone = tree("gone");
        assert_eq!(fleet.ok(&["kill", "gone", "--rm-worktree"]), "killed gone\n");
        assert!(!gone.exists());
        let dirty = tree("dirty");
        std::fs::write(dirty.join("draft"), "mine").unwrap();
        let told = fleet.run(&["kill", "dirty", "--rm-worktree"]);
        assert!(dirty.join("draft").exists(), "{told:#?}");
        assert!(told.err.contains("draft") && told.err.contains("--force-dirty"), "{told:#?}");
        assert_eq!(fleet.entry("dirty")["status"], "stopped", "it is killed all the same");
        fleet.ok(&["kill", "dirty", "--rm-worktree", "--force-dirty"]);
        assert!(!dirty.exists());
        fleet.nobody_is_left();
    }
}

// ---- respawn

#[test]
fn respawn_keeps_what_the_worker_was() {
    for mode in MODES {
        let fleet = Fleet::new();
        let begun = fleet.meeting("begun");
        let value = "a b\n'\"$HOME;=";
        let say = "printf '%s|%s' \"$VALUE\" \"$(pwd -P)\" >$MEET/begun; sleep 300";
        let session: &[&str] = if mode.is_empty() { &[] } else { &["--session", "mine", "--tmux-socket", "other"] };
        let variable = format!("VALUE={value}");
        let flags = [&["--worktree", "--tag", "red", "--env", &variable], session].concat();
        let told = fleet.spawn(mode, "one", &flags, &["sh", "-c", say]);
        assert_eq!(told.code, 0, "{told:#?}");
        let heard = begun.hear();
        assert!(heard.starts_with(value), "{heard:?}");
        let (before, old) = (fleet.entry("one"), fleet.worker("one"));
        // A running one is ended first.
        for _ in 0..2 {
            let said = fleet.ok(&["respawn", "one"]);
            let pattern =
                if mode.is_empty() { r"respawned one \(pid: \d+\)\n" } else { r"respawned one \(tmux: mine:one\)\n" };
            matches(&said, pattern);
            assert_eq!(begun.hear(), heard, "the same folder and value");
            let after = fleet.entry("one");
            for key in ["cmd", "cwd", "env", "tags", "worktree", "metadata"] {
                assert_eq!(after[key], before[key], "{key}");
            }
            for key in ["session", "window", "socket"] {
                assert_eq!(after["tmux"][key], before["tmux"][key], "{key}");
            }
            assert!(!lives(old));
            fleet.ok(&["kill", "one"]);
        }
        assert_eq!(fleet.state()["workers"].as_array().unwrap().len(), 1);
        fleet.refused(&["respawn", "nobody"], 1, &not_found("nobody"));
        fleet.ok(&["clean", "one"]);
        fleet.nobody_is_left();
    }
}

#[test]
fn what_an_earlier_life_said_is_not_why_a_later_one_ended() {
    let fleet = Fleet::new();
    let script = "test -e $MEET/again || { >$MEET/again; echo 'usage limit reached, resets at 5pm' >&2; }; exit 1";
    fleet.spawn(&[], "one", &[], &["sh", "-c", script]);
    fleet.wait("one");
    assert_eq!(fleet.entry("one")["ended"]["ending"]["ending"], "rate_limited");
    fleet.ok(&["respawn", "one"]);
    fleet.wait("one");
    assert_eq!(fleet.entry("one")["ended"]["ending"]["ending"], "failed", "{}", fleet.entry("one"));
}

#[test]
fn respawn_with_a_fresh_worktree() {
    let fleet = Fleet::new();
    fleet.sleeper(&[], "one", &["--worktree"]);
    let tree = fleet.worktree("one");
    std::fs::write(tree.join("draft"), "mine").unwrap();
    let told = fleet.run(&["respawn", "one", "--clean-first"]);
    assert_eq!(told.code, 1, "{told:#?}");
    assert!(tree.join("draft").exists() && told.err.contains("--force-dirty"), "{told:#?}");
    assert_eq!(fleet.standings(), [("one".into(), "running".into())], "it goes on");
    matches(&fleet.ok(&["respawn", "one", "--clean-first", "--force-dirty"]), r"respawned one \(pid: \d+\)\n");
    assert!(tree.exists() && !tree.join("draft").exists());
    // One that went away is made again.
    fleet.ok(&["kill", "one", "--rm-worktree"]);
    assert!(!tree.exists());
    fleet.ok(&["respawn", "one"]);
    assert!(tree.join("PROMPT.md").exists());
    fleet.ok(&["kill", "one"]);
    fleet.nobody_is_left();
}

#[test]
fn a_respawn_that_fails_forgets_nothing() {
    for mode in MODES {
        let fleet = Fleet::new();
        let script = fleet.path("program");
        std::fs::write(&script, "#!/bin/sh\nexec sleep 300\n").unwrap();
        std::fs::set_permissions(&script, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        let told = fleet.spawn(mode, "one", &["--env", "A=b", "--tag", "red"], &[script.to_str().unwrap()]);
        assert_eq!(told.code, 0, "{told:#?}");
        fleet.ok(&["kill", "one"]);
        let before = fleet.entry("one");
        std::fs::rename(&script, fleet.path("elsewhere")).unwrap();
        let told = fleet.run(&["respawn", "one"]);
        assert_eq!((told.code, told.errors().len()), (1, 1), "{told:#?}");
        let after = fleet.entry("one");
        for key in ["name", "status", "cmd", "cwd", "env", "tags"] {
            assert_eq!(after[key], before[key], "{key}");
        }
        std::fs::rename(fleet.path("elsewhere"), &script).unwrap();
        fleet.ok(&["respawn", "one"]);
        fleet.ok(&["kill", "one"]);
        fleet.nobody_is_left();
    }
}

// ---- what holds of many

#[test]
fn all_and_a_name_exclude_each_other() {
    let fleet = Fleet::new();
    let begun = fleet.meeting("begun");
    let pid = fleet.hold(&["--tmux"], "one", &[], &begun);
    for arguments in [
        &["peek", "one", "--all"][..],
        &["send", "one", "words", "--all"],
        &["interrupt", "one", "--all"],
        &["wait", "one", "--all"],
        &["kill", "one", "--all"],
        &["clean", "--all", "one"],
    ] {
        let told = fleet.run(arguments);
        assert_eq!((told.code, told.errors().len(), told.out.as_str()), (2, 1, ""), "{arguments:?}: {told:#?}");
    }
    assert!(lives(pid));
    for verb in ["peek", "interrupt", "wait", "kill", "clean"] {
        fleet.refused(&[verb], 2, "worker name required (or use --all)");
    }
    let told = fleet.run(&["send"]);
    assert_eq!(told.code, 2, "{told:#?}");
    fleet.ok(&["kill", "one"]);
}

#[test]
fn swarm_dir_and_the_default_folder() {
    let fleet = Fleet::new();
    let run = |name: &str, value: Option<&Path>, arguments: &[&str]| {
        let mut command = fleet.swarm(arguments);
        command.env_remove("SWARM_HOME");
        if let Some(value) = value {
            command.env(name, value);
        }
        tell(command)
    };
    let folder = fleet.path("legacy");
    assert_eq!(run("SWARM_DIR", Some(&folder), &["spawn", "--name", "one", "--", "true"]).code, 0);
    assert!(folder.join("state.json").exists());
    assert_eq!(run("SWARM_DIR", Some(&folder), &["wait", "one"]).out, "one: exited\n");
    assert_eq!(run("NONE", None, &["ls"]).out, "");
    assert_eq!(run("NONE", None, &["spawn", "--name", "two", "--", "true"]).code, 0);
    assert!(fleet.path("home/.swarm/state.json").exists());
    assert_eq!(run("NONE", None, &["wait", "two"]).out, "two: exited\n");
}

#[test]
fn a_worker_that_ends_between_two_looks_is_seen_by_the_next() {
    for mode in MODES {
        let fleet = Fleet::new();
        let begun = fleet.meeting("begun");
        let pid = fleet.hold(mode, "one", &[], &begun);
        assert_eq!(fleet.standings(), [("one".into(), "running".into())]);
        kill(pid, Signal::SIGKILL).unwrap();
        is_over(pid);
        until("the end in ls", || (fleet.standings()[0].1 == "stopped").then_some(()));
        assert_eq!(fleet.entry("one")["status"], "stopped");
        let told = fleet.run(&["status", "one"]);
        assert!(told.out.contains('9') || told.out.contains("KILL"), "{told:#?}");
        fleet.nobody_is_left();
    }
}

#[test]
fn f08_a_grandchild_in_a_session_of_its_own_goes_with_the_worker() {
    for mode in MODES {
        let fleet = Fleet::new();
        let begun = fleet.meeting("begun");
        let script = format!("setsid sh -c '{HOLD}' & wait");
        let told = fleet.spawn(mode, "one", &[], &["sh", "-c", &script]);
        assert_eq!(told.code, 0, "{told:#?}");
        begun.hear();
        assert_eq!(fleet.ok(&["kill", "one"]), "killed one\n");
        fleet.nobody_is_left();
    }
}

#[test]
fn doctor_knows_its_engines_and_what_nobody_owns() {
    let fleet = Fleet::new();
    let told = fleet.run(&["doctor"]);
    assert!(told.out.contains("tmux") && told.out.contains("git"), "{told:#?}");
    let json = fleet.run(&["doctor", "--json"]).json();
    assert!(json.to_string().contains("tmux"), "{json:#}");
    assert_eq!(fleet.run(&["doctor", "--leaks"]).code, 0);
    // A window of ours that no entry knows.
    fleet.tmux(&["new-session", "-d", "-s", "mine", "-n", "orphan", "sleep 300"]);
    fleet.tmux(&["set-option", "-w", "-t", "=mine:=orphan", "@swarm_worker", "ghost"]);
    let leaks = fleet.run(&["doctor", "--leaks"]);
    assert!(leaks.out.contains("ghost"), "{leaks:#?}");
}
