//! Bad input of every kind: a clear error with a hint, the documented exit code, and nothing made.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a test says what is wrong by panicking"
)]

#[path = "support/scratch.rs"]
mod scratch;

use scratch::{Scratch, words};
use std::path::Path;

/// Runs `swarm` with `arguments` after `prepare`, and holds that it fails with `code`, says each of `says`, gives a hint,
/// and leaves nothing behind.
fn refused(prepare: impl FnOnce(&Scratch), arguments: &[&str], code: i32, says: &[&str]) {
    let scratch = Scratch::new();
    prepare(&scratch);
    let before = scratch.below(&scratch.repo());
    let output = scratch.swarm(arguments).output().unwrap();
    let text = words(&output);
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {text}");
    assert!(text.starts_with("swarm: error: "), "{arguments:?}: {text}");
    assert!(text.contains("\n  hint: "), "no hint for {arguments:?}: {text}");
    for word in says {
        assert!(text.contains(word), "{arguments:?} does not say {word:?}: {text}");
    }
    assert!(output.stdout.is_empty(), "{arguments:?}: words on stdout");
    let made: Vec<_> = scratch.below(&scratch.repo()).into_iter().filter(|path| !before.contains(path)).collect();
    assert!(made.is_empty(), "{arguments:?} made {made:?}");
    let runs = scratch.below(&scratch.state().join("runs"));
    assert!(runs.is_empty(), "{arguments:?} made {runs:?}");
}

fn nothing(_: &Scratch) {}

fn toml(text: &'static str) -> impl FnOnce(&Scratch) {
    move |scratch| std::fs::write(scratch.repo().join("swarm.toml"), text).unwrap()
}

/// An agent that is there, so that nothing but the input under test is wrong.
const AGENT: [&str; 2] = ["--", "true"];

fn with_agent<'a>(arguments: &[&'a str]) -> Vec<&'a str> {
    [arguments, &AGENT].concat()
}

#[test]
fn no_prompt() {
    refused(
        |s| std::fs::remove_file(s.repo().join("PROMPT.md")).unwrap(),
        &with_agent(&["loop", "3"]),
        2,
        &["no prompt file at", "PROMPT.md"],
    );
    refused(nothing, &with_agent(&["loop", "3", "OTHER.md"]), 2, &["no prompt file at", "OTHER.md"]);
}

#[test]
fn an_empty_prompt() {
    for text in ["", " \n\t\n"] {
        refused(
            |s| std::fs::write(s.repo().join("PROMPT.md"), text).unwrap(),
            &with_agent(&["loop", "3"]),
            2,
            &["is empty"],
        );
    }
}

#[test]
fn a_folder_as_prompt() {
    refused(nothing, &with_agent(&["loop", "3", "."]), 2, &["is a folder"]);
}

#[test]
fn iterations_that_are_no_number() {
    for text in ["-1", "abc", "1.5", "99999999999", ""] {
        refused(nothing, &with_agent(&["loop", text]), 2, &["iterations", "not a whole number"]);
    }
}

#[test]
fn no_limit_without_anybody_to_stop_it() {
    refused(nothing, &with_agent(&["loop"]), 2, &["no limit", "--no-limit"]);
    refused(nothing, &with_agent(&["loop", "0"]), 2, &["no limit"]);
}

#[test]
fn an_unknown_agent() {
    refused(nothing, &["loop", "3", "--agent", "hal9000"], 2, &["hal9000", "claude, codex, gemini"]);
    refused(nothing, &["loop", "3", "--agent", "plain"], 2, &["needs a command"]);
}

#[test]
fn an_agent_that_is_not_installed() {
    refused(nothing, &["loop", "3", "--", "no-such-agent"], 2, &["not installed", "no-such-agent"]);
    let scratch = Scratch::new();
    let output = scratch.swarm(&["loop", "3"]).env("PATH", "/nonexistent").output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(words(&output).contains("npm install -g @anthropic-ai/claude-code"), "{}", words(&output));
}

#[test]
fn a_log_folder_that_cannot_be_written() {
    // A file in its place: root may write into any folder, so permissions would prove nothing here.
    let occupy = |s: &Scratch| std::fs::write(s.repo().join(".loop-logs"), "").unwrap();
    refused(occupy, &with_agent(&["loop", "3"]), 74, &["log folder", ".loop-logs"]);
}

#[test]
fn a_state_folder_that_cannot_be_made() {
    let scratch = Scratch::new();
    std::fs::write(scratch.state(), "").unwrap();
    let output = scratch.swarm(&with_agent(&["loop", "3"])).output().unwrap();
    assert_eq!(output.status.code(), Some(74), "{}", words(&output));
    assert!(words(&output).contains("SWARM_HOME"), "{}", words(&output));
}

#[test]
fn bad_values() {
    for (arguments, says) in [
        (["--done-pattern", "("], "no regular expression"),
        (["--done-match", "sometimes"], "none of the rules"),
        (["--idle-timeout", "soon"], "not a length of time"),
        (["--max-time", "-5m"], "not a length of time"),
        (["--max-cost", "lots"], "not an amount"),
        (["--max-failures", "x"], "not a whole number"),
        (["--format", "xml"], "no format"),
        (["--plan", "NO_PLAN.md"], "no plan at"),
        (["--push=maybe", "--no-limit"], "neither on nor off"),
    ] {
        refused(nothing, &with_agent(&["loop", "3", arguments[0], arguments[1]]), 2, &[says]);
    }
}

#[test]
fn a_cost_limit_that_the_agent_cannot_keep() {
    refused(nothing, &with_agent(&["loop", "3", "--max-cost", "5"]), 2, &["does not report what it costs"]);
}

#[test]
fn bad_files() {
    refused(toml("[loop]\nmax_time = 3\n"), &with_agent(&["loop", "3"]), 2, &["swarm.toml", "unknown key", "max-time"]);
    refused(toml("[loop\n"), &with_agent(&["loop", "3"]), 2, &["swarm.toml"]);
    refused(toml("[loop]\non-event = 'rm -rf /'\n"), &with_agent(&["loop", "3"]), 2, &["may not be set by a project"]);
    refused(
        |s| std::fs::write(s.repo().join("swarm.toml"), [0xff, 0xfe, 0]).unwrap(),
        &with_agent(&["loop", "3"]),
        2,
        &["swarm.toml"],
    );
}

#[test]
fn the_sandbox_is_never_left_out_in_silence() {
    let scratch = Scratch::new();
    let output = scratch.swarm(&with_agent(&["loop", "3"])).env("SANDBOX", "1").output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(words(&output).contains("not started bare"), "{}", words(&output));
}

#[test]
fn unknown_words() {
    refused(nothing, &["loop", "3", "--frobnicate"], 2, &["--frobnicate"]);
    refused(nothing, &["frobnicate"], 2, &["frobnicate"]);
    refused(nothing, &["loop", "status", "nobody"], 1, &["'nobody' not found"]);
    refused(nothing, &["loop", "stop", "nobody"], 1, &["'nobody' not found"]);
    refused(nothing, &["explain", "nobody"], 1, &["'nobody' not found"]);
    refused(nothing, &["loop", "--resume"], 1, &["no loop was ever started"]);
    refused(nothing, &["loop", "--resume", "nobody"], 1, &["'nobody' not found"]);
    assert!(Path::new(env!("CARGO_BIN_EXE_swarm")).exists());
}

/// The run's record could not name such a folder: refused before a log folder or a run is made.
#[test]
fn a_folder_whose_name_is_not_utf8() {
    use std::os::unix::ffi::OsStrExt;
    let scratch = Scratch::new();
    let folder = scratch.repo().join(std::ffi::OsStr::from_bytes(b"caf\xe9"));
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("PROMPT.md"), "Work. End with /done\n").unwrap();
    let output = scratch.swarm(&with_agent(&["loop", "1"])).current_dir(&folder).output().unwrap();
    let text = words(&output);
    assert_eq!(output.status.code(), Some(2), "{text}");
    assert!(text.contains("not UTF-8") && text.contains("\n  hint: "), "{text}");
    assert!(!folder.join(".loop-logs").exists());
}
