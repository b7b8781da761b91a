//! What several test files share: machines that are none ([`fake`]), and the
//! programs with a manager of one's own ([`programs`]).
#![forbid(unsafe_code)]

pub mod fake;
pub mod programs;
pub mod status;
