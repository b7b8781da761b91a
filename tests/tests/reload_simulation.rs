//! Lives of the core in which its plan is replaced while it runs: units change
//! at random in the middle of everything, the monitor dies before and after the
//! new plan counts, and a shadow that is restored from what was committed does
//! the same as the one that lives on (issue 6, items 5 and 6).
//!
//! A failure names its seed; `HAM_SIM_SEED=N` runs that one alone,
//! `HAM_SIM_SEEDS=COUNT` more of them, `HAM_SIM_STEPS=COUNT` longer ones.
#![forbid(unsafe_code)]

#[path = "simulation/changes.rs"]
mod changes;
#[path = "reload_simulation/edits.rs"]
mod edits;
#[path = "reload_simulation/lists.rs"]
mod lists;
#[path = "reload_simulation/rest.rs"]
mod rest;
#[path = "reload_simulation/rules.rs"]
mod rules;
#[path = "reload_simulation/seen.rs"]
mod seen;
#[path = "reload_simulation/units.rs"]
mod units;
#[path = "reload_simulation/world.rs"]
mod world;

use std::env;
use world::{Life, World};

const SEEDS: u64 = 20;
const STEPS: u32 = 200;

fn number(name: &str) -> Option<u64> {
    env::var(name).ok().map(|text| text.parse().expect("a number in the environment"))
}

/// Runs lives and fails with the story of the first that breaks a rule.
fn live(first: u64, deaths: u64) -> u64 {
    let steps = number("HAM_SIM_STEPS").and_then(|n| u32::try_from(n).ok()).unwrap_or(STEPS);
    let seeds = match number("HAM_SIM_SEED") {
        Some(seed) => seed..seed + 1,
        None => first..first + number("HAM_SIM_SEEDS").unwrap_or(SEEDS),
    };
    let (mut met, mut takeovers, mut turns) = ([0; 10], 0, 0);
    for seed in seeds {
        let mut world = World::new(Life { seed, steps, deaths });
        if let Err(wrong) = world.run() {
            panic!("seed {seed}: {wrong}\n{}", world.describe());
        }
        takeovers += u64::from(world.stage.takeovers);
        turns += world.stage.turns;
        for (sum, count) in met.iter_mut().zip(world.met()) {
            *sum += count;
        }
    }
    // One life alone need not meet everything.
    assert!(turns < 8_000 || !met.contains(&0), "what never happened: {met:?}");
    takeovers
}

/// No death of the monitor, but one that is replaced before every step.
#[test]
fn a_reload_does_what_it_says_and_no_more() {
    assert_eq!(live(1, 0), 0);
}

/// Before, in and after a reload.
#[test]
fn a_death_makes_no_difference_to_a_reload() {
    assert!(live(10_001, 6) > 0, "no monitor was killed");
}
