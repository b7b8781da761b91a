//! Names of entities, conditions and actions, and of environment variables.

use crate::codes;
use crate::reader::{Field, Reader};
use crate::suggest::quoted;
use ham_core::plan::{MAX_NAME, PulsePlan};

/// What has the name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Named {
    /// May hold one `@`, between a template and its instance.
    Entity,
    Condition,
    Action,
    /// Not a number either: a state can be named by that.
    State,
    /// Of pulses; shorter than others. It may be an entity's, with more behind a
    /// `/`.
    Channel,
}

/// Why a text is no name, in words that follow "it".
pub(crate) fn refuse(name: &str, named: Named) -> Option<&'static str> {
    let channel = named == Named::Channel;
    let allowed =
        |c: char| c.is_ascii_alphanumeric() || "_.:-".contains(c) || (channel && c == '/');
    let at_signs = name.chars().filter(|c| *c == '@').count();
    if name.is_empty() {
        Some("is empty")
    } else if name.len() > MAX_NAME {
        Some("is longer than 128 bytes")
    } else if name.starts_with('-') {
        // It would be taken for an option of a command.
        Some("begins with `-`")
    } else if name.starts_with('.') {
        // It would be a hidden file.
        Some("begins with `.`")
    } else if name.starts_with('@') {
        Some("begins with `@`")
    } else if at_signs > 1 {
        Some("holds more than one `@`")
    } else if at_signs == 1 && named != Named::Entity && !channel {
        Some("holds a `@`, which only names of entities may")
    } else if name.ends_with("@.") || name.ends_with("@..") {
        // In a path it would lead elsewhere.
        Some("has an instance that is no name in a path")
    } else if named == Named::State && name.chars().all(|c| c.is_ascii_digit()) {
        Some("is a number")
    } else if channel && name.len() > PulsePlan::MOST_NAME {
        Some("is longer than 64 bytes")
    } else if name.chars().all(|c| allowed(c) || c == '@') {
        None
    } else if channel {
        Some("holds other characters than letters, digits, `_`, `.`, `:`, `-`, `@` and `/`")
    } else {
        Some("holds other characters than letters, digits, `_`, `.`, `:` and `-`")
    }
}

/// Why a text cannot be the name of an entity, in words that follow "it";
/// `None`: it can.
#[must_use]
pub fn wrong_entity_name(name: &str) -> Option<&'static str> {
    refuse(name, Named::Entity)
}

/// Whether a text can be the name of an environment variable (POSIX XBD 8.1,
/// with lower-case letters, which everybody uses).
pub(crate) fn is_variable(name: &str) -> bool {
    !name.starts_with(|c: char| c.is_ascii_digit())
        && !name.is_empty()
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

impl Reader<'_> {
    /// The name that a field gives to something, or of something.
    pub(crate) fn name(&mut self, field: &Field<'_>, named: Named) -> Option<String> {
        let name = self.string(field)?;
        self.name_in(field, name, named)
    }

    /// A name that is a part of what stands in a field.
    pub(crate) fn name_in(
        &mut self,
        field: &Field<'_>,
        name: &str,
        named: Named,
    ) -> Option<String> {
        let Some(why) = refuse(name, named) else { return Some(name.to_owned()) };
        let message = match name {
            "" => format!("`{}` is empty", field.name),
            _ => format!("{} is no name", quoted(name)),
        };
        self.error(codes::BAD_NAME, field.span(), message).label(format!("it {why}"));
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_what_the_manual_page_says() {
        for good in ["a", "audio-1.x:y_z", "getty@tty1", "0", &"n".repeat(128)] {
            assert_eq!(refuse(good, Named::Entity), None, "{good}");
        }
        for bad in ["", "-a", ".a", "@a", "a@b@c", "a b", "a/b", "\u{e4}", &"n".repeat(129)] {
            assert!(refuse(bad, Named::Entity).is_some(), "{bad}");
        }
        assert!(refuse("a@b", Named::Condition).is_some());
        assert!(refuse("a@b", Named::Action).is_some());
        assert!(refuse("17", Named::State).is_some());
        assert_eq!(refuse("17a", Named::State), None);
        assert_eq!(refuse(&"n".repeat(64), Named::Channel), None);
        assert!(refuse(&"n".repeat(65), Named::Channel).is_some());
        assert_eq!(refuse("audio@left/out", Named::Channel), None);
        assert!(refuse("audio out", Named::Channel).is_some());
    }

    #[test]
    fn variables_are_words() {
        assert!(is_variable("LANG") && is_variable("_x9"));
        assert!(
            !is_variable("") && !is_variable("9x") && !is_variable("a-b") && !is_variable("a=b")
        );
    }
}
