//! Reads the durable facts one by one, in the order in which they became durable, and objects to what may not stand
//! there. Counts for itself, with rules of its own, what the board counts.

use crate::script::Kind;
use crate::world::Worker;
use std::collections::{BTreeMap, BTreeSet};
use swarm::engine::fact::{Charge, Wait};
use swarm::engine::{Fact, Policy, SoloPlan, Stamped, Until};
use swarm::model::{
    AttemptId, Boxes, Claim, Ending, Evidence, Now, Outcome, RunEnding, Span, Status, StopCause, Survey, Wall,
};

/// The last attempt that ended.
#[derive(Debug, Clone)]
struct Last {
    attempt: AttemptId,
    ending: Ending,
    to_verify: bool,
    passed: Option<bool>,
    /// The run was over after it, and was resumed.
    settled: bool,
}

/// An attempt that is open.
#[derive(Debug, Clone, Default)]
struct Open {
    launched: bool,
    stopping: Option<StopCause>,
    /// That was so before this supervisor came.
    resumed: bool,
}

/// The reader.
#[derive(Debug)]
pub(crate) struct Ledger {
    policy: Policy,
    seq: u64,
    open: BTreeMap<AttemptId, Open>,
    over: BTreeSet<AttemptId>,
    last: Option<Last>,
    failures: u32,
    stalled: u32,
    ooms: u32,
    /// Of everything that was charged: exactly or at least.
    spent: f64,
    /// How long the run had lasted when it was last taken over.
    elapsed: Span,
    finished: Option<RunEnding>,
    asked: Vec<(i32, bool)>,
    stop: Option<(i32, bool)>,
    /// Which reset an attempt's refusal named.
    limits: BTreeMap<AttemptId, Wall>,
    /// What the check of an attempt's claim answered.
    pub(crate) answers: BTreeMap<AttemptId, bool>,
    pub(crate) prompt_was_gone: bool,
    pub(crate) was_unwritable: bool,
}

impl Ledger {
    pub(crate) fn new(policy: Policy) -> Ledger {
        Ledger {
            policy,
            seq: 0,
            open: BTreeMap::new(),
            over: BTreeSet::new(),
            last: None,
            failures: 0,
            stalled: 0,
            ooms: 0,
            spent: 0.0,
            elapsed: Span::ZERO,
            finished: None,
            asked: Vec::new(),
            stop: None,
            limits: BTreeMap::new(),
            answers: BTreeMap::new(),
            prompt_was_gone: false,
            was_unwritable: false,
        }
    }

    pub(crate) fn is_open(&self, attempt: &AttemptId) -> bool {
        self.open.contains_key(attempt)
    }

    pub(crate) fn is_over(&self, attempt: &AttemptId) -> bool {
        self.over.contains(attempt)
    }

    pub(crate) fn finished(&self) -> Option<&RunEnding> {
        self.finished.as_ref()
    }

    /// Why an open attempt is being ended.
    pub(crate) fn stopping(&self, attempt: &AttemptId) -> Option<StopCause> {
        self.open.get(attempt)?.stopping
    }

    pub(crate) fn resumed_stopping(&self, attempt: &AttemptId) -> bool {
        self.open.get(attempt).is_some_and(|open| open.resumed)
    }

    pub(crate) fn limit_named(&mut self, attempt: &AttemptId, reset: Wall) {
        self.limits.insert(attempt.clone(), reset);
    }

    pub(crate) fn stop_asked(&mut self, signal: i32, at_once: bool) {
        self.asked.push((signal, at_once));
    }

    /// The iteration may only begin when the limit that refused the last one is over.
    pub(crate) fn check_start(&self, attempt: &AttemptId, now: Now) {
        let Some(last) = self.last.as_ref().filter(|last| !last.settled) else { return };
        if let Some(reset) =
            self.limits.get(&last.attempt).filter(|_| Kind::of(&last.ending) == Some(Kind::LimitedUntil))
        {
            assert!(now.wall >= *reset + self.policy.limit_margin, "{attempt} begins before the limit ends");
        }
    }

    /// Takes the next durable fact.
    pub(crate) fn take(&mut self, stamped: &Stamped, worker: impl Fn(&AttemptId) -> Option<WorkerSeen>) {
        assert_eq!(stamped.seq, self.seq, "facts are numbered");
        self.seq += 1;
        let resumes = matches!(stamped.fact, Fact::RunResumed { .. });
        assert!(self.finished.is_none() || resumes, "{stamped:?} in a run that is over");
        match &stamped.fact {
            Fact::RunOpened { .. } => assert_eq!(stamped.seq, 0, "a run opens once"),
            Fact::RunResumed { elapsed, .. } => {
                assert!(*elapsed >= self.elapsed, "the run lasted {:?} before, and {elapsed:?} now", self.elapsed);
                self.elapsed = *elapsed;
                self.resumed();
            }
            Fact::AttemptOpened { attempt, .. } => self.opened(attempt),
            Fact::AttemptLaunched { attempt, .. } => {
                let open = self.open.get_mut(attempt).unwrap_or_else(|| panic!("{attempt} launched, and not open"));
                assert!(!std::mem::replace(&mut open.launched, true), "{attempt} launched twice");
            }
            Fact::AttemptAdopted { attempt } | Fact::LogBlocked { attempt, .. } | Fact::LogFlowing { attempt } => {
                assert!(self.is_open(attempt), "{stamped:?}, and it is not open");
            }
            Fact::AttemptStopping { attempt, cause } => {
                let open = self.open.get_mut(attempt).unwrap_or_else(|| panic!("{attempt} stops, and is not open"));
                assert_eq!(open.stopping.replace(*cause), None, "{attempt} is ended twice");
            }
            Fact::AttemptEnded { .. } => self.ended(&stamped.fact, worker),
            Fact::ClaimChecked { attempt, pass, .. } => {
                assert_eq!(self.answers.get(attempt), Some(pass), "{attempt}: not what the check said");
                let last = self.last.as_mut().filter(|last| last.attempt == *attempt && last.to_verify);
                last.unwrap_or_else(|| panic!("{attempt} has nothing to check")).passed = Some(*pass);
            }
            Fact::Pushed { attempt, .. } => assert!(self.is_over(attempt) && self.policy.push, "{stamped:?}"),
            Fact::WaitStarted { until, why } => self.waiting(*until, *why, stamped.now),
            Fact::StopAsked { signal, at_once } => {
                assert!(self.asked.contains(&(*signal, *at_once)), "nobody asked for {stamped:?}");
                if !self.stop.is_some_and(|(_, at_once)| at_once) {
                    self.stop = Some((*signal, *at_once));
                }
            }
            Fact::Paused | Fact::Unpaused | Fact::Suspended | Fact::Continued { .. } => {}
            Fact::RunFinished { ending } => self.close(ending.clone(), stamped.now),
        }
    }

    fn resumed(&mut self) {
        assert!(self.seq > 1, "a run that never opened is resumed");
        self.stop = None;
        self.open.values_mut().for_each(|open| open.resumed = open.stopping.is_some());
        if self.finished.take().is_some() {
            (self.failures, self.stalled, self.ooms) = (0, 0, 0);
            self.last.as_mut().into_iter().for_each(|last| last.settled = true);
        }
    }

    /// The iteration number never skips, never decreases, and only a wait repeats it.
    fn opened(&mut self, attempt: &AttemptId) {
        assert!(self.open.is_empty(), "{attempt} opens beside another");
        assert!(!self.is_over(attempt), "{attempt} opens again");
        let right = match &self.last {
            None => (1, 1),
            Some(last) => {
                let kind = Kind::of(&last.ending);
                let waits = matches!(kind, Some(Kind::LimitedUntil | Kind::Limited | Kind::Overloaded));
                let cured = last.settled && matches!(kind, Some(Kind::AuthFailure | Kind::ConfigFailure));
                let same = (last.attempt.number, last.attempt.tries + 1);
                if waits || cured { same } else { (last.attempt.number + 1, 1) }
            }
        };
        assert_eq!((attempt.number, attempt.tries), right, "the wrong iteration opens after {:?}", self.last);
        assert!(self.policy.iterations.is_none_or(|limit| attempt.number <= limit), "{attempt} is one too many");
        self.open.insert(attempt.clone(), Open::default());
    }

    fn ended(&mut self, fact: &Fact, worker: impl Fn(&AttemptId) -> Option<WorkerSeen>) {
        let Fact::AttemptEnded { attempt, evidence, survey, progress, ending, charge, to_verify, exit, .. } = fact
        else {
            return;
        };
        let open = self.open.remove(attempt).unwrap_or_else(|| panic!("{attempt} ends, and is not open"));
        let seen = worker(attempt);
        assert!(!seen.as_ref().is_some_and(|seen| seen.lives), "{attempt} ends while it lives");
        self.check_ending(attempt, ending, &open, survey, evidence, seen.as_ref());
        assert_eq!(
            exit.is_none(),
            matches!(ending, Ending::LaunchFailed { .. }),
            "{attempt}: {ending:?} with {exit:?}"
        );
        assert_eq!(*to_verify, self.policy.verify && *ending == Ending::Done, "{attempt}: every claim is checked");
        self.over.insert(attempt.clone());
        self.count(ending, *progress);
        let usd = match charge {
            Charge::Exact(usd) | Charge::AtLeast(usd) => *usd,
            Charge::Unknown => 0.0,
        };
        assert!(usd.is_finite() && usd >= 0.0, "{attempt} is charged {charge:?}");
        self.spent += usd;
        self.last = Some(Last {
            attempt: attempt.clone(),
            ending: ending.clone(),
            to_verify: *to_verify,
            passed: None,
            settled: false,
        });
    }

    /// The ending must be the script's own wherever nobody interfered; and done is never believed without a claim.
    fn check_ending(
        &self,
        attempt: &AttemptId,
        ending: &Ending,
        open: &Open,
        survey: &Survey,
        evidence: &Evidence,
        seen: Option<&WorkerSeen>,
    ) {
        let kind = Kind::of(ending).unwrap_or_else(|| panic!("{attempt}: {ending:?} without a container"));
        let boxes = survey.boxes.clone().unwrap_or_default();
        let ruled = |kind: Kind| by_plan(kind, &boxes, &self.policy);
        let claimed = matches!(evidence.claim, Claim::Done { .. }) && evidence.outcome == Outcome::Completed;
        let by_plan = self.policy.done_on_plan && boxes.open == 0 && boxes.done > 0;
        let truly = seen.is_some_and(|seen| seen.claims && seen.concluded);
        assert!(kind != Kind::Done || by_plan || (claimed && truly), "{attempt} is believed to be done: {seen:?}");
        let Some(seen) = seen.filter(|seen| !seen.interfered) else { return };
        let right: Vec<Kind> = match (open.stopping, seen.expected) {
            (None, Some(expected)) => vec![ruled(expected)],
            (None, None) => panic!("{attempt} ended by itself and never would: {ending:?}, {seen:?}"),
            (Some(StopCause::Operator), _) => vec![Kind::Stopped],
            (Some(StopCause::LogFull), _) => vec![Kind::LogFull],
            (Some(StopCause::HungAfterResult), Some(expected)) => vec![ruled(expected)],
            (Some(StopCause::HungAfterResult), None) => panic!("{attempt} has no result to hang after"),
            (Some(cause), expected) => {
                let timeout = match cause {
                    StopCause::StartTimeout => Kind::StartTimeout,
                    StopCause::IdleTimeout => Kind::IdleTimeout,
                    _ => Kind::WallTimeout,
                };
                // Its time was up, yet it had said its last word: that counts.
                let well = matches!(expected, Some(Kind::Done | Kind::Clean));
                let last_word = expected.filter(|_| seen.concluded && well).map(ruled);
                let oom = expected.filter(|kind| *kind == Kind::Oom && seen.confirmed_oom);
                vec![last_word.or(oom).unwrap_or(timeout)]
            }
        };
        assert!(right.contains(&kind), "{attempt} ended {ending:?} instead of {right:?}: {seen:?}, {evidence:?}");
    }

    fn count(&mut self, ending: &Ending, progress: Option<bool>) {
        if matches!(ending, Ending::RateLimited { .. } | Ending::Overloaded) {
            return;
        }
        let harmless =
            matches!(ending, Ending::Done | Ending::Clean | Ending::Stopped | Ending::OwnLimit | Ending::Oom);
        self.failures = if harmless { 0 } else { self.failures + 1 };
        self.ooms = if *ending == Ending::Oom { self.ooms + 1 } else { 0 };
        self.stalled = if progress == Some(false) { self.stalled + 1 } else { 0 };
    }

    fn waiting(&self, until: Until, why: Wait, now: Now) {
        let last = self.last.as_ref().unwrap_or_else(|| panic!("a wait before the first attempt"));
        assert!(self.open.is_empty() && self.stop.is_none(), "a wait while something is under way");
        let named = self.limits.get(&last.attempt).copied();
        match (why, Kind::of(&last.ending), until) {
            (Wait::RateLimit, Some(Kind::LimitedUntil), Until::Wall(wall)) => {
                assert_eq!(Some(wall), named.map(|reset| reset + self.policy.limit_margin), "another reset than named");
                assert!(wall - now.wall <= self.policy.max_wait, "a wait beyond --max-wait");
            }
            (Wait::RateLimit, Some(Kind::Limited), Until::Tick(tick)) => {
                assert!(tick - now.tick <= Span::seconds(300) + self.policy.limit_margin, "a backoff of {why:?}");
            }
            (Wait::Outage, Some(Kind::Overloaded), Until::Tick(tick)) => {
                assert!(tick - now.tick <= Span::seconds(300), "a backoff of {why:?}");
            }
            (Wait::Oom, Some(Kind::Oom), Until::Tick(_)) => {}
            (Wait::Failure, _, Until::Tick(tick)) => {
                assert!(self.failures > 0 && tick - now.tick <= Span::seconds(300), "a backoff of {why:?}");
            }
            (Wait::Delay, _, Until::Tick(tick)) => assert!(tick - now.tick <= self.policy.delay, "a long delay"),
            other => panic!("a wait without reason: {other:?}"),
        }
    }

    /// The run may only end for a reason that is there.
    fn close(&mut self, ending: RunEnding, now: Now) {
        assert!(self.open.is_empty(), "{ending:?} while {:?} is open", self.open);
        let policy = &self.policy;
        let last = self.last.clone();
        let kind = last.as_ref().and_then(|last| Kind::of(&last.ending));
        let reached = |count: u32, limit: Option<u32>| limit.is_some_and(|limit| count >= limit);
        // A worker is tried once.
        let worker = last.as_ref().filter(|last| last.attempt.task == SoloPlan::task());
        let began = worker.map(|last| !matches!(last.ending, Ending::LaunchFailed { .. }));
        let right = match &ending {
            RunEnding::Done => {
                kind == Some(Kind::Done) && last.is_some_and(|last| !last.to_verify || last.passed == Some(true))
            }
            RunEnding::GaveUp { failures } => *failures == self.failures && reached(*failures, policy.max_failures),
            RunEnding::WorkerEnded => began == Some(true),
            RunEnding::PromptGone { .. } => self.prompt_was_gone,
            RunEnding::CannotLaunch { .. } => kind == Some(Kind::CannotLaunch) || began == Some(false),
            RunEnding::IterationsUsed => last.is_some_and(|last| Some(last.attempt.number) == policy.iterations),
            RunEnding::TimeLimit => policy.max_time.is_some(),
            RunEnding::CostLimit => policy.max_cost.is_some_and(|limit| self.spent >= limit),
            RunEnding::Stalled { iterations } => {
                *iterations == self.stalled && reached(*iterations, policy.max_stalled)
            }
            RunEnding::RepeatedOom { times } => *times == self.ooms && reached(*times, policy.max_ooms),
            RunEnding::PersonNeeded { .. } => matches!(kind, Some(Kind::AuthFailure | Kind::ConfigFailure)),
            RunEnding::CannotWrite { .. } => kind == Some(Kind::LogFull) || self.was_unwritable,
            RunEnding::WaitTooLong { until } => {
                let reset = last.as_ref().and_then(|last| self.limits.get(&last.attempt)).copied();
                reset == *until && reset.is_none_or(|reset| reset + policy.limit_margin - now.wall > policy.max_wait)
            }
            RunEnding::OutageTooLong => matches!(kind, Some(Kind::Overloaded | Kind::Limited)),
            RunEnding::Stopped { signal } => self.stop.is_some_and(|(asked, _)| asked == *signal),
        };
        assert!(right, "the run ended with {ending:?} without reason: {self:?}");
        assert_eq!(ending.exit_code(), code(&ending), "the documented exit code of {ending:?}");
        self.finished = Some(ending);
    }
}

/// What the world knows of a worker whose end is recorded.
#[derive(Debug)]
pub(crate) struct WorkerSeen {
    lives: bool,
    expected: Option<Kind>,
    claims: bool,
    interfered: bool,
    /// Its whole last line is in the log.
    concluded: bool,
    confirmed_oom: bool,
}

impl WorkerSeen {
    pub(crate) fn of(worker: &Worker, concluded: bool) -> WorkerSeen {
        WorkerSeen {
            lives: worker.lives(),
            expected: worker.script.expected,
            claims: worker.script.claims,
            interfered: worker.interfered,
            concluded,
            confirmed_oom: worker
                .exit
                .as_ref()
                .is_some_and(|exit| exit.oom == swarm::model::Oom::Confirmed && exit.status == Status::Signal(9)),
        }
    }
}

/// What the plan's boxes make of a clean or done ending.
fn by_plan(kind: Kind, boxes: &Boxes, policy: &Policy) -> Kind {
    let finished = boxes.open == 0 && boxes.done > 0;
    match kind {
        Kind::Clean if policy.done_on_plan && finished => Kind::Done,
        Kind::Done if policy.require_plan && boxes.open > 0 => Kind::Clean,
        other => other,
    }
}

/// The table of the loop contract, once more.
fn code(ending: &RunEnding) -> u8 {
    match ending {
        RunEnding::Done | RunEnding::WorkerEnded => 0,
        RunEnding::GaveUp { .. } | RunEnding::PromptGone { .. } | RunEnding::CannotLaunch { .. } => 1,
        RunEnding::IterationsUsed => 3,
        RunEnding::TimeLimit | RunEnding::CostLimit => 4,
        RunEnding::Stalled { .. } => 5,
        RunEnding::RepeatedOom { .. } => 6,
        RunEnding::PersonNeeded { .. } => 10,
        RunEnding::CannotWrite { .. } => 74,
        RunEnding::WaitTooLong { .. } | RunEnding::OutageTooLong => 75,
        RunEnding::Stopped { signal: 2 } => 130,
        RunEnding::Stopped { signal: 1 } => 129,
        RunEnding::Stopped { .. } => 143,
    }
}
