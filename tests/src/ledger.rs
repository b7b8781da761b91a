//! Short-lived entities that keep books about themselves, and the audit: what
//! they wrote, what ham wrote and what its actions wrote must tell one story,
//! whatever happened to the monitor meanwhile.

use crate::own_units::Units;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::fs;

/// Notes its start under a lock that a second instance could not get, lives
/// for a moment and ends as its process id (known to all) or its unit says.
const SCRIPT: &str = r#"
name=$1 folder=$2 life=$3 end=$4
ulimit -c 0
exec 9>> "$folder/$name.lock"
flock -n 9 || { echo "$HAM_INVOCATION $$" >> "$folder/$name.doubles"; exit 99; }
echo "$HAM_INVOCATION $$" >> "$folder/$name.starts"
sleep "$life"
[ "$end" = code ] || kill -s "$end" $$
exit $(($$ % 251))
"#;

/// How a worker ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// With an exit code that follows from its process id.
    Code,
    /// By this signal (its name without SIG).
    Signal(&'static str),
}

impl End {
    fn word(self) -> &'static str {
        match self {
            End::Code => "code",
            End::Signal(name) => name,
        }
    }

    /// As ham says it of the process with this id.
    fn status(self, pid: u32) -> String {
        match self {
            End::Code => format!("exit {}", pid % 251),
            End::Signal(name) => format!("signal {name}"),
        }
    }
}

/// Writes the unit of a worker that lives for `life` seconds. What it does on
/// a death are numbered steps: a line, a command, a pause, a line, then the
/// restart after `delay`.
///
/// # Panics
/// When the files cannot be written.
pub fn add_worker(units: &Units, name: &str, life: &str, end: End, delay: &str) {
    fs::write(units.file("worker.sh"), SCRIPT).expect("a script");
    let (script, folder, end) = (units.file("worker.sh"), units.file("."), end.word());
    let deaths = units.file(&format!("{name}.deaths"));
    units.write(
        name,
        &format!(
            r#"
[entity]
command = ["sh", "{script}", "{name}", "{folder}", "{life}", "{end}"]

[[condition]]
on = "death"
[[condition.actions]]
log = "step 1 of {{pid}}"
[[condition.actions]]
name = "note"
execute = ["sh", "-c", 'echo "$HAM_PID $HAM_STATUS" >> {deaths}']
[[condition.actions]]
waitfor = "10ms"
[[condition.actions]]
name = "last"
log = "step 4 of {{pid}}"
[[condition.actions]]
restart = {{ delays = ["{delay}"] }}
"#
        ),
    );
}

/// How often a worker has started so far.
#[must_use]
pub fn starts(units: &Units, name: &str) -> usize {
    units.text(&format!("{name}.starts")).lines().count()
}

/// Compares the books of a worker with the log of a manager that has ended in
/// good order (stamped by `-t relative`, which tells entries apart from
/// repetitions). Gives how often it died.
///
/// # Panics
/// When they contradict each other; tells all contradictions.
pub fn audit(units: &Units, name: &str, end: End, log: &str) -> usize {
    let mut wrong = String::new();
    let doubles = units.text(&format!("{name}.doubles"));
    if !doubles.is_empty() {
        let _ = writeln!(wrong, "started beside itself: {doubles}");
    }
    let entries = entries(log, name);
    let started: Vec<(String, u32)> = pairs(&units.text(&format!("{name}.starts")));
    let invocations: BTreeSet<&str> = started.iter().map(|(word, _)| word.as_str()).collect();
    if invocations.len() != started.len() {
        let _ = writeln!(wrong, "an invocation was used twice: {started:?}");
    }

    let died = ends(&entries, "died: ");
    let stopped = ends(&entries, "stopped: ");
    let died_pids: Vec<u32> = died.iter().map(|(pid, _)| *pid).collect();
    // The last one may have been stopped, perhaps before it could note itself.
    let is_last = |pid: &u32| stopped.iter().any(|(stopped, _)| stopped == pid);
    let noted: Vec<u32> = started.iter().map(|(_, pid)| *pid).filter(|pid| !is_last(pid)).collect();
    if died_pids != noted {
        let _ = writeln!(wrong, "starts {noted:?}\nand deaths {died_pids:?} differ");
    }
    if stopped.len() > 1 {
        let _ = writeln!(wrong, "stopped more than once: {stopped:?}");
    }
    for (pid, status) in &died {
        if *status != end.status(*pid) {
            let _ = writeln!(wrong, "{pid} ended by {}, recorded: {status}", end.status(*pid));
        }
    }

    let deaths = units.text(&format!("{name}.deaths"));
    let mut told = BTreeMap::new();
    for (place, line) in deaths.lines().enumerate() {
        let (pid, status) = line.split_once(' ').unwrap_or((line, ""));
        let pid = pid.parse().unwrap_or(0);
        told.entry(pid).or_insert(place);
        if status != end.status(pid) {
            let _ = writeln!(wrong, "the command was told of {line:?}");
        }
    }
    let cut_short = entries.iter().any(|line| line.contains("list ends early"));
    let mut before = None;
    for pid in &died_pids {
        let steps = [format!("step 1 of {pid}"), format!("step 4 of {pid}")];
        let [first, last] = steps.map(|step| entries.iter().position(|line| *line == step));
        let command = told.get(pid).copied();
        // The list of the last death may have been in its pause when the
        // shutdown came, and that is said.
        if cut_short && Some(pid) == died_pids.last() && first.is_some() {
            continue;
        }
        if first.is_none() || last < first || command.is_none() || command <= before {
            let found = (first, command, last);
            let _ = writeln!(wrong, "steps of {pid} missing or out of order: {found:?}");
        }
        before = command;
    }
    assert!(wrong.is_empty(), "the books of {name}:\n{wrong}\nThe log:\n{log}");
    died.len()
}

/// What the log says of an entity, each entry once and without its stamp: a
/// monitor may have been killed between writing a line and noting that.
fn entries<'a>(log: &'a str, name: &str) -> Vec<&'a str> {
    let mut seen = BTreeSet::new();
    let lines = log.lines().filter(|line| seen.insert(*line));
    let text = |line: &'a str| line.split_once(' ')?.1.strip_prefix(name)?.strip_prefix(": ");
    lines.filter_map(text).collect()
}

/// `PREFIX STATUS (pid PID)` among the entries.
fn ends(entries: &[&str], prefix: &str) -> Vec<(u32, String)> {
    let read = |line: &&str| {
        let (status, pid) = line.strip_prefix(prefix)?.rsplit_once(" (pid ")?;
        Some((pid.strip_suffix(')')?.parse().ok()?, status.to_owned()))
    };
    entries.iter().filter_map(read).collect()
}

fn pairs(text: &str) -> Vec<(String, u32)> {
    let read = |line: &str| {
        let (word, pid) = line.split_once(' ')?;
        Some((word.to_owned(), pid.parse().ok()?))
    };
    text.lines().filter_map(read).collect()
}
