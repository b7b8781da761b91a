//! Pages about units beside each other, and about what excludes each other.

use super::{
    Example::{Unit, Units},
    Page,
};
use crate::codes;

pub(super) const PAGES: &[Page] = &[
    Page {
        code: codes::UNKNOWN_ENTITY,
        about: "The keys requires, wants, after, before, conflicts and `of` and the actions start, \
                stop and notify-signal name entities, which are called as their files are, without .toml. \
                Where a neighbour may be absent, its name has a ? behind it. When only one file \
                is checked this is a warning, since the others may be elsewhere.",
        example: Units(
            &[
                (
                    "audio.toml",
                    r#"
[entity]
command = ["/bin/sleep", "infinity"]
restart = "always"
requires = "mixr"
after = "dbus"
"#,
                ),
                (
                    "mixer.toml",
                    r#"
[entity]
command = ["/bin/sleep", "infinity"]
restart = "always"
"#,
                ),
            ],
            &[
                (
                    "audio.toml",
                    r#"
[entity]
command = ["/bin/sleep", "infinity"]
restart = "always"
requires = "mixer"
after = "dbus?"
"#,
                ),
                (
                    "mixer.toml",
                    r#"
[entity]
command = ["/bin/sleep", "infinity"]
restart = "always"
"#,
                ),
            ],
        ),
    },
    Page {
        code: codes::REQUIRES_REFUSED,
        about: "Nothing is wrong with this unit itself: one that it cannot be without is \
                refused. Mend that one, and this error goes with its own.",
        example: Units(
            &[
                (
                    "audio.toml",
                    r#"
[entity]
command = ["/bin/sleep", "infinity"]
restart = "always"
requires = "mixer"
"#,
                ),
                (
                    "mixer.toml",
                    r#"
[entity]
command = ["/bin/sleep", "infinity"]
restart = "sometimes"
"#,
                ),
            ],
            &[
                (
                    "audio.toml",
                    r#"
[entity]
command = ["/bin/sleep", "infinity"]
restart = "always"
requires = "mixer"
"#,
                ),
                (
                    "mixer.toml",
                    r#"
[entity]
command = ["/bin/sleep", "infinity"]
restart = "always"
"#,
                ),
            ],
        ),
    },
    Page {
        code: codes::CIRCLE,
        about: "Each of these units starts only after the next, and the last after the first, so \
                none could ever start. Who requires or wants another starts after it, too. The \
                message tells one way around with file and line of every step: one of the steps \
                has to go. Often an `after` or a `requires` stands in the wrong one of two files.",
        example: Units(
            &[
                (
                    "audio.toml",
                    r#"
[entity]
command = ["/bin/sleep", "infinity"]
restart = "always"
requires = "mixer"
"#,
                ),
                (
                    "mixer.toml",
                    r#"
[entity]
command = ["/bin/sleep", "infinity"]
restart = "always"
after = "audio"
"#,
                ),
            ],
            &[
                (
                    "audio.toml",
                    r#"
[entity]
command = ["/bin/sleep", "infinity"]
restart = "always"
requires = "mixer"
"#,
                ),
                (
                    "mixer.toml",
                    r#"
[entity]
command = ["/bin/sleep", "infinity"]
restart = "always"
"#,
                ),
            ],
        ),
    },
    Page {
        code: codes::CONFLICT,
        about: "Each of the two makes sense, but not beside the other. The most frequent: two \
                restarts of one entity, which would start it twice; `waitfor` in a condition \
                with run = \"no-wait\", which does not wait; `restart` in a condition on anything \
                but death, abnormal-death and failure, as nothing has ended then; `low` above \
                `high` in [heartbeat]; two verbs in one action; and units that conflict with one \
                that they require, or that starts with the manager as they do.",
        example: Unit(
            r#"
[entity]
command = ["/bin/sleep", "infinity"]
restart = "always"

[[condition]]
on = "death"
run = "no-wait"
actions = [ { restart = {} }, { waitfor = "1s" } ]

[[condition]]
on = "heartbeat-missed-high"
actions = [ { restart = {} } ]

[heartbeat]
interval = "1s"
low = 6
"#,
            r#"
[entity]
command = ["/bin/sleep", "infinity"]

[[condition]]
on = "death"
actions = [ { restart = {} }, { waitfor = "1s" } ]

[[condition]]
on = "heartbeat-missed-high"
actions = [ { notify-signal = { signal = "KILL" } } ]

[heartbeat]
interval = "1s"
low = 2
high = 6
"#,
        ),
    },
];
