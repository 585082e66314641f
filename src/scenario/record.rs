//! What the readers ask of a scenario and take its values for. The file with its defaults and the schema are made of
//! this, so that neither can say what is not read.

use std::collections::BTreeMap;

use crate::distribution::Distribution;
use crate::scenario::aws_fields::Shape;
use crate::scenario::problem::Place;
use crate::scenario::tree::{Entry, Node, Value};
use crate::units::Span;

/// What a value is read as.
#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    /// A text.
    Text,
    /// A boolean.
    Flag,
    /// A whole number within these bounds.
    Whole(u64, u64),
    /// A number within these bounds.
    Number(f64, f64),
    /// A length of time.
    Span,
    /// A value with a grammar of its own: a rate, a size, a time.
    Parsed,
    /// One of these words.
    Words(Vec<String>),
    /// A length of time, or a law of one.
    Distribution,
    /// A list.
    List,
    /// A map keyed by name.
    Named,
    /// A map with one of its fields; what such maps are called.
    OneOf(&'static str),
}

/// A field that was asked for.
#[derive(Clone, Debug)]
pub struct AskedField {
    /// Its name.
    pub name: &'static str,
    /// Whether it has to be there.
    pub is_required: bool,
    /// What stands for it where it is absent.
    pub usual: Option<Usual>,
}

/// What stands for a field that is absent.
#[derive(Clone, Debug, PartialEq)]
pub enum Usual {
    /// A value.
    Value(Node),
    /// A map that says nothing: the map of this number.
    Map(usize),
    /// What follows from other fields, which variants change: in words.
    Rule(String),
    /// It depends on who reads the map.
    Differs,
}

/// A map that was read field by field.
#[derive(Debug, Default)]
pub struct AskedMap {
    /// Its fields, in the order in which they were asked for.
    pub fields: Vec<AskedField>,
    /// What AWS knows beside them.
    pub shape: Option<&'static Shape>,
}

/// What was asked of one tree. A node is known by where it lies in memory, so the tree has to outlive the record.
#[derive(Debug, Default)]
pub struct Record {
    kinds: BTreeMap<usize, Kind>,
    map_of: BTreeMap<usize, usize>,
    maps: Vec<AskedMap>,
}

fn address(node: &Node) -> usize {
    std::ptr::from_ref(node).addr()
}

impl Record {
    /// A value is read; what it was first read as is what it is.
    pub fn is_read_as(&mut self, node: &Node, kind: Kind) {
        self.kinds.entry(address(node)).or_insert(kind);
    }

    /// A map begins to be read; its number.
    pub fn begins(&mut self, node: Option<&Node>) -> usize {
        let next = self.maps.len();
        let number = node.map_or(next, |it| *self.map_of.entry(address(it)).or_insert(next));
        if number == next {
            self.maps.push(AskedMap::default());
        }
        number
    }

    /// A map has been read; one that two readers share is the sum of what both asked.
    pub fn ends(&mut self, number: usize, fields: Vec<AskedField>, shape: &'static Shape) {
        let map = &mut self.maps[number];
        map.shape = Some(shape);
        let mut asked: Vec<AskedField> = Vec::new();
        for field in fields {
            match asked.iter_mut().find(|it| it.name == field.name) {
                Some(before) => {
                    before.is_required |= field.is_required;
                    before.usual = before.usual.take().or(field.usual);
                }
                None => asked.push(field),
            }
        }
        for field in asked {
            match map.fields.iter_mut().find(|it| it.name == field.name) {
                Some(before) => {
                    before.is_required |= field.is_required;
                    let is_same = match (&before.usual, &field.usual) {
                        (Some(Usual::Map(_)), Some(Usual::Map(_))) => true,
                        (one, other) => one == other,
                    };
                    if !is_same {
                        before.usual = Some(Usual::Differs);
                    }
                }
                None => map.fields.push(field),
            }
        }
    }

    /// What a value was read as.
    pub fn kind(&self, node: &Node) -> Option<&Kind> {
        self.kinds.get(&address(node))
    }

    /// What was asked of a map, where it was read field by field.
    pub fn map_of(&self, node: &Node) -> Option<&AskedMap> {
        self.map_of.get(&address(node)).map(|it| &self.maps[*it])
    }

    /// The map of this number.
    pub fn map(&self, number: usize) -> &AskedMap {
        &self.maps[number]
    }
}

/// A value as a file would have it.
pub trait Written {
    /// The value.
    fn written(&self) -> Node;
}

const NOWHERE: Place = Place { file: 0, start: 0, end: 0 };

/// A scalar without quotes.
pub fn plain(text: impl ToString) -> Node {
    Node { place: NOWHERE, value: Value::Scalar { text: text.to_string(), is_quoted: false } }
}

fn map(entries: impl IntoIterator<Item = (&'static str, Node)>) -> Node {
    let entries = entries.into_iter().map(|(key, node)| Entry { key: key.to_owned(), key_place: NOWHERE, node });
    Node { place: NOWHERE, value: Value::Map(entries.collect()) }
}

fn list(items: impl IntoIterator<Item = Node>) -> Node {
    Node { place: NOWHERE, value: Value::List(items.into_iter().collect()) }
}

macro_rules! written_as_it_displays {
    ($($kind:ty)*) => {
        $(impl Written for $kind {
            fn written(&self) -> Node {
                plain(self)
            }
        })*
    };
}

written_as_it_displays!(bool i32 u32 f64 str Span);

impl Written for [String] {
    fn written(&self) -> Node {
        list(self.iter().map(plain))
    }
}

impl Written for Distribution {
    fn written(&self) -> Node {
        let law = |name, fields: Vec<(&'static str, Node)>| map([(name, map(fields))]);
        match self {
            Distribution::Constant(span) => span.written(),
            Distribution::Exponential { mean } => law("exponential", vec![("mean", mean.written())]),
            Distribution::LogNormal { mean, cv2 } => {
                law("logNormal", vec![("mean", mean.written()), ("cv2", cv2.written())])
            }
            Distribution::Gamma { mean, shape } => {
                law("gamma", vec![("mean", mean.written()), ("shape", shape.written())])
            }
            Distribution::Pareto { minimum, shape, maximum } => {
                let mut fields = vec![("minimum", minimum.written()), ("shape", shape.written())];
                fields.extend(maximum.map(|it| ("maximum", it.written())));
                law("pareto", fields)
            }
            Distribution::Uniform { minimum, maximum } => {
                law("uniform", vec![("minimum", minimum.written()), ("maximum", maximum.written())])
            }
            Distribution::Empirical { values, cumulative } => {
                let before = std::iter::once(0.0).chain(cumulative.iter().copied());
                let weights = cumulative.iter().zip(before).map(|(it, before)| plain(it - before));
                let values = list(values.iter().map(Span::written));
                law("empirical", vec![("values", values), ("weights", list(weights))])
            }
        }
    }
}
