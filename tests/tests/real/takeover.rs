//! The monitor is taken away, at all times and in all ways, and nobody notices:
//! no entity ends or runs twice, each end is recorded once with its true
//! status, and what was begun or asked for is carried out.

mod asked;
mod leaks;
mod loader_and_watcher;
mod loops;
mod moments;
mod progress;
mod storm;
