//! How the terminal tells things: lines of a length, counts, and times that nobody reads to the nanosecond.

pub(crate) use crate::spelling::{one_or_more, plural, times};
use crate::units::{Instant, Span};

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

/// When something was that happened once or several times: `at 00:05:00`, `from 00:05:00 to 00:07:30`.
pub(super) fn at_or_between(first: Instant, last: Instant) -> String {
    let (first, last) = (first.to_string(), last.to_string());
    if first == last { format!("at {first}") } else { format!("from {first} to {last}") }
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

/// What is told below the table, each paragraph once: with the names of all variants of which it is the same.
#[derive(Default)]
pub(super) struct Told<'v> {
    paragraphs: Vec<(Vec<&'v str>, Vec<String>)>,
}

impl<'v> Told<'v> {
    /// Tells something of a variant: a paragraph that its name comes before, and others that belong to it.
    pub fn add(&mut self, variant: &'v str, lines: Vec<String>) {
        match self.paragraphs.iter_mut().find(|it| it.1 == lines) {
            // What is said twice of one variant is two things.
            Some((variants, _)) if !variants.contains(&variant) => variants.push(variant),
            _ => self.paragraphs.push((vec![variant], lines)),
        }
    }

    /// All of it under a heading; empty where nothing was told.
    pub fn under(&self, heading: &str) -> String {
        let mut text = String::new();
        for (variants, lines) in &self.paragraphs {
            for (place, line) in lines.iter().enumerate() {
                match place {
                    0 => wrap(&mut text, &format!("{}: {line}", variants.join(", ")), 2),
                    _ => wrap(&mut text, line, 4),
                }
            }
        }
        if text.is_empty() { text } else { format!("{heading}\n{text}") }
    }
}
