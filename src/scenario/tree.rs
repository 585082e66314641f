//! YAML and JSON as a tree in which everything keeps its place. The only file that knows the parser.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::options::{DuplicateKeyPolicy, MergeKeyPolicy, NonFiniteFloatPolicy};
use serde_saphyr::{DefaultMessageFormatter, Error, Location, MessageFormatter, Spanned};

use crate::scenario::problem::{Place, Problem};

/// A value and where it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// Where.
    pub place: Place,
    /// What.
    pub value: Value,
}

/// What a node holds.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Nothing: `null`, `~` or an empty place.
    Null,
    /// Anything written as one word or string, in its own spelling: `010`, `1e3` and `yes` stay as they are.
    Scalar {
        /// The text, without quotes.
        text: String,
        /// Whether it stands in quotes (or is a block of text), so that it is neither number nor boolean.
        is_quoted: bool,
    },
    /// A list.
    List(Vec<Node>),
    /// A map, in the file's order.
    Map(Vec<Entry>),
    /// What stood in a file that could not be read; that was said, so nobody complains again.
    Unread,
}

/// An entry of a map.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// Key.
    pub key: String,
    /// Where the key stands.
    pub key_place: Place,
    /// Value.
    pub node: Node,
}

impl Node {
    /// Whether it says nothing: null, or an empty string, list or map.
    pub fn is_blank(&self) -> bool {
        match &self.value {
            Value::Null | Value::Unread => true,
            Value::Scalar { text, .. } => text.is_empty(),
            Value::List(items) => items.is_empty(),
            Value::Map(entries) => entries.is_empty(),
        }
    }

    /// The text of a scalar.
    pub fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Scalar { text, .. } => Some(text),
            _ => None,
        }
    }

    /// What kind of value it is, in words.
    pub fn kind(&self) -> &'static str {
        match &self.value {
            Value::Null | Value::Unread => "nothing",
            Value::Scalar { is_quoted: true, .. } => "a string",
            Value::Scalar { .. } => "a single value",
            Value::List(_) => "a list",
            Value::Map(_) => "a map",
        }
    }

    /// The value under a key of a map, in either of AWS's cases.
    pub fn get(&self, name: &str) -> Option<&Node> {
        match &self.value {
            Value::Map(entries) => entries.iter().find(|it| is_same_field(&it.key, name)).map(|it| &it.node),
            _ => None,
        }
    }
}

/// Whether two names are one field in AWS's two cases: `minSize` and `MinSize`.
pub fn is_same_field(one: &str, other: &str) -> bool {
    let mut ones = one.chars();
    let mut others = other.chars();
    match (ones.next(), others.next()) {
        (Some(a), Some(b)) => a.eq_ignore_ascii_case(&b) && ones.as_str() == others.as_str(),
        (a, b) => a == b,
    }
}

/// Most values in one file, with room for AWS's quotas of 5,000 services; in all copies that its aliases make; and most
/// levels.
const NODES_MAXIMUM: usize = 1_000_000;
const ALIAS_COPIES_MAXIMUM: usize = 100_000;
const DEPTH_MAXIMUM: usize = 32;

/// The tree of the text of file number `file`; a file without any value is `null`.
pub fn parse(text: &str, file: usize) -> Result<Node, Box<Problem>> {
    // The parser stops at the first fault, and is kept from spending more than a sound file needs.
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_nodes: NODES_MAXIMUM,
            max_events: 4 * NODES_MAXIMUM,
            max_depth: DEPTH_MAXIMUM,
            flow_nesting_limit: DEPTH_MAXIMUM,
            max_aliases: 10_000,
            max_anchors: 10_000,
            max_documents: 2,
            enforce_alias_anchor_ratio: false,
        },
        alias_limits: serde_saphyr::alias_limits! {
            max_total_replayed_events: ALIAS_COPIES_MAXIMUM,
            max_replay_stack_depth: 16,
        },
        duplicate_keys: DuplicateKeyPolicy::Error,
        // `<<` is merged when files have been spliced, since it may name one.
        merge_keys: MergeKeyPolicy::AsOrdinary,
        strict_booleans: true,
        reject_unsupported_tags: true,
        non_finite_float_policy: NonFiniteFloatPolicy::PassThrough,
        with_snippet: false,
    };
    let raw: Spanned<Raw> =
        serde_saphyr::from_str_with_options(text, options).map_err(|it| Box::new(refusal(&it, text, file)))?;
    Ok(node(raw, text, file))
}

/// What the parser hands over; scalars that it takes for numbers or booleans carry no text, which the source has.
enum Raw {
    Null,
    Plain,
    Text(String),
    List(Vec<Spanned<Raw>>),
    Map(Vec<(Spanned<String>, Spanned<Raw>)>),
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Raw, D::Error> {
        struct RawVisitor;
        impl<'de> Visitor<'de> for RawVisitor {
            type Value = Raw;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a value")
            }
            fn visit_unit<E>(self) -> Result<Raw, E> {
                Ok(Raw::Null)
            }
            fn visit_none<E>(self) -> Result<Raw, E> {
                Ok(Raw::Null)
            }
            fn visit_bool<E>(self, _: bool) -> Result<Raw, E> {
                Ok(Raw::Plain)
            }
            fn visit_i64<E>(self, _: i64) -> Result<Raw, E> {
                Ok(Raw::Plain)
            }
            fn visit_u64<E>(self, _: u64) -> Result<Raw, E> {
                Ok(Raw::Plain)
            }
            fn visit_i128<E>(self, _: i128) -> Result<Raw, E> {
                Ok(Raw::Plain)
            }
            fn visit_u128<E>(self, _: u128) -> Result<Raw, E> {
                Ok(Raw::Plain)
            }
            fn visit_f64<E>(self, _: f64) -> Result<Raw, E> {
                Ok(Raw::Plain)
            }
            fn visit_str<E>(self, text: &str) -> Result<Raw, E> {
                Ok(Raw::Text(text.to_owned()))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Raw, A::Error> {
                let mut items = Vec::new();
                while let Some(item) = seq.next_element()? {
                    items.push(item);
                }
                Ok(Raw::List(items))
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Raw, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Raw::Map(entries))
            }
        }
        deserializer.deserialize_any(RawVisitor)
    }
}

fn node(raw: Spanned<Raw>, text: &str, file: usize) -> Node {
    let place = place(&raw.defined, text, file);
    let written = &text[place.start..place.end];
    let covering = |first: Option<Place>, last: Option<Place>| match (first, last) {
        (Some(first), Some(last)) => {
            Place { file, start: place.start.min(first.start), end: place.end.max(last.end).max(place.start) }
        }
        _ => place,
    };
    match raw.value {
        Raw::Null => Node { place, value: Value::Null },
        Raw::Plain => Node { place, value: Value::Scalar { text: written.trim().to_owned(), is_quoted: false } },
        Raw::Text(text) => {
            let is_quoted = written.starts_with(['"', '\'', '|', '>']) && written != text;
            Node { place, value: Value::Scalar { text, is_quoted } }
        }
        Raw::List(items) => {
            let items: Vec<Node> = items.into_iter().map(|it| node(it, text, file)).collect();
            let place = covering(items.first().map(|it| it.place), items.last().map(|it| it.place));
            Node { place, value: Value::List(items) }
        }
        Raw::Map(entries) => {
            let entries: Vec<Entry> = entries
                .into_iter()
                .map(|(key, value)| Entry {
                    key_place: self::place(&key.defined, text, file),
                    key: key.value,
                    node: node(value, text, file),
                })
                .collect();
            let place = covering(entries.first().map(|it| it.key_place), entries.last().map(|it| it.node.place));
            Node { place, value: Value::Map(entries) }
        }
    }
}

fn place(location: &Location, text: &str, file: usize) -> Place {
    let span = location.span();
    let whole = |it: u64| usize::try_from(it).unwrap_or(usize::MAX);
    match span.byte_offset() {
        Some(offset) => {
            let start = whole(offset).min(text.len());
            Place { file, start, end: start.saturating_add(whole(span.byte_len().unwrap_or(0))).min(text.len()) }
        }
        // Complaints of the scanner have a line and a column of characters only.
        None => {
            let before: usize = text.split_inclusive('\n').take(whole(location.line().max(1)) - 1).map(str::len).sum();
            let in_line: usize = text[before..]
                .chars()
                .take_while(|it| *it != '\n')
                .take(whole(location.column().max(1)) - 1)
                .map(char::len_utf8)
                .sum();
            Place { file, start: before + in_line, end: before + in_line }
        }
    }
}

/// The parser's complaint in our words, where ours are better.
fn refusal(error: &Error, text: &str, file: usize) -> Problem {
    let at = error.location().map_or(Place { file, start: 0, end: 0 }, |it| place(&it, text, file));
    let said = DefaultMessageFormatter.format_message(error.without_snippet()).into_owned();
    match error.without_snippet() {
        Error::DuplicateMappingKey { key, .. } => {
            Problem::new(at, format!("`{}` is given twice", key.as_deref().unwrap_or("a key")))
                .label("the second")
                .help("keep one of the two")
        }
        // Aliases of aliases, which a few lines can make into billions of values; the error's kind differs by where
        // it is met.
        _ if said.starts_with("alias replay") || said.starts_with("alias expansion") => {
            Problem::new(at, format!("the aliases of this file (`*name`) make more than {ALIAS_COPIES_MAXIMUM} copies"))
                .help("write the values out, or use fewer aliases within aliases")
        }
        Error::UnsupportedTag { .. } => Problem::new(at, format!("this is not plain YAML: {said}"))
            .help("tags such as CloudFormation's `!Ref` are not resolved here: write the value"),
        Error::Budget { .. } => Problem::new(
            at,
            format!("the file is too large or too deep: at most {NODES_MAXIMUM} values, {DEPTH_MAXIMUM} levels"),
        )
        .help("a scenario is written by hand; traces belong in a CSV"),
        Error::MultipleDocuments { .. } => Problem::new(at, "the file holds more than one document")
            .help("a scenario is one document: no second `---`"),
        _ => {
            let problem = Problem::new(at, format!("this is not YAML: {said}"));
            let line = text[..at.start].rfind('\n').map_or(0, |it| it + 1);
            let indent: String = text[line..].chars().take_while(|it| it.is_whitespace() && *it != '\n').collect();
            if indent.contains('\t') {
                problem.help("YAML is indented with spaces; here is a tab")
            } else if text.get(at.start.saturating_sub(1)..).is_some_and(|it| it.starts_with("{{"))
                || text[at.start..].starts_with("{{")
            {
                problem.help("put a template into quotes: \"{{ ... }}\"")
            } else {
                problem
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value_of_a(text: &str) -> Value {
        parse(text, 0).expect("sound YAML").get("a").expect("a key `a`").value.clone()
    }

    #[test]
    fn scalars_keep_their_spelling() {
        for (written, text, is_quoted) in [
            ("010", "010", false),
            ("1e3", "1e3", false),
            ("0x10", "0x10", false),
            ("yes", "yes", false),
            (".nan", ".nan", false),
            ("true", "true", false),
            ("99999999999999999999999999999999999999999999", "99999999999999999999999999999999999999999999", false),
            ("'yes'", "yes", true),
            ("\"1\"", "1", true),
            ("\"\\ud83d\\ude00\"", "\u{1f600}", true),
        ] {
            let expected = Value::Scalar { text: text.to_owned(), is_quoted };
            assert_eq!(value_of_a(&format!("b: 0\na: {written}\n")), expected, "{written}");
        }
    }

    #[test]
    fn places_are_those_of_keys_and_values() {
        let text = "b: ü\nlonger: {x: 'y'} # a comment\n";
        let tree = parse(text, 3).expect("sound YAML");
        let Value::Map(entries) = &tree.value else { panic!("a map") };
        let of = |place: Place| &text[place.start..place.end];
        assert_eq!((of(entries[0].key_place), of(entries[0].node.place)), ("b", "ü"));
        let inner = entries[1].node.get("X").expect("either case");
        assert_eq!((of(inner.place), inner.place.file), ("'y'", 3));
    }

    #[test]
    fn json_may_be_indented_with_tabs() {
        assert_eq!(value_of_a("{\n\t\"a\": [\n\t]\n}"), Value::List(Vec::new()));
    }
}
