//! Which signal is passed on for which.

use ham_core::signal::Signal;

/// Signals of the kernel, and their number zero.
const COUNT: usize = 65;

/// For each signal the one that the command gets; 0: none.
#[derive(Clone, Debug)]
pub(super) struct Rewrites([u8; COUNT]);

impl Default for Rewrites {
    /// Every signal for itself. Not SIGCHLD, which is about children of init
    /// and not the command's; nor what tells init itself that it is in the
    /// background.
    fn default() -> Rewrites {
        let mut all = [0u8; COUNT];
        for (number, to) in (0u8..).zip(&mut all) {
            *to = if matches!(number, CHLD | TTIN | TTOU) { 0 } else { number };
        }
        Rewrites(all)
    }
}

const CHLD: u8 = 17;
const TTIN: u8 = 21;
const TTOU: u8 = 22;
const STOP: u8 = 19;

/// ILL, TRAP, ABRT, BUS, FPE, KILL, SEGV, CHLD, STOP, SYS.
const NEVER_TAKEN: [u8; 10] = [4, 5, 6, 7, 8, 9, 11, CHLD, STOP, 31];

impl Rewrites {
    /// Notes `FROM:TO`; each is a name or a number, TO may be 0.
    pub(super) fn add(&mut self, text: &str) -> Result<(), String> {
        let pair = text.split_once(':').and_then(|(from, to)| {
            let to = if to.trim() == "0" { 0 } else { Signal::parse(to)?.0 };
            Some((Signal::parse(from)?, to))
        });
        let Some((from, to)) = pair else {
            return Err(format!(
                "--rewrite {text}: expected SIGNAL:SIGNAL, as in TERM:QUIT or 15:3, or \
                 SIGNAL:0 to drop one"
            ));
        };
        if NEVER_TAKEN.contains(&from.0) {
            return Err(format!("--rewrite {text}: {from} is not passed on"));
        }
        if let Some(place) = self.0.get_mut(usize::from(from.0)) {
            *place = to;
        }
        Ok(())
    }

    /// What the command gets for a signal; `None`: nothing.
    pub(super) fn of(&self, signal: i32) -> Option<i32> {
        let place = usize::try_from(signal).ok()?;
        self.0.get(place).copied().filter(|to| *to != 0).map(i32::from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_signal_but_three_is_passed_on_as_itself() {
        let rewrites = Rewrites::default();
        for signal in 1..=64 {
            let expected = (![17, 21, 22].contains(&signal)).then_some(signal);
            assert_eq!(rewrites.of(signal), expected, "{signal}");
        }
        assert_eq!(rewrites.of(0), None);
        assert_eq!(rewrites.of(-1), None);
        assert_eq!(rewrites.of(65), None);
    }

    #[test]
    fn the_last_word_about_a_signal_counts() {
        let mut rewrites = Rewrites::default();
        for text in ["TERM:QUIT", "sighup:0", "15:2", "RTMIN+3:TERM", "TTIN:STOP"] {
            rewrites.add(text).unwrap();
        }
        assert_eq!(
            [15, 1, 37, 21].map(|signal| rewrites.of(signal)),
            [Some(2), None, Some(15), Some(19)]
        );
        for wrong in ["TERM", "TERM:", ":TERM", "TERM:65", "TERM:-1", "0:TERM", "TREM:INT"] {
            assert!(rewrites.add(wrong).unwrap_err().contains(wrong), "{wrong}");
        }
        for never in ["KILL:TERM", "CHLD:TERM", "SEGV:0"] {
            assert!(rewrites.add(never).unwrap_err().contains("not passed on"), "{never}");
        }
    }
}
