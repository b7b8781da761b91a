//! The shape of the program, held: which crate may see which, where unsafe
//! code may stand, how long a file may be, and what the reaper may not touch.
//! ARCHITECTURE.md tells the reasons; this only looks.
#![forbid(unsafe_code)]

use ham_snapshot::layout::*;
use ham_tests::programs::repository;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Each crate of ours, its folder, and those of ours that it may see; those
/// after the bar only in its tests.
const LAYERS: [(&str, &str, &str); 10] = [
    ("ham-core", "src/core", ""),
    ("ham-unit", "src/unit", "ham-core"),
    ("ham-sys", "src/sys", ""),
    ("ham-snapshot", "src/snapshot", "| ham-sys"),
    ("ham", "src/daemon", "ham-core ham-snapshot ham-sys ham-unit"),
    ("hamctl", "src/ctl", "ham-core ham-unit libham"),
    ("libham", "src/client", "ham-core ham-sys"),
    ("ham-tests", "tests", "ham-core ham-snapshot ham-sys ham-unit libham"),
    ("ham-chaos", "tests/chaos", "ham-core ham-snapshot ham-tests libham"),
    ("ham-benches", "benches", "ham-benches ham-snapshot ham-sys libham"),
];

/// Crates of others with power or weight, and who may use them.
const HELD: [(&str, &[&str]); 7] = [
    // System calls: one place, so that there is one place to look.
    ("libc", &["ham-sys", "ham-tests"]),
    ("nix", &["ham-sys", "ham-tests", "ham-chaos"]),
    // Parsing stays out of the processes that must not die of it.
    ("toml", &["ham-unit"]),
    ("humantime", &["ham-unit"]),
    ("miette", &["ham-unit", "hamctl"]),
    ("clap", &["hamctl"]),
    ("lexopt", &["ham", "ham-chaos", "ham-benches"]),
];

/// Longer is more than one subject.
const MOST_LINES: usize = 500;

fn metadata() -> Value {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .current_dir(repository())
        .args(["metadata", "--no-deps", "--offline", "--format-version", "1"])
        .output()
        .expect("cargo is there, it has built this test");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("cargo metadata is JSON")
}

/// Package, to its dependencies with their kinds (`normal`, `dev`, `build`).
fn dependencies() -> BTreeMap<String, Vec<(String, String)>> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let metadata = metadata();
    let packages = metadata["packages"].as_array().expect("packages");
    let all: BTreeMap<_, _> = packages
        .iter()
        .map(|package| {
            let dependencies = package["dependencies"].as_array().expect("dependencies");
            let named = dependencies.iter().map(|dependency| {
                let kind = dependency["kind"].as_str().unwrap_or("normal");
                (text(&dependency["name"]), kind.to_owned())
            });
            (text(&package["name"]), named.collect())
        })
        .collect();
    assert_eq!(
        all.keys().map(String::as_str).collect::<Vec<_>>(),
        {
            let mut known = LAYERS.map(|(name, ..)| name).to_vec();
            known.sort_unstable();
            known
        },
        "a crate came or went: LAYERS says what each may see"
    );
    all
}

/// What a crate may see: in its program, and in its tests beside that.
fn allowed(name: &str) -> (Vec<&'static str>, Vec<&'static str>) {
    let rule = LAYERS.iter().find(|(layer, ..)| *layer == name).map_or("", |(.., rule)| *rule);
    let (program, tests) = rule.split_once('|').unwrap_or((rule, ""));
    (program.split_whitespace().collect(), tests.split_whitespace().collect())
}

#[test]
fn crates_see_only_the_layers_below() {
    for (package, dependencies) in dependencies() {
        let (program, tests) = allowed(&package);
        for (dependency, kind) in dependencies {
            if !LAYERS.iter().any(|(layer, ..)| *layer == dependency) {
                continue;
            }
            let fine = program.contains(&dependency.as_str())
                || (kind == "dev" && tests.contains(&dependency.as_str()));
            assert!(fine, "{package} may not depend on {dependency} ({kind})");
        }
    }
}

#[test]
fn crates_with_power_stay_where_they_belong() {
    for (package, dependencies) in dependencies() {
        for (dependency, kind) in dependencies {
            let rule = HELD.iter().find(|(held, _)| *held == dependency);
            if let Some((_, users)) = rule {
                assert!(
                    users.contains(&package.as_str()),
                    "{package} may not depend on {dependency} ({kind})"
                );
            }
        }
    }
}

/// Cargo lets a crate's own tests see its dev-dependencies, so what a program
/// names is looked at by itself.
#[test]
fn programs_name_only_the_layers_below() {
    for (package, folder, _) in LAYERS {
        let (program, tests) = allowed(package);
        for file in rust_files(&repository().join(folder).join("src")) {
            let code = without_comments(&fs::read_to_string(&file).expect("a source file"));
            // What follows the first `cfg(test)` is tests: they stand last.
            let (before, after) = code.split_once("#[cfg(test)]").unwrap_or((&code, ""));
            for name in ours_in(before) {
                assert!(program.contains(&name.as_str()), "{}: {name}", file.display());
            }
            for name in ours_in(after) {
                let fine = program.contains(&name.as_str()) || tests.contains(&name.as_str());
                assert!(fine, "{}: {name}", file.display());
            }
        }
    }
}

/// The crates of ours that a text names: `ham_core::…`.
fn ours_in(code: &str) -> Vec<String> {
    code.match_indices("ham_")
        .filter_map(|(at, _)| {
            let word: String = code[at..]
                .chars()
                .take_while(|char| char.is_ascii_alphanumeric() || *char == '_')
                .collect();
            let starts_a_word = !code[..at]
                .ends_with(|char: char| char.is_ascii_alphanumeric() || matches!(char, '_' | '"'));
            let name = word.replace('_', "-");
            let is_crate = LAYERS.iter().any(|(layer, ..)| *layer == name);
            (starts_a_word && is_crate).then_some(name)
        })
        .collect()
}

#[test]
fn unsafe_code_stands_in_one_crate() {
    let roots = LAYERS.iter().filter(|(name, ..)| *name != "ham-sys").map(|(_, folder, _)| {
        let src = repository().join(folder).join("src");
        let library = src.join("lib.rs");
        if library.exists() { library } else { src.join("main.rs") }
    });
    for root in roots {
        let text = fs::read_to_string(&root).expect("the root of a crate");
        assert!(text.contains("#![forbid(unsafe_code)]"), "{}", root.display());
    }
    let sys = repository().join("src/sys");
    for file in all_rust_files().iter().filter(|file| !file.starts_with(&sys)) {
        let code = without_comments(&fs::read_to_string(file).expect("a source file"));
        for what in ["block", "fn", "impl", "trait", "extern"] {
            let word = if what == "block" { "{" } else { what };
            // Put together here, or this file would find itself.
            let forbidden = ["unsafe", word].join(" ");
            assert!(!code.contains(&forbidden), "{}: {forbidden}", file.display());
        }
    }
}

#[test]
fn files_say_what_they_are_and_have_one_subject() {
    let files = all_rust_files();
    assert!(files.len() > 50, "only {} files found", files.len());
    for file in files {
        let text = fs::read_to_string(&file).expect("a source file");
        assert!(text.starts_with("//! "), "{} does not say what it is", file.display());
        let lines = text.lines().count();
        assert!(lines <= MOST_LINES, "{} has {lines} lines", file.display());
        let stem = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let everything = ["util", "utils", "common", "misc", "helper", "helpers"];
        assert!(!everything.contains(&stem.as_str()), "{} is about everything", file.display());
    }
}

/// A test that no program has a module for would never run.
#[test]
fn every_file_of_tests_is_part_of_a_program() {
    let folder = repository().join("tests/tests/real");
    let main = fs::read_to_string(folder.join("main.rs")).expect("the root of the tests");
    for file in fs::read_dir(&folder).expect("the folder of the tests").flatten() {
        let name = file.file_name().into_string().expect("a plain name");
        if let Some(name) = name.strip_suffix(".rs").filter(|name| *name != "main") {
            assert!(main.contains(&format!("mod {name};\n")), "main.rs has no `mod {name};`");
        }
    }
}

/// The reaper is what nothing may end: it parses nothing, decides nothing
/// about entities, and uses no heap after its start. That it does not is
/// counted while it runs; here the obvious is refused before.
#[test]
fn the_reaper_stays_small() {
    let files = rust_files(&repository().join("src/daemon/src/reaper"));
    assert!(!files.is_empty());
    for file in files {
        let code = without_comments(&fs::read_to_string(&file).expect("a source file"));
        let code = code.split("#[cfg(test)]").next().unwrap_or_default();
        let heap = ["format!", "String", "Vec<", "Box<", "vec!", "Vec::", "Box::", "Arc", "Rc<"];
        let more_heap =
            [".to_string()", ".to_owned()", ".to_vec()", ".collect", "HashMap", "BTree"];
        for word in heap.into_iter().chain(more_heap) {
            assert!(!code.contains(word), "{}: `{word}` needs the heap", file.display());
        }
        for word in ["serde", "toml", "ham_unit", "std::fs", "std::env", "unwrap(", "expect("] {
            assert!(!code.contains(word), "{}: `{word}` in the reaper", file.display());
        }
        for (at, _) in code.match_indices("monitor::") {
            let is_path = !code[..at].ends_with("self.");
            let named = &code[at..];
            assert!(
                !is_path || named.starts_with("monitor::main"),
                "{}: of the monitor the reaper knows `main` only: {}",
                file.display(),
                named.lines().next().unwrap_or_default()
            );
        }
        for module in ["load", "facts", "watch"] {
            let path = format!("crate::{module}");
            assert!(!code.contains(&path), "{}: `{path}`", file.display());
        }
    }
}

/// The rows of the tables below a heading of a Markdown file, cell by cell.
fn rows(text: &str, heading: &str) -> Vec<Vec<String>> {
    let lines = text.lines().skip_while(|line| *line != heading).skip(1);
    lines
        .take_while(|line| !line.starts_with("## "))
        .filter(|line| line.starts_with("| ") && !line.contains("---"))
        .map(|line| line.split('|').map(|cell| cell.trim().to_owned()).collect())
        .collect()
}

#[test]
fn the_description_of_the_state_is_exact() {
    let text = fs::read_to_string(repository().join("schema/state.md")).expect("state.md");
    assert!(text.contains(&format!("Layout version **{VERSION}**")), "not version {VERSION}");
    let areas = [
        ("header", HEADER_AT, "1", HEADER_WORDS.to_string()),
        ("slots", SLOTS_AT, "65536", SLOT_WORDS.to_string()),
        ("phases", PHASES_AT, "65536", "1".to_owned()),
        ("process ids", PIDS_AT, "65536", "1".to_owned()),
        ("hints", HINTS_AT, "65536", "1".to_owned()),
        ("exit queue", EXIT_QUEUE_AT, "65536", "1".to_owned()),
        ("orphans", ORPHANS_AT, "1024", ORPHAN_WORDS.to_string()),
        ("history", HISTORY_AT, "4096", HISTORY_WORDS.to_string()),
        ("kept", KEPT_AT, "16384", KEPT_WORDS.to_string()),
        ("kept names", KEPT_NAMES_AT, "16384", NAME_WORDS.to_string()),
        ("heartbeats", BEATS_AT, "65536", BEAT_WORDS.to_string()),
        ("heads", HEADS_AT, "463361", format!("{VERSIONS} x {HEAD_WORDS}")),
        ("bodies", BODIES_AT, "463361", format!("{VERSIONS} x {BODY_WORDS}")),
        ("plan halves", PLANS_AT, "2", PLAN_WORDS.to_string()),
        ("end", TOTAL, "", String::new()),
    ];
    assert_eq!([SLOTS, HINTS, EXIT_QUEUE, BEATS], [65_536; 4]);
    assert_eq!([ORPHANS, KEPT, HISTORY, RECORDS], [1_024, 16_384, 4_096, 463_361]);
    let expected: Vec<[String; 4]> = areas
        .map(|(name, at, count, words)| {
            [name.to_owned(), (at * WORD).to_string(), count.to_owned(), words]
        })
        .into();
    let found: Vec<[String; 4]> = rows(&text, "## Areas")
        .into_iter()
        .skip(1)
        .map(|row| [1, 2, 3, 4].map(|cell| row[cell].clone()))
        .collect();
    assert_eq!(found, expected);

    let header = repository().join("src/snapshot/src/header.rs");
    let header = without_comments(&fs::read_to_string(header).expect("header.rs"));
    let fields: Vec<(String, String)> = header
        .lines()
        .filter_map(|line| line.trim().strip_suffix(',')?.split_once(" = "))
        .map(|(name, word)| (word.to_owned(), name.to_owned()))
        .collect();
    assert!(fields.len() > 20, "{fields:?}");
    let described: Vec<(String, String)> = rows(&text, "## Header")
        .into_iter()
        .skip(1)
        .map(|row| (row[1].clone(), row[2].clone()))
        .filter(|(_, name)| !name.is_empty())
        .collect();
    assert_eq!(described, fields);
}

fn all_rust_files() -> Vec<PathBuf> {
    let mut all = rust_files(&repository().join("src"));
    all.extend(rust_files(&repository().join("tests")));
    all.extend(rust_files(&repository().join("benches")));
    all
}

/// Every source file below a folder, in order of name.
fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(&folder).expect("a folder of the repository") {
            let path = entry.expect("an entry of it").path();
            if path.is_dir() && !path.ends_with("target") {
                open.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// Lines that are not comments; what stands behind code in a line stays.
fn without_comments(text: &str) -> String {
    let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
    code.flat_map(|line| [line, "\n"]).collect()
}
