//! What a machine is called, the way to itself, and its keys.

use ham_sys::machine;
use std::fs;

/// hostname(5).
const NAME_FILE: &str = "/etc/hostname";
/// The most that sethostname(2) takes.
const MOST: usize = 64;
/// What the kernel calls itself when nobody has said anything (`UTS_NODENAME`).
const NO_NAME: &str = "(none)";

/// Gives what could not be done, in sentences. `is_machine`: its keys are ham's.
pub(super) fn set_up(is_machine: bool) -> Vec<String> {
    let mut warnings = Vec::new();
    if is_machine && let Err(error) = machine::take_restart_keys() {
        warnings.push(format!("{error}: it restarts the machine as it stands"));
    }
    let written = fs::read_to_string(NAME_FILE).ok();
    let name = written.as_deref().and_then(name_in);
    if name.is_none() && written.is_some() {
        warnings
            .push(format!("{NAME_FILE} holds no name of 1 to {MOST} letters, digits, . _ or -"));
    }
    let unnamed = || {
        let is = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        (is.trim() == NO_NAME).then_some("localhost")
    };
    if let Some(name) = name.or_else(unnamed)
        && let Err(error) = machine::set_host_name(name)
    {
        warnings.push(error.to_string());
    }
    if let Err(error) = machine::bring_loopback_up() {
        warnings.push(error.to_string());
    }
    warnings
}

/// The first line that is no comment.
fn name_in(text: &str) -> Option<&str> {
    let mut lines = text.lines().map(str::trim);
    let line = lines.find(|line| !line.is_empty() && !line.starts_with('#'))?;
    let may = |byte: u8| byte.is_ascii_alphanumeric() || b".-_".contains(&byte);
    (line.len() <= MOST && line.bytes().all(may)).then_some(line)
}

#[cfg(test)]
mod tests {
    use super::name_in;

    #[test]
    fn a_name_is_the_first_line_that_is_no_comment() {
        assert_eq!(name_in("# who I am\n\n  board-7.example \nother\n"), Some("board-7.example"));
        for none in ["", "\n# only\n", "two words", "a/b", &"x".repeat(65)] {
            assert_eq!(name_in(none), None, "{none:?}");
        }
        assert_eq!(name_in(&"x".repeat(64)), Some("x".repeat(64).as_str()));
    }
}
