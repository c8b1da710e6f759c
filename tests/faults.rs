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

    /// No process of this stage is left: each knows it by its environment.
    fn nobody_is_left(&self) {
        let mark = format!("MEET={}", self.scratch.path("meet").display());
        let left: Vec<String> = std::fs::read_dir("/proc")
            .unwrap()
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .filter(|name| name.bytes().all(|byte| byte.is_ascii_digit()))
            .filter(|pid| {
                let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
                environment.split(|byte| *byte == 0).any(|entry| entry == mark.as_bytes())
            })
            .map(|pid| std::fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default())
            .collect();
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

#[test]
fn f04_deaths_at_random_lose_and_double_nothing() {
    let first = std::env::var("SWARM_SEED").ok().and_then(|seed| seed.parse().ok());
    let seeds = first.map_or(0..12, |seed: u64| seed..seed + 1);
    let points: Vec<&str> = supervisor_points().collect();
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
        let stage = Stage::new("echo $N; echo words $N; [ $N -ge 4 ] && echo /done; true");
        let mut arguments = vec!["9"];
        let finished = (0..40).find_map(|life| {
            let mut command = stage.command(&arguments);
            if life < 8 {
                let (point, times) = (points[next(points.len())], 1 + next(3));
                command.env("SWARM_FAILPOINT", format!("{point}@{times}:abort"));
                hit.insert(point);
            }
            let life = Running::start(command).finish();
            arguments = vec!["--resume"];
            (life.code != 137).then_some(life)
        });
        let finished = finished.expect("it ends");
        // A death before the run's first fact leaves nothing to go on with; every other one does.
        if finished.words.contains("no loop was ever started") {
            continue;
        }
        assert_eq!(finished.code, 0, "seed {seed}: {}", finished.words);
        assert_eq!(stage.starts(), 4, "seed {seed}");
        stage.logs_are_whole(4);
        stage.nobody_is_left();
    }
    assert!(first.is_some() || hit.len() == points.len(), "points never tried: {points:?} but {hit:?}");
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
    let stage = Stage::new(&format!("trap 'echo heard >$MEET/begun' TERM; {MEETS} while :; do sleep 1; done"));
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
