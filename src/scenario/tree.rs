//! A file as a tree that knows where everything stands; the only place that knows the YAML parser.

use std::ops::Range;

use serde_saphyr::granit_parser::{Event, Parser, ScalarStyle, Span};

use crate::scenario::problem::Problem;

/// Where something stands: a file by its number, and bytes in it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The file's number among those that were read.
    pub file: usize,
    /// First byte.
    pub start: usize,
    /// First byte behind it.
    pub end: usize,
}

impl Place {
    /// The bytes.
    pub fn range(&self) -> Range<usize> {
        self.start..self.end
    }
}

/// A value and where it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// Where.
    pub place: Place,
    /// What.
    pub value: Value,
}

/// A value.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A word or number as it was written, and whether in quotes.
    Scalar {
        /// Without its quotes.
        text: String,
        /// Whether it had some.
        is_quoted: bool,
    },
    /// A list.
    List(Vec<Node>),
    /// A map, in the file's order, without two equal keys.
    Map(Vec<(Key, Node)>),
}

/// A key of a map.
#[derive(Clone, Debug, PartialEq)]
pub struct Key {
    /// As written.
    pub text: String,
    /// Where.
    pub place: Place,
}

/// Most nodes of a file, what aliases stand for included.
const NODES_MAXIMUM: usize = 200_000;
/// Most nodes within one another.
const DEPTH_MAXIMUM: usize = 64;

/// Reads a file's text.
///
/// # Errors
/// What is wrong with it; the first thing only, as what follows a syntax error means nothing.
pub fn parse(file: usize, text: &str) -> Result<Node, Problem> {
    let mut builder = Builder { file, length: text.len(), anchors: Vec::new(), nodes: 0 };
    let mut events = Parser::new_from_str(text);
    let mut next = || match events.next_event() {
        None => Ok(None),
        Some(Ok((event, span))) => Ok(Some((event, span))),
        Some(Err(error)) => {
            let at = error.marker().byte_offset().unwrap_or(0).min(text.len());
            Err(Problem::at(builder_place(file, at, at, text.len()), format!("this is not YAML: {}", error.info())))
        }
    };
    let mut root = None;
    while let Some((event, span)) = next()? {
        match event {
            Event::StreamStart | Event::StreamEnd | Event::DocumentStart(..) | Event::DocumentEnd => {}
            event if root.is_none() => root = Some(builder.node(event, span, 0, &mut next)?),
            _ => {
                let place = builder.place(&span);
                return Err(Problem::at(place, "a second document".to_owned()).expected("one document in a file"));
            }
        }
    }
    match root {
        Some(Node { value: Value::Scalar { text, is_quoted: false }, .. }) if text.is_empty() || text == "~" => None,
        root => root,
    }
    .ok_or_else(|| Problem::at(builder_place(file, 0, 0, text.len()), "the file is empty".to_owned()))
}

fn builder_place(file: usize, start: usize, end: usize, length: usize) -> Place {
    let start = start.min(length);
    Place { file, start, end: end.clamp(start, length) }
}

struct Builder {
    file: usize,
    length: usize,
    anchors: Vec<(usize, Node, usize)>,
    nodes: usize,
}

type Next<'a, 'input> = &'a mut dyn FnMut() -> Result<Option<(Event<'input>, Span)>, Problem>;

impl Builder {
    fn place(&self, span: &Span) -> Place {
        let range = span.byte_range().unwrap_or(0..0);
        builder_place(self.file, range.start, range.end, self.length)
    }

    fn node(&mut self, event: Event, span: Span, depth: usize, next: Next) -> Result<Node, Problem> {
        let place = self.place(&span);
        let before = self.nodes;
        self.count(1, &place)?;
        if depth > DEPTH_MAXIMUM {
            return Err(Problem::at(place, format!("more than {DEPTH_MAXIMUM} levels within one another")));
        }
        let (anchor, node) = match event {
            Event::Scalar(text, style, anchor, _) => {
                let is_quoted = style != ScalarStyle::Plain;
                (anchor, Node { place, value: Value::Scalar { text: text.into_owned(), is_quoted } })
            }
            Event::SequenceStart(_, anchor, _) => {
                let mut items = Vec::new();
                let end = loop {
                    match next()? {
                        Some((Event::SequenceEnd, span)) => break self.place(&span).end,
                        Some((event, span)) => items.push(self.node(event, span, depth + 1, next)?),
                        None => break self.length,
                    }
                };
                (anchor, Node { place: Place { end: end.max(place.end), ..place }, value: Value::List(items) })
            }
            Event::MappingStart(_, anchor, _) => {
                let mut entries: Vec<(Key, Node)> = Vec::new();
                let end = loop {
                    let key = match next()? {
                        Some((Event::MappingEnd, span)) => break self.place(&span).end,
                        Some((Event::Scalar(text, ..), span)) => {
                            Key { text: text.into_owned(), place: self.place(&span) }
                        }
                        Some((_, span)) => {
                            return Err(Problem::at(self.place(&span), "a key that is not a word".to_owned()));
                        }
                        None => break self.length,
                    };
                    if entries.iter().any(|(other, _)| other.text == key.text) {
                        let message = format!("the key `{}` stands twice", key.text);
                        return Err(Problem::at(key.place, message).expected("each key once"));
                    }
                    let Some((event, span)) = next()? else { break self.length };
                    let value = self.node(event, span, depth + 1, next)?;
                    entries.push((key, value));
                };
                (anchor, Node { place: Place { end: end.max(place.end), ..place }, value: Value::Map(entries) })
            }
            Event::Alias(anchor) => {
                let found = self.anchors.iter().find(|(id, ..)| *id == anchor);
                let (node, size) = found
                    .map(|(_, node, size)| (node.clone(), *size))
                    .ok_or_else(|| Problem::at(place.clone(), "an alias within what it stands for".to_owned()))?;
                self.count(size, &place)?;
                return Ok(node);
            }
            _ => return Err(Problem::at(place, "a value was expected here".to_owned())),
        };
        if anchor > 0 {
            self.anchors.push((anchor, node.clone(), self.nodes - before));
        }
        Ok(node)
    }

    fn count(&mut self, nodes: usize, place: &Place) -> Result<(), Problem> {
        self.nodes += nodes;
        if self.nodes > NODES_MAXIMUM {
            let message = format!("more than {NODES_MAXIMUM} values, what aliases stand for included");
            return Err(Problem::at(place.clone(), message));
        }
        Ok(())
    }
}

/// Whether two keys are one in AWS's either case: `minSize` and `MinSize`.
pub fn is_same_key(one: &str, other: &str) -> bool {
    let (mut a, mut b) = (one.chars(), other.chars());
    match (a.next(), b.next()) {
        (Some(first), Some(second)) => first.eq_ignore_ascii_case(&second) && a.as_str() == b.as_str(),
        (None, None) => true,
        _ => false,
    }
}

/// Lays a patch over a tree (JSON merge patch, RFC 7396): maps merge, `null` removes, all else replaces.
pub fn merge(base: &Node, patch: &Node) -> Node {
    let Value::Map(changes) = &patch.value else { return patch.clone() };
    let mut entries = match &base.value {
        Value::Map(entries) => entries.clone(),
        _ => Vec::new(),
    };
    for (key, change) in changes {
        let found = entries.iter().position(|(other, _)| is_same_key(&other.text, &key.text));
        if is_null(change) {
            if let Some(place) = found {
                entries.remove(place);
            }
            continue;
        }
        let empty = Node { place: change.place.clone(), value: Value::Map(Vec::new()) };
        match found {
            Some(place) => entries[place].1 = merge(&entries[place].1, change),
            None => entries.push((key.clone(), merge(&empty, change))),
        }
    }
    let place = if matches!(base.value, Value::Map(_)) { base.place.clone() } else { patch.place.clone() };
    Node { place, value: Value::Map(entries) }
}

/// Whether a value is YAML's null.
pub fn is_null(node: &Node) -> bool {
    matches!(&node.value, Value::Scalar { text, is_quoted: false } if matches!(text.as_str(), "" | "~" | "null"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(text: &str) -> Node {
        parse(0, text).unwrap_or_else(|problem| panic!("{problem:?}"))
    }

    fn written(node: &Node) -> String {
        match &node.value {
            Value::Scalar { text, .. } => text.clone(),
            Value::List(items) => format!("[{}]", items.iter().map(written).collect::<Vec<_>>().join(",")),
            Value::Map(entries) => {
                let entries: Vec<String> =
                    entries.iter().map(|(key, it)| format!("{}:{}", key.text, written(it))).collect();
                format!("{{{}}}", entries.join(","))
            }
        }
    }

    #[test]
    fn places_are_bytes_of_the_file() {
        let text = "services:\n  wéb: { desiredCount: 010 }\n";
        let Value::Map(sections) = tree(text).value else { panic!("a map") };
        let Value::Map(services) = &sections[0].1.value else { panic!("a map") };
        assert_eq!(&text[services[0].0.place.range()], "wéb");
        let Value::Map(fields) = &services[0].1.value else { panic!("a map") };
        assert_eq!(&text[fields[0].1.place.range()], "010");
    }

    #[test]
    fn rfc_7396_patches() {
        for (base, patch, expected) in [
            ("{a: b}", "{a: c}", "{a:c}"),
            ("{a: b}", "{b: c}", "{a:b,b:c}"),
            ("{a: b}", "{a: null}", "{}"),
            ("{a: b, b: c}", "{a: null}", "{b:c}"),
            ("{a: [b]}", "{a: c}", "{a:c}"),
            ("{a: c}", "{a: [b]}", "{a:[b]}"),
            ("{a: {b: c}}", "{a: {b: d, c: null}}", "{a:{b:d}}"),
            ("{a: [{b: c}]}", "{a: [1]}", "{a:[1]}"),
            ("{a: 1}", "{a: {bb: {ccc: null}}}", "{a:{bb:{}}}"),
            ("{MinSize: 1}", "{minSize: 2}", "{MinSize:2}"),
        ] {
            assert_eq!(written(&merge(&tree(base), &tree(patch))), expected, "{base} with {patch}");
        }
    }

    #[test]
    fn an_alias_bomb_is_refused() {
        let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for level in 1..9 {
            let inside = vec![format!("*a{}", level - 1); 10].join(", ");
            text += &format!("a{level}: &a{level} [{inside}]\n");
        }
        assert!(parse(0, &text).expect_err("it is a bomb").message.contains("aliases"));
    }
}
