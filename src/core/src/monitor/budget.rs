//! How often an entity may be tried again and how long each attempt waits:
//! numbers only, which the entity's record holds. What an attempt is, and when
//! the count begins anew, is decided in `life` and `ask`.

use crate::plan::{RestartPlan, Spacing};
use crate::time::{Mono, Span};

/// How often it has been tried, for back-off and limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Budget {
    /// Attempts since the last reset.
    pub attempts: u32,
    /// Attempts in the current window of the limit.
    pub in_window: u32,
    /// When that window began.
    pub window: Mono,
}

impl Budget {
    /// The wait before the next attempt, which is counted; `None`: the limit
    /// is reached. The window of the limit begins with its first attempt.
    pub fn next(&mut self, plan: &RestartPlan, now: Mono) -> Option<Span> {
        if let Some(limit) = plan.limit {
            if self.in_window == 0 || now.since(self.window) >= limit.within {
                self.window = now;
                self.in_window = 0;
            }
            if self.in_window >= limit.count {
                return None;
            }
            self.in_window = self.in_window.saturating_add(1);
        }
        let delay = spacing(&plan.spacing, self.attempts);
        self.attempts = self.attempts.saturating_add(1);
        Some(delay)
    }

    /// A process that ran long enough starts the spacing anew; the limit has
    /// its own window.
    pub fn ran(&mut self, plan: &RestartPlan, length: Span) {
        if length >= plan.reset_after {
            self.attempts = 0;
        }
    }
}

/// The wait before attempt `n`, counted from 0.
fn spacing(spacing: &Spacing, n: u32) -> Span {
    match spacing {
        Spacing::List(delays) => {
            let place = usize::try_from(n).unwrap_or(usize::MAX);
            delays.get(place).or(delays.last()).copied().unwrap_or(Span::ZERO)
        }
        Spacing::Growing { first, .. } if n == 0 => *first,
        Spacing::Growing { delay, factor_permille, max_delay, .. } => {
            let mut span = u128::from(delay.0);
            let most = u128::from(max_delay.0);
            // Beyond 64 steps every growing delay is at its maximum, and one
            // that does not grow is what it was.
            for _ in 1..n.min(64) {
                if span >= most {
                    break;
                }
                span = span.saturating_mul(u128::from(*factor_permille)) / 1000;
            }
            Span(u64::try_from(span.min(most)).unwrap_or(u64::MAX))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::LimitPlan;

    #[test]
    fn back_off_grows_to_its_maximum() {
        let plan = RestartPlan::default();
        let mut budget = Budget::default();
        let delays: Vec<String> =
            (0..11).map(|_| budget.next(&plan, Mono(0)).unwrap().to_string()).collect();
        assert_eq!(
            delays,
            [
                "0s",
                "200ms",
                "400ms",
                "800ms",
                "1s 600ms",
                "3s 200ms",
                "6s 400ms",
                "12s 800ms",
                "25s 600ms",
                "30s",
                "30s"
            ]
        );
        budget.ran(&plan, Span::seconds(29));
        assert_eq!(budget.next(&plan, Mono(0)), Some(Span::seconds(30)));
        budget.ran(&plan, Span::seconds(30));
        assert_eq!(budget.next(&plan, Mono(0)), Some(Span::ZERO));
    }

    #[test]
    fn the_last_delay_of_a_list_repeats() {
        let spacing = Spacing::List(vec![Span::ZERO, Span::seconds(1), Span::seconds(5)]);
        let plan = RestartPlan { spacing, ..RestartPlan::default() };
        let mut budget = Budget::default();
        let delays: Vec<u64> =
            (0..5).map(|_| budget.next(&plan, Mono(0)).unwrap().0 / 1_000_000_000).collect();
        assert_eq!(delays, [0, 1, 5, 5, 5]);
    }

    #[test]
    fn the_limit_counts_from_the_first_attempt_of_its_window() {
        let limit = Some(LimitPlan { count: 2, within: Span::seconds(10) });
        let plan = RestartPlan { limit, ..RestartPlan::default() };
        let mut budget = Budget::default();
        let at = |seconds: u64| Mono(Span::seconds(seconds).0);
        assert!(budget.next(&plan, at(100)).is_some());
        assert!(budget.next(&plan, at(105)).is_some());
        assert_eq!(budget.next(&plan, at(109)), None);
        assert!(budget.next(&plan, at(110)).is_some());
    }
}
