//! The notation of changes at run time: `change REQUEST VERB PATH …`.

use crate::notation::{Line, span};
use crate::plans;
use ham_core::change::Change;
use ham_core::ids::EntityId;
use ham_core::plan::{EntityPlan, Flags, Item};
use ham_tests::fake::plain;

fn flags(words: Option<String>) -> Flags {
    let words = words.unwrap_or_default();
    let all = words.split(',').filter(|word| !word.is_empty());
    all.fold(Flags::NONE, |all, word| all.with(Flags::named(word).expect("a flag")))
}

/// Reads what follows the number of the request.
pub(crate) fn change(line: &mut Line, id: impl Fn(&str) -> EntityId) -> Change {
    let verb = line.word();
    let path = line.word();
    let (name, item) = Item::parse(&path).expect("a path");
    match (verb.as_str(), item) {
        ("arm", item) => Change::Arm { entity: id(name), item, recursive: line.flag("recursive") },
        ("disarm", item) => Change::Disarm {
            entity: id(name),
            item,
            recursive: line.flag("recursive"),
            within: line.pair("for").map(|text| span(&text)),
        },
        ("flags", item) => {
            let set = line.pair("set").map(|words| flags(Some(words)));
            let (add, remove) = (flags(line.pair("add")), flags(line.pair("remove")));
            Change::Flags { entity: id(name), item, set, add, remove }
        }
        ("remove", item) => Change::Remove { entity: id(name), item },
        ("condition", Item::Entity) => {
            let keep_on_empty = line.flag("keep");
            let condition = Box::new(plans::condition_plan(line.take()));
            Change::Condition { entity: id(name), condition, keep_on_empty }
        }
        ("action", Item::Action(condition, action)) => {
            let now = line.flag("now");
            let verb = line.word();
            let plan = plans::action_plan(&verb, line.take(), 0);
            let action = Box::new(ham_core::plan::ActionPlan { name: action, ..plan });
            Change::Action { entity: id(name), condition, action, now }
        }
        ("on-fail", item @ Item::OnFail(..)) => {
            let word = line.word();
            let verb = Box::new(plans::verb(&word, line));
            Change::OnFail { entity: id(name), item, verb }
        }
        ("entity", Item::Entity) => {
            let keep_on_death = line.flag("keep");
            let plan = plain(EntityId(0), name.to_owned(), &format!("/bin/{name}"));
            let (conditions, heartbeat) = (Vec::new(), plans::heartbeat(line));
            let plan = Box::new(EntityPlan { conditions, heartbeat, ..plan });
            Change::Entity { plan, keep_on_death }
        }
        (verb, item) => panic!("no change: {verb} {item}"),
    }
}
