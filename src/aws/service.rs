//! Services: how many tasks of what, kept how.
//!
//! Follows *Amazon ECS service deployment controllers and strategies* in the developer guide (2026).

use crate::aws::deployment::DeploymentConfiguration;
use crate::aws::launch::Launch;
use crate::aws::listener::ListenerRule;
use crate::aws::load_balancer::TargetGroup;
use crate::aws::metric::ServiceMetric;
use crate::aws::placement::{PlacementConstraint, PlacementStrategy, SpreadField};
use crate::aws::task_definition::TaskDefinition;
use crate::aws::task_set::TaskSetDefinition;
use crate::table::Id;
use crate::units::Span;

/// A service as the scenario defines it.
#[derive(Clone, Debug, PartialEq)]
pub struct ServiceDefinition {
    /// Name.
    pub name: String,
    /// Where its tasks run, in the group `service:NAME`.
    pub launch: Launch,
    /// What it runs; with task sets what the first of them does.
    pub task_definition: Id<TaskDefinition>,
    /// Task sets, by their numbers: those that it begins with, then those that the timeline creates; none unless its deployment
    /// controller is EXTERNAL.
    pub task_sets: Vec<TaskSetDefinition>,
    /// What decides how many tasks there are.
    pub scheduling_strategy: SchedulingStrategy,
    /// How many tasks, 0 to 5000; 0 with DAEMON, where it follows from the instances.
    pub desired_count: u32,
    /// `minimumHealthyPercent`; AWS's default is 100, and 0 with DAEMON.
    pub minimum_healthy_percent: u32,
    /// `maximumPercent`; AWS's default is 200. With DAEMON it is 100.
    pub maximum_percent: u32,
    /// `availabilityZoneRebalancing`: whether it is ENABLED; AWS's default where the service is eligible.
    pub availability_zone_rebalancing: bool,
    /// Whether the timeline creates it; else it is there when the run begins.
    pub is_created_later: bool,
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

impl ServiceDefinition {
    /// The task set of a number; those of a second life are numbered on from those of the first. `None` where ECS deploys the service.
    pub fn task_set(&self, number: u32) -> Option<&TaskSetDefinition> {
        self.task_sets.get(number as usize % self.task_sets.len().max(1))
    }
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

/// `status` of a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServiceStatus {
    /// Not created yet; `DescribeServices` says `MISSING`.
    Missing,
    /// The scheduler keeps its tasks.
    Active,
    /// It was deleted, and some of its tasks are not STOPPED.
    Draining,
    /// It was deleted, and its tasks are STOPPED.
    Inactive,
}

impl ServiceStatus {
    /// As the API spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            ServiceStatus::Missing => "MISSING",
            ServiceStatus::Active => "ACTIVE",
            ServiceStatus::Draining => "DRAINING",
            ServiceStatus::Inactive => "INACTIVE",
        }
    }
}

/// Why Availability Zone rebalancing does not work for a service (*Balancing an Amazon ECS service across Availability Zones*).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotRebalanced {
    /// Its scheduling strategy is DAEMON.
    Daemon,
    /// Its `maximumPercent` is 100, so that no task can start before another stops.
    MaximumPercent,
    /// Its first placement strategy is none of spread over zones.
    PlacementStrategy,
    /// A placement constraint speaks of `ecs.availability-zone`.
    PlacementConstraint,
    /// It has a Classic Load Balancer.
    ClassicLoadBalancer,
    /// Its deployment controller is EXTERNAL.
    ExternalController,
}

impl NotRebalanced {
    /// What the service has that rebalancing does not work with.
    pub fn words(self) -> &'static str {
        match self {
            NotRebalanced::Daemon => "the scheduling strategy DAEMON",
            NotRebalanced::MaximumPercent => "a `maximumPercent` of 100",
            NotRebalanced::PlacementStrategy => {
                "a first placement strategy other than a spread over Availability Zones"
            }
            NotRebalanced::PlacementConstraint => "a placement constraint on `ecs.availability-zone`",
            NotRebalanced::ClassicLoadBalancer => "a Classic Load Balancer",
            NotRebalanced::ExternalController => "the deployment controller EXTERNAL",
        }
    }
}

/// What keeps a service from being rebalanced; `None` where it is eligible. Of the load balancer the caller knows.
pub fn not_rebalanced<'c>(
    scheduling_strategy: SchedulingStrategy,
    maximum_percent: u32,
    placement_strategy: &[PlacementStrategy],
    mut placement_constraints: impl Iterator<Item = &'c PlacementConstraint>,
) -> Option<NotRebalanced> {
    let spreads_over_zones = |it: &PlacementStrategy| *it == PlacementStrategy::Spread(SpreadField::AvailabilityZone);
    let names_a_zone =
        |it: &PlacementConstraint| it.expression().is_some_and(|it| it.attributes().contains(&"ecs.availability-zone"));
    if scheduling_strategy == SchedulingStrategy::Daemon {
        Some(NotRebalanced::Daemon)
    } else if maximum_percent <= 100 {
        Some(NotRebalanced::MaximumPercent)
    } else if !placement_strategy.first().is_none_or(spreads_over_zones) {
        Some(NotRebalanced::PlacementStrategy)
    } else if placement_constraints.any(names_a_zone) {
        Some(NotRebalanced::PlacementConstraint)
    } else {
        None
    }
}

/// Which zones give a task each, and which get one, to come closer to `floor(D / Z)` or `ceil(D / Z)` tasks in each: the fullest
/// gives to the emptiest, the next to the next, and a zone has part in one move at a time (inferred). Nothing where no two zones
/// differ by more than one. Where a task cannot go from one zone to the other, as `can_move` tells, the next zone is asked.
pub fn rebalancing_moves(tasks_in: &[u32], mut can_move: impl FnMut(usize, usize) -> bool) -> Vec<(usize, usize)> {
    let mut zones: Vec<usize> = (0..tasks_in.len()).collect();
    zones.sort_by_key(|it| (tasks_in[*it], *it));
    let mut givers: Vec<usize> = zones.iter().rev().copied().collect();
    let mut moves = Vec::new();
    for &to in &zones {
        let Some(&from) = givers.first().filter(|it| tasks_in[**it] >= tasks_in[to] + 2) else { break };
        if can_move(from, to) {
            moves.push((from, to));
            givers.remove(0);
        }
    }
    moves
}

/// `loadBalancers` of a service.
#[derive(Clone, Debug, PartialEq)]
pub struct ServiceLoadBalancer {
    /// The target group; with task sets that of the first that has one.
    pub target_group: Id<TargetGroup>,
    /// Those of its other task sets, or those that `UpdateService` gives it later.
    pub others: Vec<Id<TargetGroup>>,
    /// Whether the service begins without any, and `UpdateService` brings the first.
    pub is_added_later: bool,
    /// `advancedConfiguration`, by which a deployment shifts traffic between two target groups.
    pub alternate: Option<AlternateTargetGroup>,
    /// `containerName`: the container that serves, wherever it stands in a revision.
    pub container_name: String,
    /// `containerPort`
    pub container_port: u16,
}

/// What the load balancer of a revision's tasks looks for: an item of `loadBalancers`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Registration {
    /// `targetGroupArn`: where the tasks are registered.
    pub target_group: Id<TargetGroup>,
    /// The position in their task definition of the container that serves.
    pub container: usize,
    /// `containerPort`
    pub container_port: u16,
}

impl Registration {
    /// The registration of a revision's tasks where `container_name` serves at `container_port`: the name and the port decide, not the
    /// place of the container.
    ///
    /// # Errors
    ///
    /// When the revision has no such container, or that maps no such port.
    pub fn of(
        target_group: Id<TargetGroup>,
        (container_name, container_port): (&str, u16),
        revision: &TaskDefinition,
    ) -> Result<Registration, NotRegistrable> {
        let container = revision.containers.iter().position(|it| it.name == container_name);
        let container = container.ok_or(NotRegistrable::NoContainer)?;
        let mut mappings = revision.containers[container].port_mappings.iter();
        if mappings.any(|it| it.container_port == container_port) {
            Ok(Registration { target_group, container, container_port })
        } else {
            Err(NotRegistrable::NoPort)
        }
    }
}

/// Why tasks of a revision cannot be registered with a load balancer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotRegistrable {
    /// It has no container of that name.
    NoContainer,
    /// The container does not map that port.
    NoPort,
}

impl NotRegistrable {
    /// In ECS's words; those of a port as users have published them, those of a container by recollection.
    pub fn words(self, (container_name, container_port): (&str, u16)) -> String {
        match self {
            NotRegistrable::NoContainer => format!(
                "InvalidParameterException: The container {container_name} does not exist in the task definition."
            ),
            NotRegistrable::NoPort => format!(
                "InvalidParameterException: The container {container_name} did not have a container port {container_port} defined."
            ),
        }
    }
}

impl ServiceLoadBalancer {
    /// That of a service whose tasks are all registered with one target group.
    pub fn of(target_group: Id<TargetGroup>, container_name: String, container_port: u16) -> ServiceLoadBalancer {
        ServiceLoadBalancer {
            target_group,
            others: Vec::new(),
            is_added_later: false,
            alternate: None,
            container_name,
            container_port,
        }
    }

    /// What tasks of its first revision are registered as; `None` where the service begins without a load balancer.
    pub fn first_registration(&self, revision: &TaskDefinition) -> Option<Registration> {
        self.registration(revision).ok().filter(|_| !self.is_added_later)
    }

    /// What it says of the tasks of a revision.
    ///
    /// # Errors
    ///
    /// When the revision has no such container, or that maps no such port.
    pub fn registration(&self, revision: &TaskDefinition) -> Result<Registration, NotRegistrable> {
        Registration::of(self.target_group, (&self.container_name, self.container_port), revision)
    }

    /// The place in a revision of the container that serves; `None` where there is none of that name.
    pub fn container_in(&self, revision: &TaskDefinition) -> Option<usize> {
        revision.containers.iter().position(|it| it.name == self.container_name)
    }

    /// Whether some of its tasks may be registered with another target group than others, without a rule of its own that tells which
    /// of them has production traffic.
    pub fn has_several_groups(&self) -> bool {
        self.is_added_later || !self.others.is_empty()
    }

    /// The target groups that its tasks are ever registered with, its own first.
    pub fn target_groups(&self) -> impl Iterator<Item = Id<TargetGroup>> {
        let others = self.alternate.map(|it| it.target_group).into_iter().chain(self.others.iter().copied());
        std::iter::once(self.target_group).chain(others)
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
    use crate::aws::cluster_query::Expression;

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

    #[test]
    fn we_62_zones_differ_by_one_task_at_most() {
        let moves = |tasks_in: &[u32]| rebalancing_moves(tasks_in, |_, _| true);
        assert_eq!(moves(&[1, 1]), [], "2 in 2 zones");
        assert_eq!(moves(&[1, 2]), [], "3 in 2 zones");
        assert_eq!(moves(&[1, 2, 2]), [], "5 in 3 zones");
        assert_eq!(moves(&[2, 0]), [(0, 1)], "one starts in the second zone, then one stops in the first");
        assert_eq!(moves(&[5, 5, 0, 0]), [(1, 2), (0, 3)], "one for each pair at a time");
        assert_eq!(moves(&[3, 3, 0]), [(1, 2)]);
        assert_eq!(rebalancing_moves(&[4, 2, 0], |_, to| to != 2), [(0, 1)], "the third zone is full");
        assert_eq!(rebalancing_moves(&[4, 3, 0], |_, to| to != 2), [], "which would change nothing");
    }

    #[test]
    fn what_rebalancing_does_not_work_with() {
        let of = |strategy, maximum, placement: &[PlacementStrategy], constraint: Option<&str>| {
            let constraint =
                constraint.map(|it| PlacementConstraint::MemberOf(Expression::parse(it).expect("an expression")));
            not_rebalanced(strategy, maximum, placement, constraint.iter())
        };
        let replica = SchedulingStrategy::Replica;
        let zones = PlacementStrategy::Spread(SpreadField::AvailabilityZone);
        assert_eq!(of(replica, 200, &[], None), None);
        assert_eq!(of(replica, 101, &[zones.clone(), PlacementStrategy::Random], None), None);
        assert_eq!(of(replica, 200, &[], Some("attribute:ecs.instance-type == t3.small")), None);
        assert_eq!(of(SchedulingStrategy::Daemon, 100, &[], None), Some(NotRebalanced::Daemon));
        assert_eq!(of(replica, 100, &[], None), Some(NotRebalanced::MaximumPercent));
        let random_first = [PlacementStrategy::Random, zones];
        assert_eq!(of(replica, 200, &random_first, None), Some(NotRebalanced::PlacementStrategy));
        let in_a_zone = Some("attribute:ecs.availability-zone in [us-east-1a, us-east-1b]");
        assert_eq!(of(replica, 200, &[], in_a_zone), Some(NotRebalanced::PlacementConstraint));
        let not_of_it = Some("not(task:group == service:db) and not(attribute:ecs.availability-zone == us-east-1a)");
        assert_eq!(of(replica, 200, &[], not_of_it), Some(NotRebalanced::PlacementConstraint));
    }
}
