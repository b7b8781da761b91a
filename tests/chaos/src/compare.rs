//! Truth against history: what the entities and commands wrote of themselves
//! is compared with what ham says, life by life. Each difference is a fault of
//! one kind, with its example.

use crate::align::align;
use crate::facts::{About, Fact};
use crate::hearts;
use crate::kinds::{self, End, Kind, Member, by_signal};
use crate::ledger::{self, Life};
use crate::lists;
use crate::said;
use crate::scenario::Witness;
use crate::story::Whom;
use ham_core::status::ExitStatus;
use nix::sys::signal::Signal;
use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

/// What can be wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fault {
    /// A start that was due and did not come; a start or an end that the
    /// history does not know.
    Lost,
    /// Two instances at one time; one generation twice; one fact twice.
    Doubled,
    /// The history names another entity for a process, or a process that none
    /// was.
    Misattributed,
    /// Another exit status than the true one, or another kind of end.
    WrongStatus,
    /// Steps of a list, or facts, in the wrong order.
    OutOfOrder,
    /// Later than due by more than two seconds in which there was a monitor.
    Late,
    /// Earlier than a delay allows.
    Early,
    /// A process that never ends was another one later.
    PidChanged,
    /// A step of a list that was not done.
    ActionMissing,
    /// A command that ran more than once, or one of no list.
    ActionRepeated,
    /// A condition that may not fire has: of a heartbeat that came, or one that
    /// is disarmed.
    FalseAlarm,
    /// Facts that were overwritten before they could be read.
    Unseen,
    /// A process of ham that ended by itself, was not replaced, and the like.
    Broken,
}

impl Fault {
    /// All of them, with the headings of the table.
    pub(crate) const ALL: [(Fault, &'static str); 13] = [
        (Fault::Lost, "lost"),
        (Fault::Doubled, "doubled"),
        (Fault::Misattributed, "misattributed"),
        (Fault::WrongStatus, "wrong status"),
        (Fault::OutOfOrder, "out of order"),
        (Fault::Late, "late"),
        (Fault::Early, "early"),
        (Fault::PidChanged, "pid changed"),
        (Fault::ActionMissing, "action missing"),
        (Fault::ActionRepeated, "action repeated"),
        (Fault::FalseAlarm, "false alarm"),
        (Fault::Unseen, "unseen"),
        (Fault::Broken, "broken"),
    ];
}

/// Examples kept of each kind.
const EXAMPLES: usize = 10;
/// Later than this is late.
pub(crate) const SLACK: u64 = 2_000_000_000;
/// Clocks of timers and of the entity are read at different moments.
const GRAIN: u64 = 50_000;

/// The verdict on one scenario.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    /// How often each fault, and examples.
    pub(crate) faults: BTreeMap<Fault, (u64, Vec<String>)>,
    /// Lives of entities.
    pub(crate) starts: u64,
    /// Commands of actions.
    pub(crate) acts: u64,
    /// Facts of the history.
    pub(crate) facts: u64,
    /// Lines and signals that came more than once, which is allowed.
    pub(crate) repeats: u64,
    /// Seconds in which the machine was too busy to tell what is late.
    pub(crate) slow: u64,
    /// What ham itself complained of, with how often.
    pub(crate) troubles: BTreeMap<String, u64>,
}

impl Findings {
    /// Notes a fault.
    pub(crate) fn fault(&mut self, fault: Fault, example: String) {
        self.faults_of(fault, 1, example);
    }

    /// Notes several of one kind.
    pub(crate) fn faults_of(&mut self, fault: Fault, count: u64, example: String) {
        let (sum, examples) = self.faults.entry(fault).or_default();
        *sum += count;
        if examples.len() < EXAMPLES {
            examples.push(example);
        }
    }

    /// How often.
    pub(crate) fn count(&self, fault: Fault) -> u64 {
        self.faults.get(&fault).map_or(0, |(count, _)| *count)
    }

    /// Nothing at all.
    pub(crate) fn is_clean(&self) -> bool {
        self.faults.is_empty()
    }
}

/// A life together with how it should have ended.
#[derive(Clone, Debug)]
pub(crate) struct Known {
    /// What it wrote.
    pub(crate) life: Life,
    /// Its true status.
    pub(crate) status: ExitStatus,
    /// It ended by itself, or by somebody who is not ham: a death.
    pub(crate) died: bool,
    /// The earliest moment of its end.
    pub(crate) end: u64,
}

/// Compares everything.
pub(crate) fn compare(witness: &Witness, seed: u64) -> Findings {
    let mut findings = Findings::default();
    let dark = Dark([&witness.story.dark, &witness.story.slow]);
    let owners = owners(witness);
    let slow = witness.story.slow.iter().map(|(from, to)| to - from).sum::<u64>();
    findings.slow = slow / 1_000_000_000;
    for broken in &witness.story.broken {
        findings.fault(Fault::Broken, broken.clone());
    }
    if !witness.settled {
        return findings;
    }
    for (member, lives) in &witness.lives {
        findings.starts += lives.len() as u64;
        let known = known(member, lives, witness, seed);
        life_by_life(&mut findings, member, &known, witness, &owners);
        times(&mut findings, member, &known, &dark);
        lists::compare(&mut findings, member, &known, witness, &dark);
        hearts::compare(&mut findings, member, &known, witness, &dark);
        said::compare(&mut findings, member, witness, &dark);
    }
    unique(&mut findings, witness);
    history(&mut findings, witness);
    let (count, unseen) = (witness.collected.facts.len() as u64, witness.collected.unseen);
    findings.facts = count;
    if unseen > 0 {
        findings.faults_of(Fault::Unseen, unseen, "overwritten before they were read".to_owned());
    }
    if witness.collected.again > 0 {
        let text = "facts came twice, or after later ones".to_owned();
        findings.faults_of(Fault::OutOfOrder, witness.collected.again, text);
    }
    for missing in &witness.missing {
        findings.fault(Fault::Lost, missing.clone());
    }
    for (begin, monitor) in &witness.story.idle {
        let text = format!("monitor {monitor:?} did nothing from {} on", at(*begin));
        findings.fault(Fault::Late, text);
    }
    deaths(&mut findings, witness);
    findings
}

/// Whether processes of ham have ended that nobody ended.
fn deaths(findings: &mut Findings, witness: &Witness) {
    let such = |whom: fn(Whom) -> bool| {
        let kills = witness.story.kills.iter().filter(move |kill| whom(kill.whom));
        kills.map(|kill| kill.struck).sum::<u64>()
    };
    let struck = such(|whom| whom != Whom::Reaper);
    if witness.deaths > struck {
        let text = format!("{} deaths in ham after {struck} kills", witness.deaths);
        findings.faults_of(Fault::Broken, witness.deaths - struck, text);
    }
    let kills = witness.story.kills.iter();
    let stops = kills.filter(|kill| kill.signal == Signal::SIGSTOP).count() as u64;
    if witness.hung > stops {
        let text = format!("{} were ended by ham as hung, {stops} were stopped", witness.hung);
        findings.faults_of(Fault::Broken, witness.hung - stops, text);
    }
}

/// Process id to the lives that had it, by their beginning.
type Owners<'a> = HashMap<u64, Vec<(u64, &'a str)>>;

fn owners(witness: &Witness) -> Owners<'_> {
    let mut owners: Owners<'_> = HashMap::new();
    for (member, lives) in &witness.lives {
        for life in lives {
            owners.entry(life.pid).or_default().push((life.mono, &member.name));
        }
    }
    owners
}

fn known(member: &Member, lives: &[Life], witness: &Witness, seed: u64) -> Vec<Known> {
    let by_name = &witness.story.by_name;
    let one = |(number, life): (u64, &Life)| {
        let (length, end) = kinds::life(member, number, seed);
        let killed = by_name
            .iter()
            .find(|by| by.name == member.name && by.pid == life.pid && by.mono > life.mono);
        let begin = life.mono.max(witness.go);
        let length = u64::try_from(length.as_nanos()).unwrap_or(u64::MAX);
        let (status, died, end) = match (killed, end.status()) {
            (Some(by), _) => {
                let number = u8::try_from(by.signal as i32).unwrap_or(0);
                (by_signal(number), true, by.mono)
            }
            (None, Some(status)) if !life.stays => (status, true, begin.saturating_add(length)),
            // It was stopped at the shutdown.
            (None, _) => (by_signal(15), false, begin),
        };
        debug_assert!(end != 0 || matches!(kinds::life(member, number, seed).1, End::Stays));
        Known { life: life.clone(), status, died, end }
    };
    (0..).zip(lives).map(one).collect()
}

fn life_by_life(
    findings: &mut Findings,
    member: &Member,
    known: &[Known],
    witness: &Witness,
    owners: &Owners<'_>,
) {
    let name = &member.name;
    let of = |about: &[About]| -> Vec<&Fact> {
        let all = witness.collected.facts.iter();
        all.filter(|fact| fact.name == *name && about.contains(&fact.about)).collect()
    };
    let (starts, ends) = (of(&[About::Started]), of(&[About::Died, About::Stopped]));
    let pids: Vec<u64> = known.iter().map(|known| known.life.pid).collect();
    for (what, facts) in [("start", &starts), ("end", &ends)] {
        let found: Vec<u64> = facts.iter().map(|fact| fact.pid).collect();
        let aligned = align(&pids, &found);
        for (place, of_life) in aligned.matches.iter().enumerate() {
            let Known { life, .. } = &known[place];
            let Some(fact) = of_life.map(|at| facts[at]) else {
                let text = format!("{name} pid {} of {}: its {what}", life.pid, at(life.mono));
                findings.fault(Fault::Lost, format!("{text} is not in the history"));
                continue;
            };
            if what == "end" {
                status(findings, member, &known[place], fact);
            }
        }
        for place in aligned.extra {
            let fact = facts[place];
            let twice = place > 0 && facts[place - 1].pid == fact.pid;
            let others = owners.get(&fact.pid).map_or(&[][..], Vec::as_slice);
            let owner = others.iter().rfind(|(begin, _)| *begin <= fact.mono + SLACK);
            let text = format!("{name}: {what} of pid {} at {}", fact.pid, at(fact.mono));
            if twice {
                findings.fault(Fault::Doubled, format!("{text} is there twice"));
            } else {
                let owner = owner.map_or("nobody", |(_, owner)| owner);
                findings.fault(Fault::Misattributed, format!("{text}, who was {owner}"));
            }
        }
    }
    let expected = match member.kind {
        Kind::Steady | Kind::Recorder | Kind::Beating | Kind::Teller => 1,
        Kind::Victim => 1 + known.iter().filter(|known| known.died).count(),
        Kind::Quick | Kind::Brisk | Kind::Middle | Kind::Backoff => known.len(),
        Kind::Lister | Kind::Waiter | Kind::NoWait | Kind::Stalling => known.len(),
    };
    if known.len() > expected {
        let text = format!("{name}: {pids:?}");
        findings.faults_of(Fault::PidChanged, (known.len() - expected) as u64, text);
    }
}

fn status(findings: &mut Findings, member: &Member, known: &Known, fact: &Fact) {
    let Known { life, status, died, .. } = known;
    let about = if *died { About::Died } else { About::Stopped };
    if fact.exit != status.to_string() || fact.about != about {
        let text = format!(
            "{} pid {} of {}: {about:?} {status}, the history says {:?} {}",
            member.name,
            life.pid,
            at(life.mono),
            fact.about,
            fact.exit
        );
        findings.fault(Fault::WrongStatus, text);
    }
}

/// Whether restarts came when they were due.
fn times(findings: &mut Findings, member: &Member, known: &[Known], dark: &Dark<'_>) {
    for (number, pair) in (0..).zip(known.windows(2)) {
        let delay = kinds::delay_after(member.kind, number);
        let due = pair[0].end.saturating_add(nanos(delay));
        let next = pair[1].life.mono;
        let text = || {
            let (name, pid) = (&member.name, pair[1].life.pid);
            let off = (i128::from(next) - i128::from(due)) / 1_000;
            format!("{name} pid {pid} of {}: {off} us after its start was due", at(next))
        };
        if next.saturating_add(GRAIN) < due {
            findings.fault(Fault::Early, text());
        }
        if dark.late(due, next) {
            findings.fault(Fault::Late, text());
        }
    }
}

/// What has to be there once at most.
fn unique(findings: &mut Findings, witness: &Witness) {
    for double in ledger::doubles(&witness.folder) {
        findings.fault(Fault::Doubled, format!("started beside itself: {double}"));
    }
    let mut seen: HashMap<&str, String> = HashMap::new();
    for (member, lives) in &witness.lives {
        for life in lives {
            let who = format!("{} pid {} of {}", member.name, life.pid, at(life.mono));
            if let Some(other) = seen.insert(&life.invocation, who.clone()) {
                let text = format!("{} was {other}, and {who}", life.invocation);
                findings.fault(Fault::Doubled, text);
            }
        }
    }
}

/// The history by itself.
fn history(findings: &mut Findings, witness: &Witness) {
    let mut last: HashMap<&str, &Fact> = HashMap::new();
    let mut before: Option<&Fact> = None;
    for fact in &witness.collected.facts {
        let text = || {
            let Fact { number, about, name, text, mono, .. } = fact;
            format!("fact {number} at {}: {name} {about:?} {text}", at(*mono))
        };
        if let Some(before) = before.filter(|before| before.mono > fact.mono) {
            let text = format!("{} after one of {}", text(), at(before.mono));
            findings.fault(Fault::OutOfOrder, text);
        }
        before = Some(fact);
        match fact.about {
            About::Started | About::Died | About::Stopped => {
                let last = last.insert(&fact.name, fact);
                let is_start = fact.about == About::Started;
                let was_start = last.is_some_and(|last| last.about == About::Started);
                if is_start == was_start {
                    findings.fault(Fault::OutOfOrder, format!("{}: not its turn", text()));
                }
            }
            About::StartFailed | About::RestartLimit | About::Leftovers => {
                findings.fault(Fault::Broken, text());
            }
            About::RecordLost => findings.fault(Fault::Lost, text()),
            About::ListCancelled | About::ListRefused => {
                findings.fault(Fault::ActionMissing, text());
            }
            About::Trouble => *findings.troubles.entry(fact.text.clone()).or_insert(0) += 1,
            About::Log | About::ActionFailed | About::Other => {}
        }
    }
}

/// The times without a monitor, and those without a processor.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Dark<'a>([&'a [(u64, u64)]; 2]);

impl Dark<'_> {
    /// Whether the machine was so busy then that a process may have stood still.
    pub(crate) fn is_slow(&self, from: u64, to: u64) -> bool {
        self.0[1].iter().any(|(begin, end)| *begin <= to && *end >= from)
    }

    /// Whether something due then came late, if it came at `came`.
    pub(crate) fn late(&self, due: u64, came: u64) -> bool {
        let wait = came.saturating_sub(due);
        let overlap = |(from, to): &(u64, u64)| (*to).min(came).saturating_sub((*from).max(due));
        wait > SLACK && wait.saturating_sub(self.0.into_iter().flatten().map(overlap).sum()) > SLACK
    }
}

/// In nanoseconds.
pub(crate) fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// A time as examples tell it: seconds of CLOCK_MONOTONIC.
pub(crate) fn at(mono: u64) -> String {
    format!("{}.{:06}s", mono / 1_000_000_000, mono / 1_000 % 1_000_000)
}
