//! What holds for any directories of units: a plan beside itself is nothing, what
//! is told is what was changed and no more, and who comes back to where it was is
//! there. Only tests.

mod edits;
mod sets;

use super::changes::{changes, follows};
use super::decide::{Decision, decide};
use super::in_force::{Known, Names, Old};
use super::messages::{InForce, Outcome};
use super::tests::{Scratch, asked, look};
use super::traces::RealFiles;
use ham_core::ids::EntityId;
use ham_core::monitor::Base;
use ham_core::plan::{EntityPlan, PlanIndex, encode};
use ham_core::wire::ChangeKind;
use ham_unit::{Loaded, Memory, Settings, SystemUsers, load_directories};
use proptest::prelude::*;
use sets::{NAMES, Set, entities, set, two_sets};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Two directories on disk.
struct Disk {
    scratch: Scratch,
}

impl Disk {
    fn new() -> Disk {
        Disk { scratch: Scratch::new("properties") }
    }

    fn directories(&self) -> [PathBuf; 2] {
        ["first", "second"].map(|name| self.scratch.path().join(name))
    }

    /// Nothing but these.
    fn write(&self, set: &Set) {
        let directories = self.directories();
        for directory in &directories {
            let _ = fs::remove_dir_all(directory);
            fs::create_dir(directory).unwrap();
        }
        let [first, second] = directories;
        sets::write(set, &first, &second);
    }

    /// Nothing but these; files that say the same are left as they are.
    fn change(&self, set: &Set) {
        let next = Disk::new();
        next.write(set);
        for (from, to) in next.directories().iter().zip(self.directories()) {
            let (wanted, there) = (files_in(from), files_in(&to));
            for name in there.keys().filter(|name| !wanted.contains_key(*name)) {
                fs::remove_file(to.join(name)).unwrap();
            }
            for (name, text) in wanted.iter().filter(|(name, text)| there.get(*name) != Some(text))
            {
                let path = to.join(name);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, text).unwrap();
            }
        }
        self.drop_empty();
    }

    /// Directories of drop-ins without one.
    fn drop_empty(&self) {
        for directory in self.directories() {
            for entry in fs::read_dir(directory).unwrap().flatten() {
                // Not of one that holds something.
                let _ = fs::remove_dir(entry.path());
            }
        }
    }

    /// As the loader does when somebody asks for it: the outcome, the bytes of a
    /// plan, and what was told. `notes` are read, and then written anew.
    fn load_over(
        &self,
        plan: &[u8],
        base: &Base,
        notes: &mut Memory,
    ) -> (Outcome, Vec<u8>, String) {
        let path = self.scratch.path().join("plan");
        fs::write(&path, plan).unwrap();
        let names = Names::read(fs::File::open(&path).unwrap(), &InForce::new(0, base)).unwrap();
        let users = SystemUsers::new();
        let mut settings = Settings::new(&users, ham_sys::process::effective_uid());
        let known = |name: &str| names.id(name);
        settings.known_ids = &known;
        let in_use = |id| names.has(id);
        settings.id_in_use = &in_use;
        settings.memory = Some(notes);
        let mut loaded = load_directories(&self.directories(), &settings);
        eprintln!(
            "KEPT {} of {} errors {}",
            loaded.kept.len(),
            loaded.sources.len(),
            loaded.has_errors()
        );
        assert!(names.have(&loaded.kept));
        let old = names.decode(&mut loaded).unwrap();
        let decision = self.decide(&old, &loaded);
        let said = loaded.diagnostics.iter().map(ham_unit::Diagnostic::render_plain);
        let said: Vec<String> = said.chain(decision.reasons).collect();
        let (plan, told) = match decision.outcome {
            Outcome::Plan => {
                let mut told = changes(&old, &decision.entities);
                let follows = follows(&old, &decision.entities, &told);
                told.sort_by(|a, b| a.name.cmp(&b.name));
                let told = format!("{told:?} {follows:?}");
                (old.encode(&decision.entities).unwrap(), told)
            }
            _ => (plan.to_vec(), String::new()),
        };
        if matches!(decision.outcome, Outcome::Plan | Outcome::Same) {
            *notes = loaded.memory;
        }
        (decision.outcome, plan, format!("{told} {said:?} {:?}", decision.refused))
    }

    fn load(&self, old: &Old) -> Loaded {
        let users = SystemUsers::new();
        let mut settings = Settings::new(&users, ham_sys::process::effective_uid());
        let known = |name: &str| Some(old.entities.get(name)?.plan.id);
        settings.known_ids = &known;
        let in_use = |id| old.ids.contains(&id);
        settings.id_in_use = &in_use;
        load_directories(&self.directories(), &settings)
    }

    /// As the loader decides when somebody asks for it, whatever has vanished.
    fn decide(&self, old: &Old, loaded: &Loaded) -> Decision {
        decide(&asked(true), &self.directories(), old, loaded, &RealFiles)
    }

    /// What comes of the files beside a plan in force.
    fn plan(&self, old: &Old) -> Result<Vec<EntityPlan>, TestCaseError> {
        let loaded = self.load(old);
        let wrong: Vec<String> = loaded
            .diagnostics
            .iter()
            .filter(|diagnostic| diagnostic.is_error())
            .map(ham_unit::Diagnostic::render_plain)
            .collect();
        prop_assert!(wrong.is_empty(), "{}", wrong.join("\n"));
        let decision = self.decide(old, &loaded);
        match decision.outcome {
            Outcome::Plan => Ok(decision.entities),
            Outcome::Same => Ok(old.entities.values().map(|known| known.plan.clone()).collect()),
            other => Err(TestCaseError::fail(format!("{other:?}: {:?}", decision.reasons))),
        }
    }
}

/// The files below a directory, with what they hold.
fn files_in(directory: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(directory).unwrap().flatten() {
        let name = PathBuf::from(entry.file_name());
        if entry.path().is_dir() {
            found.extend(
                files_in(&entry.path()).into_iter().map(|(at, text)| (name.join(at), text)),
            );
        } else {
            found.insert(name, fs::read(entry.path()).unwrap());
        }
    }
    found
}

/// The entities of a plan.
fn all_of(plan: &[u8]) -> Vec<EntityPlan> {
    let index = PlanIndex::open(plan).unwrap();
    index.ids().map(|id| index.entity(id).unwrap()).collect()
}

/// The plan in force, of whose entities these have been started since it came.
fn in_force(plans: &[EntityPlan], started: &dyn Fn(&str) -> bool) -> Old {
    Old::of(plans.iter().map(|plan| {
        let is = plan.clone().in_force(started(&plan.name));
        Known { plan: plan.clone(), is }
    }))
}

type Told = BTreeMap<String, (ChangeKind, BTreeSet<String>)>;

/// What is told, with the first parts of the keys.
fn told(old: &Old, new: &[EntityPlan]) -> Told {
    let root = |key: &str| {
        let root = key.split(['.', ' ']).next().unwrap_or(key);
        if root == "action" { "condition".to_owned() } else { root.to_owned() }
    };
    let each = changes(old, new).into_iter().map(|change| {
        let keys = change.keys.iter().map(|key| root(&key.key)).collect();
        (change.name, (change.what, keys))
    });
    each.collect()
}

/// What is to be told, by the meaning of the files.
fn expected(before: &Set, after: &Set) -> Told {
    let (before, after) = (entities(before), entities(after));
    let names: BTreeSet<&str> = before.keys().chain(after.keys()).copied().collect();
    let change = |name: &str| match (before.get(name), after.get(name)) {
        (None, Some(_)) => Some((ChangeKind::Added, BTreeSet::new())),
        (Some(_), None) => Some((ChangeKind::Removed, BTreeSet::new())),
        (Some(was), Some(is)) if was != is => {
            let all = was.keys.keys().chain(is.keys.keys());
            let keys = all.filter(|key| was.keys.get(*key) != is.keys.get(*key));
            let mut keys: BTreeSet<String> = keys.map(|key| (*key).to_owned()).collect();
            if was.target != is.target {
                // Every service of these says how it is brought back.
                keys.extend(["kind", "condition"].map(str::to_owned));
            }
            Some((ChangeKind::Changed, keys))
        }
        _ => None,
    };
    names.into_iter().filter_map(|name| Some((name.to_owned(), change(name)?))).collect()
}

/// Whether a process of the one would be another in the other.
fn makes_another(before: &Set, after: &Set, name: &str) -> bool {
    let (before, after) = (entities(before), entities(after));
    let (Some(was), Some(is)) = (before.get(name), after.get(name)) else { return false };
    let keys = ["command", "nice", "environment"];
    was.target != is.target || keys.iter().any(|key| was.keys.get(key) != is.keys.get(key))
}

fn stay(plans: &[EntityPlan]) -> Vec<&EntityPlan> {
    plans.iter().filter(|plan| !plan.leaving).collect()
}

/// What is written after so long has another time than what was written before.
const TICK: Duration = Duration::from_millis(25);

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 48, failure_persistence: None, ..ProptestConfig::default()
    })]

    #[test]
    fn who_reads_only_what_has_changed_finds_the_same(
        (before, after) in two_sets(),
        started in proptest::collection::btree_set(0..NAMES.len(), 0..4),
    ) {
        let disk = Disk::new();
        disk.write(&before);
        std::thread::sleep(TICK);
        let first = disk.plan(&Old::default())?;
        let empty = encode(&first).unwrap();
        let mut notes = Memory::default();
        disk.load_over(&empty, &Base::default(), &mut notes);
        let mut plan = empty;
        for set in [&after, &after, &before] {
            disk.change(set);
            std::thread::sleep(TICK);
            let index = PlanIndex::open(plan.as_slice()).unwrap();
            let is_started = |id: &EntityId| {
                let name = index.name(*id).unwrap();
                started.iter().any(|place| NAMES[*place] == name)
            };
            let next = index.pending().iter().copied().filter(|id| index.has_next(*id));
            let base = Base { renewed: next.filter(is_started).collect(), gone: Vec::new() };
            let (cold, warm) = (
                disk.load_over(&plan, &base, &mut Memory::default()),
                disk.load_over(&plan, &base, &mut notes),
            );
            prop_assert_eq!((cold.0, &cold.2), (warm.0, &warm.2));
            for (one, two) in all_of(&cold.1).iter().zip(&all_of(&warm.1)) {
                prop_assert_eq!(one, two);
            }
            prop_assert!(cold.1 == warm.1, "the bytes of the plan");
            plan = cold.1;
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 32, failure_persistence: None, ..ProptestConfig::default()
    })]

    #[test]
    fn so_it_is_after_any_edits(
        steps in proptest::collection::vec(edits::edits(), 1..12),
        (started, mends, number) in any::<(bool, bool, u32)>(),
    ) {
        let disk = Disk::new();
        let directories = disk.directories();
        edits::begin(&directories, number);
        let elsewhere = disk.scratch.path().join("elsewhere");
        fs::create_dir(&elsewhere).unwrap();
        std::thread::sleep(TICK);
        let mut plan = encode(&disk.plan(&Old::default())?).unwrap();
        let mut notes = Memory::default();
        disk.load_over(&plan, &Base::default(), &mut notes);
        for step in &steps {
            for edit in step {
                edits::edit(edit, &directories, &elsewhere);
            }
            std::thread::sleep(TICK);
            let index = PlanIndex::open(plan.as_slice()).unwrap();
            let next = index.pending().iter().copied().filter(|id| index.has_next(*id));
            let base = Base {
                renewed: next.filter(|_| started).collect(),
                gone: index.ids().filter(|id| started && index.is_leaving(*id)).collect(),
            };
            let (cold, warm) = (
                disk.load_over(&plan, &base, &mut Memory::default()),
                disk.load_over(&plan, &base, &mut notes),
            );
            prop_assert_eq!((cold.0, &cold.2), (warm.0, &warm.2));
            for (one, two) in all_of(&cold.1).iter().zip(&all_of(&warm.1)) {
                prop_assert_eq!(one, two);
            }
            prop_assert!(cold.1 == warm.1, "the bytes of the plan");
            if cold.0 == Outcome::Kept && mends {
                edits::mend(step, &directories, number);
            }
            plan = cold.1;
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 96, failure_persistence: None, ..ProptestConfig::default()
    })]

    #[test]
    fn a_plan_beside_itself_is_nothing(set in set()) {
        let disk = Disk::new();
        disk.write(&set);
        let plans = disk.plan(&Old::default())?;
        let names: Vec<&str> = plans.iter().map(|plan| plan.name.as_str()).collect();
        prop_assert_eq!(names, entities(&set).into_keys().collect::<Vec<_>>());
        let old = in_force(&plans, &|_| false);
        let loaded = disk.load(&old);
        prop_assert_eq!(disk.decide(&old, &loaded).outcome, Outcome::Same);
        let looked = decide(&look(), &disk.directories(), &old, &loaded, &RealFiles);
        prop_assert_eq!(looked.outcome, Outcome::Same);
        prop_assert!(changes(&old, &plans).is_empty());
    }

    #[test]
    fn what_is_told_is_what_has_changed_there_and_back((before, after) in two_sets()) {
        let disk = Disk::new();
        disk.write(&before);
        let first = disk.plan(&Old::default())?;
        let old = in_force(&first, &|_| false);
        disk.write(&after);
        let second = disk.plan(&old)?;
        prop_assert_eq!(told(&old, &second), expected(&before, &after));
        // What units say is what each is or will be, whatever it was.
        let loaded = disk.load(&old);
        let configured: Vec<&EntityPlan> =
            stay(&second).into_iter().map(EntityPlan::configured).collect();
        prop_assert_eq!(configured, loaded.entities.iter().collect::<Vec<_>>());
        // Nobody was started meanwhile, and all is as it was.
        let there = in_force(&second, &|_| false);
        disk.write(&before);
        let back = disk.plan(&there)?;
        prop_assert_eq!(stay(&back), first.iter().collect::<Vec<_>>());
        prop_assert_eq!(told(&there, &back), expected(&after, &before));
        for plan in back.iter().filter(|plan| plan.leaving) {
            prop_assert!(!entities(&before).contains_key(plan.name.as_str()), "{}", plan.name);
        }
        // Nothing is left of those that leave.
        let gone: Vec<EntityPlan> = stay(&back).into_iter().cloned().collect();
        let end = in_force(&gone, &|_| false);
        prop_assert_eq!(disk.decide(&end, &disk.load(&end)).outcome, Outcome::Same);
    }

    #[test]
    fn whom_a_start_has_changed_is_outdated_until_the_next(
        (before, after) in two_sets(),
        started in proptest::collection::btree_set(0..NAMES.len(), 0..4),
    ) {
        let started = |name: &str| started.iter().any(|place| NAMES[*place] == name);
        let disk = Disk::new();
        disk.write(&before);
        let first = disk.plan(&Old::default())?;
        disk.write(&after);
        let second = disk.plan(&in_force(&first, &|_| false))?;
        disk.write(&before);
        let there = in_force(&second, &started);
        let back = disk.plan(&there)?;
        let was: BTreeMap<&str, &EntityPlan> =
            first.iter().map(|plan| (plan.name.as_str(), plan)).collect();
        for plan in stay(&back) {
            let expected = was[plan.name.as_str()];
            prop_assert_eq!(plan.configured(), expected);
            let outdated = started(&plan.name) && makes_another(&before, &after, &plan.name);
            prop_assert_eq!(plan.is_outdated(), outdated, "{}", plan.name);
        }
        // From the next start on all is as it was.
        let next = in_force(&back, &|_| true);
        let end = disk.plan(&next)?;
        prop_assert_eq!(stay(&end), first.iter().collect::<Vec<_>>());
    }
}
