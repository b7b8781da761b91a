//! Lives of the core on a machine that goes wrong all the time: processes die
//! and hang, clones are refused, completions come late and out of order, people
//! ask for this and that, and the monitor itself is killed at any point of a
//! turn and replaced from what it had committed.
//!
//! A failure names its seed; `HAM_SIM_SEED=N` runs that one alone,
//! `HAM_SIM_SEEDS=COUNT` more of them, `HAM_SIM_STEPS=COUNT` longer ones.
#![forbid(unsafe_code)]

#[path = "simulation/alone.rs"]
mod alone;
#[path = "simulation/changes.rs"]
mod changes;
#[path = "simulation/clients.rs"]
mod clients;
#[path = "simulation/heartbeats.rs"]
mod heartbeats;
#[path = "simulation/order.rs"]
mod order;
#[path = "simulation/rules.rs"]
mod rules;
#[path = "simulation/sayings.rs"]
mod sayings;
#[path = "simulation/ways.rs"]
mod ways;
#[path = "simulation/world.rs"]
mod world;

use std::env;
use world::{Life, World};

/// Enough for each rule of the core to be met many times over, and for the
/// whole to take seconds.
const SEEDS: u64 = 120;
const STEPS: u32 = 250;

fn number(name: &str) -> Option<u64> {
    env::var(name).ok().map(|text| text.parse().expect("a number in the environment"))
}

/// Runs lives and fails with the story of the first that breaks a rule.
fn live(first: u64, deaths: u64, shadow: bool) -> (u64, u64) {
    let mut repeated = 0;
    let mut met = [0; 13];
    let mut heard = [0; 9];
    let steps = number("HAM_SIM_STEPS").and_then(|n| u32::try_from(n).ok()).unwrap_or(STEPS);
    let seeds = match number("HAM_SIM_SEED") {
        Some(seed) => seed..seed + 1,
        None => first..first + number("HAM_SIM_SEEDS").unwrap_or(SEEDS),
    };
    let (mut turns, mut takeovers) = (0, 0);
    for seed in seeds {
        let mut world = World::new(Life { seed, steps, deaths, shadow });
        if let Err(wrong) = world.run() {
            panic!("seed {seed}: {wrong}\n{}", world.describe());
        }
        turns += world.stage.turns;
        takeovers += u64::from(world.stage.takeovers);
        repeated += world.clients.repeated;
        let rules = &world.rules;
        let counts =
            [rules.said, rules.changed, rules.taken_along, rules.reloaded, rules.conflicts]
                .into_iter()
                .chain([rules.attached, rules.detached, rules.made, rules.unmade, rules.pulses])
                .chain(world.alone.met);
        for (sum, count) in met.iter_mut().zip(counts) {
            *sum += count;
        }
        let sayings = &world.sayings;
        let [low, high, healthy, too_many] = world.heartbeats.met;
        let [states, events, suspended] = sayings.kinds;
        let again = [sayings.repeated, sayings.attached_again];
        let counts =
            [low, high, healthy, too_many, states, events, suspended].into_iter().chain(again);
        for (sum, count) in heard.iter_mut().zip(counts) {
            *sum += count;
        }
    }
    // One life alone need not meet everything.
    assert!(turns < 5_000 || !heard.contains(&0), "what was never heard: {heard:?}");
    assert!(turns < 5_000 || !met.contains(&0), "what never happened: {met:?}");
    assert!(repeated > 0, "nobody has repeated a request");
    (turns, takeovers)
}

/// No death of the monitor: the plain rules, and that a monitor which is
/// replaced before every single step does just what this one does.
#[test]
fn a_monitor_restored_before_every_step_is_the_same_monitor() {
    let (turns, takeovers) = live(1, 0, true);
    assert_eq!(takeovers, 0);
    assert!(turns > 0);
}

/// Now and then a death: long stretches of life between.
#[test]
fn nothing_is_lost_or_done_twice_when_the_monitor_dies_now_and_then() {
    let (_, takeovers) = live(10_001, 3, true);
    assert!(takeovers > 0, "no monitor was killed");
}

/// Hardly a turn without a death, of successors too.
#[test]
fn nothing_is_lost_or_done_twice_when_monitors_die_like_flies() {
    let (_, takeovers) = live(20_001, 30, false);
    assert!(takeovers > 0, "no monitor was killed");
}
