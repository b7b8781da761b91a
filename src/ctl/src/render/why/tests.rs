//! Sentences for every reason that an entity can be in its state.

use super::*;
use ham_core::wire::{ExitReport, ShownAction, ShownCondition};

const NOON: f64 = 1_782_900_000.0;

/// An entity called audio, whose condition `death` restarts it.
fn shown(state: &str, cause: &str) -> Shown {
    let restart = ShownAction {
        name: "again".into(),
        verb: "restart".into(),
        armed: true,
        ..ShownAction::default()
    };
    let death = ShownCondition {
        name: "death".into(),
        on: "death".into(),
        armed: true,
        actions: vec![restart],
        ..ShownCondition::default()
    };
    Shown {
        status: EntityStatus {
            name: "audio".into(),
            state: state.into(),
            cause: cause.into(),
            since: Some(NOON + 3.0),
            why: "the phrase of the status".into(),
            ..EntityStatus::default()
        },
        source: String::new(),
        command: Vec::new(),
        user: None,
        conditions: vec![death],
        running: Vec::new(),
        ..Shown::default()
    }
}

/// A history from lines: second, kind, then `pid=`, `exit=` or a name; the
/// rest of `text` comes last.
fn facts(lines: &[(u32, &str, &str, &str)]) -> Vec<HistoryFact> {
    let fact = |(number, (second, kind, what, text)): (usize, &(u32, &str, &str, &str))| {
        let pid = what.split(' ').next().and_then(|word| word.parse().ok());
        let exit = what.split_once(' ').filter(|_| pid.is_some()).map(|(_, text)| ExitReport {
            code: text.strip_prefix("exit ").and_then(|code| code.parse().ok()),
            signal: None,
            abnormal: false,
            text: text.into(),
        });
        let (condition, action) = match what.split_once('/') {
            Some((condition, action)) => (Some(condition.into()), Some(action.into())),
            None => (Some((*what).to_owned()).filter(|_| *kind == "fired"), None),
        };
        HistoryFact {
            number: number as u64,
            time: NOON + f64::from(*second),
            name: "audio".into(),
            kind: (*kind).into(),
            pid,
            exit,
            condition,
            action,
            again: (*kind == "started").then_some(*text == "again"),
            text: (*text).into(),
            ..HistoryFact::default()
        }
    };
    lines.iter().enumerate().map(fact).collect()
}

fn sentence(shown: &Shown, facts: &[HistoryFact]) -> String {
    explain(shown, facts, &[], &Zone::named("UTC0"), NOON + 60.0).sentence
}

const DEATH: [(u32, &str, &str, &str); 3] =
    [(0, "started", "790", ""), (2, "died", "790 signal SEGV", ""), (2, "fired", "death", "")];

#[test]
fn a_restart_is_told_from_its_cause_to_its_outcome() {
    let mut shown = shown("running", "restarted");
    shown.status.pid = Some(812);
    shown.status.attempts = 2;
    let mut lines = DEATH.to_vec();
    lines.push((2, "start-failed", "", "could not start: no such file"));
    lines.push((3, "started", "812", "again"));
    lines.push((3, "action-done", "death/other", ""));
    lines.push((3, "action-done", "death/again", ""));
    lines.push((9, "log", "", "a line"));
    let facts = facts(&lines);
    assert_eq!(
        sentence(&shown, &facts),
        "audio is running (pid 812) since 10:00:03: its process 790 died at 10:00:02 \
         (signal SEGV), condition \"death\" fired, at 10:00:02 it could not start: no such \
         file, action \"again\" started it again, attempt 2."
    );
    let explained = explain(&shown, &facts, &[], &Zone::named("UTC0"), NOON);
    let numbers: Vec<u64> = explained.facts.iter().map(|fact| fact.number).collect();
    assert_eq!(numbers, [1, 2, 3, 4, 6]);
    // Of all that only the start is left in the ring.
    assert_eq!(
        sentence(&shown, &facts[4..5]),
        "audio is running (pid 812) since 10:00:03: it was started again, attempt 2."
    );
    let bare = "audio is running (pid 812) since 10:00:03: the phrase of the status.";
    assert_eq!(sentence(&shown, &[]), bare);
}

#[test]
fn each_state_has_its_reason() {
    let failed = (2, "action-failed", "death/page", "action death/page failed: exit 1");
    let limit = (2, "restart-limit", "", "restart limit reached, given up");
    let stop = (2, "stopping", "", "stopping, signal TERM");
    let end = (3, "stopped", "790 signal TERM", "");
    for (state, cause, more, expected) in [
        (
            "failed",
            "died",
            vec![failed],
            "its process 790 died at 10:00:02 (signal SEGV), condition \"death\" fired, \
             action \"page\" failed at 10:00:02 (exit 1), and nothing starts it again",
        ),
        (
            "backoff",
            "died",
            vec![],
            "its process 790 died at 10:00:02 (signal SEGV), condition \"death\" fired, it is \
             started again in 2s, attempt 4",
        ),
        (
            "failed",
            "restart-limit",
            vec![limit],
            "its process 790 died at 10:00:02 (signal SEGV), condition \"death\" fired, and \
             the restart limit was reached at 10:00:02",
        ),
        (
            "failed",
            "start-failed",
            vec![(5, "start-failed", "", "could not start: no such file")],
            "at 10:00:05 it could not start: no such file, and nothing starts it again",
        ),
        (
            "stopped",
            "asked-stop",
            vec![(2, "started", "790", ""), stop, end],
            "somebody, or an action, asked for it at 10:00:02, its process 790 ended at \
             10:00:03 (signal TERM)",
        ),
        ("stopped", "asked-stop", vec![], "somebody, or an action, asked for it"),
        ("stopped", "never-started", vec![], "nobody has started it"),
        ("running", "boot", vec![], "it was started with the manager"),
        ("running", "of-tomorrow", vec![], "the phrase of the status"),
    ] {
        let mut shown = shown(state, cause);
        if state == "backoff" {
            shown.status.attempts = 4;
            shown.status.next_attempt_ns = Some(2_000_000_000);
        }
        let lines = [&DEATH[..], &more].concat();
        let expected = format!("audio is {state} since 10:00:03: {expected}.");
        assert_eq!(sentence(&shown, &facts(&lines)), expected);
    }
}

#[test]
fn an_end_with_success_is_no_death() {
    let shown = shown("finished", "died");
    let facts = facts(&[(0, "started", "7", ""), (2, "died", "7 exit 0", "")]);
    let expected = "audio is finished since 10:00:03: its process 7 ended at 10:00:02 \
                    (exit 0), and nothing starts it again.";
    assert_eq!(sentence(&shown, &facts), expected);
}

#[test]
fn what_is_waited_for_is_told_with_its_own_reason() {
    let mut shown = shown("waiting", "boot");
    shown.status.why = "waits for db, cache".into();
    shown.status.waits_for = vec!["db".into(), "cache".into()];
    let db = EntityStatus {
        name: "db".into(),
        state: "waiting".into(),
        why: "waits for the path /run/disk".into(),
        ..EntityStatus::default()
    };
    let told = explain(&shown, &[], &[db], &Zone::named("UTC0"), NOON).sentence;
    assert_eq!(
        told,
        "audio is waiting since 10:00:03: it was started with the manager, and it waits for db \
         (waiting: waits for the path /run/disk) and cache."
    );
    shown.status.waits_for = Vec::new();
    shown.status.why = "waits for the path /run/disk".into();
    assert_eq!(
        sentence(&shown, &[]),
        "audio is waiting since 10:00:03: it was started with the manager, and it waits for the \
         path /run/disk."
    );
    shown.status.state = "starting".into();
    shown.status.pid = Some(7);
    shown.ready_when = "notify".into();
    assert_eq!(
        sentence(&shown, &[]),
        "audio is starting (pid 7) since 10:00:03: it was started with the manager, and it is up \
         when it says so."
    );
}

#[test]
fn a_placeholder_says_what_brings_it_up() {
    let mut shown = shown("placeholder", "never-started");
    shown.status.why = "nothing is attached".into();
    assert_eq!(
        sentence(&shown, &[]),
        "audio is placeholder since 10:00:03: nothing is attached to it (hamctl attach audio PID \
         does that)."
    );
    shown.status.cause = "died".into();
    let facts = facts(&[(2, "attached", "7", ""), (2, "died", "7 exit 1", "")]);
    assert_eq!(
        sentence(&shown, &facts),
        "audio is placeholder since 10:00:03: its process 7 died at 10:00:02 (exit 1), and nothing \
         starts it again, and nothing is attached to it (hamctl attach audio PID does that)."
    );
    shown.status.why = "died: exit 1; waits for the process that /run/a.pid names".into();
    let told = sentence(&shown, &[]);
    assert!(told.ends_with("it waits for the process that /run/a.pid names."), "{told}");
}
