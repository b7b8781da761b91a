//! A text with what is missing in it, and the way back: what a parser finds in
//! the longer text stands somewhere in the one that somebody wrote.

use crate::toml10::{Blank, Scan};
use std::ops::Range;
use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue};

/// The text with what is missing put in and what cannot be read blanked out.
pub(crate) fn repaired(text: &str, scan: &Scan) -> String {
    let mut readable = text.to_owned();
    for Blank { bytes, value } in &scan.blanks {
        let mut blank = " ".repeat(bytes.len());
        if *value && !blank.is_empty() {
            blank.replace_range(..1, "0");
        }
        if readable.get(bytes.clone()).is_some() {
            readable.replace_range(bytes.clone(), &blank);
        }
    }
    let mut whole = String::with_capacity(text.len().saturating_add(scan.insertions.len()));
    let mut from = 0;
    for (at, character) in &scan.insertions {
        whole.push_str(readable.get(from..*at).unwrap_or_default());
        whole.push(*character);
        from = *at;
    }
    whole.push_str(readable.get(from..).unwrap_or_default());
    whole
}

/// Finds the places of the shorter text.
#[derive(Clone, Debug)]
pub(crate) struct Back {
    /// Where the insertions are in the longer text.
    places: Vec<usize>,
}

impl Back {
    /// For the text that [`repaired`] has made.
    pub(crate) fn new(insertions: &[(usize, char)]) -> Back {
        // Each is further on by those before it.
        let places = insertions.iter().enumerate();
        Back { places: places.map(|(before, (at, _))| at.saturating_add(before)).collect() }
    }

    fn byte(&self, at: usize) -> usize {
        at.saturating_sub(self.places.partition_point(|place| *place < at))
    }

    /// A span of the longer text, in the shorter one.
    pub(crate) fn span(&self, span: Range<usize>) -> Range<usize> {
        self.byte(span.start)..self.byte(span.end)
    }

    /// A table with all its spans.
    pub(crate) fn table<'t>(&self, table: DeTable<'t>) -> DeTable<'t> {
        table
            .into_iter()
            .map(|(key, value)| {
                let key = Spanned::new(self.span(key.span()), key.into_inner());
                (key, self.value(value))
            })
            .collect()
    }

    /// The parser limits how deep values nest, so the recursion has an end.
    fn value<'t>(&self, value: Spanned<DeValue<'t>>) -> Spanned<DeValue<'t>> {
        let span = self.span(value.span());
        let value = match value.into_inner() {
            DeValue::Table(table) => DeValue::Table(self.table(table)),
            DeValue::Array(items) => {
                let mut array = DeArray::new();
                for item in items {
                    array.push(self.value(item));
                }
                DeValue::Array(array)
            }
            other @ (DeValue::String(_)
            | DeValue::Integer(_)
            | DeValue::Float(_)
            | DeValue::Boolean(_)
            | DeValue::Datetime(_)) => other,
        };
        Spanned::new(span, value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_lead_back_to_the_text_that_was_written() {
        let text = "a = { b = [1\nc = 'x\nd = 2\n";
        let insertions = vec![(12, ']'), (12, '}'), (19, '\'')];
        let scan = Scan { insertions: insertions.clone(), ..Scan::default() };
        let whole = repaired(text, &scan);
        assert_eq!(whole, "a = { b = [1]}\nc = 'x'\nd = 2\n");
        let back = Back::new(&insertions);
        let table = back.table(DeTable::parse(&whole).unwrap().into_inner());
        let written = |key: &str| {
            let (found, value) = table.get_key_value(key).unwrap();
            (&text[found.span()], &text[value.span()])
        };
        assert_eq!(written("a"), ("a", "{ b = [1"));
        assert_eq!(written("c"), ("c", "'x"));
        assert_eq!(written("d"), ("d", "2"));
    }
}
