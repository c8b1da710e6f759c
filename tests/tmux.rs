//! tmux itself, on a socket of its own: what is opened, listed, typed, read and ended, and that nothing else is touched.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers of tests are tests")]

#[path = "support/tmux_site.rs"]
mod tmux_site;

use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use swarm::runtime::tmux::{
    Capture, Control, Event, Key, NewWindow, Opened, Output, PaneLog, Server, Target, Text, TmuxError, check_session,
    find, is_canonical,
};
use tmux_site::{DEADLINE, SWARM, Site, until};

/// Names that mean something to tmux where it looks for a target.
const STRANGE: [&str; 16] =
    ["a", "ab", "a.b", "a:b", "-x", "=a", "@1", "%1", "*", "two words", "{last}", "+", "#{pid}", "x;", "1", "é✳"];

#[test]
fn a_window_is_marked_named_and_found() {
    let site = Site::empty();
    let opened = site.open_with("s", "a.b", &["cat"], &[("@swarm_worker", "w"), ("@swarm_run", "r-1")]);
    assert!(opened.made_session);
    let panes = site.server.panes().unwrap();
    assert_eq!(panes.len(), 1);
    let pane = find(&panes, "r-1", opened.pane_pid).unwrap();
    assert_eq!((pane.session.as_str(), pane.window_name.as_str()), ("s", "a.b"));
    assert_eq!((pane.worker.as_deref(), pane.run.as_deref()), (Some("w"), Some("r-1")));
    assert_eq!((&pane.window_id, pane.pane_pid, &pane.life), (&opened.window_id, opened.pane_pid, &opened.life));
    assert_eq!(pane.tty, opened.tty);
    assert!(pane.session_is_ours && !pane.dead && !pane.pipe && !pane.alternate_on);
    assert_eq!(
        site.tmux(&["display-message", "-p", "-t", &opened.pane_id, "#{window_width}x#{window_height}"]),
        "110x36"
    );

    let second = site.open("s", "second", &["cat"]);
    assert!(!second.made_session);
    let panes = site.server.panes().unwrap();
    let second = panes.iter().find(|pane| pane.pane_id == second.pane_id).unwrap();
    assert_eq!((second.worker.as_deref(), second.run.as_deref()), (None, None));
    assert_eq!(panes[0].session_id, second.session_id);
}

#[test]
fn a_pane_keeps_its_mark_wherever_it_is_moved() {
    let site = Site::new();
    let opened = site.open_with("s", "w", &["cat"], &[("@swarm_worker", "w"), ("@swarm_run", "r")]);
    site.tmux(&["split-window", "-d", "-t", &opened.pane_id, "cat"]);
    site.tmux(&["break-pane", "-d", "-s", &opened.pane_id]);
    let panes = site.server.panes().unwrap();
    let pane = find(&panes, "r", opened.pane_pid).unwrap();
    assert_ne!(pane.window_id, opened.window_id);
}

#[test]
fn a_pane_that_moved_ends_alone_and_a_window_with_all_its_panes() {
    let site = Site::new();
    let stays = site.open("s", "stays", &["cat"]);
    let (moved, split) = (site.open("s", "moved", &["cat"]), site.open("s", "split", &["cat"]));
    site.tmux(&["join-pane", "-d", "-s", &moved.pane_id, "-t", &stays.pane_id]);
    site.tmux(&["split-window", "-d", "-t", &split.pane_id, "cat"]);
    site.server.kill_window(&moved.target()).unwrap();
    site.server.kill_window(&split.target()).unwrap();
    let left: Vec<String> = site.server.panes().unwrap().into_iter().map(|pane| pane.pane_id).collect();
    assert_eq!(left, [stays.pane_id]);
}

#[test]
fn no_server_has_no_panes() {
    let site = Site::empty();
    assert_eq!(site.server.panes().unwrap(), []);
    // A socket that nobody listens on any more.
    drop(std::os::unix::net::UnixListener::bind(site.socket()).unwrap());
    assert_eq!(site.server.panes().unwrap(), []);
}

#[test]
fn the_version_is_told() {
    let version = Site::empty().server.version().unwrap().to_string();
    assert!(version.starts_with(|c: char| c.is_ascii_digit()) || version.contains("master"), "{version}");
}

#[test]
fn what_is_printed_at_once_is_in_the_log() {
    let site = Site::new();
    for number in 0..25 {
        let log = site.path(&format!("{number}.log"));
        site.open_logged("s", "w", &["sh", "-c", "printf FIRST; exec cat"], &log);
        until(&log, |bytes| bytes == b"FIRST");
    }
}

#[test]
fn paths_arrive_as_they_are() {
    let site = Site::new();
    let names: [&[u8]; 9] = [
        b"100%",
        b"%H#S#{pid}",
        b"#[x]##[y]#",
        b"it's \"$HOME\" `id`",
        b" ; ",
        b"end;",
        b"\xff\xe9",
        b"a\\;",
        b"#(touch x)",
    ];
    for name in names {
        let folder = site.folder().join(OsStr::from_bytes(name));
        fs::create_dir(&folder).unwrap();
        let (log, here) = (folder.join("log"), folder.join("here"));
        let command: Vec<OsString> =
            ["sh", "-c", "pwd -P > here; printf %s \"$0\"; exec cat"].map(OsString::from).to_vec();
        let command = [command, vec![folder.clone().into()]].concat();
        let log_here = PaneLog { program: SWARM.as_ref(), log: &log };
        let new = NewWindow { cwd: &folder, command: &command, pane_log: Some(log_here), ..site.window("s", "w") };
        site.server.open(&new).unwrap();
        until(&log, |bytes| bytes == folder.as_os_str().as_bytes());
        assert_eq!(fs::read(&here).unwrap().strip_suffix(b"\n").unwrap(), folder.as_os_str().as_bytes());
    }
}

#[test]
fn a_single_word_is_a_program_and_not_a_line_for_a_shell() {
    let site = Site::new();
    let program = site.path("my program; exit");
    std::os::unix::fs::symlink("/bin/cat", &program).unwrap();
    let opened = site.open("s", "w", &[program.to_str().unwrap()]);
    site.type_line(&opened, "hello");
    site.until_screen(&opened.target(), "hello\nhello");
}

#[test]
fn no_name_selects_another_window() {
    let site = Site::new();
    site.tmux(&["new-session", "-d", "-s", "mine", "-n", "a", "cat"]);
    let opened: Vec<Opened> = STRANGE.iter().map(|name| site.open("mine", name, &["cat"])).collect();
    let listed = |site: &Site| -> Vec<String> {
        site.server.panes().unwrap().into_iter().map(|pane| pane.window_name).collect()
    };
    let all: Vec<&str> = ["a"].into_iter().chain(STRANGE).collect();
    assert_eq!(listed(&site), all);
    for (one, name) in opened.iter().zip(STRANGE) {
        site.type_line(one, &format!("for {name}"));
        site.until_screen(&one.target(), &format!("for {name}\nfor {name}"));
    }
    for (number, one) in opened.iter().enumerate() {
        site.server.kill_window(&one.target()).unwrap();
        let left: Vec<&str> = ["a"].iter().chain(&STRANGE[number + 1..]).copied().collect();
        assert_eq!(listed(&site), left);
    }
    // The user's own window saw nothing of all that, and its session lives.
    let own = site.tmux(&["capture-pane", "-p", "-t", "=mine:=a"]);
    assert_eq!(own.trim(), "");
}

#[test]
fn a_session_is_found_by_its_whole_name_only() {
    let site = Site::new();
    site.tmux(&["new-session", "-d", "-s", "workers", "cat"]);
    assert!(site.open("work", "w", &["cat"]).made_session);
    assert!(!site.open("workers", "w", &["cat"]).made_session);
    assert!(!site.open("work", "w", &["cat"]).made_session);
    for name in ["$0", "=work", "work:0", "w*", "-t", "@0", "#{session_name}"] {
        let refused = site.server.open(&site.window(name, "w"));
        assert!(matches!(refused, Err(TmuxError::BadSession(_))), "{name}");
        assert!(check_session(name).is_err());
    }
    assert_eq!(site.server.panes().unwrap().len(), 4);
}

#[test]
fn first_windows_that_race_for_a_session_are_all_opened() {
    for round in 0..5 {
        let site = Site::empty();
        let opened: Vec<Opened> = std::thread::scope(|scope| {
            let open = || site.open("s", "w", &["cat"]);
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(open)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert_eq!(opened.iter().filter(|one| one.made_session).count(), 1, "round {round}");
        assert_eq!(site.server.panes().unwrap().len(), 8);
    }
}

#[test]
fn a_server_that_is_just_ending_is_waited_for() {
    let site = Site::empty();
    for _ in 0..25 {
        let opened = site.open("s", "w", &["cat"]);
        // The last window: the server ends with it.
        site.server.kill_window(&opened.target()).unwrap();
    }
    assert_eq!(site.server.panes().unwrap(), []);
}

#[test]
fn a_window_that_cannot_be_completed_is_not_left() {
    let site = Site::new();
    let new = NewWindow { options: &[("no such option", "x")], ..site.window("s", "w") };
    let error = site.server.open(&new).unwrap_err().to_string();
    assert!(error.contains("no such option"), "{error}");
    assert_eq!(site.server.panes().unwrap(), []);
}

#[test]
fn two_hundred_windows_are_listed_and_read_at_once() {
    let site = Site::new();
    let ready = site.signal("ready");
    let opened: Vec<Opened> = (0..200)
        .map(|number| {
            let script = format!("printf 'this is %s' {number}; {ready}; exec cat");
            let opened = site.open("s", &format!("w{number}"), &["sh", "-c", &script]);
            site.wait_for("ready");
            opened
        })
        .collect();
    assert_eq!(site.server.panes().unwrap().len(), 200);
    let targets: Vec<Target> = opened.iter().map(Opened::target).collect();
    site.server.kill_window(&targets[7]).unwrap();
    let screens = site.server.captures(&targets, Capture::Screen).unwrap();
    for (number, screen) in screens.iter().enumerate() {
        let text = screen.as_ref().map(|screen| String::from_utf8_lossy(screen).trim_end().to_owned());
        assert_eq!(text, (number != 7).then(|| format!("this is {number}")));
    }
}

#[test]
fn what_stands_on_a_screen_is_read_as_it_stands() {
    let site = Site::new();
    let print = "seq 1 100; printf '\\377 \\303\\251 \\342\\234\\263\\nprompt$ '";
    let script = format!("{print}; {}; exec cat", site.signal("ready"));
    let opened = site.open("s", "w", &["sh", "-c", &script]);
    site.wait_for("ready");
    let target = opened.target();
    let capture = |what| String::from_utf8_lossy(&site.server.capture(&target, what).unwrap()).into_owned();
    let screen = capture(Capture::Screen);
    assert_eq!(screen.lines().count(), 36);
    assert!(screen.starts_with("67\n68\n"), "{screen}");
    assert!(screen.contains("é ✳\nprompt$\n"), "{screen}");
    assert!(capture(Capture::Written).contains("prompt$ \n"));
    assert!(capture(Capture::History(10)).starts_with("57\n58\n"));
    assert!(capture(Capture::History(9999)).starts_with("1\n2\n"));
    for what in [Capture::Screen, Capture::Written, Capture::History(10), Capture::History(9999)] {
        let many = site.server.captures(&[target.clone(), target.clone()], what).unwrap();
        assert_eq!(many, vec![Some(capture(what).into_bytes()); 2]);
    }
}

#[test]
fn nothing_was_scrolled_off_the_alternate_screen() {
    let site = Site::new();
    let script = format!("seq 1 100; printf '\\033[?1049h\\033[Hdrawn'; {}; exec cat", site.signal("ready"));
    let target = site.open("s", "w", &["sh", "-c", &script]).target();
    site.wait_for("ready");
    let drawn = format!("drawn{}", "\n".repeat(36)).into_bytes();
    assert_eq!(site.server.capture(&target, Capture::History(50)).unwrap(), drawn);
    let many = site.server.captures(&[target.clone(), target], Capture::History(50)).unwrap();
    assert_eq!(many, vec![Some(drawn); 2]);
}

#[test]
fn every_byte_arrives_where_bracketed_paste_is_asked_for() {
    let site = Site::new();
    let reader = site.reader("\\033[?2004h");
    let text = b"-x \"a\" 'b' $c `d`\te\nf\x1b[31m\x7f\x80\xff\x00\x03\x04;";
    site.server.send_text(&reader.target, &Text { text, enter: true, clear: true, escape: false }).unwrap();
    let expected = [b"\x15\x1b[200~", text.as_slice(), b"\x1b[201~\r"].concat();
    until(&reader.got, |bytes| bytes == expected);
    assert_eq!(site.tmux(&["list-buffers"]), "");
}

#[test]
fn nothing_is_bracketed_where_nobody_asked() {
    let site = Site::new();
    let reader = site.reader("");
    let send = |text: &[u8], enter, clear, escape| {
        site.server.send_text(&reader.target, &Text { text, enter, clear, escape }).unwrap();
    };
    send(b"-l one;", true, true, false);
    send(b"\ttwo\nlines", false, false, false);
    send(b"", true, false, true);
    until(&reader.got, |bytes| bytes == b"\x15-l one;\r\ttwo\nlines\x1b\r");
}

#[test]
fn a_hundred_thousand_bytes_arrive() {
    let site = Site::new();
    let reader = site.reader("\\033[?2004h");
    let text: Vec<u8> = (0..100_000u32).map(|number| b' ' + (number % 91) as u8).collect();
    site.server.send_text(&reader.target, &Text { text: &text, enter: true, clear: false, escape: false }).unwrap();
    let expected = [b"\x1b[200~", text.as_slice(), b"\x1b[201~\r"].concat();
    until(&reader.got, |bytes| bytes == expected);
}

#[test]
fn a_text_that_would_end_its_own_paste_is_refused() {
    let site = Site::new();
    let reader = site.reader("\\033[?2004h");
    let send =
        |text: &[u8]| site.server.send_text(&reader.target, &Text { text, enter: false, clear: false, escape: false });
    assert!(matches!(send(b"x\x1b[201~\rrm -rf"), Err(TmuxError::Unsendable(_))));
    send(b"fine").unwrap();
    until(&reader.got, |bytes| bytes == b"\x1b[200~fine\x1b[201~");
}

#[test]
fn a_person_who_scrolls_is_not_in_the_way() {
    let site = Site::new();
    let reader = site.reader("");
    site.tmux(&["copy-mode", "-t", reader.target.pane_id()]);
    let text = Text { text: b"x", enter: true, clear: true, escape: false };
    site.server.send_text(&reader.target, &text).unwrap();
    site.server.send_keys(&reader.target, &[Key::Interrupt, Key::EndOfFile, Key::Escape, Key::Enter]).unwrap();
    until(&reader.got, |bytes| bytes == b"\x15x\r\x03\x04\x1b\r");
    let mode = site.tmux(&["display-message", "-p", "-t", reader.target.pane_id(), "#{pane_mode}"]);
    assert_eq!(mode, "copy-mode");
}

#[test]
fn texts_that_are_sent_at_once_do_not_mix() {
    let site = Site::new();
    let reader = site.reader("");
    let letters = *b"abcdefgh";
    std::thread::scope(|scope| {
        for letter in letters {
            let (server, target) = (&site.server, &reader.target);
            scope.spawn(move || {
                let text = Text { text: &[letter; 5000], enter: true, clear: true, escape: false };
                server.send_text(target, &text).unwrap();
            });
        }
    });
    until(&reader.got, |bytes| bytes.len() == letters.len() * 5002);
    let got = fs::read(&reader.got).unwrap();
    let mut seen: Vec<u8> = got
        .chunks(5002)
        .map(|one| {
            assert_eq!((one[0], one[5001]), (b'\x15', b'\r'));
            assert!(one[1..5001].iter().all(|byte| *byte == one[1]));
            one[1]
        })
        .collect();
    seen.sort_unstable();
    assert_eq!(seen, letters);
}

#[test]
fn a_terminal_says_whether_it_edits_lines() {
    let site = Site::new();
    let cat = site.open("s", "w", &["cat"]);
    assert!(is_canonical(&cat.tty).unwrap());
    let reader = site.reader("");
    let panes = site.server.panes().unwrap();
    let pane = panes.iter().find(|pane| pane.pane_id == reader.target.pane_id()).unwrap();
    assert!(!is_canonical(&pane.tty).unwrap());
}

#[test]
fn a_number_of_an_earlier_server_reaches_nobody() {
    let site = Site::empty();
    let mark = |run| [("@swarm_run", run)];
    let old = site.open_with("s", "w", &["cat"], &mark("r-old"));
    site.tmux(&["kill-server"]);
    let new = site.open_with("s", "w", &["cat"], &mark("r-new"));
    assert_eq!((&old.window_id, &old.pane_id), (&new.window_id, &new.pane_id));
    let by_run = |run| Target::of_run(&new.window_id, &new.pane_id, run).unwrap();
    let text = Text { text: b"x", enter: true, clear: false, escape: false };
    for stranger in [old.target(), by_run("r-old")] {
        assert!(matches!(site.server.kill_window(&stranger), Err(TmuxError::Gone(_))));
        assert!(matches!(site.server.send_text(&stranger, &text), Err(TmuxError::Gone(_))));
        assert!(matches!(site.server.capture(&stranger, Capture::Screen), Err(TmuxError::Gone(_))));
        assert_eq!(site.server.captures(std::slice::from_ref(&stranger), Capture::Screen).unwrap(), [None]);
        let log = PaneLog { program: SWARM.as_ref(), log: &site.path("log") };
        assert!(matches!(site.server.reopen_pipe(&stranger, log), Err(TmuxError::Gone(_))));
    }
    assert_eq!(site.tmux(&["list-buffers"]), "");
    site.server.send_text(&by_run("r-new"), &text).unwrap();
    site.until_screen(&new.target(), "x\nx");
    site.server.kill_window(&by_run("r-new")).unwrap();
}

#[test]
fn a_server_that_was_killed_is_named_in_the_error() {
    let site = Site::new();
    let opened = site.open("s", "w", &["cat"]);
    site.tmux(&["kill-server"]);
    assert_eq!(site.server.panes().unwrap(), []);
    assert_eq!(site.server.captures(&[opened.target()], Capture::Screen).unwrap(), [None]);
    let error = site.server.send_keys(&opened.target(), &[Key::Enter]).unwrap_err();
    assert!(matches!(error, TmuxError::NoServer(_) | TmuxError::Lost(_)), "{error:?}");
    assert!(error.to_string().contains("server"), "{error}");
}

#[test]
fn a_pipe_that_died_is_opened_again() {
    let site = Site::new();
    let log = site.path("log");
    let opened = site.open_logged("s", "w", &["cat"], &log);
    let target = opened.target();
    site.type_line(&opened, "before");
    until(&log, |bytes| bytes == b"before\r\nbefore\r\n");
    let keeper = site.child_of_server("swarm-pane-log");
    nix::sys::signal::kill(keeper, nix::sys::signal::Signal::SIGKILL).unwrap();
    // tmux sees it when it has something to write.
    site.until_panes(|panes| {
        site.type_line(&opened, "lost");
        !panes[0].pipe
    });
    let pane_log = PaneLog { program: SWARM.as_ref(), log: &log };
    site.server.reopen_pipe(&target, pane_log).unwrap();
    // A second time changes nothing: no byte is kept twice.
    site.server.reopen_pipe(&target, pane_log).unwrap();
    assert!(site.server.panes().unwrap()[0].pipe);
    site.type_line(&opened, "after");
    until(&log, |bytes| bytes.ends_with(b"after\r\nafter\r\n"));
    let text = fs::read_to_string(&log).unwrap();
    assert_eq!(text.matches("after").count(), 2, "{text}");
}

#[test]
fn a_person_sees_the_window() {
    let site = Site::new();
    let opened = site.open("s", "w", &["cat"]);
    site.open("s", "other", &["cat"]);
    site.type_line(&opened, "inside");
    // The terminal of the person is a pane of another server.
    let outer = Site::new();
    let attach = site.server.attach(&opened.target(), true);
    assert!(attach.without_tmux);
    let mut argv: Vec<OsString> = ["env", "-u", "TMUX", "-u", "TMUX_PANE"].map(OsString::from).to_vec();
    argv.extend(attach.argv);
    let command: Vec<&str> = argv.iter().map(|word| word.to_str().unwrap()).collect();
    let person = outer.open("s", "person", &command);
    outer.until_screen(&person.target(), "inside");
    outer.type_line(&person, "cannot type");
    outer.server.kill_window(&person.target()).unwrap();
    assert!(!site.screen(&opened.target()).contains("cannot type"));
}

#[tokio::test]
async fn a_connection_tells_what_happens() {
    let site = Site::new();
    let opened = site.open("s", "w", &["cat"]);
    let other = site.open("other", "w", &["cat"]);
    let in_time = |control| tokio::time::timeout(DEADLINE, control);
    let mut control = in_time(Box::pin(Control::connect(&site.server, "s", Output::Told))).await.unwrap().unwrap();

    let lines = control.command("list-panes -a -F '#{window_width} #{window_id}'").await.unwrap();
    let size = format!("110 {}", opened.window_id);
    assert!(lines.contains(&size.into_bytes()), "the connection changed the window's size: {lines:?}");
    assert_eq!(lines.len(), 2);
    assert!(matches!(control.command("kill-window -t @77").await, Err(TmuxError::Gone(_))));
    assert!(control.command("no-such-command").await.is_err());
    assert!(control.command("list-panes ; list-panes").await.is_err());

    let mut printed = Vec::new();
    site.type_line(&opened, "a\\b\u{e9}\tc");
    while printed != "a\\b\u{e9}\tc\r\n".repeat(2).as_bytes() {
        match tokio::time::timeout(DEADLINE, control.next_event()).await.unwrap() {
            Some(Event::Output { pane, bytes }) if pane == opened.pane_id => printed.extend(bytes),
            event => panic!("{event:?} after {:?}", String::from_utf8_lossy(&printed)),
        }
    }
    site.server.kill_window(&other.target()).unwrap();
    let closed = tokio::time::timeout(DEADLINE, control.next_event()).await.unwrap();
    assert_eq!(closed, Some(Event::Closed { window: other.window_id }));
    // An event that comes before an answer is not lost.
    site.type_line(&opened, "x");
    site.until_screen(&opened.target(), "x\nx");
    control.command("list-windows").await.unwrap();
    let event = tokio::time::timeout(DEADLINE, control.next_event()).await.unwrap();
    assert!(matches!(event, Some(Event::Output { .. })), "{event:?}");
    site.tmux(&["kill-server"]);
    let mut last = None;
    while let Some(event) = tokio::time::timeout(DEADLINE, control.next_event()).await.unwrap() {
        last = Some(event);
    }
    assert!(matches!(last, Some(Event::Exit { .. })), "{last:?}");
    assert!(control.command("list-panes").await.is_err());
}

#[tokio::test]
async fn a_connection_to_nobody_says_so() {
    let site = Site::empty();
    let connect = async |session| Control::connect(&site.server, session, Output::Kept).await.map(drop);
    let error = connect("s").await.unwrap_err();
    assert!(matches!(error, TmuxError::Gone(_)), "{error:?}");
    site.open("ss", "w", &["cat"]);
    let error = connect("s").await.unwrap_err();
    assert!(matches!(error, TmuxError::Gone(_)), "{error:?}");
}

#[test]
fn the_log_of_a_pane_is_bounded() {
    let site = Site::empty();
    let log = site.path("log");
    let mut keeper = Command::new(SWARM).arg("pane-log").arg(&log).stdin(Stdio::piped()).spawn().unwrap();
    let mut input = keeper.stdin.take().unwrap();
    for letter in *b"abcdef" {
        std::io::Write::write_all(&mut input, &vec![letter; 16 << 20]).unwrap();
    }
    std::io::Write::write_all(&mut input, b"last").unwrap();
    drop(input);
    assert!(keeper.wait().unwrap().success());
    let aside: PathBuf = site.path("log.1");
    assert!(aside.metadata().unwrap().len() + log.metadata().unwrap().len() <= 65 << 20);
    assert!(fs::read(&log).unwrap().ends_with(b"last"));
    let aside = fs::read(&aside).unwrap();
    assert!(aside.len() >= 32 << 20 && aside.ends_with(b"fff"));
}

#[test]
fn a_full_disk_does_not_stop_the_pane() {
    let site = Site::empty();
    let log = site.path("log");
    let mut shell = Command::new("sh");
    shell.args(["-c", "ulimit -f 8; exec \"$0\" pane-log \"$1\"", SWARM]).arg(&log);
    let mut keeper = shell.stdin(Stdio::piped()).spawn().unwrap();
    let mut input = keeper.stdin.take().unwrap();
    std::io::Write::write_all(&mut input, &vec![b'x'; 1 << 20]).unwrap();
    // A signal that a terminal would send does not end it before its input does.
    let id = nix::unistd::Pid::from_raw(keeper.id() as i32);
    nix::sys::signal::kill(id, nix::sys::signal::Signal::SIGHUP).unwrap();
    std::io::Write::write_all(&mut input, &vec![b'x'; 1 << 20]).unwrap();
    drop(input);
    assert!(keeper.wait().unwrap().success());
    assert_eq!(fs::read(&log).unwrap(), vec![b'x'; 4096]);
}

#[test]
fn a_socket_by_name_lies_in_tmux_own_folder() {
    let words = |socket| {
        let target = Target::of_run("@1", "%1", "r").unwrap();
        let words = Server::new(socket).attach(&target, false).argv;
        words.iter().take(4).map(|word| word.to_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(words(Some("name"))[..4], ["tmux", "-u", "-L", "name"]);
    assert_eq!(words(Some("/a/path"))[..4], ["tmux", "-u", "-S", "/a/path"]);
    assert_eq!(words(Some(""))[..3], ["tmux", "-u", "if"]);
    assert_eq!(words(None)[..3], ["tmux", "-u", "if"]);
}
