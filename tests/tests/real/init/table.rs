//! The table of docs/init.md: every cell of it is measured.

use super::bed::{Init, KINDS};
use super::points::POINTS;
use ham_tests::programs::repository;
use std::collections::BTreeMap;
use std::fs;

/// A cell for what an init has no option for.
pub(crate) const NONE: &str = "-";

fn document() -> BTreeMap<String, Vec<String>> {
    let text = fs::read_to_string(repository().join("docs/init.md")).expect("docs/init.md");
    let lines = text.lines().skip_while(|line| *line != "## Point by point").skip(1);
    lines
        .take_while(|line| !line.starts_with("## "))
        .filter(|line| line.starts_with("| ") && !line.contains("---"))
        .map(|line| {
            let mut cells = line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned());
            (cells.next().unwrap_or_default(), cells.collect())
        })
        .collect()
}

fn row(name: &str, cells: &[String]) -> String {
    format!("| {name} | {} |", cells.join(" | "))
}

#[test]
fn every_point_is_as_the_table_has_it() {
    let mut written = document();
    let heads = written.remove("point").expect("a head");
    assert_eq!(heads, KINDS.map(|kind| kind.name().to_owned()));
    let inits = KINDS.map(Init::find);
    let (mut wrong, mut all) = (Vec::new(), Vec::new());
    for (name, point) in POINTS {
        println!("{name}");
        let cells = written.remove(*name).unwrap_or_default();
        let found: Vec<String> = inits
            .iter()
            .enumerate()
            .map(|(number, init)| {
                let written = cells.get(number).cloned().unwrap_or_default();
                // What is not installed, or not possible here, was said aloud.
                let cell = init.as_ref().and_then(point).unwrap_or(written);
                println!("  {}: {cell}", KINDS[number].name());
                cell
            })
            .collect();
        if found != cells {
            wrong.push(*name);
        }
        all.push(row(name, &found));
    }
    let all = all.join("\n");
    assert!(wrong.is_empty(), "not as docs/init.md has it: {wrong:?}. What was found:\n{all}");
    assert!(written.is_empty(), "nobody measures {:?}", written.keys());
}
