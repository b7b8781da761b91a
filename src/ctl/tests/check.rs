//! `hamctl check` on files, directories and standard input, without a
//! manager.

mod fake;

use fake::{Folder, Run, command, program};
use serde_json::json;
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
    let summary =
        "\nno good units, 2 errors, no warnings; `hamctl explain unknown-key` tells more\n";
    assert!(run.out.ends_with(summary), "{}", run.out);
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
    let place =
        ["file", "line", "column", "end_line", "end_column", "span"].map(|key| &unknown[key]);
    assert_eq!(json!(place), json!(["wrong.toml", 2, 1, 2, 7, [9, 15]]));
    assert_eq!(unknown["label"], "did you mean `command`?");
    assert_eq!((&unknown["help"], &unknown["related"]), (&json!(null), &json!([])));
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

#[test]
fn a_warning_fails_only_when_it_is_to() {
    let folder = Folder::new();
    write(&folder, "warned.toml", WARNED);
    write(&folder, "good.toml", GOOD);
    assert_eq!(check(&folder, &["warned.toml"]).code, 0);
    for strict in ["-W", "--strict"] {
        let run = check(&folder, &[strict, "warned.toml"]);
        assert_eq!((run.code, run.err.as_str()), (1, ""), "{strict}");
        assert_eq!(check(&folder, &[strict, "good.toml"]).code, 0);
    }
}

#[test]
fn standard_input_may_have_a_name() {
    let folder = Folder::new();
    // A unit cannot be after itself, which only its name tells.
    write(&folder, "text", &format!("{GOOD}after = \"audio\"\n"));
    let with = |arguments: &[&str]| -> Run {
        let input = File::open(folder.0.join("text")).unwrap();
        command(program(), &["check", "-"]).args(arguments).stdin(input).output().unwrap().into()
    };
    assert_eq!(with(&[]).code, 0);
    let run = with(&["--name", "audio"]);
    assert_eq!(run.code, 1);
    assert!(run.out.contains("--> audio.toml:4:9\n"), "{}", run.out);
    assert_eq!(with(&["--name", "two words"]).code, 1);
}

#[test]
fn four_mistakes_in_four_files_are_four_answers() {
    let folder = Folder::new();
    write(&folder, "units/key.toml", &GOOD.replace("restart", "restrat"));
    write(
        &folder,
        "units/brace.toml",
        &format!("{GOOD}stop = {{ signal = \"INT\"\nafter = \"circle\"\n"),
    );
    write(&folder, "units/circle.toml", &format!("{GOOD}after = \"brace\"\n"));
    write(&folder, "units/duration.toml", &format!("{GOOD}start-timeout = \"90\"\n"));
    let run = check(&folder, &["units"]);
    assert_eq!(run.code, 1);
    for answer in [
        "did you mean `restart`?",
        "add the missing `}`",
        "`brace` starts after `circle`: `after`, units/brace.toml:5",
        "`circle` starts after `brace`: `after`, units/circle.toml:4",
        "write \"90s\" or \"90ms\"",
        "no good units, 4 errors, no warnings",
    ] {
        assert!(run.out.contains(answer), "{answer}\n{}", run.out);
    }
}

/// Not as units of their own, which would lack what a unit must have.
#[test]
fn a_directory_of_drop_ins_is_checked_with_its_unit() {
    let folder = Folder::new();
    write(&folder, "good.toml", GOOD);
    write(&folder, "good.toml.d/nice.toml", "[entity]\nnice = 3\n");
    write(&folder, "lost.toml.d/nice.toml", "[entity]\nnice = no\n");
    for path in ["good.toml.d", "good.toml.d/", "./good.toml.d/nice.toml"] {
        let run = check(&folder, &[path]);
        assert_eq!(run.out, "1 good unit, no errors, no warnings\n", "{path}");
    }
    write(&folder, "good.toml.d/nice.toml", "[entity]\nnicer = 3\n");
    let run = check(&folder, &["good.toml.d"]);
    assert!(run.out.contains("--> good.toml.d/nice.toml:2:1\n"), "{}", run.out);
    let run = check(&folder, &["lost.toml.d"]);
    assert_eq!(run.code, 1, "{}", run.out);
    assert!(run.out.contains("there is no unit `lost` for these drop-ins"), "{}", run.out);
    assert!(run.out.contains("`no` is no value of TOML"), "{}", run.out);
}
