//! Decoders refuse what is odd, whatever it is: the bodies of the fuzz targets,
//! on pseudo-random bytes of which a seed tells all.
//!
//! A failure names its seed; `HAM_DECODERS_SEED=N` runs that one alone,
//! `HAM_DECODERS_CASES=COUNT` more of them.
#![forbid(unsafe_code)]

#[path = "decoders/records.rs"]
mod records;

use ham_tests::decoders;
use ham_tests::fake::Random;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

/// No case takes longer, whatever else the machine does: most take less than
/// a millisecond.
const PATIENCE: Duration = Duration::from_secs(60);

/// Enough for each kind of damage to meet each kind of record some times, and
/// for the whole to take seconds.
const SNAPSHOTS: u64 = 2_500;
const TEXTS: u64 = 3_000;
/// Each is a whole life, if a short one.
const LIVES: u64 = 600;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().expect("a number in the environment"))
}

/// Runs `body` once for each seed, on the bytes that `make` draws for it.
fn each(cases: u64, make: fn(&mut Random) -> Vec<u8>, body: fn(&[u8])) {
    let seeds = match number("HAM_DECODERS_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("HAM_DECODERS_CASES").unwrap_or(cases),
    };
    let at = Arc::new(AtomicU64::new(0));
    let (done, news) = channel();
    let worker = {
        let at = Arc::clone(&at);
        std::thread::spawn(move || {
            for seed in seeds {
                at.store(seed, Ordering::Relaxed);
                body(&make(&mut Random::new(seed)));
                let _ = done.send(());
            }
        })
    };
    loop {
        match news.recv_timeout(PATIENCE) {
            Ok(()) => {}
            Err(RecvTimeoutError::Disconnected) => break,
            Err(RecvTimeoutError::Timeout) => {
                panic!("seed {}: it does not end", at.load(Ordering::Relaxed))
            }
        }
    }
    let ended = worker.join();
    assert!(ended.is_ok(), "seed {}: a rule is broken", at.load(Ordering::Relaxed));
}

/// Bytes without any sense of their own: choices.
fn choices(random: &mut Random) -> Vec<u8> {
    let length = random.below(120);
    (0..length).map(|_| u8::try_from(random.below(256)).unwrap_or(0)).collect()
}

#[test]
fn a_damaged_state_is_taken_over_without_harm() {
    each(SNAPSHOTS, choices, decoders::snapshot);
}

#[test]
fn an_entity_whose_record_is_lost_is_known_by_its_slot() {
    let lost = decoders::lost_records();
    assert!(lost > 20, "only {lost} entities had a process");
}

#[test]
fn a_damaged_plan_gives_whole_definitions_or_none() {
    each(TEXTS, choices, decoders::plan);
}

#[test]
fn links_that_make_no_sense_are_worked_with() {
    each(LIVES, choices, decoders::links);
}

/// Pieces that a text is made of, so that it gets beyond its first line.
fn pieces(random: &mut Random, pieces: &[&str]) -> Vec<u8> {
    let count = random.below(40);
    let text: String = (0..count).map(|_| *random.pick(pieces)).collect();
    let mut bytes = text.into_bytes();
    if random.chance(30) && !bytes.is_empty() {
        let at = usize::try_from(random.below(bytes.len() as u64)).unwrap_or(0);
        bytes[at] = u8::try_from(random.below(256)).unwrap_or(0);
    }
    bytes
}

#[test]
fn any_unit_gets_an_answer() {
    let make = |random: &mut Random| {
        pieces(
            random,
            &[
                "[entity]\n",
                "command = \"/bin/sh\"\n",
                "[[condition]]\n",
                "on = \"death\"\n",
                "actions = [ { restart = {} } ]\n",
                "log = \"{pid}\"",
                "{ ",
                " }",
                "[",
                "]",
                ", ",
                "\"",
                "'''",
                " = ",
                "\n",
                "stop = { signal = \"HUP\" }\n",
                "umask = 0o7",
                "\u{0}",
                "\u{1f600}",
            ],
        )
    };
    each(TEXTS, make, decoders::unit);
}

#[test]
fn any_stream_gives_messages_or_is_refused() {
    let make = |random: &mut Random| {
        pieces(
            random,
            &[
                "{\"method\":\"io.ham.Manager.Start\"",
                ",\"parameters\":",
                "{\"names\":[\"a\"],\"wait\":true}",
                "{\"code\":3}",
                ",\"more\":true",
                "{\"error\":\"io.ham.Manager.UnknownEntity\"",
                "{\"name\":\"b\"}",
                "}",
                "\0",
                "}\0",
                "[[[[[[[[",
                "\"",
                "1e999",
                "18446744073709551616",
                "null",
                "\u{1f}",
            ],
        )
    };
    each(TEXTS, make, decoders::wire);
}
