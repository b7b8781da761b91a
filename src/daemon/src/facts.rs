//! Facts in the history: how the core's notices become numbers that survive
//! the monitor, and how those become a line that a person reads.

use ham_core::effect::{Fact, Failure, Notice};
use ham_core::monitor::{ERROR_NO_PLAN, ERROR_NO_SLOT};
use ham_core::signal::Signal;
use ham_core::status::ExitStatus;
use ham_core::time::Span;
use ham_snapshot::history::Entry;
use ham_sys::spawn::{SpawnError, Stage};

/// Between the name and the text of an entry.
pub(crate) const SEPARATOR: char = '\u{1f}';

/// Error words of the daemon's own, beside those of `ham_sys::spawn::Stage`
/// and the core: what can go wrong before a clone is tried.
pub(crate) const ERROR_ENVIRONMENT_FILE: u64 = 200 << 32;
/// A text of the unit holds a NUL byte.
pub(crate) const ERROR_NUL: u64 = 201 << 32;
/// The state could not grow.
pub(crate) const ERROR_STATE_FULL: u64 = 202 << 32;
/// The journal does not take its output.
pub(crate) const ERROR_JOURNAL: u64 = 203 << 32;
/// Its output could not be led through ham.
pub(crate) const ERROR_OUTPUT: u64 = 204 << 32;
/// A directory of the entity's own could not be made: one word for each of
/// runtime, state, cache, logs, so far apart.
pub(crate) const ERROR_DIRECTORY: u64 = 210 << 32;
pub(crate) const ERROR_DIRECTORY_STEP: u64 = 1 << 32;
const DIRECTORIES: [&str; 4] = ["runtime", "state", "cache", "logs"];

/// What an error word says, after "could not start: ".
pub(crate) fn spawn_error(word: u64) -> String {
    let errno = || ham_sys::Errno(i32::try_from(word & 0xffff_ffff).unwrap_or(0));
    if word == ERROR_NO_SLOT {
        return "all slots are in use".to_owned();
    }
    if word == ERROR_NO_PLAN {
        return "its definition in the plan cannot be read".to_owned();
    }
    let step = word.checked_sub(ERROR_DIRECTORY).map(|more| more / ERROR_DIRECTORY_STEP);
    let place = step.and_then(|step| DIRECTORIES.get(usize::try_from(step).ok()?));
    if let Some(place) = place {
        let hint = match errno() {
            ham_sys::Errno::ENOTDIR => "; a link is not followed",
            ham_sys::Errno::EBUSY => "; it is ham's own, or around it",
            _ => "",
        };
        return format!("could not make its {place} directory: {}{hint}", errno());
    }
    match word & !0xffff_ffff {
        ERROR_ENVIRONMENT_FILE => format!("could not read its environment file: {}", errno()),
        ERROR_NUL => "a text of the unit holds a NUL byte".to_owned(),
        ERROR_STATE_FULL => format!("the state could not grow: {}", errno()),
        ERROR_JOURNAL => format!("could not reach the journal: {}", errno()),
        ERROR_OUTPUT => format!("could not lead its output through ham: {}", errno()),
        _ => match SpawnError::from_word(word) {
            Some(error) => not_spawned(error),
            None => "the start was cut short".to_owned(),
        },
    }
}

/// A failed step of a spawn: the name of the limit or capability, where it
/// was about one, and the reason.
pub(crate) fn not_spawned(error: SpawnError) -> String {
    let name = error.part.map(u32::from).and_then(|part| match error.stage {
        Stage::Rlimits => ham_unit::limit_name(part),
        Stage::Capabilities => ham_unit::capability_name(part),
        _ => None,
    });
    match name {
        Some(name) => format!("could not {} ({name}): {}", error.stage.words(), error.errno),
        None => error.to_string(),
    }
}

/// Kinds of entries. The numbers stand in shared memory: they are never given
/// a new meaning.
pub(crate) mod kind {
    pub(crate) const MANAGER: u32 = 1;
    pub(crate) const LOG: u32 = 2;
    pub(crate) const STARTED: u32 = 3;
    pub(crate) const START_FAILED: u32 = 4;
    pub(crate) const START_TIMEOUT: u32 = 5;
    pub(crate) const DIED: u32 = 6;
    pub(crate) const STOPPED: u32 = 7;
    pub(crate) const BACKOFF: u32 = 8;
    pub(crate) const LIMIT: u32 = 9;
    pub(crate) const STOPPING: u32 = 10;
    pub(crate) const KILLING: u32 = 11;
    pub(crate) const LEFTOVERS: u32 = 12;
    pub(crate) const ACTION_FAILED: u32 = 13;
    pub(crate) const LIST_CANCELLED: u32 = 14;
    pub(crate) const RECORD_LOST: u32 = 15;
    pub(crate) const LIST_REFUSED: u32 = 16;
    pub(crate) const TROUBLE: u32 = 17;
    pub(crate) const DETAIL: u32 = 18;
    pub(crate) const FIRED: u32 = 19;
    pub(crate) const ACTION_DONE: u32 = 20;
    pub(crate) const READY: u32 = 21;
    pub(crate) const FINISHED: u32 = 22;
    pub(crate) const DEPENDENCY: u32 = 23;
    pub(crate) const CONFLICT: u32 = 24;
    pub(crate) const MAIN_PROCESS: u32 = 25;
    pub(crate) const RELOADING: u32 = 26;
    pub(crate) const RELOADED: u32 = 27;
    pub(crate) const ENDS_ITSELF: u32 = 28;
    pub(crate) const NOT_RESTARTED: u32 = 29;
    pub(crate) const PRE_START_FAILED: u32 = 30;
    pub(crate) const STATE: u32 = 31;
    pub(crate) const RAISED: u32 = 32;
    pub(crate) const HEARTBEAT_MISSED: u32 = 40;
    pub(crate) const HEARTBEAT_HEALTHY: u32 = 41;
    pub(crate) const HEARTBEAT_TOO_MANY: u32 = 42;
    pub(crate) const ARMED: u32 = 50;
    pub(crate) const DISARMED: u32 = 51;
    pub(crate) const OVERLAY_LOST: u32 = 52;
    pub(crate) const MADE: u32 = 53;
    pub(crate) const REMOVED: u32 = 54;
    pub(crate) const OVERLAY_CUT: u32 = 55;
    pub(crate) const LEAVES: u32 = 56;
    pub(crate) const ATTACHED: u32 = 43;
    pub(crate) const NOT_ATTACHED: u32 = 44;
    pub(crate) const DETACHED: u32 = 45;
    pub(crate) const PULSE_SENT: u32 = 60;
    pub(crate) const OOM_KILLED: u32 = 61;
    pub(crate) const CHANNEL_REUSED: u32 = 62;
    pub(crate) const ENDS_MANAGER: u32 = 90;
}

/// How much a line matters: shown from that verbosity on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Weight {
    /// Something is wrong, or somebody asked for the line.
    Always,
    /// What happens.
    Event,
    /// How it is done.
    Detail,
}

/// A line about the manager itself.
pub(crate) fn of_manager(weight: Weight, text: &str) -> Entry {
    let kind = match weight {
        Weight::Always => kind::TROUBLE,
        Weight::Event => kind::MANAGER,
        Weight::Detail => kind::DETAIL,
    };
    Entry { kind, text: format!("ham{SEPARATOR}{text}"), ..Entry::default() }
}

/// Something is wrong with an entity.
pub(crate) fn of_trouble(entity: &str, text: &str) -> Entry {
    Entry { kind: kind::TROUBLE, text: format!("{entity}{SEPARATOR}{text}"), ..Entry::default() }
}

/// The line of a `log` action.
pub(crate) fn of_log(entity: &str, text: &str) -> Entry {
    Entry { kind: kind::LOG, text: format!("{entity}{SEPARATOR}{text}"), ..Entry::default() }
}

/// A notice of the core about the entity of that name. `action` names
/// condition and action where the fact has some.
pub(crate) fn of_notice(notice: &Notice, entity: &str, action: &str) -> Entry {
    let pid = |pid: i32| u64::try_from(pid).unwrap_or(0);
    let (kind, details) = match notice.fact {
        Fact::Started { pid: id, again } => (kind::STARTED, [pid(id), u64::from(again)]),
        Fact::StartFailed { error } => (kind::START_FAILED, [error, 0]),
        Fact::StartTimeout => (kind::START_TIMEOUT, [0, 0]),
        Fact::Died { pid: id, status } => (kind::DIED, [pid(id), status.to_word()]),
        Fact::Stopped { pid: id, status } => (kind::STOPPED, [pid(id), status.to_word()]),
        Fact::Backoff { delay, attempt } => (kind::BACKOFF, [delay.0, u64::from(attempt)]),
        Fact::LimitReached => (kind::LIMIT, [0, 0]),
        Fact::Stopping { signal } => (kind::STOPPING, [u64::from(signal.0), 0]),
        Fact::Killing => (kind::KILLING, [0, 0]),
        Fact::Leftovers { count } => (kind::LEFTOVERS, [u64::from(count), 0]),
        Fact::ActionFailed { why, .. } => (kind::ACTION_FAILED, failure_words(why)),
        Fact::ListCancelled => (kind::LIST_CANCELLED, [0, 0]),
        Fact::RecordLost => (kind::RECORD_LOST, [0, 0]),
        Fact::ListRefused => (kind::LIST_REFUSED, [0, 0]),
        Fact::Fired { condition } => (kind::FIRED, [u64::from(condition), 0]),
        Fact::ActionDone { condition, action, on_fail } => {
            let place = u64::from(action) | u64::from(on_fail) << 16;
            (kind::ACTION_DONE, [u64::from(condition), place])
        }
        Fact::Ready => (kind::READY, [0, 0]),
        Fact::Finished { pid: id, status } => (kind::FINISHED, [pid(id), status.to_word()]),
        Fact::Dependency { on, stops } => (kind::DEPENDENCY, [u64::from(on.0), u64::from(stops)]),
        Fact::Conflict { with } => (kind::CONFLICT, [u64::from(with.0), 0]),
        Fact::MainProcess { pid: id } => (kind::MAIN_PROCESS, [pid(id), 0]),
        Fact::Reloading => (kind::RELOADING, [0, 0]),
        Fact::Reloaded => (kind::RELOADED, [0, 0]),
        Fact::EndsItself => (kind::ENDS_ITSELF, [0, 0]),
        Fact::NotRestarted { status } => (kind::NOT_RESTARTED, [0, status.to_word()]),
        Fact::PreStartFailed => (kind::PRE_START_FAILED, [0, 0]),
        Fact::Attached { pid: id } => (kind::ATTACHED, [pid(id), 0]),
        Fact::NotAttached { pid: id } => (kind::NOT_ATTACHED, [pid(id), 0]),
        Fact::Detached { pid: id } => (kind::DETACHED, [pid(id), 0]),
        Fact::State { from, to } => (kind::STATE, [u64::from(from), u64::from(to)]),
        Fact::Raised { kind, class, severity } => {
            (kind::RAISED, [u64::from(kind) | u64::from(class) << 32, u64::from(severity)])
        }
        Fact::HeartbeatMissed { missed, high } => {
            (kind::HEARTBEAT_MISSED, [u64::from(missed), u64::from(high)])
        }
        Fact::HeartbeatHealthy => (kind::HEARTBEAT_HEALTHY, [0, 0]),
        Fact::HeartbeatTooMany { count } => (kind::HEARTBEAT_TOO_MANY, [u64::from(count), 0]),
        Fact::Armed { .. } => (kind::ARMED, [0, 0]),
        Fact::Disarmed { .. } => (kind::DISARMED, [0, 0]),
        Fact::OverlayLost => (kind::OVERLAY_LOST, [0, 0]),
        Fact::OverlayCut => (kind::OVERLAY_CUT, [0, 0]),
        Fact::Leaves => (kind::LEAVES, [0, 0]),
        Fact::Made => (kind::MADE, [0, 0]),
        Fact::Removed => (kind::REMOVED, [0, 0]),
        Fact::OomKilled { kills } => (kind::OOM_KILLED, [u64::from(kills), 0]),
        Fact::PulseSent { serial, .. } => (kind::PULSE_SENT, [serial, 0]),
        Fact::ChannelReused { .. } => (kind::CHANNEL_REUSED, [0, 0]),
        Fact::EndsManager { code, main } => {
            (kind::ENDS_MANAGER, [u64::from(code), u64::from(main)])
        }
    };
    Entry { kind, details, text: format!("{entity}{SEPARATOR}{action}"), ..Entry::default() }
}

/// The reason of an action whose command has failed.
pub(crate) const FAILED_BY_EXIT: u64 = 2;

fn failure_words(why: Failure) -> [u64; 2] {
    match why {
        Failure::Spawn(error) => [1, error],
        Failure::Exit(status) => [FAILED_BY_EXIT, status.to_word()],
        Failure::Timeout => [3, 0],
        Failure::NoProcess => [4, 0],
        Failure::NoEntity => [5, 0],
        Failure::Limit => [6, 0],
        Failure::Full => [7, 0],
        Failure::Refused => [8, 0],
        Failure::Dependency => [9, 0],
        Failure::Conflict => [10, 0],
        Failure::ChannelFull => [20, 0],
        Failure::NoInit => [21, 0],
        Failure::TooLong => [22, 0],
    }
}

/// Why an action failed, for people.
pub(crate) fn failure_text(why: Failure) -> String {
    failure(failure_words(why))
}

fn failure(words: [u64; 2]) -> String {
    match words {
        [1, error] => format!("could not start: {}", spawn_error(error)),
        [FAILED_BY_EXIT, status] => status_text(status),
        [3, _] => "took too long".to_owned(),
        [4, _] => "it has no process".to_owned(),
        [5, _] => "no such entity".to_owned(),
        [6, _] => "the restart limit is reached".to_owned(),
        [7, _] => "too many of its commands run".to_owned(),
        [9, _] => "one that it requires is not up".to_owned(),
        [10, _] => "two that would have to be up with it conflict".to_owned(),
        [20, _] => "its channel is full, since nobody receives from it".to_owned(),
        [21, _] => "ham is not the init of this machine".to_owned(),
        [22, _] => "its command is too long".to_owned(),
        _ => "refused".to_owned(),
    }
}

fn status_text(word: u64) -> String {
    ExitStatus::from_word(word).unwrap_or(ExitStatus::Unknown).to_string()
}

/// An entry as people read it: whom it is about, what happened, and how much
/// it matters.
pub(crate) fn line(entry: &Entry) -> (String, String, Weight) {
    let (name, text) = entry.text.split_once(SEPARATOR).unwrap_or(("?", &entry.text));
    let [a, b] = entry.details;
    let mut weight = Weight::Event;
    let what = match entry.kind {
        kind::MANAGER => text.to_owned(),
        kind::DETAIL => {
            weight = Weight::Detail;
            text.to_owned()
        }
        kind::LOG | kind::TROUBLE => {
            weight = Weight::Always;
            text.to_owned()
        }
        kind::STARTED if b == 1 => format!("restarted, pid {a}"),
        kind::STARTED => format!("started, pid {a}"),
        kind::START_FAILED => {
            weight = Weight::Always;
            format!("could not start: {}", spawn_error(a))
        }
        kind::START_TIMEOUT => {
            weight = Weight::Always;
            "did not start within start-timeout".to_owned()
        }
        kind::DIED => format!("died: {} (pid {a})", status_text(b)),
        kind::STOPPED => format!("stopped: {} (pid {a})", status_text(b)),
        kind::BACKOFF => format!("next start in {} (attempt {b})", Span(a)),
        kind::LIMIT => {
            weight = Weight::Always;
            "restart limit reached, given up".to_owned()
        }
        kind::STOPPING => {
            format!("stopping, signal {}", Signal(u8::try_from(a).unwrap_or(0)))
        }
        kind::KILLING => "did not stop in time; killed".to_owned(),
        kind::LEFTOVERS => {
            weight = Weight::Always;
            format!("{a} of its processes could not be ended")
        }
        kind::ACTION_FAILED => {
            weight = Weight::Always;
            format!("action {text} failed: {}", failure([a, b]))
        }
        kind::LIST_CANCELLED => "an action list ends early, since it is to be stopped".to_owned(),
        kind::RECORD_LOST => {
            weight = Weight::Always;
            "its record could not be read; supervised anew".to_owned()
        }
        kind::LIST_REFUSED => {
            weight = Weight::Always;
            "too many action lists are in progress; one was not begun".to_owned()
        }
        kind::FIRED => {
            weight = Weight::Detail;
            format!("condition {text} fired")
        }
        kind::ACTION_DONE => {
            weight = Weight::Detail;
            format!("action {text} done")
        }
        kind::READY => {
            weight = Weight::Detail;
            "ready".to_owned()
        }
        kind::FINISHED => format!("finished: {} (pid {a})", status_text(b)),
        kind::DEPENDENCY => {
            weight = Weight::Always;
            let what = if b == 1 { "stopped" } else { "not started" };
            format!("{what}: {text}")
        }
        kind::CONFLICT => format!("stopped, since {text} starts"),
        kind::MAIN_PROCESS => format!("its main process is {a} now"),
        kind::ATTACHED => format!("attached, pid {a}"),
        kind::NOT_ATTACHED => format!("not attached: process {a} has ended"),
        kind::DETACHED => format!("detached: process {a} goes on by itself"),
        kind::RELOADING => "reads its configuration again".to_owned(),
        kind::RELOADED => "has read its configuration again".to_owned(),
        kind::ENDS_ITSELF => "is about to end by itself".to_owned(),
        kind::NOT_RESTARTED => format!("not restarted after {}", status_text(b)),
        kind::PRE_START_FAILED => {
            weight = Weight::Always;
            "not started: its pre-start list failed".to_owned()
        }
        // By name, where the unit gives them names.
        kind::STATE if !text.is_empty() => format!("state {text}"),
        kind::STATE => format!("state {b}, before {a}"),
        kind::RAISED => {
            format!("event of type {}, class {}, severity {b}", a & 0xffff_ffff, a >> 32)
        }
        // Whether or not anybody has a condition on it.
        kind::HEARTBEAT_MISSED if b == 1 => {
            weight = Weight::Always;
            format!("heartbeat missed {}: high", times_in_a_row(a))
        }
        kind::HEARTBEAT_MISSED => format!("heartbeat missed {}: low", times_in_a_row(a)),
        kind::HEARTBEAT_HEALTHY => "heartbeat is healthy again".to_owned(),
        kind::HEARTBEAT_TOO_MANY => format!("too many heartbeats: {a}"),
        kind::ARMED if text.is_empty() => "armed".to_owned(),
        kind::ARMED => format!("{text} is armed"),
        kind::DISARMED if text.is_empty() => {
            "disarmed: nothing that happens to it counts".to_owned()
        }
        kind::DISARMED => format!("{text} is disarmed"),
        kind::OVERLAY_LOST => {
            weight = Weight::Always;
            "what was changed of it at run time could not be read; it goes on without".to_owned()
        }
        kind::OVERLAY_CUT => {
            weight = Weight::Always;
            "some of what was changed of it at run time means nothing in its unit any more"
                .to_owned()
        }
        kind::LEAVES => "its unit was removed".to_owned(),
        kind::MADE => "made at run time".to_owned(),
        kind::REMOVED => "removed: it was made at run time, and is over".to_owned(),
        kind::OOM_KILLED => {
            weight = Weight::Always;
            format!("memory was short: the kernel has killed {a} of its processes so far")
        }
        kind::PULSE_SENT => {
            weight = Weight::Detail;
            format!("pulse {a} of channel {text} sent")
        }
        kind::CHANNEL_REUSED => {
            format!("too many channels of pulses: {text}, not used for long, has made way")
        }
        kind::ENDS_MANAGER if b == 1 => format!("has ended, and so does ham, with exit code {a}"),
        kind::ENDS_MANAGER => {
            format!("has ended as all others have, and so does ham, with exit code {a}")
        }
        other => format!("fact {other} of another version"),
    };
    (name.to_owned(), what, weight)
}

/// So often, in words.
fn times_in_a_row(count: u64) -> String {
    if count == 1 { "once".to_owned() } else { format!("{count} times in a row") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ham_core::ids::EntityId;

    #[test]
    fn one_miss_is_not_times() {
        assert_eq!(times_in_a_row(1), "once");
        assert_eq!(times_in_a_row(2), "2 times in a row");
    }

    #[test]
    fn facts_survive_as_numbers() {
        let entity = EntityId(1);
        let status = ExitStatus::Signal { signal: Signal(11), core: true };
        let why = Failure::Spawn(13 << 32 | 2);
        let cases = [
            (Fact::Died { pid: 7, status }, "died: signal SEGV (core) (pid 7)"),
            (
                Fact::Backoff { delay: Span::millis(200), attempt: 2 },
                "next start in 200ms (attempt 2)",
            ),
            (
                Fact::ActionFailed { condition: 0, action: 1, on_fail: 0, why },
                "action death/page failed: could not start: could not execute: \
                 No such file or directory (ENOENT)",
            ),
        ];
        for (fact, expected) in cases {
            let entry = of_notice(&Notice { entity, fact }, "audio", "death/page");
            let (name, text, _) = line(&entry);
            assert_eq!((name.as_str(), text.as_str()), ("audio", expected));
        }
    }
}
