//! A client in its record: what it has asked, and what it was told.

use super::clients::{Asked, Client, MOST_ANSWERS, Told};
use super::failed;
use crate::directive::Verdict;
use crate::effect::Reply;
use crate::event::{Ask, Caller};
use crate::ids::{EntityId, MAX_ENTITIES, SlotRef};
use crate::memory::{Head, Record};
use crate::signal::Signal;
use crate::status::ExitStatus;
use crate::time::Mono;
use crate::words::{Odd, Reader, Words, Writer};

/// The highest number that an answer can carry: stage and errno need 40 bits.
const MOST_DETAIL: u64 = (1 << 44) - 1;

/// In the word that says what was asked, behind kind and signal: the user is
/// root, or the manager's own.
const OWN: u64 = 1 << 16;

impl Client {
    pub(super) fn record(&self) -> Record {
        let head = Head { due: None, slot: None, open: self.is_pending(), active: false };
        let ask = match self.asked {
            Asked::Ask(Ask::Start) => 0,
            Asked::Ask(Ask::Stop) => 1,
            Asked::Ask(Ask::Restart) => 2,
            Asked::Ask(Ask::Reload) => 4,
            Asked::Ask(Ask::Kill(signal)) => 3 | (u64::from(signal.0) << 8),
            Asked::Directive(..) => 5,
        };
        let own = if self.from.own { OWN } else { 0 };
        let ask = ask | own | (u64::from(self.from.uid) << 32);
        let mut words = Writer::new();
        words.put(self.from.client).put(self.from.serial).put(self.taken.0).put(ask);
        let ask = match self.asked {
            Asked::Ask(ask) => ask,
            Asked::Directive(digest, verdict) => {
                words.put(digest).put(verdict.map_or(0, Verdict::to_word));
                // One more than its id; 0: for nobody, as in older records.
                words.put(self.waits.map_or(0, |id| u64::from(id.0).saturating_add(1)));
                return Record { head, words: words.finish() };
            }
        };
        words.put(self.answers.len() as u64);
        for (entity, told) in &self.answers {
            words.put(match ask {
                Ask::Kill(_) => signalled_word(*entity, *told),
                Ask::Start | Ask::Stop | Ask::Restart | Ask::Reload => answer_word(*entity, *told),
            });
        }
        Record { head, words: words.finish() }
    }

    pub(super) fn decode(words: &Words) -> Result<Client, Odd> {
        let mut from = Reader::new(words);
        let (client, serial) = (from.get()?, from.get()?);
        let taken = Mono(from.get()?);
        let word = from.get()?;
        let uid = u32::try_from(word >> 32).map_err(|_| Odd)?;
        let caller = Caller { uid, own: word & OWN != 0, client, serial };
        let word = word & 0xffff_ffff & !OWN;
        if word == 5 {
            let digest = from.get()?;
            let verdict = match from.get()? {
                0 => None,
                word => Some(Verdict::from_word(word).ok_or(Odd)?),
            };
            let waits = from.get()?.checked_sub(1).map(entity_from).transpose()?;
            from.finish()?;
            if waits.is_some() && verdict.is_some() {
                return Err(Odd);
            }
            let asked = Asked::Directive(digest, verdict);
            return Ok(Client { from: caller, taken, asked, answers: Vec::new(), waits });
        }
        let ask = match (word & 0xff, u8::try_from(word >> 8).map_err(|_| Odd)?) {
            (0, _) => Ask::Start,
            (1, _) => Ask::Stop,
            (2, _) => Ask::Restart,
            (3, number @ 1..=64) => Ask::Kill(Signal(number)),
            (4, _) => Ask::Reload,
            _ => return Err(Odd),
        };
        let count = from.get()?;
        if count > MOST_ANSWERS as u64 {
            return Err(Odd);
        }
        let mut answers = Vec::new();
        for _ in 0..count {
            let word = from.get()?;
            answers.push(match ask {
                Ask::Kill(_) => signalled_from(word)?,
                Ask::Start | Ask::Stop | Ask::Restart | Ask::Reload => answer_from(word)?,
            });
        }
        from.finish()?;
        let asked = Asked::Ask(ask);
        let client = Client { from: caller, taken, asked, answers, waits: None };
        if client.record().words == *words { Ok(client) } else { Err(Odd) }
    }
}

/// Entity in 16 bits, kind in 4, detail in 44.
fn answer_word(entity: EntityId, told: Told) -> u64 {
    let (kind, detail) = match told {
        // The two last are never kept: they follow from the request alone.
        Told::Pending
        | Told::Signalled(_)
        | Told::Answered(Reply::SerialUsed | Reply::Conflict(..)) => (0, 0),
        Told::Answered(Reply::Already) => (1, 0),
        Told::Answered(Reply::Done) => (2, 0),
        Told::Answered(Reply::NotRunning) => (3, 0),
        Told::Answered(Reply::StartFailed(error)) => (4, error.min(MOST_DETAIL)),
        Told::Answered(Reply::Ended(status)) => (5, status.to_word()),
        Told::Answered(Reply::Overruled) => (6, 0),
        Told::Answered(Reply::Left(count)) => (7, u64::from(count)),
        Told::Answered(Reply::ShuttingDown) => (8, 0),
        Told::Answered(Reply::Dependency(on)) => (9, u64::from(on.0)),
        Told::Answered(Reply::NoReload) => (10, 0),
        Told::Answered(Reply::ReloadFailed(failed)) => (11, failed::word(failed)),
        Told::Answered(Reply::PreStartFailed) => (12, 0),
        Told::Answered(Reply::NotStartable) => (15, 0),
    };
    u64::from(entity.0) | (kind << 16) | (detail << 20)
}

fn answer_from(word: u64) -> Result<(EntityId, Told), Odd> {
    let detail = word >> 20;
    let told = match (word >> 16) & 0xf {
        0 => Told::Pending,
        1 => Told::Answered(Reply::Already),
        2 => Told::Answered(Reply::Done),
        3 => Told::Answered(Reply::NotRunning),
        4 => Told::Answered(Reply::StartFailed(detail)),
        5 => Told::Answered(Reply::Ended(ExitStatus::from_word(detail).ok_or(Odd)?)),
        6 => Told::Answered(Reply::Overruled),
        7 => Told::Answered(Reply::Left(u32::try_from(detail).map_err(|_| Odd)?)),
        8 => Told::Answered(Reply::ShuttingDown),
        9 => Told::Answered(Reply::Dependency(entity_from(detail)?)),
        10 => Told::Answered(Reply::NoReload),
        11 => Told::Answered(Reply::ReloadFailed(failed::from_word(detail)?)),
        12 => Told::Answered(Reply::PreStartFailed),
        15 => Told::Answered(Reply::NotStartable),
        _ => return Err(Odd),
    };
    Ok((entity_from(word & 0xffff)?, told))
}

/// Of a signal: the slot as everywhere, generation in 32 bits and index in 16,
/// and between them the entity. Generation 0: it had no process.
fn signalled_word(entity: EntityId, told: Told) -> u64 {
    let slot = match told {
        Told::Signalled(slot) => slot.to_word(),
        Told::Pending | Told::Answered(_) => 0,
    };
    slot | (u64::from(entity.0) << 16)
}

fn signalled_from(word: u64) -> Result<(EntityId, Told), Odd> {
    let entity = entity_from((word >> 16) & 0xffff)?;
    let told = match SlotRef::from_word(word & !0xffff_0000) {
        Some(slot) => Told::Signalled(slot),
        None => Told::Answered(Reply::NotRunning),
    };
    Ok((entity, told))
}

fn entity_from(word: u64) -> Result<EntityId, Odd> {
    u32::try_from(word).ok().filter(|id| *id < MAX_ENTITIES).map(EntityId).ok_or(Odd)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::effect::{Failed, Failure};

    fn client(ask: Ask, told: &[Told]) -> Client {
        let answers =
            told.iter().enumerate().map(|(id, told)| (EntityId(65_535 - id as u32), *told));
        let from = Caller { uid: u32::MAX, own: true, client: u64::MAX, serial: 3 };
        let asked = Asked::Ask(ask);
        Client { from, taken: Mono(7), asked, answers: answers.collect(), waits: None }
    }

    #[test]
    fn every_answer_survives_in_its_record() {
        let slot = SlotRef { index: 65_535, generation: u32::MAX };
        let answers = [
            Told::Pending,
            Told::Answered(Reply::Already),
            Told::Answered(Reply::Done),
            Told::Answered(Reply::NotRunning),
            Told::Answered(Reply::StartFailed((255 << 32) | 11)),
            Told::Answered(Reply::Ended(ExitStatus::Signal { signal: Signal(64), core: true })),
            Told::Answered(Reply::Overruled),
            Told::Answered(Reply::Left(u32::MAX)),
            Told::Answered(Reply::ShuttingDown),
            Told::Answered(Reply::Dependency(EntityId(MAX_ENTITIES - 1))),
            Told::Answered(Reply::NoReload),
            Told::Answered(Reply::ReloadFailed(None)),
            Told::Answered(Reply::ReloadFailed(Some(Failed {
                action: 255,
                why: Failure::Spawn((200 << 32) | 2),
            }))),
            Told::Answered(Reply::PreStartFailed),
            Told::Answered(Reply::NotStartable),
        ];
        for ask in [Ask::Start, Ask::Stop, Ask::Restart, Ask::Reload] {
            for told in [&answers[..], &answers[1..], &[Told::Pending; MOST_ANSWERS], &[]] {
                let client = client(ask, told);
                let record = client.record();
                assert_eq!(record.head.open, told.contains(&Told::Pending));
                assert_eq!(Client::decode(&record.words), Ok(client));
            }
        }
        let told = [Told::Signalled(slot), Told::Answered(Reply::NotRunning)];
        let kill = client(Ask::Kill(Signal(64)), &told);
        assert_eq!(Client::decode(&kill.record().words), Ok(kill.clone()));
        let waits = Some(EntityId(MAX_ENTITIES - 1));
        for (verdict, waits) in [(None, None), (None, waits), (Some(Verdict::Already), None)] {
            let directive = Client {
                asked: Asked::Directive(77, verdict),
                answers: Vec::new(),
                waits,
                ..kill.clone()
            };
            assert_eq!(directive.record().head.open, waits.is_some());
            assert_eq!(Client::decode(&directive.record().words), Ok(directive));
        }
    }

    #[test]
    fn a_record_with_one_odd_word_is_refused() {
        const ROOT: u64 = OWN;
        let told = [Told::Answered(Reply::Done), Told::Answered(Reply::StartFailed(5))];
        let start = client(Ask::Start, &told).record().words;
        let slot = SlotRef { index: 9, generation: 2 };
        let kill = client(Ask::Kill(Signal(9)), &[Told::Signalled(slot)]).record().words;
        for (words, place, wrong) in [
            (start, 3, ROOT | 6),
            (start, 3, ROOT | (1 << 8)),
            (start, 4, 1),
            (start, 4, 28),
            (start, 4, u64::MAX),
            (start, 5, 13 << 16),
            (start, 5, (2 << 16) | (1 << 20)),
            (start, 5, (5 << 16) | (0x900 << 20)),
            (start, 7, 1),
            (kill, 3, ROOT | 3),
            (kill, 3, ROOT | 3 | (65 << 8)),
            (kill, 3, ROOT | 3 | (9 << 8) | (1 << 17)),
            (kill, 5, 9),
        ] {
            let mut words = words;
            words[place] = wrong;
            assert_eq!(Client::decode(&words), Err(Odd), "word {place}: {wrong:#x}");
        }
    }
}
