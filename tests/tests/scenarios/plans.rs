//! The notation of plans in scenario files. What is not given has the defaults
//! of unit files.

use crate::notation::{Line, limit, signal, span, states};
use ham_core::ids::EntityId;
use ham_core::plan::{
    ActionPlan, Class, ConditionKind, ConditionPlan, DirectoryPlace, DirectoryPlan, Ending, Ends,
    EntityPlan, ExecutePlan, HeartbeatPlan, KeepDirectory, KillScope, Kind, OnChange,
    OnDependencyRestart, Only, PulsePlan, Readiness, RestartPlan, SendTo, SignalPlan, SignalTarget,
    Spacing, StartMode, StopPlan, Verb, WaitPlan,
};
use ham_core::time::Span;
use ham_tests::fake::{Edge, link, plain, watch};

/// What entities say of each other, by name: the other may stand below.
type Said = Vec<(EntityId, Edge, String)>;

/// A whole plan: entities by indentation 0, conditions and the lists of an
/// entity's own life 2, actions 4, items of on-fail lists 6.
pub(crate) fn plan(text: &str) -> Vec<EntityPlan> {
    let mut entities: Vec<EntityPlan> = Vec::new();
    let mut said = Said::new();
    // Whose conditions are about others.
    let mut about: Vec<(EntityId, usize, String)> = Vec::new();
    // The list that actions belong to, when it is not a condition's.
    let mut own: Option<String> = None;
    for (number, text) in text.lines().enumerate() {
        let depth = text.len() - text.trim_start().len();
        let mut line = Line::new(text);
        let first = line.word();
        if depth == 0 {
            assert_eq!(first, "entity", "line {} of the plan: {text}", number + 1);
            let id = EntityId(u32::try_from(entities.len()).expect("few entities"));
            entities.push(entity_plan(id, line, &mut said));
            own = None;
            continue;
        }
        let entity = entities.last_mut().expect("an entity before what it has");
        match (depth, first.as_str()) {
            (2, "on") => {
                if let Some(other) = line.pair("of") {
                    about.push((entity.id, entity.conditions.len(), other));
                }
                entity.conditions.push(condition_plan(line));
                own = None;
            }
            (2, "pre-start" | "reload" | "post-stop") => {
                line.end();
                own = Some(first);
            }
            (2, "stop") => {
                let Verb::Execute(command) = verb("execute", &mut line) else { continue };
                entity.stop.command = Some(command);
            }
            (4, verb) => {
                let actions = list(entity, own.as_deref());
                let action = action_plan(verb, line, actions.len());
                actions.push(action);
            }
            (6, "on-fail") => {
                let action = list(entity, own.as_deref()).last_mut();
                let word = line.word();
                let verb = self::verb(&word, &mut line);
                action.expect("an action before its on-fail list").on_fail.push(verb);
            }
            _ => panic!("line {} of the plan: {text}", number + 1),
        }
    }
    for (from, edge, name) in said {
        let to = named(&entities, &name);
        link(&mut entities, from, edge, to);
    }
    for (from, place, name) in about {
        let of = named(&entities, &name);
        watch(&mut entities, from, place, of);
    }
    entities
}

fn named(entities: &[EntityPlan], name: &str) -> EntityId {
    let other = entities.iter().find(|entity| entity.name == name);
    other.unwrap_or_else(|| panic!("no entity is called {name}")).id
}

fn list<'a>(entity: &'a mut EntityPlan, own: Option<&str>) -> &'a mut Vec<ActionPlan> {
    match own {
        Some("pre-start") => &mut entity.pre_start,
        Some("reload") => &mut entity.reload,
        Some(_) => &mut entity.post_stop,
        None => &mut entity.conditions.last_mut().expect("a condition before its actions").actions,
    }
}

fn entity_plan(id: EntityId, mut line: Line, said: &mut Said) -> EntityPlan {
    let name = line.word();
    for (edge, word) in Edge::ALL {
        let names = line.pair(word).unwrap_or_default();
        let others = names.split(',').filter(|name| !name.is_empty());
        said.extend(others.map(|other| (id, edge, other.to_owned())));
    }
    let plain = plain(id, name.clone(), &format!("/bin/{name}"));
    let kind = kind(&mut line);
    let entity = EntityPlan {
        start: if line.flag("manual") { StartMode::Manual } else { StartMode::Auto },
        command: match kind {
            Kind::Target | Kind::Global | Kind::Placeholder { .. } => Vec::new(),
            _ => line.pair("command").map_or(plain.command.clone(), |program| vec![program]),
        },
        kind,
        main: line.flag("main"),
        on_change: match line.flag("restart-on-change") {
            true => OnChange::Restart,
            false => OnChange::NextStart,
        },
        heartbeat: heartbeat(&mut line),
        on_dependency_restart: match line.pair("on-dependency-restart").as_deref() {
            None | Some("keep") => OnDependencyRestart::Keep,
            Some("restart") => OnDependencyRestart::Restart,
            Some(other) => panic!("on-dependency-restart={other}"),
        },
        start_when: line.pair("start-when"),
        ready: readiness(line.pair("ready")),
        success_exit: ends(line.pair("success-exit")),
        no_restart_exit: ends(line.pair("no-restart-exit")),
        directories: directories(&mut line),
        start_timeout: line.pair("start-timeout").map_or(Span::seconds(10), |text| span(&text)),
        stop: stop(&mut line, &plain.stop),
        ..plain
    };
    line.end();
    entity
}

fn kind(line: &mut Line) -> Kind {
    match line.pair("type").as_deref() {
        None | Some("service") => Kind::Service,
        Some("oneshot") => Kind::Oneshot { remain: line.flag("remain") },
        Some("forking") => Kind::Forking { pid_file: line.pair("pid-file").expect("pid-file=") },
        Some("target") => Kind::Target,
        Some("global") => Kind::Global,
        Some("placeholder") => Kind::Placeholder { pid_file: line.pair("pid-file") },
        Some(other) => panic!("no type is called {other}"),
    }
}

/// `heartbeat=1s low=2 high=3 grace=5s most=10/1s`
pub(crate) fn heartbeat(line: &mut Line) -> Option<HeartbeatPlan> {
    let interval = span(&line.pair("heartbeat")?);
    let mut number = |key, usual| {
        line.pair(key).map_or(usual, |text: String| text.parse().expect("a number of misses"))
    };
    let (low, high) = (number("low", 2), number("high", 5));
    let grace = line.pair("grace").map_or(Span::ZERO, |text| span(&text));
    Some(HeartbeatPlan {
        interval,
        low,
        high,
        grace,
        most: line.pair("most").map(|text| limit(&text)),
    })
}

/// `exec`, `notify`, a descriptor as `fd:3`, or a path.
fn readiness(text: Option<String>) -> Readiness {
    match text.as_deref() {
        None | Some("exec") => Readiness::Exec,
        Some("notify") => Readiness::Notify,
        Some(path) if path.starts_with('/') => Readiness::Path(path.to_owned()),
        Some(other) => {
            let number = other.strip_prefix("fd:").expect("ready=exec, notify, fd:3 or a path");
            Readiness::Descriptor(number.parse().expect("a descriptor"))
        }
    }
}

/// Exit codes and names of signals, with commas between.
fn ends(text: Option<String>) -> Ends {
    let mut ends = Ends::default();
    for word in text.unwrap_or_default().split(',').filter(|word| !word.is_empty()) {
        match word.parse() {
            Ok(code) => ends.codes.push(code),
            Err(_) => ends.signals.push(signal(word)),
        }
    }
    ends
}

fn directories(line: &mut Line) -> Vec<DirectoryPlan> {
    let Some(name) = line.pair("runtime-directory") else { return Vec::new() };
    let keep = match line.pair("keep").as_deref() {
        None => KeepDirectory::No,
        Some("restart") => KeepDirectory::Restart,
        Some("yes") => KeepDirectory::Yes,
        Some(other) => panic!("keep={other}"),
    };
    vec![DirectoryPlan { place: DirectoryPlace::Runtime, names: vec![name], mode: 0o755, keep }]
}

fn stop(line: &mut Line, usual: &StopPlan) -> StopPlan {
    StopPlan {
        signal: line.pair("stop-signal").map_or(usual.signal, |name| signal(&name)),
        send_to: match line.pair("send-to").as_deref() {
            None | Some("main") => SendTo::Main,
            Some("all") => SendTo::All,
            Some(other) => panic!("send-to={other}"),
        },
        command: None,
        timeout: line.pair("stop-timeout").map_or(Span::seconds(5), |text| span(&text)),
        kill: match line.pair("kill").as_deref() {
            None | Some("all") => KillScope::All,
            Some("main") => KillScope::Main,
            Some("none") => KillScope::None,
            Some(other) => panic!("kill={other}"),
        },
    }
}

pub(crate) fn condition_plan(mut line: Line) -> ConditionPlan {
    let kind = line.word();
    let (on, _) = ConditionKind::ALL
        .into_iter()
        .find(|(_, word)| *word == kind)
        .expect("a kind of condition");
    let class = if line.flag("no-wait") {
        Class::NoWait
    } else if line.flag("independent") {
        Class::Independent
    } else {
        Class::InOrder
    };
    let name = line.pair("name").unwrap_or(kind);
    let (rearm, enabled) = (!line.flag("no-rearm"), !line.flag("disabled"));
    let only = only(on, &mut line);
    line.end();
    ConditionPlan { name, on, only, of: None, class, rearm, enabled, actions: Vec::new() }
}

/// `on state from=1,2 to=!3`, `on raise type=5 severity=2`
fn only(on: ConditionKind, line: &mut Line) -> Only {
    match on {
        ConditionKind::State => {
            let (from, to) = (line.pair("from"), line.pair("to"));
            if from.is_none() && to.is_none() {
                return Only::All;
            }
            Only::State { from: states(from), to: states(to) }
        }
        ConditionKind::Raise => {
            let mut number =
                |key| line.pair(key).map(|text| text.parse::<u32>().expect("a number"));
            let (kind, class, severity) = (number("type"), number("class"), number("severity"));
            if kind.is_none() && class.is_none() && severity.is_none() {
                return Only::All;
            }
            Only::Raise { kind, class, severity }
        }
        _ => Only::All,
    }
}

pub(crate) fn action_plan(word: &str, mut line: Line, place: usize) -> ActionPlan {
    let name = line.pair("name").unwrap_or_else(|| format!("a{place}"));
    let break_on_fail = line.flag("break-on-fail");
    let keep_on_fail = !line.flag("no-keep-on-fail");
    let rearm = !line.flag("no-rearm");
    let verb = verb(word, &mut line);
    line.end();
    ActionPlan { name, verb, break_on_fail, keep_on_fail, rearm, on_fail: Vec::new() }
}

pub(crate) fn verb(word: &str, line: &mut Line) -> Verb {
    match word {
        "restart" => Verb::Restart(restart(line)),
        "execute" => Verb::Execute(ExecutePlan {
            wait: !line.flag("without-waiting"),
            timeout: line.pair("timeout").map_or(Span::seconds(60), |text| span(&text)),
            command: line.rest(),
            identity: None,
        }),
        "notify-signal" => Verb::NotifySignal(SignalPlan {
            target: signal_target(line),
            signal: signal(&line.word()),
            code: line.pair("code").map_or(0, |code| code.parse().expect("a number")),
            value: 7,
        }),
        "waitfor" => Verb::WaitFor(WaitPlan {
            path: line.pair("path"),
            ready: line.flag("ready"),
            timeout: span(&line.pair("timeout").expect("a timeout")),
        }),
        "notify-pulse" => Verb::NotifyPulse(PulsePlan {
            channel: line.word(),
            code: line.pair("code").expect("code=").parse().expect("a number"),
            value: line.pair("value").map_or(0, |value| value.parse().expect("a number")),
            guest: line.flag("guest"),
        }),
        "exit" => Verb::Shutdown(Ending::Exit(line.word().parse().expect("a code"))),
        "reboot" => Verb::Shutdown(Ending::Reboot),
        "exec-recovery" => Verb::Shutdown(Ending::Execute(line.rest())),
        "log" => Verb::Log(line.rest().join(" ")),
        "heartbeat-healthy" => Verb::HeartbeatHealthy,
        "start" => Verb::Start(line.word()),
        "stop" => Verb::Stop(line.word()),
        other => panic!("no verb is called {other}"),
    }
}

fn signal_target(line: &mut Line) -> SignalTarget {
    let number = |text: Option<String>| text.expect("pid= and start=").parse::<i32>();
    match (line.pair("entity"), line.pair("pid")) {
        (Some(name), _) => SignalTarget::Entity(name),
        (None, Some(pid)) => {
            let start = number(line.pair("start")).expect("a number");
            let pid = pid.parse().expect("a process id");
            SignalTarget::Process { pid, start: u64::try_from(start).expect("a time") }
        }
        (None, None) => SignalTarget::Own,
    }
}

fn restart(line: &mut Line) -> RestartPlan {
    let mut plan = RestartPlan::default();
    if let Some(delays) = line.pair("delays") {
        plan.spacing = Spacing::List(delays.split(',').map(span).collect());
    }
    if let Spacing::Growing { first, delay, factor_permille, max_delay } = &mut plan.spacing {
        for (key, field) in [("first", first), ("delay", delay), ("max-delay", max_delay)] {
            if let Some(text) = line.pair(key) {
                *field = span(&text);
            }
        }
        if let Some(text) = line.pair("factor") {
            *factor_permille = text.parse::<u32>().expect("a factor") * 1000;
        }
    }
    if let Some(text) = line.pair("reset-after") {
        plan.reset_after = span(&text);
    }
    plan.limit = line.pair("limit").map(|text| limit(&text));
    plan
}
