//! The heart of ham: what to supervise ([`plan`]), what happens ([`event`]),
//! what is to be done about it ([`effect`]), and the state machine between
//! them ([`monitor`]).
//!
//! Nothing here reads a clock, opens a descriptor, calls the kernel, draws a
//! random number, writes a log line or panics. Time and events go in, effects
//! come out, and after every step the whole state can be written to records
//! ([`memory`]) from which another process goes on as if nothing had happened.
#![forbid(unsafe_code)]
#![deny(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::wildcard_enum_match_arm
)]
#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects,
        clippy::wildcard_enum_match_arm
    )
)]

pub mod change;
pub mod directive;
pub mod effect;
pub mod event;
pub mod fact;
pub mod ids;
pub mod memory;
pub mod monitor;
pub mod notify;
pub mod plan;
pub mod signal;
pub mod status;
pub mod time;
pub mod way;
pub mod wheel;
pub mod wire;
pub mod words;
