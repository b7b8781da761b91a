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
use crate::memory::{self, FileTrace, Remembered};
use crate::names;
use crate::templates;
use crate::text::Text;
use ham_core::ids::MAX_PLANNED;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// A unit that is to be compared with others.
#[derive(Debug)]
pub(crate) struct Unit {
    name: String,
    text: Layers,
    files: Option<Vec<FileTrace>>,
    recalled: Option<Box<Remembered>>,
}

impl Unit {
    /// One that was read.
    pub(crate) fn read(name: String, text: Layers) -> Unit {
        Unit { name, text, files: None, recalled: None }
    }

    /// One whose text may count without being read again, as long as these are
    /// its files.
    fn traced(name: String, text: Layers, files: Option<Vec<FileTrace>>) -> Unit {
        let unit = Unit::read(name, text);
        Unit { files: files.filter(|_| !unit.may_name_instances()), ..unit }
    }

    /// One that need not be read.
    fn recalled(name: String, file: &Path, unit: Remembered) -> Unit {
        let text = Layers::one(Text::new(&file.display().to_string(), ""));
        Unit { recalled: Some(Box::new(unit)), ..Unit::read(name, text) }
    }

    /// Its name and what is remembered of it, if it is.
    fn as_recalled(&self) -> Option<(&str, &Remembered)> {
        Some((self.name.as_str(), self.recalled.as_deref()?))
    }

    /// What it says; to be called once.
    pub(crate) fn draft<'a>(&'a mut self, settings: &'a Settings<'a>) -> Draft<'a> {
        if let Some(recalled) = self.recalled.take() {
            return recalled.draft(&self.name, &self.text);
        }
        settings.users.asked_elsewhere();
        let draft = Draft::new(&self.name, &self.text, settings);
        let files = self.files.take().filter(|_| !settings.users.asked_elsewhere());
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
        let files = all.traces(&name, &own, settings);
        if let Some(unit) = all.recall(&name, files.as_deref(), settings) {
            units.insert(name.clone(), Unit::recalled(name, &own, unit));
            continue;
        }
        match all.read(&name, Some(&own), settings, &mut problems) {
            Some(layers) if is_template => {
                patterns.insert(name, layers);
            }
            Some(layers) => {
                units.insert(name.clone(), Unit::traced(name, layers, files));
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
    /// What the files of a unit look like; to be taken before they are read.
    /// `None`: nobody wants to know, or it may be another with the same files.
    fn traces(&self, name: &str, own: &Path, settings: &Settings<'_>) -> Option<Vec<FileTrace>> {
        settings.memory.filter(|_| !name.contains('@'))?;
        FileTrace::of_all(&assemble::files(name, Some(own), &self.found))
    }

    /// What is remembered of it, if all that belongs to it is as it was.
    fn recall(
        &self,
        name: &str,
        files: Option<&[FileTrace]>,
        settings: &Settings<'_>,
    ) -> Option<Remembered> {
        let is_whole = self.found.drop_ins.get(name).is_none_or(|there| !there.incomplete);
        settings.memory.filter(|_| is_whole)?.of(name, files?).cloned()
    }

    /// Reads those of the units that are remembered that a change of others
    /// concerns, and those that links let start otherwise than before.
    pub(crate) fn read_what_is_concerned(&mut self, settings: &Settings<'_>) {
        let Some(memory) = settings.memory.filter(|memory| !memory.is_empty()) else { return };
        let recalled = |unit: &Unit| unit.recalled.is_some();
        let same: BTreeSet<&str> = self
            .units
            .iter()
            .filter(|unit| recalled(unit))
            .map(|unit| unit.name.as_str())
            .collect();
        let mut changed: BTreeSet<String> = BTreeSet::new();
        let mut named: BTreeSet<String> = BTreeSet::new();
        for (name, others) in memory.names().filter(|(name, _)| !same.contains(name)) {
            changed.insert(name.to_owned());
            named.extend(others.map(str::to_owned));
        }
        let many = same.len() < self.units.len() / 2;
        for unit in self.units.iter().filter(|unit| !many && !recalled(unit)) {
            changed.insert(unit.name.clone());
            named.extend(templates::names_in(&unit.name, &unit.text, settings));
        }
        let all = || self.units.iter().filter_map(Unit::as_recalled);
        let mut concerned = match many {
            // Then what they name is not worth a second look.
            true => all().map(|(name, _)| name.to_owned()).collect(),
            false => memory::concerned(all(), &changed, &named),
        };
        let links = self.enabled.as_ref();
        for unit in &self.units {
            if let (Some(remembered), Some(links)) = (&unit.recalled, links)
                && let Some(source) = self.found.sources.get(&unit.name)
            {
                let being = remembered.being;
                let start = links.start(&unit.name, &source.path, being.said_start, settings);
                if start != being.start {
                    concerned.insert(unit.name.clone());
                }
            }
        }
        let mut problems = Vec::new();
        for name in concerned {
            let place = self.units.binary_search_by(|unit| unit.name.cmp(&name));
            let own = self.found.sources.get(&name).map(|source| source.path.clone());
            let (Ok(place), Some(own)) = (place, own) else { continue };
            let files = self.traces(&name, &own, settings);
            match self.read(&name, Some(&own), settings, &mut problems) {
                Some(layers) => {
                    if let Some(unit) = self.units.get_mut(place) {
                        *unit = Unit::traced(name, layers, files);
                    }
                }
                None => {
                    self.units.remove(place);
                }
            }
        }
        self.found.diagnostics.extend(problems);
    }

    fn state(&mut self, name: &str, state: SourceState) {
        if let Some(source) = self.found.sources.get_mut(name) {
            source.state = state;
        }
    }

    /// Puts a unit together, or takes note of why there is none; `own`: its file,
    /// which an instance of a template need not have.
    fn read(
        &mut self,
        name: &str,
        own: Option<&Path>,
        settings: &Settings<'_>,
        problems: &mut Vec<Diagnostic>,
    ) -> Option<Layers> {
        match assemble(name, own, &self.found, settings, problems) {
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
            self.found.sources.insert(name.clone(), source);
            self.by_need.insert(name.clone());
            if let Some(layers) = self.read(&name, None, settings, problems) {
                waiting.extend(templates::named_by(&name, &layers, settings));
                units.insert(name.clone(), Unit::read(name, layers));
            }
        }
    }
}
