//! `swarm logs`: all that a worker printed. Of a process these are the bytes of its logs; of a window it is text: what
//! stands there while it runs, and afterwards what its terminal showed, by the log of its bytes.

use super::error::{Error, Result};
use super::follow::{self, Sink, print_lines};
use super::{assemble, cmd_loop_logs, fleet, follow_pane, print, runs};
use crate::agent::unroll::Unroll;
use crate::driver::fleet::{Fleet, Sight, not_found};
use crate::host::{files, words};
use crate::journal::WorkerLogs;
use crate::runtime::process::WINDOW_SIZE;
use crate::runtime::tmux::Server;
use clap::ArgMatches;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

/// Lines of what scrolled off, if nothing is said.
const HISTORY: u32 = 1000;

/// What is wished for.
struct Wish {
    follow: bool,
    history: bool,
    lines: Option<u32>,
    stderr: bool,
    raw: bool,
}

/// Runs the verb and returns the exit code.
pub(super) fn run(matches: &ArgMatches) -> Result<u8> {
    let wish = Wish {
        follow: matches.get_flag("follow"),
        history: matches.get_flag("history"),
        lines: matches.get_one("lines").copied(),
        stderr: matches.get_flag("stderr"),
        raw: matches.get_flag("raw"),
    };
    let name = fleet::name(matches)?;
    let fleet = fleet::open()?;
    let view = fleet::view(&fleet)?;
    match view.find(name) {
        Some(sight) => of_worker(&fleet, sight, &wish),
        None => match runs::find(fleet.home(), Some(name)) {
            Ok(run) => cmd_loop_logs::show(run, None, wish.raw, wish.follow, wish.lines),
            // Nothing of the name is a loop either.
            Err(_) => Err(not_found(name).into()),
        },
    }
}

fn of_worker(fleet: &Fleet, sight: &Sight, wish: &Wish) -> Result<u8> {
    let name = &sight.entry.name;
    // A name of the predecessor that is no file name has no log of ours.
    let Some(logs) = fleet.logs(&sight.entry) else { return Ok(0) };
    match &sight.entry.tmux {
        Some(_) if wish.stderr => Err(Error::usage(format!("worker '{name}' writes both to its window"))
            .hint("leave --stderr out: what it wrote there is among the rest")),
        Some(_) if wish.raw => bytes(fleet, sight, &[logs.older(), logs.out()], wish),
        Some(_) if wish.follow && sight.is_live() => follow_window(fleet, sight, &logs, wish),
        Some(_) => window(fleet, sight, wish),
        None if wish.stderr => bytes(fleet, sight, &[logs.err()], wish),
        None => bytes(fleet, sight, &[logs.out()], wish),
    }
}

/// The bytes of logs, one behind the other; the last one is followed.
fn bytes<P: AsRef<Path>>(fleet: &Fleet, sight: &Sight, logs: &[P], wish: &Wish) -> Result<u8> {
    let Some((last, older)) = logs.split_last() else { return Ok(0) };
    for log in older.iter().filter(|_| wish.lines.is_none()) {
        if read(log.as_ref(), None, &mut print::raw)?.is_none() {
            return Ok(0);
        }
    }
    let Some(end) = read(last.as_ref(), wish.lines, &mut print::raw)? else { return Ok(0) };
    if wish.follow && sight.is_live() {
        assemble::block_on(follow::follow(fleet, sight, last.as_ref(), end, Sink::Bytes))??;
    }
    Ok(0)
}

/// Hands a log, or its last lines, on piece by piece; nothing of one that is not there. Returns how far it was read; `None`
/// when `take` wanted no more.
fn read(path: &Path, lines: Option<u32>, take: &mut dyn FnMut(&[u8]) -> bool) -> Result<Option<u64>> {
    let failed = |error: io::Error| Error::failed(format!("cannot read {}: {}", path.display(), words::words(&error)));
    let mut file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Some(0)),
        file => file.map_err(failed)?,
    };
    if let Some(lines) = lines {
        let begin = files::last_lines(&file, lines.into()).map_err(failed)?;
        file.seek(SeekFrom::Start(begin)).map_err(failed)?;
    }
    let mut piece = vec![0; 64 * 1024];
    loop {
        match file.read(&mut piece).map_err(failed)? {
            0 => return file.stream_position().map(Some).map_err(failed),
            count if !take(&piece[..count]) => return Ok(None),
            _ => {}
        }
    }
}

/// What stands in a window, or what its terminal showed once it is closed.
fn window(fleet: &Fleet, sight: &Sight, wish: &Wish) -> Result<u8> {
    let limit = wish.lines.unwrap_or(HISTORY);
    let seen = if sight.is_live() { fleet.screen(sight, wish.history.then_some(limit))? } else { None };
    let lines = match seen {
        Some(lines) => lines,
        None => fleet.drawn(&sight.entry, limit as usize)?,
    };
    print_lines(last(&lines, wish.lines.unwrap_or(u32::MAX)));
    Ok(0)
}

/// The same, and what the window shows from now on, line by line.
fn follow_window(fleet: &Fleet, sight: &Sight, logs: &WorkerLogs, wish: &Wish) -> Result<u8> {
    if sight.entry.run.is_none() {
        return follow_stranger(fleet, sight, wish);
    }
    let (columns, rows) = WINDOW_SIZE;
    let mut unroll = Unroll::new(rows, columns);
    let limit = if wish.history { wish.lines.unwrap_or(HISTORY) as usize } else { 0 };
    let mut scrolled = Vec::new();
    let mut feed = |bytes: &[u8]| {
        scrolled.extend(unroll.feed(bytes));
        scrolled.drain(..scrolled.len().saturating_sub(limit));
        true
    };
    // From the beginning: only there it is said which screen the program draws on.
    read(&logs.older(), None, &mut feed)?;
    let end = read(&logs.out(), None, &mut feed)?.unwrap_or_default();
    let shown = if wish.history { [scrolled, unroll.pause()].concat() } else { unroll.screen() };
    if print_lines(last(&shown, wish.lines.unwrap_or(u32::MAX))) {
        let sink = Sink::Lines(Box::new(unroll));
        assemble::block_on(follow::follow(fleet, sight, &logs.out(), end, sink))??;
    }
    Ok(0)
}

/// The same of a window that the predecessor opened: it has no log.
fn follow_stranger(fleet: &Fleet, sight: &Sight, wish: &Wish) -> Result<u8> {
    window(fleet, sight, wish)?;
    if let (Some(pane), Some(window)) = (&sight.pane, &sight.entry.tmux) {
        let (columns, rows) = WINDOW_SIZE;
        let sink = Sink::Lines(Box::new(Unroll::new(rows, columns)));
        let server = Server::new(window.socket.as_deref());
        assemble::block_on(follow_pane::follow(&server, pane, sink))??;
    }
    Ok(0)
}

fn last(lines: &[String], count: u32) -> &[String] {
    &lines[lines.len().saturating_sub(count as usize)..]
}
