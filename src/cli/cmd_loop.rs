//! `swarm loop`: starts a run, or goes on with one.
//!
//! Nothing is made before everything that can be checked was checked; the tree's lock is taken before anything of a run
//! is looked at, and held until the end.

use super::assemble::{self, First};
use super::error::{Error, Result};
use super::loop_settings::LoopSettings;
use super::runs::{self, Run};
use super::settings::{Settings, Sources};
use super::{args, detach, print};
use crate::engine::{Board, Fact, Stamped, fact};
use crate::host::{clock, files, lock};
use crate::journal::{FileJournal, Home, Registry, RunFolder, RunRecord, run};
use crate::model::{Handle, RunEnding, RunId};
use crate::report::LoopLog;
use crate::runtime::process::live_attempts;
use clap::ArgMatches;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A holder that does not say that it is stopping gets this long to say so: the signal of a `tmux kill-session` a moment
/// ago may still be on its way.
const FIRST_LOOK: Duration = Duration::from_secs(1);

/// Beyond its grace, a stopping holder gets this long to close its journal.
const STOPPING: Duration = Duration::from_secs(5);

/// Runs the verb and returns the exit code.
pub(super) fn run(matches: &ArgMatches) -> Result<u8> {
    if let Some(file) = matches.get_one::<String>("env-from") {
        detach::adopt_environment(Path::new(file))?;
    }
    let folder = runs::current_folder()?;
    if let Some(name) = matches.get_one::<String>("resume") {
        return resume(matches, Some(name.as_str()).filter(|name| !name.is_empty()));
    }
    check_spelling(&folder)?;
    let sources = Sources::real(args::flags(matches), &folder);
    let settings = Settings::resolve(&sources)?;
    let command: Vec<String> = matches.get_many("AGENT").into_iter().flatten().cloned().collect();
    let start = Start {
        settings: LoopSettings::new(&settings, &folder, command)?,
        name: settings.text("name"),
        share_tree: settings.switch("share-tree")?,
        restart: matches.get_flag("restart"),
        folder,
    };
    start.check_limits(settings.switch("no-limit")?)?;
    if matches.get_flag("detach") {
        start.preflight()?;
        start.check_tree()?;
        return detach::run(&start.run_name(), &start.folder);
    }
    let logs = runs::log_folder(&start.folder);
    let name = start.run_name();
    start.run().inspect_err(|error| remember(&logs, &name, error))
}

/// The run's record is JSON: it can hold no path that is not UTF-8.
fn check_spelling(folder: &Path) -> Result<()> {
    match folder.to_str() {
        Some(_) => Ok(()),
        None => Err(Error::usage(format!("the path of this folder is not UTF-8: {}", folder.display()))
            .hint("rename the folder, or start the loop in another one")),
    }
}

/// A refusal is also a line in `loop.log`, for a pane that is gone; where there are no logs yet, none are made for it.
fn remember(logs: &Path, name: &str, error: &Error) {
    if logs.is_dir() {
        let hint = error.hint.as_ref().map(|hint| format!(" ({hint})")).unwrap_or_default();
        let text = format!("refused: {}{hint}", error.message);
        LoopLog::new(logs, name, clock::zone()).line(clock::now().wall, &text);
    }
}

/// A run to be started.
pub(super) struct Start {
    /// Its settings.
    pub(super) settings: LoopSettings,
    /// Its name, if the operator gave one.
    pub(super) name: Option<String>,
    /// Other loops may work in the same tree.
    pub(super) share_tree: bool,
    /// End the worker of an unfinished run first.
    pub(super) restart: bool,
    /// Where it runs.
    pub(super) folder: PathBuf,
}

impl Start {
    /// Starts the run and supervises it to its end.
    pub(super) fn run(self) -> Result<u8> {
        let warnings = self.preflight()?;
        let home = runs::home()?;
        home.create().map_err(|error| {
            Error::cannot_write(format!("cannot make the state folder {}: {error}", home.root().display()))
                .hint("set SWARM_HOME to a folder that can be written")
        })?;
        check_log_folder(&runs::log_folder(&self.folder))?;
        let tree = runs::work_tree(&self.folder);
        let id = run::new_id();
        let held = if self.share_tree { None } else { Some(take_tree(&home, &tree, &id)?) };
        self.close_unfinished(&home, &tree)?;
        let name = unique_name(&home, self.run_name())?;
        let folder = home.run(&id);
        let record = RunRecord {
            share_tree: self.share_tree,
            schema: run::SCHEMA,
            id: id.clone(),
            name,
            tree,
            folder: self.folder.clone(),
            created: clock::now().wall,
            settings: serde_json::to_value(&self.settings).map_err(|error| Error::failed(error.to_string()))?,
        };
        let journal = folder.create(&record).map_err(|error| {
            // What was half made is ours alone, and of no use.
            let _ = std::fs::remove_dir_all(folder.path());
            Error::cannot_write(format!("cannot write the run's folder {}: {error}", folder.path().display()))
        })?;
        let lock = take_run(&folder, &record)?;
        let ending = assemble::supervise(First::Begin, &folder, &record, journal, Vec::new(), &warnings)?;
        drop((lock, held));
        Ok(exit_code(&ending, &self.settings))
    }

    /// Looks at everything that can be looked at without making anything.
    fn preflight(&self) -> Result<Vec<String>> {
        let mut warnings = self.settings.preflight()?;
        if self.settings.policy.iterations.is_none()
            && self.settings.policy.max_time.is_none()
            && self.settings.policy.max_cost.is_none()
        {
            warnings.push(
                "no limit on iterations, time or cost: it runs until the work is done or something stops it".to_owned(),
            );
        }
        Ok(warnings)
    }

    /// Nobody is there to stop a run without any limit in CI or without a terminal.
    fn check_limits(&self, no_limit: bool) -> Result<()> {
        use std::io::IsTerminal;
        let policy = &self.settings.policy;
        let limited = policy.iterations.is_some() || policy.max_time.is_some() || policy.max_cost.is_some();
        let ci =
            std::env::var("CI").is_ok_and(|value| !matches!(value.to_ascii_lowercase().as_str(), "" | "0" | "false"));
        if limited || no_limit || (!ci && std::io::stderr().is_terminal()) {
            return Ok(());
        }
        let place = if ci { "in CI" } else { "without a terminal" };
        Err(Error::usage(format!("no limit on iterations, time or cost {place}"))
            .hint("give a number of iterations (swarm loop 15 PROMPT.md), --max-time, --max-cost, or --no-limit"))
    }

    /// A refusal that is certain is said here, and not in a session that is gone a moment later. (A holder that is
    /// stopping is waited for there.)
    fn check_tree(&self) -> Result<()> {
        let home = runs::home()?;
        let path = home.tree_lock(&runs::work_tree(&self.folder));
        let Some(holder) = lock::holder(&path).ok().flatten().filter(|_| !self.share_tree) else { return Ok(()) };
        match Run::load(home.run(&RunId(holder.note.clone()))) {
            Some(run) if run.board.stop.is_none() => Err(held(&run.record.name, &holder)),
            _ => Ok(()),
        }
    }

    fn run_name(&self) -> String {
        let folder = || self.folder.file_name().map(|name| name.to_string_lossy().into_owned());
        self.name.clone().or_else(folder).unwrap_or_else(|| "loop".to_owned())
    }

    /// Runs of this tree whose supervisor died: closed and recorded; one whose worker lives is refused, or ended first.
    fn close_unfinished(&self, home: &Home, tree: &Path) -> Result<()> {
        if self.share_tree {
            return Ok(());
        }
        refuse_beside_unreadable(home, tree)?;
        let left = runs::all(home)?.into_iter().filter(|run| run.record.tree == tree && run.unfinished());
        for run in left.filter(|run| run.supervisor().is_none()) {
            let live = live_attempts(run.folder.path()).map_err(|error| {
                Error::failed(format!("cannot look for workers of {}: {error}", run.folder.path().display()))
            })?;
            if !live.is_empty() && !self.restart {
                return Err(Error::held(format!(
                    "the supervisor of loop '{}' died, but its worker still runs in {}",
                    run.record.name,
                    run.record.folder.display()
                ))
                .hint("`swarm loop --resume` goes on with it; `--restart` ends it and starts a new run"));
            }
            match close(&run) {
                // It stays as it is, and nothing of it runs: no reason to start nothing in this tree for ever.
                Err(error) if live.is_empty() && error.code == Error::FAILED => {
                    print::warning(&format!("run {} is left unfinished: {}", run.record.id, error.message));
                }
                closed => closed?,
            }
        }
        Ok(())
    }
}

/// A run whose record is damaged cannot be taken over, but its worker may live, and two in one tree spoil each other's work.
/// Where it works is then known from the worker alone.
fn refuse_beside_unreadable(home: &Home, tree: &Path) -> Result<()> {
    let folders = home.runs().unwrap_or_default().into_iter();
    for folder in folders.filter(|folder| folder.record().is_err()) {
        let live = live_attempts(folder.path()).unwrap_or_default();
        let workers = live.into_iter().filter_map(|live| live.handle).map(|Handle::Process { worker, .. }| worker.pid);
        let here = |pid: &i32| {
            std::fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|folder| runs::work_tree(&folder) == tree)
        };
        if let Some(pid) = workers.into_iter().find(here) {
            let record = folder.path().join("run.json");
            return Err(Error::held(format!(
                "a worker (pid {pid}) still runs here, and {} is damaged",
                record.display()
            ))
            .hint(format!("wait for its end, or end it: kill {pid}")));
        }
    }
    Ok(())
}

/// Takes a run over whose supervisor died, and ends it.
fn close(run: &Run) -> Result<()> {
    let _lock = take_run(&run.folder, &run.record)?;
    print::note(&format!("closing the unfinished run {} of loop '{}'", run.record.id, run.record.name));
    let (journal, facts) = reopen(&run.folder, &run.record)?;
    assemble::supervise(First::Close, &run.folder, &run.record, journal, facts, &[]).map(drop)
}

/// Goes on with a run: adopts its worker, or records how it ended.
fn resume(matches: &ArgMatches, name: Option<&str>) -> Result<u8> {
    let given = args::flags(matches);
    if let Some(option) = given.keys().find(|option| **option != "format") {
        return Err(Error::usage(format!(
            "--resume goes on with the run's own settings; `{option}` cannot be changed"
        ))
        .hint("leave it out, or start a new run"));
    }
    let home = runs::home()?;
    let mut run = runs::find(&home, name)?;
    if let Some(format) = given.get("format").and_then(|texts| texts.last()) {
        run.record.settings["format"] = format.as_str().into();
    }
    if let Some(holder) = run.supervisor() {
        return Err(held(&run.record.name, &holder));
    }
    check_not_done(&run.record.name, &run.board)?;
    let settings: LoopSettings = serde_json::from_value(run.record.settings.clone()).map_err(|error| {
        Error::failed(format!("the settings of run {} cannot be read: {error}", run.record.id)).hint("start a new run")
    })?;
    check_log_folder(&run.log_folder())?;
    let tree = if run.record.share_tree { None } else { Some(take_tree(&home, &run.record.tree, &run.record.id)?) };
    let lock = take_run(&run.folder, &run.record)?;
    let (journal, facts) = reopen(&run.folder, &run.record)?;
    // Again: a holder that was waited for may have come to the end.
    check_not_done(&run.record.name, &Board::replay(&facts))?;
    let ending = assemble::supervise(First::Resume, &run.folder, &run.record, journal, facts, &[])?;
    drop((lock, tree));
    Ok(exit_code(&ending, &settings))
}

fn check_not_done(name: &str, board: &Board) -> Result<()> {
    match board.finished {
        Some(RunEnding::Done) => {
            Err(Error::failed(format!("loop '{name}' is done: there is nothing to go on with")).hint("start a new run"))
        }
        _ => Ok(()),
    }
}

/// The exit code of a run that ended so; leaving (SIGQUIT) counts as that signal.
fn exit_code(ending: &Option<RunEnding>, settings: &LoopSettings) -> u8 {
    match ending {
        Some(RunEnding::IterationsUsed) if settings.exit_zero_on_limit => 0,
        Some(ending) => ending.exit_code(),
        None => 128 + 3,
    }
}

/// Opens a journal to go on with it. What a newer version wrote is refused, and the files are left as they are.
fn reopen(folder: &RunFolder, record: &RunRecord) -> Result<(FileJournal, Vec<Stamped>)> {
    let path = folder.journal();
    let newer = |what: &str| {
        Error::failed(format!("the journal {} was written by a newer version: {what}", path.display()))
            .hint("use that version of swarm, or start a new run")
    };
    let cannot =
        |error: std::io::Error| Error::cannot_write(format!("cannot open the journal {}: {error}", path.display()));
    let seen = FileJournal::read(&path).map_err(cannot)?;
    let facts: Vec<Stamped> = seen
        .lines
        .iter()
        .map(|line| serde_json::from_str(line))
        .collect::<Result<_, _>>()
        .map_err(|error| newer(&error.to_string()))?;
    let versions = facts.iter().filter_map(|stamped| match stamped.fact {
        Fact::RunOpened { version, .. } => Some(version),
        _ => None,
    });
    if record.schema > run::SCHEMA || versions.max().is_some_and(|version| version > fact::VERSION) {
        return Err(newer("this one does not know all that it says"));
    }
    let (journal, replay) = FileJournal::open(&path).map_err(cannot)?;
    if let Some(copy) = replay.quarantined {
        print::warning(&format!(
            "corrupt journal {}, kept as {}; {} whole facts are used",
            path.display(),
            copy.display(),
            facts.len()
        ));
    }
    Ok((journal, facts))
}

/// The tree's lock; waits for a holder that is stopping.
fn take_tree(home: &Home, tree: &Path, id: &RunId) -> Result<lock::Lock> {
    let path = home.tree_lock(tree);
    let cannot = |error: std::io::Error| Error::cannot_write(format!("cannot lock {}: {error}", path.display()));
    let take = |within| assemble::block_on(lock::Lock::take_within(&path, &id.0, within))?.map_err(cannot);
    let mut taken = take(FIRST_LOOK)?;
    if let lock::Taken::Held(Some(holder)) = &taken
        && let Some(run) = Run::load(home.run(&RunId(holder.note.clone())))
        && (run.board.stop.is_some() || run.board.finished.is_some())
    {
        print::note(&format!("waiting for loop '{}' (pid {}) to stop", run.record.name, holder.process.pid));
        let grace = run.board.run.map_or(Duration::ZERO, |run| run.policy.grace.duration());
        taken = take(grace + STOPPING)?;
    }
    match taken {
        lock::Taken::Ours(lock) => Ok(lock),
        lock::Taken::Held(Some(holder)) => {
            let name =
                Run::load(home.run(&RunId(holder.note.clone()))).map_or(holder.note.clone(), |run| run.record.name);
            Err(held(&name, &holder))
        }
        lock::Taken::Held(None) => Err(Error::held(format!("another supervisor holds {}", tree.display()))),
    }
}

fn held(name: &str, holder: &lock::Holder) -> Error {
    Error::held(format!("loop '{name}' runs here already (pid {})", holder.process.pid)).hint(format!(
        "`swarm loop status {name}` shows it; `swarm loop stop {name}` ends it; --share-tree allows both"
    ))
}

/// The run's own lock. Whoever holds the tree's gets it, but with `--share-tree` two may ask for one run.
fn take_run(folder: &RunFolder, record: &RunRecord) -> Result<lock::Lock> {
    let path = folder.lock();
    match assemble::block_on(lock::Lock::take_within(&path, &record.id.0, FIRST_LOOK))? {
        Ok(lock::Taken::Ours(lock)) => Ok(lock),
        Ok(lock::Taken::Held(Some(holder))) => Err(held(&record.name, &holder)),
        Ok(lock::Taken::Held(None)) => Err(Error::held(format!("another supervisor holds run {}", record.id))),
        Err(error) => Err(Error::cannot_write(format!("cannot lock {}: {error}", path.display()))),
    }
}

/// Logs come first: without a place for them nothing is started.
fn check_log_folder(path: &Path) -> Result<()> {
    let made = files::create_folder(path);
    let writable = made.and_then(|()| {
        let flags = nix::unistd::AccessFlags::W_OK | nix::unistd::AccessFlags::X_OK;
        Ok(nix::unistd::access(path, flags)?)
    });
    writable.map_err(|error| {
        Error::cannot_write(format!("the log folder {} cannot be written: {error}", path.display()))
            .hint("logs lie in .loop-logs of the folder that the loop is started in; make it writable")
    })
}

/// A name that no living loop has, and no worker: `name`, else `name-2`, `name-3`, ….
fn unique_name(home: &Home, name: String) -> Result<String> {
    let alive: Vec<String> =
        runs::all(home)?.into_iter().filter(|run| run.supervisor().is_some()).map(|run| run.record.name).collect();
    // Workers that cannot be told are no reason to start nothing.
    let workers = Registry::at(home).read().map(|reading| reading.state).unwrap_or_default();
    let is_taken = |name: &String| alive.contains(name) || workers.find(name).is_some();
    let numbered = |number: u32| if number == 1 { name.clone() } else { format!("{name}-{number}") };
    Ok((1..).map(numbered).find(|name| !is_taken(name)).unwrap_or(name.clone()))
}
