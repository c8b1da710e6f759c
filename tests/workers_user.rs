//! What a person or a script does at the wrong moment, or types by mistake, and what it is told.
#![cfg(feature = "testing")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test says what is wrong by panicking")]

#[path = "support/fleet.rs"]
mod fleet;
#[path = "support/meeting.rs"]
mod meeting;
#[path = "support/scratch.rs"]
mod scratch;

use fleet::{Fleet, MODES, Started, tell, until};
use nix::sys::signal::{Signal, killpg};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::process::Stdio;

/// A terminal sends Ctrl-C to everybody in the foreground, not only to us.
#[test]
fn ctrl_c_at_a_terminal_undoes_a_spawn_whoever_else_hears_it() {
    for (mode, program, words) in [(MODES[0], "git", "worktree"), (MODES[1], "tmux", " new")] {
        let fleet = Fleet::new();
        let (begun, go) = fleet.meetings();
        let meet = "touch $MEET/met; echo >$MEET/begun; read line <$MEET/go";
        let once = format!("case \"$*\" in *\"{words}\"*) [ -e $MEET/met ] || {{ {meet}; }};; esac\nexec $REAL \"$@\"");
        fleet.wrap(program, &once);
        let before = fleet.things();
        let arguments = [&["spawn", "--name", "one", "--worktree"], mode, &["--", "sleep", "300"]].concat();
        let mut command = fleet.before(fleet.swarm(&arguments));
        command.process_group(0);
        let spawn = Started::new(command);
        begun.hear();
        killpg(spawn.pid, Signal::SIGINT).unwrap();
        // A git is given up, and comes no more.
        let way = std::fs::File::options().read(true).write(true).open(fleet.path("meet/go")).unwrap();
        std::io::Write::write_all(&mut &way, b"go\n").unwrap();
        let told = spawn.finish();
        assert_eq!((told.code, told.errors()), (130, vec!["interrupted"]), "{program}: {told:#?}");
        fleet.nobody_is_left();
        assert_eq!(fleet.things(), before, "{program}: {told:#?}");
        drop((way, go));
    }
}

#[test]
fn a_git_that_is_given_up_leaves_no_lock_to_those_who_come_after() {
    let fleet = Fleet::new();
    let (begun, _go) = fleet.meetings();
    // Git's own child holds the lock while it checks out, and removes it on TERM.
    let child = "trap 'rm .git/packed-refs.lock; exit 1' TERM; touch .git/packed-refs.lock; echo >$MEET/begun; \
                 read line <>$MEET/go & wait";
    fleet.wrap("git", &format!("case \"$*\" in *worktree?add*) ({child}) & wait; exit 1;; esac\nexec $REAL \"$@\""));
    let spawn =
        Started::new(fleet.before(fleet.swarm(&["spawn", "--name", "one", "--worktree", "--", "sleep", "300"])));
    begun.hear();
    nix::sys::signal::kill(spawn.pid, Signal::SIGINT).unwrap();
    let told = spawn.finish();
    assert_eq!((told.code, told.warnings().len()), (130, 1), "{told:#?}");
    assert!(!fleet.repo().join(".git/packed-refs.lock").exists());
    assert_eq!(fleet.branches(), ["main"]);
    fleet.nobody_is_left();
}

#[test]
fn output_that_is_lost_is_an_error_and_a_reader_that_left_is_none() {
    let fleet = Fleet::new();
    let told = fleet.spawn(&[], "one", &[], &["echo", "words"]);
    assert_eq!(told.code, 0, "{told:#?}");
    fleet.wait("one");
    for arguments in [&["logs", "one"][..], &["ls", "--format", "json"], &["status", "one", "--json"]] {
        let mut command = fleet.swarm(arguments);
        command.stdout(std::fs::File::options().write(true).open("/dev/full").unwrap()).stderr(Stdio::piped());
        let output = command.output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {said}");
        let lost = "swarm: error: standard output cannot be written: No space left on device\n";
        assert!(said.starts_with(lost), "{arguments:?}: {said}");
    }
    let mut command = fleet.swarm(&["logs", "one"]);
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let output = command.stdout(writer).stderr(Stdio::piped()).output().unwrap();
    assert_eq!((output.status.code(), output.stderr.as_slice()), (Some(0), &b""[..]));
}

#[test]
fn a_program_that_cannot_be_executed_is_told_with_what_to_do() {
    let fleet = Fleet::new();
    let file = |name: &str, text: &str, mode: u32| {
        let path = fleet.path(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let cases = [
        ("no-such-program".to_owned(), "PATH"),
        (file("script", "#!/nonexistent/interpreter\n", 0o755), "#!"),
        (file("words", "echo words\n", 0o755), "#!/bin/sh"),
        (file("data", "data\n", 0o644), "chmod +x"),
    ];
    for (program, hint) in cases {
        let told = fleet.spawn(&[], "one", &[], &[&program]);
        assert_eq!((told.code, told.errors().len()), (1, 1), "{told:#?}");
        let said = told.err.lines().last().unwrap();
        assert!(said.starts_with("  hint: ") && said.contains(hint), "{program}: {told:#?}");
        assert!(!told.err.contains("os error"), "{told:#?}");
    }
}

#[test]
fn a_socket_that_tmux_cannot_make_is_told_in_its_words() {
    let fleet = Fleet::new();
    let before = fleet.things();
    let told = fleet.spawn(&["--tmux"], "one", &["--tmux-socket", "/nonexistent/socket"], &["sleep", "300"]);
    let said = "failed to create tmux window: error creating /nonexistent/socket (No such file or directory)";
    assert_eq!((told.code, told.errors()), (1, vec![said]), "{told:#?}");
    assert_eq!(fleet.things(), before);
}

#[test]
fn a_session_that_tmux_would_call_otherwise_is_bad_usage() {
    let fleet = Fleet::new();
    let before = fleet.things();
    let told = fleet.spawn(&["--tmux"], "one", &["--session", "a:b"], &["sleep", "300"]);
    assert_eq!((told.code, told.warnings().len()), (2, 0), "{told:#?}");
    assert!(told.errors()[0].contains("'a:b' cannot be a session's name"), "{told:#?}");
    assert_eq!(fleet.things(), before);
}

#[test]
fn a_worker_whose_repository_is_gone_can_be_forgotten() {
    let fleet = Fleet::new();
    let folder = fleet.path("gone");
    std::fs::create_dir(&folder).unwrap();
    let git = |arguments: &[&str]| {
        let mut command = fleet.command("git");
        command.current_dir(&folder).args(["-c", "user.name=a", "-c", "user.email=a@b"]).args(arguments);
        assert_eq!(tell(command).code, 0, "{arguments:?}");
    };
    git(&["init", "--quiet"]);
    git(&["commit", "--quiet", "--allow-empty", "--message=a"]);
    for name in ["one", "two"] {
        let mut command = fleet.swarm(&["spawn", "--name", name, "--worktree", "--", "true"]);
        command.current_dir(&folder);
        assert_eq!(tell(command).code, 0);
        fleet.wait(name);
    }
    std::fs::remove_dir_all(&folder).unwrap();
    std::fs::remove_dir_all(fleet.path("gone-worktrees/two")).unwrap();
    let told = fleet.run(&["clean", "--all"]);
    assert_eq!((told.code, told.out.as_str()), (1, "cleaned two\n"), "nothing of it is there: {told:#?}");
    assert!(told.errors()[0].ends_with(" is gone") && told.err.contains("--no-rm-worktree"), "{told:#?}");
    assert!(fleet.path("gone-worktrees/one").exists(), "nobody can say what would be lost");
    assert_eq!(fleet.ok(&["clean", "one", "--no-rm-worktree"]), "cleaned one\n");
}

#[test]
fn a_loops_name_where_a_worker_is_meant() {
    let fleet = Fleet::new();
    let (begun, go) = fleet.meetings();
    let agent = "cat >/dev/null; echo >$MEET/begun; cat $MEET/go";
    let run = Started::new(fleet.swarm(&["loop", "1", "PROMPT.md", "--name", "night", "--", "sh", "-c", agent]));
    begun.hear();
    assert!(fleet.ok(&["status", "night"]).starts_with("night: running\n"));
    for verb in ["interrupt", "eof", "attach", "clean", "respawn"] {
        fleet.refused(&[verb, "night"], 1, "worker 'night' not found: it is a loop");
    }
    fleet.refused(&["send", "night", "text"], 1, "worker 'night' not found: it is a loop");
    assert_eq!(fleet.run(&["wait", "night", "--timeout", "0"]).code, 1);
    go.say("");
    let told = run.finish();
    assert_eq!(told.code, 3, "{told:#?}");
    let told = until("the loop has ended", || Some(fleet.run(&["status", "night"])).filter(|told| told.code != 0));
    assert!(told.code == 1 && told.out.starts_with("night: ended with exit code 3\n"), "{told:#?}");
    assert_eq!(fleet.ok(&["wait", "night"]), "night: exited\n", "whoever asks late is told the same");
    fleet.refused(&["wait", "day"], 1, "worker 'day' not found");
}
