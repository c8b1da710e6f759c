//! What the registry says, held against what is real: one pass over the workers' records, and one tmux call a server,
//! however many workers there are. Nothing is written unless something differs.

use super::rebuild::{fill_in, is_held, stands};
use super::solo::Solo;
use super::{Fleet, Result, Trouble, WorkerPlan, stranger, undo};
use crate::engine::{Board, Stamped};
use crate::host::process::{self, PidFd};
use crate::host::{clock, lock};
use crate::journal::{FileJournal, Home, RunFolder};
use crate::model::{Ending, Entry, Exit, ProcessId, RunId, Standing as Noted, Status, WorkerEnd};
use crate::runtime::process::{self as processes, Standing};
use crate::runtime::tmux::{self, Pane, PaneLog, Server, TmuxError};
use std::collections::BTreeMap;

/// What a worker is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Life {
    /// Somebody is just starting it.
    Starting,
    /// It runs.
    Running,
    /// It has ended, and its end is not judged yet.
    Over(Exit),
    /// It has ended.
    Stopped,
    /// Whoever began to spawn it died before it lived.
    Unborn,
}

/// One worker as it is.
#[derive(Debug, Clone)]
pub struct Sight {
    /// What the registry says, put right where it differed.
    pub entry: Entry,
    /// What it is doing.
    pub life: Life,
    /// Its pane, if it has a living one.
    pub pane: Option<Pane>,
    /// The registry must be told.
    differs: bool,
}

impl Sight {
    /// Does it run, or is it about to?
    pub fn is_live(&self) -> bool {
        matches!(self.life, Life::Starting | Life::Running)
    }

    /// Is its window not written into its log any more, because somebody closed or killed what does that?
    fn has_lost_its_log(&self) -> bool {
        self.life == Life::Running && self.entry.run.is_some() && self.pane.as_ref().is_some_and(|pane| !pane.pipe)
    }

    /// The process whose end is the worker's end, to be waited for: its shim; of one that is just starting, who starts it.
    /// `None` when it has ended meanwhile.
    pub fn hold(&self, home: &Home) -> std::io::Result<Option<PidFd>> {
        let entry = &self.entry;
        match (&self.life, &entry.run) {
            (Life::Starting, Some(run)) => match lock::holder(&home.worker(run).lock())? {
                Some(spawner) => PidFd::open(&spawner.process),
                None => Ok(None),
            },
            (Life::Running, Some(_)) => entry.shim.as_ref().map_or(Ok(None), PidFd::open),
            (Life::Running, None) => {
                let pane = self.pane.as_ref().and_then(|pane| process::identify(pane.pane_pid).ok());
                pane.or_else(|| stranger::process(entry)).as_ref().map_or(Ok(None), PidFd::open)
            }
            _ => Ok(None),
        }
    }

    /// How it ended, as far as it is known.
    pub fn end(&self) -> Option<(Exit, Option<Ending>)> {
        match (&self.entry.ended, &self.life) {
            (Some(end), _) => Some((end.exit.clone(), Some(end.ending.clone()))),
            (None, Life::Over(exit)) => Some((exit.clone(), None)),
            _ => None,
        }
    }
}

/// All workers as they are.
#[derive(Debug, Default)]
pub struct View {
    /// In the order of the registry.
    pub sights: Vec<Sight>,
    /// Runs that are nobody's.
    strays: Vec<RunFolder>,
}

impl View {
    /// The worker of that name.
    pub fn find(&self, name: &str) -> Option<&Sight> {
        self.sights.iter().find(|sight| sight.entry.name == name)
    }

    /// Does the registry say the same already?
    pub fn is_settled(&self) -> bool {
        let differs = |sight: &Sight| {
            sight.differs || sight.has_lost_its_log() || matches!(sight.life, Life::Over(_) | Life::Unborn)
        };
        self.strays.is_empty() && !self.sights.iter().any(differs)
    }
}

/// The panes of all servers that are asked for.
type Panes = BTreeMap<Option<String>, Vec<Pane>>;

impl Fleet {
    /// Looks at all workers. Writes only to put a damaged registry right.
    pub fn look(&self) -> Result<View> {
        let reading = self.registry.read()?;
        let gone = reading.state.workers.is_empty() && self.is_registry_gone();
        let state = match reading.damage {
            None if !gone => reading.state,
            _ => self.update(|state| state.clone())?,
        };
        let (panes, strays) = (self.panes(&state.workers), self.strays(&state.workers));
        Ok(View { sights: state.workers.into_iter().map(|entry| self.sight(entry, &panes)).collect(), strays })
    }

    /// The panes of the servers that running workers are in, one call each.
    fn panes(&self, workers: &[Entry]) -> Panes {
        let running = workers.iter().filter(|entry| entry.status == Noted::Running);
        let mut panes = Panes::new();
        for window in running.filter_map(|entry| entry.tmux.as_ref()) {
            panes.entry(window.socket.clone()).or_insert_with(|| {
                let listed = Server::new(window.socket.as_deref()).panes();
                listed.unwrap_or_else(|error| {
                    self.warn(format!("cannot ask tmux for its windows: {error}"));
                    Vec::new()
                })
            });
        }
        panes
    }

    fn sight(&self, entry: Entry, panes: &Panes) -> Sight {
        if entry.status == Noted::Stopped {
            return Sight { entry, life: Life::Stopped, pane: None, differs: false };
        }
        let panes = entry.tmux.as_ref().and_then(|window| panes.get(&window.socket)).map_or(&[][..], Vec::as_slice);
        match entry.run.clone() {
            Some(run) => ours(entry, &self.home.worker(&run), panes),
            None => strange(entry, panes),
        }
    }

    /// Judges and records the ends that nobody saw, undoes spawns that died, and tells the registry what differed. What
    /// somebody else is busy with is left to them.
    pub async fn settle(&self, mut view: View) -> Result<View> {
        let mut unborn = Vec::new();
        for sight in view.sights.iter_mut() {
            let settled = match sight.life.clone() {
                Life::Over(_) => self.settle_end(sight).await,
                Life::Unborn => self.settle_unborn(sight).await.map(|is_gone| {
                    if is_gone {
                        unborn.push(sight.entry.name.clone());
                    }
                }),
                Life::Starting | Life::Running | Life::Stopped => Ok(()),
            };
            if let Err(trouble) = settled {
                self.warn(format!("worker '{}': {trouble}", sight.entry.name));
            }
        }
        view.sights.retain(|sight| !unborn.contains(&sight.entry.name));
        view.sights.iter().filter(|sight| sight.has_lost_its_log()).for_each(|sight| self.log_again(sight));
        let told = self.tell(&view.sights).and_then(|()| self.sweep(std::mem::take(&mut view.strays)));
        if let Err(trouble) = told {
            // What is shown is right all the same, and the next command tries again.
            self.warn(trouble.message);
        }
        Ok(view)
    }

    async fn settle_end(&self, sight: &mut Sight) -> Result<()> {
        let Some(run) = sight.entry.run.clone() else {
            sight.life = Life::Stopped;
            return Ok(());
        };
        let end = match self.home.worker(&run).path().is_dir() {
            true => match self.judge(&sight.entry, &run).await? {
                Some(end) => end,
                // Somebody else is at it.
                None => return Ok(()),
            },
            // Somebody removed its run: nobody will ever know more.
            false => WorkerEnd { exit: LOST, ending: Ending::Lost, at: clock::now().wall },
        };
        sight.entry.status = Noted::Stopped;
        sight.entry.ended = Some(end);
        (sight.life, sight.differs) = (Life::Stopped, true);
        Ok(())
    }

    /// Judges the end of a worker and records it in its run; `None` if somebody else is at it.
    async fn judge(&self, entry: &Entry, run: &RunId) -> Result<Option<WorkerEnd>> {
        let (folder, plan) = self.run(entry, run);
        let Some(_lock) = self.try_lock(&folder, "judging its end")? else { return Ok(None) };
        let logs = self.logs(entry).ok_or_else(|| super::not_found(&entry.name))?;
        let solo = Solo { folder: &folder, run, plan: &plan, logs };
        let end = solo.finish(None).await;
        end.map(Some).map_err(|error| Trouble::of_io("its end cannot be recorded", &error))
    }

    /// Undoes a spawn whose command died, unless somebody else is at it. Is the worker gone with that? One that was to be
    /// started again is not: it is as it was before.
    async fn settle_unborn(&self, sight: &mut Sight) -> Result<bool> {
        let Some(run) = sight.entry.run.clone() else { return Ok(false) };
        let folder = self.home.worker(&run);
        let Some(_lock) = self.try_lock(&folder, "undoing a spawn that died")? else { return Ok(false) };
        // Only now it is sure: nobody starts it any more.
        if !matches!(stands(&folder), Standing::Never) {
            return Ok(false);
        }
        let name = sight.entry.name.clone();
        let state = self.registry.read()?.state;
        if state.find(&name).is_none_or(|now| now.run.as_ref() != Some(&run)) {
            // Somebody was faster, and the name may be another worker's by now, with its logs.
            return Ok(true);
        }
        self.warn(format!("the spawn of worker '{name}' died half-way: it is undone"));
        let left = undo::died(&folder, self.logs(&sight.entry).as_ref()).await;
        left.into_iter().for_each(|text| self.warn(text));
        let before = folder.record().and_then(|record| WorkerPlan::of(&record)).ok().and_then(|plan| plan.before);
        self.update(|state| match (state.find_mut(&name).filter(|now| now.run.as_ref() == Some(&run)), &before) {
            (Some(place), Some(before)) => place.clone_from(before),
            (Some(_), None) => _ = state.remove(&name),
            (None, _) => {}
        })?;
        undo::remove_run(&folder);
        if let Some(before) = before {
            *sight = Sight { entry: before, life: Life::Stopped, pane: None, differs: false };
            return Ok(false);
        }
        Ok(true)
    }

    /// Has a window written into its worker's log again.
    fn log_again(&self, sight: &Sight) {
        let (Some(pane), Some(window), Some(logs)) = (&sight.pane, &sight.entry.tmux, self.logs(&sight.entry)) else {
            return;
        };
        let server = Server::new(window.socket.as_deref());
        let again = processes::program()
            .map_err(TmuxError::from)
            .and_then(|program| server.reopen_pipe(&pane.target(), PaneLog { program: &program, log: &logs.out() }));
        let name = &sight.entry.name;
        self.warn(match again {
            Ok(()) => format!("the log of worker '{name}' was cut off for a while; it goes on from here"),
            Err(error) => format!("the log of worker '{name}' is cut off: {error}"),
        });
    }

    /// Tells the registry what differed, unless somebody said something else of it meanwhile.
    fn tell(&self, sights: &[Sight]) -> Result<()> {
        let different: Vec<&Sight> = sights.iter().filter(|sight| sight.differs).collect();
        if different.is_empty() {
            return Ok(());
        }
        self.update(|state| {
            for sight in different {
                let now = state.find_mut(&sight.entry.name);
                // The same life of the same worker: not respawned, not ended meanwhile.
                let same = |now: &&mut Entry| now.is_same_life(&sight.entry) && now.status == Noted::Running;
                if let Some(entry) = now.filter(same) {
                    let seen = sight.entry.clone();
                    entry.status = seen.status;
                    entry.pid = seen.pid;
                    entry.tmux = seen.tmux;
                    entry.shim = seen.shim;
                    entry.worker = seen.worker;
                    entry.ended = seen.ended;
                }
            }
        })
    }
}

/// A worker of ours, by its record.
fn ours(mut entry: Entry, run: &RunFolder, panes: &[Pane]) -> Sight {
    // Most often: it is known, and its record is held. To read that would tell nothing new.
    if entry.shim.is_some() && entry.worker.is_some() && is_held(run) {
        return running(entry, panes, false);
    }
    let before = entry.clone();
    let life = match stands(run) {
        Standing::Alive(handle) => {
            fill_in(&mut entry, &handle);
            let differs = entry != before;
            return running(entry, panes, differs);
        }
        Standing::Starting => Life::Starting,
        standing @ (Standing::Ended(_) | Standing::Gone) => Life::Over(standing.exit().unwrap_or(LOST)),
        Standing::Never => match recorded_end(run) {
            Some(end) => {
                let life = Life::Over(end.exit.clone());
                entry.ended = Some(end);
                life
            }
            None if shim_without_record(&entry, run).is_some() => return running(entry, panes, false),
            // It lived once: what its record said is lost.
            None if entry.worker.is_some() => Life::Over(LOST),
            None if lock::holder(&run.lock()).is_ok_and(|holder| holder.is_none()) => Life::Unborn,
            None => Life::Starting,
        },
    };
    let differs = entry != before;
    Sight { entry, life, pane: None, differs }
}

/// The shim of a worker that lives, though its record is gone: somebody removed that, and with it all that says how it will
/// end. In this order: the end of one whose record was discarded is in its journal.
pub(super) fn shim_without_record<'a>(entry: &'a Entry, run: &RunFolder) -> Option<&'a ProcessId> {
    let shim = entry.shim.as_ref().filter(|_| stands(run) == Standing::Never)?;
    (process::is_alive(shim) && recorded_end(run).is_none()).then_some(shim)
}

/// The pane of a worker of ours: the one whose program is its shim.
fn pane_of<'a>(entry: &Entry, panes: &'a [Pane]) -> Option<&'a Pane> {
    tmux::find(panes, &entry.run.as_ref()?.0, entry.shim.as_ref()?.pid)
}

/// One that runs. A window may be called otherwise by now.
fn running(mut entry: Entry, panes: &[Pane], mut differs: bool) -> Sight {
    let pane = pane_of(&entry, panes);
    if let (Some(window), Some(pane)) = (&mut entry.tmux, pane) {
        let before = (&window.session, &window.window, window.window_id.as_ref(), window.pane_id.as_ref());
        if before != (&pane.session, &pane.window_name, Some(&pane.window_id), Some(&pane.pane_id)) {
            window.session.clone_from(&pane.session);
            window.window.clone_from(&pane.window_name);
            window.window_id = Some(pane.window_id.clone());
            window.pane_id = Some(pane.pane_id.clone());
            differs = true;
        }
    }
    Sight { entry, life: Life::Running, pane: pane.cloned(), differs }
}

/// Gone, and nobody saw how.
const LOST: Exit = Exit { status: Status::Lost, oom: crate::model::Oom::Unknown, left: Vec::new() };

/// The end that a run's journal tells of.
pub(super) fn recorded_end(run: &RunFolder) -> Option<WorkerEnd> {
    let lines = FileJournal::read(&run.journal()).ok()?.lines;
    let facts: Vec<Stamped> = lines.iter().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let board = Board::replay(&facts);
    let last = board.last?;
    let never = matches!(last.ending, Ending::LaunchFailed { .. });
    (!never).then(|| WorkerEnd { exit: last.exit.unwrap_or(LOST), ending: last.ending, at: last.at.wall })
}

/// A worker of the predecessor.
fn strange(mut entry: Entry, panes: &[Pane]) -> Sight {
    let pane = entry.tmux.as_ref().and_then(|window| stranger::pane(window, panes)).cloned();
    let alive = match entry.tmux {
        Some(_) => pane.as_ref().is_some_and(|pane| !pane.dead),
        None => stranger::process(&entry).is_some(),
    };
    if !alive {
        entry.status = Noted::Stopped;
    }
    let life = if alive { Life::Running } else { Life::Stopped };
    Sight { entry, life, pane, differs: !alive }
}
