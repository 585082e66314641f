//! Real traces drive a service end to end; every request of the trace is accounted for.

use std::path::PathBuf;

use plimsoll::engine::simulate;
use plimsoll::rng::Seed;
use plimsoll::scenario;

/// A scenario that replays `trace` on twenty tasks, its window cut by `arrivals`.
fn replay(duration: &str, trace: &std::path::Path, window: &str) -> String {
    format!(
        r#"
duration: {duration}
autoScalingGroups: {{ nodes: {{ InstanceType: m5.2xlarge, MinSize: 3, MaxSize: 3 }} }}
taskDefinitions:
  web: {{ containerDefinitions: [{{ name: web, image: web, cpu: 1024, memory: 1024, portMappings: [{{ containerPort: 80 }}] }}] }}
applications:
  web: {{ cpuTime: {{ exponential: {{ mean: 1ms }} }}, waitTime: {{ exponential: {{ mean: 2ms }} }}, concurrency: 8 }}
targetGroups: {{ web: {{}} }}
services:
  web: {{ taskDefinition: web, desiredCount: 20, loadBalancers: [{{ targetGroupArn: web, containerName: web, containerPort: 80 }}] }}
workloads:
  trace: {{ service: web, arrivals: {{ trace: {{ file: "{}", {window} spread: poisson }} }} }}
"#,
        trace.display()
    )
}

fn counts(path: &std::path::Path, from: &str, rows: usize) -> u64 {
    let text = std::fs::read_to_string(path).expect("the trace can be read");
    let lines = text.lines().skip(1).skip_while(|line| !line.starts_with(from)).take(rows);
    lines.map(|line| line.split(',').nth(1).and_then(|it| it.trim().parse::<u64>().ok()).expect("a count")).sum()
}

fn check(file: &str, from: &str, days: u64) {
    let Some(data) = std::env::var_os("PLIMSOLL_DATA").map(PathBuf::from) else {
        println!("skipped: PLIMSOLL_DATA is not set, so {file} is not replayed");
        return;
    };
    let trace = data.join("load").join(file);
    let text = replay(&format!("{days}d"), &trace, &format!("from: \"{from}\", for: {days}d,"));
    let story = scenario::read(std::path::Path::new("trace.yaml"), &mut |path| {
        if path.ends_with("trace.yaml") { Ok(text.clone().into_bytes()) } else { std::fs::read(path) }
    })
    .unwrap_or_else(|problems| panic!("{}", problems.render(false)));
    let run = simulate(&story.variants[0], Seed { seed: 1, replication: 0 });
    let totals = &run.requests[0];
    let expected = counts(&trace, from, (days * 1440) as usize);
    assert_eq!(totals.counts.arrived, expected, "each request of the trace arrives");
    assert_eq!(totals.counts.arrived, totals.counts.served + totals.counts.failed() + totals.in_flight);
    assert_eq!(run.service_minutes.len() as u64, days * 1440);
    let by_minute: u64 = run.service_minutes.iter().map(|row| row.counts.arrived).sum();
    assert_eq!(by_minute, expected, "minutes add up to the whole");
}

#[test]
fn a_week_of_the_world_cup_is_accounted_for() {
    check("worldcup98-to-group-stage.csv", "1998-06-10T00:00:00Z", 7);
}

#[test]
fn four_weeks_of_nasa_are_accounted_for() {
    check("nasa-http-1995-07.csv", "1995-07-02T00:00:00Z", 25);
}
