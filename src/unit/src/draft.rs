//! One unit between reading and comparing: what its text says, and what is
//! wrong with it so far.

use crate::codes;
use crate::diagnostic::Diagnostic;
use crate::layers::Layers;
use crate::load::{Settings, name_problem};
use crate::memory::{Being, FileTrace};
use crate::order::Neighbour;
use crate::reader::Reader;
use crate::references::Reference;
use crate::syntax;
use crate::templates;
use crate::text::Report;
use crate::watching::Watch;
use ham_core::plan::{EntityPlan, StateSet};
use std::ops::Range;

/// A unit that has been read.
#[derive(Debug)]
pub(crate) struct Draft<'a> {
    pub(crate) name: &'a str,
    pub(crate) text: &'a Layers,
    pub(crate) report: Report<'a>,
    /// What it becomes; `None` when too much is wrong.
    pub(crate) plan: Option<EntityPlan>,
    pub(crate) references: Vec<Reference>,
    pub(crate) neighbours: Vec<Neighbour>,
    pub(crate) watches: Vec<Watch>,
    /// Names of states and of sets of them.
    pub(crate) states: Vec<(String, StateSet)>,
    /// Where its [heartbeat] stands.
    pub(crate) heartbeat: Option<Range<usize>>,
    /// Where strings stand that hold the name of the instance.
    pub(crate) filled: Vec<Range<usize>>,
    /// Whether it is not taken, for whatever reason.
    pub(crate) refused: bool,
    /// What others must know of what it becomes.
    pub(crate) being: Option<Being>,
    /// Its files, if it reads the same as long as they are the same.
    pub(crate) files: Option<Vec<FileTrace>>,
    /// Whether it was not read, but remembered: there is no text to show, and
    /// the plan in force has what it becomes.
    pub(crate) is_recalled: bool,
}

impl<'a> Draft<'a> {
    /// One that says nothing.
    pub(crate) fn empty(name: &'a str, text: &'a Layers) -> Draft<'a> {
        Draft {
            name,
            text,
            report: Report::new(text),
            plan: None,
            references: Vec::new(),
            neighbours: Vec::new(),
            watches: Vec::new(),
            states: Vec::new(),
            heartbeat: None,
            filled: Vec::new(),
            refused: false,
            being: None,
            files: None,
            is_recalled: false,
        }
    }

    /// Reads the texts of a unit.
    pub(crate) fn new(name: &'a str, text: &'a Layers, settings: &'a Settings<'a>) -> Draft<'a> {
        let mut report = Report::new(text);
        let (mut table, damage) = syntax::parse(text, &mut report);
        let filled = match &text.instance {
            Some(instance) => templates::fill(&mut table, instance),
            None => Vec::new(),
        };
        // Kept apart: what is said about damaged lines would be said about
        // something that nobody wrote.
        let mut reader = Reader {
            report: Report::new(text),
            settings,
            references: Vec::new(),
            neighbours: Vec::new(),
            watches: Vec::new(),
            states: Vec::new(),
        };
        let plan = reader.unit(name, &table);
        let Reader {
            report: mut found, mut references, mut neighbours, mut watches, states, ..
        } = reader;
        let heartbeat = table.iter().find(|(key, _)| key.get_ref() == "heartbeat");
        let heartbeat = heartbeat.map(|(key, _)| key.span());
        if damage.any() {
            let follows = |at: usize, diagnostic: &Diagnostic| {
                let absent = [codes::MISSING_KEY, codes::UNSUPERVISED, codes::NO_ACTIONS];
                absent.contains(&diagnostic.code) || damage.covers(text, at)
            };
            found.retain(|at, diagnostic| !follows(at, diagnostic));
        }
        report.append(found);
        references.retain(|reference| !damage.covers(text, reference.span.start));
        neighbours.retain(|neighbour| !damage.covers(text, neighbour.span.start));
        watches.retain(|watch| !damage.covers(text, watch.span.start));
        let refused = name_problem(name, text.file()).is_some();
        Draft {
            being: plan.as_ref().map(Being::of),
            report,
            plan,
            references,
            neighbours,
            watches,
            states,
            heartbeat,
            filled,
            refused,
            ..Draft::empty(name, text)
        }
    }
}
