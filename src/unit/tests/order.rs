//! Units beside each other: who starts after whom, circles, conflicts, units
//! that fall with others, which start by themselves; and all of that with memory.

mod fake_users;
mod folder;
mod order {
    mod memory;
    mod watching;
}

use folder::{Folder, mode, names, own_uid, settings};
use ham_core::ids::EntityId;
use ham_core::plan::{EntityPlan, Links, StartMode};
use ham_unit::{
    ENABLED_DIRECTORY, Enablement, Loaded, Settings, check_file, enablement, load_directories,
};
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::os::unix::fs::symlink;

/// A unit with these lines in [entity].
fn unit(lines: &str) -> String {
    format!("[entity]\ncommand = \"/bin/sh\"\nrestart = \"no\"\n{lines}\n")
}

fn entity<'l>(loaded: &'l Loaded, name: &str) -> &'l EntityPlan {
    loaded.entities.iter().find(|entity| entity.name == name).unwrap()
}

/// The names behind a list of links.
fn linked(loaded: &Loaded, list: &[EntityId]) -> Vec<String> {
    let named = |id: &EntityId| loaded.entities.iter().find(|entity| entity.id == *id).unwrap();
    list.iter().map(|id| named(id).name.clone()).collect()
}

#[test]
fn names_become_links_from_both_ends() {
    let folder = Folder::new("links");
    folder.write("web.toml", unit("requires = [\"db\", \"db\"]\nwants = [\"mail\", \"gone?\"]"));
    folder.write("db.toml", unit("before = \"backup\"\nconflicts = \"old\""));
    folder.write("mail.toml", unit("after = [\"db\", \"web-less?\"]"));
    folder.write("backup.toml", unit("start = \"manual\""));
    folder.write("old.toml", unit("start = \"manual\"\nconflicts = \"db\""));
    folder.write("shop.toml", "[target]\nrequires = \"web\"\n");
    // Ids that are not in the order of names.
    let known = |name: &str| (name == "web").then_some(EntityId(3));
    let loaded = folder.load(&Settings { known_ids: &known, ..settings(false) });
    assert!(loaded.diagnostics.is_empty(), "{:#?}", loaded.diagnostics);
    let of = |name: &str| &entity(&loaded, name).links;
    let list = |list: &[EntityId]| linked(&loaded, list);
    assert_eq!(list(&of("web").requires), ["db"]);
    assert_eq!(list(&of("web").required_by), ["shop"]);
    assert_eq!(list(&of("web").wants), ["mail"]);
    assert_eq!(list(&of("web").after), ["db", "mail"]);
    assert_eq!(list(&of("web").before), ["shop"]);
    assert_eq!(list(&of("db").required_by), ["web"]);
    assert_eq!(list(&of("db").before), ["backup", "mail", "web"].map(str::to_owned).as_slice());
    assert_eq!(list(&of("db").conflicts), ["old"]);
    assert_eq!(list(&of("old").conflicts), ["db"]);
    assert_eq!(list(&of("mail").after), ["db"]);
    assert_eq!(list(&of("mail").before), ["web"]);
    assert_eq!(list(&of("backup").after), ["db"]);
    assert_eq!(of("mail").required_by, []);
    for entity in &loaded.entities {
        for list in lists(&entity.links) {
            assert!(list.windows(2).all(|pair| pair[0] < pair[1]), "{}", entity.name);
        }
    }
}

fn lists(links: &Links) -> [&Vec<EntityId>; 7] {
    let Links { requires, required_by, wants, after, before, conflicts, watched_by } = links;
    [requires, required_by, wants, after, before, conflicts, watched_by]
}

#[test]
fn what_requires_a_refused_unit_is_refused_and_nothing_else_is() {
    let folder = Folder::new("refused");
    folder.write("db.toml", "[entity]\ncommand = 1\n");
    folder.write("web.toml", unit("requires = \"db\""));
    folder.write("shop.toml", "[target]\nrequires = [\"mail\", \"web\"]\n");
    folder.write("mail.toml", unit("wants = \"db\"\nafter = \"web\""));
    folder.write("lost.toml", unit("requires = [\"bd\", \"masked\"]"));
    folder.write("bare.toml", unit("wants = [\"masked\", \"masked?\", \"mial\"]"));
    folder.write("large.toml", " ".repeat((1 << 20) + 1));
    folder.write("needs-large.toml", unit("requires = \"large\""));
    symlink("/dev/null", folder.0.join("masked.toml")).unwrap();
    let loaded = folder.load(&settings(false));
    folder.compare("refused", &loaded);
    assert_eq!(names(&loaded), ["mail"]);
    assert_eq!(entity(&loaded, "mail").links, Links::default());
    let refused = ["bare", "db", "large", "lost", "needs-large", "shop", "web"];
    assert_eq!(loaded.refused, refused);
    // Alone it is judged by what stands in it.
    let alone = check_file(&folder.0.join("web.toml"), &settings(false));
    assert!(alone.diagnostics.is_empty(), "{:#?}", alone.diagnostics);
    let lost = check_file(&folder.0.join("lost.toml"), &settings(false));
    assert!(lost.entities.len() == 1 && lost.diagnostics.len() == 1);
}

#[test]
fn circles_are_told_with_every_step() {
    let folder = Folder::new("circles");
    folder.write("a.toml", unit("requires = \"b\""));
    folder.write("b.toml", unit("# nothing here"));
    folder.write("c.toml", unit("before = \"b\"\nwants = \"a\""));
    // On a circle of its own, which is joined to the first.
    folder.write("d.toml", unit("after = [\"c\", \"x?\"]\nbefore = \"c\""));
    folder.write("e.toml", unit("requires = \"c\""));
    folder.write("f.toml", unit("after = \"c\""));
    // A second one, apart.
    folder.write("y.toml", unit("after = \"z\""));
    folder.write("z.toml", unit("after = \"y?\""));
    let loaded = folder.load(&settings(false));
    folder.compare("circles", &loaded);
    assert_eq!(names(&loaded), ["f"]);
    assert_eq!(loaded.refused, ["a", "b", "c", "d", "e", "y", "z"]);
    assert_eq!(entity(&loaded, "f").links, Links::default());
}

#[test]
fn a_long_circle_is_told_in_part() {
    let folder = Folder::new("long-circle");
    for place in 0..30 {
        let next = (place + 1) % 30;
        folder.write(&format!("u{place:02}.toml"), unit(&format!("after = \"u{next:02}\"")));
    }
    let loaded = folder.load(&settings(false));
    assert_eq!(loaded.refused.len(), 30);
    assert_eq!(loaded.diagnostics.len(), 1);
    let help = loaded.diagnostics[0].help.as_deref().unwrap();
    assert_eq!(help.lines().count(), 22, "{help}");
    assert!(help.contains("and so on, 10 more"), "{help}");
}

#[test]
fn one_step_too_many_in_a_large_graph_is_no_flood() {
    let folder = Folder::new("joined-circles");
    // Of a chain with short cuts, the last comes before the first.
    for place in 0..40 {
        let mut lines = String::new();
        if place > 0 {
            lines = format!("after = [\"u{:02}\", \"u{:02}\"]", place - 1, place / 2);
        }
        let lines = lines.replace(&format!(", \"u{place:02}\""), "");
        folder.write(&format!("u{place:02}.toml"), unit(&lines));
    }
    folder.write("u00.toml", unit("after = \"u39\""));
    let loaded = folder.load(&settings(false));
    assert_eq!(loaded.refused.len(), 40);
    assert_eq!(loaded.diagnostics.len(), 11);
    let help = loaded.diagnostics[0].help.as_deref().unwrap();
    // u00, u39, u19, u09, u04, u02, u01 are told with the way.
    assert!(help.ends_with("and look again: 23 more units stand in circles with these"), "{help}");
}

#[test]
fn units_that_conflict_and_cannot_be_apart_are_refused() {
    let folder = Folder::new("opposites");
    let manual = |lines: &str| unit(&format!("start = \"manual\"\n{lines}"));
    // Both start by themselves; that the second says so too is one mistake.
    folder.write("both-1.toml", unit("conflicts = \"both-2\""));
    folder.write("both-2.toml", unit("conflicts = \"both-1\""));
    // One is pulled in by something that starts.
    folder.write("pulled.toml", manual("conflicts = \"both-2\""));
    folder.write("puller.toml", "[target]\nwants = \"pulled\"\n");
    // One requires the other, by way of a third.
    folder.write("top.toml", manual("requires = \"middle\"\nconflicts = \"bottom\""));
    folder.write("middle.toml", manual("requires = \"bottom\""));
    folder.write("bottom.toml", manual(""));
    folder.write("under.toml", manual("conflicts = \"over\""));
    folder.write("over.toml", manual("requires = \"under\""));
    folder.write("wanting.toml", manual("wants = \"bottom\"\nconflicts = \"bottom\""));
    // Nothing is wrong with these.
    folder.write("fine-1.toml", manual("conflicts = [\"fine-2\", \"both-1\"]"));
    folder.write("fine-2.toml", unit(""));
    let loaded = folder.load(&settings(false));
    folder.compare("opposites", &loaded);
    let refused = ["both-1", "over", "pulled", "top", "under", "wanting"];
    assert_eq!(loaded.refused, refused);
    let fine = entity(&loaded, "fine-1");
    assert_eq!(linked(&loaded, &fine.links.conflicts), ["fine-2"]);
    let with_puller = entity(&loaded, "puller");
    assert!(with_puller.links.wants.is_empty(), "what it wants is refused");
}

#[test]
fn links_in_the_first_directory_say_what_starts() {
    let folder = Folder::new("enabled");
    let (own, packaged) = (folder.folder("own"), folder.folder("packaged"));
    let enabled = folder.folder(&format!("own/{ENABLED_DIRECTORY}"));
    folder.folder(&format!("packaged/{ENABLED_DIRECTORY}"));
    let manual = unit("start = \"manual\"");
    for (name, text) in [("auto", &unit("")), ("manual", &manual), ("off", &unit(""))] {
        folder.write(&format!("own/{name}.toml"), text);
    }
    for name in ["on", "waits", "wrong-place"] {
        folder.write(&format!("packaged/{name}.toml"), unit(""));
    }
    folder.write("packaged/manual-on.toml", &manual);
    symlink("/dev/null", enabled.join("off.toml")).unwrap();
    symlink("../../packaged/on.toml", enabled.join("on.toml")).unwrap();
    symlink("/nowhere/manual-on.toml", enabled.join("manual-on.toml")).unwrap();
    symlink("/nowhere/no-such-unit.toml", enabled.join("no-such-unit.toml")).unwrap();
    let wrong = packaged.join(ENABLED_DIRECTORY).join("wrong-place.toml");
    symlink("../wrong-place.toml", wrong).unwrap();
    let directories = [own.clone(), packaged.clone()];
    let settings = Settings { packaged: &packaged, ..settings(false) };
    let loaded = load_directories(&directories, &settings);
    assert!(loaded.diagnostics.is_empty(), "{:#?}", loaded.diagnostics);
    let starts: Vec<(&str, bool)> = loaded
        .entities
        .iter()
        .map(|entity| (entity.name.as_str(), entity.start == StartMode::Auto))
        .collect();
    let expected = [
        ("auto", true),
        ("manual", false),
        ("manual-on", true),
        ("off", false),
        ("on", true),
        ("waits", false),
        ("wrong-place", false),
    ];
    assert_eq!(starts, expected);
    assert_eq!(enablement(&own, "off"), Enablement::Disabled);
    assert_eq!(enablement(&own, "manual-on"), Enablement::Enabled);
    assert_eq!(enablement(&own, "auto"), Enablement::Default);
    assert_eq!(enablement(&folder.0, "auto"), Enablement::Default);

    // What is disabled does not start, so it may conflict.
    folder.write("own/off.toml", unit("conflicts = \"auto\""));
    assert!(!load_directories(&directories, &settings).has_errors());

    // Links that anybody could make say nothing.
    mode(&enabled, 0o777);
    let open = load_directories(&directories, &settings);
    folder.compare("enabled-open", &open);
    assert_eq!(entity(&open, "on").start, StartMode::Manual);
    std::fs::remove_dir_all(&enabled).unwrap();
    folder.write(&format!("own/{ENABLED_DIRECTORY}"), "");
    folder.compare("enabled-file", &load_directories(&directories, &settings));
}

#[test]
fn a_foreign_manager_trusts_no_links() {
    let folder = Folder::new("enabled-owner");
    let enabled = folder.folder(ENABLED_DIRECTORY);
    folder.write("a.toml", unit(""));
    symlink("/dev/null", enabled.join("a.toml")).unwrap();
    let own = folder.load(&settings(false));
    assert_eq!(entity(&own, "a").start, StartMode::Manual);
    let uid = own_uid();
    if uid == 0 {
        // Files of root are everybody's: give the links to somebody.
        std::os::unix::fs::chown(&enabled, Some(12_345), None).unwrap();
        let loaded = folder.load(&settings(false));
        assert!(loaded.diagnostics[0].message.contains("belongs to user 12345"));
        assert_eq!(entity(&loaded, "a").start, StartMode::Auto);
    } else {
        println!("SKIPPED: chown needs root");
    }
}

/// Edges between some units: from, to, and which key says so.
fn edges() -> impl Strategy<Value = (usize, Vec<(usize, usize, usize)>)> {
    (2usize..9).prop_flat_map(|count| {
        let edge = (0..count, 0..count, 0usize..4);
        (Just(count), proptest::collection::vec(edge, 0..count * 2))
    })
}

/// Whether each unit starts after each, by trying every way.
fn closure(count: usize, direct: impl Fn(usize, usize) -> bool) -> Vec<Vec<bool>> {
    let mut reach: Vec<Vec<bool>> =
        (0..count).map(|from| (0..count).map(|to| direct(from, to)).collect()).collect();
    for between in 0..count {
        for from in 0..count {
            for to in 0..count {
                reach[from][to] |= reach[from][between] && reach[between][to];
            }
        }
    }
    reach
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 300, failure_persistence: None, ..ProptestConfig::default()
    })]

    /// Which units are refused is what a naive check says, and the links of
    /// the others agree with each other and with the files.
    #[test]
    fn any_graph_is_judged_and_linked_right((count, edges) in edges()) {
        const KEYS: [&str; 4] = ["requires", "wants", "after", "before"];
        let folder = Folder::new(&format!("graph-{:?}", std::thread::current().id()));
        let edges: BTreeSet<(usize, usize, usize)> =
            edges.into_iter().filter(|(from, to, _)| from != to).collect();
        for from in 0..count {
            let mut text = unit("");
            for (place, key) in KEYS.iter().enumerate() {
                let of_key = edges.iter().filter(|edge| (edge.0, edge.2) == (from, place));
                let list: Vec<String> = of_key.map(|edge| format!("\"u{}\"", edge.1)).collect();
                text.push_str(&format!("{key} = [{}]\n", list.join(", ")));
            }
            folder.write(&format!("u{from}.toml"), text);
        }
        let says = |from: usize, to: usize, key: usize| edges.contains(&(from, to, key));
        let after = |from: usize, to: usize| {
            (0..3).any(|key| says(from, to, key)) || says(to, from, 3)
        };
        let starts_after = closure(count, after);
        let cannot_be_without = closure(count, |from, to| says(from, to, 0));
        let on_circle = |unit: usize| starts_after[unit][unit];
        let falls = |unit: usize| {
            on_circle(unit)
                || (0..count).any(|other| cannot_be_without[unit][other] && on_circle(other))
        };
        let loaded = folder.load(&settings(false));
        let refused: Vec<String> =
            (0..count).filter(|unit| falls(*unit)).map(|unit| format!("u{unit}")).collect();
        prop_assert_eq!(&loaded.refused, &refused);
        prop_assert_eq!(loaded.has_errors(), !refused.is_empty());

        let number = |id: EntityId| -> usize {
            let found = loaded.entities.iter().find(|entity| entity.id == id).unwrap();
            found.name[1..].parse().unwrap()
        };
        for entity in &loaded.entities {
            let unit = number(entity.id);
            let others = || (0..count).filter(|other| !falls(*other));
            let to = |list: &[EntityId]| list.iter().map(|id| number(*id)).collect::<Vec<_>>();
            let links = &entity.links;
            prop_assert_eq!(to(&links.requires), others().filter(|o| says(unit, *o, 0)).collect::<Vec<_>>());
            prop_assert_eq!(to(&links.required_by), others().filter(|o| says(*o, unit, 0)).collect::<Vec<_>>());
            prop_assert_eq!(to(&links.wants), others().filter(|o| says(unit, *o, 1)).collect::<Vec<_>>());
            prop_assert_eq!(to(&links.after), others().filter(|o| after(unit, *o)).collect::<Vec<_>>());
            prop_assert_eq!(to(&links.before), others().filter(|o| after(*o, unit)).collect::<Vec<_>>());
            prop_assert!(links.conflicts.is_empty());
        }
        ham_core::plan::encode(&loaded.entities).unwrap();
    }

    /// The same for conflicts, among units that all start by hand.
    #[test]
    fn any_conflicts_are_judged_right((count, edges) in edges()) {
        let folder = Folder::new(&format!("conflicts-{:?}", std::thread::current().id()));
        // Requirements lead to higher numbers, so that there is no circle.
        let requires: BTreeSet<(usize, usize)> =
            edges.iter().filter(|e| e.2 < 2 && e.0 < e.1).map(|e| (e.0, e.1)).collect();
        let conflicts: BTreeSet<(usize, usize)> =
            edges.iter().filter(|e| e.2 >= 2 && e.0 != e.1).map(|e| (e.0, e.1)).collect();
        for from in 0..count {
            let list = |set: &BTreeSet<(usize, usize)>| {
                let of_unit = set.iter().filter(|edge| edge.0 == from);
                of_unit.map(|edge| format!("\"u{}\"", edge.1)).collect::<Vec<_>>().join(", ")
            };
            let lines = format!(
                "start = \"manual\"\nrequires = [{}]\nconflicts = [{}]",
                list(&requires), list(&conflicts)
            );
            folder.write(&format!("u{from}.toml"), unit(&lines));
        }
        let needs = closure(count, |from, to| requires.contains(&(from, to)));
        // The first of two that say the same is the one that is told.
        let says = |unit: usize, other: usize| {
            conflicts.contains(&(unit, other))
                && !(other < unit && conflicts.contains(&(other, unit)))
        };
        let wrong = |unit: usize| {
            (0..count).any(|o| says(unit, o) && (needs[unit][o] || needs[o][unit]))
        };
        let falls =
            |unit: usize| wrong(unit) || (0..count).any(|o| needs[unit][o] && wrong(o));
        let loaded = folder.load(&settings(false));
        let refused: Vec<String> =
            (0..count).filter(|unit| falls(*unit)).map(|unit| format!("u{unit}")).collect();
        prop_assert_eq!(&loaded.refused, &refused);
        let kept: Vec<usize> = (0..count).filter(|unit| !falls(*unit)).collect();
        for (entity, unit) in loaded.entities.iter().zip(&kept) {
            let opposite = |o: &&usize| {
                conflicts.contains(&(*unit, **o)) || conflicts.contains(&(**o, *unit))
            };
            let expected: Vec<String> =
                kept.iter().filter(opposite).map(|o| format!("u{o}")).collect();
            prop_assert_eq!(linked(&loaded, &entity.links.conflicts), expected);
        }
    }
}
