//! Workers in windows, where tmux could be led astray: names that look like targets, text that looks like options, bytes
//! of every kind, windows that are the user's own, a server that goes away.
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

use fleet::{Fleet, MODES, Started, is_over, lives, tell, until};
use nix::sys::signal::{Signal, kill};
use serde_json::json;
use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;

const AGENT: &str = env!("CARGO_BIN_EXE_fake-agent");

/// Ctrl-U, and the marks of a bracketed paste.
const CLEAR: &[u8] = b"\x15";
const PASTE: [&[u8]; 2] = [b"\x1b[200~", b"\x1b[201~"];

// ---- names

#[test]
fn a_name_never_selects_another_workers_window() {
    let fleet = Fleet::new();
    let names = ["a", "ab", "a.b", "a-b", "0", "1", "_", "A"];
    let begun = fleet.meeting("begun");
    let mut pids = Vec::new();
    for name in names {
        pids.push(fleet.hold(&["--tmux", "--session", "s"], name, &[], &begun));
    }
    // Windows of the user with names that tmux would rather take, and an index that is a worker's name.
    fleet.tmux(&["new-window", "-d", "-t", "=s:", "-n", "a", "sleep 300"]);
    fleet.tmux(&["new-window", "-d", "-t", "=s:", "-n", "abc", "sleep 300"]);
    fleet.tmux(&["new-session", "-d", "-s", "s2", "-n", "a", "sleep 300"]);
    for (index, name) in names.iter().enumerate() {
        assert_eq!(fleet.ok(&["kill", name]), format!("killed {name}\n"));
        assert!(!lives(pids[index]), "{name}");
        assert!(pids[index + 1..].iter().all(|pid| lives(*pid)), "killing {name} ended another");
    }
    assert_eq!(fleet.windows(), ["s2:a", "s:a", "s:abc"]);
    for name in names {
        fleet.refused(&["send", name, "words"], 1, &format!("worker '{name}' is not running"));
    }
}

#[test]
fn a_prefix_of_a_name_is_another_name() {
    let fleet = Fleet::new();
    let begun = fleet.meeting("begun");
    let pid = fleet.hold(&["--tmux", "--session", "session"], "worker", &[], &begun);
    for verb in [&["kill"][..], &["interrupt"], &["eof"], &["logs"], &["clean"], &["respawn"], &["attach"]] {
        let told = fleet.run(&[verb, &["work"]].concat());
        assert_eq!((told.code, told.errors()), (1, vec!["worker 'work' not found"]), "{verb:?}: {told:#?}");
    }
    fleet.refused(&["send", "work", "words"], 1, "worker 'work' not found");
    // A session whose name is the beginning of another's is a session of its own.
    fleet.sleeper(&["--tmux", "--session", "sess"], "other", &[]);
    assert_eq!(fleet.windows(), ["sess:other", "session:worker"]);
    fleet.ok(&["kill", "other"]);
    assert!(lives(pid));
    assert_eq!(fleet.windows(), ["session:worker"]);
    fleet.ok(&["kill", "worker"]);
}

#[test]
fn sessions_with_odd_names() {
    let fleet = Fleet::new();
    for session in ["-x", "a b", "a'b\"c", "ünïcode", "#{pid}", "$HOME", "a;b", "*", "100%"] {
        let flag = format!("--session={session}");
        let told = fleet.spawn(&["--tmux", &flag], "one", &[], &["sleep", "300"]);
        if told.code != 0 {
            // Refused is well, half is not.
            assert!(matches!(told.code, 1 | 2) && !told.errors().is_empty(), "{session:?}: {told:#?}");
            assert!(fleet.windows().is_empty() && fleet.ok(&["ls"]).is_empty(), "{session:?}: {told:#?}");
            continue;
        }
        assert_eq!(fleet.windows(), [format!("{session}:one")], "{told:#?}");
        fleet.sleeper(&["--tmux", &flag], "two", &[]);
        assert_eq!(fleet.windows().len(), 2, "{session:?}: the second goes into the same");
        assert_eq!(fleet.ok(&["kill", "one"]), "killed one\n");
        assert_eq!(fleet.windows(), [format!("{session}:two")]);
        fleet.ok(&["kill", "two"]);
        fleet.ok(&["clean", "--all"]);
    }
    for session in ["a:b", "a.b", "=a", "@1", "%1", "$1", ""] {
        let told = fleet.spawn(&["--tmux", &format!("--session={session}")], "one", &[], &["sleep", "300"]);
        if told.code == 0 {
            let shown = fleet.entry("one")["tmux"]["session"].as_str().unwrap().to_owned();
            assert_eq!(fleet.windows(), [format!("{shown}:one")], "what tmux made of it is what we say: {told:#?}");
            fleet.ok(&["kill", "one"]);
            fleet.ok(&["clean", "one"]);
        } else {
            assert!(fleet.windows().is_empty() && fleet.ok(&["ls"]).is_empty(), "{session:?}: {told:#?}");
        }
    }
    fleet.nobody_is_left();
}

#[test]
fn the_users_own_windows_survive_every_verb() {
    let fleet = Fleet::new();
    fleet.tmux(&["new-session", "-d", "-s", "mine", "-n", "editor", "sleep 300"]);
    fleet.tmux(&["new-session", "-d", "-s", "other", "-n", "mail", "sleep 300"]);
    for name in ["one", "two"] {
        fleet.sleeper(&["--tmux", "--session", "mine"], name, &["--tag", "red"]);
    }
    assert_eq!(
        fleet.tmux(&["display-message", "-p", "-t", "=mine:", "#{window_name}"]),
        "editor\n",
        "not switched away"
    );
    fleet.ok(&["respawn", "one"]);
    fleet.ok(&["kill", "one"]);
    fleet.ok(&["kill", "--all"]);
    fleet.ok(&["clean", "--all"]);
    assert_eq!(fleet.windows(), ["mine:editor", "other:mail"]);
}

#[test]
fn a_window_that_the_user_renamed_or_moved_is_still_the_workers() {
    let fleet = Fleet::new();
    let begun = fleet.meeting("begun");
    let pid = fleet.hold(&["--tmux", "--session", "mine"], "one", &[], &begun);
    let window = fleet.entry("one")["tmux"]["window_id"].as_str().unwrap().to_owned();
    fleet.tmux(&["rename-window", "-t", &window, "renamed"]);
    fleet.tmux(&["rename-session", "-t", "=mine", "moved"]);
    assert_eq!(fleet.standings(), [("one".into(), "running".into())]);
    fleet.ok(&["peek", "one"]);
    fleet.tmux(&["new-session", "-d", "-s", "other", "sleep 300"]);
    fleet.tmux(&["move-window", "-s", &window, "-t", "=other:"]);
    assert_eq!(fleet.standings(), [("one".into(), "running".into())]);
    assert_eq!(fleet.ok(&["kill", "one"]), "killed one\n");
    assert!(!lives(pid));
    assert_eq!(fleet.windows().len(), 1, "{:?}", fleet.windows());
}

#[test]
fn a_pane_that_the_user_made_in_the_window_is_the_users() {
    let fleet = Fleet::new();
    let begun = fleet.meeting("begun");
    let pid = fleet.hold(&["--tmux"], "one", &[], &begun);
    let (pane, log) = (fleet.pane("one"), fleet.home().join("logs/one.stdout.log"));
    // Before it, so that tmux lists it first.
    let split = ["split-window", "-b", "-d", "-P", "-F", "#{pane_id}", "-t", &pane, "echo of the user; cat"];
    let users = fleet.tmux(&split).trim_end().to_owned();
    let screen = || fleet.tmux(&["capture-pane", "-p", "-t", &users]);
    until("the user's program", || screen().contains("of the user").then_some(()));
    assert_eq!(fleet.standings(), [("one".into(), "running".into())], "and its log is not cut off");
    assert_eq!(fleet.pane("one"), pane);
    assert!(!fleet.ok(&["peek", "one"]).contains("of the user"));
    fleet.ok(&["send", "one", "for the worker"]);
    fleet.shows("one", "for the worker");
    assert!(!screen().contains("for the worker"), "{}", screen());
    fleet.ok(&["kill", "one"]);
    assert!(!lives(pid));
    assert!(screen().contains("of the user"), "it stays");
    assert!(!std::fs::read_to_string(log).unwrap().contains("of the user"));
}

#[test]
fn an_id_of_an_earlier_server_is_never_addressed() {
    let fleet = Fleet::new();
    fleet.sleeper(&["--tmux"], "one", &[]);
    let tmux = fleet.entry("one")["tmux"].clone();
    let (shim, worker) = (fleet.shim("one"), fleet.worker("one"));
    fleet.tmux(&["kill-server"]);
    [shim, worker].into_iter().for_each(is_over);
    // A new server gives the same ids to windows of the user.
    fleet.tmux(&["new-session", "-d", "-s", tmux["session"].as_str().unwrap(), "-n", "one", "cat"]);
    assert_eq!(fleet.tmux(&["display-message", "-p", "#{window_id}"]).trim_end(), tmux["window_id"].as_str().unwrap());
    fleet.refused(&["send", "one", "rm -rf"], 1, "worker 'one' is not running");
    fleet.refused(&["interrupt", "one"], 1, "worker 'one' is not running");
    fleet.ok(&["kill", "one"]);
    fleet.ok(&["clean", "one"]);
    assert_eq!(fleet.windows().len(), 1, "the user's window");
    assert_eq!(fleet.tmux(&["capture-pane", "-p"]).trim(), "");
}

// ---- send

/// A worker that keeps what is typed, ready to hear; and where it is kept.
fn listener(fleet: &Fleet, name: &str) -> PathBuf {
    let path = fleet.path("meet").join(name);
    let script = format!("FAKE_AGENT=keys:{}", path.display());
    let told = fleet.spawn(&["--tmux"], name, &["--env", &script], &[AGENT]);
    assert_eq!((told.code, told.err.as_str()), (0, ""), "{told:#?}");
    fleet.shows(name, "ready");
    path
}

/// Waits until exactly this was typed.
#[track_caller]
fn hears(path: &PathBuf, expected: &[u8], what: &str) {
    let got = until(what, || Some(std::fs::read(path).unwrap()).filter(|bytes| bytes.len() >= expected.len()));
    let differs = got.iter().zip(expected).position(|(a, b)| a != b).unwrap_or(expected.len().min(got.len()));
    let near = |bytes: &[u8]| {
        String::from_utf8_lossy(&bytes[differs.saturating_sub(20)..bytes.len().min(differs + 40)]).into_owned()
    };
    assert!(got == expected, "{what}: from byte {differs}: {:?} is not {:?}", near(&got), near(expected));
}

/// What a program that asked for bracketed paste gets.
fn pasted(text: &[u8]) -> Vec<u8> {
    [CLEAR, PASTE[0], text, PASTE[1], b"\r"].concat()
}

#[test]
fn text_of_every_kind_arrives_as_it_is() {
    let fleet = Fleet::new();
    let long = "0123456789abcdef".repeat(6400);
    let texts = [
        "-leading",
        "--all",
        "-",
        "--",
        "-n 3",
        "ends;",
        "ends\\;",
        ";",
        "a;b",
        "'single' \"double\"",
        "$HOME `id` $(id)",
        "tab\there",
        "two\nlines",
        "trailing newline\n",
        "\n\nblank",
        "  spaces  ",
        "#{pid} #(id) %1 @1 =a",
        "Enter",
        "C-c",
        "Escape",
        "\\n \\t \\033",
        "ünïcödé 🦀 漢字",
        "!history",
        "a\\",
        "M-x",
        "^C",
        "{}",
        "~",
        &long,
    ];
    for (index, text) in texts.into_iter().enumerate() {
        let name = format!("w{index}");
        let path = listener(&fleet, &name);
        let said = if text.len() > 50_000 || text.starts_with('-') {
            fleet.ok(&["send", &name, "--", text])
        } else {
            fleet.ok(&["send", &name, text])
        };
        assert_eq!(said, format!("sent to {name}\n"));
        hears(&path, &pasted(text.as_bytes()), text.get(..30).unwrap_or(text));
        fleet.ok(&["kill", &name, "--grace", "0"]);
    }
    fleet.nobody_is_left();
}

#[test]
fn one_argument_that_begins_with_a_dash_is_text() {
    let fleet = Fleet::new();
    let path = listener(&fleet, "one");
    assert_eq!(fleet.ok(&["send", "one", "-1 is a number"]), "sent to one\n");
    hears(&path, &pasted(b"-1 is a number"), "a leading dash");
    fleet.ok(&["kill", "one", "--grace", "0"]);
}

#[test]
fn escape_sequences_cannot_end_the_paste() {
    let fleet = Fleet::new();
    let path = listener(&fleet, "one");
    let told = fleet.run(&["send", "one", "before\x1b[201~\rrm -rf /\r"]);
    if told.code == 0 {
        let end = |bytes: &Vec<u8>| bytes.ends_with(&[PASTE[1], b"\r"].concat());
        let got = until("the paste", || Some(std::fs::read(&path).unwrap()).filter(end));
        let inner = &got[CLEAR.len() + PASTE[0].len()..got.len() - PASTE[1].len() - 1];
        assert!(
            !inner.windows(6).any(|window| window == PASTE[1]),
            "it breaks out: {:?}",
            String::from_utf8_lossy(&got)
        );
    } else {
        assert_eq!((told.code, told.errors().len()), (1, 1), "{told:#?}");
        assert_eq!(std::fs::read(&path).unwrap(), b"");
    }
    fleet.ok(&["kill", "one", "--grace", "0"]);
}

#[test]
fn no_enter_raw_and_escape() {
    let fleet = Fleet::new();
    let path = listener(&fleet, "one");
    let mut expected = [CLEAR, PASTE[0], b"a", PASTE[1]].concat();
    fleet.ok(&["send", "one", "a", "--no-enter"]);
    hears(&path, &expected, "--no-enter");
    expected.extend([PASTE[0], b"b", PASTE[1], b"\r"].concat());
    fleet.ok(&["send", "one", "--raw", "b"]);
    hears(&path, &expected, "--raw");
    expected.extend([b"\x1b", CLEAR, PASTE[0], b"c", PASTE[1], b"\r"].concat());
    fleet.ok(&["send", "one", "--escape", "c"]);
    hears(&path, &expected, "--escape");
    fleet.ok(&["kill", "one", "--grace", "0"]);
}

#[test]
fn text_that_is_not_utf8() {
    let fleet = Fleet::new();
    let path = listener(&fleet, "one");
    let words = [OsString::from("send"), "one".into(), OsString::from_vec(b"a\xff\xfeb".to_vec())];
    let told = fleet.run(&words);
    if told.code == 0 {
        hears(&path, &pasted(b"a\xff\xfeb"), "bytes");
    } else {
        assert_eq!((told.code, told.errors().len()), (2, 1), "refused as usage: {told:#?}");
    }
    fleet.ok(&["kill", "one", "--grace", "0"]);
}

#[test]
fn sends_at_once_do_not_mix() {
    let fleet = Fleet::new();
    let path = listener(&fleet, "one");
    let other = listener(&fleet, "two");
    let texts: Vec<String> = (0..10).map(|number| format!("{number}").repeat(5000)).collect();
    let sends: Vec<Started> = texts.iter().map(|text| Started::new(fleet.swarm(&["send", "--all", text]))).collect();
    for told in sends.into_iter().map(Started::finish) {
        assert_eq!((told.code, told.err.as_str()), (0, ""), "{told:#?}");
    }
    let size: usize = texts.iter().map(|text| pasted(text.as_bytes()).len()).sum();
    for path in [&path, &other] {
        let got = until("all", || Some(std::fs::read(path).unwrap()).filter(|bytes| bytes.len() >= size));
        assert_eq!(got.len(), size);
        for text in &texts {
            let text = [PASTE[0], text.as_bytes(), PASTE[1]].concat();
            let found = got.windows(text.len()).filter(|window| *window == text).count();
            assert_eq!(found, 1, "a text is torn or in the wrong pane");
        }
    }
    assert_eq!(fleet.tmux(&["list-buffers"]), "", "no buffer is left");
    fleet.ok(&["kill", "--all", "--grace", "0"]);
}

#[test]
fn a_line_too_long_for_a_canonical_terminal_is_refused() {
    let fleet = Fleet::new();
    let begun = fleet.meeting("begun");
    fleet.spawn(&["--tmux"], "one", &[], &["sh", "-c", "while read -r line; do echo ${#line} >$MEET/begun; done"]);
    assert_eq!(fleet.ok(&["send", "one", &"x".repeat(4095)]), "sent to one\n");
    assert_eq!(begun.hear().trim(), "4095");
    let told = fleet.run(&["send", "one", &"x".repeat(4096)]);
    assert_eq!((told.code, told.errors().len()), (1, 1), "{told:#?}");
    assert!(told.err.contains("4095") || told.err.contains("4,095"), "{told:#?}");
    fleet.ok(&["send", "one", "short"]);
    assert_eq!(begun.hear().trim(), "5", "nothing of the refused line is left");
    let lines = ["y".repeat(4000), "z".repeat(4000)].join("\n");
    fleet.ok(&["send", "one", &lines]);
    // The second may speak before the first was heard to its end.
    let mut heard = begun.hear();
    while heard.len() < "4000\n4000\n".len() {
        heard += &begun.hear();
    }
    assert_eq!(heard, "4000\n4000\n");
    fleet.ok(&["kill", "one"]);
}

// ---- environment

#[test]
fn a_value_of_every_byte_but_nul_reaches_the_program() {
    let bytes: Vec<u8> = (1..=255).collect();
    for mode in MODES {
        let fleet = Fleet::new();
        let begun = fleet.meeting("begun");
        let variable = OsString::from_vec([b"BYTES=", &bytes[..]].concat());
        let plain = ["spawn", "--name", "one", "--env", "EMPTY=", "--env", "EQUALS=a=b=c", "--env"].map(OsString::from);
        let command = ["--", "sh", "-c", "cat /proc/self/environ >$MEET/environ; echo x >$MEET/begun; sleep 300"];
        let arguments: Vec<OsString> = plain
            .into_iter()
            .chain([variable.clone()])
            .chain(mode.iter().map(OsString::from))
            .chain(command.map(OsString::from))
            .collect();
        for round in 0..2 {
            let told = if round == 0 { fleet.run(&arguments) } else { fleet.run(&["respawn", "one"]) };
            assert_eq!((told.code, told.err.as_str()), (0, ""), "{told:#?}");
            begun.hear();
            let environ = std::fs::read(fleet.path("meet/environ")).unwrap();
            let has = |entry: &[u8]| environ.split(|byte| *byte == 0).any(|other| other == entry);
            assert!(has(variable.as_bytes()), "{mode:?} round {round}");
            assert!(has(b"EMPTY=") && has(b"EQUALS=a=b=c") && has(b"SWARM_WORKER=one"), "{mode:?} round {round}");
            fleet.ok(&["kill", "one"]);
        }
        assert_eq!(fleet.entry("one")["env"], json!({"BYTES": "", "EMPTY": "", "EQUALS": ""}));
    }
}

#[test]
fn the_callers_environment_counts_and_not_the_servers() {
    let fleet = Fleet::new();
    let mut server = fleet.tmux_command(&["new-session", "-d", "-s", "mine", "-n", "editor", "sleep 300"]);
    server.env("OF", "the server").env("ONLY_SERVER", "1");
    assert_eq!(tell(server).code, 0);
    let begun = fleet.meeting("begun");
    let say = "echo \"$OF|$ONLY_SERVER|$ONLY_CALLER|${TMUX:+tmux}|${TMUX_PANE:+pane}|$TERM\" >$MEET/begun; sleep 300";
    let mut spawn = fleet.swarm(&["spawn", "--name", "one", "--tmux", "--session", "mine", "--", "sh", "-c", say]);
    spawn.env("OF", "the caller").env("ONLY_CALLER", "1").env("TMUX", "/somewhere,1,1").env("TMUX_PANE", "%77");
    let told = tell(spawn);
    assert_eq!((told.code, told.err.as_str()), (0, ""), "{told:#?}");
    let heard = begun.hear();
    assert!(heard.starts_with("the caller||1|tmux|pane|"), "{heard}");
    assert!(heard.contains("screen") || heard.contains("tmux-"), "the terminal is tmux's: {heard}");
    fleet.ok(&["kill", "one"]);
    assert_eq!(fleet.windows(), ["mine:editor"]);
}

#[test]
fn a_command_of_many_odd_words_is_not_given_to_a_shell() {
    for mode in MODES {
        let fleet = Fleet::new();
        let begun = fleet.meeting("begun");
        let words = ["a b", "$HOME", "'", "\"", ";", "#{pid}", "", "\n", "*", "-x", "--"];
        let say = "for word; do printf '<%s>' \"$word\"; done >$MEET/begun; sleep 300";
        fleet.spawn(mode, "one", &[], &[&["sh", "-c", say, "sh"], &words[..]].concat());
        let expected: String = words.iter().map(|word| format!("<{word}>")).collect();
        assert_eq!(begun.hear(), expected);
        // One word alone is a program and not a command line.
        let told = fleet.spawn(mode, "two", &[], &["echo one; echo two"]);
        assert_eq!(told.code, 1, "{told:#?}");
        fleet.ok(&["kill", "one"]);
        fleet.nobody_is_left();
    }
}

// ---- what tmux does to them

#[test]
fn f31_a_server_that_is_killed_ends_its_workers_and_is_recorded() {
    let fleet = Fleet::new();
    let begun = fleet.meeting("begun");
    let stubborn = "trap '' HUP TERM; echo words; echo $$ >$MEET/begun; while :; do sleep 1; done";
    fleet.spawn(&["--tmux"], "stubborn", &[], &["sh", "-c", stubborn]);
    begun.hear();
    fleet.shows("stubborn", "words");
    fleet.sleeper(&["--tmux"], "plain", &["--worktree"]);
    fleet.sleeper(&[], "proc", &[]);
    let pids = ["stubborn", "plain"].map(|name| fleet.worker(name));
    fleet.tmux(&["kill-server"]);
    pids.into_iter().for_each(is_over);
    let told = fleet.run(&["wait", "stubborn", "plain", "--timeout", "50"]);
    assert_eq!(told.code, 0, "{told:#?}");
    assert_eq!(fleet.ok(&["ls", "--status", "running", "--format", "names"]), "proc\n");
    for name in ["stubborn", "plain"] {
        let told = fleet.run(&["status", name]);
        assert_eq!((told.code, told.err.as_str()), (1, ""), "{told:#?}");
    }
    assert!(fleet.ok(&["logs", "stubborn"]).contains("words"), "its words are kept");
    fleet.refused(&["send", "plain", "words"], 1, "worker 'plain' is not running");
    assert!(fleet.ok(&["respawn", "plain"]).starts_with("respawned plain (tmux: "));
    fleet.ok(&["kill", "--all"]);
    assert_eq!(fleet.ok(&["clean", "--all"]).lines().count(), 3);
    fleet.nobody_is_left();
}

#[test]
fn f31_a_window_that_is_killed_is_an_end_like_another() {
    let fleet = Fleet::new();
    let begun = fleet.meeting("begun");
    let script = "trap '' HUP; (setsid sh -c 'trap \"\" HUP TERM; while :; do sleep 1; done' &) ; echo $$ >$MEET/begun; exec sleep 300";
    fleet.spawn(&["--tmux"], "one", &[], &["sh", "-c", script]);
    begun.hear();
    let waiting = Started::new(fleet.swarm(&["wait", "one"]));
    let window = fleet.entry("one")["tmux"]["window_id"].as_str().unwrap().to_owned();
    fleet.tmux(&["kill-window", "-t", &window]);
    let told = waiting.finish();
    assert_eq!((told.code, told.out.as_str()), (0, "one: exited\n"), "{told:#?}");
    let told = fleet.run(&["status", "one"]);
    assert!(told.code == 1 && told.out.starts_with("one: stopped"), "{told:#?}");
    fleet.nobody_is_left();
    fleet.ok(&["clean", "one"]);
}

#[test]
fn f31_a_dead_pipe_is_opened_again() {
    let fleet = Fleet::new();
    let (begun, go) = fleet.meetings();
    let script = "echo first; echo x >$MEET/begun; cat $MEET/go; echo second; echo x >$MEET/begun; cat $MEET/go";
    fleet.spawn(&["--tmux"], "one", &[], &["sh", "-c", script]);
    begun.hear();
    let pane = fleet.pane("one");
    until("first", || fleet.ok(&["logs", "one", "--history"]).contains("first").then_some(()));
    fleet.tmux(&["pipe-pane", "-t", &pane]);
    assert_eq!(fleet.tmux(&["display-message", "-p", "-t", &pane, "#{pane_pipe}"]), "0\n");
    fleet.run(&["ls"]);
    assert_eq!(fleet.tmux(&["display-message", "-p", "-t", &pane, "#{pane_pipe}"]), "1\n", "it is open again");
    go.say("words\n");
    begun.hear();
    go.say("end\n");
    fleet.wait("one");
    let text = fleet.ok(&["logs", "one", "--history"]);
    assert!(text.contains("first") && text.contains("second"), "{text}");
}

#[test]
fn output_of_the_first_moment_is_kept() {
    let fleet = Fleet::new();
    for round in 0..5 {
        let name = format!("w{round}");
        fleet.spawn(&["--tmux"], &name, &[], &["sh", "-c", "echo at once; exit 3"]);
        fleet.wait(&name);
        assert_eq!(fleet.ok(&["logs", &name]), "at once\n");
        assert_eq!(fleet.ok(&["peek", &name, "--last"]), "at once\n");
    }
    assert!(fleet.windows().is_empty(), "a window goes with its worker");
    fleet.nobody_is_left();
}

#[test]
fn bytes_of_a_pane_that_are_no_text() {
    let fleet = Fleet::new();
    let begun = fleet.meeting("begun");
    fleet.spawn(
        &["--tmux"],
        "one",
        &[],
        &["sh", "-c", "printf 'a\\377\\376b\\n\\303\\n'; echo x >$MEET/begun; sleep 300"],
    );
    begun.hear();
    for arguments in [&["peek", "one"][..], &["peek", "--all"], &["logs", "one"], &["peek", "one", "--json"]] {
        let told = fleet.run(arguments);
        assert_eq!((told.code, told.err.as_str()), (0, ""), "{arguments:?}: {told:#?}");
        assert!(std::str::from_utf8(&told.bytes).is_ok(), "{arguments:?}: {told:#?}");
    }
    fleet.ok(&["kill", "one"]);
    assert_eq!(fleet.run(&["logs", "one"]).code, 0);
    let raw = fleet.run(&["logs", "one", "--raw"]);
    assert!(raw.bytes.windows(4).any(|window| window == b"a\xff\xfeb"), "{raw:#?}");
}

#[test]
fn control_sequences_of_a_worker_do_not_reach_the_users_terminal() {
    for mode in MODES {
        let fleet = Fleet::new();
        let begun = fleet.meeting("begun");
        let script =
            "printf '\\033]0;title\\007\\033[31mred\\033[0m\\033[2J\\033[Hclean\\n'; echo x >$MEET/begun; sleep 300";
        fleet.spawn(mode, "one", &[], &["sh", "-c", script]);
        begun.hear();
        if !mode.is_empty() {
            fleet.shows("one", "clean");
        }
        let told = fleet.run(&["peek", "one"]);
        assert!(told.out.contains("clean") && !told.out.contains('\x1b'), "{told:#?}");
        fleet.ok(&["kill", "one"]);
    }
}

#[test]
fn attach_and_logs_of_a_stopped_worker() {
    let fleet = Fleet::new();
    fleet.spawn(&["--tmux"], "one", &[], &["sh", "-c", "seq 1 3; exit 2"]);
    fleet.wait("one");
    fleet.refused(&["attach", "one"], 1, "worker 'one' is not running");
    assert_eq!(fleet.ok(&["logs", "one"]), "1\n2\n3\n");
    assert_eq!(fleet.ok(&["logs", "-f", "one"]), "1\n2\n3\n", "there is nothing to follow");
}

#[test]
fn a_follower_that_is_interrupted_ends_well_and_hurts_nobody() {
    for mode in MODES {
        let fleet = Fleet::new();
        let begun = fleet.meeting("begun");
        let pid = fleet.hold(mode, "one", &[], &begun);
        for signal in [Signal::SIGINT, Signal::SIGTERM] {
            let follow = Started::new(fleet.swarm(&["logs", "--follow", "one"]));
            // It has begun to follow once it holds a file of the worker, or a client of tmux.
            let path = format!("/proc/{}/fd", follow.pid);
            until("a follower at work", || (std::fs::read_dir(&path).unwrap().count() > 4).then_some(()));
            kill(follow.pid, signal).unwrap();
            let told = follow.finish();
            assert!(matches!(told.code, 0 | 130 | 143), "{told:#?}");
            assert_eq!(told.err, "", "{told:#?}");
        }
        assert!(lives(pid));
        fleet.ok(&["kill", "one"]);
        fleet.nobody_is_left();
    }
}

#[test]
fn a_state_folder_with_an_odd_path() {
    for name in ["with space", "100% #{pid} #(id)", "quote'\"", "$HOME;x", "ünï"] {
        let fleet = Fleet::new();
        let home = fleet.path(name);
        let run = |arguments: &[&str]| {
            let mut command = fleet.swarm(arguments);
            command.env("SWARM_HOME", &home);
            tell(command)
        };
        let told = run(&["spawn", "--name", "one", "--tmux", "--", "sh", "-c", "echo words; exit 4"]);
        assert_eq!((told.code, told.err.as_str()), (0, ""), "{name}: {told:#?}");
        assert_eq!(run(&["wait", "one"]).out, "one: exited\n", "{name}");
        assert_eq!(run(&["logs", "one"]).out, "words\n", "{name}");
        assert_eq!(run(&["clean", "one"]).out, "cleaned one\n", "{name}");
    }
    // A path longer than a socket's may be.
    let fleet = Fleet::new();
    let home = fleet.path(&"long".repeat(40));
    let mut command = fleet.swarm(&["spawn", "--name", "one", "--tmux", "--", "sh", "-c", "echo words"]);
    command.env("SWARM_HOME", &home);
    let told = tell(command);
    assert_eq!((told.code, told.err.as_str()), (0, ""), "{told:#?}");
}

#[test]
fn a_tmux_that_is_too_old_is_refused_with_what_to_do() {
    let fleet = Fleet::new();
    fleet.wrap("tmux", r#"case "$*" in *-V) echo 'tmux 2.9a'; exit 0;; esac; exec $REAL "$@""#);
    let told = tell(fleet.before(fleet.swarm(&["spawn", "--name", "one", "--tmux", "--", "sleep", "300"])));
    assert_eq!((told.code, told.errors().len()), (1, 1), "{told:#?}");
    assert!(told.err.contains("2.9a") && told.err.contains("3.2"), "{told:#?}");
    assert!(fleet.windows().is_empty());
    // Workers without a window need none.
    let told = tell(fleet.before(fleet.swarm(&["spawn", "--name", "two", "--", "sleep", "300"])));
    assert_eq!(told.code, 0, "{told:#?}");
    fleet.ok(&["kill", "two"]);
}

#[test]
fn a_look_takes_one_call_of_tmux_whatever_the_number_of_workers() {
    let fleet = Fleet::new();
    for number in 0..6 {
        fleet.sleeper(&["--tmux"], &format!("w{number}"), &[]);
    }
    let log = fleet.path("meet/calls");
    fleet.wrap("tmux", &format!("echo \"$*\" >>{}\nexec $REAL \"$@\"", log.display()));
    for arguments in [&["ls"][..], &["status", "w3"], &["ls", "--format", "json"]] {
        let _ = std::fs::remove_file(&log);
        assert_eq!(tell(fleet.before(fleet.swarm(arguments))).code, 0);
        let calls = std::fs::read_to_string(&log).unwrap_or_default();
        assert!(calls.lines().count() <= 1, "{arguments:?}: {calls}");
    }
    fleet.ok(&["kill", "--all"]);
}
