//! Faults of a process that executes itself again: of every kind, the stack
//! overflow included; and descriptors that travel to it and over the exec.

use std::ffi::OsString;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use ham_sys::fault::execute_again_on_fault;
use ham_sys::process;
use ham_sys::reap::Exit;
use ham_sys::rights::{receive_with, send_with};
use ham_sys::signals;
use ham_sys::socket::seqpacket_pair;

use crate::harness::{Scenario, start_monitor, wait_exit};

pub(crate) const SCENARIOS: &[Scenario] = &[
    Scenario { name: "faults_execute_again", run: faults, inner: false },
    Scenario { name: "a_stack_overflow_executes_again", run: overflow, inner: false },
    Scenario { name: "a_forked_child_faults_as_ever", run: child_faults, inner: false },
    Scenario { name: "descriptors_travel_with_packets", run: travel, inner: false },
    Scenario { name: "a_placed_descriptor_survives_exec", run: placed, inner: false },
];

/// What the last image ends with.
const SURVIVED: i32 = 42;

/// The word after `--act` for an image that is executed again.
pub(crate) const ACT: &str = "fault";

/// Installs the handler for `left` more faults, as the reaper does.
fn prepare(kind: &str, left: u32) {
    signals::reset_dispositions().unwrap();
    let program = process::open_own_program().unwrap();
    let words = ["again", "--act", ACT, kind, &left.to_string()].map(OsString::from);
    execute_again_on_fault(&program, words.to_vec(), false).unwrap();
    std::mem::forget(program);
    signals::block_all().unwrap();
}

/// One more fault, or the end.
pub(crate) fn act(kind: &str, left: u32) -> ! {
    if left == 0 {
        process::exit_now(SURVIVED);
    }
    prepare(kind, left - 1);
    fault(kind);
    process::exit_now(1)
}

fn fault(kind: &str) {
    if kind == "overflow" {
        std::hint::black_box(deeper(1));
        return;
    }
    let signal: i32 = kind.parse().unwrap();
    process::PidFd::open(process::pid()).unwrap().send(signal).unwrap();
}

/// Endless, and not to be optimised into a loop.
#[expect(unconditional_recursion, reason = "the stack is to overflow")]
fn deeper(depth: u64) -> u64 {
    let room = std::hint::black_box([depth; 512]);
    deeper(depth + 1) + room[(depth % 512) as usize]
}

/// Twice each: a mask that is left blocked shows only the second time.
fn survives(kind: &str) {
    let kind = kind.to_owned();
    let pid = start_monitor(move || act(&kind, 2));
    let exit = wait_exit(pid);
    assert_eq!((exit.code, exit.status), (Exit::EXITED, SURVIVED));
}

fn faults() {
    for signal in
        [libc::SIGSEGV, libc::SIGBUS, libc::SIGILL, libc::SIGFPE, libc::SIGABRT, libc::SIGTRAP]
    {
        survives(&signal.to_string());
    }
}

fn overflow() {
    survives("overflow");
}

fn child_faults() {
    let pid = start_monitor(|| {
        prepare("overflow", 0);
        let child = start_monitor(|| fault(&libc::SIGSEGV.to_string()));
        let exit = wait_exit(child);
        assert_ne!(exit.code, Exit::EXITED);
        assert_eq!(exit.status, libc::SIGSEGV);
    });
    let exit = wait_exit(pid);
    assert_eq!((exit.code, exit.status), (Exit::EXITED, 0));
}

fn travel() {
    let (ours, theirs) = seqpacket_pair().unwrap();
    let mut buffer = [0u8; 16];
    assert!(receive_with(&theirs, &mut buffer).unwrap().is_none());
    let (inner, other) = seqpacket_pair().unwrap();
    assert!(send_with(&ours, b"with", Some(inner.as_fd())).unwrap());
    assert!(send_with(&ours, b"without", None).unwrap());
    drop(inner);
    let (length, passed) = receive_with(&theirs, &mut buffer).unwrap().unwrap();
    assert_eq!(&buffer[..length], b"with");
    let passed: OwnedFd = passed.unwrap();
    assert!(send_with(&other, b"hello", None).unwrap());
    let (length, nothing) = receive_with(&passed, &mut buffer).unwrap().unwrap();
    assert_eq!((&buffer[..length], nothing.is_none()), (&b"hello"[..], true));
    let (length, nothing) = receive_with(&theirs, &mut buffer).unwrap().unwrap();
    assert_eq!((&buffer[..length], nothing.is_none()), (&b"without"[..], true));
    // One that is too long is an error, and the next is whole again.
    assert!(send_with(&ours, &[7; 17], None).unwrap());
    assert!(send_with(&ours, b"next", None).unwrap());
    assert!(receive_with(&theirs, &mut buffer).is_err());
    assert_eq!(receive_with(&theirs, &mut buffer).unwrap().unwrap().0, 4);
    drop(ours);
    assert_eq!(receive_with(&theirs, &mut buffer).unwrap().unwrap().0, 0);
}

fn placed() {
    let (ours, theirs) = seqpacket_pair().unwrap();
    let placed = process::place_at(theirs, 90).unwrap();
    assert_eq!(placed.as_raw_fd(), 90);
    let kept = std::process::Command::new("sh").args(["-c", "test -e /proc/self/fd/90"]).status();
    assert!(kept.unwrap().success());
    process::close_by_child(placed).unwrap();
    let child = crate::harness::wait_for("its child", ham_sys::reap::peek_any);
    wait_exit(child.pid);
    assert!(!process::is_open(90));
    assert!(send_with(&ours, b"nobody", None).is_err());
}
