//! The data plane: requests, in tight loops between two control events.
//!
//! Between two calls of [`advance`] the cluster stands still, so where a request goes and when it ends is known on its
//! arrival, and no event queue is needed. Where its CPU is short the threads of a task share it, and the end of a request
//! depends on what comes after it: such a task runs on its own small clock (`sharing`). What is approximate is how much CPU
//! a task is given: it is frozen for a simulated second from what all tasks of its instance used in the last.
//! (`tests/it/theory.rs` measures the error.)

mod awake;
mod forwarding;
pub mod histogram;
mod kernel;
pub mod lane;
mod measured;
mod memory;
mod outstanding;
mod own_answers;
mod quiet_probe;
mod roster;
mod rotation;
mod second;
pub mod sharing;
pub mod station;

pub use measured::{ServiceTraffic, Used, Utilization};

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::ops::Range;

use crate::aws::anomaly_detection::TargetTally;
use crate::aws::auto_scaling_group::AutoScalingGroup;
use crate::aws::cpu_sharing::CpuCredits;
use crate::aws::load_balancer::{LoadBalancer, TargetGroup};
use crate::aws::service::{ServiceDefinition, ServiceLoadBalancer};
use crate::cluster::{Change, Cluster, ContainerInstance, Target, Task};
use crate::data::awake::Awake;
use crate::data::histogram::Histogram;
use crate::data::lane::{Lane, response_times};
use crate::data::measured::{Samples, TaskSamples, TwentySeconds};
use crate::data::own_answers::OwnAnswers;
use crate::data::quiet_probe::QuietProbes;
use crate::data::roster::{GivenForSecond, Roster};
use crate::rng::Seed;
use crate::run::{LoadBalancerCounts, RequestTotals};
use crate::scenario::Scenario;
use crate::table::Id;
use crate::units::{Instant, Span};

/// Requests under way, and what has been measured.
pub struct Traffic {
    lanes: Vec<Lane>,
    /// Of each lane, before when it has nothing to do while the cluster stands still, in nanoseconds; and the lanes by that, with
    /// entries that no longer hold among them.
    due: Vec<f64>,
    agenda: BinaryHeap<Reverse<(u64, usize)>>,
    /// Lanes that were advanced and are to say anew when they are due.
    done: Vec<usize>,
    /// Of each lane, whether requests may have come since targets were last tallied; and of each group, whether some of its
    /// lanes' had when that was.
    is_untallied: Vec<bool>,
    has_tally: Vec<bool>,
    /// Lanes that were tallied then.
    tallied: Vec<usize>,
    /// Lanes of which something may have come since they were last found to be at rest.
    awake: Awake,
    /// Of each lane, whether it was awake in the open minute, and whether nothing at all was to be told of the last one; of each service,
    /// whether that holds for all of its lanes.
    was_awake: Vec<bool>,
    rested: Vec<bool>,
    had_nothing: Vec<bool>,
    /// Of each lane, whether it may serve requests later than they come.
    puts_off: Vec<bool>,
    /// Lanes that must look at the cluster again.
    stale: Vec<usize>,
    /// The lanes of each target group.
    lanes_of_group: Vec<Vec<usize>>,
    /// The lanes of each service, one for each of its target groups, by the service's number.
    lanes_of_service: Vec<Range<usize>>,
    /// The last closed minute of each lane of a service that has several.
    minutes_of_lanes: BTreeMap<Id<TargetGroup>, ServiceTraffic>,
    /// What load balancers answer by themselves, of those that do.
    own_answers: Vec<OwnAnswers>,
    minutes: Vec<ServiceTraffic>,
    load_balancer_minutes: Vec<LoadBalancerCounts>,
    samples: Vec<Samples>,
    /// The same over 20 s, of services whose metrics have that resolution, and what the last of these came to.
    twenty_seconds: Vec<Option<TwentySeconds>>,
    /// CPU units that the tasks of each instance used, summed over the seconds of the open minute and in the mean of the last;
    /// where something watches them.
    instances: Option<[BTreeMap<Id<ContainerInstance>, f64>; 2]>,
    /// CPU units that tasks were given in this second for what they compute whatever they serve.
    background_given: BTreeMap<Id<Task>, GivenForSecond>,
    /// Of each group's instances, summed over the seconds of the open minute, and the mean of the last.
    used: Vec<Used>,
    used_in_minute: Vec<Used>,
    credits: BTreeMap<Id<ContainerInstance>, CpuCredits>,
    /// Surplus credits that are charged, by instance and hour.
    charged_credits: BTreeMap<(Id<ContainerInstance>, u64), f64>,
    out_of_memory: Vec<(Id<Task>, usize)>,
    now: Instant,
    roster: Roster,
    quiet_probes: QuietProbes,
}

impl Traffic {
    /// Nothing has arrived yet.
    pub fn new(scenario: &Scenario, seed: Seed) -> Traffic {
        let mut lanes = Vec::new();
        let lanes_of_service = scenario
            .services
            .entries()
            .map(|(service, definition)| {
                let first = lanes.len();
                let groups = definition.load_balancer.iter().flat_map(ServiceLoadBalancer::target_groups);
                lanes.extend(groups.filter_map(|it| Lane::new(scenario, service, it, seed)));
                first..lanes.len()
            })
            .collect();
        let with_samples = scenario.services_with_task_samples();
        let mut lanes_of_group = vec![Vec::new(); scenario.target_groups.len()];
        for (place, lane) in lanes.iter().enumerate() {
            lanes_of_group[lane.target_group().index()].push(place);
        }
        Traffic {
            quiet_probes: QuietProbes::new(lanes.len()),
            due: vec![0.0; lanes.len()],
            agenda: BinaryHeap::new(),
            done: Vec::new(),
            awake: Awake::all(lanes.len()),
            was_awake: vec![true; lanes.len()],
            puts_off: vec![false; lanes.len()],
            rested: vec![false; lanes.len()],
            had_nothing: vec![false; scenario.services.len()],
            is_untallied: vec![true; lanes.len()],
            has_tally: vec![false; scenario.target_groups.len()],
            tallied: Vec::new(),
            stale: (0..lanes.len()).collect(),
            lanes_of_group,
            lanes,
            lanes_of_service,
            minutes_of_lanes: BTreeMap::new(),
            own_answers: scenario.load_balancers.ids().filter_map(|it| OwnAnswers::new(scenario, it, seed)).collect(),
            load_balancer_minutes: vec![LoadBalancerCounts::default(); scenario.load_balancers.len()],
            minutes: vec![ServiceTraffic::default(); scenario.services.len()],
            samples: scenario.services.ids().map(|it| Samples::new(with_samples.contains(&it))).collect(),
            twenty_seconds: scenario
                .services
                .entries()
                .map(|(id, service)| {
                    let samples = Samples::new(with_samples.contains(&id));
                    let has_it = !service.high_resolution_metrics.is_empty();
                    has_it.then(|| TwentySeconds { samples, ..TwentySeconds::default() })
                })
                .collect(),
            background_given: BTreeMap::new(),
            instances: scenario.keeps_instance_samples().then(Default::default),
            credits: BTreeMap::new(),
            charged_credits: BTreeMap::new(),
            used: vec![Used::default(); scenario.auto_scaling_groups.len()],
            used_in_minute: vec![Used::default(); scenario.auto_scaling_groups.len()],
            out_of_memory: Vec::new(),
            now: Instant::START,
            roster: Roster::default(),
        }
    }

    /// A lane says anew when it is due.
    fn is_due_anew(&mut self, place: usize) {
        // One lane alone is asked each time: what it says of itself would cost as much.
        let due = if self.lanes.len() == 1 { 0.0 } else { self.lanes[place].due() };
        let before = std::mem::replace(&mut self.due[place], due);
        if due < f64::INFINITY && due != before {
            // Bits of floats that are not negative have their order.
            self.agenda.push(Reverse((due.to_bits(), place)));
        }
    }

    /// A lane that has something to do by `until`; it has to say anew when it is due.
    fn take_due(&mut self, until: f64) -> Option<usize> {
        while let Some(&Reverse((due, place))) = self.agenda.peek() {
            if f64::from_bits(due) > until {
                return None;
            }
            self.agenda.pop();
            if self.due[place].to_bits() == due {
                // What else the agenda has of it holds no more.
                self.due[place] = f64::NAN;
                return Some(place);
            }
        }
        None
    }

    /// Tasks, with the place of the container, that the kernel killed for their memory at the last second.
    pub fn out_of_memory(&self) -> &[(Id<Task>, usize)] {
        &self.out_of_memory
    }

    /// Requests of a target that still wait for their answer.
    pub fn in_flight(&self, target: Id<Target>) -> u32 {
        self.lanes.iter().map(|lane| lane.in_flight_of(target, self.now)).sum()
    }

    /// What has come of the health check that a target was sent.
    pub fn probe_answer(&self, cluster: &Cluster, target: Id<Target>) -> ProbeAnswer {
        let lane = self.lane_of_target(cluster, target).map(|it| &self.lanes[it]);
        lane.map_or(ProbeAnswer::Refused, |it| it.probe_answer(cluster, target, self.now))
    }

    /// Whether the minute that closes was as empty as the last one of these lanes, so that what was told of that is to be told again.
    fn stays_empty(&mut self, lanes: Range<usize>) -> bool {
        let stays_empty = lanes.clone().all(|it| self.rested[it] && !self.was_awake[it] && !self.awake.contains(it));
        for place in lanes.filter(|_| !stays_empty) {
            let was_awake = std::mem::replace(&mut self.was_awake[place], false);
            let rests = !was_awake && !self.awake.contains(place);
            self.rested[place] = rests && self.lanes[place].tells_of_requests_alone();
        }
        stays_empty
    }

    /// Closes the minute of several lanes of one service.
    fn close_minute_of(&mut self, lanes: Range<usize>) -> ServiceTraffic {
        let (mut all, mut served) = (ServiceTraffic::default(), Histogram::default());
        for lane in &mut self.lanes[lanes] {
            served.merge(lane.served_in_minute(self.now));
            let closed = lane.close_minute(self.now);
            all.add(&closed);
            self.minutes_of_lanes.insert(lane.target_group(), closed);
        }
        all.response_time_ms = response_times(&served);
        all.target_response_time_ms = response_times(&all.target_response_time);
        all
    }

    fn lane_of_target(&self, cluster: &Cluster, target: Id<Target>) -> Option<usize> {
        let Target { task, target_group, .. } = cluster.targets[target];
        let mut lanes = self.lanes_of_service[cluster.tasks[task].service()?.index()].clone();
        lanes.find(|it| self.lanes[*it].target_group() == target_group)
    }

    /// Whether a group's targets may have had requests between the last two times that they were tallied.
    pub fn has_tally(&self, group: Id<TargetGroup>) -> bool {
        self.has_tally[group.index()]
    }

    /// Requests and errors of a target between the last two times that they were tallied.
    pub fn tally_of(&self, cluster: &Cluster, target: Id<Target>) -> TargetTally {
        let mut tally = TargetTally::default();
        let Target { task, target_group, .. } = cluster.targets[target];
        if !self.has_tally(target_group) {
            return tally;
        }
        for &lane in &self.lanes_of_group[target_group.index()] {
            tally.add(self.lanes[lane].tally_of(task));
        }
        tally
    }

    /// Whether nothing came to a service in its last closed minute, and nothing was under way: but for what its tasks used.
    pub fn had_nothing(&self, service: Id<ServiceDefinition>) -> bool {
        self.had_nothing[service.index()]
    }

    /// A service's last closed minute.
    pub fn last_minute(&self, service: Id<ServiceDefinition>) -> &ServiceTraffic {
        &self.minutes[service.index()]
    }

    /// The last closed minute of a service at one of its target groups.
    pub fn last_minute_at(&self, service: Id<ServiceDefinition>, group: Id<TargetGroup>) -> &ServiceTraffic {
        self.minutes_of_lanes.get(&group).unwrap_or(&self.minutes[service.index()])
    }

    /// The last 20 s of a service whose metrics have that resolution.
    pub fn last_twenty_seconds(&self, service: Id<ServiceDefinition>) -> Utilization<'_> {
        self.twenty_seconds[service.index()].as_ref().map_or(Utilization::default(), |it| Utilization {
            cpu_percent: it.cpu_percent,
            memory_percent: it.memory_percent,
            tasks: &it.tasks,
        })
    }

    /// CPU units that the tasks on an instance used, in the mean over the last closed minute, where something watches them.
    pub fn cpu_units_used_by(&self, instance: Id<ContainerInstance>) -> f64 {
        self.instances.as_ref().and_then(|[_, closed]| closed.get(&instance)).copied().unwrap_or(0.0)
    }

    /// A service's whole run so far.
    pub fn totals(&mut self, service: Id<ServiceDefinition>) -> RequestTotals {
        let mut all: Option<RequestTotals> = None;
        for lane in self.lanes_of_service[service.index()].clone() {
            let totals = self.lanes[lane].totals(self.now);
            match &mut all {
                Some(all) => add_totals(all, totals),
                None => all = Some(totals),
            }
        }
        all.unwrap_or_default()
    }

    /// A load balancer's last closed minute.
    pub fn last_minute_of(&self, load_balancer: Id<LoadBalancer>) -> &LoadBalancerCounts {
        &self.load_balancer_minutes[load_balancer.index()]
    }

    /// What a load balancer has answered by itself so far.
    pub fn answered_by(&self, load_balancer: Id<LoadBalancer>) -> LoadBalancerCounts {
        let own = self.own_answers.iter().find(|it| it.load_balancer == load_balancer);
        own.map_or(LoadBalancerCounts::default(), OwnAnswers::totals)
    }

    /// What the tasks on a group's instances used, in the mean over the last closed minute.
    pub fn used_on(&self, group: Id<AutoScalingGroup>) -> Used {
        self.used_in_minute[group.index()]
    }

    /// Surplus CPU credits of an instance that are charged in each hour; what it owes when it is terminated is charged then.
    pub fn charged_credits(&self, instance: Id<ContainerInstance>, terminated_at: Option<Instant>) -> Vec<(u64, f64)> {
        let of_instance = self.charged_credits.range((instance, 0)..=(instance, u64::MAX));
        let mut charged: Vec<(u64, f64)> = of_instance.map(|((_, hour), credits)| (*hour, *credits)).collect();
        let owed = self.credits(instance).map_or(0.0, |it| (-it).max(0.0));
        if let Some(at) = terminated_at.filter(|_| owed > 0.0) {
            charged.push(((at.0.max(1) - 1) / Span::HOUR.0, owed));
        }
        charged
    }

    /// CPU credits left on a burstable instance; below zero is what it has borrowed.
    pub fn credits(&self, instance: Id<ContainerInstance>) -> Option<f64> {
        self.credits.get(&instance).map(|it| it.balance)
    }
}

/// Adds the totals of another lane of the same service.
fn add_totals(all: &mut RequestTotals, other: RequestTotals) {
    let (before, more) = (all.counts.arrived as f64, other.counts.arrived as f64);
    let together = (before + more).max(1.0);
    all.to_callers.iter_mut().for_each(|it| it.1 *= before / together);
    for (way, part) in other.to_callers {
        let part = part * more / together;
        match all.to_callers.iter_mut().find(|it| it.0 == way) {
            Some(same) => same.1 += part,
            None => all.to_callers.push((way, part)),
        }
    }
    all.to_callers.retain(|it| it.1 > 0.0);
    all.counts.add(&other.counts);
    all.in_flight += other.in_flight;
    all.histogram.merge(&other.histogram);
    all.response_time_ms = response_times(&all.histogram);
}

/// Takes note of what of the cluster has changed; that is looked at again when the traffic goes on.
pub fn note_changes(traffic: &mut Traffic, cluster: &Cluster, changes: &[Change]) {
    let Traffic { lanes, stale, own_answers, roster, lanes_of_group, lanes_of_service, background_given, .. } = traffic;
    let now = traffic.now;
    let all = 0..lanes.len();
    for change in changes {
        match *change {
            Change::Task(task) => {
                roster.has_changed_of(cluster, task);
                if background_given.contains_key(&task) {
                    roster.hears_of_containers(cluster, task, now);
                }
                let of_service = cluster.tasks[task].service().map_or(0..0, |it| lanes_of_service[it.index()].clone());
                stale.extend(of_service.filter(|it| lanes[*it].hears_of_task(cluster, task)));
            }
            Change::Target(target) => {
                let Target { task, target_group, .. } = cluster.targets[target];
                for &place in &lanes_of_group[target_group.index()] {
                    if lanes[place].place_of(task).is_none() {
                        // Where it stands in the lane is known once the lane has looked.
                        roster.has_changed_of(cluster, task);
                    }
                    stale.extend(lanes[place].hears_of_target_of(task).then_some(place));
                }
            }
            Change::Instance(instance) => roster.has_changed_on(instance),
            Change::WaitFactor(service) => {
                stale.extend(lanes_of_service[service.index()].clone().filter(|it| lanes[*it].must_look()));
            }
            Change::Actions => {
                stale.extend(all.clone().filter(|it| lanes[*it].must_look()));
                own_answers.iter_mut().for_each(OwnAnswers::actions_have_changed);
            }
        }
    }
    for change in changes {
        match *change {
            Change::Task(task) => traffic.forget_quiet_probe(cluster, task),
            Change::Target(target) => traffic.forget_quiet_probe(cluster, cluster.targets[target].task),
            Change::WaitFactor(service) => {
                traffic.lanes_of_service[service.index()].clone().for_each(|it| traffic.asks_lane_again(it, now));
            }
            Change::Actions => (0..traffic.lanes.len()).for_each(|it| traffic.asks_lane_again(it, now)),
            Change::Instance(_) => {}
        }
    }
}

/// Serves: completions and timeouts at or before `until`, arrivals before it.
pub fn advance(traffic: &mut Traffic, scenario: &Scenario, cluster: &Cluster, until: Instant) {
    while let Some(place) = traffic.stale.pop() {
        traffic.due[place] = f64::NAN;
        traffic.done.push(place);
    }
    while let Some(place) = traffic.take_due(until.0 as f64) {
        traffic.done.push(place);
    }
    for done in 0..traffic.done.len() {
        let place = traffic.done[done];
        if traffic.lanes[place].next_request() < f64::INFINITY {
            traffic.asks_lane_again(place, until);
        }
        traffic.lanes[place].advance(scenario, cluster, traffic.now, until);
        traffic.awake.wake(place);
        traffic.is_untallied[place] = true;
        traffic.puts_off[place] = traffic.lanes[place].puts_off();
    }
    while let Some(place) = traffic.done.pop() {
        traffic.is_due_anew(place);
    }
    for own in &mut traffic.own_answers {
        own.advance(cluster, until);
    }
    traffic.now = until;
}

/// What comes of a health check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProbeAnswer {
    /// Nobody answers: the process is down, its queue is full, or it has gone with the check.
    Refused,
    /// It is answered before anything else happens to the target, which is healthy; and so are those that follow, until one has to be
    /// sent at this instant, or before if [`next_due_probe`] names the target.
    PassedUntil(Instant),
    /// It is answered after so long.
    After(Span),
    /// When it is answered depends on what else comes; not before so long, and it has to be asked for then.
    NotBefore(Span),
    /// It has just been answered.
    Answered,
    /// It never arrives: no connection comes in.
    Never,
}

/// Puts a health check into the target's queue, now.
pub fn probe(traffic: &mut Traffic, scenario: &Scenario, cluster: &Cluster, target: Id<Target>) -> ProbeAnswer {
    if !cluster.targets[target].is_reachable {
        return ProbeAnswer::Never;
    }
    if let Some(next) = traffic.answers_quietly(scenario, cluster, target) {
        return ProbeAnswer::PassedUntil(next);
    }
    let now = traffic.now;
    let Some(lane) = traffic.lane_of_target(cluster, target) else { return ProbeAnswer::Refused };
    let answer = traffic.lanes[lane].probe(scenario, cluster, target, now);
    traffic.awake.wake(lane);
    traffic.is_due_anew(lane);
    answer
}

/// A target whose health checks have been answered without being sent, and when the next one has to be.
pub fn next_due_probe(traffic: &mut Traffic) -> Option<(Id<Target>, Instant)> {
    traffic.quiet_probes.next_due()
}

/// Samples memory and CPU use of the second that has passed, and freezes what each task may use in the next one. Lanes at rest, and
/// what computes nothing, are passed over: what their seconds come to is added up when somebody asks.
pub fn second_passes(traffic: &mut Traffic, scenario: &Scenario, cluster: &Cluster) {
    let now = traffic.now;
    traffic.out_of_memory.clear();
    let awake = traffic.awake.take();
    awake.iter().for_each(|it| traffic.lanes[*it].second_ends(now));
    traffic.awake.give_back(awake);
    traffic.share_instances(scenario, cluster);
    let awake = traffic.awake.take();
    for &place in &awake {
        traffic.was_awake[place] = true;
        let lane = &mut traffic.lanes[place];
        lane.second_begins(now);
        if lane.is_at_rest(now) {
            traffic.awake.rests(place);
        }
        let due = lane.due();
        if due != traffic.due[place] {
            traffic.is_due_anew(place);
        }
    }
    traffic.awake.give_back(awake);
}

/// Closes what was counted of the requests and errors of each target since the last time.
pub fn tally_targets(traffic: &mut Traffic) {
    let now = traffic.now;
    traffic.has_tally.fill(false);
    traffic.tallied.drain(..).for_each(|it| traffic.lanes[it].forget_tallies());
    for (place, is_untallied) in traffic.is_untallied.iter_mut().enumerate().filter(|it| *it.1) {
        let lane = &mut traffic.lanes[place];
        if lane.tally_targets(now) {
            traffic.tallied.push(place);
            traffic.has_tally[lane.target_group().index()] = true;
        }
        *is_untallied = !lane.holds_no_request();
    }
}

/// Closes the 20 s (t - 20 s, t] of the services whose metrics have that resolution.
pub fn twenty_seconds_close(traffic: &mut Traffic) {
    traffic.add_up_rest();
    for it in traffic.twenty_seconds.iter_mut().flatten() {
        let (samples, tasks) = it.samples.close();
        (it.cpu_percent, it.memory_percent) = samples.percent();
        it.tasks = tasks;
    }
}

/// Closes the minute (t - 60 s, t] of every service.
pub fn minute_closes(traffic: &mut Traffic, scenario: &Scenario) {
    traffic.add_up_rest();
    traffic.load_balancer_minutes.fill(LoadBalancerCounts::default());
    for own in &mut traffic.own_answers {
        traffic.load_balancer_minutes[own.load_balancer.index()] = own.close_minute();
    }
    for (used, mean) in traffic.used.iter_mut().zip(&mut traffic.used_in_minute) {
        let Used { cpu_units, memory_mib } = std::mem::take(used);
        *mean = Used { cpu_units: cpu_units / 60.0, memory_mib: memory_mib / 60.0 };
    }
    if let Some([open, closed]) = &mut traffic.instances {
        *closed = std::mem::take(open);
        closed.values_mut().for_each(|it| *it /= 60.0);
    }
    for service in scenario.services.ids() {
        let (samples, tasks) = traffic.samples[service.index()].close();
        let lanes = traffic.lanes_of_service[service.index()].clone();
        traffic.had_nothing[service.index()] = traffic.stays_empty(lanes.clone());
        if !traffic.had_nothing(service) {
            traffic.minutes[service.index()] = match lanes.len() {
                1 => traffic.lanes[lanes.start].close_minute(traffic.now),
                _ => traffic.close_minute_of(lanes),
            };
        }
        let minute = &mut traffic.minutes[service.index()];
        (minute.cpu_percent, minute.memory_percent) = samples.percent();
        minute.used = Used { cpu_units: samples.cpu_units_used / 60.0, memory_mib: samples.memory_mib_used / 60.0 };
        minute.tasks = tasks;
        for group in scenario.services[service].load_balancer.iter().flat_map(ServiceLoadBalancer::target_groups) {
            let load_balancer = scenario.target_groups[group].load_balancer;
            let non_sticky = traffic.last_minute_at(service, group).non_sticky;
            traffic.load_balancer_minutes[load_balancer.index()].non_sticky += non_sticky;
        }
    }
}
