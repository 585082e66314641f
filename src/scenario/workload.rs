//! `workloads`: which requests come to which service, and when.

use std::collections::BTreeSet;

use crate::aws::listener::{Address, IpBlock, ListenerRule, Request, RuleEvaluations};
use crate::aws::load_balancer::ListenerProtocol;
use crate::aws::service::{ServiceDefinition, ServiceLoadBalancer};
use crate::scenario::aws_fields::Shape;
use crate::scenario::listener::{self, Listeners};
use crate::scenario::load_balancing::LoadBalancing;
use crate::scenario::problem::Problem;
use crate::scenario::quantity;
use crate::scenario::reader::{Fields, Names, Reader, What, listed};
use crate::scenario::recorded;
use crate::scenario::tree::{Entry, Node, Value};
use crate::table::{Id, Table};
use crate::units::{Instant, Span};
use crate::workload::arrivals::{ArrivalProcess, BatchSize, Spacing};
use crate::workload::clients::Clients;
use crate::workload::modulation::Modulation;
use crate::workload::users::{Habit, Pause};
use crate::workload::words::{self, Curve, FlashCrowd, Spike};
use crate::workload::{Destination, Workload};

/// The words of `arrivals`; their meaning is in `workload`.
const WORDS: &[&str] = &[
    "constant",
    "poisson",
    "ramp",
    "steps",
    "diurnal",
    "hourly",
    "spikes",
    "flashCrowd",
    "mmpp",
    "renewal",
    "batches",
    "onOff",
    "trace",
    "accessLog",
    "cloudWatch",
    "sum",
    "shape",
    "users",
    "sessions",
];

/// What workloads refer to.
pub struct Around<'a> {
    /// Services.
    pub services: &'a Table<ServiceDefinition>,
    /// Names of services.
    pub service_names: &'a Names<ServiceDefinition>,
    /// Load balancers and target groups.
    pub load_balancing: &'a LoadBalancing,
    /// Listeners.
    pub listeners: &'a Listeners,
    /// How long the run is.
    pub duration: Span,
}

/// The section `workloads`.
pub fn workloads(reader: &mut Reader<'_>, entries: &[Entry], around: &Around<'_>) -> Table<Workload> {
    let mut table = Table::new();
    for entry in entries {
        let Some(mut fields) = reader.fields(&entry.node, format!("workload `{}`", entry.key)) else { continue };
        let destination = if fields.has("loadBalancer") && !fields.has("service") {
            to_listener(reader, &mut fields, around)
        } else {
            to_service(reader, &mut fields, around)
        };
        let demand = fields.required(reader, "arrivals").and_then(|it| demand(reader, it, &fields.of, around.duration));
        let timeout =
            fields.take("timeout").and_then(|it| reader.span_above_zero(What { field: "timeout", of: &fields.of }, it));
        let clients = fields.take("clients").and_then(|it| clients(reader, it, &fields.of));
        if let (Some(Destination::Rule { redirects, .. }), Some((_, Some(_)))) = (&destination, &demand)
            && !redirects.is_empty()
        {
            let message = format!("{} has users who wait for answers, and they are redirected", fields.of);
            let place = if fields.has("port") { "port" } else { "loadBalancer" };
            let problem = Problem::new(fields.place_of(place), message);
            reader.refuse(problem.help("let them come to the `port` of the listener that they are redirected to"));
        }
        let requests_per_connection = fields.count(reader, "requestsPerConnection", 1..=1_000_000_000);
        fields.finish(reader, &Shape::OURS);
        if let (Some(destination), Some((arrivals, users))) = (destination, demand) {
            table.push(Workload {
                name: entry.key.clone(),
                destination,
                arrivals,
                users,
                timeout,
                requests_per_connection,
                clients,
            });
        }
    }
    let rules = table.iter().filter_map(|it| match &it.destination {
        Destination::Service(_) => None,
        Destination::Rule { redirects, rule, .. } => Some(redirects.iter().chain([rule]).copied()),
    });
    let used: BTreeSet<Id<ListenerRule>> = rules.flatten().collect();
    if !table.is_empty() {
        around.listeners.note_unused(reader, &used);
    }
    table
}

/// Requests that come by themselves, or those of users.
fn demand(reader: &mut Reader<'_>, node: &Node, of: &str, duration: Span) -> Option<(ArrivalProcess, Option<Habit>)> {
    let entry = word(reader, node, of)?;
    let word = entry.key.as_str();
    if word != "users" && word != "sessions" {
        return arrivals(reader, node, of, duration).map(|it| (it, None));
    }
    let mut fields = reader.fields(&entry.node, format!("`{word}` of {of}"))?;
    let (come, habit) = match word {
        "users" => users(reader, &mut fields),
        _ => sessions(reader, &mut fields, duration),
    };
    fields.finish(reader, &Shape::OURS);
    Some((come?, Some(habit?)))
}

/// So many users for the whole run.
fn users(reader: &mut Reader<'_>, fields: &mut Fields<'_>) -> (Option<ArrivalProcess>, Option<Habit>) {
    let count = fields.required_count(reader, "count", 1..=10_000_000);
    let start = Instant::START + fields.span_or(reader, "start", Span::ZERO);
    let pause = pause(reader, fields);
    // Those who ask by the clock do so at different times.
    let usual = if let Some(Pause::Every(every)) = pause { every } else { Span::ZERO };
    fields.derived(reader, "rampUp", &usual);
    let ramp_up = fields.span(reader, "rampUp").unwrap_or(usual);
    let come = count.map(|count| match u64::from(count) {
        count if ramp_up == Span::ZERO => {
            ArrivalProcess::Instants { times: vec![start.0; count as usize].into(), scale: 1.0 }
        }
        count => ArrivalProcess::Instants {
            times: (0..count)
                .map(|it| start.0 + (u128::from(ramp_up.0) * u128::from(it) / u128::from(count)) as u64)
                .collect(),
            scale: 1.0,
        },
    });
    let begins_with_pause = !matches!(pause, Some(Pause::Every(_)));
    (come, pause.map(|pause| Habit { pause, requests: None, begins_with_pause }))
}

/// Users who come, ask some times and leave.
fn sessions(
    reader: &mut Reader<'_>,
    fields: &mut Fields<'_>,
    duration: Span,
) -> (Option<ArrivalProcess>, Option<Habit>) {
    let of = fields.of.clone();
    let come = fields.required(reader, "of").and_then(|it| arrivals(reader, it, &of, duration));
    fields.required(reader, "requests");
    let requests = fields.number(reader, "requests", 1.0..=1e6);
    let pause = pause(reader, fields);
    let habit =
        requests.zip(pause).map(|(mean, pause)| Habit { pause, requests: Some(mean), begins_with_pause: false });
    (come, habit)
}

/// `thinkTime` or `every`.
fn pause(reader: &mut Reader<'_>, fields: &mut Fields<'_>) -> Option<Pause> {
    match (fields.has("thinkTime"), fields.has("every")) {
        (true, false) => fields.distribution(reader, "thinkTime").map(Pause::ThinkTime),
        (false, true) => above_zero(reader, fields, "every").map(Pause::Every),
        (both, _) => {
            fields.take("thinkTime");
            fields.take("every");
            let said = if both { "has `thinkTime` and `every`" } else { "does not say what lies between two requests" };
            let problem = Problem::new(fields.place, format!("{} {said}", fields.of));
            reader.refuse(problem.help(
                "give one of `thinkTime`, from an answer to the next request, and `every`, from one request to the next",
            ));
            None
        }
    }
}

/// Straight to a service's target group.
fn to_service(reader: &mut Reader<'_>, fields: &mut Fields<'_>, around: &Around<'_>) -> Option<Destination> {
    let node = fields.take("service");
    if node.is_none() {
        let problem = Problem::new(fields.place_of_key("service"), format!("{} lacks `service`", fields.of));
        reader.refuse(problem.label("add it here").help("or name a `loadBalancer`, whose listeners have rules"));
    }
    let service = fields.reference(reader, "service", around.service_names);
    for name in ["loadBalancer", "port", "host", "path", "query", "method", "headers", "sourceIp"] {
        if let Some(entry) = fields.take_entry(name) {
            let message = format!("{} names a service, and `{name}` as well", fields.of);
            let help = "`service` goes straight to its target group; `loadBalancer` to the rules of a listener";
            reader.refuse(Problem::new(entry.key_place, message).help(help));
        }
    }
    let (service, node) = (service?, node?);
    if around.services[service].load_balancer.is_none() {
        let name = &around.services[service].name;
        let problem =
            Problem::new(node.place, format!("{} goes to service `{name}`, which has no target group", fields.of));
        reader.refuse(problem.help("requests come through a load balancer: add `loadBalancers` to the service"));
    }
    let balancer = around.services[service].load_balancer.as_ref();
    if balancer.is_some_and(ServiceLoadBalancer::has_several_groups) {
        let name = &around.services[service].name;
        let what = match around.services[service].task_sets.is_empty() {
            true => "whose target group `updateService` changes",
            false => "whose task sets have several target groups",
        };
        let message = format!("{} goes to service `{name}`, {what}", fields.of);
        let help = "whose requests go where, a listener says: `loadBalancer: NAME` and its `port`";
        reader.refuse(Problem::new(node.place, message).help(help));
        return None;
    }
    let Some((balancer, alternate)) = balancer.and_then(|it| it.alternate.map(|alternate| (it, alternate))) else {
        return Some(Destination::Service(service));
    };
    // Which of its two target groups that is, the rule says.
    Some(Destination::Rule {
        load_balancer: around.load_balancing.target_groups[balancer.target_group].load_balancer,
        redirects: Vec::new(),
        rule: alternate.production_rule,
        evaluations: RuleEvaluations::default(),
    })
}

/// To a listener, whose rules say where on.
fn to_listener(reader: &mut Reader<'_>, fields: &mut Fields<'_>, around: &Around<'_>) -> Option<Destination> {
    fields.take("service");
    let place = fields.place_of("loadBalancer");
    let load_balancer = fields.reference(reader, "loadBalancer", &around.load_balancing.load_balancer_names);
    let port_place = if fields.has("port") { fields.place_of("port") } else { place };
    let port = fields.count(reader, "port", 1..=65_535).and_then(|it| u16::try_from(it).ok());
    let host = fields.text(reader, "host").unwrap_or_default();
    fields.usual(reader, "path", "/");
    let path_node = fields.take("path");
    let path = path_node.map_or(Some("/"), |it| reader.text(What { field: "path", of: &fields.of }, it))?;
    if let Some(node) = path_node.filter(|_| !path.starts_with('/')) {
        let problem = Problem::new(node.place, format!("`path` of {} does not begin with `/`", fields.of));
        reader.refuse(problem.label(format!("write `/{path}`")));
    }
    let query_node = fields.take("query");
    let query = query_node.and_then(|it| reader.text(What { field: "query", of: &fields.of }, it)).unwrap_or_default();
    let (path, query) = match (path.split_once('?'), query_node) {
        (Some(_), Some(node)) => {
            let problem = Problem::new(node.place, format!("{} has a query in its `path` and as `query`", fields.of));
            reader.refuse(problem.help("say it once: `path: /search?version=v1`, or `query: version=v1`"));
            (path, query)
        }
        (Some((path, query)), None) => (path, query),
        (None, _) => (path, query.trim_start_matches('?')),
    };
    fields.usual(reader, "method", "GET");
    let method = fields.parsed(reader, "method", listener::method).unwrap_or_else(|| "GET".to_owned());
    let headers = fields.take("headers").map_or_else(Vec::new, |it| headers(reader, it, &fields.of));
    let source = fields.parsed(reader, "sourceIp", IpBlock::parse);
    // Whose listener it is follows from the port.
    let address = Address {
        protocol: ListenerProtocol::Http,
        host: host.to_owned(),
        port: 80,
        path: path.to_owned(),
        query: query.to_owned(),
    };
    let request = Request { address, method, headers, source };
    let load_balancer = load_balancer?;
    let name = &around.load_balancing.load_balancers[load_balancer].name;
    let listener = around.listeners.on_port(reader, load_balancer, name, (port, port_place, &fields.of))?;
    let way = around.listeners.way(reader, listener, request, (place, &fields.of))?;
    Some(Destination::Rule { load_balancer, redirects: way.redirects, rule: way.rule, evaluations: way.evaluations })
}

/// `headers`: name and value, or several values, as a request that repeats a header has.
fn headers(reader: &mut Reader<'_>, node: &Node, of: &str) -> Vec<(String, String)> {
    let mut headers = Vec::new();
    for entry in reader.entries(What { field: "headers", of }, node) {
        let what = What { field: &entry.key, of: "`headers`" };
        let values = match &entry.node.value {
            Value::List(_) => reader.list(what, &entry.node),
            _ => std::slice::from_ref(&entry.node),
        };
        for value in values {
            headers.extend(reader.text(what, value).map(|it| (entry.key.clone(), it.to_owned())));
        }
    }
    headers
}

/// `clients`: how many there are, alone or with how many requests one of them sends.
fn clients(reader: &mut Reader<'_>, node: &Node, of: &str) -> Option<Clients> {
    const CLIENTS_MAXIMUM: u32 = 10_000_000;
    if node.text().is_some() {
        let count = reader.count(What { field: "clients", of }, node, 1..=CLIENTS_MAXIMUM)?;
        return Some(Clients { count, requests: None });
    }
    let mut fields = reader.fields(node, format!("`clients` of {of}"))?;
    let count = fields.required_count(reader, "count", 1..=CLIENTS_MAXIMUM);
    let requests = fields.number(reader, "requests", 1.0..=1e12);
    fields.finish(reader, &Shape::OURS);
    Some(Clients { count: count?, requests })
}

/// When requests, or calls, come by themselves.
pub fn arrivals(reader: &mut Reader<'_>, node: &Node, of: &str, duration: Span) -> Option<ArrivalProcess> {
    let entry = word(reader, node, of)?;
    let word = entry.key.as_str();
    if word == "users" || word == "sessions" {
        let problem =
            Problem::new(entry.key_place, format!("`{word}` of {of} stands within another way for requests to come"));
        reader.refuse(
            problem.help(
                "users wait for answers, so they cannot be added up or shaped: give them a workload of their own",
            ),
        );
        return None;
    }
    match word {
        "sum" => return sum(reader, entry, of, duration),
        "steps" => return Some(poisson(steps(reader, entry, of)?)),
        _ => {}
    }
    let mut fields = reader.fields(&entry.node, format!("`{word}` of {of}"))?;
    let process = match word {
        "mmpp" => mmpp(reader, &mut fields, entry),
        "renewal" => {
            let rate = required_rate(reader, &mut fields, "rate");
            fields.required(reader, "cv2");
            let cv2 = fields.number(reader, "cv2", 0.0..=1e6);
            rate.zip(cv2).map(|(rate, cv2)| ArrivalProcess::Renewal { rate, cv2 })
        }
        "batches" => batches(reader, &mut fields),
        "onOff" => on_off(reader, &mut fields),
        "shape" => shape(reader, &mut fields, of, duration),
        "trace" => recorded::trace(reader, &mut fields, duration),
        "accessLog" => recorded::access_log(reader, &mut fields, duration),
        "cloudWatch" => recorded::cloud_watch(reader, &mut fields, duration),
        _ => curve(reader, word, &mut fields, duration).map(|curve| {
            let spacing = if word == "constant" { Spacing::Even } else { Spacing::Poisson };
            ArrivalProcess::Rate { curve, spacing }
        }),
    };
    fields.finish(reader, &Shape::OURS);
    process
}

fn poisson(curve: Curve) -> ArrivalProcess {
    ArrivalProcess::Rate { curve, spacing: Spacing::Poisson }
}

/// The one entry that says how requests come.
fn word<'n>(reader: &mut Reader<'_>, node: &'n Node, of: &str) -> Option<&'n Entry> {
    let expected = format!(
        "one way for requests to come, as in `poisson: {{rate: 100/s}}`; the ways are {}",
        listed(WORDS.iter().copied())
    );
    reader.one_of(What { field: "arrivals", of }, node, ("arrivals", WORDS), &expected)
}

fn sum(reader: &mut Reader<'_>, entry: &Entry, of: &str, duration: Span) -> Option<ArrivalProcess> {
    let nodes = reader.list(What { field: "sum", of }, &entry.node);
    if nodes.is_empty() {
        reader.refuse(Problem::new(entry.key_place, format!("`sum` of {of} adds up nothing")));
        return None;
    }
    let parts: Vec<Option<ArrivalProcess>> = nodes.iter().map(|it| arrivals(reader, it, of, duration)).collect();
    let mut curves = Vec::new();
    let mut is_even = true;
    for (node, part) in nodes.iter().zip(parts) {
        let ArrivalProcess::Rate { curve, spacing } = part? else {
            let message = format!("`sum` of {of} can add up rates only, and this is none");
            let problem = Problem::new(node.place, message);
            reader.refuse(problem.help("give it a workload of its own, to the same service"));
            return None;
        };
        is_even &= spacing == Spacing::Even;
        curves.push(curve);
    }
    let spacing = if is_even { Spacing::Even } else { Spacing::Poisson };
    Some(ArrivalProcess::Rate { curve: words::sum(&curves), spacing })
}

/// A stretch of another way for requests to come, scaled and moved.
fn shape(reader: &mut Reader<'_>, fields: &mut Fields<'_>, of: &str, duration: Span) -> Option<ArrivalProcess> {
    let scale = fields.number_or(reader, "scale", 0.0..=1e12, 1.0);
    let from = fields.span_or(reader, "from", Span::ZERO);
    let year = Span::seconds(366 * 86_400);
    if from > year {
        reader
            .refuse(Problem::new(fields.place_of("from"), format!("`from` of {} is {from}; at most 366d", fields.of)));
    }
    let length = above_zero(reader, fields, "for");
    let start = fields.span_or(reader, "start", Span::ZERO);
    note_nothing(reader, &fields.of, scale, start, duration);
    let node = fields.required(reader, "of")?;
    // What repeats does so until the end of the stretch.
    let process = arrivals(reader, node, of, duration + from.min(year))?;
    Some(process.shaped(scale, from, length, Instant::START + start))
}

/// Says of what is scaled to nothing, or moved behind the end of the run, that it never comes.
pub fn note_nothing(reader: &mut Reader<'_>, of: &str, scale: f64, start: Span, duration: Span) {
    if scale == 0.0 {
        reader.note(format!("{of} has a `scale` of 0: nothing of it comes"));
    } else if start >= duration {
        reader.note(format!("{of} starts at {start}, after the end of the run: nothing of it comes"));
    }
}

/// A length of time above zero, where the field is there.
pub fn above_zero(reader: &mut Reader<'_>, fields: &mut Fields<'_>, name: &'static str) -> Option<Span> {
    let node = fields.take(name)?;
    reader.span_above_zero(What { field: name, of: &fields.of }, node)
}

fn required_above_zero(reader: &mut Reader<'_>, fields: &mut Fields<'_>, name: &'static str) -> Option<Span> {
    fields.required(reader, name)?;
    above_zero(reader, fields, name)
}

fn mmpp(reader: &mut Reader<'_>, fields: &mut Fields<'_>, entry: &Entry) -> Option<ArrivalProcess> {
    if !fields.has("rates") {
        let mean = required_rate(reader, fields, "mean");
        fields.required(reader, "indexOfDispersion");
        let index = fields.number(reader, "indexOfDispersion", 1.0..=1e9);
        let duration = required_above_zero(reader, fields, "burstDuration");
        fields.required(reader, "burstShare");
        let share = fields.number(reader, "burstShare", 1e-6..=0.999_999);
        let (mean, index) = (mean?, index?);
        return match Modulation::two_states(mean, index, duration?, share?) {
            Ok(modulation) => modulated(reader, fields, modulation),
            Err(most) => {
                let at = entry.node.get("indexOfDispersion").map_or(entry.node.place, |it| it.place);
                let message = format!("{} cannot have an index of dispersion of {index}", fields.of);
                let problem = Problem::new(at, message).label(format!("at most {}", rounded_down(most)));
                reader.refuse(problem.help(
                    "between bursts no rate is left; longer bursts, a smaller share of them or a higher mean allow more",
                ));
                None
            }
        };
    }
    let of = fields.of.clone();
    let mut two = |reader: &mut Reader<'_>, name: &'static str| {
        let node = fields.required(reader, name)?;
        match reader.list(What { field: name, of: &of }, node) {
            [one, other] => Some([one, other]),
            nodes => {
                let message = format!("`{name}` of {of} has {} values, not one for each of two states", nodes.len());
                reader.refuse(Problem::new(node.place, message));
                None
            }
        }
    };
    let (rates, durations) = (two(reader, "rates"), two(reader, "meanDurations"));
    let rates = rates.map(|it| it.map(|it| reader.parsed(What { field: "rates", of: &of }, it, quantity::rate)));
    let what = What { field: "meanDurations", of: &of };
    let durations = durations.map(|it| it.map(|it| reader.span_above_zero(what, it)));
    let ([quiet, burst], [quiet_time, burst_time]) = (rates?, durations?);
    let modulation = Modulation::TwoStates { rates: [quiet?, burst?], mean_durations: [quiet_time?, burst_time?] };
    modulated(reader, fields, modulation)
}

/// Refuses what would change its state so often that no request would ever be reached.
fn modulated(reader: &mut Reader<'_>, fields: &Fields<'_>, modulation: Modulation) -> Option<ArrivalProcess> {
    const CHANGES_MAXIMUM: f64 = 1e6;
    let changes = modulation.changes_per_request();
    if changes > CHANGES_MAXIMUM {
        let message = format!("{} changes its state {changes:.0} times for each request", fields.of);
        let problem = Problem::new(fields.place, message).label("at most 1000000 times");
        reader.refuse(problem.help("make the states last longer, or the rate higher"));
        return None;
    }
    Some(ArrivalProcess::Modulated(modulation))
}

/// Three digits of what may be at most so much.
fn rounded_down(most: f64) -> f64 {
    let unit = libm::pow(10.0, libm::floor(libm::log10(most)) - 2.0);
    (most / unit).floor() * unit
}

fn batches(reader: &mut Reader<'_>, fields: &mut Fields<'_>) -> Option<ArrivalProcess> {
    let rate = required_rate(reader, fields, "rate");
    let node = fields.required(reader, "size")?;
    let is_fixed = fields.word_or(reader, "sizes", &[("geometric", false), ("fixed", true)], false);
    let what = What { field: "size", of: &fields.of };
    let size = if is_fixed {
        reader.count(what, node, 1..=1_000_000).map(BatchSize::Fixed)
    } else {
        reader.number(what, node, 1.0..=1e6).map(BatchSize::Geometric)
    };
    Some(ArrivalProcess::Batches { rate: rate?, size: size? })
}

fn on_off(reader: &mut Reader<'_>, fields: &mut Fields<'_>) -> Option<ArrivalProcess> {
    let rate = required_rate(reader, fields, "rate");
    let sources = fields.required_count(reader, "sources", 1..=100_000);
    let on = required_above_zero(reader, fields, "on");
    let off = required_above_zero(reader, fields, "off");
    let shape = fields.number_or(reader, "shape", 1.05..=10.0, 1.4);
    let (rate, sources, on, off) = (rate?, sources?, on?, off?);
    // The rate of all, on or not, from that of one that is on.
    let of_one = rate * (on.as_seconds() + off.as_seconds()) / (on.as_seconds() * f64::from(sources));
    let modulation = Modulation::OnOff { sources, rate: of_one, mean_durations: [on, off], shape };
    modulated(reader, fields, modulation)
}

fn required_rate(reader: &mut Reader<'_>, fields: &mut Fields<'_>, name: &'static str) -> Option<f64> {
    let node = fields.required(reader, name)?;
    reader.parsed(What { field: name, of: &fields.of }, node, quantity::rate)
}

fn curve(reader: &mut Reader<'_>, word: &str, fields: &mut Fields<'_>, duration: Span) -> Option<Curve> {
    match word {
        "constant" | "poisson" => required_rate(reader, fields, "rate").map(words::constant),
        "ramp" => {
            let from = required_rate(reader, fields, "from");
            let to = required_rate(reader, fields, "to");
            let start = fields.span_or(reader, "start", Span::ZERO);
            let over = fields.required_span(reader, "over");
            Some(words::ramp(from?, to?, start, over?))
        }
        "diurnal" => {
            let mean = required_rate(reader, fields, "mean");
            fields.required(reader, "amplitude");
            let amplitude = fields.number(reader, "amplitude", 0.0..=1.0);
            let peak_at = fields.span_or(reader, "peakAt", Span::seconds(14 * 3_600));
            fields.usual(reader, "period", &Span::seconds(86_400));
            let period = fields.take("period").map_or(Some(Span::seconds(86_400)), |it| {
                reader.span_above_zero(What { field: "period", of: &fields.of }, it)
            });
            let period = period?;
            // Each is drawn with a hundred lines.
            if duration.0 / period.0 > 10_000 {
                let message = format!("`period` of {} is {period}, and the run lasts {duration}", fields.of);
                let problem = Problem::new(fields.place_of("period"), message);
                reader.refuse(problem.help("a run has at most 10000 periods"));
                return None;
            }
            Some(words::diurnal(mean?, amplitude?, peak_at, period, duration))
        }
        "hourly" => {
            let of = fields.of.clone();
            let what = What { field: "rates", of: &of };
            let node = fields.required(reader, "rates")?;
            let nodes = reader.list(what, node);
            let rates: Option<Vec<f64>> = nodes.iter().map(|it| reader.parsed(what, it, quantity::rate)).collect();
            let scale = fields.number_or(reader, "scale", 0.0..=1e12, 1.0);
            note_nothing(reader, &of, scale, Span::ZERO, duration);
            let Ok(rates) = <[f64; 24]>::try_from(rates?) else {
                let message = format!("{what} has {} rates, not one for each of 24 hours", nodes.len());
                reader.refuse(Problem::new(node.place, message));
                return None;
            };
            Some(words::hourly(&rates, scale, duration))
        }
        "flashCrowd" => {
            let base = required_rate(reader, fields, "base");
            let factor = fields.number_or(reader, "factor", 1.0..=1e6, 10.0);
            let at = fields.required_span(reader, "at");
            let doubling = fields.span_or(reader, "doubling", Span::MINUTE * 7);
            let hold = fields.span_or(reader, "hold", Span::MINUTE * 60);
            let half_life = fields.span_or(reader, "halfLife", Span::MINUTE * 60);
            Some(words::flash_crowd(&FlashCrowd { base: base?, factor, at: at?, doubling, hold, half_life }))
        }
        _ => spikes(reader, fields),
    }
}

fn steps(reader: &mut Reader<'_>, entry: &Entry, of: &str) -> Option<Curve> {
    let mut steps: Vec<(Span, f64)> = Vec::new();
    for node in reader.list(What { field: "steps", of }, &entry.node) {
        let mut step = reader.fields(node, format!("a step of {of}"))?;
        let at = step.required_span(reader, "at");
        let rate = required_rate(reader, &mut step, "rate");
        step.finish(reader, &Shape::OURS);
        let (at, rate) = (at?, rate?);
        if steps.last().is_some_and(|(before, _)| *before >= at) {
            let message = format!("a step of {of} at {at} is not later than the one before");
            reader.refuse(Problem::new(node.place, message));
        }
        steps.push((at, rate));
    }
    if steps.is_empty() {
        reader.refuse(Problem::new(entry.key_place, format!("`steps` of {of} has none")));
        return None;
    }
    Some(words::steps(&steps))
}

fn spikes(reader: &mut Reader<'_>, fields: &mut Fields<'_>) -> Option<Curve> {
    let base = required_rate(reader, fields, "base");
    let node = fields.required(reader, "spikes")?;
    let mut spikes = Vec::new();
    for node in reader.list(What { field: "spikes", of: &fields.of }, node) {
        let mut spike = reader.fields(node, format!("a spike of {}", fields.of))?;
        let at = spike.required_span(reader, "at");
        let rate = required_rate(reader, &mut spike, "rate");
        let ramp_up = spike.span_or(reader, "rampUp", Span::ZERO);
        let hold = spike.span_or(reader, "hold", Span::ZERO);
        let decay = spike.span_or(reader, "decay", Span::ZERO);
        spike.finish(reader, &Shape::OURS);
        let (at, rate) = (at?, rate?);
        if base.is_some_and(|base| rate < base) {
            let problem = Problem::new(node.place, format!("a spike of {} lies below its base", fields.of));
            reader.refuse(problem.help("`rate` is the rate at its height, base included"));
        }
        spikes.push(Spike { at, rate, ramp_up, hold, decay });
    }
    Some(words::spikes(base?, &spikes))
}
