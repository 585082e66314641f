//! Volumes of EFS: tasks start only where their file system has a mount target.

use plimsoll::run::{Run, TaskLife};

use crate::stories::run;

/// A service with a volume of fs-1 on instances in two zones, or on Fargate.
fn text(file_system: &str, on_fargate: bool, begin: &str) -> String {
    let (definition, launch) = match on_fargate {
        true => (
            "networkMode: awsvpc, cpu: 256, memory: 512, requiresCompatibilities: [FARGATE],",
            "launchType: FARGATE, networkConfiguration: { awsvpcConfiguration: { subnets: [a, b] } },",
        ),
        false => ("", ""),
    };
    format!(
        "duration: 20m
begin: {begin}
cluster:
  availabilityZones: [us-east-1a, us-east-1b]
  subnets:
    a: {{ AvailabilityZone: us-east-1a, CidrBlock: 10.0.0.0/24 }}
    b: {{ AvailabilityZone: us-east-1b, CidrBlock: 10.0.1.0/24 }}
  fileSystems: {{ fs-1: {file_system} }}
autoScalingGroups: {{ nodes: {{ InstanceType: m5.large, MinSize: 2, MaxSize: 2 }} }}
taskDefinitions:
  web: {{ {definition} containerDefinitions: [{{ name: web, memory: 64 }}], volumes: [{{ name: shared, efsVolumeConfiguration: {{ fileSystemId: fs-1 }} }}] }}
services: {{ web: {{ taskDefinition: web, {launch} desiredCount: 2 }} }}
"
    )
}

fn running(run: &Run) -> usize {
    run.tasks.iter().filter(|it| it.running_at.is_some() && it.stopping_at.is_none()).count()
}

const UNRESOLVED: &str = "Failed to resolve \"fs-1.efs.us-east-1.amazonaws.com\" - check that your file system ID is correct, and ensure that the VPC has an EFS mount target for this file system ID. See https://docs.aws.amazon.com/console/efs/mount-dns-name for more detail.";

#[test]
fn a_task_fails_in_a_zone_without_a_mount_target() {
    for file_system in [
        "{ MountTargets: [{ AvailabilityZoneName: us-east-1a }] }",
        "{ MountTargets: [{ SubnetId: a }] }",
        "{ AvailabilityZoneName: us-east-1a }",
    ] {
        for on_fargate in [false, true] {
            for begin in ["cold", "settled"] {
                let run = run(&text(file_system, on_fargate, begin));
                let failed: Vec<&TaskLife> =
                    run.tasks.iter().filter(|it| it.stop_code == Some("TaskFailedToStart")).collect();
                assert!(failed.len() > 2, "it is tried again in the zone with fewer tasks: {file_system} {begin}");
                let expected = match on_fargate {
                    true => format!(
                        "ResourceInitializationError: failed to invoke EFS utils commands to set up EFS volumes: stderr: {UNRESOLVED} : unsuccessful EFS utils command execution; code: 1"
                    ),
                    false => format!(
                        "Error response from daemon: create ecs-web-1-shared: VolumeDriver.Create: mounting volume failed: {UNRESOLVED}"
                    ),
                };
                for task in failed {
                    assert_eq!(task.stopped_reason.as_ref(), Some(&expected));
                    assert_eq!(task.running_at, None);
                }
                assert_eq!(running(&run), 1, "the other one runs");
            }
        }
    }
}

#[test]
fn with_mount_targets_in_all_zones_all_run() {
    for file_system in ["{}", "{ MountTargets: [{ SubnetId: a }, { SubnetId: b }] }"] {
        assert_eq!(running(&run(&text(file_system, false, "cold"))), 2);
        assert_eq!(running(&run(&text(file_system, true, "settled"))), 2);
    }
    let elsewhere = text("{}", false, "cold").replace("fileSystems: { fs-1: {} }", "name: default");
    assert_eq!(running(&run(&elsewhere)), 2, "of one that is not described nothing is known");
    let nowhere = run(&text("{ MountTargets: [] }", false, "cold"));
    assert_eq!(running(&nowhere), 0);
    assert!(nowhere.events.iter().any(|it| it.kind == "service.task_start_impaired"));
}
