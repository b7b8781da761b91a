//! The path watcher as the monitor sees it: a process that is there while
//! somebody waits for a path. What hangs there is told, and remembered for the
//! next one.

use super::own_process::{Kind, OwnProcess, Place};
use super::{Engine, PATHS};
use crate::facts::Weight;
use crate::shared::{Shared, WATCHER_SLOTS};
use crate::watch::{Answer, MESSAGE_BYTES, PATH_BYTES, ask_message, forget_message};
use ham_core::event::{Event, Wait};
use ham_core::ids::SlotRef;
use ham_sys::clock;
use ham_sys::poller::Poller;
use ham_sys::spawn::Stdio;
use std::collections::BTreeMap;

/// By how much the time stamp of a file can be behind, with 100 ticks a second
/// of the kernel.
const COARSE_NS: u64 = 10_000_000;

#[derive(Debug)]
pub(super) struct Paths {
    shared: &'static Shared,
    /// Who waits for what, by the number that goes to the helper.
    waiting: BTreeMap<u64, Waiting>,
    next: u64,
    process: OwnProcess,
}

/// A path that somebody waits for.
#[derive(Debug)]
struct Waiting {
    wait: Wait,
    path: String,
    /// What has not changed since then does not count: nanoseconds since 1970;
    /// 0: anything counts.
    since: u64,
    /// A look at it has not come back.
    hangs: bool,
}

/// What the helper has said.
enum Heard {
    /// The path is there.
    Seen(Wait),
    /// A look at the path does not come back.
    Hangs(String),
    /// It has come back.
    Answers(String),
    /// The helper has ended itself, as all its looks hang.
    AllHang,
}

impl Paths {
    pub(super) fn new(shared: &'static Shared) -> Paths {
        let kind = Kind { name: "ham-watch", slots: &WATCHER_SLOTS, token: PATHS };
        let process = OwnProcess::new(shared, kind);
        Paths { shared, waiting: BTreeMap::new(), next: 0, process }
    }

    /// When a helper is to be started.
    pub(super) fn due(&self) -> Option<u64> {
        self.process.due().filter(|_| !self.waiting.is_empty())
    }

    /// Somebody waits for a path; what is older than the process of `not_before`
    /// does not count. False when there can be no such path.
    pub(super) fn watch(
        &mut self,
        wait: Wait,
        path: String,
        not_before: Option<SlotRef>,
        poller: &Poller,
    ) -> bool {
        if path.len() > PATH_BYTES || path.contains('\0') {
            return false;
        }
        let number = self.next;
        self.next += 1;
        let since = not_before.map_or(0, |slot| self.began(slot));
        let waiting = Waiting { wait, path, since, hangs: false };
        self.process.tell(waiting.message(number), None);
        self.waiting.insert(number, waiting);
        self.process.want();
        self.process.flush(poller);
        true
    }

    /// From when on files can be of the process of a slot. Files are stamped
    /// with the time of the last tick of the kernel.
    fn began(&self, reference: SlotRef) -> u64 {
        let slot = self.shared.state.slot(reference.index);
        let slot = slot.filter(|slot| slot.word().0 == reference.generation);
        match slot.map(|slot| slot.start_time()) {
            // It has ended at once, or cannot be looked at: then what counts is
            // what happens from here on.
            None | Some(0) => clock::realtime(),
            Some(ticks) => clock::realtime_of_ticks(ticks),
        }
        .saturating_sub(COARSE_NS)
    }

    /// Nobody waits for it any more.
    pub(super) fn unwatch(&mut self, wait: Wait, poller: &Poller) {
        let Some(number) = self.number_of(wait) else { return };
        self.waiting.remove(&number);
        self.process.tell(forget_message(number), None);
        self.process.flush(poller);
        self.dismiss_when_idle();
    }

    fn number_of(&self, wait: Wait) -> Option<u64> {
        // One action waits for one path; a later step is another wait.
        let is = |waiting: &Wait| match (*waiting, wait) {
            (Wait::Run(one), Wait::Run(other)) => {
                one.index == other.index && one.serial == other.serial
            }
            (one, other) => one == other,
        };
        self.waiting.iter().find(|(_, waiting)| is(&waiting.wait)).map(|(number, _)| *number)
    }

    fn dismiss_when_idle(&mut self) {
        if self.waiting.is_empty() {
            self.process.dismiss();
        }
    }

    /// The helper has been made.
    pub(super) fn made(&mut self) {
        self.process.made();
    }

    /// The helper in this slot is gone, or could not be made.
    pub(super) fn ended(&mut self, slot: u32) {
        self.process.ended(slot);
    }

    fn hear(&mut self) -> Vec<Heard> {
        let mut heard = Vec::new();
        let mut buffer = [0u8; MESSAGE_BYTES];
        while let Some(packet) = self.process.hear(&mut buffer) {
            let Some(answer) = Answer::parse(packet) else { continue };
            heard.extend(self.understand(answer));
        }
        self.dismiss_when_idle();
        heard
    }

    fn understand(&mut self, answer: Answer) -> Option<Heard> {
        match answer {
            Answer::There(number) => Some(Heard::Seen(self.waiting.remove(&number)?.wait)),
            Answer::Hangs(number) => {
                let waiting = self.waiting.get_mut(&number).filter(|waiting| !waiting.hangs)?;
                waiting.hangs = true;
                Some(Heard::Hangs(waiting.path.clone()))
            }
            Answer::Answers(number) => {
                let waiting = self.waiting.get_mut(&number).filter(|waiting| waiting.hangs)?;
                waiting.hangs = false;
                Some(Heard::Answers(waiting.path.clone()))
            }
            Answer::AllHang => {
                self.process.dismiss();
                self.process.want();
                Some(Heard::AllHang)
            }
        }
    }
}

impl Waiting {
    fn message(&self, number: u64) -> Vec<u8> {
        ask_message(number, self.since, &self.path, self.hangs)
    }
}

impl Engine {
    /// The helper for paths has something to say, or there is room to tell it
    /// more.
    pub(super) fn hear_paths(&mut self) {
        for heard in self.paths.hear() {
            match heard {
                Heard::Seen(wait) => self.feed(Event::PathSeen { wait, ok: true }),
                Heard::Hangs(path) => {
                    let text = format!("looking for {path} hangs: its file system does not answer");
                    self.remark(Weight::Always, &text);
                }
                Heard::Answers(path) => {
                    let text = format!("looking for {path} does not hang any more");
                    self.remark(Weight::Event, &text);
                }
                Heard::AllHang => {
                    let text = "so many looks for paths hang that the path watcher is replaced";
                    self.remark(Weight::Always, text);
                }
            }
        }
        self.paths.process.flush(&self.poller);
    }

    /// The helper for paths is to be made now, if none is there; it gets all
    /// that is waited for.
    pub(super) fn start_watcher(&mut self) {
        let Some(place) = self.paths.process.place() else { return };
        let (Place::Free(_, stuck) | Place::Taken(stuck)) = &place;
        for index in stuck {
            let pid = self.state.slot(*index).and_then(|slot| slot.live_pid()).unwrap_or(0);
            let text = format!("a path watcher (pid {pid}) cannot end: a path hangs in the kernel");
            self.remark(Weight::Always, &text);
        }
        let slot = match place {
            Place::Free(slot, _) => slot,
            Place::Taken(stuck) if stuck.is_empty() => return,
            Place::Taken(_) => {
                let text = "no path is looked for until a path watcher has ended";
                return self.remark(Weight::Always, text);
            }
        };
        let words = vec!["watch".into()];
        let job = self.paths.process.make(slot, words, Stdio::Null, &self.poller);
        let Some(job) = job else { return };
        for (number, waiting) in &self.paths.waiting {
            self.paths.process.tell(waiting.message(*number), None);
        }
        self.paths.process.flush(&self.poller);
        self.making.insert(slot.index);
        self.spawners.submit(job);
    }
}
