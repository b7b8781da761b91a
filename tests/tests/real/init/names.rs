//! As what it is called, and by whom: links, scripts, the help.

use super::bed::{Init, Kind, code, to_the_end};
use ham_tests::programs::{Scratch, ham};
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::process::{Command, Stdio};

fn output(command: &mut Command) -> (Option<i32>, String, String) {
    let output = to_the_end(command.stdin(Stdio::null()));
    let [out, err] =
        [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into());
    (output.status.code(), out, err)
}

#[test]
fn by_each_name_it_is_tini() {
    let scratch = Scratch::new("init");
    for name in ["tini", "tini-static", "docker-init", "podman-init"] {
        let link = scratch.path().join(name);
        symlink(ham(), &link).expect("a link");
        let (code, out, _) = output(Command::new(&link).arg("--version"));
        assert_eq!(code, Some(0));
        assert!(out.starts_with("tini version 0.19.0 - ham "), "{out}");
        let (code, _, err) = output(Command::new(&link).args(["--", "sh", "-c", "exit 4"]));
        assert_eq!(code, Some(4));
        assert!(err.starts_with(&format!("{name}: not PID 1")), "{err}");
        let (code, out, _) = output(Command::new(&link).arg("-h"));
        assert_eq!(code, Some(0));
        assert!(out.starts_with(&format!("Usage: {name} ")), "{out}");
        let (code, _, err) = output(Command::new(&link).arg("-x"));
        assert_eq!(code, Some(1));
        assert!(err.contains("unknown option `-x`"), "{err}");
    }
}

#[test]
fn what_tini_says_and_when() {
    for kind in [Kind::HamAsTini, Kind::Tini] {
        let Some(init) = Init::find(kind) else { continue };
        let words = |options: &[&str]| {
            // It is there until it is reaped.
            let script = "p=$(sleep 0.2 >/dev/null & echo $!); while kill -0 $p; do :; done";
            let mut command = init.command(options, &["sh", "-c", &format!("{script} 2>&-")]);
            let output = to_the_end(&mut command);
            // tini writes to either.
            let all = [output.stdout, output.stderr].concat();
            String::from_utf8_lossy(&all).lines().count()
        };
        let name = kind.name();
        assert!(words(&[]) > 0, "{name}: not a subreaper");
        assert_eq!(words(&["-s"]), 0, "{name}");
        assert_eq!(words(&["-s", "-w"]), 1, "{name}: one orphan");
        assert!(words(&["-s", "-v"]) >= 1, "{name}");
        assert!(words(&["-s", "-vv"]) > words(&["-s", "-v"]), "{name}");
        let quiet = |name: &str, value: &str| {
            let mut command = init.command(&[], &["true"]);
            to_the_end(command.env(name, value)).stderr.is_empty()
        };
        assert!(quiet("TINI_SUBREAPER", ""), "{name}");
        assert!(quiet("TINI_VERBOSITY", "0"), "{name}");
    }
}

/// A file that names ham as its interpreter.
fn script(scratch: &Scratch, name: &str, text: &str) -> Command {
    let path = scratch.path().join(name);
    fs::write(&path, text).expect("a script");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("it is ours");
    Command::new(path)
}

#[test]
fn a_script_may_name_it_as_its_interpreter() {
    let scratch = Scratch::new("init");
    let ham = ham();
    let ham = ham.display();
    let body = "echo $# $1 $PPID; exit 4\n";
    for line in ["init --", "init", "init -g", "init -g -- /bin/sh", "init /bin/sh -e", "init\t--"]
    {
        let text = format!("#!{ham} {line}\n{body}");
        let (code, out, err) = output(script(&scratch, "script", &text).args(["one two", "-x"]));
        assert_eq!(code, Some(4), "{line}: {err}");
        assert!(out.starts_with("2 one two "), "{line}: {out}");
    }
    let tini = Init::find(Kind::HamAsTini).expect("ham is built");
    let text = format!("#!{} /bin/sh\n{body}", tini.program.display());
    let (code, out, err) = output(script(&scratch, "script", &text).env("TINI_VERBOSITY", "0"));
    assert_eq!((code, err.as_str()), (Some(4), ""));
    assert!(out.starts_with("0 "), "{out}");
}

#[test]
fn called_wrongly_it_says_how() {
    let init = |words: &[&str]| output(Command::new(ham()).arg("init").args(words));
    for (words, expected) in [
        (&[][..], "no command"),
        (&["--frob", "true"], "--frob"),
        (&["-e", "many", "true"], "-e many"),
        (&["--pause", "true"], "runs no command"),
    ] {
        let (code, _, err) = init(words);
        assert_eq!(code, Some(64), "{err}");
        assert!(err.contains(expected) && err.contains("Try `ham init -h`"), "{err}");
    }
    let (code, out, _) = init(&["--version"]);
    assert_eq!((code, out.starts_with("ham 0.")), (Some(0), true), "{out}");
    let (code, out, _) = init(&["-l"]);
    assert_eq!((code, out.contains("Apache")), (Some(0), true), "{out}");
}

#[test]
fn names_of_programs_are_looked_for_in_path() {
    let scratch = Scratch::new("init");
    let path = scratch.path().join("only-here");
    fs::write(&path, "#!/bin/sh\nexit 6\n").expect("a script");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("it is ours");
    let init = Init::ham();
    let places = format!("{}:/usr/bin:/bin", scratch.path().display());
    assert_eq!(code(init.command(&[], &["only-here"]).env("PATH", &places)), "6");
    assert_eq!(code(init.command(&[], &["only-here"]).env("PATH", "/usr/bin:/bin")), "127");
}
