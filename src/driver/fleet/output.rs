//! What workers printed: the screens of those in windows, the logs of all. Only the ends of logs are read.

use super::look::Sight;
use super::{Fleet, Result, Trouble};
use crate::agent::screen::{Screen, last_lines};
use crate::engine::{Board, Stamped};
use crate::host::words::words;
use crate::host::{files, pane_log};
use crate::journal::{FileJournal, WorkerLogs};
use crate::model::Entry;
use crate::runtime::process::WINDOW_SIZE;
use crate::runtime::tmux::{Capture, Server, Target, TmuxError};
use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::Duration;

/// Most bytes of a log that a few last lines are looked for in.
const ENOUGH: u64 = 16 * 1024 * 1024;

/// So much of a terminal's log is drawn again for its last screen. A program that draws on the whole screen draws all of it
/// anew now and then.
const DRAWN: u64 = 4 * 1024 * 1024;

/// The last bytes of a window may take so long from the end of its program into its log.
const SETTLING: Duration = Duration::from_secs(1);

/// The last lines that a worker printed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Words {
    /// On its terminal, or on its standard output.
    pub out: Vec<String>,
    /// On its standard error, if that is apart.
    pub err: Vec<String>,
}

impl Fleet {
    /// The last `count` lines of each of these workers, in their order: of those in windows what stands there, with one
    /// call of tmux for each server; of all others the end of their logs.
    pub fn last_words(&self, sights: &[&Sight], count: usize) -> Result<Vec<Words>> {
        let mut panes = Panes::default();
        sights.iter().filter(|sight| sight.is_live()).for_each(|sight| panes.ask_for(sight));
        let mut screens = panes.look(count)?;
        sights
            .iter()
            .map(|sight| match screens.remove(&sight.entry.name) {
                Some(screen) => Ok(Words { out: last_lines(&screen, count), err: Vec::new() }),
                None => self.logged(&sight.entry, count),
            })
            .collect()
    }

    /// The last `count` lines in the window of one worker, with one call of tmux in all. `None` as for [`Fleet::window`], and
    /// if it has just ended.
    pub fn last_words_in_window(&self, name: &str, count: usize) -> Option<Words> {
        let (server, target) = self.window(name)?;
        let screen = server.captures(&[target], scrolled(count)).ok()?.pop()??;
        Some(Words { out: last_lines(&screen, count), err: Vec::new() })
    }

    /// The screen of a worker's window, below at most so many lines that scrolled off it.
    pub fn screen(&self, sight: &Sight, scrolled: Option<u32>) -> Result<Option<Vec<String>>> {
        let (Some(window), Some(pane)) = (&sight.entry.tmux, &sight.pane) else { return Ok(None) };
        let what = scrolled.map_or(Capture::Screen, Capture::History);
        let seen = Server::new(window.socket.as_deref()).captures(&[pane.target()], what);
        let seen = seen.map_err(|error| cannot_look(&error))?.pop().flatten();
        Ok(seen.map(|bytes| last_lines(&bytes, usize::MAX)))
    }

    /// What the terminal of a worker showed, by its log: at most `count` lines, the last ones.
    pub fn drawn(&self, entry: &Entry, count: usize) -> Result<Vec<String>> {
        let Some(logs) = self.logs(entry) else { return Ok(Vec::new()) };
        draw(&logs, u64::MAX, count).map_err(|error| cannot_read(&logs.out(), &error))
    }

    /// Where the output of the worker's present life begins in its log.
    pub fn log_begins(&self, entry: &Entry) -> u64 {
        let journal = entry.run.as_ref().and_then(|run| FileJournal::read(&self.home.worker(run).journal()).ok());
        let lines = journal.map(|journal| journal.lines).unwrap_or_default();
        let facts: Vec<Stamped> = lines.iter().filter_map(|line| serde_json::from_str(line).ok()).collect();
        Board::replay(&facts).open.values().next().map_or(0, |open| open.raw_from)
    }

    fn logged(&self, entry: &Entry, count: usize) -> Result<Words> {
        let Some(logs) = self.logs(entry) else { return Ok(Words::default()) };
        let (out, err) = (logs.out(), logs.err());
        let lines = |path: &Path| end_of(path, count).map_err(|error| cannot_read(path, &error));
        match entry.tmux {
            Some(_) => {
                let drawn = draw(&logs, DRAWN, count).map_err(|error| cannot_read(&out, &error))?;
                Ok(Words { out: drawn, err: Vec::new() })
            }
            None => Ok(Words { out: lines(&out)?, err: lines(&err)? }),
        }
    }
}

/// The last `count` lines of a log as people read them; none of one that is not there.
pub fn end_of(path: &Path, count: usize) -> io::Result<Vec<String>> {
    let Some(file) = open(path)? else { return Ok(Vec::new()) };
    let size = file.metadata()?.len();
    let mut wanted = count as u64;
    loop {
        let begin = files::last_lines(&file, wanted)?.max(size.saturating_sub(ENOUGH));
        let lines = last_lines(&read(&file, begin, size)?, count);
        // Blank lines at the end do not count, so there may be too few.
        if lines.len() >= count || begin == 0 || size - begin >= ENOUGH {
            return Ok(lines);
        }
        wanted = wanted.saturating_mul(4);
    }
}

fn read(file: &File, begin: u64, end: u64) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; usize::try_from(end.saturating_sub(begin)).map_err(io::Error::other)?];
    let mut length = 0;
    while length < bytes.len() {
        match file.read_at(&mut bytes[length..], begin + length as u64)? {
            // Somebody cut it meanwhile.
            0 => break,
            count => length += count,
        }
    }
    bytes.truncate(length);
    Ok(bytes)
}

/// Draws at most so many of the last bytes of a terminal's logs.
fn draw(logs: &WorkerLogs, limit: u64, count: usize) -> io::Result<Vec<String>> {
    pane_log::settled(&logs.out(), SETTLING)?;
    let files: Vec<File> = [open(&logs.older())?, open(&logs.out())?].into_iter().flatten().collect();
    let sizes = files.iter().map(|file| Ok(file.metadata()?.len())).collect::<io::Result<Vec<u64>>>()?;
    let mut skip = sizes.iter().sum::<u64>().saturating_sub(limit);
    let (columns, rows) = WINDOW_SIZE;
    let mut screen = Screen::new(rows, columns, count);
    for (file, size) in files.iter().zip(sizes) {
        let mut at = skip.min(size);
        skip -= at;
        while at < size {
            let piece = read(file, at, size.min(at + PIECE))?;
            screen.feed(&piece);
            at += PIECE;
        }
    }
    let mut lines = screen.into_lines();
    lines.drain(..lines.len().saturating_sub(count));
    Ok(lines)
}

/// So much of a log is drawn at once.
const PIECE: u64 = 1024 * 1024;

fn open(path: &Path) -> io::Result<Option<File>> {
    match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        file => file.map(Some),
    }
}

/// As much of a pane as holds its last `count` lines.
fn scrolled(count: usize) -> Capture {
    Capture::History(u32::try_from(count).unwrap_or(u32::MAX))
}

/// Panes that are to be looked at, by the socket of their server.
#[derive(Default)]
struct Panes(BTreeMap<Option<String>, Vec<(String, Target)>>);

impl Panes {
    fn ask_for(&mut self, sight: &Sight) {
        if let (Some(window), Some(pane)) = (&sight.entry.tmux, &sight.pane) {
            self.0.entry(window.socket.clone()).or_default().push((sight.entry.name.clone(), pane.target()));
        }
    }

    /// What stands in them, by the workers' names; nothing of one that is gone by now.
    fn look(self, count: usize) -> Result<BTreeMap<String, Vec<u8>>> {
        let mut screens = BTreeMap::new();
        for (socket, asked) in self.0 {
            let (names, targets): (Vec<String>, Vec<Target>) = asked.into_iter().unzip();
            let seen = Server::new(socket.as_deref()).captures(&targets, scrolled(count));
            let seen = seen.map_err(|error| cannot_look(&error))?;
            screens.extend(names.into_iter().zip(seen).filter_map(|(name, screen)| Some((name, screen?))));
        }
        Ok(screens)
    }
}

fn cannot_look(error: &TmuxError) -> Trouble {
    Trouble::failed(format!("cannot look into the windows: {error}"))
}

fn cannot_read(path: &Path, error: &io::Error) -> Trouble {
    Trouble::failed(format!("cannot read {}: {}", path.display(), words(error)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_log_is_whole_lines_that_say_something() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        assert_eq!(end_of(&path, 3).unwrap(), [""; 0]);
        let blank = "\n".repeat(100);
        std::fs::write(&path, format!("first\n\x1b[31msecond\x1b[0m\n10%\r20%\n{blank}")).unwrap();
        assert_eq!(end_of(&path, 2).unwrap(), ["second", "20%"]);
        assert_eq!(end_of(&path, 9).unwrap(), ["first", "second", "20%"]);
        assert_eq!(end_of(&path, 0).unwrap(), [""; 0]);
    }
}
