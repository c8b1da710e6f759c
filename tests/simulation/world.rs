//! The world around the supervisor: two clocks, workers that outlive it, disks that fill up, a durable journal, an
//! operator. Whatever the supervisor does reaches the world through `seams.rs`; what must never happen is checked here
//! and in `ledger.rs`.

use crate::coverage::Coverage;
use crate::ledger::Ledger;
use crate::random::Random;
use crate::script::{Act, Mood, OnTerm, Script, limit_until};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::rc::Rc;
use swarm::driver::seams::Order;
use swarm::engine::board::{Board, Run};
use swarm::engine::{Ask, Policy, Stamped, Until};
use swarm::model::{AttemptId, Boxes, Exit, Handle, Now, ProcessId, Span, Status, StopCause, Survey, Tick, Tree, Wall};

/// How late anything may be that is due at a time.
const SLACK: u64 = 1_000;

/// The world, held by every seam.
pub(crate) type Shared = Rc<RefCell<World>>;

/// Where a supervisor can be when it dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Await {
    AppendBegun,
    AppendTorn,
    AppendDone,
    LaunchBegun,
    LaunchDone,
    Probe,
    Adopt,
    Discard,
    Orders,
    Suspended,
    Prepare,
    After,
    Push,
    Verify,
    Event,
    Alarm,
}

impl Await {
    pub(crate) const ALL: [Await; 16] = [
        Await::AppendBegun,
        Await::AppendTorn,
        Await::AppendDone,
        Await::LaunchBegun,
        Await::LaunchDone,
        Await::Probe,
        Await::Adopt,
        Await::Discard,
        Await::Orders,
        Await::Suspended,
        Await::Prepare,
        Await::After,
        Await::Push,
        Await::Verify,
        Await::Event,
        Await::Alarm,
    ];
}

/// What befalls the world at some time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Somebody sets the wall clock.
    WallJump(i64),
    /// The disk that holds the logs fills up.
    LogsFull,
    /// There is room again.
    LogsFree,
    /// The journal cannot be written any more.
    JournalFull,
    /// Somebody kills the worker.
    KillWorker,
    /// The shim of the worker is killed, and the worker with it.
    KillShim,
    /// Nothing but a reason to look: supervisors die at random moments of rest.
    Moment,
}

/// What a seed decides of its world.
#[derive(Debug, Clone)]
pub(crate) struct Setting {
    pub(crate) seed: u64,
    pub(crate) policy: Policy,
    pub(crate) mood: Mood,
    pub(crate) plan: Option<u32>,
    /// The iteration from which the prompt is gone.
    pub(crate) prompt_gone_from: Option<u32>,
    /// The iteration for which the logs cannot be reserved.
    pub(crate) unwritable_at: Option<u32>,
    pub(crate) faults: Vec<(u64, Fault)>,
    pub(crate) orders: Vec<(u64, Order)>,
    /// How many supervisors die.
    pub(crate) crashes: u32,
    /// Of a thousand awaits, this many are the last.
    pub(crate) crash_rate: u64,
    /// Only supervisors die, and are replaced at once.
    pub(crate) twin: bool,
    /// Print what happens.
    pub(crate) trace: bool,
}

/// A worker, and the record that its shim keeps.
#[derive(Debug)]
pub(crate) struct Worker {
    pub(crate) attempt: AttemptId,
    pub(crate) log: u32,
    pub(crate) from: usize,
    pub(crate) script: Script,
    acts: VecDeque<(u64, Act)>,
    due: u64,
    pub(crate) stopped: bool,
    pub(crate) blocked: bool,
    pub(crate) started: u64,
    pub(crate) ended: Option<u64>,
    /// The record of its end.
    pub(crate) exit: Option<Exit>,
    pub(crate) termed: Option<u64>,
    pub(crate) killed: bool,
    /// This supervisor started or adopted it.
    pub(crate) followed: bool,
    /// Its end is not its script's own.
    pub(crate) interfered: bool,
    /// When the supervisor last heard something of the model.
    pub(crate) heard: Option<u64>,
    /// When the supervisor heard its final result.
    pub(crate) concluded: Option<u64>,
    /// Since when its log is known to be blocked.
    pub(crate) blocked_at: Option<u64>,
    handle: Handle,
}

impl Worker {
    pub(crate) fn lives(&self) -> bool {
        self.ended.is_none()
    }

    fn end(&mut self, age: u64, exit: Option<Exit>) {
        (self.ended, self.exit) = (Some(age), exit);
        (self.blocked, self.stopped) = (false, false);
        self.acts.clear();
    }
}

/// The world.
pub(crate) struct World {
    pub(crate) setting: Setting,
    pub(crate) random: Random,
    pub(crate) coverage: Coverage,
    pub(crate) ledger: Ledger,
    /// The time since the beginning, which no reboot resets.
    pub(crate) age: u64,
    booted: u64,
    wall: i64,
    pub(crate) boot: u32,
    pub(crate) journal: Vec<String>,
    pub(crate) journal_full: bool,
    /// The fold of what is durable.
    pub(crate) shadow: Board,
    pub(crate) logs: BTreeMap<u32, Vec<u8>>,
    logs_full: bool,
    pub(crate) workers: BTreeMap<AttemptId, Worker>,
    commits: u32,
    scribbles: u64,
    boxes: Option<(u32, u32)>,
    faults: VecDeque<(u64, Fault)>,
    orders: VecDeque<(u64, Order)>,
    pub(crate) crashes_left: u32,
    // Of this life.
    /// Since when this supervisor listens without a pause.
    pub(crate) listens: u64,
    /// It was told to end at once, and by which signal; how often.
    pub(crate) stop_now: u32,
    pub(crate) abandoned: bool,
    pub(crate) suspending: bool,
    pub(crate) crash_now: bool,
    idle_wakes: u32,
    // Of this poll.
    pub(crate) waits: BTreeSet<Await>,
    wakeups: Vec<u64>,
    pub(crate) yielded: bool,
}

impl World {
    pub(crate) fn new(setting: Setting) -> World {
        let sorted = |mut faults: Vec<(u64, Fault)>| {
            faults.sort_by_key(|(age, _)| *age);
            VecDeque::from(faults)
        };
        let mut orders = setting.orders.clone();
        orders.sort_by_key(|(age, _)| *age);
        World {
            random: Random::part(setting.seed, "world"),
            coverage: Coverage::default(),
            ledger: Ledger::new(setting.policy.clone()),
            age: 0,
            booted: 0,
            wall: 1_800_000_000_000,
            boot: 1,
            journal: Vec::new(),
            journal_full: false,
            shadow: Board::default(),
            logs: BTreeMap::new(),
            logs_full: false,
            workers: BTreeMap::new(),
            commits: 1,
            scribbles: 0,
            boxes: setting.plan.map(|boxes| (0, boxes)),
            faults: sorted(setting.faults.clone()),
            orders: orders.into(),
            crashes_left: setting.crashes,
            listens: 0,
            stop_now: 0,
            abandoned: false,
            suspending: false,
            crash_now: false,
            idle_wakes: 0,
            waits: BTreeSet::new(),
            wakeups: Vec::new(),
            yielded: false,
            setting,
        }
    }

    pub(crate) fn say(&self, what: impl FnOnce() -> String) {
        if self.setting.trace {
            println!("{:>10.3} {}", self.age as f64 / 1000.0, what());
        }
    }

    pub(crate) fn now(&self) -> Now {
        Now { tick: Tick(self.age - self.booted), wall: Wall(self.wall) }
    }

    pub(crate) fn boot_id(&self) -> String {
        format!("boot-{}", self.boot)
    }

    pub(crate) fn survey(&self) -> Survey {
        let tree = if self.scribbles == 0 { Tree::Clean } else { Tree::Dirty(self.scribbles) };
        let boxes = self.boxes.map(|(done, open)| Boxes {
            done,
            open,
            first_open: (open > 0).then(|| format!("box {done}")),
            misspelled: 0,
        });
        Survey { head: Some(format!("c{}", self.commits)), tree, boxes }
    }

    // ---- Time ----------------------------------------------------------------------------------------------------

    /// Asks to be polled at `age`.
    pub(crate) fn wake_at(&mut self, age: u64) {
        self.wakeups.push(age.max(self.age));
    }

    /// The age at which the monotonic clock shows `tick`.
    pub(crate) fn age_of(&self, tick: Tick) -> u64 {
        self.booted + tick.0
    }

    /// The age at which the wall clock shows `wall`, if nobody sets it.
    pub(crate) fn age_of_wall(&self, wall: Wall) -> u64 {
        self.age + u64::try_from(wall.0 - self.wall).unwrap_or(0)
    }

    pub(crate) fn begin_poll(&mut self) {
        self.waits.clear();
        self.wakeups.clear();
        self.yielded = false;
    }

    /// Lets time pass until something happens that somebody waits for.
    pub(crate) fn pass(&mut self) {
        let next = self.wakeups.iter().copied().chain(self.next_happening()).min();
        let Some(next) = next else { panic!("nothing will ever happen again: {:?}", self.shadow) };
        self.pass_until(next);
    }

    fn next_happening(&self) -> Option<u64> {
        let workers = self.workers.values().filter(|worker| worker.lives() && !worker.stopped && !worker.blocked);
        let acts = workers.filter(|worker| !worker.acts.is_empty()).map(|worker| worker.due);
        let fault = self.faults.front().map(|(age, _)| *age);
        acts.chain(fault).min().map(|age| age.max(self.age))
    }

    /// Lets time pass, and everything happen that happens until then.
    pub(crate) fn pass_until(&mut self, age: u64) {
        while let Some(next) = self.next_happening().filter(|next| *next <= age) {
            self.go_to(next);
            self.befall();
            self.act();
        }
        self.go_to(age);
    }

    fn go_to(&mut self, age: u64) {
        if age > self.age {
            self.idle_wakes = 0;
        }
        self.wall += i64::try_from(age - self.age).unwrap_or(0);
        self.age = age;
    }

    // ---- What happens by itself ----------------------------------------------------------------------------------

    fn befall(&mut self) {
        while let Some((_, fault)) = self.faults.front().copied().filter(|(age, _)| *age <= self.age) {
            self.faults.pop_front();
            self.say(|| format!("fault: {fault:?}"));
            self.idle_wakes = 0;
            let age = self.age;
            let live = self.workers.values_mut().find(|worker| worker.lives());
            match (fault, live) {
                (Fault::WallJump(by), _) => self.wall += by,
                (Fault::LogsFull, _) => self.logs_full = true,
                (Fault::LogsFree, _) => self.free_logs(),
                (Fault::JournalFull, _) => self.journal_full = true,
                (Fault::KillWorker, Some(worker)) => {
                    worker.interfered = true;
                    worker.end(age, Some(Exit::plain(Status::Signal(9))));
                }
                (Fault::KillShim, Some(worker)) => {
                    worker.interfered = true;
                    worker.end(age, None);
                }
                (Fault::KillWorker | Fault::KillShim, None) => {}
                (Fault::Moment, _) => self.crash_now = self.crashes_left > 0,
            }
        }
    }

    fn free_logs(&mut self) {
        self.logs_full = false;
        let age = self.age;
        for worker in self.workers.values_mut().filter(|worker| worker.blocked) {
            (worker.blocked, worker.due) = (false, age);
        }
    }

    fn act(&mut self) {
        let age = self.age;
        let due: Vec<AttemptId> = self
            .workers
            .values()
            .filter(|worker| worker.lives() && !worker.stopped && !worker.blocked && worker.due <= age)
            .filter(|worker| !worker.acts.is_empty())
            .map(|worker| worker.attempt.clone())
            .collect();
        for attempt in due {
            self.act_of(&attempt);
        }
    }

    fn act_of(&mut self, attempt: &AttemptId) {
        let (age, wall, full) = (self.age, self.wall, self.logs_full);
        let Some(worker) = self.workers.get_mut(attempt) else { return };
        if full && matches!(worker.acts.front(), Some((_, Act::Print(_) | Act::PrintLimit(_)))) {
            worker.blocked = true;
            return;
        }
        let Some((_, act)) = worker.acts.pop_front() else { return };
        worker.due = age + worker.acts.front().map_or(0, |(delay, _)| *delay);
        let log = worker.log;
        match act {
            Act::Print(words) => self.logs.entry(log).or_default().extend(words),
            Act::PrintLimit(seconds) => {
                let reset = wall / 1000 + i64::try_from(seconds).unwrap_or(0);
                self.ledger.limit_named(attempt, Wall(reset * 1000));
                self.logs.entry(log).or_default().extend(limit_until(reset));
            }
            Act::Commit(ticks) => {
                self.commits += 1;
                if let Some((done, open)) = self.boxes.as_mut().filter(|(_, open)| ticks && *open > 0) {
                    (*done, *open) = (*done + 1, *open - 1);
                }
            }
            Act::Scribble => self.scribbles += 1,
            Act::Exit(exit) => worker.end(age, Some(exit)),
            Act::Vanish => worker.end(age, None),
        }
        let lives = self.workers.get(attempt).is_some_and(Worker::lives);
        self.say(|| format!("worker {attempt} acts{}", if lives { "" } else { ", and is gone" }));
    }

    // ---- What the supervisor does to workers ----------------------------------------------------------------------

    /// Starts a worker: the place where two supervisors would meet.
    pub(crate) fn start(&mut self, attempt: &AttemptId, log: u32) -> Handle {
        let other = self.workers.values().find(|worker| worker.lives()).map(|worker| worker.attempt.clone());
        assert_eq!(other, None, "two live workers: {attempt} was started beside another");
        assert!(!self.workers.contains_key(attempt), "{attempt} was started twice");
        assert!(self.ledger.is_open(attempt), "{attempt} was started before that was durable");
        let script = Script::of(self.setting.seed, attempt, self.setting.mood, &self.setting.policy);
        let from = self.logs.entry(log).or_default().len();
        let process = |pid| ProcessId { pid, start_time: self.age, boot_id: self.boot_id() };
        let handle = Handle::Process {
            shim: process(i32::try_from(self.workers.len()).unwrap_or(0) * 2 + 100),
            worker: process(i32::try_from(self.workers.len()).unwrap_or(0) * 2 + 101),
        };
        let acts = VecDeque::from(script.acts.clone());
        let due = self.age + acts.front().map_or(0, |(delay, _)| *delay);
        self.say(|| format!("worker {attempt} starts; it is to end {:?}", script.expected));
        self.workers.insert(
            attempt.clone(),
            Worker {
                attempt: attempt.clone(),
                log,
                from,
                script,
                acts,
                due,
                stopped: false,
                blocked: false,
                started: self.age,
                ended: None,
                exit: None,
                termed: None,
                killed: false,
                followed: true,
                interfered: false,
                heard: None,
                concluded: None,
                blocked_at: None,
                handle: handle.clone(),
            },
        );
        handle
    }

    pub(crate) fn handle(&self, attempt: &AttemptId) -> Option<Handle> {
        self.workers.get(attempt).map(|worker| worker.handle.clone())
    }

    pub(crate) fn term(&mut self, attempt: &AttemptId) {
        let cause = self.ledger.stopping(attempt);
        let Some(cause) = cause else { panic!("TERM to {attempt} before that was durable") };
        self.check_cause(attempt, cause);
        let age = self.age;
        let Some(worker) = self.workers.get_mut(attempt).filter(|worker| worker.lives()) else { return };
        worker.stopped = false;
        if worker.termed.is_none() {
            worker.termed = Some(age);
            if let OnTerm::Ends(status, after) = worker.script.on_term {
                (worker.blocked, worker.due) = (false, age + after);
                worker.acts = VecDeque::from([(after, Act::Exit(Exit::plain(status)))]);
            }
        }
        self.say(|| format!("TERM to {attempt}: {cause:?}"));
    }

    pub(crate) fn kill(&mut self, attempt: &AttemptId) {
        assert!(
            self.abandoned || self.journal_full || self.ledger.stopping(attempt).is_some(),
            "KILL to {attempt} before it was asked to end"
        );
        let (age, grace, twice) = (self.age, self.setting.policy.grace.0, self.stop_now > 1);
        let Some(worker) = self.workers.get_mut(attempt).filter(|worker| worker.lives()) else { return };
        let waited = worker.termed.is_some_and(|termed| age >= termed + grace);
        assert!(waited || twice || self.journal_full, "KILL to {attempt} within its grace");
        worker.killed = true;
        worker.interfered |= worker.termed.is_none();
        worker.end(age, Some(Exit::plain(Status::Signal(9))));
        self.say(|| format!("KILL to {attempt}"));
    }

    pub(crate) fn stop_or_continue(&mut self, attempt: &AttemptId, stopped: bool) {
        let age = self.age;
        if let Some(worker) = self.workers.get_mut(attempt).filter(|worker| worker.lives()) {
            if worker.stopped && !stopped {
                worker.due = worker.due.max(age);
            }
            worker.stopped = stopped;
        }
        self.say(|| format!("{} to {attempt}", if stopped { "TSTP" } else { "CONT" }));
    }

    /// Is there the reason that the supervisor gives for ending an attempt? Monotonic time alone counts.
    fn check_cause(&self, attempt: &AttemptId, cause: StopCause) {
        if self.ledger.resumed_stopping(attempt) {
            return;
        }
        let policy = &self.setting.policy;
        let Some(worker) = self.workers.get(attempt).filter(|worker| worker.termed.is_none()) else { return };
        let since = |at: Option<u64>| at.map_or(u64::MAX, |at| self.age.saturating_sub(at));
        let right = match cause {
            StopCause::Operator => self.stop_now > 0,
            StopCause::StartTimeout => {
                let late = policy.start_timeout.is_some_and(|limit| since(Some(worker.started)) >= limit.0);
                late && worker.heard.is_none()
            }
            StopCause::IdleTimeout => {
                let quiet = since(Some(worker.heard.unwrap_or(worker.started)));
                policy.idle_timeout.is_some_and(|limit| quiet >= limit.0)
            }
            StopCause::WallTimeout => {
                let ran = since(Some(worker.started));
                policy.iteration_timeout.is_some_and(|limit| ran >= limit.0) || policy.max_time.is_some()
            }
            StopCause::HungAfterResult => {
                worker.concluded.is_some() && since(worker.concluded) >= policy.result_grace.0
            }
            StopCause::LogFull => worker.blocked_at.is_some_and(|at| since(Some(at)) >= policy.disk_wait.0),
        };
        assert!(right, "{attempt} is ended for {cause:?} without reason: {worker:?} at {}", self.age);
    }

    // ---- The supervisor's life -------------------------------------------------------------------------------------

    /// A new supervisor looks around.
    pub(crate) fn begin_life(&mut self) {
        let facts: Vec<Stamped> =
            self.journal.iter().map(|line| serde_json::from_str(line).expect("a journal line reads")).collect();
        self.shadow = Board::replay(&facts);
        self.listens = self.age;
        (self.stop_now, self.idle_wakes) = (0, 0);
        (self.suspending, self.crash_now, self.abandoned, self.journal_full) = (false, false, false, false);
        for worker in self.workers.values_mut() {
            (worker.concluded, worker.blocked_at, worker.followed) = (None, None, false);
        }
    }

    /// The supervisor is dead, and now and then more than that.
    pub(crate) fn after_death(&mut self) {
        if self.setting.twin {
            let gap = self.random.below(1_500);
            return self.pass_until(self.age + gap);
        }
        let age = self.age;
        if self.random.percent(4) {
            for worker in self.workers.values_mut().filter(|worker| worker.lives()) {
                worker.interfered = true;
                worker.end(age, None);
            }
        }
        if self.random.percent(12) {
            self.reboot();
        }
        let gap = if self.random.percent(60) { self.random.below(3_000) } else { self.random.stretch(24) };
        self.pass_until(self.age + gap);
    }

    /// Another boot: the monotonic clock begins anew, nothing is alive, and records that were not synced may be gone.
    fn reboot(&mut self) {
        self.coverage.hit("reboot");
        let (age, forgets) = (self.age, self.random.percent(50));
        for worker in self.workers.values_mut() {
            let open = self.ledger.is_open(&worker.attempt);
            if worker.lives() || (open && forgets) {
                worker.interfered = true;
                worker.end(age, None);
            }
        }
        self.boot += 1;
        self.booted = self.age - self.random.below(self.age.min(5_000) + 1);
    }

    /// The next order that is due.
    pub(crate) fn order(&mut self) -> Option<Order> {
        let (_, order) = self.orders.front().copied().filter(|(age, _)| *age <= self.age)?;
        self.orders.pop_front();
        self.idle_wakes = 0;
        match order {
            Order::Ask(Ask::Stop { signal, at_once }) => {
                self.ledger.stop_asked(signal, at_once);
                self.stop_now += u32::from(at_once);
            }
            Order::Ask(Ask::Suspend) => self.suspending = true,
            Order::Ask(_) | Order::Leave => {}
        }
        self.say(|| format!("the operator: {order:?}"));
        Some(order)
    }

    pub(crate) fn next_order(&self) -> Option<u64> {
        self.orders.front().map(|(age, _)| *age)
    }

    /// The alarm rang: it must not ring again and again for nothing.
    pub(crate) fn woke(&mut self) {
        self.coverage.hit("woke");
        self.idle_wakes += 1;
        assert!(self.idle_wakes < 4, "the alarm rings again and again at {:?}: {:?}", self.now(), self.shadow);
    }

    /// Something happened for which an alarm may ring at once.
    pub(crate) fn moved(&mut self) {
        self.idle_wakes = 0;
    }

    /// The supervisor waits, and its time has not come: nothing may be overdue.
    pub(crate) fn check_rest(&self) {
        if self.abandoned || self.journal_full {
            return;
        }
        let policy = &self.setting.policy;
        for worker in self.workers.values().filter(|worker| worker.lives() && self.ledger.is_open(&worker.attempt)) {
            let attempt = &worker.attempt;
            assert!(!worker.stopped, "{attempt} stands still while its supervisor goes on");
            let late = |since: u64, limit: u64| self.age > since.max(self.listens) + limit + SLACK;
            if let Some(termed) = worker.termed {
                assert!(!late(termed, policy.grace.0), "{attempt} outlives its grace: {worker:?}");
                continue;
            }
            if let Some(limit) = policy.iteration_timeout {
                assert!(!late(worker.started, limit.0), "{attempt} outlives its time: {worker:?}");
            }
            if let Some(since) = worker.concluded {
                assert!(!late(since, policy.result_grace.0), "{attempt} stays after its result: {worker:?}");
            } else if let (Some(limit), false) = (policy.idle_timeout, worker.blocked) {
                let since = worker.heard.unwrap_or(worker.started);
                assert!(!late(since, limit.0), "{attempt} is silent for too long: {worker:?}");
            }
            if let Some(since) = worker.blocked_at {
                assert!(!late(since, policy.disk_wait.0), "{attempt} is blocked for too long: {worker:?}");
            }
        }
        let late = |deadline: Tick| self.now().tick > deadline + Span(SLACK) && self.age > self.listens + SLACK;
        let busy =
            self.waits.iter().any(|at| matches!(at, Await::Prepare | Await::Push | Await::Verify | Await::After));
        let ending = self.workers.values().any(|worker| worker.lives() && worker.termed.is_some());
        let deadline = self.shadow.run.as_ref().and_then(Run::deadline).filter(|_| !busy && !ending);
        assert!(!deadline.is_some_and(late), "the run outlives its time: {:?}", self.shadow);
        let waited = self.shadow.wait.is_some_and(|wait| match wait.until {
            Until::Tick(tick) => self.now().tick >= tick,
            Until::Wall(wall) => self.now().wall >= wall,
        });
        let may_start = !self.shadow.paused && self.shadow.finished.is_none() && !self.waits.contains(&Await::Prepare);
        assert!(!(waited && may_start), "a wait is over and nothing happens: {:?}", self.shadow);
    }

    /// Would this be the supervisor's last await?
    pub(crate) fn dies(&mut self) -> bool {
        if self.crashes_left == 0 || self.abandoned {
            return false;
        }
        // Few supervisors come to a push or a check; most of their time they wait for output.
        let weight = |at: &Await| match at {
            Await::Push | Await::Verify => 10,
            Await::Event | Await::Orders | Await::Alarm => 1,
            _ => 3,
        };
        let rate = self.setting.crash_rate * self.waits.iter().map(weight).max().unwrap_or(1);
        let dies = std::mem::take(&mut self.crash_now) || self.random.below(1000) < rate;
        if dies {
            self.crashes_left -= 1;
            for at in std::mem::take(&mut self.waits) {
                self.coverage.hit(format!("death at {at:?}"));
            }
            self.say(|| "the supervisor dies".to_owned());
        }
        dies
    }

    /// A supervisor that cannot write any more gave up: what it followed is ended.
    pub(crate) fn check_given_up(&self) {
        let left = self.workers.values().find(|worker| worker.lives() && worker.followed);
        assert!(left.is_none(), "it is left behind unwatched: {left:?}");
    }

    /// The run is over: nothing of it lives.
    pub(crate) fn check_over(&self) {
        for worker in self.workers.values() {
            assert!(!worker.lives(), "{} outlives the run", worker.attempt);
            assert!(!self.ledger.is_open(&worker.attempt), "{} is open in a run that is over", worker.attempt);
        }
    }
}
