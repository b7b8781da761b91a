//! Entities that are more than one process that runs on: one-shots, daemons
//! that leave another process behind, and what is done before a start, instead
//! of a stop, and after the end.

use ham_tests::own_units::{Units, wait_until};
use ham_tests::processes::{children, lives, send};
use ham_tests::programs::{Manager, Scratch, ham};
use serde_json::Value;
use std::process::Command;

fn done(manager: &Manager, words: &[&str]) -> String {
    let output = manager.hamctl(words);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{words:?}: {errors}. The log:\n{}", manager.log());
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn refused(manager: &Manager, words: &[&str]) -> String {
    let output = manager.hamctl(words);
    assert!(!output.status.success(), "{words:?} went well");
    let text = [output.stdout, output.stderr].concat();
    String::from_utf8_lossy(&text).into_owned()
}

/// A daemon in the old manner: its command ends when what it has left behind,
/// in a session of its own, has written its process id.
fn daemon(units: &Units, keys: &str) {
    let (pid, log) = (units.file("pid"), units.file("log"));
    let script = format!(
        "setsid sh -c 'echo $$ > {pid}.new; mv {pid}.new {pid}; echo up $$ >> {log}; \
         trap \"echo down >> {log}; rm -f {pid}; exit 0\" TERM; \
         while :; do sleep 60 & wait; done' </dev/null >/dev/null 2>&1 & \
         while ! test -e {pid}; do sleep 0.01; done"
    );
    units.write(
        "daemon",
        &format!(
            "[entity]\ntype = \"forking\"\npid-file = {pid:?}\n\
             command = [\"/bin/sh\", \"-c\", {script:?}]\nrestart = \"on-failure\"\n{keys}\n"
        ),
    );
}

#[test]
fn a_one_shot_comes_before_what_needs_it() {
    let units = Units::new("one-shot");
    let (done_file, notes) = (units.file("migrated"), units.file("notes"));
    units.write(
        "migrate",
        &format!(
            "[entity]\ntype = \"oneshot\"\nremain = true\n\
             command = [\"/bin/sh\", \"-c\", \"sleep 0.2; touch {done_file}; echo ran >> {notes}\"]\n"
        ),
    );
    units.write(
        "web",
        &format!(
            "[entity]\nrequires = [\"migrate\"]\nrestart = \"no\"\n\
             command = [\"/bin/sh\", \"-c\", \"test -e {done_file} && echo good >> {notes}; exec sleep 600\"]\n"
        ),
    );
    let manager = Manager::start(&units.path(), &[]);
    manager.wait_for_state("web", "running");
    units.wait_for_text("notes", |notes| notes == "ran\ngood\n");
    let migrate = manager.wait_for_state("migrate", "finished");
    assert_eq!(migrate["ready"], true);
    assert_eq!(migrate["pid"], serde_json::Value::Null);
    // It remains: started again there is nothing to do.
    done(&manager, &["start", "migrate"]);
    done(&manager, &["restart", "web"]);
    assert_eq!(units.text("notes").matches("ran").count(), 1);
    done(&manager, &["restart", "migrate"]);
    units.wait_for_text("notes", |notes| notes.matches("ran").count() == 2);
}

#[test]
fn a_one_shot_that_fails_is_no_good_to_anybody() {
    let units = Units::new("bad-shot");
    units.write("migrate", "[entity]\ntype = \"oneshot\"\ncommand = \"false\"\n");
    let web = "[entity]\nrequires = \"migrate\"\ncommand = \"sleep 600\"\nrestart = \"no\"\n";
    units.write("web", web);
    let listed = "[entity]\ntype = \"oneshot\"\ncommand = \"false\"\nsuccess-exit = [1]\n";
    units.write("listed", listed);
    let manager = Manager::start(&units.path(), &[]);
    let web = manager.wait_for_state("web", "failed");
    assert_eq!(web["why"], "not started: migrate failed: exit 1");
    manager.wait_for_state("listed", "finished");
    let text = refused(&manager, &["start", "migrate"]);
    assert!(text.contains("exit 1"), "{text}");
}

/// Up, with another process: while it starts, the one that is named may be the
/// one that forks.
fn runs_again(entity: &Value, before: u32) -> bool {
    let other = entity["pid"].as_u64().is_some_and(|pid| pid != u64::from(before));
    other && entity["state"] == "running"
}

#[test]
fn what_a_forking_daemon_leaves_behind_is_the_entity() {
    let units = Units::new("forking");
    daemon(&units, "");
    let mut manager = Manager::start(&units.path(), &[]);
    manager.wait_for_state("daemon", "running");
    let first = manager.pid_of("daemon");
    assert_eq!(units.text("pid").trim(), first.to_string());

    send("KILL", first);
    let back = manager.wait_for("daemon", |entity| runs_again(entity, first));
    assert_eq!(back["last_exit"]["signal"], "KILL");
    let second = manager.pid_of("daemon");

    // Whoever takes over knows it, and sees its end.
    manager.kill_monitor("KILL");
    assert_eq!(manager.pid_of("daemon"), second);
    send("SEGV", second);
    let back = manager.wait_for("daemon", |entity| runs_again(entity, second));
    assert_eq!(back["last_exit"]["signal"], "SEGV");

    done(&manager, &["stop", "daemon"]);
    assert!(units.text("log").ends_with("down\n"), "it was asked: {}", units.text("log"));
    manager.signal("TERM");
    assert_eq!(manager.wait_for_end().code(), Some(0));
}

/// It ends well and leaves a process behind that it does not name: a stop finds
/// nobody who is the daemon, and all that is left is asked, not killed.
#[test]
fn a_stop_asks_what_a_daemon_has_left_when_nobody_is_named() {
    let units = Units::new("unnamed");
    let (pid, log, left) = (units.file("pid"), units.file("log"), units.file("left"));
    let rest = format!(
        "trap \"echo asked >> {log}; exit 0\" TERM; echo $$ > {left}.new; \
         mv {left}.new {left}; while :; do sleep 60 & wait; done"
    );
    let main =
        format!("trap \"exit 0\" USR1; {{ {rest}; }} & while :; do sleep 60 & wait $!; done");
    let script = units.file("main.sh");
    std::fs::write(&script, main).expect("a script");
    let command = format!(
        "rm -f {left}; setsid sh {script} </dev/null >/dev/null 2>&1 & echo $! > {pid}; \
         while ! test -e {left}; do sleep 0.01; done"
    );
    units.write(
        "daemon",
        &format!(
            "[entity]\ntype = \"forking\"\npid-file = {pid:?}\nstart-timeout = \"10s\"\n\
             command = [\"/bin/sh\", \"-c\", {command:?}]\nrestart = \"no\"\n"
        ),
    );
    let manager = Manager::start(&units.path(), &[]);
    // It is looked for during two seconds, which a machine under load may miss.
    for _ in 0..5 {
        manager.wait_for_state("daemon", "running");
        send("USR1", manager.pid_of("daemon"));
        let seen = manager.wait_for("daemon", |entity| entity["pid"].is_null());
        done(&manager, &["stop", "daemon"]);
        if seen["state"] == "running" && units.text("log") == "asked\n" {
            return;
        }
        done(&manager, &["start", "daemon"]);
    }
    panic!("what was left was never asked:\n{}", manager.log());
}

#[test]
fn post_stop_knows_which_process_has_ended() {
    let units = Units::new("which");
    let notes = units.file("notes");
    let note = format!("echo {{pid}} $HAM_PID {{status}} >> {notes}");
    units.write(
        "web",
        &format!(
            "[entity]\ncommand = \"sleep 600\"\nrestart = \"no\"\n\
             post-stop = [ {{ execute = [\"/bin/sh\", \"-c\", {note:?}] }} ]\n"
        ),
    );
    let manager = Manager::start(&units.path(), &[]);
    manager.wait_for_state("web", "running");
    let first = manager.pid_of("web");
    done(&manager, &["stop", "web"]);
    assert_eq!(units.text("notes"), format!("{first} {first} signal TERM\n"));
}

#[test]
fn a_forking_daemon_that_names_nobody_is_a_failed_start() {
    let units = Units::new("names-nobody");
    let pid = units.file("pid");
    // Of somebody else: that is not believed.
    std::fs::write(&pid, format!("{}\n", std::process::id())).expect("a file");
    units.write(
        "daemon",
        &format!(
            "[entity]\ntype = \"forking\"\npid-file = {pid:?}\ncommand = \"true\"\n\
             start-timeout = \"300ms\"\nrestart = \"no\"\n"
        ),
    );
    let missing = units.file("missing");
    units.write(
        "silent",
        &format!(
            "[entity]\ntype = \"forking\"\npid-file = {missing:?}\ncommand = \"true\"\n\
             start-timeout = \"300ms\"\nrestart = \"no\"\n"
        ),
    );
    let mut manager = Manager::start(&units.path(), &["-t", "none"]);
    for name in ["daemon", "silent"] {
        let entity = manager.wait_for_state(name, "failed");
        assert_eq!(entity["why"], "did not start within start-timeout");
    }
    assert!(lives(std::process::id()));
    // Why is told once a start, however often it was looked for.
    let own = std::process::id();
    let refused = format!("daemon: pid-file {pid} names {own}, which is not a process of its own");
    let missed = format!("silent: there is no pid-file {missing}");
    manager.wait_for_log("both reasons", |log| {
        [&refused, &missed].iter().all(|line| log.lines().any(|known| known == *line))
    });
    assert_eq!(manager.log().matches("pid-file").count(), 2, "{}", manager.log());
}

#[test]
fn what_is_done_before_a_start_and_after_the_end() {
    let units = Units::new("around");
    let notes = units.file("notes");
    let note =
        |word: &str| format!("{{ execute = [\"/bin/sh\", \"-c\", \"echo {word} >> {notes}\"] }}");
    units.write(
        "web",
        &format!(
            "[entity]\nrestart = \"on-failure\"\n\
             command = [\"/bin/sh\", \"-c\", \"echo main >> {notes}; exec sleep 600\"]\n\
             pre-start = [ {}, {} ]\npost-stop = [ {} ]\n",
            note("before-1"),
            note("before-2"),
            note("after")
        ),
    );
    let mut manager = Manager::start(&units.path(), &[]);
    manager.wait_for_state("web", "running");
    units.wait_for_text("notes", |notes| notes == "before-1\nbefore-2\nmain\n");
    send("KILL", manager.pid_of("web"));
    let again = "before-1\nbefore-2\nmain\nafter\nbefore-1\nbefore-2\nmain\n";
    units.wait_for_text("notes", |notes| notes == again);
    manager.signal("TERM");
    assert_eq!(manager.wait_for_end().code(), Some(0));
    assert_eq!(units.text("notes"), format!("{again}after\n"));
}

#[test]
fn a_start_whose_preparation_fails_is_tried_again_and_told() {
    let units = Units::new("unprepared");
    let flag = units.file("prepared");
    units.write(
        "web",
        &format!(
            "[entity]\ncommand = \"sleep 600\"\nrestart = \"on-failure\"\n\
             pre-start = [ {{ execute = [\"/usr/bin/test\", \"-e\", {flag:?}] }} ]\n"
        ),
    );
    let manager = Manager::start(&units.path(), &[]);
    manager.wait_for("web", |web| web["attempts"].as_u64() > Some(1));
    let log = manager.log();
    assert!(log.contains("action pre-start/execute failed: exit 1"), "{log}");
    std::fs::write(&flag, "").expect("a file");
    manager.wait_for_state("web", "running");
}

#[test]
fn a_stop_by_command_and_one_that_only_ends_the_main_process() {
    let units = Units::new("stops");
    let (notes, flag) = (units.file("notes"), units.file("flag"));
    units.write(
        "by-command",
        &format!(
            "[entity]\nrestart = \"no\"\n\
             command = [\"/bin/sh\", \"-c\", \"trap '' TERM; while ! test -e {flag}; do sleep 0.02; done\"]\n\
             stop = {{ command = [\"/bin/sh\", \"-c\", \"echo asked {{pid}} >> {notes}; touch {flag}\"] }}\n"
        ),
    );
    units.write(
        "sessions",
        "[entity]\nrestart = \"no\"\nstop = { kill = \"main\" }\n\
         command = [\"/bin/sh\", \"-c\", \"sleep 611 & exec sleep 612\"]\n",
    );
    let mut manager = Manager::start(&units.path(), &[]);
    manager.wait_for_state("by-command", "running");
    manager.wait_for_state("sessions", "running");
    let pid = manager.pid_of("by-command");
    done(&manager, &["stop", "by-command"]);
    assert_eq!(units.text("notes"), format!("asked {pid}\n"));

    let mut session = Vec::new();
    wait_until("its child is there", || {
        session = children(manager.pid_of("sessions"));
        !session.is_empty()
    });
    done(&manager, &["restart", "sessions"]);
    manager.wait_for_state("sessions", "running");
    assert!(session.iter().all(|pid| lives(*pid)), "sessions survive a restart");
    manager.signal("TERM");
    assert_eq!(manager.wait_for_end().code(), Some(0));
    wait_until("but not the end of the manager", || session.iter().all(|pid| !lives(*pid)));
}

#[test]
fn a_reload_does_what_the_unit_says_and_tells_how_it_went() {
    let units = Units::new("reloads");
    let (notes, good) = (units.file("notes"), units.file("good"));
    let trapped = units.file("trapped");
    units.write(
        "web",
        &format!(
            "[entity]\nrestart = \"no\"\n\
             command = [\"/bin/sh\", \"-c\", \"trap 'echo hup >> {notes}' HUP; echo > {trapped}; while :; do sleep 60 & wait; done\"]\n\
             reload = [ {{ name = \"check\", execute = [\"/usr/bin/test\", \"-e\", {good:?}] }}, \
             {{ notify-signal = {{ signal = \"HUP\" }} }} ]\n"
        ),
    );
    units.write("plain", "[entity]\ncommand = \"sleep 600\"\nrestart = \"no\"\n");
    let manager = Manager::start(&units.path(), &[]);
    manager.wait_for_state("web", "running");
    manager.wait_for_state("plain", "running");
    units.wait_for_text("trapped", |text| text == "\n");
    let pid = manager.pid_of("web");
    let text = refused(&manager, &["reload", "web"]);
    let failed =
        format!("web: reload failed: action check (execute /usr/bin/test -e {good}): exit 1");
    assert!(text.contains(&failed), "{text}");
    assert_eq!(units.text("notes"), "");
    std::fs::write(&good, "").expect("a file");
    done(&manager, &["reload", "web"]);
    units.wait_for_text("notes", |notes| notes == "hup\n");
    assert_eq!(manager.pid_of("web"), pid);
    let text = refused(&manager, &["reload", "plain"]);
    assert!(text.contains("no `reload` list"), "{text}");
}

#[test]
fn some_ends_are_not_followed_by_a_restart() {
    let units = Units::new("no-restart");
    let command = |code: u8| format!("command = [\"/bin/sh\", \"-c\", \"exit {code}\"]");
    let keys = "restart = \"always\"\nno-restart-exit = [7, \"USR1\"]\n";
    units.write("seven", &format!("[entity]\n{}\n{keys}", command(7)));
    units.write(
        "usr1",
        &format!("[entity]\ncommand = [\"/bin/sh\", \"-c\", \"kill -USR1 $$\"]\n{keys}"),
    );
    let keys = "restart = \"on-failure\"\nsuccess-exit = [3]\n";
    units.write("three", &format!("[entity]\n{}\n{keys}", command(3)));
    let manager = Manager::start(&units.path(), &[]);
    manager.wait_for_state("seven", "failed");
    manager.wait_for_state("usr1", "failed");
    manager.wait_for_state("three", "finished");
    for name in ["seven", "usr1", "three"] {
        assert_eq!(manager.entity(name)["restarts"], 0, "{name}");
    }
}

/// Without a cgroup.
fn manager(units: &Units) -> Manager {
    let mut command = Command::new(ham());
    command.env("HAM_NO_CGROUP", "1");
    Manager::start_by(command, Scratch::new("manager"), &units.path(), &[])
}

/// As nginx is: in a session of its own, without its first parent, and with
/// nothing left of the environment that it was given.
#[test]
fn a_daemon_that_nothing_ties_to_its_command_is_the_entity_without_a_cgroup() {
    let units = Units::new("unmarked");
    let (pid, log, worker) = (units.file("pid"), units.file("log"), units.file("worker"));
    let sleep = "/bin/sleep 600";
    let script = format!(
        "rm -f {pid}; setsid env -i /bin/sh -c '{sleep} & echo $! > {worker}; \
         echo $$ > {pid}.new; mv {pid}.new {pid}; trap \"echo down >> {log}; exit 0\" TERM; \
         while :; do {sleep} & wait; done' </dev/null >/dev/null 2>&1 & \
         while ! test -e {pid}; do sleep 0.01; done"
    );
    units.write(
        "daemon",
        &format!(
            "[entity]\ntype = \"forking\"\npid-file = {pid:?}\nstart-timeout = \"10s\"\n\
             command = [\"/bin/sh\", \"-c\", {script:?}]\nrestart = \"on-failure\"\n"
        ),
    );
    let read = |name: &str| units.text(name).trim().parse::<u32>().expect("a process");
    let mut manager = manager(&units);
    manager.wait_for_state("daemon", "running");
    let first = manager.pid_of("daemon");
    assert_eq!(first, read("pid"));

    // Its worker has nothing left that tells whose it is, but for its session.
    let left = read("worker");
    assert!(lives(left));
    send("KILL", first);
    manager.wait_for("daemon", |entity| {
        entity["pid"].is_u64() && entity["state"] == "running" && entity["pid"] != first
    });
    assert!(!lives(left), "{}", manager.log());
    let second = manager.pid_of("daemon");
    assert_eq!(second, read("pid"));

    manager.kill_monitor("KILL");
    assert_eq!(manager.pid_of("daemon"), second);
    let left = [second, read("worker")];
    done(&manager, &["stop", "daemon"]);
    assert!(left.iter().all(|pid| !lives(*pid)), "{}", manager.log());
    assert_eq!(units.text("log"), "down\n");
    manager.signal("TERM");
    assert_eq!(manager.wait_for_end().code(), Some(0));
}

#[test]
fn a_process_that_is_marked_as_anothers_is_not_taken() {
    let units = Units::new("marked");
    let (begun, named, pid) = (units.file("begun"), units.file("named"), units.file("pid"));
    let thief =
        format!("touch {begun}; while ! test -s {named}; do sleep 0.01; done; cp {named} {pid}");
    units.write(
        "thief",
        &format!(
            "[entity]\ntype = \"forking\"\npid-file = {pid:?}\nstart-timeout = \"1s\"\n\
             command = [\"/bin/sh\", \"-c\", {thief:?}]\nrestart = \"no\"\n"
        ),
    );
    // A child of the reaper, that has started after the thief.
    let owner = format!(
        "while ! test -e {begun}; do sleep 0.01; done; \
         (setsid sleep 600 & echo $! > {named}); exec sleep 600"
    );
    units.write("owner", &format!("[entity]\ncommand = [\"/bin/sh\", \"-c\", {owner:?}]\n"));
    let manager = manager(&units);
    let thief = manager.wait_for_state("thief", "failed");
    assert!(thief["pid"].is_null(), "{thief}");
    let taken: u32 = units.text("named").trim().parse().expect("a process");
    manager.wait_for_state("owner", "running");
    assert!(lives(taken), "{}", manager.log());
}
