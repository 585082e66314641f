//! Where tasks may go and go first: `placementStrategy` and `placementConstraints` of services and task definitions.

use std::ops::Range;

use crate::aws::auto_scaling_group::AutoScalingGroup;
use crate::aws::capability;
use crate::aws::capacity_provider::CapacityProviderStrategyItem;
use crate::aws::cluster_query::{BUILT_IN_ATTRIBUTES, Expression, SyntaxError, matches};
use crate::aws::instance_type::InstanceType;
use crate::aws::placement::{
    CONSOLE_TEMPLATES, CONSTRAINTS_MAXIMUM, PlacementConstraint, PlacementStrategy, Resource, STRATEGIES_MAXIMUM,
    SpreadField, console_template,
};
use crate::aws::task_definition::TaskDefinition;
use crate::scenario::aws_fields::Shape;
use crate::scenario::capacity::Capacity;
use crate::scenario::problem::{Place, Problem, nearest};
use crate::scenario::reader::{Fields, Reader, What, listed};
use crate::scenario::tree::Node;

/// Strategies and constraints of a service, or what its template of the console stands for.
pub fn placement(
    reader: &mut Reader<'_>,
    fields: &mut Fields<'_>,
) -> (Vec<PlacementStrategy>, Vec<PlacementConstraint>) {
    let named = fields.take("placementTemplate");
    let strategy_node = fields.take("placementStrategy");
    let constraint_node = fields.take("placementConstraints");
    let of = fields.of.clone();
    if let Some(node) = named {
        if strategy_node.or(constraint_node).is_some_and(|it| !it.is_blank()) {
            let problem = Problem::new(node.place, format!("{of} has a placement template and a placement of its own"));
            reader.refuse(problem.help("keep one of them"));
        }
        let words = CONSOLE_TEMPLATES.map(|it| (it, it));
        let name = reader.word(What { field: "placementTemplate", of: &of }, node, &words);
        return name.and_then(console_template).unwrap_or_default();
    }
    let strategies = strategy_node.map(|it| placement_strategies(reader, it, &of));
    let constraints = constraint_node.map(|it| placement_constraints(reader, it, &of));
    (strategies.unwrap_or_default(), constraints.unwrap_or_default())
}

/// Strategies and constraints that `UpdateService` gives a service, where it says so.
pub fn new_placement(
    reader: &mut Reader<'_>,
    fields: &mut Fields<'_>,
) -> (Option<Vec<PlacementStrategy>>, Option<Vec<PlacementConstraint>>) {
    let of = fields.of.clone();
    let strategies = fields.take("placementStrategy").map(|it| placement_strategies(reader, it, &of));
    let constraints = fields.take("placementConstraints").map(|it| placement_constraints(reader, it, &of));
    (strategies, constraints)
}

/// Strategies of a service.
fn placement_strategies(reader: &mut Reader<'_>, node: &Node, of: &str) -> Vec<PlacementStrategy> {
    let nodes = reader.list(What { field: "placementStrategy", of }, node);
    if nodes.len() > STRATEGIES_MAXIMUM {
        let message = format!("{of} has {} placement strategies; five are allowed", nodes.len());
        reader.refuse(Problem::new(node.place, message));
    }
    nodes.iter().filter_map(|it| placement_strategy(reader, it, of)).collect()
}

fn placement_strategy(reader: &mut Reader<'_>, node: &Node, of: &str) -> Option<PlacementStrategy> {
    let mut fields = reader.fields(node, format!("a placement strategy of {of}"))?;
    fields.required(reader, "type");
    let kind = fields.word(reader, "type", &[("spread", "spread"), ("binpack", "binpack"), ("random", "random")]);
    let strategy = match kind? {
        "random" => {
            fields.take("field");
            Some(PlacementStrategy::Random)
        }
        "binpack" => {
            let field = fields.required(reader, "field");
            let resource = match field.and_then(Node::text) {
                // As the console writes them.
                Some("CPU") => Some(Resource::Cpu),
                Some("MEMORY") => Some(Resource::Memory),
                _ => fields.word(reader, "field", &[("cpu", Resource::Cpu), ("memory", Resource::Memory)]),
            };
            resource.map(PlacementStrategy::Binpack)
        }
        _ => fields.required(reader, "field").and_then(|node| {
            let what = What { field: "field", of: &fields.of };
            let field = match reader.text(what, node)? {
                "instanceId" | "host" => SpreadField::InstanceId,
                "attribute:ecs.availability-zone" => SpreadField::AvailabilityZone,
                other => match other.strip_prefix("attribute:") {
                    Some(name) if !name.is_empty() => SpreadField::Attribute(name.to_owned()),
                    _ => {
                        let problem = Problem::new(node.place, format!("{what} cannot be `{other}`"));
                        let help =
                            "it can be `instanceId`, `attribute:ecs.availability-zone` or `attribute:` and a name";
                        reader.refuse(problem.help(help));
                        return None;
                    }
                },
            };
            Some(PlacementStrategy::Spread(field))
        }),
    };
    fields.finish(reader, &Shape::OURS);
    strategy
}

/// Constraints of a service.
fn placement_constraints(reader: &mut Reader<'_>, node: &Node, of: &str) -> Vec<PlacementConstraint> {
    let nodes = reader.list(What { field: "placementConstraints", of }, node);
    if nodes.len() > CONSTRAINTS_MAXIMUM {
        let message = format!("{of} has {} placement constraints; ten are allowed", nodes.len());
        reader.refuse(Problem::new(node.place, message));
    }
    nodes.iter().filter_map(|it| placement_constraint(reader, it, of, true)).collect()
}

/// Constraints of a task definition, which can be `memberOf` only.
pub fn placement_constraints_of_definition(
    reader: &mut Reader<'_>,
    fields: &mut Fields<'_>,
) -> Vec<PlacementConstraint> {
    let of = fields.of.clone();
    let at = fields.place_of("placementConstraints");
    let nodes = fields.list(reader, "placementConstraints");
    if nodes.len() > CONSTRAINTS_MAXIMUM {
        let message = format!("{of} has {} placement constraints; ten are allowed", nodes.len());
        reader.refuse(Problem::new(at, message));
    }
    nodes.iter().filter_map(|it| placement_constraint(reader, it, &of, false)).collect()
}

/// Refuses a service whose own constraints and those of its task definition are together more than a task may have.
pub fn refuse_too_many_constraints(
    reader: &mut Reader<'_>,
    at: Place,
    of: &str,
    own: &[PlacementConstraint],
    definition: &TaskDefinition,
) {
    let (own, its) = (own.len(), definition.placement_constraints.len());
    if own <= CONSTRAINTS_MAXIMUM && own + its > CONSTRAINTS_MAXIMUM {
        let name = definition.name();
        let message = format!("{of} has {own} placement constraints and its task definition `{name}` {its} more");
        reader.refuse(Problem::new(at, message).help("ten are allowed in all"));
    }
}

fn placement_constraint(
    reader: &mut Reader<'_>,
    node: &Node,
    of: &str,
    is_of_a_service: bool,
) -> Option<PlacementConstraint> {
    let of = format!("a placement constraint of {of}");
    let mut fields = reader.fields(node, of.clone())?;
    let kind_node = fields.required(reader, "type");
    let kind = fields.word(reader, "type", &[("distinctInstance", true), ("memberOf", false)]);
    let expression = fields.take("expression").filter(|it| !it.is_blank());
    let is_distinct = kind?;
    if !is_distinct && expression.is_none() {
        let at = fields.place_of("expression");
        let problem = Problem::new(at, format!("{of} is a `memberOf` without `expression`"));
        reader.refuse(problem.help("such as `expression: attribute:ecs.instance-type =~ t3.*`"));
    }
    fields.finish(reader, &Shape::OURS);
    if !is_distinct {
        let what = What { field: "expression", of: &of };
        return self::expression(reader, expression?, what).map(PlacementConstraint::MemberOf);
    }
    if !is_of_a_service {
        let problem =
            Problem::new(kind_node.map_or(node.place, |it| it.place), format!("{of} is a `distinctInstance`"));
        reader.refuse(problem.help("that belongs to a service; a task definition has `memberOf` only"));
        return None;
    }
    if let Some(expression) = expression {
        let problem = Problem::new(expression.place, format!("{of} is a `distinctInstance` and has an expression"));
        reader.refuse(problem.help("only `memberOf` takes one"));
    }
    Some(PlacementConstraint::DistinctInstance)
}

/// An expression of the cluster query language.
pub fn expression(reader: &mut Reader<'_>, node: &Node, what: What<'_>) -> Option<Expression> {
    let text = reader.text(what, node)?;
    match Expression::parse(text) {
        Ok(expression) => Some(expression),
        Err(error) => {
            let source = reader.files.get(node.place.file).map_or("", |it| &it.text);
            let problem = syntax_problem(source, node.place, text, &error, what);
            reader.refuse(problem);
            None
        }
    }
}

/// A mistake in an expression at its very characters, or below the text where those cannot be told in the file.
pub(super) fn syntax_problem(source: &str, place: Place, text: &str, error: &SyntaxError, what: What<'_>) -> Problem {
    let message = format!("{what}: {}", error.message);
    let mut problem = match place_within(source, place, text, error.at.clone()) {
        Some(at) => Problem::new(at, message),
        None => error.pointed_out(text).lines().fold(Problem::new(place, message), |it, line| it.help(line)),
    };
    if let Some(near) = &error.nearest {
        problem = problem.label(format!("did you mean `{near}`?"));
    }
    match &error.help {
        Some(help) => problem.help(help.as_str()),
        None => problem,
    }
}

/// Where these bytes of a scalar's text stand in its file: by counting what is no white space, which folding keeps. `None`
/// where the file spells the text otherwise, with escapes.
fn place_within(source: &str, place: Place, text: &str, at: Range<usize>) -> Option<Place> {
    let written = source.get(place.start..place.end)?;
    let solid = |text: &str| text.char_indices().filter(|(_, it)| !it.is_whitespace()).collect::<Vec<_>>();
    let (inside, all) = (solid(text), solid(written));
    // Quotes, or the mark of a block, stand before it.
    let first = (0..=all.len().checked_sub(inside.len())?)
        .rev()
        .find(|&it| all[it..].iter().zip(&inside).all(|(one, other)| one.1 == other.1))?;
    let position = |byte: usize| inside.iter().position(|it| it.0 >= byte);
    let begin = match position(at.start) {
        Some(it) => all[first + it].0,
        // Behind the last character.
        None => all[first..].get(inside.len().checked_sub(1)?).map(|it| it.0 + it.1.len_utf8())?,
    };
    let last = inside.iter().rposition(|it| it.0 >= at.start && it.0 < at.end);
    let end = last.map_or(begin, |it| all[first + it].0 + all[first + it].1.len_utf8());
    Some(Place { start: place.start + begin, end: place.start + end.max(begin), ..place })
}

/// A remark for each attribute of an expression that no instance has: it selects nothing, and is mostly a slip.
pub fn note_unknown_attributes<'a>(
    reader: &mut Reader<'_>,
    of: &str,
    constraints: &[PlacementConstraint],
    groups: impl IntoIterator<Item = &'a AutoScalingGroup>,
) {
    let groups: Vec<&AutoScalingGroup> = groups.into_iter().collect();
    let mut own: Vec<&str> = groups.iter().flat_map(|it| &it.attributes).map(|(name, _)| name.as_str()).collect();
    if groups.iter().any(|it| it.types().any(|kind| it.has_trunk(kind))) {
        own.push("ecs.awsvpc-trunk-id");
    }
    if groups.iter().any(|it| !it.subnets.is_empty()) {
        own.push("ecs.subnet-id");
    }
    // What instances here register without being told.
    let given = ["ecs.availability-zone", "ecs.cpu-architecture", "ecs.instance-type", "ecs.os-family", "ecs.os-type"];
    for expression in constraints.iter().filter_map(|it| it.expression()) {
        for name in expression.attributes() {
            let is_registered = |it: &&AutoScalingGroup| it.agent_configuration.registers(&it.agent_version, name);
            let is_capability = capability::is_known(name);
            if given.contains(&name) || own.contains(&name) || is_capability && groups.iter().any(is_registered) {
                continue;
            }
            let advice = if BUILT_IN_ATTRIBUTES.contains(&name) {
                "it is not simulated unless `attributes` of an Auto Scaling group say it".to_owned()
            } else if is_capability {
                capability::explained(name).1
            } else {
                let is_meant = capability::is_named_like_one(name);
                let capabilities: Vec<&str> = capability::names().filter(|_| is_meant).collect();
                let known =
                    BUILT_IN_ATTRIBUTES.iter().copied().chain(own.iter().copied()).chain(capabilities.iter().copied());
                match nearest(name, known) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => "`attributes` of an Auto Scaling group would give it".to_owned(),
                }
            };
            reader.note(format!(
                "a placement constraint of {of} asks for the attribute `{name}`, which no instance here has; {advice}"
            ));
        }
    }
}

/// A remark where no instance that any group launches has the attributes that the constraints of a task ask for.
pub fn note_unmet_attributes(
    reader: &mut Reader<'_>,
    of: &str,
    constraints: &[&PlacementConstraint],
    strategy: &[CapacityProviderStrategyItem],
    capacity: &Capacity,
) {
    let expressions = for_attributes_only(constraints);
    if !expressions.is_empty() && !capacity.groups_in_reach(strategy).any(|it| meets(it, &expressions, capacity)) {
        let asked: Vec<String> = expressions.iter().map(|it| it.to_string()).collect();
        let asked = listed(asked.iter().map(String::as_str));
        reader.note(format!("no instance here meets the placement constraints of {of}: {asked}"));
    }
}

/// The expressions of constraints that ask for nothing but attributes.
pub fn for_attributes_only<'a>(constraints: &[&'a PlacementConstraint]) -> Vec<&'a Expression> {
    constraints.iter().filter_map(|it| it.expression()).filter(|it| it.asks_for_attributes_only()).collect()
}

/// Whether a group launches instances of some type somewhere whose attributes are as the expressions ask.
pub fn meets(group: &AutoScalingGroup, expressions: &[&Expression], capacity: &Capacity) -> bool {
    group.types().any(|kind| meets_as(group, kind, expressions, capacity))
}

/// Whether a group launches instances of a type somewhere whose attributes are as the expressions ask.
pub fn meets_as(
    group: &AutoScalingGroup,
    kind: &InstanceType,
    expressions: &[&Expression],
    capacity: &Capacity,
) -> bool {
    expressions.is_empty()
        || group.places(&capacity.subnets.table).any(|(zone, subnet)| {
            let subnet = subnet.map(|it| &capacity.subnets.table[it]);
            let zone = &capacity.zones[zone];
            let attributes = group.container_instance_attributes(kind, zone, subnet, group.awsvpc_trunking);
            let facts = group.facts_of_empty_instance(&attributes, 0);
            expressions.iter().all(|it| matches(it, &facts))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What of `source` stands at these bytes of `text`.
    fn found<'a>(source: &'a str, text: &str, at: Range<usize>) -> Option<&'a str> {
        let place = place_within(source, Place { file: 0, start: 0, end: source.len() }, text, at)?;
        Some(&source[place.start..place.end])
    }

    #[test]
    fn characters_of_a_text_are_found_in_its_file() {
        let text = "attribute:a = b";
        assert_eq!(found("attribute:a = b", text, 12..13), Some("="));
        assert_eq!(found("'attribute:a = b'", text, 12..13), Some("="));
        assert_eq!(found("\"attribute:a = b\"", text, 14..15), Some("b"));
        assert_eq!(found(">-\n    attribute:a\n    = b\n", text, 0..11), Some("attribute:a"));
        assert_eq!(found("|\n  attribute:a = b\n", "attribute:a = b\n", 12..13), Some("="));
        assert_eq!(found("attribute:a = b", text, 15..15), Some(""));
        assert_eq!(found("\"attribute:\\u0061 = b\"", text, 12..13), None);
        assert_eq!(found("'attribute:a = ''b'", "attribute:a = 'b", 14..15), None);
    }
}
