//! What makes tasks end where ECS does not say it: found when their checks fail, since it depends on where they are and since when, and
//! put down as the cause of their end when they are stopped for that very check.

use crate::aws::capacity_provider::CapacityProviderType;
use crate::aws::container::lacked_command;
use crate::aws::load_balancer::LoadBalancerType;
use crate::aws::start_failure::{StartFailure, is_of_secrets_manager, registry_of};
use crate::aws::stop_cause::{NoEgress, PullCaller, StopCause};
use crate::aws::subnet::EndpointService;
use crate::aws::task_definition::{NetworkMode, Protocol};
use crate::cluster::{ContainerStatus, InstanceStatus, Target, TargetHealthReason, Task};
use crate::control::Control;
use crate::table::Id;

/// Who checks whether a task is healthy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum CheckedBy {
    /// The load balancer, as its target group says.
    LoadBalancer,
    /// The agent, as `healthCheck` of its containers says.
    Containers,
}

impl Control<'_> {
    /// Puts down why a target has just become unhealthy, where that is known: its task may be stopped for it.
    pub(super) fn note_why_target_is_unhealthy(&mut self, target: Id<Target>, reason: TargetHealthReason) {
        let task = self.cluster.targets[target].task;
        if let Some(cause) = self.why_target_is_unhealthy(target, reason) {
            self.why_unhealthy.insert((task, CheckedBy::LoadBalancer), cause);
        }
    }

    /// Puts down why a container has just become unhealthy, where that is known: its task may be stopped for it.
    pub(super) fn note_why_container_is_unhealthy(&mut self, task: Id<Task>, place: usize, cause: Option<StopCause>) {
        let container = &self.definition_of(task).containers[place];
        let lacked = lacked_command(&container.health_check_command, &container.application.lacked_commands);
        let cause = lacked.map(|it| StopCause::LacksCommand(it.to_owned())).or(cause);
        if let Some(cause) = cause {
            self.why_unhealthy.entry((task, CheckedBy::Containers)).or_insert(cause);
        }
    }

    /// A task is healthy again by one of those who check it.
    pub(super) fn forget_why_unhealthy(&mut self, task: Id<Task>, by: CheckedBy) {
        self.why_unhealthy.remove(&(task, by));
    }

    /// `stoppedReason` of a task that is stopped since it is unhealthy; puts down the cause of what it names.
    pub(super) fn fails_health_checks(&mut self, task: Id<Task>) -> String {
        let by = match self.has_unhealthy_containers(task) {
            true => CheckedBy::Containers,
            false => CheckedBy::LoadBalancer,
        };
        if let Some(cause) = self.why_unhealthy.remove(&(task, by)) {
            self.records.stop_causes.insert(task, cause);
        }
        match by {
            CheckedBy::Containers => "Task failed container health checks".to_owned(),
            CheckedBy::LoadBalancer => {
                let place = self.registered_in(task).map_or(String::new(), |it| format!(" in ({it})"));
                format!("Task failed ELB health checks{place}")
            }
        }
    }

    /// Where a task is registered with a load balancer, as ECS names it.
    fn registered_in(&self, task: Id<Task>) -> Option<String> {
        let target = self.cluster.tasks[task].target?;
        let group = &self.scenario.target_groups[self.cluster.targets[target].target_group];
        let balancer = &self.scenario.load_balancers[group.load_balancer];
        Some(match balancer.kind {
            LoadBalancerType::Classic => format!("elb {}", balancer.name),
            _ => format!("target-group {}", group.name),
        })
    }

    fn why_target_is_unhealthy(&self, target: Id<Target>, reason: TargetHealthReason) -> Option<StopCause> {
        let Target { task, target_group, is_reachable, .. } = self.cluster.targets[target];
        let row = &self.cluster.tasks[task];
        let service = row.service()?;
        let group = &self.scenario.target_groups[target_group];
        let balancer = &self.scenario.load_balancers[group.load_balancer];
        let zone = self.cluster.zone_of_task(task)?;
        if !balancer.availability_zones.contains(&zone) {
            let availability_zone = self.scenario.availability_zones[zone].name.clone();
            return Some(StopCause::ZoneNotEnabled { load_balancer: balancer.name.clone(), availability_zone });
        }
        if !is_reachable {
            return self.security_groups_keep_out(task);
        }
        Some(match (row.process_is_up, reason) {
            (true, TargetHealthReason::Timeout) => StopCause::AnswersTooLate(group.health_check.timeout),
            (true, _) => StopCause::QueueIsFull,
            (false, _) if self.instance_is_lost(task) => StopCause::InstanceIsLost,
            (false, _) if self.process_has_been_up(task) => StopCause::ProcessIsDown,
            (false, _) => StopCause::GracePeriodTooShort(self.services[service.index()].health_check_grace_period),
        })
    }

    /// Whether nothing under a task answers any more.
    fn instance_is_lost(&self, task: Id<Task>) -> bool {
        self.cluster.tasks[task].instance().is_some_and(|it| {
            self.cluster.instances[it].status == InstanceStatus::Terminated
                || self.instances_in_groups[it.index()].impaired_since.is_some()
        })
    }

    /// Whether the process that answers had come up once, so that it is not starting for the first time.
    fn process_has_been_up(&self, task: Id<Task>) -> bool {
        let row = &self.cluster.tasks[task];
        let serving = row.containers.get(self.serving_container(task));
        row.healthy_at.is_some()
            || serving.is_some_and(|it| it.restart_count > 0 || it.status == ContainerStatus::Stopped)
    }

    fn security_groups_keep_out(&self, task: Id<Task>) -> Option<StopCause> {
        let (protocol, port): (Protocol, u16) = self.port_of_target(task)?;
        let groups = self.security_groups_of(task);
        Some(StopCause::SecurityGroups {
            names: groups.iter().map(|it| self.scenario.security_groups[*it].name.clone()).collect(),
            ingress: groups.iter().flat_map(|it| self.scenario.security_groups[*it].ingress.clone()).collect(),
            protocol,
            ports: port..=port,
            is_host_port: self.definition_of(task).network_mode != NetworkMode::Awsvpc,
        })
    }

    /// Puts down why a task has neither an image nor a secret, where ECS does not say it.
    pub(super) fn note_why_pull_fails(&mut self, task: Id<Task>, failure: &StartFailure) {
        if let Some(cause) = self.why_pull_fails(task, failure) {
            self.records.stop_causes.insert(task, cause);
        }
    }

    fn why_pull_fails(&self, task: Id<Task>, failure: &StartFailure) -> Option<StopCause> {
        match failure {
            StartFailure::RegistryNotReached(image) => {
                let registry = registry_of(image);
                let by = self.why_not_let_out(task, EndpointService::of_registry(registry));
                Some(match by {
                    Some(by) => StopCause::NotLetOut { whom: format!("registry `{registry}`"), by },
                    None => StopCause::RegistryIsSilent(registry.to_owned()),
                })
            }
            StartFailure::SecretNotReached(secret) => {
                let (whom, endpoint) = match is_of_secrets_manager(secret) {
                    true => ("AWS Secrets Manager", EndpointService::SecretsManager),
                    false => ("AWS Systems Manager Parameter Store", EndpointService::Ssm),
                };
                let by = self.why_not_let_out(task, Some(endpoint))?;
                Some(StopCause::NotLetOut { whom: whom.to_owned(), by })
            }
            StartFailure::PullStalls(image) => Some(StopCause::RegistryIsSilent(registry_of(image).to_owned())),
            StartFailure::TooManyRequests(image) => Some(StopCause::RegistryTurnsAway(registry_of(image).to_owned())),
            StartFailure::PullQuotaExceeded { image, quota, .. } => {
                let quota = &self.scenario.pull_quotas[*quota];
                let by = match self.goes_by_nat(task) {
                    _ if quota.is_authenticated => PullCaller::Account,
                    true => PullCaller::NatGateway,
                    false => PullCaller::OwnAddress,
                };
                let registry = registry_of(image).to_owned();
                Some(StopCause::PullQuotaUsedUp { registry, pulls: quota.pulls, window: quota.window, by })
            }
            StartFailure::ImageNotFound(_)
            | StartFailure::PlatformNotInManifest(_)
            | StartFailure::SecretNotFound(_)
            | StartFailure::RoleNotAssumed(_)
            | StartFailure::TimedOut(..) => None,
        }
    }

    fn why_not_let_out(&self, task: Id<Task>, endpoint: Option<EndpointService>) -> Option<NoEgress> {
        let egress = self.egress_of(task);
        if !self.scenario.lets_out(egress.security_groups) {
            let groups = || egress.security_groups.iter().map(|it| &self.scenario.security_groups[*it]);
            return Some(NoEgress::SecurityGroups {
                names: groups().map(|it| it.name.clone()).collect(),
                egress: groups().flat_map(|it| it.egress.clone()).collect(),
            });
        }
        let subnet = egress.subnet.filter(|it| !it.reaches(endpoint, egress.has_public_ip))?;
        Some(NoEgress::Route {
            subnet: subnet.name.clone(),
            default_route: subnet.default_route,
            is_on_fargate: self.cluster.tasks[task].is_on_fargate(),
            endpoint,
        })
    }

    /// Puts down what has kept a task in PROVISIONING for so long that it is given up.
    pub(super) fn note_lack_of_room(&mut self, task: Id<Task>) {
        let provider = self.cluster.tasks[task].capacity_provider.map(|it| &self.scenario.capacity_providers[it].kind);
        let largest_group = match provider {
            Some(CapacityProviderType::AutoScalingGroup(group)) => {
                let state = &self.groups[group.index()];
                let name = &self.scenario.auto_scaling_groups[*group].name;
                (state.desired_capacity >= state.max_size).then(|| (name.clone(), state.max_size))
            }
            _ => None,
        };
        let waited = self.scenario.assumptions.provisioning_timeout;
        self.records.stop_causes.insert(task, StopCause::NoRoom { waited, largest_group });
    }
}
