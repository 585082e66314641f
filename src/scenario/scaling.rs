//! `scalableTargets`, `alarms`, `scalingPolicies` and `scheduledActions`: Application Auto Scaling and its alarms.

use crate::aws::alarm::{AlarmRule, ComparisonOperator, Statistic, TreatMissingData};
use crate::aws::scaling_policy::{
    AdjustmentType, ScalableTarget, ScalingPolicy, ScalingPolicyKind, ServiceMetric, StepAdjustment, StepFault,
    StepScaling, TargetTracking, check_steps,
};
use crate::aws::schedule::{self, ScheduledAction};
use crate::aws::service::{SchedulingStrategy, ServiceDefinition};
use crate::scenario::aws_fields::Shape;
use crate::scenario::capacity::Bounds;
use crate::scenario::load_balancing::LoadBalancing;
use crate::scenario::problem::{Problem, nearest};
use crate::scenario::reader::{Fields, Names, Reader, What, last_name, listed};
use crate::scenario::sections::check_own_name;
use crate::scenario::tree::{Entry, Node, Value};
use crate::table::{Id, Table};
use crate::units::Span;

/// What scaling refers to, and what has been read of it.
pub struct Scaling<'a> {
    /// Services.
    pub services: &'a Table<ServiceDefinition>,
    /// Names of services.
    pub service_names: &'a Names<ServiceDefinition>,
    /// Target groups.
    pub load_balancing: &'a LoadBalancing,
    /// When the run begins (a UTC second) and how long it is.
    pub run: (i64, Span),
    /// Scalable targets.
    pub targets: Table<ScalableTarget>,
    /// Scaling policies.
    pub policies: Table<ScalingPolicy>,
    /// Scheduled actions.
    pub scheduled_actions: Table<ScheduledAction>,
    /// Services whose scalable target was refused.
    refused_targets: Vec<Id<ServiceDefinition>>,
    alarms: Vec<Alarm>,
}

/// An alarm, before a policy uses it.
struct Alarm {
    name: String,
    /// Nothing where it was refused, or watches what is not simulated.
    rule: Option<(ServiceMetric, AlarmRule)>,
    /// The service it watches.
    service: Option<Id<ServiceDefinition>>,
    is_used: bool,
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
        (services, service_names): (&'a Table<ServiceDefinition>, &'a Names<ServiceDefinition>),
        load_balancing: &'a LoadBalancing,
        run: (i64, Span),
    ) -> Scaling<'a> {
        let mut scaling = Scaling {
            services,
            service_names,
            load_balancing,
            run,
            targets: Table::new(),
            policies: Table::new(),
            scheduled_actions: Table::new(),
            refused_targets: Vec::new(),
            alarms: Vec::new(),
        };
        for entry in sections.targets {
            scaling.target(reader, entry);
        }
        for entry in sections.alarms {
            let alarm = scaling.alarm(reader, entry);
            scaling.alarms.extend(alarm);
        }
        for entry in sections.policies {
            if let Some(policy) = scaling.policy(reader, entry) {
                scaling.policies.push(policy);
            }
        }
        for alarm in scaling.alarms.iter().filter(|it| !it.is_used) {
            reader.note(format!("alarm `{}` invokes no scaling policy, so it is left out", alarm.name));
        }
        for entry in sections.scheduled_actions {
            if let Some(action) = scaling.scheduled_action(reader, entry) {
                scaling.scheduled_actions.push(action);
            }
        }
        scaling
    }

    fn target(&mut self, reader: &mut Reader<'_>, entry: &Entry) -> Option<()> {
        let of = format!("scalable target `{}`", entry.key);
        let what = What { field: &entry.key, of: "`scalableTargets`" };
        let service = reader.named(what, entry.key_place, last_name(&entry.key), self.service_names)?;
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
        if let Some(node) = fields.take("SuspendedState") {
            let states = ["DynamicScalingInSuspended", "DynamicScalingOutSuspended", "ScheduledScalingSuspended"];
            if states.iter().any(|it| node.get(it).and_then(Node::text) == Some("true")) {
                reader.not_simulated(node.place, format!("`SuspendedState` of {}", fields.of));
            }
        }
        let of = fields.of.clone();
        fields.finish(reader, &Shape::SCALABLE_TARGET);
        if self.targets.iter().any(|it| it.service == service) {
            reader.refuse(Problem::new(entry.key_place, format!("{of} is defined twice")));
        }
        let (Some(min_capacity), Some(max_capacity)) = (bounds.min, bounds.max) else {
            self.refused_targets.push(service);
            return None;
        };
        if self.services[service].scheduling_strategy == SchedulingStrategy::Daemon {
            let message = format!("{of} is a DAEMON service, which has no desired count to scale");
            let help = "it has a task on each container instance: scale its Auto Scaling group, or make it REPLICA";
            reader.refuse(Problem::new(entry.key_place, message).help(help));
            self.refused_targets.push(service);
            return None;
        }
        let desired = self.services[service].desired_count;
        if min_capacity <= max_capacity && !(min_capacity..=max_capacity).contains(&desired) {
            let moved = desired.clamp(min_capacity, max_capacity);
            let name = &self.services[service].name;
            reader
                .note(format!("service `{name}` starts with {desired} tasks; its scalable target makes that {moved}"));
        }
        self.targets.push(ScalableTarget { service, min_capacity, max_capacity });
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
        reader.reference(What { field: "ResourceId", of: &fields.of }, node, self.service_names)
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
            let name = &self.services[service].name;
            let message = format!("{} scales service `{name}`, which is no scalable target", fields.of);
            let help = format!("add `scalableTargets: {{{name}: {{MinCapacity: 1, MaxCapacity: 10}}}}`");
            reader.refuse(Problem::new(fields.place, message).help(help));
        }
        target
    }

    fn alarm(&self, reader: &mut Reader<'_>, entry: &Entry) -> Option<Alarm> {
        let refused = Alarm { name: entry.key.clone(), rule: None, service: None, is_used: false };
        let Some(mut fields) = reader.fields(&entry.node, format!("alarm `{}`", entry.key)) else {
            return Some(refused);
        };
        check_own_name(reader, &mut fields, "alarms", &entry.key);
        let is_elsewhere = fields.has("Metrics") || fields.has("ExtendedStatistic");
        let metric = if is_elsewhere { fields.take("MetricName").and(None) } else { metric(reader, &mut fields) };
        let service = self.watched_service(reader, &mut fields);
        let rule = if is_elsewhere { None } else { rule(reader, &mut fields) };
        if is_elsewhere {
            for name in ["Statistic", "Period", "EvaluationPeriods", "DatapointsToAlarm", "Threshold"] {
                fields.take(name);
            }
            fields.take_either("ComparisonOperator", "TreatMissingData");
        }
        if let Some(entry) = fields.take_entry("ActionsEnabled")
            && reader.flag(What { field: "ActionsEnabled", of: &fields.of }, &entry.node) == Some(false)
        {
            reader.not_simulated(entry.node.place, format!("`ActionsEnabled: false` of {}", fields.of));
        }
        fields.finish(reader, &Shape::ALARM);
        Some(Alarm { rule: metric.zip(rule), service, ..refused })
    }

    /// The service that the dimensions of an alarm name, directly or by its target group.
    fn watched_service(&self, reader: &mut Reader<'_>, fields: &mut Fields<'_>) -> Option<Id<ServiceDefinition>> {
        let mut service = fields.reference(reader, "serviceName", self.service_names);
        for node in fields.list(reader, "Dimensions") {
            let (name, value) = (node.get("name").and_then(Node::text), node.get("value"));
            let what = What { field: "Dimensions", of: &fields.of };
            match (name, value) {
                (Some("ServiceName"), Some(value)) => {
                    service = reader.reference(what, value, self.service_names);
                }
                (Some("TargetGroup"), Some(value)) => {
                    let group = reader.reference(what, value, &self.load_balancing.target_group_names);
                    service = group.and_then(|group| {
                        self.services.find(|it| it.load_balancer.as_ref().is_some_and(|it| it.target_group == group))
                    });
                }
                (Some("ClusterName" | "LoadBalancer"), Some(_)) => {}
                (Some(other), Some(_)) => reader.not_simulated(node.place, format!("dimension `{other}` in {what}")),
                _ => {
                    let problem = Problem::new(node.place, format!("an item of {what} has a `Name` and a `Value`"));
                    reader.refuse(problem);
                }
            }
        }
        service
    }

    fn policy(&mut self, reader: &mut Reader<'_>, entry: &Entry) -> Option<ScalingPolicy> {
        let mut fields = reader.fields(&entry.node, format!("scaling policy `{}`", entry.key))?;
        check_own_name(reader, &mut fields, "scalingPolicies", &entry.key);
        ecs_only(reader, &mut fields);
        let service = self.service(reader, &mut fields);
        let target = service.and_then(|it| self.target_of(reader, &fields, it));
        let kind = self.kind(reader, &mut fields, service);
        fields.finish(reader, &Shape::SCALING_POLICY);
        Some(ScalingPolicy { name: entry.key.clone(), target: target?, kind: kind? })
    }

    fn kind(
        &mut self,
        reader: &mut Reader<'_>,
        fields: &mut Fields<'_>,
        service: Option<Id<ServiceDefinition>>,
    ) -> Option<ScalingPolicyKind> {
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
                self.target_tracking(reader, tracking?, &fields.of, service).map(ScalingPolicyKind::TargetTracking)
            }
            "StepScaling" => {
                if step.is_none() {
                    fields.required(reader, "StepScalingPolicyConfiguration");
                }
                let described = linked.and_then(|it| match &it.value {
                    Value::List(items) => items.first().and_then(|it| it.get("alarmName")),
                    _ => None,
                });
                if alarm.or(described).is_none() {
                    let problem = Problem::new(fields.place, format!("{} does not say its alarm", fields.of));
                    reader.refuse(problem.help("add `alarm:` with the name of an entry of the section `alarms`"));
                }
                self.step(reader, step?, alarm.or(described), &fields.of, service).map(ScalingPolicyKind::Step)
            }
            _ => {
                let at = predictive.map(|it| it.key_place).or(kind_node.map(|it| it.place)).unwrap_or(fields.place);
                reader.not_simulated(at, format!("predictive scaling of {}", fields.of));
                None
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
            fields.take("PredefinedMetricSpecification")
        } else {
            fields.required(reader, "PredefinedMetricSpecification")
        };
        let metric = specification.and_then(|it| self.predefined_metric(reader, it, of, service));
        let scale_out_cooldown = fields.seconds_or(reader, "ScaleOutCooldown", 0..=864_000, Span::seconds(300));
        let scale_in_cooldown = fields.seconds_or(reader, "ScaleInCooldown", 0..=864_000, Span::seconds(300));
        let disable_scale_in = fields.flag_or(reader, "DisableScaleIn", false);
        fields.finish(reader, &Shape::TARGET_TRACKING);
        Some(TargetTracking {
            metric: metric?,
            target_value: target_value?,
            scale_out_cooldown,
            scale_in_cooldown,
            disable_scale_in,
        })
    }

    fn predefined_metric(
        &self,
        reader: &mut Reader<'_>,
        node: &Node,
        of: &str,
        service: Option<Id<ServiceDefinition>>,
    ) -> Option<ServiceMetric> {
        let mut fields = reader.fields(node, format!("the metric of {of}"))?;
        let name_node = fields.required(reader, "PredefinedMetricType");
        let label = fields.take("ResourceLabel");
        let of = fields.of.clone();
        fields.finish(reader, &Shape::OURS);
        let name_node = name_node?;
        let what = What { field: "PredefinedMetricType", of: &of };
        let name = reader.text(what, name_node)?;
        if name.ends_with("HighResolution") {
            reader.not_simulated(name_node.place, format!("the high resolution metric `{name}`"));
            return None;
        }
        let words = [
            ("ECSServiceAverageCPUUtilization", ServiceMetric::CpuUtilization),
            ("ECSServiceAverageMemoryUtilization", ServiceMetric::MemoryUtilization),
            ("ALBRequestCountPerTarget", ServiceMetric::RequestCountPerTarget),
        ];
        let metric = reader.word(what, name_node, &words)?;
        if metric != ServiceMetric::RequestCountPerTarget {
            if let Some(label) = label {
                let problem = Problem::new(
                    label.place,
                    format!("`ResourceLabel` of {of} belongs to `ALBRequestCountPerTarget` only"),
                );
                reader.refuse(problem.help("leave it out"));
            }
            return Some(metric);
        }
        let labelled = label.and_then(|it| {
            reader.reference(What { field: "ResourceLabel", of: &of }, it, &self.load_balancing.target_group_names)
        });
        let service = &self.services[service?];
        match (&service.load_balancer, labelled, label) {
            (None, ..) => {
                let message = format!("{of} counts requests, and service `{}` has no target group", service.name);
                reader.refuse(Problem::new(name_node.place, message));
            }
            (Some(own), Some(labelled), Some(label)) if own.target_group != labelled => {
                let own = &self.load_balancing.target_groups[own.target_group].name;
                let message = format!("`ResourceLabel` of {of} is not the target group of service `{}`", service.name);
                reader.refuse(Problem::new(label.place, message).help(format!("that is `{own}`")));
            }
            _ => {}
        }
        Some(metric)
    }

    fn step(
        &mut self,
        reader: &mut Reader<'_>,
        node: &Node,
        alarm: Option<&Node>,
        of: &str,
        service: Option<Id<ServiceDefinition>>,
    ) -> Option<StepScaling> {
        let mut fields = reader.fields(node, format!("the step scaling of {of}"))?;
        fields.required(reader, "AdjustmentType");
        let kinds = [
            ("ChangeInCapacity", AdjustmentType::ChangeInCapacity),
            ("PercentChangeInCapacity", AdjustmentType::PercentChangeInCapacity),
            ("ExactCapacity", AdjustmentType::ExactCapacity),
        ];
        let adjustment_type = fields.word(reader, "AdjustmentType", &kinds);
        let steps = fields.required(reader, "StepAdjustments").and_then(|it| steps(reader, it, &fields.of));
        let min_adjustment_magnitude = fields.count_or(reader, "MinAdjustmentMagnitude", 0..=5_000, 0);
        if min_adjustment_magnitude > 0
            && adjustment_type.is_some_and(|it| it != AdjustmentType::PercentChangeInCapacity)
        {
            reader.note(format!("`MinAdjustmentMagnitude` of {of} counts for `PercentChangeInCapacity` only"));
        }
        let cooldown = fields.seconds_or(reader, "Cooldown", 0..=864_000, Span::seconds(300));
        fields.finish(reader, &Shape::STEP_SCALING);
        let alarm = alarm.and_then(|it| self.alarm_of(reader, it, of, service));
        let (adjustment_type, (alarm_name, metric, alarm)) = (adjustment_type?, alarm?);
        Some(StepScaling {
            adjustment_type,
            steps: steps?,
            min_adjustment_magnitude,
            cooldown,
            alarm_name,
            metric,
            alarm,
        })
    }

    /// The alarm that a step scaling policy names; it must watch the service that the policy scales.
    fn alarm_of(
        &mut self,
        reader: &mut Reader<'_>,
        node: &Node,
        of: &str,
        service: Option<Id<ServiceDefinition>>,
    ) -> Option<(String, ServiceMetric, AlarmRule)> {
        let text = reader.text(What { field: "alarm", of }, node)?;
        // An alarm's ARN ends in `:alarm:name`.
        let name = text.rsplit_once(":alarm:").map_or(text, |(_, name)| name);
        let names: Vec<String> = self.alarms.iter().map(|it| it.name.clone()).collect();
        let Some(alarm) = self.alarms.iter_mut().find(|it| it.name == name) else {
            let mut problem = Problem::new(node.place, format!("{of} names alarm `{name}`, which is not defined"));
            if let Some(near) = nearest(name, names.iter().map(String::as_str)) {
                problem = problem.label(format!("did you mean `{near}`?"));
            }
            reader.refuse(if names.is_empty() {
                problem.help("this scenario defines no alarm; the section `alarms` would")
            } else {
                problem.help(format!("`alarms` defines {}", listed(names.iter().map(String::as_str))))
            });
            return None;
        };
        alarm.is_used = true;
        if let (Some(watched), Some(scaled)) = (alarm.service, service)
            && watched != scaled
        {
            let (watched, scaled) = (&self.services[watched].name, &self.services[scaled].name);
            reader.not_simulated(
                node.place,
                format!("an alarm on service `{watched}` that scales service `{scaled}` ({of})"),
            );
            return None;
        }
        let (metric, rule) = alarm.rule?;
        let needs_targets = !matches!(metric, ServiceMetric::CpuUtilization | ServiceMetric::MemoryUtilization);
        if let Some(service) = service.map(|it| &self.services[it])
            && needs_targets
            && service.load_balancer.is_none()
        {
            let message = format!("alarm `{name}` counts requests, and service `{}` has no target group", service.name);
            reader.refuse(Problem::new(node.place, message));
        }
        Some((name.to_owned(), metric, rule))
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

/// Application Auto Scaling scales much else; here it scales services of ECS.
fn ecs_only(reader: &mut Reader<'_>, fields: &mut Fields<'_>) {
    fields.word(reader, "ServiceNamespace", &[("ecs", ())]);
    fields.word(reader, "ScalableDimension", &[("ecs:service:DesiredCount", ())]);
}

fn scalable_target_action(reader: &mut Reader<'_>, node: &Node, of: &str) -> Option<Bounds> {
    let mut fields = reader.fields(node, format!("`ScalableTargetAction` of {of}"))?;
    let bounds = Bounds {
        min: fields.count(reader, "MinCapacity", 0..=5_000),
        max: fields.count(reader, "MaxCapacity", 0..=5_000),
        desired: None,
    };
    bounds.check(reader, node.place, &fields.of, ["MinCapacity", "MaxCapacity", ""], node);
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

fn metric(reader: &mut Reader<'_>, fields: &mut Fields<'_>) -> Option<ServiceMetric> {
    fields.required(reader, "MetricName");
    let words = [
        ("CPUUtilization", ServiceMetric::CpuUtilization),
        ("MemoryUtilization", ServiceMetric::MemoryUtilization),
        ("RequestCountPerTarget", ServiceMetric::RequestCountPerTarget),
        ("RequestCount", ServiceMetric::RequestCount),
        ("TargetResponseTime", ServiceMetric::TargetResponseTime),
    ];
    fields.word(reader, "MetricName", &words)
}

fn rule(reader: &mut Reader<'_>, fields: &mut Fields<'_>) -> Option<AlarmRule> {
    let statistics = [
        ("Average", Statistic::Average),
        ("Sum", Statistic::Sum),
        ("Minimum", Statistic::Minimum),
        ("Maximum", Statistic::Maximum),
    ];
    let statistic = fields.word_or(reader, "Statistic", &statistics, Statistic::default());
    let of = fields.of.clone();
    fields.usual(reader, "Period", &60);
    let period = fields.take("Period").map_or(Some(60), |node| {
        let seconds = reader.count(What { field: "Period", of: &of }, node, 1..=86_400)?;
        if matches!(seconds, 10 | 20 | 30) {
            reader.not_simulated(node.place, format!("`Period: {seconds}` (high resolution) of {of}"));
            return None;
        }
        if seconds % 60 != 0 {
            let problem = Problem::new(node.place, format!("`Period` of {of} is {seconds} s"));
            reader.refuse(problem.help("a period is a multiple of 60 seconds"));
            return None;
        }
        Some(seconds)
    });
    let evaluation_periods = fields.required_count(reader, "EvaluationPeriods", 1..=1_440);
    if let Some(periods) = evaluation_periods {
        fields.derived(reader, "DatapointsToAlarm", &periods);
    }
    let datapoints_to_alarm = fields.count(reader, "DatapointsToAlarm", 1..=1_440).or(evaluation_periods);
    if let (Some(m), Some(n)) = (datapoints_to_alarm, evaluation_periods)
        && m > n
    {
        let message = format!("{of} needs {m} datapoints in breach, and looks at {n} periods");
        reader
            .refuse(Problem::new(fields.place, message).help("`DatapointsToAlarm` may not exceed `EvaluationPeriods`"));
    }
    fields.required(reader, "Threshold");
    let threshold = fields.number(reader, "Threshold", f64::MIN..=f64::MAX);
    fields.required(reader, "ComparisonOperator");
    let operators = [
        ("GreaterThanThreshold", ComparisonOperator::GreaterThanThreshold),
        ("GreaterThanOrEqualToThreshold", ComparisonOperator::GreaterThanOrEqualToThreshold),
        ("LessThanThreshold", ComparisonOperator::LessThanThreshold),
        ("LessThanOrEqualToThreshold", ComparisonOperator::LessThanOrEqualToThreshold),
    ];
    let comparison_operator = fields.word(reader, "ComparisonOperator", &operators);
    let treatments = [
        ("missing", TreatMissingData::Missing),
        ("ignore", TreatMissingData::Ignore),
        ("breaching", TreatMissingData::Breaching),
        ("notBreaching", TreatMissingData::NotBreaching),
    ];
    let treat_missing_data = fields.word_or(reader, "TreatMissingData", &treatments, TreatMissingData::default());
    Some(AlarmRule {
        comparison_operator: comparison_operator?,
        threshold: threshold?,
        period: Span::seconds(u64::from(period?)),
        evaluation_periods: evaluation_periods?,
        datapoints_to_alarm: datapoints_to_alarm?,
        treat_missing_data,
        statistic,
    })
}

/// Step adjustments, sorted by their bounds; refused where they leave gaps, overlap or end short of infinity.
fn steps(reader: &mut Reader<'_>, node: &Node, of: &str) -> Option<Vec<StepAdjustment>> {
    let problems = reader.problems.len();
    let nodes = reader.list(What { field: "StepAdjustments", of }, node);
    let (mut steps, mut places) = (Vec::new(), Vec::new());
    for node in nodes {
        let mut fields = reader.fields(node, format!("a step of {of}"))?;
        let lower_bound = fields.number(reader, "MetricIntervalLowerBound", f64::MIN..=f64::MAX);
        let upper_bound = fields.number(reader, "MetricIntervalUpperBound", f64::MIN..=f64::MAX);
        let adjustment = fields.required(reader, "ScalingAdjustment");
        let adjustment = adjustment.and_then(|it| {
            let what = What { field: "ScalingAdjustment", of: &fields.of };
            reader.parsed(what, it, |text| {
                text.parse::<i32>().map_err(|_| format!("`{text}` is not a whole number such as `2` or `-1`"))
            })
        });
        fields.finish(reader, &Shape::OURS);
        if let Some(scaling_adjustment) = adjustment {
            steps.push(StepAdjustment { lower_bound, upper_bound, scaling_adjustment });
            places.push((lower_bound, node.place));
        }
    }
    if nodes.is_empty() || nodes.len() > 20 {
        let message = format!("{of} has {} steps; 1 to 20 are allowed", nodes.len());
        reader.refuse(Problem::new(node.place, message));
    }
    if reader.problems.len() > problems {
        return None;
    }
    let Err((number, fault)) = check_steps(&mut steps) else { return Some(steps) };
    let step = &steps[number];
    let at = places.iter().find(|(lower_bound, _)| *lower_bound == step.lower_bound).map_or(node.place, |it| it.1);
    let (lower, upper) = (step.lower_bound.unwrap_or(f64::NEG_INFINITY), step.upper_bound.unwrap_or(f64::INFINITY));
    let each = "each step begins where another ends; bounds are relative to the threshold";
    let (message, help) = match fault {
        StepFault::EndsBeforeItBegins => (format!("a step of {of} ends at {upper}, not above its start {lower}"), each),
        StepFault::LeavesGapFrom(end) => (format!("steps of {of} leave a gap between {end} and {lower}"), each),
        StepFault::OverlapsUpTo(end) => (format!("steps of {of} overlap between {lower} and {end}"), each),
        StepFault::NothingBelow => (
            format!("nothing covers the values below the lowest step of {of}"),
            "leave `MetricIntervalLowerBound` out of the lowest step: that is minus infinity",
        ),
        StepFault::NothingAbove => (
            format!("nothing covers the values above the highest step of {of}"),
            "leave `MetricIntervalUpperBound` out of the highest step: that is infinity",
        ),
    };
    reader.refuse(Problem::new(at, message).help(help));
    None
}
