//! `hamctl explain` and `hamctl schema`: what needs neither manager nor files.

mod fake;

use fake::{Run, command, program};
use serde_json::Value;

fn hamctl(arguments: &[&str]) -> Run {
    command(program(), arguments).output().unwrap().into()
}

#[test]
fn a_code_is_explained_however_it_is_written() {
    let run = hamctl(&["explain", "unknown-key"]);
    assert_eq!((run.code, run.err.as_str()), (0, ""));
    assert!(run.out.starts_with("ham::unit::unknown-key (error)\n\nA key that"), "{}", run.out);
    assert!(run.out.contains("\nWrong:\n\n    [entity]\n    comand = "), "{}", run.out);
    assert!(run.out.contains("\nMended:\n\n    [entity]\n    command = "), "{}", run.out);
    for same in ["ham::unit::unknown-key", "error[ham::unit::unknown-key]"] {
        assert_eq!(hamctl(&["explain", same]).out, run.out, "{same}");
    }
}

#[test]
fn an_unknown_code_has_a_nearest_one() {
    let run = hamctl(&["explain", "unknown-keys"]);
    let expected =
        "hamctl: no diagnostic has the code `unknown-keys`; did you mean `unknown-key`?\n";
    assert_eq!((run.code, run.out.as_str(), run.err.as_str()), (2, "", expected));
    let run = hamctl(&["explain", "E0308"]);
    assert!(run.err.ends_with("(`hamctl explain` lists them)\n"), "{}", run.err);
}

#[test]
fn all_codes_are_listed_with_what_they_mean() {
    let run = hamctl(&["explain"]);
    assert_eq!(run.code, 0);
    let all = ham_unit::codes::ALL;
    assert_eq!(run.out.lines().count(), all.len());
    for ((code, meaning), line) in all.iter().zip(run.out.lines()) {
        let short = code.rsplit("::").next().unwrap();
        assert!(line.starts_with(short) && line.ends_with(meaning.trim()), "{line}");
    }
    let listed: Value = serde_json::from_str(&hamctl(&["--json", "explain"]).out).unwrap();
    let one: Value = serde_json::from_str(&hamctl(&["--json", "explain", "more"]).out).unwrap();
    assert_eq!(listed.as_array().unwrap().len(), all.len());
    assert_eq!(listed.as_array().unwrap().last(), Some(&one));
    assert_eq!((&one["code"], &one["severity"]), (&"ham::unit::more".into(), &"note".into()));
    for key in ["meaning", "about", "wrong", "mended"] {
        assert!(one[key].as_str().is_some_and(|text| !text.is_empty()), "{key}");
    }
}

#[test]
fn the_schema_is_that_of_the_tree() {
    let run = hamctl(&["schema"]);
    assert_eq!((run.code, run.err.as_str()), (0, ""));
    assert_eq!(run.out, include_str!("../../../schema/ham.unit.schema.json"));
    let run = hamctl(&["--json", "schema"]);
    assert_eq!(run.out.lines().count(), 1);
}
