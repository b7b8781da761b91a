//! The hardware watchdog as the monitor sees it: it is opened here, by a thread,
//! since a driver takes its time, and handed to the reaper, which feeds it
//! (`reaper::watchdog`). What the reaper asks at each feed is answered here, from
//! the loop. Which device that is and what was set stands in the name that the
//! reaper keeps beside it, so a successor finds everything there.

use super::Engine;
use super::completions::{Completion, Completions};
use super::keeper::Answer;
use super::watchdog_disk::Disk;
use crate::facts::Weight;
use crate::keep::{Verb, WATCHDOG};
use crate::shared::Shared;
use ham_core::time::Span;
use ham_core::wire::WatchdogStatus;
use ham_snapshot::State;
use ham_snapshot::header::Field;
use ham_snapshot::kept::Name;
use ham_snapshot::watchdog::Standing;
use ham_sys::{Errno, clock, watchdog};
use ham_unit::Watchdog as Wanted;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Pauses before a device that could not be opened is tried again: its driver
/// may be loaded later, or another program lets go of it.
const FIRST_PAUSE_NS: u64 = 1_000_000_000;
const LONGEST_PAUSE_NS: u64 = 60_000_000_000;

/// How long the end waits for a device that is being opened: left open it would
/// start the machine anew.
const LAST_PATIENCE: Duration = Duration::from_secs(1);

/// Threads are limited as processes are.
const NO_THREAD: &str = "there is no thread to be had that opens it";

/// The longest name of a driver (linux/watchdog.h).
const IDENTITY_BYTES: usize = 32;

#[derive(Debug)]
pub(super) struct Watchdog {
    pub(super) disk: Disk,
    /// A thread opens it, or sets its timeout.
    busy: bool,
    /// When it is tried again, and the pause before that.
    again_at: Option<u64>,
    pause: u64,
    /// Why it could not be had.
    trouble: Option<String>,
    /// What was last told of how it is fed.
    told: Standing,
}

impl Watchdog {
    pub(super) fn new(shared: &'static Shared) -> Watchdog {
        let told = shared.state.watchdog_standing();
        let disk = Disk::new(shared);
        Watchdog { disk, busy: false, again_at: None, pause: 0, trouble: None, told }
    }

    /// When something is to be done about it.
    pub(super) fn due(&self) -> Option<u64> {
        [self.again_at, self.disk.due()].into_iter().flatten().min()
    }

    fn is_well(&mut self) {
        (self.again_at, self.pause, self.trouble) = (None, 0, None);
    }
}

/// A device that the reaper keeps or is to keep.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Device {
    path: String,
    identity: String,
    /// The seconds that it was to take, and those that it has taken.
    wanted: i32,
    taken: i32,
}

impl Device {
    fn name(&self) -> Name {
        let Device { path, identity, wanted, taken } = self;
        Name::new(&format!("{path}\n{identity}\n{wanted}\n{taken}")).unwrap_or(Name::NONE)
    }

    fn of(name: &Name) -> Option<Device> {
        let mut lines = name.text().split('\n').map(str::to_owned);
        let (path, identity) = (lines.next()?, lines.next()?);
        let mut number = || lines.next()?.parse().ok();
        Some(Device { path, identity, wanted: number()?, taken: number()? })
    }

    fn kept(state: State) -> Option<Device> {
        Device::of(&state.kept_name(state.find_kept(WATCHDOG)?))
    }

    fn timeout_ns(&self) -> u64 {
        Span::seconds(u64::from(self.taken.unsigned_abs())).0
    }
}

/// What a thread has done: the device and its descriptor, and what there is to
/// tell of it.
#[derive(Debug)]
pub(super) struct Opened {
    descriptor: OwnedFd,
    device: Device,
    remarks: Vec<String>,
}

fn seconds(wanted: &Wanted) -> i32 {
    i32::try_from(wanted.timeout.0 / Span::seconds(1).0).unwrap_or(i32::MAX)
}

/// In a thread.
fn open(wanted: &Wanted) -> Result<Opened, String> {
    let opened = watchdog::open(Path::new(&wanted.device)).map_err(|error| match error.errno {
        Errno::ENOTTY => format!("{} is no watchdog", wanted.device),
        _ => error.to_string(),
    })?;
    let mut remarks = Vec::new();
    if opened.has_reset {
        remarks.push("the watchdog has started this machine anew".to_owned());
    }
    if !opened.magic_close {
        remarks.push("it stops when ham is killed: it knows no magic close".to_owned());
    }
    let identity = opened.identity.chars().filter(|letter| matches!(letter, ' '..='~'));
    let identity = identity.take(IDENTITY_BYTES).collect();
    let device = Device { path: wanted.device.clone(), identity, wanted: 0, taken: 0 };
    Ok(set(Opened { descriptor: opened.device, device, remarks }, wanted))
}

/// In a thread: its timeout.
fn set(mut opened: Opened, wanted: &Wanted) -> Opened {
    let seconds = seconds(wanted);
    let taken = watchdog::set_timeout(&opened.descriptor, seconds);
    let taken = match taken {
        Ok(taken) => taken,
        Err(error) => {
            let has = watchdog::timeout(&opened.descriptor);
            opened.remarks.push(match has {
                Ok(_) => error.to_string(),
                Err(_) => format!("{error}; it does not tell what it has, {seconds} s are assumed"),
            });
            has.unwrap_or(seconds)
        }
    };
    if taken != seconds {
        opened.remarks.push(format!("it takes {taken} s instead of {seconds} s"));
    }
    opened.device.wanted = seconds;
    opened.device.taken = taken.max(1);
    opened
}

fn in_thread(
    completions: &Arc<Completions>,
    work: impl FnOnce() -> Result<Opened, String> + Send + 'static,
) -> bool {
    let completions = Arc::clone(completions);
    let thread = std::thread::Builder::new().name("ham-watchdog".to_owned());
    let run = move || completions.push(Completion::Watchdog(Box::new(work())));
    thread.stack_size(64 * 1024).spawn(run).is_ok()
}

impl Engine {
    /// What is kept, and what is to be, are brought together. One step: what
    /// comes of it leads here again.
    pub(super) fn look_at_watchdog(&mut self) {
        if self.watchdog.busy || !self.keeper.is_sure(WATCHDOG) {
            return;
        }
        let kept = Device::kept(self.state);
        // A monitor without a plan does not know what is wanted: what is, stays.
        let known = self.loading.conf_known;
        let wanted = self.loading.conf.watchdog.clone().filter(|_| known);
        self.set_disk(wanted.as_ref().and_then(|wanted| wanted.check.clone()));
        let is_kept = self.state.find_kept(WATCHDOG).is_some();
        match (wanted, kept) {
            // By a ham that has called it otherwise.
            (_, None) if is_kept => self.keeper.drop(WATCHDOG),
            (None, None) => {
                self.watchdog.is_well();
                self.set_watchdog_timeout(0);
            }
            (None, Some(kept)) if !known => self.set_watchdog_timeout(kept.timeout_ns()),
            (None, Some(_)) => self.keeper.drop(WATCHDOG),
            (Some(wanted), Some(kept)) if kept.path != wanted.device => {
                self.keeper.drop(WATCHDOG);
            }
            (Some(wanted), Some(kept)) => {
                let is_set = kept.wanted == seconds(&wanted);
                // A shorter one may be set before the reaper has it, for example
                // when this monitor dies in between.
                let least = if is_set { u64::MAX } else { wanted.timeout.0 };
                self.set_watchdog_timeout(kept.timeout_ns().min(least));
                if !is_set {
                    self.keeper.fetch(WATCHDOG);
                }
            }
            (Some(wanted), None) => {
                self.set_watchdog_timeout(0);
                if self.watchdog.again_at.is_none() && !self.core.is_stopping() {
                    self.watchdog.busy = in_thread(&self.completions, move || open(&wanted));
                    if !self.watchdog.busy {
                        self.watchdog_failed(NO_THREAD.to_owned());
                    }
                }
            }
        }
    }

    /// The reaper feeds it by this from here on.
    fn set_watchdog_timeout(&self, timeout: u64) {
        if self.state.get(Field::WatchdogTimeout) != timeout {
            self.state.set(Field::WatchdogTimeout, timeout);
            self.shared.common.wake_reaper.post();
        }
    }

    /// `ham.conf` was read again: what could not be had is tried at once.
    pub(super) fn watchdog_wanted(&mut self) {
        (self.watchdog.again_at, self.watchdog.pause) = (None, 0);
        self.look_at_watchdog();
    }

    pub(super) fn look_at_watchdog_again(&mut self, now: u64) {
        if self.core.is_stopping() {
            self.set_disk(None);
        }
        self.look_at_disk(now);
        if self.watchdog.again_at.is_some_and(|at| at <= now) {
            self.watchdog.again_at = None;
            self.look_at_watchdog();
        }
    }

    /// A thread is done.
    pub(super) fn watchdog_opened(&mut self, opened: Result<Opened, String>) {
        self.watchdog.busy = false;
        let Opened { descriptor, device, remarks } = match opened {
            Ok(opened) => opened,
            Err(why) => return self.watchdog_failed(why),
        };
        for remark in remarks {
            let text = format!("hardware watchdog {}: {remark}", device.path);
            self.remark(Weight::Always, &text);
        }
        self.keeper.store(WATCHDOG, device.name(), descriptor);
    }

    fn watchdog_failed(&mut self, why: String) {
        let pause = self.watchdog.pause.saturating_mul(2);
        let pause = pause.clamp(FIRST_PAUSE_NS, LONGEST_PAUSE_NS);
        self.watchdog.pause = pause;
        self.watchdog.again_at = Some(clock::monotonic().saturating_add(pause));
        if self.watchdog.trouble.as_ref() != Some(&why) {
            self.remark(Weight::Always, &format!("no hardware watchdog: {why}"));
            self.watchdog.trouble = Some(why);
        }
    }

    /// The reaper has answered about it.
    pub(super) fn watchdog_answered(&mut self, answer: Answer) {
        // Gone already is as well as dropped.
        let is_gone = answer.verb != Verb::Store && answer.errno == Errno::ENOENT;
        if answer.errno.0 != 0 && !is_gone {
            if let Some(fd) = answer.fd {
                if Device::kept(self.state).is_none() {
                    // Nobody would feed it.
                    let _ = watchdog::stop_at_close(&fd);
                }
                self.closer.close(fd);
            }
            return self.watchdog_failed(format!("the reaper does not do it: {}", answer.errno));
        }
        match (answer.verb, answer.fd) {
            (Verb::Store, fd) => {
                self.closer.close_all(fd);
                self.watchdog.is_well();
                if let Some(Device { path, identity, taken, .. }) = Device::of(&answer.name) {
                    let identity = match identity.as_str() {
                        "" => String::new(),
                        name => format!(" ({name})"),
                    };
                    let text = format!(
                        "hardware watchdog {path}{identity}: the machine starts anew when it is \
                         not fed for {taken} s"
                    );
                    self.remark(Weight::Event, &text);
                }
            }
            (Verb::Send, Some(fd)) => self.set_timeout_of(fd),
            (Verb::Drop, _) => self.remark(Weight::Event, "the hardware watchdog was let go"),
            (_, fd) => self.closer.close_all(fd),
        }
        self.look_at_watchdog();
    }

    fn set_timeout_of(&mut self, fd: OwnedFd) {
        let (kept, wanted) = (Device::kept(self.state), self.loading.conf.watchdog.clone());
        let (Some(device), Some(wanted)) = (kept, wanted) else {
            return self.closer.close(fd);
        };
        let opened = Opened { descriptor: fd, device, remarks: Vec::new() };
        self.watchdog.busy = in_thread(&self.completions, move || Ok(set(opened, &wanted)));
        if !self.watchdog.busy {
            self.watchdog_failed(NO_THREAD.to_owned());
        }
    }

    /// The reaper may have asked whether this loop is alive.
    pub(super) fn answer_watchdog(&mut self) {
        self.answer_ping();
        self.ask_disk();
        let standing = self.state.watchdog_standing();
        let before = std::mem::replace(&mut self.watchdog.told, standing);
        if before == standing {
            return;
        }
        match standing {
            Standing::Fed if !why_withheld(before).is_empty() => {
                self.remark(Weight::Event, "the hardware watchdog is fed again");
            }
            Standing::None | Standing::TakeOver | Standing::Fed => {}
            Standing::Refused => {
                let errno = self.state.get(Field::WatchdogErrno);
                let errno = Errno(i32::try_from(errno).unwrap_or(0));
                // What comes of that leads on.
                if Device::kept(self.state).is_some() && self.keeper.is_sure(WATCHDOG) {
                    self.watchdog_failed(format!("it could not be fed: {errno}"));
                    self.keeper.drop(WATCHDOG);
                }
            }
            Standing::NoMonitor | Standing::NoGuardian | Standing::NoCheck => {
                let why = why_withheld(standing);
                let text = format!("the hardware watchdog is not fed: {why}");
                self.remark(Weight::Always, &text);
            }
        }
    }

    fn answer_ping(&self) {
        let ping = self.state.get(Field::WatchdogPing);
        if self.state.get(Field::WatchdogPong) != ping {
            self.state.set(Field::WatchdogPong, ping);
        }
    }

    /// To be called by what is waited for outside of the loop, and not for ever:
    /// whoever looks whether this monitor hangs sees that it does not, and the
    /// machine does not start anew where it is about to end.
    pub(super) fn still_lives(&self) {
        self.state.bump(Field::Pulse);
        self.answer_ping();
    }

    /// At the very end: what is being opened would start the machine anew.
    pub(super) fn settle_watchdog(&mut self) {
        let deadline = Instant::now() + LAST_PATIENCE;
        while (self.watchdog.busy || self.keeper.is_open(WATCHDOG)) && Instant::now() < deadline {
            self.take_completions();
            self.keeper_readable();
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// As `Status` tells it; `None`: none is wanted, and none there.
    pub(super) fn watchdog_status(&self) -> Option<WatchdogStatus> {
        let kept = Device::kept(self.state);
        let wanted = self.loading.conf.watchdog.as_ref();
        let path = kept.as_ref().map(|kept| &kept.path).or(wanted.map(|one| &one.device))?;
        let fed = self.state.get(Field::WatchdogFed);
        let standing = self.state.watchdog_standing();
        let is_kept = kept.is_some();
        let state = match standing {
            _ if !is_kept => "closed",
            Standing::None => "opened",
            Standing::Fed => "fed",
            Standing::TakeOver => "takeover",
            Standing::NoMonitor | Standing::NoGuardian | Standing::NoCheck | Standing::Refused => {
                "withheld"
            }
        };
        let why = if is_kept { why_withheld(standing).to_owned() } else { String::new() };
        let trouble = self.watchdog.trouble.clone().filter(|_| why.is_empty());
        Some(WatchdogStatus {
            device: path.clone(),
            identity: kept.as_ref().map(|kept| kept.identity.clone()).unwrap_or_default(),
            timeout_ns: kept.as_ref().map(Device::timeout_ns),
            fed_ns: Some(clock::monotonic().saturating_sub(fed)).filter(|_| is_kept && fed != 0),
            check: self.loading.conf.watchdog.as_ref().and_then(|wanted| wanted.check.clone()),
            state: state.to_owned(),
            why: trouble.unwrap_or(why),
        })
    }
}

/// Why it is not fed; empty where it is.
fn why_withheld(standing: Standing) -> &'static str {
    match standing {
        Standing::None | Standing::Fed | Standing::TakeOver => "",
        Standing::NoMonitor => "the monitor does not answer",
        Standing::NoGuardian => "there is no guardian",
        Standing::NoCheck => "the file system does not answer",
        Standing::Refused => "the device refuses it",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_told_by_its_name() {
        let device = Device {
            path: "/dev/".to_owned() + &"w".repeat(155),
            identity: "x".repeat(IDENTITY_BYTES),
            wanted: 86_400,
            taken: i32::MAX,
        };
        assert_eq!(Device::of(&device.name()), Some(device));
        let other = Name::new("/dev/watchdog0\nSoftware Watchdog\n30").unwrap();
        assert_eq!((Device::of(&other), Device::of(&Name::NONE)), (None, None));
    }

    #[test]
    fn what_is_no_watchdog_is_named() {
        let wanted = |device: &str| Wanted {
            device: device.to_owned(),
            timeout: Span::seconds(30),
            check: None,
        };
        assert_eq!(open(&wanted("/dev/null")).unwrap_err(), "/dev/null is no watchdog");
        let absent = open(&wanted("/nonexistent/watchdog")).unwrap_err();
        assert!(absent.starts_with("could not open /nonexistent/watchdog: No such"), "{absent}");
    }
}
