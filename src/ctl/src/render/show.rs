//! Everything about one entity, as lines of a label and a value.

use super::status::why;
use super::{lasting, state_style};
use crate::output::Look;
use crate::table::{Style, harmless};
use crate::zone::Zone;
use ham_core::time::Span;
use ham_core::wire::{
    Disarmed, EntityStatus, Shown, ShownAction, ShownCondition, ShownGone, ShownHeartbeat,
    ShownStates,
};
use std::fmt::Write;

/// Width of the labels with the blanks after them.
const LABEL: usize = 12;

/// The entity as text; `now` is in seconds since the epoch.
pub(crate) fn text(shown: &Shown, look: Look, zone: &Zone, now: f64) -> String {
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
    lines.add_plain("attach by", &shown.attach_by.map_or_else(String::new, |uid| uid.to_string()));
    lines.add_plain("source", &shown.source);
    lines.add_plain("heartbeat", &shown.heartbeat.as_ref().map_or_else(String::new, heartbeat));
    lines.add_plain("states", &states(&shown.states));
    lines.add_plain("flags", &shown.flags.join(", "));
    for condition in &shown.conditions {
        lines.condition(condition);
    }
    lines.add_plain("run time", &shown.run_time.join(", "));
    for off in &shown.disarmed {
        lines.add_plain("disarmed", &disarmed(off));
    }
    for item in &shown.gone {
        lines.add_plain("gone", &gone(item, zone, now));
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
        let mut on = Vec::new();
        if condition.on != condition.name || !condition.only.is_empty() {
            on.push(format!("on {}", condition.on));
        }
        on.extend((!condition.only.is_empty()).then(|| condition.only.clone()));
        on.extend(condition.of.as_ref().map(|of| format!("of {of}")));
        if !on.is_empty() {
            let _ = write!(value, " ({})", on.join(" "));
        }
        if !condition.class.is_empty() {
            let _ = write!(value, ", {}", condition.class);
        }
        // The class is one of the flags.
        let flags = condition.flags.iter().filter(|flag| **flag != condition.class);
        value.push_str(&bracketed(flags));
        if !condition.armed {
            value.push_str(", not armed");
        }
        self.add_plain("condition", &value);
        for action in &condition.actions {
            self.action(action);
        }
    }

    fn action(&mut self, action: &ShownAction) {
        let mut value = called(&action.name, &action.verb);
        value.push_str(&bracketed(action.flags.iter()));
        if !action.armed {
            value.push_str(", not armed");
        }
        let _ = writeln!(self.text, "  {:LABEL$}  {}", "", harmless(&value));
        let on_fail = action.on_fail.iter().map(|item| match &item.name {
            Some(name) => called(name, &item.verb),
            None => item.verb.clone(),
        });
        let on_fail: Vec<String> = on_fail.collect();
        if !on_fail.is_empty() {
            let value = format!("on fail: {}", on_fail.join(", "));
            let _ = writeln!(self.text, "  {:LABEL$}    {}", "", harmless(&value));
        }
    }
}

/// A name, with what it stands for where that is not the same.
fn called(name: &str, verb: &str) -> String {
    if name == verb { name.to_owned() } else { format!("{name} ({verb})") }
}

fn bracketed<'a>(flags: impl Iterator<Item = &'a String>) -> String {
    let flags: Vec<&str> = flags.map(String::as_str).collect();
    if flags.is_empty() { String::new() } else { format!(" [{}]", flags.join(", ")) }
}

fn heartbeat(heartbeat: &ShownHeartbeat) -> String {
    let mut parts = vec![format!("every {}", Span(heartbeat.interval_ns))];
    for (word, count) in [("low", heartbeat.low), ("high", heartbeat.high)] {
        parts.push(match count {
            0 => format!("never {word}"),
            count => format!("{word} after {count}"),
        });
    }
    if heartbeat.grace_ns > 0 {
        parts.push(format!("grace {}", Span(heartbeat.grace_ns)));
    }
    if let (Some(max), Some(within)) = (heartbeat.max, heartbeat.max_within_ns) {
        parts.push(format!("at most {max} in {}", Span(within)));
    }
    if heartbeat.suspended {
        parts.push("suspended".to_owned());
    }
    parts.join(", ")
}

fn states(names: &[ShownStates]) -> String {
    let one = |named: &ShownStates| {
        let states: Vec<String> = named.states.iter().map(u32::to_string).collect();
        let states = states.join(" ");
        match (named.not, states.as_str()) {
            (true, "") => format!("{} = any", named.name),
            (true, states) => format!("{} = any but {states}", named.name),
            (false, states) => format!("{} = {states}", named.name),
        }
    };
    names.iter().map(one).collect::<Vec<String>>().join(", ")
}

fn disarmed(off: &Disarmed) -> String {
    match off.left_ns {
        Some(left) => format!("{} for {}", off.path, lasting(left)),
        None => off.path.clone(),
    }
}

fn gone(item: &ShownGone, zone: &Zone, now: f64) -> String {
    let why = match item.restart {
        Some(restart) => format!("not re-armed after restart {restart}"),
        None => "failed and not kept".to_owned(),
    };
    format!("{}: {why}, since {}", item.path, zone.brief(item.since, now))
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
    let main = if shown.status.main { ", and its end is that of ham" } else { "" };
    match up_when(shown) {
        Some(ready) => format!("{}, up {ready}{main}", shown.kind),
        None => format!("{}{main}", shown.kind),
    }
}

/// When it counts as up, in words; `None`: there is no process to wait for.
pub(super) fn up_when(shown: &Shown) -> Option<String> {
    Some(match shown.ready_when.split_once(' ').unwrap_or((&shown.ready_when, "")) {
        ("", _) => return None,
        ("exec", _) => "when its program runs".to_owned(),
        ("notify", _) => "when it says so".to_owned(),
        ("fd", number) => format!("when it writes a line to descriptor {number}"),
        ("path", path) => format!("when {path} exists"),
        _ => shown.ready_when.clone(),
    })
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
    use ham_core::wire::{ExitReport, ShownOnFail};

    fn shown() -> Shown {
        let action = |name: &str, verb: &str, armed| ShownAction {
            name: name.into(),
            verb: verb.into(),
            armed,
            ..ShownAction::default()
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
                    only: String::new(),
                    of: None,
                    class: "independent".into(),
                    flags: vec!["rearm".into(), "independent".into()],
                    armed: true,
                    actions: vec![
                        action("restart", "restart", true),
                        ShownAction {
                            flags: vec!["rearm".into(), "break-on-fail".into()],
                            on_fail: vec![
                                ShownOnFail { verb: "log".into(), name: None },
                                ShownOnFail { verb: "log".into(), name: Some("late".into()) },
                            ],
                            ..action("page", "execute", false)
                        },
                    ],
                },
                ShownCondition {
                    name: "gone".into(),
                    on: "state".into(),
                    only: "from idle to busy".into(),
                    of: Some("db".into()),
                    class: "in-order".into(),
                    flags: Vec::new(),
                    armed: false,
                    actions: Vec::new(),
                },
            ],
            running: vec!["death: waiting for /run/audio.sock".into()],
            heartbeat: Some(ShownHeartbeat {
                interval_ns: 1_500_000_000,
                low: 0,
                high: 5,
                grace_ns: 10_000_000_000,
                max: Some(100),
                max_within_ns: Some(1_000_000_000),
                suspended: true,
            }),
            states: vec![
                ShownStates { name: "idle".into(), states: vec![2], not: false },
                ShownStates { name: "odd".into(), states: vec![1, 3], not: false },
                ShownStates { name: "rest".into(), states: vec![1], not: true },
                ShownStates { name: "all".into(), states: Vec::new(), not: true },
            ],
            attach_by: Some(65534),
            flags: vec!["keep-on-death".into()],
            disarmed: vec![
                Disarmed { path: "audio".into(), left_ns: None },
                Disarmed { path: "audio/death".into(), left_ns: Some(61_000_000_000) },
            ],
            gone: vec![
                ShownGone { path: "audio/late".into(), since: 3_600.0, restart: Some(3) },
                ShownGone { path: "audio/death/x".into(), since: 100_000.0, restart: None },
            ],
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
  attach by   65534
  source      /etc/ham/audio.toml
  heartbeat   every 1s 500ms, never low, high after 5, grace 10s, at most 100 in 1s, suspended
  states      idle = 2, odd = 1 3, rest = any but 1, all = any
  flags       keep-on-death
  condition   death, independent [rearm]
                restart
                page (execute) [rearm, break-on-fail], not armed
                  on fail: log, late (log)
  condition   gone (on state from idle to busy of db), in-order, not armed
  disarmed    audio
  disarmed    audio/death for 1min 1s
  gone        audio/late: not re-armed after restart 3, since 1970-01-01 01:00:00
  gone        audio/death/x: failed and not kept, since 03:46:40
  in progress death: waiting for /run/audio.sock
";
        let zone = Zone::named("UTC0");
        assert_eq!(text(&shown(), Look::default(), &zone, 110_000.0), expected);
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
        let text = text(&shown, Look::default(), &Zone::named("UTC0"), 0.0);
        assert!(
            text.starts_with("audio\n  state       running for 1min 1s, ready\n  pid         7\n")
        );
        assert!(text.contains("\n  user        the manager's\n"));
    }
}
