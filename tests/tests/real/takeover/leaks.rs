//! What a takeover could leave behind: cgroups of processes that another
//! monitor made, slots of processes that nobody waits for any more.

use ham_core::effect::Effect;
use ham_core::event::Event;
use ham_core::ids::{RESERVED_SLOTS, SlotRef};
use ham_core::memory::SlotState;
use ham_core::monitor::{Monitor, Turn};
use ham_core::plan::{PlanIndex, PlanSource, encode};
use ham_core::time::Mono;
use ham_snapshot::header::Field;
use ham_tests::chaos::{cgroup_of, directories, strike};
use ham_tests::executables::write_program;
use ham_tests::fake::{Random, SharedMemory, SlotWord, Store};
use ham_tests::own_units::{Units, wait_until};
use ham_tests::programs::{Manager, Scratch, ham};
use ham_tests::skip::skipped;
use ham_tests::state_file::StateFile;
use nix::sys::signal::Signal;
use std::process::Command;
use std::time::Duration;

#[test]
fn cgroups_of_adopted_processes_go_with_them() {
    let units = Units::new("cgroups");
    let done = units.file("done");
    let unit = format!(
        r#"
[entity]
command = "sleep infinity"
[[condition]]
on = "death"
actions = [ {{ execute = ["sh", "-c", "sleep 0.2; echo >> {done}"] }}, {{ restart = {{}} }} ]
"#
    );
    units.write("adopted", &unit);
    let manager = Manager::start(&units.path(), &["-V2"]);
    manager.wait_for_state("adopted", "running");
    if manager.status()["ham"]["containment"] != "cgroup" {
        skipped("cgroups after a takeover", "no cgroup can be written to here");
        return;
    }
    let cgroup = cgroup_of(manager.pid_of("adopted")).expect("containment is by cgroup");
    let mut generations = cgroup.ancestors();
    let [_, of_name, of_units, root] = [(); 4].map(|()| generations.next().expect("four deep"));
    assert!(of_units.ends_with("units"), "{}", cgroup.display());
    for round in 1..=3 {
        assert!(strike(manager.pid_of("adopted"), Signal::SIGKILL));
        // The command is adopted by a monitor that has not made it; so is the
        // next process.
        wait_until("the command", || !directories(&root.join("actions/adopted")).is_empty());
        manager.replace_monitor();
        wait_until("the end of the command", || units.text("done").lines().count() >= round);
        manager.wait_for("adopted", |entity| entity["restarts"] == round);
        manager.replace_monitor();
        manager.wait_for_state("adopted", "running");
    }
    wait_until("only the cgroup in use", || directories(of_name).len() == 1);
    let commands = root.join("actions");
    let left = || -> Vec<String> {
        let names = directories(&commands).into_iter();
        names.flat_map(|name| directories(&commands.join(name))).collect()
    };
    let deadline = std::time::Instant::now() + ham_tests::programs::PATIENCE;
    while !left().is_empty() {
        let log = manager.log();
        assert!(std::time::Instant::now() < deadline, "left: {:?}. The log:\n{log}", left());
        std::thread::sleep(Duration::from_millis(20));
    }
    manager.signal("TERM");
    wait_until("no cgroup at all", || !root.exists());
}

#[test]
fn starts_that_fail_under_dying_monitors_hold_no_slots() {
    const KILLS: u32 = 15;
    let Some(scratch) = Scratch::in_memory("slots") else { return };
    let units = Units::new("slots");
    let program = units.file("program");
    let unit = format!(
        r#"
[entity]
command = ["{program}"]
[[condition]]
on = "failure"
actions = [ {{ restart = {{ delays = ["1ms"] }} }} ]
"#
    );
    units.write("failing", &unit);
    let manager = Manager::start_by(Command::new(ham()), scratch, &units.path(), &["-d"]);
    manager.wait_for_plan();
    let state = StateFile::open(&manager.runtime());
    let mut random = Random::new(5);
    for _ in 0..KILLS {
        let before = state.get(Field::Progress);
        wait_until("an attempt", || state.get(Field::Progress) > before);
        std::thread::sleep(Duration::from_micros(random.below(4_000)));
        manager.replace_monitor();
    }
    // Eight are ham's own, one entity needs one or two.
    let used = state.get(Field::SlotsUsed);
    assert!(used < 8 + 6, "{used} slots");
    // As soon as there is a program, it runs.
    write_program(&program, "#!/bin/sh\nexec sleep infinity\n");
    manager.wait_for_state("failing", "running");
}

/// The monitor before was told that a start had failed, committed that, and
/// was killed before the reaper had recorded the end of the child: a moment
/// too short to be met by killing.
#[test]
fn a_slot_that_nobody_owns_is_given_back_when_its_process_ends() {
    let slot = SlotRef { index: RESERVED_SLOTS, generation: 3 };
    let word = SlotWord { generation: 3, state: SlotState::Intent, pid: 77, ..SlotWord::default() };
    let store = Store { slots: [(slot.index, word)].into(), ..Store::default() };
    let plan: Box<dyn PlanSource> = Box::new(encode(&[]).expect("a plan of nothing"));
    let plan = PlanIndex::open(plan).expect("just encoded");
    let memory = Box::new(SharedMemory::holding(store));
    let (mut monitor, resume) = Monitor::restore(plan, memory, Mono(1));
    assert!(resume.turn.effects.is_empty(), "it still has a process: {resume:?}");
    let mut turn = Turn::default();
    monitor.step(Mono(2), Event::SpawnFailed { slot, error: 1 }, &mut turn);
    assert_eq!(turn.effects, [Effect::Free { slot }]);
}
