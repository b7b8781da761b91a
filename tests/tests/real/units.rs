//! The units that come with ham: each loads without a word, and each is run by
//! the real program, which must show in its log what the unit promises.

use ham_core::plan::{EntityPlan, StartMode};
use ham_tests::programs::{Manager, Scratch, repository};
use ham_unit::{Settings, SystemUsers, UserEntry, Users, load_directories};
use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Every directory of units: those below `units`.
fn directories() -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = fs::read_dir(repository().join("units"))
        .expect("the directory of units")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.is_dir())
        .collect();
    found.sort();
    assert!(!found.is_empty());
    found
}

/// A copy that belongs to whoever runs the test: a checkout may belong to
/// somebody else, whose units ham refuses to run, rightly.
fn copy(directory: &Path) -> Scratch {
    let scratch = Scratch::new("units");
    for entry in fs::read_dir(directory).expect("a directory of units") {
        let from = entry.expect("an entry").path();
        if !from.is_file() {
            continue;
        }
        let to = scratch.path().join(from.file_name().expect("a name"));
        fs::write(&to, fs::read(&from).expect("a unit")).expect("a copy");
        fs::set_permissions(&to, Permissions::from_mode(0o644)).expect("its mode");
    }
    fs::set_permissions(scratch.path(), Permissions::from_mode(0o755)).expect("its mode");
    scratch
}

/// The users of this machine, and those that packages of Debian bring.
#[derive(Debug)]
struct DebianUsers(SystemUsers);

impl Users for DebianUsers {
    fn user(&self, name: &str) -> Result<Option<UserEntry>, String> {
        let brought = ["mosquitto", "postgres", "redis", "www-data"].contains(&name);
        let found = self.0.user(name)?;
        Ok(found.or_else(|| {
            brought.then(|| UserEntry {
                name: name.to_owned(),
                uid: 900,
                gid: 900,
                home: "/nonexistent".to_owned(),
                shell: "/usr/sbin/nologin".to_owned(),
            })
        }))
    }

    fn group(&self, name: &str) -> Result<Option<u32>, String> {
        self.0.group(name)
    }

    fn groups_of(&self, user: &str) -> Result<Vec<u32>, String> {
        self.0.groups_of(user)
    }
}

fn load(directory: &Path, examples: bool) -> Vec<EntityPlan> {
    let users = DebianUsers(SystemUsers::new());
    let euid = fs::metadata("/proc/self").expect("/proc").uid();
    let mut settings = Settings::new(&users, euid);
    // Not everybody has installed what the examples run; tests/daemons.rs
    // executes it where it is.
    settings.look_at_commands = !examples;
    let loaded = load_directories(&[directory.to_owned()], &settings);
    assert!(loaded.diagnostics.is_empty(), "{:#?}", loaded.diagnostics);
    assert!(loaded.refused.is_empty(), "{:?}", loaded.refused);
    loaded.entities
}

#[test]
fn every_unit_loads_without_a_word_and_teaches() {
    for directory in directories() {
        let units = copy(&directory);
        let entities = load(units.path(), directory.ends_with("examples"));
        let files: Vec<PathBuf> = fs::read_dir(units.path())
            .expect("a directory of units")
            .map(|entry| entry.expect("an entry").path())
            .collect();
        assert_eq!(entities.len(), files.len(), "{}: one entity a file", directory.display());
        for entity in &entities {
            assert!(!entity.description.is_empty(), "{} has no description", entity.name);
        }
        for file in files {
            let text = fs::read_to_string(&file).expect("a unit");
            let schema = "#:schema ../../schema/ham.unit.schema.json\n";
            let text = text.strip_prefix(schema).expect("a line for editors");
            assert!(text.starts_with("# "), "{} does not say what it shows", file.display());
            assert_eq!(
                text.matches("/tmp").count(),
                text.matches("/tmp/ham-demo-").count(),
                "{} writes where it should not",
                file.display()
            );
        }
    }
}

/// Whether the log of `entity` has these texts, in this order, one line each.
fn tells(log: &str, entity: &str, texts: &[&str]) -> bool {
    let prefix = format!("{entity}: ");
    let mut lines = log.lines().filter_map(|line| line.strip_prefix(prefix.as_str()));
    texts.iter().all(|text| lines.any(|line| line.contains(text)))
}

#[test]
fn every_unit_runs_and_stops() {
    // The examples run on machines of their own (tests/daemons.rs).
    for directory in directories().iter().filter(|found| !found.ends_with("examples")) {
        let units = copy(directory);
        let entities = load(units.path(), false);
        let mut manager = Manager::start(units.path(), &["-t", "none"]);
        for entity in entities.iter().filter(|entity| entity.start == StartMode::Auto) {
            let name = entity.name.as_str();
            manager.wait_for_log(&format!("a start of {name}"), |log| {
                tells(log, name, &["started, pid "])
            });
        }
        if directory.ends_with("demo") {
            the_demo_shows_what_it_promises(&mut manager);
        }
        let log = manager.log();
        assert!(!log.contains("could not start"), "{log}");
        let output = manager.hamctl(&["shutdown"]);
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{errors}\n{}", manager.log());
        assert_eq!(manager.wait_for_end().code(), Some(0), "{}", manager.log());
        assert!(manager.log().lines().any(|line| line.starts_with("ham: ")));
    }
}

fn the_demo_shows_what_it_promises(manager: &mut Manager) {
    let promises: [(&str, &[&str]); 6] = [
        ("ends", &["died: exit 0", "has slept enough (exit 0), once more", "restarted, pid "]),
        // The waits grow.
        (
            "crashes",
            &[
                "died: signal KILL",
                "restarted, pid ",
                "next start in 250ms (attempt 2)",
                "restarted, pid ",
                "next start in 500ms (attempt 3)",
                "restarted, pid ",
                "next start in 1s (attempt 4)",
            ],
        ),
        (
            "gives-up",
            &[
                "died: exit 3",
                "is back after exit 3",
                "is back after exit 3",
                "is back after exit 3",
                "restart limit reached",
                "three restarts did not help, its last end was exit 3",
            ],
        ),
        ("reserve", &["started, pid "]),
        ("slow", &["died: exit 1", "restarted, pid ", "is ready (pid "]),
        ("reports", &["died: exit 7", "the file is not there, going on without it", "restarted"]),
    ];
    for (entity, texts) in promises {
        manager.wait_for_log(&format!("{entity}: {texts:?}"), |log| tells(log, entity, texts));
    }
    // What a command writes.
    manager.wait_for_log("the line of echo", |log| {
        log.lines().any(|line| {
            line.starts_with("reports (pid ") && line.ends_with(") has ended with code 7")
        })
    });
    let log = manager.log();
    assert!(!tells(&log, "gives-up", &["is back after"; 4]), "{log}");
    let output = manager.hamctl(&["is-active", "steady"]);
    assert!(output.status.success(), "{log}");
}
