//! The description of the interface in `schema/` and the types that server
//! and clients use say the same: every method, error, field and type.

use ham_core::ids::EntityId;
use ham_core::plan::{EntityPlan, Overlay, Verb};
use ham_core::wire::{
    AddParameters, Added, ArmParameters, AttachHeartbeat, AttachParameters, AttachSelfParameters,
    ChangeKind, Channel, Channels, Chosen, Consequence, Decided, Definition, DetachParameters,
    Disarmed, EntityChange, EntityStatus, ExitReport, Failures, FlagsNow, FlagsParameters, Graph,
    GraphEntity, HeartbeatPage, HeartbeatPageParameters, HeartbeatParameters, HeartbeatStatus,
    Heartbeats, History, HistoryFact, HistoryParameters, KeyChange, KillParameters, ManagerStatus,
    Named, Names, OneName, Outcome, Outcomes, PathParameters, PlanStatus, ReceiveParameters,
    Received, ReceivedPulse, Refusal, ReloadParameters, Reloaded, RequestTag, RoleStatus, Shown,
    ShownAction, ShownCondition, ShownGone, ShownHeartbeat, ShownOnFail, ShownStates,
    ShutdownParameters, Status, Stops, Verbosity, VerbosityParameters, WatchdogStatus,
};
use ham_core::wire::{RaiseParameters, StateParameters};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};

const DESCRIPTION: &str = include_str!("../../../schema/io.ham.Manager.varlink");

/// Fields by name, with their type as it is written.
type Fields = BTreeMap<String, String>;

/// Types, parameters (`Show(`), results (`Show)`) and errors by name.
fn description() -> BTreeMap<String, Fields> {
    let lines = DESCRIPTION.lines().map(|line| line.split('#').next().unwrap());
    let text = lines.collect::<Vec<_>>().join(" ");
    let mut all = BTreeMap::new();
    let (interface, mut rest) = text.trim_start().split_once(char::is_whitespace).unwrap();
    assert_eq!(interface, "interface");
    rest = rest.trim_start().strip_prefix("io.ham.Manager").unwrap().trim_start();
    while !rest.is_empty() {
        let (word, after) = rest.split_once(' ').unwrap();
        let (name, after) = after.split_once('(').unwrap();
        let (fields, after) = after.split_once(')').unwrap();
        let name = name.trim();
        rest = after.trim_start();
        let name = if word == "method" {
            let result = rest.strip_prefix("->").unwrap().trim_start();
            let (result, after) = result.strip_prefix('(').unwrap().split_once(')').unwrap();
            rest = after.trim_start();
            assert!(all.insert(format!("{name})"), read_fields(result)).is_none());
            format!("{name}(")
        } else {
            assert!(word == "type" || word == "error", "{word}");
            name.to_owned()
        };
        assert!(all.insert(name.clone(), read_fields(fields)).is_none(), "{name} twice");
    }
    all
}

fn read_fields(text: &str) -> Fields {
    let mut fields = Fields::new();
    for field in text.split(',').filter(|field| !field.trim().is_empty()) {
        let (name, type_name) = field.split_once(':').unwrap();
        let old = fields.insert(name.trim().to_owned(), type_name.trim().to_owned());
        assert!(old.is_none(), "{name} twice");
    }
    fields
}

/// Compares a value with the fields that describe it. Options must be filled
/// in, so that their type can be seen.
fn compare(all: &BTreeMap<String, Fields>, name: &str, value: &Value, seen: &mut BTreeSet<String>) {
    seen.insert(name.to_owned());
    let fields = all.get(name).unwrap_or_else(|| panic!("{name} is not described"));
    let empty = Map::new();
    let object = value.as_object().unwrap_or(&empty);
    let described: BTreeSet<&String> = fields.keys().collect();
    assert_eq!(object.keys().collect::<BTreeSet<_>>(), described, "fields of {name}");
    for (field, type_name) in fields {
        let place = format!("{name}.{field}: {type_name}");
        let mut value = &object[field];
        let mut type_name = type_name.strip_prefix('?').unwrap_or(type_name);
        if let Some(element) = type_name.strip_prefix("[]") {
            value =
                value.as_array().and_then(|all| all.first()).unwrap_or_else(|| panic!("{place}"));
            type_name = element;
        }
        let agrees = match type_name {
            "string" => value.is_string(),
            "int" => value.is_i64() || value.is_u64(),
            "float" => value.is_f64(),
            "bool" => value.is_boolean(),
            "object" => value.is_object(),
            named => {
                compare(all, named, value, seen);
                true
            }
        };
        assert!(agrees, "{place} is {value}");
    }
}

/// Without its options a value must still be read, and a field that must be
/// there may not be missing.
fn compare_options<T>(all: &BTreeMap<String, Fields>, name: &str, sample: &T)
where
    T: Serialize + DeserializeOwned,
{
    let whole = serde_json::to_value(sample).unwrap();
    for (field, type_name) in &all[name] {
        let mut without = whole.clone();
        without.as_object_mut().unwrap().remove(field);
        let read = serde_json::from_value::<T>(without);
        assert_eq!(read.is_ok(), type_name.starts_with('?'), "{name} without {field}");
    }
}

fn entity() -> EntityStatus {
    let exit =
        ExitReport { code: Some(1), signal: Some("TERM".into()), abnormal: true, text: "x".into() };
    EntityStatus {
        pid: Some(1),
        since: Some(1.5),
        age_ns: Some(1),
        last_exit: Some(exit),
        next_attempt_ns: Some(1),
        errno: Some(1),
        reported: Some("x".into()),
        heartbeat: Some(HeartbeatStatus { age_ns: Some(1), ..HeartbeatStatus::default() }),
        waits_for: vec!["x".into()],
        ..EntityStatus::default()
    }
}

fn manager() -> ManagerStatus {
    let one = || vec![String::from("x")];
    ManagerStatus {
        version: "0.1.0".into(),
        reaper: RoleStatus { pid: 1 },
        monitor: RoleStatus { pid: 2 },
        guardian: RoleStatus { pid: 3 },
        takeovers: 1,
        last_takeover_us: Some(80),
        failures: Failures::default(),
        turns: 1,
        started_time: 1.5,
        spawn: "clone3".into(),
        containment: "cgroup".into(),
        stopping: false,
        heartbeats_suspended: false,
        plan: PlanStatus {
            generation: 1,
            directories: one(),
            errors: one(),
            refused: one(),
            outdated: true,
        },
        reaper_allocations: 0,
        orphans: 0,
        notifications_dropped: 0,
        watchdog: Some(WatchdogStatus {
            timeout_ns: Some(1),
            fed_ns: Some(1),
            check: Some("x".into()),
            ..WatchdogStatus::default()
        }),
    }
}

fn shown() -> Shown {
    let item = ShownOnFail { verb: "log".into(), name: Some("x".into()) };
    let action = ShownAction {
        name: "a".into(),
        verb: "log".into(),
        flags: vec!["rearm".into()],
        armed: true,
        on_fail: vec![item],
    };
    let condition = ShownCondition {
        name: "c".into(),
        on: "death".into(),
        of: Some("b".into()),
        flags: vec!["rearm".into()],
        armed: true,
        actions: vec![action],
        ..ShownCondition::default()
    };
    let beats =
        ShownHeartbeat { max: Some(1), max_within_ns: Some(1), ..ShownHeartbeat::default() };
    let gone = ShownGone { path: "a/c".into(), since: 1.5, restart: Some(1) };
    Shown {
        status: entity(),
        source: "x".into(),
        command: vec!["x".into()],
        user: Some("1:1".into()),
        conditions: vec![condition],
        running: vec!["x".into()],
        kind: "service".into(),
        ready_when: "exec".into(),
        requires: vec!["x".into()],
        wants: vec!["x".into()],
        after: vec!["x".into()],
        conflicts: vec!["x".into()],
        run_time: vec!["x".into()],
        attach_by: Some(1),
        heartbeat: Some(beats),
        states: vec![ShownStates { name: "x".into(), states: vec![1], not: false }],
        flags: vec!["keep-on-death".into()],
        disarmed: vec![disarmed()],
        gone: vec![gone],
    }
}

fn disarmed() -> Disarmed {
    Disarmed { path: "a/b".into(), left_ns: Some(1) }
}

fn definition() -> Definition {
    let one = || vec![String::from("x")];
    let plan = EntityPlan::new(EntityId(1), "a", one());
    Definition {
        plan: Box::new(plan),
        changes: Overlay::default(),
        requires: one(),
        wants: one(),
        after: one(),
        conflicts: one(),
        of: vec![Named { id: 2, name: "x".into() }],
    }
}

/// The methods that change something at run time, with their parameters.
fn changes() -> Vec<(&'static str, Value)> {
    let (path, one) = (|| String::from("a/b"), || vec![String::from("rearm")]);
    let request = || Some(RequestTag { client: "00000000000000ff".into(), serial: 1 });
    let arm = ArmParameters { path: path(), recursive: true, for_ns: Some(1), request: request() };
    let set = Some(one());
    let flags =
        FlagsParameters { path: path(), set, add: one(), remove: one(), request: request() };
    let item = Added::OnFail(Box::new(Verb::Log("x".into())));
    let add = AddParameters { path: path(), item, flags: one(), request: request() };
    let named = PathParameters { path: path(), request: request() };
    vec![
        ("Arm", serde_json::to_value(&arm).unwrap()),
        ("Disarm", serde_json::to_value(&arm).unwrap()),
        ("SetFlags", serde_json::to_value(flags).unwrap()),
        ("Add", serde_json::to_value(add).unwrap()),
        ("Remove", serde_json::to_value(named).unwrap()),
    ]
}

fn graph() -> Graph {
    let one = || vec![String::from("x")];
    let entity = GraphEntity {
        requires: one(),
        wants: one(),
        after: one(),
        conflicts: one(),
        waits_for: one(),
        asked_mono_ns: Some(1),
        gated_mono_ns: Some(1),
        start_when: Some("x".into()),
        begun_mono_ns: Some(2),
        up_mono_ns: Some(3),
        since_mono_ns: Some(4),
        ..GraphEntity::default()
    };
    Graph { started_mono_ns: 1, entities: vec![entity] }
}

fn outcomes() -> Outcomes {
    let outcome = Outcome { name: "a".into(), ok: true, text: "x".into(), state: "running".into() };
    Outcomes { outcomes: vec![outcome] }
}

fn history() -> History {
    let fact = HistoryFact {
        time: 1.5,
        pid: Some(1),
        exit: entity().last_exit,
        condition: Some("death".into()),
        action: Some("restart".into()),
        again: Some(true),
        ..HistoryFact::default()
    };
    History { facts: vec![fact], next: 1, lost: 0 }
}

fn history_asked() -> HistoryParameters {
    let names = vec!["a".into()];
    let (after, since, limit) = (Some(1), Some(1.5), Some(1));
    HistoryParameters { names, after, since, limit, follow: true }
}

fn reloaded() -> Reloaded {
    let key = KeyChange {
        key: "command".into(),
        old: Some("1".into()),
        new: Some("2".into()),
        when: Consequence::NextStart,
    };
    let change = EntityChange {
        name: "a".into(),
        source: "x".into(),
        what: ChangeKind::Changed,
        then: Consequence::NextStart,
        keys: vec![key],
    };
    let one = || vec![String::from("x")];
    Reloaded { applied: true, generation: 2, changes: vec![change], errors: one(), remarks: one() }
}

fn receive() -> ReceiveParameters {
    let (after, manager) = (Some(1), Some("00000000000000ff".into()));
    ReceiveParameters { channel: "a".into(), after, manager, at_once: true }
}

fn received() -> Received {
    let pulses = vec![ReceivedPulse { time: 1.5, ..ReceivedPulse::default() }];
    Received { pulses, lost: 0, manager: "00000000000000ff".into() }
}

#[test]
fn every_field_is_described_and_every_described_field_exists() {
    let all = description();
    let mut seen = BTreeSet::new();
    let mut check = |name: &str, value: Value| compare(&all, name, &value, &mut seen);
    let tag = || Some(RequestTag { client: "00000000000000ff".into(), serial: 1 });
    let names = |request| {
        serde_json::to_value(Names { names: vec!["a".into()], wait: true, request }).unwrap()
    };
    let status = Status { ham: manager(), entities: vec![entity()], disarmed: vec![disarmed()] };
    check("Status(", names(None));
    check("Status)", serde_json::to_value(status).unwrap());
    check("Show(", serde_json::to_value(OneName { name: "a".into() }).unwrap());
    check("Show)", serde_json::to_value(shown()).unwrap());
    let chosen = || serde_json::to_value(Chosen { names: vec!["a".into()] }).unwrap();
    check("Graph(", chosen());
    check("Graph)", serde_json::to_value(graph()).unwrap());
    check("StopPlan(", chosen());
    check("StopPlan)", serde_json::to_value(Stops { stops: vec!["a".into()] }).unwrap());
    for method in ["Start", "Stop", "Restart", "Reload"] {
        check(&format!("{method}("), names(tag()));
        check(&format!("{method})"), serde_json::to_value(outcomes()).unwrap());
    }
    let kill = KillParameters { names: vec!["a".into()], signal: 15, request: tag() };
    check("Kill(", serde_json::to_value(kill).unwrap());
    check("Kill)", serde_json::to_value(outcomes()).unwrap());
    for (method, asked) in changes() {
        check(&format!("{method}("), asked);
        check(&format!("{method})"), serde_json::to_value(Decided { changed: true }).unwrap());
    }
    let beats = HeartbeatParameters { name: Some("a".into()), to: "query".into(), request: tag() };
    check("Heartbeat(", serde_json::to_value(beats).unwrap());
    check("Heartbeat)", serde_json::to_value(Heartbeats { before: "active".into() }).unwrap());
    let page = HeartbeatPageParameters { name: Some("a".into()) };
    check("HeartbeatPage(", serde_json::to_value(page).unwrap());
    check("HeartbeatPage)", serde_json::to_value(HeartbeatPage::default()).unwrap());
    let named = PathParameters { path: "a".into(), request: tag() };
    check("Flags(", serde_json::to_value(named).unwrap());
    check("Flags)", serde_json::to_value(FlagsNow { flags: vec!["rearm".into()] }).unwrap());
    check("Definition(", serde_json::to_value(OneName { name: "a".into() }).unwrap());
    check("Definition)", serde_json::to_value(definition()).unwrap());
    let down = ShutdownParameters { code: 0, into: Some("halt".into()), request: tag() };
    check("Shutdown(", serde_json::to_value(down).unwrap());
    check("Shutdown)", Value::Object(Map::new()));
    check("History(", serde_json::to_value(history_asked()).unwrap());
    check("History)", serde_json::to_value(history()).unwrap());
    let set = VerbosityParameters { set: Some(1) };
    check("Verbosity(", serde_json::to_value(set).unwrap());
    check("Verbosity)", serde_json::to_value(Verbosity { verbosity: 1 }).unwrap());
    for (method, parameters) in directives() {
        check(&format!("{method}("), parameters);
        check(&format!("{method})"), serde_json::to_value(Decided { changed: true }).unwrap());
    }
    let reload = ReloadParameters { names: vec!["a".into()], prune: true };
    for method in ["Plan", "Apply"] {
        check(&format!("{method}("), serde_json::to_value(&reload).unwrap());
        check(&format!("{method})"), serde_json::to_value(reloaded()).unwrap());
    }
    check("Pulses(", Value::Object(Map::new()));
    check(
        "Pulses)",
        serde_json::to_value(Channels { channels: vec![Channel::default()] }).unwrap(),
    );
    check("ReceivePulses(", serde_json::to_value(receive()).unwrap());
    check("ReceivePulses)", serde_json::to_value(received()).unwrap());
    for refusal in [
        Refusal::UnknownEntity { name: "a".into(), nearest: Some("b".into()) },
        Refusal::PermissionDenied { method: "Stop".into(), uid: 1 },
        Refusal::BadParameter { parameter: "signal".into(), why: "x".into() },
        Refusal::ShuttingDown { method: "Start".into() },
        Refusal::Busy { why: "x".into() },
        Refusal::SerialUsed {},
        Refusal::NotChanged { what: "x".into(), why: "x".into() },
        Refusal::NotPossible { reason: "gone".into(), why: "x".into() },
    ] {
        let answer = ham_core::wire::Answer::refusal(&refusal);
        let error = answer.error.unwrap();
        check(error.strip_prefix("io.ham.Manager.").unwrap(), answer.parameters);
    }
    let described: BTreeSet<String> = all.keys().cloned().collect();
    assert_eq!(seen, described, "described, but not a part of the interface");
}

/// What is said of entities, or done with them, each with one verdict.
fn directives() -> Vec<(&'static str, Value)> {
    let request = || Some(RequestTag { client: "00000000000000ff".into(), serial: 1 });
    let name = || Some("a".to_owned());
    let value = |parameters: serde_json::Result<Value>| parameters.unwrap();
    let state = StateParameters { name: name(), state: "1".into(), request: request() };
    let raise =
        RaiseParameters { name: name(), kind: 1, class: 2, severity: 3, request: request() };
    let heartbeat = Some(AttachHeartbeat { interval_ns: 1, low: 2, high: 3 });
    let attach = AttachParameters {
        name: "a".into(),
        pid: 7,
        keep_on_death: true,
        heartbeat,
        request: request(),
    };
    let attach_self =
        AttachSelfParameters { name: name(), keep_on_death: true, heartbeat, request: request() };
    let detach = DetachParameters { name: name(), request: request() };
    vec![
        ("State", value(serde_json::to_value(state))),
        ("Raise", value(serde_json::to_value(raise))),
        ("Attach", value(serde_json::to_value(attach))),
        ("AttachSelf", value(serde_json::to_value(attach_self))),
        ("Detach", value(serde_json::to_value(detach))),
    ]
}

#[test]
fn what_may_be_missing_is_marked() {
    let all = description();
    compare_options(&all, "EntityStatus", &entity());
    compare_options(&all, "ManagerStatus", &manager());
    compare_options(&all, "PlanStatus", &manager().plan);
    compare_options(&all, "RoleStatus", &RoleStatus { pid: 1 });
    compare_options(&all, "Show)", &shown());
    compare_options(&all, "Graph(", &Chosen { names: vec!["a".into()] });
    compare_options(&all, "Graph)", &graph());
    compare_options(&all, "GraphEntity", &graph().entities[0]);
    compare_options(&all, "Plan(", &ReloadParameters { names: vec!["a".into()], prune: true });
    compare_options(&all, "Apply)", &reloaded());
    compare_options(&all, "EntityChange", &reloaded().changes[0]);
    compare_options(&all, "KeyChange", &reloaded().changes[0].keys[0]);
    compare_options(&all, "StopPlan)", &Stops { stops: vec!["a".into()] });
    compare_options(&all, "ShownCondition", &shown().conditions[0]);
    compare_options(&all, "ShownAction", &shown().conditions[0].actions[0]);
    compare_options(&all, "ShownOnFail", &shown().conditions[0].actions[0].on_fail[0]);
    compare_options(&all, "ShownGone", &shown().gone[0]);
    compare_options(&all, "ShownHeartbeat", &shown().heartbeat.unwrap());
    compare_options(&all, "Outcome", &outcomes().outcomes[0]);
    compare_options(&all, "ExitReport", &entity().last_exit.unwrap());
    compare_options(&all, "History(", &history_asked());
    compare_options(&all, "History)", &history());
    compare_options(&all, "HistoryFact", &history().facts[0]);
    compare_options(&all, "Verbosity(", &VerbosityParameters { set: Some(1) });
    compare_options(&all, "Verbosity)", &Verbosity { verbosity: 1 });
    compare_options(&all, "ReceivePulses(", &receive());
    compare_options(&all, "ReceivePulses)", &received());
    compare_options(&all, "ReceivedPulse", &received().pulses[0]);
    compare_options(&all, "Channel", &Channel::default());
    let request = Some(RequestTag { client: "00000000000000ff".into(), serial: 1 });
    compare_options(&all, "RequestTag", request.as_ref().unwrap());
    let names = Names { names: vec!["a".into()], wait: true, request: request.clone() };
    compare_options(&all, "Status(", &names);
    let kill = KillParameters { names: vec!["a".into()], signal: 15, request: request.clone() };
    compare_options(&all, "Kill(", &kill);
    compare_options(&all, "Shutdown(", &ShutdownParameters { code: 0, into: None, request });
}
