//! Who has sent a notification, as far as the kernel tells: a process of which
//! entity, and which of its processes.

use super::Engine;
use ham_core::ids::{EntityId, RESERVED_SLOTS, SlotRef};
use ham_core::plan::NotifyAccess;
use ham_snapshot::header::Field;
use ham_snapshot::slots::Phase;
use ham_sys::process;
use std::collections::BTreeMap;

/// Parents that are asked whether they belong to an entity.
const MOST_PARENTS: usize = 32;

/// A process of an entity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sender {
    pub(super) entity: EntityId,
    pub(super) role: Role,
    /// The slot that it had: it has ended, and speaks for no later process.
    pub(super) had: Option<SlotRef>,
}

/// Which of its processes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// The main one.
    Main,
    /// A command of one of its lists.
    Command,
    /// Any other that one of these has started.
    Other,
}

impl Sender {
    /// Whether the unit lets it tell.
    pub(super) fn may(self, access: NotifyAccess) -> bool {
        match access {
            NotifyAccess::None => false,
            NotifyAccess::Main => self.role == Role::Main,
            NotifyAccess::Exec => self.role != Role::Other,
            NotifyAccess::All => true,
        }
    }
}

/// Main processes and commands that have ended, as long as something of theirs
/// may wait in the socket: what they have sent is there when their end is
/// noted, so nothing is once the socket was seen empty after that.
#[derive(Debug, Default)]
pub(super) struct Departed(BTreeMap<i32, Sender>);

impl Departed {
    fn note(&mut self, pid: i32, sender: Sender) {
        self.0.insert(pid, sender);
    }

    /// What this process was; nothing, when its number is another's by now.
    fn of(&self, pid: i32) -> Option<Sender> {
        self.0.get(&pid).copied().filter(|_| !process::lives(pid, 0))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Nothing waits in the socket.
    pub(super) fn all_heard(&mut self) {
        self.0.clear();
    }
}

impl Engine {
    /// Whose process this is; `None`: nobody's, or it has gone without a trace.
    pub(super) fn sender(&mut self, pid: i32) -> Option<Sender> {
        if pid <= 1 || self.is_own(pid) {
            return None;
        }
        if let Some(slot) = self.live_slot(pid) {
            let (entity, command) = self.core.owner_of(slot)?;
            let role = if command { Role::Command } else { Role::Main };
            return Some(Sender { entity, role, had: None });
        }
        // It can have ended between that look and this one.
        self.note_departed();
        if let Some(sender) = self.departed.of(pid) {
            return Some(sender);
        }
        let slot = self.holder.slot_of(pid).or_else(|| self.slot_of_relatives(pid))?;
        let (entity, _) = self.core.owner_of(slot)?;
        Some(Sender { entity, role: Role::Other, had: None })
    }

    /// Who has a slot and has ended since the reaper was last heard, for what
    /// of theirs still waits in the socket.
    pub(super) fn note_departed(&mut self) {
        if self.state.exits_overrun(self.exits_seen) {
            return self.note_all_departed();
        }
        let mut place = self.exits_seen;
        while let Some(index) = self.state.exit_at(place) {
            place = place.wrapping_add(1);
            self.note_departed_of(index);
        }
    }

    /// The same of every slot: a monitor before this one may have heard of
    /// their ends, and not what they have said.
    pub(super) fn note_all_departed(&mut self) {
        (0..self.state.slots_used()).for_each(|index| self.note_departed_of(index));
    }

    fn note_departed_of(&mut self, index: u32) {
        let Some(slot) = self.state.slot(index).filter(|_| index >= RESERVED_SLOTS) else { return };
        let (generation, phase) = slot.word();
        let (reference, pid) = (SlotRef { index, generation }, slot.ended());
        if phase == Phase::Exited
            && pid > 1
            && let Some((entity, command)) = self.core.owner_of(reference)
        {
            let role = if command { Role::Command } else { Role::Main };
            self.departed.note(pid, Sender { entity, role, had: Some(reference) });
        }
    }

    pub(super) fn is_own(&self, pid: i32) -> bool {
        let fields = [Field::ReaperPid, Field::MonitorPid, Field::GuardianPid];
        fields.iter().any(|field| i32::try_from(self.state.get(*field)) == Ok(pid))
    }

    /// The slot that holds this process itself, which lives.
    pub(super) fn live_slot(&self, pid: i32) -> Option<SlotRef> {
        let slot = self.state.slot_of_pid(pid)?;
        let (generation, phase) = slot.word();
        let lives = matches!(phase, Phase::Intent | Phase::Running);
        let reference = SlotRef { index: slot.index(), generation };
        (lives && slot.index() >= RESERVED_SLOTS).then_some(reference)
    }

    /// Without a cgroup: of the leader of its session, or of an ancestor.
    fn slot_of_relatives(&self, pid: i32) -> Option<SlotRef> {
        let mut at = pid;
        for _ in 0..MOST_PARENTS {
            let (parent, session) = process::relatives_of(at)?;
            if at <= 1 || self.is_own(at) {
                return None;
            }
            if let Some(slot) = self.live_slot(at).or_else(|| self.live_slot(session)) {
                return Some(slot);
            }
            at = parent;
        }
        None
    }

    /// Whether a process may become the main one of a slot, on the word of
    /// another (details 20): it is of the same entity, and none of ham's own.
    /// Where there is no cgroup that says so, it must be of the sender's user.
    pub(super) fn may_be_main(&self, slot: SlotRef, uid: u32, pid: i32) -> bool {
        if pid <= 1 || self.is_own(pid) {
            return false;
        }
        // A process that has a slot of its own is the main one or a command.
        if let Some(own) = self.live_slot(pid) {
            return own == slot;
        }
        if self.holder.slot_of(pid) == Some(slot) {
            return true;
        }
        self.slot_of_relatives(pid) == Some(slot) && process::uid_of(pid) == Some(uid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_may_tell() {
        let cases = [
            (NotifyAccess::None, [false, false, false]),
            (NotifyAccess::Main, [true, false, false]),
            (NotifyAccess::Exec, [true, true, false]),
            (NotifyAccess::All, [true, true, true]),
        ];
        for (access, expected) in cases {
            let may = [Role::Main, Role::Command, Role::Other]
                .map(|role| Sender { entity: EntityId(0), role, had: None }.may(access));
            assert_eq!(may, expected, "{access:?}");
        }
    }
}
