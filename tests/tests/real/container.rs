//! `ham` as the init of a container, point by point as an engine uses one: what it
//! ends with, how long it takes to stop, what comes to its output, what its health
//! check says; with no more rights and file systems than Docker gives.

use ham_tests::container::{Container, How, Image};
use ham_tests::own_units::{Units, wait_until};
use ham_tests::processes::{children, send};
use ham_tests::programs::Manager;
use ham_tests::skip;
use std::fs;

/// A program that ends with that code when it is asked to end.
fn ends_with(code: u8) -> String {
    format!(
        "[entity]\ncommand = [\"sh\", \"-c\", \"trap 'echo asked; exit {code}' TERM; \
         echo ready; while :; do sleep 0.05; done\"]\nrestart = \"no\"\n"
    )
}

fn runs(script: &str, more: &str) -> String {
    format!("[entity]\ncommand = [\"sh\", \"-c\", '''{script}''']\n{more}\n")
}

#[test]
fn main_gives_its_exit_code_and_the_others_are_stopped() {
    let Some(image) = Image::new("container-main") else { return };
    image.unit("helper", &ends_with(0));
    for (script, code) in [("exit 7", 7), ("exit 0", 0), ("kill -SEGV $$", 139)] {
        let script = format!("while [ ! -e /run/go ]; do sleep 0.05; done; {script}");
        image.unit("app", &runs(&script, "restart = \"no\"\nmain = true"));
        let mut container = Container::run(&image, How::default());
        container.wait_for_output("helper: ready\n");
        assert!(container.execute(&["touch", "/run/go"]).status.success());
        assert_eq!(container.wait().code(), Some(code), "{}", container.log());
        let said = format!("app: has ended, and so does ham, with exit code {code}\n");
        assert!(container.log().contains(&said), "{}", container.log());
        assert!(container.output().contains("helper: asked\n"), "{}", container.output());
    }
    image.unit("app", "[entity]\ncommand = \"/bin/none\"\nrestart = \"no\"\nmain = true\n");
    let mut container = Container::run(&image, How::default());
    assert_eq!(container.wait().code(), Some(127), "{}", container.log());
}

/// What has been decided is in the state before anybody is asked to stop.
#[test]
fn a_monitor_that_is_killed_on_the_way_down_changes_no_exit_code() {
    let units = Units::new("way-down");
    let (ready, go) = (units.file("ready"), units.file("go"));
    let app = format!("while [ ! -e {ready} ]; do sleep 0.05; done; exit 7");
    units.write("app", &runs(&app, "restart = \"no\"\nmain = true"));
    let slow = format!("trap '' TERM; touch {ready}; while [ ! -e {go} ]; do sleep 0.05; done");
    units.write("slow", &runs(&slow, "restart = \"no\"\nstop.timeout = \"1h\""));
    let options = ["-t", "none", "--stop-deadline", "1h"];
    let mut manager = Manager::start(&units.path(), &options);
    manager.wait_for_log("its end", |log| log.contains("app: has ended, and so does ham"));
    manager.wait_for_log("the way down", |log| log.contains("slow: stopping, signal TERM"));
    manager.kill_monitor("KILL");
    manager.wait_for_log("a takeover", |log| log.contains("has taken over after"));
    fs::write(go, "").expect("a file");
    assert_eq!(manager.wait_for_end().code(), Some(7), "{}", manager.log());
}

/// Who stops a container that ends by itself gives those in it no less time.
#[test]
fn the_first_signal_after_the_end_of_main_hurries_nobody() {
    let units = Units::new("first-signal");
    let (ready, go) = (units.file("ready"), units.file("go"));
    let app = format!("while [ ! -e {ready} ]; do sleep 0.05; done; exit 7");
    units.write("app", &runs(&app, "restart = \"no\"\nmain = true"));
    let slow = format!("trap '' TERM; touch {ready}; while [ ! -e {go} ]; do sleep 0.05; done");
    units.write("slow", &runs(&slow, "restart = \"no\"\nstop.timeout = \"1h\""));
    let options = ["-t", "none", "--stop-deadline", "1h"];
    let mut manager = Manager::start(&units.path(), &options);
    manager.wait_for_log("the way down", |log| log.contains("slow: stopping, signal TERM"));
    manager.signal("TERM");
    manager.wait_for_log("the first", |log| log.contains("ham: shutting down\n"));
    // A successor knows how many there were.
    manager.kill_monitor("KILL");
    manager.wait_for_log("a takeover", |log| log.contains("has taken over after"));
    assert!(!manager.log().contains("shutting down now"), "{}", manager.log());
    manager.signal("TERM");
    assert_eq!(manager.wait_for_end().code(), Some(7), "{}", manager.log());
    let log = manager.log();
    assert!(
        log.contains("shutting down now") && log.contains("slow: stopped: signal KILL"),
        "{log}"
    );
}

#[test]
fn it_ends_when_all_have_ended_with_the_code_of_the_first_that_has_failed() {
    let Some(image) = Image::new("container-all") else { return };
    image.unit("job", &runs("echo done", "type = \"oneshot\""));
    image.unit("last", &runs("sleep 0.2; echo last", "restart = \"no\""));
    image.unit("spare", &runs("sleep 600", "start = \"manual\"\nrestart = \"no\""));
    let mut container = Container::run(&image, How::default());
    assert_eq!(container.wait().code(), Some(0), "{}", container.log());
    assert!(container.output().contains("job: done\n"), "{}", container.output());

    image.unit("fails", &runs("exit 9", "type = \"oneshot\""));
    let mut container = Container::run(&image, How::default());
    assert_eq!(container.wait().code(), Some(9), "{}", container.log());
    assert!(container.output().contains("last: last\n"), "{}", container.output());

    // What comes back does not end it, and what somebody has stopped neither.
    fs::remove_file(image.file("etc/ham/last.toml")).expect("a unit");
    image.unit("back", &runs("sleep 0.05", "restart = \"always\""));
    let mut container = Container::run(&image, How::default());
    container.wait_for_log("back: restarted");
    assert!(container.execute(&["hamctl", "stop", "back"]).status.success());
    let status = container.execute(&["hamctl", "is-active", "back"]);
    assert_eq!(String::from_utf8_lossy(&status.stdout), "stopped\n");
    assert_eq!(container.stop().expect("in time").code(), Some(0));
}

#[test]
fn an_engine_stops_it_by_each_signal_and_learns_how_main_took_it() {
    let Some(image) = Image::new("container-stop") else { return };
    image.unit("helper", &ends_with(5));
    for (signal, code) in [("TERM", 0), ("INT", 3), ("PWR", 0), ("RTMIN+3", 3)] {
        image.unit("app", &(ends_with(code) + "main = true\n"));
        let mut container = Container::run(&image, How::default());
        container.wait_for_output("app: ready\n");
        container.wait_for_output("helper: ready\n");
        container.signal(signal);
        assert_eq!(container.wait().code(), Some(i32::from(code)), "{}", container.log());
        assert!(container.output().contains("app: asked\n"), "{}", container.output());
    }
}

#[test]
fn who_does_not_end_is_killed_before_the_engine_kills_all() {
    let Some(image) = Image::new("container-deadline") else { return };
    let stubborn = "trap '' TERM; echo ready; while :; do sleep 0.05; done";
    image.unit("app", &runs(stubborn, "restart = \"no\"\nmain = true\nstop.timeout = \"1h\""));
    let mut container = Container::run(&image, How::default());
    container.wait_for_output("app: ready\n");
    // By the deadline of a shutdown, 8 seconds.
    let ended = container.stop();
    assert_eq!(ended.and_then(|status| status.code()), Some(137), "{}", container.log());

    // Ctrl-C twice.
    let mut container = Container::run(&image, How::default());
    container.wait_for_output("app: ready\n");
    container.signal("INT");
    container.wait_for_log("ham: shutting down\n");
    container.signal("INT");
    assert_eq!(container.wait().code(), Some(137), "{}", container.log());
    assert!(container.log().contains("ham: shutting down now\n"), "{}", container.log());
}

#[test]
fn lines_are_named_or_json_and_a_unit_may_say_otherwise() {
    let Some(image) = Image::new("container-lines") else { return };
    image.unit("app", &runs("echo out; echo err >&2; sleep 0.1", "type = \"oneshot\""));
    image.unit("raw", &runs("echo raw", "type = \"oneshot\"\nstdout = \"inherit\""));
    let mut container =
        Container::run(&image, How { command: &["/usr/bin/ham", "-t", "none"], ..How::default() });
    assert_eq!(container.wait().code(), Some(0), "{}", container.log());
    let output = container.output();
    let mut lines: Vec<&str> = output.lines().collect();
    lines.sort_unstable();
    assert_eq!(lines, ["app: err", "app: out", "raw"]);

    fs::remove_file(image.file("etc/ham/raw.toml")).expect("a unit");
    let command = ["/usr/bin/ham", "run", "--log-format", "json"];
    let mut container = Container::run(&image, How { command: &command, ..How::default() });
    assert_eq!(container.wait().code(), Some(0), "{}", container.log());
    let of = |text: &str| -> Vec<(String, String, String)> {
        let line = |line: &str| -> serde_json::Value {
            serde_json::from_str(line).unwrap_or_else(|why| panic!("{line}: {why}"))
        };
        let word =
            |line: &serde_json::Value, key: &str| line[key].as_str().unwrap_or("").to_owned();
        let lines = text.lines().map(line);
        lines
            .map(|line| (word(&line, "entity"), word(&line, "stream"), word(&line, "text")))
            .collect()
    };
    let mut said = of(&container.output());
    said.sort();
    let line = |stream: &str, text: &str| ("app".to_owned(), stream.to_owned(), text.to_owned());
    assert_eq!(said, [line("stderr", "err"), line("stdout", "out")]);
    assert!(
        of(&container.log()).iter().any(|(entity, stream, _)| entity == "app" && stream == "log")
    );
}

#[test]
fn a_health_check_is_answered_by_zero_and_one() {
    let Some(image) = Image::new("container-health") else { return };
    image.unit("app", &(ends_with(0) + "main = true\n"));
    let needs = "while [ ! -e /run/fail ]; do sleep 0.05; done; exit 1";
    image.unit("helper", &runs(needs, "restart = \"no\""));
    let mut container = Container::run(&image, How::default());
    container.wait_for_output("app: ready\n");
    let check = |container: &Container| container.execute(&["hamctl", "is-healthy"]).status.code();
    wait_until("a healthy container", || check(&container) == Some(0));
    assert!(container.execute(&["touch", "/run/fail"]).status.success());
    container.wait_for_log("helper: died: exit 1");
    let output = container.execute(&["hamctl", "is-healthy"]);
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.code() == Some(1) && said.starts_with("helper: failed: "), "{said}");
    assert_eq!(container.execute(&["hamctl", "is-healthy", "app"]).status.code(), Some(0));
    assert!(container.execute(&["hamctl", "stop", "app"]).status.success());
    assert_eq!(container.execute(&["hamctl", "is-healthy", "app"]).status.code(), Some(1));
    assert_eq!(container.stop().expect("in time").code(), Some(0));
}

/// What ham gets by with, and that it says so; a takeover there is as anywhere.
#[test]
fn a_read_only_root_without_rights_is_enough() {
    let Some(image) = Image::new("container-bare") else { return };
    let app = "touch /here && echo written; ls /sys /dev/shm; \
               ( setsid sleep 600 & ) ; echo GREETING=$GREETING; \
               trap 'exit 0' TERM; echo ready; while :; do sleep 0.05; done";
    image.unit("app", &runs(app, "restart = \"always\"\nmain = true"));
    let before = image.listing();
    for (in_memory, powerless) in [(true, false), (false, false), (true, true)] {
        let environment = &[("GREETING", "hello")][..];
        let how = How { environment, in_memory, powerless, ..How::default() };
        let mut container = Container::run(&image, how);
        container.wait_for_output("app: ready\n");
        // What is given to the container is given to what runs in it.
        container.wait_for_output("app: GREETING=hello\n");
        let output = container.output();
        assert!(!output.contains("written"), "{output}");
        assert!(output.contains("/here: Read-only file system"), "{output}");
        assert!(output.contains("/dev/shm: No such file"), "{output}");
        let log = container.log();
        assert!(log.contains("ham: clone3 is refused here"), "{log}");
        assert!(log.contains("ham: no cgroup ("), "{log}");
        assert_eq!(log.contains("the state is in anonymous memory"), !in_memory, "{log}");
        let status = container.execute(&["cat", "/proc/1/status"]);
        let status = String::from_utf8_lossy(&status.stdout).into_owned();
        let capabilities = if powerless { 0 } else { 0xa804_25fb_u64 };
        assert!(status.contains(&format!("CapEff:\t{capabilities:016x}\n")), "{status}");
        assert!(status.contains("Seccomp:\t2\n"), "{status}");

        let init = container.init();
        let named = |name: &str| {
            let of =
                |pid: &u32| fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
            children(init).into_iter().find(|pid| of(pid) == format!("{name}\n"))
        };
        let monitor = named("ham-monitor").expect("a monitor");
        send("KILL", monitor);
        container.wait_for_log("has taken over after");
        let kill = container.execute(&["hamctl", "kill", "-s", "KILL", "app"]);
        assert!(kill.status.success(), "{}", String::from_utf8_lossy(&kill.stderr));
        container.wait_for_log("app: restarted");
        wait_until("it runs again", || container.output().matches("app: ready\n").count() == 2);
        // Of what it had left behind nothing is there any more but the new one's.
        let zombies = || {
            let text = container.execute(&["sh", "-c", "cat /proc/[0-9]*/stat"]);
            String::from_utf8_lossy(&text.stdout).matches(") Z ").count()
        };
        wait_until("no zombie is left", || zombies() == 0);
        assert_eq!(container.stop().expect("in time").code(), Some(0), "{}", container.log());
    }
    assert_eq!(image.listing(), before, "written outside of /run");
}

/// As with `USER` in a Dockerfile.
#[test]
fn a_container_of_another_user_than_root_works_too() {
    let what = "container-user";
    let Some(image) = Image::new(what) else { return };
    if !skip::is_root(what) {
        return;
    }
    image.unit("app", &runs("id -u; exit 4", "restart = \"no\"\nmain = true"));
    let command = ["/usr/bin/ham", "--units", "/etc/ham"];
    let how = How { command: &command, user: Some(1234), ..How::default() };
    let mut container = Container::run(&image, how);
    assert_eq!(container.wait().code(), Some(4), "{}", container.log());
    assert!(container.output().contains("app: 1234\n"), "{}", container.output());
}

/// Who is process 1 of a machine is no container, and neither is a manager
/// beside others; both can be told that they are.
#[test]
fn beside_others_it_is_no_container_unless_told() {
    let units = Units::new("beside");
    units.write("job", "[entity]\ntype = \"oneshot\"\ncommand = \"echo hello\"\n");
    let mut manager = Manager::start(&units.path(), &["-t", "none", "--container", "yes"]);
    assert_eq!(manager.wait_for_end().code(), Some(0), "{}", manager.log());
    let log = manager.log();
    assert!(log.contains("job: hello\n"), "{log}");
    assert!(log.contains("job: has ended as all others have"), "{log}");

    let mut manager = Manager::start(&units.path(), &["-t", "none"]);
    manager.wait_for_state("job", "finished");
    manager.wait_for_log("its output", |log| log.lines().any(|line| line == "hello"));
    // What is gone when it has ended cannot be what all is there for.
    fs::write(units.file("late"), "[entity]\ncommand = \"true\"\nrestart = \"no\"\nmain = true\n")
        .expect("a text");
    let refused = manager.hamctl(&["add", "late", &units.file("late")]);
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && said.contains("cannot be `main`"), "{said}");
    manager.signal("TERM");
    assert_eq!(manager.wait_for_end().code(), Some(0), "{}", manager.log());
}
