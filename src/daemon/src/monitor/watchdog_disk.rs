//! The file that is written to before the hardware watchdog is fed, as the
//! monitor sees it: the helper process that writes, and what its answers mean.
//!
//! No answer is no answer. A refusal is none either, since a disk that fails
//! refuses (and its file system is mounted read-only then); unless the file could
//! never be written to, for then the path is wrong, or not mounted yet, and a
//! machine that starts anew over that does so for ever; or the disk is full,
//! which it says itself.

use super::own_process::{Kind, OwnProcess, Place};
use super::{DISK, Engine};
use crate::disk::{MESSAGE_BYTES, answer_of, ask_message};
use crate::facts::Weight;
use crate::shared::{DISK_SLOTS, Shared};
use ham_snapshot::header::Field;
use ham_snapshot::watchdog::Check;
use ham_sys::poller::Poller;
use ham_sys::spawn::Stdio;
use ham_sys::{Errno, clock};

/// What was refused is tried again after this.
const PAUSE_NS: u64 = 1_000_000_000;

#[derive(Debug)]
pub(super) struct Disk {
    process: OwnProcess,
    /// The file; `None`: none is asked for.
    path: Option<String>,
    /// What the helper was asked and has not answered.
    asked: Option<u64>,
    /// When it is asked again.
    again_at: Option<u64>,
    /// The last refusal that was told.
    refused: Errno,
}

impl Disk {
    pub(super) fn new(shared: &'static Shared) -> Disk {
        let kind = Kind { name: "ham-disk", slots: &DISK_SLOTS, token: DISK };
        let process = OwnProcess::new(shared, kind);
        Disk { process, path: None, asked: None, again_at: None, refused: Errno(0) }
    }

    /// When a helper is to be started, or to be asked again.
    pub(super) fn due(&self) -> Option<u64> {
        self.path.as_ref()?;
        [self.process.due(), self.again_at].into_iter().flatten().min()
    }

    /// The helper has been made.
    pub(super) fn made(&mut self) {
        self.process.made();
    }

    /// The helper in this slot is gone, or could not be made.
    pub(super) fn ended(&mut self, slot: u32) {
        self.process.ended(slot);
    }

    /// The file that is written to from here on.
    fn set_path(&mut self, path: Option<String>) {
        self.asked = None;
        self.again_at = None;
        self.refused = Errno(0);
        // One that hangs is no use for another file.
        self.process.dismiss();
        self.path = path;
        if self.path.is_some() {
            self.process.want();
        }
    }

    fn ask(&mut self, number: u64, poller: &Poller) {
        let Some(path) = &self.path else { return };
        if self.process.is_open() && self.asked != Some(number) {
            self.asked = Some(number);
            self.process.tell(ask_message(number, path), None);
            self.process.flush(poller);
        } else {
            self.process.want();
        }
    }
}

impl Engine {
    /// What is to be asked before each feed. `path`: what `ham.conf` names.
    pub(super) fn set_disk(&mut self, path: Option<String>) {
        // On its way down the manager has other cares: file systems are
        // unmounted there.
        let path = path.filter(|_| !self.core.is_stopping());
        let before = self.state.watchdog_check();
        if self.watchdog.disk.path == path && (before == Check::Not) == path.is_none() {
            return;
        }
        let is_other = self.watchdog.disk.path.is_some();
        let check = match (&path, before) {
            (None, _) => Check::Not,
            // By a monitor before this one.
            (Some(_), Check::Tried) if !is_other => Check::Tried,
            (Some(_), _) => Check::Untried,
        };
        // What was asked before is answered by nobody any more.
        if before != Check::Not && is_other {
            self.state.set(Field::WatchdogChecked, self.state.get(Field::WatchdogPing));
        }
        self.watchdog.disk.set_path(path);
        self.state.set_watchdog_check(check);
        self.ask_disk();
    }

    /// What the reaper has asked for goes on to the file system.
    pub(super) fn ask_disk(&mut self) {
        let ping = self.state.get(Field::WatchdogPing);
        let is_answered = self.state.get(Field::WatchdogChecked) == ping;
        if !is_answered && self.watchdog.disk.again_at.is_none() {
            self.watchdog.disk.ask(ping, &self.poller);
        }
    }

    /// The helper has answered, or has gone.
    pub(super) fn hear_disk(&mut self) {
        let mut buffer = [0u8; MESSAGE_BYTES];
        while let Some(packet) = self.watchdog.disk.process.hear(&mut buffer) {
            let Some((number, errno)) = answer_of(packet) else { continue };
            if self.watchdog.disk.asked == Some(number) {
                self.disk_answered(number, errno);
            }
        }
        if !self.watchdog.disk.process.is_open() {
            self.watchdog.disk.asked = None;
        }
        self.watchdog.disk.process.flush(&self.poller);
    }

    fn disk_answered(&mut self, number: u64, errno: Errno) {
        let disk = &mut self.watchdog.disk;
        let path = disk.path.clone().unwrap_or_default();
        let is_new = std::mem::replace(&mut disk.refused, errno) != errno;
        if errno.0 == 0 {
            self.state.set_watchdog_check(Check::Tried);
            if is_new {
                self.remark(Weight::Event, &format!("{path} can be written to again"));
            }
        } else if is_new {
            let text = format!("{path}, which the hardware watchdog depends on: {errno}");
            self.remark(Weight::Always, &text);
        }
        if counts(errno, self.state.watchdog_check()) {
            self.state.set(Field::WatchdogChecked, number);
            self.ask_disk();
        } else {
            let disk = &mut self.watchdog.disk;
            disk.asked = None;
            disk.again_at = Some(clock::monotonic().saturating_add(PAUSE_NS));
        }
    }

    pub(super) fn look_at_disk(&mut self, now: u64) {
        if self.watchdog.disk.again_at.is_some_and(|at| at <= now) {
            self.watchdog.disk.again_at = None;
            self.ask_disk();
        }
        let disk = &self.watchdog.disk;
        if disk.path.is_some() && disk.process.due().is_some_and(|due| due <= now) {
            self.start_disk();
        }
    }

    fn start_disk(&mut self) {
        let Some(place) = self.watchdog.disk.process.place() else { return };
        let (Place::Free(_, stuck) | Place::Taken(stuck)) = &place;
        for index in stuck {
            let pid = self.state.slot(*index).and_then(|slot| slot.live_pid()).unwrap_or(0);
            let text = format!("a write to a file (pid {pid}) hangs in the kernel");
            self.remark(Weight::Always, &text);
        }
        let Place::Free(slot, _) = place else { return };
        self.watchdog.disk.asked = None;
        let words = vec!["disk".into()];
        let job = self.watchdog.disk.process.make(slot, words, Stdio::Null, &self.poller);
        let Some(job) = job else { return };
        self.making.insert(slot.index);
        self.spawners.submit(job);
        self.ask_disk();
    }
}

/// Whether this answer of a file system is one.
fn counts(errno: Errno, check: Check) -> bool {
    match check {
        Check::Not | Check::Untried => true,
        Check::Tried => [Errno(0), Errno::ENOSPC, Errno::EDQUOT].contains(&errno),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_counts_until_the_file_was_written_to() {
        for errno in [Errno::EIO, Errno::EROFS, Errno::ENOENT] {
            assert!(counts(errno, Check::Untried) && !counts(errno, Check::Tried), "{errno}");
        }
        for errno in [Errno(0), Errno::ENOSPC, Errno::EDQUOT] {
            assert!(counts(errno, Check::Untried) && counts(errno, Check::Tried), "{errno}");
        }
    }
}
