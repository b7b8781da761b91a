//! What must hold for any bytes where a decoder looks: the bodies of the fuzz
//! targets in `fuzz/`, which `tests/decoders.rs` runs too, on bytes of its own.
//! Each takes bytes, and panics when a rule is broken:
//!
//! - [`snapshot`]: a state that was good once and then damaged is taken over:
//!   nothing panics or goes on for ever, a record is read whole or not at all,
//!   and no process is made in a slot that says it holds one
//! - [`plan`]: a damaged plan gives the definitions that it held, or errors
//! - [`links()`]: a plan whose links make no sense is worked with: every turn
//!   ends
//! - [`unit()`]: any text gets an answer
//! - [`wire`]: any stream of bytes gives messages or is refused

mod bed;
mod choices;
mod damage;
mod life;
mod links;
mod plan;
mod successor;
mod texts;

pub use links::links;
pub use plan::plan;
pub use texts::{unit, wire};

use bed::Bed;
use choices::Choices;
use life::Good;
use std::cell::RefCell;

/// Good states that damage begins with: as many as show the core in the middle
/// of most things that it can be in.
const GOOD_STATES: u64 = 48;

thread_local! {
    static BED: RefCell<Option<(Bed, Vec<Good>)>> = const { RefCell::new(None) };
}

fn with_bed<T>(run: impl FnOnce(&Bed, &[Good]) -> T) -> T {
    BED.with_borrow_mut(|made| {
        let (bed, good) = made.get_or_insert_with(|| {
            let bed = Bed::new();
            let good = (0..GOOD_STATES).map(|seed| life::live(&bed, seed)).collect();
            (bed, good)
        });
        run(bed, good)
    })
}

/// Damages a good state as the bytes say, and takes it over.
///
/// # Panics
/// When a rule is broken.
pub fn snapshot(bytes: &[u8]) {
    with_bed(|bed, all| {
        let mut choices = Choices::new(bytes);
        let good = choices.pick(all);
        bed.lay(&good.image);
        let mut known = good.known.clone();
        for _ in 0..choices.below(9) {
            damage::damage(bed, good, &mut known, &mut choices);
        }
        successor::take_over(bed, good, &known, &mut choices);
    });
}

/// In each good state, the body of each entity's record in turn is damaged:
/// one whose process exists is known by its slot, so its end is its end, and
/// nothing is started beside it. Gives how many there were.
///
/// # Panics
/// When that does not hold.
#[must_use]
pub fn lost_records() -> usize {
    with_bed(|bed, all| all.iter().map(|good| successor::lose_each(bed, good)).sum())
}
