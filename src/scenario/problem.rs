//! What is wrong with a scenario, where, and what would have been right.

use std::collections::BTreeSet;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{Annotation, AnnotationKind, Group, Level, Renderer, Snippet};

pub use crate::spelling::nearest;

/// A file as it was read, under the name that messages give it.
#[derive(Clone, Debug)]
pub struct SourceFile {
    /// Its path, as the scenario was named or relative to that.
    pub path: PathBuf,
    /// Its text; empty where it is not text at all.
    pub text: Arc<str>,
}

/// A stretch of one file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Which file, in the order of reading.
    pub file: usize,
    /// First byte.
    pub start: usize,
    /// The byte after the last.
    pub end: usize,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// What, in a sentence without a full stop.
    pub message: String,
    /// Where; `None` where no text is to blame.
    pub at: Option<Place>,
    /// What to say under the place.
    pub label: String,
    /// What would have been right.
    pub help: Vec<String>,
    /// Another place that has to do with it, and how.
    pub related: Option<(Place, String)>,
}

impl Problem {
    /// A problem of this text.
    pub fn new(at: Place, message: impl Into<String>) -> Problem {
        Problem { at: Some(at), ..Problem::nowhere(message) }
    }

    /// A problem of no particular text.
    pub fn nowhere(message: impl Into<String>) -> Problem {
        Problem { message: message.into(), at: None, label: String::new(), help: Vec::new(), related: None }
    }

    /// Adds what is said under the place.
    pub fn label(mut self, label: impl Into<String>) -> Problem {
        self.label = label.into();
        self
    }

    /// Adds a line of advice.
    pub fn help(mut self, help: impl Into<String>) -> Problem {
        self.help.push(help.into());
        self
    }

    /// Adds the other place that has to do with it.
    pub fn related(mut self, place: Place, label: impl Into<String>) -> Problem {
        self.related = Some((place, label.into()));
        self
    }
}

/// How grave a collection of problems is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Severity {
    /// The scenario is refused.
    #[default]
    Error,
    /// The scenario is sound, but asks for what is not simulated.
    Warning,
}

/// Everything that is wrong with a scenario, in the order of its files and lines.
#[derive(Clone, Debug, Default)]
pub struct Problems {
    severity: Severity,
    problems: Vec<Problem>,
    files: Vec<SourceFile>,
    /// What else is worth a word, though it is no reason to refuse anything.
    pub notes: Vec<String>,
}

/// Most problems that one rendering spells out; a file of another kind could hold a million.
const RENDERED_MAXIMUM: usize = 50;

/// Most bytes of one line that are shown; JSON may come as a single line of megabytes.
const LINE_MAXIMUM: usize = 2_000;

impl Problems {
    /// These problems, sorted, each said once.
    pub fn new(severity: Severity, problems: Vec<Problem>, files: Vec<SourceFile>) -> Problems {
        let mut seen = BTreeSet::new();
        let mut problems: Vec<Problem> =
            problems.into_iter().filter(|it| seen.insert((it.at, it.message.clone()))).collect();
        problems.sort_by_key(|it| it.at);
        Problems { severity, problems, files, notes: Vec::new() }
    }

    /// The same as reasons for a refusal: what is only remarked on by a check stops a run.
    pub fn refused(self) -> Problems {
        Problems { severity: Severity::Error, ..self }
    }

    /// Whether nothing is wrong.
    pub fn is_empty(&self) -> bool {
        self.problems.is_empty()
    }

    /// How many things are wrong.
    pub fn len(&self) -> usize {
        self.problems.len()
    }

    /// What is wrong, without the places.
    pub fn messages(&self) -> impl Iterator<Item = &str> {
        self.problems.iter().map(|it| it.message.as_str())
    }

    /// All of it as a compiler would show it, each with its lines; ends with a line feed unless it is empty.
    pub fn render(&self, colour: bool) -> String {
        let renderer = if colour { Renderer::styled() } else { Renderer::plain() }.decor_style(DecorStyle::Ascii);
        let mut out = String::new();
        for problem in self.problems.iter().take(RENDERED_MAXIMUM) {
            out.push_str(&renderer.render(&[self.group(problem)]));
            out.push_str("\n\n");
        }
        if self.len() > RENDERED_MAXIMUM {
            out.push_str(&format!("and {} more\n", self.len() - RENDERED_MAXIMUM));
        } else {
            out.pop();
        }
        out
    }

    fn group<'a>(&'a self, problem: &'a Problem) -> Group<'a> {
        let level = match self.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
        };
        let mut group = Group::with_title(level.primary_title(problem.message.as_str()));
        if let Some(at) = problem.at {
            group =
                group.element(self.snippet((at, &problem.label, AnnotationKind::Primary), problem.related.as_ref()));
        }
        if let Some((place, label)) =
            problem.related.as_ref().filter(|(it, _)| !problem.at.is_some_and(|at| self.is_one_line(at, *it)))
        {
            group = group.element(self.snippet((*place, label, AnnotationKind::Context), None));
        }
        group.elements(problem.help.iter().map(|it| Level::HELP.message(it.as_str())))
    }

    fn is_one_line(&self, one: Place, other: Place) -> bool {
        let text = &*self.files[one.file].text;
        let (start, end) = (one.start.min(other.start).min(text.len()), one.start.max(other.start).min(text.len()));
        one.file == other.file && !text.as_bytes()[start..end].contains(&b'\n')
    }

    /// The line a place begins on, with the related place where it lies on the same one.
    ///
    /// Only that line is handed over, since the renderer reads all of what it gets.
    fn snippet<'a>(
        &'a self,
        (place, label, kind): (Place, &'a str, AnnotationKind),
        related: Option<&'a (Place, String)>,
    ) -> Snippet<'a, Annotation<'a>> {
        let file = &self.files[place.file];
        let text = &*file.text;
        let start = floor_boundary(text, place.start);
        let line = line_around(text, start);
        let line_number = 1 + text[..line.start].matches('\n').count();
        let shown = floor_boundary(text, line.start.max(start.saturating_sub(LINE_MAXIMUM / 2)))
            ..floor_boundary(text, line.end.min(start + LINE_MAXIMUM));
        let annotation = |place: Place, label: &'a str, kind: AnnotationKind| {
            let within = |it: usize| floor_boundary(text, it).clamp(shown.start, shown.end);
            let annotation = kind.span(within(place.start) - shown.start..within(place.end) - shown.start);
            if label.is_empty() { annotation } else { annotation.label(label) }
        };
        let snippet = Snippet::source(&text[shown.clone()])
            .line_start(line_number)
            .path(file.path.display().to_string())
            .annotation(annotation(place, label, kind));
        match related.filter(|(it, _)| self.is_one_line(place, *it)) {
            Some((related, label)) => snippet.annotation(annotation(*related, label, AnnotationKind::Context)),
            None => snippet,
        }
    }
}

/// The line that holds this byte, without its line feed.
fn line_around(text: &str, at: usize) -> Range<usize> {
    let start = text[..at].rfind('\n').map_or(0, |it| it + 1);
    let end = text[at..].find('\n').map_or(text.len(), |it| at + it);
    start..end.max(start)
}

/// The character boundary at or before this byte.
fn floor_boundary(text: &str, at: usize) -> usize {
    (0..=at.min(text.len())).rev().find(|&it| text.is_char_boundary(it)).unwrap_or(0)
}
