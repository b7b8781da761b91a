//! What somebody does to a set of units: any part of any of them, inside the
//! rules of the loader.

use crate::units::{Unit, Units};
use ham_core::ids::EntityId;
use ham_core::plan::{
    ActionPlan, Class, ConditionPlan, EntityPlan, ExecutePlan, Kind, Links, OnChange, StartMode,
    Verb, WaitPlan,
};
use ham_tests::fake::{Edge, Random, random_plan};

/// Names that there are.
const NAMES: u64 = 8;

/// An entity of another random plan, without neighbours.
fn donor(random: &mut Random) -> EntityPlan {
    let plans = random_plan(random);
    let mut plan = random.pick(&plans).clone();
    plan.links = Links::default();
    for condition in &mut plan.conditions {
        condition.of = None;
    }
    if random.chance(6) && plan.kind != Kind::Global {
        let plain = EntityPlan::new(plan.id, &plan.name, Vec::new());
        let conditions = plan.conditions;
        plan = EntityPlan { kind: Kind::Placeholder { pid_file: None }, conditions, ..plain };
    }
    plan
}

fn named(plan: EntityPlan, number: u32) -> EntityPlan {
    EntityPlan { id: EntityId(number), name: format!("e{number}"), ..plan }
}

fn has_restart(condition: &ConditionPlan) -> bool {
    condition.actions.iter().any(|action| matches!(action.verb, Verb::Restart(_)))
}

fn shuffle<T>(random: &mut Random, list: &mut [T]) {
    for place in (1..list.len()).rev() {
        let other = usize::try_from(random.below(place as u64 + 1)).expect("a small number");
        list.swap(place, other);
    }
}

fn place(random: &mut Random, length: usize) -> usize {
    usize::try_from(random.below(length as u64)).expect("a small number")
}

/// A name that none of these has.
fn free(letter: char, taken: &[&str], random: &mut Random) -> Option<String> {
    let all = (0..9).map(|n| format!("{letter}{n}"));
    let free: Vec<String> = all.filter(|name| !taken.contains(&name.as_str())).collect();
    (!free.is_empty()).then(|| random.pick(&free).clone())
}

/// Something that is safe in every list of that class.
fn verb(random: &mut Random, class: Class) -> Verb {
    let number = random.below(5);
    match random.below(3) {
        0 => Verb::Log(format!("line {number}")),
        1 if class != Class::NoWait => {
            let path = random.chance(50).then(|| format!("/path/{number}"));
            Verb::WaitFor(WaitPlan { path, ready: false, timeout: random.micros(0, 900_000) })
        }
        _ => Verb::Execute(ExecutePlan {
            command: vec![format!("/bin/command{number}")],
            wait: random.chance(70),
            timeout: random.micros(0, 900_000),
            identity: None,
        }),
    }
}

impl Units {
    /// One thing.
    pub(crate) fn edit(&mut self, random: &mut Random) {
        let numbers: Vec<u32> = self.0.keys().copied().collect();
        if numbers.is_empty() || random.chance(10) {
            let number = u32::try_from(random.below(NAMES)).expect("a small number");
            let plan = named(donor(random), number);
            self.0.entry(number).or_insert(Unit { plan, edges: Vec::new() });
            return;
        }
        let number = *random.pick(&numbers);
        match random.below(20) {
            0 | 1 => {
                self.0.remove(&number);
            }
            2..=4 => self.link(random, number),
            _ => {
                let Some(unit) = self.0.get_mut(&number) else { return };
                change(random, &mut unit.plan);
            }
        }
    }

    fn link(&mut self, random: &mut Random, number: u32) {
        let others: Vec<u32> = self.0.keys().copied().filter(|other| *other != number).collect();
        let Some(unit) = self.0.get_mut(&number) else { return };
        if others.is_empty() || (!unit.edges.is_empty() && random.chance(40)) {
            unit.edges.pop();
            return;
        }
        let other = *random.pick(&others);
        let edge = *random.pick(&[Edge::Requires, Edge::Wants, Edge::After, Edge::Conflicts]);
        if !self.leads(other, number)
            && let Some(unit) = self.0.get_mut(&number)
        {
            unit.edges.retain(|(_, known)| *known != other);
            unit.edges.push((edge, other));
        }
    }
}

fn change(random: &mut Random, plan: &mut EntityPlan) {
    let donor = donor(random);
    let text = format!("of {}", random.below(4));
    match random.below(16) {
        0 => *plan = named(donor, plan.id.0),
        1 | 2 if !plan.command.is_empty() => plan.command = vec!["/bin/entity".to_owned(), text],
        3 => plan.environment = vec![("WORD".to_owned(), text)],
        4 if std::mem::discriminant(&plan.kind) == std::mem::discriminant(&donor.kind) => {
            plan.stop = donor.stop;
        }
        5 => {
            let all = [OnChange::Restart, OnChange::Restart, OnChange::NextStart];
            plan.on_change = *random.pick(&all);
        }
        6 => plan.start = *random.pick(&[StartMode::Auto, StartMode::Auto, StartMode::Manual]),
        7 if matches!(plan.kind, Kind::Service | Kind::Forking { .. }) => {
            plan.heartbeat = donor.heartbeat;
        }
        8 => plan.description = text,
        9 if !matches!(plan.kind, Kind::Global) => {
            plan.post_stop = donor.post_stop;
            plan.reload = donor.reload;
        }
        10 => conditions(random, plan, donor),
        _ => actions(random, plan),
    }
}

fn conditions(random: &mut Random, plan: &mut EntityPlan, mut donor: EntityPlan) {
    let list = &mut plan.conditions;
    let taken: Vec<&str> = list.iter().map(|condition| condition.name.as_str()).collect();
    let name = free('c', &taken, random);
    match random.below(5) {
        0 if !list.is_empty() => {
            list.remove(place(random, list.len()));
        }
        1 => shuffle(random, list),
        2 if !list.is_empty() => {
            let at = place(random, list.len());
            if let Some(name) = name {
                list[at].name = name;
            }
        }
        3 if !list.is_empty() => {
            let at = place(random, list.len());
            if list[at].class != Class::NoWait {
                list[at].class = *random.pick(&[Class::InOrder, Class::Independent]);
            }
            list[at].rearm = random.chance(80);
        }
        _ => {
            let restarts = list.iter().any(has_restart);
            donor.conditions.retain(|condition| !(restarts && has_restart(condition)));
            if let (Some(condition), Some(name)) = (donor.conditions.pop(), name) {
                let at = place(random, list.len() + 1);
                list.insert(at, ConditionPlan { name, ..condition });
            }
        }
    }
}

fn actions(random: &mut Random, plan: &mut EntityPlan) {
    if plan.conditions.is_empty() {
        return;
    }
    let at = place(random, plan.conditions.len());
    let condition = &mut plan.conditions[at];
    let class = condition.class;
    let list = &mut condition.actions;
    let taken: Vec<&str> = list.iter().map(|action| action.name.as_str()).collect();
    let name = free('a', &taken, random);
    match random.below(6) {
        0 | 1 if !list.is_empty() => {
            list.remove(place(random, list.len()));
        }
        2 => shuffle(random, list),
        3 if !list.is_empty() => {
            let at = place(random, list.len());
            let restarts = matches!(list[at].verb, Verb::Restart(_));
            match random.below(3) {
                0 => list[at].break_on_fail = !list[at].break_on_fail,
                1 if !restarts => list[at].verb = verb(random, class),
                _ if list[at].on_fail.is_empty() => list[at].on_fail = vec![verb(random, class)],
                _ => {
                    list[at].on_fail.pop();
                }
            }
        }
        _ => {
            let Some(name) = name else { return };
            let action = ActionPlan {
                name,
                verb: verb(random, class),
                break_on_fail: random.chance(20),
                keep_on_fail: random.chance(80),
                rearm: random.chance(80),
                on_fail: Vec::new(),
            };
            let at = place(random, list.len() + 1);
            list.insert(at, action);
        }
    }
}
