//! What the timeline does, and when.

use crate::aws::auto_scaling_group::{AutoScalingGroup, AvailabilityZone};
use crate::aws::capacity_pool::CapacityPool;
use crate::aws::capacity_provider::CapacityProviderStrategyItem;
use crate::aws::container_instance::RegistrationFailure;
use crate::aws::deployment::DeploymentChange;
use crate::aws::fargate::FargateCapacity;
use crate::aws::listener::{Action, ListenerRule};
use crate::aws::placement::{PlacementConstraint, PlacementStrategy};
use crate::aws::scaling_policy::ScalableTarget;
use crate::aws::service::{ServiceDefinition, ServiceLoadBalancer};
use crate::aws::subnet::NetworkConfiguration;
use crate::aws::task_definition::TaskDefinition;
use crate::aws::task_set::TaskSetChange;
use crate::aws::volume::EbsVolume;
use crate::scenario::{Fault, GroupChange, NewLaunchTemplate};
use crate::table::Id;
use crate::units::{Instant, Span, ceil_capacity};

/// Something that happens at a given time.
#[derive(Clone, Debug, PartialEq)]
pub struct TimelineEntry {
    /// When.
    pub at: Instant,
    /// What.
    pub change: TimelineChange,
}

/// What a timeline can do.
#[derive(Clone, Debug, PartialEq)]
pub enum TimelineChange {
    /// `UpdateService`: what is `None` stays.
    UpdateService {
        /// The service.
        service: Id<ServiceDefinition>,
        /// A new task definition, which starts a deployment.
        task_definition: Option<Id<TaskDefinition>>,
        /// A new desired count, applied in place.
        desired_count: Option<u32>,
        /// `networkConfiguration`, which starts a deployment too.
        network: Option<Id<NetworkConfiguration>>,
        /// Whether it begins a deployment whatever else is new: `forceNewDeployment`, or a `platformVersion`.
        force_new_deployment: bool,
        /// `volumeConfigurations`, which starts a deployment too: the EBS volume that its tasks get, or that they get none.
        volume: Option<Option<EbsVolume>>,
        /// `loadBalancers`, which starts a deployment too: what its tasks are registered as, or that they are not registered.
        load_balancer: Option<Option<ServiceLoadBalancer>>,
        /// `minimumHealthyPercent`
        minimum_healthy_percent: Option<u32>,
        /// `maximumPercent`
        maximum_percent: Option<u32>,
        /// `healthCheckGracePeriodSeconds`
        health_check_grace_period: Option<Span>,
        /// `placementStrategy`, for what is placed and stopped from then on.
        placement_strategy: Option<Vec<PlacementStrategy>>,
        /// `placementConstraints`, for what is placed from then on.
        placement_constraints: Option<Id<Vec<PlacementConstraint>>>,
        /// `capacityProviderStrategy`, for what is started and stopped from then on; it begins no deployment.
        capacity_provider_strategy: Option<Vec<CapacityProviderStrategyItem>>,
        /// `availabilityZoneRebalancing`: whether it is ENABLED.
        availability_zone_rebalancing: Option<bool>,
        /// What else is said anew of `deploymentConfiguration`.
        deployment: Box<DeploymentChange>,
    },
    /// `CreateService`: a service of the file is there from then on.
    CreateService {
        /// The service.
        service: Id<ServiceDefinition>,
    },
    /// `CreateTaskSet`, `UpdateTaskSet`, `DeleteTaskSet` or `UpdateServicePrimaryTaskSet`.
    TaskSet {
        /// The service, whose deployment controller is EXTERNAL.
        service: Id<ServiceDefinition>,
        /// The number of the task set among the service's.
        task_set: usize,
        /// What.
        change: TaskSetChange,
    },
    /// `DeleteService`
    DeleteService {
        /// The service.
        service: Id<ServiceDefinition>,
        /// `force`: whether it may be scaled above 0.
        force: bool,
    },
    /// EC2 loses this many instances of a group at once, the oldest first.
    TerminateInstances {
        /// The group.
        auto_scaling_group: Id<AutoScalingGroup>,
        /// How many.
        count: u32,
    },
    /// Tasks of a service begin to answer requests with a 5xx, though their health checks pass.
    TargetErrors {
        /// The service, which has a load balancer.
        service: Id<ServiceDefinition>,
        /// How many of its running tasks, the oldest first.
        tasks: u32,
        /// The share of requests that fail, above 0 and up to 1, beside those that fail at every task.
        error_share: f64,
        /// For how long; until the end of the run, or of the task, where `None`.
        lasts: Option<Span>,
    },
    /// `StopTask` is called for running tasks of a service, the oldest first.
    StopTasks {
        /// The service.
        service: Id<ServiceDefinition>,
        /// How many.
        tasks: u32,
        /// `stoppedReason`
        reason: String,
    },
    /// Something is done to container instances of a group by hand.
    ContainerInstances {
        /// The group.
        auto_scaling_group: Id<AutoScalingGroup>,
        /// How many, the oldest first, of those that it can be done to.
        count: u32,
        /// Only those in this zone.
        availability_zone: Option<Id<AvailabilityZone>>,
        /// What.
        change: ContainerInstanceChange,
    },
    /// `RegisterScalableTarget`: what is `None` stays.
    RegisterScalableTarget {
        /// The target.
        target: Id<ScalableTarget>,
        /// `MinCapacity`
        min_capacity: Option<u32>,
        /// `MaxCapacity`
        max_capacity: Option<u32>,
        /// `SuspendedState`: in and out by policies, scheduled actions.
        suspended_state: [Option<bool>; 3],
    },
    /// `UpdateAutoScalingGroup`: what is `None` stays.
    UpdateAutoScalingGroup {
        /// The group.
        auto_scaling_group: Id<AutoScalingGroup>,
        /// `MinSize`
        min_size: Option<u32>,
        /// `MaxSize`
        max_size: Option<u32>,
        /// `DesiredCapacity`
        desired_capacity: Option<u32>,
        /// `LaunchTemplate`: what instances are launched with from now on.
        launch_template: Option<Box<NewLaunchTemplate>>,
    },
    /// Something else is done to a group or to some of its instances.
    Group {
        /// The group.
        auto_scaling_group: Id<AutoScalingGroup>,
        /// What.
        change: GroupChange,
    },
    /// EC2 interrupts Spot Instances, the oldest first: it recommends to rebalance, gives notice, and takes them back.
    InterruptSpotInstances {
        /// Only those of this group.
        auto_scaling_group: Option<Id<AutoScalingGroup>>,
        /// Only those of this type.
        instance_type: Option<String>,
        /// Only those in this zone.
        availability_zone: Option<Id<AvailabilityZone>>,
        /// How many of those that run.
        instances: PartOfTasks,
    },
    /// A zone fails: all that runs there is lost, and nothing can be launched.
    AvailabilityZoneOutage {
        /// The zone.
        availability_zone: Id<AvailabilityZone>,
        /// For how long; for the rest of the run where `None`.
        lasts: Option<Span>,
    },
    /// EC2 has more or less of some types from now on, or at another price. On-Demand Instances that run go on; Spot Instances that are
    /// too many, or for which it wants more than their group pays, are interrupted.
    UpdateCapacityPool(CapacityPool),
    /// Fargate Spot takes back the capacity under running tasks, after its warning of two minutes.
    InterruptFargateSpot(SpotInterruption),
    /// AWS gives notice that it retires the platform revision that tasks on Fargate run on, and does so after a while: services
    /// replace their tasks, standalone ones are stopped. Tasks that are created after the notice are on a newer one.
    RetireFargateTasks {
        /// Only tasks of this service; all tasks on Fargate where `None`.
        service: Option<Id<ServiceDefinition>>,
        /// From the notice until the tasks are retired.
        notice: Span,
    },
    /// Fargate has no capacity for new tasks; those that run go on.
    FargateCapacityUnavailable {
        /// The kind of capacity.
        capacity: FargateCapacity,
        /// Only in this zone.
        availability_zone: Option<Id<AvailabilityZone>>,
        /// For how long; for the rest of the run where `None`.
        lasts: Option<Span>,
    },
    /// A fault of a group's launch template: instances that it launches from now on are in service and do not register.
    FailRegistration {
        /// The group.
        auto_scaling_group: Id<AutoScalingGroup>,
        /// What is wrong.
        failure: RegistrationFailure,
        /// For how long; for the rest of the run where `None`.
        lasts: Option<Span>,
    },
    /// `PutAccountSetting` of `awsvpcTrunking`: for instances that are launched from now on.
    PutAwsvpcTrunking {
        /// `enabled`
        is_enabled: bool,
    },
    /// Something is wrong.
    Fault {
        /// What.
        fault: Fault,
        /// For how long; for the rest of the run where `None`.
        lasts: Option<Span>,
    },
    /// `ModifyListener` (of a default rule) or `ModifyRule`: from now on the rule does this.
    ModifyRule {
        /// The rule.
        rule: Id<ListenerRule>,
        /// What it does; never to or from a redirect.
        action: Action,
    },
}

impl TimelineChange {
    /// Whether it is an `UpdateService` that begins a deployment: a new revision of the service, or the same by force
    /// (*UpdateService* in the API's reference, 2026). What else it changes is applied in place.
    pub fn begins_deployment(&self) -> bool {
        match self {
            TimelineChange::UpdateService {
                task_definition,
                network,
                force_new_deployment,
                volume,
                load_balancer,
                ..
            } => {
                let brings_more = volume.is_some() || load_balancer.is_some() || *force_new_deployment;
                task_definition.is_some() || network.is_some() || brings_more
            }
            _ => false,
        }
    }
}

/// Tasks on `FARGATE_SPOT` that are interrupted at once, the oldest first.
#[derive(Clone, Debug, PartialEq)]
pub struct SpotInterruption {
    /// Only tasks of this service.
    pub service: Option<Id<ServiceDefinition>>,
    /// Only tasks in this zone.
    pub availability_zone: Option<Id<AvailabilityZone>>,
    /// How many of those that run.
    pub tasks: PartOfTasks,
}

/// Some of the tasks that something can happen to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum PartOfTasks {
    /// So many, if there are as many.
    Count(u32),
    /// This share of them, above 0 and up to 1, rounded up.
    Share(f64),
}

impl PartOfTasks {
    /// How many that is of `all`.
    pub fn of(self, all: usize) -> usize {
        match self {
            PartOfTasks::Count(count) => all.min(count as usize),
            PartOfTasks::Share(share) => all.min(ceil_capacity(share * all as f64) as usize),
        }
    }
}

/// What is done to container instances by hand.
#[derive(Clone, Debug, PartialEq)]
pub enum ContainerInstanceChange {
    /// `UpdateContainerInstancesState` to DRAINING, of ACTIVE ones.
    Drain,
    /// `UpdateContainerInstancesState` to ACTIVE, of DRAINING ones that their group does not terminate.
    Activate,
    /// `DeregisterContainerInstance` with `force`, of ACTIVE and DRAINING ones: their tasks are orphaned.
    Deregister,
    /// The agents lose their connection to ECS.
    DisconnectAgent {
        /// For how long; for the rest of the run where `None`.
        lasts: Option<Span>,
    },
    /// `PutAttributes`: names with their new values.
    PutAttributes(Vec<(String, String)>),
}
