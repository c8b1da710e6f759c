//! `spawn --ready-wait` of an agent, by captured screens: ready, a dialog that waits for a person, one that passes, an agent
//! that refuses to run; and what somebody sees who follows such a screen without a terminal.
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

use fleet::{Fleet, Started, Told};
use nix::sys::signal::{Signal, kill};
use std::path::PathBuf;

/// Draws a captured screen on the alternate screen, without the line end that would scroll it.
const DRAW: &str = "draw() { printf '\\033[?1049h\\033[2J\\033[H'; head -c -1 $PANES/$1.txt; }";

fn panes() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/panes")
}

/// A program by the name of the agent, with a script for a life.
fn agent(fleet: &Fleet, script: &str) -> String {
    let path = fleet.path("claude");
    let text = format!("#!/bin/bash\nPANES='{}'\n{DRAW}\n{script}\n", panes().display());
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    path.to_str().unwrap().to_owned()
}

fn spawn(fleet: &Fleet, script: &str) -> Told {
    let agent = agent(fleet, script);
    fleet.spawn(&["--tmux"], "one", &["--ready-wait", "--ready-timeout", "50"], &[&agent])
}

#[test]
fn an_agent_is_ready_when_its_screen_says_so() {
    let fleet = Fleet::new();
    let go = fleet.meeting("go");
    let agent = agent(&fleet, "draw busy; cat $MEET/go >/dev/null; draw ready; sleep 300");
    let flags = ["spawn", "--name", "one", "--tmux", "--ready-wait", "--ready-timeout", "50", "--"];
    let spawn = Started::new(fleet.swarm(&[&flags[..], &[&agent]].concat()));
    go.say("go");
    let told = spawn.finish();
    assert_eq!((told.code, told.err.as_str()), (0, ""), "{told:#?}");
    assert!(fleet.ok(&["peek", "one"]).contains("bypass permissions on"));
    fleet.ok(&["kill", "one"]);
    fleet.nobody_is_left();
}

#[test]
fn a_dialog_that_stays_is_named_before_the_time_is_up() {
    let fleet = Fleet::new();
    let told = spawn(&fleet, "draw trust_dialog; sleep 300");
    assert_eq!((told.code, told.warnings().len(), told.errors().len()), (0, 1, 0), "{told:#?}");
    let warning = told.warnings()[0];
    assert!(warning.starts_with("agent 'one' is not ready: ") && warning.contains("trust"), "{warning}");
    assert!(warning.contains("hasTrustDialogAccepted"), "it says how to avoid it: {warning}");
    assert_eq!(fleet.ok(&["ls", "--format", "names", "--status", "running"]), "one\n");
    fleet.ok(&["kill", "one"]);
}

#[test]
fn a_dialog_that_passes_is_nobodys_business() {
    let fleet = Fleet::new();
    let told = spawn(&fleet, "draw ready_not_logged_in; sleep 0.5; draw ready; sleep 300");
    assert_eq!((told.code, told.err.as_str()), (0, ""), "{told:#?}");
    fleet.ok(&["kill", "one"]);
}

#[test]
fn an_agent_that_refuses_to_run_is_an_error_with_its_reason() {
    let fleet = Fleet::new();
    let told = spawn(&fleet, "cat $PANES/root_refused.txt; exit 1");
    assert_eq!((told.code, told.errors().len()), (1, 1), "{told:#?}");
    assert!(told.err.contains("exit code 1") && told.err.contains("as root"), "{told:#?}");
    assert!(told.err.contains("IS_SANDBOX=1"), "it says what to do: {told:#?}");
    assert_eq!(fleet.ok(&["ls", "--format", "names", "--status", "running"]), "");
    fleet.nobody_is_left();
}

#[test]
fn an_interrupt_ends_the_wait_and_not_the_worker() {
    let fleet = Fleet::new();
    let begun = fleet.meeting("begun");
    let agent = agent(&fleet, "draw busy; echo x >$MEET/begun; sleep 300");
    let flags = ["spawn", "--name", "one", "--tmux", "--ready-wait", "--ready-timeout", "50", "--"];
    let spawn = Started::new(fleet.swarm(&[&flags[..], &[&agent]].concat()));
    begun.hear();
    fleet::until("the wait", || (fleet.run(&["status", "one"]).out.contains(": running (tmux")).then_some(()));
    kill(spawn.pid, Signal::SIGINT).unwrap();
    let told = spawn.finish();
    assert_eq!((told.code, told.errors().len()), (130, 1), "{told:#?}");
    if told.out.starts_with("spawned one") {
        assert_eq!(fleet.ok(&["kill", "one"]), "killed one\n");
    }
    fleet.nobody_is_left();
}

#[test]
fn a_process_is_ready_by_what_it_prints_on_either_output() {
    let fleet = Fleet::new();
    let go = fleet.meeting("go");
    let script = "cat $MEET/go >/dev/null; echo listening on 80 >&2; sleep 300";
    let flags =
        ["spawn", "--name", "one", "--ready-wait", "--ready-timeout", "50", "--ready-pattern", "on \\d+$", "--"];
    let spawn = Started::new(fleet.swarm(&[&flags[..], &["sh", "-c", script]].concat()));
    go.say("go");
    let told = spawn.finish();
    assert_eq!((told.code, told.err.as_str()), (0, ""), "{told:#?}");
    // Without a pattern there is nothing to wait for: it reads nothing.
    let told = fleet.spawn(&[], "two", &["--ready-wait", "--ready-timeout", "50"], &["sleep", "300"]);
    assert_eq!((told.code, told.err.as_str()), (0, ""), "{told:#?}");
    fleet.ok(&["kill", "--all"]);
}

#[test]
fn a_pattern_that_cannot_be_read_is_refused_before_anything_is_made() {
    let fleet = Fleet::new();
    let arguments = ["spawn", "--name", "one", "--ready-wait", "--ready-pattern", "(", "--", "true"];
    fleet.refused(&arguments, 2, "--ready-pattern '(' cannot be read: unclosed group");
    assert_eq!(fleet.ok(&["ls"]), "");
}

#[test]
fn who_follows_a_screen_gets_its_new_lines() {
    let fleet = Fleet::new();
    let go = fleet.meeting("go");
    let script = "draw ready; cat $MEET/go >/dev/null; draw idle_after_answer; printf '\\033[?1049l'; echo bye";
    let told = spawn(&fleet, script);
    assert_eq!((told.code, told.err.as_str()), (0, ""), "{told:#?}");
    let follow = Started::new(fleet.swarm(&["logs", "-f", "one"]));
    go.say("go");
    let told = follow.finish();
    assert_eq!((told.code, told.err.as_str()), (0, ""), "{told:#?}");
    assert!(told.out.contains("bye\n"), "{told:#?}");
    assert_eq!(told.out.matches("Claude Code v").count(), 1, "what stays is shown once: {}", told.out);
    fleet.nobody_is_left();
}
