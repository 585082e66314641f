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

pub(super) fn plural(count: u32, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{} {noun}s", number(f64::from(count), 0)) }
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
