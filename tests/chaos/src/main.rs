//! Kills ham's own processes at any instant, thousands of times, while entities
//! come and go, and proves that nobody noticed. What is true is told by the
//! entities: each notes its start, under a lock that a second instance could
//! not get, and ends in a way that follows from its name, the number of its
//! life and the seed; each command of an action notes that it ran. At the end
//! that is compared with the history of ham.
//!
//! How to read the result. There is one column for each scenario. `kills` are
//! those of ham's processes, `starts` lives of entities, `actions` commands of
//! lists, `facts` entries of the history. All that follow have to be 0:
//!
//! - lost: a restart that never came; a start, an end or a failure that the
//!   history does not know
//! - doubled: two instances at once; one slot and generation twice; one start
//!   or end twice in the history
//! - misattributed: the history or an action names a process that another
//!   entity was, or none
//! - wrong status: an end with another exit code or signal than the true one
//! - out of order: steps of a list, or facts
//! - late: more than two seconds after it was due, not counting the time from
//!   a kill until the next monitor was there, nor when the machine was so busy
//!   that making a process that does nothing took 150 ms (`slow seconds`);
//!   early: before a delay was over
//! - pid changed: a process that does not end was another one later
//! - action missing, action repeated: commands run exactly once; lines of `log`
//!   and signals at least once, and how often more is in `repeats allowed`
//! - false alarm: a heartbeat that came was missed, or something disarmed has
//!   fired
//! - unseen: facts that were overwritten before this program could read them,
//!   so that the run proves nothing
//! - broken: something of ham ended by itself, or was not replaced; when the
//!   reaper is gone, nothing else is compared
//!
//! Times in examples are seconds of CLOCK_MONOTONIC. With `--keep` the log of
//! ham and all ledgers stay.
#![forbid(unsafe_code)]

mod aim;
mod align;
mod collect;
mod compare;
mod exact;
mod facts;
mod hearts;
mod kinds;
mod ledger;
mod lists;
mod load;
mod options;
mod report;
mod roles;
mod rounds;
mod said;
mod scenario;
mod state;
mod story;
mod targets;
mod units;
mod yardstick;

use aim::Way;
use options::Options;
use report::Row;
use scenario::Scenario;
use signal_hook::consts::{SIGINT, SIGTERM};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// The command line is wrong, or a program is not built (sysexits.h).
const USAGE: u8 = 64;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match words.first().map(String::as_str) {
        Some("entity") => return roles::entity(&words[1..]),
        Some("act") => return roles::act(&words[1..]),
        Some("busy") => return roles::busy(),
        Some("nothing") => return ExitCode::SUCCESS,
        Some("under") => return roles::under(&words[1..]),
        _ => {}
    }
    let mut options = match options::parse() {
        Ok(options) => options,
        Err(why) => {
            eprintln!("ham-chaos: {why}");
            return ExitCode::from(USAGE);
        }
    };
    if options.help {
        print!("{}", options::HELP);
        return ExitCode::SUCCESS;
    }
    if let Err(why) = exact::possible() {
        eprintln!("ham-chaos: SKIPPED: kills at an exact instruction: {why}");
        options.ways.retain(|way| !matches!(way, Way::Exact | Way::ExactTakeover));
    }
    options.scenarios.retain(|scenario| match scenario::possible(*scenario) {
        Ok(()) => true,
        Err(why) => {
            eprintln!("ham-chaos: SKIPPED: {}: {why}", scenario.word());
            false
        }
    });
    eprintln!("ham-chaos: the history is read from {}", options.source.word());
    let rows = run(&options);
    let clean = !rows.is_empty() && rows.iter().all(Row::is_clean);
    if options.json {
        println!("{}", report::as_json(&rows, options.seed));
    } else {
        print!("{}", report::tables(&rows));
    }
    if clean { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn run(options: &Options) -> Vec<Row> {
    let enough = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        // Without it an interruption leaves a directory behind, nothing worse.
        let _ = signal_hook::flag::register(signal, Arc::clone(&enough));
    }
    let shares: u64 = options.scenarios.iter().map(|scenario| scenario.share()).sum();
    let scenarios = options.scenarios.iter().copied();
    scenarios
        .take_while(|_| !enough.load(Ordering::Acquire))
        .zip(options.seed..)
        .map(|(scenario, seed)| {
            let kills = (options.kills * scenario.share()).div_ceil(shares.max(1));
            one(scenario, kills, seed, options, &enough)
        })
        .collect()
}

fn one(
    scenario: Scenario,
    kills: u64,
    seed: u64,
    options: &Options,
    enough: &Arc<AtomicBool>,
) -> Row {
    eprintln!("ham-chaos: {}: {kills} kills, seed {seed}", scenario.word());
    match scenario::run(scenario, kills, seed, options, enough) {
        Ok(witness) => Row {
            scenario: scenario.word(),
            findings: Ok(compare::compare(&witness, seed)),
            kills: witness.story.kills,
            by_name: witness.story.by_name.len(),
            took: witness.took,
        },
        Err(why) => Row {
            scenario: scenario.word(),
            kills: Vec::new(),
            by_name: 0,
            took: Duration::ZERO,
            findings: Err(why),
        },
    }
}
