//! Who has sent a notification, as far as the kernel tells: a process of which
//! entity, and which of its processes.

use super::Engine;
use ham_core::ids::{EntityId, RESERVED_SLOTS, SlotRef};
use ham_core::plan::NotifyAccess;
use ham_snapshot::header::Field;
use ham_snapshot::slots::Phase;
use ham_sys::process;

/// Parents that are asked whether they belong to an entity.
const MOST_PARENTS: usize = 32;

/// A process of an entity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sender {
    pub(super) entity: EntityId,
    pub(super) role: Role,
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

impl Engine {
    /// Whose process this is; `None`: nobody's, or it has gone without a trace.
    pub(super) fn sender(&self, pid: i32) -> Option<Sender> {
        if pid <= 1 || self.is_own(pid) {
            return None;
        }
        if let Some(slot) = self.live_slot(pid) {
            let (entity, command) = self.core.owner_of(slot)?;
            return Some(Sender { entity, role: if command { Role::Command } else { Role::Main } });
        }
        let slot = self.holder.slot_of(pid).or_else(|| self.slot_of_relatives(pid))?;
        let (entity, _) = self.core.owner_of(slot)?;
        Some(Sender { entity, role: Role::Other })
    }

    fn is_own(&self, pid: i32) -> bool {
        let fields = [Field::ReaperPid, Field::MonitorPid, Field::GuardianPid];
        fields.iter().any(|field| i32::try_from(self.state.get(*field)) == Ok(pid))
    }

    /// The slot that holds this process itself.
    fn live_slot(&self, pid: i32) -> Option<SlotRef> {
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
                .map(|role| Sender { entity: EntityId(0), role }.may(access));
            assert_eq!(may, expected, "{access:?}");
        }
    }
}
