//! What a quiet cluster costs as it grows: services that nothing happens to, each with a scalable target, a policy that tracks
//! its CPU use (two alarms), a target group and a task, on Fargate.
//!
//! Nothing but the control plane's minutes and seconds is to be done, so each service should cost the same in a cluster of
//! ten as in one of five thousand: whoever asks all others about each would show here. Small clusters run for longer, so
//! that each run has as many service-hours. What is told is what an hour more costs, a longer run less one that ends after the first
//! hour: what a run costs to begin and to end with does not count.

use std::fmt::Write;
use std::path::Path;
use std::time::Instant as Clock;

use plimsoll::engine::simulate;
use plimsoll::rng::Seed;
use plimsoll::scenario::{self, Scenario};

const SEED: Seed = Seed { seed: 1, replication: 0 };
const SERVICES: [usize; 4] = [10, 100, 1_000, 5_000];
/// Service-hours of each run after the first hour.
const SERVICE_HOURS: usize = 20_000;
/// Target groups of a load balancer, the quota of Elastic Load Balancing.
const GROUPS: usize = 100;

fn scenario(services: usize, hours: usize) -> Scenario {
    let mut text = format!(
        "duration: {hours}h
taskDefinitions: {{ web: {{ networkMode: awsvpc, cpu: 256, memory: 512, requiresCompatibilities: [FARGATE], containerDefinitions: [{{ name: web, portMappings: [{{ containerPort: 80 }}] }}] }} }}
applications: {{ web: {{ cpuTime: 10ms, memory: {{ base: 100MiB }} }} }}
assumptions: {{ fargateVcpuQuota: 5000 }}
"
    );
    let mut section = |name: &str, of: &dyn Fn(usize) -> String, count: usize| {
        writeln!(text, "{name}:").expect("a string takes all");
        (0..count).for_each(|it| writeln!(text, "  {}", of(it)).expect("a string takes all"));
    };
    section("loadBalancers", &|it| format!("load-balancer-{it}: {{}}"), services.div_ceil(GROUPS));
    section("targetGroups", &|it| format!("group-{it}: {{ loadBalancer: load-balancer-{} }}", it / GROUPS), services);
    let service = |it: usize| {
        format!(
            "service-{it}: {{ taskDefinition: web, desiredCount: 1, launchType: FARGATE, networkConfiguration: {{ \
             awsvpcConfiguration: {{ subnets: [subnet-1] }} }}, loadBalancers: [{{ targetGroupArn: group-{it}, \
             containerName: web, containerPort: 80 }}] }}"
        )
    };
    section("services", &service, services);
    section("scalableTargets", &|it| format!("service-{it}: {{ MinCapacity: 1, MaxCapacity: 10 }}"), services);
    let policy = |it: usize| {
        format!(
            "cpu-{it}: {{ service: service-{it}, TargetTrackingScalingPolicyConfiguration: {{ TargetValue: 50, \
             PredefinedMetricSpecification: {{ PredefinedMetricType: ECSServiceAverageCPUUtilization }} }} }}"
        )
    };
    section("scalingPolicies", &policy, services);
    let story = scenario::read(Path::new("control.yaml"), &mut |_| Ok(text.clone().into_bytes()))
        .unwrap_or_else(|problems| panic!("{}", problems.render(false)));
    story.variants.into_iter().next().expect("a story has its base")
}

/// Seconds that a run takes.
fn time_of(services: usize, hours: usize) -> f64 {
    let scenario = scenario(services, hours);
    let begin = Clock::now();
    let run = simulate(&scenario, SEED);
    let took = begin.elapsed().as_secs_f64();
    let low_alarms = run.alarm_changes.iter().filter(|it| it.to == "ALARM").count();
    assert_eq!(low_alarms, services, "each idle service's low alarm");
    assert_eq!(run.scale_outs, 0);
    took
}

/// Seconds a service and simulated hour.
fn cost(services: usize, hours: usize) -> f64 {
    let took = time_of(services, 1 + hours) - time_of(services, 1);
    let each = took / (services * hours) as f64;
    println!(
        "{services:>5} services: {:.4} s a simulated hour, {:.1} us a service and simulated hour ({hours} h in {took:.2} s)",
        took / hours as f64,
        1e6 * each
    );
    each
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn main() {
    let is_test = !std::env::args().any(|it| it == "--bench");
    let rounds = if is_test { 1 } else { 3 };
    println!("the median of {rounds} rounds");
    let growths = (0..rounds).map(|_| {
        let costs = SERVICES.map(|it| match is_test {
            true => cost(it.min(100), 1),
            false => cost(it, SERVICE_HOURS / it),
        });
        costs[SERVICES.len() - 1] / costs[0]
    });
    println!("ratio control_cost_growth {:.3}", median(growths.collect()));
}
