//! The JSON Schema of unit files: that the one in the tree is the one that the
//! table of keys makes, and what programs that are not ours say. A validator
//! takes every good unit, and refuses what a schema can refuse; a parser of
//! TOML 1.0 reads what ham reads, and no more.
//!
//! `HAM_UNIT_BLESS=1` writes the schema.

mod fake_users;

use fake_users::FakeUsers;
use ham_unit::{Loaded, Settings, check_text, codes};
use serde_json::Value;
use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::Command;

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn schema_file() -> PathBuf {
    repository().join("schema/ham.unit.schema.json")
}

/// All files of TOML in a directory and those below it.
fn units(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            units(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "toml") {
            found.push(path);
        }
    }
}

/// The units that come with ham.
fn ours() -> Vec<PathBuf> {
    let mut found = Vec::new();
    units(&repository().join("units"), &mut found);
    assert!(found.len() > 15, "{found:?}");
    found
}

/// The cases of diagnostics, each with what is said of it.
fn cases() -> Vec<(PathBuf, Loaded)> {
    let mut found = Vec::new();
    units(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases"), &mut found);
    assert!(found.len() > 40, "{found:?}");
    let settings = Settings { look_at_commands: false, ..Settings::new(&FakeUsers, 1000) };
    found
        .into_iter()
        .map(|path| {
            let text = std::fs::read_to_string(&path).unwrap();
            let loaded = check_text("case", "case.toml", &text, &settings);
            (path, loaded)
        })
        .collect()
}

fn has(loaded: &Loaded, wanted: &[&str]) -> bool {
    loaded.diagnostics.iter().any(|found| found.is_error() && wanted.contains(&found.code))
}

#[test]
fn the_schema_in_the_tree_is_that_of_the_keys() {
    let expected = serde_json::to_string_pretty(&ham_unit::schema::unit_schema()).unwrap() + "\n";
    if std::env::var_os("HAM_UNIT_BLESS").is_some() {
        std::fs::write(schema_file(), &expected).unwrap();
    }
    let found = std::fs::read_to_string(schema_file()).unwrap_or_default();
    assert!(
        found == expected,
        "write it anew: HAM_UNIT_BLESS=1 cargo test -p ham-unit --test schema"
    );
}

/// What a program says, or `None` when it is not there.
fn output(command: &mut Command) -> Option<std::process::Output> {
    match command.output() {
        Ok(output) => Some(output),
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        Err(error) => panic!("{error}"),
    }
}

/// Those of the files that Python's tomllib, a parser of TOML 1.0, refuses.
fn refused_by_python(files: &[PathBuf]) -> Option<BTreeSet<PathBuf>> {
    const SCRIPT: &str = "import sys, tomllib\n\
                          for path in sys.argv[1:]:\n    \
                              try:\n        \
                                  tomllib.load(open(path, 'rb'))\n    \
                              except tomllib.TOMLDecodeError:\n        \
                                  print(path)\n";
    let output = output(Command::new("python3").arg("-c").arg(SCRIPT).args(files));
    let Some(output) = output.filter(|output| output.status.success()) else {
        println!("SKIPPED: no python3 with tomllib (3.11 or newer)");
        return None;
    };
    Some(String::from_utf8(output.stdout).unwrap().lines().map(PathBuf::from).collect())
}

#[test]
fn another_parser_of_toml_1_0_reads_what_is_read() {
    let cases = cases();
    let mut files: Vec<PathBuf> = cases.iter().map(|(path, _)| path.clone()).collect();
    files.extend(ours());
    let Some(refused) = refused_by_python(&files) else { return };
    let expected: BTreeSet<PathBuf> = cases
        .into_iter()
        .filter(|(_, loaded)| has(loaded, &[codes::SYNTAX, codes::NEWER_TOML]))
        .map(|(path, _)| path)
        .collect();
    assert!(expected.len() > 3);
    assert_eq!(refused, expected);
}

/// Those of the files that check-jsonschema refuses.
fn refused_by_validator(files: &[PathBuf]) -> Option<BTreeSet<PathBuf>> {
    let mut command = Command::new("check-jsonschema");
    command.args(["--output-format", "json", "--schemafile"]).arg(schema_file()).args(files);
    let Some(output) = output(&mut command) else {
        println!("SKIPPED: check-jsonschema is not installed");
        return None;
    };
    let said: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)));
    let all = ["errors", "parse_errors"].into_iter().filter_map(|list| said[list].as_array());
    Some(all.flatten().map(|error| PathBuf::from(error["filename"].as_str().unwrap())).collect())
}

#[test]
fn another_validator_agrees_with_the_loader() {
    let cases = cases();
    let ours = ours();
    let mut files: Vec<PathBuf> = cases.iter().map(|(path, _)| path.clone()).collect();
    files.extend(ours.iter().cloned());
    let Some(refused) = refused_by_validator(&files) else { return };
    for file in &ours {
        assert!(!refused.contains(file), "{} is good", file.display());
    }
    let structural = [codes::UNKNOWN_KEY, codes::WRONG_TYPE, codes::SYNTAX];
    let (mut good, mut bad) = (0, 0);
    for (file, loaded) in &cases {
        if !loaded.has_errors() {
            assert!(!refused.contains(file), "{} is good", file.display());
            good += 1;
        } else if has(loaded, &structural) {
            assert!(refused.contains(file), "{} is wrong in its form", file.display());
            bad += 1;
        }
    }
    assert!(good > 15 && bad > 10, "{good} good, {bad} bad");
}

/// By the line that a unit begins with, as Even Better TOML and other editors
/// with taplo in them do.
#[test]
fn an_editor_finds_the_schema_and_what_is_wrong() {
    let lint = |files: &[PathBuf]| {
        let output = output(Command::new("taplo").arg("lint").args(files));
        if output.is_none() {
            println!("SKIPPED: taplo is not installed");
        }
        output
    };
    let Some(good) = lint(&ours()) else { return };
    assert!(good.status.success(), "{}", String::from_utf8_lossy(&good.stderr));
    let name = format!("ham-unit-{}-schema.toml", std::process::id());
    let file = std::env::temp_dir().join(name);
    let schema = schema_file().canonicalize().unwrap();
    let text = format!("#:schema {}\n[entity]\ncomand = \"/bin/true\"\n", schema.display());
    std::fs::write(&file, text).unwrap();
    let bad = lint(std::slice::from_ref(&file));
    std::fs::remove_file(&file).unwrap();
    let bad = bad.unwrap();
    let said = String::from_utf8_lossy(&bad.stderr);
    assert!(!bad.status.success() && said.contains("comand"), "{said}");
}
