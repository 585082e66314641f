//! `missing`, what the scenario names and is not there, and the faults of the timeline that hold for a while.

use std::collections::BTreeSet;

use crate::aws::auto_scaling_group::AutoScalingGroup;
use crate::aws::service::ServiceDefinition;
use crate::aws::start_failure::{registry_of, role_name};
use crate::aws::task_definition::TaskDefinition;
use crate::distribution::Distribution;
use crate::scenario::TimelineChange;
use crate::scenario::aws_fields::Shape;
use crate::scenario::capacity::Capacity;
use crate::scenario::container::exit_code;
use crate::scenario::problem::{Place, Problem, nearest};
use crate::scenario::reader::{Fields, Reader, What, listed};
use crate::scenario::timeline::Around;
use crate::scenario::tree::Node;
use crate::table::{Id, Table};
use crate::units::Span;

/// Something that a definition names, and that is not there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Missing {
    /// An image, as containers name it.
    Image(String),
    /// A secret or parameter, as `valueFrom` names it.
    Secret(String),
    /// A role, by its name.
    Role(String),
    /// An instance profile, by its name.
    InstanceProfile(String),
}

/// What is wrong with a registry.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum RegistryFault {
    /// It does not answer.
    Unreachable,
    /// It takes connections and begins to answer, and then sends nothing more.
    Stalls,
    /// It turns pulls away.
    TooManyRequests,
    /// Pulls take so many times as long, 1 or more.
    Slow(f64),
}

/// Something that is wrong for a while.
#[derive(Clone, Debug, PartialEq)]
pub enum Fault {
    /// Something is deleted.
    Missing(Missing),
    /// A registry fails.
    Registry {
        /// The registry as `registry_of` has it; all where `None`.
        registry: Option<String>,
        /// How.
        fault: RegistryFault,
    },
    /// Processes that start end of themselves.
    ApplicationCrashes {
        /// The service.
        service: Id<ServiceDefinition>,
        /// Only containers of this name; the essential ones where `None`.
        container: Option<String>,
        /// From a process's start until it ends.
        after: Distribution,
        /// Its exit code.
        code: u8,
    },
    /// What the requests of a service wait for, apart from CPU, takes so many times as long.
    SlowDependency {
        /// The service.
        service: Id<ServiceDefinition>,
        /// More than 0.
        factor: f64,
    },
    /// Docker takes so many times as long to create and start containers.
    SlowContainerRuntime {
        /// On instances of this group; on all where `None`.
        auto_scaling_group: Option<Id<AutoScalingGroup>>,
        /// 1 or more.
        factor: f64,
    },
    /// Amazon ECS takes fewer of its own calls that launch and stop tasks.
    ThrottledCalls {
        /// Calls that the bucket holds.
        burst: u32,
        /// Calls that come back in a second.
        per_second: u32,
    },
}

impl Missing {
    /// What it is, and its name.
    pub fn words(&self) -> (&'static str, &str) {
        match self {
            Missing::Image(name) => ("image", name),
            Missing::Secret(name) => ("secret", name),
            Missing::Role(name) => ("role", name),
            Missing::InstanceProfile(name) => ("instance profile", name),
        }
    }
}

/// Everything that definitions and groups name, and that may be missing.
struct Named<'a> {
    images: BTreeSet<&'a str>,
    secrets: BTreeSet<&'a str>,
    roles: BTreeSet<&'a str>,
    instance_profiles: BTreeSet<&'a str>,
}

impl<'a> Named<'a> {
    fn of(definitions: &'a Table<TaskDefinition>, capacity: &'a Capacity) -> Named<'a> {
        let containers = || definitions.iter().flat_map(|it| &it.containers);
        Named {
            images: containers().map(|it| it.image.as_str()).filter(|it| !it.is_empty()).collect(),
            secrets: containers().flat_map(|it| &it.secrets).map(String::as_str).collect(),
            roles: definitions.iter().filter_map(|it| it.execution_role.as_deref()).map(role_name).collect(),
            instance_profiles: capacity.groups.iter().filter_map(|it| it.instance_profile.as_deref()).collect(),
        }
    }

    /// What a text names, where something does; a problem says what there is.
    fn missing(&self, reader: &mut Reader<'_>, kind: Kind, at: Place, of: &str, text: &str) -> Option<Missing> {
        let (names, name, who) = match kind {
            Kind::Image => (&self.images, text, "no container runs"),
            Kind::Secret => (&self.secrets, text, "no container is given"),
            Kind::Role => (&self.roles, role_name(text), "no task definition has for its `executionRoleArn`"),
            Kind::InstanceProfile => {
                (&self.instance_profiles, role_name(text), "no group has for its `IamInstanceProfile`")
            }
        };
        if names.contains(name) {
            let name = name.to_owned();
            return Some(match kind {
                Kind::Image => Missing::Image(name),
                Kind::Secret => Missing::Secret(name),
                Kind::Role => Missing::Role(name),
                Kind::InstanceProfile => Missing::InstanceProfile(name),
            });
        }
        let problem = Problem::new(at, format!("{of} names `{name}`, which {who}"));
        reader.refuse(match nearest(name, names.iter().copied()) {
            Some(near) => problem.label(format!("did you mean `{near}`?")),
            None if names.is_empty() => problem.label("there is none"),
            None => problem.help(format!("there are {}", listed(names.iter().copied()))),
        });
        None
    }
}

#[derive(Clone, Copy)]
enum Kind {
    Image,
    Secret,
    Role,
    InstanceProfile,
}

/// The section `missing`.
pub fn missing(
    reader: &mut Reader<'_>,
    fields: Option<Fields<'_>>,
    definitions: &Table<TaskDefinition>,
    capacity: &Capacity,
) -> Vec<Missing> {
    let Some(mut fields) = fields else { return Vec::new() };
    let named = Named::of(definitions, capacity);
    let mut all = Vec::new();
    for (field, kind) in [
        ("images", Kind::Image),
        ("secrets", Kind::Secret),
        ("roles", Kind::Role),
        ("instanceProfiles", Kind::InstanceProfile),
    ] {
        let what = What { field, of: &fields.of.clone() };
        for node in fields.list(reader, field) {
            let text = reader.text(what, node);
            all.extend(text.and_then(|it| named.missing(reader, kind, node.place, &what.to_string(), it)));
        }
    }
    fields.finish(reader, &Shape::OURS);
    all
}

/// A change of the timeline that is a fault.
pub fn fault(
    reader: &mut Reader<'_>,
    name: &str,
    mut fields: Fields<'_>,
    around: &Around<'_>,
) -> Option<TimelineChange> {
    let lasts = fields.span(reader, "for");
    let fault = match name {
        "deleteImage" => deleted(reader, &mut fields, "image", Kind::Image, around),
        "deleteSecret" => deleted(reader, &mut fields, "SecretId", Kind::Secret, around),
        "deleteRole" => deleted(reader, &mut fields, "RoleName", Kind::Role, around),
        "deleteInstanceProfile" => deleted(reader, &mut fields, "InstanceProfileName", Kind::InstanceProfile, around),
        "registryOutage" => {
            let errors = [
                ("unreachable", RegistryFault::Unreachable),
                ("stalls", RegistryFault::Stalls),
                ("tooManyRequests", RegistryFault::TooManyRequests),
            ];
            let fault = fields.word_or(reader, "error", &errors, RegistryFault::Unreachable);
            let registry = registry(reader, &mut fields, around);
            registry.map(|registry| Fault::Registry { registry, fault })
        }
        "slowRegistry" => {
            let factor = factor(reader, &mut fields, 1.0);
            let registry = registry(reader, &mut fields, around);
            let fault = factor.map(RegistryFault::Slow);
            registry.zip(fault).map(|(registry, fault)| Fault::Registry { registry, fault })
        }
        "slowContainerRuntime" => {
            let factor = factor(reader, &mut fields, 1.0);
            let has_group = fields.has("AutoScalingGroupName");
            let group = fields.reference(reader, "AutoScalingGroupName", &around.capacity.group_names);
            let is_read = group.is_some() || !has_group;
            factor.filter(|_| is_read).map(|factor| Fault::SlowContainerRuntime { auto_scaling_group: group, factor })
        }
        "applicationCrashes" => application_crashes(reader, &mut fields, around),
        "slowDependency" => {
            fields.required(reader, "service");
            let at = fields.place_of("service");
            let service = fields.reference(reader, "service", around.service_names);
            let factor = factor(reader, &mut fields, 0.001);
            if let Some(service) = service {
                check_dependency(reader, at, &fields.of, service, around);
            }
            service.zip(factor).map(|(service, factor)| Fault::SlowDependency { service, factor })
        }
        _ => {
            let burst = fields.required_count(reader, "burst", 1..=1_000_000);
            let per_second = fields.required_count(reader, "callsPerSecond", 1..=1_000_000);
            burst.zip(per_second).map(|(burst, per_second)| Fault::ThrottledCalls { burst, per_second })
        }
    };
    fields.finish(reader, &Shape::OURS);
    Some(TimelineChange::Fault { fault: fault?, lasts })
}

fn deleted(
    reader: &mut Reader<'_>,
    fields: &mut Fields<'_>,
    field: &'static str,
    kind: Kind,
    around: &Around<'_>,
) -> Option<Fault> {
    let node = fields.required(reader, field)?;
    let what = What { field, of: &fields.of };
    let text = reader.text(what, node)?;
    let named = Named::of(&around.task_definitions.table, around.capacity);
    named.missing(reader, kind, node.place, &what.to_string(), text).map(Fault::Missing)
}

/// The registry that a fault is of; all where it names none.
fn registry(reader: &mut Reader<'_>, fields: &mut Fields<'_>, around: &Around<'_>) -> Option<Option<String>> {
    let Some(node) = fields.take("registry") else { return Some(None) };
    let what = What { field: "registry", of: &fields.of };
    let text = reader.text(what, node)?;
    let containers = around.task_definitions.table.iter().flat_map(|it| &it.containers);
    let there: BTreeSet<&str> = containers.map(|it| registry_of(&it.image)).collect();
    if there.contains(text) {
        return Some(Some(text.to_owned()));
    }
    let problem = Problem::new(node.place, format!("{what} is `{text}`, which no image comes from"));
    reader.refuse(match nearest(text, there.iter().copied()) {
        Some(near) => problem.label(format!("did you mean `{near}`?")),
        None => problem.help(format!("images come from {}", listed(there.iter().copied()))),
    });
    None
}

fn factor(reader: &mut Reader<'_>, fields: &mut Fields<'_>, least: f64) -> Option<f64> {
    let node = fields.required(reader, "factor")?;
    reader.number(What { field: "factor", of: &fields.of }, node, least..=1e6)
}

fn application_crashes(reader: &mut Reader<'_>, fields: &mut Fields<'_>, around: &Around<'_>) -> Option<Fault> {
    fields.required(reader, "service");
    let service = fields.reference(reader, "service", around.service_names);
    let container = fields.take("container");
    let after = fields.distribution_or(reader, "after", Distribution::Constant(Span::ZERO));
    fields.usual(reader, "code", &1);
    let code = fields.take("code").map(|it| exit_code(reader, What { field: "code", of: &fields.of }, it));
    let service = service?;
    let container = match container {
        Some(node) => Some(container_of(reader, node, &fields.of, service, around)?),
        None => None,
    };
    Some(Fault::ApplicationCrashes { service, container, after, code: code.unwrap_or(Some(1))? })
}

fn container_of(
    reader: &mut Reader<'_>,
    node: &Node,
    of: &str,
    service: Id<ServiceDefinition>,
    around: &Around<'_>,
) -> Option<String> {
    let what = What { field: "container", of };
    let name = reader.text(what, node)?;
    let family = &around.task_definitions.table[around.services[service].task_definition].family;
    let revisions = around.task_definitions.table.iter().filter(|it| it.family == *family);
    let names: BTreeSet<&str> = revisions.flat_map(|it| &it.containers).map(|it| it.name.as_str()).collect();
    if names.contains(name) {
        return Some(name.to_owned());
    }
    let problem = Problem::new(node.place, format!("{what} is `{name}`, which `{family}` does not have"));
    reader.refuse(match nearest(name, names.iter().copied()) {
        Some(near) => problem.label(format!("did you mean `{near}`?")),
        None => problem.help(format!("it has {}", listed(names.iter().copied()))),
    });
    None
}

/// Says of a service whose requests wait for nothing that a slow dependency changes nothing.
fn check_dependency(reader: &mut Reader<'_>, at: Place, of: &str, service: Id<ServiceDefinition>, around: &Around<'_>) {
    let service = &around.services[service];
    let Some(balancer) = &service.load_balancer else {
        let message =
            format!("{of} is of service `{}`, which has no load balancer, and so serves no requests", service.name);
        reader.refuse(Problem::new(at, message));
        return;
    };
    let of_sets = service.task_sets.iter().filter_map(|it| Some((it.task_definition, it.registration?.container)));
    let definitions = &around.task_definitions.table;
    let own = balancer.container_in(&definitions[service.task_definition]).map(|it| (service.task_definition, it));
    let of_service = own.filter(|_| service.task_sets.is_empty());
    let mut serving = of_service.into_iter().chain(of_sets).map(|(of, place)| &definitions[of].containers[place]);
    if serving.all(|it| it.application.wait_time == Distribution::Constant(Span::ZERO)) {
        let message = format!("requests of service `{}` wait for nothing that could be slow", service.name);
        let help = format!("say the `waitTime` of application `{}`", balancer.container_name);
        reader.refuse(Problem::new(at, message).help(help));
    }
}
