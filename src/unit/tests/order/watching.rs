//! Conditions that are about other units: whom they are linked with, whose
//! names of states count, and who answers for a heartbeat.

use crate::folder::{Folder, names, settings};
use crate::{entity, unit};
use ham_core::ids::EntityId;
use ham_core::plan::{ConditionPlan, Only, StateSet};
use ham_unit::{Loaded, Settings, codes};

/// A condition of `of` that logs.
fn condition(on: &str, of: &str) -> String {
    let of = if of.is_empty() { String::new() } else { format!("of = \"{of}\"\n") };
    format!("[[condition]]\non = {on}\n{of}actions = [ {{ log = \"\" }} ]\n")
}

fn the_condition<'l>(loaded: &'l Loaded, name: &str) -> &'l ConditionPlan {
    match entity(loaded, name).conditions.as_slice() {
        [only] => only,
        other => panic!("{name}: {other:#?}"),
    }
}

#[test]
fn a_condition_of_another_is_linked_from_both_ends() {
    let folder = Folder::new("of");
    folder.write("db.toml", unit(""));
    folder.write("web.toml", unit(&condition("\"death\"", "db")));
    folder.write("shop.toml", format!("[target]\n{}", condition("\"any\"", "db")));
    let twice = condition("\"death\"", "web") + &condition("\"ready\"", "web");
    folder.write("a.toml", unit(&twice));
    // Ids that are not in the order of names.
    let known = |name: &str| (name == "db").then_some(EntityId(7));
    let loaded = folder.load(&Settings { known_ids: &known, ..settings(false) });
    assert!(loaded.diagnostics.is_empty(), "{:#?}", loaded.diagnostics);
    let id = |name: &str| entity(&loaded, name).id;
    assert_eq!(id("db"), EntityId(7));
    assert_eq!(the_condition(&loaded, "web").of, Some(id("db")));
    assert_eq!(the_condition(&loaded, "shop").of, Some(id("db")));
    let mut watching = vec![id("web"), id("shop")];
    watching.sort_unstable();
    assert_eq!(entity(&loaded, "db").links.watched_by, watching);
    assert_eq!(entity(&loaded, "web").links.watched_by, [id("a")]);
    // It is no order: nobody starts after another for that.
    for name in ["db", "web", "a"] {
        let links = &entity(&loaded, name).links;
        assert!(links.after.is_empty() && links.requires.is_empty(), "{name}");
    }
}

#[test]
fn two_may_watch_each_other() {
    let folder = Folder::new("of-each-other");
    folder.write("a.toml", unit(&condition("\"death\"", "b")));
    folder.write("b.toml", unit(&condition("\"death\"", "a")));
    let loaded = folder.load(&settings(false));
    assert!(loaded.diagnostics.is_empty(), "{:#?}", loaded.diagnostics);
    assert_eq!(the_condition(&loaded, "a").of, Some(entity(&loaded, "b").id));
    assert_eq!(the_condition(&loaded, "b").of, Some(entity(&loaded, "a").id));
}

#[test]
fn names_of_states_are_those_of_the_one_that_it_is_about() {
    let folder = Folder::new("of-states");
    folder.write("db.toml", unit("[states]\nrun = 2\nbad = [7, 8]\n"));
    let on = "{ state = { from = \"run\", to = { not = [\"bad\", \"run\"] } } }";
    folder.write("web.toml", unit(&format!("[states]\nrun = 9\n{}", condition(on, "db"))));
    let loaded = folder.load(&settings(false));
    assert!(loaded.diagnostics.is_empty(), "{:#?}", loaded.diagnostics);
    let expected = Only::State { from: StateSet::In(vec![2]), to: StateSet::NotIn(vec![2, 7, 8]) };
    assert_eq!(the_condition(&loaded, "web").only, expected);
    assert_eq!(entity(&loaded, "db").states, [("run".to_owned(), 2)]);
}

#[test]
fn what_is_wrong_with_another_is_told_where_it_is_named() {
    let folder = Folder::new("of-wrong");
    folder.write("db.toml", "[entity]\ncommand = 1\n[states]\nrun = 2\n");
    folder.write("web.toml", unit(&condition("{ state = { to = \"rum\" } }", "db")));
    folder.write("shop.toml", unit(&condition("\"death\"", "web")));
    folder.write("lost.toml", unit(&condition("\"death\"", "shpo")));
    folder.write("all.toml", format!("[global]\n{}", condition("\"death\"", "")));
    folder.write("odd.toml", unit(&condition("\"death\"", "all")));
    folder.write("named.toml", unit("[states]\nrun = 2\n"));
    folder.write("typo.toml", unit(&condition("{ state = { to = \"rnu\" } }", "named")));
    let large = folder.write("large.toml", " ".repeat((1 << 20) + 1));
    folder.write("reads-large.toml", unit(&condition("\"death\"", "large")));
    assert!(large.exists());
    let loaded = folder.load(&settings(false));
    folder.compare("of", &loaded);
    assert_eq!(names(&loaded), ["all", "named"]);
}

#[test]
fn a_heartbeat_is_answered_for_here_elsewhere_or_for_all() {
    let beats = "[heartbeat]\ninterval = \"1s\"\n";
    let high = "\"heartbeat-missed-high\"";
    let unanswered = |name: &str, others: &[(&str, String)]| {
        let folder = Folder::new(&format!("answered-{name}"));
        folder.write("beats.toml", unit(beats));
        for (name, text) in others {
            folder.write(name, text);
        }
        let loaded = folder.load(&settings(false));
        assert!(!loaded.has_errors(), "{:#?}", loaded.diagnostics);
        loaded.diagnostics.iter().filter(|found| found.code == codes::UNANSWERED).count()
    };
    assert_eq!(unanswered("nobody", &[]), 1);
    let of = unit(&condition(high, "beats"));
    assert_eq!(unanswered("of", &[("other.toml", of.clone())]), 0);
    let disarmed = of.replace("of =", "enabled = false\nof =");
    assert_eq!(unanswered("disarmed", &[("other.toml", disarmed)]), 1);
    let low = unit(&condition("\"heartbeat-missed-low\"", "beats"));
    assert_eq!(unanswered("low", &[("other.toml", low)]), 1);
    let own = unit(&format!("{beats}{}", condition(high, "")));
    assert_eq!(unanswered("own", &[("beats.toml", own.clone())]), 0);
    // What another does about its own is nothing to this one.
    assert_eq!(unanswered("other", &[("other.toml", own)]), 1);
    for on in [high, "\"any\""] {
        let all = format!("[global]\n{}", condition(on, ""));
        assert_eq!(unanswered("global", &[("all.toml", all)]), 0, "{on}");
    }
}
