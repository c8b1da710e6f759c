//! The clocks of one running attempt and the one ladder that ends it.
//!
//! A [`Watch`] holds what the clocks need and no decision depends on after the end: when output was last seen, when the
//! final result was. It is not journaled; a supervisor that adopts an attempt starts a new one, which can only make a
//! timeout later.

use super::board::Open;
use super::policy::Policy;
use crate::model::{StopCause, Tick};

/// What is seen of a running attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Watch {
    /// The launch, or the adoption.
    since: Tick,
    /// From where the silence is measured: the launch, then the last sign of life.
    quiet_since: Tick,
    /// Something came from it.
    spoke: bool,
    /// Its final result was printed then.
    final_at: Option<Tick>,
    /// KILL was sent.
    pub(super) killed: bool,
}

impl Watch {
    /// For an attempt launched or adopted at `tick`.
    pub fn new(tick: Tick) -> Watch {
        Watch { since: tick, quiet_since: tick, spoke: false, final_at: None, killed: false }
    }

    /// Output came.
    pub(super) fn hear(&mut self, tick: Tick) {
        self.quiet_since = tick;
        self.spoke = true;
    }

    /// The final result came.
    pub(super) fn finish(&mut self, tick: Tick) {
        self.final_at.get_or_insert(tick);
    }

    /// The clocks stood for a while.
    pub(super) fn shift(&mut self, stood: crate::model::Span) {
        self.since = self.since + stood;
        self.quiet_since = self.quiet_since + stood;
        self.final_at = self.final_at.map(|tick| tick + stood);
    }
}

/// The next alarm of an attempt that is not being ended: when, and what it means.
pub fn alarm(open: &Open, watch: &Watch, policy: &Policy) -> Option<(Tick, StopCause)> {
    let launched = open.launched.as_ref().map(|(tick, _)| *tick)?;
    // While the log is blocked nothing can be heard, so silence means nothing.
    let listening = open.blocked.is_none() && watch.final_at.is_none();
    let start = policy.start_timeout.filter(|_| listening && !watch.spoke).map(|span| watch.since + span);
    let idle = policy.idle_timeout.filter(|_| listening).map(|span| watch.quiet_since + span);
    let wall = policy.iteration_timeout.map(|span| launched + span);
    let hung = watch.final_at.map(|tick| tick + policy.result_grace);
    let full = open.blocked.as_ref().map(|(tick, _)| *tick + policy.disk_wait);
    [
        (start, StopCause::StartTimeout),
        (idle, StopCause::IdleTimeout),
        (wall, StopCause::WallTimeout),
        (hung, StopCause::HungAfterResult),
        (full, StopCause::LogFull),
    ]
    .into_iter()
    .filter_map(|(tick, cause)| tick.map(|tick| (tick, cause)))
    .min_by_key(|(tick, _)| *tick)
}

/// When an attempt that is being ended gets KILL; `None` once it was sent. An adopted one was asked again, and has its
/// grace from then.
pub fn kill_at(open: &Open, watch: &Watch, policy: &Policy) -> Option<Tick> {
    let (since, _) = open.stopping.filter(|_| !watch.killed)?;
    Some(since.max(watch.since) + policy.grace)
}
