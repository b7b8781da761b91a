//! What is remembered of units comes to the same as reading them again.

use crate::folder::{Folder, names, settings};
use ham_core::plan::EntityPlan;
use ham_unit::{Loaded, Memory, Settings, UserEntry, Users};
use proptest::prelude::*;
use proptest::sample::select;
use std::cell::Cell;
use std::time::Duration;

/// Long enough that a file that is written afterwards has another time.
const TICK: Duration = Duration::from_millis(25);

const NAMES: [&str; 5] = ["a", "b", "c", "d", "e"];

/// What a unit may say beside its command.
const LINES: [&str; 8] = [
    "",
    "start = \"manual\"",
    "requires = [\"a\"]",
    "after = [\"b\"]\nwants = [\"d?\"]",
    "before = [\"e\"]",
    "conflicts = [\"c\"]",
    "user = \"nobody-of-that-name\"",
    "umsak = \"022\"",
];

/// Tables behind [entity].
const TABLES: [&str; 8] = [
    "",
    "[heartbeat]\ninterval = \"1s\"\n",
    "[states]\nup = 1\ndown = 2\n",
    "[[condition]]\non = \"death\"\nactions = [{ log = \"x\" }, { restart = {} }]\n",
    "[[condition]]\nname = \"of-a\"\non = \"death\"\nof = \"a\"\nactions = [{ log = \"x\" }]\n",
    "[[condition]]\nname = \"up\"\non = { state = { to = [\"up\"] } }\nof = \"b\"\nactions = [{ log = \"x\" }]\n",
    "[[condition]]\non = \"heartbeat-missed-high\"\nactions = [{ log = \"x\" }]\n",
    "[[condition]]\nname = \"made\"\non = \"death\"\nactions = [{ start = \"t@x\" }]\n",
];

#[derive(Clone, Debug)]
enum Edit {
    Write(&'static str, &'static str, &'static str),
    DropIn(&'static str, &'static str),
    Global,
    Template,
    Remove(&'static str),
    Nothing,
}

fn edit() -> impl Strategy<Value = Edit> {
    let name = || select(&NAMES[..]);
    prop_oneof![
        6 => (name(), select(&LINES[..]), select(&TABLES[..]))
            .prop_map(|(name, lines, tables)| Edit::Write(name, lines, tables)),
        1 => (name(), select(&LINES[..])).prop_map(|(name, lines)| Edit::DropIn(name, lines)),
        1 => Just(Edit::Global),
        1 => Just(Edit::Template),
        1 => name().prop_map(Edit::Remove),
        1 => Just(Edit::Nothing),
    ]
}

fn apply(folder: &Folder, edit: &Edit) {
    let command = "command = \"/bin/sh\"\nrestart = \"no\"\n";
    match edit {
        Edit::Write(name, lines, tables) => {
            // One of them needs another way to be restarted.
            let command = match tables.contains("restart = {}") {
                true => "command = \"/bin/sh\"\n",
                false => command,
            };
            folder.write(&format!("{name}.toml"), format!("[entity]\n{command}{lines}\n{tables}"));
        }
        Edit::DropIn(name, lines) => {
            let drop_ins = folder.0.join(format!("{name}.toml.d"));
            std::fs::create_dir_all(drop_ins).unwrap();
            folder.write(&format!("{name}.toml.d/x.toml"), format!("[entity]\n{lines}\n"));
        }
        Edit::Global => {
            let text = "[global]\n[[condition]]\non = \"heartbeat-missed-high\"\nactions = [{ log = \"y\" }]\n";
            folder.write("all.toml", text);
        }
        Edit::Template => {
            folder.write("t@.toml", format!("[entity]\n{command}"));
        }
        Edit::Remove(name) => {
            let _ = std::fs::remove_file(folder.0.join(format!("{name}.toml")));
        }
        Edit::Nothing => {}
    }
}

fn said(loaded: &Loaded) -> Vec<String> {
    loaded.diagnostics.iter().map(|diagnostic| diagnostic.render_plain()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_load_with_memory_finds_what_one_without_finds(edits in prop::collection::vec(edit(), 1..9)) {
        let folder = Folder::new("memory");
        let mut in_force: Vec<EntityPlan> = Vec::new();
        let mut memory = Memory::default();
        for edit in &edits {
            apply(&folder, edit);
            std::thread::sleep(TICK);
            let plan = |name: &str| in_force.iter().find(|plan| plan.name == name).cloned();
            let id = |name: &str| Some(plan(name)?.id);
            let cold = Settings { known_ids: &id, ..settings(false) };
            let used = |id| in_force.iter().any(|plan| plan.id == id);
            let cold = Settings { id_in_use: &used, ..cold };
            let warm = Settings { memory: Some(&memory), ..cold };
            let (cold, mut warm) = (folder.load(&cold), folder.load(&warm));
            warm.entities.extend(warm.kept.iter().map(|name| plan(name).unwrap()));
            warm.entities.sort_by(|a, b| a.name.cmp(&b.name));
            prop_assert_eq!(said(&cold), said(&warm));
            prop_assert_eq!(&cold.entities, &warm.entities);
            prop_assert_eq!(&cold.refused, &warm.refused);
            // As the loader does: with errors the plan stays.
            if !warm.has_errors() {
                prop_assert!(cold.memory.is_empty(), "nobody has asked for it");
                let read = warm.entities.iter().filter(|plan| !plan.name.contains('@')).count();
                prop_assert!(warm.memory.len() <= read);
                if warm.diagnostics.is_empty() && !warm.entities.iter().any(|plan| plan.name.contains('@')) {
                    prop_assert_eq!(warm.memory.len(), read);
                }
                memory = warm.memory;
                in_force = warm.entities;
            }
        }
    }
}

#[test]
fn what_is_remembered_is_not_read() {
    let folder = Folder::new("remembered");
    let command = "[entity]\ncommand = \"/bin/sh\"\nrestart = \"no\"\n";
    for name in ["a", "b"] {
        folder.write(&format!("{name}.toml"), command);
    }
    std::thread::sleep(TICK);
    let none = Memory::default();
    let first = folder.load(&Settings { memory: Some(&none), ..settings(false) });
    assert_eq!(first.memory.len(), 2);
    folder.write("b.toml", format!("{command}umask = \"077\"\n"));
    let text = serde_json::to_string(&first.memory).unwrap();
    let memory: Memory = serde_json::from_str(&text).unwrap();
    let id = |name: &str| first.entities.iter().find(|plan| plan.name == name).map(|plan| plan.id);
    let warm = Settings { memory: Some(&memory), known_ids: &id, ..settings(false) };
    let again = folder.load(&warm);
    assert_eq!((names(&again), &again.kept), (vec!["b"], &vec!["a".to_owned()]));
    // Who is named by what has changed is read with it.
    folder.write("b.toml", format!("{command}requires = [\"a\"]\n"));
    let again = folder.load(&warm);
    assert_eq!((names(&again), &again.kept), (vec!["a", "b"], &Vec::new()));
}

/// A directory server, of which nothing here tells when it answers otherwise.
#[derive(Debug)]
struct Elsewhere(Cell<bool>);

impl Users for Elsewhere {
    fn user(&self, name: &str) -> Result<Option<UserEntry>, String> {
        self.0.set(true);
        let (home, shell) = (String::new(), String::new());
        Ok(Some(UserEntry { name: name.to_owned(), uid: 5000, gid: 5000, home, shell }))
    }

    fn group(&self, _: &str) -> Result<Option<u32>, String> {
        Ok(None)
    }

    fn groups_of(&self, _: &str) -> Result<Vec<u32>, String> {
        Ok(Vec::new())
    }

    fn asked_elsewhere(&self) -> bool {
        self.0.replace(false)
    }
}

#[test]
fn a_unit_whose_user_is_elsewhere_is_read_each_time() {
    let folder = Folder::new("elsewhere");
    let command = "[entity]\ncommand = \"/bin/sh\"\nrestart = \"no\"\n";
    for (name, user) in [("a", ""), ("b", "user = \"ldap\"\n"), ("c", "")] {
        folder.write(&format!("{name}.toml"), format!("{command}{user}"));
    }
    std::thread::sleep(TICK);
    let none = Memory::default();
    let users = Elsewhere(Cell::new(false));
    let first = folder.load(&Settings { memory: Some(&none), users: &users, ..settings(false) });
    assert_eq!((first.entities.len(), first.memory.len()), (3, 2), "{:?}", first.diagnostics);
}
