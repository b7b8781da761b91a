//! All of a monitor that does not depend on what has happened: threads,
//! descriptors, the index of the plan. A guardian makes it beforehand, so that
//! a takeover need not.

use super::clearers::Clearers;
use super::closer::Closer;
use super::completions::Completions;
use super::directories::Bases;
use super::holder::Holder;
use super::log::Log;
use super::memory::{self, PlanMemory};
use super::prepare::Surroundings;
use super::spawners::Spawners;
use super::{DONE, Fatal, REAPER, TIMER, WAKE, abilities, environment};
use crate::exit;
use crate::keep::{CONTROL, NOTIFY};
use crate::runtime::{CONTROL as CONTROL_NAME, NOTIFY as NOTIFY_NAME};
use crate::shared::{Shared, close_kept, inherit_kept};
use ham_core::plan::{PlanIndex, PlanSource};
use ham_snapshot::State;
use ham_snapshot::header::Field;
use ham_snapshot::plans::PlanHalf;
use ham_sys::datagrams::Datagrams;
use ham_sys::poller::{Interest, Poller, Timer};
use ham_sys::process::{self, PidFd};
use ham_sys::socket::Listener;
use ham_sys::spawn::{Abilities, Method};
use std::os::fd::OwnedFd;
use std::sync::Arc;

pub(super) type Plan = PlanIndex<Box<dyn PlanSource>>;

/// A monitor that has not begun.
pub(crate) struct Standby {
    pub(super) shared: &'static Shared,
    /// To the reaper.
    pub(super) channel: OwnedFd,
    /// As it was when this process was forked.
    pub(super) control: Option<Listener>,
    /// Likewise.
    pub(super) notify: Option<Datagrams>,
    /// `None`: it could not be made, and is tried again when it is needed.
    tools: Option<Tools>,
    /// With the word of the header that it belongs to.
    plan: Option<(u64, Plan)>,
}

/// Threads and descriptors.
pub(super) struct Tools {
    pub(super) poller: Poller,
    pub(super) timer: Timer,
    /// Readable when the reaper is dead.
    pub(super) reaper: PidFd,
    pub(super) completions: Arc<Completions>,
    pub(super) holder: Arc<Holder>,
    pub(super) no_cgroup: Option<String>,
    pub(super) abilities: Abilities,
    pub(super) spawners: Spawners,
    pub(super) closer: Closer,
    pub(super) clearers: Clearers,
    pub(super) log: Log,
}

impl Standby {
    pub(crate) fn new(shared: &'static Shared, channel: OwnedFd) -> Standby {
        let control = inherit_kept(shared.state, CONTROL).map(Listener::from_fd);
        let notify = inherit_kept(shared.state, NOTIFY).map(Datagrams::from_fd);
        close_kept(shared.state);
        let mut standby = Standby { shared, channel, control, notify, tools: None, plan: None };
        standby.look_again();
        standby
    }

    /// There may be more to prepare than before: how processes are made is
    /// found by the first monitor, and a plan is accepted later.
    pub(crate) fn look_again(&mut self) {
        let state = self.shared.state;
        if self.tools.is_none() && state.get(Field::Abilities) != 0 {
            self.tools = Tools::new(self.shared).ok();
        }
        let word = state.plan_word();
        if self.plan.as_ref().is_none_or(|(known, _)| *known != word) {
            self.plan = plan_in_force(state).ok().flatten().map(|plan| (word, plan));
        }
        if let Some((_, plan)) = &self.plan {
            memory::touch(self.shared, plan.len());
            // The first decoding waits for pages of this program.
            let _ = plan.ids().next().map(|id| plan.entity(id));
        }
    }

    /// The control listener, for a guardian that looks who waits there.
    pub(crate) fn control(&self) -> Option<&Listener> {
        self.control.as_ref()
    }

    pub(super) fn tools(&mut self) -> Result<Tools, Fatal> {
        self.tools.take().map_or_else(|| Tools::new(self.shared), Ok)
    }

    pub(super) fn plan(&mut self) -> Result<Option<Plan>, Fatal> {
        let state = self.shared.state;
        match self.plan.take() {
            Some((word, plan)) if word == state.plan_word() => Ok(Some(plan)),
            Some(_) | None => plan_in_force(state),
        }
    }
}

impl Tools {
    fn new(shared: &'static Shared) -> Result<Tools, Fatal> {
        let state = shared.state;
        let completions = Arc::new(Completions::new()?);
        let (holder, no_cgroup) = Holder::new(shared);
        // Where nothing can be supervised, nothing is left behind.
        let abilities = abilities::find(state, &holder).map_err(|error| {
            holder.undo();
            Fatal { code: Some(exit::UNAVAILABLE), what: error.to_string(), mistake: false }
        })?;
        let holder = Arc::new(holder);
        let surroundings = Arc::new(Surroundings {
            inherited: environment::inherited(shared.options.place),
            bases: Bases::of_manager(&shared.options.runtime),
            notify: shared.options.runtime.join(NOTIFY_NAME).into_os_string(),
            control: shared.options.runtime.join(CONTROL_NAME).into_os_string(),
        });
        let closer = Closer::default();
        let spawners = Spawners::new(
            state,
            abilities,
            Arc::clone(&surroundings),
            Arc::clone(&holder),
            Arc::clone(&completions),
            closer.clone(),
        )
        .map_err(|error| {
            let fatal = no_threads(&error, abilities.method);
            if fatal.code.is_some() {
                holder.undo();
            } else {
                holder.remove_tree();
            }
            fatal
        })?;
        let clearers = Clearers::new(Arc::clone(&holder), surroundings, Arc::clone(&completions));

        let poller = Poller::new()?;
        let timer = Timer::new()?;
        poller.add(&shared.common.wake_monitor, WAKE, Interest::READ)?;
        poller.add(completions.wake(), DONE, Interest::READ)?;
        poller.add(&timer, TIMER, Interest::READ)?;
        let reaper = watch_reaper(state)?;
        poller.add(&reaper, REAPER, Interest::READ)?;
        let log = Log::start(shared);
        Ok(Tools {
            poller,
            timer,
            reaper,
            completions,
            holder,
            no_cgroup,
            abilities,
            spawners,
            closer,
            clearers,
            log,
        })
    }
}
/// The reaper, if it still lives: a child whose parent has died has another.
fn watch_reaper(state: State) -> Result<PidFd, Fatal> {
    let pid = process::parent_pid();
    let reaper = PidFd::open(pid)?;
    let same = u64::try_from(pid).is_ok_and(|pid| pid == state.get(Field::ReaperPid));
    // Looked at after it was opened: until then the number may have changed hands.
    if same && process::parent_pid() == pid {
        return Ok(reaper);
    }
    Err(Fatal { code: None, what: "the reaper has ended".to_owned(), mistake: false })
}

/// glibc (from 2.34) makes threads by clone3, and without it only where that is
/// unknown: a filter that forbids it instead leaves no thread to be had, ever.
fn no_threads(error: &std::io::Error, method: Method) -> Fatal {
    if method == Method::Clone && error.kind() == std::io::ErrorKind::PermissionDenied {
        let what = "a filter refuses clone3 with EPERM, and the C library then starts no threads, \
                    which ham needs: let the filter allow clone3, or answer ENOSYS";
        return Fatal { code: Some(exit::UNAVAILABLE), what: what.to_owned(), mistake: false };
    }
    Fatal { code: None, what: format!("could not start threads: {error}"), mistake: false }
}

pub(super) fn plan_in_force(state: State) -> Result<Option<Plan>, Fatal> {
    state.plan_in_force().map(|(_, half)| plan_of(half)).transpose()
}

/// The plan in one half.
pub(super) fn plan_of(half: PlanHalf) -> Result<Plan, Fatal> {
    let source: Box<dyn PlanSource> = Box::new(PlanMemory(half));
    PlanIndex::open(source).map_err(|error| Fatal {
        code: None,
        what: error.to_string(),
        mistake: true,
    })
}
