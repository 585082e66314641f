//! When commits reach a pipeline.

use std::sync::Arc;

use crate::rng::Stream;
use crate::units::Instant;
use crate::workload::arrivals::{ArrivalProcess, Arrivals};

/// Commits to the branch that a pipeline builds.
#[derive(Clone, Debug, PartialEq)]
pub enum Commits {
    /// At these times, in order.
    At(Arc<[Instant]>),
    /// At random.
    Drawn(ArrivalProcess),
}

/// The commits of a run, one after the other.
pub enum CommitSource {
    /// Those that are known, and how many of them have come.
    Known(Arc<[Instant]>, usize),
    /// Those that are drawn.
    Drawn(Box<Arrivals>),
}

impl CommitSource {
    /// From the first one on.
    pub fn new(commits: &Commits, stream: Stream) -> CommitSource {
        match commits {
            Commits::At(times) => CommitSource::Known(times.clone(), 0),
            Commits::Drawn(process) => CommitSource::Drawn(Box::new(Arrivals::new(process, stream))),
        }
    }

    /// When the next one comes, if any does.
    pub fn next_commit(&mut self) -> Option<Instant> {
        match self {
            CommitSource::Known(times, come) => {
                let next = times.get(*come).copied();
                *come += 1;
                next
            }
            CommitSource::Drawn(arrivals) => {
                let mut next = [0.0];
                (arrivals.fill(&mut next) == 1).then(|| Instant(next[0] as u64))
            }
        }
    }
}
