//! The line about the manager and the table of entities.

use super::{lasting, state_style};
use crate::output::Look;
use crate::table::{Cell, Column, Style, harmless, render};
use ham_core::wire::{
    Disarmed, EntityStatus, Failures, ManagerStatus, PlanStatus, RoleStatus, Status, WatchdogStatus,
};

const COLUMNS: [Column; 7] = [
    Column { heading: "ENTITY", right: false },
    Column { heading: "STATE", right: false },
    Column { heading: "PID", right: true },
    Column { heading: "UPTIME", right: true },
    Column { heading: "RESTARTS", right: true },
    Column { heading: "LAST EXIT", right: false },
    Column { heading: "WHY", right: false },
];

/// The whole status.
pub(crate) fn text(status: &Status, look: Look) -> String {
    let mut text = header(&status.ham, look);
    text.push('\n');
    if let Some(watchdog) = &status.ham.watchdog {
        text.push_str(&hardware(watchdog, look));
        text.push('\n');
    }
    if status.entities.is_empty() {
        text.push_str(&nothing(&status.ham.plan));
        text.push('\n');
    } else {
        let rows: Vec<Vec<Cell>> = status.entities.iter().map(row).collect();
        text.push_str(&render(&COLUMNS, &rows, look));
    }
    if !status.disarmed.is_empty() {
        let one = |item: &Disarmed| {
            let left = item.left_ns.map(|ns| format!(" (for {})", lasting(ns)));
            format!("{}{}", harmless(&item.path), left.unwrap_or_default())
        };
        let all: Vec<String> = status.disarmed.iter().map(one).collect();
        text.push_str(&Style::Passing.paint(&format!("disarmed: {}", all.join(", ")), look));
        text.push('\n');
    }
    if let Some(names) = suspended(status) {
        let line = format!("heartbeats suspended: {names}");
        text.push_str(&Style::Passing.paint(&line, look));
        text.push('\n');
    }
    if !status.ham.plan.refused.is_empty() {
        let names = harmless(&status.ham.plan.refused.join(", "));
        let directories = harmless(&status.ham.plan.directories.join(" "));
        let line = format!("refused: {names} (`hamctl check {directories}` shows why)");
        text.push_str(&Style::Bad.paint(&line, look));
        text.push('\n');
    }
    let errors = super::plan_errors::lines(&status.ham.plan.errors);
    if status.ham.plan.outdated {
        let line = "units have changed and are not applied (`hamctl plan` shows how to mend it):";
        text.push_str(&Style::Bad.paint(line, look));
        text.push('\n');
    }
    for line in errors {
        text.push_str(&Style::Bad.paint(&format!("  {line}"), look));
        text.push('\n');
    }
    text
}

/// Whose heartbeats are suspended: those of all, or of which of those shown.
fn suspended(status: &Status) -> Option<String> {
    if status.ham.heartbeats_suspended {
        return Some("all".to_owned());
    }
    let is_suspended = |entity: &&EntityStatus| {
        entity.heartbeat.as_ref().is_some_and(|heartbeat| heartbeat.suspended)
    };
    let names: Vec<&str> =
        status.entities.iter().filter(is_suspended).map(|entity| entity.name.as_str()).collect();
    (!names.is_empty()).then(|| harmless(&names.join(", ")))
}

fn header(ham: &ManagerStatus, look: Look) -> String {
    let (errors, warnings) = counts(&ham.plan);
    let mut parts = vec![
        format!("ham {}: reaper {}", harmless(&ham.version), role(ham.reaper)),
        format!("monitor {}", role(ham.monitor)),
        format!("guardian {}", role(ham.guardian)),
        takeovers(ham),
        format!("containment {}", harmless(&ham.containment)),
    ];
    let plan_errors = counted(errors, "plan error");
    let style = if errors > 0 { Style::Bad } else { Style::Plain };
    parts.push(style.paint(&plan_errors, look));
    if warnings > 0 {
        parts.push(counted(warnings, "warning"));
    }
    let Failures { guardian, hung, reaper, monitor: _ } = ham.failures;
    for (count, what) in [(guardian, "lost guardian"), (hung, "hang"), (reaper, "reaper fault")] {
        if count > 0 {
            parts.push(Style::Bad.paint(&counted(count, what), look));
        }
    }
    if ham.stopping {
        parts.push(Style::Passing.paint("shutting down", look));
    }
    parts.join(", ")
}

/// How often a monitor was replaced, and how long the last time took.
fn takeovers(ham: &ManagerStatus) -> String {
    let count = counted(ham.takeovers, "takeover");
    match ham.last_takeover_us {
        Some(us) if ham.takeovers > 0 => format!("{count} (the last in {us} µs)"),
        Some(_) | None => count,
    }
}

/// The hardware watchdog, in one line.
fn hardware(watchdog: &WatchdogStatus, look: Look) -> String {
    let WatchdogStatus { device, identity, timeout_ns, fed_ns, check, state, why } = watchdog;
    let mut text = format!("hardware watchdog {}", harmless(device));
    if !identity.is_empty() {
        text.push_str(&format!(" ({})", harmless(identity)));
    }
    let mut parts: Vec<String> =
        timeout_ns.map(|ns| format!("timeout {}", lasting(ns))).into_iter().collect();
    parts.extend(check.as_ref().map(|path| format!("writes {}", harmless(path))));
    parts.extend(fed_ns.map(|ns| format!("fed {} ago", lasting(ns))));
    let is_fed = matches!(state.as_str(), "fed" | "opened");
    if !is_fed {
        let style = if state == "takeover" { Style::Passing } else { Style::Bad };
        let because = if why.is_empty() { String::new() } else { format!(": {}", harmless(why)) };
        parts.push(style.paint(&format!("{}{because}", harmless(state)), look));
    }
    format!("{text}: {}", parts.join(", "))
}

fn role(role: RoleStatus) -> String {
    if role.pid == 0 { "none".to_owned() } else { role.pid.to_string() }
}

fn counted(count: u64, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}

/// Errors and warnings of the plan. They come as text that begins with its
/// severity; what begins otherwise counts as an error, so that nothing is
/// hidden.
fn counts(plan: &PlanStatus) -> (u64, u64) {
    let warnings = plan.errors.iter().filter(|text| text.starts_with("warning")).count() as u64;
    let notes = plan.errors.iter().filter(|text| text.starts_with("note")).count() as u64;
    (plan.errors.len() as u64 - warnings - notes, warnings)
}

fn nothing(plan: &PlanStatus) -> String {
    if plan.directories.is_empty() {
        "no entities".to_owned()
    } else {
        format!("no entities (units are read from {})", harmless(&plan.directories.join(", ")))
    }
}

fn row(entity: &EntityStatus) -> Vec<Cell> {
    let none = || Cell::new("-", Style::Faint);
    let uptime = entity.pid.and(entity.age_ns).map(lasting);
    let last_exit = entity
        .last_exit
        .as_ref()
        .map(|exit| Cell::new(&exit.text, if exit.abnormal { Style::Bad } else { Style::Plain }));
    vec![
        Cell::plain(&entity.name),
        Cell::new(&entity.state, state_style(&entity.state)),
        entity.pid.map_or_else(none, |pid| Cell::plain(pid.to_string())),
        uptime.map_or_else(none, Cell::plain),
        Cell::plain(entity.restarts.to_string()),
        last_exit.unwrap_or_else(none),
        Cell::plain(why(entity)),
    ]
}

/// Why it is in its state, what it waits for, and when that will change by
/// itself.
pub(crate) fn why(entity: &EntityStatus) -> String {
    let waits = (!entity.waits_for.is_empty())
        .then(|| format!("waits for {}", entity.waits_for.join(", ")));
    let attempt = entity.next_attempt_ns.map(|ns| format!("next attempt in {}", lasting(ns)));
    let reason = Some(entity.why.clone()).filter(|why| !why.is_empty());
    // The manager's reason may be just that.
    let waits = waits.filter(|waits| Some(waits) != reason.as_ref());
    let parts: Vec<String> = [waits, reason, attempt].into_iter().flatten().collect();
    parts.join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use ham_core::wire::{ExitReport, HeartbeatStatus};

    fn manager() -> ManagerStatus {
        ManagerStatus {
            version: "0.1.0".into(),
            reaper: RoleStatus { pid: 812 },
            monitor: RoleStatus { pid: 813 },
            guardian: RoleStatus { pid: 814 },
            takeovers: 1,
            last_takeover_us: Some(87),
            failures: Failures::default(),
            turns: 42,
            started_time: 1.5e9,
            spawn: "clone3".into(),
            containment: "cgroup".into(),
            stopping: false,
            heartbeats_suspended: false,
            plan: PlanStatus {
                generation: 1,
                directories: vec!["/etc/ham".into()],
                ..PlanStatus::default()
            },
            reaper_allocations: 0,
            orphans: 3,
            notifications_dropped: 0,
            watchdog: None,
        }
    }

    fn entities() -> Vec<EntityStatus> {
        vec![
            EntityStatus {
                name: "audio".into(),
                state: "running".into(),
                desired: "running".into(),
                pid: Some(901),
                restarts: 2,
                age_ns: Some(3_723_456_000_000),
                ready: true,
                last_exit: Some(ExitReport {
                    code: None,
                    signal: Some("SEGV".into()),
                    abnormal: true,
                    text: "signal SEGV (core)".into(),
                }),
                why: "restarted after death".into(),
                ..EntityStatus::default()
            },
            EntityStatus {
                name: "mixer".into(),
                state: "backoff".into(),
                desired: "running".into(),
                restarts: 12,
                age_ns: Some(5_000_000),
                last_exit: Some(ExitReport {
                    code: Some(3),
                    signal: None,
                    abnormal: false,
                    text: "exit 3".into(),
                }),
                why: "died within 30s".into(),
                next_attempt_ns: Some(1_600_000_000),
                ..EntityStatus::default()
            },
            EntityStatus {
                name: "radio".into(),
                state: "stopped".into(),
                ..EntityStatus::default()
            },
        ]
    }

    #[test]
    fn the_table_reads_as_it_should() {
        let status = Status { ham: manager(), entities: entities(), disarmed: Vec::new() };
        let expected = "\
ham 0.1.0: reaper 812, monitor 813, guardian 814, 1 takeover (the last in 87 µs), containment cgroup, 0 plan errors
ENTITY  STATE    PID   UPTIME  RESTARTS  LAST EXIT           WHY
audio   running  901  1h 2min         2  signal SEGV (core)  restarted after death
mixer   backoff    -        -        12  exit 3              died within 30s; next attempt in 1s
radio   stopped    -        -         0  -
";
        assert_eq!(text(&status, Look::default()), expected);
    }

    #[test]
    fn what_keeps_units_from_being_applied_is_shown_until_it_is_mended() {
        let mut status = Status { ham: manager(), entities: entities(), disarmed: Vec::new() };
        let errors = ["error: a\n  --> x", "warning: b", "error: c", "error: d", "error: e"];
        status.ham.plan.errors = errors.map(String::from).to_vec();
        assert!(!text(&status, Look::default()).contains("not applied"));
        status.ham.plan.outdated = true;
        let expected = "\
units have changed and are not applied (`hamctl plan` shows how to mend it):
  x: a
  c
  d
  e
";
        let shown = text(&status, Look::default());
        assert!(shown.ends_with(expected), "{shown}");
    }

    #[test]
    fn what_it_waits_for_is_said_once() {
        let waits_for = vec!["db".to_owned(), "log".to_owned()];
        let why_of = |reason: &str| {
            why(&EntityStatus {
                waits_for: waits_for.clone(),
                why: reason.to_owned(),
                ..EntityStatus::default()
            })
        };
        assert_eq!(why_of("waits for db, log"), "waits for db, log");
        assert_eq!(why_of("died: exit 1"), "waits for db, log; died: exit 1");
    }

    #[test]
    fn suspended_heartbeats_are_a_line() {
        let mut status = Status { ham: manager(), entities: entities(), disarmed: Vec::new() };
        let line = |status: &Status| {
            let text = text(status, Look::default());
            text.lines().find(|line| line.contains("heartbeats")).map(str::to_owned)
        };
        assert_eq!(line(&status), None);
        let suspended = |suspended| Some(HeartbeatStatus { suspended, ..Default::default() });
        status.entities[0].heartbeat = suspended(true);
        status.entities[1].heartbeat = suspended(false);
        assert_eq!(line(&status).as_deref(), Some("heartbeats suspended: audio"));
        status.ham.heartbeats_suspended = true;
        assert_eq!(line(&status).as_deref(), Some("heartbeats suspended: all"));
    }

    #[test]
    fn the_hardware_watchdog_is_a_line() {
        let line = |watchdog: WatchdogStatus| {
            let ham = ManagerStatus { watchdog: Some(watchdog), ..manager() };
            let status = Status { ham, entities: entities(), disarmed: Vec::new() };
            text(&status, Look::default()).lines().nth(1).map(str::to_owned).unwrap()
        };
        let fed = WatchdogStatus {
            device: "/dev/watchdog0".into(),
            identity: "Software Watchdog".into(),
            timeout_ns: Some(30_000_000_000),
            fed_ns: Some(4_200_000_000),
            state: "fed".into(),
            ..WatchdogStatus::default()
        };
        let begins = "hardware watchdog /dev/watchdog0 (Software Watchdog): timeout 30s, ";
        assert_eq!(line(fed.clone()), format!("{begins}fed 4s ago"));
        let check = Some("/var/lib/ham/watchdog".to_owned());
        let why = "the file system does not answer".to_owned();
        let withheld = WatchdogStatus { check, state: "withheld".into(), why, ..fed.clone() };
        assert_eq!(
            line(withheld),
            format!(
                "{begins}writes /var/lib/ham/watchdog, fed 4s ago, \
                 withheld: the file system does not answer"
            )
        );
        let takeover = WatchdogStatus { state: "takeover".into(), ..fed };
        assert_eq!(line(takeover), format!("{begins}fed 4s ago, takeover"));
        let closed = WatchdogStatus {
            device: "/dev/x".into(),
            state: "closed".into(),
            why: "/dev/x is no watchdog".into(),
            ..WatchdogStatus::default()
        };
        assert_eq!(line(closed), "hardware watchdog /dev/x: closed: /dev/x is no watchdog");
    }

    #[test]
    fn a_narrow_terminal_clips_the_reason_only() {
        let status = Status { ham: manager(), entities: entities(), disarmed: Vec::new() };
        let look = Look { width: Some(80), ..Look::default() };
        let text = text(&status, look);
        let expected = "\
ENTITY  STATE    PID   UPTIME  RESTARTS  LAST EXIT           WHY
audio   running  901  1h 2min         2  signal SEGV (core)  restarted after de…
mixer   backoff    -        -        12  exit 3              died within 30s; n…
radio   stopped    -        -         0  -
";
        assert_eq!(text.split_once('\n').map(|(_, table)| table), Some(expected));
    }

    #[test]
    fn colours_mark_states_and_errors() {
        let mut status = Status { ham: manager(), entities: entities(), disarmed: Vec::new() };
        status.ham.plan.errors.push("error[ham::unit::unknown-key]: …".into());
        let look = Look { colour: true, ..Look::default() };
        let text = text(&status, look);
        assert!(text.contains("\x1b[1;31m1 plan error\x1b[0m"), "{text}");
        assert!(text.contains("\x1b[32mrunning\x1b[0m"), "{text}");
        assert!(text.contains("\x1b[33mbackoff\x1b[0m"), "{text}");
    }

    #[test]
    fn the_plan_and_the_way_down_are_told() {
        let mut ham = manager();
        ham.stopping = true;
        ham.monitor.pid = 0;
        ham.failures = Failures { monitor: 1, guardian: 1, hung: 2, reaper: 3 };
        ham.plan.errors = vec![
            "error[ham::unit::syntax]: x".into(),
            "warning[ham::unit::y]: z".into(),
            "?".into(),
        ];
        ham.plan.refused = vec!["mixer".into(), "radio".into()];
        let expected = "\
ham 0.1.0: reaper 812, monitor none, guardian 814, 1 takeover (the last in 87 µs), containment cgroup, 2 plan errors, 1 warning, \
1 lost guardian, 2 hangs, 3 reaper faults, shutting down
no entities (units are read from /etc/ham)
refused: mixer, radio (`hamctl check /etc/ham` shows why)
  x
";
        let status = Status { ham, entities: Vec::new(), disarmed: Vec::new() };
        assert_eq!(text(&status, Look::default()), expected);
    }
}
