//! The supervisor of one worker, for as long as somebody has something to do with it: it launches the worker and leaves,
//! or takes it over to judge its end, or to end it. In between nobody supervises; the shim keeps the evidence.

use super::environment::Change;
use super::plan::WorkerPlan;
use super::rebuild;
use super::signals::{Signals, UntilLaunched};
use super::work::WorkerSpace;
use crate::driver::real::{FactsFile, RealClock};
use crate::driver::recover::{self, Known};
use crate::driver::seams::{Audience, Order, Orders};
use crate::driver::{Driver, Outcome, Parts};
use crate::engine::{Ask, Board, Fact, Input, SoloPlan, Stamped, board::Open};
use crate::host::{clock, process};
use crate::journal::{FileJournal, RunFolder, WorkerLogs};
use crate::model::{AttemptId, Ending, Exit, Handle, RunEnding, RunId, Sign, Span, Status, WorkerEnd};
use crate::runtime::process::{ProcessRuntime, Spot, Standing, live_attempts};
use crate::runtime::tmux::Opened;
use nix::sys::signal::Signal;
use std::io;
use std::rc::Rc;
use tokio::sync::Notify;

/// One worker and its run.
#[derive(Debug)]
pub(super) struct Solo<'a> {
    /// The run's folder; the caller holds its lock.
    pub(super) folder: &'a RunFolder,
    pub(super) run: &'a RunId,
    pub(super) plan: &'a WorkerPlan,
    pub(super) logs: WorkerLogs,
}

/// A worker that runs.
#[derive(Debug)]
pub(super) struct Launched {
    pub(super) handle: Handle,
    /// Its window, if it has one.
    pub(super) window: Option<Opened>,
}

/// Why there is none.
#[derive(Debug)]
pub(super) enum NotLaunched {
    /// The program cannot be started.
    Failed(String),
    /// The journal cannot be written.
    CannotWrite(io::Error),
    /// A signal came first; its number.
    Interrupted(i32),
    /// It ran, and ended, before anybody knew that it did; or it cannot be found out.
    Lost(io::Error),
}

impl Solo<'_> {
    /// Launches the worker into an empty `journal`, in the window `spot` if there is one, and leaves it.
    pub(super) async fn launch(
        &self,
        journal: FileJournal,
        env: Vec<Change>,
        spot: Option<Spot>,
        signals: &mut Signals,
    ) -> Result<Launched, NotLaunched> {
        let lost = NotLaunched::Lost;
        let launched = Rc::new(Notify::new());
        let runtime = match spot {
            Some(spot) => ProcessRuntime::in_window(self.folder.path(), spot),
            None => ProcessRuntime::new(self.folder.path()),
        };
        let parts = Parts {
            runtime: runtime.map_err(lost)?,
            journal: FactsFile::new(journal),
            clock: RealClock::new().map_err(lost)?,
            workspace: self.space(Some(env)).map_err(lost)?,
            audience: Witness { launched: Some(launched.clone()), handle: None },
            orders: UntilLaunched::new(&mut *signals, launched),
        };
        let mut driver = Driver::new(SoloPlan, Board::default(), parts);
        let boot_id = process::boot_id().map_err(lost)?.to_owned();
        let begin = Input::Begin { run: self.run.clone(), policy: self.plan.policy.clone(), boot_id };
        let outcome = driver.run(begin).await;
        let (handle, window) = (driver.audience().handle.take(), driver.runtime().opened().cloned());
        drop(driver);
        match outcome {
            // Also one that has ended by now: it was launched, and what became of it is recorded.
            Outcome::Left | Outcome::Finished(RunEnding::WorkerEnded) => {
                let handle = handle.ok_or_else(|| lost(io::Error::other("it was left before it was launched")))?;
                // Nobody listened while tmux was asked.
                match signals.missed().await {
                    None => Ok(Launched { handle, window }),
                    Some(signal) => {
                        self.finish(Some(self.plan.policy.grace)).await.map_err(lost)?;
                        Err(NotLaunched::Interrupted(signal))
                    }
                }
            }
            Outcome::Finished(RunEnding::CannotLaunch { error }) => Err(NotLaunched::Failed(error)),
            Outcome::Finished(RunEnding::Stopped { signal }) => Err(NotLaunched::Interrupted(signal)),
            Outcome::Finished(ending) => Err(lost(io::Error::other(format!("it ended at once: {ending:?}")))),
            Outcome::CannotWrite(error) => Err(NotLaunched::CannotWrite(error)),
            Outcome::CannotFollow(_, error) => Err(lost(error)),
        }
    }

    /// Takes the worker over until its end is judged and recorded. `stop` ends it: TERM, so long a grace, KILL.
    pub(super) async fn finish(&self, stop: Option<Span>) -> io::Result<WorkerEnd> {
        let (journal, replay) = FileJournal::open(&self.folder.journal())?;
        let facts: Vec<Stamped> = replay.lines.iter().filter_map(|line| serde_json::from_str(line).ok()).collect();
        let mut board = Board::replay(&facts);
        if let Some(end) = end_of(&board).filter(|_| board.finished.is_some()) {
            return Ok(end);
        }
        if end_of(&board).is_none() && rebuild::stands(self.folder) == Standing::Never {
            // It was started once, and its record is lost. The engine would take it for one to be started yet.
            let exit = Exit::plain(Status::Lost);
            return Ok(WorkerEnd { exit, ending: Ending::Lost, at: clock::now().wall });
        }
        let mut journal = FactsFile::new(journal);
        let boot_id = process::boot_id()?.to_owned();
        self.put_back(&mut board, &mut journal, &boot_id)?;
        if let (Some(run), Some(grace)) = (&mut board.run, stop) {
            run.policy.grace = grace;
        }
        let parts = Parts {
            runtime: ProcessRuntime::to_the_end(self.folder.path())?,
            journal,
            clock: RealClock::new()?,
            workspace: self.space(None)?,
            audience: Witness { launched: None, handle: None },
            orders: Nobody,
        };
        let mut driver = Driver::new(SoloPlan, board, parts);
        if stop.is_some() {
            driver.then(Input::Asked(Ask::Stop { signal: Signal::SIGTERM as i32, at_once: true }));
        }
        match driver.run(Input::Resume { boot_id }).await {
            Outcome::Finished(_) | Outcome::Left => {
                end_of(driver.board()).ok_or_else(|| io::Error::other("its end is not recorded"))
            }
            Outcome::CannotWrite(error) | Outcome::CannotFollow(_, error) => Err(error),
        }
    }

    fn space(&self, env: Option<Vec<Change>>) -> io::Result<WorkerSpace> {
        WorkerSpace::new(self.plan.clone(), self.logs.clone(), env)
    }

    /// What a damaged journal forgot.
    fn put_back(&self, board: &mut Board, journal: &mut FactsFile, boot_id: &str) -> io::Result<()> {
        let live = live_attempts(self.folder.path())?;
        let policy = &self.plan.policy;
        let known = Known { run: self.run, task: SoloPlan::task(), policy, boot_id, live: &live };
        let missing = recover::missing(board, &known, clock::now());
        if !missing.is_empty() {
            journal.write(&missing)?;
            missing.iter().for_each(|fact| board.apply(fact));
        }
        Ok(())
    }
}

/// How the worker of that board ended.
fn end_of(board: &Board) -> Option<WorkerEnd> {
    let last = board.last.as_ref()?;
    let exit = last.exit.clone().unwrap_or_else(|| Exit::plain(Status::Lost));
    Some(WorkerEnd { exit, ending: last.ending.clone(), at: last.at.wall })
}

/// Nobody is told of a single worker's facts; who launches it waits for one of them.
struct Witness {
    launched: Option<Rc<Notify>>,
    /// Where it was launched.
    handle: Option<Handle>,
}

impl Audience for Witness {
    fn opened(&mut self, _open: &Open, _adopted: bool) {}

    fn heard(&mut self, _attempt: &AttemptId, _signs: &[Sign]) {}

    fn closed(&mut self, _attempt: &AttemptId) {}

    fn facts(&mut self, _board: &Board, facts: &[Stamped]) {
        for stamped in facts {
            if let Fact::AttemptLaunched { handle, .. } = &stamped.fact {
                self.handle = Some(handle.clone());
                self.launched.iter().for_each(|launched| launched.notify_one());
            }
        }
    }
}

/// Nobody commands.
struct Nobody;

impl Orders for Nobody {
    async fn next(&mut self) -> Order {
        std::future::pending().await
    }
}
