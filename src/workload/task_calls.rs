//! When standalone tasks are asked for, and how long they run.

use std::sync::Arc;

use crate::distribution::Distribution;
use crate::rng::{Seed, Stream};
use crate::units::{Instant, Span};
use crate::workload::arrivals::{ArrivalProcess, Arrivals};

/// Calls for standalone tasks, or events that cause them.
#[derive(Clone, Debug, PartialEq)]
pub enum TaskCalls {
    /// Each at its own instant, in order of time.
    Listed(Arc<[TaskCall]>),
    /// At random.
    Drawn {
        /// When calls are made.
        arrivals: ArrivalProcess,
        /// Tasks of each call, from 1.
        count: u32,
        /// How often a call is for each size, above 0 in the sum.
        weights: Vec<f64>,
        /// How long tasks run; `None` is as their applications do.
        run_time: Option<Distribution>,
    },
    /// By a schedule.
    Scheduled {
        /// When it falls, in order of time.
        times: Arc<[Instant]>,
        /// Tasks of each call, from 1.
        count: u32,
        /// How long tasks run; `None` is as their applications do.
        run_time: Option<Distribution>,
    },
    /// For objects that are put into a bucket. All that ask for one bucket see the same objects.
    Objects {
        /// The bucket.
        bucket: Arc<str>,
        /// When objects are created in it.
        arrivals: ArrivalProcess,
        /// How often an object has each of the bucket's keys, above 0 in the sum.
        weights: Vec<f64>,
        /// Whether an object of each key asks for tasks.
        matches: Vec<bool>,
        /// Tasks of each call, from 1.
        count: u32,
        /// How long tasks run; `None` is as their applications do.
        run_time: Option<Distribution>,
    },
}

impl TaskCalls {
    /// Whether there can be no call at all.
    pub fn are_never_made(&self) -> bool {
        match self {
            TaskCalls::Listed(calls) => calls.is_empty(),
            TaskCalls::Scheduled { times, .. } => times.is_empty(),
            TaskCalls::Objects { matches, weights, .. } => {
                !matches.iter().zip(weights).any(|(matches, weight)| *matches && *weight > 0.0)
            }
            TaskCalls::Drawn { .. } => false,
        }
    }
}

/// One call of `RunTask`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TaskCall {
    /// When.
    pub at: Instant,
    /// How many tasks, from 1.
    pub count: u32,
    /// Which of the sizes of its tasks.
    pub size: usize,
    /// How long its tasks run.
    pub run_time: RunTime,
}

/// How long a task runs, from RUNNING on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RunTime {
    /// As its application does.
    #[default]
    OfApplication,
    /// So long, evenly between the two, both included.
    Between(Span, Span),
}

/// The calls of a run, one after the other.
pub struct TaskCallSource {
    calls: TaskCalls,
    next: usize,
    arrivals: Option<Arrivals>,
    /// Arrivals that were drawn ahead.
    drawn: std::vec::IntoIter<f64>,
    /// For the keys of objects.
    keys: Option<Stream>,
    /// For how long S3 takes to tell of an object, which all that ask for its bucket hear of at one time.
    events: Option<(Stream, Distribution)>,
    stream: Stream,
}

/// A call whose chances are drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DrawnCall {
    /// When.
    pub at: Instant,
    /// How many tasks.
    pub count: u32,
    /// Which of the sizes.
    pub size: usize,
    /// How long after it the event bus has heard of it; nothing but of objects.
    pub told_after: Span,
}

/// Arrivals that are drawn at once.
const AHEAD: usize = 64;

impl TaskCallSource {
    /// From the first call of the entry of this name on; the event bus hears of objects after `object_event_delay`.
    pub fn new(calls: &TaskCalls, object_event_delay: &Distribution, seed: Seed, name: &str) -> TaskCallSource {
        let (arrivals, keys) = match calls {
            TaskCalls::Listed(_) | TaskCalls::Scheduled { .. } => (None, None),
            TaskCalls::Drawn { arrivals, .. } => (Some(Arrivals::new(arrivals, seed.stream("task calls", name))), None),
            TaskCalls::Objects { arrivals, bucket, .. } => {
                let arrivals = Arrivals::new(arrivals, seed.stream("objects", bucket));
                (Some(arrivals), Some(seed.stream("object keys", bucket)))
            }
        };
        let events = match calls {
            TaskCalls::Objects { bucket, .. } => {
                Some((seed.stream("object events", bucket), object_event_delay.clone()))
            }
            _ => None,
        };
        let stream = seed.stream("standalone tasks", name);
        TaskCallSource { calls: calls.clone(), next: 0, arrivals, drawn: Vec::new().into_iter(), keys, events, stream }
    }

    /// The next call, if there is one.
    pub fn next_call(&mut self) -> Option<DrawnCall> {
        match &self.calls {
            TaskCalls::Listed(calls) => {
                let call = calls.get(self.next)?;
                self.next += 1;
                Some(DrawnCall { at: call.at, count: call.count, size: call.size, told_after: Span::ZERO })
            }
            TaskCalls::Drawn { count, weights, .. } => {
                let at = next_arrival(&mut self.arrivals, &mut self.drawn)?;
                let size = chosen(weights, self.stream.unit());
                Some(DrawnCall { at, count: *count, size, told_after: Span::ZERO })
            }
            TaskCalls::Scheduled { times, count, .. } => {
                let at = *times.get(self.next)?;
                self.next += 1;
                Some(DrawnCall { at, count: *count, size: 0, told_after: Span::ZERO })
            }
            TaskCalls::Objects { .. } if self.calls.are_never_made() => None,
            TaskCalls::Objects { weights, matches, count, .. } => loop {
                let at = next_arrival(&mut self.arrivals, &mut self.drawn)?;
                let share = self.keys.as_mut().expect("objects have keys").unit();
                // Drawn for each object, so that all draw the same for one.
                let told_after = self.events.as_mut().map_or(Span::ZERO, |(stream, delay)| delay.sample(stream));
                if matches[chosen(weights, share)] {
                    return Some(DrawnCall { at, count: *count, size: 0, told_after });
                }
            },
        }
    }

    /// How long the next task of the call that was handed out last runs; `None` is as its application does.
    pub fn run_time(&mut self) -> Option<Span> {
        match &self.calls {
            TaskCalls::Listed(calls) => match calls[self.next - 1].run_time {
                RunTime::OfApplication => None,
                RunTime::Between(least, most) if least == most => Some(least),
                RunTime::Between(least, most) => {
                    let share = self.stream.unit();
                    Some(least + Span::from_nanos_f64((most.0 - least.0) as f64 * share))
                }
            },
            TaskCalls::Drawn { run_time, .. }
            | TaskCalls::Scheduled { run_time, .. }
            | TaskCalls::Objects { run_time, .. } => run_time.as_ref().map(|it| it.sample(&mut self.stream)),
        }
    }
}

/// The next of the arrivals, of which some are drawn at once.
fn next_arrival(arrivals: &mut Option<Arrivals>, drawn: &mut std::vec::IntoIter<f64>) -> Option<Instant> {
    if drawn.len() == 0 {
        let mut times = vec![0.0; AHEAD];
        let filled = arrivals.as_mut()?.fill(&mut times);
        times.truncate(filled);
        *drawn = times.into_iter();
    }
    Some(Instant(drawn.next()? as u64))
}

/// The place whose part of the sum of some weights a share falls into.
fn chosen(weights: &[f64], share: f64) -> usize {
    let mut left = share * weights.iter().sum::<f64>();
    for (place, weight) in weights.iter().enumerate() {
        if left < *weight {
            return place;
        }
        left -= weight;
    }
    weights.iter().rposition(|it| *it > 0.0).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::arrivals::{RatePoint, Spacing};

    fn source(calls: &TaskCalls) -> TaskCallSource {
        TaskCallSource::new(calls, &Distribution::Constant(Span::ZERO), Seed { seed: 1, replication: 0 }, "test")
    }

    #[test]
    fn listed_calls_come_in_order_and_run_as_long_as_they_say() {
        let at = |seconds| Instant::START + Span::seconds(seconds);
        let between = RunTime::Between(Span::seconds(300), Span::seconds(600));
        let calls = TaskCalls::Listed(Arc::from([
            TaskCall { at: at(0), count: 2, size: 1, run_time: between },
            TaskCall { at: at(5), count: 1, size: 0, run_time: RunTime::OfApplication },
        ]));
        let mut source = source(&calls);
        assert_eq!(source.next_call(), Some(DrawnCall { at: at(0), count: 2, size: 1, told_after: Span::ZERO }));
        let (one, other) = (source.run_time(), source.run_time());
        assert_ne!(one, other);
        for time in [one, other].map(|it| it.expect("it has one")) {
            assert!((Span::seconds(300)..=Span::seconds(600)).contains(&time), "{time}");
        }
        assert_eq!(source.next_call().map(|it| it.at), Some(at(5)));
        assert_eq!((source.run_time(), source.next_call()), (None, None));
    }

    #[test]
    fn drawn_calls_come_at_their_rate_and_sizes_by_their_weights() {
        let process = ArrivalProcess::Rate {
            curve: vec![RatePoint { at: Instant::START, rate: 1.0 }],
            spacing: Spacing::Poisson,
        };
        let calls = TaskCalls::Drawn { arrivals: process, count: 3, weights: vec![1.0, 0.0, 3.0], run_time: None };
        let mut source = source(&calls);
        let all: Vec<DrawnCall> = std::iter::from_fn(|| source.next_call())
            .take_while(|it| it.at < Instant::START + Span::seconds(10_000))
            .collect();
        assert!(all.iter().all(|it| it.count == 3 && it.size != 1));
        // Four standard deviations of a Poisson and of a binomial count.
        assert!((all.len() as f64 - 10_000.0).abs() < 400.0, "{}", all.len());
        let first = all.iter().filter(|it| it.size == 0).count() as f64 / all.len() as f64;
        assert!((first - 0.25).abs() < 4.0 * 0.00433, "{first}");
    }
}
