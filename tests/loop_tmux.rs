//! `swarm loop --tmux`, seen from outside: a real supervisor, a real tmux server of the test's own, agents that are shell
//! scripts of the test. (What a shim in a window does alone is in `window_runtime.rs`.)
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
#[path = "support/running.rs"]
mod running;
#[path = "support/scratch.rs"]
mod scratch;

use fleet::{Fleet, Started, Told, is_over, lives, matches, tell, until};
use meeting::Meeting;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use running::Running;
use serde_json::{Value, json};
use std::process::Command;

/// The flags that name a session and a server.
const MINE: [&str; 5] = ["--tmux", "--session", "mine", "--tmux-socket", "other"];

/// Says its pid, and goes on when it is told.
const MEETS: &str = "echo $$ >$MEET/begun; cat $MEET/go >/dev/null; ";

/// One loop in a place of its own, and two pipes at which the test and the agent meet.
struct Stage {
    fleet: Fleet,
    begun: Meeting,
    go: Meeting,
}

/// A window as tmux tells of it.
#[derive(Debug, PartialEq, Eq, Clone)]
struct Window {
    id: String,
    place: String,
    worker: String,
    run: String,
    /// A server that was started anew gives the ids again.
    program: String,
}

impl Stage {
    /// The agent is this shell script; `$N` counts its starts.
    fn new(script: &str) -> Stage {
        let fleet = Fleet::new();
        let count = fleet.path("starts");
        let script = format!("echo $$ >>{count}\nN=$(wc -l <{count})\n{script}", count = count.display());
        std::fs::write(fleet.path("agent.sh"), script).unwrap();
        let (begun, go) = fleet.meetings();
        Stage { fleet, begun, go }
    }

    /// `swarm loop ARGUMENTS -- sh agent.sh`.
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.fleet.swarm(&["loop"]);
        command.args(arguments);
        if !arguments.contains(&"--resume") {
            command.arg("--").arg("sh").arg(self.fleet.path("agent.sh"));
        }
        command
    }

    /// The same with events.
    fn start(&self, arguments: &[&str]) -> Running {
        Running::start(self.command(&[arguments, &["--format", "json"]].concat()))
    }

    /// The same for people, to its end.
    fn run(&self, arguments: &[&str]) -> Told {
        tell(self.command(arguments))
    }

    /// The pid that the agent says at the meeting.
    fn worker(&self) -> Pid {
        Pid::from_raw(self.begun.hear().trim().parse().unwrap())
    }

    fn starts(&self) -> usize {
        std::fs::read_to_string(self.fleet.path("starts")).unwrap_or_default().lines().count()
    }

    fn log(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.fleet.scratch.log(name)).unwrap()
    }

    /// All windows of that server (`-L NAME`, or nothing for the default one); none when it does not run.
    fn windows(&self, server: &[&str]) -> Vec<Window> {
        let format = "#{window_id}\t#{session_name}:#{window_name}\t#{@swarm_worker}\t#{@swarm_run}\t#{pane_pid}";
        let told = tell(self.fleet.tmux_command(&[server, &["list-windows", "-a", "-F", format]].concat()));
        let window = |line: &str| {
            let [id, place, worker, run, program] = line.split('\t').collect::<Vec<_>>().try_into().unwrap();
            Window {
                id: id.into(),
                place: place.into(),
                worker: worker.into(),
                run: run.into(),
                program: program.into(),
            }
        };
        told.out.lines().map(window).collect()
    }

    /// The one window of that server.
    #[track_caller]
    fn window(&self, server: &[&str]) -> Window {
        let windows = self.windows(server);
        assert_eq!(windows.len(), 1, "{windows:#?}");
        windows[0].clone()
    }

    /// What stands in the default server's one window, once these words do.
    #[track_caller]
    fn shown(&self, words: &str) -> String {
        until(&format!("{words:?} in the window"), || {
            let told = tell(self.fleet.tmux_command(&["capture-pane", "-p", "-t", &self.windows(&[]).first()?.id]));
            told.out.contains(words).then_some(told.out)
        })
    }

    /// `swarm loop status --json`.
    fn status(&self) -> Value {
        serde_json::from_str(&self.fleet.ok(&["loop", "status", "--json"])).unwrap()
    }

    #[track_caller]
    fn nothing_is_left(&self) {
        until("the end of the window", || {
            (self.windows(&[]).is_empty() && self.windows(&["-L", "other"]).is_empty()).then_some(())
        });
        self.fleet.nobody_is_left();
    }
}

fn is(event: &'static str) -> impl Fn(&Value) -> bool {
    move |value| value["event"] == event
}

/// Kills the supervisor as the kernel would, and returns when it is gone.
fn kill_supervisor(running: Running) {
    kill(running.pid, Signal::SIGKILL).unwrap();
    assert_eq!(running.finish().code, 137);
}

// ---- what the window shows

#[test]
fn one_window_shows_the_text_of_all_iterations_as_it_grows() {
    let stage = Stage::new(&format!("echo words $N; {MEETS} echo more $N; [ $N -ge 2 ] && echo /done; true"));
    let running = stage.start(&["3", "--tmux"]);
    stage.worker();
    let screen = stage.shown("words 1");
    assert!(screen.starts_with("── iteration 1/3 (log 1) ──\nwords 1\n"), "{screen}");
    let first = stage.window(&[]);
    matches(&first.place, "swarm-[0-9a-f]{8}:repo");
    assert_eq!((first.worker.as_str(), json!(first.run)), ("repo", stage.status()["run"].clone()));
    stage.go.say("go");
    stage.worker();
    let screen = stage.shown("words 2");
    assert!(screen.contains("words 1\nmore 1\n── iteration 2/3 (log 2) ──\nwords 2\n"), "{screen}");
    assert_eq!(stage.window(&[]), first, "the same over all iterations");
    stage.go.say("go");
    let finished = running.finish();
    assert_eq!((finished.code, finished.endings()), (0, vec!["clean", "done"]), "{}", finished.words);
    assert_eq!(stage.log("iteration-1.log.raw"), b"words 1\nmore 1\n");
    assert_eq!(stage.starts(), 2);
    stage.nothing_is_left();
}

#[test]
fn a_repeated_try_is_shown_from_its_own_header_on() {
    // An agent that was cut off by its API is tried again in the same log.
    let result =
        r#"{"type":"result","subtype":"success","is_error":true,"api_error_status":529,"result":"Overloaded"}"#;
    let good =
        r#"{"type":"result","subtype":"success","is_error":false,"terminal_reason":"completed","result":"all\n/done"}"#;
    let script = format!("[ $N -ge 2 ] || {{ printf '%s\\n' '{result}'; exit 1; }}; {MEETS} printf '%s\\n' '{good}'");
    let stage = Stage::new(&script);
    let running = stage.start(&["3", "--tmux", "--agent", "claude"]);
    stage.worker();
    let screen = stage.shown("try 2");
    assert_eq!(screen.matches("── iteration 1/3").count(), 2, "{screen}");
    stage.go.say("go");
    assert_eq!(running.finish().code, 0);
    stage.nothing_is_left();
}

#[test]
fn the_logs_are_those_of_a_bare_agent_byte_for_byte() {
    // Odd bytes, no newline at the end, more than a pipe holds, a prompt that is read, no terminal anywhere.
    let script = "printf 'a\\r\\n\\000\\377\\033[31mred\\033[0m\\n'; head -c 300000 /dev/zero | tr '\\0' x; echo; cat; \
        echo words >&2; for n in 0 1 2; do [ -t $n ] && echo terminal $n; done; (: </dev/tty) 2>/dev/null && echo tty; \
        printf '/done'";
    let logs = |flags: &[&str]| {
        let stage = Stage::new(script);
        let finished = stage.start(&[&["1"], flags].concat()).finish();
        assert_eq!(finished.code, 0, "{}", finished.words);
        stage.nothing_is_left();
        ["iteration-1.log.raw", "iteration-1.err", "iteration-1.log"].map(|name| stage.log(name))
    };
    let (bare, in_window) = (logs(&[]), logs(&["--tmux"]));
    assert!(bare == in_window);
    let raw = String::from_utf8_lossy(&bare[0]).into_owned();
    assert!(raw.contains("say /done") && !raw.contains("terminal") && !raw.contains("tty"), "it has a terminal");
}

// ---- windows and servers that go away

#[test]
fn a_window_or_a_server_that_is_killed_ends_the_agent_and_the_next_has_a_new_one() {
    for target in ["window", "server"] {
        let stage = Stage::new(&format!("{MEETS} echo /done"));
        let mut running = stage.start(&["3", "--tmux"]);
        let worker = stage.worker();
        let first = stage.window(&[]);
        match target {
            "window" => stage.fleet.tmux(&["kill-window", "-t", &first.id]),
            _ => stage.fleet.tmux(&["kill-server"]),
        };
        running.wait_for(is("iteration_ended"));
        is_over(worker);
        stage.worker();
        let second = stage.window(&[]);
        assert_eq!((&second.place, &second.run), (&first.place, &first.run));
        assert_ne!(second.program, first.program);
        stage.go.say("go");
        let finished = running.finish();
        assert_eq!((finished.code, finished.endings()), (0, vec!["killed", "done"]), "{target}: {}", finished.words);
        let ended = finished.events.iter().find(|event| event["event"] == "iteration_ended").unwrap();
        assert_eq!(ended["signal"], Signal::SIGHUP as i32);
        assert_eq!(stage.starts(), 2);
        stage.nothing_is_left();
    }
}

#[test]
fn the_users_own_windows_stay() {
    let stage = Stage::new("echo /done");
    stage.fleet.tmux(&["new-session", "-d", "-s", "mine", "-n", "repo", "sleep 300"]);
    let users = stage.window(&[]);
    assert_eq!(stage.start(&["1", "--tmux", "--session", "mine"]).finish().code, 0);
    until("the end of the loop's window", || (stage.windows(&[]) == [users.clone()]).then_some(()));
    stage.fleet.tmux(&["kill-server"]);
    stage.nothing_is_left();
}

// ---- death of the supervisor

#[test]
fn f01_an_agent_in_a_window_is_adopted_there() {
    let server = ["-L", "other"];
    let stage = Stage::new(&format!("echo before; {MEETS} echo after; [ $N -ge 2 ] && echo /done; true"));
    let first = stage.start(&[&["3"], MINE.as_slice()].concat());
    let worker = stage.worker();
    let window = stage.window(&server);
    assert_eq!(window.place, "mine:repo");
    kill_supervisor(first);
    assert!(lives(worker));
    let mut second = stage.start(&["--resume"]);
    second.wait_for(is("worker_adopted"));
    assert_eq!(stage.window(&server), window, "no second window");
    stage.go.say("go");
    // The next one is opened by the settings that the run was started with; the first closes with its shim.
    stage.worker();
    let next = until("a single window", || stage.windows(&server).try_into().ok().map(|[window]: [Window; 1]| window));
    assert!(
        next.place == window.place && next.run == window.run && next.program != window.program,
        "{next:?} after {window:?}"
    );
    stage.go.say("go");
    let finished = second.finish();
    assert_eq!((finished.code, finished.endings()), (0, vec!["clean", "done"]), "{}", finished.words);
    assert_eq!(stage.starts(), 2, "an agent was doubled");
    assert_eq!(stage.log("iteration-1.log.raw"), b"before\nafter\n");
    assert!(stage.windows(&[]).is_empty(), "on the default server");
    stage.nothing_is_left();
}

#[test]
fn f03_a_death_while_the_window_is_opened_doubles_nothing() {
    let ours = ["window-", "launch-"];
    let points = swarm::host::failpoint::ALL.iter().filter(|point| ours.iter().any(|ours| point.starts_with(ours)));
    for point in points {
        let stage = Stage::new("echo one; [ $N -ge 2 ] && echo /done; true");
        let mut command = stage.command(&["3", "--tmux", "--format", "json"]);
        command.env("SWARM_FAILPOINT", format!("{point}:abort"));
        let first = Running::start(command).finish();
        assert_eq!(first.code, 137, "{point}: {}", first.words);
        let second = stage.start(&["--resume"]).finish();
        assert_eq!(second.code, 0, "{point}: {}", second.words);
        assert_eq!(stage.starts(), 2, "{point}: {:?}", second.events);
        stage.nothing_is_left();
    }
}

#[test]
fn a_run_that_was_left_is_closed_with_its_window() {
    let stage = Stage::new(MEETS);
    let first = stage.start(&["3", "--tmux"]);
    let worker = stage.worker();
    kill_supervisor(first);
    let restarted = stage.start(&["3", "--tmux", "--restart"]);
    is_over(worker);
    stage.worker();
    let window = until("a single window", || stage.windows(&[]).try_into().ok().map(|[window]: [Window; 1]| window));
    assert_eq!(json!(window.run), stage.status()["run"]);
    assert_eq!(stage.fleet.ok(&["kill", "repo"]), "killed repo\n");
    assert_eq!(restarted.finish().code, 143);
    stage.nothing_is_left();
}

// ---- the operator

#[test]
fn a_loop_that_is_stopped_takes_its_agent_and_its_window_along() {
    let signal = |signal| move |running: &Running, _: &Stage| kill(running.pid, signal).unwrap();
    let stop = |_: &Running, stage: &Stage| drop(stage.fleet.ok(&["loop", "stop", "--now"]));
    let killed = |_: &Running, stage: &Stage| assert_eq!(stage.fleet.ok(&["kill", "repo"]), "killed repo\n");
    type Way<'a> = (&'a dyn Fn(&Running, &Stage), i32);
    let ways: [Way<'_>; 5] = [
        (&signal(Signal::SIGINT), 130),
        (&signal(Signal::SIGTERM), 143),
        (&signal(Signal::SIGHUP), 129),
        (&stop, 143),
        (&killed, 143),
    ];
    for (end, code) in ways {
        let stage = Stage::new(&format!("sleep 300 & setsid sleep 300 & {MEETS}"));
        let running = stage.start(&["3", "--tmux"]);
        let worker = stage.worker();
        end(&running, &stage);
        let finished = running.finish();
        assert_eq!((finished.code, finished.endings()), (code, vec!["stopped"]), "{}", finished.words);
        assert!(!lives(worker));
        stage.nothing_is_left();
    }
}

#[test]
fn a_loop_that_is_left_leaves_the_window_open() {
    let stage = Stage::new(&format!("{MEETS} echo /done"));
    let running = stage.start(&["3", "--tmux"]);
    let worker = stage.worker();
    kill(running.pid, Signal::SIGQUIT).unwrap();
    assert_eq!(running.finish().code, 131);
    assert!(lives(worker));
    stage.window(&[]);
    assert_eq!(stage.status()["state"], "left");
    stage.go.say("go");
    let finished = stage.start(&["--resume"]).finish();
    assert_eq!((finished.code, stage.starts()), (0, 1), "{}", finished.words);
    stage.nothing_is_left();
}

#[test]
fn a_pause_keeps_the_window_and_survives_its_end() {
    for is_closed in [false, true] {
        let stage = Stage::new(&format!("echo words $N; {MEETS} [ $N -ge 2 ] && echo /done; true"));
        let mut running = stage.start(&["3", "--tmux"]);
        stage.worker();
        let window = stage.window(&[]);
        stage.fleet.ok(&["loop", "pause"]);
        stage.go.say("go");
        running.wait_for(is("iteration_ended"));
        until("the pause", || (stage.status()["state"] == "paused").then_some(()));
        assert_eq!(stage.window(&[]), window);
        if is_closed {
            stage.fleet.tmux(&["kill-window", "-t", &window.id]);
            // Until its program has heard of it, the next agent could still be started there, and be hung up at once.
            is_over(Pid::from_raw(window.program.parse().unwrap()));
        }
        stage.fleet.ok(&["loop", "resume"]);
        stage.worker();
        assert_eq!(stage.window(&[]) == window, !is_closed);
        stage.shown("words 2");
        stage.go.say("go");
        let finished = running.finish();
        assert_eq!((finished.code, finished.endings()), (0, vec!["clean", "done"]), "{}", finished.words);
        stage.nothing_is_left();
    }
}

#[test]
fn a_detached_loop_has_its_agents_window_beside_its_own() {
    let stage = Stage::new(&format!("{MEETS} echo /done"));
    let told = stage.run(&["1", "--tmux", "--detach"]);
    assert!(told.code == 0 && told.out.contains("tmux attach -t swarm-repo "), "{told:#?}");
    stage.worker();
    let mut places: Vec<String> = stage.windows(&[]).into_iter().map(|window| window.place).collect();
    places.sort();
    matches(&places.join(" "), "swarm-[0-9a-f]{8}:repo swarm-repo:.*");
    stage.go.say("go");
    stage.nothing_is_left();
    assert_eq!(stage.status()["ended"]["exit_code"], 0);
}

#[test]
fn a_ctrl_z_stops_the_agent_in_the_window_too() {
    let stage = Stage::new(&format!("{MEETS} echo /done"));
    let mut running = stage.start(&["3", "--tmux"]);
    let worker = stage.worker();
    let stands = || std::fs::read_to_string(format!("/proc/{worker}/stat")).unwrap().contains(") T ");
    kill(running.pid, Signal::SIGTSTP).unwrap();
    running.wait_for(is("suspended"));
    until("the agent to stand still", || stands().then_some(()));
    kill(running.pid, Signal::SIGCONT).unwrap();
    running.wait_for(is("continued"));
    until("the agent to go on", || (!stands()).then_some(()));
    stage.go.say("go");
    assert_eq!(running.finish().code, 0);
    stage.nothing_is_left();
}

// ---- what is said of it

#[test]
fn the_banner_the_status_and_the_list_say_where_to_look() {
    let stage = Stage::new(&format!("echo words; {MEETS} echo /done"));
    let running = Started::new(stage.command(&[&["3"], MINE.as_slice()].concat()));
    stage.worker();
    let line = "window   tmux -L other attach -t mine:repo\n";
    for words in [stage.fleet.ok(&["loop", "status"]), stage.fleet.ok(&["status", "repo"])] {
        assert!(words.contains("  window     tmux -L other attach -t mine:repo\n"), "{words}");
    }
    assert_eq!(stage.status()["tmux"], json!({"session": "mine", "window": "repo", "socket": "other"}));
    // The command does what it says; `script` is the terminal that it needs.
    let look = "script -qec 'tmux -L other attach -t mine:repo \\; detach-client' /dev/null";
    let mut shell = stage.fleet.command("sh");
    shell.args(["-c", look]);
    let screen = tell(shell).out;
    assert!(screen.contains("[detached"), "{screen:?}");

    matches(&stage.fleet.ok(&["ls"]), "NAME .*\nrepo +running +mine:repo +[0-9]+s +- +loop\n");
    let listed = stage.fleet.listed();
    assert_eq!(listed[0]["tmux"], json!({"session": "mine", "window": "repo", "socket": "other"}));
    assert_eq!(listed[0]["pid"], running.pid.as_raw(), "its supervisor");
    stage.go.say("go");
    let told = running.finish();
    assert_eq!(told.code, 0, "{told:#?}");
    assert!(told.out.contains(line), "{told:#?}");
    assert!(!stage.fleet.ok(&["loop", "status"]).contains("window"), "it is closed");
    assert_eq!(stage.status()["tmux"], Value::Null);
    stage.nothing_is_left();
}

#[test]
fn a_bare_loop_says_nothing_of_windows() {
    let stage = Stage::new(&format!("{MEETS} echo /done"));
    let running = Started::new(stage.command(&["3"]));
    stage.worker();
    assert!(!stage.fleet.ok(&["loop", "status"]).contains("window"));
    assert_eq!((stage.status()["tmux"].clone(), stage.fleet.listed()[0]["tmux"].clone()), (Value::Null, Value::Null));
    matches(&stage.fleet.ok(&["ls"]), &format!("NAME .*\nrepo +running +{} +[0-9]+s +- +loop\n", running.pid));
    stage.go.say("go");
    let told = running.finish();
    assert!(told.code == 0 && !told.out.contains("window"), "{told:#?}");
    assert!(stage.windows(&[]).is_empty());
}

#[test]
fn the_verbs_know_a_loop_beside_workers() {
    let stage = Stage::new(&format!("echo words; {MEETS} echo /done"));
    let fleet = &stage.fleet;
    fleet.sleeper(&["--tmux"], "worker", &[]);
    let running = stage.start(&["3", "--tmux", "--name", "night"]);
    stage.worker();
    assert_eq!(
        fleet.standings(),
        [("worker", "running"), ("night", "running")].map(|(name, how)| (name.into(), how.into()))
    );
    let places: Vec<String> = stage.windows(&[]).into_iter().map(|window| window.place).collect();
    assert!(
        places.iter().any(|place| place.ends_with(":worker")) && places.iter().any(|place| place.ends_with(":night"))
    );
    fleet.refused(
        &["spawn", "--name", "night", "--", "true"],
        1,
        "worker 'night' already exists: a running loop has that name",
    );
    assert_eq!(fleet.run(&["wait", "night", "--timeout", "0.05"]).code, 1);
    fleet.refused(&["clean", "night"], 1, "worker 'night' not found: it is a loop");
    let text = "── iteration 1/3 (log 1) ──\nwords\n";
    assert_eq!(
        (fleet.ok(&["peek", "night"]).as_str(), fleet.ok(&["peek", "night", "-n", "1"]).as_str()),
        (text, "words\n")
    );
    assert_eq!(fleet.ok(&["logs", "night"]), text);
    let follows = Started::new(fleet.swarm(&["logs", "night", "--follow"]));
    let waits = Started::new(fleet.swarm(&["wait", "night", "worker"]));
    assert_eq!(fleet.ok(&["kill", "night"]), "killed night\n");
    assert_eq!(running.finish().code, 143);
    assert!(lives(fleet.worker("worker")), "it is somebody else's window");
    assert_eq!(fleet.ok(&["kill", "worker"]), "killed worker\n");
    let told = waits.finish();
    assert_eq!((told.code, told.out.as_str()), (0, "night: exited\nworker: exited\n"), "{told:#?}");
    let told = follows.finish();
    assert!(told.code == 0 && told.out.starts_with(text), "{told:#?}");
    assert_eq!(fleet.ok(&["peek", "night", "--last"]), text);
    assert_eq!(fleet.ok(&["logs", "night"]), text);
    stage.nothing_is_left();
}

#[test]
fn a_loop_takes_no_workers_name() {
    let stage = Stage::new("echo /done");
    stage.fleet.sleeper(&["--tmux"], "repo", &[]);
    let told = stage.run(&["1", "--tmux"]);
    assert!(told.code == 0 && told.out.starts_with("swarm loop repo-2\n"), "{told:#?}");
    matches(&stage.windows(&[])[0].place, ".*:repo");
    stage.fleet.ok(&["kill", "repo"]);
    stage.nothing_is_left();
}

// ---- settings

#[test]
fn a_project_and_the_environment_can_ask_for_a_window() {
    let stage = Stage::new(&format!("{MEETS} echo /done"));
    std::fs::write(stage.fleet.repo().join("swarm.toml"), "[loop]\ntmux = true\nsession = \"project\"\n").unwrap();
    for (variable, place) in [(None, "project:repo"), (Some(("SWARM_SESSION", "mine")), "mine:repo")] {
        let mut command = stage.command(&["1", "--format", "json"]);
        command.envs(variable);
        let running = Running::start(command);
        stage.worker();
        assert_eq!(stage.window(&[]).place, place);
        stage.go.say("go");
        assert_eq!(running.finish().code, 0);
        stage.nothing_is_left();
    }
    // A session that waits for its day is no reason to refuse a bare loop.
    let running = stage.start(&["1", "--tmux=off"]);
    stage.worker();
    assert!(stage.windows(&[]).is_empty());
    stage.go.say("go");
    assert_eq!(running.finish().code, 0);
}

#[test]
fn a_socket_given_as_a_path_holds_from_everywhere() {
    let stage = Stage::new(&format!("{MEETS} echo /done"));
    let running = stage.start(&["1", "--tmux", "--tmux-socket", "../tmux/socket"]);
    stage.worker();
    let socket = stage.fleet.repo().join("../tmux/socket");
    assert_eq!(stage.status()["tmux"]["socket"], socket.to_str().unwrap());
    stage.window(&["-S", socket.to_str().unwrap()]);
    stage.go.say("go");
    assert_eq!(running.finish().code, 0);
    stage.fleet.nobody_is_left();
}

#[test]
fn what_cannot_be_is_refused_before_anything_is_made() {
    let stage = Stage::new("echo /done");
    let clean = || stage.fleet.scratch.below(&stage.fleet.home()).is_empty() && !stage.fleet.scratch.log("").exists();
    for flag in ["--session", "--tmux-socket"] {
        let told = stage.run(&["1", flag, "x"]);
        assert_eq!((told.code, told.errors()), (2, vec![format!("{flag} needs --tmux").as_str()]), "{told:#?}");
    }
    let told = stage.run(&["1", "--tmux", "--session", "a.b"]);
    assert!(told.code == 2 && told.errors()[0].contains("'a.b' cannot be a session's name"), "{told:#?}");
    let told = stage.run(&["1", "--tmux=perhaps"]);
    assert_eq!(told.code, 2, "{told:#?}");

    stage.fleet.wrap("tmux", "echo tmux 3.1c");
    let told = tell(stage.fleet.before(stage.command(&["1", "--tmux"])));
    assert_eq!(
        (told.code, told.errors()),
        (1, vec!["--tmux: tmux 3.1c is too old: 3.2 or later is needed"]),
        "{told:#?}"
    );
    let mut without = stage.command(&["1", "--tmux"]);
    std::fs::create_dir(stage.fleet.path("few")).unwrap();
    for program in ["sh", "git"] {
        std::os::unix::fs::symlink(fleet::real_program(program), stage.fleet.path("few").join(program)).unwrap();
    }
    without.env("PATH", stage.fleet.path("few"));
    let told = tell(without);
    assert_eq!((told.code, told.errors()), (1, vec!["--tmux: tmux is not installed"]), "{told:#?}");
    assert!(told.err.contains("install tmux"), "{told:#?}");
    assert!(clean(), "something was made");
    assert_eq!(stage.starts(), 0);
    stage.nothing_is_left();
}
