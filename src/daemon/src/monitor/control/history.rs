//! `History`: what the ring tells, once or as it goes on. Who follows is a
//! reader of the ring with a place in it: nothing is kept for one that does
//! not read, and when the ring has overtaken it, it learns how much it missed.

use super::calls::{is_glob, matches_glob, parameters, result, service_error};
use crate::monitor::Engine;
use crate::told;
use ham_core::wire::{Answer, Call, History, HistoryFact, HistoryParameters};
use ham_snapshot::header::Field;
use ham_snapshot::history::Entry;
use serde_json::json;
use std::collections::BTreeSet;

/// Answers that wait for one follower, in bytes: it gets no other batch before
/// it has read the last one, and a batch is shorter than this.
const BATCH_BYTES: usize = 63 * 1024;

/// A client that follows.
#[derive(Debug)]
pub(super) struct Follower {
    wanted: Wanted,
    /// The first entry that it has not been told.
    next: u64,
    /// Overwritten before it had asked.
    lost: u64,
    /// Whether it has had its first batch, which comes even if it is empty.
    begun: bool,
}

/// Which entries somebody wants.
#[derive(Debug)]
struct Wanted {
    names: BTreeSet<String>,
    globs: Vec<String>,
    /// Nanoseconds since the epoch.
    since: u64,
}

impl Wanted {
    fn new(asked: HistoryParameters) -> Wanted {
        let (globs, names): (Vec<_>, Vec<_>) =
            asked.names.into_iter().partition(|name| is_glob(name));
        let names = names.into_iter().collect();
        Wanted { names, globs, since: nanoseconds(asked.since.unwrap_or(0.0)) }
    }

    fn takes(&self, entry: &Entry) -> bool {
        if entry.real < self.since {
            return false;
        }
        let every = self.names.is_empty() && self.globs.is_empty();
        every
            || told::about(entry).is_some_and(|name| {
                self.names.contains(name) || self.globs.iter().any(|glob| matches_glob(glob, name))
            })
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it saturates")]
fn nanoseconds(seconds: f64) -> u64 {
    (seconds * 1e9) as u64
}

/// An upper bound for the bytes of an entry as JSON: the fields with their
/// names, and the text of the entry, which stands in two of them, with every
/// byte as `\u0001`.
fn bytes_at_most(entry: &Entry) -> usize {
    640 + 12 * entry.text.len()
}

impl Engine {
    /// `None`: the client follows now, and is told by `tell_followers`.
    pub(super) fn history(&mut self, client: u64, call: &Call) -> Result<Option<Answer>, Answer> {
        let asked: HistoryParameters = parameters(call)?;
        if asked.follow && (!call.more || call.oneway) {
            return Err(service_error("ExpectedMore", &json!({})));
        }
        if !asked.names.is_empty() {
            self.resolve(&asked.names)?;
        }
        let (after, limit, follow) = (asked.after, asked.limit, asked.follow);
        let wanted = Wanted::new(asked);
        let (from, lost) = self.beginning(after);
        let next = limit.map_or(from, |limit| self.newest(&wanted, from, limit));
        if follow {
            let follower = Follower { wanted, next, lost, begun: false };
            self.control.followers.insert(client, follower);
            return Ok(None);
        }
        let mut history = self.batch(&wanted, next, usize::MAX);
        history.lost = history.lost.saturating_add(lost);
        Ok(Some(result(&history)))
    }

    /// Where somebody begins who wants what comes from that number on, and how
    /// much of that is gone.
    fn beginning(&self, after: Option<u64>) -> (u64, u64) {
        let oldest = self.state.history_oldest();
        match after {
            // A number that was never given is of another manager, which was
            // here before: all of this one is new to the client.
            Some(after) if after <= self.state.get(Field::HistoryNext) => {
                (after.max(oldest), oldest.saturating_sub(after))
            }
            Some(_) | None => (oldest, 0),
        }
    }

    /// The place of the last but `limit` of the entries that are wanted.
    fn newest(&self, wanted: &Wanted, from: u64, limit: u64) -> u64 {
        let mut first = self.state.get(Field::HistoryNext);
        let mut missing = limit;
        let numbers = (from..first).rev();
        for number in numbers.take_while(|_| limit > 0) {
            if self.state.history(number).is_some_and(|entry| wanted.takes(&entry)) {
                first = number;
                missing = missing.saturating_sub(1);
            }
            if missing == 0 {
                break;
            }
        }
        first
    }

    /// What is wanted from `next` on, as far as it goes into so many bytes.
    fn batch(&self, wanted: &Wanted, next: u64, most: usize) -> History {
        let oldest = self.state.history_oldest();
        let mut lost = oldest.saturating_sub(next);
        let mut next = next.max(oldest);
        let mut facts: Vec<HistoryFact> = Vec::new();
        let mut bytes = 0usize;
        while next < self.state.get(Field::HistoryNext) {
            match self.state.history(next) {
                Some(entry) if wanted.takes(&entry) => {
                    bytes = bytes.saturating_add(bytes_at_most(&entry));
                    if bytes > most {
                        break;
                    }
                    facts.push(told::fact(&entry));
                }
                Some(_) => {}
                None => lost = lost.saturating_add(1),
            }
            next = next.saturating_add(1);
        }
        History { facts, next, lost }
    }

    /// Tells followers what was committed since they were told last. Called
    /// when all else is done, so that nobody who waits for a start waits for
    /// them.
    pub(in crate::monitor) fn tell_followers(&mut self) {
        if self.control.followers.is_empty() {
            return;
        }
        let tokens: Vec<u64> = self.control.followers.keys().copied().collect();
        for token in tokens {
            while let Some(batch) = self.next_batch(token) {
                let mut answer = result(&batch);
                answer.continues = true;
                self.send(token, &answer);
            }
        }
    }

    /// `None`: there is nothing to tell, or it has not read the last one yet.
    fn next_batch(&mut self, token: u64) -> Option<History> {
        let Some(client) = self.control.clients.get(&token) else {
            self.control.followers.remove(&token);
            return None;
        };
        let follower = self.control.followers.get(&token)?;
        let end = self.state.get(Field::HistoryNext);
        if !client.unread.is_empty() || (follower.begun && follower.next >= end) {
            return None;
        }
        let mut batch = self.batch(&follower.wanted, follower.next, BATCH_BYTES);
        let follower = self.control.followers.get_mut(&token)?;
        batch.lost = batch.lost.saturating_add(std::mem::take(&mut follower.lost));
        follower.next = batch.next;
        let first = !std::mem::replace(&mut follower.begun, true);
        // With nothing in it the batch has come to the end of the ring.
        (first || !batch.facts.is_empty() || batch.lost > 0).then_some(batch)
    }

    /// The manager ends in good order: followers get what there is, and their
    /// last answer, which says so.
    pub(in crate::monitor) fn end_followers(&mut self) {
        self.tell_followers();
        for (token, follower) in std::mem::take(&mut self.control.followers) {
            self.send(token, &result(&History { next: follower.next, ..History::default() }));
        }
    }
}
