//! What entities tell ham: states, one after the other, and events. Each that
//! was accepted has to have been answered once by every condition that is about
//! it: one of the unit, one that was added at run time; and never by one that is
//! disarmed. Each state also sends a pulse, and each pulse has to come once, in
//! its order.

use crate::compare::{Dark, Fault, Findings, at};
use crate::facts::About;
use crate::kinds::{Kind, Member};
use crate::ledger::{self, Said};
use crate::roles::{TROUBLE, for_ever, now};
use crate::scenario::Witness;
use crate::units::{Place, act};
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};
use std::thread::{self, JoinHandle, sleep};
use std::time::{Duration, Instant};

/// The condition that is disarmed before anything is told.
pub(crate) const NEVER: &str = "never";
/// That which is added then.
const ADDED: &str = "added";
/// Of the unit: one on states, one on events.
const TOLD: &str = "told";
const RAISED: &str = "raised";
/// Between a state and an event, and the next state.
const PAUSE: Duration = Duration::from_millis(60);
/// How long `hamctl` may take to end after ham has.
const END: Duration = Duration::from_secs(10);

/// What the unit of such an entity has.
pub(crate) fn unit(member: &Member, place: Place<'_>) -> String {
    let (told, raised) = (act(place, TOLD, "{to}", ""), act(place, RAISED, "{class}", ""));
    let never = act(place, NEVER, "{to}", "");
    let channel = &member.name;
    format!(
        r#"
[[condition]]
on = "state"
name = "{TOLD}"
actions = [
    {{ log = "{TOLD} {{to}}" }},
    {{ execute = {told} }},
    {{ notify-pulse = {{ channel = "{channel}", code = 1 }} }},
]

[[condition]]
on = {{ raise = {{ type = 1 }} }}
name = "{RAISED}"
actions = [ {{ execute = {raised} }} ]

[[condition]]
on = "state"
name = "{NEVER}"
actions = [ {{ execute = {never} }} ]
"#
    )
}

/// The text of the condition that is added.
pub(crate) fn added(place: Place<'_>) -> String {
    let added = act(place, ADDED, "{to}", "");
    format!(
        r#"
[[condition]]
on = "state"
name = "{ADDED}"
run = "independent"
actions = [ {{ execute = {added} }} ]
"#
    )
}

/// Tells, until all are told to stay.
pub(crate) fn tell(name: &str, folder: &Path) -> ExitCode {
    let mut ham = match libham::Ham::connect() {
        Ok(ham) => ham,
        Err(error) => {
            eprintln!("ham-chaos: {name}: {error}");
            return ExitCode::from(TROUBLE);
        }
    };
    let mut number = 0;
    while !ledger::stay(folder).exists() {
        number += 1;
        let class = u32::try_from(number).unwrap_or(u32::MAX);
        for what in ["state", "raise"] {
            let begin = now();
            let answer = match what {
                "state" => ham.state(&number.to_string()),
                _ => ham.raise(1, class, 1).map(|()| true),
            };
            let answer = match answer {
                Ok(true) => "yes".to_owned(),
                Ok(false) => "no change".to_owned(),
                Err(error) => error.to_string(),
            };
            let (name, what, end) = (name.to_owned(), what.to_owned(), now());
            let said = Said { name, what, number, begin, end, answer };
            if ledger::append(&ledger::said_of(folder), &ledger::said_line(&said)).is_err() {
                return ExitCode::from(TROUBLE);
            }
            sleep(PAUSE);
        }
    }
    for_ever()
}

/// Who receives the pulses of a channel: `hamctl pulses`.
#[derive(Debug)]
pub(crate) struct Receiver {
    channel: String,
    child: Child,
    thread: JoinHandle<Vec<u64>>,
}

impl Receiver {
    /// Begins to receive.
    pub(crate) fn start(runtime: &Path, hamctl: &Path, channel: &str) -> io::Result<Receiver> {
        let mut child = Command::new(hamctl)
            .arg("--runtime-dir")
            .arg(runtime)
            .args(["--json", "pulses", channel, "--follow"])
            .env_remove("HAM_RUNTIME_DIR")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()?;
        let output = child.stdout.take().ok_or_else(|| io::Error::other("no output"))?;
        let thread = thread::Builder::new().name("receiver".to_owned()).spawn(move || {
            let lines = BufReader::new(output).lines().map_while(Result::ok);
            let serial = |line: String| {
                let pulse: Value = serde_json::from_str(&line).ok()?;
                pulse["serial"].as_u64()
            };
            // What is no pulse has a number that none has.
            lines.map(|line| serial(line).unwrap_or(0)).collect()
        })?;
        Ok(Receiver { channel: channel.to_owned(), child, thread })
    }

    /// The channel and all numbers, when ham has ended.
    pub(crate) fn finish(mut self) -> (String, Vec<u64>) {
        let end = Instant::now() + END;
        while Instant::now() < end && matches!(self.child.try_wait(), Ok(None)) {
            sleep(PAUSE);
        }
        // Whether it has ended or not: nobody is left behind.
        let _ = self.child.kill();
        let _ = self.child.wait();
        (self.channel, self.thread.join().unwrap_or_default())
    }
}

/// Compares what one entity has told.
pub(crate) fn compare(
    findings: &mut Findings,
    member: &Member,
    witness: &Witness,
    dark: &Dark<'_>,
) {
    if member.kind != Kind::Teller {
        return;
    }
    let name = &member.name;
    let mut acts: BTreeMap<(String, u64), Vec<u64>> = BTreeMap::new();
    for act in ledger::acts(&witness.folder).into_iter().filter(|act| act.name == *name) {
        findings.acts += 1;
        acts.entry((act.condition, act.number)).or_default().push(act.mono);
    }
    let all = ledger::said(&witness.folder);
    let all: Vec<Said> = all.into_iter().filter(|said| said.name == *name).collect();
    if all.is_empty() {
        findings.fault(Fault::Lost, format!("{name} has told nothing"));
    }
    let mut states = Vec::new();
    for said in &all {
        let conditions: &[&str] = if said.what == "state" { &[TOLD, ADDED] } else { &[RAISED] };
        let text = format!("{name}: {} {} of {}", said.what, said.number, at(said.begin));
        if said.answer != "yes" {
            // Whether it was done nobody knows.
            findings.fault(Fault::Broken, format!("{text} was answered: {}", said.answer));
            for condition in conditions {
                acts.remove(&((*condition).to_owned(), said.number));
            }
            continue;
        }
        if said.what == "state" {
            states.push(said.number);
        }
        for condition in conditions {
            let times = acts.remove(&((*condition).to_owned(), said.number));
            let text = || format!("{text}, condition {condition}");
            once(findings, said, &times.unwrap_or_default(), &text, dark);
        }
    }
    for ((condition, number), times) in acts {
        let text = format!("{name}/{condition} of {number} at {times:?}");
        let fault = if condition == NEVER { Fault::FalseAlarm } else { Fault::Misattributed };
        findings.faults_of(fault, times.len() as u64, text);
    }
    lines(findings, name, &states, witness);
    pulses(findings, name, states.len() as u64, witness);
}

/// What an accepted change has set going: done once, afterwards, and in time.
fn once(
    findings: &mut Findings,
    said: &Said,
    times: &[u64],
    text: &dyn Fn() -> String,
    dark: &Dark<'_>,
) {
    let Some(first) = times.first().copied() else {
        findings.fault(Fault::ActionMissing, text());
        return;
    };
    if times.len() > 1 {
        let text = format!("{} ran at {times:?}", text());
        findings.faults_of(Fault::ActionRepeated, times.len() as u64 - 1, text);
    }
    if first < said.begin {
        findings.fault(Fault::OutOfOrder, format!("{} ran at {}", text(), at(first)));
    }
    if dark.late(said.end, first) {
        let late = (first - said.end) / 1_000_000;
        findings.fault(Fault::Late, format!("{} ran {late} ms later", text()));
    }
}

/// Lines of the history: all states, in their order.
fn lines(findings: &mut Findings, name: &str, states: &[u64], witness: &Witness) {
    let of = |about: About| {
        let all = witness.collected.facts.iter();
        all.filter(move |fact| fact.about == about && fact.name == name)
    };
    let mut told: Vec<u64> = Vec::new();
    for fact in of(About::Log) {
        let number = fact.text.strip_prefix(TOLD).and_then(|number| number.trim().parse().ok());
        match number {
            Some(number) if told.contains(&number) => findings.repeats += 1,
            Some(number) => told.push(number),
            None => findings.fault(Fault::Misattributed, format!("{name}: line {:?}", fact.text)),
        }
    }
    for (before, after) in told.iter().zip(told.iter().skip(1)).filter(|(one, two)| one > two) {
        findings.fault(Fault::OutOfOrder, format!("{name}: state {after} was told after {before}"));
    }
    for state in states.iter().filter(|state| !told.contains(state)) {
        findings.fault(Fault::ActionMissing, format!("{name}: no line of state {state}"));
    }
    for fact in of(About::ActionFailed) {
        findings.fault(Fault::WrongStatus, format!("{name}: {} failed: {}", fact.text, fact.exit));
    }
}

/// Pulses: one for each state, numbered from 1.
fn pulses(findings: &mut Findings, name: &str, states: u64, witness: &Witness) {
    let came = witness.pulses.get(name).map_or(&[][..], Vec::as_slice);
    let mut last = 0;
    for number in came {
        if *number > last + 1 {
            let text = format!("{name}: after pulse {last} came {number}");
            findings.faults_of(Fault::Lost, number - last - 1, text);
        } else if *number <= last {
            let text = format!("{name}: pulse {number} came after {last}");
            findings.fault(Fault::Doubled, text);
        }
        last = last.max(*number);
    }
    let text = format!("{name}: {last} pulses for {states} states");
    if last < states {
        findings.faults_of(Fault::ActionMissing, states - last, text);
    } else if last > states {
        findings.faults_of(Fault::ActionRepeated, last - states, text);
    }
}
