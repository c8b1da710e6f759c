//! What a damaged journal forgot, put back from what lives: a run without its first fact gets it from its record, and a
//! worker that nobody knows of gets the fact that opens it. After that, taking the run over is the same as ever.

use crate::engine::{Board, Fact, Policy, Stamped};
use crate::model::{AttemptId, Now, RunId, Survey, TaskId};
use crate::runtime::process::LiveAttempt;

/// What is known beside the journal.
#[derive(Debug)]
pub struct Known<'a> {
    /// The run.
    pub run: &'a RunId,
    /// What its attempts work on.
    pub task: TaskId,
    /// Its rules.
    pub policy: &'a Policy,
    /// This boot.
    pub boot_id: &'a str,
    /// Attempts whose shim lives.
    pub live: &'a [LiveAttempt],
}

/// The facts that are missing from a journal that folds to `board`; none for an undamaged one.
pub fn missing(board: &Board, known: &Known, now: Now) -> Vec<Stamped> {
    let opened = board.run.is_none().then(|| Fact::RunOpened {
        version: crate::engine::fact::VERSION,
        run: known.run.clone(),
        policy: known.policy.clone(),
        boot_id: known.boot_id.to_owned(),
    });
    let attempts = known.live.iter().filter_map(|live| {
        let attempt =
            AttemptId { run: known.run.clone(), task: known.task.clone(), number: live.number, tries: live.tries };
        let forgotten = !board.open.contains_key(&attempt);
        let started = live.started.as_ref()?;
        let (log, raw_from) = (log_number(&started.out), started.out_from);
        // The words of an earlier try in the same text log are not told apart any more: they are written anew from this
        // try's bytes, and stay in the raw log.
        let survey = Survey::default();
        forgotten.then_some(Fact::AttemptOpened { attempt, log, raw_from, text_from: 0, survey, budget: None })
    });
    let facts = opened.into_iter().chain(attempts);
    (board.facts..).zip(facts).map(|(seq, fact)| Stamped { seq, now, fact }).collect()
}

/// The number in `iteration-<number>.log.raw`; 0 for a log that is not numbered.
fn log_number(out: &str) -> u32 {
    let number = out.strip_prefix("iteration-").and_then(|rest| rest.strip_suffix(".log.raw"));
    number.and_then(|number| number.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::record::Started;
    use crate::model::ProcessId;

    #[test]
    fn an_empty_journal_gets_its_run_and_its_living_worker_back() {
        let shim = ProcessId { pid: 5, start_time: 6, boot_id: "b".into() };
        let started = Some(Started { shim, out_from: 40, out: "iteration-7.log.raw".into() });
        let live = [LiveAttempt { number: 3, tries: 2, handle: None, started }];
        let (run, policy) = (RunId("r".into()), Policy::default());
        let known = Known { run: &run, task: TaskId("loop".into()), policy: &policy, boot_id: "b", live: &live };
        let facts = missing(&Board::default(), &known, Now::default());
        let board = Board::replay(&facts);
        let open = board.open.values().next().unwrap();
        assert_eq!((open.attempt.number, open.attempt.tries, open.log, open.raw_from), (3, 2, 7, 40));
        assert_eq!(board.tally.iteration, 3);
        assert!(missing(&board, &known, Now::default()).is_empty());
    }
}
