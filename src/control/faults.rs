//! Faults that hold for a while, as they begin and end. What looks at a fault only when something starts asks the
//! scenario which ones hold then; what runs already is told here.

use crate::agenda::Event;
use crate::aws::token_bucket::TokenBucket;
use crate::cluster::{Change, Task};
use crate::control::Control;
use crate::scenario::{Fault, RegistryFault, Scenario, TimelineChange};
use crate::table::Id;
use crate::units::{Instant, Span};

/// The bucket of calls that ECS makes to launch and stop tasks, while nothing throttles it.
pub(super) fn usual_calls(scenario: &Scenario) -> TokenBucket {
    let assumptions = &scenario.assumptions;
    TokenBucket::new(assumptions.cluster_modify_burst, assumptions.cluster_modify_calls_per_second)
}

impl Control<'_> {
    pub(super) fn fault_begins(&mut self, index: usize, fault: &Fault, lasts: Option<Span>) {
        let until = lasts.map_or(String::new(), |it| format!(" for {it}"));
        self.say_of_fault(fault, &format!("{}{until}", self.words_of(fault)));
        self.faults_have_changed(fault);
        if let Some(lasts) = lasts {
            self.agenda.put(self.now() + lasts, Event::FaultEnds(index));
        }
    }

    pub(super) fn fault_ends(&mut self, index: usize) {
        let scenario = self.scenario;
        let TimelineChange::Fault { fault, .. } = &scenario.timeline[index].change else { return };
        self.say_of_fault(fault, &format!("no longer: {}", self.words_of(fault)));
        self.faults_have_changed(fault);
    }

    /// How long the next call waits by which ECS launches or stops a task.
    pub(super) fn call_waits(&mut self) -> Span {
        self.calls.take_in_turn(self.agenda.now())
    }

    /// When a process of a task that starts now ends of itself because the timeline has it crash, and with which exit
    /// code.
    pub(super) fn crash_of(&mut self, task: Id<Task>, place: usize) -> Option<(Instant, u8)> {
        let (now, scenario) = (self.now(), self.scenario);
        let row = &self.cluster.tasks[task];
        let container = &self.definition_of(task).containers[place];
        let launcher = row.launcher;
        let stream = &mut self.streams.of(launcher).crashes;
        let ends = scenario.faults_at(now).filter_map(|(_, it)| match it {
            Fault::ApplicationCrashes { service, container: name, after, code }
                if launcher.service() == Some(*service)
                    && name.as_ref().map_or(container.essential, |it| *it == container.name) =>
            {
                Some((now + after.sample(stream), *code))
            }
            _ => None,
        });
        ends.min()
    }

    fn faults_have_changed(&mut self, fault: &Fault) {
        let (now, scenario) = (self.now(), self.scenario);
        match fault {
            Fault::SlowDependency { service, .. } => {
                let factors = scenario.faults_at(now).filter_map(|(_, it)| match it {
                    Fault::SlowDependency { service: of, factor } if of == service => Some(*factor),
                    _ => None,
                });
                self.cluster.wait_factors.insert(*service, factors.product());
                self.cluster.has_changed(Change::WaitFactor(*service));
            }
            Fault::ThrottledCalls { .. } => {
                let throttled = scenario.faults_at(now).filter_map(|(_, it)| match it {
                    Fault::ThrottledCalls { burst, per_second } => Some(TokenBucket::new(*burst, *per_second)),
                    _ => None,
                });
                self.calls = throttled.last().unwrap_or_else(|| usual_calls(scenario));
            }
            Fault::Missing(_)
            | Fault::Registry { .. }
            | Fault::ApplicationCrashes { .. }
            | Fault::SlowContainerRuntime { .. } => {}
        }
    }

    fn words_of(&self, fault: &Fault) -> String {
        let services = &self.scenario.services;
        match fault {
            Fault::Missing(missing) => {
                let (kind, name) = missing.words();
                format!("the {kind} {name} is deleted")
            }
            Fault::Registry { registry, fault } => {
                let registry = registry.as_ref().map_or("every registry".to_owned(), |it| format!("registry {it}"));
                match fault {
                    RegistryFault::Unreachable => format!("{registry} does not answer"),
                    RegistryFault::Stalls => format!("{registry} stalls: layers do not come"),
                    RegistryFault::TooManyRequests => format!("{registry} turns pulls away: toomanyrequests"),
                    RegistryFault::Slow(factor) => format!("{registry} is {factor} times as slow"),
                }
            }
            Fault::ApplicationCrashes { service, container, code, .. } => {
                let which =
                    container.as_ref().map_or("essential containers".to_owned(), |it| format!("containers {it}"));
                format!("{which} of (service {}) that start exit with code {code}", services[*service].name)
            }
            Fault::SlowContainerRuntime { auto_scaling_group, factor } => {
                let of = auto_scaling_group.map_or("every instance".to_owned(), |it| {
                    format!("instances of {}", self.scenario.auto_scaling_groups[it].name)
                });
                format!("Docker takes {factor} times as long on {of} to create and start containers")
            }
            Fault::SlowDependency { service, factor } => {
                format!("what requests of (service {}) wait for takes {factor} times as long", services[*service].name)
            }
            Fault::ThrottledCalls { burst, per_second } => {
                format!(
                    "ECS takes {burst} calls at once and {per_second} a second of its own that launch and stop tasks"
                )
            }
        }
    }

    fn say_of_fault(&mut self, fault: &Fault, message: &str) {
        let (kind, resource) = match fault {
            Fault::Missing(missing) => {
                let (kind, name) = missing.words();
                ("timeline.missing", format!("{}/{name}", kind.replace(' ', "-")))
            }
            Fault::Registry { registry, .. } => {
                ("timeline.registry", format!("registry/{}", registry.as_deref().unwrap_or("*")))
            }
            Fault::ApplicationCrashes { service, .. } => {
                ("timeline.application_crashes", self.service_resource(*service))
            }
            Fault::SlowContainerRuntime { auto_scaling_group, .. } => (
                "timeline.slow_container_runtime",
                auto_scaling_group
                    .map_or(format!("cluster/{}", self.scenario.cluster_name), |it| self.group_resource(it)),
            ),
            Fault::SlowDependency { service, .. } => ("timeline.slow_dependency", self.service_resource(*service)),
            Fault::ThrottledCalls { .. } => {
                ("timeline.throttled_calls", format!("cluster/{}", self.scenario.cluster_name))
            }
        };
        self.log.put(self.agenda.now(), None, kind, resource, message.to_owned());
    }
}
