//! Changes at run time: each is looked at against the entity as it would be
//! then (QNX HAM §2 to §7), and made whole or not at all.

use super::Monitor;
use super::entity::Actual;
use super::run::{Detail, Kinds, Occurrence};
use crate::change::{Change, Objection};
use crate::directive::Verdict;
use crate::effect::Fact;
use crate::ids::EntityId;
use crate::plan::{
    ActionPlan, Class, ConditionPlan, EntityPlan, Flags, Item, LateOnFail, Off, Overlay, Part,
    SignalTarget, Verb, check, sound_action, sound_condition, sound_name, sound_on_fail,
};
use crate::time::Span;

type Outcome = Result<Verdict, Objection>;

impl Monitor {
    pub(super) fn change(&mut self, change: &Change) -> Verdict {
        let outcome = match change {
            Change::Arm { entity, item, recursive } => self.arm(*entity, item, *recursive),
            Change::Disarm { entity, item, recursive, within } => {
                self.disarm(*entity, item, *recursive, *within)
            }
            Change::Flags { entity, item, set, add, remove } => {
                self.change_flags(*entity, item, *set, *add, *remove)
            }
            Change::Remove { entity, item } => self.remove_item(*entity, item),
            Change::Condition { entity, condition, keep_on_empty } => {
                self.add_condition(*entity, condition, *keep_on_empty)
            }
            Change::Action { entity, condition, action, now } => {
                self.add_late_action(*entity, condition, action, *now)
            }
            Change::OnFail { entity, item, verb } => self.add_on_fail(*entity, item, verb),
            Change::Entity { plan, keep_on_death } => {
                self.make_entity(plan, *keep_on_death).map(|_| Verdict::Done)
            }
        };
        outcome.unwrap_or_else(Verdict::Objected)
    }

    /// What there is to change: the entity as it is, and what was changed of
    /// it before, without what has gone by itself since.
    fn known(&mut self, id: EntityId, item: &Item) -> Result<(EntityPlan, Overlay), Objection> {
        self.sweep(id);
        let plan = self.plan_of(id).ok_or(Objection::Missing)?;
        let overlay = self.overlay(id).unwrap_or_default();
        let there = match item.part(&plan) {
            Some(Part::OnFail) => overlay.made(item),
            Some(Part::Entity | Part::Condition(_) | Part::Action(_)) => true,
            None => false,
        };
        if there { Ok(((*plan).clone(), (*overlay).clone())) } else { Err(Objection::Missing) }
    }

    fn arm(&mut self, id: EntityId, item: &Item, recursive: bool) -> Outcome {
        let (plan, was) = self.known(id, item)?;
        if matches!(item, Item::OnFail(..)) {
            return Err(Objection::WithItsAction);
        }
        let mut overlay = was.clone();
        let mut items = vec![item.clone()];
        if recursive {
            items.extend(item.below(&plan));
        }
        overlay.off.retain(|off| !items.contains(&off.item));
        for item in &items {
            // One that its unit leaves disarmed.
            if let Some(Part::Condition(_)) = item.part(&plan)
                && overlay.over(self.bare(id, &overlay)?).conditions.iter().any(|condition| {
                    Item::Condition(condition.name.clone()) == *item && !condition.enabled
                })
            {
                overlay.on.push(item.clone());
            }
        }
        let back = self.gone_of(id, &plan, &items);
        overlay.gone.retain(|gone| !back.contains(&gone.item));
        self.arms(id, &plan, (was, overlay), &items, (true, &back))
    }

    fn disarm(
        &mut self,
        id: EntityId,
        item: &Item,
        recursive: bool,
        within: Option<Span>,
    ) -> Outcome {
        let (plan, was) = self.known(id, item)?;
        if matches!(item, Item::OnFail(..)) {
            return Err(Objection::WithItsAction);
        }
        let mut overlay = was.clone();
        let until = within.and_then(|within| within.deadline(self.now));
        let mut items = vec![item.clone()];
        if recursive {
            items.extend(item.below(&plan));
        }
        overlay.on.retain(|on| !items.contains(on));
        overlay.off.retain(|off| !items.contains(&off.item));
        let off = items.iter().map(|item| Off { item: item.clone(), until });
        overlay.off.extend(off);
        self.arms(id, &plan, (was, overlay), &items, (false, &[]))
    }

    /// `back`: those of them that were gone.
    fn arms(
        &mut self,
        id: EntityId,
        plan: &EntityPlan,
        (was, is): (Overlay, Overlay),
        items: &[Item],
        (armed, back): (bool, &[Item]),
    ) -> Outcome {
        if was == is && back.is_empty() {
            return Ok(Verdict::Already);
        }
        self.fits(id, &is)?;
        let turned = |item: &Item| armed != is.is_off(item) && armed == was.is_off(item);
        let said: Vec<Fact> = items
            .iter()
            .filter(|item| turned(item) || back.contains(item))
            .map(|item| arming(plan, item, armed))
            .collect();
        self.unmark(id, plan, back);
        self.lay(id, is);
        for fact in said {
            self.note(id, fact);
        }
        Ok(Verdict::Done)
    }

    /// What was disarmed for a time is armed again.
    pub(super) fn overlay_due(&mut self, id: EntityId) {
        let (Some(plan), Some(overlay)) = (self.plan_of(id), self.overlay(id)) else { return };
        let now = self.now;
        let over = |off: &&Off| off.until.is_some_and(|until| until <= now);
        let items: Vec<Item> =
            overlay.off.iter().filter(over).map(|off| off.item.clone()).collect();
        let mut next = (*overlay).clone();
        next.off.retain(|off| !items.contains(&off.item));
        self.lay(id, next);
        for item in items {
            self.note(id, arming(&plan, &item, true));
        }
    }

    fn change_flags(
        &mut self,
        id: EntityId,
        item: &Item,
        set: Option<Flags>,
        add: Flags,
        remove: Flags,
    ) -> Outcome {
        let (plan, mut overlay) = self.known(id, item)?;
        let part = item.part(&plan).ok_or(Objection::Missing)?;
        let has = overlay.flags_of(&plan, item).ok_or(Objection::WithItsAction)?;
        let wanted = set.unwrap_or(has).with(add).without(remove);
        if wanted.has(Flags::DO_NOW) {
            return Err(Objection::NotLater);
        }
        let may = match part {
            Part::Entity if overlay.entity.is_some() => Flags::KEEP_ON_DEATH,
            Part::Entity | Part::OnFail => Flags::NONE,
            Part::Condition(_) => Flags::OF_CONDITION,
            Part::Action(_) => Flags::OF_ACTION,
        };
        if !may.has(wanted) || !may.has(add.with(remove)) {
            return Err(Objection::NoSuchFlag);
        }
        if wanted.has(Flags::INDEPENDENT.with(Flags::NO_WAIT)) {
            return Err(Objection::BothClasses);
        }
        if let Part::Condition(condition) = part
            && wanted.has(Flags::NO_WAIT)
            && waits(condition)
        {
            return Err(Objection::NoWait);
        }
        // What a unit has stays in it, empty or not.
        let made = overlay.made(item);
        let kept = Flags::KEEP_ON_EMPTY.when(!made && matches!(part, Part::Condition(_)));
        let wanted = wanted.with(kept);
        if wanted == has {
            return Ok(Verdict::Already);
        }
        overlay.set_flags(item, wanted);
        self.put_change(id, overlay)
    }

    fn remove_item(&mut self, id: EntityId, item: &Item) -> Outcome {
        let (_, mut overlay) = self.known(id, item)?;
        if !overlay.made(item) {
            return Err(Objection::OfUnit);
        }
        if self.says_the_end(id) {
            return Err(Objection::ShuttingDown);
        }
        if *item == Item::Entity {
            if self.entity(id).actual != Actual::Down || self.has_lists(id) {
                return Err(Objection::Busy);
            }
            self.unmake_entity(id);
            return Ok(Verdict::Done);
        }
        overlay.remove(item);
        self.lay(id, overlay);
        if let Item::Action(condition, _) = item {
            self.drop_if_empty(id, condition);
        }
        Ok(Verdict::Done)
    }

    /// A condition that was made at run time goes with its last action, unless
    /// it is kept (`HCONDKEEPONEMPTY`). One that begins empty stays.
    pub(super) fn drop_if_empty(&mut self, id: EntityId, condition: &str) {
        let (Some(plan), Some(overlay)) = (self.plan_of(id), self.overlay(id)) else { return };
        let item = Item::Condition(condition.to_owned());
        let kept = |flags: Flags| flags.has(Flags::KEEP_ON_EMPTY);
        let empty = match item.part(&plan) {
            Some(Part::Condition(condition)) => condition.actions.is_empty(),
            Some(Part::Entity | Part::Action(_) | Part::OnFail) | None => false,
        };
        if empty && overlay.made(&item) && !overlay.flags_of(&plan, &item).is_some_and(kept) {
            let mut overlay = (*overlay).clone();
            overlay.remove(&item);
            self.lay(id, overlay);
        }
    }

    fn add_condition(&mut self, id: EntityId, plan: &ConditionPlan, kept: bool) -> Outcome {
        sound_condition(plan).map_err(|_| Objection::Unsound)?;
        let (known, mut overlay) = self.known(id, &Item::Entity)?;
        if plan.of.is_some() {
            return Err(Objection::OfAnother);
        }
        let item = Item::Condition(plan.name.clone());
        if item.part(&known).is_some() {
            return Err(Objection::Exists);
        }
        if plan.class == Class::NoWait && waits(plan) {
            return Err(Objection::NoWait);
        }
        self.names_entities(plan.actions.iter().flat_map(verbs))?;
        for (place, action) in plan.actions.iter().enumerate() {
            may_restart(&known, plan, action)?;
            let before = plan.actions.iter().take(place);
            if is_restart(action) && before.clone().any(is_restart) {
                return Err(Objection::SecondRestart);
            }
        }
        overlay.is_back(&item);
        overlay.conditions.push(plan.clone());
        if kept {
            let plan = overlay.over(self.bare(id, &overlay)?);
            let flags = overlay.flags_of(&plan, &item).unwrap_or_default();
            overlay.set_flags(&item, flags.with(Flags::KEEP_ON_EMPTY));
        }
        let verdict = self.put_change(id, overlay)?;
        self.watch_memory(id, plan.on);
        Ok(verdict)
    }

    fn add_late_action(
        &mut self,
        id: EntityId,
        condition: &str,
        action: &ActionPlan,
        now: bool,
    ) -> Outcome {
        sound_action(action).map_err(|_| Objection::Unsound)?;
        let at = Item::Condition(condition.to_owned());
        let (plan, mut overlay) = self.known(id, &at)?;
        let Some(Part::Condition(known)) = at.part(&plan) else { return Err(Objection::Missing) };
        if known.actions.iter().any(|other| other.name == action.name) {
            return Err(Objection::Exists);
        }
        if known.class == Class::NoWait
            && verbs(action).any(|verb| matches!(verb, Verb::WaitFor(_)))
        {
            return Err(Objection::NoWait);
        }
        if now && !matches!(action.verb, Verb::Execute(_)) {
            return Err(Objection::NotNow);
        }
        may_restart(&plan, known, action)?;
        self.names_entities(verbs(action))?;
        overlay.is_back(&Item::Action(condition.to_owned(), action.name.clone()));
        overlay.add_action(condition, action.clone());
        let verdict = self.put_change(id, overlay)?;
        if now {
            self.do_now(id, condition, &action.name);
        }
        Ok(verdict)
    }

    /// An action is done as soon as it is there (`HACTIONDONOW`), alone.
    fn do_now(&mut self, id: EntityId, condition: &str, action: &str) {
        let Some(plan) = self.plan_of(id) else { return };
        let Some(place) = plan.conditions.iter().position(|known| known.name == condition) else {
            return;
        };
        let Some(known) = plan.conditions.get(place) else { return };
        let Some(at) = known.actions.iter().position(|known| known.name == action) else { return };
        let running = self.entity(id).running();
        let occurrence = Occurrence {
            about: id,
            kinds: Kinds::default(),
            detail: Detail::Now,
            slot: running.map(|(slot, _)| slot),
            pid: running.map_or(0, |(_, pid)| pid),
            status: None,
        };
        let place = u16::try_from(place).unwrap_or(u16::MAX);
        let at = u16::try_from(at).unwrap_or(u16::MAX);
        self.begin_single(id, known.class, (place, at), occurrence);
    }

    fn add_on_fail(&mut self, id: EntityId, item: &Item, verb: &Verb) -> Outcome {
        let Item::OnFail(condition, action, name) = item else { return Err(Objection::Missing) };
        sound_name(name).and(sound_on_fail(verb)).map_err(|_| Objection::Unsound)?;
        let above = Item::Action(condition.clone(), action.clone());
        let (plan, mut overlay) = self.known(id, &above)?;
        if overlay.made(item) {
            return Err(Objection::Exists);
        }
        let class = plan.conditions.iter().find(|known| known.name == *condition).map(|c| c.class);
        if class == Some(Class::NoWait) && matches!(verb, Verb::WaitFor(_)) {
            return Err(Objection::NoWait);
        }
        self.names_entities(std::iter::once(verb))?;
        overlay.on_fail.push(LateOnFail { item: item.clone(), verb: verb.clone() });
        self.put_change(id, overlay)
    }

    /// Whether every entity that is named exists, as a unit's must.
    fn names_entities<'a>(
        &self,
        mut verbs: impl Iterator<Item = &'a Verb>,
    ) -> Result<(), Objection> {
        let is_there = |verb: &Verb| match verb {
            Verb::Start(name) | Verb::Stop(name) => self.find(name).is_some(),
            Verb::NotifySignal(signal) => match &signal.target {
                SignalTarget::Entity(name) => self.find(name).is_some(),
                SignalTarget::Own | SignalTarget::Process { .. } => true,
            },
            Verb::Restart(_)
            | Verb::Execute(_)
            | Verb::NotifyPulse(_)
            | Verb::WaitFor(_)
            | Verb::Log(_)
            | Verb::HeartbeatHealthy
            | Verb::Shutdown(_) => true,
        };
        if verbs.all(is_there) { Ok(()) } else { Err(Objection::NoEntity) }
    }

    /// The entity without its changes.
    pub(super) fn bare(&self, id: EntityId, overlay: &Overlay) -> Result<EntityPlan, Objection> {
        match &overlay.entity {
            Some(made) => Ok((**made).clone()),
            None => self.planned(id).map_err(|_| Objection::Missing),
        }
    }

    /// Whether it could be kept, and worked with.
    pub(super) fn fits(&mut self, id: EntityId, overlay: &Overlay) -> Result<(), Objection> {
        let plan = overlay.over(self.bare(id, overlay)?);
        check(&plan).map_err(|_| Objection::Full)?;
        if self.has_room(id, overlay) { Ok(()) } else { Err(Objection::Full) }
    }

    fn put_change(&mut self, id: EntityId, overlay: Overlay) -> Outcome {
        self.fits(id, &overlay)?;
        self.lay(id, overlay);
        Ok(Verdict::Done)
    }
}

fn arming(plan: &EntityPlan, item: &Item, armed: bool) -> Fact {
    let names = match item {
        Item::Entity => (None, None),
        Item::Condition(condition) => (Some(condition), None),
        Item::Action(condition, action) | Item::OnFail(condition, action, _) => {
            (Some(condition), Some(action))
        }
    };
    let word = |place: usize| u16::try_from(place).ok();
    let place = names
        .0
        .and_then(|name| plan.conditions.iter().position(|condition| condition.name == *name));
    let at = place.and_then(|place| plan.conditions.get(place)).and_then(|condition| {
        condition.actions.iter().position(|action| Some(&action.name) == names.1)
    });
    let (condition, action) = (place.and_then(word), at.and_then(word));
    if armed { Fact::Armed { condition, action } } else { Fact::Disarmed { condition, action } }
}

fn verbs(action: &ActionPlan) -> impl Iterator<Item = &Verb> {
    std::iter::once(&action.verb).chain(&action.on_fail)
}

fn waits(condition: &ConditionPlan) -> bool {
    condition.actions.iter().flat_map(verbs).any(|verb| matches!(verb, Verb::WaitFor(_)))
}

fn is_restart(action: &ActionPlan) -> bool {
    matches!(action.verb, Verb::Restart(_))
}

/// A restart stands on a condition of death, and is the only one (QNX HAM §3).
fn may_restart(
    plan: &EntityPlan,
    condition: &ConditionPlan,
    action: &ActionPlan,
) -> Result<(), Objection> {
    if !is_restart(action) {
        return Ok(());
    }
    if !condition.on.may_restart() {
        return Err(Objection::NoDeath);
    }
    if plan.command.is_empty() {
        return Err(Objection::NoProcess);
    }
    if plan.restart().is_some() { Err(Objection::SecondRestart) } else { Ok(()) }
}
