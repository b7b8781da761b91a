//! Everything about one entity, as lines of a label and a value.

use super::status::why;
use super::{lasting, state_style};
use crate::output::Look;
use crate::table::{Style, harmless};
use ham_core::wire::{EntityStatus, Shown, ShownCondition};
use std::fmt::Write;

/// Width of the labels with the blanks after them.
const LABEL: usize = 12;

/// The entity as text.
pub(crate) fn text(shown: &Shown, look: Look) -> String {
    let entity = &shown.status;
    let mut lines = Lines { text: String::new(), look };
    let title = match entity.description.as_str() {
        "" => entity.name.clone(),
        description => format!("{} - {description}", entity.name),
    };
    lines.text = format!("{}\n", Style::Heading.paint(&harmless(&title), look));
    lines.add("state", &state(entity, look));
    lines.add_plain("why", &why(entity));
    if let Some(pid) = entity.pid {
        lines.add_plain("pid", &pid.to_string());
    }
    lines.add_plain("restarts", &entity.restarts.to_string());
    if let Some(exit) = &entity.last_exit {
        let abnormal = if exit.abnormal { ", abnormal" } else { "" };
        lines.add_plain("last exit", &format!("{}{abnormal}", exit.text));
    }
    lines.add_plain("says", &entity.status_text);
    lines.add_plain("reported", entity.reported.as_deref().unwrap_or_default());
    lines.add_plain("kind", &kind(shown));
    lines.add_plain("requires", &shown.requires.join(", "));
    lines.add_plain("wants", &shown.wants.join(", "));
    lines.add_plain("after", &shown.after.join(", "));
    lines.add_plain("conflicts", &shown.conflicts.join(", "));
    lines.add_plain("command", &command(&shown.command));
    lines.add_plain("user", shown.user.as_deref().unwrap_or("the manager's"));
    lines.add_plain("source", &shown.source);
    for condition in &shown.conditions {
        lines.condition(condition);
    }
    for list in &shown.running {
        lines.add_plain("in progress", list);
    }
    lines.text
}

struct Lines {
    text: String,
    look: Look,
}

impl Lines {
    fn add(&mut self, label: &str, value: &str) {
        if value.is_empty() {
            return;
        }
        let padded = format!("{label:LABEL$}");
        // Writing to a String cannot fail.
        let _ = writeln!(self.text, "  {}{value}", Style::Faint.paint(&padded, self.look));
    }

    fn add_plain(&mut self, label: &str, value: &str) {
        self.add(label, &harmless(value));
    }

    fn condition(&mut self, condition: &ShownCondition) {
        let mut value = condition.name.clone();
        if condition.on != condition.name {
            let _ = write!(value, " (on {})", condition.on);
        }
        if !condition.armed {
            value.push_str(", not armed");
        }
        self.add_plain("condition", &value);
        for action in &condition.actions {
            let mut value = action.name.clone();
            if action.verb != action.name {
                let _ = write!(value, " ({})", action.verb);
            }
            if !action.armed {
                value.push_str(", not armed");
            }
            let _ = writeln!(self.text, "  {:LABEL$}  {}", "", harmless(&value));
        }
    }
}

fn state(entity: &EntityStatus, look: Look) -> String {
    let mut text = state_style(&entity.state).paint(&harmless(&entity.state), look);
    if let Some(age) = entity.age_ns {
        let _ = write!(text, " for {}", lasting(age));
    }
    if entity.ready {
        text.push_str(", ready");
    }
    if !entity.desired.is_empty() && entity.desired != entity.state {
        let _ = write!(text, ", should be {}", harmless(&entity.desired));
    }
    text
}

/// What stands behind it, and when it counts as up.
fn kind(shown: &Shown) -> String {
    let ready = match shown.ready_when.split_once(' ').unwrap_or((&shown.ready_when, "")) {
        ("", _) => return shown.kind.clone(),
        ("exec", _) => "when its program runs".to_owned(),
        ("notify", _) => "when it says so".to_owned(),
        ("fd", number) => format!("when it writes a line to descriptor {number}"),
        ("path", path) => format!("when {path} exists"),
        _ => shown.ready_when.clone(),
    };
    format!("{}, up {ready}", shown.kind)
}

/// Program and arguments as they could be typed into a shell.
fn command(words: &[String]) -> String {
    let words: Vec<String> = words.iter().map(|word| quoted(word)).collect();
    words.join(" ")
}

fn quoted(word: &str) -> String {
    let ordinary =
        |character: char| character.is_alphanumeric() || "_-./:=,+@%^{}".contains(character);
    if !word.is_empty() && word.chars().all(ordinary) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ham_core::wire::{ExitReport, ShownAction};

    fn shown() -> Shown {
        let action = |name: &str, verb: &str, armed| ShownAction {
            name: name.into(),
            verb: verb.into(),
            armed,
        };
        Shown {
            status: EntityStatus {
                name: "audio".into(),
                description: "Audio daemon".into(),
                state: "backoff".into(),
                desired: "running".into(),
                restarts: 4,
                age_ns: Some(400_000_000),
                last_exit: Some(ExitReport {
                    code: None,
                    signal: Some("SEGV".into()),
                    abnormal: true,
                    text: "signal SEGV".into(),
                }),
                why: "died".into(),
                next_attempt_ns: Some(2_000_000_000),
                ..EntityStatus::default()
            },
            source: "/etc/ham/audio.toml".into(),
            command: vec!["/usr/bin/audiod".into(), "--name=my audio".into(), "it's".into()],
            user: Some("1000:1000".into()),
            conditions: vec![
                ShownCondition {
                    name: "death".into(),
                    on: "death".into(),
                    armed: true,
                    actions: vec![
                        action("restart", "restart", true),
                        action("page", "execute", false),
                    ],
                },
                ShownCondition {
                    name: "gone".into(),
                    on: "stopped".into(),
                    armed: false,
                    actions: Vec::new(),
                },
            ],
            running: vec!["death: waiting for /run/audio.sock".into()],
            ..Shown::default()
        }
    }

    #[test]
    fn an_entity_reads_as_it_should() {
        let expected = "\
audio - Audio daemon
  state       backoff for 400ms, should be running
  why         died; next attempt in 2s
  restarts    4
  last exit   signal SEGV, abnormal
  command     /usr/bin/audiod '--name=my audio' 'it'\\''s'
  user        1000:1000
  source      /etc/ham/audio.toml
  condition   death
                restart
                page (execute), not armed
  condition   gone (on stopped), not armed
  in progress death: waiting for /run/audio.sock
";
        assert_eq!(text(&shown(), Look::default()), expected);
    }

    #[test]
    fn what_runs_says_so_and_has_a_pid() {
        let mut shown = shown();
        shown.status = EntityStatus {
            name: "audio".into(),
            state: "running".into(),
            desired: "running".into(),
            pid: Some(7),
            age_ns: Some(61_000_000_000),
            ready: true,
            ..EntityStatus::default()
        };
        shown.user = None;
        let text = text(&shown, Look::default());
        assert!(
            text.starts_with("audio\n  state       running for 1min 1s, ready\n  pid         7\n")
        );
        assert!(text.contains("\n  user        the manager's\n"));
    }
}
