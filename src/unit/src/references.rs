//! Entities that units name: whether they exist can be said only when all
//! files have been read.

use crate::codes;
use crate::diagnostic::Severity;
use crate::suggest::{nearest, quoted};
use crate::templates;
use crate::text::Report;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

/// A name of an entity that must exist.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Reference {
    pub(crate) name: String,
    pub(crate) span: Range<usize>,
    /// How to write that it need not.
    pub(crate) softer: Option<String>,
}

/// The names that units go by.
#[derive(Debug, Default)]
pub(crate) struct KnownNames {
    /// Entities, those of refused files included: their mistake is already
    /// reported.
    pub(crate) entities: BTreeSet<String>,
    /// Masked units, with the file that masks them.
    pub(crate) masked: BTreeMap<String, String>,
}

/// Reports the references that lead nowhere. Where only a part of the units
/// was read, that is a warning.
pub(crate) fn check(
    report: &mut Report<'_>,
    references: &[Reference],
    known: &KnownNames,
    severity: Severity,
) {
    for reference in references {
        if known.entities.contains(&reference.name) {
            continue;
        }
        let message = format!("no entity {}", quoted(&reference.name));
        let added = report.add(severity, codes::UNKNOWN_ENTITY, reference.span.clone(), message);
        let near = nearest(&reference.name, known.entities.iter().map(String::as_str));
        if let Some(near) = near {
            added.label(format!("did you mean `{near}`?"));
        }
        let template = templates::parts(&reference.name).map(|(template, _)| template);
        let masked = known.masked.get(&reference.name);
        if let Some(link) = masked.or_else(|| known.masked.get(template?)) {
            added.help(format!("it is masked by {link}"));
        } else if let Some(softer) = &reference.softer {
            added.help(softer);
        }
    }
}
