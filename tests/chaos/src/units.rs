//! The unit files of a run, and what their lists have to do, step by step: the
//! text for ham and the expectation of the comparison stand side by side here.

use crate::hearts;
use crate::kinds::{self, FACTOR_PERMILLE, FIXED, GROWING, Kind, Member, RECORDER};
use crate::said;
use std::fmt::Display;
use std::fs;
use std::io;
use std::path::Path;
use std::time::Duration;

/// What one step of a list leaves behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trace {
    /// A line in the history: at least one.
    Log,
    /// A line of a command in its ledger: exactly one.
    Act,
}

/// A list, as it has to be seen after each death.
#[derive(Clone, Copy, Debug)]
pub(crate) struct List {
    /// The condition.
    pub(crate) condition: &'static str,
    /// Its steps by number. In order, unless nothing waits for them.
    pub(crate) steps: &'static [(u64, Trace)],
    /// Whether they have to be in order.
    pub(crate) ordered: bool,
}

/// Steps 3 and 4 of a lister stand apart by this wait.
pub(crate) const PAUSE: Duration = Duration::from_millis(30);
/// The steps between which that wait stands.
pub(crate) const PAUSED: (u64, u64) = (2, 4);
/// The command of this step fails, and has a list for that.
pub(crate) const FAILS: u64 = 4;
/// How [`FAILS`] ends.
pub(crate) const FAILS_WITH: u8 = 3;
/// Signals that each list of a lister sends.
pub(crate) const SIGNALS_PER_LIST: u64 = 1;

const LISTER: List = List {
    condition: "death",
    steps: &[
        (1, Trace::Log),
        (2, Trace::Act),
        (4, Trace::Act),
        (41, Trace::Act),
        (42, Trace::Act),
        (43, Trace::Log),
        (6, Trace::Act),
        (8, Trace::Act),
        (9, Trace::Log),
    ],
    ordered: true,
};
const WAITER: List = List {
    condition: "death",
    steps: &[(1, Trace::Act), (2, Trace::Act), (3, Trace::Act), (5, Trace::Log)],
    ordered: true,
};
const NO_WAIT: List = List {
    condition: "aside",
    steps: &[(1, Trace::Act), (2, Trace::Act), (3, Trace::Act)],
    ordered: false,
};
/// Fires only for ends that are failures.
const FAILURE: List =
    List { condition: "failed", steps: &[(21, Trace::Act), (22, Trace::Log)], ordered: true };

/// The lists that the death of such an entity has to set going.
pub(crate) fn lists(kind: Kind, failure: bool) -> Vec<List> {
    match kind {
        Kind::Lister if failure => vec![LISTER, FAILURE],
        Kind::Lister => vec![LISTER],
        Kind::Waiter => vec![WAITER],
        Kind::NoWait => vec![NO_WAIT],
        Kind::Quick | Kind::Brisk | Kind::Middle | Kind::Backoff => Vec::new(),
        Kind::Steady | Kind::Victim | Kind::Recorder => Vec::new(),
        Kind::Beating | Kind::Stalling | Kind::Teller => Vec::new(),
    }
}

/// The value by which the recorder knows whose signal it is.
pub(crate) fn signal_value(member: &Member) -> u32 {
    1_000 + member.place
}

/// What units need to know of a run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place<'a> {
    /// This program.
    pub(crate) program: &'a str,
    /// The folder for ledgers.
    pub(crate) folder: &'a str,
    /// The seed of lives.
    pub(crate) seed: u64,
}

/// Writes all units into a directory.
pub(crate) fn write(directory: &Path, place: Place<'_>) -> io::Result<()> {
    for member in kinds::members() {
        let text = format!("{}{}", entity(&member, place), conditions(&member, place));
        fs::write(directory.join(format!("{}.toml", member.name)), text)?;
    }
    Ok(())
}

fn entity(member: &Member, place: Place<'_>) -> String {
    let Place { program, folder, seed } = place;
    let name = &member.name;
    format!(
        r#"
[entity]
command = ["{program}", "entity", "{name}", "{seed}", "{folder}"]
stdout = "null"
"#
    )
}

/// A command that notes that it ran; `number`: its step, or a placeholder.
pub(crate) fn act(place: Place<'_>, condition: &str, number: impl Display, more: &str) -> String {
    let Place { program, folder, .. } = place;
    format!(
        r#"["{program}", "act", "{folder}", "{{entity}}", "{condition}", "{number}", "{{pid}}"{more}]"#
    )
}

fn conditions(member: &Member, place: Place<'_>) -> String {
    match member.kind {
        Kind::Quick | Kind::Middle | Kind::Steady | Kind::Victim | Kind::Recorder => {
            restart("{ delays = [\"0s\"] }")
        }
        Kind::Brisk => restart(&format!("{{ delays = [\"{}ms\"] }}", FIXED.as_millis())),
        Kind::Backoff => {
            let (first, second, most) = GROWING;
            let factor = FACTOR_PERMILLE / 100;
            restart(&format!(
                "{{ first = \"{first}ms\", delay = \"{second}ms\", factor = {}.{}, \
                 max-delay = \"{most}ms\", reset-after = \"1h\" }}",
                factor / 10,
                factor % 10
            ))
        }
        Kind::Lister => lister(member, place),
        Kind::Waiter => waiter(place),
        Kind::NoWait => no_wait(place),
        Kind::Beating => hearts::beating(place) + &restart("{ delays = [\"0s\"] }"),
        Kind::Stalling => hearts::stalling(place) + &restart("{ delays = [\"0s\"] }"),
        Kind::Teller => said::unit(member, place) + &restart("{ delays = [\"0s\"] }"),
    }
}

fn restart(how: &str) -> String {
    format!("\n[[condition]]\non = \"death\"\nactions = [ {{ restart = {how} }} ]\n")
}

fn lister(member: &Member, place: Place<'_>) -> String {
    let step = |number| act(place, "death", number, "");
    let (two, fails) = (step(2), act(place, "death", FAILS, &format!(", \"exit={FAILS_WITH}\"")));
    let (first, second, six, eight) = (step(41), step(42), step(6), step(8));
    let failed = act(place, "failed", 21, "");
    let (pause, value) = (PAUSE.as_millis(), signal_value(member));
    format!(
        r#"
[[condition]]
on = "death"
[[condition.actions]]
log = "death 1 {{pid}}"
[[condition.actions]]
execute = {two}
[[condition.actions]]
waitfor = "{pause}ms"
[[condition.actions]]
name = "fails"
execute = {fails}
on-fail = [ {{ execute = {first} }}, {{ execute = {second} }}, {{ log = "death 43 {{pid}}" }} ]
[[condition.actions]]
notify-signal = {{ entity = "{RECORDER}", signal = "RTMIN+1", value = {value} }}
[[condition.actions]]
execute = {six}
[[condition.actions]]
restart = {{ delays = ["0s"] }}
[[condition.actions]]
execute = {eight}
[[condition.actions]]
log = "death 9 {{pid}}"

[[condition]]
on = "failure"
name = "failed"
run = "independent"
[[condition.actions]]
execute = {failed}
[[condition.actions]]
log = "failed 22 {{pid}}"
"#
    )
}

/// The maker notes its step and then makes the path; the step after the wait
/// removes it.
fn waiter(place: Place<'_>) -> String {
    let path = format!("{}/paths/{{entity}}-{{pid}}", place.folder);
    let one = act(place, "death", 1, "");
    let make = act(place, "death", 2, &format!(", \"make={path}\""));
    let remove = act(place, "death", 3, &format!(", \"remove={path}\""));
    let given_up = act(place, "death", 99, "");
    format!(
        r#"
[[condition]]
on = "death"
[[condition.actions]]
execute = {one}
[[condition.actions]]
execute = {{ command = {make}, wait = false }}
[[condition.actions]]
waitfor = {{ path = "{path}", timeout = "1min" }}
on-fail = [ {{ execute = {given_up} }} ]
[[condition.actions]]
execute = {remove}
[[condition.actions]]
restart = {{ delays = ["0s"] }}
[[condition.actions]]
log = "death 5 {{pid}}"
"#
    )
}

fn no_wait(place: Place<'_>) -> String {
    let [one, two, three] = [1, 2, 3].map(|number| act(place, "aside", number, ""));
    let all = format!(
        r#"
[[condition]]
on = "death"
name = "aside"
run = "no-wait"
[[condition.actions]]
execute = {{ command = {one}, wait = false }}
[[condition.actions]]
execute = {{ command = {two}, wait = false }}
[[condition.actions]]
execute = {{ command = {three}, wait = false }}
"#
    );
    all + &restart("{ delays = [\"0s\"] }")
}
