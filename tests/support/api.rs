//! The stand-in of the Messages API as a test holds it: one process, gone with the value.

#![allow(clippy::unwrap_used, reason = "a helper of a test panics as the test would")]

use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// A running stand-in.
pub(crate) struct Api {
    process: Child,
    url: String,
    log: PathBuf,
}

impl Api {
    /// Starts it in `folder` with a scenario (format: `tests/bin/api_stand_in/scenario.rs`), and returns when it listens.
    pub(crate) fn start(folder: &Path, scenario: &Value) -> Api {
        let file = folder.join("scenario.json");
        std::fs::write(&file, scenario.to_string()).unwrap();
        let log = folder.join("requests.jsonl");
        let mut process = Command::new(env!("CARGO_BIN_EXE_api-stand-in"))
            .arg("--scenario")
            .arg(&file)
            .arg("--log")
            .arg(&log)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut url = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut url).unwrap();
        assert!(url.starts_with("http://127.0.0.1:"), "the stand-in did not start: {scenario}");
        Api { process, url: url.trim_end().to_owned(), log }
    }

    /// `http://127.0.0.1:<port>`.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// What each model request got, in order: `tool`, `answer`, or the fault's name.
    pub(crate) fn served(&self) -> Vec<String> {
        self.model_requests().iter().map(|entry| entry["gets"].as_str().unwrap().to_owned()).collect()
    }

    /// When each of them came, since the stand-in's start.
    pub(crate) fn times(&self) -> Vec<Duration> {
        self.model_requests().iter().map(|entry| Duration::from_millis(entry["at_ms"].as_u64().unwrap())).collect()
    }

    fn model_requests(&self) -> Vec<Value> {
        let log = std::fs::read_to_string(&self.log).unwrap_or_default();
        let entries = log.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        entries.filter(|entry| !entry["session"].is_null()).collect()
    }
}

impl Drop for Api {
    fn drop(&mut self) {
        // Its standard input ends, and it with it.
        drop(self.process.stdin.take());
        let _ = self.process.wait();
    }
}
