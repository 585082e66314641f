//! ChaCha8 for many blocks side by side: the words that `rand_chacha` gives, several times as fast where the processor
//! has wide registers. (Bernstein, "ChaCha, a variant of Salsa20", 2008.)

use multiversion::multiversion;

/// Blocks made at once.
pub const BLOCKS: u64 = LANES as u64;

/// Their words.
pub const WORDS: usize = 8 * LANES;

const LANES: usize = 16;

const CONSTANTS: [u32; 4] = [0x6170_7865, 0x3320_646e, 0x7962_2d32, 0x6b20_6574];

/// The words of the blocks from number `block` on, of the stream 0 of this key.
///
/// All loops over lanes are innermost or alone, and the rounds are spelled out, so that the compiler keeps each row of
/// the state in a register; it does not if a helper takes rows by value.
#[expect(clippy::needless_range_loop, reason = "rows are named by number, and a lane is the same in each")]
#[multiversion(targets = "simd")]
pub fn fill(key: &[u8; 32], block: u64, words: &mut [u64; WORDS]) {
    let mut key_words = [0; 8];
    for (word, four) in key_words.iter_mut().zip(key.as_chunks::<4>().0) {
        *word = u32::from_le_bytes(*four);
    }
    let mut state = [[0u32; LANES]; 16];
    for lane in 0..LANES {
        for row in 0..4 {
            state[row][lane] = CONSTANTS[row];
        }
        for row in 0..8 {
            state[4 + row][lane] = key_words[row];
        }
        let number = block + lane as u64;
        state[12][lane] = number as u32;
        state[13][lane] = (number >> 32) as u32;
    }
    let numbers = [state[12], state[13]];
    macro_rules! quarter_rounds {
        ($(($a:literal, $b:literal, $c:literal, $d:literal))*) => {
            $(half!($a, $b, $d, 16);)*
            $(half!($c, $d, $b, 12);)*
            $(half!($a, $b, $d, 8);)*
            $(half!($c, $d, $b, 7);)*
        };
    }
    macro_rules! half {
        ($sum:literal, $addend:literal, $mixed:literal, $bits:literal) => {
            for lane in 0..LANES {
                state[$sum][lane] = state[$sum][lane].wrapping_add(state[$addend][lane]);
            }
            for lane in 0..LANES {
                state[$mixed][lane] = (state[$mixed][lane] ^ state[$sum][lane]).rotate_left($bits);
            }
        };
    }
    for _ in 0..4 {
        quarter_rounds!((0, 4, 8, 12)(1, 5, 9, 13)(2, 6, 10, 14)(3, 7, 11, 15));
        quarter_rounds!((0, 5, 10, 15)(1, 6, 11, 12)(2, 7, 8, 13)(3, 4, 9, 14));
    }
    for lane in 0..LANES {
        for row in 0..4 {
            state[row][lane] = state[row][lane].wrapping_add(CONSTANTS[row]);
        }
        for row in 0..8 {
            state[4 + row][lane] = state[4 + row][lane].wrapping_add(key_words[row]);
        }
        for row in 0..2 {
            state[12 + row][lane] = state[12 + row][lane].wrapping_add(numbers[row][lane]);
        }
    }
    let mut rows = [0u64; WORDS];
    macro_rules! pairs {
        ($($word:literal)*) => {
            $(for lane in 0..LANES {
                let pair = [state[2 * $word][lane], state[2 * $word + 1][lane]];
                rows[$word * LANES + lane] = u64::from(pair[0]) | (u64::from(pair[1]) << 32);
            })*
        };
    }
    pairs!(0 1 2 3 4 5 6 7);
    turn_round(&rows, words);
}

/// Brings the words of each block together: three times the halves are shuffled into each other, so that the number of
/// the word, three bits in front of that of the lane, comes to stand behind it.
#[multiversion(targets = "simd")]
fn turn_round(rows: &[u64; WORDS], words: &mut [u64; WORDS]) {
    let (mut once, mut twice) = ([0; WORDS], [0; WORDS]);
    shuffle(rows, &mut once);
    shuffle(&once, &mut twice);
    shuffle(&twice, words);
}

#[inline(always)]
fn shuffle(from: &[u64; WORDS], into: &mut [u64; WORDS]) {
    let (first, second) = from.split_at(WORDS / 2);
    for ((pair, &one), &other) in into.as_chunks_mut::<2>().0.iter_mut().zip(first).zip(second) {
        *pair = [one, other];
    }
}
