//! `applications`: how a container behaves, which AWS does not know and a scenario must say.

use crate::aws::task_definition::{Application, ColdStart, CpuArchitecture, Exit, ImageLayer};
use crate::scenario::aws_fields::Shape;
use crate::scenario::container::exit_code;
use crate::scenario::problem::Problem;
use crate::scenario::quantity;
use crate::scenario::reader::{Fields, Reader, What, listed};
use crate::scenario::tree::Entry;
use crate::spelling::nearest;
use crate::units::Span;

/// The applications of a file, and which of them have met a container.
pub struct Applications<'n> {
    entries: &'n [Entry],
    is_used: Vec<bool>,
    /// Containers that were asked about, each by its keys: `family:revision/container` first.
    containers: Vec<[String; 3]>,
    /// Whether some containers could not be read, so that an application without one means nothing.
    pub has_unread_containers: bool,
}

impl<'n> Applications<'n> {
    /// The section `applications`.
    pub fn new(entries: &'n [Entry]) -> Applications<'n> {
        Applications {
            entries,
            is_used: vec![false; entries.len()],
            containers: Vec::new(),
            has_unread_containers: false,
        }
    }

    /// The application of a container, the most specific key first: `family:revision/container`, `family/container`,
    /// `container`. A container that none describes gets defaults.
    pub fn of_container(
        &mut self,
        reader: &mut Reader<'_>,
        (family, revision): (&str, u32),
        container: &str,
        image: &str,
        memory_mib: Option<u32>,
    ) -> Application {
        let keys = [format!("{family}:{revision}/{container}"), format!("{family}/{container}"), container.to_owned()];
        let mut chosen: Option<&'n Entry> = None;
        for key in &keys {
            if let Some(index) = self.entries.iter().position(|it| it.key == *key) {
                self.is_used[index] = true;
                chosen = chosen.or(Some(&self.entries[index]));
            }
        }
        self.containers.push(keys);
        let mut application = Application {
            memory_base_mib: memory_mib.map_or(64.0, |it| (f64::from(it) / 2.0).min(64.0)),
            ..Application::default()
        };
        if let Some(entry) = chosen
            && let Some(mut fields) = reader.fields(&entry.node, format!("application `{}`", entry.key))
        {
            fill(reader, &mut fields, &mut application, image);
            fields.finish(reader, &Shape::OURS);
        }
        application
    }

    /// Refuses applications that no container is called after.
    pub fn check_used(&self, reader: &mut Reader<'_>) {
        if self.has_unread_containers {
            return;
        }
        for (entry, _) in self.entries.iter().zip(&self.is_used).filter(|(_, is_used)| !**is_used) {
            let message = format!("application `{}` describes no container of any task definition", entry.key);
            let mut problem = Problem::new(entry.key_place, message);
            let keys = self.containers.iter().flatten().map(String::as_str);
            if let Some(near) = nearest(&entry.key, keys) {
                problem = problem.label(format!("did you mean `{near}`?"));
            }
            reader.refuse(if self.containers.is_empty() {
                problem.help("there are no containers; the section `taskDefinitions` would define some")
            } else {
                problem.help(format!(
                    "an application is keyed by `container`, `family/container` or `family:revision/container`; there are {}",
                    listed(self.containers.iter().map(|[whole, ..]| whole.as_str()))
                ))
            });
        }
    }
}

fn fill(reader: &mut Reader<'_>, fields: &mut Fields<'_>, application: &mut Application, image: &str) {
    let mut layers = fields.entries(reader, "layers");
    if let Some(node) = fields.take("image")
        && let Some(mut described) = reader.fields(node, format!("`image` of {}", fields.of))
    {
        // The size of the whole, or the layers it is made of.
        if described.has("layers") && layers.is_empty() {
            layers = described.entries(reader, "layers");
        } else if !described.has("without") {
            described.required(reader, "size");
        }
        let size_mb = described.parsed(reader, "size", quantity::size_mb);
        let what = What { field: "without", of: &described.of.clone() };
        let lacked = described.list(reader, "without").iter().filter_map(|it| reader.text(what, it));
        application.lacked_commands = lacked.map(str::to_owned).collect();
        described.finish(reader, &Shape::OURS);
        if layers.is_empty() {
            // One layer, which every container of that image shares.
            application.layers.extend(size_mb.map(|size_mb| ImageLayer { name: image.to_owned(), size_mb }));
        } else if node.get("size").is_some() {
            let problem = Problem::new(node.place, format!("{} has an image size and layers", fields.of));
            reader
                .refuse(problem.help("`layers` names every layer with its size; `size` is for an image of one layer"));
        }
    }
    for layer in layers {
        let what = What { field: &layer.key, of: "`layers`" };
        if let Some(size_mb) = reader.parsed(what, &layer.node, quantity::size_mb) {
            application.layers.push(ImageLayer { name: layer.key.clone(), size_mb });
        }
    }
    for (name, place) in [
        ("startTime", &mut application.start_time),
        ("shutdownTime", &mut application.shutdown_time),
        ("cpuTime", &mut application.cpu_time),
        ("waitTime", &mut application.wait_time),
        ("healthCheckCpuTime", &mut application.health_check_cpu_time),
    ] {
        *place = fields.distribution_or(reader, name, place.clone());
    }
    let cpu_units = fields.number_or(reader, "backgroundCpu", 0.0..=196_608.0, application.background_cpu_units);
    application.background_cpu_units = cpu_units;
    application.concurrency = fields.count_or(reader, "concurrency", 1..=1_000_000, application.concurrency);
    application.queue = fields.count_or(reader, "queue", 0..=1_000_000_000, application.queue);
    application.connections = fields.count(reader, "connections", 1..=1_000_000_000);
    application.cfs_period = cfs_period(reader, fields);
    application.cold_start = cold_start(reader, fields);
    if let Some(mut memory) = fields.map(reader, "memory") {
        for (name, place) in [
            ("base", &mut application.memory_base_mib),
            ("perRequest", &mut application.memory_per_request_mib),
            ("leakPerRequest", &mut application.memory_leak_per_request_mib),
            ("leakPerHour", &mut application.memory_leak_per_hour_mib),
        ] {
            memory.derived(reader, name, format!("{place}MiB").as_str());
            *place = memory.parsed(reader, name, quantity::memory_mib).unwrap_or(*place);
        }
        memory.finish(reader, &Shape::OURS);
    }
    application.error_share = fields.number_or(reader, "errorShare", 0.0..=1.0, application.error_share);
    let shares_place = fields.place;
    application.client_error_share =
        fields.number_or(reader, "clientErrorShare", 0.0..=1.0, application.client_error_share);
    application.redirection_share =
        fields.number_or(reader, "redirectionShare", 0.0..=1.0, application.redirection_share);
    let shares = application.error_share + application.client_error_share + application.redirection_share;
    if shares > 1.0 + 1e-9 {
        let message = format!("the shares of 5xx, 4xx and 3xx of {} sum to {shares}", fields.of);
        let problem = Problem::new(shares_place, message);
        reader.refuse(
            problem
                .help("`errorShare`, `clientErrorShare` and `redirectionShare` are parts of all requests: at most 1"),
        );
    }
    application.cancel_on_timeout = fields.flag_or(reader, "cancelOnTimeout", application.cancel_on_timeout);
    application.exit = exit(reader, fields);
    application.unhealthy_after = fields.distribution(reader, "unhealthyAfter");
    application.soci_index = fields.flag_or(reader, "sociIndex", application.soci_index);
    let architectures = [("X86_64", CpuArchitecture::X86_64), ("ARM64", CpuArchitecture::Arm64)];
    application.image_architecture = fields.word(reader, "imageArchitecture", &architectures);
}

fn exit(reader: &mut Reader<'_>, fields: &mut Fields<'_>) -> Option<Exit> {
    let node = fields.take("exit")?;
    let mut exit = reader.fields(node, format!("`exit` of {}", fields.of))?;
    exit.required(reader, "after");
    let after = exit.distribution(reader, "after");
    exit.usual(reader, "code", &0);
    let node = exit.take("code");
    let code = node.and_then(|it| exit_code(reader, What { field: "code", of: &exit.of }, it)).unwrap_or(0);
    exit.finish(reader, &Shape::OURS);
    Some(Exit { after: after?, code })
}

fn cfs_period(reader: &mut Reader<'_>, fields: &mut Fields<'_>) -> Option<Span> {
    let place = fields.place_of("cfsPeriod");
    let period = fields.span(reader, "cfsPeriod")?;
    let is_allowed = (Span::millis(8)..=Span::millis(100)).contains(&period);
    if !is_allowed {
        let message = format!("`cfsPeriod` of {} has to be from 8ms to 100ms", fields.of);
        reader.refuse(
            Problem::new(place, message).help("the agent takes no other ECS_CGROUP_CPU_PERIOD; 100ms is usual"),
        );
    }
    is_allowed.then_some(period)
}

fn cold_start(reader: &mut Reader<'_>, fields: &mut Fields<'_>) -> Option<ColdStart> {
    let node = fields.take("coldStart")?;
    let mut described = reader.fields(node, format!("`coldStart` of {}", fields.of))?;
    if !described.has("requests") && !described.has("for") {
        let problem = Problem::new(node.place, format!("{} does not say how long it is", described.of));
        reader.refuse(problem.help("`requests: 100` for so many requests, `for: 60s` for so long, or both"));
    }
    let requests = described.count_or(reader, "requests", 0..=1_000_000_000, 0);
    let lasts = described.span_or(reader, "for", Span::ZERO);
    let factor = described
        .required(reader, "factor")
        .and_then(|it| reader.number(What { field: "factor", of: &described.of }, it, 1.0..=1000.0));
    described.finish(reader, &Shape::OURS);
    Some(ColdStart { requests, lasts, factor: factor? })
}
