//! Brackets and strings whose end is missing: what is told of them, and what
//! is put in so that the rest of the text can be read.

use super::{Blank, Bracket, FindingKind, Open, Scanner};
use crate::line_starts::{closed_later, is_header, is_statement, next_line};

impl Scanner<'_> {
    /// Whether the innermost bracket is an array of a line before this one. In
    /// one of this line a `=` is wrong in itself, and the parser's to report.
    pub(super) fn in_array_of_before(&self) -> bool {
        let before = |from: usize| {
            let between = self.bytes.get(from..self.at).unwrap_or_default();
            between.contains(&b'\n')
        };
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let closed = || closed_later(b"=", next_line(rest).1);
        let innermost = self.open.last();
        innermost.is_some_and(|open| open.bracket == Bracket::Array && before(open.at)) && !closed()
    }

    /// At the end of a line, or of the text: brackets that cannot be meant to
    /// go on there.
    pub(super) fn end_of_line(&mut self) {
        if self.open.is_empty() || self.at < self.seen {
            return;
        }
        let rest = self.bytes.get(self.at.saturating_add(1)..).unwrap_or_default();
        let (next, after) = next_line(rest);
        // Only blank lines and comments are between: they are not looked at
        // once for each of their ends.
        let left = after.len().saturating_add(next.len()).saturating_add(1);
        self.seen = self.bytes.len().saturating_sub(left);
        let begins_anew = next.is_empty() || is_header(next);
        let last = self.end.checked_sub(1).and_then(|at| self.bytes.get(at));
        let goes_on =
            matches!(last, Some(b',' | b'{')) || matches!(next.first(), Some(b'}' | b','));
        let mut told = false;
        while let Some(open) = self.open.last() {
            let (kind, end, missing) = match open.bracket {
                Bracket::Table => (FindingKind::UnclosedTable, '}', begins_anew || !goes_on),
                Bracket::Array => {
                    let another = || is_statement(next) && !closed_later(next, after);
                    (FindingKind::UnclosedArray, ']', begins_anew || another())
                }
            };
            if !missing {
                return;
            }
            // The innermost is told: the others could not be closed before it.
            let at = open.at;
            if !std::mem::replace(&mut told, true) {
                self.found(kind, at..at.saturating_add(1));
            }
            self.scan.insertions.push((self.end, end));
            self.open.pop();
        }
    }

    /// Before a closing bracket: `[ { a = 1 ]` and `{ a = [ 1 }`. No table goes
    /// on after its array, and no array of this line after its table.
    pub(super) fn before_an_end(&mut self, bracket: Bracket) {
        if !self.open.iter().any(|open| open.bracket == bracket) {
            return;
        }
        let line = self.line_start(self.at);
        let is_inside = |open: &mut Open| {
            open.bracket != bracket && (bracket == Bracket::Array || open.at >= line)
        };
        while let Some(open) = self.open.pop_if(is_inside) {
            let (kind, end) = match open.bracket {
                Bracket::Array => (FindingKind::UnclosedArray, ']'),
                Bracket::Table => (FindingKind::UnclosedTable, '}'),
            };
            self.found(kind, open.at..open.at.saturating_add(1));
            self.scan.insertions.push((self.end, end));
        }
    }

    /// The innermost array is the one that lacks its end: the others could
    /// not have been closed before it.
    pub(super) fn unclosed_array(&mut self) {
        let innermost = self.open.iter().rfind(|open| open.bracket == Bracket::Array);
        if let Some(at) = innermost.map(|open| open.at) {
            self.found(FindingKind::UnclosedArray, at..at.saturating_add(1));
            self.scan.broken_from = Some(at);
        }
    }

    /// Where the line begins in which this byte stands.
    fn line_start(&self, at: usize) -> usize {
        let before = self.bytes.get(..at).unwrap_or_default();
        before.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at.saturating_add(1))
    }

    /// A string that its line ends in. Which of the quotes of the line is
    /// missing nobody knows, so nothing of its value is read; the brackets that
    /// began in it end with it.
    pub(super) fn unclosed_quote(&mut self, start: usize) {
        let line = self.line_start(start);
        let returns = self.at.checked_sub(1).and_then(|at| self.bytes.get(at)) == Some(&b'\r');
        let end = if returns { self.at.saturating_sub(1) } else { self.at };
        self.found(FindingKind::UnclosedQuote, start..end);
        while self.open.pop_if(|open| open.at >= line).is_some() {}
        self.scan.insertions.retain(|(at, _)| *at < line);
        let text = self.bytes.get(line..end).unwrap_or_default();
        let value = text.iter().position(|byte| *byte == b'=').map(|at| at.saturating_add(1));
        // An item of a list is left out; a key keeps some value.
        self.scan.blanks.push(match value.filter(|_| self.open.is_empty()) {
            Some(value) => Blank { bytes: line.saturating_add(value)..end, value: true },
            None => Blank { bytes: line..end, value: false },
        });
    }

    /// `entity]` alone on its line; then the scan is behind it.
    pub(super) fn unopened_header(&mut self) -> bool {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let is_of_name = |byte: &u8| byte.is_ascii_alphanumeric() || b"_-.".contains(byte);
        let length = rest.iter().take_while(|byte| is_of_name(byte)).count();
        let after = rest.get(length..).unwrap_or_default();
        let brackets = after.iter().take_while(|byte| **byte == b']').count();
        let line = after.get(brackets..).unwrap_or_default();
        let line = line.split(|byte| *byte == b'\n').next().unwrap_or_default().trim_ascii();
        if !(1..=2).contains(&brackets) || !(line.is_empty() || line.starts_with(b"#")) {
            return false;
        }
        let end = self.at.saturating_add(length).saturating_add(brackets);
        self.found(FindingKind::UnopenedHeader, self.at..end);
        self.scan.insertions.extend(std::iter::repeat_n((self.at, '['), brackets));
        self.at = end;
        self.end = end;
        true
    }
}
