//! Conditions and actions as the text of a unit.

use super::{Writing, line, list, quoted, remark, strings, table, time, user};
use ham_core::plan::{
    ActionPlan, Class, ConditionKind, ConditionPlan, Ending, EntityPlan, ExecutePlan, Item, Only,
    RestartPlan, SignalTarget, Spacing, StateSet, Verb,
};

pub(super) fn write_condition(
    text: &mut String,
    plan: &EntityPlan,
    condition: &ConditionPlan,
    with: &Writing<'_>,
) {
    text.push('\n');
    remark(text, with, &Item::Condition(condition.name.clone()));
    text.push_str("[[condition]]\n");
    line(text, "on", &occasion(plan, condition));
    if condition.name != condition.on.word() {
        line(text, "name", &quoted(&condition.name));
    }
    if let Some(of) = condition.of {
        line(text, "of", &quoted(&(with.name)(of)));
    }
    let class = match condition.class {
        Class::InOrder => None,
        Class::NoWait => Some("no-wait"),
        Class::Independent => Some("independent"),
    };
    if let Some(class) = class {
        line(text, "run", &quoted(class));
    }
    for (key, so) in [("rearm", condition.rearm), ("enabled", condition.enabled)] {
        if !so {
            line(text, key, "false");
        }
    }
    for action in &condition.actions {
        text.push('\n');
        remark(text, with, &Item::Action(condition.name.clone(), action.name.clone()));
        text.push_str("[[condition.actions]]\n");
        for (key, value) in action_fields(action, false) {
            line(text, key, &value);
        }
    }
}

fn occasion(plan: &EntityPlan, condition: &ConditionPlan) -> String {
    // Names in one about another entity are that one's.
    let whose = condition.of.is_none().then_some(plan);
    let set = |set: &StateSet| match (set, whose.and_then(|plan| plan.set_name(set))) {
        (StateSet::Any, _) => None,
        (_, Some(name)) => Some(quoted(name)),
        (_, None) => Some(members(whose, set)),
    };
    let number = |number: &Option<u32>| number.map(|number| number.to_string());
    match &condition.only {
        Only::All => quoted(ConditionKind::word(condition.on)),
        Only::State { from, to } => {
            table(&[("state", Some(table(&[("from", set(from)), ("to", set(to))])))])
        }
        Only::Raise { kind, class, severity } => {
            let fields =
                [("type", number(kind)), ("class", number(class)), ("severity", number(severity))];
            table(&[("raise", Some(table(&fields)))])
        }
    }
}

/// A set by its members, with the names that `whose` has for them.
pub(super) fn members(whose: Option<&EntityPlan>, set: &StateSet) -> String {
    let one = |state: &u32| match whose.and_then(|plan| plan.state_name(*state)) {
        Some(name) => quoted(name),
        None => state.to_string(),
    };
    match set {
        StateSet::Any => quoted("*"),
        StateSet::In(states) => list(states, one),
        StateSet::NotIn(states) => table(&[("not", Some(list(states, one)))]),
    }
}

pub(super) fn own_action(action: &ActionPlan) -> String {
    let fields: Vec<(&str, Option<String>)> =
        action_fields(action, true).into_iter().map(|(key, value)| (key, Some(value))).collect();
    table(&fields)
}

/// `own`: in a list of the entity's own life, which breaks unless it is told.
fn action_fields(action: &ActionPlan, own: bool) -> Vec<(&'static str, String)> {
    let mut fields = vec![(action.verb.word(), write_verb(&action.verb))];
    if action.name != action.verb.word() {
        fields.push(("name", quoted(&action.name)));
    }
    if action.break_on_fail != own {
        fields.push(("break-on-fail", action.break_on_fail.to_string()));
    }
    for (key, so) in [("keep-on-fail", action.keep_on_fail), ("rearm", action.rearm)] {
        if !so && !own {
            fields.push((key, "false".to_owned()));
        }
    }
    if !action.on_fail.is_empty() {
        let one = |verb: &Verb| table(&[(verb.word(), Some(write_verb(verb)))]);
        fields.push(("on-fail", list(&action.on_fail, one)));
    }
    fields
}

fn write_verb(verb: &Verb) -> String {
    match verb {
        Verb::Restart(restart) => write_restart(restart),
        Verb::Execute(command) => execute(command, false),
        Verb::NotifySignal(signal) => {
            let (entity, pid) = match &signal.target {
                SignalTarget::Own => (None, None),
                SignalTarget::Entity(name) => (Some(quoted(name)), None),
                SignalTarget::Process { pid, .. } => (None, Some(pid.to_string())),
            };
            table(&[
                ("entity", entity),
                ("pid", pid),
                ("signal", Some(quoted(&signal.signal.to_string()))),
                ("code", (signal.code != 0).then(|| signal.code.to_string())),
                ("value", (signal.value != 0).then(|| signal.value.to_string())),
            ])
        }
        Verb::NotifyPulse(pulse) => table(&[
            ("channel", Some(quoted(&pulse.channel))),
            ("code", Some(pulse.code.to_string())),
            ("value", (pulse.value != 0).then(|| pulse.value.to_string())),
        ]),
        Verb::WaitFor(wait) => match (&wait.path, wait.ready) {
            (None, false) => time(wait.timeout),
            (path, ready) => table(&[
                ("path", path.as_deref().map(quoted)),
                ("ready", ready.then(|| "true".to_owned())),
                ("timeout", Some(time(wait.timeout))),
            ]),
        },
        Verb::Log(text) => quoted(text),
        Verb::HeartbeatHealthy | Verb::Shutdown(Ending::Reboot) => "{}".to_owned(),
        Verb::Start(name) | Verb::Stop(name) => quoted(name),
        Verb::Shutdown(Ending::Exit(code)) => table(&[("exit-code", Some(code.to_string()))]),
        Verb::Shutdown(Ending::Execute(command)) => strings(command),
    }
}

fn write_restart(restart: &RestartPlan) -> String {
    let limit = restart.limit.map(|limit| {
        table(&[("count", Some(limit.count.to_string())), ("within", Some(time(limit.within)))])
    });
    let usual = RestartPlan::default();
    let mut fields = match &restart.spacing {
        spacing if *spacing == usual.spacing => Vec::new(),
        Spacing::Growing { first, delay, factor_permille, max_delay } => vec![
            ("first", Some(time(*first))),
            ("delay", Some(time(*delay))),
            ("factor", Some(format!("{}.{:03}", factor_permille / 1000, factor_permille % 1000))),
            ("max-delay", Some(time(*max_delay))),
        ],
        Spacing::List(delays) => vec![("delays", Some(list(delays, |delay| time(*delay))))],
    };
    let reset = (restart.reset_after != usual.reset_after).then(|| time(restart.reset_after));
    fields.extend([("reset-after", reset), ("limit", limit)]);
    table(&fields)
}

/// `plain`: of `stop`, which waits in any case.
pub(super) fn execute(command: &ExecutePlan, plain: bool) -> String {
    let usual = command.timeout == crate::action::EXECUTE_TIMEOUT;
    if usual && (command.wait || plain) && command.identity.is_none() {
        return strings(&command.command);
    }
    table(&[
        ("command", Some(strings(&command.command))),
        ("wait", (!command.wait && !plain).then(|| "false".to_owned())),
        ("timeout", (!usual).then(|| time(command.timeout))),
        ("user", command.identity.as_ref().map(user)),
    ])
}
