//! EventBridge: schedules fall, objects are created, and `RunTask` is called for them, again and again where it must be.
//!
//! A call that is answered is delivered, even if nothing was started: EventBridge does not look at `failures`, so that work is lost
//! in silence. Exceptions are tried again under the target's retry policy. On Fargate a call that starts nothing for want of capacity
//! counts as an exception (inferred).

use crate::aws::event_bridge::{Delivery, EcsTarget};
use crate::aws::launch::Launcher;
use crate::aws::run_task::RunTask;
use crate::control::Control;
use crate::control::run_tasks::{Call, NotStarted};
use crate::table::Id;
use crate::units::{Instant, Span};
use crate::workload::task_calls::DrawnCall;

impl Control<'_> {
    /// A schedule falls, or an object is created: its target is invoked before long.
    pub(super) fn event_occurs(&mut self, run_task: Id<RunTask>, target: &EcsTarget, call: DrawnCall) {
        let assumptions = &self.scenario.assumptions.event_bridge;
        let calls = &mut self.run_tasks[run_task.index()];
        let is_doubled = calls.deliveries.unit() < assumptions.duplicate_event_share;
        let of_duplicate: &[bool] = if is_doubled { &[false, true] } else { &[false] };
        for &is_duplicate in of_duplicate {
            let calls = &mut self.run_tasks[run_task.index()];
            let deliveries = &mut calls.deliveries;
            let delay = match target.delivery {
                Delivery::WithinTheMinute => {
                    let offsets = &mut calls.offsets;
                    *calls.offset.get_or_insert_with(|| {
                        // The second draw of the stream, whose first says whether an event is doubled.
                        offsets.unit();
                        assumptions.schedule_offset.sample(offsets)
                    })
                }
                Delivery::WithinWindow(window) => Span::from_nanos_f64(window.0 as f64 * deliveries.unit()),
                Delivery::OfObject => call.told_after + assumptions.event_delay.sample(deliveries),
            };
            calls.totals.events.invocations += 1;
            calls.totals.events.duplicates += u64::from(is_duplicate);
            let at = call.at + delay;
            let run_times = calls.ask(call.count);
            let container_instances = Vec::new();
            let call = Call { run_times, container_instances, size: call.size, attempts: 0, since: at };
            self.put_off(run_task, call, at);
        }
    }

    /// A target is invoked, for the first time or again.
    pub(super) fn target_is_invoked(&mut self, run_task: Id<RunTask>, target: &EcsTarget, mut call: Call) {
        let events = &mut self.run_tasks[run_task.index()].totals.events;
        events.attempts += 1;
        events.retries += u64::from(call.attempts > 0);
        match self.try_call(run_task, &call) {
            Ok(not_started) if self.is_tried_again(run_task, &call, &not_started) => {
                let reason = *not_started.failures.keys().next().expect("something was not started");
                call.run_times = not_started.run_times;
                self.invocation_fails(run_task, target, call, reason);
            }
            Ok(not_started) => {
                let events = &mut self.run_tasks[run_task.index()].totals.events;
                events.delivered += 1;
                events.tasks_lost += not_started.run_times.len() as u64;
                self.count_failures(run_task, call.size, &not_started.failures);
            }
            Err(exception) => self.invocation_fails(run_task, target, call, exception),
        }
    }

    /// Whether what a call has not started makes EventBridge try again.
    fn is_tried_again(&self, run_task: Id<RunTask>, call: &Call, not_started: &NotStarted) -> bool {
        let (all, left) = (call.run_times.len(), not_started.run_times.len());
        let is_an_exception = left == all && self.scenario.runs_on_fargate(Launcher::RunTask(run_task));
        left > 0 && (is_an_exception || self.scenario.assumptions.event_bridge.retry_failed_placement)
    }

    fn invocation_fails(&mut self, run_task: Id<RunTask>, target: &EcsTarget, mut call: Call, reason: &'static str) {
        let now = self.now();
        let calls = &mut self.run_tasks[run_task.index()];
        let jitter = calls.retries.unit();
        if let Some(pause) = target.retry_policy.pause(call.attempts, now.since(call.since), jitter) {
            call.attempts += 1;
            let at: Instant = now + pause;
            let tasks = match call.run_times.len() {
                1 => "a task".to_owned(),
                tasks => format!("{tasks} tasks"),
            };
            let words = format!("EventBridge tries RunTask for {tasks} again at {at}: {reason}");
            self.put_off(run_task, call, at);
            self.say_of_launcher(Launcher::RunTask(run_task), None, "event.retry", &words);
            return;
        }
        let (kind, words) = match target.has_dead_letter_queue {
            true => ("event.dead_lettered", "puts the event into the dead-letter queue"),
            false => ("event.dropped", "drops the event"),
        };
        let events = &mut calls.totals.events;
        *(if target.has_dead_letter_queue { &mut events.dead_lettered } else { &mut events.failed }) += 1;
        let retried = match call.attempts {
            1 => "1 retry".to_owned(),
            retries => format!("{retries} retries"),
        };
        let words = format!("EventBridge gives RunTask up after {}, and {words}: {reason}", retried);
        self.say_of_launcher(Launcher::RunTask(run_task), None, kind, &words);
        self.call_fails(run_task, &call, reason);
    }
}
