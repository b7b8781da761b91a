//! The hardware watchdog (details 17): the reaper keeps it and feeds it, a third
//! of its timeout apart, as long as all of the manager is alive. At each feed it
//! asks the monitor for an answer, and the next one comes only with that. So the
//! machine starts anew a timeout after the last feed whose question was not
//! answered, whoever it was that did not.
//!
//! A takeover has its time: who is dead has a successor in a moment, and that
//! must not cost the machine. But only a time: where nobody becomes a monitor
//! any more, nobody supervises.

use super::hang::HangWatch;
use super::roles::Roles;
use crate::keep::WATCHDOG;
use crate::shared::{Shared, kept_number};
use ham_snapshot::State;
use ham_snapshot::header::Field;
use ham_snapshot::watchdog::{Check, Standing};
use ham_sys::{Errno, process, watchdog};
use std::os::fd::{IntoRawFd, OwnedFd};

/// How long it is fed although not all is well, when that is since somebody has
/// died. A manager that stumbles over its state gives parts of it up after each
/// three monitors, which with their pauses takes up to a minute.
const GRACE_NS: u64 = 60_000_000_000;

/// It is fed so often in its timeout: one feed may be late, and even lost.
const FEEDS: u64 = 3;

/// While it is not fed, it is looked so often in its timeout: whoever answers
/// late, but in time, costs nothing.
const LOOKS: u64 = 30;

/// What is seen of the manager.
#[derive(Clone, Copy, Debug)]
struct Seen {
    /// The monitor has answered what was asked at the last feed.
    answered: bool,
    /// So has the file system, if it is asked.
    checked: bool,
    /// Monitor and guardian are there.
    manned: bool,
    /// Monitors and guardians that have died so far.
    deaths: u64,
}

/// What to do about it: pure, so that it can be tried.
#[derive(Clone, Copy, Debug, Default)]
struct Feeding {
    /// When all was last well; `None`: not looked at yet.
    well: Option<u64>,
    /// What was the number of deaths at the last feed; `None`: not known.
    deaths: Option<u64>,
    /// When it was last looked, and whether it was fed then.
    last: Option<(u64, bool)>,
}

impl Feeding {
    /// When to look, with this timeout.
    fn due(&self, timeout: u64) -> u64 {
        let Some((at, fed)) = self.last else { return 0 };
        at.saturating_add(timeout / if fed { FEEDS } else { LOOKS })
    }

    /// How it stands; it is fed unless somebody is named who is missing.
    fn judge(&mut self, now: u64, seen: Seen) -> Standing {
        let well = *self.well.get_or_insert(now);
        let Seen { answered, checked, manned, deaths } = seen;
        if answered && checked && manned {
            self.well = Some(now);
            return Standing::Fed;
        }
        let somebody_died = !manned || self.deaths != Some(deaths);
        if somebody_died && now.saturating_sub(well) <= GRACE_NS {
            return Standing::TakeOver;
        }
        match (answered, manned) {
            (false, _) => Standing::NoMonitor,
            (true, false) => Standing::NoGuardian,
            (true, true) => Standing::NoCheck,
        }
    }

    /// It was looked, and perhaps fed.
    fn done(&mut self, now: u64, fed: bool, deaths: u64) {
        self.last = Some((now, fed));
        if fed {
            self.deaths = Some(deaths);
        }
    }
}

pub(super) struct Watchdog {
    shared: &'static Shared,
    state: State,
    feeding: Feeding,
    /// When the last question was asked, and the monitor's pulse then.
    asked: (u64, u64),
}

impl Watchdog {
    pub(super) fn new(shared: &'static Shared) -> Watchdog {
        let feeding = Feeding::default();
        Watchdog { shared, state: shared.state, feeding, asked: (0, 0) }
    }

    /// After a fault: what was well stays so, and is looked at again at once.
    pub(super) fn recall(shared: &'static Shared) -> Watchdog {
        let mut watchdog = Watchdog::new(shared);
        watchdog.feeding.well = Some(shared.state.get(Field::WatchdogWell)).filter(|at| *at != 0);
        watchdog
    }

    /// When it is looked at next; `None`: there is none.
    pub(super) fn due(&self) -> Option<u64> {
        let timeout = self.state.get(Field::WatchdogTimeout);
        (timeout != 0).then(|| self.feeding.due(timeout))
    }

    pub(super) fn look(&mut self, now: u64, roles: &Roles, hang: &mut HangWatch) {
        let Some(due) = self.due() else {
            if self.feeding.last.is_some() {
                self.feeding = Feeding::default();
                self.note(Standing::None, 0);
                self.state.set(Field::WatchdogFed, 0);
                self.state.set(Field::WatchdogWell, 0);
            }
            return;
        };
        if due > now {
            return;
        }
        let state = self.state;
        let ping = state.get(Field::WatchdogPing);
        let deaths = state.get(Field::MonitorDeaths).wrapping_add(state.get(Field::GuardianDeaths));
        let seen = Seen {
            answered: state.get(Field::WatchdogPong) == ping,
            checked: state.watchdog_check() == Check::Not
                || state.get(Field::WatchdogChecked) == ping,
            manned: roles.both_live(),
            deaths,
        };
        let standing = self.feeding.judge(now, seen);
        let well = matches!(standing, Standing::Fed | Standing::TakeOver);
        let fed = if well { feed(state) } else { Ok(()) };
        match fed {
            Ok(()) => self.note(standing, 0),
            Err(errno) => self.note(Standing::Refused, errno.0.unsigned_abs().into()),
        }
        state.set(Field::WatchdogWell, self.feeding.well.unwrap_or(0));
        self.feeding.done(now, well && fed.is_ok(), deaths);
        if well {
            if fed.is_ok() {
                state.set(Field::WatchdogFed, now);
            }
            // Also when the device refuses it: who has opened it learns of that.
            self.asked = (now, state.get(Field::Pulse));
            state.bump(Field::WatchdogPing);
            self.shared.common.wake_monitor.post();
        } else if standing == Standing::NoMonitor {
            let (asked, pulse) = self.asked;
            hang.unanswered(now, asked, pulse);
        }
    }

    /// Who can tell of it is woken when it is another than before.
    fn note(&self, standing: Standing, errno: u64) {
        self.state.set(Field::WatchdogErrno, errno);
        if self.state.watchdog_standing() != standing {
            self.state.set_watchdog_standing(standing);
            self.shared.common.wake_monitor.post();
        }
    }
}

/// The time of the watchdog begins anew, if there is one.
pub(super) fn feed(state: State) -> Result<(), Errno> {
    with_device(state, |device| watchdog::feed(device))
}

/// When it is closed next, it stops: all has ended in good order, or somebody
/// does not want it any more. Until it is fed again.
pub(super) fn stop_at_close(state: State) {
    let _ = with_device(state, |device| watchdog::stop_at_close(device));
}

/// It stops: closed here and now, which takes no longer than to feed it. Errno 0:
/// it was there.
pub(super) fn stop(state: State) -> Errno {
    let Some(place) = state.find_kept(WATCHDOG) else { return Errno::ENOENT };
    stop_at_close(state);
    state.keep_no_more(place);
    drop(process::take(kept_number(place)));
    Errno(0)
}

fn with_device(
    state: State,
    write: impl FnOnce(&OwnedFd) -> Result<(), Errno>,
) -> Result<(), Errno> {
    let place = state.find_kept(WATCHDOG).ok_or(Errno::ENODEV)?;
    let device = process::take(kept_number(place)).map_err(|error| error.errno)?;
    let result = write(&device);
    // It was borrowed: it stays open.
    let _ = device.into_raw_fd();
    result
}

#[cfg(test)]
mod tests {
    use super::*;
    use ham_snapshot::kept::Name;
    use ham_snapshot::layout::{KEPT, TOTAL, WORD};
    use ham_sys::pipe;

    const WELL: Seen = Seen { answered: true, checked: true, manned: true, deaths: 0 };
    const SECOND: u64 = 1_000_000_000;
    const TIMEOUT: u64 = 30 * SECOND;

    /// Looks whenever it is due until `until`, each time seeing what `seen`
    /// says; gives when it was fed.
    fn live(feeding: &mut Feeding, until: u64, seen: impl Fn(u64) -> Seen) -> Vec<u64> {
        let mut fed = Vec::new();
        loop {
            let now = feeding.due(TIMEOUT).max(SECOND);
            if now > until {
                return fed;
            }
            let standing = feeding.judge(now, seen(now));
            let is_fed = matches!(standing, Standing::Fed | Standing::TakeOver);
            feeding.done(now, is_fed, seen(now).deaths);
            fed.extend(is_fed.then_some(now));
        }
    }

    /// The longest time that passed without a feed.
    fn gap(fed: &[u64]) -> u64 {
        fed.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap_or(u64::MAX)
    }

    #[test]
    fn while_all_is_well_it_is_fed_three_times_in_its_timeout() {
        let fed = live(&mut Feeding::default(), 61 * SECOND, |_| WELL);
        assert_eq!(fed, [1, 11, 21, 31, 41, 51, 61].map(|at| at * SECOND));
    }

    #[test]
    fn a_monitor_that_hangs_is_not_fed_for() {
        let mut feeding = Feeding::default();
        let hangs = |now| Seen { answered: now < 15 * SECOND, ..WELL };
        let fed = live(&mut feeding, 200 * SECOND, hangs);
        assert_eq!(fed, [SECOND, 11 * SECOND]);
        assert_eq!(feeding.judge(200 * SECOND, hangs(200 * SECOND)), Standing::NoMonitor);
        // One that comes back is fed for within a thirtieth of the timeout.
        let fed = live(&mut feeding, 202 * SECOND, |_| WELL);
        assert!(fed[0] <= 202 * SECOND, "{fed:?}");
    }

    #[test]
    fn a_file_system_that_hangs_is_not_fed_for() {
        let mut feeding = Feeding::default();
        let hangs = |now| Seen { checked: now < 5 * SECOND, ..WELL };
        assert_eq!(live(&mut feeding, 100 * SECOND, hangs), [SECOND]);
        assert_eq!(feeding.judge(100 * SECOND, hangs(100 * SECOND)), Standing::NoCheck);
        // A slow one is, as long as it answers within the timeout.
        let slow = |now| Seen { checked: now / SECOND % 25 < 2, ..WELL };
        let fed = live(&mut Feeding::default(), 200 * SECOND, slow);
        assert!(gap(&fed) < TIMEOUT, "{fed:?}");
    }

    /// Each second another monitor dies, and none comes to an answer.
    #[test]
    fn a_takeover_is_fed_for_but_not_for_ever() {
        let mut feeding = Feeding::default();
        let dying = |now: u64| match now / SECOND {
            0..12 => WELL,
            second => Seen { answered: false, deaths: second, ..WELL },
        };
        let fed = live(&mut feeding, 300 * SECOND, dying);
        assert_eq!(fed.first(), Some(&SECOND));
        assert!(gap(&fed) <= TIMEOUT / FEEDS, "{fed:?}");
        let last = fed[fed.len() - 1];
        assert!((70 * SECOND..=71 * SECOND).contains(&last), "60 s after 11: {last}");
    }

    /// As many as one likes, when each successor answers.
    #[test]
    fn takeovers_in_a_row_are_fed_for() {
        let killed = |now: u64| Seen {
            answered: !(now / SECOND).is_multiple_of(7),
            manned: !(now / SECOND).is_multiple_of(5),
            deaths: now / SECOND,
            ..WELL
        };
        let fed = live(&mut Feeding::default(), 2_000 * SECOND, killed);
        assert!(gap(&fed) <= TIMEOUT / FEEDS, "{fed:?}");
        assert!(fed[fed.len() - 1] > 1_980 * SECOND);
    }

    /// A monitor that hangs is killed: that is a takeover, and its successor has
    /// its time.
    #[test]
    fn the_successor_of_one_that_hung_is_fed_for() {
        let mut feeding = Feeding::default();
        let seen = |now: u64| match now / SECOND {
            0..5 => WELL,
            5..17 => Seen { answered: false, ..WELL },
            17..19 => Seen { answered: false, manned: false, deaths: 1, ..WELL },
            _ => Seen { deaths: 1, ..WELL },
        };
        let fed = live(&mut feeding, 40 * SECOND, seen);
        assert_eq!(fed[..2], [SECOND, 17 * SECOND]);
        assert!(gap(&fed) < TIMEOUT, "{fed:?}");
        // But one that hangs itself, is not.
        let next = |now: u64| Seen { answered: false, deaths: 1, ..seen(now) };
        assert!(live(&mut feeding, 400 * SECOND, next).is_empty());
        assert_eq!(feeding.judge(400 * SECOND, next(400 * SECOND)), Standing::NoMonitor);
    }

    #[test]
    fn without_a_guardian_it_is_fed_for_a_while() {
        let mut feeding = Feeding::default();
        let alone = |now| Seen { manned: now < 10 * SECOND, ..WELL };
        let fed = live(&mut feeding, 300 * SECOND, alone);
        assert_eq!(fed[fed.len() - 1], 61 * SECOND);
        assert_eq!(feeding.judge(300 * SECOND, alone(300 * SECOND)), Standing::NoGuardian);
    }

    /// The reaper itself had a fault, and has forgotten what it had asked.
    #[test]
    fn after_a_fault_of_the_reaper_it_is_fed_at_once() {
        let mut feeding = Feeding { well: Some(50 * SECOND), ..Feeding::default() };
        let seen = Seen { answered: false, ..WELL };
        assert_eq!(feeding.due(TIMEOUT), 0);
        assert_eq!(feeding.judge(51 * SECOND, seen), Standing::TakeOver);
        feeding.done(51 * SECOND, true, 0);
        assert_eq!(feeding.judge(61 * SECOND, seen), Standing::NoMonitor);
    }

    /// Of a machine that stands still: it would be reset there, for V does nothing
    /// before the device is closed.
    #[test]
    fn what_is_stopped_is_closed() {
        let (map, _fd) = ham_sys::shm::Map::memfd(c"test", TOTAL * WORD).unwrap();
        let state = State::format(map.words()).unwrap();
        let (reader, writer) = pipe::new().unwrap();
        // The highest number below the limit: other tests, in other threads, have
        // the low ones.
        let is_free = |place: &usize| !process::is_open(kept_number(*place));
        let place = (0..KEPT)
            .rev()
            .filter(is_free)
            .find(|place| process::copy_to(&writer, kept_number(*place)).is_ok())
            .unwrap();
        drop(writer);
        state.keep(place, WATCHDOG, &Name::NONE);
        feed(state).unwrap();
        assert_eq!((stop(state), stop(state)), (Errno(0), Errno::ENOENT));
        let mut bytes = [0; 8];
        assert_eq!(pipe::take(&reader, &mut bytes).unwrap(), Some(2));
        assert_eq!(&bytes[..2], b".V");
        assert!(!process::is_open(kept_number(place)));
        assert_eq!(feed(state), Err(Errno::ENODEV));
    }
}
