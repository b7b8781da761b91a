//! How the kernel treats an entity: as its unit says, and where that says
//! nothing, as any process, whatever ham itself was started with.

use ham_tests::executables::copy_program;
use ham_tests::own_units::{Units, wait_until};
use ham_tests::programs::{Manager, Scratch, ham};
use ham_tests::skip;
use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;
use std::process::Command;

/// CAP_SYS_NICE of linux/capability.h.
const CAP_SYS_NICE: u32 = 23;

fn has_capability(number: u32) -> bool {
    let status = fs::read_to_string("/proc/self/status").expect("/proc is there");
    let mask = status.lines().find_map(|line| line.strip_prefix("CapEff:")).expect("CapEff");
    u64::from_str_radix(mask.trim(), 16).expect("a mask") >> number & 1 == 1
}

/// The nice value of a process (proc_pid_stat(5), field 19).
fn nice(stat: &str) -> &str {
    let rest = stat.rsplit_once(')').expect("a name").1;
    rest.split_whitespace().nth(16).expect("19 fields")
}

fn own_score() -> i32 {
    let text = fs::read_to_string("/proc/self/oom_score_adj").expect("/proc is there");
    text.trim().parse().expect("a number")
}

/// Ham is often started with a better or worse place than its entities are to
/// have: by ham.service, by nice(1), by a container's settings.
#[test]
fn what_ham_was_started_with_is_not_passed_on() {
    let what = "what_ham_was_started_with_is_not_passed_on";
    if !has_capability(CAP_SYS_NICE) {
        skip::skipped(what, "the right to lower a nice value is needed");
        return;
    }
    let Some(program) = skip::program("nice", what) else { return };
    let units = Units::new("started-with");
    let file = units.file("seen");
    units.write(
        "seen",
        &format!(
            "[entity]\ncommand = [\"sh\", \"-c\", \"cat /proc/self/stat \
             /proc/self/oom_score_adj\"]\nstdout = {{ file = \"{file}\" }}\nrestart = \"no\"\n"
        ),
    );
    let worse = own_score() + 7;
    let mut command = Command::new(program);
    command.args(["-n", "5", "sh", "-c"]);
    command.arg(format!("echo {worse} > /proc/self/oom_score_adj && exec \"$0\" \"$@\""));
    command.arg(ham());
    let scratch = Scratch::new("manager");
    let mut manager = Manager::start_by(command, scratch, &units.path(), &["-t", "none"]);
    manager.wait_for_log("its end", |log| log.contains("seen: died: exit 0"));
    let text = units.text("seen");
    let (stat, score) = text.trim_end().rsplit_once('\n').expect("two lines");
    assert_eq!(nice(stat), "0");
    if own_score() >= 0 {
        assert_eq!(score, "0");
    }
    // And ham has kept its own.
    let reaper = format!("/proc/{}", manager.pid());
    let children = fs::read_to_string(format!("{reaper}/task/{}/children", manager.pid()));
    let children = children.expect("the children of the reaper");
    let mut own: Vec<String> =
        children.split_whitespace().map(|pid| format!("/proc/{pid}")).collect();
    // An entity that has just ended may still be among them.
    own.retain(|process| {
        let name = fs::read_to_string(format!("{process}/comm")).unwrap_or_default();
        matches!(name.trim(), "ham-monitor" | "ham-guardian")
    });
    assert!(!own.is_empty(), "no monitor among {children}");
    own.push(reaper);
    for process in own {
        let stat = fs::read_to_string(format!("{process}/stat")).expect("a process of ham's");
        let score = fs::read_to_string(format!("{process}/oom_score_adj")).expect("its score");
        assert!(nice(&stat).parse::<i32>().is_ok_and(|nice| nice >= 5), "{stat}");
        assert_eq!(score.trim(), worse.to_string(), "{stat}");
    }
}

/// The value of a line `Name: value` of proc_pid_status(5).
fn field(text: &str, name: &str) -> String {
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    line.unwrap_or_else(|| panic!("no {name} in:\n{text}")).trim().to_owned()
}

#[test]
fn settings_of_a_unit_take_effect() {
    let units = Units::new("settings");
    let status = fs::read_to_string("/proc/self/status").expect("/proc is there");
    let processors = field(&status, "Cpus_allowed_list");
    let processor = processors.split([',', '-']).next().expect("one at least");
    let score = own_score() + 1;
    units.write(
        "web",
        &format!(
            "[entity]\ncommand = \"sleep infinity\"\nnice = 19\nscheduling = \"batch\"\n\
             limits = {{ nofile = \"100:200\", core = 0 }}\naffinity = [{processor}]\n\
             oom-score-adjust = {score}\nno-new-privileges = true\nrestart = \"no\"\n"
        ),
    );
    let manager = Manager::start(&units.path(), &["-t", "none"]);
    manager.wait_for_state("web", "running");
    let process = format!("/proc/{}", manager.pid_of("web"));
    let file = |name: &str| fs::read_to_string(format!("{process}/{name}")).expect("it runs");
    let (stat, status, limits) = (file("stat"), file("status"), file("limits"));
    assert_eq!(nice(&stat), "19");
    // Field 41; SCHED_BATCH.
    assert_eq!(stat.rsplit_once(')').expect("a name").1.split_whitespace().nth(38), Some("3"));
    assert_eq!(field(&status, "Cpus_allowed_list"), processor);
    assert_eq!(field(&status, "NoNewPrivs"), "1");
    assert_eq!(file("oom_score_adj").trim(), score.to_string());
    let limit = |name: &str| {
        let line = limits.lines().find_map(|line| line.strip_prefix(name)).expect("a limit");
        line.split_whitespace().take(2).map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(limit("Max open files"), ["100", "200"]);
    assert_eq!(limit("Max core file size"), ["0", "0"]);
}

/// No machine that runs tests has so many processors.
#[test]
fn a_refused_setting_is_an_error_unless_it_is_optional() {
    let units = Units::new("refused");
    let base = "[entity]\ncommand = \"sleep infinity\"\naffinity = [1023]\nrestart = \"no\"\n";
    units.write("must", base);
    units.write("may", &format!("{base}optional = [\"affinity\"]\n"));
    let mut manager = Manager::start(&units.path(), &["-t", "none"]);
    manager.wait_for_state("may", "running");
    let reason = "could not set affinity: Invalid argument (EINVAL)";
    manager.wait_for_log("both reasons", |log| {
        let says = |line: &str| log.lines().any(|known| known == line);
        says(&format!("must: could not start: {reason}"))
            && says(&format!("may: {reason}; optional, so it starts without"))
    });
    assert_eq!(manager.entity("must")["why"], format!("could not start: {reason}"));
}

/// A manager of a user who is not root, with the places of that user below
/// `home`.
fn users_manager(what: &str, units: &Units, home: &Path) -> Option<Manager> {
    let scratch = Scratch::new("manager");
    let mut command = if skip::is_root(what) {
        const NOBODY: u32 = 65534;
        let program = skip::program("setpriv", what)?;
        let copy = units.folder().join("ham");
        copy_program(ham(), &copy);
        for path in [scratch.path(), home] {
            chown(path, Some(NOBODY), Some(NOBODY)).expect("root may");
        }
        let mut command = Command::new(program);
        command.args(["--reuid", "65534", "--regid", "65534", "--clear-groups"]).arg(copy);
        command
    } else {
        Command::new(ham())
    };
    command.env("XDG_RUNTIME_DIR", home.join("run")).env("XDG_STATE_HOME", home.join("state"));
    Some(Manager::start_by(command, scratch, &units.path(), &["-t", "none"]))
}

#[test]
fn directories_come_with_an_entity_and_go_with_it() {
    let units = Units::new("directories");
    let home = Scratch::new("home");
    let script = "echo $RUNTIME_DIRECTORY $STATE_DIRECTORY $LOGS_DIRECTORY; \
                  : > $RUNTIME_DIRECTORY/socket; : > $STATE_DIRECTORY/data; exec sleep 600";
    let common = |name: &str, keep: &str| {
        let file = home.path().join(name);
        format!(
            "[entity]\ncommand = [\"sh\", \"-c\", \"{script}\"]\nrestart = \"always\"\n\
             stdout = {{ file = \"{}\" }}\nstate-directory = \"{name}\"\n\
             logs-directory = {{ name = \"{name}\", mode = \"0700\" }}\n\
             runtime-directory = {{ name = \"group/{name}\", mode = \"0750\", keep = \"{keep}\" }}\n",
            file.display()
        )
    };
    for (name, keep) in [("gone", "no"), ("kept", "restart"), ("stays", "yes")] {
        units.write(name, &common(name, keep));
    }
    let what = "directories_come_with_an_entity_and_go_with_it";
    let Some(manager) = users_manager(what, &units, home.path()) else { return };
    let place = |of: &str, name: &str| home.path().join(of).join(name);
    let runtime = |name: &str| place("run/group", name);
    for name in ["gone", "kept", "stays"] {
        manager.wait_for_state(name, "running");
        wait_until("its socket", || runtime(name).join("socket").exists());
        let (state, logs) = (place("state", name), place("state/log", name));
        let told = format!("{} {} {}\n", runtime(name).display(), state.display(), logs.display());
        wait_until("its word", || {
            fs::read_to_string(home.path().join(name)).is_ok_and(|text| text == told)
        });
        let mode = |path: &Path| fs::metadata(path).expect("it is there").permissions().mode();
        let modes = [runtime(name), state, logs].map(|path| mode(&path) & 0o7777);
        assert_eq!(modes, [0o750, 0o755, 0o700]);
        // Of an earlier life, to be seen or not by the next one.
        fs::write(runtime(name).join("mark"), "").expect("a mark");
    }
    for name in ["gone", "kept", "stays"] {
        assert!(manager.hamctl(&["restart", name]).status.success());
        wait_until("its socket", || runtime(name).join("socket").exists());
        assert_eq!(runtime(name).join("mark").exists(), name != "gone", "{name}");
    }
    for name in ["gone", "kept", "stays"] {
        assert!(manager.hamctl(&["stop", name]).status.success());
        assert_eq!(runtime(name).exists(), name == "stays", "{name}");
        assert!(place("state", name).join("data").exists());
    }
    assert!(home.path().join("run/group").is_dir(), "parents stay");
}

/// A link that somebody has put in the way is not followed.
#[test]
fn a_directory_that_cannot_be_made_is_a_failed_start() {
    let units = Units::new("in-the-way");
    let home = Scratch::new("home");
    fs::create_dir(home.path().join("state")).expect("a folder");
    std::os::unix::fs::symlink("/tmp", home.path().join("state/web")).expect("a link");
    units.write(
        "web",
        "[entity]\ncommand = \"sleep 600\"\nrestart = \"no\"\nstate-directory = \"web\"\n",
    );
    let what = "a_directory_that_cannot_be_made_is_a_failed_start";
    let Some(mut manager) = users_manager(what, &units, home.path()) else { return };
    let line = "web: could not start: could not make its state directory: \
                Not a directory (ENOTDIR); a link is not followed";
    manager.wait_for_log("the reason", |log| log.lines().any(|known| known == line));
}

#[test]
fn commands_say_what_the_environment_says() {
    let units = Units::new("expand");
    let out = units.file("out");
    let write = |name: &str, command: &str, more: &str| {
        units.write(
            name,
            &format!(
                "[entity]\ncommand = {command}\nrestart = \"no\"\n{more}\n\
                 environment = {{ WORD = \"two words\" }}\nstdout = {{ file = \"{out}-{name}\" }}\n"
            ),
        );
    };
    let words = r#"["printf", "%s|", "a${WORD}b", "${MISSING}", "$$x", "$WORD"]"#;
    write("expanded", words, "expand = true");
    write("plain", words, "");
    let variables = r#"["/usr/bin/env"]"#;
    write("nothing", variables, "inherit-environment = false");
    write("one", variables, "inherit-environment = [\"FROM_HAM\", \"NOT_THERE\"]");
    let mut command = Command::new(ham());
    command.env("FROM_HAM", "1").env("ALSO", "2");
    let scratch = Scratch::new("manager");
    let mut manager = Manager::start_by(command, scratch, &units.path(), &["-t", "none"]);
    manager.wait_for_log("all ends", |log| log.matches(": died: exit 0").count() == 4);
    assert_eq!(units.text("out-expanded"), "atwo wordsb||$x|$WORD|");
    assert_eq!(units.text("out-plain"), "a${WORD}b|${MISSING}|$$x|$WORD|");
    let names = |name: &str| {
        let text = units.text(name);
        let names = text.lines().filter_map(|line| line.split_once('=')).map(|pair| pair.0);
        let mut names: Vec<String> = names.map(str::to_owned).collect();
        names.sort();
        names
    };
    assert_eq!(
        names("out-nothing"),
        ["HAM_CONTROL", "HAM_ENTITY", "HAM_INVOCATION", "PATH", "WORD"]
    );
    let expected = ["FROM_HAM", "HAM_CONTROL", "HAM_ENTITY", "HAM_INVOCATION", "PATH", "WORD"];
    assert_eq!(names("out-one"), expected);
}
