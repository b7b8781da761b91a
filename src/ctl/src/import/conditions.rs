//! `Condition…=` and `Assert…=`.

use super::command::shell_quoted;
use super::parse::Assignment;
use super::toml;
use super::work::{UNIT, Work};

/// What is looked at, and the option of test(1) for it.
const TESTS: [(&str, &str); 9] = [
    ("PathExists", "-e"),
    ("PathIsDirectory", "-d"),
    ("PathIsSymbolicLink", "-L"),
    ("PathIsReadWrite", "-w"),
    ("FileNotEmpty", "-s"),
    ("FileIsExecutable", "-x"),
    // By commands of their own.
    ("PathIsMountPoint", "mountpoint"),
    ("DirectoryNotEmpty", "ls"),
    ("PathExistsGlob", "glob"),
];

impl Work<'_> {
    pub(crate) fn conditions(&mut self) {
        for (what, option) in TESTS {
            for asserts in [false, true] {
                let key = format!("{}{what}", if asserts { "Assert" } else { "Condition" });
                for from in self.list(UNIT, &key) {
                    self.path_condition(&from, option, asserts);
                }
            }
        }
        // What a machine is, which does not change while ham runs.
        let others: Vec<Assignment> =
            self.rest().into_iter().filter(|a| a.section == UNIT && is_other(&a.key)).collect();
        for from in others {
            if from.value.is_empty() {
                self.no_meaning(&from, "empty: drops what was before it");
            } else {
                let how = "it is not looked at: leave the unit out where it does not hold";
                self.no_equivalent(&from, how);
            }
        }
    }

    fn path_condition(&mut self, from: &Assignment, option: &str, asserts: bool) {
        let text = self.text(from);
        if let Some(path) = text.strip_prefix('|') {
            let how =
                format!("one of several that are enough, here {path}: test it in `pre-start`");
            return self.no_equivalent(from, how);
        }
        let (path, not) = match text.strip_prefix('!') {
            Some(path) => (path, true),
            None => (text.as_str(), false),
        };
        let path = path.trim();
        if !path.starts_with('/') {
            return self.unreadable(from, "the path is not absolute");
        }
        let waits = option == "-e" && !not && !asserts;
        if waits && !self.draft.has_field("start-when", "path") {
            self.draft.field("start-when", "path", toml::string(path));
            let how = "it waits for the path, where systemd would skip it";
            return self.approximated(from, Some("start-when"), how);
        }
        let mut words: Vec<String> = match option {
            "mountpoint" => vec!["mountpoint".into(), "-q".into(), path.into()],
            "ls" => script(&format!("test -n \"$(ls -A {})\"", shell_quoted(path))),
            "glob" => {
                script(&format!("for f in {path}; do test -e \"$f\" && exit 0; done; exit 1"))
            }
            option => vec!["test".into(), option.into(), path.into()],
        };
        if not {
            match words.first().map(String::as_str) {
                Some("test") => words.insert(1, "!".into()),
                Some("sh") => {
                    if let Some(line) = words.last_mut() {
                        *line = format!("! ( {line} )");
                    }
                }
                _ => words = script(&format!("! mountpoint -q {}", shell_quoted(path))),
            }
        }
        let words: Vec<String> = words.iter().map(|word| toml::placeholders(word)).collect();
        self.draft.append("pre-start", format!("{{ execute = {} }}", toml::list(&words)));
        if asserts {
            self.translated(from, "a test in `pre-start`");
        } else {
            let how = "a test in `pre-start`: where systemd skips the unit, the start fails, and \
                       is repeated if the unit restarts on failure";
            self.approximated(from, Some("pre-start"), how);
        }
    }
}

fn script(line: &str) -> Vec<String> {
    vec!["sh".to_owned(), "-c".to_owned(), line.to_owned()]
}

/// Whether a key is one of the many that ask what a machine is.
pub(crate) fn is_other(key: &str) -> bool {
    key.strip_prefix("Condition")
        .or_else(|| key.strip_prefix("Assert"))
        .is_some_and(|what| OTHERS.contains(&what))
}

pub(crate) const OTHERS: [&str; 24] = [
    "ACPower",
    "Architecture",
    "CPUFeature",
    "CPUPressure",
    "CPUs",
    "Capability",
    "ControlGroupController",
    "Credential",
    "Environment",
    "FirstBoot",
    "Firmware",
    "Group",
    "Host",
    "IOPressure",
    "KernelCommandLine",
    "KernelVersion",
    "Memory",
    "MemoryPressure",
    "NeedsUpdate",
    "OSRelease",
    "PathIsEncrypted",
    "Security",
    "User",
    "Virtualization",
];
