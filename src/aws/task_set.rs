//! Task sets: what an external deployment controller gives a service, each with a revision and a share of its tasks.
//!
//! Follows *Deploy Amazon ECS services using a third-party controller* in the developer guide (2026), and `CreateTaskSet`,
//! `UpdateTaskSet`, `DeleteTaskSet`, `UpdateServicePrimaryTaskSet` and `TaskSet` in the API's reference. Left out: service registries.

use crate::aws::capacity_provider::CapacityProviderStrategyItem;
use crate::aws::service::Registration;
use crate::aws::subnet::NetworkConfiguration;
use crate::aws::task_definition::TaskDefinition;
use crate::table::Id;

/// A task set as it is created.
#[derive(Clone, Debug, PartialEq)]
pub struct TaskSetDefinition {
    /// `externalId`, by which the scenario names it; AWS does not insist that it is the only one of its service.
    pub external_id: String,
    /// What it runs.
    pub task_definition: Id<TaskDefinition>,
    /// What its tasks are registered as; `None` without a load balancer.
    pub registration: Option<Registration>,
    /// `networkConfiguration`; its service's first task set's where `None`.
    pub network: Option<Id<NetworkConfiguration>>,
    /// The providers of its tasks; empty is launch type EC2.
    pub capacity_provider_strategy: Vec<CapacityProviderStrategyItem>,
    /// `scale`, when it is created.
    pub scale: Scale,
    /// Whether it is PRIMARY from the beginning; of those that the timeline creates none is.
    pub is_primary: bool,
    /// Whether the timeline creates it; else its service has it from the beginning.
    pub is_created_later: bool,
    /// Which life of its service it is created in, from 0: those that the service begins with are there in each.
    pub life: u32,
}

/// `scale`: a share of the service's desired count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Scale {
    /// Millionths of the desired count, up to 1,000,000.
    millionths: u32,
}

impl Scale {
    /// `value` with `unit: PERCENT`, from 0 to 100.
    pub fn percent(value: f64) -> Scale {
        Scale { millionths: libm::round(value.clamp(0.0, 100.0) * 10_000.0) as u32 }
    }

    /// The same in percent again.
    pub fn as_percent(self) -> f64 {
        f64::from(self.millionths) / 10_000.0
    }

    /// `computedDesiredCount`: always rounded up.
    pub fn computed_desired_count(self, desired_count: u32) -> u32 {
        (u64::from(desired_count) * u64::from(self.millionths)).div_ceil(1_000_000) as u32
    }
}

/// `status` of a task set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TaskSetStatus {
    /// Not created yet; `DescribeTaskSets` does not know it.
    Missing,
    /// It serves production traffic.
    Primary,
    /// It does not.
    Active,
    /// It was deleted: its tasks are stopped and their targets deregistered.
    Draining,
    /// It was deleted, and its tasks are STOPPED.
    Deleted,
}

impl TaskSetStatus {
    /// Whether `UpdateTaskSet` and the others find it.
    pub fn is_there(self) -> bool {
        matches!(self, TaskSetStatus::Primary | TaskSetStatus::Active)
    }
}

/// `stabilityStatus` of a task set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StabilityStatus {
    /// Tasks are started or stopped, or are not all healthy, or some run on DRAINING container instances.
    #[default]
    Stabilizing,
    /// As many tasks run as are computed, none is pending, all are healthy.
    SteadyState,
}

/// What is done to a task set.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum TaskSetChange {
    /// `CreateTaskSet`
    Create,
    /// `UpdateTaskSet`
    Update(Scale),
    /// `DeleteTaskSet`
    Delete {
        /// `force`: whether it may be scaled above 0.
        force: bool,
    },
    /// `UpdateServicePrimaryTaskSet`
    MakePrimary,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn computed_desired_counts_are_rounded_up() {
        for (desired, percent, computed) in [
            (4, 30.0, 2),
            (3, 40.0, 2),
            (10, 10.0, 1),
            (10, 10.1, 2),
            (100, 7.0, 7),
            (5_000, 100.0, 5_000),
            (5, 0.0, 0),
            (0, 50.0, 0),
        ] {
            assert_eq!(Scale::percent(percent).computed_desired_count(desired), computed, "{percent} % of {desired}");
        }
        assert_eq!(Scale::percent(12.5).as_percent(), 12.5);
    }
}
