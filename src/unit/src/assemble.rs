//! Puts a unit together from its files: of an instance the template and its
//! drop-ins first, then its own file, then its own drop-ins.

use crate::codes;
use crate::diagnostic::{Diagnostic, Severity};
use crate::directory::{Found, SourceState};
use crate::layers::Layers;
use crate::load::Settings;
use crate::source;
use crate::suggest::quoted;
use crate::syntax;
use crate::templates;
use crate::text::{Report, Text};
use std::path::{Path, PathBuf};

/// A unit put together.
#[derive(Debug)]
pub(crate) enum Assembled {
    /// Its texts.
    Unit(Layers),
    /// This file says that there is no such unit.
    Masked(PathBuf),
    /// It cannot be read, which is reported.
    Refused,
}

/// Texts as they are collected.
#[derive(Debug, Default)]
struct Stack {
    layers: Option<Layers>,
    refused: bool,
}

impl Stack {
    fn push(&mut self, path: &Path, text: &str) {
        let file = path.display().to_string();
        match &mut self.layers {
            Some(layers) => layers.push(text, &file),
            None => self.layers = Some(Layers::one(Text::new(&file, text))),
        }
    }

    /// One file more. What is empty says nothing.
    fn read(&mut self, path: &Path, settings: &Settings<'_>, problems: &mut Vec<Diagnostic>) {
        match source::read_any(path, settings) {
            Ok(text) if source::is_empty(&text) => {}
            Ok(text) => self.push(path, &text),
            Err(problem) => {
                problems.push(*problem);
                self.refused = true;
            }
        }
    }
}

/// The file of a unit, and those that go with it, each over those before it;
/// empty ones too. `own` is its own file, where it has one.
pub(crate) fn files(name: &str, own: Option<&Path>, found: &Found) -> Vec<PathBuf> {
    let mut files = Vec::new();
    if let Some((template, _)) = templates::parts(name)
        && let Some(source) = found.template_of(name)
    {
        files.push(source.path.clone());
        files.extend(drop_ins(template, found));
    }
    files.extend(own.filter(|own| !is_template_of(own, name, found)).map(Path::to_owned));
    files.extend(drop_ins(name, found));
    files
}

fn drop_ins(name: &str, found: &Found) -> Vec<PathBuf> {
    let there = found.drop_ins.get(name);
    there.into_iter().flat_map(|there| there.files.values().flatten().cloned()).collect()
}

/// Whether a file is a link to the template that it is an instance of: to the
/// very file, or to one of that name, for which the first of the search
/// directories counts.
fn is_template_of(own: &Path, name: &str, found: &Found) -> bool {
    let Some((template, _)) = templates::parts(name) else { return false };
    let Some(source) = found.template_of(name) else { return false };
    let Ok(target) = std::fs::read_link(own) else { return false };
    let named = target.file_name().is_some_and(|file| file == format!("{template}.toml").as_str());
    let same = || std::fs::canonicalize(own).ok() == std::fs::canonicalize(&source.path).ok();
    named || same()
}

/// Reads the files of a unit.
pub(crate) fn assemble(
    name: &str,
    own: Option<&Path>,
    found: &Found,
    settings: &Settings<'_>,
    problems: &mut Vec<Diagnostic>,
) -> Assembled {
    let incomplete = |name: &str| found.drop_ins.get(name).is_some_and(|there| there.incomplete);
    let mut stack = Stack { refused: incomplete(name), ..Stack::default() };
    let parts = templates::parts(name);
    let template = parts.and_then(|(template, _)| found.sources.get(template));
    match template.map(|template| (template.state, &template.path)) {
        // What is wrong with it is said about it.
        Some((SourceState::Refused, _)) => return Assembled::Refused,
        Some((SourceState::Masked, path)) => return Assembled::Masked(path.clone()),
        Some((SourceState::Loaded | SourceState::Template, _)) | None => {}
    }
    if let (None, Some(own)) = (parts, own) {
        match source::read(own, settings) {
            Ok(text) => stack.push(own, &text),
            Err(problem) => {
                problems.push(*problem);
                return Assembled::Refused;
            }
        }
        for path in drop_ins(name, found) {
            stack.read(&path, settings, problems);
        }
    } else {
        for path in files(name, own, found) {
            stack.read(&path, settings, problems);
        }
    }
    if stack.refused {
        return Assembled::Refused;
    }
    let Some(layers) = stack.layers else {
        problems.push(no_text(name, own, template.is_some()));
        return Assembled::Refused;
    };
    let layers = match parts {
        Some((_, instance)) => layers.instance(instance),
        None => layers,
    };
    match masking(&layers) {
        Some(file) => Assembled::Masked(file),
        None => Assembled::Unit(layers),
    }
}

/// An instance that says nothing, and whose template does not either.
fn no_text(name: &str, own: Option<&Path>, is_template: bool) -> Diagnostic {
    let (template, _) = templates::parts(name).unwrap_or((name, ""));
    let file = own.unwrap_or(Path::new(name)).display().to_string();
    let (code, message) = match is_template {
        true => (
            codes::EMPTY,
            format!("neither it nor the template {} says anything", quoted(template)),
        ),
        false => (
            codes::NO_TEMPLATE,
            format!("the file is empty, and there is no template {}", quoted(template)),
        ),
    };
    let mut problem = Diagnostic::of_file(Severity::Error, code, &file, message);
    problem.help(format!("write {template}.toml, or into this file what the entity is"));
    problem
}

/// The file that says `mask = true`, if that is what holds in the end. Units
/// that do not have the key, nearly all, are not read for it.
pub(crate) fn masking(layers: &Layers) -> Option<PathBuf> {
    let may_say = |line: &str| line.trim_start_matches([' ', '\t', '"', '\'']).starts_with("mask");
    if !layers.texts().any(|text| text.text.lines().any(may_say)) {
        return None;
    }
    let mut report = Report::new(layers);
    let (tree, damages) = syntax::parse(layers, &mut report);
    let (_, value) = tree.get_key_value("mask").filter(|_| !damages.any())?;
    let masked = value.get_ref().as_bool() == Some(true);
    masked.then(|| PathBuf::from(layers.position(value.span().start).0))
}
