//! `hamctl cat` and `show --merged`: units as they stand in directories of a
//! test's own, without a manager. And instances that are enabled.

mod fake;

use fake::{Folder, Run, command, program};
use serde_json::Value;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

const TEMPLATE: &str = "description = \"worker {instance}\"\n\n[entity]\n\
                        command = [\"/bin/sh\"]\nrestart = \"always\"\n";

/// Two directories of units: a template in the second, a drop-in in the first.
fn units() -> Folder {
    let folder = Folder::new();
    for name in ["first", "second", "first/w@.toml.d"] {
        fs::create_dir(folder.0.join(name)).unwrap();
        fs::set_permissions(folder.0.join(name), fs::Permissions::from_mode(0o755)).unwrap();
    }
    write(&folder, "second/w@.toml", TEMPLATE);
    write(&folder, "first/w@.toml.d/mask.toml", "[entity]\numask = \"0077\"");
    folder
}

fn write(folder: &Folder, name: &str, text: &str) {
    let path = folder.0.join(name);
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
}

fn run(folder: &Folder, words: &[&str]) -> Run {
    let mut run = command(program(), words);
    run.args(["--units", "first", "--units", "second"]).current_dir(&folder.0);
    run.output().unwrap().into()
}

#[test]
fn cat_prints_every_file_under_its_path() {
    let folder = units();
    write(&folder, "first/w@a.toml", "# its own\n");
    let shown = run(&folder, &["cat", "w@a", "w@b"]);
    assert_eq!((shown.code, shown.err.as_str()), (0, ""));
    let common = format!(
        "# second/w@.toml\n{TEMPLATE}\n# first/w@.toml.d/mask.toml\n[entity]\numask = \"0077\"\n"
    );
    assert_eq!(shown.out, format!("{common}\n# first/w@a.toml\n# its own\n\n{common}"));
    let json: Value = serde_json::from_str(&run(&folder, &["--json", "cat", "w@b"]).out).unwrap();
    assert_eq!(json[0]["files"][0]["path"], "second/w@.toml");
    assert_eq!(json[0]["files"][0]["text"], TEMPLATE);
    let unknown = run(&folder, &["cat", "w@@"]);
    assert_eq!(unknown.code, 2, "{unknown:?}");
    let unknown = run(&folder, &["cat", "v@"]);
    assert_eq!(unknown.code, 4, "{unknown:?}");
    assert!(unknown.err.contains("did you mean `w@`?"), "{}", unknown.err);
    symlink("/dev/null", folder.0.join("first/gone.toml")).unwrap();
    assert_eq!(run(&folder, &["cat", "gone"]).out, "# first/gone.toml -> /dev/null\n");
}

#[test]
fn merged_says_where_each_value_is_from() {
    let folder = units();
    let shown = run(&folder, &["show", "--merged", "w@a"]);
    assert_eq!((shown.code, shown.err.as_str()), (0, ""));
    let expected = "description = \"worker a\" # second/w@.toml:1\n\n[entity]\n\
                    command = [\"/bin/sh\"] # second/w@.toml:4\n\
                    restart = \"always\" # second/w@.toml:5\n\
                    umask = \"0077\" # first/w@.toml.d/mask.toml:2\n";
    assert_eq!(shown.out, expected);
    let json = run(&folder, &["show", "--merged", "--json", "w@a"]);
    let json: Value = serde_json::from_str(&json.out).unwrap();
    let umask = json["values"].as_array().unwrap().last().unwrap();
    assert_eq!(umask["key"], "entity.umask");
    assert_eq!(umask["value"], "\"0077\"");
    assert_eq!(umask["file"], "first/w@.toml.d/mask.toml");
    assert_eq!(umask["line"], 2);
    // What can be read is shown beside what is wrong.
    write(&folder, "first/w@.toml.d/bad.toml", "[entity]\nnice = \n");
    let bad = run(&folder, &["show", "--merged", "w@a"]);
    assert_eq!(bad.code, 1, "{bad:?}");
    assert!(bad.out.contains("umask"), "{bad:?}");
    assert!(bad.err.contains("--> first/w@.toml.d/bad.toml:2:"), "{bad:?}");
    write(&folder, "first/w@.toml.d/bad.toml", "mask = true\n");
    let masked = run(&folder, &["show", "--merged", "w@a"]);
    assert_eq!(masked.out, "# first/w@.toml.d/bad.toml masks it\n");
}

#[test]
fn an_instance_is_made_by_enabling_it() {
    let folder = units();
    let is = |name: &str| run(&folder, &["is-enabled", name]).out;
    assert_eq!(is("w@a"), "manual\n");
    let done = run(&folder, &["enable", "w@a"]);
    assert_eq!((done.code, done.err.as_str()), (0, ""));
    assert_eq!(is("w@a"), "enabled\n");
    let link = folder.0.join("first/enabled/w@a.toml");
    assert!(fs::read_link(&link).unwrap().ends_with("second/w@.toml"));
    assert_eq!(run(&folder, &["disable", "w@a"]).code, 0);
    assert!(fs::symlink_metadata(&link).is_err());
    let template = run(&folder, &["enable", "w@"]);
    assert!(template.err.contains("name an instance of it"), "{}", template.err);
    // A key masks, and no command takes that away.
    write(&folder, "second/key.toml", &format!("mask = true\n{TEMPLATE}"));
    assert_eq!(is("key"), "masked\n");
    for verb in ["enable", "unmask"] {
        let refused = run(&folder, &[verb, "key"]);
        assert_ne!(refused.code, 0);
        assert!(refused.err.contains("second/key.toml says mask = true"), "{}", refused.err);
    }
}

#[test]
fn check_takes_drop_ins_and_the_configuration_too() {
    let folder = units();
    write(&folder, "second/ham.conf", "[manager]\nverbosty = 1\n");
    write(&folder, "second/one.toml", TEMPLATE);
    fs::create_dir(folder.0.join("second/one.toml.d")).unwrap();
    let drop_ins = folder.0.join("second/one.toml.d");
    fs::set_permissions(drop_ins, fs::Permissions::from_mode(0o755)).unwrap();
    write(&folder, "second/one.toml.d/a.toml", "[entity]\nnise = 1\n");
    let check = |path: &str| -> Run {
        command(program(), &["check", path]).current_dir(&folder.0).output().unwrap().into()
    };
    let all = check("second");
    assert_eq!(all.code, 1);
    for path in ["second", "second/one.toml", "second/one.toml.d/a.toml"] {
        let found = check(path).out;
        assert!(found.contains("--> second/one.toml.d/a.toml:2:1\n"), "{path}: {found}");
    }
    for path in ["second", "second/ham.conf"] {
        let found = check(path).out;
        assert!(found.contains("--> second/ham.conf:2:1\n"), "{path}: {found}");
        assert!(found.contains("did you mean `verbosity`?"), "{path}: {found}");
    }
}
