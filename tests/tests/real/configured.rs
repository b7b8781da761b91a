//! Real managers on units of several files, and on what `ham.conf` says: where
//! the log goes, how much it tells, what other users may do; also after a
//! takeover.

use ham_tests::executables::copy_program;
use ham_tests::own_units::{SLEEPER, Units, wait_until};
use ham_tests::programs::{Manager, hamctl};
use ham_tests::skip::{is_root, program};
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Output};

/// What it says stands in the trace of its instance.
const TEMPLATE: &str = "[entity]\ncommand = [\"sh\", \"-c\", \"echo $SAYS >> TRACE; exec sleep 1000\"]\n\
                        restart = \"always\"\nenvironment = { SAYS = \"template\" }\n";

fn write(units: &Units, file: &str, text: &str) {
    let path = units.path().join(file);
    let folder = path.parent().expect("the directory of units, or one in it");
    fs::create_dir_all(folder).expect("a directory");
    fs::write(&path, text).expect("a file");
    for path in [folder, &path] {
        let mode = if path.is_dir() { 0o755 } else { 0o644 };
        fs::set_permissions(path, Permissions::from_mode(mode)).expect("our own");
    }
}

fn told(output: &Output) -> String {
    let both = [&output.stdout, &output.stderr];
    both.iter().map(|text| String::from_utf8_lossy(text).into_owned()).collect()
}

#[test]
fn instances_run_as_template_and_drop_ins_say() {
    let units = Units::new("instances");
    let trace = units.file("trace-{instance}");
    write(&units, "w@.toml", &TEMPLATE.replace("TRACE", &trace));
    write(&units, "w@a.toml", "");
    write(
        &units,
        "w@a.toml.d/says.toml",
        "[entity.environment]\nSAYS = \"drop-in of {instance}\"\n",
    );
    write(&units, "user.toml", &SLEEPER.replace("restart", "requires = \"w@b\"\nrestart"));
    write(
        &units,
        "action.toml",
        &format!(
            "{SLEEPER}\n[[condition]]\non = \"stopped\"\nactions = [ {{ start = \"w@c\" }} ]\n"
        ),
    );
    write(&units, "off.toml", &format!("mask = true\n{SLEEPER}"));
    let manager = Manager::start(&units.path(), &["-t", "none"]);
    manager.wait_for_state("user", "running");
    manager.wait_for_state("action", "running");
    units.wait_for_text("trace-a", |text| text == "drop-in of a\n");
    units.wait_for_text("trace-b", |text| text == "template\n");
    assert_eq!(manager.entity("w@c")["state"], "stopped", "it was only named");
    assert!(manager.hamctl(&["stop", "action"]).status.success());
    units.wait_for_text("trace-c", |text| text == "template\n");
    let names = told(&manager.hamctl(&["list"]));
    assert!(!names.contains("off") && !names.contains("w@ "), "{names}");
}

#[test]
fn the_file_says_where_the_log_goes_and_how_much_it_tells() {
    let units = Units::new("conf-log");
    units.write("a", SLEEPER);
    let log = units.file("own.log");
    write(
        &units,
        "ham.conf",
        &format!("[manager]\nlog = \"{log}\"\nverbosity = 3\nstop-deadline = \"7s\"\n"),
    );
    let mut manager = Manager::start(&units.path(), &["-t", "none"]);
    manager.wait_for_state("a", "running");
    units.wait_for_text("own.log", |text| text.contains("a: started"));
    let verbosity = || told(&manager.hamctl(&["verbosity"]));
    assert_eq!(verbosity(), "3\n");
    assert!(manager.hamctl(&["verbosity", "2"]).status.success());
    manager.kill_monitor("KILL");
    manager.wait_for_state("a", "running");
    assert_eq!(verbosity(), "2\n", "what was set stays");
    units.wait_for_text("own.log", |text| text.contains("has taken over"));
    assert!(!manager.log().contains("has taken over"), "{}", manager.log());
    manager.signal("TERM");
    assert!(manager.wait_for_end().success());
    assert!(units.text("own.log").contains("shutting down"), "{}", units.text("own.log"));
}

#[test]
fn the_command_line_wins() {
    let units = Units::new("conf-line");
    units.write("a", SLEEPER);
    let log = units.file("own.log");
    write(&units, "ham.conf", &format!("[manager]\nlog = \"{log}\"\nverbosity = 3\n"));
    let line = units.file("line.log");
    let manager = Manager::start(&units.path(), &["-t", "none", "-V", "2", "-f", &line]);
    manager.wait_for_state("a", "running");
    units.wait_for_text("line.log", |text| text.contains("a: started"));
    assert_eq!(told(&manager.hamctl(&["verbosity"])), "2\n");
    assert_eq!(units.text("own.log"), "");
}

#[test]
fn a_file_with_errors_stops_nothing() {
    let units = Units::new("conf-bad");
    units.write("a", SLEEPER);
    write(&units, "ham.conf", "[manager]\nverbosity = 3\nstop-deadlin = \"1s\"\n");
    let mut manager = Manager::start(&units.path(), &["-t", "none"]);
    manager.wait_for_state("a", "running");
    manager.wait_for_log("the mistake", |log| {
        log.contains("ham.conf:3:1") && log.contains("ham.conf could not be taken")
    });
    assert_eq!(told(&manager.hamctl(&["verbosity"])), "1\n");
    let status = manager.status();
    let errors = status["ham"]["plan"]["errors"].to_string();
    assert!(errors.contains("did you mean `stop-deadline`?"), "{errors}");
    // --strict takes it as seriously as a unit.
    let mut strict = Manager::start(&units.path(), &["-t", "none", "--strict"]);
    assert_eq!(strict.wait_for_end().code(), Some(78));
}

#[test]
fn users_may_do_what_a_rule_lets_them() {
    let what = "users_may_do_what_a_rule_lets_them";
    if !is_root(what) {
        return;
    }
    let Some(setpriv) = program("setpriv", what) else { return };
    let units = Units::new("allow");
    for name in ["web", "web-2", "db"] {
        units.write(name, SLEEPER);
    }
    write(
        &units,
        "ham.conf",
        "[[allow]]\ngroup = 4242\nverbs = [\"restart\", \"arm\", \"disarm\"]\nentities = \"web*\"\n\
         [[allow]]\nuser = 4243\nverbs = [\"shutdown\", \"stop\"]\nentities = \"*\"\n\
         [[allow]]\nuser = 4244\nverbs = [\"add\", \"start\"]\nentities = \"web*\"\n",
    );
    let mut manager = Manager::start(&units.path(), &["-t", "none"]);
    for name in ["web", "web-2", "db"] {
        manager.wait_for_state(name, "running");
    }
    // Where those users may go.
    let copy = units.folder().join("hamctl");
    copy_program(hamctl(), &copy);
    for path in [units.folder(), manager.runtime().parent().expect("its scratch")] {
        fs::set_permissions(path, Permissions::from_mode(0o755)).expect("our own");
    }
    let asking = |manager: &Manager, who: &[&str], words: &[&str]| {
        let mut command = Command::new(&setpriv);
        command.args(who).arg(&copy).arg("--runtime-dir").arg(manager.runtime()).args(words);
        command.output().expect("setpriv can be executed")
    };
    let member = ["--reuid", "65534", "--regid", "65534", "--groups", "4242"];
    let primary = ["--reuid", "65534", "--regid", "4242", "--clear-groups"];
    let nobody = ["--reuid", "65534", "--regid", "65534", "--clear-groups"];
    let operator = ["--reuid", "4243", "--regid", "65534", "--clear-groups"];
    let code = |manager: &Manager, who: &[&str], words: &[&str]| {
        let output = asking(manager, who, words);
        output.status.code().unwrap_or_else(|| panic!("{words:?}: {}", told(&output)))
    };
    for again in [false, true] {
        let before = manager.pid_of("web");
        for (who, words, expected) in [
            (&member[..], &["restart", "web"][..], 0),
            (&primary, &["restart", "web*"], 0),
            (&member, &["disarm", "web/restart"], 0),
            (&member, &["arm", "web/restart"], 0),
            (&member, &["restart", "db"], 4),
            // All of them or none.
            (&member, &["restart", "web", "db"], 4),
            (&member, &["restart", "*"], 4),
            (&member, &["stop", "web"], 4),
            (&member, &["flags", "web", "+keep-on-death"], 4),
            (&member, &["shutdown"], 4),
            (&member, &["verbosity", "0"], 4),
            (&nobody, &["restart", "web"], 4),
            (&nobody, &["status"], 0),
            (&operator, &["restart", "web"], 4),
        ] {
            assert_eq!(code(&manager, who, words), expected, "{words:?}. {}", manager.log());
        }
        assert_ne!(manager.pid_of("web"), before);
        let asked = "asked by process";
        assert!(manager.log().contains(asked), "{}", manager.log());
        if !again {
            // The next monitor knows the rules too.
            manager.kill_monitor("KILL");
            manager.wait_for_state("web", "running");
        }
    }
    // Rights that are taken back are so although a unit is wrong.
    let path = units.path().join("ham.conf");
    let rules = fs::read_to_string(&path).expect("it is there");
    units.write("web-2", "[entity]\ncommnd = 1\n");
    fs::write(&path, rules.replace("group = 4242", "group = 4245")).expect("our own");
    manager.wait_for_log("the error", |log| log.contains("units are not applied"));
    assert_eq!(code(&manager, &member, &["restart", "web"]), 4, "{}", manager.log());
    units.write("web-2", SLEEPER);
    // What somebody adds may do what that user may, and runs as that user.
    let adder = ["--reuid", "4244", "--regid", "65534", "--clear-groups"];
    let traces = units.folder().join("traces");
    fs::create_dir(&traces).expect("a directory");
    fs::set_permissions(&traces, Permissions::from_mode(0o777)).expect("our own");
    let trace = traces.join("uid").display().to_string();
    for (name, action, expected) in [
        ("one", "start = \"web-2\"".to_owned(), 0),
        ("two", "start = \"db\"".to_owned(), 4),
        ("three", "stop = \"web-2\"".to_owned(), 4),
        ("four", format!("execute = [\"sh\", \"-c\", \"id -u > {trace}\"]"), 0),
    ] {
        let text = format!(
            "[[condition]]\nname = \"{name}\"\non = \"stopped\"\nactions = [ {{ {action} }} ]\n"
        );
        fs::write(traces.join(name), text).expect("conditions");
        let file = traces.join(name).display().to_string();
        assert_eq!(code(&manager, &adder, &["add", "web", &file]), expected, "{name}");
        assert_eq!(code(&manager, &adder, &["add", "db", &file]), 4, "{name}");
    }
    assert!(manager.hamctl(&["stop", "web"]).status.success());
    units.wait_for_text("traces/uid", |text| text == "4244\n");
    assert_eq!(code(&manager, &operator, &["stop", "db"]), 0);
    wait_until("db is down", || manager.entity("db")["state"] == "stopped");
    assert_eq!(code(&manager, &operator, &["shutdown"]), 0);
    assert!(manager.wait_for_end().success());
}
