//! The registry under damage: whatever becomes of `state.json`, the next command works, says what happened once, keeps the
//! damaged file, and finds every worker that lives.
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

use fleet::{Fleet, MODES, Started, Told, is_over, lives, tell, until};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};
use std::path::Path;

/// A fleet with a worker of each kind.
fn two() -> Fleet {
    let fleet = Fleet::new();
    fleet.sleeper(&[], "proc", &["--tag", "red", "--env", "A=b"]);
    fleet.sleeper(&["--tmux"], "window", &["--tag", "blue", "--worktree"]);
    fleet
}

/// It said once that the state is corrupt, and where the damaged file is kept.
#[track_caller]
fn says_corrupt(told: &Told, kept: &str) {
    let said: Vec<&str> = told.warnings().into_iter().filter(|line| line.starts_with("corrupt state file ")).collect();
    assert_eq!(said.len(), 1, "{told:#?}");
    assert!(said[0].contains(&format!("kept as {kept}")), "{told:#?}");
}

/// Both workers are known as before, and can be worked with.
#[track_caller]
fn both_are_back(fleet: &Fleet, pids: [Pid; 2], what: &str) {
    let mut names = fleet.standings();
    names.sort();
    assert_eq!(names, [("proc".into(), "running".into()), ("window".into(), "running".into())], "{what}");
    assert_eq!([fleet.worker("proc"), fleet.worker("window")], pids, "{what}");
    let (proc, window) = (fleet.entry("proc"), fleet.entry("window"));
    assert_eq!((&proc["tags"], &window["tags"]), (&json!(["red"]), &json!(["blue"])), "{what}");
    assert_eq!(proc["cmd"], json!(["sleep", "300"]), "{what}");
    assert_eq!(proc["env"], json!({"A": ""}), "{what}");
    assert_eq!(window["worktree"]["branch"], "window", "{what}");
    assert!(window["tmux"]["window"] == "window", "{what}");
}

fn pids(fleet: &Fleet) -> [Pid; 2] {
    [fleet.worker("proc"), fleet.worker("window")]
}

#[test]
fn f22_a_state_that_is_cut_anywhere_loses_no_living_worker() {
    let fleet = two();
    let (whole, pids) = (std::fs::read(fleet.state_file()).unwrap(), pids(&fleet));
    // Every byte is cut in the registry's own tests; here a sample through the binary, dense where it is small.
    let cuts = (0..whole.len()).filter(|cut| cut % 97 == 0 || *cut < 4 || *cut + 4 > whole.len());
    for cut in cuts.filter(|cut| serde_json::from_slice::<Value>(&whole[..*cut]).is_err()) {
        let _ = std::fs::remove_file(fleet.home().join("state.json.corrupted"));
        std::fs::write(fleet.state_file(), &whole[..cut]).unwrap();
        let told = fleet.run(&["ls", "--format", "names"]);
        assert_eq!(told.code, 0, "cut at {cut}: {told:#?}");
        says_corrupt(&told, "state.json.corrupted");
        assert_eq!(std::fs::read(fleet.home().join("state.json.corrupted")).unwrap(), &whole[..cut]);
        both_are_back(&fleet, pids, &format!("cut at {cut}"));
        assert_eq!(fleet.run(&["ls"]).err, "", "it says so once");
    }
    assert_eq!(fleet.ok(&["kill", "--all"]).lines().count(), 2);
    assert_eq!(fleet.ok(&["clean", "--all"]).lines().count(), 2);
    fleet.nobody_is_left();
}

#[test]
fn f22_a_state_of_another_shape_loses_no_living_worker() {
    let damaged: [&[u8]; 14] = [
        b"",
        b"\0\0\0\0",
        b"\xff\xfe\x00binary\x80",
        b"[]",
        b"null",
        b"3",
        b"\"words\"",
        b"{}",
        b"{\"version\": 1}",
        b"{\"version\": \"one\", \"workers\": []}",
        b"{\"version\": 1, \"workers\": {}}",
        b"{\"version\": 1, \"workers\": [null, 3, {}]}",
        b"{\"version\": 1, \"workers\": [{\"name\": 3}]}",
        b"{\"version\": 1, \"workers\": [{\"name\": \"../x\", \"status\": \"running\", \"cmd\": [\"x\"]}]}",
    ];
    let fleet = two();
    let pids = pids(&fleet);
    for bytes in damaged {
        let what = String::from_utf8_lossy(bytes).into_owned();
        let _ = std::fs::remove_file(fleet.home().join("state.json.corrupted"));
        std::fs::write(fleet.state_file(), bytes).unwrap();
        let told = fleet.run(&["status", "window"]);
        assert_eq!(told.code, 0, "{what}: {told:#?}");
        says_corrupt(&told, "state.json.corrupted");
        assert!(told.err.contains('2'), "it says how many came back: {told:#?}");
        both_are_back(&fleet, pids, &what);
    }
    fleet.ok(&["send", "window", "words"]);
    assert_eq!(fleet.ok(&["kill", "--all"]).lines().count(), 2);
    fleet.nobody_is_left();
}

#[test]
fn f22_each_verb_heals_what_it_finds_damaged() {
    for verb in [
        &["ls"][..],
        &["status", "proc"],
        &["peek", "proc"],
        &["peek", "--all"],
        &["send", "window", "words"],
        &["logs", "proc"],
        &["wait", "proc", "--timeout", "0.1"],
        &["spawn", "--name", "new", "--", "sleep", "300"],
        &["respawn", "proc"],
        &["kill", "proc"],
        &["clean", "--all"],
    ] {
        let fleet = two();
        std::fs::write(fleet.state_file(), "{\"version\": 1, \"work").unwrap();
        let told = fleet.run(verb);
        let code = i32::from(verb[0] == "wait");
        assert_eq!((told.code, told.errors().len()), (code, 0), "{verb:?}: {told:#?}");
        says_corrupt(&told, "state.json.corrupted");
        let names: Vec<String> = fleet.standings().into_iter().map(|(name, _)| name).collect();
        assert!(names.contains(&"proc".to_owned()) && names.contains(&"window".to_owned()), "{verb:?}: {names:?}");
        assert_eq!(names.contains(&"new".to_owned()), verb[0] == "spawn", "{verb:?}: {names:?}");
        fleet.ok(&["kill", "--all"]);
        fleet.nobody_is_left();
    }
}

#[test]
fn f22_one_bad_entry_costs_the_others_nothing() {
    let fleet = two();
    let mut state = fleet.state();
    let foreign = json!({
        "name": "foreign", "status": "stopped", "cmd": ["x"], "started": "2024-01-01T00:00:00", "cwd": "/", "env": {},
        "tags": ["kept"], "tmux": null, "worktree": null, "pid": null, "metadata": {"mine": [1, {"a": null}]}, "new": 7,
    });
    let bad = json!({"name": "bad", "status": 3});
    state["workers"].as_array_mut().unwrap().splice(1..1, [foreign.clone(), bad]);
    std::fs::write(fleet.state_file(), state.to_string()).unwrap();
    let told = fleet.run(&["ls", "--format", "names"]);
    says_corrupt(&told, "state.json.corrupted");
    assert_eq!(told.out, "proc\nforeign\nwindow\n", "{told:#?}");
    fleet.ok(&["kill", "window"]);
    let kept = fleet.entry("foreign");
    for key in ["name", "status", "cmd", "started", "tags", "metadata", "new"] {
        assert_eq!(kept[key], foreign[key], "{key}");
    }
    fleet.ok(&["kill", "--all"]);
    fleet.nobody_is_left();
}

#[test]
fn f22_a_second_damage_keeps_the_first_copy() {
    let fleet = two();
    let pids = pids(&fleet);
    for damage in ["first damage", "second damage", "third damage"] {
        std::fs::write(fleet.state_file(), damage).unwrap();
        let told = fleet.run(&["ls"]);
        assert_eq!(told.code, 0, "{told:#?}");
        assert!(told.err.contains("kept as state.json.corrupted"), "{told:#?}");
    }
    let names = std::fs::read_dir(fleet.home()).unwrap().map(|entry| entry.unwrap().path());
    let kept: Vec<_> = names.filter(|path| path.to_string_lossy().contains("corrupted")).collect();
    let mut texts: Vec<String> = kept.iter().map(|path| std::fs::read_to_string(path).unwrap()).collect();
    texts.sort();
    assert_eq!(texts, ["first damage", "second damage", "third damage"], "{kept:?}");
    both_are_back(&fleet, pids, "three times");
    fleet.ok(&["kill", "--all"]);
}

#[test]
fn f22_a_state_that_is_gone_is_found_again() {
    let fleet = two();
    let pids = pids(&fleet);
    std::fs::remove_file(fleet.state_file()).unwrap();
    let told = fleet.run(&["ls", "--format", "names"]);
    assert_eq!(told.code, 0, "{told:#?}");
    both_are_back(&fleet, pids, "removed");
    fleet.ok(&["kill", "--all"]);
    fleet.nobody_is_left();
}

#[test]
fn f22_a_newer_version_is_refused_untouched() {
    let fleet = two();
    let mut state = fleet.state();
    state["version"] = json!(2);
    let bytes = state.to_string();
    std::fs::write(fleet.state_file(), &bytes).unwrap();
    let before = fleet.windows();
    for verb in [
        &["ls"][..],
        &["status", "proc"],
        &["peek", "proc"],
        &["kill", "--all"],
        &["clean", "--all"],
        &["respawn", "proc"],
        &["wait", "--all"],
        &["spawn", "--name", "new", "--tmux", "--worktree", "--", "sleep", "300"],
    ] {
        let told = fleet.run(verb);
        assert_eq!((told.code, told.errors().len()), (1, 1), "{verb:?}: {told:#?}");
        assert!(told.err.contains("newer") && told.err.contains("state.json"), "{verb:?}: {told:#?}");
        assert_eq!(std::fs::read_to_string(fleet.state_file()).unwrap(), bytes, "{verb:?}");
    }
    assert!(!fleet.home().join("state.json.corrupted").exists());
    assert_eq!(fleet.windows(), before);
    assert!(!fleet.worktree("new").exists() && !fleet.branches().contains(&"new".to_owned()));
    state["version"] = json!(1);
    std::fs::write(fleet.state_file(), state.to_string()).unwrap();
    fleet.ok(&["kill", "--all"]);
    fleet.nobody_is_left();
}

#[test]
fn f22_unknown_keys_survive_every_writer() {
    let fleet = two();
    let mut state = fleet.state();
    state["theirs"] = json!({"a": [1.5, null]});
    for entry in state["workers"].as_array_mut().unwrap() {
        entry["theirs"] = json!("kept");
        entry["metadata"]["theirs"] = json!({"b": 1});
        if !entry["tmux"].is_null() {
            entry["tmux"]["theirs"] = json!("kept");
            entry["worktree"]["theirs"] = json!("kept");
        }
    }
    std::fs::write(fleet.state_file(), state.to_string()).unwrap();
    assert_eq!(fleet.ok(&["kill", "--all"]).lines().count(), 2);
    fleet.ok(&["respawn", "window"]);
    fleet.sleeper(&[], "new", &[]);
    let state = fleet.state();
    assert_eq!(state["theirs"], json!({"a": [1.5, null]}));
    for name in ["proc", "window"] {
        assert_eq!(fleet.entry(name)["metadata"]["theirs"], json!({"b": 1}), "{name}");
    }
    assert_eq!(fleet.entry("proc")["theirs"], "kept");
    fleet.ok(&["kill", "--all"]);
    fleet.nobody_is_left();
}

#[test]
fn f22_a_damaged_run_folder_stops_no_command() {
    let fleet = two();
    let folder = fleet.home().join("workers");
    let files = fleet.scratch.below(&folder);
    for file in files.iter().map(|file| folder.join(file)).filter(|file| file.is_file()) {
        if file.ends_with("run.json") || file.ends_with("journal") {
            std::fs::write(&file, "damaged").unwrap();
        }
    }
    let told = fleet.run(&["ls", "--format", "names"]);
    assert_eq!((told.code, told.out.as_str()), (0, "proc\nwindow\n"), "{told:#?}");
    std::fs::write(fleet.state_file(), "damaged").unwrap();
    let told = fleet.run(&["ls", "--format", "names"]);
    assert_eq!(told.code, 0, "{told:#?}");
    assert!(told.out.contains("window"), "the window's own option says so: {told:#?}");
    fleet.run(&["kill", "--all"]);
}

#[test]
fn f22_a_worker_whose_run_is_damaged_or_gone_is_lost_and_never_run_again() {
    for mode in MODES {
        for damage in ["journal", "attempts/1.1/record", "attempts", "run.json", ""] {
            let fleet = Fleet::new();
            let (begun, go) = fleet.meetings();
            let script = "echo $$ >$MEET/begun; read -r x <$MEET/go; exec sleep 300";
            fleet.spawn(mode, "one", &[], &["sh", "-c", script]);
            let pid = Pid::from_raw(begun.hear().trim().parse().unwrap());
            go.say("go\n");
            until("it sleeps", || (fleet::command_line(pid) == "sleep 300").then_some(()));
            let path = fleet.home().join("workers").join(fleet.entry("one")["run"].as_str().unwrap()).join(damage);
            let shim = fleet.shim("one");
            [shim, pid].into_iter().for_each(drop_process);
            match path.is_dir() {
                true => std::fs::remove_dir_all(&path).unwrap(),
                false => std::fs::write(&path, "damaged").unwrap(),
            }
            let told = fleet.run(&["ls", "--format", "names", "--status", "stopped"]);
            assert_eq!((told.code, told.out.as_str()), (0, "one\n"), "{damage} {mode:?}: {told:#?}");
            fleet.nobody_is_left();
            let told = fleet.run(&["status", "one"]);
            assert_eq!((told.code, told.err.as_str()), (1, ""), "{damage} {mode:?}: {told:#?}");
            fleet.run(&["kill", "one"]);
            assert_eq!(fleet.ok(&["clean", "one"]), "cleaned one\n", "{damage} {mode:?}");
        }
    }
}

#[test]
fn the_predecessors_file_is_read_as_it_is() {
    let fleet = Fleet::new();
    std::fs::create_dir_all(fleet.home().join("logs")).unwrap();
    let mut old = fleet.command("sleep").arg("300").spawn().unwrap();
    fleet.tmux(&["new-session", "-d", "-s", "swarm-old", "-n", "agent", "sh -c 'echo old words; read x; sleep 300'"]);
    let state = json!({"version": 1, "workers": [
        {"name": "agent", "status": "running", "cmd": ["sh"], "started": "2026-01-19T10:00:00.123456",
         "cwd": "/", "env": {}, "tags": ["old"], "tmux": {"session": "swarm-old", "window": "agent", "socket": null},
         "worktree": null, "pid": null, "metadata": {"ralph": true, "ralph_iteration": 3}},
        {"name": "gone", "status": "running", "cmd": ["x"], "started": "2026-01-19T10:00:00", "cwd": "/", "env": {},
         "tags": [], "tmux": null, "worktree": null, "pid": 4_000_000, "metadata": {}},
        {"name": "server", "status": "running", "cmd": ["sleep", "300"], "started": "2026-01-19T10:00:00", "cwd": "/",
         "env": {"K": "v"}, "tags": [], "tmux": null, "worktree": null, "pid": old.id(), "metadata": {}},
    ]});
    std::fs::write(fleet.state_file(), serde_json::to_vec_pretty(&state).unwrap()).unwrap();
    std::fs::write(fleet.home().join("logs/gone.stdout.log"), "last words\n").unwrap();
    let told = fleet.run(&["ls", "--format", "names"]);
    assert_eq!((told.code, told.err.as_str(), told.out.as_str()), (0, "", "agent\ngone\nserver\n"), "{told:#?}");
    let standings = fleet.standings();
    assert_eq!(standings[0].1, "running");
    assert_eq!(standings[1].1, "stopped");
    assert_eq!(fleet.ok(&["ls", "--tag", "old", "--format", "names"]), "agent\n");
    assert_eq!(fleet.ok(&["peek", "agent"]), "old words\n");
    assert_eq!(fleet.ok(&["send", "agent", "x"]), "sent to agent\n");
    assert_eq!(fleet.ok(&["logs", "gone"]), "last words\n");
    assert_eq!(fleet.ok(&["kill", "agent"]), "killed agent\n");
    assert!(fleet.windows().is_empty());
    assert_eq!(fleet.entry("agent")["metadata"], json!({"ralph": true, "ralph_iteration": 3}));
    // Its file gives a pid and no start: the process began long after the entry, so it is somebody else's.
    fleet.run(&["kill", "server"]);
    assert!(old.try_wait().unwrap().is_none(), "a pid alone identifies nobody");
    old.kill().unwrap();
    old.wait().unwrap();
    assert_eq!(fleet.ok(&["clean", "gone"]), "cleaned gone\n");
}

#[test]
fn a_worker_whose_run_is_removed_while_it_lives_is_not_given_up() {
    for mode in MODES {
        for gone in ["attempts", ""] {
            let fleet = Fleet::new();
            let begun = fleet.meeting("begun");
            let pid = fleet.hold(mode, "one", &["--grace", "1"], &begun);
            let run = fleet.entry("one")["run"].as_str().unwrap().to_owned();
            std::fs::remove_dir_all(fleet.home().join("workers").join(run).join(gone)).unwrap();
            assert_eq!(fleet.run(&["ls", "--format", "names", "--status", "running"]).out, "one\n", "{gone} {mode:?}");
            assert!(lives(pid));
            let told = fleet.run(&["kill", "one"]);
            assert_eq!((told.code, told.out.as_str()), (0, "killed one\n"), "{gone} {mode:?}: {told:#?}");
            fleet.nobody_is_left();
            assert_eq!(fleet.standings(), [("one".into(), "stopped".into())], "{gone} {mode:?}");
            fleet.run(&["clean", "one"]);
            assert_eq!(fleet.standings(), []);
        }
    }
}

#[test]
fn a_run_in_the_state_that_is_a_path_removes_nothing() {
    let fleet = Fleet::new();
    let precious = fleet.path("precious");
    std::fs::create_dir_all(&precious).unwrap();
    std::fs::write(precious.join("run.json"), "mine").unwrap();
    fleet.sleeper(&[], "one", &[]);
    for run in ["../../../precious", "", ".", precious.to_str().unwrap()] {
        let mut state = fleet.state();
        let mut evil = state["workers"][0].clone();
        (evil["name"], evil["status"], evil["run"]) = ("evil".into(), "stopped".into(), run.into());
        state["workers"].as_array_mut().unwrap().push(evil);
        std::fs::write(fleet.state_file(), state.to_string()).unwrap();
        fleet.run(&["clean", "evil"]);
        fleet.run(&["respawn", "evil"]);
        assert_eq!(std::fs::read_to_string(precious.join("run.json")).unwrap(), "mine", "{run}");
        assert_eq!(fleet.standings(), [("one".into(), "running".into())], "{run}");
    }
    fleet.ok(&["kill", "one"]);
}

/// Fills the disk below `folder` to the last byte.
fn fill(folder: &Path) {
    for size in [65_536, 4096, 1] {
        let mut file = std::fs::File::options().append(true).create(true).open(folder.join("filler")).unwrap();
        while std::io::Write::write_all(&mut file, &vec![0; size]).is_ok() {}
    }
}

#[test]
fn f20_a_full_disk_under_the_state_harms_nothing_that_is_there() {
    let fleet = Fleet::new();
    fleet.on_a_small_disk(2048);
    for mode in MODES {
        let name = if mode.is_empty() { "proc" } else { "window" };
        fleet.sleeper(mode, name, &[]);
    }
    let (before, bytes) = (fleet.windows(), std::fs::read(fleet.state_file()).unwrap());
    fill(&fleet.home());
    for mode in MODES {
        let arguments = [&["spawn", "--name", "new", "--worktree"], mode, &["--", "sleep", "300"]].concat();
        let told = fleet.run(&arguments);
        assert_eq!((told.code, told.errors().len()), (74, 1), "{told:#?}");
        assert!(told.err.contains("No space left"), "{told:#?}");
        assert_eq!(std::fs::read(fleet.state_file()).unwrap(), bytes, "the old state is unharmed");
        assert_eq!(fleet.windows(), before);
        assert!(!fleet.worktree("new").exists() && fleet.branches() == ["main"], "{told:#?}");
    }
    let sleeping = fleet.processes().into_iter().filter(|pid| fleet::command_line(*pid) == "sleep 300").count();
    assert_eq!(sleeping, 2);
    // A look needs no room, and no worker is beyond reach for want of it.
    assert_eq!(fleet.run(&["ls", "--format", "names"]).out, "proc\nwindow\n");
    let pid = fleet.worker("proc");
    let told = fleet.run(&["kill", "proc"]);
    assert!(matches!(told.code, 0 | 74), "{told:#?}");
    is_over(pid);
    std::fs::remove_file(fleet.home().join("filler")).unwrap();
    fleet.sleeper(&[], "new", &[]);
    assert_eq!(fleet.ok(&["kill", "--all"]).lines().count(), 2);
    fleet.nobody_is_left();
}

#[test]
fn f23_death_around_the_rename_leaves_the_old_or_the_new_state() {
    for point in ["files-before-rename", "files-after-rename"] {
        for nth in 1..=4 {
            let fleet = two();
            let before = std::fs::read(fleet.state_file()).unwrap();
            let mut command = fleet.swarm(&["kill", "proc"]);
            command.env("SWARM_FAILPOINT", format!("{point}@{nth}:abort"));
            let told = tell(command);
            let state = fleet.state();
            assert_eq!(state["workers"].as_array().unwrap().len(), 2, "{point}@{nth}: {state:#}");
            if told.code != 0 && point == "files-before-rename" && nth == 1 {
                assert_eq!(std::fs::read(fleet.state_file()).unwrap(), before);
            }
            assert_eq!(fleet.run(&["kill", "--all"]).code, 0, "{point}@{nth}");
            let names = fleet.scratch.below(&fleet.home());
            let temps: Vec<_> = names.iter().filter(|path| path.to_string_lossy().contains(".tmp")).collect();
            fleet.ok(&["clean", "--all"]);
            assert!(temps.len() <= 1, "temporary files pile up: {temps:?}");
            fleet.nobody_is_left();
        }
    }
}

#[test]
fn f39_after_a_reboot_all_are_lost_at_the_first_command() {
    let fleet = two();
    let pids = pids(&fleet);
    let shims = ["proc", "window"].map(|name| fleet.shim(name));
    // What a reboot does: nobody lives, no tmux server runs, and every boot id in the files is of another boot.
    fleet.tmux(&["kill-server"]);
    shims.iter().chain(&pids).for_each(|pid| drop_process(*pid));
    fleet.nobody_is_left();
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
    another_boot(&fleet.home(), boot.trim(), "00000000-0000-4000-8000-000000000000");
    let told = fleet.run(&["ls", "--format", "names", "--status", "stopped"]);
    assert_eq!((told.code, told.out.as_str()), (0, "proc\nwindow\n"), "{told:#?}");
    for name in ["proc", "window"] {
        let told = fleet.run(&["status", name]);
        assert_eq!(told.code, 1, "{told:#?}");
        assert!(told.out.starts_with(&format!("{name}: stopped")), "{told:#?}");
    }
    assert_eq!(fleet.ok(&["wait", "--all"]), "", "nobody runs");
    fleet.ok(&["respawn", "window"]);
    fleet.ok(&["kill", "--all"]);
    assert_eq!(fleet.ok(&["clean", "--all"]).lines().count(), 2);
    fleet.nobody_is_left();
}

fn drop_process(pid: Pid) {
    let _ = kill(pid, Signal::SIGKILL);
    is_over(pid);
}

/// Replaces the boot id in every file below `folder`; lines with a checksum get the right one.
fn another_boot(folder: &Path, from: &str, to: &str) {
    assert_eq!(from.len(), to.len(), "what counts bytes counts the same");
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            another_boot(&path, from, to);
            continue;
        }
        let Ok(mut bytes) = std::fs::read(&path) else { continue };
        bytes.split_mut(|byte| *byte == b'\n').for_each(|line| of_another_boot(line, from.as_bytes(), to.as_bytes()));
        std::fs::write(&path, bytes).unwrap();
    }
}

fn of_another_boot(line: &mut [u8], from: &[u8], to: &[u8]) {
    let has_sum = line.len() > 9
        && std::str::from_utf8(&line[..8])
            .is_ok_and(|sum| u32::from_str_radix(sum, 16).is_ok_and(|sum| sum == crc32fast::hash(&line[9..])));
    while let Some(at) = line.windows(from.len()).position(|window| window == from) {
        line[at..at + from.len()].copy_from_slice(to);
    }
    if has_sum {
        let sum = format!("{:08x}", crc32fast::hash(&line[9..]));
        line[..8].copy_from_slice(sum.as_bytes());
    }
}

#[test]
fn f06_a_pid_that_is_somebody_elses_now_is_never_signalled() {
    for mode in MODES {
        let fleet = Fleet::new();
        let begun = fleet.meeting("begun");
        let pid = fleet.hold(mode, "one", &[], &begun);
        let shim = fleet.shim("one");
        [shim, pid].into_iter().for_each(drop_process);
        let mut stranger = fleet.command("sleep").arg("300").spawn().unwrap();
        // The registry and every record name the stranger's pid, with the start time of the worker that was.
        let mut state = fleet.state();
        let entry = &mut state["workers"][0];
        for key in ["shim", "worker"] {
            entry[key]["pid"] = json!(stranger.id());
        }
        if !entry["pid"].is_null() {
            entry["pid"] = json!(stranger.id());
        }
        entry["status"] = json!("running");
        std::fs::write(fleet.state_file(), state.to_string()).unwrap();
        for verb in [
            &["ls"][..],
            &["status", "one"],
            &["kill", "one"],
            &["respawn", "one"],
            &["kill", "one"],
            &["clean", "one"],
        ] {
            fleet.run(verb);
            assert!(stranger.try_wait().unwrap().is_none(), "{verb:?} ended a stranger");
        }
        stranger.kill().unwrap();
        stranger.wait().unwrap();
        fleet.nobody_is_left();
    }
}

#[test]
fn writers_at_once_lose_nothing() {
    let fleet = Fleet::new();
    for name in ["a", "b", "c", "d"] {
        fleet.sleeper(&[], name, &[]);
    }
    let all = [
        &["kill", "a"][..],
        &["kill", "b"],
        &["spawn", "--name", "e", "--", "sleep", "300"],
        &["spawn", "--name", "f", "--tmux", "--", "sleep", "300"],
        &["respawn", "c"],
        &["ls"],
        &["status", "d"],
    ];
    let started: Vec<Started> = all.iter().map(|arguments| Started::new(fleet.swarm(arguments))).collect();
    for (told, arguments) in started.into_iter().map(Started::finish).zip(all) {
        assert_eq!((told.code, told.err.as_str()), (0, ""), "{arguments:?}: {told:#?}");
    }
    let mut standings = fleet.standings();
    standings.sort();
    let of = |name: &str| standings.iter().find(|(other, _)| other == name).map(|(_, standing)| standing.as_str());
    assert_eq!(["a", "b"].map(of), [Some("stopped"); 2]);
    assert_eq!(["c", "d", "e", "f"].map(of), [Some("running"); 4]);
    fleet.ok(&["kill", "--all"]);
    fleet.nobody_is_left();
}

#[test]
fn a_state_folder_that_others_can_read_holds_no_secret() {
    for mode in MODES {
        let fleet = Fleet::new();
        let begun = fleet.meeting("begun");
        let secret = "hunter2-Xq9";
        let variable = format!("TOKEN={secret}");
        let told =
            fleet.spawn(mode, "one", &["--env", &variable], &["sh", "-c", "echo $TOKEN >$MEET/begun; sleep 300"]);
        assert_eq!(told.code, 0, "{told:#?}");
        assert_eq!(begun.hear().trim_end(), secret);
        fleet.ok(&["respawn", "one"]);
        assert_eq!(begun.hear().trim_end(), secret);
        let outputs = [&["ls", "--format", "json"][..], &["ls"], &["status", "one", "--json"], &["doctor", "--json"]];
        for arguments in outputs {
            assert!(!fleet.run(arguments).out.contains(secret), "{arguments:?}");
        }
        for pid in fleet.processes() {
            assert!(!fleet::command_line(pid).contains(secret), "in argv: {}", fleet::command_line(pid));
        }
        if !mode.is_empty() {
            assert!(!fleet.tmux(&["show-environment", "-g"]).contains(secret), "the server's environment has it");
            assert!(!fleet.tmux(&["show-options", "-g"]).contains(secret));
        }
        for path in fleet.scratch.below(&fleet.path("")).iter().map(|path| fleet.path("").join(path)) {
            if path.is_dir() || path.starts_with(fleet.path("meet")) || path.starts_with(fleet.path("tmux")) {
                continue;
            }
            let bytes = std::fs::read(&path).unwrap_or_default();
            if bytes.windows(secret.len()).any(|window| window == secret.as_bytes()) {
                let mode = std::os::unix::fs::PermissionsExt::mode(&path.metadata().unwrap().permissions());
                assert_eq!(mode & 0o777, 0o600, "{} has the secret", path.display());
                assert!(path.ends_with("env"), "{} has the secret", path.display());
            }
        }
        fleet.ok(&["kill", "one"]);
        fleet.ok(&["clean", "one"]);
        fleet.nobody_is_left();
        for path in fleet.scratch.below(&fleet.home()).iter().map(|path| fleet.home().join(path)) {
            let bytes = std::fs::read(&path).unwrap_or_default();
            let there = bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
            assert!(!there, "{} has the secret of a worker that was cleaned", path.display());
        }
    }
}
