//! A spawn is a transaction: name, worktree, process or window, registry. Any step that fails, or a signal, undoes in
//! reverse what was made.

use super::environment;
use super::plan::WorkerPlan;
use super::signals::{Signals, interrupted};
use super::solo::{NotLaunched, Solo};
use super::undo::{self, Intent};
use super::{Fleet, Kind, Result, Trouble, changed};
use crate::host::git::worktree::{self, Repo};
use crate::host::lock::Lock;
use crate::host::{clock, failpoint};
use crate::journal::{FileJournal, Home, RunFolder, RunRecord, WorkerLogs, run};
use crate::model::worker::written_time;
use crate::model::{Entry, RunId, Span, Standing, Window, WorkerName, Worktree};
use crate::runtime::process::Spot;
use crate::runtime::tmux::{Opened, Server, check_session};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::ffi::OsString;
use std::path::PathBuf;

/// A worker to be.
#[derive(Debug, Clone)]
pub struct Spawn {
    /// Its name.
    pub name: WorkerName,
    /// Program and arguments; not empty.
    pub cmd: Vec<String>,
    /// Its working folder, absolute; with a worktree, the folder whose repository gets it.
    pub cwd: PathBuf,
    /// A tmux window, not a bare process.
    pub tmux: Option<TmuxWish>,
    /// A git worktree of its own.
    pub worktree: Option<WorktreeWish>,
    /// Labels.
    pub tags: Vec<String>,
    /// Variables, byte for byte.
    pub env: Vec<(OsString, OsString)>,
    /// The user's own notes.
    pub metadata: Map<String, Value>,
    /// From TERM to KILL when it is ended.
    pub grace: Span,
}

/// Where a window is to be.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TmuxWish {
    /// The session; else one that belongs to the state folder.
    pub session: Option<String>,
    /// The server's socket: a name, or a path with a `/`.
    pub socket: Option<String>,
}

impl TmuxWish {
    /// The window of that name that it means, as far as it is known before it is opened.
    pub fn window(&self, home: &Home, name: &str) -> Window {
        Window {
            session: self.session.clone().unwrap_or_else(|| home.session()),
            window: name.to_owned(),
            socket: self.socket.clone(),
            window_id: None,
            pane_id: None,
            made_session: None,
            other: Map::new(),
        }
    }
}

/// The worktree that is wished for.
#[derive(Debug, Clone)]
pub struct WorktreeWish {
    /// Its branch.
    pub branch: String,
    /// Where.
    pub place: TreePlace,
}

/// Where a worktree is to be; absolute.
#[derive(Debug, Clone)]
pub enum TreePlace {
    /// By the worker's name in `<repository>-worktrees`.
    Beside,
    /// By the worker's name in that folder.
    In(PathBuf),
    /// There.
    At(PathBuf),
}

/// A worker that runs.
#[derive(Debug, Clone)]
pub struct Spawned {
    /// What the registry says of it.
    pub entry: Entry,
}

/// What is known before anything is made.
struct Draft {
    id: RunId,
    entry: Entry,
    repository: Option<Repo>,
}

impl Fleet {
    /// Spawns a worker: returns once its program was really executed and the registry says so. On an error everything is
    /// as before; what could not be undone is a warning.
    pub async fn spawn(&self, spawn: &Spawn) -> Result<Spawned> {
        let draft = self.draft(spawn).await?;
        self.start(spawn, draft, &Take::Name).await
    }

    /// The same for a worker that is in the registry and does not run: it stays there, stopped, if it cannot be started.
    pub async fn spawn_again(&self, spawn: &Spawn, before: &Entry) -> Result<Spawned> {
        let mut draft = self.draft(spawn).await?;
        inherit(&mut draft.entry, before);
        self.start(spawn, draft, &Take::Place(before)).await
    }

    /// Checks what can be checked without making anything.
    async fn draft(&self, spawn: &Spawn) -> Result<Draft> {
        if let Some(wish) = &spawn.tmux {
            let version = Server::new(wish.socket.as_deref()).version();
            let failed = |error| Trouble::failed(format!("{NO_WINDOW}: {error}"));
            version.map_err(failed)?;
            wish.session.as_deref().map_or(Ok(()), check_session).map_err(|error| failed(error).kind(Kind::Usage))?;
        }
        let repository = match &spawn.worktree {
            Some(_) => Some(worktree::repository(&spawn.cwd).await.map_err(of_git)?),
            None => None,
        };
        let tree = spawn.worktree.as_ref().zip(repository.as_ref()).map(|(wish, repository)| {
            let path = match &wish.place {
                TreePlace::Beside => worktree::default_folder(repository).join(spawn.name.as_str()),
                TreePlace::In(folder) => folder.join(spawn.name.as_str()),
                TreePlace::At(path) => path.clone(),
            };
            Worktree {
                path,
                branch: wish.branch.clone(),
                base_repo: repository.root.clone(),
                made_branch: None,
                other: Map::new(),
            }
        });
        let cwd = tree.as_ref().map_or(&spawn.cwd, |tree| &tree.path);
        let cwd = cwd.to_str().ok_or_else(|| {
            Trouble::failed(format!("the path {} is not UTF-8", cwd.display())).kind(Kind::Usage).hint("rename it")
        })?;
        let id = run::new_id();
        let entry = Entry {
            name: spawn.name.to_string(),
            status: Standing::Running,
            cmd: spawn.cmd.clone(),
            started: written_time(clock::now().wall, &clock::zone()),
            cwd: cwd.to_owned(),
            env: spawn.env.iter().map(|(name, _)| (name.to_string_lossy().into_owned(), String::new())).collect(),
            tags: spawn.tags.clone(),
            tmux: spawn.tmux.as_ref().map(|wish| wish.window(&self.home, spawn.name.as_str())),
            worktree: tree,
            pid: None,
            metadata: spawn.metadata.clone(),
            run: Some(id.clone()),
            shim: None,
            worker: None,
            ended: None,
            other: Map::new(),
        };
        Ok(Draft { id, entry, repository })
    }

    /// From the draft to the running worker.
    async fn start(&self, spawn: &Spawn, draft: Draft, take: &Take<'_>) -> Result<Spawned> {
        let mut signals = Signals::listen()?;
        let folder = self.home.worker(&draft.id);
        // Until all is done or undone nobody else takes the run for one whose spawn died.
        let MadeRun { lock: _lock, journal, plan } = self.make_run(spawn, &draft, &folder, take)?;
        if let Err(trouble) = self.reserve(&draft.entry, take) {
            // It may stand there all the same: what failed may have been to make it last. What cannot be given back now is
            // found by the next command.
            let _ = self.release(&draft.entry, take);
            undo::remove_run(&folder);
            return Err(trouble);
        }
        let logs = self.home.worker_logs(&spawn.name);
        let new_logs: Vec<PathBuf> = logs.all().into_iter().filter(|log| !log.exists()).collect();
        let solo = Solo { folder: &folder, run: &draft.id, plan: &plan, logs: logs.clone() };
        let begun = self.begin(spawn, &draft, &solo, journal, &mut signals).await;
        match begun {
            Ok(spawned) => Ok(spawned),
            Err(trouble) => {
                self.warn("spawn failed, cleaning up partial state".to_owned());
                let left = undo::died(&folder, Some(&logs)).await.into_iter().chain(undo::remove_logs(&new_logs));
                left.for_each(|left| self.warn(left));
                if let Err(error) = self.release(&draft.entry, take) {
                    self.warn(format!("worker '{}' is left in the registry ({error}); try `swarm ls`", spawn.name));
                } else {
                    undo::remove_run(&folder);
                }
                Err(trouble)
            }
        }
    }

    /// The run's folder, locked: whoever finds it knows that somebody is at work.
    fn make_run(&self, spawn: &Spawn, draft: &Draft, folder: &RunFolder, take: &Take<'_>) -> Result<MadeRun> {
        self.home.create().map_err(|error| {
            Trouble::of_io(format!("cannot make the state folder {}", self.home.root().display()), &error)
                .kind(Kind::CannotWrite)
                .hint("set SWARM_HOME to a folder that can be written")
        })?;
        let before = match take {
            Take::Name => None,
            Take::Place(before) => Some((*before).clone()),
        };
        let plan = WorkerPlan { before, ..WorkerPlan::new(draft.entry.clone(), spawn.grace) };
        let record = RunRecord {
            schema: run::SCHEMA,
            id: draft.id.clone(),
            name: draft.entry.name.clone(),
            tree: draft.entry.cwd.clone().into(),
            share_tree: true,
            folder: draft.entry.cwd.clone().into(),
            created: clock::now().wall,
            settings: serde_json::to_value(&plan).map_err(|error| Trouble::failed(error.to_string()))?,
        };
        let made = || {
            // First: the record makes it a run, and all names in its folder durable.
            environment::keep(&folder.environment(), &spawn.env)?;
            folder.create(&record)
        };
        let locked = made().map_err(|error: std::io::Error| {
            Trouble::of_io(format!("cannot write the run's folder {}", folder.path().display()), &error)
                .while_doing("failed to save state")
        });
        let locked = locked.and_then(|journal| {
            let lock = self.try_lock(folder, "spawning it")?;
            let lock = lock.ok_or_else(|| Trouble::failed("somebody else holds a run that was just made"))?;
            Ok(MadeRun { lock, journal, plan })
        });
        locked.inspect_err(|_| undo::remove_run(folder))
    }

    /// One lock from check to add.
    fn reserve(&self, entry: &Entry, take: &Take<'_>) -> Result<()> {
        let reserved = self.update(|state| match take {
            Take::Name => state.insert(entry.clone()),
            Take::Place(before) => match state.find_mut(&before.name) {
                Some(place) if place.is_same_life(before) && place.status == Standing::Stopped => {
                    *place = entry.clone();
                    true
                }
                _ => false,
            },
        });
        let reserved = reserved.map_err(|trouble| trouble.while_doing("failed to save state"))?;
        failpoint::hit("spawn-reserved").map_err(|error| Trouble::of_io("failed to save state", &error))?;
        match (reserved, take) {
            (true, _) => Ok(()),
            (false, Take::Name) => Err(already_exists(&entry.name)),
            (false, Take::Place(_)) => Err(changed(&entry.name)),
        }
    }

    /// The reservation is given back.
    fn release(&self, entry: &Entry, take: &Take<'_>) -> Result<()> {
        self.update(|state| {
            let ours = state.find(&entry.name).is_some_and(|now| now.run == entry.run);
            match take {
                Take::Name if ours => _ = state.remove(&entry.name),
                Take::Place(before) if ours => {
                    if let Some(place) = state.find_mut(&entry.name) {
                        (*before).clone_into(place);
                    }
                }
                _ => {}
            }
        })
    }

    /// The steps that can be undone.
    async fn begin(
        &self,
        spawn: &Spawn,
        draft: &Draft,
        solo: &Solo<'_>,
        journal: FileJournal,
        signals: &mut Signals,
    ) -> Result<Spawned> {
        let mut entry = draft.entry.clone();
        if let (Some(tree), Some(repository)) = (&mut entry.worktree, &draft.repository) {
            let added = signals.interrupt(add_worktree(repository, tree, solo.folder)).await?;
            tree.made_branch = Some(tree.made_branch.unwrap_or(false) || added.made.branch.is_some());
        }
        let at = |error: std::io::Error| Trouble::of_io("failed to spawn process", &error);
        let env = environment::changes(spawn.name.as_str(), &draft.id, &spawn.env).map_err(at)?;
        let spot = entry.tmux.as_ref().map(|window| spot(window, &draft.id, &entry, &solo.logs));
        let launched = solo.launch(journal, env, spot, signals).await;
        let launched = launched.inspect_err(|why| {
            if entry.tmux.is_some() && !is_of_window(why) {
                undo::await_pane_log(&solo.logs);
            }
        });
        let launched = launched.map_err(not_launched)?;
        super::rebuild::fill_in(&mut entry, &launched.handle);
        if let (Some(window), Some(opened)) = (&mut entry.tmux, &launched.window) {
            know(window, opened);
        }
        if let Err(trouble) = self.record(&entry) {
            // Nobody would know it. It goes as hard as it must: it has just begun.
            if let Err(error) = solo.finish(Some(Span::ZERO)).await {
                self.warn(format!("worker '{}' could not be ended: {error}", spawn.name));
            }
            if entry.tmux.is_some() {
                undo::await_pane_log(&solo.logs);
            }
            return Err(trouble.while_doing("failed to save state"));
        }
        undo::keep(solo.folder);
        Ok(Spawned { entry })
    }

    /// The registry gets what is known of the running worker.
    fn record(&self, entry: &Entry) -> Result<()> {
        failpoint::hit("spawn-launched").map_err(|error| Trouble::of_io("the registry", &error))?;
        self.update(|state| {
            if let Some(place) = state.find_mut(&entry.name).filter(|now| now.run == entry.run) {
                place.clone_from(entry);
            }
        })?;
        failpoint::hit("spawn-recorded").map_err(|error| Trouble::of_io("the registry", &error))
    }
}

/// What a worker that is started again keeps of its entry beside what makes it: what other versions wrote there, and whose
/// branch it works on.
fn inherit(entry: &mut Entry, before: &Entry) {
    entry.other.clone_from(&before.other);
    if let (Some(window), Some(before)) = (&mut entry.tmux, &before.tmux) {
        window.other.clone_from(&before.other);
    }
    if let (Some(tree), Some(before)) = (&mut entry.worktree, &before.worktree) {
        tree.other.clone_from(&before.other);
        tree.made_branch = before.made_branch;
    }
}

/// Which place in the registry a spawn takes.
enum Take<'a> {
    /// A name that is free.
    Name,
    /// That of a stopped worker.
    Place(&'a Entry),
}

/// A run's folder that was just made, and is ours.
struct MadeRun {
    lock: Lock,
    journal: FileJournal,
    plan: WorkerPlan,
}

async fn add_worktree(repository: &Repo, tree: &Worktree, run: &RunFolder) -> Result<worktree::Added> {
    let failed = |error| of_git(error).while_doing("failed to create worktree");
    let planned = worktree::plan(repository, &tree.path, &tree.branch).await.map_err(failed)?;
    Intent { repository: repository.here.clone(), planned }.note(run)?;
    let mut added = worktree::Added::nothing(&tree.path, &tree.branch);
    worktree::add(repository, &mut added).await.map_err(failed)?;
    failpoint::hit("spawn-worktree-added").map_err(|error| Trouble::of_io("failed to create worktree", &error))?;
    Ok(added)
}

fn spot(window: &Window, id: &RunId, entry: &Entry, logs: &WorkerLogs) -> Spot {
    Spot {
        server: Server::new(window.socket.as_deref()),
        session: window.session.clone(),
        window: window.window.clone(),
        worker: entry.name.clone(),
        run: id.0.clone(),
        pane_log: Some(logs.out()),
        cwd: entry.cwd.clone().into(),
    }
}

fn know(window: &mut Window, opened: &Opened) {
    window.window_id = Some(opened.window_id.clone());
    window.pane_id = Some(opened.pane_id.clone());
    window.made_session = Some(opened.made_session);
}

/// How the error of a window that could not be opened begins.
const NO_WINDOW: &str = "failed to create tmux window";

fn is_of_window(why: &NotLaunched) -> bool {
    matches!(why, NotLaunched::Failed(error) if error.starts_with(NO_WINDOW))
}

fn not_launched(why: NotLaunched) -> Trouble {
    let what = "failed to spawn process";
    match why {
        NotLaunched::Failed(error) if error.starts_with(NO_WINDOW) => Trouble::failed(error),
        NotLaunched::Failed(error) => {
            let trouble = Trouble::failed(format!("{what}: {error}"));
            match why_not_executed(&error) {
                Some(hint) => trouble.hint(hint),
                None => trouble,
            }
        }
        NotLaunched::CannotWrite(error) => Trouble::of_io("failed to save state", &error).kind(Kind::CannotWrite),
        NotLaunched::Interrupted(signal) => interrupted(signal),
        NotLaunched::Lost(error) => Trouble::of_io(what, &error),
    }
}

/// What the kernel's words mean for a program that is to be executed.
fn why_not_executed(error: &str) -> Option<&'static str> {
    const HINTS: [(&str, &str); 3] = [
        (
            ": No such file or directory",
            "it must be on the PATH here, or a path; of a script also the program behind #! must exist",
        ),
        (": Permission denied", "it must be a file that may be executed: chmod +x"),
        (": Exec format error", "a script needs a first line like #!/bin/sh"),
    ];
    HINTS
        .into_iter()
        .find(|(words, _)| error.starts_with("cannot start ") && error.ends_with(words))
        .map(|(_, hint)| hint)
}

fn already_exists(name: &str) -> Trouble {
    Trouble::failed(format!("worker '{name}' already exists")).hint(format!(
        "`swarm status {name}` shows it; `swarm respawn {name}` starts it again; `swarm clean {name}` frees the name"
    ))
}

/// An error of git in our words.
pub(super) fn of_git(error: worktree::GitError) -> Trouble {
    let trouble = Trouble::failed(error.to_string());
    match error {
        worktree::GitError::Unsaved { .. } => {
            trouble.hint("commit, merge or push it, or give --force-dirty to lose it")
        }
        worktree::GitError::NoRepository { .. } => trouble.hint("change into one, or leave --worktree out"),
        _ => trouble,
    }
}
