//! What a process gets to see: ham's own environment less what was meant for
//! ham, the words of its user, the unit's variables, its files, and ham's own
//! about it (details 9). On a board (ham is the init of the machine) nothing of
//! ham's own is passed on. A unit may choose otherwise.

use crate::options::Place;
use ham_core::plan::{EntityPlan, EnvironmentFile, Identity, InheritEnvironment};
use std::collections::BTreeMap;
use std::ffi::{CString, OsStr, OsString};
use std::io::Read;
use std::os::unix::ffi::{OsStrExt, OsStringExt};

/// Where programs are looked for when the environment does not say.
pub(super) const DEFAULT_PATH: &str =
    "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Variables that tell one particular process about itself.
const NOT_INHERITED: [&str; 5] =
    ["NOTIFY_SOCKET", "MAINPID", "INVOCATION_ID", "JOURNAL_STREAM", "LISTEN_PID"];
const PREFIXES_NOT_INHERITED: [&str; 3] = ["LISTEN_", "WATCHDOG_", "HAM_"];

/// A file of variables is no place for more than this.
const FILE_LIMIT: u64 = 1024 * 1024;

/// Variables by name.
#[derive(Clone, Debug, Default)]
pub(super) struct Environment(BTreeMap<OsString, OsString>);

/// What of ham's own environment entities can inherit.
#[derive(Clone, Debug)]
pub(super) struct Inherited {
    all: Environment,
    /// They do, unless they say otherwise.
    by_default: bool,
}

pub(super) fn inherited(place: Place) -> Inherited {
    Inherited { all: own(), by_default: place == Place::Elsewhere }
}

impl Inherited {
    /// All of this, as anywhere but on a board.
    #[cfg(test)]
    pub(super) fn of(all: Environment) -> Inherited {
        Inherited { all, by_default: true }
    }

    /// What an entity of that choice begins with.
    pub(super) fn chosen(&self, choice: &InheritEnvironment) -> Environment {
        let Environment(all) = &self.all;
        match choice {
            InheritEnvironment::Default if self.by_default => self.all.clone(),
            InheritEnvironment::All => self.all.clone(),
            InheritEnvironment::Default | InheritEnvironment::Nothing => Environment::default(),
            InheritEnvironment::Names(names) => {
                let pairs = names.iter().filter_map(|name| all.get_key_value(OsStr::new(name)));
                Environment(pairs.map(|(name, value)| (name.clone(), value.clone())).collect())
            }
        }
    }
}

/// Ham's own, less what was meant for ham.
fn own() -> Environment {
    let mut all = BTreeMap::new();
    for (name, value) in std::env::vars_os() {
        let text = name.to_string_lossy();
        let own = NOT_INHERITED.contains(&text.as_ref())
            || PREFIXES_NOT_INHERITED.iter().any(|prefix| text.starts_with(prefix));
        if !own {
            all.insert(name, value);
        }
    }
    Environment(all)
}

impl Environment {
    pub(super) fn set(&mut self, name: &str, value: impl Into<OsString>) {
        self.0.insert(OsString::from(name), value.into());
    }

    pub(super) fn get(&self, name: &str) -> Option<&OsStr> {
        self.0.get(OsStr::new(name)).map(OsString::as_os_str)
    }

    pub(super) fn set_user(&mut self, identity: &Identity) {
        for (name, value) in [
            ("USER", &identity.user),
            ("LOGNAME", &identity.user),
            ("HOME", &identity.home),
            ("SHELL", &identity.shell),
        ] {
            if !value.is_empty() {
                self.set(name, value);
            }
        }
    }

    /// The unit's variables, then its files: a file wins, as systemd has it,
    /// so that an administrator's file overrides a packaged unit.
    ///
    /// # Errors
    /// The errno of a file that cannot be read and is not optional.
    pub(super) fn set_unit(&mut self, plan: &EntityPlan) -> Result<(), i32> {
        for (name, value) in &plan.environment {
            self.set(name, value);
        }
        for file in &plan.environment_files {
            self.read(file)?;
        }
        Ok(())
    }

    fn read(&mut self, file: &EnvironmentFile) -> Result<(), i32> {
        let errno = |error: std::io::Error| error.raw_os_error().unwrap_or(5);
        let mut bytes = Vec::new();
        let read = std::fs::File::open(&file.path)
            .and_then(|opened| opened.take(FILE_LIMIT).read_to_end(&mut bytes));
        match read {
            Ok(_) => {}
            Err(error) if file.optional && error.kind() == std::io::ErrorKind::NotFound => {
                return Ok(());
            }
            Err(error) => return Err(errno(error)),
        }
        for line in bytes.split(|byte| *byte == b'\n') {
            if let Some((name, value)) = assignment(line) {
                self.0.insert(OsString::from_vec(name), OsString::from_vec(value));
            }
        }
        Ok(())
    }

    /// Hardly a program does without.
    pub(super) fn set_path(&mut self) {
        self.0.entry(OsString::from("PATH")).or_insert_with(|| DEFAULT_PATH.into());
    }

    /// `TERM` for who has this terminal, unless something has said it. A virtual
    /// console is `linux`; what is at the other end of a line nobody knows, and a
    /// VT220 is what most can do.
    pub(super) fn set_kind_of_terminal(&mut self, path: &str) {
        let name = path.strip_prefix("/dev/").unwrap_or(path);
        let number = name.strip_prefix("tty").unwrap_or_default();
        let kind = match name {
            // Whatever the kernel says that it is.
            "console" => std::env::var_os("TERM").unwrap_or_else(|| "linux".into()),
            _ if !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()) => {
                "linux".into()
            }
            _ => "vt220".into(),
        };
        self.0.entry(OsString::from("TERM")).or_insert(kind);
    }

    /// Where programs without a slash are looked for.
    pub(super) fn path(&self) -> OsString {
        self.0.get(&OsString::from("PATH")).cloned().unwrap_or_else(|| DEFAULT_PATH.into())
    }

    /// As execve(2) wants it; `None` when a text holds a NUL byte.
    pub(super) fn to_strings(&self) -> Option<Vec<CString>> {
        self.0
            .iter()
            .map(|(name, value)| {
                let mut text = name.as_bytes().to_vec();
                text.push(b'=');
                text.extend_from_slice(value.as_bytes());
                CString::new(text).ok()
            })
            .collect()
    }
}

/// `NAME=VALUE`, with blanks around and one pair of quotes taken off; comments
/// and lines that are no assignment are passed over, as systemd does.
fn assignment(line: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
    let line = line.trim_ascii();
    if line.is_empty() || line.starts_with(b"#") || line.starts_with(b";") {
        return None;
    }
    let line = line.strip_prefix(b"export ").unwrap_or(line).trim_ascii_start();
    let equals = line.iter().position(|byte| *byte == b'=')?;
    let (name, value) = (&line[..equals], &line[equals + 1..]);
    let name = name.trim_ascii();
    let valid = !name.is_empty()
        && !name[0].is_ascii_digit()
        && name.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_');
    let mut value = value.trim_ascii();
    for quote in [b"\"", b"'"] {
        let inner = value.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote));
        if let Some(inner) = inner {
            value = inner;
            break;
        }
    }
    let no_nul = !value.contains(&0);
    (valid && no_nul).then(|| (name.to_vec(), value.to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entity_begins_with_what_it_has_chosen() {
        let mut all = Environment::default();
        all.set("A", "1");
        all.set("B", "2");
        let names = |by_default, choice: InheritEnvironment| {
            let Environment(chosen) = Inherited { all: all.clone(), by_default }.chosen(&choice);
            chosen.into_keys().map(|name| name.into_string().unwrap()).collect::<Vec<_>>()
        };
        let some = || InheritEnvironment::Names(vec!["B".to_owned(), "C".to_owned()]);
        for (by_default, default) in [(true, vec!["A", "B"]), (false, vec![])] {
            assert_eq!(names(by_default, InheritEnvironment::Default), default);
            assert_eq!(names(by_default, InheritEnvironment::All), ["A", "B"]);
            assert_eq!(names(by_default, InheritEnvironment::Nothing), [""; 0]);
            assert_eq!(names(by_default, some()), ["B"]);
        }
    }

    #[test]
    fn lines_of_a_file() {
        let pair = |name: &str, value: &str| Some((name.into(), value.into()));
        assert_eq!(assignment(b"A=1"), pair("A", "1"));
        assert_eq!(assignment(b"  A_2 = 'x y' "), pair("A_2", "x y"));
        assert_eq!(assignment(b"export B=\"c=d\""), pair("B", "c=d"));
        assert_eq!(assignment(b"EMPTY="), pair("EMPTY", ""));
        for line in [&b"# A=1"[..], b"; A=1", b"", b"no assignment", b"1A=2", b"=x", b"A B=2"] {
            assert_eq!(assignment(line), None);
        }
    }
}
