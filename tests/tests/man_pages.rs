//! `ham(8)` and `ham-init(8)` against the program: every option of their help
//! texts, every exit code, every variable that the source knows; and all pages against the
//! formatters that are installed.
#![forbid(unsafe_code)]

use ham_tests::programs::{ham, repository};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The page as text: fonts and escapes taken out, requests left in.
fn page(name: &str) -> String {
    let mut text = fs::read_to_string(repository().join("man").join(name)).expect("the page");
    for font in ["\\fB", "\\fI", "\\fR"] {
        text = text.replace(font, "");
    }
    text.replace("\\-", "-").replace("\\e", "\\")
}

/// The lines between one `.SH` and the next.
fn section<'p>(page: &'p str, heading: &str) -> Vec<&'p str> {
    let mut lines = page.lines().skip_while(|line| *line != format!(".SH {heading}"));
    assert!(lines.next().is_some(), "no section {heading}");
    lines.take_while(|line| !line.starts_with(".SH")).collect()
}

/// What is defined under a heading: the words of the line after each `.TP`.
fn defined(page: &str, heading: &str) -> BTreeSet<String> {
    let lines = section(page, heading);
    let tags = lines.windows(2).filter(|pair| pair[0] == ".TP").map(|pair| pair[1]);
    tags.flat_map(|tag| tag.split([' ', ',', '"']).skip(1))
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
        .collect()
}

/// The options at the beginning of the lines of a help text.
fn options(help: &str) -> BTreeSet<String> {
    let lines = help.lines().map(str::trim_start).filter(|line| line.starts_with('-'));
    lines
        .flat_map(|line| {
            // What an option is ends where two blanks stand.
            let names = line.split("  ").next().unwrap_or_default();
            names.split([' ', ',']).filter(|word| word.starts_with('-')).map(str::to_owned)
        })
        .collect()
}

#[test]
fn every_option_of_the_program_stands_in_the_page_and_no_other_does() {
    let output = Command::new(ham()).arg("--help").output().expect("ham can be executed");
    assert!(output.status.success());
    let help = String::from_utf8(output.stdout).expect("help is text");
    let expected = options(&help);
    assert!(expected.len() > 10 && expected.contains("--units"), "{expected:?}");
    let described: BTreeSet<String> = defined(&page("ham.8"), "OPTIONS")
        .into_iter()
        .filter(|word| word.starts_with('-'))
        .collect();
    assert_eq!(described, expected);
}

#[test]
fn every_option_of_ham_init_stands_in_its_page_and_no_other_does() {
    let output = Command::new(ham()).args(["init", "-h"]).output().expect("ham can be executed");
    assert!(output.status.success());
    let help = String::from_utf8(output.stdout).expect("help is text");
    let expected = options(&help);
    assert!(expected.len() > 10 && expected.contains("--rewrite"), "{expected:?}");
    let page = page("ham-init.8");
    let described: BTreeSet<String> =
        defined(&page, "OPTIONS").into_iter().filter(|word| word.starts_with('-')).collect();
    assert_eq!(described, expected);
    let variables = defined(&page, "ENVIRONMENT");
    for word in help.split([' ', '\n', ',', '(']).filter(|word| word.starts_with("TINI_")) {
        assert!(variables.contains(word), "{word} is missing in ham-init(8)");
    }
}

#[test]
fn every_exit_code_stands_in_the_page_and_no_other_does() {
    let source = fs::read_to_string(repository().join("src/daemon/src/exit.rs")).expect("exit.rs");
    let expected: BTreeSet<String> = source
        .lines()
        .filter(|line| line.contains("const "))
        .map(|line| {
            let value = line.split_once('=').expect("a constant has a value").1;
            value.trim().trim_end_matches(';').to_owned()
        })
        .collect();
    assert!(expected.len() >= 6, "{expected:?}");
    assert_eq!(defined(&page("ham.8"), "EXIT STATUS"), expected);
}

/// Names of variables that stand as texts in a source file.
fn variables(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).expect("a folder of sources") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            variables(&path, found);
            continue;
        }
        let text = fs::read_to_string(&path).unwrap_or_default();
        for (at, _) in text.match_indices("\"HAM_") {
            let rest = text.get(at + 1..).unwrap_or_default();
            let name: String = rest
                .chars()
                .take_while(|char| {
                    char.is_ascii_uppercase() || char.is_ascii_digit() || *char == '_'
                })
                .collect();
            // "HAM_" alone is the prefix of all of them.
            found.insert(name);
        }
    }
}

#[test]
fn every_variable_of_the_source_stands_in_the_page() {
    let mut known = BTreeSet::new();
    for folder in ["src/daemon/src", "src/sys/src", "src/core/src"] {
        variables(&repository().join(folder), &mut known);
    }
    known.remove("HAM_");
    assert!(known.len() > 5, "{known:?}");
    let described = defined(&page("ham.8"), "ENVIRONMENT");
    for name in &known {
        assert!(described.contains(name), "{name} is missing in ham(8)");
    }
    for name in described.iter().filter(|name| name.starts_with("HAM_")) {
        assert!(known.contains(name), "the program does not know {name}");
    }
}

/// All pages.
fn pages() -> Vec<PathBuf> {
    let entries = fs::read_dir(repository().join("man")).expect("the directory of pages");
    let mut pages: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    pages.sort();
    assert!(pages.len() >= 3, "{pages:?}");
    pages
}

/// Runs a formatter on every page; what it says is a mistake in the page.
fn is_clean(program: &str, options: &[&str]) {
    for page in pages() {
        let output = match Command::new(program).args(options).arg(&page).output() {
            Ok(output) => output,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                println!("SKIPPED: {program} is not installed");
                return;
            }
            Err(error) => panic!("could not run {program}: {error}"),
        };
        let said = [output.stderr, output.stdout].concat();
        let said = String::from_utf8_lossy(&said);
        assert!(output.status.success() && said.is_empty(), "{}:\n{said}", page.display());
    }
}

#[test]
fn groff_has_nothing_to_say() {
    is_clean("groff", &["-Kutf8", "-man", "-ww", "-z", "-Tutf8"]);
}

#[test]
fn mandoc_has_nothing_to_say() {
    is_clean("mandoc", &["-Tlint", "-Wwarning"]);
}
