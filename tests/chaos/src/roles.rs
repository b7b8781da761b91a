//! This program as ham runs it: an entity, a command of an action. They keep
//! their books and do what was settled beforehand; of ham they know the
//! variables in their environment. Also the load, and what keeps a manager from
//! outliving this program.

use crate::hearts;
use crate::kinds::{self, End, Kind, Member};
use crate::ledger::{self, Act, Life};
use crate::said;
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};
use nix::libc;
use nix::sys::prctl;
use nix::sys::resource::{Resource, setrlimit};
use nix::sys::signal::{SigSet, Signal, raise};
use nix::sys::signalfd::SignalFd;
use nix::time::{ClockId, clock_gettime};
use std::fs::{self, OpenOptions};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, ExitCode};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Another instance lived at the same time.
const DOUBLED: u8 = 99;
/// It could not do what it is for: no lock file, no ledger.
pub(crate) const TROUBLE: u8 = 98;

/// CLOCK_MONOTONIC, ns.
pub(crate) fn now() -> u64 {
    let time = clock_gettime(ClockId::CLOCK_MONOTONIC).map(Duration::from).unwrap_or_default();
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

fn invocation() -> String {
    std::env::var("HAM_INVOCATION").unwrap_or_default()
}

fn own_pid() -> u64 {
    u64::from(std::process::id())
}

/// `entity NAME SEED FOLDER`: one life.
pub(crate) fn entity(words: &[String]) -> ExitCode {
    let [name, seed, folder] = words else { return ExitCode::from(TROUBLE) };
    let Some(member) = kinds::member(name) else { return ExitCode::from(TROUBLE) };
    live(&member, seed.parse().unwrap_or(0), Path::new(folder))
}

fn live(member: &Member, seed: u64, folder: &Path) -> ExitCode {
    let begin = now();
    let (folder_lock, name) = (folder.join("lock"), &member.name);
    let lock = OpenOptions::new().write(true).create(true).truncate(false).open(folder_lock);
    let Ok(lock) = lock else { return ExitCode::from(TROUBLE) };
    match take(&lock, member.place) {
        Ok(()) => {}
        Err(Errno::EAGAIN | Errno::EACCES) => {
            let note = format!("{name} pid {} at {begin} {}\n", own_pid(), invocation());
            let _ = ledger::append(&ledger::doubles_of(folder), &note);
            return ExitCode::from(DOUBLED);
        }
        Err(_) => return ExitCode::from(TROUBLE),
    }
    let book = ledger::of(folder, name);
    let number = fs::metadata(&book).map_or(0, |file| file.len()) / ledger::LINE;
    let stays = ledger::stay(folder).exists();
    let life = Life { pid: own_pid(), mono: begin, stays, invocation: invocation() };
    if ledger::append(&book, &ledger::line(&life)).is_err() {
        return ExitCode::from(TROUBLE);
    }
    if member.kind == Kind::Recorder {
        return record(folder);
    }
    let (length, end) = kinds::life(member, number, seed);
    if matches!(member.kind, Kind::Beating | Kind::Stalling) {
        let first = number == 0 && !stays;
        return hearts::live(member, folder, first, if stays { Duration::MAX } else { length });
    }
    // The first ones wait for each other.
    while number == 0 && !ledger::go(folder).exists() && !stays {
        sleep(Duration::from_millis(5));
    }
    if stays {
        return for_ever();
    }
    if member.kind == Kind::Teller {
        return said::tell(name, folder);
    }
    match end {
        End::Stays => for_ever(),
        End::Code(code) => {
            sleep(length);
            ExitCode::from(code)
        }
        End::Signal(signal) => {
            sleep(length);
            let signal = Signal::try_from(i32::from(signal)).unwrap_or(Signal::SIGKILL);
            // Twice: the handler that Rust has for SEGV only removes itself.
            let _ = raise(signal);
            let _ = raise(signal);
            ExitCode::from(TROUBLE)
        }
    }
}

pub(crate) fn for_ever() -> ExitCode {
    loop {
        sleep(Duration::from_secs(3600));
    }
}

/// A lock of the open file: it is gone when the last descriptor is, however
/// the process ends.
fn take(lock: &fs::File, place: u32) -> nix::Result<()> {
    let range = libc::flock {
        l_type: i16::try_from(libc::F_WRLCK).unwrap_or(0),
        l_whence: i16::try_from(libc::SEEK_SET).unwrap_or(0),
        l_start: i64::from(place),
        l_len: 1,
        l_pid: 0,
    };
    fcntl(lock, FcntlArg::F_OFD_SETLK(&range)).map(drop)
}

/// The recorder: notes the value of each signal, until TERM.
fn record(folder: &Path) -> ExitCode {
    let all = SigSet::all();
    let book = ledger::signals_of(folder);
    let Ok(()) = all.thread_block() else { return ExitCode::from(TROUBLE) };
    let Ok(signals) = SignalFd::new(&all) else { return ExitCode::from(TROUBLE) };
    loop {
        let Ok(Some(signal)) = signals.read_signal() else { continue };
        if i32::try_from(signal.ssi_signo) == Ok(libc::SIGTERM) {
            let _ = all.thread_unblock();
            let _ = raise(Signal::SIGTERM);
        }
        if signal.ssi_int != 0 {
            let _ = ledger::append(&book, &format!("{}\n", signal.ssi_int));
        }
    }
}

/// `act FOLDER NAME CONDITION NUMBER PID [exit=N | make=PATH | remove=PATH]`:
/// one command of an action.
pub(crate) fn act(words: &[String]) -> ExitCode {
    let mono = now();
    let [folder, name, condition, number, pid, more @ ..] = words else {
        return ExitCode::from(TROUBLE);
    };
    let act = Act {
        name: name.clone(),
        condition: condition.clone(),
        number: number.parse().unwrap_or(0),
        pid: pid.parse().unwrap_or(0),
        mono,
        invocation: invocation(),
        status: std::env::var("HAM_STATUS").unwrap_or_default(),
    };
    if ledger::append(&ledger::acts_of(Path::new(folder)), &ledger::act_line(&act)).is_err() {
        return ExitCode::from(TROUBLE);
    }
    let Some((verb, object)) = more.first().and_then(|word| word.split_once('=')) else {
        return ExitCode::SUCCESS;
    };
    match verb {
        "exit" => return ExitCode::from(object.parse().unwrap_or(TROUBLE)),
        "make" => {
            sleep(Duration::from_millis(20));
            let _ = fs::write(object, "");
        }
        _ => {
            let _ = fs::remove_file(object);
        }
    }
    ExitCode::SUCCESS
}

/// `busy`: keeps a processor busy until the one who started it ends.
pub(crate) fn busy() -> ExitCode {
    let _ = prctl::set_pdeathsig(Signal::SIGKILL);
    let mut number = 1u64;
    let end = Instant::now() + Duration::from_secs(24 * 3600);
    while Instant::now() < end {
        for _ in 0..1_000_000 {
            number = std::hint::black_box(number.wrapping_mul(6_364_136_223_846_793_005));
        }
    }
    ExitCode::SUCCESS
}

/// `under PROGRAM ARGUMENT...`: executes it so that it is told to end when the
/// one who started it ends, and so that nothing below it dumps core.
pub(crate) fn under(words: &[String]) -> ExitCode {
    let [program, arguments @ ..] = words else { return ExitCode::from(TROUBLE) };
    let _ = prctl::set_pdeathsig(Signal::SIGTERM);
    let _ = setrlimit(Resource::RLIMIT_CORE, 0, 0);
    let error = Command::new(program).args(arguments).exec();
    eprintln!("ham-chaos: could not execute {program}: {error}");
    ExitCode::from(TROUBLE)
}
