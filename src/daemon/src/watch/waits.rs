//! The paths that are waited for, and what changes of watched directories mean
//! for each. Touches none of them.

use super::look::{Seen, Sought};
use ham_sys::inotify::{Change, Happened, Watch};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::PathBuf;

/// Changes that are kept for looks in progress; when there are more they are
/// forgotten, and those looks are repeated.
const MOST_RECENT: usize = 4_096;

/// A directory that cannot be watched, since it may not be read or there are
/// too many watches, is looked at so often.
const BLIND_NS: u64 = 1_000_000_000;

#[derive(Debug, Default)]
pub(super) struct Waits {
    waiting: BTreeMap<u64, Waiting>,
    /// Who looks at the changes of which directory.
    watches: BTreeMap<Watch, BTreeSet<u64>>,
    to_look: BTreeSet<u64>,
    /// Changes while looks are in progress: they may be of a directory that
    /// one of those has begun to watch.
    recent: VecDeque<Change>,
    /// How many changes were before the first of them.
    before: u64,
}

#[derive(Debug)]
struct Waiting {
    sought: Sought,
    /// The nearest directory above it.
    at: Option<(Watch, PathBuf)>,
    /// A look is in progress, begun after so many changes.
    looking: Option<u64>,
    /// The last look hung, or still does.
    suspect: bool,
    /// When to look again without a reason.
    again_at: Option<u64>,
}

/// What follows from a look that has come back.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It is there; nobody waits for it any more.
    Found,
    /// It is not there, but could be looked at, which hung before.
    Answers,
    /// It is not there, or nobody waits for it any more.
    Nothing,
}

impl Waits {
    /// Somebody waits for it. `suspect`: a look at it has hung.
    pub(super) fn insert(&mut self, number: u64, sought: Sought, suspect: bool) {
        let waiting = Waiting { sought, at: None, looking: None, suspect, again_at: None };
        self.waiting.insert(number, waiting);
        self.to_look.insert(number);
    }

    /// Nobody waits for it any more. Gives the directory that need not be
    /// watched any more.
    pub(super) fn remove(&mut self, number: u64) -> Option<Watch> {
        self.to_look.remove(&number);
        let (watch, _) = self.waiting.remove(&number)?.at?;
        self.leave(watch, number)
    }

    fn leave(&mut self, watch: Watch, number: u64) -> Option<Watch> {
        let numbers = self.watches.get_mut(&watch)?;
        numbers.remove(&number);
        if !numbers.is_empty() {
            return None;
        }
        self.watches.remove(&watch);
        Some(watch)
    }

    /// Everything may have changed.
    pub(super) fn look_at_all(&mut self) {
        self.to_look.extend(self.waiting.keys());
    }

    /// Something has happened in a directory.
    pub(super) fn changed(&mut self, change: Change) {
        for number in self.watches.get(&change.watch).into_iter().flatten() {
            let Some(waiting) = self.waiting.get_mut(number) else { continue };
            if waiting.learns(&change) {
                self.to_look.insert(*number);
            }
        }
        if self.recent.len() >= MOST_RECENT {
            self.forget_changes();
        }
        self.recent.push_back(change);
    }

    /// No look that may come back soon needs them.
    pub(super) fn forget_changes(&mut self) {
        self.before = self.changes();
        self.recent.clear();
    }

    /// How many changes there were.
    fn changes(&self) -> u64 {
        self.before.saturating_add(u64::try_from(self.recent.len()).unwrap_or(u64::MAX))
    }

    /// Looks to be begun now, with whether one at that path has hung. While one
    /// is in progress the next waits for it.
    pub(super) fn begin(&mut self, now: u64) -> Vec<(u64, Sought, bool)> {
        let changes = self.changes();
        let mut begun = Vec::new();
        for (number, waiting) in &mut self.waiting {
            let due = waiting.again_at.is_some_and(|due| due <= now);
            if waiting.looking.is_some() || !(due || self.to_look.contains(number)) {
                continue;
            }
            self.to_look.remove(number);
            waiting.looking = Some(changes);
            waiting.again_at = None;
            begun.push((*number, waiting.sought.clone(), waiting.suspect));
        }
        begun
    }

    /// When `begin` gives something without anything that has happened.
    pub(super) fn due(&self) -> Option<u64> {
        self.waiting.values().filter_map(|waiting| waiting.again_at).min()
    }

    /// The look at it hangs. False: nobody waits for it any more.
    pub(super) fn hangs(&mut self, number: u64) -> bool {
        let Some(waiting) = self.waiting.get_mut(&number) else { return false };
        waiting.suspect = true;
        true
    }

    /// A look has come back. Directories that need not be watched any more are
    /// added to `unwatched`.
    pub(super) fn returned(
        &mut self,
        number: u64,
        seen: Seen,
        now: u64,
        unwatched: &mut Vec<Watch>,
    ) -> Outcome {
        let Seen { found, at, passed } = seen;
        let seen_at = at.as_ref().map(|(watch, _)| *watch);
        let outcome = match self.waiting.contains_key(&number) {
            true if found => {
                unwatched.extend(self.remove(number));
                Outcome::Found
            }
            true => self.moved(number, at, now, unwatched),
            false => Outcome::Nothing,
        };
        let unused = passed.into_iter().chain(seen_at).filter(|at| !self.watches.contains_key(at));
        unwatched.extend(unused);
        outcome
    }

    fn moved(
        &mut self,
        number: u64,
        at: Option<(Watch, PathBuf)>,
        now: u64,
        unwatched: &mut Vec<Watch>,
    ) -> Outcome {
        let Some(waiting) = self.waiting.get_mut(&number) else { return Outcome::Nothing };
        let answers = std::mem::take(&mut waiting.suspect);
        let begun = waiting.looking.take().unwrap_or(self.before);
        if at.is_none() {
            waiting.again_at = Some(now.saturating_add(BLIND_NS));
        }
        let last = waiting.at.take();
        waiting.at = at;
        let old = last.map(|(watch, _)| watch);
        let new = waiting.at.as_ref().map(|(watch, _)| *watch);
        if old != new {
            // What has happened there meanwhile was nobody's business.
            let skip = usize::try_from(begun.saturating_sub(self.before)).unwrap_or(usize::MAX);
            let missed = begun < self.before;
            let changes = self.recent.iter().skip(skip).filter(|change| Some(change.watch) == new);
            if changes.fold(missed, |any, change| waiting.learns(change) || any) {
                self.to_look.insert(number);
            }
            unwatched.extend(old.and_then(|watch| self.leave(watch, number)));
            if let Some(watch) = new {
                self.watches.entry(watch).or_default().insert(number);
            }
        }
        if answers { Outcome::Answers } else { Outcome::Nothing }
    }
}

impl Waiting {
    /// What a change of the directory above it means: whether to look at it.
    fn learns(&mut self, change: &Change) -> bool {
        let Some((_, directory)) = &self.at else { return false };
        let Some(name) = &change.name else { return true };
        let changed = directory.join(name);
        if !self.sought.path.starts_with(&changed) {
            return false;
        }
        match change.what {
            // A directory that came brings what is in it; one that changed
            // says nothing about that.
            Happened::Came => self.sought.came = true,
            Happened::Written | Happened::Closed | Happened::Changed => {
                self.sought.came |= self.sought.path == changed;
            }
            Happened::Went | Happened::Ended => {}
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ham_sys::inotify::Directories;
    use std::ffi::OsString;

    /// A number that the kernel gives for a directory.
    fn watch(directories: &Directories, path: &str) -> Watch {
        directories.watch(path.as_ref()).unwrap()
    }

    fn seen(watch: Watch, directory: &str) -> Seen {
        Seen { found: false, at: Some((watch, directory.into())), passed: Vec::new() }
    }

    fn change(watch: Watch, name: &str, what: Happened) -> Change {
        Change { watch, name: Some(OsString::from(name)), what }
    }

    fn waiting_for(path: &str) -> Waits {
        let mut waits = Waits::default();
        waits.insert(1, Sought { path: path.into(), since: 0, came: false }, false);
        waits
    }

    fn begun(waits: &mut Waits) -> Vec<(u64, bool)> {
        waits.begin(0).into_iter().map(|(number, sought, _)| (number, sought.came)).collect()
    }

    #[test]
    fn what_happens_during_the_first_look_is_not_missed() {
        let directories = Directories::new().unwrap();
        let [tmp, proc] = ["/tmp", "/proc"].map(|path| watch(&directories, path));
        let mut waits = waiting_for("/tmp/a/b");
        waits.changed(change(tmp, "a", Happened::Came));
        assert_eq!(begun(&mut waits), [(1, false)]);
        // Of no watch that is known, and of one that it does not get.
        waits.changed(change(tmp, "a", Happened::Came));
        waits.changed(change(proc, "a", Happened::Came));
        let mut unwatched = Vec::new();
        assert_eq!(waits.returned(1, seen(tmp, "/tmp"), 0, &mut unwatched), Outcome::Nothing);
        assert_eq!((begun(&mut waits), unwatched.len()), (vec![(1, true)], 0));
        // Nothing more is left of it.
        waits.returned(1, seen(tmp, "/tmp"), 0, &mut unwatched);
        assert_eq!(begun(&mut waits), []);
        assert_eq!((waits.remove(1), waits.remove(1)), (Some(tmp), None));
        assert!(waits.watches.is_empty() && waits.waiting.is_empty());
    }

    #[test]
    fn a_look_whose_changes_were_forgotten_is_repeated() {
        let directories = Directories::new().unwrap();
        let tmp = watch(&directories, "/tmp");
        let mut waits = waiting_for("/tmp/a");
        assert_eq!(begun(&mut waits), [(1, false)]);
        assert!(waits.hangs(1) && !waits.hangs(2));
        waits.changed(change(tmp, "other", Happened::Came));
        waits.forget_changes();
        let mut unwatched = Vec::new();
        assert_eq!(waits.returned(1, seen(tmp, "/tmp"), 0, &mut unwatched), Outcome::Answers);
        assert_eq!(begun(&mut waits), [(1, false)]);
        assert_eq!(waits.returned(1, seen(tmp, "/tmp"), 0, &mut unwatched), Outcome::Nothing);
        assert_eq!(begun(&mut waits), []);
        // Its neighbours are not its business.
        waits.changed(change(tmp, "ab", Happened::Came));
        assert_eq!(begun(&mut waits), []);
        waits.changed(change(tmp, "a", Happened::Changed));
        assert_eq!(begun(&mut waits), [(1, true)]);
    }

    #[test]
    fn what_cannot_be_watched_is_looked_at_again_and_again() {
        let mut waits = waiting_for("/tmp/a");
        let mut unwatched = Vec::new();
        for _ in 0..2 {
            assert_eq!(waits.begin(BLIND_NS).len(), 1);
            let blind = Seen { found: false, at: None, passed: Vec::new() };
            waits.returned(1, blind, 0, &mut unwatched);
            assert_eq!((waits.begin(BLIND_NS - 1).len(), waits.due()), (0, Some(BLIND_NS)));
        }
    }

    #[test]
    fn a_directory_is_let_go_of_with_the_last_who_needs_it() {
        let directories = Directories::new().unwrap();
        let [tmp, proc] = ["/tmp", "/proc"].map(|path| watch(&directories, path));
        let mut waits = waiting_for("/tmp/a");
        waits.insert(2, Sought { path: "/tmp/b".into(), since: 0, came: false }, false);
        assert_eq!(waits.begin(0).len(), 2);
        let mut unwatched = Vec::new();
        for number in [1, 2] {
            waits.returned(number, seen(tmp, "/tmp"), 0, &mut unwatched);
        }
        assert_eq!((waits.remove(1), unwatched.len()), (None, 0));
        // Gone while it was looked at.
        waits.look_at_all();
        assert_eq!(begun(&mut waits), [(2, false)]);
        assert_eq!(waits.remove(2), Some(tmp));
        let passed = Seen { passed: vec![proc], ..seen(tmp, "/tmp") };
        assert_eq!(waits.returned(2, passed, 0, &mut unwatched), Outcome::Nothing);
        assert_eq!(unwatched, [proc, tmp]);
    }
}
