//! What lines look like, and that they stay whole.

use super::reader::{Lines, start, write};
use ham_tests::own_units::Units;
use ham_tests::programs::Manager;
use std::collections::BTreeMap;

/// The longest line that is passed on in one piece (ham(8)).
const LINE: usize = 8 * 1024;

#[test]
fn each_line_has_the_name_of_its_entity() {
    let units = Units::new("lines");
    write(&units, "web", "echo first; printf 'sec'; echo ond >&2; echo ' half'; printf end");
    let (_manager, reader) = start(&units, &[]);
    let mut lines =
        Lines::read(reader).wait_for("all", |lines| lines.iter().any(|line| line == "web: end"));
    lines.sort();
    assert_eq!(lines, ["web: end", "web: first", "web: ond", "web: sec half"]);
}

#[test]
fn a_line_that_is_too_long_is_told_in_parts() {
    let units = Units::new("long");
    write(&units, "web", "head -c 20000 /dev/zero | tr '\\0' x; echo; echo last");
    let (_manager, reader) = start(&units, &[]);
    let lines = Lines::read(reader).wait_for("all", |lines| lines.len() == 4);
    let expected = [LINE, LINE, 20_000 - 2 * LINE].map(|count| "x".repeat(count));
    for (line, part) in lines.iter().zip(&expected).take(2) {
        assert_eq!(*line, format!("web: {part} \\"));
    }
    assert_eq!(lines[2..], [format!("web: {}", expected[2]), "web: last".to_owned()]);
}

#[test]
fn json_is_an_object_for_each_line_and_the_log_is_too() {
    let units = Units::new("json");
    write(&units, "web", r#"printf 'a "b"\t\377\033\n' >&2; echo plain"#);
    let (mut manager, reader) = start(&units, &["--log-format", "json"]);
    let lines = Lines::read(reader).wait_for("all", |lines| lines.len() == 2);
    let parse = |line: &String| serde_json::from_str::<serde_json::Value>(line).unwrap();
    let mut objects: Vec<_> = lines.iter().map(parse).collect();
    objects.sort_by_key(|object| object["stream"].to_string());
    for (object, (stream, text)) in
        objects.iter().zip([("stderr", "a \"b\"\t\u{fffd}\u{1b}"), ("stdout", "plain")])
    {
        assert_eq!((&object["entity"], &object["stream"]), (&"web".into(), &stream.into()));
        assert_eq!(object["text"], text);
        let time = object["time"].as_str().unwrap();
        assert!(time.ends_with('Z') && time.len() == 27, "{time}");
    }
    manager.wait_for_log("its start", |log| log.contains("started, pid"));
    for line in manager.log().lines() {
        let object = parse(&line.to_owned());
        assert_eq!(object["stream"], "log", "{line}");
        assert!(object["entity"] == "ham" || object["entity"] == "web", "{line}");
    }
}

#[test]
fn lines_of_many_entities_never_mix() {
    const ENTITIES: usize = 20;
    const LINES: usize = 2_000;
    let units = Units::new("many");
    for number in 0..ENTITIES {
        let script = format!("seq -f '%g {} of {number}' 1 {LINES}", "-".repeat(number * 7));
        write(&units, &format!("e{number}"), &script);
    }
    let (_manager, reader) = start(&units, &[]);
    let lines = Lines::read(reader).wait_for("all", |lines| lines.len() >= ENTITIES * LINES);
    assert_eq!(lines.len(), ENTITIES * LINES);
    let mut next: BTreeMap<&str, usize> = BTreeMap::new();
    for line in &lines {
        let (name, text) = line.split_once(": ").unwrap();
        let number: usize = name.strip_prefix('e').unwrap().parse().unwrap();
        let at = next.entry(name).or_insert(1);
        assert_eq!(text, format!("{at} {} of {number}", "-".repeat(number * 7)));
        *at += 1;
    }
}

#[test]
fn a_file_gets_them_beside_the_log() {
    let units = Units::new("file");
    write(&units, "web", "for n in $(seq 1 500); do echo line $n; done; echo complete");
    // Its standard output and its log are one file here.
    let mut manager = Manager::start(&units.path(), &["-t", "none"]);
    manager.wait_for_log("the last line", |log| log.contains("web: complete\n"));
    let log = manager.log();
    for number in 1..=500 {
        assert!(log.contains(&format!("\nweb: line {number}\n")), "{number}:\n{log}");
    }
    assert!(log.contains("\nweb: started, pid "), "{log}");
}

/// What was written is not lost at the end, with or without an end of line.
#[test]
fn a_shutdown_writes_what_is_left() {
    let units = Units::new("last");
    let ready = units.file("ready");
    write(
        &units,
        "web",
        &format!(
            "trap 'seq 1 3000; printf last; exit 0' TERM; touch {ready}; \
             while :; do sleep 0.01; done"
        ),
    );
    let (mut manager, reader) = start(&units, &[]);
    let lines = Lines::read(reader);
    ham_tests::own_units::wait_until("the trap", || std::path::Path::new(&ready).exists());
    manager.signal("TERM");
    manager.wait_for_end();
    let lines = lines.wait_for("all", |lines| lines.len() == 3001);
    assert_eq!(lines[2999..], ["web: 3000", "web: last"]);
}
