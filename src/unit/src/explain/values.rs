//! Pages about values.

use super::{Example::Unit, Page};
use crate::codes;

pub(super) const PAGES: &[Page] = &[
    Page {
        code: codes::BAD_VALUE,
        about: "The value has the right type and still means nothing there: a word that is none \
                of the known ones, or a number that is out of range. The message lists what the \
                key takes.",
        example: Unit(
            r#"
[entity]
command = ["/bin/sleep", "infinity"]
restart = "allways"
nice = 30
"#,
            r#"
[entity]
command = ["/bin/sleep", "infinity"]
restart = "always"
nice = 19
"#,
        ),
    },
    Page {
        code: codes::BAD_DURATION,
        about: "A duration is a number with a unit, or several: \"1min 30s\", \"250ms\". A \
                number alone is refused, since one reader takes it for seconds and the next for \
                milliseconds. \"infinity\" stands only where no end makes sense, and \"0s\" only \
                where no wait does.",
        example: Unit(
            r#"
[entity]
command = ["/bin/sleep", "infinity"]
restart = "always"
start-timeout = "90"
stop = { timeout = "5 secnods" }
"#,
            r#"
[entity]
command = ["/bin/sleep", "infinity"]
restart = "always"
start-timeout = "90s"
stop = { timeout = "5s" }
"#,
        ),
    },
    Page {
        code: codes::BAD_SIGNAL,
        about: "Signals are written by name, with or without SIG, as signal(7) and `kill -l` \
                have them; real-time signals as RTMIN+1 or RTMAX-1. Numbers differ between \
                processors, so one is taken in quotes only, by who knows what he does.",
        example: Unit(
            r#"
[entity]
command = ["/bin/sleep", "infinity"]
restart = "always"
stop = { signal = "TREM" }
"#,
            r#"
[entity]
command = ["/bin/sleep", "infinity"]
restart = "always"
stop = { signal = "TERM" }
"#,
        ),
    },
    Page {
        code: codes::BAD_NAME,
        about: "Names have up to 128 letters, digits and the characters _ . : and -, and begin \
                with none of . and -. So they are the same in files, paths like \
                audio/death/restart, and on a command line. The name of an entity is that of its \
                file, and may hold one @.",
        example: Unit(
            r#"
[entity]
command = ["/bin/sleep", "infinity"]

[[condition]]
on = "death"
name = "come back"
actions = [ { restart = {} } ]
"#,
            r#"
[entity]
command = ["/bin/sleep", "infinity"]

[[condition]]
on = "death"
name = "come-back"
actions = [ { restart = {} } ]
"#,
        ),
    },
    Page {
        code: codes::BAD_PATH,
        about: "Paths begin with /, since the directory that ham runs in is nobody's business. A \
                program may be named without a path, and is then looked for in PATH. The \
                directories of an entity's own (runtime-directory and its kin) are the \
                exception: they are named below the place of such directories.",
        example: Unit(
            r#"
[entity]
command = ["./bin/sleep", "infinity"]
restart = "always"
directory = "srv/audio"
"#,
            r#"
[entity]
command = ["/bin/sleep", "infinity"]
restart = "always"
directory = "/srv/audio"
"#,
        ),
    },
    Page {
        code: codes::BAD_PLACEHOLDER,
        about: "In the line of `log`, in commands of actions and in the path of `waitfor` words \
                in braces are replaced when the action runs. ham.unit(5) lists them under \
                SYNTAX. A brace that is meant as one is doubled: {{ or }}.",
        example: Unit(
            r#"
[entity]
command = ["/bin/sleep", "infinity"]

[[condition]]
on = "death"
actions = [ { log = "{name} died: {status}" }, { restart = {} } ]
"#,
            r#"
[entity]
command = ["/bin/sleep", "infinity"]

[[condition]]
on = "death"
actions = [ { log = "{entity} died: {status}" }, { restart = {} } ]
"#,
        ),
    },
    Page {
        code: codes::BAD_COMMAND,
        about: "A command is a list of words, or one string that is split at blanks; quotes and \
                backslashes hold words together as in a shell. The first word is the program. \
                The list needs no quoting at all, and is the better choice when a word holds \
                blanks.",
        example: Unit(
            r#"
[entity]
command = "/bin/echo 'it is"
restart = "always"
"#,
            r#"
[entity]
command = ["/bin/echo", "it is"]
restart = "always"
"#,
        ),
    },
    Page {
        code: codes::BAD_VARIABLE,
        about: "Names of environment variables are letters, digits and _, and begin with no \
                digit. With expand = true the words of the command may hold them as ${NAME}; a $ \
                that is meant as one before a brace is written $$.",
        example: Unit(
            r#"
[entity]
command = ["/bin/echo", "${GREETING"]
expand = true
restart = "always"
environment = { "GREETING-1" = "hello" }
"#,
            r#"
[entity]
command = ["/bin/echo", "${GREETING_1}"]
expand = true
restart = "always"
environment = { GREETING_1 = "hello" }
"#,
        ),
    },
    Page {
        code: codes::BAD_SIZE,
        about: "Sizes are bytes, or have a unit of 1024: KiB, MiB, GiB and so on. MB and the \
                like are refused, as they mean 1000 to one reader and 1024 to the next.",
        example: Unit(
            r#"
[entity]
command = ["/bin/sleep", "infinity"]
restart = "always"
limits = { core = "64MB" }
"#,
            r#"
[entity]
command = ["/bin/sleep", "infinity"]
restart = "always"
limits = { core = "64MiB" }
"#,
        ),
    },
    Page {
        code: codes::BAD_CAPABILITY,
        about: "Capabilities are written as capabilities(7) has them, with or without CAP_, in \
                upper or lower case.",
        example: Unit(
            r#"
[entity]
command = ["/bin/sleep", "infinity"]
restart = "always"
capabilities = { ambient = ["NET_BIND"] }
"#,
            r#"
[entity]
command = ["/bin/sleep", "infinity"]
restart = "always"
capabilities = { ambient = ["NET_BIND_SERVICE"] }
"#,
        ),
    },
    Page {
        code: codes::UNKNOWN_USER,
        about: "The user database of this machine has no such user or group. Mend the name, or \
                make the user first, for example with: useradd --system audio. A number needs no \
                entry in the database, but then says nothing about groups.",
        example: Unit(
            r#"
[entity]
command = ["/bin/sleep", "infinity"]
restart = "always"
user = "nobody-by-this-name"
"#,
            r#"
[entity]
command = ["/bin/sleep", "infinity"]
restart = "always"
user = "root"
"#,
        ),
    },
    Page {
        code: codes::USER_LOOKUP,
        about: "Who the user is could not be found out: a server of users (LDAP, for one) did \
                not answer in time, or the databases cannot be read. That is not the same as a \
                user that does not exist, so the unit is refused until the answer is known. \
                `getent passwd NAME` asks the same. A unit that must start without that server \
                has a user of /etc/passwd.",
        example: Unit(
            r#"
[entity]
command = ["/bin/sleep", "infinity"]
restart = "always"
user = "far"
"#,
            r#"
[entity]
command = ["/bin/sleep", "infinity"]
restart = "always"
user = "root"
"#,
        ),
    },
    Page {
        code: codes::DUPLICATE_NAME,
        about: "Conditions of a unit and actions of a list are addressed by name: \
                audio/death/restart. A condition without `name` is called as what fires it, so \
                two on the same need a name each; or one has the actions of both. Actions \
                without `name` never collide.",
        example: Unit(
            r#"
[entity]
command = ["/bin/sleep", "infinity"]

[[condition]]
on = "death"
actions = [ { restart = {} } ]

[[condition]]
on = "death"
actions = [ { log = "{entity} died" } ]
"#,
            r#"
[entity]
command = ["/bin/sleep", "infinity"]

[[condition]]
on = "death"
actions = [ { restart = {} } ]

[[condition]]
on = "death"
name = "tell"
actions = [ { log = "{entity} died" } ]
"#,
        ),
    },
    Page {
        code: codes::TOO_MANY,
        about: "The state of every entity has a place of its own in shared memory, which survives \
                a crash of the manager, so there is an end to what it can hold: 64 conditions \
                with 256 actions in a unit, 255 actions in on-fail, 64 delays. What needs more \
                is better a program that `execute` runs, or several units.",
        example: Unit(
            r#"
[entity]
command = ["/bin/sleep", "infinity"]

[[condition]]
on = "death"
actions = [ { restart = { delays = [
    "1s", "1s", "1s", "1s", "1s", "1s", "1s", "1s", "1s", "1s", "1s",
    "1s", "1s", "1s", "1s", "1s", "1s", "1s", "1s", "1s", "1s", "1s",
    "1s", "1s", "1s", "1s", "1s", "1s", "1s", "1s", "1s", "1s", "1s",
    "1s", "1s", "1s", "1s", "1s", "1s", "1s", "1s", "1s", "1s", "1s",
    "1s", "1s", "1s", "1s", "1s", "1s", "1s", "1s", "1s", "1s", "1s",
    "1s", "1s", "1s", "1s", "1s", "1s", "1s", "1s", "1s", "1s", "1s",
] } } ]
"#,
            r#"
[entity]
command = ["/bin/sleep", "infinity"]

[[condition]]
on = "death"
actions = [ { restart = { first = "1s", delay = "1s", factor = 1 } } ]
"#,
        ),
    },
];
