//! Plays one seed: supervisor after supervisor, each on the journal of the one before, until the run is over. The
//! executor is a loop that polls, so a supervisor can die at any await: it is simply dropped.

use crate::coverage::Coverage;
use crate::random::Random;
use crate::script::{Mood, Script};
use crate::seams::{Hearing, SimAudience, SimClock, SimJournal, SimOrders, SimRuntime, SimWorkspace, timeless};
use crate::world::{Fault, Setting, Shared, World};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::pin::pin;
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use swarm::driver::seams::Order;
use swarm::driver::{Driver, Outcome, Parts};
use swarm::engine::{Ask, Fact, Input, Planner, Policy, Stamped};
use swarm::model::{RunEnding, RunId, Span};

/// Virtual time in which every run must be over, whatever befell it.
const LONGEST: u64 = 30 * 24 * 3_600_000;

/// Polls in which it must be.
const MOST_POLLS: u32 = 200_000;

/// Milliseconds of the hours that most happens in.
const SCENE: u64 = 3 * 3_600_000;

/// How a supervisor's life ended.
enum Life {
    Over(Outcome),
    Died,
}

/// What a seed decides, chance and all.
pub(crate) fn setting(seed: u64, trace: bool) -> Setting {
    let mut random = Random::part(seed, "setting");
    let mood = match random.below(10) {
        0 => Mood::Outage,
        1 | 2 => Mood::Stuck(if random.percent(15) { Script::OUT_OF_MEMORY } else { random.below(Script::KINDS) }),
        3 | 4 => Mood::Wild,
        _ => Mood::Steady,
    };
    let mut policy = policy(&mut random);
    if mood == Mood::Outage {
        policy.max_outage = Span::seconds(100);
    }
    let at = |random: &mut Random| if random.percent(70) { random.stretch(20) } else { random.below(SCENE) };
    let mut faults = Vec::new();
    for _ in 0..random.below(5) {
        let age = at(&mut random);
        let kind = random.below(8);
        faults.push((
            age,
            match kind {
                0 => Fault::WallJump(3_600_000),
                1 => Fault::WallJump(-3_600_000),
                2 | 7 => Fault::LogsFull,
                3 => Fault::JournalFull,
                4 => Fault::KillWorker,
                5 => Fault::KillShim,
                _ => Fault::Moment,
            },
        ));
        if matches!(kind, 2 | 7) {
            faults.push((age + random.stretch(20), Fault::LogsFree));
        }
    }
    let mut orders = Vec::new();
    for _ in 0..random.below(10).saturating_sub(6) {
        let age = at(&mut random);
        match random.below(8) {
            0..3 => {
                let signal = random.pick(&[1, 2, 15]);
                let stop = |at_once| Order::Ask(Ask::Stop { signal, at_once });
                let now = random.percent(70);
                orders.push((age, stop(now)));
                if random.percent(60) {
                    let now = random.percent(60);
                    orders.push((age + random.stretch(14), stop(now)));
                }
            }
            3 | 4 => {
                orders.push((age, Order::Ask(Ask::Pause)));
                orders.push((age + random.stretch(22), Order::Ask(Ask::Unpause)));
            }
            5 | 6 => orders.push((age, Order::Ask(Ask::Suspend))),
            _ => orders.push((age, Order::Leave)),
        }
    }
    Setting {
        seed,
        mood,
        plan: (policy.require_plan || policy.done_on_plan || random.percent(30)).then(|| random.between(1, 5) as u32),
        prompt_gone_from: random.percent(4).then(|| random.between(1, 4) as u32),
        unwritable_at: random.percent(3).then(|| random.between(1, 4) as u32),
        faults,
        orders,
        crashes: random.pick(&[0, 1, 1, 3, 3, 10]),
        crash_rate: random.pick(&[3, 20, 60]),
        twin: false,
        trace,
        policy,
    }
}

fn policy(random: &mut Random) -> Policy {
    let iterations = random.percent(85).then(|| random.between(1, 8) as u32);
    let limited = iterations.is_some();
    Policy {
        iterations,
        max_time: (!limited || random.percent(15)).then(|| Span(60_000 + random.stretch(24))),
        max_cost: random.percent(15).then(|| random.between(1, 150) as f64 / 1000.0),
        max_failures: random.percent(80).then(|| random.between(1, 5) as u32),
        max_stalled: random.percent(60).then(|| random.between(1, 4) as u32),
        max_ooms: random.percent(80).then(|| random.between(1, 3) as u32),
        max_wait: Span::seconds(random.pick(&[300, 6 * 3600])),
        max_outage: Span::seconds(random.pick(&[100, 6 * 3600])),
        delay: Span::seconds(random.pick(&[0, 0, 5])),
        limit_margin: Span::seconds(60),
        start_timeout: random.percent(80).then_some(Span::seconds(20)),
        idle_timeout: Some(Span::seconds(60)),
        iteration_timeout: random.percent(20).then(|| Span::seconds(random.between(5, 120))),
        result_grace: Span::seconds(10),
        grace: Span::seconds(10),
        disk_wait: Span::seconds(random.pick(&[5, 30, 600])),
        verify: random.percent(40),
        require_plan: random.percent(15),
        done_on_plan: random.percent(15),
        push: random.percent(25),
    }
}

/// A setting in which only supervisors die, so that the run must come out as if they had not.
pub(crate) fn twin_setting(seed: u64, crashes: u32, trace: bool) -> Setting {
    let mut setting = setting(seed, trace);
    setting.policy.max_time = None;
    setting.policy.iteration_timeout = None;
    setting.policy.iterations.get_or_insert(6);
    setting.policy.max_outage = Span::seconds(6 * 3600);
    if setting.mood == Mood::Outage {
        setting.mood = Mood::Steady;
    }
    setting.faults.clear();
    setting.orders.clear();
    setting.unwritable_at = None;
    Setting { crashes, crash_rate: 30, twin: true, ..setting }
}

/// A setting of one worker: nobody asks it for more than its life, and those who end it come and go.
pub(crate) fn worker_setting(seed: u64, trace: bool) -> Setting {
    let mut setting = setting(seed, trace);
    // No clock ends one that hangs, but a person does, again and again if the one who was to do it dies.
    let kill = Order::Ask(Ask::Stop { signal: 15, at_once: true });
    setting.orders.extend((0..12).map(|time| (SCENE + time * 60_000, kill)));
    let policy = Policy {
        iterations: Some(1),
        max_failures: None,
        max_stalled: None,
        max_ooms: None,
        start_timeout: None,
        idle_timeout: None,
        iteration_timeout: None,
        grace: setting.policy.grace,
        ..Policy::default()
    };
    Setting { policy, prompt_gone_from: None, unwritable_at: None, ..setting }
}

/// A run that was played to its end.
pub(crate) struct Played {
    pub(crate) coverage: Coverage,
    /// Its facts without their times.
    pub(crate) facts: Vec<Fact>,
    pub(crate) logs: BTreeMap<u32, Vec<u8>>,
}

impl Played {
    /// What all workers printed, in order, whatever the numbers of their logs; without digits, which spell times.
    pub(crate) fn words(&self) -> Vec<u8> {
        self.logs.values().flatten().copied().filter(|byte| !byte.is_ascii_digit()).collect()
    }
}

/// Plays a setting to the end of its run, by the plan `P`.
pub(crate) fn play<P: Planner + Default>(setting: Setting) -> Played {
    let trace = setting.trace;
    let world: Shared = Rc::new(RefCell::new(World::new(setting)));
    let mut polls = 0;
    let mut resumed = false;
    loop {
        world.borrow_mut().begin_life();
        let first = first_input(&world.borrow());
        let life = live::<P>(&world, first, &mut polls);
        let mut now = world.borrow_mut();
        match life {
            Life::Over(Outcome::Finished(ending)) => {
                assert_eq!(now.ledger.finished(), Some(&ending), "the end is durable");
                now.check_over();
                let more = !now.setting.twin && !resumed && ending != RunEnding::Done && now.random.percent(15);
                if !more {
                    break;
                }
                resumed = true;
                now.coverage.hit("resumed after its end");
            }
            Life::Over(Outcome::Left) => {
                now.coverage.hit("left");
                now.after_death();
            }
            Life::Over(Outcome::CannotWrite(_) | Outcome::CannotFollow(..)) | Life::Died => {
                if now.abandoned {
                    now.check_given_up();
                }
                now.after_death();
                if now.ledger.finished().is_some() {
                    now.check_over();
                    break;
                }
            }
        }
    }
    if trace {
        println!("the run is over after {polls} polls");
    }
    let world = Rc::into_inner(world).expect("every supervisor is gone").into_inner();
    let facts = world.journal.iter().map(|line| serde_json::from_str::<Stamped>(line).expect("a fact is read"));
    let facts = facts.filter_map(|stamped| timeless(&stamped.fact)).collect();
    Played { coverage: world.coverage, facts, logs: world.logs }
}

fn first_input(world: &World) -> Input {
    let boot_id = world.boot_id();
    if world.journal.is_empty() {
        Input::Begin { run: RunId("run".into()), policy: world.setting.policy.clone(), boot_id }
    } else {
        Input::Resume { boot_id }
    }
}

/// The life of one supervisor.
fn live<P: Planner + Default>(world: &Shared, first: Input, polls: &mut u32) -> Life {
    let hearing = Arc::new(Mutex::new(Hearing::default()));
    let board = world.borrow().shadow.clone();
    let mut driver = Driver::new(
        P::default(),
        board,
        Parts {
            runtime: SimRuntime { world: world.clone(), followed: BTreeMap::new() },
            journal: SimJournal(world.clone()),
            clock: SimClock(world.clone()),
            workspace: SimWorkspace { world: world.clone(), hearing: hearing.clone() },
            audience: SimAudience { world: world.clone(), hearing },
            orders: SimOrders(world.clone()),
        },
    );
    let mut life = pin!(driver.run(first));
    let mut context = Context::from_waker(Waker::noop());
    loop {
        world.borrow_mut().begin_poll();
        if let Poll::Ready(outcome) = life.as_mut().poll(&mut context) {
            return Life::Over(outcome);
        }
        let mut now = world.borrow_mut();
        *polls += 1;
        assert!(*polls < MOST_POLLS && now.age < LONGEST, "the run does not end: {:?}", now.shadow);
        if now.dies() {
            return Life::Died;
        }
        if !now.yielded {
            now.check_rest();
            now.pass();
        }
    }
}
