//! Heartbeats: half of the entities that have one store it in a page, the others
//! send messages. Those that beat for ever may never be missed; those that stop
//! have to be found out, ended and brought back, each time.

use crate::compare::{Dark, Fault, Findings, Known, at, nanos};
use crate::kinds::{Kind, Member};
use crate::ledger;
use crate::roles::{TROUBLE, for_ever};
use crate::scenario::Witness;
use crate::units::{Place, act};
use ham_core::status::ExitStatus;
use std::collections::BTreeMap;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::ExitCode;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// How often they beat.
const EVERY: Duration = Duration::from_millis(20);
/// The interval of those that beat for ever, and how many misses they are
/// allowed: no process stands still for two seconds.
const INTERVAL: Duration = Duration::from_millis(500);
const MISSES: (u32, u32) = (4, 6);
/// Of those that stop.
const STALL_INTERVAL: Duration = Duration::from_millis(100);
const STALL_MISSES: (u32, u32) = (5, 8);
/// In this time a process has begun to beat.
const GRACE: Duration = Duration::from_secs(1);

const LOW: &str = "low";
const HIGH: &str = "high";

fn unit(place: Place<'_>, interval: Duration, misses: (u32, u32), then: &str) -> String {
    let [noted_low, noted_high] = [LOW, HIGH].map(|condition| act(place, condition, 1, ""));
    let (interval, grace, (low, high)) = (interval.as_millis(), GRACE.as_millis(), misses);
    format!(
        r#"
[heartbeat]
interval = "{interval}ms"
low = {low}
high = {high}
grace = "{grace}ms"

[[condition]]
on = "heartbeat-missed-low"
name = "{LOW}"
actions = [ {{ execute = {noted_low} }} ]

[[condition]]
on = "heartbeat-missed-high"
name = "{HIGH}"
actions = [ {{ execute = {noted_high} }}{then} ]
"#
    )
}

/// What the unit of one that beats for ever has.
pub(crate) fn beating(place: Place<'_>) -> String {
    unit(place, INTERVAL, MISSES, "")
}

/// What the unit of one that stalls has.
pub(crate) fn stalling(place: Place<'_>) -> String {
    let kill = ", { notify-signal = { signal = \"KILL\" } }";
    unit(place, STALL_INTERVAL, STALL_MISSES, kill)
}

/// One life: beats for so long, from the moment on when all are let go.
pub(crate) fn live(member: &Member, folder: &Path, first: bool, length: Duration) -> ExitCode {
    let begin = Instant::now();
    let Some(beat) = heart(member) else { return ExitCode::from(TROUBLE) };
    let wait = first && member.kind == Kind::Stalling;
    let mut since = begin;
    while wait && !ledger::go(folder).exists() {
        beat();
        sleep(EVERY);
        since = Instant::now();
    }
    while since.elapsed() < length {
        beat();
        sleep(EVERY);
    }
    for_ever()
}

fn heart(member: &Member) -> Option<Box<dyn Fn()>> {
    if member.place.is_multiple_of(2) {
        let heart = libham::Ham::connect().and_then(|mut ham| ham.heart());
        if let Err(error) = &heart {
            eprintln!("ham-chaos: {}: {error}", member.name);
        }
        return heart.ok().map(|heart| Box::new(move || heart.beat()) as Box<dyn Fn()>);
    }
    let socket = std::env::var("NOTIFY_SOCKET").ok()?;
    let sender = UnixDatagram::unbound().ok()?;
    // The queue is full while there is no monitor: then enough of them are in it.
    sender.set_nonblocking(true).ok()?;
    Some(Box::new(move || {
        let _ = sender.send_to(b"WATCHDOG=1", &socket);
    }))
}

/// Compares the heartbeats of one entity.
pub(crate) fn compare(
    findings: &mut Findings,
    member: &Member,
    known: &[Known],
    witness: &Witness,
    dark: &Dark<'_>,
) {
    if !matches!(member.kind, Kind::Beating | Kind::Stalling) {
        return;
    }
    let mut fired: BTreeMap<(u64, String), Vec<u64>> = BTreeMap::new();
    for act in ledger::acts(&witness.folder).into_iter().filter(|act| act.name == member.name) {
        findings.acts += 1;
        fired.entry((act.pid, act.condition)).or_default().push(act.mono);
    }
    if member.kind == Kind::Stalling {
        for known in known.iter().filter(|known| is_stalled(known)) {
            stalled(findings, member, known, &mut fired, dark);
        }
    }
    // What is left belongs to processes that did not stop.
    let allowed = nanos(INTERVAL * (MISSES.1 + 1));
    for ((pid, condition), times) in fired {
        let times = times.iter().filter(|time| !dark.is_slow(time.saturating_sub(allowed), **time));
        for time in times {
            let text = format!("{}/{condition} of pid {pid} at {}", member.name, at(*time));
            findings.fault(Fault::FalseAlarm, text);
        }
    }
}

fn is_stalled(known: &Known) -> bool {
    known.died && matches!(known.status, ExitStatus::Signal { .. })
}

/// Both conditions have fired for a life, the second once, and not too early.
fn stalled(
    findings: &mut Findings,
    member: &Member,
    known: &Known,
    fired: &mut BTreeMap<(u64, String), Vec<u64>>,
    dark: &Dark<'_>,
) {
    for (condition, misses) in [(LOW, STALL_MISSES.0), (HIGH, STALL_MISSES.1)] {
        let text = || {
            let life = &known.life;
            format!("{}/{condition} of pid {} of {}", member.name, life.pid, at(life.mono))
        };
        let times = fired.remove(&(known.life.pid, condition.to_owned())).unwrap_or_default();
        let Some(first) = times.first().copied() else {
            findings.fault(Fault::ActionMissing, format!("{} has not fired", text()));
            continue;
        };
        // The last heartbeat and the first look may fall into the same period.
        let due = known.end + nanos(STALL_INTERVAL * misses.saturating_sub(2));
        let was_slow = dark.is_slow(first.saturating_sub(nanos(GRACE)), first);
        if times.len() > 1 && !was_slow {
            let text = format!("{} ran at {times:?}", text());
            findings.faults_of(Fault::ActionRepeated, times.len() as u64 - 1, text);
        }
        if first < due && !was_slow {
            let early = (due - first) / 1_000_000;
            findings.fault(Fault::Early, format!("{} fired {early} ms too early", text()));
        }
        let due = (known.life.mono + nanos(GRACE)).max(known.end) + nanos(STALL_INTERVAL * misses);
        if dark.late(due, first) {
            let late = (first - due) / 1_000_000;
            findings.fault(Fault::Late, format!("{} fired {late} ms late", text()));
        }
    }
}
