//! Workers that workers spawn have lives of their own.
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

use fleet::{Fleet, MODES, lives, until};

#[test]
fn what_a_director_spawned_outlives_it() {
    for mode in MODES {
        let fleet = Fleet::new();
        let swarm = env!("CARGO_BIN_EXE_swarm");
        // It spawns a bare worker and one in a window, whose tmux server it starts with that, leaves something of its own
        // behind, and ends.
        let script = format!(
            "'{swarm}' spawn --name bare -- sleep 600 && '{swarm}' spawn --name shown --tmux -- sleep 600 \
             && (setsid sleep 601 & echo $! >$MEET/left) && exit 7"
        );
        assert_eq!(fleet.spawn(mode, "director", &[], &["sh", "-c", &script]).code, 0);
        fleet.wait("director");
        assert!(fleet.run(&["status", "director"]).out.contains("exit code 7"));
        for name in ["bare", "shown"] {
            assert_eq!(fleet.run(&["status", name]).code, 0, "{name} lives on");
            assert!(lives(fleet.worker(name)));
        }
        let left: i32 = std::fs::read_to_string(fleet.path("meet/left")).unwrap().trim().parse().unwrap();
        until("the end of what it left", || (!lives(nix::unistd::Pid::from_raw(left))).then_some(()));
        fleet.ok(&["kill", "--all"]);
        fleet.nobody_is_left();
    }
}

#[test]
fn a_server_that_a_director_started_stays_for_the_user() {
    let fleet = Fleet::new();
    let swarm = env!("CARGO_BIN_EXE_swarm");
    let (begun, go) = fleet.meetings();
    let own = "env TMUX_TMPDIR=$MEET tmux new-session -d -s own sleep 604";
    let hold = "echo x >$MEET/begun; cat $MEET/go";
    let script = format!("'{swarm}' spawn --name shown --tmux -- sleep 600 && {own} && {{ {hold}; }}");
    assert_eq!(fleet.spawn(&[], "director", &[], &["sh", "-c", &script]).code, 0);
    begun.hear();
    fleet.tmux(&["new-session", "-d", "-s", "mine", "-n", "editor", "sleep 600"]);
    fleet.ok(&["kill", "shown"]);
    assert_eq!(fleet.windows(), ["mine:editor"]);
    go.say("x");
    fleet.wait("director");
    assert_eq!(fleet.windows(), ["mine:editor"], "the user's window");
    // The server of its own was the worker's.
    let of_its_own = || fleet.processes().into_iter().any(|pid| fleet::command_line(pid).contains("sleep 604"));
    until("the end of what it started", || (!of_its_own()).then_some(()));
    fleet.tmux(&["kill-server"]);
    fleet.nobody_is_left();
}

#[test]
fn a_director_that_is_killed_takes_nobody_with_it() {
    let fleet = Fleet::new();
    let swarm = env!("CARGO_BIN_EXE_swarm");
    let begun = fleet.meeting("begun");
    let script = format!("'{swarm}' spawn --name bare -- sleep 600; echo x >$MEET/begun; sleep 602");
    assert_eq!(fleet.spawn(&[], "director", &[], &["sh", "-c", &script]).code, 0);
    begun.hear();
    fleet.ok(&["kill", "director"]);
    assert_eq!(fleet.run(&["status", "bare"]).code, 0);
    // Its shim killed, the next command ends what is left of it, by the marks in the environment.
    let begun = fleet.meeting("again");
    let script = format!("'{swarm}' spawn --name other -- sleep 600; echo x >$MEET/again; sleep 603");
    assert_eq!(fleet.spawn(&[], "second", &[], &["sh", "-c", &script]).code, 0);
    begun.hear();
    let worker = fleet.worker("second");
    nix::sys::signal::kill(fleet.shim("second"), nix::sys::signal::Signal::SIGKILL).unwrap();
    until("the end of the second", || (fleet.run(&["status", "second"]).code == 1).then_some(()));
    assert!(!lives(worker));
    assert_eq!(fleet.run(&["status", "other"]).code, 0);
    fleet.ok(&["kill", "--all"]);
    fleet.nobody_is_left();
}
