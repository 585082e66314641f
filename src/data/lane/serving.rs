//! How requests are served: side by side where all is plain, one by one with all that can befall them.

use std::ops::Range;

use multiversion::multiversion;

use crate::aws::load_balancer::LoadBalancerType;
use crate::data::histogram::{NO_BUCKET, bucket_of_float, whole_bits};
use crate::data::kernel::{self, Callers, Requests};
use crate::data::lane::accounts::InFlight;
use crate::data::lane::batch::{Batch, Law};
use crate::data::lane::surge_queue::SurgeQueues;
use crate::data::lane::{Kernel, LANES_LEAST, Lane};
use crate::data::rotation::GAP_UNKNOWN;
use crate::data::sharing::{Job, StatusClass};

impl Lane {
    /// Serves the next `due` requests of the batch, all of which arrive before `until`.
    pub(super) fn serve(&mut self, due: usize, until: f64) {
        let all = &self.batch.arrival[..self.batch.len];
        let gap = if all.len() > 1 { (all[all.len() - 1] - all[0]) / all.len() as f64 } else { GAP_UNKNOWN };
        let first = self.batch.next;
        self.batch.next += due;
        let due = if self.serves_part { self.keep_part(first..first + due) } else { due };
        if due == 0 {
            return;
        }
        let requests = first..first + due;
        // What waits in front of the targets may go to them as well.
        let surged = self.surge.as_ref().map_or(0, SurgeQueues::len);
        let stretch = self.rotation.stretch();
        self.rotation.expect((due + surged).min(stretch), gap);
        self.minute.counts.arrived += due as u64;
        self.count_arrivals(requests.clone());
        if self.tells_sources_apart {
            for &source in &self.batch.source[requests.clone()] {
                let source = &mut self.sources[source as usize];
                source.arrived += 1;
                self.minute.routing.rule_evaluations.add(source.rule_evaluations);
            }
        }
        let Batch { arrival, node, .. } = &mut self.batch;
        if let Some(dns) = self.dns.as_mut().filter(|it| it.matters(arrival[requests.start])) {
            let nodes = self.rotation.nodes();
            for (node, &arrival) in node[requests.clone()].iter_mut().zip(&arrival[requests.clone()]) {
                *node = dns.node_of(*node as usize, nodes, arrival) as u32;
            }
        }
        let is_fail_open = self.rotation.is_fail_open();
        match self.kernel {
            Kernel::Plain { law, servers, least_queue }
                if self.surge.as_ref().is_none_or(SurgeQueues::is_empty)
                    && !self.a_queue_can_fill(due, servers, least_queue)
                    && self.rotation.is_dealt_apart() =>
            {
                self.count_routed(due as u64, is_fail_open == Some(true));
                self.count_flows(due);
                self.queues_are_stale = true;
                let now = self.batch.arrival[requests.start];
                let turn = self.rotation.dealt_in_turn(now).map(|(places, turn)| (places.len(), *turn));
                let turn = turn.filter(|(width, _)| *width >= LANES_LEAST);
                if turn.is_some() {
                    self.serve_side_by_side(requests.clone(), law, servers);
                } else if self.rotation.dealt_to_fewest().is_some() {
                    for start in requests.clone().step_by(stretch) {
                        let some = start..requests.end.min(start + stretch);
                        self.rotation.expect(some.len(), gap);
                        self.serve_at_fewest(some, law, servers);
                    }
                } else {
                    self.serve_routed(requests.clone(), law, servers);
                }
                // Before more of them are put down, which have not ended.
                self.settle_outlived(until);
                // A division for each would take longer than all else; exact below 2^16 each.
                let per_round = turn.map_or(0, |(width, _)| (1u64 << 32) / width as u64 + 1);
                for late in 0..self.count_served(requests.clone(), law, until) {
                    let offset = self.batch.late[late] as usize;
                    let request = requests.start + offset;
                    let place = match (turn, self.rotation.dealt_in_turn(now)) {
                        (Some((width, first)), Some((places, _))) => {
                            let round = (((first + offset) as u64 * per_round) >> 32) as usize;
                            places[first + offset - round * width] as u32
                        }
                        _ => self.batch.place[request],
                    };
                    if !self.outlives(request, place, law, until) {
                        self.ends_otherwise(request, place as usize, law, until);
                    }
                }
                self.tally_routed(requests, turn.is_some());
            }
            Kernel::Sharing { law } => {
                self.count_routed(due as u64, is_fail_open == Some(true));
                self.count_flows(due);
                let is_in_turn = self.rotation.dealt_in_turn(self.batch.arrival[requests.start]).is_some();
                self.serve_sharing(requests.clone(), law, until);
                self.tally_routed(requests, is_in_turn);
            }
            _ => {
                self.rotation.expect(due + surged, gap);
                self.look_after_outlived();
                self.refresh_queues(self.batch.arrival[requests.start]);
                requests.for_each(|it| self.serve_carefully(it, until));
            }
        }
    }

    fn count_routed(&mut self, requests: u64, is_fail_open: bool) {
        self.minute.routing.routed += requests;
        if is_fail_open {
            self.minute.routing.unhealthy_routed += requests;
        }
    }

    /// Adds the requests of a segment to those of the targets. Where nothing fails, or they were dealt in turn, each target
    /// has its even part of them; where something can fail, or weights differ, they are counted one by one.
    fn tally_routed(&mut self, requests: Range<usize>, is_in_turn: bool) {
        if is_in_turn || (self.faults.is_none() && !self.rotation.is_weighted()) {
            self.routed_evenly += requests.len() as f64;
        } else {
            for &place in &self.batch.place[requests] {
                self.routed_to[place as usize] += 1.0;
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
        if self.in_flight.len() + self.outlived.len() + due <= room {
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
            work: &law.work()[range.clone()],
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
            work: &law.work()[range.clone()],
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
            work: &law.work()[range.clone()],
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
        let Batch { arrival, end, bucket, late, .. } = &mut self.batch;
        let Law { status, shares, least_patience, to_target, .. } = &self.laws[law];
        let (arrivals, ends, buckets) = (&arrival[range.clone()], &end[range.clone()], &mut bucket[range.clone()]);
        let times = (arrivals, ends);
        let (mut late_ones, mut sum) = served_buckets(times, until, *least_patience, *to_target, buckets, late);
        if shares.are_any() {
            late_ones = 0;
            for (place, (bucket, status)) in buckets.iter_mut().zip(&status[range]).enumerate() {
                if *status != StatusClass::Success && *bucket != NO_BUCKET {
                    *bucket = NO_BUCKET;
                    sum -= (ends[place] - arrivals[place] + to_target) as u64;
                }
                late[late_ones] = place as u32;
                late_ones += usize::from(*bucket == NO_BUCKET);
            }
        }
        let served = (buckets.len() - late_ones) as u64;
        self.minute.histogram.record_buckets(buckets, served, sum);
        self.minute.counts.served += served;
        late_ones
    }

    /// Settles one of the requests that [`count_served`](Lane::count_served) has left.
    pub(super) fn ends_otherwise(&mut self, request: usize, place: usize, law: usize, until: f64) {
        let end = self.batch.end[request];
        let law = &self.laws[law];
        let (cpu, start) = (law.cpu.nanos[request], end - law.work()[request]);
        let job = self.job_of(request, place);
        self.ends_later(&job, place, start, start + cpu, end, cpu, until);
    }

    /// Lets a request fail because its target is broken, where its chance falls so.
    fn fails_too(&mut self, request: usize, place: usize) {
        let share = self.stations[place].error_share;
        if share > 0.0 && self.batch.error_chance[request] < share {
            self.laws[self.stations[place].law].status[request] = StatusClass::ServerError;
        }
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
        let is_fail_open = self.rotation.is_fail_open_at(node);
        self.count_routed(1, is_fail_open);
        self.routed_to[place] += 1.0;
        self.fails_too(request, place);
        if !self.stations[place].is_reachable {
            self.finds_no_way(request, place, until);
            return;
        }
        if self.stations[place].shares_cpu {
            self.share(request, place, node, arrival);
            return;
        }
        let station = &mut self.stations[place];
        let row = &self.free_at[place * self.stride..][..self.stride];
        if !station.is_up || (station.free_at(row) > arrival && station.refuses(arrival)) {
            self.minute.count_refused(place);
            self.refuses(request);
            return;
        }
        let job = self.job_of(request, place);
        self.serve_at(&job, place, arrival, until);
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
        let Some(place) = self.choose_target(request, node, arrival) else {
            self.minute.counts.elb_503 += 1;
            self.refuses(request);
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

    /// Serves a job from `now` on at a station that has room for it.
    #[inline(always)]
    pub(super) fn serve_at(&mut self, job: &Job, place: usize, now: f64, until: f64) {
        let station = &mut self.stations[place];
        let row = &mut self.free_at[place * self.stride..][..self.stride];
        let (node, deadline) = (job.node as usize, job.deadline);
        let start = station.free_at(row).max(now);
        station.has_taken_one();
        if self.laws[station.law].cancels && start > deadline {
            // It holds its place in the queue until its caller gives up, and never a server.
            station.giving_up.push(deadline);
            if deadline <= until {
                self.minute.count_job(job, f64::INFINITY, place);
            } else {
                station.in_flight += 1;
                self.in_flight.push(InFlight::dropped(job, place));
            }
            self.answers(job.user, deadline, place);
            self.rotation.sent(node, place, deadline);
            return;
        }
        let cpu_end = start + job.cpu;
        let end = cpu_end + job.wait;
        station.takes(now, start);
        station.occupy(row, end);
        self.rotation.sent(node, place, end.min(deadline));
        self.cpu_done[place] += job.cpu;
        if end <= until && job.is_simply_served(end) {
            self.minute.counts.served += 1;
            self.minute.histogram.record((end - job.arrival + station.to_target) as u64);
            self.answers(job.user, end, place);
        } else {
            self.ends_later(job, place, start, cpu_end, end, job.cpu, until);
        }
    }
}

/// Responses that are looked at together for some that were not simply served.
const BLOCK: usize = 64;

/// Writes the bucket of each response that ends by `until` and takes a task no longer than `patience`, of the others
/// [`NO_BUCKET`], and lists these in `late`; how many they are, and the sum of the times of those that have a bucket. A
/// response is longer by `to_target`.
#[multiversion(targets = "simd")]
pub(super) fn served_buckets(
    (arrivals, ends): (&[f64], &[f64]),
    until: f64,
    patience: f64,
    to_target: f64,
    buckets: &mut [u32],
    late: &mut [u32],
) -> (usize, u64) {
    let (mut found, mut sum) = (0, 0);
    let blocks = arrivals.chunks(BLOCK).zip(ends.chunks(BLOCK)).zip(buckets.chunks_mut(BLOCK));
    for (((arrivals, ends), buckets), first) in blocks.zip((0u32..).step_by(BLOCK)) {
        let mut missed = 0u64;
        for ((&arrival, &end), bucket) in arrivals.iter().zip(ends).zip(&mut *buckets) {
            let is_served = (end <= until) & (end - arrival <= patience);
            missed += u64::from(!is_served);
            let response = end - arrival + to_target;
            let counted = if is_served { response } else { 0.0 };
            sum += whole_bits(counted);
            *bucket = if is_served { bucket_of_float(response) } else { NO_BUCKET };
        }
        if missed > 0 {
            for (&bucket, place) in buckets.iter().zip(first..) {
                late[found] = place;
                found += usize::from(bucket == NO_BUCKET);
            }
        }
    }
    (found, sum)
}
