//! Completion: a shell that loaded `swarm completions` asks the binary itself, which answers from its own grammar, and for
//! the names of workers and loops from the state folder. An answer never fails and changes nothing: what cannot be read
//! has no names.

use super::args;
use crate::host::{lock, process};
use crate::journal::{Home, RunFolder};
use crate::model::ProcessId;
use clap::{Arg, Command};
use clap_complete::CompleteEnv;
use clap_complete::engine::{ArgValueCompleter, CompletionCandidate, ValueCompleter};
use serde_json::Value;
use std::collections::BTreeSet;
use std::ffi::OsStr;

/// Set by the shell when it asks, to its own name.
pub(super) const VARIABLE: &str = "SWARM_COMPLETE";

/// The verbs that take workers, and which of them.
const WORKER_VERBS: [(&str, Names); 11] = [
    ("attach", Names::InWindow),
    ("clean", Names::Stopped),
    ("eof", Names::InWindow),
    ("interrupt", Names::InWindow),
    ("kill", Names::RunningOrLoop),
    ("logs", Names::AnyOrLoop),
    ("peek", Names::AnyOrLoop),
    ("respawn", Names::Any),
    ("send", Names::InWindow),
    ("status", Names::AnyOrLoop),
    ("wait", Names::RunningOrLoop),
];

/// Whose names stand for an argument.
#[derive(Debug, Clone, Copy)]
enum Names {
    /// All workers.
    Any,
    /// Workers that run in a window.
    InWindow,
    /// Workers that do not.
    Stopped,
    /// All workers and the loops that run.
    AnyOrLoop,
    /// Workers and loops that run.
    RunningOrLoop,
    /// All loops.
    Loops,
}

/// Answers a shell's question, if the process was started for one.
pub(super) fn answered() -> bool {
    let folder = std::env::current_dir().ok();
    let answer = CompleteEnv::with_factory(command).var(VARIABLE).try_complete(std::env::args_os(), folder.as_deref());
    // Nobody reads a complaint in the middle of a command line.
    answer.unwrap_or(true)
}

/// The grammar, and whose names its arguments are.
fn command() -> Command {
    args::command().mut_subcommands(|verb| match verb.get_name() {
        "loop" => {
            verb.mut_subcommands(|verb| verb.mut_args(|arg| named(arg, Names::Loops))).mut_arg("resume", loop_name)
        }
        "explain" => verb.mut_args(|arg| named(arg, Names::Loops)),
        name => match WORKER_VERBS.iter().find(|(known, _)| *known == name) {
            Some((_, names)) => verb.mut_args(|arg| named(arg, *names)),
            None => verb,
        },
    })
}

fn named(arg: Arg, names: Names) -> Arg {
    if arg.is_positional() { arg.add(ArgValueCompleter::new(names)) } else { arg }
}

fn loop_name(arg: Arg) -> Arg {
    arg.add(ArgValueCompleter::new(Names::Loops))
}

impl ValueCompleter for Names {
    fn complete(&self, current: &OsStr) -> Vec<CompletionCandidate> {
        let begun = current.to_string_lossy();
        let names = Home::from_env().map(|home| self.known(&home)).unwrap_or_default();
        names.into_iter().filter(|name| name.starts_with(&*begun)).map(CompletionCandidate::new).collect()
    }
}

impl Names {
    fn known(self, home: &Home) -> BTreeSet<String> {
        match self {
            Names::Any => workers(home, |_| true),
            Names::InWindow => workers(home, |entry| is_running(entry) && entry["tmux"].is_object()),
            Names::Stopped => workers(home, |entry| !is_running(entry)),
            Names::AnyOrLoop => &workers(home, |_| true) | &loops(home, is_held),
            Names::RunningOrLoop => &workers(home, is_running) | &loops(home, is_held),
            Names::Loops => loops(home, |_| true),
        }
    }
}

/// The workers of the registry whose entry fits.
fn workers(home: &Home, fits: impl Fn(&Value) -> bool) -> BTreeSet<String> {
    let state = std::fs::read(home.root().join("state.json")).unwrap_or_default();
    let state: Value = serde_json::from_slice(&state).unwrap_or_default();
    let entries = state["workers"].as_array().map(Vec::as_slice).unwrap_or_default();
    let fitting = entries.iter().filter(|entry| entry["status"].is_string() && fits(entry));
    fitting.filter_map(|entry| entry["name"].as_str().map(str::to_owned)).collect()
}

/// Of one that has ended since anybody looked, only its shim tells.
fn is_running(entry: &Value) -> bool {
    let shim = serde_json::from_value::<ProcessId>(entry["shim"].clone()).ok();
    entry["status"] == "running" && shim.is_none_or(|shim| process::is_alive(&shim))
}

/// The loops whose folder fits.
fn loops(home: &Home, fits: impl Fn(&RunFolder) -> bool) -> BTreeSet<String> {
    let runs = home.runs().unwrap_or_default().into_iter().filter(fits);
    runs.filter_map(|run| run.record().ok()).map(|record| record.name).collect()
}

/// Has it a supervisor?
fn is_held(run: &RunFolder) -> bool {
    lock::holder(&run.lock()).is_ok_and(|holder| holder.is_some())
}
