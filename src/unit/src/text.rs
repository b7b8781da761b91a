//! One text with its name: where lines begin, and the list of what is wrong
//! with the texts of a unit. It knows nothing of what stands in them.

use crate::codes;
use crate::diagnostic::{Diagnostic, Severity};
use crate::layers::Layers;
use miette::NamedSource;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

/// Diagnostics that are kept for one file. A person mends the first few and
/// checks again; a file that is no unit at all must not flood the log.
const MAX_DIAGNOSTICS: usize = 50;

/// A text and its name.
#[derive(Clone, Debug)]
pub(crate) struct Text {
    pub(crate) file: String,
    pub(crate) text: Arc<str>,
    line_starts: Vec<usize>,
    /// The text with what is missing in it, once the parser wants that.
    pub(crate) repaired: OnceLock<String>,
    /// The number of its first byte among those of all texts of the unit.
    pub(crate) base: usize,
}

impl Text {
    pub(crate) fn new(file: &str, text: &str) -> Text {
        let after_newlines = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        let line_starts = std::iter::once(0).chain(after_newlines.map(|(at, _)| at + 1)).collect();
        let repaired = OnceLock::new();
        Text { file: file.to_owned(), text: Arc::from(text), line_starts, repaired, base: 0 }
    }

    /// Line of a byte, counted from 0.
    pub(crate) fn line_of(&self, at: usize) -> usize {
        self.line_starts.partition_point(|start| *start <= at).saturating_sub(1)
    }

    /// Line and column of a byte, both counted from 1; columns in characters.
    pub(crate) fn position(&self, at: usize) -> (u32, u32) {
        let line = self.line_of(at);
        let start = self.line_starts.get(line).copied().unwrap_or(0);
        let column = self.text.get(start..at).map_or(0, |before| before.chars().count());
        (
            u32::try_from(line).unwrap_or(u32::MAX).saturating_add(1),
            u32::try_from(column).unwrap_or(u32::MAX).saturating_add(1),
        )
    }

    /// The nearest span that lies inside the text and on character borders.
    fn clamp(&self, span: Range<usize>) -> Range<usize> {
        let border = |at: usize| {
            let mut at = at.min(self.text.len());
            while !self.text.is_char_boundary(at) {
                at = at.saturating_sub(1);
            }
            at
        };
        let start = border(span.start);
        start..border(span.end.max(span.start)).max(start)
    }

    /// A diagnostic at a place of this text, which is counted from its begin.
    pub(crate) fn diagnostic(
        &self,
        severity: Severity,
        code: &'static str,
        span: Range<usize>,
        message: String,
    ) -> Diagnostic {
        let span = self.clamp(span);
        let (line, column) = self.position(span.start);
        Diagnostic {
            severity,
            code,
            file: self.file.clone(),
            line,
            column,
            span: Some((span.start, span.end)),
            message,
            label: String::new(),
            help: None,
            related: Vec::new(),
            source: NamedSource::new(&self.file, Arc::clone(&self.text)),
        }
    }
}

/// What is wrong with the texts of one unit.
#[derive(Debug)]
pub(crate) struct Report<'a> {
    pub(crate) text: &'a Layers,
    /// Each with its place among all texts.
    list: Vec<(usize, Diagnostic)>,
    errors: usize,
    left_out: usize,
    /// Takes what no longer fits, so that callers can go on as usual.
    overflow: Option<Diagnostic>,
}

impl<'a> Report<'a> {
    pub(crate) fn new(text: &'a Layers) -> Report<'a> {
        Report { text, list: Vec::new(), errors: 0, left_out: 0, overflow: None }
    }

    pub(crate) fn add(
        &mut self,
        severity: Severity,
        code: &'static str,
        span: Range<usize>,
        message: impl Into<String>,
    ) -> &mut Diagnostic {
        if severity == Severity::Error {
            self.errors = self.errors.saturating_add(1);
        }
        if self.list.len() < MAX_DIAGNOSTICS {
            let place = self.list.len();
            let diagnostic = self.text.diagnostic(severity, code, span.clone(), message.into());
            self.list.push((span.start, diagnostic));
            if let Some((_, added)) = self.list.get_mut(place) {
                return added;
            }
        }
        self.left_out = self.left_out.saturating_add(1);
        let text = self.text;
        self.overflow.get_or_insert_with(|| text.diagnostic(severity, code, span, String::new()))
    }

    pub(crate) fn error(
        &mut self,
        code: &'static str,
        span: Range<usize>,
        message: impl Into<String>,
    ) -> &mut Diagnostic {
        self.add(Severity::Error, code, span, message)
    }

    pub(crate) fn warning(
        &mut self,
        code: &'static str,
        span: Range<usize>,
        message: impl Into<String>,
    ) -> &mut Diagnostic {
        self.add(Severity::Warning, code, span, message)
    }

    /// How much was added.
    pub(crate) fn len(&self) -> usize {
        self.list.len().saturating_add(self.left_out)
    }

    /// Whether any error was added.
    pub(crate) fn has_errors(&self) -> bool {
        self.errors > 0
    }

    /// Keeps what `keep` wants, by its place; for what only follows from
    /// something else.
    pub(crate) fn retain(&mut self, mut keep: impl FnMut(usize, &Diagnostic) -> bool) {
        self.list.retain(|(at, diagnostic)| keep(*at, diagnostic));
    }

    /// Adds all that another report on the same texts holds.
    pub(crate) fn append(&mut self, other: Report<'a>) {
        self.errors = self.errors.saturating_add(other.errors);
        self.left_out = self.left_out.saturating_add(other.left_out);
        for diagnostic in other.list {
            if self.list.len() < MAX_DIAGNOSTICS {
                self.list.push(diagnostic);
            } else {
                self.left_out = self.left_out.saturating_add(1);
            }
        }
    }

    /// The list in the order of the texts, with a note if some were left out.
    pub(crate) fn finish(&mut self) -> Vec<Diagnostic> {
        self.list.sort_by_key(|(at, _)| *at);
        let mut list: Vec<Diagnostic> = self.list.drain(..).map(|(_, it)| it).collect();
        if self.left_out > 0 {
            let (_, last) = self.text.at(usize::MAX);
            let end = last.text.len();
            let message = format!("{} more of this file are not shown", self.left_out);
            list.push(last.diagnostic(Severity::Note, codes::MORE, end..end, message));
        }
        list
    }
}
