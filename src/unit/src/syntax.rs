//! From text to a tree of spanned values, with every syntax error, and
//! without those that only follow from an earlier one.

use crate::codes;
use crate::layers::Layers;
use crate::line_starts::is_header;
use crate::merge;
use crate::repair::{Back, repaired};
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
    /// Whether something was put in that is missing, or blanked out.
    repaired: bool,
}

impl Damage {
    /// Whether there is any.
    fn any(&self) -> bool {
        self.repaired || !self.lines.is_empty() || self.from.is_some()
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
    let among_all = |span: Range<usize>| {
        span.start.saturating_add(text.base)..span.end.saturating_add(text.base)
    };
    let scan = toml10::scan(&text.text);
    let repairs = !scan.insertions.is_empty() || !scan.blanks.is_empty();
    let mut damage = Damage { from: scan.broken_from, repaired: repairs, ..Damage::default() };
    // Parse errors there only follow from what is told.
    let mut told = BTreeSet::new();
    for finding in &scan.findings {
        let (code, message, help) = words_of(finding.kind);
        told.insert(text.line_of(finding.span.start));
        if !is_mended(finding.kind) {
            damage.lines.insert(text.line_of(finding.span.start));
        }
        report.error(code, among_all(finding.span.clone()), message).help(help);
    }
    let back = Back::new(&scan.insertions);
    let (table, mut errors) = if repairs {
        DeTable::parse_recoverable(text.repaired.get_or_init(|| repaired(&text.text, &scan)))
    } else {
        DeTable::parse_recoverable(&text.text)
    };
    damage.ranges = scan.explained;
    errors.sort_by_key(|error| error.span().map_or(0, |span| span.start));
    for error in errors {
        let span = back.span(error.span().unwrap_or(0..0));
        let line = text.line_of(span.start);
        if damage.covers(text, span.start) || told.contains(&line) {
            continue;
        }
        // What begins with a bracket belongs to what stands before it.
        if damage.lines.contains(&line.saturating_sub(1)) && goes_on(text, span.start) {
            damage.lines.insert(line);
            continue;
        }
        // One error a line: the parser stumbles on over the rest of it.
        damage.lines.insert(line);
        let word = text.text.get(span.start..).unwrap_or_default();
        let (message, label, help) = friendlier(error.message(), word);
        let added = report.error(codes::SYNTAX, among_all(span), message);
        added.label(label);
        if let Some(help) = help {
            added.help(help);
        }
    }
    let table = if repairs || text.base > 0 {
        merge::moved(table.into_inner(), &|span| among_all(back.span(span)))
    } else {
        table.into_inner()
    };
    times_without_seconds(&table, report);
    (table, damage)
}

/// Whether what stands on the line is known in spite of the finding.
fn is_mended(kind: FindingKind) -> bool {
    match kind {
        FindingKind::UnclosedArray
        | FindingKind::UnclosedTable
        | FindingKind::UnclosedHeader
        | FindingKind::UnopenedHeader => true,
        FindingKind::TableOverLines
        | FindingKind::TrailingComma
        | FindingKind::Escape
        | FindingKind::UnclosedString
        | FindingKind::UnclosedQuote => false,
    }
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
        FindingKind::UnclosedTable => {
            (codes::SYNTAX, "this `{` is never closed", "add the missing `}`")
        }
        FindingKind::UnclosedHeader => (
            codes::SYNTAX,
            "this header is never closed",
            "add the missing `]`: [entity], [[condition]]",
        ),
        FindingKind::UnopenedHeader => (
            codes::SYNTAX,
            "a `[` is missing before this header",
            "headers are [entity], [[condition]], [[condition.actions]]",
        ),
        FindingKind::UnclosedQuote => (
            codes::SYNTAX,
            "this string is not closed on its line",
            "add the missing quote; a string over several lines begins and ends with three",
        ),
    }
}

/// The parser's message as message, label and help. `rest` is the text from
/// its place on.
fn friendlier(message: &str, rest: &str) -> (String, &'static str, Option<&'static str>) {
    if message == "duplicate key" {
        let help = "remove one of the two; for several conditions write [[condition]]";
        return ("this key is already set".to_owned(), "set again here", Some(help));
    }
    if message.starts_with("missing escaped value") {
        let help = "known are \\b \\t \\n \\f \\r \\\" \\\\ \\uXXXX and \\UXXXXXXXX; \
                    in '...' a backslash is only a backslash";
        return ("unknown escape".to_owned(), "", Some(help));
    }
    // `A = "b"` in a list.
    let after = rest.trim_start_matches(is_of_key).trim_start();
    if message.starts_with("string values must be quoted") && after.starts_with('=') {
        let help = "a list holds values; keys with values stand in { braces }";
        return ("a key in a list".to_owned(), "", Some(help));
    }
    if message.starts_with("key with no value") {
        return ("this key has no value".to_owned(), "", Some("write for example key = \"value\""));
    }
    if message.starts_with("missing comma") {
        return ("no comma between two values".to_owned(), "expected `,`", None);
    }
    let is_of_word = |character: char| character.is_alphanumeric();
    let word = rest.split(|character| !is_of_word(character)).next().unwrap_or_default();
    let meant = match word.to_ascii_lowercase().as_str() {
        "yes" | "on" | "true" => Some("did you mean `true`?"),
        "no" | "off" | "false" => Some("did you mean `false`?"),
        _ => None,
    };
    if message.starts_with("string values must be quoted")
        && let Some(meant) = meant
    {
        return (format!("`{word}` is no value of TOML"), meant, None);
    }
    if message.starts_with("string values must be quoted") {
        return ("a string must be quoted".to_owned(), "write it in \"quotes\"", None);
    }
    (format!("not TOML: {message}"), "", None)
}

/// Whether a line continues the one before it: no key and no header begins it.
fn goes_on(text: &Text, at: usize) -> bool {
    let before = text.text.get(..at).unwrap_or_default();
    let start = before.rfind('\n').map_or(0, |end| end.saturating_add(1));
    let rest = text.text.get(start..).unwrap_or_default();
    let line = rest.split('\n').next().unwrap_or_default().trim_start();
    line.starts_with(['{', '}', ']']) || (line.starts_with('[') && !is_header(line.as_bytes()))
}

fn is_of_key(character: char) -> bool {
    character.is_ascii_alphanumeric() || character == '_' || character == '-'
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
