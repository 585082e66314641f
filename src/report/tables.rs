//! Tables on the terminal: the variants of a scenario side by side, as many as a line of it holds.

use comfy_table::{CellAlignment, Table, presets};

/// Columns of the terminal that a table takes, however wide the terminal is: what is piped must not hang on where it was made.
const WIDTH: usize = 132;
/// What stands between the text of a column and that of the next.
const BETWEEN: usize = 3;
/// What the borders take at both ends.
const BORDERS: usize = 4;

/// A table of rows that each begin with a name, and have a figure for each of the other columns. Where it would be too wide, several tables
/// below each other share the columns evenly, each with the names.
pub(super) fn side_by_side(header: &[String], rows: &[Vec<String>]) -> String {
    let width_of = |column: usize| {
        let cells = rows.iter().map(|it| &it[column]).chain([&header[column]]);
        cells.map(|it| it.chars().count()).max().unwrap_or(0)
    };
    let names = BORDERS + width_of(0);
    let widths: Vec<usize> = (1..header.len()).map(|it| BETWEEN + width_of(it)).collect();
    let tables: Vec<String> =
        shared_out(&widths, WIDTH.saturating_sub(names)).into_iter().map(|it| one(header, rows, it)).collect();
    tables.join("\n")
}

/// How columns of these widths are shared out over as few tables as hold them, evenly: the range of each. One that is too wide by itself
/// has its own.
fn shared_out(widths: &[usize], room: usize) -> Vec<std::ops::Range<usize>> {
    let fill = |most: usize| {
        let mut ranges = Vec::new();
        let (mut from, mut taken) = (0, 0);
        for (place, width) in widths.iter().enumerate() {
            if place > from && (taken + width > room || place - from == most) {
                ranges.push(from..place);
                (from, taken) = (place, 0);
            }
            taken += width;
        }
        ranges.push(from..widths.len());
        ranges
    };
    let fewest = fill(usize::MAX).len();
    (widths.len().div_ceil(fewest)..=widths.len()).map(fill).find(|it| it.len() == fewest).unwrap_or_default()
}

fn one(header: &[String], rows: &[Vec<String>], columns: std::ops::Range<usize>) -> String {
    let chosen = |row: &[String]| -> Vec<String> {
        let figures = &row[1 + columns.start..1 + columns.end];
        row[..1].iter().chain(figures).cloned().collect()
    };
    let mut table = Table::new();
    table.load_style(presets::UTF8_BORDERS_ONLY);
    table.set_header(chosen(header));
    for row in rows {
        table.add_row(chosen(row));
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_shared_out_evenly() {
        assert_eq!(shared_out(&[10, 10, 10], 30).len(), 1);
        assert_eq!(shared_out(&[10; 5], 40), [0..3, 3..5], "not 4 and 1");
        assert_eq!(shared_out(&[10; 14], 60), [0..5, 5..10, 10..14]);
        assert_eq!(shared_out(&[10, 90, 10], 40), [0..1, 1..2, 2..3]);
        assert_eq!(shared_out(&[30, 30, 10, 10, 10, 10], 60), [0..2, 2..6], "as few tables as hold them");
    }

    #[test]
    fn a_table_of_fourteen_variants_is_no_wider_than_the_terminal() {
        let header: Vec<String> =
            std::iter::once("a-scenario".to_owned()).chain((0..14).map(|it| format!("variant-number-{it}"))).collect();
        let row = |name: &str| -> Vec<String> {
            std::iter::once(name.to_owned()).chain((0..14).map(|it| format!("{name} of {it}"))).collect()
        };
        let text = side_by_side(&header, &[row("errors"), row("requests")]);
        assert!(text.lines().all(|it| it.chars().count() <= WIDTH), "{text}");
        for variant in 0..14 {
            let (name, figure) = (format!(" variant-number-{variant} "), format!(" errors of {variant} "));
            assert_eq!((text.matches(&name).count(), text.matches(&figure).count()), (1, 1), "{text}");
        }
        assert_eq!(text.lines().filter(|it| it.starts_with("│ errors ")).count(), 3, "{text}");
        let few = side_by_side(&header[..4], &[row("errors")[..4].to_vec()]);
        assert_eq!(few.lines().count(), 5, "{few}");
    }
}
