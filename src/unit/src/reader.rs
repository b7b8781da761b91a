//! Walks the tree of a unit: unknown keys, wrong types, missing keys. What a
//! value means is the business of the modules that use this one.

use crate::codes;
use crate::diagnostic::Diagnostic;
use crate::keys::{self, Key};
use crate::load::Settings;
use crate::order::Neighbour;
use crate::references::Reference;
use crate::suggest::{nearest, one_of, quoted};
use crate::text::Report;
use crate::watching::Watch;
use ham_core::plan::StateSet;
use std::ops::Range;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// The prefix of keys that nobody checks, for other programs that read the
/// file.
const EXTENSION: &str = "x-";

/// Keys that are listed when an unknown one resembles none of them: a few
/// lines on a terminal.
const MOST_LISTED: usize = 16;
/// Tables of a service file of systemd.
const OF_SYSTEMD: [&str; 3] = ["Unit", "Service", "Install"];

/// A value with its place.
pub(crate) type Value<'v> = Spanned<DeValue<'v>>;

/// A table whose keys have been checked.
#[derive(Clone, Debug)]
pub(crate) struct Table<'v> {
    path: &'static str,
    /// `in [entity]`, for messages.
    pub(crate) place: &'static str,
    entries: &'v DeTable<'v>,
    pub(crate) span: Range<usize>,
    /// Keys that an unknown one was probably meant to be: they are not
    /// missing, they are misspelt.
    misspelt: Vec<&'static str>,
}

impl Table<'_> {
    /// Whether one of these keys seems to be there under a wrong name.
    pub(crate) fn has_misspelt(&self, names: &[&str]) -> bool {
        self.misspelt.iter().any(|misspelt| names.contains(misspelt))
    }
}

/// A key of the table of keys, with the value that it has here.
#[derive(Clone, Debug)]
pub(crate) struct Field<'v> {
    pub(crate) key: &'static Key,
    pub(crate) name: &'static str,
    pub(crate) key_span: Range<usize>,
    pub(crate) value: &'v Value<'v>,
    /// Whether `value` is an item of the key's list.
    pub(crate) in_list: bool,
}

impl<'v> Field<'v> {
    pub(crate) fn span(&self) -> Range<usize> {
        self.value.span()
    }

    /// The same key with one item of its list.
    pub(crate) fn item(&self, value: &'v Value<'v>) -> Field<'v> {
        Field { value, in_list: true, ..self.clone() }
    }

    /// What may stand there, in words.
    fn kind(&self) -> &'static str {
        let kind = self.key.kind;
        if !self.in_list {
            return kind;
        }
        let items = kind.split_once("list of ").or_else(|| kind.split_once("array of "));
        let items = items.map_or(kind, |(_, items)| items);
        let items = items.split([',']).next().unwrap_or(items);
        let items = items.split_once(" or ").map_or(items, |(items, _)| items);
        match items {
            "capabilities" => "capability",
            _ => items.strip_suffix('s').unwrap_or(items),
        }
    }

    /// The items of a list, or the value itself where one needs no list.
    pub(crate) fn one_or_more(&self) -> Vec<Field<'v>> {
        match self.as_array() {
            Some(items) => items.iter().map(|item| self.item(item)).collect(),
            None => vec![self.clone()],
        }
    }

    pub(crate) fn as_str(&self) -> Option<&'v str> {
        self.value.get_ref().as_str()
    }

    pub(crate) fn as_array(&self) -> Option<&'v [Value<'v>]> {
        self.value.get_ref().as_array().map(|array| &**array)
    }

    pub(crate) fn as_table(&self) -> Option<&'v DeTable<'v>> {
        self.value.get_ref().as_table()
    }
}

/// Everything that the checks of one file share.
#[derive(Debug)]
pub(crate) struct Reader<'a> {
    pub(crate) report: Report<'a>,
    pub(crate) settings: &'a Settings<'a>,
    /// Entities that must exist, checked when all files are known.
    pub(crate) references: Vec<Reference>,
    /// What the unit is to others.
    pub(crate) neighbours: Vec<Neighbour>,
    /// What of its conditions concerns others.
    pub(crate) watches: Vec<Watch>,
    /// Names of states and of sets of them.
    pub(crate) states: Vec<(String, StateSet)>,
}

impl Reader<'_> {
    pub(crate) fn error(
        &mut self,
        code: &'static str,
        span: Range<usize>,
        message: impl Into<String>,
    ) -> &mut Diagnostic {
        self.report.error(code, span, message)
    }

    /// Where the other one of two that exclude each other stands, for the end
    /// of a message; nothing when both stand in one text.
    pub(crate) fn also(&self, other: usize, shown: usize) -> String {
        let place = self.report.text.elsewhere(other, shown);
        place.map_or_else(String::new, |place| format!(" ({place})"))
    }

    /// Likewise of a key of the same table, where it has that.
    pub(crate) fn also_key(&self, table: &Table<'_>, name: &str, shown: usize) -> String {
        let other = self.find(table, name);
        other.map_or_else(String::new, |other| self.also(other.key_span.start, shown))
    }

    /// Opens a table: every key that does not belong there is reported.
    pub(crate) fn table<'v>(
        &mut self,
        path: &'static str,
        place: &'static str,
        entries: &'v DeTable<'v>,
        span: Range<usize>,
    ) -> Table<'v> {
        let mut misspelt = Vec::new();
        for key in entries.keys() {
            let name: &str = key.get_ref();
            if !name.starts_with(EXTENSION) && keys::find(path, name).is_none() {
                misspelt.extend(self.unknown_key(path, place, name, key.span()));
            }
        }
        Table { path, place, entries, span, misspelt }
    }

    /// Reports an unknown key; returns the one that was probably meant.
    fn unknown_key(
        &mut self,
        path: &'static str,
        place: &'static str,
        name: &str,
        span: Range<usize>,
    ) -> Option<&'static str> {
        let known = || keys::of_table(path).map(|(known, _)| known);
        let message = format!("unknown key {} {place}", quoted(name));
        let added = self.report.error(codes::UNKNOWN_KEY, span, message);
        const TABLES: [(&str, &str); 6] = [
            ("entity", "in [entity]"),
            ("target", "in [target]"),
            ("heartbeat", "in [heartbeat]"),
            ("condition", "in [[condition]]"),
            ("action", "in an action of a condition"),
            ("", "at the top of the file"),
        ];
        // First the very same word elsewhere, then a similar one here.
        let elsewhere = TABLES.iter().find(|(table, _)| keys::find(table, name).is_some());
        if let Some(near) = nearest(name, known()) {
            added.label(format!("did you mean `{near}`?"));
            return Some(near);
        }
        if let Some((_, place)) = elsewhere {
            added.label(format!("`{name}` stands {place}"));
        } else if path.is_empty() && OF_SYSTEMD.contains(&name) {
            added.help(
                "that is systemd's: `hamctl import FILE.service` makes a unit of such a file",
            );
        } else {
            added.help(if known().next().is_none() {
                "nothing stands there".to_owned()
            } else if known().count() <= MOST_LISTED {
                format!("known here: {}", one_of(known()))
            } else {
                "ham.unit(5) lists the keys that stand there".to_owned()
            });
        }
        None
    }

    /// The field of a key, if it is there.
    pub(crate) fn find<'v>(&self, table: &Table<'v>, name: &str) -> Option<Field<'v>> {
        let (name, key) = keys::of_table(table.path).find(|(known, _)| *known == name)?;
        let (found, value) = table.entries.get_key_value(name)?;
        Some(Field { key, name, key_span: found.span(), value, in_list: false })
    }

    /// The field of a key that must be there.
    pub(crate) fn require<'v>(&mut self, table: &Table<'v>, name: &str) -> Option<Field<'v>> {
        let found = self.find(table, name);
        if found.is_none() && !table.has_misspelt(&[name]) {
            let message = format!("no `{name}` {}", table.place);
            self.error(codes::MISSING_KEY, table.span.clone(), message);
        }
        found
    }

    /// Reports a value of the wrong type. Returns `None` for the caller to
    /// return.
    pub(crate) fn wrong_type<T>(&mut self, field: &Field<'_>) -> Option<T> {
        let found = field.value.get_ref().type_str();
        let label = format!("expected {}, found {found}", field.kind());
        let message = format!("wrong type for `{}`", field.name);
        let number = match field.value.get_ref() {
            DeValue::Integer(integer) => Some(integer.as_str()),
            DeValue::Float(float) => Some(float.as_str()),
            DeValue::String(_)
            | DeValue::Boolean(_)
            | DeValue::Datetime(_)
            | DeValue::Array(_)
            | DeValue::Table(_) => None,
        };
        let mut help = None;
        if field.key.kind.contains("duration") {
            help =
                number.map(|number| format!("write the unit too: \"{number}s\" or \"{number}ms\""));
        } else if field.key.kind == "signal" && number.is_some() {
            help = Some("write the name of the signal, for example \"TERM\"".to_owned());
        } else if field.key.path == "action.restart" {
            help = Some("write restart = {} for the defaults".to_owned());
        } else if field.key.path == "entity.start-when" {
            help = Some("write start-when = { path = \"/run/prog.sock\" }".to_owned());
        } else if field.key.path == "entity.environment" {
            help = Some("write environment = { NAME = \"value\" }".to_owned());
        } else if field.key.kind == "list of tables" {
            let example = "{ execute = [\"/usr/bin/prog\", \"--option\"] }";
            help = Some(format!("write for example {} = [ {example} ]", field.name));
        } else if field.key.kind == "array of tables" && field.as_table().is_some() {
            help = Some(match field.name {
                "condition" => "write [[condition]], with two brackets".to_owned(),
                other => format!("write [[condition.{other}]], or {other} = [ {{ .. }} ]"),
            });
        }
        let added = self.error(codes::WRONG_TYPE, field.span(), message).label(label);
        if let Some(help) = help {
            added.help(help);
        }
        None
    }

    pub(crate) fn boolean_or(&mut self, table: &Table<'_>, name: &str, default: bool) -> bool {
        let Some(field) = self.find(table, name) else { return default };
        match field.value.get_ref().as_bool() {
            Some(value) => value,
            None => self.wrong_type(&field).unwrap_or(default),
        }
    }

    /// A string that can be handed to the kernel: without NUL bytes.
    pub(crate) fn string<'v>(&mut self, field: &Field<'v>) -> Option<&'v str> {
        let Some(text) = field.as_str() else { return self.wrong_type(field) };
        if text.contains('\0') {
            let message = format!("`{}` holds a NUL character", field.name);
            self.error(codes::BAD_VALUE, field.span(), message);
            return None;
        }
        Some(text)
    }

    /// One word out of a few.
    pub(crate) fn word<T: Clone>(
        &mut self,
        field: &Field<'_>,
        known: &[(T, &'static str)],
    ) -> Option<T> {
        let word = self.string(field)?;
        let found = known.iter().find(|(_, text)| *text == word).map(|(value, _)| value.clone());
        if found.is_none() {
            let words = || known.iter().map(|(_, text)| *text);
            let message = format!("`{}` cannot be {}", field.name, quoted(word));
            let added = self.report.error(codes::BAD_VALUE, field.span(), message);
            if let Some(near) = nearest(word, words()) {
                added.label(format!("did you mean `{near}`?"));
            }
            added.help(format!("it is {}", one_of(words())));
        }
        found
    }

    /// An integer of the file as a number, if it is one and in range.
    pub(crate) fn integer(
        &mut self,
        field: &Field<'_>,
        range: std::ops::RangeInclusive<i64>,
    ) -> Option<i64> {
        let Some(integer) = field.value.get_ref().as_integer() else {
            return self.wrong_type(field);
        };
        let value = i64::from_str_radix(integer.as_str(), integer.radix()).ok();
        let found = value.filter(|value| range.contains(value));
        if found.is_none() {
            let message = format!("`{}` is out of range", field.name);
            self.error(codes::BAD_VALUE, field.span(), message).label(format!(
                "must be {} to {}",
                range.start(),
                range.end()
            ));
        }
        found
    }

    /// An absolute path.
    pub(crate) fn path(&mut self, field: &Field<'_>) -> Option<String> {
        let path = self.string(field)?;
        self.absolute(field, path).then(|| path.to_owned())
    }

    /// Whether a path is absolute; if not, that is reported.
    pub(crate) fn absolute(&mut self, field: &Field<'_>, path: &str) -> bool {
        // PATH_MAX of <limits.h> counts the NUL at the end.
        const MAX: usize = 4095;
        if path.starts_with('/') && path.len() <= MAX {
            return true;
        }
        let why = if path.starts_with('/') { "is too long" } else { "must be absolute" };
        let message = format!("the path of `{}` {why}", field.name);
        self.error(codes::BAD_PATH, field.span(), message);
        false
    }
}
