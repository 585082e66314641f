//! Stations whose CPU is short: their threads share it.

use std::ops::Range;

use crate::data::lane::Lane;
use crate::data::lane::accounts::InFlight;
use crate::data::lane::batch::Batch;
use crate::data::sharing::{Job, JobKind, Standing};
use crate::data::station::VCPU;

impl Lane {
    /// Lets the stations whose CPU is short run until `until`.
    pub(super) fn run_sharing(&mut self, until: f64) {
        if !self.may_share {
            return;
        }
        for place in 0..self.stations.len() {
            if self.stations[place].shares_cpu {
                self.run_station(place, until);
            }
        }
    }

    #[inline(always)]
    pub(super) fn run_station(&mut self, place: usize, until: f64) {
        let Lane { sharing, stations, rotation, minute, .. } = self;
        let sharing = &mut sharing[place];
        if sharing.next() > until {
            return;
        }
        let counts_requests = rotation.counts_requests();
        let to_target = stations[place].to_target;
        sharing.run(until, |job, end| {
            if job.kind == JobKind::Probe {
                stations[place].probe_answered = Some(end);
            } else if !job.caller_has_ended {
                minute.count_job(job, end, to_target);
                if counts_requests {
                    rotation.ended(job.node as usize, place);
                }
            }
        });
        sharing.expire(until, |job| {
            minute.count_job(job, f64::INFINITY, to_target);
            if counts_requests {
                rotation.ended(job.node as usize, place);
            }
        });
    }

    /// Gives a job to a station whose CPU is short; tells whether it was taken.
    #[inline(always)]
    pub(super) fn take_job(&mut self, place: usize, now: f64, job: Job) -> bool {
        let Lane { sharing, stations, rotation, minute, .. } = self;
        let counts_requests = rotation.counts_requests();
        let to_target = stations[place].to_target;
        sharing[place].take(now, job, |dropped, _| {
            if !dropped.caller_has_ended {
                minute.count_job(dropped, f64::INFINITY, to_target);
                if counts_requests {
                    rotation.ended(dropped.node as usize, place);
                }
            }
        })
    }

    /// Lets the threads of a station share its CPU, or not, as it is short of it or not.
    pub(super) fn shares_or_not(&mut self, place: usize, now: f64) {
        let station = &mut self.stations[place];
        let shares = station.is_short_of_cpu() && self.laws[station.law].computes;
        if shares {
            let sharing = &mut self.sharing[place];
            sharing.is_given(now, station.offer / VCPU);
            station.used_before = sharing.used(now);
        }
        if shares != station.shares_cpu {
            station.shares_cpu = shares;
            if shares {
                self.begin_sharing(place, now);
            } else {
                self.end_sharing(place, now);
            }
        }
    }

    /// Moves what a station holds from its servers, who had a vCPU each, to its threads.
    pub(super) fn begin_sharing(&mut self, place: usize, now: f64) {
        let Lane { in_flight, sharing, stations, free_at, stride, cpu_done, .. } = self;
        let mut moved: Vec<InFlight> = Vec::new();
        in_flight.retain(|it| {
            let moves = it.place as usize == place && !it.is_dropped;
            moved.extend(moves.then(|| it.clone()));
            !moves
        });
        moved.sort_by(|one, other| one.start.total_cmp(&other.start).then(one.arrival.total_cmp(&other.arrival)));
        for it in moved {
            let job = Job {
                arrival: it.arrival,
                cpu: it.cpu,
                wait: it.end - it.cpu_end,
                deadline: it.deadline,
                node: it.node,
                kind: it.kind,
                caller_has_ended: it.caller_has_ended,
            };
            let stands = if it.start > now {
                Standing::Queues
            } else if it.cpu_end > now {
                Standing::Computes(it.cpu_end - now)
            } else {
                Standing::Waits(it.end)
            };
            sharing[place].take_over(now, job, stands);
        }
        stations[place].frees_all(&mut free_at[place * *stride..][..*stride], 0.0);
        stations[place].waiting.clear();
        stations[place].giving_up.clear();
        stations[place].in_flight = 0;
        stations[place].used_before = sharing[place].used(now);
        cpu_done[place] = 0.0;
    }

    /// Moves what a station holds from its threads to servers with a vCPU each.
    pub(super) fn end_sharing(&mut self, place: usize, now: f64) {
        let Lane { in_flight, sharing, stations, free_at, stride, cpu_done, .. } = self;
        let station = &mut stations[place];
        let row = &mut free_at[place * *stride..][..*stride];
        station.frees_all(row, now);
        station.in_flight = in_flight.iter().filter(|it| it.place as usize == place).count() as u32;
        for (job, stands) in sharing[place].hand_over(now) {
            let (start, cpu) = match stands {
                Standing::Queues => (station.free_at(row).max(now), job.cpu),
                Standing::Computes(left) => (now, left),
                Standing::Waits(_) => (now, 0.0),
            };
            let cpu_end = start + cpu;
            let end = if let Standing::Waits(until) = stands { until } else { cpu_end + job.wait };
            station.occupy(row, end);
            station.takes(now, start);
            station.in_flight += 1;
            cpu_done[place] += cpu;
            in_flight.push(InFlight {
                arrival: job.arrival,
                start,
                cpu_end,
                end,
                caller_end: end.min(job.deadline),
                deadline: job.deadline,
                cpu,
                cpu_counted: cpu,
                place: place as u32,
                node: job.node,
                kind: job.kind,
                outcome: job.outcome(end),
                caller_has_ended: job.caller_has_ended,
                is_dropped: false,
            });
        }
    }

    /// Requests to stations that all are short of CPU.
    pub(super) fn serve_sharing(&mut self, range: Range<usize>, law: usize) {
        let Lane { batch, rotation, sharing, stations, minute, laws, sources, .. } = self;
        let Batch { arrival, node, chance, source, is_fault, place, end: responses, .. } = batch;
        let (law, mut served) = (&laws[law], 0);
        let to_target = law.to_target;
        rotation.route(
            &arrival[range.clone()],
            &node[range.clone()],
            &chance[range.clone()],
            &mut place[range.clone()],
        );
        for request in range {
            let (now, place) = (arrival[request], place[request] as usize);
            let source = source[request] as usize;
            let kind = JobKind::Request {
                is_callers_patience: sources[source].patience.is_callers,
                is_fault: is_fault[request],
            };
            let job = Job {
                arrival: now,
                cpu: law.cpu.nanos[request],
                wait: law.wait.nanos[request],
                deadline: now + law.patience[source],
                node: node[request],
                kind,
                caller_has_ended: false,
            };
            let station = &mut sharing[place];
            station.run(now, |job, end| {
                if job.is_simply_served(end) {
                    responses[served] = end - job.arrival + to_target;
                    served += 1;
                    if served == responses.len() {
                        minute.count_served(responses);
                        served = 0;
                    }
                } else if job.kind == JobKind::Probe {
                    stations[place].probe_answered = Some(end);
                } else if !job.caller_has_ended {
                    minute.count_job(job, end, to_target);
                }
            });
            let is_taken = station.take(now, job, |dropped, _| {
                if !dropped.caller_has_ended {
                    minute.count_job(dropped, f64::INFINITY, to_target);
                }
            });
            minute.counts.elb_502 += u64::from(!is_taken);
        }
        minute.count_served(&responses[..served]);
    }

    /// Gives a request to a station whose CPU is short.
    #[inline(always)]
    pub(super) fn share(&mut self, request: usize, place: usize, node: usize, arrival: f64) {
        self.run_station(place, arrival);
        let batch = &self.batch;
        let law = &self.laws[self.stations[place].law];
        let patience = self.sources[batch.source[request] as usize].patience;
        let deadline = arrival + law.patience[batch.source[request] as usize];
        let job = Job {
            arrival,
            cpu: law.cpu.nanos[request],
            wait: law.wait.nanos[request],
            deadline,
            node: node as u32,
            kind: JobKind::Request { is_callers_patience: patience.is_callers, is_fault: batch.is_fault[request] },
            caller_has_ended: false,
        };
        if !self.stations[place].is_up || !self.take_job(place, arrival, job) {
            self.minute.counts.elb_502 += 1;
        } else {
            self.rotation.sent(node, place, f64::INFINITY);
        }
    }
}
