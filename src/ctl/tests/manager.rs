//! hamctl against a manager that follows a script: requests, text, JSON and
//! exit codes.

mod fake;

use fake::{Fake, Folder, Step, command, hamctl, outcomes, program, status};
use ham_core::wire::{Decided, Graph, Heartbeats, Refusal, Shown};
use serde_json::{Value, json};
use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::process::Stdio;

#[test]
fn status_is_what_is_done_without_a_verb() {
    let answer = || Step::result(&status(2, &[("audio", "running"), ("mixer", "failed")]));
    let fake = Fake::new(vec![answer(), answer()]);
    let without = fake.hamctl(&[]);
    let with = fake.hamctl(&["status", "a*", "mixer"]);
    let expected = "\
ham 0.1.0: reaper 2, monitor 3, guardian 4, 0 takeovers, containment session, 0 plan errors
ENTITY  STATE    PID  UPTIME  RESTARTS  LAST EXIT  WHY
audio   running    -       -         0  -
mixer   failed     -       -         0  -
";
    assert_eq!((without.code, without.out.as_str()), (0, expected), "{}", without.err);
    assert_eq!((with.code, with.out.as_str()), (0, expected), "{}", with.err);
    let requests = fake.requests();
    assert_eq!(requests[0], ("Status".into(), r#"{"names":[],"wait":true}"#.into()));
    assert_eq!(requests[1], ("Status".into(), r#"{"names":["a*","mixer"],"wait":true}"#.into()));
}

#[test]
fn json_is_handed_on_as_the_manager_wrote_it() {
    // A field that this version does not know, and an order of its own.
    let mut text = serde_json::to_string(&status(2, &[("audio", "running")])).unwrap();
    text.insert_str(1, r#""later": {"z": 1, "a": [1.50]}, "#);
    let fake = Fake::new(vec![Step::text(&format!(r#"{{"parameters":{text}}}"#))]);
    let run = fake.hamctl(&["--json"]);
    assert_eq!((run.code, run.out, run.err), (0, format!("{text}\n"), String::new()));
}

/// For a health check there is 0 and 1, whatever the reason.
#[test]
fn healthy_is_told_by_zero_and_one() {
    let healthy = |script: Vec<Step>, words: &[&str]| {
        let fake = Fake::new(script);
        let run = fake.hamctl(words);
        (run.code, run.out, run.err)
    };
    let states = |states: &[(&str, &str)]| vec![Step::result(&status(2, states))];
    let well = states(&[("audio", "running"), ("spare", "stopped")]);
    assert_eq!(healthy(well, &["is-healthy"]), (0, "healthy\n".to_owned(), String::new()));
    let (code, out, _) = healthy(states(&[("audio", "failed")]), &["is-healthy"]);
    assert!(code == 1 && out.starts_with("audio: failed: "), "{out}");
    let (code, out, _) = healthy(states(&[("audio", "failed")]), &["--json", "is-healthy"]);
    let answer: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, &answer["healthy"]), (1, &serde_json::json!(false)));
    assert_eq!(answer["problems"][0]["name"], "audio");
    let (code, _, _) = healthy(states(&[("spare", "stopped")]), &["is-healthy", "spare"]);
    assert_eq!(code, 1, "one that is named is to be up");
    let unknown = Refusal::UnknownEntity { name: "audoi".into(), nearest: None };
    let (code, _, err) = healthy(vec![Step::refusal(&unknown)], &["is-healthy", "audoi"]);
    assert_eq!((code, &*err), (1, "hamctl: no entity `audoi`\n"));
    let nobody = std::env::temp_dir().join("ham-there-is-no-manager");
    let place = nobody.to_string_lossy();
    let (code, _, err) = healthy(vec![], &["--runtime-dir", &place, "is-healthy"]);
    assert!(code == 1 && !err.is_empty(), "{err}");
}

#[test]
fn the_exit_code_tells_the_state_of_one_entity() {
    let unknown = Refusal::UnknownEntity { name: "audoi".into(), nearest: Some("audio".into()) };
    for (verb, state, code) in [
        ("status", "running", 0),
        ("status", "starting", 3),
        ("status", "finished", 3),
        ("status", "failed", 3),
        ("is-active", "running", 0),
        ("is-active", "backoff", 3),
        ("is-failed", "failed", 0),
        ("is-failed", "running", 1),
    ] {
        let mut script = vec![Step::result(&status(2, &[("audio", state)]))];
        if verb == "status" {
            script.push(Step::result(&Graph::default()));
        }
        let fake = Fake::new(script);
        let run = fake.hamctl(&[verb, "audio"]);
        assert_eq!(run.code, code, "{verb} of one that is {state}: {run:?}");
        if verb != "status" {
            assert_eq!(run.out, format!("{state}\n"));
        }
    }
    for verb in ["status", "is-active", "is-failed", "show"] {
        let fake = Fake::new(vec![Step::refusal(&unknown)]);
        let run = fake.hamctl(&[verb, "audoi"]);
        assert_eq!(run.code, 4, "{verb}");
        assert_eq!(run.err, "hamctl: no entity `audoi`; did you mean `audio`?\n");
        assert_eq!(run.out, "");
    }
    for verb in ["start", "stop", "restart", "reload", "kill"] {
        let fake = Fake::new(vec![Step::refusal(&unknown)]);
        assert_eq!(fake.hamctl(&[verb, "audoi"]).code, 5, "{verb}");
    }
    let fake = Fake::new(vec![Step::result(&status(2, &[("audio", "failed")]))]);
    assert_eq!(fake.hamctl(&["status", "a*"]).code, 0, "a pattern is not one entity");
    assert_eq!(fake.hamctl(&["is-active", "a*"]).code, 2);
}

#[test]
fn refusals_have_their_codes() {
    let denied = Refusal::PermissionDenied { method: "Stop".into(), uid: 1000 };
    let fake = Fake::new(vec![Step::refusal(&denied)]);
    let run = fake.hamctl(&["stop", "audio"]);
    assert_eq!((run.code, run.err.as_str()), (4, "hamctl: user 1000 may not call Stop\n"));

    let busy = Refusal::Busy { why: "64 requests are waiting".into() };
    let fake = Fake::new(vec![Step::refusal(&busy)]);
    assert_eq!(fake.hamctl(&["stop", "audio"]).code, 1);

    for (answer, text) in [
        (
            r#"{"error":"org.varlink.service.MethodNotFound","parameters":{"method":"x"}}"#,
            "hamctl: the manager does not know Stop (is it older than this hamctl?)\n",
        ),
        (
            r#"{"error":"org.varlink.service.InvalidParameter","parameters":{"parameter":"wait"}}"#,
            "hamctl: the manager does not take the parameter `wait` of Stop \
             (is it older than this hamctl?)\n",
        ),
        (
            r#"{"error":"io.ham.Manager.Tomorrow","parameters":{"a":1}}"#,
            "hamctl: the manager refused Stop: io.ham.Manager.Tomorrow {\"a\":1}\n",
        ),
    ] {
        let fake = Fake::new(vec![Step::text(answer)]);
        let run = fake.hamctl(&["stop", "audio"]);
        assert_eq!((run.code, run.err.as_str()), (1, text));
    }
    for garbled in ["", "[", r#"{"parameters":{"outcomes":3}}"#] {
        let fake = Fake::new(vec![Step::text(garbled)]);
        let run = fake.hamctl(&["stop", "audio"]);
        assert_eq!(run.code, 1, "{garbled:?}");
        assert!(run.err.starts_with("hamctl: could not read the answer to Stop: "), "{}", run.err);
    }
}

#[test]
fn what_went_wrong_for_one_entity_fails_the_request() {
    let answer = || {
        Step::result(&outcomes(&[("audio", true, "started"), ("mixer", false, "no such program")]))
    };
    let fake = Fake::new(vec![answer(), answer(), answer()]);
    let run = fake.hamctl(&["start", "audio", "mixer"]);
    assert_eq!((run.code, run.out.as_str()), (1, "audio: started\n"));
    assert_eq!(run.err, "hamctl: mixer: no such program\n");

    let run = fake.hamctl(&["start", "--no-wait", "--json", "audio", "mixer"]);
    assert_eq!((run.code, run.err.as_str()), (1, ""));
    let printed: serde_json::Value = serde_json::from_str(&run.out).unwrap();
    assert_eq!(printed["outcomes"][1]["text"], "no such program");

    let run = fake.hamctl(&["-q", "start", "audio", "mixer"]);
    assert_eq!((run.code, run.out.as_str()), (1, ""));

    let requests = fake.requests();
    assert_eq!(requests[0].1, r#"{"names":["audio","mixer"],"wait":true}"#);
    assert_eq!(requests[1].1, r#"{"names":["audio","mixer"],"wait":false}"#);
}

#[test]
fn every_action_calls_its_method() {
    for (arguments, method, parameters) in [
        (vec!["start", "a"], "Start", r#"{"names":["a"],"wait":true}"#),
        (vec!["stop", "a", "--no-wait"], "Stop", r#"{"names":["a"],"wait":false}"#),
        (vec!["restart", "a"], "Restart", r#"{"names":["a"],"wait":true}"#),
        (vec!["reload", "a"], "Reload", r#"{"names":["a"],"wait":true}"#),
        (vec!["kill", "a"], "Kill", r#"{"names":["a"],"signal":15}"#),
        (vec!["kill", "-s", "usr1", "a", "b"], "Kill", r#"{"names":["a","b"],"signal":10}"#),
    ] {
        let fake = Fake::new(vec![Step::result(&outcomes(&[("a", true, "done")]))]);
        let run = fake.hamctl(&arguments);
        assert_eq!((run.code, run.out.as_str()), (0, "a: done\n"), "{}", run.err);
        assert_eq!(fake.requests(), [(method.to_owned(), parameters.to_owned())]);
    }
}

#[test]
fn list_and_show_print_what_they_are_asked_for() {
    let answer = || Step::result(&status(2, &[("audio", "running"), ("mixer", "failed")]));
    let fake = Fake::new(vec![answer(), answer()]);
    assert_eq!(fake.hamctl(&["list"]).out, "audio running\nmixer failed\n");
    let json =
        r#"{"entities":[{"name":"audio","state":"running"},{"name":"mixer","state":"failed"}]}"#;
    assert_eq!(fake.hamctl(&["list", "--json"]).out, format!("{json}\n"));

    let shown = Shown {
        status: status(2, &[("audio", "running")]).entities.remove(0),
        source: "/etc/ham/audio.toml".into(),
        command: vec!["/usr/bin/audiod".into()],
        user: None,
        conditions: Vec::new(),
        running: Vec::new(),
        ..Shown::default()
    };
    let fake = Fake::new(vec![Step::result(&shown), Step::result(&shown)]);
    let run = fake.hamctl(&["show", "audio"]);
    assert!(run.out.contains("\n  command     /usr/bin/audiod\n"), "{}", run.out);
    let json = fake.hamctl(&["show", "audio", "--json"]).out;
    assert_eq!(serde_json::from_str::<Shown>(&json).unwrap(), shown);
    assert_eq!(fake.requests()[0], ("Show".into(), r#"{"name":"audio"}"#.into()));
}

#[test]
fn without_a_manager_there_is_one_clear_line() {
    let folder = Folder::new();
    let run = hamctl(&folder.0, &["status"]);
    let expected = format!(
        "hamctl: no manager answers at {}/control: No such file or directory (os error 2) \
         (is `ham run` running?)\n",
        folder.0.display()
    );
    assert_eq!((run.code, run.err, run.out), (7, expected, String::new()));

    // A socket that nobody listens on any more.
    drop(std::os::unix::net::UnixListener::bind(folder.0.join("control")).unwrap());
    let run = hamctl(&folder.0, &["start", "audio"]);
    assert_eq!(run.code, 7);
    assert!(run.err.contains("Connection refused"), "{}", run.err);
}

#[test]
fn what_is_asked_the_wrong_way_round_is_told_the_right_one() {
    let folder = Folder::new();
    for (arguments, why) in [
        (&["heartbeat", "audio"][..], "then the entity: hamctl heartbeat query audio\n"),
        (&["heartbeat", "audio", "suspend"], "suspend, resume or query comes first"),
        (&["disarm", "--for", "infinity", "audio"], "leave --for out"),
        (&["attach", "audio", "7", "--low", "2"], "--heartbeat"),
        (&["attach", "audio", "7", "--heartbeat", "9ms"], "10ms or more"),
        (&["guard", "audio", "--heartbeat", "infinity", "--", "true"], "10ms or more"),
    ] {
        let run = hamctl(&folder.0, arguments);
        assert_eq!(run.code, 2, "{arguments:?}");
        assert!(run.err.contains(why), "{arguments:?}: {}", run.err);
    }
}

#[test]
fn heartbeats_are_asked_for_in_that_order_and_told_in_json() {
    let before = || Step::result(&Heartbeats { before: "active".into() });
    let fake = Fake::new(vec![before(), before(), before()]);
    assert_eq!(fake.hamctl(&["heartbeat"]).out, "active\n");
    let run = fake.hamctl(&["heartbeat", "suspend", "audio", "--json"]);
    assert_eq!(run.out, "{\"before\":\"active\",\"name\":\"audio\",\"to\":\"suspend\"}\n");
    let run = fake.hamctl(&["--json", "heartbeat", "query"]);
    assert_eq!(run.out, "{\"before\":\"active\",\"name\":null,\"to\":\"query\"}\n");
    let asked: Vec<String> = fake.requests().into_iter().map(|(_, asked)| asked).collect();
    assert_eq!(asked[0], r#"{"name":null,"to":"query"}"#);
    assert_eq!(asked[1], r#"{"name":"audio","to":"suspend"}"#);
}

#[test]
fn what_is_attached_brings_its_heartbeat() {
    let done = || Step::result(&Decided { changed: true });
    let fake = Fake::new(vec![done(), done(), done()]);
    let beats = ["--heartbeat", "100ms", "--low", "0", "--high", "9"];
    assert_eq!(fake.hamctl(&[&["attach", "audio", "7"], &beats[..]].concat()).code, 0);
    assert_eq!(fake.hamctl(&["attach", "audio", "7", "--heartbeat", "1s"]).code, 0);
    let guard = ["guard", "audio", "--heartbeat", "1s", "--low", "3", "--", "true"];
    assert_eq!(fake.hamctl(&guard).code, 0);
    let asked: Vec<Value> = fake
        .requests()
        .iter()
        .map(|(_, asked)| serde_json::from_str::<Value>(asked).unwrap()["heartbeat"].clone())
        .collect();
    let numbers = |interval_ns: u64, low: u32, high: u32| json!({ "interval_ns": interval_ns, "low": low, "high": high });
    let second = 1_000_000_000;
    let expected = [numbers(100_000_000, 0, 9), numbers(second, 2, 5), numbers(second, 3, 5)];
    assert_eq!(asked, expected);
}

#[test]
fn what_is_added_is_one_document() {
    let fake = Fake::new(vec![
        Step::result(&Decided { changed: true }),
        Step::result(&Decided { changed: true }),
    ]);
    let file = fake.folder.0.join("late");
    let one = |name: &str| {
        format!(
            "[[condition]]\nname = \"{name}\"\non = \"death\"\nactions = [ {{ log = \"x\" }} ]\n"
        )
    };
    fs::write(&file, one("a") + &one("b")).unwrap();
    let run = fake.hamctl(&["--json", "add", "audio", &file.display().to_string()]);
    assert_eq!(run.code, 0, "{run:?}");
    let printed: Value = serde_json::from_str(&run.out).unwrap();
    let added = |path: &str| json!({ "path": path, "changed": true });
    assert_eq!(printed, json!({ "added": [added("audio/a"), added("audio/b")] }));
}

#[test]
fn a_wrong_command_line_is_refused() {
    let folder = Folder::new();
    for arguments in [
        &["start"][..],
        &["kill", "-s", "TREM", "audio"],
        &["statsu"],
        &["--json", "-q"],
        &["shutdown", "--code", "256"],
        &["is-active"],
    ] {
        let run = hamctl(&folder.0, arguments);
        assert_eq!(run.code, 2, "{arguments:?}");
        assert!(run.out.is_empty() && !run.err.is_empty(), "{arguments:?}: {run:?}");
    }
    let run = hamctl(&folder.0, &["--version"]);
    assert_eq!((run.code, run.out), (0, format!("hamctl {}\n", env!("CARGO_PKG_VERSION"))));
    let help = hamctl(&folder.0, &["--help"]);
    assert_eq!(help.code, 0);
    assert!(help.out.contains("\nExit codes:\n  0  done as asked"), "{}", help.out);
}

#[test]
fn the_second_name_behaves_the_same() {
    let folder = Folder::new();
    let other = folder.0.join("hamctrl");
    symlink(program(), &other).unwrap();
    let run = command(&other, &["--runtime-dir"]).arg(&folder.0).output().unwrap();
    assert_eq!(run.status.code(), Some(7));
    assert!(String::from_utf8_lossy(&run.stderr).starts_with("hamctrl: no manager answers at "));
    let help = command(&other, &["--help"]).output().unwrap();
    assert!(String::from_utf8_lossy(&help.stdout).contains("Usage: hamctrl "));
}

#[test]
fn a_reader_that_goes_away_is_no_failure_and_a_full_disk_is() {
    let fake = Fake::new(vec![Step::result(&status(2, &[("audio", "running")])); 2]);
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut run = command(program(), &["status"]);
    run.env("HAM_RUNTIME_DIR", &fake.folder.0).stdout(writer).stderr(Stdio::piped());
    let output = run.output().unwrap();
    assert_eq!((output.status.code(), output.stderr), (Some(0), Vec::new()));

    let mut run = command(program(), &["status"]);
    run.env("HAM_RUNTIME_DIR", &fake.folder.0).stdout(File::create("/dev/full").unwrap());
    let output = run.output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(text.starts_with("hamctl: could not write to standard output: "), "{text}");
}

#[test]
fn ones_own_manager_is_found_by_the_variable() {
    let fake = Fake::new(vec![Step::result(&status(2, &[("audio", "running")]))]);
    let base = Folder::new();
    fs::create_dir(base.0.join("x")).unwrap();
    symlink(&fake.folder.0, base.0.join("x/ham")).unwrap();
    let mut run = command(program(), &["--user", "list"]);
    let output = run.env("XDG_RUNTIME_DIR", base.0.join("x")).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "audio running\n");
}
