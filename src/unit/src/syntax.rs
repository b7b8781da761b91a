//! From text to a tree of spanned values, with every syntax error, and
//! without those that only follow from an earlier one.

use crate::codes;
use crate::layers::Layers;
use crate::merge;
use crate::text::{Report, Text};
use crate::toml10::{self, FindingKind};
use std::collections::BTreeSet;
use std::ops::Range;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// What the syntax errors of one text make of later checks.
#[derive(Debug, Default)]
struct Damage {
    lines: BTreeSet<usize>,
    ranges: Vec<Range<usize>>,
    from: Option<usize>,
}

impl Damage {
    fn any(&self) -> bool {
        !self.lines.is_empty() || self.from.is_some()
    }

    fn covers(&self, text: &Text, at: usize) -> bool {
        self.from.is_some_and(|from| at >= from)
            || self.ranges.iter().any(|range| range.contains(&at))
            || self.lines.contains(&text.line_of(at))
    }
}

/// Likewise for all texts of a unit.
#[derive(Debug, Default)]
pub(crate) struct Damages(Vec<Damage>);

impl Damages {
    /// Whether there are any.
    pub(crate) fn any(&self) -> bool {
        self.0.iter().any(Damage::any)
    }

    /// Whether what stands there cannot be trusted to be what was written.
    pub(crate) fn covers(&self, layers: &Layers, at: usize) -> bool {
        let (place, text) = layers.at(at);
        let damage = self.0.get(place);
        damage.is_some_and(|damage| damage.covers(text, at.saturating_sub(text.base)))
    }
}

/// Parses all texts of a unit as far as it goes, and puts one over the other.
pub(crate) fn parse<'t>(layers: &'t Layers, report: &mut Report<'_>) -> (DeTable<'t>, Damages) {
    let mut damages = Damages::default();
    let mut whole: Option<DeTable<'t>> = None;
    for text in layers.texts() {
        let (table, damage) = parse_one(text, report);
        damages.0.push(damage);
        match &mut whole {
            None => whole = Some(table),
            Some(below) => merge::over(below, table, report),
        }
    }
    (whole.unwrap_or_default(), damages)
}

fn parse_one<'t>(text: &'t Text, report: &mut Report<'_>) -> (DeTable<'t>, Damage) {
    let among_all = |span: &Range<usize>| {
        span.start.saturating_add(text.base)..span.end.saturating_add(text.base)
    };
    let scan = toml10::scan(&text.text);
    let mut damage = Damage { from: scan.broken_from, ..Damage::default() };
    for finding in &scan.findings {
        let (code, message, help) = words_of(finding.kind);
        damage.lines.insert(text.line_of(finding.span.start));
        report.error(code, among_all(&finding.span), message).help(help);
    }
    let (table, mut errors) = DeTable::parse_recoverable(&text.text);
    damage.ranges = scan.explained;
    errors.sort_by_key(|error| error.span().map_or(0, |span| span.start));
    for error in errors {
        let span = error.span().unwrap_or(0..0);
        if damage.covers(text, span.start) {
            continue;
        }
        // One error a line: the parser stumbles on over the rest of it.
        damage.lines.insert(text.line_of(span.start));
        let (message, label, help) = friendlier(error.message());
        let added = report.error(codes::SYNTAX, among_all(&span), message);
        added.label(label);
        if let Some(help) = help {
            added.help(help);
        }
    }
    let table = merge::moved(table.into_inner(), text.base);
    times_without_seconds(&table, report);
    (table, damage)
}

fn words_of(kind: FindingKind) -> (&'static str, &'static str, &'static str) {
    match kind {
        FindingKind::TableOverLines => (
            codes::NEWER_TOML,
            "this `{` is not closed on its line",
            "TOML 1.0 wants an inline table on one line; a [table] of its own may have many",
        ),
        FindingKind::TrailingComma => (
            codes::NEWER_TOML,
            "comma before the end of an inline table",
            "TOML 1.0 allows none; remove the comma",
        ),
        FindingKind::Escape => (
            codes::NEWER_TOML,
            "escape of TOML 1.1",
            "write \\uXXXX with the code of the character, for example \\u001B",
        ),
        FindingKind::UnclosedArray => {
            (codes::SYNTAX, "this `[` is never closed", "add the missing `]`")
        }
        FindingKind::UnclosedString => {
            (codes::SYNTAX, "this string is never closed", "add the missing quotes")
        }
    }
}

/// The parser's message as message, label and help.
fn friendlier(message: &str) -> (String, &'static str, Option<&'static str>) {
    if message == "duplicate key" {
        let help = "remove one of the two; for several conditions write [[condition]]";
        return ("this key is already set".to_owned(), "set again here", Some(help));
    }
    if message.starts_with("missing escaped value") {
        let help = "known are \\b \\t \\n \\f \\r \\\" \\\\ \\uXXXX and \\UXXXXXXXX; \
                    in '...' a backslash is only a backslash";
        return ("unknown escape".to_owned(), "", Some(help));
    }
    if message.starts_with("string values must be quoted") {
        return ("a string must be quoted".to_owned(), "write it in \"quotes\"", None);
    }
    (format!("not TOML: {message}"), "", None)
}

fn times_without_seconds(table: &DeTable<'_>, report: &mut Report<'_>) {
    for value in table.values() {
        times_in_value(value, report);
    }
}

/// The parser limits how deep values nest, so the recursion has an end.
fn times_in_value(value: &Spanned<DeValue<'_>>, report: &mut Report<'_>) {
    match value.get_ref() {
        DeValue::Datetime(datetime) => {
            if datetime.time.is_some_and(|time| time.second.is_none()) {
                report
                    .error(codes::NEWER_TOML, value.span(), "time without seconds")
                    .help("TOML 1.0 wants them: write 07:32:00");
            }
        }
        DeValue::Array(items) => items.iter().for_each(|item| times_in_value(item, report)),
        DeValue::Table(table) => times_without_seconds(table, report),
        DeValue::String(_) | DeValue::Integer(_) | DeValue::Float(_) | DeValue::Boolean(_) => {}
    }
}
