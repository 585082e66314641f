//! A lane: the requests that come to one service's target group, from arrival to end.

mod accounts;
mod batch;
mod connecting;
mod dns;
mod flows;
mod health_check;
mod looking;
mod outlived;
mod serving;
mod sessions;
mod short_of_cpu;
mod surge_queue;
mod with_users;

use std::collections::BTreeMap;

pub(crate) use accounts::response_times;

use crate::aws::anomaly_detection::TargetTally;
use crate::aws::listener::RuleEvaluations;
use crate::aws::load_balancer::{ListenerProtocol, LoadBalancerType, RoutingAlgorithm, TargetGroup};
use crate::aws::service::ServiceDefinition;
use crate::aws::task_definition::{Application, TaskDefinition};
use crate::cluster::{Cluster, Target, Task};
use crate::data::forwarding::{Forwarding, is_ever_sticky};
use crate::data::histogram::Histogram;
use crate::data::kernel::{Lanes, SERVERS_MAXIMUM};
use crate::data::lane::accounts::{InFlight, Window};
use crate::data::lane::batch::{Batch, Drawn, Handshakes, Law, Patience, Source, StatusShares};
use crate::data::lane::connecting::Connecting;
use crate::data::lane::dns::ZonesInDns;
use crate::data::lane::flows::Flows;
use crate::data::lane::outlived::Outlived;
use crate::data::lane::sessions::Sessions;
use crate::data::lane::surge_queue::SurgeQueues;
use crate::data::rotation::Rotation;
use crate::data::sharing::Sharing;
use crate::data::sharing::abreast::Abreast;
use crate::data::station::Station;
use crate::distribution::Distribution;
use crate::rng::{Seed, Stream};
use crate::run::RequestCounts;
use crate::scenario::{Scenario, TimelineChange};
use crate::table::Id;
use crate::units::{Instant, NANOS_PER_SECOND, Span};
use crate::workload::arrivals::Arrivals;
use crate::workload::clients::ClientDraw;
use crate::workload::users::Users;
use crate::workload::{Destination, Workload};

/// Requests drawn at once: as many as come in a quarter of a second, within these bounds. In a long batch few requests
/// outlive it, and a short one stays in the processor's nearest cache.
const BATCH_LEAST: usize = 2048;
const BATCH_MOST: usize = 8192;
const BATCH_LASTS: f64 = 0.25e9;

/// Fewest tasks that are worth serving side by side.
const LANES_LEAST: usize = 8;

/// Requests in flight below which it is not worth looking for those that have ended.
const SETTLED_AT_LEAST: usize = 256;

/// The requests of one service. Those of a workload that are split over several target groups are drawn whole by the lane
/// of each, alike, which keeps its part. Times are whole nanoseconds held in floats, see `kernel`.
pub struct Lane {
    service: Id<ServiceDefinition>,
    target_group: Id<TargetGroup>,
    sources: Vec<Source>,
    /// Those who wait for their answers before they ask again.
    users: Users,
    laws: Vec<Law>,
    /// The revisions that work by them, with the place of the container that serves.
    revisions: Vec<(Id<TaskDefinition>, usize)>,
    /// What they wait for takes so many times as long as usual.
    wait_factor: f64,
    /// Whether requests of some law take CPU, so that it can be short.
    may_share: bool,
    /// The chances of requests to be answered with anything but a 2xx, where some law does so.
    faults: Option<Stream>,
    node_stream: Stream,
    health_check_stream: Stream,
    /// Where the periods of CFS quotas begin.
    cfs_period_stream: Stream,
    /// Whether some requests of a source go elsewhere.
    serves_part: bool,
    /// Whether sources differ in what is counted of each request: rules that are evaluated, or the way to the caller.
    tells_sources_apart: bool,
    /// Where clients stay, if they do.
    sessions: Option<Sessions>,
    batch: Batch,
    /// Whether something depends on who sends a request, so that the batch says so.
    knows_clients: bool,
    /// Requests that are drawn at once.
    room: usize,
    /// Whether no source will have requests any more.
    sources_have_ended: bool,
    stations: Vec<Station>,
    /// What each station holds while its CPU is short.
    sharing: Vec<Sharing>,
    /// Whether any of them may hold something, or has used CPU in this second.
    holds_jobs: bool,
    /// The places of those that may use other CPU from the next second on.
    offered_anew: Vec<usize>,
    abreast: Abreast,
    /// When the servers of each station are free next: a row of `stride` for each, its first `servers` in use.
    free_at: Vec<f64>,
    stride: usize,
    /// CPU time done in this second, by station.
    cpu_done: Vec<f64>,
    /// The station of each task that has one.
    station_of_task: BTreeMap<Id<Task>, usize>,
    /// The places of their stations, in order.
    occupied: Vec<usize>,
    /// Places whose task is gone, to be used again.
    vacant: Vec<usize>,
    rotation: Rotation,
    /// The chances of requests whose target is chosen at random.
    chances: Option<Stream>,
    /// The chances of requests to fail at a target that is broken, where the timeline breaks some.
    error_chances: Option<Stream>,
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
    /// What of the cluster it must see that has changed since it last looked.
    news: News,
    /// Tasks that have stopped, whose stations may still hold something.
    leaving: Vec<Id<Task>>,
    in_flight: Vec<InFlight>,
    /// Requests to targets that nothing comes through to.
    connecting: Vec<Connecting>,
    outlived: Outlived,
    /// Look for those that have ended when so many are in flight.
    settle_at: usize,
    /// Whether requests were served without keeping the stations' queues.
    queues_are_stale: bool,
    minute: Window,
    /// How long what was in flight when the minute began had been waited for then, nanoseconds.
    waited_before: f64,
    /// When the second ends that arrivals are counted in, nanoseconds, and how many it has had.
    second_ends_at: f64,
    arrived_in_second: u64,
    /// Whether requests may be served later than they are asked for.
    may_wait: bool,
    /// Requests of each station since targets were last compared, and those that all have their even part of.
    routed_to: Vec<f64>,
    routed_evenly: f64,
    /// Of each station when targets were last compared.
    tallies: Vec<TargetTally>,
    total_counts: RequestCounts,
    total_histogram: Histogram,
    lanes: Lanes,
}

/// What of the cluster has changed for a lane.
#[derive(Debug, Default)]
struct News {
    /// Anything may have.
    all: bool,
    /// Some of its targets have been registered, have another state or weight, or are gone.
    targets: bool,
    /// Tasks that have changed, or whose targets have.
    tasks: Vec<Id<Task>>,
}

impl News {
    fn is_empty(&self) -> bool {
        !self.all && self.tasks.is_empty()
    }
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
    /// The lane of a service at one of its target groups; `None` without a load balancer.
    pub fn new(
        scenario: &Scenario,
        service: Id<ServiceDefinition>,
        target_group: Id<TargetGroup>,
        seed: Seed,
    ) -> Option<Lane> {
        let definition = &scenario.services[service];
        let load_balancer = definition.load_balancer.as_ref()?;
        let group = &scenario.target_groups[target_group];
        let balancer = &scenario.load_balancers[group.load_balancer];
        let zones = if group.cross_zone { 1 } else { balancer.availability_zones.len() };
        // No service has such a name.
        let of_alternate = || format!("{}/{}", definition.name, group.name);
        let name = if target_group == load_balancer.target_group { definition.name.clone() } else { of_alternate() };
        let name = name.as_str();
        let times = &scenario.assumptions.network_times;
        let per_connection = scenario.assumptions.requests_per_connection;
        let to_caller = |protocol: ListenerProtocol| match balancer.comes_through {
            Some(front) => {
                let through = &scenario.load_balancers[front.load_balancer];
                let zones = if front.cross_zone { balancer.availability_zones.len() } else { 1 };
                times.to_caller_through((through, zones), protocol, per_connection)
            }
            None => times.to_caller(balancer.scheme, protocol, per_connection),
        };
        let workloads = || scenario.workloads.iter().filter(|it| scenario.target_groups_of(it).contains(&target_group));
        let is_split = |workload: &Workload| match workload.destination {
            Destination::Rule { rule, .. } => {
                let is_whole =
                    scenario.target_groups_of(workload).len() == 1 && scenario.actions_of(rule).all(|it| it.is_whole());
                (!is_whole).then_some(rule)
            }
            Destination::Service(_) => None,
        };
        let needs_clients = |it: &Workload| is_split(it).is_some_and(|rule| is_ever_sticky(scenario, rule));
        let keeps_flows = balancer.kind == LoadBalancerType::Network
            && workloads().any(|it| it.clients.is_some() || it.users.is_some());
        let knows_clients = keeps_flows || group.stickiness.is_some() || workloads().any(needs_clients);
        let sources: Vec<Source> = workloads()
            .map(|it| {
                let idle = balancer.idle_timeout;
                // As long as the answer is on its way to the caller, the load balancer waits no more.
                let (protocol, redirected, rule_evaluations) = match &it.destination {
                    Destination::Rule { redirects, rule, evaluations, .. } => {
                        let of_each = redirects.iter().map(|it| scenario.protocol_of(*it));
                        let redirected = of_each.map(|it| times.redirect(balancer.scheme, it));
                        let redirected = redirected.fold(Span::ZERO, |sum, it| sum + it);
                        (scenario.protocol_of(*rule), redirected, *evaluations)
                    }
                    Destination::Service(_) => (balancer.protocol, Span::ZERO, RuleEvaluations::default()),
                };
                let to_caller = to_caller(protocol);
                let before = to_caller + redirected;
                let timeout = it.timeout.map(|timeout| Span(timeout.0.saturating_sub(before.0)));
                let patience = match timeout {
                    Some(timeout) if timeout <= idle => Patience { nanos: timeout.0 as f64, is_callers: true },
                    _ => Patience { nanos: idle.0 as f64, is_callers: false },
                };
                Source {
                    arrivals: Arrivals::new(&it.arrivals, seed.stream("arrivals", &it.name)),
                    patience,
                    clients: ClientDraw::new(it.clients.filter(|_| knows_clients), seed.stream("clients", &it.name)),
                    forwarding: is_split(it).map(|rule| Forwarding::new(scenario, rule, it, seed)),
                    rule_evaluations,
                    to_caller,
                    redirected,
                    arrived: 0,
                    times: Vec::new(),
                    next: 0,
                    has_ended: false,
                }
            })
            .collect();
        let habit = |it: &Workload| it.users.clone().map(|habit| (habit, seed.stream("users", &it.name)));
        let ways = sources.iter().map(|it| it.to_caller + it.redirected).collect();
        let users = Users::new(workloads().map(habit).collect(), ways);
        let revisions = revisions_of(scenario, service);
        let applications: Vec<&Application> = revisions.iter().map(|it| serving_application(scenario, *it)).collect();
        let handshakes = group.has_tls.then(|| Handshakes {
            share: 1.0 / per_connection,
            cpu: scenario.assumptions.tls_handshake_cpu_time.0 as f64,
            stream: seed.stream("tls handshake", name),
        });
        let zones_reached = if group.cross_zone { balancer.availability_zones.len() } else { 1 };
        let laws: Vec<Law> = revisions
            .iter()
            .zip(&applications)
            .map(|((revision, _), application)| {
                let mode = scenario.task_definitions[*revision].network_mode;
                let to_target = times.to_target(zones_reached, mode, group.has_tls, per_connection).0 as f64;
                let patience: Vec<f64> = sources.iter().map(|it| (it.patience.nanos - to_target).max(0.0)).collect();
                Law {
                    cpu: Drawn::new(&application.cpu_time, seed.stream("cpu time", name)),
                    wait: Drawn::new(&application.wait_time, seed.stream("wait time", name)),
                    both: Vec::new(),
                    shares: StatusShares::of(application),
                    status: Vec::new(),
                    cancels: application.cancel_on_timeout,
                    computes: application.cpu_time != Distribution::Constant(Span::ZERO) || handshakes.is_some(),
                    waits: application.wait_time != Distribution::Constant(Span::ZERO),
                    cold_start: application.cold_start,
                    counts_taken: application.memory_leak_per_request_mib > 0.0,
                    takes_memory: application.memory_per_request_mib > 0.0,
                    to_target,
                    least_patience: patience.iter().copied().fold(f64::INFINITY, f64::min),
                    patience,
                }
            })
            .collect();
        Some(Lane {
            service,
            wait_factor: 1.0,
            target_group,
            tells_sources_apart: sources
                .iter()
                .any(|it| it.rule_evaluations.all > 0 || it.to_caller != sources[0].to_caller),
            serves_part: sources.iter().any(|it| it.forwarding.is_some()),
            sessions: group.stickiness.map(|it| Sessions::new(it, sources.len())),
            handshakes,
            kind: balancer.kind,
            flows: keeps_flows.then(|| {
                let per_connection = workloads().map(|it| it.requests_per_connection.unwrap_or(0)).collect();
                Flows::new(per_connection, balancer.idle_timeout.0 as f64)
            }),
            dns: (zones > 1 && balancer.kind != LoadBalancerType::Classic).then(|| {
                let time_to_live = scenario.assumptions.dns_time_to_live.0 as f64;
                ZonesInDns::new(zones, time_to_live, seed.stream("dns", name))
            }),
            surge: (balancer.kind == LoadBalancerType::Classic)
                .then(|| SurgeQueues::new(balancer.nodes.max(1) as usize)),
            sources,
            users,
            may_share: laws.iter().any(|it| it.computes),
            faults: laws.iter().any(|it| it.shares.are_any()).then(|| seed.stream("faults", name)),
            laws,
            revisions,
            node_stream: seed.stream("load balancer node", name),
            health_check_stream: seed.stream("health check cpu time", name),
            cfs_period_stream: seed.stream("cfs period", name),
            batch: Batch::default(),
            knows_clients,
            room: 0,
            sources_have_ended: !workloads().any(|_| true),
            stations: Vec::new(),
            sharing: Vec::new(),
            holds_jobs: false,
            offered_anew: Vec::new(),
            abreast: Abreast::default(),
            free_at: Vec::new(),
            stride: applications.iter().map(|it| it.servers() as usize).max().unwrap_or(1).min(SERVERS_MAXIMUM),
            cpu_done: Vec::new(),
            station_of_task: BTreeMap::new(),
            occupied: Vec::new(),
            vacant: Vec::new(),
            rotation: Rotation::new(group.algorithm, balancer.nodes.max(1) as usize, zones),
            chances: match group.algorithm {
                RoutingAlgorithm::WeightedRandom => Some(seed.stream("target", name)),
                RoutingAlgorithm::FlowHash => Some(seed.stream("flow", name)),
                RoutingAlgorithm::RoundRobin | RoutingAlgorithm::LeastOutstandingRequests => None,
            },
            error_chances: breaks_targets(scenario, service).then(|| seed.stream("target errors", name)),
            kernel: Kernel::Careful,
            news: News { all: true, ..News::default() },
            leaving: Vec::new(),
            in_flight: Vec::new(),
            connecting: Vec::new(),
            outlived: Outlived::default(),
            settle_at: SETTLED_AT_LEAST,
            queues_are_stale: false,
            minute: Window::default(),
            waited_before: 0.0,
            second_ends_at: NANOS_PER_SECOND as f64,
            arrived_in_second: 0,
            may_wait: false,
            routed_to: Vec::new(),
            routed_evenly: 0.0,
            tallies: Vec::new(),
            total_counts: RequestCounts::default(),
            total_histogram: Histogram::default(),
            lanes: Lanes::default(),
        })
    }

    /// Serves from `now` to `until`.
    pub fn advance(&mut self, scenario: &Scenario, cluster: &Cluster, now: Instant, until: Instant) {
        self.look(scenario, cluster, now);
        if !self.may_wait {
            self.catch_up(until);
        }
    }

    /// Before when [`Self::advance`] would do nothing while the cluster stands still, in nanoseconds.
    pub fn due(&self) -> f64 {
        if self.may_wait {
            return f64::INFINITY;
        }
        let next_request = self.next_request();
        if !self.holds_jobs || next_request == 0.0 {
            return next_request;
        }
        self.places_short_of_cpu().map(|it| self.sharing[it].next()).fold(next_request, f64::min)
    }

    /// Before when no request comes, in nanoseconds; 0 where that is not known.
    pub fn next_request(&self) -> f64 {
        if self.users.are_expected() || self.surge.is_some() {
            0.0
        } else if self.batch.next < self.batch.len {
            self.batch.arrival[self.batch.next]
        } else if self.sources_have_ended {
            f64::INFINITY
        } else {
            0.0
        }
    }

    /// Whether a task holds no request and no health check, and none is on its way there.
    pub fn nobody_waits_for(&self, task: Id<Task>) -> bool {
        let is_idle = |place: usize| self.stations[place].in_flight == 0 && self.sharing[place].held() == 0;
        self.connecting.is_empty() && self.place_of(task).is_some_and(is_idle)
    }

    /// Serves what has been put off until somebody looks: the loops are left less often so.
    pub fn catch_up(&mut self, until: Instant) {
        let until = until.0 as f64;
        if self.users.are_expected() {
            return self.advance_with_users(until);
        }
        loop {
            if self.batch.next == self.batch.len {
                self.sources_have_ended = self.sources_have_ended || !self.draw();
                if self.sources_have_ended {
                    break;
                }
            }
            let arrivals = &self.batch.arrival[self.batch.next..self.batch.len];
            let due = arrivals.partition_point(|&it| it < until);
            if due == 0 {
                break;
            }
            // Where the batch ends, what still waits is kept: the next one may have to know how many do.
            let horizon = if due < arrivals.len() { until } else { arrivals[due - 1] };
            self.serve(due, horizon);
            if self.under_way() >= self.settle_at {
                // What is found to have ended pays for the looking.
                self.settle(horizon);
                self.settle_at = SETTLED_AT_LEAST.max(2 * self.under_way());
            }
        }
        self.run_surge(until);
        self.run_sharing(until);
    }

    fn under_way(&self) -> usize {
        self.in_flight.len() + self.connecting.len() + self.outlived.len()
    }

    /// A task has changed, of which it need not know anything; tells whether it has to look, and had not to before.
    pub fn hears_of_task(&mut self, cluster: &Cluster, task: Id<Task>) -> bool {
        let Some(place) = self.place_of(task) else { return false };
        let (station, row) = (&self.stations[place], &cluster.tasks[task]);
        // That its slot is free, or that it is asked to stop, changes nothing of how it serves.
        let concerns = station.is_up != row.process_is_up || station.error_share != row.error_share;
        if !concerns && row.stopped_at.is_none() {
            return false;
        }
        let is_first = self.news.is_empty();
        self.news.tasks.push(task);
        is_first
    }

    /// A target of its group, which is this task's, has changed; tells whether it has to look, and had not to before.
    pub fn hears_of_target_of(&mut self, task: Id<Task>) -> bool {
        let is_first = self.news.is_empty();
        self.news.targets = true;
        self.news.tasks.push(task);
        is_first
    }

    /// All that it sees of the cluster may have changed; tells whether it has to look, and had not to before.
    pub fn must_look(&mut self) -> bool {
        let is_first = self.news.is_empty();
        self.news.all = true;
        is_first
    }

    /// Gives each target its part of what was dealt evenly among those that still are the candidates.
    fn deal_evenly(&mut self) {
        let requests = std::mem::take(&mut self.routed_evenly);
        if requests > 0.0 {
            for (place, part) in self.rotation.even_parts() {
                self.routed_to[place] += requests * part;
            }
        }
    }

    /// Whether no request, or health check, is under way, and none is served without [`Self::due`] saying so.
    pub fn holds_no_request(&self) -> bool {
        !self.may_wait
            && self.in_flight.is_empty()
            && self.connecting.is_empty()
            && self.outlived.len() == 0
            && (!self.holds_jobs || self.sharing.iter().all(|it| it.held() == 0))
    }

    /// Whoever asks for tallies gets none.
    pub fn forget_tallies(&mut self) {
        self.tallies.clear();
    }

    /// Closes what was counted of each target's requests and errors since the last time, if there were any; tells whether.
    pub fn tally_targets(&mut self, now: Instant) -> bool {
        self.catch_up(now);
        self.settle(now.0 as f64);
        self.deal_evenly();
        let errors = self.minute.errors.iter_mut().map(std::mem::take);
        let tallies = self.routed_to.iter_mut().map(std::mem::take).zip(errors);
        self.tallies.clear();
        self.tallies.extend(tallies.map(|(requests, errors)| TargetTally { requests, errors }));
        self.tallies.iter().any(|it| it.requests > 0.0 || it.errors > 0)
    }

    /// Requests and errors of a task between the last two times that they were closed.
    pub fn tally_of(&self, task: Id<Task>) -> TargetTally {
        self.place_of(task).and_then(|it| self.tallies.get(it)).copied().unwrap_or_default()
    }

    /// Whether its minutes have nothing to tell as long as it rests: no requests are put off, and no connections stay open.
    pub fn tells_of_requests_alone(&self) -> bool {
        !self.may_wait && self.flows.is_none()
    }

    /// Whether requests may be served later than they come, until somebody looks.
    pub fn puts_off(&self) -> bool {
        self.may_wait
    }

    /// Where its requests go.
    pub fn target_group(&self) -> Id<TargetGroup> {
        self.target_group
    }

    /// Requests of a target that still wait for their answer at `now`.
    pub fn in_flight_of(&self, target: Id<Target>, now: Instant) -> u32 {
        let now = now.0 as f64;
        let is_here = |it: &&InFlight| self.stations[it.place as usize].target == target && it.is_awaited(now);
        let of_outlived = self.outlived.each().filter(|it| self.stations[it.2].target == target && it.1 > now).count();
        let of_queues = of_outlived + self.in_flight.iter().filter(is_here).count() + self.connecting_to(target, now);
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
        if !self.may_wait {
            self.settle(now);
        }
        for it in self.in_flight.iter_mut().filter(|it| it.cpu > 0.0) {
            let done = it.cpu_done(now);
            self.cpu_done[it.place as usize] += done - it.cpu_counted;
            it.cpu_counted = done;
        }
        if !self.holds_jobs {
            return;
        }
        self.holds_jobs = false;
        for &place in &self.occupied {
            let station = &mut self.stations[place];
            if !station.shares_cpu {
                continue;
            }
            let used = self.sharing[place].used(now);
            self.cpu_done[place] += used - std::mem::replace(&mut station.used_before, used);
            station.in_flight = self.sharing[place].held() as u32;
            self.holds_jobs |= station.in_flight > 0;
        }
    }

    /// A station may use other CPU from the second on that begins now.
    pub fn is_offered_anew(&mut self, place: usize) {
        if self.may_share {
            self.offered_anew.push(place);
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
        let mut has_changed = false;
        let mut offered_anew = std::mem::take(&mut self.offered_anew);
        offered_anew.sort_unstable();
        for place in offered_anew.drain(..) {
            has_changed |= self.shares_or_not(place, now);
        }
        self.offered_anew = offered_anew;
        if has_changed {
            self.count_awaited(now);
        }
        if has_changed || self.has_cold_starts() {
            self.choose_kernel(now);
        }
    }

    fn has_cold_starts(&self) -> bool {
        self.laws.iter().any(|it| it.cold_start.is_some())
    }

    /// Whether seconds leave nothing behind as long as nothing comes: all CPU time is done, nothing is left that takes memory, and no
    /// process warms up. Holds from [`Self::second_begins`] on.
    pub fn is_at_rest(&self, now: Instant) -> bool {
        (self.may_wait || self.holds_no_request())
            && self.cpu_done.iter().all(|it| *it == 0.0)
            && !(self.has_cold_starts() && self.occupied.iter().any(|it| self.stations[*it].is_cold(now.0 as f64)))
    }

    /// The places of stations that used CPU in this second or hold requests.
    pub fn busy_stations(&self) -> impl Iterator<Item = usize> {
        let none_is = self.holds_no_request() && self.cpu_done.iter().all(|it| *it == 0.0);
        let some = if none_is { &[][..] } else { &self.occupied[..] };
        some.iter().copied().filter(|&it| self.stations[it].in_flight > 0 || self.cpu_done[it] != 0.0)
    }
}

/// Whether the timeline breaks tasks of a service.
fn breaks_targets(scenario: &Scenario, service: Id<ServiceDefinition>) -> bool {
    scenario
        .timeline
        .iter()
        .any(|it| matches!(it.change, TimelineChange::TargetErrors { service: broken, .. } if broken == service))
}

/// The revisions that a service may run at some time, its first one first, each with the place of the container that serves in it.
///
/// A service may go back to whatever it had before, so that a change may come to any of that. What pipelines deploy comes at any time.
fn revisions_of(scenario: &Scenario, service: Id<ServiceDefinition>) -> Vec<(Id<TaskDefinition>, usize)> {
    let definition = &scenario.services[service];
    if !definition.task_sets.is_empty() {
        let of_sets = definition.task_sets.iter();
        return distinct(of_sets.filter_map(|it| Some((it.task_definition, it.registration?.container))));
    }
    let own = definition.load_balancer.as_ref().filter(|it| !it.is_added_later);
    let mut states: Vec<(Id<TaskDefinition>, Option<&str>)> =
        vec![(definition.task_definition, own.map(|it| it.container_name.as_str()))];
    for entry in &scenario.timeline {
        let TimelineChange::UpdateService { service: of, task_definition, load_balancer, .. } = &entry.change else {
            continue;
        };
        if *of == service {
            let name = load_balancer.as_ref().map(|it| it.as_ref().map(|it| it.container_name.as_str()));
            let changed = states.iter().map(|it| (task_definition.unwrap_or(it.0), name.unwrap_or(it.1)));
            states = distinct(states.iter().copied().chain(changed));
        }
    }
    let pipelines = || scenario.pipelines.iter().filter(|it| it.service == service);
    if pipelines().next().is_some() {
        let names = distinct(states.iter().map(|it| it.1));
        let bad = pipelines().filter_map(|it| Some(it.bad_commits?.task_definition));
        let revisions = distinct(states.iter().map(|it| it.0).chain(bad));
        states = names.iter().flat_map(|name| revisions.iter().map(|it| (*it, *name))).collect();
    }
    let place = |revision: Id<TaskDefinition>, name: &str| {
        scenario.task_definitions[revision].containers.iter().position(|it| it.name == name)
    };
    distinct(states.into_iter().filter_map(|(revision, name)| Some((revision, place(revision, name?)?))))
}

/// Each once, in the order of their first.
fn distinct<T: PartialEq>(all: impl Iterator<Item = T>) -> Vec<T> {
    let mut found: Vec<T> = Vec::new();
    for it in all {
        if !found.contains(&it) {
            found.push(it);
        }
    }
    found
}

/// How the container of a revision that serves behaves.
fn serving_application(scenario: &Scenario, (revision, container): (Id<TaskDefinition>, usize)) -> &Application {
    &scenario.task_definitions[revision].containers[container].application
}

/// What a task of a lane runs, and which of its containers serves.
fn revision_of(cluster: &Cluster, task: Id<Task>) -> (Id<TaskDefinition>, usize) {
    let row = &cluster.tasks[task];
    (row.task_definition, row.registration.expect("the tasks of a lane are registered").container)
}
