//! The books on lists in progress, by the names of their actions: none is done
//! twice, and a reload leaves each where it is.

use crate::seen::{self, Seen, Spot};
use ham_core::ids::EntityId;
use ham_core::monitor::{Monitor, Phase};
use ham_core::plan::Verb;
use std::collections::{BTreeMap, BTreeSet};

type Name = (String, String);

#[derive(Debug, Default)]
struct Book {
    at: Option<Name>,
    done: BTreeSet<Name>,
}

/// Of all lists, by entity and serial number.
#[derive(Debug, Default)]
pub(crate) struct Lists {
    books: BTreeMap<(EntityId, u32), Book>,
    /// Lists that a reload has met at an action that stayed, that went, and
    /// that says something else.
    pub(crate) met: [u64; 3],
}

/// What is added at run time can be so again under the same name.
fn is_late(name: &Name) -> bool {
    name.0.starts_with("late-")
}

impl Lists {
    /// A step that was committed.
    pub(crate) fn stepped(&mut self, monitor: &Monitor) -> Result<(), String> {
        let mut books = BTreeMap::new();
        for id in monitor.plan().ids() {
            if monitor.lists(id).next().is_none() {
                continue;
            }
            let plan = monitor.definition(id);
            for (serial, spot) in seen::lists(monitor, id, plan.as_deref()) {
                let mut book = self.books.remove(&(id, serial)).unwrap_or_default();
                if book.at != spot.at {
                    book.done.extend(book.at.take());
                    book.at.clone_from(&spot.at);
                }
                if let Some(again) = book.at.as_ref().filter(|at| book.done.contains(at))
                    && !is_late(again)
                {
                    return Err(format!("{}: {again:?} is done again: {spot:?}", id.0));
                }
                books.insert((id, serial), book);
            }
        }
        self.books = books;
        Ok(())
    }

    /// A reload: what has gone may come again some time.
    pub(crate) fn reloaded(&mut self, monitor: &Monitor) -> Result<(), String> {
        self.stepped(monitor)?;
        for ((id, _), book) in &mut self.books {
            let Some(plan) = monitor.definition(*id) else { continue };
            let own = ["pre-start", "reload", "post-stop", "stop"];
            book.done.retain(|(list, action)| {
                let condition = plan.conditions.iter().find(|known| known.name == *list);
                own.contains(&list.as_str())
                    || condition.is_some_and(|c| c.actions.iter().any(|a| a.name == *action))
            });
        }
        Ok(())
    }

    /// Where the lists of an entity are that were somewhere before a reload.
    pub(crate) fn go_on(
        &mut self,
        monitor: &Monitor,
        id: EntityId,
        before: &Seen,
    ) -> Result<(), String> {
        let Some(plan) = monitor.definition(id) else { return Ok(()) };
        let after = seen::lists(monitor, id, Some(&plan));
        let ends = before.leaving || monitor.plan().is_leaving(id);
        for (serial, was) in &before.lists {
            let is = after.get(serial);
            let Some((list, action)) = was.at.as_ref().filter(|at| !is_late(at)) else { continue };
            let condition = plan.conditions.iter().find(|known| known.name == *list);
            let now = condition
                .and_then(|condition| condition.actions.iter().find(|one| one.name == *action));
            let own = ["pre-start", "reload", "post-stop", "stop"].contains(&list.as_str());
            let Some(before) = before.plan.as_ref().filter(|_| !own) else { continue };
            let says = |spot: &Spot| (spot.at.clone(), spot.phase, spot.step);
            // Whatever it waits for may have come about in the same turn.
            let waits = matches!(was.phase, Phase::Restart | Phase::Up);
            match now {
                None => {
                    self.met[1] += 1;
                    if is.is_some_and(|is| is.at == was.at || is.step == was.step) {
                        return Err(format!("{id:?}: {was:?} is gone, and there is {is:?}"));
                    }
                    if condition.is_none() && was.alone && is.is_some() {
                        return Err(format!("{id:?}: {was:?} goes on as {is:?}"));
                    }
                }
                Some(_) if waits || ends => {}
                Some(now) => {
                    let same = before.conditions.iter().any(|condition| {
                        condition.name == *list && condition.actions.contains(now)
                    });
                    let restart = matches!(now.verb, Verb::Restart(_));
                    self.met[if same { 0 } else { 2 }] += 1;
                    if same && !restart && is.map(says) != Some(says(was)) {
                        return Err(format!("{id:?}: {was:?} does not go on: {is:?}"));
                    }
                }
            }
        }
        Ok(())
    }
}
