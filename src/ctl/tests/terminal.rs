//! What a person at a terminal sees: colours, the width, and no colours for
//! whoever does not want them. Uses script(1) for a terminal.

mod fake;

use fake::{Fake, Folder, Step, command, program, status};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Output;

/// Runs a shell line on a terminal of its own, as if against this manager;
/// `None` without script(1).
fn on_terminal(fake: &Fake, line: &str, variables: &[(&str, &str)]) -> Option<String> {
    // util-linux's; others take no -e and -c.
    let version = command(Path::new("script"), &["--version"]).output();
    if !version.is_ok_and(|output| String::from_utf8_lossy(&output.stdout).contains("util-linux")) {
        eprintln!("SKIPPED: script(1) of util-linux is not installed");
        return None;
    }
    let mut script = command(Path::new("script"), &["-qec", line, "/dev/null"]);
    script.env("HAM_RUNTIME_DIR", &fake.folder.0).env("SHELL", "/bin/sh").env("TERM", "xterm");
    let Output { status, stdout, .. } = script.envs(variables.iter().copied()).output().unwrap();
    let text = String::from_utf8(stdout).unwrap().replace("\r\n", "\n");
    assert!(status.success(), "{text}");
    Some(text)
}

fn fake() -> Fake {
    let mut status = status(2, &[("audio", "running")]);
    status.entities[0].why = "it was asked to run and has been running ever since".into();
    Fake::new(vec![Step::result(&status)])
}

#[test]
fn a_terminal_gets_colours() {
    let line = program().display().to_string();
    let Some(text) = on_terminal(&fake(), &line, &[]) else { return };
    assert!(text.contains("\x1b[32mrunning\x1b[0m"), "{text:?}");
}

#[test]
fn nobody_gets_colours_who_does_not_want_them() {
    let line = program().display().to_string();
    for variable in [("NO_COLOR", "1"), ("TERM", "dumb")] {
        let Some(text) = on_terminal(&fake(), &line, &[variable]) else { return };
        assert!(text.contains("audio   running"), "{variable:?}: {text:?}");
        assert!(!text.contains('\x1b'), "{variable:?}: {text:?}");
    }
}

#[test]
fn the_reason_is_clipped_to_the_terminal() {
    let line = format!("stty rows 24 cols 80; exec {}", program().display());
    let Some(text) = on_terminal(&fake(), &line, &[("NO_COLOR", "1")]) else { return };
    let row = text.lines().find(|line| line.starts_with("audio")).unwrap();
    assert_eq!(
        row,
        "audio   running    -       -         0  -          it was asked to run and has…"
    );
    assert!(row.chars().count() <= 80);
    // Not when the output goes elsewhere.
    let run = fake().hamctl(&[]);
    assert!(run.out.ends_with("has been running ever since\n"), "{}", run.out);
}

#[test]
fn check_draws_frames_on_a_terminal() {
    let folder = Folder::new();
    let path = folder.0.join("wrong.toml");
    fs::write(&path, "[entity]\ncomand = \"x\"\n").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    let line = format!("{} check {} || true", program().display(), path.display());
    let look = |variables: &[(&str, &str)]| on_terminal(&fake(), &line, variables);
    let utf8 = ("LC_ALL", "C.UTF-8");
    let Some(text) = look(&[utf8]) else { return };
    assert!(text.contains('╭') && text.contains('\x1b'), "{text}");
    let Some(text) = look(&[utf8, ("NO_COLOR", "1")]) else { return };
    assert!(text.contains('╭') && !text.contains('\x1b'), "{text}");
    let Some(text) = look(&[("LC_ALL", "C"), ("NO_COLOR", "1")]) else { return };
    assert!(text.contains(",-[") && text.is_ascii(), "{text}");
    let Some(text) = look(&[("TERM", "dumb")]) else { return };
    assert!(text.contains("error[ham::unit::unknown-key]"), "{text}");
    assert!(!text.contains('\x1b') && !text.contains('╭'), "{text}");
}
