//! `listeners` of a load balancer: what `CreateListener` and `CreateRule` take, and what describe output says of them.

use std::collections::BTreeSet;

use crate::aws::listener::{
    Action, Address, Condition, Forward, IpBlock, Listener, ListenerRule, QueryStringPair, Redirect, Request,
    RuleEvaluations, WeightedTargetGroup, weighted,
};
use crate::aws::load_balancer::{ListenerProtocol, LoadBalancer, StickinessType, TargetGroup};
use crate::aws::service::{ServiceDefinition, ServiceLoadBalancer};
use crate::scenario::aws_fields::Shape;
use crate::scenario::load_balancing::LoadBalancing;
use crate::scenario::problem::{Place, Problem};
use crate::scenario::quantity;
use crate::scenario::reader::{Fields, Reader, What};
use crate::scenario::tree::{Entry, Node};
use crate::scenario::{Scenario, TimelineChange};
use crate::table::{Id, Table};
use crate::units::Span;
use crate::workload::Destination;

/// Most target groups of one forward action, by AWS's quota.
const TARGET_GROUPS_MAXIMUM: usize = 5;

/// Redirects that a client follows before it gives up, as browsers do.
const REDIRECTS_MAXIMUM: usize = 20;

/// Listeners of all load balancers, and their rules.
pub struct Listeners {
    /// Listeners.
    pub table: Table<Listener>,
    /// Rules.
    pub rules: Table<ListenerRule>,
    /// Where each rule stands, and what it is called in words.
    places: Vec<(Place, String)>,
    /// Load balancers of which some listener or rule was refused or cannot be simulated: what is missing is no fault of
    /// those that refer to it.
    incomplete: BTreeSet<Id<LoadBalancer>>,
}

/// The way of a request from a listener to the rule that deals with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Way {
    /// Rules that redirect it, in turn.
    pub redirects: Vec<Id<ListenerRule>>,
    /// The rule that deals with it.
    pub rule: Id<ListenerRule>,
    /// Rules that are evaluated on the way.
    pub evaluations: RuleEvaluations,
}

impl Listeners {
    /// The listeners within the section `loadBalancers`.
    pub fn read(reader: &mut Reader<'_>, load_balancers: &[Entry], balancing: &LoadBalancing) -> Listeners {
        let mut listeners =
            Listeners { table: Table::new(), rules: Table::new(), places: Vec::new(), incomplete: BTreeSet::new() };
        for entry in load_balancers {
            let id = balancing.load_balancer_names.known.iter().find(|(name, _)| *name == entry.key);
            let Some((Some(id), node)) = id.map(|it| it.1).zip(entry.node.get("listeners")) else { continue };
            let of = format!("load balancer `{}`", entry.key);
            for node in reader.list(What { field: "listeners", of: &of }, unwrapped(node, "Listeners")) {
                let read = listeners.listener(reader, node, id, &of, balancing);
                if read.is_none() {
                    listeners.incomplete.insert(id);
                }
            }
        }
        listeners
    }

    fn listener(
        &mut self,
        reader: &mut Reader<'_>,
        node: &Node,
        load_balancer: Id<LoadBalancer>,
        of: &str,
        balancing: &LoadBalancing,
    ) -> Option<()> {
        let mut fields = reader.fields(node, format!("a listener of {of}"))?;
        let port = fields.required_count(reader, "Port", 1..=65_535).and_then(|it| u16::try_from(it).ok());
        if let Some(port) = port {
            fields.of = format!("listener {port} of {of}");
        }
        let words = [("HTTP", ListenerProtocol::Http), ("HTTPS", ListenerProtocol::Https)];
        fields.required(reader, "Protocol");
        let protocol = fields.word(reader, "Protocol", &words);
        let arn = fields.text(reader, "ListenerArn").map(str::to_owned);
        let default = fields.required(reader, "DefaultActions").and_then(|it| {
            let action = action(reader, What { field: "DefaultActions", of: &fields.of }, it, load_balancer, balancing);
            action.map(|action| (action, it.place))
        });
        let mut rules: Vec<(ListenerRule, Place)> = Vec::new();
        if let Some(node) = fields.take("rules") {
            for node in reader.list(What { field: "rules", of: &fields.of }, unwrapped(node, "Rules")) {
                let Some(rule) = rule(reader, node, load_balancer, &fields.of, balancing) else {
                    self.incomplete.insert(load_balancer);
                    continue;
                };
                // Describe output lists the default rule among the others.
                rules.extend(rule.filter(|it| it.priority.is_some()).map(|it| (it, node.place)));
            }
        }
        let of = fields.of.clone();
        fields.finish(reader, &Shape::LISTENER);
        let (port, protocol, (action, place)) = (port?, protocol?, default?);
        if self.table.iter().any(|it| it.load_balancer == load_balancer && it.port == port) {
            reader
                .refuse(Problem::new(node.place, format!("{of} is there twice")).help("each needs a port of its own"));
            return None;
        }
        rules.sort_by_key(|(it, _)| it.priority);
        check_order(reader, &rules, &of);
        rules.push((ListenerRule { priority: None, arn: None, conditions: Vec::new(), action }, place));
        let rules = rules.into_iter().map(|(rule, place)| {
            let name = match rule.priority {
                Some(priority) => format!("rule {priority} of {of}"),
                None => format!("the default rule of {of}"),
            };
            self.places.push((place, name));
            self.rules.push(rule)
        });
        let rules = rules.collect();
        self.table.push(Listener { load_balancer, port, protocol, arn, rules });
        Some(())
    }

    /// The ports that a load balancer listens on.
    fn ports(&self, load_balancer: Id<LoadBalancer>) -> Vec<u16> {
        self.table.iter().filter(|it| it.load_balancer == load_balancer).map(|it| it.port).collect()
    }

    /// The listener of a load balancer on this port, or on 443, or its only one; `field` and `of` say who asks.
    pub fn on_port(
        &self,
        reader: &mut Reader<'_>,
        load_balancer: Id<LoadBalancer>,
        name: &str,
        (port, place, of): (Option<u16>, Place, &str),
    ) -> Option<Id<Listener>> {
        let ports = self.ports(load_balancer);
        let wanted = port.or_else(|| ports.contains(&443).then_some(443)).or(match ports[..] {
            [only] => Some(only),
            _ => None,
        });
        let found = self.table.find(|it| it.load_balancer == load_balancer && Some(it.port) == wanted);
        if found.is_none() && !self.incomplete.contains(&load_balancer) {
            let listens: Vec<String> = ports.iter().map(u16::to_string).collect();
            let help = if ports.is_empty() {
                format!("give load balancer `{name}` `listeners`, or name a `service` instead")
            } else {
                format!("it listens on {}", listens.join(", "))
            };
            let message = match wanted {
                Some(port) => format!("{of} comes to port {port}, where load balancer `{name}` has no listener"),
                None if ports.is_empty() => format!("{of} comes to load balancer `{name}`, which has no listener"),
                None => format!("{of} does not say to which port of load balancer `{name}` it comes"),
            };
            reader.refuse(Problem::new(place, message).help(help));
        }
        found
    }

    /// The rule that is named by its ARN, by that of a listener, whose default rule it is, or by load balancer, port and priority.
    pub fn named(
        &self,
        reader: &mut Reader<'_>,
        what: What<'_>,
        node: &Node,
        balancing: &LoadBalancing,
    ) -> Option<Id<ListenerRule>> {
        if node.text().is_some() {
            let arn = reader.text(what, node)?;
            let by_listener = || self.table.iter().find(|it| it.arn.as_deref() == Some(arn));
            let default = || by_listener().and_then(|it| it.rules.last().copied());
            let found = self.rules.find(|it| it.arn.as_deref() == Some(arn)).or_else(default);
            if found.is_none() && self.incomplete.is_empty() {
                let problem = Problem::new(node.place, format!("{what} is of no listener and of no rule here"));
                reader.refuse(problem.help("name the rule: `{loadBalancer: NAME, port: 443, Priority: 10}`"));
            }
            return found;
        }
        let mut fields = reader.fields(node, what.to_string())?;
        fields.required(reader, "loadBalancer");
        let balancer = fields.reference(reader, "loadBalancer", &balancing.load_balancer_names);
        let port_place = fields.place_of("port");
        let port = fields.count(reader, "port", 1..=65_535).and_then(|it| u16::try_from(it).ok());
        let priority_place = fields.place_of("Priority");
        let priority = fields.parsed(reader, "Priority", priority).flatten();
        let of = fields.of.clone();
        fields.finish(reader, &Shape::OURS);
        let balancer = balancer?;
        let name = &balancing.load_balancers[balancer].name;
        let listener = self.on_port(reader, balancer, name, (port, port_place, &of))?;
        let rules = &self.table[listener].rules;
        let found = rules.iter().copied().find(|it| self.rules[*it].priority == priority);
        if found.is_none() && !self.incomplete.contains(&balancer) {
            let known = rules.iter().filter_map(|it| self.rules[*it].priority).map(|it| it.to_string());
            let known: Vec<String> = known.collect();
            let message = format!("{of} is a rule that listener {} does not have", self.table[listener].port);
            let help = match known.is_empty() {
                true => "it has its default rule only: leave `Priority` out".to_owned(),
                false => format!("its rules have the priorities {}", known.join(", ")),
            };
            reader.refuse(Problem::new(priority_place, message).help(help));
        }
        found
    }

    /// Lets the rules that deployments of services change name both target groups: the one that has all traffic, and the other.
    pub fn forward_to_both(&mut self, services: &Table<ServiceDefinition>) {
        for balancer in services.iter().filter_map(|it| it.load_balancer.as_ref()) {
            let Some(alternate) = balancer.alternate else { continue };
            for rule in std::iter::once(alternate.production_rule).chain(alternate.test_rule) {
                let Action::Forward(forward) = &mut self.rules[rule].action else { continue };
                forward.target_groups = weighted((balancer.target_group, alternate.target_group), 0);
            }
        }
    }

    /// The way of a request that comes to `listener`, whose protocol and port its address takes. A client that is
    /// redirected asks again with the same method and headers.
    pub fn way(
        &self,
        reader: &mut Reader<'_>,
        listener: Id<Listener>,
        mut request: Request,
        (place, of): (Place, &str),
    ) -> Option<Way> {
        let load_balancer = self.table[listener].load_balancer;
        let Listener { protocol, port, .. } = self.table[listener];
        request.address = Address { protocol, port, ..request.address };
        let mut seen = vec![request.address.clone()];
        let mut redirects = Vec::new();
        let mut evaluations = RuleEvaluations::default();
        let mut listener = listener;
        loop {
            // The default rule has no conditions, so that it matches.
            let rules = &self.table[listener].rules;
            let position = rules.iter().position(|it| self.rules[*it].matches(&request))?;
            for &it in &rules[..position] {
                if let (Some(block), Some(source)) = (self.rules[it].divides(&request), request.source) {
                    let (rule_place, rule_name) = &self.places[it.index()];
                    let message =
                        format!("{of} comes from {source}, only a part of which is in {block} of {rule_name}");
                    let problem = Problem::new(place, message).related(*rule_place, "this rule is for that part");
                    reader.refuse(problem.help("make two workloads of it, each with its own `sourceIp`"));
                    return None;
                }
            }
            let rule = rules[position];
            evaluations.add(RuleEvaluations::of_request((position + 1).min(rules.len() - 1) as u64));
            let Action::Redirect(redirect) = &self.rules[rule].action else {
                return Some(Way { redirects, rule, evaluations });
            };
            let (rule_place, rule_name) = &self.places[rule.index()];
            let Some(sent) = redirect.target(&request.address) else {
                let message = format!("{rule_name} redirects {of} from {} to no address", request.address);
                reader.refuse(Problem::new(*rule_place, message).help("`Protocol` is HTTP or HTTPS, `Port` a number"));
                return None;
            };
            if seen.contains(&sent) || redirects.len() >= REDIRECTS_MAXIMUM {
                let message =
                    format!("{of} is redirected in a loop: {rule_name} sends it from {} to {sent}", request.address);
                let problem = Problem::new(*rule_place, message).related(place, "comes from here");
                reader.refuse(problem.help("let the rule that it comes back to forward it"));
                return None;
            }
            redirects.push(rule);
            let to = self.table.find(|it| it.load_balancer == load_balancer && it.port == sent.port);
            let Some(to) = to else {
                if !self.incomplete.contains(&load_balancer) {
                    let message = format!("{rule_name} redirects {of} to {sent}, where nothing listens");
                    let problem = Problem::new(*rule_place, message).related(place, "comes from here");
                    reader.refuse(problem.help(format!("add a listener on port {}", sent.port)));
                }
                return None;
            };
            seen.push(sent.clone());
            (request.address, listener) = (sent, to);
        }
    }

    /// What is worth a word about where requests go, once all is read.
    pub fn check_destinations(&self, reader: &mut Reader<'_>, scenario: &Scenario) {
        self.check_new_target_groups(reader, scenario);
        for workload in &scenario.workloads {
            let groups = scenario.target_groups_of(workload);
            let mut sticks = groups.iter().any(|it| scenario.target_groups[*it].stickiness.is_some());
            if let Destination::Rule { rule, .. } = workload.destination {
                if workload.users.is_some() {
                    self.check_users(reader, scenario, (&workload.name, rule), &groups);
                }
                sticks |= scenario
                    .actions_of(rule)
                    .any(|it| matches!(it, Action::Forward(Forward { stickiness: Some(_), .. })));
                for &group in groups.iter().filter(|it| scenario.service_of(**it).is_none()) {
                    let name = &scenario.target_groups[group].name;
                    let (_, rule) = &self.places[rule.index()];
                    reader.note(format!(
                        "target group `{name}` of {rule} has no service: what it gets is answered with 503"
                    ));
                }
            }
            if sticks && workload.clients.is_none() {
                let name = &workload.name;
                reader.note(format!(
                    "sessions are sticky, and workload `{name}` has no `clients`: each of its requests is a new client's"
                ));
            }
        }
    }

    /// Says of services that `UpdateService` registers elsewhere where their requests go on to.
    fn check_new_target_groups(&self, reader: &mut Reader<'_>, scenario: &Scenario) {
        let reached: Vec<Id<TargetGroup>> =
            scenario.workloads.iter().flat_map(|it| scenario.target_groups_of(it)).collect();
        for entry in &scenario.timeline {
            let TimelineChange::UpdateService { service, load_balancer: Some(new), .. } = &entry.change else {
                continue;
            };
            let definition = &scenario.services[*service];
            let mut groups = definition.load_balancer.iter().flat_map(ServiceLoadBalancer::target_groups);
            if !groups.any(|it| reached.contains(&it)) {
                continue;
            }
            let (at, name) = (Span(entry.at.0), &definition.name);
            match new {
                None => reader.note(format!(
                    "`timeline`: `updateService` at {at} takes the load balancer of service `{name}` away: requests are answered with \
                     503 once the tasks of the deployment before have stopped"
                )),
                Some(it) if !reached.contains(&it.target_group) => {
                    let group = &scenario.target_groups[it.target_group].name;
                    reader.note(format!(
                        "`timeline`: `updateService` at {at} registers the tasks of service `{name}` in target group `{group}`, to which \
                         no rule sends a request: `modifyListener` or `modifyRule` can"
                    ));
                }
                Some(_) => {}
            }
        }
    }

    /// Users who wait for answers come to one service only: who asks next depends on all of its answers.
    fn check_users(
        &self,
        reader: &mut Reader<'_>,
        scenario: &Scenario,
        (workload, rule): (&str, Id<ListenerRule>),
        groups: &[Id<TargetGroup>],
    ) {
        let (place, name) = &self.places[rule.index()];
        let all_forward = scenario.actions_of(rule).all(Action::is_whole);
        let goes_to = match groups {
            [group] if all_forward && scenario.service_of(*group).is_some() => return,
            [_] if all_forward => "to a target group without a service",
            _ => "to more than one target group, or nowhere",
        };
        let message = format!("workload `{workload}` has users who wait for answers, and {name} sends them {goes_to}");
        reader.refuse(Problem::new(*place, message).help(
            "let a rule of their own forward them to the target group of one service, or name their `service` instead",
        ));
    }

    /// Remarks on rules that are for none of the requests that come.
    pub fn note_unused(&self, reader: &mut Reader<'_>, used: &BTreeSet<Id<ListenerRule>>) {
        for (id, _) in self.rules.entries().filter(|(_, it)| it.priority.is_some()) {
            if !used.contains(&id) {
                reader.note(format!("no workload reaches {}", self.places[id.index()].1));
            }
        }
    }
}

/// The list within `{"Listeners": [...]}`, or the node itself.
fn unwrapped<'n>(node: &'n Node, wrapper: &str) -> &'n Node {
    node.get(wrapper).unwrap_or(node)
}

/// Priorities are told apart, and no rule stands behind one that takes all it is for.
fn check_order(reader: &mut Reader<'_>, rules: &[(ListenerRule, Place)], of: &str) {
    for (at, (rule, place)) in rules.iter().enumerate() {
        let priority = rule.priority.unwrap_or_default();
        let before = &rules[..at];
        if let Some((_, first)) = before.iter().find(|(it, _)| it.priority == rule.priority) {
            let problem = Problem::new(*place, format!("{of} has two rules of priority {priority}"));
            reader.refuse(problem.related(*first, "the first").help("each needs a priority of its own"));
        } else if let Some((earlier, first)) = before.iter().find(|(it, _)| it.shadows(rule)) {
            let message = format!("rule {priority} of {of} can never be reached");
            let label = format!("rule {} takes all it is for", earlier.priority.unwrap_or_default());
            let problem = Problem::new(*place, message).related(*first, label);
            reader.refuse(problem.help("give it a lower `Priority` than the other, or remove it"));
        }
    }
}

/// A rule; `Some(None)` is one whose conditions cannot be simulated.
#[expect(clippy::option_option, reason = "refused, or read and of no use")]
fn rule(
    reader: &mut Reader<'_>,
    node: &Node,
    load_balancer: Id<LoadBalancer>,
    listener: &str,
    balancing: &LoadBalancing,
) -> Option<Option<ListenerRule>> {
    let mut fields = reader.fields(node, format!("a rule of {listener}"))?;
    fields.required(reader, "Priority");
    let priority = fields.parsed(reader, "Priority", priority);
    if let Some(Some(priority)) = priority {
        fields.of = format!("rule {priority} of {listener}");
    }
    let arn = fields.text(reader, "RuleArn").map(str::to_owned);
    fields.flag(reader, "IsDefault");
    let conditions = fields.list(reader, "Conditions");
    let problems = reader.problems.len();
    let read: Vec<Option<Condition>> = conditions.iter().map(|it| condition(reader, it, &fields.of)).collect();
    if conditions.is_empty() && priority.flatten().is_some() {
        let problem = Problem::new(node.place, format!("{} has no `Conditions`", fields.of));
        reader.refuse(problem.help("what all other requests get are the `DefaultActions` of the listener"));
    }
    let place = node.place;
    let of = fields.of.clone();
    let node = fields.required(reader, "Actions");
    let what = What { field: "Actions", of: &fields.of };
    let action = node.and_then(|it| action(reader, what, it, load_balancer, balancing));
    fields.finish(reader, &Shape::LISTENER_RULE);
    if reader.problems.len() > problems {
        return None;
    }
    let (priority, action) = (priority?, action?);
    let conditions: Option<Vec<Condition>> = read.into_iter().collect();
    check_conditions(reader, conditions.as_deref().unwrap_or_default(), place, &of)?;
    Some(conditions.map(|conditions| ListenerRule { priority, arn, conditions, action }))
}

/// `Priority`, which describe output writes as a text; `None` is `default`.
pub fn priority(text: &str) -> Result<Option<u32>, String> {
    if text == "default" {
        return Ok(None);
    }
    match quantity::whole(text).and_then(|it| u32::try_from(it).ok()) {
        Some(number) if (1..=50_000).contains(&number) => Ok(Some(number)),
        _ => Err(format!("`{text}` is not a whole number from 1 to 50000")),
    }
}

/// How many values and wildcards a rule has, and conditions of a kind (*Condition types for listener rules*); `None` where
/// those are too many.
fn check_conditions(reader: &mut Reader<'_>, conditions: &[Condition], place: Place, of: &str) -> Option<()> {
    const VALUES_MAXIMUM: usize = 5;
    const WILDCARDS_MAXIMUM: usize = 5;
    let values: usize = conditions.iter().map(Condition::values).sum();
    let wildcards: usize = conditions.iter().map(Condition::wildcards).sum();
    for (count, most, what) in [(values, VALUES_MAXIMUM, "values"), (wildcards, WILDCARDS_MAXIMUM, "wildcards")] {
        if count > most {
            let problem = Problem::new(place, format!("the conditions of {of} have {count} {what} in all"));
            reader.refuse(problem.help(format!("AWS allows {most} in a rule: make several rules of it")));
            return None;
        }
    }
    type IsOfKind = fn(&Condition) -> bool;
    let once: [(&str, IsOfKind); 4] = [
        ("host-header", |it| matches!(it, Condition::HostHeader(_))),
        ("path-pattern", |it| matches!(it, Condition::PathPattern(_))),
        ("source-ip", |it| matches!(it, Condition::SourceIp(_))),
        ("http-request-method", |it| matches!(it, Condition::HttpRequestMethod(_))),
    ];
    for (field, is_it) in once {
        if conditions.iter().filter(|it| is_it(it)).count() > 1 {
            let problem = Problem::new(place, format!("{of} has several conditions with `Field: {field}`"));
            reader.refuse(problem.help("only `http-header` and `query-string` may stand in a rule more than once"));
            return None;
        }
    }
    Some(())
}

/// `RuleCondition`; `None` where it is refused or cannot be simulated.
fn condition(reader: &mut Reader<'_>, node: &Node, of: &str) -> Option<Condition> {
    const FIELDS: [(&str, &str); 6] = [
        ("host-header", "HostHeaderConfig"),
        ("path-pattern", "PathPatternConfig"),
        ("http-header", "HttpHeaderConfig"),
        ("query-string", "QueryStringConfig"),
        ("source-ip", "SourceIpConfig"),
        ("http-request-method", "HttpRequestMethodConfig"),
    ];
    const VALUES_MAXIMUM: usize = 3;
    let mut fields = reader.fields(node, format!("a condition of {of}"))?;
    let field = fields.required(reader, "Field")?;
    let config_name = reader.word(What { field: "Field", of: &fields.of }, field, &FIELDS);
    let mut values: Vec<&Node> = fields.list(reader, "Values").iter().collect();
    let mut header = None;
    let mut is_simulated = true;
    for (_, name) in FIELDS {
        let Some(config) = fields.take(name).filter(|_| config_name == Some(name)) else { continue };
        let Some(mut config) = reader.fields(config, format!("`{name}` of {}", fields.of)) else { continue };
        // Describe output says the same twice.
        values = config.list(reader, "Values").iter().collect();
        if name == "HttpHeaderConfig" {
            config.required(reader, "HttpHeaderName");
            header = config.text(reader, "HttpHeaderName").map(str::to_owned);
        }
        is_simulated = !config.has("RegexValues");
        config.finish(reader, &Shape::RULE_CONDITION_CONFIG);
    }
    is_simulated &= !fields.has("RegexValues");
    let of = fields.of.clone();
    fields.finish(reader, &Shape::RULE_CONDITION_CONFIG);
    let config_name = config_name?;
    if values.is_empty() {
        if is_simulated {
            reader.refuse(Problem::new(node.place, format!("{of} has no `Values`")).help("one of them must match"));
        }
        return None;
    }
    if values.len() > VALUES_MAXIMUM {
        let problem = Problem::new(node.place, format!("{of} has {} values", values.len()));
        reader.refuse(problem.help(format!("AWS allows {VALUES_MAXIMUM}: make several rules of it")));
        return None;
    }
    if config_name == "QueryStringConfig" {
        let pairs = values.into_iter().map(|it| query_string_pair(reader, it, &of));
        return pairs.collect::<Option<Vec<_>>>().map(Condition::QueryString);
    }
    let what = What { field: "Values", of: &of };
    if config_name == "SourceIpConfig" {
        let blocks = values.into_iter().map(|it| reader.parsed(what, it, IpBlock::parse));
        return blocks.collect::<Option<Vec<_>>>().map(Condition::SourceIp);
    }
    if config_name == "HttpRequestMethodConfig" {
        let methods = values.into_iter().map(|it| reader.parsed(what, it, method));
        return methods.collect::<Option<Vec<_>>>().map(Condition::HttpRequestMethod);
    }
    let texts = values.into_iter().map(|it| reader.text(what, it).map(str::to_owned));
    let texts: Vec<String> = texts.collect::<Option<_>>()?;
    Some(match config_name {
        "HostHeaderConfig" => Condition::HostHeader(texts),
        "PathPatternConfig" => Condition::PathPattern(texts),
        _ => {
            let name = header?;
            if name.eq_ignore_ascii_case("host") {
                let problem = Problem::new(node.place, format!("{of} looks for the header `Host`"));
                reader.refuse(problem.help("that is `Field: host-header`"));
                return None;
            }
            Condition::HttpHeader { name, values: texts }
        }
    })
}

fn query_string_pair(reader: &mut Reader<'_>, node: &Node, of: &str) -> Option<QueryStringPair> {
    let mut fields = reader.fields(node, format!("a value of {of}"))?;
    let key = fields.text(reader, "Key").map(str::to_owned);
    fields.required(reader, "Value");
    let value = fields.text(reader, "Value").map(str::to_owned);
    fields.finish(reader, &Shape::OURS);
    Some(QueryStringPair { key, value: value? })
}

/// The method of a request, which is written in capitals.
pub fn method(text: &str) -> Result<String, String> {
    let is_one = |it: u8| it.is_ascii_uppercase() || it == b'-' || it == b'_';
    if (1..=40).contains(&text.len()) && text.bytes().all(is_one) {
        Ok(text.to_owned())
    } else {
        Err(format!("`{text}` is no method such as `GET`: up to 40 capitals, hyphens and underscores"))
    }
}

/// The one action that decides, of a list of them.
pub fn action(
    reader: &mut Reader<'_>,
    what: What<'_>,
    node: &Node,
    load_balancer: Id<LoadBalancer>,
    balancing: &LoadBalancing,
) -> Option<Action> {
    const TYPES: [(&str, &str); 6] = [
        ("forward", "forward"),
        ("redirect", "redirect"),
        ("fixed-response", "fixed-response"),
        ("authenticate-oidc", "authenticate-oidc"),
        ("authenticate-cognito", "authenticate-cognito"),
        ("jwt-validation", "jwt-validation"),
    ];
    let nodes = reader.list(what, node);
    let of = what.to_string();
    let mut decided = Vec::new();
    for node in nodes {
        let Some(mut fields) = reader.fields(node, format!("an action in {of}")) else { continue };
        fields.required(reader, "Type");
        let place = fields.place_of("Type");
        let word = fields.word(reader, "Type", &TYPES);
        let forward_node = fields.take("ForwardConfig");
        let single = fields.take("TargetGroupArn");
        let fixed_node = fields.take("FixedResponseConfig");
        let redirect_node = fields.take("RedirectConfig");
        let of = fields.of.clone();
        fields.finish(reader, &Shape::ACTION);
        match word {
            Some("forward") => {
                let around = (load_balancer, balancing);
                decided.push(forward(reader, (node, &of), single, forward_node, around).map(Action::Forward));
            }
            Some("fixed-response") => decided.push(fixed_response(reader, node, &of, fixed_node)),
            Some("redirect") => decided.push(redirect(reader, node, &of, redirect_node)),
            Some(other) => reader.not_simulated(place, format!("`Type: {other}` of {of}")),
            None => return None,
        }
    }
    if decided.len() != 1 {
        let message = format!("{of} has {} actions that decide, not one", decided.len());
        let help = "exactly one of `Type: forward`, `redirect` or `fixed-response`, as the last";
        reader.refuse(Problem::new(node.place, message).help(help));
        return None;
    }
    decided.pop().flatten()
}

fn forward(
    reader: &mut Reader<'_>,
    (node, of): (&Node, &str),
    single: Option<&Node>,
    config: Option<&Node>,
    (load_balancer, balancing): (Id<LoadBalancer>, &LoadBalancing),
) -> Option<Forward> {
    let mut target_groups: Vec<WeightedTargetGroup> = Vec::new();
    let mut stickiness = None;
    let problems = reader.problems.len();
    let mut add = |reader: &mut Reader<'_>, named: &Node, of: &str, weight: u32| {
        let what = What { field: "TargetGroupArn", of };
        let target_group = reader.reference(what, named, &balancing.target_group_names)?;
        let group = &balancing.target_groups[target_group];
        if group.load_balancer != load_balancer {
            let (other, own) =
                (&balancing.load_balancers[group.load_balancer], &balancing.load_balancers[load_balancer]);
            let message = format!("{what} names `{}`, which belongs to load balancer `{}`", group.name, other.name);
            let help = format!("a target group has one load balancer; say `loadBalancer: {}` there", own.name);
            reader.refuse(Problem::new(named.place, message).help(help));
        }
        if target_groups.iter().any(|it| it.target_group == target_group) {
            reader.refuse(Problem::new(named.place, format!("{what} names `{}` twice", group.name)));
        }
        target_groups.push(WeightedTargetGroup { target_group, weight });
        Some(())
    };
    if let Some(config) = config {
        let mut fields = reader.fields(config, format!("`ForwardConfig` of {of}"))?;
        for node in fields
            .required(reader, "TargetGroups")
            .map_or(&[][..], |it| reader.list(What { field: "TargetGroups", of: &fields.of }, it))
        {
            let mut tuple = reader.fields(node, format!("a target group of {of}"))?;
            let named = tuple.required(reader, "TargetGroupArn");
            let weight = tuple.count_or(reader, "Weight", 0..=999, 1);
            if let Some(named) = named {
                add(reader, named, &tuple.of, weight);
            }
            tuple.finish(reader, &Shape::OURS);
        }
        stickiness = fields.map(reader, "TargetGroupStickinessConfig").and_then(|it| group_stickiness(reader, it));
        fields.finish(reader, &Shape::OURS);
    } else if let Some(named) = single {
        add(reader, named, of, 1);
    } else {
        let problem = Problem::new(node.place, format!("{of} forwards to nothing"));
        reader.refuse(problem.help("add `TargetGroupArn`, or `ForwardConfig` with `TargetGroups`"));
    }
    if reader.problems.len() > problems {
        return None;
    }
    let place = config.map_or(node.place, |it| it.get("TargetGroups").unwrap_or(it).place);
    let forward = Forward { target_groups, stickiness };
    check_forward(reader, &forward, (place, of), balancing);
    (reader.problems.len() == problems).then_some(forward)
}

fn group_stickiness(reader: &mut Reader<'_>, mut fields: Fields<'_>) -> Option<Span> {
    let is_enabled = fields.flag_or(reader, "Enabled", false);
    let duration = if is_enabled {
        fields.required(reader, "DurationSeconds");
        fields.seconds(reader, "DurationSeconds", 1..=604_800)
    } else {
        fields.take("DurationSeconds");
        None
    };
    fields.finish(reader, &Shape::OURS);
    duration
}

fn check_forward(reader: &mut Reader<'_>, forward: &Forward, (place, of): (Place, &str), balancing: &LoadBalancing) {
    let groups = &forward.target_groups;
    if groups.len() > TARGET_GROUPS_MAXIMUM {
        let message = format!("{of} forwards to {} target groups", groups.len());
        reader.refuse(Problem::new(place, message).help(format!("AWS allows {TARGET_GROUPS_MAXIMUM}")));
    }
    if forward.weights() == 0 {
        let problem = Problem::new(place, format!("{of} has weights that sum to nothing"));
        reader.refuse(problem.help("give at least one target group a `Weight` from 1 to 999"));
    }
    if groups.len() < 2 {
        return;
    }
    for it in groups {
        let group = &balancing.target_groups[it.target_group];
        let Some(stickiness) = group.stickiness else { continue };
        if stickiness.kind == StickinessType::AppCookie {
            let message = format!("{of} weighs target group `{}`, whose sessions stick by `app_cookie`", group.name);
            reader.refuse(Problem::new(place, message).help("with several target groups it is `lb_cookie`"));
        } else if forward.stickiness.is_none() {
            let message = format!("{of} weighs target group `{}`, whose sessions stick to their target", group.name);
            let help = "they have to stick to their target group as well: add \
                        `TargetGroupStickinessConfig: {Enabled: true, DurationSeconds: ...}`";
            reader.refuse(Problem::new(place, message).help(help));
        }
    }
}

fn fixed_response(reader: &mut Reader<'_>, node: &Node, of: &str, config: Option<&Node>) -> Option<Action> {
    let Some(config) = config else {
        reader.refuse(Problem::new(node.place, format!("{of} lacks `FixedResponseConfig`")).label("add it here"));
        return None;
    };
    let mut fields = reader.fields(config, format!("`FixedResponseConfig` of {of}"))?;
    fields.required(reader, "StatusCode");
    let status_code = fields.parsed(reader, "StatusCode", |text| match text.parse::<u16>() {
        Ok(code) if matches!(code, 200..=299 | 400..=599) => Ok(code),
        _ => Err(format!("`{text}` is not 2XX, 4XX or 5XX")),
    });
    fields.finish(reader, &Shape::FIXED_RESPONSE);
    Some(Action::FixedResponse { status_code: status_code? })
}

fn redirect(reader: &mut Reader<'_>, node: &Node, of: &str, config: Option<&Node>) -> Option<Action> {
    let Some(config) = config else {
        reader.refuse(Problem::new(node.place, format!("{of} lacks `RedirectConfig`")).label("add it here"));
        return None;
    };
    let mut fields = reader.fields(config, format!("`RedirectConfig` of {of}"))?;
    let mut part = |reader: &mut Reader<'_>, name: &'static str, usual: &str| {
        fields.usual(reader, name, usual);
        fields.text(reader, name).unwrap_or(usual).to_owned()
    };
    let redirect = Redirect {
        protocol: part(reader, "Protocol", "#{protocol}"),
        host: part(reader, "Host", "#{host}"),
        port: part(reader, "Port", "#{port}"),
        path: part(reader, "Path", "/#{path}"),
        query: part(reader, "Query", "#{query}"),
        status_code: 0,
    };
    fields.required(reader, "StatusCode");
    let status_code = fields.word(reader, "StatusCode", &[("HTTP_301", 301), ("HTTP_302", 302)]);
    let is_still = redirect.protocol == "#{protocol}"
        && redirect.host == "#{host}"
        && redirect.port == "#{port}"
        && redirect.path == "/#{path}"
        && redirect.query == "#{query}";
    if is_still {
        let problem = Problem::new(config.place, format!("{of} redirects to where it is"));
        reader.refuse(problem.help("change at least one of `Protocol`, `Host`, `Port`, `Path` and `Query`"));
    }
    fields.finish(reader, &Shape::OURS);
    Some(Action::Redirect(Redirect { status_code: status_code?, ..redirect })).filter(|_| !is_still)
}
