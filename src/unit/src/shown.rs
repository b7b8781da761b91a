//! A unit as it stands in the search directories: its files one by one, and
//! what they make together, each value with the place that it comes from.

use crate::assemble::{self, Assembled, assemble};
use crate::diagnostic::Diagnostic;
use crate::directory::{self, Found, SourceState};
use crate::layers::Layers;
use crate::load::Settings;
use crate::merge::MERGED;
use crate::names::wrong_entity_name;
use crate::render::visible;
use crate::suggest::nearest;
use crate::syntax;
use crate::templates;
use crate::text::Report;
use crate::write::quoted;
use serde::Serialize;
use std::fmt::Write as _;
use std::path::PathBuf;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// The files of a unit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnitFiles {
    /// Each over those before it: the template, its drop-ins, the unit's own
    /// file, its own drop-ins.
    pub files: Vec<PathBuf>,
    /// The link to `/dev/null` that masks it, in place of files.
    pub masked_by: Option<PathBuf>,
}

/// One value of a merged unit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MergedValue {
    /// Tables and key, joined by dots; of a condition its name is the second
    /// part, and of an action its number, from 1.
    pub key: String,
    /// The value as TOML.
    pub value: String,
    /// The file that it comes from.
    pub file: String,
    /// Its line there, counted from 1.
    pub line: u32,
}

/// What the files of a unit make together.
#[derive(Debug, Default)]
pub struct Merged {
    /// As TOML, each value with a comment that tells its place.
    pub text: String,
    /// All values, in the order of `text`.
    pub values: Vec<MergedValue>,
    /// Why files could not be read, or not as a whole.
    pub diagnostics: Vec<Diagnostic>,
    /// The file that masks it.
    pub masked_by: Option<PathBuf>,
}

/// The files of a unit, a template or an instance of one.
///
/// # Errors
/// There is no such unit: the name that is most like it, if one is.
pub fn unit_files(
    directories: &[PathBuf],
    name: &str,
    settings: &Settings<'_>,
) -> Result<UnitFiles, Option<String>> {
    let found = directory::find(directories, settings);
    let own = own(&found, name)?;
    if let Some(own) = &own
        && found.sources.get(name).is_some_and(|source| source.state == SourceState::Masked)
    {
        return Ok(UnitFiles { files: Vec::new(), masked_by: Some(own.clone()) });
    }
    let files = assemble::files(name, own.as_deref(), &found);
    Ok(UnitFiles { files, masked_by: None })
}

/// A unit, a template or an instance of one with all drop-ins.
///
/// # Errors
/// As for [`unit_files`].
pub fn merged(
    directories: &[PathBuf],
    name: &str,
    settings: &Settings<'_>,
) -> Result<Merged, Option<String>> {
    let found = directory::find(directories, settings);
    let own = own(&found, name)?;
    let mut merged = Merged::default();
    if let Some(source) = found.sources.get(name)
        && source.state == SourceState::Masked
    {
        merged.masked_by = Some(source.path.clone());
        return Ok(merged);
    }
    let put = assemble(name, own.as_deref(), &found, settings, &mut merged.diagnostics);
    match put {
        Assembled::Unit(layers) => merged.show(&layers),
        Assembled::Masked(by) => merged.masked_by = Some(by),
        // A directory that is not trusted is what is wrong, if nothing else is.
        Assembled::Refused if merged.diagnostics.is_empty() => {
            merged.diagnostics = found.diagnostics;
        }
        Assembled::Refused => {}
    }
    Ok(merged)
}

/// The own file of a unit; `None`: it is an instance without one.
fn own(found: &Found, name: &str) -> Result<Option<PathBuf>, Option<String>> {
    match found.sources.get(name) {
        Some(source) => Ok(Some(source.path.clone())),
        None if wrong_entity_name(name).is_none() && found.template_of(name).is_some() => Ok(None),
        None => Err(nearest(name, found.names()).map(str::to_owned)),
    }
}

impl Merged {
    fn show(&mut self, layers: &Layers) {
        let mut report = Report::new(layers);
        let (mut tree, _) = syntax::parse(layers, &mut report);
        if let Some(instance) = &layers.instance {
            templates::fill(&mut tree, instance);
        }
        self.diagnostics.extend(report.finish());
        self.table(layers, &tree, "");
    }

    /// The values of a table, then the tables in it.
    fn table(&mut self, layers: &Layers, table: &DeTable<'_>, path: &str) {
        let mut entries: Vec<_> = table.iter().collect();
        entries.sort_by_key(|(key, _)| key.span().start);
        let below = |key: &str| match path {
            "" => key.to_owned(),
            _ => format!("{path}.{key}"),
        };
        let is_own = |key: &str, value: &DeValue<'_>| match value {
            DeValue::Table(_) => MERGED.contains(&below(key).as_str()),
            DeValue::Array(items) => {
                path.is_empty()
                    && key == "condition"
                    && items.iter().all(|item| item.get_ref().is_table())
            }
            _ => false,
        };
        let (own, plain): (Vec<_>, Vec<_>) =
            entries.into_iter().partition(|(key, value)| is_own(key.get_ref(), value.get_ref()));
        for (key, value) in plain {
            self.value(layers, key.get_ref(), &below(key.get_ref()), value);
        }
        for (key, value) in own {
            let path = below(key.get_ref());
            match value.get_ref() {
                DeValue::Table(table) => {
                    self.head(&format!("[{path}]"));
                    self.table(layers, table, &path);
                }
                DeValue::Array(items) => {
                    for item in items {
                        self.condition(layers, item.get_ref());
                    }
                }
                _ => {}
            }
        }
    }

    fn head(&mut self, head: &str) {
        let gap = if self.text.is_empty() { "" } else { "\n" };
        let _ = writeln!(self.text, "{gap}{head}");
    }

    fn condition(&mut self, layers: &Layers, condition: &DeValue<'_>) {
        self.head("[[condition]]");
        let name = crate::merge::condition_name(condition).unwrap_or("?");
        let path = format!("condition.{name}");
        let Some(table) = condition.as_table() else { return };
        let mut entries: Vec<_> = table.iter().collect();
        // The list of actions is the longest and comes last, as in most units.
        entries.sort_by_key(|(key, _)| (key.get_ref() == "actions", key.span().start));
        for (key, value) in entries {
            let key: &str = key.get_ref();
            match value.get_ref() {
                DeValue::Array(items) if key == "actions" && !items.is_empty() => {
                    self.text.push_str("actions = [\n");
                    for (number, item) in (1u32..).zip(items.iter()) {
                        let value = written(item.get_ref());
                        let place = self.note(layers, &format!("{path}.{number}"), item, &value);
                        let _ = writeln!(self.text, "    {value}, # {place}");
                    }
                    self.text.push_str("]\n");
                }
                _ => self.value(layers, key, &format!("{path}.{key}"), value),
            }
        }
    }

    fn value(&mut self, layers: &Layers, key: &str, path: &str, value: &Spanned<DeValue<'_>>) {
        let text = written(value.get_ref());
        let place = self.note(layers, path, value, &text);
        let _ = writeln!(self.text, "{} = {text} # {place}", bare(key));
    }

    /// Takes note of a value; returns its place.
    fn note(
        &mut self,
        layers: &Layers,
        key: &str,
        value: &Spanned<DeValue<'_>>,
        text: &str,
    ) -> String {
        let (file, line, _) = layers.position(value.span().start);
        let (key, value) = (key.to_owned(), text.to_owned());
        self.values.push(MergedValue { key, value, file: file.to_owned(), line });
        visible(&format!("{file}:{line}"))
    }
}

/// A key as TOML.
fn bare(key: &str) -> String {
    let is_bare = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if !key.is_empty() && key.chars().all(is_bare) { key.to_owned() } else { quoted(key) }
}

/// A value as TOML, on one line.
fn written(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(text) => quoted(text),
        DeValue::Integer(number) => number.to_string(),
        DeValue::Float(number) => number.as_str().to_owned(),
        DeValue::Boolean(value) => value.to_string(),
        DeValue::Datetime(value) => value.to_string(),
        DeValue::Array(items) => {
            let items: Vec<String> = items.iter().map(|item| written(item.get_ref())).collect();
            format!("[{}]", items.join(", "))
        }
        DeValue::Table(table) if table.is_empty() => "{}".to_owned(),
        DeValue::Table(table) => {
            let mut entries: Vec<_> = table.iter().collect();
            entries.sort_by_key(|(key, _)| key.span().start);
            let one = |(key, value): &(&Spanned<_>, &Spanned<DeValue<'_>>)| {
                let key: &std::borrow::Cow<'_, str> = key.get_ref();
                format!("{} = {}", bare(key), written(value.get_ref()))
            };
            format!("{{ {} }}", entries.iter().map(one).collect::<Vec<_>>().join(", "))
        }
    }
}
