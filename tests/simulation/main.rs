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

/// Seeds, if nobody says otherwise.
const SEEDS: u64 = 1_500;

/// Pairs of twins, if nobody says otherwise.
const PAIRS: u64 = 500;

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
    let coverage =
        each_seed(SEEDS, "nothing_goes_wrong", |seed, trace| play::play(play::setting(seed, trace)).coverage);
    if let Some(coverage) = coverage {
        println!("{coverage}");
        let missing = coverage.missing(cover::wanted());
        assert!(missing.is_empty(), "never met: {missing:#?}");
    }
}

#[test]
fn a_run_whose_supervisors_die_equals_its_unbroken_twin() {
    each_seed(PAIRS, "equals_its_unbroken_twin", |seed, trace| {
        let unbroken = play::play(play::twin_setting(seed, 0, trace));
        let broken = play::play(play::twin_setting(seed, 6, trace));
        for (at, (left, right)) in unbroken.facts.iter().zip(&broken.facts).enumerate() {
            assert_eq!(left, right, "fact {at} differs");
        }
        assert_eq!(unbroken.facts.len(), broken.facts.len(), "one of the twins has more facts");
        assert!(unbroken.words() == broken.words(), "the raw logs differ");
        broken.coverage
    });
}
