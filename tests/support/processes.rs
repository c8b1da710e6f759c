//! Processes as a test of a runtime looks at them, and this program started again as one.
#![allow(dead_code, reason = "each test program uses its own part of it")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};
use swarm::model::{AttemptId, Handle, RunId, TaskId};

/// No wait of a test is longer.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

/// The attempt `number`, tried once.
pub(crate) fn attempt(number: u32) -> AttemptId {
    AttemptId { run: RunId("r".into()), task: TaskId("loop".into()), number, tries: 1 }
}

/// Every process but ours whose command line or environment names `folder`: agents, their children, shims.
pub(crate) fn processes_of(folder: &Path) -> Vec<(i32, String)> {
    let needle = folder.to_str().unwrap();
    let names = |path: PathBuf| fs::read(path).is_ok_and(|bytes| String::from_utf8_lossy(&bytes).contains(needle));
    let pids = fs::read_dir("/proc").unwrap().flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let us = std::process::id() as i32;
    pids.filter(|pid| *pid != us)
        .filter(|pid| {
            let proc = PathBuf::from(format!("/proc/{pid}"));
            names(proc.join("cmdline")) || names(proc.join("environ"))
        })
        .map(|pid| (pid, fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default()))
        .collect()
}

/// The letter of a process's state; `X` when it is gone.
pub(crate) fn state(pid: i32) -> char {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit(") ").next().and_then(|rest| rest.chars().next()).unwrap_or('X')
}

/// The worker of an attempt.
pub(crate) fn worker_pid(handle: &Handle) -> i32 {
    let Handle::Process { worker, .. } = handle;
    worker.pid
}

/// Its shim.
pub(crate) fn shim_pid(handle: &Handle) -> i32 {
    let Handle::Process { shim, .. } = handle;
    shim.pid
}

/// Looks until it is so.
pub(crate) fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !condition() {
        assert!(begun.elapsed() < DEADLINE, "{what} did not come");
        std::thread::yield_now();
    }
}

/// Starts this program again for one of its ignored tests.
pub(crate) fn helper(test: &str, folder: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--ignored", "--exact", "--nocapture", test]).env("HELPER_FOLDER", folder).stdin(Stdio::null());
    command
}

/// The folder that such a test was started with.
pub(crate) fn helper_folder() -> PathBuf {
    PathBuf::from(std::env::var_os("HELPER_FOLDER").expect("only by another test"))
}

/// Its end.
pub(crate) fn finish(mut command: Command) -> ExitStatus {
    let mut child = command.spawn().unwrap();
    let begun = Instant::now();
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status;
        }
        if begun.elapsed() > DEADLINE {
            child.kill().unwrap();
            panic!("the helper hangs");
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}
