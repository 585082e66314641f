//! What the timeline and scheduled actions do to Auto Scaling groups.

use crate::aws::alarm::Alarm;
use crate::aws::auto_scaling_group::{AutoScalingGroup, AvailabilityZone, ScalingProcess};
use crate::aws::composite_alarm::CompositeAlarm;
use crate::aws::instance_replacement::{
    InstanceMaintenancePolicy, InstanceRefreshPreferences, ScaleInProtectedInstances,
};
use crate::aws::instance_type::InstanceType;
use crate::aws::schedule::{self, GroupScheduledAction};
use crate::aws::task_definition::CpuArchitecture;
use crate::scenario::aws_fields::Shape;
use crate::scenario::capacity::{Bounds, Capacity, attributes, credit_specification};
use crate::scenario::problem::Problem;
use crate::scenario::reader::{Fields, Names, Reader, What};
use crate::scenario::scaling::{name_of_alarm, unix_seconds};
use crate::scenario::sections::check_own_name;
use crate::scenario::tree::Entry;
use crate::scenario::upkeep::{healthy_percentages_of, process_words};
use crate::scenario::{PartOfTasks, TimelineChange};
use crate::table::{Id, Table};
use crate::units::Span;

/// What instances are launched with from now on.
#[derive(Clone, Debug, PartialEq)]
pub struct NewLaunchTemplate {
    /// `Version`; a group's first is 1.
    pub version: u32,
    /// Attributes of the container instances that it makes, beside or instead of those of the group.
    pub attributes: Vec<(String, String)>,
    /// `InstanceType`, where it is not the group's own or has its CPU credits otherwise.
    pub instance_type: Option<InstanceType>,
}

/// Something that is done to a group or to some of its instances, the oldest first.
#[derive(Clone, Debug, PartialEq)]
pub enum GroupChange {
    /// EC2's status checks of instances fail, and nothing on them answers any more.
    ImpairInstances {
        /// How many.
        count: u32,
        /// Only those in this zone.
        availability_zone: Option<Id<AvailabilityZone>>,
    },
    /// `SuspendProcesses`
    SuspendProcesses(Vec<ScalingProcess>),
    /// `ResumeProcesses`
    ResumeProcesses(Vec<ScalingProcess>),
    /// `SetInstanceProtection`
    SetInstanceProtection {
        /// How many of those that it changes.
        count: u32,
        /// Only those in this zone.
        availability_zone: Option<Id<AvailabilityZone>>,
        /// `ProtectedFromScaleIn`
        protected_from_scale_in: bool,
    },
    /// `EnterStandby`
    EnterStandby {
        /// How many of those in service.
        count: u32,
        /// Only those in this zone.
        availability_zone: Option<Id<AvailabilityZone>>,
        /// `ShouldDecrementDesiredCapacity`: else others are launched for them.
        should_decrement_desired_capacity: bool,
    },
    /// `ExitStandby`, which increments the desired capacity.
    ExitStandby {
        /// How many of those in standby.
        count: u32,
        /// Only those in this zone.
        availability_zone: Option<Id<AvailabilityZone>>,
    },
    /// `StartInstanceRefresh`
    StartInstanceRefresh {
        /// `Preferences`
        preferences: InstanceRefreshPreferences,
        /// `DesiredConfiguration`: what the new instances are launched with, and the group's own if the refresh succeeds.
        desired_configuration: Option<Box<NewLaunchTemplate>>,
    },
    /// `CancelInstanceRefresh`
    CancelInstanceRefresh,
    /// `RollbackInstanceRefresh`
    RollbackInstanceRefresh,
}

/// An entry of the timeline that does something to one group.
pub fn group_change(
    reader: &mut Reader<'_>,
    name: &str,
    mut fields: Fields<'_>,
    group: Option<Id<AutoScalingGroup>>,
    (capacity, alarms): (&Capacity, KnownAlarms<'_>),
) -> Option<TimelineChange> {
    let changed = &mut fields;
    let change =
        match name {
            "suspendProcesses" | "resumeProcesses" => {
                let processes = processes(reader, changed);
                Some(match name {
                    "suspendProcesses" => GroupChange::SuspendProcesses(processes),
                    _ => GroupChange::ResumeProcesses(processes),
                })
            }
            "startInstanceRefresh" => {
                let group = group.map(|it| &capacity.groups[it]);
                instance_refresh(reader, changed, group, (capacity, alarms))
            }
            "cancelInstanceRefresh" => Some(GroupChange::CancelInstanceRefresh),
            "rollbackInstanceRefresh" => Some(GroupChange::RollbackInstanceRefresh),
            _ => {
                let count = changed.required_count(reader, "count", 1..=5_000);
                let availability_zone = changed.reference(reader, "availabilityZone", &capacity.zone_names);
                match name {
                    "impairInstances" => count.map(|count| GroupChange::ImpairInstances { count, availability_zone }),
                    "setInstanceProtection" => {
                        changed.required(reader, "ProtectedFromScaleIn");
                        let protected = changed.flag(reader, "ProtectedFromScaleIn");
                        count.zip(protected).map(|(count, protected_from_scale_in)| {
                            GroupChange::SetInstanceProtection { count, availability_zone, protected_from_scale_in }
                        })
                    }
                    "enterStandby" => {
                        changed.required(reader, "ShouldDecrementDesiredCapacity");
                        let decrement = changed.flag(reader, "ShouldDecrementDesiredCapacity");
                        count.zip(decrement).map(|(count, should_decrement_desired_capacity)| {
                            GroupChange::EnterStandby { count, availability_zone, should_decrement_desired_capacity }
                        })
                    }
                    _ => count.map(|count| GroupChange::ExitStandby { count, availability_zone }),
                }
            }
        };
    fields.finish(reader, &Shape::OURS);
    Some(TimelineChange::Group { auto_scaling_group: group?, change: change? })
}

/// All of them where none is named.
fn processes(reader: &mut Reader<'_>, fields: &mut Fields<'_>) -> Vec<ScalingProcess> {
    let of = fields.of.clone();
    let nodes = fields.list(reader, "ScalingProcesses");
    let what = What { field: "ScalingProcesses", of: &of };
    let named: Vec<_> = nodes.iter().filter_map(|it| reader.word(what, it, &process_words())).collect();
    if nodes.is_empty() { ScalingProcess::ALL.to_vec() } else { named }
}

/// `StartInstanceRefresh`.
fn instance_refresh(
    reader: &mut Reader<'_>,
    fields: &mut Fields<'_>,
    group: Option<&AutoScalingGroup>,
    (capacity, alarms): (&Capacity, KnownAlarms<'_>),
) -> Option<GroupChange> {
    let upkeep = group.map(|it| &it.upkeep);
    let own = upkeep.and_then(|it| it.instance_maintenance_policy);
    let usual = own.unwrap_or(InstanceMaintenancePolicy { min_healthy_percentage: 90, max_healthy_percentage: 100 });
    let set = group.and_then(|it| it.default_instance_warmup).filter(|it| *it > Span::ZERO);
    let warmup = set.unwrap_or(upkeep.map_or(Span::ZERO, |it| it.health_check_grace_period));
    let strategy_place = fields.place_of("Strategy");
    if fields.text(reader, "Strategy").is_some_and(|it| it != "Rolling") {
        reader.not_simulated(strategy_place, "an instance refresh that is not `Rolling`");
    }
    let configuration = fields.take_entry("DesiredConfiguration");
    let desired_configuration = configuration.and_then(|entry| {
        let mut configuration = reader.fields(&entry.node, format!("`DesiredConfiguration` of {}", fields.of))?;
        configuration.required(reader, "LaunchTemplate");
        let new = new_launch_template(reader, &mut configuration, group, capacity);
        configuration.finish(reader, &Shape::DESIRED_CONFIGURATION);
        new
    });
    let mut preferences = InstanceRefreshPreferences {
        healthy: usual,
        instance_warmup: warmup,
        skip_matching: false,
        checkpoint_percentages: Vec::new(),
        checkpoint_delay: Span::seconds(3_600),
        scale_in_protected_instances: ScaleInProtectedInstances::Wait,
        auto_rollback: false,
        alarms: Vec::new(),
        composite_alarms: Vec::new(),
        bake_time: Span::ZERO,
    };
    let Some(mut fields) = fields.map(reader, "Preferences") else {
        return Some(GroupChange::StartInstanceRefresh { preferences, desired_configuration });
    };
    preferences.healthy = healthy_percentages_of(reader, &mut fields, Some(usual))?;
    preferences.instance_warmup = fields.seconds_or(reader, "InstanceWarmup", 0..=86_400, warmup);
    preferences.skip_matching = fields.flag_or(reader, "SkipMatching", false);
    let place = fields.place_of("CheckpointPercentages");
    let of = fields.of.clone();
    for node in fields.list(reader, "CheckpointPercentages") {
        let what = What { field: "CheckpointPercentages", of: &of };
        preferences.checkpoint_percentages.extend(reader.count(what, node, 1..=100));
    }
    if !preferences.checkpoint_percentages.is_sorted_by(|one, other| one < other) {
        let problem = Problem::new(place, format!("`CheckpointPercentages` of {of} do not ascend"));
        reader.refuse(problem.help("list them from the smallest to the largest: `[20, 50, 100]`"));
    }
    preferences.checkpoint_delay = fields.seconds_or(reader, "CheckpointDelay", 0..=172_800, Span::seconds(3_600));
    let words = [
        ("Wait", ScaleInProtectedInstances::Wait),
        ("Refresh", ScaleInProtectedInstances::Refresh),
        ("Ignore", ScaleInProtectedInstances::Ignore),
    ];
    preferences.scale_in_protected_instances =
        fields.word_or(reader, "ScaleInProtectedInstances", &words, ScaleInProtectedInstances::Wait);
    preferences.bake_time = fields.seconds_or(reader, "BakeTime", 0..=172_800, Span::ZERO);
    let rollback_place = fields.place_of("AutoRollback");
    preferences.auto_rollback = fields.flag_or(reader, "AutoRollback", false);
    if preferences.auto_rollback && configuration.is_none() {
        let problem = Problem::new(rollback_place, format!("`AutoRollback` of {of} has nothing to roll back"));
        let help =
            "say what the refresh brings: `DesiredConfiguration: {LaunchTemplate: {Version: 2}}` beside `Preferences`";
        reader.refuse(problem.help(help));
    }
    if let Some(entry) = fields.take_entry("AlarmSpecification") {
        let mut specification = reader.fields(&entry.node, format!("`AlarmSpecification` of {of}"))?;
        let of = specification.of.clone();
        specification.required(reader, "Alarms");
        let what = What { field: "Alarms", of: &of };
        for node in specification.list(reader, "Alarms") {
            let Some(text) = reader.text(what, node) else { continue };
            let name = name_of_alarm(text);
            match alarms.composite.find(|it| it.name == name) {
                Some(composite) => preferences.composite_alarms.push(composite),
                None => preferences.alarms.extend(reader.named(what, node.place, name, alarms.names)),
            }
        }
        specification.finish(reader, &Shape::OURS);
    }
    fields.finish(reader, &Shape::REFRESH_PREFERENCES);
    Some(GroupChange::StartInstanceRefresh { preferences, desired_configuration })
}

/// Which Spot Instances are interrupted: of a group, of a pool, or of both.
pub fn interrupt_spot_instances(
    reader: &mut Reader<'_>,
    mut fields: Fields<'_>,
    capacity: &Capacity,
) -> Option<TimelineChange> {
    let place = fields.place_of("autoScalingGroup");
    let says_group = fields.has("autoScalingGroup");
    let group = fields.reference(reader, "autoScalingGroup", &capacity.group_names);
    let type_place = fields.place_of("instanceType");
    let instance_type = fields.text(reader, "instanceType").map(str::to_owned);
    let availability_zone = fields.reference(reader, "availabilityZone", &capacity.zone_names);
    let share_place = fields.place_of("share");
    let (count, share) = (fields.count(reader, "count", 1..=5_000), fields.number(reader, "share", 0.0..=1.0));
    if count.is_some() && share.is_some() {
        let problem = Problem::new(share_place, format!("{} has a `count` and a `share`", fields.of));
        reader.refuse(problem.help("say how many Spot Instances are interrupted, or which share of those that run"));
    }
    let of = fields.of.clone();
    fields.finish(reader, &Shape::OURS);
    if says_group && group.is_none() {
        return None;
    }
    let buys_spot = |it: &AutoScalingGroup| {
        it.instances_distribution.is_some_and(|it| it.on_demand_percentage_above_base_capacity < 100)
    };
    if let Some(group) = group.map(|it| &capacity.groups[it]).filter(|it| !buys_spot(it)) {
        let problem = Problem::new(place, format!("Auto Scaling group `{}` has no Spot Instances", group.name));
        let help = "only these are interrupted: give it a `MixedInstancesPolicy` with less than 100 percent On-Demand";
        reader.refuse(problem.help(help));
    }
    if let Some(name) = &instance_type
        && !capacity.types_of_groups().into_iter().chain(capacity.later_types()).any(|it| it == name)
    {
        let message = format!("`instanceType` of {of} is `{name}`, which no Auto Scaling group launches");
        reader.refuse(Problem::new(type_place, message));
    }
    Some(TimelineChange::InterruptSpotInstances {
        auto_scaling_group: group,
        instance_type,
        availability_zone,
        instances: share.map_or(PartOfTasks::Count(count.unwrap_or(1)), PartOfTasks::Share),
    })
}

/// Alarms that a refresh can watch.
#[derive(Clone, Copy)]
pub struct KnownAlarms<'a> {
    /// Those on metrics.
    pub names: &'a Names<Alarm>,
    /// Composite ones.
    pub composite: &'a Table<CompositeAlarm>,
}

/// `LaunchTemplate` of `updateAutoScalingGroup`, with what this version has otherwise than the group beside it.
pub fn new_launch_template(
    reader: &mut Reader<'_>,
    fields: &mut Fields<'_>,
    group: Option<&AutoScalingGroup>,
    capacity: &Capacity,
) -> Option<Box<NewLaunchTemplate>> {
    let said = ["attributes", "InstanceType", "CreditSpecification"].into_iter().find(|it| fields.has(it));
    let place = said.map(|it| fields.place_of(it));
    let attributes = attributes(reader, fields);
    let instance_type = instance_type_of_version(reader, fields, group, capacity);
    let Some(node) = fields.take("LaunchTemplate") else {
        if let (Some(said), Some(place)) = (said, place) {
            let problem = Problem::new(place, format!("{} has `{said}` without a `LaunchTemplate`", fields.of));
            reader.refuse(problem.help("say which version launches such instances: `LaunchTemplate: {Version: 2}`"));
        }
        return None;
    };
    let mut template = reader.fields(node, format!("`LaunchTemplate` of {}", fields.of))?;
    template.required(reader, "Version");
    let version = template.count(reader, "Version", 1..=10_000);
    template.finish(reader, &Shape::LAUNCH_TEMPLATE_SPECIFICATION);
    Some(Box::new(NewLaunchTemplate { version: version?, attributes, instance_type: instance_type? }))
}

/// `InstanceType` and `CreditSpecification` of a launch template's version: `Some(None)` where it has the group's own; `None` where it
/// was refused.
fn instance_type_of_version(
    reader: &mut Reader<'_>,
    fields: &mut Fields<'_>,
    group: Option<&AutoScalingGroup>,
    capacity: &Capacity,
) -> Option<Option<InstanceType>> {
    let (place, credits) = (fields.place_of("InstanceType"), fields.take_entry("CreditSpecification"));
    let node = fields.take("InstanceType");
    if node.is_none() && credits.is_none() {
        return Some(None);
    }
    let named = node.map(|it| capacity.instance_type(reader, it, &fields.of));
    let group = group?;
    if group.instances_distribution.is_some() {
        let message = format!("{} has an `InstanceType`, and the `Overrides` of its group say the types", fields.of);
        let at = credits.map_or(place, |it| it.key_place);
        reader
            .refuse(Problem::new(at, message).help("leave it out: AWS launches what the mixed instances policy says"));
        return None;
    }
    let mut kind = match named {
        Some(named) => named?,
        None => group.instance_types.first()?.instance_type.clone(),
    };
    if group.operating_system_family.is_windows() && kind.cpu_architecture == CpuArchitecture::Arm64 {
        let message = format!("{} runs Windows on a {}, which is ARM64", fields.of, kind.name);
        let problem = Problem::new(place, message).label("only on X86_64");
        reader.refuse(problem.help("take a type of X86_64, such as m5.large"));
    }
    if let Some(entry) = credits {
        let is_unlimited = credit_specification(reader, entry, &fields.of, std::iter::once(&kind))?;
        kind.specify_credits(is_unlimited);
    }
    Some(Some(kind))
}

/// The section `groupScheduledActions`.
pub fn group_scheduled_actions(
    reader: &mut Reader<'_>,
    entries: &[Entry],
    capacity: &Capacity,
    run: (i64, Span),
) -> Vec<GroupScheduledAction> {
    entries.iter().filter_map(|it| group_scheduled_action(reader, it, capacity, run)).collect()
}

fn group_scheduled_action(
    reader: &mut Reader<'_>,
    entry: &Entry,
    capacity: &Capacity,
    (start, duration): (i64, Span),
) -> Option<GroupScheduledAction> {
    let mut fields = reader.fields(&entry.node, format!("scheduled action `{}`", entry.key))?;
    check_own_name(reader, &mut fields, "groupScheduledActions", &entry.key);
    fields.required(reader, "AutoScalingGroupName");
    let group = fields.reference(reader, "AutoScalingGroupName", &capacity.group_names);
    let bounds = Bounds::of_group(reader, &mut fields, &entry.node);
    if Bounds::NAMES_OF_GROUP.iter().all(|it| !fields.has(it)) {
        let problem = Problem::new(entry.node.place, format!("{} changes nothing", fields.of));
        reader.refuse(problem.help("give `MinSize`, `MaxSize`, `DesiredCapacity` or some of them"));
    }
    let time_zone = fields.text(reader, "TimeZone").map(str::to_owned);
    let from = fields.parsed(reader, "StartTime", unix_seconds);
    let until = fields.parsed(reader, "EndTime", unix_seconds);
    let place = fields.place_of("Recurrence");
    let recurrence = fields.text(reader, "Recurrence").map(str::to_owned);
    if recurrence.is_none() && from.is_none() {
        let problem = Problem::new(entry.node.place, format!("{} does not say when", fields.of));
        reader.refuse(problem.help("give a `StartTime`, or a `Recurrence` such as \"0 8 * * 1-5\""));
        return None;
    }
    let of = fields.of.clone();
    fields.finish(reader, &Shape::GROUP_SCHEDULED_ACTION);
    let active = (from, until);
    let times = schedule::group_occurrences(recurrence.as_deref(), time_zone.as_deref(), start, duration, active);
    let times = match times {
        Ok(times) => times,
        Err(why) => {
            reader.refuse(Problem::new(place, format!("`Recurrence` of {of}: {why}")));
            return None;
        }
    };
    Some(GroupScheduledAction {
        name: entry.key.clone(),
        auto_scaling_group: group?,
        times,
        min_size: bounds.min,
        max_size: bounds.max,
        desired_capacity: bounds.desired,
    })
}
