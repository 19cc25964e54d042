//! Random numbers that can be repeated.

/// The seed unless `PARALLAX_CHAOS_SEED` says otherwise: the same in every run of CI.
const SEED: u64 = 20_261_126;
/// Rounds unless `PARALLAX_CHAOS_ROUNDS` says otherwise.
const ROUNDS: usize = 4;

/// How often a kind of damage is tried.
pub fn rounds() -> usize {
    variable("PARALLAX_CHAOS_ROUNDS").unwrap_or(ROUNDS)
}

fn variable<T: std::str::FromStr>(name: &str) -> Option<T> {
    std::env::var(name).ok().and_then(|value| value.parse().ok())
}

/// xorshift64*.
pub struct Random(u64);

impl Random {
    /// For one test; prints the seed.
    pub fn for_test(name: &str) -> Self {
        let seed = variable("PARALLAX_CHAOS_SEED").unwrap_or(SEED);
        println!("{name}: PARALLAX_CHAOS_SEED={seed}");
        Self(seed | 1)
    }

    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    pub fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound.max(1) as u64) as usize
    }
}
