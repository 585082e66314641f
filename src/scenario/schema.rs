//! The JSON Schema of scenario files, for editors: what the readers ask for while they read a file that has everything.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::OnceLock;

use serde_json::{Map, Value as Json, json};

use crate::scenario::reader::SCENARIO;
use crate::scenario::record::{AskedMap, Kind, Record, Usual};
use crate::scenario::sections;
use crate::scenario::story::{Look, read_and_look};
use crate::scenario::tree::{Node, Value, is_same_field};

/// A scenario with every section and every field, so that reading it asks every question there is.
const COMPLETE: &str = include_str!("complete.yaml");

/// Marks a field that nobody was seen to read.
const UNREAD: &str = "unread";

/// The JSON Schema (draft 2020-12) of a scenario file, ending in a newline.
pub fn schema() -> String {
    let mut schema = marked_schema();
    visit(&mut schema, &mut |_, it| drop(it.remove(UNREAD)));
    let mut text = serde_json::to_string_pretty(&schema).expect("JSON can be written");
    text.push('\n');
    text
}

/// Visits every object of a schema, with the name it stands under.
fn visit(schema: &mut Json, seen: &mut dyn FnMut(&str, &mut Map<String, Json>)) {
    fn go(name: &str, schema: &mut Json, seen: &mut dyn FnMut(&str, &mut Map<String, Json>)) {
        match schema {
            Json::Object(object) => {
                seen(name, object);
                object.iter_mut().for_each(|(name, it)| go(name, it, seen));
            }
            Json::Array(items) => items.iter_mut().for_each(|it| go(name, it, seen)),
            _ => {}
        }
    }
    go("", schema, seen);
}

fn marked_schema() -> Json {
    let mut schema = Json::Null;
    look_at_complete(&mut |root, variants, record| schema = whole(root, variants, record));
    schema
}

/// Reads the complete scenario, and looks at what is asked of it.
fn look_at_complete(look: Look<'_>) {
    let story = read_and_look(
        Path::new("complete.yaml"),
        &mut |path| {
            if path.ends_with("tasks.csv") {
                return Ok(Vec::from("arrival_s\n0\n"));
            }
            let extension = path.extension().and_then(|it| it.to_str());
            Ok(Vec::from(match extension {
                Some("csv") => "count\n1\n",
                Some("json") => r#"{"Datapoints": [{"Timestamp": 0, "Sum": 1}]}"#,
                Some("log") => "http 2026-03-01T12:00:00Z - - - 0 0 0 200 200 0 0 -",
                _ => COMPLETE,
            }))
        },
        Some(look),
    );
    if let Err(problems) = story {
        unreachable!("the complete scenario is sound: {}", problems.render(false));
    }
}

/// Where fields of a name belong: the ways there from the top of a file, such as `assumptions` or `services.NAME`, in its order; none
/// where no reader asks for such a field, or where it is a section itself.
pub fn homes_of(field: &str) -> &'static [String] {
    static HOMES: OnceLock<BTreeMap<String, Vec<String>>> = OnceLock::new();
    let homes = HOMES.get_or_init(|| {
        let mut homes = BTreeMap::new();
        look_at_complete(&mut |root, _, record| find_homes(root, record, "", &mut homes));
        homes
    });
    let homes = [Some(field.to_owned()), (!field.is_empty()).then(|| in_other_case(field))].map(|it| homes.get(&it?));
    homes.into_iter().flatten().next().map_or(&[], Vec::as_slice)
}

fn find_homes(node: &Node, record: &Record, way: &str, homes: &mut BTreeMap<String, Vec<String>>) {
    for field in record.map_of(node).iter().flat_map(|it| &it.fields).filter(|_| !way.is_empty()) {
        let of_field = homes.entry(field.name.to_owned()).or_default();
        if of_field.iter().all(|it| it != way) {
            of_field.push(way.to_owned());
        }
    }
    let is_named = record.kind(node) == Some(&Kind::Named);
    for (key, child) in children(node) {
        let step = if is_named { "NAME" } else { key };
        let way = match (way, step) {
            (way, "") => way.to_owned(),
            ("", step) => step.to_owned(),
            (way, step) => format!("{way}.{step}"),
        };
        find_homes(child, record, &way, homes);
    }
}

fn whole(root: &Node, variants: Option<&Node>, record: &Record) -> Json {
    let mut definitions = Map::from_iter([(
        "span".to_owned(),
        json!({
            "description": "A length of time: 250ms, 30s, 5m, 1h30m, 2d",
            "type": "string",
            "pattern": r"^\s*([0-9.]+\s*(ns|us|ms|s|m|min|h|d)\s*)+$",
        }),
    )]);
    let mut builder = Builder { record, definitions: &mut definitions };
    let mut schema = builder.of(root, SCENARIO);
    if let Some(variants) = variants {
        schema["properties"]["variants"] = builder.of(variants, "variants");
    }
    schema["$schema"] = json!("https://json-schema.org/draft/2020-12/schema");
    schema["title"] = json!("Plimsoll scenario");
    schema["$defs"] = Json::Object(definitions);
    schema
}

struct Builder<'a> {
    record: &'a Record,
    definitions: &'a mut Map<String, Json>,
}

impl Builder<'_> {
    /// The schema of a value that stands under `name`.
    fn of(&mut self, node: &Node, name: &str) -> Json {
        let record = self.record;
        let map = record.map_of(node).map(|asked| self.map(node, asked));
        match (record.kind(node), map) {
            (Some(Kind::OneOf(name)), Some(mut map)) => {
                map["minProperties"] = json!(1);
                map["maxProperties"] = json!(1);
                self.define(name, map)
            }
            (Some(Kind::Distribution), map) => {
                if let Some(mut map) = map {
                    map["minProperties"] = json!(1);
                    map["maxProperties"] = json!(1);
                    self.define("law", map);
                }
                json!({"anyOf": [{"$ref": "#/$defs/span"}, {"$ref": "#/$defs/law"}]})
            }
            (_, Some(map)) => map,
            (Some(Kind::Text), None) => json!({"type": ["string", "number"]}),
            (Some(Kind::Flag), None) => json!({"type": "boolean"}),
            (Some(Kind::Whole(low, high)), None) if *high >= u64::from(u32::MAX) => {
                json!({"type": "integer", "minimum": low})
            }
            (Some(Kind::Whole(low, high)), None) => json!({"type": "integer", "minimum": low, "maximum": high}),
            (Some(Kind::Number(low, high)), None) => {
                let mut number = json!({"type": "number"});
                for (bound, value) in [("minimum", low), ("maximum", high)] {
                    if value.abs() < f64::MAX {
                        number[bound] = json!(value);
                    }
                }
                number
            }
            (Some(Kind::Span), None) => json!({"$ref": "#/$defs/span"}),
            (Some(Kind::Parsed), None) => json!({"type": ["string", "number"]}),
            (Some(Kind::Words(words)), None) => json!({"enum": words}),
            (Some(Kind::List), None) => {
                let items = children(node).map(|(_, it)| self.of(it, name)).reduce(union).unwrap_or(json!({}));
                json!({"type": ["array", "string", "null"], "pattern": "^file://", "items": items})
            }
            (Some(Kind::Named), None) => {
                let mut entry = children(node).map(|(_, it)| self.of(it, name)).reduce(union).unwrap_or(json!({}));
                let wrappers = sections::wrappers(name);
                if !wrappers.is_empty() {
                    // As `describe-*` gives it.
                    let wrapped = wrappers.iter().map(|it| json!({"type": "object", "required": [it]}));
                    entry = json!({"anyOf": std::iter::once(entry).chain(wrapped).collect::<Vec<_>>()});
                }
                let kinds = if wrappers.is_empty() { json!(["object", "null"]) } else { json!(["object", "array"]) };
                json!({"type": kinds, "additionalProperties": entry})
            }
            (Some(Kind::OneOf(_)) | None, None) => json!({ UNREAD: true }),
        }
    }

    fn define(&mut self, name: &str, schema: Json) -> Json {
        let schema = match self.definitions.remove(name) {
            Some(known) => union(known, schema),
            None => schema,
        };
        self.definitions.insert(name.to_owned(), schema);
        json!({"$ref": format!("#/$defs/{name}")})
    }

    /// The schema of a map that is read field by field.
    fn map(&mut self, node: &Node, asked: &AskedMap) -> Json {
        let mut properties = Map::new();
        let mut other_case = vec!["<<".to_owned()];
        let mut required = Vec::new();
        for field in &asked.fields {
            let entry = children(node).find(|(key, _)| is_same_field(key, field.name));
            let mut schema = match (entry, &field.usual) {
                (Some((_, node)), _) => self.of(node, field.name),
                (None, Some(Usual::Map(number))) => {
                    let asked = self.record.map(*number);
                    self.map(&Node { place: node.place, value: Value::Null }, asked)
                }
                (None, _) => json!({ UNREAD: true }),
            };
            if sections::is_json_text(field.name) && schema.get("pattern").is_some() {
                schema["pattern"] = json!(r"^(file://|\s*\{)");
            }
            if let Some(Usual::Value(Node { value: Value::Scalar { text, .. }, .. })) = &field.usual {
                schema["default"] = serde_json::from_str(text).unwrap_or_else(|_| json!(text));
            }
            properties.insert(field.name.to_owned(), schema);
            let other = in_other_case(field.name);
            if field.is_required {
                required.push(json!({"anyOf": [{"required": [field.name]}, {"required": [other]}]}));
            }
            other_case.push(other);
        }
        let shape = asked.shape.iter().flat_map(|it| it.not_simulated.iter().chain(it.accepted));
        for name in shape {
            properties.entry(*name).or_insert(json!({}));
            other_case.push(in_other_case(name));
        }
        other_case.retain(|it| !properties.contains_key(it));
        let mut map = json!({
            "type": ["object", "string", "null"],
            "pattern": "^file://",
            "properties": properties,
            "patternProperties": { format!("^({})$", other_case.join("|")): {} },
            "additionalProperties": false,
        });
        if !required.is_empty() {
            map["allOf"] = Json::Array(required);
        }
        map
    }
}

fn children(node: &Node) -> impl Iterator<Item = (&str, &Node)> {
    let (entries, items) = match &node.value {
        Value::Map(entries) => (entries.as_slice(), &[][..]),
        Value::List(items) => (&[][..], items.as_slice()),
        _ => (&[][..], &[][..]),
    };
    entries.iter().map(|it| (it.key.as_str(), &it.node)).chain(items.iter().map(|it| ("", it)))
}

fn in_other_case(name: &str) -> String {
    let (first, rest) = name.split_at(1);
    let lower = first.to_ascii_lowercase();
    if lower == first { first.to_ascii_uppercase() + rest } else { lower + rest }
}

/// What either of two schemas allows: of two maps, the fields of both, and required what both require.
fn union(one: Json, other: Json) -> Json {
    let is_map = |it: &Json| it.get("properties").is_some();
    let is_list = |it: &Json| it.get("items").is_some();
    let is_unread = |it: &Json| it.get(UNREAD).is_some();
    match (one, other) {
        (one, other) if one == other || is_unread(&other) => one,
        (one, other) if is_unread(&one) => other,
        (one, other) if is_map(&one) && is_map(&other) => union_of_maps(one, other),
        (mut one, mut other) if is_list(&one) && is_list(&other) => {
            let (of_one, of_other) = (one["items"].take(), other["items"].take());
            // Nothing is known of what an empty list holds.
            one["items"] = if of_one == json!({}) {
                of_other
            } else if of_other == json!({}) {
                of_one
            } else {
                union(of_one, of_other)
            };
            one
        }
        (one, other) => {
            let mut any = match one.get("anyOf") {
                Some(Json::Array(any)) if one.as_object().is_some_and(|it| it.len() == 1) => any.clone(),
                _ => vec![one],
            };
            if !any.contains(&other) {
                any.push(other);
            }
            json!({ "anyOf": any })
        }
    }
}

fn union_of_maps(one: Json, mut other: Json) -> Json {
    let mut map = one;
    let both: Vec<Json> = match (&map["allOf"], &other["allOf"]) {
        (Json::Array(ones), Json::Array(others)) => ones.iter().filter(|it| others.contains(it)).cloned().collect(),
        _ => Vec::new(),
    };
    if let (Some(properties), Json::Object(others)) = (map["properties"].as_object_mut(), other["properties"].take()) {
        for (name, schema) in others {
            let schema = match properties.remove(&name) {
                Some(known) => union(known, schema),
                None => schema,
            };
            properties.insert(name, schema);
        }
    }
    let patterns = |it: &Json| -> Vec<String> {
        let keys = it["patternProperties"].as_object().into_iter().flat_map(|it| it.keys());
        keys.flat_map(|it| it.trim_matches(['^', '(', ')', '$']).split('|')).map(str::to_owned).collect()
    };
    let mut names = patterns(&map);
    for name in patterns(&other) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    map["patternProperties"] = json!({ format!("^({})$", names.join("|")): {} });
    if let Some(map) = map.as_object_mut() {
        map.remove("allOf");
        if !both.is_empty() {
            map.insert("allOf".to_owned(), Json::Array(both));
        }
    }
    map
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_complete_scenario_has_every_field() {
        let mut unread = Vec::new();
        visit(&mut marked_schema(), &mut |name, it| {
            if it.contains_key(UNREAD) {
                unread.push(name.to_owned());
            }
        });
        unread.sort();
        unread.dedup();
        // A value's own name, another spelling, what is refused to run, or what has no form of its own.
        let own_names = [
            "AlarmName",
            "AutoScalingGroupName",
            "LoadBalancerName",
            "Name",
            "PolicyName",
            "ResourceId",
            "ScheduledActionName",
            "TargetGroupName",
            "VPCZoneIdentifier",
            "capacityProviderName",
            "family",
            "id",
            "name",
            "revision",
            "serviceName",
        ];
        // The complete service names a target group, and a Classic Load Balancer has none.
        let other_spellings =
            ["ListenerArn", "LoadBalancerArns", "autoScalingGroupName", "clusterName", "loadBalancerName"];
        let refused = [
            "CustomizedCapacityMetricSpecification",
            "CustomizedLoadMetricSpecification",
            "CustomizedScalingMetricSpecification",
            "PredefinedLoadMetricSpecification",
            "PredefinedScalingMetricSpecification",
            "advancedConfiguration",
            "s3filesVolumeConfiguration",
        ];
        let formless = [
            "alarms",
            "attributes",
            "dockerVolumeConfiguration",
            "fsxWindowsFileServerVolumeConfiguration",
            "host",
            "items",
            "patch",
            "principalArn",
        ];
        // Of these an action has one: the others have their form beside it. Predictive scaling takes a label and looks at none.
        let alternatives = ["Arn", "FixedResponseConfig", "ForwardConfig", "RedirectConfig", "ResourceLabel"];
        let mut by_hand = [&own_names[..], &other_spellings, &refused, &formless, &alternatives].concat();
        by_hand.sort_unstable();
        assert_eq!(unread, by_hand);
    }
}
