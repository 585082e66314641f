//! One manner of drawing: a white sheet with a title, panels of lines or areas over time, and a legend.

use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use crate::run::Run;
use crate::units::{Instant, Span};

/// Width of a chart, in pixels of its own.
const WIDTH: u32 = 1080;
/// Height of its title.
const TITLE: u32 = 62;
/// Height of one panel.
const PANEL: u32 = 300;
/// Most points of a line; longer runs are put together, so that a file stays small.
const POINTS_MAXIMUM: usize = 1500;

const INK: RGBColor = RGBColor(38, 43, 51);
const FAINT: RGBColor = RGBColor(110, 118, 129);
const GRID: RGBColor = RGBColor(232, 235, 239);
const FRAME: RGBColor = RGBColor(196, 201, 208);

/// Colours that people with any kind of sight can tell apart (Okabe and Ito).
pub const PALETTE: [RGBColor; 8] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(86, 180, 233),
    RGBColor(230, 159, 0),
    RGBColor(90, 70, 160),
    RGBColor(120, 120, 120),
];

/// A colour on white paper at a strength from 0 to 1: as pale as if seen through, but covering what is below.
pub fn tint(colour: RGBColor, strength: f64) -> RGBColor {
    let part = |of: u8| (255.0 - (255.0 - f64::from(of)) * strength).round() as u8;
    RGBColor(part(colour.0), part(colour.1), part(colour.2))
}

/// What a line says.
pub struct Line {
    /// In the legend.
    pub name: String,
    /// Colour.
    pub colour: RGBColor,
    /// How it is drawn.
    pub stroke: Stroke,
    /// Seconds since the start, and the value; `None` is a gap.
    pub points: Vec<(f64, Option<f64>)>,
}

/// How a line is drawn.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Stroke {
    /// A plain line from point to point.
    Plain,
    /// A value that holds until the next one.
    Step,
    /// Dashes: a target or a limit.
    Dashed,
    /// Filled down to the axis, in steps.
    Area,
}

/// A panel: lines over the run's time.
pub struct Panel {
    /// What it shows.
    pub title: String,
    /// Its unit, at the axis.
    pub unit: String,
    /// Its lines; areas lie one on the other, in order.
    pub lines: Vec<Line>,
    /// Whether the axis is logarithmic.
    pub is_logarithmic: bool,
    /// Where the axis ends at least.
    pub top_at_least: f64,
    /// Said in the middle of a panel that has nothing to draw.
    pub when_empty: &'static str,
}

/// A chart of panels, one below the other.
pub fn panels(run: &Run, title: &str, panels: &[Panel]) -> Vec<u8> {
    panels_between(run, title, panels, whole(run))
}

/// The same of a part of the run, from and to so many seconds since its start; the lines have to lie within it.
pub fn panels_between(run: &Run, title: &str, panels: &[Panel], between: (f64, f64)) -> Vec<u8> {
    let height = TITLE + PANEL * panels.len() as u32;
    draw(run, title, height, |area| {
        for (panel, area) in panels.iter().zip(area.split_evenly((panels.len(), 1))) {
            draw_panel(run, panel, between, &area);
        }
    })
}

/// A sheet about a run with its title; `inside` draws below it.
pub fn draw(run: &Run, title: &str, height: u32, inside: impl FnOnce(&DrawingArea<SVGBackend, Shift>)) -> Vec<u8> {
    let subtitle = format!(
        "{} / {}  ·  seed {}, replication {}  ·  times are UTC",
        run.scenario.name, run.scenario.variant, run.seed, run.replication
    );
    sheet(title, subtitle, height, inside)
}

/// A sheet with its title and what it is about; `inside` draws below them.
pub fn sheet(
    title: &str,
    subtitle: String,
    height: u32,
    inside: impl FnOnce(&DrawingArea<SVGBackend, Shift>),
) -> Vec<u8> {
    let mut text = String::new();
    {
        let root = SVGBackend::with_string(&mut text, (WIDTH, height)).into_drawing_area();
        let drawn = root.fill(&WHITE).and_then(|()| {
            let large = ("sans-serif", 21).into_font().style(FontStyle::Bold).color(&INK);
            let small = ("sans-serif", 14).into_font().color(&FAINT);
            root.draw(&Text::new(title.to_owned(), (24, 14), large))?;
            root.draw(&Text::new(subtitle, (24, 40), small))
        });
        drawn.expect("an SVG in memory can be drawn");
        inside(&root.margin(TITLE as i32, 0, 0, 0));
        root.present().expect("an SVG in memory can be finished");
    }
    text.into_bytes()
}

/// A second of the run as a time of day (or days and hours in long runs).
pub fn clock(run: &Run, seconds: f64) -> String {
    let at = run.scenario.start_unix_seconds + seconds.round() as i64;
    let of_day = at.rem_euclid(86_400);
    let time = format!("{:02}:{:02}", of_day / 3600, of_day / 60 % 60);
    if run.simulated > Span::seconds(36 * 3600) {
        let day = (run.scenario.start_unix_seconds.rem_euclid(86_400) + seconds.round() as i64) / 86_400 + 1;
        format!("day {day} {time}")
    } else {
        time
    }
}

/// The whole of a run, in seconds since its start.
fn whole(run: &Run) -> (f64, f64) {
    (0.0, run.simulated.as_seconds())
}

/// Seconds between marks on the time axis: about eight of them, at round times.
fn marks(run: &Run, (from, to): (f64, f64)) -> Vec<f64> {
    let length = to - from;
    let steps = [60.0, 120.0, 300.0, 600.0, 900.0, 1800.0, 3600.0, 7200.0, 10_800.0, 21_600.0, 43_200.0, 86_400.0];
    let step =
        steps.into_iter().find(|step| length / step <= 9.0).unwrap_or((length / 8.0 / 86_400.0).ceil() * 86_400.0);
    let start = run.scenario.start_unix_seconds as f64;
    let first = ((start + from) / step).ceil() * step - start;
    (0..).map(|n| first + f64::from(n) * step).take_while(|at| *at <= to).collect()
}

/// A number at an axis, as short as it can be.
pub fn short(value: f64) -> String {
    let (value, suffix) = match value.abs() {
        it if it >= 1e6 => (value / 1e6, "M"),
        it if it >= 1e4 => (value / 1e3, "k"),
        _ => (value, ""),
    };
    let text = if value.abs() >= 100.0 || value.fract().abs() < 1e-9 {
        format!("{value:.0}")
    } else if value.abs() >= 1.0 {
        format!("{value:.1}")
    } else {
        format!("{value:.2}")
    };
    format!("{text}{suffix}")
}

/// The round number at or above a value, and the distance of marks below it.
fn round_up(value: f64) -> (f64, f64) {
    let mut unit = 1e-3;
    loop {
        for step in [1.0, 2.0, 5.0] {
            let distance = unit * step;
            if value <= distance * 5.0 {
                return ((value / distance).ceil().max(1.0) * distance, distance);
            }
        }
        unit *= 10.0;
    }
}

fn draw_panel(run: &Run, panel: &Panel, (from, to): (f64, f64), area: &DrawingArea<SVGBackend, Shift>) {
    let stacked = stack(panel);
    let values = || stacked.iter().flat_map(|line| line.iter().filter_map(|(_, value)| *value));
    let has_data = values().any(|value| value > 0.0);
    let transform = |value: f64| if panel.is_logarithmic { libm::log10(value.max(1e-3)) } else { value };
    let greatest = values().fold(panel.top_at_least, f64::max).max(1e-3);
    let (bottom, top, marks_y): (f64, f64, Vec<f64>) = if panel.is_logarithmic && has_data {
        let least = values().filter(|it| *it > 0.0).fold(f64::INFINITY, f64::min);
        let (low, high) = (libm::log10(least).floor(), libm::log10(greatest).ceil());
        let high = if high > low { high } else { low + 1.0 };
        let decades = (0..=(high - low) as i32).map(|it| libm::pow(10.0, low + f64::from(it)));
        (low, high, decades.collect())
    } else {
        let (top, distance) = round_up(greatest);
        let count = (top / distance).round() as i32;
        (0.0, top, (0..=count).map(|it| f64::from(it) * distance).collect())
    };
    let (width, height) = area.dim_in_pixel();
    let (left, right, upper, lower) = (76, width as i32 - 28, 44, height as i32 - 34);
    let x = |seconds: f64| {
        let share = ((seconds - from) / (to - from)).clamp(0.0, 1.0);
        left + ((right - left) as f64 * share).round() as i32
    };
    let y = |value: f64| {
        let share = ((transform(value) - bottom) / (top - bottom)).clamp(0.0, 1.0);
        lower - ((lower - upper) as f64 * share).round() as i32
    };
    let y_of_mark = |value: f64| if panel.is_logarithmic && !has_data { lower } else { y(value) };
    let small = ("sans-serif", 13).into_font().color(&FAINT);
    let heading = ("sans-serif", 15).into_font().style(FontStyle::Bold).color(&INK);
    let at_right = small.pos(Pos::new(HPos::Right, VPos::Center));
    let centered = small.pos(Pos::new(HPos::Center, VPos::Top));
    let path = |points: Vec<(i32, i32)>, style: ShapeStyle| area.draw(&PathElement::new(points, style));
    let drawn = (|| {
        for mark in &marks_y {
            let at = y_of_mark(*mark);
            path(vec![(left, at), (right, at)], GRID.stroke_width(1))?;
            area.draw(&Text::new(short(*mark), (left - 8, at), at_right.clone()))?;
        }
        for mark in marks(run, (from, to)) {
            path(vec![(x(mark), upper), (x(mark), lower)], GRID.stroke_width(1))?;
            area.draw(&Text::new(clock(run, mark), (x(mark), lower + 8), centered.clone()))?;
        }
        // Areas first, the topmost of a pile below the others; lines lie over all of them.
        let drawn = || panel.lines.iter().zip(&stacked);
        let areas = drawn().rev().filter(|(line, _)| line.stroke == Stroke::Area);
        for (line, points) in areas.chain(drawn().filter(|(line, _)| line.stroke != Stroke::Area)) {
            draw_line(line, points, &x, &y, lower, area)?;
        }
        path(vec![(left, lower), (right, lower)], FRAME.stroke_width(1))?;
        area.draw(&Text::new(format!("{}  ({})", panel.title, panel.unit), (24, 14), heading.clone()))?;
        let width = |text: &str| 8 * text.chars().count() as i32;
        let heading_ends = 24 + width(&format!("{}  ({})", panel.title, panel.unit));
        let mut at = right;
        for (place, line) in panel.lines.iter().enumerate().rev() {
            at -= 30 + width(&line.name);
            // Where not all have room, the newest do.
            let more = format!("{place} more");
            if place > 0 && at - 30 - width(&panel.lines[place - 1].name) < heading_ends + width(&more) + 20 {
                legend(line, at, 22, area)?;
                area.draw(&Text::new(more, (at - 12, 22), small.pos(Pos::new(HPos::Right, VPos::Center))))?;
                break;
            }
            legend(line, at, 22, area)?;
        }
        if !has_data && !panel.when_empty.is_empty() {
            let middle = ("sans-serif", 18).into_font().color(&FAINT).pos(Pos::new(HPos::Center, VPos::Center));
            area.draw(&Text::new(panel.when_empty, ((left + right) / 2, (upper + lower) / 2), middle))?;
        }
        Ok::<(), DrawingAreaErrorKind<std::io::Error>>(())
    })();
    drawn.expect("an SVG in memory can be drawn");
}

type Drawn = Result<(), DrawingAreaErrorKind<std::io::Error>>;

fn legend(line: &Line, x: i32, y: i32, area: &DrawingArea<SVGBackend, Shift>) -> Drawn {
    let text = ("sans-serif", 13).into_font().color(&INK).pos(Pos::new(HPos::Left, VPos::Center));
    match line.stroke {
        Stroke::Area => area.draw(&Rectangle::new([(x, y - 6), (x + 16, y + 6)], tint(line.colour, 0.75).filled()))?,
        Stroke::Dashed => {
            for dash in 0..2 {
                let from = x + dash * 9;
                area.draw(&PathElement::new(vec![(from, y), (from + 6, y)], line.colour.stroke_width(2)))?;
            }
        }
        _ => area.draw(&PathElement::new(vec![(x, y), (x + 16, y)], line.colour.stroke_width(3)))?,
    }
    area.draw(&Text::new(line.name.clone(), (x + 22, y), text))
}

/// Points of each line, areas laid one on the other, few enough to be drawn.
fn stack(panel: &Panel) -> Vec<Vec<(f64, Option<f64>)>> {
    let mut below: Vec<f64> = Vec::new();
    panel
        .lines
        .iter()
        .map(|line| {
            let points = thin(&line.points);
            if line.stroke != Stroke::Area {
                return points;
            }
            below.resize(points.len(), 0.0);
            points
                .into_iter()
                .zip(&mut below)
                .map(|((at, value), below)| {
                    *below += value.unwrap_or(0.0);
                    (at, Some(*below))
                })
                .collect()
        })
        .collect()
}

/// At most so many points, each the greatest of those it stands for: a peak is never lost.
fn thin(points: &[(f64, Option<f64>)]) -> Vec<(f64, Option<f64>)> {
    let together = points.len().div_ceil(POINTS_MAXIMUM).max(1);
    points
        .chunks(together)
        .map(|chunk| (chunk[0].0, chunk.iter().filter_map(|(_, value)| *value).reduce(f64::max)))
        .collect()
}

fn draw_line(
    line: &Line,
    points: &[(f64, Option<f64>)],
    x: &dyn Fn(f64) -> i32,
    y: &dyn Fn(f64) -> i32,
    lower: i32,
    area: &DrawingArea<SVGBackend, Shift>,
) -> Drawn {
    for part in points.split(|(_, value)| value.is_none()) {
        let mut path: Vec<(i32, i32)> = Vec::new();
        for (at, value) in part {
            let (at, value) = (x(*at), y(value.unwrap_or_default()));
            if matches!(line.stroke, Stroke::Step | Stroke::Area)
                && let Some((_, before)) = path.last().copied()
            {
                path.push((at, before));
            }
            path.push((at, value));
        }
        path.dedup();
        let Some((&first, &last)) = path.first().zip(path.last()) else { continue };
        match line.stroke {
            Stroke::Area => {
                let mut outline = vec![(first.0, lower)];
                outline.extend(&path);
                outline.push((last.0, lower));
                area.draw(&Polygon::new(outline, tint(line.colour, 0.75).filled()))?;
            }
            Stroke::Dashed => {
                let mut from = first.0;
                while from < last.0 {
                    let to = (from + 7).min(last.0);
                    area.draw(&PathElement::new(vec![(from, first.1), (to, first.1)], line.colour.stroke_width(2)))?;
                    from += 12;
                }
            }
            _ if path.len() == 1 => area.draw(&Circle::new(first, 2, line.colour.filled()))?,
            _ => area.draw(&PathElement::new(path, line.colour.stroke_width(2)))?,
        }
    }
    Ok(())
}

/// Where a chart of bands has its plot, and its time axis drawn: the function from instants to pixels.
pub fn time_axis<'a>(
    run: &'a Run,
    area: &DrawingArea<SVGBackend, Shift>,
    left: i32,
    lower: i32,
) -> impl Fn(Instant) -> i32 + use<'a> {
    let (width, _) = area.dim_in_pixel();
    let right = width as i32 - 28;
    let length = run.simulated.as_seconds();
    let x =
        move |at: Instant| left + ((right - left) as f64 * (at.as_seconds() / length).clamp(0.0, 1.0)).round() as i32;
    let centered = ("sans-serif", 13).into_font().color(&FAINT).pos(Pos::new(HPos::Center, VPos::Top));
    for mark in marks(run, whole(run)) {
        let at = x(Instant(Span::from_seconds_f64(mark).0));
        let drawn = area
            .draw(&PathElement::new(vec![(at, 40), (at, lower)], GRID.stroke_width(1)))
            .and_then(|()| area.draw(&Text::new(clock(run, mark), (at, lower + 8), centered.clone())));
        drawn.expect("an SVG in memory can be drawn");
    }
    x
}

/// Words in a chart's small print.
pub fn note(area: &DrawingArea<SVGBackend, Shift>, text: &str, at: (i32, i32), is_right: bool) {
    let side = if is_right { HPos::Right } else { HPos::Left };
    let style = ("sans-serif", 13).into_font().color(&FAINT).pos(Pos::new(side, VPos::Center));
    area.draw(&Text::new(text.to_owned(), at, style)).expect("an SVG in memory can be drawn");
}

/// A coloured square and a name, as in a legend.
pub fn swatch(area: &DrawingArea<SVGBackend, Shift>, name: &str, colour: RGBColor, at: (i32, i32)) {
    let line = Line { name: name.to_owned(), colour, stroke: Stroke::Area, points: Vec::new() };
    legend(&line, at.0, at.1, area).expect("an SVG in memory can be drawn");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_end_at_round_numbers() {
        for (value, top) in [(0.3, 0.3), (4.0, 4.0), (7.0, 8.0), (93.0, 100.0), (101.0, 150.0), (1234.0, 1500.0)] {
            let (found, distance) = round_up(value);
            assert!((found - top).abs() < 1e-9, "{value}: {found}");
            assert!(found / distance <= 5.0 + 1e-9);
        }
    }

    #[test]
    fn thinning_keeps_peaks() {
        let points: Vec<(f64, Option<f64>)> =
            (0..10_000).map(|it| (f64::from(it), Some(if it == 7777 { 9.0 } else { 1.0 }))).collect();
        let thinned = thin(&points);
        assert!(thinned.len() <= POINTS_MAXIMUM);
        assert!(thinned.iter().any(|(_, value)| *value == Some(9.0)));
    }

    #[test]
    fn numbers_at_an_axis_are_short() {
        for (value, text) in
            [(0.0, "0"), (0.25, "0.25"), (2.5, "2.5"), (1500.0, "1500"), (25_000.0, "25k"), (3e6, "3M")]
        {
            assert_eq!(short(value), text);
        }
    }
}
