//! All units that there are: those with a file, and those instances of
//! templates that a link, another unit or the caller names.

use crate::assemble::{self, Assembled, assemble};
use crate::codes;
use crate::diagnostic::{Diagnostic, Severity};
use crate::directory::{self, Found, Source, SourceState};
use crate::draft::Draft;
use crate::enablement;
use crate::layers::Layers;
use crate::load::Settings;
use crate::memory::{FileTrace, Recalled};
use crate::names;
use crate::templates;
use crate::text::Text;
use ham_core::ids::MAX_PLANNED;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

/// A unit that is to be compared with others.
#[derive(Debug)]
pub(crate) struct Unit {
    name: String,
    text: Layers,
    files: Option<Vec<FileTrace>>,
    recalled: Option<Box<Recalled>>,
}

impl Unit {
    /// One that was read.
    pub(crate) fn read(name: String, text: Layers) -> Unit {
        Unit { name, text, files: None, recalled: None }
    }

    /// What it says; to be called once.
    pub(crate) fn draft<'a>(&'a mut self, settings: &'a Settings<'a>) -> Draft<'a> {
        if let Some(recalled) = self.recalled.take() {
            return recalled.draft(&self.name, &self.text);
        }
        let draft = Draft::new(&self.name, &self.text, settings);
        // What was said once has to be said again.
        let files = self.files.take().filter(|_| draft.report.len() == 0 && !draft.refused);
        Draft { files, ..draft }
    }

    /// Whether it may name an instance of a template.
    fn may_name_instances(&self) -> bool {
        self.text.texts().any(|text| text.text.contains('@'))
    }
}

/// What the search directories hold, put together but not compared.
#[derive(Debug, Default)]
pub(crate) struct Gathered {
    pub(crate) found: Found,
    /// All units that are not masked, in order of name.
    pub(crate) units: Vec<Unit>,
    /// The files that say that a unit is not there.
    pub(crate) masked_by: BTreeMap<String, PathBuf>,
    /// Instances that there are only because somebody named them.
    pub(crate) by_need: BTreeSet<String>,
    /// The links that say what starts.
    pub(crate) enabled: Option<enablement::Links>,
}

/// Looks through the directories in order.
pub(crate) fn gather(directories: &[PathBuf], settings: &Settings<'_>) -> Gathered {
    let mut all = Gathered { found: directory::find(directories, settings), ..Gathered::default() };
    let mut problems = Vec::new();
    let mut units: BTreeMap<String, Unit> = BTreeMap::new();
    let mut patterns: BTreeMap<String, Layers> = BTreeMap::new();
    // In this order a template comes before its instances.
    let names: Vec<String> = all.found.names().map(str::to_owned).collect();
    for name in names {
        let Some(source) = all.found.sources.get(&name) else { continue };
        let is_template = source.state == SourceState::Template;
        if !is_template && source.state != SourceState::Loaded {
            continue;
        }
        let own = source.path.clone();
        let files = match settings.memory.is_some() && !name.contains('@') {
            true => FileTrace::of_all(&assemble::files(&name, Some(&own), &all.found)),
            false => None,
        };
        if let Some(files) = &files
            && let Some(recalled) = Recalled::find(&name, files, settings)
            && all.is_whole(&name)
        {
            let text = Layers::one(Text::new(&own.display().to_string(), ""));
            let recalled = Some(Box::new(recalled));
            units.insert(name.clone(), Unit { recalled, ..Unit::read(name, text) });
            continue;
        }
        let put = assemble(&name, Some(&own), &all.found, settings, &mut problems);
        match all.put(&name, put) {
            Some(layers) if is_template => {
                patterns.insert(name, layers);
            }
            Some(layers) => {
                let unit = Unit::read(name.clone(), layers);
                let files = files.filter(|_| !unit.may_name_instances());
                units.insert(name, Unit { files, ..unit });
            }
            None => {}
        }
    }
    let first = directories.first().filter(|first| all.found.directories.contains(first));
    all.enabled = first.map(|first| enablement::Links::read(first, settings, &mut problems));
    all.make_instances(&mut units, settings, &mut problems);
    for (name, layers) in &patterns {
        let next = units.range(name.clone()..).next();
        if next.is_some_and(|(unit, _)| unit.starts_with(name.as_str())) {
            continue;
        }
        let said = templates::check(name, layers, settings);
        if said.iter().any(Diagnostic::is_error) {
            all.state(name, SourceState::Refused);
        }
        problems.extend(said);
    }
    let orphans = all.found.orphans();
    all.found.diagnostics.extend(problems);
    all.found.diagnostics.extend(orphans);
    all.units = units.into_values().collect();
    all
}

impl Gathered {
    /// Whether all that belongs to it can be read.
    fn is_whole(&self, name: &str) -> bool {
        self.found.drop_ins.get(name).is_none_or(|there| !there.incomplete)
    }

    fn state(&mut self, name: &str, state: SourceState) {
        if let Some(source) = self.found.sources.get_mut(name) {
            source.state = state;
        }
    }

    /// Takes note of what a unit was put together to.
    fn put(&mut self, name: &str, put: Assembled) -> Option<Layers> {
        match put {
            Assembled::Unit(layers) => Some(layers),
            Assembled::Masked(by) => {
                self.state(name, SourceState::Masked);
                self.masked_by.insert(name.to_owned(), by);
                None
            }
            Assembled::Refused => {
                self.state(name, SourceState::Refused);
                None
            }
        }
    }

    /// Makes the instances that are named, those that these name, and so on.
    fn make_instances(
        &mut self,
        units: &mut BTreeMap<String, Unit>,
        settings: &Settings<'_>,
        problems: &mut Vec<Diagnostic>,
    ) {
        if !self.found.names().any(templates::is_template) {
            return;
        }
        let mut waiting: BTreeSet<String> = settings.instances.iter().cloned().collect();
        if let Some(links) = &self.enabled {
            waiting.extend(links.instances().map(str::to_owned));
        }
        for (name, unit) in units.iter() {
            waiting.extend(templates::named_by(name, &unit.text, settings));
        }
        while let Some(name) = waiting.pop_first() {
            if self.found.sources.contains_key(&name) || names::wrong_entity_name(&name).is_some() {
                continue;
            }
            let Some(template) = self.found.template_of(&name) else { continue };
            let path = template.path.clone();
            if units.len() >= MAX_PLANNED as usize {
                // A template can name ever longer instances of itself.
                let message = format!("more than {MAX_PLANNED} units: {name} is not made");
                let (code, file) = (codes::TOO_MANY, path.display().to_string());
                problems.push(Diagnostic::of_file(Severity::Error, code, &file, message));
                return;
            }
            let source = Source { name: name.clone(), path, state: SourceState::Loaded };
            let put = assemble(&name, None, &self.found, settings, problems);
            self.found.sources.insert(name.clone(), source);
            self.by_need.insert(name.clone());
            if let Some(layers) = self.put(&name, put) {
                waiting.extend(templates::named_by(&name, &layers, settings));
                units.insert(name.clone(), Unit::read(name, layers));
            }
        }
    }
}
