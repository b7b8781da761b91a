//! Tests with real processes. Each scenario runs in a single-threaded process
//! of its own that is the reaper (a child subreaper) of all it makes; what it
//! leaves behind is killed and reported as a failure.
//!
//! `processes [FILTER]` runs the scenarios whose name contains the filter;
//! `--list` names them. The binary is also the program that some scenarios
//! spawn: see `acts`.

mod acts;
mod cgroups;
mod directories;
mod families;
mod faults;
mod harness;
mod limited;
mod primitives;
mod queue;
mod settings;
mod sockets;
mod spawning;
mod surroundings;
mod terminals;

use harness::{Outcome, Scenario};

/// All scenarios of all files.
fn scenarios() -> Vec<Scenario> {
    [
        primitives::SCENARIOS,
        limited::SCENARIOS,
        sockets::SCENARIOS,
        spawning::SCENARIOS,
        surroundings::SCENARIOS,
        settings::SCENARIOS,
        directories::SCENARIOS,
        cgroups::SCENARIOS,
        families::SCENARIOS,
        faults::SCENARIOS,
        terminals::SCENARIOS,
        queue::SCENARIOS,
    ]
    .concat()
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let Some((first, rest)) = arguments.split_first() {
        match first.as_str() {
            "--act" => acts::run(rest),
            // A scenario started again by another one, with other switches in
            // its environment.
            "--inner" => std::process::exit(harness::run_inner(&scenarios(), &rest[0])),
            "--list" => {
                for scenario in scenarios() {
                    println!("{}: test", scenario.name);
                }
                return;
            }
            _ => (),
        }
    }
    let filter = arguments.iter().find(|argument| !argument.starts_with('-'));
    let mut failed = 0;
    for scenario in scenarios() {
        if scenario.inner || filter.is_some_and(|text| !scenario.name.contains(text.as_str())) {
            continue;
        }
        let outcome = harness::run(&scenario);
        println!("test {} ... {}", scenario.name, outcome.word());
        failed += i32::from(outcome == Outcome::Failed);
    }
    if failed > 0 {
        println!("{failed} scenarios failed");
        std::process::exit(1);
    }
}
