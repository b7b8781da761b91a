//! Every key of a unit file: where it stands, what it takes, what it is when
//! left out. The reader refuses what is not in this table, suggestions come
//! from it, and a test compares `ham.unit(5)` with it.

use std::collections::HashMap;
use std::sync::LazyLock;

/// A key and what is known about it.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// Tables and key, joined by dots. The first part is `entity`, `target`,
    /// `heartbeat`, `condition` or `action`, or the path is a key at the top of
    /// the file.
    pub path: &'static str,
    /// What it takes, in words that fit after "expected".
    pub kind: &'static str,
    /// Its value when left out, or `required`.
    pub default: &'static str,
    /// What it is for, in one line.
    pub doc: &'static str,
}

const fn key(
    path: &'static str,
    kind: &'static str,
    default: &'static str,
    doc: &'static str,
) -> Key {
    Key { path, kind, default, doc }
}

/// All keys, in the order of the manual page.
pub const KEYS: &[Key] = &[
    key("description", "string", "empty", "One line for people."),
    key("mask", "boolean", "false", "Whether there is no such unit, whatever else it says."),
    key("entity", "table", "none", "The process to be supervised."),
    key("target", "table", "none", "A name for a group of entities."),
    key("global", "table", "none", "A unit of conditions on any entity."),
    key("heartbeat", "table", "none", "How its heartbeat is watched."),
    key("states", "table of states and sets", "none", "Names of the states that it reports."),
    key("condition", "array of tables", "none", "What is done when something happens to it."),
    key("entity.command", COMMAND, "none", "Program and arguments."),
    key(
        "entity.type",
        "\"service\", \"oneshot\" or \"forking\"",
        "service",
        "What its process does.",
    ),
    key("entity.remain", "boolean", "false", "Whether a oneshot counts as up when it has ended."),
    key("entity.pid-file", PATH, "none", "Where a daemon says which process it is."),
    key("entity.attach-by", "user", "none", "Whose processes may attach themselves as it."),
    key("entity.expand", "boolean", "false", "Whether ${NAME} in `command` is a variable."),
    key("entity.start", "\"auto\" or \"manual\"", "auto", "Whether it starts with the manager."),
    key("entity.main", "boolean", "false", "Whether its end is that of the manager."),
    key(
        "entity.restart",
        "\"on-failure\", \"always\" or \"no\"",
        "none",
        "Short for one condition with a restart action.",
    ),
    key("entity.requires", NAMES, "none", "What it cannot be up without."),
    key("entity.wants", NAMES, "none", "What is started with it."),
    key("entity.after", NAMES, "none", "What it starts after."),
    key("entity.before", NAMES, "none", "What it starts before."),
    key("entity.conflicts", NAMES, "none", "What is never up at the same time."),
    key(
        "entity.on-dependency-restart",
        "\"keep\" or \"restart\"",
        "keep",
        "What it does when one that it requires was restarted.",
    ),
    key(
        "entity.on-change",
        "\"apply-at-next-start\" or \"restart\"",
        "apply-at-next-start",
        "What becomes of its process when a reload changes what that was made of.",
    ),
    key("entity.start-when", "table", "none", "What it waits for before it starts."),
    key("entity.start-when.path", PATH, "required", "It does not start before this path exists."),
    key("entity.ready", "\"exec\", \"notify\" or table", "exec", "When it counts as up."),
    key("entity.ready.fd", "integer", "none", "When it has written a line to this descriptor."),
    key("entity.ready.path", PATH, "none", "When this path exists."),
    key("entity.start-timeout", "duration", "90s", "How long a start may take."),
    key("entity.pre-start", ACTIONS, "none", "Done before its process is made."),
    key("entity.reload", ACTIONS, "none", "Done when it shall read its configuration again."),
    key("entity.post-stop", ACTIONS, "none", "Done when its last process is gone."),
    key("entity.stop", "table", "{}", "How it is stopped."),
    key("entity.stop.signal", "signal", "TERM", "The signal that asks for the end."),
    key("entity.stop.send-to", "\"main\" or \"all\"", "main", "Whom the signal is sent to."),
    key("entity.stop.command", "list of strings, string or table", "none", "Run first."),
    key("entity.stop.command.command", COMMAND, "required", "Program and arguments."),
    key("entity.stop.command.user", "user", "that of the unit", "Whom it runs as."),
    key("entity.stop.command.timeout", "duration", "1min", "Killed after this time."),
    key("entity.stop.timeout", "duration", "5s", "How long it has before it is killed."),
    key("entity.stop.kill", "\"all\", \"main\" or \"none\"", "all", "What is killed then."),
    key("entity.success-exit", ENDS, "none", "Ends that are no failure, beside exit code 0."),
    key("entity.no-restart-exit", ENDS, "none", "Ends after which it is not restarted."),
    key(
        "entity.notify-access",
        "\"none\", \"main\", \"exec\" or \"all\"",
        "as ready says",
        "Whose notifications count.",
    ),
    key("entity.fd-store", "integer", "0", "Descriptors that are kept for it."),
    key("entity.user", "user", "the manager's", "Whom it runs as."),
    key("entity.group", "group", "that of the user", "Its group."),
    key("entity.groups", "list of groups", "those of the user", "Its supplementary groups."),
    key("entity.directory", PATH, "/ or the manager's", "Its working directory."),
    key("entity.umask", "octal number", "0022", "Its file mode creation mask."),
    key("entity.environment", "table of strings", "{}", "Variables in its environment."),
    key(
        "entity.environment-file",
        "absolute path or list of absolute paths",
        "none",
        "Files of NAME=VALUE lines, read at every start.",
    ),
    key(
        "entity.inherit-environment",
        "boolean or list of variables",
        "the manager's choice",
        "What of ham's own environment it gets.",
    ),
    key("entity.stdin", "\"inherit\", \"null\" or table", "null", "Its standard input."),
    key("entity.stdin.file", PATH, "none", "A file to read from."),
    key(
        "entity.stdout",
        "\"inherit\", \"null\", \"journal\", \"ham\" or table",
        "the manager's, through ham in a container",
        "Its standard output.",
    ),
    key("entity.stdout.file", PATH, "none", "A file to append to."),
    key(
        "entity.stderr",
        "\"inherit\", \"null\", \"same\", \"journal\", \"ham\" or table",
        "the manager's, through ham in a container",
        "Its standard error.",
    ),
    key("entity.stderr.file", PATH, "none", "A file to append to."),
    key(
        "entity.tty",
        "absolute path or table",
        "none",
        "The terminal that it has, in place of all three.",
    ),
    key("entity.tty.path", PATH, "required", "Its device."),
    key("entity.tty.hang-up", "boolean", "false", "Whether whoever has it loses it first."),
    key("entity.runtime-directory", OWN_DIRECTORY, "none", "Its directories in /run."),
    key("entity.runtime-directory.name", "relative path", "none", "One directory."),
    key("entity.runtime-directory.names", "list of relative paths", "none", "Several."),
    key("entity.runtime-directory.mode", "octal number", "0755", "Their file mode."),
    key(
        "entity.runtime-directory.keep",
        "\"no\", \"restart\" or \"yes\"",
        "no",
        "When they are left.",
    ),
    key("entity.state-directory", OWN_DIRECTORY, "none", "Its directories in /var/lib."),
    key("entity.cache-directory", OWN_DIRECTORY, "none", "Its directories in /var/cache."),
    key("entity.logs-directory", OWN_DIRECTORY, "none", "Its directories in /var/log."),
    key("entity.limits", "table", "none", "What it may use, by the names of setrlimit(2)."),
    key("entity.limits.as", LIMIT_SIZE, "none", "Address space."),
    key("entity.limits.core", LIMIT_SIZE, "none", "Core dump."),
    key("entity.limits.cpu", LIMIT_TIME, "none", "Processor time, in whole seconds."),
    key("entity.limits.data", LIMIT_SIZE, "none", "Data segment."),
    key("entity.limits.fsize", LIMIT_SIZE, "none", "A file that it writes."),
    key("entity.limits.locks", LIMIT_NUMBER, "none", "File locks."),
    key("entity.limits.memlock", LIMIT_SIZE, "none", "Locked memory."),
    key("entity.limits.msgqueue", LIMIT_SIZE, "none", "POSIX message queues."),
    key("entity.limits.nice", LIMIT_NUMBER, "none", "20 less the lowest nice value."),
    key("entity.limits.nofile", LIMIT_NUMBER, "none", "Open descriptors."),
    key("entity.limits.nproc", LIMIT_NUMBER, "none", "Processes of its user."),
    key("entity.limits.rss", LIMIT_SIZE, "none", "Resident memory; no effect on Linux."),
    key("entity.limits.rtprio", LIMIT_NUMBER, "none", "Highest real-time priority."),
    key("entity.limits.rttime", LIMIT_TIME, "none", "Real-time processor time without a wait."),
    key("entity.limits.sigpending", LIMIT_NUMBER, "none", "Signals that wait."),
    key("entity.limits.stack", LIMIT_SIZE, "none", "Stack."),
    key("entity.nice", "integer", "none", "Its nice value."),
    key(
        "entity.scheduling",
        "\"other\", \"batch\", \"idle\" or table",
        "none",
        "Its scheduling policy.",
    ),
    key(
        "entity.scheduling.policy",
        "\"other\", \"batch\", \"idle\", \"fifo\" or \"round-robin\"",
        "required",
        "Which.",
    ),
    key("entity.scheduling.priority", "integer", "none", "Priority of fifo and round-robin."),
    key(
        "entity.scheduling.reset-on-fork",
        "boolean",
        "false",
        "Whether its children have the ordinary policy.",
    ),
    key("entity.affinity", "list of processors", "none", "Processors that it may run on."),
    key("entity.oom-score-adjust", "integer", "none", "How likely it is chosen to free memory."),
    key("entity.no-new-privileges", "boolean", "false", "Whether it can never gain privileges."),
    key("entity.capabilities", "table", "none", "What of root's power it has."),
    key("entity.capabilities.bounding", "list of capabilities", "none", "All it can ever have."),
    key("entity.capabilities.ambient", "list of capabilities", "none", "What it has without root."),
    key("entity.optional", "list of settings", "none", "Settings that may fail."),
    key("target.start", "\"auto\" or \"manual\"", "auto", "Whether it starts with the manager."),
    key("target.requires", NAMES, "none", "What it cannot be up without."),
    key("target.wants", NAMES, "none", "What is started with it."),
    key("target.after", NAMES, "none", "What it starts after."),
    key("target.before", NAMES, "none", "What it starts before."),
    key("target.conflicts", NAMES, "none", "What is never up at the same time."),
    key("heartbeat.interval", "duration", "required", "The length of a period."),
    key("heartbeat.low", "integer", "2", "So many missed in a row are a first sign."),
    key("heartbeat.high", "integer", "5", "So many are the last."),
    key("heartbeat.grace", "duration", "0s", "How long after its start the first period begins."),
    key("heartbeat.max", "table", "none", "What is too many."),
    key("heartbeat.max.count", "integer", "required", "Heartbeats that are allowed."),
    key("heartbeat.max.within", "duration", "required", "In this time."),
    key("condition.on", "condition or table", "required", "What fires it."),
    key("condition.on.state", "table", "none", "Transitions from one state to another."),
    key("condition.on.state.from", STATES, "none", "The states before."),
    key("condition.on.state.from.not", SOME_STATES, "required", "All but these."),
    key("condition.on.state.to", STATES, "none", "The states after."),
    key("condition.on.state.to.not", SOME_STATES, "required", "All but these."),
    key("condition.on.raise", "table", "none", "Events that somebody publishes."),
    key("condition.on.raise.type", "integer", "none", "Only those of this type."),
    key("condition.on.raise.class", "integer", "none", "Only those of this class."),
    key("condition.on.raise.severity", "integer", "none", "Only those of this severity."),
    key("condition.of", "name", "itself", "The entity to which it happens."),
    key("condition.name", "name", "as on", "Its name, unique in the unit."),
    key(
        "condition.run",
        "\"in-order\", \"no-wait\" or \"independent\"",
        "in-order",
        "Which queue its actions run in.",
    ),
    key("condition.rearm", "boolean", "true", "Whether it survives a restart of the entity."),
    key("condition.enabled", "boolean", "true", "Whether it is armed from the beginning."),
    key("condition.actions", "array of tables", "none", "What is done, in order."),
    key("action.restart", "table", "none", "Bring the entity back."),
    key("action.restart.first", "duration", "0s", "The wait before the first attempt."),
    key("action.restart.delay", "duration", "200ms", "The wait before the second attempt."),
    key("action.restart.factor", "number", "2", "Growth of the wait per attempt, 1 to 1000."),
    key("action.restart.max-delay", "duration", "30s", "The longest wait."),
    key(
        "action.restart.delays",
        "list of durations",
        "none",
        "The waits one by one, the last one repeated.",
    ),
    key(
        "action.restart.reset-after",
        "duration",
        "30s",
        "A process that ran this long starts the waits anew.",
    ),
    key("action.restart.limit", "table", "none", "When to give up."),
    key("action.restart.limit.count", "integer", "required", "Restarts that are allowed."),
    key("action.restart.limit.within", "duration", "required", "In this time."),
    key("action.execute", "list of strings, string or table", "none", "Run a command."),
    key("action.execute.command", COMMAND, "required", "Program and arguments."),
    key("action.execute.wait", "boolean", "true", "Whether the list waits for its end."),
    key("action.execute.timeout", "duration", "1min", "Killed after this time."),
    key("action.execute.user", "user", "the manager's", "Whom it runs as."),
    key("action.notify-signal", "table", "none", "Send a signal to an entity."),
    key("action.notify-signal.entity", "name", "itself", "Whom it goes to."),
    key("action.notify-signal.signal", "signal", "required", "Which one."),
    key("action.notify-signal.code", "integer", "0", "The code that goes with it."),
    key("action.notify-signal.value", "integer", "0", "The value that goes with it."),
    key("action.notify-pulse", "table", "none", "Put a pulse into a channel."),
    key("action.notify-pulse.channel", "name", "required", "Which channel."),
    key("action.notify-pulse.code", "integer", "required", "The code of the pulse."),
    key("action.notify-pulse.value", "integer", "0", "Its value."),
    key("action.waitfor", "duration or table", "none", "Wait for something, or just wait."),
    key("action.waitfor.path", PATH, "none", "Ends as soon as this path exists."),
    key("action.waitfor.ready", "boolean", "false", "Ends as soon as the entity is up."),
    key("action.waitfor.timeout", "duration", "required", "Fails after this time."),
    key("action.waitfor.delay", "duration", "none", "Just wait this long."),
    key("action.log", "string", "none", "Write a line to ham's log."),
    key("action.heartbeat-healthy", "empty table", "none", "Take its heartbeat for healthy."),
    key("action.start", "name", "none", "Start an entity."),
    key("action.stop", "name", "none", "Stop an entity."),
    key("action.shutdown", "table", "none", "Stop all entities and end ham."),
    key("action.shutdown.exit-code", "integer", "0", "With which exit code."),
    key("action.reboot", "empty table", "none", "Stop all entities and start the machine anew."),
    key("action.exec-recovery", COMMAND, "none", "Execute a program in the place of ham."),
    key("action.name", "name", "the verb", "Its name, unique in the condition."),
    key("action.break-on-fail", "boolean", "false", "If it fails, the rest is skipped."),
    key("action.keep-on-fail", "boolean", "true", "It stays in the list when it has failed."),
    key("action.rearm", "boolean", "true", "It survives a restart of the entity."),
    key("action.on-fail", "list of tables", "[]", "What is done when it fails."),
];

const COMMAND: &str = "list of strings or string";
const PATH: &str = "absolute path";
const NAMES: &str = "name or list of names";
const ACTIONS: &str = "list of tables";
const STATES: &str = "state, list of states or table";
const SOME_STATES: &str = "state or list of states";
const ENDS: &str = "list of exit codes and signals";
const OWN_DIRECTORY: &str = "relative path, list of relative paths or table";
const LIMIT_SIZE: &str = "size, or \"soft:hard\"";
const LIMIT_TIME: &str = "duration, or \"soft:hard\"";
const LIMIT_NUMBER: &str = "number, or \"soft:hard\"";

/// The words of [`ham_core::plan::Verb`], in the order of the manual page.
pub const VERBS: [&str; 12] = [
    "restart",
    "execute",
    "notify-signal",
    "notify-pulse",
    "waitfor",
    "log",
    "heartbeat-healthy",
    "start",
    "stop",
    "shutdown",
    "reboot",
    "exec-recovery",
];

/// The keys of `ham.conf`, below a `conf` that is not written.
pub const CONF_KEYS: &[Key] = &[
    key("conf.manager", "table", "none", "The manager itself."),
    key(
        "conf.manager.apply",
        "\"auto\" or \"manual\"",
        "auto",
        "Whether changed units are taken by themselves.",
    ),
    key("conf.manager.stop-deadline", "duration", "8s", "How long a shutdown may take."),
    key("conf.manager.verbosity", "integer", "1", "How much the log tells, 0 to 9."),
    key("conf.manager.log", PATH, "standard error", "A file that the log is appended to."),
    key("conf.watchdog", "table", "none", "The hardware watchdog that ham feeds."),
    key("conf.watchdog.device", PATH, "required", "Its device."),
    key("conf.watchdog.timeout", "duration", "30s", "How long it waits for a feed."),
    key("conf.watchdog.check", PATH, "none", "A file that can be written to before each feed."),
    key("conf.allow", "array of tables", "none", "What other users may do."),
    key("conf.allow.user", "user or list of users", "none", "Who."),
    key("conf.allow.group", "group or list of groups", "none", "Whose members."),
    key("conf.allow.verbs", "verb or list of verbs", "required", "What."),
    key("conf.allow.entities", "pattern or list of patterns", "required", "With which entities."),
];

/// All keys by their table: they are looked up for every key of every unit.
static BY_TABLE: LazyLock<HashMap<&'static str, Vec<(&'static str, &'static Key)>>> =
    LazyLock::new(|| {
        let mut tables: HashMap<&'static str, Vec<(&'static str, &'static Key)>> = HashMap::new();
        for key in KEYS.iter().chain(CONF_KEYS) {
            let (table, name) = key.path.rsplit_once('.').unwrap_or(("", key.path));
            tables.entry(table).or_default().push((name, key));
        }
        tables
    });

/// The keys that may stand in a table; `""` is the top of the file, `conf` that
/// of `ham.conf`.
pub fn of_table(table: &str) -> impl Iterator<Item = (&'static str, &'static Key)> + use<> {
    BY_TABLE.get(table).map(Vec::as_slice).unwrap_or_default().iter().copied()
}

/// One key of a table.
#[must_use]
pub fn find(table: &str, name: &str) -> Option<&'static Key> {
    of_table(table).find(|(known, _)| *known == name).map(|(_, key)| key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_unique_and_their_tables_exist() {
        for (place, key) in KEYS.iter().enumerate() {
            assert!(KEYS.iter().skip(place + 1).all(|other| other.path != key.path));
            assert!(key.doc.ends_with('.') && !key.kind.is_empty() && !key.default.is_empty());
            if let Some((table, _)) = key.path.rsplit_once('.') {
                assert!(
                    table == "action" || KEYS.iter().any(|other| other.path == table),
                    "{table}"
                );
            }
        }
        assert!(find("action", "restart").is_some());
        assert!(find("entity", "conditions").is_none());
    }

    #[test]
    fn verbs_are_keys_of_an_action() {
        for verb in VERBS {
            assert!(find("action", verb).is_some(), "{verb}");
        }
    }
}
