//! Who starts tasks, and what is said of where they run: `CreateService` and `RunTask` say it alike.

use crate::aws::capacity_provider::CapacityProviderStrategyItem;
use crate::aws::fargate::PlatformVersion;
use crate::aws::operating_system::OperatingSystemFamily;
use crate::aws::placement::{PlacementConstraint, PlacementStrategy};
use crate::aws::run_task::RunTask;
use crate::aws::service::ServiceDefinition;
use crate::aws::subnet::NetworkConfiguration;
use crate::aws::volume::EbsVolume;
use crate::table::Id;

/// Who started a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Launcher {
    /// The scheduler of a service.
    Service(Id<ServiceDefinition>),
    /// Calls of `RunTask`: a standalone task, which nobody replaces.
    RunTask(Id<RunTask>),
}

impl Launcher {
    /// The service, where it is one.
    pub fn service(self) -> Option<Id<ServiceDefinition>> {
        match self {
            Launcher::Service(service) => Some(service),
            Launcher::RunTask(_) => None,
        }
    }
}

/// A task group: `group` of tasks, as `distinctInstance`, `spread` and `task:group` see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskGroup {
    /// `service:NAME` of a service's tasks, `family:FAMILY` of standalone ones that name no other.
    pub name: String,
}

/// Where tasks are to run.
#[derive(Clone, Debug, PartialEq)]
pub struct Launch {
    /// The group of the tasks; several calls of `RunTask` may share one.
    pub task_group: Id<TaskGroup>,
    /// Strategies, at most five; none is ECS's default of services: spread over zones, then fewest tasks of the group.
    pub placement_strategy: Vec<PlacementStrategy>,
    /// Constraints, at most ten with those of the task definition.
    pub placement_constraints: Vec<PlacementConstraint>,
    /// Providers; empty is launch type EC2: any registered instance, and no growth for tasks that do not fit. Launch type
    /// FARGATE is the provider `FARGATE` alone.
    pub capacity_provider_strategy: Vec<CapacityProviderStrategyItem>,
    /// The platform version of tasks on Fargate.
    pub platform_version: PlatformVersion,
    /// The platform family of tasks on Fargate, where it is said; it must be that of their definition.
    pub platform_family: Option<OperatingSystemFamily>,
    /// What the network interfaces of tasks of network mode `awsvpc` have.
    pub network: NetworkConfiguration,
    /// The EBS volume that each task gets (`volumeConfigurations`), from its placement until it is STOPPED.
    pub volume: Option<EbsVolume>,
}
