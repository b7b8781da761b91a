//! Standard input, output and error.

use super::parse::Assignment;
use super::toml;
use super::work::{SERVICE, Work};

impl Work<'_> {
    pub(crate) fn streams(&mut self) {
        if let Some(from) = self.last(SERVICE, "StandardInput") {
            self.input(&from);
        }
        for key in ["StandardInputText", "StandardInputData"] {
            for from in self.list(SERVICE, key) {
                self.no_equivalent(&from, "write it to a file: stdin = { file = … }");
            }
        }
        self.terminal();
        let out = self.last(SERVICE, "StandardOutput");
        let is_set = out.as_ref().is_some_and(|from| self.output(from, "stdout"));
        match self.last(SERVICE, "StandardError") {
            Some(from) if from.value == "inherit" => {
                // To systemd that is wherever standard output goes; a terminal is
                // for both.
                if is_set {
                    self.draft.set("stderr", "\"same\"");
                }
                self.translated(&from, "where `stdout` goes");
            }
            Some(from) => {
                self.output(&from, "stderr");
            }
            None if is_set => self.draft.set("stderr", "\"same\""),
            None => {}
        }
    }

    /// Whether standard input is a terminal.
    fn has_terminal(&self) -> bool {
        self.has_value(SERVICE, "StandardInput", &["tty", "tty-force", "tty-fail"])
    }

    /// Which terminal, where there is one.
    fn terminal(&mut self) {
        let path = self.last(SERVICE, "TTYPath");
        let hang_up = self.last(SERVICE, "TTYVHangup");
        if !self.has_terminal() {
            for from in path.iter().chain(&hang_up) {
                self.no_meaning(from, "without StandardInput=tty there is no terminal");
            }
            return;
        }
        let place = match &path {
            Some(from) => self.text(from),
            None => "/dev/console".to_owned(),
        };
        if let Some(from) = &path {
            if !place.starts_with('/') {
                self.no_equivalent(from, "it is no absolute path");
                return;
            }
            self.translated(from, "`tty`");
        }
        let place = toml::string(&place);
        let hangs_up = match &hang_up {
            Some(from) => {
                let hangs_up = self.truth(from);
                if hangs_up.is_some() {
                    self.translated(from, "`tty`");
                }
                hangs_up == Some(true)
            }
            None => false,
        };
        self.draft.set(
            "tty",
            match hangs_up {
                true => format!("{{ path = {place}, hang-up = true }}"),
                false => place,
            },
        );
    }

    fn input(&mut self, from: &Assignment) {
        let text = self.text(from);
        match text.as_str() {
            "null" => self.no_meaning(from, "the default"),
            "socket" => {
                self.no_equivalent(from, "no connection is handed over: ham has no sockets")
            }
            "tty-fail" => self.approximated(from, Some("tty"), "taken from whoever has it"),
            "tty" => self.approximated(from, Some("tty"), "not waited for, but taken"),
            "tty-force" => self.translated(from, "`tty`"),
            "data" => self.no_equivalent(from, "write it to a file: stdin = { file = … }"),
            other => match other.strip_prefix("file:").filter(|path| path.starts_with('/')) {
                Some(path) => {
                    self.draft.field("stdin", "file", toml::string(path));
                    self.translated(from, "`stdin`");
                }
                None => self.no_equivalent(from, "ham hands over no such input"),
            },
        }
    }

    /// Sets a stream; whether it is another than ham's own.
    fn output(&mut self, from: &Assignment, stream: &'static str) -> bool {
        let text = self.text(from);
        if self.has_terminal() {
            match text.as_str() {
                "inherit" | "tty" => self.translated(from, "`tty`, which is for all three"),
                _ => self.no_equivalent(from, "with `tty` it goes to the terminal, too"),
            }
            return false;
        }
        match text.as_str() {
            "inherit" => {
                // Of standard input, which is a socket, a terminal or nothing.
                let input = self.last(SERVICE, "StandardInput").map(|from| from.value);
                if input.as_deref().is_none_or(|input| input == "null") {
                    self.translated(from, format!("`{stream} = \"inherit\"`, the default"));
                } else {
                    self.no_equivalent(
                        from,
                        "it would be that of StandardInput=, which is not there",
                    );
                }
                false
            }
            "null" => {
                self.draft.set(stream, "\"null\"");
                self.translated(from, format!("`{stream}`"));
                true
            }
            "journal" | "syslog" | "kmsg" | "journal+console" | "syslog+console"
            | "kmsg+console" => {
                self.draft.set(stream, "\"journal\"");
                self.draft.push("optional", "\"journal\"".to_owned());
                if text == "journal" {
                    self.translated(
                        from,
                        format!("`{stream}`, ham's own where there is no journal"),
                    );
                } else {
                    self.approximated(from, Some(stream), "to the journal alone");
                }
                true
            }
            "tty" | "socket" => {
                self.no_equivalent(
                    from,
                    "ham has no terminal and no socket for it: it goes to ham's own",
                );
                false
            }
            other => self.output_file(from, other, stream),
        }
    }

    fn output_file(&mut self, from: &Assignment, text: &str, stream: &'static str) -> bool {
        let (how, path) = text.split_once(':').unwrap_or(("", ""));
        if !path.starts_with('/') || !["file", "append", "truncate"].contains(&how) {
            self.no_equivalent(from, "it goes to ham's own");
            return false;
        }
        self.draft.field(stream, "file", toml::string(path));
        match how {
            "append" => self.translated(from, format!("`{stream}`")),
            "file" => {
                self.approximated(from, Some(stream), "what was in the file stays; it is added to")
            }
            _ => self.approximated(from, Some(stream), "the file is not emptied; it is added to"),
        }
        true
    }
}
