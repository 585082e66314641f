//! A task as a station: c servers, first come first served, a bounded queue, and a share of its instance's CPU.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

use crate::aws::task_definition::ColdStart;
use crate::cluster::{Target, TargetState, Task};
use crate::data::kernel::SERVERS_MAXIMUM;
use crate::table::Id;
use crate::units::Instant;

/// CPU units of a whole vCPU, which is what one thread can use.
pub const VCPU: f64 = 1024.0;

/// The least that a task is offered, CPU units; with less, a request would last for ever.
const OFFER_LEAST: f64 = 1.0;

/// A task that serves requests, but for its servers and its CPU time, which its lane keeps for all tasks side by side.
#[derive(Clone, Debug)]
pub struct Station {
    /// The task.
    pub task: Id<Task>,
    /// Its target.
    pub target: Id<Target>,
    /// Which of its lane's laws it serves by.
    pub law: usize,
    /// What the network adds between the load balancer and it, nanoseconds: response times have it, its own do not.
    pub to_target: f64,
    /// Its target's state, slow start and weight, as its lane last saw them; nothing where no requests may come to it.
    pub in_rotation: Option<(TargetState, Option<Instant>, f64)>,
    /// Whether its target is unhealthy, so that its connections have been reset if they are.
    pub is_reset: bool,
    /// Servers.
    pub servers: usize,
    /// Requests that may wait.
    pub queue: usize,
    /// Whether a CFS quota can stop its threads, whatever its instance offers.
    pub is_throttled: bool,
    /// The part of its task's CFS quota that what else computes in the task leaves to its threads.
    pub part_of_quota: f64,
    /// Whether its process answers at all.
    pub is_up: bool,
    /// CPU units that it may use in this second; infinite where nothing bounds it.
    pub offer: f64,
    /// When requests leave the queue for a server, ascending; those that have may still stand at the front.
    pub waiting: VecDeque<f64>,
    /// When requests leave the queue without being served.
    pub giving_up: Vec<f64>,
    /// Whether its CPU is short, so that its threads share it; its requests are then in [`Sharing`](super::sharing::Sharing).
    pub shares_cpu: bool,
    /// CPU time that it had used when the second began, where it shares.
    pub used_before: f64,
    /// When the health check that it holds was answered; nothing as long as it is not.
    pub probe_answered: Option<f64>,
    /// When its servers are free next, where they are more than the loops of `kernel` take; one that has
    /// never been used is not in it.
    pub many_free_at: BinaryHeap<Reverse<u64>>,
    /// Requests it holds, waiting ones included, as its lane last settled.
    pub in_flight: u32,
    /// Requests that its process has taken, where its lane counts them.
    pub taken: u64,
    /// Its process is cold until it has taken so many more requests,
    pub cold_requests: u32,
    /// and until this instant.
    pub cold_until: f64,
    /// Share of requests that it answers with a 5xx beside those that its application does.
    pub error_share: f64,
    /// Whether connections come in to it.
    pub is_reachable: bool,
}

impl Station {
    /// An idle station whose process is not up yet.
    pub fn new(task: Id<Task>, target: Id<Target>, law: usize, servers: usize, queue: usize) -> Station {
        Station {
            task,
            target,
            law,
            to_target: 0.0,
            in_rotation: None,
            is_reset: false,
            servers,
            queue,
            is_throttled: false,
            part_of_quota: 1.0,
            is_up: false,
            offer: f64::INFINITY,
            waiting: VecDeque::new(),
            giving_up: Vec::new(),
            shares_cpu: false,
            used_before: 0.0,
            probe_answered: None,
            many_free_at: BinaryHeap::new(),
            in_flight: 0,
            taken: 0,
            cold_requests: 0,
            cold_until: 0.0,
            error_share: 0.0,
            is_reachable: true,
        }
    }

    /// A fresh process listens from `now` on.
    pub fn begins(&mut self, cold_start: Option<ColdStart>, now: f64) {
        self.taken = 0;
        self.cold_requests = cold_start.map_or(0, |it| it.requests);
        self.cold_until = cold_start.map_or(0.0, |it| now + it.lasts.0 as f64);
    }

    /// Whether a request that comes at `now` finds the process cold.
    pub fn is_cold(&self, now: f64) -> bool {
        self.cold_requests > 0 || now < self.cold_until
    }

    /// Counts a request that its process has taken.
    pub fn has_taken_one(&mut self) {
        self.taken += 1;
        self.cold_requests = self.cold_requests.saturating_sub(1);
    }

    /// Whether its threads can be short of CPU, were they all busy.
    pub fn is_short_of_cpu(&self) -> bool {
        self.is_throttled || self.offer < VCPU * self.servers as f64
    }

    /// When a server is free next; `row` holds the times of few.
    pub fn free_at(&self, row: &[f64]) -> f64 {
        if self.servers <= SERVERS_MAXIMUM {
            row[0]
        } else if self.many_free_at.len() < self.servers {
            0.0
        } else {
            self.many_free_at.peek().map_or(0.0, |it| it.0 as f64)
        }
    }

    /// Gives the server that is free first to a request that ends at `end`. `row` stays sorted, as the loops of
    /// `kernel` want it.
    pub fn occupy(&mut self, row: &mut [f64], end: f64) {
        if self.servers <= SERVERS_MAXIMUM {
            let mut place = 0;
            while place + 1 < self.servers && row[place + 1] < end {
                row[place] = row[place + 1];
                place += 1;
            }
            row[place] = end;
        } else {
            if self.many_free_at.len() == self.servers {
                self.many_free_at.pop();
            }
            self.many_free_at.push(Reverse(end as u64));
        }
    }

    /// All servers are free at once.
    pub fn frees_all(&mut self, row: &mut [f64], now: f64) {
        row.fill(now);
        self.many_free_at.clear();
    }

    /// The vCPUs that its threads can use at most, as long as it shares its CPU.
    pub fn offered_vcpu(&self) -> f64 {
        (self.offer / VCPU).min(self.servers as f64)
    }

    /// What the next second allows; whether that is not what the last one did.
    pub fn is_offered(&mut self, cpu_units: f64) -> bool {
        let offer = cpu_units.max(OFFER_LEAST);
        std::mem::replace(&mut self.offer, offer) != offer
    }

    /// Whether a request that has to wait at `arrival` is refused, because too many wait already.
    pub fn refuses(&mut self, arrival: f64) -> bool {
        while self.waiting.front().is_some_and(|&start| start <= arrival) {
            self.waiting.pop_front();
        }
        self.giving_up.retain(|&it| it > arrival);
        self.waiting.len() + self.giving_up.len() >= self.queue
    }

    /// From when on it takes a request, at or after `now`; its first server is free at `free_at`.
    pub fn room_at(&mut self, free_at: f64, now: f64) -> f64 {
        if free_at <= now || !self.refuses(now) {
            return now;
        }
        let too_many = self.waiting.len() + self.giving_up.len() - self.queue;
        if self.queue == 0 {
            free_at
        } else if self.giving_up.is_empty() {
            self.waiting[too_many]
        } else {
            let mut leave: Vec<f64> = self.waiting.iter().chain(&self.giving_up).copied().collect();
            leave.sort_by(f64::total_cmp);
            leave[too_many]
        }
    }

    /// Takes a request that arrives at `arrival` and leaves the queue for a server at `start`.
    pub fn takes(&mut self, arrival: f64, start: f64) {
        if start > arrival {
            self.waiting.push_back(start);
        }
    }

    /// The process is gone, and all it held with it.
    pub fn empty(&mut self) {
        self.waiting.clear();
        self.giving_up.clear();
        self.probe_answered = None;
        self.in_flight = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Seed;

    #[test]
    fn the_first_server_is_the_one_that_is_free_first() {
        let mut stream = Seed { seed: 12, replication: 0 }.stream("test", "occupy");
        for servers in [1, 2, 8, 9, 100] {
            let mut station = Station::new(Id::new(0), Id::new(0), 0, servers, 10);
            let (mut row, mut plain) = (vec![0.0; servers.min(SERVERS_MAXIMUM)], vec![0.0; servers]);
            for _ in 0..1000 {
                let end = station.free_at(&row) + stream.below(1000) as f64;
                station.occupy(&mut row, end);
                plain[0] = end;
                plain.sort_by(f64::total_cmp);
                assert_eq!(station.free_at(&row), plain[0]);
            }
        }
    }
}
