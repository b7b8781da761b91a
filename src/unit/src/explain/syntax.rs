//! Pages about text that cannot be read, and about keys and types.

use super::{Example::Unit, Page};
use crate::codes;

pub(super) const PAGES: &[Page] = &[
    Page {
        code: codes::SYNTAX,
        about: "Mostly a bracket, a brace or a quote is missing, or a string is not in quotes. \
                The rest of the file is checked as if it were there. A key that is set twice in \
                one table is such a mistake too: TOML has no order of precedence.",
        example: Unit(
            r#"
[entity]
command = ["/bin/sleep", "infinity"
restart = always
stop = { signal = "INT", timeout = "10s"
"#,
            r#"
[entity]
command = ["/bin/sleep", "infinity"]
restart = "always"
stop = { signal = "INT", timeout = "10s" }
"#,
        ),
    },
    Page {
        code: codes::NEWER_TOML,
        about: "TOML 1.1 allows inline tables over several lines and with a comma at their end, \
                the escapes \\e and \\xHH, and times without seconds. Most editors and other \
                readers know 1.0 only, so a unit is TOML 1.0. A table over several lines gets a \
                header of its own; lists may go over several lines as they are.",
        example: Unit(
            r#"
[entity]
command = "/bin/sleep infinity"
restart = "always"
stop = {
    signal = "INT",
}
"#,
            r#"
[entity]
command = "/bin/sleep infinity"
restart = "always"

[entity.stop]
signal = "INT"
"#,
        ),
    },
    Page {
        code: codes::UNKNOWN_KEY,
        about: "The list of keys is closed, so that a misspelt one cannot go unnoticed. The \
                nearest known key is told, or the table in which that very key stands. \
                ham.unit(5) lists all of them. What is meant for other programs gets a name \
                that begins with x-, and is not looked at.",
        example: Unit(
            r#"
[entity]
comand = ["/bin/sleep", "infinity"]
restart = "always"
owner = "the audio team"
"#,
            r#"
[entity]
command = ["/bin/sleep", "infinity"]
restart = "always"
x-owner = "the audio team"
"#,
        ),
    },
    Page {
        code: codes::WRONG_TYPE,
        about: "The key takes a string, a list, a table and so on, and has another. Often a \
                duration stands there without its unit, or one table where a list of tables is \
                meant: [condition] for [[condition]].",
        example: Unit(
            r#"
[entity]
command = ["/bin/sleep", "infinity"]
restart = "always"
start-timeout = 5
"#,
            r#"
[entity]
command = ["/bin/sleep", "infinity"]
restart = "always"
start-timeout = "5s"
"#,
        ),
    },
    Page {
        code: codes::MISSING_KEY,
        about: "Without that key the table says nothing: a condition needs `on`, an action one \
                verb, a heartbeat its interval, and a unit one of [entity], [target] and \
                [global]. While the file has errors of syntax nothing is said about keys that \
                are not there.",
        example: Unit(
            r#"
[entity]
command = ["/bin/sleep", "infinity"]

[[condition]]
actions = [ { restart = {} } ]
"#,
            r#"
[entity]
command = ["/bin/sleep", "infinity"]

[[condition]]
on = "death"
actions = [ { restart = {} } ]
"#,
        ),
    },
];
