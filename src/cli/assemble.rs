//! Puts a supervisor together: the real world behind the driver's seams.

use super::audience::RealAudience;
use super::error::{Error, Result};
use super::loop_settings::LoopSettings;
use super::{loop_window, runs};
use crate::driver::orders::RealOrders;
use crate::driver::real::{FactsFile, RealClock};
use crate::driver::recover::{self, Known};
use crate::driver::seams::Order;
use crate::driver::{Driver, Outcome, Parts, control};
use crate::engine::{Ask, Board, Input, LoopPlan, Stamped};
use crate::host::{clock, process};
use crate::journal::{FileJournal, RunFolder, RunRecord};
use crate::model::RunEnding;
use crate::runtime::process::{ProcessRuntime, live_attempts};
use std::io;

/// How the supervisor begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum First {
    /// A new run.
    Begin,
    /// Goes on with a run.
    Resume,
    /// Takes a run over only to end it: what lives is stopped, what ended is recorded.
    Close,
}

/// Supervises a run until it is over; `None` when the operator left it.
pub(super) fn supervise(
    first: First,
    folder: &RunFolder,
    record: &RunRecord,
    journal: FileJournal,
    facts: Vec<Stamped>,
    warnings: &[String],
) -> Result<Option<RunEnding>> {
    let settings: LoopSettings = serde_json::from_value(record.settings.clone()).map_err(|error| {
        Error::failed(format!("the settings of run {} cannot be read: {error}", record.id)).hint("start a new run")
    })?;
    block_on(async {
        let outcome = drive(first, folder, record, &settings, journal, facts, warnings).await?;
        match outcome {
            Outcome::Finished(ending) => Ok(Some(ending)),
            Outcome::Left => Ok(None),
            Outcome::CannotWrite(error) => {
                Err(Error::cannot_write(format!("cannot write the journal {}: {error}", folder.journal().display()))
                    .hint("make room there, then `swarm loop --resume`"))
            }
            Outcome::CannotFollow(attempt, error) => {
                Err(Error::failed(format!("cannot find out what became of iteration {}: {error}", attempt.number))
                    .hint("its agent, if it lives, was left alone; `swarm loop --resume` looks again"))
            }
        }
    })?
}

async fn drive(
    first: First,
    folder: &RunFolder,
    record: &RunRecord,
    settings: &LoopSettings,
    journal: FileJournal,
    facts: Vec<Stamped>,
    warnings: &[String],
) -> Result<Outcome> {
    let mut journal = FactsFile::new(journal);
    let failed = |what: &str, error: io::Error| Error::failed(format!("cannot {what}: {error}"));
    let boot_id = process::boot_id().map_err(|error| failed("read the boot id", error))?.to_owned();
    let (input, board) = match first {
        First::Begin => {
            (Input::Begin { run: record.id.clone(), policy: settings.policy.clone(), boot_id }, Board::default())
        }
        First::Resume | First::Close => {
            let board = put_back(folder, record, settings, &mut journal, facts, &boot_id)?;
            (Input::Resume { boot_id }, board)
        }
    };
    let close = Order::Ask(Ask::Stop { signal: nix::libc::SIGTERM, at_once: true });
    let listener = control::bind(folder.path(), RunFolder::socket_name());
    let listener = listener.inspect_err(|error| tracing::warn!(%error, "no control socket")).ok();
    let window = loop_window::of(&runs::home()?, record);
    let mut audience = RealAudience::new(record, settings, &settings.rule()?);
    if first == First::Begin {
        audience.banner(record, settings, window.as_ref(), warnings);
    }
    let runtime = match &window {
        Some(window) => ProcessRuntime::in_window(folder.path(), loop_window::spot(window, record)),
        None => ProcessRuntime::new(folder.path()),
    };
    let parts = Parts {
        runtime: runtime.map_err(|error| failed("set up the runtime", error))?,
        journal,
        clock: RealClock::new().map_err(|error| failed("make a timer", error))?,
        workspace: super::workspace::build(folder, record, settings)?,
        audience,
        orders: RealOrders::new(listener, (first == First::Close).then_some(close))
            .map_err(|error| failed("listen for signals", error))?,
    };
    let mut driver = Driver::new(LoopPlan, board, parts);
    let outcome = driver.run(input).await;
    match &outcome {
        Outcome::Finished(_) => {}
        Outcome::Left => driver
            .audience()
            .last_word(&format!("left; the agent goes on. `swarm loop --resume {}` takes it over again", record.name)),
        Outcome::CannotWrite(error) => {
            driver
                .audience()
                .last_word(&format!("the journal cannot be written: {error}; an agent that was followed was ended"));
        }
        Outcome::CannotFollow(attempt, error) => {
            let number = attempt.number;
            driver.audience().last_word(&format!("cannot find out what became of iteration {number}: {error}"));
        }
    }
    driver.audience().finish().await;
    Ok(outcome)
}

/// The board of a run that is taken over, with what its journal forgot put back and made durable.
fn put_back(
    folder: &RunFolder,
    record: &RunRecord,
    settings: &LoopSettings,
    journal: &mut FactsFile,
    facts: Vec<Stamped>,
    boot_id: &str,
) -> Result<Board> {
    let mut board = Board::replay(&facts);
    let live = live_attempts(folder.path())
        .map_err(|error| Error::failed(format!("cannot look for workers of {}: {error}", folder.path().display())))?;
    let known = Known { run: &record.id, task: LoopPlan::task(), policy: &settings.policy, boot_id, live: &live };
    let missing = recover::missing(&board, &known, clock::now());
    if missing.is_empty() {
        return Ok(board);
    }
    super::print::warning(&format!("{} facts that the journal forgot are put back from what lives", missing.len()));
    journal.write(&missing).map_err(|error| {
        Error::cannot_write(format!("cannot write the journal {}: {error}", folder.journal().display()))
    })?;
    missing.iter().for_each(|fact| board.apply(fact));
    Ok(board)
}

/// Runs a future on a tokio runtime of this thread.
pub(super) fn block_on<T>(future: impl Future<Output = T>) -> Result<T> {
    // tokio panics where it cannot open what it needs to hear of signals.
    let room = crate::host::limits::room_for_files(EVENT_LOOP_FILES);
    let runtime = room.and_then(|()| tokio::runtime::Builder::new_current_thread().enable_all().build());
    let runtime = runtime.map_err(|error| {
        Error::failed(format!("cannot start the event loop: {error}"))
            .hint("raise the limit of open files: ulimit -n 256")
    })?;
    Ok(runtime.block_on(future))
}

/// More files than an event loop opens, and a little for what is done in it.
const EVENT_LOOP_FILES: usize = 16;
