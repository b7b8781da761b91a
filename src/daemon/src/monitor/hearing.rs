//! What the watched directories of units tell: whether it matters, when to look,
//! and whether somebody is at work on a file.

use super::loading::Loading;
use super::{Engine, UNITS};
use crate::facts::Weight;
use crate::load::Mode;
use ham_sys::clock;
use ham_sys::inotify::{Change, Directories, Happened};
use ham_sys::poller::Interest;

/// After a change nothing may happen for this long before it is looked at, for
/// it is seldom alone; and if something does, or who writes does not come to an
/// end, this long at the most.
const QUIET_NS: u64 = 100_000_000;
const LATEST_NS: u64 = 1_000_000_000;
/// So often what looks unfinished is looked at again before it is taken as it is.
const MOST_UNSETTLED: u32 = 6;
/// So often what has happened is read at once.
const MOST_READ: u32 = 16;

impl Engine {
    /// The directories are looked after from here on.
    pub(super) fn look_after_units(&mut self, watches: &Directories) {
        if self.poller.add(watches, UNITS, Interest::READ).is_err() {
            self.remark(Weight::Always, "the directories of units cannot be watched");
        }
    }

    /// Something has happened in a directory of units, or beside it.
    pub(super) fn hear_units(&mut self) {
        let mut matters = false;
        // Who never stops writing does not keep the loop: it comes back.
        for _ in 0..MOST_READ {
            let Some(watches) = &self.loading.watches else { return };
            let Ok(changes) = watches.read() else { break };
            if changes.all.is_empty() && !changes.missed {
                break;
            }
            if changes.missed {
                matters = true;
                self.loading.written.clear();
            }
            for change in &changes.all {
                if self.loading.matters(change) {
                    matters = true;
                    self.loading.note(change);
                }
            }
        }
        if matters {
            let now = clock::monotonic();
            let last = self.loading.look_at.map(|(_, last)| last);
            let last = last.unwrap_or_else(|| now.saturating_add(LATEST_NS));
            let pause = if self.loading.written.is_empty() { QUIET_NS } else { LATEST_NS };
            self.loading.look_at = Some((now.saturating_add(pause), last));
        }
    }
}

impl Loading {
    /// They were looked at and nothing is waited for any more.
    pub(super) fn settled(&mut self) {
        self.missing.clear();
        if self.is_overdue() {
            // Who has shortened a file by its name does not close it.
            self.written.clear();
        }
        if self.current.mode == Mode::Look {
            self.unsettled = 0;
        }
    }

    /// Whether what looks unfinished is taken as it is.
    pub(super) fn is_overdue(&self) -> bool {
        self.unsettled >= MOST_UNSETTLED
    }

    /// Whether a plan may be made of the first half of a file.
    pub(super) fn is_written(&self) -> bool {
        self.current.mode == Mode::Look && !self.written.is_empty() && !self.is_overdue()
    }

    /// Keeps the account of who writes.
    fn note(&mut self, change: &Change) {
        let Some(name) = &change.name else { return };
        match change.what {
            Happened::Written => {
                self.written.insert(name.clone());
            }
            Happened::Closed | Happened::Came | Happened::Went | Happened::Ended => {
                self.written.remove(name);
            }
            Happened::Changed => {}
        }
    }

    /// Whether a change in a watched directory may be one of units. What editors
    /// leave behind while they write is none.
    fn matters(&self, change: &Change) -> bool {
        // The directory itself: it has gone, or who may read it has changed.
        let Some(name) = change.name.as_ref().map(|name| name.to_string_lossy()) else {
            return true;
        };
        if self.watched.contains(name.as_ref()) {
            return true;
        }
        let hidden = name.starts_with('.') || name.starts_with('#');
        let unit = name.ends_with(".toml") || name.ends_with(".toml.d") || name == "ham.conf";
        !hidden && (unit || name == "enabled")
    }
}
