//! Container instances and network modes, end to end: density, GPUs, ports, addresses, and what is done to instances by hand.

use std::path::Path;

use plimsoll::engine::simulate;
use plimsoll::rng::Seed;
use plimsoll::run::Run;
use plimsoll::scenario::{self, Story};
use plimsoll::units::{Instant, Span};

fn story(text: &str) -> Story {
    let story = scenario::read(Path::new("instances.yaml"), &mut |_| Ok(text.as_bytes().to_vec()))
        .unwrap_or_else(|problems| panic!("{}", problems.render(false)));
    assert!(story.unsupported.is_empty(), "{}", story.unsupported.render(false));
    story
}

fn run(text: &str) -> Run {
    simulate(&story(text).variants[0], Seed { seed: 1, replication: 0 })
}

/// A service of tasks of this definition on instances of this group, and more lines.
fn one_service(group: &str, definition: &str, count: u32, more: &str) -> String {
    format!(
        "duration: 10m
autoScalingGroups: {{ nodes: {{ {group} }} }}
taskDefinitions: {{ web: {{ {definition} }} }}
services: {{ web: {{ taskDefinition: web, desiredCount: {count} }} }}
{more}"
    )
}

fn placed(run: &Run) -> usize {
    run.tasks.iter().filter(|it| it.instance.is_some()).count()
}

fn running(run: &Run, at: Instant) -> usize {
    let is_there = |it: &&plimsoll::run::TaskLife| {
        it.running_at.is_some_and(|it| it <= at) && it.stopped_at.is_none_or(|it| it > at)
    };
    run.tasks.iter().filter(is_there).count()
}

/// The first message of this kind.
fn said<'a>(run: &'a Run, kind: &str) -> &'a str {
    run.events.iter().find(|it| it.kind == kind).map_or("", |it| it.message.as_str())
}

const SMALL: &str = "cpu: 256, memory: 512";

fn of_mode(mode: &str, container: &str, mappings: &str) -> String {
    format!("networkMode: {mode}, containerDefinitions: [{{ name: web, {container}, portMappings: [{mappings}] }}]")
}

#[test]
fn we_8_tasks_an_instance_by_network_mode() {
    let nodes = "InstanceType: m5.large, MinSize: 1, MaxSize: 1";
    let trunk = "InstanceType: m5.large, MinSize: 1, MaxSize: 1, awsvpcTrunking: enabled";
    for (group, mode, mappings, expected) in [
        (nodes, "bridge", "{ containerPort: 80 }", 8),
        (nodes, "bridge", "{ containerPort: 80, hostPort: 80 }", 1),
        (nodes, "host", "{ containerPort: 8080 }", 1),
        (nodes, "awsvpc", "{ containerPort: 80 }", 2),
        (trunk, "awsvpc", "{ containerPort: 80 }", 8),
        (nodes, "none", "", 8),
    ] {
        let run = run(&one_service(group, &of_mode(mode, SMALL, mappings), 12, ""));
        assert_eq!(placed(&run), expected, "{mode} {mappings} on {group}");
    }
}

#[test]
fn we_7_a_trunk_by_the_account_setting() {
    let tasks = |setting: &str, nodes: &str| {
        let definition = of_mode("awsvpc", "cpu: 2, memory: 6", "");
        let cluster = format!("cluster: {{ awsvpcTrunking: {setting} }}");
        placed(&run(&one_service(&format!("MinSize: 1, MaxSize: 1, {nodes}"), &definition, 15, &cluster)))
    };
    assert_eq!(tasks("enabled", "InstanceType: c5.large"), 10);
    assert_eq!(tasks("disabled", "InstanceType: c5.large"), 2);
    assert_eq!(tasks("enabled", "InstanceType: c5.large, awsvpcTrunking: disabled"), 2);
    assert_eq!(tasks("enabled", "InstanceType: t3.large"), 2, "T3 has no trunks");
}

#[test]
fn an_instance_is_registering_while_its_trunk_is_attached() {
    let registered = |trunking: &str| {
        let group = format!("InstanceType: m5.large, MinSize: 1, MaxSize: 1, awsvpcTrunking: {trunking}");
        let run = run(&one_service(&group, &of_mode("awsvpc", SMALL, ""), 1, "begin: cold"));
        run.instances[0].registered_at.expect("it registers")
    };
    assert_eq!(registered("enabled"), registered("disabled") + Span::seconds(5));
}

#[test]
fn a_task_with_a_gpu_goes_where_one_is_left() {
    let group = "InstanceType: g5.xlarge, MinSize: 2, MaxSize: 2";
    let gpu = "resourceRequirements: [{ type: GPU, value: \"1\" }]";
    let run = run(&one_service(group, &of_mode("bridge", &format!("{SMALL}, {gpu}"), ""), 3, ""));
    assert_eq!(placed(&run), 2);
    let refusal = said(&run, "service.task_placement_failure");
    assert!(refusal.ends_with("has insufficient GPUs available."), "{refusal}");
}
