//! Whatever stands in a file, the check ends with an answer: no panic, no
//! refusal without an error, no plan that the core would not take. And every
//! key of the table is read by something.

mod fake_users;

use fake_users::FakeUsers;
use ham_unit::keys::{KEYS, VERBS};
use ham_unit::{Loaded, Settings, check_text, codes};
use proptest::prelude::*;

fn check(text: &str) -> Loaded {
    check_text("unit", "unit.toml", text, &Settings::new(&FakeUsers, 1000))
}

fn holds_together(text: &str) {
    let loaded = check(text);
    assert_eq!(loaded.entities.is_empty(), loaded.has_errors(), "{text}");
    assert_eq!(loaded.refused.is_empty(), !loaded.has_errors(), "{text}");
    for diagnostic in &loaded.diagnostics {
        let rendered = diagnostic.render_plain();
        assert!(!rendered.chars().any(|c| c.is_control() && c != '\n'), "{rendered:?}");
        assert!(rendered.lines().all(|line| line.chars().count() < 600), "{rendered}");
    }
    if !loaded.entities.is_empty() {
        ham_core::plan::encode(&loaded.entities).unwrap();
    }
}

/// Pieces that units are made of, so that random texts get beyond the first
/// line.
fn piece() -> impl Strategy<Value = String> {
    let fixed = proptest::sample::select(vec![
        "[entity]\n",
        "[[condition]]\n",
        "[[condition.actions]]\n",
        "command = ",
        "\"/bin/sh\"",
        "\n",
        " = ",
        "{ ",
        " }",
        "[",
        "]",
        ", ",
        "\"",
        "'''",
        "\"\"\"",
        "#",
        "\\",
        "restart = ",
        "\"always\"",
        "{}",
        "on = \"death\"\n",
        "actions = [ ",
        "log = \"{pid}\"",
        "\u{0}",
        "\t",
        "waitfor = \"2s\"",
        "1979-05-27T07:32",
        "on-fail = [",
        "delays = [\"1s\"]",
        "umask = 0o7",
        "environment = { A = \"b\" }",
        "\r\n",
        "stop.signal = \"HUP\"\n",
        "x-y = 1\n",
        "[target]\n",
        "[global]\n",
        "[heartbeat]\ninterval = \"1s\"\n",
        "low = 6\n",
        "[states]\nrun = 2\nbusy = [\"run\", 3]\n",
        "idle = { not = \"busy\" }\n",
        "on = { state = { from = \"*\", to = [\"busy\", 1] } }\n",
        "on = { raise = { type = 5 } }\n",
        "on = \"heartbeat-missed-high\"\n",
        "of = \"db\"\n",
        "attach-by = \"audio\"\n",
        "notify-pulse = { channel = \"a\", code = 1 }",
        "heartbeat-healthy = {}",
        "shutdown = { exit-code = 3 }",
        "exec-recovery = \"/bin/sh\"",
        "type = \"oneshot\"\n",
        "type = \"forking\"\n",
        "pid-file = \"/run/x.pid\"\n",
        "requires = [\"db\", \"unit\"]\n",
        "wants = \"dbus?\"\n",
        "conflicts = \"?\"\n",
        "ready = \"notify\"\n",
        "ready = { fd = 3 }\n",
        "pre-start = [ { execute = \"/bin/true\" } ]\n",
        "reload = [ { notify-signal = { signal = \"HUP\" } }, { waitfor = { ready = true, timeout = \"1s\" } } ]\n",
        "expand = true\n",
        "\"${A} $$ ${\"",
        "success-exit = [ 1, \"TERM\" ]\n",
        "limits = { nofile = \"1:2\", cpu = \"1s\", core = \"64MiB\" }\n",
        "affinity = [ 0, \"2-3\" ]\n",
        "scheduling = { policy = \"fifo\", priority = 1 }\n",
        "capabilities = { bounding = [ \"KILL\" ], ambient = [ \"cap_kill\" ] }\n",
        "runtime-directory = { names = [ \"a/b\" ], mode = \"0700\" }\n",
        "stop = { command = \"/bin/true\", kill = \"none\" }\n",
        "\u{1f600}",
    ]);
    prop_oneof![
        8 => fixed.prop_map(str::to_owned),
        1 => "\\PC{0,8}",
        1 => proptest::sample::select(KEYS)
            .prop_map(|key| format!("{} = ", key.path.rsplit('.').next().unwrap_or(key.path))),
    ]
}

const WHOLE: &str = include_str!("cases/plan-everything.toml");

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 1_000, failure_persistence: None, ..ProptestConfig::default()
    })]

    #[test]
    fn any_text_gets_an_answer(text in "\\PC{0,200}") {
        holds_together(&text);
    }

    #[test]
    fn any_mixture_of_pieces_gets_an_answer(pieces in proptest::collection::vec(piece(), 0..60)) {
        holds_together(&pieces.concat());
    }

    #[test]
    fn a_damaged_unit_gets_an_answer(at in 0..WHOLE.len(), length in 0usize..40, new in piece()) {
        let bytes = WHOLE.as_bytes();
        let end = (at + length).min(bytes.len());
        let damaged = [&bytes[..at], new.as_bytes(), &bytes[end..]].concat();
        holds_together(&String::from_utf8_lossy(&damaged));
    }
}

/// A bracket or a quote that is missing is told of once or a few times, not
/// in every line that follows.
#[test]
fn one_character_less_is_no_flood() {
    let mut told = Vec::new();
    for (at, character) in WHOLE.char_indices() {
        if "[]{}\"".contains(character) {
            let end = at + character.len_utf8();
            let text = format!("{}{}", &WHOLE[..at], &WHOLE[end..]);
            holds_together(&text);
            let loaded = check(&text);
            let count = loaded.diagnostics.iter().filter(|found| found.is_error()).count();
            assert!(count <= 6, "without byte {at}: {:#?}", loaded.diagnostics);
            told.push(count);
        }
    }
    let once = told.iter().filter(|count| **count <= 1).count();
    assert!(told.len() > 150 && once * 10 > told.len() * 8, "{once} of {}", told.len());
}

#[test]
fn deep_nesting_and_floods_of_errors_end() {
    for text in [
        format!("a = {}", "[".repeat(200_000)),
        format!("a = {}", "{a=".repeat(100_000)),
        "a = [\n".repeat(150_000),
        "a = { b = [\n".repeat(80_000),
        "[a\n".repeat(250_000),
        format!("a = [{}1", "\n".repeat(1_000_000)),
        format!("a = [\n{}", "b = [\n 1,\n]\n".repeat(70_000)),
        "a.".repeat(200_000),
        "= \n".repeat(200_000),
        format!("[entity]\n{}", "k = 1\n".repeat(100_000)),
        format!("[entity]\ncommand = \"{}\"", "x ".repeat(400_000)),
    ] {
        let loaded = check(&text);
        assert!(loaded.diagnostics.len() <= 51);
        loaded.diagnostics.iter().for_each(|found| assert!(found.render_plain().len() < 5_000));
    }
}

/// A unit in which one key has this value.
fn with_value(path: &str, value: &str) -> String {
    let wanted = value;
    let (table, name) = path.rsplit_once('.').unwrap_or(("", path));
    let command = "command = \"/bin/sh\"\n";
    match table.split('.').collect::<Vec<_>>().as_slice() {
        [""] if name == "condition" => format!("condition = {wanted}\n[entity]\n{command}"),
        [""] if ["entity", "target", "global"].contains(&name) => format!("{name} = {wanted}\n"),
        [""] => format!("{name} = {wanted}\n[entity]\n{command}"),
        ["entity"] => {
            let command = if name == "command" { "" } else { command };
            format!("[entity]\n{command}{name} = {wanted}\n")
        }
        ["entity", inner @ ..] => {
            let value = inner.iter().rev().fold(format!("{name} = {wanted}"), |value, inner| {
                format!("{inner} = {{ {value} }}")
            });
            format!("[entity]\n{command}{value}\n")
        }
        ["target"] => format!("[target]\n{name} = {wanted}\n"),
        ["heartbeat", inner @ ..] => {
            let interval = if name == "interval" { "" } else { "interval = \"1s\"\n" };
            let value = inner.iter().rev().fold(format!("{name} = {wanted}"), |value, inner| {
                format!("{inner} = {{ {value} }}")
            });
            format!("[entity]\n{command}[heartbeat]\n{interval}{value}\n")
        }
        ["condition", inner @ ..] if !inner.is_empty() => {
            let value = inner.iter().rev().fold(format!("{name} = {wanted}"), |value, inner| {
                format!("{inner} = {{ {value} }}")
            });
            format!("[entity]\n{command}[[condition]]\n{value}\n")
        }
        ["condition"] => {
            let on = if name == "on" { "" } else { "on = \"death\"\n" };
            format!("[entity]\n{command}[[condition]]\n{on}{name} = {wanted}\n")
        }
        ["action", inner @ ..] => {
            let mut value = format!("{name} = {wanted}");
            if table == "action.waitfor" && name == "timeout" {
                value.push_str(", path = \"/x\"");
            }
            for inner in inner.iter().rev() {
                value = format!("{inner} = {{ {value} }}");
            }
            if inner.is_empty() && !VERBS.contains(&name) {
                value.push_str(", log = \"x\"");
            }
            format!(
                "[entity]\n{command}[[condition]]\non = \"death\"\nactions = [ {{ {value} }} ]\n"
            )
        }
        other => panic!("no such table: {other:?}"),
    }
}

#[test]
fn every_key_of_the_table_is_read() {
    for key in KEYS {
        let text = with_value(key.path, "1979-05-27");
        let loaded = check(&text);
        let at = text.find("1979").unwrap();
        let found = loaded.diagnostics.iter().find(|found| found.span.is_some_and(|s| s.0 == at));
        let found = found.unwrap_or_else(|| panic!("{}: {:#?}", key.path, loaded.diagnostics));
        assert_eq!(found.code, codes::WRONG_TYPE, "{}", key.path);
        assert!(found.label.contains("found datetime"), "{}", found.label);
    }
}

/// What the schema shows as examples is taken. What else such a unit would
/// need beside the key is not asked here.
#[test]
fn every_example_of_a_key_is_taken() {
    let elsewhere = [codes::CONFLICT, codes::MISSING_KEY, codes::UNKNOWN_ENTITY];
    let mut seen = 0;
    for key in KEYS {
        for example in ham_unit::schema::examples(key.path) {
            let text = with_value(key.path, example);
            let wrong = check(&text)
                .diagnostics
                .into_iter()
                .find(|found| found.is_error() && !elsewhere.contains(&found.code));
            assert!(wrong.is_none(), "{}: {}", key.path, wrong.unwrap().render_plain());
            seen += 1;
        }
    }
    assert!(seen > 120, "{seen}");
}

#[test]
fn the_same_text_gives_the_same_plan() {
    let first = check(WHOLE);
    assert_eq!(first.entities.len(), 1);
    assert_eq!(first.entities, check(WHOLE).entities);
    let bytes = ham_core::plan::encode(&first.entities).unwrap();
    assert_eq!(bytes, ham_core::plan::encode(&check(WHOLE).entities).unwrap());
}
