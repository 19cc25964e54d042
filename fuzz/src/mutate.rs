//! New inputs out of old ones.

use std::time::{SystemTime, UNIX_EPOCH};

/// The longest input that is made, in bytes.
const MAX_INPUT: usize = 64 * 1024;
/// How often a piece may be repeated: what is fine once may be slow or deep a thousand times.
const MAX_REPEATS: u64 = 4000;

/// A seed that was not used before.
pub fn new_seed() -> Option<u64> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).ok()?;
    Some(now.as_micros() as u64)
}

/// Makes the input of one number. The same seed and number make the same input.
pub struct Mutator(u64);

impl Mutator {
    pub fn new(seed: u64, number: u64) -> Self {
        let mut mutator = Self(seed ^ number.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        // Neighbouring numbers begin with similar states.
        for _ in 0..4 {
            mutator.next();
        }
        mutator
    }

    /// xorshift64*.
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound.max(1) as u64) as usize
    }

    /// One of the corpus, changed a few times.
    pub fn input(&mut self, corpus: &[Vec<u8>], tokens: &[&str]) -> Vec<u8> {
        let mut input = match corpus.is_empty() {
            true => Vec::new(),
            false => self.piece_of(&corpus[self.0 as usize % corpus.len()]),
        };
        for _ in 0..1 + self.below(6) {
            self.change(&mut input, corpus, tokens);
            input.truncate(MAX_INPUT);
        }
        input
    }

    /// All of it, or, when it is long, often a part.
    fn piece_of(&mut self, whole: &[u8]) -> Vec<u8> {
        if whole.len() < 2048 || self.below(8) == 0 {
            return whole[..whole.len().min(MAX_INPUT)].to_vec();
        }
        let length = 1 + self.below(4096.min(whole.len()));
        let start = self.below(whole.len() - length + 1);
        whole[start..start + length].to_vec()
    }

    fn change(&mut self, input: &mut Vec<u8>, corpus: &[Vec<u8>], tokens: &[&str]) {
        let at = self.below(input.len() + 1);
        let end = at + self.below((input.len() - at).min(64) + 1);
        match self.below(9) {
            0 if at < input.len() => input[at] ^= 1 << self.below(8),
            1 if at < input.len() => input[at] = self.next() as u8,
            2 => drop(input.drain(at..end)),
            3 => {
                let copy = input[at..end].to_vec();
                let times = 1 + self.below(MAX_REPEATS as usize);
                let times = times.min(MAX_INPUT / copy.len().max(1));
                input.splice(at..at, copy.repeat(times));
            }
            4 if !tokens.is_empty() => {
                let token = tokens[self.below(tokens.len())].as_bytes();
                let times = if self.below(4) == 0 { 1 + self.below(MAX_REPEATS as usize) } else { 1 };
                let times = times.min(MAX_INPUT / token.len().max(1));
                input.splice(at..at, token.repeat(times));
            }
            5 if !corpus.is_empty() => {
                let other = self.below(corpus.len());
                let other = self.piece_of(&corpus[other]);
                input.splice(at..end, other);
            }
            6 => input.truncate(at),
            7 => {
                let number = [0, 1, 255, 65_536, u64::from(u32::MAX), u64::MAX][self.below(6)].to_string();
                input.splice(at..end, number.into_bytes());
            }
            _ => {
                let noise: Vec<u8> = (0..self.below(16)).map(|_| self.next() as u8).collect();
                input.splice(at..at, noise);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_and_a_number_make_one_input() {
        let corpus = vec![b"name: team".to_vec(), vec![b'x'; 10_000]];
        let make = |seed, number| Mutator::new(seed, number).input(&corpus, &["a", "b"]);
        assert_eq!(make(7, 3), make(7, 3));
        let different: std::collections::HashSet<_> = (0..500).map(|number| make(7, number)).collect();
        assert!(different.len() > 450, "{}", different.len());
        assert!(different.iter().all(|input| input.len() <= MAX_INPUT));
    }
}
