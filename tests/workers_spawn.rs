//! A spawn is a transaction: whatever fails, whenever it is interrupted or killed, the worktrees, branches, windows,
//! processes, files and the registry are afterwards as they were, or hold one whole worker.
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

use fleet::{Fleet, MODES, Started, Things, Told, is_over, lives, tell, until};
use nix::sys::signal::{Signal, kill};
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::thread;

/// The first line of every spawn that failed after it had begun.
const CLEANING: &str = "spawn failed, cleaning up partial state";

/// One with a worktree, so that every step is taken.
fn whole(mode: &[&'static str], name: &'static str) -> Vec<&'static str> {
    [&["spawn", "--name", name, "--worktree", "--env", "A=b"], mode, &["--", "sleep", "300"]].concat()
}

/// It failed with this message, said that it cleans up, and nothing is left.
#[track_caller]
fn undone(fleet: &Fleet, told: &Told, code: i32, message: &str, before: &Things) {
    assert_eq!(told.code, code, "{told:#?}");
    assert_eq!(told.warnings(), [CLEANING], "{told:#?}");
    assert!(told.errors().len() == 1 && told.errors()[0].starts_with(message), "{told:#?}");
    assert_eq!(told.out, "", "{told:#?}");
    fleet.nobody_is_left();
    assert_eq!(fleet.things(), *before, "{told:#?}");
}

/// The same name can be used at once.
fn next_one_works(fleet: &Fleet, mode: &[&'static str]) {
    let told = fleet.run(&whole(mode, "one"));
    assert_eq!((told.code, told.err.as_str()), (0, ""), "{told:#?}");
    fleet.ok(&["kill", "one"]);
    fleet.ok(&["clean", "one"]);
    fleet.nobody_is_left();
    swept(fleet);
}

/// A clean keeps a branch that somebody may want, and the folder of the worktrees.
fn swept(fleet: &Fleet) {
    assert_eq!(fleet.worktrees().matches("worktree ").count(), 1, "a clean removes the worktree");
    if fleet.branches().contains(&"one".to_owned()) {
        fleet.scratch.git(&["branch", "--quiet", "-D", "one"]);
    }
    let _ = std::fs::remove_dir(fleet.path("repo-worktrees"));
}

#[test]
fn f36_a_program_that_is_missing_or_none() {
    for mode in MODES {
        let fleet = Fleet::new();
        let message = "failed to spawn process: ";
        std::fs::write(fleet.path("data"), "not a program").unwrap();
        std::fs::write(fleet.path("script"), "#!/nonexistent/interpreter\n").unwrap();
        std::fs::set_permissions(fleet.path("script"), PermissionsExt::from_mode(0o755)).unwrap();
        let before = fleet.things();
        for program in ["/nonexistent/program", "no-such-program", fleet.path("data").to_str().unwrap()] {
            let told = fleet.spawn(mode, "one", &["--worktree"], &[program]);
            undone(&fleet, &told, 1, message, &before);
            let named = told.err.contains(program);
            assert!(named, "it names the program: {told:#?}");
        }
        let told = fleet.spawn(mode, "one", &["--worktree"], &[fleet.path("script").to_str().unwrap()]);
        undone(&fleet, &told, 1, message, &before);
        assert!(!fleet.path("repo-worktrees").exists(), "the folder was made by the spawn, and is empty");
        next_one_works(&fleet, mode);
    }
}

#[test]
fn f36_a_folder_that_is_missing() {
    for mode in MODES {
        let fleet = Fleet::new();
        let before = fleet.things();
        let told = fleet.spawn(mode, "one", &["--cwd", "/nonexistent/folder"], &["sleep", "300"]);
        assert_eq!((told.code, told.errors().len()), (1, 1), "{told:#?}");
        assert!(told.err.contains("/nonexistent/folder"), "{told:#?}");
        assert_eq!(fleet.things(), before);
        fleet.nobody_is_left();
    }
}

#[test]
fn f36_no_tmux_at_all() {
    let fleet = Fleet::new();
    let before = fleet.things();
    let git = std::path::PathBuf::from(fleet::real_program("git"));
    let bin = fleet.path("meet/only-git");
    std::fs::create_dir(&bin).unwrap();
    std::os::unix::fs::symlink(git, bin.join("git")).unwrap();
    let mut command = fleet.swarm(&whole(&["--tmux"], "one"));
    command.env("PATH", &bin);
    let told = tell(command);
    assert_eq!(
        (told.code, told.errors()),
        (1, vec!["failed to create tmux window: tmux is not installed"]),
        "{told:#?}"
    );
    assert_eq!(fleet.things(), before);
    next_one_works(&fleet, &["--tmux"]);
}

#[test]
fn f36_what_tmux_said_is_in_the_error() {
    let fleet = Fleet::new();
    fleet.wrap(
        "tmux",
        r#"case "$*" in *" new "*|*" neww "*) echo 'no space for new pane' >&2; exit 1;; esac; exec $REAL "$@""#,
    );
    let before = fleet.things();
    let told = tell(fleet.before(fleet.swarm(&whole(&["--tmux"], "one"))));
    undone(&fleet, &told, 1, "failed to create tmux window: no space for new pane", &before);
    next_one_works(&fleet, &["--tmux"]);
}

#[test]
fn f36_a_place_that_is_occupied_or_a_branch_that_is_taken() {
    for mode in MODES {
        let fleet = Fleet::new();
        std::fs::create_dir_all(fleet.worktree("one")).unwrap();
        std::fs::write(fleet.worktree("one").join("mine"), "the user's").unwrap();
        let before = fleet.things();
        let told = fleet.run(&whole(mode, "one"));
        undone(&fleet, &told, 1, "failed to create worktree: ", &before);
        assert_eq!(std::fs::read(fleet.worktree("one").join("mine")).unwrap(), b"the user's");

        // The branch is checked out elsewhere.
        let flags = ["--worktree", "--branch", "main"];
        let told = fleet.spawn(mode, "two", &flags, &["sleep", "300"]);
        undone(&fleet, &told, 1, "failed to create worktree: ", &before);
        assert!(told.err.contains(fleet.repo().canonicalize().unwrap().to_str().unwrap()), "it says where: {told:#?}");
        for branch in ["-x", "a..b", "a b", "a.lock", "HEAD", "@{-1}", ""] {
            let told = fleet.spawn(mode, "two", &["--worktree", &format!("--branch={branch}")], &["sleep", "300"]);
            assert_ne!(told.code, 0, "{branch:?}: {told:#?}");
            assert_eq!(fleet.things(), before, "{branch:?}: {told:#?}");
        }

        // A folder where none can be made.
        std::fs::write(fleet.path("file"), "").unwrap();
        let before = fleet.things();
        let told = fleet.spawn(mode, "two", &["--worktree", "--worktree-dir", "../file"], &["sleep", "300"]);
        undone(&fleet, &told, 1, "failed to create worktree: ", &before);
        fleet.nobody_is_left();
    }
}

#[test]
fn f36_a_branch_and_a_folder_that_were_there_before_stay() {
    for mode in MODES {
        let fleet = Fleet::new();
        fleet.scratch.git(&["branch", "one"]);
        std::fs::create_dir(fleet.path("repo-worktrees")).unwrap();
        let before = fleet.things();
        let told = fleet.spawn(mode, "one", &["--worktree"], &["/nonexistent/program"]);
        assert_eq!(told.code, 1, "{told:#?}");
        assert_eq!(fleet.things(), before);
        // The existing branch is used, and a clean does not take it away either.
        fleet.sleeper(mode, "one", &["--worktree"]);
        assert_eq!(fleet.entry("one")["worktree"]["branch"], "one");
        fleet.ok(&["kill", "one"]);
        fleet.ok(&["clean", "one"]);
        assert_eq!(fleet.branches(), ["main", "one"]);
    }
}

#[test]
fn f36_the_users_session_stays_when_a_spawn_into_it_fails() {
    let fleet = Fleet::new();
    fleet.tmux(&["new-session", "-d", "-s", "mine", "-n", "editor", "sleep 300"]);
    let before = fleet.things();
    let told = fleet.spawn(&["--tmux", "--session", "mine"], "one", &["--worktree"], &["/nonexistent/program"]);
    assert_eq!(told.code, 1, "{told:#?}");
    let editor = fleet.windows();
    assert_eq!(editor, ["mine:editor"]);
    assert_eq!(fleet.things(), before);
}

#[test]
fn f36_a_state_folder_that_cannot_be_written() {
    for mode in MODES {
        let fleet = Fleet::new();
        // Root writes everywhere but where a file stands in the place of a folder.
        std::fs::write(fleet.home(), "a file").unwrap();
        let before = (fleet.worktrees(), fleet.branches(), fleet.windows());
        let told = fleet.run(&whole(mode, "one"));
        assert!(matches!(told.code, 1 | 74) && told.errors().len() == 1, "{told:#?}");
        assert_eq!((fleet.worktrees(), fleet.branches(), fleet.windows()), before);
        fleet.nobody_is_left();
        std::fs::remove_file(fleet.home()).unwrap();
        next_one_works(&fleet, mode);
        // The registry alone: a folder where the file should be.
        std::fs::remove_file(fleet.state_file()).unwrap();
        std::fs::create_dir_all(fleet.state_file().join("occupied")).unwrap();
        let told = fleet.run(&whole(mode, "one"));
        assert!(matches!(told.code, 1 | 74) && told.errors().len() == 1, "{told:#?}");
        assert_eq!((fleet.worktrees(), fleet.branches(), fleet.windows()), before);
        fleet.nobody_is_left();
    }
}

#[test]
fn f05_a_worktree_that_is_being_removed_is_not_worked_in() {
    for clean in [&["clean", "one"][..], &["kill", "one", "--rm-worktree"]] {
        let fleet = Fleet::new();
        let (begun, _go) = fleet.meetings();
        fleet.sleeper(&[], "one", &["--worktree"]);
        fleet.ok(&["kill", "one"]);
        stops_at(&fleet, "git", "worktree remove");
        let clean = Started::new(fleet.before(fleet.swarm(clean)));
        begun.hear();
        let told = fleet.run(&["respawn", "one"]);
        assert_eq!(told.code, 73, "{told:#?}");
        let _way = open_the_way(&fleet);
        let told = clean.finish();
        assert_eq!(told.code, 0, "{told:#?}");
        assert!(!fleet.worktree("one").exists());
        fleet.nobody_is_left();
    }
}

#[test]
fn f03_what_a_worker_was_outlives_a_respawn_that_dies_and_those_who_look() {
    let fleet = Fleet::new();
    let (begun, _go) = fleet.meetings();
    fleet.sleeper(&[], "one", &["--worktree", "--env", "SECRET=kept"]);
    fleet.ok(&["kill", "one"]);
    let run = fleet.entry("one")["run"].clone();
    stops_at(&fleet, "git", "worktree list");
    let respawn = Started::new(fleet.before(fleet.swarm(&["respawn", "one"])));
    begun.hear();
    fleet.ok(&["ls"]);
    kill(respawn.pid, Signal::SIGKILL).unwrap();
    let way = open_the_way(&fleet);
    respawn.finish();
    drop(way);
    // One looks, and stops in the middle of putting it right; another one looks too.
    let looking = Started::new(fleet.before(fleet.swarm(&["ls"])));
    fleet.run(&["ls"]);
    let _way = open_the_way(&fleet);
    let ears = std::fs::File::options().read(true).write(true).open(fleet.path("meet/begun")).unwrap();
    looking.finish();
    drop(ears);
    assert_eq!(fleet.entry("one")["run"], run);
    let run = fleet.home().join("workers").join(run.as_str().unwrap());
    assert_eq!(std::fs::read(run.join("env")).unwrap(), b"SECRET=kept\0");
    fleet.ok(&["respawn", "one"]);
    fleet.ok(&["kill", "one"]);
    fleet.nobody_is_left();
}

#[test]
fn a_worker_that_never_pauses_is_left_like_another() {
    let fleet = Fleet::new();
    // Not for ever: what nobody stops would fill the disk.
    let told = fleet.spawn(&[], "one", &[], &["sh", "-c", "yes | head -c 3000000000"]);
    assert_eq!((told.code, told.err.as_str()), (0, ""), "{told:#?}");
    assert_eq!(fleet.standings(), [("one".into(), "running".into())], "it was not waited for");
    fleet.ok(&["kill", "one"]);
    fleet.nobody_is_left();
}

/// A git or tmux in front of the real one that meets the test when it is called for this.
fn stops_at(fleet: &Fleet, program: &str, words: &str) {
    let meet = "echo $$ >$MEET/begun; read line <$MEET/go";
    fleet.wrap(program, &format!("case \"$*\" in *\"{words}\"*) {meet};; esac\nexec $REAL \"$@\""));
}

/// Opens the meeting so that nobody waits there for ever, whether or not somebody still comes.
fn open_the_way(fleet: &Fleet) -> std::fs::File {
    let mut way = std::fs::File::options().read(true).write(true).open(fleet.path("meet/go")).unwrap();
    std::io::Write::write_all(&mut way, b"go\ngo\ngo\n").unwrap();
    way
}

#[test]
fn f36_a_signal_during_a_spawn_undoes_it() {
    let steps = [(MODES[0], "git", "worktree"), (MODES[1], "git", "worktree"), (MODES[1], "tmux", " new")];
    for (signal, code) in [(Signal::SIGINT, 130), (Signal::SIGTERM, 143)] {
        for (mode, program, words) in steps {
            let fleet = Fleet::new();
            let begun = fleet.meeting("begun");
            let _go = fleet.meeting("go");
            stops_at(&fleet, program, words);
            let before = fleet.things();
            let spawn = Started::new(fleet.before(fleet.swarm(&whole(mode, "one"))));
            begun.hear();
            kill(spawn.pid, signal).unwrap();
            let _way = open_the_way(&fleet);
            // Later calls of the same program meet too: somebody must hear them.
            let path = fleet.path("meet/begun");
            let ears = std::fs::File::options().read(true).write(true).open(path).unwrap();
            let told = spawn.finish();
            drop(ears);
            assert_eq!(told.code, code, "{program} {words}: {told:#?}");
            fleet.nobody_is_left();
            assert_eq!(fleet.things(), before, "{signal} at {program} {words}: {told:#?}");
            next_one_works(&fleet, mode);
        }
    }
}

#[test]
fn f36_an_undo_that_fails_names_what_is_left_and_the_command() {
    let fleet = Fleet::new();
    fleet.wrap("git", r#"case "$*" in *worktree*remove*) echo 'it is stuck' >&2; exit 1;; esac; exec $REAL "$@""#);
    let arguments = ["spawn", "--name", "one", "--worktree", "--", "/nonexistent/program"];
    let told = tell(fleet.before(fleet.swarm(&arguments)));
    assert_eq!((told.code, told.errors().len()), (1, 1), "{told:#?}");
    assert!(told.errors()[0].starts_with("failed to spawn process: "), "the first error stands: {told:#?}");
    assert_eq!(told.warnings()[0], CLEANING);
    let tree = fleet.worktree("one").canonicalize().unwrap();
    let left = told.warnings()[1..].join("\n");
    assert!(left.contains(tree.to_str().unwrap()) && left.contains("git worktree remove"), "{told:#?}");
}

/// Every point where a spawn, its shim or the registry can fail.
fn points() -> impl Iterator<Item = &'static str> {
    swarm::host::failpoint::ALL.iter().copied()
}

/// In a few threads: each fleet is a place of its own.
fn each<T: Send>(items: Vec<T>, work: impl Fn(T) + Sync) {
    let items = std::sync::Mutex::new(items);
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                loop {
                    let item = items.lock().unwrap().pop();
                    match item {
                        Some(item) => work(item),
                        None => break,
                    }
                }
            });
        }
    });
}

fn at(mut command: Command, point: &str, nth: u32, action: &str) -> Command {
    command.env("SWARM_FAILPOINT", format!("{point}@{nth}:{action}"));
    command
}

/// Each point in each mode, at its first and its second passing.
fn cases() -> Vec<(&'static str, u32, &'static [&'static str])> {
    let both = |point| MODES.into_iter().flat_map(move |mode| [(point, 1, mode), (point, 2, mode)]);
    points().flat_map(both).collect()
}

#[test]
fn f36_each_step_of_a_spawn_failing_in_turn() {
    let failed = std::sync::Mutex::new(std::collections::BTreeSet::new());
    each(cases(), |(point, nth, mode)| {
        let fleet = Fleet::new();
        let before = fleet.things();
        let told = tell(at(fleet.swarm(&whole(mode, "one")), point, nth, "err"));
        if told.code == 0 {
            // Not on the way of a spawn, or a step whose failure the worker survives.
            is_whole_or_over(&fleet, point);
        } else {
            failed.lock().unwrap().insert(point);
            assert!(matches!(told.code, 1 | 74), "{point}@{nth} {mode:?}: {told:#?}");
            assert_eq!(told.errors().len(), 1, "{point}@{nth} {mode:?}: {told:#?}");
            fleet.nobody_is_left();
            assert_eq!(fleet.things(), before, "{point}@{nth} {mode:?}: {told:#?}");
        }
        next_one_works(&fleet, mode);
        assert_eq!(fleet.things(), before, "{point}@{nth} {mode:?}");
    });
    let failed = failed.into_inner().unwrap();
    for must in ["launch-before-record", "launch-before-shim", "journal-append", "files-before-rename"] {
        assert!(failed.contains(must), "{must} was never on the way: {failed:?}");
    }
}

/// The worker is registered and lives, or its end is known; then it is taken away.
fn is_whole_or_over(fleet: &Fleet, what: &str) {
    let told = fleet.run(&["ls", "--format", "names"]);
    assert_eq!((told.code, told.out.as_str()), (0, "one\n"), "{what}: {told:#?}");
    fleet.run(&["kill", "one"]);
    let told = fleet.run(&["clean", "one"]);
    assert_eq!((told.code, told.out.as_str()), (0, "cleaned one\n"), "{what}: {told:#?}");
    fleet.nobody_is_left();
    swept(fleet);
}

/// After a death: the next command finds a valid registry; what lives is owned by an entry, what is owned by none is gone.
fn recovers(fleet: &Fleet, before: &Things, verb: &str, what: &str) {
    let told = fleet.run(&["ls", "--format", "names"]);
    assert_eq!(told.code, 0, "{what}: {told:#?}");
    assert!(!told.err.contains("corrupt"), "{what}: {told:#?}");
    match told.out.as_str() {
        "" if verb == "spawn" => {}
        "" if verb == "clean" => swept(fleet),
        "one\n" => {
            let told = fleet.run(&["kill", "one"]);
            assert_eq!(told.code, 0, "{what}: {told:#?}");
            let told = fleet.run(&["clean", "one"]);
            assert_eq!((told.code, told.out.as_str()), (0, "cleaned one\n"), "{what}: {told:#?}");
            swept(fleet);
        }
        other => panic!("{what}: it is forgotten: {other:?}"),
    }
    fleet.nobody_is_left_after(what);
    assert_eq!(fleet.things(), *before, "{what}: nobody owns it");
}

#[test]
fn f03_f36_death_at_each_point_of_a_spawn_leaves_no_orphan() {
    let died = std::sync::Mutex::new(std::collections::BTreeSet::new());
    each(cases(), |(point, nth, mode)| {
        let fleet = Fleet::new();
        let before = fleet.things();
        let told = tell(at(fleet.swarm(&whole(mode, "one")), point, nth, "abort"));
        if told.code == 137 {
            died.lock().unwrap().insert(point);
        }
        recovers(&fleet, &before, "spawn", &format!("{point}@{nth} {mode:?} ({})", told.code));
        next_one_works(&fleet, mode);
    });
    let died = died.into_inner().unwrap();
    let ours =
        points().filter(|point| ["launch-", "journal-", "files-"].iter().any(|prefix| point.starts_with(prefix)));
    let never: Vec<&str> = ours.filter(|point| !died.contains(point)).collect();
    assert!(never.is_empty(), "no spawn died at {never:?}");
}

#[test]
fn f03_death_of_a_kill_a_clean_and_a_respawn_at_each_point() {
    each(cases(), |(point, nth, mode)| {
        let fleet = Fleet::new();
        let before = fleet.things();
        for verb in [&["kill", "one", "--rm-worktree"][..], &["clean", "one"], &["respawn", "one"]] {
            let told = fleet.run(&whole(mode, "one"));
            assert_eq!(told.code, 0, "{told:#?}");
            if verb[0] == "clean" {
                fleet.ok(&["kill", "one"]);
            }
            let told = tell(at(fleet.swarm(verb), point, nth, "abort"));
            let what = format!("{verb:?} {point}@{nth} {mode:?} ({})", told.code);
            recovers(&fleet, &before, verb[0], &what);
        }
    });
}

#[test]
fn f03_death_of_a_look_at_each_point() {
    // The end of a worker is settled by whoever looks next: that one may die too.
    each(cases(), |(point, nth, mode)| {
        let fleet = Fleet::new();
        let begun = fleet.meeting("begun");
        let pid = fleet.hold(mode, "one", &[], &begun);
        kill(pid, Signal::SIGKILL).unwrap();
        is_over(pid);
        let died = tell(at(fleet.swarm(&["ls"]), point, nth, "abort"));
        let told = fleet.run(&["wait", "one", "--timeout", "50"]);
        let what = format!("{point}@{nth} {mode:?} ({})", died.code);
        assert_eq!((told.code, told.out.as_str()), (0, "one: exited\n"), "{what}: {told:#?}");
        let told = fleet.run(&["status", "one"]);
        assert!(told.out.contains('9') || told.out.contains("KILL"), "{what}: {told:#?}");
        assert_eq!(fleet.ok(&["clean", "one"]), "cleaned one\n");
        fleet.nobody_is_left();
    });
}

#[test]
fn f24_eight_spawns_of_one_name_are_one() {
    for mode in MODES {
        let fleet = Fleet::new();
        let before = fleet.things();
        let spawns: Vec<Started> = (0..8).map(|_| Started::new(fleet.swarm(&whole(mode, "one")))).collect();
        let told: Vec<Told> = spawns.into_iter().map(Started::finish).collect();
        let won = told.iter().filter(|told| told.code == 0).count();
        assert_eq!(won, 1, "{told:#?}");
        for lost in told.iter().filter(|told| told.code != 0) {
            assert_eq!((lost.code, lost.errors()), (1, vec!["worker 'one' already exists"]), "{lost:#?}");
        }
        assert_eq!(fleet.listed().len(), 1);
        let sleeping = fleet.processes().into_iter().filter(|pid| fleet::command_line(*pid) == "sleep 300").count();
        assert_eq!(sleeping, 1);
        assert_eq!(fleet.worktrees().matches("worktree ").count(), 2, "{}", fleet.worktrees());
        assert_eq!(fleet.windows().len(), usize::from(!mode.is_empty()));
        fleet.ok(&["kill", "one"]);
        fleet.ok(&["clean", "one"]);
        fleet.nobody_is_left();
        swept(&fleet);
        assert_eq!(fleet.things(), before);
    }
}

#[test]
fn f24_fifty_spawns_of_distinct_names_are_fifty() {
    for mode in MODES {
        let fleet = Fleet::new();
        let name = |number: usize| format!("w{number}");
        let spawns: Vec<Started> = (0..50)
            .map(|number| {
                let tree: &[&str] = if number % 10 == 0 { &["--worktree"] } else { &[] };
                let name = name(number);
                let arguments = [&["spawn", "--name", &name], mode, tree, &["--", "sleep", "300"]].concat();
                Started::new(fleet.swarm(&arguments))
            })
            .collect();
        for told in spawns.into_iter().map(Started::finish) {
            assert_eq!((told.code, told.err.as_str()), (0, ""), "{told:#?}");
        }
        let listed = fleet.standings();
        assert_eq!(listed.len(), 50);
        assert!(listed.iter().all(|(_, standing)| standing == "running"), "{listed:?}");
        let mut names: Vec<&String> = listed.iter().map(|(name, _)| name).collect();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), 50);
        assert_eq!(fleet.windows().len(), if mode.is_empty() { 0 } else { 50 });
        assert_eq!(fleet.worktrees().matches("worktree ").count(), 6);
        assert_eq!(fleet.ok(&["kill", "--all"]).lines().count(), 50);
        fleet.nobody_is_left();
        assert!(fleet.windows().is_empty());
        assert_eq!(fleet.ok(&["clean", "--all"]).lines().count(), 50);
    }
}

#[test]
fn a_name_is_refused_by_its_rule_before_anything_is_made() {
    let fleet = Fleet::new();
    let long = "x".repeat(65);
    let bad = [
        "",
        ".",
        "..",
        "...",
        "a..b",
        "a/b",
        "../a",
        "/a",
        "a b",
        " a",
        "a ",
        "a\nb",
        "a\tb",
        "-a",
        "a:b",
        "=a",
        "@1",
        "%1",
        "*",
        "$a",
        "a;b",
        "#a",
        "a.lock",
        ".a",
        "a\u{7f}",
        "\u{1b}[31m",
        &long,
    ];
    for mode in MODES {
        for name in bad {
            let flag = format!("--name={name}");
            let told = fleet.run(&[&["spawn", &flag, "--worktree"], mode, &["--", "sleep", "300"]].concat());
            assert!(matches!(told.code, 1 | 2) && told.errors().len() == 1, "{name:?}: {told:#?}");
            assert!(told.err.contains("64"), "it says the rule: {name:?}: {told:#?}");
            assert!(!told.err.contains('\u{1b}'), "{name:?}: {told:#?}");
            assert_eq!(fleet.ok(&["ls"]), "", "{name:?}");
        }
    }
    assert!(!fleet.path("repo-worktrees").exists() && fleet.windows().is_empty());
    for name in ["a", "0", "_", "a.b", "a-b", "_-.x", &"x".repeat(64)] {
        for mode in MODES {
            fleet.sleeper(mode, name, &[]);
            assert_eq!(fleet.ok(&["kill", name]), format!("killed {name}\n"));
            assert_eq!(fleet.ok(&["clean", name]), format!("cleaned {name}\n"));
        }
    }
    // Other verbs do not take such a name for a path or a target either.
    for name in ["../state.json", "a:b", "=a"] {
        let told = fleet.run(&["logs", name]);
        assert_eq!(told.code, 1, "{told:#?}");
    }
    fleet.nobody_is_left();
}

#[test]
fn a_bare_repository_and_one_whose_core_bare_was_rewritten() {
    let fleet = Fleet::new();
    let bare = fleet.path("bare.git");
    fleet.scratch.git(&["clone", "--quiet", "--bare", ".", bare.to_str().unwrap()]);
    let config = std::fs::read_to_string(bare.join("config")).unwrap();
    let mut spawn = fleet.swarm(&["spawn", "--name", "one", "--worktree", "--", "sleep", "300"]);
    spawn.current_dir(&bare);
    let told = tell(spawn);
    assert_eq!((told.code, told.err.as_str()), (0, ""), "{told:#?}");
    assert_eq!(std::fs::read_to_string(bare.join("config")).unwrap(), config, "a really bare one stays bare");
    fleet.ok(&["kill", "one", "--rm-worktree"]);
    assert_eq!(std::fs::read_to_string(bare.join("config")).unwrap(), config);
    fleet.ok(&["clean", "one"]);
    // What agents do to a repository with a work tree.
    fleet.scratch.git(&["config", "core.bare", "true"]);
    let told = fleet.run(&["spawn", "--name", "two", "--worktree", "--", "sleep", "300"]);
    assert_eq!(told.code, 0, "{told:#?}");
    assert_eq!(fleet.scratch.git(&["config", "core.bare"]), "true\n", "it is the user's to put right");
    fleet.run(&["kill", "--all"]);
    fleet.nobody_is_left();
}

#[test]
fn git_runs_in_the_workers_repository_wherever_the_caller_is() {
    let fleet = Fleet::new();
    fleet.sleeper(&[], "one", &["--worktree"]);
    let elsewhere = fleet.path("home");
    let run = |arguments: &[&str]| {
        let mut command = fleet.swarm(arguments);
        command.current_dir(&elsewhere).env("GIT_DIR", "/nonexistent").env("GIT_WORK_TREE", "/nonexistent");
        tell(command)
    };
    assert_eq!(run(&["kill", "one", "--rm-worktree"]).code, 0);
    assert!(!fleet.worktree("one").exists());
    assert_eq!(run(&["respawn", "one"]).code, 0, "it is made again from anywhere");
    assert!(fleet.worktree("one").join("PROMPT.md").exists());
    assert_eq!(run(&["kill", "one"]).code, 0);
    let told = run(&["clean", "one"]);
    assert_eq!((told.code, told.out.as_str()), (0, "cleaned one\n"), "{told:#?}");
    assert!(!fleet.worktree("one").exists());
    // From inside of a worktree the next one is made beside the main repository.
    fleet.sleeper(&[], "outer", &["--worktree"]);
    let mut inner = fleet.swarm(&["spawn", "--name", "inner", "--worktree", "--", "sleep", "300"]);
    inner.current_dir(fleet.worktree("outer"));
    assert_eq!(tell(inner).code, 0);
    assert!(fleet.worktree("inner").exists());
    fleet.ok(&["kill", "--all"]);
    fleet.nobody_is_left();
}

#[test]
fn a_folder_that_git_refuses_to_remove_is_not_removed() {
    let fleet = Fleet::new();
    fleet.sleeper(&[], "one", &["--worktree"]);
    fleet.ok(&["kill", "one"]);
    let tree = fleet.worktree("one");
    fleet.scratch.git(&["worktree", "lock", tree.to_str().unwrap()]);
    for flags in [&[][..], &["--force-dirty"]] {
        let told = fleet.run(&[&["clean", "one"], flags].concat());
        assert!(tree.join("PROMPT.md").exists(), "{told:#?}");
        assert!(told.err.contains("lock"), "{told:#?}");
    }
}

#[test]
fn a_second_spawn_waits_for_the_registry_and_names_its_holder() {
    let fleet = Fleet::new();
    fleet.sleeper(&[], "one", &[]);
    let lock = std::fs::File::options().read(true).write(true).open(fleet.home().join("state.lock")).unwrap();
    lock.lock().unwrap();
    let spawn = Started::new(fleet.swarm(&["spawn", "--name", "two", "--", "sleep", "300"]));
    assert!(fleet.run(&["ls"]).code == 0, "a look waits for nobody");
    // The predecessor holds the same lock and writes nothing into it.
    let told = spawn.finish();
    assert_eq!((told.code, told.errors().len()), (73, 1), "{told:#?}");
    assert!(told.err.contains(&std::process::id().to_string()), "{told:#?}");
    lock.unlock().unwrap();
    assert_eq!(fleet.ok(&["ls", "--format", "names"]), "one\n");
    fleet.ok(&["kill", "one"]);
    fleet.nobody_is_left();
}

#[test]
fn a_spawn_that_is_stopped_in_the_middle_blocks_no_other() {
    let fleet = Fleet::new();
    let begun = fleet.meeting("begun");
    let _go = fleet.meeting("go");
    stops_at(&fleet, "git", "worktree");
    let first = Started::new(fleet.before(fleet.swarm(&whole(&[], "one"))));
    begun.hear();
    // The name is reserved, the registry is free.
    fleet.refused(&["spawn", "--name", "one", "--", "true"], 1, "worker 'one' already exists");
    fleet.sleeper(&[], "two", &[]);
    assert!(lives(first.pid));
    let _ears = std::fs::File::options().read(true).write(true).open(fleet.path("meet/begun")).unwrap();
    let _way = open_the_way(&fleet);
    let told = first.finish();
    assert_eq!(told.code, 0, "{told:#?}");
    let names = until("both", || Some(fleet.standings()).filter(|all| all.len() == 2));
    assert!(names.iter().all(|(_, standing)| standing == "running"), "{names:?}");
    fleet.ok(&["kill", "--all"]);
    fleet.nobody_is_left();
    assert!(fleet.worktree("one").exists());
}
