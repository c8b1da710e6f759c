//! Following what a worker prints, until it ends or nobody reads any more. Wakes on changes of the log, on the worker's
//! end and on the end of whoever reads; never by time, but for the short pause that says a screen is complete.

use super::error::{Error, Result};
use super::ready::woken;
use super::{fleet, print};
use crate::agent::unroll::Unroll;
use crate::driver::fleet::{Fleet, Sight};
use crate::host::pane_log;
use crate::host::process::PidFd;
use crate::host::ready::Crowd;
use crate::host::tail::Tail;
use std::io::{self, stdout};
use std::os::fd::AsFd;
use std::path::Path;
use std::time::Duration;
use tokio::time::Instant;

/// How what was read is shown.
pub(super) enum Sink {
    /// As it is.
    Bytes,
    /// As lines of text, out of what a terminal was sent.
    Lines(Box<Unroll>),
}

/// A program that prints nothing for so long has paused.
pub(super) const PAUSE: Duration = Duration::from_millis(250);

/// One that never pauses is shown this often.
const LONGEST: Duration = Duration::from_secs(1);

/// The last bytes of a window may take so long from the end of its program into its log.
const SETTLING: Duration = Duration::from_secs(1);

impl Sink {
    /// Shows the next bytes; false when nobody reads any more.
    pub(super) fn take(&mut self, bytes: &[u8]) -> bool {
        match self {
            Sink::Bytes => print::raw(bytes),
            Sink::Lines(unroll) => print_lines(&unroll.feed(bytes)),
        }
    }

    /// Shows what is only complete when the program pauses.
    pub(super) fn pause(&mut self) -> bool {
        match self {
            Sink::Bytes => true,
            Sink::Lines(unroll) => print_lines(&unroll.pause()),
        }
    }
}

/// Lines on stdout; false when nobody reads any more.
pub(super) fn print_lines(lines: &[String]) -> bool {
    let text: String = lines.iter().flat_map(|line| [line, "\n"]).collect();
    text.is_empty() || print::raw(text.as_bytes())
}

/// Follows the log at `path` from the byte `from` on, until the worker of `sight` has ended and its log is complete.
pub(super) async fn follow(fleet: &Fleet, sight: &Sight, path: &Path, from: u64, mut sink: Sink) -> Result<()> {
    let failed = |error: io::Error| Error::failed(format!("cannot follow {}: {error}", path.display()));
    let mut tail = Tail::new(path, from).map_err(failed)?;
    let mut sight = Some(sight.clone());
    while let Some(now) = sight {
        let held = now.hold(fleet.home()).map_err(failed)?;
        if !until_end(&mut tail, held.as_ref(), path, &mut sink).await.map_err(failed)? {
            return Ok(());
        }
        sight = same_life(fleet, &now).await?;
    }
    Ok(())
}

/// The worker if it lives on: what has ended was only whoever was starting it.
async fn same_life(fleet: &Fleet, before: &Sight) -> Result<Option<Sight>> {
    let view = fleet.settle(fleet.look()?).await?;
    fleet::warn(fleet);
    let same = |sight: &&Sight| sight.is_live() && sight.entry.run == before.entry.run;
    Ok(view.find(&before.entry.name).filter(same).cloned())
}

/// Shows what comes until the process has ended, and the rest; false when nobody reads any more.
async fn until_end(tail: &mut Tail, held: Option<&PidFd>, path: &Path, sink: &mut Sink) -> io::Result<bool> {
    let crowd = Crowd::new()?;
    crowd.add(&*tail, CHANGED)?;
    held.map_or(Ok(()), |held| crowd.add(held, ENDED))?;
    watch_reader(&crowd)?;
    let mut over = held.is_none();
    // When the first and the latest of the bytes came that may not be shown yet.
    let mut unshown: Option<(Instant, Instant)> = None;
    let mut piece = Vec::new();
    loop {
        while tail.read(&mut piece)? {
            if !sink.take(&piece) {
                return Ok(false);
            }
            let now = Instant::now();
            unshown = Some((unshown.map_or(now, |(first, _)| first), now));
        }
        if over {
            return Ok(sink.pause());
        }
        let shown_at = unshown.map(|(first, latest)| (latest + PAUSE).min(first + LONGEST));
        let ready = match shown_at {
            None => crowd.wait().await?,
            Some(at) => match woken(&crowd, at).await? {
                Some(ready) => ready,
                None => {
                    unshown = None;
                    if !sink.pause() {
                        return Ok(false);
                    }
                    continue;
                }
            },
        };
        if ready.contains(&UNREAD) {
            return Ok(false);
        }
        tail.wake()?;
        if ready.contains(&ENDED) {
            // Of no effect on a log that its worker wrote itself: nobody holds it.
            pane_log::settled(path, SETTLING)?;
            over = true;
        }
    }
}

/// Wakes when whoever reads our output has gone. Only of a pipe this is known without being asked for more.
fn watch_reader(crowd: &Crowd) -> io::Result<()> {
    use std::os::unix::fs::FileTypeExt;
    let out = std::fs::File::from(stdout().as_fd().try_clone_to_owned()?);
    match out.metadata()?.file_type().is_fifo() {
        true => crowd.add(stdout(), UNREAD),
        false => Ok(()),
    }
}

/// The log changed.
const CHANGED: u64 = 0;

/// The worker ended.
const ENDED: u64 = 1;

/// Nobody reads what we print.
const UNREAD: u64 = 2;
