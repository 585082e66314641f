//! Events to come.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use crate::aws::alarm::Alarm;
use crate::aws::auto_scaling_group::AutoScalingGroup;
use crate::aws::capacity_provider::CapacityProvider;
use crate::aws::fargate::FargateCapacity;
use crate::aws::pipeline::Pipeline;
use crate::aws::run_task::RunTask;
use crate::aws::scaling_policy::{ScalableTarget, ScalingPolicy};
use crate::aws::schedule::ScheduledAction;
use crate::aws::service::ServiceDefinition;
use crate::cluster::{ContainerInstance, Target, Task};
use crate::table::Id;
use crate::units::{Instant, NANOS_PER_SECOND};

/// Something the control plane is woken for.
///
/// An event says *look again*, not *what to do*: nothing is ever cancelled, and a stale wake-up reads the state and
/// returns. Variants are declared in the order in which they happen when they fall on one instant: changes of task,
/// instance and health, then the scaling order of CloudWatch's minute (periods close, scheduled actions, alarms,
/// decisions, the service scheduler, capacity providers, Auto Scaling groups). Inside a variant the lower id goes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Event {
    /// An entry of the timeline, by its place.
    TimelineIsDue(usize),
    /// Application Auto Scaling, whose call for a service was throttled, makes it again.
    ScalingCallIsMadeAgain(Id<ServiceDefinition>),
    /// Tasks that an entry of the timeline has broken, by its place, are whole again.
    TargetErrorsEnd(usize),
    /// A fault of the timeline no longer holds.
    FaultEnds(usize),
    /// Agents that an entry of the timeline disconnected, by its place, are connected again.
    AgentsReconnect(usize),
    /// Tasks on Fargate that an entry of the timeline has given notice of, by its place, are retired.
    FargateTasksAreRetired(usize),
    /// A container instance's next state.
    InstanceAdvances(Id<ContainerInstance>),
    /// ECS notices that tasks of Fargate are gone with the zone that an entry of the timeline, by its place, took away.
    ZoneOutageIsNoticed(usize),
    /// EC2 wants a Spot Instance back.
    SpotInstanceIsWanted(Id<ContainerInstance>),
    /// Fargate may launch another task of those that wait.
    FargateLaunches(FargateCapacity),
    /// Spot takes back the capacity under a task.
    SpotInterrupts(Id<Task>),
    /// A task's next state.
    TaskAdvances(Id<Task>),
    /// What is next for the containers of a task that are followed one by one.
    ContainersAdvance(Id<Task>),
    /// The two minutes of a task's termination notice are over.
    SpotTakesTask(Id<Task>),
    /// The target of a task that `StopTask` was called for is deregistered.
    TargetOfStoppedTaskLeaves(Id<Task>),
    /// A health check ends: it passed or not.
    ProbeEnds(Id<Target>, bool),
    /// A health check may have been answered.
    ProbeIsAwaited(Id<Target>),
    /// A health check is sent.
    ProbeIsSent(Id<Target>),
    /// The targets of each group are compared, whether some fail more than their peers.
    TargetsAreCompared,
    /// Memory and CPU are sampled.
    SecondPasses,
    /// 20 s of high-resolution metrics end.
    TwentySecondsClose,
    /// A period of CloudWatch's ends.
    MinuteCloses,
    /// A scheduled action's occurrence, by its place.
    ScheduledActionRuns(Id<ScheduledAction>, usize),
    /// Predictive scaling looks at the hour that begins or is about to.
    PredictiveScalingRuns(Id<ScalingPolicy>),
    /// A scheduled action of a group, by its place.
    GroupActionRuns(usize),
    /// An alarm looks at its datapoints.
    AlarmIsEvaluated(Id<Alarm>),
    /// Composite alarms look at the alarms that they name.
    CompositeAlarmsAreEvaluated,
    /// An alarm that has not changed since invokes its actions again.
    AlarmActsAgain(Id<Alarm>),
    /// All that was asked of a scalable target at this instant is decided.
    TargetIsScaled(Id<ScalableTarget>),
    /// All that was asked of an Auto Scaling group's policies at this instant is decided.
    GroupIsScaled(Id<AutoScalingGroup>),
    /// `RunTask` is called.
    RunTaskIsCalled(Id<RunTask>),
    /// `RunTask` is called that was put off: after it was throttled, or because EventBridge takes its time.
    RunTaskIsRetried(Id<RunTask>),
    /// A scheduler that calls `StartTask` looks at the cluster.
    CustomSchedulerLooks(Id<RunTask>),
    /// Standalone tasks in PROVISIONING are looked at.
    StandaloneTasksArePlaced,
    /// A commit comes to a pipeline, a stage of one of its executions ends, or it looks at its service.
    PipelineAdvances(Id<Pipeline>),
    /// The service scheduler looks at a service.
    ServiceIsScheduled(Id<ServiceDefinition>),
    /// Somebody looks whether a deployment of a service moves.
    DeploymentIsWatched(Id<ServiceDefinition>, u32),
    /// A capacity provider's metric is computed.
    CapacityProviderIsMeasured(Id<CapacityProvider>),
    /// A group looks at the health, the age and the zones of its instances.
    GroupIsChecked(Id<AutoScalingGroup>),
    /// A group launches or terminates towards its desired capacity.
    GroupIsReconciled(Id<AutoScalingGroup>),
}

/// Events to come, in order of time, then of [`Event`]. Only those of the second under way are kept in order, so that what an event
/// costs does not grow with how many are to come later.
#[derive(Debug, Default)]
pub struct Agenda {
    now: Instant,
    events: BinaryHeap<Reverse<(Instant, Event)>>,
    /// Events from the second `later_from` on, by second.
    later: BTreeMap<u64, Vec<Reverse<(Instant, Event)>>>,
    later_from: u64,
    handed_out: u64,
}

impl Agenda {
    /// Events that were handed out so far.
    pub fn handed_out(&self) -> u64 {
        self.handed_out
    }

    /// The instant of the event that was handed out last.
    pub fn now(&self) -> Instant {
        self.now
    }

    /// Puts an event down for `at`, or for now where that has passed.
    pub fn put(&mut self, at: Instant, event: Event) {
        let at = at.max(self.now);
        let second = at.0 / NANOS_PER_SECOND;
        if second < self.later_from {
            self.events.push(Reverse((at, event)));
        } else {
            self.later.entry(second).or_default().push(Reverse((at, event)));
        }
    }

    /// The next event at or before `end`.
    pub fn next_until(&mut self, end: Instant) -> Option<Event> {
        if self.events.is_empty() {
            let (second, mut events) = self.later.pop_first()?;
            self.later_from = second + 1;
            self.events.extend(events.drain(..));
        }
        let &Reverse((at, event)) = self.events.peek()?;
        if at > end {
            return None;
        }
        self.events.pop();
        self.handed_out += 1;
        self.now = at;
        Some(event)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::Span;

    #[test]
    fn events_of_one_instant_come_in_declared_order() {
        let mut agenda = Agenda::default();
        let at = Instant(60);
        let expected = [
            Event::TaskAdvances(Id::new(1)),
            Event::TaskAdvances(Id::new(2)),
            Event::ProbeEnds(Id::new(0), true),
            Event::MinuteCloses,
            Event::AlarmIsEvaluated(Id::new(0)),
            Event::ServiceIsScheduled(Id::new(0)),
            Event::GroupIsReconciled(Id::new(0)),
        ];
        for event in expected.iter().rev() {
            agenda.put(at, *event);
        }
        agenda.put(Instant(1), Event::SecondPasses);
        assert_eq!(agenda.next_until(Instant(59)), Some(Event::SecondPasses));
        assert_eq!(agenda.next_until(Instant(59)), None);
        for event in expected {
            assert_eq!(agenda.next_until(at), Some(event));
        }
        assert_eq!(agenda.now(), at);
    }

    #[test]
    fn events_of_many_seconds_come_in_order_of_time() {
        let mut agenda = Agenda::default();
        let mut seen = Vec::new();
        let mut stream = crate::rng::Seed { seed: 1, replication: 0 }.stream("agenda", "test");
        let mut puts = 0;
        for number in 0..50 {
            agenda.put(Instant(stream.below(90 * NANOS_PER_SECOND as usize) as u64), Event::GroupActionRuns(number));
        }
        while let Some(event) = agenda.next_until(Instant(60 * NANOS_PER_SECOND)) {
            seen.push((agenda.now(), event));
            // What is put down later may be for now, for this second or for one that is far off.
            for within in [1, NANOS_PER_SECOND / 2, 40 * NANOS_PER_SECOND] {
                if puts < 1_000 {
                    let after = Span(stream.below(within as usize) as u64);
                    agenda.put(agenda.now() + after, Event::GroupActionRuns(100 + puts));
                    puts += 1;
                }
            }
        }
        assert!(seen.is_sorted_by_key(|it| it.0), "never back in time");
        let left = agenda.events.len() + agenda.later.values().map(Vec::len).sum::<usize>();
        assert_eq!(seen.len() + left, 50 + puts, "each once");
        assert!(agenda.next_until(Instant(u64::MAX)).is_some_and(|_| agenda.now() > Instant(60 * NANOS_PER_SECOND)));
    }
}
