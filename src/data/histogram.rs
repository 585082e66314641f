//! Response times, in log-linear buckets.

/// A histogram of lengths of time in nanoseconds.
#[derive(Clone, Debug, Default)]
pub struct Histogram {
    /// How many fell into each bucket.
    pub counts: Vec<u32>,
}
