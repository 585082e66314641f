//! `rules`, `schedules` and `buckets`: what EventBridge runs tasks for, and how often.

use std::sync::Arc;

use crate::aws::event_bridge::{
    Delivery, EcsTarget, Invoker, KeyPattern, RetryPolicy, TARGETS_MAXIMUM, TASK_COUNT_MAXIMUM,
};
use crate::aws::run_task::{Caller, Overrides, RunTask};
use crate::aws::schedule;
use crate::aws::task_definition::{TaskDefinition, VolumeKind};
use crate::distribution::Distribution;
use crate::scenario::aws_fields::Shape;
use crate::scenario::problem::{Problem, nearest};
use crate::scenario::reader::{Fields, Reader, What, last_name, listed};
use crate::scenario::run_task::{Around, Demands, launched, task_override};
use crate::scenario::scaling::unix_seconds;
use crate::scenario::sections::check_own_name;
use crate::scenario::task_definition::check_name;
use crate::scenario::tree::{Entry, Node, Value};
use crate::scenario::workload::arrivals;
use crate::units::{Instant, Span};
use crate::workload::arrivals::ArrivalProcess;
use crate::workload::task_calls::TaskCalls;

/// What a scenario can assume of EventBridge, of which AWS publishes little.
#[derive(Clone, Debug, PartialEq)]
pub struct EventBridgeAssumptions {
    /// How far into its minute a rule or schedule invokes its target, drawn once for each: evenly from 0 s to 60 s.
    pub schedule_offset: Distribution,
    /// From the creation of an object to its event on the bus, which all rules find there at one time: log-normal, 1 s in the median
    /// and 10 s at the 99th percentile.
    pub object_event_delay: Distribution,
    /// From the bus to each target: log-normal, 150 ms in the median and 400 ms at the 99th percentile (measured in 2023).
    pub event_delay: Distribution,
    /// The share of events that are delivered twice, 0 to 1: none. Delivery is at least once.
    pub duplicate_event_share: f64,
    /// Whether tasks that `RunTask` returns as failures are tried again under the retry policy. AWS takes the call for a success: no.
    pub retry_failed_placement: bool,
}

impl Default for EventBridgeAssumptions {
    fn default() -> Self {
        EventBridgeAssumptions {
            schedule_offset: Distribution::Uniform { minimum: Span::ZERO, maximum: Span(Span::MINUTE.0 - 1) },
            object_event_delay: Distribution::log_normal_of(Span::SECOND, Span::seconds(10)),
            event_delay: Distribution::log_normal_of(Span::millis(150), Span::millis(400)),
            duplicate_event_share: 0.0,
            retry_failed_placement: false,
        }
    }
}

/// A bucket of S3 whose objects rules are told of.
struct Bucket {
    name: String,
    arrivals: ArrivalProcess,
    /// Keys that its objects have.
    keys: Vec<String>,
    weights: Vec<f64>,
}

/// Buckets by name.
#[derive(Default)]
pub struct Buckets {
    known: Vec<Bucket>,
    /// Names of all, refused ones too.
    names: Vec<String>,
    matched: Vec<bool>,
}

impl Buckets {
    /// The section `buckets`: when objects are put into each, and what their keys are like.
    pub fn read(reader: &mut Reader<'_>, entries: &[Entry], duration: Span) -> Buckets {
        let mut buckets = Buckets::default();
        for entry in entries {
            buckets.names.push(entry.key.clone());
            if let Some(bucket) = bucket(reader, entry, duration) {
                buckets.known.push(bucket);
                buckets.matched.push(false);
            }
        }
        buckets
    }

    /// Remarks on buckets that no rule listens to.
    pub fn note_unheard(&self, reader: &mut Reader<'_>) {
        for (bucket, _) in self.known.iter().zip(&self.matched).filter(|(_, matched)| !**matched) {
            reader.note(format!("no rule listens to bucket `{}`: its objects run nothing", bucket.name));
        }
    }
}

fn bucket(reader: &mut Reader<'_>, entry: &Entry, duration: Span) -> Option<Bucket> {
    let mut fields = reader.fields(&entry.node, format!("bucket `{}`", entry.key))?;
    let of = fields.of.clone();
    let process = fields.required(reader, "objects").and_then(|it| arrivals(reader, it, &of, duration));
    let (mut keys, mut weights) = (Vec::new(), Vec::new());
    for node in fields.list(reader, "keys") {
        let Some(mut one) = reader.fields(node, format!("a key of {of}")) else { continue };
        let key = one.required(reader, "key").and_then(|it| reader.text(What { field: "key", of: &of }, it));
        weights.push(one.number_or(reader, "weight", 0.0..=1e6, 1.0));
        keys.push(key.unwrap_or_default().to_owned());
        one.finish(reader, &Shape::OURS);
    }
    if keys.is_empty() {
        (keys, weights) = (vec!["object".to_owned()], vec![1.0]);
    } else if weights.iter().sum::<f64>() <= 0.0 {
        let problem = Problem::new(fields.place_of("keys"), format!("the weights of the keys of {of} sum to nothing"));
        reader.refuse(problem.help("one of them has to be above 0"));
    }
    fields.finish(reader, &Shape::OURS);
    Some(Bucket { name: entry.key.clone(), arrivals: process?, keys, weights })
}

/// When a run begins, as a UTC second, and how long it is.
type Clock = (i64, Span);

/// The section `rules`: each target is an entry of standalone tasks.
pub fn rules(
    reader: &mut Reader<'_>,
    entries: &[Entry],
    around: &mut Around<'_>,
    clock: Clock,
    buckets: &mut Buckets,
    demands: &mut Demands,
) {
    for entry in entries {
        check_name(reader, entry.key_place, &entry.key, "a rule");
        let Some(mut fields) = reader.fields(&entry.node, format!("rule `{}`", entry.key)) else { continue };
        check_own_name(reader, &mut fields, "rules", &entry.key);
        let is_enabled = state(reader, &mut fields);
        let cause = cause(reader, &mut fields, clock, buckets);
        let of = fields.of.clone();
        fields.required(reader, "Targets");
        let nodes = fields.list(reader, "Targets");
        if nodes.len() > TARGETS_MAXIMUM || (nodes.is_empty() && fields.has("Targets")) {
            let at = fields.place_of("Targets");
            let message = format!("{of} has {} targets; one to {TARGETS_MAXIMUM} are allowed", nodes.len());
            reader.refuse(Problem::new(at, message));
        }
        fields.finish(reader, &Shape::RULE);
        for node in nodes {
            let Some(mut target) = reader.fields(node, format!("a target of {of}")) else { continue };
            let id = target.text(reader, "Id").unwrap_or_default();
            let (name, delivery) = match nodes.len() {
                1 => (entry.key.clone(), cause.as_ref().map(|it| it.0)),
                _ => (format!("{}-{id}", entry.key), cause.as_ref().map(|it| it.0)),
            };
            if nodes.len() > 1 && id.is_empty() {
                let problem = Problem::new(node.place, format!("a target of {of} has no `Id`"));
                reader.refuse(problem.help("with several targets each needs one, by which its tasks are told apart"));
            }
            let tasks = EcsTasks::read(reader, &mut target, around, &of);
            let policy = retry_policy(reader, &mut target);
            target.finish(reader, &Shape::RULE_TARGET);
            let (Some(tasks), Some((_, calls)), Some(delivery)) = (tasks, &cause, delivery) else { continue };
            let target = EcsTarget {
                invoker: Invoker::Rule,
                name: entry.key.clone(),
                delivery,
                retry_policy: policy.0,
                has_dead_letter_queue: policy.1,
            };
            let calls = if is_enabled { tasks.called(calls) } else { never() };
            demands.add(reader, node.place, tasks.entry(name, target), calls);
        }
    }
}

/// The section `schedules`: those of EventBridge Scheduler.
pub fn schedules(
    reader: &mut Reader<'_>,
    entries: &[Entry],
    around: &mut Around<'_>,
    clock: Clock,
    demands: &mut Demands,
) {
    for entry in entries {
        check_name(reader, entry.key_place, &entry.key, "a schedule");
        let Some(mut fields) = reader.fields(&entry.node, format!("schedule `{}`", entry.key)) else { continue };
        check_own_name(reader, &mut fields, "schedules", &entry.key);
        let of = fields.of.clone();
        let is_enabled = state(reader, &mut fields);
        let window = flexible_time_window(reader, &mut fields);
        let zone_is_said = fields.has("ScheduleExpressionTimezone");
        let zone = fields.parsed(reader, "ScheduleExpressionTimezone", schedule::time_zone);
        let active = (fields.parsed(reader, "StartDate", unix_seconds), fields.parsed(reader, "EndDate", unix_seconds));
        let node = fields.required(reader, "ScheduleExpression");
        let times = node
            .filter(|_| zone.is_some() || !zone_is_said)
            .and_then(|it| scheduled(reader, it, &of, (zone.as_deref(), active), clock, true));
        let target_node = fields.required(reader, "Target");
        fields.finish(reader, &Shape::SCHEDULE);
        let Some(target_node) = target_node else { continue };
        let Some(mut target) = reader.fields(target_node, format!("the target of {of}")) else { continue };
        let tasks = EcsTasks::read(reader, &mut target, around, &of);
        let (retry_policy, has_dead_letter_queue) = retry_policy(reader, &mut target);
        target.finish(reader, &Shape::SCHEDULE_TARGET);
        let (Some(tasks), Some(times)) = (tasks, times) else { continue };
        let target = EcsTarget {
            invoker: Invoker::Schedule,
            name: entry.key.clone(),
            delivery: window.map_or(Delivery::WithinTheMinute, Delivery::WithinWindow),
            retry_policy,
            has_dead_letter_queue,
        };
        let calls = if is_enabled { tasks.called(&Cause::Scheduled(times)) } else { never() };
        demands.add(reader, entry.key_place, tasks.entry(entry.key.clone(), target), calls);
    }
}

/// What is disabled asks for nothing.
fn never() -> TaskCalls {
    TaskCalls::Listed(Arc::from([]))
}

/// What a rule is triggered by.
enum Cause {
    Scheduled(Arc<[Instant]>),
    Objects { bucket: Arc<str>, arrivals: ArrivalProcess, weights: Vec<f64>, matches: Vec<bool> },
}

/// What a target says of its tasks.
struct EcsTasks {
    task_definition: crate::table::Id<crate::aws::task_definition::TaskDefinition>,
    launch: crate::aws::launch::Launch,
    count: u32,
    run_time: Option<Distribution>,
    size: Overrides,
}

impl EcsTasks {
    /// `EcsParameters`, and how long the tasks run.
    fn read(reader: &mut Reader<'_>, target: &mut Fields<'_>, around: &mut Around<'_>, of: &str) -> Option<EcsTasks> {
        let run_time = target.distribution(reader, "runTime");
        let node = target.required(reader, "EcsParameters")?;
        let mut fields = reader.fields(node, format!("`EcsParameters` of {of}"))?;
        let count = fields.count_or(reader, "TaskCount", 1..=TASK_COUNT_MAXIMUM, 1);
        let (task_definition, launch) = launched(reader, &mut fields, "taskDefinitionArn", around);
        let definition = task_definition.map(|it| &around.task_definitions.table[it]);
        if let Some(definition) = definition.filter(|it| it.has_volume(VolumeKind::Ebs)) {
            let message = format!("`{}` has a volume that is configured at launch", definition.name());
            let problem = Problem::new(fields.place_of("taskDefinitionArn"), message);
            reader.refuse(problem.help("`EcsParameters` has no `volumeConfigurations`: EventBridge cannot run it"));
        }
        fields.finish(reader, &Shape::ECS_PARAMETERS);
        let size = input(reader, target, of, definition);
        Some(EcsTasks { task_definition: task_definition?, launch, count, run_time, size })
    }

    fn called(&self, cause: &Cause) -> TaskCalls {
        let (count, run_time) = (self.count, self.run_time.clone());
        match cause {
            Cause::Scheduled(times) => TaskCalls::Scheduled { times: times.clone(), count, run_time },
            Cause::Objects { bucket, arrivals, weights, matches } => TaskCalls::Objects {
                bucket: bucket.clone(),
                arrivals: arrivals.clone(),
                weights: weights.clone(),
                matches: matches.clone(),
                count,
                run_time,
            },
        }
    }

    fn entry(self, name: String, target: EcsTarget) -> RunTask {
        let sizes = vec![self.size];
        let caller = Caller::EventBridge(target);
        RunTask { name, launch: self.launch, task_definition: self.task_definition, sizes, caller }
    }
}

fn state(reader: &mut Reader<'_>, fields: &mut Fields<'_>) -> bool {
    let words = [("ENABLED", true), ("DISABLED", false)];
    let is_enabled = fields.word_or(reader, "State", &words, true);
    if !is_enabled {
        reader.note(format!("{} is DISABLED: it runs nothing", fields.of));
    }
    is_enabled
}

/// `Input`: the overrides of the call.
fn input(reader: &mut Reader<'_>, target: &mut Fields<'_>, of: &str, definition: Option<&TaskDefinition>) -> Overrides {
    let Some(node) = target.take("Input").filter(|it| !it.is_blank()) else { return Overrides::default() };
    if node.text().is_some() {
        let problem = Problem::new(node.place, format!("`Input` of {of} is a text that is no JSON object"));
        reader.refuse(
            problem.help(r#"of a target that runs tasks it is overrides: `'{"cpu": "512", "memory": "1024"}'`"#),
        );
        return Overrides::default();
    }
    let fields = reader.fields(node, format!("`Input` of {of}"));
    fields.map_or(Overrides::default(), |it| task_override(reader, it, definition))
}

/// `ScheduleExpression` or `EventPattern` of a rule.
fn cause(
    reader: &mut Reader<'_>,
    fields: &mut Fields<'_>,
    clock: Clock,
    buckets: &mut Buckets,
) -> Option<(Delivery, Cause)> {
    let of = fields.of.clone();
    match (fields.take("ScheduleExpression"), fields.take("EventPattern")) {
        (Some(node), None) => {
            let times = scheduled(reader, node, &of, (None, (None, None)), clock, false)?;
            Some((Delivery::WithinTheMinute, Cause::Scheduled(times)))
        }
        (None, Some(node)) => Some((Delivery::OfObject, objects(reader, node, &of, buckets)?)),
        (Some(_), Some(node)) => {
            reader.not_simulated(node.place, format!("a schedule and an `EventPattern` in one, of {of},"));
            None
        }
        (None, None) => {
            let problem = Problem::new(fields.place, format!("{of} does not say when it is triggered"));
            reader.refuse(problem.help(
                "give `ScheduleExpression: rate(1 hour)`, or an `EventPattern` of objects that are put into a bucket",
            ));
            None
        }
    }
}

/// When a schedule falls within the run.
fn scheduled(
    reader: &mut Reader<'_>,
    node: &Node,
    of: &str,
    (zone, active): (Option<&str>, (Option<i64>, Option<i64>)),
    (start, duration): Clock,
    is_of_scheduler: bool,
) -> Option<Arc<[Instant]>> {
    let expression = reader.text(What { field: "ScheduleExpression", of }, node)?;
    if !is_of_scheduler && expression.trim_start().starts_with("at(") {
        let problem = Problem::new(node.place, format!("`ScheduleExpression` of {of} is `{expression}`"));
        reader.refuse(problem.help("a rule recurs, by `cron(..)` or `rate(..)`; `schedules` can be for one time"));
        return None;
    }
    match schedule::event_bridge_occurrences(expression, zone, start, duration, active) {
        Ok(times) if times.is_empty() => {
            reader.note(format!("`{expression}` of {of} never falls within the run"));
            Some(times.into())
        }
        Ok(times) => Some(times.into()),
        Err(why) => {
            reader.refuse(Problem::new(node.place, format!("`ScheduleExpression` of {of}: {why}")));
            None
        }
    }
}

/// `FlexibleTimeWindow`: the window within which a target is invoked, where there is one.
fn flexible_time_window(reader: &mut Reader<'_>, fields: &mut Fields<'_>) -> Option<Span> {
    let mut window = fields.map(reader, "FlexibleTimeWindow")?;
    let is_flexible = window.word_or(reader, "Mode", &[("OFF", false), ("FLEXIBLE", true)], false);
    let has_window = window.has("MaximumWindowInMinutes");
    let minutes = window.count(reader, "MaximumWindowInMinutes", 1..=1_440);
    if is_flexible != has_window {
        let (message, help) = match is_flexible {
            true => ("FLEXIBLE and has no window", "`MaximumWindowInMinutes: 15` would be one"),
            false => ("OFF and has a window", "`Mode: FLEXIBLE` makes use of it"),
        };
        let problem = Problem::new(window.place, format!("{} is {message}", window.of));
        reader.refuse(problem.help(help));
    }
    window.finish(reader, &Shape::OURS);
    minutes.filter(|_| is_flexible).map(|it| Span::MINUTE * u64::from(it))
}

/// `RetryPolicy`, and whether there is a `DeadLetterConfig`.
fn retry_policy(reader: &mut Reader<'_>, target: &mut Fields<'_>) -> (RetryPolicy, bool) {
    let usual = RetryPolicy::default();
    let mut policy = usual;
    if let Some(mut fields) = target.map(reader, "RetryPolicy") {
        policy.maximum_retry_attempts =
            fields.count_or(reader, "MaximumRetryAttempts", 0..=185, usual.maximum_retry_attempts);
        policy.maximum_event_age =
            fields.seconds_or(reader, "MaximumEventAgeInSeconds", 60..=86_400, usual.maximum_event_age);
        fields.finish(reader, &Shape::OURS);
    }
    let queue = target.take("DeadLetterConfig").filter(|it| !it.is_blank());
    let has_queue = queue.is_some_and(|node| {
        let Some(mut fields) = reader.fields(node, format!("`DeadLetterConfig` of {}", target.of)) else {
            return false;
        };
        fields.required(reader, "Arn");
        let arn = fields.text(reader, "Arn");
        fields.finish(reader, &Shape::OURS);
        arn.is_some()
    });
    (policy, has_queue)
}

/// An `EventPattern` of objects that S3 tells of.
fn objects(reader: &mut Reader<'_>, node: &Node, of: &str, buckets: &mut Buckets) -> Option<Cause> {
    if node.text().is_some() {
        let problem = Problem::new(node.place, format!("`EventPattern` of {of} is a text that is no JSON object"));
        reader.refuse(problem.help(
            "write it out: `EventPattern: {source: [aws.s3], detail-type: [Object Created], detail: {bucket: {name: [uploads]}}}`",
        ));
        return None;
    }
    let mut fields = reader.fields(node, format!("`EventPattern` of {of}"))?;
    only(reader, &mut fields, "source", "aws.s3");
    only(reader, &mut fields, "detail-type", "Object Created");
    let detail = fields.required(reader, "detail");
    fields.finish(reader, &Shape::EVENT_PATTERN);
    let mut detail = reader.fields(detail?, format!("`detail` of the pattern of {of}"))?;
    let bucket_node = detail.required(reader, "bucket");
    let object_node = detail.take("object");
    detail.finish(reader, &Shape::EVENT_DETAIL);
    let mut bucket = reader.fields(bucket_node?, format!("`bucket` of the pattern of {of}"))?;
    bucket.required(reader, "name");
    let names = bucket.list(reader, "name");
    bucket.finish(reader, &Shape::OURS);
    let patterns = match object_node {
        Some(node) => key_patterns(reader, node, of)?,
        None => None,
    };
    let [name] = names else {
        let problem = Problem::new(node.place, format!("the pattern of {of} names {} buckets", names.len()));
        reader.refuse(problem.help("it is to name one; give each other bucket a rule of its own"));
        return None;
    };
    if let Some(filter) = content_filter(name) {
        reader.not_simulated(name.place, format!("the content filter `{filter}` as `name` of the bucket of {of}"));
        return None;
    }
    let what = What { field: "name", of: &format!("the bucket of {of}") };
    let text = last_name(reader.text(what, name)?);
    let Some(place) = buckets.known.iter().position(|it| it.name == text) else {
        if !buckets.names.iter().any(|it| it == text) {
            let problem = Problem::new(name.place, format!("{what} is `{text}`, which is no bucket"));
            let names = || buckets.names.iter().map(String::as_str);
            reader.refuse(match (nearest(text, names()), buckets.names.is_empty()) {
                (Some(near), _) => problem.label(format!("did you mean `{near}`?")),
                (None, true) => {
                    problem.help("`buckets: {uploads: {objects: {poisson: {rate: 1/s}}}}` would define one")
                }
                (None, false) => problem.help(format!("`buckets` defines {}", listed(names()))),
            });
        }
        return None;
    };
    buckets.matched[place] = true;
    let bucket = &buckets.known[place];
    let is_meant = |key: &String| patterns.as_ref().is_none_or(|them| them.iter().any(|it| it.matches(key)));
    let cause = Cause::Objects {
        bucket: Arc::from(bucket.name.as_str()),
        arrivals: bucket.arrivals.clone(),
        weights: bucket.weights.clone(),
        matches: bucket.keys.iter().map(is_meant).collect(),
    };
    if !bucket.keys.iter().any(is_meant) {
        let keys = listed(bucket.keys.iter().map(String::as_str));
        reader.note(format!("the pattern of {of} matches no key of bucket `{}` ({keys})", bucket.name));
    }
    Some(cause)
}

/// What a part of a pattern is matched by, where that is not a value itself: `anything-but`, `prefix` and others.
fn content_filter(node: &Node) -> Option<&str> {
    match &node.value {
        Value::Map(entries) => entries.first().map(|it| it.key.as_str()),
        _ => None,
    }
}

/// A list that may have one value.
fn only(reader: &mut Reader<'_>, fields: &mut Fields<'_>, field: &'static str, value: &str) {
    let Some(node) = fields.required(reader, field) else { return };
    let items = reader.list(What { field, of: &fields.of }, node);
    if let Some(other) = items.iter().find(|it| it.text() != Some(value)) {
        let found = match (other.text(), content_filter(other)) {
            (Some(text), _) => format!("`{text}`"),
            (None, Some(filter)) => format!("the content filter `{filter}`"),
            (None, None) => other.kind().to_owned(),
        };
        reader.not_simulated(other.place, format!("{found} as `{field}` of {}", fields.of));
    }
}

/// `detail.object.key`: patterns of which one is to match.
fn key_patterns(reader: &mut Reader<'_>, node: &Node, of: &str) -> Option<Option<Vec<KeyPattern>>> {
    let mut fields = reader.fields(node, format!("`object` of the pattern of {of}"))?;
    let nodes = fields.list(reader, "key");
    fields.finish(reader, &Shape::EVENT_OBJECT);
    let mut patterns = Vec::new();
    for node in nodes {
        if let Value::Map(_) = node.value {
            let mut one = reader.fields(node, format!("a key of the pattern of {of}"))?;
            let before = patterns.len();
            patterns.extend(one.text(reader, "prefix").map(|it| KeyPattern::Prefix(it.to_owned())));
            patterns.extend(one.text(reader, "suffix").map(|it| KeyPattern::Suffix(it.to_owned())));
            patterns.extend(one.text(reader, "wildcard").map(|it| KeyPattern::Wildcard(it.to_owned())));
            let is_told_of = Shape::KEY_PATTERN.not_simulated.iter().any(|it| one.has(it));
            if patterns.len() != before + 1 && !is_told_of {
                let problem = Problem::new(node.place, format!("{} is to have one of its fields", one.of));
                reader.refuse(problem.help("several patterns are several items of the list"));
            }
            one.finish(reader, &Shape::KEY_PATTERN);
        } else {
            let text = reader.text(What { field: "key", of }, node)?;
            patterns.push(KeyPattern::Is(text.to_owned()));
        }
    }
    Some((!patterns.is_empty()).then_some(patterns))
}
