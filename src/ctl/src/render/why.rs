//! Why an entity is in its state, in one sentence: what the status says, and
//! as far as the history still holds it, what led there and when.

#[cfg(test)]
mod tests;

use super::lasting;
use super::show::up_when;
use crate::table::harmless;
use crate::zone::Zone;
use ham_core::wire::{EntityStatus, HistoryFact, Shown};

/// The sentence, and the facts that it rests on.
#[derive(Debug)]
pub(crate) struct Explained<'a> {
    pub(crate) sentence: String,
    pub(crate) facts: Vec<&'a HistoryFact>,
}

/// Explains an entity by the facts about it, oldest first; `others` are those
/// that it waits for.
pub(crate) fn explain<'a>(
    shown: &'a Shown,
    facts: &'a [HistoryFact],
    others: &[EntityStatus],
    zone: &Zone,
    now: f64,
) -> Explained<'a> {
    let mut story = Story { shown, facts, zone, now, used: Vec::new() };
    let status = &shown.status;
    let mut sentence = format!("{} is {}", status.name, status.state);
    if let Some(pid) = status.pid {
        sentence.push_str(&format!(" (pid {pid})"));
    }
    if let Some(since) = status.since {
        sentence.push_str(&format!(" since {}", zone.brief(since, now)));
    }
    let waits = waits(shown, others);
    let never = ["never-started", "wanted"].contains(&status.cause.as_str());
    let told = |reason: String| match status.outdated {
        true => format!("{reason}; {OUTDATED}"),
        false => reason,
    };
    let reason = match &waits {
        // Nobody could start it.
        Some(_) if never && status.state == "placeholder" => None,
        // What the status has is told below.
        Some(_) => story.reason().map(told),
        // What the history does not hold any more the status still knows.
        None => Some(story.reason().map_or_else(|| status.why.clone(), told)),
    };
    let parts: Vec<String> = reason.into_iter().chain(waits).filter(|p| !p.is_empty()).collect();
    if !parts.is_empty() {
        sentence.push_str(&format!(": {}", parts.join(", and ")));
    }
    sentence.push('.');
    let mut used = story.used;
    used.sort_by_key(|fact| fact.number);
    Explained { sentence: harmless(&sentence), facts: used }
}

/// What it waits for; `None`: for nothing that could be told.
fn waits(shown: &Shown, others: &[EntityStatus]) -> Option<String> {
    let status = &shown.status;
    let name = &status.name;
    match status.state.as_str() {
        "waiting" if !status.waits_for.is_empty() => {
            let one = |other: &String| {
                let known = others.iter().find(|known| known.name == *other);
                match known.filter(|known| !known.why.is_empty()) {
                    Some(known) => format!("{other} ({}: {})", known.state, known.why),
                    None => other.clone(),
                }
            };
            let all: Vec<String> = status.waits_for.iter().map(one).collect();
            Some(format!("it waits for {}", all.join(" and ")))
        }
        "waiting" => status.why.starts_with("waits for ").then(|| format!("it {}", status.why)),
        "placeholder" => {
            Some(match status.why.find("waits for ").and_then(|at| status.why.get(at..)) {
                Some(file) => format!("it {file}"),
                None => format!("nothing is attached to it (hamctl attach {name} PID does that)"),
            })
        }
        "starting" if status.pid.is_some() => up_when(shown).map(|when| format!("it is up {when}")),
        _ => None,
    }
}

struct Story<'a, 'z> {
    shown: &'a Shown,
    facts: &'a [HistoryFact],
    zone: &'z Zone,
    now: f64,
    used: Vec<&'a HistoryFact>,
}

/// What the status says at its end of who is.
const OUTDATED: &str = "its unit has changed: used from its next start on";

/// A start that led to no process.
const FAILED_START: [&str; 2] = ["start-failed", "start-timeout"];
/// What may be the beginning of a story.
const ENDS: [&str; 3] = ["died", "start-failed", "start-timeout"];
/// Who it is that asks, which the history does not tell.
const SOMEBODY: &str = "somebody, or an action, asked for it";

impl<'a> Story<'a, '_> {
    fn status(&self) -> &'a EntityStatus {
        &self.shown.status
    }

    /// `None`: the facts that would tell are not there.
    fn reason(&mut self) -> Option<String> {
        match self.status().cause.as_str() {
            "never-started" => Some("nobody has started it".to_owned()),
            "boot" => Some("it was started with the manager".to_owned()),
            "asked-start" => Some(SOMEBODY.to_owned()),
            "restarted" => self.restarted(),
            "died" => self.died(),
            "start-failed" | "start-timeout" => self.not_started(),
            "restart-limit" => self.limit(),
            "asked-stop" => self.stopped(),
            "record-lost" => self.said_by("record-lost"),
            "dependency" => self.said_by("dependency"),
            "conflict" => self.said_by("conflict"),
            "finished" => self.said_by("finished"),
            "pre-start-failed" => self.said_by("pre-start-failed"),
            _ => None,
        }
    }

    /// The last fact of that kind says it all.
    fn said_by(&mut self, kind: &str) -> Option<String> {
        let last = self.last(self.facts.len(), &[kind])?;
        let fact = self.tell(last)?;
        Some(format!("at {} {}", self.when(fact), fact.text))
    }

    fn restarted(&mut self) -> Option<String> {
        let pid = self.status().pid;
        let is_it = |fact: &&HistoryFact| {
            fact.kind == "started" && fact.again == Some(true) && (pid.is_none() || fact.pid == pid)
        };
        let start = self.facts.iter().rposition(|fact| is_it(&fact))?;
        self.tell(start)?;
        // The process before it: whatever ended since the last start.
        let from = self.last(start, &["started"]).map_or(0, |before| before + 1);
        let end = self.last_from(from, start, &["died"]).or(self.last_from(from, start, &ENDS));
        let mut parts = Vec::new();
        if let Some(end) = end {
            parts.extend(self.ended(end));
            parts.extend(self.fired(end, start));
            parts.extend(self.failed_attempts(end, start));
        }
        let done = self.restart_done(start);
        let action = match done {
            Some(done) => self.tell(done).and_then(|fact| fact.action.clone()),
            None => None,
        };
        let by = action.map_or_else(|| "it was".to_owned(), |name| format!("action \"{name}\""));
        let again = if by == "it was" { "started again" } else { "started it again" };
        parts.push(format!("{by} {again}{}", self.attempt()));
        Some(parts.join(", "))
    }

    /// Where its restart action was done, after that start.
    fn restart_done(&self, start: usize) -> Option<usize> {
        let later = self.facts.iter().enumerate().skip(start + 1);
        let mut while_it_runs =
            later.take_while(|(_, fact)| fact.kind != "started" && fact.kind != "died");
        while_it_runs
            .find(|(_, fact)| fact.kind == "action-done" && self.is_restart(fact))
            .map(|(place, _)| place)
    }

    fn is_restart(&self, fact: &HistoryFact) -> bool {
        let mut conditions = self.shown.conditions.iter();
        conditions.any(|condition| {
            Some(&condition.name) == fact.condition.as_ref()
                && condition.actions.iter().any(|action| {
                    action.verb == "restart" && Some(&action.name) == fact.action.as_ref()
                })
        })
    }

    fn died(&mut self) -> Option<String> {
        let end = self.last(self.facts.len(), &["died"])?;
        let mut parts: Vec<String> = self.ended(end).into_iter().collect();
        parts.extend(self.fired(end, self.facts.len()));
        parts.extend(self.failed_action(end));
        parts.push(self.outlook());
        Some(parts.join(", "))
    }

    fn not_started(&mut self) -> Option<String> {
        let failed = self.last(self.facts.len(), &FAILED_START)?;
        let mut parts: Vec<String> = self.ended(failed).into_iter().collect();
        parts.extend(self.fired(failed, self.facts.len()));
        parts.extend(self.failed_action(failed));
        parts.push(self.outlook());
        Some(parts.join(", "))
    }

    fn limit(&mut self) -> Option<String> {
        let limit = self.last(self.facts.len(), &["restart-limit"])?;
        let end = self.last(limit, &ENDS);
        let mut parts = Vec::new();
        if let Some(end) = end {
            parts.extend(self.ended(end));
            parts.extend(self.fired(end, limit));
        }
        let fact = self.tell(limit)?;
        parts.push(format!("and the restart limit was reached at {}", self.when(fact)));
        Some(parts.join(", "))
    }

    fn stopped(&mut self) -> Option<String> {
        let all = self.facts.len();
        let begun = self.last(all, &["started"]).unwrap_or(0);
        let Some(asked) = self.last_from(begun, all, &["stopping"]) else {
            // It had no process to be stopped.
            return Some(SOMEBODY.to_owned());
        };
        let fact = self.tell(asked)?;
        let mut text = format!("{SOMEBODY} at {}", self.when(fact));
        if let Some(killed) = self.last_from(asked, all, &["killing"])
            && let Some(fact) = self.tell(killed)
        {
            text.push_str(&format!(", at {} it {}", self.when(fact), fact.text));
        }
        if let Some(ended) = self.last_from(asked, all, &["stopped"])
            && let Some(fact) = self.tell(ended)
        {
            let end = fact.exit.as_ref().map_or("unknown", |exit| &exit.text);
            text.push_str(&format!(", {} ended at {} ({end})", its(fact), self.when(fact)));
        }
        Some(text)
    }

    /// What is to come, or is not.
    fn outlook(&self) -> String {
        let attempt = self.attempt();
        match self.status().state.as_str() {
            "backoff" => {
                let due = self.status().next_attempt_ns.unwrap_or(0);
                format!("it is started again in {}{attempt}", lasting(due))
            }
            "starting" => format!("it is being started again{attempt}"),
            "waiting" => match self.shown.running.as_slice() {
                [] => "what is left of it is being ended".to_owned(),
                lists => format!("in progress: {}", lists.join(", ")),
            },
            _ => "and nothing starts it again".to_owned(),
        }
    }

    fn attempt(&self) -> String {
        match self.status().attempts {
            0 => String::new(),
            attempts => format!(", attempt {attempts}"),
        }
    }

    /// The end of a process, or of an attempt to start one.
    fn ended(&mut self, place: usize) -> Option<String> {
        let fact = self.tell(place)?;
        let when = self.when(fact);
        Some(match &fact.exit {
            Some(exit) => {
                let verb = if exit.code == Some(0) { "ended" } else { "died" };
                format!("{} {verb} at {when} ({})", its(fact), exit.text)
            }
            None => format!("at {when} it {}", fact.text),
        })
    }

    /// The conditions that fired between two places.
    fn fired(&mut self, from: usize, to: usize) -> Option<String> {
        let places = from..to.min(self.facts.len());
        let mut names: Vec<&str> = Vec::new();
        for place in places {
            let fact = self.facts.get(place)?;
            // Of the next occurrence, not of this one.
            if place > from && ENDS.contains(&fact.kind.as_str()) {
                break;
            }
            if let Some(name) = fact.condition.as_deref().filter(|_| fact.kind == "fired") {
                self.used.push(fact);
                names.push(name);
            }
        }
        let quoted: Vec<String> = names.iter().map(|name| format!("\"{name}\"")).collect();
        match quoted.as_slice() {
            [] => None,
            [name] => Some(format!("condition {name} fired")),
            names => Some(format!("conditions {} fired", names.join(" and "))),
        }
    }

    /// Attempts that failed between the end and the start that did not.
    fn failed_attempts(&mut self, end: usize, start: usize) -> Option<String> {
        let failed = |fact: &&HistoryFact| FAILED_START.contains(&fact.kind.as_str());
        let count = self.facts.get(end + 1..start)?.iter().filter(failed).count();
        let last = self.last_from(end + 1, start, &FAILED_START)?;
        let fact = self.tell(last)?;
        let when = self.when(fact);
        Some(match count {
            1 => format!("at {when} it {}", fact.text),
            count => format!("{count} starts failed, the last at {when} ({})", fact.text),
        })
    }

    /// The last action that failed after that.
    fn failed_action(&mut self, from: usize) -> Option<String> {
        let place = self.last_from(from, self.facts.len(), &["action-failed"])?;
        let fact = self.tell(place)?;
        let name = fact.action.as_deref().unwrap_or("?");
        let why = fact.text.split_once(" failed: ").map_or("", |(_, why)| why);
        Some(format!("action \"{name}\" failed at {} ({why})", self.when(fact)))
    }

    /// The place of the last fact of these kinds before `to`.
    fn last(&self, to: usize, kinds: &[&str]) -> Option<usize> {
        self.last_from(0, to, kinds)
    }

    fn last_from(&self, from: usize, to: usize, kinds: &[&str]) -> Option<usize> {
        let some = self.facts.get(from..to)?;
        some.iter().rposition(|fact| kinds.contains(&fact.kind.as_str())).map(|at| at + from)
    }

    /// The fact at a place, which the sentence now rests on.
    fn tell(&mut self, place: usize) -> Option<&'a HistoryFact> {
        let fact = self.facts.get(place)?;
        self.used.push(fact);
        Some(fact)
    }

    fn when(&self, fact: &HistoryFact) -> String {
        self.zone.brief(fact.time, self.now)
    }
}

fn its(fact: &HistoryFact) -> String {
    fact.pid.map_or_else(|| "its process".to_owned(), |pid| format!("its process {pid}"))
}
