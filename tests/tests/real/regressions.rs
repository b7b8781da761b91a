//! Each fault that was once found by a review, or met, and then mended: one
//! test for each, named after what must not come back.

mod clients;
mod earlier_ham;
mod limits;
mod takeovers;
