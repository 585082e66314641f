//! Sections as the rest reads them: maps keyed by name, whose values have no wrapper.
//!
//! Output of `describe-*` comes as `{"service": {...}}`, `{"services": [{...}]}` or a bare list; each is put into the one
//! shape here, before variants patch it.

use crate::scenario::patch;
use crate::scenario::problem::{Place, Problem};
use crate::scenario::reader::{Fields, Reader, last_name};
use crate::scenario::tree::{Entry, Node, Value, is_same_field, parse};

/// A section whose entries are AWS's.
struct Section {
    name: &'static str,
    /// The wrapper around one value, and around a list of them.
    wrappers: &'static [&'static str],
    /// Fields in which a value carries its own name.
    own_names: &'static [&'static str],
}

const SECTIONS: &[Section] = &[
    Section { name: "taskDefinitions", wrappers: &["taskDefinition", "taskDefinitions"], own_names: &["family"] },
    Section { name: "services", wrappers: &["service", "services"], own_names: &["serviceName"] },
    Section { name: "autoScalingGroups", wrappers: &["autoScalingGroups"], own_names: &["AutoScalingGroupName"] },
    Section {
        name: "capacityProviders",
        wrappers: &["capacityProvider", "capacityProviders"],
        own_names: &["name", "capacityProviderName"],
    },
    Section { name: "loadBalancers", wrappers: &["loadBalancers"], own_names: &["LoadBalancerName", "name"] },
    Section { name: "targetGroups", wrappers: &["targetGroups"], own_names: &["TargetGroupName", "name"] },
    Section { name: "scalableTargets", wrappers: &["scalableTargets"], own_names: &["ResourceId"] },
    Section { name: "scalingPolicies", wrappers: &["scalingPolicies"], own_names: &["PolicyName"] },
    Section { name: "alarms", wrappers: &["metricAlarms"], own_names: &["AlarmName"] },
    Section { name: "compositeAlarms", wrappers: &["compositeAlarms"], own_names: &["AlarmName"] },
    Section {
        name: "groupScheduledActions",
        wrappers: &["scheduledUpdateGroupActions"],
        own_names: &["ScheduledActionName"],
    },
    Section { name: "rules", wrappers: &["rules"], own_names: &["Name"] },
    Section { name: "schedules", wrappers: &["schedules"], own_names: &["Name"] },
    Section { name: "scheduledActions", wrappers: &["scheduledActions"], own_names: &["ScheduledActionName"] },
];

/// The tree of a scenario with every section of AWS's in its plain shape.
pub fn normalised(reader: &mut Reader<'_>, root: Node) -> Node {
    let Value::Map(entries) = root.value else { return root };
    let entries = entries
        .into_iter()
        .map(|entry| match SECTIONS.iter().find(|it| is_same_field(it.name, &entry.key)) {
            Some(section) => {
                let mut node = plain_section(reader, section, entry.node);
                if matches!(section.name, "rules" | "schedules") {
                    spell_out_json(&mut node);
                }
                Entry { node, ..entry }
            }
            None => entry,
        })
        .collect();
    Node { place: root.place, value: Value::Map(entries) }
}

/// Fields of EventBridge that AWS has as a text of JSON.
const JSON_TEXTS: [&str; 2] = ["EventPattern", "Input"];

/// Whether a field may be a text of JSON in place of the map that it stands for.
pub fn is_json_text(field: &str) -> bool {
    JSON_TEXTS.iter().any(|it| is_same_field(it, field))
}

/// Puts the map in place of each text of JSON that is one, where it stands; another text is left to who reads it.
fn spell_out_json(node: &mut Node) {
    match &mut node.value {
        Value::List(items) => items.iter_mut().for_each(spell_out_json),
        Value::Map(entries) => {
            for entry in entries {
                let is_json = is_json_text(&entry.key);
                let parsed = entry.node.text().filter(|_| is_json).and_then(|it| parse(it, 0).ok());
                match parsed.filter(|it| matches!(it.value, Value::Map(_))) {
                    Some(parsed) => entry.node = at_place(parsed, entry.node.place),
                    None => spell_out_json(&mut entry.node),
                }
            }
        }
        Value::Null | Value::Scalar { .. } | Value::Unread => {}
    }
}

/// A tree of which every part stands at one place.
fn at_place(node: Node, place: Place) -> Node {
    let value = match node.value {
        Value::List(items) => Value::List(items.into_iter().map(|it| at_place(it, place)).collect()),
        Value::Map(entries) => {
            let put = |it: Entry| Entry { key_place: place, node: at_place(it.node, place), ..it };
            Value::Map(entries.into_iter().map(put).collect())
        }
        other => other,
    };
    Node { place, value }
}

fn plain_section(reader: &mut Reader<'_>, section: &Section, node: Node) -> Node {
    let node = match wrapped_list(section, &node) {
        Some(list) => list.clone(),
        None => node,
    };
    let place = node.place;
    let entries = match node.value {
        Value::Map(entries) => entries
            .into_iter()
            .map(|entry| {
                let node = unwrapped(reader, section, entry.node);
                Entry { node, ..entry }
            })
            .collect(),
        Value::List(items) => items.into_iter().filter_map(|it| named(reader, section, it)).collect(),
        other => return Node { place, value: other },
    };
    Node { place, value: Value::Map(entries) }
}

/// The tree with what stands there unsaid: a load balancer before target groups that name none, and the application of
/// each container that has none of its own.
pub fn completed(root: Node) -> Node {
    let has = |name: &str| root.get(name).is_some_and(|it| !it.is_blank());
    let needs_load_balancer = has("targetGroups") && !has("loadBalancers");
    let undescribed = undescribed_containers(&root);
    let place = root.place;
    let Value::Map(mut entries) = root.value else { return root };
    let mut add = |section: &str, name: String| {
        let entry = Entry { key: name, key_place: place, node: Node { place, value: Value::Null } };
        let at = entries.iter().position(|it| is_same_field(&it.key, section)).unwrap_or_else(|| {
            let node = Node { place, value: Value::Null };
            entries.push(Entry { key: section.to_owned(), key_place: place, node });
            entries.len() - 1
        });
        let node = &mut entries[at].node;
        match &mut node.value {
            Value::Map(entries) => entries.push(entry),
            Value::Null => node.value = Value::Map(vec![entry]),
            _ => {}
        }
    };
    if needs_load_balancer {
        add("loadBalancers", "default".to_owned());
    }
    for name in undescribed {
        add("applications", name);
    }
    Node { place, value: Value::Map(entries) }
}

/// Names of containers that no application describes.
fn undescribed_containers(root: &Node) -> Vec<String> {
    let entries = |name: &str| match root.get(name).map(|it| &it.value) {
        Some(Value::Map(entries)) => entries.as_slice(),
        _ => &[],
    };
    let applications = entries("applications");
    let mut names: Vec<String> = Vec::new();
    for definition in entries("taskDefinitions") {
        let family = definition.key.split(':').next().unwrap_or_default();
        let Some(Value::List(containers)) = definition.node.get("containerDefinitions").map(|it| &it.value) else {
            continue;
        };
        for name in containers.iter().filter_map(|it| it.get("name")?.text()) {
            let is_its_own = |key: &str| match key.rsplit_once('/') {
                Some((owner, container)) => container == name && owner.split(':').next() == Some(family),
                None => key == name,
            };
            if !names.iter().any(|it| it == name) && !applications.iter().any(|it| is_its_own(&it.key)) {
                names.push(name.to_owned());
            }
        }
    }
    names
}

/// The wrappers of a section's values, where it is one of AWS's.
pub fn wrappers(section: &str) -> &'static [&'static str] {
    SECTIONS.iter().find(|it| it.name == section).map_or(&[], |it| it.wrappers)
}

/// The list in `{"services": [...]}`, where that is all the section holds.
fn wrapped_list<'n>(section: &Section, node: &'n Node) -> Option<&'n Node> {
    let Value::Map(entries) = &node.value else { return None };
    let is_wrapper = |entry: &&Entry| {
        matches!(entry.node.value, Value::List(_)) && section.wrappers.iter().any(|it| is_same_field(it, &entry.key))
    };
    entries.iter().find(is_wrapper).map(|it| &it.node)
}

/// What describe output has beside the wrapped value.
const BESIDE: &[&str] = &["failures", "nextToken", "responseMetadata"];

/// One value without its wrapper. What stands beside the wrapper belongs to the value, and wins over what it says.
fn unwrapped(reader: &mut Reader<'_>, section: &Section, node: Node) -> Node {
    for &wrapper in section.wrappers {
        // A service has a field `taskDefinition` too, but that is a text.
        let inner = match node.get(wrapper) {
            Some(inner) if matches!(inner.value, Value::Map(_)) => inner.clone(),
            Some(Node { value: Value::List(items), .. }) if items.len() == 1 => items[0].clone(),
            // A service has a list `loadBalancers` too, but it is not in the section of that name.
            Some(Node { value: Value::List(items), place }) => {
                let message = format!("`{wrapper}` holds {} entries; here is room for one", items.len());
                reader.refuse(Problem::new(*place, message).help("keep the one that is meant"));
                continue;
            }
            _ => continue,
        };
        let Value::Map(mut beside) = node.value else { return inner };
        beside
            .retain(|it| !is_same_field(&it.key, wrapper) && !BESIDE.iter().any(|other| is_same_field(&it.key, other)));
        return patch::merge(inner, &Node { place: node.place, value: Value::Map(beside) });
    }
    match node.value {
        Value::List(mut items) if items.len() == 1 => items.remove(0),
        value => Node { place: node.place, value },
    }
}

/// An item of a list, under the name that it carries.
fn named(reader: &mut Reader<'_>, section: &Section, item: Node) -> Option<Entry> {
    let item = unwrapped(reader, section, item);
    let own = section.own_names.iter().find_map(|it| item.get(it));
    match own.and_then(|it| it.text().map(|text| (last_name(text).to_owned(), it.place))) {
        Some((key, key_place)) => Some(Entry { key, key_place, node: item }),
        None => {
            let message = format!("an item of `{}` carries no name of its own", section.name);
            let help = format!("write the section as a map keyed by name, or give `{}`", section.own_names[0]);
            reader.refuse(Problem::new(item.place, message).help(help));
            None
        }
    }
}

/// Takes the fields in which a value names itself; the key of the map wins over them.
pub fn check_own_name(reader: &mut Reader<'_>, fields: &mut Fields<'_>, section: &str, key: &str) {
    let section = SECTIONS.iter().find(|it| it.name == section);
    for own in section.map_or(&[][..], |it| it.own_names) {
        let said = fields.take(own).and_then(Node::text).map(last_name);
        if let Some(said) = said.filter(|it| *it != key) {
            reader.note(format!("{} says `{own}: {said}`; its name here is `{key}`", fields.of));
        }
    }
}
