//! The results of the manager as text for people. Everything here is a pure
//! function of a result and a [`Look`](crate::output::Look); nothing is
//! printed.

pub(crate) mod about;
pub(crate) mod boot;
pub(crate) mod diagnostics;
pub(crate) mod dot;
pub(crate) mod history;
pub(crate) mod outcomes;
pub(crate) mod plan_errors;
pub(crate) mod pulses;
pub(crate) mod reload;
pub(crate) mod show;
pub(crate) mod status;
pub(crate) mod toml;
pub(crate) mod tree;
pub(crate) mod why;

use crate::table::Style;
use ham_core::time::Span;

/// The style of a state of an entity; one that this version does not know is
/// shown as it is.
pub(crate) fn state_style(state: &str) -> Style {
    match state {
        "running" => Style::Good,
        "starting" | "waiting" | "backoff" | "stopping" => Style::Passing,
        "failed" | "held" => Style::Bad,
        "stopped" | "finished" | "placeholder" => Style::Faint,
        _ => Style::Plain,
    }
}

/// A length of time for people: below a second in milliseconds, otherwise in
/// whole seconds, since a table of nanoseconds tells nobody anything.
pub(crate) fn lasting(ns: u64) -> String {
    const SECOND: u64 = 1_000_000_000;
    const MILLISECOND: u64 = 1_000_000;
    let unit = if ns >= SECOND { SECOND } else { MILLISECOND };
    Span(ns / unit * unit).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_as_exact_as_they_are_useful() {
        assert_eq!(lasting(0), "0s");
        assert_eq!(lasting(999_999), "0s");
        assert_eq!(lasting(250_900_000), "250ms");
        assert_eq!(lasting(1_999_000_000), "1s");
        assert_eq!(lasting(3_723_000_000_000), "1h 2min");
    }
}
