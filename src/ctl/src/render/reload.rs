//! What units change: an entity a line, and below it what its unit says
//! otherwise.

use crate::output::Look;
use crate::table::{Style, harmless};
use ham_core::wire::{ChangeKind, EntityChange, KeyChange, ReloadParameters, Reloaded};

/// The text; `asked`: what was asked for; `done`: it has been applied, or was to
/// be.
pub(crate) fn text(
    reloaded: &Reloaded,
    asked: &ReloadParameters,
    done: bool,
    look: Look,
) -> String {
    let mut text = String::new();
    for error in reloaded.remarks.iter().chain(&reloaded.errors) {
        text.push_str(error.trim_end());
        text.push_str("\n\n");
    }
    for change in &reloaded.changes {
        entity(&mut text, change, look);
    }
    text.push_str(&conclusion(reloaded, asked, done));
    text.push('\n');
    text
}

fn conclusion(reloaded: &Reloaded, asked: &ReloadParameters, done: bool) -> String {
    let count =
        |kind: ChangeKind| reloaded.changes.iter().filter(|change| change.what == kind).count();
    if !reloaded.errors.is_empty() {
        let errors = reloaded.errors.len();
        let errors = if errors == 1 { "1 error".to_owned() } else { format!("{errors} errors") };
        return format!("{errors}: all stays as it is");
    }
    if reloaded.changes.is_empty() {
        return "nothing changes".to_owned();
    }
    let counts = format!(
        "{} to add, {} to change, {} to remove",
        count(ChangeKind::Added),
        count(ChangeKind::Changed),
        count(ChangeKind::Removed)
    );
    match done {
        true => counts
            .replace("to add", "added")
            .replace("to change", "changed")
            .replace("to remove", "removed"),
        false => format!("{counts}; `hamctl apply{}` does it", words(asked)),
    }
}

/// What is to be written behind the verb for the same.
fn words(asked: &ReloadParameters) -> String {
    let prune = if asked.prune { " --prune" } else { "" };
    let names = asked.names.iter().map(|name| format!(" {}", harmless(name)));
    format!("{prune}{}", names.collect::<String>())
}

fn entity(text: &mut String, change: &EntityChange, look: Look) {
    let (sign, style) = match change.what {
        ChangeKind::Added => ("+", Style::Good),
        ChangeKind::Changed => ("~", Style::Passing),
        ChangeKind::Removed => ("-", Style::Bad),
    };
    let head = format!("{sign} {}", harmless(&change.name));
    text.push_str(&style.paint(&head, look));
    text.push_str(&format!(": {}", change.then.text()));
    text.push_str(&Style::Faint.paint(&format!("  ({})", harmless(&change.source)), look));
    text.push('\n');
    for key in &change.keys {
        one_key(text, key, look);
    }
}

fn one_key(text: &mut String, key: &KeyChange, look: Look) {
    let name = harmless(&key.key);
    text.push_str(&format!("    {name}: {}\n", key.when.text()));
    let mut side = |sign: &str, value: Option<&String>, style: Style| {
        if let Some(value) = value {
            let line = format!("      {sign} {}", harmless(value));
            text.push_str(&style.paint(&line, look));
            text.push('\n');
        }
    };
    side("-", key.old.as_ref(), Style::Bad);
    side("+", key.new.as_ref(), Style::Good);
}

#[cfg(test)]
mod tests {
    use super::*;
    use ham_core::wire::Consequence;

    fn reloaded() -> Reloaded {
        Reloaded {
            changes: vec![
                EntityChange {
                    name: "audio".to_owned(),
                    source: "/etc/ham/audio.toml".to_owned(),
                    what: ChangeKind::Changed,
                    then: Consequence::NextStart,
                    keys: vec![KeyChange {
                        key: "command".to_owned(),
                        old: Some("[\"a\"]".to_owned()),
                        new: Some("[\"b\"]".to_owned()),
                        when: Consequence::NextStart,
                    }],
                },
                EntityChange {
                    name: "video".to_owned(),
                    source: "/etc/ham/video.toml".to_owned(),
                    what: ChangeKind::Added,
                    then: Consequence::Starts,
                    keys: Vec::new(),
                },
            ],
            ..Reloaded::default()
        }
    }

    #[test]
    fn what_changes_is_told_entity_by_entity() {
        let all = ReloadParameters::default();
        let expected = "\
~ audio: from its next start on  (/etc/ham/audio.toml)
    command: from its next start on
      - [\"a\"]
      + [\"b\"]
+ video: starts  (/etc/ham/video.toml)
1 to add, 1 to change, 0 to remove; `hamctl apply` does it
";
        assert_eq!(text(&reloaded(), &all, false, Look::default()), expected);
        let some =
            ReloadParameters { names: vec!["audio".to_owned(), "video".to_owned()], prune: true };
        let told = text(&reloaded(), &some, false, Look::default());
        assert!(told.ends_with("; `hamctl apply --prune audio video` does it\n"), "{told}");
        let done = text(&reloaded(), &all, true, Look::default());
        assert!(done.ends_with("\n1 added, 1 changed, 0 removed\n"), "{done}");
        let none = Reloaded::default();
        assert_eq!(text(&none, &all, false, Look::default()), "nothing changes\n");
        let errors = Reloaded { errors: vec!["error: x\n".to_owned()], ..Reloaded::default() };
        assert_eq!(
            text(&errors, &all, true, Look::default()),
            "error: x\n\n1 error: all stays as it is\n"
        );
    }
}
