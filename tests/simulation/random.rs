//! The one source of chance: SplitMix64. Small, portable, and the same for ever, so that a seed replays.

/// A stream of numbers that follows from its seed.
#[derive(Debug, Clone)]
pub(crate) struct Random(u64);

impl Random {
    /// A stream of its own for `part` of what `seed` decides: it does not depend on what was drawn before.
    pub(crate) fn part(seed: u64, part: &str) -> Random {
        let mixed = part.bytes().fold(seed ^ 0x9e37_79b9_7f4a_7c15, |sum, byte| {
            Random(sum.wrapping_mul(0x0100_0000_01b3) ^ u64::from(byte)).next()
        });
        Random(mixed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`; 0 for an empty range.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.next().checked_rem(end).unwrap_or(0)
    }

    /// A number of `from..=to`.
    pub(crate) fn between(&mut self, from: u64, to: u64) -> u64 {
        from + self.below(to - from + 1)
    }

    /// True `percent` times of a hundred.
    pub(crate) fn percent(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    /// One of `choices`.
    pub(crate) fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len() as u64) as usize]
    }

    /// A length of time, in milliseconds, of any order of magnitude up to `1 << doublings`.
    pub(crate) fn stretch(&mut self, doublings: u64) -> u64 {
        let size = self.below(doublings + 1);
        self.below(1 << size)
    }
}
