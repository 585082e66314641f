//! What a deployment storm costs: 500 services of 20 tasks on 1,000 instances are deployed anew at one instant, beside the same
//! cluster at rest. Counted is the time an event of the control plane takes; the storm has far more of them, and each should
//! cost about what it costs when nothing happens.
//!
//! A cluster at rest hands out few events, most of them seconds of all of its instances: so the storm is also held against one of a
//! tenth as many services on a tenth as many instances, by the time that each deployment takes.

use std::fmt::Write;
use std::path::Path;
use std::time::Instant as Clock;

use plimsoll::engine::simulate;
use plimsoll::rng::Seed;
use plimsoll::run::Verdict;
use plimsoll::scenario::{self, Scenario};

const SEED: Seed = Seed { seed: 1, replication: 0 };
/// Target groups of a load balancer, the quota of Elastic Load Balancing.
const GROUPS: usize = 100;
const TENTH: usize = 10;

fn scenario(services: usize, instances: usize, is_storm: bool) -> Scenario {
    let mut text = format!(
        "duration: 30m
autoScalingGroups: {{ nodes: {{ InstanceType: m5.xlarge, MinSize: {instances}, MaxSize: {instances} }} }}
taskDefinitions: {{ web: {{ containerDefinitions: [{{ name: web, image: web, cpu: 256, memory: 512, portMappings: [{{ containerPort: 80 }}] }}] }} }}
applications: {{ web: {{ image: {{ layers: {{ web: 100MB }} }}, startTime: 5s, shutdownTime: 2s }} }}
"
    );
    let mut section = |name: &str, of: &dyn Fn(usize) -> String, count: usize| {
        writeln!(text, "{name}:").expect("a string takes all");
        (0..count).for_each(|it| writeln!(text, "  {}", of(it)).expect("a string takes all"));
    };
    section("loadBalancers", &|it| format!("load-balancer-{it}: {{}}"), services.div_ceil(GROUPS));
    let group =
        |it: usize| format!("group-{it}: {{ loadBalancer: load-balancer-{}, deregistrationDelay: 30s }}", it / GROUPS);
    section("targetGroups", &group, services);
    let service = |it: usize| {
        format!(
            "service-{it}: {{ taskDefinition: web, desiredCount: 20, loadBalancers: [{{ targetGroupArn: group-{it}, \
             containerName: web, containerPort: 80 }}] }}"
        )
    };
    section("services", &service, services);
    // All at one instant, as the storm is meant.
    section("assumptions", &|_| format!("serviceModifyBurst: {services}"), 1);
    if is_storm {
        let deploy =
            |it: usize| format!("- {{ at: 1m, updateService: {{ service: service-{it}, forceNewDeployment: true }} }}");
        section("timeline", &deploy, services);
    }
    let story = scenario::read(Path::new("storm.yaml"), &mut |_| Ok(text.clone().into_bytes()))
        .unwrap_or_else(|problems| panic!("{}", problems.render(false)));
    story.variants.into_iter().next().expect("a story has its base")
}

/// Seconds of a run, and how many events it hands out.
fn measure(services: usize, instances: usize, is_storm: bool) -> (f64, f64) {
    let scenario = scenario(services, instances, is_storm);
    let begin = Clock::now();
    let run = simulate(&scenario, SEED);
    let took = begin.elapsed().as_secs_f64();
    let finished = run.deployments.iter().filter(|it| it.number > 0 && matches!(it.verdict(), Verdict::Finished(_)));
    assert_eq!(finished.count(), if is_storm { services } else { 0 }, "every deployment finishes");
    let events = run.handled_events as f64;
    let name = if is_storm { "storm" } else { "quiet" };
    println!("{name} of {services} services: {events} events in {took:.3} s, {:.0} ns each", 1e9 * took / events);
    (took, events)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn main() {
    let is_test = !std::env::args().any(|it| it == "--bench");
    let (services, instances, rounds) = if is_test { (10, 20, 1) } else { (500, 1_000, 5) };
    println!(
        "{services} services of 20 tasks, deployed at once on {instances} instances; the median of {rounds} rounds"
    );
    let ratios = (0..rounds).map(|_| {
        let (quiet_took, quiet_events) = measure(services, instances, false);
        let (small_took, _) = measure(services / TENTH, instances / TENTH, true);
        let (took, events) = measure(services, instances, true);
        ((took / events) / (quiet_took / quiet_events), took / small_took / TENTH as f64)
    });
    let (cost, cost_10x): (Vec<f64>, Vec<f64>) = ratios.unzip();
    println!("ratio storm_cost {:.3}", median(cost));
    println!("ratio storm_cost_10x {:.3}", median(cost_10x));
}
