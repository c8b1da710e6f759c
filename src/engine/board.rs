//! The state of a run: the fold of its facts. [`Board::apply`] is the only mutation, and never fails: a journal of any
//! order of facts folds to something.

use super::fact::{Charge, Fact, Stamped, Wait};
use super::planner::Until;
use super::policy::Policy;
use crate::model::{AttemptId, Ending, Exit, Handle, Note, Now, RunEnding, RunId, Span, StopCause, Survey, Tick, Wall};
use std::collections::BTreeMap;

/// Everything that is known of a run.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Board {
    /// How many facts it was folded from.
    pub facts: u64,
    /// The run; `None` before its first fact.
    pub run: Option<Run>,
    /// Attempts that are not over.
    pub open: BTreeMap<AttemptId, Open>,
    /// The last attempt that is over.
    pub last: Option<Closed>,
    /// Counts and sums over the attempts that are over.
    pub tally: Tally,
    /// The wait that is on.
    pub wait: Option<Waiting>,
    /// The operator paused it.
    pub paused: bool,
    /// The terminal suspended the supervisor then.
    pub suspended: Option<Tick>,
    /// The operator wants the end.
    pub stop: Option<Stop>,
    /// How it ended.
    pub finished: Option<RunEnding>,
}

/// What a run begins with.
#[derive(Debug, Clone, PartialEq)]
pub struct Run {
    /// Its id.
    pub id: RunId,
    /// Its rules.
    pub policy: Policy,
    /// Wall time of its first start.
    pub started: Wall,
    /// The boot that ticks belong to.
    pub boot_id: String,
    /// How long it had lasted at `since`.
    elapsed: Span,
    /// The tick from which its time goes on.
    since: Tick,
}

/// An attempt that is not over.
#[derive(Debug, Clone, PartialEq)]
pub struct Open {
    /// Which.
    pub attempt: AttemptId,
    /// Number of its log files.
    pub log: u32,
    /// Where its bytes begin in the raw log.
    pub raw_from: u64,
    /// Where its words begin in the text log.
    pub text_from: u64,
    /// The work tree before it.
    pub survey: Survey,
    /// USD that the agent was told.
    pub budget: Option<f64>,
    /// When it was opened.
    pub opened: Now,
    /// When and where it was launched.
    pub launched: Option<(Tick, Handle)>,
    /// Since when and why it is being ended; the first cause stands.
    pub stopping: Option<(Tick, StopCause)>,
    /// Since when its log cannot be written.
    pub blocked: Option<(Tick, String)>,
}

/// An attempt that is over.
#[derive(Debug, Clone, PartialEq)]
pub struct Closed {
    /// Which.
    pub attempt: AttemptId,
    /// Number of its log files.
    pub log: u32,
    /// When it ended.
    pub at: Now,
    /// How its process ended; `None` when it was never started.
    pub exit: Option<Exit>,
    /// What that means.
    pub ending: Ending,
    /// What is said beside it.
    pub notes: Vec<Note>,
    /// The claim's check.
    pub check: Check,
    /// A push is still under way.
    pub pushing: bool,
    /// A run that ended with it was resumed: what it asked for was done or given up.
    pub settled: bool,
    /// The work tree after it.
    pub survey: Survey,
}

/// What became of a claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Check {
    /// Nothing to check.
    NotNeeded,
    /// The check runs.
    Running,
    /// Accepted.
    Passed,
    /// Refused; the tail of what it printed goes into the next prompt.
    Refused(String),
}

/// Counts over the run.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Tally {
    /// The highest iteration that was opened.
    pub iteration: u32,
    /// Failures in a row.
    pub failures: u32,
    /// Iterations in a row without progress.
    pub stalled: u32,
    /// Confirmed OOMs in a row.
    pub ooms: u32,
    /// Waits in a row for a limit or an outage; for the backoff.
    pub waits: u32,
    /// Since when the API has not answered.
    pub outage: Option<Tick>,
    /// USD known to be spent.
    pub spent: f64,
    /// The sum above is a floor: some attempt did not tell.
    pub at_least: bool,
    /// The dearest iteration that told its cost.
    pub dearest: Option<f64>,
    /// The first open box, and for how many iterations it has been first.
    pub first_box: Option<(String, u32)>,
    /// Iterations in a row that ended with no open box and no claim.
    pub boxless: u32,
    /// Time spent in iterations that moved on, for an estimate of what is left.
    pub worked: Span,
    /// Boxes ticked by them.
    pub ticked: u32,
}

/// A wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Waiting {
    /// Its end.
    pub until: Until,
    /// Why.
    pub why: Wait,
}

/// The operator's wish to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stop {
    /// The signal that the exit code is made of.
    pub signal: i32,
    /// Not after this iteration but now.
    pub at_once: bool,
}

impl Check {
    /// What the check printed when it refused.
    pub fn refusal(&self) -> Option<&str> {
        match self {
            Check::Refused(tail) => Some(tail),
            Check::NotNeeded | Check::Running | Check::Passed => None,
        }
    }
}

impl Run {
    /// How long the run has lasted at `tick`.
    pub fn elapsed(&self, tick: Tick) -> Span {
        self.elapsed + (tick - self.since)
    }

    /// How long it had lasted at the last moment that is known of an earlier supervisor or boot.
    pub(super) fn elapsed_before(&self) -> Span {
        self.elapsed
    }

    /// The tick at which `--max-time` is used up.
    pub fn deadline(&self) -> Option<Tick> {
        let left = Span(self.policy.max_time?.0.saturating_sub(self.elapsed.0));
        Some(self.since + left)
    }
}

impl Board {
    /// The fold of `facts`.
    pub fn replay<'a>(facts: impl IntoIterator<Item = &'a Stamped>) -> Board {
        let mut board = Board::default();
        facts.into_iter().for_each(|fact| board.apply(fact));
        board
    }

    /// Takes one more fact in. One that is there twice counts once: a damaged journal may repeat its tail.
    pub fn apply(&mut self, stamped: &Stamped) {
        if stamped.seq < self.facts {
            return;
        }
        let now = stamped.now;
        self.facts = stamped.seq + 1;
        match &stamped.fact {
            Fact::RunOpened { run, policy, boot_id, .. } => {
                self.run = Some(Run {
                    id: run.clone(),
                    policy: policy.clone(),
                    started: now.wall,
                    boot_id: boot_id.clone(),
                    elapsed: Span::ZERO,
                    since: now.tick,
                });
            }
            Fact::RunResumed { boot_id, elapsed } => self.resume(boot_id, *elapsed, now),
            Fact::AttemptOpened { attempt, log, raw_from, text_from, survey, budget } => {
                self.wait = None;
                self.tally.iteration = self.tally.iteration.max(attempt.number);
                // A task's attempts follow each other: one whose end a damaged journal lost is over, and is not made again.
                self.open.retain(|earlier, _| earlier.task != attempt.task || earlier == attempt);
                self.open.insert(
                    attempt.clone(),
                    Open {
                        attempt: attempt.clone(),
                        log: *log,
                        raw_from: *raw_from,
                        text_from: *text_from,
                        survey: survey.clone(),
                        budget: *budget,
                        opened: now,
                        launched: None,
                        stopping: None,
                        blocked: None,
                    },
                );
            }
            Fact::AttemptLaunched { attempt, handle } => {
                self.with_open(attempt, |open| open.launched = Some((now.tick, handle.clone())));
            }
            Fact::AttemptAdopted { .. } => {}
            Fact::AttemptStopping { attempt, cause } => {
                self.with_open(attempt, |open| {
                    open.stopping.get_or_insert((now.tick, *cause));
                });
            }
            Fact::AttemptEnded { .. } => self.close(&stamped.fact, now),
            Fact::ClaimChecked { attempt, pass, tail } => {
                if let Some(last) = self.last.as_mut().filter(|last| last.attempt == *attempt) {
                    last.check = if *pass { Check::Passed } else { Check::Refused(tail.clone()) };
                }
            }
            Fact::Pushed { attempt, .. } => {
                if let Some(last) = self.last.as_mut().filter(|last| last.attempt == *attempt) {
                    last.pushing = false;
                }
            }
            Fact::WaitStarted { until, why } => self.wait = Some(Waiting { until: *until, why: *why }),
            Fact::LogBlocked { attempt, error } => {
                self.with_open(attempt, |open| {
                    open.blocked.get_or_insert((now.tick, error.clone()));
                });
            }
            Fact::LogFlowing { attempt } => self.with_open(attempt, |open| open.blocked = None),
            Fact::Paused => self.paused = true,
            Fact::Unpaused => self.paused = false,
            Fact::Suspended => self.suspended = Some(now.tick),
            Fact::Continued { stood } => self.go_on(*stood),
            Fact::StopAsked { signal, at_once } => {
                // The first wish to end at once names the exit code; a later one only repeats it.
                if !self.stop.is_some_and(|stop| stop.at_once) {
                    self.stop = Some(Stop { signal: *signal, at_once: *at_once });
                }
            }
            Fact::RunFinished { ending } => {
                self.finished = Some(ending.clone());
                self.wait = None;
            }
        }
    }

    fn with_open(&mut self, attempt: &AttemptId, change: impl FnOnce(&mut Open)) {
        if let Some(open) = self.open.get_mut(attempt) {
            change(open);
        }
    }

    /// Ticks of another boot mean nothing: what stood on them is set anew. Ticks of the same boot go on.
    fn resume(&mut self, boot_id: &str, elapsed: Span, now: Now) {
        let Some(run) = &mut self.run else { return };
        let same_boot = run.boot_id == boot_id;
        run.boot_id = boot_id.to_owned();
        run.elapsed = elapsed;
        run.since = now.tick;
        self.suspended = None;
        self.stop = None;
        self.paused = false;
        if self.finished.take().is_some() {
            self.wait = None;
            self.tally.failures = 0;
            self.tally.stalled = 0;
            self.tally.ooms = 0;
            self.tally.outage = None;
            self.last.as_mut().into_iter().for_each(|last| last.settled = true);
        }
        if same_boot {
            return;
        }
        self.tally.outage = self.tally.outage.map(|_| now.tick);
        if let Some(Waiting { until: until @ Until::Tick(_), .. }) = &mut self.wait {
            *until = Until::Tick(now.tick);
        }
        if let Some(last) = &mut self.last {
            last.at = now;
        }
        for open in self.open.values_mut() {
            open.opened = now;
            open.launched.as_mut().into_iter().for_each(|(tick, _)| *tick = now.tick);
            open.stopping.as_mut().into_iter().for_each(|(tick, _)| *tick = now.tick);
            open.blocked.as_mut().into_iter().for_each(|(tick, _)| *tick = now.tick);
        }
    }

    /// The clocks stood for `stood`: everything that is measured from a tick moves by it.
    fn go_on(&mut self, stood: Span) {
        self.suspended = None;
        if let Some(run) = &mut self.run {
            run.since = run.since + stood;
        }
        self.tally.outage = self.tally.outage.map(|tick| tick + stood);
        for open in self.open.values_mut() {
            open.opened.tick = open.opened.tick + stood;
            open.launched.as_mut().into_iter().for_each(|(tick, _)| *tick = *tick + stood);
            open.stopping.as_mut().into_iter().for_each(|(tick, _)| *tick = *tick + stood);
            open.blocked.as_mut().into_iter().for_each(|(tick, _)| *tick = *tick + stood);
        }
    }

    fn close(&mut self, fact: &Fact, now: Now) {
        let Fact::AttemptEnded { attempt, exit, survey, progress, ending, notes, charge, lasted, to_verify, evidence } =
            fact
        else {
            return;
        };
        let open = self.open.remove(attempt);
        let before = open.as_ref().and_then(|open| open.survey.boxes.as_ref()).map_or(0, |boxes| boxes.done);
        self.tally.count(ending, *progress, *charge, now.tick);
        if !ending.repeats() {
            self.tally.count_boxes(survey, matches!(evidence.claim, crate::model::Claim::Done { .. }));
            self.tally.worked = self.tally.worked + *lasted;
            let after = survey.boxes.as_ref().map_or(0, |boxes| boxes.done);
            self.tally.ticked += after.saturating_sub(before);
        }
        self.last = Some(Closed {
            attempt: attempt.clone(),
            log: open.map_or(0, |open| open.log),
            at: now,
            exit: exit.clone(),
            ending: ending.clone(),
            notes: notes.clone(),
            check: if *to_verify { Check::Running } else { Check::NotNeeded },
            pushing: self.run.as_ref().is_some_and(|run| run.policy.push) && !ending.repeats(),
            settled: false,
            survey: survey.clone(),
        });
    }
}

impl Tally {
    fn count(&mut self, ending: &Ending, progress: Option<bool>, charge: Charge, at: Tick) {
        if ending.repeats() {
            self.waits += 1;
            // A limit with a reset time is an answer; anything else is silence.
            match ending {
                Ending::RateLimited { until: Some(_) } => self.outage = None,
                _ => _ = self.outage.get_or_insert(at),
            }
        } else {
            self.waits = 0;
            self.outage = None;
            self.failures = if ending.is_failure() { self.failures + 1 } else { 0 };
            self.ooms = if *ending == Ending::Oom { self.ooms + 1 } else { 0 };
            self.stalled = match progress {
                Some(false) => self.stalled + 1,
                Some(true) | None => 0,
            };
        }
        match charge {
            Charge::Exact(usd) => {
                self.spent += usd;
                // What never came to work is no measure of what work costs.
                if usd > 0.0 {
                    self.dearest = Some(self.dearest.map_or(usd, |dearest| dearest.max(usd)));
                }
            }
            Charge::AtLeast(usd) => {
                self.spent += usd;
                self.at_least = true;
            }
            Charge::Unknown => self.at_least = true,
        }
    }

    fn count_boxes(&mut self, survey: &Survey, claimed: bool) {
        let Some(boxes) = &survey.boxes else { return };
        self.first_box = boxes.first_open.as_ref().map(|text| match &self.first_box {
            Some((same, times)) if same == text => (text.clone(), times + 1),
            _ => (text.clone(), 1),
        });
        let no_open_box = boxes.open == 0 && boxes.done > 0;
        self.boxless = if no_open_box && !claimed { self.boxless + 1 } else { 0 };
    }
}
