//! Response times, in log-linear buckets: 128 to an octave, so that a bucket's middle is within 0.4 % of what fell in it.

/// log2 of the buckets in an octave.
const PRECISION: u32 = 7;
/// Values below 2^10 ns (1 us) fall into the first bucket.
const LOWEST: u32 = 10;
/// Values of 2^44 ns (4.9 h) and more fall into the last bucket.
const HIGHEST: u32 = 44;
const BUCKETS: usize = ((HIGHEST - LOWEST) as usize) << PRECISION;

/// Where values go that shall not be counted.
pub const NO_BUCKET: u32 = BUCKETS as u32;

/// A histogram of lengths of time in nanoseconds; its sum and count are exact, and merging loses nothing. Takes no room before
/// its first value.
#[derive(Clone, Debug, Default)]
pub struct Histogram {
    counts: Vec<u32>,
    sum: u128,
    count: u64,
}

impl PartialEq for Histogram {
    fn eq(&self, other: &Histogram) -> bool {
        let is_same = self.count == other.count && self.sum == other.sum;
        is_same && (self.count == 0 || self.counts == other.counts)
    }
}

impl Eq for Histogram {}

impl Histogram {
    #[inline(always)]
    fn buckets(&mut self) -> &mut [u32; BUCKETS + 1] {
        if self.counts.is_empty() {
            self.make_room();
        }
        self.counts.first_chunk_mut().expect("a histogram has all its buckets")
    }

    #[cold]
    #[inline(never)]
    fn make_room(&mut self) {
        self.counts.resize(BUCKETS + 1, 0);
    }

    /// Counts one value, in nanoseconds.
    #[inline(always)]
    pub fn record(&mut self, nanos: u64) {
        let count = &mut self.buckets()[bucket_of(nanos)];
        *count = count.wrapping_add(1);
        self.sum += u128::from(nanos);
        self.count += 1;
    }

    /// Counts values that are whole nanoseconds below 2^43, held in floats; at most 1024 at once.
    pub fn record_all(&mut self, nanos: &[f64]) {
        let mut buckets = [0; 128];
        for chunk in nanos.chunks(buckets.len()) {
            let buckets = &mut buckets[..chunk.len()];
            let sum = buckets_of(chunk, buckets);
            self.record_buckets(buckets, chunk.len() as u64, sum);
        }
    }

    /// Counts values by their buckets, `count` of them with this sum; those in [`NO_BUCKET`] are left out.
    pub fn record_buckets(&mut self, buckets: &[u32], count: u64, sum: u64) {
        let counts = self.buckets();
        for &bucket in buckets {
            let count = &mut counts[bucket as usize];
            *count = count.wrapping_add(1);
        }
        counts[NO_BUCKET as usize] = 0;
        self.sum += u128::from(sum);
        self.count += count;
    }

    /// How many values there are.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Their sum, nanoseconds.
    pub fn sum(&self) -> u128 {
        self.sum
    }

    /// Their mean, nanoseconds; `None` where there are none.
    pub fn mean(&self) -> Option<f64> {
        (self.count > 0).then(|| self.sum as f64 / self.count as f64)
    }

    /// The value that a share `q` of them does not exceed, nanoseconds, within 0.4 %; `None` where there are none.
    pub fn quantile(&self, q: f64) -> Option<f64> {
        if self.count == 0 {
            return None;
        }
        let wanted = ((q * self.count as f64).ceil() as u64).clamp(1, self.count);
        let mut seen = 0;
        let bucket = self.counts.iter().position(|&count| {
            seen += u64::from(count);
            seen >= wanted
        });
        bucket.map(middle_of)
    }

    /// The buckets that hold something: the middle of each, nanoseconds, and how many values fell in it.
    pub fn filled(&self) -> impl Iterator<Item = (f64, u64)> {
        let filled = self.counts.iter().enumerate().filter(|(_, count)| **count > 0);
        filled.map(|(bucket, &count)| (middle_of(bucket), u64::from(count)))
    }

    /// Adds another's values.
    pub fn merge(&mut self, other: &Histogram) {
        if other.count == 0 {
            return;
        }
        for (count, more) in self.buckets().iter_mut().zip(&other.counts) {
            *count = count.wrapping_add(*more);
        }
        self.sum += other.sum;
        self.count += other.count;
    }

    /// Forgets all values.
    pub fn clear(&mut self) {
        if self.count > 0 {
            self.counts.fill(0);
            self.sum = 0;
            self.count = 0;
        }
    }
}

#[inline(always)]
fn bucket_of(nanos: u64) -> usize {
    let value = nanos.clamp(1 << LOWEST, (1 << HIGHEST) - 1);
    let octave = 63 - value.leading_zeros();
    (((octave - LOWEST) as usize) << PRECISION) + ((value >> (octave - PRECISION)) as usize - (1 << PRECISION))
}

/// Writes the bucket of each value; their sum.
#[multiversion::multiversion(targets = "simd")]
fn buckets_of(nanos: &[f64], buckets: &mut [u32]) -> u64 {
    let mut sum = 0;
    for (&value, bucket) in nanos.iter().zip(buckets) {
        sum += whole_bits(value);
        *bucket = bucket_of_float(value);
    }
    sum
}

/// A whole number below 2^52 as an integer, without a conversion, which older processors cannot do side by side.
#[inline(always)]
pub fn whole_bits(whole: f64) -> u64 {
    const SHIFT: f64 = (1u64 << 52) as f64;
    (whole + SHIFT).to_bits() - SHIFT.to_bits()
}

/// The bucket of a whole number in a float, whose bits begin with the octave and go on with the place in it.
#[inline(always)]
pub fn bucket_of_float(nanos: f64) -> u32 {
    const LEAST: f64 = (1u64 << LOWEST) as f64;
    const MOST: f64 = ((1u64 << HIGHEST) - 1) as f64;
    let value = if nanos > LEAST { nanos } else { LEAST };
    let value = if value < MOST { value } else { MOST };
    ((value.to_bits() >> (52 - PRECISION)) as u32) - ((1023 + LOWEST) << PRECISION)
}

fn middle_of(bucket: usize) -> f64 {
    let octave = (bucket >> PRECISION) as u32 + LOWEST;
    let inside = (bucket & ((1 << PRECISION) - 1)) as f64 + 0.5;
    (1u64 << octave) as f64 * (1.0 + inside / f64::from(1 << PRECISION))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buckets_middle_is_within_its_error() {
        let mut nanos = 1_100u64;
        while nanos < 1 << 43 {
            let middle = middle_of(bucket_of(nanos));
            assert!((middle / nanos as f64 - 1.0).abs() <= 0.004, "{nanos}: {middle}");
            nanos += nanos / 37 + 1;
        }
    }

    #[test]
    fn quantiles_mean_and_merging() {
        let (mut low, mut high) = (Histogram::default(), Histogram::default());
        assert_eq!((low.quantile(0.5), low.mean()), (None, None));
        for millis in 1..=50 {
            low.record(millis * 1_000_000);
            high.record((millis + 50) * 1_000_000);
        }
        low.merge(&high);
        assert_eq!(low.count(), 100);
        assert_eq!(low.mean(), Some(50.5e6));
        for (q, millis) in [(0.5, 50.0), (0.9, 90.0), (0.99, 99.0), (1.0, 100.0), (0.0, 1.0)] {
            let value = low.quantile(q).expect("there are values") / 1e6;
            assert!((value / millis - 1.0).abs() < 0.005, "{q}: {value}");
        }
        low.clear();
        assert_eq!(low, Histogram::default());
    }

    #[test]
    fn floats_fall_into_the_same_buckets() {
        let mut values = vec![0u64, 1, 1023, 1024, 1025, (1 << 44) - 1, 1 << 44, 1 << 50];
        values.extend((0..1000).map(|it| 1_000 + it * it * 7919));
        let (mut one_by_one, mut together) = (Histogram::default(), Histogram::default());
        values.iter().for_each(|&it| one_by_one.record(it));
        let floats: Vec<f64> = values.iter().map(|&it| it as f64).collect();
        together.record_all(&floats);
        assert_eq!(one_by_one, together);
    }

    #[test]
    fn extremes_stay_inside() {
        let mut histogram = Histogram::default();
        histogram.record(0);
        histogram.record(u64::MAX);
        assert_eq!(histogram.count(), 2);
        assert!(histogram.quantile(1.0).is_some());
    }
}
