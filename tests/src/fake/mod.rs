//! A machine that is none: memory, kernel, reaper and the daemon's hands as
//! plain data, so that the core can be run through years of bad luck in a
//! second. It decides nothing about supervision; it carries out effects, keeps
//! the books on every process it has made, and notes as a *fault* whatever a
//! correct core never asks for.
#![forbid(unsafe_code)]

mod beats;
mod carry;
mod graphs;
mod kernel;
mod links;
mod memory;
mod plans;
mod random;
mod shadow;
mod stage;
mod strangers;
mod talk;
mod temper;

pub use beats::Watched;
pub use kernel::{Kernel, Process, Remains};
pub use links::{Edge, link, number, watch};
pub use memory::{SharedMemory, SlotWord, Store};
pub use plans::{brings_itself_back, plain, random_plan};
pub use random::Random;
pub use stage::{Checked, Lives, Stage, open};
pub use strangers::START;
pub use temper::Temper;
