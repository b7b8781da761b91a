//! `ham emergency`: the program of the emergency entity. It tells why there is
//! nothing else, and becomes a shell; so it is there wherever ham is, and finds
//! out only then which shell the machine has.

use crate::load::Answer;
use crate::say::say;
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, ExitCode};

/// The word for it on the command line.
pub(crate) const WORD: &str = "emergency";
/// With this it takes the console itself.
pub(super) const ON_CONSOLE: &str = "--console";

/// Asks for root's password first, where there is one to ask for; else a shell.
const SHELLS: [(&str, &[&str]); 7] = [
    ("/sbin/sulogin", &[]),
    ("/usr/sbin/sulogin", &[]),
    ("/bin/sulogin", &[]),
    ("/bin/sh", &[]),
    ("/usr/bin/sh", &[]),
    ("/bin/busybox", &["sh"]),
    ("/usr/bin/busybox", &["sh"]),
];

/// Becomes the shell. `words`: what stands behind the word for it.
pub(crate) fn main(takes_console: bool) -> ExitCode {
    if takes_console && let Err(error) = ham_sys::spawn::take_terminal(super::console::CONSOLE) {
        say(error);
    }
    // Who reads nothing has a shell all the same.
    let _ = std::io::stdout().write_all(told().as_bytes());
    let _ = std::io::stdout().flush();
    // Whoever has started this may have blocked the keys of the terminal.
    let _ = ham_sys::signals::reset_dispositions();
    ham_sys::signals::unblock_all();
    let mut why = String::new();
    for (path, words) in SHELLS.iter().filter(|(path, _)| Path::new(path).exists()) {
        let error = Command::new(path).args(*words).current_dir("/").exec();
        why.push_str(&format!("could not execute {path}: {error}\n"));
    }
    if why.is_empty() {
        why = "there is no /sbin/sulogin, no /bin/sh and no /bin/busybox".to_owned();
    }
    say(why.trim_end());
    ExitCode::FAILURE
}

/// What the last load had to say, and what can be done.
fn told() -> String {
    let mut text = String::from("\nham: emergency\n\n");
    let control = std::env::var_os("HAM_CONTROL").unwrap_or_default();
    let answer = Path::new(&control).parent().and_then(Answer::kept);
    for error in answer.iter().flat_map(Answer::errors) {
        text.push_str(error.trim_end());
        text.push_str("\n\n");
    }
    if answer.is_some() {
        text.push_str(
            "`hamctl apply` loads the units and goes on with them; `hamctl check` tells what is \
             wrong with them.\n",
        );
    }
    text
}
