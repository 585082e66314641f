//! How requests are served: side by side where all is plain, one by one with all that can befall them.

use std::ops::Range;

use multiversion::multiversion;

use crate::aws::load_balancer::LoadBalancerType;
use crate::data::histogram::{NO_BUCKET, bucket_of_float, whole_bits};
use crate::data::kernel::{self, Callers, Requests};
use crate::data::lane::accounts::Caller;
use crate::data::lane::batch::Batch;
use crate::data::lane::surge_queue::SurgeQueues;
use crate::data::lane::{Kernel, LANES_LEAST, Lane};

impl Lane {
    /// Serves the next `due` requests of the batch, all of which arrive before `until`.
    pub(super) fn serve(&mut self, due: usize, until: f64) {
        let requests = self.batch.next..self.batch.next + due;
        let all = &self.batch.arrival[..self.batch.len];
        self.rotation.expect(due, (all[all.len() - 1] - all[0]) / all.len() as f64);
        self.batch.next += due;
        self.minute.counts.arrived += due as u64;
        let Batch { arrival, node, .. } = &mut self.batch;
        if let Some(dns) = self.dns.as_mut().filter(|it| it.matters(arrival[requests.start])) {
            let nodes = self.rotation.nodes();
            for (node, &arrival) in node[requests.clone()].iter_mut().zip(&arrival[requests.clone()]) {
                *node = dns.node_of(*node as usize, nodes, arrival) as u32;
            }
        }
        match self.kernel {
            Kernel::Plain { law, servers, least_queue }
                if self.surge.as_ref().is_none_or(SurgeQueues::is_empty)
                    && !self.a_queue_can_fill(due, servers, least_queue)
                    && self.rotation.is_dealt_apart() =>
            {
                self.minute.routed += due as u64;
                self.count_flows(due);
                self.queues_are_stale = true;
                let now = self.batch.arrival[requests.start];
                let turn = self.rotation.dealt_in_turn(now).map(|(places, turn)| (places.len(), *turn));
                let turn = turn.filter(|(width, _)| *width >= LANES_LEAST);
                if turn.is_some() {
                    self.serve_side_by_side(requests.clone(), law, servers);
                } else if self.rotation.dealt_to_fewest().is_some() {
                    self.serve_at_fewest(requests.clone(), law, servers);
                } else {
                    self.serve_routed(requests.clone(), law, servers);
                }
                for late in 0..self.count_served(requests.clone(), law, until) {
                    let offset = self.batch.late[late] as usize;
                    if let (Some((width, first)), Some((places, _))) = (turn, self.rotation.dealt_in_turn(now)) {
                        self.batch.place[requests.start + offset] = places[(first + offset) % width] as u32;
                    }
                    self.ends_otherwise(requests.start + offset, law, until);
                }
            }
            Kernel::Sharing { law } => {
                self.minute.routed += due as u64;
                self.count_flows(due);
                self.serve_sharing(requests, law);
            }
            _ => {
                self.refresh_queues(self.batch.arrival[requests.start]);
                requests.for_each(|it| self.serve_carefully(it, until));
            }
        }
    }

    /// Each of so many requests opens a connection, where the load balancer routes these.
    fn count_flows(&mut self, due: usize) {
        if self.kind == LoadBalancerType::Network {
            self.minute.new_flows += due as u64;
        }
    }

    /// Whether so many more requests could find a queue full, however they come.
    pub(super) fn a_queue_can_fill(&self, due: usize, servers: usize, least_queue: usize) -> bool {
        let room = least_queue + servers;
        if self.in_flight.len() + due <= room {
            return false;
        }
        let at_most =
            |most: usize| self.rotation.places().all(|it| self.stations[it].in_flight as usize + most <= room);
        match self.rotation.most_to_one(due) {
            Some(most) => !at_most(most),
            None => true,
        }
    }

    /// One node and many tasks: whole rounds at once.
    pub(super) fn serve_side_by_side(&mut self, range: Range<usize>, law: usize, servers: usize) {
        let now = self.batch.arrival[range.start];
        let Some((places, turn_after)) = self.rotation.dealt_in_turn(now) else { return };
        let (width, turn) = (places.len(), *turn_after);
        let touched =
            || (0..width.min(range.len())).map(|it| if turn + it < width { turn + it } else { turn + it - width });
        self.lanes.width = width;
        self.lanes.free_at.resize(width * servers, 0.0);
        self.lanes.cpu_done.resize(width, 0.0);
        for lane in touched() {
            let row = places[lane] * self.stride;
            for server in 0..servers {
                self.lanes.free_at[server * width + lane] = self.free_at[row + server];
            }
            self.lanes.cpu_done[lane] = 0.0;
        }
        let law = &self.laws[law];
        let mut requests = Requests {
            arrivals: &self.batch.arrival[range.clone()],
            work: &law.work[range.clone()],
            cpu: &law.cpu.nanos[range.clone()],
            ends: &mut self.batch.end[range.clone()],
        };
        kernel::serve_in_turn(&mut requests, servers, &mut self.lanes, turn);
        for lane in touched() {
            let place = places[lane];
            for server in 0..servers {
                self.free_at[place * self.stride + server] = self.lanes.free_at[server * width + lane];
            }
            self.cpu_done[place] += self.lanes.cpu_done[lane];
        }
        *turn_after = (turn + range.len()) % width;
    }

    pub(super) fn serve_routed(&mut self, range: Range<usize>, law: usize, servers: usize) {
        let Batch { arrival, node, chance, place, end, .. } = &mut self.batch;
        let places = &mut place[range.clone()];
        self.rotation.route(&arrival[range.clone()], &node[range.clone()], &chance[range.clone()], places);
        let law = &self.laws[law];
        let mut requests = Requests {
            arrivals: &arrival[range.clone()],
            work: &law.work[range.clone()],
            cpu: &law.cpu.nanos[range.clone()],
            ends: &mut end[range],
        };
        kernel::serve_routed(&mut requests, places, servers, self.stride, &mut self.free_at, &mut self.cpu_done);
    }

    pub(super) fn serve_at_fewest(&mut self, range: Range<usize>, law: usize, servers: usize) {
        let Batch { arrival, node, source, place, end, .. } = &mut self.batch;
        let law = &self.laws[law];
        let mut requests = Requests {
            arrivals: &arrival[range.clone()],
            work: &law.work[range.clone()],
            cpu: &law.cpu.nanos[range.clone()],
            ends: &mut end[range.clone()],
        };
        let callers = Callers { nodes: &node[range.clone()], sources: &source[range.clone()], patience: &law.patience };
        let stations =
            kernel::Stations { servers, stride: self.stride, free_at: &mut self.free_at, cpu_done: &mut self.cpu_done };
        if let Some(pool) = self.rotation.dealt_to_fewest() {
            kernel::serve_at_fewest(&mut requests, &callers, pool, &mut place[range], stations);
        }
    }

    /// Counts the requests of a plain segment that were simply served by `until`; how many were not, and are now listed
    /// as late, by their place in the segment.
    pub(super) fn count_served(&mut self, range: Range<usize>, law: usize, until: f64) -> usize {
        let Batch { arrival, end, is_fault, bucket, late, .. } = &mut self.batch;
        let (arrivals, ends, buckets) = (&arrival[range.clone()], &end[range.clone()], &mut bucket[range.clone()]);
        let law = &self.laws[law];
        let mut sum = served_buckets((arrivals, ends), until, law.least_patience, law.to_target, buckets);
        if self.faults.is_some() {
            for ((bucket, _), (arrival, end)) in
                buckets.iter_mut().zip(&is_fault[range]).zip(arrivals.iter().zip(ends)).filter(|it| *it.0.1)
            {
                if std::mem::replace(bucket, NO_BUCKET) != NO_BUCKET {
                    sum -= (end - arrival + law.to_target) as u64;
                }
            }
        }
        let late_ones = without_bucket(buckets, late);
        let served = (buckets.len() - late_ones) as u64;
        self.minute.histogram.record_buckets(buckets, served, sum);
        self.minute.counts.served += served;
        late_ones
    }

    /// Settles one of the requests that [`count_served`](Lane::count_served) has left.
    pub(super) fn ends_otherwise(&mut self, request: usize, law: usize, until: f64) {
        let end = self.batch.end[request];
        let law = &self.laws[law];
        let (cpu, start) = (law.cpu.nanos[request], end - law.work[request]);
        let place = self.batch.place[request] as usize;
        let caller = self.caller_of(request, place);
        self.ends_later(&caller, place, start, start + cpu, end, cpu, until);
    }

    /// Serves one request, with all that can befall it.
    pub(super) fn serve_carefully(&mut self, request: usize, until: f64) {
        let arrival = self.batch.arrival[request];
        let node = self.batch.node[request] as usize;
        self.run_surge(arrival);
        if self.rotation.counts_requests() {
            self.run_sharing(arrival);
        }
        let Some(place) = self.choose(request, node, arrival) else { return };
        self.minute.routed += 1;
        if self.stations[place].shares_cpu {
            self.share(request, place, node, arrival);
            return;
        }
        let station = &mut self.stations[place];
        let row = &self.free_at[place * self.stride..][..self.stride];
        if !station.is_up || (station.free_at(row) > arrival && station.refuses(arrival)) {
            self.minute.counts.elb_502 += 1;
            return;
        }
        let law = &self.laws[station.law];
        let costs = (law.cpu.nanos[request], law.wait.nanos[request]);
        let caller = self.caller_of(request, place);
        self.serve_at(&caller, place, arrival, costs, until);
    }

    /// The station of a request; `None` where it goes to none, which has then been counted.
    #[inline(always)]
    fn choose(&mut self, request: usize, node: usize, arrival: f64) -> Option<usize> {
        let flow = (self.batch.source[request] as usize, self.batch.client.get(request).copied());
        if let (Some(flows), (source, Some(client))) = (&mut self.flows, flow)
            && let Some(place) = flows.follow(source, client, arrival)
        {
            return Some(place);
        }
        let Some(place) = self.rotation.choose(node, arrival, self.batch.chance[request]) else {
            self.minute.counts.elb_503 += 1;
            return None;
        };
        if self.surge.is_some() {
            return self.surges(request, node, place);
        }
        if self.kind == LoadBalancerType::Network && self.stations[place].is_up {
            self.minute.new_flows += 1;
            if let (Some(flows), (source, Some(client))) = (&mut self.flows, flow) {
                flows.open(source, client, place, arrival);
            }
        }
        Some(place)
    }

    /// Serves a request from `now` on at a station that has room for it, by its CPU time and waiting.
    #[inline(always)]
    pub(super) fn serve_at(&mut self, caller: &Caller, place: usize, now: f64, (cpu, wait): (f64, f64), until: f64) {
        let station = &mut self.stations[place];
        let row = &mut self.free_at[place * self.stride..][..self.stride];
        let (node, deadline) = (caller.node as usize, caller.deadline);
        let start = station.free_at(row).max(now);
        if self.laws[station.law].cancels && start > deadline {
            // It holds its place in the queue until its caller gives up, and never a server.
            station.giving_up.push(deadline);
            self.rotation.sent(node, place, deadline);
            self.ends_later(caller, place, deadline, deadline, f64::INFINITY, 0.0, until);
            return;
        }
        let cpu_end = start + cpu;
        let end = cpu_end + wait;
        station.takes(now, start);
        station.occupy(row, end);
        self.rotation.sent(node, place, end.min(deadline));
        self.cpu_done[place] += cpu;
        if end <= until && end <= deadline && !caller.is_fault {
            self.minute.counts.served += 1;
            self.minute.histogram.record((end - caller.arrival + station.to_target) as u64);
        } else {
            self.ends_later(caller, place, start, cpu_end, end, cpu, until);
        }
    }
}

/// Writes the bucket of each response that ends by `until` and takes a task no longer than `patience`, of the others
/// [`NO_BUCKET`]; the sum of the times of those that have a bucket. A response is longer by `to_target`.
#[multiversion(targets = "simd")]
pub(super) fn served_buckets(
    (arrivals, ends): (&[f64], &[f64]),
    until: f64,
    patience: f64,
    to_target: f64,
    buckets: &mut [u32],
) -> u64 {
    let mut sum = 0;
    for ((&arrival, &end), bucket) in arrivals.iter().zip(ends).zip(buckets) {
        let is_served = (end <= until) & (end - arrival <= patience);
        let response = end - arrival + to_target;
        let counted = if is_served { response } else { 0.0 };
        sum += whole_bits(counted);
        *bucket = if is_served { bucket_of_float(response) } else { NO_BUCKET };
    }
    sum
}

/// Lists where [`NO_BUCKET`] stands; how often.
#[multiversion(targets = "simd")]
pub(super) fn without_bucket(buckets: &[u32], places: &mut [u32]) -> usize {
    let mut found = 0;
    for (chunk, first) in buckets.chunks(16).zip((0u32..).step_by(16)) {
        // The greatest of all, so that a maximum tells.
        if chunk.iter().fold(0, |most, &it| if it > most { it } else { most }) == NO_BUCKET {
            for (&bucket, place) in chunk.iter().zip(first..) {
                places[found] = place;
                found += usize::from(bucket == NO_BUCKET);
            }
        }
    }
    found
}
