//! `hamctl import` on files, without a manager.

mod fake;

use fake::{Folder, Run, command, program};
use std::fs;

const SERVICE: &str = "[Unit]\nDescription=A\n[Service]\nExecStart=/bin/sleep 9\nRestart=always\n\
                       RestartSec=1\nKillMode=mixed\n[Install]\nWantedBy=multi-user.target\n";

fn import(folder: &Folder, arguments: &[&str]) -> Run {
    let mut run = command(program(), &["import"]);
    run.args(arguments).current_dir(&folder.0).output().unwrap().into()
}

fn write(folder: &Folder, name: &str, text: &str) {
    let path = folder.0.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

#[test]
fn a_unit_is_printed_and_the_report_told() {
    let folder = Folder::new();
    write(&folder, "a.service", SERVICE);
    let run = import(&folder, &["a.service"]);
    assert_eq!(run.code, 0, "{run:?}");
    assert!(run.out.starts_with("# From a.service.\n\ndescription = \"A\"\n"), "{}", run.out);
    assert!(
        run.err.contains("hamctl: a.service:4: ExecStart=: translated: `command`\n"),
        "{run:?}"
    );
    assert!(run.err.ends_with("hamctl: a.toml: 7 translated, 1 approximated\n"), "{run:?}");
    // What is approximated fails only where somebody wants that.
    assert_eq!(import(&folder, &["--strict", "a.service"]).code, 8);
}

#[test]
fn what_has_no_equivalent_has_its_exit_code() {
    let folder = Folder::new();
    write(&folder, "a.service", &SERVICE.replace("KillMode", "ProtectHome=yes\nKillMode"));
    let run = import(&folder, &["a.service"]);
    assert_eq!(run.code, 8, "{run:?}");
    assert!(run.out.contains("# systemd: no equivalent: ProtectHome=\n"), "{}", run.out);
}

#[test]
fn units_are_written_where_none_is() {
    let folder = Folder::new();
    write(&folder, "a.service", SERVICE);
    write(&folder, "b@.service", &SERVICE.replace("sleep 9", "sleep %i"));
    write(&folder, "a.service.d/x.conf", "[Service]\nNice=3\n");
    write(&folder, "a.service.d/ignored", "[Service]\nNice=4\n");
    fs::create_dir(folder.0.join("units")).unwrap();
    let all = ["--output", "units", "a.service", "b@.service", "b@7.service"];
    let run = import(&folder, &all);
    assert_eq!((run.code, run.err.as_str()), (0, ""), "{run:?}");
    assert!(run.out.contains("a.service.d/x.conf:2: Nice=: translated: `nice`\n"), "{}", run.out);
    let text = |name: &str| fs::read_to_string(folder.0.join("units").join(name)).unwrap();
    assert!(text("a.toml").contains("nice = 3\n"), "{}", text("a.toml"));
    assert!(text("b@.toml").contains("\"/bin/sleep\", \"{instance}\""), "{}", text("b@.toml"));
    assert!(text("b@7.toml").contains("\"/bin/sleep\", \"7\""), "{}", text("b@7.toml"));

    // Nothing is overwritten, and nothing half done.
    fs::write(folder.0.join("units/a.toml"), "mine").unwrap();
    fs::remove_file(folder.0.join("units/b@.toml")).unwrap();
    let run = import(&folder, &all);
    assert_eq!(run.code, 1, "{run:?}");
    assert!(run.err.contains("units/a.toml: it is there already; --force"), "{run:?}");
    assert!(!folder.0.join("units/b@.toml").exists());
    assert_eq!(text("a.toml"), "mine");
    let forced: Vec<&str> = ["--force"].into_iter().chain(all).collect();
    assert_eq!(import(&folder, &forced).code, 0);
    assert!(text("a.toml").contains("nice = 3\n"));

    // What was written is checked by the verb for that.
    let mut check = command(program(), &["check", "units"]);
    let run: Run = check.current_dir(&folder.0).output().unwrap().into();
    assert_eq!(run.code, 0, "{run:?}");
}

#[test]
fn the_report_is_one_document() {
    let folder = Folder::new();
    write(&folder, "a.service", &SERVICE.replace("Description", "After=x.socket\nDescription"));
    let run = import(&folder, &["--json", "a.service"]);
    let document: serde_json::Value = serde_json::from_str(&run.out).unwrap();
    let unit = &document["units"][0];
    assert_eq!(unit["name"], "a");
    assert!(unit["text"].as_str().unwrap().contains("[entity]\n"));
    let entry = &unit["report"][0];
    assert_eq!((&entry["key"], &entry["line"]), (&"After".into(), &2.into()));
    assert_eq!(entry["outcome"], "no-meaning");
}

#[test]
fn what_is_no_service_is_refused() {
    let folder = Folder::new();
    write(&folder, "a.timer", "[Timer]\n");
    write(&folder, "empty.service", "\n");
    for (file, why) in [
        ("a.timer", "could not import a.timer: ham has no timers"),
        ("empty.service", "could not import empty.service: it is empty, which masks it"),
        ("missing.service", "could not read missing.service: "),
    ] {
        let run = import(&folder, &[file]);
        assert_eq!((run.code, run.out.as_str()), (1, ""), "{run:?}");
        assert!(run.err.contains(why), "{run:?}");
    }
    assert_eq!(import(&folder, &[]).code, 2);
}

#[test]
fn a_user_that_is_not_there_is_told_and_no_mistake() {
    let folder = Folder::new();
    let who = "hamctl-test-nobody-has-this-name";
    write(&folder, "a.service", &SERVICE.replace("KillMode", &format!("User={who}\nKillMode")));
    let run = import(&folder, &["a.service"]);
    assert_eq!(run.code, 0, "{run:?}");
    assert!(run.err.contains(&format!("user {who}: the unit is refused until it is there")));
}
