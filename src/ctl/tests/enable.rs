//! Units that start with the manager or do not: links in directories of a
//! test's own, without a manager but for `--now`.

mod fake;

use fake::{Fake, Folder, Run, Step, command, outcomes, program};
use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

const AUTO: &str = "[entity]\ncommand = [\"/bin/sh\"]\nrestart = \"always\"\n";
const MANUAL: &str =
    "[entity]\ncommand = [\"/bin/sh\"]\nrestart = \"always\"\nstart = \"manual\"\n";

/// Two unit directories: the first is not there yet.
struct Units {
    folder: Folder,
}

impl Units {
    fn new() -> Units {
        let units = Units { folder: Folder::new() };
        fs::create_dir(units.second()).unwrap();
        for (name, text) in [("web", AUTO), ("spare", MANUAL)] {
            units.write(&units.second().join(format!("{name}.toml")), text);
        }
        units
    }

    fn first(&self) -> PathBuf {
        self.folder.0.join("first")
    }

    fn second(&self) -> PathBuf {
        self.folder.0.join("second")
    }

    fn link(&self, name: &str) -> PathBuf {
        self.first().join(format!("enabled/{name}.toml"))
    }

    fn write(&self, path: &Path, text: &str) {
        fs::write(path, text).unwrap();
        // Whatever the umask of whoever runs the test.
        fs::set_permissions(path, fs::Permissions::from_mode(0o644)).unwrap();
    }

    fn run(&self, arguments: &[&str]) -> Run {
        self.run_for(&self.folder.0, arguments)
    }

    /// With a manager at that place.
    fn run_for(&self, runtime: &Path, arguments: &[&str]) -> Run {
        let mut run = command(program(), arguments);
        run.arg("--units").arg(self.first()).arg("--units").arg(self.second());
        run.env("HAM_RUNTIME_DIR", runtime).output().unwrap().into()
    }

    /// What must go well; its output.
    fn good(&self, arguments: &[&str]) -> String {
        let run = self.run(arguments);
        assert_eq!((run.code, run.err.as_str()), (0, ""), "{arguments:?}");
        run.out
    }

    fn state(&self, name: &str) -> (i32, String) {
        let run = self.run(&["is-enabled", name]);
        assert_eq!(run.err, "");
        (run.code, run.out.trim_end().to_owned())
    }
}

#[test]
fn a_link_enables_and_is_removed_again() {
    let units = Units::new();
    assert_eq!(units.state("spare"), (1, "manual".to_owned()));
    let (link, file) = (units.link("spare"), units.second().join("spare.toml"));
    let created = format!("Created symlink {} -> {}.\n", link.display(), file.display());
    assert_eq!(units.good(&["enable", "spare"]), created);
    assert_eq!(fs::read_link(&link).unwrap(), file);
    assert_eq!(units.state("spare"), (0, "enabled".to_owned()));
    assert_eq!(units.good(&["enable", "spare"]), "", "it was so already");
    let removed = format!("Removed \"{}\".\n", link.display());
    assert_eq!(units.good(&["disable", "spare"]), removed);
    assert!(fs::symlink_metadata(&link).is_err());
    assert_eq!(units.good(&["disable", "spare"]), "");
    // Nothing else was left behind.
    assert_eq!(fs::read_dir(units.first().join("enabled")).unwrap().count(), 0);
    let mode = fs::metadata(units.first().join("enabled")).unwrap().permissions().mode();
    assert_eq!(mode & 0o022, 0, "others may not write it");
}

#[test]
fn what_starts_by_itself_needs_a_link_to_be_disabled() {
    let units = Units::new();
    assert_eq!(units.state("web"), (0, "auto".to_owned()));
    let link = units.link("web");
    let created = format!("Created symlink {} -> /dev/null.\n", link.display());
    assert_eq!(units.good(&["disable", "web"]), created);
    assert_eq!(units.state("web"), (1, "disabled".to_owned()));
    assert_eq!(units.good(&["disable", "web"]), "");
    units.good(&["enable", "web"]);
    assert_eq!(units.state("web"), (0, "enabled".to_owned()));
    // One link takes the place of the other.
    assert_eq!(fs::read_dir(units.first().join("enabled")).unwrap().count(), 1);
}

#[test]
fn a_masked_unit_is_not_there_until_it_is_unmasked() {
    let units = Units::new();
    let link = units.first().join("web.toml");
    let created = format!("Created symlink {} -> /dev/null.\n", link.display());
    assert_eq!(units.good(&["mask", "web"]), created);
    assert_eq!(units.state("web"), (1, "masked".to_owned()));
    assert_eq!(units.good(&["mask", "web"]), "");
    let run = units.run(&["enable", "web"]);
    assert_eq!(run.code, 1);
    let expected = format!(
        "hamctl: could not enable `web`: {} masks it; `hamctl unmask web` undoes that\n",
        link.display()
    );
    assert_eq!(run.err, expected);
    assert_eq!(units.good(&["unmask", "web"]), format!("Removed \"{}\".\n", link.display()));
    assert_eq!(units.good(&["unmask", "web"]), "");
    assert_eq!(units.state("web"), (0, "auto".to_owned()));
}

#[test]
fn what_people_wrote_is_not_touched() {
    let units = Units::new();
    fs::create_dir(units.first()).unwrap();
    let own = units.first().join("web.toml");
    units.write(&own, AUTO);
    let run = units.run(&["mask", "web"]);
    assert_eq!(run.code, 1);
    assert!(run.err.contains("is its own file, in the place of the link"), "{}", run.err);
    assert_eq!(units.good(&["unmask", "web"]), "", "a file masks nothing");
    assert_eq!(fs::read_to_string(&own).unwrap(), AUTO);

    fs::create_dir(units.first().join("enabled")).unwrap();
    fs::write(units.link("web"), "mine").unwrap();
    for verb in ["enable", "disable", "is-enabled"] {
        let run = units.run(&[verb, "web"]);
        assert_eq!(run.code, 1, "{verb}");
        assert!(run.err.contains("it should be a link"), "{verb}: {}", run.err);
    }
    assert_eq!(fs::read_to_string(units.link("web")).unwrap(), "mine");

    // Masked where hamctl does not write.
    fs::remove_file(units.second().join("spare.toml")).unwrap();
    symlink("/dev/null", units.second().join("spare.toml")).unwrap();
    let run = units.run(&["unmask", "spare"]);
    assert_eq!(run.code, 1);
    assert!(run.err.contains("/second/spare.toml masks it, which is not in "), "{}", run.err);
}

#[test]
fn names_that_are_wrong_change_nothing() {
    let units = Units::new();
    let run = units.run(&["enable", "spare", "wbe"]);
    assert_eq!(run.code, 5);
    let (first, second) = (units.first(), units.second());
    let expected = format!(
        "hamctl: no unit `wbe` in {}, {}; did you mean `web`?\n",
        first.display(),
        second.display()
    );
    assert_eq!(run.err, expected);
    assert!(!first.exists(), "nothing was done about the other");
    assert_eq!(units.run(&["is-enabled", "wbe"]).code, 4);
    for name in ["we*", "web@", "../web"] {
        for verb in ["enable", "disable", "mask", "unmask", "is-enabled"] {
            let run = units.run(&[verb, name]);
            assert_eq!(run.code, 2, "{verb} {name}: {}", run.err);
        }
    }
    assert!(!first.exists());
}

#[test]
fn one_with_mistakes_is_enabled_with_a_word_about_them() {
    let units = Units::new();
    units.write(&units.second().join("bad.toml"), "[entity]\ncommand = 5\n");
    let run = units.run(&["enable", "bad"]);
    assert_eq!(run.code, 0);
    assert!(run.err.contains("bad.toml has errors (`hamctl check "), "{}", run.err);
    assert_eq!(units.state("bad"), (0, "enabled".to_owned()));
}

#[test]
fn now_also_asks_the_manager() {
    let units = Units::new();
    let done = outcomes(&[("spare", true, "started")]);
    let fake = Fake::new(vec![Step::result(&done), Step::result(&done)]);
    let run = units.run_for(&fake.folder.0, &["enable", "--now", "spare"]);
    assert_eq!(run.code, 0, "{}", run.err);
    assert!(run.out.ends_with("\nspare: started\n"), "{}", run.out);
    let run = units.run_for(&fake.folder.0, &["disable", "--now", "spare", "--json"]);
    let report: Value = serde_json::from_str(&run.out).unwrap();
    assert_eq!(report["changes"], json!([{ "type": "removed", "file": units.link("spare") }]));
    assert_eq!(report["outcomes"][0]["name"], "spare");
    let requests = fake.requests();
    let methods: Vec<&str> = requests.iter().map(|(method, _)| method.as_str()).collect();
    assert_eq!(methods, ["Start", "Stop"]);

    // Without a manager the link is made all the same.
    let run = units.run(&["enable", "--now", "spare"]);
    assert_eq!(run.code, 7);
    assert_eq!(units.state("spare"), (0, "enabled".to_owned()));
    let state: Value =
        serde_json::from_str(&units.good(&["is-enabled", "spare", "--json"])).unwrap();
    assert_eq!(state, json!({ "name": "spare", "state": "enabled" }));
}

#[test]
fn a_users_units_are_those_of_the_environment() {
    let folder = Folder::new();
    let units = folder.0.join("data/ham");
    fs::create_dir_all(&units).unwrap();
    fs::write(units.join("web.toml"), MANUAL).unwrap();
    fs::set_permissions(units.join("web.toml"), fs::Permissions::from_mode(0o644)).unwrap();
    let mut run = command(program(), &["--user", "enable", "web"]);
    run.env("XDG_CONFIG_HOME", folder.0.join("config")).env("XDG_DATA_HOME", folder.0.join("data"));
    let run: Run = run.env("HOME", &folder.0).output().unwrap().into();
    assert_eq!(run.code, 0, "{}", run.err);
    let link = folder.0.join("config/ham/enabled/web.toml");
    assert_eq!(fs::read_link(link).unwrap(), units.join("web.toml"));
}
