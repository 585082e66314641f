//! Stations whose CPU is short: their threads share it.

use std::ops::Range;

use crate::data::lane::Lane;
use crate::data::lane::accounts::{InFlight, Window};
use crate::data::lane::batch::{Batch, Law, Source};
use crate::data::sharing::abreast::{self, Departure, Segment};
use crate::data::sharing::{Job, JobKind, Sharing, Standing};
use crate::data::station::Station;
use crate::workload::users::NOBODY;

impl Lane {
    /// Lets the stations whose CPU is short run until `until`.
    pub(super) fn run_sharing(&mut self, until: f64) {
        if !self.holds_jobs {
            return;
        }
        for occupied in 0..self.occupied.len() {
            let place = self.occupied[occupied];
            if self.stations[place].shares_cpu {
                self.run_station(place, until);
            }
        }
    }

    /// The places of stations whose CPU is short.
    pub(super) fn places_short_of_cpu(&self) -> impl Iterator<Item = usize> {
        self.occupied.iter().copied().filter(|it| self.stations[*it].shares_cpu)
    }

    #[inline(always)]
    pub(super) fn run_station(&mut self, place: usize, until: f64) {
        let way = self.way_to(place);
        let Lane { sharing, stations, rotation, minute, users, .. } = self;
        let sharing = &mut sharing[place];
        if sharing.next() > until {
            return;
        }
        let counts_requests = rotation.counts_requests();
        sharing.run(until, |job, end| {
            if job.kind == JobKind::Probe {
                stations[place].probe_answered = Some(end);
            } else if !job.caller_has_ended {
                minute.count_job(job, end, place);
                job.answers(users, end, way);
                if counts_requests {
                    rotation.ended(job.node as usize, place);
                }
            }
        });
        sharing.expire(until, |job| {
            minute.count_job(job, f64::INFINITY, place);
            job.answers(users, f64::INFINITY, way);
            if counts_requests {
                rotation.ended(job.node as usize, place);
            }
        });
    }

    /// Gives a job to a station whose CPU is short; tells whether it was taken.
    #[inline(always)]
    pub(super) fn take_job(&mut self, place: usize, now: f64, job: Job) -> bool {
        self.holds_jobs = true;
        let way = self.way_to(place);
        let Lane { sharing, rotation, minute, users, .. } = self;
        let counts_requests = rotation.counts_requests();
        sharing[place].take(now, job, |dropped, _| {
            if !dropped.caller_has_ended {
                minute.count_job(dropped, f64::INFINITY, place);
                dropped.answers(users, f64::INFINITY, way);
                if counts_requests {
                    rotation.ended(dropped.node as usize, place);
                }
            }
        })
    }

    /// Lets the threads of a station share its CPU, or not, as it is short of it or not; tells whether that has changed.
    pub(super) fn shares_or_not(&mut self, place: usize, now: f64) -> bool {
        let station = &mut self.stations[place];
        let shares = station.is_short_of_cpu() && self.laws[station.law].computes;
        if shares {
            let sharing = &mut self.sharing[place];
            sharing.has_part_of_quota(station.part_of_quota);
            sharing.is_given(now, station.offered_vcpu());
            station.used_before = sharing.used(now);
        }
        let changes = shares != station.shares_cpu;
        if changes {
            station.shares_cpu = shares;
            if shares {
                self.begin_sharing(place, now);
            } else {
                self.end_sharing(place, now);
            }
        }
        changes
    }

    /// Moves what a station holds from its servers, who had a vCPU each, to its threads.
    pub(super) fn begin_sharing(&mut self, place: usize, now: f64) {
        self.holds_jobs = true;
        self.look_after_outlived();
        let Lane { in_flight, sharing, stations, free_at, stride, cpu_done, users, .. } = self;
        let mut moved: Vec<InFlight> = Vec::new();
        in_flight.retain(|it| {
            let moves = it.place as usize == place;
            moved.extend(moves.then(|| it.clone()));
            !moves
        });
        // Those that have begun, then those that queue, in the order in which they came: one that was to be dropped stands
        // among them, and may begin after all if others before it are dropped.
        moved.sort_by_key(|it| it.start > now);
        for it in moved {
            if it.user != NOBODY && !it.caller_has_ended {
                users.wait_on(it.user);
            }
            let (cpu, wait) = it.dropped.unwrap_or((it.cpu, it.end - it.cpu_end));
            let job = Job {
                arrival: it.arrival,
                cpu,
                wait,
                deadline: it.deadline,
                node: it.node,
                user: it.user,
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
        self.look_after_outlived();
        let way = self.way_to(place);
        let Lane { in_flight, sharing, stations, free_at, stride, cpu_done, laws, users, .. } = self;
        let station = &mut stations[place];
        let cancels = laws[station.law].cancels;
        let row = &mut free_at[place * *stride..][..*stride];
        station.frees_all(row, now);
        station.in_flight = in_flight.iter().filter(|it| it.place as usize == place).count() as u32;
        for (job, stands) in sharing[place].hand_over(now) {
            let (start, cpu) = match stands {
                Standing::Queues => (station.free_at(row).max(now), job.cpu),
                Standing::Computes(left) => (now, left),
                Standing::Waits(_) => (now, 0.0),
            };
            let is_dropped = cancels && stands == Standing::Queues && start > job.deadline;
            if is_dropped && job.deadline <= now {
                continue;
            }
            station.in_flight += 1;
            if is_dropped {
                if !job.caller_has_ended {
                    job.answers(users, f64::INFINITY, way);
                }
                station.giving_up.push(job.deadline);
                in_flight.push(InFlight::dropped(&job, place));
                continue;
            }
            let cpu_end = start + cpu;
            let end = if let Standing::Waits(until) = stands { until } else { cpu_end + job.wait };
            station.occupy(row, end);
            station.takes(now, start);
            cpu_done[place] += cpu;
            if !job.caller_has_ended {
                job.answers(users, end, way);
            }
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
                user: job.user,
                node: job.node,
                kind: job.kind,
                outcome: job.outcome(end),
                caller_has_ended: job.caller_has_ended,
                dropped: None,
            });
        }
    }

    /// Requests to stations that all are short of CPU, which run until `until`.
    pub(super) fn serve_sharing(&mut self, range: Range<usize>, law: usize, until: f64) {
        self.holds_jobs = true;
        let Lane { batch, rotation, sharing, stations, minute, laws, sources, abreast, .. } = self;
        let Batch { arrival, node, chance, source, place, end: responses, .. } = batch;
        let law = &laws[law];
        let jobs = Jobs { arrival, node, source, law, sources };
        let mut counts = Departures { minute, stations, responses, to_target: law.to_target, served: 0 };
        if let Some((places, turn)) = rotation.dealt_in_turn(arrival[range.start])
            && places.len() >= abreast::WIDTH
            && !law.waits
        {
            let segment = Segment {
                arrivals: &arrival[range.clone()],
                cpu: &law.cpu.nanos[range.clone()],
                tasks: places.len(),
                least_patience: law.least_patience,
                until,
            };
            abreast.expect(&segment);
            for (group, some) in places.chunks(abreast::WIDTH).enumerate() {
                let first = |lane: usize| (group * abreast::WIDTH + lane + places.len() - *turn) % places.len();
                let firsts: [usize; abreast::WIDTH] = std::array::from_fn(first);
                let job_of = |request: usize| jobs.of(range.start + request);
                let fit = abreast.run(sharing, (some, &firsts), &segment, job_of, |place, departure, end| {
                    let job = match departure {
                        Departure::Held(job) => job,
                        Departure::Request(request) => jobs.of(range.start + request),
                    };
                    counts.count(place, &job, end);
                });
                if !fit {
                    for (&place, &first) in some.iter().zip(&firsts) {
                        for request in (range.start + first..range.end).step_by(places.len()) {
                            counts.serve(&mut sharing[place], place, jobs.of(request));
                        }
                    }
                }
            }
            *turn = (*turn + range.len()) % places.len();
        } else {
            rotation.route(
                &arrival[range.clone()],
                &node[range.clone()],
                &chance[range.clone()],
                &mut place[range.clone()],
            );
            for request in range {
                let place = place[request] as usize;
                counts.serve(&mut sharing[place], place, jobs.of(request));
            }
        }
        counts.finish();
    }

    /// A request as a job of a station, which takes it when it arrives.
    #[inline(always)]
    pub(super) fn job_of(&self, request: usize, place: usize) -> Job {
        let (batch, station) = (&self.batch, &self.stations[place]);
        let law = &self.laws[station.law];
        let arrival = batch.arrival[request];
        let source = batch.source[request] as usize;
        Job {
            arrival: batch.awaited_since(request),
            cpu: law.cpu_at(station, request, arrival),
            wait: law.wait.nanos[request],
            deadline: arrival + law.patience[source],
            node: batch.node[request] as u8,
            user: batch.user_of(request),
            kind: JobKind::Request {
                is_callers_patience: self.sources[source].patience.is_callers,
                status: law.status[request],
            },
            caller_has_ended: false,
        }
    }

    /// Gives a request to a station whose CPU is short.
    #[inline(always)]
    pub(super) fn share(&mut self, request: usize, place: usize, node: usize, arrival: f64) {
        self.run_station(place, arrival);
        let job = self.job_of(request, place);
        if !self.stations[place].is_up || !self.take_job(place, arrival, job) {
            self.minute.count_refused(place);
            self.refuses(request);
        } else {
            self.stations[place].has_taken_one();
            self.rotation.sent(node, place, f64::INFINITY);
        }
    }
}

/// What the requests of a batch are to tasks of one law.
struct Jobs<'l> {
    arrival: &'l [f64],
    node: &'l [u32],
    source: &'l [u32],
    law: &'l Law,
    sources: &'l [Source],
}

impl Jobs<'_> {
    #[inline(always)]
    fn of(&self, request: usize) -> Job {
        let source = self.source[request] as usize;
        Job {
            arrival: self.arrival[request],
            cpu: self.law.cpu.nanos[request],
            wait: self.law.wait.nanos[request],
            deadline: self.arrival[request] + self.law.patience[source],
            node: self.node[request] as u8,
            user: NOBODY,
            kind: JobKind::Request {
                is_callers_patience: self.sources[source].patience.is_callers,
                status: self.law.status[request],
            },
            caller_has_ended: false,
        }
    }
}

/// Counts the jobs that tasks are done with; those that are simply served, many at a time.
struct Departures<'l> {
    minute: &'l mut Window,
    stations: &'l mut [Station],
    responses: &'l mut [f64],
    /// What the network adds to a response, nanoseconds.
    to_target: f64,
    served: usize,
}

impl Departures<'_> {
    #[inline(always)]
    fn count(&mut self, place: usize, job: &Job, end: f64) {
        if job.is_simply_served(end) {
            self.responses[self.served] = end - job.arrival + self.to_target;
            self.served += 1;
            if self.served == self.responses.len() {
                self.minute.count_served(self.responses);
                self.served = 0;
            }
        } else if job.kind == JobKind::Probe {
            self.stations[place].probe_answered = Some(end);
        } else if !job.caller_has_ended {
            self.minute.count_job(job, end, place);
        }
    }

    /// Gives a task a job, after all that it is done with by then.
    #[inline(always)]
    fn serve(&mut self, task: &mut Sharing, place: usize, job: Job) {
        task.run(job.arrival, |job, end| self.count(place, job, end));
        let is_taken = task.take(job.arrival, job, |dropped, _| {
            if !dropped.caller_has_ended {
                self.minute.count_job(dropped, f64::INFINITY, place);
            }
        });
        if !is_taken {
            self.minute.count_refused(place);
        }
    }

    fn finish(self) {
        self.minute.count_served(&self.responses[..self.served]);
    }
}
