//! A task as a station: c servers, first come first served, a bounded queue.

use crate::cluster::{Target, Task};
use crate::table::Id;

/// Places of a station's ring of starts to begin with; a power of two, and doubled as needed.
const RING_AT_FIRST: usize = 64;

/// A task that serves requests. The end of a request is known on its arrival.
#[derive(Clone, Debug)]
pub struct Station {
    /// The task.
    pub task: Id<Task>,
    /// Its target.
    pub target: Id<Target>,
    /// Which of its lane's laws it serves by.
    pub law: usize,
    /// Whether its process answers at all.
    pub is_up: bool,
    /// Share of a vCPU that each thread gets, in (0, 1].
    pub speed: f64,
    /// When each server is free next, ascending, nanoseconds.
    pub free_at: Vec<u64>,
    /// When the last requests started or will start, not descending; a ring, written round and round.
    starts: Vec<u64>,
    /// Requests taken so far.
    taken: usize,
    /// Requests since one last started at once: at most so many wait now.
    since_idle: usize,
    /// Requests that may wait.
    pub queue: usize,
    /// CPU time done in this second, nanoseconds.
    pub cpu_done: u64,
    /// Time that its threads wanted the CPU in this second, nanoseconds.
    pub runnable: u64,
    /// CPU units beyond its cap that the last second used.
    pub cpu_debt: f64,
    /// Requests that outlived the last segment.
    pub in_flight: u32,
}

impl Station {
    /// An idle station of `concurrency` servers.
    pub fn new(task: Id<Task>, target: Id<Target>, law: usize, concurrency: u32, queue: u32) -> Station {
        Station {
            task,
            target,
            law,
            is_up: false,
            speed: 1.0,
            free_at: vec![0; concurrency as usize],
            starts: vec![0; RING_AT_FIRST],
            taken: 0,
            since_idle: 0,
            queue: queue as usize,
            cpu_done: 0,
            runnable: 0,
            cpu_debt: 0.0,
            in_flight: 0,
        }
    }

    /// When a request that arrives at `arrival` starts; `None` when it would have to wait and too many do already.
    #[inline(always)]
    pub fn start_of(&mut self, arrival: u64) -> Option<u64> {
        let start = self.free_at[0].max(arrival);
        if self.since_idle >= self.starts.len().min(self.queue.max(1)) && start > arrival {
            return self.start_when_crowded(arrival, start);
        }
        if self.queue == 0 && start > arrival { None } else { Some(start) }
    }

    /// As many have come since the station was last idle as may wait, or as the ring has room for: look closely.
    #[cold]
    fn start_when_crowded(&mut self, arrival: u64, start: u64) -> Option<u64> {
        if self.since_idle >= self.queue {
            // Starts do not descend, so `queue` requests wait just if the one that many ago has not started.
            let mask = self.starts.len() - 1;
            if self.queue == 0 || self.starts[(self.taken - self.queue) & mask] > arrival {
                return None;
            }
        }
        if self.since_idle >= self.starts.len() {
            let old = std::mem::take(&mut self.starts);
            self.starts = vec![0; old.len() * 2];
            let wider = self.starts.len() - 1;
            for back in 1..=old.len() {
                let place = self.taken.wrapping_sub(back);
                self.starts[place & wider] = old[place & (old.len() - 1)];
            }
        }
        Some(start)
    }

    /// Takes the server that is free first, from `start` to `end`.
    #[inline(always)]
    pub fn occupy(&mut self, arrival: u64, start: u64, end: u64) {
        let mask = self.starts.len() - 1;
        self.starts[self.taken & mask] = start;
        self.taken += 1;
        self.since_idle = if start > arrival { self.since_idle + 1 } else { 0 };
        match self.free_at.as_mut_slice() {
            [only] => *only = end,
            [first, second] => (*first, *second) = (end.min(*second), end.max(*second)),
            many => {
                let mut place = 0;
                while place + 1 < many.len() && many[place + 1] < end {
                    many[place] = many[place + 1];
                    place += 1;
                }
                many[place] = end;
            }
        }
    }

    /// How long `cpu` nanoseconds of CPU time take at the present speed.
    #[inline(always)]
    pub fn stretched(&self, cpu: u64) -> u64 {
        if self.speed == 1.0 { cpu } else { (cpu as f64 / self.speed + 0.5) as u64 }
    }

    /// The process is gone, and all it held with it.
    pub fn empty(&mut self) {
        self.free_at.fill(0);
        self.since_idle = 0;
        self.in_flight = 0;
        self.cpu_debt = 0.0;
    }
}
