//! A terminal for a spawned program: its streams, the session that it controls,
//! and who loses it.

use nix::pty::{OpenptyResult, openpty};
use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use ham_sys::Errno;
use ham_sys::process;
use ham_sys::spawn::{Program, SpawnError, Stage, Terminal};

use crate::harness::*;
use crate::spawning::{each_way, spawn_once};

pub(crate) const SCENARIOS: &[Scenario] = &[
    Scenario { name: "terminal_is_that_of_the_session", run: of_session, inner: false },
    Scenario { name: "terminal_is_lost_by_who_had_it", run: hang_up, inner: false },
    Scenario { name: "terminal_that_is_none_is_refused", run: refused, inner: false },
];

/// Both ends, and the name of the second.
fn terminal() -> (File, OwnedFd, PathBuf) {
    let OpenptyResult { master, slave } = openpty(None, None).unwrap();
    let name = fs::read_link(format!("/proc/self/fd/{}", slave.as_raw_fd())).unwrap();
    (File::from(master), slave, name)
}

fn on(path: &std::path::Path, hang_up: bool, text: &str) -> Program {
    let terminal = Terminal { path: c_path(path), hang_up };
    Program { terminal: Some(terminal), ..script(text) }
}

/// Session, terminal and who has its keys: fields 6 to 8 of proc_pid_stat(5).
fn session(pid: i32) -> [i64; 3] {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let rest = stat.rsplit_once(") ").unwrap().1;
    let mut numbers = rest.split(' ').skip(3).map(|number| number.parse().unwrap());
    [(); 3].map(|()| numbers.next().unwrap())
}

/// What is typed comes back from who has it.
fn answers(master: &mut File) {
    master.write_all(b"word\n").unwrap();
    let mut all = Vec::new();
    wait_for("an answer", || {
        let mut buffer = [0; 256];
        let count = master.read(&mut buffer).unwrap();
        all.extend_from_slice(&buffer[..count]);
        String::from_utf8_lossy(&all).contains("it-was-word").then_some(())
    });
}

const ANSWERS: &str = "read a; echo it-was-$a; sleep 100";

fn of_session() {
    each_way(|way| {
        let (mut master, _slave, name) = terminal();
        let pid = spawn_once(way, &on(&name, false, ANSWERS)).unwrap();
        let number = i64::try_from(fs::metadata(&name).unwrap().rdev()).unwrap();
        assert_eq!(session(pid), [i64::from(pid), number, i64::from(pid)]);
        for stream in 0..3 {
            let link = fs::read_link(format!("/proc/{pid}/fd/{stream}")).unwrap();
            assert_eq!(link, name);
            // Without O_NONBLOCK (04000), by which it was opened.
            let info = fs::read_to_string(format!("/proc/{pid}/fdinfo/{stream}")).unwrap();
            let flags = info.lines().find_map(|line| line.strip_prefix("flags:")).unwrap();
            assert_eq!(u32::from_str_radix(flags.trim(), 8).unwrap() & 0o4000, 0, "{info}");
        }
        answers(&mut master);
        end(pid);
    });
}

fn hang_up() {
    if process::effective_uid() != 0 {
        skip("root is needed to hang a terminal up");
    }
    each_way(|way| {
        let (mut master, slave, name) = terminal();
        let first = spawn_once(way, &on(&name, false, "trap '' HUP; exec sleep 100")).unwrap();
        let pid = spawn_once(way, &on(&name, true, ANSWERS)).unwrap();
        // It is not the first one's any more, nor anybody's who has it open.
        assert_eq!(session(first)[1], 0);
        assert_eq!(session(pid)[0], i64::from(pid));
        assert_eq!(File::from(slave).read(&mut [0; 8]).unwrap(), 0, "the end of it");
        answers(&mut master);
        end(first);
        end(pid);
    });
}

fn refused() {
    each_way(|way| {
        for (path, errno) in [("/dev/null", libc::ENOTTY), ("/no/such/line", libc::ENOENT)] {
            let error = spawn_once(way, &on(path.as_ref(), false, "true")).unwrap_err();
            assert_eq!(error, SpawnError::new(Stage::Terminal, Errno(errno)));
        }
    });
}
