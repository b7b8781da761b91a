//! A monitor restored from the records before each step: it must do what the
//! one that lived on does.

use super::{Checked, World};
use ham_core::effect::Effect;
use ham_core::event::Event;
use ham_core::ids::EntityId;
use ham_core::memory::{Memory, SlotState};
use ham_core::monitor::{Monitor, Turn};
use ham_tests::fake::SharedMemory;

impl World {
    /// A second monitor, restored from what is committed. It is shown slots as
    /// the first one believes them to be: a process that is being made counts
    /// as made, a slot as free when that was told.
    pub(super) fn shadow(&self) -> Monitor {
        let mut store = self.memory.store().clone();
        for (index, generation) in &self.freed {
            let word = store.slots.entry(*index).or_default();
            word.generation = word.generation.max(*generation);
            word.state = SlotState::Free;
        }
        for (index, generation) in &self.held {
            let word = store.slots.entry(*index).or_default();
            word.generation = *generation;
            word.state = SlotState::Running;
        }
        let memory: Box<dyn Memory> = Box::new(SharedMemory::holding(store));
        self.restored(memory).0
    }

    pub(super) fn compare(&self, mut shadow: Monitor, event: &Event, turn: &Turn) -> Checked {
        self.is_as_committed(&shadow)?;
        let mut other = Turn::default();
        shadow.step(self.kernel.now, event.clone(), &mut other);
        self.same(&shadow, event, (turn, &other))
    }

    /// What restoring alone has changed would be a change without cause.
    pub(super) fn is_as_committed(&self, shadow: &Monitor) -> Checked {
        for (id, record) in &self.memory.store().records {
            let restored = shadow.record(*id);
            if restored.is_some_and(|restored| restored != *record) {
                return Err(format!("{id:?} was restored as {restored:?}, not {record:?}"));
            }
        }
        Ok(())
    }

    /// A turn, and that of the shadow.
    pub(super) fn same(
        &self,
        shadow: &Monitor,
        event: &Event,
        (turn, other): (&Turn, &Turn),
    ) -> Checked {
        let mine = without_old_replies(&turn.effects, event);
        let its = without_old_replies(&other.effects, event);
        if mine != its {
            return Err(format!("on {event:?} the shadow\n{its:#?}\nand the monitor\n{mine:#?}"));
        }
        for id in turn.dirty.union(&other.dirty) {
            let (mine, its) = (self.monitor.record(*id), shadow.record(*id));
            if mine != its {
                return Err(format!("on {event:?} {id:?} is {mine:?}, of the shadow {its:?}"));
            }
        }
        let unlike = |id: &EntityId| self.monitor.view(*id) != shadow.view(*id);
        if let Some(id) = self.monitor.plan().ids().find(unlike) {
            return Err(format!("on {event:?} entity {} looks different", id.0));
        }
        let (mine, its) = (self.monitor.deadline(), shadow.deadline());
        if mine != its {
            return Err(format!("on {event:?} the deadline is {mine:?}, of the shadow {its:?}"));
        }
        Ok(())
    }
}

/// Clients that wait are in no record: a successor does not answer those of
/// the monitor before, which ask again.
fn without_old_replies<'a>(effects: &'a [Effect], event: &Event) -> Vec<&'a Effect> {
    let asked = match event {
        Event::Request { id, .. } | Event::Directive { id, .. } => Some(*id),
        _ => None,
    };
    effects
        .iter()
        .filter(|effect| match effect {
            Effect::Reply { id, .. } | Effect::Verdict { id, .. } => Some(*id) == asked,
            _ => true,
        })
        .collect()
}
