//! Facts of the history, one a line: when in local time, whom about, what.

use crate::output::Look;
use crate::table::{Style, harmless};
use crate::zone::Zone;
use ham_core::wire::HistoryFact;

/// The lines, in the order of the facts.
pub(crate) fn lines(facts: &[HistoryFact], zone: &Zone, look: Look) -> String {
    facts.iter().map(|fact| line(fact, zone, look)).collect()
}

fn line(fact: &HistoryFact, zone: &Zone, look: Look) -> String {
    let stamp = Style::Faint.paint(&zone.stamp(fact.time), look);
    let name = if fact.name.is_empty() { "ham" } else { &fact.name };
    let text = style(&fact.kind).paint(&harmless(&fact.text), look);
    format!("{stamp} {}: {text}\n", harmless(name))
}

fn style(kind: &str) -> Style {
    match kind {
        "died" | "start-failed" | "start-timeout" | "restart-limit" | "killing" | "leftovers"
        | "action-failed" | "list-refused" | "record-lost" | "dependency" | "pre-start-failed" => {
            Style::Bad
        }
        "backoff" => Style::Passing,
        "fired" | "action-done" | "ready" | "reloading" | "main-process" => Style::Faint,
        _ => Style::Plain,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fact_is_a_line() {
        let fact = |name: &str, kind: &str, text: &str| HistoryFact {
            time: 1_782_900_000.25,
            name: name.into(),
            kind: kind.into(),
            text: text.into(),
            ..HistoryFact::default()
        };
        let facts =
            [fact("audio", "died", "died: exit 3 (pid 7)"), fact("", "manager", "a\x1b[2Jb")];
        let zone = Zone::named("UTC0");
        let expected = "\
2026-07-01 10:00:00.250 audio: died: exit 3 (pid 7)
2026-07-01 10:00:00.250 ham: a\u{fffd}[2Jb
";
        assert_eq!(lines(&facts, &zone, Look::default()), expected);
        let look = Look { colour: true, ..Look::default() };
        let text = lines(&facts[..1], &zone, look);
        assert!(text.ends_with(" audio: \x1b[1;31mdied: exit 3 (pid 7)\x1b[0m\n"), "{text}");
    }
}
