//! What signals have asked for, as the reaper tells the monitor: a count, and of
//! the last eight what each wants the manager to end in, in one word, so that
//! the two are never of different times.

use crate::State;
use crate::ending::Ending;
use crate::header::Field;

/// Requests whose way is known: more than the monitor takes one by one.
pub const WAYS: u64 = 8;

impl State {
    /// The reaper: a signal has asked for a shutdown that ends in this.
    pub fn ask_for_shutdown(&self, ending: Ending) {
        let word = self.get(Field::ShutdownWays);
        let count = (word & u64::from(u32::MAX)).wrapping_add(1) & u64::from(u32::MAX);
        let ways = (word >> 32) << 4 | u64::from(ending.number());
        self.set(Field::ShutdownWays, ways << 32 | count);
        self.bump(Field::ShutdownRequests);
    }

    /// What the request with this number, counted from 1, has asked for. One that
    /// is too long ago has asked for an exit, as has one that nobody can make out.
    #[must_use]
    pub fn asked_shutdown(&self, number: u64) -> Ending {
        let word = self.get(Field::ShutdownWays);
        let newer = word.wrapping_sub(number) & u64::from(u32::MAX);
        if newer >= WAYS {
            return Ending::Exit;
        }
        let way = u8::try_from(word >> 32 >> (4 * newer) & 0xf).unwrap_or(0);
        match Ending::of_number(way) {
            Some(Ending::Execute) | None => Ending::Exit,
            Some(ending) => ending,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_state;

    #[test]
    fn what_was_asked_for_is_known_by_its_number() {
        let state = test_state();
        assert_eq!(state.asked_shutdown(1), Ending::Exit);
        let asked = [Ending::Reboot, Ending::Halt, Ending::Exit, Ending::SoftReboot];
        for (number, ending) in (1..).zip(asked.into_iter().cycle().take(11)) {
            state.ask_for_shutdown(ending);
            assert_eq!(state.asked_shutdown(number), ending);
        }
        assert_eq!(state.get(Field::ShutdownRequests), 11);
        let known: Vec<Ending> = (4..=11).map(|number| state.asked_shutdown(number)).collect();
        let expected: Vec<Ending> = asked.into_iter().cycle().skip(3).take(8).collect();
        assert_eq!(known, expected);
        for number in [0, 3, 12, u64::MAX] {
            assert_eq!(state.asked_shutdown(number), Ending::Exit, "{number}");
        }
    }

    #[test]
    fn a_word_that_is_none_asks_for_an_exit() {
        let state = test_state();
        state.set(Field::ShutdownWays, u64::MAX << 32 | 1);
        assert_eq!(state.asked_shutdown(1), Ending::Exit);
        // A command that nobody has named cannot take the place of the manager.
        state.set(Field::ShutdownWays, 2 << 32 | 1);
        assert_eq!(state.asked_shutdown(1), Ending::Exit);
    }
}
