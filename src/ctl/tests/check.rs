//! `hamctl check` on files, directories and standard input, without a
//! manager.

mod fake;

use fake::{Folder, Run, command, program};
use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

const GOOD: &str = "[entity]\ncommand = [\"/bin/sh\"]\nrestart = \"always\"\n";
const WARNED: &str = "[entity]\ncommand = [\"/bin/sh\"]\n";
const WRONG: &str = "[entity]\ncomand = [\"/bin/sh\"]\nstart = \"never\"\nrestart = \"always\"\n";

fn check(folder: &Folder, arguments: &[&str]) -> Run {
    let mut run = command(program(), &["check"]);
    run.args(arguments).current_dir(&folder.0).output().unwrap().into()
}

fn write(folder: &Folder, name: &str, text: &str) {
    let path = folder.0.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, text).unwrap();
    // Whatever the umask of whoever runs the test.
    fs::set_permissions(path.parent().unwrap(), fs::Permissions::from_mode(0o755)).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
}

#[test]
fn a_good_file_and_a_warning_succeed() {
    let folder = Folder::new();
    write(&folder, "good.toml", GOOD);
    let run = check(&folder, &["good.toml"]);
    assert_eq!((run.code, run.err.as_str()), (0, ""));
    assert_eq!(run.out, "1 good unit, no errors, no warnings\n");

    write(&folder, "warned.toml", WARNED);
    let run = check(&folder, &["warned.toml"]);
    assert_eq!(run.code, 0, "{run:?}");
    assert!(run.out.starts_with("warning[ham::unit::unsupervised]: "), "{}", run.out);
    assert!(run.out.ends_with("\n\n1 good unit, no errors, 1 warning\n"), "{}", run.out);
}

#[test]
fn every_mistake_is_printed_with_its_place() {
    let folder = Folder::new();
    write(&folder, "wrong.toml", WRONG);
    let run = check(&folder, &["wrong.toml"]);
    assert_eq!((run.code, run.err.as_str()), (1, ""));
    assert!(run.out.contains("error[ham::unit::unknown-key]: "), "{}", run.out);
    assert!(run.out.contains("--> wrong.toml:2:1\n"), "{}", run.out);
    assert!(run.out.contains("--> wrong.toml:3:9\n"), "{}", run.out);
    assert!(run.out.contains("\nno good units, "), "{}", run.out);
    assert!(!run.out.contains('\x1b'));
}

#[test]
fn a_directory_is_one_set_of_units() {
    let folder = Folder::new();
    write(&folder, "units/good.toml", GOOD);
    write(&folder, "units/other.toml", &GOOD.replace("always", "on-failure"));
    write(&folder, "units/wrong.toml", WRONG);
    let run = check(&folder, &["units"]);
    assert_eq!(run.code, 1);
    assert!(run.out.contains("\n2 good units, "), "{}", run.out);

    fs::remove_file(folder.0.join("units/wrong.toml")).unwrap();
    let run = check(&folder, &["units", "units/good.toml"]);
    assert_eq!((run.code, run.out.as_str()), (0, "3 good units, no errors, no warnings\n"));
}

#[test]
fn what_is_not_there_is_an_error() {
    let folder = Folder::new();
    let run = check(&folder, &["missing.toml"]);
    assert_eq!(run.code, 1);
    assert!(run.out.contains("missing.toml"), "{}", run.out);
}

#[test]
fn standard_input_is_a_unit_too() {
    let folder = Folder::new();
    write(&folder, "text", WRONG);
    let with = |name: &str| -> Run {
        let input = File::open(folder.0.join(name)).unwrap();
        command(program(), &["check", "-"]).stdin(input).output().unwrap().into()
    };
    let run = with("text");
    assert_eq!(run.code, 1);
    assert!(run.out.contains("--> -:2:1\n"), "{}", run.out);

    write(&folder, "text", GOOD);
    assert_eq!(with("text").out, "1 good unit, no errors, no warnings\n");

    fs::write(folder.0.join("text"), b"\xff").unwrap();
    let run = with("text");
    let expected = "hamctl: could not read standard input: it is not UTF-8\n";
    assert_eq!((run.code, run.err.as_str()), (1, expected));

    fs::write(folder.0.join("text"), vec![b'#'; (1 << 20) + 1]).unwrap();
    let run = with("text");
    let expected = "hamctl: could not read standard input: it is longer than 1 MiB\n";
    assert_eq!((run.code, run.err.as_str()), (1, expected));
}

#[test]
fn json_has_every_diagnostic() {
    let folder = Folder::new();
    write(&folder, "wrong.toml", WRONG);
    let run = check(&folder, &["--json", "wrong.toml"]);
    assert_eq!((run.code, run.out.lines().count()), (1, 1));
    let report: serde_json::Value = serde_json::from_str(&run.out).unwrap();
    let diagnostics = report["diagnostics"].as_array().unwrap();
    let errors = diagnostics.iter().filter(|one| one["severity"] == "error").count();
    assert_eq!(report["errors"], errors);
    assert_eq!(report["warnings"], diagnostics.len() - errors);
    let unknown = diagnostics.iter().find(|one| one["code"] == "ham::unit::unknown-key").unwrap();
    assert_eq!((&unknown["file"], &unknown["line"]), (&"wrong.toml".into(), &2.into()));
    assert!(unknown["rendered"].as_str().unwrap().starts_with("error[ham::unit::unknown-key]"));
}

#[test]
fn quiet_is_the_exit_code_alone() {
    let folder = Folder::new();
    write(&folder, "wrong.toml", WRONG);
    let run = check(&folder, &["-q", "wrong.toml"]);
    assert_eq!((run.code, run.out.as_str(), run.err.as_str()), (1, "", ""));
}

#[test]
fn a_users_directories_are_those_of_the_environment() {
    let folder = Folder::new();
    write(&folder, "config/ham/good.toml", GOOD);
    let at = |home: Option<&Path>| -> Run {
        let mut run = command(program(), &["--user", "check"]);
        for name in ["HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME"] {
            run.env_remove(name);
        }
        if let Some(config) = home {
            run.env("XDG_CONFIG_HOME", config);
        }
        run.output().unwrap().into()
    };
    let run = at(Some(&folder.0.join("config")));
    assert_eq!((run.code, run.out.as_str()), (0, "1 good unit, no errors, no warnings\n"));
    let run = at(None);
    assert_eq!(run.code, 1);
    assert!(run.err.starts_with("hamctl: could not use one's own unit directories: "), "{run:?}");
}
