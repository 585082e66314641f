//! What task definitions require of agents decides where their tasks go, and a refusal names it.

use std::path::Path;

use plimsoll::engine::simulate;
use plimsoll::report::refusals;
use plimsoll::rng::Seed;
use plimsoll::run::Run;
use plimsoll::scenario::{self, Scenario, Story};

fn read(text: &str) -> Story {
    let story = scenario::read(Path::new("attributes.yaml"), &mut |_| Ok(text.as_bytes().to_vec()))
        .unwrap_or_else(|problems| panic!("{text}\n{}", problems.render(false)));
    assert!(story.unsupported.is_empty(), "{}", story.unsupported.render(false));
    story
}

fn scenario_of(text: &str) -> Scenario {
    read(text).variants.into_iter().next().expect("a story has its base")
}

fn run(text: &str) -> Run {
    simulate(&scenario_of(text), Seed { seed: 1, replication: 0 })
}

fn text(definition: &str, container: &str, group: &str) -> String {
    format!(
        "duration: 10m
cluster: {{ availabilityZones: [us-east-1a] }}
autoScalingGroups:
  nodes: {{ InstanceType: m5.large, MinSize: 1, MaxSize: 1, {group} }}
taskDefinitions:
  web:
    {definition}
    containerDefinitions: [{{ name: web, memory: 64, {container} }}]
services: {{ web: {{ taskDefinition: web, desiredCount: 1 }} }}
"
    )
}

fn running(run: &Run) -> usize {
    run.tasks.iter().filter(|it| it.running_at.is_some() && it.stopping_at.is_none()).count()
}

fn told(run: &Run) -> String {
    refusals::paragraphs(&[vec![run]]).split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Definition, container, group that lacks it, and the attribute.
const CASES: [(&str, &str, &str, &str); 11] = [
    (
        "family: web",
        "logConfiguration: { logDriver: awslogs }",
        "agentConfiguration: { ECS_AVAILABLE_LOGGING_DRIVERS: [json-file] }",
        "com.amazonaws.ecs.capability.logging-driver.awslogs",
    ),
    (
        "executionRoleArn: arn:aws:iam::1:role/execution",
        "logConfiguration: { logDriver: awslogs }",
        "agentConfiguration: { ECS_ENABLE_AWSLOGS_EXECUTIONROLE_OVERRIDE: false }",
        "ecs.capability.execution-role-awslogs",
    ),
    (
        "taskRoleArn: arn:aws:iam::1:role/task",
        "essential: true",
        "agentConfiguration: { ECS_ENABLE_TASK_IAM_ROLE: false }",
        "com.amazonaws.ecs.capability.task-iam-role",
    ),
    (
        "family: web",
        "secrets: [{ name: KEY, valueFrom: \"arn:aws:secretsmanager:us-east-1:1:secret:key\" }]",
        "agentVersion: 1.22.0",
        "ecs.capability.secrets.asm.environment-variables",
    ),
    (
        "family: web",
        "secrets: [{ name: KEY, valueFrom: /web/key }]",
        "agentVersion: 1.21.0",
        "ecs.capability.secrets.ssm.environment-variables",
    ),
    ("networkMode: awsvpc", "essential: true", "agentVersion: 1.14.5", "ecs.capability.task-eni"),
    ("family: web", "healthCheck: {}", "agentVersion: 1.16.2", "ecs.capability.container-health-check"),
    (
        "family: web",
        "restartPolicy: { enabled: true }",
        "agentVersion: 1.80.0",
        "ecs.capability.container-restart-policy",
    ),
    (
        "volumes: [{ name: files, efsVolumeConfiguration: { fileSystemId: fs-1, transitEncryption: ENABLED } }]",
        "essential: true",
        "agentVersion: 1.36.0",
        "ecs.capability.efsAuth",
    ),
    ("memory: 128", "essential: true", "agentVersion: 1.15.0", "ecs.capability.task-cpu-mem-limit"),
    (
        "volumes: [{ name: files, fsxWindowsFileServerVolumeConfiguration: { fileSystemId: fs-1, rootDirectory: share } }]",
        "essential: true",
        "attributes: { disk: ssd }",
        "ecs.capability.fsxWindowsFileServer",
    ),
];

#[test]
fn a_task_does_not_go_where_an_attribute_is_missing() {
    for (definition, container, group, attribute) in CASES {
        let lacking = text(definition, container, group);
        let refused = run(&lacking);
        assert_eq!(running(&refused), 0, "{attribute}");
        let is_said = |it: &str| it.contains("is missing an attribute required by your task");
        assert!(refused.events.iter().any(|it| is_said(&it.message)), "{attribute}");
        let told = told(&refused);
        assert!(told.contains(&format!("`web:1` requires the attribute `{attribute}` for ")), "{told}");
        assert!(told.contains("which 1 instance does not have"), "{told}");
        let notes = read(&lacking).notes.join("\n");
        assert!(notes.contains(attribute), "{notes}");

        let own = group.split_once("attributes: { disk: ssd }").map_or_else(
            || format!("{group}, attributes: {{ {attribute}: }}"),
            |_| format!("attributes: {{ {attribute}: }}"),
        );
        assert_eq!(running(&run(&text(definition, container, &own))), 1, "a group may say that it has {attribute}");
    }
}

#[test]
fn usual_instances_have_them_all_but_those_of_windows() {
    for (definition, container, _, attribute) in CASES {
        let is_windows = attribute == "ecs.capability.fsxWindowsFileServer";
        assert_eq!(running(&run(&text(definition, container, "DefaultCooldown: 300"))), usize::from(!is_windows));
    }
}

#[test]
fn tasks_go_to_the_group_that_has_the_attribute() {
    let old = "agentVersion: 1.16.2";
    let two = text("family: web", "healthCheck: {}", old)
        .replace("taskDefinitions:", "  newer: { InstanceType: m5.large, MinSize: 1, MaxSize: 1 }\ntaskDefinitions:")
        .replace("desiredCount: 1", "desiredCount: 4");
    let run = run(&two);
    assert_eq!(running(&run), 4);
    for task in &run.tasks {
        let instance = &run.instances[task.instance.expect("it was placed")];
        assert_eq!(instance.auto_scaling_group, "newer");
    }
}

#[test]
fn the_definition_lists_what_it_requires() {
    let pasted = "requiresAttributes: [{ name: ecs.capability.task-eni }, { name: com.amazonaws.ecs.capability.docker-remote-api.1.29 }, { name: ecs.capability.docker-plugin.local }]";
    let scenario = scenario_of(&text(pasted, "dependsOn: []", "DefaultCooldown: 300"));
    let definition = scenario.task_definitions.iter().next().expect("there is one");
    let known = ["com.amazonaws.ecs.capability.docker-remote-api.1.29", "ecs.capability.task-eni"];
    assert_eq!(definition.requires_attributes, known, "those that agents are known to register");
    let container = "image: 1.dkr.ecr.us-east-1.amazonaws.com/web, privileged: true, portMappings: [{ containerPortRange: 80-90 }], firelensConfiguration: { type: fluentbit }, logConfiguration: { logDriver: awsfirelens, secretOptions: [{ name: key, valueFrom: /key }] }";
    let scenario = scenario_of(&text("executionRoleArn: role", container, "DefaultCooldown: 300"));
    let definition = scenario.task_definitions.iter().next().expect("there is one");
    assert_eq!(
        definition.requires_attributes,
        [
            "com.amazonaws.ecs.capability.ecr-auth",
            "com.amazonaws.ecs.capability.logging-driver.awsfirelens",
            "com.amazonaws.ecs.capability.privileged-container",
            "ecs.capability.execution-role-ecr-pull",
            "ecs.capability.firelens.fluentbit",
            "ecs.capability.network.container-port-range",
            "ecs.capability.secrets.ssm.bootstrap.log-driver",
        ]
    );
}
