//! The clocks: monotonic and wall time for the engine, and the one wait that must notice suspend and clock changes.

use super::ready::Ready;
use crate::model::{Now, Tick, Wall};
use jiff::tz::TimeZone;
use nix::errno::Errno;
use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};
use nix::time::{ClockId as Clock, clock_gettime};
use std::io;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Both clocks, read at once.
pub fn now() -> Now {
    Now { tick: tick(), wall: wall() }
}

/// `CLOCK_MONOTONIC`: it stands still during suspend and is not moved by anybody who sets the clock.
fn tick() -> Tick {
    let time = clock_gettime(Clock::CLOCK_MONOTONIC).map_or(Duration::ZERO, Duration::from);
    Tick(u64::try_from(time.as_millis()).unwrap_or(u64::MAX))
}

/// Milliseconds since the epoch; negative on a machine whose clock says it is before 1970.
fn wall() -> Wall {
    let millis = |span: Duration| i64::try_from(span.as_millis()).unwrap_or(i64::MAX);
    match SystemTime::now().duration_since(UNIX_EPOCH) {
        Ok(since) => Wall(millis(since)),
        Err(before) => Wall(-millis(before.duration())),
    }
}

/// The zone that the machine is set to. Read from its one file where nothing else is asked for: by its name it would be
/// looked up in the whole database, and to list that takes a quarter of a start.
pub fn zone() -> TimeZone {
    let file = std::env::var_os("TZ").is_none().then(|| std::fs::read("/etc/localtime").ok()).flatten();
    file.and_then(|bytes| TimeZone::tzif("local", &bytes).ok()).unwrap_or_else(TimeZone::system)
}

/// A wait for a moment on the wall clock. It ends in time after a suspend, and when somebody sets the clock.
#[derive(Debug)]
pub struct WallTimer {
    timer: Ready<TimerFd>,
}

impl WallTimer {
    /// A timer that is not set. Must be called inside a tokio runtime.
    pub fn new() -> io::Result<WallTimer> {
        let flags = TimerFlags::TFD_NONBLOCK | TimerFlags::TFD_CLOEXEC;
        let timer = TimerFd::new(ClockId::CLOCK_REALTIME, flags)?;
        Ok(WallTimer { timer: Ready::new(timer)? })
    }

    /// Returns when `moment` has come, or when the clock was set: the caller reads the clock again and decides.
    pub async fn until(&self, moment: Wall) -> io::Result<()> {
        if moment <= wall() {
            return Ok(());
        }
        let absolute = TimerSetTimeFlags::TFD_TIMER_ABSTIME | TimerSetTimeFlags::TFD_TIMER_CANCEL_ON_SET;
        let at = TimeSpec::from_duration(Duration::from_millis(u64::try_from(moment.0).unwrap_or(0)));
        self.timer.get().set(Expiration::OneShot(at), absolute)?;
        self.timer.read(expired).await
    }
}

/// Reads the expiry away. A clock that was set is an expiry too (`ECANCELED`).
fn expired(timer: &TimerFd) -> io::Result<()> {
    match nix::unistd::read(timer, &mut [0; 8]) {
        Ok(_) | Err(Errno::ECANCELED) => Ok(()),
        Err(errno) => Err(errno.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Span;

    #[tokio::test]
    async fn the_wall_timer_ends_not_before_its_moment() {
        let timer = WallTimer::new().unwrap();
        let moment = wall() + Span(20);
        timer.until(moment).await.unwrap();
        assert!(wall() >= moment);
        timer.until(Wall(5)).await.unwrap();
    }
}
