//! Why a task does not start: its image, its secrets, its role; and what ECS then says of it.
//!
//! Follows *CannotPullContainer task errors*, *Troubleshooting Amazon ECS ResourceInitializationError errors*,
//! *Troubleshooting Amazon ECS ResourceNotFoundException errors* in the developer guide (2026), and the agent's
//! `error_messages.go` and `docker_client.go` (2026-06).

use crate::units::Span;

/// `ECS_IMAGE_PULL_BEHAVIOR` of an agent: when it pulls, and what an image that is there already is good for (agent's
/// README).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ImagePullBehavior {
    /// It always pulls; where that fails, an image that is there serves.
    #[default]
    Default,
    /// It always pulls; where that fails, so does the task.
    Always,
    /// It pulls what no task on the instance has pulled before; where that fails, so does the task.
    Once,
    /// It pulls only what is not there.
    PreferCached,
}

impl ImagePullBehavior {
    /// Whether it goes without a pull for an image that is there.
    pub fn spares_pull(self) -> bool {
        matches!(self, ImagePullBehavior::Once | ImagePullBehavior::PreferCached)
    }

    /// Whether an image that is there serves when its pull has failed.
    pub fn falls_back(self) -> bool {
        self == ImagePullBehavior::Default
    }
}

/// How long an agent waits for Docker before it gives a container up (agent's README; `config.go` and `config_unix.go`, 2026-06).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AgentTimeouts {
    /// `ECS_IMAGE_PULL_TIMEOUT`: for a pull with all that it is tried again, 2 h.
    pub image_pull: Span,
    /// `ECS_IMAGE_PULL_INACTIVITY_TIMEOUT`: for the next sign of life of one attempt, 1 min; at least 1 min.
    pub image_pull_inactivity: Span,
    /// `ECS_CONTAINER_CREATE_TIMEOUT`: 4 min; at least 1 min.
    pub container_create: Span,
    /// `ECS_CONTAINER_START_TIMEOUT`: 3 min; at least 45 s.
    pub container_start: Span,
}

impl AgentTimeouts {
    /// The shortest that an agent takes of each that has a bound: inactivity, creation, start.
    pub const SHORTEST: [Span; 3] = [Span::MINUTE, Span::MINUTE, Span::seconds(45)];
    /// The same on Windows.
    pub const SHORTEST_ON_WINDOWS: [Span; 3] = [Span::MINUTE, Span::MINUTE, Span::seconds(120)];

    /// As the agent for Windows has them (`config_windows.go`).
    pub fn of_windows() -> AgentTimeouts {
        AgentTimeouts {
            image_pull_inactivity: Span::seconds(180),
            container_start: Span::seconds(480),
            ..AgentTimeouts::default()
        }
    }

    /// How long it takes to create a container and to start it, half of the time for each, and whether Docker has done
    /// so in time.
    pub fn until_started(&self, takes: Span) -> (Span, Option<StartFailure>) {
        let half = Span(takes.0 / 2);
        if half > self.container_create {
            (self.container_create, Some(StartFailure::TimedOut("created", self.container_create)))
        } else if half > self.container_start {
            (half + self.container_start, Some(StartFailure::TimedOut("started", self.container_start)))
        } else {
            (takes, None)
        }
    }
}

impl Default for AgentTimeouts {
    fn default() -> AgentTimeouts {
        AgentTimeouts {
            image_pull: Span::seconds(2 * 3_600),
            image_pull_inactivity: Span::MINUTE,
            container_create: Span::seconds(240),
            container_start: Span::seconds(180),
        }
    }
}

/// How often a pull is tried before it is given up (the agent's `maximumPullRetries`; Fargate says as much).
pub const PULL_ATTEMPTS: u32 = 5;

/// What the image of a container that names no registry comes from.
const DOCKER_HUB: &str = "docker.io";

/// The pause after so many attempts to pull an image: 1.1 s, then twice as long each time, 5 s at most; the agent's
/// jitter is left out.
pub fn pause_after(attempts: u32) -> Span {
    Span::millis(1100 << attempts.saturating_sub(1).min(8)).min(Span::seconds(5))
}

/// The registry of an image: the host that its name begins with, Docker Hub (`docker.io`) where it begins with none.
pub fn registry_of(image: &str) -> &str {
    match image.split_once('/') {
        Some((host, _)) if host.contains(['.', ':']) || host == "localhost" => host,
        _ => DOCKER_HUB,
    }
}

/// The name of a role, of which an ARN has the path before it.
pub fn role_name(arn: &str) -> &str {
    arn.rsplit('/').next().unwrap_or(arn)
}

/// Whether a registry is Amazon ECR, which VPC endpoints lead to.
pub fn is_ecr(registry: &str) -> bool {
    registry.contains(".dkr.ecr.")
}

/// Whether a secret's `valueFrom` is an ARN of Secrets Manager, not a parameter of Systems Manager.
pub fn is_of_secrets_manager(value_from: &str) -> bool {
    value_from.contains(":secretsmanager:")
}

/// Why a task does not start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StartFailure {
    /// The registry has no such image.
    ImageNotFound(String),
    /// The registry of this image does not answer, or no route leads there.
    RegistryNotReached(String),
    /// The registry of this image begins to send layers, and then sends nothing more.
    PullStalls(String),
    /// Docker has not come so far (`pulled`, `created`, `started`) within a time that the agent gives it.
    TimedOut(&'static str, Span),
    /// The registry of this image turns pulls away.
    TooManyRequests(String),
    /// The registry of this image has counted too many pulls, and says so.
    PullQuotaExceeded {
        /// The image.
        image: String,
        /// The place of the quota among the scenario's.
        quota: usize,
        /// What it says.
        says: &'static str,
    },
    /// The image is of another architecture than the tasks on Fargate, `linux/amd64` or `linux/arm64`.
    PlatformNotInManifest(&'static str),
    /// There is no such secret.
    SecretNotFound(String),
    /// No route leads to where this secret is kept.
    SecretNotReached(String),
    /// ECS cannot assume this role.
    RoleNotAssumed(String),
}

impl StartFailure {
    /// `stoppedReason`, as ECS words it for a task on an instance or on Fargate in a region.
    pub fn stopped_reason(&self, is_on_fargate: bool, region: &str) -> String {
        const INITIALIZATION: &str = "ResourceInitializationError: unable to pull secrets or registry auth:";
        const RETRIED: &str =
            "CannotPullContainerError: pull image manifest has been retried 5 time(s): failed to resolve ref";
        const DAEMON: &str = "Error response from daemon:";
        let (secret_host, secret_of) = match self {
            StartFailure::SecretNotReached(secret) if is_of_secrets_manager(secret) => {
                ("secretsmanager", "AWS Secrets Manager")
            }
            _ => ("ssm", "AWS Systems Manager Parameter Store"),
        };
        let post = |host: &str| {
            format!(
                "RequestError: send request failed caused by: Post \"https://{host}.{region}.amazonaws.com/\": dial tcp: i/o timeout"
            )
        };
        match self {
            StartFailure::ImageNotFound(image) => {
                let reference = Reference::of(image);
                match is_on_fargate {
                    true => format!("{RETRIED} {}: {}: not found", reference.whole(), reference.whole()),
                    false => {
                        let name = reference.named();
                        format!(
                            "CannotPullContainerError: {DAEMON} manifest for {name} not found: manifest unknown: Requested image not found"
                        )
                    }
                }
            }
            StartFailure::RegistryNotReached(image) => {
                let reference = Reference::of(image);
                match is_on_fargate {
                    true if is_ecr(reference.registry) => format!(
                        "{INITIALIZATION} The task cannot pull registry auth from Amazon ECR: There is a connection issue between the task and \
                         Amazon ECR. Check your task network configuration. {}",
                        post("api.ecr")
                    ),
                    true => format!(
                        "{RETRIED} {}: failed to do request: Head \"{}\": dial tcp: i/o timeout",
                        reference.whole(),
                        reference.manifest()
                    ),
                    false => format!(
                        "CannotPullContainerError: The task can’t pull the image. Check your network configuration. {DAEMON} Get \
                         \"https://{}/v2/\": net/http: request canceled while waiting for connection (Client.Timeout exceeded while awaiting headers)",
                        reference.host()
                    ),
                }
            }
            StartFailure::PullStalls(image) => match is_on_fargate {
                true => format!(
                    "CannotPullContainerError: ref pull has been retried 5 time(s): failed to copy: httpReadSeeker: failed open: failed to do \
                     request: Get \"{}\": dial tcp: i/o timeout",
                    Reference::of(image).manifest()
                ),
                false => "CannotPullContainerError: inactivity time exceeded timeout while pulling image".to_owned(),
            },
            StartFailure::TimedOut(transition, after) => {
                let waited = go_duration(*after);
                format!("DockerTimeoutError: Could not transition to {transition}; timed out after waiting {waited}")
            }
            StartFailure::PlatformNotInManifest(platform) => format!(
                "CannotPullContainerError: pull image manifest has been retried 5 time(s): image Manifest does not contain descriptor matching \
                 platform '{platform}'"
            ),
            StartFailure::TooManyRequests(_) | StartFailure::PullQuotaExceeded { .. } => {
                let (image, says) = match self {
                    StartFailure::PullQuotaExceeded { image, says, .. } => (image, *says),
                    StartFailure::TooManyRequests(image) => {
                        (image, "toomanyrequests: You have reached your pull rate limit.")
                    }
                    _ => unreachable!("one of the two"),
                };
                match is_on_fargate {
                    true => format!(
                        "CannotPullContainerError: inspect image has been retried 5 time(s): httpReaderSeeker: failed open: unexpected status \
                         code {}: 429 Too Many Requests - Server message: {says}",
                        Reference::of(image).manifest()
                    ),
                    false => format!("CannotPullContainerError: {DAEMON} {says}"),
                }
            }
            StartFailure::SecretNotFound(secret) if is_of_secrets_manager(secret) => {
                let says = "ResourceNotFoundException: Secrets Manager can't find the specified secret.";
                match is_on_fargate {
                    true => format!(
                        "{INITIALIZATION} execution resource retrieval failed: unable to retrieve secret from asm: service call has been retried 1 \
                         time(s): failed to fetch secret {secret} from secrets manager: {says}"
                    ),
                    false => format!(
                        "Fetching secret data from AWS Secrets Manager in region {region}: secret {secret}: {says}"
                    ),
                }
            }
            StartFailure::SecretNotFound(parameter) => match is_on_fargate {
                true => format!(
                    "{INITIALIZATION} execution resource retrieval failed: unable to retrieve secrets from ssm: service call has been retried 1 \
                     time(s): invalid parameters: {parameter}"
                ),
                false => format!(
                    "Fetching secret data from SSM Parameter Store in {region}: invalid parameters: {parameter}"
                ),
            },
            StartFailure::SecretNotReached(secret) => match is_on_fargate {
                true => format!(
                    "{INITIALIZATION} unable to retrieve secret: The task can't retrieve the secret {secret} from {secret_of}. There is a \
                     connection issue between the task and {secret_of}. Check your task network configuration. {}",
                    post(secret_host)
                ),
                false => format!(
                    "Fetching secret data from {secret_of} in region {region}: secret {secret}: {}",
                    post(secret_host)
                ),
            },
            StartFailure::RoleNotAssumed(role) => format!(
                "ECS was unable to assume the role '{role}' that was provided for this task. Please verify that the role being passed has the \
                 proper trust relationship and permissions and that your IAM user has permissions to pass this role."
            ),
        }
    }
}

/// A length of time as the agent prints it: `2h0m0s`, `3m0s`, `45s`, `1m0.5s`.
fn go_duration(span: Span) -> String {
    let (hours, minutes) = (span.0 / Span::seconds(3_600).0, span.0 / Span::MINUTE.0 % 60);
    let seconds = Span(span.0 % Span::MINUTE.0).as_seconds();
    match (hours, minutes) {
        (0, 0) => format!("{seconds}s"),
        (0, _) => format!("{minutes}m{seconds}s"),
        _ => format!("{hours}h{minutes}m{seconds}s"),
    }
}

/// An image's name in parts.
struct Reference<'i> {
    registry: &'i str,
    repository: String,
    /// A tag with its colon, or a digest with its `@`.
    version: String,
}

impl<'i> Reference<'i> {
    fn of(image: &'i str) -> Reference<'i> {
        let registry = registry_of(image);
        let rest = image.strip_prefix(registry).and_then(|it| it.strip_prefix('/')).unwrap_or(image);
        let after_folder = rest.rfind('/').map_or(0, |it| it + 1);
        let at = rest.find('@').or_else(|| rest[after_folder..].find(':').map(|it| after_folder + it));
        let (repository, version) = rest.split_at(at.unwrap_or(rest.len()));
        let is_official = registry == DOCKER_HUB && !repository.contains('/');
        Reference {
            registry,
            repository: if is_official { format!("library/{repository}") } else { repository.to_owned() },
            version: if version.is_empty() { ":latest".to_owned() } else { version.to_owned() },
        }
    }

    /// As Docker repeats it.
    fn named(&self) -> String {
        let repository = self.repository.strip_prefix("library/").unwrap_or(&self.repository);
        match self.registry {
            DOCKER_HUB => format!("{repository}{}", self.version),
            registry => format!("{registry}/{repository}{}", self.version),
        }
    }

    /// As containerd repeats it.
    fn whole(&self) -> String {
        format!("{}/{}{}", self.registry, self.repository, self.version)
    }

    fn host(&self) -> &str {
        if self.registry == DOCKER_HUB { "registry-1.docker.io" } else { self.registry }
    }

    fn manifest(&self) -> String {
        format!("https://{}/v2/{}/manifests/{}", self.host(), self.repository, &self.version[1..])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pulls_are_tried_five_times_with_growing_pauses() {
        let pauses: Vec<f64> = (1..PULL_ATTEMPTS).map(|it| pause_after(it).as_seconds()).collect();
        assert_eq!(pauses, [1.1, 2.2, 4.4, 5.0]);
    }

    #[test]
    fn docker_has_four_minutes_to_create_a_container_and_three_to_start_it() {
        let until_started = |seconds| {
            let (after, failure) = AgentTimeouts::default().until_started(Span::seconds(seconds));
            (after.as_seconds(), failure.map(|it| it.stopped_reason(false, "us-east-1")))
        };
        let says = |words: &str| Some(format!("DockerTimeoutError: Could not transition to {words}"));
        assert_eq!(until_started(360), (360.0, None));
        assert_eq!(until_started(362), (361.0, says("started; timed out after waiting 3m0s")));
        assert_eq!(until_started(482), (240.0, says("created; timed out after waiting 4m0s")));
        let pulled = StartFailure::TimedOut("pulled", AgentTimeouts::default().image_pull);
        assert_eq!(Some(pulled.stopped_reason(false, "us-east-1")), says("pulled; timed out after waiting 2h0m0s"));
        assert_eq!([go_duration(Span::seconds(45)), go_duration(Span::millis(90_500))], ["45s", "1m30.5s"]);
    }

    #[test]
    fn an_image_names_its_registry_or_means_docker_hub() {
        for (image, registry, whole) in [
            ("nginx", "docker.io", "docker.io/library/nginx:latest"),
            ("shop/web:2", "docker.io", "docker.io/shop/web:2"),
            ("localhost:5000/web", "localhost:5000", "localhost:5000/web:latest"),
            (
                "1.dkr.ecr.us-east-1.amazonaws.com/web@sha256:ab",
                "1.dkr.ecr.us-east-1.amazonaws.com",
                "1.dkr.ecr.us-east-1.amazonaws.com/web@sha256:ab",
            ),
        ] {
            assert_eq!(registry_of(image), registry);
            assert_eq!(Reference::of(image).whole(), whole);
        }
    }

    #[test]
    fn reasons_are_worded_as_by_the_agent_and_by_fargate() {
        let reason = |it: StartFailure, is_on_fargate| it.stopped_reason(is_on_fargate, "us-east-1");
        let image = || "shop/web:2".to_owned();
        assert_eq!(
            reason(StartFailure::ImageNotFound(image()), false),
            "CannotPullContainerError: Error response from daemon: manifest for shop/web:2 not found: manifest unknown: Requested image not found"
        );
        assert_eq!(
            reason(StartFailure::ImageNotFound(image()), true),
            "CannotPullContainerError: pull image manifest has been retried 5 time(s): failed to resolve ref docker.io/shop/web:2: \
             docker.io/shop/web:2: not found"
        );
        assert_eq!(
            reason(StartFailure::RegistryNotReached(image()), false),
            "CannotPullContainerError: The task can’t pull the image. Check your network configuration. Error response from daemon: Get \
             \"https://registry-1.docker.io/v2/\": net/http: request canceled while waiting for connection (Client.Timeout exceeded while \
             awaiting headers)"
        );
        let of_ecr = StartFailure::RegistryNotReached("1.dkr.ecr.us-east-1.amazonaws.com/web".to_owned());
        assert!(reason(of_ecr, true).starts_with(
            "ResourceInitializationError: unable to pull secrets or registry auth: The task cannot pull registry auth from Amazon ECR"
        ));
        let secret = || "arn:aws:secretsmanager:us-east-1:1:secret:db".to_owned();
        assert_eq!(
            reason(StartFailure::SecretNotFound(secret()), false),
            "Fetching secret data from AWS Secrets Manager in region us-east-1: secret arn:aws:secretsmanager:us-east-1:1:secret:db: \
             ResourceNotFoundException: Secrets Manager can't find the specified secret."
        );
    }
}
