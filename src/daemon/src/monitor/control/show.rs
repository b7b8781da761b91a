//! What `Show` answers: an entity as its unit and what was changed of it at run
//! time make it, and what of that is gone or disarmed.

use super::calls::result;
use super::shown::kind_word;
use crate::monitor::Engine;
use crate::told::seconds;
use ham_core::ids::EntityId;
use ham_core::monitor::Phase;
use ham_core::plan::{
    Class, ConditionKind, ConditionPlan, EntityPlan, Flags, HeartbeatPlan, Item, Kind, Only,
    Overlay, Readiness, StateSet,
};
use ham_core::wire::{
    Answer, Names, OneName, Shown, ShownAction, ShownCondition, ShownGone, ShownHeartbeat,
    ShownOnFail, ShownStates,
};
use ham_sys::clock;

impl Engine {
    pub(super) fn show(&self, name: &OneName) -> Result<Answer, Answer> {
        let ids = self.resolve(std::slice::from_ref(&name.name))?;
        let Some(id) = ids.first().copied() else { return self.status(&Names::default()) };
        let status = self.entity_status(id);
        let Some(plan) = self.core.definition(id) else {
            return Ok(result(&Shown { status, ..Shown::default() }));
        };
        let changes = self.core.overlay_of(id).unwrap_or_default();
        let conditions = plan.conditions.iter().enumerate();
        let conditions = conditions
            .map(|(place, condition)| self.shown_condition(id, (&plan, &changes), place, condition))
            .collect();
        let user = plan.identity.as_ref().map(|who| format!("{}:{}", who.uid, who.gid));
        let neighbours = self.neighbours(&plan);
        Ok(result(&Shown {
            status,
            kind: kind_word(&plan.kind).to_owned(),
            ready_when: ready_words(&plan),
            requires: neighbours.requires,
            wants: neighbours.wants,
            after: neighbours.after,
            conflicts: neighbours.conflicts,
            running: self.lists_in_words(id, &plan),
            source: plan.source.clone(),
            command: plan.command.clone(),
            user,
            attach_by: plan.attach_by,
            run_time: made(&plan, &changes),
            conditions,
            heartbeat: plan.heartbeat.map(|heartbeat| self.shown_heartbeat(id, heartbeat)),
            states: names_of_states(&plan),
            flags: words(changes.flags_of(&plan, &Item::Entity).unwrap_or_default()),
            disarmed: self.disarmed_of(id),
            gone: gone(&plan, &changes),
        }))
    }

    fn shown_condition(
        &self,
        id: EntityId,
        (plan, changes): (&EntityPlan, &Overlay),
        place: usize,
        condition: &ConditionPlan,
    ) -> ShownCondition {
        let name = &condition.name;
        let flags = |item: &Item| words(changes.flags_of(plan, item).unwrap_or_default());
        let actions = condition.actions.iter().enumerate().map(|(at, action)| {
            let late = changes.on_fail.iter().filter_map(|late| match &late.item {
                Item::OnFail(condition, of, item) if condition == name && *of == action.name => {
                    Some(item.clone())
                }
                Item::OnFail(..) | Item::Entity | Item::Condition(_) | Item::Action(..) => None,
            });
            let late: Vec<String> = late.collect();
            // Those that were added come last, and they alone have names.
            let fixed = action.on_fail.len().saturating_sub(late.len());
            let names = std::iter::repeat_n(None, fixed).chain(late.into_iter().map(Some));
            let on_fail = action.on_fail.iter().zip(names);
            ShownAction {
                name: action.name.clone(),
                verb: action.verb.word().to_owned(),
                flags: flags(&Item::Action(name.clone(), action.name.clone())),
                armed: self.core.is_armed(id, place, Some(plan.action_bit(place, at)))
                    && !changes.is_action_off(name, &action.name),
                on_fail: on_fail
                    .map(|(verb, name)| ShownOnFail { verb: verb.word().to_owned(), name })
                    .collect(),
            }
        });
        ShownCondition {
            name: name.clone(),
            on: ConditionKind::word(condition.on).to_owned(),
            only: only(plan, condition),
            of: condition.of.map(|other| self.name(other)),
            class: match condition.class {
                Class::InOrder => "in-order",
                Class::NoWait => "no-wait",
                Class::Independent => "independent",
            }
            .to_owned(),
            flags: flags(&Item::Condition(name.clone())),
            armed: condition.enabled && self.core.is_armed(id, place, None),
            actions: actions.collect(),
        }
    }

    fn lists_in_words(&self, id: EntityId, plan: &EntityPlan) -> Vec<String> {
        let running = self.core.lists(id).map(|run| {
            let name = plan.list_name(run.condition).unwrap_or("?");
            let action = plan.action_name(run.condition, run.action).unwrap_or("?");
            let what = match run.phase {
                Phase::Ready => "begins",
                Phase::Log => "writes a line",
                Phase::Signal(_) | Phase::SignalProcess => "sends a signal",
                Phase::Path => "waits for a path",
                Phase::Pause => "pauses",
                Phase::Restart => "waits for the restart",
                Phase::Up => "waits for it to be ready",
                Phase::Command(_) => "runs a command",
            };
            format!("{name}/{action}: {what}")
        });
        running.collect()
    }

    fn shown_heartbeat(&self, id: EntityId, plan: HeartbeatPlan) -> ShownHeartbeat {
        ShownHeartbeat {
            interval_ns: plan.interval.0,
            low: plan.low,
            high: plan.high,
            grace_ns: plan.grace.0,
            max: plan.most.map(|most| most.count),
            max_within_ns: plan.most.map(|most| most.within.0),
            suspended: self.core.is_heartbeat_suspended(id),
        }
    }
}

fn words(flags: Flags) -> Vec<String> {
    flags.words().into_iter().map(str::to_owned).collect()
}

/// Paths of what was made at run time.
fn made(plan: &EntityPlan, changes: &Overlay) -> Vec<String> {
    let mut items = vec![Item::Entity];
    items.extend(Item::Entity.below(plan));
    items.extend(changes.on_fail.iter().map(|late| late.item.clone()));
    items.retain(|item| changes.made(item));
    items.iter().map(|item| item.path(&plan.name)).collect()
}

/// What has gone by itself, oldest first.
fn gone(plan: &EntityPlan, changes: &Overlay) -> Vec<ShownGone> {
    let (now, real) = (clock::monotonic(), clock::realtime());
    let all = changes.gone.iter().map(|gone| ShownGone {
        path: gone.item.path(&plan.name),
        since: seconds(real.saturating_sub(now.saturating_sub(gone.since.0))),
        restart: gone.restart,
    });
    all.collect()
}

fn names_of_states(plan: &EntityPlan) -> Vec<ShownStates> {
    let single = plan.states.iter().map(|(name, state)| (name, vec![*state], false));
    let sets = plan.state_sets.iter().map(|(name, set)| match set {
        StateSet::Any => (name, Vec::new(), true),
        StateSet::In(states) => (name, states.clone(), false),
        StateSet::NotIn(states) => (name, states.clone(), true),
    });
    let all = single.chain(sets);
    all.map(|(name, states, not)| ShownStates { name: name.clone(), states, not }).collect()
}

/// Which occurrences fire a condition, in words; empty: all of its kind.
fn only(plan: &EntityPlan, condition: &ConditionPlan) -> String {
    match &condition.only {
        Only::All => String::new(),
        Only::State { from, to } => {
            // Names in one about another entity are that one's.
            let whose = condition.of.is_none().then_some(plan);
            let ends = [("from", from), ("to", to)].into_iter();
            let ends = ends.filter(|(_, set)| **set != StateSet::Any);
            let ends = ends.map(|(word, set)| format!("{word} {}", set_in_words(whose, set)));
            ends.collect::<Vec<String>>().join(" ")
        }
        Only::Raise { kind, class, severity } => {
            let numbers = [("type", kind), ("class", class), ("severity", severity)];
            let given = numbers
                .into_iter()
                .filter_map(|(word, number)| number.map(|number| format!("{word} {number}")));
            given.collect::<Vec<String>>().join(", ")
        }
    }
}

fn set_in_words(whose: Option<&EntityPlan>, set: &StateSet) -> String {
    if let Some(name) = whose.and_then(|plan| plan.set_name(set)) {
        return name.to_owned();
    }
    let one = |state: &u32| {
        let name = whose.and_then(|plan| plan.state_name(*state));
        name.map_or_else(|| state.to_string(), str::to_owned)
    };
    let all = |states: &[u32]| states.iter().map(one).collect::<Vec<String>>().join(" or ");
    match set {
        StateSet::Any => "any".to_owned(),
        StateSet::In(states) => all(states),
        StateSet::NotIn(states) => format!("any but {}", all(states)),
    }
}

/// When a process of it counts as up; empty where there is none to wait for.
fn ready_words(plan: &EntityPlan) -> String {
    match (&plan.kind, &plan.ready) {
        (Kind::Target | Kind::Oneshot { .. } | Kind::Global, _) => String::new(),
        (_, Readiness::Exec) => "exec".to_owned(),
        (_, Readiness::Notify) => "notify".to_owned(),
        (_, Readiness::Descriptor(descriptor)) => format!("fd {descriptor}"),
        (_, Readiness::Path(path)) => format!("path {path}"),
    }
}
