//! Where a task goes, and which one goes first.
//!
//! Follows *Task placement strategies* and *Task placement constraints* in the ECS developer guide (read 2026). [`choose`]
//! says what the rule is, one instance after the other; [`index`] gives the same answer for a cluster of thousands.

pub mod index;
pub mod refusal;

use std::collections::BTreeMap;

use crate::aws::cluster_query::{Expression, InstanceFacts, matches};
pub use crate::aws::placement::refusal::{Inquiry, Reason, Refusal};
use crate::aws::task_definition::{CpuArchitecture, Protocol, Reservation};
use crate::units::Instant;

/// A strategy; each breaks only the ties that the one before it left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PlacementStrategy {
    /// The group of instances with the fewest tasks of the service.
    Spread(SpreadField),
    /// The instance with the least of this resource left.
    Binpack(Resource),
    /// Any.
    Random,
}

/// What `spread` groups instances by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SpreadField {
    /// `instanceId`, or `host`: each instance for itself.
    InstanceId,
    /// `attribute:ecs.availability-zone`.
    AvailabilityZone,
    /// `attribute:NAME`, any other attribute.
    Attribute(String),
}

/// What `binpack` fills.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resource {
    /// CPU units.
    Cpu,
    /// Memory.
    Memory,
}

/// A binding constraint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PlacementConstraint {
    /// No two tasks of the service on one instance.
    DistinctInstance,
    /// Instances that the expression selects. It is asked when a task is placed, and never again of that task.
    MemberOf(Expression),
}

impl PlacementConstraint {
    /// Its expression, where it has one.
    pub fn expression(&self) -> Option<&Expression> {
        match self {
            PlacementConstraint::DistinctInstance => None,
            PlacementConstraint::MemberOf(expression) => Some(expression),
        }
    }
}

/// Constraints of one task, those of its task definition included.
pub const CONSTRAINTS_MAXIMUM: usize = 10;

/// Placement strategies of one service.
pub const STRATEGIES_MAXIMUM: usize = 5;

/// How ties are broken once all strategies have spoken and the fewest tasks of the service have been preferred.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TieBreak {
    /// By a draw from the seed.
    #[default]
    Random,
    /// The instance that registered first.
    Lexical,
}

/// What placement knows of an instance.
#[derive(Clone, Copy, Debug)]
pub struct Candidate<'a> {
    /// Its place in the cluster; the lower one registered first.
    pub id: usize,
    /// Its zone.
    pub availability_zone: usize,
    /// What expressions can ask of it; its tasks and their groups only where one does.
    pub facts: InstanceFacts<'a>,
    /// CPU units left.
    pub remaining_cpu_units: u32,
    /// MiB left.
    pub remaining_memory_mib: u32,
    /// CPU units registered.
    pub registered_cpu_units: u32,
    /// MiB registered.
    pub registered_memory_mib: u32,
    /// Network interfaces that its tasks can have.
    pub registered_network_interfaces: u32,
    /// GPUs registered.
    pub registered_gpus: u32,
    /// Neuron devices registered.
    pub registered_neuron_devices: u32,
    /// Host ports in use.
    pub reserved_ports: &'a BTreeMap<(Protocol, u16), u32>,
    /// Network interfaces left.
    pub remaining_network_interfaces: u32,
    /// GPUs left.
    pub remaining_gpus: u32,
    /// Neuron devices left.
    pub remaining_neuron_devices: u32,
    /// Whether it is ACTIVE.
    pub is_active: bool,
    /// Whether it belongs to the capacity provider that was chosen, if one was.
    pub capacity_provider_matches: bool,
    /// Its architecture.
    pub cpu_architecture: CpuArchitecture,
    /// Whether its group's agents register all that the task definition requires.
    pub has_required_attributes: bool,
    /// Whether its zone has one of the subnets that the task may have its address from.
    pub subnet_matches: bool,
    /// Tasks of the service placed on it and not asked to stop, of all deployments.
    pub group_tasks: u32,
}

/// Host ports that an instance can hold reserved, the agent's own included.
pub const PORTS_MAXIMUM: usize = 100;

/// The instance that a task goes to, by its place in `candidates`.
///
/// Filters first (status, architecture, required attributes, CPU, memory, ports, interfaces, GPUs, Neuron devices), then constraints (of the service and of the task
/// definition), then each strategy on what the one before it left, then the fewest tasks of the service, then the tie-break; `draw` gives a number below its argument.
/// Without strategies ECS spreads over zones.
///
/// # Errors
/// When no instance can take it: why.
pub fn choose(
    reservation: &Reservation,
    architecture: Option<CpuArchitecture>,
    strategies: &[PlacementStrategy],
    constraints: &[&PlacementConstraint],
    candidates: &[Candidate],
    tie_break: TieBreak,
    draw: &mut dyn FnMut(usize) -> usize,
) -> Result<usize, Refusal> {
    let mut inquiry = Inquiry::new(reservation, architecture, constraints);
    let mut able: Vec<usize> = (0..candidates.len()).filter(|&it| inquiry.ask(&candidates[it]).is_none()).collect();
    if able.is_empty() {
        return Err(inquiry.refusal());
    }
    let by_default = [PlacementStrategy::Spread(SpreadField::AvailabilityZone)];
    for strategy in if strategies.is_empty() { &by_default } else { strategies } {
        narrow(strategy, candidates, &mut able, draw);
    }
    keep_least(&mut able, |it| u64::from(candidates[it].group_tasks));
    Ok(match (able.len(), tie_break) {
        (1, _) => able[0],
        (several, TieBreak::Random) => able[draw(several)],
        (_, TieBreak::Lexical) => able.into_iter().min_by_key(|&it| candidates[it].id).expect("one is left"),
    })
}

/// Why an instance cannot take a task; `None` where it can.
pub fn failure(
    need: &Reservation,
    architecture: Option<CpuArchitecture>,
    constraints: &[&PlacementConstraint],
    it: &Candidate,
) -> Option<Reason> {
    if !it.is_active {
        Some(Reason::NotActive)
    } else if !it.capacity_provider_matches {
        Some(Reason::CapacityProvider)
    } else if !it.facts.agent_connected {
        Some(Reason::Agent)
    } else if architecture.is_some_and(|wanted| wanted != it.cpu_architecture) || !it.has_required_attributes {
        Some(Reason::Attribute)
    } else if !it.subnet_matches {
        Some(Reason::AvailabilityZone)
    } else if need.cpu_units > it.remaining_cpu_units {
        Some(Reason::Cpu)
    } else if need.memory_mib > it.remaining_memory_mib {
        Some(Reason::Memory)
    } else if need.ports.iter().any(|port| it.reserved_ports.contains_key(port)) {
        Some(Reason::Port)
    } else if !need.ports.is_empty() && it.reserved_ports.len() + need.ports.len() > PORTS_MAXIMUM {
        Some(Reason::TooManyPorts)
    } else if need.network_interfaces > it.remaining_network_interfaces {
        Some(Reason::NetworkInterface)
    } else if need.gpus > it.remaining_gpus {
        Some(Reason::Gpu)
    } else if need.neuron_devices > it.remaining_neuron_devices {
        Some(Reason::NeuronDevice)
    } else if constraints.iter().filter_map(|it| it.expression()).any(|expression| !matches(expression, &it.facts)) {
        Some(Reason::MemberOf)
    } else if constraints.contains(&&PlacementConstraint::DistinctInstance) && it.group_tasks > 0 {
        Some(Reason::DistinctInstance)
    } else {
        None
    }
}

/// Keeps the members of `able` that a strategy likes best.
fn narrow(
    strategy: &PlacementStrategy,
    candidates: &[Candidate],
    able: &mut Vec<usize>,
    draw: &mut dyn FnMut(usize) -> usize,
) {
    match strategy {
        PlacementStrategy::Spread(SpreadField::InstanceId) => {
            keep_least(able, |it| u64::from(candidates[it].group_tasks));
        }
        PlacementStrategy::Spread(SpreadField::AvailabilityZone) => {
            keep_emptiest_groups(candidates, able, |it| it.availability_zone);
        }
        PlacementStrategy::Spread(SpreadField::Attribute(name)) => {
            keep_emptiest_groups(candidates, able, |it| attribute(it.facts.attributes, name));
        }
        PlacementStrategy::Binpack(Resource::Cpu) => {
            keep_least(able, |it| u64::from(candidates[it].remaining_cpu_units));
        }
        PlacementStrategy::Binpack(Resource::Memory) => {
            keep_least(able, |it| u64::from(candidates[it].remaining_memory_mib));
        }
        PlacementStrategy::Random => {
            let chosen = able[draw(able.len())];
            *able = vec![chosen];
        }
    }
}

/// Tasks are counted over all instances; only groups with an able member can be chosen.
fn keep_emptiest_groups<'a, G: Ord>(
    candidates: &'a [Candidate<'a>],
    able: &mut Vec<usize>,
    group: impl Fn(&'a Candidate<'a>) -> G,
) {
    let mut tasks: BTreeMap<G, u64> = BTreeMap::new();
    for it in candidates {
        *tasks.entry(group(it)).or_default() += u64::from(it.group_tasks);
    }
    keep_least(able, |it| tasks[&group(&candidates[it])]);
}

fn keep_least(able: &mut Vec<usize>, rank: impl Fn(usize) -> u64) {
    let ranks: Vec<u64> = able.iter().map(|&it| rank(it)).collect();
    let Some(&least) = ranks.iter().min() else { return };
    let mut place = 0;
    able.retain(|_| {
        place += 1;
        ranks[place - 1] == least
    });
}

/// An attribute's value; an instance without it has the value "".
fn attribute<'a>(attributes: &'a [(String, String)], name: &str) -> &'a str {
    attributes.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value)
}

/// A task that might be stopped, or is counted beside those.
#[derive(Clone, Copy, Debug)]
pub struct StopCandidate<'a> {
    /// Whether it may stop: of a service on several capacity providers those on one of them may at a time.
    pub may_stop: bool,
    /// Whether it is RUNNING.
    pub is_running: bool,
    /// Whether its target is unhealthy.
    pub is_unhealthy: bool,
    /// Its zone, once it is placed.
    pub availability_zone: Option<usize>,
    /// Its instance, once it is placed.
    pub instance: Option<usize>,
    /// Its instance's attributes.
    pub attributes: &'a [(String, String)],
    /// CPU units its instance would have left without it.
    pub remaining_cpu_units_after: u32,
    /// MiB its instance would have left without it.
    pub remaining_memory_mib_after: u32,
    /// When it reached RUNNING.
    pub started: Option<Instant>,
    /// When it was created.
    pub created: Instant,
}

/// Which task of a service stops first, by its place in `candidates` (developer guide, *Task placement* in reverse).
///
/// Tasks that do not run yet go first, the newest of them; then unhealthy ones; then what the strategies like least, each
/// among what the one before it left (without strategies: the fullest zone, in it the fullest instance); then by `draw`, or with
/// [`TieBreak::Lexical`] the one that has run longest.
///
/// # Panics
/// When no candidate may stop.
pub fn choose_to_stop(
    strategies: &[PlacementStrategy],
    candidates: &[StopCandidate],
    tie_break: TieBreak,
    draw: &mut dyn FnMut(usize) -> usize,
) -> usize {
    let mut able: Vec<usize> = (0..candidates.len()).filter(|&it| candidates[it].may_stop).collect();
    if able.iter().any(|&it| !candidates[it].is_running) {
        able.retain(|&it| !candidates[it].is_running);
        return able.into_iter().max_by_key(|&it| candidates[it].created).expect("one does not run");
    }
    if able.iter().any(|&it| candidates[it].is_unhealthy) {
        able.retain(|&it| candidates[it].is_unhealthy);
    }
    let by_default =
        [PlacementStrategy::Spread(SpreadField::AvailabilityZone), PlacementStrategy::Spread(SpreadField::InstanceId)];
    for strategy in if strategies.is_empty() { &by_default } else { strategies } {
        let same = |of: &dyn Fn(&StopCandidate) -> bool| candidates.iter().filter(|it| of(it)).count() as u64;
        match strategy {
            PlacementStrategy::Spread(SpreadField::AvailabilityZone) => keep_least(&mut able, |it| {
                u64::MAX - same(&|other| other.availability_zone == candidates[it].availability_zone)
            }),
            PlacementStrategy::Spread(SpreadField::InstanceId) => {
                keep_least(&mut able, |it| u64::MAX - same(&|other| other.instance == candidates[it].instance));
            }
            PlacementStrategy::Spread(SpreadField::Attribute(name)) => keep_least(&mut able, |it| {
                let value = attribute(candidates[it].attributes, name);
                u64::MAX - same(&|other| attribute(other.attributes, name) == value)
            }),
            PlacementStrategy::Binpack(Resource::Cpu) => {
                keep_least(&mut able, |it| u64::MAX - u64::from(candidates[it].remaining_cpu_units_after));
            }
            PlacementStrategy::Binpack(Resource::Memory) => {
                keep_least(&mut able, |it| u64::MAX - u64::from(candidates[it].remaining_memory_mib_after));
            }
            PlacementStrategy::Random => able = vec![able[draw(able.len())]],
        }
    }
    match (able.len(), tie_break) {
        (1, _) => able[0],
        (several, TieBreak::Random) => able[draw(several)],
        (_, TieBreak::Lexical) => {
            let age = |it: &usize| (candidates[*it].started, candidates[*it].created);
            able.into_iter().min_by_key(age).expect("some are left")
        }
    }
}

/// The names of the console's templates.
pub const CONSOLE_TEMPLATES: [&str; 4] = ["AZ Balanced Spread", "AZ Balanced BinPack", "BinPack", "One Task Per Host"];

/// What a template of the console stands for; `None` for a name that is none.
pub fn console_template(name: &str) -> Option<(Vec<PlacementStrategy>, Vec<PlacementConstraint>)> {
    let zones = PlacementStrategy::Spread(SpreadField::AvailabilityZone);
    match name {
        "AZ Balanced Spread" => Some((vec![zones, PlacementStrategy::Spread(SpreadField::InstanceId)], Vec::new())),
        "AZ Balanced BinPack" => Some((vec![zones, PlacementStrategy::Binpack(Resource::Memory)], Vec::new())),
        "BinPack" => Some((vec![PlacementStrategy::Binpack(Resource::Memory)], Vec::new())),
        "One Task Per Host" => Some((Vec::new(), vec![PlacementConstraint::DistinctInstance])),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use super::*;
    use crate::aws::cluster_query::Version;
    use crate::units::Span;
    use proptest::prelude::*;

    static AGENT: LazyLock<Version> = LazyLock::new(|| Version::parse("1.105.1").expect("a version"));
    static NO_PORTS: BTreeMap<(Protocol, u16), u32> = BTreeMap::new();

    fn host(id: usize, zone: usize, cpu: u32, memory: u32, group_tasks: u32) -> Candidate<'static> {
        Candidate {
            id,
            availability_zone: zone,
            facts: InstanceFacts {
                attributes: &[],
                ec2_instance_id: ["i-0", "i-1", "i-2", "i-3", "i-4"][id.min(4)],
                agent_connected: true,
                agent_version: &AGENT,
                agent_configuration: None,
                registered_at_unix_nanos: 0,
                running_tasks_count: 0,
                task_groups: &[],
            },
            remaining_cpu_units: cpu,
            remaining_memory_mib: memory,
            registered_cpu_units: 4096,
            registered_memory_mib: 16384,
            registered_network_interfaces: 2,
            registered_gpus: 0,
            registered_neuron_devices: 0,
            reserved_ports: &NO_PORTS,
            remaining_network_interfaces: 2,
            remaining_gpus: 0,
            remaining_neuron_devices: 0,
            is_active: true,
            capacity_provider_matches: true,
            has_required_attributes: true,
            subnet_matches: true,
            cpu_architecture: CpuArchitecture::X86_64,
            group_tasks,
        }
    }

    fn need(cpu_units: u32, memory_mib: u32) -> Reservation {
        Reservation { cpu_units, memory_mib, ..Reservation::default() }
    }

    fn placed(strategies: &[PlacementStrategy], need: &Reservation, hosts: &[Candidate]) -> Result<usize, Refusal> {
        choose(need, None, strategies, &[], hosts, TieBreak::Lexical, &mut |_| 0)
    }

    const ZONES: PlacementStrategy = PlacementStrategy::Spread(SpreadField::AvailabilityZone);
    const BINPACK: PlacementStrategy = PlacementStrategy::Binpack(Resource::Memory);

    /// Places `count` tasks one after the other, and tells how many found an instance.
    fn fill(hosts: &mut [Candidate<'static>], need: &Reservation, strategies: &[PlacementStrategy], count: u32) -> u32 {
        let mut running = 0;
        for _ in 0..count {
            if let Ok(chosen) = placed(strategies, need, hosts) {
                hosts[chosen].remaining_cpu_units -= need.cpu_units;
                hosts[chosen].remaining_memory_mib -= need.memory_mib;
                hosts[chosen].group_tasks += 1;
                running += 1;
            }
        }
        running
    }

    #[test]
    fn we_6_a_static_port_is_there_once_an_instance() {
        let taken: BTreeMap<(Protocol, u16), u32> = BTreeMap::from([((Protocol::Tcp, 80), 1)]);
        let hosts: Vec<Candidate> =
            (0..3).map(|it| Candidate { reserved_ports: &taken, ..host(it, 0, 2048, 4096, 1) }).collect();
        let port = Reservation { ports: vec![(Protocol::Tcp, 80)], ..need(128, 128) };
        let refusal = placed(&[], &port, &hosts).expect_err("the port is taken everywhere");
        assert_eq!(
            refusal.to_string(),
            "no container instance met all of its requirements. The closest matching (container-instance i-0) is \
             already using a port required by your task."
        );
        let other = Reservation { ports: vec![(Protocol::Tcp, 81)], ..need(128, 128) };
        assert!(placed(&[], &other, &hosts).is_ok());
    }

    #[test]
    fn we_10_to_12_a_few_mib_decide() {
        assert_eq!(fill(&mut [host(0, 0, 2048, 7821, 0)], &need(256, 3910), &[], 3), 2);
        assert_eq!(fill(&mut [host(0, 0, 2048, 7817, 0)], &need(256, 3910), &[], 3), 1);
        assert_eq!(fill(&mut [host(0, 0, 2048, 7985, 0)], &need(256, 8192), &[], 1), 0);
        assert_eq!(fill(&mut [host(0, 0, 1024, 1024, 0), host(1, 0, 1024, 1024, 0)], &need(1000, 1000), &[], 3), 2);
    }

    #[test]
    fn we_15_a_host_port_is_there_once() {
        let port = Reservation { ports: vec![(Protocol::Tcp, 8080)], ..need(1, 1) };
        let free = host(0, 0, 2048, 4096, 0);
        assert_eq!(placed(&[], &port, &[free]), Ok(0));
        let taken = BTreeMap::from([((Protocol::Tcp, 8080), 1)]);
        let refusal = placed(&[], &port, &[Candidate { reserved_ports: &taken, ..free }]);
        assert_eq!(refusal.expect_err("the port is taken").counts, BTreeMap::from([(Reason::Port, 1)]));
    }

    #[test]
    fn an_instance_without_its_agent_gets_no_task() {
        let mut it = host(0, 0, 2048, 4096, 0);
        it.facts.agent_connected = false;
        let refusal = placed(&[], &need(1, 1), &[it]).expect_err("its agent is not connected");
        assert!(refusal.to_string().ends_with("(container-instance i-0) encountered error \"AGENT\"."), "{refusal}");
    }

    #[test]
    fn we_14_a_hundred_ports_are_enough() {
        let agents = crate::aws::instance_type::RESERVED_TCP_PORTS.iter().map(|&port| ((Protocol::Tcp, port), 1));
        let own = (0..95).map(|port| ((Protocol::Tcp, 1000 + port), 1));
        let full: BTreeMap<(Protocol, u16), u32> = agents.chain(own).collect();
        let hosts = [Candidate { reserved_ports: &full, ..host(0, 0, 2048, 4096, 0) }];
        let port = Reservation { ports: vec![(Protocol::Tcp, 80)], ..need(1, 1) };
        let refusal = placed(&[], &port, &hosts).expect_err("a hundred ports are taken");
        assert_eq!(refusal.reason(), Some(Reason::TooManyPorts));
        assert!(placed(&[], &need(1, 1), &hosts).is_ok(), "dynamic ports are not counted");
        let mut one_left = full.clone();
        one_left.pop_last();
        let hosts = [Candidate { reserved_ports: &one_left, ..host(0, 0, 2048, 4096, 0) }];
        assert!(placed(&[], &port, &hosts).is_ok(), "the hundredth");
    }

    #[test]
    fn we_29_and_31_zones_are_kept_even() {
        let hosts = [host(0, 0, 2048, 4096, 1), host(1, 1, 2048, 4096, 0), host(2, 2, 2048, 4096, 0)];
        assert_eq!(placed(&[], &need(1, 1), &hosts), Ok(1));
        let mut hosts = [host(0, 0, 2048, 4096, 0), host(1, 1, 2048, 4096, 0), host(2, 2, 2048, 4096, 0)];
        assert_eq!(fill(&mut hosts, &need(1, 1), &[ZONES], 7), 7);
        assert_eq!(hosts.map(|it| it.group_tasks), [3, 2, 2]);
    }

    #[test]
    fn we_32_and_33_binpack_fills_the_fullest_that_fits() {
        let hosts = [host(0, 0, 2048, 500, 3), host(1, 1, 2048, 3000, 0), host(2, 1, 2048, 1000, 0)];
        assert_eq!(placed(&[ZONES, BINPACK], &need(1, 512), &hosts), Ok(2));
        let hosts = [host(0, 0, 2048, 4000, 0), host(1, 0, 2048, 1500, 0), host(2, 0, 2048, 900, 0)];
        assert_eq!(placed(&[BINPACK], &need(1, 1000), &hosts), Ok(1));
    }

    #[test]
    fn we_35_spread_over_instances() {
        let hosts: Vec<Candidate> =
            [2, 1, 1, 3].iter().enumerate().map(|(id, &n)| host(id, 0, 2048, 4096, n)).collect();
        let instances = [PlacementStrategy::Spread(SpreadField::InstanceId)];
        let mut offered = 0;
        let chosen = choose(&need(1, 1), None, &instances, &[], &hosts, TieBreak::Random, &mut |n| {
            offered = n;
            n - 1
        });
        assert_eq!((chosen, offered), (Ok(2), 2));
    }

    #[test]
    fn we_36_distinct_instances() {
        let mut hosts = [host(0, 0, 2048, 4096, 0), host(1, 0, 2048, 4096, 0), host(2, 0, 2048, 4096, 0)];
        let constraints = [&PlacementConstraint::DistinctInstance];
        for _ in 0..3 {
            let chosen = choose(&need(1, 1), None, &[], &constraints, &hosts, TieBreak::Lexical, &mut |_| 0);
            hosts[chosen.expect("there is room")].group_tasks += 1;
        }
        let refusal = choose(&need(1, 1), None, &[], &constraints, &hosts, TieBreak::Lexical, &mut |_| 0);
        assert_eq!(refusal.expect_err("each has one").counts, BTreeMap::from([(Reason::DistinctInstance, 3)]));
    }

    #[test]
    fn expressions_select_before_strategies_choose() {
        let attributes = [("disk", "hdd"), ("disk", "ssd"), ("disk", "ssd")]
            .map(|(name, value)| vec![(name.to_owned(), value.to_owned())]);
        let groups: [&[&str]; 3] = [&[], &["service:cache"], &[]];
        let hosts: Vec<Candidate> = (0..3)
            .map(|id| {
                let it = host(id, 0, 2048, 1000 * (id as u32 + 1), 0);
                let facts = InstanceFacts { attributes: &attributes[id], task_groups: groups[id], ..it.facts };
                Candidate { facts, ..it }
            })
            .collect();
        let member_of = |text: &str| PlacementConstraint::MemberOf(Expression::parse(text).expect(text));
        let (ssd, apart) = (member_of("attribute:disk == ssd"), member_of("not(task:group == service:cache)"));
        let place = |constraints: &[&PlacementConstraint]| {
            choose(&need(1, 1), None, &[BINPACK], constraints, &hosts, TieBreak::Lexical, &mut |_| 0)
        };
        assert_eq!(place(&[]), Ok(0));
        assert_eq!(place(&[&ssd]), Ok(1));
        assert_eq!(place(&[&ssd, &apart]), Ok(2), "every constraint must hold");
        let beside = member_of("task:group == service:cache");
        let refusal = place(&[&ssd, &apart, &beside]).expect_err("two contradict each other");
        assert_eq!(refusal.counts, BTreeMap::from([(Reason::MemberOf, 3)]));
        assert_eq!(
            refusal.to_string(),
            "no container instance met all of its requirements. The closest matching (container-instance i-0) \
             encountered error \"MemberOf placement constraint unsatisfied.\"."
        );
    }

    fn victim(zone: usize, instance: usize, memory_after: u32) -> StopCandidate<'static> {
        StopCandidate {
            may_stop: true,
            is_running: true,
            is_unhealthy: false,
            availability_zone: Some(zone),
            instance: Some(instance),
            attributes: &[],
            remaining_cpu_units_after: 0,
            remaining_memory_mib_after: memory_after,
            started: Some(Instant::START),
            created: Instant::START,
        }
    }

    #[test]
    fn we_30_and_34_which_task_stops() {
        let zones = [victim(0, 0, 0), victim(1, 1, 0), victim(1, 2, 0), victim(2, 3, 0), victim(2, 4, 0)];
        let mut offered = 0;
        let chosen = choose_to_stop(&[], &zones, TieBreak::Random, &mut |n| {
            offered = n;
            0
        });
        assert_eq!((chosen, offered), (1, 4));
        let first = |strategies: &[PlacementStrategy], candidates: &[StopCandidate]| {
            choose_to_stop(strategies, candidates, TieBreak::Random, &mut |_| 0)
        };
        assert_eq!(first(&[BINPACK], &[victim(0, 0, 1500), victim(0, 1, 3000)]), 1);
        let pending = StopCandidate { is_running: false, ..victim(0, 0, 0) };
        assert_eq!(first(&[], &[victim(0, 0, 0), pending]), 1);
        let unhealthy = StopCandidate { is_unhealthy: true, ..victim(0, 0, 0) };
        assert_eq!(first(&[], &[victim(0, 0, 0), unhealthy]), 1);
    }

    #[test]
    fn a_tie_goes_to_the_task_that_has_run_longest_or_to_a_draw() {
        let at =
            |seconds: u64| StopCandidate { started: Some(Instant::START + Span::seconds(seconds)), ..victim(0, 0, 0) };
        let candidates = [at(30), at(10), at(20)];
        assert_eq!(choose_to_stop(&[], &candidates, TieBreak::Lexical, &mut |_| unreachable!("nothing is drawn")), 1);
        assert_eq!(choose_to_stop(&[], &candidates, TieBreak::Random, &mut |n| n - 1), 2);
    }

    #[test]
    fn those_that_may_not_stop_are_counted_all_the_same() {
        // Zone 0 has two tasks, of which one may stop; in zone 1 one may.
        let stays = StopCandidate { may_stop: false, ..victim(0, 0, 0) };
        let candidates = [stays, victim(1, 1, 0), victim(0, 2, 0)];
        assert_eq!(choose_to_stop(&[], &candidates, TieBreak::Lexical, &mut |_| 0), 2);
        let pending = StopCandidate { is_running: false, ..stays };
        assert_eq!(choose_to_stop(&[], &[pending, victim(1, 1, 0)], TieBreak::Lexical, &mut |_| 0), 1);
    }

    #[test]
    fn an_empty_cluster_says_so() {
        let refusal = placed(&[], &need(1, 1), &[]).expect_err("there is no instance");
        assert!(refusal.to_string().ends_with("Reason: No Container Instances were found in your cluster."));
    }

    #[test]
    fn templates_of_the_console() {
        for name in CONSOLE_TEMPLATES {
            assert!(console_template(name).is_some(), "{name}");
        }
        assert_eq!(console_template("az balanced spread"), None);
    }

    proptest! {
        #[test]
        fn the_chosen_instance_can_hold_the_task(
            hosts in proptest::collection::vec((0usize..3, 0u32..2048, 0u32..4096, 0u32..4), 1..12),
            cpu in 0u32..2048,
            memory in 0u32..4096,
            chain in proptest::collection::vec(0usize..4, 0..4),
            seed in 0usize..100,
        ) {
            let hosts: Vec<Candidate> =
                hosts.iter().enumerate().map(|(id, it)| host(id, it.0, it.1, it.2, it.3)).collect();
            let all = [ZONES, BINPACK, PlacementStrategy::Binpack(Resource::Cpu), PlacementStrategy::Random];
            let strategies: Vec<PlacementStrategy> = chain.iter().map(|&it| all[it].clone()).collect();
            let fits = |it: &Candidate| it.remaining_cpu_units >= cpu && it.remaining_memory_mib >= memory;
            match choose(&need(cpu, memory), None, &strategies, &[], &hosts, TieBreak::Random, &mut |n| seed % n) {
                Ok(chosen) => prop_assert!(fits(&hosts[chosen])),
                Err(refusal) => {
                    prop_assert!(!hosts.iter().any(fits));
                    prop_assert_eq!(refusal.counts.values().sum::<u32>() as usize, hosts.len());
                }
            }
        }
    }
}
