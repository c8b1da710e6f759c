//! `--ready-wait`: until a worker that was just spawned is ready for input. Wakes on what it prints and on its end; a look
//! at its screen follows when it has paused.

use super::cmd_spawn;
use super::error::{Error, Result};
use super::{assemble, fleet, print};
use crate::agent::pane::{Dialog, Readiness, ReadyRule, judge};
use crate::agent::screen::last_lines;
use crate::driver::fleet::Fleet;
use crate::host::files;
use crate::host::process::PidFd;
use crate::host::ready::Crowd;
use crate::host::tail::Tail;
use crate::journal::WorkerLogs;
use crate::model::{Entry, Span};
use crate::report::workers;
use crate::runtime::tmux::{self, Capture, Server};
use clap::ArgMatches;
use std::ffi::OsString;
use std::io;
use std::path::Path;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{Instant, timeout_at};

/// What is waited for.
pub(super) struct Wish {
    rule: ReadyRule,
    within: Span,
}

/// A program that prints nothing for so long has paused: what stands there is complete.
const PAUSE: Duration = Duration::from_millis(100);

/// One that never pauses is looked at this often.
const LONGEST: Duration = Duration::from_millis(500);

/// A dialog that stands for so long waits for a person; agents pass through some of them by themselves.
const STANDS: Duration = Duration::from_secs(2);

/// So much of the end of a process's logs is searched.
const SEARCHED: u64 = 64 * 1024;

/// What came of the wait.
enum Outcome {
    Ready,
    Late,
    Dialog(Dialog),
    Ended,
    Interrupted(SignalKind),
}

impl Wish {
    /// What the options of `spawn` ask for. A pattern that cannot be read is refused in any case.
    pub(super) fn of(matches: &ArgMatches, cmd: &[String]) -> Result<Option<Wish>> {
        let rule = match matches.get_one::<String>("ready-pattern") {
            Some(pattern) => ReadyRule::pattern(pattern).map_err(|error| {
                // The lines before the last show the place, which a single line cannot.
                let why = error.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned();
                Error::usage(format!("--ready-pattern '{pattern}' cannot be read: {why}"))
                    .hint("it is a regular expression; nothing was made")
            })?,
            None => ReadyRule::of_command(&cmd.iter().map(OsString::from).collect::<Vec<_>>()),
        };
        let within = cmd_spawn::duration(matches, "ready-timeout")?.unwrap_or(Span::seconds(120));
        Ok(matches.get_flag("ready-wait").then_some(Wish { rule, within }))
    }
}

/// Waits until the worker of `entry` is ready, and returns the exit code. One that is not in time runs on, and a warning
/// says so; one that ended is an error.
pub(super) fn wait(fleet: &Fleet, entry: &Entry, wish: &Wish) -> Result<u8> {
    let name = &entry.name;
    let outcome = assemble::block_on(Wait::begin(fleet, entry, wish).run())?;
    let outcome =
        outcome.map_err(|error| Error::failed(format!("cannot find out whether worker '{name}' is ready: {error}")))?;
    match outcome {
        Outcome::Ready => {}
        Outcome::Late => {
            print::warning(&format!("agent '{name}' did not become ready within {}", seconds(wish.within)))
        }
        Outcome::Dialog(dialog) => {
            print::warning(&format!("agent '{name}' is not ready: {}; {}", dialog.name(), dialog.advice()));
        }
        Outcome::Ended => return Err(ended(fleet, entry)?),
        Outcome::Interrupted(signal) => {
            let code = u8::try_from(128 + signal.as_raw_value()).unwrap_or(130);
            let message = format!("interrupted; worker '{name}' runs, and may not be ready");
            return Err(Error { code, ..Error::failed(message) });
        }
    }
    Ok(0)
}

/// `120s`, `0.5s`.
fn seconds(span: Span) -> String {
    format!("{}s", span.duration().as_secs_f64())
}

/// The error of a worker that ended before it was ready.
fn ended(fleet: &Fleet, entry: &Entry) -> Result<Error> {
    let name = &entry.name;
    let view = fleet::view(fleet)?;
    let how = view.find(name).and_then(|sight| sight.end()).map(|(exit, ending)| workers::how(&exit, ending.as_ref()));
    let how = how.map_or_else(String::new, |how| format!(" ({how})"));
    let screen = fleet.drawn(entry, 100)?.join("\n");
    Ok(match Dialog::on(&screen).filter(|_| entry.tmux.is_some()) {
        Some(dialog) => Error::failed(format!("agent '{name}' ended before it was ready{how}: {}", dialog.name()))
            .hint(dialog.advice()),
        None => Error::failed(format!("agent '{name}' ended before it was ready{how}"))
            .hint(format!("what it printed last: swarm peek {name} --last")),
    })
}

/// A wait for one worker.
struct Wait<'a> {
    fleet: &'a Fleet,
    entry: &'a Entry,
    wish: &'a Wish,
    /// The dialog that stands there, and since when.
    dialog: Option<(Dialog, Instant)>,
}

impl<'a> Wait<'a> {
    fn begin(fleet: &'a Fleet, entry: &'a Entry, wish: &'a Wish) -> Wait<'a> {
        Wait { fleet, entry, wish, dialog: None }
    }

    async fn run(&mut self) -> io::Result<Outcome> {
        let Some(logs) = self.fleet.logs(self.entry) else { return Ok(Outcome::Late) };
        if self.entry.tmux.is_none() && !matches!(self.wish.rule, ReadyRule::Pattern(_)) {
            // It reads nothing: as ready as it will ever be.
            return Ok(Outcome::Ready);
        }
        // Whoever spawned listened to them as well, so that they do not end us by themselves any more.
        let (mut int, mut term) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
        let mut hangup = signal(SignalKind::hangup())?;
        tokio::select! {
            outcome = self.watch(&logs) => outcome,
            _ = int.recv() => Ok(Outcome::Interrupted(SignalKind::interrupt())),
            _ = term.recv() => Ok(Outcome::Interrupted(SignalKind::terminate())),
            _ = hangup.recv() => Ok(Outcome::Interrupted(SignalKind::hangup())),
        }
    }

    async fn watch(&mut self, logs: &WorkerLogs) -> io::Result<Outcome> {
        let deadline = Instant::now() + self.wish.within.duration();
        let from = self.fleet.log_begins(self.entry);
        let mut tails = [Tail::new(&logs.out(), from)?, Tail::new(&logs.err(), 0)?];
        let Some(held) = self.entry.shim.as_ref().map_or(Ok(None), PidFd::open)? else { return Ok(Outcome::Ended) };
        let crowd = Crowd::new()?;
        tails.iter().try_for_each(|tail| crowd.add(tail, CHANGED))?;
        crowd.add(&held, ENDED)?;
        // The first look is due at once.
        let mut since = Some(Instant::now());
        let mut look_at = since;
        loop {
            let until = [look_at, self.dialog.map(|(_, since)| since + STANDS)].into_iter().flatten().min();
            let until = until.unwrap_or(deadline).min(deadline);
            match woken(&crowd, until).await? {
                Some(by) if by.contains(&ENDED) => return Ok(Outcome::Ended),
                Some(_) => {
                    tails.iter_mut().try_for_each(|tail| tail.wake().and_then(|()| tail.skip()))?;
                    let now = Instant::now();
                    let first = *since.get_or_insert(now);
                    look_at = Some((now + PAUSE).min(first + LONGEST));
                }
                None => {
                    (since, look_at) = (None, None);
                    if let Some(outcome) = self.look(logs, from)? {
                        return Ok(outcome);
                    }
                    if Instant::now() >= deadline {
                        return Ok(Outcome::Late);
                    }
                }
            }
        }
    }

    /// Looks once; nothing if it is to be waited for.
    fn look(&mut self, logs: &WorkerLogs, from: u64) -> io::Result<Option<Outcome>> {
        let readiness = match self.entry.tmux {
            Some(_) => self.look_into_window().unwrap_or(Readiness::NotYet),
            None => judge(&self.wish.rule, &logged(logs, from)?, "", false),
        };
        let now = Instant::now();
        match (readiness, self.dialog) {
            (Readiness::Ready, _) => return Ok(Some(Outcome::Ready)),
            (Readiness::Dialog(dialog), Some((before, since))) if dialog == before => {
                return Ok((now >= since + STANDS).then_some(Outcome::Dialog(dialog)));
            }
            (Readiness::Dialog(dialog), _) => self.dialog = Some((dialog, now)),
            (Readiness::NotYet, _) => self.dialog = None,
        }
        Ok(None)
    }

    /// `None` for a window that is not there: if it is gone, its worker's end is told as well.
    fn look_into_window(&self) -> Option<Readiness> {
        let (window, run, shim) = (self.entry.tmux.as_ref()?, self.entry.run.as_ref()?, self.entry.shim.as_ref()?);
        let server = Server::new(window.socket.as_deref());
        let panes = server.panes().ok()?;
        let pane = tmux::find(&panes, &run.0, shim.pid)?;
        let screen = server.capture(&pane.target(), Capture::Screen).ok()?;
        Some(judge(&self.wish.rule, &String::from_utf8_lossy(&screen), &pane.title, pane.alternate_on))
    }
}

/// What a process printed last, on both of its outputs.
fn logged(logs: &WorkerLogs, from: u64) -> io::Result<String> {
    let end = |path: &Path, from: u64| match files::read_end(path, from, SEARCHED) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        bytes => bytes,
    };
    let lines = [end(&logs.out(), from)?, end(&logs.err(), 0)?].map(|bytes| last_lines(&bytes, usize::MAX));
    Ok(lines.concat().join("\n"))
}

/// Who can be read, or `None` once it is late: also if there is always somebody.
pub(super) async fn woken(crowd: &Crowd, until: Instant) -> io::Result<Option<Vec<u64>>> {
    match Instant::now() < until {
        true => timeout_at(until, crowd.wait()).await.ok().transpose(),
        false => Ok(None),
    }
}

/// It printed something.
const CHANGED: u64 = 0;

/// It ended.
const ENDED: u64 = 1;
