//! Placeholders in texts of actions: `{entity} {condition} {pid} {instance}
//! {code} {signal} {status}`, of a transition `{from} {to}` (by the names that the
//! unit gives its states, else numbers), of an event `{type} {class} {severity}`,
//! of a heartbeat `{missed}`; `{{` and `}}` are braces. The loader has checked
//! them; one that is not known stays as it is.

use super::run::{Detail, Occurrence};
use crate::status::ExitStatus;

/// Whose texts these are.
#[derive(Clone, Copy, Debug)]
pub(super) struct Context<'a> {
    pub(super) entity: &'a str,
    pub(super) condition: &'a str,
    pub(super) occurrence: Occurrence,
    /// What the one that it happened to calls its states.
    pub(super) states: &'a [(String, u32)],
}

impl Context<'_> {
    fn value(&self, name: &str) -> Option<String> {
        let status = self.occurrence.status;
        Some(match name {
            "entity" => self.entity.to_owned(),
            "condition" => self.condition.to_owned(),
            "pid" => self.pid(),
            "instance" => {
                let instance = self.entity.split_once('@').map_or("", |(_, instance)| instance);
                instance.to_owned()
            }
            "code" => match status {
                Some(ExitStatus::Code(code)) => code.to_string(),
                Some(ExitStatus::Signal { .. } | ExitStatus::Unknown) | None => String::new(),
            },
            "signal" => match status {
                Some(ExitStatus::Signal { signal, .. }) => signal.to_string(),
                Some(ExitStatus::Code(_) | ExitStatus::Unknown) | None => String::new(),
            },
            "from" | "to" => match self.occurrence.detail {
                Detail::State { from, .. } if name == "from" => self.state(from),
                Detail::State { to, .. } => self.state(to),
                Detail::None | Detail::Now | Detail::Raise { .. } | Detail::Heartbeat { .. } => {
                    String::new()
                }
            },
            "type" | "class" | "severity" => match self.occurrence.detail {
                Detail::Raise { kind, .. } if name == "type" => kind.to_string(),
                Detail::Raise { class, .. } if name == "class" => class.to_string(),
                Detail::Raise { severity, .. } => severity.to_string(),
                Detail::None | Detail::Now | Detail::State { .. } | Detail::Heartbeat { .. } => {
                    String::new()
                }
            },
            "missed" => match self.occurrence.detail {
                Detail::Heartbeat { missed } => missed.to_string(),
                Detail::None | Detail::Now | Detail::State { .. } | Detail::Raise { .. } => {
                    String::new()
                }
            },
            "status" => status.map_or_else(String::new, |status| status.to_string()),
            _ => return None,
        })
    }

    /// A state by its name, where it has one.
    fn state(&self, state: u32) -> String {
        let named = self.states.iter().find(|(_, number)| *number == state);
        named.map_or_else(|| state.to_string(), |(name, _)| name.clone())
    }

    fn pid(&self) -> String {
        if self.occurrence.pid > 0 { self.occurrence.pid.to_string() } else { String::new() }
    }

    /// A text with its placeholders filled in.
    pub(super) fn fill(&self, text: &str) -> String {
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(at) = rest.find(['{', '}']) {
            let (before, tail) = rest.split_at(at);
            out.push_str(before);
            let doubled = tail.strip_prefix("{{").map(|t| ('{', t));
            if let Some((brace, after)) = doubled.or(tail.strip_prefix("}}").map(|t| ('}', t))) {
                out.push(brace);
                rest = after;
                continue;
            }
            let inner = tail.strip_prefix('{').and_then(|inner| inner.split_once('}'));
            match inner.and_then(|(name, after)| Some((self.value(name)?, after))) {
                Some((value, after)) => {
                    out.push_str(&value);
                    rest = after;
                }
                None => {
                    let mut chars = tail.chars();
                    out.extend(chars.next());
                    rest = chars.as_str();
                }
            }
        }
        out.push_str(rest);
        out
    }

    /// What a command is told of the occurrence by its environment.
    pub(super) fn variables(&self) -> Vec<(String, String)> {
        let value = |name| self.value(name).unwrap_or_default();
        vec![
            ("HAM_ENTITY".to_owned(), value("entity")),
            ("HAM_CONDITION".to_owned(), value("condition")),
            ("HAM_PID".to_owned(), value("pid")),
            ("HAM_STATUS".to_owned(), value("status")),
            ("HAM_SIGNAL".to_owned(), value("signal")),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::super::run::Kinds;
    use super::*;
    use crate::ids::EntityId;
    use crate::signal::Signal;

    #[test]
    fn placeholders_are_filled_in() {
        let status = ExitStatus::Signal { signal: Signal(11), core: true };
        let about = EntityId(0);
        let kinds = Kinds::default();
        let detail = Detail::State { from: 1, to: 5 };
        let occurrence =
            Occurrence { about, kinds, detail, slot: None, pid: 42, status: Some(status) };
        let states = &[("busy".to_owned(), 5)];
        let context = Context { entity: "web@a", condition: "death", occurrence, states };
        assert_eq!(
            context.fill("{entity}/{condition} {pid} {instance}|{code}|{signal} {status}"),
            "web@a/death 42 a||SEGV signal SEGV (core)"
        );
        assert_eq!(context.fill("{{entity}} 100% {other} {"), "{entity} 100% {other} {");
        assert_eq!(context.fill("ü{pid}ü"), "ü42ü");
        assert_eq!(context.fill("{from} to {to}, {type}"), "1 to busy, ");
        let detail = Detail::Heartbeat { missed: 3 };
        let context = Context { occurrence: Occurrence { detail, ..occurrence }, ..context };
        assert_eq!(context.fill("{missed}, {from}"), "3, ");
    }
}
