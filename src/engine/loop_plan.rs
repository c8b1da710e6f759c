//! The plan of `swarm loop`: one task, a fresh agent an iteration, until it is done or something ends the run.

use super::backoff;
use super::board::{Board, Check, Closed, Open, Run};
use super::fact::Wait;
use super::planner::{Ended, Next, Planner, Until, Verdict};
use super::policy::Policy;
use super::step::claims;
use super::verdict;
use crate::model::{Ending, Note, Now, RunEnding, Span, Survey, TaskId, Tree};

/// After an OOM the next iteration waits so long: what was killed needs a moment to give its memory back.
const AFTER_OOM: Span = Span::seconds(5);

/// The same box first for so many iterations is worth a word.
const SAME_BOX: u32 = 3;

/// So many iterations without an open box and without a claim are worth a word.
const NO_BOX: u32 = 2;

/// The loop's plan. Its rules are in the run's [`Policy`].
#[derive(Debug, Clone, Copy, Default)]
pub struct LoopPlan;

impl LoopPlan {
    /// The loop's only task.
    pub fn task() -> TaskId {
        TaskId("loop".to_owned())
    }
}

impl Planner for LoopPlan {
    fn judge(&self, board: &Board, open: &Open, seen: &Ended<'_>) -> Verdict {
        let policy = board.run.as_ref().map(|run| run.policy.clone()).unwrap_or_default();
        let (mut ending, mut notes) = verdict::ending(seen.exit, seen.evidence, seen.cause);
        let boxes = seen.survey.boxes.as_ref();
        let open_boxes = boxes.map_or(0, |boxes| boxes.open);
        let plan_done = boxes.is_some_and(|boxes| boxes.open == 0 && boxes.done > 0);
        if ending == Ending::Clean && policy.done_on_plan && plan_done {
            ending = Ending::Done;
        }
        if ending == Ending::Done && open_boxes > 0 {
            notes.push(Note::OpenBoxes { open: open_boxes });
            if policy.require_plan {
                ending = Ending::Clean;
            }
        }
        if !ending.repeats() {
            notes.extend(plan_notes(board, seen, plan_done && ending != Ending::Done));
        }
        notes.extend(seen.exit.left.iter().map(|process| Note::LeftBehind { pid: process.pid }));
        let to_verify = policy.verify && ending == Ending::Done;
        Verdict { ending, notes, progress: progress(&open.survey, seen.survey, board), to_verify }
    }

    fn next(&self, board: &Board, now: Now) -> Next {
        let Some(run) = &board.run else { return Next::Hold };
        let Some(last) = &board.last else { return begin(run, now) };
        if last.pushing || last.check == Check::Running {
            return Next::Hold;
        }
        if let Some(ending) = over(board, run, last, now) {
            return Next::Finish(ending);
        }
        let repeat = last.ending.repeats() || (last.settled && last.ending.needs_a_person());
        let (number, tries) =
            if repeat { (last.attempt.number, last.attempt.tries + 1) } else { (last.attempt.number + 1, 1) };
        if run.policy.iterations.is_some_and(|limit| number > limit) {
            return Next::Finish(RunEnding::IterationsUsed);
        }
        if board.wait.is_none_or(|wait| !wait.until.reached(now)) {
            if board.wait.is_some() {
                return Next::Hold;
            }
            if let Some((until, why)) = wait_after(board, &run.policy, last).filter(|(until, _)| !until.reached(now)) {
                return wait(board, run, until, why, now);
            }
        }
        if board.paused {
            return Next::Hold;
        }
        Next::Start { task: LoopPlan::task(), number, tries }
    }
}

fn begin(run: &Run, now: Now) -> Next {
    if run.deadline().is_some_and(|deadline| now.tick >= deadline) {
        return Next::Finish(RunEnding::TimeLimit);
    }
    Next::Start { task: LoopPlan::task(), number: 1, tries: 1 }
}

/// Does the last ending, or a limit, end the run?
fn over(board: &Board, run: &Run, last: &Closed, now: Now) -> Option<RunEnding> {
    let (policy, tally) = (&run.policy, &board.tally);
    let reached = |count: u32, limit: Option<u32>| limit.is_some_and(|limit| count >= limit);
    // Also when the run was stopped before it could say so: what is done is not begun again by a resumed run.
    if last.ending == Ending::Done && !matches!(last.check, Check::Refused(_)) {
        return Some(RunEnding::Done);
    }
    if !last.settled {
        match &last.ending {
            Ending::AuthFailure { text } | Ending::ConfigFailure { text } => {
                return Some(RunEnding::PersonNeeded { text: text.clone() });
            }
            Ending::LaunchFailed { error, permanent: true } => {
                return Some(RunEnding::CannotLaunch { error: error.clone() });
            }
            Ending::LogFull => {
                let error = "the disk that holds the logs stayed full".to_owned();
                return Some(RunEnding::CannotWrite { error });
            }
            _ => {}
        }
    }
    if reached(tally.failures, policy.max_failures) {
        return Some(RunEnding::GaveUp { failures: tally.failures });
    }
    if reached(tally.ooms, policy.max_ooms) {
        return Some(RunEnding::RepeatedOom { times: tally.ooms });
    }
    if reached(tally.stalled, policy.max_stalled) {
        return Some(RunEnding::Stalled { iterations: tally.stalled });
    }
    if run.deadline().is_some_and(|deadline| now.tick >= deadline) {
        return Some(RunEnding::TimeLimit);
    }
    if policy.max_cost.is_some_and(|limit| tally.spent >= limit) {
        return Some(RunEnding::CostLimit);
    }
    let silent = tally.outage.map_or(Span::ZERO, |since| now.tick - since);
    (last.ending.repeats() && !last.settled && silent >= policy.max_outage).then_some(RunEnding::OutageTooLong)
}

/// The wait that the last ending asks for.
fn wait_after(board: &Board, policy: &Policy, last: &Closed) -> Option<(Until, Wait)> {
    if last.settled {
        return None;
    }
    let (tally, since) = (&board.tally, last.at.tick);
    let (span, why) = match &last.ending {
        Ending::RateLimited { until: Some(until) } => {
            return Some((Until::Wall(*until + policy.limit_margin), Wait::RateLimit));
        }
        Ending::RateLimited { until: None } => (backoff::after(tally.waits) + policy.limit_margin, Wait::RateLimit),
        Ending::Overloaded => (backoff::after(tally.waits), Wait::Outage),
        Ending::Oom => (AFTER_OOM, Wait::Oom),
        ending if ending.is_failure() => (backoff::after(tally.failures), Wait::Failure),
        _ => (policy.delay, Wait::Delay),
    };
    Some((Until::Tick(since + span), why))
}

/// A wait that would outlast a limit ends the run at once instead of at its end.
fn wait(board: &Board, run: &Run, until: Until, why: Wait, now: Now) -> Next {
    let span = match until {
        Until::Tick(tick) => tick - now.tick,
        Until::Wall(wall) => wall - now.wall,
    };
    if run.deadline().is_some_and(|deadline| now.tick + span > deadline) {
        return Next::Finish(RunEnding::TimeLimit);
    }
    if why == Wait::RateLimit && span > run.policy.max_wait {
        let until = match board.last.as_ref().map(|last| &last.ending) {
            Some(Ending::RateLimited { until }) => *until,
            _ => None,
        };
        return Next::Finish(RunEnding::WaitTooLong { until });
    }
    Next::Wait { until, why }
}

/// A commit, a change in the work tree, or a box ticked. Outside a repository and without a plan nothing can tell.
fn progress(before: &Survey, after: &Survey, board: &Board) -> Option<bool> {
    let done = |survey: &Survey| survey.boxes.as_ref().map(|boxes| boxes.done);
    if before.head != after.head || done(before) < done(after) {
        return Some(true);
    }
    let earlier = board.last.as_ref().map_or(Tree::Unknown, |last| last.survey.tree);
    match (earlier, after.tree) {
        (_, Tree::Clean) => Some(false),
        (Tree::Dirty(before), Tree::Dirty(after)) => Some(before != after),
        // Uncommitted work that was not there, or was not looked at, before.
        (Tree::Clean | Tree::Unknown, Tree::Dirty(_)) => Some(true),
        (_, Tree::Unknown) => after.boxes.as_ref().map(|_| false),
    }
}

/// What the plan's boxes give reason to say.
fn plan_notes(board: &Board, seen: &Ended<'_>, plan_done: bool) -> Vec<Note> {
    let mut notes = Vec::new();
    if plan_done && !claims(seen.evidence) && board.tally.boxless + 1 >= NO_BOX {
        notes.push(Note::NoOpenBox);
    }
    let first = seen.survey.boxes.as_ref().and_then(|boxes| boxes.first_open.as_ref());
    if let (Some(text), Some((same, times))) = (first, &board.tally.first_box)
        && text == same
        && times + 1 >= SAME_BOX
    {
        notes.push(Note::SameBox { text: text.clone(), iterations: times + 1 });
    }
    notes
}
