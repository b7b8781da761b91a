//! As what it is called, and by whom: links, scripts, the help.

use super::bed::{Init, Kind, Running, children, code, link, to_the_end};
use ham_sys::process::PidFd;
use ham_tests::executables::write_program;
use ham_tests::own_units::wait_until;
use ham_tests::programs::{Scratch, ham};
use std::fs;
use std::os::unix::fs::symlink;
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
    write_program(&path, text);
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

/// What only has the name of the command is neither read nor executed.
#[test]
fn a_name_is_not_looked_for_in_the_working_directory() {
    let scratch = Scratch::new("init");
    let init = Init::ham();
    let words = init.words(&[]);
    let run = |name: &str| {
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).args([name, "-c", "exit 4"]);
        output(command.current_dir(scratch.path())).0
    };
    let text = format!("#!{} init\nexit 5\n", ham().display());
    script(&scratch, "sh", &text);
    assert_eq!(run("sh"), Some(4));
    assert_eq!(run("./sh"), Some(5));
    // In PATH it is found: by its name it must not start itself for ever.
    let places = format!("{}:/usr/bin:/bin", scratch.path().display());
    assert_eq!(code(init.command(&[], &["sh"]).env("PATH", places)), "5");

    fs::remove_file(scratch.path().join("sh")).expect("a script");
    let status = Command::new("mkfifo").arg(scratch.path().join("sh")).status();
    assert!(status.expect("mkfifo is there").success());
    assert_eq!(run("sh"), Some(4));
    // Whoever opens it waits for somebody who writes.
    assert_eq!(run("./sh"), Some(126));
}

/// The command can tell that the descriptors are meant for it in either way.
#[test]
fn the_number_of_a_pidfd_that_means_init_means_the_command() {
    let init = Init::ham();
    let started = |before: &str| {
        let mut command = init.after(before, &[], &["sleep", "60"]);
        let running = Running::start(&mut command);
        let (mut pid, mut text) = (0, String::new());
        wait_until("the command", || {
            pid = children(running.pid()).first().copied().unwrap_or(0);
            let is_there = link(pid, "exe").is_some_and(|path| path.ends_with("sleep"));
            text = fs::read_to_string(format!("/proc/{pid}/environ")).unwrap_or_default();
            // Empty for a moment after the program has changed.
            is_there && !text.is_empty()
        });
        let value = |name: &str| {
            let mut all = text.split('\0').filter_map(|entry| entry.split_once('='));
            all.find(|(key, _)| *key == name).map(|(_, value)| value.to_owned())
        };
        let found = (value("LISTEN_PID"), value("LISTEN_PIDFDID"));
        let own = PidFd::open(i32::try_from(pid).expect("a process id")).expect("it is there");
        let inode = nix::sys::stat::fstat(&own).expect("it is open").st_ino;
        running.send("TERM");
        (pid, found, inode)
    };
    let (pid, found, inode) = started("export LISTEN_PID=$$ LISTEN_PIDFDID=7");
    assert_eq!(found.0, Some(pid.to_string()));
    // Before Linux 6.9 all have the same number, and no variable is better.
    let own = ham_sys::process::own_pidfd_inode().map(|_| inode.to_string());
    assert_eq!(found.1, own);
    // Neither means init.
    let (_, found, _) = started("export LISTEN_PID=1 LISTEN_PIDFDID=7");
    assert_eq!(found, (Some("1".to_owned()), Some("7".to_owned())));
    let (_, found, _) = started("export LISTEN_PIDFDID=7");
    assert_eq!(found, (None, Some("7".to_owned())));
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
    write_program(&path, "#!/bin/sh\nexit 6\n");
    let init = Init::ham();
    let places = format!("{}:/usr/bin:/bin", scratch.path().display());
    assert_eq!(code(init.command(&[], &["only-here"]).env("PATH", &places)), "6");
    assert_eq!(code(init.command(&[], &["only-here"]).env("PATH", "/usr/bin:/bin")), "127");
}
