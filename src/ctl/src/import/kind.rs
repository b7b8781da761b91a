//! `Type=` and what goes with it: when the entity is up, which process it is,
//! and what it says of itself.

use super::parse::Assignment;
use super::report::Outcome;
use super::values::{seconds, timeout, write_time};
use super::work::{Kind, SERVICE, Work};
use super::{command, toml};
use ham_core::signal::Signal;
use ham_core::time::Span;

impl Work<'_> {
    pub(crate) fn kind(&mut self) {
        let given = self.last(SERVICE, "Type");
        let no_start = !self.has(SERVICE, "ExecStart");
        // As systemd has it: what starts nothing is a oneshot.
        let word = match &given {
            Some(from) => from.value.clone(),
            None if no_start => "oneshot".to_owned(),
            None if self.has(SERVICE, "BusName") => "dbus".to_owned(),
            None => "simple".to_owned(),
        };
        match word.as_str() {
            "forking" => self.kind = Kind::Forking,
            "oneshot" => self.kind = Kind::Oneshot,
            "notify" | "notify-reload" => self.draft.set("ready", "\"notify\""),
            _ => {}
        }
        if let Some(from) = &given {
            match word.as_str() {
                "simple" | "exec" => self.translated(from, "`type = \"service\"`, the default"),
                "notify" => self.translated(from, "`ready = \"notify\"`"),
                "notify-reload" => {
                    self.translated(from, "`ready = \"notify\"`, and `reload` waits for it");
                }
                "forking" | "oneshot" => self.translated(from, format!("`type = \"{word}\"`")),
                "idle" => self.no_meaning(from, "a service; nothing here waits for others' output"),
                "dbus" => {
                    let how = "up when it has been executed, not when it has its name on the bus";
                    self.approximated(from, Some("command"), how);
                }
                _ => self.unreadable(from, "there is no such type"),
            }
        }
        match self.kind {
            Kind::Service => {}
            Kind::Oneshot => self.draft.set("type", "\"oneshot\""),
            Kind::Forking => self.draft.set("type", "\"forking\""),
        }
        self.remain(no_start && given.is_none());
        self.pid_file();
        self.notifications();
        self.start_timeout();
    }

    fn remain(&mut self, by_itself: bool) {
        let Some(from) = self.last(SERVICE, "RemainAfterExit") else {
            if by_itself {
                self.draft.set("remain", "true");
            }
            return;
        };
        match self.truth(&from) {
            Some(true) if self.kind == Kind::Oneshot => {
                self.draft.set("remain", "true");
                self.translated(&from, "`remain = true`");
            }
            Some(true) => self.no_equivalent(
                &from,
                "only a oneshot remains; make it one, if its command ends by itself",
            ),
            Some(false) => self.no_meaning(&from, "the default"),
            None => {}
        }
    }

    fn pid_file(&mut self) {
        let from = self.last(SERVICE, "PIDFile");
        let guess = self.last(SERVICE, "GuessMainPID");
        if let Some(guess) = guess {
            self.no_meaning(&guess, "ham guesses no process");
        }
        match (self.kind, from) {
            (Kind::Forking, Some(from)) => {
                let path = self.text(&from);
                let path = if path.starts_with('/') { path } else { format!("/run/{path}") };
                self.draft.set_string("pid-file", &path);
                self.translated(&from, "`pid-file`");
            }
            (Kind::Service | Kind::Oneshot, Some(from)) => {
                self.no_meaning(&from, "ham knows the process that it has started");
            }
            (Kind::Forking, None) => self.guess_pid_file(),
            (Kind::Service | Kind::Oneshot, None) => {}
        }
    }

    /// systemd looks for the main process among those that are left; ham is
    /// told by a file.
    fn guess_pid_file(&mut self) {
        let mut words = Vec::new();
        for from in self.list(SERVICE, "ExecStart") {
            for command in command::read(&from, &mut str::to_owned).unwrap_or_default() {
                words.extend(command.words.iter().filter_map(command::Word::text));
            }
        }
        let named = words.iter().find_map(|word| {
            let path = word.get(word.find('/')?..)?;
            path.ends_with(".pid").then(|| path.to_owned())
        });
        let sure = named.is_some();
        let path = named.unwrap_or_else(|| format!("/run/{}.pid", self.name.prefix));
        self.draft.set_string("pid-file", &path);
        let text = if sure {
            format!("`pid-file` from the command: {path}")
        } else {
            format!(
                "systemd guesses the main process of a forking service; ham reads it from a \
                 file, and {path} is only a guess: write the right one, or run the program in \
                 the foreground without `type`"
            )
        };
        let outcome = if sure { Outcome::Approximated } else { Outcome::NoEquivalent };
        self.draft.remark("pid-file", "PIDFile", &text);
        self.default("PIDFile", outcome, text);
    }

    fn notifications(&mut self) {
        if let Some(from) = self.last(SERVICE, "NotifyAccess") {
            let notifies = self.has(SERVICE, "Type")
                && self.last(SERVICE, "Type").is_some_and(|a| a.value.starts_with("notify"));
            let heard = notifies || self.has(SERVICE, "WatchdogSec");
            match from.value.as_str() {
                "main" if heard => self.no_meaning(&from, "the default"),
                "none" if heard => self.no_meaning(&from, "`main`, which systemd takes too"),
                "none" => self.no_meaning(&from, "the default"),
                word @ ("main" | "exec" | "all") => {
                    self.draft.set_string("notify-access", word);
                    self.translated(&from, "`notify-access`");
                }
                _ => self.unreadable(&from, "there is no such word"),
            }
        }
        if let Some(from) = self.last(SERVICE, "FileDescriptorStoreMax") {
            match from.value.parse::<u32>() {
                Ok(0) => self.no_meaning(&from, "the default"),
                Ok(count @ 1..=1024) => {
                    self.draft.set("fd-store", count.to_string());
                    self.translated(&from, "`fd-store`");
                }
                Ok(_) => {
                    self.draft.set("fd-store", "1024");
                    self.approximated(&from, Some("fd-store"), "1024 is the most");
                }
                Err(_) => self.unreadable(&from, "it is no number"),
            }
        }
    }

    /// A timeout that `TimeoutSec=` sets too: the later of the two counts.
    pub(crate) fn timeout_key(&mut self, key: &str) -> Option<Assignment> {
        let both = self.last(SERVICE, "TimeoutSec");
        let one = self.last(SERVICE, key);
        match (both, one) {
            (Some(both), Some(one)) if both.id > one.id => {
                self.no_meaning(&one, format!("TimeoutSec= in line {} says otherwise", both.line));
                Some(both)
            }
            (Some(both), Some(one)) => {
                self.no_meaning(&both, format!("{key}= in line {} says otherwise", one.line));
                Some(one)
            }
            (both, one) => one.or(both),
        }
    }

    fn start_timeout(&mut self) {
        let from = self.timeout_key("TimeoutStartSec");
        let Some(from) = from else { return };
        let Some(span) = timeout(&from.value) else {
            return self.unreadable(&from, "it is no time");
        };
        let usual = match self.kind {
            Kind::Oneshot => Span::INFINITE,
            Kind::Service | Kind::Forking => Span(90_000_000_000),
        };
        if span != usual {
            self.draft.set_string("start-timeout", &write_time(span));
        }
        self.translated(&from, "`start-timeout`");
    }

    /// `WatchdogSec=`: what the service says, and what is done when it is
    /// silent.
    pub(crate) fn watchdog(&mut self) {
        let signal = self.last(SERVICE, "WatchdogSignal");
        let from = self.last(SERVICE, "WatchdogSec");
        let span = from.as_ref().and_then(|from| seconds(&from.value));
        let Some((from, span)) = from.zip(span) else {
            if let Some(from) = self.last(SERVICE, "WatchdogSec") {
                self.unreadable(&from, "it is no time");
            }
            if let Some(signal) = signal {
                self.no_meaning(&signal, "there is no WatchdogSec=");
            }
            return;
        };
        if span == Span::ZERO || span.is_infinite() {
            self.no_meaning(&from, "no watchdog");
        } else if self.kind == Kind::Oneshot {
            self.no_equivalent(&from, "a oneshot has no heartbeat");
        } else {
            let interval = toml::string(&write_time(span.max(Span(10_000_000))));
            self.draft.heartbeat.push(("interval", interval));
            self.draft.heartbeat.push(("low", "0".to_owned()));
            self.draft.heartbeat.push(("high", "1".to_owned()));
            let word = signal.as_ref().and_then(|signal| Signal::parse(&signal.value));
            let word = word.map_or("ABRT".to_owned(), |word| word.to_string());
            self.draft.conditions.push(super::draft::Condition {
                name: None,
                on: "heartbeat-missed-high",
                actions: vec![format!(
                    "{{ notify-signal = {{ signal = {} }} }}",
                    toml::string(&word)
                )],
            });
            let how = "a whole period without a sign counts, so a hang is seen after once to \
                       twice this time";
            self.approximated(&from, Some("heartbeat"), how);
        }
        if let Some(signal) = signal {
            if Signal::parse(&signal.value).is_some() {
                self.translated(&signal, "`notify-signal` of `heartbeat-missed-high`");
            } else {
                self.unreadable(&signal, "no signal has this name");
            }
        }
    }
}
