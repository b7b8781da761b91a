//! The end of a turn: it is committed, then its effects are carried out. Each
//! that the core waits for leads to exactly one event.

use super::clearers::Tidying;
use super::directories::goes;
use super::holder::Held;
use super::loading;
use super::prepare;
use super::spawners::Job;
use super::{BUSY_AT_MOST_NS, Engine, MANY};
use crate::facts::{self, ERROR_STATE_FULL, Weight};
use crate::say::say;
use ham_core::effect::{Effect, Fact, Notice, Spawn};
use ham_core::event::Event;
use ham_core::ids::{EntityId, SlotRef};
use ham_core::memory::RecordId;
use ham_core::way::Last;
use ham_core::wheel::Member;
use ham_snapshot::history::Entry;
use ham_snapshot::slots::Slot;
use ham_sys::clock;
use ham_sys::process;
use std::time::Duration;

/// How long what is left at the very end has to disappear, and the log to be
/// read.
const LAST_PATIENCE: Duration = Duration::from_secs(1);

impl Engine {
    /// Commits `self.turn` and the remarks, then carries out the effects.
    pub(super) fn finish_turn(&mut self) {
        let effects = std::mem::take(&mut self.turn.effects);
        let mut history = std::mem::take(&mut self.remarks);
        for effect in &effects {
            history.extend(self.entry(effect));
            history.extend(self.explain_main(effect));
        }
        let now = (clock::monotonic(), clock::realtime());
        for entry in &mut history {
            (entry.mono, entry.real) = now;
        }
        let changed: Vec<_> =
            self.turn.dirty.iter().map(|id| (*id, self.core.record(*id))).collect();
        let ids: Vec<RecordId> = match self.stored.is_empty() {
            true => Vec::new(),
            false => changed.iter().map(|(id, _)| *id).collect(),
        };
        self.turn.clear();
        let has_history = !history.is_empty();
        if (has_history || !changed.is_empty())
            && let Err(error) = self.store.commit(&changed, &history)
        {
            // The state cannot grow. To go on without it would be to forget;
            // the next monitor starts from the last turn.
            say(format_args!("monitor: could not commit: {error}"));
            process::exit_now(1);
        }
        // Giving back a slot removes its cgroup, which can wait until what
        // somebody waits for is under way.
        let (later, now): (Vec<Effect>, Vec<Effect>) =
            effects.into_iter().partition(|effect| matches!(effect, Effect::Free { .. }));
        for effect in now.into_iter().chain(later) {
            self.carry_out(effect);
        }
        self.stored_after(&ids);
        // Whoever writes the log takes a processor that effects may need.
        if has_history {
            self.log.wake();
        }
    }

    /// What of an effect belongs into the history.
    fn entry(&self, effect: &Effect) -> Option<Entry> {
        match effect {
            Effect::Notice(notice) => {
                let name = self.name(notice.entity);
                Some(facts::of_notice(notice, &name, &self.action_of(notice)))
            }
            Effect::Log { entity, text, .. } => Some(facts::of_log(&self.name(*entity), text)),
            Effect::Spawn(_)
            | Effect::Signal { .. }
            | Effect::SignalAll { .. }
            | Effect::SignalProcess { .. }
            | Effect::FindMain { .. }
            | Effect::Adopt { .. }
            | Effect::Attach { .. }
            | Effect::Release { .. }
            | Effect::ReadPid { .. }
            | Effect::Tidy { .. }
            | Effect::Clear { .. }
            | Effect::Free { .. }
            | Effect::Watch { .. }
            | Effect::Unwatch { .. }
            | Effect::Reply { .. }
            | Effect::Verdict { .. }
            | Effect::WatchBeats { .. }
            | Effect::UnwatchBeats { .. }
            | Effect::WatchMemory { .. }
            | Effect::Finish { .. } => None,
        }
    }

    pub(super) fn name(&self, entity: EntityId) -> String {
        self.core.name(entity).unwrap_or_else(|| format!("entity {}", entity.0))
    }

    /// What a fact is about beside its entity, by name: condition and action, or
    /// another entity.
    fn action_of(&self, notice: &Notice) -> String {
        let (condition, action, on_fail) = match notice.fact {
            Fact::ActionFailed { condition, action, on_fail, .. }
            | Fact::ActionDone { condition, action, on_fail } => (condition, Some(action), on_fail),
            Fact::Fired { condition } => (condition, None, 0),
            Fact::Dependency { on, .. } => return self.blame(on),
            Fact::Conflict { with } => return self.name(with),
            Fact::PulseSent { place, .. } => {
                return self.core.channel_at(place).unwrap_or_default().to_owned();
            }
            Fact::ChannelReused { place } => {
                return self.core.channel_gone(place).unwrap_or_default().to_owned();
            }
            Fact::State { from, to } => {
                return self.transition(notice.entity, from, to);
            }
            Fact::Armed { condition: Some(condition), action }
            | Fact::Disarmed { condition: Some(condition), action } => (condition, action, 0),
            _ => return String::new(),
        };
        let Some(plan) = self.core.definition(notice.entity) else { return String::new() };
        let Some(list) = plan.list_name(condition) else { return String::new() };
        let name = action.and_then(|at| plan.action_name(condition, at));
        let (Some(at), Some(name)) = (action, name) else { return list.to_owned() };
        match plan.verb(condition, at, on_fail).filter(|_| on_fail > 0) {
            Some(verb) => format!("{list}/{name} (on-fail {on_fail}: {})", verb.word()),
            None => format!("{list}/{name}"),
        }
    }

    fn carry_out(&mut self, effect: Effect) {
        match effect {
            Effect::Spawn(spawn) => self.spawn(spawn),
            Effect::Signal { slot, signal, code, value, run } => {
                let queued = run.is_some().then_some((code, value));
                self.signal(slot, (signal, queued, run));
            }
            Effect::Clear { slot, entity, command } => {
                let held = self.held_by(slot, entity, command);
                if self.holder.is_empty(&held) {
                    self.feed(Event::Cleared { slot, left: 0 });
                } else {
                    self.clearers.clear(held);
                }
            }
            Effect::Free { slot } => {
                self.free(slot, clock::monotonic().saturating_add(BUSY_AT_MOST_NS));
            }
            Effect::Watch { wait, path, not_before } => {
                if !self.paths.watch(wait, path, not_before, &self.poller) {
                    self.feed(Event::PathSeen { wait, ok: false });
                }
            }
            Effect::Unwatch { wait } => self.paths.unwatch(wait, &self.poller),
            Effect::SignalAll { slot, entity, signal } => {
                let held = self.held_by(slot, entity, false);
                self.spawners.submit(Job::SignalAll { held, signal });
            }
            Effect::FindMain { slot, entity, path } => {
                let held = self.held_by(slot, entity, false);
                let plan = self.core.definition(entity);
                let identity = plan.as_ref().and_then(|plan| plan.identity.as_ref());
                let uid = identity.map_or_else(process::effective_uid, |identity| identity.uid);
                self.spawners.submit(Job::FindMain { held, path, uid });
            }
            Effect::Adopt { slot, entity, pid } => self.adopt_main(slot, entity, pid),
            Effect::Attach { slot, entity, pid, start } => self.attach(slot, entity, pid, start),
            Effect::Release { slot } => self.release(slot),
            Effect::ReadPid { entity, path } => self.read_pid(entity, path),
            Effect::Tidy { entity, restarts } => self.tidy(entity, restarts),
            // The line is in the history since the commit.
            Effect::Log { run, .. } => self.feed(Event::ActionDone { run, ok: true }),
            Effect::Notice(Notice { entity, fact: Fact::Started { .. } }) => {
                self.watch_memory(entity);
            }
            Effect::Notice(
                notice @ Notice { entity, fact: Fact::ActionDone { condition, action, on_fail } },
            ) if self.core.ends_by(entity, (condition, action, on_fail)) => {
                let (name, action) = (self.name(entity), self.action_of(&notice));
                self.remark(Weight::Event, &format!("shutting down by {name}: {action}"));
            }
            Effect::Notice(_) => {}
            Effect::Reply { id, entity, answer } => self.reply(id, entity, answer),
            Effect::WatchBeats { entity, slot, interval, from, every } => {
                self.watch_beats(Member { entity, slot, from, every }, interval);
            }
            Effect::UnwatchBeats { entity } => self.unwatch_beats(entity),
            Effect::WatchMemory { entity } => self.watch_memory_late(entity),
            Effect::Verdict { id, verdict } => self.verdict(id, verdict),
            Effect::Finish { last } => self.last = Some(last),
            Effect::SignalProcess { pid, start, signal, code, value, run } => {
                self.signal_process((pid, start), signal, (code, value), run);
            }
        }
    }

    fn tidy(&mut self, entity: EntityId, restarts: bool) {
        let plan = self.core.definition(entity);
        match plan.filter(|plan| plan.directories.iter().any(|one| goes(one, restarts))) {
            Some(plan) => self.clearers.tidy(Tidying { plan, restarts }),
            None => self.feed(Event::Tidied { entity }),
        }
    }

    fn spawn(&mut self, spawn: Box<Spawn>) {
        let slot = spawn.slot;
        if let Err(error) = self.store.reserve_slot(slot.index) {
            let errno = u64::try_from(error.errno.0).unwrap_or(0);
            self.feed(Event::SpawnFailed { slot, error: ERROR_STATE_FULL | errno });
            return;
        }
        let held = prepare::held(&spawn);
        if !held.command && self.core.watches_memory(spawn.entity) {
            self.holder.want_memory_counted(slot);
        }
        self.held.insert(slot.index, held);
        self.making.insert(slot.index);
        self.made_many |= self.making.len() >= MANY;
        self.spawn_with_output(spawn);
    }

    /// After a takeover nobody has noted whose process a slot holds: asked at
    /// its end, while the core still knows, so that its containment goes with
    /// the slot.
    pub(super) fn note_held(&mut self, slot: SlotRef) {
        if self.held.get(&slot.index).is_some_and(|held| held.slot == slot) {
            return;
        }
        if let Some((entity, command)) = self.core.owner_of(slot) {
            let name = self.name(entity);
            self.held.insert(slot.index, Held { slot, name, command });
        }
    }

    fn held_by(&self, slot: SlotRef, entity: EntityId, command: bool) -> Held {
        match self.held.get(&slot.index).filter(|held| held.slot == slot) {
            Some(held) => held.clone(),
            None => Held { slot, name: self.name(entity), command },
        }
    }

    /// `until`: how long a busy cgroup is waited for.
    pub(super) fn free(&mut self, reference: SlotRef, until: u64) {
        self.forget_ready(reference);
        let Some(slot) = self.state.slot(reference.index) else { return };
        // First the containment: as long as the slot is not free, a successor
        // comes here again.
        let gone = self.forget_held(reference, &slot, clock::monotonic() >= until);
        if !gone || !slot.free(reference.generation) {
            self.unfreed.insert(reference, until);
            return;
        }
        if self.held.get(&reference.index).is_some_and(|held| held.slot == reference) {
            self.held.remove(&reference.index);
        }
        self.feed(Event::SlotFreed { slot: reference });
    }

    /// False when it is still busy, and `give_up` is not given.
    fn forget_held(&mut self, reference: SlotRef, slot: &Slot, give_up: bool) -> bool {
        if let Some(held) = self.held.get(&reference.index).filter(|held| held.slot == reference) {
            return self.holder.forget(held, give_up);
        }
        if slot.word().0 != reference.generation {
            return true;
        }
        // Given up by a monitor that was killed then: nobody owns it any more,
        // so its name is all that is known (of a very long one not even that,
        // and its cgroup stays until the end).
        let forget = |command| {
            let held = Held { slot: reference, name: slot.name(), command };
            self.holder.forget(&held, give_up)
        };
        let (main, of_command) = (forget(false), forget(true));
        main && of_command
    }

    /// All is down. What is left of whatever was started is ended, and then
    /// the manager.
    pub(super) fn finish(&mut self, last: &Last) {
        for line in self.unreceived() {
            self.remark(Weight::Always, &line);
        }
        self.remark(Weight::Event, "done");
        self.finish_turn();
        self.finished = true;
        self.drain_output();
        self.settle_watchdog();
        // From here on nothing is made any more.
        self.spawners.close();
        self.end_followers();
        self.end_receiving();
        self.end_listening();
        self.control.close_all();
        // Without a plan no entity has been asked yet, and of those on a machine
        // that are no entity's nobody has.
        self.end_stragglers(self.planless || self.shared.options.place.is_board());
        self.holder.undo();
        self.log.flush(LAST_PATIENCE);
        if self.is_last_of_machine(last) {
            self.take_last_steps();
        }
        for name in ["control", "notify", "state"].into_iter().chain(loading::FILES) {
            let _ = std::fs::remove_file(self.shared.options.runtime.join(name));
        }
        self.say_done(last);
        self.shared.common.wake_reaper.post();
    }
}
