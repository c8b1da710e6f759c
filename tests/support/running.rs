//! A started `swarm loop` as a test holds it: its events as they come, its end, each within a bounded time.
#![allow(dead_code, reason = "each test program uses its own part of it")]

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

/// Longer than anything here takes; what takes longer hangs.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// The process, and what it says.
pub(crate) struct Running {
    pub(crate) pid: Pid,
    events: Receiver<Value>,
    words: Receiver<String>,
    status: Receiver<ExitStatus>,
    seen: Vec<Value>,
}

/// What is known of it afterwards.
#[derive(Debug)]
pub(crate) struct Finished {
    /// As a shell tells it: the code, or 128 and the signal.
    pub(crate) code: i32,
    /// Its events, oldest first.
    pub(crate) events: Vec<Value>,
    /// Its standard error.
    pub(crate) words: String,
}

impl Running {
    /// Starts `command`, a loop with `--format json`.
    pub(crate) fn start(mut command: Command) -> Running {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let pid = Pid::from_raw(child.id().cast_signed());
        let (stdout, mut stderr) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
        let (send_event, events) = channel();
        let (send_words, words) = channel();
        let (send_status, status) = channel();
        thread::spawn(move || {
            let lines = BufReader::new(stdout).lines().map_while(Result::ok);
            lines.map(|line| serde_json::from_str(&line).unwrap()).try_for_each(|event| send_event.send(event))
        });
        thread::spawn(move || {
            let mut all = Vec::new();
            stderr.read_to_end(&mut all).unwrap();
            send_words.send(String::from_utf8_lossy(&all).into_owned())
        });
        thread::spawn(move || send_status.send(child.wait().unwrap()));
        Running { pid, events, words, status, seen: Vec::new() }
    }

    /// Waits for the first event that `is_it`.
    pub(crate) fn wait_for(&mut self, is_it: impl Fn(&Value) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !self.seen.last().is_some_and(&is_it) {
            match self.events.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(event) => self.seen.push(event),
                Err(_) => panic!("no such event, but {:#?} {:?}", self.seen, self.words.try_recv()),
            }
        }
    }

    /// Waits for its end, and for the end of all that it says.
    pub(crate) fn finish(mut self) -> Finished {
        let Ok(status) = self.status.recv_timeout(PATIENCE) else {
            let _ = kill(self.pid, Signal::SIGKILL);
            panic!("it hangs; so far {:#?}", self.events.try_iter().collect::<Vec<Value>>());
        };
        let words = self.words.recv_timeout(PATIENCE).expect("somebody else holds its standard error");
        self.seen.extend(self.events.iter());
        let code = status.code().or(status.signal().map(|signal| 128 + signal)).unwrap();
        Finished { code, events: self.seen, words }
    }
}

impl Finished {
    /// How each attempt ended.
    pub(crate) fn endings(&self) -> Vec<&str> {
        let ended = self.events.iter().filter(|event| event["event"] == "iteration_ended");
        ended.filter_map(|event| event["ending"].as_str()).collect()
    }
}
