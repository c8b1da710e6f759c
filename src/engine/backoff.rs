//! The one backoff: 1 s, 2, 4, … 300 s.

use crate::model::Span;

/// The longest step.
const CEILING: Span = Span::seconds(300);

/// How long to wait before trying again after `times` in a row (from 1) went wrong.
pub fn after(times: u32) -> Span {
    let doublings = times.saturating_sub(1).min(20);
    Span::seconds(1 << doublings).min(CEILING)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_up_to_five_minutes() {
        let steps: Vec<u64> = (0..=11).map(|times| after(times).0 / 1000).collect();
        assert_eq!(steps, [1, 1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]);
        assert_eq!(after(u32::MAX), CEILING);
    }
}
