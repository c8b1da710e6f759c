//! The benchmark of a durable change: a registry with WORKERS entries in FOLDER, of which one is changed COUNT times.
//! Prints the nanoseconds of each change, lock and reading included.
//!
//!   registry FOLDER WORKERS COUNT
#![allow(clippy::print_stdout, reason = "its output is what it is for")]

use serde_json::json;
use std::error::Error;
use std::path::Path;
use std::time::Instant;
use swarm::journal::home::Home;
use swarm::journal::registry::{Registry, RegistryError};
use swarm::model::{Entry, Standing};

fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match &words[..] {
        [folder, workers, count] => measure(Path::new(folder), workers.parse()?, count.parse()?),
        // `cargo bench` calls every program like this.
        _ => Ok(()),
    }
}

fn measure(folder: &Path, workers: u32, count: u32) -> Result<(), Box<dyn Error>> {
    let registry = Registry::at(&Home::at(folder));
    let entries: Vec<Entry> = (0..workers).map(entry).collect::<Result<_, _>>()?;
    registry.update(&Vec::new, |state| state.workers = entries)?;
    for number in 0..count {
        let begin = Instant::now();
        change(&registry, workers / 2)?;
        let took = begin.elapsed().as_nanos();
        println!("{took}");
        let expected = if number % 2 == 0 { Standing::Stopped } else { Standing::Running };
        let stands = registry.read()?.state.find(&name(workers / 2)).map(|entry| entry.status);
        if stands != Some(expected) {
            return Err("the change is not in the file".into());
        }
    }
    Ok(())
}

/// One worker stops, or runs again.
fn change(registry: &Registry, worker: u32) -> Result<(), RegistryError> {
    registry.update(&Vec::new, |state| {
        if let Some(entry) = state.find_mut(&name(worker)) {
            entry.status = match entry.status {
                Standing::Running => Standing::Stopped,
                Standing::Stopped => Standing::Running,
            };
        }
    })?;
    Ok(())
}

fn name(number: u32) -> String {
    format!("w{number}")
}

/// An entry as `spawn` makes it, with all that it writes of a process worker.
fn entry(number: u32) -> serde_json::Result<Entry> {
    let process =
        |pid: u32| json!({"pid": pid, "start_time": 1_382_398, "boot_id": "60e5ba40-59d8-4b20-8f90-06e607704d0e"});
    serde_json::from_value(json!({
        "name": name(number),
        "status": "running",
        "cmd": ["claude", "--dangerously-skip-permissions"],
        "started": "2026-11-21T15:56:21.196+00:00",
        "cwd": "/home/somebody/project-worktrees/feature",
        "env": {"TOKEN": ""},
        "tags": ["team"],
        "tmux": null,
        "worktree": null,
        "pid": 100_000 + number,
        "metadata": {},
        "run": format!("20261121-155621-196-{number:x}-0"),
        "shim": process(100_000 + number),
        "worker": process(200_000 + number),
    }))
}
