//! What is done when a service has ended or failed.

use super::draft::Condition;
use super::order::Other;
use super::toml;
use super::values::{seconds, write_time};
use super::work::{Kind, SERVICE, UNIT, Work};
use ham_core::time::Span;

/// systemd's defaults: `RestartSec=`, and how many starts in what time are too
/// many.
const DELAY: Span = Span(100_000_000);
const BURST: u32 = 5;
const INTERVAL: Span = Span(10_000_000_000);
/// So many delays are written out; more are described by a factor.
const MOST_DELAYS: u32 = 12;

impl Work<'_> {
    /// `OnFailure=` and its kin. What is done when it has failed for good needs
    /// to be known before `restart`.
    pub(crate) fn on_failure(&mut self) {
        for (from, unit) in self.words(UNIT, "OnFailure") {
            match self.other(&unit) {
                Other::Service(name) | Other::Target(name) => {
                    self.gave_up.push(format!("{{ start = {} }}", toml::string(&name)));
                    self.translated(&from, "a condition with `start`");
                }
                Other::Ignored(_) | Other::Path(_) | Other::Unsupported(_) => {
                    self.no_equivalent(&from, format!("{unit} is no unit of ham"));
                }
            }
        }
        let mut after = Vec::new();
        for (from, unit) in self.words(UNIT, "OnSuccess") {
            match self.other(&unit) {
                Other::Service(name) if self.kind == Kind::Oneshot => {
                    after.push(format!("{{ start = {} }}", toml::string(&name)));
                    self.translated(&from, "a condition on `finished`");
                }
                _ => self.no_equivalent(&from, "only a oneshot can have finished"),
            }
        }
        if !after.is_empty() {
            let name = Some("on-success");
            self.draft.conditions.push(Condition { name, on: "finished", actions: after });
        }
        for key in ["StartLimitAction", "FailureAction"] {
            for section in [UNIT, SERVICE] {
                let Some(from) = self.last(section, key) else { continue };
                let action = match from.value.as_str() {
                    "none" => {
                        self.no_meaning(&from, "the default");
                        continue;
                    }
                    "reboot" | "reboot-force" | "reboot-immediate" | "soft-reboot" | "kexec" => {
                        "{ reboot = {} }"
                    }
                    "poweroff" | "poweroff-force" | "poweroff-immediate" | "halt"
                    | "halt-force" => "{ shutdown = {} }",
                    "exit" | "exit-force" => "{ shutdown = { exit-code = 1 } }",
                    _ => {
                        self.unreadable(&from, "there is no such word");
                        continue;
                    }
                };
                self.gave_up.push(action.to_owned());
                if from.value.contains("-force") || from.value.contains("-immediate") {
                    let how = "all entities are stopped first, in good order";
                    self.approximated(&from, Some("gave-up"), how);
                } else {
                    self.translated(&from, format!("`{action}`"));
                }
            }
        }
    }

    pub(crate) fn restart(&mut self) {
        let from = self.last(SERVICE, "Restart");
        let word = from.as_ref().map_or("no", |from| from.value.as_str()).to_owned();
        // What fires the restart, and the short form of it.
        let (on, short) = match word.as_str() {
            "no" => (None, Some("no")),
            "always" if self.kind == Kind::Oneshot => (Some("failure"), Some("on-failure")),
            "always" => (Some("death"), Some("always")),
            "on-failure" => (Some("failure"), Some("on-failure")),
            "on-abnormal" | "on-abort" | "on-watchdog" => (Some("abnormal-death"), None),
            "on-success" => (None, Some("no")),
            _ => (None, Some("no")),
        };
        if let Some(from) = &from {
            match word.as_str() {
                "no" => self.no_meaning(from, "`restart = \"no\"`"),
                "always" if self.kind == Kind::Oneshot => {
                    let how = "a oneshot that ends well has finished, and is not run again";
                    self.approximated(from, Some("restart"), how);
                }
                "always" | "on-failure" => self.translated(from, "`restart`"),
                "on-abnormal" => self.translated(from, "`restart` on `abnormal-death`"),
                "on-abort" | "on-watchdog" => {
                    let how = "any abnormal death restarts it";
                    self.approximated(from, Some("restart-on"), how);
                }
                "on-success" => self.no_equivalent(
                    from,
                    "nothing restarts after a good end alone: `restart = \"always\"`, with the bad \
                     ones in `no-restart-exit`",
                ),
                _ => self.unreadable(from, "there is no such word"),
            }
        }
        if let Some(from) = self.last(SERVICE, "RestartMode") {
            self.no_meaning(&from, "what depends on it is told by `on-dependency-restart`");
        }
        let restarts = on.is_some();
        let mut fields = self.delays(restarts);
        if let Some(limit) = self.limit(restarts) {
            fields.push(("limit".to_owned(), limit));
        }
        match (on, short) {
            (Some(on), None) => self.restart_condition(on, &fields),
            (Some(on), Some(_)) if !fields.is_empty() => self.restart_condition(on, &fields),
            (_, Some(short)) if short != "no" || self.kind != Kind::Oneshot => {
                self.draft.set_string("restart", short);
            }
            (_, Some(_) | None) => {}
        }
        self.when_it_gave_up(restarts);
    }

    fn restart_condition(&mut self, on: &'static str, fields: &[(String, String)]) {
        let action = format!("{{ restart = {} }}", toml::table(fields));
        let condition = Condition { name: None, on, actions: vec![action] };
        self.draft.conditions.insert(0, condition);
    }

    /// Conditions of what `on_failure` has found.
    fn when_it_gave_up(&mut self, restarts: bool) {
        let actions = std::mem::take(&mut self.gave_up);
        if actions.is_empty() {
            return;
        }
        let on = if restarts { "restart-limit" } else { "failure" };
        self.draft.conditions.push(Condition { name: Some("gave-up"), on, actions });
    }

    /// The waits before restarts, as fields of `restart`.
    fn delays(&mut self, restarts: bool) -> Vec<(String, String)> {
        let first = self.last(SERVICE, "RestartSec");
        let steps = self.last(SERVICE, "RestartSteps");
        let most = self.last(SERVICE, "RestartMaxDelaySec");
        let mut all = [&first, &steps, &most].into_iter().flatten().cloned().collect::<Vec<_>>();
        if !restarts {
            for from in &all {
                self.no_meaning(from, "nothing restarts it");
            }
            return Vec::new();
        }
        let read = |from: &Option<super::parse::Assignment>| {
            from.as_ref().and_then(|from| seconds(&from.value)).filter(|span| !span.is_infinite())
        };
        all.retain(|from| {
            let good = match from.key.as_str() {
                "RestartSteps" => from.value.parse::<u32>().is_ok(),
                _ => seconds(&from.value)
                    .is_some_and(|s| from.key != "RestartSec" || !s.is_infinite()),
            };
            if !good {
                self.unreadable(from, "it is no number or time");
            }
            good
        });
        let count = steps.as_ref().and_then(|from| from.value.parse::<u32>().ok()).unwrap_or(0);
        let delay = read(&first).unwrap_or(DELAY);
        match read(&most) {
            Some(last) if count > 0 && last > delay => {
                let how = "the waits begin anew when a process has run for 30 s";
                for from in &all {
                    self.approximated(from, None, format!("`restart`: growing waits; {how}"));
                }
                growing(delay, last, count)
            }
            _ => {
                for from in &all {
                    if from.key == "RestartSec" {
                        self.translated(from, "`delays` of `restart`");
                    } else {
                        self.no_meaning(
                            from,
                            "without RestartSteps= and a RestartMaxDelaySec= \
                                               that is longer than RestartSec= nothing grows",
                        );
                    }
                }
                if first.is_none() || delay == DELAY {
                    return Vec::new();
                }
                vec![("delays".to_owned(), toml::list(&[toml::string(&write_time(delay))]))]
            }
        }
    }

    /// `limit` of `restart`.
    fn limit(&mut self, restarts: bool) -> Option<String> {
        let interval = self.last_of(&[
            (UNIT, "StartLimitIntervalSec"),
            (UNIT, "StartLimitInterval"),
            (SERVICE, "StartLimitInterval"),
            (SERVICE, "StartLimitIntervalSec"),
        ]);
        let burst = self.last_of(&[(UNIT, "StartLimitBurst"), (SERVICE, "StartLimitBurst")]);
        let given: Vec<_> = [&interval, &burst].into_iter().flatten().cloned().collect();
        if !restarts {
            for from in &given {
                self.no_meaning(from, "nothing restarts it");
            }
            return None;
        }
        let within = match &interval {
            Some(from) => seconds(&from.value),
            None => Some(INTERVAL),
        };
        let count = match &burst {
            Some(from) => from.value.parse::<u32>().ok(),
            None => Some(BURST),
        };
        let Some((within, count)) = within.zip(count) else {
            for from in &given {
                self.unreadable(from, "it is no number or time");
            }
            return None;
        };
        if within == Span::ZERO || count == 0 {
            for from in &given {
                self.translated(from, "no `limit`");
            }
            return None;
        }
        for from in &given {
            self.translated(from, "`limit` of `restart`");
        }
        if given.is_empty() {
            let text = if self.gave_up.is_empty() {
                "systemd gives up after five starts within ten seconds; ham goes on, with growing \
                 waits (`limit` of `restart` makes it give up)"
            } else {
                "`limit` of `restart`: five within ten seconds, then OnFailure= and its kin"
            };
            self.default("StartLimitBurst", super::report::Outcome::Approximated, text);
            if self.gave_up.is_empty() {
                return None;
            }
        }
        let within = if within.is_infinite() { Span(365 * 86_400_000_000_000) } else { within };
        let fields = [
            ("count".to_owned(), count.to_string()),
            ("within".to_owned(), toml::string(&write_time(within))),
        ];
        Some(toml::table(&fields))
    }
}

/// The waits of `RestartSteps=`: each longer than the one before by the same
/// factor.
fn growing(first: Span, last: Span, steps: u32) -> Vec<(String, String)> {
    let shown = |span: Span| toml::string(&write_time(span));
    // Of times and small numbers, so nothing is lost that a wait would show.
    #[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let at = |step: u32| {
        let base = first.0.max(1) as f64;
        let factor = (last.0 as f64 / base).powf(f64::from(step) / f64::from(steps));
        let milliseconds = (base * factor / 1e6).round() as u64;
        Span(milliseconds.saturating_mul(1_000_000))
    };
    if steps <= MOST_DELAYS {
        let delays: Vec<String> =
            (0..steps).map(|step| shown(at(step))).chain([shown(last)]).collect();
        return vec![("delays".to_owned(), toml::list(&delays))];
    }
    let thousandths = at(1).0.saturating_mul(1000) / at(0).0.max(1);
    let factor = format!("{}.{:03}", thousandths.max(1000) / 1000, thousandths.max(1000) % 1000);
    vec![
        ("first".to_owned(), shown(first)),
        ("delay".to_owned(), shown(at(1))),
        ("factor".to_owned(), factor),
        ("max-delay".to_owned(), shown(last)),
    ]
}
