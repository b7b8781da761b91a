//! ham as the interpreter that the first line of a script names: the words in
//! that line, and a script that would start its interpreter for ever.

use super::WORD;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::PathBuf;

/// What reads a script that names ham as its interpreter, and no other.
const SHELL: &str = "/bin/sh";

/// Where programs are looked for without PATH (execvp(3)).
const USUAL_PATH: &str = "/bin:/usr/bin";

/// Whether these words after `ham` are about init. A script that names it as
/// its interpreter gives all that it says in one word: `init -g --`.
pub(crate) fn is_meant(first: &str) -> bool {
    first == WORD || first.strip_prefix(WORD).is_some_and(|rest| rest.starts_with([' ', '\t']))
}

/// The words behind `init`.
pub(crate) fn words_after(mut words: Vec<OsString>) -> Vec<OsString> {
    let first = words.remove(0);
    let Some(line) = first.to_str().filter(|line| *line != WORD) else { return words };
    let mut said: Vec<OsString> = line.split_whitespace().skip(1).map(OsString::from).collect();
    if said.iter().all(|word| word.to_string_lossy().starts_with('-')) {
        // Only options: without a program of its own, the script, which is the
        // next word, would start its interpreter, which is this, for ever.
        if said.last().is_none_or(|word| word != "--") {
            said.push("--".into());
        }
        said.push(SHELL.into());
    }
    said.extend(words);
    said
}

/// The first words of a command: its program, and before that the shell if the
/// program is a script whose first line names this one and nothing but `init`.
/// Executed, it would start this for itself, again and again.
pub(super) fn command(
    program: OsString,
    variable: impl Fn(&str) -> Option<OsString>,
) -> Vec<OsString> {
    match script(&program, variable("PATH")) {
        Some(script) => vec![SHELL.into(), script.into()],
        None => vec![program],
    }
}

/// Where that script is. Nothing but a file is opened, since others may let
/// whoever opens them wait.
fn script(program: &OsStr, path: Option<OsString>) -> Option<PathBuf> {
    /// What the kernel reads of a first line.
    const LONGEST: u64 = 256;
    let found = executed(program, path)?;
    let mut start = Vec::new();
    File::open(&found).ok()?.take(LONGEST).read_to_end(&mut start).ok()?;
    let line = start.split(|byte| *byte == b'\n').next()?.strip_prefix(b"#!")?;
    let mut words = std::str::from_utf8(line).ok()?.split_whitespace();
    let (interpreter, said, more) = (words.next()?, words.next(), words.next());
    let identity = |path: &str| std::fs::metadata(path).ok().map(|file| (file.dev(), file.ino()));
    let is_own =
        || identity("/proc/self/exe").is_some_and(|own| identity(interpreter) == Some(own));
    (said == Some(WORD) && more.is_none() && is_own()).then_some(found)
}

/// The file that is executed by this name (execvp(3)).
fn executed(program: &OsStr, path: Option<OsString>) -> Option<PathBuf> {
    let is_program = |path: &PathBuf| {
        let file = std::fs::metadata(path);
        file.is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
    };
    if program.as_bytes().contains(&b'/') {
        return Some(PathBuf::from(program)).filter(is_program);
    }
    let path = path.unwrap_or_else(|| USUAL_PATH.into());
    std::env::split_paths(&path).map(|folder| folder.join(program)).find(is_program)
}
