//! The faults that workers survive, by their numbers in the contract, where they have no better place: who else is busy
//! with a worker, zombies, limits of the system, workers that stand still. (More stand in the other `workers_` tests.)
#![cfg(feature = "testing")]
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

use fleet::{Fleet, HOLD, MODES, Started, is_over, lives, tell, until};
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Gid, Uid, chown};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

/// Says its pid, and heeds neither HUP nor TERM.
const STUBBORN: &str = "trap '' TERM HUP; echo $$ >$MEET/begun; while :; do sleep 1; done";

#[test]
fn f05_two_kills_of_one_worker_are_one_end() {
    for mode in MODES {
        let fleet = Fleet::new();
        let begun = fleet.meeting("begun");
        fleet.spawn(mode, "one", &[], &["sh", "-c", STUBBORN]);
        begun.hear();
        let kills = [(); 3].map(|()| Started::new(fleet.swarm(&["kill", "one", "--grace", "1"])));
        for told in kills.map(Started::finish) {
            assert_eq!((told.code, told.out.as_str()), (0, "killed one\n"), "{told:#?}");
        }
        assert_eq!(fleet.standings(), [("one".into(), "stopped".into())]);
        fleet.nobody_is_left();
    }
}

#[test]
fn f05_a_worker_that_another_command_holds_is_refused_with_its_pid() {
    let fleet = Fleet::new();
    // Another command is waited for as long as the worker may take to end, and a little.
    fleet.sleeper(&[], "one", &["--grace", "0.1"]);
    let run = fleet.entry("one")["run"].as_str().unwrap().to_owned();
    let path = fleet.home().join("workers").join(run).join("lock");
    let lock = std::fs::File::options().read(true).write(true).open(path).unwrap();
    lock.lock().unwrap();
    let told = fleet.run(&["kill", "one", "--grace", "1"]);
    assert_eq!((told.code, told.errors().len(), told.out.as_str()), (73, 1, ""), "{told:#?}");
    // A look needs no lock.
    assert_eq!(fleet.standings(), [("one".into(), "running".into())]);
    lock.unlock().unwrap();
    assert_eq!(fleet.ok(&["kill", "one"]), "killed one\n");
    fleet.nobody_is_left();
}

#[test]
fn f07_a_worker_that_nobody_reaps_is_over_at_once() {
    let mut helper = Command::new(std::env::current_exe().unwrap());
    helper.args(["--ignored", "--exact", "--nocapture", "among_zombies"]);
    assert!(helper.status().unwrap().success());
}

#[test]
#[ignore = "started by another test, in a process that takes orphans in and reaps none"]
fn among_zombies() {
    nix::sys::prctl::set_child_subreaper(true).unwrap();
    let fleet = Fleet::new();
    let begun = fleet.meeting("begun");
    let pid = fleet.hold(&[], "one", &[], &begun);
    let shim = fleet.shim("one");
    for pid in [shim, pid] {
        let _ = kill(pid, Signal::SIGKILL);
        is_over(pid);
    }
    assert!(Path::new(&format!("/proc/{pid}")).exists(), "it is a zombie of this process");
    assert_eq!(fleet.standings(), [("one".into(), "stopped".into())]);
    assert_eq!(fleet.ok(&["wait", "one"]), "one: exited\n");
    assert!(fleet.ok(&["kill", "one"]).starts_with("killed one (it had stopped: "));
    assert_eq!(fleet.ok(&["clean", "one"]), "cleaned one\n");
}

#[test]
fn f08_what_a_worker_started_goes_when_it_exits() {
    for mode in MODES {
        let fleet = Fleet::new();
        let begun = fleet.meeting("begun");
        let script = format!("setsid sh -c '{HOLD}' & echo bye");
        fleet.spawn(mode, "one", &[], &["sh", "-c", &script]);
        fleet.wait("one");
        fleet.nobody_is_left();
        drop(begun);
    }
}

#[test]
fn f08_a_shim_that_is_killed_leaves_nobody_after_the_next_command() {
    for mode in MODES {
        let fleet = Fleet::new();
        let begun = fleet.meeting("begun");
        let script = format!("setsid sh -c '{HOLD}' & wait");
        fleet.spawn(mode, "one", &[], &["sh", "-c", &script]);
        begun.hear();
        let shim = fleet.shim("one");
        kill(shim, Signal::SIGKILL).unwrap();
        is_over(shim);
        fleet.run(&["kill", "one"]);
        assert_eq!(fleet.standings(), [("one".into(), "stopped".into())]);
        fleet.nobody_is_left();
        assert!(fleet.windows().is_empty());
        fleet.ok(&["clean", "one"]);
    }
}

#[test]
fn f10_a_worker_that_ignores_term_is_killed_after_the_grace() {
    for mode in MODES {
        let fleet = Fleet::new();
        let begun = fleet.meeting("begun");
        fleet.spawn(mode, "one", &[], &["sh", "-c", STUBBORN]);
        begun.hear();
        let start = Instant::now();
        assert_eq!(fleet.ok(&["kill", "one", "--grace", "1"]), "killed one\n");
        let took = start.elapsed();
        assert!(took >= Duration::from_secs(1) && took < Duration::from_millis(2500), "{took:?}");
        fleet.nobody_is_left();
    }
}

#[test]
fn f38_a_worker_that_stands_still_ends_all_the_same() {
    for mode in MODES {
        let fleet = Fleet::new();
        let begun = fleet.meeting("begun");
        let pid = fleet.hold(mode, "one", &[], &begun);
        kill(pid, Signal::SIGSTOP).unwrap();
        let start = Instant::now();
        assert_eq!(fleet.ok(&["kill", "one", "--grace", "20"]), "killed one\n");
        assert!(start.elapsed() < Duration::from_secs(10), "TERM is heard once it goes on: {:?}", start.elapsed());
        assert!(!lives(pid));
        fleet.nobody_is_left();
    }
}

/// Whole or not at all, under whatever limit: `told` of a spawn of `one`.
#[track_caller]
fn whole_or_nothing(fleet: &Fleet, told: &fleet::Told, before: &fleet::Things, what: &str) {
    assert!(!told.err.contains("panicked"), "{what}: {told:#?}");
    if told.code == 0 {
        assert_eq!(fleet.standings(), [("one".into(), "running".into())], "{what}");
        fleet.ok(&["kill", "one"]);
        assert_eq!(fleet.ok(&["clean", "one"]), "cleaned one\n", "{what}");
    } else {
        assert!(matches!(told.code, 1 | 74) && told.errors().len() == 1, "{what}: {told:#?}");
    }
    fleet.nobody_is_left_after(what);
    // A clean leaves the folder of the worktrees.
    let _ = std::fs::remove_dir(fleet.path("repo-worktrees"));
    assert_eq!(fleet.things(), *before, "{what}: {told:#?}");
}

#[test]
fn f35_too_few_descriptors_are_a_clear_error() {
    for mode in MODES {
        let fleet = Fleet::new();
        let before = fleet.things();
        let mut refused = 0;
        for limit in (5..32).chain([64]) {
            let inner =
                fleet.swarm(&[&["spawn", "--name", "one", "--worktree"], mode, &["--", "sleep", "300"]].concat());
            let mut command = fleet.command("prlimit");
            command.arg(format!("--nofile={limit}")).arg(inner.get_program()).args(inner.get_args());
            let told = tell(command);
            if told.code != 0 && told.err.starts_with("prlimit") {
                continue;
            }
            refused += u32::from(told.code != 0);
            assert!(limit != 64 || told.code == 0, "64 are enough: {told:#?}");
            whole_or_nothing(&fleet, &told, &before, &format!("{limit} descriptors {mode:?}"));
        }
        assert!(refused > 0, "no limit was too low");
    }
}

#[test]
fn f35_many_workers_and_few_descriptors() {
    let fleet = Fleet::new();
    for number in 0..70 {
        fleet.sleeper(&[], &format!("w{number}"), &[]);
    }
    let limited = |arguments: &[&str]| {
        let mut command = fleet.command("prlimit");
        command.arg("--nofile=64").arg(env!("CARGO_BIN_EXE_swarm")).args(arguments);
        tell(command)
    };
    let told = limited(&["ls", "--format", "names"]);
    assert_eq!((told.code, told.out.lines().count()), (0, 70), "{told:#?}");
    let told = limited(&["wait", "--all", "--timeout", "0.2"]);
    assert!(told.code == 1 && told.errors().len() == 1 && told.err.contains("open files"), "{told:#?}");
    let told = limited(&["kill", "--all"]);
    assert_eq!((told.code, told.out.lines().count()), (0, 70), "{told:#?}");
    fleet.nobody_is_left();
}

#[test]
fn f35_a_worker_that_is_started_again_has_its_callers_limits() {
    let fleet = Fleet::new();
    let begun = fleet.meeting("begun");
    let limited = |arguments: &[&str]| {
        let mut command = fleet.command("prlimit");
        command.arg("--nofile=200:4096").arg(env!("CARGO_BIN_EXE_swarm")).args(arguments);
        assert_eq!(tell(command).code, 0);
        begun.hear()
    };
    let script = "ulimit -Sn >$MEET/begun; exec sleep 300";
    assert_eq!(limited(&["spawn", "--name", "one", "--", "sh", "-c", script]), "200\n");
    assert_eq!(limited(&["respawn", "one"]), "200\n");
    fleet.ok(&["kill", "one"]);
}

/// Gives the whole scratch folder to a user of its own, who has no other process: the limit counts by user.
fn give_away(fleet: &Fleet, user: u32) {
    let root = fleet.path("");
    let mut paths = vec![root.clone()];
    paths.extend(fleet.scratch.below(&root).into_iter().map(|path| root.join(path)));
    paths.iter().for_each(|path| chown(path, Some(Uid::from_raw(user)), Some(Gid::from_raw(user))).unwrap());
}

#[test]
fn f35_a_limit_of_processes_is_a_clear_error() {
    for (mode, user) in MODES.into_iter().zip([51_231, 51_232]) {
        let fleet = Fleet::new();
        // The program that is tested must be one that this user can run.
        let swarm = fleet.path("swarm");
        std::fs::copy(env!("CARGO_BIN_EXE_swarm"), &swarm).unwrap();
        give_away(&fleet, user);
        let run = |limit: u32, arguments: &[&str]| {
            let mut command = fleet.command("setpriv");
            command.args([&format!("--reuid={user}"), &format!("--regid={user}"), "--clear-groups", "prlimit"]);
            command.arg(format!("--nproc={limit}")).arg(&swarm).args(arguments);
            tell(command)
        };
        let mut refused = 0;
        for limit in 2..14 {
            let what = format!("{limit} processes {mode:?}");
            let told = run(limit, &[&["spawn", "--name", "one"], mode, &["--", "sleep", "300"]].concat());
            assert!(!told.err.contains("panicked"), "{what}: {told:#?}");
            if told.code == 0 {
                assert_eq!(run(1000, &["ls", "--format", "names", "--status", "running"]).out, "one\n", "{what}");
                assert_eq!(run(1000, &["kill", "one"]).code, 0, "{what}");
                assert_eq!(run(1000, &["clean", "one"]).code, 0, "{what}");
            } else if !told.err.starts_with("prlimit") && !told.err.starts_with("setpriv") {
                refused += 1;
                assert!(matches!(told.code, 1 | 74) && told.errors().len() == 1, "{what}: {told:#?}");
                assert_eq!(run(1000, &["ls"]).out, "", "{what}: {told:#?}");
            }
            let mut tmux = fleet.command("setpriv");
            tmux.args([
                &format!("--reuid={user}"),
                &format!("--regid={user}"),
                "--clear-groups",
                "tmux",
                "list-windows",
                "-a",
            ]);
            assert_eq!(tell(tmux).out, "", "{what}: {told:#?}");
            until("nobody", || fleet.processes().is_empty().then_some(()));
        }
        assert!(refused > 0, "no limit was too low {mode:?}");
    }
}

#[test]
fn f21_logs_that_vanish_are_reported_and_end_nobody() {
    for mode in MODES {
        let fleet = Fleet::new();
        let (begun, go) = fleet.meetings();
        let script = "echo before; echo x >$MEET/begun; cat $MEET/go; echo after; exit 6";
        fleet.spawn(mode, "one", &[], &["sh", "-c", script]);
        begun.hear();
        std::fs::remove_dir_all(fleet.home().join("logs")).unwrap();
        for arguments in [&["logs", "one"][..], &["peek", "one"], &["peek", "--all"], &["ls"]] {
            let told = fleet.run(arguments);
            assert!(!told.err.contains("panicked") && matches!(told.code, 0 | 1), "{arguments:?}: {told:#?}");
        }
        go.say("words\n");
        fleet.wait("one");
        let told = fleet.run(&["status", "one"]);
        assert!(told.out.contains('6'), "how it ended is known: {told:#?}");
        fleet.ok(&["clean", "one"]);
    }
}

#[test]
fn f33_a_closed_stdout_is_no_panic() {
    let fleet = Fleet::new();
    for number in 0..5 {
        fleet.sleeper(&[], &format!("w{number}"), &[]);
    }
    fleet.spawn(&[], "wordy", &[], &["sh", "-c", "seq 1 200000"]);
    fleet.wait("wordy");
    for line in ["ls", "ls --format json", "peek --all", "logs wordy --lines 200000", "status w1", "kill --all"] {
        let mut shell = fleet.command("bash");
        let pipe = format!("'{}' {line} | true; echo ${{PIPESTATUS[0]}}", env!("CARGO_BIN_EXE_swarm"));
        shell.args(["-c", &pipe]);
        let told = tell(shell);
        assert_eq!((told.out.trim(), told.err.as_str()), ("0", ""), "{line}: {told:#?}");
    }
    fleet.nobody_is_left();
}

#[test]
fn f34_times_of_workers_do_not_hang_on_the_zone() {
    let fleet = Fleet::new();
    let mut spawn = fleet.swarm(&["spawn", "--name", "one", "--", "sleep", "300"]);
    spawn.env("TZ", "Asia/Kathmandu");
    assert_eq!(tell(spawn).code, 0);
    let mut status = fleet.swarm(&["status", "one"]);
    status.env("TZ", "America/Los_Angeles");
    let told = tell(status);
    fleet::matches(&told.out, r"one: running \(pid \d+, uptime \d{1,2}s\)\n");
    fleet.ok(&["kill", "one"]);
}
