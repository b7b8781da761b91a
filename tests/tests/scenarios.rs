//! Rules of supervision as scenarios in text: a plan, what happens, and below
//! `----` the effects and the states that must come of it. Each file is named
//! after the rule that it shows. Every scenario runs twice: once as it stands,
//! and once with the monitor replaced from its committed records before each
//! step, which must make no difference but for the clients that wait.
//!
//! A plan whose first line is `in a container` is that of a manager in one.
//!
//! A block whose first line is `reload` is the plan from there on; with
//! `cut-short` the monitor dies before that counts.
//!
//! A plan whose first line is `init-of-machine` is that of one, which may end it.
//!
//! `HAM_SCENARIO_REWRITE=1` writes what did come into the files: read the
//! difference before you keep it.
#![forbid(unsafe_code)]

#[path = "scenarios/changes.rs"]
mod changes;
#[path = "scenarios/machine.rs"]
mod machine;
#[path = "scenarios/notation.rs"]
mod notation;
#[path = "scenarios/plans.rs"]
mod plans;
#[path = "scenarios/reload.rs"]
mod reload;
#[path = "scenarios/show.rs"]
mod show;

use ham_core::monitor::Host;
use machine::Machine;
use std::fs;
use std::path::{Path, PathBuf};

/// The first lines of a plan.
const IN_CONTAINER: &str = "in a container\n";
const IS_INIT: &str = "init-of-machine\n";

fn files() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios");
    let mut files: Vec<PathBuf> = fs::read_dir(folder)
        .expect("the folder of scenarios")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "txt"))
        .collect();
    files.sort();
    files
}

/// Comments at the top, then blocks with a blank line between.
fn blocks(text: &str) -> (String, Vec<&str>) {
    let top: String = text
        .lines()
        .take_while(|line| line.starts_with('#'))
        .map(|line| format!("{line}\n"))
        .collect();
    let rest = text.get(top.len()..).unwrap_or_default();
    (top, rest.split("\n\n").map(|block| block.trim_matches('\n')).collect())
}

/// The file as it would be if all that came were expected.
fn run(path: &Path, restored: bool) -> String {
    // Shown only when something panics: then this is where.
    println!("{}", path.display());
    let text = fs::read_to_string(path).expect("a scenario");
    let (mut out, blocks) = blocks(&text);
    assert!(!out.is_empty(), "{}: says no rule", path.display());
    let (plan, steps) = blocks.split_first().expect("a plan");
    out.push_str(plan);
    out.push('\n');
    let mut host = Host::default();
    let mut plan = *plan;
    if let Some(rest) = plan.strip_prefix(IS_INIT) {
        (host.reboots, plan) = (true, rest);
    }
    if let Some(rest) = plan.strip_prefix(IN_CONTAINER) {
        (host.container, plan) = (true, rest);
    }
    let mut machine = Machine::new(host, plans::plan(plan), restored);
    for block in steps {
        let commands = block.split("----").next().unwrap_or_default().trim_end();
        let mut came = String::new();
        match commands.split_once('\n').unwrap_or((commands, "")) {
            ("reload", units) => came = machine.reload(units, false),
            ("reload cut-short", units) => came = machine.reload(units, true),
            _ => commands.lines().for_each(|line| came.push_str(&machine.command(line))),
        }
        out.push_str(&format!("\n{commands}\n----\n{came}"));
    }
    out
}

fn rewrites() -> bool {
    std::env::var_os("HAM_SCENARIO_REWRITE").is_some()
}

/// Without the answers that depend on who was connected.
fn without_replies(text: &str) -> String {
    text.lines()
        .filter(|line| !line.starts_with("reply ") && !line.starts_with("verdict "))
        .map(|line| format!("{line}\n"))
        .collect()
}

#[test]
fn each_scenario_goes_as_written() {
    let files = files();
    assert!(files.len() >= 30, "only {} scenarios were found", files.len());
    let mut wrong = Vec::new();
    for path in files {
        let came = run(&path, false);
        if rewrites() {
            fs::write(&path, &came).expect("the scenario can be written");
        } else if came != fs::read_to_string(&path).expect("a scenario") {
            wrong.push(format!("{} came as\n{came}", path.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[test]
fn a_takeover_before_every_step_changes_no_scenario() {
    if rewrites() {
        // The files are in the middle of being written.
        return;
    }
    for path in files() {
        let (live, restored) = (run(&path, false), run(&path, true));
        assert_eq!(without_replies(&restored), without_replies(&live), "{}", path.display());
    }
}

/// What the table of HAM's rules names as shown by a scenario is one.
#[test]
fn the_table_of_rules_names_scenarios_that_exist() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/ham-semantics.md");
    let text = fs::read_to_string(page).expect("the table");
    let known: Vec<String> =
        files().iter().filter_map(|path| Some(path.file_stem()?.to_str()?.to_owned())).collect();
    let shown = text.lines().filter(|line| line.starts_with("| "));
    let shown = shown.filter_map(|line| line.trim_end_matches(" |").rsplit(" | ").next());
    let words = shown.flat_map(|cell| cell.split('`').skip(1).step_by(2));
    let (paths, named): (Vec<&str>, Vec<&str>) = words.partition(|word| word.contains('/'));
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let gone: Vec<&&str> = paths.iter().filter(|path| !root.join(path).is_file()).collect();
    assert!(paths.len() > 10 && gone.is_empty(), "there is no {gone:?}");
    assert!(named.len() > 40, "only {} are named", named.len());
    let missing: Vec<&&str> =
        named.iter().filter(|name| !known.iter().any(|known| known == **name)).collect();
    assert!(missing.is_empty(), "no scenario is called {missing:?}");
}
