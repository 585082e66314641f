//! Images on their way to a task: how long they take, how many come at once, and how their pull fails.
//!
//! Follows *Container image pull behavior* and *Task networking* in the developer guide (2026). Left out: a task that
//! stops while it pulls keeps its place among the pulls of its instance until they would have ended.

use std::collections::BTreeSet;

use crate::aws::launch::Launcher;
use crate::aws::registry::PullQuota;
use crate::aws::security_group::SecurityGroup;
use crate::aws::start_failure::{
    ImagePullBehavior, PULL_ATTEMPTS, StartFailure, is_of_secrets_manager, pause_after, registry_of, role_name,
};
use crate::aws::subnet::{DefaultRoute, EndpointService, Subnet};
use crate::aws::task_definition::CpuArchitecture;
use crate::cluster::{ContainerInstance, StopCode, Task};
use crate::control::Control;
use crate::control::health::task_name;
use crate::control::start_up::Phase;
use crate::scenario::{Fault, Missing, RegistryFault};
use crate::table::Id;
use crate::units::{Instant, Span};

/// What comes of a container's image, and of the secrets that are fetched with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Pull {
    /// It is there, whether or not a pull has failed that took so long.
    Spared(Span),
    /// The attempt that succeeds begins after so long.
    Begins(Span),
    /// The last attempt has failed after so long.
    Fails(Span, StartFailure),
}

/// How long the images of some containers of a task take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct PullTime {
    /// Until it is their turn.
    pub waits: Span,
    /// From then on.
    pub takes: Span,
}

/// Where calls for a task's images and secrets come from.
pub(super) struct Egress<'a> {
    /// The subnet; `None` where the scenario has none.
    pub subnet: Option<&'a Subnet>,
    /// Whether the interface has a public address.
    pub has_public_ip: bool,
    /// The interface's security groups.
    pub security_groups: &'a [Id<SecurityGroup>],
}

impl<'a> Control<'a> {
    /// Whether containers of a task are followed one by one.
    pub(super) fn follows_containers(&self, task: Id<Task>) -> bool {
        self.faults_concern_containers || self.definition_of(task).follows_containers()
    }

    /// What comes of the image of a container whose pull begins at `from`.
    pub(super) fn pull(&self, task: Id<Task>, place: usize, from: Instant) -> Pull {
        let container = &self.definition_of(task).containers[place];
        let assumptions = &self.scenario.assumptions;
        let timeout = match self.cluster.tasks[task].is_on_fargate() {
            true => assumptions.fargate.registry_timeout,
            false => assumptions.registry_timeout,
        };
        for secret in &container.secrets {
            if self.scenario.is_missing(&Missing::Secret(secret.clone()), from) {
                return Pull::Fails(Span::ZERO, StartFailure::SecretNotFound(secret.clone()));
            }
            let service = match is_of_secrets_manager(secret) {
                true => EndpointService::SecretsManager,
                false => EndpointService::Ssm,
            };
            if !self.is_reached(task, Some(service)) {
                let given_up = timeout * u64::from(PULL_ATTEMPTS);
                return Pull::Fails(given_up, StartFailure::SecretNotReached(secret.clone()));
            }
        }
        let is_there = self.has_image(task, &container.image);
        let behavior = self.image_pull_behavior(task);
        if is_there && behavior.spares_pull() {
            return Pull::Spared(Span::ZERO);
        }
        let mut after = Span::ZERO;
        let mut attempt = 1;
        loop {
            let failure = self.pull_failure(task, &container.image, from + after);
            let Some(failure) = failure.or_else(|| self.wrong_platform(task, place)) else {
                return Pull::Begins(after);
            };
            after += match failure {
                StartFailure::RegistryNotReached(_) => timeout,
                StartFailure::PullStalls(_) => self.pull_inactivity_timeout(task),
                _ => assumptions.image_pull_overhead,
            };
            let whole = self.pull_timeout(task);
            if attempt == PULL_ATTEMPTS || after > whole {
                let serves = is_there && behavior.falls_back();
                return match after > whole {
                    _ if serves => Pull::Spared(after.min(whole)),
                    true => Pull::Fails(whole, StartFailure::TimedOut("pulled", whole)),
                    false => Pull::Fails(after, failure),
                };
            }
            after += pause_after(attempt);
            attempt += 1;
        }
    }

    /// How long the agent gives a pull, however often it is tried again; Fargate is not known to give up.
    pub(super) fn pull_timeout(&self, task: Id<Task>) -> Span {
        match self.cluster.tasks[task].instance() {
            Some(_) => self.group_of(task).agent_configuration.timeouts.image_pull,
            None => Span(u64::MAX),
        }
    }

    /// How long an attempt may go without a sign of life.
    fn pull_inactivity_timeout(&self, task: Id<Task>) -> Span {
        match self.cluster.tasks[task].instance() {
            Some(_) => self.group_of(task).agent_configuration.timeouts.image_pull_inactivity,
            None => self.scenario.assumptions.fargate.registry_timeout,
        }
    }

    /// Whether a container can do with the image that its instance has, where its pull fails.
    pub(super) fn serves_without_pull(&self, task: Id<Task>, place: usize) -> bool {
        self.image_pull_behavior(task).falls_back()
            && self.has_image(task, &self.definition_of(task).containers[place].image)
    }

    /// The same, of a pull that is made: registries that count pulls count it.
    pub(super) fn pull_is_made(&mut self, task: Id<Task>, place: usize, from: Instant) -> Pull {
        if !self.faults_concern_containers && self.wrong_platform(task, place).is_none() {
            return Pull::Begins(Span::ZERO);
        }
        let pull = self.pull(task, place, from);
        if let Pull::Begins(after) = pull {
            self.count_pull(task, place, from + after);
        }
        pull
    }

    /// Fargate looks for its platform in the manifest; a container instance finds out when it executes the image.
    fn wrong_platform(&self, task: Id<Task>, place: usize) -> Option<StartFailure> {
        let definition = self.definition_of(task);
        let image = definition.containers[place].application.image_architecture?;
        let own = definition.fargate_architecture();
        let platform = match own {
            CpuArchitecture::X86_64 => "linux/amd64",
            CpuArchitecture::Arm64 => "linux/arm64",
        };
        (self.cluster.tasks[task].is_on_fargate() && image != own)
            .then_some(StartFailure::PlatformNotInManifest(platform))
    }

    fn count_pull(&mut self, task: Id<Task>, place: usize, at: Instant) {
        let image = &self.definition_of(task).containers[place].image;
        let registry = registry_of(image);
        for (number, quota) in self.scenario.pull_quotas.iter().enumerate().filter(|it| it.1.registry == registry) {
            let caller = self.caller_of_registry(task, quota);
            let now = self.agenda.now();
            let pulls = self.counted_pulls.entry((number, caller)).or_default();
            pulls.retain(|it| *it + quota.window > now);
            pulls.push(at);
        }
    }

    /// What a registry has counted too much of when a task's pull is tried at an instant.
    fn quota_exceeded(&self, task: Id<Task>, image: &str, at: Instant) -> Option<StartFailure> {
        let registry = registry_of(image);
        let quotas = self.scenario.pull_quotas.iter().enumerate().filter(|it| it.1.registry == registry);
        let mut exceeded = quotas.filter(|(number, quota)| {
            let caller = self.caller_of_registry(task, quota);
            let pulls = self.counted_pulls.get(&(*number, caller));
            let counts = |it: &&Instant| **it <= at && at < **it + quota.window;
            pulls.is_some_and(|them| them.iter().filter(counts).count() >= quota.pulls as usize)
        });
        let (number, quota) = exceeded.next()?;
        Some(StartFailure::PullQuotaExceeded { image: image.to_owned(), quota: number, says: quota.says() })
    }

    /// Whom a registry takes a task's pull to come from: the account, or the public address of the instance, of the task on Fargate, or
    /// of the NAT gateway of its zone.
    fn caller_of_registry(&self, task: Id<Task>, quota: &PullQuota) -> String {
        if quota.is_authenticated {
            return "account".to_owned();
        }
        let row = &self.cluster.tasks[task];
        if !self.goes_by_nat(task) {
            return match row.instance() {
                Some(instance) => self.cluster.instances[instance].name.clone(),
                None => task_name(task),
            };
        }
        let several = self.scenario.nat_gateways.as_ref().is_none_or(|it| it.number > 1);
        match self.cluster.zone_of_task(task).filter(|_| several) {
            Some(zone) => format!("nat-gateway/{}", self.scenario.availability_zones[zone].name),
            None => "nat-gateway".to_owned(),
        }
    }

    /// Whether calls for a task's images come from a NAT gateway's address.
    pub(super) fn goes_by_nat(&self, task: Id<Task>) -> bool {
        let egress = self.egress_of(task);
        match egress.subnet {
            Some(subnet) => !egress.has_public_ip || subnet.default_route == DefaultRoute::NatGateway,
            None => self.scenario.nat_gateways.is_some(),
        }
    }

    /// The time to pull what the task's host does not have yet of the images of these containers, side by side, in
    /// their turn.
    pub(super) fn pull_time(&mut self, task: Id<Task>, containers: &[usize]) -> PullTime {
        let definition = self.definition_of(task);
        let Some(instance) = self.cluster.tasks[task].instance() else {
            let slowest = containers.iter().map(|&it| self.slowness_of(&definition.containers[it].image));
            let slowness = slowest.fold(1.0, f64::max);
            let layers = containers.iter().flat_map(|&it| &definition.containers[it].application.layers);
            let bytes = 1e6 * layers.map(|it| it.size_mb).sum::<f64>();
            let usual = self.fargate_pull_time(task, containers, slowness);
            let own = self.varied(task, Phase::Pull, usual);
            return PullTime { waits: Span::ZERO, takes: self.registry_takes(Span::ZERO, own, bytes) };
        };
        let spares = |it: &usize| {
            self.image_pull_behavior(task).spares_pull() && self.has_image(task, &definition.containers[*it].image)
        };
        let pulled: Vec<usize> = containers.iter().copied().filter(|it| !spares(it)).collect();
        if pulled.is_empty() {
            return PullTime::default();
        }
        let cached = &self.agents[instance.index()].images;
        let mut seen: BTreeSet<(&str, u64)> = BTreeSet::new();
        let (mut bytes, mut slowed) = (0, 0.0);
        for container in pulled.iter().map(|&it| &definition.containers[it]) {
            let slowness = self.slowness_of(&container.image);
            for layer in container.application.layers.iter().filter(|it| !cached.has_layer(&it.name)) {
                let size = (layer.size_mb * 1e6) as u64;
                if seen.insert((layer.name.as_str(), size)) {
                    bytes += size;
                    slowed += size as f64 * slowness;
                }
            }
        }
        let assumptions = &self.scenario.assumptions;
        let usual = assumptions.image_pull_overhead
            + Span::from_seconds_f64(slowed / (assumptions.image_pull_mb_per_second * 1e6));
        let own = self.varied(task, Phase::Pull, usual);
        let waits = self.pull_waits(instance);
        let takes = self.registry_takes(waits, own, bytes as f64);
        self.pull_ends(instance, waits + takes.min(self.pull_timeout(task)));
        PullTime { waits, takes }
    }

    /// How long a pull waits for its turn on an instance.
    fn pull_waits(&mut self, instance: Id<ContainerInstance>) -> Span {
        let Some(at_once) = self.scenario.assumptions.image_pulls_at_once else { return Span::ZERO };
        let now = self.now();
        let pulls = &mut self.agents[instance.index()].pulls_end_at;
        pulls.retain(|it| *it > now);
        let under_way = pulls.len();
        match under_way.checked_sub(at_once as usize) {
            Some(before) => pulls[before].since(now),
            None => Span::ZERO,
        }
    }

    fn pull_ends(&mut self, instance: Id<ContainerInstance>, after: Span) {
        if self.scenario.assumptions.image_pulls_at_once.is_some() {
            let at = self.now() + after;
            let pulls = &mut self.agents[instance.index()].pulls_end_at;
            let place = pulls.partition_point(|it| *it <= at);
            pulls.insert(place, at);
        }
    }

    /// How long a pull of so many bytes takes that would take `own` alone and begins after `waits`: registries give so
    /// much in a second to all, one after the other.
    fn registry_takes(&mut self, waits: Span, own: Span, bytes: f64) -> Span {
        let Some(mb_per_second) = self.scenario.assumptions.registry_mb_per_second else { return own };
        let begins = self.now() + waits;
        let free_at = self.registry_is_free_at.max(begins) + Span::from_seconds_f64(bytes / (mb_per_second * 1e6));
        self.registry_is_free_at = free_at;
        own.max(free_at.since(begins))
    }

    /// A container of a task does not start: why not, as ECS words it there.
    pub(super) fn start_has_failed(&mut self, task: Id<Task>, failure: &StartFailure) -> String {
        self.note_why_pull_fails(task, failure);
        let is_on_fargate = self.cluster.tasks[task].is_on_fargate();
        failure.stopped_reason(is_on_fargate, &self.scenario.prices.region)
    }

    /// Whether a task ends here because ECS cannot assume its execution role.
    pub(super) fn fails_for_want_of_role(&mut self, task: Id<Task>) -> bool {
        let Some(role) = &self.definition_of(task).execution_role else { return false };
        if !self.lacks_role(task) {
            return false;
        }
        let reason = StartFailure::RoleNotAssumed(role.clone()).stopped_reason(false, &self.scenario.prices.region);
        if let Launcher::Service(service) = self.cluster.tasks[task].launcher {
            let words = format!("failed to launch a task with (error {reason})");
            self.say_once(service, "service.task_configuration_failure", &words, None);
        }
        let cause = self.say_of_task(task, None, "task.failed_to_start", &format!("failed to start: {reason}"));
        self.stop_task(task, StopCode::TaskFailedToStart, reason, Some(cause));
        true
    }

    /// Whether a task could never have come to run: what it needs is missing from the beginning.
    pub(super) fn never_ran(&self, task: Id<Task>) -> bool {
        let containers = &self.definition_of(task).containers;
        let fails = |place| matches!(self.pull(task, place, Instant::START), Pull::Fails(..));
        self.lacks_role(task) || (self.faults_concern_containers && (0..containers.len()).any(fails))
    }

    fn lacks_role(&self, task: Id<Task>) -> bool {
        let role = self.definition_of(task).execution_role.as_deref().map(role_name);
        role.is_some_and(|it| self.scenario.is_missing(&Missing::Role(it.to_owned()), self.now()))
    }

    fn image_pull_behavior(&self, task: Id<Task>) -> ImagePullBehavior {
        match self.cluster.tasks[task].instance() {
            Some(_) => self.group_of(task).agent_configuration.image_pull_behavior,
            None => ImagePullBehavior::Always,
        }
    }

    fn has_image(&self, task: Id<Task>, image: &str) -> bool {
        let instance = self.cluster.tasks[task].instance();
        instance.is_some_and(|it| self.agents[it.index()].images.has_image(image))
    }

    /// What the agent of an instance has cleared away by now is gone.
    pub(super) fn clean_up_images(&mut self, instance: Id<ContainerInstance>) {
        let now = self.now();
        let row = &self.cluster.instances[instance];
        let configuration = &self.scenario.auto_scaling_groups[row.auto_scaling_group].agent_configuration;
        if let Some(started_at) = row.registered_at {
            self.agents[instance.index()].images.clean_up(&configuration.image_cleanup(), started_at, now);
        }
    }

    /// Before a task asks which images its instance has.
    pub(super) fn clean_up_images_for(&mut self, task: Id<Task>) {
        if let Some(instance) = self.cluster.tasks[task].instance() {
            self.clean_up_images(instance);
        }
    }

    /// Why a pull of an image fails that is tried at an instant.
    fn pull_failure(&self, task: Id<Task>, image: &str, at: Instant) -> Option<StartFailure> {
        let registry = registry_of(image);
        let not_reached = || Some(StartFailure::RegistryNotReached(image.to_owned()));
        if !self.is_reached(task, EndpointService::of_registry(registry)) {
            return not_reached();
        }
        let of_registry = self.scenario.faults_at(at).filter_map(|(_, it)| match it {
            Fault::Registry { registry: of, fault } if of.as_ref().is_none_or(|it| it == registry) => Some(*fault),
            _ => None,
        });
        for fault in of_registry {
            match fault {
                RegistryFault::Unreachable => return not_reached(),
                RegistryFault::Stalls => return Some(StartFailure::PullStalls(image.to_owned())),
                RegistryFault::TooManyRequests => return Some(StartFailure::TooManyRequests(image.to_owned())),
                RegistryFault::Slow(_) => {}
            }
        }
        if self.scenario.is_missing(&Missing::Image(image.to_owned()), at) {
            return Some(StartFailure::ImageNotFound(image.to_owned()));
        }
        self.quota_exceeded(task, image, at)
    }

    /// How many times as long as usual a pull from an image's registry takes now.
    fn slowness_of(&self, image: &str) -> f64 {
        let registry = registry_of(image);
        let factors = self.scenario.faults_at(self.now()).filter_map(|(_, it)| match it {
            Fault::Registry { registry: of, fault: RegistryFault::Slow(factor) }
                if of.as_ref().is_none_or(|it| it == registry) =>
            {
                Some(*factor)
            }
            _ => None,
        });
        factors.product()
    }

    /// Whether a route leads from where a task's images and secrets are fetched, and security groups let calls out.
    fn is_reached(&self, task: Id<Task>, service: Option<EndpointService>) -> bool {
        let egress = self.egress_of(task);
        self.scenario.lets_out(egress.security_groups)
            && egress.subnet.is_none_or(|it| it.reaches(service, egress.has_public_ip))
    }

    /// Where a task's images and secrets are fetched from: on EC2 that is the agent, on its instance; on Fargate the task itself.
    pub(super) fn egress_of(&self, task: Id<Task>) -> Egress<'a> {
        let row = &self.cluster.tasks[task];
        match row.instance() {
            Some(instance) => {
                let subnet = self.cluster.instances[instance].subnet.map(|it| &self.scenario.subnets[it]);
                Egress {
                    subnet,
                    has_public_ip: subnet.is_some_and(|it| it.maps_public_ip),
                    security_groups: &self.group_of(task).security_groups,
                }
            }
            None => {
                let network = self.scenario.network_of(row.launcher, row.network);
                // Before it has its address, the first that it may come from speaks for all.
                let subnet = row.subnet.or(network.subnets.first().copied());
                Egress {
                    subnet: subnet.map(|it| &self.scenario.subnets[it]),
                    has_public_ip: network.assign_public_ip,
                    security_groups: &network.security_groups,
                }
            }
        }
    }
}
