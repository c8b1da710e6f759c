//! The process runtime and its shim against a fake agent that misbehaves on request.
//!
//! Tests that need a process of their own (to be killed, to be short of descriptors, to fill a disk) start this program
//! again with one of the ignored tests at the end.
#![cfg(feature = "testing")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers of tests are tests")]

#[path = "support/processes.rs"]
mod processes;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use processes::{
    DEADLINE, attempt, finish, helper, helper_folder, processes_of, shim_pid, state, wait_until, worker_pid,
};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use swarm::host::record;
use swarm::model::{Exit, Found, Handle, Launch, Oom, Status, Streams};
use swarm::runtime::process::{ProcessRuntime, live_attempts};
use swarm::runtime::{Event, Nudge, Runtime};

const SWARM: &str = env!("CARGO_BIN_EXE_swarm");
const AGENT: &str = env!("CARGO_BIN_EXE_fake-agent");

/// A run folder, a log folder, and a runtime.
struct Bench {
    folder: PathBuf,
    runtime: ProcessRuntime,
    /// Removes the folder at the end, unless it is somebody else's.
    _owned: Option<tempfile::TempDir>,
}

/// What an attempt reported, all of it.
struct Report {
    output: Vec<u8>,
    pauses: Vec<String>,
    flowing: usize,
    exit: Exit,
}

impl Bench {
    fn new() -> Bench {
        let owned = tempfile::tempdir().unwrap();
        let folder = owned.path().to_owned();
        Bench { _owned: Some(owned), ..Bench::at(&folder) }
    }

    fn at(folder: &Path) -> Bench {
        fs::create_dir_all(folder.join("logs")).unwrap();
        fs::write(folder.join("prompt"), "the prompt\n").unwrap();
        let runtime = ProcessRuntime::with_shim(&folder.join("run"), Path::new(SWARM)).unwrap();
        Bench { folder: folder.to_owned(), runtime, _owned: None }
    }

    fn out(&self) -> PathBuf {
        self.folder.join("logs/iteration-1.log.raw")
    }

    fn err(&self) -> PathBuf {
        self.folder.join("logs/iteration-1.log.err")
    }

    fn launch_of(&self, script: &str) -> Launch {
        let env = |name: &str, value: &str| (name.into(), Some(value.into()));
        Launch {
            attempt: attempt(1),
            argv: vec![AGENT.into()],
            cwd: self.folder.clone(),
            env: vec![
                env("FAKE_AGENT", script),
                env("FAKE_AGENT_TRACE", self.trace().to_str().unwrap()),
                ("SWARM_TEST".into(), None),
            ],
            streams: Streams::Files { stdin: self.folder.join("prompt"), out: self.out(), err: self.err(), show: None },
            keep_children: false,
        }
    }

    fn trace(&self) -> PathBuf {
        self.folder.join("trace")
    }

    /// How many agents were really started.
    fn starts(&self) -> usize {
        fs::read_to_string(self.trace()).unwrap_or_default().lines().filter(|line| line.contains(" start ")).count()
    }

    async fn launch(&mut self, script: &str) -> Handle {
        let launch = self.launch_of(script);
        self.runtime.launch(&launch).await.unwrap()
    }

    async fn next(&mut self, chunk: &mut Vec<u8>) -> Event {
        tokio::time::timeout(DEADLINE, self.runtime.next(chunk)).await.expect("no event in time")
    }

    /// Follows the one attempt to its end.
    async fn the_end(&mut self) -> Report {
        let (mut chunk, mut report) = (Vec::new(), None);
        let (mut output, mut pauses, mut flowing) = (Vec::new(), Vec::new(), 0);
        while report.is_none() {
            match self.next(&mut chunk).await {
                Event::Output { .. } => output.extend_from_slice(&chunk),
                Event::Paused { error, .. } => pauses.push(error),
                Event::Flowing { .. } => flowing += 1,
                Event::Ended { exit, .. } => report = Some(exit),
            }
        }
        Report { output, pauses, flowing, exit: report.unwrap() }
    }

    /// Waits until the output so far ends with `text`.
    async fn until(&mut self, text: &str) {
        let (mut chunk, mut seen) = (Vec::new(), Vec::new());
        while !seen.ends_with(text.as_bytes()) {
            match self.next(&mut chunk).await {
                Event::Output { .. } => seen.extend_from_slice(&chunk),
                other => panic!("{other:?} before {text:?}"),
            }
        }
    }

    async fn run(&mut self, script: &str) -> Report {
        self.launch(script).await;
        self.the_end().await
    }

    /// Nobody is left whose environment or command line names this bench, but shims that rest.
    fn assert_nobody_left(&self) {
        // A shim that served an earlier runtime ends by itself, a moment after its last line.
        wait_until("everybody's end", || processes_of(&self.folder).into_iter().all(|(pid, _)| is_resting_shim(pid)));
    }

    /// The same without the runtime: then not even a shim is left.
    fn assert_gone(self) {
        let Bench { folder, runtime, _owned } = self;
        drop(runtime);
        let left = processes_of(&folder);
        assert!(left.is_empty(), "left behind: {left:?}");
    }
}

fn is_resting_shim(pid: i32) -> bool {
    let named = fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| line.starts_with(b"swarm\0shim\0"));
    named && swarm::host::process::children(pid).is_empty()
}

#[tokio::test]
async fn an_agent_runs_to_its_end() {
    let mut bench = Bench::new();
    fs::write(bench.out(), "an earlier try\n").unwrap();
    let report = bench.run("echo-stdin;text:hello;stderr:oops;fds;signals;env:SWARM_TEST;cwd;exit:3").await;
    let folder = bench.folder.canonicalize().unwrap();
    let text = String::from_utf8(report.output).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[..3], ["the prompt", "hello", "0 1 2"]);
    assert!(lines[3].starts_with("SigBlk:\t0000000000000000"), "{}", lines[3]);
    assert_eq!(lines[4..], ["(unset)", folder.to_str().unwrap()]);
    assert_eq!(report.exit.status, Status::Code(3));
    assert!(matches!(report.exit.oom, Oom::Denied | Oom::Unknown), "{:?}", report.exit.oom);
    assert_eq!(fs::read_to_string(bench.out()).unwrap(), format!("an earlier try\n{text}"));
    assert_eq!(fs::read_to_string(bench.err()).unwrap(), "oops\n");
    assert_eq!(bench.runtime.probe(&attempt(1)).await.unwrap(), Found::Ended(report.exit));
    bench.assert_nobody_left();
    bench.runtime.discard(&attempt(1)).await.unwrap();
    assert_eq!(bench.runtime.probe(&attempt(1)).await.unwrap(), Found::Never);
    assert!(!bench.folder.join("run/attempts/1.1").exists());
}

#[tokio::test]
async fn no_error_output_makes_no_file_and_logs_are_private() {
    use std::os::unix::fs::PermissionsExt;
    let mut bench = Bench::new();
    bench.run("text:hello").await;
    assert!(!bench.err().exists());
    let mode = |path: PathBuf| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(bench.out()), 0o600);
    let folder = bench.folder.join("run/attempts/1.1");
    assert_eq!((mode(folder.join("record")), mode(folder)), (0o600, 0o700));
    bench.assert_gone();
}

#[tokio::test]
async fn arguments_and_variables_arrive_byte_for_byte() {
    use std::os::unix::ffi::OsStringExt;
    let mut bench = Bench::new();
    let odd = std::ffi::OsString::from_vec(b"a\xff\n'\"$ b".to_vec());
    let mut launch = bench.launch_of("");
    launch.argv =
        vec!["sh".into(), "-c".into(), "printf '%s|%s|' \"$1\" \"$ODD\"; pwd".into(), "sh".into(), odd.clone()];
    launch.cwd = bench.folder.join(&odd);
    launch.env.push(("ODD".into(), Some(odd.clone())));
    fs::create_dir(&launch.cwd).unwrap();
    bench.runtime.launch(&launch).await.unwrap();
    let report = bench.the_end().await;
    assert!(report.output.starts_with(b"a\xff\n'\"$ b|a\xff\n'\"$ b|/"));
    assert!(report.output.ends_with(b"a\xff\n'\"$ b\n"));
}

#[tokio::test]
async fn what_cannot_be_started_leaves_nothing() {
    let mut bench = Bench::new();
    let good = bench.launch_of("text:x");
    let mut no_prompt = good.clone();
    if let Streams::Files { stdin, .. } = &mut no_prompt.streams {
        *stdin = "/no/prompt".into();
    }
    let cases: [(&str, &str, Launch); 6] = [
        ("no-such-program", "No such file", Launch { argv: vec!["no-such-program".into()], ..good.clone() }),
        ("/prompt", "denied", Launch { argv: vec![bench.folder.join("prompt").into()], ..good.clone() }),
        ("/no/folder", "No such file", Launch { cwd: "/no/folder".into(), ..good.clone() }),
        ("/no/prompt", "No such file", no_prompt),
        ("terminal", "terminal", Launch { streams: Streams::Terminal, ..good.clone() }),
        ("variable", "variable", Launch { env: vec![("A=B".into(), None)], ..good.clone() }),
    ];
    for (thing, words, launch) in cases {
        let error = bench.runtime.launch(&launch).await.unwrap_err();
        assert!(error.permanent, "{error:?}");
        assert!(error.message.contains(thing) && error.message.contains(words), "{error:?}");
        assert!(!bench.out().exists());
        assert!(!bench.folder.join("run/attempts/1.1").exists());
        assert_eq!(bench.runtime.probe(&attempt(1)).await.unwrap(), Found::Never);
    }
    bench.assert_nobody_left();
    assert_eq!(bench.runtime.launch(&good).await.map(|_| ()), Ok(()), "a failed start does not stand in the way");
    assert_eq!(bench.the_end().await.output, b"x\n");
}

#[tokio::test]
async fn an_attempt_is_never_started_twice() {
    let mut bench = Bench::new();
    let launch = bench.launch_of("text:up;wait-file:go");
    let first = bench.runtime.launch(&launch).await.unwrap();
    assert_eq!(bench.runtime.launch(&launch).await.unwrap(), first);
    let mut other = Bench::at(&bench.folder);
    assert_eq!(other.runtime.launch(&launch).await.unwrap(), first, "by a later supervisor too");
    fs::write(bench.folder.join("go"), "").unwrap();
    assert_eq!(other.the_end().await.output, b"up\n");
    assert_eq!(bench.the_end().await.output, b"up\n");
    assert!(bench.runtime.launch(&launch).await.unwrap_err().message.contains("is over"));
    assert_eq!(bench.starts(), 1);
}

#[tokio::test]
async fn every_byte_arrives() {
    let mut bench = Bench::new();
    let report = bench.run("invalid-utf8;bytes:64MB").await;
    let head = b"\xff\xfe \xe2\x82 \0 {\"text\":\"\\ud800\"} end\n";
    let letters = (b'a'..=b'z').cycle().take(64 << 20);
    assert!(report.output.iter().copied().eq(head.iter().copied().chain(letters)));
    assert_eq!(fs::read(bench.out()).unwrap(), report.output);
}

#[tokio::test]
async fn a_dropped_wait_loses_nothing() {
    let mut bench = Bench::new();
    bench.launch("bytes:9MB;wait-file:go;every:1ms:50:x").await;
    let (mut chunk, mut output, mut dropped) = (Vec::new(), Vec::new(), 0);
    let begun = Instant::now();
    loop {
        // As in a select with something else that is always ready: one look, then away.
        let next = tokio::time::timeout(Duration::ZERO, bench.runtime.next(&mut chunk)).await;
        match next {
            Ok(Event::Output { .. }) => output.extend_from_slice(&chunk),
            Ok(Event::Ended { .. }) => break,
            Ok(other) => panic!("{other:?}"),
            Err(_) => {
                dropped += 1;
                // Not before: under load all of it may be there before anybody looks.
                fs::write(bench.folder.join("go"), "").unwrap();
            }
        }
        assert!(begun.elapsed() < DEADLINE);
    }
    assert!(dropped > 0);
    assert_eq!(output.len(), (9 << 20) + 100);
    assert_eq!(fs::read(bench.out()).unwrap(), output);
}

#[tokio::test]
async fn a_large_prompt_that_nobody_reads_blocks_nobody() {
    let mut bench = Bench::new();
    fs::write(bench.folder.join("prompt"), vec![b'p'; 2 << 20]).unwrap();
    assert_eq!(bench.run("text:done").await.output, b"done\n");
    bench.runtime.discard(&attempt(1)).await.unwrap();
    assert_eq!(bench.run("echo-stdin").await.output.len(), 2 << 20);
}

#[tokio::test]
async fn f25_endings_are_told_apart() {
    let mut bench = Bench::new();
    for (script, status) in [
        ("signal:9", Status::Signal(9)),
        ("signal:11", Status::Signal(11)),
        ("exit:137", Status::Code(137)),
        ("exit:0", Status::Code(0)),
    ] {
        let exit = bench.run(script).await.exit;
        assert_eq!(exit.status, status, "{script}");
        assert!(matches!(exit.oom, Oom::Denied | Oom::Unknown), "{script}: {exit:?}");
        bench.assert_nobody_left();
        bench.runtime.discard(&attempt(1)).await.unwrap();
    }
}

/// A shim serves attempt after attempt; what was meant for one never reaches the next, and its death between two is no
/// matter.
#[tokio::test]
async fn one_shim_serves_many_attempts() {
    let mut bench = Bench::new();
    let first = bench.launch("text:one").await;
    let stray = Pid::from_raw(shim_pid(&first));
    assert_eq!(bench.the_end().await.output, b"one\n");
    bench.runtime.discard(&attempt(1)).await.unwrap();
    // As a nudge that comes too late: from us, its supervisor.
    kill(stray, Signal::SIGTERM).unwrap();
    kill(stray, Signal::SIGUSR2).unwrap();
    let second = bench.launch("text:two;wait-file:go").await;
    assert_eq!(shim_pid(&first), shim_pid(&second));
    bench.until("two\n").await;
    fs::write(bench.folder.join("go"), "").unwrap();
    assert_eq!(bench.the_end().await.exit.status, Status::Code(0));
    bench.runtime.discard(&attempt(1)).await.unwrap();
    kill(stray, Signal::SIGKILL).unwrap();
    wait_until("its death", || matches!(state(stray.as_raw()), 'Z' | 'X'));
    let third = bench.launch("text:three").await;
    assert_ne!(shim_pid(&first), shim_pid(&third));
    assert_eq!(bench.the_end().await.exit.status, Status::Code(0));
    assert_eq!(processes_of(&bench.folder).len(), 1);
    bench.assert_gone();
}

#[tokio::test]
async fn f08_descendants_in_other_sessions_are_gone_at_the_end() {
    let mut bench = Bench::new();
    let report = bench.run("setsid-child:60s;child:60s;text:bye").await;
    assert_eq!((report.output.as_slice(), report.exit.status), (b"bye\n".as_slice(), Status::Code(0)));
    bench.assert_nobody_left();
    assert!(report.exit.left.is_empty());
}

#[tokio::test]
async fn f08_a_descendant_that_ignores_term_is_killed() {
    let mut bench = Bench::new();
    bench.run("stubborn-child:60s;text:bye").await;
    bench.assert_nobody_left();
}

#[tokio::test]
async fn f09_the_exit_is_recorded_at_once_although_its_output_is_held() {
    let mut bench = Bench::new();
    let mut launch = bench.launch_of("hold-stdout:60s;text:bye");
    launch.keep_children = true;
    bench.runtime.launch(&launch).await.unwrap();
    let begun = Instant::now();
    let report = bench.the_end().await;
    assert_eq!((report.output.as_slice(), report.exit.status), (b"bye\n".as_slice(), Status::Code(0)));
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    let mut kept = Vec::new();
    wait_until("the end of the shim", || {
        kept = processes_of(&bench.folder);
        kept.len() == 1
    });
    let kept = kept[0].0;
    kill(Pid::from_raw(kept), Signal::SIGKILL).unwrap();
    wait_until("its end", || state(kept) == 'Z');
    bench.runtime.discard(&attempt(1)).await.unwrap();
    bench.run("text:next").await;
    assert_eq!(state(kept), 'X', "reaped at the next end");
    bench.assert_gone();
}

#[tokio::test]
async fn f09_a_pipe_that_is_never_silent_is_left_in_time() {
    let mut bench = Bench::new();
    let mut launch = bench.launch_of("chatty-child:60s;text:bye");
    launch.keep_children = true;
    bench.runtime.launch(&launch).await.unwrap();
    let begun = Instant::now();
    assert_eq!(bench.the_end().await.exit.status, Status::Code(0));
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    // Its next line finds nobody who reads.
    wait_until("its end", || processes_of(&bench.folder).is_empty());
}

#[tokio::test]
async fn term_reaches_the_worker_and_kill_everybody() {
    let mut bench = Bench::new();
    bench.launch("setsid-child:60s;term-exit:143;text:up;hang").await;
    bench.until("up\n").await;
    bench.runtime.nudge(&attempt(1), Nudge::Term).unwrap();
    assert_eq!(bench.the_end().await.exit.status, Status::Code(143));
    bench.assert_nobody_left();

    let mut bench = Bench::new();
    bench.launch("stubborn-child:60s;ignore-term;text:up;hang").await;
    bench.until("up\n").await;
    bench.runtime.nudge(&attempt(1), Nudge::Term).unwrap();
    let begun = Instant::now();
    bench.runtime.nudge(&attempt(1), Nudge::Kill).unwrap();
    let exit = bench.the_end().await.exit;
    assert_eq!(exit.status, Status::Signal(9));
    assert!(exit.oom != Oom::Confirmed && begun.elapsed() < Duration::from_secs(1));
    bench.assert_nobody_left();
    bench.runtime.nudge(&attempt(1), Nudge::Kill).unwrap();
}

#[tokio::test]
async fn a_stopped_worker_hears_term() {
    let mut bench = Bench::new();
    let handle = bench.launch("term-exit:143;text:up;stop-self;hang").await;
    bench.until("up\n").await;
    wait_until("the stop", || state(worker_pid(&handle)) == 'T');
    bench.runtime.nudge(&attempt(1), Nudge::Term).unwrap();
    assert_eq!(bench.the_end().await.exit.status, Status::Code(143));
    bench.assert_nobody_left();
}

#[tokio::test]
async fn signals_to_the_shim_are_for_its_worker() {
    for (signal, step, status) in [
        (Signal::SIGINT, "int-exit:0", Status::Code(0)),
        (Signal::SIGHUP, "sleep:0s", Status::Signal(1)),
        (Signal::SIGTERM, "term-exit:143", Status::Code(143)),
    ] {
        let mut bench = Bench::new();
        let handle = bench.launch(&format!("{step};text:up;hang")).await;
        bench.until("up\n").await;
        kill(Pid::from_raw(shim_pid(&handle)), signal).unwrap();
        assert_eq!(bench.the_end().await.exit.status, status);
        bench.assert_gone();
    }
}

#[tokio::test]
async fn suspending_stops_all_and_continuing_lets_them_go_on() {
    let mut bench = Bench::new();
    let handle = bench.launch("setsid-child:60s;text:up;wait-file:go").await;
    bench.until("up\n").await;
    bench.runtime.nudge(&attempt(1), Nudge::Suspend).unwrap();
    let child = swarm::host::process::children(worker_pid(&handle))[0];
    wait_until("the stop", || state(worker_pid(&handle)) == 'T' && state(child) == 'T');
    bench.runtime.nudge(&attempt(1), Nudge::Continue).unwrap();
    wait_until("the going on", || state(worker_pid(&handle)) != 'T' && state(child) != 'T');
    fs::write(bench.folder.join("go"), "").unwrap();
    assert_eq!(bench.the_end().await.exit.status, Status::Code(0));
    bench.assert_nobody_left();
}

#[tokio::test]
async fn a_shim_that_is_stopped_hears_kill() {
    let mut bench = Bench::new();
    let handle = bench.launch("text:up;hang").await;
    bench.until("up\n").await;
    kill(Pid::from_raw(shim_pid(&handle)), Signal::SIGSTOP).unwrap();
    bench.runtime.nudge(&attempt(1), Nudge::Kill).unwrap();
    assert_eq!(bench.the_end().await.exit.status, Status::Signal(9));
    bench.assert_nobody_left();
}

#[tokio::test]
async fn after_the_death_of_the_shim_its_family_is_ended() {
    let mut bench = Bench::new();
    let handle = bench.launch("stubborn-child:60s;ignore-term;text:up;hang").await;
    bench.until("up\n").await;
    let child = swarm::host::process::children(worker_pid(&handle))[0];
    kill(Pid::from_raw(shim_pid(&handle)), Signal::SIGKILL).unwrap();
    let exit = bench.the_end().await.exit;
    assert_eq!((exit.status, exit.left.len()), (Status::Lost, 0));
    assert_eq!([child, worker_pid(&handle), shim_pid(&handle)].map(state), ['X'; 3], "not even as zombies");
    bench.assert_nobody_left();
    assert_eq!(bench.runtime.probe(&attempt(1)).await.unwrap(), Found::Gone);
}

#[tokio::test]
async fn f21_a_log_that_is_removed_is_put_back() {
    let mut bench = Bench::new();
    bench.launch("text:one;wait-file:go;text:two;stderr:late").await;
    bench.until("one\n").await;
    fs::remove_dir_all(bench.folder.join("logs")).unwrap();
    fs::write(bench.folder.join("go"), "").unwrap();
    let report = bench.the_end().await;
    assert_eq!((report.output.as_slice(), report.exit.status), (b"two\n".as_slice(), Status::Code(0)));
    assert_eq!(fs::read(bench.out()).unwrap(), b"one\ntwo\n");
    assert_eq!(fs::read(bench.err()).unwrap(), b"late\n");
}

#[tokio::test]
async fn another_runtime_adopts_what_lives() {
    let mut bench = Bench::new();
    let handle = bench.launch("text:one;wait-file:go;text:two;exit:4").await;
    bench.until("one\n").await;
    assert_eq!(live(&bench), vec![(1, Some(handle.clone()))]);
    let mut bench = bench.renewed();
    assert_eq!(bench.runtime.probe(&attempt(1)).await.unwrap(), Found::Alive(handle));
    let out = bench.out();
    bench.runtime.adopt(&attempt(1), &out, 2).await.unwrap();
    fs::write(bench.folder.join("go"), "").unwrap();
    let report = bench.the_end().await;
    assert_eq!((report.output.as_slice(), report.exit.status), (b"e\ntwo\n".as_slice(), Status::Code(4)));
    bench.assert_nobody_left();
    assert_eq!(live(&bench), vec![]);
    // And one that is over: the same bytes, the same ending.
    let mut bench = bench.renewed();
    bench.runtime.adopt(&attempt(1), &out, 0).await.unwrap();
    let report = bench.the_end().await;
    assert_eq!((report.output.as_slice(), report.exit.status), (b"one\ntwo\n".as_slice(), Status::Code(4)));
}

fn live(bench: &Bench) -> Vec<(u32, Option<Handle>)> {
    let found = live_attempts(&bench.folder.join("run")).unwrap();
    found.into_iter().map(|live| (live.number, live.handle)).collect()
}

impl Bench {
    /// The same folder under a runtime that knows nothing.
    fn renewed(self) -> Bench {
        Bench { runtime: Bench::at(&self.folder).runtime, ..self }
    }
}

#[tokio::test]
async fn f06_f39_a_record_of_another_boot_is_gone_and_its_pid_is_nobody() {
    let mut bench = Bench::new();
    // Its pid is ours: whoever signalled it would end this test.
    let us = swarm::host::process::identify(std::process::id() as i32).unwrap();
    let old = swarm::model::ProcessId { boot_id: "before".into(), ..us.clone() };
    let recycled = swarm::model::ProcessId { start_time: us.start_time + 1, ..us };
    for id in [old, recycled] {
        let folder = bench.folder.join("run/attempts/1.1");
        fs::create_dir_all(&folder).unwrap();
        let mut writer = record::Writer::new(record::create(&folder.join("record")).unwrap());
        writer.starting(&record::Started { shim: id.clone(), out_from: 0, out: String::new() }).unwrap();
        writer.running(&id).unwrap();
        drop(writer);
        assert_eq!(bench.runtime.probe(&attempt(1)).await.unwrap(), Found::Gone);
        let out = bench.out();
        bench.runtime.adopt(&attempt(1), &out, 0).await.unwrap();
        bench.runtime.nudge(&attempt(1), Nudge::Kill).unwrap();
        assert_eq!(bench.the_end().await.exit.status, Status::Lost);
        bench.runtime.discard(&attempt(1)).await.unwrap();
    }
}

#[tokio::test]
async fn many_at_once_are_kept_apart() {
    let mut bench = Bench::new();
    for number in 1..=40 {
        let mut launch = bench.launch_of(&format!("text:{number};wait-file:go;exit:{number}"));
        launch.attempt = attempt(number);
        if let Streams::Files { out, .. } = &mut launch.streams {
            *out = bench.folder.join(format!("logs/iteration-{number}.log.raw"));
        }
        bench.runtime.launch(&launch).await.unwrap();
    }
    fs::write(bench.folder.join("go"), "").unwrap();
    let (mut chunk, mut outputs, mut ended) = (Vec::new(), vec![Vec::new(); 41], 0);
    while ended < 40 {
        match bench.next(&mut chunk).await {
            Event::Output { attempt } => outputs[attempt.number as usize].extend_from_slice(&chunk),
            Event::Ended { attempt, exit } => {
                assert_eq!(exit.status, Status::Code(attempt.number as i32));
                assert_eq!(outputs[attempt.number as usize], format!("{}\n", attempt.number).as_bytes());
                ended += 1;
            }
            other => panic!("{other:?}"),
        }
    }
    bench.assert_nobody_left();
    wait_until("no crowd of shims", || processes_of(&bench.folder).len() <= 8);
    bench.assert_gone();
}

#[tokio::test]
async fn a_child_of_somebody_else_is_not_reaped() {
    let mut bench = Bench::new();
    let mut other = tokio::process::Command::new("sh").args(["-c", "exit 7"]).spawn().unwrap();
    bench.run("setsid-child:60s;text:x").await;
    assert_eq!(other.wait().await.unwrap().code(), Some(7));
}

#[tokio::test]
async fn the_worker_outlives_a_killed_supervisor() {
    let mut bench = Bench::new();
    let mut supervisor = helper("supervisor_to_be_killed", &bench.folder).stdout(Stdio::null()).spawn().unwrap();
    wait_until("the first line", || fs::read(bench.out()).is_ok_and(|bytes| bytes == b"one\n"));
    supervisor.kill().unwrap();
    supervisor.wait().unwrap();
    let Found::Alive(_) = bench.runtime.probe(&attempt(1)).await.unwrap() else { panic!("not alive") };
    let out = bench.out();
    bench.runtime.adopt(&attempt(1), &out, 0).await.unwrap();
    fs::write(bench.folder.join("go"), "").unwrap();
    let report = bench.the_end().await;
    assert_eq!(report.exit.status, Status::Code(5));
    assert_eq!(report.output, b"one\ntwo\n");
    assert_eq!(bench.starts(), 1);
    bench.assert_nobody_left();
}

#[tokio::test]
#[ignore = "started by another test, which kills it"]
async fn supervisor_to_be_killed() {
    let mut bench = Bench::at(&helper_folder());
    bench.run("text:one;setsid-child:60s;wait-file:go;text:two;exit:5").await;
}

#[test]
fn f03_a_death_at_any_point_of_a_start_is_recovered_from() {
    for point in
        swarm::host::failpoint::ALL.iter().filter(|name| name.starts_with("launch-") || name.starts_with("shim-"))
    {
        let owned = tempfile::tempdir().unwrap();
        let mut command = helper("supervisor_with_a_failpoint", owned.path());
        command.env("SWARM_FAILPOINT", format!("{point}:abort")).stdout(Stdio::null());
        let died = finish(command);
        assert_eq!(died.success(), point.starts_with("shim-"), "{point}: {died}");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(recover(point, owned.path()));
    }
}

/// Probes and goes on as a driver does; in the end the agent ran exactly once, or its one run is known to be lost. Only a
/// start that was reported as failed is repeated.
async fn recover(point: &str, folder: &Path) {
    let mut bench = Bench::at(folder);
    let found = bench.runtime.probe(&attempt(1)).await.unwrap();
    let out = bench.out();
    match found {
        Found::Never => {
            let report = bench.run("text:x").await;
            assert_eq!((report.output.as_slice(), report.exit.status), (b"x\n".as_slice(), Status::Code(0)), "{point}");
        }
        _ => {
            bench.runtime.adopt(&attempt(1), &out, 0).await.unwrap();
            let status = bench.the_end().await.exit.status;
            let known = !matches!(point, "shim-before-running" | "shim-before-exited");
            assert_eq!(status, if known { Status::Code(0) } else { Status::Lost }, "{point}");
        }
    }
    let reported = folder.join("launch-failed").exists();
    assert!(bench.starts() <= 1 + usize::from(reported), "{point}: {} starts", bench.starts());
    bench.assert_nobody_left();
    drop(bench);
    wait_until("the end of the shims", || processes_of(folder).is_empty());
}

#[tokio::test]
#[ignore = "started by another test"]
async fn supervisor_with_a_failpoint() {
    let mut bench = Bench::at(&helper_folder());
    let launch = bench.launch_of("text:x");
    match bench.runtime.launch(&launch).await {
        Ok(_) => drop(bench.the_end().await),
        Err(_) => fs::write(bench.folder.join("launch-failed"), "").unwrap(),
    }
    bench.assert_nobody_left();
}

#[test]
fn f36_a_failure_at_any_step_of_a_start_is_rolled_back() {
    for point in swarm::host::failpoint::ALL.iter().filter(|name| name.starts_with("launch-")) {
        let owned = tempfile::tempdir().unwrap();
        let mut command = helper("launch_that_fails_once", owned.path());
        command.env("SWARM_FAILPOINT", format!("{point}:err"));
        assert!(finish(command).success(), "{point}");
    }
}

#[tokio::test]
#[ignore = "started by another test"]
async fn launch_that_fails_once() {
    let mut bench = Bench::at(&helper_folder());
    let launch = bench.launch_of("setsid-child:60s;hang");
    let error = bench.runtime.launch(&launch).await.unwrap_err();
    assert!(error.message.contains("failpoint") && !error.permanent, "{error:?}");
    assert!(!bench.folder.join("run/attempts/1.1").exists());
    assert!(!bench.out().exists() || bench.out().metadata().unwrap().len() == 0);
    bench.assert_nobody_left();
    assert_eq!(bench.run("text:x").await.output, b"x\n");
}

#[test]
fn f35_a_shortage_of_descriptors_or_processes_is_an_error_and_leaves_nothing() {
    for test in ["launch_without_descriptors", "launch_without_processes"] {
        let owned = tempfile::tempdir().unwrap();
        assert!(finish(helper(test, owned.path())).success(), "{test}");
    }
}

#[tokio::test]
#[ignore = "started by another test"]
async fn launch_without_descriptors() {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    let mut bench = Bench::at(&helper_folder());
    let launch = bench.launch_of("text:x");
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    // From none left to enough for the supervisor but not for the shim, to enough for both.
    let (mut failures, mut limit) = (0, 3);
    loop {
        setrlimit(Resource::RLIMIT_NOFILE, limit, hard).unwrap();
        let result = bench.runtime.launch(&launch).await;
        setrlimit(Resource::RLIMIT_NOFILE, hard.min(1024), hard).unwrap();
        let Err(error) = result else { break };
        assert!(error.message.contains("Too many open files"), "{limit}: {error:?}");
        assert!(!error.permanent, "{limit}: {error:?}");
        assert!(!bench.folder.join("run/attempts/1.1/record").exists(), "{limit}");
        bench.assert_nobody_left();
        failures += 1;
        limit += 1;
        assert!(limit < 64);
    }
    assert!(failures > 2);
    assert_eq!(bench.the_end().await.output, b"x\n");
}

#[tokio::test]
#[ignore = "started by another test"]
async fn launch_without_processes() {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    let folder = helper_folder();
    // The limit counts by user and does not hold for root: become somebody who has no process.
    let nobody = nix::unistd::Uid::from_raw(64_999);
    if nix::unistd::geteuid().is_root() {
        for path in [folder.clone(), folder.join("logs"), folder.join("run"), folder.join("prompt")] {
            let _ = fs::create_dir_all(&path);
            nix::unistd::chown(&path, Some(nobody), None).unwrap();
        }
        fs::remove_dir(folder.join("prompt")).unwrap();
        fs::set_permissions(&folder, std::os::unix::fs::PermissionsExt::from_mode(0o777)).unwrap();
        nix::unistd::setresuid(nobody, nobody, nobody).unwrap();
    }
    let mut bench = Bench::at(&folder);
    let launch = Launch { argv: vec!["true".into()], ..bench.launch_of("") };
    let (soft, hard) = getrlimit(Resource::RLIMIT_NPROC).unwrap();
    // This program has threads; one process more than they are is the shim, and then there is none for the worker.
    let threads = fs::read_dir("/proc/self/task").unwrap().count() as u64;
    for limit in [threads, threads + 1] {
        setrlimit(Resource::RLIMIT_NPROC, limit, hard).unwrap();
        let error = bench.runtime.launch(&launch).await.unwrap_err();
        assert!(error.message.contains("temporarily unavailable") && !error.permanent, "{limit}: {error:?}");
        assert!(!bench.folder.join("run/attempts/1.1/record").exists());
        bench.assert_nobody_left();
    }
    setrlimit(Resource::RLIMIT_NPROC, soft, hard).unwrap();
    // The shim that was started under the limit keeps it.
    bench = Bench::at(&folder);
    bench.runtime.launch(&launch).await.unwrap();
    assert_eq!(bench.the_end().await.exit.status, Status::Code(0));
}

#[test]
fn f19_a_full_disk_pauses_the_log_and_loses_nothing() {
    for test in ["disk_that_gets_room", "disk_that_stays_full"] {
        let owned = tempfile::tempdir().unwrap();
        let disk = owned.path().join("logs");
        fs::create_dir(&disk).unwrap();
        let user = if nix::unistd::geteuid().is_root() { "-m" } else { "-rm" };
        let mount = format!("mount -t tmpfs -o size=1m none '{}' && exec \"$@\"", disk.display());
        let mut command = Command::new("unshare");
        command.args([user, "sh", "-c", &mount, "sh"]);
        let inner = helper(test, owned.path());
        command.arg(inner.get_program()).args(inner.get_args()).env("HELPER_FOLDER", owned.path());
        assert!(finish(command).success(), "{test}: needs a mount namespace of its own");
    }
}

#[tokio::test]
#[ignore = "started by another test"]
async fn disk_that_gets_room() {
    let mut bench = Bench::at(&helper_folder());
    let filler = bench.folder.join("logs/filler");
    fs::write(&filler, vec![0; 512 << 10]).unwrap();
    bench.launch("bytes:900KB;stderr:late").await;
    let (mut chunk, mut output) = (Vec::new(), Vec::new());
    loop {
        match bench.next(&mut chunk).await {
            Event::Output { .. } => output.extend_from_slice(&chunk),
            Event::Paused { error, .. } => {
                assert!(error.contains("No space left"), "{error}");
                break;
            }
            other => panic!("{other:?}"),
        }
    }
    fs::remove_file(&filler).unwrap();
    let report = bench.the_end().await;
    output.extend_from_slice(&report.output);
    assert_eq!((report.pauses.len(), report.flowing, report.exit.status), (0, 1, Status::Code(0)));
    assert!(output.iter().copied().eq((b'a'..=b'z').cycle().take(900 << 10)));
    assert_eq!(fs::read(bench.out()).unwrap(), output);
    assert_eq!(fs::read(bench.err()).unwrap(), b"late\n");
    bench.assert_nobody_left();
}

#[tokio::test]
#[ignore = "started by another test"]
async fn disk_that_stays_full() {
    let mut bench = Bench::at(&helper_folder());
    bench.launch("bytes:4MB;hang").await;
    let mut chunk = Vec::new();
    while !matches!(bench.next(&mut chunk).await, Event::Paused { .. }) {}
    bench.runtime.nudge(&attempt(1), Nudge::Term).unwrap();
    bench.runtime.nudge(&attempt(1), Nudge::Kill).unwrap();
    let report = bench.the_end().await;
    assert!(matches!(report.exit.status, Status::Signal(9 | 15)), "{:?}", report.exit);
    bench.assert_nobody_left();
}
