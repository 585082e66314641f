//! Token buckets: how fast AWS lets an account go on after a burst.
//!
//! Follows *Request throttling for the Amazon ECS API* and *Fargate throttling quotas* in the ECS developer guide (2026): a bucket for each
//! group of actions, and for each kind of Fargate's launches. RunTask, StartTask and StopTask are cluster resource modify actions.

use crate::units::{Instant, NANOS_PER_SECOND, Span};

/// A bucket that holds so many launches or calls and is refilled at a constant rate. Whole billionths of one, so that nothing is ever
/// rounded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TokenBucket {
    burst: u32,
    per_second: u32,
    /// Less than nothing while callers wait for their turn.
    billionths: i64,
    at: Instant,
}

impl TokenBucket {
    /// A full bucket. `burst` is what it holds, `per_second` what comes back.
    pub fn new(burst: u32, per_second: u32) -> TokenBucket {
        TokenBucket { burst, per_second, billionths: i64::from(burst) * ONE, at: Instant::START }
    }

    /// Takes one, where one is there.
    ///
    /// # Panics
    /// When `now` lies before a time that it was asked at already.
    pub fn take(&mut self, now: Instant) -> bool {
        self.refill(now);
        let has_one = self.billionths >= ONE;
        if has_one {
            self.billionths -= ONE;
        }
        has_one
    }

    /// Takes one in turn: how long one that comes now waits for it, behind all that wait already.
    ///
    /// # Panics
    /// When `now` lies before a time that it was asked at already, or nothing ever comes back to the bucket.
    pub fn take_in_turn(&mut self, now: Instant) -> Span {
        self.refill(now);
        self.billionths = self.billionths.saturating_sub(ONE);
        match self.billionths {
            0.. => Span::ZERO,
            missing => Span(missing.unsigned_abs().div_ceil(u64::from(self.per_second))),
        }
    }

    /// When the next one is there, seen from the last time that it was asked; `None` where none will ever be.
    pub fn next_at(&self) -> Option<Instant> {
        if self.billionths >= ONE {
            return Some(self.at);
        }
        let missing = self.billionths.abs_diff(ONE);
        let may_ever = self.burst > 0 && self.per_second > 0;
        may_ever.then(|| self.at + Span(missing.div_ceil(u64::from(self.per_second))))
    }

    fn refill(&mut self, now: Instant) {
        let refilled = now.since(self.at).0.saturating_mul(u64::from(self.per_second));
        self.billionths = self.billionths.saturating_add_unsigned(refilled).min(i64::from(self.burst) * ONE);
        self.at = now;
    }
}

/// A whole one, in billionths.
const ONE: i64 = NANOS_PER_SECOND as i64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hundred_calls_at_once_and_then_forty_a_second() {
        let mut bucket = TokenBucket::new(100, 40);
        let waits: Vec<f64> = (0..180).map(|_| bucket.take_in_turn(Instant::START).as_seconds()).collect();
        assert_eq!(waits[..100].iter().copied().fold(0.0, f64::max), 0.0);
        assert_eq!((waits[100], waits[139], waits[179]), (0.025, 1.0, 2.0));
        // It fills up again: 40 calls a second for two seconds of waiting, and 2.5 s more for all of it.
        let later = Instant::START + Span::millis(4500);
        assert_eq!((0..100).map(|_| bucket.take_in_turn(later)).max(), Some(Span::ZERO));
        assert_eq!(bucket.take_in_turn(later), Span::millis(25));
    }

    #[test]
    fn we_88_a_hundred_at_once_and_then_one_every_50_ms() {
        let mut bucket = TokenBucket::new(100, 20);
        let mut launched = Vec::new();
        let mut now = Instant::START;
        while launched.len() < 250 {
            if bucket.take(now) {
                launched.push(now);
            } else {
                now = bucket.next_at().expect("it is refilled");
            }
        }
        assert!(launched[..100].iter().all(|it| *it == Instant::START));
        for (place, at) in launched[100..].iter().enumerate() {
            assert_eq!(*at, Instant::START + Span::millis(50) * (place as u64 + 1));
        }
        assert_eq!(launched[249], Instant::START + Span::millis(7500));
    }

    /// Of whatever rate: no window has more launches than the burst and what came back in it, and each comes as soon as it
    /// can.
    #[test]
    fn a_bucket_never_gives_more_than_it_holds_and_gets() {
        for (burst, per_second) in [(1, 1), (25, 5), (3, 7), (100, 20), (10, 999_983)] {
            let mut bucket = TokenBucket::new(burst, per_second);
            let (mut launched, mut now) = (Vec::new(), Instant(12_345));
            for turn in 0..500_u64 {
                if turn % 97 == 96 {
                    // Nobody asks for a while.
                    now += Span::millis(turn * 3);
                }
                while !bucket.take(now) {
                    let next = bucket.next_at().expect("it is refilled");
                    assert!(next > now);
                    assert!(!TokenBucket::take(&mut bucket.clone(), Instant(next.0 - 1)), "not a nanosecond too late");
                    now = next;
                }
                launched.push(now);
            }
            for (first, start) in launched.iter().enumerate() {
                for (last, end) in launched.iter().enumerate().skip(first) {
                    let most = u128::from(burst) * u128::from(NANOS_PER_SECOND)
                        + u128::from(end.since(*start).0) * u128::from(per_second);
                    assert!((last - first + 1) as u128 * u128::from(NANOS_PER_SECOND) <= most, "{burst} {per_second}");
                }
            }
        }
        assert_eq!(TokenBucket::new(0, 20).next_at(), None);
    }
}
