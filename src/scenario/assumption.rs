//! What AWS does not document: `assumptions`, each with its default.

mod reading;

use crate::aws::anomaly_detection::AnomalyRule;
use crate::aws::fargate::FargateCapacity;
use crate::aws::network::NetworkTimes;
use crate::aws::operating_system::OperatingSystemFamily;
use crate::aws::placement::TieBreak;
use crate::aws::task_definition::CappedTaskWeight;
use crate::distribution::Distribution;
use crate::scenario::EventBridgeAssumptions;
use crate::units::Span;

pub use reading::assumptions;

/// When ECS counts the slot of a task that is stopped as free: new tasks are sent to the instance while the old one still ends,
/// and wait there in PENDING.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SlotFreedAt {
    /// When it begins to leave its target group.
    Deactivating,
    /// When SIGTERM is sent.
    Stopping,
    /// When it is STOPPED.
    Stopped,
}

/// Which tasks `spread` counts, and the tie-break by the fewest tasks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpreadCounts {
    /// Those of the service, or of the standalone tasks' group, whichever deployment they belong to.
    Service,
    /// Of a service those of the same deployment only.
    Deployment,
}

/// What AWS does not document, each with the default that the semantics reference suggests. A scenario may set any of
/// them under `assumptions`.
#[derive(Clone, Debug, PartialEq)]
pub struct Assumptions {
    /// From RunInstances to the EC2 state `running` and InService: 35 s.
    pub instance_launch_time: Distribution,
    /// The same of an instance that runs Windows: 260 s, so that it is ACTIVE 300 s after its launch (inferred; AWS publishes none).
    pub windows_instance_launch_time: Distribution,
    /// From InService until the agent has registered with the cluster: 40 s.
    pub agent_registration_time: Distribution,
    /// From a change of a group's desired capacity to its activity: 10 s.
    pub auto_scaling_group_delay: Span,
    /// After `InsufficientInstanceCapacity` a group tries again so soon (30 s), each time after twice as long, ...
    pub insufficient_capacity_retry: Span,
    /// ... and so late at last: 300 s.
    pub insufficient_capacity_retry_maximum: Span,
    /// A group that has tried to launch instances for so long without launching any has its process Launch suspended by AWS: 24 h
    /// (*Suspend and resume Amazon EC2 Auto Scaling processes*: "over 24 hours"; which processes it does not say).
    pub administrative_suspension_after: Span,
    /// How often a group looks at its instances, and how long it takes to notice that one is gone: 60 s.
    pub group_health_check_interval: Span,
    /// From when EC2's status checks fail until a group takes it for more than a hiccup: 180 s.
    pub impaired_instance_wait: Span,
    /// Interruptions of a Spot Instance, an hour, in the mean, where its pool says nothing: 0.
    pub spot_interruptions_per_hour: f64,
    /// How long a rebalance recommendation comes before the interruption notice: 0, together with it.
    pub rebalance_recommendation_lead: Span,
    /// Difference between two zones' numbers of instances from which a group rebalances them: 2.
    pub zone_imbalance: u32,
    /// Start of a stopped instance of a warm pool, until it is in service: 25 s.
    pub warm_start_time: Span,
    /// Pause between the scheduler's passes after something changed: 5 s.
    pub scheduler_delay: Span,
    /// From the SIGTERM of a task that `StopTask` was called for until its target is deregistered, and gets requests all the same: 4 s
    /// (clients were seen to get errors for 3 to 5 s, containers-roadmap #708).
    pub stop_task_deregistration_time: Span,
    /// From the end of a task that ran until its replacement is decided, whatever has the scheduler look earlier: 15 s.
    pub replacement_delay: Span,
    /// The same of a task that never came to RUNNING: 10 s. From the fourth launch in a row that fails so it doubles each time,
    /// up to 27 minutes.
    pub failed_launch_delay: Span,
    /// How much the phases of each task's start, and the return of its network interface, vary at random: up to so much more or less
    /// than usual, from 0 to 1; 0, not at all.
    pub start_up_jitter: f64,
    /// The agent's pick-up of a placed task: 1 s.
    pub agent_pick_up_time: Span,
    /// ENI attachment of `awsvpc` tasks: 5 s.
    pub network_interface_attach_time: Span,
    /// ENI detachment of `awsvpc` tasks: 5 s.
    pub network_interface_detach_time: Span,
    /// Attachment of the trunk network interface of a new instance, while it is REGISTERING: 5 s, as of other interfaces.
    pub trunk_attach_time: Span,
    /// Fixed part of an image pull (manifest): 1 s.
    pub image_pull_overhead: Span,
    /// From when a task's images begin to be pulled until ECS knows their digests, where the agent tells them with the manifest: 1 s, the
    /// fixed part of a pull.
    pub image_digest_time: Span,
    /// Speed of an image pull on EC2, MB/s of compressed layers: 50.
    pub image_pull_mb_per_second: f64,
    /// Pulls that go at once on an instance; the others wait for their turn. As many as there are where `None`, as
    /// Docker and the agent do.
    pub image_pulls_at_once: Option<u32>,
    /// What all registries together give, MB/s of compressed layers, one pull after the other; as much as one likes
    /// where `None`.
    pub registry_mb_per_second: Option<f64>,
    /// From when an attempt to pull an image begins until Docker gives it up because no registry answers: 15 s, its
    /// HTTP client's time limit.
    pub registry_timeout: Span,
    /// Creating and starting containers: 1 s (with `awsvpc` one more).
    pub container_create_time: Span,
    /// Mounting a task's EFS file systems: 2 s.
    pub efs_mount_time: Span,
    /// Creating and attaching a task's EBS volume: 15 s.
    pub ebs_attach_time: Span,
    /// A task whose containers have not all been started so long after the agent took it up is stopped: 3 h.
    pub pending_timeout: Span,
    /// From EC2's loss of an instance until its tasks count as stopped: 30 s.
    pub instance_loss_detection: Span,
    /// How long managed draining waits for the tasks of an instance: 48 h (developer guide, *Managed instance draining*).
    pub managed_draining_maximum: Span,
    /// Placement retries: this often at first (10 s) ...
    pub placement_retry_fast: Span,
    /// ... for this long (60 s) ...
    pub placement_retry_window: Span,
    /// ... and then this often (300 s).
    pub placement_retry_slow: Span,
    /// Whether a placement is also tried again when an instance registers or a task stops: no.
    pub placement_retry_on_capacity: bool,
    /// How long a task waits in PROVISIONING for capacity: 1800 s.
    pub provisioning_timeout: Span,
    /// Most tasks in PROVISIONING: 500.
    pub provisioning_maximum: u32,
    /// Calls of `RunTask` for instances and of `StartTask` that may be made at once: 100, the bucket of requests that modify the
    /// resources of a cluster (*Request throttling for the Amazon ECS API*; that these calls are among them is inferred). ECS itself
    /// launches and stops as many tasks of services at once; what is more waits for its turn.
    pub cluster_modify_burst: u32,
    /// Such calls a second that come back: 40.
    pub cluster_modify_calls_per_second: u32,
    /// How often a throttled call of `RunTask` is made, on instances or on Fargate, the first time included: 3, `max_attempts` of
    /// the SDKs' standard mode.
    pub run_task_max_attempts: u32,
    /// Calls that change services (`CreateService`, `UpdateService`, `DeleteService` and those of task sets) that the timeline may
    /// make at once: 50 (the same page; which calls share the bucket is inferred).
    pub service_modify_burst: u32,
    /// Such calls a second that come back: 5.
    pub service_modify_calls_per_second: u32,
    /// How EventBridge delivers.
    pub event_bridge: EventBridgeAssumptions,
    /// Most tasks launched a minute for one service: 500.
    pub launches_per_minute: u32,
    /// A deployment hangs that has not moved for so long, no new task healthy and no old one stopped: 15 minutes.
    pub deployment_hangs_after: Span,
    /// Whether `maximumPercent` counts tasks that are stopping, as the developer guide of 2023 had it: no, as the API Reference of
    /// 2026 has it.
    pub maximum_percent_counts_stopping: bool,
    /// Whether unhealthy tasks stop before their replacements start, as before about 2023: no.
    pub unhealthy_tasks_stop_first: bool,
    /// From a steady state until ECS looks whether the service's tasks are even over the zones, and from each move until the next:
    /// 60 s (inferred).
    pub zone_rebalancing_delay: Span,
    /// A steady state that lasts is said again after: 6 h.
    pub steady_state_interval: Span,
    /// A running task of a service without load balancer counts as healthy after: 40 s.
    pub healthy_after: Span,
    /// Registration of a target until its first probe may be sent: 1 s.
    pub target_registration_time: Span,
    /// Whether a drained target keeps its task waiting for the whole deregistration delay: yes.
    pub drain_full_delay: bool,
    /// Whether `task:group` counts tasks of an instance by their desired status, so that one that is asked to stop is no
    /// longer there: no, it is there until it is STOPPED.
    pub task_groups_by_desired_status: bool,
    /// When the slot of a task that is stopped is free for another one: when it is STOPPING.
    pub slot_freed_at: SlotFreedAt,
    /// Final tie-break of placement, and of which task stops: a seeded draw.
    pub tie_break: TieBreak,
    /// Which tasks placement counts where it spreads: those of the service.
    pub spread_counts: SpreadCounts,
    /// The weight of tasks with a task-level `cpu` on a busy instance: the kernel's default.
    pub capped_task_weight: CappedTaskWeight,
    /// Publication delay of ECS service metrics: 90 s.
    pub ecs_metric_delay: Span,
    /// Publication delay of load balancer metrics: 60 s.
    pub load_balancer_metric_delay: Span,
    /// Publication delay of `CapacityProviderReservation`: 30 s.
    pub capacity_provider_metric_delay: Span,
    /// Publication delay of ECS service metrics each 20 s: 15 s.
    pub high_resolution_metric_delay: Span,
    /// Publication delay of metrics of the cluster: 60 s.
    pub cluster_metric_delay: Span,
    /// Publication delay of Container Insights: 60 s.
    pub container_insights_metric_delay: Span,
    /// Publication delay of EC2's metrics with detailed monitoring: 60 s.
    pub instance_metric_delay: Span,
    /// Publication delay of EC2's metrics without it, each five minutes: 120 s.
    pub basic_instance_metric_delay: Span,
    /// Publication delay of metrics of Auto Scaling groups: 60 s.
    pub group_metric_delay: Span,
    /// Publication delay of metrics that the scenario supplies, where they do not say their own: 60 s, as of SQS.
    pub supplied_metric_delay: Span,
    /// The same of the first datapoint of a queue (`AWS/SQS`) after six hours without any: 300 s. AWS says up to 15 minutes.
    pub queue_metric_delay_after_inactivity: Span,
    /// How many periods more than `EvaluationPeriods` an alarm fetches; `None` is `max(2, EvaluationPeriods / 3)`.
    pub evaluation_range_extra: Option<u32>,
    /// Second of the minute at which alarms are evaluated; `None` is a stable one for each alarm, from its name.
    pub alarm_phase: Option<Span>,
    /// How long the alarms of a rolling update are watched once all of its tasks run; `None` is as long as the slowest of them looks
    /// back, `Period` times `EvaluationPeriods` (the developer guide says only that it follows from the alarms).
    pub deployment_alarm_bake_time: Option<Span>,
    /// Threshold of a target tracking policy's low alarm, as a share of the target: 0.9.
    pub alarm_low_ratio: f64,
    /// The same of a policy of an Auto Scaling group: 0.7.
    pub group_alarm_low_ratio: f64,
    /// Largest share of running tasks that target tracking removes at once: 0.10.
    pub scale_in_max_fraction: f64,
    /// Largest share of instances that managed scaling removes in a minute: 0.49.
    pub capacity_scale_in_max_fraction: f64,
    /// Datapoints of a minute above the target that managed scaling's high alarm wants, all of them in a row: 1 (measured;
    /// containers-roadmap 638, 900, 1220).
    pub capacity_alarm_high_datapoints: u32,
    /// The same of its low alarm: 15 (*Amazon ECS managed scaling behavior*). Neither can be set in AWS.
    pub capacity_alarm_low_datapoints: u32,
    /// Whether a group over several zones or types always grows by `minimumScalingStepSize`, whatever waits, as managed scaling
    /// had it in 2020 (containers-roadmap 960) and the API's reference said until 2025: no.
    pub capacity_grows_by_minimum_step: bool,
    /// A scaling activity is fulfilled when running equals desired, or after: 600 s.
    pub activity_timeout: Span,
    /// When the cooldown after a scaling activity begins: when it is fulfilled.
    pub cooldown_start: CooldownStart,
    /// The value that target tracking computes with: the newest datapoint.
    pub target_tracking_value: TargetTrackingValue,
    /// Which datapoints `MetricAggregationType` of step scaling aggregates. AWS: the most recent ones of the alarm.
    pub step_scaling_datapoints: StepScalingDatapoints,
    /// Delay of a scheduled action: 5 s.
    pub scheduled_action_delay: Span,
    /// `CapacityProviderReservation` of an empty group without need: the target (`None`), or this value (100 was older).
    pub empty_capacity_provider_metric: Option<f64>,
    /// First growth from zero: two instances (`false`), or the formula `ceil(200 / target)`.
    pub first_growth_by_formula: bool,
    /// Requests that one connection carries, to a load balancer or from it to a task, for its capacity units and for what
    /// opening connections costs: 10.
    pub requests_per_connection: f64,
    /// Bytes of a request, for `ProcessedBytes` and capacity units: 0, so that bytes are not counted.
    pub request_bytes: f64,
    /// Bytes of a response, for the same: 0.
    pub response_bytes: f64,
    /// Thresholds, floor and ramp of Automatic Target Weights.
    pub anomaly: AnomalyRule,
    /// How long callers keep what DNS says of a load balancer's nodes: 60 s, AWS's time to live.
    pub dns_time_to_live: Span,
    /// What the network takes between callers, load balancers and tasks.
    pub network_times: NetworkTimes,
    /// CPU time of a task for the TLS handshake of a new connection, where its target group speaks HTTPS or TLS: 1 ms.
    pub tls_handshake_cpu_time: Span,
    /// Launch rates and vCPU quotas of Fargate, and how long its tasks take to start.
    pub fargate: FargateAssumptions,
    /// Cut of EC2's burst credits: whether T2's instances slow down without credits and others pay: yes.
    pub burst_credits: bool,
    /// Whether the alarms that target tracking and managed scaling make are billed like others: yes.
    pub managed_alarms_billed: bool,
}

impl Assumptions {
    /// From RunInstances to InService of an instance that runs an operating system.
    pub fn launch_time_of(&self, operating_system_family: OperatingSystemFamily) -> &Distribution {
        match operating_system_family.is_windows() {
            true => &self.windows_instance_launch_time,
            false => &self.instance_launch_time,
        }
    }
}

/// When the cooldown after a scaling activity begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CooldownStart {
    /// When as many tasks run as are desired, or the activity times out.
    #[default]
    Fulfilled,
    /// When the desired count is set.
    Set,
}

/// The value of a metric that target tracking computes the new capacity with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TargetTrackingValue {
    /// The newest datapoint that can be read.
    #[default]
    Newest,
    /// The mean of the periods that the alarm evaluates.
    MeanOfAlarmWindow,
}

/// The datapoints that choose a step of step scaling.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StepScalingDatapoints {
    /// Those that the alarm looks at: as many as its `EvaluationPeriods`.
    #[default]
    AlarmWindow,
    /// The newest alone, which every aggregation leaves as it is.
    Newest,
}

impl Default for Assumptions {
    fn default() -> Self {
        Assumptions {
            instance_launch_time: Distribution::Constant(Span::seconds(35)),
            windows_instance_launch_time: Distribution::Constant(Span::seconds(260)),
            agent_registration_time: Distribution::Constant(Span::seconds(40)),
            auto_scaling_group_delay: Span::seconds(10),
            insufficient_capacity_retry: Span::seconds(30),
            insufficient_capacity_retry_maximum: Span::seconds(300),
            administrative_suspension_after: Span::seconds(24 * 3_600),
            group_health_check_interval: Span::MINUTE,
            impaired_instance_wait: Span::seconds(180),
            spot_interruptions_per_hour: 0.0,
            rebalance_recommendation_lead: Span::ZERO,
            zone_imbalance: 2,
            warm_start_time: Span::seconds(25),
            scheduler_delay: Span::seconds(5),
            stop_task_deregistration_time: Span::seconds(4),
            replacement_delay: Span::seconds(15),
            failed_launch_delay: Span::seconds(10),
            start_up_jitter: 0.0,
            agent_pick_up_time: Span::seconds(1),
            network_interface_attach_time: Span::seconds(5),
            network_interface_detach_time: Span::seconds(5),
            trunk_attach_time: Span::seconds(5),
            image_pull_overhead: Span::seconds(1),
            image_digest_time: Span::seconds(1),
            image_pull_mb_per_second: 50.0,
            image_pulls_at_once: None,
            registry_mb_per_second: None,
            registry_timeout: Span::seconds(15),
            container_create_time: Span::seconds(1),
            efs_mount_time: Span::seconds(2),
            ebs_attach_time: Span::seconds(15),
            pending_timeout: Span::seconds(3 * 3600),
            instance_loss_detection: Span::seconds(30),
            managed_draining_maximum: Span::seconds(48 * 3600),
            placement_retry_fast: Span::seconds(10),
            placement_retry_window: Span::seconds(60),
            placement_retry_slow: Span::seconds(300),
            placement_retry_on_capacity: false,
            provisioning_timeout: Span::seconds(1800),
            provisioning_maximum: 500,
            cluster_modify_burst: 100,
            cluster_modify_calls_per_second: 40,
            run_task_max_attempts: 3,
            service_modify_burst: 50,
            service_modify_calls_per_second: 5,
            event_bridge: EventBridgeAssumptions::default(),
            launches_per_minute: 500,
            deployment_hangs_after: Span::seconds(900),
            maximum_percent_counts_stopping: false,
            unhealthy_tasks_stop_first: false,
            zone_rebalancing_delay: Span::MINUTE,
            steady_state_interval: Span::seconds(6 * 3600),
            healthy_after: Span::seconds(40),
            target_registration_time: Span::seconds(1),
            drain_full_delay: true,
            task_groups_by_desired_status: false,
            slot_freed_at: SlotFreedAt::Stopping,
            tie_break: TieBreak::Random,
            spread_counts: SpreadCounts::Service,
            capped_task_weight: CappedTaskWeight::KernelDefault,
            ecs_metric_delay: Span::seconds(90),
            load_balancer_metric_delay: Span::seconds(60),
            capacity_provider_metric_delay: Span::seconds(30),
            high_resolution_metric_delay: Span::seconds(15),
            cluster_metric_delay: Span::seconds(60),
            container_insights_metric_delay: Span::seconds(60),
            instance_metric_delay: Span::seconds(60),
            basic_instance_metric_delay: Span::seconds(120),
            group_metric_delay: Span::seconds(60),
            supplied_metric_delay: Span::seconds(60),
            queue_metric_delay_after_inactivity: Span::seconds(300),
            evaluation_range_extra: None,
            alarm_phase: None,
            deployment_alarm_bake_time: None,
            managed_alarms_billed: true,
            alarm_low_ratio: 0.9,
            group_alarm_low_ratio: 0.7,
            scale_in_max_fraction: 0.10,
            capacity_scale_in_max_fraction: 0.49,
            capacity_alarm_high_datapoints: 1,
            capacity_alarm_low_datapoints: 15,
            capacity_grows_by_minimum_step: false,
            activity_timeout: Span::seconds(600),
            cooldown_start: CooldownStart::default(),
            target_tracking_value: TargetTrackingValue::default(),
            step_scaling_datapoints: StepScalingDatapoints::default(),
            scheduled_action_delay: Span::seconds(5),
            empty_capacity_provider_metric: None,
            first_growth_by_formula: false,
            requests_per_connection: 10.0,
            request_bytes: 0.0,
            response_bytes: 0.0,
            anomaly: AnomalyRule::default(),
            dns_time_to_live: Span::seconds(60),
            network_times: NetworkTimes::default(),
            tls_handshake_cpu_time: Span::millis(1),
            fargate: FargateAssumptions::default(),
            burst_credits: true,
        }
    }
}

/// What a scenario can assume of Fargate: the account's quotas, with AWS's own defaults, and times that are measured, not
/// documented.
#[derive(Clone, Debug, PartialEq)]
pub struct FargateAssumptions {
    /// Quotas of on-demand capacity.
    pub on_demand: FargateQuotas,
    /// Quotas of Spot capacity.
    pub spot: FargateQuotas,
    /// Most tasks launched a minute for one service: 500, as in the large regions; elsewhere it is 125 (*Amazon ECS endpoints and
    /// quotas*).
    pub launches_per_minute: u32,
    /// Calls of `RunTask` for tasks on Fargate that may be made at once: 20 (*Fargate throttling quotas*).
    pub run_task_burst: u32,
    /// Such calls a second that come back: 20.
    pub run_task_calls_per_second: u32,
    /// PROVISIONING, in which a task gets its micro-VM and network interface: 15 s.
    pub provisioning_time: Span,
    /// The same of a task on Windows: 180 s (inferred; AWS publishes none).
    pub windows_provisioning_time: Span,
    /// PENDING, until the pull begins: 5 s.
    pub pending_time: Span,
    /// Speed of an image pull, MB/s of compressed layers: 13. Nothing is ever cached.
    pub pull_mb_per_second: f64,
    /// The same for larger tasks: from so many CPU units on, MB/s; in ascending order. None by default.
    pub pull_mb_per_second_from: Vec<(u32, f64)>,
    /// Until an image that is loaded lazily (SOCI) can be started: 5 s.
    pub lazy_loading_time: Span,
    /// From when an attempt to reach a registry begins until it is given up because none answers: 30 s, containerd's
    /// time limit for a connection.
    pub registry_timeout: Span,
    /// Creating and starting containers: 5 s.
    pub container_create_time: Span,
    /// DEPROVISIONING: 10 s.
    pub deprovisioning_time: Span,
    /// Size of an image once it is unpacked, which lies on the ephemeral storage beside the compressed one, times the size
    /// of that: 2.5.
    pub unpacked_image_ratio: f64,
    /// Interruptions of a Spot task, an hour, in the mean: 0.
    pub spot_interruptions_per_hour: f64,
    /// Whether the target of an interrupted Spot task is deregistered at the warning: yes; else it stays registered until
    /// the task is STOPPED, as AWS warns that it may.
    pub spot_deregisters_at_warning: bool,
    /// From when on a task is billed: from when its image pull starts (AWS Fargate pricing).
    pub billed_from: FargateBilledFrom,
}

/// From when on a task on Fargate is billed, until it is STOPPED.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FargateBilledFrom {
    /// When it is launched: PROVISIONING and PENDING too.
    Launched,
    /// When the pull of its images starts.
    PullStarted,
    /// When it is RUNNING.
    Running,
}

impl FargateAssumptions {
    /// PROVISIONING of a task that runs an operating system.
    pub fn provisioning_time_of(&self, operating_system_family: OperatingSystemFamily) -> Span {
        if operating_system_family.is_windows() { self.windows_provisioning_time } else { self.provisioning_time }
    }

    /// Quotas of one kind of capacity.
    pub fn quotas(&self, capacity: FargateCapacity) -> &FargateQuotas {
        match capacity {
            FargateCapacity::OnDemand => &self.on_demand,
            FargateCapacity::Spot => &self.spot,
        }
    }

    /// Speed of an image pull of a task of so many CPU units, MB/s.
    pub fn pull_speed(&self, cpu_units: u32) -> f64 {
        let from = self.pull_mb_per_second_from.iter().rev().find(|it| it.0 <= cpu_units);
        from.map_or(self.pull_mb_per_second, |it| it.1)
    }
}

/// Quotas of one kind of Fargate capacity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FargateQuotas {
    /// vCPUs of tasks that run at once: 6 in a new account; it grows with use, or on request.
    pub vcpu: u32,
    /// Launches at once: 100 (25 in smaller regions).
    pub launch_burst: u32,
    /// Launches a second that come back: 20 (5 in smaller regions).
    pub launches_per_second: u32,
}

impl Default for FargateAssumptions {
    fn default() -> Self {
        let quotas = FargateQuotas { vcpu: 6, launch_burst: 100, launches_per_second: 20 };
        FargateAssumptions {
            on_demand: quotas,
            spot: quotas,
            launches_per_minute: 500,
            run_task_burst: 20,
            run_task_calls_per_second: 20,
            provisioning_time: Span::seconds(15),
            windows_provisioning_time: Span::seconds(180),
            pending_time: Span::seconds(5),
            pull_mb_per_second: 13.0,
            pull_mb_per_second_from: Vec::new(),
            lazy_loading_time: Span::seconds(5),
            registry_timeout: Span::seconds(30),
            container_create_time: Span::seconds(5),
            deprovisioning_time: Span::seconds(10),
            unpacked_image_ratio: 2.5,
            spot_interruptions_per_hour: 0.0,
            spot_deregisters_at_warning: true,
            billed_from: FargateBilledFrom::PullStarted,
        }
    }
}
