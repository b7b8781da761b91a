//! The end: whoever is left, the summary, the pause.

use super::bed::{Init, Kind, Running, code, namespace, settled, to_the_end};
use ham_tests::own_units::wait_until;
use ham_tests::processes;
use ham_tests::programs::Scratch;
use serde_json::Value;
use std::fs;
use std::process::{Command, Output, Stdio};

/// The line of JSON: the last that was written.
fn summary(output: &Output) -> Value {
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    let line = text.lines().last().unwrap_or_default();
    serde_json::from_str(line).unwrap_or_else(|_| panic!("no summary: {text}"))
}

/// Leaves behind one that ends when it is asked, and one that does not.
const TWO: &str = "(trap 'exit 0' TERM; while :; do sleep 0.02; done) & \
                   (trap '' TERM; while :; do sleep 0.02; done) & sleep 0.1; exit 3";

/// As PID 1 with and without rights, and not.
fn everywhere(options: &[&str], script: &str) -> Vec<Output> {
    let init = Init::ham();
    let mut all = vec![to_the_end(&mut init.command(options, &["sh", "-c", script]))];
    for more in [&[][..], &["--user", "--map-root-user"]] {
        let Some(before) = namespace(more) else { continue };
        let mut command = Command::new(&before[0]);
        command.args(&before[1..]).args(init.words(options)).args(["sh", "-c", script]);
        all.push(to_the_end(command.stdin(Stdio::null())));
    }
    all
}

#[test]
fn those_who_do_not_end_are_killed_when_the_time_is_over() {
    for output in everywhere(&["--wait", "300ms", "--summary"], TWO) {
        assert_eq!(output.status.code(), Some(3));
        let summary = summary(&output);
        assert_eq!((&summary["code"], &summary["exit"]), (&3.into(), &3.into()), "{summary}");
        // It, and perhaps its sleep.
        assert!(matches!(summary["killed"].as_u64(), Some(1 | 2)), "{summary}");
        assert!(summary["duration"].as_f64() >= Some(0.3), "{summary}");
        assert_eq!(summary["allocations"], 0, "{summary}");
        assert_eq!(summary["command"], serde_json::json!(["sh", "-c", TWO]));
    }
}

#[test]
fn those_who_end_are_not_waited_for_longer() {
    let script = "(trap 'exit 0' TERM; while :; do sleep 0.02; done) & sleep 0.1; exit 3";
    // It would not end at all within the patience of this test otherwise.
    for output in everywhere(&["--wait", "infinity", "--summary"], script) {
        assert_eq!(output.status.code(), Some(3));
        assert_eq!(summary(&output)["killed"], 0);
    }
}

#[test]
fn a_second_request_to_end_hurries() {
    let init = Init::ham();
    let scratch = Scratch::new("init");
    let ready = scratch.path().join("ready");
    let script = format!(
        "(trap '' TERM; echo > {0}; while :; do sleep 0.02; done) & \
         while ! test -e {0}; do sleep 0.02; done; exec sleep 60",
        ready.display()
    );
    let words = ["--wait", "infinity", "--summary"];
    let mut command = init.command(&words, &["sh", "-c", &script]);
    let mut running = Running::start(&mut command);
    wait_until("somebody else", || ready.exists());
    running.send("TERM");
    wait_until("the end of the command", || {
        processes::children(running.pid()).iter().all(|pid| {
            let text = fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            !text.starts_with("sleep\u{0}60")
        })
    });
    settled(running.pid());
    running.send("TERM");
    assert_eq!(running.end(), Some(143));
}

#[test]
fn with_no_time_others_are_left_alone() {
    let init = Init::find(Kind::HamAsTini).expect("ham is built");
    let script = "sleep 60 >/dev/null 2>&1 & echo $!; exit 3";
    let output = to_the_end(&mut init.command(&[], &["sh", "-c", script]));
    assert_eq!(output.status.code(), Some(3));
    let other: u32 = String::from_utf8_lossy(&output.stdout).trim().parse().expect("a number");
    assert!(processes::lives(other));
    processes::send("KILL", other);
}

#[test]
fn thousands_of_orphans_take_no_heap() {
    let init = Init::ham();
    // Never more than a few at once.
    let script = "i=0; while test $i -lt 1000; do (true & true &); i=$((i+1)); done";
    let output = to_the_end(&mut init.command(&["--summary"], &["sh", "-c", script]));
    let summary = summary(&output);
    assert_eq!(summary["orphans"], 2_000, "{summary}");
    assert_eq!(summary["allocations"], 0, "{summary}");
}

#[test]
fn what_it_says_holds_up_nothing() {
    // Nobody reads this pipe, and there is room for a part of it only.
    let (reading, writing) = std::io::pipe().expect("a pipe");
    let script = "i=0; while test $i -lt 3000; do (true &); i=$((i+1)); done; exit 3";
    let init = Init::ham();
    let mut command = init.command(&["-w", "-vvv"], &["sh", "-c", script]);
    let mut child = super::bed::Killed(command.stderr(writing).spawn().expect("ham"));
    drop(command);
    let mut ended = None;
    wait_until("its end", || {
        ended = child.0.try_wait().expect("our child");
        ended.is_some()
    });
    assert_eq!(ended.expect("waited for").code(), Some(3));
    drop(reading);
}

#[test]
fn a_pause_reaps_and_ends_all_when_asked() {
    let init = Init::ham();
    let Some(mut command) = init.as_pid_1(&["--pause", "--summary"], &[]) else { return };
    command.stderr(Stdio::piped());
    let mut running = Running::start(&mut command);
    let mut own = None;
    wait_until("a pause", || {
        let of_ham =
            |pid: &u32| super::bed::link(*pid, "exe").is_some_and(|path| path == init.program);
        own = processes::children(running.pid()).into_iter().find(of_ham);
        own.is_some()
    });
    let own = own.expect("waited for");
    settled(own);
    // Somebody comes in from outside, and leaves orphans.
    let Some(nsenter) = ham_tests::skip::program("nsenter", "orphans of a pause") else { return };
    let script = "for i in 1 2 3 4 5; do (sleep 0.05 &); done; (sleep 60 &)";
    let own_text = own.to_string();
    let words = ["--target", &own_text, "--pid", "--user", "--preserve-credentials"];
    let words = &words[..if ham_tests::skip::is_root("as a user") { 3 } else { 5 }];
    let status = Command::new(nsenter).args(words).args(["sh", "-c", script]).status();
    assert!(status.is_ok_and(|status| status.success()));
    wait_until("one left", || processes::children(own).len() == 1);
    processes::send("INT", own);
    assert_eq!(running.end(), Some(0));
    let stderr = running.child.0.stderr.take().expect("piped");
    let text = std::io::read_to_string(stderr).expect("a pipe");
    let summary: Value = serde_json::from_str(text.trim()).expect("a summary");
    assert_eq!((&summary["orphans"], &summary["killed"]), (&6.into(), &0.into()), "{summary}");
    assert_eq!(summary["command"], serde_json::json!([]));
}

#[test]
fn without_rights_it_is_init_too() {
    let Some(before) = namespace(&["--user", "--map-root-user"]) else { return };
    let init = Init::ham();
    let script = "for i in 1 2 3; do (true &); done; test $PPID = 1 && exit 9";
    let mut command = Command::new(&before[0]);
    command.args(&before[1..]).args(init.words(&[])).args(["sh", "-c", script]);
    assert_eq!(code(command.stdin(Stdio::null())), "9");
}
