//! Where the processes of an entity are held, so that all of them can be
//! ended and not only the first: a cgroup where one can be had, else what
//! session, environment and parenthood tell. Decides nothing about when.

mod cgroup;
mod members;
pub(crate) mod mounts;
mod own;
mod session;
mod shortage;

pub use cgroup::{CgroupTree, Kind, find_tree};
pub use members::{Stray, session_holds, session_signal, session_stray};
pub use own::settle;
pub use session::{
    SessionTarget, Straggler, kill_all_others, session_clear, session_looks_empty,
    signal_stragglers, stragglers, stragglers_apart,
};
pub use shortage::{ShortageWatch, Watched, oom_kills};

/// What a clearing has come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cleared {
    /// Nothing of it lives any more.
    Empty,
    /// The deadline came first: so many processes are left, all of them
    /// killed already but not gone (uninterruptible sleep), or faster than we.
    Left(usize),
}
