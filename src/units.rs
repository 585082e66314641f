//! Quantities: simulated time as integers, and the casts that have to be argued once.

use std::fmt;
use std::ops::{Add, AddAssign, Mul, Sub};

use serde::{Serialize, Serializer};

/// Nanoseconds in a second.
pub const NANOS_PER_SECOND: u64 = 1_000_000_000;

/// A length of simulated time, in whole nanoseconds; written `250ms`, `30s`, `5m`, `1h30m` or `2d` in a scenario.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span(pub u64);

impl Span {
    /// No time at all.
    pub const ZERO: Span = Span(0);
    /// One minute, the period of most of CloudWatch's metrics.
    pub const MINUTE: Span = Span(60 * NANOS_PER_SECOND);
    /// An hour.
    pub const HOUR: Span = Span(3600 * NANOS_PER_SECOND);
    /// One second.
    pub const SECOND: Span = Span(NANOS_PER_SECOND);

    /// A whole number of seconds.
    pub const fn seconds(seconds: u64) -> Span {
        Span(seconds * NANOS_PER_SECOND)
    }

    /// A whole number of milliseconds.
    pub const fn millis(millis: u64) -> Span {
        Span(millis * 1_000_000)
    }

    /// Seconds rounded to the nearest nanosecond; what is negative or not a number becomes zero.
    pub fn from_seconds_f64(seconds: f64) -> Span {
        Span::from_nanos_f64(seconds * 1e9)
    }

    /// Nanoseconds rounded to the nearest whole one; what is negative or not a number becomes zero.
    pub fn from_nanos_f64(nanos: f64) -> Span {
        // `as` saturates, and takes NaN to 0.
        Span((nanos + 0.5).floor() as u64)
    }

    /// This length in seconds.
    pub fn as_seconds(self) -> f64 {
        self.0 as f64 / 1e9
    }

    /// This length in milliseconds.
    pub fn as_millis(self) -> f64 {
        self.0 as f64 / 1e6
    }

    /// This length in hours.
    pub fn as_hours(self) -> f64 {
        self.0 as f64 / 3.6e12
    }
}

/// A point in simulated time: nanoseconds since the run began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(pub u64);

impl Instant {
    /// When the run begins.
    pub const START: Instant = Instant(0);
    /// Later than anything that happens.
    pub const NEVER: Instant = Instant(u64::MAX);

    /// The start of the minute that this instant lies in.
    pub fn minute_start(self) -> Instant {
        Instant(self.0 - self.0 % Span::MINUTE.0)
    }

    /// The first whole minute that is later than this instant.
    pub fn next_minute(self) -> Instant {
        self.minute_start() + Span::MINUTE
    }

    /// Seconds since the run began.
    pub fn as_seconds(self) -> f64 {
        self.0 as f64 / 1e9
    }

    /// The time since `earlier`, or zero where that lies ahead.
    pub fn since(self, earlier: Instant) -> Span {
        Span(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Span> for Instant {
    type Output = Instant;
    fn add(self, span: Span) -> Instant {
        Instant(self.0.saturating_add(span.0))
    }
}

impl AddAssign<Span> for Instant {
    fn add_assign(&mut self, span: Span) {
        *self = *self + span;
    }
}

impl Sub for Instant {
    type Output = Span;
    fn sub(self, earlier: Instant) -> Span {
        assert!(earlier <= self, "time runs forward");
        Span(self.0 - earlier.0)
    }
}

impl Add for Span {
    type Output = Span;
    fn add(self, other: Span) -> Span {
        Span(self.0.saturating_add(other.0))
    }
}

impl AddAssign for Span {
    fn add_assign(&mut self, other: Span) {
        *self = *self + other;
    }
}

impl Sub for Span {
    type Output = Span;
    fn sub(self, other: Span) -> Span {
        Span(self.0.saturating_sub(other.0))
    }
}

impl Mul<u64> for Span {
    type Output = Span;
    fn mul(self, times: u64) -> Span {
        Span(self.0.saturating_mul(times))
    }
}

impl fmt::Display for Span {
    /// As short as it can be said exactly: `90s` is `1m30s`, `1500ms` is `1.5s`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (mut rest, mut written) = (self.0, false);
        for (unit, nanos) in
            [("d", 86_400 * NANOS_PER_SECOND), ("h", 3_600 * NANOS_PER_SECOND), ("m", 60 * NANOS_PER_SECOND)]
        {
            if rest >= nanos {
                write!(f, "{}{unit}", rest / nanos)?;
                rest %= nanos;
                written = true;
            }
        }
        match rest {
            0 if written => Ok(()),
            0 => write!(f, "0s"),
            _ if rest >= NANOS_PER_SECOND || written => write!(f, "{}s", rest as f64 / 1e9),
            _ if rest >= 1_000_000 => write!(f, "{}ms", rest as f64 / 1e6),
            _ => write!(f, "{rest}ns"),
        }
    }
}

impl fmt::Display for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0 / NANOS_PER_SECOND;
        write!(f, "{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)
    }
}

impl Serialize for Span {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(self.as_seconds())
    }
}

impl Serialize for Instant {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(self.as_seconds())
    }
}

/// `ceil`, after a tolerance of 1e-9, so that a ratio that is whole on paper gains no unit from floating point.
pub fn ceil_capacity(x: f64) -> u32 {
    (x - 1e-9).ceil().max(0.0) as u32
}

/// `floor`, after the same tolerance as [`ceil_capacity`].
pub fn floor_capacity(x: f64) -> u32 {
    (x + 1e-9).floor().max(0.0) as u32
}

/// `ceil(a * percent / 100)` in integers.
pub fn percent_ceil(a: u32, percent: u32) -> u32 {
    ((u64::from(a) * u64::from(percent)).div_ceil(100)) as u32
}

/// `floor(a * percent / 100)` in integers.
pub fn percent_floor(a: u32, percent: u32) -> u32 {
    (u64::from(a) * u64::from(percent) / 100) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_read_as_people_write_them() {
        for (nanos, text) in [
            (0, "0s"),
            (250_000_000, "250ms"),
            (1_500_000_000, "1.5s"),
            (90 * NANOS_PER_SECOND, "1m30s"),
            (3_600 * NANOS_PER_SECOND, "1h"),
            (90_000 * NANOS_PER_SECOND, "1d1h"),
            (12, "12ns"),
        ] {
            assert_eq!(Span(nanos).to_string(), text);
        }
    }

    #[test]
    fn whole_ratios_stay_whole() {
        assert_eq!(ceil_capacity(10.0 * 75.0 / 50.0), 15);
        assert_eq!(ceil_capacity(15.000_000_000_1), 15);
        assert_eq!(ceil_capacity(15.1), 16);
        assert_eq!(floor_capacity(2.999_999_999_9), 3);
    }
}
