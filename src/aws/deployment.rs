//! How a service's deployments go: when one has failed, and how traffic comes to a new revision.
//!
//! Follows `DeploymentConfiguration` of the API's reference (botocore, 2026-08), and *How the Amazon ECS deployment circuit breaker
//! detects failures*, *How CloudWatch alarms detect Amazon ECS deployment failures* and *Blue/green deployments* in the developer
//! guide (2026), and *Complete Amazon ECS rolling deployments early with early success criteria* (2026).

use crate::aws::composite_alarm::RuleAlarm;
use crate::distribution::Distribution;
use crate::rng::Stream;
use crate::units::{Span, percent_ceil};

/// `deploymentConfiguration` of a service, but for its percentages.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DeploymentConfiguration {
    /// `deploymentCircuitBreaker`, where enabled; it watches rolling updates only.
    pub circuit_breaker: Option<CircuitBreaker>,
    /// `alarms`, where enabled.
    pub alarms: Option<DeploymentAlarms>,
    /// `strategy`
    pub strategy: DeploymentStrategy,
    /// `bakeTimeInMinutes`: how long old and new tasks run side by side once the new ones have all traffic, 0 to 24 h; of strategies
    /// other than `ROLLING`.
    pub bake_time: Span,
    /// `lifecycleHooks`; a rolling update comes to two of the stages, see `control::scheduler::hooks`.
    pub lifecycle_hooks: Vec<LifecycleHook>,
    /// `earlySuccessCriteria`, where enabled; of rolling updates only.
    pub early_success: Option<EarlySuccess>,
    /// `deploymentController`
    pub controller: DeploymentController,
}

/// `deploymentController`, as far as it changes how deployments go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DeploymentController {
    /// `ECS`
    #[default]
    Ecs,
    /// `CODE_DEPLOY`: blue/green by a deployment group of CodeDeploy, whose deployment configuration is the strategy and whose wait
    /// before it terminates the original task set is the bake time.
    CodeDeploy,
    /// `EXTERNAL`: task sets by whoever calls, see `aws::task_set`; there are no deployments.
    External,
}

impl DeploymentController {
    /// How long a stage may last: CodeDeploy waits an hour for the replacement task set to be steady (*Blue/green deployment with
    /// CodeDeploy*, developer guide, 2023).
    pub fn stage_maximum(self, stage: LifecycleStage) -> Span {
        match (self, stage) {
            (DeploymentController::CodeDeploy, LifecycleStage::ScaleUp) => Span::HOUR,
            _ => STAGE_MAXIMUM,
        }
    }
}

/// How soon a service must be steady after its desired count changed while CodeDeploy shifts its traffic (the same page).
pub const STEADY_AFTER_SCALING: Span = Span::seconds(300);

/// Predefined deployment configurations of CodeDeploy for ECS (CodeDeploy User Guide, *Working with deployment configurations*).
pub const CODE_DEPLOY_CONFIGURATIONS: [(&str, DeploymentStrategy); 5] = [
    ("CodeDeployDefault.ECSAllAtOnce", DeploymentStrategy::BlueGreen),
    (
        "CodeDeployDefault.ECSLinear10PercentEvery1Minutes",
        DeploymentStrategy::Linear { step: 100, step_bake_time: Span::MINUTE },
    ),
    (
        "CodeDeployDefault.ECSLinear10PercentEvery3Minutes",
        DeploymentStrategy::Linear { step: 100, step_bake_time: Span::seconds(180) },
    ),
    (
        "CodeDeployDefault.ECSCanary10Percent5Minutes",
        DeploymentStrategy::Canary { part: 100, bake_time: Span::seconds(300) },
    ),
    (
        "CodeDeployDefault.ECSCanary10Percent15Minutes",
        DeploymentStrategy::Canary { part: 100, bake_time: Span::seconds(900) },
    ),
];

/// What is said anew of a [`DeploymentConfiguration`]; what is `None` stays.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DeploymentChange {
    /// See [`DeploymentConfiguration::circuit_breaker`].
    pub circuit_breaker: Option<Option<CircuitBreaker>>,
    /// See [`DeploymentConfiguration::alarms`].
    pub alarms: Option<Option<DeploymentAlarms>>,
    /// See [`DeploymentConfiguration::strategy`].
    pub strategy: Option<DeploymentStrategy>,
    /// See [`DeploymentConfiguration::bake_time`].
    pub bake_time: Option<Span>,
    /// See [`DeploymentConfiguration::lifecycle_hooks`].
    pub lifecycle_hooks: Option<Vec<LifecycleHook>>,
    /// See [`DeploymentConfiguration::early_success`].
    pub early_success: Option<Option<EarlySuccess>>,
}

impl DeploymentChange {
    /// Puts it into a configuration.
    pub fn apply(&self, to: &mut DeploymentConfiguration) {
        let change = self.clone();
        to.circuit_breaker = change.circuit_breaker.unwrap_or(to.circuit_breaker);
        to.alarms = change.alarms.unwrap_or(to.alarms.take());
        to.strategy = change.strategy.unwrap_or(to.strategy);
        to.bake_time = change.bake_time.unwrap_or(to.bake_time);
        to.early_success = change.early_success.unwrap_or(to.early_success);
        if let Some(hooks) = change.lifecycle_hooks {
            to.lifecycle_hooks = hooks;
        }
    }
}

/// `earlySuccessCriteria`: when a rolling update is complete before all of its tasks run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EarlySuccess {
    /// `healthyPercent`, from `minimumHealthyPercent` to 100: so many of the desired tasks are to be healthy, rounded up.
    pub healthy_percent: u32,
    /// `sourceServiceRevisionCleanup`: whether old tasks may outlive the deployment (`DEFERRED`), or it waits until they are STOPPED
    /// (`BLOCKING`).
    pub cleanup_is_deferred: bool,
}

impl EarlySuccess {
    /// How many tasks are to be healthy; at least one.
    pub fn healthy_tasks(self, desired_count: u32) -> u32 {
        percent_ceil(desired_count, self.healthy_percent).max(1)
    }
}

/// `deploymentCircuitBreaker`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CircuitBreaker {
    /// `rollback`: whether the service goes back to its last completed deployment.
    pub rolls_back: bool,
    /// `resetOnHealthyTask`; AWS's default is true.
    pub resets_on_healthy_task: bool,
    /// `thresholdConfiguration`
    pub threshold: FailureThreshold,
}

/// `thresholdConfiguration` of a circuit breaker: so many failed tasks fail a deployment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureThreshold {
    /// `BOUNDED_PERCENT`: this share of the desired count, but no fewer than 3 and no more than 200; AWS's default is 50.
    BoundedPercent(u32),
    /// `UNBOUNDED_PERCENT`: this share of the desired count, and at least one.
    UnboundedPercent(u32),
    /// `COUNT`: so many.
    Count(u32),
}

impl FailureThreshold {
    /// How many failed tasks fail a deployment of a service with this desired count.
    pub fn of(self, desired_count: u32) -> u32 {
        match self {
            FailureThreshold::BoundedPercent(percent) => percent_ceil(desired_count, percent).clamp(3, 200),
            FailureThreshold::UnboundedPercent(percent) => percent_ceil(desired_count, percent).max(1),
            FailureThreshold::Count(count) => count,
        }
    }
}

/// The tasks of a deployment that have failed, as the circuit breaker counts them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TaskFailures {
    /// How many.
    pub count: u32,
    /// Whether some task of the deployment has reached RUNNING: the breaker's second stage, in which it counts other failures.
    pub some_task_has_run: bool,
}

impl TaskFailures {
    /// A task has stopped without having reached RUNNING: it counts as long as none has.
    pub fn task_never_ran(&mut self) {
        self.count += u32::from(!self.some_task_has_run);
    }

    /// A task is replaced because it has failed its health checks: it counts once some task has run.
    pub fn task_failed_its_checks(&mut self) {
        self.count += u32::from(self.some_task_has_run);
    }

    /// A task has become healthy for the first time.
    pub fn task_is_healthy(&mut self, breaker: Option<&CircuitBreaker>) {
        if breaker.is_none_or(|it| it.resets_on_healthy_task) {
            self.count = 0;
        }
    }
}

/// `alarms` of a deployment configuration.
#[derive(Clone, Debug, PartialEq)]
pub struct DeploymentAlarms {
    /// `alarmNames`: any of them fails the deployment.
    pub alarms: Vec<RuleAlarm>,
    /// `rollback`
    pub rolls_back: bool,
}

/// `strategy`: how a new revision comes to its traffic.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DeploymentStrategy {
    /// `ROLLING`: new tasks replace old ones bit by bit, in the same target group.
    #[default]
    Rolling,
    /// `BLUE_GREEN`: all at once, when as many new tasks run as old ones.
    BlueGreen,
    /// `LINEAR`: the same in equal steps.
    Linear {
        /// `stepPercent`, tenths of a percent, 30 to 1000; AWS's default is 100.
        step: u32,
        /// `stepBakeTimeInMinutes` between two steps, 0 to 24 h; AWS's default is 6 minutes.
        step_bake_time: Span,
    },
    /// `CANARY`: a part first, and then the rest.
    Canary {
        /// `canaryPercent`, tenths of a percent, 1 to 1000; AWS's default is 50.
        part: u32,
        /// `canaryBakeTimeInMinutes` between the two, 0 to 24 h; AWS's default is 10 minutes.
        bake_time: Span,
    },
}

/// All traffic, in tenths of a percent.
pub const ALL_TRAFFIC: u32 = 1_000;

impl DeploymentStrategy {
    /// As the API spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            DeploymentStrategy::Rolling => "ROLLING",
            DeploymentStrategy::BlueGreen => "BLUE_GREEN",
            DeploymentStrategy::Linear { .. } => "LINEAR",
            DeploymentStrategy::Canary { .. } => "CANARY",
        }
    }

    /// What green has of the traffic after the next step, in tenths of a percent, and how long it bakes before the one after that.
    pub fn next_step(self, shifted: u32) -> (u32, Span) {
        let (next, bake_time) = match self {
            DeploymentStrategy::Rolling | DeploymentStrategy::BlueGreen => (ALL_TRAFFIC, Span::ZERO),
            DeploymentStrategy::Linear { step, step_bake_time } => (shifted + step, step_bake_time),
            DeploymentStrategy::Canary { part, bake_time } if shifted == 0 => (part, bake_time),
            DeploymentStrategy::Canary { .. } => (ALL_TRAFFIC, Span::ZERO),
        };
        if next >= ALL_TRAFFIC { (ALL_TRAFFIC, Span::ZERO) } else { (next, bake_time) }
    }
}

/// `lifecycleStage` of a deployment that is not rolling, in the order in which they come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LifecycleStage {
    /// Tasks of deployments that this one has interrupted are stopped; only where there are any.
    ReconcileService,
    /// Before green's tasks are started.
    PreScaleUp,
    /// Green grows to the whole desired count, without traffic.
    ScaleUp,
    /// Green runs.
    PostScaleUp,
    /// Green gets all test traffic.
    TestTrafficShift,
    /// Green has it.
    PostTestTrafficShift,
    /// Before each step of production traffic.
    PreProductionTrafficShift,
    /// Green gets the next part of it.
    ProductionTrafficShift,
    /// Green has all of it.
    PostProductionTrafficShift,
    /// Blue is still there.
    BakeTime,
    /// Blue's tasks are stopped.
    CleanUp,
}

impl LifecycleStage {
    /// All of them, in order.
    pub const ALL: [LifecycleStage; 11] = [
        LifecycleStage::ReconcileService,
        LifecycleStage::PreScaleUp,
        LifecycleStage::ScaleUp,
        LifecycleStage::PostScaleUp,
        LifecycleStage::TestTrafficShift,
        LifecycleStage::PostTestTrafficShift,
        LifecycleStage::PreProductionTrafficShift,
        LifecycleStage::ProductionTrafficShift,
        LifecycleStage::PostProductionTrafficShift,
        LifecycleStage::BakeTime,
        LifecycleStage::CleanUp,
    ];

    /// As the API spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            LifecycleStage::ReconcileService => "RECONCILE_SERVICE",
            LifecycleStage::PreScaleUp => "PRE_SCALE_UP",
            LifecycleStage::ScaleUp => "SCALE_UP",
            LifecycleStage::PostScaleUp => "POST_SCALE_UP",
            LifecycleStage::TestTrafficShift => "TEST_TRAFFIC_SHIFT",
            LifecycleStage::PostTestTrafficShift => "POST_TEST_TRAFFIC_SHIFT",
            LifecycleStage::PreProductionTrafficShift => "PRE_PRODUCTION_TRAFFIC_SHIFT",
            LifecycleStage::ProductionTrafficShift => "PRODUCTION_TRAFFIC_SHIFT",
            LifecycleStage::PostProductionTrafficShift => "POST_PRODUCTION_TRAFFIC_SHIFT",
            LifecycleStage::BakeTime => "BAKE_TIME",
            LifecycleStage::CleanUp => "CLEAN_UP",
        }
    }

    /// The stage after it.
    pub fn next(self) -> Option<LifecycleStage> {
        LifecycleStage::ALL.get(self as usize + 1).copied()
    }

    /// Whether hooks can be for it.
    pub fn takes_hooks(self) -> bool {
        !matches!(self, LifecycleStage::ScaleUp | LifecycleStage::BakeTime | LifecycleStage::CleanUp)
    }
}

/// How long a stage may last before the deployment fails (*Deployment lifecycle stages*); hooks that pause it have their own time.
pub const STAGE_MAXIMUM: Span = Span::seconds(24 * 3600);

/// How long a deployment may last (*Deployment lifecycle stages*).
pub const DEPLOYMENT_MAXIMUM: Span = Span::seconds(30 * 24 * 3600);

/// An item of `lifecycleHooks`.
#[derive(Clone, Debug, PartialEq)]
pub struct LifecycleHook {
    /// `targetType`
    pub target: HookTarget,
    /// `lifecycleStages`
    pub stages: Vec<LifecycleStage>,
    /// How long until it says that the deployment may go on (a function by `hookStatus`, somebody who is asked by
    /// `ContinueServiceDeployment`); `None` where nobody ever does.
    pub completes: Option<Distribution>,
    /// Share of its calls that fail the deployment instead, from 0 to 1.
    pub failure_share: f64,
    /// `timeoutInMinutes`, a minute to 14 days; AWS's default is 24 h.
    pub timeout: Span,
    /// `action` where nobody answers in time: whether the deployment goes on; AWS's default is `ROLLBACK`.
    pub continues_on_timeout: bool,
}

/// `targetType` of a lifecycle hook.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HookTarget {
    /// `AWS_LAMBDA`: a function, which ECS calls again while it is in progress.
    #[default]
    Lambda,
    /// `PAUSE`: somebody is asked.
    Pause,
}

/// How a hook ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HookResult {
    /// The deployment goes on.
    Succeeded,
    /// It fails.
    Failed,
    /// Nobody has answered in time, and it goes on.
    TimedOutAndContinues,
    /// Nobody has answered in time, and it fails.
    TimedOut,
}

impl LifecycleHook {
    /// How long it holds a stage up, and how it ends.
    pub fn ends(&self, stream: &mut Stream) -> (Span, HookResult) {
        // Both are drawn whatever comes of them, so that the next call has its own.
        let after = self.completes.as_ref().map(|it| it.sample(stream));
        let fails = stream.unit() <= self.failure_share && self.failure_share > 0.0;
        match after.filter(|it| *it < self.timeout) {
            Some(after) if fails => (after, HookResult::Failed),
            Some(after) => (after, HookResult::Succeeded),
            None if self.continues_on_timeout => (self.timeout, HookResult::TimedOutAndContinues),
            None => (self.timeout, HookResult::TimedOut),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Seed;

    #[test]
    fn we_58_thresholds_of_the_circuit_breaker() {
        let usual = FailureThreshold::BoundedPercent(50);
        for (desired, threshold) in
            [(1, 3), (5, 3), (6, 3), (7, 4), (25, 13), (26, 13), (100, 50), (400, 200), (800, 200)]
        {
            assert_eq!(usual.of(desired), threshold, "{desired}");
        }
    }

    #[test]
    fn we_59_thresholds_without_bounds_and_by_count() {
        assert_eq!(FailureThreshold::UnboundedPercent(50).of(1_000), 500);
        assert_eq!(FailureThreshold::UnboundedPercent(50).of(0), 1);
        assert_eq!(FailureThreshold::Count(7).of(1_000), 7);
    }

    #[test]
    fn we_60_a_healthy_task_resets_the_count_or_not() {
        let breaker = |resets_on_healthy_task| CircuitBreaker {
            rolls_back: true,
            resets_on_healthy_task,
            threshold: FailureThreshold::Count(3),
        };
        for (resets, counts) in [(true, [1, 2, 0, 1, 2]), (false, [1, 2, 2, 3, 4])] {
            let mut failures = TaskFailures { count: 0, some_task_has_run: true };
            let mut seen = Vec::new();
            for fails in [true, true, false, true, true] {
                match fails {
                    true => failures.task_failed_its_checks(),
                    false => failures.task_is_healthy(Some(&breaker(resets))),
                }
                seen.push(failures.count);
            }
            assert_eq!(seen, counts, "{resets}");
        }
    }

    #[test]
    fn early_success_is_counted_as_in_its_page() {
        for (desired, percent, needed) in [(2, 50, 1), (3, 50, 2), (10, 80, 8), (100, 90, 90), (10, 100, 10), (5, 0, 1)]
        {
            let early = EarlySuccess { healthy_percent: percent, cleanup_is_deferred: false };
            assert_eq!(early.healthy_tasks(desired), needed, "{percent} % of {desired}");
        }
    }

    #[test]
    fn stages_of_the_circuit_breaker_count_one_kind_of_failure_each() {
        let mut failures = TaskFailures::default();
        failures.task_failed_its_checks();
        failures.task_never_ran();
        assert_eq!(failures.count, 1);
        failures.some_task_has_run = true;
        failures.task_never_ran();
        assert_eq!(failures.count, 1);
        failures.task_failed_its_checks();
        assert_eq!(failures.count, 2);
    }

    /// When green has how many percent, in minutes after the first step.
    fn steps(strategy: DeploymentStrategy) -> Vec<(f64, f64)> {
        let (mut at, mut shifted, mut seen) = (Span::ZERO, 0, Vec::new());
        while shifted < ALL_TRAFFIC {
            let (next, bake_time) = strategy.next_step(shifted);
            seen.push((at.as_seconds() / 60.0, f64::from(next) / 10.0));
            (at, shifted) = (at + bake_time, next);
        }
        seen
    }

    #[test]
    fn we_61_steps_of_traffic() {
        let canary = DeploymentStrategy::Canary { part: 50, bake_time: Span::MINUTE * 10 };
        assert_eq!(steps(canary), [(0.0, 5.0), (10.0, 100.0)]);
        let linear = |step| DeploymentStrategy::Linear { step, step_bake_time: Span::MINUTE * 6 };
        let tenths: Vec<(f64, f64)> = (0..10).map(|it| (f64::from(6 * it), f64::from(10 * (it + 1)))).collect();
        assert_eq!(steps(linear(100)), tenths);
        assert_eq!(steps(linear(300)), [(0.0, 30.0), (6.0, 60.0), (12.0, 90.0), (18.0, 100.0)]);
        assert_eq!(steps(DeploymentStrategy::BlueGreen), [(0.0, 100.0)]);
    }

    #[test]
    fn hooks_answer_or_time_out() {
        let mut stream = Seed { seed: 1, replication: 0 }.stream("hooks", "test");
        let mut ends = |completes: Option<u64>, failure_share, continues_on_timeout| {
            let hook = LifecycleHook {
                target: HookTarget::Pause,
                stages: vec![LifecycleStage::PostScaleUp],
                completes: completes.map(|it| Distribution::Constant(Span::seconds(it))),
                failure_share,
                timeout: Span::seconds(600),
                continues_on_timeout,
            };
            hook.ends(&mut stream)
        };
        assert_eq!(ends(Some(30), 0.0, false), (Span::seconds(30), HookResult::Succeeded));
        assert_eq!(ends(Some(30), 1.0, false), (Span::seconds(30), HookResult::Failed));
        assert_eq!(ends(Some(601), 0.0, false), (Span::seconds(600), HookResult::TimedOut));
        assert_eq!(ends(None, 0.0, true), (Span::seconds(600), HookResult::TimedOutAndContinues));
    }
}
