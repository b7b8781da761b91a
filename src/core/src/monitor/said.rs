//! What an entity says of itself by sd_notify(3), and what follows from it.
//! The daemon has looked at who says it, and whether it may. Every word can
//! come twice: after a takeover the datagram is read again.

use super::Monitor;
use super::pool::Owner;
use super::run::Phase;
use crate::effect::{Effect, Fact};
use crate::ids::{EntityId, SlotRef};
use crate::memory::{Head, Record, RecordId};
use crate::notify::Told;
use crate::plan::{RELOAD, Readiness};
use crate::time::{Mono, Span};
use crate::words::{Odd, RECORD_WORDS, Reader, Words, Writer};

/// Bytes of a status text that fit into a record, behind its three first words.
pub const STATUS_BYTES: usize = (RECORD_WORDS - 3) * 8;

/// What an entity has said of itself since its process was started.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Said {
    /// `STATUS=`, at most [`STATUS_BYTES`] long.
    pub status: String,
    /// `ERRNO=`; 0: none.
    pub errno: u32,
    /// Heartbeats (`WATCHDOG=1`).
    pub beats: u64,
}

impl Said {
    pub(super) fn record(&self) -> Record {
        let bytes = self.status.as_bytes();
        let mut words = Writer::new();
        words.put(u64::from(self.errno)).put(self.beats).put(bytes.len() as u64);
        for part in bytes.chunks(8) {
            let mut word = [0u8; 8];
            for (to, from) in word.iter_mut().zip(part) {
                *to = *from;
            }
            words.put(u64::from_le_bytes(word));
        }
        Record { head: Head::default(), words: words.finish() }
    }

    pub(super) fn decode(words: &Words) -> Result<Said, Odd> {
        let mut from = Reader::new(words);
        let errno = from.get_u32()?;
        let beats = from.get()?;
        let length = usize::try_from(from.get()?).map_err(|_| Odd)?;
        if length > STATUS_BYTES {
            return Err(Odd);
        }
        let mut bytes = Vec::with_capacity(STATUS_BYTES);
        for _ in 0..length.div_ceil(8) {
            bytes.extend_from_slice(&from.get()?.to_le_bytes());
        }
        from.finish()?;
        bytes.truncate(length);
        let status = String::from_utf8(bytes).map_err(|_| Odd)?;
        let said = Said { status, errno, beats };
        if said.record().words == *words { Ok(said) } else { Err(Odd) }
    }
}

impl Monitor {
    /// What an entity has said of itself.
    #[must_use]
    pub fn said(&self, id: EntityId) -> Said {
        if let Some(said) = self.said.get(&id) {
            return said.clone();
        }
        let words = self.memory.load(RecordId::Said(id)).ok().flatten();
        words.and_then(|words| Said::decode(&words).ok()).unwrap_or_default()
    }

    /// Its next process has said nothing yet.
    pub(super) fn forget_said(&mut self, id: EntityId) {
        if self.said(id) != Said::default() {
            self.said.insert(id, Said::default());
            self.turn.dirty.insert(RecordId::Said(id));
        }
    }

    /// One datagram of a process of the entity whose main process has, or had,
    /// this slot.
    pub(super) fn told(&mut self, slot: SlotRef, told: &Told) {
        let Owner::Main(id) = self.pool.owner(slot) else { return };
        if self.entity(id).slot() != Some(slot) {
            return;
        }
        self.note_said(id, told);
        if let Some(pid) = told.main {
            self.new_main(id, slot, pid);
        }
        if let Some(more) = told.extend {
            self.extend(id, more);
        }
        if told.reloading {
            self.reloading(id, told.at);
        }
        if told.ready {
            self.told_ready(id, slot);
        }
        self.told_beats(id, slot, told);
        let mut entity = self.entity(id);
        if told.stopping && !entity.ends {
            entity.ends = true;
            self.put(id, entity);
            self.note(id, Fact::EndsItself);
        }
    }

    fn note_said(&mut self, id: EntityId, told: &Told) {
        let before = self.said(id);
        let mut said = before.clone();
        if let Some(status) = &told.status {
            said.status = cut(status);
        }
        if let Some(errno) = told.errno {
            said.errno = errno;
        }
        said.beats = said.beats.saturating_add(u64::from(told.beat));
        if said != before {
            self.said.insert(id, said);
            self.turn.dirty.insert(RecordId::Said(id));
        }
    }

    fn told_ready(&mut self, id: EntityId, slot: SlotRef) {
        let notifies = self.plan_of(id).is_some_and(|plan| plan.ready == Readiness::Notify);
        if notifies {
            self.process_ready(id, slot);
        }
        let mut entity = self.entity(id);
        if let Some(began) = entity.reloading {
            entity.reloading = None;
            entity.reloaded = Some(began);
            self.put(id, entity);
            self.note(id, Fact::Reloaded);
            self.up_seen(id, Some(began));
        }
    }

    fn reloading(&mut self, id: EntityId, at: Option<Mono>) {
        let mut entity = self.entity(id);
        let began = at.unwrap_or(self.now);
        // Read again after a takeover; of which time it says nothing, that of
        // the first reading counts.
        let known = match at {
            Some(_) => entity.reloading == at || entity.reloaded == at,
            None => entity.reloading.is_some(),
        };
        if !known {
            entity.reloading = Some(began);
            self.put(id, entity);
            self.note(id, Fact::Reloading);
        }
    }

    /// The main process that it has named before its start was seen, if any.
    pub(super) fn take_named(&mut self, id: EntityId, slot: SlotRef) {
        let mut entity = self.entity(id);
        let pid = std::mem::take(&mut entity.named);
        if pid != 0 {
            self.put(id, entity);
            self.new_main(id, slot, pid);
        }
    }

    /// Another process is its main process from now on.
    pub(super) fn new_main(&mut self, id: EntityId, slot: SlotRef, pid: i32) {
        let mut entity = self.entity(id);
        if !entity.is_seen() {
            // A quick one can say so sooner than the thread that has made it.
            entity.named = pid;
            return self.put(id, entity);
        }
        if !entity.change_pid(pid) {
            return;
        }
        entity.adopted = true;
        self.put(id, entity);
        self.note(id, Fact::MainProcess { pid });
        self.emit(Effect::Adopt { slot, entity: id, pid });
    }

    /// Whatever it is about to do takes longer: it has at least so much from
    /// now on.
    fn extend(&mut self, id: EntityId, more: Span) {
        let least = self.now.after(more);
        let mut entity = self.entity(id);
        entity.extend(least);
        self.put(id, entity);
    }

    /// It is up, or has read its configuration again (that began then):
    /// actions that have waited for it go on.
    pub(super) fn up_seen(&mut self, id: EntityId, reloaded: Option<Mono>) {
        let indexes = self.runs_of.get(&id).cloned().unwrap_or_default();
        for index in indexes {
            let Some(run) = self.runs.get(&index).filter(|run| run.phase == Phase::Up) else {
                continue;
            };
            let done = match reloaded {
                Some(began) => run.condition == RELOAD && began >= run.began,
                None => run.condition != RELOAD,
            };
            if done {
                self.concluded(index, Ok(()));
            }
        }
    }
}

/// As much of a text as fits, in whole characters.
fn cut(text: &str) -> String {
    let mut end = text.len().min(STATUS_BYTES);
    while !text.is_char_boundary(end) {
        end = end.saturating_sub(1);
    }
    text.get(..end).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_said_survives_its_record() {
        for status in ["", "ok", "12345678", &"ä".repeat(116)] {
            let said = Said { status: status.to_owned(), errno: 110, beats: 3 };
            assert_eq!(Said::decode(&said.record().words), Ok(said));
        }
        assert_eq!(cut(&"ä".repeat(200)).len(), STATUS_BYTES);
        assert_eq!(cut(&format!("x{}", "ä".repeat(200))).len(), STATUS_BYTES - 1);
    }
}
