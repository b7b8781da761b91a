//! What lists of actions do to the world: commands, signals with a value,
//! waits for paths, lines in the log, starts and stops of others, and in which
//! order and despite which failures.

use ham_tests::own_units::Units;
use ham_tests::processes::lives;
use ham_tests::programs::Manager;
use std::fs;

const DIES: &str = "[entity]\ncommand = [\"sh\", \"-c\", \"exit 3\"]\n";

fn start(units: &Units) -> Manager {
    Manager::start(&units.path(), &["-t", "none"])
}

/// What the log says of an entity after its death, without stamps.
fn after_death(log: &str, entity: &str) -> Vec<String> {
    let prefix = format!("{entity}: ");
    let own = log.lines().filter_map(|line| line.strip_prefix(&prefix));
    own.skip_while(|line| !line.starts_with("died: ")).skip(1).map(str::to_owned).collect()
}

fn says(log: &str, line: &str) -> bool {
    log.lines().any(|known| known == line)
}

#[test]
fn commands_run_in_order_and_know_what_they_are_about() {
    let units = Units::new("execute");
    let file = units.file("trace");
    let script = "sleep 0.2; echo $1 $2 $3 [$4] [$5] $6; env | grep ^HAM_ | sort";
    units.write(
        "audio@left",
        &format!(
            r#"{DIES}
            stdout = {{ file = "{file}" }}
            [[condition]]
            on = "death"
            [[condition.actions]]
            execute = ["sh", "-c", "{script}", "-", "{{entity}}", "{{condition}}", "{{code}}",
                "{{signal}}", "{{status}}", "{{instance}}"]
            [[condition.actions]]
            log = "after it {{{{of {{entity}}}}}}"
            "#
        ),
    );
    let mut manager = start(&units);
    let end = "audio@left: after it {of audio@left}";
    manager.wait_for_log("the end of the list", |log| says(log, end));
    // The list has gone on only when the command had ended.
    let trace = units.text("trace");
    let pid = manager.log();
    let pid = pid.split("(pid ").nth(1).and_then(|rest| rest.split(')').next()).expect("a pid");
    let first = trace.lines().next().unwrap_or_default();
    assert_eq!(first, "audio@left death 3 [] [exit 3] left", "{trace}");
    for expected in [
        "HAM_ENTITY=audio@left".to_owned(),
        "HAM_CONDITION=death".to_owned(),
        format!("HAM_PID={pid}"),
        "HAM_STATUS=exit 3".to_owned(),
        "HAM_SIGNAL=".to_owned(),
    ] {
        assert!(says(&trace, &expected), "no {expected} in:\n{trace}");
    }
}

#[test]
fn a_placeholder_without_a_value_is_empty() {
    let units = Units::new("empty");
    units.write(
        "gone",
        "[entity]\ncommand = \"/nonexistent/program\"\n[[condition]]\non = \"start-failed\"\n\
         actions = [ { log = \"<{pid}{instance}{code}{signal}{status}>\" } ]\n",
    );
    let mut manager = start(&units);
    manager.wait_for_log("the line", |log| says(log, "gone: <>"));
}

#[test]
fn a_command_that_fails_is_told_and_leads_to_its_on_fail_list() {
    let units = Units::new("fails");
    let file = units.file("trace");
    units.write(
        "unlucky",
        &format!(
            r#"{DIES}
            stdout = {{ file = "{file}" }}
            [[condition]]
            on = "death"
            [[condition.actions]]
            name = "exits"
            execute = ["sh", "-c", "exit 7"]
            on-fail = [ {{ log = "first" }}, {{ execute = ["echo", "second"] }}, {{ log = "third" }} ]
            [[condition.actions]]
            name = "missing"
            execute = ["/nonexistent/program"]
            [[condition.actions]]
            name = "slow"
            execute = {{ command = ["sh", "-c", "echo slow; sleep 600"], timeout = "200ms" }}
            break-on-fail = true
            on-fail = [ {{ log = "too slow" }} ]
            [[condition.actions]]
            log = "never"
            [[condition]]
            name = "next"
            on = "death"
            actions = [ {{ log = "that was all" }} ]
            "#
        ),
    );
    let mut manager = start(&units);
    manager.wait_for_log("the next list", |log| says(log, "unlucky: that was all"));
    let expected = [
        "action death/exits failed: exit 7",
        "first",
        "third",
        "action death/missing failed: could not start: \
         could not execute: No such file or directory (ENOENT)",
        "action death/slow failed: took too long",
        "too slow",
        "that was all",
    ];
    assert_eq!(after_death(&manager.log(), "unlucky"), expected);
    assert_eq!(units.text("trace"), "second\nslow\n");
}

#[test]
fn a_command_out_of_time_leaves_nothing_behind() {
    let units = Units::new("command-tree");
    let file = units.file("pids");
    units.write(
        "unlucky",
        &format!(
            r#"{DIES}
            stdout = {{ file = "{file}" }}
            [[condition]]
            on = "death"
            [[condition.actions]]
            execute = {{ timeout = "500ms", command = ["sh", "-c",
                "echo $$; setsid sh -c 'echo $$; exec sleep 600' & sleep 600"] }}
            [[condition.actions]]
            log = "over"
            "#
        ),
    );
    let mut manager = start(&units);
    manager.wait_for_log("the end of the list", |log| says(log, "unlucky: over"));
    let pids = units.text("pids");
    assert_eq!(pids.lines().count(), 2, "{pids}");
    for pid in pids.lines() {
        assert!(!lives(pid.parse().expect("a pid")), "{pid} lives");
    }
}

#[test]
fn a_signal_arrives_with_its_code_and_value() {
    let units = Units::new("value");
    let probe = env!("CARGO_BIN_EXE_ham-probe");
    let file = units.file("received");
    units.write(
        "mixer",
        &format!(
            "[entity]\ncommand = [\"{probe}\", \"receive\", \"HUP\", \"USR1\", \"USR2\", \"WINCH\"]\n\
             stdout = {{ file = \"{file}\" }}\nrestart = \"always\"\n"
        ),
    );
    let go = units.file("go");
    units.write(
        "audio",
        &format!(
            r#"[entity]
            command = ["sh", "-c", "while [ ! -e {go} ]; do sleep 0.02; done; exit 3"]
            [[condition]]
            on = "death"
            actions = [
                {{ notify-signal = {{ entity = "mixer", signal = "USR1", value = 7 }} }},
                {{ notify-signal = {{ entity = "mixer", signal = "USR2", code = -60, value = -2147483648 }} }},
                {{ notify-signal = {{ entity = "mixer", signal = "HUP", code = -6, value = 1 }} }},
                {{ notify-signal = {{ entity = "mixer", signal = "WINCH", code = 5 }} }},
                {{ name = "dead", notify-signal = {{ signal = "USR2" }} }},
            ]
            "#
        ),
    );
    let mut manager = start(&units);
    units.wait_for_text("received", |text| text == "ready\n");
    fs::write(&go, "").expect("a file");
    // SI_QUEUE is -1 (sigaction(2)); the kernel keeps -6 and all from 0 up for
    // itself. Of several that wait the lowest number is read first.
    let expected = ["HUP -1 1", "USR1 -1 7", "USR2 -60 -2147483648", "WINCH -1 0"];
    units.wait_for_text("received", |text| {
        let mut lines: Vec<&str> = text.lines().skip(1).collect();
        lines.sort_unstable();
        lines == expected
    });
    let why = "audio: action death/dead failed: it has no process";
    manager.wait_for_log("who is dead gets nothing", |log| says(log, why));
}

#[test]
fn a_death_by_a_signal_of_an_action_is_abnormal_and_no_stop() {
    let units = Units::new("told");
    units.write(
        "victim",
        "[entity]\ncommand = \"sleep 600\"\n[[condition]]\non = \"abnormal-death\"\n\
         actions = [ { log = \"abnormal: {status}\" }, { restart = {} }, { log = \"back\" } ]\n",
    );
    units.write(
        "judge",
        "[entity]\ncommand = \"sleep 0.3\"\n[[condition]]\non = \"death\"\n\
         actions = [ { notify-signal = { entity = \"victim\", signal = \"TERM\" } } ]\n",
    );
    let mut manager = start(&units);
    manager.wait_for_log("the death", |log| says(log, "victim: abnormal: signal TERM"));
    manager.wait_for_log("the restart", |log| says(log, "victim: back"));
    assert_eq!(manager.entity("victim")["last_exit"]["abnormal"], true);
}

#[test]
fn a_path_is_waited_for() {
    let units = Units::new("waitfor");
    let (file, deep) = (units.file("socket"), units.file("later/on/socket"));
    let never = units.file("never/at/all");
    units.write(
        "waits",
        &format!(
            r#"{DIES}
            [[condition]]
            on = "death"
            run = "independent"
            actions = [
                {{ log = "begins" }},
                {{ waitfor = {{ path = "{file}", timeout = "1min" }} }},
                {{ log = "file" }},
                {{ waitfor = {{ path = "{deep}", timeout = "1min" }} }},
                {{ log = "directory" }},
                {{ waitfor = "10ms" }},
                {{ log = "pause" }},
            ]
            [[condition]]
            name = "in-vain"
            on = "death"
            run = "independent"
            [[condition.actions]]
            waitfor = {{ path = "{never}", timeout = "300ms" }}
            on-fail = [ {{ log = "given up" }} ]
            "#
        ),
    );
    let mut manager = start(&units);
    manager.wait_for_log("the list", |log| says(log, "waits: begins"));
    manager.wait_for_log("the time-out", |log| says(log, "waits: given up"));
    assert!(!says(&manager.log(), "waits: file"));
    fs::write(&file, "").expect("a file");
    manager.wait_for_log("the file", |log| says(log, "waits: file"));
    assert!(!says(&manager.log(), "waits: directory"));
    for part in ["later", "later/on"] {
        fs::create_dir(units.file(part)).expect("a directory");
    }
    fs::write(&deep, "").expect("a file");
    manager.wait_for_log("the directory", |log| says(log, "waits: directory"));
    manager.wait_for_log("the pause", |log| says(log, "waits: pause"));
    let failed = "waits: action in-vain/waitfor failed: took too long";
    assert!(says(&manager.log(), failed), "{}", manager.log());
}

#[test]
fn a_list_of_its_own_holds_up_no_other() {
    let units = Units::new("classes");
    let never = units.file("never");
    let wait = format!("{{ waitfor = {{ path = \"{never}\", timeout = \"10min\" }} }}");
    let file = units.file("trace");
    units.write(
        "classes",
        &format!(
            r#"{DIES}
            stdout = {{ file = "{file}" }}
            [[condition]]
            name = "alone"
            on = "death"
            run = "independent"
            actions = [ {wait}, {{ log = "alone" }} ]
            [[condition]]
            name = "quick"
            on = "death"
            run = "no-wait"
            actions = [ {{ execute = ["sh", "-c", "echo begun; exec sleep 600"] }},
                {{ log = "quick" }} ]
            [[condition]]
            name = "first"
            on = "death"
            actions = [ {{ log = "first" }}, {wait}, {{ log = "first again" }} ]
            [[condition]]
            name = "second"
            on = "death"
            actions = [ {{ log = "second" }} ]
            "#
        ),
    );
    let mut manager = start(&units);
    for line in ["classes: quick", "classes: first"] {
        manager.wait_for_log(line, |log| says(log, line));
    }
    units.wait_for_text("trace", |text| text == "begun\n");
    // In order: the second waits for the first, and so do those behind a path.
    for line in ["alone", "first again", "second"] {
        assert!(!says(&manager.log(), &format!("classes: {line}")), "{}", manager.log());
    }
    fs::write(&never, "").expect("a file");
    manager.wait_for_log("the rest", |log| {
        ["alone", "first again", "second"].iter().all(|line| says(log, &format!("classes: {line}")))
    });
}

#[test]
fn entities_start_and_stop_each_other() {
    let units = Units::new("others");
    units.write(
        "reserve",
        "[entity]\ncommand = \"sleep 600\"\nstart = \"manual\"\nrestart = \"always\"\n",
    );
    units.write("shed", "[entity]\ncommand = \"sleep 600\"\nrestart = \"always\"\n");
    units.write(
        "main",
        "[entity]\ncommand = \"sleep 0.3\"\n[[condition]]\non = \"death\"\n\
         actions = [ { start = \"reserve\" }, { stop = \"shed\" } ]\n",
    );
    let manager = start(&units);
    manager.wait_for_state("reserve", "running");
    let shed = manager.wait_for_state("shed", "stopped");
    assert_eq!(shed["desired"], "stopped");
    assert_eq!(shed["restarts"], 0);
}

#[test]
fn what_is_not_rearmed_happens_once() {
    let units = Units::new("rearm");
    units.write(
        "twice",
        r#"[entity]
        command = ["sh", "-c", "exit 1"]
        [[condition]]
        on = "death"
        [[condition.actions]]
        log = "each time"
        [[condition.actions]]
        log = "once"
        rearm = false
        [[condition.actions]]
        restart = { delay = "10ms", limit = { count = 2, within = "1h" } }
        [[condition]]
        on = "failure"
        rearm = false
        actions = [ { log = "first failure" } ]
        [[condition]]
        name = "off"
        on = "death"
        enabled = false
        actions = [ { log = "never" } ]
        "#,
    );
    let mut manager = start(&units);
    manager.wait_for_log("the limit", |log| says(log, "twice: restart limit reached, given up"));
    manager.wait_for_log("the last list", |log| log.matches("twice: each time\n").count() == 3);
    let log = manager.log();
    assert_eq!(log.matches("twice: once\n").count(), 1, "{log}");
    assert_eq!(log.matches("twice: first failure\n").count(), 1, "{log}");
    assert!(!says(&log, "twice: never"));
}
