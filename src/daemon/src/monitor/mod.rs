//! The monitor: the event loop around the core. It waits for what happens,
//! turns it into events, commits each turn, and only then carries out its
//! effects. It waits for nobody: not for a client, not for exec, not for any
//! path that a user named, not for whoever reads the log.
//!
//! - `begin`: alone, or after another; `memory`: records and commit; `effects`: carrying out
//! - `spawners`, `prepare`, `environment`, `expand`, `settings`: making processes
//! - `directories`: what they have of their own in the file system
//! - `attach`, `aliens`, `pid_file`: processes that it has not made
//! - `holder`, `clearers`: ending and removing all that an entity left behind
//! - `streams`, `output…`: where they write to
//! - `keeper`, `listeners`, `closer`: descriptors that outlive it, or are not its own
//! - `notify…`, `descriptors_…`: what programs say, and what they hand over and get
//! - `beats`, `pages`: heartbeats; `watchdog…`: the one of hardware
//! - `ending`, `last`: what comes when all is down
//! - `own_process`, `loading`, `paths`: helper processes; `hearing`: when to load; `first_plan`,
//!   `foresee`, `reload`: what comes of it; `control`: the socket; `log`

mod abilities;
mod adoption;
mod aliens;
mod attach;
mod beats;
mod begin;
mod clearers;
mod closer;
mod completions;
mod conf;
mod control;
mod descriptors_passed;
mod descriptors_ready;
mod descriptors_stored;
mod detached;
mod directories;
mod effects;
mod ending;
mod environment;
mod exits;
mod expand;
mod first_plan;
mod foresee;
mod hearing;
mod holder;
mod keeper;
mod last;
mod listeners;
mod loading;
mod log;
mod main_process;
mod memory;
mod notify;
mod notify_sender;
mod output_pipes;
mod output_starts;
mod outputs;
mod own_process;
mod pages;
mod paths;
mod pid_file;
mod prepare;
mod reasons;
mod reload;
mod report;
mod salvage;
mod settings;
mod shortage;
mod spawners;
mod standby;
mod streams;
mod target;
mod tokens;
mod watchdog;
mod watchdog_disk;

use crate::exit;
use crate::facts::{self, Weight};
use crate::guardian::enter_role;
use crate::say::say;
use crate::shared::{PATIENCE_NS, Shared};
use adoption::Adopting;
use aliens::Aliens;
use beats::Beats;
use clearers::Clearers;
use closer::Closer;
use completions::Completions;
use control::Control;
use descriptors_passed::Starts;
use descriptors_ready::ReadyEnds;
use descriptors_stored::Stored;
use ham_core::event::Event;
use ham_core::ids::SlotRef;
use ham_core::monitor::{Monitor, Turn};
use ham_core::time::Mono;
use ham_core::way::Last;
use ham_snapshot::State;
use ham_snapshot::ending::Ending;
use ham_snapshot::header::Field;
use ham_snapshot::history::Entry;
use ham_snapshot::requests::WAYS;
use ham_sys::poller::{Poller, Ready, Timer};
use ham_sys::process::PidFd;
use ham_sys::socket::Listener;
use ham_sys::spawn::Abilities;
use ham_sys::{clock, process};
use holder::{Held, Holder};
use keeper::Keeper;
use loading::Loading;
use log::Log;
use memory::Store;
pub(crate) use memory::reserve_first_records;
use notify::Notify;
use notify_sender::Departed;
use outputs::Outputs;
use paths::Paths;
use shortage::Shortage;
use spawners::Spawners;
pub(crate) use standby::Standby;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;
use tokens::{
    ALIENS, CLIENTS, DISK, DONE, KEEPER, LISTENER, NOTIFY, OUTPUTS, PATHS, READY_ENDS, REAPER,
    SHORTAGE, TIMER, UNITS, WAKE,
};
use watchdog::Watchdog;

/// How long the cgroup of a slot may stay busy after its last process has
/// ended, which takes less than a millisecond where the machine has time. Then
/// the slot goes without it.
const BUSY_AT_MOST_NS: u64 = 1_000_000_000;

/// From so many on, processes that wait to be made have descriptions of some
/// megabytes.
const MANY: usize = 500;

/// The reaper tells of an exit before it lets go of the process, and does not
/// tell of that: it takes microseconds. Until then the slot, and with it the
/// cgroup, cannot be given back.
const FREE_AGAIN_NS: u64 = 10_000_000;

/// The monitor's name, as the kernel shows it.
const NAME: &std::ffi::CStr = c"ham-monitor";

/// The monitor's process, when there is none that could have waited for the
/// end of the one before; `successor`: there was one before.
pub(crate) fn main(shared: &'static Shared, successor: bool, channel: OwnedFd) -> ! {
    name_myself(shared, successor);
    enter_role(NAME);
    // Zero: the reaper had a fault before it could note that.
    let died = Some(shared.state.get(Field::MonitorDied)).filter(|died| *died != 0);
    let learnt = successor.then(|| died.unwrap_or_else(clock::monotonic));
    begin(Standby::new(shared, channel), learnt)
}

/// Who acts is known from here on (details 15), and is counted; only then it
/// looks like a monitor from outside.
fn name_myself(shared: &Shared, successor: bool) {
    shared.state.set(Field::ActingPid, u64::from(process::pid().unsigned_abs()));
    if successor {
        shared.state.bump(Field::Takeovers);
    }
}

/// The guardian becomes the monitor. `learnt`: when it learnt that it must.
pub(crate) fn take_over(standby: Standby, learnt: u64) -> ! {
    name_myself(standby.shared, true);
    let _ = process::set_name(NAME);
    begin(standby, Some(learnt))
}

fn begin(standby: Standby, learnt: Option<u64>) -> ! {
    let shared = standby.shared;
    let code = match Engine::new(standby, learnt) {
        Ok(mut engine) => match engine.run() {
            Ok(()) => 0,
            Err(error) => {
                say(format_args!("monitor: {error}"));
                exit::SYSTEM
            }
        },
        Err(Fatal { code, what, mistake }) => {
            say(what);
            if let Some(code) = code {
                // Nothing can be supervised here: another monitor would fare
                // no better.
                shared.state.set_done(code, Ending::Exit);
                shared.common.wake_reaper.post();
            }
            // What the system refuses may be had later; what is wrong in the
            // state stays.
            if mistake { exit::MISTAKE } else { exit::SYSTEM }
        }
    };
    process::exit_now(i32::from(code))
}

/// The monitor cannot begin. With a code the manager ends, too.
struct Fatal {
    code: Option<u8>,
    what: String,
    /// It is the state that cannot be used.
    mistake: bool,
}

impl From<ham_sys::SysError> for Fatal {
    fn from(error: ham_sys::SysError) -> Fatal {
        Fatal { code: None, what: error.to_string(), mistake: false }
    }
}

struct Engine {
    shared: &'static Shared,
    state: State,
    core: Monitor,
    store: Store,
    turn: Turn,
    events: VecDeque<Event>,
    /// Lines about the manager itself, for the next commit.
    remarks: Vec<Entry>,
    /// Why the last look for the main process of an entity found none, by name.
    no_main: BTreeMap<String, String>,
    poller: Poller,
    timer: Timer,
    timer_set: Option<u64>,
    completions: Arc<Completions>,
    abilities: Abilities,
    holder: Arc<Holder>,
    spawners: Spawners,
    clearers: Clearers,
    /// Slots whose process is being made by this monitor: their exit waits
    /// until that has come back.
    making: BTreeSet<u32>,
    /// There were many of them: what they took goes back once they are made.
    made_many: bool,
    early_exits: BTreeSet<u32>,
    /// Whose processes the slots in use hold, for containment.
    held: BTreeMap<u32, Held>,
    /// Slots that the reaper has not let go of yet, or whose cgroup is still
    /// busy; and until when the latter is waited for.
    unfreed: BTreeMap<SlotRef, u64>,
    exits_seen: u64,
    shutdowns_seen: u64,
    /// Processes of a monitor before this one that have not executed yet.
    adopting: Adopting,
    aliens: Aliens,
    beats: Beats,
    log: Log,
    control: Control,
    keeper: Keeper,
    /// The inherited one, until the reaper has sent the present one or another
    /// was made here.
    listener: Option<Listener>,
    notify: Notify,
    departed: Departed,
    stored: Stored,
    ready_ends: ReadyEnds,
    starts: Starts,
    closer: Closer,
    paths: Paths,
    shortage: Shortage,
    outputs: Outputs,
    loading: Loading,
    /// All is down: this comes when the present round is done, so that whoever has
    /// asked for it has its answer.
    last: Option<Last>,
    watchdog: Watchdog,
    finished: bool,
    /// Entities have no meaning yet, or any more, until a plan is loaded.
    planless: bool,
    /// Readable when the reaper is dead.
    _reaper: PidFd,
}

impl Engine {
    fn run(&mut self) -> Result<(), ham_sys::SysError> {
        let mut ready = [Ready::default(); 64];
        // What a monitor before this one was woken for it may not have done,
        // and nobody wakes twice.
        self.woken();
        self.run_events();
        loop {
            if let Some(last) = self.last.take() {
                self.finish(&last);
            }
            if self.finished {
                return Ok(());
            }
            self.set_timer()?;
            self.state.bump(Field::Pulse);
            let count = self.poller.wait(&mut ready, None)?;
            self.state.bump(Field::Pulse);
            for event in ready.iter().take(count) {
                self.dispatch(event);
            }
            self.look_at_spawners();
            self.check_deadlines();
            self.run_events();
            self.take_answers();
            self.serve_waiting_clients();
            self.free_slots();
            if !self.remarks.is_empty() {
                self.finish_turn();
            }
            self.tell_followers();
            self.tell_receivers();
            self.watch_memory_of_all();
        }
    }

    fn dispatch(&mut self, ready: &Ready) {
        match ready.token {
            WAKE => self.woken(),
            DONE => self.take_completions(),
            TIMER => {
                self.timer.drain();
                // Whatever comes next is told, also that nothing does: who
                // guards this monitor would else wait for what is over.
                self.timer_set = Some(0);
            }
            LISTENER => self.accept_clients(),
            REAPER => self.reaper_died(),
            KEEPER => self.keeper_readable(),
            OUTPUTS => self.hear_output(),
            PATHS => self.hear_paths(),
            UNITS => self.hear_units(),
            SHORTAGE => self.memory_was_short(),
            DISK => self.hear_disk(),
            NOTIFY => self.notified(),
            token if token >= READY_ENDS => {
                self.ready_readable(u32::try_from(token - READY_ENDS).unwrap_or(u32::MAX));
            }
            token if token >= ALIENS => {
                self.alien_ended(u32::try_from(token - ALIENS).unwrap_or(u32::MAX));
            }
            token => self.serve_client(token, ready),
        }
        self.run_events();
    }

    /// The reaper has recorded something, or was told to shut down.
    fn woken(&mut self) {
        self.shared.common.wake_monitor.drain();
        self.look_at_keeper();
        self.hear_before_ends();
        // Should the queue be damaged, the slots tell the same, if not in order.
        let mut damaged = self.state.exits_overrun(self.exits_seen);
        if damaged {
            self.exits_seen = self.state.get(Field::ExitQueueTail);
        }
        while let Some(index) = self.state.exit_at(self.exits_seen) {
            self.exits_seen = self.exits_seen.wrapping_add(1);
            damaged |= self.state.slot(index).is_none();
            self.exited(index);
        }
        if damaged {
            (0..self.state.slots_used()).for_each(|index| self.exited(index));
        }
        self.state.set(Field::ExitsTaken, self.exits_seen);
        self.look_at_apply_requests();
        let shutdowns = self.state.get(Field::ShutdownRequests);
        // What those before the last few have asked for is not known any more,
        // and that they have asked says nothing beside, however many they are.
        self.shutdowns_seen = self.shutdowns_seen.max(shutdowns.saturating_sub(WAYS));
        while self.shutdowns_seen < shutdowns {
            self.shutdowns_seen = self.shutdowns_seen.saturating_add(1);
            let signals = self.shutdowns_seen;
            let way = self.way_of_signal(signals);
            let (line, within) = self.shutdown_by_signal(way);
            self.remark(Weight::Event, &line);
            self.feed(Event::Shutdown { way, within, signals });
            self.run_events();
        }
        self.state.set(Field::ShutdownsTaken, self.shutdowns_seen);
        self.answer_watchdog();
    }

    /// Without the reaper no end of a process is seen any more. To go on as if
    /// would be a lie: the entities run on, unsupervised, and the next manager
    /// on this runtime directory starts none of them beside itself.
    fn reaper_died(&mut self) {
        let text = "the reaper was killed: supervision ends here, the entities run on";
        self.remark(Weight::Always, text);
        self.finish_turn();
        self.log.flush(Duration::from_secs(1));
        self.finished = true;
    }

    fn feed(&mut self, event: Event) {
        self.events.push_back(event);
    }

    fn run_events(&mut self) {
        while !self.finished
            && self.last.is_none()
            && let Some(event) = self.events.pop_front()
        {
            let mut turn = std::mem::take(&mut self.turn);
            self.core.step(Mono(clock::monotonic()), event, &mut turn);
            self.turn = turn;
            self.state.bump(Field::Pulse);
            let progress = !self.turn.dirty.is_empty();
            self.finish_turn();
            if progress {
                self.state.bump(Field::Progress);
            }
        }
    }

    fn check_deadlines(&mut self) {
        let now = clock::monotonic();
        if self.core.deadline().is_some_and(|due| due.0 <= now) {
            self.feed(Event::Tick);
        }
        self.look_at_beats(now);
        self.loading_due(now);
        self.tell_shortages(now);
        self.look_at_adopted(now);
        self.look_at_unwatched(now);
        self.look_at_lost_answers(now);
        self.look_at_watchdog_again(now);
        if self.paths.due().is_some_and(|due| due <= now) {
            self.start_watcher();
        }
        if self.outputs.due().is_some_and(|due| due <= now) {
            self.start_output();
        }
        if self.control.due().is_some_and(|due| due <= now) {
            self.listen_again();
        }
    }

    fn look_at_spawners(&mut self) {
        if self.making.is_empty() {
            return;
        }
        for slot in self.spawners.look(clock::monotonic()) {
            // The slot has the name only once the process is about to be made.
            let held = self.held.get(&slot.index).filter(|held| held.slot == slot);
            let name = held.map_or_else(
                || self.state.slot(slot.index).map(|slot| slot.name()).unwrap_or_default(),
                |held| held.name.clone(),
            );
            self.remark(Weight::Always, &format!("the start of a process of {name} hangs"));
        }
    }

    fn set_timer(&mut self) -> Result<(), ham_sys::SysError> {
        let core = self.core.deadline().map(|due| due.0);
        let unfreed = || clock::monotonic().saturating_add(FREE_AGAIN_NS);
        let unfreed = (!self.unfreed.is_empty()).then(unfreed);
        let due = [
            core,
            self.spawners.due(),
            self.loading.due(),
            self.adopting.due(),
            self.aliens.due(),
            self.keeper_due(),
            self.paths.due(),
            self.outputs.due(),
            self.shortage.due(),
            self.control.due(),
            self.beats.due(),
            self.watchdog.due(),
            unfreed,
        ];
        let due = due.into_iter().flatten().min();
        if due != self.timer_set {
            self.timer.set(due)?;
            self.timer_set = due;
            self.state.set(Field::MonitorDue, due.unwrap_or(0));
            if self.shared.hang_check {
                let late = due.map(|due| due.saturating_add(PATIENCE_NS));
                self.shared.common.guard_timer.set(late)?;
            }
        }
        Ok(())
    }

    /// Slots that the core has given up and the reaper still held.
    fn free_slots(&mut self) {
        for (slot, until) in std::mem::take(&mut self.unfreed) {
            self.free(slot, until);
        }
        self.run_events();
    }

    fn remark(&mut self, weight: Weight, text: &str) {
        self.remarks.push(facts::of_manager(weight, text));
    }
}
