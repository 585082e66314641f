//! Randomness by name, never by turn, so that a new service does not disturb the old ones.

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

/// One stream of randomness.
#[derive(Clone, Debug)]
pub struct Stream {
    generator: ChaCha8Rng,
}

impl Seed {
    /// The stream for this `purpose` of the thing called `name`; the same names give the same stream, whatever other
    /// streams there are.
    pub fn stream(self, purpose: &str, name: &str) -> Stream {
        let mut key = [0u8; 32];
        key[..8].copy_from_slice(&self.seed.to_le_bytes());
        key[8..12].copy_from_slice(&self.replication.to_le_bytes());
        key[16..24].copy_from_slice(&fnv(purpose.as_bytes(), 0).to_le_bytes());
        key[24..].copy_from_slice(&fnv(name.as_bytes(), 1).to_le_bytes());
        Stream { generator: ChaCha8Rng::from_seed(key) }
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
    pub fn word(&mut self) -> u64 {
        self.generator.next_u64()
    }

    /// Uniform in (0, 1], on a grid of 2^-53.
    pub fn unit(&mut self) -> f64 {
        ((self.word() >> 11) + 1) as f64 * (1.0 / (1u64 << 53) as f64)
    }

    /// A whole number below `n`, all alike but for 2^-64; `n` at least 1.
    pub fn below(&mut self, n: usize) -> usize {
        ((u128::from(self.word()) * n as u128) >> 64) as usize
    }

    /// Fills `words`, as that many calls of [`word`](Stream::word) would.
    pub fn fill(&mut self, words: &mut [u64]) {
        for word in words {
            *word = self.generator.next_u64();
        }
    }
}
