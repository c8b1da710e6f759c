//! `swarm demo`, as a newcomer types it, on machines that do their best to disturb it.
#![allow(clippy::unwrap_used, reason = "a helper panics as its test would")]

#[path = "support/scratch.rs"]
mod scratch;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use scratch::{Scratch, words};
use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::time::{Duration, Instant};

#[test]
fn four_tasks_four_commits_whatever_the_user_has_set() {
    let scratch = Scratch::new();
    let hostile = "[commit]\n\tgpgsign = true\n[user]\n\tuseConfigOnly = true\n[core]\n\thooksPath = /nowhere\n[status]\n\tshort = true\n";
    std::fs::write(scratch.path("home/.gitconfig"), hostile).unwrap();
    std::fs::create_dir_all(scratch.path("home/.config/swarm")).unwrap();
    std::fs::write(scratch.path("home/.config/swarm/config.toml"), "[loop]\ndelay = \"1h\"\n").unwrap();
    let begun = Instant::now();
    let mut command = scratch.swarm(&["demo"]);
    command.env("SWARM_ITERATIONS", "1").env("DONE_PATTERN", "never").env("GIT_DIR", scratch.repo().join(".git"));
    let output = command.env("CI", "true").output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{said}\n{}", words(&output));
    assert!(begun.elapsed() < Duration::from_secs(30), "it takes seconds: {:?}", begun.elapsed());
    assert!(said.contains("4 of 4 boxes are ticked") && said.contains("the check accepts"), "{said}");

    let project = scratch.path("tmp/swarm-demo-1/project");
    assert!(said.contains(&project.display().to_string()), "{said}");
    let git = |arguments: &[&str]| {
        let output = scratch.command("git").args(arguments).current_dir(&project).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    assert_eq!(git(&["log", "--format=%an"]), "swarm demo\n".repeat(5));
    assert_eq!(git(&["status", "--porcelain"]), "", "everything is committed, the logs are ignored");
    let logs = scratch.below(&project.join(".loop-logs"));
    let texts = logs.iter().filter(|path| path.extension().is_some_and(|end| end == "log"));
    assert_eq!(texts.filter(|path| path.to_string_lossy().starts_with("iteration-")).count(), 4, "{logs:?}");
    assert_eq!(scratch.git(&["log", "--oneline"]).lines().count(), 1, "the user's repository is untouched");
    assert!(!scratch.state().exists(), "so is the user's state");
}

#[test]
fn without_git_it_says_what_to_install_and_leaves_nothing() {
    let scratch = Scratch::new();
    let output = scratch.swarm(&["demo"]).env("PATH", scratch.path("home")).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(words(&output).contains("cannot start git") && words(&output).contains("hint: install git"));
    assert_eq!(scratch.below(&scratch.path("tmp")), Vec::<std::path::PathBuf>::new());
}

#[test]
fn a_signal_ends_the_loop_and_the_demo_tells_of_it() {
    let scratch = Scratch::new();
    let mut child = scratch.swarm(&["demo"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    assert!(lines.any(|line| line.contains("The first open task")), "the agent works");
    kill(Pid::from_raw(child.id() as i32), Signal::SIGTERM).unwrap();
    assert!(lines.any(|line| line.contains("boxes are ticked")));
    lines.for_each(drop);
    assert_eq!(child.wait().unwrap().code(), Some(143));
}

#[test]
fn the_demo_s_agent_touches_no_other_plan() {
    let scratch = Scratch::new();
    let plan = scratch.repo().join("IMPLEMENTATION_PLAN.md");
    std::fs::write(&plan, "- [ ] greet.sh says hello\n").unwrap();
    let before = scratch.below(&scratch.repo());
    let output = scratch.swarm(&["demo-agent", "-p", "--verbose"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(words(&output).contains("not the project of a demo"), "{}", words(&output));
    assert_eq!(std::fs::read_to_string(&plan).unwrap(), "- [ ] greet.sh says hello\n");
    assert_eq!(scratch.below(&scratch.repo()), before);
}
