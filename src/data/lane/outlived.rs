//! Requests of plain segments that outlive them, and have nothing left to decide: so many numbers each, looked at side by
//! side, until something befalls the stations.

use crate::data::histogram::NO_BUCKET;
use crate::data::lane::Lane;
use crate::data::lane::accounts::{InFlight, Outcome};
use crate::data::lane::serving::served_buckets;
use crate::data::sharing::JobKind;
use crate::workload::users::NOBODY;

/// Requests that will be served in time, and whose CPU time is done or none. All are of one law.
#[derive(Default)]
pub(super) struct Outlived {
    law: usize,
    arrival: Vec<f64>,
    start: Vec<f64>,
    end: Vec<f64>,
    place: Vec<u32>,
    source: Vec<u32>,
    node: Vec<u32>,
    buckets: Vec<u32>,
}

impl Outlived {
    /// How many they are.
    pub(super) fn len(&self) -> usize {
        self.end.len()
    }

    /// Whether there are none.
    pub(super) fn is_empty(&self) -> bool {
        self.end.is_empty()
    }

    /// When each came, when it ends, and the place of its station.
    pub(super) fn each(&self) -> impl Iterator<Item = (f64, f64, usize)> {
        self.arrival
            .iter()
            .zip(&self.end)
            .zip(&self.place)
            .map(|((arrival, end), place)| (*arrival, *end, *place as usize))
    }

    fn copy(&mut self, from: usize, to: usize) {
        self.arrival[to] = self.arrival[from];
        self.start[to] = self.start[from];
        self.end[to] = self.end[from];
        self.place[to] = self.place[from];
        self.source[to] = self.source[from];
        self.node[to] = self.node[from];
    }

    fn truncate(&mut self, len: usize) {
        for times in [&mut self.arrival, &mut self.start, &mut self.end] {
            times.truncate(len);
        }
        for numbers in [&mut self.place, &mut self.source, &mut self.node] {
            numbers.truncate(len);
        }
    }
}

impl Lane {
    /// Puts a request of the batch down that ends after its segment; `false` where something of it is left to decide.
    #[inline(always)]
    pub(super) fn outlives(&mut self, request: usize, place: u32, law_number: usize, until: f64) -> bool {
        let Lane { batch, outlived, laws, stations, .. } = self;
        let law = &laws[law_number];
        let (arrival, end, cpu) = (batch.arrival[request], batch.end[request], law.cpu.nanos[request]);
        let start = end - law.work[request];
        let is_left = (end > until) & (end - arrival <= law.least_patience) & ((cpu == 0.0) | (start + cpu <= until));
        if !is_left || law.is_fault[request] {
            return false;
        }
        outlived.law = law_number;
        outlived.arrival.push(arrival);
        outlived.start.push(start);
        outlived.end.push(end);
        outlived.place.push(place);
        outlived.source.push(batch.source[request]);
        outlived.node.push(batch.node[request]);
        stations[place as usize].in_flight += 1;
        true
    }

    /// Counts those that have ended by `until`.
    pub(super) fn settle_outlived(&mut self, until: f64) {
        let Lane { outlived, laws, stations, minute, .. } = self;
        if outlived.is_empty() {
            return;
        }
        outlived.buckets.resize(outlived.end.len(), 0);
        let times = (&outlived.arrival[..], &outlived.end[..]);
        let to_target = laws[outlived.law].to_target;
        let sum = served_buckets(times, until, f64::INFINITY, to_target, &mut outlived.buckets);
        let mut kept = 0;
        for request in 0..outlived.end.len() {
            if outlived.buckets[request] == NO_BUCKET {
                outlived.copy(request, kept);
                kept += 1;
            } else {
                stations[outlived.place[request] as usize].in_flight -= 1;
            }
        }
        let served = (outlived.end.len() - kept) as u64;
        minute.histogram.record_buckets(&outlived.buckets, served, sum);
        minute.counts.served += served;
        outlived.truncate(kept);
    }

    /// Puts them among the requests in flight, since something may befall their stations.
    pub(super) fn look_after_outlived(&mut self) {
        let Lane { outlived, laws, sources, in_flight, .. } = self;
        if outlived.is_empty() {
            return;
        }
        for request in 0..outlived.end.len() {
            let source = outlived.source[request] as usize;
            let (arrival, start, end) = (outlived.arrival[request], outlived.start[request], outlived.end[request]);
            in_flight.push(InFlight {
                arrival,
                start,
                cpu_end: start,
                end,
                caller_end: end,
                deadline: arrival + laws[outlived.law].patience[source],
                cpu: 0.0,
                cpu_counted: 0.0,
                place: outlived.place[request],
                user: NOBODY,
                node: outlived.node[request] as u8,
                kind: JobKind::Request { is_callers_patience: sources[source].patience.is_callers, is_fault: false },
                outcome: Outcome::Served,
                caller_has_ended: false,
                dropped: None,
            });
        }
        outlived.truncate(0);
        // As they came, which is how the queues are found among them.
        in_flight.sort_by(|one, other| one.arrival.total_cmp(&other.arrival));
    }
}
