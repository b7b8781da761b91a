//! What people (and actions of other entities) ask for, and the way down.

use super::clients::{Asked, Taken, Told};
use super::entity::{Actual, Cause, Desired, Next, Why};
use super::life::occurrence;
use super::{Monitor, Shutdown};
use crate::effect::{Effect, Reply};
use crate::event::{Ask, Caller};
use crate::ids::{EntityId, RequestId};
use crate::memory::RecordId;
use crate::plan::RELOAD;
use crate::signal::Signal;
use crate::status::ExitStatus;
use crate::time::Span;
use crate::way::Way;
use std::collections::BTreeSet;

/// How long what was killed at the end of a shutdown has to disappear before
/// the manager ends without it: SIGKILL takes milliseconds, unless a process
/// hangs in the kernel, and then no waiting helps.
const LAST_GRACE: Span = Span::seconds(3);

/// Of the time of a shutdown a quarter, but no more than this, is kept for those
/// that end after others.
const MOST_KEPT: Span = Span::seconds(2);

/// What is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Goal {
    /// A process that runs.
    Up,
    /// None.
    Down,
    /// One that has read its configuration again.
    Reloaded,
}

/// Who waits for an outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Who {
    /// Somebody who is connected. In no record: who is cut off asks again.
    Request(RequestId),
    /// The record of a client, by its place.
    Client(u32),
}

/// An outcome that is waited for; in this order, so that those of one entity
/// stand together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Waiter {
    pub(super) entity: EntityId,
    pub(super) goal: Goal,
    pub(super) who: Who,
}

/// Who asks: to be answered, and where the answer is kept.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asker {
    pub(super) id: RequestId,
    pub(super) place: Option<u32>,
}

impl Asker {
    fn each(self) -> impl Iterator<Item = Who> {
        std::iter::once(Who::Request(self.id)).chain(self.place.map(Who::Client))
    }
}

impl Monitor {
    pub(super) fn request(
        &mut self,
        id: RequestId,
        entities: &[EntityId],
        ask: Ask,
        wait: bool,
        from: Option<Caller>,
    ) {
        let starts = matches!(ask, Ask::Start | Ask::Restart) && !self.is_shutting_down();
        // Before anything else, and so the same answer to every repeat.
        if starts && let Some((one, other)) = self.clash_of_start(entities) {
            for entity in entities {
                self.reply(id, *entity, Reply::Conflict(one, other));
            }
            return;
        }
        let place = match from.map(|from| self.take_request(from, Asked::Ask(ask), entities)) {
            None => None,
            Some(Taken::New(place)) => Some(place),
            Some(Taken::Again(place)) => {
                self.repeat(id, entities, wait, place);
                return;
            }
            Some(Taken::SerialUsed) => {
                for entity in entities {
                    self.reply(id, *entity, Reply::SerialUsed);
                }
                return;
            }
        };
        if starts {
            self.bring_along(entities);
        }
        for entity in entities {
            self.ask(Asker { id, place }, *entity, ask, wait);
        }
    }

    /// What is asked of one entity.
    pub(super) fn ask(&mut self, asker: Asker, entity: EntityId, ask: Ask, wait: bool) {
        let goal = match ask {
            Ask::Start | Ask::Restart | Ask::Reload if self.is_shutting_down() => {
                self.tell_both(asker, entity, Reply::ShuttingDown);
                return;
            }
            Ask::Start | Ask::Restart => Goal::Up,
            Ask::Stop => Goal::Down,
            Ask::Reload => Goal::Reloaded,
            Ask::Kill(signal) => {
                self.ask_kill(asker, entity, signal);
                return;
            }
        };
        if matches!(ask, Ask::Start | Ask::Restart)
            && !self.entity(entity).is_up()
            && self.cannot_be_started(entity)
        {
            self.tell_both(asker, entity, Reply::NotStartable);
            return;
        }
        // Whoever waits waits from before the request is carried out: what
        // fails at once must be told too.
        if ask == Ask::Reload
            && let Some(refusal) = self.no_reload(entity)
        {
            self.tell_both(asker, entity, refusal);
            return;
        }
        if wait {
            self.waiters.extend(asker.each().map(|who| Waiter { entity, goal, who }));
        }
        let changed = self.apply(entity, ask);
        if !wait {
            self.tell_both(asker, entity, if changed { Reply::Done } else { Reply::Already });
        } else if !changed {
            let reached = match goal {
                Goal::Up => self.entity(entity).is_up(),
                Goal::Down => self.entity(entity).actual == Actual::Down,
                Goal::Reloaded => false,
            };
            if reached {
                for who in asker.each() {
                    self.waiters.remove(&Waiter { entity, goal, who });
                }
                self.tell_both(asker, entity, Reply::Already);
            }
        } else if goal == Goal::Down && self.entity(entity).actual == Actual::Down {
            self.answer(entity, goal, Reply::Done);
        }
    }

    fn ask_kill(&mut self, asker: Asker, entity: EntityId, signal: Signal) {
        let Some(slot) = self.entity(entity).running_slot() else {
            self.tell_both(asker, entity, Reply::NotRunning);
            return;
        };
        self.emit(Effect::Signal { slot, signal, code: 0, value: 0, run: None });
        self.reply(asker.id, entity, Reply::Done);
        if let Some(place) = asker.place {
            self.note_answer(place, entity, Told::Signalled(slot));
        }
    }

    /// Does what was asked; what starts with it has been seen to. False when it
    /// was so already, or is on its way.
    pub(super) fn apply(&mut self, id: EntityId, ask: Ask) -> bool {
        match ask {
            Ask::Start => self.apply_start(id),
            Ask::Stop => self.apply_stop(id, Why::AskedStop),
            Ask::Restart => {
                self.want_running(id);
                let next = Next::Start(self.now, Cause::Asked);
                self.bring_down(id, Why::AskedStart, next);
                true
            }
            Ask::Reload => {
                let Some((slot, pid)) = self.entity(id).running() else { return false };
                let occurred = occurrence(id, &[], Some(slot), pid, None);
                if !self.begin_own_list(id, RELOAD, occurred) {
                    self.answer(id, Goal::Reloaded, Reply::ReloadFailed(None));
                }
                true
            }
            Ask::Kill(_) => false,
        }
    }

    /// Why an entity cannot be told to read its configuration again.
    fn no_reload(&mut self, id: EntityId) -> Option<Reply> {
        if self.entity(id).running().is_none() {
            return Some(Reply::NotRunning);
        }
        let has_list = self.plan_of(id).is_some_and(|plan| !plan.reload.is_empty());
        (!has_list).then_some(Reply::NoReload)
    }

    /// A person's start or restart gives a fresh budget (design §6).
    pub(super) fn want_running(&mut self, id: EntityId) {
        let mut entity = self.entity(id);
        entity.desired = Desired::Running;
        entity.budget = super::Budget::default();
        self.put(id, entity);
        self.answer(id, Goal::Down, Reply::Overruled);
    }

    fn apply_start(&mut self, id: EntityId) -> bool {
        self.want_running(id);
        match self.entity(id).actual {
            Actual::Up { .. }
            | Actual::Reached
            | Actual::Queued(_)
            | Actual::Gated(_)
            | Actual::Preparing { .. }
            | Actual::Starting { .. }
            | Actual::Readying { .. }
            | Actual::Handover { .. }
            | Actual::Aborting { .. }
            | Actual::Joining { .. } => false,
            Actual::Retiring { next: Next::Start(..), .. }
            | Actual::Stopping { next: Next::Start(..), .. } => false,
            Actual::Down | Actual::Waiting(..) => {
                self.begin_start(id, Cause::Asked);
                true
            }
            Actual::Retiring { .. } if self.stays_up(id, Why::AskedStart) => true,
            Actual::Retiring { .. }
            | Actual::Stopping { .. }
            | Actual::Clearing { .. }
            | Actual::Tidying { .. }
            | Actual::Left { .. } => {
                self.bring_down(id, Why::AskedStart, Next::Start(self.now, Cause::Asked));
                true
            }
        }
    }

    pub(super) fn apply_stop(&mut self, id: EntityId, why: Why) -> bool {
        let mut entity = self.entity(id);
        let changed = entity.desired == Desired::Running || entity.actual != Actual::Down;
        entity.desired = Desired::Stopped;
        if entity.actual == Actual::Down && changed {
            entity.why = why;
        }
        // Also while what it has left is still being cleared away.
        entity.finished = false;
        self.put(id, entity);
        self.answer(id, Goal::Up, Reply::Overruled);
        self.cancel_restarts(id);
        self.bring_down(id, why, Next::Rest);
        changed
    }

    /// The client that asked has gone. What it has asked for goes on, and the
    /// answer is kept where it has named itself.
    pub fn forget_request(&mut self, id: RequestId) {
        self.waiters.retain(|waiter| waiter.who != Who::Request(id));
    }

    pub(super) fn reply(&mut self, id: RequestId, entity: EntityId, answer: Reply) {
        self.emit(Effect::Reply { id, entity, answer });
    }

    fn tell(&mut self, who: Who, entity: EntityId, answer: Reply) {
        match who {
            Who::Request(id) => self.reply(id, entity, answer),
            Who::Client(place) => self.note_answer(place, entity, Told::Answered(answer)),
        }
    }

    fn tell_both(&mut self, asker: Asker, entity: EntityId, answer: Reply) {
        for who in asker.each() {
            self.tell(who, entity, answer);
        }
    }

    /// Answers everybody who waits for this of an entity.
    pub(super) fn answer(&mut self, entity: EntityId, goal: Goal, answer: Reply) {
        let first = Waiter { entity, goal, who: Who::Request(RequestId(0)) };
        let last = Waiter { entity, goal, who: Who::Client(u32::MAX) };
        let waiting: Vec<Waiter> = self.waiters.range(first..=last).copied().collect();
        for waiter in waiting {
            self.waiters.remove(&waiter);
            self.tell(waiter.who, entity, answer);
        }
    }

    /// The record of an entity cannot be read: what was asked of it is over.
    pub(super) fn answer_lost(&mut self, id: EntityId, actual: Actual) {
        let (up, down) = if actual == Actual::Down {
            (Reply::Ended(ExitStatus::Unknown), Reply::Done)
        } else {
            (Reply::Done, Reply::Overruled)
        };
        self.answer(id, Goal::Up, up);
        self.answer(id, Goal::Down, down);
        self.answer(id, Goal::Reloaded, Reply::ReloadFailed(None));
        self.join_lost(id);
    }

    /// Everything is to go down within that time; asked again, sooner.
    pub(super) fn shut_down(&mut self, way: Way, within: Span, signals: u64) {
        let way = if way.ends_machine() && !self.host.reboots { Way::Exit(0) } else { way };
        let due = self.now.after(within);
        self.global.signals = self.global.signals.max(signals);
        self.turn.dirty.insert(RecordId::Global);
        if let Some(shutdown) = &mut self.global.shutdown {
            let too_late = shutdown.finished || way == shutdown.way;
            if way.overrules(shutdown.way) && !too_late {
                (shutdown.way, shutdown.by) = (way, None);
            }
            if !shutdown.killing {
                // In a hurry nothing is kept for anybody.
                let all = shutdown.due.after(shutdown.share);
                if due < all {
                    (shutdown.due, shutdown.share) = (due, Span::ZERO);
                }
            }
            return;
        }
        let in_order = self.active.all().iter().any(|id| self.plan.is_linked(*id));
        let share = if in_order { Span(within.0 / 4).min(MOST_KEPT) } else { Span::ZERO };
        let due = self.now.after(Span(within.0.saturating_sub(share.0)));
        let (killing, finished) = (false, false);
        self.global.shutdown = Some(Shutdown { way, due, share, killing, finished, by: None });
        let others = self.waiters.iter().filter(|waiter| waiter.goal != Goal::Down);
        let waited_for: BTreeSet<EntityId> = others.map(|waiter| waiter.entity).collect();
        for id in waited_for {
            self.answer(id, Goal::Up, Reply::ShuttingDown);
            self.answer(id, Goal::Reloaded, Reply::ShuttingDown);
        }
        for id in self.active.all() {
            self.apply_stop(id, Why::Shutdown);
        }
        // What is down waits for nothing any more either.
        let waiting: Vec<EntityId> = self.runs_of.keys().copied().collect();
        for id in waiting {
            self.cancel_restarts(id);
        }
        self.cancel_waits();
    }

    /// The time to end in good order is over.
    pub(super) fn shutdown_due(&mut self) {
        let Some(shutdown) = &mut self.global.shutdown else { return };
        if shutdown.killing {
            self.finish();
            return;
        }
        if shutdown.share > Span::ZERO {
            shutdown.due = self.now.after(std::mem::take(&mut shutdown.share));
            self.kill_who_holds_up_others();
            return;
        }
        shutdown.killing = true;
        shutdown.due = self.now.after(LAST_GRACE);
        for id in self.active.all() {
            // It waited for others, whose time is over too.
            self.begin_end(id);
            if let Actual::Stopping { killed: false, .. } = self.entity(id).actual {
                self.end_by_force(id);
            }
        }
        // Lists that are still in progress have had their time.
        let commands: Vec<u32> = self.commands.keys().copied().collect();
        for slot in commands {
            self.command_due(slot);
        }
    }

    /// Those whose turn to end has not come have a right to be asked, too.
    fn kill_who_holds_up_others(&mut self) {
        let mut blockers: BTreeSet<EntityId> = BTreeSet::new();
        for id in self.active.all() {
            if let Actual::Retiring { .. } = self.entity(id).actual
                && let Some(plan) = self.links(id)
            {
                blockers.extend(&plan.links.before);
            }
        }
        for id in blockers {
            if let Actual::Stopping { killed: false, .. } = self.entity(id).actual {
                self.end_by_force(id);
            }
        }
    }

    pub(super) fn finish_when_down(&mut self) {
        let Some(shutdown) = self.global.shutdown else { return };
        if shutdown.finished {
            return;
        }
        self.settle();
        let waits_for_lists = !self.runs.is_empty() && !shutdown.killing;
        if self.active.is_empty() && !waits_for_lists {
            self.finish();
        }
    }

    fn finish(&mut self) {
        let Some(shutdown) = &mut self.global.shutdown else { return };
        shutdown.finished = true;
        self.turn.dirty.insert(RecordId::Global);
        self.emit_finish();
    }
}
