//! `ham.unit(5)` says what the program does: every key with what it takes and
//! its default, every code, every word, and examples that load.

mod fake_users;

use fake_users::FakeUsers;
use ham_core::plan::{ConditionKind, Setting};
use ham_unit::keys::KEYS;
use ham_unit::{PLACEHOLDERS, Settings, check_text, codes};

/// The page as text: fonts and escapes taken out, requests left in.
fn page() -> String {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../man/ham.unit.5");
    let mut text = std::fs::read_to_string(path).unwrap();
    for font in ["\\fB", "\\fI", "\\fR"] {
        text = text.replace(font, "");
    }
    text.replace("\\-", "-").replace("\\e", "\\")
}

/// The lines between one heading and the next of the same or a higher rank.
fn section<'p>(page: &'p str, heading: &str) -> Vec<&'p str> {
    let mut lines = page.lines().skip_while(|line| *line != heading);
    assert!(lines.next().is_some(), "no section {heading}");
    let inner = heading.starts_with(".SS");
    lines
        .take_while(|line| !(line.starts_with(".SH") || inner && line.starts_with(".SS")))
        .collect()
}

#[test]
fn every_key_stands_in_the_page_with_its_default_and_no_other_does() {
    let page = page();
    let mut expected = Vec::new();
    for key in KEYS {
        let (table, name) = key.path.split_once('.').unwrap_or(("", key.path));
        let heading = match table {
            "entity" => ".SS [entity]",
            "target" => ".SS [target]",
            "heartbeat" => ".SS [heartbeat]",
            "condition" => ".SS [[condition]]",
            "action" => ".SS Actions",
            _ => ".SS The top of the file",
        };
        let default = match key.default {
            "required" => " (required)".to_owned(),
            "none" => String::new(),
            other => format!(" (default: {other})"),
        };
        let line = format!("{name} = {}{default}", key.kind);
        let lines = section(&page, heading);
        let found = lines.windows(2).filter(|pair| *pair == [".TP", line.as_str()]).count();
        assert_eq!(found, 1, "`{line}` under {heading}");
        expected.push(line);
    }
    let entries = section(&page, ".SH KEYS");
    let entries = entries.windows(2).filter(|pair| pair[0] == ".TP").map(|pair| pair[1]);
    for entry in entries {
        assert!(expected.iter().any(|line| line == entry), "no such key: {entry}");
    }
}

#[test]
fn every_code_and_every_word_stands_in_the_page() {
    let page = page();
    let codes_section = section(&page, ".SH DIAGNOSTICS");
    for (code, meaning) in codes::ALL {
        let place = codes_section.iter().position(|line| line == code);
        let place = place.unwrap_or_else(|| panic!("{code} is missing"));
        assert_eq!(codes_section[place + 1], meaning.trim());
    }
    let conditions = section(&page, ".SH CONDITIONS");
    for (_, word) in ConditionKind::ALL {
        assert!(conditions.contains(&format!(".B {word}").as_str()), "{word}");
    }
    let entity = section(&page, ".SS [entity]");
    let at = entity.iter().position(|line| line.starts_with("optional = ")).unwrap();
    for (_, word) in Setting::ALL {
        assert!(entity[at + 1].contains(word), "{word}");
    }
    let syntax = section(&page, ".SH SYNTAX");
    for name in PLACEHOLDERS {
        assert!(syntax.contains(&format!(".B {{{name}}}").as_str()), "{name}");
    }
}

#[test]
fn the_examples_load_without_a_word() {
    let page = page();
    let lines = section(&page, ".SH EXAMPLES").join("\n");
    let examples: Vec<&str> =
        lines.split(".nf\n").skip(1).filter_map(|rest| rest.split("\n.fi").next()).collect();
    assert_eq!(examples.len(), 6);
    for example in examples {
        let loaded = check_text("audio", "example.toml", example, &Settings::new(&FakeUsers, 0));
        // Others that an example names are not there.
        let said = loaded.diagnostics.iter().filter(|found| found.code != codes::UNKNOWN_ENTITY);
        assert_eq!(said.count(), 0, "{example}\n{:#?}", loaded.diagnostics);
        assert_eq!(loaded.entities.len(), 1);
    }
}

/// What a key that is left out becomes, against what the page and the table
/// say it does.
#[test]
fn defaults_of_the_table_are_those_of_the_plan() {
    let bare = "[entity]\ncommand = \"/bin/sh\"\n";
    let tail = "[[condition]]\non = \"death\"\nactions = [ { restart = { RESTART } }, \
                { execute = { command = \"/bin/sh\", EXECUTE } }, \
                { waitfor = { path = \"/x\", timeout = \"1s\", WAITFOR } }, \
                { notify-signal = { signal = \"HUP\", SIGNAL } }, \
                { notify-pulse = { channel = \"a\", code = 1, PULSE } }, \
                { shutdown = { SHUTDOWN } } ]\n\
                [[condition]]\non = \"heartbeat-missed-high\"\nactions = [ { log = \"\" } ]\n\
                [heartbeat]\ninterval = \"1s\"\n";
    let settings = Settings::new(&FakeUsers, 0);
    let plan = |text: &str| {
        let loaded = check_text("audio", "a.toml", text, &settings);
        assert!(loaded.diagnostics.is_empty(), "{text}\n{:#?}", loaded.diagnostics);
        loaded.entities[0].clone()
    };
    let fill = |text: &str| {
        let filled = text.replace("RESTART", "").replace(", EXECUTE", "");
        let filled = filled.replace(", PULSE", "").replace("SHUTDOWN", "");
        filled.replace(", SIGNAL", "").replace(", WAITFOR", "")
    };
    let default = plan(&fill(&format!("{bare}{tail}")));
    let mut written_out = 0;
    for key in KEYS {
        let value = match key.default {
            "required" | "none" | "itself" | "empty" | "as on" | "the verb" => continue,
            other if other.contains("manager's") || other.contains("of the u") => continue,
            "as ready says" => continue,
            word @ ("true" | "false" | "{}" | "[]" | "5" | "2" | "0") => word.to_owned(),
            other => format!("\"{other}\""),
        };
        let (table, name) = key.path.rsplit_once('.').unwrap_or(("", key.path));
        let setting = format!("{name} = {value}");
        let text = match table {
            "" => format!("{setting}\n{bare}{tail}"),
            "entity" => format!("{bare}{setting}\n{tail}"),
            "entity.stop" => format!("{bare}stop.{setting}\n{tail}"),
            // Keys of tables that are not there by default: what the tables
            // become with and without them is compared.
            "entity.stop.command"
            | "entity.runtime-directory"
            | "entity.scheduling"
            | "entity.tty"
            | "target" => {
                let (before, after) = match table {
                    "entity.stop.command" => {
                        (format!("{bare}stop.command = {{ command = \"/bin/sh\""), " }\n")
                    }
                    "entity.runtime-directory" => {
                        (format!("{bare}runtime-directory = {{ name = \"a\""), " }\n")
                    }
                    "entity.scheduling" => {
                        (format!("{bare}scheduling = {{ policy = \"batch\""), " }\n")
                    }
                    "entity.tty" => (format!("{bare}tty = {{ path = \"/dev/tty1\""), " }\n"),
                    _ => ("[target]\nx-a = 1".to_owned(), "\n"),
                };
                let between = if table == "target" { "\n" } else { ", " };
                let end = tail.replace("{ restart = { RESTART } }, ", "");
                let end = end.split("[[condition]]\non = \"heartbeat").next().unwrap_or_default();
                let end = fill(end);
                let without = plan(&format!("{before}{after}{end}"));
                let with = plan(&format!("{before}{between}{setting}{after}{end}"));
                assert_eq!(with, without, "{}", key.path);
                written_out += 1;
                continue;
            }
            "heartbeat" => format!("{bare}{tail}{setting}\n"),
            "condition" => format!("{bare}{}", tail.replace("on =", &format!("{setting}\non ="))),
            "action" => {
                format!("{bare}{}", tail.replace("{ restart", &format!("{{ {setting}, restart")))
            }
            "action.restart" => format!("{bare}{}", tail.replace("RESTART", &setting)),
            "action.execute" => format!("{bare}{}", tail.replace("EXECUTE", &setting)),
            "action.waitfor" => format!("{bare}{}", tail.replace("WAITFOR", &setting)),
            "action.notify-signal" => format!("{bare}{}", tail.replace("SIGNAL", &setting)),
            "action.notify-pulse" => format!("{bare}{}", tail.replace("PULSE", &setting)),
            "action.shutdown" => format!("{bare}{}", tail.replace("SHUTDOWN", &setting)),
            other => panic!("no such table: {other}"),
        };
        assert_eq!(plan(&fill(&text)), default, "{}", key.path);
        written_out += 1;
    }
    assert!(written_out > 20, "{written_out}");
}
