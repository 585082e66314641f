//! A lane: the requests of one service, from arrival to end.

use std::collections::BTreeMap;

use crate::aws::load_balancer::TargetGroup;
use crate::aws::service::ServiceDefinition;
use crate::aws::task_definition::{Application, TaskDefinition};
use crate::cluster::{Cluster, Target, TargetState, Task};
use crate::data::ServiceTraffic;
use crate::data::histogram::Histogram;
use crate::data::station::Station;
use crate::distribution::Distribution;
use crate::rng::{Seed, Stream};
use crate::run::{RequestCounts, RequestTotals, ResponseTimes};
use crate::scenario::{Scenario, TimelineChange};
use crate::table::Id;
use crate::units::{Instant, Span};
use crate::workload::arrivals::Arrivals;

/// Requests drawn at once.
const BATCH: usize = 1024;

/// The requests of one service.
pub struct Lane {
    target_group: Id<TargetGroup>,
    container: usize,
    sources: Vec<Source>,
    laws: Vec<Law>,
    faults: Option<(f64, Stream)>,
    node_stream: Stream,
    health_check_stream: Stream,
    batch: Batch,
    stations: Vec<Station>,
    /// The station of each task that has one.
    station_of_task: BTreeMap<Id<Task>, usize>,
    /// Stations that get requests, in order of registration.
    candidates: Vec<usize>,
    /// Where each load balancer node goes on among the candidates.
    turns: Vec<usize>,
    seen_version: Option<u64>,
    in_flight: Vec<InFlight>,
    minute: Window,
    total_counts: RequestCounts,
    total_histogram: Histogram,
}

/// One workload's arrivals, a batch at a time.
struct Source {
    arrivals: Arrivals,
    patience: Patience,
    times: Vec<u64>,
    next: usize,
    has_ended: bool,
}

/// How long a caller waits, and whose patience ends first.
#[derive(Clone, Copy)]
struct Patience {
    nanos: u64,
    is_callers: bool,
}

/// What a request costs a task of one revision; all laws are drawn for each request, from streams of the same names, so
/// that a revision that costs twice as much does so for each single request.
struct Law {
    cpu: Drawn,
    wait: Drawn,
    cancels: bool,
}

struct Drawn {
    distribution: Distribution,
    stream: Stream,
    nanos: Vec<u64>,
}

impl Drawn {
    fn new(distribution: &Distribution, stream: Stream) -> Drawn {
        Drawn { distribution: distribution.clone(), stream, nanos: vec![0; BATCH] }
    }
}

/// Requests whose fate is drawn and that have not been served yet.
struct Batch {
    arrival: Vec<u64>,
    patience: Vec<Patience>,
    node: Vec<u32>,
    is_fault: Vec<bool>,
    next: usize,
    len: usize,
}

/// What is counted until the minute closes.
#[derive(Default)]
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
struct InFlight {
    arrival: u64,
    start: u64,
    /// When its CPU part is done.
    cpu_end: u64,
    end: u64,
    /// When it ends for its caller: at its end or at the end of patience.
    caller_end: u64,
    cpu: u64,
    /// CPU time and runnable time that have been counted.
    cpu_counted: u64,
    runnable_counted: u64,
    station: u32,
    outcome: Outcome,
    caller_has_ended: bool,
}

impl Lane {
    /// The lane of a service; `None` without a load balancer or without requests or checks to serve.
    pub fn new(scenario: &Scenario, service: Id<ServiceDefinition>, seed: Seed) -> Option<Lane> {
        let definition = &scenario.services[service];
        let load_balancer = definition.load_balancer.as_ref()?;
        let balancer = &scenario.load_balancers[scenario.target_groups[load_balancer.target_group].load_balancer];
        let name = &definition.name;
        let sources = scenario
            .workloads
            .iter()
            .filter(|it| it.service == service)
            .map(|it| {
                let idle = balancer.idle_timeout;
                let patience = match it.timeout {
                    Some(timeout) if timeout <= idle => Patience { nanos: timeout.0, is_callers: true },
                    _ => Patience { nanos: idle.0, is_callers: false },
                };
                Source {
                    arrivals: Arrivals::new(&it.arrivals, seed.stream("arrivals", &it.name)),
                    patience,
                    times: vec![0; BATCH],
                    next: BATCH,
                    has_ended: false,
                }
            })
            .collect();
        let laws: Vec<Law> = revisions_of(scenario, service)
            .into_iter()
            .map(|revision| {
                let application = serving_application(scenario, revision, load_balancer.container);
                Law {
                    cpu: Drawn::new(&application.cpu_time, seed.stream("cpu time", name)),
                    wait: Drawn::new(&application.wait_time, seed.stream("wait time", name)),
                    cancels: application.cancel_on_timeout,
                }
            })
            .collect();
        let first = serving_application(scenario, definition.task_definition, load_balancer.container);
        let faults = (first.error_share > 0.0).then(|| (first.error_share, seed.stream("faults", name)));
        Some(Lane {
            target_group: load_balancer.target_group,
            container: load_balancer.container,
            sources,
            laws,
            faults,
            node_stream: seed.stream("load balancer node", name),
            health_check_stream: seed.stream("health check cpu time", name),
            batch: Batch {
                arrival: vec![0; BATCH],
                patience: vec![Patience { nanos: 0, is_callers: false }; BATCH],
                node: vec![0; BATCH],
                is_fault: vec![false; BATCH],
                next: 0,
                len: 0,
            },
            stations: Vec::new(),
            station_of_task: BTreeMap::new(),
            candidates: Vec::new(),
            turns: vec![0; balancer.nodes.max(1) as usize],
            seen_version: None,
            in_flight: Vec::new(),
            minute: Window::default(),
            total_counts: RequestCounts::default(),
            total_histogram: Histogram::default(),
        })
    }

    /// Serves from `now` to `until`.
    pub fn advance(&mut self, scenario: &Scenario, cluster: &Cluster, now: Instant, until: Instant) {
        self.look(scenario, cluster, now);
        self.settle(until.0);
        loop {
            if self.batch.next == self.batch.len && !self.draw() {
                return;
            }
            let arrivals = &self.batch.arrival[self.batch.next..self.batch.len];
            let due = arrivals.partition_point(|&it| it < until.0);
            if due == 0 {
                return;
            }
            self.serve(due, until.0);
        }
    }

    /// Reacts to what control has changed since the last look: at the instant of the change, before anything arrives.
    pub fn look(&mut self, scenario: &Scenario, cluster: &Cluster, now: Instant) {
        if self.seen_version == Some(cluster.version) {
            return;
        }
        self.seen_version = Some(cluster.version);
        let registered = &cluster.target_groups[self.target_group.index()];
        for &target in registered {
            let task = cluster.targets[target].task;
            if !self.station_of_task.contains_key(&task) {
                self.add_station(scenario, cluster, task, target);
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
                station.empty();
            } else if is_unused {
                gone.push((place, false));
            }
        }
        if !gone.is_empty() {
            self.cut_off(&gone, now.0);
        }
        self.forget_stopped(cluster);
        let pool: Vec<Id<Target>> = registered
            .iter()
            .copied()
            .filter(|&it| {
                matches!(
                    cluster.targets[it].state,
                    TargetState::Initial | TargetState::Healthy | TargetState::Unhealthy
                )
            })
            .collect();
        let healthy = |target: &Id<Target>| cluster.targets[*target].state == TargetState::Healthy;
        // Fail-open: with no healthy target the load balancer sends to all it has.
        let fails_open = !pool.iter().any(healthy);
        self.candidates.clear();
        let chosen = pool.iter().filter(|it| fails_open || healthy(it));
        self.candidates.extend(chosen.map(|&it| self.station_of_task[&cluster.targets[it].task]));
        for turn in &mut self.turns {
            *turn = turn.checked_rem(self.candidates.len()).unwrap_or(0);
        }
    }

    /// Puts a health check into a target's queue.
    pub fn probe(&mut self, scenario: &Scenario, cluster: &Cluster, target: Id<Target>, now: Instant) -> Option<Span> {
        let task = cluster.targets[target].task;
        let application = serving_application(scenario, cluster.tasks[task].task_definition, self.container);
        let cpu = application.health_check_cpu_time.sample(&mut self.health_check_stream).0;
        let place = *self.station_of_task.get(&task)?;
        let station = &mut self.stations[place];
        if !station.is_up {
            return None;
        }
        let start = station.start_of(now.0)?;
        let end = start + station.stretched(cpu);
        station.occupy(now.0, start, end);
        station.in_flight += 1;
        self.in_flight.push(InFlight {
            arrival: now.0,
            start,
            cpu_end: end,
            end,
            caller_end: end,
            cpu,
            cpu_counted: 0,
            runnable_counted: 0,
            station: place as u32,
            outcome: Outcome::Probe,
            caller_has_ended: true,
        });
        Some(Span(end - now.0))
    }

    /// Requests of a target that still wait for their answer.
    pub fn in_flight_of(&self, target: Id<Target>) -> u32 {
        let here = |it: &&InFlight| self.stations[it.station as usize].target == target && !it.caller_has_ended;
        self.in_flight.iter().filter(here).count() as u32
    }

    /// The station of a task.
    pub fn station_of(&mut self, task: Id<Task>) -> Option<&mut Station> {
        self.station_of_task.get(&task).map(|&place| &mut self.stations[place])
    }

    /// Counts what requests in flight have done of their CPU time by `now`.
    pub fn progress(&mut self, now: Instant) {
        for it in &mut self.in_flight {
            if it.start >= now.0 {
                continue;
            }
            let length = it.cpu_end - it.start;
            let runnable = now.0.min(it.cpu_end) - it.start;
            let cpu = if length == 0 {
                it.cpu
            } else {
                (u128::from(it.cpu) * u128::from(runnable) / u128::from(length)) as u64
            };
            let station = &mut self.stations[it.station as usize];
            station.cpu_done += cpu - it.cpu_counted;
            station.runnable += runnable - it.runnable_counted;
            (it.cpu_counted, it.runnable_counted) = (cpu, runnable);
        }
    }

    /// Closes the minute.
    pub fn close_minute(&mut self) -> ServiceTraffic {
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
    pub fn totals(&self) -> RequestTotals {
        let mut counts = self.total_counts.clone();
        counts.add(&self.minute.counts);
        let mut histogram = self.total_histogram.clone();
        histogram.merge(&self.minute.histogram);
        let in_flight = self.in_flight.iter().filter(|it| !it.caller_has_ended).count() as u64;
        RequestTotals { counts, in_flight, response_time_ms: response_times(&histogram), histogram }
    }

    /// Draws the next batch; `false` when nothing more arrives.
    fn draw(&mut self) -> bool {
        let batch = &mut self.batch;
        batch.next = 0;
        batch.len = 0;
        while batch.len < BATCH {
            let mut earliest: Option<usize> = None;
            for place in 0..self.sources.len() {
                let Some(time) = self.sources[place].peek() else { continue };
                let first = earliest.is_none_or(|other| self.sources[other].times[self.sources[other].next] > time);
                if first {
                    earliest = Some(place);
                }
            }
            let Some(place) = earliest else { break };
            // All of this source up to the next one's arrival go together; with one source that is its whole batch.
            let others = (0..self.sources.len()).filter(|&it| it != place);
            let until = others.filter_map(|it| self.sources[it].peeked()).min().unwrap_or(u64::MAX);
            let source = &mut self.sources[place];
            while batch.len < BATCH && source.next < source.times.len() && source.times[source.next] <= until {
                batch.arrival[batch.len] = source.times[source.next];
                batch.patience[batch.len] = source.patience;
                source.next += 1;
                batch.len += 1;
            }
        }
        let n = batch.len;
        for law in &mut self.laws {
            for drawn in [&mut law.cpu, &mut law.wait] {
                drawn.distribution.fill(&mut drawn.stream, &mut drawn.nanos[..n]);
            }
        }
        if self.turns.len() > 1 {
            for node in &mut batch.node[..n] {
                *node = self.node_stream.below(self.turns.len()) as u32;
            }
        }
        if let Some((share, stream)) = &mut self.faults {
            for is_fault in &mut batch.is_fault[..n] {
                *is_fault = stream.unit() <= *share;
            }
        }
        n > 0
    }

    /// Serves the next `due` requests of the batch, all of which arrive before `until`.
    fn serve(&mut self, due: usize, until: u64) {
        let requests = self.batch.next..self.batch.next + due;
        self.batch.next += due;
        self.minute.counts.arrived += due as u64;
        if self.candidates.is_empty() {
            self.minute.counts.elb_503 += due as u64;
            return;
        }
        self.minute.routed += due as u64;
        let is_plain = self.turns.len() == 1
            && self.sources.len() == 1
            && self.laws.len() == 1
            && self.faults.is_none()
            && !self.laws[0].cancels;
        if is_plain { self.serve_each::<true>(requests, until) } else { self.serve_each::<false>(requests, until) }
    }

    /// Serves requests one after the other. Where all is plain (one node, one workload, one revision, no faults) the
    /// compiler leaves out the choices.
    fn serve_each<const IS_PLAIN: bool>(&mut self, requests: std::ops::Range<usize>, until: u64) {
        let Lane { batch, minute: window, stations, candidates, turns, laws, in_flight, .. } = self;
        let first = requests.start;
        let arrivals = &batch.arrival[requests.clone()];
        let (cpus, waits) = (&laws[0].cpu.nanos[requests.clone()], &laws[0].wait.nanos[requests]);
        let one_patience = batch.patience[first];
        let mut turn = turns[0];
        for (offset, ((&arrival, &cpu), &wait)) in arrivals.iter().zip(cpus).zip(waits).enumerate() {
            let request = first + offset;
            if !IS_PLAIN {
                turn = turns[batch.node[request] as usize];
            }
            let place = candidates[turn];
            turn += 1;
            if turn == candidates.len() {
                turn = 0;
            }
            if !IS_PLAIN {
                turns[batch.node[request] as usize] = turn;
            }
            let station = &mut stations[place];
            let start = if station.is_up { station.start_of(arrival) } else { None };
            let Some(start) = start else {
                window.counts.elb_502 += 1;
                continue;
            };
            let (cpu, wait, patience, is_fault) = if IS_PLAIN {
                (cpu, wait, one_patience, false)
            } else {
                let law = &laws[station.law];
                (law.cpu.nanos[request], law.wait.nanos[request], batch.patience[request], batch.is_fault[request])
            };
            let deadline = arrival + patience.nanos;
            let late = if patience.is_callers { Outcome::ClientTimeout } else { Outcome::Elb504 };
            if !IS_PLAIN && laws[station.law].cancels && start > deadline {
                // Never started: it holds its place until its caller gives up, and no server.
                station.in_flight += 1;
                in_flight.push(InFlight::abandoned(arrival, deadline, place as u32, late));
                continue;
            }
            let cpu_end = start + station.stretched(cpu);
            let end = cpu_end + wait;
            station.occupy(arrival, start, end);
            if end <= until && end <= deadline {
                station.cpu_done += cpu;
                station.runnable += cpu_end - start;
                if is_fault {
                    window.counts.target_5xx += 1;
                } else {
                    window.counts.served += 1;
                    window.histogram.record(end - arrival);
                }
                continue;
            }
            let outcome = match end <= deadline {
                false => late,
                true if is_fault => Outcome::Target5xx,
                true => Outcome::Served,
            };
            let caller_end = end.min(deadline);
            let caller_has_ended = caller_end <= until;
            if caller_has_ended {
                window.count(outcome, caller_end - arrival);
            }
            if end <= until {
                station.cpu_done += cpu;
                station.runnable += cpu_end - start;
                continue;
            }
            station.in_flight += 1;
            in_flight.push(InFlight {
                arrival,
                start,
                cpu_end,
                end,
                caller_end,
                cpu,
                cpu_counted: 0,
                runnable_counted: 0,
                station: place as u32,
                outcome,
                caller_has_ended,
            });
        }
        if IS_PLAIN {
            turns[0] = turn;
        }
    }

    /// Counts what has ended by `until` of the requests in flight.
    fn settle(&mut self, until: u64) {
        let (stations, window) = (&mut self.stations, &mut self.minute);
        self.in_flight.retain_mut(|it| {
            if !it.caller_has_ended && it.caller_end <= until {
                it.caller_has_ended = true;
                window.count(it.outcome, it.caller_end - it.arrival);
            }
            if it.end > until {
                return true;
            }
            let station = &mut stations[it.station as usize];
            station.cpu_done += it.cpu - it.cpu_counted;
            station.runnable += (it.cpu_end - it.start) - it.runnable_counted;
            station.in_flight -= 1;
            false
        });
    }

    /// Callers of these stations get 502 for what is in flight; of those whose process is gone, nothing is left at all.
    fn cut_off(&mut self, gone: &[(usize, bool)], now: u64) {
        let window = &mut self.minute;
        self.in_flight.retain_mut(|it| {
            let Some(&(_, process_is_gone)) = gone.iter().find(|(place, _)| *place == it.station as usize) else {
                return true;
            };
            if !it.caller_has_ended {
                debug_assert!(it.caller_end > now, "what has ended is settled before the cluster is looked at");
                it.caller_has_ended = true;
                window.counts.elb_502 += 1;
            }
            !process_is_gone
        });
    }

    fn add_station(&mut self, scenario: &Scenario, cluster: &Cluster, task: Id<Task>, target: Id<Target>) {
        let revision = cluster.tasks[task].task_definition;
        let revisions = revisions_of(scenario, cluster.tasks[task].service);
        let law = revisions.iter().position(|it| *it == revision).expect("a task runs a revision its service names");
        let application = serving_application(scenario, revision, self.container);
        let mut station = Station::new(task, target, law, application.concurrency, application.queue);
        if let Some(cap) = scenario.task_definitions[revision].cpu {
            station.speed = (f64::from(cap) / 1024.0).min(1.0);
        }
        // A place whose task is gone is used again.
        let place = (0..self.stations.len()).find(|place| !self.station_of_task.values().any(|it| it == place));
        let place = match place {
            Some(place) => {
                self.stations[place] = station;
                place
            }
            None => {
                self.stations.push(station);
                self.stations.len() - 1
            }
        };
        self.station_of_task.insert(task, place);
    }

    fn forget_stopped(&mut self, cluster: &Cluster) {
        let in_flight = &self.in_flight;
        self.station_of_task.retain(|&task, place| {
            cluster.tasks[task].stopped_at.is_none() || in_flight.iter().any(|it| it.station as usize == *place)
        });
    }
}

impl InFlight {
    /// Work that its caller gave up before it started, and that is never done.
    fn abandoned(arrival: u64, deadline: u64, station: u32, outcome: Outcome) -> InFlight {
        InFlight {
            arrival,
            start: deadline,
            cpu_end: deadline,
            end: deadline,
            caller_end: deadline,
            cpu: 0,
            cpu_counted: 0,
            runnable_counted: 0,
            station,
            outcome,
            caller_has_ended: false,
        }
    }
}

impl Source {
    fn peek(&mut self) -> Option<u64> {
        if self.next == self.times.len() && !self.has_ended {
            self.times.resize(BATCH, 0);
            let filled = self.arrivals.fill(&mut self.times);
            self.has_ended = filled < BATCH;
            self.times.truncate(filled);
            self.next = 0;
        }
        self.peeked()
    }

    fn peeked(&self) -> Option<u64> {
        self.times.get(self.next).copied()
    }
}

impl Window {
    fn count(&mut self, outcome: Outcome, nanos: u64) {
        match outcome {
            Outcome::Served => {
                self.counts.served += 1;
                self.histogram.record(nanos);
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
