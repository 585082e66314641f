//! A scenario file with all its defaults written out.

use std::path::Path;

use serde::ser::{Serialize, SerializeMap, SerializeSeq, Serializer};
use serde_saphyr::Commented;

use crate::scenario::problem::Problems;
use crate::scenario::quantity;
use crate::scenario::reader::Open;
use crate::scenario::record::{AskedMap, Record, Usual};
use crate::scenario::story::read_and_look;
use crate::scenario::tree::{Entry, Node, Value, is_same_field};

/// The unpatched file as YAML, the files it names in their places, each default behind a comment that says so. Reading
/// it gives the same scenario.
///
/// Refuses what [`read`](crate::scenario::read) refuses.
pub fn with_defaults(path: &Path, open: Open<'_>) -> Result<String, Problems> {
    let mut text = String::new();
    let story = read_and_look(
        path,
        open,
        Some(&mut |root, variants, record| {
            let whole = Whole { root, variants, record };
            text = serde_saphyr::to_string(&whole).expect("a tree of texts, numbers, lists and maps can be written");
        }),
    )?;
    let source = String::from_utf8_lossy(&story.inputs[0].1);
    let comment: String = source.lines().take_while(|it| it.starts_with('#')).map(|it| format!("{it}\n")).collect();
    Ok(comment + &text)
}

struct Whole<'a> {
    root: &'a Node,
    variants: Option<&'a Node>,
    record: &'a Record,
}

impl Serialize for Whole<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Whole { root, variants, record } = *self;
        let mut map = serializer.serialize_map(None)?;
        if let (Value::Map(entries), Some(asked)) = (&root.value, record.map_of(root)) {
            put(&mut map, entries, Some(asked), record)?;
        }
        if let Some(variants) = variants {
            map.serialize_entry("variants", &Shown { node: variants, record })?;
        }
        map.end()
    }
}

/// A value with the defaults inside it.
struct Shown<'a> {
    node: &'a Node,
    record: &'a Record,
}

impl Serialize for Shown<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Shown { node, record } = *self;
        match (&node.value, record.map_of(node)) {
            (Value::Map(entries), asked) => {
                let mut map = serializer.serialize_map(None)?;
                put(&mut map, entries, asked, record)?;
                map.end()
            }
            (Value::Null, Some(asked)) => Absent { asked, record }.serialize(serializer),
            (Value::Null | Value::Unread, _) => serializer.serialize_unit(),
            (Value::List(items), _) => {
                let mut list = serializer.serialize_seq(Some(items.len()))?;
                for node in items {
                    list.serialize_element(&Shown { node, record })?;
                }
                list.end()
            }
            (Value::Scalar { text, is_quoted: false }, _) => match (text.as_str(), quantity::number(text)) {
                ("true", _) => serializer.serialize_bool(true),
                ("false", _) => serializer.serialize_bool(false),
                (text, Some(number)) => match text.parse::<i64>() {
                    Ok(whole) => serializer.serialize_i64(whole),
                    Err(_) => serializer.serialize_f64(number),
                },
                (text, None) => serializer.serialize_str(text),
            },
            (Value::Scalar { text, .. }, _) => serializer.serialize_str(text),
        }
    }
}

/// A map that is not there, as it is read.
struct Absent<'a> {
    asked: &'a AskedMap,
    record: &'a Record,
}

impl Absent<'_> {
    fn says_something(&self) -> bool {
        self.asked.fields.iter().any(|it| match &it.usual {
            Some(Usual::Value(_) | Usual::Rule(_)) => true,
            Some(Usual::Map(number)) => Absent { asked: self.record.map(*number), ..*self }.says_something(),
            _ => false,
        })
    }
}

impl Serialize for Absent<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        put(&mut map, &[], Some(self.asked), self.record)?;
        map.end()
    }
}

/// Puts what is there into a map, and then what is not.
fn put<M: SerializeMap>(
    map: &mut M,
    entries: &[Entry],
    asked: Option<&AskedMap>,
    record: &Record,
) -> Result<(), M::Error> {
    let fields = asked.map_or(&[][..], |it| &it.fields);
    let usual = |key: &str| fields.iter().find(|it| is_same_field(it.name, key)).and_then(|it| it.usual.as_ref());
    for entry in entries.iter().filter(|it| it.node.value != Value::Null || usual(&it.key).is_none()) {
        map.serialize_entry(&entry.key, &Shown { node: &entry.node, record })?;
    }
    let is_there = |name: &str| entries.iter().any(|it| is_same_field(&it.key, name) && it.node.value != Value::Null);
    for field in fields.iter().filter(|it| !is_there(it.name)) {
        match &field.usual {
            Some(Usual::Value(node)) => {
                map.serialize_entry(field.name, &Commented(Shown { node, record }, "default".to_owned()))?;
            }
            Some(Usual::Map(number)) => {
                let absent = Absent { asked: record.map(*number), record };
                if absent.says_something() {
                    map.serialize_entry(field.name, &absent)?;
                }
            }
            Some(Usual::Rule(words)) => {
                map.serialize_entry(field.name, &Commented((), format!("usually {words}")))?;
            }
            Some(Usual::Differs) | None => {}
        }
    }
    Ok(())
}
