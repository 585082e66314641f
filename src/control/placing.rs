//! Where a task goes: the rules of `aws::placement`, asked of the cluster as it stands.
//!
//! An index answers. It is told what has changed when the next task is placed, from the cluster's own lists of changes.

use std::collections::BTreeMap;

use crate::aws::auto_scaling_group::{AutoScalingGroup, AvailabilityZone};
use crate::aws::capacity_provider::CapacityProvider;
use crate::aws::cluster_query::{Expression, InstanceFacts, matches};
use crate::aws::launch::Launcher;
use crate::aws::placement::index::{Index, Request};
use crate::aws::placement::{Candidate, PlacementConstraint, PlacementStrategy, Reason, failure};
use crate::aws::run_task::Overrides;
use crate::aws::subnet::NetworkConfiguration;
use crate::aws::task_definition::{CpuArchitecture, Reservation, TaskDefinition};
use crate::cluster::{Cluster, ContainerInstance, InstanceStatus, Task};
use crate::control::Control;
use crate::control::network::has_subnet;
use crate::scenario::{Scenario, SpreadCounts, TimelineChange};
use crate::table::Id;
use crate::units::{Instant, Span};

/// What the control plane keeps to place tasks without asking every instance each time.
pub struct Placing<'a> {
    index: Index,
    requirements: Vec<Requirements<'a>>,
    requirements_of: BTreeMap<Wanted, usize>,
    /// Room for the task groups of one instance's tasks.
    task_groups: Vec<usize>,
    /// Grows whenever an instance has changed.
    pub(super) version: u64,
}

/// A task that is to be placed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Wanted {
    /// Who starts it.
    pub launcher: Launcher,
    /// What it runs.
    pub task_definition: Id<TaskDefinition>,
    /// The provider that was chosen for it; `None` is launch type EC2.
    pub capacity_provider: Option<Id<CapacityProvider>>,
    /// What the timeline has given its service to be its network configuration.
    pub network: Option<Id<NetworkConfiguration>>,
    /// What the timeline has given its service to be its placement constraints.
    pub placement_constraints: Option<Id<Vec<PlacementConstraint>>>,
    /// The zone that it must go to, where it is to rebalance its service.
    pub availability_zone: Option<Id<AvailabilityZone>>,
    /// What it has instead of its definition's.
    pub overrides: Overrides,
}

impl Wanted {
    /// What a task that exists was wanted as.
    pub fn of(task: &Task) -> Wanted {
        Wanted {
            launcher: task.launcher,
            task_definition: task.task_definition,
            capacity_provider: task.capacity_provider,
            network: task.network,
            placement_constraints: task.placement_constraints,
            availability_zone: task.started_for_zone,
            overrides: task.overrides,
        }
    }

    /// What it reserves.
    pub fn reservation(&self, scenario: &Scenario) -> Reservation {
        self.overrides.reservation(scenario.task_definitions[self.task_definition].reservation())
    }
}

/// What decides which instances can take a task, `distinctInstance` aside; services that need the same share it.
struct Requirements<'a> {
    reservation: Reservation,
    cpu_architecture: Option<CpuArchitecture>,
    auto_scaling_group: Option<Id<AutoScalingGroup>>,
    reach: Reach,
    /// Expressions whose answers stay, and what each instance answered since it was last described anew.
    fixed: Vec<&'a Expression>,
    selects: Vec<Option<bool>>,
    /// Constraints that are asked about again whenever an instance or its tasks have changed.
    changing: Vec<&'a PlacementConstraint>,
}

/// Where a task's instances can be.
#[derive(Default, PartialEq)]
pub(super) struct Reach {
    /// Whether each zone has one of the subnets that the task may have its address from; all where it is empty.
    zones: Vec<bool>,
    /// Whether each group's instances have the attributes that the task definition requires; all where it is empty.
    groups: Vec<bool>,
}

/// A task that instances are asked about one by one: whose it is, and what it asks of them.
pub(super) struct Asked<'a> {
    pub(super) scenario: &'a Scenario,
    pub(super) now: Instant,
    pub(super) launcher: Launcher,
    pub(super) definition: &'a TaskDefinition,
    pub(super) reservation: Reservation,
    pub(super) constraints: Vec<&'a PlacementConstraint>,
    pub(super) group: Option<Id<AutoScalingGroup>>,
    /// Of a DAEMON service: only these instances are asked, and what is set aside on them for this task is there for it.
    pub(super) places: Option<Vec<Id<ContainerInstance>>>,
    pub(super) network: Option<Id<NetworkConfiguration>>,
    reach: Reach,
    counts_tasks: bool,
    depends_on_tasks: bool,
}

impl<'a> Asked<'a> {
    pub(super) fn new(scenario: &'a Scenario, now: Instant, wanted: &Wanted) -> Asked<'a> {
        let constraints = constraints_of(scenario, wanted);
        Asked {
            scenario,
            now,
            launcher: wanted.launcher,
            definition: &scenario.task_definitions[wanted.task_definition],
            reservation: wanted.reservation(scenario),
            counts_tasks: constraints.contains(&&PlacementConstraint::DistinctInstance),
            depends_on_tasks: constraints.iter().filter_map(|it| it.expression()).any(Expression::depends_on_tasks),
            constraints,
            group: auto_scaling_group_of(scenario, wanted),
            places: None,
            network: wanted.network,
            reach: reach_of(scenario, wanted),
        }
    }

    /// Shows an instance as placement sees it, were no task of some launcher there.
    pub(super) fn with_candidate<T>(
        &self,
        cluster: &Cluster,
        instance: Id<ContainerInstance>,
        without: Option<Launcher>,
        then: impl FnOnce(&mut Candidate) -> T,
    ) -> T {
        let hosted = if self.depends_on_tasks {
            tasks_hosted(self.scenario, cluster, instance, without)
        } else {
            Hosted::default()
        };
        let own = match self.counts_tasks && without != Some(self.launcher) {
            true => self.own_tasks(cluster, instance).count() as u32,
            false => 0,
        };
        let place = (self.group, &self.reach);
        let mut it = candidate(self.scenario, cluster, self.now, instance, place, &hosted, own);
        if self.places.is_some() {
            let row = &cluster.instances[instance];
            let for_others = row.set_aside.less(&self.reservation).unwrap_or(row.set_aside);
            it.remaining_cpu_units = row.remaining_cpu_units.saturating_sub(for_others.cpu_units);
            it.remaining_memory_mib = row.remaining_memory_mib.saturating_sub(for_others.memory_mib);
            it.remaining_network_interfaces =
                row.remaining_network_interfaces.saturating_sub(for_others.network_interfaces);
            it.remaining_gpus = row.remaining_gpus.saturating_sub(for_others.gpus);
            it.remaining_neuron_devices = row.remaining_neuron_devices.saturating_sub(for_others.neuron_devices);
        }
        then(&mut it)
    }

    /// Why an instance cannot take the task; `None` where it can.
    pub(super) fn failure(&self, it: &Candidate) -> Option<Reason> {
        failure(&self.reservation, self.definition.cpu_architecture, &self.constraints, it)
    }

    /// Whether what instances answer depends on the tasks that are there, beside the room that they take.
    pub(super) fn asks_for_tasks(&self) -> bool {
        self.counts_tasks || self.depends_on_tasks
    }

    fn own_tasks<'b>(
        &'b self,
        cluster: &'b Cluster,
        instance: Id<ContainerInstance>,
    ) -> impl Iterator<Item = &'b Task> + 'b {
        let tasks = cluster.instances[instance].hosted.iter().map(|&it| &cluster.tasks[it]);
        let own = self.scenario.launch(self.launcher).task_group;
        tasks.filter(move |it| self.scenario.launch(it.launcher).task_group == own && !it.is_asked_to_stop)
    }
}

/// Tasks on one instance, as expressions ask for them.
#[derive(Default)]
struct Hosted<'a> {
    running_tasks_count: u32,
    task_groups: Vec<&'a str>,
}

impl<'a> Placing<'a> {
    /// For the services of a scenario; no instance is known yet.
    pub fn new(scenario: &'a Scenario) -> Placing<'a> {
        let launches =
            scenario.services.iter().map(|it| &it.launch).chain(scenario.run_tasks.iter().map(|it| &it.launch));
        let later = scenario.timeline.iter().filter_map(|it| match &it.change {
            TimelineChange::UpdateService { placement_strategy, .. } => placement_strategy.as_ref(),
            _ => None,
        });
        let strategies = launches.flat_map(|it| &it.placement_strategy).chain(later.flatten());
        let fields = strategies.filter_map(|it| match it {
            PlacementStrategy::Spread(field) => Some(field.clone()),
            PlacementStrategy::Binpack(_) | PlacementStrategy::Random => None,
        });
        Placing {
            index: Index::new(fields),
            requirements: Vec::new(),
            requirements_of: BTreeMap::new(),
            task_groups: Vec::new(),
            version: 0,
        }
    }

    /// Tells the index what has changed since it was last told.
    fn catch_up(&mut self, scenario: &'a Scenario, cluster: &mut Cluster, now: Instant) {
        let is_changed = !(cluster.instances_described_anew.is_empty() && cluster.instances_changed.is_empty());
        self.version += u64::from(is_changed);
        let mut anew = std::mem::take(&mut cluster.instances_described_anew);
        for instance in anew.drain(..) {
            if is_candidate(&cluster.instances[instance]) {
                for requirements in &mut self.requirements {
                    if let Some(answer) = requirements.selects.get_mut(instance.index()) {
                        *answer = None;
                    }
                }
                self.index.register(&candidate(
                    scenario,
                    cluster,
                    now,
                    instance,
                    (None, &Reach::default()),
                    &Hosted::default(),
                    0,
                ));
                cluster.instances_changed.push(instance);
                cluster.hosted_changed.push(instance);
            } else {
                self.index.deregister(instance.index());
            }
        }
        cluster.instances_described_anew = anew;
        let mut changed = std::mem::take(&mut cluster.instances_changed);
        for instance in changed.drain(..) {
            if self.index.is_registered(instance.index()) {
                let available = cluster.instances[instance].available();
                self.index.change(instance.index(), available.cpu_units, available.memory_mib);
            }
        }
        cluster.instances_changed = changed;
        let mut changed = std::mem::take(&mut cluster.hosted_changed);
        for instance in changed.drain(..) {
            let (row, id) = (&cluster.instances[instance], instance.index());
            if !self.index.is_registered(id) {
                continue;
            }
            let tasks = row.hosted.iter().map(|&it| &cluster.tasks[it]).filter(|it| !it.is_asked_to_stop);
            let groups = &mut self.task_groups;
            groups.clear();
            groups.extend(tasks.clone().map(|it| scenario.launch(it.launcher).task_group.index()));
            if scenario.assumptions.spread_counts == SpreadCounts::Deployment {
                groups.extend(tasks.map(|it| counted_of_deployment(scenario, it.launcher, it.deployment)));
            }
            groups.sort_unstable();
            let gone = self.index.hosted(id).iter().map(|it| it.0).filter(|it| groups.binary_search(it).is_err());
            for group in gone.collect::<Vec<usize>>() {
                self.index.set_tasks(group, id, 0);
            }
            for same in groups.chunk_by(|one, other| one == other) {
                if self.index.tasks(same[0], id) != same.len() as u32 {
                    self.index.set_tasks(same[0], id, same.len() as u32);
                }
            }
        }
        cluster.hosted_changed = changed;
    }

    /// The number of the requirements of a task.
    pub(super) fn requirements_of(&mut self, scenario: &'a Scenario, wanted: &Wanted) -> usize {
        if let Some(&number) = self.requirements_of.get(wanted) {
            return number;
        }
        let definition = &scenario.task_definitions[wanted.task_definition];
        let (mut fixed, mut changing) = (Vec::new(), Vec::new());
        for constraint in constraints_of(scenario, wanted) {
            match constraint.expression() {
                Some(expression) if expression.is_fixed_at_registration() => fixed.push(expression),
                Some(_) => changing.push(constraint),
                None => {}
            }
        }
        let new = Requirements {
            reservation: wanted.reservation(scenario),
            cpu_architecture: definition.cpu_architecture,
            auto_scaling_group: auto_scaling_group_of(scenario, wanted),
            reach: reach_of(scenario, wanted),
            fixed,
            selects: Vec::new(),
            changing,
        };
        let number = self.requirements.iter().position(|it| it.is_same(&new)).unwrap_or(self.requirements.len());
        if number == self.requirements.len() {
            self.requirements.push(new);
        }
        self.requirements_of.insert(*wanted, number);
        number
    }
}

impl<'a> Requirements<'a> {
    fn is_same(&self, other: &Requirements<'a>) -> bool {
        self.reservation == other.reservation
            && self.cpu_architecture == other.cpu_architecture
            && self.auto_scaling_group == other.auto_scaling_group
            && self.reach == other.reach
            && self.fixed == other.fixed
            && self.changing == other.changing
    }

    fn can_be_met_by(
        &mut self,
        scenario: &'a Scenario,
        cluster: &Cluster,
        now: Instant,
        instance: Id<ContainerInstance>,
    ) -> bool {
        let hosted =
            if self.changing.is_empty() { Hosted::default() } else { tasks_hosted(scenario, cluster, instance, None) };
        let it = candidate(scenario, cluster, now, instance, (self.auto_scaling_group, &self.reach), &hosted, 0);
        if failure(&self.reservation, self.cpu_architecture, &self.changing, &it).is_some() {
            return false;
        }
        if self.fixed.is_empty() {
            return true;
        }
        if self.selects.len() <= instance.index() {
            self.selects.resize(instance.index() + 1, None);
        }
        let fixed = &self.fixed;
        *self.selects[instance.index()].get_or_insert_with(|| fixed.iter().all(|one| matches(one, &it.facts)))
    }
}

impl<'a> Control<'a> {
    /// The instance that a task goes to; `None` where none can take it.
    pub(super) fn choose_instance(&mut self, wanted: &Wanted) -> Option<Id<ContainerInstance>> {
        let (scenario, now) = (self.scenario, self.now());
        let launch = scenario.launch(wanted.launcher);
        let deployment = wanted.launcher.service().map_or(0, |it| self.services[it.index()].launching().number);
        let placing = &mut self.placing;
        placing.catch_up(scenario, &mut self.cluster, now);
        let number = placing.requirements_of(scenario, wanted);
        let constraints = constraints_of(scenario, wanted);
        let (requirements, cluster) = (&mut placing.requirements[number], &self.cluster);
        let reservation = requirements.reservation.clone();
        let request = Request {
            task_group: launch.task_group.index(),
            counted: match scenario.assumptions.spread_counts {
                SpreadCounts::Service => launch.task_group.index(),
                SpreadCounts::Deployment => counted_of_deployment(scenario, wanted.launcher, deployment),
            },
            reservation: &reservation,
            requirements: number,
            strategies: match wanted.launcher {
                Launcher::Service(service) => &self.services[service.index()].placement_strategy,
                Launcher::RunTask(_) => &launch.placement_strategy,
            },
            is_distinct_instance: constraints.contains(&&PlacementConstraint::DistinctInstance),
            tie_break: scenario.assumptions.tie_break,
        };
        let stream = &mut self.streams.of(wanted.launcher).placement;
        let chosen = placing.index.choose(
            &request,
            &mut |it| requirements.can_be_met_by(scenario, cluster, now, Id::new(it)),
            &mut |n| stream.below(n),
        );
        chosen.map(Id::new)
    }

    /// What a task asks of each instance now.
    pub(super) fn asked_by(&self, wanted: &Wanted) -> Asked<'a> {
        Asked::new(self.scenario, self.now(), wanted)
    }

    /// Why one instance cannot take a task that asks this and reserves `need`, were no other task of its launcher there; `None`
    /// where it can.
    pub(super) fn failure_on(
        &self,
        asked: &Asked<'a>,
        need: &Reservation,
        instance: Id<ContainerInstance>,
    ) -> Option<Reason> {
        asked.with_candidate(&self.cluster, instance, Some(asked.launcher), |it| {
            failure(need, asked.definition.cpu_architecture, &asked.constraints, it)
        })
    }

    /// The constraints of a task: its launcher's, then its definition's.
    pub(super) fn constraints_of(&self, wanted: &Wanted) -> Vec<&'a PlacementConstraint> {
        constraints_of(self.scenario, wanted)
    }
}

/// The number under which the index counts the tasks of one deployment, beyond those of the task groups.
fn counted_of_deployment(scenario: &Scenario, launcher: Launcher, deployment: u32) -> usize {
    let groups = scenario.task_groups.len();
    groups * (deployment as usize + 1) + scenario.launch(launcher).task_group.index()
}

fn constraints_of<'a>(scenario: &'a Scenario, wanted: &Wanted) -> Vec<&'a PlacementConstraint> {
    let of_launch = match wanted.placement_constraints {
        Some(constraints) => &scenario.placement_constraints[constraints],
        None => &scenario.launch(wanted.launcher).placement_constraints,
    };
    of_launch.iter().chain(&scenario.task_definitions[wanted.task_definition].placement_constraints).collect()
}

fn auto_scaling_group_of(scenario: &Scenario, wanted: &Wanted) -> Option<Id<AutoScalingGroup>> {
    wanted.capacity_provider.and_then(|it| scenario.capacity_providers[it].auto_scaling_group())
}

/// Where a task's instances can be.
pub(super) fn reach_of(scenario: &Scenario, wanted: &Wanted) -> Reach {
    let definition = &scenario.task_definitions[wanted.task_definition];
    let zones = scenario.availability_zones.ids();
    let groups = scenario.auto_scaling_groups.iter();
    Reach {
        zones: zones
            .map(|zone| {
                wanted.availability_zone.is_none_or(|it| it == zone)
                    && has_subnet(scenario, (wanted.launcher, wanted.network), definition, zone)
            })
            .collect(),
        groups: groups.map(|it| it.missing_attributes(definition).next().is_none()).collect(),
    }
}

/// Whether placement sees an instance at all.
pub(super) fn is_candidate(instance: &ContainerInstance) -> bool {
    matches!(instance.status, InstanceStatus::Active | InstanceStatus::Draining)
}

/// An instance as placement sees it, for a task that a group's capacity provider was chosen for, if one was, and that can
/// be where `reach` says.
fn candidate<'b>(
    scenario: &'b Scenario,
    cluster: &'b Cluster,
    now: Instant,
    instance: Id<ContainerInstance>,
    (group, reach): (Option<Id<AutoScalingGroup>>, &Reach),
    hosted: &'b Hosted<'b>,
    group_tasks: u32,
) -> Candidate<'b> {
    let it = &cluster.instances[instance];
    let group_of_instance = &scenario.auto_scaling_groups[it.auto_scaling_group];
    let registered_at = it.registered_at.unwrap_or(now);
    let available = it.available();
    Candidate {
        id: instance.index(),
        availability_zone: it.availability_zone.index(),
        facts: InstanceFacts {
            attributes: &it.attributes,
            ec2_instance_id: &it.name,
            agent_connected: it.agent_connected,
            agent_version: &group_of_instance.agent_version,
            agent_configuration: Some(&group_of_instance.agent_configuration),
            registered_at_unix_nanos: unix_nanos(scenario, registered_at),
            running_tasks_count: hosted.running_tasks_count,
            task_groups: &hosted.task_groups,
        },
        remaining_cpu_units: available.cpu_units,
        remaining_memory_mib: available.memory_mib,
        registered_cpu_units: it.registered_cpu_units,
        registered_memory_mib: it.registered_memory_mib,
        registered_network_interfaces: it.registered_network_interfaces,
        registered_gpus: it.registered_gpus,
        registered_neuron_devices: it.registered_neuron_devices,
        reserved_ports: &it.reserved_ports,
        remaining_network_interfaces: available.network_interfaces,
        remaining_gpus: available.gpus,
        remaining_neuron_devices: available.neuron_devices,
        is_active: it.status == InstanceStatus::Active,
        capacity_provider_matches: group.is_none_or(|group| it.auto_scaling_group == group),
        cpu_architecture: it.instance_type(&scenario.auto_scaling_groups).cpu_architecture,
        has_required_attributes: reach.groups.get(it.auto_scaling_group.index()).copied().unwrap_or(true),
        subnet_matches: reach.zones.get(it.availability_zone.index()).copied().unwrap_or(true),
        group_tasks,
    }
}

/// What expressions can ask of the tasks on an instance, those of one launcher left out.
fn tasks_hosted<'a>(
    scenario: &'a Scenario,
    cluster: &Cluster,
    instance: Id<ContainerInstance>,
    but: Option<Launcher>,
) -> Hosted<'a> {
    let mut hosted = Hosted::default();
    let tasks = cluster.instances[instance].hosted.iter().map(|&it| &cluster.tasks[it]);
    for row in tasks.filter(|it| Some(it.launcher) != but) {
        hosted.running_tasks_count += u32::from(!row.is_asked_to_stop);
        if !(scenario.assumptions.task_groups_by_desired_status && row.is_asked_to_stop) {
            hosted.task_groups.push(&scenario.task_groups[scenario.launch(row.launcher).task_group].name);
        }
    }
    hosted
}

/// An instant of the run in nanoseconds since 1970 (UTC).
pub(super) fn unix_nanos(scenario: &Scenario, at: Instant) -> i128 {
    i128::from(scenario.start_unix_seconds) * i128::from(Span::SECOND.0) + i128::from(at.0)
}
