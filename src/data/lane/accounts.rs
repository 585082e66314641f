//! What is counted: how requests end for their callers, and what is still in flight.

use crate::aws::load_balancer::LoadBalancerType;
use crate::data::ServiceTraffic;
use crate::data::histogram::Histogram;
use crate::data::kernel::smaller;
use crate::data::lane::Lane;
use crate::data::lane::surge_queue::SurgeQueues;
use crate::data::sharing::{Job, JobKind, Sharing};
use crate::distribution::whole_nanos;
use crate::run::{RequestCounts, RequestTotals, ResponseTimes};
use crate::units::Instant;

/// What is counted until the minute closes.
#[derive(Clone, Default)]
pub(super) struct Window {
    pub(super) counts: RequestCounts,
    pub(super) routed: u64,
    pub(super) histogram: Histogram,
    /// Connections that were opened to targets of a Network Load Balancer.
    pub(super) new_flows: u64,
    /// The longest that a surge queue was, and requests that found it full.
    pub(super) surge_queue_length: u64,
    pub(super) spillover: u64,
}

/// What a request's caller waits for.
#[derive(Clone, Copy)]
pub(super) struct Caller {
    pub(super) arrival: f64,
    /// Until when it, or the load balancer, waits.
    pub(super) deadline: f64,
    pub(super) is_callers_patience: bool,
    /// Whether the application answers with an error.
    pub(super) is_fault: bool,
    pub(super) node: u32,
}

/// How a request ends for its caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Served,
    Target5xx,
    Elb504,
    ClientTimeout,
    /// A health check; it is not counted.
    Probe,
}

/// A request that outlived the segment it arrived in.
#[derive(Clone)]
pub(super) struct InFlight {
    pub(super) arrival: f64,
    pub(super) start: f64,
    /// When its CPU part is done.
    pub(super) cpu_end: f64,
    pub(super) end: f64,
    /// When it ends for its caller: at its end or at the end of patience.
    pub(super) caller_end: f64,
    /// The end of patience.
    pub(super) deadline: f64,
    pub(super) cpu: f64,
    /// How much of its CPU time has been counted.
    pub(super) cpu_counted: f64,
    pub(super) place: u32,
    pub(super) node: u32,
    pub(super) kind: JobKind,
    pub(super) outcome: Outcome,
    pub(super) caller_has_ended: bool,
    /// Whether it will be dropped from the queue without having started.
    pub(super) is_dropped: bool,
}

impl Lane {
    /// Closes the minute.
    pub fn close_minute(&mut self, now: Instant) -> ServiceTraffic {
        self.settle(now.0 as f64);
        let active_flows = self.active_flows(now.0 as f64);
        self.minute.counts = self.as_its_type_says(self.minute.counts.clone());
        let closed = ServiceTraffic {
            counts: std::mem::take(&mut self.minute.counts),
            routed: std::mem::take(&mut self.minute.routed),
            response_time_ms: response_times(&self.minute.histogram),
            new_flows: std::mem::take(&mut self.minute.new_flows),
            active_flows,
            surge_queue_length: std::mem::take(&mut self.minute.surge_queue_length),
            spillover: std::mem::take(&mut self.minute.spillover),
            ..ServiceTraffic::default()
        };
        self.total_counts.add(&closed.counts);
        self.total_histogram.merge(&self.minute.histogram);
        self.minute.histogram.clear();
        closed
    }

    /// The whole run so far, the open minute included.
    pub fn totals(&self, now: Instant) -> RequestTotals {
        let mut open = self.minute.clone();
        let mut in_flight = 0;
        for it in &self.in_flight {
            if it.is_awaited(now.0 as f64) {
                in_flight += 1;
            } else if !it.caller_has_ended {
                open.count(it.outcome, it.caller_end - it.arrival + self.stations[it.place as usize].to_target);
            }
        }
        let stations = self.stations.iter().zip(&self.sharing);
        for (station, job) in stations.flat_map(|(station, it)| it.jobs().map(move |job| (station, job))) {
            if job.is_awaited(now.0 as f64) {
                in_flight += 1;
            } else if !job.caller_has_ended {
                open.count_job(job, f64::INFINITY, station.to_target);
            }
        }
        for caller in self.surge.iter().flat_map(SurgeQueues::callers) {
            if caller.deadline > now.0 as f64 {
                in_flight += 1;
            } else {
                open.count(outcome(false, caller.is_callers_patience, caller.is_fault), 0.0);
            }
        }
        open.counts = self.as_its_type_says(open.counts);
        open.counts.add(&self.total_counts);
        open.histogram.merge(&self.total_histogram);
        let response_time_ms = response_times(&open.histogram);
        let to_caller = self.to_caller;
        RequestTotals { counts: open.counts, in_flight, response_time_ms, histogram: open.histogram, to_caller }
    }

    /// Counts in the words of the load balancer's type: a Network Load Balancer answers nothing, so that what others answer
    /// with 503 or 504 are connections that it refuses or resets, as those that a task does.
    fn as_its_type_says(&self, mut counts: RequestCounts) -> RequestCounts {
        if self.kind == LoadBalancerType::Network {
            counts.elb_502 += std::mem::take(&mut counts.elb_503) + std::mem::take(&mut counts.elb_504);
        }
        counts
    }

    /// Connections that are open through a Network Load Balancer: those that clients keep, or one for each request.
    fn active_flows(&self, now: f64) -> u64 {
        match &self.flows {
            Some(flows) => flows.active(now),
            None if self.kind == LoadBalancerType::Network => {
                let of_queues = self.in_flight.iter().filter(|it| it.is_awaited(now)).count();
                let jobs = self.sharing.iter().flat_map(Sharing::jobs);
                (of_queues + jobs.filter(|it| it.is_awaited(now)).count()) as u64
            }
            None => 0,
        }
    }

    /// What the caller of a request waits for, if it goes to the station at `place`.
    #[inline(always)]
    pub(super) fn caller_of(&self, request: usize, place: usize) -> Caller {
        let source = self.batch.source[request] as usize;
        let arrival = self.batch.arrival[request];
        Caller {
            arrival,
            deadline: arrival + self.laws[self.stations[place].law].patience[source],
            is_callers_patience: self.sources[source].patience.is_callers,
            is_fault: self.batch.is_fault[request],
            node: self.batch.node[request],
        }
    }

    /// Settles a request that was not simply served within its segment; an `end` in infinity is one that is dropped.
    #[inline(always)]
    #[expect(clippy::too_many_arguments, reason = "the fate of one request, which is stored only if it lasts")]
    pub(super) fn ends_later(
        &mut self,
        caller: &Caller,
        place: usize,
        start: f64,
        cpu_end: f64,
        end: f64,
        cpu: f64,
        until: f64,
    ) {
        let Caller { arrival, deadline, is_callers_patience, is_fault, node } = *caller;
        let to_target = self.stations[place].to_target;
        let outcome = outcome(end <= deadline, is_callers_patience, is_fault);
        let caller_end = smaller(end, deadline);
        let caller_has_ended = caller_end <= until;
        if caller_has_ended {
            self.minute.count(outcome, caller_end - arrival + to_target);
        }
        let is_dropped = end == f64::INFINITY;
        let end = if is_dropped { deadline } else { end };
        if end <= until {
            return;
        }
        self.stations[place].in_flight += 1;
        self.in_flight.push(InFlight {
            arrival,
            start,
            cpu_end,
            end,
            caller_end,
            deadline,
            cpu,
            cpu_counted: cpu,
            place: place as u32,
            node,
            kind: JobKind::Request { is_callers_patience, is_fault },
            outcome,
            caller_has_ended,
            is_dropped,
        });
    }

    /// Counts what has ended by `until` of the requests in flight.
    pub(super) fn settle(&mut self, until: f64) {
        let (stations, cpu_done, window) = (&mut self.stations, &mut self.cpu_done, &mut self.minute);
        self.in_flight.retain_mut(|it| {
            if !it.caller_has_ended && it.caller_end <= until {
                it.caller_has_ended = true;
                window.count(it.outcome, it.caller_end - it.arrival + stations[it.place as usize].to_target);
            }
            if it.end > until {
                return true;
            }
            let place = it.place as usize;
            cpu_done[place] += it.cpu - it.cpu_counted;
            // One that shares its CPU counts its own jobs; what is left here of it was dropped before it did.
            if !stations[place].shares_cpu {
                stations[place].in_flight -= 1;
            }
            false
        });
    }

    /// Finds the stations' queues among the requests in flight, where they have not been kept.
    pub(super) fn refresh_queues(&mut self, now: f64) {
        if !std::mem::take(&mut self.queues_are_stale) {
            return;
        }
        for station in &mut self.stations {
            station.waiting.clear();
        }
        for it in self.in_flight.iter().filter(|it| it.start > now && !it.is_dropped) {
            self.stations[it.place as usize].waiting.push_back(it.start);
        }
    }
}

impl InFlight {
    /// CPU time done by `now`.
    pub(super) fn cpu_done(&self, now: f64) -> f64 {
        if now >= self.cpu_end {
            self.cpu
        } else if now <= self.start {
            0.0
        } else {
            whole_nanos(self.cpu * ((now - self.start) / (self.cpu_end - self.start)))
        }
    }

    /// Whether its caller still waits at `now`.
    pub(super) fn is_awaited(&self, now: f64) -> bool {
        !self.caller_has_ended && self.caller_end > now
    }
}

/// How a request ends for its caller.
pub(super) fn outcome(is_in_time: bool, is_callers_patience: bool, is_fault: bool) -> Outcome {
    match is_in_time {
        false if is_callers_patience => Outcome::ClientTimeout,
        false => Outcome::Elb504,
        true if is_fault => Outcome::Target5xx,
        true => Outcome::Served,
    }
}

impl Job {
    /// How it ends for its caller, if it ends then.
    pub(super) fn outcome(&self, end: f64) -> Outcome {
        match self.kind {
            JobKind::Probe => Outcome::Probe,
            JobKind::Request { is_callers_patience, is_fault } => {
                outcome(end <= self.deadline, is_callers_patience, is_fault)
            }
        }
    }

    /// Whether it is a request that is answered in time and without a fault.
    #[inline(always)]
    pub(super) fn is_simply_served(&self, end: f64) -> bool {
        matches!(self.kind, JobKind::Request { is_fault: false, .. }) & !self.caller_has_ended & (end <= self.deadline)
    }

    /// Whether its caller still waits at `now`.
    pub(super) fn is_awaited(&self, now: f64) -> bool {
        !self.caller_has_ended && self.deadline > now
    }
}

impl Window {
    /// Counts requests that were served, by their response times.
    pub(super) fn count_served(&mut self, nanos: &[f64]) {
        self.counts.served += nanos.len() as u64;
        self.histogram.record_all(nanos);
    }

    /// Counts a job that ends then for the task, `to_target` away.
    pub(super) fn count_job(&mut self, job: &Job, end: f64, to_target: f64) {
        self.count(job.outcome(end), end.min(job.deadline) - job.arrival + to_target);
    }

    pub(super) fn count(&mut self, outcome: Outcome, nanos: f64) {
        match outcome {
            Outcome::Served => {
                self.counts.served += 1;
                self.histogram.record(nanos as u64);
            }
            Outcome::Target5xx => self.counts.target_5xx += 1,
            Outcome::Elb504 => self.counts.elb_504 += 1,
            Outcome::ClientTimeout => self.counts.client_timeout += 1,
            Outcome::Probe => {}
        }
    }
}

pub(super) fn response_times(histogram: &Histogram) -> ResponseTimes {
    let millis = |nanos: Option<f64>| nanos.map(|it| it / 1e6);
    ResponseTimes {
        mean: millis(histogram.mean()),
        p50: millis(histogram.quantile(0.5)),
        p90: millis(histogram.quantile(0.9)),
        p99: millis(histogram.quantile(0.99)),
    }
}
