//! The real agent CLI as an interactive worker in a window, against the stand-in of the API: seen when it is ready, typed
//! to, seen busy and idle again, left; and each dialog that stands in the way seen for what it is. Each test has a
//! repository, a HOME, a tmux server and a network of its own.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a helper panics as its test would")]

#[path = "support/api.rs"]
#[allow(dead_code, reason = "each test program uses its own part of it")]
mod api;
#[path = "support/claude.rs"]
#[allow(dead_code, reason = "each test program uses its own part of it")]
mod claude;
#[path = "support/fleet.rs"]
mod fleet;
#[path = "support/meeting.rs"]
mod meeting;
#[path = "support/scratch.rs"]
mod scratch;

use claude::Site;
use fleet::{Told, tell, until};
use meeting::Meeting;
use serde_json::{Value, json};
use std::process::Command;

/// No real one; the CLI remembers which keys were approved by their last 20 letters.
const KEY: &str = "sk-ant-dummy-0000000000000000000000001234";

const CLAUDE: [&str; 2] = ["claude", "--dangerously-skip-permissions"];

/// A site with a tmux server.
struct Desk {
    site: Site,
}

impl Desk {
    /// `seed` is what the CLI remembers of its user, where a person has answered every dialog once.
    fn new(scenario: &Value, seed: impl FnOnce(&mut Value)) -> Option<Desk> {
        let site = Site::new(scenario)?;
        std::fs::create_dir_all(site.path("home/.claude")).unwrap();
        std::fs::create_dir(site.path("tmux")).unwrap();
        let mut memory = json!({
            "hasCompletedOnboarding": true, "theme": "dark", "bypassPermissionsModeAccepted": true,
            "customApiKeyResponses": {"approved": [&KEY[KEY.len() - 20..]], "rejected": []},
            "projects": {site.repo().canonicalize().unwrap().to_str().unwrap(): {"hasTrustDialogAccepted": true}},
        });
        seed(&mut memory);
        std::fs::write(site.path("home/.claude/.claude.json"), memory.to_string()).unwrap();
        Some(Desk { site })
    }

    fn swarm(&self, arguments: &[&str]) -> Command {
        let mut command = self.site.command(env!("CARGO_BIN_EXE_swarm"));
        command.args(arguments).env("TMUX_TMPDIR", self.site.path("tmux")).env("TERM", "xterm-256color");
        command.env("ANTHROPIC_API_KEY", KEY);
        command
    }

    fn run(&self, arguments: &[&str]) -> Told {
        tell(self.swarm(arguments))
    }

    fn ok(&self, arguments: &[&str]) -> String {
        let told = self.run(arguments);
        assert_eq!((told.code, told.err.as_str()), (0, ""), "{arguments:?}: {told:#?}");
        told.out
    }

    /// `swarm spawn --name agent --tmux --ready-wait …`.
    fn spawn(&self, timeout: &str) -> Command {
        let flags = ["spawn", "--name", "agent", "--tmux", "--ready-wait", "--ready-timeout", timeout, "--"];
        self.swarm(&[&flags[..], &CLAUDE].concat())
    }

    /// Waits until the whole screen is as wished.
    fn sees(&self, what: &str, wished: impl Fn(&str) -> bool) -> String {
        until(what, || Some(self.ok(&["peek", "agent", "--lines", "60"])).filter(|screen| wished(screen)))
    }

    fn leave(&self) {
        assert_eq!(self.ok(&["kill", "agent"]), "killed agent\n");
        until("nobody is left", || self.site.processes().is_empty().then_some(()));
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        let mut tmux = self.site.command("tmux");
        let _ = tmux.env("TMUX_TMPDIR", self.site.path("tmux")).arg("kill-server").output();
    }
}

fn is_busy(screen: &str) -> bool {
    screen.contains("esc to interrupt")
}

#[test]
fn it_is_ready_works_is_idle_again_and_leaves() {
    let tool = json!({"say": "Looking.", "bash": {"command": "echo $$ > ../started; cat ../go"}});
    let Some(desk) = Desk::new(&json!({"sessions": [{"steps": [tool, {"say": "All is said."}]}]}), |_| {}) else {
        return;
    };
    let (started, go) = (Meeting::new(desk.site.path("started")), Meeting::new(desk.site.path("go")));
    let told = tell(desk.spawn("60"));
    assert_eq!((told.code, told.err.as_str()), (0, ""), "{told:#?}");
    let screen = desk.ok(&["peek", "agent", "--lines", "60"]);
    assert!(screen.contains('❯') && !is_busy(&screen), "{screen}");
    assert!(desk.site.agent().is_some());
    // A blind Enter would do nothing; several lines are one prompt.
    desk.ok(&["send", "agent", "Look at the\nfirst task; -please"]);
    started.hear();
    let screen = desk.sees("busy", is_busy);
    assert!(screen.contains("Look at the") && screen.contains("first task; -please"), "{screen}");
    go.say("go");
    let screen = desk.sees("idle", |screen| screen.contains("All is said.") && !is_busy(screen));
    assert_eq!(screen.matches("Look at the").count(), 1, "{screen}");
    assert_eq!(desk.site.api.served(), ["tool", "answer"], "one prompt");
    desk.ok(&["send", "agent", "/exit"]);
    assert_eq!(desk.ok(&["wait", "agent", "--timeout", "50"]), "agent: exited\n");
    let told = desk.run(&["status", "agent"]);
    assert_eq!(told.code, 1, "{told:#?}");
    assert!(told.out.starts_with("agent: stopped ("), "{told:#?}");
    let logs = desk.ok(&["logs", "agent", "--history"]);
    assert!(logs.contains("Resume this session with"), "{logs}");
    until("nobody is left", || desk.site.processes().is_empty().then_some(()));
}

#[test]
fn an_interrupt_ends_its_turn_and_a_kill_the_whole() {
    let tool = json!({"say": "Testing.", "bash": {"command": "echo $$ > ../started; exec sleep 300"}});
    let Some(desk) = Desk::new(&json!({"sessions": [{"steps": [tool, {"say": "Tested."}]}]}), |_| {}) else { return };
    let started = Meeting::new(desk.site.path("started"));
    assert_eq!(tell(desk.spawn("60")).code, 0);
    desk.ok(&["send", "agent", "Test it"]);
    let tool = nix::unistd::Pid::from_raw(started.hear().trim().parse().unwrap());
    assert_eq!(desk.ok(&["interrupt", "agent"]), "interrupted agent\n");
    desk.sees("idle", |screen| !is_busy(screen));
    fleet::is_over(tool);
    desk.ok(&["send", "agent", "Test it again"]);
    desk.sees("an answer", |screen| screen.contains("Tested.") || is_busy(screen));
    desk.leave();
}

/// A dialog that waits for a person: the spawn says which one, and leaves the worker to that person.
fn stands_in_the_way(desk: &Desk, spawn: Command, words: &[&str]) {
    let told = tell(spawn);
    assert_eq!((told.code, told.warnings().len()), (0, 1), "{told:#?}");
    assert!(told.out.starts_with("spawned agent (tmux: "), "{told:#?}");
    for word in words {
        assert!(told.err.to_lowercase().contains(&word.to_lowercase()), "{word}: {told:#?}");
    }
    assert_eq!(desk.ok(&["ls", "--format", "names", "--status", "running"]), "agent\n");
    desk.leave();
}

fn scenario() -> Value {
    json!({"sessions": [{"steps": [{"say": "Never asked."}]}]})
}

#[test]
fn the_trust_dialog_is_not_ready() {
    let Some(desk) = Desk::new(&scenario(), |memory| memory["projects"] = json!({})) else { return };
    stands_in_the_way(&desk, desk.spawn("10"), &["trust"]);
}

#[test]
fn the_question_about_the_key_is_not_ready() {
    let Some(desk) = Desk::new(&scenario(), |memory| memory["customApiKeyResponses"] = json!({})) else { return };
    stands_in_the_way(&desk, desk.spawn("10"), &["API key"]);
}

#[test]
fn the_bypass_warning_is_not_ready() {
    let Some(desk) = Desk::new(&scenario(), |memory| memory["bypassPermissionsModeAccepted"] = json!(false)) else {
        return;
    };
    stands_in_the_way(&desk, desk.spawn("10"), &["bypass"]);
}

#[test]
fn an_agent_that_is_not_logged_in_is_not_ready() {
    let Some(desk) = Desk::new(&scenario(), |_| {}) else { return };
    let mut spawn = desk.spawn("10");
    spawn.env_remove("ANTHROPIC_API_KEY");
    stands_in_the_way(&desk, spawn, &["log"]);
}

/// The CLI ends by itself: the wait ends with it, and the reason is in the words.
fn ends_at_once(desk: &Desk, spawn: Command, words: &str) {
    let told = tell(spawn);
    assert!(!told.err.contains("within 50s"), "it waited for a dead worker: {told:#?}");
    assert!(told.err.contains(words), "{told:#?}");
    assert_eq!(desk.ok(&["ls", "--format", "names", "--status", "running"]), "");
    assert_eq!(desk.run(&["wait", "--all"]).code, 0);
    until("nobody is left", || desk.site.processes().is_empty().then_some(()));
}

#[test]
fn root_is_refused_and_that_is_said() {
    let Some(desk) = Desk::new(&scenario(), |_| {}) else { return };
    let mut spawn = desk.spawn("50");
    spawn.env_remove("IS_SANDBOX");
    ends_at_once(&desk, spawn, "root");
}

#[test]
fn a_first_run_without_network_is_said() {
    let Some(desk) = Desk::new(&scenario(), |memory| *memory = json!({})) else { return };
    ends_at_once(&desk, desk.spawn("50"), "network");
}
