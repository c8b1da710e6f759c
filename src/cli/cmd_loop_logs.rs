//! `swarm loop logs [-f] [NAME]`: the latest iteration's log, or that of one iteration; `-f` follows it as it grows and
//! goes over to the next iteration's, until the run ends.

use super::error::{Error, Result};
use super::runs::Run;
use super::{assemble, print, runs};
use crate::host::files;
use crate::host::inotify::Watcher;
use crate::host::process::PidFd;
use crate::host::ready::Crowd;
use clap::ArgMatches;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

/// Runs the verb and returns the exit code.
pub(super) fn run(matches: &ArgMatches) -> Result<u8> {
    let home = runs::home()?;
    let run = runs::find(&home, matches.get_one::<String>("run").map(String::as_str))?;
    let number = |text: &String| {
        text.parse().map_err(|_| Error::usage(format!("`{text}` is no log number")).hint("see `swarm explain`"))
    };
    let log = matches.get_one::<String>("iteration").map(number).transpose()?;
    show(run, log, matches.get_flag("raw"), matches.get_flag("follow"), None)
}

/// Prints a log, or at most so many of its last `lines`, and follows it if wished; the latest log if none is given.
pub(super) fn show(run: Run, log: Option<u32>, raw: bool, following: bool, lines: Option<u32>) -> Result<u8> {
    let log = log.map_or_else(|| latest(&run), Ok)?;
    let path = path_of(&run, log, raw);
    let mut file = open(&path)?;
    if let Some(lines) = lines {
        let begin = files::last_lines(&file, lines.into()).and_then(|begin| file.seek(SeekFrom::Start(begin)));
        begin.map_err(|error| Error::failed(format!("cannot read {}: {error}", path.display())))?;
    }
    if !copy(&mut file)? || !following {
        return Ok(0);
    }
    assemble::block_on(follow(run, log, raw, file))?
}

/// The log of the latest attempt.
fn latest(run: &Run) -> Result<u32> {
    let open = run.board.open.values().map(|open| open.log).max();
    let closed = run.board.last.as_ref().map(|last| last.log);
    open.or(closed).filter(|log| *log > 0).ok_or_else(|| {
        Error::failed(format!("loop '{}' has no log yet", run.record.name)).hint("its first iteration has not begun")
    })
}

fn path_of(run: &Run, log: u32, raw: bool) -> PathBuf {
    run.log_folder().join(format!("iteration-{log}.log{}", if raw { ".raw" } else { "" }))
}

fn open(path: &Path) -> Result<File> {
    File::open(path).map_err(|error| {
        Error::failed(format!("cannot read {}: {error}", path.display()))
            .hint("`swarm explain` lists the logs of the run")
    })
}

/// Prints the rest of the file; false when nobody reads any more.
fn copy(file: &mut File) -> Result<bool> {
    let mut chunk = vec![0; 64 * 1024];
    loop {
        let count = file.read(&mut chunk).map_err(|error| Error::failed(format!("cannot read the log: {error}")))?;
        if count == 0 {
            return Ok(true);
        }
        if !print::raw(&chunk[..count]) {
            return Ok(false);
        }
    }
}

/// Prints what is appended, and the next log when the run goes on to it, until the supervisor is gone. Wakes on changes in
/// the log folder, never by time.
async fn follow(run: Run, mut log: u32, raw: bool, mut file: File) -> Result<u8> {
    let failed = |error: std::io::Error| Error::failed(format!("cannot follow the log: {error}"));
    let watcher = Watcher::new().map_err(failed)?;
    watcher.add(File::open(run.log_folder()).map_err(failed)?).map_err(failed)?;
    let crowd = Crowd::new().map_err(failed)?;
    crowd.add(watcher.as_fd(), CHANGED).map_err(failed)?;
    let supervisor = run.supervisor().and_then(|holder| PidFd::open(&holder.process).ok().flatten());
    supervisor.as_ref().map_or(Ok(()), |supervisor| crowd.add(supervisor.as_fd(), ENDED)).map_err(failed)?;
    // Without a supervisor nothing more will come.
    let mut over = supervisor.is_none();
    loop {
        if !copy(&mut file)? {
            return Ok(0);
        }
        while let Ok(next) = File::open(path_of(&run, log + 1, raw)) {
            // What came between our last read and the next log's beginning.
            if !copy(&mut file)? {
                return Ok(0);
            }
            (log, file) = (log + 1, next);
            if !copy(&mut file)? {
                return Ok(0);
            }
        }
        if over {
            return Ok(0);
        }
        let ready = crowd.wait().await.map_err(failed)?;
        watcher.changes().map_err(failed)?;
        over = ready.contains(&ENDED);
    }
}

/// The log folder changed.
const CHANGED: u64 = 0;

/// The supervisor ended.
const ENDED: u64 = 1;
