//! What `swarm doctor` says: one line a check, and for each leak what it is, why it is nobody's, and the command that
//! removes it.

use super::events::SCHEMA;
use super::figures::plural;
use super::workers::printable;
use serde::Serialize;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// As it should be.
    Ok,
    /// Something will not work, or work less well; nothing is broken.
    Warning,
    /// Something is broken.
    Problem,
}

impl Level {
    fn word(self) -> &'static str {
        match self {
            Level::Ok => "ok",
            Level::Warning => "warning",
            Level::Problem => "problem",
        }
    }
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    /// What was looked at: a word of the format, never changed.
    pub check: &'static str,
    /// How it is.
    pub level: Level,
    /// What was seen.
    pub says: String,
    /// What to do about it.
    pub todo: Option<String>,
}

impl Check {
    /// All is well.
    pub fn ok(check: &'static str, says: impl Into<String>) -> Check {
        Check { check, level: Level::Ok, says: says.into(), todo: None }
    }

    /// Something will not work.
    pub fn warning(check: &'static str, says: impl Into<String>, todo: impl Into<String>) -> Check {
        Check { check, level: Level::Warning, says: says.into(), todo: Some(todo.into()) }
    }

    /// Something is broken.
    pub fn problem(check: &'static str, says: impl Into<String>, todo: impl Into<String>) -> Check {
        Check { level: Level::Problem, ..Check::warning(check, says, todo) }
    }
}

/// The worst of them.
pub fn worst(checks: &[Check]) -> Level {
    checks.iter().map(|check| check.level).max().unwrap_or(Level::Ok)
}

/// One line a check, for people.
pub fn checks(checks: &[Check]) -> String {
    let width = checks.iter().map(|check| check.check.len()).max().unwrap_or_default();
    let line = |check: &Check| {
        let todo = check.todo.as_ref().map_or_else(String::new, |todo| format!(" → {}", printable(todo)));
        format!("{:<7}  {:<width$}  {}{todo}\n", check.level.word(), check.check, printable(&check.says))
    };
    checks.iter().map(line).collect()
}

/// `{"schema": 1, "level": "warning", "checks": [{"check", "level", "says", "todo"}]}`, one line.
pub fn checks_json(checks: &[Check]) -> String {
    // Strings and lists always serialize.
    let list = serde_json::to_string(checks).unwrap_or_default();
    format!("{{\"schema\":{SCHEMA},\"level\":\"{}\",\"checks\":{list}}}\n", worst(checks).word())
}

/// What kind of thing leaked: a word of the format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LeakKind {
    /// A process.
    Process,
    /// A tmux window.
    Window,
    /// A linked work tree.
    Worktree,
    /// The folder of a run.
    Run,
    /// The log files of a worker.
    Log,
    /// A file that somebody needed for a moment.
    Temporary,
}

impl LeakKind {
    fn word(self) -> &'static str {
        match self {
            LeakKind::Process => "process",
            LeakKind::Window => "window",
            LeakKind::Worktree => "worktree",
            LeakKind::Run => "run",
            LeakKind::Log => "log",
            LeakKind::Temporary => "temporary",
        }
    }
}

/// Something that nobody owns.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Leak {
    /// What kind of thing.
    pub kind: LeakKind,
    /// Which one.
    pub what: String,
    /// Why it is nobody's.
    pub why: String,
    /// The command that removes it.
    pub remove: String,
}

/// All that was found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Leaks {
    /// Things that nobody owns.
    pub found: Vec<Leak>,
    /// What could not be looked at, and why.
    pub unseen: Vec<String>,
}

/// Two lines a leak, for people; `no leaks` for none. What could not be looked at is said in either case.
pub fn leaks(leaks: &Leaks) -> String {
    let mut text = String::new();
    for leak in &leaks.found {
        let (what, why) = (printable(&leak.what), printable(&leak.why));
        text += &format!("{:<9}  {what}: {why}\n           → {}\n", leak.kind.word(), printable(&leak.remove));
    }
    text += &match leaks.found.len() {
        0 => "no leaks\n".to_owned(),
        count => format!("{}\n", plural(count as u64, "leak")),
    };
    leaks.unseen.iter().for_each(|unseen| text += &format!("not looked at: {}\n", printable(unseen)));
    text
}

/// `{"schema": 1, "leaks": [{"kind", "what", "why", "remove"}], "unseen": ["…"]}`, one line.
pub fn leaks_json(leaks: &Leaks) -> String {
    let list = serde_json::to_string(&leaks.found).unwrap_or_default();
    let unseen = serde_json::to_string(&leaks.unseen).unwrap_or_default();
    format!("{{\"schema\":{SCHEMA},\"leaks\":{list},\"unseen\":{unseen}}}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_check_is_one_line_whatever_it_says() {
        let seen = [Check::ok("git", "2.39\n"), Check::warning("claude", "not installed", "install it")];
        let text = checks(&seen);
        assert_eq!(text, "ok       git     2.39\\n\nwarning  claude  not installed → install it\n");
        assert_eq!(worst(&seen), Level::Warning);
        assert_eq!(worst(&[]), Level::Ok);
        let json: serde_json::Value = serde_json::from_str(&checks_json(&seen)).unwrap();
        assert_eq!(json["level"], "warning");
        assert_eq!(json["checks"][1]["todo"], "install it");
        assert!(json["checks"][0]["todo"].is_null());
    }

    #[test]
    fn a_leak_comes_with_its_command() {
        let leak = Leak {
            kind: LeakKind::Process,
            what: "7 (cat)".into(),
            why: "its run is not known".into(),
            remove: "kill -KILL 7".into(),
        };
        let some = Leaks { found: vec![leak], unseen: vec!["containers: not in this version".into()] };
        let text = leaks(&some);
        assert!(
            text.starts_with("process    7 (cat): its run is not known\n           → kill -KILL 7\n1 leak\n"),
            "{text}"
        );
        assert!(text.ends_with("not looked at: containers: not in this version\n"), "{text}");
        assert_eq!(leaks(&Leaks::default()), "no leaks\n");
        let json: serde_json::Value = serde_json::from_str(&leaks_json(&some)).unwrap();
        assert_eq!(json["leaks"][0]["kind"], "process");
    }
}
