//! `deploymentConfiguration` of services: percentages, circuit breaker, alarms, strategy and hooks.

use crate::aws::deployment::{
    CircuitBreaker, DeploymentAlarms, DeploymentChange, DeploymentConfiguration, DeploymentStrategy, EarlySuccess,
    FailureThreshold, HookTarget, LifecycleHook, LifecycleStage,
};
use crate::aws::service::ServiceDefinition;
use crate::distribution::Distribution;
use crate::scenario::alarms::AlarmsByName;
use crate::scenario::aws_fields::Shape;
use crate::scenario::problem::Problem;
use crate::scenario::reader::{Fields, Names, Reader, What};
use crate::scenario::tree::{Entry, Node};
use crate::table::Table;
use crate::units::Span;

/// What a file says of a deployment configuration.
#[derive(Default)]
pub struct SaidDeployment {
    /// `minimumHealthyPercent`
    pub minimum_healthy_percent: Option<u32>,
    /// `maximumPercent`
    pub maximum_percent: Option<u32>,
    /// The rest.
    pub change: DeploymentChange,
}

/// Reads a deployment configuration. Services are read before alarms: theirs are found by [`link_alarms`], and `alarms` is `None`.
pub fn deployment_configuration(
    reader: &mut Reader<'_>,
    mut fields: Fields<'_>,
    alarms: Option<&AlarmsByName<'_>>,
) -> SaidDeployment {
    let minimum_healthy_percent = fields.count(reader, "minimumHealthyPercent", 0..=100);
    let maximum_percent = fields.count(reader, "maximumPercent", 100..=10_000);
    let strategy = strategy(reader, &mut fields);
    let bake_time = fields.count(reader, "bakeTimeInMinutes", 0..=1_440).map(minutes);
    let circuit_breaker = circuit_breaker(reader, &mut fields);
    let alarms = deployment_alarms(reader, &mut fields, alarms);
    let lifecycle_hooks = fields.has("lifecycleHooks").then(|| {
        let of = fields.of.clone();
        fields.list(reader, "lifecycleHooks").iter().filter_map(|it| lifecycle_hook(reader, it, &of)).collect()
    });
    if lifecycle_hooks.is_none() {
        fields.list(reader, "lifecycleHooks");
    }
    let early_success = early_success(reader, &mut fields);
    fields.finish(reader, &Shape::DEPLOYMENT_CONFIGURATION);
    let change = DeploymentChange { circuit_breaker, alarms, strategy, bake_time, lifecycle_hooks, early_success };
    SaidDeployment { minimum_healthy_percent, maximum_percent, change }
}

fn minutes(count: u32) -> Span {
    Span::MINUTE * u64::from(count)
}

/// Tenths of a percent.
fn tenths(reader: &mut Reader<'_>, fields: &mut Fields<'_>, name: &'static str, least: f64, usual: f64) -> u32 {
    let place = fields.place_of(name);
    let percent = fields.number_or(reader, name, least..=100.0, usual);
    let tenths = libm::round(percent * 10.0);
    if (tenths - percent * 10.0).abs() > 1e-6 {
        let problem = Problem::new(place, format!("`{name}` of {} is {percent}", fields.of));
        reader.refuse(problem.help("it can be a multiple of 0.1"));
    }
    tenths as u32
}

fn strategy(reader: &mut Reader<'_>, fields: &mut Fields<'_>) -> Option<DeploymentStrategy> {
    let words = [
        ("ROLLING", DeploymentStrategy::Rolling),
        ("BLUE_GREEN", DeploymentStrategy::BlueGreen),
        ("LINEAR", DeploymentStrategy::Linear { step: 0, step_bake_time: Span::ZERO }),
        ("CANARY", DeploymentStrategy::Canary { part: 0, bake_time: Span::ZERO }),
    ];
    let strategy = fields.word(reader, "strategy", &words);
    let said_of = [
        ("linearConfiguration", matches!(strategy, Some(DeploymentStrategy::Linear { .. }))),
        ("canaryConfiguration", matches!(strategy, Some(DeploymentStrategy::Canary { .. }))),
    ];
    for (name, is_meant) in said_of {
        if fields.has(name) && !is_meant {
            let message = format!("{} has `{name}`, which its strategy does not use", fields.of);
            let needed = if name == "linearConfiguration" { "LINEAR" } else { "CANARY" };
            let problem = Problem::new(fields.place_of_key(name), message);
            reader.refuse(problem.help(format!("it goes with `strategy: {needed}`")));
            fields.take(name);
        }
    }
    // Where it is not used a default would be one too many in the file with its defaults.
    match strategy {
        Some(DeploymentStrategy::Linear { .. }) => fields.map(reader, "linearConfiguration").map(|mut it| {
            let step = tenths(reader, &mut it, "stepPercent", 3.0, 10.0);
            let step_bake_time = minutes(it.count_or(reader, "stepBakeTimeInMinutes", 0..=1_440, 6));
            it.finish(reader, &Shape::OURS);
            DeploymentStrategy::Linear { step, step_bake_time }
        }),
        Some(DeploymentStrategy::Canary { .. }) => fields.map(reader, "canaryConfiguration").map(|mut it| {
            let part = tenths(reader, &mut it, "canaryPercent", 0.1, 5.0);
            let bake_time = minutes(it.count_or(reader, "canaryBakeTimeInMinutes", 0..=1_440, 10));
            it.finish(reader, &Shape::OURS);
            DeploymentStrategy::Canary { part, bake_time }
        }),
        _ => {
            fields.take("linearConfiguration");
            fields.take("canaryConfiguration");
            strategy
        }
    }
}

fn circuit_breaker(reader: &mut Reader<'_>, fields: &mut Fields<'_>) -> Option<Option<CircuitBreaker>> {
    let node = fields.take("deploymentCircuitBreaker")?;
    let mut it = reader.fields(node, format!("`deploymentCircuitBreaker` of {}", fields.of))?;
    let rolls_back = rolls_back_where_enabled(reader, &mut it);
    let resets_on_healthy_task = it.flag_or(reader, "resetOnHealthyTask", true);
    let threshold = it.take("thresholdConfiguration").and_then(|node| {
        let mut fields = reader.fields(node, format!("`thresholdConfiguration` of {}", it.of))?;
        fields.required(reader, "type");
        let kind = fields.word(reader, "type", &[("BOUNDED_PERCENT", 0), ("UNBOUNDED_PERCENT", 1), ("COUNT", 2)]);
        let most = if kind == Some(2) { 5_000 } else { 100 };
        let value = fields.required_count(reader, "value", 1..=most);
        fields.finish(reader, &Shape::OURS);
        let value = value?;
        Some(match kind? {
            0 => FailureThreshold::BoundedPercent(value),
            1 => FailureThreshold::UnboundedPercent(value),
            _ => FailureThreshold::Count(value),
        })
    });
    it.finish(reader, &Shape::OURS);
    let threshold = threshold.unwrap_or(FailureThreshold::BoundedPercent(50));
    Some(rolls_back?.map(|rolls_back| CircuitBreaker { rolls_back, resets_on_healthy_task, threshold }))
}

/// `enable` and `rollback`, which must both be said: whether a failed deployment is rolled back, or nothing where that is not enabled.
fn rolls_back_where_enabled(reader: &mut Reader<'_>, fields: &mut Fields<'_>) -> Option<Option<bool>> {
    fields.required(reader, "enable");
    let is_enabled = fields.flag(reader, "enable");
    fields.required(reader, "rollback");
    let rolls_back = fields.flag(reader, "rollback");
    Some(is_enabled?.then_some(rolls_back?))
}

/// `earlySuccessCriteria`; nothing where it is not there, nothing inside where it is not enabled.
fn early_success(reader: &mut Reader<'_>, fields: &mut Fields<'_>) -> Option<Option<EarlySuccess>> {
    let node = fields.take("earlySuccessCriteria")?;
    let mut it = reader.fields(node, format!("`earlySuccessCriteria` of {}", fields.of))?;
    it.required(reader, "enable");
    let is_enabled = it.flag(reader, "enable");
    for name in ["healthyPercent", "sourceServiceRevisionCleanup"] {
        if is_enabled == Some(true) && !it.has(name) {
            let problem = Problem::new(it.place_of_key(name), format!("{} is enabled and lacks `{name}`", it.of));
            reader.refuse(problem.label("add it here"));
        }
    }
    let healthy_percent = it.count(reader, "healthyPercent", 0..=100);
    let words = [("BLOCKING", false), ("DEFERRED", true)];
    let cleanup_is_deferred = it.word(reader, "sourceServiceRevisionCleanup", &words);
    it.finish(reader, &Shape::OURS);
    if !is_enabled? {
        return Some(None);
    }
    Some(Some(EarlySuccess { healthy_percent: healthy_percent?, cleanup_is_deferred: cleanup_is_deferred? }))
}

fn deployment_alarms(
    reader: &mut Reader<'_>,
    fields: &mut Fields<'_>,
    known: Option<&AlarmsByName<'_>>,
) -> Option<Option<DeploymentAlarms>> {
    let node = fields.take("alarms")?;
    let mut it = reader.fields(node, format!("`alarms` of {}", fields.of))?;
    it.required(reader, "alarmNames");
    let nodes = it.list(reader, "alarmNames");
    let rolls_back = rolls_back_where_enabled(reader, &mut it);
    let alarms = known.map_or(Vec::new(), |known| known.named(reader, nodes, &it.of));
    it.finish(reader, &Shape::OURS);
    Some(rolls_back?.map(|rolls_back| DeploymentAlarms { alarms, rolls_back }))
}

/// Finds the alarms that services name.
pub fn link_alarms(
    reader: &mut Reader<'_>,
    entries: &[Entry],
    names: &Names<ServiceDefinition>,
    services: &mut Table<ServiceDefinition>,
    known: &AlarmsByName<'_>,
) {
    for entry in entries {
        let id = names.known.iter().find(|it| it.0 == entry.key).and_then(|it| it.1);
        let said = entry.node.get("deploymentConfiguration").and_then(|it| it.get("alarms")?.get("alarmNames"));
        let (Some(id), Some(node)) = (id, said) else { continue };
        let of = format!("`alarms` of `deploymentConfiguration` of service `{}`", entry.key);
        let nodes = reader.list(What { field: "alarmNames", of: &of }, node);
        let alarms = known.named(reader, nodes, &of);
        if let Some(it) = &mut services[id].deployment.alarms {
            it.alarms = alarms;
        }
    }
}

fn lifecycle_hook(reader: &mut Reader<'_>, node: &Node, of: &str) -> Option<LifecycleHook> {
    let mut fields = reader.fields(node, format!("a lifecycle hook of {of}"))?;
    let words = [("AWS_LAMBDA", HookTarget::Lambda), ("PAUSE", HookTarget::Pause)];
    let target = fields.word_or(reader, "targetType", &words, HookTarget::Lambda);
    fields.required(reader, "lifecycleStages");
    let names: Vec<(&str, LifecycleStage)> =
        LifecycleStage::ALL.iter().filter(|it| it.takes_hooks()).map(|it| (it.as_str(), *it)).collect();
    let nodes = fields.list(reader, "lifecycleStages");
    let mut stages = Vec::new();
    for node in nodes {
        let stage = reader.word(What { field: "lifecycleStages", of: &fields.of }, node, &names);
        let shifts = [LifecycleStage::TestTrafficShift, LifecycleStage::ProductionTrafficShift];
        if target == HookTarget::Pause && stage.is_some_and(|it| shifts.contains(&it)) {
            let message = format!("{} pauses a deployment while traffic shifts", fields.of);
            reader.refuse(Problem::new(node.place, message).help("`PAUSE` hooks go before or after that stage"));
        }
        stages.extend(stage);
    }
    // A function answers soon; somebody who is asked has to be said to.
    let completes = match target {
        HookTarget::Lambda => {
            Some(fields.distribution_or(reader, "completes", Distribution::Constant(Span::seconds(5))))
        }
        HookTarget::Pause => fields.distribution(reader, "completes"),
    };
    let failure_share = fields.number_or(reader, "failureShare", 0.0..=1.0, 0.0);
    let timeout = fields.map(reader, "timeoutConfiguration");
    let (timeout, continues_on_timeout) = timeout.map_or((Span::HOUR * 24, false), |mut it| {
        let timeout = minutes(it.count_or(reader, "timeoutInMinutes", 1..=20_160, 1_440));
        let continues = it.word_or(reader, "action", &[("ROLLBACK", false), ("CONTINUE", true)], false);
        it.finish(reader, &Shape::OURS);
        (timeout, continues)
    });
    if completes.is_none() {
        let then = if continues_on_timeout { "goes on" } else { "fails" };
        reader.note(format!(
            "nobody continues what {} pauses: the deployment {then} after {timeout}; say when somebody does with `completes`",
            fields.of
        ));
    }
    fields.finish(reader, &Shape::DEPLOYMENT_LIFECYCLE_HOOK);
    Some(LifecycleHook { target, stages, completes, failure_share, timeout, continues_on_timeout })
}

/// What a service cannot be deployed by, and what says nothing.
pub fn check_strategy(
    reader: &mut Reader<'_>,
    fields: &Fields<'_>,
    (is_daemon, has_load_balancer, has_alternate): (bool, bool, bool),
    configuration: &DeploymentConfiguration,
    bake_time_is_said: bool,
) {
    let (of, strategy) = (&fields.of, configuration.strategy);
    let at = fields.place_of_key("deploymentConfiguration");
    let word = strategy.as_str();
    if strategy == DeploymentStrategy::Rolling {
        let of_rolling = [LifecycleStage::PreScaleUp, LifecycleStage::PostScaleUp];
        let is_called = |hook: &LifecycleHook| !is_daemon && hook.stages.iter().all(|it| of_rolling.contains(it));
        if !configuration.lifecycle_hooks.iter().all(is_called) {
            let called = if is_daemon { "none" } else { "no more than `PRE_SCALE_UP` and `POST_SCALE_UP`" };
            reader.note(format!(
                "rolling updates of {of} call {called} of its lifecycle hooks; the other stages are for `strategy: BLUE_GREEN`, `LINEAR` and `CANARY`"
            ));
        }
        return;
    }
    if configuration.early_success.is_some() {
        let problem = Problem::new(at, format!("{of} has `strategy: {word}` and `earlySuccessCriteria`"));
        reader.refuse(problem.help("early success criteria are for `strategy: ROLLING`"));
    }
    if is_daemon {
        let message = format!("the daemon scheduling strategy does not support `strategy: {word}`, which {of} has");
        reader.refuse(Problem::new(at, message).help("its deployments are rolling"));
    }
    if has_load_balancer && !has_alternate {
        let message = format!("{of} has `strategy: {word}` and a target group without an alternate one");
        let help =
            "`advancedConfiguration` of its load balancer names `alternateTargetGroupArn` and `productionListenerRule`";
        reader.refuse(Problem::new(fields.place_of_key("loadBalancers"), message).help(help));
    }
    if strategy == DeploymentStrategy::BlueGreen && !bake_time_is_said {
        let problem = Problem::new(at, format!("{of} has `strategy: BLUE_GREEN` and no `bakeTimeInMinutes`"));
        reader.refuse(problem.help("how long are blue and green to run side by side once green has all traffic?"));
    }
    if configuration.circuit_breaker.is_some() {
        reader.note(format!("the circuit breaker of {of} watches rolling updates only, not `strategy: {word}`"));
    }
}
