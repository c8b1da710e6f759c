//! The driver's seams, each a window on the [`World`]. Every await of theirs is a place where the supervisor may die.

use crate::ledger::WorkerSeen;
use crate::script::Script;
use crate::world::{Await, Shared, Worker, World};
use jiff::tz::TimeZone;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::future::poll_fn;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::task::Poll;
use swarm::agent::{Agent, Closing, DoneMatch, DoneRule, Scan, done::DEFAULT_PATTERN};
use swarm::driver::seams::{Audience, Clock, Journal, Order, Orders, Ready, Workspace};
use swarm::engine::board::Open;
use swarm::engine::{Ask, Board, Fact, Problem, Stamped, Wake};
use swarm::model::{
    AttemptId, Evidence, Exit, Found, Handle, Launch, LaunchError, Note, Now, Sign, Status, Streams, Survey, Wall,
};
use swarm::runtime::{Event, Nudge, Runtime};

/// Lets the executor look, a random number of times: it may see to it that we never come back.
async fn pause(world: &Shared, at: Await) {
    let times = world.borrow_mut().random.below(3);
    for _ in 0..times {
        breathe(world, at).await;
    }
}

/// Lets the executor look once.
async fn breathe(world: &Shared, at: Await) {
    let mut looked = false;
    poll_fn(|_| {
        if std::mem::replace(&mut looked, true) {
            return Poll::Ready(());
        }
        let mut world = world.borrow_mut();
        world.waits.insert(at);
        world.yielded = true;
        Poll::Pending
    })
    .await;
}

/// Takes some time, most often none.
async fn take_time(world: &Shared, at: Await, most: u64) {
    let until = {
        let mut world = world.borrow_mut();
        let takes = world.random.percent(40);
        world.age + if takes { world.random.below(most) } else { 0 }
    };
    poll_fn(|_| {
        let mut world = world.borrow_mut();
        if world.age >= until {
            world.moved();
            return Poll::Ready(());
        }
        world.waits.insert(at);
        world.wake_at(until);
        Poll::Pending
    })
    .await;
}

// ---- Journal -----------------------------------------------------------------------------------------------------

/// Keeps each fact as its line of JSON.
pub(crate) struct SimJournal(pub(crate) Shared);

impl Journal for SimJournal {
    async fn append(&mut self, facts: &[Stamped]) -> io::Result<()> {
        pause(&self.0, Await::AppendBegun).await;
        if self.0.borrow().journal_full {
            let mut world = self.0.borrow_mut();
            world.coverage.hit("journal full");
            world.abandoned = true;
            return Err(io::Error::from(io::ErrorKind::StorageFull));
        }
        for (at, fact) in facts.iter().enumerate() {
            if at > 0 && self.0.borrow_mut().random.percent(30) {
                breathe(&self.0, Await::AppendTorn).await;
            }
            keep(&mut self.0.borrow_mut(), fact);
        }
        pause(&self.0, Await::AppendDone).await;
        Ok(())
    }
}

fn keep(world: &mut World, fact: &Stamped) {
    world.moved();
    let line = serde_json::to_string(fact).expect("a fact is written");
    world.say(|| format!("fact: {line}"));
    let read: Stamped = serde_json::from_str(&line).expect("a fact is read");
    assert_eq!(*fact, read, "a fact is read as it was written");
    let World { ledger, workers, logs, coverage, .. } = world;
    ledger.take(&read, |attempt| {
        let worker = workers.get(attempt)?;
        let own = logs.get(&worker.log).map_or(&[][..], |log| &log[worker.from..]);
        let concluded = own.split_inclusive(|byte| *byte == b'\n').any(is_result);
        Some(WorkerSeen::of(worker, concluded))
    });
    crate::cover::fact(coverage, &read.fact);
    world.journal.push(line);
}

/// Is this line whole, if need be without its newline, and the result?
fn is_result(line: &[u8]) -> bool {
    line.trim_ascii_end().ends_with(b"}")
        && line.windows(15).any(|part| part == b"\"type\":\"result\"")
        && serde_json::from_slice::<serde::de::IgnoredAny>(line).is_ok()
}

// ---- Clock -------------------------------------------------------------------------------------------------------

/// Both clocks of the world.
pub(crate) struct SimClock(pub(crate) Shared);

impl Clock for SimClock {
    fn now(&self) -> Now {
        self.0.borrow().now()
    }

    fn zone(&self) -> &TimeZone {
        const UTC: &TimeZone = &TimeZone::UTC;
        UTC
    }

    async fn until(&self, wake: Wake) {
        let mut asked = self.0.borrow().age;
        poll_fn(|_| {
            let mut world = self.0.borrow_mut();
            world.waits.insert(Await::Alarm);
            let now = world.now();
            if wake.tick.is_some_and(|tick| now.tick >= tick) || wake.wall.is_some_and(|wall| now.wall >= wall) {
                world.woke();
                return Poll::Ready(());
            }
            // A wall clock that was set wakes early; so may anything.
            let moved = world.age > std::mem::replace(&mut asked, world.age);
            if moved && wake.wall.is_some() && world.random.percent(30) {
                world.coverage.hit("woke early");
                return Poll::Ready(());
            }
            if let Some(wall) = wake.wall {
                let before = world.age_of_wall(wall) - world.age;
                let age = world.age + before.div_ceil(2);
                world.wake_at(age);
            }
            let ages = [wake.tick.map(|tick| world.age_of(tick)), wake.wall.map(|wall| world.age_of_wall(wall))];
            ages.into_iter().flatten().for_each(|age| world.wake_at(age));
            Poll::Pending
        })
        .await;
    }
}

// ---- Orders ------------------------------------------------------------------------------------------------------

/// An operator who asks for this and that at random.
pub(crate) struct SimOrders(pub(crate) Shared);

impl Orders for SimOrders {
    async fn next(&mut self) -> Order {
        poll_fn(|_| {
            let mut world = self.0.borrow_mut();
            if std::mem::take(&mut world.suspending) {
                return stand_still(&mut world);
            }
            if let Some(order) = world.order() {
                world.coverage.hit(format!("order: {}", order_name(order)));
                return Poll::Ready(order);
            }
            world.waits.insert(Await::Orders);
            if let Some(age) = world.next_order() {
                world.wake_at(age);
            }
            Poll::Pending
        })
        .await
    }
}

/// The supervisor is stopped by the terminal: the world goes on without it. It may be killed as it stands there.
fn stand_still(world: &mut World) -> Poll<Order> {
    let stood = world.random.stretch(20);
    let until = world.age + stood;
    world.pass_until(until);
    if world.crashes_left > 0 && world.random.percent(20) {
        world.crash_now = true;
        world.waits.insert(Await::Suspended);
        world.yielded = true;
        return Poll::Pending;
    }
    world.listens = world.age;
    world.moved();
    // The clocks stood.
    for worker in world.workers.values_mut() {
        worker.started += stood;
        for at in [&mut worker.heard, &mut worker.concluded, &mut worker.blocked_at, &mut worker.termed] {
            *at = at.map(|at| at + stood);
        }
    }
    Poll::Ready(Order::Ask(Ask::Continue))
}

fn order_name(order: Order) -> &'static str {
    match order {
        Order::Ask(Ask::Stop { at_once: true, .. }) => "stop now",
        Order::Ask(Ask::Stop { at_once: false, .. }) => "stop",
        Order::Ask(Ask::Pause) => "pause",
        Order::Ask(Ask::Unpause) => "unpause",
        Order::Ask(Ask::Suspend) => "suspend",
        Order::Ask(Ask::Continue) => "continue",
        Order::Leave => "leave",
    }
}

// ---- Audience ----------------------------------------------------------------------------------------------------

/// Compares what it is told with what is durable.
pub(crate) struct SimAudience {
    pub(crate) world: Shared,
    pub(crate) hearing: Arc<Mutex<Hearing>>,
}

/// Which attempt the next scanner is for.
#[derive(Debug, Default)]
pub(crate) struct Hearing {
    next: Option<AttemptId>,
    /// What the scanner of an attempt was fed.
    fed: BTreeMap<AttemptId, Vec<u8>>,
}

impl Audience for SimAudience {
    fn opened(&mut self, open: &Open, _adopted: bool) {
        self.hearing.lock().unwrap().next = Some(open.attempt.clone());
    }

    fn heard(&mut self, attempt: &AttemptId, signs: &[Sign]) {
        let mut world = self.world.borrow_mut();
        let age = world.age;
        let live = signs.is_empty() || signs.iter().any(|sign| !matches!(sign, Sign::Retry { .. }));
        let Some(worker) = world.workers.get_mut(attempt) else { return };
        if live {
            worker.heard = Some(age);
        }
        if signs.iter().any(|sign| matches!(sign, Sign::Final)) {
            worker.concluded.get_or_insert(age);
        }
    }

    fn closed(&mut self, attempt: &AttemptId) {
        let fed = self.hearing.lock().unwrap().fed.remove(attempt).unwrap_or_default();
        let world = self.world.borrow();
        let Some(worker) = world.workers.get(attempt) else { return };
        let own = world.logs.get(&worker.log).map_or(&[][..], |log| &log[worker.from..]);
        assert!(fed == own, "{attempt}: {} bytes were scanned of {}", fed.len(), own.len());
    }

    fn facts(&mut self, board: &Board, facts: &[Stamped]) {
        let mut world = self.world.borrow_mut();
        for fact in facts {
            let line = world.journal.get(fact.seq as usize).expect("what is told is durable");
            let durable: Stamped = serde_json::from_str(line).expect("a fact is read");
            world.shadow.apply(&durable);
        }
        assert!(world.shadow == *board, "the board is not the fold of the journal: {board:?}, {:?}", world.shadow);
    }
}

// ---- Workspace ---------------------------------------------------------------------------------------------------

/// The tree, the prompt, the logs, the check and the push.
pub(crate) struct SimWorkspace {
    pub(crate) world: Shared,
    pub(crate) hearing: Arc<Mutex<Hearing>>,
}

impl Workspace for SimWorkspace {
    fn prepare(
        &self,
        attempt: &AttemptId,
        log: Option<u32>,
        _refused: Option<String>,
        _before: Option<Survey>,
    ) -> impl Future<Output = Result<Ready, Problem>> + 'static {
        let (world, attempt) = (self.world.clone(), attempt.clone());
        async move {
            {
                let world = world.borrow();
                assert!(!world.ledger.is_open(&attempt) && !world.ledger.is_over(&attempt), "{attempt} again");
                world.ledger.check_start(&attempt, world.now());
            }
            pause(&world, Await::Prepare).await;
            take_time(&world, Await::Prepare, 3_000).await;
            let mut world = world.borrow_mut();
            let world = &mut *world;
            if world.setting.prompt_gone_from.is_some_and(|from| attempt.number >= from) {
                world.coverage.hit("unprepared");
                world.ledger.prompt_was_gone = true;
                return Err(Problem::PromptGone("gone".into()));
            }
            if world.setting.unwritable_at == Some(attempt.number) && !world.ledger.was_unwritable {
                world.coverage.hit("unprepared");
                world.ledger.was_unwritable = true;
                return Err(Problem::CannotWrite("full".into()));
            }
            world.coverage.hit("prepared");
            let next = world.logs.keys().max().map_or(1, |log| log + 1);
            let log = log.unwrap_or(next);
            let raw_from = world.logs.entry(log).or_default().len() as u64;
            Ok(Ready { log, raw_from, text_from: 0, survey: world.survey() })
        }
    }

    fn launch(&self, open: &Open) -> Result<Launch, LaunchError> {
        Ok(Launch {
            attempt: open.attempt.clone(),
            argv: vec![OsString::from("claude")],
            cwd: PathBuf::new(),
            env: Vec::new(),
            streams: Streams::Files {
                stdin: PathBuf::new(),
                out: self.raw_log(open.log),
                err: PathBuf::new(),
                show: None,
            },
            keep_children: false,
        })
    }

    fn raw_log(&self, log: u32) -> PathBuf {
        PathBuf::from(log.to_string())
    }

    fn scanner(&self) -> Box<dyn Scan + Send> {
        let rule = DoneRule::new(DEFAULT_PATTERN, DoneMatch::Last).expect("the default rule");
        let attempt = self.hearing.lock().unwrap().next.take().expect("a scanner is for somebody");
        self.hearing.lock().unwrap().fed.insert(attempt.clone(), Vec::new());
        Box::new(Ear { attempt, hearing: self.hearing.clone(), scanner: Agent::Claude.scanner(&rule) })
    }

    fn last_words(&self, _open: &Open) -> Vec<u8> {
        Vec::new()
    }

    fn after(&self, open: &Open, _exit: &Exit) -> impl Future<Output = (Survey, Vec<Note>)> + 'static {
        let (world, attempt) = (self.world.clone(), open.attempt.clone());
        async move {
            pause(&world, Await::After).await;
            take_time(&world, Await::After, 20_000).await;
            let mut world = world.borrow_mut();
            world.coverage.hit("ended");
            assert!(!world.ledger.is_over(&attempt), "{attempt} ends again");
            (world.survey(), Vec::new())
        }
    }

    fn push(&self) -> impl Future<Output = Option<String>> + 'static {
        let world = self.world.clone();
        async move {
            pause(&world, Await::Push).await;
            take_time(&world, Await::Push, 60_000).await;
            let mut world = world.borrow_mut();
            world.coverage.hit("pushed");
            let fails = !world.setting.twin && world.random.percent(30);
            fails.then(|| "no route to host".to_owned())
        }
    }

    fn verify(&self, attempt: &AttemptId) -> impl Future<Output = (bool, String)> + 'static {
        let (world, attempt) = (self.world.clone(), attempt.clone());
        async move {
            assert!(world.borrow().ledger.is_over(&attempt), "{attempt} is checked before its end is durable");
            pause(&world, Await::Verify).await;
            take_time(&world, Await::Verify, 60_000).await;
            let mut world = world.borrow_mut();
            let pass = crate::random::Random::part(world.setting.seed, &format!("check {attempt}")).percent(60);
            world.coverage.hit(if pass { "verified: accepted" } else { "verified: refused" });
            world.ledger.answers.insert(attempt, pass);
            (pass, "tail".to_owned())
        }
    }
}

/// The agent's scanner, and what it was fed.
struct Ear {
    attempt: AttemptId,
    hearing: Arc<Mutex<Hearing>>,
    scanner: Box<dyn Scan + Send>,
}

impl Scan for Ear {
    fn feed(&mut self, chunk: &[u8], signs: &mut Vec<Sign>) {
        self.hearing.lock().unwrap().fed.entry(self.attempt.clone()).or_default().extend(chunk);
        self.scanner.feed(chunk, signs);
    }

    fn close(&mut self, closing: &Closing<'_>, signs: &mut Vec<Sign>) -> Evidence {
        self.scanner.close(closing, signs)
    }
}

// ---- Runtime -----------------------------------------------------------------------------------------------------

/// One supervisor's view of the workers.
pub(crate) struct SimRuntime {
    pub(crate) world: Shared,
    pub(crate) followed: BTreeMap<AttemptId, Followed>,
}

/// An attempt that is followed.
pub(crate) struct Followed {
    log: u32,
    at: usize,
    blocked: bool,
}

impl Runtime for SimRuntime {
    async fn launch(&mut self, launch: &Launch) -> Result<Handle, LaunchError> {
        let attempt = &launch.attempt;
        pause(&self.world, Await::LaunchBegun).await;
        let log = number(launch.streams.out().expect("a headless agent"));
        let handle = {
            let mut world = self.world.borrow_mut();
            assert!(world.ledger.is_open(attempt), "{attempt} is launched before that is durable");
            let script = Script::of(world.setting.seed, attempt, world.setting.mood, &world.setting.policy);
            if let Some(permanent) = script.launch_error {
                world.coverage.hit("launch failed");
                return Err(LaunchError { message: "no such program".into(), permanent });
            }
            world.coverage.hit("launched");
            world.start(attempt, log)
        };
        let at = self.world.borrow().workers[attempt].from;
        self.followed.insert(attempt.clone(), Followed { log, at, blocked: false });
        pause(&self.world, Await::LaunchDone).await;
        Ok(handle)
    }

    async fn probe(&mut self, attempt: &AttemptId) -> io::Result<Found> {
        pause(&self.world, Await::Probe).await;
        let mut world = self.world.borrow_mut();
        if world.random.percent(3) {
            world.coverage.hit("probe failed");
            return Err(io::Error::other("too many open files"));
        }
        let found = match world.workers.get(attempt) {
            None => Found::Never,
            Some(worker) if worker.lives() => Found::Alive(world.handle(attempt).expect("it was started")),
            Some(worker) => worker.exit.clone().map_or(Found::Gone, Found::Ended),
        };
        let name = match &found {
            Found::Alive(_) => "alive",
            Found::Ended(_) => "ended",
            Found::Gone => "gone",
            Found::Never => "never",
        };
        world.coverage.hit(format!("found {name}"));
        world.say(|| format!("probe of {attempt}: {name}"));
        Ok(found)
    }

    async fn adopt(&mut self, attempt: &AttemptId, out: &Path, from: u64) -> io::Result<()> {
        pause(&self.world, Await::Adopt).await;
        let mut world = self.world.borrow_mut();
        if world.random.percent(3) {
            world.coverage.hit("adoption failed");
            return Err(io::Error::other("too many watches"));
        }
        assert_eq!(world.workers[attempt].from as u64, from, "{attempt} is followed from another byte");
        world.workers.get_mut(attempt).into_iter().for_each(|worker| worker.followed = true);
        let followed = Followed { log: number(out), at: from as usize, blocked: false };
        self.followed.insert(attempt.clone(), followed);
        Ok(())
    }

    fn nudge(&mut self, attempt: &AttemptId, nudge: Nudge) -> io::Result<()> {
        let mut world = self.world.borrow_mut();
        world.coverage.hit(format!("nudge: {nudge:?}"));
        let lives = world.workers.get(attempt).is_some_and(Worker::lives);
        assert!(self.followed.contains_key(attempt) || !lives, "{nudge:?} to a stranger");
        match nudge {
            Nudge::Term => world.term(attempt),
            Nudge::Kill => world.kill(attempt),
            Nudge::Suspend => world.stop_or_continue(attempt, true),
            Nudge::Continue => world.stop_or_continue(attempt, false),
        }
        Ok(())
    }

    async fn discard(&mut self, attempt: &AttemptId) -> io::Result<()> {
        pause(&self.world, Await::Discard).await;
        let mut world = self.world.borrow_mut();
        world.coverage.hit("discarded");
        assert!(world.ledger.is_over(attempt), "{attempt} is discarded before its end is durable");
        assert!(!self.followed.contains_key(attempt), "{attempt} is discarded while it is followed");
        Ok(())
    }

    async fn next(&mut self, chunk: &mut Vec<u8>) -> Event {
        poll_fn(|_| {
            let mut world = self.world.borrow_mut();
            world.waits.insert(Await::Event);
            for (attempt, followed) in &mut self.followed {
                let Some(event) = look(&mut world, attempt, followed, chunk) else { continue };
                if world.random.percent(10) {
                    // Not yet: something else may come first.
                    followed.undo(&event, chunk);
                    world.yielded = true;
                    return Poll::Pending;
                }
                if matches!(event, Event::Ended { .. }) {
                    let attempt = attempt.clone();
                    self.followed.remove(&attempt);
                }
                world.moved();
                return Poll::Ready(event);
            }
            Poll::Pending
        })
        .await
    }
}

impl Followed {
    /// The event is kept for the next call.
    fn undo(&mut self, event: &Event, chunk: &mut Vec<u8>) {
        match event {
            Event::Output { .. } => self.at -= chunk.len(),
            Event::Paused { .. } | Event::Flowing { .. } => self.blocked = !self.blocked,
            Event::Ended { .. } => {}
        }
        chunk.clear();
    }
}

/// The next event of one attempt: in the order of the real runtime.
fn look(world: &mut World, attempt: &AttemptId, followed: &mut Followed, chunk: &mut Vec<u8>) -> Option<Event> {
    let age = world.age;
    let worker = world.workers.get_mut(attempt)?;
    let (blocked, over) = (worker.blocked, !worker.lives());
    if blocked != followed.blocked {
        followed.blocked = blocked;
        worker.blocked_at = blocked.then_some(age);
        if !blocked {
            worker.heard = Some(age);
        }
        world.coverage.hit(if blocked { "blocked" } else { "flowing" });
        let attempt = attempt.clone();
        return Some(if blocked {
            Event::Paused { attempt, error: "full".into() }
        } else {
            Event::Flowing { attempt }
        });
    }
    let exit = worker.exit.clone().unwrap_or_else(|| Exit::plain(Status::Lost));
    let log = world.logs.get(&followed.log).map_or(&[][..], Vec::as_slice);
    let new = log.len() - followed.at;
    if new > 0 {
        let size = if world.random.percent(60) { new } else { world.random.between(1, new as u64) as usize };
        chunk.clear();
        chunk.extend_from_slice(&log[followed.at..followed.at + size]);
        followed.at += size;
        world.coverage.hit("output");
        return Some(Event::Output { attempt: attempt.clone() });
    }
    over.then(|| Event::Ended { attempt: attempt.clone(), exit })
}

fn number(path: &Path) -> u32 {
    path.to_string_lossy().parse().expect("a log's number")
}

/// What twins have in common: facts without their times, and without what depends on them.
pub(crate) fn timeless(fact: &Fact) -> Option<Fact> {
    let mut fact = fact.clone();
    match &mut fact {
        Fact::RunResumed { .. } | Fact::AttemptAdopted { .. } => return None,
        // An attempt that ended before anybody learned where it ran has no launch.
        Fact::AttemptLaunched { .. } => return None,
        // A wait that was over before it could be begun is none.
        Fact::WaitStarted { .. } => return None,
        Fact::AttemptOpened { log, .. } => *log = 0,
        Fact::AttemptEnded { ending, lasted, evidence, .. } => {
            *lasted = swarm::model::Span::ZERO;
            if let swarm::model::Ending::RateLimited { until } = ending {
                *until = until.map(|_| Wall(0));
            }
            evidence.limit.as_mut().into_iter().for_each(|limit| limit.resets_at = limit.resets_at.map(|_| Wall(0)));
        }
        Fact::RunFinished { ending: swarm::model::RunEnding::WaitTooLong { until } } => *until = until.map(|_| Wall(0)),
        _ => {}
    }
    Some(fact)
}
