//! Workers as the registry knows them: one entry of `state.json` each.
//!
//! The keys and their order are those of contracts/workers.md "state.json"; what stands behind `metadata` is ours. Keys
//! that we do not know are kept, on every level: another version may need them.

use super::ending::Ending;
use super::exit::Exit;
use super::handle::ProcessId;
use super::ids::RunId;
use super::time::Wall;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// A worker's name by the rule of contracts/workers.md "Names": it is safe as a file name, as a branch and in tmux.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct WorkerName(String);

/// Bytes that a name may have.
const MAX_NAME: usize = 64;

/// A name that the rule refuses; says the rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadName(String);

impl WorkerName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for WorkerName {
    type Error = BadName;
    fn try_from(name: String) -> Result<WorkerName, BadName> {
        if is_good(&name) { Ok(WorkerName(name)) } else { Err(BadName(name)) }
    }
}

/// `..` and `.lock` are what git refuses in a branch; a dot or a dash in front is hidden, or an option.
fn is_good(name: &str) -> bool {
    let begins = |first: char| first.is_ascii_alphanumeric() || first == '_';
    let within = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte);
    name.len() <= MAX_NAME
        && name.starts_with(begins)
        && name.bytes().all(within)
        && !name.contains("..")
        && !name.ends_with(".lock")
}

impl TryFrom<&str> for WorkerName {
    type Error = BadName;
    fn try_from(name: &str) -> Result<WorkerName, BadName> {
        name.to_owned().try_into()
    }
}

impl FromStr for WorkerName {
    type Err = BadName;
    fn from_str(name: &str) -> Result<WorkerName, BadName> {
        name.try_into()
    }
}

impl From<WorkerName> for String {
    fn from(name: WorkerName) -> String {
        name.0
    }
}

impl AsRef<str> for WorkerName {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for WorkerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for BadName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.0.escape_debug();
        write!(f, "invalid worker name '{name}' (letters, digits, '_', '-' and '.'; first a letter, digit or '_'; ")?;
        write!(f, "at most {MAX_NAME}; no '..', no '.lock' at the end)")
    }
}

impl std::error::Error for BadName {}

/// Whether a worker runs, as the registry last heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Standing {
    /// It was started, and nobody has seen its end.
    Running,
    /// It ended, or was ended.
    Stopped,
}

impl fmt::Display for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Standing::Running => "running",
            Standing::Stopped => "stopped",
        })
    }
}

/// One worker: an element of `workers` in `state.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// Its name. The predecessor's rule was wider than [`WorkerName`]: make no path of it unchecked.
    pub name: String,
    /// Does it run?
    pub status: Standing,
    /// Program and arguments.
    pub cmd: Vec<String>,
    /// When: see [`Entry::started_at`] and [`written_time`].
    pub started: String,
    /// Its working folder.
    pub cwd: String,
    /// The names given with `--env`; every value is empty, for the true ones are nobody's business.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// Labels to choose workers by.
    #[serde(default)]
    pub tags: Vec<String>,
    /// Its tmux window, for a tmux worker.
    pub tmux: Option<Window>,
    /// Its git worktree, if one was made for it.
    pub worktree: Option<Worktree>,
    /// The worker's process id, for a process worker.
    pub pid: Option<i32>,
    /// The user's own notes.
    #[serde(default)]
    pub metadata: Map<String, Value>,
    /// The run that is its life: a folder below `workers/`. None for a worker of the predecessor.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run: Option<RunId>,
    /// The process that reaps the worker and writes its record.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shim: Option<ProcessId>,
    /// The worker itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub worker: Option<ProcessId>,
    /// How it ended, once that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended: Option<WorkerEnd>,
    /// Keys of other versions.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// Where a tmux worker is shown.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Window {
    /// The session's name.
    pub session: String,
    /// The window's name.
    pub window: String,
    /// The server's socket: a name, or a path with a `/`; none is tmux's default.
    pub socket: Option<String>,
    /// tmux's own id of the window (`@3`): never used again by the same server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub window_id: Option<String>,
    /// tmux's own id of the pane (`%5`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pane_id: Option<String>,
    /// Was the session made for this worker?
    #[serde(skip_serializing_if = "Option::is_none")]
    pub made_session: Option<bool>,
    /// Keys of other versions.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// The git worktree that was made for a worker.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Worktree {
    /// Its folder.
    pub path: PathBuf,
    /// The branch checked out there.
    pub branch: String,
    /// The repository that it belongs to.
    pub base_repo: PathBuf,
    /// Was the branch made for this worker?
    #[serde(skip_serializing_if = "Option::is_none")]
    pub made_branch: Option<bool>,
    /// Keys of other versions.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// How a worker ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkerEnd {
    /// As the operating system tells it.
    pub exit: Exit,
    /// As we judge it.
    pub ending: Ending,
    /// When.
    pub at: Wall,
}

impl Entry {
    /// Is the other one of the same life of the same worker? A worker of the predecessor has no run, and is told by its start.
    pub fn is_same_life(&self, other: &Entry) -> bool {
        self.name == other.name && self.run == other.run && (self.run.is_some() || self.started == other.started)
    }

    /// When it was started; `None` if `started` is no time. The predecessor wrote none or any zone: without one it is the
    /// time in `zone`, the machine's own.
    pub fn started_at(&self, zone: &TimeZone) -> Option<Wall> {
        let local = || self.started.parse::<DateTime>().ok()?.to_zoned(zone.clone()).ok().map(|at| at.timestamp());
        let at = self.started.parse::<Timestamp>().ok().or_else(local)?;
        Some(Wall(at.as_millisecond()))
    }
}

/// A time as we write it into an entry: RFC 3339 with the offset of `zone`, in milliseconds.
pub fn written_time(at: Wall, zone: &TimeZone) -> String {
    let at = Timestamp::from_millisecond(at.0).unwrap_or(Timestamp::UNIX_EPOCH);
    Zoned::new(at, zone.clone()).strftime("%FT%T%.3f%:z").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_rule_of_names() {
        for good in ["a", "7", "_", "agent-1", "A.b_c-d", "a.lock.b", "lock", &"x".repeat(64)] {
            assert_eq!(WorkerName::try_from(good).unwrap().as_str(), good);
        }
        let long = "x".repeat(65);
        for bad in
            ["", ".", "..", "-a", ".a", "a..b", "a.lock", "a b", "a/b", "a:b", "ä", "a\n", "=a", "%1", "@1", &long]
        {
            let said = bad.parse::<WorkerName>().unwrap_err().to_string();
            assert!(said.contains("letters, digits") && !said.contains('\n'), "{said}");
        }
        assert!(serde_json::from_value::<WorkerName>(json!("a/b")).is_err());
    }

    fn started(text: &str) -> Entry {
        let least = json!({"name": "a", "status": "running", "cmd": [], "cwd": "/", "started": text});
        serde_json::from_value(least).unwrap()
    }

    #[test]
    fn a_time_without_zone_is_local() {
        let zone = TimeZone::get("Europe/Berlin").unwrap();
        let at = |text: &str| started(text).started_at(&zone);
        let noon = Some(Wall(1_768_993_200_123));
        assert_eq!(at("2026-01-21T12:00:00.123456"), noon);
        assert_eq!(at("2026-01-21T11:00:00.123Z"), noon);
        assert_eq!(at("2026-01-21T06:00:00.123-05:00"), noon);
        assert_eq!(at("2026-01-21T12:00:00"), Some(Wall(1_768_993_200_000)));
        assert_eq!(at("yesterday"), None);
        assert_eq!(written_time(Wall(1_768_993_200_123), &zone), "2026-01-21T12:00:00.123+01:00");
        assert_eq!(at(&written_time(Wall(1_768_993_200_123), &zone)), noon);
    }
}
