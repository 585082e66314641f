//! Container Insights: what is counted of clusters and services, a sample of each task and of each container instance, and its price.

use std::collections::BTreeSet;
use std::path::Path;

use plimsoll::engine::simulate;
use plimsoll::rng::Seed;
use plimsoll::run::{MetricPoint, Run};
use plimsoll::scenario;

fn run(text: &str) -> Run {
    let story = scenario::read(Path::new("insights.yaml"), &mut |_| Ok(text.as_bytes().to_vec()))
        .unwrap_or_else(|problems| panic!("{}", problems.render(false)));
    assert!(story.unsupported.is_empty(), "{}", story.unsupported.render(false));
    simulate(&story.variants[0], Seed { seed: 7, replication: 0 })
}

fn points<'r>(run: &'r Run, metric: &str, statistic: &str) -> Vec<&'r MetricPoint> {
    run.metric_points.iter().filter(|it| it.metric == metric && it.statistic == statistic).collect()
}

/// The last datapoint of a metric; `None` where there is none.
fn last(run: &Run, name: &str, dimension: &str, statistic: &str) -> Option<f64> {
    points(run, &format!("ECS/ContainerInsights {name} {dimension}"), statistic).last().map(|it| it.value)
}

const STATISTICS: [&str; 5] = ["Average", "Sum", "Minimum", "Maximum", "SampleCount"];

/// An alarm on each statistic of each of these metrics, by a dimension besides `ClusterName`.
fn alarms(names: &[&str], dimension: Option<(&str, &str)>) -> String {
    let besides = dimension.map_or(String::new(), |(name, value)| format!(", {{ Name: {name}, Value: {value} }}"));
    let mut alarms = String::new();
    for name in names {
        for statistic in STATISTICS {
            alarms += &format!(
                "  {name}-{statistic}-{}: {{ Namespace: ECS/ContainerInsights, MetricName: {name}, Statistic: {statistic}, Dimensions: [{{ Name: ClusterName, Value: default }}{besides}], EvaluationPeriods: 1, Threshold: 0, ComparisonOperator: GreaterThanThreshold }}\n",
                dimension.map_or("Cluster".to_owned(), |it| it.0.to_owned() + it.1)
            );
        }
    }
    alarms
}

const SERVICE_COUNTS: [&str; 4] = ["DesiredTaskCount", "RunningTaskCount", "PendingTaskCount", "DeploymentCount"];
const CLUSTER_COUNTS: [&str; 3] = ["TaskCount", "ServiceCount", "ContainerInstanceCount"];
const OF_TASKS: [&str; 4] = ["CpuUtilized", "CpuReserved", "MemoryUtilized", "MemoryReserved"];

/// Three tasks of a vCPU and 1024 MiB, which use 512 MiB and, together, 1.2 vCPUs.
fn web(rest: &str) -> String {
    format!(
        "duration: 10m
cluster: {{ containerInsights: enhanced }}
autoScalingGroups: {{ nodes: {{ InstanceType: m5.2xlarge, MinSize: 4, MaxSize: 4 }} }}
taskDefinitions: {{ web: {{ cpu: 1024, memory: 1024, containerDefinitions: [{{ name: web, memory: 1024, portMappings: [{{ containerPort: 80 }}] }}] }} }}
applications: {{ web: {{ cpuTime: 10ms, memory: {{ base: 512MiB }} }} }}
targetGroups: {{ web: {{}} }}
workloads: {{ users: {{ service: web, arrivals: {{ constant: {{ rate: 120/s }} }} }} }}
services: {{ web: {{ taskDefinition: web, desiredCount: 3, loadBalancers: [{{ targetGroupArn: web, containerName: web, containerPort: 80 }}] }} }}
{rest}"
    )
}

#[test]
fn what_is_counted_is_one_sample() {
    let of_service = alarms(&SERVICE_COUNTS, Some(("ServiceName", "web")));
    let run = run(&web(&format!("alarms:\n{of_service}{}", alarms(&CLUSTER_COUNTS, None))));
    for statistic in ["Average", "Sum", "Minimum", "Maximum"] {
        let of_service = SERVICE_COUNTS.map(|it| last(&run, it, "ServiceName=web", statistic));
        assert_eq!(of_service, [3.0, 3.0, 0.0, 1.0].map(Some), "{statistic}");
        let [tasks, services, instances] = CLUSTER_COUNTS.map(|it| last(&run, it, "ClusterName=default", statistic));
        assert_eq!((tasks, services), (Some(3.0), Some(1.0)), "{statistic}");
        let with_tasks: BTreeSet<usize> = run.tasks.iter().filter_map(|it| it.instance).collect();
        assert!(with_tasks.len() < run.instances.len());
        assert_eq!(instances, Some(with_tasks.len() as f64), "only those with a task");
    }
    assert_eq!(last(&run, "RunningTaskCount", "ServiceName=web", "SampleCount"), Some(1.0));
    // 8 metrics of the cluster, 11 of the service, 6 of the family, and 6 of each of three tasks.
    let alarms = STATISTICS.len() * (SERVICE_COUNTS.len() + CLUSTER_COUNTS.len());
    let expected = (25.0 + 18.0) * 0.3 / 730.0 + alarms as f64 * 0.1 / 730.0;
    assert!((run.cost.cloud_watch_usd - expected).abs() < 1e-12, "{}", run.cost.cloud_watch_usd);
}

/// *Container Insights performance log events*: use and reservation come in an event of each task, by all three dimensions.
#[test]
fn what_tasks_use_and_reserve_is_a_sample_of_each() {
    let dimensions = [None, Some(("ServiceName", "web")), Some(("TaskDefinitionFamily", "web"))];
    let all: String = dimensions.map(|it| alarms(&OF_TASKS, it)).concat();
    let run = run(&web(&format!("alarms:\n{all}")));
    for dimension in ["ClusterName=default", "ServiceName=web", "TaskDefinitionFamily=web"] {
        let of = |name: &str| STATISTICS.map(|it| last(&run, name, dimension, it).expect("a datapoint"));
        assert_eq!(of("CpuReserved"), [1024.0, 3072.0, 1024.0, 1024.0, 3.0], "{dimension}");
        assert_eq!(of("MemoryReserved"), [1024.0, 3072.0, 1024.0, 1024.0, 3.0], "{dimension}");
        let [average, sum, minimum, maximum, count] = of("MemoryUtilized");
        assert_eq!(count, 3.0);
        for (value, expected) in [(average, 512.0), (sum, 1536.0), (minimum, 512.0), (maximum, 512.0)] {
            assert!((value - expected).abs() < 1e-6, "{dimension}: {value}");
        }
        let [average, sum, minimum, maximum, count] = of("CpuUtilized");
        assert_eq!((count, average), (3.0, sum / 3.0));
        assert!((sum - 1.2 * 1024.0).abs() < 60.0, "{dimension}: {sum}");
        assert!(minimum < average && average < maximum, "{minimum} {average} {maximum}");
    }
}

/// A service, and standalone tasks of the same family and of another, with room for all.
#[test]
fn standalone_tasks_count_for_their_family_and_the_cluster() {
    let dimensions = [None, Some(("TaskDefinitionFamily", "web")), Some(("TaskDefinitionFamily", "job"))];
    let all: String = dimensions.map(|it| alarms(&OF_TASKS, it)).concat();
    let text = |instances: u32| {
        format!(
            "duration: 20m
cluster: {{ containerInsights: enabled }}
autoScalingGroups: {{ nodes: {{ InstanceType: m5.large, MinSize: {instances}, MaxSize: {instances} }} }}
taskDefinitions:
  web: {{ containerDefinitions: [{{ name: web, cpu: 256, memory: 256 }}] }}
  job: {{ containerDefinitions: [{{ name: job, cpu: 512, memory: 512 }}] }}
applications: {{ web: {{ backgroundCpu: 100, memory: {{ base: 64MiB }} }}, job: {{ backgroundCpu: 1800, memory: {{ base: 300MiB }} }} }}
services: {{ web: {{ taskDefinition: web, desiredCount: 2 }} }}
runTasks:
  more: {{ taskDefinition: web, at: 5m, runTime: 30m }}
  jobs: {{ taskDefinition: job, at: 5m, runTime: 30m, count: 2 }}
alarms:
{all}"
        )
    };
    let roomy = run(&text(8));
    let of = |run: &Run, name: &str, dimension: &str| {
        (last(run, name, dimension, "Sum"), last(run, name, dimension, "SampleCount"))
    };
    for (name, of_web, of_job) in [
        ("CpuUtilized", 300.0, 3600.0),
        ("CpuReserved", 768.0, 1024.0),
        ("MemoryUtilized", 192.0, 600.0),
        ("MemoryReserved", 768.0, 1024.0),
    ] {
        assert_eq!(of(&roomy, name, "TaskDefinitionFamily=web"), (Some(of_web), Some(3.0)), "{name}");
        assert_eq!(of(&roomy, name, "TaskDefinitionFamily=job"), (Some(of_job), Some(2.0)), "{name}");
        assert_eq!(of(&roomy, name, "ClusterName=default"), (Some(of_web + of_job), Some(5.0)), "{name}");
    }
    // On one instance of 2048 units the jobs are given what there is.
    let tight = run(&text(1));
    let used = last(&tight, "CpuUtilized", "ClusterName=default", "Sum").expect("tasks run");
    assert!((used - 2048.0).abs() < 1.0, "{used}");
    let before = points(&tight, "ECS/ContainerInsights CpuUtilized TaskDefinitionFamily=job", "Sum");
    assert!(before.iter().all(|it| it.at.as_seconds() >= 300.0), "without a running task there is no datapoint");
}

/// Section 8.3: "If the definition reserves nothing, the instance's size is used as reservation", which the base of the service's
/// `CPUUtilization` is, too.
#[test]
fn a_task_that_reserves_no_cpu_is_measured_by_its_instance() {
    let of_service = alarms(&["CpuReserved", "CpuUtilized"], Some(("ServiceName", "web")));
    let run = run(&format!(
        "duration: 10m
cluster: {{ containerInsights: enabled }}
autoScalingGroups: {{ nodes: {{ InstanceType: m5.large, MinSize: 1, MaxSize: 1 }} }}
taskDefinitions: {{ web: {{ containerDefinitions: [{{ name: web, memory: 256 }}] }} }}
applications: {{ web: {{ backgroundCpu: 512 }} }}
services: {{ web: {{ taskDefinition: web, desiredCount: 2 }} }}
alarms:
{of_service}
  reservation: {{ Namespace: AWS/ECS, MetricName: CPUReservation, Dimensions: [{{ Name: ClusterName, Value: default }}], EvaluationPeriods: 1, Threshold: 0, ComparisonOperator: GreaterThanThreshold }}"
    ));
    assert!(run.tasks.iter().all(|it| it.cpu_units == 0));
    let minute = run.service_minutes.last().expect("there are minutes");
    let percent = minute.cpu_percent.expect("they run");
    assert!((percent - 25.0).abs() < 1e-9, "512 of 2048 units each: {percent}");
    let of = |name: &str| ["Average", "Sum"].map(|it| last(&run, name, "ServiceName=web", it).expect("a datapoint"));
    assert_eq!(of("CpuReserved"), [2048.0, 4096.0]);
    assert_eq!(of("CpuUtilized"), [512.0, 1024.0]);
    assert_eq!(
        points(&run, "AWS/ECS CPUReservation ClusterName=default", "Average")[0].value,
        0.0,
        "nothing is reserved"
    );
}

#[test]
fn the_storage_of_tasks_on_fargate_is_told_in_gb() {
    let names = ["EphemeralStorageReserved", "EphemeralStorageUtilized"];
    let dimensions = [None, Some(("ServiceName", "web")), Some(("TaskDefinitionFamily", "web"))];
    let all: String = dimensions.map(|it| alarms(&names, it)).concat();
    let text = |storage: &str, launch: &str| {
        format!(
            "duration: 10m
cluster: {{ containerInsights: enabled }}
autoScalingGroups: {{ nodes: {{ InstanceType: m5.large, MinSize: 2, MaxSize: 2 }} }}
taskDefinitions: {{ web: {{ requiresCompatibilities: [FARGATE, EC2], networkMode: awsvpc, cpu: 256, memory: 512, {storage} containerDefinitions: [{{ name: web, image: web }}] }} }}
applications: {{ web: {{ image: {{ size: 1GB }} }} }}
services: {{ web: {{ taskDefinition: web, desiredCount: 2, launchType: {launch}, networkConfiguration: {{ awsvpcConfiguration: {{ subnets: [subnet-a] }} }} }} }}
assumptions: {{ fargateUnpackedImageRatio: 2.5 }}
alarms:
{all}"
        )
    };
    // 20 GiB are 21.47 GB, as the performance log has it.
    for (storage, reserved) in [("", 21.474_836_48), ("ephemeralStorage: { sizeInGiB: 50 },", 53.687_091_2)] {
        let run = run(&text(storage, "FARGATE"));
        for dimension in ["ClusterName=default", "ServiceName=web", "TaskDefinitionFamily=web"] {
            let of = |name: &str| {
                ["Average", "Sum", "SampleCount"].map(|it| last(&run, name, dimension, it).expect("a datapoint"))
            };
            for (values, each) in [(of(names[0]), reserved), (of(names[1]), 3.5)] {
                assert!(
                    (values[0] - each).abs() < 1e-9 && (values[1] - 2.0 * each).abs() < 1e-9,
                    "{dimension}: {values:?}"
                );
                assert_eq!(values[2], 2.0);
            }
        }
    }
    let on_instances = run(&text("", "EC2"));
    assert!(on_instances.tasks.iter().any(|it| it.running_at.is_some()));
    assert_eq!(last(&on_instances, names[0], "ServiceName=web", "Average"), None, "of Fargate alone");
}

#[test]
fn bytes_are_told_of_bridge_and_awsvpc_alone() {
    let of_mode = |mode: &str| {
        let all = alarms(&["NetworkRxBytes"], Some(("ServiceName", "web")));
        let text = web(&format!("alarms:\n{all}assumptions: {{ requestBytes: 500 }}")).replace(
            "cpu: 1024, memory: 1024, containerDefinitions",
            &format!("networkMode: {mode}, cpu: 1024, memory: 1024, containerDefinitions"),
        );
        let run = run(&text);
        ["Sum", "Average"].map(|it| last(&run, "NetworkRxBytes", "ServiceName=web", it))
    };
    // 120 requests a second of 500 bytes, and a third of them for each task.
    let [sum, average] = of_mode("bridge");
    assert!(sum.is_some_and(|it| (it - 60_000.0).abs() < 600.0), "{sum:?}");
    assert_eq!(average, sum.map(|it| it / 3.0));
    assert_eq!(of_mode("host"), [None, None]);
}

const OF_INSTANCES: [&str; 9] = [
    "instance_cpu_limit",
    "instance_cpu_reserved_capacity",
    "instance_cpu_usage_total",
    "instance_cpu_utilization",
    "instance_memory_limit",
    "instance_memory_reserved_capacity",
    "instance_memory_utilization",
    "instance_memory_working_set",
    "instance_number_of_running_tasks",
];

/// Two m5.large, one of which has two tasks and the other one, and one m5.xlarge with nothing.
#[test]
fn the_agent_on_each_instance_tells_of_its_tasks() {
    let run = run(&format!(
        "duration: 10m
cluster: {{ containerInsights: enabled, availabilityZones: [us-east-1a] }}
autoScalingGroups:
  nodes: {{ InstanceType: m5.large, MinSize: 2, MaxSize: 2, reservedMemory: 511MiB }}
  spare: {{ InstanceType: m5.xlarge, MinSize: 1, MaxSize: 1, attributes: {{ spare: yes-it-is }} }}
taskDefinitions: {{ web: {{ containerDefinitions: [{{ name: web, cpu: 1024, memory: 1024 }}] }} }}
applications: {{ web: {{ backgroundCpu: 512, memory: {{ base: 730MiB }} }} }}
services: {{ web: {{ taskDefinition: web, desiredCount: 3, placementConstraints: [{{ type: memberOf, expression: 'attribute:spare !exists' }}], placementStrategy: [{{ type: binpack, field: cpu }}] }} }}
alarms:
{}",
        alarms(&OF_INSTANCES, None)
    ));
    let of = |name: &str| STATISTICS.map(|it| last(&run, name, "ClusterName=default", it).expect(name));
    let close = |name: &str, expected: [f64; 4]| {
        let [average, sum, minimum, maximum, count] = of(name);
        assert_eq!(count, 3.0, "{name}");
        for (value, expected) in [average, sum, minimum, maximum].into_iter().zip(expected) {
            assert!((value - expected).abs() < 1e-6 * expected.max(1.0), "{name}: {value}, expected {expected}");
        }
    };
    let mib = |it: f64| it * 1_048_576.0;
    // What the operating system sees, whether or not ECS_RESERVED_MEMORY keeps ECS from some of it.
    close(
        "instance_memory_limit",
        [mib((2.0 * 7811.0 + 15611.0) / 3.0), mib(2.0 * 7811.0 + 15611.0), mib(7811.0), mib(15611.0)],
    );
    close("instance_cpu_limit", [8192.0 / 3.0, 8192.0, 2048.0, 4096.0]);
    close("instance_cpu_reserved_capacity", [50.0, 150.0, 0.0, 100.0]);
    close("instance_cpu_usage_total", [512.0, 1536.0, 0.0, 1024.0]);
    close("instance_cpu_utilization", [25.0, 75.0, 0.0, 50.0]);
    let percent = |it: f64| 100.0 * it / 7811.0;
    close("instance_memory_reserved_capacity", [percent(1024.0), percent(3072.0), 0.0, percent(2048.0)]);
    close("instance_memory_working_set", [mib(730.0), mib(2190.0), 0.0, mib(1460.0)]);
    close("instance_memory_utilization", [percent(730.0), percent(2190.0), 0.0, percent(1460.0)]);
    close("instance_number_of_running_tasks", [1.0, 3.0, 0.0, 2.0]);
    // 8 metrics of the cluster, 11 of the service, 6 of the family; of the agents 11, and 7 for each instance.
    let metrics = 25.0 + 11.0 + 3.0 * 7.0;
    let expected = metrics * 0.3 / 730.0 + (STATISTICS.len() * OF_INSTANCES.len()) as f64 * 0.1 / 730.0;
    assert!((run.cost.cloud_watch_usd - expected).abs() < 1e-12, "{}", run.cost.cloud_watch_usd);
}

/// What requests hold and leave behind is memory of their instance as well.
#[test]
fn the_memory_of_instances_follows_the_requests_of_their_tasks() {
    let text = web(&format!("alarms:\n{}", alarms(&["instance_memory_working_set"], None)))
        .replace("memory: { base: 512MiB }", "memory: { base: 100MiB, leakPerRequest: 0.01MiB }");
    let run = run(&text);
    let sums = points(&run, "ECS/ContainerInsights instance_memory_working_set ClusterName=default", "Sum");
    for (minute, point) in sums.iter().enumerate() {
        let percent = run.service_minutes[minute].memory_percent.expect("they run");
        let of_tasks = percent / 100.0 * 3.0 * 1024.0 * 1_048_576.0;
        assert!((point.value - of_tasks).abs() < 1e-6 * of_tasks, "minute {minute}: {} {of_tasks}", point.value);
    }
    assert!(sums[8].value > 1.3 * sums[0].value, "it leaks");
}

#[test]
fn restarts_of_containers_are_counted_where_a_policy_makes_them() {
    let alarm = |of: &str, name: &str| {
        format!(
            "  {name}: {{ Namespace: ECS/ContainerInsights, MetricName: RestartCount, Dimensions: [{{ Name: ClusterName, Value: default }}{of}], EvaluationPeriods: 1, Threshold: 0, ComparisonOperator: GreaterThanThreshold }}\n"
        )
    };
    let text = |policy: &str| {
        format!(
            "duration: 20m
cluster: {{ containerInsights: enhanced }}
autoScalingGroups: {{ nodes: {{ InstanceType: m5.large, MinSize: 1, MaxSize: 1 }} }}
taskDefinitions:
  web: {{ containerDefinitions: [{{ name: web, memory: 64 }}, {{ name: side, memory: 64, essential: false, {policy} }}] }}
applications:
  side: {{ exit: {{ after: 5m, code: 1 }} }}
services:
  web: {{ taskDefinition: web, desiredCount: 2 }}
alarms:
{}{}",
            alarm(", { Name: ServiceName, Value: web }", "of-service"),
            alarm("", "of-cluster")
        )
    };
    let run = run(&text("restartPolicy: { enabled: true, restartAttemptPeriod: 60 }"));
    for dimension in ["ServiceName=web", "ClusterName=default"] {
        let name = format!("ECS/ContainerInsights RestartCount {dimension}");
        let last = points(&run, &name, "Average").last().expect("it is published").value;
        // Every five minutes and a second, of each task: a sample of each, as of all else that tasks have.
        assert_eq!(last, 3.0, "{name}");
    }
    let refused = scenario::read(Path::new("restarts.yaml"), &mut |_| Ok(text("").as_bytes().to_vec()));
    let words = refused.expect_err("nothing is published").render(false);
    assert!(words.contains("no container there has a restart policy"), "{words}");
}

const PERCENTAGES: [&str; 2] = ["TaskCpuUtilization", "TaskMemoryUtilization"];

#[test]
fn percentages_of_tasks_are_what_they_use_of_what_they_reserve() {
    let dimensions = [None, Some(("ServiceName", "web")), Some(("TaskDefinitionFamily", "web"))];
    let all: Vec<&str> = PERCENTAGES.into_iter().chain(OF_TASKS).collect();
    let text = web(&format!("alarms:\n{}", dimensions.map(|it| alarms(&all, it)).concat()));
    let run = run(&text);
    for dimension in ["ClusterName=default", "ServiceName=web", "TaskDefinitionFamily=web"] {
        let of = |name: &str, statistic: &str| last(&run, name, dimension, statistic).expect("it is published");
        for (percent, what) in [("TaskCpuUtilization", "Cpu"), ("TaskMemoryUtilization", "Memory")] {
            let (used, reserved) = (format!("{what}Utilized"), format!("{what}Reserved"));
            let expected = 100.0 * of(&used, "Average") / of(&reserved, "Average");
            assert!((of(percent, "Average") - expected).abs() < 1e-9, "{dimension} {percent}");
            assert_eq!(of(percent, "SampleCount"), 3.0, "a sample of each task");
            for extreme in ["Minimum", "Maximum"] {
                let expected = 100.0 * of(&used, extreme) / of(&reserved, extreme);
                assert!((of(percent, extreme) - expected).abs() < 1e-9, "{dimension} {percent} {extreme}");
            }
        }
        assert!((of("TaskMemoryUtilization", "Average") - 50.0).abs() < 1.0, "512 of 1024 MiB");
        assert!((of("TaskCpuUtilization", "Average") - 40.0).abs() < 1.0, "1.2 of 3 vCPUs");
    }
}

fn refusal(text: &str) -> String {
    match scenario::read(Path::new("insights.yaml"), &mut |_| Ok(text.as_bytes().to_vec())) {
        Ok(story) => story.unsupported.render(false),
        Err(problems) => problems.render(false),
    }
}

#[test]
fn what_container_insights_does_not_know_is_refused() {
    let of = |name: &str| web(&format!("alarms:\n{}", alarms(&[name], None)));
    let plain = refusal(&of("TaskCpuUtilization").replace("enhanced", "enabled"));
    assert!(plain.contains("with enhanced observability only"), "{plain}");
    for name in [
        "ContainerCpuUtilization",
        "ContainerStorageReadBytes",
        "TaskEBSFilesystemUtilization",
        "EBSFilesystemUtilized",
        "StorageReadBytes",
        "instance_filesystem_utilization",
        "instance_network_total_bytes",
    ] {
        let words = refusal(&of(name));
        assert!(words.contains("not simulated") && words.contains(name), "{name}: {words}");
    }
    let words = refusal(&of("UnHealthyContainerHealthStatus"));
    assert!(words.contains("no container there has a health check"), "{words}");
    let words = refusal(&of("EBSFilesystemSize"));
    assert!(words.contains("add `ServiceName` to `Dimensions`"), "{words}");
    let of_service = alarms(&["EBSFilesystemSize"], Some(("ServiceName", "web")));
    let words = refusal(&web(&format!("alarms:\n{of_service}")));
    assert!(words.contains("no task there has an EBS volume"), "{words}");
}

#[test]
fn volumes_of_tasks_and_the_health_of_containers_are_published() {
    let text = format!(
        "duration: 10m
cluster: {{ containerInsights: enhanced }}
autoScalingGroups: {{ nodes: {{ InstanceType: m5.large, MinSize: 1, MaxSize: 1 }} }}
taskDefinitions:
  db:
    volumes: [{{ name: data, configuredAtLaunch: true }}]
    containerDefinitions:
      - {{ name: db, memory: 64 }}
      - {{ name: good, memory: 64, healthCheck: {{ command: [CMD, x], interval: 10 }}, essential: false }}
      - {{ name: bad, memory: 64, healthCheck: {{ command: [CMD, x], interval: 10, retries: 1 }}, essential: false }}
applications: {{ bad: {{ unhealthyAfter: 1m }} }}
services: {{ db: {{ taskDefinition: db, desiredCount: 2, volumeConfigurations: [{{ name: data, managedEBSVolume: {{ sizeInGiB: 20 }} }}] }} }}
alarms:
{}{}",
        alarms(&["EBSFilesystemSize"], Some(("ServiceName", "db"))),
        alarms(&["UnHealthyContainerHealthStatus"], None),
    );
    let run = run(&text);
    // 20 GiB are 21.47 GB.
    let size = |statistic: &str| last(&run, "EBSFilesystemSize", "ServiceName=db", statistic).expect("it is published");
    assert!((size("Average") - 21.474_836_48).abs() < 1e-9 && (size("Sum") - 42.949_672_96).abs() < 1e-9);
    let health = |it: &str| last(&run, "UnHealthyContainerHealthStatus", "ClusterName=default", it);
    assert_eq!((health("Sum"), health("SampleCount")), (Some(2.0), Some(4.0)), "one of two in each of two tasks");
}

#[test]
fn single_instances_have_metrics_of_their_own() {
    let alarm = |name: &str, number: usize, dimensions: &str| {
        format!(
            "  {name}-{number}: {{ Namespace: ECS/ContainerInsights, MetricName: {name}, Statistic: Average, Dimensions: [{{ Name: ClusterName, Value: default }}{dimensions}], EvaluationPeriods: 1, Threshold: 0, ComparisonOperator: GreaterThanThreshold }}\n"
        )
    };
    let of = |number: usize| {
        format!(", {{ Name: InstanceId, Value: i-{number:05} }}, {{ Name: ContainerInstanceId, Value: i-{number:05} }}")
    };
    let names = [
        "instance_cpu_reserved_capacity",
        "instance_cpu_utilization",
        "instance_memory_reserved_capacity",
        "instance_memory_utilization",
    ];
    let each = |name: &str| (0..4).map(|it| alarm(name, it, &of(it))).collect::<String>();
    let text = web(&format!("alarms:\n{}{}", names.map(each).concat(), alarms(&names, None)));
    let run = run(&text);
    for name in names {
        let single =
            |it: usize| last(&run, name, &format!("InstanceId=i-{it:05}"), "Average").expect("it is published");
        let values: Vec<f64> = (0..4).map(single).collect();
        let all = |statistic: &str| last(&run, name, "ClusterName=default", statistic).expect("it is published");
        assert!((values.iter().sum::<f64>() - all("Sum")).abs() < 1e-9, "{name}: {values:?}");
        assert_eq!(values.iter().copied().fold(0.0, f64::max), all("Maximum"), "{name}");
        assert!(values.contains(&0.0) && values.iter().any(|it| *it > 0.0), "{name}: {values:?}");
    }
    let refused = |name: &str, dimensions: &str| refusal(&web(&format!("alarms:\n{}", alarm(name, 0, dimensions))));
    let one = ", { Name: InstanceId, Value: i-00000 }";
    for (name, dimensions, says) in [
        ("instance_cpu_utilization", one, "add `ContainerInstanceId` to `Dimensions`"),
        ("instance_cpu_utilization", ", { Name: InstanceId, Value: i-0a1b2c }", "instances are called `i-00000`"),
        ("instance_cpu_limit", &of(0), "it has `ClusterName` alone"),
        ("CpuUtilized", &of(0), "does not have of single instances"),
    ] {
        let words = refused(name, dimensions);
        assert!(words.contains(says), "{name}{dimensions}: {words}");
    }
}
