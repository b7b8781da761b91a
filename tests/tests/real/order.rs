//! Groups of entities: who starts before whom, what becomes of those that need
//! one which is not there, and how all of them end. By what the processes
//! themselves have noted, not by what the manager says of them.

use ham_tests::own_units::{Units, wait_until};
use ham_tests::processes::{lives, send};
use ham_tests::programs::Manager;

/// A service that notes when it begins and when it ends, in one file for all,
/// and is ready a moment after its beginning.
fn noting(units: &Units, name: &str, keys: &str) {
    let (notes, ready) = (units.file("notes"), units.file(&format!("{name}.ready")));
    let script = format!(
        "echo begin {name} >> {notes}; trap 'echo end {name} >> {notes}; exit 0' TERM; \
         sleep 0.05; echo ready {name} >> {notes}; touch {ready}; while :; do sleep 60 & wait; done"
    );
    units.write(
        name,
        &format!(
            "[entity]\ncommand = [\"/bin/sh\", \"-c\", {script:?}]\nrestart = \"on-failure\"\n\
             ready = {{ path = {ready:?} }}\n{keys}\n"
        ),
    );
}

fn place(notes: &str, what: &str) -> usize {
    let found = notes.lines().position(|line| line == what);
    found.unwrap_or_else(|| panic!("no `{what}` in\n{notes}"))
}

fn in_order(notes: &str, all: &[&str]) {
    for pair in all.windows(2) {
        let (first, second) = (place(notes, pair[0]), place(notes, pair[1]));
        assert!(first < second, "{} before {} in\n{notes}", pair[0], pair[1]);
    }
}

fn done(manager: &Manager, words: &[&str]) -> String {
    let output = manager.hamctl(words);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{words:?}: {errors}. The log:\n{}", manager.log());
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn text(entity: &serde_json::Value, key: &str) -> String {
    entity[key].as_str().unwrap_or_default().to_owned()
}

#[test]
fn a_group_starts_in_order_and_ends_in_reverse() {
    let units = Units::new("group");
    noting(&units, "disk", "");
    noting(&units, "db", "requires = [\"disk\"]");
    noting(&units, "web", "requires = [\"db\"]\nwants = [\"cache?\", \"mail\"]");
    noting(&units, "mail", "after = [\"disk\"]");
    units.write("all", "[target]\nrequires = [\"web\"]\n");
    let mut manager = Manager::start(&units.path(), &[]);
    manager.wait_for_state("all", "running");
    let notes = units.text("notes");
    in_order(&notes, &["ready disk", "begin db", "ready db", "begin web", "ready web"]);
    in_order(&notes, &["ready disk", "begin mail", "ready mail", "begin web"]);

    manager.signal("TERM");
    assert_eq!(manager.wait_for_end().code(), Some(0));
    let notes = units.text("notes");
    in_order(&notes, &["end web", "end db", "end disk"]);
    in_order(&notes, &["end web", "end mail", "end disk"]);
}

#[test]
fn what_needs_another_stops_with_it_and_comes_back_with_it() {
    let units = Units::new("stops-with");
    noting(&units, "db", "");
    noting(&units, "web", "requires = [\"db\"]");
    noting(&units, "other", "after = [\"db\"]");
    let manager = Manager::start(&units.path(), &[]);
    manager.wait_for_state("web", "running");
    manager.wait_for_state("other", "running");

    done(&manager, &["stop", "db"]);
    in_order(&units.text("notes"), &["end web", "end db"]);
    let web = manager.wait_for("web", |web| web["state"] == "stopped");
    assert_eq!(text(&web, "why"), "stopped: db was stopped");
    assert_eq!(text(&web, "desired"), "running");
    manager.wait_for_state("other", "running");

    done(&manager, &["start", "db"]);
    let web = manager.wait_for("web", |web| web["state"] == "running");
    assert_eq!(text(&web, "why"), "started again with db");
    assert_eq!(units.text("notes").matches("begin web").count(), 2);
    assert_eq!(units.text("notes").matches("begin other").count(), 1);
}

#[test]
fn a_restart_that_is_pending_is_waited_for() {
    let units = Units::new("pending");
    let (flag, up) = (units.file("works"), units.file("up"));
    units.write(
        "db",
        &format!(
            "[entity]\ncommand = [\"/bin/sh\", \"-c\", \"test -e {flag} && touch {up} && exec sleep 600; exit 1\"]\n\
             ready = {{ path = {up:?} }}\n\
             [[condition]]\non = \"failure\"\n\
             actions = [ {{ restart = {{ delays = [\"100ms\"] }} }} ]\n"
        ),
    );
    noting(&units, "web", "requires = [\"db\"]");
    let manager = Manager::start(&units.path(), &[]);
    manager.wait_for("db", |db| db["restarts"].as_u64() > Some(1));
    let web = manager.wait_for("web", |web| web["state"] == "waiting");
    assert_eq!(web["pid"], serde_json::Value::Null);
    std::fs::write(&flag, "").expect("a file");
    manager.wait_for_state("web", "running");
}

#[test]
fn a_failure_is_named_down_the_chain() {
    let units = Units::new("chain");
    let (flag, up) = (units.file("works"), units.file("up"));
    units.write(
        "db",
        &format!(
            "[entity]\ncommand = [\"/bin/sh\", \"-c\", \"test -e {flag} && touch {up} && exec sleep 600; exit 1\"]\n\
             restart = \"no\"\nready = {{ path = {up:?} }}\n"
        ),
    );
    noting(&units, "app", "requires = [\"db\"]");
    noting(&units, "web", "requires = [\"app\"]");
    let manager = Manager::start(&units.path(), &[]);
    let web = manager.wait_for("web", |web| web["state"] == "failed");
    assert_eq!(text(&web, "why"), "not started: app not started: db failed: exit 1");
    let output = manager.hamctl(&["start", "web"]);
    assert!(!output.status.success());

    std::fs::write(&flag, "").expect("a file");
    // What it needs is started with it.
    done(&manager, &["start", "web"]);
    manager.wait_for_state("db", "running");
    manager.wait_for_state("app", "running");
}

#[test]
fn a_dependency_that_is_restarted_is_outlived_or_followed() {
    let units = Units::new("follows");
    noting(&units, "db", "");
    noting(&units, "keeps", "requires = [\"db\"]");
    noting(&units, "follows", "requires = [\"db\"]\non-dependency-restart = \"restart\"");
    let manager = Manager::start(&units.path(), &[]);
    manager.wait_for_state("keeps", "running");
    manager.wait_for_state("follows", "running");
    let (keeps, follows) = (manager.pid_of("keeps"), manager.pid_of("follows"));
    send("KILL", manager.pid_of("db"));
    manager.wait_for("follows", |entity| entity["state"] == "running" && entity["pid"] != follows);
    assert_eq!(manager.pid_of("keeps"), keeps);
    assert!(lives(keeps));
    let follows = manager.pid_of("follows");
    done(&manager, &["restart", "db"]);
    manager.wait_for("follows", |entity| entity["state"] == "running" && entity["pid"] != follows);
    let notes = units.text("notes");
    let last = |what: &str| notes.lines().rev().position(|line| line == what).expect("noted");
    assert!(last("end follows") > last("end db"), "those that follow end first:\n{notes}");
    assert_eq!(manager.pid_of("keeps"), keeps);
}

#[test]
fn two_that_conflict_are_never_there_at_once() {
    let units = Units::new("conflict");
    noting(&units, "one", "");
    noting(&units, "other", "conflicts = [\"one\"]\nstart = \"manual\"");
    let manager = Manager::start(&units.path(), &[]);
    manager.wait_for_state("one", "running");
    done(&manager, &["start", "other"]);
    in_order(&units.text("notes"), &["end one", "begin other"]);
    let one = manager.wait_for("one", |one| one["state"] == "stopped");
    assert_eq!(text(&one, "why"), "stopped, since other was started");
    done(&manager, &["start", "one"]);
    in_order(&units.text("notes"), &["begin other", "end other"]);
    manager.wait_for_state("other", "stopped");
}

#[test]
fn two_that_conflict_are_not_started_together() {
    let units = Units::new("together");
    noting(&units, "one", "");
    noting(&units, "other", "conflicts = [\"one\"]\nstart = \"manual\"");
    noting(&units, "web", "requires = [\"other\"]\nstart = \"manual\"");
    let manager = Manager::start(&units.path(), &[]);
    manager.wait_for_state("one", "running");
    let one = manager.pid_of("one");
    for verb in ["start", "restart"] {
        let output = manager.hamctl(&[verb, "one", "web"]);
        assert_eq!(output.status.code(), Some(1));
        let errors = String::from_utf8_lossy(&output.stderr);
        let why = "nothing done: one and other conflict, and both would have to be up";
        for name in ["one", "web"] {
            assert!(errors.contains(&format!("{name}: {why}")), "{errors}");
        }
    }
    assert_eq!(manager.pid_of("one"), one);
    manager.wait_for_state("web", "stopped");
    assert!(!units.text("notes").contains("end one"), "{}", units.text("notes"));
    // Each by itself is another matter.
    done(&manager, &["start", "web"]);
    manager.wait_for_state("one", "stopped");
}

#[test]
fn boot_tells_a_wait_for_a_path_from_the_start() {
    let units = Units::new("boot");
    let path = units.file("there");
    noting(&units, "db", "");
    noting(&units, "web", &format!("requires = [\"db\"]\nstart-when = {{ path = {path:?} }}"));
    let manager = Manager::start(&units.path(), &[]);
    manager.wait_for_state("db", "running");
    manager.wait_for("web", |web| text(web, "why").contains(&path));
    let web = || {
        let boot: serde_json::Value =
            serde_json::from_str(&done(&manager, &["--json", "boot"])).expect("JSON");
        let all = boot["entities"].as_array().expect("a list").clone();
        all.into_iter().find(|bar| bar["name"] == "web").expect("an entity")
    };
    let waits = web();
    assert!(waits["gated_ns"].is_u64() && waits["begun_ns"].is_null(), "{waits}");
    // Whoever takes over waits on, and not from then on.
    manager.kill_monitor("KILL");
    std::fs::write(&path, "").expect("a file");
    manager.wait_for_state("web", "running");
    let up = web();
    assert_eq!(up["gated_ns"], waits["gated_ns"]);
    assert_eq!(up["path"], path.as_str());
    assert!(up["begun_ns"].as_u64() > up["gated_ns"].as_u64(), "{up}");
    let shown = done(&manager, &["boot"]);
    assert!(shown.contains(&format!("web (waited for {path} ")), "{shown}");
}

#[test]
fn a_shutdown_cancels_what_has_not_started() {
    let units = Units::new("cancels");
    let never = units.file("never");
    units.write(
        "slow",
        &format!(
            "[entity]\ncommand = \"sleep 600\"\nrestart = \"no\"\nready = {{ path = {never:?} }}\n"
        ),
    );
    noting(&units, "web", "requires = [\"slow\"]");
    units.write(
        "gated",
        &format!(
            "[entity]\ncommand = \"sleep 600\"\nrestart = \"no\"\nstart-when = {{ path = {never:?} }}\n"
        ),
    );
    let mut manager = Manager::start(&units.path(), &[]);
    manager.wait_for_state("slow", "starting");
    manager.wait_for_state("web", "waiting");
    manager.wait_for_state("gated", "waiting");
    manager.signal("TERM");
    assert_eq!(manager.wait_for_end().code(), Some(0));
    assert_eq!(units.text("notes"), "");
}

#[test]
fn a_graph_starts_once_and_in_order_under_a_monitor_that_is_killed() {
    const LAYERS: usize = 5;
    const WIDTH: usize = 6;
    let units = Units::new("graph");
    let name = |layer: usize, place: usize| format!("n{layer}x{place}");
    for layer in 0..LAYERS {
        for place in 0..WIDTH {
            let requires: Vec<String> = if layer == 0 {
                Vec::new()
            } else {
                [place, (place + layer) % WIDTH].iter().map(|at| name(layer - 1, *at)).collect()
            };
            noting(&units, &name(layer, place), &format!("requires = {requires:?}"));
        }
    }
    let mut manager = Manager::start(&units.path(), &[]);
    // One kill whenever something has moved: a monitor that is killed before it
    // has done anything is a crash loop, which is slowed down.
    let (mut seen, mut kills) = (0, 0);
    wait_until("all are up", || {
        let notes = units.text("notes");
        if kills < 20 && notes.len() > seen {
            seen = notes.len();
            manager.kill_monitor("KILL");
            kills += 1;
        }
        notes.matches("ready ").count() == LAYERS * WIDTH
    });
    assert!(kills > 3, "only {kills} monitors were killed");
    let notes = units.text("notes");
    for layer in 1..LAYERS {
        for place in 0..WIDTH {
            let begin = format!("begin {}", name(layer, place));
            assert_eq!(notes.matches(&format!("{begin}\n")).count(), 1, "{notes}");
            for at in [place, (place + layer) % WIDTH] {
                in_order(&notes, &[&format!("ready {}", name(layer - 1, at)), &begin]);
            }
        }
    }
    manager.signal("TERM");
    assert_eq!(manager.wait_for_end().code(), Some(0));
    let notes = units.text("notes");
    for layer in 1..LAYERS {
        for place in 0..WIDTH {
            for at in [place, (place + layer) % WIDTH] {
                let (first, then) = (name(layer, place), name(layer - 1, at));
                in_order(&notes, &[&format!("end {first}"), &format!("end {then}")]);
            }
        }
    }
}
