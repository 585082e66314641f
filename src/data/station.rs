//! A task as a station: c servers, first come first served, a bounded queue.

use std::collections::VecDeque;

use crate::cluster::{Target, Task};
use crate::table::Id;

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
    /// When those that wait will start, ascending; those that have started may still stand at the front.
    pub waiting: VecDeque<u64>,
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
            waiting: VecDeque::new(),
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
        let free = self.free_at[0];
        if free <= arrival {
            return Some(arrival);
        }
        while self.waiting.front().is_some_and(|&start| start <= arrival) {
            self.waiting.pop_front();
        }
        (self.waiting.len() < self.queue).then_some(free)
    }

    /// Takes the server that is free first, from `start` to `end`.
    #[inline(always)]
    pub fn occupy(&mut self, arrival: u64, start: u64, end: u64) {
        if start > arrival {
            self.waiting.push_back(start);
        }
        let last = self.free_at.len() - 1;
        let mut place = 0;
        while place < last && self.free_at[place + 1] < end {
            self.free_at[place] = self.free_at[place + 1];
            place += 1;
        }
        self.free_at[place] = end;
    }

    /// How long `cpu` nanoseconds of CPU time take at the present speed.
    #[inline(always)]
    pub fn stretched(&self, cpu: u64) -> u64 {
        if self.speed == 1.0 { cpu } else { (cpu as f64 / self.speed + 0.5) as u64 }
    }

    /// The process is gone, and all it held with it.
    pub fn empty(&mut self) {
        self.free_at.fill(0);
        self.waiting.clear();
        self.in_flight = 0;
        self.cpu_debt = 0.0;
    }
}
