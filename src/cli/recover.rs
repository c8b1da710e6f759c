//! What a damaged journal forgot, put back from what lives: a run without its first fact gets it from its record, and a
//! worker that nobody knows of gets the fact that opens it. After that, taking the run over is the same as ever.

use crate::engine::{Board, Fact, Policy, Stamped};
use crate::model::{AttemptId, Now, RunId, Survey};
use crate::runtime::process::LiveAttempt;

/// What is known beside the journal.
pub(super) struct Known<'a> {
    /// The run.
    pub(super) run: &'a RunId,
    /// Its rules.
    pub(super) policy: &'a Policy,
    /// This boot.
    pub(super) boot_id: &'a str,
    /// Attempts whose shim lives.
    pub(super) live: &'a [LiveAttempt],
}

/// The facts that are missing from a journal that folds to `board`; none for an undamaged one.
pub(super) fn missing(board: &Board, known: &Known, now: Now) -> Vec<Stamped> {
    let opened = board.run.is_none().then(|| Fact::RunOpened {
        version: crate::engine::fact::VERSION,
        run: known.run.clone(),
        policy: known.policy.clone(),
        boot_id: known.boot_id.to_owned(),
    });
    let attempts = known.live.iter().filter_map(|live| {
        let task = crate::engine::LoopPlan::task();
        let attempt = AttemptId { run: known.run.clone(), task, number: live.number, tries: live.tries };
        let forgotten = !board.open.contains_key(&attempt);
        let started = live.started.as_ref()?;
        let (log, raw_from) = (log_number(&started.out)?, started.out_from);
        // The words of an earlier try in the same text log are not told apart any more: they are written anew from this
        // try's bytes, and stay in the raw log.
        let survey = Survey::default();
        forgotten.then_some(Fact::AttemptOpened { attempt, log, raw_from, text_from: 0, survey, budget: None })
    });
    let facts = opened.into_iter().chain(attempts);
    (board.facts..).zip(facts).map(|(seq, fact)| Stamped { seq, now, fact }).collect()
}

/// The number in `iteration-<number>.log.raw`.
fn log_number(out: &str) -> Option<u32> {
    out.strip_prefix("iteration-")?.strip_suffix(".log.raw")?.parse().ok()
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
        let known = Known { run: &run, policy: &policy, boot_id: "b", live: &live };
        let facts = missing(&Board::default(), &known, Now::default());
        let board = Board::replay(&facts);
        let open = board.open.values().next().unwrap();
        assert_eq!((open.attempt.number, open.attempt.tries, open.log, open.raw_from), (3, 2, 7, 40));
        assert_eq!(board.tally.iteration, 3);
        assert!(missing(&board, &known, Now::default()).is_empty());
    }
}
