//! A text with what is missing in it, and the way back: what a parser finds in
//! the longer text stands somewhere in the one that somebody wrote.

use crate::toml10::{Blank, Scan};
use std::ops::Range;

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
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::merge;
    use toml::de::DeTable;

    #[test]
    fn places_lead_back_to_the_text_that_was_written() {
        let text = "a = { b = [1\nc = 'x\nd = 2\n";
        let insertions = vec![(12, ']'), (12, '}'), (19, '\'')];
        let scan = Scan { insertions: insertions.clone(), ..Scan::default() };
        let whole = repaired(text, &scan);
        assert_eq!(whole, "a = { b = [1]}\nc = 'x'\nd = 2\n");
        let back = Back::new(&insertions);
        let table = DeTable::parse(&whole).unwrap().into_inner();
        let table = merge::moved(table, &|span| back.span(span));
        let written = |key: &str| {
            let (found, value) = table.get_key_value(key).unwrap();
            (&text[found.span()], &text[value.span()])
        };
        assert_eq!(written("a"), ("a", "{ b = [1"));
        assert_eq!(written("c"), ("c", "'x"));
        assert_eq!(written("d"), ("d", "2"));
    }
}
