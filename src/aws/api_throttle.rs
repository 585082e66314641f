//! How long calls wait where an account makes more of them than an API takes.
//!
//! Follows *Request throttling for the Amazon ECS API* (2026): a token bucket for each group of actions. RunTask,
//! StartTask and StopTask are cluster resource modify actions.

use crate::units::{Instant, Span};

/// A token bucket whose callers wait for their turn: each is told how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallBucket {
    /// What one call costs of time.
    interval: Span,
    /// How far calls may run ahead of their turn: all that the bucket holds but the last.
    ahead: Span,
    next_turn: Instant,
}

impl CallBucket {
    /// A full bucket of `burst` calls, `per_second` of which come back; both are at least 1.
    ///
    /// # Panics
    /// When one of them is 0.
    pub fn new(burst: u32, per_second: u32) -> CallBucket {
        assert!(burst > 0 && per_second > 0, "a bucket that never gives anything is none");
        let interval = Span(1_000_000_000 / u64::from(per_second));
        CallBucket { interval, ahead: interval * u64::from(burst - 1), next_turn: Instant::START }
    }

    /// Makes a call: how long it waits.
    pub fn call(&mut self, now: Instant) -> Span {
        let turn = self.next_turn.max(now);
        self.next_turn = turn + self.interval;
        let waits = turn.since(now);
        if waits > self.ahead { waits - self.ahead } else { Span::ZERO }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hundred_calls_at_once_and_then_forty_a_second() {
        let mut bucket = CallBucket::new(100, 40);
        let waits: Vec<f64> = (0..180).map(|_| bucket.call(Instant::START).as_seconds()).collect();
        assert_eq!(waits[..100].iter().copied().fold(0.0, f64::max), 0.0);
        assert_eq!((waits[100], waits[139], waits[179]), (0.025, 1.0, 2.0));
        // It fills up again: 40 calls a second for two seconds of waiting, and 2.5 s more for all of it.
        let later = Instant::START + Span::millis(4500);
        assert_eq!((0..100).map(|_| bucket.call(later)).max(), Some(Span::ZERO));
        assert_eq!(bucket.call(later), Span::millis(25));
    }
}
