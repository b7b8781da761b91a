//! The last request of each client that names itself, with its answers: part
//! of the committed state, so that a request which is repeated after a
//! takeover is known as one. A client is known by its user and the number that it
//! gives itself. It has a place in a table; a new one takes the place used
//! longest ago, of its like. What a repeat is told is in `repeat`.

use super::Monitor;
use super::ask::{Goal, Waiter, Who};
use super::attachers::Attacher;
use super::failed;
use crate::directive::{Directive, Verdict};
use crate::effect::Reply;
use crate::event::{Ask, Caller};
use crate::ids::{
    EntityId, MAX_CLIENTS, MAX_CLIENTS_OF_USER, MAX_ENTITIES, MAX_OWN_CLIENTS, SlotRef,
};
use crate::memory::{Head, Record, RecordId};
use crate::signal::Signal;
use crate::status::ExitStatus;
use crate::time::Mono;
use crate::words::{Odd, RECORD_WORDS, Reader, Words, Writer};
use std::ops::Range;

/// Entities whose answers fit into a record, behind its five first words. Of a
/// call with more of them the answers follow from what became of the entities.
pub(super) const MOST_ANSWERS: usize = RECORD_WORDS - 5;

/// The highest number that an answer can carry: stage and errno need 40 bits.
const MOST_DETAIL: u64 = (1 << 44) - 1;

/// In the word that says what was asked, behind kind and signal: the user is
/// root, or the manager's own.
const OWN: u64 = 1 << 16;

/// A request that was taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Client {
    from: Caller,
    /// When.
    pub(super) taken: Mono,
    pub(super) asked: Asked,
    /// One for each entity; none when there are more than fit, and of a
    /// directive.
    answers: Vec<(EntityId, Told)>,
    /// Of a directive without a verdict: until this entity has its process, or
    /// is rid of it.
    waits: Option<EntityId>,
}

/// What was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// This, of some entities.
    Ask(Ask),
    /// A directive, by its digest, and its verdict.
    Directive(u64, Option<Verdict>),
}

/// What one entity's part of a request has come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Told {
    /// It is under way.
    Pending,
    /// It was answered so.
    Answered(Reply),
    /// This process was to be sent the signal. Whether it was is not known
    /// after a takeover; a repeat sends it again.
    Signalled(SlotRef),
}

/// What a request is to the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Taken {
    /// A new one: the place where it is kept.
    New(u32),
    /// A repeat of what is kept there.
    Again(u32),
    /// Not the last one of its client.
    SerialUsed,
}

impl Client {
    /// What is kept about one entity; `None`: nothing.
    pub(super) fn told(&self, entity: EntityId) -> Option<Told> {
        self.answers.iter().find(|(of, _)| *of == entity).map(|(_, told)| *told)
    }

    /// Whether it has asked just this.
    fn asks(&self, asked: Asked) -> bool {
        match (self.asked, asked) {
            (Asked::Ask(before), Asked::Ask(ask)) => before == ask,
            (Asked::Directive(before, _), Asked::Directive(digest, _)) => before == digest,
            (Asked::Ask(_), Asked::Directive(..)) | (Asked::Directive(..), Asked::Ask(_)) => false,
        }
    }

    /// Whether it is one of that client.
    fn is_of(&self, from: Caller) -> bool {
        (self.from.uid, self.from.client) == (from.uid, from.client)
    }

    /// Whether it is still to be answered.
    fn waits(&self) -> bool {
        self.is_pending() || matches!(self.asked, Asked::Directive(_, None))
    }

    fn is_pending(&self) -> bool {
        self.waits.is_some() || self.answers.iter().any(|(_, told)| *told == Told::Pending)
    }

    /// What is still waited for, on behalf of the record at `place`.
    fn waiters(&self, place: u32) -> Vec<Waiter> {
        let goal = match self.asked {
            Asked::Ask(Ask::Start | Ask::Restart) => Goal::Up,
            Asked::Ask(Ask::Stop) => Goal::Down,
            Asked::Ask(Ask::Reload) => Goal::Reloaded,
            Asked::Ask(Ask::Kill(_)) | Asked::Directive(..) => return Vec::new(),
        };
        let pending = self.answers.iter().filter(|(_, told)| *told == Told::Pending);
        pending
            .map(|(entity, _)| Waiter { entity: *entity, goal, who: Who::Client(place) })
            .collect()
    }

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

/// The places of clients of root and of the manager's own user, or those of
/// all others.
fn places(own: bool) -> Range<u32> {
    if own { 0..MAX_OWN_CLIENTS } else { MAX_OWN_CLIENTS..MAX_CLIENTS }
}

impl Monitor {
    /// Takes a record of the monitor before. One that cannot be read is as if
    /// it had never been.
    pub(super) fn keep_client(&mut self, place: u32, words: &Words) {
        if let Ok(client) = Client::decode(words)
            && places(client.from.own).contains(&place)
        {
            self.waiters.extend(client.waiters(place));
            if let Some(entity) = client.waits {
                let by = Attacher { id: None, place: Some(place) };
                self.attachers.entry(entity).or_default().push(by);
            }
            self.clients.insert(place, client);
        }
    }

    /// Those of the monitor before that nobody has needed yet.
    fn read_clients(&mut self) {
        for place in std::mem::take(&mut self.unread_clients) {
            if let Ok(Some(words)) = self.memory.load(RecordId::Client(place)) {
                self.keep_client(place, &words);
            }
        }
    }

    /// The verdict that was given on the directive of that name, if it is the
    /// last request of its client: for one that comes again when what it is about
    /// has gone by what it has done.
    pub fn verdict_given(&mut self, from: Caller) -> Option<Verdict> {
        match self.last_asked(from)? {
            Asked::Directive(_, verdict) => verdict,
            Asked::Ask(_) => None,
        }
    }

    /// What was asked under that name, if it is the last request of its client.
    pub(super) fn last_asked(&mut self, from: Caller) -> Option<Asked> {
        self.read_clients();
        self.clients.values().find(|client| client.from == from).map(|client| client.asked)
    }

    /// Whether the verdict on the directive of that name is still to come.
    #[must_use]
    pub fn awaits_verdict(&self, from: Caller) -> bool {
        // One that waits is among those that were read at once.
        self.clients.values().any(|client| client.from == from && client.waits.is_some())
    }

    /// Looks a request up, and keeps it if it is new.
    pub(super) fn take_request(
        &mut self,
        from: Caller,
        asked: Asked,
        entities: &[EntityId],
    ) -> Taken {
        self.read_clients();
        let known = self.clients.iter().find(|(_, client)| client.is_of(from));
        let place = match known {
            Some((place, client)) if client.from == from && client.asks(asked) => {
                return Taken::Again(*place);
            }
            Some((_, client)) if client.from.serial >= from.serial => return Taken::SerialUsed,
            Some((place, _)) => *place,
            None => self.place_for_client(from),
        };
        if let Some(old) = self.clients.remove(&place) {
            for waiter in old.waiters(place) {
                self.waiters.remove(&waiter);
            }
            if old.waits.is_some() {
                self.forget_attacher(place);
            }
        }
        let mut answers = Vec::new();
        if entities.len() <= MOST_ANSWERS {
            answers.extend(entities.iter().map(|entity| (*entity, Told::Pending)));
        }
        let client = Client { from, taken: self.now, asked, answers, waits: None };
        self.clients.insert(place, client);
        self.turn.dirty.insert(RecordId::Client(place));
        Taken::New(place)
    }

    /// A place that is free, or else the one of the oldest request; of one
    /// that still waits for its answer only when all do. A user that has as many
    /// as it may have makes way for itself, and among many such users whoever
    /// has most.
    fn place_for_client(&self, from: Caller) -> u32 {
        let like = places(from.own);
        let of_user = |uid: u32| {
            let kept = self.clients.range(like.clone());
            kept.filter(|(_, client)| client.from.uid == uid).count()
        };
        let most = usize::try_from(MAX_CLIENTS_OF_USER).unwrap_or(usize::MAX);
        let has_most = !from.own && of_user(from.uid) >= most;
        let free = like.clone().find(|place| !self.clients.contains_key(place));
        if let Some(free) = free.filter(|_| !has_most) {
            return free;
        }
        let kept = self.clients.range(like.clone());
        let may_go = kept.filter(|(_, client)| !has_most || client.from.uid == from.uid);
        let key = |(place, client): &(&u32, &Client)| {
            let has = if from.own { 0 } else { of_user(client.from.uid) };
            (std::cmp::Reverse(has), client.waits(), client.taken, **place)
        };
        may_go.min_by_key(key).map_or(like.start, |(place, _)| *place)
    }

    /// The entity that a request was to detach, if it is the last one of its
    /// client: by then neither name nor process may lead there any more.
    #[must_use]
    pub fn detached_by(&self, from: Caller) -> Option<EntityId> {
        let unread = |place: &u32| {
            let words = self.memory.load(RecordId::Client(*place)).ok().flatten()?;
            Client::decode(&words).ok().map(|client| (client.from, client.asked))
        };
        let known = self.clients.values().map(|client| (client.from, client.asked));
        let mut all = known.chain(self.unread_clients.iter().filter_map(unread));
        let (_, asked) = all.find(|(of, _)| *of == from)?;
        let Asked::Directive(digest, _) = asked else { return None };
        let mut ids = (0..MAX_ENTITIES).map(EntityId);
        ids.find(|entity| Directive::Detach { entity: *entity }.digest() == digest)
    }

    /// The verdict on the directive of the client at `place`.
    pub(super) fn kept_verdict(&self, place: u32) -> Option<Verdict> {
        match self.clients.get(&place)?.asked {
            Asked::Directive(_, verdict) => verdict,
            Asked::Ask(_) => None,
        }
    }

    /// Keeps a verdict, in the turn in which it is given.
    pub(super) fn keep_verdict(&mut self, place: u32, verdict: Verdict) {
        let Some(client) = self.clients.get_mut(&place) else { return };
        if let Asked::Directive(digest, _) = client.asked {
            client.asked = Asked::Directive(digest, Some(verdict));
            client.waits = None;
            self.turn.dirty.insert(RecordId::Client(place));
        }
    }

    /// The verdict of the client at `place` comes when that entity has its
    /// process, or is rid of it: after a takeover too.
    pub(super) fn keep_waiting(&mut self, place: u32, entity: EntityId) {
        let Some(client) = self.clients.get_mut(&place) else { return };
        client.waits = Some(entity);
        self.turn.dirty.insert(RecordId::Client(place));
    }

    /// Whom the client at `place` waits for.
    pub(super) fn awaited_by(&self, place: u32) -> Option<EntityId> {
        self.clients.get(&place)?.waits
    }

    /// Keeps an answer, in the turn in which it is given.
    pub(super) fn note_answer(&mut self, place: u32, entity: EntityId, told: Told) {
        let Some(client) = self.clients.get_mut(&place) else { return };
        if let Some((_, kept)) = client.answers.iter_mut().find(|(id, _)| *id == entity) {
            *kept = told;
            self.turn.dirty.insert(RecordId::Client(place));
        }
    }
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
