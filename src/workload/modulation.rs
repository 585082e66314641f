//! Poisson processes whose rate changes at random: bursts on the scale of their states, or on every scale.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::distribution::whole_nanos;
use crate::logarithm::unit_exponential;
use crate::rng::Stream;
use crate::units::Span;

/// What the rate follows. All begin as if they had run for ever.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Modulation {
    /// MMPP(2): one of two rates, for an exponential time each.
    TwoStates {
        /// Requests a second in either state.
        rates: [f64; 2],
        /// Mean time in either state, above 0.
        mean_durations: [Span; 2],
    },
    /// Sources that are on and off for Pareto times, independent of each other. Of a shape below 2 the sum of many is
    /// self-similar, with a Hurst exponent of (3 - shape) / 2 (Taqqu, Willinger and Sherman 1997).
    OnOff {
        /// How many.
        sources: u32,
        /// Requests a second of one that is on.
        rate: f64,
        /// Mean time on and mean time off, above 0.
        mean_durations: [Span; 2],
        /// Shape of both Pareto laws, above 1.
        shape: f64,
    },
}

impl Modulation {
    /// The one of two states with this mean and index of dispersion of counts, in the second state for `burst_duration` at
    /// a time and `burst_share` of the time in all; or the greatest index that these allow.
    ///
    /// The index is the limit of variance over mean of the counts of long intervals,
    /// 1 + 2 p1 p2 (l1 - l2)^2 / ((r12 + r21) mean), from which l2 - l1 follows.
    pub fn two_states(mean: f64, index: f64, burst_duration: Span, burst_share: f64) -> Result<Modulation, f64> {
        let (quiet_share, duration) = (1.0 - burst_share, burst_duration.as_seconds());
        // r21 is 1 / duration, and r12 is so much less that the shares are as asked.
        let switching = 1.0 / (duration * quiet_share);
        let between = ((index - 1.0) * mean * switching / (2.0 * quiet_share * burst_share)).sqrt();
        let quiet = mean - burst_share * between;
        // A hair below zero is rounding.
        if quiet < -1e-12 * mean {
            return Err(1.0 + 2.0 * quiet_share * quiet_share * mean * duration / burst_share);
        }
        let quiet_duration = Span::from_seconds_f64(duration * quiet_share / burst_share);
        Ok(Modulation::TwoStates {
            rates: [quiet.max(0.0), mean + quiet_share * between],
            mean_durations: [quiet_duration, burst_duration],
        })
    }

    /// How often the rate changes for each request, in the mean; 0 where none comes.
    pub fn changes_per_request(self) -> f64 {
        let (sources, rates, [first, second]) = match self {
            Modulation::TwoStates { rates, mean_durations } => (1.0, rates, mean_durations),
            Modulation::OnOff { sources, rate, mean_durations, .. } => {
                (f64::from(sources), [f64::from(sources) * rate, 0.0], mean_durations)
            }
        };
        let requests = rates[0] * first.as_seconds() + rates[1] * second.as_seconds();
        if requests > 0.0 { 2.0 * sources / requests } else { 0.0 }
    }

    /// The same at so many times its rate.
    pub fn scaled(self, scale: f64) -> Modulation {
        match self {
            Modulation::TwoStates { rates, mean_durations } => {
                Modulation::TwoStates { rates: rates.map(|it| it * scale), mean_durations }
            }
            Modulation::OnOff { sources, rate, mean_durations, shape } => {
                Modulation::OnOff { sources, rate: rate * scale, mean_durations, shape }
            }
        }
    }
}

/// Arrivals of a process whose rate is modulated.
#[derive(Clone, Debug)]
pub struct Modulated {
    modulation: Modulation,
    /// Now, in nanoseconds, not rounded.
    position: f64,
    /// Requests a nanosecond until the next change.
    rate: f64,
    until: f64,
    /// Of two states: which. Of sources: how many are on.
    state: u32,
    /// Of sources: when each changes next, and whether it is on until then.
    changes: BinaryHeap<Reverse<(u64, u32, bool)>>,
}

impl Modulated {
    /// From the start, in a state drawn by how much of the time belongs to it.
    pub fn new(modulation: &Modulation, stream: &mut Stream) -> Modulated {
        let mut modulated = Modulated {
            modulation: *modulation,
            position: 0.0,
            rate: 0.0,
            until: 0.0,
            state: 0,
            changes: BinaryHeap::new(),
        };
        match *modulation {
            Modulation::TwoStates { mean_durations: [first, second], .. } => {
                let share = first.0 as f64 / (first.0 as f64 + second.0 as f64);
                // An exponential time that has begun already is as long as one that begins.
                modulated.enter(u32::from(stream.unit() > share), stream);
            }
            Modulation::OnOff { sources, mean_durations: [on, off], shape, .. } => {
                let share = on.0 as f64 / (on.0 as f64 + off.0 as f64);
                for source in 0..sources {
                    let is_on = stream.unit() <= share;
                    let rest = pareto_rest(if is_on { on } else { off }, shape, stream);
                    modulated.changes.push(Reverse((rest, source, is_on)));
                    modulated.state += u32::from(is_on);
                }
                modulated.follow_sources();
            }
        }
        modulated
    }

    /// The next arrival, whole nanoseconds since the start; `None` where the rate is never above 0.
    pub fn next(&mut self, stream: &mut Stream) -> Option<f64> {
        let is_silent = match self.modulation {
            Modulation::TwoStates { rates, .. } => rates == [0.0, 0.0],
            Modulation::OnOff { rate, sources, .. } => rate == 0.0 || sources == 0,
        };
        if is_silent {
            return None;
        }
        let mut area = unit_exponential(stream.word());
        loop {
            let remaining = (self.until - self.position) * self.rate;
            if area < remaining {
                self.position += area / self.rate;
                return Some(whole_nanos(self.position));
            }
            area -= remaining;
            self.position = self.until;
            self.change(stream);
        }
    }

    fn change(&mut self, stream: &mut Stream) {
        match self.modulation {
            Modulation::TwoStates { .. } => self.enter(1 - self.state, stream),
            Modulation::OnOff { mean_durations: [on, off], shape, .. } => {
                let Some(Reverse((at, source, was_on))) = self.changes.pop() else { return };
                let length = pareto(if was_on { off } else { on }, shape, stream);
                self.changes.push(Reverse((at.saturating_add(length), source, !was_on)));
                self.state = if was_on { self.state - 1 } else { self.state + 1 };
                self.follow_sources();
            }
        }
    }

    fn enter(&mut self, state: u32, stream: &mut Stream) {
        let Modulation::TwoStates { rates, mean_durations } = self.modulation else { return };
        self.state = state;
        self.rate = rates[state as usize] * 1e-9;
        self.until = self.position + mean_durations[state as usize].0 as f64 * unit_exponential(stream.word());
    }

    fn follow_sources(&mut self) {
        let Modulation::OnOff { rate, .. } = self.modulation else { return };
        self.rate = f64::from(self.state) * rate * 1e-9;
        self.until = self.changes.peek().map_or(f64::INFINITY, |it| it.0.0 as f64);
    }
}

/// A Pareto length of this mean, in nanoseconds.
fn pareto(mean: Span, shape: f64, stream: &mut Stream) -> u64 {
    let least = mean.0 as f64 * (shape - 1.0) / shape;
    // Of nothing there would be no end.
    ((least * libm::pow(stream.unit(), -1.0 / shape)) as u64).max(1)
}

/// What is left of a Pareto length of this mean at an instant drawn from all of time.
///
/// Its density is the share of lengths that are longer, over the mean: flat up to the least length, and from there on a tail
/// whose shape is less by one.
fn pareto_rest(mean: Span, shape: f64, stream: &mut Stream) -> u64 {
    let least = mean.0 as f64 * (shape - 1.0) / shape;
    // The share of time with more than this left.
    let share = stream.unit();
    let rest = if share * shape >= 1.0 {
        (1.0 - share) * mean.0 as f64
    } else {
        least * libm::pow(share * shape, -1.0 / (shape - 1.0))
    };
    (rest as u64).max(1)
}
