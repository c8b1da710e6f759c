//! Points in time, as people and machines read them: in the local time zone, always with its offset where it is a record.

use crate::engine::Until;
use crate::model::{Now, Wall};
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};

/// RFC 3339 with the local offset, to the second: `2026-11-21T15:04:05+01:00`.
pub fn stamp(wall: Wall, zone: &TimeZone) -> String {
    zoned(wall, zone).strftime("%Y-%m-%dT%H:%M:%S%:z").to_string()
}

/// The same to the millisecond; for events.
pub fn exact(wall: Wall, zone: &TimeZone) -> String {
    zoned(wall, zone).strftime("%Y-%m-%dT%H:%M:%S%.3f%:z").to_string()
}

/// As short as it can be said at `now`: `15:04`, `Sun 15:04`, `2026-11-29 15:04`.
pub fn short(wall: Wall, now: Wall, zone: &TimeZone) -> String {
    let (then, today) = (zoned(wall, zone), zoned(now, zone));
    let days = then.date().since(today.date()).map_or(i32::MAX, |span| span.get_days());
    let format = match days {
        0 => "%H:%M",
        1..=6 => "%a %H:%M",
        _ => "%Y-%m-%d %H:%M",
    };
    then.strftime(format).to_string()
}

/// The wall time of the end of a wait that is seen at `now`. Of one on the monotonic clock it is an estimate: it moves
/// when the machine sleeps.
pub fn end_of(until: Until, now: Now) -> Wall {
    match until {
        Until::Wall(wall) => wall,
        Until::Tick(tick) => now.wall + (tick - now.tick),
    }
}

/// A time that no calendar knows is shown as the nearest one that it does.
fn zoned(wall: Wall, zone: &TimeZone) -> Zoned {
    let nearest = if wall.0 < 0 { Timestamp::MIN } else { Timestamp::MAX };
    Timestamp::from_millisecond(wall.0).unwrap_or(nearest).to_zoned(zone.clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Span, Tick};
    use jiff::tz::offset;

    const SATURDAY: Wall = Wall(1_795_266_245_123);

    #[test]
    fn times_carry_their_offset() {
        let zone = TimeZone::fixed(offset(1));
        assert_eq!(stamp(SATURDAY, &zone), "2026-11-21T14:04:05+01:00");
        assert_eq!(exact(SATURDAY, &TimeZone::UTC), "2026-11-21T13:04:05.123+00:00");
        assert!(stamp(Wall(i64::MAX), &zone).starts_with("9999"));
    }

    #[test]
    fn the_day_is_named_when_it_is_another() {
        let later = |hours: u64| short(SATURDAY + Span::seconds(hours * 3600), SATURDAY, &TimeZone::UTC);
        assert_eq!(later(1), "14:04");
        assert_eq!(later(11), "Sun 00:04");
        assert_eq!(later(24 * 8), "2026-11-29 13:04");
    }

    #[test]
    fn a_monotonic_wait_ends_at_a_wall_time() {
        let now = Now { tick: Tick(5_000), wall: SATURDAY };
        assert_eq!(end_of(Until::Tick(Tick(7_000)), now), SATURDAY + Span::seconds(2));
        assert_eq!(end_of(Until::Wall(Wall(3)), now), Wall(3));
    }
}
