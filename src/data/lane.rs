//! A lane: the requests of one service, from arrival to end.

mod accounts;
mod batch;
mod dns;
mod flows;
mod health_check;
mod serving;
mod short_of_cpu;
mod surge_queue;

use std::collections::BTreeMap;

use crate::aws::load_balancer::{LoadBalancerType, RoutingAlgorithm, TargetGroup};
use crate::aws::service::ServiceDefinition;
use crate::aws::task_definition::{Application, TaskDefinition};
use crate::cluster::{Cluster, Target, TargetState, Task};
use crate::data::histogram::Histogram;
use crate::data::kernel::{Lanes, SERVERS_MAXIMUM};
use crate::data::lane::accounts::{InFlight, Window};
use crate::data::lane::batch::{Batch, Drawn, Handshakes, Law, Patience, Source};
use crate::data::lane::dns::ZonesInDns;
use crate::data::lane::flows::Flows;
use crate::data::lane::surge_queue::SurgeQueues;
use crate::data::rotation::{Awaited, Ramp, Rotation};
use crate::data::sharing::Sharing;
use crate::data::station::Station;
use crate::distribution::Distribution;
use crate::rng::{Seed, Stream};
use crate::run::RequestCounts;
use crate::scenario::{Scenario, TimelineChange};
use crate::table::Id;
use crate::units::{Instant, Span};
use crate::workload::arrivals::Arrivals;
use crate::workload::clients::ClientDraw;

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
    laws: Vec<Law>,
    /// Whether requests of some law take CPU, so that it can be short.
    may_share: bool,
    faults: Option<(f64, Stream)>,
    node_stream: Stream,
    health_check_stream: Stream,
    batch: Batch,
    /// Whether something depends on who sends a request, so that the batch says so.
    knows_clients: bool,
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
    /// What callers wait beyond the time that the load balancer waits for a task.
    to_caller: Span,
    /// TLS handshakes of tasks: how many of the requests bring one, its CPU time, and their chances.
    handshakes: Option<Handshakes>,
    kind: LoadBalancerType,
    /// The connections of clients, where requests follow them.
    flows: Option<Flows>,
    /// Which zones' nodes callers know, where zones are judged apart.
    dns: Option<ZonesInDns>,
    /// Of a Classic Load Balancer.
    surge: Option<SurgeQueues>,
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

impl Lane {
    /// The lane of a service; `None` without a load balancer.
    pub fn new(scenario: &Scenario, service: Id<ServiceDefinition>, seed: Seed) -> Option<Lane> {
        let definition = &scenario.services[service];
        let load_balancer = definition.load_balancer.as_ref()?;
        let group = &scenario.target_groups[load_balancer.target_group];
        let balancer = &scenario.load_balancers[group.load_balancer];
        let zones = if group.cross_zone { 1 } else { balancer.availability_zones.len() };
        let name = &definition.name;
        let times = &scenario.assumptions.network_times;
        let per_connection = scenario.assumptions.requests_per_connection;
        let to_caller = match balancer.comes_through {
            Some(front) => {
                let through = &scenario.load_balancers[front.load_balancer];
                let zones = if front.cross_zone { balancer.availability_zones.len() } else { 1 };
                times.to_caller_through((through, zones), balancer, per_connection)
            }
            None => times.to_caller(balancer, per_connection),
        };
        let of_service = || scenario.workloads.iter().filter(|it| it.service == service);
        let knows_clients = balancer.kind == LoadBalancerType::Network && of_service().any(|it| it.clients.is_some());
        let sources: Vec<Source> = of_service()
            .map(|it| {
                let idle = balancer.idle_timeout;
                // As long as the answer is on its way to the caller, the load balancer waits no more.
                let timeout = it.timeout.map(|timeout| Span(timeout.0.saturating_sub(to_caller.0)));
                let patience = match timeout {
                    Some(timeout) if timeout <= idle => Patience { nanos: timeout.0 as f64, is_callers: true },
                    _ => Patience { nanos: idle.0 as f64, is_callers: false },
                };
                Source {
                    arrivals: Arrivals::new(&it.arrivals, seed.stream("arrivals", &it.name)),
                    patience,
                    clients: ClientDraw::new(it.clients.filter(|_| knows_clients), seed.stream("clients", &it.name)),
                    times: Vec::new(),
                    next: 0,
                    has_ended: false,
                }
            })
            .collect();
        let revisions = revisions_of(scenario, service);
        let applications: Vec<&Application> =
            revisions.iter().map(|it| serving_application(scenario, *it, load_balancer.container)).collect();
        let handshakes = group.has_tls.then(|| Handshakes {
            share: 1.0 / per_connection,
            cpu: scenario.assumptions.tls_handshake_cpu_time.0 as f64,
            stream: seed.stream("tls handshake", name),
        });
        let zones_reached = if group.cross_zone { balancer.availability_zones.len() } else { 1 };
        let laws: Vec<Law> = revisions
            .iter()
            .zip(&applications)
            .map(|(revision, application)| {
                let mode = scenario.task_definitions[*revision].network_mode;
                let to_target = times.to_target(zones_reached, mode, group.has_tls, per_connection).0 as f64;
                let patience: Vec<f64> = sources.iter().map(|it| (it.patience.nanos - to_target).max(0.0)).collect();
                Law {
                    cpu: Drawn::new(&application.cpu_time, seed.stream("cpu time", name)),
                    wait: Drawn::new(&application.wait_time, seed.stream("wait time", name)),
                    work: Vec::new(),
                    cancels: application.cancel_on_timeout,
                    computes: application.cpu_time != Distribution::Constant(Span::ZERO) || handshakes.is_some(),
                    to_target,
                    least_patience: patience.iter().copied().fold(f64::INFINITY, f64::min),
                    patience,
                }
            })
            .collect();
        let error_share = applications[0].error_share;
        Some(Lane {
            target_group: load_balancer.target_group,
            container: load_balancer.container,
            to_caller,
            handshakes,
            kind: balancer.kind,
            flows: knows_clients.then(|| {
                let clients: Vec<usize> = sources.iter().map(|it| it.clients.count()).collect();
                let per_connection = of_service().map(|it| it.requests_per_connection.unwrap_or(0)).collect();
                Flows::new(&clients, per_connection, balancer.idle_timeout.0 as f64)
            }),
            dns: (zones > 1 && balancer.kind != LoadBalancerType::Classic).then(|| {
                let time_to_live = scenario.assumptions.dns_time_to_live.0 as f64;
                ZonesInDns::new(zones, time_to_live, seed.stream("dns", name))
            }),
            surge: (balancer.kind == LoadBalancerType::Classic)
                .then(|| SurgeQueues::new(balancer.nodes.max(1) as usize)),
            sources,
            may_share: laws.iter().any(|it| it.computes),
            laws,
            faults: (error_share > 0.0).then(|| (error_share, seed.stream("faults", name))),
            node_stream: seed.stream("load balancer node", name),
            health_check_stream: seed.stream("health check cpu time", name),
            batch: Batch::default(),
            knows_clients,
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
            chances: match group.algorithm {
                RoutingAlgorithm::WeightedRandom => Some(seed.stream("target", name)),
                RoutingAlgorithm::FlowHash => Some(seed.stream("flow", name)),
                RoutingAlgorithm::RoundRobin | RoutingAlgorithm::LeastOutstandingRequests => None,
            },
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
        self.run_surge(until);
        self.run_sharing(until);
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
            let group = &scenario.target_groups[self.target_group];
            let is_cut_off = match cluster.targets[station.target].state {
                TargetState::Unused => group.cuts_deregistered,
                TargetState::Unhealthy => group.resets_unhealthy && !station.is_reset,
                _ => false,
            };
            station.is_reset = cluster.targets[station.target].state == TargetState::Unhealthy;
            if was_up && !is_up {
                gone.push((place, true));
            } else if is_cut_off {
                gone.push((place, false));
            }
        }
        if !gone.is_empty() {
            self.cut_off(&gone, now.0 as f64);
        }
        self.forget_stopped(cluster);
        let pools = self.pools(scenario, cluster, now);
        let awaited = self.in_flight.iter().filter(|it| it.is_awaited(now.0 as f64));
        let awaited =
            awaited.map(|it| Awaited { node: it.node as usize, place: it.place as usize, until: it.caller_end });
        let of_sharing = self.sharing.iter().enumerate().flat_map(|(place, sharing)| {
            let awaited = sharing.jobs().filter(|it| !it.caller_has_ended);
            awaited.map(move |it| Awaited { node: it.node as usize, place, until: f64::INFINITY })
        });
        let awaited = awaited.chain(of_sharing);
        self.rotation.renew(pools, awaited);
        self.empty_surge_queues();
        self.choose_kernel();
    }

    /// The targets that each zone's nodes send to, or all nodes: the healthy ones, or all where those are too few.
    fn pools(&mut self, scenario: &Scenario, cluster: &Cluster, now: Instant) -> Vec<Vec<(usize, Option<Ramp>)>> {
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
        if let Some(dns) = &mut self.dns {
            for (zone, pool) in pools.iter().enumerate() {
                let healthy = pool.iter().filter(|it| it.state == TargetState::Healthy).count();
                let is_healthy = group.dns_failover.is_none_or(|it| !it.is_missed(healthy, pool.len()));
                dns.judge(zone, !pool.is_empty(), is_healthy, now.0 as f64);
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
            // A Classic Load Balancer has no fail-open.
            let fails_open = self.kind != LoadBalancerType::Classic;
            if fails_open && group.unhealthy_state_routing.is_missed(healthy, pool.len()) {
                pool.iter().map(of_target).collect()
            } else {
                pool.iter().filter(is_healthy).map(of_target).collect()
            }
        });
        chosen.collect()
    }

    fn choose_kernel(&mut self) {
        self.kernel = Kernel::Careful;
        if self.flows.is_some() {
            return;
        }
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
            && self.surge.is_none()
            && self.rotation.places().all(|it| {
                let it = &self.stations[it];
                it.is_up && it.law == first.law && it.shares_cpu
            })
        {
            self.kernel = Kernel::Sharing { law: first.law };
        }
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

    /// Callers of these stations get 502 for what is in flight; of those whose process is gone, nothing is left at all.
    fn cut_off(&mut self, gone: &[(usize, bool)], now: f64) {
        let mut fate = vec![None; self.stations.len()];
        for &(place, process_is_gone) in gone {
            fate[place] = Some(process_is_gone);
            if let Some(flows) = &mut self.flows {
                flows.reset(place);
            }
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
        station.to_target = self.laws[law].to_target;
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
