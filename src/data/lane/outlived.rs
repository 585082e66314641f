//! Requests of plain segments that outlive them, and have nothing left to decide: a few numbers each, until something
//! befalls their stations.

use crate::data::lane::Lane;
use crate::data::lane::accounts::{InFlight, Outcome};
use crate::data::sharing::{JobKind, StatusClass};
use crate::workload::users::NOBODY;

/// Requests that will be served in time, and whose CPU time is done or none. All are of one law.
#[derive(Default)]
pub(super) struct Outlived {
    law: usize,
    requests: Vec<Request>,
    /// None of them ends before this.
    settled_until: f64,
}

#[derive(Clone, Copy)]
struct Request {
    arrival: f64,
    start: f64,
    end: f64,
    place: u32,
    source: u32,
    node: u32,
}

impl Outlived {
    /// How many they are.
    pub(super) fn len(&self) -> usize {
        self.requests.len()
    }

    /// When each came, when it ends, and the place of its station.
    pub(super) fn each(&self) -> impl Iterator<Item = (f64, f64, usize)> {
        self.requests.iter().map(|it| (it.arrival, it.end, it.place as usize))
    }
}

impl Lane {
    /// Puts a request of the batch down that ends after its segment; `false` where something of it is left to decide.
    #[inline(always)]
    pub(super) fn outlives(&mut self, request: usize, place: u32, law_number: usize, until: f64) -> bool {
        let Lane { batch, outlived, laws, stations, .. } = self;
        let law = &laws[law_number];
        let (arrival, end, cpu) = (batch.arrival[request], batch.end[request], law.cpu.nanos[request]);
        let start = end - law.work()[request];
        let is_left = (end > until) & (end - arrival <= law.least_patience) & ((cpu == 0.0) | (start + cpu <= until));
        if !is_left || law.status[request] != StatusClass::Success {
            return false;
        }
        outlived.law = law_number;
        let (source, node) = (batch.source[request], batch.node[request]);
        outlived.requests.push(Request { arrival, start, end, place, source, node });
        stations[place as usize].in_flight += 1;
        true
    }

    /// Counts those that have ended by `until`.
    pub(super) fn settle_outlived(&mut self, until: f64) {
        let Lane { outlived, laws, stations, minute, .. } = self;
        if outlived.requests.is_empty() || until <= outlived.settled_until {
            return;
        }
        outlived.settled_until = until;
        let to_target = laws[outlived.law].to_target;
        let all = outlived.requests.len();
        outlived.requests.retain(|it| {
            if it.end > until {
                return true;
            }
            stations[it.place as usize].in_flight -= 1;
            minute.histogram.record((it.end - it.arrival + to_target) as u64);
            false
        });
        minute.counts.served += (all - outlived.requests.len()) as u64;
    }

    /// Puts them among the requests in flight, since something may befall their stations.
    pub(super) fn look_after_outlived(&mut self) {
        let Lane { outlived, laws, sources, in_flight, .. } = self;
        if outlived.requests.is_empty() {
            return;
        }
        for it in outlived.requests.drain(..) {
            let source = it.source as usize;
            in_flight.push(InFlight {
                arrival: it.arrival,
                start: it.start,
                cpu_end: it.start,
                end: it.end,
                caller_end: it.end,
                deadline: it.arrival + laws[outlived.law].patience[source],
                cpu: 0.0,
                cpu_counted: 0.0,
                place: it.place,
                user: NOBODY,
                node: it.node as u8,
                kind: JobKind::Request {
                    is_callers_patience: sources[source].patience.is_callers,
                    status: StatusClass::Success,
                },
                outcome: Outcome::Served(StatusClass::Success),
                caller_has_ended: false,
                dropped: None,
            });
        }
        // As they came, which is how the queues are found among them.
        in_flight.sort_by(|one, other| one.arrival.total_cmp(&other.arrival));
    }
}
