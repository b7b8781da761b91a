//! The kills: round after round it is drawn whom to kill, at which moment and
//! by which signal; done; noted; and waited for whoever takes over. Nothing is
//! judged here but whether there is still something to kill.

use crate::aim::{self, Way};
use crate::exact;
use crate::kinds::{Kind, Member};
use crate::ledger;
use crate::load::Load;
use crate::roles::now;
use crate::state::State;
use crate::story::{ByName, Kill, Story, Whom};
use crate::targets::{Targets, strike};
use ham_snapshot::header::Field;
use ham_tests::fake::Random;
use nix::sys::signal::Signal;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// What the rounds may do.
#[derive(Clone, Debug)]
pub(crate) struct Wishes {
    /// How many kills.
    pub(crate) kills: u64,
    /// Only at these moments.
    pub(crate) ways: Vec<Way>,
    /// Processes that are stopped instead of killed: so many.
    pub(crate) stops: u64,
    /// SEGV to the reaper too.
    pub(crate) reaper: bool,
    /// Set from outside: end in good order now.
    pub(crate) enough: Arc<AtomicBool>,
}

/// In this time a monitor gets something done, however busy the machine is.
const IDLE: Duration = Duration::from_secs(2);
/// A process of ham that is gone has to be replaced within this, pauses of a
/// crash loop (10 s at most) and hang detection (6 s) included.
const REPLACED: Duration = Duration::from_secs(25);
/// The reaper survives three faults in 10 s and then only reaps (ham(8)).
const BETWEEN_FAULTS: Duration = Duration::from_millis(5_500);
/// A guardian that lived longer has not died at once (100 ms, `AT_ONCE_NS` of
/// the reaper).
const GROWN: Duration = Duration::from_millis(120);
/// Moments and their weights.
const WEIGHTS: [(Way, u64); 8] = [
    (Way::Random, 25),
    (Way::Clone, 15),
    (Way::Made, 5),
    (Way::Commit, 10),
    (Way::Effect, 10),
    (Way::Takeover, 15),
    (Way::Exact, 15),
    (Way::ExactTakeover, 5),
];
/// One in so many rounds, an entity is killed by name.
const NAMED: u64 = 20;

/// One scenario's rounds.
#[derive(Debug)]
pub(crate) struct Rounds<'a> {
    pub(crate) state: &'a State,
    pub(crate) targets: Targets,
    pub(crate) folder: &'a Path,
    pub(crate) victims: Vec<Member>,
    pub(crate) random: Random,
    pub(crate) wishes: Wishes,
    pub(crate) load: Load,
    pub(crate) guarded: bool,
    pub(crate) story: Story,
    pub(crate) last_fault: Option<Instant>,
    pub(crate) guardian_seen: Option<(i32, Instant)>,
    pub(crate) young: bool,
}

impl Rounds<'_> {
    /// Kills until it has been done often enough, or cannot go on.
    pub(crate) fn run(mut self) -> Story {
        let mut round = 0;
        let mut stops = 0;
        while (self.story.kills.len() as u64) < self.wishes.kills && self.story.broken.is_empty() {
            round += 1;
            // Every tenth round, five in a row so that the load is felt.
            self.load.set(round % 50 >= 45);
            self.calm_down();
            if self.wishes.enough.load(Ordering::Acquire) {
                self.story.broken.push("it was interrupted".to_owned());
            }
            if self.random.below(NAMED) == 0 {
                self.kill_by_name();
            }
            // Spread over the run.
            let (stops_and_end, kills) = (self.wishes.stops + 1, self.story.kills.len() as u64);
            let due = stops_and_end * kills / self.wishes.kills;
            if stops < due {
                stops += 1;
                self.stop(stops);
            } else {
                self.one();
            }
        }
        self.load.set(false);
        self.story
    }

    fn broken(&mut self, what: &str) {
        let lives = if self.targets.reaper_lives() { "lives" } else { "is gone" };
        self.story.broken.push(format!("{what}; the reaper {lives}"));
    }

    /// Monitors that die before they get anything done are slowed down by the
    /// fourth in a row; that is no fault, and only costs time here. There is
    /// always something to do, so one that does nothing has a fault.
    fn calm_down(&mut self) {
        let (begin, end) = (now(), Instant::now() + IDLE);
        while self.state.get(Field::CrashLoop) >= 2
            && self.state.get(Field::Progress) == self.state.get(Field::ProgressAtStart)
        {
            if Instant::now() >= end {
                self.story.idle.push((begin, self.targets.monitor(self.state)));
                return;
            }
            sleep(Duration::from_micros(200));
        }
    }

    fn one(&mut self) {
        if self.wishes.reaper && self.last_fault.is_none_or(|last| last.elapsed() >= BETWEEN_FAULTS)
        {
            self.fault();
            return;
        }
        let whom = match self.random.below(10) {
            0..2 if self.guarded => Whom::Guardian,
            2..4 if self.guarded => Whom::Both,
            _ => Whom::Monitor,
        };
        let way = self.way();
        let Some(monitor) = self.monitor_not(&[]) else {
            self.broken("there is no monitor");
            return;
        };
        if matches!(way, Way::Exact | Way::ExactTakeover) {
            self.exact(monitor, way);
            return;
        }
        if matches!(whom, Whom::Guardian | Whom::Both) {
            self.let_grow(whom);
        }
        let hit = self.wait_for(way);
        let signal = self.signal();
        self.strike(whom, monitor, signal, way, hit);
        if way == Way::Takeover && self.story.broken.is_empty() {
            let Some(next) = self.monitor_not(&[]) else {
                self.broken("there is no successor");
                return;
            };
            sleep(Duration::from_micros(self.random.below(2_000)));
            self.strike(Whom::Monitor, next, signal, way, true);
        }
    }

    fn way(&mut self) -> Way {
        let wanted = |(way, _): &&(Way, u64)| self.wishes.ways.contains(way);
        let total = WEIGHTS.iter().filter(wanted).map(|(_, weight)| weight).sum::<u64>().max(1);
        let mut drawn = self.random.below(total);
        for (way, weight) in WEIGHTS.iter().filter(|(way, _)| self.wishes.ways.contains(way)) {
            if drawn < *weight {
                return *way;
            }
            drawn -= weight;
        }
        Way::Random
    }

    fn signal(&mut self) -> Signal {
        match self.random.below(10) {
            0 => Signal::SIGSEGV,
            1 => Signal::SIGABRT,
            _ => Signal::SIGKILL,
        }
    }

    fn wait_for(&mut self, way: Way) -> bool {
        match way {
            Way::Random | Way::Exact | Way::ExactTakeover | Way::Takeover => {
                // Now and then long enough for it to live in peace.
                let most = if self.random.chance(5) { 150_000 } else { 20_000 };
                sleep(Duration::from_micros(self.random.below(most)));
                true
            }
            Way::Clone | Way::Made | Way::Commit | Way::Effect => aim::wait_for(way, self.state),
        }
    }

    /// Kills, notes, and waits for who comes next.
    fn strike(&mut self, whom: Whom, monitor: i32, signal: Signal, way: Way, hit: bool) {
        let begin = now();
        let guardian = match whom {
            Whom::Monitor | Whom::Reaper => None,
            Whom::Guardian | Whom::Both => self.guardian_not(&[]),
        };
        let mut gone: Vec<i32> = guardian.into_iter().collect();
        if whom != Whom::Guardian {
            gone.push(monitor);
        }
        if self.random.chance(50) {
            gone.reverse();
        }
        for pid in &gone {
            strike(*pid, signal);
        }
        self.story.kills.push(Kill { whom, signal, way, hit, struck: gone.len() as u64 });
        self.replaced(whom, &gone, begin);
    }

    /// Waits until others stand where `gone` stood.
    fn replaced(&mut self, whom: Whom, gone: &[i32], begin: u64) {
        if whom != Whom::Guardian && self.monitor_not(gone).is_none() {
            self.broken("the monitor was not replaced");
        }
        if whom != Whom::Guardian {
            self.story.dark.push((begin, now()));
        }
        if whom == Whom::Guardian {
            match self.guardian_not(gone) {
                Some(guardian) => self.guardian_seen = Some((guardian, Instant::now())),
                None => self.broken("the guardian was not replaced"),
            }
        }
    }

    fn exact(&mut self, monitor: i32, way: Way) {
        let begin = now();
        let guardian = match way {
            Way::ExactTakeover if self.guarded => self.guardian_not(&[]),
            _ => None,
        };
        let (whom, gone) = match guardian {
            Some(guardian) => (Whom::Both, vec![monitor, guardian]),
            None => (Whom::Monitor, vec![monitor]),
        };
        let outcome = match guardian {
            Some(guardian) => {
                exact::strike_successor(monitor, guardian, self.state, &mut self.random)
            }
            None => exact::strike_at(monitor, self.state, &mut self.random),
        };
        let (hit, signal) = (outcome == exact::Outcome::Hit, Signal::SIGKILL);
        if outcome == exact::Outcome::Refused {
            for pid in &gone {
                strike(*pid, signal);
            }
        }
        let way = if whom == Whom::Both { way } else { Way::Exact };
        self.story.kills.push(Kill { whom, signal, way, hit, struck: gone.len() as u64 });
        self.replaced(whom, &gone, begin);
    }

    /// Guardians that die at once again and again are slowed down, and a
    /// guardian that is not there cannot be killed: every other one may live
    /// for a while.
    fn let_grow(&mut self, whom: Whom) {
        let Some(guardian) = self.guardian_not(&[]) else { return };
        let seen = match self.guardian_seen {
            Some((pid, seen)) if pid == guardian => seen,
            _ => Instant::now(),
        };
        if self.young {
            sleep(GROWN.saturating_sub(seen.elapsed()));
        }
        let young = seen.elapsed() < GROWN;
        // Of both, the guardian may die as the monitor, which tells nothing.
        if young || whom == Whom::Guardian {
            self.young = young;
        }
    }

    /// Stops a process, which has to be found out and replaced: the monitor,
    /// or a guardian, which is missed only when the monitor dies.
    fn stop(&mut self, number: u64) {
        let Some(monitor) = self.monitor_not(&[]) else { return };
        let guardian = if number.is_multiple_of(2) { self.guardian_not(&[]) } else { None };
        let (begin, signal) = (now(), Signal::SIGSTOP);
        strike(guardian.unwrap_or(monitor), signal);
        let (whom, gone) = match guardian {
            Some(guardian) => {
                strike(monitor, Signal::SIGKILL);
                (Whom::Both, vec![monitor, guardian])
            }
            None => (Whom::Monitor, vec![monitor]),
        };
        let struck = gone.len() as u64;
        self.story.kills.push(Kill { whom, signal, way: Way::Random, hit: true, struck });
        self.replaced(whom, &gone, begin);
    }

    /// A fatal signal for the reaper, which has to survive it.
    fn fault(&mut self) {
        self.last_fault = Some(Instant::now());
        let (begin, signal) = (now(), Signal::SIGSEGV);
        strike(self.targets.reaper, signal);
        let (whom, way) = (Whom::Reaper, Way::Random);
        self.story.kills.push(Kill { whom, signal, way, hit: true, struck: 1 });
        // Then the next round comes while it executes itself again, or soon
        // after; that it lives is seen by there being a monitor.
        sleep(Duration::from_micros(self.random.below(4_000)));
        self.story.dark.push((begin, now()));
        if !self.targets.reaper_lives() {
            self.broken("the reaper did not survive SEGV");
        }
    }

    fn kill_by_name(&mut self) {
        let victim = self.random.pick(&self.victims).clone();
        debug_assert_eq!(victim.kind, Kind::Victim);
        let Some(life) = ledger::last_life(self.folder, &victim.name) else { return };
        if self.story.by_name.iter().any(|by| by.name == victim.name && by.mono > life.mono) {
            // It was killed already and is not back yet.
            return;
        }
        let signal = *self.random.pick(&[Signal::SIGKILL, Signal::SIGTERM, Signal::SIGUSR2]);
        let Some(pid) = self.targets.entity(life.pid) else { return };
        let mono = now();
        if strike(pid, signal) {
            self.story.by_name.push(ByName { name: victim.name, pid: life.pid, signal, mono });
        }
    }

    fn monitor_not(&self, gone: &[i32]) -> Option<i32> {
        self.wait(|| self.targets.monitor(self.state).filter(|pid| !gone.contains(pid)))
    }

    fn guardian_not(&self, gone: &[i32]) -> Option<i32> {
        self.wait(|| self.targets.guardian(self.state).filter(|pid| !gone.contains(pid)))
    }

    fn wait(&self, look: impl Fn() -> Option<i32>) -> Option<i32> {
        let end = Instant::now() + REPLACED;
        let mut looks = 0u32;
        loop {
            if let Some(pid) = look() {
                return Some(pid);
            }
            looks += 1;
            if looks.is_multiple_of(1_000) && !self.targets.reaper_lives() || Instant::now() >= end
            {
                return None;
            }
            // A successor is there within a fraction of a millisecond.
            if looks > 200 {
                sleep(Duration::from_micros(100));
            }
            // A wait as long as that is not what the load is for.
            if looks == 2_000 {
                self.load.set(false);
            }
        }
    }
}
