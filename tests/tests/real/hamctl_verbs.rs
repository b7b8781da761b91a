//! `hamctl` against a real manager: what each verb says, in text and in JSON,
//! and the exit code that scripts go by; and a Varlink client that is none of
//! ours.

use ham_tests::executables::copy_program;
use ham_tests::own_units::Units;
use ham_tests::processes::lives;
use ham_tests::programs::{Manager, hamctl, repository};
use ham_tests::skip;
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::process::{Command, Output, Stdio};

const STEADY: &str = "[entity]\ncommand = \"sleep 600\"\nrestart = \"always\"\n";

/// Three that run, one that may be started, one that has failed.
fn start(what: &str) -> (Units, Manager) {
    let units = Units::new(what);
    units.write("audio", &format!("description = \"Audio daemon\"\n{STEADY}"));
    units.write("web-1", STEADY);
    units.write("web-2", STEADY);
    units.write("spare", &format!("{STEADY}start = \"manual\"\n"));
    units.write("broken", "[entity]\ncommand = [\"sh\", \"-c\", \"exit 3\"]\nrestart = \"no\"\n");
    let manager = Manager::start(&units.path(), &["-t", "none"]);
    for name in ["audio", "web-1", "web-2"] {
        manager.wait_for_state(name, "running");
    }
    manager.wait_for_state("broken", "failed");
    (units, manager)
}

/// Runs a verb, which must end with that code; gives output and errors.
fn run(manager: &Manager, words: &[&str], code: i32) -> (String, String) {
    told(&manager.hamctl(words), words, code)
}

fn told(output: &Output, words: &[&str], code: i32) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (out, errors) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(code), "{words:?}\n{out}{errors}");
    // Mistakes in units (1) and on the command line (2) are shown at length.
    let brief = errors.lines().count() <= 1 || [1, 2].contains(&code);
    assert!(brief, "one line for an error: {errors}");
    (out, errors)
}

fn json(manager: &Manager, words: &[&str], code: i32) -> Value {
    let words = [&["--json"], words].concat();
    let (out, _) = run(manager, &words, code);
    serde_json::from_str(&out).unwrap_or_else(|error| panic!("{words:?}: {error}: {out}"))
}

#[test]
fn status_tells_all_or_some() {
    let (_units, manager) = start("status");
    let (out, errors) = run(&manager, &["status"], 0);
    for text in ["audio", "running", "broken", "failed", "exit 3", "spare", "stopped", "reaper"] {
        assert!(out.contains(text), "no {text} in:\n{out}");
    }
    assert_eq!(errors, "");
    assert_eq!(run(&manager, &[], 0).0.lines().count(), out.lines().count());

    let all = json(&manager, &["status"], 0);
    let names = |status: &Value| -> Vec<String> {
        let entities = status["entities"].as_array().expect("a list").iter();
        entities.map(|entity| entity["name"].as_str().unwrap_or_default().to_owned()).collect()
    };
    assert_eq!(names(&all), ["audio", "broken", "spare", "web-1", "web-2"]);
    assert_eq!(all["ham"]["reaper"]["pid"], manager.pid());
    assert_eq!(all["ham"]["monitor"]["pid"], manager.monitor().expect("a monitor"));
    assert_eq!(all["ham"]["plan"]["errors"], json!([]));
    let broken = &all["entities"][1];
    assert_eq!(broken["last_exit"]["code"], 3);
    assert_eq!(broken["last_exit"]["abnormal"], false);
    assert_eq!(broken["why"], "died: exit 3");

    assert_eq!(names(&json(&manager, &["status", "web-?", "a*"], 0)), ["audio", "web-1", "web-2"]);
    run(&manager, &["status", "audio"], 0);
    run(&manager, &["status", "spare"], 3);
    run(&manager, &["status", "broken"], 3);
    run(&manager, &["status", "nothing-*"], 4);
    let (_, errors) = run(&manager, &["status", "audoi"], 4);
    assert_eq!(errors, "hamctl: no entity `audoi`; did you mean `audio`?\n");
}

#[test]
fn list_show_and_questions_for_scripts() {
    let (units, manager) = start("questions");
    let (out, _) = run(&manager, &["list"], 0);
    let rows: Vec<Vec<&str>> = out.lines().map(|line| line.split_whitespace().collect()).collect();
    assert!(rows.contains(&vec!["audio", "running"]), "{out}");
    assert!(rows.contains(&vec!["spare", "stopped"]), "{out}");
    let list = json(&manager, &["list"], 0);
    assert!(list.to_string().contains("\"audio\""), "{list}");

    let (out, _) = run(&manager, &["show", "audio"], 0);
    for text in ["Audio daemon", "sleep 600", "running", &units.file("units/audio.toml")] {
        assert!(out.contains(text), "no {text} in:\n{out}");
    }
    let shown = json(&manager, &["show", "audio"], 0);
    assert_eq!(shown["command"], json!(["sleep", "600"]));
    assert_eq!(shown["conditions"][0]["on"], "death");
    assert_eq!(shown["conditions"][0]["actions"][0]["verb"], "restart");
    run(&manager, &["show", "nobody"], 4);

    assert_eq!(run(&manager, &["is-active", "audio"], 0).0, "running\n");
    assert_eq!(run(&manager, &["is-active", "spare"], 3).0, "stopped\n");
    assert_eq!(run(&manager, &["-q", "is-active", "spare"], 3).0, "");
    assert_eq!(run(&manager, &["is-failed", "broken"], 0).0, "failed\n");
    assert_eq!(run(&manager, &["is-failed", "audio"], 1).0, "running\n");
    run(&manager, &["is-active", "nobody"], 4);
    let answer = json(&manager, &["is-active", "audio"], 0);
    assert_eq!(answer, json!({ "name": "audio", "state": "running" }));
}

#[test]
fn verbs_that_act_say_what_they_did() {
    let (_units, manager) = start("act");
    assert_eq!(run(&manager, &["start", "audio"], 0).0, "audio: already running\n");
    assert_eq!(run(&manager, &["start", "spare"], 0).0, "spare: started\n");
    assert_eq!(run(&manager, &["stop", "web-*"], 0).0, "web-1: stopped\nweb-2: stopped\n");
    assert_eq!(run(&manager, &["stop", "web-1"], 0).0, "web-1: already stopped\n");
    let before = manager.pid_of("audio");
    assert_eq!(run(&manager, &["restart", "audio", "web-2"], 0).0.lines().count(), 2);
    assert!(!lives(before));
    assert_ne!(manager.pid_of("audio"), before);
    assert_eq!(manager.entity("web-2")["state"], "running");

    let outcomes = json(&manager, &["stop", "spare"], 0);
    assert_eq!(
        outcomes,
        json!({ "outcomes":
            [ { "name": "spare", "ok": true, "text": "stopped", "state": "stopped" } ] })
    );
    // One name that is unknown, and nothing is done about the others.
    let (_, errors) = run(&manager, &["stop", "audio", "web3"], 5);
    assert!(errors.contains("no entity `web3`"), "{errors}");
    assert_eq!(manager.entity("audio")["state"], "running");

    assert_eq!(run(&manager, &["kill", "-s", "URG", "audio"], 0).0, "audio: signalled\n");
    let (_, errors) = run(&manager, &["kill", "-s", "KILL", "spare"], 1);
    assert_eq!(errors, "hamctl: spare: it has no process\n");
    run(&manager, &["kill", "-s", "TREM", "audio"], 2);
    run(&manager, &["stop"], 2);
    run(&manager, &["stpo", "audio"], 2);

    run(&manager, &["stop", "--no-wait", "audio"], 0);
    manager.wait_for_state("audio", "stopped");
    assert_eq!(run(&manager, &["-q", "start", "audio"], 0).0, "");
}

#[test]
fn graphs_and_plans_are_told_and_nothing_is_done() {
    let (_units, manager) = start("graph");
    let graph = json(&manager, &["graph"], 0);
    assert_eq!(graph["entities"][0]["name"], "audio");
    assert_eq!(graph["entities"][0]["kind"], "service");
    assert_eq!(graph["entities"][2]["start"], "manual");
    assert!(graph["started_mono_ns"].as_u64().is_some_and(|at| at > 0), "{graph}");
    let (out, _) = run(&manager, &["graph", "web-*"], 0);
    assert!(out.contains("\"web-1\" [shape=\"box\"") && !out.contains("audio"), "{out}");
    assert_eq!(run(&manager, &["list", "--tree", "a*"], 0).0, "audio running\n");
    run(&manager, &["graph", "nobody"], 4);

    let pid = manager.pid_of("audio");
    let plan = json(&manager, &["stop", "--plan", "web-*"], 0);
    assert_eq!(plan, json!({ "stops": ["web-1", "web-2"] }));
    run(&manager, &["stop", "--plan", "nobody"], 4);
    assert_eq!(manager.entity("web-1")["state"], "running");
    assert_eq!(manager.pid_of("audio"), pid);
    let boot = json(&manager, &["boot"], 0);
    assert!(boot["entities"].is_array(), "{boot}");
    run(&manager, &["reload", "nobody"], 5);
}

#[test]
fn check_needs_no_manager_and_finds_every_mistake() {
    let units = Units::new("check");
    units.write("good", STEADY);
    units.write(
        "bad",
        "[entity]\ncomand = \"sleep 600\"\nstart = \"never\"\nstop = { timeout = \"5 parsecs\" }\n\
         umask = 22\n",
    );
    let check = |words: &[&str], input: &str, code: i32| {
        let mut child = Command::new(hamctl())
            .args(words)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .env("HAM_RUNTIME_DIR", units.file("no-manager"))
            .spawn()
            .expect("hamctl can be executed");
        let mut stdin = child.stdin.take().expect("a pipe");
        stdin.write_all(input.as_bytes()).expect("it reads");
        drop(stdin);
        told(&child.wait_with_output().expect("it ends"), words, code)
    };
    let (good, all) = (units.file("units/good.toml"), units.file("units"));
    check(&["check", &good], "", 0);
    let (out, errors) = check(&["check", &all], "", 1);
    let text = out + &errors;
    for mistake in ["comand", "never", "parsecs", "umask"] {
        assert!(text.contains(mistake), "no {mistake} in:\n{text}");
    }
    let (out, _) = check(&["--json", "check", &all], "", 1);
    let report: Value = serde_json::from_str(&out).expect("JSON");
    assert!(report["errors"].as_u64().is_some_and(|errors| errors >= 4), "{report}");
    check(&["check", "-"], STEADY, 0);
    check(&["check", "-"], "[entity", 1);
    // Whereas everything else needs one.
    let (_, errors) = check(&["status"], "", 7);
    assert!(errors.starts_with("hamctl: no manager answers at "), "{errors}");
    check(&["stop", "good"], "", 7);
}

#[test]
fn the_manager_ends_by_either_word_and_with_the_code() {
    let (units, mut manager) = start("shutdown");
    let pid = manager.pid_of("audio");
    let ended = json(&manager, &["shutdown", "--code", "7"], 0);
    assert_eq!(ended, json!({ "reaper": { "pid": manager.pid() }, "ended": true }));
    assert_eq!(manager.wait_for_end().code(), Some(7));
    assert!(!lives(pid));
    run(&manager, &["status"], 7);

    // QNX's word, and its name of the program.
    let link = units.folder().join("hamctrl");
    std::os::unix::fs::symlink(hamctl(), &link).expect("a link");
    let mut manager = Manager::start(&units.path(), &["-t", "none"]);
    manager.wait_for_state("audio", "running");
    let mut command = Command::new(&link);
    command.arg("--runtime-dir").arg(manager.runtime()).arg("-stop");
    let output = command.output().expect("it can be executed");
    let (out, _) = told(&output, &["-stop"], 0);
    assert!(out.contains("has ended"), "{out}");
    assert_eq!(manager.wait_for_end().code(), Some(0));
}

#[test]
fn others_may_look_and_not_touch() {
    let what = "others_may_look_and_not_touch";
    if !skip::is_root(what) {
        return;
    }
    let Some(setpriv) = skip::program("setpriv", what) else { return };
    let (units, manager) = start("others");
    let copy = units.folder().join("hamctl");
    copy_program(hamctl(), &copy);
    let as_nobody = |words: &[&str], code: i32| {
        let output = Command::new(&setpriv)
            .args(["--reuid", "65534", "--regid", "65534", "--clear-groups"])
            .arg(&copy)
            .arg("--runtime-dir")
            .arg(manager.runtime())
            .args(words)
            .output();
        told(&output.expect("setpriv can be executed"), words, code)
    };
    let (out, _) = as_nobody(&["status", "audio"], 0);
    assert!(out.contains("running"), "{out}");
    as_nobody(&["show", "audio"], 0);
    as_nobody(&["graph"], 0);
    assert_eq!(as_nobody(&["stop", "--plan", "audio"], 0).0, "audio\n");
    let (out, _) = as_nobody(&["why", "audio"], 0);
    assert!(out.starts_with("audio is running"), "{out}");
    assert_eq!(as_nobody(&["verbosity"], 0).0, "1\n");
    for (words, method) in [
        (&["stop", "audio"][..], "Stop"),
        (&["start", "spare"], "Start"),
        (&["restart", "audio"], "Restart"),
        (&["reload", "audio"], "Reload"),
        (&["kill", "audio"], "Kill"),
        (&["shutdown"], "Shutdown"),
        (&["verbosity", "2"], "Verbosity"),
    ] {
        let (_, errors) = as_nobody(words, 4);
        assert_eq!(errors, format!("hamctl: user 65534 may not call {method}\n"));
    }
    assert_eq!(manager.entity("audio")["state"], "running");
    assert_eq!(manager.entity("spare")["state"], "stopped");
}

/// A call as bytes; nothing when the manager closes the connection.
fn call(stream: &mut UnixStream, text: &str) -> Option<Value> {
    stream.write_all(text.as_bytes()).ok()?;
    stream.write_all(&[0]).ok()?;
    let mut answer = Vec::new();
    let mut byte = [0];
    while stream.read(&mut byte).ok()? == 1 {
        if byte == [0] {
            return serde_json::from_slice(&answer).ok();
        }
        answer.extend(byte);
    }
    None
}

#[test]
fn the_socket_speaks_varlink_and_survives_nonsense() {
    let (_units, manager) = start("varlink");
    let connect = || UnixStream::connect(manager.runtime().join("control")).expect("a manager");
    let mut stream = connect();
    for (text, expected) in [
        (r#"{"method":"io.ham.Manager.Fly"}"#, "org.varlink.service.MethodNotFound"),
        (r#"{"method":"io.other.Status"}"#, "org.varlink.service.InterfaceNotFound"),
        (r#"{"method":"nothing"}"#, "org.varlink.service.InterfaceNotFound"),
        (
            r#"{"method":"io.ham.Manager.Stop","parameters":{"names":7}}"#,
            "io.ham.Manager.BadParameter",
        ),
        (r#"{"method":"io.ham.Manager.Stop"}"#, "io.ham.Manager.BadParameter"),
        (
            r#"{"method":"io.ham.Manager.Kill","parameters":{"names":["audio"],"signal":65}}"#,
            "io.ham.Manager.BadParameter",
        ),
        (
            r#"{"method":"io.ham.Manager.Show","parameters":{"name":"ham"}}"#,
            "io.ham.Manager.UnknownEntity",
        ),
    ] {
        let answer = call(&mut stream, text).unwrap_or_else(|| panic!("no answer to {text}"));
        assert_eq!(answer["error"], expected, "{text}: {answer}");
    }
    // On the same connection: nothing of that has confused it.
    let answer = call(&mut stream, r#"{"method":"io.ham.Manager.Status"}"#).expect("an answer");
    assert_eq!(answer["parameters"]["ham"]["reaper"]["pid"], manager.pid());
    for nonsense in ["", "{", "[]", "\u{1}\u{2}", "{\"method\":1}"] {
        assert_eq!(call(&mut connect(), nonsense), None, "{nonsense:?}");
    }
    // Two calls at once, one that wants no answer, and a client that goes away.
    let both = "{\"method\":\"io.ham.Manager.Stop\",\"parameters\":{\"names\":[\"web-1\"]},\
                \"oneway\":true}\0{\"method\":\"org.varlink.service.GetInfo\"}";
    let answer = call(&mut stream, both).expect("an answer");
    assert_eq!(answer["parameters"]["product"], "ham");
    manager.wait_for_state("web-1", "stopped");
    let mut gone = connect();
    gone.write_all(b"{\"method\":\"io.ham.Manager.Restart\",\"parameters\":{\"names\":[\"*\"]}}\0")
        .expect("it is written");
    drop(gone);
    manager.wait_for_state("spare", "running");
    assert_eq!(manager.status()["ham"]["takeovers"], 0);
}

#[test]
fn a_foreign_client_understands_the_description() {
    let what = "a_foreign_client_understands_the_description";
    let Some(python) = skip::program("python3", what) else { return };
    let module = Command::new(&python).args(["-c", "import varlink"]).output();
    if !module.is_ok_and(|output| output.status.success()) {
        skip::skipped(what, "python3 has no module varlink");
        return;
    }
    let units = Units::new("foreign");
    // Its heartbeat is not missed as long as any test lasts.
    let rest = "[heartbeat]\ninterval = \"1h\"\n[states]\nbusy = 7\n[[condition]]\nname = \"send\"\n\
                on.raise = { type = 3 }\n\
                actions = [ { notify-pulse = { channel = \"audio/out\", code = 5, value = -7 } } ]\n";
    units.write("audio", &format!("{STEADY}{rest}"));
    let manager = Manager::start(&units.path(), &["-t", "none"]);
    manager.wait_for_state("audio", "running");
    let output = Command::new(python)
        .arg(repository().join("tests/programs/varlink-client.py"))
        .arg(manager.runtime().join("control"))
        .output()
        .expect("python can be executed");
    let (out, _) = told(&output, &["varlink-client.py"], 0);
    let found: Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!(
        found["info"]["interfaces"],
        json!(["org.varlink.service", "io.ham.Manager"]),
        "{found}"
    );
    let members = found["members"].as_array().expect("a list");
    for member in
        ["Status", "Show", "Start", "Stop", "Restart", "Kill", "Shutdown", "History", "Verbosity"]
    {
        assert!(members.contains(&member.into()), "{members:?}");
    }
    assert_eq!(found["status"]["entities"].as_array().map(Vec::len), Some(1), "{found}");
    assert_eq!(found["status"]["entities"][0]["name"], "audio");
    assert_eq!(found["show"]["command"], json!(["sleep", "600"]));
    assert_eq!(found["kill"]["outcomes"][0]["ok"], true);
    assert_eq!(
        found["error"],
        json!({ "name": "io.ham.Manager.UnknownEntity",
            "parameters": { "name": "audoi", "nearest": "audio" } })
    );
    let said = &found["said"];
    let (yes, no) = (json!({ "changed": true }), json!({ "changed": false }));
    for (word, expected) in [
        ("state", &yes),
        ("again", &no),
        ("reported", &json!("busy")),
        ("suspend", &json!({ "before": "active" })),
        ("query", &json!({ "before": "active" })),
        ("resume", &json!({ "before": "suspended" })),
        ("disarm", &yes),
        ("arm", &yes),
        ("waiting", &json!([])),
        ("attach", &yes),
        ("job", &json!([true, 3_600_000_000_000_u64])),
        ("detach", &yes),
        ("attach_self", &yes),
        ("attached", &yes),
        ("me", &json!(true)),
        ("detach_self", &yes),
        ("refused", &json!("exists")),
    ] {
        assert_eq!(&said[word], expected, "{word} of {said}");
    }
    assert_eq!(said["disarmed"]["pulses"], json!([]), "{said}");
    let received = said["received"].as_array().expect("pulses");
    assert_eq!(received.len(), 1, "{said}");
    assert_eq!((&received[0]["code"], &received[0]["value"]), (&json!(5), &json!(-7)), "{said}");
}
