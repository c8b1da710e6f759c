//! Every decision that a supervisor makes. Pure and deterministic: no input or output, no clock, no threads; what is
//! decided follows from the facts on the [`Board`] and the [`Input`] at hand, and from nothing else.
//!
//! [`Engine::step`] takes one thing that the outside may tell and answers with the facts to make durable, the effects to
//! perform once they are, and when to wake it. State is the fold of facts: [`Board::apply`] is its only mutation, so a
//! journal of facts is the whole truth about a run.
#![deny(clippy::disallowed_methods)]

pub mod backoff;
pub mod board;
pub mod clocks;
pub mod fact;
pub mod loop_plan;
pub mod planner;
pub mod policy;
pub mod solo_plan;
mod step;
pub mod verdict;

pub use board::Board;
pub use fact::{Fact, Stamped};
pub use loop_plan::LoopPlan;
pub use planner::{Next, Planner, Until, Verdict};
pub use policy::Policy;
pub use solo_plan::SoloPlan;
pub use step::{Ask, Effect, Engine, Input, Problem, Step, Wake};
