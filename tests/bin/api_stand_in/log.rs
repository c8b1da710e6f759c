//! What was asked and what became of it: a JSON line a request, for the tests to read.

use serde::Serialize;
use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// One request.
#[derive(Serialize)]
pub(crate) struct Entry<'a> {
    /// Milliseconds since the stand-in's start.
    pub(crate) at_ms: u128,
    pub(crate) method: &'a str,
    pub(crate) path: &'a str,
    /// Which session of the CLI asked, from 1; none for anything but a model request.
    pub(crate) session: Option<usize>,
    /// What it gets: `answer`, `tool`, `harmless`, or the fault.
    pub(crate) gets: String,
}

/// The open log.
pub(crate) struct Log {
    file: Mutex<File>,
    started: Instant,
}

impl Log {
    /// Opens it for appending.
    pub(crate) fn open(path: &Path) -> io::Result<Log> {
        let file = File::options().create(true).append(true).open(path)?;
        Ok(Log { file: Mutex::new(file), started: Instant::now() })
    }

    /// Milliseconds since it was opened.
    pub(crate) fn now_ms(&self) -> u128 {
        self.started.elapsed().as_millis()
    }

    /// Adds one line.
    pub(crate) fn add(&self, entry: &Entry<'_>) -> io::Result<()> {
        let line = serde_json::to_string(entry)? + "\n";
        self.file.lock().unwrap_or_else(PoisonError::into_inner).write_all(line.as_bytes())
    }
}
