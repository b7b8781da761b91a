//! The pipes of entities that the reaper keeps for their output, as the monitor
//! knows them: by what they are kept as, by the number that the helper knows
//! each by, and by whose stream they are. No descriptors.

use ham_snapshot::kept::{Kept, Name};
use std::collections::{BTreeMap, BTreeSet};

/// Pipes that a stream of an entity has at most while their end has not been
/// seen. The helper sees that within a moment, unless whoever reads ham's
/// output does not; then the next process goes on in the last pipe, and
/// restarts cost nothing more. More than one, since a line that a process has
/// left unfinished ends with its pipe.
const MOST_OF_STREAM: usize = 4;

#[derive(Debug, Default)]
pub(super) struct Pipes {
    kept: BTreeMap<Kept, Pipe>,
    /// The same by number.
    numbers: BTreeMap<u64, Kept>,
    /// Numbers by entity and stream, the last one is the newest.
    streams: BTreeMap<(String, u64), BTreeSet<u64>>,
    next: u64,
}

#[derive(Debug)]
struct Pipe {
    number: u64,
    /// The name of its entity.
    name: String,
    /// Another process writes to it, or will, of which the helper may not know
    /// when it says that nobody does.
    goes_on: bool,
}

/// What follows from the helper's word that nobody writes to a pipe any more.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// It is not needed any more, and forgotten.
    Drop(Kept),
    /// Another process has got it since: the helper is to be told of it anew,
    /// by another number.
    TellAgain(Kept),
}

impl Pipes {
    pub(super) fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }

    pub(super) fn all(&self) -> Vec<Kept> {
        self.kept.keys().copied().collect()
    }

    /// The reaper keeps it. One that has taken the place of another has its own
    /// number.
    pub(super) fn know(&mut self, kept: Kept, name: &str) {
        self.forget(kept);
        let number = self.next;
        self.next = self.next.wrapping_add(1);
        self.kept.insert(kept, Pipe { number, name: name.to_owned(), goes_on: false });
        self.numbers.insert(number, kept);
        self.streams.entry((name.to_owned(), kept.tag)).or_default().insert(number);
    }

    /// What the table of the reaper says; of a busy one that is about to change
    /// by what was asked for here. Gives those that were not known.
    pub(super) fn recall(
        &mut self,
        table: &BTreeMap<Kept, Name>,
        is_busy: impl Fn(Kept) -> bool,
    ) -> Vec<Kept> {
        let gone = |kept: &Kept| !table.contains_key(kept) && !is_busy(*kept);
        self.all().into_iter().filter(gone).for_each(|kept| self.forget(kept));
        let is_new = |kept: Kept| !self.kept.contains_key(&kept) && !is_busy(kept);
        let found: Vec<(Kept, &Name)> = table
            .iter()
            .map(|(kept, name)| (*kept, name))
            .filter(|(kept, _)| is_new(*kept))
            .collect();
        found.iter().for_each(|(kept, name)| self.know(*kept, name.text()));
        found.into_iter().map(|(kept, _)| kept).collect()
    }

    pub(super) fn forget(&mut self, kept: Kept) {
        let Some(Pipe { number, name, .. }) = self.kept.remove(&kept) else { return };
        self.numbers.remove(&number);
        let stream = (name, kept.tag);
        if let Some(numbers) = self.streams.get_mut(&stream) {
            numbers.remove(&number);
            if numbers.is_empty() {
                self.streams.remove(&stream);
            }
        }
    }

    /// Number and entity of a pipe.
    pub(super) fn get(&self, kept: Kept) -> Option<(u64, &str)> {
        self.kept.get(&kept).map(|pipe| (pipe.number, pipe.name.as_str()))
    }

    /// The pipe that the next process of this entity is to write to, when its
    /// stream has enough of them. It is not dropped before that process was
    /// seen to be gone.
    pub(super) fn go_on(&mut self, name: &str, tag: u64) -> Option<Kept> {
        let numbers = self.streams.get(&(name.to_owned(), tag))?;
        let last = numbers.last().filter(|_| numbers.len() >= MOST_OF_STREAM)?;
        let kept = *self.numbers.get(last)?;
        self.kept.get_mut(&kept)?.goes_on = true;
        Some(kept)
    }

    /// The helper has found that nobody writes to the pipe of that number.
    pub(super) fn ended(&mut self, number: u64) -> Option<Ended> {
        let kept = *self.numbers.get(&number)?;
        let Pipe { name, goes_on, .. } = self.kept.get(&kept)?;
        if *goes_on {
            let name = name.clone();
            self.know(kept, &name);
            return Some(Ended::TellAgain(kept));
        }
        self.forget(kept);
        Some(Ended::Drop(kept))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ham_snapshot::kept::Owner;

    fn pipe(generation: u32) -> Kept {
        Kept { owner: Owner::Slot { index: 9, generation }, tag: 7 }
    }

    #[test]
    fn a_stream_with_enough_pipes_goes_on_in_the_last() {
        let mut pipes = Pipes::default();
        for generation in 1..=4 {
            assert_eq!(pipes.go_on("web", 7), None);
            pipes.know(pipe(generation), "web");
        }
        assert_eq!(pipes.go_on("web", 7), Some(pipe(4)));
        assert_eq!((pipes.go_on("web", 8), pipes.go_on("other", 7)), (None, None));
        // One end that is seen makes room.
        let (first, _) = pipes.get(pipe(1)).unwrap();
        assert_eq!(pipes.ended(first), Some(Ended::Drop(pipe(1))));
        assert_eq!((pipes.go_on("web", 7), pipes.ended(first)), (None, None));
    }

    /// The helper's word may be from before another process had the pipe.
    #[test]
    fn a_pipe_that_another_process_got_is_told_anew_once() {
        let mut pipes = Pipes::default();
        (1..=4).for_each(|generation| pipes.know(pipe(generation), "web"));
        assert_eq!(pipes.go_on("web", 7), Some(pipe(4)));
        let (before, _) = pipes.get(pipe(4)).unwrap();
        assert_eq!(pipes.ended(before), Some(Ended::TellAgain(pipe(4))));
        let (number, name) = pipes.get(pipe(4)).unwrap();
        assert!(number > before && name == "web");
        assert_eq!(pipes.ended(before), None);
        assert_eq!(pipes.ended(number), Some(Ended::Drop(pipe(4))));
        assert_eq!(pipes.get(pipe(4)), None);
    }

    #[test]
    fn what_is_recalled_again_is_known_once() {
        let mut pipes = Pipes::default();
        let name = Name::new("web").unwrap();
        let table = |generations: &[u32]| -> BTreeMap<Kept, Name> {
            generations.iter().map(|generation| (pipe(*generation), name)).collect()
        };
        let none_busy = |_: Kept| false;
        assert_eq!(pipes.recall(&table(&[1, 2]), none_busy), [pipe(1), pipe(2)]);
        let (number, _) = pipes.get(pipe(2)).unwrap();
        // The first was dropped, the third stored, as had been asked before; the
        // fourth is of somebody who is still at it.
        let busy = |kept| kept == pipe(4);
        assert_eq!(pipes.recall(&table(&[2, 3, 4]), busy), [pipe(3)]);
        assert_eq!(pipes.all(), [pipe(2), pipe(3)]);
        assert_eq!(pipes.get(pipe(2)), Some((number, "web")));
    }

    #[test]
    fn nothing_is_left_of_what_is_forgotten() {
        let mut pipes = Pipes::default();
        pipes.know(pipe(1), "web");
        pipes.know(pipe(1), "web");
        assert_eq!((pipes.all().len(), pipes.numbers.len()), (1, 1));
        pipes.forget(pipe(1));
        assert!(pipes.is_empty() && pipes.numbers.is_empty() && pipes.streams.is_empty());
    }
}
