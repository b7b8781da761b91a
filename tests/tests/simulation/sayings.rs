//! What programs and people say of entities: states, events, heartbeats to be
//! suspended and resumed; by clients that repeat, and by some that do not. The
//! books on the verdict of each.

use ham_core::directive::{Directive, Heartbeat, Verdict};
use ham_core::effect::Effect;
use ham_core::event::{Caller, Event};
use ham_core::ids::RequestId;
use ham_core::monitor::Turn;
use ham_core::plan::EntityPlan;
use ham_tests::fake::Random;
use std::collections::BTreeMap;

/// Clients that nobody else is: those of requests have other numbers.
const CLIENTS: u64 = 2;

/// The one that attaches processes and lets them go.
const ATTACHER: u64 = CLIENTS + 1;

#[derive(Debug)]
struct Said {
    directive: Directive,
    /// In a committed turn.
    verdict: Option<Verdict>,
}

/// All that was said by clients with a name.
#[derive(Debug, Default)]
pub(crate) struct Sayings {
    /// The last serial of each, and what was said under it.
    last: BTreeMap<u64, (u64, Said)>,
    /// Attaching and letting go that nobody has heard the verdict of.
    awaited: BTreeMap<RequestId, Option<Caller>>,
    /// Repeats of these, of which the verdict was heard before.
    pub(crate) attached_again: u64,
    /// Repeats that were given the same verdict.
    pub(crate) repeated: u64,
    /// How often each kind was said.
    pub(crate) kinds: [u64; 3],
}

impl Sayings {
    /// What somebody has to say next.
    pub(crate) fn event(
        &mut self,
        random: &mut Random,
        plans: &[EntityPlan],
        id: RequestId,
    ) -> Event {
        if random.chance(40) {
            let directive = directive(random, plans);
            return Event::Directive { id, directive, from: None };
        }
        let client = 1 + random.below(CLIENTS);
        let again = random.chance(40);
        let last = self.last.get(&client).map(|(serial, said)| (*serial, said));
        let (serial, directive) = match last {
            Some((serial, said)) if again || said.verdict.is_none() => {
                (serial, said.directive.clone())
            }
            Some((serial, _)) => (serial + 1, directive(random, plans)),
            None => (1, directive(random, plans)),
        };
        if last.is_none_or(|(before, _)| before != serial) {
            let said = Said { directive: directive.clone(), verdict: None };
            self.last.insert(client, (serial, said));
        }
        Event::Directive {
            id,
            directive,
            from: Some(Caller { uid: 1000, own: false, client, serial }),
        }
    }

    /// A new request of the client that attaches.
    pub(crate) fn attaches(&mut self, directive: &Directive) -> Caller {
        let serial = self.last.get(&ATTACHER).map_or(1, |(serial, _)| serial + 1);
        let said = Said { directive: directive.clone(), verdict: None };
        self.last.insert(ATTACHER, (serial, said));
        Caller { uid: 0, own: true, client: ATTACHER, serial }
    }

    /// Its last one comes again.
    pub(crate) fn attach_again(&self, id: RequestId) -> Option<Event> {
        let (serial, said) = self.last.get(&ATTACHER)?;
        let from = Some(Caller { uid: 0, own: true, client: ATTACHER, serial: *serial });
        Some(Event::Directive { id, directive: said.directive.clone(), from })
    }

    /// The verdict on an attach or a detach, now or later.
    fn heard(&mut self, from: Caller, verdict: Verdict) -> Result<(), String> {
        let Some((serial, said)) = self.last.get_mut(&from.client) else { return Ok(()) };
        if *serial != from.serial {
            return Ok(());
        }
        match said.verdict.replace(verdict) {
            Some(before) if before != verdict => {
                Err(format!("{said:?} was given {before:?}, and then {verdict:?}"))
            }
            Some(_) => {
                self.attached_again += 1;
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// Whether it was said and answered before.
    pub(crate) fn is_repeat(&self, event: &Event) -> bool {
        self.said(event).is_some_and(|said| said.verdict.is_some())
    }

    fn said(&self, event: &Event) -> Option<&Said> {
        let Event::Directive { from: Some(from), .. } = event else { return None };
        self.last.get(&from.client).filter(|(last, _)| *last == from.serial).map(|(_, said)| said)
    }

    /// A turn that was committed, and the event that it began with.
    pub(crate) fn committed(&mut self, event: Option<&Event>, turn: &Turn) -> Result<(), String> {
        let mut given: BTreeMap<RequestId, Verdict> = BTreeMap::new();
        for effect in &turn.effects {
            if let Effect::Verdict { id, verdict } = effect
                && given.insert(*id, *verdict).is_some()
            {
                return Err(format!("two verdicts on {id:?}"));
            }
        }
        let own = match event {
            // Theirs come when the process was taken, or let go of.
            Some(Event::Directive {
                id,
                directive:
                    Directive::Attach { .. } | Directive::AttachNamed { .. } | Directive::Detach { .. },
                from,
            }) => {
                self.awaited.insert(*id, *from);
                None
            }
            Some(Event::Directive { id, directive, from }) => Some((id, directive, from)),
            _ => None,
        };
        let verdict = own.and_then(|(id, ..)| given.remove(id));
        for (id, verdict) in given {
            match self.awaited.remove(&id) {
                None => return Err(format!("a verdict on {id:?}, for which nobody has asked")),
                Some(Some(from)) => self.heard(from, verdict)?,
                Some(None) => {}
            }
        }
        let Some((_, directive, from)) = own else { return Ok(()) };
        let Some(verdict) = verdict else {
            return Err(format!("{directive:?} has no verdict"));
        };
        self.kinds[match directive {
            Directive::State { .. } => 0,
            Directive::Raise { .. } => 1,
            _ => 2,
        }] += 1;
        let Some((_, said)) = from.and_then(|from| self.last.get_mut(&from.client)) else {
            return Ok(());
        };
        match said.verdict.replace(verdict) {
            Some(before) if before != verdict => {
                Err(format!("{directive:?} was given {before:?}, and then {verdict:?}"))
            }
            Some(_) => {
                self.repeated += 1;
                Ok(())
            }
            None => Ok(()),
        }
    }
}

fn directive(random: &mut Random, plans: &[EntityPlan]) -> Directive {
    let entity = random.pick(plans).id;
    let number = u32::try_from(random.below(4)).unwrap_or(0);
    match random.below(9) {
        0..=2 => Directive::State { entity, to: number },
        3 | 4 => {
            let severity = u32::try_from(random.below(3)).unwrap_or(0);
            Directive::Raise { entity, kind: number, class: number, severity }
        }
        _ => {
            let all = random.chance(50);
            // More often resumed than suspended: mostly they count.
            let to = *random.pick(&[
                Heartbeat::Suspend,
                Heartbeat::Resume,
                Heartbeat::Resume,
                Heartbeat::Query,
            ]);
            Directive::Heartbeat { entity: (!all).then_some(entity), to }
        }
    }
}
