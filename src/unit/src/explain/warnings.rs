//! Pages about warnings: the unit is taken, but is hardly what was meant.

use super::{Example::Unit, Page};
use crate::codes;

pub(super) const PAGES: &[Page] = &[
    Page {
        code: codes::UNSUPERVISED,
        about: "Ham sees the entity die, and does nothing about it: it has neither `restart` nor \
                a condition. If that is meant, restart = \"no\" says so. A oneshot ends anyway, \
                and gets no such warning.",
        example: Unit(
            r#"
[entity]
command = ["/bin/sleep", "infinity"]
"#,
            r#"
[entity]
command = ["/bin/sleep", "infinity"]
restart = "on-failure"
"#,
        ),
    },
    Page {
        code: codes::NO_EFFECT,
        about: "A setting is optional that the unit does not set, or something is named twice. \
                Perhaps another word was meant.",
        example: Unit(
            r#"
[entity]
command = ["/bin/sleep", "infinity"]
restart = "always"
optional = ["nice", "limits"]
nice = -5
"#,
            r#"
[entity]
command = ["/bin/sleep", "infinity"]
restart = "always"
optional = ["nice"]
nice = -5
"#,
        ),
    },
    Page {
        code: codes::NO_ACTIONS,
        about: "When the condition fires nothing is done. Usually [[condition.actions]] is \
                missing, or stands before the [[condition]] that it belongs to. A condition that \
                gets its actions at run time (`hamctl add`) may well begin without.",
        example: Unit(
            r#"
[entity]
command = ["/bin/sleep", "infinity"]
restart = "always"

[[condition]]
on = "restart-limit"
"#,
            r#"
[entity]
command = ["/bin/sleep", "infinity"]
restart = "always"

[[condition]]
on = "restart-limit"

[[condition.actions]]
log = "{entity} is given up"
"#,
        ),
    },
    Page {
        code: codes::UNANSWERED,
        about: "The heartbeat is watched, and when it stays away the log says so, and that is \
                all: the process goes on hanging. Usually it is to be killed, and its restart \
                follows from its death. The condition may stand in the unit itself, in another \
                with `of`, or in one with [global].",
        example: Unit(
            r#"
[entity]
command = ["/bin/sleep", "infinity"]
restart = "always"

[heartbeat]
interval = "1s"
"#,
            r#"
[entity]
command = ["/bin/sleep", "infinity"]
restart = "always"

[heartbeat]
interval = "1s"

[[condition]]
on = "heartbeat-missed-high"
actions = [ { notify-signal = { signal = "KILL" } } ]
"#,
        ),
    },
    Page {
        code: codes::NO_HEARTBEAT,
        about: "The condition never fires: the entity has no [heartbeat], or none of the level \
                that it waits for (low = 0 and high = 0 switch a level off, and without `max` \
                there are never too many).",
        example: Unit(
            r#"
[entity]
command = ["/bin/sleep", "infinity"]
restart = "always"

[[condition]]
on = "heartbeat-missed-high"
actions = [ { notify-signal = { signal = "KILL" } } ]
"#,
            r#"
[entity]
command = ["/bin/sleep", "infinity"]
restart = "always"

[heartbeat]
interval = "1s"

[[condition]]
on = "heartbeat-missed-high"
actions = [ { notify-signal = { signal = "KILL" } } ]
"#,
        ),
    },
    Page {
        code: codes::COMMAND_NOT_FOUND,
        about: "Without a / in its name a program is looked for in the PATH of the unit, else in \
                the usual directories. It may be installed later, or the unit may be checked on \
                another machine than the one that it is for, so it is not refused.",
        example: Unit(
            r#"
[entity]
command = ["/bin/sleeep", "infinity"]
restart = "always"
"#,
            r#"
[entity]
command = ["/bin/sleep", "infinity"]
restart = "always"
"#,
        ),
    },
    Page {
        code: codes::SHELL_SYNTAX,
        about: "No shell reads the command, so the program gets >, |, && or $(…) as a word like \
                any other. Streams are led by stdin, stdout and stderr; what needs a shell calls \
                one.",
        example: Unit(
            r#"
[entity]
command = "/bin/sleep infinity > /var/log/sleep.log"
restart = "always"
"#,
            r#"
[entity]
command = "/bin/sleep infinity"
restart = "always"
stdout = { file = "/var/log/sleep.log" }
"#,
        ),
    },
];
