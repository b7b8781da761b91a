//! Texts and what is said about them: every `cases/NAME.toml` is checked and
//! the rendered result compared with `cases/NAME.out`, byte for byte. Run with
//! `HAM_UNIT_BLESS=1` to write the results, then read the difference.

mod fake_users;

use fake_users::FakeUsers;
use ham_core::plan::{EntityPlan, Item};
use ham_unit::{Loaded, NeighbourNames, Settings, Writing, check_text, codes, write_unit};
use std::fmt::Write as _;
use std::path::PathBuf;

fn cases() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/cases")
}

fn names() -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(cases())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter_map(|name| name.strip_suffix(".toml").map(str::to_owned))
        .collect();
    names.sort();
    assert!(names.len() > 20, "the cases are not where they should be");
    names
}

fn check(name: &str) -> Loaded {
    let text = std::fs::read_to_string(cases().join(format!("{name}.toml"))).unwrap();
    // Names of cases are names of units but for what follows a `+`.
    let unit = name.split('+').next().unwrap();
    check_text(unit, &format!("{name}.toml"), &text, &Settings::new(&FakeUsers, 1000))
}

fn shown(name: &str, loaded: &Loaded) -> String {
    let mut out = String::new();
    for diagnostic in &loaded.diagnostics {
        let _ = writeln!(out, "{}\n", diagnostic.render_plain());
    }
    match loaded.entities.as_slice() {
        [plan] if name.starts_with("plan") => {
            let _ = writeln!(out, "{plan:#?}");
        }
        [plan] => {
            let _ = writeln!(out, "loaded: {}", plan.name);
        }
        _ => {
            let _ = writeln!(out, "refused: {}", loaded.refused.join(" "));
        }
    }
    out
}

#[test]
fn every_case_renders_as_written_down() {
    let mut different = Vec::new();
    for name in names() {
        let found = shown(&name, &check(&name));
        let file = cases().join(format!("{name}.out"));
        if std::env::var_os("HAM_UNIT_BLESS").is_some() {
            std::fs::write(&file, &found).unwrap();
        }
        let expected = std::fs::read_to_string(&file).unwrap_or_default();
        if found != expected {
            different.push(format!("{name}: expected\n{expected}\nfound\n{found}"));
        }
    }
    assert!(different.is_empty(), "{}", different.join("\n"));
}

#[test]
fn every_code_has_a_case() {
    let mut all = String::new();
    for folder in [cases(), cases().join("files")] {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "out") {
                all.push_str(&std::fs::read_to_string(path).unwrap());
            }
        }
    }
    for (code, _) in codes::ALL {
        assert!(all.contains(&format!("[{code}]")), "no case shows {code}");
    }
}

#[test]
fn four_mistakes_in_one_file_are_four_carets() {
    let loaded = check("four-mistakes");
    assert_eq!(loaded.diagnostics.len(), 4);
    let lines: Vec<u32> = loaded.diagnostics.iter().map(|found| found.line).collect();
    assert_eq!(lines, [2, 3, 4, 7]);
    for diagnostic in &loaded.diagnostics {
        assert!(diagnostic.render_plain().contains('^'));
    }
    assert!(loaded.entities.is_empty());
}

#[test]
fn a_diagnostic_is_one_for_miette_too() {
    use miette::Diagnostic as _;
    let loaded = check("four-mistakes");
    let first = &loaded.diagnostics[0];
    assert_eq!(first.code().unwrap().to_string(), first.code);
    assert_eq!(first.severity(), Some(miette::Severity::Error));
    let label = first.labels().unwrap().next().unwrap();
    let contents = first.source_code().unwrap().read_span(label.inner(), 0, 0).unwrap();
    assert_eq!(contents.name(), Some("four-mistakes.toml"));
    let (start, end) = first.span.unwrap();
    assert_eq!(&first.source_text()[start..end], "comand");
}

#[test]
fn the_report_of_a_diagnostic_says_the_same() {
    for diagnostic in &check("four-mistakes").diagnostics {
        let report = ham_unit::DiagnosticReport::from(diagnostic);
        assert_eq!(report.rendered, diagnostic.render_plain());
        assert_eq!((report.line, report.column), (diagnostic.line, diagnostic.column));
        assert_eq!(report.code, diagnostic.code);
        assert_eq!((report.span, &report.label), (diagnostic.span, &diagnostic.label));
        // None of these goes over several lines.
        let (start, end) = diagnostic.span.unwrap();
        let width = diagnostic.source_text()[start..end].chars().count();
        let end_column = diagnostic.column + u32::try_from(width).unwrap();
        assert_eq!((report.end_line, report.end_column), (diagnostic.line, end_column));
    }
}

#[test]
fn a_place_over_several_lines_ends_in_the_last_of_them() {
    let text = "[entity]\ncommand = [\n  \"/bin/sh\",\n  \"\u{e9}\", '' ]\nnice = [\n 1 ]\n";
    let settings = Settings::new(&FakeUsers, 1000);
    let loaded = check_text("a", "a.toml", text, &settings);
    let found = loaded.diagnostics.iter().find(|found| found.line == 5).unwrap();
    assert_eq!((found.column, found.end()), (8, (6, 5)));
}

#[test]
fn what_stands_twice_is_told_with_both_places() {
    let text = "[entity]\ncommand = \"/bin/sh\"\n[[condition]]\non = \"death\"\n\
                actions = [ { restart = {} }, { restart = {} } ]\n\
                [[condition]]\non = \"death\"\nactions = [ { log = \"x\" } ]\n";
    let loaded = check_text("a", "a.toml", text, &Settings::new(&FakeUsers, 1000));
    let places: Vec<(u32, u32)> = loaded
        .diagnostics
        .iter()
        .flat_map(|found| found.related.iter().map(|place| (place.line, place.column)))
        .collect();
    assert_eq!(places, [(5, 15), (4, 6)]);
}

/// What can be read can be written, and reads as the same again.
#[test]
fn a_plan_that_is_written_reads_as_the_same_plan() {
    let mut written = 0;
    for name in names().into_iter().filter(|name| name.starts_with("plan")) {
        let loaded = check(&name);
        let [plan] = loaded.entities.as_slice() else { continue };
        let neighbours = NeighbourNames::default();
        let remark = |item: &Item| Some(format!("of {item}"));
        let with =
            Writing { neighbours: &neighbours, name: &|_| "other".to_owned(), remark: &remark };
        let text = write_unit(plan, &with);
        let again = check_text(&plan.name, &plan.source, &text, &Settings::new(&FakeUsers, 1000));
        let errors: Vec<String> = again
            .diagnostics
            .iter()
            .filter(|found| found.is_error())
            .map(|found| found.render_plain())
            .collect();
        assert!(errors.is_empty(), "{name}: {text}\n{}", errors.join("\n"));
        // Home and shell go by the user, neighbours by other units.
        let links = plan.links.clone();
        let same: Vec<EntityPlan> = again
            .entities
            .into_iter()
            .map(|plan| EntityPlan { links: links.clone(), ..plan })
            .collect();
        assert_eq!(same.first(), Some(plan), "{name}: {text}");
        written += 1;
    }
    assert!(written > 5, "only {written} plans");
}
