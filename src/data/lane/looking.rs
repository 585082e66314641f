//! What a lane makes of a change in the cluster: stations that come and go, what is cut off, and who its requests go to.

use crate::aws::load_balancer::LoadBalancerType;
use crate::cluster::{Cluster, Target, TargetState, Task};
use crate::data::kernel::SERVERS_MAXIMUM;
use crate::data::lane::{Kernel, Lane, News, serving_application};
use crate::data::rotation::{Awaited, Candidate, Candidates, Ramp};
use crate::data::sharing::{Quota, Sharing};
use crate::data::station::{Station, VCPU};
use crate::scenario::Scenario;
use crate::table::Id;
use crate::units::Instant;
use crate::workload::users::NOBODY;

impl Lane {
    /// Reacts to what control has changed since the last look: at the instant of the change, before anything arrives.
    pub(super) fn look(&mut self, scenario: &Scenario, cluster: &Cluster, now: Instant) {
        if self.news.is_empty() {
            return;
        }
        let News { all, targets, mut tasks } = std::mem::take(&mut self.news);
        self.catch_up(now);
        self.settle(now.0 as f64);
        self.look_after_outlived();
        if all {
            self.sources.iter_mut().filter_map(|it| it.forwarding.as_mut()).for_each(|it| it.look(cluster));
            let registered = &cluster.target_groups[self.target_group.index()];
            tasks.extend(registered.iter().map(|it| cluster.targets[*it].task));
            tasks.extend(self.station_of_task.keys());
            self.waits_change(cluster.wait_factors.get(&self.service).copied().unwrap_or(1.0));
        }
        tasks.sort_unstable();
        tasks.dedup();
        let welcomes = (all || targets) && self.add_stations(scenario, cluster, &tasks, now);
        let (changes, rotates) = self.look_at_tasks(scenario, cluster, &tasks, now);
        let forgets = self.forget_stopped(cluster, &tasks);
        // Its room is used again: in a storm there are news of a lane many times a second.
        tasks.clear();
        self.news.tasks = tasks;
        if !(all || welcomes || changes || rotates || forgets) {
            return;
        }
        if all || rotates {
            self.deal_evenly();
            let pools = self.pools(scenario, cluster, now);
            self.rotation.renew(pools);
        }
        self.count_awaited(now.0 as f64);
        if self.sessions.is_some() {
            let stations = &self.stations;
            let is_healthy = |place: usize| cluster.targets[stations[place].target].state == TargetState::Healthy;
            self.rotation.let_stay(is_healthy);
        }
        self.empty_surge_queues(now.0 as f64);
        self.choose_kernel(now.0 as f64);
        self.may_wait = self.may_wait_in(scenario, cluster);
    }

    /// Adds stations for those of these tasks whose targets were registered, in that order; tells whether there are any.
    fn add_stations(&mut self, scenario: &Scenario, cluster: &Cluster, tasks: &[Id<Task>], now: Instant) -> bool {
        let registered = &cluster.target_groups[self.target_group.index()];
        let is_new = |task: &Id<Task>| !self.station_of_task.contains_key(task);
        let target_of = |task: Id<Task>| cluster.tasks[task].target.map(|it| (it, task));
        let mut new: Vec<(Id<Target>, Id<Task>)> = tasks.iter().copied().filter(is_new).filter_map(target_of).collect();
        new.retain(|(target, _)| registered.contains(target));
        new.sort_unstable();
        for &(target, task) in &new {
            self.add_station(scenario, cluster, (task, target), now);
        }
        !new.is_empty()
    }

    /// Looks at the processes and targets of some tasks; tells whether that changes who serves and how, and whether it changes
    /// the rotation.
    fn look_at_tasks(
        &mut self,
        scenario: &Scenario,
        cluster: &Cluster,
        tasks: &[Id<Task>],
        now: Instant,
    ) -> (bool, bool) {
        let group = &scenario.target_groups[self.target_group];
        let mut gone = Vec::new();
        let (mut changes, mut rotates) = (false, false);
        for task in tasks {
            let Some(&place) = self.station_of_task.get(task) else { continue };
            let station = &mut self.stations[place];
            let row = &cluster.tasks[*task];
            let is_up = row.process_is_up;
            let was_up = std::mem::replace(&mut station.is_up, is_up);
            // What is up when a run begins has been up for long.
            if is_up && !was_up && now > Instant::START {
                station.begins(self.laws[station.law].cold_start, now.0 as f64);
            }
            let target = &cluster.targets[station.target];
            let state = target.state;
            let in_rotation = target.is_in_rotation().then_some((state, target.slow_start_since, target.weight));
            rotates |= std::mem::replace(&mut station.in_rotation, in_rotation) != in_rotation;
            let is_cut_off = match state {
                TargetState::Unused => group.cuts_deregistered,
                TargetState::Unhealthy => group.resets_unhealthy && !station.is_reset,
                _ => false,
            };
            station.is_reset = state == TargetState::Unhealthy;
            changes |=
                is_up != was_up || std::mem::replace(&mut station.error_share, row.error_share) != row.error_share;
            if was_up && !is_up {
                gone.push((place, true));
            } else if is_cut_off {
                gone.push((place, false));
            }
        }
        if !gone.is_empty() {
            self.cut_off(&gone, now.0 as f64);
        }
        (changes || !gone.is_empty(), rotates)
    }

    /// Whether nobody asks what the lane's requests do before the next minute, health check or change of the cluster: they
    /// take no CPU and no memory, and no target drains or is about to change.
    fn may_wait_in(&self, scenario: &Scenario, cluster: &Cluster) -> bool {
        let Kernel::Plain { law, .. } = self.kernel else { return false };
        let law = &self.laws[law];
        let is_light = !law.computes && !law.counts_taken && !law.takes_memory;
        let is_alone = !self.serves_part && self.dns.is_none() && self.surge.is_none();
        let targets = &cluster.target_groups[self.target_group.index()];
        let all_are_healthy = targets.iter().all(|it| cluster.targets[*it].state == TargetState::Healthy);
        is_light && is_alone && all_are_healthy && scenario.assumptions.drain_full_delay
    }

    /// Counts anew what each node waits for, as who knows of its end may have changed.
    pub(super) fn count_awaited(&mut self, now: f64) {
        if !self.rotation.counts_requests() {
            return;
        }
        self.look_after_outlived();
        let awaited = self.in_flight.iter().filter(|it| it.is_awaited(now));
        let awaited =
            awaited.map(|it| Awaited { node: it.node as usize, place: it.place as usize, until: it.caller_end });
        let of_sharing = self.sharing.iter().enumerate().flat_map(|(place, sharing)| {
            let awaited = sharing.jobs().filter(|it| !it.caller_has_ended);
            awaited.map(move |it| Awaited { node: it.node as usize, place, until: f64::INFINITY })
        });
        let awaited: Vec<Awaited> = awaited.chain(of_sharing).chain(self.awaited_connections(now)).collect();
        self.rotation.count_anew(&awaited);
    }

    /// The targets that each zone's nodes send to, or all nodes: the healthy ones, or all where those are too few.
    fn pools(&mut self, scenario: &Scenario, cluster: &Cluster, now: Instant) -> Vec<Candidates> {
        let group = &scenario.target_groups[self.target_group];
        let pools = cluster.target_pools(self.target_group, group, &scenario.load_balancers[group.load_balancer]);
        if let Some(dns) = &mut self.dns {
            for (zone, pool) in pools.iter().enumerate() {
                let healthy = pool.iter().filter(|it| cluster.targets[**it].state == TargetState::Healthy).count();
                let is_healthy = group.dns_failover.is_none_or(|it| !it.is_missed(healthy, pool.len()));
                // A node of a Network Load Balancer without targets in its zone is in no DNS answer.
                let is_judged = !pool.is_empty() || self.kind == LoadBalancerType::Network;
                dns.judge(zone, is_judged, is_healthy, now.0 as f64);
            }
        }
        let slow_start = group.slow_start.0 as f64;
        let candidate = |it: &Target| {
            let begin = it.slow_start_since.map(|it| it.0 as f64);
            let ramp = begin.map(|begin| Ramp { begin, end: begin + slow_start });
            Candidate { place: self.station_of_task[&it.task], ramp, weight: it.weight }
        };
        let chosen = pools.into_iter().map(|pool| {
            let of_pool = || pool.iter().map(|it| &cluster.targets[*it]);
            let is_healthy = |it: &&Target| it.state == TargetState::Healthy;
            let healthy = of_pool().filter(is_healthy).count();
            // A Classic Load Balancer has no fail-open.
            let is_fail_open =
                self.kind != LoadBalancerType::Classic && group.unhealthy_state_routing.is_missed(healthy, pool.len());
            let mut targets = Vec::with_capacity(pool.len());
            targets.extend(of_pool().filter(|it| is_fail_open || is_healthy(it)).map(candidate));
            Candidates { targets, is_fail_open }
        });
        chosen.collect()
    }

    pub(super) fn choose_kernel(&mut self, now: f64) {
        self.kernel = Kernel::Careful;
        // Users, sessions, flows, targets that are broken and nodes that differ in whom they send to are looked at with each request.
        if self.users.are_expected()
            || self.sessions.is_some()
            || self.flows.is_some()
            || self.rotation.is_fail_open().is_none()
            || self.rotation.places().any(|it| self.stations[it].error_share > 0.0 || !self.stations[it].is_reachable)
        {
            return;
        }
        let Some(first) = self.rotation.places().next().map(|it| &self.stations[it]) else { return };
        let is_plain = |it: &Station| it.is_up && it.law == first.law && it.servers == first.servers && !it.shares_cpu;
        let candidates = self.rotation.places().map(|it| &self.stations[it]);
        if self.laws[first.law].counts_taken || candidates.clone().any(|it| it.is_cold(now)) {
            return;
        }
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
                self.minute.count_cut_off(now - job.arrival, place);
                if job.user != NOBODY {
                    let way = self.minute.to_target[place] as u64;
                    self.users.are_answered(job.user, now as u64 + way);
                }
            }
            if process_is_gone {
                let row = &mut self.free_at[place * self.stride..][..self.stride];
                self.stations[place].frees_all(row, 0.0);
                self.stations[place].empty();
                sharing.pass(now);
                sharing.empty();
            }
        }
        let (window, cpu_done, users) = (&mut self.minute, &mut self.cpu_done, &mut self.users);
        self.in_flight.retain_mut(|it| {
            let Some(process_is_gone) = fate[it.place as usize] else { return true };
            if !it.caller_has_ended {
                debug_assert!(it.caller_end > now, "what has ended is settled before the cluster is looked at");
                it.caller_has_ended = true;
                window.count_cut_off(now - it.arrival, it.place as usize);
                if it.user != NOBODY {
                    let way = window.to_target[it.place as usize] as u64;
                    users.are_answered(it.user, now as u64 + way);
                }
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
        let named = scenario.revision_before_pipelines(self.service, revision);
        let law = self.revisions.iter().position(|it| *it == named).expect("a task runs a revision its service names");
        let application = serving_application(scenario, revision, self.container);
        let (servers, queue) = (application.servers() as usize, application.queue_room() as usize);
        let mut station = Station::new(task, target, law, servers, queue);
        let definition = &scenario.task_definitions[revision];
        let quota = application.cfs_period.and_then(|period| {
            let phase = self.cfs_period_stream.below(period.0 as usize) as u64;
            let amount = definition.cfs_quota(period)?.0 as f64;
            let others: f64 = definition.containers.iter().map(|it| it.application.background_cpu_units).sum();
            let needed = (servers as f64 + others / VCPU) * period.0 as f64;
            Some(Quota { amount, period: period.0, phase }).filter(|_| amount < needed)
        });
        station.to_target = self.laws[law].to_target;
        station.is_reachable = cluster.targets[target].is_reachable;
        station.is_throttled = quota.is_some();
        let cap = definition.cpu_cap_of(self.container, cluster.tasks[task].is_on_fargate());
        if let Some(cap) = cap.filter(|_| quota.is_none()) {
            station.is_offered(cap);
        }
        let sharing = Sharing::new(servers, queue, self.laws[law].cancels, quota);
        let place = match self.vacant.pop() {
            Some(place) => {
                self.stations[place] = station;
                self.sharing[place] = sharing;
                // What its predecessor left is nobody's.
                (self.routed_to[place], self.minute.errors[place]) = (0.0, 0);
                place
            }
            None => {
                self.stations.push(station);
                self.sharing.push(sharing);
                self.free_at.resize(self.stations.len() * self.stride, 0.0);
                self.cpu_done.push(0.0);
                self.routed_to.push(0.0);
                self.minute.errors.push(0);
                self.minute.to_target.push(0.0);
                self.stations.len() - 1
            }
        };
        self.minute.to_target[place] = self.laws[law].to_target;
        self.station_of_task.insert(task, place);
        self.occupied.insert(self.occupied.partition_point(|it| *it < place), place);
        self.shares_or_not(place, now.0 as f64);
    }

    /// Gives the places of stopped tasks back, of these or of those whose stations held something until now; tells whether there
    /// are any. Their processes are gone, so nothing of theirs stays in flight.
    fn forget_stopped(&mut self, cluster: &Cluster, tasks: &[Id<Task>]) -> bool {
        let has_stopped = |it: &Id<Task>| cluster.tasks[*it].stopped_at.is_some();
        self.leaving.extend(tasks.iter().copied().filter(has_stopped));
        self.leaving.sort_unstable();
        self.leaving.dedup();
        let Lane { station_of_task, occupied, vacant, cpu_done, stations, sharing, leaving, .. } = self;
        let stood = occupied.len();
        leaving.retain(|task| {
            let Some(&place) = station_of_task.get(task) else { return false };
            let stays =
                cluster.tasks[*task].target.is_some() || stations[place].in_flight > 0 || sharing[place].held() > 0;
            if !stays {
                station_of_task.remove(task);
                cpu_done[place] = 0.0;
                vacant.push(place);
                occupied.retain(|it| *it != place);
            }
            stays
        });
        occupied.len() < stood
    }
}
