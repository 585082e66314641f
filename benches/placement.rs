//! Placement at scale: the index against a scan of all instances, and what a placement costs as the cluster grows.
//!
//! Instances of three zones in turn, each of 16 vCPUs and 64,000 MiB; ten tasks for each instance, of one service, spread
//! over zones and then packed by memory, so that nearly all of the cluster fills up. In a second fill, every hundredth
//! placement, from the first to the last, is also made by `choose`, which asks each instance, on the same state and with the
//! same draws: it must choose the same instance, and its mean time is set against the index's over all placements of the
//! first fill. To place all tasks by it would take minutes and show nothing else. What is timed of the index includes
//! telling it of each placement; `choose` gets its candidates for nothing.
//!
//! The second workload is the placement benchmark of DSLab, a simulator of clouds, with its sizes: hosts of 144 vCPUs and 2,048,000
//! MB, ten times as many machines of 1 to 8 vCPUs and 128 to 512 MB, first fit. First fit is here: each machine is a service
//! of its own in a cluster of one zone, and ties go to the instance that registered first.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::LazyLock;
use std::time::{Duration, Instant as Clock};

use plimsoll::aws::cluster_query::{InstanceFacts, Version};
use plimsoll::aws::placement::index::{Index, Request};
use plimsoll::aws::placement::{Candidate, PlacementStrategy, Resource, SpreadField, TieBreak, choose, failure};
use plimsoll::aws::task_definition::{CpuArchitecture, Protocol, Reservation};
use plimsoll::rng::{Seed, Stream};

const SEED: Seed = Seed { seed: 1, replication: 0 };
const TASKS_PER_INSTANCE: usize = 10;
const STRATEGIES: [PlacementStrategy; 2] =
    [PlacementStrategy::Spread(SpreadField::AvailabilityZone), PlacementStrategy::Binpack(Resource::Memory)];

static AGENT: LazyLock<Version> = LazyLock::new(|| Version::parse("1.105.1").expect("a version"));
static NO_PORTS: BTreeMap<(Protocol, u16), u32> = BTreeMap::new();

fn instances(count: usize, zones: usize, cpu_units: u32, memory_mib: u32) -> Vec<Candidate<'static>> {
    let one = |id: usize| Candidate {
        id,
        availability_zone: id % zones,
        facts: InstanceFacts {
            attributes: &[],
            ec2_instance_id: "i-1",
            agent_connected: true,
            agent_version: &AGENT,
            agent_configuration: None,
            registered_at_unix_nanos: 0,
            running_tasks_count: 0,
            task_groups: &[],
        },
        remaining_cpu_units: cpu_units,
        remaining_memory_mib: memory_mib,
        registered_cpu_units: cpu_units,
        registered_memory_mib: memory_mib,
        registered_network_interfaces: 0,
        registered_gpus: 0,
        registered_neuron_devices: 0,
        reserved_ports: &NO_PORTS,
        remaining_network_interfaces: 0,
        remaining_gpus: 0,
        remaining_neuron_devices: 0,
        subnet_matches: true,
        is_active: true,
        capacity_provider_matches: true,
        has_required_attributes: true,
        cpu_architecture: CpuArchitecture::X86_64,
        group_tasks: 0,
    };
    (0..count).map(one).collect()
}

fn index_of(instances: &[Candidate<'_>]) -> Index {
    let mut index = Index::new([]);
    for it in instances {
        index.register(it);
    }
    index
}

/// Takes a task's reservation from an instance.
fn place(it: &mut Candidate<'_>, index: &mut Index, service: usize, need: &Reservation) {
    it.remaining_cpu_units -= need.cpu_units;
    it.remaining_memory_mib -= need.memory_mib;
    index.change(it.id, it.remaining_cpu_units, it.remaining_memory_mib);
    index.set_tasks(service, it.id, index.tasks(service, it.id) + 1);
}

fn need(cpu_units: u32, memory_mib: u32) -> Reservation {
    Reservation { cpu_units, memory_mib, ..Reservation::default() }
}

/// Nanoseconds a placement of the index, and of the scan where some placements are made by it, too.
fn fill(count: usize, scan_every: Option<usize>) -> (f64, f64) {
    let mut instances = instances(count, 3, 16_384, 64_000);
    let mut index = index_of(&instances);
    let need = need(1_500, 6_000);
    let mut stream = SEED.stream("placement", "web");
    let request = Request {
        task_group: 0,
        counted: 0,
        reservation: &need,
        requirements: 0,
        strategies: &STRATEGIES,
        is_distinct_instance: false,
        tie_break: TieBreak::Random,
    };
    let mut by_scan = (Duration::ZERO, 0);
    let mut aside = Duration::ZERO;
    let begin = Clock::now();
    for task in 0..count * TASKS_PER_INSTANCE {
        let expected = scan_every.filter(|every| task % every == 0).map(|_| {
            let away = Clock::now();
            let mut copy = stream.clone();
            let begin = Clock::now();
            let chosen =
                choose(&need, None, &STRATEGIES, &[], &instances, TieBreak::Random, &mut |n| copy.below(n)).ok();
            by_scan.0 += begin.elapsed();
            by_scan.1 += 1;
            aside += away.elapsed();
            chosen
        });
        let mut can_take = |it: usize| failure(&need, None, &[], &instances[it]).is_none();
        let chosen = index.choose(&request, &mut can_take, &mut |n| stream.below(n));
        if let Some(expected) = expected {
            assert_eq!(chosen, expected, "task {task} of {count} instances");
        }
        let chosen = chosen.expect("ten tasks fit on each instance");
        place(&mut instances[chosen], &mut index, 0, &need);
        instances[chosen].group_tasks += 1;
    }
    let took = begin.elapsed() - aside;
    assert!(instances.iter().all(|it| it.group_tasks == 10), "every instance is full");
    let scan = by_scan.0.as_nanos() as f64 / f64::from(by_scan.1.max(1));
    (took.as_nanos() as f64 / (count * TASKS_PER_INSTANCE) as f64, scan)
}

/// DSLab's benchmark: the time of all placements. Some are checked against a first fit spelled out.
fn first_fit(hosts: usize) -> Duration {
    let mut instances = instances(hosts, 1, 144 * 1024, 2_048_000);
    let mut index = index_of(&instances);
    let kinds: Vec<Reservation> =
        [1, 2, 4, 8].iter().flat_map(|cpu| [128, 256, 512].map(|memory| need(cpu * 1024, memory))).collect();
    let stream = RefCell::new(SEED.stream("machines", ""));
    let below = |n| Stream::below(&mut stream.borrow_mut(), n);
    let mut aside = Duration::ZERO;
    let begin = Clock::now();
    for machine in 0..hosts * 10 {
        let kind = below(kinds.len());
        let need = &kinds[kind];
        let request = Request {
            task_group: machine,
            counted: machine,
            reservation: need,
            requirements: kind,
            strategies: &[],
            is_distinct_instance: false,
            tie_break: TieBreak::Lexical,
        };
        let mut can_take = |it: usize| failure(need, None, &[], &instances[it]).is_none();
        let chosen = index.choose(&request, &mut can_take, &mut |_| 0).expect("there is room");
        if machine % 997 == 0 {
            let away = Clock::now();
            let first = instances.iter().position(|it| failure(need, None, &[], it).is_none());
            assert_eq!(Some(chosen), first, "machine {machine} of {hosts} hosts");
            aside += away.elapsed();
        }
        place(&mut instances[chosen], &mut index, machine, need);
    }
    begin.elapsed() - aside
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn main() {
    let is_test = !std::env::args().any(|it| it == "--bench");
    let (scale, rounds) = if is_test { (20, 1) } else { (1, 5) };
    let sizes = [1_000, 3_000, 10_000, 30_000].map(|it| it / scale);
    println!("spread by zone, then binpack by memory; medians of {rounds} rounds");
    println!("{:>9} {:>9} {:>15} {:>13}", "instances", "tasks", "ns a placement", "ns by a scan");
    let mut of_naive = Vec::new();
    let mut cost_10x = Vec::new();
    let mut costs = vec![(Vec::new(), Vec::new()); sizes.len()];
    for _ in 0..rounds {
        for (&size, costs) in sizes.iter().zip(&mut costs) {
            // Timed without the scans between, which would leave the index cold; then once more to compare.
            costs.0.push(fill(size, None).0);
            costs.1.push(fill(size, Some(100)).1);
        }
        let newest = |place: usize| costs[place].0.last().copied().expect("a round is timed");
        of_naive.push(costs[2].1[costs[2].1.len() - 1] / newest(2));
        cost_10x.push(newest(2) / newest(0));
    }
    for (size, (index, scan)) in sizes.iter().zip(&costs) {
        println!(
            "{size:9} {:9} {:15.0} {:13.0}",
            size * TASKS_PER_INSTANCE,
            median(index.clone()),
            median(scan.clone())
        );
    }
    println!("{:>9} {:>9} {:>15} {:>13}", "hosts", "machines", "ns a placement", "ms in all");
    for hosts in [1_000, 2_000, 5_000, 10_000].map(|it| it / scale) {
        let took = median((0..rounds).map(|_| first_fit(hosts).as_secs_f64()).collect());
        println!("{hosts:9} {:9} {:15.0} {:13.1}", hosts * 10, took * 1e9 / (hosts * 10) as f64, took * 1e3);
    }
    println!("ratio placement_of_naive {:.3}", median(of_naive));
    println!("ratio placement_cost_10x {:.3}", median(cost_10x));
}
