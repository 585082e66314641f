//! Services: how many tasks of what, kept how.
//!
//! Follows *Amazon ECS service deployment controllers and strategies* in the developer guide (2026).

use crate::aws::deployment::DeploymentConfiguration;
use crate::aws::launch::Launch;
use crate::aws::listener::ListenerRule;
use crate::aws::load_balancer::TargetGroup;
use crate::aws::metric::ServiceMetric;
use crate::aws::task_definition::TaskDefinition;
use crate::table::Id;
use crate::units::Span;

/// A service as the scenario defines it.
#[derive(Clone, Debug, PartialEq)]
pub struct ServiceDefinition {
    /// Name.
    pub name: String,
    /// Where its tasks run, in the group `service:NAME`.
    pub launch: Launch,
    /// What it runs.
    pub task_definition: Id<TaskDefinition>,
    /// What decides how many tasks there are.
    pub scheduling_strategy: SchedulingStrategy,
    /// How many tasks, 0 to 5000; 0 with DAEMON, where it follows from the instances.
    pub desired_count: u32,
    /// `minimumHealthyPercent`; AWS's default is 100, and 0 with DAEMON.
    pub minimum_healthy_percent: u32,
    /// `maximumPercent`; AWS's default is 200. With DAEMON it is 100.
    pub maximum_percent: u32,
    /// The rest of `deploymentConfiguration`.
    pub deployment: DeploymentConfiguration,
    /// `healthCheckGracePeriodSeconds`; AWS's default is 0.
    pub health_check_grace_period: Span,
    /// Metrics that are published each 20 s besides each minute, at the price of custom metrics (`monitoring`, with
    /// `resolutionSeconds: 20`).
    pub high_resolution_metrics: Vec<ServiceMetric>,
    /// Where its tasks are registered, and the container that serves there.
    pub load_balancer: Option<ServiceLoadBalancer>,
    /// Task scale-in protection (`UpdateTaskProtection`): how long each task protects itself from RUNNING on, as a worker does that
    /// calls the agent's endpoint when it takes a job. A minute to two days; `None` where tasks do not protect themselves.
    pub task_protection: Option<Span>,
}

/// `schedulingStrategy` of a service.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SchedulingStrategy {
    /// As many tasks as are desired, wherever placement puts them.
    #[default]
    Replica,
    /// One task on each ACTIVE container instance that meets the placement constraints, and none elsewhere.
    Daemon,
}

/// `loadBalancers` of a service.
#[derive(Clone, Debug, PartialEq)]
pub struct ServiceLoadBalancer {
    /// The target group.
    pub target_group: Id<TargetGroup>,
    /// `advancedConfiguration`, by which a deployment shifts traffic between two target groups.
    pub alternate: Option<AlternateTargetGroup>,
    /// Position in the task definition of the container that serves.
    pub container: usize,
    /// Its port.
    pub container_port: u16,
}

impl ServiceLoadBalancer {
    /// The target groups that its tasks are ever registered with, its own first.
    pub fn target_groups(&self) -> impl Iterator<Item = Id<TargetGroup>> {
        std::iter::once(self.target_group).chain(self.alternate.map(|it| it.target_group))
    }
}

/// `advancedConfiguration` of a service's load balancer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AlternateTargetGroup {
    /// `alternateTargetGroupArn`: the other one; deployments take turns.
    pub target_group: Id<TargetGroup>,
    /// `productionListenerRule`: the rule whose weights they change.
    pub production_rule: Id<ListenerRule>,
    /// `testListenerRule`: the rule that sends to green before the other does.
    pub test_rule: Option<Id<ListenerRule>>,
}

/// Fewest healthy tasks and most tasks at once (`UpdateService`): `ceil` of the minimum, `floor` of the maximum.
pub fn deployment_bounds(desired: u32, minimum_healthy_percent: u32, maximum_percent: u32) -> (u32, u32) {
    (
        crate::units::percent_ceil(desired, minimum_healthy_percent),
        crate::units::percent_floor(desired, maximum_percent),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn we_47_to_50_bounds_of_a_deployment() {
        for (desired, minimum, maximum, lower, upper) in [
            (4, 50, 200, 2, 8),
            (2, 75, 200, 2, 4),
            (3, 100, 125, 3, 3),
            (10, 95, 105, 10, 10),
            (10, 90, 110, 9, 11),
            (7, 50, 150, 4, 10),
            (3, 66, 150, 2, 4),
            (1, 100, 200, 1, 2),
            (1, 0, 100, 0, 1),
        ] {
            assert_eq!(deployment_bounds(desired, minimum, maximum), (lower, upper), "{desired} {minimum} {maximum}");
        }
    }
}
