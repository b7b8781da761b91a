//! The lossless spawn: whose child it is, what survives a killed monitor, and
//! which error names which step.

use std::os::unix::fs::PermissionsExt;
use std::sync::atomic::Ordering;

use ham_sys::Errno;
use ham_sys::process::{self, PidFd};
use ham_sys::reap::{self, Exit};
use ham_sys::spawn::{
    Abilities, Exec, Ids, Method, Program, SpawnError, Stack, Stage, Stdio, probe, spawn,
};

use crate::harness::*;

pub(crate) const SCENARIOS: &[Scenario] = &[
    Scenario { name: "spawn_makes_a_child_of_the_reaper", run: child_of_reaper, inner: false },
    Scenario { name: "spawn_survives_its_monitor", run: survives_monitor, inner: false },
    Scenario { name: "spawn_is_never_lost_nor_invented", run: never_lost, inner: false },
    Scenario { name: "spawn_names_the_failed_step", run: failed_steps, inner: false },
    Scenario { name: "spawn_without_privilege", run: without_privilege, inner: false },
    Scenario { name: "spawn_tries_paths_in_order", run: paths_in_order, inner: false },
    Scenario { name: "spawn_executes_a_descriptor", run: executes_descriptor, inner: false },
    Scenario { name: "probe_finds_all_abilities", run: all_abilities, inner: false },
    Scenario { name: "probe_obeys_its_switches", run: obeys_switches, inner: false },
    Scenario { name: "inner_no_clone3", run: no_clone3, inner: true },
    Scenario { name: "inner_no_clone_files", run: no_clone_files, inner: true },
];

/// Every way that this machine has, the fallbacks included.
pub(crate) fn each_way(mut work: impl FnMut(Abilities)) {
    for method in [Method::Clone3, Method::Clone] {
        for own_fd_table in [true, false] {
            work(Abilities { method, own_fd_table, into_cgroup: method == Method::Clone3 });
        }
    }
}

/// Spawns from a monitor of this reaper, and hands back what it was told.
pub(crate) fn spawn_once(abilities: Abilities, program: &Program) -> Result<i32, SpawnError> {
    let words = Words::new();
    as_monitor(|| {
        let mut stack = Stack::new().unwrap();
        let told = match spawn(&abilities, &mut stack, program, words.slot()) {
            Ok(started) => started.pid as u64,
            Err(error) => error.to_word(),
        };
        words.free(0).store(told, Ordering::Release);
    });
    let told = words.free(0).load(Ordering::Acquire);
    match SpawnError::from_word(told) {
        Some(error) => {
            if words.pid() != 0 {
                // The child was made: the slot knows it, and its end is ours.
                assert_eq!(
                    SpawnError::from_word(words.slot().error.load(Ordering::Acquire)),
                    Some(error)
                );
                let exit = wait_exit(words.pid());
                assert_eq!((exit.code, exit.status), (Exit::EXITED, 127));
            }
            Err(error)
        }
        None => {
            assert_eq!(words.pid() as u64, told);
            assert_eq!(words.slot().child_pid.load(Ordering::Acquire), told);
            Ok(told as i32)
        }
    }
}

fn child_of_reaper() {
    each_way(|way| {
        let dir = TempDir::new();
        let out = dir.file("parent");
        let text = format!("echo $PPID > {}; exec sleep 100", out.display());
        let pid = spawn_once(way, &script(&text)).unwrap();
        assert_eq!(dir.line_of("parent"), process::pid().to_string());
        wait_for("exec", || (process::name_of(pid)? == "sleep").then_some(()));
        assert_eq!(process::forked_not_execed(pid), Some(false));
        assert_eq!(reap::peek(pid), None);
        end(pid);
        assert!(!reap::has_children());
    });
}

/// The child waits for a writer of its standard input, so its monitor is in
/// the middle of the spawn when it is killed.
fn survives_monitor() {
    each_way(|way| {
        let dir = TempDir::new();
        let fifo = dir.file("fifo");
        nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
        let out = dir.file("out");
        let mut program = script(&format!("read line; echo $line $PPID > {}", out.display()));
        program.stdin = Stdio::Read(c_path(&fifo));
        let words = Words::new();
        let monitor = start_monitor(|| {
            let mut stack = Stack::new().unwrap();
            let _ = spawn(&way, &mut stack, &program, words.slot());
            panic!("the spawn returned");
        });
        let pid = wait_for("the pid word", || Some(words.pid()).filter(|pid| *pid != 0));
        assert_eq!(process::forked_not_execed(pid), Some(true));
        end(monitor);
        assert_eq!(reap::peek(pid), None, "the child died with its monitor");
        std::fs::write(&fifo, "hello\n").unwrap();
        assert_eq!(dir.line_of("out"), format!("hello {}", process::pid()));
        let exit = wait_exit(pid);
        assert_eq!((exit.code, exit.status), (Exit::EXITED, 0));
        assert_eq!(words.slot().error.load(Ordering::Acquire), 0);
    });
}

/// A monitor killed at any instant around clone: a child exists exactly when
/// its pid stands in the slot.
fn never_lost() {
    let (mut with, mut without) = (0, 0);
    each_way(|way| {
        let words = Words::new();
        for round in 0..100u32 {
            words.slot().pid.store(0, Ordering::Release);
            words.slot().child_pid.store(0, Ordering::Release);
            words.free(0).store(0, Ordering::Release);
            let monitor = start_monitor(|| {
                let mut stack = Stack::new().unwrap();
                let program = program(&["/bin/sleep", "100"]);
                words.free(0).store(1, Ordering::Release);
                let _ = spawn(&way, &mut stack, &program, words.slot());
            });
            while words.free(0).load(Ordering::Acquire) == 0 {
                std::hint::spin_loop();
            }
            // From at once to after the exec, in uneven steps.
            for _ in 0..(round * 37 % 100) * 60 {
                std::hint::spin_loop();
            }
            PidFd::open(monitor).unwrap().send(libc::SIGKILL).unwrap();
            wait_exit(monitor);
            match words.pid() {
                0 => without += 1,
                pid => {
                    with += 1;
                    end(pid);
                }
            }
            assert!(!reap::has_children(), "a child that the slot does not know");
        }
    });
    eprintln!("killed before the clone: {without}, after it: {with}");
    assert_eq!(with + without, 400);
    assert!(with > 0);
}

fn failed_steps() {
    let dir = TempDir::new();
    let plain = dir.file("plain");
    std::fs::write(&plain, "no program").unwrap();
    let busy = dir.file("busy");
    std::fs::copy("/bin/true", &busy).unwrap();
    let writer = std::fs::OpenOptions::new().write(true).open(&busy).unwrap();
    let missing = c_path(&dir.file("missing"));
    each_way(|way| {
        let expect = |program: Program, stage: Stage, errno: Errno| {
            assert_eq!(spawn_once(way, &program), Err(SpawnError::new(stage, errno)));
        };
        let change = |change: &dyn Fn(&mut Program)| {
            let mut program = script("exit 0");
            change(&mut program);
            program
        };
        expect(program(&["/nonexistent/x"]), Stage::Exec, Errno::ENOENT);
        expect(program(&[plain.to_str().unwrap()]), Stage::Exec, Errno::EACCES);
        expect(program(&[busy.to_str().unwrap()]), Stage::Exec, Errno::ETXTBSY);
        expect(change(&|p| p.exec = Exec::Paths(vec![])), Stage::Exec, Errno::ENOENT);
        expect(change(&|p| p.directory = Some(missing.clone())), Stage::Directory, Errno::ENOENT);
        expect(
            change(&|p| p.directory = Some(c_text("/bin/sh"))),
            Stage::Directory,
            Errno::ENOTDIR,
        );
        expect(change(&|p| p.stdin = Stdio::Read(missing.clone())), Stage::Stdin, Errno::ENOENT);
        expect(
            change(&|p| p.stdout = Stdio::Append(c_text("/nonexistent/x"))),
            Stage::Stdout,
            Errno::ENOENT,
        );
        expect(change(&|p| p.stderr = Stdio::Fd(1000)), Stage::Stderr, Errno::EBADF);
        expect(change(&|p| p.exec = Exec::Fd(1000)), Stage::Exec, Errno::EBADF);
        expect(change(&|p| p.passed = vec![(1000, 3)]), Stage::Descriptors, Errno::EBADF);
    });
    drop(writer);
}

fn without_privilege() {
    if process::effective_uid() != 0 {
        skip("root is needed to give up rights");
    }
    let mine = Ids { uid: 65_534, gid: 65_534, groups: vec![65_534] };
    let with = |ids: &Ids| {
        let mut program = script("exit 0");
        program.ids = Some(ids.clone());
        program
    };
    each_way(|way| {
        let words = Words::new();
        as_monitor(|| {
            let group = nix::unistd::Gid::from_raw(65_534);
            nix::unistd::setgroups(&[group]).unwrap();
            nix::unistd::setresgid(group, group, group).unwrap();
            let user = nix::unistd::Uid::from_raw(65_534);
            nix::unistd::setresuid(user, user, user).unwrap();
            let mut stack = Stack::new().unwrap();
            let mut told = |ids: &Ids| {
                let result = spawn(&way, &mut stack, &with(ids), words.slot());
                result.map(|_| ()).map_err(|error| (error.stage, error.errno))
            };
            // Its own ids, which change nothing, are no error.
            assert_eq!(told(&mine), Ok(()));
            let root = Ids { uid: 0, ..mine.clone() };
            assert_eq!(told(&root), Err((Stage::User, Errno::EPERM)));
            let wheel = Ids { gid: 0, ..mine.clone() };
            assert_eq!(told(&wheel), Err((Stage::Group, Errno::EPERM)));
            let more = Ids { groups: vec![65_534, 5], ..mine.clone() };
            assert_eq!(told(&more), Err((Stage::Groups, Errno::EPERM)));
        });
        while reap::has_children() {
            if let Some(exit) = reap::peek_any() {
                reap::collect(exit.pid);
            }
        }
    });
}

fn paths_in_order() {
    let dir = TempDir::new();
    let plain = dir.file("plain");
    std::fs::write(&plain, "no program").unwrap();
    std::fs::set_permissions(&plain, std::fs::Permissions::from_mode(0o600)).unwrap();
    let [missing, plain, shell] =
        ["/nonexistent/sh", plain.to_str().unwrap(), "/bin/sh"].map(c_text);
    each_way(|way| {
        let mut program = script("exit 5");
        program.exec = Exec::Paths(vec![missing.clone(), plain.clone(), shell.clone()]);
        let pid = spawn_once(way, &program).unwrap();
        assert_eq!(wait_exit(pid).status, 5);
        // Forbidden explains more than missing, wherever it stood.
        program.exec = Exec::Paths(vec![plain.clone(), missing.clone()]);
        let error = SpawnError::new(Stage::Exec, Errno::EACCES);
        assert_eq!(spawn_once(way, &program), Err(error));
    });
}

fn executes_descriptor() {
    use std::os::fd::AsRawFd;
    let shell = std::fs::File::open("/bin/sh").unwrap();
    let shell = process::move_above(shell.into(), 64).unwrap();
    each_way(|way| {
        let mut program = script("exit 6");
        program.exec = Exec::Fd(shell.as_raw_fd());
        let pid = spawn_once(way, &program).unwrap();
        assert_eq!(wait_exit(pid).status, 6);
    });
}

fn reap_all() {
    wait_for("the probe children", || {
        while let Some(exit) = reap::peek_any() {
            reap::collect(exit.pid);
        }
        (!reap::has_children()).then_some(())
    });
}

fn all_abilities() {
    as_monitor(|| {
        let found = probe().unwrap();
        // The floor is 5.10, which has all three; only a filter takes them.
        if found.method == Method::Clone {
            skip("clone3 is refused here");
        }
        assert!(found.own_fd_table && found.into_cgroup);
    });
    reap_all();
}

fn obeys_switches() {
    again("inner_no_clone3", "HAM_NO_CLONE3");
    again("inner_no_clone_files", "HAM_NO_CLONE_FILES");
}

fn no_clone3() {
    as_monitor(|| {
        let found = probe().unwrap();
        assert_eq!(found.method, Method::Clone);
        assert!(found.own_fd_table && !found.into_cgroup);
    });
    reap_all();
}

fn no_clone_files() {
    as_monitor(|| assert!(!probe().unwrap().own_fd_table));
    reap_all();
}
