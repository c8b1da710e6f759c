//! The one async loop: input, decision, durable facts, effects. It decides nothing and knows no operating system: what
//! it drives is handed to it behind the traits of [`seams`], so that the simulator runs the same code.

pub mod control;
pub mod fleet;
pub mod orders;
pub mod real;
pub mod recover;
pub mod seams;
pub mod tree;

use crate::agent::{Closing, Scan};
use crate::engine::{Board, Effect, Engine, Input, LoopPlan, Planner, Stamped, Step, Wake};
use crate::model::{AttemptId, Exit, Note, RunEnding, Sign, Survey};
use crate::runtime::{Event, Nudge, Runtime};
use seams::{Audience, Clock, Journal, Order, Orders, Workspace};
use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::pin::Pin;

/// Why the driver came back.
#[derive(Debug)]
pub enum Outcome {
    /// The run is over, and its journal says so.
    Finished(RunEnding),
    /// The operator left it (SIGQUIT): the worker stays, the run can be resumed.
    Left,
    /// Facts cannot be made durable. What ran was ended; the journal is as it was.
    CannotWrite(io::Error),
    /// It cannot be found out what became of an attempt, or it cannot be followed. Taken for lost it could get a second
    /// worker beside it, so it was left alone; the run can be resumed.
    CannotFollow(AttemptId, io::Error),
}

/// Work that is under way beside the attempts: composing a prompt, looking at the tree, pushing, verifying.
type Job = Pin<Box<dyn Future<Output = Input>>>;

/// What listens to one attempt.
struct Listener {
    scanner: Box<dyn Scan + Send>,
}

/// The loop and all that it holds.
pub struct Driver<R, J, C, W, A, O, P = LoopPlan> {
    engine: Engine<P>,
    runtime: R,
    journal: J,
    clock: C,
    workspace: W,
    audience: A,
    orders: O,
    listeners: BTreeMap<AttemptId, Listener>,
    jobs: VecDeque<Job>,
    answers: VecDeque<Input>,
    /// Facts that nothing was done upon yet.
    unwritten: Vec<Stamped>,
    chunk: Vec<u8>,
    signs: Vec<Sign>,
}

/// What a driver is made of.
pub struct Parts<R, J, C, W, A, O> {
    /// Where attempts run.
    pub runtime: R,
    /// Where facts become durable.
    pub journal: J,
    /// What time it is.
    pub clock: C,
    /// The tree that the agents work in.
    pub workspace: W,
    /// Who is told.
    pub audience: A,
    /// Who commands.
    pub orders: O,
}

impl<R, J, C, W, A, O, P> Driver<R, J, C, W, A, O, P>
where
    R: Runtime,
    J: Journal,
    C: Clock,
    W: Workspace,
    A: Audience,
    O: Orders,
    P: Planner,
{
    /// A driver over `board`: empty for a new run, folded from its journal for a resumed one.
    pub fn new(plan: P, board: Board, parts: Parts<R, J, C, W, A, O>) -> Self {
        Driver {
            engine: Engine::new(plan, board),
            runtime: parts.runtime,
            journal: parts.journal,
            clock: parts.clock,
            workspace: parts.workspace,
            audience: parts.audience,
            orders: parts.orders,
            listeners: BTreeMap::new(),
            jobs: VecDeque::new(),
            answers: VecDeque::new(),
            unwritten: Vec::new(),
            chunk: Vec::new(),
            signs: Vec::new(),
        }
    }

    /// The state, to be read.
    pub fn board(&self) -> &Board {
        self.engine.board()
    }

    /// Where its attempts run, to be read.
    pub fn runtime(&self) -> &R {
        &self.runtime
    }

    /// Who is told; for a last word after the run.
    pub fn audience(&mut self) -> &mut A {
        &mut self.audience
    }

    /// Is taken right after the first input, before any answer.
    pub fn then(&mut self, input: Input) {
        self.answers.push_back(input);
    }

    /// Runs until the run is over, starting with `first` (`Begin` or `Resume`).
    pub async fn run(&mut self, first: Input) -> Outcome {
        let mut input = first;
        loop {
            let Step { facts, effects, wake } = self.engine.step(self.clock.now(), input);
            self.unwritten.extend(facts);
            for effect in effects {
                if acts(&effect)
                    && let Err(outcome) = self.make_durable().await
                {
                    return outcome;
                }
                if let Effect::Finish(ending) = effect {
                    return Outcome::Finished(ending);
                }
                if let Err(lost) = self.perform(effect).await {
                    return lost;
                }
            }
            if let Some(answer) = self.answers.pop_front() {
                input = answer;
                continue;
            }
            if let Err(outcome) = self.make_durable().await {
                return outcome;
            }
            input = match self.listen(wake).await {
                Some(input) => input,
                None => return Outcome::Left,
            };
        }
    }

    /// The rule of the house: facts to disk before effects, before anybody hears of them, and before anything is waited
    /// for. What leads only to more facts waits for those, and is written with them.
    async fn make_durable(&mut self) -> Result<(), Outcome> {
        if self.unwritten.is_empty() {
            return Ok(());
        }
        let facts = std::mem::take(&mut self.unwritten);
        if let Err(error) = self.journal.append(&facts).await {
            self.abandon_ship().await;
            return Err(Outcome::CannotWrite(error));
        }
        self.audience.facts(self.engine.board(), &facts);
        Ok(())
    }

    /// Performs an effect; an error ends the loop.
    async fn perform(&mut self, effect: Effect) -> Result<(), Outcome> {
        tracing::debug!(?effect, "perform");
        match effect {
            Effect::Prepare(attempt) => self.prepare(attempt),
            Effect::Launch(attempt) => self.launch(attempt).await,
            Effect::Probe(attempt) => {
                let probed = self.runtime.probe(&attempt).await;
                let found = probed.map_err(|error| Outcome::CannotFollow(attempt.clone(), error))?;
                self.answers.push_back(Input::Found { attempt, found });
            }
            Effect::Adopt(attempt) => {
                let adopted = self.adopt(&attempt).await;
                adopted.map_err(|error| Outcome::CannotFollow(attempt, error))?;
            }
            Effect::Term(attempt) => self.nudge(&attempt, Nudge::Term),
            Effect::Kill(attempt) => self.nudge(&attempt, Nudge::Kill),
            Effect::Suspend(attempt) => self.nudge(&attempt, Nudge::Suspend),
            Effect::Continue(attempt) => self.nudge(&attempt, Nudge::Continue),
            Effect::Discard(attempt) => {
                self.listeners.remove(&attempt);
                if let Err(error) = self.runtime.discard(&attempt).await {
                    tracing::warn!(%attempt, %error, "discard failed");
                }
            }
            Effect::Push(attempt) => {
                let push = self.workspace.push();
                self.jobs.push_back(Box::pin(async move { Input::Pushed { attempt, warning: push.await } }));
            }
            Effect::Verify(attempt) => {
                let check = self.workspace.verify(&attempt);
                self.jobs.push_back(Box::pin(async move {
                    let (pass, tail) = check.await;
                    Input::Verified { attempt, pass, tail }
                }));
            }
            // Handled by the caller: it ends the loop.
            Effect::Finish(_) => {}
        }
        Ok(())
    }

    fn nudge(&mut self, attempt: &AttemptId, nudge: Nudge) {
        if let Err(error) = self.runtime.nudge(attempt, nudge) {
            tracing::warn!(%attempt, ?nudge, %error, "signal failed");
        }
    }

    fn prepare(&mut self, attempt: AttemptId) {
        let refused = self.engine.board().last.as_ref().and_then(|last| last.check.refusal()).map(str::to_owned);
        let log =
            self.engine.board().last.as_ref().filter(|last| attempt.tries > 1 && last.log > 0).map(|last| last.log);
        let before = self.engine.board().last.as_ref().map(|last| last.survey.clone());
        let prepare = self.workspace.prepare(&attempt, log, refused, before);
        self.jobs.push_back(Box::pin(async move {
            match prepare.await {
                Ok(ready) => Input::Prepared {
                    attempt,
                    log: ready.log,
                    raw_from: ready.raw_from,
                    text_from: ready.text_from,
                    survey: ready.survey,
                },
                Err(problem) => Input::Unprepared { attempt, problem },
            }
        }));
    }

    async fn launch(&mut self, attempt: AttemptId) {
        let Some(open) = self.engine.board().open.get(&attempt) else { return };
        // Before the launch: an agent may print, and be looked at, before its launch is reported.
        self.audience.opened(open, false);
        let launched = match self.workspace.launch(open) {
            Ok(launch) => self.runtime.launch(&launch).await,
            Err(error) => Err(error),
        };
        let answer = match launched {
            Ok(handle) => {
                self.listeners.insert(attempt.clone(), Listener { scanner: self.workspace.scanner() });
                Input::Launched { attempt, handle }
            }
            Err(error) => {
                self.audience.closed(&attempt);
                Input::LaunchFailed { attempt, error }
            }
        };
        self.answers.push_back(answer);
    }

    async fn adopt(&mut self, attempt: &AttemptId) -> io::Result<()> {
        let Some(open) = self.engine.board().open.get(attempt) else { return Ok(()) };
        self.audience.opened(open, true);
        self.listeners.insert(attempt.clone(), Listener { scanner: self.workspace.scanner() });
        let (out, from) = (self.workspace.raw_log(open.log), open.raw_from);
        self.runtime.adopt(attempt, &out, from).await
    }

    /// Waits for the next thing to happen; `None` when the operator leaves.
    async fn listen(&mut self, wake: Wake) -> Option<Input> {
        loop {
            let heard = tokio::select! {
                biased;
                order = self.orders.next() => Heard::Order(order),
                answer = first(&mut self.jobs) => Heard::Answer(answer),
                event = self.runtime.next(&mut self.chunk) => Heard::Event(event),
                () = self.clock.until(wake) => Heard::Alarm,
            };
            match heard {
                Heard::Order(Order::Ask(ask)) => return Some(Input::Asked(ask)),
                Heard::Order(Order::Leave) => return None,
                Heard::Answer(answer) => {
                    self.jobs.pop_front();
                    return Some(answer);
                }
                Heard::Event(event) => {
                    if let Some(input) = self.hear(event) {
                        return Some(input);
                    }
                }
                Heard::Alarm => return Some(Input::Woke),
            }
        }
    }

    fn hear(&mut self, event: Event) -> Option<Input> {
        match event {
            Event::Output { attempt } => {
                let listener = self.listeners.get_mut(&attempt)?;
                self.signs.clear();
                listener.scanner.feed(&self.chunk, &mut self.signs);
                self.audience.heard(&attempt, &self.signs);
                // The client's own retries say nothing of the model: they reset no clock.
                let retries = self.signs.iter().filter(|sign| matches!(sign, Sign::Retry { .. })).count();
                let live = retries == 0 || retries < self.signs.len();
                let finished = self.signs.iter().any(|sign| matches!(sign, Sign::Final));
                Some(Input::Heard { attempt, live, finished })
            }
            Event::Paused { attempt, error } => Some(Input::Blocked { attempt, error }),
            Event::Flowing { attempt } => Some(Input::Flowing { attempt }),
            Event::Ended { attempt, exit } => {
                self.end(attempt, exit);
                self.answers.pop_front()
            }
        }
    }

    /// An attempt is over: its output is judged with its last words on stderr, then the tree is looked at, then the
    /// engine hears of all of it at once.
    fn end(&mut self, attempt: AttemptId, exit: Exit) {
        let Some(open) = self.engine.board().open.get(&attempt) else { return };
        let Some(mut listener) = self.listeners.remove(&attempt) else { return };
        self.signs.clear();
        let last_words = self.workspace.last_words(open);
        let closing = Closing { stderr_tail: &last_words, now: self.clock.now().wall, zone: self.clock.zone() };
        let evidence = listener.scanner.close(&closing, &mut self.signs);
        self.audience.heard(&attempt, &self.signs);
        self.audience.closed(&attempt);
        let after = self.workspace.after(open, &exit);
        self.answers.push_back(Input::Exited { attempt: attempt.clone() });
        self.jobs.push_back(Box::pin(async move {
            let (survey, notes): (Survey, Vec<Note>) = after.await;
            Input::Ended { attempt, exit, evidence, survey, notes }
        }));
    }

    /// Facts cannot be kept any more: nothing may go on that nobody could find again.
    async fn abandon_ship(&mut self) {
        let mut open: Vec<AttemptId> = self.listeners.keys().cloned().collect();
        open.iter().for_each(|attempt| self.nudge(attempt, Nudge::Kill));
        while !open.is_empty() {
            if let Event::Ended { attempt, .. } = self.runtime.next(&mut self.chunk).await {
                open.retain(|other| *other != attempt);
            }
        }
    }
}

/// Does it change anything outside? To look does not.
fn acts(effect: &Effect) -> bool {
    !matches!(effect, Effect::Probe(_))
}

/// One thing that the loop heard.
#[allow(clippy::large_enum_variant, reason = "one lives at a time, on the stack")]
enum Heard {
    Order(Order),
    Answer(Input),
    Event(Event),
    Alarm,
}

/// The answer of the job at the head of the queue; pending for ever while there is none.
async fn first(jobs: &mut VecDeque<Job>) -> Input {
    match jobs.front_mut() {
        Some(job) => job.await,
        None => std::future::pending().await,
    }
}
