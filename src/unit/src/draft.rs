//! One unit between reading and comparing: what its text says, and what is
//! wrong with it so far.

use crate::codes;
use crate::diagnostic::Diagnostic;
use crate::load::{Settings, name_problem};
use crate::order::Neighbour;
use crate::reader::Reader;
use crate::references::Reference;
use crate::syntax;
use crate::text::{Report, Text};
use crate::watching::Watch;
use ham_core::plan::{EntityPlan, StateSet};
use std::ops::Range;

/// A unit that has been read.
#[derive(Debug)]
pub(crate) struct Draft<'a> {
    pub(crate) name: &'a str,
    pub(crate) text: &'a Text,
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
    /// Whether it is not taken, for whatever reason.
    pub(crate) refused: bool,
}

impl<'a> Draft<'a> {
    /// Reads a text.
    pub(crate) fn new(name: &'a str, text: &'a Text, settings: &'a Settings<'a>) -> Draft<'a> {
        let mut report = Report::new(text);
        let mut whole = String::new();
        let (table, damage) = syntax::parse(text, &mut whole, &mut report);
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
            let follows = |diagnostic: &Diagnostic| {
                let absent = [codes::MISSING_KEY, codes::UNSUPERVISED, codes::NO_ACTIONS];
                let at = diagnostic.span.map_or(0, |(start, _)| start);
                absent.contains(&diagnostic.code) || damage.covers(text, at)
            };
            found.retain(|diagnostic| !follows(diagnostic));
        }
        report.append(found);
        references.retain(|reference| !damage.covers(text, reference.span.start));
        neighbours.retain(|neighbour| !damage.covers(text, neighbour.span.start));
        watches.retain(|watch| !damage.covers(text, watch.span.start));
        let refused = name_problem(name, &text.file).is_some();
        Draft {
            name,
            text,
            report,
            plan,
            references,
            neighbours,
            watches,
            states,
            heartbeat,
            refused,
        }
    }
}
