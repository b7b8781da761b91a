//! All units that there are: those with a file, and those instances of
//! templates that a link, another unit or the caller names.

use crate::assemble::{Assembled, assemble};
use crate::codes;
use crate::diagnostic::{Diagnostic, Severity};
use crate::directory::{self, Found, Source, SourceState};
use crate::enablement;
use crate::layers::Layers;
use crate::load::Settings;
use crate::names;
use crate::templates;
use ham_core::ids::MAX_PLANNED;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

/// What the search directories hold, put together but not compared.
#[derive(Debug, Default)]
pub(crate) struct Gathered {
    pub(crate) found: Found,
    /// The texts of all units that are to be read, in order of name.
    pub(crate) units: Vec<(String, Layers)>,
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
    let mut units: BTreeMap<String, Layers> = BTreeMap::new();
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
        let put = assemble(&name, Some(&own), &all.found, settings, &mut problems);
        match all.put(&name, put) {
            Some(layers) if is_template => {
                patterns.insert(name, layers);
            }
            Some(layers) => {
                units.insert(name, layers);
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
    all.units = units.into_iter().collect();
    all
}

impl Gathered {
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
        units: &mut BTreeMap<String, Layers>,
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
        for (name, layers) in units.iter() {
            waiting.extend(templates::named_by(name, layers, settings));
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
                units.insert(name, layers);
            }
        }
    }
}
