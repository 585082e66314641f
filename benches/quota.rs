//! A cluster at AWS's quotas: 5,000 instances, 1,000 services, 100,000 tasks, for a day, in one process.
//!
//! Three groups of instances, one in each zone. From 06:00 on every service gets a new deployment, ten services a minute; at
//! 12:00 a zone is lost, with all of its instances, and at 18:00 it is back. Services differ in size, strategies and
//! constraints. No requests: what they cost is in `requests`.
//!
//! Prints the wall time of a simulated hour, and the process's peak memory in GiB as `ratio quota_memory_gib`.

use std::fmt::Write;
use std::path::Path;
use std::time::Instant as Clock;

use plimsoll::engine::simulate;
use plimsoll::rng::Seed;
use plimsoll::scenario::{self, Scenario};
use plimsoll::units::Instant;

const SEED: Seed = Seed { seed: 1, replication: 0 };

/// Of each service; fewer in a cluster that is too small for so many on an instance each.
const TASKS: usize = 100;

/// A day of the quotas' size divided by `scale`.
fn scenario(scale: usize) -> Scenario {
    let (in_zone, services) = (1_668 / scale, 1_000 / scale);
    let tasks = TASKS.min(in_zone);
    let mut text = String::from(
        "duration: 24h\ncluster: { availabilityZones: [us-east-1a, us-east-1b, us-east-1c] }\nautoScalingGroups:\n",
    );
    for zone in ["a", "b", "c"] {
        writeln!(text, "  {zone}: {{ InstanceType: m5.4xlarge, MinSize: 0, MaxSize: {in_zone}, DesiredCapacity: {in_zone}, AvailabilityZones: [us-east-1{zone}] }}")
            .expect("a string takes all");
    }
    text.push_str("taskDefinitions:\n");
    for size in 0..40 {
        let (cpu, memory) = (128 * (1 + size % 5), 256 * (1 + size % 7));
        writeln!(text, "  size-{size}: {{ cpu: {cpu}, memory: {memory}, containerDefinitions: [{{ name: main, memory: {memory} }}] }}")
            .expect("a string takes all");
    }
    text.push_str("applications: { main: {} }\nservices:\n");
    let strategies = [
        "[]",
        "[{ type: spread, field: 'attribute:ecs.availability-zone' }, { type: binpack, field: memory }]",
        "[{ type: spread, field: 'attribute:ecs.availability-zone' }, { type: spread, field: instanceId }]",
        "[{ type: binpack, field: cpu }]",
        "[{ type: random }]",
    ];
    let constraints = [
        "[]",
        "[{ type: memberOf, expression: 'attribute:ecs.instance-type =~ m5.*' }]",
        "[{ type: distinctInstance }]",
        "[{ type: memberOf, expression: 'not(task:group == service:service-0)' }]",
    ];
    for service in 0..services {
        let (strategy, constraint) = (strategies[service % 5], constraints[service * 7 % 10 % 4]);
        writeln!(text, "  service-{service}: {{ taskDefinition: size-{}, desiredCount: {tasks}, placementStrategy: {strategy}, placementConstraints: {constraint} }}", service % 40)
            .expect("a string takes all");
    }
    text.push_str("timeline:\n");
    for service in 0..services {
        let minute = 360 + service / 10;
        writeln!(
            text,
            "  - {{ at: {minute}m, updateService: {{ service: service-{service}, forceNewDeployment: true }} }}"
        )
        .expect("a string takes all");
    }
    writeln!(text, "  - {{ at: 12h, updateAutoScalingGroup: {{ autoScalingGroup: a, MaxSize: 0, DesiredCapacity: 0 }} }}\n  - {{ at: 12h, terminateInstances: {{ autoScalingGroup: a, count: {in_zone} }} }}\n  - {{ at: 18h, updateAutoScalingGroup: {{ autoScalingGroup: a, MaxSize: {in_zone}, DesiredCapacity: {in_zone} }} }}")
        .expect("a string takes all");
    let story = scenario::read(Path::new("quota.yaml"), &mut |_| Ok(text.clone().into_bytes()))
        .unwrap_or_else(|problems| panic!("{}", problems.render(false)));
    story.variants.into_iter().next().expect("a story has its base")
}

fn peak_memory_gib() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    line.split_whitespace().nth(1)?.parse::<f64>().ok().map(|kib| kib / 1024.0 / 1024.0)
}

fn main() {
    let is_test = !std::env::args().any(|it| it == "--bench");
    let scenario = scenario(if is_test { 100 } else { 1 });
    let begin = Clock::now();
    let run = simulate(&scenario, SEED);
    let took = begin.elapsed();
    let end = Instant::START + scenario.duration;
    let wanted: u32 = scenario.services.iter().map(|it| it.desired_count).sum();
    let running = run.tasks.iter().filter(|it| it.running_at.is_some() && it.stopped_at.is_none()).count();
    assert_eq!(running, wanted as usize, "by the day's end all is as it was");
    println!(
        "{} instances, {} services, {} tasks ever, {} events",
        run.instances.len(),
        scenario.services.len(),
        run.tasks.len(),
        run.events.len()
    );
    println!(
        "{:.2} s for {}, {:.3} s a simulated hour",
        took.as_secs_f64(),
        end,
        took.as_secs_f64() / scenario.duration.as_hours()
    );
    if let Some(memory) = peak_memory_gib() {
        println!("ratio quota_memory_gib {memory:.3}");
    }
}
