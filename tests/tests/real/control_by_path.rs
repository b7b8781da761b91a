//! What is changed of entities at run time, by path: arm, disarm, flags, add,
//! remove, `show --toml`; also over takeovers, and by processes of an entity.

use ham_tests::executables::copy_program;
use ham_tests::own_units::Units;
use ham_tests::processes::send;
use ham_tests::programs::{Manager, hamctl};
use ham_tests::skip::is_root;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::process::Output;

/// Runs until it is killed, and comes back.
const AUDIO: &str = r#"
[entity]
command = ["sleep", "1000"]
[[condition]]
on = "death"
actions = [ { restart = { first = "0s" } }, { name = "say", log = "audio died" } ]
"#;

fn start(units: &Units) -> Manager {
    Manager::start(&units.path(), &["-t", "none"])
}

fn said(output: &Output) -> String {
    let both = [&output.stdout, &output.stderr];
    both.iter().map(|text| String::from_utf8_lossy(text).into_owned()).collect()
}

/// Runs hamctl; it must go well.
fn done(manager: &Manager, words: &[&str]) -> String {
    let output = manager.hamctl(words);
    assert!(output.status.success(), "{words:?}: {}", said(&output));
    said(&output)
}

/// Runs hamctl; it must be refused.
fn refused(manager: &Manager, words: &[&str]) -> String {
    let output = manager.hamctl(words);
    assert!(!output.status.success(), "{words:?}: {}", said(&output));
    said(&output)
}

fn count(manager: &Manager, line: &str) -> usize {
    manager.log().lines().filter(|known| *known == line).count()
}

/// Kills the process of `audio` and waits for its successor.
fn kill_and_wait(manager: &Manager) {
    let before = manager.pid_of("audio");
    send("KILL", before);
    manager.wait_for("audio", |entity| {
        entity["state"] == "running" && entity["pid"].as_u64() != Some(u64::from(before))
    });
}

#[test]
fn what_is_disarmed_is_not_done_until_it_is_armed() {
    let units = Units::new("disarm");
    units.write("audio", AUDIO);
    let mut manager = start(&units);
    manager.wait_for_state("audio", "running");
    done(&manager, &["disarm", "audio/death/say"]);
    assert!(done(&manager, &["status"]).contains("disarmed: audio/death/say"));
    manager.kill_monitor("KILL");
    kill_and_wait(&manager);
    assert!(done(&manager, &["arm", "audio/death/say"]).contains("armed"));
    assert!(done(&manager, &["arm", "audio/death/say"]).contains("already so"));
    kill_and_wait(&manager);
    manager.wait_for_log("the line", |log| log.lines().any(|line| line == "audio: audio died"));
    assert_eq!(count(&manager, "audio: audio died"), 1);
    assert!(!done(&manager, &["status"]).contains("disarmed:"));
    // Everything about it: it is not even restarted.
    done(&manager, &["disarm", "audio"]);
    send("KILL", manager.pid_of("audio"));
    manager.wait_for_state("audio", "failed");
    assert!(refused(&manager, &["disarm", "audio/deth"]).contains("no item `audio/deth`"));
}

#[test]
fn what_is_disarmed_for_a_time_is_armed_again_also_by_a_successor() {
    let units = Units::new("for");
    units.write("audio", AUDIO);
    let mut manager = start(&units);
    manager.wait_for_state("audio", "running");
    done(&manager, &["disarm", "--recursive", "--for", "300ms", "audio/death"]);
    manager.kill_monitor("KILL");
    manager.wait_for_log("all three", |log| {
        ["death", "death/restart", "death/say"]
            .iter()
            .all(|item| log.lines().any(|line| line == format!("audio: {item} is armed")))
    });
    assert!(!done(&manager, &["status"]).contains("disarmed:"));
    kill_and_wait(&manager);
    manager.wait_for_log("the line", |log| log.lines().any(|line| line == "audio: audio died"));
}

#[test]
fn what_is_added_is_done_and_survives_a_takeover() {
    let units = Units::new("add");
    units.write("audio", AUDIO);
    units.write(
        "late.txt",
        "[[condition]]\nname = \"late\"\non = \"death\"\n\
                 actions = [ { log = \"late {status}\" } ]\n",
    );
    units.write("more.txt", "name = \"more\"\nlog = \"more\"\n");
    units.write("wrong.txt", "lug = \"more\"\n");
    units.write("nobody.txt", "start = \"nobody\"\n");
    let folder = units.path();
    let file = |name: &str| folder.join(format!("{name}.toml")).display().to_string();
    let mut manager = start(&units);
    manager.wait_for_state("audio", "running");
    done(&manager, &["add", "audio", &file("late.txt")]);
    done(&manager, &["add", "audio/death", &file("more.txt")]);
    assert!(refused(&manager, &["add", "audio/death", &file("more.txt")]).contains("already"));
    assert!(refused(&manager, &["add", "audio/death", &file("wrong.txt")]).contains("lug"));
    let nobody = refused(&manager, &["add", "audio/death", &file("nobody.txt")]);
    assert!(nobody.contains("names an entity that does not exist"), "{nobody}");
    manager.kill_monitor("KILL");
    let toml = done(&manager, &["show", "--toml", "audio"]);
    assert!(
        toml.contains("# made at run time\n[[condition]]\non = \"death\"\nname = \"late\""),
        "{toml}"
    );
    assert!(toml.contains("# made at run time\n[[condition.actions]]\nlog = \"more\""), "{toml}");
    kill_and_wait(&manager);
    manager.wait_for_log("both lines", |log| {
        let has = |text: &str| log.lines().any(|line| line == text);
        has("audio: late signal KILL") && has("audio: more")
    });
    let entity: serde_json::Value =
        serde_json::from_str(&done(&manager, &["--json", "show", "audio"])).expect("JSON");
    let run_time: Vec<&str> = entity["run_time"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|path| path.as_str())
        .collect();
    assert_eq!(run_time, ["audio/death/more", "audio/late", "audio/late/log"]);
    done(&manager, &["remove", "audio/late"]);
    done(&manager, &["remove", "audio/death/more"]);
    assert!(refused(&manager, &["remove", "audio/death/say"]).contains("unit's file"));
    assert!(!done(&manager, &["show", "--toml", "audio"]).contains("run time"));
}

#[test]
fn flags_can_be_looked_at_and_changed() {
    let units = Units::new("flags");
    units.write("audio", AUDIO);
    let manager = start(&units);
    manager.wait_for_state("audio", "running");
    let say = "audio/death/say";
    assert_eq!(done(&manager, &["flags", say]), "rearm keep-on-fail\n");
    assert_eq!(
        done(&manager, &["flags", say, "-rearm", "+break-on-fail"]),
        "break-on-fail keep-on-fail\n"
    );
    manager.kill_monitor("KILL");
    assert_eq!(done(&manager, &["flags", say]), "break-on-fail keep-on-fail\n");
    assert!(refused(&manager, &["flags", say, "+do-now"]).contains("when an action is added"));
    assert!(refused(&manager, &["flags", say, "+no-wait"]).contains("no such flag"));
    assert!(refused(&manager, &["flags", say, "rearm"]).contains("+FLAG"));
    assert_eq!(
        done(&manager, &["flags", "audio/death", "+no-wait"]),
        "rearm no-wait keep-on-empty\n"
    );
    let both = refused(&manager, &["flags", "audio/death", "+independent"]);
    assert!(both.contains("either independent or no-wait"), "{both}");
}

#[test]
fn an_entity_made_at_run_time_is_supervised_and_goes_when_it_has_died() {
    let units = Units::new("made");
    units.write("audio", AUDIO);
    let folder = units.folder().to_owned();
    let write = |name: &str, text: &str| {
        let path = folder.join(name);
        std::fs::write(&path, text).expect("the folder of the test");
        path.display().to_string()
    };
    let mortal = write("mortal", "[entity]\ncommand = [\"sleep\", \"1000\"]\nrestart = \"no\"\n");
    let keeps = write("keeps", "[entity]\ncommand = [\"sleep\", \"1000\"]\nrestart = \"always\"\n");
    let mut manager = start(&units);
    manager.wait_for_state("audio", "running");
    done(&manager, &["add", "mortal", &mortal]);
    done(&manager, &["add", "zebra", &keeps]);
    manager.wait_for_state("mortal", "running");
    let first = manager.wait_for_state("zebra", "running")["pid"].clone();
    assert!(refused(&manager, &["add", "audio", &keeps]).contains("already"));
    manager.kill_monitor("KILL");
    assert_eq!(manager.wait_for_state("zebra", "running")["pid"], first);
    send("KILL", manager.pid_of("zebra"));
    manager.wait_for("zebra", |entity| entity["state"] == "running" && entity["pid"] != first);
    send("KILL", manager.pid_of("mortal"));
    manager.wait_for_log("its end", |log| {
        log.lines().any(|line| line == "mortal: removed: it was made at run time, and is over")
    });
    assert!(refused(&manager, &["show", "mortal"]).contains("mortal"));
    assert!(refused(&manager, &["remove", "zebra"]).contains("still runs"));
    done(&manager, &["stop", "zebra"]);
    done(&manager, &["remove", "zebra"]);
    let all = done(&manager, &["list"]);
    assert!(!all.contains("zebra") && all.contains("audio"), "{all}");
}

#[test]
fn an_action_that_is_to_be_done_now_is() {
    let units = Units::new("now");
    units.write("audio", AUDIO);
    let file = units.folder().join("action");
    let trace = units.file("trace");
    let text =
        format!("name = \"mark\"\nexecute = [\"sh\", \"-c\", \"echo {{entity}} >> {trace}\"]\n");
    std::fs::write(&file, text).expect("the folder of the test");
    let manager = start(&units);
    manager.wait_for_state("audio", "running");
    done(&manager, &["add", "--now", "audio/death", &file.display().to_string()]);
    units.wait_for_text("trace", |text| text == "audio\n");
    kill_and_wait(&manager);
    units.wait_for_text("trace", |text| text == "audio\naudio\n");
    assert_eq!(count(&manager, "audio: audio died"), 1);
}

/// A process of an entity may add to its own, and no more, and what it adds
/// runs as that process (details 29).
#[test]
fn a_process_adds_to_its_own_entity_what_runs_as_itself() {
    if !is_root("a process of another user adds to its entity") {
        return;
    }
    let units = Units::new("own");
    let folder = units.folder().to_owned();
    std::fs::set_permissions(&folder, Permissions::from_mode(0o755)).expect("own folder");
    // Where the programs were built others may not look.
    let program = folder.join("hamctl");
    copy_program(hamctl(), &program);
    let trace = folder.join("trace");
    std::fs::write(&trace, "").expect("own file");
    std::fs::set_permissions(&trace, Permissions::from_mode(0o666)).expect("own file");
    let text = format!(
        "name = \"who\"\nexecute = [\"sh\", \"-c\", \"echo {{entity}} $(id -u) $(id -g) >> {}\"]\n",
        trace.display()
    );
    std::fs::write(folder.join("who"), text).expect("own file");
    std::fs::write(folder.join("stop"), "stop = \"other\"\n").expect("own file");
    for (name, channel) in [("mine", "own/out"), ("alien", "other/out")] {
        let text =
            format!("name = \"{name}\"\nnotify-pulse = {{ channel = \"{channel}\", code = 1 }}\n");
        std::fs::write(folder.join(name), text).expect("own file");
    }
    let said = folder.join("said");
    std::fs::write(&said, "").expect("own file");
    std::fs::set_permissions(&said, Permissions::from_mode(0o666)).expect("own file");
    let script = format!(
        "cd {}; exec >> said 2>&1; while ! [ -s runtime ]; do sleep 0.05; done; \
         export HAM_RUNTIME_DIR=$(cat runtime); \
         ./hamctl add --now own/death who && echo added; \
         ./hamctl add own/death stop || echo no stop; \
         ./hamctl add other/death who || echo no other; \
         ./hamctl add own/death alien || echo no channel; \
         ./hamctl add own/death mine && echo channel; \
         ./hamctl disarm own/death || echo no disarm; \
         ./hamctl disarm own/death/who && echo disarmed; \
         ./hamctl arm own/death/who && echo end; exec sleep 1000",
        folder.display()
    );
    units.write(
        "own",
        &format!(
            "[entity]\nuser = \"nobody\"\ninherit-environment = true\n\
             command = [\"sh\", \"-c\", \"{script}\"]\n\
             [[condition]]\non = \"death\"\nactions = [ {{ log = \"died\" }} ]\n"
        ),
    );
    let other = "[entity]\ncommand = [\"sleep\", \"1000\"]\n";
    units.write(
        "other",
        &format!("{other}[[condition]]\non = \"death\"\nactions = [ {{ log = \"x\" }} ]\n"),
    );
    let manager = start(&units);
    let runtime = manager.runtime().display().to_string();
    std::fs::write(folder.join("runtime"), runtime).expect("own file");
    let told = units.wait_for_text("said", |text| text.contains("\nend\n"));
    for line in ["added", "no stop", "no other", "no channel", "channel", "no disarm", "disarmed"] {
        assert!(told.lines().any(|known| known == line), "no `{line}` in:\n{told}");
    }
    units.wait_for_text("trace", |text| text.starts_with("own 65534 65534\n"));
    let log = manager.log();
    assert!(log.contains("own: add action death/who, asked by process "), "{log}");
    assert!(log.contains(" of user 65534"), "{log}");
}

#[test]
fn what_is_shown_as_a_unit_names_the_entities_that_its_conditions_are_about() {
    let units = Units::new("of");
    units.write("audio", AUDIO);
    units.write(
        "bell",
        "[entity]\ncommand = [\"sleep\", \"1000\"]\nrestart = \"no\"\n\
         [[condition]]\nof = \"audio\"\non = \"death\"\nactions = [ { log = \"rings\" } ]\n",
    );
    let manager = start(&units);
    manager.wait_for_state("bell", "running");
    let shown = Units::new("of-shown");
    for name in ["audio", "bell"] {
        shown.write(name, &done(&manager, &["show", "--toml", name]));
    }
    assert!(done(&manager, &["show", "--toml", "bell"]).contains("of = \"audio\""));
    let folder = shown.path().display().to_string();
    assert!(done(&manager, &["check", &folder]).contains("2 good units, no errors"));
    let json: serde_json::Value =
        serde_json::from_str(&done(&manager, &["--json", "show", "--toml", "bell"])).expect("JSON");
    assert!(json["toml"].as_str().is_some_and(|text| text.contains("of = \"audio\"")), "{json}");
}

#[test]
fn a_path_that_leads_to_nothing_is_named() {
    let units = Units::new("nothing");
    units.write("audio", AUDIO);
    units.write("action.txt", "log = \"more\"\n");
    let file = units.path().join("action.txt.toml").display().to_string();
    let manager = start(&units);
    manager.wait_for_state("audio", "running");
    for words in [
        ["disarm", "audio/nope", ""].as_slice(),
        &["arm", "audio/death/nope", ""],
        &["flags", "audio/nope", "+rearm"],
        &["flags", "audio/nope", ""],
        &["remove", "audio/nope", ""],
        &["add", "audio/nope", &file],
    ] {
        let words: Vec<&str> = words.iter().copied().filter(|word| !word.is_empty()).collect();
        let output = manager.hamctl(&words);
        assert_eq!(output.status.code(), Some(5), "{words:?}: {}", said(&output));
        assert!(said(&output).contains(&format!("no item `{}`", words[1])), "{}", said(&output));
    }
    let absent = refused(&manager, &["add", "audio", "/nonexistent/unit"]);
    assert!(absent.contains("could not read /nonexistent/unit: "), "{absent}");
}
