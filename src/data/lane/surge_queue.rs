//! The surge queues of a Classic Load Balancer: requests that no instance takes wait at their node, first come first
//! served, and go to the first instance that has room.
//!
//! Follows *CloudWatch metrics for your Classic Load Balancer* (`SurgeQueueLength`, `SpilloverCount`; read 2023). What an
//! instance takes is what its task has servers and queue for.

use std::collections::VecDeque;

use crate::aws::load_balancer::SURGE_QUEUE_LENGTH;
use crate::data::lane::Lane;
use crate::data::sharing::{Job, JobKind, StatusClass};

/// What waits at the nodes.
pub(super) struct SurgeQueues {
    queues: Vec<VecDeque<Surged>>,
    /// Nobody gives up before this.
    earliest_deadline: f64,
    /// Until when the queues have been run.
    now: f64,
}

/// A request that waits, with what it will cost by each law: CPU time, waiting, and whether it fails.
struct Surged {
    job: Job,
    source: usize,
    costs: Box<[(f64, f64, StatusClass)]>,
}

impl SurgeQueues {
    /// Nothing waits at so many nodes.
    pub(super) fn new(nodes: usize) -> SurgeQueues {
        let queues = (0..nodes).map(|_| VecDeque::new()).collect();
        SurgeQueues { queues, earliest_deadline: f64::INFINITY, now: 0.0 }
    }

    /// How many wait.
    pub(super) fn len(&self) -> usize {
        self.queues.iter().map(VecDeque::len).sum()
    }

    /// Whether nothing waits.
    pub(super) fn is_empty(&self) -> bool {
        self.queues.iter().all(VecDeque::is_empty)
    }

    /// All that wait.
    pub(super) fn jobs(&self) -> impl Iterator<Item = &Job> {
        self.queues.iter().flatten().map(|it| &it.job)
    }
}

impl Lane {
    /// Where a request goes that a Classic Load Balancer's node has chosen `place` for: there or to another with room, or
    /// into the surge queue, or nowhere.
    pub(super) fn surges(&mut self, request: usize, node: usize, place: usize) -> Option<usize> {
        let arrival = self.batch.arrival[request];
        let Some(surge) = &self.surge else { return Some(place) };
        if surge.queues[node].is_empty() {
            if self.has_room(place, arrival) {
                return Some(place);
            }
            let others: Vec<usize> = self.rotation.places_of(node).to_vec();
            if let Some(other) = others.into_iter().find(|it| self.has_room(*it, arrival)) {
                self.rotation.turn_behind(node, other);
                return Some(other);
            }
        }
        let job = self.job_of(request, place);
        let costs = self.laws.iter().map(|it| (it.cpu.nanos[request], it.wait.nanos[request], it.status[request]));
        let costs = costs.collect();
        let source = self.batch.source[request] as usize;
        let Some(surge) = &mut self.surge else { return None };
        if surge.queues[node].len() >= SURGE_QUEUE_LENGTH {
            self.minute.counts.elb_503 += 1;
            self.minute.spillover += 1;
            self.refuses(request);
        } else {
            surge.earliest_deadline = surge.earliest_deadline.min(job.deadline);
            surge.queues[node].push_back(Surged { job, source, costs });
            self.minute.surge_queue_length = self.minute.surge_queue_length.max(surge.queues[node].len() as u64);
        }
        None
    }

    /// Whether a station takes one more request.
    fn has_room(&mut self, place: usize, now: f64) -> bool {
        if self.stations[place].shares_cpu {
            self.run_station(place, now);
            return self.stations[place].is_up && self.sharing[place].has_room();
        }
        let station = &mut self.stations[place];
        let row = &self.free_at[place * self.stride..][..self.stride];
        station.is_up && !(station.free_at(row) > now && station.refuses(now))
    }

    /// No station has room before this, which is at or after `now`.
    fn room_at(&mut self, place: usize, now: f64) -> f64 {
        let station = &mut self.stations[place];
        if !station.is_up {
            return f64::INFINITY;
        }
        if station.shares_cpu {
            let sharing = &self.sharing[place];
            return if sharing.has_room() { now } else { sharing.next().max(now) };
        }
        let row = &self.free_at[place * self.stride..][..self.stride];
        station.room_at(station.free_at(row), now)
    }

    /// Lets what waits go on until `until`: to stations that have room by then, or away.
    pub(super) fn run_surge(&mut self, until: f64) {
        if self.surge.is_none() {
            return;
        }
        while let Some((at, node, place)) = self.next_with_room() {
            if at > until {
                break;
            }
            self.give_up(at);
            if let Some(surge) = &mut self.surge {
                surge.now = at;
            }
            if self.has_room(place, at) {
                let Some(surged) = self.surge.as_mut().and_then(|it| it.queues[node].pop_front()) else { continue };
                self.leave_surge_queue(&surged, (node, place), at, until);
            }
        }
        self.give_up(until);
        if let Some(surge) = &mut self.surge {
            surge.now = until;
        }
    }

    /// When something happens next to what waits: it may find room, or its caller gives up.
    pub(super) fn next_of_surge(&mut self) -> Option<f64> {
        if self.surge.as_ref().is_none_or(SurgeQueues::is_empty) {
            return None;
        }
        let room = self.next_with_room().map_or(f64::INFINITY, |it| it.0);
        self.surge.as_ref().map(|it| it.earliest_deadline.min(room))
    }

    /// When the next request that heads a queue may find room, at which node and station; the one that came first leads.
    fn next_with_room(&mut self) -> Option<(f64, usize, usize)> {
        let surge = self.surge.as_ref()?;
        let now = surge.now;
        let heads: Vec<(usize, f64)> = surge
            .queues
            .iter()
            .enumerate()
            .filter_map(|(node, queue)| Some((node, queue.front()?.job.arrival)))
            .collect();
        let mut next: Option<(f64, f64, usize, usize)> = None;
        for (node, arrival) in heads {
            for place in self.rotation.places_of(node).to_vec() {
                let at = self.room_at(place, now);
                if at < f64::INFINITY && next.is_none_or(|it| (at, arrival) < (it.0, it.1)) {
                    next = Some((at, arrival, node, place));
                }
            }
        }
        next.map(|(at, _, node, place)| (at, node, place))
    }

    /// Ends what nobody waits for at `now`.
    fn give_up(&mut self, now: f64) {
        let (surge, minute, users) = (&mut self.surge, &mut self.minute, &mut self.users);
        let Some(surge) = surge.as_mut().filter(|it| it.earliest_deadline <= now) else { return };
        surge.earliest_deadline = f64::INFINITY;
        for queue in &mut surge.queues {
            queue.retain(|it| {
                let stays = it.job.deadline > now;
                if stays {
                    surge.earliest_deadline = surge.earliest_deadline.min(it.job.deadline);
                } else {
                    minute.count_given_up(&it.job);
                    it.job.answers(users, f64::INFINITY, 0.0);
                }
                stays
            });
        }
    }

    /// A request goes to a station that has room.
    fn leave_surge_queue(&mut self, surged: &Surged, (node, place): (usize, usize), at: f64, until: f64) {
        let law = self.stations[place].law;
        let (cpu, wait, status) = surged.costs[law];
        let JobKind::Request { is_callers_patience, .. } = surged.job.kind else { return };
        let job = Job {
            cpu,
            wait,
            deadline: surged.job.arrival + self.laws[law].patience[surged.source],
            kind: JobKind::Request { is_callers_patience, status },
            ..surged.job
        };
        self.minute.routing.routed += 1;
        self.routed_to[place] += 1.0;
        self.rotation.turn_behind(node, place);
        if self.stations[place].shares_cpu {
            let is_taken = self.take_job(place, at, job);
            debug_assert!(is_taken, "it has room");
            self.stations[place].has_taken_one();
            self.rotation.sent(node, place, f64::INFINITY);
        } else {
            self.serve_at(&job, place, at, until);
        }
    }

    /// Where a node has nobody to send to any more, what waits there is answered with 503.
    pub(super) fn empty_surge_queues(&mut self, now: f64) {
        let Lane { surge, rotation, minute, users, .. } = self;
        let Some(surge) = surge else { return };
        for (node, queue) in surge.queues.iter_mut().enumerate() {
            if rotation.places_of(node).is_empty() {
                minute.counts.elb_503 += queue.len() as u64;
                for it in queue.drain(..) {
                    it.job.answers(users, now, 0.0);
                }
            }
        }
    }
}
