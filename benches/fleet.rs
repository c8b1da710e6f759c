//! The benchmark of many workers under one supervisor: starts COUNT of them, ends all, and prints `start <ns>` and
//! `stop <ns>`. Ours is the process runtime, with a shim, a record and a log for each; the floor is bare tokio.
//!
//!   fleet ours COUNT FOLDER SWARM
//!   fleet tokio COUNT
#![allow(clippy::print_stdout, reason = "its output is what it is for")]

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::error::Error;
use std::path::Path;
use std::process::Stdio;
use std::time::Instant;
use swarm::model::{AttemptId, Launch, RunId, Streams, TaskId};
use swarm::runtime::process::ProcessRuntime;
use swarm::runtime::{Event, Nudge, Runtime};
use tokio::process::{Child, Command};

/// A worker that does nothing, and ends by itself should everybody forget it.
const IDLE: [&str; 2] = ["sleep", "1800"];

type Outcome = Result<(), Box<dyn Error>>;

fn main() -> Outcome {
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE)?;
    setrlimit(Resource::RLIMIT_NOFILE, most, most)?;
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let driver = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    match words[..] {
        ["ours", count, folder, swarm] => driver.block_on(ours(count.parse()?, Path::new(folder), Path::new(swarm))),
        ["tokio", count] => driver.block_on(bare(count.parse()?)),
        // `cargo bench` calls every program like this.
        _ => Ok(()),
    }
}

async fn ours(count: u32, folder: &Path, swarm: &Path) -> Outcome {
    std::fs::create_dir_all(folder)?;
    let mut runtime = ProcessRuntime::with_shim(folder, swarm)?;
    let begin = Instant::now();
    for number in 1..=count {
        let started = runtime.launch(&idle(number, folder)).await;
        started.map_err(|error| error.message)?;
    }
    let started = Instant::now();
    for number in 1..=count {
        runtime.nudge(&attempt(number), Nudge::Term)?;
    }
    let (mut chunk, mut left) = (Vec::new(), count);
    while left > 0 {
        if let Event::Ended { .. } = runtime.next(&mut chunk).await {
            left -= 1;
        }
    }
    report(begin, started);
    Ok(())
}

fn attempt(number: u32) -> AttemptId {
    AttemptId { run: RunId("bench".into()), task: TaskId("idle".into()), number, tries: 1 }
}

fn idle(number: u32, folder: &Path) -> Launch {
    Launch {
        attempt: attempt(number),
        argv: IDLE.iter().map(Into::into).collect(),
        cwd: folder.to_owned(),
        env: Vec::new(),
        streams: Streams::Files {
            stdin: "/dev/null".into(),
            out: folder.join(format!("{number}.out")),
            err: folder.join(format!("{number}.err")),
            show: None,
        },
        keep_children: false,
    }
}

async fn bare(count: usize) -> Outcome {
    let begin = Instant::now();
    let mut children: Vec<Child> = Vec::with_capacity(count);
    for _ in 0..count {
        let [program, argument] = IDLE;
        let mut command = Command::new(program);
        command.arg(argument).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        children.push(command.spawn()?);
    }
    let started = Instant::now();
    for id in children.iter().filter_map(Child::id) {
        kill(Pid::from_raw(id.cast_signed()), Signal::SIGTERM)?;
    }
    for child in &mut children {
        child.wait().await?;
    }
    report(begin, started);
    Ok(())
}

fn report(begin: Instant, started: Instant) {
    println!("start {}\nstop {}", started.duration_since(begin).as_nanos(), started.elapsed().as_nanos());
}
