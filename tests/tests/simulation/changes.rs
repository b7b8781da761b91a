//! Changes at run time in the life of a world: lines to log and waits that are
//! added, flagged, disarmed and removed. None of them moves an entity, so that
//! all other rules hold as without them.

use ham_core::change::Change;
use ham_core::directive::Directive;
use ham_core::event::Event;
use ham_core::ids::RequestId;
use ham_core::plan::{
    ActionPlan, Class, ConditionKind, ConditionPlan, EntityPlan, Flags, Item, Only, Verb, WaitPlan,
};
use ham_tests::fake::Random;

const KINDS: [ConditionKind; 6] = [
    ConditionKind::Death,
    ConditionKind::Failure,
    ConditionKind::Stopped,
    ConditionKind::Restart,
    ConditionKind::Ready,
    ConditionKind::Any,
];

fn verb(random: &mut Random) -> Verb {
    if random.chance(70) {
        return Verb::Log("of run time".to_owned());
    }
    let path = random.chance(50).then(|| "/run/never".to_owned());
    let timeout = random.micros(0, 400_000);
    Verb::WaitFor(WaitPlan { path, ready: false, timeout })
}

fn action(random: &mut Random, name: String) -> ActionPlan {
    ActionPlan {
        name,
        verb: verb(random),
        break_on_fail: random.chance(20),
        keep_on_fail: random.chance(50),
        rearm: random.chance(50),
        on_fail: Vec::new(),
    }
}

/// One change of some entity.
pub(crate) fn change(random: &mut Random, plans: &[EntityPlan], id: RequestId) -> Event {
    let entity = random.pick(plans).id;
    let condition = format!("late-{}", random.below(4));
    let name = format!("a{}", random.below(4));
    let at_action = Item::Action(condition.clone(), name.clone());
    let item = match random.below(3) {
        0 => at_action.clone(),
        1 => Item::OnFail(condition.clone(), name.clone(), format!("f{}", random.below(2))),
        _ => Item::Condition(condition.clone()),
    };
    let recursive = random.chance(30);
    let change = match random.below(12) {
        0..=2 => {
            let class = *random.pick(&[Class::InOrder, Class::NoWait, Class::Independent]);
            let actions = if random.chance(50) { Vec::new() } else { vec![action(random, name)] };
            let condition = Box::new(ConditionPlan {
                name: condition,
                on: *random.pick(&KINDS),
                only: Only::All,
                of: None,
                class,
                rearm: random.chance(50),
                enabled: random.chance(90),
                actions,
            });
            Change::Condition { entity, condition, keep_on_empty: random.chance(30) }
        }
        3..=5 => {
            let action = Box::new(action(random, name));
            Change::Action { entity, condition, action, now: false }
        }
        6 => Change::OnFail { entity, item, verb: Box::new(verb(random)) },
        7 | 8 => Change::Remove { entity, item },
        9 => {
            let within = random.chance(60).then(|| random.micros(0, 900_000));
            Change::Disarm { entity, item, recursive, within }
        }
        10 => Change::Arm { entity, item, recursive },
        _ => {
            let all = [Flags::REARM, Flags::INDEPENDENT, Flags::NO_WAIT, Flags::KEEP_ON_FAIL];
            let (add, remove) = (*random.pick(&all), *random.pick(&all));
            Change::Flags { entity, item, set: None, add, remove }
        }
    };
    Event::Directive { id, directive: Directive::Change(Box::new(change)), from: None }
}
