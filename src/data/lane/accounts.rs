//! What is counted: how requests end for their callers, and what is still in flight.

use crate::aws::load_balancer::LoadBalancerType;
use std::ops::Range;

use crate::data::ServiceTraffic;
use crate::data::histogram::Histogram;
use crate::data::kernel::smaller;
use crate::data::lane::Lane;
use crate::data::lane::surge_queue::SurgeQueues;
use crate::data::sharing::{Job, JobKind, Sharing, StatusClass};
use crate::distribution::whole_nanos;
use crate::run::{ConnectionCounts, RequestCounts, RequestTotals, ResponseTimes, RoutingCounts};
use crate::units::{Instant, NANOS_PER_SECOND, Span};
use crate::workload::users::{NOBODY, Users};

/// What is counted until the minute closes.
#[derive(Clone, Default)]
pub(super) struct Window {
    pub(super) counts: RequestCounts,
    pub(super) routing: RoutingCounts,
    pub(super) non_sticky: u64,
    /// Response times of what was served.
    pub(super) histogram: Histogram,
    /// Response times of what was answered with a 5xx of the application.
    pub(super) of_faults: Histogram,
    /// For how long requests have waited that ended without an answer, nanoseconds.
    pub(super) in_vain: f64,
    /// Arrivals of each second that has passed.
    pub(super) arrivals: Vec<u64>,
    /// Errors of each station since targets were last compared.
    pub(super) errors: Vec<u64>,
    /// What the network adds to a response of each station, nanoseconds.
    pub(super) to_target: Vec<f64>,
    /// Connections that were opened to targets of a Network Load Balancer.
    pub(super) new_flows: u64,
    /// The longest that a surge queue was, and requests that found it full.
    pub(super) surge_queue_length: u64,
    pub(super) spillover: u64,
}

/// How a request ends for its caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Answered with 2xx, 3xx or 4xx.
    Served(StatusClass),
    Target5xx,
    Elb504,
    ClientTimeout,
    /// A health check; it is not counted.
    Probe,
}

/// A request that outlived the segment it arrived in.
#[derive(Clone)]
pub(super) struct InFlight {
    /// When it came; of a user who wanted to send it before, when that was.
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
    /// The user that sent it, or nobody.
    pub(super) user: u32,
    pub(super) node: u8,
    pub(super) kind: JobKind,
    pub(super) outcome: Outcome,
    pub(super) caller_has_ended: bool,
    /// What it would cost, CPU time and waiting, where it will be dropped from the queue without having started.
    pub(super) dropped: Option<(f64, f64)>,
}

impl Lane {
    /// Closes the minute.
    pub fn close_minute(&mut self, now: Instant) -> ServiceTraffic {
        self.catch_up(now);
        let now = now.0 as f64;
        self.settle(now);
        self.count_seconds(now);
        let active_flows = self.active_flows(now);
        self.minute.counts = self.as_its_type_says(self.minute.counts.clone());
        // What has ended was waited for so long, and what has not so far; less what was before the minute.
        let minute = &self.minute;
        let ended = minute.histogram.sum() as f64 + minute.of_faults.sum() as f64 + minute.in_vain;
        let waits = self.waited_for(now);
        let in_flight_nanos = ended + waits - std::mem::replace(&mut self.waited_before, waits);
        let minute = &mut self.minute;
        let mut target_response_time = minute.histogram.clone();
        target_response_time.merge(&minute.of_faults);
        let response_time_ms = response_times(&minute.histogram);
        let has_faults = minute.of_faults.count() > 0;
        let closed = ServiceTraffic {
            counts: std::mem::take(&mut minute.counts),
            routing: std::mem::take(&mut minute.routing),
            non_sticky: std::mem::take(&mut minute.non_sticky),
            response_time_ms,
            target_response_time_ms: if has_faults { response_times(&target_response_time) } else { response_time_ms },
            target_response_time,
            in_flight_mean: in_flight_nanos / Span::MINUTE.0 as f64,
            arrivals_by_second: std::mem::take(&mut minute.arrivals),
            connections: ConnectionCounts {
                new_flows: std::mem::take(&mut minute.new_flows),
                active_flows,
                surge_queue_length: std::mem::take(&mut minute.surge_queue_length),
                spillover: std::mem::take(&mut minute.spillover),
            },
            ..ServiceTraffic::default()
        };
        self.total_counts.add(&closed.counts);
        self.total_histogram.merge(&minute.histogram);
        minute.histogram.clear();
        minute.of_faults.clear();
        minute.in_vain = 0.0;
        closed
    }

    /// Response times of what was served in the open minute so far.
    pub fn served_in_minute(&mut self, now: Instant) -> &Histogram {
        self.catch_up(now);
        self.settle(now.0 as f64);
        &self.minute.histogram
    }

    /// Counts the arrivals of a segment by the second they come in.
    pub(super) fn count_arrivals(&mut self, requests: Range<usize>) {
        let Range { mut start, end } = requests;
        if self.minute.arrivals.is_empty() && self.arrived_in_second == 0 {
            // Of minutes without anything nobody has told the lane.
            let minute_began = self.batch.arrival[start] - self.batch.arrival[start] % Span::MINUTE.0 as f64;
            self.second_ends_at = self.second_ends_at.max(minute_began + NANOS_PER_SECOND as f64);
        }
        while self.batch.arrival[end - 1] >= self.second_ends_at {
            let within = self.batch.arrival[start..end].partition_point(|it| *it < self.second_ends_at);
            self.arrived_in_second += within as u64;
            start += within;
            self.second_passes();
        }
        self.arrived_in_second += (end - start) as u64;
    }

    /// Closes the seconds up to the end of a minute, those without arrivals at its end unwritten.
    fn count_seconds(&mut self, now: f64) {
        if self.arrived_in_second > 0 {
            self.second_passes();
        }
        self.second_ends_at = now + NANOS_PER_SECOND as f64;
    }

    fn second_passes(&mut self) {
        self.minute.arrivals.push(std::mem::take(&mut self.arrived_in_second));
        self.second_ends_at += NANOS_PER_SECOND as f64;
    }

    /// For how long the requests in flight have been waited for, nanoseconds: those too whose caller has given up without
    /// having been counted yet.
    fn waited_for(&self, now: f64) -> f64 {
        let of_queues = self.in_flight.iter().filter(|it| !it.caller_has_ended);
        let of_sharing = self.sharing.iter().flat_map(Sharing::jobs).filter(|it| !it.caller_has_ended);
        self.outlived.each().map(|(arrival, end, _)| end.min(now) - arrival).sum::<f64>()
            + of_queues.map(|it| it.caller_end.min(now) - it.arrival).sum::<f64>()
            + of_sharing.map(|it| it.deadline.min(now) - it.arrival).sum::<f64>()
            + self.connecting.iter().map(|it| it.ends_at.min(now) - it.arrival).sum::<f64>()
    }

    /// The whole run so far, the open minute included.
    pub fn totals(&mut self, now: Instant) -> RequestTotals {
        self.catch_up(now);
        let mut open = self.minute.clone();
        let mut in_flight = 0;
        for (arrival, end, place) in self.outlived.each() {
            if end > now.0 as f64 {
                in_flight += 1;
            } else {
                open.count(Outcome::Served(StatusClass::Success), end - arrival, place);
            }
        }
        for it in &self.in_flight {
            if it.is_awaited(now.0 as f64) {
                in_flight += 1;
            } else if !it.caller_has_ended {
                open.count(it.outcome, it.caller_end - it.arrival, it.place as usize);
            }
        }
        for it in &self.connecting {
            if it.ends_at > now.0 as f64 {
                in_flight += 1;
            } else {
                open.count(it.outcome, it.ends_at - it.arrival, it.place as usize);
            }
        }
        let jobs = self.sharing.iter().enumerate().flat_map(|(place, it)| it.jobs().map(move |job| (place, job)));
        for (place, job) in jobs {
            if job.is_awaited(now.0 as f64) {
                in_flight += 1;
            } else if !job.caller_has_ended {
                open.count_job(job, f64::INFINITY, place);
            }
        }
        for job in self.surge.iter().flat_map(SurgeQueues::jobs) {
            if job.is_awaited(now.0 as f64) {
                in_flight += 1;
            } else {
                open.count_given_up(job);
            }
        }
        open.counts = self.as_its_type_says(open.counts);
        open.counts.add(&self.total_counts);
        open.histogram.merge(&self.total_histogram);
        let response_time_ms = response_times(&open.histogram);
        let to_callers = self.to_callers();
        RequestTotals { counts: open.counts, in_flight, response_time_ms, histogram: open.histogram, to_callers }
    }

    /// What callers wait beyond the response times, and which parts of them do.
    fn to_callers(&self) -> Vec<(Span, f64)> {
        if !self.tells_sources_apart {
            return self.sources.first().map(|it| (it.to_caller, 1.0)).into_iter().collect();
        }
        let all: u64 = self.sources.iter().map(|it| it.arrived).sum();
        let arrived = self.sources.iter().filter(|it| it.arrived > 0);
        arrived.map(|it| (it.to_caller, it.arrived as f64 / all as f64)).collect()
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
                let of_outlived = self.outlived.each().filter(|it| it.1 > now).count();
                let of_queues = of_outlived + self.in_flight.iter().filter(|it| it.is_awaited(now)).count();
                let jobs = self.sharing.iter().flat_map(Sharing::jobs);
                let connecting = self.connecting.iter().filter(|it| it.ends_at > now).count();
                (of_queues + connecting + jobs.filter(|it| it.is_awaited(now)).count()) as u64
            }
            None => 0,
        }
    }

    /// Settles a request that was not simply served within its segment.
    #[inline(always)]
    #[expect(clippy::too_many_arguments, reason = "the fate of one request, which is stored only if it lasts")]
    pub(super) fn ends_later(
        &mut self,
        job: &Job,
        place: usize,
        start: f64,
        cpu_end: f64,
        end: f64,
        cpu: f64,
        until: f64,
    ) {
        let Job { arrival: since, deadline, node, user, kind, .. } = *job;
        let outcome = job.outcome(end);
        let caller_end = smaller(end, deadline);
        self.answers(user, caller_end, place);
        let caller_has_ended = caller_end <= until;
        if caller_has_ended {
            self.minute.count(outcome, caller_end - since, place);
        }
        if end <= until {
            return;
        }
        self.stations[place].in_flight += 1;
        self.in_flight.push(InFlight {
            arrival: since,
            start,
            cpu_end,
            end,
            caller_end,
            deadline,
            cpu,
            cpu_counted: cpu,
            place: place as u32,
            user,
            node,
            kind,
            outcome,
            caller_has_ended,
            dropped: None,
        });
    }

    /// Counts what has ended by `until` of the requests in flight.
    pub(super) fn settle(&mut self, until: f64) {
        self.settle_outlived(until);
        if !self.connecting.is_empty() {
            self.settle_connecting(until);
        }
        if self.in_flight.is_empty() {
            return;
        }
        let (stations, cpu_done, window) = (&mut self.stations, &mut self.cpu_done, &mut self.minute);
        self.in_flight.retain_mut(|it| {
            if !it.caller_has_ended && it.caller_end <= until {
                it.caller_has_ended = true;
                window.count(it.outcome, it.caller_end - it.arrival, it.place as usize);
            }
            if it.end > until {
                return true;
            }
            let place = it.place as usize;
            cpu_done[place] += it.cpu - it.cpu_counted;
            stations[place].in_flight -= 1;
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
        for it in self.in_flight.iter().filter(|it| it.start > now && it.dropped.is_none()) {
            self.stations[it.place as usize].waiting.push_back(it.start);
        }
    }
}

impl InFlight {
    /// A job that will leave the queue when its caller gives up.
    pub(super) fn dropped(job: &Job, place: usize) -> InFlight {
        InFlight {
            arrival: job.arrival,
            start: job.deadline,
            cpu_end: job.deadline,
            end: job.deadline,
            caller_end: job.deadline,
            deadline: job.deadline,
            cpu: 0.0,
            cpu_counted: 0.0,
            place: place as u32,
            user: job.user,
            node: job.node,
            kind: job.kind,
            outcome: job.outcome(f64::INFINITY),
            caller_has_ended: job.caller_has_ended,
            dropped: Some((job.cpu, job.wait)),
        }
    }

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
pub(super) fn outcome(is_in_time: bool, is_callers_patience: bool, status: StatusClass) -> Outcome {
    match is_in_time {
        false if is_callers_patience => Outcome::ClientTimeout,
        false => Outcome::Elb504,
        true if status == StatusClass::ServerError => Outcome::Target5xx,
        true => Outcome::Served(status),
    }
}

impl Job {
    /// How it ends for its caller, if it ends then.
    pub(super) fn outcome(&self, end: f64) -> Outcome {
        match self.kind {
            JobKind::Probe => Outcome::Probe,
            JobKind::Request { is_callers_patience, status } => {
                outcome(end <= self.deadline, is_callers_patience, status)
            }
        }
    }

    /// Tells the user, if one sent it, that it ends then for the task, which is so far away.
    #[inline(always)]
    pub(super) fn answers(&self, users: &mut Users, end: f64, way: f64) {
        if self.user != NOBODY {
            users.are_answered(self.user, (end.min(self.deadline) + way) as u64);
        }
    }

    /// Whether it is a request that is answered in time and with a 2xx.
    #[inline(always)]
    pub(super) fn is_simply_served(&self, end: f64) -> bool {
        matches!(self.kind, JobKind::Request { status: StatusClass::Success, .. })
            & !self.caller_has_ended
            & (end <= self.deadline)
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

    /// Counts a job that ends then for the task.
    pub(super) fn count_job(&mut self, job: &Job, end: f64, place: usize) {
        self.count(job.outcome(end), end.min(job.deadline) - job.arrival, place);
    }

    /// Counts a job whose caller gives up before any station has it.
    pub(super) fn count_given_up(&mut self, job: &Job) {
        self.count(job.outcome(f64::INFINITY), job.deadline - job.arrival, 0);
    }

    /// Counts a request whose connection the station at `place` refused.
    pub(super) fn count_refused(&mut self, place: usize) {
        self.counts.elb_502 += 1;
        self.routing.target_connection_errors += 1;
        self.errors[place] += 1;
    }

    /// Counts a request that was cut off after so long.
    pub(super) fn count_cut_off(&mut self, nanos: f64, place: usize) {
        self.counts.elb_502 += 1;
        self.in_vain += nanos;
        self.errors[place] += 1;
    }

    /// Counts a request that the station at `place` had, and that ended after so long.
    pub(super) fn count(&mut self, outcome: Outcome, nanos: f64, place: usize) {
        match outcome {
            Outcome::Served(status) => {
                self.counts.served += 1;
                match status {
                    StatusClass::Redirection => self.counts.target_3xx += 1,
                    StatusClass::ClientError => self.counts.target_4xx += 1,
                    StatusClass::Success | StatusClass::ServerError => {}
                }
                self.histogram.record((nanos + self.to_target[place]) as u64);
            }
            Outcome::Target5xx => {
                self.counts.target_5xx += 1;
                self.of_faults.record((nanos + self.to_target[place]) as u64);
                self.errors[place] += 1;
            }
            Outcome::Elb504 => {
                self.counts.elb_504 += 1;
                self.in_vain += nanos;
            }
            Outcome::ClientTimeout => {
                self.counts.client_timeout += 1;
                self.in_vain += nanos;
            }
            Outcome::Probe => {}
        }
    }
}

pub(crate) fn response_times(histogram: &Histogram) -> ResponseTimes {
    let millis = |nanos: Option<f64>| nanos.map(|it| it / 1e6);
    ResponseTimes {
        mean: millis(histogram.mean()),
        p50: millis(histogram.quantile(0.5)),
        p90: millis(histogram.quantile(0.9)),
        p99: millis(histogram.quantile(0.99)),
    }
}
