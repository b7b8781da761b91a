//! Nothing that an entity leaves behind outlives it: not what left its
//! session, not a fork bomb, neither with a cgroup nor without. And an entity
//! that has no memory left costs nobody else anything.

use ham_tests::executables::write_program;
use ham_tests::own_units::{Units, wait_until};
use ham_tests::processes::lives;
use ham_tests::programs::{Manager, Scratch, ham};
use ham_tests::skip;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// How `status` calls the two ways.
const CGROUP: &str = "cgroup";
const SESSION: &str = "session";

/// A manager that holds entities in this way; says what was skipped where
/// there is no cgroup to be had.
fn start(units: &Units, way: &str, what: &str) -> Option<Manager> {
    let mut command = Command::new(ham());
    if way == SESSION {
        command.env("HAM_NO_CGROUP", "1");
    }
    let scratch = Scratch::new("manager");
    let mut manager = Manager::start_by(command, scratch, &units.path(), &["-t", "none"]);
    manager.wait_for_log("the units are loaded", |log| log.contains(": started, pid "));
    let found = manager.status()["ham"]["containment"].clone();
    if found != way {
        skip::skipped(what, &format!("no {way} here: {}", manager.log()));
        return None;
    }
    Some(manager)
}

/// The processes that have the folder of the test in their environment; dead
/// ones have none.
fn marked(units: &Units) -> Vec<String> {
    let mark = format!("MARK={}", units.folder().display());
    let processes = fs::read_dir("/proc").expect("/proc").flatten();
    let names = processes.filter_map(|entry| entry.file_name().into_string().ok());
    let numbers = names.filter(|name| name.bytes().all(|byte| byte.is_ascii_digit()));
    let has_mark = |pid: &String| {
        let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        environment.split(|byte| *byte == 0).any(|variable| variable == mark.as_bytes())
    };
    numbers.filter(has_mark).collect()
}

/// Writes a unit whose command is a script of its own; `$0` is its path.
fn write(units: &Units, name: &str, script: &str, more: &str) {
    let path = units.file(&format!("{name}.sh"));
    write_program(&path, &format!("#!/bin/sh\n{script}\n"));
    let folder = units.folder().display();
    units.write(
        name,
        &format!(
            "[entity]\ncommand = [\"{path}\", \"8\"]\ndirectory = \"{folder}\"\n\
             environment = {{ MARK = \"{folder}\" }}\n{more}\n"
        ),
    );
}

fn done(manager: &Manager, words: &[&str]) {
    let output = manager.hamctl(words);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{words:?}: {errors}. The log:\n{}", manager.log());
}

/// In the background, in a session of its own, away from its parent, and all
/// of that at once.
const FORKS_AWAY: &str = "sleep 600 &\nsetsid sleep 600 &\n(sleep 600 &)\n\
    (setsid sh -c 'trap \"\" TERM HUP; sleep 600 & sleep 600' &)\nexec sleep 600";

fn what_forked_away_goes_with_the_stop(way: &str) {
    let units = Units::new("away");
    write(&units, "daemon", FORKS_AWAY, "restart = \"always\"");
    write(&units, "other", "sleep 600 &\nexec sleep 600", "restart = \"always\"");
    let what = format!("what_forked_away_goes_with_the_stop ({way})");
    let Some(manager) = start(&units, way, &what) else { return };
    // Five and the shell, and the two of the other.
    wait_until("all processes", || marked(&units).len() == 9);
    let other = manager.pid_of("other");
    done(&manager, &["stop", "daemon"]);
    let left = marked(&units);
    assert_eq!(left.len(), 2, "{left:?}. The log:\n{}", manager.log());
    assert_eq!(manager.pid_of("other"), other);
    // And it can be started again, beside nothing.
    done(&manager, &["start", "daemon"]);
    wait_until("all processes again", || marked(&units).len() == 9);
    drop(manager);
    let left = marked(&units);
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn what_forked_away_goes_with_the_stop_by_cgroup() {
    what_forked_away_goes_with_the_stop(CGROUP);
}

#[test]
fn what_forked_away_goes_with_the_stop_by_session() {
    what_forked_away_goes_with_the_stop(SESSION);
}

/// Notes when what the one before has left still lives: a zombie does not.
const LEAVES_SOMEBODY: &str = "f=$HAM_ENTITY\nif [ -e $f.left ] && grep -q '^State:.[^Z]' \
    /proc/$(cat $f.left)/status 2>/dev/null; then echo beside >>$f.trace; fi\n\
    setsid sh -c \"echo \\$\\$ >$f.left; exec sleep 600\" &\n\
    while [ ! -s $f.left ]; do sleep 0.01; done\necho up >>$f.trace\nexit 1";

fn no_restart_beside_what_was_left(way: &str) {
    let units = Units::new("beside");
    let restart = "[[condition]]\non = \"death\"\n\
                   actions = [ { restart = { delays = [\"0s\"], reset-after = \"1ms\" } } ]";
    // Several at a time: the reaper's children come and go while they are
    // looked at.
    let names = ["one", "two", "three", "four"];
    for name in names {
        write(&units, name, LEAVES_SOMEBODY, restart);
    }
    let what = format!("no_restart_beside_what_was_left ({way})");
    let Some(manager) = start(&units, way, &what) else { return };
    for name in names {
        units.wait_for_text(&format!("{name}.trace"), |text| text.lines().count() >= 25);
    }
    done(&manager, &["stop", "*"]);
    for name in names {
        let trace = units.text(&format!("{name}.trace"));
        assert!(trace.lines().all(|line| line == "up"), "{name}: {trace}");
    }
    let left = marked(&units);
    assert!(left.is_empty(), "{left:?}. The log:\n{}", manager.log());
}

#[test]
fn no_restart_beside_what_was_left_by_cgroup() {
    no_restart_beside_what_was_left(CGROUP);
}

#[test]
fn no_restart_beside_what_was_left_by_session() {
    no_restart_beside_what_was_left(SESSION);
}

/// A process away from its parent that executes itself again and again: while
/// it is between two programs it shows no environment.
const ALWAYS_BETWEEN: &str = "case $1 in\n\
    again) [ \"$2\" -gt 0 ] && exec \"$0\" again $(($2 - 1)); exit ;;\n\
    once) echo $$ >left; exec \"$0\" again 20000 ;;\n\
    esac\nrm -f left\n(setsid \"$0\" once &)\n\
    while [ ! -s left ]; do sleep 0.01; done\nexec sleep 300";

#[test]
fn who_is_between_two_programs_is_found_by_session() {
    let units = Units::new("between");
    write(&units, "between", ALWAYS_BETWEEN, "restart = \"always\"");
    let what = "who_is_between_two_programs_is_found_by_session";
    let Some(manager) = start(&units, SESSION, what) else { return };
    for round in 0..10 {
        let left = units.wait_for_text("left", |text| text.ends_with('\n'));
        let left = left.trim().parse().expect("a pid");
        done(&manager, &["stop", "between"]);
        assert!(!lives(left), "round {round}: {left}. The log:\n{}", manager.log());
        fs::remove_file(units.file("left")).expect("it was there");
        done(&manager, &["start", "between"]);
    }
}

/// 511 processes, half of them in sessions of their own, and four chains in
/// which each process starts the next and ends; all of it ends by itself.
const BOMB: &str = "case $1 in\n\
    hop) [ \"$2\" -gt 0 ] && \"$0\" hop $(($2 - 1)) & exit ;;\n\
    8) for chain in 1 2 3 4; do \"$0\" hop 3000 & done ;;\n\
    esac\n\
    if [ \"$1\" -gt 0 ]; then \"$0\" $(($1 - 1)) & setsid \"$0\" $(($1 - 1)) & fi\n\
    exec sleep 300";

fn a_fork_bomb_is_cleared(way: &str) {
    let units = Units::new("bomb");
    write(&units, "bomb", BOMB, "restart = \"always\"\nstop = { timeout = \"10s\" }");
    let what = format!("a_fork_bomb_is_cleared ({way})");
    let Some(manager) = start(&units, way, &what) else { return };
    // Once while it grows, once when it is there as a whole.
    wait_until("it grows", || marked(&units).len() > 50);
    done(&manager, &["restart", "bomb"]);
    wait_until("it is there", || marked(&units).len() > 500);
    done(&manager, &["stop", "bomb"]);
    let left = marked(&units);
    assert!(left.is_empty(), "{left:?}. The log:\n{}", manager.log());
    let entity = manager.entity("bomb");
    assert_eq!((&entity["state"], &entity["restarts"]), (&"stopped".into(), &0.into()));
    assert!(!manager.log().contains("could not be ended"), "{}", manager.log());
}

#[test]
fn a_fork_bomb_is_cleared_by_cgroup() {
    a_fork_bomb_is_cleared(CGROUP);
}

#[test]
fn a_fork_bomb_is_cleared_by_session() {
    a_fork_bomb_is_cleared(SESSION);
}

/// Where cgroup2 is mounted, from /proc/self/mountinfo.
fn cgroup2() -> Option<PathBuf> {
    let mounts = fs::read_to_string("/proc/self/mountinfo").ok()?;
    let line = mounts.lines().find(|line| line.contains(" - cgroup2 "))?;
    line.split(' ').nth(4).map(PathBuf::from)
}

/// The cgroup of a process in the unified hierarchy.
fn cgroup_of(pid: u32) -> Option<PathBuf> {
    let text = fs::read_to_string(format!("/proc/{pid}/cgroup")).ok()?;
    let path = text.lines().find_map(|line| line.strip_prefix("0::/"))?;
    Some(cgroup2()?.join(path))
}

#[test]
fn cgroups_go_when_they_are_empty() {
    let units = Units::new("cgroups");
    let more = "restart = \"always\"\n";
    // A name that must not become a file of the kernel, and a nested cgroup.
    write(&units, "cgroup.procs", "exec sleep 600", more);
    let script = "mkdir \"$(sed -n 's,^0::,/,p' /proc/self/cgroup | sed \"s,^,$TOP,\")/inner\"\n\
                  echo made >made\nexec sleep 600";
    let Some(top) = cgroup2() else {
        skip::skipped("cgroups_go_when_they_are_empty", "no cgroup2 is mounted");
        return;
    };
    let script = format!("TOP={}\n{script}", top.display());
    write(&units, "nests", &script, more);
    let Some(mut manager) = start(&units, CGROUP, "cgroups_go_when_they_are_empty") else { return };
    manager.wait_for_state("nests", "running");
    manager.wait_for_state("cgroup.procs", "running");
    units.wait_for_text("made", |text| text == "made\n");
    let cgroups = ["nests", "cgroup.procs"].map(|name| {
        let pid = manager.pid_of(name);
        let cgroup = cgroup_of(pid).expect("it is in one");
        assert_eq!(fs::read_to_string(cgroup.join("cgroup.procs")).ok(), Some(format!("{pid}\n")));
        cgroup
    });
    assert!(cgroups[0].join("inner").is_dir());
    let tree = cgroups[0].ancestors().nth(3).expect("ham-LABEL/units/NAME/GENERATION");
    let name = tree.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    assert!(name.starts_with("ham-"), "{}", tree.display());
    done(&manager, &["stop", "nests"]);
    // Without anything else happening: when the reaper has let go of it.
    wait_until("its cgroup goes", || !cgroups[0].exists());
    assert!(cgroups[1].exists());
    manager.signal("TERM");
    assert_eq!(manager.wait_for_end().code(), Some(0));
    assert!(!tree.exists(), "{}", tree.display());
}

/// A cgroup of the test with little memory, of either version.
struct LittleMemory(PathBuf);

/// Enough for a shell, not for what the entity takes.
const LIMIT: &str = "16777216";

impl LittleMemory {
    fn new(what: &str) -> Option<LittleMemory> {
        if !skip::is_root(what) {
            return None;
        }
        let name = format!("ham-test-{}", std::process::id());
        let top = Path::new("/sys/fs/cgroup");
        let first = top.join("memory").join(&name);
        let controllers = fs::read_to_string(top.join("cgroup.subtree_control"));
        let made = if controllers.is_ok_and(|controllers| controllers.contains("memory")) {
            let group = LittleMemory(top.join(name));
            fs::create_dir(&group.0)
                .and_then(|()| fs::write(group.0.join("memory.max"), LIMIT))
                .map(|()| {
                    // Where there is no swap there is no such file.
                    let _ = fs::write(group.0.join("memory.swap.max"), "0");
                    group
                })
        } else {
            fs::create_dir(&first)
                .and_then(|()| fs::write(first.join("memory.limit_in_bytes"), LIMIT))
                .map(|()| {
                    let _ = fs::write(first.join("memory.memsw.limit_in_bytes"), LIMIT);
                    LittleMemory(first)
                })
        };
        made.map_err(|error| skip::skipped(what, &format!("no memory cgroup: {error}"))).ok()
    }
}

impl Drop for LittleMemory {
    fn drop(&mut self) {
        // Its processes ended with their manager; the last may still be on its
        // way out.
        for _ in 0..100 {
            if fs::remove_dir(&self.0).is_ok() {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
    }
}

#[test]
fn an_entity_without_memory_costs_no_monitor() {
    let what = "an_entity_without_memory_costs_no_monitor";
    let Some(group) = LittleMemory::new(what) else { return };
    let rounds: u64 = if std::env::var_os("HAM_TEST_LONG").is_some() { 100 } else { 20 };
    let units = Units::new("memory");
    let probe = env!("CARGO_BIN_EXE_ham-probe");
    let script =
        format!("echo 0 >{}/cgroup.procs || exit 9\nexec {probe} take 64", group.0.display());
    let restart = "stdout = \"null\"\n[[condition]]\non = \"death\"\n\
                   actions = [ { restart = { delays = [\"0s\"], reset-after = \"1ms\" } } ]";
    write(&units, "greedy", &script, restart);
    let mut manager = Manager::start(&units.path(), &["-t", "none"]);
    manager.wait_for_log("its start", |log| log.contains("greedy: started"));
    let monitor = manager.monitor().expect("a monitor");
    manager.wait_for("greedy", |entity| {
        entity["restarts"].as_u64().is_some_and(|restarts| restarts >= rounds)
    });
    assert_eq!(manager.monitor(), Some(monitor));
    assert_eq!(manager.status()["ham"]["takeovers"], 0);
    done(&manager, &["stop", "greedy"]);
    let log = manager.log();
    let deaths: Vec<&str> = log.lines().filter(|line| line.starts_with("greedy: died")).collect();
    assert!(deaths.len() as u64 >= rounds, "{log}");
    // The kernel kills the whole of it, or what asked for too much.
    assert!(deaths.iter().all(|line| line.contains(": signal KILL (pid ")), "{log}");
}

/// Added while the entity runs, it is watched at once. What was killed before it
/// was there does not fire it.
#[test]
fn an_oom_kill_condition_that_is_added_is_watched_at_once() {
    let what = "an_oom_kill_condition_that_is_added_is_watched_at_once";
    if !skip::is_root(what) {
        return;
    }
    let units = Units::new("short");
    let probe = env!("CARGO_BIN_EXE_ham-probe");
    let script = format!(
        "for step in one two; do until [ -e $step ]; do sleep 0.05; done; \
         {probe} take 64; echo $step >>told; done; exec sleep 600"
    );
    write(&units, "greedy", &script, "restart = \"no\"\n");
    let condition = units.file("condition");
    let text = "[[condition]]\non = \"oom-kill\"\nactions = [ { log = \"short of memory\" } ]\n";
    fs::write(&condition, text).expect("our file");
    let Some(mut manager) = start(&units, CGROUP, what) else { return };
    manager.wait_for_state("greedy", "running");
    let cgroup = cgroup_of(manager.pid_of("greedy")).expect("it is in one");
    if let Err(error) = fs::write(cgroup.join("memory.max"), LIMIT) {
        skip::skipped(what, &format!("no memory controller in the unified hierarchy: {error}"));
        return;
    }
    let _ = fs::write(cgroup.join("memory.swap.max"), "0");
    fs::write(units.file("one"), "").expect("our file");
    units.wait_for_text("told", |text| text == "one\n");
    done(&manager, &["add", "greedy", &condition]);
    let short = |log: &str| log.lines().filter(|line| line.contains("short of memory")).count();
    fs::write(units.file("two"), "").expect("our file");
    manager.wait_for_log("the condition", |log| short(log) == 1);
    units.wait_for_text("told", |text| text == "one\ntwo\n");
    done(&manager, &["stop", "greedy"]);
    assert_eq!(short(&manager.log()), 1, "{}", manager.log());
}
