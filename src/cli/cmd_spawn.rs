//! `swarm spawn`: starts a worker, or leaves nothing behind.

use super::error::{Error, Result};
use super::{assemble, env_file, fleet, print, ready, runs, settings};
use crate::driver::fleet::{DEFAULT_GRACE, Fleet, Spawn, Spawned, TmuxWish, TreePlace, WorktreeWish};
use crate::model::{Span, WorkerName};
use crate::report::workers;
use clap::ArgMatches;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// Runs the verb and returns the exit code.
pub(super) fn run(matches: &ArgMatches) -> Result<u8> {
    refuse_heartbeat(matches)?;
    let spawn = spawn_of(matches)?;
    let ready = ready::Wish::of(matches, &spawn.cmd)?;
    let fleet = fleet::open()?;
    // What a spawn that died has left may be in the way.
    let view = fleet::view(&fleet)?;
    refuse_loop(&fleet, spawn.name.as_str())?;
    drop(view);
    let spawned = assemble::block_on(fleet.spawn(&spawn))?;
    fleet::warn(&fleet);
    let spawned = spawned?;
    print::text(&match matches.get_flag("json") {
        true => workers::json_one(&spawned.entry),
        false => format!("spawned {}\n", told(&spawned)),
    });
    match ready {
        Some(wish) => ready::wait(&fleet, &spawned.entry, &wish),
        None => Ok(0),
    }
}

/// `N (pid: P)` or `N (tmux: S:W)`.
pub(super) fn told(spawned: &Spawned) -> String {
    let entry = &spawned.entry;
    match (&entry.tmux, entry.pid) {
        (Some(window), _) => format!("{} (tmux: {}:{})", entry.name, window.session, window.window),
        (None, Some(pid)) => format!("{} (pid: {pid})", entry.name),
        (None, None) => entry.name.clone(),
    }
}

/// `kill`, `wait` and the others would not know who is meant.
fn refuse_loop(fleet: &Fleet, name: &str) -> Result<()> {
    match super::loops::find(fleet.home(), name)? {
        Some(_) => Err(Error::failed(format!("worker '{name}' already exists: a running loop has that name"))
            .hint("choose another --name")),
        None => Ok(()),
    }
}

fn refuse_heartbeat(matches: &ArgMatches) -> Result<()> {
    let given = ["heartbeat", "heartbeat-expire", "heartbeat-message"]
        .into_iter()
        .find(|option| matches.value_source(option) == Some(clap::parser::ValueSource::CommandLine));
    match given {
        Some(option) => Err(Error::usage(format!("--{option} is not in this version; nothing was started"))
            .hint("leave it out, and use `swarm send` from a timer of yours")),
        None => Ok(()),
    }
}

fn spawn_of(matches: &ArgMatches) -> Result<Spawn> {
    let text = |id: &str| matches.get_one::<String>(id).cloned();
    let name = text("name").unwrap_or_default();
    let name = WorkerName::try_from(name.as_str()).map_err(|bad| Error::usage(bad.to_string()))?;
    let here = runs::current_folder()?;
    let path = |id: &str| matches.get_one::<PathBuf>(id).map(|path| here.join(path));
    let in_window = matches.get_flag("tmux");
    check_company(matches, in_window, "tmux", &["session", "tmux-socket"])?;
    let tree = matches.get_flag("worktree");
    check_company(matches, tree, "worktree", &["branch", "worktree-dir"])?;
    let cwd = path("cwd").filter(|_| !tree).unwrap_or_else(|| here.clone());
    if !tree && !cwd.is_dir() {
        return Err(Error::failed(format!("failed to spawn process: {} is not a folder", cwd.display()))
            .hint("correct --cwd; nothing was made"));
    }
    let branch = text("branch").unwrap_or_else(|| name.to_string());
    Ok(Spawn {
        cmd: command(matches)?,
        tmux: in_window.then(|| TmuxWish { session: text("session"), socket: text("tmux-socket") }),
        worktree: tree
            .then(|| WorktreeWish { branch, place: path("worktree-dir").map_or(TreePlace::Beside, TreePlace::In) }),
        tags: matches.get_many("tag").into_iter().flatten().cloned().collect(),
        env: environment(matches, &here)?,
        metadata: serde_json::Map::new(),
        grace: duration(matches, "grace")?.unwrap_or(DEFAULT_GRACE),
        name,
        cwd,
    })
}

/// Options that mean nothing without another one.
fn check_company(matches: &ArgMatches, given: bool, company: &str, options: &[&str]) -> Result<()> {
    match options.iter().find(|option| !given && matches.contains_id(option)) {
        Some(option) => Err(Error::usage(format!("--{option} needs --{company}"))),
        None => Ok(()),
    }
}

/// The command; one leading `--` is dropped.
fn command(matches: &ArgMatches) -> Result<Vec<String>> {
    let words: Vec<OsString> = matches.get_many("CMD").into_iter().flatten().cloned().collect();
    let words = words.strip_prefix(&["--".into()]).unwrap_or(&words);
    if words.first().is_none_or(|program| program.is_empty()) {
        return Err(Error::usage("no command provided (use -- command...)"));
    }
    let not_text = |word: &OsString| {
        Error::usage(format!(
            "the argument {} is not UTF-8, and the state file can hold no other",
            word.to_string_lossy()
        ))
    };
    words.iter().map(|word| word.to_str().map(str::to_owned).ok_or_else(|| not_text(word))).collect()
}

/// The variables: of the files first, so that `--env` can change one.
fn environment(matches: &ArgMatches, here: &Path) -> Result<Vec<(OsString, OsString)>> {
    let mut env = Vec::new();
    for file in matches.get_many::<PathBuf>("env-file").into_iter().flatten() {
        env.extend(env_file::read(&here.join(file))?);
    }
    for pair in matches.get_many::<OsString>("env").into_iter().flatten() {
        env.push(env_file::pair(pair)?);
    }
    Ok(env)
}

/// A duration that an option gives.
pub(super) fn duration(matches: &ArgMatches, id: &str) -> Result<Option<Span>> {
    matches.get_one::<String>(id).map(|text| settings::duration(id, text)).transpose()
}
