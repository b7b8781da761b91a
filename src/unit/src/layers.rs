//! The texts that one unit is made of: its file, and the drop-ins over it; of
//! an instance first the template. They are thought one behind the other, so a
//! byte of any of them has a number of its own, and the span of a value says
//! which text it stands in. Whoever reads the merged tree need not know that
//! there are several.

use crate::diagnostic::{Diagnostic, Related, Severity};
use crate::text::Text;
use std::ops::Range;

/// The texts of one unit, each over those before it.
#[derive(Clone, Debug)]
pub(crate) struct Layers {
    first: Text,
    over: Vec<Text>,
    /// What `{instance}` stands for, in an instance of a template.
    pub(crate) instance: Option<String>,
}

impl Layers {
    /// A unit of one text.
    pub(crate) fn one(text: Text) -> Layers {
        Layers { first: text, over: Vec::new(), instance: None }
    }

    /// The same texts for an instance of the template that they are.
    pub(crate) fn instance(self, instance: &str) -> Layers {
        Layers { instance: Some(instance.to_owned()), ..self }
    }

    /// Puts a text over those that are there.
    pub(crate) fn push(&mut self, text: &str, file: &str) {
        let before = self.over.last().unwrap_or(&self.first);
        // One more, so that the end of a text is not the begin of the next.
        let base = before.base.saturating_add(before.text.len()).saturating_add(1);
        let mut text = Text::new(file, text);
        text.base = base;
        self.over.push(text);
    }

    /// The file of the unit itself, as it is called in messages.
    pub(crate) fn file(&self) -> &str {
        &self.first.file
    }

    /// From the first to the one over all others.
    pub(crate) fn texts(&self) -> impl Iterator<Item = &Text> {
        std::iter::once(&self.first).chain(&self.over)
    }

    /// The number of the text that a byte stands in, and the text.
    pub(crate) fn at(&self, at: usize) -> (usize, &Text) {
        let above = self.over.iter().enumerate().rev().find(|(_, text)| text.base <= at);
        above.map_or((0, &self.first), |(place, text)| (place.saturating_add(1), text))
    }

    /// File, line and column of a byte; the last two are counted from 1.
    pub(crate) fn position(&self, at: usize) -> (&str, u32, u32) {
        let (_, text) = self.at(at);
        let (line, column) = text.position(at.saturating_sub(text.base));
        (&text.file, line, column)
    }

    /// Where a byte stands, for a message about another one: `FILE:LINE` when
    /// that is in another text, and nothing in the same, which is shown.
    pub(crate) fn elsewhere(&self, at: usize, shown: usize) -> Option<String> {
        let (file, line, _) = self.position(at);
        (self.at(at).0 != self.at(shown).0).then(|| format!("{file}:{line}"))
    }

    /// Likewise for help, which names the line in any case: `in line 7`.
    pub(crate) fn beside(&self, at: usize, shown: usize) -> String {
        match self.elsewhere(at, shown) {
            Some(place) => format!("at {place}"),
            None => format!("in line {}", self.position(at).1),
        }
    }

    /// A place of one of the texts that another diagnostic is about too.
    pub(crate) fn related(&self, at: usize, message: impl Into<String>) -> Related {
        let (file, line, column) = self.position(at);
        Related { file: file.to_owned(), line, column, message: message.into() }
    }

    /// A diagnostic at a place of one of the texts.
    pub(crate) fn diagnostic(
        &self,
        severity: Severity,
        code: &'static str,
        span: Range<usize>,
        message: String,
    ) -> Diagnostic {
        let (_, text) = self.at(span.start);
        let local = |at: usize| at.saturating_sub(text.base);
        text.diagnostic(severity, code, local(span.start)..local(span.end), message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_byte_is_of_one_text() {
        let mut layers = Layers::one(Text::new("a", "12\n34"));
        layers.push("x\ny", "b");
        layers.push("", "c");
        assert_eq!(layers.position(0), ("a", 1, 1));
        assert_eq!(layers.position(5), ("a", 2, 3));
        assert_eq!(layers.position(6), ("b", 1, 1));
        assert_eq!(layers.position(8), ("b", 2, 1));
        assert_eq!(layers.position(10), ("c", 1, 1));
        assert_eq!(layers.elsewhere(0, 5), None);
        assert_eq!(layers.elsewhere(8, 0), Some("b:2".to_owned()));
        assert_eq!(layers.beside(3, 0), "in line 2");
        assert_eq!(layers.beside(3, 8), "at a:2");
        let related = layers.related(8, "x");
        assert_eq!((related.file.as_str(), related.line, related.column), ("b", 2, 1));
    }
}
