//! A lane: the requests of one service, from arrival to end.

use std::collections::BTreeMap;
use std::ops::Range;

use multiversion::multiversion;

use crate::aws::load_balancer::{RoutingAlgorithm, TargetGroup};
use crate::aws::service::ServiceDefinition;
use crate::aws::task_definition::{Application, TaskDefinition};
use crate::cluster::{Cluster, Target, TargetState, Task};
use crate::data::histogram::{Histogram, NO_BUCKET, bucket_of_float, whole_bits};
use crate::data::kernel::{self, Callers, Lanes, Requests, SERVERS_MAXIMUM, smaller};
use crate::data::rotation::{Awaited, Ramp, Rotation};
use crate::data::sharing::{Job, JobKind, Sharing, Standing};
use crate::data::station::{Station, VCPU};
use crate::data::{ProbeAnswer, ServiceTraffic};
use crate::distribution::{Distribution, whole_nanos};
use crate::rng::{Seed, Stream};
use crate::run::{RequestCounts, RequestTotals, ResponseTimes};
use crate::scenario::{Scenario, TimelineChange};
use crate::table::Id;
use crate::units::{Instant, Span};
use crate::workload::arrivals::Arrivals;

/// Requests drawn at once: as many as come in a quarter of a second, within these bounds. In a long batch few requests
/// outlive it, and a short one stays in the processor's nearest cache.
const BATCH_LEAST: usize = 1024;
const BATCH_MOST: usize = 8192;
const BATCH_LASTS: f64 = 0.25e9;

/// Fewest tasks that are worth serving side by side.
const LANES_LEAST: usize = 8;

/// Requests in flight below which it is not worth looking for those that have ended.
const SETTLED_AT_LEAST: usize = 256;

/// The requests of one service. Times are whole nanoseconds held in floats, see `kernel`.
pub struct Lane {
    target_group: Id<TargetGroup>,
    container: usize,
    sources: Vec<Source>,
    /// Of all sources; a response within it is in time for everyone.
    least_patience: f64,
    laws: Vec<Law>,
    /// Whether requests of some law take CPU, so that it can be short.
    may_share: bool,
    faults: Option<(f64, Stream)>,
    node_stream: Stream,
    health_check_stream: Stream,
    batch: Batch,
    /// Requests that are drawn at once.
    room: usize,
    stations: Vec<Station>,
    /// What each station holds while its CPU is short.
    sharing: Vec<Sharing>,
    /// When the servers of each station are free next: a row of `stride` for each, its first `servers` in use.
    free_at: Vec<f64>,
    stride: usize,
    /// CPU time done in this second, by station.
    cpu_done: Vec<f64>,
    /// The station of each task that has one.
    station_of_task: BTreeMap<Id<Task>, usize>,
    /// Stations whose task is gone, to be used again.
    vacant: Vec<usize>,
    rotation: Rotation,
    /// The chances of requests whose target is chosen at random.
    chances: Option<Stream>,
    /// How long the callers of each workload wait, nanoseconds.
    patience: Vec<f64>,
    kernel: Kernel,
    seen_version: Option<u64>,
    in_flight: Vec<InFlight>,
    /// Look for those that have ended when so many are in flight.
    settle_at: usize,
    /// Whether requests were served without keeping the stations' queues.
    queues_are_stale: bool,
    minute: Window,
    total_counts: RequestCounts,
    total_histogram: Histogram,
    lanes: Lanes,
}

/// How requests can be served while the candidates stand as they do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kernel {
    /// One by one, with all that can befall a request.
    Careful,
    /// Every candidate works by this law on so many servers, is up, and has all the CPU its threads can use. Fits as
    /// long as no queue can fill.
    Plain { law: usize, servers: usize, least_queue: usize },
    /// Every candidate works by this law, is up and shares its CPU, and how they fare does not decide where requests go.
    Sharing { law: usize },
}

/// One workload's arrivals, a batch at a time.
struct Source {
    arrivals: Arrivals,
    patience: Patience,
    times: Vec<f64>,
    next: usize,
    has_ended: bool,
}

/// How long a caller waits, and whose patience ends first.
#[derive(Clone, Copy)]
struct Patience {
    nanos: f64,
    is_callers: bool,
}

/// What a request costs a task of one revision; all laws are drawn for each request, from streams of the same names, so
/// that a revision that costs twice as much does so for each single request.
struct Law {
    cpu: Drawn,
    wait: Drawn,
    /// Both together: the time on a server where CPU is not short.
    work: Vec<f64>,
    cancels: bool,
    /// Whether requests take CPU at all.
    computes: bool,
}

struct Drawn {
    distribution: Distribution,
    stream: Stream,
    nanos: Vec<f64>,
}

impl Drawn {
    fn new(distribution: &Distribution, stream: Stream) -> Drawn {
        Drawn { distribution: distribution.clone(), stream, nanos: Vec::new() }
    }

    fn fill(&mut self, len: usize) {
        self.distribution.fill(&mut self.stream, &mut self.nanos[..len]);
    }
}

/// Requests whose fate is drawn and that have not been served yet.
#[derive(Default)]
struct Batch {
    arrival: Vec<f64>,
    source: Vec<u32>,
    node: Vec<u32>,
    is_fault: Vec<bool>,
    /// By which a target is chosen at random, from 0 to 1.
    chance: Vec<f64>,
    next: usize,
    len: usize,
    /// Written by the kernels: stations, and ends (where CPU is shared, the lengths of responses as they come).
    place: Vec<u32>,
    end: Vec<f64>,
    /// The bucket of its response time, where it was simply served.
    bucket: Vec<u32>,
    /// Those of a segment that were not; one more than there are requests is room to write without asking.
    late: Vec<u32>,
}

/// What is counted until the minute closes.
#[derive(Clone, Default)]
struct Window {
    counts: RequestCounts,
    routed: u64,
    histogram: Histogram,
}

/// How a request ends for its caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Served,
    Target5xx,
    Elb504,
    ClientTimeout,
    /// A health check; it is not counted.
    Probe,
}

/// A request that outlived the segment it arrived in.
#[derive(Clone)]
struct InFlight {
    arrival: f64,
    start: f64,
    /// When its CPU part is done.
    cpu_end: f64,
    end: f64,
    /// When it ends for its caller: at its end or at the end of patience.
    caller_end: f64,
    /// The end of patience.
    deadline: f64,
    cpu: f64,
    /// How much of its CPU time has been counted.
    cpu_counted: f64,
    place: u32,
    node: u32,
    kind: JobKind,
    outcome: Outcome,
    caller_has_ended: bool,
    /// Whether it will be dropped from the queue without having started.
    is_dropped: bool,
}

impl InFlight {
    /// CPU time done by `now`.
    fn cpu_done(&self, now: f64) -> f64 {
        if now >= self.cpu_end {
            self.cpu
        } else if now <= self.start {
            0.0
        } else {
            whole_nanos(self.cpu * ((now - self.start) / (self.cpu_end - self.start)))
        }
    }
}

impl Lane {
    /// The lane of a service; `None` without a load balancer.
    pub fn new(scenario: &Scenario, service: Id<ServiceDefinition>, seed: Seed) -> Option<Lane> {
        let definition = &scenario.services[service];
        let load_balancer = definition.load_balancer.as_ref()?;
        let group = &scenario.target_groups[load_balancer.target_group];
        let balancer = &scenario.load_balancers[group.load_balancer];
        let zones = if group.cross_zone { 1 } else { balancer.availability_zones.len() };
        let name = &definition.name;
        let sources: Vec<Source> = scenario
            .workloads
            .iter()
            .filter(|it| it.service == service)
            .map(|it| {
                let idle = balancer.idle_timeout;
                let patience = match it.timeout {
                    Some(timeout) if timeout <= idle => Patience { nanos: timeout.0 as f64, is_callers: true },
                    _ => Patience { nanos: idle.0 as f64, is_callers: false },
                };
                Source {
                    arrivals: Arrivals::new(&it.arrivals, seed.stream("arrivals", &it.name)),
                    patience,
                    times: Vec::new(),
                    next: 0,
                    has_ended: false,
                }
            })
            .collect();
        let revisions = revisions_of(scenario, service);
        let applications: Vec<&Application> =
            revisions.into_iter().map(|it| serving_application(scenario, it, load_balancer.container)).collect();
        let laws: Vec<Law> = applications
            .iter()
            .map(|application| Law {
                cpu: Drawn::new(&application.cpu_time, seed.stream("cpu time", name)),
                wait: Drawn::new(&application.wait_time, seed.stream("wait time", name)),
                work: Vec::new(),
                cancels: application.cancel_on_timeout,
                computes: application.cpu_time != Distribution::Constant(Span::ZERO),
            })
            .collect();
        let error_share = applications[0].error_share;
        Some(Lane {
            target_group: load_balancer.target_group,
            container: load_balancer.container,
            least_patience: sources.iter().map(|it| it.patience.nanos).fold(f64::INFINITY, f64::min),
            patience: sources.iter().map(|it| it.patience.nanos).collect(),
            sources,
            may_share: laws.iter().any(|it| it.computes),
            laws,
            faults: (error_share > 0.0).then(|| (error_share, seed.stream("faults", name))),
            node_stream: seed.stream("load balancer node", name),
            health_check_stream: seed.stream("health check cpu time", name),
            batch: Batch::default(),
            room: 0,
            stations: Vec::new(),
            sharing: Vec::new(),
            free_at: Vec::new(),
            stride: applications
                .iter()
                .map(|it| it.concurrency.max(1) as usize)
                .max()
                .unwrap_or(1)
                .min(SERVERS_MAXIMUM),
            cpu_done: Vec::new(),
            station_of_task: BTreeMap::new(),
            vacant: Vec::new(),
            rotation: Rotation::new(group.algorithm, balancer.nodes.max(1) as usize, zones),
            chances: (group.algorithm == RoutingAlgorithm::WeightedRandom).then(|| seed.stream("target", name)),
            kernel: Kernel::Careful,
            seen_version: None,
            in_flight: Vec::new(),
            settle_at: SETTLED_AT_LEAST,
            queues_are_stale: false,
            minute: Window::default(),
            total_counts: RequestCounts::default(),
            total_histogram: Histogram::default(),
            lanes: Lanes::default(),
        })
    }

    /// Serves from `now` to `until`.
    pub fn advance(&mut self, scenario: &Scenario, cluster: &Cluster, now: Instant, until: Instant) {
        self.look(scenario, cluster, now);
        let until = until.0 as f64;
        loop {
            if self.batch.next == self.batch.len && !self.draw() {
                break;
            }
            let arrivals = &self.batch.arrival[self.batch.next..self.batch.len];
            let due = arrivals.partition_point(|&it| it < until);
            if due == 0 {
                break;
            }
            // Where the batch ends, what still waits is kept: the next one may have to know how many do.
            let horizon = if due < arrivals.len() { until } else { arrivals[due - 1] };
            self.serve(due, horizon);
            if self.in_flight.len() >= self.settle_at {
                // What is found to have ended pays for the looking.
                self.settle(horizon);
                self.settle_at = SETTLED_AT_LEAST.max(2 * self.in_flight.len());
            }
        }
        self.run_sharing(until);
    }

    /// Lets the stations whose CPU is short run until `until`.
    fn run_sharing(&mut self, until: f64) {
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
    fn run_station(&mut self, place: usize, until: f64) {
        let Lane { sharing, stations, rotation, minute, .. } = self;
        let sharing = &mut sharing[place];
        if sharing.next() > until {
            return;
        }
        let counts_requests = rotation.counts_requests();
        sharing.run(until, |job, end| {
            if job.kind == JobKind::Probe {
                stations[place].probe_answered = Some(end);
            } else if !job.caller_has_ended {
                minute.count_job(job, end);
                if counts_requests {
                    rotation.ended(job.node as usize, place);
                }
            }
        });
        sharing.expire(until, |job| {
            minute.count_job(job, f64::INFINITY);
            if counts_requests {
                rotation.ended(job.node as usize, place);
            }
        });
    }

    /// Reacts to what control has changed since the last look: at the instant of the change, before anything arrives.
    pub fn look(&mut self, scenario: &Scenario, cluster: &Cluster, now: Instant) {
        if self.seen_version == Some(cluster.version) {
            return;
        }
        self.seen_version = Some(cluster.version);
        self.settle(now.0 as f64);
        let registered = &cluster.target_groups[self.target_group.index()];
        for &target in registered {
            let task = cluster.targets[target].task;
            if !self.station_of_task.contains_key(&task) {
                self.add_station(scenario, cluster, (task, target), now);
            }
        }
        let mut gone = Vec::new();
        for (&task, &place) in &self.station_of_task {
            let station = &mut self.stations[place];
            let is_up = cluster.tasks[task].process_is_up;
            let was_up = std::mem::replace(&mut station.is_up, is_up);
            let is_unused = cluster.targets[station.target].state == TargetState::Unused;
            if was_up && !is_up {
                gone.push((place, true));
            } else if is_unused {
                gone.push((place, false));
            }
        }
        if !gone.is_empty() {
            self.cut_off(&gone, now.0 as f64);
        }
        self.forget_stopped(cluster);
        let pools = self.pools(scenario, cluster);
        let awaited = self.in_flight.iter().filter(|it| it.is_awaited(now.0 as f64));
        let awaited =
            awaited.map(|it| Awaited { node: it.node as usize, place: it.place as usize, until: it.caller_end });
        let of_sharing = self.sharing.iter().enumerate().flat_map(|(place, sharing)| {
            let awaited = sharing.jobs().filter(|it| !it.caller_has_ended);
            awaited.map(move |it| Awaited { node: it.node as usize, place, until: f64::INFINITY })
        });
        let awaited = awaited.chain(of_sharing);
        self.rotation.renew(pools, awaited);
        self.choose_kernel();
    }

    /// The targets that each zone's nodes send to, or all nodes: the healthy ones, or all where those are too few.
    fn pools(&self, scenario: &Scenario, cluster: &Cluster) -> Vec<Vec<(usize, Option<Ramp>)>> {
        let group = &scenario.target_groups[self.target_group];
        let zones = &scenario.load_balancers[group.load_balancer].availability_zones;
        let zone_of = |target: &Target| {
            let instance = cluster.tasks[target.task].instance.map(|it| cluster.instances[it].availability_zone);
            instance.map_or(Some(0), |zone| zones.iter().position(|it| *it == zone))
        };
        let mut pools = vec![Vec::new(); if group.cross_zone { 1 } else { zones.len().max(1) }];
        for &target in &cluster.target_groups[self.target_group.index()] {
            let target = &cluster.targets[target];
            let is_in_pool =
                matches!(target.state, TargetState::Initial | TargetState::Healthy | TargetState::Unhealthy);
            // A target outside of the load balancer's zones is unused.
            if let Some(zone) = zone_of(target).filter(|_| is_in_pool) {
                pools[if group.cross_zone { 0 } else { zone }].push(target);
            }
        }
        let slow_start = group.slow_start.0 as f64;
        let of_target = |it: &&Target| {
            let begin = it.slow_start_since.map(|it| it.0 as f64);
            let ramp = begin.map(|begin| Ramp { begin, end: begin + slow_start });
            (self.station_of_task[&it.task], ramp)
        };
        let chosen = pools.into_iter().map(|pool: Vec<&Target>| {
            let is_healthy = |it: &&&Target| it.state == TargetState::Healthy;
            let healthy = pool.iter().filter(is_healthy).count();
            if group.unhealthy_state_routing.is_missed(healthy, pool.len()) {
                pool.iter().map(of_target).collect()
            } else {
                pool.iter().filter(is_healthy).map(of_target).collect()
            }
        });
        chosen.collect()
    }

    fn choose_kernel(&mut self) {
        self.kernel = Kernel::Careful;
        let Some(first) = self.rotation.places().next().map(|it| &self.stations[it]) else { return };
        let is_plain = |it: &Station| it.is_up && it.law == first.law && it.servers == first.servers && !it.shares_cpu;
        let candidates = self.rotation.places().map(|it| &self.stations[it]);
        if self.rotation.serves_all()
            && candidates.clone().all(is_plain)
            && first.servers <= SERVERS_MAXIMUM
            && !self.laws[first.law].cancels
        {
            let least_queue = candidates.map(|it| it.queue).min().unwrap_or(0);
            self.kernel = Kernel::Plain { law: first.law, servers: first.servers, least_queue };
        } else if self.rotation.serves_all()
            && !self.rotation.counts_requests()
            && self.rotation.places().all(|it| {
                let it = &self.stations[it];
                it.is_up && it.law == first.law && it.shares_cpu
            })
        {
            self.kernel = Kernel::Sharing { law: first.law };
        }
    }

    /// Puts a health check into a target's queue.
    pub fn probe(&mut self, scenario: &Scenario, cluster: &Cluster, target: Id<Target>, now: Instant) -> ProbeAnswer {
        let task = cluster.targets[target].task;
        let application = serving_application(scenario, cluster.tasks[task].task_definition, self.container);
        let cpu = application.health_check_cpu_time.sample(&mut self.health_check_stream).0 as f64;
        let Some(&place) = self.station_of_task.get(&task) else { return ProbeAnswer::Refused };
        let arrival = now.0 as f64;
        if self.stations[place].shares_cpu {
            return self.probe_sharing(place, cpu, arrival);
        }
        self.refresh_queues(arrival);
        let station = &mut self.stations[place];
        let row = &mut self.free_at[place * self.stride..][..self.stride];
        let free_at = station.free_at(row);
        if !station.is_up || (free_at > arrival && station.refuses(arrival)) {
            return ProbeAnswer::Refused;
        }
        let start = free_at.max(arrival);
        let end = start + cpu;
        station.takes(arrival, start);
        station.occupy(row, end);
        station.in_flight += 1;
        self.cpu_done[place] += cpu;
        self.in_flight.push(InFlight {
            arrival,
            start,
            cpu_end: end,
            end,
            caller_end: end,
            deadline: f64::INFINITY,
            cpu,
            cpu_counted: cpu,
            place: place as u32,
            node: 0,
            kind: JobKind::Probe,
            outcome: Outcome::Probe,
            caller_has_ended: true,
            is_dropped: false,
        });
        ProbeAnswer::After(Span((end - arrival) as u64))
    }

    fn probe_sharing(&mut self, place: usize, cpu: f64, now: f64) -> ProbeAnswer {
        self.run_station(place, now);
        self.stations[place].probe_answered = None;
        let job = Job {
            arrival: now,
            cpu,
            wait: 0.0,
            deadline: f64::INFINITY,
            node: 0,
            kind: JobKind::Probe,
            caller_has_ended: true,
        };
        let is_taken = self.stations[place].is_up && self.take_job(place, now, job);
        if is_taken { self.foretold(place, now) } else { ProbeAnswer::Refused }
    }

    /// What has come of the health check that a target was sent.
    pub fn probe_answer(&self, cluster: &Cluster, target: Id<Target>, now: Instant) -> ProbeAnswer {
        let Some(&place) = self.station_of_task.get(&cluster.targets[target].task) else { return ProbeAnswer::Refused };
        self.foretold(place, now.0 as f64)
    }

    /// When the health check of a station is answered, if nothing comes before.
    fn foretold(&self, place: usize, now: f64) -> ProbeAnswer {
        if self.stations[place].probe_answered.is_some() {
            return ProbeAnswer::Answered;
        }
        match self.sharing[place].foretell_probe() {
            Some(end) => ProbeAnswer::NotBefore(Span((end - now).max(1.0) as u64)),
            None => ProbeAnswer::Refused,
        }
    }

    /// Gives a job to a station whose CPU is short; tells whether it was taken.
    #[inline(always)]
    fn take_job(&mut self, place: usize, now: f64, job: Job) -> bool {
        let Lane { sharing, rotation, minute, .. } = self;
        let counts_requests = rotation.counts_requests();
        sharing[place].take(now, job, |dropped, _| {
            if !dropped.caller_has_ended {
                minute.count_job(dropped, f64::INFINITY);
                if counts_requests {
                    rotation.ended(dropped.node as usize, place);
                }
            }
        })
    }

    /// Requests of a target that still wait for their answer at `now`.
    pub fn in_flight_of(&self, target: Id<Target>, now: Instant) -> u32 {
        let now = now.0 as f64;
        let is_here = |it: &&InFlight| self.stations[it.place as usize].target == target && it.is_awaited(now);
        let of_queues = self.in_flight.iter().filter(is_here).count();
        let here = self.stations.iter().zip(&self.sharing).filter(|(station, _)| station.target == target);
        let of_sharing: usize = here.map(|(_, it)| it.jobs().filter(|it| it.is_awaited(now)).count()).sum();
        (of_queues + of_sharing) as u32
    }

    /// Where the station of a task is.
    pub fn place_of(&self, task: Id<Task>) -> Option<usize> {
        self.station_of_task.get(&task).copied()
    }

    /// The station at a place, and the CPU time it has done in this second.
    pub fn station(&mut self, place: usize) -> (&mut Station, f64) {
        (&mut self.stations[place], self.cpu_done[place])
    }

    /// A second ends: counts what has ended, and of what is in flight the CPU time it has done by `now`.
    pub fn second_ends(&mut self, now: Instant) {
        let now = now.0 as f64;
        self.settle(now);
        for it in self.in_flight.iter_mut().filter(|it| it.cpu > 0.0) {
            let done = it.cpu_done(now);
            self.cpu_done[it.place as usize] += done - it.cpu_counted;
            it.cpu_counted = done;
        }
        if !self.may_share {
            return;
        }
        for (place, station) in self.stations.iter_mut().enumerate().filter(|(_, it)| it.shares_cpu) {
            self.cpu_done[place] += self.sharing[place].used(now) - station.used_before;
            station.in_flight = self.sharing[place].held() as u32;
        }
    }

    /// A second begins, with what each station may use of the CPU.
    pub fn second_begins(&mut self, now: Instant) {
        let now = now.0 as f64;
        self.cpu_done.fill(0.0);
        for it in self.in_flight.iter_mut().filter(|it| it.cpu > 0.0) {
            // What will still be done is counted as if it were: the end of the second takes back what lies beyond.
            self.cpu_done[it.place as usize] += it.cpu - it.cpu_counted;
            it.cpu_counted = it.cpu;
        }
        if self.may_share {
            for place in 0..self.stations.len() {
                self.shares_or_not(place, now);
            }
            self.choose_kernel();
        }
    }

    /// Lets the threads of a station share its CPU, or not, as it is short of it or not.
    fn shares_or_not(&mut self, place: usize, now: f64) {
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
    fn begin_sharing(&mut self, place: usize, now: f64) {
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
    fn end_sharing(&mut self, place: usize, now: f64) {
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

    /// Closes the minute.
    pub fn close_minute(&mut self, now: Instant) -> ServiceTraffic {
        self.settle(now.0 as f64);
        let closed = ServiceTraffic {
            counts: std::mem::take(&mut self.minute.counts),
            routed: std::mem::take(&mut self.minute.routed),
            response_time_ms: response_times(&self.minute.histogram),
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
                open.count(it.outcome, it.caller_end - it.arrival);
            }
        }
        for job in self.sharing.iter().flat_map(Sharing::jobs) {
            if job.is_awaited(now.0 as f64) {
                in_flight += 1;
            } else if !job.caller_has_ended {
                open.count_job(job, f64::INFINITY);
            }
        }
        open.counts.add(&self.total_counts);
        open.histogram.merge(&self.total_histogram);
        let response_time_ms = response_times(&open.histogram);
        RequestTotals { counts: open.counts, in_flight, response_time_ms, histogram: open.histogram }
    }

    /// Draws the next batch; `false` when nothing more arrives.
    fn draw(&mut self) -> bool {
        self.make_room();
        self.batch.next = 0;
        self.batch.len = match &mut self.sources[..] {
            [only] => only.arrivals.fill(&mut self.batch.arrival),
            _ => self.merge(),
        };
        let n = self.batch.len;
        for law in &mut self.laws {
            law.cpu.fill(n);
            law.wait.fill(n);
            add(&law.cpu.nanos[..n], &law.wait.nanos[..n], &mut law.work[..n]);
        }
        let nodes = self.rotation.nodes();
        if nodes > 1 {
            for node in &mut self.batch.node[..n] {
                *node = self.node_stream.below(nodes) as u32;
            }
        }
        if let Some(stream) = &mut self.chances {
            self.batch.chance[..n].iter_mut().for_each(|it| *it = stream.unit());
        }
        if let Some((share, stream)) = &mut self.faults {
            for is_fault in &mut self.batch.is_fault[..n] {
                *is_fault = stream.unit() <= *share;
            }
        }
        n > 0
    }

    /// Lets batches grow where requests come so fast that one is soon over.
    fn make_room(&mut self) {
        let times = &self.batch.arrival[..self.batch.len];
        let is_short = times.last().is_some_and(|last| last - times[0] < BATCH_LASTS);
        let wanted = if is_short { (2 * self.room).min(BATCH_MOST) } else { self.room.max(BATCH_LEAST) };
        if wanted == self.room {
            return;
        }
        self.room = wanted;
        let batch = &mut self.batch;
        for times in [&mut batch.arrival, &mut batch.chance, &mut batch.end] {
            times.resize(wanted, 0.0);
        }
        for numbers in [&mut batch.source, &mut batch.node, &mut batch.place, &mut batch.bucket] {
            numbers.resize(wanted, 0);
        }
        batch.is_fault.resize(wanted, false);
        batch.late.resize(wanted + 1, 0);
        for law in &mut self.laws {
            for times in [&mut law.cpu.nanos, &mut law.wait.nanos, &mut law.work] {
                times.resize(wanted, 0.0);
            }
        }
    }

    /// The next arrivals of several workloads in order of time, as many as the batch has room for.
    fn merge(&mut self) -> usize {
        let batch = &mut self.batch;
        let mut len = 0;
        while len < self.room {
            let mut earliest: Option<(f64, usize)> = None;
            // The one that comes first, and until when the others come after it; at a tie the first workload leads.
            let mut until = f64::INFINITY;
            let mut ties = true;
            for place in 0..self.sources.len() {
                let Some(time) = self.sources[place].peek() else { continue };
                match earliest {
                    Some((first, _)) if time >= first => {
                        if time < until {
                            (until, ties) = (time, true);
                        }
                    }
                    other => {
                        if let Some((first, _)) = other {
                            (until, ties) = (first, false);
                        }
                        earliest = Some((time, place));
                    }
                }
            }
            let Some((_, place)) = earliest else { break };
            let source = &mut self.sources[place];
            while len < self.room
                && let Some(&time) = source.times.get(source.next)
                && (time < until || (time == until && ties))
            {
                batch.arrival[len] = time;
                batch.source[len] = place as u32;
                source.next += 1;
                len += 1;
            }
        }
        len
    }

    /// Serves the next `due` requests of the batch, all of which arrive before `until`.
    fn serve(&mut self, due: usize, until: f64) {
        let requests = self.batch.next..self.batch.next + due;
        let all = &self.batch.arrival[..self.batch.len];
        self.rotation.expect(due, (all[all.len() - 1] - all[0]) / all.len() as f64);
        self.batch.next += due;
        self.minute.counts.arrived += due as u64;
        match self.kernel {
            Kernel::Plain { law, servers, least_queue }
                if !self.a_queue_can_fill(due, servers, least_queue) && self.rotation.is_dealt_apart() =>
            {
                self.minute.routed += due as u64;
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
                for late in 0..self.count_served(requests.clone(), until) {
                    let offset = self.batch.late[late] as usize;
                    if let (Some((width, first)), Some((places, _))) = (turn, self.rotation.dealt_in_turn(now)) {
                        self.batch.place[requests.start + offset] = places[(first + offset) % width] as u32;
                    }
                    self.ends_otherwise(requests.start + offset, law, until);
                }
            }
            Kernel::Sharing { law } => {
                self.minute.routed += due as u64;
                self.serve_sharing(requests, law);
            }
            _ => {
                self.refresh_queues(self.batch.arrival[requests.start]);
                requests.for_each(|it| self.serve_carefully(it, until));
            }
        }
    }

    /// Whether so many more requests could find a queue full, however they come.
    fn a_queue_can_fill(&self, due: usize, servers: usize, least_queue: usize) -> bool {
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
    fn serve_side_by_side(&mut self, range: Range<usize>, law: usize, servers: usize) {
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

    fn serve_routed(&mut self, range: Range<usize>, law: usize, servers: usize) {
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

    fn serve_at_fewest(&mut self, range: Range<usize>, law: usize, servers: usize) {
        let Batch { arrival, node, source, place, end, .. } = &mut self.batch;
        let law = &self.laws[law];
        let mut requests = Requests {
            arrivals: &arrival[range.clone()],
            work: &law.work[range.clone()],
            cpu: &law.cpu.nanos[range.clone()],
            ends: &mut end[range.clone()],
        };
        let callers =
            Callers { nodes: &node[range.clone()], sources: &source[range.clone()], patience: &self.patience };
        let stations =
            kernel::Stations { servers, stride: self.stride, free_at: &mut self.free_at, cpu_done: &mut self.cpu_done };
        if let Some(pool) = self.rotation.dealt_to_fewest() {
            kernel::serve_at_fewest(&mut requests, &callers, pool, &mut place[range], stations);
        }
    }

    /// Counts the requests of a plain segment that were simply served by `until`; how many were not, and are now listed
    /// as late, by their place in the segment.
    fn count_served(&mut self, range: Range<usize>, until: f64) -> usize {
        let Batch { arrival, end, is_fault, bucket, late, .. } = &mut self.batch;
        let (arrivals, ends, buckets) = (&arrival[range.clone()], &end[range.clone()], &mut bucket[range.clone()]);
        let mut sum = served_buckets(arrivals, ends, until, self.least_patience, buckets);
        if self.faults.is_some() {
            for ((bucket, _), (arrival, end)) in
                buckets.iter_mut().zip(&is_fault[range]).zip(arrivals.iter().zip(ends)).filter(|it| *it.0.1)
            {
                if std::mem::replace(bucket, NO_BUCKET) != NO_BUCKET {
                    sum -= (end - arrival) as u64;
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
    fn ends_otherwise(&mut self, request: usize, law: usize, until: f64) {
        let end = self.batch.end[request];
        let law = &self.laws[law];
        let (cpu, start) = (law.cpu.nanos[request], end - law.work[request]);
        self.ends_later(request, self.batch.place[request] as usize, start, start + cpu, end, cpu, until);
    }

    /// Serves one request, with all that can befall it.
    fn serve_carefully(&mut self, request: usize, until: f64) {
        let batch = &self.batch;
        let arrival = batch.arrival[request];
        let node = batch.node[request] as usize;
        if self.rotation.counts_requests() {
            self.run_sharing(arrival);
        }
        let batch = &self.batch;
        let Some(place) = self.rotation.choose(node, arrival, batch.chance[request]) else {
            self.minute.counts.elb_503 += 1;
            return;
        };
        self.minute.routed += 1;
        if self.stations[place].shares_cpu {
            self.share(request, place, node, arrival);
            return;
        }
        let station = &mut self.stations[place];
        let row = &mut self.free_at[place * self.stride..][..self.stride];
        let free_at = station.free_at(row);
        if !station.is_up || (free_at > arrival && station.refuses(arrival)) {
            self.minute.counts.elb_502 += 1;
            return;
        }
        let start = free_at.max(arrival);
        let law = &self.laws[station.law];
        let deadline = arrival + self.sources[batch.source[request] as usize].patience.nanos;
        if law.cancels && start > deadline {
            // It holds its place in the queue until its caller gives up, and never a server.
            station.giving_up.push(deadline);
            self.rotation.sent(node, place, deadline);
            self.ends_later(request, place, deadline, deadline, f64::INFINITY, 0.0, until);
            return;
        }
        let cpu = law.cpu.nanos[request];
        let cpu_end = start + cpu;
        let end = cpu_end + law.wait.nanos[request];
        station.takes(arrival, start);
        station.occupy(row, end);
        self.rotation.sent(node, place, end.min(deadline));
        self.cpu_done[place] += cpu;
        if end <= until && end <= deadline && !batch.is_fault[request] {
            self.minute.counts.served += 1;
            self.minute.histogram.record((end - arrival) as u64);
        } else {
            self.ends_later(request, place, start, cpu_end, end, cpu, until);
        }
    }

    /// Requests to stations that all are short of CPU.
    fn serve_sharing(&mut self, range: Range<usize>, law: usize) {
        let Lane { batch, rotation, sharing, stations, minute, laws, patience, sources, .. } = self;
        let Batch { arrival, node, chance, source, is_fault, place, end: responses, .. } = batch;
        let (law, mut served) = (&laws[law], 0);
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
                deadline: now + patience[source],
                node: node[request],
                kind,
                caller_has_ended: false,
            };
            let station = &mut sharing[place];
            station.run(now, |job, end| {
                if job.is_simply_served(end) {
                    responses[served] = end - job.arrival;
                    served += 1;
                    if served == responses.len() {
                        minute.count_served(responses);
                        served = 0;
                    }
                } else if job.kind == JobKind::Probe {
                    stations[place].probe_answered = Some(end);
                } else if !job.caller_has_ended {
                    minute.count_job(job, end);
                }
            });
            let is_taken = station.take(now, job, |dropped, _| {
                if !dropped.caller_has_ended {
                    minute.count_job(dropped, f64::INFINITY);
                }
            });
            minute.counts.elb_502 += u64::from(!is_taken);
        }
        minute.count_served(&responses[..served]);
    }

    /// Gives a request to a station whose CPU is short.
    #[inline(always)]
    fn share(&mut self, request: usize, place: usize, node: usize, arrival: f64) {
        self.run_station(place, arrival);
        let batch = &self.batch;
        let law = &self.laws[self.stations[place].law];
        let patience = self.sources[batch.source[request] as usize].patience;
        let deadline = arrival + patience.nanos;
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

    /// Settles a request that was not simply served within its segment; an `end` in infinity is one that is dropped.
    #[inline(always)]
    #[expect(clippy::too_many_arguments, reason = "the fate of one request, which is stored only if it lasts")]
    fn ends_later(&mut self, request: usize, place: usize, start: f64, cpu_end: f64, end: f64, cpu: f64, until: f64) {
        let arrival = self.batch.arrival[request];
        let patience = self.sources[self.batch.source[request] as usize].patience;
        let deadline = arrival + patience.nanos;
        let is_fault = self.batch.is_fault[request];
        let outcome = outcome(end <= deadline, patience.is_callers, is_fault);
        let caller_end = smaller(end, deadline);
        let caller_has_ended = caller_end <= until;
        if caller_has_ended {
            self.minute.count(outcome, caller_end - arrival);
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
            node: self.batch.node[request],
            kind: JobKind::Request { is_callers_patience: patience.is_callers, is_fault },
            outcome,
            caller_has_ended,
            is_dropped,
        });
    }

    /// Counts what has ended by `until` of the requests in flight.
    fn settle(&mut self, until: f64) {
        let (stations, cpu_done, window) = (&mut self.stations, &mut self.cpu_done, &mut self.minute);
        self.in_flight.retain_mut(|it| {
            if !it.caller_has_ended && it.caller_end <= until {
                it.caller_has_ended = true;
                window.count(it.outcome, it.caller_end - it.arrival);
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
    fn refresh_queues(&mut self, now: f64) {
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

    /// Callers of these stations get 502 for what is in flight; of those whose process is gone, nothing is left at all.
    fn cut_off(&mut self, gone: &[(usize, bool)], now: f64) {
        let mut fate = vec![None; self.stations.len()];
        for &(place, process_is_gone) in gone {
            fate[place] = Some(process_is_gone);
            let sharing = &mut self.sharing[place];
            for job in sharing.jobs_mut().filter(|it| !it.caller_has_ended) {
                job.caller_has_ended = true;
                self.minute.counts.elb_502 += 1;
            }
            if process_is_gone {
                let row = &mut self.free_at[place * self.stride..][..self.stride];
                self.stations[place].frees_all(row, 0.0);
                self.stations[place].empty();
                sharing.pass(now);
                sharing.empty();
            }
        }
        let (window, cpu_done) = (&mut self.minute, &mut self.cpu_done);
        self.in_flight.retain_mut(|it| {
            let Some(process_is_gone) = fate[it.place as usize] else { return true };
            if !it.caller_has_ended {
                debug_assert!(it.caller_end > now, "what has ended is settled before the cluster is looked at");
                it.caller_has_ended = true;
                window.counts.elb_502 += 1;
            }
            if process_is_gone {
                cpu_done[it.place as usize] += it.cpu_done(now) - it.cpu_counted;
            }
            !process_is_gone
        });
    }

    fn add_station(
        &mut self,
        scenario: &Scenario,
        cluster: &Cluster,
        (task, target): (Id<Task>, Id<Target>),
        now: Instant,
    ) {
        let revision = cluster.tasks[task].task_definition;
        let revisions = revisions_of(scenario, cluster.tasks[task].service);
        let law = revisions.iter().position(|it| *it == revision).expect("a task runs a revision its service names");
        let application = serving_application(scenario, revision, self.container);
        let servers = application.concurrency.max(1) as usize;
        let mut station = Station::new(task, target, law, servers, application.queue as usize);
        if let Some(cap) = scenario.task_definitions[revision].cpu {
            station.is_offered(f64::from(cap));
        }
        let sharing = Sharing::new(servers, application.queue as usize, self.laws[law].cancels);
        let place = match self.vacant.pop() {
            Some(place) => {
                self.stations[place] = station;
                self.sharing[place] = sharing;
                place
            }
            None => {
                self.stations.push(station);
                self.sharing.push(sharing);
                self.free_at.resize(self.stations.len() * self.stride, 0.0);
                self.cpu_done.push(0.0);
                self.stations.len() - 1
            }
        };
        self.station_of_task.insert(task, place);
        self.shares_or_not(place, now.0 as f64);
    }

    /// Gives the places of stopped tasks back. Their processes are gone, so nothing of theirs is in flight.
    fn forget_stopped(&mut self, cluster: &Cluster) {
        let Lane { station_of_task, vacant, cpu_done, stations, sharing, .. } = self;
        station_of_task.retain(|&task, place| {
            let is_idle = stations[*place].in_flight == 0 && sharing[*place].held() == 0;
            let stays = cluster.tasks[task].stopped_at.is_none() || !is_idle;
            if !stays {
                cpu_done[*place] = 0.0;
                vacant.push(*place);
            }
            stays
        });
    }
}

#[multiversion(targets = "simd")]
fn add(one: &[f64], other: &[f64], sum: &mut [f64]) {
    for ((sum, one), other) in sum.iter_mut().zip(one).zip(other) {
        *sum = one + other;
    }
}

/// Writes the bucket of each response that ends by `until` and takes no longer than `patience`, of the others
/// [`NO_BUCKET`]; the sum of the times of those that have a bucket.
#[multiversion(targets = "simd")]
fn served_buckets(arrivals: &[f64], ends: &[f64], until: f64, patience: f64, buckets: &mut [u32]) -> u64 {
    let mut sum = 0;
    for ((&arrival, &end), bucket) in arrivals.iter().zip(ends).zip(buckets) {
        let response = end - arrival;
        let is_served = (end <= until) & (response <= patience);
        let counted = if is_served { response } else { 0.0 };
        sum += whole_bits(counted);
        *bucket = if is_served { bucket_of_float(response) } else { NO_BUCKET };
    }
    sum
}

/// Lists where [`NO_BUCKET`] stands; how often.
#[multiversion(targets = "simd")]
fn without_bucket(buckets: &[u32], places: &mut [u32]) -> usize {
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

impl InFlight {
    /// Whether its caller still waits at `now`.
    fn is_awaited(&self, now: f64) -> bool {
        !self.caller_has_ended && self.caller_end > now
    }
}

impl Source {
    fn peek(&mut self) -> Option<f64> {
        if self.next == self.times.len() && !self.has_ended {
            self.times.resize(BATCH_LEAST, 0.0);
            let filled = self.arrivals.fill(&mut self.times);
            self.has_ended = filled < BATCH_LEAST;
            self.times.truncate(filled);
            self.next = 0;
        }
        self.times.get(self.next).copied()
    }
}

/// How a request ends for its caller.
fn outcome(is_in_time: bool, is_callers_patience: bool, is_fault: bool) -> Outcome {
    match is_in_time {
        false if is_callers_patience => Outcome::ClientTimeout,
        false => Outcome::Elb504,
        true if is_fault => Outcome::Target5xx,
        true => Outcome::Served,
    }
}

impl Job {
    /// How it ends for its caller, if it ends then.
    fn outcome(&self, end: f64) -> Outcome {
        match self.kind {
            JobKind::Probe => Outcome::Probe,
            JobKind::Request { is_callers_patience, is_fault } => {
                outcome(end <= self.deadline, is_callers_patience, is_fault)
            }
        }
    }

    /// Whether it is a request that is answered in time and without a fault.
    #[inline(always)]
    fn is_simply_served(&self, end: f64) -> bool {
        matches!(self.kind, JobKind::Request { is_fault: false, .. }) & !self.caller_has_ended & (end <= self.deadline)
    }

    /// Whether its caller still waits at `now`.
    fn is_awaited(&self, now: f64) -> bool {
        !self.caller_has_ended && self.deadline > now
    }
}

impl Window {
    /// Counts requests that were served, by their response times.
    fn count_served(&mut self, nanos: &[f64]) {
        self.counts.served += nanos.len() as u64;
        self.histogram.record_all(nanos);
    }

    /// Counts a job that ends then for the task.
    fn count_job(&mut self, job: &Job, end: f64) {
        self.count(job.outcome(end), end.min(job.deadline) - job.arrival);
    }

    fn count(&mut self, outcome: Outcome, nanos: f64) {
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

/// The revisions that a service runs at some time, its first one first.
fn revisions_of(scenario: &Scenario, service: Id<ServiceDefinition>) -> Vec<Id<TaskDefinition>> {
    let mut revisions = vec![scenario.services[service].task_definition];
    for entry in &scenario.timeline {
        if let TimelineChange::UpdateService { service: it, task_definition: Some(revision), .. } = entry.change
            && it == service
            && !revisions.contains(&revision)
        {
            revisions.push(revision);
        }
    }
    revisions
}

/// How the container that serves behaves; a revision with fewer containers is served by its first.
fn serving_application(scenario: &Scenario, revision: Id<TaskDefinition>, container: usize) -> &Application {
    let containers = &scenario.task_definitions[revision].containers;
    &containers.get(container).unwrap_or(&containers[0]).application
}

fn response_times(histogram: &Histogram) -> ResponseTimes {
    let millis = |nanos: Option<f64>| nanos.map(|it| it / 1e6);
    ResponseTimes {
        mean: millis(histogram.mean()),
        p50: millis(histogram.quantile(0.5)),
        p90: millis(histogram.quantile(0.9)),
        p99: millis(histogram.quantile(0.99)),
    }
}
