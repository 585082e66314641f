//! `capacityProviders`, and strategies that name them.

use crate::aws::auto_scaling_group::AutoScalingGroup;
use crate::aws::capacity_provider::{
    CapacityProvider, CapacityProviderStrategyItem, CapacityProviderType, ManagedScaling,
};
use crate::aws::fargate::FargateCapacity;
use crate::scenario::aws_fields::Shape;
use crate::scenario::capacity::{Bounds, Capacity};
use crate::scenario::problem::{Place, Problem};
use crate::scenario::reader::{Reader, What};
use crate::scenario::sections::check_own_name;
use crate::scenario::tree::{Entry, Node};
use crate::table::Id;
use crate::units::Span;

impl Capacity {
    pub(super) fn provider(&mut self, reader: &mut Reader<'_>, entry: &Entry) -> Option<CapacityProvider> {
        let mut fields = reader.fields(&entry.node, format!("capacity provider `{}`", entry.key))?;
        check_own_name(reader, &mut fields, "capacityProviders", &entry.key);
        let node = if fields.has("managedInstancesProvider") {
            fields.take("autoScalingGroupProvider")
        } else {
            fields.required(reader, "autoScalingGroupProvider")
        };
        let of = fields.of.clone();
        fields.finish(reader, &Shape::CAPACITY_PROVIDER);
        let mut fields = reader.fields(node?, format!("`autoScalingGroupProvider` of {of}"))?;
        fields.required(reader, "autoScalingGroupArn");
        let group = fields.reference(reader, "autoScalingGroupArn", &self.group_names);
        let managed_scaling = fields.take("managedScaling").and_then(|it| managed_scaling(reader, it, &of));
        let on_off = [("ENABLED", true), ("DISABLED", false)];
        let protection = fields.word_or(reader, "managedTerminationProtection", &on_off, false);
        // The console and new providers of the API have it on.
        let draining = fields.word_or(reader, "managedDraining", &on_off, true);
        let place = fields.place;
        fields.finish(reader, &Shape::OURS);
        let group = group?;
        if self.groups[group].has_weights() {
            reader.note(format!(
                "{of}: managed scaling does not support instance weights. It counts the instances of `{}` and sets its desired \
                 capacity to their number, which the group takes for units",
                self.groups[group].name
            ));
        }
        if let Some(other) = self.providers.iter().find(|it| it.auto_scaling_group() == Some(group)) {
            let message =
                format!("{of} and capacity provider `{}` share the group `{}`", other.name, self.groups[group].name);
            reader.refuse(Problem::new(place, message).help("a group belongs to one capacity provider"));
        }
        if protection {
            if managed_scaling.is_none() {
                let message = format!("{of} has managed termination protection without managed scaling");
                reader.refuse(Problem::new(place, message).help("add `managedScaling: {status: ENABLED}`"));
            }
            self.protect(reader, group, place, &of);
        }
        Some(CapacityProvider {
            name: entry.key.clone(),
            kind: CapacityProviderType::AutoScalingGroup(group),
            managed_scaling,
            managed_termination_protection: protection,
            managed_draining: draining,
        })
    }

    /// Managed termination protection needs instances that are protected at launch.
    fn protect(&mut self, reader: &mut Reader<'_>, group: Id<AutoScalingGroup>, place: Place, of: &str) {
        let name = self.groups[group].name.clone();
        if self.unprotected.contains(&name) {
            let message = format!(
                "{of} has managed termination protection, and the group `{name}` says `NewInstancesProtectedFromScaleIn: false`"
            );
            reader.refuse(Problem::new(place, message).help("leave that out of the group, or set it to true"));
        }
        self.groups[group].new_instances_protected_from_scale_in = true;
    }

    /// The strategy that launch type FARGATE comes to.
    pub fn fargate_on_demand(&self) -> Vec<CapacityProviderStrategyItem> {
        let is_it = |it: &CapacityProvider| it.fargate() == Some(FargateCapacity::OnDemand);
        let item = |capacity_provider| CapacityProviderStrategyItem { capacity_provider, base: 0, weight: 1 };
        self.providers.find(is_it).map(item).into_iter().collect()
    }

    /// Whether a provider is one of Fargate's.
    pub fn is_fargate(&self, provider: Id<CapacityProvider>) -> bool {
        self.providers[provider].fargate().is_some()
    }

    /// The groups that tasks can run on: those of a strategy's providers, or all.
    pub fn groups_in_reach<'a>(
        &'a self,
        strategy: &'a [CapacityProviderStrategyItem],
    ) -> impl Iterator<Item = &'a AutoScalingGroup> {
        let of_item = |it: &CapacityProviderStrategyItem| self.providers[it.capacity_provider].auto_scaling_group();
        let is_in_reach = move |group| strategy.is_empty() || strategy.iter().any(|it| of_item(it) == Some(group));
        self.groups.entries().filter(move |it| is_in_reach(it.0)).map(|it| it.1)
    }

    /// A capacity provider strategy, with AWS's rules for base and weight.
    pub fn strategy(&self, reader: &mut Reader<'_>, node: &Node, of: &str) -> Vec<CapacityProviderStrategyItem> {
        let field = "capacityProviderStrategy";
        let nodes = reader.list(What { field, of }, node);
        let mut items = Vec::new();
        let mut is_whole = true;
        for node in nodes {
            let Some(mut fields) = reader.fields(node, format!("an item of `{field}` of {of}")) else { continue };
            let provider = fields
                .required(reader, "capacityProvider")
                .and_then(|it| reader.reference(What { field: "capacityProvider", of }, it, &self.provider_names));
            let base = fields.count_or(reader, "base", 0..=100_000, 0);
            // A single provider without weight would get nothing; the console writes 1.
            let is_only = nodes.len() == 1;
            let weight = fields.count_or(reader, "weight", 0..=1_000, u32::from(is_only));
            let weight = if is_only { weight.max(1) } else { weight };
            fields.finish(reader, &Shape::OURS);
            match provider {
                Some(capacity_provider) => {
                    items.push(CapacityProviderStrategyItem { capacity_provider, base, weight });
                }
                None => is_whole = false,
            }
        }
        if items.is_empty() || !is_whole {
            return items;
        }
        let of_fargate = items.iter().filter(|it| self.is_fargate(it.capacity_provider)).count();
        if of_fargate > 0 && of_fargate < items.len() {
            let message = format!("`{field}` of {of} mixes providers of Fargate and of Auto Scaling groups");
            let says = "A capacity provider strategy cannot contain a mix of capacity providers using Auto Scaling groups and Fargate providers.";
            let problem = Problem::new(node.place, message).help("make two services of it");
            reader.refuse(problem.help(format!("AWS says: InvalidParameterException: {says}")));
        }
        let refusal = if items.len() > 20 {
            Some(format!("has {} providers; 20 are allowed", items.len()))
        } else if items.iter().filter(|it| it.base > 0).count() > 1 {
            Some("gives a base to more than one provider".to_owned())
        } else if items.iter().all(|it| it.weight == 0) && items.len() > 1 {
            Some("gives no provider a weight above 0".to_owned())
        } else {
            None
        };
        if let Some(why) = refusal {
            reader.refuse(Problem::new(node.place, format!("`{field}` of {of} {why}")));
        }
        items
    }
}

fn managed_scaling(reader: &mut Reader<'_>, node: &Node, of: &str) -> Option<ManagedScaling> {
    let mut fields = reader.fields(node, format!("`managedScaling` of {of}"))?;
    let is_enabled = fields.word_or(reader, "status", &[("ENABLED", true), ("DISABLED", false)], true);
    let scaling = ManagedScaling {
        target_capacity: fields.count_or(reader, "targetCapacity", 1..=100, 100),
        minimum_scaling_step_size: fields.count_or(reader, "minimumScalingStepSize", 1..=10_000, 1),
        maximum_scaling_step_size: fields.count_or(reader, "maximumScalingStepSize", 1..=10_000, 10_000),
        instance_warmup_period: fields.seconds_or(reader, "instanceWarmupPeriod", 0..=10_000, Span::seconds(300)),
    };
    let bounds = Bounds {
        min: Some(scaling.minimum_scaling_step_size),
        max: Some(scaling.maximum_scaling_step_size),
        desired: None,
    };
    let names = ["minimumScalingStepSize", "maximumScalingStepSize", ""];
    bounds.check(reader, node.place, &fields.of, names, node);
    fields.finish(reader, &Shape::OURS);
    is_enabled.then_some(scaling)
}
