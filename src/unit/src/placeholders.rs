//! `{entity}` and its kin in texts of actions. They are only checked here;
//! the daemon fills them in when the action runs.

use crate::codes;
use crate::reader::{Field, Reader};
use crate::suggest::{nearest, quoted};

/// The names that may stand in braces in texts of actions.
pub const PLACEHOLDERS: [&str; 13] = [
    "entity",
    "condition",
    "pid",
    "instance",
    "code",
    "signal",
    "status",
    "from",
    "to",
    "type",
    "class",
    "severity",
    "missed",
];

/// What is wrong with a text.
#[derive(Debug, PartialEq, Eq)]
enum Wrong<'t> {
    Unknown(&'t str),
    LoneBrace(char),
}

fn check(text: &str) -> Result<(), Wrong<'_>> {
    let mut rest = text;
    while let Some(at) = rest.find(['{', '}']) {
        let from = rest.get(at..).unwrap_or_default();
        if let Some(after) = from.strip_prefix("{{").or_else(|| from.strip_prefix("}}")) {
            rest = after;
            continue;
        }
        let Some(inside) = from.strip_prefix('{') else { return Err(Wrong::LoneBrace('}')) };
        let Some((name, after)) = inside.split_once('}') else {
            return Err(Wrong::LoneBrace('{'));
        };
        if name.contains('{') {
            return Err(Wrong::LoneBrace('{'));
        }
        if !PLACEHOLDERS.contains(&name) {
            return Err(Wrong::Unknown(name));
        }
        rest = after;
    }
    Ok(())
}

impl Reader<'_> {
    /// Checks the placeholders of a text that stands in a field.
    pub(crate) fn placeholders(&mut self, field: &Field<'_>, text: &str) {
        let Err(wrong) = check(text) else { return };
        let (message, near) = match wrong {
            Wrong::Unknown(name) => {
                let near = nearest(name, PLACEHOLDERS);
                (format!("unknown placeholder {}", quoted(&format!("{{{name}}}"))), near)
            }
            Wrong::LoneBrace(brace) => (format!("a `{brace}` that stands alone"), None),
        };
        let added = self.report.error(codes::BAD_PLACEHOLDER, field.span(), message);
        if let Some(near) = near {
            added.label(format!("did you mean `{{{near}}}`?"));
        }
        let known: Vec<String> = PLACEHOLDERS.iter().map(|name| format!("{{{name}}}")).collect();
        added.help(format!("known are {}; for a brace write {{{{ or }}}}", known.join(" ")));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn braces_are_doubled_or_hold_a_known_name() {
        assert_eq!(check("{entity}: {status} {{x}} }}{{{pid}"), Ok(()));
        assert_eq!(check("{pit}"), Err(Wrong::Unknown("pit")));
        assert_eq!(check("{}"), Err(Wrong::Unknown("")));
        assert_eq!(check("{pid"), Err(Wrong::LoneBrace('{')));
        assert_eq!(check("pid}"), Err(Wrong::LoneBrace('}')));
        assert_eq!(check("{a {pid}"), Err(Wrong::LoneBrace('{')));
    }
}
