//! Pulses from the action that sends them to who receives them: they wait, in
//! order, over takeovers and receivers that come and go, and one too many is a
//! failed action.

use crate::varlink::{Client, call};
use ham_tests::own_units::{Units, wait_until};
use ham_tests::programs::{Manager, hamctl};
use ham_tests::skip::skipped;
use serde_json::{Value, json};
use std::fs::File;
use std::process::{Command, Stdio};

/// Sends two pulses into `audio/out` at each reload.
const SENDER: &str = r#"[entity]
command = "sleep infinity"
reload = [
    { notify-pulse = { channel = "audio/out", code = 5, value = -7 } },
    { notify-pulse = { channel = "audio/out", code = -128, value = 2147483647 } },
]
"#;

fn start(what: &str, text: &str) -> (Units, Manager) {
    let units = Units::new(what);
    units.write("audio", text);
    let manager = Manager::start(&units.path(), &["-t", "none", "-vv"]);
    let _ = manager.wait_for("audio", |audio| audio["ready"] == true);
    (units, manager)
}

fn reload(manager: &Manager) {
    let output = manager.hamctl(&["reload", "audio"]);
    assert!(output.status.success(), "{output:?}\n{}", manager.log());
}

/// What `hamctl pulses audio/out` prints and takes away: number, code, value.
fn received(manager: &Manager) -> Vec<(u64, i64, i64)> {
    let output = manager.hamctl(&["--json", "pulses", "audio/out"]);
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).expect("text");
    text.lines().map(|line| numbers(&serde_json::from_str(line).expect("JSON"))).collect()
}

fn numbers(pulse: &Value) -> (u64, i64, i64) {
    assert_eq!(pulse["entity"], "audio");
    let whole = |field: &str| pulse[field].as_i64().expect("a number");
    (pulse["serial"].as_u64().expect("a number"), whole("code"), whole("value"))
}

fn waiting(manager: &Manager) -> u64 {
    let output = manager.hamctl(&["--json", "pulses"]);
    let channels: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let found = channels["channels"].as_array().expect("channels").iter();
    let mut found = found.filter(|channel| channel["name"] == "audio/out");
    found.next().map_or(0, |channel| channel["waiting"].as_u64().expect("a number"))
}

#[test]
fn pulses_wait_for_their_receiver_also_over_a_takeover() {
    let (_units, manager) = start("pulses", SENDER);
    reload(&manager);
    manager.kill_monitor("KILL");
    reload(&manager);
    assert_eq!(waiting(&manager), 4);
    manager.kill_monitor("KILL");
    let (low, high) = ((5, -7), (-128, 2_147_483_647));
    let pulse = |serial, (code, value)| (serial, code, value);
    assert_eq!(received(&manager), [pulse(1, low), pulse(2, high), pulse(3, low), pulse(4, high)]);
    assert_eq!((received(&manager), waiting(&manager)), (vec![], 0));
    // Numbers go on, whoever is the monitor, also when nothing waits.
    manager.kill_monitor("KILL");
    reload(&manager);
    assert_eq!(received(&manager), [pulse(5, low), pulse(6, high)]);
    assert!(
        manager.log().contains("audio: pulse 5 of channel audio/out sent"),
        "{}",
        manager.log()
    );
}

#[test]
fn what_cannot_be_a_channel_is_refused() {
    let (_units, manager) = start("channel", SENDER);
    for name in ["a b", "audio\n", "", "é"] {
        let output = manager.hamctl(&["pulses", name]);
        assert_eq!(output.status.code(), Some(2), "{name:?}: {output:?}");
    }
    assert!(manager.hamctl(&["pulses", "audio/none-yet"]).status.success());
}

#[test]
fn what_was_not_acknowledged_comes_again() {
    let (_units, manager) = start("acknowledged", SENDER);
    let mut client = Client::new(&manager.runtime());
    // Nothing is there: the answer waits.
    client.send(&call("ReceivePulses", &json!({ "channel": "audio/out" })));
    client.send(&call("Pulses", &json!({})));
    wait_until("a receiver", || {
        let output = manager.hamctl(&["pulses"]);
        output.status.success() && !client.is_answered()
    });
    reload(&manager);
    let serials = |answer: &Value| -> Vec<u64> {
        let pulses = answer["parameters"]["pulses"].as_array().expect("pulses").iter();
        pulses.map(|pulse| numbers(pulse).0).collect()
    };
    let answer = client.answer().expect("an answer");
    assert!(!serials(&answer).is_empty(), "{answer}");
    assert!(answer["continues"].is_null(), "{answer}");
    // The call behind it has its turn now.
    let list = client.answer().expect("an answer");
    assert!(list["parameters"]["channels"].is_array(), "{list}");
    wait_until("both", || waiting(&manager) == 2);
    drop(client);
    // That receiver never said that it has them.
    let ask = |parameters: Value| {
        let mut client = Client::new(&manager.runtime());
        client.send(&call("ReceivePulses", &parameters));
        client.answer().expect("an answer")
    };
    let channel = "audio/out";
    let again = ask(json!({ "channel": channel, "at_once": true }));
    assert_eq!(serials(&again), [1, 2]);
    let of = again["parameters"]["manager"].clone();
    // A number of another manager acknowledges nothing.
    let other = json!({ "channel": channel, "after": 1, "manager": "x", "at_once": true });
    assert_eq!(serials(&ask(other)), [1, 2]);
    // Nor one that was never given.
    assert_eq!(serials(&ask(json!({ "channel": channel, "after": 9, "at_once": true }))), [1, 2]);
    let first = json!({ "channel": channel, "after": 1, "manager": of, "at_once": true });
    for _ in 0..2 {
        assert_eq!(serials(&ask(first.clone())), [2]);
    }
    manager.kill_monitor("KILL");
    wait_until("the successor", || waiting(&manager) == 1);
    assert_eq!(serials(&ask(first)), [2]);
}

#[test]
fn a_stream_tells_each_pulse_as_it_comes() {
    let (units, mut manager) = start("stream", SENDER);
    let mut child = Command::new(hamctl())
        .arg("--runtime-dir")
        .arg(manager.runtime())
        .args(["--json", "pulses", "-f", "audio/out"])
        .stdin(Stdio::null())
        .stdout(File::create(units.file("told")).expect("a file"))
        .spawn()
        .expect("hamctl can be executed");
    for round in 1..=3 {
        reload(&manager);
        let expected = round * 2;
        units.wait_for_text("told", |text| text.matches('\n').count() == expected);
        manager.kill_monitor("KILL");
    }
    wait_until("all acknowledged", || waiting(&manager) == 0);
    manager.signal("TERM");
    assert!(manager.wait_for_end().success());
    assert!(child.wait().expect("it is our child").success());
    let told = units.text("told");
    let serial = |line| numbers(&serde_json::from_str(line).expect("JSON")).0;
    let serials: Vec<u64> = told.lines().map(serial).collect();
    assert_eq!(serials, [1, 2, 3, 4, 5, 6]);
}

#[test]
fn one_too_many_is_a_failed_action_and_nothing_is_lost() {
    let unit = r#"[entity]
command = "sleep infinity"
[[entity.reload]]
name = "tell"
notify-pulse = { channel = "audio/out", code = 1 }
break-on-fail = true
on-fail = [ { log = "nobody listens" } ]
"#;
    let (_units, mut manager) = start("full", unit);
    for _ in 0..64 {
        reload(&manager);
    }
    assert!(!manager.hamctl(&["reload", "audio"]).status.success());
    let why =
        "audio: action reload/tell failed: its channel is full, since nobody receives from it";
    manager.wait_for_log("the on-fail list", |log| {
        log.contains(why) && log.contains("audio: nobody listens")
    });
    assert_eq!(waiting(&manager), 64);
    let serials: Vec<u64> = received(&manager).iter().map(|(serial, ..)| *serial).collect();
    assert_eq!(serials, (1..=64).collect::<Vec<u64>>());
    reload(&manager);
    manager.signal("TERM");
    assert!(manager.wait_for_end().success());
    // What goes with the manager is told.
    let log = manager.log();
    assert!(log.contains("1 pulses in audio/out were never received"), "{log}");
}

#[test]
fn an_entity_of_another_user_receives_from_its_own_channels_only() {
    let program = hamctl();
    let reachable = Command::new("setpriv")
        .args(["--reuid", "65534", "--clear-groups"])
        .arg(&program)
        .arg("--version")
        .output();
    if !reachable.is_ok_and(|output| output.status.success()) {
        skipped("pulses of another user", "not root, or nobody can execute hamctl");
        return;
    }
    let units = Units::new("foreign");
    for name in ["own", "other", "where"] {
        let all = std::os::unix::fs::PermissionsExt::from_mode(0o666);
        File::create(units.file(name)).and_then(|file| file.set_permissions(all)).expect("a file");
    }
    let [own, other, place] = ["own", "other", "where"].map(|name| units.file(name));
    let ask = format!("{} --runtime-dir $(cat {place}) pulses", program.display());
    let script = format!(
        "until [ -s {place} ]; do sleep 0.05; done; \
         {ask} audio/out > {own} 2>&1; echo done $? >> {own}; \
         {ask} audio2 > {other} 2>&1; echo done $? >> {other}; exec sleep infinity"
    );
    let unit = format!(
        "[entity]\ncommand = [\"sh\", \"-c\", \"{script}\"]\nuser = \"nobody\"\n\
         [[condition]]\non = \"ready\"\n\
         actions = [ {{ notify-pulse = {{ channel = \"audio/out\", code = 3 }} }} ]\n"
    );
    units.write("audio", &unit);
    let manager = Manager::start(&units.path(), &["-t", "none"]);
    wait_until("the pulse", || {
        manager.runtime().join("control").exists() && waiting(&manager) == 1
    });
    std::fs::write(&place, manager.runtime().display().to_string()).expect("our file");
    let told = units.wait_for_text("own", |text| text.contains("done"));
    assert!(told.contains("audio: pulse 1, code 3, value 0\ndone 0\n"), "{told}");
    let told = units.wait_for_text("other", |text| text.contains("done"));
    assert!(told.contains("ReceivePulses") && !told.contains("done 0"), "{told}");
}
