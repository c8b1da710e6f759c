//! The runbook's commands (bare mode), typed as written, with `swarm loop` for `./loop.sh`: "Start Worker", "Monitor",
//! "Stop / Restart". In a tmux server of the test's own, with a `claude` on PATH that is a script of the test's own.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a test says what is wrong by panicking"
)]

#[path = "support/meeting.rs"]
mod meeting;
#[path = "support/scratch.rs"]
mod scratch;

use meeting::Meeting;
use scratch::Scratch;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// Speaks as the real CLI does: begins, meets the test, does the first open task, says so; `/done` when none is open.
const CLAUDE: &str = r#"#!/bin/sh
cat >/dev/null
echo '{"type":"system","subtype":"init","model":"script","session_id":"s"}'
echo begun >"$MEET/begun"
cat "$MEET/go" >/dev/null
task=$(grep -m1 -oP '^- \[ \] \K.*' IMPLEMENTATION_PLAN.md)
sed -i '0,/^- \[ \]/s//- [x]/' IMPLEMENTATION_PLAN.md
git commit --quiet --all --message="$task"
if grep -q '^- \[ \]' IMPLEMENTATION_PLAN.md; then text="did $task"; else text='all of it\\n\\n/done'; fi
echo "{\"type\":\"assistant\",\"message\":{\"content\":[{\"type\":\"text\",\"text\":\"$text\"}]}}"
echo "{\"type\":\"result\",\"subtype\":\"success\",\"is_error\":false,\"terminal_reason\":\"completed\",\"num_turns\":1,\"total_cost_usd\":0.01,\"result\":\"$text\"}"
"#;

/// A director's machine: the scratch repository with a plan, `swarm` and `claude` on PATH, tmux with a server of its own.
struct Desk {
    scratch: Scratch,
    begun: Meeting,
    go: Meeting,
}

impl Desk {
    fn new() -> Desk {
        let scratch = Scratch::new();
        for name in ["bin", "meet", "tmux"] {
            std::fs::create_dir(scratch.path(name)).unwrap();
        }
        std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_swarm"), scratch.path("bin/swarm")).unwrap();
        std::fs::write(scratch.path("bin/claude"), CLAUDE).unwrap();
        std::fs::set_permissions(scratch.path("bin/claude"), PermissionsExt::from_mode(0o755)).unwrap();
        std::fs::write(scratch.repo().join("IMPLEMENTATION_PLAN.md"), "- [ ] one\n- [ ] two\n").unwrap();
        scratch.git(&["add", "--all"]);
        scratch.git(&["commit", "--quiet", "--message=plan"]);
        let (begun, go) = (Meeting::new(scratch.path("meet/begun")), Meeting::new(scratch.path("meet/go")));
        let desk = Desk { scratch, begun, go };
        // A second session: with its last one tmux's server ends, and a new-session at that moment finds it ending.
        desk.typed("tmux new-session -d -s editor");
        desk
    }

    /// Types a line into a shell in the repository and returns what it prints.
    fn typed(&self, line: &str) -> String {
        let output = self.shell(line).output().unwrap();
        assert!(output.status.success(), "{line}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    fn shell(&self, line: &str) -> std::process::Command {
        let mut shell = self.scratch.command("bash");
        let path = format!("{}:{}", self.scratch.path("bin").display(), std::env::var("PATH").unwrap());
        shell.args(["-c", line]).env("PATH", path).env("TERM", "xterm-256color");
        shell.env("TMUX_TMPDIR", self.scratch.path("tmux")).env("MEET", self.scratch.path("meet"));
        shell
    }

    fn loop_log(&self) -> PathBuf {
        self.scratch.log("loop.log")
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        let _ = self.shell("tmux kill-server").output();
    }
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}

#[test]
fn start_monitor_stop_and_restart() {
    let desk = Desk::new();
    desk.typed("tmux new-session -d -s loop 'swarm loop 15 PROMPT.md'");
    assert_eq!(desk.begun.hear(), "begun\n");

    // "tmux attach -t loop": needs a terminal, which `script` is; detached again by key.
    let screen = desk.typed("script -qec 'tmux attach -t loop \\; detach-client' /dev/null");
    assert!(screen.contains("[detached"), "{screen:?}");
    assert!(desk.typed("tmux capture-pane -p -t loop").contains("iteration 1/15"));

    // "Quick Status" and "Monitor".
    assert_eq!(desk.typed(r"grep -cE '^\s*-\s*\[x\]' IMPLEMENTATION_PLAN.md || true").trim(), "0");
    assert_eq!(desk.typed(r"grep -cE '^\s*-\s*\[ \]' IMPLEMENTATION_PLAN.md").trim(), "2");
    desk.go.say("go");
    assert_eq!(desk.begun.hear(), "begun\n");
    assert_eq!(desk.typed(r"grep -cE '^\s*-\s*\[x\]' IMPLEMENTATION_PLAN.md").trim(), "1");
    assert!(desk.typed("git log --oneline -10").contains("one"));
    assert_eq!(desk.typed("ls -lt .loop-logs/iteration-*.log | head -5").lines().count(), 2);
    let tail = desk.typed("tail -50 .loop-logs/iteration-$(ls .loop-logs/iteration-*.log | wc -l).log");
    assert!(tail.contains("iteration 2/15 (log 2)"), "{tail}");
    assert!(read(&desk.scratch.log("iteration-1.log")).contains("did one"));

    // "Stop / Restart", without a pause between the two.
    desk.typed("tmux kill-session -t loop");
    desk.typed("tmux new-session -d -s loop 'swarm loop 15 PROMPT.md'");
    assert_eq!(desk.begun.hear(), "begun\n");
    assert!(
        read(&desk.loop_log()).contains("SIGHUP"),
        "the first loop's end is not in loop.log: {}",
        read(&desk.loop_log())
    );
    desk.go.say("go");

    // Done: the session ends with it.
    let status = desk.shell("swarm loop logs -f >/dev/null; swarm loop status --json").output().unwrap();
    let status: serde_json::Value = serde_json::from_slice(&status.stdout).unwrap();
    assert_eq!(status["ended"]["exit_code"], 0, "{status}");
    assert_eq!(desk.typed("git log --format=%s -2").trim(), "two\none");
    assert_eq!(desk.typed("ls .loop-logs/iteration-*.log | wc -l").trim(), "3");
}

#[test]
fn a_legacy_done_pattern() {
    let desk = Desk::new();
    let line = "DONE_PATTERN='did one' swarm loop 15 PROMPT.md >/dev/null 2>&1; echo $?";
    let runner = std::thread::scope(|scope| {
        let typed = scope.spawn(|| desk.typed(line));
        desk.begun.hear();
        desk.go.say("go");
        typed.join().unwrap()
    });
    assert_eq!(runner.trim(), "0");
    assert_eq!(desk.typed("git log --format=%s -1").trim(), "one");
}
