//! What is wrong with a scenario, and where.

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};

use crate::scenario::tree::Place;

/// One thing that is wrong, or not simulated yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// What is wrong.
    pub message: String,
    /// Where; `None` where a whole file cannot be read.
    pub place: Option<Place>,
    /// What was expected there.
    pub expected: String,
    /// What would be right.
    pub help: Option<String>,
}

impl Problem {
    /// Something wrong at a place.
    pub fn at(place: Place, message: String) -> Problem {
        Problem { message, place: Some(place), expected: String::new(), help: None }
    }

    /// With what was expected.
    pub fn expected(self, expected: impl Into<String>) -> Problem {
        Problem { expected: expected.into(), ..self }
    }

    /// With what would be right.
    pub fn help(self, help: impl Into<String>) -> Problem {
        Problem { help: Some(help.into()), ..self }
    }
}

/// A file that was read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Source {
    /// Its name, as it is shown.
    pub name: String,
    /// Its text.
    pub text: String,
}

/// Everything that is wrong, with the files it stands in.
#[derive(Clone, Debug, Default)]
pub struct Problems {
    pub(crate) sources: Vec<Source>,
    pub(crate) all: Vec<Problem>,
}

impl Problems {
    /// Whether nothing is.
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.all.len()
    }

    /// All of them, as the compiler of Rust would show them; with colours for a terminal.
    pub fn render(&self, colour: bool) -> String {
        let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
        let mut all = String::new();
        for problem in &self.all {
            let mut group =
                Level::ERROR.primary_title(&problem.message).elements(Vec::<annotate_snippets::Element>::new());
            if let Some(place) = &problem.place {
                let source = &self.sources[place.file];
                let (text, first_line, range) = excerpt(&source.text, place);
                let annotation = AnnotationKind::Primary.span(range).label(&problem.expected);
                group = group
                    .element(Snippet::source(text).line_start(first_line).path(&source.name).annotation(annotation));
            }
            if let Some(help) = &problem.help {
                group = group.element(Level::HELP.message(help));
            }
            all += &renderer.render(&[group]).to_string();
            all += "\n\n";
        }
        all.truncate(all.trim_end().len());
        all
    }
}

/// Longest piece of a line that is shown.
const SHOWN: usize = 400;

/// The lines around a place, the number of the first, and the place within them; a long value is shown by its beginning.
fn excerpt<'a>(text: &'a str, place: &Place) -> (&'a str, usize, std::ops::Range<usize>) {
    let mut start = place.start.min(text.len());
    while !text.is_char_boundary(start) {
        start -= 1;
    }
    let begin = text[..start].rfind('\n').map_or(0, |at| at + 1);
    let line_end = text[start..].find('\n').map_or(text.len(), |at| start + at);
    let mut end = place.end.clamp(start, line_end.max(start));
    let mut begin = begin.max(start.saturating_sub(SHOWN));
    let mut stop = line_end.min(start + SHOWN);
    end = end.min(stop);
    let boundary = |mut at: usize| {
        while !text.is_char_boundary(at) {
            at -= 1;
        }
        at
    };
    (begin, end, stop) = (boundary(begin), boundary(end), boundary(stop));
    let line = text[..begin].bytes().filter(|&byte| byte == b'\n').count() + 1;
    (&text[begin..stop], line, start - begin..end - begin)
}
