//! Workers that the predecessor started in windows: they have no log of ours.
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

use fleet::{Fleet, Started, until};
use serde_json::json;

#[test]
fn its_window_is_followed_until_it_closes() {
    let fleet = Fleet::new();
    std::fs::create_dir_all(fleet.home()).unwrap();
    fleet.tmux(&["new-session", "-d", "-s", "swarm-old", "-n", "agent", "sh -c 'echo old words; exec cat'"]);
    fleet.tmux(&[
        "new-window",
        "-d",
        "-t",
        "=swarm-old:",
        "-n",
        "agents",
        "sh -c 'while read x; do echo other $x; done'",
    ]);
    let state = json!({"version": 1, "workers": [
        {"name": "agent", "status": "running", "cmd": ["cat"], "started": "2026-01-19T10:00:00.123456", "cwd": "/",
         "env": {}, "tags": [], "tmux": {"session": "swarm-old", "window": "agent", "socket": null},
         "worktree": null, "pid": null, "metadata": {}},
    ]});
    std::fs::write(fleet.state_file(), serde_json::to_vec_pretty(&state).unwrap()).unwrap();
    until("the first words", || fleet.ok(&["peek", "agent"]).contains("old words").then_some(()));
    let follower = Started::new(fleet.swarm(&["logs", "-f", "agent"]));
    until("the follower's client", || fleet.tmux(&["list-clients", "-F", "x"]).contains('x').then_some(()));
    fleet.tmux(&["send-keys", "-t", "=swarm-old:=agents", "noise", "Enter"]);
    fleet.ok(&["send", "agent", "new words"]);
    until("the new words", || fleet.ok(&["peek", "agent"]).contains("new words\nnew words").then_some(()));
    fleet.tmux(&["kill-window", "-t", "=swarm-old:=agent"]);
    let told = follower.finish();
    assert_eq!((told.code, told.err.as_str()), (0, ""), "{told:#?}");
    let lines: Vec<&str> = told.out.lines().collect();
    assert_eq!(lines.first(), Some(&"old words"), "{told:#?}");
    assert!(lines.iter().filter(|line| **line == "new words").count() >= 2, "{told:#?}");
    assert!(!told.out.contains("noise"), "{told:#?}");
    assert_eq!(fleet.run(&["status", "agent"]).code, 1);
}
