//! `ExecStart=` and the commands around it.

use super::command::{self, Command, shell_line};
use super::draft::Condition;
use super::report::Outcome;
use super::toml;
use super::values::{timeout, write_time};
use super::work::{Kind, SERVICE, Work};
use ham_core::time::Span;

/// Where a command stands in a unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// `pre-start`, `reload`, `post-stop` or the command of `stop`: as the
    /// entity, in its environment.
    Own,
    /// An action of a condition: as the manager.
    Condition,
}

/// The usual `timeout` of `execute`.
const USUAL: Span = Span(60_000_000_000);

impl Work<'_> {
    /// The commands of a key, in order.
    pub(crate) fn read_commands(&mut self, key: &str) -> Vec<Command> {
        let mut all = Vec::new();
        for from in self.list(SERVICE, key) {
            let read = command::read(&from, &mut |text| self.resolved(&from, text));
            match read {
                Ok(commands) => all.extend(commands),
                Err(why) => self.unreadable(&from, &why),
            }
        }
        all
    }

    /// `command`.
    pub(crate) fn main_command(&mut self) {
        self.start = self.read_commands("ExecStart");
        let Some(main) = self.start.last().cloned() else {
            self.draft.set("command", "\"/bin/true\"");
            return;
        };
        let mut argv = main.main();
        if main.may_fail && self.kind == Kind::Oneshot {
            // What systemd calls a success must be one for those that need it.
            let line = format!("{} || true", shell_line(&main.words));
            argv = command::Argv {
                words: vec!["/bin/sh".into(), "-c".into(), line],
                expand: false,
                shell: true,
            };
        }
        let words: Vec<String> = argv.words.iter().map(|word| toml::string(word)).collect();
        match words.as_slice() {
            // One string is split into words, one word of a list is not.
            [one] if !argv.words.iter().any(|word| word.contains([' ', '\'', '"', '\\'])) => {
                self.draft.set("command", one.clone());
            }
            words => self.draft.set("command", toml::long_list("command", words)),
        }
        if argv.expand {
            self.draft.set("expand", "true");
        }
        let from = &main.from;
        if main.variables().iter().any(|name| !name.is_empty()) && argv.shell {
            let how = "a shell splits the variables, as systemd does, but sees no quotes in their \
                       values";
            self.approximated(from, Some("command"), how);
        } else {
            self.translated(from, "`command`");
        }
        if main.renamed {
            self.approximated(from, Some("command"), "it is called by the name of its file");
        }
        if main.may_fail && self.kind != Kind::Oneshot {
            let how = "an exit code that is no success is a failure in spite of the `-`; name it \
                       in `success-exit`";
            self.approximated(from, Some("command"), how);
        }
    }

    /// The commands before and after it, and for a reload.
    pub(crate) fn commands(&mut self) {
        for command in self.read_commands("ExecCondition") {
            let how = "in `pre-start`: where systemd skips the unit, the start fails, and is \
                       repeated if the unit restarts on failure";
            self.approximated(&command.from.clone(), Some("pre-start"), how);
            self.add("pre-start", &command);
        }
        for command in self.read_commands("ExecStartPre") {
            self.translated(&command.from.clone(), "`pre-start`");
            self.add("pre-start", &command);
        }
        let earlier: Vec<Command> = match self.start.split_last() {
            Some((_, earlier)) => earlier.to_vec(),
            None => Vec::new(),
        };
        for command in earlier {
            let from = command.from.clone();
            if self.kind == Kind::Oneshot {
                self.approximated(
                    &from,
                    Some("pre-start"),
                    "one command is `command`, the last; \
                                                             those before it are in `pre-start`",
                );
                self.add("pre-start", &command);
            } else {
                self.no_equivalent(&from, "systemd refuses a second command but of a oneshot");
            }
        }
        for command in self.read_commands("ExecReload") {
            self.translated(&command.from.clone(), "`reload`");
            self.add("reload", &command);
        }
        if self.last(SERVICE, "Type").is_some_and(|from| from.value == "notify-reload") {
            self.notify_reload();
        } else if let Some(from) = self.last(SERVICE, "ReloadSignal") {
            self.no_meaning(&from, "it goes with Type=notify-reload");
        }
        for command in self.read_commands("ExecStopPost") {
            let results = ["SERVICE_RESULT", "EXIT_CODE", "EXIT_STATUS"];
            if command.variables().iter().any(|name| results.contains(name)) {
                let how = "how it ended is in HAM_STATUS and HAM_SIGNAL, not in SERVICE_RESULT \
                           and EXIT_STATUS";
                self.approximated(&command.from.clone(), Some("post-stop"), how);
            } else {
                self.translated(&command.from.clone(), "`post-stop`");
            }
            self.add("post-stop", &command);
        }
        self.start_post();
        if let Some(from) = self.last(SERVICE, "PermissionsStartOnly") {
            match self.truth(&from) {
                Some(true) => self.translated(&from, "the other commands run as root"),
                Some(false) => self.no_meaning(&from, "the default"),
                None => {}
            }
        }
    }

    fn notify_reload(&mut self) {
        let given = self.last(SERVICE, "ReloadSignal");
        let word = match &given {
            Some(from) => self.signal(from),
            None => Some("HUP".to_owned()),
        };
        if let Some(from) = given.filter(|_| word.is_some()) {
            self.translated(&from, "`notify-signal` in `reload`");
        }
        let word = toml::string(&word.unwrap_or("HUP".to_owned()));
        self.draft.append("reload", format!("{{ notify-signal = {{ signal = {word} }} }}"));
        let time = self.start_limit().unwrap_or(Span(90_000_000_000));
        let time = toml::string(&write_time(time));
        let wait = format!("{{ waitfor = {{ ready = true, timeout = {time} }} }}");
        self.draft.append("reload", wait);
    }

    /// `ExecStartPost=`: nothing of ham waits for it.
    fn start_post(&mut self) {
        let commands = self.read_commands("ExecStartPost");
        if commands.is_empty() {
            return;
        }
        let on = if self.kind == Kind::Oneshot { "finished" } else { "ready" };
        let name = "start-post";
        let mut actions = Vec::new();
        for command in &commands {
            let mut how = "done when the unit is up; what comes after it does not wait for that, \
                           and a failure of it does not stop it"
                .to_owned();
            if !command.variables().is_empty() {
                how.push_str("; the variables of the unit are not set for it");
            }
            self.approximated(&command.from, Some(name), how);
            actions.push(self.action(command, Place::Condition));
        }
        self.draft.conditions.push(Condition { name: Some(name), on, actions });
    }

    /// Adds a command to a list of the entity.
    fn add(&mut self, list: &'static str, command: &Command) {
        let mut action = self.action(command, Place::Own);
        if command.may_fail
            && let Some(inside) = action.strip_suffix(" }")
        {
            action = format!("{inside}, break-on-fail = false }}");
        }
        self.draft.append(list, action);
        if command.renamed {
            self.approximated(&command.from, Some(list), "it is called by the name of its file");
        }
        if command.words.iter().any(|word| word.splits) {
            let how = "a shell splits the variables, and sees no quotes in their values";
            self.approximated(&command.from, Some(list), how);
        }
    }

    /// A command as an action: a signal where kill(1) sends one.
    pub(crate) fn action(&mut self, command: &Command, place: Place) -> String {
        if let Some(signal) = command.kill() {
            let word = toml::string(&signal.to_string());
            return format!("{{ notify-signal = {{ signal = {word} }} }}");
        }
        let argv = command.action();
        let words: Vec<String> = argv.words.iter().map(|word| toml::placeholders(word)).collect();
        let words = toml::list(&words);
        let limit = match self.start_limit() {
            Some(limit) if limit > USUAL => Some(limit),
            // No default of systemd for what was a command of its own.
            None if self.kind == Kind::Oneshot && command.from.key == "ExecStart" => {
                Some(Span::INFINITE)
            }
            Some(_) | None => None,
        };
        let fields = self.around(command, place, limit);
        if fields.is_empty() {
            return format!("{{ execute = {words} }}");
        }
        let mut table = vec![("command".to_owned(), words)];
        table.extend(fields);
        format!("{{ execute = {} }}", toml::table(&table))
    }

    /// What stands beside the words of a command, if anything.
    pub(crate) fn around(
        &mut self,
        command: &Command,
        place: Place,
        limit: Option<Span>,
    ) -> Vec<(String, String)> {
        let mut fields = Vec::new();
        if let Some(user) = self.runs_as(command, place) {
            fields.push(("user".to_owned(), toml::string(&user)));
        }
        if let Some(limit) = limit {
            fields.push(("timeout".to_owned(), toml::string(&write_time(limit))));
        }
        fields
    }

    /// Whom a command runs as, where that is not who it would be by itself.
    fn runs_as(&mut self, command: &Command, place: Place) -> Option<String> {
        let user = self.user.clone().filter(|_| !self.context.owner.own)?;
        let start_only = self.last(SERVICE, "PermissionsStartOnly");
        let root = command.elevated
            || start_only.is_some_and(|from| super::values::truth(&from.value) == Some(true));
        // Whom it would run as.
        let by_itself_root = self.elevated || place == Place::Condition;
        match (root, by_itself_root) {
            (true, false) => Some("root".to_owned()),
            (false, true) => Some(user),
            (true, true) | (false, false) => None,
        }
    }

    /// `TimeoutStartSec=`, when it is given.
    fn start_limit(&mut self) -> Option<Span> {
        self.timeout_key("TimeoutStartSec").and_then(|from| timeout(&from.value))
    }

    /// A signal by name; says so when there is none.
    pub(crate) fn signal(&mut self, from: &super::parse::Assignment) -> Option<String> {
        let signal = ham_core::signal::Signal::parse(&from.value);
        if signal.is_none() {
            self.unreadable(from, "no signal has this name");
        }
        signal.map(|signal| signal.to_string())
    }

    /// What a file without any command is told.
    pub(crate) fn without_command(&mut self) {
        if self.start.is_empty() {
            let how = "nothing is started: a oneshot that is up when /bin/true has ended";
            self.default("ExecStart", Outcome::Approximated, how);
        }
    }
}
