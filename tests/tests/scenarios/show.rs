//! Effects and states as the lines of a scenario show them.

use crate::machine::BEGIN;
use ham_core::effect::{Effect, Process};
use ham_core::event::Wait;
use ham_core::ids::{EntityId, RunRef, SlotRef};
use ham_core::monitor::{Level, Monitor, Said, View};
use ham_core::time::Mono;
use ham_core::way::{Last, Way};

fn slot(slot: SlotRef) -> String {
    format!("#{}.{}", slot.index, slot.generation)
}

fn run(run: RunRef) -> String {
    format!("@{}.{}.{}", run.index, run.serial, run.step)
}

fn name(monitor: &Monitor, id: EntityId) -> String {
    monitor.name(id).unwrap_or_default()
}

pub(crate) fn effect(monitor: &Monitor, effect: &Effect) -> String {
    match effect {
        Effect::Spawn(spawn) => match &spawn.what {
            Process::Main => format!("spawn {} {}", spawn.plan.name, slot(spawn.slot)),
            Process::Command { argv, .. } => {
                format!("run {} {}: {}", spawn.plan.name, slot(spawn.slot), argv.join(" "))
            }
        },
        Effect::Signal { slot: to, signal, run: None, .. } => {
            format!("signal {} {signal}", slot(*to))
        }
        Effect::Signal { slot: to, signal, code, value, run: Some(by) } => {
            let code = if *code == -1 { String::new() } else { format!(" code={code}") };
            format!("signal {} {signal}{code} value={value} {}", slot(*to), run(*by))
        }
        Effect::Clear { slot: of, command, .. } => {
            format!("clear {}{}", slot(*of), if *command { " of a command" } else { "" })
        }
        Effect::Free { slot: of } => format!("free {}", slot(*of)),
        Effect::Watch { wait: by, path, .. } => format!("watch {path} {}", wait(monitor, *by)),
        Effect::Unwatch { wait: by } => format!("unwatch {}", wait(monitor, *by)),
        Effect::SignalAll { slot: to, signal, .. } => {
            format!("signal {} {signal} to all", slot(*to))
        }
        Effect::FindMain { slot: of, path, .. } => format!("find-main {} {path}", slot(*of)),
        Effect::Adopt { slot: to, pid, .. } => format!("adopt {} pid={pid}", slot(*to)),
        Effect::Attach { slot: to, entity, pid, start } => {
            format!("attach {} {} pid={pid} start={start}", name(monitor, *entity), slot(*to))
        }
        Effect::Release { slot: of } => format!("release {}", slot(*of)),
        Effect::ReadPid { entity, path } => {
            format!("read-pid {} {path}", name(monitor, *entity))
        }
        Effect::Tidy { entity, restarts } => {
            format!("tidy {}{}", name(monitor, *entity), if *restarts { " restarts" } else { "" })
        }
        Effect::Log { run: by, text, .. } => format!("log \"{text}\" {}", run(*by)),
        Effect::Notice(notice) => {
            format!("notice {} {:?}", name(monitor, notice.entity), notice.fact)
        }
        Effect::Reply { id, answer, .. } => format!("reply {} {answer:?}", id.0),
        Effect::Verdict { id, verdict } => format!("verdict {} {verdict:?}", id.0),
        Effect::WatchBeats { entity, slot: of, interval, from, every } => {
            let from = from.since(BEGIN);
            let every = if *every { " every" } else { "" };
            let name = name(monitor, *entity);
            format!("watch-beats {name} {} {interval} from {from}{every}", slot(*of))
        }
        Effect::UnwatchBeats { entity } => format!("unwatch-beats {}", name(monitor, *entity)),
        Effect::WatchMemory { entity: None } => "watch-memory of all".to_owned(),
        Effect::WatchMemory { entity: Some(entity) } => {
            format!("watch-memory {}", name(monitor, *entity))
        }
        Effect::Finish { last: Last::Way(Way::Exit(code)) } => format!("finish code={code}"),
        Effect::Finish { last } => format!("finish {last:?}"),
        Effect::SignalProcess { pid, start, signal, code, value, run: by } => {
            let to = format!("process {pid} of {start}");
            format!("signal {to} {signal} code={code} value={value} {}", run(*by))
        }
    }
}

/// What waits in a channel.
pub(crate) fn pulses(monitor: &mut Monitor, name: &str, begin: Mono) -> String {
    let pulses = monitor.waiting_pulses(name, 0);
    let mut out = format!("{:?}\n", monitor.channel(name));
    for pulse in pulses {
        let of = self::name(monitor, pulse.entity);
        let sent = pulse.sent.since(begin);
        let (serial, code, value) = (pulse.serial, pulse.code, pulse.value);
        out.push_str(&format!("  {serial}: code={code} value={value} of {of}, sent {sent}\n"));
    }
    out
}

fn wait(monitor: &Monitor, wait: Wait) -> String {
    match wait {
        Wait::Run(by) => run(by),
        Wait::Start(entity) => format!("start of {}", name(monitor, entity)),
        Wait::Ready(of) => format!("ready {}", slot(of)),
    }
}

/// One line of status: what a person would see change.
pub(crate) fn view(name: &str, view: &View) -> String {
    let pid = view.pid.map_or(String::new(), |pid| format!(" pid={pid}"));
    let restarts =
        if view.restarts > 0 { format!(" restarts={}", view.restarts) } else { String::new() };
    // One that runs without being ready, or is ready without running.
    let ready = match (view.state, view.ready) {
        ("running", false) => " not-ready",
        (state, true) if state != "running" => " ready",
        (_, _) => "",
    };
    let heart = view
        .heartbeat
        .filter(|heart| heart.level != Level::Healthy || heart.missed > 0 || heart.suspended);
    let heart = heart.map_or(String::new(), |heart| {
        let suspended = if heart.suspended { " suspended" } else { "" };
        format!(" heartbeat={:?} missed={}{suspended}", heart.level, heart.missed)
    });
    format!("= {name} {}{pid}{restarts}{ready}{heart} why={:?}", view.state, view.why)
}

/// All that there is to see of one entity, on a line for each kind of thing.
pub(crate) fn whole(name: &str, view: &View, said: &Said, begin: Mono) -> String {
    let time = |at: Option<Mono>| at.map_or("never".to_owned(), |at| at.since(begin).to_string());
    let times = [view.times.asked, view.times.begun, view.times.up].map(time);
    format!(
        "{}\n  desired {:?}, ready {}, since {}, next attempt {}, attempts {}\n  \
         asked {}, begun {}, up {}\n  last exit {:?}, abnormal {}\n  \
         status \"{}\", errno {}, beats {}\n",
        self::view(name, view),
        view.desired,
        view.ready,
        time(view.since),
        time(view.next_attempt),
        view.attempts,
        times[0],
        times[1],
        times[2],
        view.last_exit,
        view.abnormal,
        said.status,
        said.errno,
        said.beats,
    )
}
