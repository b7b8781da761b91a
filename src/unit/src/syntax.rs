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
        let words = friendlier(error.message(), &text.text, span.start);
        let span = among_all(words.span.unwrap_or(span));
        let added = report.error(codes::SYNTAX, span, words.message);
        added.label(words.label);
        if let Some(help) = words.help {
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

/// An error of the parser in words of ours.
#[derive(Debug)]
struct Words {
    message: String,
    label: &'static str,
    help: Option<&'static str>,
    /// Where it is shown; `None`: where the parser says.
    span: Option<Range<usize>>,
}

impl Words {
    fn new(message: &str, label: &'static str) -> Words {
        Words { message: message.to_owned(), label, help: None, span: None }
    }

    fn help(self, help: &'static str) -> Words {
        Words { help: Some(help), ..self }
    }
}

/// Says what the parser says at this place of the text.
fn friendlier(message: &str, text: &str, at: usize) -> Words {
    if message == "duplicate key" {
        return Words::new("this key is already set", "set again here")
            .help("remove one of the two; for several conditions write [[condition]]");
    }
    if message.starts_with("missing escaped value") {
        return Words::new("unknown escape", "").help(
            "known are \\b \\t \\n \\f \\r \\\" \\\\ \\uXXXX and \\UXXXXXXXX; \
             in '...' a backslash is only a backslash",
        );
    }
    // `A = "b"` in a list.
    let rest = text.get(at..).unwrap_or_default();
    let after = rest.trim_start_matches(is_of_key).trim_start();
    if message.starts_with("string values must be quoted") && after.starts_with('=') {
        return Words::new("a key in a list", "")
            .help("a list holds values; keys with values stand in { braces }");
    }
    if message.starts_with("key with no value") {
        return Words::new("this key has no value", "").help("write for example key = \"value\"");
    }
    if message.starts_with("missing comma") {
        return Words::new("no comma between two values", "expected `,`");
    }
    of_value(message, text, at).unwrap_or_else(|| Words::new(&format!("not TOML: {message}"), ""))
}

/// How the parser begins what it says of a value.
const OF_VALUES: [&str; 9] = [
    "string values must be quoted",
    "invalid boolean",
    "invalid float",
    "invalid integer",
    "invalid mantissa",
    "invalid fraction",
    "invalid date-time",
    "invalid datetime",
    "unexpected leading zero",
];

const UNQUOTED: &str = "a string must be quoted";
const IN_QUOTES: &str = "write it in \"quotes\"";

/// What is wrong with a value that has no quotes. The parser takes what begins
/// as a word of TOML for that: `no` for `nan`, `forking` for `false`.
fn of_value(message: &str, text: &str, at: usize) -> Option<Words> {
    if !OF_VALUES.iter().any(|begin| message.starts_with(begin)) {
        return None;
    }
    let ends = |character: char| character.is_whitespace() || ",[]{}=#\"'".contains(character);
    let (before, rest) = text.split_at_checked(at).unwrap_or((text, ""));
    let is_string = message.starts_with("string");
    if rest.starts_with(ends) {
        // The word is not what is wrong.
        return is_string.then(|| Words::new(UNQUOTED, IN_QUOTES));
    }
    let start = before.rfind(ends).map_or(0, |end| end.saturating_add(1));
    let end = rest.find(ends).map_or(text.len(), |length| at.saturating_add(length));
    let word = text.get(start..end)?;
    let no_value = || format!("`{word}` is no value of TOML");
    let (message, label) = match word.to_ascii_lowercase().as_str() {
        "true" => (no_value(), "write `true`"),
        "false" => (no_value(), "write `false`"),
        "yes" | "on" => (no_value(), "write `true`, or the word in \"quotes\""),
        "no" | "off" => (no_value(), "write `false`, or the word in \"quotes\""),
        _ if word.starts_with('0') && word.bytes().all(|byte| byte.is_ascii_digit()) => (
            "a number does not begin with 0".to_owned(),
            "write a mode in \"quotes\", any other number without the 0",
        ),
        _ if is_string || word.contains(char::is_alphabetic) => (UNQUOTED.to_owned(), IN_QUOTES),
        _ => return None,
    };
    Some(Words { span: (start < at).then_some(start..end), ..Words::new(&message, label) })
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
