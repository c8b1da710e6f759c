//! What a batch of runs must have met to prove anything.

use crate::coverage::Coverage;
use crate::script::Kind;
use crate::world::Await;
use swarm::engine::Fact;
use swarm::engine::fact::Wait;
use swarm::model::{RunEnding, StopCause};

/// Notes a durable fact.
pub(crate) fn fact(coverage: &mut Coverage, fact: &Fact) {
    match fact {
        Fact::AttemptEnded { ending, .. } => {
            coverage
                .hit(Kind::of(ending).map_or("ending of a container".to_owned(), |kind| format!("ending {kind:?}")));
        }
        Fact::RunFinished { ending } => coverage.hit(format!("run: {}", run_ending(ending))),
        Fact::AttemptStopping { cause, .. } => coverage.hit(format!("stopping: {cause:?}")),
        Fact::WaitStarted { why, .. } => coverage.hit(format!("wait: {why:?}")),
        Fact::RunOpened { .. } => coverage.hit("run opened"),
        Fact::RunResumed { .. } => coverage.hit("run resumed"),
        Fact::AttemptAdopted { .. } => coverage.hit("adopted"),
        Fact::Paused => coverage.hit("paused"),
        Fact::Unpaused => coverage.hit("unpaused"),
        Fact::Suspended => coverage.hit("suspended"),
        Fact::Continued { .. } => coverage.hit("continued"),
        Fact::LogBlocked { .. } => coverage.hit("log blocked"),
        Fact::LogFlowing { .. } => coverage.hit("log flowing"),
        Fact::Pushed { warning, .. } => coverage.hit(if warning.is_some() { "push failed" } else { "push went well" }),
        Fact::AttemptOpened { .. }
        | Fact::AttemptLaunched { .. }
        | Fact::ClaimChecked { .. }
        | Fact::StopAsked { .. } => {}
    }
}

fn run_ending(ending: &RunEnding) -> &'static str {
    match ending {
        RunEnding::Done => "done",
        RunEnding::GaveUp { .. } => "gave up",
        RunEnding::PromptGone { .. } => "prompt gone",
        RunEnding::CannotLaunch { .. } => "cannot launch",
        RunEnding::IterationsUsed => "iterations used",
        RunEnding::TimeLimit => "time limit",
        RunEnding::CostLimit => "cost limit",
        RunEnding::Stalled { .. } => "stalled",
        RunEnding::RepeatedOom { .. } => "repeated oom",
        RunEnding::PersonNeeded { .. } => "person needed",
        RunEnding::CannotWrite { .. } => "cannot write",
        RunEnding::WaitTooLong { .. } => "wait too long",
        RunEnding::OutageTooLong => "outage too long",
        RunEnding::Stopped { .. } => "stopped",
        RunEnding::WorkerEnded => "worker ended",
    }
}

/// Those of a loop.
const RUN_ENDINGS: [&str; 14] = [
    "done",
    "gave up",
    "prompt gone",
    "cannot launch",
    "iterations used",
    "time limit",
    "cost limit",
    "stalled",
    "repeated oom",
    "person needed",
    "cannot write",
    "wait too long",
    "outage too long",
    "stopped",
];

const CAUSES: [StopCause; 6] = [
    StopCause::Operator,
    StopCause::StartTimeout,
    StopCause::IdleTimeout,
    StopCause::WallTimeout,
    StopCause::HungAfterResult,
    StopCause::LogFull,
];

const WAITS: [Wait; 5] = [Wait::RateLimit, Wait::Outage, Wait::Failure, Wait::Oom, Wait::Delay];

/// Inputs and effects as the seams see them, and what else must happen.
const HAPPENINGS: [&str; 45] = [
    "run opened",
    "run resumed",
    "prepared",
    "unprepared",
    "launched",
    "launch failed",
    "found alive",
    "found ended",
    "found gone",
    "found never",
    "output",
    "blocked",
    "flowing",
    "ended",
    "verified: accepted",
    "verified: refused",
    "pushed",
    "push failed",
    "push went well",
    "woke",
    "woke early",
    "order: stop",
    "order: stop now",
    "order: pause",
    "order: unpause",
    "order: suspend",
    "order: leave",
    "nudge: Term",
    "nudge: Kill",
    "nudge: Suspend",
    "nudge: Continue",
    "adopted",
    "probe failed",
    "adoption failed",
    "discarded",
    "paused",
    "unpaused",
    "suspended",
    "continued",
    "log blocked",
    "log flowing",
    "journal full",
    "reboot",
    "resumed after its end",
    "left",
];

/// All that a batch must have met.
pub(crate) fn wanted() -> Vec<String> {
    let endings = Kind::ALL.iter().map(|kind| format!("ending {kind:?}"));
    let runs = RUN_ENDINGS.iter().map(|name| format!("run: {name}"));
    let causes = CAUSES.iter().map(|cause| format!("stopping: {cause:?}"));
    let waits = WAITS.iter().map(|wait| format!("wait: {wait:?}"));
    let deaths = Await::ALL.iter().map(|at| format!("death at {at:?}"));
    let happenings = HAPPENINGS.iter().map(|what| (*what).to_owned());
    endings.chain(runs).chain(causes).chain(waits).chain(deaths).chain(happenings).collect()
}
