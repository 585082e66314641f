//! What every engine simulates: four queues behind one load balancer, and the requests that come to it.

use std::collections::VecDeque;

use rand_distr::{Distribution, Exp1};
use rand_pcg::Pcg64;
use rand_pcg::rand_core::SeedableRng;
use serde::{Deserialize, Serialize};

/// Workers of a task, or processors where it shares them.
pub const WORKERS: usize = 2;
/// Mean service time, seconds; exponential.
pub const SERVICE_SECONDS: f64 = 0.05;
/// Share of all workers' time that is asked for.
pub const LOAD: f64 = 0.8;

/// How the balancer chooses a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Balancing {
    /// Each in turn.
    RoundRobin,
    /// The task with the fewest requests in flight; of several, the first in turn.
    LeastOutstanding,
}

/// How a task serves what it was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Discipline {
    /// `WORKERS` at once, the others wait in a queue.
    FirstCome,
    /// All n at once, each at the rate min(1, `WORKERS` / n).
    Sharing,
}

/// One of the four.
#[derive(Clone, Copy, Debug)]
pub struct Workload {
    /// `w1` to `w4`.
    pub name: &'static str,
    /// What it is, for people.
    pub title: &'static str,
    /// How the balancer chooses.
    pub balancing: Balancing,
    /// How a task serves.
    pub discipline: Discipline,
    /// Tasks behind the balancer.
    pub tasks: usize,
    /// Mean response time that theory asks for, milliseconds.
    pub expected_mean_ms: f64,
}

/// All of them.
///
/// The mean of W1 is that of the queue E16/M/2, which a task under round robin is. W4 has the same: with exponential
/// service, the counts at two workers and at a shared processor twice as fast as a job are one Markov chain. Nobody waits
/// in W3, where some worker of 2000 is always idle. W2 has no closed form; its value is a simulation of 4 x 10^8 requests,
/// 52.376 +- 0.008 ms.
pub const WORKLOADS: [Workload; 4] = [
    Workload {
        name: "w1",
        title: "round robin, first come first served, 16 tasks",
        balancing: Balancing::RoundRobin,
        discipline: Discipline::FirstCome,
        tasks: 16,
        expected_mean_ms: 88.77,
    },
    Workload {
        name: "w2",
        title: "least outstanding requests, first come first served, 16 tasks",
        balancing: Balancing::LeastOutstanding,
        discipline: Discipline::FirstCome,
        tasks: 16,
        expected_mean_ms: 52.38,
    },
    Workload {
        name: "w3",
        title: "least outstanding requests, first come first served, 1000 tasks",
        balancing: Balancing::LeastOutstanding,
        discipline: Discipline::FirstCome,
        tasks: 1000,
        expected_mean_ms: 50.0,
    },
    Workload {
        name: "w4",
        title: "round robin, processor sharing, 16 tasks",
        balancing: Balancing::RoundRobin,
        discipline: Discipline::Sharing,
        tasks: 16,
        expected_mean_ms: 88.77,
    },
];

impl Workload {
    /// Requests a second.
    pub fn rate(&self) -> f64 {
        LOAD * (self.tasks * WORKERS) as f64 / SERVICE_SECONDS
    }
}

/// A request before it comes, in nanoseconds.
#[derive(Clone, Copy, Debug)]
pub struct Request {
    /// Time since the request before it.
    pub gap: u64,
    /// Time that a worker needs for it.
    pub service: u64,
}

/// The requests of one run. The same seed gives every engine the same ones.
#[derive(Debug, Serialize, Deserialize)]
pub struct Requests {
    mean_gap: f64,
    gaps: Pcg64,
    services: Pcg64,
    left: u64,
}

impl Requests {
    /// `count` requests of a workload.
    pub fn new(workload: &Workload, count: u64, seed: u64) -> Requests {
        let (gaps, services) = (Pcg64::seed_from_u64(2 * seed), Pcg64::seed_from_u64(2 * seed + 1));
        Requests { mean_gap: 1e9 / workload.rate(), gaps, services, left: count }
    }
}

impl Iterator for Requests {
    type Item = Request;

    fn next(&mut self) -> Option<Request> {
        self.left = self.left.checked_sub(1)?;
        let gap: f64 = Exp1.sample(&mut self.gaps);
        let service: f64 = Exp1.sample(&mut self.services);
        // NeXosim refuses an event for this very instant, so no time is nothing.
        Some(Request {
            gap: ((gap * self.mean_gap) as u64).max(1),
            service: ((service * SERVICE_SECONDS * 1e9) as u64).max(1),
        })
    }
}

/// The balancer's choice.
#[derive(Debug, Serialize, Deserialize)]
pub struct Router {
    balancing: Balancing,
    turn: usize,
    outstanding: Vec<u32>,
}

impl Router {
    /// No requests in flight, the first task's turn.
    pub fn new(workload: &Workload) -> Router {
        Router { balancing: workload.balancing, turn: 0, outstanding: vec![0; workload.tasks] }
    }

    /// The task for the next request, which is in flight from now on.
    pub fn choose(&mut self) -> usize {
        let task = match self.balancing {
            Balancing::RoundRobin => self.turn,
            Balancing::LeastOutstanding => {
                let least = *self.outstanding.iter().min().expect("there are tasks");
                let (before, from) = self.outstanding.split_at(self.turn);
                match from.iter().position(|&it| it == least) {
                    Some(place) => self.turn + place,
                    None => before.iter().position(|&it| it == least).expect("the least is somewhere"),
                }
            }
        };
        self.outstanding[task] += 1;
        self.turn = if task + 1 == self.outstanding.len() { 0 } else { task + 1 };
        task
    }

    /// A task answered one.
    pub fn answered(&mut self, task: usize) {
        self.outstanding[task] -= 1;
    }
}

/// When a task will answer next.
#[derive(Clone, Copy, Debug)]
pub struct Departure {
    /// Nanoseconds from now.
    pub delay: u64,
    /// When the request had come.
    pub arrived: u64,
}

/// One task's state. It tells which departure to put in the engine's queue.
#[derive(Debug, Serialize, Deserialize)]
pub enum Task {
    /// Workers and a queue of (arrival, service). A departure, once told, stands.
    FirstCome {
        /// Workers at work.
        busy: usize,
        /// Requests that wait.
        queue: VecDeque<(u64, u64)>,
    },
    /// A shared processor. A departure takes the place of the one told before.
    Sharing {
        /// Service that a job present since the beginning would have had, nanoseconds.
        attained: f64,
        /// When `attained` was right.
        at: u64,
        /// Jobs as (value of `attained` at which it is done, arrival).
        jobs: Vec<(f64, u64)>,
    },
}

impl Task {
    /// An idle one.
    pub fn new(discipline: Discipline) -> Task {
        match discipline {
            Discipline::FirstCome => Task::FirstCome { busy: 0, queue: VecDeque::new() },
            Discipline::Sharing => Task::Sharing { attained: 0.0, at: 0, jobs: Vec::new() },
        }
    }

    /// Takes a request in at `now`.
    pub fn arrive(&mut self, now: u64, service: u64) -> Option<Departure> {
        match self {
            Task::FirstCome { busy, .. } if *busy < WORKERS => {
                *busy += 1;
                Some(Departure { delay: service, arrived: now })
            }
            Task::FirstCome { queue, .. } => {
                queue.push_back((now, service));
                None
            }
            Task::Sharing { attained, at, jobs } => {
                *attained += (now - *at) as f64 * rate(jobs.len());
                *at = now;
                jobs.push((*attained + service as f64, now));
                next_of(*attained, jobs)
            }
        }
    }

    /// Lets a request go at `now`, when the last departure told is due.
    pub fn depart(&mut self, now: u64) -> Option<Departure> {
        match self {
            Task::FirstCome { busy, queue } => match queue.pop_front() {
                Some((arrived, service)) => Some(Departure { delay: service, arrived }),
                None => {
                    *busy -= 1;
                    None
                }
            },
            Task::Sharing { attained, at, jobs } => {
                *attained += (now - *at) as f64 * rate(jobs.len());
                *at = now;
                let place = first_of(jobs).expect("the one that departs is here");
                jobs.swap_remove(place);
                next_of(*attained, jobs)
            }
        }
    }
}

/// Service that each of `jobs` jobs gets in a unit of time.
fn rate(jobs: usize) -> f64 {
    (WORKERS as f64 / jobs as f64).min(1.0)
}

/// The place of the job that is done first.
fn first_of(jobs: &[(f64, u64)]) -> Option<usize> {
    (0..jobs.len()).min_by(|&a, &b| jobs[a].0.total_cmp(&jobs[b].0))
}

/// The departure of the job that is done first, if nobody comes.
fn next_of(attained: f64, jobs: &[(f64, u64)]) -> Option<Departure> {
    let (done, arrived) = jobs[first_of(jobs)?];
    Some(Departure { delay: (((done - attained) / rate(jobs.len())) as u64).max(1), arrived })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The mean of E16/M/2 by its Markov chain: (stages of the gap passed, requests present), iterated to rest.
    #[test]
    fn the_mean_of_w1_is_that_of_its_markov_chain() {
        const STAGES: usize = 16;
        const MOST: usize = 150;
        let stage_rate = STAGES as f64 * LOAD * WORKERS as f64;
        let total = stage_rate + WORKERS as f64;
        let mut share = vec![[0.0; MOST + 1]; STAGES];
        share[0][0] = 1.0;
        let mut mean = 0.0;
        for _ in 0..40_000 {
            let mut next = vec![[0.0; MOST + 1]; STAGES];
            for stage in 0..STAGES {
                for present in 0..=MOST {
                    let here = share[stage][present];
                    let served = present.min(WORKERS) as f64;
                    match stage + 1 {
                        STAGES => next[0][(present + 1).min(MOST)] += here * stage_rate / total,
                        later => next[later][present] += here * stage_rate / total,
                    }
                    next[stage][present.saturating_sub(1)] += here * served / total;
                    next[stage][present] += here * (WORKERS as f64 - served) / total;
                }
            }
            share = next;
            mean = share.iter().flat_map(|it| it.iter().enumerate()).map(|(present, it)| present as f64 * it).sum();
        }
        // Little's law; the unit of time is a mean service.
        let response_ms = mean / (LOAD * WORKERS as f64) * SERVICE_SECONDS * 1e3;
        assert!((response_ms - WORKLOADS[0].expected_mean_ms).abs() < 0.01, "{response_ms}");
    }

    #[test]
    #[ignore = "takes a minute"]
    fn the_mean_of_w2_is_that_of_a_long_run() {
        let responses = crate::desque::run(&WORKLOADS[1], 400_000_000, 7);
        let estimate = crate::responses::Estimate::of(&responses.batch_means_ms());
        assert!((estimate.mean - WORKLOADS[1].expected_mean_ms).abs() < 2.0 * estimate.half_width, "{estimate:?}");
    }

    #[test]
    fn ties_go_to_the_first_in_turn() {
        let mut router = Router::new(&Workload { tasks: 3, ..WORKLOADS[1] });
        assert_eq!([router.choose(), router.choose(), router.choose()], [0, 1, 2]);
        router.answered(1);
        assert_eq!([router.choose(), router.choose(), router.choose()], [1, 2, 0]);
    }

    #[test]
    fn three_jobs_share_two_processors() {
        let mut task = Task::new(Discipline::Sharing);
        assert_eq!(task.arrive(0, 300).map(|it| it.delay), Some(300));
        assert_eq!(task.arrive(0, 300).map(|it| it.delay), Some(300));
        let next = task.arrive(0, 200).expect("three are here");
        assert_eq!((next.delay, next.arrived), (300, 0));
        assert_eq!(task.depart(300).map(|it| it.delay), Some(100));
    }
}
