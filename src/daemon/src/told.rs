//! What happened and why, as the interface tells it: entries of the history
//! and the reasons of the core, in words for programs. The words for people
//! are in `facts`.

use crate::facts::{FAILED_BY_EXIT, SEPARATOR, kind, line};
use ham_core::monitor::Why;
use ham_core::status::ExitStatus;
use ham_core::wire::{ExitReport, HistoryFact};
use ham_snapshot::history::Entry;

/// Whom an entry is about; `None`: the manager itself.
pub(crate) fn about(entry: &Entry) -> Option<&str> {
    match entry.kind {
        kind::MANAGER | kind::TROUBLE | kind::DETAIL => None,
        _ => Some(entry.text.split_once(SEPARATOR).map_or("?", |(name, _)| name)),
    }
}

/// An entry as `History` tells it.
pub(crate) fn fact(entry: &Entry) -> HistoryFact {
    let named = entry.text.split_once(SEPARATOR).map_or("", |(_, rest)| rest);
    let [a, b] = entry.details;
    let pid = i32::try_from(a).ok().filter(|pid| *pid > 0);
    let ended = |abnormal: bool| {
        let status = ExitStatus::from_word(b).unwrap_or(ExitStatus::Unknown);
        let by_signal = matches!(status, ExitStatus::Signal { signal, .. } if signal.is_abnormal());
        Some(exit_report(status, abnormal && by_signal))
    };
    let (condition, action) = match named.split_once('/') {
        Some((condition, action)) => (condition.to_owned(), Some(action.to_owned())),
        None => (named.to_owned(), None),
    };
    let mut told = HistoryFact {
        number: entry.number,
        time: seconds(entry.real),
        mono_ns: entry.mono,
        name: about(entry).unwrap_or_default().to_owned(),
        kind: word(entry.kind).to_owned(),
        text: line(entry).1,
        ..HistoryFact::default()
    };
    match entry.kind {
        kind::STARTED => (told.pid, told.again) = (pid, Some(b == 1)),
        kind::DIED => (told.pid, told.exit) = (pid, ended(true)),
        kind::STOPPED | kind::FINISHED => (told.pid, told.exit) = (pid, ended(false)),
        kind::MAIN_PROCESS | kind::ATTACHED | kind::NOT_ATTACHED | kind::DETACHED => {
            told.pid = pid;
        }
        kind::FIRED => told.condition = Some(condition),
        kind::ARMED | kind::DISARMED if !named.is_empty() => {
            (told.condition, told.action) = (Some(condition), action);
        }
        kind::ACTION_DONE | kind::ACTION_FAILED => {
            (told.condition, told.action) = (Some(condition), action);
            if entry.kind == kind::ACTION_FAILED && a == FAILED_BY_EXIT {
                told.exit = ended(true);
            }
        }
        _ => {}
    }
    told
}

fn word(kind: u32) -> &'static str {
    match kind {
        kind::MANAGER | kind::TROUBLE | kind::DETAIL => "manager",
        kind::LOG => "log",
        kind::STARTED => "started",
        kind::START_FAILED => "start-failed",
        kind::START_TIMEOUT => "start-timeout",
        kind::DIED => "died",
        kind::STOPPED => "stopped",
        kind::BACKOFF => "backoff",
        kind::LIMIT => "restart-limit",
        kind::STOPPING => "stopping",
        kind::KILLING => "killing",
        kind::LEFTOVERS => "leftovers",
        kind::ACTION_FAILED => "action-failed",
        kind::LIST_CANCELLED => "list-cancelled",
        kind::RECORD_LOST => "record-lost",
        kind::LIST_REFUSED => "list-refused",
        kind::FIRED => "fired",
        kind::ACTION_DONE => "action-done",
        kind::READY => "ready",
        kind::FINISHED => "finished",
        kind::DEPENDENCY => "dependency",
        kind::CONFLICT => "conflict",
        kind::MAIN_PROCESS => "main-process",
        kind::RELOADING => "reloading",
        kind::RELOADED => "reloaded",
        kind::ENDS_ITSELF => "ends-itself",
        kind::NOT_RESTARTED => "not-restarted",
        kind::PRE_START_FAILED => "pre-start-failed",
        kind::STATE => "state",
        kind::RAISED => "raised",
        kind::HEARTBEAT_MISSED => "heartbeat-missed",
        kind::HEARTBEAT_HEALTHY => "heartbeat-healthy",
        kind::HEARTBEAT_TOO_MANY => "heartbeat-too-many",
        kind::ARMED => "armed",
        kind::DISARMED => "disarmed",
        kind::OVERLAY_LOST => "changes-lost",
        kind::OVERLAY_CUT => "changes-cut",
        kind::LEAVES => "unit-removed",
        kind::MADE => "made",
        kind::REMOVED => "removed",
        kind::ATTACHED => "attached",
        kind::NOT_ATTACHED => "not-attached",
        kind::DETACHED => "detached",
        kind::PULSE_SENT => "pulse-sent",
        kind::OOM_KILLED => "oom-killed",
        kind::CHANNEL_REUSED => "channel-reused",
        kind::ENDS_MANAGER => "ends-manager",
        _ => "unknown",
    }
}

/// How a process ended, as the interface has it.
pub(crate) fn exit_report(status: ExitStatus, abnormal: bool) -> ExitReport {
    let (code, signal) = match status {
        ExitStatus::Code(code) => (Some(code), None),
        ExitStatus::Signal { signal, .. } => (None, Some(signal.to_string())),
        ExitStatus::Unknown => (None, None),
    };
    ExitReport { code, signal, abnormal, text: status.to_string() }
}

#[expect(clippy::cast_precision_loss, reason = "microseconds are enough for people")]
pub(crate) fn seconds(nanoseconds: u64) -> f64 {
    nanoseconds as f64 / 1e9
}

/// Why an entity is as it is, one word for programs.
pub(crate) fn cause(why: Why) -> &'static str {
    match why {
        Why::NeverStarted => "never-started",
        Why::Boot => "boot",
        Why::AskedStart => "asked-start",
        Why::Restarted(_) => "restarted",
        Why::Died(_) => "died",
        Why::AskedStop => "asked-stop",
        Why::Shutdown => "shutdown",
        Why::StartFailed(_) => "start-failed",
        Why::Finished(_) => "finished",
        Why::PreStartFailed => "pre-start-failed",
        Why::Dependency(_) => "dependency",
        Why::CameBack(_) => "dependency-back",
        Why::Wanted(_) => "wanted",
        Why::Conflict(_) => "conflict",
        Why::StartTimeout => "start-timeout",
        Why::Limit => "restart-limit",
        Why::RecordLost => "record-lost",
        Why::Attached => "attached",
        Why::Detached => "detached",
        Why::Changed => "changed",
        Why::Gone => "gone",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::{Weight, of_manager, of_notice};
    use ham_core::effect::{Fact, Failure, Notice};
    use ham_core::ids::EntityId;

    #[test]
    fn facts_are_told_with_what_belongs_to_them() {
        let entity = EntityId(1);
        let status = ExitStatus::Code(3);
        let of = |what| fact(&of_notice(&Notice { entity, fact: what }, "ham", "death/page (2)"));
        let fired = of(Fact::Fired { condition: 0 });
        assert_eq!((fired.kind.as_str(), fired.condition.as_deref()), ("fired", Some("death")));
        let done = of(Fact::ActionDone { condition: 0, action: 1, on_fail: 2 });
        assert_eq!((done.kind.as_str(), done.action.as_deref()), ("action-done", Some("page (2)")));
        assert_eq!(done.text, "action death/page (2) done");
        let why = Failure::Exit(status);
        let failed = of(Fact::ActionFailed { condition: 0, action: 1, on_fail: 2, why });
        assert_eq!(failed.exit.and_then(|exit| exit.code), Some(3));
        let died = of(Fact::Died { pid: 7, status });
        assert_eq!((died.pid, died.name.as_str(), died.condition), (Some(7), "ham", None));
        let manager = fact(&of_manager(Weight::Event, "shutting down"));
        assert_eq!((manager.name.as_str(), manager.kind.as_str()), ("", "manager"));
    }
}
