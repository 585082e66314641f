//! `loadBalancers` and `targetGroups`.

use crate::aws::listener::Listener;
use crate::aws::load_balancer::{
    ComesThrough, HealthCheck, HealthThreshold, ListenerProtocol, LoadBalancer, LoadBalancerType, RoutingAlgorithm,
    Scheme, Stickiness, StickinessType, TargetGroup,
};
use crate::scenario::aws_fields::{LOAD_BALANCER_ATTRIBUTES, Shape, TARGET_GROUP_ATTRIBUTES};
use crate::scenario::capacity::Capacity;
use crate::scenario::problem::{Problem, nearest};
use crate::scenario::quantity;
use crate::scenario::reader::{Fields, Names, Reader, What};
use crate::scenario::sections::check_own_name;
use crate::scenario::tree::{Entry, Node, Value};
use crate::table::{Id, Table};
use crate::units::Span;

const ALGORITHMS: [(&str, RoutingAlgorithm); 3] = [
    ("round_robin", RoutingAlgorithm::RoundRobin),
    ("least_outstanding_requests", RoutingAlgorithm::LeastOutstandingRequests),
    ("weighted_random", RoutingAlgorithm::WeightedRandom),
];

const TYPES: [(&str, LoadBalancerType); 3] = [
    ("application", LoadBalancerType::Application),
    ("network", LoadBalancerType::Network),
    ("classic", LoadBalancerType::Classic),
];

const TRUE_OR_FALSE: [(&str, bool); 2] = [("true", true), ("false", false)];

const SCHEMES: [(&str, Scheme); 2] = [("internet-facing", Scheme::InternetFacing), ("internal", Scheme::Internal)];

const LISTENER_PROTOCOLS: [ListenerProtocol; 4] =
    [ListenerProtocol::Http, ListenerProtocol::Https, ListenerProtocol::Tcp, ListenerProtocol::Tls];

/// Load balancers and the target groups behind them.
pub struct LoadBalancing {
    /// Load balancers.
    pub load_balancers: Table<LoadBalancer>,
    /// Target groups.
    pub target_groups: Table<TargetGroup>,
    /// Names of load balancers.
    pub load_balancer_names: Names<LoadBalancer>,
    /// Names of target groups.
    pub target_group_names: Names<TargetGroup>,
    /// Target groups that say `TargetType: instance`, which tasks with their own network interface cannot join.
    pub of_instances: Vec<Id<TargetGroup>>,
    /// What stands for a target group behind each Classic Load Balancer, to which instances are registered directly.
    pub of_classic: Vec<(Id<LoadBalancer>, Id<TargetGroup>)>,
}

/// What the entry of a load balancer says of target groups.
struct Behind {
    load_balancer: LoadBalancer,
    cross_zone: bool,
    /// Of a Classic Load Balancer.
    target_group: Option<TargetGroup>,
}

impl LoadBalancing {
    /// The two sections.
    pub fn read(
        reader: &mut Reader<'_>,
        load_balancers: &[Entry],
        target_groups: &[Entry],
        capacity: &Capacity,
    ) -> LoadBalancing {
        let mut balancing = LoadBalancing {
            load_balancers: Table::new(),
            target_groups: Table::new(),
            load_balancer_names: Names::new("load balancer", "loadBalancers"),
            target_group_names: Names::new("target group", "targetGroups"),
            of_instances: Vec::new(),
            of_classic: Vec::new(),
        };
        let mut cross_zone = Vec::new();
        for entry in load_balancers {
            let behind = load_balancer(reader, entry, capacity, Id::new(balancing.load_balancers.len()));
            let id = behind.map(|it| {
                let id = balancing.load_balancers.push(it.load_balancer);
                cross_zone.push(it.cross_zone);
                let classic = it.target_group.map(|group| (id, balancing.target_groups.push(group)));
                balancing.of_classic.extend(classic);
                id
            });
            balancing.load_balancer_names.add(&entry.key, id);
        }
        for entry in target_groups {
            if entry.node.get("TargetType").and_then(Node::text) == Some("alb") {
                balancing.before_application(reader, entry, &cross_zone);
                balancing.target_group_names.add(&entry.key, None);
                continue;
            }
            let target_group = balancing.target_group(reader, entry, &cross_zone);
            let id = target_group.map(|it| balancing.target_groups.push(it));
            let is_of_instances = entry.node.get("TargetType").and_then(Node::text) == Some("instance");
            balancing.of_instances.extend(id.filter(|_| is_of_instances));
            balancing.target_group_names.add(&entry.key, id);
        }
        balancing
    }

    /// Load balancers with a listener for HTTPS speak it with callers who name a service instead of a listener, unless the
    /// file says otherwise.
    pub fn shake_hands(&mut self, entries: &[Entry], listeners: &Table<Listener>) {
        let silent: Vec<&str> =
            entries.iter().filter(|it| it.node.get("listenerProtocol").is_none()).map(|it| it.key.as_str()).collect();
        for listener in listeners.iter().filter(|it| it.protocol == ListenerProtocol::Https) {
            let load_balancer = &mut self.load_balancers[listener.load_balancer];
            if silent.contains(&load_balancer.name.as_str()) {
                load_balancer.protocol = ListenerProtocol::Https;
            }
        }
    }

    fn target_group(&self, reader: &mut Reader<'_>, entry: &Entry, cross_zone_of: &[bool]) -> Option<TargetGroup> {
        let mut fields = reader.fields(&entry.node, format!("target group `{}`", entry.key))?;
        check_own_name(reader, &mut fields, "targetGroups", &entry.key);
        let load_balancer = self.load_balancer_of(reader, &mut fields);
        let behind = load_balancer.map(|it| &self.load_balancers[it]);
        let kind = behind.map(|it| it.kind).unwrap_or_default();
        if let Some(classic) = behind.filter(|it| it.kind == LoadBalancerType::Classic) {
            let message = format!("{} stands behind `{}`, a Classic Load Balancer", fields.of, classic.name);
            let problem = Problem::new(fields.place_of("loadBalancer"), message);
            reader.refuse(problem.help(format!(
                "it has no target groups: services name it by `loadBalancers: [{{loadBalancerName: {}, ...}}]`, or use `Type: application`",
                classic.name
            )));
        }
        let is_network = kind == LoadBalancerType::Network;
        let protocols = if is_network { &["TCP", "TLS"][..] } else { &["HTTP", "HTTPS"] };
        let has_tls = matches!(entry.node.get("Protocol").and_then(Node::text), Some("HTTPS" | "TLS"));
        for (name, simulated) in
            [("Protocol", protocols), ("TargetType", &["instance", "ip"]), ("HealthCheckEnabled", &["true"])]
        {
            if let Some(node) = fields.take(name)
                && let Some(word) = reader.text(What { field: name, of: &fields.of }, node)
                && !simulated.contains(&word)
            {
                reader.not_simulated(node.place, format!("`{name}: {word}` of {}", fields.of));
            }
        }
        let is_http = entry.node.get("HealthCheckProtocol").and_then(Node::text).is_some_and(|it| it != "TCP");
        let usual = HealthCheck::usual(kind, is_http);
        let health_check = HealthCheck {
            interval: fields.seconds_or(reader, "HealthCheckIntervalSeconds", 5..=300, usual.interval),
            timeout: fields.seconds_or(reader, "HealthCheckTimeoutSeconds", 2..=120, usual.timeout),
            healthy_threshold: fields.count_or(reader, "HealthyThresholdCount", 2..=10, usual.healthy_threshold),
            unhealthy_threshold: fields.count_or(reader, "UnhealthyThresholdCount", 2..=10, usual.unhealthy_threshold),
        };
        if health_check.timeout >= health_check.interval {
            let (timeout, interval) = (health_check.timeout, health_check.interval);
            let message =
                format!("the health check of {} times out after {timeout}, and is sent every {interval}", fields.of);
            let at = entry.node.get("HealthCheckTimeoutSeconds").or(entry.node.get("HealthCheckIntervalSeconds"));
            let at = at.map_or(entry.node.place, |it| it.place);
            reader.refuse(Problem::new(at, message).help("the timeout must be shorter than the interval"));
        }
        let mut delay = Span::seconds(300);
        let mut algorithm = if is_network { RoutingAlgorithm::FlowHash } else { RoutingAlgorithm::default() };
        let (mut resets_unhealthy, mut cuts_deregistered) = (is_network, !is_network);
        let (mut slow_start, mut slow_start_place) = (Span::ZERO, None);
        let (mut anomaly_mitigation, mut mitigation_place) = (false, None);
        let (mut is_sticky, mut sticky_place, mut sticky_kind) = (false, fields.place, None);
        let (mut by_lb_cookie, mut by_app_cookie) = (Span::seconds(86_400), Span::seconds(86_400));
        let of_load_balancer = load_balancer.is_none_or(|it| cross_zone_of[it.index()]);
        let (mut cross_zone, mut threshold) = (of_load_balancer, HealthThreshold::default());
        let mut dns_count = (Some(1), None);
        let mut dns_percentage = (None, None);
        for (key, node) in attributes(reader, &mut fields) {
            let what = What { field: &key, of: &fields.of };
            match (key.as_str(), node.text().unwrap_or("")) {
                ("deregistration_delay.timeout_seconds", _) => {
                    delay = whole_seconds(reader, what, node, 0, 3_600).unwrap_or(delay);
                }
                ("stickiness.enabled", _) => {
                    is_sticky = reader.word(what, node, &[("true", true), ("false", false)]).unwrap_or(false);
                    sticky_place = node.place;
                }
                ("stickiness.type", "source_ip" | "source_ip_dest_ip" | "source_ip_dest_ip_proto") => {
                    reader.not_simulated(node.place, what);
                }
                ("stickiness.type", _) => {
                    let words = [("lb_cookie", StickinessType::LbCookie), ("app_cookie", StickinessType::AppCookie)];
                    sticky_kind = reader.word(what, node, &words);
                }
                ("stickiness.lb_cookie.duration_seconds", _) => {
                    by_lb_cookie = whole_seconds(reader, what, node, 1, 604_800).unwrap_or(by_lb_cookie);
                }
                ("stickiness.app_cookie.duration_seconds", _) => {
                    by_app_cookie = whole_seconds(reader, what, node, 1, 604_800).unwrap_or(by_app_cookie);
                }
                ("load_balancing.algorithm.type" | "slow_start.duration_seconds", _) if is_network => {
                    let problem = Problem::new(node.place, format!("{what} goes with Application Load Balancers only"));
                    reader.refuse(
                        problem.help("a Network Load Balancer sends each connection where its flow hash falls"),
                    );
                }
                ("target_health_state.unhealthy.connection_termination.enabled", _) if is_network => {
                    resets_unhealthy = reader.word(what, node, &TRUE_OR_FALSE).unwrap_or(resets_unhealthy);
                }
                ("deregistration_delay.connection_termination.enabled", _) if is_network => {
                    cuts_deregistered = reader.word(what, node, &TRUE_OR_FALSE).unwrap_or(cuts_deregistered);
                }
                ("load_balancing.algorithm.type", _) => {
                    algorithm = reader.word(what, node, &ALGORITHMS).unwrap_or(algorithm);
                }
                ("load_balancing.algorithm.anomaly_mitigation", _) => {
                    let words = [("on", true), ("off", false)];
                    anomaly_mitigation = reader.word(what, node, &words).unwrap_or(false);
                    mitigation_place = Some(node.place);
                }
                ("slow_start.duration_seconds", "0") => {}
                ("slow_start.duration_seconds", _) => {
                    slow_start = whole_seconds(reader, what, node, 30, 900).unwrap_or(slow_start);
                    slow_start_place = Some(node.place);
                }
                ("load_balancing.cross_zone.enabled", _) => {
                    let words =
                        [("true", true), ("use_load_balancer_configuration", of_load_balancer), ("false", false)];
                    cross_zone = reader.word(what, node, &words).unwrap_or(cross_zone);
                }
                ("target_group_health.unhealthy_state_routing.minimum_healthy_targets.count", _) => {
                    threshold.count = whole_number(reader, what, node, 1, 5_000).unwrap_or(1);
                }
                ("target_group_health.dns_failover.minimum_healthy_targets.count", "off") => {
                    dns_count = (None, Some(node.place));
                }
                ("target_group_health.dns_failover.minimum_healthy_targets.count", _) => {
                    dns_count = (whole_number(reader, what, node, 1, 5_000).or(Some(1)), Some(node.place));
                }
                ("target_group_health.dns_failover.minimum_healthy_targets.percentage", "off") => {}
                ("target_group_health.dns_failover.minimum_healthy_targets.percentage", _) => {
                    dns_percentage = (whole_number(reader, what, node, 1, 100), Some(node.place));
                }
                ("target_group_health.unhealthy_state_routing.minimum_healthy_targets.percentage", "off") => {}
                ("target_group_health.unhealthy_state_routing.minimum_healthy_targets.percentage", _) => {
                    threshold.percentage = whole_number(reader, what, node, 1, 100);
                }
                (other, _) => accepted_attribute(reader, &fields.of, other, node, TARGET_GROUP_ATTRIBUTES),
            }
        }
        // Those that are off follow nothing; the others must not keep a zone that would send to all of its targets.
        let below =
            |dns: Option<u32>, routing: Option<u32>| dns.zip(routing).is_some_and(|(dns, routing)| dns < routing);
        for (word, (dns, place), routing) in
            [("count", dns_count, Some(threshold.count)), ("percentage", dns_percentage, threshold.percentage)]
        {
            if below(dns, routing) && place.is_some() {
                let (dns, routing) = (dns.unwrap_or(0), routing.unwrap_or(0));
                let message = format!(
                    "{} leaves DNS below {dns} healthy targets, and routes to all below {routing} ({word})",
                    fields.of
                );
                let problem = Problem::new(place.unwrap_or(fields.place), message);
                reader.refuse(
                    problem.help("the threshold of `dns_failover` is at least that of `unhealthy_state_routing`"),
                );
            }
        }
        let dns_failover = (dns_count.0.is_some() || dns_percentage.0.is_some()).then(|| HealthThreshold {
            // A default follows what is said of routing.
            count: match dns_count {
                (Some(count), None) => count.max(threshold.count),
                (count, _) => count.unwrap_or(0),
            },
            percentage: dns_percentage.0,
        });
        let is_in_turn = matches!(algorithm, RoutingAlgorithm::RoundRobin | RoutingAlgorithm::FlowHash);
        if let Some(place) = slow_start_place.filter(|_| !is_in_turn) {
            let (name, _) = ALGORITHMS.iter().find(|it| it.1 == algorithm).unwrap_or(&ALGORITHMS[0]);
            let problem = Problem::new(place, format!("{} has slow start and the algorithm `{name}`", fields.of));
            reader.refuse(problem.help("slow start goes with `round_robin` only"));
        }
        if let Some(place) =
            mitigation_place.filter(|_| anomaly_mitigation && algorithm != RoutingAlgorithm::WeightedRandom)
        {
            let (name, _) = ALGORITHMS.iter().find(|it| it.1 == algorithm).unwrap_or(&ALGORITHMS[0]);
            let problem =
                Problem::new(place, format!("{} has anomaly mitigation and the algorithm `{name}`", fields.of));
            reader.refuse(problem.help("anomaly mitigation goes with `weighted_random` only"));
        }
        let stickiness = is_sticky.then(|| {
            let kind = sticky_kind.unwrap_or(StickinessType::LbCookie);
            let duration = if kind == StickinessType::LbCookie { by_lb_cookie } else { by_app_cookie };
            Stickiness { kind, duration }
        });
        if is_sticky && !cross_zone {
            let problem = Problem::new(sticky_place, format!("{} has sticky sessions and no cross-zone", fields.of));
            reader.refuse(problem.help("sticky sessions need `load_balancing.cross_zone.enabled`"));
        }
        if is_sticky && algorithm == RoutingAlgorithm::WeightedRandom {
            let problem =
                Problem::new(sticky_place, format!("{} has sticky sessions and `weighted_random`", fields.of));
            reader.refuse(problem.help("they go with `round_robin` and `least_outstanding_requests`"));
        }
        fields.derived(reader, "deregistrationDelay", &delay);
        if let Some(ours) = fields.parsed(reader, "deregistrationDelay", span_or_seconds) {
            delay = ours;
            if ours > Span::seconds(3_600) {
                let message = format!("`deregistrationDelay` of {} is {ours}; AWS allows up to 1h", fields.of);
                reader.refuse(Problem::new(entry.node.place, message));
            }
        }
        fields.finish(reader, &Shape::TARGET_GROUP);
        Some(TargetGroup {
            name: entry.key.clone(),
            load_balancer: load_balancer?,
            has_tls,
            deregistration_delay: delay,
            algorithm,
            slow_start,
            cross_zone,
            unhealthy_state_routing: threshold,
            anomaly_mitigation,
            dns_failover,
            resets_unhealthy,
            cuts_deregistered,
            health_check,
            stickiness,
        })
    }

    /// A target group whose target is an Application Load Balancer.
    fn before_application(&mut self, reader: &mut Reader<'_>, entry: &Entry, cross_zone_of: &[bool]) {
        let Some(mut fields) = reader.fields(&entry.node, format!("target group `{}`", entry.key)) else { return };
        check_own_name(reader, &mut fields, "targetGroups", &entry.key);
        let front = self.load_balancer_of(reader, &mut fields);
        // What is checked is the other load balancer, which answers as long as there is one.
        for name in [
            "TargetType",
            "Protocol",
            "HealthCheckEnabled",
            "HealthCheckIntervalSeconds",
            "HealthCheckTimeoutSeconds",
            "HealthyThresholdCount",
            "UnhealthyThresholdCount",
            "deregistrationDelay",
            "attributes",
        ] {
            fields.take(name);
        }
        let place = fields.place;
        if !fields.has("applicationLoadBalancer") {
            // As AWS prints it: which one it holds is registered, not described.
            reader.not_simulated(place, format!("{}, which lacks `applicationLoadBalancer`,", fields.of));
            fields.finish(reader, &Shape::TARGET_GROUP);
            return;
        }
        let at = fields.place_of("applicationLoadBalancer");
        let target = fields.reference(reader, "applicationLoadBalancer", &self.load_balancer_names);
        fields.finish(reader, &Shape::TARGET_GROUP);
        let (Some(front), Some(target)) = (front, target) else { return };
        for (id, wanted, place, word) in [
            (front, LoadBalancerType::Network, place, "stands behind a Network"),
            (target, LoadBalancerType::Application, at, "holds an Application"),
        ] {
            if self.load_balancers[id].kind != wanted {
                let name = &self.load_balancers[id].name;
                let message = format!("target group `{}` {word} Load Balancer, which `{name}` is not", entry.key);
                reader.refuse(
                    Problem::new(place, message)
                        .help("`TargetType: alb` puts a Network Load Balancer before an Application Load Balancer"),
                );
                return;
            }
        }
        let comes_through = ComesThrough { load_balancer: front, cross_zone: cross_zone_of[front.index()] };
        self.load_balancers[target].comes_through = Some(comes_through);
    }

    /// The load balancer that is named, or the only one.
    fn load_balancer_of(&self, reader: &mut Reader<'_>, fields: &mut Fields<'_>) -> Option<Id<LoadBalancer>> {
        let named = fields.reference(reader, "loadBalancer", &self.load_balancer_names);
        if fields.has("loadBalancer") {
            fields.take("LoadBalancerArns");
            return named;
        }
        if let Some(node) = fields.list(reader, "LoadBalancerArns").first() {
            return reader.reference(
                What { field: "LoadBalancerArns", of: &fields.of },
                node,
                &self.load_balancer_names,
            );
        }
        if let [(name, id)] = self.load_balancer_names.known.as_slice() {
            fields.derived(reader, "loadBalancer", name.as_str());
            return *id;
        }
        let names: Vec<&str> = self.load_balancer_names.iter().collect();
        let problem = Problem::new(fields.place, format!("{} does not say its load balancer", fields.of));
        reader.refuse(problem.help(format!("add `loadBalancer:` with one of {}", names.join(", "))));
        None
    }
}

fn load_balancer(reader: &mut Reader<'_>, entry: &Entry, capacity: &Capacity, id: Id<LoadBalancer>) -> Option<Behind> {
    let mut fields = reader.fields(&entry.node, format!("load balancer `{}`", entry.key))?;
    check_own_name(reader, &mut fields, "loadBalancers", &entry.key);
    let mut kind = LoadBalancerType::default();
    if entry.node.get("Type").and_then(Node::text) == Some("gateway") {
        let message = format!("{} is a Gateway Load Balancer, which ECS services cannot stand behind", fields.of);
        let problem = Problem::new(fields.place_of("Type"), message);
        reader.refuse(
            problem
                .help("it passes packets through appliances; give the service `Type: application` or `Type: network`"),
        );
        fields.take("Type");
    } else {
        kind = fields.word_or(reader, "Type", &TYPES, kind);
    }
    let scheme = fields.word_or(reader, "Scheme", &SCHEMES, Scheme::default());
    let usual_protocol = if kind == LoadBalancerType::Network { ListenerProtocol::Tcp } else { ListenerProtocol::Http };
    fields.derived(reader, "listenerProtocol", usual_protocol.as_str());
    let words: Vec<(&str, ListenerProtocol)> =
        LISTENER_PROTOCOLS.into_iter().filter(|it| speaks(kind, *it)).map(|it| (it.as_str(), it)).collect();
    let protocol = fields.word(reader, "listenerProtocol", &words).unwrap_or(usual_protocol);
    let availability_zones = capacity.some_zones(reader, &mut fields);
    let usual_nodes = node_count(availability_zones.len());
    fields.derived(reader, "nodes", &usual_nodes);
    let nodes = fields.count(reader, "nodes", 1..=100).unwrap_or(usual_nodes);
    let is_network = kind == LoadBalancerType::Network;
    let mut idle_timeout = Span::seconds(if is_network { 350 } else { 60 });
    let mut cross_zone = kind == LoadBalancerType::Application;
    let mut draining = (true, Span::seconds(300));
    for (key, node) in attributes(reader, &mut fields) {
        let what = What { field: &key, of: &fields.of };
        match key.as_str() {
            "tcp.idle_timeout.seconds" if is_network => {
                idle_timeout = whole_seconds(reader, what, node, 60, 6_000).unwrap_or(idle_timeout);
            }
            "load_balancing.cross_zone.enabled" if kind != LoadBalancerType::Application => {
                cross_zone = reader.word(what, node, &TRUE_OR_FALSE).unwrap_or(cross_zone);
            }
            "connection_draining.enabled" if kind == LoadBalancerType::Classic => {
                draining.0 = reader.word(what, node, &TRUE_OR_FALSE).unwrap_or(draining.0);
            }
            "connection_draining.timeout_seconds" if kind == LoadBalancerType::Classic => {
                draining.1 = whole_seconds(reader, what, node, 1, 3_600).unwrap_or(draining.1);
            }
            "idle_timeout.timeout_seconds" if !is_network => {
                idle_timeout = whole_seconds(reader, what, node, 1, 4_000).unwrap_or(idle_timeout);
            }
            other => accepted_attribute(reader, &fields.of, other, node, LOAD_BALANCER_ATTRIBUTES),
        }
    }
    // They refer to target groups, which are read after this.
    fields.take("listeners");
    fields.derived(reader, "idleTimeout", &idle_timeout);
    if let Some(ours) = fields.parsed(reader, "idleTimeout", span_or_seconds) {
        idle_timeout = ours;
        let (least, most) = if is_network { (60, 6_000) } else { (1, 4_000) };
        if !(Span::seconds(least)..=Span::seconds(most)).contains(&ours) {
            let message = format!("`idleTimeout` of {} is {ours}; AWS allows {least}s to {most}s", fields.of);
            reader.refuse(Problem::new(entry.node.place, message));
        }
    }
    let target_group = (kind == LoadBalancerType::Classic).then(|| TargetGroup {
        anomaly_mitigation: false,
        stickiness: None,
        name: entry.key.clone(),
        load_balancer: id,
        has_tls: false,
        deregistration_delay: if draining.0 { draining.1 } else { Span::ZERO },
        algorithm: match protocol {
            ListenerProtocol::Http | ListenerProtocol::Https => RoutingAlgorithm::LeastOutstandingRequests,
            ListenerProtocol::Tcp | ListenerProtocol::Tls => RoutingAlgorithm::RoundRobin,
        },
        slow_start: Span::ZERO,
        cross_zone,
        unhealthy_state_routing: HealthThreshold::default(),
        dns_failover: None,
        resets_unhealthy: false,
        cuts_deregistered: true,
        health_check: classic_health_check(reader, &mut fields),
    });
    fields.finish(reader, &Shape::LOAD_BALANCER);
    let load_balancer = LoadBalancer {
        name: entry.key.clone(),
        kind,
        scheme,
        protocol,
        nodes,
        idle_timeout,
        availability_zones,
        comes_through: None,
    };
    Some(Behind { load_balancer, cross_zone, target_group })
}

/// `HealthCheck` of a Classic Load Balancer.
fn classic_health_check(reader: &mut Reader<'_>, fields: &mut Fields<'_>) -> HealthCheck {
    let usual = HealthCheck::usual(LoadBalancerType::Classic, true);
    let Some(mut check) = fields.map(reader, "HealthCheck") else { return usual };
    check.text(reader, "Target");
    let health_check = HealthCheck {
        interval: check.seconds_or(reader, "Interval", 5..=300, usual.interval),
        timeout: check.seconds_or(reader, "Timeout", 2..=60, usual.timeout),
        healthy_threshold: check.count_or(reader, "HealthyThreshold", 2..=10, usual.healthy_threshold),
        unhealthy_threshold: check.count_or(reader, "UnhealthyThreshold", 2..=10, usual.unhealthy_threshold),
    };
    if health_check.timeout >= health_check.interval {
        let (timeout, interval) = (health_check.timeout, health_check.interval);
        let message = format!("{} times out after {timeout}, and is sent every {interval}", check.of);
        let problem = Problem::new(check.place_of("Timeout"), message);
        reader.refuse(problem.help("the timeout must be shorter than the interval"));
    }
    check.finish(reader, &Shape::OURS);
    health_check
}

/// Whether listeners of such load balancers speak a protocol.
fn speaks(kind: LoadBalancerType, protocol: ListenerProtocol) -> bool {
    let is_http = matches!(protocol, ListenerProtocol::Http | ListenerProtocol::Https);
    match kind {
        LoadBalancerType::Application => is_http,
        LoadBalancerType::Network => !is_http,
        LoadBalancerType::Classic => true,
    }
}

/// AWS runs at least one node in each zone.
fn node_count(zones: usize) -> u32 {
    u32::try_from(zones).unwrap_or(u32::MAX).max(1)
}

/// Attributes as AWS lists them (`[{Key, Value}]`), or as a map.
fn attributes<'n>(reader: &mut Reader<'_>, fields: &mut Fields<'n>) -> Vec<(String, &'n Node)> {
    let Some(node) = fields.take("attributes") else { return Vec::new() };
    match &node.value {
        Value::Map(entries) => entries.iter().map(|it| (it.key.clone(), &it.node)).collect(),
        _ => {
            let of = fields.of.clone();
            let what = What { field: "attributes", of: &of };
            let mut attributes = Vec::new();
            for item in reader.list(what, node) {
                match (item.get("key").and_then(Node::text), item.get("value")) {
                    (Some(key), Some(value)) => attributes.push((key.to_owned(), value)),
                    _ => {
                        reader.refuse(Problem::new(item.place, format!("an item of {what} has a `Key` and a `Value`")))
                    }
                }
            }
            attributes
        }
    }
}

/// A length of time, or a bare number of seconds, as AWS's attribute of the same meaning has it.
fn span_or_seconds(text: &str) -> Result<Span, String> {
    quantity::whole(text).filter(|it| *it <= 1_000_000).map_or_else(|| quantity::span(text), |it| Ok(Span::seconds(it)))
}

/// A number of seconds, which attributes hold as text.
fn whole_seconds(reader: &mut Reader<'_>, what: What<'_>, node: &Node, low: u64, high: u64) -> Option<Span> {
    reader.parsed(what, node, |text| match quantity::whole(text) {
        Some(seconds) if (low..=high).contains(&seconds) => Ok(Span::seconds(seconds)),
        _ => Err(format!("`{text}` is not a whole number of seconds from {low} to {high}")),
    })
}

/// A whole number, which attributes hold as text.
fn whole_number(reader: &mut Reader<'_>, what: What<'_>, node: &Node, low: u32, high: u32) -> Option<u32> {
    reader.parsed(what, node, |text| match quantity::whole(text).and_then(|it| u32::try_from(it).ok()) {
        Some(number) if (low..=high).contains(&number) => Ok(number),
        _ => Err(format!("`{text}` is not a whole number from {low} to {high}")),
    })
}

fn accepted_attribute(reader: &mut Reader<'_>, of: &str, key: &str, node: &Node, known: &[&'static str]) {
    if known.contains(&key) {
        reader.accepted.entry("attribute").or_default().insert(key.to_owned());
        return;
    }
    let mut problem = Problem::new(node.place, format!("{of} has no attribute `{key}`"));
    if let Some(near) = nearest(key, known.iter().copied()) {
        problem = problem.label(format!("did you mean `{near}`?"));
    }
    reader.refuse(problem);
}
