//! A small generator whose whole state is its seed: the same seed draws the same world everywhere.

/// SplitMix64 (Steele, Lea, Flood 2014): its numbers differ from each other well enough to draw faults from.
pub(super) struct Chance(u64);

impl Chance {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number from `least` to `most`.
    pub(super) fn between(&mut self, least: u64, most: u64) -> u64 {
        least + self.next() % (most - least + 1)
    }

    /// A number from `least` to `most`, each doubling as likely as the next: seconds as often as hours.
    pub(super) fn spread(&mut self, least: u64, most: u64) -> u64 {
        let doublings = (most / least).ilog2();
        let from = least << self.between(0, u64::from(doublings));
        self.between(from, (2 * from).min(most))
    }

    pub(super) fn percent(&mut self, share: u64) -> bool {
        self.next() % 100 < share
    }

    pub(super) fn one_of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.between(0, choices.len() as u64 - 1) as usize]
    }
}
