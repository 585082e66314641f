//! A finished run: all that `report` may know.

mod capacity;
mod deployment;
mod draining;
mod failed_calls;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::Serialize;

use crate::aws::alarm::AlarmState;
use crate::aws::capacity_provider::CapacityProviderReservation;
use crate::aws::container_instance::{RegisteredResources, RegistrationFailure};
use crate::aws::fargate::FargateCapacity;
use crate::aws::launch::Launcher;
use crate::aws::listener::RuleEvaluations;
use crate::aws::placement::refusal::{Reason, Refusal, Shortage};
use crate::aws::run_task::Overrides;
use crate::aws::scaling_policy::ScalingPolicy;
use crate::aws::stop_cause::StopCause;
use crate::aws::task_definition::{CpuArchitecture, Protocol};
use crate::rare::{Nothing, Rare};
use crate::scenario::Scenario;
use crate::table::Id;
use crate::units::{Instant, Span};

pub use self::capacity::quantile;
pub use self::deployment::{
    DeploymentFailure, DeploymentHang, DeploymentLife, DeploymentStage, EarlySuccessLife, SpareNeeded, Verdict,
};
pub use self::draining::{DrainHold, DrainReason};
pub use self::failed_calls::{CalledBy, FailedCalls};

/// What came of simulating a scenario.
#[derive(Clone, Debug)]
pub struct Run {
    /// What was simulated.
    pub scenario: Scenario,
    /// The seed as given.
    pub seed: u64,
    /// The number of the replication, from 0.
    pub replication: u32,
    /// A hash over every decision and every closed period, hexadecimal.
    pub fingerprint: String,
    /// How long was simulated.
    pub simulated: Span,
    /// Requests of the whole run, by service in the scenario's order.
    pub requests: Vec<RequestTotals>,
    /// What the load balancers answered themselves over the whole run, in the scenario's order.
    pub load_balancer_totals: Vec<LoadBalancerCounts>,
    /// A row per service and minute, ordered by minute, then service.
    pub service_minutes: Vec<ServiceMinute>,
    /// A row per load balancer and minute and one for each of its target groups, ordered by minute, then load balancer; the
    /// load balancer's own comes first.
    pub load_balancer_minutes: Vec<LoadBalancerMinute>,
    /// What `DescribeTargetHealth` would tell anew of a target, in order of time.
    pub target_changes: Vec<TargetChange>,
    /// A row per capacity provider and minute, ordered by minute, then provider; groups without provider have rows too.
    pub capacity_minutes: Vec<CapacityMinute>,
    /// A row per kind of Fargate capacity that tasks may run on and minute, ordered by minute.
    pub fargate_minutes: Vec<FargateMinute>,
    /// Where each service's tasks stand, at the end of each minute in which that changed.
    pub service_placements: Vec<ServicePlacement>,
    /// What has come of each entry of `runTasks`, in the scenario's order.
    pub run_task_totals: Vec<RunTaskTotals>,
    /// A row for each of them and minute.
    pub run_task_minutes: Vec<RunTaskMinute>,
    /// Executions of pipelines, by pipeline and in order of their commits.
    pub pipeline_executions: Vec<PipelineExecution>,
    /// Attempts to place tasks that were refused, in order of time.
    pub placement_refusals: Vec<PlacementRefusal>,
    /// Who had tasks at the end that no instance could take.
    pub unplaced_at_end: BTreeSet<Launcher>,
    /// State changes of instances, in order of time.
    pub instance_changes: Vec<InstanceChange>,
    /// Every task, in order of creation.
    pub tasks: Vec<TaskLife>,
    /// Every deployment, by service, then in order of time.
    pub deployments: Vec<DeploymentLife>,
    /// Every instance, in order of launch.
    pub instances: Vec<InstanceLife>,
    /// A row per capacity provider with managed scaling and minute.
    pub managed_scaling_minutes: Vec<ManagedScalingMinute>,
    /// Why each instance was there, each in order of time.
    pub instance_reasons: Vec<InstanceReason>,
    /// What kept container instances that drain, in order of when that was first seen.
    pub drain_holds: Vec<DrainHold>,
    /// What calls were refused or throttled for, in order of the first.
    pub failed_calls: Vec<FailedCalls>,
    /// Scale-outs of services by policies, in order of time.
    pub service_scale_outs: Vec<ScaleOut>,
    /// State changes of alarms, in order of time.
    pub alarm_changes: Vec<AlarmChange>,
    /// What predictive scaling forecast, a row per policy and hour of the run, in order of time.
    pub forecast_hours: Vec<ForecastHour>,
    /// Scaling activities and decisions not to scale, in order of time.
    pub scaling_activities: Vec<ScalingActivity>,
    /// Datapoints of metrics that no other output has, by metric and in order of time.
    pub metric_points: Vec<MetricPoint>,
    /// Every decision, in order of time; an event's id is its place.
    pub events: Vec<Event>,
    /// How many events of the control plane were handled, those that decided nothing among them.
    pub handled_events: u64,
    /// Task-hours from placement to stop.
    pub task_hours: f64,
    /// Instance-hours from launch to termination.
    pub instance_hours: f64,
    /// Dollars, by kind.
    pub cost: Cost,
    /// The same by hour, owner and kind, in this order.
    pub costs: Vec<CostRow>,
    /// Times that a service's desired count was raised by a policy or scheduled action.
    pub scale_outs: u32,
    /// What the expectations came to, in the file's order.
    pub expectations: Vec<ExpectationResult>,
}

impl Run {
    /// Whether tasks may run on Fargate.
    pub fn uses_fargate(&self) -> bool {
        FargateCapacity::ALL.iter().any(|it| self.scenario.uses_fargate(*it))
    }

    /// The rows of load balancers for these minutes, which are ordered by minute.
    pub fn load_balancers_in(&self, minutes: std::ops::Range<u64>) -> &[LoadBalancerMinute] {
        let rows = &self.load_balancer_minutes;
        let at = |minute: u64| rows.partition_point(|row| row.minute < minute);
        &rows[at(minutes.start)..at(minutes.end)]
    }
}

/// What happened to requests. Every request that arrived is in exactly one of the others, but that `target_3xx` and
/// `target_4xx` are parts of `served`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct RequestCounts {
    /// Arrived.
    pub arrived: u64,
    /// Answered by a task with 2xx, 3xx or 4xx, within the caller's and the load balancer's patience.
    pub served: u64,
    /// Of the served, those that were answered with 3xx.
    pub target_3xx: u64,
    /// Of the served, those that were answered with 4xx.
    pub target_4xx: u64,
    /// 502 from the load balancer: refused or cut off by the task. Of a Network Load Balancer: connections that were refused
    /// or reset, for whatever reason.
    pub elb_502: u64,
    /// 503 from the load balancer: no target, or a Classic Load Balancer's surge queue is full.
    pub elb_503: u64,
    /// 504 from the load balancer: no answer within the idle timeout.
    pub elb_504: u64,
    /// A 5xx of the application's own.
    pub target_5xx: u64,
    /// The caller gave up (460).
    pub client_timeout: u64,
    /// Answered by a fixed response of the load balancer, of 2XX or 4XX.
    pub fixed_response: u64,
    /// Answered by a fixed response of the load balancer, of 5XX.
    pub fixed_response_5xx: u64,
}

impl Nothing for RequestCounts {
    const NOTHING: &'static RequestCounts = &RequestCounts {
        arrived: 0,
        served: 0,
        target_3xx: 0,
        target_4xx: 0,
        elb_502: 0,
        elb_503: 0,
        elb_504: 0,
        target_5xx: 0,
        client_timeout: 0,
        fixed_response: 0,
        fixed_response_5xx: 0,
    };
}

impl RequestCounts {
    /// All that failed.
    pub fn failed(&self) -> u64 {
        self.elb_502 + self.elb_503 + self.elb_504 + self.target_5xx + self.client_timeout + self.fixed_response_5xx
    }

    /// All that ended.
    pub fn ended(&self) -> u64 {
        self.served + self.fixed_response + self.failed()
    }

    /// Adds another's counts.
    pub fn add(&mut self, other: &RequestCounts) {
        self.arrived += other.arrived;
        self.served += other.served;
        self.target_3xx += other.target_3xx;
        self.target_4xx += other.target_4xx;
        self.elb_502 += other.elb_502;
        self.elb_503 += other.elb_503;
        self.elb_504 += other.elb_504;
        self.target_5xx += other.target_5xx;
        self.client_timeout += other.client_timeout;
        self.fixed_response += other.fixed_response;
        self.fixed_response_5xx += other.fixed_response_5xx;
    }
}

/// What load balancer nodes count beside how requests end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RoutingCounts {
    /// Requests for which a target was chosen: `RequestCount`.
    pub routed: u64,
    /// Of these, while too few targets were healthy, so that all were sent to: `UnhealthyRoutingRequestCount`.
    pub unhealthy_routed: u64,
    /// Connections that a target refused, each a 502: `TargetConnectionErrorCount`.
    pub target_connection_errors: u64,
    /// Rules that were evaluated for requests: `RuleEvaluations`.
    pub rule_evaluations: RuleEvaluations,
}

impl Nothing for RoutingCounts {
    const NOTHING: &'static RoutingCounts = &RoutingCounts {
        routed: 0,
        unhealthy_routed: 0,
        target_connection_errors: 0,
        rule_evaluations: RuleEvaluations { all: 0, billed: 0 },
    };
}

impl RoutingCounts {
    /// Adds another's counts.
    pub fn add(&mut self, other: &RoutingCounts) {
        self.routed += other.routed;
        self.unhealthy_routed += other.unhealthy_routed;
        self.target_connection_errors += other.target_connection_errors;
        self.rule_evaluations.add(other.rule_evaluations);
    }
}

/// What a load balancer does by itself. What its target groups get is counted by service.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LoadBalancerCounts {
    /// Requests that it answered: fixed responses, and 503 for target groups that no service fills.
    pub requests: RequestCounts,
    /// `HTTP_Redirect_Count`: answers that sent the client elsewhere. The client comes back at once, and its request is
    /// counted where that ends.
    pub redirects: u64,
    /// `NonStickyRequestCount`: requests to target groups with sticky sessions for which a target was chosen anew; first
    /// requests of clients are among them.
    pub non_sticky: u64,
    /// Rules that were evaluated for the requests that it answered.
    pub rule_evaluations: RuleEvaluations,
}

impl LoadBalancerCounts {
    /// `HTTP_Fixed_Response_Count`
    pub fn fixed_responses(&self) -> u64 {
        self.requests.fixed_response + self.requests.fixed_response_5xx
    }

    /// Adds another's counts.
    pub fn add(&mut self, other: &LoadBalancerCounts) {
        self.requests.add(&other.requests);
        self.redirects += other.redirects;
        self.non_sticky += other.non_sticky;
        self.rule_evaluations.add(other.rule_evaluations);
    }
}

/// Response times of served requests, in milliseconds; `None` where there were none. Percentiles are of the
/// log-linear histogram, within 0.4 %.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct ResponseTimes {
    /// Mean.
    pub mean: Option<f64>,
    /// Median.
    pub p50: Option<f64>,
    /// 90th percentile.
    pub p90: Option<f64>,
    /// 99th percentile.
    pub p99: Option<f64>,
}

impl Nothing for ResponseTimes {
    const NOTHING: &'static ResponseTimes = &ResponseTimes { mean: None, p50: None, p90: None, p99: None };
}

/// A service's requests over the whole run.
#[derive(Clone, Debug, Default)]
pub struct RequestTotals {
    /// Counts.
    pub counts: RequestCounts,
    /// Requests still in flight when the run ended.
    pub in_flight: u64,
    /// Response times, ms.
    pub response_time_ms: ResponseTimes,
    /// The histogram itself, so that totals over services can be formed.
    pub histogram: crate::data::histogram::Histogram,
    /// What callers wait beyond these response times (the way to the load balancer, and what that adds), each with the
    /// part of them that does, from 0 to 1.
    pub to_callers: Vec<(Span, f64)>,
}

/// One service over one minute.
#[derive(Clone, Debug, Default)]
pub struct ServiceMinute {
    /// Minutes since the run began, from 0.
    pub minute: u64,
    /// Place of the service in the scenario.
    pub service: usize,
    /// At the minute's end.
    pub desired_count: u32,
    /// At the minute's end.
    pub running_count: u32,
    /// At the minute's end: PROVISIONING, PENDING and ACTIVATING.
    pub pending_count: u32,
    /// Requests; `arrived` counts arrivals of the minute, the others what ended in it.
    pub counts: Rare<RequestCounts>,
    /// `CPUUtilization`, percent; `None` without running tasks.
    pub cpu_percent: Option<f64>,
    /// `MemoryUtilization`, percent; `None` without running tasks.
    pub memory_percent: Option<f64>,
    /// Response times, ms.
    pub response_time_ms: Rare<ResponseTimes>,
    /// Healthy targets at the minute's end.
    pub healthy_targets: u32,
    /// Of Network and Classic Load Balancers.
    pub connections: Rare<ConnectionCounts>,
}

/// What Network and Classic Load Balancers count of a service's connections over one minute.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ConnectionCounts {
    /// `NewFlowCount`: connections opened through a Network Load Balancer.
    pub new_flows: u64,
    /// `ActiveFlowCount` at the minute's end.
    pub active_flows: u64,
    /// `SurgeQueueLength` of a Classic Load Balancer: the greatest of its nodes.
    pub surge_queue_length: u64,
    /// `SpilloverCount` of a Classic Load Balancer.
    pub spillover: u64,
}

impl ConnectionCounts {
    /// Adds another target group's counts.
    pub fn add(&mut self, other: &ConnectionCounts) {
        self.new_flows += other.new_flows;
        self.active_flows += other.active_flows;
        self.surge_queue_length = self.surge_queue_length.max(other.surge_queue_length);
        self.spillover += other.spillover;
    }
}

impl Nothing for ConnectionCounts {
    const NOTHING: &'static ConnectionCounts =
        &ConnectionCounts { new_flows: 0, active_flows: 0, surge_queue_length: 0, spillover: 0 };
}

/// One load balancer over one minute, or one of its target groups: the metrics of `AWS/ApplicationELB`.
#[derive(Clone, Debug)]
pub struct LoadBalancerMinute {
    /// Minutes since the run began, from 0.
    pub minute: u64,
    /// Place of the load balancer in the scenario.
    pub load_balancer: usize,
    /// Place of the target group in the scenario; `None` for the load balancer as a whole.
    pub target_group: Option<usize>,
    /// Requests; `arrived` counts arrivals of the minute, the others what ended in it.
    pub counts: Rare<RequestCounts>,
    /// What the nodes counted.
    pub routing: Rare<RoutingCounts>,
    /// Times until a target answered, a 5xx of its own included, ms.
    pub target_response_time_ms: Rare<ResponseTimes>,
    /// Targets by their health; of a target group that had any.
    pub hosts: Option<HostMinute>,
    /// `RequestCountPerTarget`; `None` where no target was healthy for any of the minute. Of a target group.
    pub request_count_per_target: Option<f64>,
    /// What the load balancer did by itself; `counts` has its answers too. Of a whole load balancer, which few rows are.
    pub own: Option<Box<LoadBalancerCounts>>,
    /// What else is counted for a whole load balancer only.
    pub capacity: Option<Box<LoadBalancerCapacity>>,
}

/// Targets of a group over a minute.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct HostMinute {
    /// `HealthyHostCount`
    pub healthy: Level,
    /// `UnHealthyHostCount`
    pub unhealthy: Level,
    /// `AnomalousHostCount`
    pub anomalous: Level,
    /// `MitigatedHostCount`
    pub mitigated: Level,
    /// `HealthyStateRouting`: zones with enough healthy targets.
    pub healthy_state_routing: Level,
    /// `UnhealthyStateRouting`: zones with too few, at the most.
    pub unhealthy_state_routing_maximum: u32,
    /// `HealthyStateDNS`: zones with enough healthy targets for their nodes to be in DNS.
    pub healthy_state_dns: Level,
    /// `UnhealthyStateDNS`: zones with too few, at the most.
    pub unhealthy_state_dns_maximum: u32,
}

/// A number that holds until it changes, over a minute.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Level {
    /// Least.
    pub minimum: u32,
    /// Mean over time.
    pub mean: f64,
    /// Greatest.
    pub maximum: u32,
}

/// What a load balancer's capacity units are counted by.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct LoadBalancerCapacity {
    /// Connections that clients opened.
    pub new_client_connections: f64,
    /// Connections that nodes opened to targets.
    pub new_target_connections: f64,
    /// Connections that carry a request at one time, from clients, in the mean; to targets there are as many. Of a Network
    /// Load Balancer: connections that are open at the minute's end, which go through to targets.
    pub active_client_connections: f64,
    /// Bytes of requests and responses.
    pub processed_bytes: f64,
    /// `ConsumedLCUs`: capacity units in use, in the mean.
    pub consumed_lcus: f64,
    /// `PeakLCUs`: the same in the busiest second.
    pub peak_lcus: f64,
}

/// One kind of Fargate capacity over one minute. Counts of tasks are those at its end.
#[derive(Clone, Debug)]
pub struct FargateMinute {
    /// Minutes since the run began, from 0.
    pub minute: u64,
    /// On demand or Spot.
    pub capacity: FargateCapacity,
    /// RUNNING tasks.
    pub running: u32,
    /// Launched tasks that do not run yet.
    pub starting: u32,
    /// Tasks that are being stopped.
    pub stopping: u32,
    /// Tasks in PROVISIONING that wait until the account may launch again.
    pub waiting: u32,
    /// Tasks that were launched in the minute.
    pub launched: u32,
    /// Launches that were refused in the minute, for the quota or for want of capacity; each attempt counts.
    pub refused: u32,
    /// Those of them that were refused for want of capacity, not for the quota.
    pub without_capacity: u32,
    /// vCPUs of all tasks that are not STOPPED, at the minute's end.
    pub vcpu: f64,
    /// How many there may be.
    pub vcpu_quota: u32,
    /// Dollars since the run began.
    pub cost_usd: f64,
}

/// What `DescribeTargetHealth` tells of a target from now on.
#[derive(Clone, Debug)]
pub struct TargetChange {
    /// When.
    pub at: Instant,
    /// Place of its task in the order of creation.
    pub task: usize,
    /// Place of its target group in the scenario.
    pub target_group: usize,
    /// `State`: `initial`, `healthy`, `unhealthy`, `draining`, `unused`.
    pub state: &'static str,
    /// `Reason`; `None` of a healthy target.
    pub reason: Option<&'static str>,
    /// `AnomalyDetection.Result`: whether it is `anomalous`, not `normal`.
    pub is_anomalous: bool,
    /// Its weight; `AnomalyDetection.MitigationInEffect` is `yes` below 1.
    pub weight: f64,
}

/// One capacity provider (or a group without one) over one minute.
#[derive(Clone, Debug)]
pub struct CapacityMinute {
    /// Minutes since the run began, from 0.
    pub minute: u64,
    /// Name of the provider, or of the group that has none.
    pub capacity_provider: String,
    /// Desired capacity of the group at the minute's end.
    pub desired_capacity: u32,
    /// Instances in service at the minute's end.
    pub in_service: u32,
    /// Instances draining at the minute's end.
    pub draining: u32,
    /// `CapacityProviderReservation`, percent; `None` without managed scaling.
    pub reservation_percent: Option<f64>,
    /// M, instances needed.
    pub needed: Option<u32>,
    /// N, instances there.
    pub present: Option<u32>,
    /// Dollars for the group's instances since the run began.
    pub cost_usd: f64,
    /// Share of registered CPU that tasks reserve at the minute's end, percent.
    pub reserved_cpu_percent: Option<f64>,
    /// Share of registered memory that tasks reserve at the minute's end, percent.
    pub reserved_memory_percent: Option<f64>,
    /// The least CPU credit balance of the group's instances at the minute's end; `None` where none has credits. Below zero
    /// is what an unlimited instance has borrowed.
    pub cpu_credits_least: Option<f64>,
    /// The mean of those balances.
    pub cpu_credits_mean: Option<f64>,
    /// What became of the CPU of the group's instances, units.
    pub cpu_units: CapacitySplit,
    /// What became of their memory, MiB.
    pub memory_mib: CapacitySplit,
}

/// What becomes of the capacity that a group's instances have: the parts add up to it. Those of tasks refer to ACTIVE
/// instances at the minute's end, what is used to the minute's mean.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct CapacitySplit {
    /// Used by tasks, no more than they reserve.
    pub used: f64,
    /// Reserved by tasks, and not used.
    pub reserved_unused: f64,
    /// Free, and enough of everything beside it for as many more tasks as fit of the largest that may come.
    pub headroom: f64,
    /// Free, and of no use to such a task: too little is left, or too little of something else.
    pub fragmented: f64,
    /// Of instances that drain, or were deregistered.
    pub draining: f64,
    /// Of instances that boot, or have not registered.
    pub booting: f64,
}

impl CapacitySplit {
    /// Its parts, each with its name.
    pub fn parts(&self) -> [(&'static str, f64); 6] {
        [
            ("used", self.used),
            ("reserved, unused", self.reserved_unused),
            ("headroom", self.headroom),
            ("fragmented", self.fragmented),
            ("draining", self.draining),
            ("booting", self.booting),
        ]
    }

    /// All that the instances have.
    pub fn total(&self) -> f64 {
        self.parts().iter().fold(0.0, |sum, (_, part)| sum + part)
    }
}

/// Where a service's tasks stand, from a minute's end on.
#[derive(Clone, Debug, PartialEq)]
pub struct ServicePlacement {
    /// Minutes since the run began, from 0.
    pub minute: u64,
    /// Place of the service in the scenario.
    pub service: usize,
    /// Its running tasks in each zone of the cluster, and of these on the one instance that has most.
    pub zones: Vec<ZonePlacement>,
}

/// A service's running tasks in a zone.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ZonePlacement {
    /// Tasks.
    pub tasks: u32,
    /// Tasks on the instance of the zone that has most of them.
    pub on_fullest_instance: u32,
}

impl ServicePlacement {
    /// Running tasks.
    pub fn tasks(&self) -> u32 {
        self.zones.iter().map(|it| it.tasks).sum()
    }

    /// The share of the service that is lost with the instance, and with the zone, that has most of it; percent. `None`
    /// where nothing runs.
    pub fn blast_radius(&self) -> Option<(f64, f64)> {
        let percent = |most: Option<u32>| 100.0 * f64::from(most.unwrap_or(0)) / f64::from(self.tasks());
        let of_instance = self.zones.iter().map(|it| it.on_fullest_instance).max();
        (self.tasks() > 0).then(|| (percent(of_instance), percent(self.zones.iter().map(|it| it.tasks).max())))
    }
}

/// What has come of calls of `RunTask`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RunTaskTotals {
    /// Tasks that were asked for.
    pub asked: u64,
    /// Tasks that were not started, by `reason` of the call's failures.
    pub failures: BTreeMap<&'static str, u64>,
    /// CPU units that these would have reserved.
    pub failed_cpu_units: u64,
    /// Calls that failed as a whole, with an exception.
    pub failed_calls: u64,
    /// Attempts at a call that were throttled, the last ones of failed calls included.
    pub throttled: u64,
    /// What EventBridge did for them, where it is that which calls.
    pub events: EventTotals,
}

/// One execution of a pipeline: what became of a commit. Instants are `None` where it did not come so far.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PipelineExecution {
    /// Place of the pipeline in the scenario.
    pub pipeline: usize,
    /// Number, from 1.
    pub execution: u32,
    /// The commit.
    pub committed_at: Instant,
    /// Whether the commit is one that breaks the service.
    pub is_bad: bool,
    /// Its source was there.
    pub source_ended_at: Option<Instant>,
    /// A build machine was asked for.
    pub build_began_at: Option<Instant>,
    /// The image was built.
    pub build_ended_at: Option<Instant>,
    /// It was pushed.
    pub pushed_at: Option<Instant>,
    /// The service was updated.
    pub deploy_began_at: Option<Instant>,
    /// It ended, however it did.
    pub ended_at: Option<Instant>,
    /// Place of the revision that it deployed, in the scenario.
    pub task_definition: Option<usize>,
    /// What became of it.
    pub status: ExecutionStatus,
    /// Why, where it did not succeed.
    pub reason: String,
}

impl PipelineExecution {
    /// One whose commit has just come.
    pub fn new(pipeline: usize, execution: u32, committed_at: Instant, is_bad: bool) -> PipelineExecution {
        PipelineExecution {
            pipeline,
            execution,
            committed_at,
            is_bad,
            source_ended_at: None,
            build_began_at: None,
            build_ended_at: None,
            pushed_at: None,
            deploy_began_at: None,
            ended_at: None,
            task_definition: None,
            status: ExecutionStatus::InProgress,
            reason: String::new(),
        }
    }

    /// Puts down how it ended.
    pub fn ended(&mut self, at: Instant, status: ExecutionStatus, reason: &str) {
        self.ended_at = Some(at);
        self.status = status;
        self.reason = reason.to_owned();
    }
}

/// `status` of an execution of a pipeline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ExecutionStatus {
    /// It was under way when the run ended.
    InProgress,
    /// Its revision is deployed.
    Succeeded,
    /// It did not get so far.
    Failed,
    /// A newer one overtook it.
    Superseded,
    /// There were too many others.
    NotStarted,
}

impl ExecutionStatus {
    /// As CodePipeline writes it; the last is ours.
    pub fn as_str(self) -> &'static str {
        match self {
            ExecutionStatus::InProgress => "InProgress",
            ExecutionStatus::Succeeded => "Succeeded",
            ExecutionStatus::Failed => "Failed",
            ExecutionStatus::Superseded => "Superseded",
            ExecutionStatus::NotStarted => "NotStarted",
        }
    }
}

/// What EventBridge has done for one target, in the words of its metrics. Each invocation ends exactly once: it is delivered, failed or
/// dead-lettered, or still pending when the run ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct EventTotals {
    /// Invocations: times that a schedule fell or an object matched, duplicates included.
    pub invocations: u64,
    /// Of these, events that were delivered a second time.
    pub duplicates: u64,
    /// `InvocationAttempts`: calls that were made for them.
    pub attempts: u64,
    /// `RetryInvocationAttempts`: those of them that were not the first.
    pub retries: u64,
    /// Invocations whose call was answered, whatever it started.
    pub delivered: u64,
    /// `FailedInvocations`: given up, and dropped.
    pub failed: u64,
    /// `InvocationsSentToDlq`: given up, and kept in a queue.
    pub dead_lettered: u64,
    /// Tasks of delivered invocations that were not started, which EventBridge takes for success.
    pub tasks_lost: u64,
    /// Invocations that were neither delivered nor given up when the run ended.
    pub pending: u64,
}

impl EventTotals {
    /// What has been added since it stood so.
    pub fn since(&self, before: &EventTotals) -> EventTotals {
        EventTotals {
            invocations: self.invocations - before.invocations,
            duplicates: self.duplicates - before.duplicates,
            attempts: self.attempts - before.attempts,
            retries: self.retries - before.retries,
            delivered: self.delivered - before.delivered,
            failed: self.failed - before.failed,
            dead_lettered: self.dead_lettered - before.dead_lettered,
            tasks_lost: self.tasks_lost - before.tasks_lost,
            pending: self.pending,
        }
    }
}

impl RunTaskTotals {
    /// Tasks that were not started.
    pub fn failed(&self) -> u64 {
        self.failures.values().sum()
    }
}

/// A minute of standalone tasks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RunTaskMinute {
    /// Minutes since the run began.
    pub minute: u64,
    /// Place of their entry of `runTasks`.
    pub run_task: usize,
    /// Tasks asked for in the minute.
    pub asked: u64,
    /// Tasks of it that were not started.
    pub failed: u64,
    /// Tasks in PROVISIONING for want of an instance at its end.
    pub provisioning: u32,
    /// Tasks that a scheduler of one's own has in its queue at its end, and has not yet asked for.
    pub queued: u32,
    /// Tasks RUNNING at its end.
    pub running: u32,
    /// Calls that failed as a whole in it, with an exception.
    pub failed_calls: u64,
    /// Attempts at a call that were throttled in it.
    pub throttled: u64,
    /// What EventBridge did for them in it.
    pub events: EventTotals,
}

/// Attempts to place tasks of one kind, one after the other, that were refused for the same reasons.
#[derive(Clone, Debug)]
pub struct PlacementRefusal {
    /// The first of these attempts.
    pub first_at: Instant,
    /// The last.
    pub last_at: Instant,
    /// How many. An attempt is for all tasks that the scheduler wants to place at one time.
    pub attempts: u32,
    /// Whose tasks.
    pub launcher: Launcher,
    /// Place of the task definition in the scenario.
    pub task_definition: usize,
    /// What the tasks have instead of their definition's.
    pub overrides: Overrides,
    /// Place of the capacity provider that was chosen, in the scenario.
    pub capacity_provider: Option<usize>,
    /// Tasks that the last of these attempts could not place.
    pub tasks: u32,
    /// Why: what the instances had left at the first of them.
    pub refusal: Refusal,
    /// What became of the last of them.
    pub outcome: RefusalOutcome,
    /// When the next task of the same launcher was placed after these.
    pub placed_at: Option<Instant>,
    /// More of it, of some rows: among those of a service, task definition, capacity provider and reason that were looked into
    /// (the first, second, fourth, eighth and so on, and those that came to stand longer than all before), of the one that stood longest
    /// and of the last.
    pub explanation: Option<Box<RefusalExplanation>>,
}

impl PlacementRefusal {
    /// From the first attempt to the last, or until a task was placed.
    pub fn stood(&self) -> Span {
        self.placed_at.unwrap_or(self.last_at).since(self.first_at)
    }
}

/// What becomes of tasks that were not placed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefusalOutcome {
    /// None were created; it is tried again then.
    RetriedAt(Instant),
    /// They wait for their capacity provider to bring instances.
    WaitsInProvisioning,
    /// They are failures of a call of `RunTask`; nobody tries again.
    NotStarted,
    /// Tasks of a DAEMON service: each is started once there is room on its instance.
    WaitsForRoom,
}

/// What a refusal does not tell itself, as the cluster stood at the first of some attempts, or when these had come to stand longest.
#[derive(Clone, Debug, Default)]
pub struct RefusalExplanation {
    /// What the closest instance lacks beside what it fails for first.
    pub also_lacks: Vec<(Reason, Shortage)>,
    /// Of the host ports that the task needs those that are taken somewhere.
    pub ports: Vec<TakenPort>,
    /// Of its `memberOf` expressions those that do not select every instance it would come to otherwise.
    pub expressions: Vec<UnmetExpression>,
    /// Of a DAEMON service: instances that are to have its task and have no room for it, what each fails for, and by how much
    /// where that can be counted; some of them where there are many.
    pub places_without_room: Vec<(String, Reason, Option<Shortage>)>,
    /// Instances that have a task of the service, where there can be one each.
    pub with_own_task: Vec<String>,
    /// Architectures of instances that have another one than the task.
    pub architectures: Vec<(CpuArchitecture, u32)>,
    /// Attributes that the task definition requires, with the instances that do not have them.
    pub missing_attributes: Vec<(String, u32)>,
    /// Zones, by place in the scenario, of instances in zones without a subnet of the service.
    pub zones: Vec<(usize, u32)>,
    /// Moves of other tasks that would make room; none where no few would.
    pub moves: Vec<TaskMove>,
    /// Whether a deployment replaces tasks of the service, of which none may stop before its replacement runs.
    pub old_tasks_stay: bool,
    /// The Auto Scaling groups that could launch an instance for it.
    pub groups: Vec<GroupInReach>,
}

/// A host port that a task needs, and that is taken.
#[derive(Clone, Debug)]
pub struct TakenPort {
    /// Its protocol.
    pub protocol: Protocol,
    /// Its number.
    pub port: u16,
    /// On how many instances it is taken.
    pub instances: u32,
    /// A task that holds it, by its name and who started it; `None` where it is the agent's.
    pub holder: Option<(String, Launcher)>,
}

/// A `memberOf` expression that does not select some instances.
#[derive(Clone, Debug)]
pub struct UnmetExpression {
    /// As it was written.
    pub expression: String,
    /// Instances that it does not select, of those that the task would come to otherwise.
    pub instances: u32,
    /// The attributes that it asks for, and the values that these instances have.
    pub attributes: Vec<(String, Vec<String>)>,
}

/// A task that would have to stand elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskMove {
    /// Who started it.
    pub launcher: Launcher,
    /// Where it is.
    pub from: String,
    /// Where there is room for it.
    pub to: String,
}

/// An Auto Scaling group whose instances a task may come to.
#[derive(Clone, Debug)]
pub struct GroupInReach {
    /// Its place in the scenario.
    pub group: usize,
    /// `DesiredCapacity`
    pub desired_capacity: u32,
    /// `MaxSize`
    pub max_size: u32,
    /// Instances of it that have not registered yet.
    pub booting: u32,
    /// Instances that it has fewer than its desired capacity; of one with weights none is counted.
    pub missing: u32,
    /// Why it cannot launch them, in the words of its activities; empty where its last launch succeeded.
    pub launch_failure: String,
    /// Instances that are in service and did not register, with the newest one's reason.
    pub not_registered: Option<(u32, RegistrationFailure)>,
    /// The types that it launches, in its order.
    pub types: Vec<TypeInReach>,
    /// What managed scaling finds lacking in its smallest type, each resource by itself, so that it never grows the group for the
    /// task; `None` where it would, or no managed scaling sizes the group.
    pub never_grown_for: Option<Reason>,
}

/// A type that a group would launch a task's instance of.
#[derive(Clone, Debug)]
pub struct TypeInReach {
    /// What such an instance lacks, before any task but those of DAEMON services is there.
    pub lacks: Option<Reason>,
    /// What it has for other tasks.
    pub empty: RegisteredResources,
}

/// What managed scaling of a capacity provider saw in a minute, and what its alarms led to until the next.
#[derive(Clone, Debug)]
pub struct ManagedScalingMinute {
    /// Minutes since the run began, to this one's begin.
    pub minute: u64,
    /// The place of its capacity provider.
    pub capacity_provider: usize,
    /// The metric as this minute closed.
    pub measured: CapacityProviderReservation,
    /// `targetCapacity`, percent.
    pub target_capacity: u32,
    /// Tasks in PROVISIONING that wait for it.
    pub waiting: u32,
    /// Those of them that the group never grows for.
    pub never_grown_for: u32,
    /// Tasks alike that wait and decide M.
    pub deciding: Option<DecidingTasks>,
    /// State of its high alarm as the minute closed, which wants 1 of 1 datapoints above the target, or as many as
    /// `capacityAlarmHighDatapoints` says.
    pub high_alarm: AlarmState,
    /// State of its low alarm.
    pub low_alarm: AlarmState,
    /// How many of the last datapoints are below the target, without one between that is not: the low alarm wants 15, or as many
    /// as `capacityAlarmLowDatapoints` says.
    pub below_target: u32,
    /// `DesiredCapacity` as the minute closed.
    pub desired_capacity: u32,
    /// What was decided until the next minute closed, or why nothing was, and when.
    pub decisions: Vec<(Instant, String)>,
}

/// Tasks alike that wait for a capacity provider and need more instances than any others.
#[derive(Clone, Debug)]
pub struct DecidingTasks {
    /// What asked for the first of them.
    pub launcher: Launcher,
    /// How many wait.
    pub count: u32,
    /// CPU units that each reserves.
    pub cpu_units: u32,
    /// MiB that each reserves.
    pub memory_mib: u32,
    /// How many managed scaling counts on an empty instance.
    pub tasks_per_instance: u32,
    /// Instances that they need.
    pub instances: u32,
}

/// Why an instance is there and not terminated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum AliveReason {
    /// It has tasks that are not of DAEMON services.
    Tasks,
    /// It has tasks, and is one of those that could go if all tasks of the group were packed, by CPU and memory.
    ThinlySpreadTasks,
    /// It boots or registers.
    Boots,
    /// It is empty, and tasks wait that it was launched for.
    AwaitsTasks,
    /// Its group would terminate it, but it has tasks, and managed termination protection is on.
    ProtectedByTasks,
    /// Its group would terminate it, but it is protected from scale-in.
    ScaleInProtection,
    /// It drains.
    Drains,
    /// It is empty, and its group has no more than its `MinSize`.
    MinSize,
    /// It is empty, and is what `targetCapacity` below 100 keeps free.
    TargetCapacity,
    /// It is empty, and the low alarm has not had its 15 datapoints.
    LowAlarm,
    /// It is empty, and managed scaling goes down less than by half a minute.
    ScaleInPace,
    /// It is empty, and the policies of its group do not scale in.
    GroupPolicies,
    /// It is empty, and nothing lowers the desired capacity of its group.
    NoScaleIn,
    /// Its group is about to terminate it.
    Terminates,
    /// It is in its group, and not in the cluster.
    Deregistered,
    /// It is in its group's warm pool.
    WarmPool,
    /// It waits for lifecycle hooks, before it is in service or before it goes.
    LifecycleHook,
    /// It is in standby.
    Standby,
}

impl AliveReason {
    /// All, in the order in which they are shown.
    pub const ALL: [AliveReason; 18] = [
        AliveReason::Tasks,
        AliveReason::ThinlySpreadTasks,
        AliveReason::Boots,
        AliveReason::AwaitsTasks,
        AliveReason::ProtectedByTasks,
        AliveReason::ScaleInProtection,
        AliveReason::Drains,
        AliveReason::MinSize,
        AliveReason::TargetCapacity,
        AliveReason::LowAlarm,
        AliveReason::ScaleInPace,
        AliveReason::GroupPolicies,
        AliveReason::NoScaleIn,
        AliveReason::Terminates,
        AliveReason::Deregistered,
        AliveReason::WarmPool,
        AliveReason::LifecycleHook,
        AliveReason::Standby,
    ];

    /// As columns name it.
    pub fn as_str(self) -> &'static str {
        match self {
            AliveReason::Tasks => "tasks",
            AliveReason::ThinlySpreadTasks => "thinly-spread-tasks",
            AliveReason::Boots => "boots",
            AliveReason::AwaitsTasks => "awaits-tasks",
            AliveReason::ProtectedByTasks => "protected-by-tasks",
            AliveReason::ScaleInProtection => "scale-in-protection",
            AliveReason::Drains => "drains",
            AliveReason::MinSize => "min-size",
            AliveReason::TargetCapacity => "target-capacity",
            AliveReason::LowAlarm => "low-alarm",
            AliveReason::ScaleInPace => "scale-in-pace",
            AliveReason::GroupPolicies => "group-policies",
            AliveReason::NoScaleIn => "no-scale-in",
            AliveReason::Terminates => "terminates",
            AliveReason::Deregistered => "deregistered",
            AliveReason::WarmPool => "warm-pool",
            AliveReason::LifecycleHook => "lifecycle-hook",
            AliveReason::Standby => "standby",
        }
    }
}

/// A service's desired count that a policy has raised, and the instants that this hangs on.
#[derive(Clone, Debug)]
pub struct ScaleOut {
    /// The place of the service.
    pub service: usize,
    /// The policy.
    pub policy: String,
    /// The alarm that invoked it.
    pub alarm: String,
    /// Desired count before.
    pub from: u32,
    /// Desired count after.
    pub to: u32,
    /// The second at which the load rose, where it stepped within the period before the first that breached.
    pub load_rose_at: Option<Instant>,
    /// Begin of the first period that breached.
    pub first_period_began: Instant,
    /// End of the last of them.
    pub last_period_ended: Instant,
    /// Datapoints that breached.
    pub datapoints: u32,
    /// Length of their periods.
    pub period: Span,
    /// When the last could be read.
    pub readable_at: Instant,
    /// When the alarm changed to ALARM.
    pub alarm_at: Instant,
    /// When the desired count was set.
    pub decided_at: Instant,
    /// The datapoint that the policy went by.
    pub metric: Option<f64>,
    /// The decision, by its place among the events.
    pub event: usize,
}

impl ScaleOut {
    /// When the load rose, or the first period that breached began.
    pub fn began_at(&self) -> Instant {
        self.load_rose_at.unwrap_or(self.first_period_began)
    }

    /// Whether a task is one of those that it could bring: of its service, and created since.
    pub fn may_bring(&self, task: &TaskLife) -> bool {
        task.service == Some(self.service) && task.created_at >= self.decided_at
    }
}

/// For how long an instance was there for one reason.
#[derive(Clone, Debug)]
pub struct InstanceReason {
    /// The place of the instance.
    pub instance: usize,
    /// Since when: looked at each minute.
    pub from: Instant,
    /// Until when.
    pub until: Instant,
    /// Why.
    pub reason: AliveReason,
    /// More of it, as it was at the begin.
    pub detail: String,
}

/// An instance came to a state.
#[derive(Clone, Debug)]
pub struct InstanceChange {
    /// When.
    pub at: Instant,
    /// Its id.
    pub instance: String,
    /// Its group.
    pub auto_scaling_group: String,
    /// Its type.
    pub instance_type: String,
    /// Its zone.
    pub availability_zone: String,
    /// The state it came to: `LAUNCHING`, `REGISTERING`, `NOT_REGISTERED`, `REGISTRATION_FAILED`, `ACTIVE`, `DRAINING`, `DEREGISTERING`, `INACTIVE`,
    /// `WARMED`, `TERMINATED`.
    pub status: &'static str,
    /// Tasks on it.
    pub tasks: u32,
    /// How it is bought: `on-demand` or `spot`.
    pub purchase_option: &'static str,
    /// What it costs an hour, USD.
    pub usd_per_hour: f64,
    /// `LifecycleState` in its group.
    pub lifecycle_state: &'static str,
}

/// A task's life; instants are `None` where it did not come so far.
#[derive(Clone, Debug)]
pub struct TaskLife {
    /// Place in the order of creation.
    pub task: usize,
    /// Place of its service in the scenario; `None` of a standalone task.
    pub service: Option<usize>,
    /// Place of the entry of `runTasks` that started it; `None` of a service's task.
    pub run_task: Option<usize>,
    /// The number of the deployment of its service that it belongs to; 0 of a standalone task.
    pub deployment: u32,
    /// Its task group.
    pub task_group: Arc<str>,
    /// `family:revision`.
    pub task_definition: Arc<str>,
    /// Place of its instance in `Run::instances`.
    pub instance: Option<usize>,
    /// The zone it was placed in.
    pub availability_zone: Option<Arc<str>>,
    /// The capacity provider it was given to; `None` of launch type EC2.
    pub capacity_provider: Option<Arc<str>>,
    /// CPU units it reserved.
    pub cpu_units: u32,
    /// MiB it reserved.
    pub memory_mib: u32,
    /// Created.
    pub created_at: Instant,
    /// Placed on an instance, or launched on Fargate.
    pub placed_at: Option<Instant>,
    /// Its image pull began.
    pub pull_started_at: Option<Instant>,
    /// Images pulled.
    pub pulled_at: Option<Instant>,
    /// RUNNING.
    pub running_at: Option<Instant>,
    /// First healthy.
    pub healthy_at: Option<Instant>,
    /// Began to drain or stop.
    pub stopping_at: Option<Instant>,
    /// Was to be sent SIGTERM: its agent may not have heard of that.
    pub sigterm_due_at: Option<Instant>,
    /// Was sent SIGTERM.
    pub sigterm_at: Option<Instant>,
    /// STOPPED.
    pub stopped_at: Option<Instant>,
    /// `stopCode`.
    pub stop_code: Option<&'static str>,
    /// `stoppedReason`.
    pub stopped_reason: Option<String>,
    /// What made it end, where ECS does not say it.
    pub stop_cause: Option<StopCause>,
    /// Exit code.
    pub exit_code: Option<u8>,
    /// Its containers, where they were followed one by one.
    pub containers: Vec<ContainerLife>,
}

/// What became of a container; instants are `None` where it did not come so far.
#[derive(Clone, Debug)]
pub struct ContainerLife {
    /// Its name.
    pub name: String,
    /// `lastStatus`: `PENDING`, `RUNNING` or `STOPPED`.
    pub last_status: &'static str,
    /// Last started.
    pub started_at: Option<Instant>,
    /// Stopped for good.
    pub stopped_at: Option<Instant>,
    /// Its last exit code.
    pub exit_code: Option<u8>,
    /// `reason`, where there is something to say.
    pub reason: Option<String>,
    /// `healthStatus`: `UNKNOWN`, `HEALTHY` or `UNHEALTHY`.
    pub health_status: &'static str,
    /// How often its restart policy has started it again.
    pub restart_count: u32,
}

/// An instance's life.
#[derive(Clone, Debug)]
pub struct InstanceLife {
    /// Its id.
    pub name: String,
    /// Its group.
    pub auto_scaling_group: String,
    /// Its type.
    pub instance_type: String,
    /// Its zone.
    pub availability_zone: String,
    /// Registered CPU units.
    pub cpu_units: u32,
    /// Registered MiB.
    pub memory_mib: u32,
    /// Launched.
    pub launched_at: Instant,
    /// In service in its group.
    pub in_service_at: Option<Instant>,
    /// Registered with the cluster.
    pub registered_at: Option<Instant>,
    /// Terminated.
    pub terminated_at: Option<Instant>,
    /// What it costs an hour, USD.
    pub usd_per_hour: f64,
    /// What EC2 bills for it, in order of time.
    pub bills: Vec<InstanceBill>,
}

/// What EC2 bills for an instance.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct InstanceBill {
    /// Since when it has been `running`.
    pub since: Instant,
    /// Until when.
    pub until: Instant,
    /// What that costs, USD.
    pub usd: f64,
}

impl InstanceBill {
    /// The part of it that falls between two instants, USD: the parts of times that follow each other are the whole.
    pub fn usd_within(&self, from: Instant, until: Instant) -> f64 {
        // What is billed without having run for a moment, belongs to the one before.
        let since = self.since.min(Instant(self.until.0.saturating_sub(1)));
        let (begin, end) = (since.max(from), self.until.min(until));
        if end <= begin {
            return 0.0;
        }
        self.usd / self.until.since(since).as_hours() * end.since(begin).as_hours()
    }
}

/// A scaling activity of a service or an Auto Scaling group, or a decision not to scale: what `DescribeScalingActivities` tells.
#[derive(Clone, Debug)]
pub struct ScalingActivity {
    /// When it began, or was decided against.
    pub at: Instant,
    /// `service/NAME` or `auto-scaling-group/NAME`.
    pub resource: String,
    /// The policy, the scheduled action or the call that it comes from.
    pub cause: String,
    /// Desired before.
    pub from: u32,
    /// Desired after.
    pub to: u32,
    /// What the policy started from: running tasks, or warm instances.
    pub base: Option<u32>,
    /// The metric's value that decided.
    pub metric: Option<f64>,
    /// How the new value follows, in words.
    pub rule: String,
    /// `InProgress`, `Successful`, `Overridden`, `Unfulfilled`, or `NotScaled`.
    pub status_code: &'static str,
    /// When it ended.
    pub ended_at: Option<Instant>,
    /// `NotScaledReasons[].Code`, or what else kept it from scaling.
    pub not_scaled_reason: Option<&'static str>,
}

/// An hour as predictive scaling saw it before, and as it came.
#[derive(Clone, Debug)]
pub struct ForecastHour {
    /// The policy.
    pub policy: Id<ScalingPolicy>,
    /// When the hour begins.
    pub at: Instant,
    /// Load in the mean that was forecast: percent summed over tasks or instances, requests a minute, or what the policy's own load
    /// metric counts; `None` without enough history.
    pub forecast_load: Option<f64>,
    /// Tasks, or units of a group's capacity, that it calls for, before the bounds.
    pub forecast_capacity: Option<u32>,
    /// Load in the mean as it came, of the minutes that were simulated.
    pub load: Option<f64>,
    /// Tasks, or units of capacity, that its busiest minute called for.
    pub busiest_capacity: Option<u32>,
}

/// An alarm changed its state.
#[derive(Clone, Debug)]
pub struct AlarmChange {
    /// When.
    pub at: Instant,
    /// The alarm's name.
    pub alarm: String,
    /// State before: `OK`, `ALARM`, `INSUFFICIENT_DATA`.
    pub from: &'static str,
    /// State after.
    pub to: &'static str,
    /// The newest datapoint it saw.
    pub value: Option<f64>,
    /// Its threshold; a composite alarm has none.
    pub threshold: Option<f64>,
    /// `StateReason`, in CloudWatch's words.
    pub reason: String,
}

/// A datapoint of a metric that an alarm or a policy watches and no other output has.
#[derive(Clone, Debug)]
pub struct MetricPoint {
    /// When its period begins.
    pub at: Instant,
    /// Length of the period.
    pub period: Span,
    /// The metric with its dimensions, or the expression.
    pub metric: String,
    /// `Statistic` or `ExtendedStatistic`; empty of an expression.
    pub statistic: String,
    /// Its value.
    pub value: f64,
}

/// A decision.
#[derive(Clone, Debug)]
pub struct Event {
    /// When.
    pub at: Instant,
    /// The decision that caused it.
    pub cause: Option<usize>,
    /// Its kind, such as `service.tasks_started`.
    pub kind: &'static str,
    /// What it concerns, such as `service/web`.
    pub resource: String,
    /// In AWS's words.
    pub message: String,
}

/// Dollars.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Cost {
    /// Instances.
    pub instances_usd: f64,
    /// Load balancers, with their capacity units.
    pub load_balancers_usd: f64,
    /// Tasks on Fargate.
    pub fargate_usd: f64,
    /// EBS volumes, of instances and of tasks.
    pub volumes_usd: f64,
    /// Alarms, and custom metrics: Container Insights, high-resolution metrics of services, detailed monitoring of instances.
    pub cloud_watch_usd: f64,
    /// NAT gateways, and what went through them.
    pub nat_gateways_usd: f64,
    /// Surplus CPU credits of burstable instances.
    pub cpu_credits_usd: f64,
    /// Builds of pipelines.
    pub builds_usd: f64,
}

impl Cost {
    /// All together.
    pub fn total_usd(&self) -> f64 {
        self.instances_usd
            + self.load_balancers_usd
            + self.fargate_usd
            + self.volumes_usd
            + self.cloud_watch_usd
            + self.nat_gateways_usd
            + self.cpu_credits_usd
            + self.builds_usd
    }
}

/// Whose a cost is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum CostOwner {
    /// A service, by its place in the scenario.
    Service(usize),
    /// An entry of `runTasks`, by its place in the scenario.
    RunTask(usize),
    /// Of instances and their volumes what no task reserves.
    Unused,
    /// What is nobody's by itself: alarms of capacity providers, detailed monitoring, hours of NAT gateways, load balancers without
    /// services.
    Cluster,
}

/// What it is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum CostKind {
    /// Instances.
    Ec2,
    /// EBS volumes.
    Ebs,
    /// Tasks on Fargate.
    Fargate,
    /// Tasks on Fargate Spot.
    FargateSpot,
    /// Load balancers.
    LoadBalancer,
    /// Alarms and custom metrics.
    CloudWatch,
    /// NAT gateways.
    NatGateway,
    /// Surplus CPU credits.
    CpuCredits,
    /// Builds of CodeBuild.
    CodeBuild,
}

impl CostKind {
    /// All of them, in order.
    pub const ALL: [CostKind; 9] = [
        CostKind::Ec2,
        CostKind::Ebs,
        CostKind::Fargate,
        CostKind::FargateSpot,
        CostKind::LoadBalancer,
        CostKind::CloudWatch,
        CostKind::NatGateway,
        CostKind::CpuCredits,
        CostKind::CodeBuild,
    ];

    /// As `costs.csv` has it.
    pub fn as_str(self) -> &'static str {
        match self {
            CostKind::Ec2 => "ec2",
            CostKind::Ebs => "ebs",
            CostKind::Fargate => "fargate",
            CostKind::FargateSpot => "fargate_spot",
            CostKind::LoadBalancer => "load_balancer",
            CostKind::CloudWatch => "cloudwatch",
            CostKind::NatGateway => "nat_gateway",
            CostKind::CpuCredits => "cpu_credits",
            CostKind::CodeBuild => "codebuild",
        }
    }
}

/// What something cost its owner in an hour.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CostRow {
    /// Hours since the run began, from 0.
    pub hour: u64,
    /// Whose it is.
    pub owner: CostOwner,
    /// What it is for.
    pub kind: CostKind,
    /// By what the owner reserves or has alone, USD. The sum over all rows is what the run cost.
    pub usd: f64,
    /// The owner's part of what nobody reserves, USD; of the unused what is given away, below zero. The sum over all rows is zero.
    pub redistributed_usd: f64,
}

/// What an expectation came to.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ExpectationResult {
    /// Its name.
    pub name: String,
    /// Whether it held.
    pub passed: bool,
    /// The value; `None` where there was nothing to measure (which fails).
    pub value: Option<f64>,
    /// The limit it was held against.
    pub limit: f64,
}

/// A task's name, by its number: it looks like the beginning of a task id.
pub fn task_name(task: usize) -> String {
    format!("t-{task:05}")
}
