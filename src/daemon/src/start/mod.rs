//! From the command line to the running reaper: the runtime directory is made
//! ours, the shared state is laid out, and what every process of the manager
//! needs is opened before the first fork.

mod background;
mod earlier;

use crate::board;
use crate::exit;
use crate::keep::{CONTROL, NOTIFY};
use crate::last_resort;
use crate::monitor;
use crate::options::{MOST_VERBOSITY, Options, Place, VERBOSITY};
use crate::reaper;
use crate::runtime;
use crate::say::say;
use crate::shared::{Common, Shared, keep_first, number};
use crate::trouble::Trouble;
use ham_snapshot::header::Field;
use ham_snapshot::{State, layout};
use ham_sys::process;
use ham_sys::shm::Map;
use ham_sys::{clock, containment, fault, lock, signals};
use std::ffi::{CStr, OsString};
use std::fs;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

const STATE_FILE: &CStr = c"state";
/// What `ham_sys::lock` locks.
const LOCK_FILE: &str = "lock";
const STATE_BYTES: usize = layout::TOTAL * layout::WORD;
const HEADER_BYTES: usize = layout::HEADER_WORDS * layout::WORD;

/// Below this limit not even ham's own descriptors have their places.
const LEAST_FILES: u64 = 128;

/// `ham run`.
pub(crate) fn run(mut options: Options) -> ExitCode {
    if options.place != Place::Elsewhere {
        board::rise(&mut options);
    }
    if options.background {
        match background::go_to_background(&options) {
            Ok(Some(code)) => return code,
            Ok(None) => {}
            Err(trouble) => return fail(&trouble),
        }
    }
    let place = options.place;
    match prepare(options) {
        Ok(shared) => board::never_end(place, reaper::run(shared)),
        Err(trouble) if place != Place::Elsewhere => board::hold(&trouble),
        Err(trouble) => fail(&trouble),
    }
}

/// The reaper again, after a fault: everything is there, in shared memory and
/// in descriptors of known numbers; only this image is new (details 13). All
/// signals are blocked until the handlers stand again.
pub(crate) fn resume(options: Result<Options, String>) -> ExitCode {
    let place = options.as_ref().map_or(Place::Elsewhere, |options| options.place);
    let options = match options {
        Ok(options) if place != Place::Elsewhere => {
            if !process::is_open(number::STATE) {
                // A word of the kernel's command line, and no fault.
                return run(options);
            }
            board::rise_again(&options);
            Ok(options)
        }
        options => options,
    };
    let mut state = None;
    let resumed = take_over(options, &mut state).and_then(|shared| Ok(reaper::resume(shared)?));
    match resumed {
        Ok(code) => board::never_end(place, code),
        Err(trouble) => board::never_end(place, last_resort::reap_only(place, &trouble, state)),
    }
}

/// `found`: the state, as soon as it is known to be one.
fn take_over(
    options: Result<Options, String>,
    found: &mut Option<State>,
) -> Result<&'static Shared, Trouble> {
    let state_fd = process::take(number::STATE)?;
    let map = Map::from_fd(state_fd.as_fd(), STATE_FILE, STATE_BYTES)?;
    let state =
        State::open(map.words()).map_err(|error| Trouble::new(exit::SYSTEM, error.to_string()))?;
    *found = Some(state);
    // Whatever comes now: who was forked and not noted must not wait for it.
    let usable = reaper::note_fault(state);
    settle_in()?;
    if !usable {
        return Err(Trouble::new(exit::MISTAKE, "its third fault within ten seconds"));
    }
    let options = options.map_err(|why| Trouble::new(exit::USAGE, why))?;
    process::remember_nofile((state.get(Field::FirstSoftLimit), state.get(Field::FirstHardLimit)));
    // Memory locks end at exec; a refusal was reported at the first start.
    let _ = map.lock_on_fault(0, layout::HINTS_AT * layout::WORD);
    let common = Common::inherited(state_fd)?;
    share(Shared {
        signals: options.signals.unwrap_or_else(|| options.place.signals()),
        reboots: options.place.reboots(),
        options,
        state,
        map,
        common,
        hang_check: hang_check(),
        remarks: Vec::new(),
    })
}

/// For the rest of this process, and of those forked from it. From here on a
/// fault executes this program again.
fn share(shared: Shared) -> Result<&'static Shared, Trouble> {
    let words = shared.options.words.iter().cloned();
    let arguments = [OsString::from("ham"), OsString::from(reaper::AGAIN)].into_iter().chain(words);
    let is_board = shared.options.place.is_board();
    fault::execute_again_on_fault(&shared.common.program, arguments.collect(), is_board)?;
    if is_board {
        board::again_after_a_panic();
    }
    signals::block_all()?;
    Ok(Box::leak(Box::new(shared)))
}

/// What every image of the reaper begins with. Whoever started ham may have
/// left signals ignored; entities must inherit none of it.
fn settle_in() -> Result<(), Trouble> {
    signals::reset_dispositions()?;
    if process::pid() != 1 {
        process::set_child_subreaper()?;
    }
    process::set_name(c"ham")?;
    // No core dump delays a takeover, and nobody of the same user gets at the
    // state through /proc (details 9). Entities are not affected: it ends at
    // exec.
    process::set_dumpable(false)?;
    Ok(())
}

/// Whether monitors and guardians that hang are replaced.
fn hang_check() -> bool {
    std::env::var_os("HAM_NO_HANG_CHECK").is_none_or(|value| value != "1")
}

/// What a soft-reboot executes: the program at the path that this one was started
/// from, which may be another by then. One that does not fit cannot be, and then
/// there is none.
fn keep_own_command(state: &State, options: &Options) {
    let called = std::env::args_os().next().map(PathBuf::from);
    let by_path = called.filter(|path| path.components().count() > 1);
    let path = match by_path {
        Some(path) => runtime::absolute(&path).ok(),
        None => std::env::current_exe().ok(),
    };
    let path = path.map(PathBuf::into_os_string);
    let words = path.into_iter().chain(options.words.iter().cloned());
    // Paths that are no text cannot be units' either.
    let words: Option<Vec<String>> = words.map(|word| word.into_string().ok()).collect();
    if let Some(words) = words {
        state.set_recovery(words.iter().map(String::as_str));
    }
}

fn fail(trouble: &Trouble) -> ExitCode {
    say(trouble);
    ExitCode::from(trouble.code)
}

fn prepare(options: Options) -> Result<&'static Shared, Trouble> {
    settle_in()?;
    signals::block_all()?;
    // What whoever started ham has left open is nobody's here, and would stand
    // where ham's own descriptors have their places.
    process::close_from(3)?;
    let nofile = process::raise_nofile();
    let mut remarks = Vec::new();
    if let Ok(limit) = nofile
        && limit < LEAST_FILES
    {
        let text = format!("the limit of open files is {limit}, and ham needs {LEAST_FILES}");
        return Err(Trouble::new(exit::SYSTEM, text));
    }
    if let Err(error) = nofile {
        remarks.push(format!("{error}: entities and clients are limited to what it was"));
    }

    let directory = runtime::prepare(&options.runtime)?;
    let Some(lock) = lock::lock_directory(directory.as_fd())? else {
        return Err(occupied(&options.runtime));
    };
    sign(&options.runtime);
    let (map, state_fd) = fresh_state(&options.runtime, &directory, &mut remarks)?;
    let state = State::format(map.words())
        .map_err(|error| Trouble::new(exit::SYSTEM, error.to_string()))?;
    fill_header(&state);
    let verbosity = options.verbosity.unwrap_or(VERBOSITY);
    state.set(Field::Verbosity, u64::from(verbosity.min(MOST_VERBOSITY)));
    reserve(map, &state_fd)?;
    if let Err(error) = map.lock_on_fault(0, layout::HINTS_AT * layout::WORD) {
        remarks.push(format!("{error}: under memory pressure the state may be paged out"));
    }

    let control = runtime::bind_control(&options.runtime)?;
    let notify = runtime::bind_notify(&options.runtime)?;
    let common = Common::new(state_fd, lock)?;
    keep_first(state, [(CONTROL, control.into()), (NOTIFY, notify.into())])?;
    keep_own_command(&state, &options);
    // Of `--background`, the process that waits for this one.
    let launcher = options.background.then(process::parent_pid);
    remarks.extend(containment::settle(launcher));
    share(Shared {
        signals: options.signals.unwrap_or_else(|| options.place.signals()),
        reboots: options.place.reboots(),
        options,
        state,
        map,
        common,
        hang_check: hang_check(),
        remarks,
    })
}

/// Says in the lock file who holds it. For people who are refused; should it
/// fail, they are refused all the same.
fn sign(runtime: &Path) {
    let _ = fs::write(runtime.join(LOCK_FILE), format!("{}\n", process::pid()));
}

/// Who holds the runtime directory, as far as its lock file tells.
fn occupied(runtime: &Path) -> Trouble {
    let signed = fs::read_to_string(runtime.join(LOCK_FILE)).unwrap_or_default();
    let pid = signed.trim().parse::<u32>().ok();
    let who = pid.map_or_else(String::new, |pid| format!(" (process {pid})"));
    Trouble::new(
        exit::OCCUPIED,
        format!(
            "another ham{who} runs on {}; stop it with `hamctl --runtime-dir {} shutdown`, \
             or choose another directory with --runtime-dir",
            runtime.display(),
            runtime.display()
        ),
    )
}

/// On tmpfs a file, so that the state outlives all three; elsewhere memory.
fn fresh_state(
    runtime: &Path,
    directory: &fs::File,
    remarks: &mut Vec<String>,
) -> Result<(Map, OwnedFd), Trouble> {
    let path = runtime.join("state");
    if path.exists() {
        earlier::refuse_living(runtime)?;
        fs::remove_file(&path).map_err(|error| Trouble::file("remove", &path, &error))?;
    }
    earlier::refuse_left_in_cgroup(runtime)?;
    if ham_sys::shm::is_in_memory(directory.as_fd())? {
        return Ok(Map::file(directory.as_fd(), STATE_FILE, STATE_BYTES, true)?);
    }
    remarks.push(format!(
        "{} is on no tmpfs: the state is in anonymous memory and ends with the manager",
        runtime.display()
    ));
    Ok(Map::memfd(STATE_FILE, STATE_BYTES)?)
}

fn halves(id: [u8; 16]) -> (u64, u64) {
    let (mut low, mut high) = ([0; 8], [0; 8]);
    low.copy_from_slice(&id[..8]);
    high.copy_from_slice(&id[8..]);
    (u64::from_le_bytes(low), u64::from_le_bytes(high))
}

fn fill_header(state: &State) {
    let (low, high) = clock::boot_id().map_or((0, 0), halves);
    let pid = process::pid();
    state.set(Field::BootIdLow, low);
    state.set(Field::BootIdHigh, high);
    // Unlike any other instance's: two cannot start at the same nanosecond
    // with the same pid.
    state.set(Field::Instance, clock::realtime() ^ (u64::from(pid.unsigned_abs()) << 40));
    state.set(Field::ReaperPid, u64::from(pid.unsigned_abs()));
    state.set(Field::ReaperStart, process::start_time(pid).unwrap_or(0));
    state.set(Field::StartedMono, clock::monotonic());
    let (soft, hard) = process::first_nofile();
    state.set(Field::FirstSoftLimit, soft);
    state.set(Field::FirstHardLimit, hard);
    state.set(Field::StartedReal, clock::realtime());
}

/// What the reaper writes to, and the monitor in its first turns, must be
/// there: a full tmpfs would end them later, and is a clear error now.
fn reserve(map: Map, fd: &OwnedFd) -> Result<(), Trouble> {
    let areas = [
        (layout::HEADER_AT, layout::HEADER_WORDS),
        (layout::HINTS_AT, layout::KEPT_AT - layout::HINTS_AT),
        // What the manager itself has kept; the reaper reserves the rest as it
        // is used.
        (layout::KEPT_AT, 8 * layout::KEPT_WORDS),
    ];
    for (at, words) in areas {
        map.reserve(fd.as_fd(), at * layout::WORD, words * layout::WORD)?;
    }
    Ok(monitor::reserve_first_records(map, fd)?)
}
