//! docs/import.md is true: it has every key, and every key that it has is
//! known.

use super::super::conditions::is_other;
use super::super::hints::HINTS;
use super::{Outcome, loads, named};
use std::collections::BTreeSet;

const PAGE: &str = include_str!("../../../../../docs/import.md");

/// What makes sense for one key and none for another.
const VALUES: [&str; 24] = [
    "",
    "/x",
    "1",
    "0",
    "-1",
    "99999999999999999999",
    "yes",
    "no",
    "infinity",
    "5s",
    "0.1ms",
    "a b",
    "\"",
    "%i {x} %",
    "a@%i.service b.socket",
    "../a",
    "a:b:c",
    "~CAP_KILL",
    "TERM",
    "0777",
    "1-3",
    "always",
    "file:/x",
    "@-+!/bin/{} ${A} $B ; /c",
];

/// The keys of the first column, by section.
fn described() -> Vec<(String, String)> {
    let mut section = String::new();
    let mut all = Vec::new();
    for line in PAGE.lines() {
        if let Some(heading) = line.strip_prefix("## ") {
            section = heading.trim_matches(['[', ']']).to_owned();
        }
        let Some(cell) = line.strip_prefix("| `").and_then(|line| line.split(" | ").next()) else {
            continue;
        };
        let keys = cell.split('`').filter_map(|word| word.strip_suffix('='));
        all.extend(keys.map(|key| (section.clone(), key.to_owned())));
    }
    all
}

#[test]
fn every_key_of_the_page_is_known() {
    let all = described();
    assert!(all.len() > 250, "{}", all.len());
    let mut wrong = Vec::new();
    for (section, key) in all {
        // Whatever it is given, the unit loads.
        let plain = HINTS.iter().any(|(keys, _)| keys.contains(&key.as_str()));
        for (index, value) in VALUES.into_iter().enumerate() {
            if index > 1 && (plain || is_other(&key)) {
                break;
            }
            let kinds = ["simple", "oneshot", "forking", "notify"];
            let kind = kinds[(index + key.len()) % kinds.len()];
            let text = format!(
                "[Service]\nType={kind}\nExecStart=/bin/a\nRestart=always\n[{section}]\n\
                 {key}={value}\n"
            );
            match loads("a@.service", &text) {
                Ok(unit) => {
                    let mut told = unit.entries.iter();
                    let unknown = told.find(|entry| entry.text.contains("not know this"));
                    assert_eq!(unknown, None, "{section} {key}");
                }
                Err(why) => wrong.push(why),
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n---\n"));
}

#[test]
fn the_page_has_every_key() {
    let described: BTreeSet<String> = described().into_iter().map(|(_, key)| key).collect();
    for key in HINTS.iter().flat_map(|(keys, _)| keys.iter()) {
        assert!(described.contains(*key), "docs/import.md lacks {key}");
    }
    for other in super::super::conditions::OTHERS {
        assert!(described.contains(&format!("Condition{other}")), "docs/import.md lacks {other}");
    }
    // Keys stand as whole words in quotes in the files of the groups.
    for source in [
        include_str!("../capabilities.rs"),
        include_str!("../exec.rs"),
        include_str!("../identity.rs"),
        include_str!("../install.rs"),
        include_str!("../kind.rs"),
        include_str!("../limits.rs"),
        include_str!("../order.rs"),
        include_str!("../places.rs"),
        include_str!("../process.rs"),
        include_str!("../restart.rs"),
        include_str!("../stop.rs"),
        include_str!("../streams.rs"),
    ] {
        let program = source.split("#[cfg(test)]").next().unwrap();
        for word in program.split('"') {
            let mut chars = word.chars();
            let first = chars.next().is_some_and(|c| c.is_ascii_uppercase());
            let camel = first
                && word.chars().all(|c| c.is_ascii_alphanumeric())
                && word.chars().any(|c| c.is_ascii_lowercase());
            if camel && word != "Stop" {
                assert!(described.contains(word), "docs/import.md lacks {word}");
            }
        }
    }
}

#[test]
fn an_unknown_key_is_told() {
    let unit = named("a.service", "[Service]\nExecStart=/bin/a\nFrobnicate=1\n");
    let entry = unit.entries.iter().find(|entry| entry.key == "Frobnicate").unwrap();
    assert_eq!(entry.outcome, Outcome::NoEquivalent);
    assert!(entry.text.contains("not know this"), "{entry}");
}
