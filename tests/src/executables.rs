//! Programs that tests write and then run. What somebody has open for writing cannot
//! be executed (ETXTBSY of execve(2)), and a process that another test is just making
//! has, for a moment, all that this one has open: so another process writes them.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

/// Writes a script, which can be executed as soon as this comes back.
///
/// # Panics
/// When it cannot be written.
pub fn write_program(path: impl AsRef<Path>, text: &str) {
    let mut shell = Command::new("sh")
        .args(["-c", "cat > \"$1\" && chmod 755 \"$1\"", "sh"])
        .arg(path.as_ref())
        .stdin(Stdio::piped())
        .spawn()
        .expect("there is a shell");
    let mut input = shell.stdin.take().expect("it is piped");
    input.write_all(text.as_bytes()).expect("it reads all");
    drop(input);
    let status = shell.wait().expect("our child");
    assert!(status.success(), "{} cannot be written", path.as_ref().display());
}

/// Copies a program, so that anybody can execute the copy as soon as this comes back.
///
/// # Panics
/// When it cannot be copied.
pub fn copy_program(from: impl AsRef<Path>, to: impl AsRef<Path>) {
    let copy = "cp \"$1\" \"$2\" && chmod 755 \"$2\"";
    let (from, to) = (from.as_ref(), to.as_ref());
    let status = Command::new("sh").args(["-c", copy, "sh"]).args([from, to]).status();
    let copied = status.expect("there is a shell").success();
    assert!(copied, "{} cannot be copied to {}", from.display(), to.display());
}
