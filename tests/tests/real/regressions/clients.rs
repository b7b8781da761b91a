//! Clients that ask for much, often, or in an unusual way: neither they nor
//! the others nor the monitor come to harm.

use crate::varlink::{Client, call, get_info};
use ham_tests::bare::told;
use ham_tests::executables::copy_program;
use ham_tests::own_units::{SLEEPER, Units};
use ham_tests::programs::{Manager, PATIENCE, Scratch, ham, hamctl};
use ham_tests::skip;
use serde_json::json;
use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Output, Stdio};

/// Takes its time to end.
const SLOW: &str = "[entity]\ncommand = [\"sh\", \"-c\", \"trap 'sleep 1; exit 9' TERM; \
                    while :; do sleep 0.05; done\"]\nrestart = \"always\"\n";

/// A manager of entities that run, the shells among them with their traps set.
fn manager_of(entities: &[(&str, &str)]) -> (Units, Manager) {
    let units = Units::new("clients");
    for (name, text) in entities {
        units.write(name, text);
    }
    let manager = Manager::start(&units.path(), &[]);
    for (name, text) in entities {
        manager.wait_for_state(name, "running");
        let pid = manager.pid_of(name);
        if *text == SLOW {
            ham_tests::own_units::wait_until("a child of it", || {
                !ham_tests::chaos::children(pid).is_empty()
            });
        }
    }
    (units, manager)
}

/// `hamctl`, which is not waited for for ever.
pub(super) fn hamctl_in_time(manager: &Manager, words: &[&str]) -> Output {
    Command::new("timeout")
        .arg(format!("{}s", PATIENCE.as_secs()))
        .arg(hamctl())
        .arg("--runtime-dir")
        .arg(manager.runtime())
        .args(words)
        .stdin(Stdio::null())
        .output()
        .expect("timeout(1) can be executed")
}

#[test]
fn a_call_with_250_000_globs_is_refused() {
    let (_units, manager) = manager_of(&[("a", SLEEPER), ("b", SLEEPER)]);
    let (mut greedy, mut other) =
        (Client::new(&manager.runtime()), Client::new(&manager.runtime()));
    greedy.send(&call("Status", &json!({ "names": vec!["*"; 250_000] })));
    other.send(&get_info());
    assert_eq!(other.answer().expect("an answer")["parameters"]["product"], "ham");
    let refusal = greedy.answer().expect("an answer");
    assert_eq!(refusal["error"], "io.ham.Manager.BadParameter", "{refusal}");
    assert_eq!(refusal["parameters"]["parameter"], "names", "{refusal}");
    // It is still a client like any other.
    greedy.send(&call("Status", &json!({ "names": ["?"] })));
    let status = greedy.answer().expect("an answer");
    assert_eq!(status["parameters"]["entities"].as_array().map(Vec::len), Some(2), "{status}");
}

#[test]
fn a_flood_of_tiny_calls_does_not_starve_others() {
    const CALLS: usize = 40_000;
    const ROUNDS: usize = 5;
    let (_units, manager) = manager_of(&[("a", SLEEPER)]);
    let mut flood = b"{\"method\":\"\",\"oneway\":true}\0".repeat(CALLS);
    flood.extend(get_info());
    // Somebody who is held up here for seconds sees nothing in that round.
    let served_in_between = (0..ROUNDS).any(|_| {
        let mut flooder = Client::new(&manager.runtime());
        let mut other = Client::new(&manager.runtime());
        flooder.send(&flood);
        other.send(&get_info());
        assert_eq!(other.answer().expect("an answer")["parameters"]["product"], "ham");
        let is_over = flooder.is_answered();
        // The flooder gets its due, too.
        assert_eq!(flooder.answer().expect("an answer")["parameters"]["product"], "ham");
        !is_over
    });
    assert!(served_in_between, "others had to wait for the end of the flood");
}

#[test]
fn idle_connections_of_another_user_do_not_shut_root_out() {
    let what = "idle_connections_of_another_user_do_not_shut_root_out";
    if !skip::is_root(what) {
        return;
    }
    let Some(setpriv) = skip::program("setpriv", what) else { return };
    let (_units, manager) = manager_of(&[("a", SLEEPER)]);
    // The tree, and with it the program, may be where only root comes to.
    let place = Scratch::new("public");
    let probe = place.path().join("probe");
    copy_program(env!("CARGO_BIN_EXE_ham-probe"), &probe);
    for path in [place.path(), manager.runtime().parent().expect("its scratch")] {
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("our own");
    }
    let mut crowd = Command::new(setpriv)
        .args(["--reuid", "65534", "--regid", "65534", "--clear-groups"])
        .arg(&probe)
        .args(["connect", "256"])
        .arg(manager.runtime().join("control"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("setpriv can be executed");
    let mut line = String::new();
    let mut lines = BufReader::new(crowd.stdout.take().expect("a pipe"));
    lines.read_line(&mut line).expect("its word");
    if line == "ready\n" {
        for words in [&["status"][..], &["restart", "a"], &["show", "a"]] {
            let output = hamctl_in_time(&manager, words);
            assert!(output.status.success(), "{words:?}: {}", told(&output));
        }
    } else {
        skip::skipped(what, "user 65534 cannot connect here");
    }
    drop(crowd.stdin.take());
    crowd.wait().expect("our own child");
}

#[test]
fn thousands_of_calls_behind_one_that_waits_are_answered_in_order() {
    const CALLS: usize = 3_000;
    let (_units, manager) = manager_of(&[("a", SLEEPER), ("b", SLEEPER), ("slow", SLOW)]);
    let monitor = manager.next_monitor(0);
    let mut client = Client::new(&manager.runtime());
    client.send(&call("Stop", &json!({ "names": ["slow"], "wait": true })));
    let of = |number: usize| ["a", "b", "slow"][number % 3];
    let calls = (0..CALLS).flat_map(|number| call("Stop", &json!({ "names": [of(number)] })));
    client.send(&calls.collect::<Vec<u8>>());
    let expected = std::iter::once("slow").chain((0..CALLS).map(of));
    for (place, name) in expected.enumerate() {
        let answer = client.answer().unwrap_or_else(|| {
            panic!("no answer to call {place}. The log:\n{}", manager.log());
        });
        let outcomes = &answer["parameters"]["outcomes"];
        assert_eq!(outcomes[0]["name"], name, "call {place}: {answer}");
        assert_eq!(outcomes[0]["ok"], true, "call {place}: {answer}");
    }
    let ham = manager.status()["ham"].clone();
    assert_eq!((&ham["monitor"]["pid"], &ham["takeovers"]), (&json!(monitor), &json!(0)));
}

#[test]
fn a_client_that_has_said_all_still_hears_the_answer() {
    let (_units, manager) = manager_of(&[("slow", SLOW)]);
    let mut client = Client::new(&manager.runtime());
    client.send(&call("Stop", &json!({ "names": ["slow"], "wait": true })));
    client.close_for_writing();
    let answer = client.answer().expect("an answer");
    let outcome = &answer["parameters"]["outcomes"][0];
    assert_eq!((&outcome["ok"], &outcome["state"]), (&json!(true), &json!("stopped")), "{answer}");
    assert_eq!(client.answer(), None, "the manager closes, too");
}

/// Anybody may ask, and there are places for few requests: those are for what
/// must have no second effect.
#[test]
fn what_is_only_asked_takes_no_place_of_a_request() {
    let (_units, manager) = manager_of(&[("a", SLEEPER)]);
    let ask = |method, parameters: serde_json::Value| {
        let mut client = Client::new(&manager.runtime());
        client.send(&call(method, &parameters));
        client.answer().expect("an answer")
    };
    let tag = json!({ "client": "0123456789abcdef", "serial": 3 });
    let question = || ask("Heartbeat", json!({ "to": "query", "request": tag }));
    assert_eq!(question()["parameters"]["before"], "active");
    let suspended = ask("Heartbeat", json!({ "to": "suspend", "request": tag }));
    assert_eq!(suspended["parameters"]["before"], "active", "{suspended}");
    assert_eq!(question()["parameters"]["before"], "suspended");
    let again = ask("Heartbeat", json!({ "to": "suspend", "request": tag }));
    assert_eq!(again, suspended);
}

/// Nobody else's number makes a process of an entity of who has it by chance, or
/// by trying long enough.
#[test]
fn who_has_ended_speaks_for_no_later_process_of_its_number() {
    let what = "who_has_ended_speaks_for_no_later_process_of_its_number";
    let (Some(unshare), Some(python)) =
        (skip::program("unshare", what), skip::program("python3", what))
    else {
        return;
    };
    let alone = ["--pid", "--fork", "--mount-proc", "--kill-child=KILL"];
    if skip::kernel() < (6, 5) {
        skip::skipped(what, "the kernel cannot tell (SO_PEERPIDFD)");
        return;
    }
    let probe = "open('/proc/sys/kernel/ns_last_pid', 'w').write('300')";
    let probe = Command::new(&unshare).args(alone).arg(&python).args(["-c", probe]).output();
    if !probe.is_ok_and(|output| output.status.success()) {
        skip::skipped(what, "no PID namespace in which numbers can be chosen");
        return;
    }
    let units = Units::new("handed");
    units.write("web", SLEEPER);
    let scratch = Scratch::new("handed");
    let runtime = scratch.path().join("run");
    fs::create_dir(&runtime).expect("a directory");
    let program = "programs/handed-on.py";
    let program = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(program);
    let output = Command::new(unshare)
        .args(alone)
        .arg(python)
        .arg(program)
        .args([&ham(), &units.path(), &runtime])
        .output()
        .expect("it can be executed");
    let said = String::from_utf8_lossy(&output.stderr);
    let found: serde_json::Value = serde_json::from_slice(&output.stdout).expect(&said);
    assert_eq!(found["maker"], found["web"], "{found}");
    assert_eq!(found["answer"]["error"], "io.ham.Manager.BadParameter", "{found}");
}

/// Any process of an entity may call with any number of a client, and with many.
#[test]
fn a_process_of_an_entity_neither_blocks_nor_forgets_requests_of_root() {
    let what = "a_process_of_an_entity_neither_blocks_nor_forgets_requests_of_root";
    if !skip::is_root(what) {
        return;
    }
    let (units, place) = (Units::new("users"), Scratch::new("users"));
    let probe = place.path().join("probe");
    copy_program(env!("CARGO_BIN_EXE_ham-probe"), &probe);
    let state = |name: &str, state: u32, client: &str, serial: u64| {
        let tag = json!({ "client": client, "serial": serial });
        call("State", &json!({ "name": name, "state": state.to_string(), "request": tag }))
    };
    let number = "0123456789abcdef";
    let mut calls = vec![state("own", 7, number, u64::from(u32::MAX))];
    calls.extend((1..=600).map(|client| state("own", client % 2, &format!("{client:016x}"), 1)));
    let lines = calls.concat().into_iter().map(|byte| if byte == 0 { b'\n' } else { byte });
    fs::write(place.path().join("calls"), lines.collect::<Vec<u8>>()).expect("our own");
    fs::write(place.path().join("answers"), "").expect("our own");
    for (path, mode) in [("", 0o755), ("answers", 0o666)] {
        let mode = fs::Permissions::from_mode(mode);
        fs::set_permissions(place.path().join(path), mode).expect("our own");
    }
    let script = format!(
        "cd {}; until [ -s control ]; do sleep 0.05; done; \
         ./probe call $(cat control) <calls >answers 2>&1; echo end >>answers; exec sleep 600",
        place.path().display()
    );
    units.write(
        "own",
        &format!("[entity]\nuser = \"nobody\"\ncommand = [\"sh\", \"-c\", \"{script}\"]\n"),
    );
    units.write("a", SLEEPER);
    let manager = Manager::start(&units.path(), &["-t", "none"]);
    let runtime = manager.runtime().to_path_buf();
    let parent = runtime.parent().expect("its scratch");
    fs::set_permissions(parent, fs::Permissions::from_mode(0o755)).expect("our own");
    manager.wait_for_state("own", "running");
    let ask = |call: &[u8]| {
        let mut client = Client::new(&manager.runtime());
        client.send(call);
        client.answer().expect("an answer")
    };
    let first = ask(&state("a", 1, number, 1));
    assert_eq!(first["parameters"]["changed"], true, "{first}");
    let socket = runtime.join("control").display().to_string();
    let half = place.path().join("half");
    fs::write(&half, socket)
        .and_then(|()| fs::rename(half, place.path().join("control")))
        .expect("ours");
    let mut told = String::new();
    ham_tests::own_units::wait_until("its calls", || {
        told = fs::read_to_string(place.path().join("answers")).expect("our own");
        told.ends_with("end\n")
    });
    if !told.contains("changed") {
        skip::skipped(what, &format!("nobody cannot call here: {told}"));
        return;
    }
    assert_eq!(told.matches("\"changed\":true").count(), 601, "{told}");
    // A repeat, after 600 others: it has no second effect.
    let other = ask(&call("State", &json!({ "name": "a", "state": "2" })));
    assert_eq!(other["parameters"]["changed"], true, "{other}");
    assert_eq!(ask(&state("a", 1, number, 1)), first);
    let still = ask(&call("State", &json!({ "name": "a", "state": "2" })));
    assert_eq!(still["parameters"]["changed"], false, "{still}");
    let next = ask(&state("a", 3, number, 2));
    assert_eq!(next["parameters"]["changed"], true, "{next}");
}

/// What a directive has done can be the reason why the same words are refused:
/// its repeat, after a takeover or not, is told what the first was told.
#[test]
fn a_directive_is_answered_again_when_what_it_is_about_has_gone() {
    let (_units, manager) = manager_of(&[("a", SLEEPER)]);
    let ask = |method, parameters: serde_json::Value| {
        let mut client = Client::new(&manager.runtime());
        client.send(&call(method, &parameters));
        client.answer().expect("an answer")
    };
    let tag = |serial: u32| json!({ "client": "0123456789abcdef", "serial": serial });
    let detaches = || ask("Detach", json!({ "name": "a", "request": tag(3) }));
    let pid = manager.pid_of("a");
    let detached = detaches();
    assert_eq!(detached["parameters"]["changed"], true, "{detached}");
    let attaches = || ask("Attach", json!({ "name": "a", "pid": pid, "request": tag(4) }));
    let attached = attaches();
    assert_eq!(attached["parameters"]["changed"], true, "{attached}");
    ham_tests::processes::send("KILL", pid);
    // It may be back already, as another.
    manager.wait_for("a", |entity| entity["pid"] != pid);
    manager.kill_monitor("KILL");
    assert_eq!(attaches(), attached);
    let other = ask("Attach", json!({ "name": "a", "pid": pid, "request": tag(5) }));
    assert_eq!(other["error"], "io.ham.Manager.BadParameter", "{other}");
}

/// All that can be asked of what was made at run time: its end takes its name
/// away.
#[test]
fn what_was_made_and_has_gone_answers_its_requests_again() {
    let (_units, manager) = manager_of(&[("a", SLEEPER)]);
    let ask = |method, parameters: serde_json::Value| {
        let mut client = Client::new(&manager.runtime());
        client.send(&call(method, &parameters));
        client.answer().expect("an answer")
    };
    let tag = |serial: u32| json!({ "client": "0123456789abcdef", "serial": serial });
    let stranger = ham_tests::strangers::Stranger::sleeper();
    let pid = stranger.pid();
    let asks = [
        ("State", json!({ "name": "made", "state": "3", "request": tag(11) })),
        (
            "Raise",
            json!({ "name": "made", "kind": 1, "class": 2, "severity": 3, "request": tag(12) }),
        ),
        ("Heartbeat", json!({ "name": "made", "to": "suspend", "request": tag(13) })),
        ("Disarm", json!({ "path": "made", "request": tag(14) })),
        ("Arm", json!({ "path": "made", "request": tag(15) })),
        ("SetFlags", json!({ "path": "made", "add": ["keep-on-death"], "request": tag(16) })),
        ("Remove", json!({ "path": "made", "request": tag(17) })),
    ];
    for (method, parameters) in asks {
        let beat = json!({ "interval_ns": 3_600_000_000_000_u64, "low": 1, "high": 2 });
        let makes = json!({ "name": "made", "pid": pid, "keep_on_death": true, "heartbeat": beat });
        let made = ask("Attach", makes);
        assert_eq!(made["parameters"]["changed"], true, "{made}");
        if method == "Remove" {
            let detached = ask("Detach", json!({ "name": "made" }));
            assert_eq!(detached["parameters"]["changed"], true, "{detached}");
        }
        let first = ask(method, parameters.clone());
        assert_eq!(first.get("error"), None, "{method}: {first}");
        if method != "Remove" {
            ask("Detach", json!({ "name": "made" }));
            let removed = ask("Remove", json!({ "path": "made" }));
            assert_eq!(removed.get("error"), None, "{removed}");
        }
        manager.kill_monitor("KILL");
        assert_eq!(ask(method, parameters.clone()), first, "{method}");
        // One of that name that was made since is another.
        let maker = ham_tests::strangers::Stranger::sleeper();
        ask("Attach", json!({ "name": "made", "pid": maker.pid(), "keep_on_death": true }));
        ask("Detach", json!({ "name": "made" }));
        assert_eq!(ask(method, parameters), first, "{method}");
        let removed = ask("Remove", json!({ "path": "made" }));
        assert_eq!(removed.get("error"), None, "{method}: {removed}");
    }
}

/// The repeat of an attach that is not decided yet is told what the first is,
/// even if its process has ended by then.
#[test]
fn a_repeat_of_what_is_not_decided_waits_for_its_verdict() {
    let units = Units::new("undecided");
    units.write("db", "[entity]\n");
    let manager = Manager::start(&units.path(), &["-t", "none"]);
    manager.wait_for_state("db", "placeholder");
    let mut stranger = ham_tests::strangers::Stranger::sleeper();
    let tag = json!({ "client": "0123456789abcdef", "serial": 3 });
    let attach = json!({ "name": "db", "pid": stranger.pid(), "request": tag });
    // Who decides it is the reaper.
    ham_tests::processes::send("STOP", manager.pid());
    let mut first = Client::new(&manager.runtime());
    first.send(&call("Attach", &attach));
    manager.wait_for_state("db", "starting");
    stranger.end();
    let mut again = Client::new(&manager.runtime());
    again.send(&call("Attach", &attach));
    // It is worked off before what is asked after it.
    manager.wait_for_state("db", "starting");
    ham_tests::processes::send("CONT", manager.pid());
    let verdict = first.answer().expect("an answer");
    assert_eq!(verdict["parameters"]["reason"], "gone", "{verdict}");
    assert_eq!(again.answer(), Some(verdict));
}

#[test]
fn a_request_is_known_by_its_name_and_one_with_an_odd_name_refused() {
    let (_units, manager) = manager_of(&[("a", SLEEPER), ("b", SLEEPER)]);
    let ask = |method, parameters: serde_json::Value| {
        let mut client = Client::new(&manager.runtime());
        client.send(&call(method, &parameters));
        client.answer().expect("an answer")
    };
    let pids = || ["a", "b"].map(|name| manager.pid_of(name));
    let before = pids();
    let tag = json!({ "client": "0123456789abcdef", "serial": 3 });
    let first = ask("Restart", json!({ "names": ["*"], "request": tag }));
    let after = pids();
    assert_ne!((before[0], before[1]), (after[0], after[1]), "{first}");
    let again = ask("Restart", json!({ "names": ["*"], "request": tag }));
    assert_eq!((again, pids()), (first, after));
    for (method, tag) in
        [("Stop", &tag), ("Restart", &json!({ "client": "0123456789ABCDEF", "serial": 2 }))]
    {
        let refused = ask(method, json!({ "names": ["a"], "request": tag }));
        let outcome = &refused["parameters"]["outcomes"][0];
        assert_eq!(outcome["ok"], false, "{refused}");
        let text = "nothing done: the client has used this serial for another request";
        assert_eq!(outcome["text"], text, "{refused}");
    }
    for tag in [
        json!({ "client": "0123456789abcde", "serial": 1 }),
        json!({ "client": "0123456789abcdeg", "serial": 1 }),
        json!({ "client": "0123456789abcdef", "serial": 0 }),
        json!({ "client": "0123456789abcdef" }),
        json!({ "client": 5, "serial": 1 }),
        json!("x"),
    ] {
        for (method, mut parameters) in [
            ("Restart", json!({ "names": ["a"] })),
            ("Kill", json!({ "names": ["a"], "signal": 9 })),
            ("Shutdown", json!({ "code": 3 })),
        ] {
            parameters["request"] = tag.clone();
            let answer = ask(method, parameters);
            assert_eq!(answer["error"], "io.ham.Manager.BadParameter", "{tag}: {answer}");
        }
    }
    let null = ask("Kill", json!({ "names": ["a"], "signal": 23, "request": null }));
    assert_eq!(null["parameters"]["outcomes"][0]["ok"], true, "{null}");
    assert_eq!(pids(), after);
}
