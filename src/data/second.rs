//! What a second leaves behind: the CPU and memory that tasks used, what they may use next, and which of them the kernel
//! kills for their memory.

use crate::aws::cpu_sharing::{CpuCredits, CpuDemand, CpuOffers, WithinTask, offer_cpu};
use crate::cluster::{Cluster, Task};
use crate::data::memory::{Greed, Load, is_there, memory_of, who_passes_its_limit};
use crate::data::roster::{GivenForSecond, Guest, Machine, Roster};
use crate::data::{TaskSamples, Traffic};
use crate::scenario::Scenario;
use crate::table::Id;
use crate::units::{NANOS_PER_SECOND, Span};

impl Traffic {
    /// One second of every instance, and of every task on Fargate: what its tasks used, what they may use next, and whether memory is left.
    pub(super) fn share_instances(&mut self, scenario: &Scenario, cluster: &Cluster) {
        let mut roster = std::mem::take(&mut self.roster);
        roster.machine_of_station.resize(self.lanes.len(), Vec::new());
        while let Some(stale) = roster.is_stale.pop_first() {
            roster.renew(stale, self, scenario, cluster);
        }
        roster.ran_since.clear();
        self.wake_machines(&mut roster);
        roster.seconds += 1;
        let awake = roster.awake.take();
        let Roster { machines, awake: awake_machines, demands, offers, within, seconds, .. } = &mut roster;
        for &number in &awake {
            let machine = &mut machines[number];
            if std::mem::take(&mut machine.has_newcomers) {
                self.give_newcomers(machine, demands, offers, within);
            }
            demands.clear();
            let used_by_departed = std::mem::take(&mut machine.used_by_departed);
            let (mut memory_of_all, mut cpu_of_all) = (machine.quiet_memory_mib, used_by_departed);
            let mut has_background = false;
            let mut is_steady = true;
            for guest in &mut machine.guests {
                let is_busy = std::mem::take(&mut guest.is_busy);
                let (by_requests, load) = match is_busy || guest.leaks {
                    true => self.take_second(guest),
                    false => (0.0, Load { at: self.now, ..Load::default() }),
                };
                let in_all_of_it = || match guest.background {
                    Some(_) => self.background_given.get(&guest.task).map_or(0.0, |it| it.cpu_units),
                    None => 0.0,
                };
                let by_background = guest.in_this_second.take().unwrap_or_else(in_all_of_it);
                let cpu_units_used = by_requests + by_background;
                let wanted = guest.background.map_or(0.0, |it| it.wanted);
                // Of the second in which it began the part counts in which it ran.
                let ran = guest.background.as_mut().map_or(1.0, |it| std::mem::replace(&mut it.ran, 1.0));
                has_background |= wanted > 0.0;
                let definition = &scenario.task_definitions[guest.task_definition];
                let followed = &cluster.tasks[guest.task].containers;
                let within = guest.requests_within_limits;
                if guest.leaks || load.requests > within || within == 0 {
                    for container in who_passes_its_limit(definition, guest.memory_limit, guest.serving, followed, load)
                    {
                        self.runs_out_of_memory(guest.task, container);
                    }
                }
                is_steady &= !guest.leaks && within > 0 && (load.requests == 0 || guest.memory_per_request_mib == 0.0);
                let memory_mib = if guest.leaks {
                    let containers = 0..definition.containers.len();
                    containers.map(|it| memory_of(definition, guest.serving, followed, it, load)).sum()
                } else {
                    guest.memory_base_mib + guest.memory_per_request_mib * f64::from(load.requests)
                };
                memory_of_all += memory_mib;
                cpu_of_all += cpu_units_used;
                demands.push(CpuDemand { demand: by_requests + wanted, ..guest.demand });
                if let (Some((cpu_base, memory_base)), Some(service)) = (guest.base, guest.service) {
                    let second = TaskSamples {
                        cpu_units_used,
                        cpu_units_base: ran * cpu_base,
                        memory_mib_used: memory_mib,
                        memory_mib_base: memory_base,
                    };
                    self.samples[service].add(guest.task, &second);
                    if let Some(it) = &mut self.twenty_seconds[service] {
                        it.samples.add(guest.task, &second);
                    }
                }
            }
            if let Some((instance, group)) = machine.instance {
                if let Some([open, _]) = &mut self.instances {
                    *open.entry(instance).or_default() += cpu_of_all;
                }
                let used = &mut self.used[group];
                used.cpu_units += cpu_of_all;
                used.memory_mib += memory_of_all;
                if memory_of_all > machine.memory_mib {
                    is_steady = false;
                    self.instance_runs_out_of_memory(scenario, cluster, &machine.guests);
                }
            }
            machine.added_up = *seconds;
            let is_idle = cpu_of_all == 0.0 && machine.burst.is_none() && !has_background;
            if is_idle && is_steady {
                awake_machines.rests(number);
            }
            if !is_idle && std::mem::take(&mut machine.has_unasked) {
                machine.guests.iter().for_each(|it| self.forget_quiet_probe(cluster, it.task));
            }
            if is_idle && machine.has_idle_offers {
                continue;
            }
            machine.has_idle_offers = is_idle;
            let capacity = self.pass_credits(machine, cpu_of_all);
            offer_cpu(capacity, demands, offers);
            for ((guest, &offer), demand) in machine.guests.iter_mut().zip(&offers.offers).zip(&*demands) {
                let mut requests = offer;
                let mut part_of_quota = 1.0;
                if let Some(background) = guest.background {
                    let mut share = |capacity| background.share(capacity, demand, &machine.others, within);
                    let at_most = demand.cap.map_or(offer, |cap| cap.min(offer));
                    let shared: WithinTask = share(at_most);
                    let (cpu_units, by_requests) = (shared.background, background.by_requests(demand));
                    self.background_given.insert(guest.task, GivenForSecond { cpu_units, at_most, by_requests });
                    (requests, part_of_quota) = match demand.cap {
                        Some(cap) if demand.is_throttled => (share(offer).requests, shared.requests.max(1.0) / cap),
                        _ => (shared.requests, 1.0),
                    };
                }
                if let Some((lane, place)) = guest.station
                    && guest.given != (requests, part_of_quota)
                {
                    guest.given = (requests, part_of_quota);
                    self.forget_quiet_probe(cluster, guest.task);
                    let station = self.lanes[lane].station(place).0;
                    let changes = station.is_offered(requests) | (station.part_of_quota != part_of_quota);
                    station.part_of_quota = part_of_quota;
                    if changes {
                        self.lanes[lane].is_offered_anew(place);
                        if !self.awake.contains(lane) {
                            self.lanes[lane].second_begins(self.now);
                        }
                    }
                }
            }
        }
        roster.awake.give_back(awake);
        self.roster = roster;
    }

    /// What tasks computed whatever they served in the second in which they began to: what they would have been given of all of it,
    /// by what all of the machine's tasks used and wanted, for as long as they ran.
    fn give_newcomers(
        &mut self,
        machine: &mut Machine,
        demands: &mut Vec<CpuDemand>,
        offers: &mut CpuOffers,
        within: &mut (Vec<CpuDemand>, CpuOffers),
    ) {
        demands.clear();
        for guest in &machine.guests {
            let by_requests = if guest.is_busy || guest.leaks { self.take_second(guest).0 } else { 0.0 };
            let wanted = guest.background.map_or(0.0, |it| it.wanted);
            demands.push(CpuDemand { demand: by_requests + wanted, ..guest.demand });
        }
        let credits = machine.instance.and_then(|it| self.credits.get(&it.0)).zip(machine.burst.as_ref());
        let capacity = credits.map_or(machine.cpu_units, |(credits, burst)| credits.capacity(burst, machine.vcpu));
        offer_cpu(capacity, demands, offers);
        for ((guest, &offer), demand) in machine.guests.iter_mut().zip(&offers.offers).zip(&*demands) {
            let Some(background) = &mut guest.background else { continue };
            if self.background_given.contains_key(&guest.task) {
                background.ran = 1.0;
                continue;
            }
            let at_most = demand.cap.map_or(offer, |cap| cap.min(offer));
            let given = background.share(at_most, demand, &machine.others, within).background;
            let (cpu_units, by_requests) = (given * background.ran, background.by_requests(demand));
            self.background_given.insert(guest.task, GivenForSecond { cpu_units, at_most, by_requests });
            if background.is_of_known_task {
                background.ran = 1.0;
            }
        }
    }

    /// Wakes the machines that busy stations stand on.
    fn wake_machines(&mut self, roster: &mut Roster) {
        let Roster { machines, awake: awake_machines, seconds, machine_of_station, .. } = roster;
        let Traffic { lanes, awake, samples, twenty_seconds, used, .. } = self;
        let awake_lanes = awake.take();
        for &place in &awake_lanes {
            let of_lane = &machine_of_station[place];
            for (machine, guest) in lanes[place].busy_stations().filter_map(|it| of_lane.get(it).copied().flatten()) {
                machines[machine].guests[guest].is_busy = true;
                if !awake_machines.contains(machine) {
                    awake_machines.wake(machine);
                    machines[machine].add_up(*seconds, (samples, twenty_seconds, used));
                }
            }
        }
        awake.give_back(awake_lanes);
    }

    /// Adds up what machines at rest, and health checks that are not asked, have come to.
    pub(super) fn add_up_rest(&mut self) {
        self.add_up_all_probes();
        let Traffic { samples, twenty_seconds, used, roster, .. } = self;
        for machine in &mut roster.machines {
            machine.add_up(roster.seconds, (samples, twenty_seconds, used));
        }
    }

    /// CPU units that a task used in the second, and what its memory follows now.
    fn take_second(&mut self, guest: &Guest) -> (f64, Load) {
        let hours = guest.leaks_since.map_or(0.0, |it| self.now.since(it).as_hours());
        let Some((lane, place)) = guest.station else { return (0.0, Load { hours, at: self.now, ..Load::default() }) };
        let (station, cpu_done) = self.lanes[lane].station(place);
        let load = Load { requests: station.in_flight, taken: station.taken, hours, at: self.now };
        (cpu_done * 1024.0 / NANOS_PER_SECOND as f64, load)
    }

    /// Lets an instance earn and spend its CPU credits for a second; the CPU units that it can give in the next.
    fn pass_credits(&mut self, machine: &Machine, cpu_units_used: f64) -> f64 {
        let (Some(burst), Some((instance, _))) = (&machine.burst, machine.instance) else { return machine.cpu_units };
        let credits = self.credits.entry(instance).or_insert_with(|| CpuCredits::new(burst));
        let before = credits.charged;
        credits.pass(burst, 1.0, cpu_units_used);
        if credits.charged > before {
            let hour = (self.now.0.max(1) - 1) / Span::HOUR.0;
            *self.charged_credits.entry((instance, hour)).or_default() += credits.charged - before;
        }
        credits.capacity(burst, machine.vcpu)
    }

    /// The kernel kills the container that lies furthest above what it reserved.
    fn instance_runs_out_of_memory(&mut self, scenario: &Scenario, cluster: &Cluster, guests: &[Guest]) {
        let mut greediest: Option<Greed> = None;
        for guest in guests {
            let (_, load) = self.take_second(guest);
            let definition = &scenario.task_definitions[guest.task_definition];
            let followed = &cluster.tasks[guest.task].containers;
            for (place, container) in definition.containers.iter().enumerate() {
                if !is_there(followed, place) {
                    continue;
                }
                let used_mib = memory_of(definition, guest.serving, followed, place, load);
                let reserved = f64::from(container.memory_reservation.or(container.memory).unwrap_or(0));
                let greed = Greed { above_mib: used_mib - reserved, used_mib, task: guest.task, container: place };
                if greediest.is_none_or(|it| greed.is_killed_before(&it)) {
                    greediest = Some(greed);
                }
            }
        }
        if let Some(Greed { task, container, .. }) = greediest {
            self.runs_out_of_memory(task, container);
        }
    }

    fn runs_out_of_memory(&mut self, task: Id<Task>, container: usize) {
        if !self.out_of_memory.contains(&(task, container)) {
            self.out_of_memory.push((task, container));
        }
    }
}
