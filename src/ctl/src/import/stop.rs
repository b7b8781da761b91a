//! How a service is stopped.

use super::exec::Place;
use super::report::Outcome;
use super::toml;
use super::values::{timeout, truth, write_time};
use super::work::{Kind, SERVICE, Work};
use ham_core::time::Span;

/// systemd's default of `TimeoutStopSec=`; ham's is shorter.
const DEFAULT_TIMEOUT: Span = Span(90_000_000_000);
/// Signals that ask a process to end: sent by `ExecStop=`, they are the signal
/// of the stop.
const ENDING: [&str; 7] = ["TERM", "INT", "QUIT", "HUP", "USR1", "USR2", "WINCH"];

impl Work<'_> {
    pub(crate) fn stop(&mut self) {
        let lasting = self.kind != Kind::Oneshot;
        let limit = self.stop_timeout(lasting);
        self.kill_signal();
        self.kill_mode(lasting);
        self.stop_command(limit);
        self.exit_lists();
    }

    fn stop_timeout(&mut self, lasting: bool) -> Option<Span> {
        let from = self.timeout_key("TimeoutStopSec");
        let Some(from) = from else {
            if lasting {
                self.draft.field("stop", "timeout", toml::string(&write_time(DEFAULT_TIMEOUT)));
                self.default("TimeoutStopSec", Outcome::Translated, "`stop.timeout`: 90s");
            }
            return None;
        };
        let Some(span) = timeout(&from.value) else {
            self.unreadable(&from, "it is no time");
            return None;
        };
        self.draft.field("stop", "timeout", toml::string(&write_time(span)));
        self.translated(&from, "`stop.timeout`");
        Some(span)
    }

    fn kill_signal(&mut self) {
        if let Some(from) = self.last(SERVICE, "KillSignal")
            && let Some(word) = self.signal(&from)
        {
            if word == "TERM" {
                self.no_meaning(&from, "the default");
            } else {
                self.draft.field("stop", "signal", toml::string(&word));
                self.translated(&from, "`stop.signal`");
            }
        }
        if let Some(from) = self.last(SERVICE, "RestartKillSignal") {
            self.approximated(&from, Some("stop"), "a restart stops by `stop.signal` too");
        }
        if let Some(from) = self.last(SERVICE, "FinalKillSignal") {
            if self.signal(&from).as_deref() == Some("KILL") {
                self.no_meaning(&from, "the default");
            } else {
                self.approximated(&from, Some("stop"), "what is left is ended by KILL");
            }
        }
        if let Some(from) = self.last(SERVICE, "SendSIGHUP") {
            match self.truth(&from) {
                Some(true) => self.no_equivalent(
                    &from,
                    "one signal asks it to end: HUP as `stop.signal`, where that is enough",
                ),
                Some(false) => self.no_meaning(&from, "the default"),
                None => {}
            }
        }
    }

    fn kill_mode(&mut self, lasting: bool) {
        let from = self.last(SERVICE, "KillMode");
        let word = from.as_ref().map_or("control-group", |from| from.value.as_str());
        match word {
            "control-group" => {
                if lasting {
                    self.draft.field("stop", "send-to", "\"all\"");
                }
                match &from {
                    Some(from) => self.translated(from, "`stop.send-to = \"all\"`"),
                    None if lasting => {
                        let text = "`stop.send-to = \"all\"`: every process gets the signal";
                        self.default("KillMode", Outcome::Translated, text);
                    }
                    None => {}
                }
            }
            "mixed" => self.told(&from, "the main process gets the signal, all the rest KILL"),
            "process" => {
                self.draft.field("stop", "kill", "\"main\"");
                self.told(&from, "`stop.kill = \"main\"`: what it has started lives on");
            }
            "none" => {
                self.draft.field("stop", "kill", "\"none\"");
                if let Some(from) = &from {
                    let how = "nothing is killed, but the signal is sent";
                    self.approximated(from, Some("stop"), how);
                }
            }
            _ => {
                if let Some(from) = &from {
                    self.unreadable(from, "there is no such word");
                }
            }
        }
        if let Some(from) = self.last(SERVICE, "SendSIGKILL") {
            match self.truth(&from) {
                Some(false) => {
                    self.draft.field("stop", "kill", "\"none\"");
                    let how = "`stop.kill = \"none\"`: nor is anything killed that outlives its \
                               main process";
                    self.approximated(&from, Some("stop"), how);
                }
                Some(true) => self.no_meaning(&from, "the default"),
                None => {}
            }
        }
    }

    fn told(&mut self, from: &Option<super::parse::Assignment>, text: &str) {
        if let Some(from) = from {
            self.translated(from, text);
        }
    }

    fn stop_command(&mut self, limit: Option<Span>) {
        let commands = self.read_commands("ExecStop");
        let Some((first, more)) = commands.split_first() else { return };
        if let Some(signal) = first.kill().filter(|_| more.is_empty())
            && ENDING.contains(&signal.to_string().as_str())
        {
            self.draft.field("stop", "signal", toml::string(&signal.to_string()));
            let how = "`stop.signal`; systemd sends its own signal right after this one";
            self.approximated(&first.from, Some("stop"), how);
            return;
        }
        let limit = limit.filter(|limit| *limit > Span(60_000_000_000));
        let words: Vec<String> = if more.is_empty() {
            first.action().words
        } else {
            // One after the other, until one fails whose failure counts.
            let lines: Vec<String> = commands
                .iter()
                .map(|c| if c.may_fail { format!("{{ {} || true; }}", c.line()) } else { c.line() })
                .collect();
            vec!["/bin/sh".to_owned(), "-c".to_owned(), lines.join(" && ")]
        };
        let words: Vec<String> = words.iter().map(|word| toml::placeholders(word)).collect();
        let words = toml::list(&words);
        let mut fields = self.around(first, Place::Own, limit);
        let value = if fields.is_empty() {
            words
        } else {
            fields.insert(0, ("command".to_owned(), words));
            toml::table(&fields)
        };
        self.draft.field("stop", "command", value);
        for command in &commands {
            if more.is_empty() {
                self.translated(&command.from, "`stop.command`; the signal follows");
            } else {
                let how = "there is one `stop.command`: a shell runs one after the other";
                self.approximated(&command.from, Some("stop"), how);
            }
        }
        if self.kind == Kind::Oneshot
            && self.last(SERVICE, "RemainAfterExit").is_none_or(|a| truth(&a.value) != Some(true))
            && !self.start.is_empty()
        {
            let how = "it is run when the oneshot is stopped, not when it has ended by itself";
            self.approximated(&first.from, Some("stop"), how);
        }
    }

    fn exit_lists(&mut self) {
        for (section_key, key) in
            [("SuccessExitStatus", "success-exit"), ("RestartPreventExitStatus", "no-restart-exit")]
        {
            for (from, word) in self.words(SERVICE, section_key) {
                if let Some(code) = super::values::exit_code(&word) {
                    if code == 0 && key == "success-exit" {
                        self.no_meaning(&from, "0 is a success anyway");
                    } else {
                        self.draft.push(key, code.to_string());
                        self.translated(&from, format!("`{key}`"));
                    }
                } else if let Some(signal) = ham_core::signal::Signal::parse(&word) {
                    self.draft.push(key, toml::string(&signal.to_string()));
                    self.translated(&from, format!("`{key}`"));
                } else {
                    self.unreadable(&from, &format!("{word} is no exit code and no signal"));
                }
            }
        }
        for (from, _) in self.words(SERVICE, "RestartForceExitStatus") {
            let how = "no exit code restarts by itself: `restart = \"always\"` and the others in \
                       `no-restart-exit` come near it";
            self.no_equivalent(&from, how);
        }
    }
}
