//! The last request of each client that names itself, with its answers: part
//! of the committed state, so that a request which is repeated after a
//! takeover is known as one. A client is known by its user and the number that it
//! gives itself. It has a place in a table; a new one takes the place used
//! longest ago, of its like. What a repeat is told is in `repeat`; how a client
//! stands in its record in `client_record`.

use super::Monitor;
use super::ask::{Goal, Waiter, Who};
use super::attachers::Attacher;
use crate::directive::{Directive, Verdict};
use crate::effect::Reply;
use crate::event::{Ask, Caller};
use crate::ids::{
    EntityId, MAX_CLIENTS, MAX_CLIENTS_OF_USER, MAX_ENTITIES, MAX_OWN_CLIENTS, SlotRef,
};
use crate::memory::RecordId;
use crate::time::Mono;
use crate::words::{RECORD_WORDS, Words};
use std::ops::Range;

/// Entities whose answers fit into a record, behind its five first words. Of a
/// call with more of them the answers follow from what became of the entities.
pub(super) const MOST_ANSWERS: usize = RECORD_WORDS - 5;

/// A request that was taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Client {
    pub(super) from: Caller,
    /// When.
    pub(super) taken: Mono,
    pub(super) asked: Asked,
    /// One for each entity; none when there are more than fit, and of a
    /// directive.
    pub(super) answers: Vec<(EntityId, Told)>,
    /// Of a directive without a verdict: until this entity has its process, or
    /// is rid of it.
    pub(super) waits: Option<EntityId>,
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

    pub(super) fn is_pending(&self) -> bool {
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
