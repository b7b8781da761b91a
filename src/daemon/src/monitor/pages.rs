//! Pages that programs write their heartbeats into (details 27): for each user
//! and each block of entities one, of which every entity has a line. Ham makes
//! them, sealed, so that nobody can take them away under it; the reaper keeps
//! them, so that they outlive a monitor.

use super::Engine;
use super::keeper::Answer;
use crate::facts::Weight;
use crate::keep::{Verb, as_page, page};
use ham_core::ids::EntityId;
use ham_snapshot::kept::Name;
use ham_sys::shm::Map;
use std::collections::BTreeMap;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::Ordering;

/// Entities that have their lines in the same page.
pub(super) const LINES: u32 = 64;
/// Bytes of a line, which is one of a processor's cache.
pub(super) const LINE_BYTES: usize = 64;
/// Bytes of a page.
pub(super) const PAGE_BYTES: usize = LINES as usize * LINE_BYTES;
const LINE_WORDS: usize = LINE_BYTES / 8;

/// Which page: the block of entities, and the user.
pub(super) type Which = (u16, u32);

/// A page, as far as this monitor has it.
#[derive(Debug)]
enum Page {
    /// Asked of the reaper.
    Fetched,
    /// Made, and not kept yet.
    Made(Map, OwnedFd),
    /// Kept.
    Kept(Map, OwnedFd),
}

/// All pages, and whom each user has written for.
#[derive(Debug, Default)]
pub(super) struct Pages {
    pages: BTreeMap<Which, Page>,
    /// By block those that can be read: a look asks for every entity.
    of_block: Vec<Vec<Map>>,
}

/// Where an entity has its line: of which block, and in words from its beginning.
fn line_of(entity: EntityId) -> (u16, usize) {
    let block = u16::try_from(entity.0 / LINES).unwrap_or(u16::MAX);
    let line = usize::try_from(entity.0 % LINES).unwrap_or(0);
    (block, line * LINE_WORDS)
}

/// The page that processes of a user write into for an entity.
pub(super) fn which(uid: u32, entity: EntityId) -> Which {
    (line_of(entity).0, uid)
}

impl Pages {
    /// The sum of what all users have written for an entity: as a rule there is
    /// one.
    pub(super) fn counter(&self, entity: EntityId) -> u64 {
        let (block, at) = line_of(entity);
        let of_users = self.of_block.get(usize::from(block)).into_iter().flatten();
        of_users.fold(0u64, |sum, map| {
            let word = map.words().get(at).map_or(0, |word| word.load(Ordering::Relaxed));
            sum.wrapping_add(word)
        })
    }

    /// Puts a page into its place, or takes it away.
    fn put(&mut self, which: Which, page: Option<Page>) {
        match page {
            Some(page) => self.pages.insert(which, page),
            None => self.pages.remove(&which),
        };
        let (block, _) = which;
        let place = usize::from(block);
        if self.of_block.len() <= place {
            self.of_block.resize_with(place.saturating_add(1), Vec::new);
        }
        let pages = self.pages.range((block, 0)..=(block, u32::MAX));
        let maps = pages.filter_map(|(_, page)| match page {
            Page::Fetched => None,
            Page::Made(map, _) | Page::Kept(map, _) => Some(*map),
        });
        if let Some(of_block) = self.of_block.get_mut(place) {
            *of_block = maps.collect();
        }
    }

    /// Whether some are still on their way, so that counters would be too low.
    pub(super) fn are_incomplete(&self) -> bool {
        self.pages.values().any(|page| matches!(page, Page::Fetched))
    }

    /// A page that is kept, and where in it, in bytes, the line of an entity is.
    pub(super) fn kept(&self, which: Which, entity: EntityId) -> Option<(&OwnedFd, usize)> {
        let (_, at) = line_of(entity);
        match self.pages.get(&which)? {
            Page::Kept(_, fd) => Some((fd, at * 8)),
            Page::Fetched | Page::Made(..) => None,
        }
    }
}

impl Engine {
    /// A successor: the pages that the reaper keeps.
    pub(super) fn recall_pages(&mut self) {
        let kept: Vec<_> = self.state.all_kept().map(|(_, kept)| kept).collect();
        for (kept, which) in kept.into_iter().filter_map(|kept| Some((kept, as_page(kept)?))) {
            self.beats.pages.put(which, Some(Page::Fetched));
            self.keeper.fetch(kept);
        }
    }

    /// Sees to it that there is a page for the processes of a user that beat for
    /// an entity; false: it cannot be had.
    pub(super) fn need_page(&mut self, uid: u32, entity: EntityId) -> bool {
        let (block, _) = line_of(entity);
        if self.beats.pages.pages.contains_key(&(block, uid)) {
            return true;
        }
        let made = Map::memfd(c"ham-heartbeats", PAGE_BYTES)
            .and_then(|(map, fd)| map.reserve(fd.as_fd(), 0, PAGE_BYTES).map(|()| (map, fd)));
        let (map, fd) = match made {
            Ok(made) => made,
            Err(error) => {
                self.remark(Weight::Always, &format!("no page for heartbeats: {error}"));
                return false;
            }
        };
        let Ok(copy) = fd.try_clone() else { return false };
        self.keeper.store(page(block, uid), Name::NONE, copy);
        self.beats.pages.put((block, uid), Some(Page::Made(map, fd)));
        true
    }

    /// The reaper has answered about a page.
    pub(super) fn page_answered(&mut self, which: Which, answer: Answer) {
        let page = match (answer.verb, self.beats.pages.pages.remove(&which)) {
            (Verb::Store, Some(Page::Made(map, fd))) if answer.errno.0 == 0 => {
                Some(Page::Kept(map, fd))
            }
            (Verb::Store, Some(Page::Made(..))) => {
                let text = format!("a page for heartbeats is not kept: {}", answer.errno);
                self.remark(Weight::Always, &text);
                None
            }
            (Verb::Send, Some(Page::Fetched)) => {
                let mapped = answer.fd.map(|fd| {
                    Map::from_fd(fd.as_fd(), c"ham-heartbeats", PAGE_BYTES).map(|map| (map, fd))
                });
                if let Some(Ok((map, fd))) = mapped {
                    Some(Page::Kept(map, fd))
                } else {
                    let text = "a page of heartbeats could not be had from the reaper";
                    self.remark(Weight::Always, text);
                    None
                }
            }
            (_, page) => {
                self.closer.close_all(answer.fd);
                page
            }
        };
        self.beats.pages.put(which, page);
        self.answer_page_waiters(which);
    }
}
