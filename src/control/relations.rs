//! What belongs to what, found once: whoever looks for the target of a service or the services behind a load balancer each
//! minute must not ask all others.

use crate::aws::auto_scaling_group::AutoScalingGroup;
use crate::aws::load_balancer::{LoadBalancer, TargetGroup};
use crate::aws::scaling_policy::{ScalableTarget, ScalingPolicy, ScalingPolicyKind, ScalingTarget};
use crate::aws::service::ServiceDefinition;
use crate::scenario::Scenario;
use crate::table::Id;

/// What belongs to what.
pub struct Relations {
    target_of_service: Vec<Option<Id<ScalableTarget>>>,
    groups_of_load_balancer: Vec<Vec<Id<TargetGroup>>>,
    services_of_group: Vec<Vec<Id<ServiceDefinition>>>,
    services_of_load_balancer: Vec<Vec<Id<ServiceDefinition>>>,
    policies_of_group: Vec<Vec<Id<ScalingPolicy>>>,
    /// Where the rows of a minute have a load balancer's and a target group's.
    row_of_load_balancer: Vec<usize>,
    row_of_group: Vec<usize>,
}

impl Relations {
    /// Finds them.
    pub fn of(scenario: &Scenario) -> Relations {
        let mut relations = Relations {
            target_of_service: vec![None; scenario.services.len()],
            groups_of_load_balancer: vec![Vec::new(); scenario.load_balancers.len()],
            services_of_group: vec![Vec::new(); scenario.target_groups.len()],
            services_of_load_balancer: vec![Vec::new(); scenario.load_balancers.len()],
            policies_of_group: vec![Vec::new(); scenario.auto_scaling_groups.len()],
            row_of_load_balancer: Vec::new(),
            row_of_group: vec![0; scenario.target_groups.len()],
        };
        for (target, definition) in scenario.scalable_targets.entries() {
            relations.target_of_service[definition.service.index()].get_or_insert(target);
        }
        for (policy, definition) in scenario.scaling_policies.entries() {
            let is_dynamic = !matches!(definition.kind, ScalingPolicyKind::Predictive(_));
            if let (ScalingTarget::Group(group), true) = (definition.target, is_dynamic) {
                relations.policies_of_group[group.index()].push(policy);
            }
        }
        for (group, definition) in scenario.target_groups.entries() {
            relations.groups_of_load_balancer[definition.load_balancer.index()].push(group);
        }
        for (service, definition) in scenario.services.entries() {
            if let Some(it) = &definition.load_balancer {
                for group in it.target_groups() {
                    relations.services_of_group[group.index()].push(service);
                    let load_balancer = scenario.target_groups[group].load_balancer;
                    let behind = &mut relations.services_of_load_balancer[load_balancer.index()];
                    if behind.last() != Some(&service) {
                        behind.push(service);
                    }
                }
            }
        }
        let mut row = 0;
        for groups in &relations.groups_of_load_balancer {
            relations.row_of_load_balancer.push(row);
            for (place, group) in groups.iter().enumerate() {
                relations.row_of_group[group.index()] = row + 1 + place;
            }
            row += 1 + groups.len();
        }
        relations
    }

    /// The scalable target of a service.
    pub fn target_of(&self, service: Id<ServiceDefinition>) -> Option<Id<ScalableTarget>> {
        self.target_of_service[service.index()]
    }

    /// Scaling policies of an Auto Scaling group's own that alarms invoke.
    pub fn policies_of(&self, group: Id<AutoScalingGroup>) -> &[Id<ScalingPolicy>] {
        &self.policies_of_group[group.index()]
    }

    /// Target groups of a load balancer, in the scenario's order.
    pub fn groups_of(&self, load_balancer: Id<LoadBalancer>) -> &[Id<TargetGroup>] {
        &self.groups_of_load_balancer[load_balancer.index()]
    }

    /// Services whose tasks are targets of a group, or of any group of a load balancer, in the scenario's order.
    pub fn services_behind(
        &self,
        load_balancer: Id<LoadBalancer>,
        group: Option<Id<TargetGroup>>,
    ) -> &[Id<ServiceDefinition>] {
        match group {
            Some(group) => &self.services_of_group[group.index()],
            None => &self.services_of_load_balancer[load_balancer.index()],
        }
    }

    /// Where a minute's rows of load balancers, each before its target groups, have this one.
    pub fn row(&self, load_balancer: Id<LoadBalancer>, group: Option<Id<TargetGroup>>) -> usize {
        group.map_or(self.row_of_load_balancer[load_balancer.index()], |it| self.row_of_group[it.index()])
    }

    /// How many rows a minute has.
    pub fn rows_of_load_balancers(&self) -> usize {
        self.row_of_load_balancer.len() + self.row_of_group.len()
    }
}
