//! Who takes part: names, how long each life lasts and how it ends, how long
//! ham has to wait before the next. All of it follows from name, number of the
//! life and seed, so that the entities do it, ham is told of it in units, and
//! the comparison knows it beforehand.

use ham_core::signal::Signal;
use ham_core::status::ExitStatus;
use ham_tests::fake::Random;
use std::time::Duration;

/// What an entity is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Lives 0 to 2 ms, in bursts, and is restarted at once.
    Quick,
    /// Lives 0 to 2 ms and is restarted after a fixed delay.
    Brisk,
    /// Lives 20 to 200 ms and is restarted at once.
    Middle,
    /// Is restarted after delays that grow.
    Backoff,
    /// Its death is followed by a list of all kinds of actions.
    Lister,
    /// Its death is followed by a list that waits for a path.
    Waiter,
    /// Its death is followed by commands that nothing waits for.
    NoWait,
    /// Never dies: its process may never change.
    Steady,
    /// Dies only when this program kills it, by name.
    Victim,
    /// Is sent the signals of action lists and keeps book of them.
    Recorder,
    /// Sends heartbeats for ever: nobody may ever miss one.
    Beating,
    /// Sends heartbeats for a while and then none, and is brought back.
    Stalling,
    /// Reports states and raises events, and keeps book of what was accepted.
    Teller,
}

/// One entity.
#[derive(Clone, Debug)]
pub(crate) struct Member {
    /// Its name.
    pub(crate) name: String,
    /// What it is for.
    pub(crate) kind: Kind,
    /// Its place: its byte of the common lock file, its part of signal values.
    pub(crate) place: u32,
}

const CAST: [(Kind, &str, u32); 13] = [
    (Kind::Quick, "quick", 3),
    (Kind::Brisk, "brisk", 3),
    (Kind::Middle, "middle", 6),
    (Kind::Backoff, "backoff", 4),
    (Kind::Lister, "lister", 4),
    (Kind::Waiter, "waiter", 2),
    (Kind::NoWait, "nowait", 2),
    (Kind::Steady, "steady", 6),
    (Kind::Victim, "victim", 3),
    (Kind::Recorder, "recorder", 1),
    (Kind::Beating, "beating", 4),
    (Kind::Stalling, "stalling", 3),
    (Kind::Teller, "teller", 2),
];

/// All entities of a run.
pub(crate) fn members() -> Vec<Member> {
    let names = CAST.iter().flat_map(|(kind, name, count)| {
        (0..*count).map(move |number| (*kind, format!("{name}-{number}")))
    });
    names.zip(0..).map(|((kind, name), place)| Member { name, kind, place }).collect()
}

/// The one of that name.
pub(crate) fn member(name: &str) -> Option<Member> {
    members().into_iter().find(|member| member.name == name)
}

/// The name of the recorder.
pub(crate) const RECORDER: &str = "recorder-0";

/// How a life ends by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// By this exit code.
    Code(u8),
    /// By this signal, sent to itself.
    Signal(u8),
    /// Not at all.
    Stays,
}

impl End {
    /// As the history has to have it; `None`: it depends on who ends it.
    pub(crate) fn status(self) -> Option<ExitStatus> {
        match self {
            End::Code(code) => Some(ExitStatus::Code(code)),
            End::Signal(number) => Some(by_signal(number)),
            End::Stays => None,
        }
    }
}

/// An end by a signal. Core dumps are switched off for the whole run.
pub(crate) fn by_signal(number: u8) -> ExitStatus {
    ExitStatus::Signal { signal: Signal(number), core: false }
}

/// By this ham ends who stalls.
const KILL: u8 = 9;
/// KILL, SEGV, TERM, USR1, ABRT.
const SIGNALS: [u8; 5] = [9, 11, 15, 10, 6];

/// How long that life of an entity lasts, and how it ends.
pub(crate) fn life(member: &Member, number: u64, seed: u64) -> (Duration, End) {
    let mut random = Random::new(seed ^ (u64::from(member.place) << 48) ^ number);
    let mut micros = |least: u64, most: u64| least + random.below(most - least + 1);
    let length = match member.kind {
        // A burst of seven, then a rest, or it would need a processor.
        Kind::Quick if number % 8 == 7 => micros(90_000, 120_000),
        Kind::Quick | Kind::Brisk => micros(0, 2_000),
        Kind::Middle => micros(20_000, 200_000),
        Kind::Backoff => micros(5_000, 60_000),
        Kind::Lister | Kind::NoWait => micros(30_000, 200_000),
        Kind::Waiter => micros(10_000, 100_000),
        Kind::Stalling => {
            return (Duration::from_micros(micros(1_200_000, 2_000_000)), End::Signal(KILL));
        }
        Kind::Steady | Kind::Victim | Kind::Recorder | Kind::Beating | Kind::Teller => {
            return (Duration::MAX, End::Stays);
        }
    };
    let end = if random.chance(70) {
        // Up to 63: what shells, ham and this program use for trouble is above.
        End::Code(u8::try_from(random.below(64)).unwrap_or(0))
    } else {
        End::Signal(*random.pick(&SIGNALS))
    };
    (Duration::from_micros(length), end)
}

/// The delays of [`Kind::Backoff`] in milliseconds: first, second, most.
pub(crate) const GROWING: (u64, u64, u64) = (2, 4, 300);
/// By this, in thousandths, each is longer than the one before.
pub(crate) const FACTOR_PERMILLE: u64 = 1_100;
/// The delay of [`Kind::Brisk`].
pub(crate) const FIXED: Duration = Duration::from_millis(20);

/// How long ham has to wait between the end of that life and the next start.
pub(crate) fn delay_after(kind: Kind, number: u64) -> Duration {
    match kind {
        Kind::Brisk => FIXED,
        Kind::Backoff => growing(number),
        Kind::Quick | Kind::Middle | Kind::Lister | Kind::Waiter | Kind::NoWait => Duration::ZERO,
        Kind::Steady | Kind::Victim | Kind::Recorder => Duration::ZERO,
        Kind::Beating | Kind::Stalling | Kind::Teller => Duration::ZERO,
    }
}

fn growing(number: u64) -> Duration {
    let (first, second, most) = GROWING;
    if number == 0 {
        return Duration::from_millis(first);
    }
    let most = most * 1_000_000;
    let mut delay = second * 1_000_000;
    for _ in 1..number {
        if delay >= most {
            break;
        }
        delay = delay * FACTOR_PERMILLE / 1_000;
    }
    Duration::from_nanos(delay.min(most))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_grow_to_their_most() {
        let millis = [0, 1, 2, 3, 100].map(|number| growing(number).as_micros());
        assert_eq!(millis, [2_000, 4_000, 4_400, 4_840, 300_000]);
    }

    #[test]
    fn lives_follow_from_name_number_and_seed() {
        for member in members() {
            assert_eq!(life(&member, 5, 1), life(&member, 5, 1));
            assert_eq!(super::member(&member.name).map(|found| found.place), Some(member.place));
        }
        let quick = &members()[0];
        assert!((0..64).any(|number| life(quick, number, 1) != life(quick, number, 2)));
    }
}
