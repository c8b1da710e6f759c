//! Workers in words: `swarm ls`, `swarm status` and `swarm peek`. The columns, the ages and the sentence are the predecessor's.

use super::columns::aligned;
use super::words::signal_name;
use crate::model::{Ending, Entry, Exit, Oom, Standing, Status, Wall};
use jiff::tz::TimeZone;
use serde::Serialize;

/// The columns of the table.
const HEAD: [&str; 6] = ["NAME", "STATUS", "PID/WINDOW", "STARTED", "WORKTREE", "TAG"];

/// What stands where there is nothing to say.
const NONE: &str = "-";

/// One line a worker, columns as wide as their widest cell; nothing at all for none. Ages are seen at `now`, and times
/// without a zone are of `zone`.
pub fn table(workers: &[&Entry], now: Wall, zone: &TimeZone) -> String {
    if workers.is_empty() {
        return String::new();
    }
    let head = HEAD.map(str::to_owned);
    let rows: Vec<[String; 6]> =
        std::iter::once(head).chain(workers.iter().map(|entry| cells(entry, now, zone))).collect();
    aligned(&rows)
}

fn cells(entry: &Entry, now: Wall, zone: &TimeZone) -> [String; 6] {
    let or_none = |text: Option<String>| text.filter(|text| !text.is_empty()).unwrap_or_else(|| NONE.to_owned());
    let tree = entry.worktree.as_ref().map(|tree| tree.path.display().to_string());
    [
        printable(&entry.name),
        entry.status.to_string(),
        or_none(place(entry)),
        or_none(age_of(entry, now, zone)),
        or_none(tree.map(|path| printable(&path))),
        or_none(Some(printable(&entry.tags.join(",")))),
    ]
}

/// A state file may be written by anybody: what would move the cursor is shown, not sent.
pub(super) fn printable(text: &str) -> String {
    match text.contains(char::is_control) {
        true => {
            text.chars().flat_map(|c| if c.is_control() { c.escape_default().collect() } else { vec![c] }).collect()
        }
        false => text.to_owned(),
    }
}

/// Its pid, or `session:window`.
fn place(entry: &Entry) -> Option<String> {
    match &entry.tmux {
        Some(window) => Some(printable(&format!("{}:{}", window.session, window.window))),
        None => entry.pid.map(|pid| pid.to_string()),
    }
}

fn age_of(entry: &Entry, now: Wall, zone: &TimeZone) -> Option<String> {
    entry.started_at(zone).map(|started| age(now.0.saturating_sub(started.0)))
}

/// `42s`, `5m`, `3h`, `2d`: milliseconds in the largest unit that fills.
pub fn age(millis: i64) -> String {
    let seconds = millis.max(0) / 1000;
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}m", seconds / 60),
        3600..86400 => format!("{}h", seconds / 3600),
        _ => format!("{}d", seconds / 86400),
    }
}

/// `N: running (pid P, uptime 5m)`, `N: stopped (exit code 3, ran 5m)`: one line.
pub fn status(entry: &Entry, end: Option<&(Exit, Option<Ending>)>, now: Wall, zone: &TimeZone) -> String {
    let mut parts = Vec::new();
    if let (Some((exit, ending)), Standing::Stopped) = (end, entry.status) {
        parts.push(how(exit, ending.as_ref()));
    }
    match &entry.tmux {
        Some(window) => parts.push(printable(&format!("tmux window {}:{}", window.session, window.window))),
        None => parts.extend(entry.pid.map(|pid| format!("pid {pid}"))),
    }
    if let Some(tree) = &entry.worktree {
        parts.push(printable(&format!("worktree {}", tree.path.display())));
    }
    let started = entry.started_at(zone);
    match (entry.status, &entry.ended, started) {
        (Standing::Running, _, Some(started)) => parts.push(format!("uptime {}", age(now.0 - started.0))),
        (Standing::Stopped, Some(end), Some(started)) => parts.push(format!("ran {}", age(end.at.0 - started.0))),
        _ => {}
    }
    let name = printable(&entry.name);
    match parts.is_empty() {
        true => format!("{name}: {}", entry.status),
        false => format!("{name}: {} ({})", entry.status, parts.join(", ")),
    }
}

/// How a worker ended, in a few words.
pub fn how(exit: &Exit, ending: Option<&Ending>) -> String {
    let by_us = if ending == Some(&Ending::Stopped) { "ended by swarm, " } else { "" };
    let memory = match exit.oom {
        Oom::Confirmed => "out of memory, ",
        Oom::Inside => "a child ran out of memory, ",
        Oom::Denied | Oom::Unknown => "",
    };
    let status = match exit.status {
        Status::Code(code) => format!("exit code {code}"),
        Status::Signal(signal) => format!("killed by {}", signal_name(signal)),
        Status::Lost => "lost: nobody saw how it ended".to_owned(),
    };
    format!("{by_us}{memory}{status}")
}

/// The list as JSON, as in `state.json`.
pub fn json(workers: &[&Entry]) -> String {
    // Strings, numbers and lists always serialize.
    let mut text = serde_json::to_string_pretty(workers).unwrap_or_default();
    text.push('\n');
    text
}

/// One of them.
pub fn json_one(worker: &Entry) -> String {
    serde_json::to_string_pretty(worker).unwrap_or_default() + "\n"
}

/// The last lines of one worker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Peeked {
    /// Its name.
    pub name: String,
    /// Does it run?
    pub status: Standing,
    /// What it printed last, at most as many lines as were asked for.
    #[serde(rename = "lines")]
    pub out: Vec<String>,
    /// The same of its standard error, if that is apart.
    #[serde(rename = "stderr")]
    pub err: Vec<String>,
}

/// Stands between the lines of standard output and those of standard error: nobody knows how they were mixed.
const ERR_BELOW: &str = "--- stderr ---";

impl Peeked {
    /// At most `count` lines in all. Standard error stands below; it gets half of them if both have more to say.
    pub fn text(&self, count: usize) -> String {
        let err = match (self.out.is_empty(), self.err.is_empty()) {
            (true, _) => count,
            (false, true) => 0,
            // One line of its part is the one above it.
            (false, false) => {
                self.err.len().min((count / 2).max(count.saturating_sub(self.out.len())).saturating_sub(1))
            }
        };
        let err = last(&self.err, err);
        let below: &[&str] = if err.is_empty() || self.out.is_empty() { &[] } else { &[ERR_BELOW] };
        let out = last(&self.out, count.saturating_sub(err.len() + below.len()));
        let lines = out.iter().map(String::as_str).chain(below.iter().copied()).chain(err.iter().map(String::as_str));
        lines.flat_map(|line| [line, "\n"]).collect()
    }

    /// One object: `name`, `status`, `lines`, `stderr`.
    pub fn json(&self) -> String {
        serde_json::to_string_pretty(self).unwrap_or_default() + "\n"
    }
}

fn last(lines: &[String], count: usize) -> &[String] {
    &lines[lines.len().saturating_sub(count)..]
}

/// Several of them, each below a line with its name.
pub fn peeked(all: &[Peeked], count: usize) -> String {
    all.iter().map(|one| format!("=== {} ===\n{}", printable(&one.name), one.text(count))).collect()
}

/// The same as a list.
pub fn peeked_json(all: &[Peeked]) -> String {
    serde_json::to_string_pretty(all).unwrap_or_default() + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn entry(json: serde_json::Value) -> Entry {
        serde_json::from_value(json).unwrap()
    }

    fn worker(name: &str) -> Entry {
        entry(json!({"name": name, "status": "running", "cmd": ["sleep"], "cwd": "/", "pid": 7,
            "started": "2026-01-21T12:00:00Z", "tags": ["a", "b"]}))
    }

    #[test]
    fn a_table_has_a_dash_for_nothing_and_no_lines_for_nobody() {
        let now = Wall(1_768_996_800_000 + 5 * 60_000);
        let mut other = worker("x");
        (other.tags, other.pid) = (vec![], None);
        let text = table(&[&worker("long-name"), &other], now, &TimeZone::UTC);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "NAME       STATUS   PID/WINDOW  STARTED  WORKTREE  TAG");
        assert_eq!(lines[1], "long-name  running  7           5m       -         a,b");
        assert_eq!(lines[2], "x          running  -           5m       -         -");
        assert_eq!(table(&[], now, &TimeZone::UTC), "");
        assert_eq!(json(&[]), "[]\n");
    }

    #[test]
    fn a_status_is_one_line_whatever_the_file_says() {
        let now = Wall(1_768_996_800_000 + 3 * 3_600_000);
        assert_eq!(status(&worker("w"), None, now, &TimeZone::UTC), "w: running (pid 7, uptime 3h)");
        let mut stopped = worker("w\n\x1b[2J");
        stopped.status = Standing::Stopped;
        let end = (Exit::plain(Status::Signal(11)), None);
        let text = status(&stopped, Some(&end), now, &TimeZone::UTC);
        assert_eq!(text, "w\\n\\u{1b}[2J: stopped (killed by SIGSEGV, pid 7)");
        assert_eq!(how(&Exit::plain(Status::Code(3)), Some(&Ending::Stopped)), "ended by swarm, exit code 3");
    }

    fn peek(out: &[&str], err: &[&str], count: usize) -> Vec<String> {
        let lines = |lines: &[&str]| lines.iter().map(|line| (*line).to_owned()).collect();
        let one = Peeked { name: "w".into(), status: Standing::Running, out: lines(out), err: lines(err) };
        one.text(count).lines().map(str::to_owned).collect()
    }

    #[test]
    fn a_peek_has_no_more_lines_than_were_asked_for() {
        let (out, err) = (["1", "2", "3", "4", "5"], ["a", "b", "c", "d"]);
        assert_eq!(peek(&out, &[], 2), ["4", "5"]);
        assert_eq!(peek(&[], &err, 2), ["c", "d"], "nothing to be told apart from");
        assert_eq!(peek(&out, &err, 6), ["3", "4", "5", ERR_BELOW, "c", "d"]);
        assert_eq!(peek(&out, &err, 10), ["1", "2", "3", "4", "5", ERR_BELOW, "a", "b", "c", "d"]);
        assert_eq!(peek(&out[..1], &err, 5), ["1", ERR_BELOW, "b", "c", "d"], "room that nobody else needs");
        assert_eq!(peek(&out, &err[..1], 6), ["2", "3", "4", "5", ERR_BELOW, "a"]);
        assert_eq!(peek(&out, &err, 1), ["5"]);
        assert_eq!(peeked(&[], 3), "");
        assert_eq!(peeked_json(&[]), "[]\n");
    }

    #[test]
    fn ages_have_one_unit() {
        let ages = [0, 59_999, 60_000, 3_599_999, 3_600_000, 86_400_000, -5].map(age);
        assert_eq!(ages, ["0s", "59s", "1m", "59m", "1h", "1d", "0s"]);
    }
}
