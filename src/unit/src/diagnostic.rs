//! One mistake, warning or note, with its place. How it looks on a terminal
//! without colours is in `render`; with colours that is the business of
//! whoever holds a `miette` handler.

use miette::{LabeledSpan, NamedSource, SourceCode};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;

/// How grave a diagnostic is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// For information.
    Note,
    /// The unit is taken, but probably not what was meant.
    Warning,
    /// The unit is refused.
    Error,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Severity::Note => "note",
            Severity::Warning => "warning",
            Severity::Error => "error",
        })
    }
}

/// A place beside the one that a diagnostic is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Related {
    /// The file, as it was named by whoever asked.
    pub file: String,
    /// Line, counted from 1; 0 when it is about the file as a whole.
    pub line: u32,
    /// Column in characters, counted from 1; 0 as for `line`.
    pub column: u32,
    /// What stands there, in one line.
    pub message: String,
}

/// Something to be said about a file.
#[derive(Clone, Debug)]
pub struct Diagnostic {
    /// How grave it is.
    pub severity: Severity,
    /// One of [`crate::codes`].
    pub code: &'static str,
    /// The file, as it was named by whoever asked.
    pub file: String,
    /// Line, counted from 1; 0 when it is about the file as a whole.
    pub line: u32,
    /// Column in characters, counted from 1; 0 as for `line`.
    pub column: u32,
    /// The bytes of the text that it is about, start and end.
    pub span: Option<(usize, usize)>,
    /// What is wrong, in one line without control characters.
    pub message: String,
    /// What stands under the caret; may be empty.
    pub label: String,
    /// What to do about it.
    pub help: Option<String>,
    /// Other places that it is about, each with what it is there.
    pub related: Vec<Related>,
    pub(crate) source: NamedSource<Arc<str>>,
}

impl Diagnostic {
    /// A diagnostic about a file or directory as a whole.
    pub(crate) fn of_file(
        severity: Severity,
        code: &'static str,
        file: &str,
        message: String,
    ) -> Diagnostic {
        Diagnostic {
            severity,
            code,
            file: file.to_owned(),
            line: 0,
            column: 0,
            span: None,
            message,
            label: String::new(),
            help: None,
            related: Vec::new(),
            source: NamedSource::new(file, Arc::from("")),
        }
    }

    pub(crate) fn label(&mut self, label: impl Into<String>) -> &mut Diagnostic {
        self.label = label.into();
        self
    }

    pub(crate) fn help(&mut self, help: impl Into<String>) -> &mut Diagnostic {
        self.help = Some(help.into());
        self
    }

    pub(crate) fn related(
        &mut self,
        related: impl IntoIterator<Item = Related>,
    ) -> &mut Diagnostic {
        self.related.extend(related);
        self
    }

    /// Where the place ends: line and column of the first character after it,
    /// counted as [`Diagnostic::line`] and [`Diagnostic::column`] are.
    #[must_use]
    pub fn end(&self) -> (u32, u32) {
        let Some(inside) = self.span.and_then(|(start, end)| self.source_text().get(start..end))
        else {
            return (self.line, self.column);
        };
        let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        let last = inside.rsplit('\n').next().unwrap_or_default();
        let lines = number(inside.matches('\n').count());
        // A span within one line goes on from its first column.
        let before = if lines == 0 { self.column } else { 1 };
        (self.line.saturating_add(lines), before.saturating_add(number(last.chars().count())))
    }

    /// Whether the unit is refused because of it.
    #[must_use]
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }

    /// The text that [`Diagnostic::span`] points into; empty when there is
    /// none.
    #[must_use]
    pub fn source_text(&self) -> &str {
        self.source.inner()
    }
}

/// The message alone, as `std::error::Error` wants it.
impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Diagnostic {}

impl miette::Diagnostic for Diagnostic {
    fn code<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        Some(Box::new(self.code))
    }

    fn severity(&self) -> Option<miette::Severity> {
        Some(match self.severity {
            Severity::Note => miette::Severity::Advice,
            Severity::Warning => miette::Severity::Warning,
            Severity::Error => miette::Severity::Error,
        })
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.help.as_ref().map(|help| Box::new(help) as Box<dyn fmt::Display + 'a>)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.span.map(|_| &self.source as &dyn SourceCode)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let (start, end) = self.span?;
        let label = (!self.label.is_empty()).then(|| self.label.clone());
        let span = LabeledSpan::new(label, start, end.saturating_sub(start));
        Some(Box::new(std::iter::once(span)))
    }
}

/// A diagnostic as it goes from one process to another, and to editors:
/// `hamctl check --json`. Fields are added, never renamed or removed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DiagnosticReport {
    /// How grave it is.
    pub severity: Severity,
    /// One of [`crate::codes`].
    pub code: String,
    /// The file, as it was named by whoever asked.
    pub file: String,
    /// Line, counted from 1; 0 when it is about the file as a whole.
    pub line: u32,
    /// Column in characters, counted from 1; 0 as for `line`.
    pub column: u32,
    /// Line and column of the first character after the place.
    #[serde(default)]
    pub end_line: u32,
    /// See `end_line`.
    #[serde(default)]
    pub end_column: u32,
    /// The bytes of the file that it is about, start and end; `None` when it
    /// is about the file as a whole.
    #[serde(default)]
    pub span: Option<(usize, usize)>,
    /// What is wrong, in one line.
    pub message: String,
    /// What to write under the place; may be empty.
    #[serde(default)]
    pub label: String,
    /// What to do about it; may have several lines.
    #[serde(default)]
    pub help: Option<String>,
    /// Other places that it is about.
    #[serde(default)]
    pub related: Vec<Related>,
    /// [`Diagnostic::render_plain`].
    pub rendered: String,
}

impl From<&Diagnostic> for DiagnosticReport {
    fn from(diagnostic: &Diagnostic) -> DiagnosticReport {
        let (end_line, end_column) = diagnostic.end();
        DiagnosticReport {
            severity: diagnostic.severity,
            code: diagnostic.code.to_owned(),
            file: diagnostic.file.clone(),
            line: diagnostic.line,
            column: diagnostic.column,
            end_line,
            end_column,
            span: diagnostic.span,
            message: diagnostic.message.clone(),
            label: diagnostic.label.clone(),
            help: diagnostic.help.clone(),
            related: diagnostic.related.clone(),
            rendered: diagnostic.render_plain(),
        }
    }
}
