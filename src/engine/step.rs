//! One input in, one synchronous decision out.

use super::board::{Board, Check, Stop};
use super::clocks::{self, Watch};
use super::fact::{Charge, Fact, Stamped, VERSION};
use super::planner::{Ended, Next, Planner, Until};
use super::policy::Policy;
use crate::model::{
    AttemptId, Claim, Ending, Evidence, Exit, Found, Handle, LaunchError, Now, RunEnding, RunId, Span, StopCause,
    Survey, Tick, Wall,
};
use std::collections::BTreeMap;

/// All that the outside may tell.
#[allow(clippy::large_enum_variant, reason = "one lives at a time")]
#[derive(Debug, Clone, PartialEq)]
pub enum Input {
    /// A new run.
    Begin {
        /// Its id.
        run: RunId,
        /// Its rules.
        policy: Policy,
        /// This boot.
        boot_id: String,
    },
    /// A run whose facts were replayed.
    Resume {
        /// This boot.
        boot_id: String,
    },
    /// The prompt is composed and the logs are reserved.
    Prepared {
        /// For which attempt.
        attempt: AttemptId,
        /// Number of its log files.
        log: u32,
        /// Size of the raw log.
        raw_from: u64,
        /// Size of the text log.
        text_from: u64,
        /// The work tree now.
        survey: Survey,
    },
    /// They could not be.
    Unprepared {
        /// For which attempt.
        attempt: AttemptId,
        /// Why.
        problem: Problem,
    },
    /// The program runs.
    Launched {
        /// Of which attempt.
        attempt: AttemptId,
        /// Where.
        handle: Handle,
    },
    /// It could not be started.
    LaunchFailed {
        /// Of which attempt.
        attempt: AttemptId,
        /// Why.
        error: LaunchError,
    },
    /// The answer to a probe.
    Found {
        /// Of which attempt.
        attempt: AttemptId,
        /// What.
        found: Found,
    },
    /// Output came.
    Heard {
        /// From which attempt.
        attempt: AttemptId,
        /// Something of it came from the model or a tool, not only from the client's own retries.
        live: bool,
        /// Its final result was in it.
        finished: bool,
    },
    /// The log cannot be written.
    Blocked {
        /// Of which attempt.
        attempt: AttemptId,
        /// The system's words.
        error: String,
    },
    /// It can be written again.
    Flowing {
        /// Of which attempt.
        attempt: AttemptId,
    },
    /// Its process is over: no clock of it runs any more. Its tree is being looked at, and `Ended` follows.
    Exited {
        /// Of which attempt.
        attempt: AttemptId,
    },
    /// It is over, and all is known of it.
    Ended {
        /// Which attempt.
        attempt: AttemptId,
        /// How.
        exit: Exit,
        /// What its output said.
        evidence: Evidence,
        /// The work tree now.
        survey: Survey,
        /// Git locks that were cleared away.
        notes: Vec<crate::model::Note>,
    },
    /// The check of a claim answered.
    Verified {
        /// Whose claim.
        attempt: AttemptId,
        /// Accepted?
        pass: bool,
        /// The end of what it printed.
        tail: String,
    },
    /// The push ended.
    Pushed {
        /// After which attempt.
        attempt: AttemptId,
        /// What went wrong, if anything.
        warning: Option<String>,
    },
    /// The operator.
    Asked(Ask),
    /// The alarm.
    Woke,
}

/// What an operator asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ask {
    /// End the run: now, or after this iteration.
    Stop {
        /// The signal that the exit code is made of.
        signal: i32,
        /// Now.
        at_once: bool,
    },
    /// Start no further iteration.
    Pause,
    /// Start iterations again.
    Unpause,
    /// Ctrl-Z: the clocks stand.
    Suspend,
    /// `fg`: they go on.
    Continue,
}

/// Why an attempt could not be prepared. Both end the run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Problem {
    /// The prompt file is gone or unreadable.
    PromptGone(String),
    /// Logs or state cannot be written.
    CannotWrite(String),
}

/// What the driver must do. Performing one twice is harmless.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Compose the prompt, reserve the logs, look at the work tree; answer with `Prepared`.
    Prepare(AttemptId),
    /// Start it; answer with `Launched` or `LaunchFailed`.
    Launch(AttemptId),
    /// Find out what became of it; answer with `Found`.
    Probe(AttemptId),
    /// Follow it from where its bytes begin.
    Adopt(AttemptId),
    /// Ask it to end.
    Term(AttemptId),
    /// End it and everything it started.
    Kill(AttemptId),
    /// Stop its processes for a while.
    Suspend(AttemptId),
    /// Let them go on.
    Continue(AttemptId),
    /// Forget what the runtime keeps of it.
    Discard(AttemptId),
    /// Push the branch; answer with `Pushed`.
    Push(AttemptId),
    /// Check the claim; answer with `Verified`.
    Verify(AttemptId),
    /// Stop the driver: the run is over.
    Finish(RunEnding),
}

/// When the engine wants to be woken, on either clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Wake {
    /// Monotonic.
    pub tick: Option<Tick>,
    /// Wall.
    pub wall: Option<Wall>,
}

/// A decision.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Step {
    /// To be made durable first.
    pub facts: Vec<Stamped>,
    /// To be performed then, in order.
    pub effects: Vec<Effect>,
    /// The next alarm; replaces the one before.
    pub wake: Wake,
}

/// A rung of the ladder that ends an attempt.
enum Rung {
    /// Ask it to end.
    Term(StopCause),
    /// End it.
    Kill,
}

/// The engine of one run.
#[derive(Debug, Clone)]
pub struct Engine<P> {
    plan: P,
    board: Board,
    watches: BTreeMap<AttemptId, Watch>,
    /// Asked of the driver and not yet answered; forgotten by a crash, and then asked again.
    preparing: Option<AttemptId>,
}

impl<P: Planner> Engine<P> {
    /// An engine over a board: empty, or folded from a journal.
    pub fn new(plan: P, board: Board) -> Engine<P> {
        Engine { plan, board, watches: BTreeMap::new(), preparing: None }
    }

    /// The state, to be read.
    pub fn board(&self) -> &Board {
        &self.board
    }

    /// Takes one input in and decides.
    pub fn step(&mut self, now: Now, input: Input) -> Step {
        let mut step = Step::default();
        self.take(now, input, &mut step);
        if self.board.finished.is_none() {
            self.ring_clocks(now, &mut step);
            self.advance(now, &mut step);
        }
        step.wake = self.wake(now);
        step
    }

    fn record(&mut self, now: Now, fact: Fact, step: &mut Step) {
        let stamped = Stamped { seq: self.board.facts, now, fact };
        self.board.apply(&stamped);
        step.facts.push(stamped);
    }

    fn take(&mut self, now: Now, input: Input, step: &mut Step) {
        match input {
            Input::Begin { run, policy, boot_id } => {
                self.record(now, Fact::RunOpened { version: VERSION, run, policy, boot_id }, step);
            }
            Input::Resume { boot_id } => self.resume(now, boot_id, step),
            Input::Prepared { attempt, log, raw_from, text_from, survey } => {
                if self.preparing.take_if(|preparing| *preparing == attempt).is_some() && self.board.stop.is_none() {
                    let budget = self.budget_left();
                    let effect = Effect::Launch(attempt.clone());
                    self.record(now, Fact::AttemptOpened { attempt, log, raw_from, text_from, survey, budget }, step);
                    step.effects.push(effect);
                }
            }
            Input::Unprepared { attempt, problem } => {
                if self.preparing.take_if(|preparing| *preparing == attempt).is_some() {
                    let ending = match problem {
                        Problem::PromptGone(error) => RunEnding::PromptGone { error },
                        Problem::CannotWrite(error) => RunEnding::CannotWrite { error },
                    };
                    self.finish(now, ending, step);
                }
            }
            Input::Launched { attempt, handle } => {
                if self.board.open.contains_key(&attempt) {
                    self.watches.insert(attempt.clone(), Watch::new(now.tick));
                    self.record(now, Fact::AttemptLaunched { attempt, handle }, step);
                }
            }
            Input::LaunchFailed { attempt, error } => self.close_unlaunched(now, &attempt, error, step),
            Input::Found { attempt, found } => self.find(now, attempt, found, step),
            Input::Heard { attempt, live, finished } => self.hear(now, &attempt, live, finished),
            Input::Blocked { attempt, error } => {
                if self.board.open.get(&attempt).is_some_and(|open| open.blocked.is_none()) {
                    self.record(now, Fact::LogBlocked { attempt, error }, step);
                }
            }
            Input::Flowing { attempt } => {
                if self.board.open.get(&attempt).is_some_and(|open| open.blocked.is_some()) {
                    if let Some(watch) = self.watches.get_mut(&attempt) {
                        watch.hear(now.tick);
                    }
                    self.record(now, Fact::LogFlowing { attempt }, step);
                }
            }
            Input::Exited { attempt } => _ = self.watches.remove(&attempt),
            Input::Ended { attempt, exit, evidence, survey, notes } => {
                self.close(now, &attempt, exit, evidence, survey, notes, step);
            }
            Input::Verified { attempt, pass, tail } => {
                let waited_for = self.board.last.as_ref();
                if waited_for.is_some_and(|last| last.attempt == attempt && last.check == Check::Running) {
                    self.record(now, Fact::ClaimChecked { attempt, pass, tail }, step);
                }
            }
            Input::Pushed { attempt, warning } => {
                if self.board.last.as_ref().is_some_and(|last| last.attempt == attempt && last.pushing) {
                    self.record(now, Fact::Pushed { attempt, warning }, step);
                    self.verify_claim(step);
                }
            }
            Input::Asked(ask) => self.obey(now, ask, step),
            Input::Woke => {}
        }
    }

    /// Takes a run over whose supervisor died or stopped: every open attempt is probed, every unanswered question asked
    /// again.
    fn resume(&mut self, now: Now, boot_id: String, step: &mut Step) {
        let Some(run) = &self.board.run else { return };
        let same_boot = run.boot_id == boot_id;
        if let Some(since) = self.board.suspended.filter(|_| same_boot) {
            // Suspended to the end: its clocks stood until now.
            self.record(now, Fact::Continued { stood: now.tick - since }, step);
        }
        let Some(run) = &self.board.run else { return };
        // Ticks of another boot cannot be compared; the wall clock is the next best. Set back, it takes nothing away.
        let by_wall = (now.wall - run.started).max(run.elapsed_before());
        let elapsed = if same_boot { run.elapsed(now.tick) } else { by_wall };
        self.record(now, Fact::RunResumed { boot_id, elapsed }, step);
        step.effects.extend(self.board.open.keys().cloned().map(Effect::Probe));
        if let Some(last) = self.board.last.as_ref().filter(|last| last.pushing) {
            step.effects.push(Effect::Push(last.attempt.clone()));
        } else {
            self.verify_claim(step);
        }
    }

    /// Asks for the check of a claim that waits for one.
    fn verify_claim(&self, step: &mut Step) {
        if let Some(last) = self.board.last.as_ref().filter(|last| last.check == Check::Running) {
            step.effects.push(Effect::Verify(last.attempt.clone()));
        }
    }

    /// What is left of `--max-cost`, to be passed on as the agent's own budget.
    fn budget_left(&self) -> Option<f64> {
        let run = self.board.run.as_ref()?;
        Some((run.policy.max_cost? - self.board.tally.spent).max(0.0))
    }

    fn find(&mut self, now: Now, attempt: AttemptId, found: Found, step: &mut Step) {
        let Some(open) = self.board.open.get(&attempt) else { return };
        let (launched, stopping, blocked) = (open.launched.is_some(), open.stopping.is_some(), open.blocked.is_some());
        match found {
            Found::Never if self.board.stop.is_some_and(|stop| stop.at_once) => {
                // Nothing is started only to be ended.
                let error = LaunchError { message: "stopped before it was started".to_owned(), permanent: false };
                self.close_unlaunched(now, &attempt, error, step);
            }
            Found::Never => step.effects.push(Effect::Launch(attempt)),
            Found::Ended(_) | Found::Gone => step.effects.push(Effect::Adopt(attempt)),
            Found::Alive(handle) => {
                self.watches.insert(attempt.clone(), Watch::new(now.tick));
                if !launched {
                    self.record(now, Fact::AttemptLaunched { attempt: attempt.clone(), handle }, step);
                }
                self.record(now, Fact::AttemptAdopted { attempt: attempt.clone() }, step);
                if blocked {
                    // Nobody saw whether it still is; if so, it is reported again.
                    self.record(now, Fact::LogFlowing { attempt: attempt.clone() }, step);
                }
                step.effects.push(Effect::Adopt(attempt.clone()));
                // The supervisor before may have died after it made the worker stand still.
                step.effects.push(Effect::Continue(attempt.clone()));
                if stopping {
                    step.effects.push(Effect::Term(attempt));
                }
            }
        }
    }

    fn hear(&mut self, now: Now, attempt: &AttemptId, live: bool, finished: bool) {
        let Some(watch) = self.watches.get_mut(attempt) else { return };
        if live {
            watch.hear(now.tick);
        }
        if finished {
            watch.finish(now.tick);
        }
    }

    fn close_unlaunched(&mut self, now: Now, attempt: &AttemptId, error: LaunchError, step: &mut Step) {
        let Some(open) = self.board.open.get(attempt) else { return };
        let fact = Fact::AttemptEnded {
            attempt: attempt.clone(),
            exit: None,
            evidence: Evidence::default(),
            survey: open.survey.clone(),
            progress: None,
            ending: Ending::LaunchFailed { error: error.message, permanent: error.permanent },
            notes: Vec::new(),
            charge: Charge::Exact(0.0),
            lasted: Span::ZERO,
            to_verify: false,
        };
        self.record(now, fact, step);
        self.after_end(attempt, step);
    }

    #[allow(clippy::too_many_arguments, reason = "the fields of one input")]
    fn close(
        &mut self,
        now: Now,
        attempt: &AttemptId,
        exit: Exit,
        mut evidence: Evidence,
        survey: Survey,
        mut noted: Vec<crate::model::Note>,
        step: &mut Step,
    ) {
        let Some(open) = self.board.open.get(attempt) else { return };
        // A price that is none cannot be added up, and a journal cannot hold an infinite one.
        evidence.usage.cost_usd = evidence.usage.cost_usd.filter(|usd| usd.is_finite() && *usd >= 0.0);
        let cause = open.stopping.map(|(_, cause)| cause);
        let seen = Ended { exit: &exit, evidence: &evidence, survey: &survey, cause };
        let verdict = self.plan.judge(&self.board, open, &seen);
        let charge = self.charge(&evidence, open.budget);
        let lasted = open.launched.as_ref().map_or(Span::ZERO, |(tick, _)| now.tick - *tick);
        let mut notes = verdict.notes;
        notes.append(&mut noted);
        let fact = Fact::AttemptEnded {
            attempt: attempt.clone(),
            exit: Some(exit),
            evidence,
            survey,
            progress: verdict.progress,
            ending: verdict.ending,
            notes,
            charge,
            lasted,
            to_verify: verdict.to_verify,
        };
        self.record(now, fact, step);
        self.after_end(attempt, step);
    }

    fn after_end(&mut self, attempt: &AttemptId, step: &mut Step) {
        self.watches.remove(attempt);
        step.effects.push(Effect::Discard(attempt.clone()));
        if self.board.last.as_ref().is_some_and(|last| last.pushing) {
            step.effects.push(Effect::Push(attempt.clone()));
        } else {
            self.verify_claim(step);
        }
    }

    /// What an attempt costs the run. One that did not tell is charged the dearest that did, or all that it was given.
    fn charge(&self, evidence: &Evidence, budget: Option<f64>) -> Charge {
        match (evidence.usage.cost_usd, self.board.tally.dearest, budget) {
            (Some(usd), _, _) => Charge::Exact(usd),
            (None, Some(dearest), _) => Charge::AtLeast(dearest),
            (None, None, Some(budget)) => Charge::AtLeast(budget),
            (None, None, None) => Charge::Unknown,
        }
    }

    fn obey(&mut self, now: Now, ask: Ask, step: &mut Step) {
        match ask {
            Ask::Stop { signal, at_once } => {
                let again = self.board.stop.is_some_and(|stop| stop.at_once);
                if !again {
                    self.record(now, Fact::StopAsked { signal, at_once }, step);
                } else if at_once {
                    self.kill_all(step);
                }
            }
            Ask::Pause if !self.board.paused => self.record(now, Fact::Paused, step),
            Ask::Unpause if self.board.paused => self.record(now, Fact::Unpaused, step),
            Ask::Pause | Ask::Unpause => {}
            Ask::Suspend if self.board.suspended.is_none() => {
                self.record(now, Fact::Suspended, step);
                step.effects.extend(self.board.open.keys().cloned().map(Effect::Suspend));
            }
            Ask::Suspend => {}
            Ask::Continue => {
                if let Some(since) = self.board.suspended {
                    let stood = now.tick - since;
                    self.record(now, Fact::Continued { stood }, step);
                    self.watches.values_mut().for_each(|watch| watch.shift(stood));
                    step.effects.extend(self.board.open.keys().cloned().map(Effect::Continue));
                }
            }
        }
    }

    fn kill_all(&mut self, step: &mut Step) {
        for (attempt, watch) in &mut self.watches {
            if self.board.open.contains_key(attempt) && !watch.killed {
                watch.killed = true;
                step.effects.push(Effect::Kill(attempt.clone()));
            }
        }
    }

    /// Timeouts, the operator's stop, the run's time limit, and the ladder's second rung.
    fn ring_clocks(&mut self, now: Now, step: &mut Step) {
        let due: Vec<(AttemptId, Rung)> = self
            .watches
            .iter()
            .filter_map(|(attempt, watch)| Some((attempt.clone(), self.due(now, attempt, watch)?)))
            .collect();
        for (attempt, rung) in due {
            match rung {
                Rung::Term(cause) => {
                    self.record(now, Fact::AttemptStopping { attempt: attempt.clone(), cause }, step);
                    step.effects.push(Effect::Term(attempt));
                }
                Rung::Kill => {
                    self.watches.entry(attempt.clone()).and_modify(|watch| watch.killed = true);
                    step.effects.push(Effect::Kill(attempt));
                }
            }
        }
    }

    /// What is due for a running attempt.
    fn due(&self, now: Now, attempt: &AttemptId, watch: &Watch) -> Option<Rung> {
        let run = self.board.run.as_ref().filter(|_| self.board.suspended.is_none())?;
        let open = self.board.open.get(attempt)?;
        if open.stopping.is_some() {
            let at = clocks::kill_at(open, watch, &run.policy)?;
            return (now.tick >= at).then_some(Rung::Kill);
        }
        if self.board.stop.is_some_and(|stop| stop.at_once) {
            return Some(Rung::Term(StopCause::Operator));
        }
        if run.deadline().is_some_and(|deadline| now.tick >= deadline) {
            return Some(Rung::Term(StopCause::WallTimeout));
        }
        let (at, cause) = clocks::alarm(open, watch, &run.policy)?;
        (now.tick >= at).then_some(Rung::Term(cause))
    }

    /// Asks the plan what comes next, once nothing is under way.
    fn advance(&mut self, now: Now, step: &mut Step) {
        if self.board.run.is_none() || !self.board.open.is_empty() {
            return;
        }
        if let Some(stop) = self.board.stop {
            return self.stop(now, stop, step);
        }
        if self.preparing.is_some() || self.board.suspended.is_some() {
            return;
        }
        match self.plan.next(&self.board, now) {
            Next::Hold => {}
            Next::Finish(ending) => self.finish(now, ending, step),
            Next::Wait { until, why } => self.record(now, Fact::WaitStarted { until, why }, step),
            Next::Start { task, number, tries } => {
                let Some(run) = &self.board.run else { return };
                let attempt = AttemptId { run: run.id.clone(), task, number, tries };
                self.preparing = Some(attempt.clone());
                step.effects.push(Effect::Prepare(attempt));
            }
        }
    }

    /// Ends the run that the operator wants to end. "After this iteration" is after its push and the check of its claim
    /// too, and work that is done by then is done.
    fn stop(&mut self, now: Now, stop: Stop, step: &mut Step) {
        let stopped = RunEnding::Stopped { signal: stop.signal };
        let under_way = self.board.last.as_ref().is_some_and(|last| last.pushing || last.check == Check::Running);
        match self.plan.next(&self.board, now) {
            Next::Finish(RunEnding::Done) => self.finish(now, RunEnding::Done, step),
            _ if under_way && !stop.at_once => {}
            _ => self.finish(now, stopped, step),
        }
    }

    fn finish(&mut self, now: Now, ending: RunEnding, step: &mut Step) {
        self.record(now, Fact::RunFinished { ending: ending.clone() }, step);
        step.effects.push(Effect::Finish(ending));
    }

    /// The next alarm over all clocks.
    fn wake(&self, now: Now) -> Wake {
        let mut wake = Wake::default();
        let Some(run) =
            self.board.run.as_ref().filter(|_| self.board.finished.is_none() && self.board.suspended.is_none())
        else {
            return wake;
        };
        let mut earliest = |tick: Option<Tick>| wake.tick = [wake.tick, tick].into_iter().flatten().min();
        for (attempt, watch) in &self.watches {
            let Some(open) = self.board.open.get(attempt) else { continue };
            if open.stopping.is_some() {
                earliest(clocks::kill_at(open, watch, &run.policy));
            } else {
                earliest(clocks::alarm(open, watch, &run.policy).map(|(tick, _)| tick));
            }
        }
        // Once it has passed, whatever is under way is awaited.
        earliest(run.deadline().filter(|deadline| *deadline > now.tick));
        // A wait that is over stands until its next attempt is opened: it must not ring while that is being prepared.
        if let Some(waiting) = self.board.wait.filter(|_| !self.board.paused && self.preparing.is_none()) {
            match waiting.until {
                Until::Tick(tick) => earliest(Some(tick)),
                Until::Wall(wall) => wake.wall = Some(wall),
            }
        }
        wake
    }
}

/// Does the evidence hold a claim?
pub(super) fn claims(evidence: &Evidence) -> bool {
    matches!(evidence.claim, Claim::Done { .. })
}
