//! What there is on a board when there is nothing else: one entity that no unit
//! has, with a shell on the console. It is an entity like any other, so it is
//! seen, restarted and carried over takeovers, and the next plan with units takes
//! its place.

use super::decide::Decision;
use super::in_force::Old;
use super::messages::{Mode, Outcome, Question};
use crate::board::shell;
use crate::options::{Options, Place};
use ham_core::ids::EntityId;
use ham_core::plan::{
    ActionPlan, Class, ConditionKind, ConditionPlan, EntityPlan, KillScope, Only, RestartPlan,
    Spacing, Terminal, Verb,
};
use ham_core::signal::Signal;
use ham_core::time::Span;
use ham_unit::Loaded;
use std::ffi::OsStr;

/// Its name. A unit of that name is another.
const NAME: &str = "emergency";
const CONSOLE: &str = "/dev/console";

/// When there is to be one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Emergency {
    /// Not at all: somebody else looks after the machine.
    #[default]
    Never,
    /// When there is no unit, or none without an error.
    WhenNothing,
    /// At the start, whatever there is: somebody has asked for it.
    Asked,
}

impl Emergency {
    const WHEN_NOTHING: &str = "--emergency";
    const ASKED: &str = "--emergency-first";

    pub(crate) fn of(options: &Options) -> Emergency {
        match options.place {
            Place::Elsewhere => Emergency::Never,
            Place::Namespace | Place::Machine if options.emergency => Emergency::Asked,
            Place::Namespace | Place::Machine => Emergency::WhenNothing,
        }
    }

    /// As it stands on the command line of the loader.
    pub(super) fn word(self) -> Option<&'static str> {
        match self {
            Emergency::Never => None,
            Emergency::WhenNothing => Some(Emergency::WHEN_NOTHING),
            Emergency::Asked => Some(Emergency::ASKED),
        }
    }

    /// The inverse of [`Emergency::word`].
    pub(super) fn from_word(word: &OsStr) -> Option<Emergency> {
        [Emergency::WhenNothing, Emergency::Asked]
            .into_iter()
            .find(|emergency| emergency.word().is_some_and(|known| known == word))
    }
}

/// What has become of the units.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stays {
    /// They are what they say.
    Units,
    /// There are none, so there is a shell.
    Nothing,
    /// There is a shell in place of them.
    Asked,
    /// There was one before, which nobody has ended by asking for units.
    Held,
}

impl Stays {
    /// What is to be said of that, with the errors of the units.
    pub(super) fn why(self) -> Option<&'static str> {
        match self {
            Stays::Units => None,
            Stays::Nothing => Some("error: no unit can be loaded: there is a shell on the console"),
            Stays::Asked | Stays::Held => Some(
                "the command line of the kernel asks for a shell in place of the units; `hamctl \
                 apply` goes on with them",
            ),
        }
    }
}

/// Puts the entity in place of units where that is to be.
pub(super) fn instead_of_units(
    emergency: Emergency,
    question: &Question,
    old: Option<&Old>,
    loaded: &mut Loaded,
) -> Stays {
    let is_there = || old.is_some_and(|old| old.of_units().any(|known| is_built_in(&known.plan)));
    let stays = match (emergency, question.mode) {
        (Emergency::Never, _) => Stays::Units,
        (Emergency::Asked, Mode::First) => Stays::Asked,
        // Who edits units is not at the end of that with the first.
        (Emergency::Asked, Mode::Look) if is_there() => Stays::Held,
        (Emergency::WhenNothing | Emergency::Asked, _) => {
            match loaded.entities.is_empty() && old.is_none_or(|old| old.unread.is_empty()) {
                true => Stays::Nothing,
                false => Stays::Units,
            }
        }
    };
    if matches!(stays, Stays::Nothing | Stays::Asked) {
        let known = old.and_then(|old| old.entities.get(NAME)).map(|known| known.plan.id);
        let is_free = |id: &EntityId| old.is_none_or(|old| !old.ids.contains(id));
        let id = known.or_else(|| (0..).map(EntityId).find(is_free)).unwrap_or(EntityId(0));
        loaded.entities = vec![entity(id)];
    }
    stays
}

/// What is in force stays.
pub(super) fn held() -> Decision {
    let why = Stays::Held.why().map(str::to_owned);
    Decision { outcome: Outcome::Kept, reasons: why.into_iter().collect(), ..Decision::default() }
}

/// Whether it is the one that no unit has.
pub(super) fn is_built_in(plan: &EntityPlan) -> bool {
    plan.name == NAME && plan.source.is_empty()
}

/// The entity. Its program is that of process 1, which is ham: wherever that
/// stands, and whatever stands there by now.
pub(crate) fn entity(id: EntityId) -> EntityPlan {
    let command = vec!["/proc/1/exe".to_owned(), shell::WORD.to_owned()];
    let mut plan = EntityPlan::new(id, NAME, command);
    plan.description = "a shell, in place of units".to_owned();
    plan.tty = Some(Terminal { path: CONSOLE.to_owned(), hang_up: false });
    plan.environment = vec![("HOME".to_owned(), "/".to_owned())];
    // A shell takes no notice of TERM; and what was started from one may go on.
    plan.stop.signal = Signal::HUP;
    plan.stop.kill = KillScope::Main;
    let restart = RestartPlan {
        spacing: Spacing::List(vec![Span::millis(200), Span::seconds(1)]),
        ..RestartPlan::default()
    };
    plan.conditions = vec![ConditionPlan {
        name: "restart".to_owned(),
        on: ConditionKind::Death,
        only: Only::All,
        of: None,
        class: Class::InOrder,
        rearm: true,
        enabled: true,
        actions: vec![ActionPlan {
            name: "restart".to_owned(),
            verb: Verb::Restart(restart),
            break_on_fail: false,
            keep_on_fail: true,
            rearm: true,
            on_fail: Vec::new(),
        }],
    }];
    plan
}

#[cfg(test)]
mod tests {
    use super::*;
    use ham_core::plan::{Known, sound_entity};

    fn units(names: &[&str]) -> Loaded {
        let unit = |(place, name): (usize, &&str)| {
            let id = EntityId(u32::try_from(place).unwrap());
            let source = format!("/etc/ham/{name}.toml");
            EntityPlan { source, ..EntityPlan::new(id, name, vec!["/bin/true".to_owned()]) }
        };
        let entities = names.iter().enumerate().map(unit).collect();
        Loaded { entities, ..Loaded::default() }
    }

    fn in_force(plans: Vec<EntityPlan>) -> Old {
        Old::of(plans.into_iter().map(|plan| Known { is: plan.clone(), plan }))
    }

    fn comes_of(
        emergency: Emergency,
        mode: Mode,
        old: Option<&Old>,
        names: &[&str],
    ) -> (Stays, String) {
        let mut loaded = units(names);
        let question = Question { mode, ..Question::default() };
        let stays = instead_of_units(emergency, &question, old, &mut loaded);
        let names: Vec<&str> = loaded.entities.iter().map(|plan| plan.name.as_str()).collect();
        (stays, names.join(" "))
    }

    #[test]
    fn the_entity_is_sound_and_known_again() {
        let plan = entity(EntityId(3));
        assert_eq!(sound_entity(&plan), Ok(()));
        assert!(is_built_in(&plan));
        assert!(!is_built_in(&EntityPlan { source: "/etc/ham/emergency.toml".to_owned(), ..plan }));
        for emergency in [Emergency::Never, Emergency::WhenNothing, Emergency::Asked] {
            let word = emergency.word().unwrap_or("--system");
            let again = Emergency::from_word(OsStr::new(word)).unwrap_or_default();
            assert_eq!(again, emergency);
        }
    }

    #[test]
    fn there_is_a_shell_where_there_is_nothing_else() {
        let of = |emergency, names| comes_of(emergency, Mode::First, None, names);
        assert_eq!(of(Emergency::Never, &[]), (Stays::Units, String::new()));
        assert_eq!(of(Emergency::WhenNothing, &[]), (Stays::Nothing, NAME.to_owned()));
        assert_eq!(of(Emergency::WhenNothing, &["a", "b"]), (Stays::Units, "a b".to_owned()));
        assert_eq!(of(Emergency::Asked, &["a", "b"]), (Stays::Asked, NAME.to_owned()));
    }

    #[test]
    fn whoever_asked_for_a_shell_asks_for_the_units_too() {
        let shell = in_force(vec![entity(EntityId(0))]);
        let running = in_force(units(&["a"]).entities);
        let asked = Mode::Asked { prune: false };
        let of = |emergency, mode, old| comes_of(emergency, mode, Some(old), &["a"]).0;
        assert_eq!(of(Emergency::Asked, Mode::Look, &shell), Stays::Held);
        assert_eq!(of(Emergency::Asked, asked, &shell), Stays::Units);
        assert_eq!(of(Emergency::Asked, Mode::Look, &running), Stays::Units);
        // Nobody has asked for the other: it goes as soon as it may.
        assert_eq!(of(Emergency::WhenNothing, Mode::Look, &shell), Stays::Units);
    }

    #[test]
    fn it_takes_no_number_that_means_something_else() {
        let id = |old: &Old| {
            let mut loaded = units(&[]);
            let question = Question { mode: Mode::Look, ..Question::default() };
            instead_of_units(Emergency::WhenNothing, &question, Some(old), &mut loaded);
            loaded.entities.first().unwrap().id
        };
        assert_eq!(id(&in_force(units(&["a", "b"]).entities)), EntityId(2));
        assert_eq!(id(&in_force(vec![entity(EntityId(7))])), EntityId(7));
    }
}
