//! `swarm` runs, watches and recovers coding agents that nobody is looking at.
//!
//! The rings, from the inside out; a ring uses only what stands before it:
//!
//! | module | what lives there |
//! |---|---|
//! | [`model`] | plain data that everybody speaks of |
//! | [`engine`] | every decision: pure, deterministic, no I/O, no clock |
//! | [`agent`] | how one agent's command line is called and what its output means: pure |
//! | [`host`] | the operating system: processes, files, signals, clocks, git |
//! | [`journal`] | what survives a crash |
//! | [`runtime`] | where attempts run: the shim, the bare process, tmux windows |
//! | [`report`] | facts into words: lines, tables, JSON |
//! | [`driver`] | the one async loop: input, decision, durable facts, effects |
//! | [`cli`] | the command line: settings, a file per verb, exit codes |
//!
//! `tests/boundaries.rs` compares the imports with this table.

pub mod agent;
pub mod cli;
pub mod driver;
pub mod engine;
pub mod host;
pub mod journal;
pub mod model;
pub mod report;
pub mod runtime;
