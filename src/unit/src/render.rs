//! A diagnostic as plain text: message, place, the line with a caret under
//! it, help. Nothing that stands in a unit can move the cursor of a terminal.

use crate::diagnostic::Diagnostic;
use std::fmt::Write as _;

/// Columns of a shown line. 100 leaves room for the gutter on the 110 or more
/// columns of today's terminals, and is the width that ham's own code has.
const MAX_WIDTH: usize = 100;
/// Columns before the caret that stay visible when a line is clipped.
const CONTEXT: usize = 30;
/// Where the next tab stop is counted from; four, as editors show TOML.
const TAB: usize = 4;
const ELLIPSIS: &str = "...";

impl Diagnostic {
    /// The diagnostic as a person reads it, in the form of compilers, without
    /// colours. It ends without a newline.
    #[must_use]
    pub fn render_plain(&self) -> String {
        let mut out = format!("{}[{}]: {}", self.severity, self.code, visible(&self.message));
        let number = if self.line == 0 { String::new() } else { self.line.to_string() };
        let margin = " ".repeat(number.len().max(1).saturating_add(1));
        let file = visible(&self.file);
        if self.line == 0 {
            let _ = write!(out, "\n{margin}--> {file}");
        } else {
            let _ = write!(out, "\n{margin}--> {file}:{}:{}", self.line, self.column);
        }
        if let Some((start, end)) = self.span {
            let shown = ShownLine::new(self.source_text(), start, end);
            let _ = write!(out, "\n{margin} |\n {number} |");
            if !shown.text.is_empty() {
                let _ = write!(out, " {}", shown.text);
            }
            let carets = "^".repeat(shown.width);
            let _ = write!(out, "\n{margin} | {}{carets}", " ".repeat(shown.indent));
            if !self.label.is_empty() {
                let _ = write!(out, " {}", visible(&self.label));
            }
        }
        if let Some(help) = &self.help {
            let mut lines = help.lines();
            let _ = write!(out, "\n{margin} = help: {}", visible(lines.next().unwrap_or_default()));
            for line in lines {
                let _ = write!(out, "\n{margin}         {}", visible(line));
            }
        }
        out
    }
}

/// Text without characters that a terminal would act on.
pub(crate) fn visible(text: &str) -> String {
    text.chars().map(|c| if acts_on_terminal(c) { '\u{fffd}' } else { c }).collect()
}

fn acts_on_terminal(c: char) -> bool {
    // The second range turns the direction of writing and can make a line
    // look like another one.
    c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Columns that a character takes on a terminal: the ranges of East Asian
/// wide characters and emoji (Unicode UAX #11), and of marks that combine.
fn columns(c: char) -> usize {
    match u32::from(c) {
        0x0300..=0x036f | 0x200b..=0x200f | 0x20d0..=0x20ff | 0xfe00..=0xfe0f | 0xfeff => 0,
        0x1100..=0x115f
        | 0x2e80..=0x303e
        | 0x3041..=0xa4cf
        | 0xac00..=0xd7a3
        | 0xf900..=0xfaff
        | 0xfe30..=0xfe6f
        | 0xff00..=0xff60
        | 0xffe0..=0xffe6
        | 0x1f300..=0x1f64f
        | 0x1f680..=0x1f6ff
        | 0x1f900..=0x1f9ff
        | 0x20000..=0x3fffd => 2,
        _ => 1,
    }
}

/// The line of a span, with tabs expanded, clipped around the span.
struct ShownLine {
    text: String,
    /// Columns before the first caret.
    indent: usize,
    /// Carets, at least one.
    width: usize,
}

impl ShownLine {
    fn new(source: &str, start: usize, end: usize) -> ShownLine {
        let before = source.get(..start).unwrap_or(source);
        let line_start = before.rfind('\n').map_or(0, |at| at.saturating_add(1));
        let rest = source.get(line_start..).unwrap_or_default();
        let line = rest.split('\n').next().unwrap_or_default();
        let line = line.strip_suffix('\r').unwrap_or(line);

        let mut cells: Vec<(char, usize)> = Vec::new();
        let mut column = 0usize;
        let (mut from, mut to) = (None, None);
        for (offset, c) in line.char_indices() {
            let at = line_start.saturating_add(offset);
            if at >= start && from.is_none() {
                from = Some(column);
            }
            if at >= end && to.is_none() {
                to = Some(column);
            }
            if c == '\t' {
                let blanks = TAB.saturating_sub(column % TAB);
                cells.extend(std::iter::repeat_n((' ', 1), blanks));
                column = column.saturating_add(blanks);
            } else {
                let c = if acts_on_terminal(c) { '\u{fffd}' } else { c };
                cells.push((c, columns(c)));
                column = column.saturating_add(columns(c));
            }
        }
        let from = from.unwrap_or(column);
        let to = to.unwrap_or(column);
        if column <= MAX_WIDTH {
            let text: String = cells.iter().map(|(c, _)| c).collect();
            let width = to.saturating_sub(from).max(1);
            return ShownLine { text: text.trim_end().to_owned(), indent: from, width };
        }
        Self::clipped(&cells, from, to)
    }

    fn clipped(cells: &[(char, usize)], from: usize, to: usize) -> ShownLine {
        let first = from.saturating_sub(CONTEXT);
        let last = first.saturating_add(MAX_WIDTH);
        let mut text = String::new();
        let mut indent = from;
        let mut column = 0usize;
        let mut shown_to = 0usize;
        let mut cut = false;
        for (c, width) in cells {
            if column >= first && column.saturating_add(*width) <= last {
                if text.is_empty() && column > 0 {
                    text.push_str(ELLIPSIS);
                    indent = from.saturating_sub(column).saturating_add(ELLIPSIS.len());
                }
                text.push(*c);
                shown_to = column.saturating_add(*width);
            } else if column >= first {
                cut = true;
            }
            column = column.saturating_add(*width);
        }
        if cut {
            text.push_str(ELLIPSIS);
        }
        let width = to.min(shown_to.max(from)).saturating_sub(from).max(1);
        ShownLine { text: text.trim_end().to_owned(), indent, width }
    }
}

#[cfg(test)]
mod tests {
    use crate::diagnostic::Severity;
    use crate::text::Text;

    fn caret(source: &str, start: usize, end: usize) -> String {
        let text = Text::new("t.toml", source);
        text.diagnostic(Severity::Error, crate::codes::SYNTAX, start..end, "m".into())
            .render_plain()
    }

    #[test]
    fn carets_stand_under_tabs_wide_and_combined_characters() {
        let out = caret("\tk = 1", 1, 2);
        assert!(out.ends_with("\n 1 |     k = 1\n   |     ^"), "{out}");
        // Two wide characters are four columns, a combining accent is none.
        let out = caret("\u{97f3}\u{697d}e\u{301} = 1", 10, 11);
        assert!(out.ends_with("\n   |       ^"), "{out}");
        assert!(out.contains("t.toml:1:6"), "{out}");
    }

    #[test]
    fn long_lines_are_clipped_around_the_caret() {
        let source = format!("{}X{}", "a".repeat(300), "b".repeat(300));
        let out = caret(&source, 300, 301);
        let lines: Vec<&str> = out.lines().collect();
        assert_eq!(lines[3], format!(" 1 | ...{}X{}...", "a".repeat(30), "b".repeat(69)));
        assert_eq!(lines[4], format!("   | {}^", " ".repeat(33)));
        let long = caret(&source, 0, 601);
        assert!(long.lines().all(|line| line.chars().count() < 120), "{long}");
    }

    #[test]
    fn spans_over_lines_end_with_their_first_line() {
        let out = caret("a = [\n1\n]\n", 4, 9);
        assert!(out.ends_with("\n 1 | a = [\n   |     ^"), "{out}");
        let at_end = caret("a = 1\r\nbcd", 10, 10);
        assert!(at_end.ends_with("\n 2 | bcd\n   |    ^"), "{at_end}");
    }

    #[test]
    fn nothing_reaches_the_terminal_as_a_command() {
        let out = caret("a = \"\u{1b}[2J\u{202e}\"", 0, 1);
        assert!(!out.contains('\u{1b}') && !out.contains('\u{202e}'), "{out}");
    }
}
