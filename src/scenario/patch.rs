//! Variants: RFC 7396 merge patches over the tree. What a patch brings keeps the patch's own places.

use crate::scenario::tree::{Entry, Node, Value, is_same_field};

/// `base` with `patch` merged into it: maps merge, `null` removes, anything else replaces.
///
/// Fields meet in either of AWS's cases; an exact match goes first, so that names which differ in case stay apart.
pub fn merge(base: Node, patch: &Node) -> Node {
    let Value::Map(changes) = &patch.value else { return patch.clone() };
    let (place, mut entries) = match base.value {
        Value::Map(entries) => (base.place, entries),
        _ => (patch.place, Vec::new()),
    };
    for change in changes {
        let position = entries
            .iter()
            .position(|it| it.key == change.key)
            .or_else(|| entries.iter().position(|it| is_same_field(&it.key, &change.key)));
        match (position, &change.node.value) {
            (Some(at), Value::Null) => {
                entries.remove(at);
            }
            (None, Value::Null) => {}
            (Some(at), _) => {
                let old = std::mem::replace(&mut entries[at].node, change.node.clone());
                entries[at].node = merge(old, &change.node);
            }
            (None, _) => {
                let nothing = Node { place: change.node.place, value: Value::Null };
                let node = merge(nothing, &change.node);
                entries.push(Entry { key: change.key.clone(), key_place: change.key_place, node });
            }
        }
    }
    Node { place, value: Value::Map(entries) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::tree::parse;

    fn json(node: &Node) -> String {
        match &node.value {
            Value::Null | Value::Unread => "null".to_owned(),
            Value::Scalar { text, .. } => text.clone(),
            Value::List(items) => format!("[{}]", items.iter().map(json).collect::<Vec<_>>().join(",")),
            Value::Map(entries) => {
                let entries: Vec<String> = entries.iter().map(|it| format!("{}:{}", it.key, json(&it.node))).collect();
                format!("{{{}}}", entries.join(","))
            }
        }
    }

    #[test]
    fn rfc_7396_examples() {
        for (base, patch, merged) in [
            ("{a: b}", "{a: c}", "{a:c}"),
            ("{a: b}", "{b: c}", "{a:b,b:c}"),
            ("{a: b}", "{a: null}", "{}"),
            ("{a: b, b: c}", "{a: null}", "{b:c}"),
            ("{a: [b]}", "{a: c}", "{a:c}"),
            ("{a: c}", "{a: [b]}", "{a:[b]}"),
            ("{a: {b: c}}", "{a: {b: d, c: null}}", "{a:{b:d}}"),
            ("{a: [{b: c}]}", "{a: [1]}", "{a:[1]}"),
            ("[a, b]", "[c, d]", "[c,d]"),
            ("{a: b}", "[c]", "[c]"),
            ("{a: foo}", "null", "null"),
            ("{e: null}", "{a: 1}", "{e:null,a:1}"),
            ("[1, 2]", "{a: b, c: null}", "{a:b}"),
            ("{}", "{a: {bb: {ccc: null}}}", "{a:{bb:{}}}"),
            ("{MinSize: 1}", "{minSize: 2}", "{MinSize:2}"),
            ("{Web: 1, web: 2}", "{web: 3}", "{Web:1,web:3}"),
        ] {
            let base = parse(base, 0).expect("sound YAML");
            let patch = parse(patch, 1).expect("sound YAML");
            assert_eq!(json(&merge(base, &patch)), merged, "{patch:?}");
        }
    }
}
