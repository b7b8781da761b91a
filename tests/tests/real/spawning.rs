//! How a process comes to be what its unit says: program, user, directory,
//! variables, streams, and nothing of ham's own; and what happens when that
//! cannot be done, or hangs.

use ham_tests::executables::{copy_program, write_program};
use ham_tests::own_units::{Units, wait_until};
use ham_tests::processes::{children, lives};
use ham_tests::programs::{Manager, Scratch, ham};
use ham_tests::skip;
use std::fs::{self, File, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

/// The user and group that every Debian has for those who may do nothing.
const NOBODY: u32 = 65534;

fn start(units: &Units) -> Manager {
    Manager::start(&units.path(), &["-t", "none"])
}

fn says(log: &str, line: &str) -> bool {
    log.lines().any(|known| known == line)
}

/// Writes a unit that writes to the file of its own name.
fn write(units: &Units, name: &str, command: &str, more: &str) {
    let file = units.file(name);
    units.write(
        name,
        &format!(
            "[entity]\ncommand = {command}\nstdout = {{ file = \"{file}\" }}\nstderr = \"same\"\n\
             restart = \"no\"\n{more}\n"
        ),
    );
}

/// The value of a line `Name: value` of proc_pid_status(5).
fn field(text: &str, name: &str) -> String {
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    line.unwrap_or_else(|| panic!("no {name} in:\n{text}")).trim().to_owned()
}

/// A program that can be executed, or not yet.
fn program(path: &str, mode: u32) {
    let unfinished = format!("{path}.new");
    write_program(&unfinished, "#!/bin/sh\nexec sleep 600\n");
    fs::set_permissions(&unfinished, Permissions::from_mode(mode)).expect("its mode");
    fs::rename(&unfinished, path).expect("a program");
}

#[test]
fn a_missing_program_is_an_error_that_is_tried_again() {
    let units = Units::new("missing");
    let path = units.file("late");
    units.write(
        "late",
        &format!(
            "[entity]\ncommand = [\"{path}\"]\n[[condition]]\non = \"death\"\n\
             actions = [ {{ restart = {{ delays = [\"50ms\"] }} }} ]\n\
             [[condition]]\non = \"start-failed\"\nactions = [ {{ log = \"no start\" }} ]\n"
        ),
    );
    let mut manager = start(&units);
    let missing = "could not execute: No such file or directory (ENOENT)";
    let told = format!("late: could not start: {missing}");
    manager.wait_for_log("three attempts", |log| log.matches(&told).count() >= 3);
    assert_eq!(manager.entity("late")["why"], format!("could not start: {missing}"));
    // A file that is there and may not be executed.
    program(&path, 0o644);
    let forbidden = "late: could not start: could not execute: Permission denied (EACCES)";
    manager.wait_for_log("the other reason", |log| says(log, forbidden));
    fs::set_permissions(&path, Permissions::from_mode(0o755)).expect("its mode");
    let entity = manager.wait_for_state("late", "running");
    assert_eq!(entity["last_exit"], serde_json::Value::Null, "no attempt was a death");
    let log = manager.log();
    assert!(says(&log, "late: no start"), "{log}");
    assert!(!log.contains("late: died"), "{log}");
}

#[test]
fn a_person_who_starts_what_cannot_start_is_told_why() {
    let units = Units::new("told-why");
    units.write(
        "broken",
        "[entity]\ncommand = \"/nonexistent/x\"\nstart = \"manual\"\nrestart = \"no\"\n",
    );
    let manager = start(&units);
    manager.wait_for("broken", |_| true);
    let output = manager.hamctl(&["start", "broken"]);
    assert_eq!(output.status.code(), Some(1));
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(errors.contains("broken: could not execute: No such file or directory"), "{errors}");
}

#[test]
fn a_program_that_is_being_written_is_tried_again() {
    let units = Units::new("busy");
    let path = units.file("sleeper");
    let sleep = skip::program("sleep", "a program that is being written").expect("coreutils");
    copy_program(sleep, &path);
    let writer = File::options().append(true).open(&path).expect("it is ours");
    units.write(
        "sleeper",
        &format!(
            "[entity]\ncommand = [\"{path}\", \"600\"]\n[[condition]]\non = \"death\"\n\
             actions = [ {{ restart = {{ delays = [\"50ms\"] }} }} ]\n"
        ),
    );
    let mut manager = start(&units);
    manager.wait_for_log("an attempt", |log| log.contains("sleeper: "));
    if manager.log().contains("sleeper: started") {
        // Linux 6.11 and 6.12 let it be.
        skip::skipped("a program that is being written", "this kernel executes it");
        return;
    }
    let busy = "sleeper: could not start: could not execute: Text file busy (ETXTBSY)";
    assert!(says(&manager.log(), busy), "{}", manager.log());
    drop(writer);
    manager.wait_for_state("sleeper", "running");
}

#[test]
fn an_entity_is_who_its_unit_says() {
    if !skip::is_root("an_entity_is_who_its_unit_says") {
        return;
    }
    let units = Units::new("user");
    let command = r#"["sh", "-c", "cat /proc/self/status; env"]"#;
    write(&units, "user", command, "user = \"nobody\"");
    let more = "user = \"nobody\"\ngroup = \"daemon\"\ngroups = [\"sys\", \"mail\"]";
    write(&units, "all", command, more);
    write(&units, "numbers", command, "user = \"12345\"\ngroup = \"54321\"");
    let mut manager = start(&units);
    manager.wait_for_log("all ends", |log| log.matches(": died: exit 0").count() == 3);
    let ids = |uid: u32| [uid; 4].map(|id| id.to_string()).join("\t");
    let text = units.text("user");
    assert_eq!((field(&text, "Uid"), field(&text, "Gid")), (ids(NOBODY), ids(NOBODY)));
    for line in ["USER=nobody", "LOGNAME=nobody", "HOME=/nonexistent", "SHELL=/usr/sbin/nologin"] {
        assert!(says(&text, line), "no {line} in:\n{text}");
    }
    let text = units.text("all");
    // daemon, sys and mail are fixed numbers in Debian (base-passwd).
    assert_eq!((field(&text, "Uid"), field(&text, "Gid")), (ids(NOBODY), ids(1)));
    assert_eq!(field(&text, "Groups"), "3 8");
    let text = units.text("numbers");
    assert_eq!((field(&text, "Uid"), field(&text, "Gid")), (ids(12345), ids(54321)));
    assert_eq!(field(&text, "Groups"), "");
}

#[test]
fn an_entity_is_where_its_unit_says() {
    let units = Units::new("place");
    let folder = fs::canonicalize(units.folder()).expect("it is there");
    let more = format!("directory = \"{}\"\numask = \"0027\"", folder.display());
    write(&units, "place", r#"["sh", "-c", "pwd; umask"]"#, &more);
    write(&units, "default", r#"["sh", "-c", "pwd; umask"]"#, "");
    let gone = "directory = \"/nonexistent\"";
    write(&units, "nowhere", r#"["sh", "-c", "pwd"]"#, gone);
    let mut manager = start(&units);
    manager.wait_for_log("all ends", |log| log.matches(": died: exit 0").count() == 2);
    assert_eq!(units.text("place"), format!("{}\n0027\n", folder.display()));
    if skip::is_root("the default directory of root") {
        assert_eq!(units.text("default"), "/\n0022\n");
    }
    let told = "nowhere: could not start: could not change to the directory: \
                No such file or directory (ENOENT)";
    manager.wait_for_log("the error", |log| says(log, told));
}

#[test]
fn variables_come_from_unit_and_files() {
    let units = Units::new("variables");
    let (first, second, absent) = (units.file("one.env"), units.file("two.env"), units.file("no"));
    fs::write(&first, "# a comment\nA=file\nexport B='two words'\n").expect("a file");
    fs::write(&second, "B=later\n").expect("a file");
    let more = format!(
        "environment = {{ A = \"unit\", C = \"unit\", PATH = \"{}:/usr/bin:/bin\" }}\n\
         environment-file = [\"{first}\", \"{second}\", \"-{absent}\"]",
        units.folder().display()
    );
    // The program is found by the PATH of the unit.
    let own = units.file("own-program");
    write_program(&own, "#!/bin/sh\necho \"$A,$B,$C,$HAM_ENTITY\"\n");
    write(&units, "variables", "\"own-program\"", &more);
    let more = format!("environment-file = \"{absent}\"");
    write(&units, "without", "\"sleep 600\"", &more);
    let mut manager = start(&units);
    units.wait_for_text("variables", |text| text == "file,later,unit,variables\n");
    let told = "without: could not start: could not read its environment file: \
                No such file or directory (ENOENT)";
    manager.wait_for_log("the error", |log| says(log, told));
    // They are read again at every start, and output is appended.
    fs::write(&second, "B=changed\n").expect("a file");
    let _ = manager.hamctl(&["start", "variables"]);
    let both = "file,later,unit,variables\nfile,changed,unit,variables\n";
    units.wait_for_text("variables", |text| text == both);
}

#[test]
fn streams_lead_where_the_unit_says() {
    let units = Units::new("streams");
    let (input, out, err) = (units.file("input"), units.file("out"), units.file("err"));
    fs::write(&input, "from the file\n").expect("a file");
    units.write(
        "apart",
        &format!(
            "[entity]\ncommand = [\"sh\", \"-c\", \"cat; echo oops >&2\"]\nrestart = \"no\"\n\
             stdin = {{ file = \"{input}\" }}\nstdout = {{ file = \"{out}\" }}\n\
             stderr = {{ file = \"{err}\" }}\n"
        ),
    );
    let script = "readlink /proc/self/fd/0; echo aside >&2";
    write(&units, "together", &format!("[\"sh\", \"-c\", \"{script}\"]"), "");
    units.write(
        "silent",
        "[entity]\ncommand = [\"sh\", \"-c\", \"echo unheard; echo unseen >&2\"]\n\
         stdout = \"null\"\nstderr = \"null\"\nrestart = \"no\"\n",
    );
    units.write(
        "inherits",
        "[entity]\ncommand = [\"sh\", \"-c\", \"echo heard; echo seen >&2\"]\nrestart = \"no\"\n",
    );
    let mut manager = start(&units);
    manager.wait_for_log("all ends", |log| log.matches(": died: exit 0").count() == 4);
    assert_eq!((units.text("out"), units.text("err")), ("from the file\n".into(), "oops\n".into()));
    assert_eq!(units.text("together"), "/dev/null\naside\n");
    let log = manager.log();
    assert!(says(&log, "heard") && says(&log, "seen"), "{log}");
    assert!(!log.contains("unheard") && !log.contains("unseen"), "{log}");
    let mode = fs::metadata(&out).expect("it is there").permissions().mode();
    assert_eq!(mode & 0o777, 0o640);
    // A second process appends.
    let _ = manager.hamctl(&["start", "apart"]);
    units.wait_for_text("out", |text| text == "from the file\nfrom the file\n");
}

#[test]
fn nothing_of_whoever_started_ham_reaches_an_entity() {
    let units = Units::new("clean");
    write(&units, "status", "\"cat /proc/self/status\"", "");
    write(&units, "stat", "\"cat /proc/self/stat\"", "");
    write(&units, "files", "\"ls -l /proc/self/fd\"", "");
    write(&units, "limit", r#"["sh", "-c", "ulimit -S -n; umask"]"#, "");
    write(&units, "variables", "\"env\"", "");
    // Ignored and blocked signals, an open file, a limit, variables that were
    // meant for ham alone.
    let mut command = Command::new("sh");
    let script = "trap '' HUP PIPE USR1 CHLD; umask 077; ulimit -S -n 300; exec 7</etc/passwd; \
                  exec env --block-signal=USR2 --block-signal=TERM \"$0\" \"$@\"";
    command.args(["-c", script]).arg(ham());
    let foreign = ["NOTIFY_SOCKET", "LISTEN_FDS", "WATCHDOG_USEC", "MAINPID", "HAM_SECRET"];
    for name in foreign {
        command.env(name, "1");
    }
    command.env("MEANT_FOR_ALL", "yes");
    let scratch = Scratch::new("manager");
    let mut manager = Manager::start_by(command, scratch, &units.path(), &["-t", "none"]);
    manager.wait_for_log("all ends", |log| log.matches(": died: exit 0").count() == 5);

    let status = units.text("status");
    for name in ["SigPnd", "ShdPnd", "SigBlk", "SigIgn", "SigCgt"] {
        assert_eq!(field(&status, name), "0000000000000000", "{name}");
    }
    // pid (name) state parent group session (proc_pid_stat(5))
    let stat = units.text("stat");
    let words: Vec<&str> = stat.split(' ').collect();
    assert_eq!((words[4], words[5]), (words[0], words[0]), "no session of its own: {stat}");
    assert_eq!(words[3], manager.pid().to_string(), "no child of the reaper: {stat}");

    let files = units.text("files");
    let numbers: Vec<&str> =
        files.lines().filter_map(|line| line.split_once(" -> ")?.0.rsplit(' ').next()).collect();
    // 3 is the directory that ls has opened itself.
    assert_eq!(numbers, ["0", "1", "2", "3"], "{files}");
    assert_eq!(units.text("limit"), "300\n0022\n");

    let variables = units.text("variables");
    assert!(says(&variables, "MEANT_FOR_ALL=yes"), "{variables}");
    for name in foreign {
        assert!(!variables.contains(&format!("{name}=")), "{variables}");
    }
    assert!(says(&variables, "HAM_ENTITY=variables"), "{variables}");
}

/// Opening one hangs until somebody opens its other end.
fn make_fifo(path: &str) {
    let made = Command::new("mkfifo").arg(path).status().expect("coreutils are there");
    assert!(made.success());
}

/// Two units whose start hangs: `reads` before there is a process, and
/// `writes` after.
fn write_hanging(units: &Units, number: u32, more: &str) {
    let (reads, writes) = (units.file("reads.fifo"), units.file("writes.fifo"));
    let unit = "[entity]\ncommand = \"sleep 600\"";
    let text = format!("{unit}\nenvironment-file = \"{reads}\"\n{more}");
    units.write(&format!("a-reads-{number}"), &text);
    let text = format!("{unit}\nstdout = {{ file = \"{writes}\" }}\n{more}");
    units.write(&format!("b-writes-{number}"), &text);
}

#[test]
fn a_start_that_hangs_holds_up_nobody_else() {
    let units = Units::new("hangs");
    make_fifo(&units.file("reads.fifo"));
    make_fifo(&units.file("writes.fifo"));
    // More than there are spawners in the beginning.
    for number in 0..2 {
        let more = "start-timeout = \"500ms\"\n[[condition]]\non = \"death\"\n\
                    actions = [ { restart = { delays = [\"1h\"] } } ]\n";
        write_hanging(&units, number, more);
    }
    for number in 0..5 {
        let name = format!("z-fine-{number}");
        units.write(&name, "[entity]\ncommand = \"sleep 600\"\nrestart = \"always\"\n");
    }
    let mut manager = start(&units);
    for number in 0..5 {
        manager.wait_for_state(&format!("z-fine-{number}"), "running");
    }
    manager.wait_for_log("the hint", |log| {
        says(log, "ham: the start of a process of a-reads-0 hangs")
    });
    // What hangs with a process is killed when its time is over.
    let late = "did not start within start-timeout";
    let told = |log: &str, names: [&str; 2]| {
        names.iter().all(|name| says(log, &format!("{name}: {late}")))
    };
    manager.wait_for_log("the time-outs", |log| told(log, ["b-writes-0", "b-writes-1"]));
    let entity = manager.wait_for_state("b-writes-0", "backoff");
    assert_eq!(entity["why"], "did not start within start-timeout");
    // Nobody starts what was given up, once the hang is over.
    let fifo = units.file("reads.fifo");
    drop(File::options().read(true).write(true).open(fifo).expect("the fifo"));
    manager.wait_for_log("the other time-outs", |log| told(log, ["a-reads-0", "a-reads-1"]));
    for name in ["a-reads-0", "a-reads-1"] {
        let entity = manager.wait_for_state(name, "backoff");
        assert_eq!(entity["pid"], serde_json::Value::Null);
    }
    assert_eq!(manager.log().matches(": started, pid ").count(), 5, "{}", manager.log());
}

#[test]
fn a_manager_ends_although_a_start_hangs() {
    let units = Units::new("hangs-at-end");
    make_fifo(&units.file("reads.fifo"));
    make_fifo(&units.file("writes.fifo"));
    write_hanging(&units, 0, "restart = \"always\"\n");
    let mut manager = Manager::start(&units.path(), &["-t", "none", "--stop-deadline", "300ms"]);
    manager.wait_for_state("a-reads-0", "starting");
    manager.wait_for_state("b-writes-0", "starting");
    // Monitor, guardian, and the one that hangs between fork and exec.
    wait_until("the process that hangs", || children(manager.pid()).len() == 3);
    let processes = children(manager.pid());
    manager.signal("TERM");
    assert_eq!(manager.wait_for_end().code(), Some(0), "{}", manager.log());
    for pid in processes {
        assert!(!lives(pid), "{pid}: {}", manager.log());
    }
}
