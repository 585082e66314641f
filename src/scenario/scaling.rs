//! `scalableTargets`, `scalingPolicies` and `scheduledActions`: Application Auto Scaling.

mod step;

use std::collections::BTreeMap;

use crate::aws::alarm::{Alarm, Watched};
use crate::aws::composite_alarm::{RuleAlarm, Side};
use crate::aws::metric::{LoadBalancerMetric, Metric, MetricStat, Resolution, ServiceMetric};
use crate::aws::scaling_policy::{
    ScalableTarget, ScalingPolicy, ScalingPolicyKind, ScalingTarget, SuspendedState, TargetTracking,
};
use crate::aws::schedule::{self, ScheduledAction};
use crate::aws::service::{SchedulingStrategy, ServiceDefinition};
use crate::aws::statistic::Statistic;
use crate::scenario::alarms::{Alarms, ManagedAlarm};
use crate::scenario::aws_fields::Shape;
use crate::scenario::capacity::Bounds;
use crate::scenario::metric::{CustomizedFor, Watchable};
use crate::scenario::predictive_scaling::ForecastFor;
use crate::scenario::problem::Problem;
use crate::scenario::reader::{Fields, Names, Reader, What, last_name};
use crate::scenario::scaling::step::step_scaling;
use crate::scenario::sections::check_own_name;
use crate::scenario::tree::{Entry, Node, Value};
use crate::table::{Id, Table};
use crate::units::Span;

pub(super) use self::step::{ADJUSTMENT_TYPES, AGGREGATION_TYPES, scaling_adjustment, steps};

/// Scaling policies of a scalable target or Auto Scaling group, at most.
const POLICIES_MAXIMUM: usize = 50;
/// Scheduled actions of a scalable target, at most.
const SCHEDULED_ACTIONS_MAXIMUM: usize = 200;

/// What scaling refers to, and what has been read of it.
pub struct Scaling<'a> {
    /// Services, target groups and their metrics.
    pub watchable: &'a Watchable<'a>,
    /// When the run begins (a UTC second) and how long it is.
    pub run: (i64, Span),
    /// Scalable targets.
    pub targets: Table<ScalableTarget>,
    /// Scaling policies.
    pub policies: Table<ScalingPolicy>,
    /// Scheduled actions.
    pub scheduled_actions: Table<ScheduledAction>,
    /// Alarms, with the policies that they invoke.
    pub alarms: Alarms,
    /// Services whose scalable target was refused.
    refused_targets: Vec<Id<ServiceDefinition>>,
}

/// The sections that scaling reads.
pub struct ScalingSections<'n> {
    /// `scalableTargets`
    pub targets: &'n [Entry],
    /// `alarms`
    pub alarms: &'n [Entry],
    /// `scalingPolicies`
    pub policies: &'n [Entry],
    /// `scheduledActions`
    pub scheduled_actions: &'n [Entry],
}

impl<'a> Scaling<'a> {
    /// The four sections.
    pub fn read(
        reader: &mut Reader<'_>,
        sections: &ScalingSections<'_>,
        watchable: &'a Watchable<'a>,
        run: (i64, Span),
    ) -> Scaling<'a> {
        let service_of = |entry: &Entry| service_of_alarm(watchable, sections.policies, entry);
        let mut scaling = Scaling {
            watchable,
            run,
            targets: Table::new(),
            policies: Table::new(),
            scheduled_actions: Table::new(),
            alarms: Alarms::read(reader, sections.alarms, watchable, &service_of),
            refused_targets: Vec::new(),
        };
        for entry in sections.targets {
            scaling.target(reader, entry);
        }
        let mut names = Names::new("scaling policy", "scalingPolicies");
        for entry in sections.policies {
            let alarms = scaling.policy(reader, entry);
            let id = alarms.as_ref().map(|(policy, _)| scaling.policies.push(policy.clone()));
            names.add(&entry.key, id);
            if let (Some(policy), Some((_, Some(alarm)))) = (id, alarms) {
                scaling.alarms.invokes(alarm, policy);
            }
        }
        scaling.alarms.link(reader, &names, &scaling.policies);
        for entry in sections.scheduled_actions {
            if let Some(action) = scaling.scheduled_action(reader, entry) {
                scaling.scheduled_actions.push(action);
            }
        }
        scaling.check_policies_of_targets(reader, sections.policies);
        scaling.check_actions_of_targets(reader, sections.scheduled_actions);
        scaling
    }

    /// AWS's quotas of policies, and its rule that one policy of predictive scaling scales a target (*Quotas for Application Auto
    /// Scaling*, *Quotas for Amazon EC2 Auto Scaling*, *Predictive scaling*).
    fn check_policies_of_targets(&self, reader: &mut Reader<'_>, entries: &[Entry]) {
        let mut counts: BTreeMap<String, (usize, Option<&str>)> = BTreeMap::new();
        for policy in self.policies.iter() {
            let (count, predictive) = counts.entry(self.target_words(policy.target)).or_default();
            let place = entries.iter().find(|it| it.key == policy.name).map(|it| it.key_place);
            let Some(place) = place else { continue };
            *count += 1;
            if *count == POLICIES_MAXIMUM + 1 {
                let message = format!(
                    "scaling policy `{}` is one more than the {POLICIES_MAXIMUM} that {} can have",
                    policy.name,
                    self.target_words(policy.target)
                );
                reader.refuse(Problem::new(place, message).help("AWS says: LimitExceededException"));
            }
            if !matches!(&policy.kind, ScalingPolicyKind::Predictive(it) if it.scales) {
                continue;
            }
            if let Some(first) = predictive {
                let message = format!(
                    "scaling policies `{first}` and `{}` both forecast and scale {}",
                    policy.name,
                    self.target_words(policy.target)
                );
                let help = "one can be `ForecastAndScale`; make the other `ForecastOnly`, to compare them";
                reader.refuse(Problem::new(place, message).help(help));
            } else {
                *predictive = Some(&policy.name);
            }
        }
    }

    fn check_actions_of_targets(&self, reader: &mut Reader<'_>, entries: &[Entry]) {
        let mut counts = vec![0; self.targets.len()];
        for action in self.scheduled_actions.iter() {
            let place = entries.iter().find(|it| it.key == action.name).map(|it| it.key_place);
            let Some(place) = place else { continue };
            let count = &mut counts[action.target.index()];
            *count += 1;
            if *count == SCHEDULED_ACTIONS_MAXIMUM + 1 {
                let of = self.target_words(ScalingTarget::Service(action.target));
                let message = format!(
                    "scheduled action `{}` is one more than the {SCHEDULED_ACTIONS_MAXIMUM} that {of} can have",
                    action.name
                );
                reader.refuse(Problem::new(place, message).help("AWS says: LimitExceededException"));
            }
        }
    }

    /// What a policy scales, as messages name it.
    fn target_words(&self, target: ScalingTarget) -> String {
        match target {
            ScalingTarget::Service(target) => {
                format!("scalable target `{}`", self.watchable.services[self.targets[target].service].name)
            }
            ScalingTarget::Group(group) => {
                format!("Auto Scaling group `{}`", self.watchable.capacity.groups[group].name)
            }
        }
    }

    /// The alarms that AWS makes for target tracking of services and groups, and for managed scaling.
    pub fn managed_alarms(&self) -> Vec<ManagedAlarm> {
        let capacity = self.watchable.capacity;
        let mut alarms = Vec::new();
        for (id, policy) in self.policies.entries() {
            let ScalingPolicyKind::TargetTracking(tracking) = &policy.kind else { continue };
            let resource = match policy.target {
                ScalingTarget::Service(target) => {
                    let service = &self.watchable.services[self.targets[target].service].name;
                    format!("service/{}/{service}", capacity.cluster_name)
                }
                ScalingTarget::Group(group) => capacity.groups[group].name.clone(),
            };
            let is_there = |side| side == Side::High || !tracking.disable_scale_in;
            let alarm = |side| is_there(side).then_some(RuleAlarm::Tracking(id, side));
            alarms.extend(ManagedAlarm::of(&resource, &policy.name, &alarm));
        }
        for (id, provider) in capacity.providers.entries().filter(|it| it.1.managed_scaling.is_some()) {
            let Some(group) = provider.auto_scaling_group() else { continue };
            let alarm = |side| Some(RuleAlarm::ManagedScaling(id, side));
            alarms.extend(ManagedAlarm::of(&capacity.groups[group].name, &provider.name, &alarm));
        }
        alarms
    }

    fn target(&mut self, reader: &mut Reader<'_>, entry: &Entry) -> Option<()> {
        let of = format!("scalable target `{}`", entry.key);
        let what = What { field: &entry.key, of: "`scalableTargets`" };
        let service = reader.named(what, entry.key_place, last_name(&entry.key), self.watchable.service_names)?;
        let Some(mut fields) = reader.fields(&entry.node, of) else {
            self.refused_targets.push(service);
            return None;
        };
        check_own_name(reader, &mut fields, "scalableTargets", last_name(&entry.key));
        ecs_only(reader, &mut fields);
        let bounds = Bounds {
            min: fields.required_count(reader, "MinCapacity", 0..=5_000),
            max: fields.required_count(reader, "MaxCapacity", 0..=5_000),
            desired: None,
        };
        bounds.check(reader, entry.node.place, &fields.of, ["MinCapacity", "MaxCapacity", ""], &entry.node);
        let [scales_in, scales_out, is_scheduled] =
            suspended_state(reader, &mut fields).map(|it| it.unwrap_or_default());
        let suspended_state = SuspendedState {
            dynamic_scaling_in: scales_in,
            dynamic_scaling_out: scales_out,
            scheduled_scaling: is_scheduled,
        };
        let of = fields.of.clone();
        fields.finish(reader, &Shape::SCALABLE_TARGET);
        if self.targets.iter().any(|it| it.service == service) {
            reader.refuse(Problem::new(entry.key_place, format!("{of} is defined twice")));
        }
        let (Some(min_capacity), Some(max_capacity)) = (bounds.min, bounds.max) else {
            self.refused_targets.push(service);
            return None;
        };
        if self.watchable.services[service].scheduling_strategy == SchedulingStrategy::Daemon {
            let message = format!("{of} is a DAEMON service, which has no desired count to scale");
            let help = "it has a task on each container instance: scale its Auto Scaling group, or make it REPLICA";
            reader.refuse(Problem::new(entry.key_place, message).help(help));
            self.refused_targets.push(service);
            return None;
        }
        let desired = self.watchable.services[service].desired_count;
        if min_capacity <= max_capacity && !(min_capacity..=max_capacity).contains(&desired) {
            let moved = desired.clamp(min_capacity, max_capacity);
            let name = &self.watchable.services[service].name;
            reader
                .note(format!("service `{name}` starts with {desired} tasks; its scalable target makes that {moved}"));
        }
        self.targets.push(ScalableTarget { service, min_capacity, max_capacity, suspended_state });
        Some(())
    }

    /// The service that `ResourceId` or `service` names.
    fn service(&self, reader: &mut Reader<'_>, fields: &mut Fields<'_>) -> Option<Id<ServiceDefinition>> {
        let resource = fields.take("ResourceId");
        let Some(node) = fields.take("service").or(resource) else {
            let problem = Problem::new(fields.place, format!("{} does not say its service", fields.of));
            reader.refuse(problem.help("add `ResourceId: service/default/web`, or `service: web` for short"));
            return None;
        };
        reader.reference(What { field: "ResourceId", of: &fields.of }, node, self.watchable.service_names)
    }

    /// The scalable target of a service.
    fn target_of(
        &self,
        reader: &mut Reader<'_>,
        fields: &Fields<'_>,
        service: Id<ServiceDefinition>,
    ) -> Option<Id<ScalableTarget>> {
        let target = self.targets.find(|it| it.service == service);
        if target.is_none() && !self.refused_targets.contains(&service) {
            let name = &self.watchable.services[service].name;
            let message = format!("{} scales service `{name}`, which is no scalable target", fields.of);
            let help = format!("add `scalableTargets: {{{name}: {{MinCapacity: 1, MaxCapacity: 10}}}}`");
            reader.refuse(Problem::new(fields.place, message).help(help));
        }
        target
    }

    /// A policy, and the alarm that it says to be invoked by.
    fn policy(&mut self, reader: &mut Reader<'_>, entry: &Entry) -> Option<(ScalingPolicy, Option<Id<Alarm>>)> {
        let mut fields = reader.fields(&entry.node, format!("scaling policy `{}`", entry.key))?;
        check_own_name(reader, &mut fields, "scalingPolicies", &entry.key);
        if fields.has("AutoScalingGroupName") {
            return self.group_policy(reader, fields, &entry.key);
        }
        ecs_only(reader, &mut fields);
        let service = self.service(reader, &mut fields);
        let target = service.and_then(|it| self.target_of(reader, &fields, it));
        let kind = self.kind(reader, &mut fields, service, &entry.key);
        fields.finish(reader, &Shape::SCALING_POLICY);
        let (kind, alarm) = kind?;
        let target = ScalingTarget::Service(target?);
        Some((ScalingPolicy { name: entry.key.clone(), target, kind, estimated_instance_warmup: None }, alarm))
    }

    fn kind(
        &mut self,
        reader: &mut Reader<'_>,
        fields: &mut Fields<'_>,
        service: Option<Id<ServiceDefinition>>,
        name: &str,
    ) -> Option<(ScalingPolicyKind, Option<Id<Alarm>>)> {
        let kinds = ["TargetTrackingScaling", "StepScaling", "PredictiveScaling"].map(|it| (it, it));
        let kind_node = fields.take("PolicyType");
        let said = kind_node.and_then(|it| reader.word(What { field: "PolicyType", of: &fields.of }, it, &kinds));
        let tracking = fields.take("TargetTrackingScalingPolicyConfiguration");
        let step = fields.take("StepScalingPolicyConfiguration");
        let predictive = fields.take_entry("PredictiveScalingPolicyConfiguration");
        let alarm = fields.take("alarm");
        let linked = fields.take("alarms");
        let kind = match (said, tracking, step, predictive) {
            (Some(said), ..) => said,
            (None, Some(_), ..) => "TargetTrackingScaling",
            (None, None, Some(_), _) => "StepScaling",
            (None, None, None, Some(_)) => "PredictiveScaling",
            _ => {
                if kind_node.is_none() {
                    fields.required(reader, "PolicyType");
                }
                return None;
            }
        };
        match kind {
            "TargetTrackingScaling" => {
                if tracking.is_none() {
                    fields.required(reader, "TargetTrackingScalingPolicyConfiguration");
                }
                // The alarms of target tracking are AWS's own, and listed in output only.
                let tracking = self.target_tracking(reader, tracking?, &fields.of, service);
                tracking.map(|it| (ScalingPolicyKind::TargetTracking(it), None))
            }
            "StepScaling" => {
                if step.is_none() {
                    fields.required(reader, "StepScalingPolicyConfiguration");
                }
                let described = linked.and_then(|it| match &it.value {
                    Value::List(items) => items.first().and_then(|it| it.get("alarmName")),
                    _ => None,
                });
                if alarm.or(described).is_none() && !self.alarms.names_policy(name) {
                    let problem = Problem::new(fields.place, format!("{} does not say its alarm", fields.of));
                    let help = "add `alarm:` with the name of an entry of the section `alarms`, or name the policy in the \
                                `AlarmActions` of that";
                    reader.refuse(problem.help(help));
                }
                let step = step_scaling(reader, step?, &fields.of);
                let alarm = alarm.or(described).map(|it| self.alarm_of(reader, it, &fields.of));
                // One that was refused says so itself.
                let alarm = if let Some(found) = alarm { Some(found?) } else { None };
                step.map(|it| (ScalingPolicyKind::Step(it), alarm))
            }
            _ => {
                let Some(entry) = predictive else {
                    fields.required(reader, "PredictiveScalingPolicyConfiguration");
                    return None;
                };
                let service = ForecastFor::Service(service);
                let predictive = self.predictive(reader, &entry.node, &fields.of, entry.key_place, service);
                predictive.map(|it| (ScalingPolicyKind::Predictive(it), None))
            }
        }
    }

    fn target_tracking(
        &self,
        reader: &mut Reader<'_>,
        node: &Node,
        of: &str,
        service: Option<Id<ServiceDefinition>>,
    ) -> Option<TargetTracking> {
        let mut fields = reader.fields(node, format!("the target tracking of {of}"))?;
        let target_value = fields.required_positive(reader, "TargetValue");
        let specification = if fields.has("CustomizedMetricSpecification") {
            if fields.has("PredefinedMetricSpecification") {
                let at = fields.place_of_key("CustomizedMetricSpecification");
                let message = format!("the target tracking of {of} has two metrics: one predefined, one customized");
                reader.refuse(Problem::new(at, message).help("leave one of them out; each policy tracks one"));
            }
            fields.take("PredefinedMetricSpecification")
        } else {
            fields.required(reader, "PredefinedMetricSpecification")
        };
        let predefined = specification.and_then(|it| self.predefined_metric(reader, it, of, service));
        let customized = fields
            .take("CustomizedMetricSpecification")
            .and_then(|it| self.watchable.customized(reader, it, of, CustomizedFor::Service(service)));
        let scale_out_cooldown = fields.seconds_or(reader, "ScaleOutCooldown", 0..=864_000, Span::seconds(300));
        let scale_in_cooldown = fields.seconds_or(reader, "ScaleInCooldown", 0..=864_000, Span::seconds(300));
        let disable_scale_in = fields.flag_or(reader, "DisableScaleIn", false);
        fields.finish(reader, &Shape::TARGET_TRACKING);
        let (watches, period) = predefined.or(customized)?;
        Some(TargetTracking {
            watches,
            period,
            target_value: target_value?,
            scale_out_cooldown,
            scale_in_cooldown,
            disable_scale_in,
        })
    }

    /// `PredefinedMetricSpecification` of a service, or its like of predictive scaling.
    pub(super) fn predefined_metric(
        &self,
        reader: &mut Reader<'_>,
        node: &Node,
        of: &str,
        service: Option<Id<ServiceDefinition>>,
    ) -> Option<(Watched, Span)> {
        let mut fields = reader.fields(node, format!("the metric of {of}"))?;
        let name_node = fields.required(reader, "PredefinedMetricType");
        let label = fields.take("ResourceLabel");
        let of = fields.of.clone();
        fields.finish(reader, &Shape::OURS);
        let name_node = name_node?;
        let what = What { field: "PredefinedMetricType", of: &of };
        let (cpu, memory) = (ServiceMetric::CpuUtilization, ServiceMetric::MemoryUtilization);
        let words = [
            ("ECSServiceAverageCPUUtilization", Some((cpu, Resolution::Minute))),
            ("ECSServiceAverageMemoryUtilization", Some((memory, Resolution::Minute))),
            ("ECSServiceAverageCPUUtilizationHighResolution", Some((cpu, Resolution::TwentySeconds))),
            ("ECSServiceAverageMemoryUtilizationHighResolution", Some((memory, Resolution::TwentySeconds))),
            ("ALBRequestCountPerTarget", None),
        ];
        let metric = reader.word(what, name_node, &words)?;
        if let Some((metric, resolution)) = metric {
            if let Some(label) = label {
                let problem = Problem::new(
                    label.place,
                    format!("`ResourceLabel` of {of} belongs to `ALBRequestCountPerTarget` only"),
                );
                reader.refuse(problem.help("leave it out"));
            }
            let definition = &self.watchable.services[service?];
            if resolution == Resolution::TwentySeconds && !definition.high_resolution_metrics.contains(&metric) {
                let message =
                    format!("{of} is published each 20 s, which service `{}` does not ask for", definition.name);
                let help = "add `monitoring: {metricConfigurations: [{metricNames: [CPUUtilization, MemoryUtilization], \
                            resolutionSeconds: 20}]}` to the service";
                reader.refuse(Problem::new(name_node.place, message).help(help));
                return None;
            }
            let metric = Metric::Service(service?, metric, resolution);
            return Some((Watched::Stat(MetricStat { metric, statistic: Statistic::Average }), resolution.period()));
        }
        let labelled = label.and_then(|it| {
            reader.reference(
                What { field: "ResourceLabel", of: &of },
                it,
                &self.watchable.load_balancing.target_group_names,
            )
        });
        let service = &self.watchable.services[service?];
        match (&service.load_balancer, labelled, label) {
            (None, ..) => {
                let message = format!("{of} counts requests, and service `{}` has no target group", service.name);
                reader.refuse(Problem::new(name_node.place, message));
            }
            (Some(own), Some(labelled), Some(label)) if own.target_group != labelled => {
                let own = &self.watchable.load_balancing.target_groups[own.target_group].name;
                let message = format!("`ResourceLabel` of {of} is not the target group of service `{}`", service.name);
                reader.refuse(Problem::new(label.place, message).help(format!("that is `{own}`")));
            }
            _ => {}
        }
        let balancer = service.load_balancer.as_ref()?;
        let group = balancer.target_group;
        if balancer.alternate.is_some() {
            let name = &self.watchable.load_balancing.target_groups[group].name;
            reader.note(format!(
                "{of} counts the requests of target group `{name}`, which has none after every other deployment of service `{}`: \
                 AWS does not support `ALBRequestCountPerTarget` with blue/green deployments",
                service.name
            ));
        }
        if service.task_sets.is_empty() && balancer.has_several_groups() {
            let name = &self.watchable.load_balancing.target_groups[group].name;
            reader.note(format!(
                "{of} counts the requests of target group `{name}` whichever `updateService` gives service `{}`: AWS leaves \
                 `ResourceLabel` as it is",
                service.name
            ));
        }
        let load_balancer = self.watchable.load_balancing.target_groups[group].load_balancer;
        let metric = Metric::LoadBalancer(load_balancer, Some(group), LoadBalancerMetric::RequestCountPerTarget);
        Some((Watched::Stat(MetricStat { metric, statistic: Statistic::Sum }), Span::MINUTE))
    }

    /// The alarm that a step scaling policy names; `None` inside where it was refused itself.
    pub(super) fn alarm_of(&mut self, reader: &mut Reader<'_>, node: &Node, of: &str) -> Option<Id<Alarm>> {
        let what = What { field: "alarm", of };
        let text = reader.text(what, node)?;
        reader.named(what, node.place, name_of_alarm(text), &self.alarms.names)
    }

    fn scheduled_action(&self, reader: &mut Reader<'_>, entry: &Entry) -> Option<ScheduledAction> {
        let mut fields = reader.fields(&entry.node, format!("scheduled action `{}`", entry.key))?;
        check_own_name(reader, &mut fields, "scheduledActions", &entry.key);
        ecs_only(reader, &mut fields);
        let service = self.service(reader, &mut fields);
        let target = service.and_then(|it| self.target_of(reader, &fields, it));
        let action = fields.required(reader, "ScalableTargetAction");
        let bounds = action.and_then(|it| scalable_target_action(reader, it, &fields.of));
        let timezone = fields.text(reader, "Timezone").map(str::to_owned);
        let from = fields.parsed(reader, "StartTime", unix_seconds);
        let until = fields.parsed(reader, "EndTime", unix_seconds);
        let schedule_node = fields.required(reader, "Schedule");
        let schedule = schedule_node.and_then(|it| reader.text(What { field: "Schedule", of: &fields.of }, it));
        let of = fields.of.clone();
        fields.finish(reader, &Shape::SCHEDULED_ACTION);
        let (start, duration) = self.run;
        let (schedule, node) = (schedule?, schedule_node?);
        if schedule::numbers_days_of_the_week(schedule) {
            reader.note(format!(
                "`{schedule}` of {of}: days of the week are taken to count from 1 = SUN, as in EventBridge; Application Auto Scaling's \
                 guide has an example that counts as Unix does: write SUN to SAT"
            ));
        }
        let times = match schedule::occurrences(schedule, timezone.as_deref(), start, duration, (from, until)) {
            Ok(times) => times,
            Err(why) => {
                reader.refuse(Problem::new(node.place, format!("`Schedule` of {of}: {why}")));
                return None;
            }
        };
        let (bounds, target) = (bounds?, target?);
        let least = bounds.min.unwrap_or(self.targets[target].min_capacity);
        let most = bounds.max.unwrap_or(self.targets[target].max_capacity);
        if least > most && (bounds.min.is_none() || bounds.max.is_none()) {
            let message = format!("{of} would make the least {least} and the most {most}");
            let at = action.map_or(entry.node.place, |it| it.place);
            reader.refuse(Problem::new(at, message).help("give both `MinCapacity` and `MaxCapacity`"));
        }
        Some(ScheduledAction {
            name: entry.key.clone(),
            target,
            times,
            schedule: schedule.to_owned(),
            min_capacity: bounds.min,
            max_capacity: bounds.max,
        })
    }
}

/// `SuspendedState`: whether policies that scale in, policies that scale out and scheduled actions are suspended, as far as
/// it says.
pub fn suspended_state(reader: &mut Reader<'_>, fields: &mut Fields<'_>) -> [Option<bool>; 3] {
    let Some(mut state) = fields.map(reader, "SuspendedState") else { return [None; 3] };
    let said = ["DynamicScalingInSuspended", "DynamicScalingOutSuspended", "ScheduledScalingSuspended"]
        .map(|it| state.flag(reader, it));
    state.finish(reader, &Shape::OURS);
    said
}

/// Application Auto Scaling scales much else; here it scales services of ECS.
pub fn ecs_only(reader: &mut Reader<'_>, fields: &mut Fields<'_>) {
    fields.word(reader, "ServiceNamespace", &[("ecs", ())]);
    fields.word(reader, "ScalableDimension", &[("ecs:service:DesiredCount", ())]);
}

fn scalable_target_action(reader: &mut Reader<'_>, node: &Node, of: &str) -> Option<Bounds> {
    let mut fields = reader.fields(node, format!("`ScalableTargetAction` of {of}"))?;
    let bounds = Bounds::of_scalable_target(reader, &mut fields, node);
    if !fields.has("MinCapacity") && !fields.has("MaxCapacity") {
        let problem = Problem::new(node.place, format!("{} changes nothing", fields.of));
        reader.refuse(problem.help("give `MinCapacity`, `MaxCapacity` or both"));
    }
    fields.finish(reader, &Shape::OURS);
    Some(bounds)
}

/// The UTC second of a timestamp with a zone.
pub fn unix_seconds(text: &str) -> Result<i64, String> {
    text.parse::<jiff::Timestamp>().map(jiff::Timestamp::as_second).map_err(|_| {
        format!("`{text}` is not a time; a time has a date and a zone, as in `2026-01-05T08:00:00Z` or `...+02:00`")
    })
}

/// An alarm's ARN ends in `:alarm:name`.
pub fn name_of_alarm(text: &str) -> &str {
    text.rsplit_once(":alarm:").map_or(text, |(_, name)| name)
}

/// The service that an alarm without dimensions is about: that of the policy that it invokes, or the only one.
fn service_of_alarm(watchable: &Watchable<'_>, policies: &[Entry], alarm: &Entry) -> Option<Id<ServiceDefinition>> {
    let invokes = |policy: &&Entry| {
        let named = policy.node.get("alarm").and_then(Node::text).map(name_of_alarm);
        let is_said = || match alarm.node.get("AlarmActions").map(|it| &it.value) {
            Some(Value::List(items)) => items.iter().filter_map(Node::text).any(|it| it.ends_with(policy.key.as_str())),
            _ => false,
        };
        named == Some(alarm.key.as_str()) || is_said()
    };
    let known = &watchable.service_names.known;
    let service = |policy: &Entry| {
        let name = policy.node.get("service").or(policy.node.get("ResourceId")).and_then(Node::text).map(last_name);
        known.iter().find(|it| name == Some(it.0.as_str())).and_then(|it| it.1)
    };
    policies.iter().find(invokes).map_or(if let [(_, only)] = known.as_slice() { *only } else { None }, service)
}
