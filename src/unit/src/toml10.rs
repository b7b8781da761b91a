//! A scan of the text for what the TOML parser lets pass or reports badly:
//! syntax of TOML 1.1, and brackets or strings that are never closed, where a
//! parser complains about every line that follows.
//!
//! The scan knows strings, comments and brackets and nothing else. It is not
//! a parser: what it does not understand it leaves to the real one. Where it
//! knows what is missing it says so, and what to put in: the parser is then
//! given a text that it can read to the end, so that one missing bracket hides
//! no mistake after it.

mod closing;

use std::ops::Range;

/// What the scan has found.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Scan {
    pub(crate) findings: Vec<Finding>,
    /// Places whose parse errors follow from a finding.
    pub(crate) explained: Vec<Range<usize>>,
    /// From here on the structure of the text is unknown.
    pub(crate) broken_from: Option<usize>,
    /// What is missing, and before which byte, in ascending order.
    pub(crate) insertions: Vec<(usize, char)>,
    /// What is not to be read, in ascending order.
    pub(crate) blanks: Vec<Blank>,
}

/// A part of the text that cannot be trusted to be what was meant.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Blank {
    pub(crate) bytes: Range<usize>,
    /// Whether a key needs a value there.
    pub(crate) value: bool,
}

/// One thing that is wrong.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    pub(crate) kind: FindingKind,
    pub(crate) span: Range<usize>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FindingKind {
    /// An inline table over several lines (TOML 1.1).
    TableOverLines,
    /// `{ a = 1, }` (TOML 1.1).
    TrailingComma,
    /// `\e` or `\xHH` (TOML 1.1).
    Escape,
    /// An array whose `]` is missing.
    UnclosedArray,
    /// A multi-line string whose end is missing.
    UnclosedString,
    /// An inline table whose `}` is missing.
    UnclosedTable,
    /// A header whose `]` is missing.
    UnclosedHeader,
    /// A header whose `[` is missing.
    UnopenedHeader,
    /// A string whose quote is missing at the end of its line.
    UnclosedQuote,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Bracket {
    Array,
    Table,
}

struct Open {
    bracket: Bracket,
    at: usize,
    over_lines: bool,
}

struct Scanner<'t> {
    bytes: &'t [u8],
    at: usize,
    open: Vec<Open>,
    /// Where the last byte ends that is neither blank nor of a comment.
    end: usize,
    /// Up to here nothing stands but what was looked at already.
    seen: usize,
    scan: Scan,
}

/// Scans a whole text.
pub(crate) fn scan(text: &str) -> Scan {
    let mut scanner = Scanner {
        bytes: text.as_bytes(),
        at: 0,
        open: Vec::new(),
        end: 0,
        seen: 0,
        scan: Scan::default(),
    };
    scanner.run();
    scanner.scan
}

impl Scanner<'_> {
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn step(&mut self, bytes: usize) {
        self.at = self.at.saturating_add(bytes);
    }

    fn starts_with(&self, what: &[u8]) -> bool {
        self.bytes.get(self.at..).is_some_and(|rest| rest.starts_with(what))
    }

    fn found(&mut self, kind: FindingKind, span: Range<usize>) {
        self.scan.findings.push(Finding { kind, span });
    }

    fn run(&mut self) {
        // Whether nothing of a statement has been seen yet: only there `[`
        // begins a header, whose brackets do not nest.
        let mut fresh = true;
        // A comma with nothing but blanks after it.
        let mut comma: Option<usize> = None;
        while let Some(byte) = self.peek() {
            match byte {
                b'a'..=b'z' if fresh && self.unopened_header() => continue,
                b' ' | b'\t' | b'\r' => {
                    self.step(1);
                    continue;
                }
                b'#' => {
                    while self.peek().is_some_and(|byte| byte != b'\n') {
                        self.step(1);
                    }
                    continue;
                }
                b'\n' => {
                    self.end_of_line();
                    if let Some(open) = self.open.last_mut()
                        && open.bracket == Bracket::Table
                    {
                        open.over_lines = true;
                    }
                    fresh = self.open.is_empty();
                    self.step(1);
                    continue;
                }
                b'[' if fresh => {
                    self.header();
                    self.end = self.at;
                    continue;
                }
                b'"' | b'\'' => {
                    if !self.string(byte) {
                        return;
                    }
                    self.end = self.at;
                    comma = None;
                    fresh = false;
                    continue;
                }
                b'[' => self.begin(Bracket::Array),
                b'{' => self.begin(Bracket::Table),
                b']' | b'}' => self.end(byte, comma),
                b'=' if self.in_array_of_before() => return self.unclosed_array(),
                _ => {}
            }
            comma = (byte == b',').then_some(self.at);
            fresh = false;
            self.step(1);
            self.end = self.at;
        }
        self.end_of_line();
    }

    fn begin(&mut self, bracket: Bracket) {
        self.open.push(Open { bracket, at: self.at, over_lines: false });
    }

    fn end(&mut self, byte: u8, comma: Option<usize>) {
        let bracket = if byte == b']' { Bracket::Array } else { Bracket::Table };
        self.before_an_end(bracket);
        // Another closing bracket of the wrong kind is the parser's to report.
        let Some(open) = self.open.pop_if(|open| open.bracket == bracket) else { return };
        if bracket == Bracket::Array {
            return;
        }
        let whole = open.at..self.at.saturating_add(1);
        if open.over_lines {
            self.found(FindingKind::TableOverLines, open.at..open.at.saturating_add(1));
            self.scan.explained.push(whole.clone());
        }
        if let Some(comma) = comma
            && !open.over_lines
        {
            self.found(FindingKind::TrailingComma, comma..comma.saturating_add(1));
            self.scan.explained.push(whole);
        }
    }

    /// `[a."b]"]`: to the end of the line, with strings in one line only.
    fn header(&mut self) {
        let start = self.at;
        let double = self.starts_with(b"[[");
        let (mut quote, mut closed, mut end): (Option<u8>, usize, usize) = (None, 0, start);
        while let Some(byte) = self.peek() {
            if byte == b'\n' || (byte == b'#' && quote.is_none()) {
                break;
            }
            if byte == b']' && quote.is_none() {
                closed = closed.saturating_add(1);
            }
            if !byte.is_ascii_whitespace() {
                end = self.at.saturating_add(1);
            }
            match quote {
                Some(b'"') if byte == b'\\' => self.escape(),
                Some(open) if open == byte => quote = None,
                None if byte == b'"' || byte == b'\'' => quote = Some(byte),
                Some(_) | None => {}
            }
            self.step(1);
        }
        let opened: usize = if double { 2 } else { 1 };
        let name = self.bytes.get(start.saturating_add(opened)..end).unwrap_or_default();
        let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"_-.] ".contains(byte);
        if closed < opened && !name.is_empty() && name.iter().all(plain) {
            self.found(FindingKind::UnclosedHeader, start..end);
            let missing = opened.saturating_sub(closed);
            self.scan.insertions.extend(std::iter::repeat_n((end, ']'), missing));
        } else if closed == 2 && opened == 1 && name.iter().all(plain) && name.ends_with(b"]]") {
            self.found(FindingKind::UnopenedHeader, start..end);
            self.scan.insertions.push((start, '['));
        }
    }

    /// Looks at the byte after a backslash and goes on to it.
    fn escape(&mut self) {
        let start = self.at;
        let Some(next) = self.bytes.get(start.saturating_add(1)) else { return };
        let length = match next {
            b'e' => 2,
            b'x' => 4,
            b'"' | b'\\' => {
                self.step(1);
                return;
            }
            _ => return,
        };
        self.found(FindingKind::Escape, start..start.saturating_add(length));
        self.step(1);
    }

    /// A string of any of the four kinds; false when the text ends in it.
    fn string(&mut self, quote: u8) -> bool {
        let start = self.at;
        let long = [quote; 3];
        let multi_line = self.starts_with(&long);
        self.step(if multi_line { 3 } else { 1 });
        while let Some(byte) = self.peek() {
            if byte == b'\\' && quote == b'"' {
                self.escape();
            } else if multi_line && self.starts_with(&long) {
                self.step(3);
                // Up to two more quotes belong to the string itself.
                for _ in 0..2 {
                    if self.peek() == Some(quote) {
                        self.step(1);
                    }
                }
                return true;
            } else if !multi_line && byte == quote {
                self.step(1);
                return true;
            } else if !multi_line && byte == b'\n' {
                break;
            }
            self.step(1);
        }
        if !multi_line {
            self.unclosed_quote(start);
        }
        if multi_line {
            self.found(FindingKind::UnclosedString, start..start.saturating_add(3));
            self.scan.broken_from = Some(start);
        }
        !multi_line
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(text: &str) -> Vec<FindingKind> {
        scan(text).findings.into_iter().map(|finding| finding.kind).collect()
    }

    #[test]
    fn toml_1_0_passes() {
        let text = "[a.\"]=\"]\nb = [ # ]\n { c = [\n 1,\n ], d = \"}\" },\n]\n\
                    e = \"\"\"\n\\u0041 \"\"\"\"\"\nf = '''\n[ { \\e '''\ng = '\\x'\n[[h]]\n";
        assert_eq!(scan(text), Scan::default());
    }

    #[test]
    fn newer_syntax_is_found() {
        assert_eq!(kinds("a = { b = 1,\n c = 2 }"), [FindingKind::TableOverLines]);
        assert_eq!(kinds("a = { b = 1, }"), [FindingKind::TrailingComma]);
        assert_eq!(kinds("a = [1, ]"), []);
        assert_eq!(kinds("a = [{ b = 1, }, ]"), [FindingKind::TrailingComma]);
        assert_eq!(kinds(r#"a = "\e[0m\x41\\e""#), [FindingKind::Escape, FindingKind::Escape]);
    }

    #[test]
    fn what_is_not_closed_is_found_where_it_begins() {
        use FindingKind::{
            UnclosedArray, UnclosedHeader, UnclosedQuote, UnclosedTable, UnopenedHeader,
        };
        let found = scan("a = '''x\ny");
        assert_eq!(found.findings[0].kind, FindingKind::UnclosedString);
        assert_eq!(found.broken_from, Some(4));
        for (text, kind, whole) in [
            ("a = [\"x\"\nb = 1\n", UnclosedArray, "a = [\"x\"]\nb = 1\n"),
            ("a = [1,\n", UnclosedArray, "a = [1,]\n"),
            ("a = [ # b\n1\n\n[[c]]\n", UnclosedArray, "a = [ # b\n1]\n\n[[c]]\n"),
            ("a = [\nb = [\n 1,\n]\n", UnclosedArray, "a = []\nb = [\n 1,\n]\n"),
            ("a = { b = 1\nc = 2\n", UnclosedTable, "a = { b = 1}\nc = 2\n"),
            ("a = { b = 1, # c\n[d]", UnclosedTable, "a = { b = 1,} # c\n[d]"),
            ("a = [ { b = {} ]\n\nc = 1", UnclosedTable, "a = [ { b = {}} ]\n\nc = 1"),
            ("a = [ { b = 1\n]\n", UnclosedTable, "a = [ { b = 1}\n]\n"),
            ("[a # b\nc = 1", UnclosedHeader, "[a] # b\nc = 1"),
            ("[a.b]] # c\nd = 1", UnopenedHeader, "[[a.b]] # c\nd = 1"),
            ("a]\nb = 1", UnopenedHeader, "[a]\nb = 1"),
            ("a.b]]\nb = 1", UnopenedHeader, "[[a.b]]\nb = 1"),
            ("[[a.b]\nc = 1", UnclosedHeader, "[[a.b]]\nc = 1"),
            ("a = [ { b = [1 } ]\n", UnclosedArray, "a = [ { b = [1] } ]\n"),
            ("a = \"x\nb = 1\n", UnclosedQuote, "a =0  \nb = 1\n"),
            ("a = ['x]\r\nb = 1\n", UnclosedQuote, "a =0    \r\nb = 1\n"),
            ("a = [\n { b = [1, 'x] },\n 2 ]\n", UnclosedQuote, "a = [\n                 \n 2 ]\n"),
        ] {
            let found = scan(text);
            assert_eq!(kinds(text), [kind], "{text}");
            assert_eq!(found.broken_from, None, "{text}");
            assert_eq!(crate::repair::repaired(text, &found), whole);
        }
    }

    #[test]
    fn what_goes_on_in_the_next_line_is_not_missing() {
        for text in ["a = [\n  1,\n  [2],\n  { b = 1 },\n]\n[c]\n", "a = [\n]\n", "a = [1\n, 2]\n"]
        {
            assert_eq!(scan(text), Scan::default(), "{text}");
        }
        assert_eq!(kinds("a = {\n b = 1\n}\n"), [FindingKind::TableOverLines]);
        // The parser says what is wrong there.
        assert_eq!(kinds("a = [ b = 1 ]\n"), []);
        assert_eq!(kinds("a = [\n b = 1\n]\n"), []);
    }
}
