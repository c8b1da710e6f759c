//! Two clocks and a length of time, all in milliseconds. Pure code is handed a [`Now`]; it never asks.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::ops::{Add, Sub};
use std::time::Duration;

/// A point on the monotonic clock of this boot (`CLOCK_MONOTONIC`), milliseconds. Comparable only within one boot id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Tick(pub u64);

/// A point on the wall clock, milliseconds since the Unix epoch. Only waits that an agent's reset time asks for use it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Wall(pub i64);

/// A length of time, milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Span(pub u64);

/// Both clocks, read at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Now {
    /// Monotonic.
    pub tick: Tick,
    /// Wall.
    pub wall: Wall,
}

impl Span {
    /// Nothing.
    pub const ZERO: Span = Span(0);

    /// `seconds` as a span.
    pub const fn seconds(seconds: u64) -> Span {
        Span(seconds.saturating_mul(1000))
    }

    /// The same as the standard library's type.
    pub const fn duration(self) -> Duration {
        Duration::from_millis(self.0)
    }
}

impl Add<Span> for Tick {
    type Output = Tick;
    fn add(self, span: Span) -> Tick {
        Tick(self.0.saturating_add(span.0))
    }
}

/// The time from `other` to `self`; zero when `other` is later.
impl Sub<Tick> for Tick {
    type Output = Span;
    fn sub(self, other: Tick) -> Span {
        Span(self.0.saturating_sub(other.0))
    }
}

impl Add<Span> for Wall {
    type Output = Wall;
    fn add(self, span: Span) -> Wall {
        Wall(self.0.saturating_add(i64::try_from(span.0).unwrap_or(i64::MAX)))
    }
}

/// The time from `other` to `self`; zero when `other` is later.
impl Sub<Wall> for Wall {
    type Output = Span;
    fn sub(self, other: Wall) -> Span {
        Span(u64::try_from(self.0.saturating_sub(other.0)).unwrap_or(0))
    }
}

impl Add<Span> for Span {
    type Output = Span;
    fn add(self, other: Span) -> Span {
        Span(self.0.saturating_add(other.0))
    }
}

/// For people: `850ms`, `12s`, `3m05s`, `2h10m`.
impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0 / 1000;
        match seconds {
            0 => write!(f, "{}ms", self.0),
            1..=59 => write!(f, "{seconds}s"),
            60..=3599 => write!(f, "{}m{:02}s", seconds / 60, seconds % 60),
            _ => write!(f, "{}h{:02}m", seconds / 3600, seconds % 3600 / 60),
        }
    }
}
