//! Randomness by name, never by turn, so that a new service does not disturb the old ones.

mod wide;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// Where all randomness of a run comes from: the seed that was given and the number of the replication.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seed {
    /// As given.
    pub seed: u64,
    /// From 0.
    pub replication: u32,
}

/// One stream of randomness: ChaCha8, word after word. Takes little room before its first word: of the streams of a large
/// cluster most are hardly ever drawn from.
#[derive(Clone, Debug)]
pub struct Stream {
    key: [u8; 32],
    /// Words that were drawn in advance; none before the first.
    words: Vec<u64>,
    next: usize,
    /// The block that comes after those in `words`.
    block: u64,
}

/// Words drawn at once; each draw of the generator is whole blocks, so the order of words does not depend on this.
const BUFFER: usize = 64;

impl Seed {
    /// The stream for this `purpose` of the thing called `name`; the same names give the same stream, whatever other
    /// streams there are.
    pub fn stream(self, purpose: &str, name: &str) -> Stream {
        let mut key = [0u8; 32];
        key[..8].copy_from_slice(&self.seed.to_le_bytes());
        key[8..12].copy_from_slice(&self.replication.to_le_bytes());
        key[16..24].copy_from_slice(&fnv(purpose.as_bytes(), 0).to_le_bytes());
        key[24..].copy_from_slice(&fnv(name.as_bytes(), 1).to_le_bytes());
        Stream { key, words: Vec::new(), next: BUFFER, block: 0 }
    }
}

/// FNV-1a, started at `salt`: a stable number for a name.
pub fn fnv(bytes: &[u8], salt: u64) -> u64 {
    bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325 ^ salt, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3))
}

impl Stream {
    /// The next 64 bits.
    #[inline]
    pub fn word(&mut self) -> u64 {
        if self.next == BUFFER {
            self.refill();
        }
        self.next += 1;
        self.words[self.next - 1]
    }

    /// Uniform in (0, 1], on a grid of 2^-53.
    #[inline]
    pub fn unit(&mut self) -> f64 {
        ((self.word() >> 11) + 1) as f64 * (1.0 / (1u64 << 53) as f64)
    }

    /// A whole number below `n`, all alike but for 2^-64; `n` at least 1.
    #[inline]
    pub fn below(&mut self, n: usize) -> usize {
        ((u128::from(self.word()) * n as u128) >> 64) as usize
    }

    /// Fills `words`, as that many calls of [`word`](Stream::word) would.
    pub fn fill(&mut self, words: &mut [u64]) {
        let kept = (BUFFER - self.next).min(words.len());
        let (first, rest) = words.split_at_mut(kept);
        if kept > 0 {
            first.copy_from_slice(&self.words[self.next..self.next + kept]);
            self.next += kept;
        }
        let (whole, rest) = rest.as_chunks_mut::<{ wide::WORDS }>();
        for words in whole {
            wide::fill(&self.key, self.block, words);
            self.block += wide::BLOCKS;
        }
        for word in rest {
            *word = self.word();
        }
    }

    #[cold]
    fn refill(&mut self) {
        let mut generator = ChaCha8Rng::from_seed(self.key);
        generator.set_word_pos(u128::from(self.block) * 16);
        let mut bytes = [0u8; BUFFER * 8];
        generator.fill_bytes(&mut bytes);
        self.words.clear();
        self.words.extend(bytes.as_chunks::<8>().0.iter().map(|eight| u64::from_le_bytes(*eight)));
        self.next = 0;
        self.block += BUFFER as u64 / 8;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEED: Seed = Seed { seed: 7, replication: 0 };

    #[test]
    fn streams_are_told_apart_by_purpose_name_seed_and_replication() {
        let first = |seed: Seed, purpose: &str, name: &str| seed.stream(purpose, name).word();
        let web = first(SEED, "arrivals", "web");
        assert_eq!(web, first(SEED, "arrivals", "web"));
        assert_ne!(web, first(SEED, "arrivals", "api"));
        assert_ne!(web, first(SEED, "work", "web"));
        assert_ne!(first(SEED, "a", "b"), first(SEED, "b", "a"));
        assert_ne!(web, first(Seed { seed: 8, ..SEED }, "arrivals", "web"));
        assert_ne!(web, first(Seed { replication: 1, ..SEED }, "arrivals", "web"));
    }

    #[test]
    fn filling_is_drawing_one_by_one() {
        let (mut one, mut other) = (SEED.stream("a", "b"), SEED.stream("a", "b"));
        for size in [1, 3, 64, 100, 7, 129, 1024, 5, 300, 128] {
            let mut words = vec![0; size];
            one.fill(&mut words);
            let expected: Vec<u64> = (0..size).map(|_| other.word()).collect();
            assert_eq!(words, expected);
        }
    }

    #[test]
    fn a_stream_is_plain_chacha() {
        let mut stream = SEED.stream("a", "b");
        let mut plain = ChaCha8Rng::from_seed(stream.key);
        for _ in 0..200 {
            assert_eq!(stream.word(), plain.next_u64());
        }
    }
}
