//! Entities in cgroups of their own, in the real hierarchy of this machine:
//! made below the cgroup of the test and removed again.

use std::os::fd::AsFd;
use std::sync::atomic::Ordering;

use ham_sys::Errno;
use ham_sys::containment::{CgroupTree, Cleared, Kind, find_tree};
use ham_sys::process;
use ham_sys::reap;
use ham_sys::spawn::{Abilities, Method, SpawnError, Stage, probe};

use crate::acts;
use crate::harness::*;
use crate::spawning::{each_way, spawn_once};

pub(crate) const SCENARIOS: &[Scenario] = &[
    Scenario { name: "cgroup_holds_a_whole_family", run: holds_family, inner: false },
    Scenario { name: "cgroup_kill_has_a_fallback", run: kill_fallback, inner: false },
    Scenario { name: "cgroup_clears_a_bomb", run: clears_bomb, inner: false },
    Scenario { name: "cgroup_directories_come_and_go", run: directories, inner: false },
    Scenario { name: "cgroup_that_is_gone_is_named", run: gone, inner: false },
    Scenario { name: "cgroup_probe_sees_killed_cgroups", run: killed_cgroup, inner: false },
    Scenario { name: "cgroup_can_be_switched_off", run: switched_off, inner: false },
    Scenario { name: "inner_cgroup_off", run: inner_off, inner: true },
];

fn deadline() -> u64 {
    ham_sys::clock::monotonic() + PATIENCE.as_nanos() as u64
}

/// A tree that is removed at the end of the scenario.
struct Tree(CgroupTree);

impl Tree {
    fn new() -> Tree {
        let label = format!("test.{}", process::pid());
        match find_tree(&label) {
            Ok(tree) => Tree(tree),
            Err(reason) => skip(&format!("no cgroup: {reason}")),
        }
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        self.0.remove_tree();
    }
}

/// Reaps all that have ended, as the reaper would while a worker clears.
fn reap_ended() {
    while let Some(exit) = reap::peek_any() {
        reap::collect(exit.pid);
    }
}

fn family_in(tree: &CgroupTree, way: Abilities, id: &str) -> i32 {
    let temp = TempDir::new();
    let mut program = acts_program("family", &temp);
    program.cgroup = Some(tree.create(Kind::Unit, "cgroup.procs", id).unwrap());
    let pid = spawn_once(way, &program).unwrap();
    let counter = acts::counter(temp.path());
    wait_for("the family", || (counter.load(Ordering::SeqCst) == 5).then_some(()));
    pid
}

fn acts_program(name: &str, temp: &TempDir) -> ham_sys::spawn::Program {
    act(&[name, temp.path().to_str().unwrap()])
}

fn holds_family() {
    let Tree(tree) = &Tree::new();
    let mut ways = Vec::new();
    each_way(|way| ways.push(way));
    // The kernel that knows the flag may also be asked not to use it.
    ways.push(Abilities { method: Method::Clone3, own_fd_table: true, into_cgroup: false });
    for (number, way) in ways.into_iter().enumerate() {
        let id = number.to_string();
        let pid = family_in(tree, way, &id);
        // Who has only made another may not have gone yet.
        let inside = wait_for("the family alone", || {
            let inside = tree.processes(Kind::Unit, "cgroup.procs", &id);
            (inside.len() == 5).then_some(inside)
        });
        assert!(inside.contains(&pid));
        assert!(!tree.is_empty(Kind::Unit, "cgroup.procs", &id));
        assert!(!tree.remove(Kind::Unit, "cgroup.procs", &id), "removed a living cgroup");
        let busy = tree.create(Kind::Unit, "cgroup.procs", &id).unwrap_err();
        assert_eq!(busy.errno, Errno::EBUSY);
        let cleared = tree.clear(Kind::Unit, "cgroup.procs", &id, deadline());
        assert_eq!(cleared, Cleared::Empty);
        assert!(!tree.path(Kind::Unit, "cgroup.procs", &id).exists());
        assert!(tree.is_empty(Kind::Unit, "cgroup.procs", &id));
        wait_for("the last reap", || {
            reap_ended();
            (!reap::has_children()).then_some(())
        });
    }
}

fn kill_fallback() {
    again("cgroup_holds_a_whole_family", "HAM_NO_CGROUP_KILL");
    again("cgroup_clears_a_bomb", "HAM_NO_CGROUP_KILL");
}

fn clears_bomb() {
    let Tree(tree) = &Tree::new();
    let temp = TempDir::new();
    let counter = acts::counter(temp.path());
    let way = Abilities { method: Method::Clone3, own_fd_table: true, into_cgroup: true };
    let mut program = acts_program("bomb", &temp);
    program.cgroup = Some(tree.create(Kind::Action, "bomb", "1").unwrap());
    spawn_once(way, &program).unwrap();
    wait_for("some of the bomb", || (counter.load(Ordering::SeqCst) >= 20).then_some(()));
    assert_eq!(tree.clear(Kind::Action, "bomb", "1", deadline()), Cleared::Empty);
    wait_for("the last reap", || {
        reap_ended();
        (!reap::has_children()).then_some(())
    });
}

fn directories() {
    let Tree(tree) = &Tree::new();
    // A spawn that was cut short left an empty one: replaced by a fresh one.
    let first = tree.create(Kind::Unit, "a", "1").unwrap();
    let path = tree.path(Kind::Unit, "a", "1");
    std::fs::create_dir(path.join("nested")).unwrap();
    let second = tree.create(Kind::Unit, "a", "1").unwrap();
    let inode = |fd: &std::os::fd::OwnedFd| nix::sys::stat::fstat(fd).unwrap().st_ino;
    assert_ne!(inode(&first), inode(&second));
    assert!(!path.join("nested").exists());
    tree.create(Kind::Unit, "a", "2").unwrap();
    assert!(tree.remove(Kind::Unit, "a", "1"));
    assert!(tree.remove(Kind::Unit, "a", "1"), "a missing one is gone");
    assert!(tree.path(Kind::Unit, "a", "2").exists());
    assert!(tree.remove(Kind::Unit, "a", "2"));
    assert!(!tree.path(Kind::Unit, "a", "2").parent().unwrap().exists());
    assert_eq!(tree.clear(Kind::Unit, "a", "9", 0), Cleared::Empty);
    tree.remove_tree();
    assert!(!tree.root().exists());
}

/// A cgroup that vanished between its making and the spawn.
fn gone() {
    let Tree(tree) = &Tree::new();
    each_way(|way| {
        let mut program = script("exit 0");
        program.cgroup = Some(tree.create(Kind::Unit, "a", "1").unwrap());
        assert!(tree.remove(Kind::Unit, "a", "1"));
        let error = spawn_once(way, &program).unwrap_err();
        assert_eq!(error.stage, Stage::Cgroup);
        assert!(matches!(error, SpawnError { errno: Errno(libc::ENODEV | libc::ENOENT), .. }));
    });
}

/// After the probe, no spawn into a cgroup is killed at birth, whether this
/// kernel has that fault or not.
fn killed_cgroup() {
    let Tree(tree) = &Tree::new();
    let dir = tree.create(Kind::Action, "probe", "1").unwrap();
    let kill = tree.path(Kind::Action, "probe", "1").join("cgroup.kill");
    if !kill.exists() {
        skip("this kernel has no cgroup.kill");
    }
    let fresh = tree.create(Kind::Action, "probe", "2").unwrap();
    as_monitor(|| {
        let mut abilities = probe().unwrap();
        if abilities.method == Method::Clone {
            skip("clone3 is refused here");
        }
        abilities.check_cgroup(fresh.as_fd());
        let in_fresh = abilities.into_cgroup;
        std::fs::write(&kill, "1").unwrap();
        abilities.into_cgroup = true;
        abilities.check_cgroup(dir.as_fd());
        eprintln!("into a fresh cgroup: {in_fresh}, into a killed one: {}", abilities.into_cgroup);
        let mut stack = ham_sys::spawn::Stack::new().unwrap();
        let mut program = script("exit 0");
        program.cgroup = Some(dir);
        let words = Words::new();
        ham_sys::spawn::spawn(&abilities, &mut stack, &program, words.slot()).unwrap();
        assert_ne!(words.pid(), 0);
    });
    let mut exits = Vec::new();
    while reap::has_children() {
        if let Some(exit) = reap::peek_any() {
            exits.push((exit.code, exit.status));
            reap::collect(exit.pid);
        }
    }
    // The last one made is the program; probe children may have been killed.
    assert!(exits.contains(&(reap::Exit::EXITED, 0)), "{exits:?}");
}

fn switched_off() {
    again("inner_cgroup_off", "HAM_NO_CGROUP");
}

fn inner_off() {
    let reason = find_tree("test").unwrap_err();
    assert!(reason.contains("HAM_NO_CGROUP"), "{reason}");
}
