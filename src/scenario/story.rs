//! A scenario file as a whole: its sections, what it splices in, and its variants.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::aws::auto_scaling_group::AvailabilityZone;
use crate::aws::placement::TieBreak;
use crate::aws::price::{Prices, prices};
use crate::aws::task_definition::TaskDefinition;
use crate::scenario::problem::{Problem, Problems, Source};
use crate::scenario::reader::{Fields, Reader};
use crate::scenario::tree::{Key, Node, Place, Value, merge, parse};
use crate::scenario::workloads::Files;
use crate::scenario::{
    Assumptions, Expectation, Measure, Scenario, TimelineChange, TimelineEntry, capacity, scaling, services,
    task_definitions, workloads,
};
use crate::table::{Id, Table};
use crate::units::{Instant, Span};

/// A file's variants, and what was noticed while reading it.
#[derive(Debug)]
pub struct Story {
    /// `base` first, then the file's variants in order.
    pub variants: Vec<Scenario>,
    /// Replications that the file asks for.
    pub replications: u32,
    /// What AWS knows and has no effect here.
    pub notes: Vec<String>,
    /// Every file that was read, as read, the scenario first.
    pub inputs: Vec<(PathBuf, Vec<u8>)>,
    /// What AWS knows and is not simulated yet: sound, but not to be run.
    pub unsupported: Problems,
}

/// Largest scenario file.
const SIZE_MAXIMUM: usize = 16 << 20;

/// Reads a scenario; `open` reads files, by the path that was given and by paths relative to its folder.
///
/// # Errors
/// All that is wrong with it.
pub fn read(path: &Path, open: &mut dyn FnMut(&Path) -> std::io::Result<Vec<u8>>) -> Result<Story, Problems> {
    let mut reader = Reader::default();
    let mut inputs = Vec::new();
    let folder = path.parent().map(Path::to_owned).unwrap_or_default();
    let mut splicer = Splicer { reader: &mut reader, open, inputs: &mut inputs, stack: Vec::new() };
    let root = splicer.file(path, None);
    let Some(root) = root else { return Err(reader.into_problems().0) };
    let description = leading_comment(&reader.sources[0].text);
    let stem = path.file_stem().map(|it| it.to_string_lossy().into_owned()).unwrap_or_default();
    let (base, patches) = split_variants(&mut reader, &root);
    let mut variants = Vec::new();
    let mut replications = 1;
    let mut trees = vec![("base".to_owned(), base.clone(), None, None)];
    for (key, node) in patches {
        let Some(mut fields) = reader.fields(node, format!("variant {}", key.text)) else { continue };
        if key.text == "base" || key.text.contains(['/', '\\']) || key.text.starts_with('.') {
            let problem = Problem::at(key.place.clone(), format!("`{}` is no name for a variant", key.text));
            reader.refuse(problem.expected("expected a plain name other than base"));
        }
        let patch = fields.take("patch");
        let expect_failure = fields.get(&mut reader, "expectFailure", Reader::boolean);
        let words = fields.get(&mut reader, "description", Reader::text);
        fields.finish(&mut reader, &[]);
        let tree = patch.map_or_else(|| base.clone(), |patch| merge(&base, patch));
        trees.push((key.text.clone(), tree, expect_failure, words));
    }
    for (variant, tree, expect_failure, words) in trees {
        let mut files = Files { open, folder: folder.clone(), inputs: &mut inputs };
        let Some((mut scenario, repeat)) = scenario(&mut reader, &tree, &mut files) else { continue };
        if variant == "base" {
            replications = repeat;
        }
        scenario.name = stem.clone();
        scenario.variant = variant;
        if scenario.description.is_empty() {
            scenario.description = description.clone();
        }
        if let Some(words) = words {
            scenario.description = words;
        }
        scenario.expect_failure = expect_failure.unwrap_or(scenario.expect_failure);
        variants.push(scenario);
    }
    let notes = reader.ignored.iter().map(|it| format!("{it}: known to AWS, without effect here")).collect();
    let (problems, unsupported) = reader.into_problems();
    if !problems.is_empty() {
        return Err(problems);
    }
    Ok(Story { variants, replications, notes, inputs, unsupported })
}

/// Reads files into trees, and puts other files in place of `file://` words.
struct Splicer<'a> {
    reader: &'a mut Reader,
    open: &'a mut dyn FnMut(&Path) -> std::io::Result<Vec<u8>>,
    inputs: &'a mut Vec<(PathBuf, Vec<u8>)>,
    stack: Vec<PathBuf>,
}

impl Splicer<'_> {
    /// The tree of a file; `named_at` is where another file names it.
    fn file(&mut self, path: &Path, named_at: Option<&Place>) -> Option<Node> {
        let shown = path.display().to_string();
        let refuse = |reader: &mut Reader, message: String, expected: &str| {
            reader.refuse(Problem { message, place: named_at.cloned(), expected: expected.to_owned(), help: None });
        };
        if self.stack.iter().any(|it| it == path) {
            refuse(self.reader, format!("`{shown}` stands within itself"), "this file leads back to itself");
            return None;
        }
        let bytes = match (self.open)(path) {
            Ok(bytes) => bytes,
            Err(error) => {
                refuse(self.reader, format!("`{shown}` cannot be read: {error}"), "expected a file that is there");
                return None;
            }
        };
        if bytes.len() > SIZE_MAXIMUM {
            let message = format!(
                "`{shown}` has {} MB; a scenario has at most 16 MiB (traces belong in a CSV file of their own)",
                bytes.len() / 1_000_000
            );
            refuse(self.reader, message, "this file is too large");
            return None;
        }
        let text = match String::from_utf8(bytes.clone()) {
            Ok(text) => text,
            Err(error) => {
                let at = error.utf8_error().valid_up_to();
                let message = format!("`{shown}` is not text: byte {at} is not UTF-8");
                refuse(self.reader, message, "expected UTF-8 text");
                return None;
            }
        };
        self.inputs.push((path.to_owned(), bytes));
        let number = self.reader.sources.len();
        let parsed = parse(number, &text);
        self.reader.sources.push(Source { name: shown, text });
        match parsed {
            Ok(node) => {
                self.stack.push(path.to_owned());
                let node = self.splice(node, path);
                self.stack.pop();
                Some(node)
            }
            Err(problem) => {
                self.reader.refuse(problem);
                None
            }
        }
    }

    fn splice(&mut self, node: Node, within: &Path) -> Node {
        let place = node.place;
        let value = match node.value {
            Value::Scalar { text, is_quoted } => match text.strip_prefix("file://") {
                Some(name) => {
                    let path = within.parent().map_or_else(|| PathBuf::from(name), |folder| folder.join(name));
                    return self
                        .file(&path, Some(&place))
                        .unwrap_or(Node { place, value: Value::Scalar { text, is_quoted } });
                }
                None => Value::Scalar { text, is_quoted },
            },
            Value::List(items) => Value::List(items.into_iter().map(|it| self.splice(it, within)).collect()),
            Value::Map(entries) => {
                Value::Map(entries.into_iter().map(|(key, it)| (key, self.splice(it, within))).collect())
            }
        };
        Node { place, value }
    }
}

/// The comment that a file begins with, a line of it after the other.
fn leading_comment(text: &str) -> String {
    let lines = text
        .lines()
        .skip_while(|line| line.trim().is_empty())
        .take_while(|line| line.starts_with('#'))
        .filter(|line| !line.contains("yaml-language-server"));
    lines.map(|line| line.trim_start_matches('#').trim()).collect::<Vec<_>>().join(" ")
}

fn split_variants<'n>(reader: &mut Reader, root: &'n Node) -> (Node, Vec<(&'n Key, &'n Node)>) {
    let Value::Map(entries) = &root.value else { return (root.clone(), Vec::new()) };
    let variants = entries.iter().find(|(key, _)| key.text == "variants").map(|(_, node)| node);
    let rest = entries.iter().filter(|(key, _)| key.text != "variants").cloned().collect();
    (Node { place: root.place.clone(), value: Value::Map(rest) }, reader.named(variants, "variants"))
}

/// One variant, and how often it is to be replicated.
fn scenario(reader: &mut Reader, tree: &Node, files: &mut Files) -> Option<(Scenario, u32)> {
    let mut fields = reader.fields(tree, "scenario")?;
    let description = fields.get(reader, "description", Reader::text).unwrap_or_default();
    let duration = fields
        .required(reader, "duration", |reader, node, what| {
            let span = reader.span(node, what)?;
            if span < Span::MINUTE || span > Span::seconds(100 * 86_400) {
                let problem = Problem::at(node.place.clone(), format!("{what}: {span} cannot be simulated"));
                reader.refuse(problem.expected("expected from 1m to 100d"));
                return None;
            }
            Some(span)
        })
        .unwrap_or(Span::MINUTE);
    // A Monday.
    let start_unix_seconds = fields.get(reader, "start", Reader::timestamp).unwrap_or(1_767_571_200);
    let replications =
        fields.get(reader, "replications", |reader, node, what| reader.count(node, what, 1..=10_000)).unwrap_or(1);
    let begins_settled = fields
        .get(reader, "begin", |reader, node, what| reader.one_of(node, what, &[("settled", true), ("cold", false)]))
        .unwrap_or(true);
    let (cluster_name, availability_zones, region) = cluster(reader, &mut fields);
    let mut auto_scaling_groups =
        capacity::auto_scaling_groups(reader, fields.take("autoScalingGroups"), &availability_zones);
    let capacity_providers =
        capacity::capacity_providers(reader, fields.take("capacityProviders"), &mut auto_scaling_groups);
    let has_target_groups = fields.has("targetGroups");
    let load_balancers =
        capacity::load_balancers(reader, fields.take("loadBalancers"), &availability_zones, has_target_groups);
    let target_groups = capacity::target_groups(reader, fields.take("targetGroups"), &load_balancers);
    let applications = fields.take("applications");
    let task_definitions = task_definitions::read(reader, fields.take("taskDefinitions"), applications);
    let names = services::Names {
        task_definitions: &task_definitions,
        capacity_providers: &capacity_providers,
        target_groups: &target_groups,
    };
    let services_node = fields.take("services");
    let services = services::read(reader, services_node, &names);
    let service_names = scaling::service_names(&services);
    let scalable_targets = scaling::scalable_targets(reader, fields.take("scalableTargets"), &service_names);
    let alarms = scaling::alarms(reader, fields.take("alarms"), &service_names);
    let names = scaling::Names { services: &service_names, targets: &scalable_targets, alarms: &alarms };
    let scaling_policies = scaling::scaling_policies(reader, fields.take("scalingPolicies"), &names);
    let scheduled_actions =
        scaling::scheduled_actions(reader, fields.take("scheduledActions"), &names, start_unix_seconds, duration);
    // What went wrong with a load balancer has been said; that a service has none would only follow from it.
    let is_sound = !reader.has_problems();
    let balanced: Vec<(String, bool)> =
        services.iter().map(|it| (it.name.clone(), it.load_balancer.is_some() || !is_sound)).collect();
    let workloads = workloads::read(reader, fields.take("workloads"), &balanced, duration, files);
    let groups: Vec<String> = auto_scaling_groups.iter().map(|it| it.name.clone()).collect();
    let timeline_node = fields.take("timeline");
    let timeline = timeline(reader, timeline_node, &service_names, &groups, &task_definitions);
    let expectations = expectations(reader, fields.take("expectations"), &service_names);
    let expect_failure = fields.get(reader, "expectFailure", Reader::boolean).unwrap_or(false);
    let assumptions = assumptions(reader, fields.take("assumptions"));
    let prices = read_prices(reader, fields.take("prices"), &region);
    fields.finish(reader, &[]);
    let scenario = Scenario {
        name: String::new(),
        variant: String::new(),
        description,
        duration,
        start_unix_seconds,
        cluster_name,
        begins_settled,
        availability_zones,
        task_definitions,
        auto_scaling_groups,
        capacity_providers,
        load_balancers,
        target_groups,
        services,
        scalable_targets,
        scaling_policies,
        scheduled_actions,
        workloads,
        timeline,
        expectations,
        expect_failure,
        assumptions,
        prices,
    };
    Some((scenario, replications))
}

fn cluster(reader: &mut Reader, fields: &mut Fields) -> (String, Table<AvailabilityZone>, String) {
    let node = fields.take("cluster");
    let mut name = "default".to_owned();
    let mut zones: Vec<String> = ["us-east-1a", "us-east-1b", "us-east-1c"].map(str::to_owned).to_vec();
    if let Some(mut cluster) = node.and_then(|node| reader.fields(node, "cluster")) {
        name = cluster.get(reader, "name", Reader::text).unwrap_or(name);
        let list = cluster.take("availabilityZones");
        let given: Vec<String> = reader
            .list(list, "cluster, availabilityZones")
            .into_iter()
            .filter_map(|it| {
                let zone = reader.text(it, "cluster, availabilityZones")?;
                let is_zone = zone.len() > 2 && zone.ends_with(|it: char| it.is_ascii_lowercase());
                if !is_zone {
                    let problem = Problem::at(it.place.clone(), format!("cluster: `{zone}` is no availability zone"));
                    reader.refuse(problem.expected("expected a name such as us-east-1a"));
                }
                Some(zone)
            })
            .collect();
        if !given.is_empty() {
            zones = given;
        }
        let unique: BTreeSet<&String> = zones.iter().collect();
        if let (Some(list), true) = (list, unique.len() < zones.len()) {
            let problem = Problem::at(list.place.clone(), "cluster: a zone stands twice".to_owned());
            reader.refuse(problem.expected("each zone once"));
        }
        cluster.finish(reader, &["clusterName", "tags", "settings", "configuration"]);
    }
    let region = zones[0].trim_end_matches(|it: char| it.is_ascii_lowercase()).to_owned();
    (name, zones.into_iter().map(|name| AvailabilityZone { name }).collect(), region)
}

fn timeline(
    reader: &mut Reader,
    node: Option<&Node>,
    services: &[String],
    groups: &[String],
    definitions: &Table<TaskDefinition>,
) -> Vec<TimelineEntry> {
    let mut entries = Vec::new();
    for item in reader.list(node, "timeline") {
        let Some(mut fields) = reader.fields(item, "timeline entry") else { continue };
        let at = fields.required(reader, "at", Reader::span);
        let words = ["updateService", "deploy", "terminateInstances", "updateAutoScalingGroup"];
        let given: Vec<&'static str> = words.into_iter().filter(|it| fields.has(it)).collect();
        let [word] = given.as_slice() else {
            let problem = Problem::at(item.place.clone(), "timeline entry: what happens?".to_owned());
            reader.refuse(problem.expected(format!("expected one of {}", words.join(", "))));
            words.into_iter().for_each(|word| {
                fields.take(word);
            });
            fields.finish(reader, &[]);
            continue;
        };
        let inside = fields.take(word);
        fields.finish(reader, &[]);
        let change = inside.and_then(|node| match *word {
            "updateService" | "deploy" => update_service(reader, node, word, services, definitions),
            "terminateInstances" => terminate_instances(reader, node, groups),
            _ => update_group(reader, node, groups),
        });
        if let (Some(at), Some(change)) = (at, change) {
            entries.push(TimelineEntry { at: Instant::START + at, change });
        }
    }
    entries.sort_by_key(|it| it.at);
    entries
}

fn update_service(
    reader: &mut Reader,
    node: &Node,
    word: &str,
    services: &[String],
    definitions: &Table<TaskDefinition>,
) -> Option<TimelineChange> {
    let what = format!("timeline, {word}");
    let mut fields = reader.fields(node, what.clone())?;
    let service =
        fields.required(reader, "service", |reader, node, what| reader.reference(node, what, "service", services));
    let read_definition = |reader: &mut Reader, node: &Node, what: &str| {
        services::task_definition_reference(reader, node, what, definitions)
    };
    let task_definition = match word {
        "deploy" => Some(fields.required(reader, "taskDefinition", read_definition)?),
        _ => fields.get(reader, "taskDefinition", read_definition),
    };
    let desired_count = fields.get(reader, "desiredCount", |reader, node, what| reader.count(node, what, 0..=5000));
    let force_new_deployment = fields.get(reader, "forceNewDeployment", Reader::boolean).unwrap_or(false);
    let (minimum_healthy_percent, maximum_percent) = match fields.take("deploymentConfiguration") {
        Some(node) => services::deployment_configuration(reader, node, &what),
        None => (None, None),
    };
    fields.finish(reader, &["cluster"]);
    Some(TimelineChange::UpdateService {
        service: Id::new(service?),
        task_definition,
        desired_count,
        force_new_deployment,
        minimum_healthy_percent,
        maximum_percent,
    })
}

fn terminate_instances(reader: &mut Reader, node: &Node, groups: &[String]) -> Option<TimelineChange> {
    let mut fields = reader.fields(node, "timeline, terminateInstances")?;
    let group = fields.required(reader, "autoScalingGroup", |reader, node, what| {
        reader.reference(node, what, "auto scaling group", groups)
    });
    let count = fields.get(reader, "count", |reader, node, what| reader.count(node, what, 1..=5000)).unwrap_or(1);
    fields.finish(reader, &[]);
    Some(TimelineChange::TerminateInstances { auto_scaling_group: Id::new(group?), count })
}

fn update_group(reader: &mut Reader, node: &Node, groups: &[String]) -> Option<TimelineChange> {
    let mut fields = reader.fields(node, "timeline, updateAutoScalingGroup")?;
    let group = fields.required(reader, "autoScalingGroup", |reader, node, what| {
        reader.reference(node, what, "auto scaling group", groups)
    });
    let size = |reader: &mut Reader, node: &Node, what: &str| reader.count(node, what, 0..=5000);
    let min_size = fields.get(reader, "MinSize", size);
    let max_size = fields.get(reader, "MaxSize", size);
    let desired_capacity = fields.get(reader, "DesiredCapacity", size);
    if let (Some(min), Some(max)) = (min_size, max_size)
        && min > max
    {
        let message = format!("timeline: MinSize {min} is above MaxSize {max}");
        reader.refuse(Problem::at(node.place.clone(), message).expected("expected MinSize <= MaxSize"));
    }
    fields.finish(reader, &[]);
    Some(TimelineChange::UpdateAutoScalingGroup {
        auto_scaling_group: Id::new(group?),
        min_size,
        max_size,
        desired_capacity,
    })
}

/// The words for what an expectation measures.
const MEASURES: [(&str, Measure); 11] = [
    ("errorPercent", Measure::ErrorPercent),
    ("responseTimeP50Ms", Measure::ResponseTimeP50Ms),
    ("responseTimeP90Ms", Measure::ResponseTimeP90Ms),
    ("responseTimeP99Ms", Measure::ResponseTimeP99Ms),
    ("worstMinuteErrorPercent", Measure::WorstMinuteErrorPercent),
    ("worstMinuteP99Ms", Measure::WorstMinuteP99Ms),
    ("costUsd", Measure::CostUsd),
    ("taskHours", Measure::TaskHours),
    ("instanceHours", Measure::InstanceHours),
    ("runningCountAtEnd", Measure::RunningCountAtEnd),
    ("deploymentsCompleted", Measure::DeploymentsCompleted),
];

fn expectations(reader: &mut Reader, node: Option<&Node>, services: &[String]) -> Vec<Expectation> {
    let mut all = Vec::new();
    for (key, node) in reader.named(node, "expectations") {
        let what = format!("expectation {}", key.text);
        let Some(mut fields) = reader.fields(node, what.clone()) else { continue };
        let measure = if fields.has("measure") {
            fields.get(reader, "measure", |reader, node, what| reader.one_of(node, what, &MEASURES))
        } else {
            fields.take("measure");
            let word =
                Node { place: key.place.clone(), value: Value::Scalar { text: key.text.clone(), is_quoted: false } };
            reader.one_of(&word, &what, &MEASURES)
        };
        let service =
            fields.get(reader, "service", |reader, node, what| reader.reference(node, what, "service", services));
        let limit = |reader: &mut Reader, node: &Node, what: &str| reader.number(node, what, 0.0..=f64::INFINITY);
        let at_most = fields.get(reader, "atMost", limit);
        let at_least = fields.get(reader, "atLeast", limit);
        let has_limit = fields.has("atMost") || fields.has("atLeast");
        fields.finish(reader, &[]);
        if !has_limit {
            let problem = Problem::at(node.place.clone(), format!("{what}: there is no limit"));
            reader.refuse(problem.expected("expected atMost, atLeast or both"));
        }
        if let Some(measure) = measure {
            all.push(Expectation { name: key.text.clone(), measure, service: service.map(Id::new), at_most, at_least });
        }
    }
    all
}

fn assumptions(reader: &mut Reader, node: Option<&Node>) -> Assumptions {
    let mut it = Assumptions::default();
    let Some(mut fields) = node.and_then(|node| reader.fields(node, "assumptions")) else { return it };
    macro_rules! read {
        ($read:expr; $($name:literal => $field:ident),* $(,)?) => {
            $(if let Some(value) = fields.get(reader, $name, $read) { it.$field = value; })*
        };
    }
    read!(Reader::distribution;
        "instanceLaunchTime" => instance_launch_time,
        "agentRegistrationTime" => agent_registration_time,
    );
    read!(Reader::span;
        "autoScalingGroupDelay" => auto_scaling_group_delay,
        "schedulerDelay" => scheduler_delay,
        "replacementDelay" => replacement_delay,
        "agentPickUpTime" => agent_pick_up_time,
        "networkInterfaceAttachTime" => network_interface_attach_time,
        "networkInterfaceDetachTime" => network_interface_detach_time,
        "imagePullOverhead" => image_pull_overhead,
        "containerCreateTime" => container_create_time,
        "instanceLossDetection" => instance_loss_detection,
        "placementRetryFast" => placement_retry_fast,
        "placementRetryWindow" => placement_retry_window,
        "placementRetrySlow" => placement_retry_slow,
        "provisioningTimeout" => provisioning_timeout,
        "healthyAfter" => healthy_after,
        "targetRegistrationTime" => target_registration_time,
        "ecsMetricDelay" => ecs_metric_delay,
        "loadBalancerMetricDelay" => load_balancer_metric_delay,
        "capacityProviderMetricDelay" => capacity_provider_metric_delay,
        "activityTimeout" => activity_timeout,
        "scheduledActionDelay" => scheduled_action_delay,
    );
    read!(Reader::boolean;
        "placementRetryOnCapacity" => placement_retry_on_capacity,
        "drainFullDelay" => drain_full_delay,
        "firstGrowthByFormula" => first_growth_by_formula,
        "burstCredits" => burst_credits,
    );
    read!(|reader: &mut Reader, node: &Node, what: &str| reader.number(node, what, 0.001..=1e6);
        "imagePullMbPerSecond" => image_pull_mb_per_second,
        "requestsPerConnection" => requests_per_connection,
    );
    read!(|reader: &mut Reader, node: &Node, what: &str| reader.number(node, what, 0.0..=1.0);
        "alarmLowRatio" => alarm_low_ratio,
        "scaleInMaxFraction" => scale_in_max_fraction,
        "capacityScaleInMaxFraction" => capacity_scale_in_max_fraction,
    );
    read!(|reader: &mut Reader, node: &Node, what: &str| reader.count(node, what, 1..=1_000_000);
        "provisioningMaximum" => provisioning_maximum,
        "launchesPerMinute" => launches_per_minute,
    );
    read!(|reader: &mut Reader, node: &Node, what: &str| {
            reader.one_of(node, what, &[("random", TieBreak::Random), ("lexical", TieBreak::Lexical)])
        };
        "tieBreak" => tie_break,
    );
    it.alarm_phase = fields.get(reader, "alarmPhase", |reader, node, what| reader.seconds(node, what, 0..=59));
    it.empty_capacity_provider_metric =
        fields.get(reader, "emptyCapacityProviderMetric", |reader, node, what| reader.number(node, what, 0.0..=1000.0));
    fields.finish(reader, &[]);
    it
}

fn read_prices(reader: &mut Reader, node: Option<&Node>, region: &str) -> Prices {
    // Regions that the table does not have are priced as us-east-1 until the file says otherwise.
    let mut it = prices(region).or_else(|| prices("us-east-1")).expect("the price table has us-east-1");
    let Some(mut fields) = node.and_then(|node| reader.fields(node, "prices")) else { return it };
    let price = |reader: &mut Reader, node: &Node, what: &str| reader.number(node, what, 0.0..=1e6);
    it.load_balancer_hour = fields.get(reader, "loadBalancerHour", price).unwrap_or(it.load_balancer_hour);
    it.load_balancer_capacity_unit_hour =
        fields.get(reader, "loadBalancerCapacityUnitHour", price).unwrap_or(it.load_balancer_capacity_unit_hour);
    fields.finish(reader, &[]);
    it
}
