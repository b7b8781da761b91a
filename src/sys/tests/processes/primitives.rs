//! Shared memory, signals, waiting, reaping, single processes: each against
//! the kernel, across real processes.

use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::sync::atomic::Ordering;
use std::time::Duration;

use ham_sys::poller::{EventFd, Interest, Poller, Ready, Timer};
use ham_sys::process::{self, PidFd};
use ham_sys::reap::{self, Exit};
use ham_sys::shm::Map;
use ham_sys::signals::{self, Received, SignalFd};
use ham_sys::{Errno, clock};

use crate::harness::*;

pub(crate) const SCENARIOS: &[Scenario] = &[
    Scenario { name: "shared_memory_file", run: memory_file, inner: false },
    Scenario { name: "shared_memory_file_is_checked", run: memory_file_checks, inner: false },
    Scenario { name: "shared_memory_sealed", run: memory_sealed, inner: false },
    Scenario { name: "shared_memory_reserve_and_lock", run: memory_reserve, inner: false },
    Scenario { name: "signals_arrive_with_their_value", run: signal_values, inner: false },
    Scenario { name: "dispositions_are_reset", run: dispositions, inner: false },
    Scenario { name: "inner_dispositions", run: inner_dispositions, inner: true },
    Scenario { name: "an_exit_is_seen_before_it_is_reaped", run: two_step_reap, inner: false },
    Scenario { name: "poller_tells_what_is_ready", run: poller, inner: false },
    Scenario { name: "timer_fires_at_its_instant", run: timer, inner: false },
    Scenario { name: "pidfd_follows_its_process", run: pidfd, inner: false },
    Scenario { name: "careless_descriptors_close_on_exec", run: close_on_exec, inner: false },
    Scenario { name: "a_directory_is_locked_once", run: lock, inner: false },
];

fn memory_file() {
    let temp = TempDir::new();
    let dir = std::fs::File::open(temp.path()).unwrap();
    let missing = Map::file(dir.as_fd(), c"state", 8192, false).unwrap_err();
    assert_eq!(missing.errno, Errno::ENOENT);
    let (map, _fd) = Map::file(dir.as_fd(), c"state", 1 << 30, true).unwrap();
    let status = std::fs::metadata(temp.file("state")).unwrap();
    assert_eq!((status.len(), status.permissions().mode() & 0o777), (1 << 30, 0o600));
    assert_eq!(status.blocks(), 0, "not sparse");
    as_monitor(|| map.words()[100].store(7, Ordering::Release));
    assert_eq!(map.words()[100].load(Ordering::Acquire), 7);
    // A later manager finds it again; a smaller wish shrinks nothing.
    let (again, _fd) = Map::file(dir.as_fd(), c"state", 8192, false).unwrap();
    assert_eq!(again.words().len(), 1024);
    assert_eq!(again.words()[100].load(Ordering::Acquire), 7);
    assert_eq!(std::fs::metadata(temp.file("state")).unwrap().len(), 1 << 30);
}

fn memory_file_checks() {
    let temp = TempDir::new();
    let dir = std::fs::File::open(temp.path()).unwrap();
    let errno = |name| Map::file(dir.as_fd(), name, 4096, true).unwrap_err().errno;
    std::os::unix::fs::symlink("elsewhere", temp.file("link")).unwrap();
    assert_eq!(errno(c"link"), Errno(libc::ELOOP));
    nix::unistd::mkfifo(&temp.file("fifo"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    assert_eq!(errno(c"fifo"), Errno::EPERM);
    std::fs::write(temp.file("open"), "").unwrap();
    std::fs::set_permissions(temp.file("open"), std::fs::Permissions::from_mode(0o644)).unwrap();
    assert_eq!(errno(c"open"), Errno::EPERM);
    if process::effective_uid() == 0 {
        std::fs::write(temp.file("foreign"), "").unwrap();
        std::os::unix::fs::chown(temp.file("foreign"), Some(65_534), None).unwrap();
        let private = std::fs::Permissions::from_mode(0o600);
        std::fs::set_permissions(temp.file("foreign"), private).unwrap();
        assert_eq!(errno(c"foreign"), Errno::EPERM);
    }
    for odd in [0, 4097] {
        let refused = Map::file(dir.as_fd(), c"fresh", odd, true).unwrap_err();
        assert_eq!(refused.errno, Errno::EINVAL);
    }
}

fn memory_sealed() {
    let (map, fd) = Map::memfd(c"state", 1 << 16).unwrap();
    for size in [0, 1 << 20] {
        assert_eq!(nix::unistd::ftruncate(&fd, size), Err(nix::Error::EPERM));
    }
    let flags = nix::fcntl::fcntl(&fd, nix::fcntl::FcntlArg::F_GETFD).unwrap();
    assert_eq!(flags & libc::FD_CLOEXEC, libc::FD_CLOEXEC);
    map.words()[8191].store(1, Ordering::Relaxed);
    let second = Map::from_fd(fd.as_fd(), c"state", 1 << 16).unwrap();
    assert_eq!(second.words()[8191].load(Ordering::Relaxed), 1);
}

fn memory_reserve() {
    let (map, fd) = Map::memfd(c"state", 1 << 20).unwrap();
    let blocks = || nix::sys::stat::fstat(&fd).unwrap().st_blocks;
    assert_eq!(blocks(), 0);
    map.reserve(fd.as_fd(), 4096, 8192).unwrap();
    assert_eq!(blocks(), 16);
    for (from, bytes) in [(0, 0), (1 << 20, 8), (usize::MAX, 8)] {
        assert_eq!(map.reserve(fd.as_fd(), from, bytes).unwrap_err().errno, Errno::EINVAL);
        assert_eq!(map.lock_on_fault(from, bytes).unwrap_err().errno, Errno::EINVAL);
    }
    // The limit on locked memory may be anything; only the reason is fixed.
    match map.lock_on_fault(0, 8192) {
        Ok(()) => {
            let status = std::fs::read_to_string("/proc/self/status").unwrap();
            assert!(!status.contains("VmLck:\t       0 kB"));
        }
        Err(error) => assert!(matches!(error.errno, Errno::EPERM | Errno::ENOMEM)),
    }
}

fn signal_values() {
    signals::block_all().unwrap();
    let high = signals::rtmin() + 3;
    let fd = SignalFd::new(&[libc::SIGUSR1, libc::SIGTERM, high]).unwrap();
    let mut received = [Received::default(); 32];
    assert_eq!(fd.read(&mut received).unwrap(), 0);
    let to = PidFd::open(process::pid()).unwrap();
    to.queue(libc::SIGUSR1, libc::SI_QUEUE, -7).unwrap();
    assert_eq!(fd.read(&mut received).unwrap(), 1);
    assert_eq!(
        received[0],
        Received {
            signal: libc::SIGUSR1,
            pid: process::pid(),
            uid: nix::unistd::getuid().as_raw(),
            code: libc::SI_QUEUE,
            value: -7,
        }
    );
    // From another process, with codes and values of its own, and in order;
    // more of them than one read of the descriptor takes.
    as_monitor(|| {
        for value in 0..20 {
            to.queue(high, -60, value).unwrap();
        }
        to.send(libc::SIGTERM).unwrap();
        assert_eq!(to.queue(high, libc::SI_TKILL, 0).unwrap_err().errno, Errno::EPERM);
        assert_eq!(to.send(4711).unwrap_err().errno, Errno::EINVAL);
    });
    assert_eq!(fd.read(&mut received).unwrap(), 21);
    assert_eq!((received[0].signal, received[0].code), (libc::SIGTERM, libc::SI_USER));
    for (value, one) in (0..).zip(&received[1..21]) {
        assert_eq!((one.signal, one.code, one.value), (high, -60, value));
    }
    assert_eq!(fd.read(&mut received).unwrap(), 0);
}

fn dispositions() {
    let status = std::process::Command::new("/bin/sh")
        .args(["-c", "trap '' HUP TERM && exec \"$0\" --inner inner_dispositions"])
        .arg(std::env::current_exe().unwrap())
        .status()
        .unwrap();
    assert!(status.success());
}

fn inner_dispositions() {
    let line = |name: &str| {
        let text = std::fs::read_to_string("/proc/self/status").unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        u64::from_str_radix(line.trim_start_matches(':').trim(), 16).unwrap()
    };
    let bit = |signal: i32| 1u64 << (signal - 1);
    assert_eq!(line("SigIgn") & bit(libc::SIGHUP), bit(libc::SIGHUP));
    signals::reset_dispositions().unwrap();
    // 32 and 33 are the C library's, and stay as they were inherited.
    assert_eq!(line("SigIgn") & !(0b11 << 31), bit(libc::SIGPIPE));
    assert_eq!(line("SigCgt"), 0);
    signals::block_all().unwrap();
    let faults = [
        libc::SIGSEGV,
        libc::SIGBUS,
        libc::SIGILL,
        libc::SIGFPE,
        libc::SIGTRAP,
        libc::SIGSYS,
        libc::SIGABRT,
    ];
    assert!(faults.iter().all(|fault| line("SigBlk") & bit(*fault) == 0));
    assert_ne!(line("SigBlk") & bit(libc::SIGCHLD), 0);
    assert_ne!(line("SigBlk") & bit(64), 0);
    // A stopped child is no exit: no SIGCHLD for it.
    let fd = SignalFd::new(&[libc::SIGCHLD]).unwrap();
    let child = start_monitor(|| std::thread::sleep(PATIENCE));
    let handle = PidFd::open(child).unwrap();
    handle.send(libc::SIGSTOP).unwrap();
    wait_for("a stopped child", || {
        let stat = std::fs::read_to_string(format!("/proc/{child}/stat")).unwrap();
        stat.rsplit_once(')').unwrap().1.starts_with(" T").then_some(())
    });
    let mut received = [Received::default(); 4];
    assert_eq!(fd.read(&mut received).unwrap(), 0);
    handle.send(libc::SIGKILL).unwrap();
    let count = wait_for("SIGCHLD", || Some(fd.read(&mut received).unwrap()).filter(|n| *n > 0));
    assert_eq!((count, received[0].pid, received[0].code), (1, child, libc::CLD_KILLED));
    assert!(reap::collect(child));
}

fn two_step_reap() {
    assert!(!reap::has_children());
    assert_eq!((reap::peek_any(), reap::peek(1)), (None, None));
    let first = start_monitor(|| process::exit_now(42));
    let second = start_monitor(|| std::thread::sleep(PATIENCE));
    let expected = Exit { pid: first, code: Exit::EXITED, status: 42 };
    assert_eq!(wait_for("an exit", reap::peek_any), expected);
    assert_eq!(reap::peek(first), Some(expected));
    assert_eq!(reap::peek(second), None);
    // A zombie keeps its number until it is collected, once.
    assert!(process::start_time(first).is_some());
    assert!(!reap::collect(second));
    assert!(reap::collect(first));
    assert!(!reap::collect(first));
    assert_eq!(reap::peek(first), None);
    PidFd::open(second).unwrap().send(libc::SIGTERM).unwrap();
    let exit = wait_exit(second);
    assert_eq!((exit.code, exit.status), (Exit::KILLED, libc::SIGTERM));
    assert!(!reap::has_children());
}

fn poller() {
    let poller = Poller::new().unwrap();
    let event = EventFd::new().unwrap();
    let mut ready = [Ready::default(); 4];
    poller.add(&event, 5, Interest::READ).unwrap();
    assert_eq!(poller.add(&event, 5, Interest::READ).unwrap_err().errno, Errno::EEXIST);
    assert_eq!(poller.wait(&mut ready, Some(Duration::ZERO)).unwrap(), 0);
    as_monitor(|| (0..3).for_each(|_| event.post()));
    assert_eq!(poller.wait(&mut ready, None).unwrap(), 1);
    assert_eq!(ready[0], Ready { token: 5, readable: true, ..Ready::default() });
    assert_eq!((event.drain(), event.drain()), (3, 0));
    assert_eq!(poller.wait(&mut ready, Some(Duration::from_nanos(1))).unwrap(), 0);
    poller.change(&event, 6, Interest::BOTH).unwrap();
    assert_eq!(poller.wait(&mut ready, None).unwrap(), 1);
    assert_eq!(ready[0], Ready { token: 6, writable: true, ..Ready::default() });
    poller.remove(&event).unwrap();
    assert_eq!(poller.remove(&event).unwrap_err().errno, Errno::ENOENT);
    assert_eq!(poller.wait(&mut [], None).unwrap_err().errno, Errno::EINVAL);
    // A closed other end is a hang-up.
    let (ours, theirs) = nix::unistd::pipe().unwrap();
    poller.add(&ours, 8, Interest::READ).unwrap();
    drop(theirs);
    assert_eq!(poller.wait(&mut ready, None).unwrap(), 1);
    assert_eq!(ready[0], Ready { token: 8, hangup: true, ..Ready::default() });
}

fn timer() {
    let poller = Poller::new().unwrap();
    let timer = Timer::new().unwrap();
    poller.add(&timer, 1, Interest::READ).unwrap();
    let mut ready = [Ready::default(); 4];
    let instant = clock::monotonic() + 20_000_000;
    timer.set(Some(instant)).unwrap();
    assert_eq!(poller.wait(&mut ready, Some(PATIENCE)).unwrap(), 1);
    assert!(clock::monotonic() >= instant, "early");
    timer.drain();
    assert_eq!(poller.wait(&mut ready, Some(Duration::ZERO)).unwrap(), 0);
    // The distant past, where zero would mean "never".
    timer.set(Some(0)).unwrap();
    assert_eq!(poller.wait(&mut ready, Some(PATIENCE)).unwrap(), 1);
    timer.set(Some(u64::MAX)).unwrap();
    assert_eq!(poller.wait(&mut ready, Some(Duration::ZERO)).unwrap(), 0);
    timer.set(None).unwrap();
    assert_eq!(poller.wait(&mut ready, Some(Duration::ZERO)).unwrap(), 0);
}

fn pidfd() {
    let child = start_monitor(|| {
        process::set_name(c"a (strange) one").unwrap();
        std::thread::sleep(PATIENCE);
    });
    wait_for("a name", || (process::name_of(child)? == "a (strange) one").then_some(()));
    assert_eq!(process::forked_not_execed(child), Some(true));
    let handle = PidFd::open(child).unwrap();
    assert!(!handle.has_exited());
    handle.send(0).unwrap();
    handle.send(libc::SIGKILL).unwrap();
    wait_for("its end", || handle.has_exited().then_some(()));
    assert!(reap::collect(child));
    assert!(handle.has_exited());
    assert_eq!(handle.send(libc::SIGKILL).unwrap_err().errno, Errno::ESRCH);
    assert_eq!(PidFd::open(child).unwrap_err().errno, Errno::ESRCH);
}

fn close_on_exec() {
    let careless = std::fs::File::open("/dev/null").unwrap();
    let low = nix::fcntl::fcntl(&careless, nix::fcntl::FcntlArg::F_DUPFD(20)).unwrap();
    let high = nix::fcntl::fcntl(&careless, nix::fcntl::FcntlArg::F_DUPFD(80)).unwrap();
    process::close_on_exec_from(64).unwrap();
    let text = format!("[ -e /proc/self/fd/{low} ] && [ ! -e /proc/self/fd/{high} ]");
    let status = std::process::Command::new("/bin/sh").args(["-c", &text]).status().unwrap();
    assert!(status.success());
}

fn lock() {
    let temp = TempDir::new();
    let dir = std::fs::File::open(temp.path()).unwrap();
    let held = ham_sys::lock::lock_directory(dir.as_fd()).unwrap().unwrap();
    assert!(held.as_raw_fd() > 2);
    as_monitor(|| assert!(ham_sys::lock::lock_directory(dir.as_fd()).unwrap().is_none()));
    // It lives as long as any of the three has it.
    let guardian = start_monitor(|| std::thread::sleep(PATIENCE));
    drop(held);
    as_monitor(|| assert!(ham_sys::lock::lock_directory(dir.as_fd()).unwrap().is_none()));
    end(guardian);
    as_monitor(|| assert!(ham_sys::lock::lock_directory(dir.as_fd()).unwrap().is_some()));
}
