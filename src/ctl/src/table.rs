//! Columns of text with colours, as wide as their contents; the last column
//! is clipped to the terminal. Knows nothing of what stands in them.

use crate::output::Look;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Blanks between two columns.
const GAP: usize = 2;
/// The last column is clipped to no less than this: a terminal that is too
/// narrow for the others wraps anyway, and a word should still be readable.
const LEAST_LAST: usize = 12;

/// What a piece of text is, which decides its colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    /// As it is.
    Plain,
    /// A heading.
    Heading,
    /// As it should be.
    Good,
    /// On its way.
    Passing,
    /// Wrong.
    Bad,
    /// Of little interest.
    Faint,
}

impl Style {
    /// The escape sequence (ECMA-48 SGR) before the text.
    fn sequence(self) -> &'static str {
        match self {
            Style::Plain => "",
            Style::Heading => "\x1b[1m",
            Style::Good => "\x1b[32m",
            Style::Passing => "\x1b[33m",
            Style::Bad => "\x1b[1;31m",
            Style::Faint => "\x1b[2m",
        }
    }

    /// `text` in this style.
    pub(crate) fn paint(self, text: &str, look: Look) -> String {
        if look.colour && self != Style::Plain && !text.is_empty() {
            format!("{}{text}\x1b[0m", self.sequence())
        } else {
            text.to_owned()
        }
    }
}

/// One column.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Column {
    /// Its heading.
    pub(crate) heading: &'static str,
    /// Whether its contents end at the same place, as numbers should.
    pub(crate) right: bool,
}

/// One piece of text in a table.
#[derive(Clone, Debug)]
pub(crate) struct Cell {
    text: String,
    style: Style,
}

impl Cell {
    /// A cell; what could steer the terminal is taken out of the text.
    pub(crate) fn new(text: impl AsRef<str>, style: Style) -> Cell {
        Cell { text: harmless(text.as_ref()), style }
    }

    /// A cell as it is.
    pub(crate) fn plain(text: impl AsRef<str>) -> Cell {
        Cell::new(text, Style::Plain)
    }
}

/// The table as lines. Rows have as many cells as there are columns.
pub(crate) fn render(columns: &[Column], rows: &[Vec<Cell>], look: Look) -> String {
    let headings: Vec<Cell> =
        columns.iter().map(|column| Cell::new(column.heading, Style::Heading)).collect();
    let lines = || std::iter::once(&headings).chain(rows);
    let widths: Vec<usize> = (0..columns.len())
        .map(|index| {
            let cells = lines().filter_map(|row| row.get(index));
            cells.map(|cell| cell.text.width()).max().unwrap_or(0)
        })
        .collect();
    let last = columns.len().saturating_sub(1);
    let before: usize = widths.iter().take(last).map(|width| width + GAP).sum();
    let room = look.width.map(|width| width.saturating_sub(before).max(LEAST_LAST));

    let mut text = String::new();
    for row in lines() {
        let mut line = String::new();
        let mut pending = 0;
        for (index, ((cell, column), width)) in row.iter().zip(columns).zip(&widths).enumerate() {
            let is_last = index == last;
            let content = match room {
                Some(room) if is_last => clip(&cell.text, room),
                Some(_) | None => cell.text.clone(),
            };
            let missing = if is_last { 0 } else { width - content.width() };
            let (left, right) = if column.right { (missing, 0) } else { (0, missing) };
            // Blanks are written only before something, so no line ends in one.
            if !content.is_empty() {
                line.push_str(&" ".repeat(pending + left));
                line.push_str(&cell.style.paint(&content, look));
                pending = right + GAP;
            } else {
                pending += missing + GAP;
            }
        }
        text.push_str(&line);
        text.push('\n');
    }
    text
}

/// `text` in at most `room` columns; what is cut off is shown by `…`.
pub(crate) fn clip(text: &str, room: usize) -> String {
    if text.width() <= room {
        return text.to_owned();
    }
    let mut kept = String::new();
    let mut used = 0;
    for character in text.chars() {
        used += character.width().unwrap_or(0);
        if used >= room {
            break;
        }
        kept.push(character);
    }
    kept.truncate(kept.trim_end().len());
    kept.push('…');
    kept
}

/// `text` without control characters: names and reasons come from files and
/// processes, and an escape sequence in them would reach the terminal.
pub(crate) fn harmless(text: &str) -> String {
    text.chars()
        .map(|character| match character {
            '\n' | '\t' => ' ',
            other if other.is_control() || turns_direction(other) => '\u{fffd}',
            other => other,
        })
        .collect()
}

/// The explicit formatting characters of Unicode's bidirectional algorithm
/// (UAX 9, table 2), by which a line can look like another one.
fn turns_direction(character: char) -> bool {
    matches!(character, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLUMNS: [Column; 3] = [
        Column { heading: "NAME", right: false },
        Column { heading: "PID", right: true },
        Column { heading: "WHY", right: false },
    ];

    fn rows() -> Vec<Vec<Cell>> {
        vec![
            vec![Cell::plain("音声"), Cell::plain("7"), Cell::plain("")],
            vec![Cell::plain("a"), Cell::new("12345", Style::Good), Cell::plain("it was asked to")],
        ]
    }

    #[test]
    fn columns_line_up_by_what_is_seen() {
        let text = render(&COLUMNS, &rows(), Look::default());
        assert_eq!(text, "NAME    PID  WHY\n音声      7\na     12345  it was asked to\n");
    }

    #[test]
    fn the_last_column_is_clipped_to_the_terminal() {
        let look = Look { width: Some(13 + 12), ..Look::default() };
        let text = render(&COLUMNS, &rows(), look);
        assert_eq!(text.lines().last(), Some("a     12345  it was aske…"));
        assert_eq!(clip("it was asked to", 15), "it was asked to");
        assert_eq!(clip("音声音声", 5), "音声…");
        assert_eq!(clip("it was", 4), "it…");
    }

    #[test]
    fn colours_do_not_count_as_width() {
        let look = Look { colour: true, ..Look::default() };
        let text = render(&COLUMNS, &rows(), look);
        let line = text.lines().last();
        assert_eq!(line, Some("a     \x1b[32m12345\x1b[0m  it was asked to"));
    }

    #[test]
    fn nothing_steers_the_terminal() {
        assert_eq!(harmless("a\x1b[2Jb\nc\u{9b}d"), "a\u{fffd}[2Jb c\u{fffd}d");
        assert_eq!(harmless("a\u{202e}b"), "a\u{fffd}b");
    }
}
