//! The faults that a loop survives, by their numbers in the contract, seen from outside: a real supervisor, a real shim,
//! agents that are shell scripts of the test. (Faults of the shim and the runtime alone are in `process_runtime.rs`, of
//! the decisions in the simulation, of the agent's output in `verdicts.rs`; the names there begin with the same numbers.)
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
#[path = "support/running.rs"]
mod running;
#[path = "support/scratch.rs"]
mod scratch;

use meeting::Meeting;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use running::{Finished, Running};
use scratch::{Scratch, words};
use serde_json::Value;
use std::path::PathBuf;
use std::process::Command;

/// One loop in a place of its own, and two pipes at which the test and the agent meet.
struct Stage {
    scratch: Scratch,
    begun: Meeting,
    go: Meeting,
}

impl Stage {
    /// The agent is this shell script: `$MEET/begun` and `$MEET/go` are the meeting points, `$N` counts its starts.
    fn new(script: &str) -> Stage {
        let scratch = Scratch::new();
        std::fs::create_dir(scratch.path("meet")).unwrap();
        let count = scratch.path("starts");
        let script = format!("echo $$ >>{count}\nN=$(wc -l <{count})\n{script}", count = count.display());
        std::fs::write(scratch.path("agent.sh"), script).unwrap();
        let (begun, go) = (Meeting::new(scratch.path("meet/begun")), Meeting::new(scratch.path("meet/go")));
        Stage { scratch, begun, go }
    }

    /// `swarm loop ARGUMENTS -- sh agent.sh`.
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.scratch.swarm(&["loop"]);
        command.args(arguments).env("MEET", self.scratch.path("meet"));
        if !arguments.contains(&"--resume") {
            command.args(["--format", "json", "--"]).arg("sh").arg(self.scratch.path("agent.sh"));
        }
        command
    }

    fn start(&self, arguments: &[&str]) -> Running {
        Running::start(self.command(arguments))
    }

    fn run(&self, arguments: &[&str]) -> Finished {
        self.start(arguments).finish()
    }

    /// The pid that the agent says at the meeting.
    fn worker(&self) -> Pid {
        Pid::from_raw(self.begun.hear().trim().parse().unwrap())
    }

    /// How often the agent was really started.
    fn starts(&self) -> usize {
        std::fs::read_to_string(self.scratch.path("starts")).unwrap_or_default().lines().count()
    }

    /// One log an iteration, without a gap: the runbook counts them to find the latest.
    fn logs_are_whole(&self, count: u32) {
        let names = self.scratch.below(&self.scratch.repo().join(".loop-logs"));
        let logs: Vec<String> = names.iter().map(|path| path.display().to_string()).collect();
        let texts = logs.iter().filter(|name| name.starts_with("iteration-") && name.ends_with(".log"));
        assert_eq!(texts.count(), count as usize, "{logs:?}");
        (1..=count).for_each(|number| assert!(!self.raw(number).is_empty(), "log {number} of {logs:?} is empty"));
    }

    fn raw(&self, number: u32) -> Vec<u8> {
        std::fs::read(self.scratch.log(&format!("iteration-{number}.log.raw"))).unwrap()
    }

    /// The processes of this stage: each knows it by its environment.
    fn processes(&self) -> Vec<Pid> {
        let mark = format!("MEET={}", self.scratch.path("meet").display());
        let names = std::fs::read_dir("/proc").unwrap().filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        let belongs = |pid: &i32| {
            let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
            environment.split(|byte| *byte == 0).any(|entry| entry == mark.as_bytes())
        };
        names.filter_map(|name| name.parse().ok()).filter(belongs).map(Pid::from_raw).collect()
    }

    fn nobody_is_left(&self) {
        let words = |pid: &Pid| std::fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let left: Vec<String> = self.processes().iter().map(words).collect();
        assert!(left.is_empty(), "left behind: {left:?}");
    }

    fn journal(&self) -> PathBuf {
        let runs = std::fs::read_dir(self.scratch.state().join("runs")).unwrap();
        runs.map(|entry| entry.unwrap().path().join("journal")).max().unwrap()
    }

    fn status(&self) -> Value {
        let output = self.scratch.swarm(&["loop", "status", "--json"]).output().unwrap();
        serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"))
    }
}

impl Drop for Stage {
    /// A test that failed in the middle leaves processes; each is ended by its id.
    fn drop(&mut self) {
        for pid in self.processes() {
            let _ = kill(pid, Signal::SIGKILL);
        }
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

const MEETS: &str = "echo $$ >$MEET/begun; cat $MEET/go >/dev/null; ";

#[test]
fn f01_a_killed_supervisor_is_succeeded_by_one_that_adopts_the_worker() {
    let stage = Stage::new(&format!("echo before; {MEETS} echo after; echo /done"));
    let first = stage.start(&["3"]);
    let worker = stage.worker();
    kill_supervisor(first);
    kill(worker, None).expect("the worker lives on");
    let mut second = stage.start(&["--resume"]);
    second.wait_for(is("worker_adopted"));
    stage.go.say("go");
    let finished = second.finish();
    assert_eq!(finished.code, 0, "{}", finished.words);
    assert_eq!(stage.starts(), 1, "the worker was doubled");
    assert_eq!(stage.raw(1), b"before\nafter\n/done\n");
    let text = std::fs::read_to_string(stage.scratch.log("iteration-1.log")).unwrap();
    assert_eq!(text.matches("before").count(), 1, "{text}");
    assert!(!stage.scratch.log("iteration-2.log").exists());
    stage.nobody_is_left();
}

#[test]
fn f01_a_start_without_resume_refuses_while_the_worker_lives() {
    let stage = Stage::new(&format!("{MEETS} echo /done"));
    let first = stage.start(&["3"]);
    stage.worker();
    kill_supervisor(first);
    let refused = stage.run(&["3"]);
    assert_eq!(refused.code, 73, "{}", refused.words);
    assert!(refused.words.contains("--resume") && refused.words.contains("--restart"), "{}", refused.words);
    // --restart ends the worker, then starts afresh.
    let mut fresh = stage.start(&["3", "--restart"]);
    stage.worker();
    fresh.wait_for(is("iteration_started"));
    stage.go.say("go");
    assert_eq!(fresh.finish().code, 0);
    assert_eq!(stage.starts(), 2);
    stage.nobody_is_left();
}

#[test]
fn f02_death_between_the_workers_exit_and_the_journal_counts_it_once() {
    // The append that records the end of the first iteration is the last thing that the first supervisor tries.
    let stage = Stage::new("echo one; [ $N -ge 2 ] && echo /done; true");
    for point in 3..=5 {
        let stage_files = stage.scratch.path("starts");
        let _ = std::fs::remove_file(stage_files);
        let mut command = stage.command(&["3"]);
        command.env("SWARM_FAILPOINT", format!("journal-append@{point}:abort"));
        let first = Running::start(command).finish();
        assert_eq!(first.code, 137, "point {point}: {}", first.words);
        let second = stage.run(&["--resume"]);
        assert_eq!(second.code, 0, "point {point}: {}", second.words);
        assert_eq!(stage.starts(), 2, "point {point}: {:?}", second.events);
        stage.nobody_is_left();
    }
}

/// Points where a supervisor can die that has begun an iteration.
fn supervisor_points() -> impl Iterator<Item = &'static str> {
    let ours = ["prepare-", "launch-", "journal-"];
    swarm::host::failpoint::ALL.iter().copied().filter(move |point| ours.iter().any(|prefix| point.starts_with(prefix)))
}

#[test]
fn f03_death_between_the_workers_start_and_the_journal_never_doubles_it() {
    for point in supervisor_points() {
        let stage = Stage::new("echo one; [ $N -ge 2 ] && echo /done; true");
        let mut command = stage.command(&["2"]);
        // The first append opens the run; the second passing of each point is inside an iteration.
        command.env("SWARM_FAILPOINT", format!("{point}@2:abort"));
        let first = Running::start(command).finish();
        assert_eq!(first.code, 137, "{point}: {}", first.words);
        let second = stage.run(&["--resume"]);
        assert_eq!(second.code, 0, "{point}: {}", second.words);
        assert_eq!(stage.starts(), 2, "{point}: {:?}", second.events);
        stage.logs_are_whole(2);
        stage.nobody_is_left();
    }
}

/// Each iteration says something, commits it, and the fourth is done.
const FOUR: &str =
    "echo $N; echo words $N; git commit --quiet --allow-empty --message=$N; [ $N -ge 4 ] && echo /done; true";

/// What must be the same whatever became of the supervisors: the facts without times, ids of processes and what only a
/// second supervisor says; every log; the commits.
fn substance(stage: &Stage) -> (Vec<Value>, Vec<String>, String) {
    let lines = swarm::journal::FileJournal::read(&stage.journal()).unwrap().lines;
    let facts = lines.iter().map(|line| serde_json::from_str(line).unwrap());
    let told = |fact: &Value| {
        let by_a_second = ["run_resumed", "attempt_adopted", "attempt_launched"];
        !by_a_second.iter().any(|name| fact["fact"] == *name)
    };
    let facts = facts.filter(told).map(timeless).collect();
    let logs = (1..=4).map(|number| String::from_utf8(stage.raw(number)).unwrap());
    let text = |number| std::fs::read_to_string(stage.scratch.log(&format!("iteration-{number}.log"))).unwrap();
    (facts, logs.chain((1..=4).map(text)).collect(), stage.scratch.git(&["log", "--format=%s"]))
}

/// The same without what differs between any two runs.
fn timeless(mut value: Value) -> Value {
    match &mut value {
        Value::Object(fields) => {
            let differs = ["seq", "tick", "wall", "run", "boot_id", "head", "lasted"];
            fields.retain(|name, _| !differs.contains(&name.as_str()));
            fields.values_mut().for_each(|field| *field = timeless(field.take()));
        }
        Value::Array(items) => items.iter_mut().for_each(|item| *item = timeless(item.take())),
        _ => {}
    }
    value
}

#[test]
fn f04_deaths_at_random_lose_and_double_nothing() {
    let first = std::env::var("SWARM_SEED").ok().and_then(|seed| seed.parse().ok());
    let seeds = first.map_or(0..12, |seed: u64| seed..seed + 1);
    let points: Vec<&str> = supervisor_points().collect();
    let unbroken = Stage::new(FOUR);
    assert_eq!(unbroken.run(&["9"]).code, 0);
    let unbroken = substance(&unbroken);
    assert_eq!(unbroken.2, "4\n3\n2\n1\nstart\n");
    let mut hit = std::collections::BTreeSet::new();
    for seed in seeds {
        eprintln!("replay: SWARM_SEED={seed} cargo test --features testing --test faults f04_");
        let mut random = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let mut next = |bound: usize| {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            (random % bound as u64) as usize
        };
        let stage = Stage::new(FOUR);
        let mut arguments = vec!["9"];
        let finished = (0..40).find_map(|life| {
            let mut command = stage.command(&arguments);
            // In turn, so that each is hit by some seed; how far a life comes is the random part.
            let point = points[(seed as usize + life) % points.len()];
            if life < 8 {
                command.env("SWARM_FAILPOINT", format!("{point}@{}:abort", 1 + next(3)));
            }
            let finished = Running::start(command).finish();
            if finished.code == 137 {
                hit.insert(point);
            }
            // A death before the run is made leaves nothing to go on with: it is started again.
            let made = stage.scratch.below(&stage.scratch.state()).iter().any(|path| path.ends_with("run.json"));
            arguments = vec![if made { "--resume" } else { "9" }];
            (finished.code != 137).then_some(finished)
        });
        let finished = finished.expect("it ends");
        assert_eq!(finished.code, 0, "seed {seed}: {}", finished.words);
        assert_eq!(stage.starts(), 4, "seed {seed}");
        stage.logs_are_whole(4);
        assert_eq!(substance(&stage), unbroken, "seed {seed}");
        stage.nobody_is_left();
    }
    assert!(first.is_some() || hit.len() == points.len(), "points never hit: {points:?} but {hit:?}");
}

#[test]
fn f05_a_second_supervisor_is_refused_and_the_first_one_named() {
    let stage = Stage::new(&format!("{MEETS} echo /done"));
    let first = stage.start(&["3"]);
    stage.worker();
    let second = stage.run(&["3"]);
    assert_eq!(second.code, 73, "{}", second.words);
    assert!(second.words.contains(&format!("pid {}", first.pid)), "{}", second.words);
    let log = std::fs::read_to_string(stage.scratch.log("loop.log")).unwrap();
    assert!(log.contains("runs here already"), "the refusal is not in loop.log: {log}");
    stage.go.say("go");
    assert_eq!(first.finish().code, 0);
}

#[test]
fn f05_a_start_waits_for_a_holder_that_is_stopping() {
    // The first worker needs a moment to hear TERM: the second start comes in that moment.
    let stage = Stage::new(&format!("trap 'cat $MEET/go; exit 1' TERM; {MEETS} echo /done"));
    let first = stage.start(&["3"]);
    let worker = stage.worker();
    kill(first.pid, Signal::SIGTERM).unwrap();
    let second = stage.start(&["3", "--max-failures", "2"]);
    kill(worker, Signal::SIGKILL).unwrap();
    assert_eq!(first.finish().code, 143);
    stage.worker();
    stage.go.say("go");
    let second = second.finish();
    assert_eq!(second.code, 0, "{}", second.words);
    stage.nobody_is_left();
}

#[test]
fn f07_a_worker_whose_parent_never_reaps_is_over_at_once() {
    let mut helper = Command::new(std::env::current_exe().unwrap());
    helper.args(["--ignored", "--exact", "--nocapture", "among_zombies"]);
    assert!(helper.status().unwrap().success());
}

#[test]
#[ignore = "started by another test, in a process that takes orphans in and reaps none"]
fn among_zombies() {
    nix::sys::prctl::set_child_subreaper(true).unwrap();
    let stage = Stage::new(&format!("{MEETS} echo /done"));
    let first = stage.start(&["3"]);
    let shim = Pid::from_raw(parent(stage.worker()));
    kill_supervisor(first);
    let mut second = stage.start(&["--resume"]);
    second.wait_for(is("worker_adopted"));
    stage.go.say("go");
    let finished = second.finish();
    assert_eq!((finished.code, finished.endings()), (0, vec!["done"]), "{}", finished.words);
    assert_eq!((state_of(shim), parent(shim)), (Some('Z'), std::process::id().cast_signed()));
}

#[test]
fn a_run_that_shares_its_tree_is_resumed_beside_the_other_one() {
    let stage = Stage::new("echo $$ >$MEET/begun; cat $MEET/go$N >/dev/null; echo /done");
    let go = [1, 2].map(|number| Meeting::new(stage.scratch.path(&format!("meet/go{number}"))));
    let first = stage.start(&["3"]);
    stage.worker();
    let mut shared = stage.start(&["3", "--share-tree", "--name", "beside"]);
    shared.wait_for(is("worker_started"));
    stage.worker();
    kill_supervisor(shared);
    let mut second = stage.start(&["--resume", "beside"]);
    second.wait_for(is("worker_adopted"));
    go.iter().for_each(|go| go.say("go"));
    assert_eq!((second.finish().code, first.finish().code), (0, 0));
    stage.nobody_is_left();
}

#[test]
fn f05_a_detached_start_is_refused_before_it_is_detached() {
    let stage = Stage::new(&format!("{MEETS} echo /done"));
    let first = stage.start(&["3"]);
    stage.worker();
    let mut command = stage.scratch.swarm(&["loop", "3", "--detach", "--", "true"]);
    let output = command.env("TMUX_TMPDIR", stage.scratch.path("tmp")).output().unwrap();
    assert_eq!(output.status.code(), Some(73), "{}", words(&output));
    stage.go.say("go");
    assert_eq!(first.finish().code, 0);
}

#[test]
fn what_a_failed_command_said_last_is_in_the_ending_and_a_limit_is_waited_for() {
    let stage =
        Stage::new("case $N in 1) echo oops >&2; exit 7;; 2) echo 'usage limit reached|1'; exit 1;; esac; echo /done");
    let mut command = stage.command(&["3"]);
    command.env("SWARM_LIMIT_MARGIN", "0");
    let finished = Running::start(command).finish();
    assert_eq!(finished.code, 0, "{}", finished.words);
    assert_eq!(finished.endings(), ["failed", "rate_limited", "done"]);
    let first = finished.events.iter().find(|event| event["event"] == "iteration_ended").unwrap();
    assert!(first["reason"].as_str().unwrap().contains("oops"), "{first}");
    assert_eq!(stage.starts(), 3);
    assert!(!stage.scratch.log("iteration-3.log").exists(), "a limit costs no iteration");
}

#[test]
fn what_was_uncommitted_before_the_run_is_no_progress() {
    let stage = Stage::new("echo words");
    std::fs::write(stage.scratch.repo().join("draft"), "by the user").unwrap();
    let finished = stage.run(&["9", "--max-stalled", "2"]);
    assert_eq!(finished.code, 5, "{}", finished.words);
    assert_eq!(stage.starts(), 2);
}

#[test]
fn f08_a_grandchild_in_a_session_of_its_own_does_not_survive_the_iteration() {
    let stage = Stage::new("setsid sh -c 'echo $$ >$MEET/begun; exec sleep 100' & cat $MEET/go >/dev/null; echo /done");
    let run = stage.start(&["1"]);
    let grandchild = stage.worker();
    stage.go.say("go");
    assert_eq!(run.finish().code, 0);
    assert!(kill(grandchild, None).is_err(), "it lives");
    stage.nobody_is_left();
}

#[test]
fn f10_a_worker_that_ignores_term_is_killed_after_the_grace() {
    let stage = Stage::new(&format!("trap '' TERM; {MEETS} echo never"));
    let run = stage.start(&["3", "--grace", "300ms"]);
    stage.worker();
    kill(run.pid, Signal::SIGINT).unwrap();
    let finished = run.finish();
    assert_eq!(finished.code, 130, "{}", finished.words);
    assert_eq!(finished.endings(), ["stopped"]);
    stage.nobody_is_left();
}

#[test]
fn f11_an_agent_that_never_exits_after_its_result_has_done_its_work() {
    let result = r#"{"type":"result","subtype":"success","is_error":false,"result":"All is done.\n/done","session_id":"s","terminal_reason":"completed","num_turns":1,"total_cost_usd":0.5}"#;
    let stage = Stage::new(&format!("cat >/dev/null; printf '%s\\n' '{result}'; exec sleep 100"));
    let bin = stage.scratch.path("bin");
    std::fs::create_dir(&bin).unwrap();
    let claude = format!("#!/bin/sh\nexec sh {}\n", stage.scratch.path("agent.sh").display());
    std::fs::write(bin.join("claude"), claude).unwrap();
    std::fs::set_permissions(bin.join("claude"), std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
    let mut command = stage.scratch.swarm(&["loop", "3", "--format", "json", "--result-grace", "300ms"]);
    command.env("MEET", stage.scratch.path("meet"));
    command.env("PATH", format!("{}:{}", bin.display(), std::env::var("PATH").unwrap()));
    let finished = Running::start(command).finish();
    assert_eq!((finished.code, finished.endings()), (0, vec!["done"]), "{}", finished.words);
    let ended = finished.events.iter().find(|event| event["event"] == "iteration_ended").unwrap();
    assert_eq!(ended["notes"][0]["note"], "hung_after_result", "{ended}");
    assert_eq!(stage.starts(), 1);
    stage.nobody_is_left();
}

#[test]
fn f12_output_that_stops_ends_by_the_idle_timeout() {
    let stage = Stage::new("if [ $N -ge 2 ]; then echo /done; exit; fi; echo words; exec sleep 100");
    let finished = stage.run(&["3", "--idle-timeout", "300ms"]);
    assert_eq!(finished.code, 0, "{}", finished.words);
    assert_eq!(finished.endings(), ["idle_timeout", "done"]);
    stage.nobody_is_left();
}

#[test]
fn f13_f14_stray_bytes_are_kept_as_they_are() {
    let stage = Stage::new(r"printf 'a\000b\377\376\n{\n'; echo complaint >&2; echo /done");
    let finished = stage.run(&["1"]);
    assert_eq!(finished.code, 0, "{}", finished.words);
    assert_eq!(stage.raw(1), b"a\0b\xff\xfe\n{\n/done\n");
    assert_eq!(std::fs::read(stage.scratch.log("iteration-1.err")).unwrap(), b"complaint\n");
}

#[test]
fn f16_f17_the_done_word_without_newline_and_in_two_pieces() {
    let stage = Stage::new(&format!("printf /do; {MEETS} printf ne"));
    let run = stage.start(&["1"]);
    stage.worker();
    stage.go.say("go");
    assert_eq!(run.finish().code, 0);
}

#[test]
fn f18_the_done_word_in_the_prompt_is_not_done() {
    let stage = Stage::new("cat; echo 'I will say /done later'");
    let finished = stage.run(&["1"]);
    assert_eq!(finished.code, 3, "{}", finished.words);
}

/// A loop whose log folder is a disk of its own, with room for less than its agent says; and that folder from outside.
fn on_a_small_disk(stage: &Stage, arguments: &[&str]) -> (Running, PathBuf, std::fs::File) {
    let logs = stage.scratch.repo().join(".loop-logs");
    std::fs::create_dir(&logs).unwrap();
    let inner = stage.command(arguments);
    let mount = "mount -t tmpfs -o size=1m none \"$LOGS\" && head -c 900k /dev/zero >\"$LOGS/filler\" && exec \"$@\"";
    let mut command = stage.scratch.command("unshare");
    command.args(["--mount", "sh", "-c", mount, "sh"]).arg(inner.get_program()).args(inner.get_args());
    command.env("LOGS", &logs).env("MEET", stage.scratch.path("meet"));
    let mut run = Running::start(command);
    run.wait_for(is("log_blocked"));
    let outside = std::fs::File::open(format!("/proc/{}/root{}", run.pid, logs.display())).unwrap();
    let path = PathBuf::from(format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&outside)));
    (run, path, outside)
}

const WORDY: &str = "head -c 500000 /dev/zero | tr '\\0' x; echo; echo /done";

#[test]
fn f19_a_loop_on_a_full_disk_goes_on_when_there_is_room() {
    let stage = Stage::new(WORDY);
    let (run, logs, _open) = on_a_small_disk(&stage, &["3"]);
    std::fs::remove_file(logs.join("filler")).unwrap();
    let finished = run.finish();
    assert_eq!((finished.code, finished.endings()), (0, vec!["done"]), "{}", finished.words);
    let raw = std::fs::read(logs.join("iteration-1.log.raw")).unwrap();
    assert!(raw == [&b"x".repeat(500_000)[..], b"\n/done\n"].concat(), "{} bytes", raw.len());
    assert_eq!(stage.starts(), 1);
    stage.nobody_is_left();
}

#[test]
fn f19_a_disk_that_stays_full_ends_the_run_and_never_as_done() {
    let stage = Stage::new(WORDY);
    let (run, _logs, _open) = on_a_small_disk(&stage, &["3", "--disk-wait", "300ms"]);
    let finished = run.finish();
    assert_eq!((finished.code, finished.endings()), (74, vec!["log_full"]), "{}", finished.words);
    stage.nobody_is_left();
}

#[test]
fn f20_a_state_folder_that_vanishes_ends_the_run() {
    let stage = Stage::new(&format!("{MEETS} echo /done"));
    let run = stage.start(&["3"]);
    stage.worker();
    std::fs::remove_dir_all(stage.scratch.state()).unwrap();
    stage.go.say("go");
    let finished = run.finish();
    assert_eq!(finished.code, 74, "{}", finished.words);
    assert_eq!(stage.starts(), 1);
    stage.nobody_is_left();
}

#[test]
fn f20_a_full_disk_under_the_state_leaves_it_as_it_was() {
    let stage = Stage::new("echo /done");
    let mut command = stage.command(&["3"]);
    command.env("SWARM_FAILPOINT", "journal-append@3:err");
    let first = Running::start(command).finish();
    assert_eq!(first.code, 74, "{}", first.words);
    assert!(first.words.contains("cannot write the journal"), "{}", first.words);
    stage.nobody_is_left();
    let second = stage.run(&["--resume"]);
    assert!(matches!(second.code, 0 | 3), "{}", second.words);
}

#[test]
fn f21_a_log_folder_that_vanishes_is_no_end() {
    let stage = Stage::new(&format!("if [ $N -ge 2 ]; then echo /done; exit; fi; echo before; {MEETS} echo after"));
    let run = stage.start(&["3"]);
    stage.worker();
    std::fs::remove_dir_all(stage.scratch.repo().join(".loop-logs")).unwrap();
    stage.go.say("go");
    let finished = run.finish();
    assert!(!finished.words.contains("panicked"), "{}", finished.words);
    assert_eq!(finished.code, 0, "{}", finished.words);
    stage.nobody_is_left();
}

#[test]
fn f22_a_damaged_journal_loses_no_worker() {
    let stage = Stage::new(&format!("{MEETS} echo /done"));
    let first = stage.start(&["3"]);
    stage.worker();
    kill_supervisor(first);
    let journal = stage.journal();
    let mut bytes = std::fs::read(&journal).unwrap();
    bytes[20] ^= 1;
    std::fs::write(&journal, &bytes).unwrap();
    let mut second = stage.start(&["--resume"]);
    second.wait_for(is("worker_adopted"));
    stage.go.say("go");
    let finished = second.finish();
    assert_eq!(finished.code, 0, "{}", finished.words);
    assert!(finished.words.contains("journal.corrupted"), "{}", finished.words);
    assert_eq!(std::fs::read(journal.with_file_name("journal.corrupted")).unwrap(), bytes);
    assert_eq!(stage.starts(), 1);
    stage.nobody_is_left();
}

#[test]
fn f22_an_emptied_journal_loses_no_worker() {
    let stage = Stage::new(&format!("{MEETS} echo /done"));
    let first = stage.start(&["3"]);
    stage.worker();
    kill_supervisor(first);
    std::fs::write(stage.journal(), "").unwrap();
    let mut second = stage.start(&["--resume"]);
    second.wait_for(is("worker_adopted"));
    stage.go.say("go");
    assert_eq!(second.finish().code, 0);
    assert_eq!(stage.starts(), 1);
    stage.nobody_is_left();
}

#[test]
fn f22_a_damaged_line_anywhere_doubles_nothing() {
    let lines = |stage: &Stage| swarm::journal::FileJournal::read(&stage.journal()).unwrap().lines;
    for damaged in 0.. {
        let stage = Stage::new(&format!("if [ $N -ge 2 ]; then {MEETS} echo /done; exit; fi; echo words"));
        let first = stage.start(&["3"]);
        stage.worker();
        kill_supervisor(first);
        let mut lines = lines(&stage);
        if damaged >= lines.len() {
            assert!(damaged > 4, "a short journal: {lines:?}");
            kill_worker_of(&stage);
            return;
        }
        let mut bytes = Vec::new();
        lines.remove(damaged);
        lines.iter().for_each(|line| swarm::journal::lines::encode(line, &mut bytes));
        std::fs::write(stage.journal(), bytes).unwrap();
        let mut second = stage.start(&["--resume"]);
        second.wait_for(is("worker_adopted"));
        stage.go.say("go");
        let finished = second.finish();
        assert_eq!((finished.code, stage.starts()), (0, 2), "without line {damaged}: {}", finished.words);
        stage.nobody_is_left();
    }
}

/// Ends what a test left on purpose.
fn kill_worker_of(stage: &Stage) {
    let fresh = stage.start(&["1", "--restart"]);
    stage.worker();
    stage.go.say("go");
    assert_eq!(fresh.finish().code, 0);
}

#[test]
fn f22_a_damaged_record_hides_no_living_worker() {
    let stage = Stage::new(&format!("if [ $N -ge 2 ]; then echo /done; exit; fi; {MEETS} true"));
    let first = stage.start(&["3"]);
    let worker = stage.worker();
    kill_supervisor(first);
    std::fs::write(stage.journal().with_file_name("run.json"), "{").unwrap();
    let refused = stage.run(&["3"]);
    assert_eq!(refused.code, 73, "{}", refused.words);
    assert!(refused.words.contains(&format!("pid {worker}")), "{}", refused.words);
    let shim = Pid::from_raw(parent(worker));
    stage.go.say("go");
    wait_for_nobody(shim);
    let next = stage.run(&["3"]);
    assert_eq!((next.code, stage.starts()), (0, 2), "{}", next.words);
}

#[test]
fn f22_a_journal_that_was_removed_stops_no_start() {
    let stage = Stage::new("echo /done");
    assert_eq!(stage.run(&["1"]).code, 0);
    std::fs::remove_file(stage.journal()).unwrap();
    let finished = stage.run(&["1"]);
    assert_eq!(finished.code, 0, "{}", finished.words);
}

#[test]
fn f22_a_newer_journal_is_refused_untouched_and_stops_no_start() {
    let stage = Stage::new(&format!("{MEETS} true"));
    let first = stage.start(&["3"]);
    let worker = stage.worker();
    let shim = parent(worker);
    kill_supervisor(first);
    let journal = stage.journal();
    let mut bytes = Vec::new();
    for line in swarm::journal::FileJournal::read(&journal).unwrap().lines {
        swarm::journal::lines::encode(&line.replace(r#""version":1"#, r#""version":2"#), &mut bytes);
    }
    std::fs::write(&journal, &bytes).unwrap();
    let refused = stage.run(&["--resume"]);
    assert_eq!(refused.code, 1, "{}", refused.words);
    assert!(refused.words.contains("newer version"), "{}", refused.words);
    kill(Pid::from_raw(shim), Signal::SIGKILL).unwrap();
    nix::sys::signal::killpg(worker, Signal::SIGKILL).unwrap();
    wait_for_nobody(worker);
    let next = stage.start(&["1"]);
    stage.worker();
    stage.go.say("go");
    let next = next.finish();
    assert_eq!(next.code, 3, "{}", next.words);
    assert!(next.words.contains("is left unfinished"), "{}", next.words);
    assert_eq!(std::fs::read(&journal).unwrap(), bytes);
}

/// Returns when it is gone, or waits for nobody but its parent.
fn wait_for_nobody(pid: Pid) {
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
    while !matches!(state_of(pid), None | Some('Z' | 'X')) {
        assert!(std::time::Instant::now() < deadline, "{pid} lives");
        std::thread::yield_now();
    }
}

#[test]
fn f23_death_around_a_rename_leaves_what_was_there_readable() {
    for point in ["files-before-rename", "files-after-rename"] {
        let stage = Stage::new("echo /done");
        let mut command = stage.command(&["3"]);
        command.env("SWARM_FAILPOINT", format!("{point}:abort"));
        assert_eq!(Running::start(command).finish().code, 137, "{point}");
        let listed = stage.scratch.swarm(&["loop", "ls"]).output().unwrap();
        assert!(listed.status.success(), "{point}: {}", words(&listed));
        let next = stage.run(&["3"]);
        assert_eq!(next.code, 0, "{point}: {}", next.words);
        assert_eq!(stage.starts(), 1, "{point}");
    }
}

#[test]
fn f23_death_while_a_damaged_journal_is_replaced_loses_no_worker() {
    for point in ["files-before-rename", "files-after-rename"] {
        let stage = Stage::new(&format!("{MEETS} echo /done"));
        let first = stage.start(&["3"]);
        stage.worker();
        kill_supervisor(first);
        let mut bytes = std::fs::read(stage.journal()).unwrap();
        bytes[20] ^= 1;
        std::fs::write(stage.journal(), &bytes).unwrap();
        let mut command = stage.command(&["--resume"]);
        command.env("SWARM_FAILPOINT", format!("{point}:abort"));
        assert_eq!(Running::start(command).finish().code, 137, "{point}");
        let mut third = stage.start(&["--resume"]);
        third.wait_for(is("worker_adopted"));
        stage.go.say("go");
        assert_eq!((third.finish().code, stage.starts()), (0, 1), "{point}");
        stage.nobody_is_left();
    }
}

#[test]
fn f21_a_link_in_the_place_of_a_log_is_not_followed() {
    // What a sandboxed agent could do to let us write where it cannot.
    let stage = Stage::new(
        "[ $N -ge 2 ] && exec echo /done; ln -s $PWD/../home/victim .loop-logs/iteration-1.err; echo bad >&2",
    );
    let victim = stage.scratch.path("home/victim");
    std::fs::write(&victim, "mine\n").unwrap();
    let finished = stage.run(&["3", "--disk-wait", "300ms"]);
    assert_eq!((finished.code, finished.endings()), (74, vec!["log_full"]), "{}", finished.words);
    assert_eq!(std::fs::read_to_string(victim).unwrap(), "mine\n");
    stage.nobody_is_left();
}

#[test]
fn f25_signals_and_the_exit_code_137_are_told_apart() {
    let stage = Stage::new("case $N in 1) kill -9 $$;; 2) kill -11 $$;; 3) exit 137;; esac; echo /done");
    let finished = stage.run(&["4"]);
    assert_eq!(finished.code, 0, "{}", finished.words);
    assert_eq!(finished.endings(), ["killed", "killed", "failed", "done"]);
    let ended: Vec<&Value> = finished.events.iter().filter(|event| event["event"] == "iteration_ended").collect();
    assert_eq!(ended[0]["signal"], 9, "{}", ended[0]);
    assert_eq!(ended[1]["signal"], 11, "{}", ended[1]);
    assert_eq!(ended[2]["exit_code"], 137, "{}", ended[2]);
}

#[test]
fn f32_signals_end_the_run_with_their_codes() {
    for (signal, code) in [(Signal::SIGINT, 130), (Signal::SIGTERM, 143), (Signal::SIGHUP, 129)] {
        let stage = Stage::new(&format!("{MEETS} echo /done"));
        let run = stage.start(&["3"]);
        stage.worker();
        kill(run.pid, signal).unwrap();
        let finished = run.finish();
        assert_eq!(finished.code, code, "{}", finished.words);
        assert_eq!(stage.status()["ended"]["exit_code"], code);
        stage.nobody_is_left();
    }
}

#[test]
fn f32_a_second_signal_is_immediate() {
    // No meeting in the foreground: a shell heeds its trap only after its child, and a child that is just being forked
    // may lose the TERM that would end it.
    let script = "trap 'echo heard >$MEET/begun' TERM; echo $$ >$MEET/begun; while :; do sleep 1; done";
    let stage = Stage::new(script);
    let run = stage.start(&["3", "--grace", "1h"]);
    stage.worker();
    kill(run.pid, Signal::SIGINT).unwrap();
    assert_eq!(stage.begun.hear(), "heard\n");
    kill(run.pid, Signal::SIGINT).unwrap();
    assert_eq!(run.finish().code, 130);
    stage.nobody_is_left();
}

#[test]
fn f32_a_suspended_run_suspends_its_worker_and_its_clocks() {
    let stage = Stage::new(&format!("{MEETS} echo /done"));
    let mut run = stage.start(&["3", "--idle-timeout", "2s"]);
    let worker = stage.worker();
    kill(run.pid, Signal::SIGTSTP).unwrap();
    run.wait_for(is("suspended"));
    wait_for_state(run.pid, "T");
    // A shell that is stopped between vfork and exec waits for its child, which is stopped too.
    wait_for_state(worker, "TD");
    // Longer than the clock that stands.
    std::thread::sleep(std::time::Duration::from_millis(2500));
    kill(run.pid, Signal::SIGCONT).unwrap();
    stage.go.say("go");
    let finished = run.finish();
    assert_eq!(finished.code, 0, "{}: {:?}", finished.words, finished.endings());
    stage.nobody_is_left();
}

const CHECK: &str = "echo check >$MEET/begun; cat $MEET/go >/dev/null";

#[test]
fn f32_a_claim_whose_check_was_interrupted_is_checked_again_and_counts() {
    let stage = Stage::new("echo /done");
    let first = stage.start(&["3", "--verify", CHECK]);
    stage.begun.hear();
    kill(first.pid, Signal::SIGTERM).unwrap();
    assert_eq!(first.finish().code, 143);
    let second = stage.start(&["--resume"]);
    stage.begun.hear();
    stage.go.say("go");
    let finished = second.finish();
    assert_eq!((finished.code, stage.starts()), (0, 1), "{}", finished.words);
}

#[test]
fn f32_a_stop_after_the_iteration_waits_for_the_check_of_its_claim() {
    let stage = Stage::new("echo /done");
    let run = stage.start(&["3", "--verify", CHECK]);
    stage.begun.hear();
    assert!(stage.scratch.swarm(&["loop", "stop"]).status().unwrap().success());
    stage.go.say("go");
    let finished = run.finish();
    assert_eq!((finished.code, stage.starts()), (0, 1), "{}", finished.words);
}

#[test]
fn f33_a_closed_stdout_does_not_end_the_worker() {
    let stage = Stage::new("seq 1 5000; echo /done");
    let line = "\"$SWARM\" loop 3 PROMPT.md -- sh \"$AGENT\" | head -1; echo ${PIPESTATUS[0]}";
    let mut shell = stage.scratch.command("bash");
    shell.args(["-c", line]).env("SWARM", env!("CARGO_BIN_EXE_swarm")).env("AGENT", stage.scratch.path("agent.sh"));
    let output = shell.env("MEET", stage.scratch.path("meet")).output().unwrap();
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    assert_eq!(text.lines().last(), Some("0"), "{}", words(&output));
    assert!(!words(&output).contains("panicked"), "{}", words(&output));
    assert_eq!(stage.raw(1).split(|byte| *byte == b'\n').count(), 5002);
}

#[test]
fn f37_a_prompt_that_changes_is_read_afresh_and_one_that_goes_ends_the_run() {
    let stage = Stage::new(&format!("cat; {MEETS} true"));
    let run = stage.start(&["5"]);
    stage.worker();
    std::fs::write(stage.scratch.repo().join("PROMPT.md"), "Now do something else\n").unwrap();
    stage.go.say("go");
    stage.worker();
    std::fs::remove_file(stage.scratch.repo().join("PROMPT.md")).unwrap();
    stage.go.say("go");
    let finished = run.finish();
    assert_eq!(finished.code, 1, "{}", finished.words);
    assert_eq!(stage.raw(2), b"Now do something else\n");
    assert!(finished.events.last().unwrap().to_string().contains("PROMPT.md"), "{:?}", finished.events.last());
}

#[test]
fn f37_a_large_prompt_to_an_agent_that_never_reads_it() {
    let stage = Stage::new("echo /done");
    std::fs::write(stage.scratch.repo().join("PROMPT.md"), "x /done\n".repeat(256 * 1024)).unwrap();
    assert_eq!(stage.run(&["1"]).code, 0);
}

#[test]
fn f38_a_stopped_worker_ends_all_the_same() {
    let stage = Stage::new(&format!("{MEETS} echo never"));
    let run = stage.start(&["3"]);
    let worker = stage.worker();
    kill(worker, Signal::SIGSTOP).unwrap();
    kill(run.pid, Signal::SIGTERM).unwrap();
    assert_eq!(run.finish().code, 143);
    stage.nobody_is_left();
}

#[test]
fn f39_after_a_reboot_the_attempt_is_lost_and_the_run_goes_on() {
    let stage = Stage::new(&format!("if [ $N -ge 2 ]; then echo /done; exit; fi; {MEETS} true"));
    let first = stage.start(&["3"]);
    let worker = stage.worker();
    kill_supervisor(first);
    // What a reboot does: nobody lives, and every boot id in the files is of another boot.
    let shim = Pid::from_raw(parent(worker));
    kill(shim, Signal::SIGKILL).unwrap();
    kill(worker, Signal::SIGKILL).unwrap();
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
    replace_in_files(&stage, boot.trim(), "00000000-0000-4000-8000-000000000000");
    let second = stage.run(&["--resume"]);
    assert_eq!(second.code, 0, "{}", second.words);
    assert_eq!(second.endings(), ["lost", "done"]);
}

#[test]
fn f40_a_push_that_fails_is_a_warning() {
    let stage = Stage::new("[ $N -ge 2 ] && echo /done; true");
    stage.scratch.git(&["remote", "add", "origin", "/nonexistent/repository"]);
    let finished = stage.run(&["3", "--push"]);
    assert_eq!(finished.code, 0, "{}", finished.words);
    let pushes = finished.events.iter().filter(|event| event["event"] == "pushed" && !event["warning"].is_null());
    assert_eq!(pushes.count(), 2, "{:?}", finished.events);
}

/// One of these state letters in `/proc/<pid>/stat`; bounded, since nothing tells of a stop that is not our child's.
fn wait_for_state(pid: Pid, states: &str) {
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
    while !state_of(pid).is_some_and(|state| states.contains(state)) {
        assert!(std::time::Instant::now() < deadline, "{pid} is {:?}, none of {states}", state_of(pid));
        std::thread::yield_now();
    }
}

fn stat(pid: Pid) -> Option<Vec<String>> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    Some(stat.rsplit_once(')')?.1.split_whitespace().map(str::to_owned).collect())
}

fn state_of(pid: Pid) -> Option<char> {
    stat(pid)?.first()?.chars().next()
}

fn parent(pid: Pid) -> i32 {
    stat(pid).unwrap()[1].parse().unwrap()
}

/// Rewrites the boot id in the journal's facts (with their checksums) and in the records.
fn replace_in_files(stage: &Stage, from: &str, to: &str) {
    let journal = stage.journal();
    let lines = swarm::journal::lines::decode(&std::fs::read(&journal).unwrap()).lines;
    let mut bytes = Vec::new();
    lines.iter().for_each(|line| swarm::journal::lines::encode(&line.replace(from, to), &mut bytes));
    std::fs::write(&journal, bytes).unwrap();
}
