//! From the command line to the running reaper: the runtime directory is made
//! ours, the shared state is laid out, and what every process of the manager
//! needs is opened before the first fork.

use crate::exit;
use crate::monitor;
use crate::options::Options;
use crate::reaper;
use crate::runtime;
use crate::say::say;
use crate::shared::{CONTROL, CONTROL_PLACE, Common, Shared, number};
use crate::trouble::Trouble;
use ham_snapshot::header::Field;
use ham_snapshot::slots::Phase;
use ham_snapshot::{State, layout};
use ham_sys::process::{self, Forked};
use ham_sys::shm::Map;
use ham_sys::{clock, containment, lock, reap, signals};
use std::ffi::CStr;
use std::fs;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::ExitCode;
use std::sync::atomic::Ordering;
use std::time::Duration;

const STATE_FILE: &CStr = c"state";
/// What `ham_sys::lock` locks.
const LOCK_FILE: &str = "lock";
const STATE_BYTES: usize = layout::TOTAL * layout::WORD;
const HEADER_BYTES: usize = layout::HEADER_WORDS * layout::WORD;

/// How long `--background` waits for the control socket.
const BACKGROUND_WAIT: Duration = Duration::from_secs(60);

/// `ham run`.
pub(crate) fn run(options: Options) -> ExitCode {
    if options.background {
        match go_to_background(&options) {
            Ok(Some(code)) => return code,
            Ok(None) => {}
            Err(trouble) => return fail(&trouble),
        }
    }
    match prepare(options) {
        // For the rest of the process, and of those forked from it.
        Ok(shared) => ExitCode::from(reaper::run(Box::leak(Box::new(shared)))),
        Err(trouble) => fail(&trouble),
    }
}

/// The reaper again, after a fault: everything is there, in shared memory and
/// in descriptors of known numbers; only this image is new (details 13).
pub(crate) fn resume(options: Options) -> ExitCode {
    let taken = take_over(options);
    match taken {
        Ok(shared) => ExitCode::from(reaper::resume(Box::leak(Box::new(shared)))),
        Err(trouble) => ExitCode::from(reaper::reap_only(&trouble, None)),
    }
}

fn take_over(options: Options) -> Result<Shared, Trouble> {
    settle_in()?;
    let state_fd = process::take(number::STATE)?;
    let map = Map::from_fd(state_fd.as_fd(), STATE_FILE, STATE_BYTES)?;
    let state =
        State::open(map.words()).map_err(|error| Trouble::new(exit::SYSTEM, error.to_string()))?;
    process::remember_nofile((state.get(Field::FirstSoftLimit), state.get(Field::FirstHardLimit)));
    // Memory locks end at exec; a refusal was reported at the first start.
    let _ = map.lock_on_fault(0, layout::HINTS_AT * layout::WORD);
    let common = Common::inherited(state_fd)?;
    let hang_check = hang_check();
    Ok(Shared { options, state, map, common, hang_check, remarks: Vec::new() })
}

/// What every image of the reaper begins with. Whoever started ham may have
/// left signals ignored or blocked; entities must inherit none of it.
fn settle_in() -> Result<(), Trouble> {
    signals::reset_dispositions()?;
    signals::block_all()?;
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

fn fail(trouble: &Trouble) -> ExitCode {
    say(trouble);
    ExitCode::from(trouble.code)
}

/// The parent waits until its child answers on the control socket and has read
/// its units; `None`: this is the child.
fn go_to_background(options: &Options) -> Result<Option<ExitCode>, Trouble> {
    let Forked::Parent(child) = process::fork()? else {
        process::new_session()?;
        return Ok(None);
    };
    let socket = options.runtime.join("control");
    let deadline = std::time::Instant::now() + BACKGROUND_WAIT;
    while std::time::Instant::now() < deadline {
        if let Some(exit) = reap::peek(child) {
            let code = if exit.code == reap::Exit::EXITED { exit.status } else { 1 };
            return Ok(Some(ExitCode::from(u8::try_from(code).unwrap_or(1))));
        }
        if fs::symlink_metadata(&socket).is_ok() && is_up(&socket, child) {
            return Ok(Some(ExitCode::SUCCESS));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Err(Trouble::new(exit::SYSTEM, "the manager does not answer; it goes on in the background"))
}

/// Whether the manager whose reaper is `reaper` answers there and has read its
/// units, for better or worse. One that stops at once (`--strict`) is not up:
/// its exit code is waited for.
fn is_up(socket: &Path, reaper: i32) -> bool {
    use ham_core::wire::{Answer, Call, Frames, Names, Status, to_frame};
    use std::io::{Read, Write};
    let ask = || -> Option<Status> {
        let mut stream = UnixStream::connect(socket).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
        let call = Call::to_manager("Status", &Names::default()).ok()?;
        stream.write_all(&to_frame(&call).ok()?).ok()?;
        let mut frames = Frames::new();
        let mut bytes = [0u8; 4096];
        loop {
            let count = stream.read(&mut bytes).ok().filter(|count| *count > 0)?;
            frames.push(bytes.get(..count)?, ham_core::wire::MAX_FRAME).ok()?;
            if let Some(frame) = frames.next_frame() {
                let answer: Answer = serde_json::from_slice(&frame).ok()?;
                return serde_json::from_value(answer.parameters).ok();
            }
        }
    };
    ask().map(|status| status.ham).is_some_and(|ham| {
        let loaded = ham.plan.generation > 0 || !ham.plan.errors.is_empty();
        ham.reaper.pid == reaper && loaded && !ham.stopping
    })
}

fn prepare(options: Options) -> Result<Shared, Trouble> {
    settle_in()?;
    // What whoever started ham has left open is nobody's here, and would stand
    // where ham's own descriptors have their places.
    process::close_from(3)?;
    let nofile = process::raise_nofile();
    let mut remarks = Vec::new();
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
    reserve(map, &state_fd)?;
    if let Err(error) = map.lock_on_fault(0, layout::HINTS_AT * layout::WORD) {
        remarks.push(format!("{error}: under memory pressure the state may be paged out"));
    }

    let control = runtime::bind_control(&options.runtime)?;
    let common = Common::new(state_fd, lock, control)?;
    state.keep(CONTROL_PLACE, Some(CONTROL));
    Ok(Shared { options, state, map, common, hang_check: hang_check(), remarks })
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

/// The state that an earlier ham of this boot has left there.
fn earlier_state(runtime: &Path) -> Result<Option<State>, Trouble> {
    let refuse = |why: &dyn std::fmt::Display| {
        Trouble::new(
            exit::OCCUPIED,
            format!(
                "could not read the state that an earlier ham has left ({why}): its processes \
                 may still run, and none is started a second time; end them and remove {}",
                runtime.join("state").display()
            ),
        )
    };
    let path = runtime.join("state");
    let length = fs::symlink_metadata(&path).map(|metadata| metadata.len());
    let length = length.map_err(|error| Trouble::file("look at", &path, &error))?;
    if length < HEADER_BYTES as u64 {
        // It was cut off before anything was written.
        return Ok(None);
    }
    let directory =
        fs::File::open(runtime).map_err(|error| Trouble::file("open", runtime, &error))?;
    // The boot id stands in the same place in every version of the layout.
    let (header, _fd) = Map::file(directory.as_fd(), STATE_FILE, HEADER_BYTES, false)
        .map_err(|error| refuse(&error))?;
    let word = |field: Field| {
        header.words().get(field as usize).map_or(0, |word| word.load(Ordering::Relaxed))
    };
    let found = (word(Field::BootIdLow), word(Field::BootIdHigh));
    if clock::boot_id().is_some_and(|boot| halves(boot) != found) {
        return Ok(None);
    }
    if length < STATE_BYTES as u64 {
        return Err(refuse(&ham_snapshot::StateError::TooShort));
    }
    let (map, _fd) = Map::file(directory.as_fd(), STATE_FILE, STATE_BYTES, false)
        .map_err(|error| refuse(&error))?;
    State::open(map.words()).map(Some).map_err(|error| refuse(&error))
}

/// What an earlier ham has left in its cgroup, beside entities that its state
/// knows: nothing is started beside that either.
fn refuse_left_in_cgroup(runtime: &Path) -> Result<(), Trouble> {
    let Ok(tree) = containment::find_tree(&runtime::label(runtime)) else { return Ok(()) };
    let left = tree.all_processes();
    // What is empty goes; the monitor makes the tree anew.
    tree.remove_tree();
    if left.is_empty() {
        return Ok(());
    }
    let name = |pid: &i32| format!("{} ({pid})", process::name_of(*pid).unwrap_or_default());
    let named: Vec<String> = left.iter().map(name).collect();
    Err(still_running(
        runtime,
        &named,
        &format!("write 1 to {}/cgroup.kill", tree.root().display()),
    ))
}

fn still_running(runtime: &Path, living: &[String], remedy: &str) -> Trouble {
    let shown = living.iter().take(5).cloned().collect::<Vec<_>>().join(", ");
    let more = living.len().saturating_sub(5);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    Trouble::new(
        exit::OCCUPIED,
        format!(
            "an earlier ham on {} was killed and its processes still run: {shown}{more}; \
             none is started a second time: end them ({remedy})",
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
        refuse_living(runtime)?;
        fs::remove_file(&path).map_err(|error| Trouble::file("remove", &path, &error))?;
    }
    refuse_left_in_cgroup(runtime)?;
    if ham_sys::shm::is_in_memory(directory.as_fd())? {
        return Ok(Map::file(directory.as_fd(), STATE_FILE, STATE_BYTES, true)?);
    }
    remarks.push(format!(
        "{} is on no tmpfs: the state is in anonymous memory and ends with the manager",
        runtime.display()
    ));
    Ok(Map::memfd(STATE_FILE, STATE_BYTES)?)
}

/// The processes of a manager that was killed may still run; starting them a
/// second time beside themselves would be the one thing ham promises never to
/// do.
fn refuse_living(runtime: &Path) -> Result<(), Trouble> {
    let Some(state) = earlier_state(runtime)? else { return Ok(()) };
    let used = u32::try_from(state.get(Field::SlotsUsed)).unwrap_or(0);
    let living: Vec<String> = (ham_core::ids::RESERVED_SLOTS..used)
        .filter_map(|index| state.slot(index))
        .filter(|slot| matches!(slot.word().1, Phase::Intent | Phase::Running))
        .filter_map(|slot| {
            let pid = slot.live_pid()?;
            let lives = process::lives(pid, slot.start_time());
            lives.then(|| format!("{} ({pid})", slot.name()))
        })
        .collect();
    if living.is_empty() {
        return Ok(());
    }
    let remedy = format!("or remove {}/state to disown them", runtime.display());
    Err(still_running(runtime, &living, &remedy))
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
        // The slots of ham's own helpers, and those of the first entities.
        (layout::SLOTS_AT, 64 * layout::SLOT_WORDS),
        (layout::HINTS_AT, layout::HEADS_AT - layout::HINTS_AT),
    ];
    for (at, words) in areas {
        map.reserve(fd.as_fd(), at * layout::WORD, words * layout::WORD)?;
    }
    Ok(monitor::reserve_first_records(map, fd)?)
}
