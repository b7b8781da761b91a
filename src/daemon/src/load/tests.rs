//! What comes of a load, by example: directories on disk, and the plan in force
//! as it would be.

use super::decide::{Decision, Files, decide};
use super::in_force::{Known, Old};
use super::messages::{Mode, Outcome, Question};
use super::{changes, decide};
use ham_core::plan::EntityPlan;
use ham_core::wire::{ChangeKind, Consequence};
use ham_unit::{Loaded, Settings, SystemUsers, load_directories};
use std::cell::Cell;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

/// A folder that goes with the test.
pub(super) struct Scratch(PathBuf);

impl Scratch {
    pub(super) fn new(name: &str) -> Scratch {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("ham-load-{name}-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        let _ = fs::remove_dir_all(&path);
        fs::create_dir(&path).unwrap();
        Scratch(path)
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A directory of units.
pub(super) struct Units {
    _scratch: Scratch,
    pub(super) directory: PathBuf,
    pub(super) fresh: Cell<bool>,
}

impl Units {
    pub(super) fn new(name: &str) -> Units {
        let scratch = Scratch::new(name);
        let directory = scratch.path().to_owned();
        Units { _scratch: scratch, directory, fresh: Cell::new(false) }
    }

    pub(super) fn put(&self, name: &str, text: &str) -> &Units {
        fs::write(self.directory.join(format!("{name}.toml")), text).unwrap();
        self
    }

    pub(super) fn service(&self, name: &str, command: &str) -> &Units {
        self.put(name, &format!("[entity]\ncommand = [\"{command}\"]\nrestart = \"always\"\n"))
    }

    pub(super) fn remove(&self, name: &str) -> &Units {
        fs::remove_file(self.directory.join(format!("{name}.toml"))).unwrap();
        self
    }

    pub(super) fn load(&self, old: &Old) -> Loaded {
        let users = SystemUsers::new();
        let mut settings = Settings::new(&users, ham_sys::process::effective_uid());
        let known = |name: &str| Some(old.entities.get(name)?.plan.id);
        settings.known_ids = &known;
        let in_use = |id| old.ids.contains(&id);
        settings.id_in_use = &in_use;
        load_directories(std::slice::from_ref(&self.directory), &settings)
    }

    pub(super) fn first(&self) -> Old {
        old_of(self.load(&Old::default()).entities)
    }

    pub(super) fn decide(&self, old: &Old, question: &Question) -> Decision {
        let directories = std::slice::from_ref(&self.directory);
        decide(question, directories, old, &self.load(old), self)
    }
}

impl Files for Units {
    fn trace(&self, path: &Path) -> u64 {
        fs::read(path).map_or(0, |text| text.iter().map(|byte| u64::from(*byte)).sum())
    }

    fn is_fresh(&self, _: &Path) -> bool {
        self.fresh.get()
    }
}

pub(super) fn old_of(entities: Vec<EntityPlan>) -> Old {
    Old::of(entities.into_iter().map(|plan| Known { is: plan.clone(), plan }))
}

pub(super) fn look() -> Question {
    Question { mode: Mode::Look, ..Question::default() }
}

pub(super) fn asked(prune: bool) -> Question {
    Question { mode: Mode::Asked { prune }, ..Question::default() }
}

pub(super) fn plan_of(decision: &Decision) -> Vec<(&str, bool)> {
    assert_eq!(decision.outcome, Outcome::Plan, "{decision:?}");
    decision.entities.iter().map(|entity| (entity.name.as_str(), entity.leaving)).collect()
}

#[test]
fn what_is_the_same_is_no_plan() {
    let units = Units::new("same");
    let old = units.service("a", "/bin/true").service("b", "/bin/true").first();
    assert_eq!(units.decide(&old, &look()).outcome, Outcome::Same);
}

#[test]
fn what_a_process_was_made_of_is_told_with_what_it_means() {
    let units = Units::new("changes");
    let old = units.service("a", "/bin/true").service("b", "/bin/true").first();
    units.service("a", "/bin/false").service("c", "/bin/true");
    units.put("b", "[entity]\ncommand = [\"/bin/true\"]\nrestart = \"no\"\n");
    let decision = units.decide(&old, &look());
    assert_eq!(plan_of(&decision), [("a", false), ("b", false), ("c", false)]);
    // Who was there keeps its number, and a new one gets none that was used.
    let of = |name: &str| decision.entities.iter().find(|entity| entity.name == name).unwrap();
    assert_eq!(of("a").id, old.entities["a"].plan.id);
    assert!(!old.ids.contains(&of("c").id));
    assert_eq!(of("a").command, ["/bin/true"]);
    assert_eq!(of("a").configured().command, ["/bin/false"]);
    let told: Vec<_> = changes::changes(&old, &decision.entities)
        .into_iter()
        .map(|change| (change.name, change.what, change.then))
        .collect();
    assert_eq!(
        told,
        [
            ("a".to_owned(), ChangeKind::Changed, Consequence::NextStart),
            ("b".to_owned(), ChangeKind::Changed, Consequence::AtOnce),
            ("c".to_owned(), ChangeKind::Added, Consequence::Starts),
        ]
    );
}

#[test]
fn an_error_keeps_all_as_it_is_unless_it_is_known() {
    let units = Units::new("errors");
    let old = units.service("a", "/bin/true").first();
    units.put("broken", "[entity]\ncommnd = [\"x\"]\n").service("b", "/bin/true");
    assert_eq!(units.decide(&old, &look()).outcome, Outcome::Kept);
    // Somebody who writes it just now is waited for, unless it was asked for.
    units.fresh.set(true);
    assert_eq!(units.decide(&old, &look()).outcome, Outcome::Unsettled);
    assert_eq!(units.decide(&old, &asked(false)).outcome, Outcome::Kept);
    // It was left out when the plan in force was accepted.
    units.fresh.set(false);
    let refused = decide::refused(&units.load(&old), &units);
    assert_eq!(refused.len(), 1);
    let question = Question { refused, ..look() };
    assert_eq!(plan_of(&units.decide(&old, &question)), [("a", false), ("b", false)]);
    // Changed, and still wrong.
    units.put("broken", "[entity]\ncomand = [\"x\"]\n");
    assert_eq!(units.decide(&old, &question).outcome, Outcome::Kept);
}

#[test]
fn one_file_that_is_gone_is_a_removal_after_a_while() {
    let units = Units::new("gone");
    let old = units.service("a", "/bin/true").service("b", "/bin/true").first();
    units.remove("a");
    let decision = units.decide(&old, &look());
    assert_eq!(
        (decision.outcome, decision.missing.as_slice()),
        (Outcome::Unsettled, &["a".to_owned()][..])
    );
    let question = Question { missing: decision.missing, ..look() };
    assert_eq!(plan_of(&units.decide(&old, &question)), [("a", true), ("b", false)]);
    // Who asks for it need not wait.
    assert_eq!(plan_of(&units.decide(&old, &asked(false))), [("a", true), ("b", false)]);
}

#[test]
fn several_files_that_are_gone_at_once_are_held() {
    let units = Units::new("held");
    let old =
        units.service("a", "/bin/true").service("b", "/bin/true").service("c", "/bin/x").first();
    units.remove("a").remove("b");
    let decision = units.decide(&old, &look());
    // They may be back in a moment.
    assert_eq!(decision.outcome, Outcome::Unsettled);
    let question = Question { missing: decision.missing, ..look() };
    let decision = units.decide(&old, &question);
    assert_eq!(decision.outcome, Outcome::Kept);
    assert!(decision.reasons[0].contains("2 units are gone at once: a, b"), "{decision:?}");
    let decision = units.decide(&old, &asked(false));
    assert_eq!(plan_of(&decision), [("a", true), ("b", true), ("c", false)]);
}

/// A checkout that is on its way brings them back one by one.
#[test]
fn of_two_that_are_held_the_one_that_comes_back_does_not_remove_the_other() {
    let units = Units::new("one-back");
    let old =
        units.service("a", "/bin/true").service("b", "/bin/true").service("c", "/bin/x").first();
    units.remove("a").remove("b");
    let missing = vec!["a".to_owned(), "b".to_owned()];
    let held = units.decide(&old, &Question { missing: missing.clone(), ..look() });
    assert_eq!((held.outcome, held.held_back), (Outcome::Kept, missing.clone()));
    units.service("a", "/bin/true");
    let question = Question { missing: missing.clone(), held_back: missing, ..look() };
    let decision = units.decide(&old, &question);
    assert_eq!(decision.outcome, Outcome::Kept);
    assert!(decision.reasons[0].contains("the file of b is gone, as"), "{decision:?}");
    assert_eq!(decision.held_back, ["b"]);
    // So it is while another unit is wrong.
    units.put("c", "[entity]\ncommnd = 1\n");
    let decision = units.decide(&old, &question);
    assert_eq!((decision.outcome, decision.reasons.len()), (Outcome::Kept, 0));
    assert_eq!(decision.held_back, ["b"]);
    // One that went later goes alone, as ever; and that one is held as long as
    // nobody says what is meant.
    units.service("c", "/bin/x").service("b", "/bin/true");
    assert_eq!(units.decide(&old, &question).outcome, Outcome::Same);
    assert!(units.decide(&old, &question).held_back.is_empty());
    units.remove("b");
    let question = Question { mode: asked(false).mode, ..question };
    let decision = units.decide(&old, &question);
    assert_eq!(plan_of(&decision), [("a", false), ("b", true), ("c", false)]);
    assert!(decision.held_back.is_empty());
}

#[test]
fn what_names_a_unit_that_is_just_replaced_is_not_called_wrong() {
    let units = Units::new("replaced");
    let text = "[entity]\ncommand = [\"/bin/true\"]\nrequires = [\"b\"]\n";
    let old = units.put("a", text).service("b", "/bin/true").first();
    assert_eq!(old.entities.len(), 2);
    units.remove("b");
    let decision = units.decide(&old, &look());
    assert_eq!(decision.outcome, Outcome::Unsettled);
    let question = Question { missing: decision.missing, ..look() };
    assert_eq!(units.decide(&old, &question).outcome, Outcome::Kept);
}

#[test]
fn a_directory_that_is_gone_or_empty_removes_nothing() {
    let units = Units::new("vanished");
    let old = units.service("a", "/bin/true").service("b", "/bin/true").first();
    units.remove("a").remove("b");
    let missing = vec!["a".to_owned(), "b".to_owned()];
    for question in [Question { missing, ..look() }, asked(false)] {
        let decision = units.decide(&old, &question);
        assert_eq!(decision.outcome, Outcome::Kept);
        assert!(decision.reasons[0].contains("is empty"), "{decision:?}");
    }
    assert_eq!(plan_of(&units.decide(&old, &asked(true))), [("a", true), ("b", true)]);
    fs::remove_dir(&units.directory).unwrap();
    let decision = units.decide(&old, &asked(false));
    assert_eq!(decision.outcome, Outcome::Kept);
    assert!(decision.reasons[0].contains("is not there"), "{decision:?}");
    assert_eq!(plan_of(&units.decide(&old, &asked(true))), [("a", true), ("b", true)]);
    // The only unit of a directory may go like any other.
    fs::create_dir(&units.directory).unwrap();
    let old = units.service("a", "/bin/true").first();
    units.remove("a");
    let question = Question { missing: vec!["a".to_owned()], ..look() };
    assert_eq!(plan_of(&units.decide(&old, &question)), [("a", true)]);
}

/// The plan would lack them, and whoever asks would not know why.
#[test]
fn a_directory_that_others_may_write_is_told_where_units_came_from_it() {
    let units = Units::new("others-may-write");
    let old = units.service("a", "/bin/true").service("b", "/bin/true").first();
    let mode = |mode| fs::set_permissions(&units.directory, PermissionsExt::from_mode(mode));
    mode(0o777).unwrap();
    for question in [look(), asked(false), asked(true)] {
        let decision = units.decide(&old, &question);
        assert_eq!((decision.outcome, decision.reasons.len()), (Outcome::Kept, 0));
    }
    let named = Question { names: vec!["a".to_owned()], ..asked(false) };
    assert_eq!(units.decide(&old, &named).outcome, Outcome::Kept);
    // Nothing came from it.
    assert_eq!(units.decide(&Old::default(), &look()).outcome, Outcome::Same);
    mode(0o755).unwrap();
    assert_eq!(units.decide(&old, &look()).outcome, Outcome::Same);
}

#[test]
fn a_masked_unit_goes_at_once() {
    let units = Units::new("masked");
    let old = units.service("a", "/bin/true").service("b", "/bin/true").first();
    units.remove("a");
    std::os::unix::fs::symlink("/dev/null", units.directory.join("a.toml")).unwrap();
    assert_eq!(plan_of(&units.decide(&old, &look())), [("a", true), ("b", false)]);
}

#[test]
fn what_leaves_stays_in_the_plan_until_it_has_left_and_may_come_back() {
    let units = Units::new("back");
    let old = units.service("a", "/bin/true").service("b", "/bin/true").first();
    units.remove("a");
    let left = old_of(units.decide(&old, &asked(false)).entities);
    // Nothing more happens to it.
    assert_eq!(units.decide(&left, &look()).outcome, Outcome::Same);
    units.service("a", "/bin/true");
    let back = units.decide(&left, &look());
    assert_eq!(plan_of(&back), [("a", false), ("b", false)]);
    let told = changes::changes(&left, &back.entities);
    assert_eq!(told.len(), 1);
    assert_eq!((told[0].name.as_str(), told[0].what), ("a", ChangeKind::Added));
    assert_eq!(back.entities[0].id, left.entities["a"].plan.id);
}

#[test]
fn a_name_that_was_made_at_run_time_is_not_taken() {
    let units = Units::new("made");
    let old = units.service("a", "/bin/true").first();
    units.service("guest", "/bin/true");
    let question = Question { made: vec!["guest".to_owned()], ..asked(false) };
    let decision = units.decide(&old, &question);
    assert_eq!(decision.outcome, Outcome::Kept);
    assert!(decision.reasons[0].contains("guest was made at run time"), "{decision:?}");
}

#[test]
fn what_is_named_is_applied_although_others_are_broken() {
    let units = Units::new("named");
    units.put("app", "[entity]\ncommand = [\"/bin/true\"]\nrestart = \"no\"\nafter = [\"db\"]\n");
    units.service("db", "/bin/true").service("old", "/bin/true");
    let old = units.first();
    units.put("db", "[entity]\ncommnd = 1\n").remove("old").service("other", "/bin/true");
    units.service("base", "/bin/true");
    units.put(
        "app",
        "[entity]\ncommand = [\"/bin/true\"]\nrestart = \"no\"\nafter = [\"db\"]\nrequires = [\"base\"]\n",
    );
    let named = |names: &[&str]| Question {
        names: names.iter().map(|name| (*name).to_owned()).collect(),
        ..asked(false)
    };
    let decision = units.decide(&old, &named(&["app"]));
    let plan = plan_of(&decision);
    assert_eq!(plan, [("app", false), ("base", false), ("db", false), ("old", false)]);
    let of = |name: &str| decision.entities.iter().find(|entity| entity.name == name).unwrap();
    let (app, base, db) = (of("app"), of("base"), of("db"));
    assert_eq!(app.links.requires, [base.id]);
    assert_eq!(base.links.required_by, [app.id]);
    assert_eq!((&app.links.after, &db.links.before), (&vec![db.id, base.id], &vec![app.id]));
    assert_eq!(db.command, ["/bin/true"]);
    assert_eq!(plan_of(&units.decide(&old, &named(&["old"])))[2], ("old", true));
    assert_eq!(units.decide(&old, &named(&["db"])).outcome, Outcome::Kept);
    let unknown = units.decide(&old, &named(&["appp"]));
    assert_eq!(unknown.outcome, Outcome::Kept);
    assert!(unknown.reasons[0].contains("there is app"), "{unknown:?}");
}

#[test]
fn an_instance_is_there_as_long_as_somebody_wants_it() {
    let units = Units::new("instances");
    units.service("a", "/bin/true");
    units.put(
        "web@",
        "[entity]\ncommand = [\"/bin/sleep\", \"{instance}\"]\nrestart = \"always\"\n",
    );
    let old = units.first();
    assert_eq!(old.entities.keys().collect::<Vec<_>>(), ["a"]);
    let wants = |names: &[&str], question: Question| {
        let instances: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let users = SystemUsers::new();
        let mut settings = Settings::new(&users, ham_sys::process::effective_uid());
        let known = |name: &str| Some(old.entities.get(name)?.plan.id);
        let in_use = |id| old.ids.contains(&id);
        (settings.known_ids, settings.id_in_use) = (&known, &in_use);
        settings.instances = &instances;
        let loaded = load_directories(std::slice::from_ref(&units.directory), &settings);
        decide(&question, std::slice::from_ref(&units.directory), &old, &loaded, &units)
    };
    let named = Question { names: vec!["web@1".to_owned()], ..asked(false) };
    let with = wants(&["web@1"], named);
    assert_eq!(plan_of(&with), [("a", false), ("web@1", false)]);
    assert_eq!(with.entities[1].command, ["/bin/sleep", "1"]);
    // Nobody wants it any more: no accident, and nothing to wait for.
    let there = old_of(with.entities);
    assert_eq!(plan_of(&units.decide(&there, &look())), [("a", false), ("web@1", true)]);
}
