//! Processes that say themselves whose they are: workers and all that they start, by the mark in their environment, and
//! shims, by their command line. It is how those are found whom no record names any more. And who is at work in a folder.

use super::order::MARK;
use super::process;
use crate::model::ProcessId;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

/// A longer command is cut where it is told.
const LONGEST: usize = 60;

/// A process of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Marked {
    /// Which one.
    pub id: ProcessId,
    /// Its command line for people, cut.
    pub command: String,
    /// Whose it is.
    pub owner: Owner,
}

/// Whose a process is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Owner {
    /// It was started for the attempt in this folder.
    Attempt(PathBuf),
    /// It is a shim of the run in this folder.
    Run(PathBuf),
}

/// All of them that live, of every state folder, but for ourselves. Those of other users cannot be looked into.
pub fn all() -> Vec<Marked> {
    let us = std::process::id().cast_signed();
    pids().filter(|pid| *pid != us).filter_map(marked).collect()
}

/// The one that has `pid`, if it is ours.
pub fn of_pid(pid: i32) -> Option<Marked> {
    marked(pid)
}

/// Is a process of ours or of our user at work in `folder` (its real path), or below it?
pub fn works_in(folder: &Path) -> bool {
    pids().any(|pid| std::fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|cwd| cwd.starts_with(folder)))
}

/// Everybody's.
pub(super) fn pids() -> impl Iterator<Item = i32> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

fn marked(pid: i32) -> Option<Marked> {
    let id = process::identify(pid).ok()?;
    let words = fields(&std::fs::read(format!("/proc/{pid}/cmdline")).ok()?);
    // The shim of a worker that was itself started by a worker inherits that one's mark, and is not its.
    let owner = shim_of(&words).or_else(|| attempt_of(pid))?;
    // What was read was this process's, if it is still the same.
    process::is_alive(&id).then(|| Marked { id, command: for_people(&words), owner })
}

/// The run of a shim: `swarm shim [--window] <run folder>`.
fn shim_of(words: &[OsString]) -> Option<Owner> {
    let [_, verb, rest @ ..] = words else { return None };
    let folder = match rest {
        [option, folder] if option == "--window" => folder,
        [folder] => folder,
        _ => return None,
    };
    (verb == "shim" && Path::new(folder).is_absolute()).then(|| Owner::Run(folder.into()))
}

/// The attempt in a process's environment.
fn attempt_of(pid: i32) -> Option<Owner> {
    let environment = std::fs::read(format!("/proc/{pid}/environ")).ok()?;
    let mark = environment
        .split(|&byte| byte == 0)
        .find_map(|variable| variable.strip_prefix(MARK.as_bytes())?.strip_prefix(b"="))?;
    Some(Owner::Attempt(OsStr::from_bytes(mark).into()))
}

/// The words of a command line as the kernel keeps it.
fn fields(bytes: &[u8]) -> Vec<OsString> {
    let bytes = bytes.strip_suffix(&[0]).unwrap_or(bytes);
    bytes.split(|&byte| byte == 0).map(|word| OsString::from_vec(word.to_vec())).collect()
}

fn for_people(words: &[OsString]) -> String {
    let line = words.iter().map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Command, Stdio};

    fn words(line: &str) -> Vec<OsString> {
        line.split(' ').map(OsString::from).collect()
    }

    #[test]
    fn a_shim_is_known_by_its_words() {
        let run = |folder: &str| Some(Owner::Run(folder.into()));
        assert_eq!(shim_of(&words("swarm shim /h/runs/1")), run("/h/runs/1"));
        assert_eq!(shim_of(&words("/bin/swarm shim --window /h/workers/1")), run("/h/workers/1"));
        for other in ["swarm", "swarm shim", "swarm loop /h/runs/1", "swarm shim here", "swarm shim /a /b /c"] {
            assert_eq!(shim_of(&words(other)), None, "{other}");
        }
    }

    #[test]
    fn a_marked_process_is_found_and_says_whose_it_is() {
        let mut command = Command::new("cat");
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::null()).env(MARK, "/h/a b").spawn().unwrap();
        let found = all().into_iter().find(|marked| marked.id.pid == child.id().cast_signed()).unwrap();
        assert_eq!((found.owner, found.command.as_str()), (Owner::Attempt("/h/a b".into()), "cat"));
        drop(child.stdin.take());
        child.wait().unwrap();
        assert_eq!(of_pid(child.id().cast_signed()), None);
    }

    #[test]
    fn a_long_command_is_cut() {
        assert_eq!(for_people(&words(&"ä".repeat(61))), format!("{}…", "ä".repeat(60)));
    }
}
