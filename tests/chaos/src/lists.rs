//! Action lists against their books: after each death each step has to have
//! left its trace, commands exactly once, in order, with the true status, and
//! with the waits that the list prescribes.

use crate::compare::{Dark, Fault, Findings, Known, at, nanos};
use crate::facts::About;
use crate::kinds::{Kind, Member};
use crate::ledger::{self, Act};
use crate::scenario::Witness;
use crate::units::{self, FAILS, FAILS_WITH, List, PAUSE, PAUSED, SIGNALS_PER_LIST, Trace};
use ham_core::status::ExitStatus;
use std::collections::{HashMap, HashSet};

/// Condition and number of a step, to the times of its traces.
type Traces = HashMap<(String, u64), Vec<u64>>;

/// All traces of one entity by life.
struct Book {
    traces: Vec<Traces>,
    repeats: u64,
}

/// Compares the lists of one entity.
pub(crate) fn compare(
    findings: &mut Findings,
    member: &Member,
    known: &[Known],
    witness: &Witness,
    dark: &Dark<'_>,
) {
    if units::lists(member.kind, true).is_empty() {
        return;
    }
    let mut book = Book { traces: vec![Traces::new(); known.len()], repeats: 0 };
    acts(findings, &mut book, member, known, witness);
    lines(findings, &mut book, member, known, witness);
    for (known, traces) in known.iter().zip(&mut book.traces).filter(|(known, _)| known.died) {
        for list in units::lists(member.kind, is_failure(known.status)) {
            one(findings, &mut book.repeats, member, known, &list, traces, dark);
        }
        // What is left belongs to no list of this end.
        for ((condition, number), times) in traces.drain() {
            let text = told(member, known, &condition, number);
            let text = format!("{text} ran, and belongs to no list");
            findings.faults_of(Fault::ActionRepeated, times.len() as u64, text);
        }
    }
    if member.kind == Kind::Lister {
        signals(findings, &mut book, member, known, witness);
    }
    failures(findings, member, known, witness);
    findings.repeats += book.repeats;
}

/// As ham.unit(5) has it.
fn is_failure(status: ExitStatus) -> bool {
    match status {
        ExitStatus::Code(code) => code != 0,
        ExitStatus::Signal { signal, .. } => !matches!(signal.0, 1 | 2 | 13 | 15),
        ExitStatus::Unknown => true,
    }
}

fn told(member: &Member, known: &Known, condition: &str, number: u64) -> String {
    let (name, life) = (&member.name, &known.life);
    format!("{name}/{condition} step {number} after pid {} of {}", life.pid, at(life.mono))
}

/// Which life a process id meant at that time: the last one that had it.
fn life_of(known: &[Known], pid: u64, mono: u64) -> Option<usize> {
    known.iter().rposition(|known| known.life.pid == pid && known.life.mono <= mono)
}

fn acts(
    findings: &mut Findings,
    book: &mut Book,
    member: &Member,
    known: &[Known],
    witness: &Witness,
) {
    let mut invocations = HashSet::new();
    for act in ledger::acts(&witness.folder) {
        if act.name != member.name {
            continue;
        }
        findings.acts += 1;
        let Act { condition, number, pid, mono, status, invocation, .. } = act;
        let Some(place) = life_of(known, pid, mono) else {
            let text = format!("{} step {number} was told of pid {pid}", member.name);
            findings.fault(Fault::Misattributed, text);
            continue;
        };
        let truth = known[place].status.to_string();
        if status != truth {
            let text = told(member, &known[place], &condition, number);
            findings.fault(Fault::WrongStatus, format!("{text}: told {status:?}, true {truth:?}"));
        }
        if !invocations.insert(invocation.clone()) {
            let text = told(member, &known[place], &condition, number);
            findings.fault(Fault::Doubled, format!("{text}: {invocation} ran twice"));
        }
        book.traces[place].entry((condition, number)).or_default().push(mono);
    }
}

/// Lines of `log` actions: `CONDITION NUMBER PID`.
fn lines(
    findings: &mut Findings,
    book: &mut Book,
    member: &Member,
    known: &[Known],
    witness: &Witness,
) {
    let all = witness.collected.facts.iter();
    for fact in all.filter(|fact| fact.about == About::Log && fact.name == member.name) {
        let words: Vec<&str> = fact.text.split(' ').collect();
        let parsed = match words[..] {
            [condition, number, pid] => Some((condition, number.parse(), pid.parse())),
            _ => None,
        };
        let Some((condition, Ok(number), Ok(pid))) = parsed else {
            findings.fault(Fault::Misattributed, format!("{}: line {:?}", member.name, fact.text));
            continue;
        };
        match life_of(known, pid, fact.mono) {
            Some(place) => {
                let step = (condition.to_owned(), number);
                book.traces[place].entry(step).or_default().push(fact.mono);
            }
            None => {
                let text = format!("{} has the line {:?}", member.name, fact.text);
                findings.fault(Fault::Misattributed, text);
            }
        }
    }
}

fn one(
    findings: &mut Findings,
    repeats: &mut u64,
    member: &Member,
    known: &Known,
    list: &List,
    traces: &mut Traces,
    dark: &Dark<'_>,
) {
    // Number and time of the step before.
    let mut before: Option<(u64, u64)> = None;
    for (number, trace) in list.steps {
        let times = traces.remove(&(list.condition.to_owned(), *number)).unwrap_or_default();
        let text = || told(member, known, list.condition, *number);
        let Some(first) = times.first().copied() else {
            findings.fault(Fault::ActionMissing, format!("{} left no trace", text()));
            continue;
        };
        let more = times.len() as u64 - 1;
        match trace {
            Trace::Log => *repeats += more,
            Trace::Act if more > 0 => {
                let text = format!("{} ran at {first} and {times:?}", text());
                findings.faults_of(Fault::ActionRepeated, more, text);
            }
            Trace::Act => {}
        }
        let (last, since) = before.unwrap_or((0, known.end));
        let pause = if (last, *number) == PAUSED { nanos(PAUSE) } else { 0 };
        if list.ordered {
            if first < since {
                let text = format!("{} at {} came before step {last}", text(), at(first));
                findings.fault(Fault::OutOfOrder, text);
            } else if first < since + pause {
                let text =
                    format!("{} came {} us after step {last}", text(), (first - since) / 1000);
                findings.fault(Fault::Early, text);
            }
        }
        if dark.late(since + pause, first) {
            let wait = first.saturating_sub(since) / 1_000_000;
            findings.fault(Fault::Late, format!("{} came {wait} ms after step {last}", text()));
        }
        if list.ordered {
            before = Some((*number, first));
        }
    }
}

fn signals(
    findings: &mut Findings,
    book: &mut Book,
    member: &Member,
    known: &[Known],
    witness: &Witness,
) {
    let counts = ledger::signals(&witness.folder);
    let came = counts.get(&units::signal_value(member)).copied().unwrap_or(0);
    let due = known.iter().filter(|known| known.died).count() as u64 * SIGNALS_PER_LIST;
    if came < due {
        let text = format!("{}: {came} of {due} signals have come", member.name);
        findings.faults_of(Fault::ActionMissing, due - came, text);
    }
    book.repeats += came.saturating_sub(due);
}

/// The command that fails has to be said to have failed, once for each list,
/// and nothing else.
fn failures(findings: &mut Findings, member: &Member, known: &[Known], witness: &Witness) {
    let deaths = known.iter().filter(|known| known.died).count() as u64;
    let due = if member.kind == Kind::Lister { deaths } else { 0 };
    let expected = ExitStatus::Code(FAILS_WITH).to_string();
    let mut came = 0;
    let all = witness.collected.facts.iter();
    for fact in all.filter(|fact| fact.about == About::ActionFailed && fact.name == member.name) {
        if fact.exit == expected && fact.text == "death/fails" {
            came += 1;
        } else {
            let text = format!("{}: {} failed: {}", member.name, fact.text, fact.exit);
            findings.fault(Fault::WrongStatus, text);
        }
    }
    let text = format!("{}: step {FAILS} has failed {due} times, told: {came}", member.name);
    if came < due {
        findings.faults_of(Fault::Lost, due - came, text);
    } else if came > due {
        findings.faults_of(Fault::Doubled, came - due, text);
    }
}
