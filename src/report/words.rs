//! How the terminal tells things: lines of a length, counts, and times that nobody reads to the nanosecond.

use crate::report::comparison::number;
use crate::units::Span;

/// Columns of the terminal that a paragraph takes.
const WIDTH: usize = 118;

/// Breaks a paragraph into lines, the second and later ones two columns further in.
pub(super) fn wrap(text: &mut String, paragraph: &str, indent: usize) {
    let mut column = WIDTH;
    for (place, word) in paragraph.split(' ').enumerate() {
        let length = word.chars().count();
        if place == 0 || column + 1 + length > WIDTH {
            let indent = indent + if place == 0 { 0 } else { 2 };
            if place > 0 {
                text.push('\n');
            }
            text.push_str(&" ".repeat(indent));
            column = indent + length;
        } else {
            text.push(' ');
            column += 1 + length;
        }
        text.push_str(word);
    }
    text.push('\n');
}

/// So many of something: `1 task`, `3 tasks`.
pub(crate) fn plural(count: impl TryInto<u64>, noun: &str) -> String {
    let count = count.try_into().unwrap_or(u64::MAX);
    if count == 1 { format!("1 {noun}") } else { format!("{} {noun}s", number(count as f64, 0)) }
}

/// The form of a verb that goes with so many: `one_or_more(count, "is", "are")`.
pub(super) fn one_or_more<'a>(count: impl TryInto<u64>, one: &'a str, more: &'a str) -> &'a str {
    if count.try_into().is_ok_and(|it| it == 1) { one } else { more }
}

/// How often something happened: `once`, `3 times`.
pub(super) fn times(count: u64) -> String {
    if count == 1 { "once".to_owned() } else { plural(count, "time") }
}

/// A length of time without what is less than a second.
pub(super) fn in_seconds(span: Span) -> Span {
    Span::seconds(span.0 / Span::SECOND.0)
}

/// With its first letter as at the beginning of a sentence, and a full stop at its end.
pub(super) fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let text = letters.next().map_or(String::new(), |first| first.to_uppercase().chain(letters).collect());
    if text.ends_with('.') { text } else { text + "." }
}
