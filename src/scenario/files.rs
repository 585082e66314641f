//! The files of a scenario: the one that was named, and those it names as `file://web-task.json`.

use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use crate::scenario::problem::{Place, Problem, SourceFile};
use crate::scenario::reader::{Folder, Reader};
use crate::scenario::tree::{self, Entry, Node, Value, is_same_field};

/// Most bytes of one file: a scenario is written by hand.
const FILE_MAXIMUM: usize = 16 << 20;
/// Most bytes and files in all, so that files which name files cannot grow without end.
const TOTAL_MAXIMUM: usize = 64 << 20;
const FILES_MAXIMUM: usize = 1_000;

/// The tree of a scenario file with everything that it names in its place; nothing where it cannot be read.
pub fn load(reader: &mut Reader<'_>, path: &Path) -> Option<Node> {
    splice_file(reader, path, &mut Vec::new(), None)
}

/// What lies at a path.
pub enum Opened {
    /// A file; its number among the inputs.
    File(usize),
    /// A folder; the files in it.
    Folder(Vec<PathBuf>),
}

/// The bytes of a file, read once however often it is named; its number among the inputs.
pub fn bytes(reader: &mut Reader<'_>, path: &Path) -> Result<usize, String> {
    match opened(reader, path)? {
        Opened::File(index) => Ok(index),
        Opened::Folder(_) => Err("it is a folder".to_owned()),
    }
}

/// As [`bytes`], of a folder its files.
pub fn opened(reader: &mut Reader<'_>, path: &Path) -> Result<Opened, String> {
    if let Some(index) = reader.inputs.iter().position(|(known, _)| known == path) {
        return Ok(Opened::File(index));
    }
    match (reader.open)(path) {
        Ok(bytes) => {
            reader.inputs.push((path.to_owned(), bytes));
            Ok(Opened::File(reader.inputs.len() - 1))
        }
        Err(error) if error.get_ref().is_some_and(|it| it.is::<Folder>()) => {
            let folder = error.into_inner().and_then(|it| it.downcast::<Folder>().ok());
            Ok(Opened::Folder(folder.map(|it| it.0).unwrap_or_default()))
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Err("there is no such file".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

/// A path that a file names, relative to that file.
pub fn relative_to(file: &Path, named: &str) -> PathBuf {
    let joined = file.parent().unwrap_or(Path::new("")).join(named);
    let mut plain = PathBuf::new();
    for component in joined.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir if matches!(plain.components().next_back(), Some(Component::Normal(_))) => {
                plain.pop();
            }
            other => plain.push(other),
        }
    }
    plain
}

fn splice_file(
    reader: &mut Reader<'_>,
    path: &Path,
    within: &mut Vec<PathBuf>,
    named_at: Option<Place>,
) -> Option<Node> {
    let shown = path.display();
    let problem = |message: String| Problem { at: named_at, ..Problem::nowhere(message) };
    if within.iter().any(|it| it == path) {
        let within: Vec<String> = within.iter().map(|it| format!("`{}`", it.display())).collect();
        let help = match within.as_slice() {
            [only] => format!("{only} names itself"),
            chain => format!("{} names {}, which names `{shown}` again", chain[0], chain[1..].join(", which names ")),
        };
        reader.refuse(problem(format!("`{shown}` contains itself")).help(help));
        return None;
    }
    let index = match bytes(reader, path) {
        Ok(index) => index,
        Err(why) => {
            reader.refuse(problem(format!("cannot read `{shown}`: {why}")));
            return None;
        }
    };
    let bytes = &reader.inputs[index].1;
    let total: usize = reader.files.iter().map(|it| it.text.len()).sum();
    if bytes.len() > FILE_MAXIMUM {
        let size = format!("`{shown}` has {} MiB", bytes.len() >> 20);
        reader.refuse(problem(format!("{size}; a scenario is at most 16 MiB; traces belong in a CSV")));
        return None;
    }
    if total + bytes.len() > TOTAL_MAXIMUM || reader.files.len() >= FILES_MAXIMUM {
        reader.refuse(problem("the files of this scenario name each other too often".to_owned()));
        return None;
    }
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text.trim_start_matches('\u{feff}'),
        Err(error) => {
            let message = format!("`{shown}` is not text: byte {} is not UTF-8", error.valid_up_to());
            reader.refuse(problem(message).help("a scenario is YAML or JSON in UTF-8"));
            return None;
        }
    };
    let text: Arc<str> = text.into();
    let file = reader.files.len();
    reader.files.push(SourceFile { path: path.to_owned(), text: text.clone() });
    if text.contains('\0') {
        reader.refuse(problem(format!("`{shown}` is not text: it holds zero bytes")));
        return None;
    }
    let node = match tree::parse(&text, file) {
        Ok(node) => node,
        Err(problem) => {
            reader.refuse(*problem);
            return None;
        }
    };
    within.push(path.to_owned());
    let node = splice(reader, node, path, within);
    within.pop();
    Some(node)
}

/// Puts files in the place of the strings that name them.
///
/// Nothing is spliced inside a container definition, where `file://` may be an argument of the application's own.
fn splice(reader: &mut Reader<'_>, node: Node, path: &Path, within: &mut Vec<PathBuf>) -> Node {
    let value = match node.value {
        Value::Scalar { ref text, .. } => {
            let Some(named) = text.strip_prefix("file://") else { return node };
            let named = relative_to(path, named.trim());
            let spliced = splice_file(reader, &named, within, Some(node.place));
            return spliced.unwrap_or(Node { place: node.place, value: Value::Unread });
        }
        Value::List(items) => Value::List(items.into_iter().map(|it| splice(reader, it, path, within)).collect()),
        Value::Map(entries) => {
            let spliced = entries.into_iter().map(|entry| match entry.key.as_str() {
                "containerDefinitions" | "ContainerDefinitions" if matches!(entry.node.value, Value::List(_)) => entry,
                // The path of recorded traffic, which its decoder reads.
                "file" | "path" => entry,
                _ => Entry { node: splice(reader, entry.node, path, within), ..entry },
            });
            let spliced = spliced.collect();
            merged(reader, spliced)
        }
        value @ (Value::Null | Value::Unread) => value,
    };
    Node { place: node.place, value }
}

/// A map with its merge key `<<` resolved: the entries of that map (or of each in that list), where the map itself has
/// no such entry. So `{<<: file://service.json, desiredCount: 3}` is the file's service with another count.
fn merged(reader: &mut Reader<'_>, mut entries: Vec<Entry>) -> Value {
    let Some(at) = entries.iter().position(|it| it.key == "<<") else { return Value::Map(entries) };
    let merge = entries.remove(at);
    let parts = match merge.node.value {
        Value::List(items) => items,
        value => vec![Node { place: merge.node.place, value }],
    };
    for part in parts {
        match part.value {
            Value::Map(more) => {
                for entry in more {
                    if !entries.iter().any(|it| is_same_field(&it.key, &entry.key)) {
                        entries.push(entry);
                    }
                }
            }
            Value::Null => {}
            // Nobody can say what else the map holds.
            Value::Unread => return Value::Unread,
            _ => {
                let problem = Problem::new(part.place, "`<<` can merge maps only");
                reader.refuse(problem.help("as in `<<: *anchor` or `<<: file://service.json`"));
            }
        }
    }
    Value::Map(entries)
}
