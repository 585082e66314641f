//! A logarithm of our own for the hot path: additions, multiplications and bit operations only, so that it gives the same
//! bits on every machine and the compiler can do several at once.

use std::f64::consts::LN_2;

/// Coefficients of a polynomial in t for ln(1.5 + t), |t| <= 0.5: a Chebyshev fit of degree 11, off by at most 1.5e-10.
const COEFFICIENTS: [f64; 12] = [
    4.054_651_082_112_798e-1,
    6.666_666_666_030_034e-1,
    -2.222_222_518_799_169_8e-1,
    9.876_545_040_934_5e-2,
    -4.938_134_154_715_475_4e-2,
    2.633_660_000_370_240_5e-2,
    -1.465_504_126_463_201_8e-2,
    8.375_369_271_031_255e-3,
    -4.703_706_035_797_95e-3,
    2.783_128_646_115_074e-3,
    -2.316_420_199_349_522_6e-3,
    1.410_091_761_499_643_3e-3,
];

/// A unit exponential variate from 64 random bits: -ln(U), U uniform in (0, 1] on a grid of 2^-52. At most 36.04.
#[inline(always)]
pub fn unit_exponential(word: u64) -> f64 {
    // The bits as the fraction of a number in [1, 2), and its distance from 2.
    let uniform = 2.0 - f64::from_bits((word >> 12) | 0x3ff0_0000_0000_0000);
    let bits = uniform.to_bits();
    // The exponent as a float, without a conversion instruction.
    let exponent = f64::from_bits((bits >> 52) | 0x4330_0000_0000_0000) - (4_503_599_627_370_496.0 + 1023.0);
    let t = f64::from_bits((bits & 0x000f_ffff_ffff_ffff) | 0x3ff0_0000_0000_0000) - 1.5;
    let c = &COEFFICIENTS;
    let (t2, t4) = (t * t, t * t * (t * t));
    let low = (c[0] + c[1] * t) + (c[2] + c[3] * t) * t2;
    let middle = (c[4] + c[5] * t) + (c[6] + c[7] * t) * t2;
    let high = (c[8] + c[9] * t) + (c[10] + c[11] * t) * t2;
    let value = -(exponent * LN_2) - (low + t4 * (middle + t4 * high));
    if value > 0.0 { value } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Seed;

    #[test]
    fn it_agrees_with_libm() {
        let mut stream = Seed { seed: 1, replication: 0 }.stream("test", "logarithm");
        let words = (0..100_000).map(|_| stream.word()).chain([0, u64::MAX, 1 << 63, (1 << 63) - 1, 1 << 12]);
        for word in words {
            let uniform = 2.0 - f64::from_bits((word >> 12) | 0x3ff0_0000_0000_0000);
            let expected = -libm::log(uniform);
            assert!((unit_exponential(word) - expected).abs() < 1e-9, "{word:#x}: {expected}");
        }
    }
}
