//! The simulator: the real engine and driver in a simulated world, thousands of seeds, supervisors that die at every
//! await. After every step nothing may be wrong, and every run must come to its end.
//!
//! - `SWARM_SIM_SEEDS=n` plays that many seeds.
//! - `SWARM_SIM_SEED=s` plays that one and prints what happens.
#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests are tests"
)]

mod cover;
mod coverage;
mod ledger;
mod play;
mod random;
mod script;
mod seams;
mod world;

use coverage::Coverage;
use std::panic::{AssertUnwindSafe, catch_unwind};
use swarm::engine::{Board, Effect, Engine, Fact, Input, LoopPlan, Policy, SoloPlan};
use swarm::model::{AttemptId, Handle, Now, ProcessId, RunId, Span, Survey, Tick, Wall};

/// Seeds, if nobody says otherwise.
const SEEDS: u64 = 1_500;

/// Pairs of twins, if nobody says otherwise.
const PAIRS: u64 = 500;

/// Lives of single workers, if nobody says otherwise.
const WORKERS: u64 = 1_000;

/// The seeds to play, and whether to print what happens.
fn seeds(usual: u64) -> (std::ops::Range<u64>, bool) {
    let number = |name: &str| std::env::var(name).ok().and_then(|value| value.parse::<u64>().ok());
    match number("SWARM_SIM_SEED") {
        Some(seed) => (seed..seed + 1, true),
        None => (0..number("SWARM_SIM_SEEDS").unwrap_or(usual), false),
    }
}

/// Plays each seed; a failure names the seed and the command that replays it.
fn each_seed(usual: u64, test: &str, play: impl Fn(u64, bool) -> Coverage) -> Option<Coverage> {
    let (seeds, trace) = seeds(usual);
    let mut coverage = Coverage::default();
    for seed in seeds {
        match catch_unwind(AssertUnwindSafe(|| play(seed, trace))) {
            Ok(met) => coverage.add(met),
            Err(_) => {
                panic!(
                    "seed {seed} failed; replay: SWARM_SIM_SEED={seed} cargo test --test simulation {test} -- --nocapture"
                )
            }
        }
    }
    (!trace).then_some(coverage)
}

#[test]
fn nothing_goes_wrong_and_every_run_ends() {
    let coverage = each_seed(SEEDS, "nothing_goes_wrong", |seed, trace| {
        play::play::<LoopPlan>(play::setting(seed, trace)).coverage
    });
    if let Some(coverage) = coverage {
        println!("{coverage}");
        let missing = coverage.missing(cover::wanted());
        assert!(missing.is_empty(), "never met: {missing:#?}");
    }
}

#[test]
fn a_run_whose_supervisors_die_equals_its_unbroken_twin() {
    each_seed(PAIRS, "equals_its_unbroken_twin", |seed, trace| {
        let unbroken = play::play::<LoopPlan>(play::twin_setting(seed, 0, trace));
        let broken = play::play::<LoopPlan>(play::twin_setting(seed, 6, trace));
        for (at, (left, right)) in unbroken.facts.iter().zip(&broken.facts).enumerate() {
            assert_eq!(left, right, "fact {at} differs");
        }
        assert_eq!(unbroken.facts.len(), broken.facts.len(), "one of the twins has more facts");
        assert!(unbroken.words() == broken.words(), "the raw logs differ");
        broken.coverage
    });
}

#[test]
fn a_worker_is_started_once_and_ends_once() {
    each_seed(WORKERS, "a_worker_is_started_once", |seed, trace| {
        let played = play::play::<SoloPlan>(play::worker_setting(seed, trace));
        let count = |is: fn(&Fact) -> bool| played.facts.iter().filter(|fact| is(fact)).count();
        assert!(count(|fact| matches!(fact, Fact::AttemptOpened { .. })) <= 1);
        assert!(count(|fact| matches!(fact, Fact::AttemptEnded { .. })) <= 1);
        played.coverage
    });
}

#[test]
fn f34_a_wall_clock_that_jumps_moves_no_timeout() {
    const HOUR: i64 = 3_600_000;
    for jump in [-HOUR, HOUR] {
        let policy = Policy { idle_timeout: Some(Span::seconds(60)), start_timeout: None, ..Policy::default() };
        let mut engine = Engine::new(LoopPlan, Board::default());
        let run = RunId("r".to_owned());
        let attempt = AttemptId { run: run.clone(), task: LoopPlan::task(), number: 1, tries: 1 };
        let id = ProcessId { pid: 1, start_time: 1, boot_id: "b".to_owned() };
        let handle = Handle::Process { shim: id.clone(), worker: id };
        let at = |seconds: u64, jump: i64| Now { tick: Tick(seconds * 1000), wall: Wall(2 * HOUR + jump) };
        engine.step(at(0, 0), Input::Begin { run, policy, boot_id: "b".to_owned() });
        let survey = Survey::default();
        engine.step(at(0, 0), Input::Prepared { attempt: attempt.clone(), log: 1, raw_from: 0, text_from: 0, survey });
        engine.step(at(0, 0), Input::Launched { attempt: attempt.clone(), handle });
        let early = engine.step(at(59, jump), Input::Woke);
        assert!(early.effects.is_empty(), "{jump}: {early:?}");
        assert_eq!((early.wake.tick, early.wake.wall), (Some(Tick(60_000)), None), "{jump}");
        let due = engine.step(at(60, jump), Input::Woke);
        assert_eq!(due.effects, [Effect::Term(attempt)], "{jump}");
    }
}
