//! Random plans inside the rules of the loader: at most one restart action,
//! on a condition that can mean a death; no `waitfor` in a no-wait list; every
//! wait has an end. Two more rules let a quiet machine come to rest: nothing
//! is started where something may just have been stopped for it, and a name
//! may be of an entity that does not exist.

use super::Random;
use ham_core::ids::EntityId;
use ham_core::plan::{
    ActionPlan, Class, ConditionKind, ConditionPlan, EntityPlan, ExecutePlan, Kind, LimitPlan,
    Only, PulsePlan, RestartPlan, SignalPlan, SignalTarget, Spacing, StartMode, StateSet, StopPlan,
    Verb, WaitPlan,
};
use ham_core::signal::Signal;
use ham_core::time::Span;

/// One to six entities.
#[must_use]
pub fn random_plan(random: &mut Random) -> Vec<EntityPlan> {
    let count = 1 + random.below(6);
    let mut plans: Vec<EntityPlan> = (0..count).map(|place| entity(random, place, count)).collect();
    super::graphs::dress(random, &mut plans);
    let about: Vec<(EntityId, usize, EntityId)> = plans
        .iter()
        .flat_map(|plan| (0..plan.conditions.len()).map(|place| (plan.id, place)))
        .filter_map(|(id, place)| {
            // Nobody restarts another.
            let condition = plans.get(id.index())?.conditions.get(place)?;
            let restarts = |action: &ActionPlan| matches!(action.verb, Verb::Restart(_));
            let may = !condition.actions.iter().any(restarts) && random.chance(15);
            may.then(|| (id, place, random.pick(&plans).id))
        })
        .collect();
    for (id, place, of) in about {
        super::watch(&mut plans, id, place, of);
    }
    if random.chance(30) {
        plans.push(global(random, count));
    }
    plans
}

/// Conditions on whatever happens to any of them.
fn global(random: &mut Random, count: u64) -> EntityPlan {
    let id = EntityId(u32::try_from(count).unwrap_or(0));
    let places = 0..1 + random.below(3);
    let conditions = places.map(|n| condition(random, n, count, &mut false)).collect();
    EntityPlan { kind: Kind::Global, command: Vec::new(), conditions, ..plain(id, name(count), "") }
}

/// Whether an entity that should run is brought back from every death, however
/// often, whatever else its lists do and whatever becomes of others.
#[must_use]
pub fn brings_itself_back(plan: &EntityPlan) -> bool {
    let alone = plan.links.after.is_empty() && plan.start_when.is_none();
    let service = plan.kind == Kind::Service && plan.no_restart_exit.codes.is_empty();
    alone
        && service
        && plan.conditions.iter().any(|condition| {
            let restart = condition.actions.iter().position(|action| {
                let endless = matches!(&action.verb, Verb::Restart(plan) if plan.limit.is_none());
                endless && action.rearm && action.keep_on_fail
            });
            let Some(place) = restart else { return false };
            let before = condition.actions.get(..place).unwrap_or_default();
            condition.on == ConditionKind::Death
                && condition.enabled
                && condition.rearm
                && before.iter().all(|action| !action.break_on_fail)
        })
}

fn entity(random: &mut Random, place: u64, count: u64) -> EntityPlan {
    let mut may_restart = random.chance(85);
    let conditions =
        (0..random.below(5)).map(|n| condition(random, n, count, &mut may_restart)).collect();
    let start = if random.chance(80) { StartMode::Auto } else { StartMode::Manual };
    let stop_timeout = if random.chance(8) { Span::INFINITE } else { random.micros(0, 800_000) };
    let id = EntityId(u32::try_from(place).unwrap_or(0));
    let defaults = plain(id, name(place), "/bin/entity");
    EntityPlan {
        start,
        start_timeout: random.micros(20_000, 1_500_000),
        stop: StopPlan { timeout: stop_timeout, ..defaults.stop.clone() },
        conditions,
        ..defaults
    }
}

/// An entity of which nothing is said but what it runs.
#[must_use]
pub fn plain(id: EntityId, name: String, command: &str) -> EntityPlan {
    EntityPlan {
        start_timeout: Span::seconds(10),
        ..EntityPlan::new(id, &name, vec![command.to_owned()])
    }
}

fn name(place: u64) -> String {
    format!("e{place}")
}

fn condition(random: &mut Random, n: u64, count: u64, may_restart: &mut bool) -> ConditionPlan {
    // Death more often than the rest: most lists hang on it.
    let on =
        if random.chance(45) { ConditionKind::Death } else { random.pick(&ConditionKind::ALL).0 };
    let class = *random.pick(&[Class::InOrder, Class::InOrder, Class::NoWait, Class::Independent]);
    let actions = (0..1 + random.below(4))
        .map(|place| {
            let restarts = on.may_restart() && *may_restart && random.chance(50);
            let verb = if restarts {
                *may_restart = false;
                Verb::Restart(restart(random))
            } else {
                verb(random, on, class, count)
            };
            action(random, place, verb, on, class, count)
        })
        .collect();
    ConditionPlan {
        name: format!("c{n}"),
        on,
        only: only(random, on),
        of: None,
        class,
        rearm: random.chance(75),
        enabled: random.chance(95),
        actions,
    }
}

fn only(random: &mut Random, on: ConditionKind) -> Only {
    let mut number = || random.chance(40).then(|| u32::try_from(random.below(3)).unwrap_or(0));
    match on {
        ConditionKind::State => {
            let (from, to, inverse) = (number(), number(), number());
            let set = |state: Option<u32>| match (state, inverse) {
                (None, _) => StateSet::Any,
                (Some(state), None) => StateSet::In(vec![state, state + 1]),
                (Some(state), Some(_)) => StateSet::NotIn(vec![state]),
            };
            Only::State { from: set(from), to: set(to) }
        }
        ConditionKind::Raise => Only::Raise { kind: number(), class: number(), severity: number() },
        _ => Only::All,
    }
}

fn action(
    random: &mut Random,
    place: u64,
    verb: Verb,
    on: ConditionKind,
    class: Class,
    count: u64,
) -> ActionPlan {
    ActionPlan {
        name: format!("a{place}"),
        verb,
        break_on_fail: random.chance(25),
        keep_on_fail: random.chance(75),
        rearm: random.chance(80),
        on_fail: (0..random.below(3)).map(|_| self::verb(random, on, class, count)).collect(),
    }
}

fn restart(random: &mut Random) -> RestartPlan {
    let spacing = if random.chance(50) {
        Spacing::Growing {
            first: random.micros(0, 5_000),
            delay: random.micros(0, 200_000),
            factor_permille: 1000 + u32::try_from(random.below(2000)).unwrap_or(0),
            max_delay: random.micros(0, 2_000_000),
        }
    } else {
        Spacing::List((0..1 + random.below(4)).map(|_| random.micros(0, 700_000)).collect())
    };
    let limit = random.chance(30).then(|| LimitPlan {
        count: 1 + u32::try_from(random.below(5)).unwrap_or(0),
        within: random.micros(1_000, 5_000_000),
    });
    RestartPlan { spacing, reset_after: random.micros(0, 2_000_000), limit }
}

fn verb(random: &mut Random, on: ConditionKind, class: Class, count: u64) -> Verb {
    // Nor where a start may lead to the next: to be up, or to have finished.
    let may_start = !matches!(
        on,
        ConditionKind::Stopped
            | ConditionKind::Any
            | ConditionKind::Ready
            | ConditionKind::Finished
    );
    // One more than there are: a name that leads nowhere.
    let other = name(random.below(count + 1));
    match random.below(11) {
        0..=2 => Verb::Execute(ExecutePlan {
            command: vec!["/bin/command".to_owned(), "{entity}".to_owned(), "{pid}".to_owned()],
            wait: random.chance(70),
            timeout: random.micros(0, 900_000),
            identity: None,
        }),
        3 | 4 => Verb::NotifySignal(SignalPlan {
            target: match random.below(10) {
                0..=5 => SignalTarget::Entity(other),
                6 => SignalTarget::Process { pid: 7, start: 7 },
                _ => SignalTarget::Own,
            },
            signal: *random.pick(&[Signal::TERM, Signal::KILL, Signal(10)]),
            code: 0,
            value: 7,
        }),
        5 | 6 if class != Class::NoWait => Verb::WaitFor(WaitPlan {
            path: random.chance(60).then(|| format!("/path/{}", random.below(4))),
            ready: false,
            timeout: random.micros(0, 600_000),
        }),
        7 if may_start => Verb::Start(other),
        8 if random.chance(30) => Verb::HeartbeatHealthy,
        8 => Verb::Stop(other),
        9 => Verb::NotifyPulse(PulsePlan {
            channel: format!("p{}", random.below(2)),
            code: 1,
            value: 2,
            guest: false,
        }),
        _ => Verb::Log("{entity}/{condition}: {status}".to_owned()),
    }
}
