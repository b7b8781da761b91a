//! Every system call and every `unsafe` block of ham: one module per kernel
//! facility, each with a safe interface that says what may fail and why.
//!
//! This crate decides nothing. It knows no entity, no condition and no unit
//! file, and imports no other crate of ham. Errors always name what was tried
//! and on what ([`SysError`]). The floor is Linux 5.10 on x86-64 and aarch64;
//! what is newer is tried at run time and has its fallback beside it.
#![deny(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::undocumented_unsafe_blocks
)]
#![cfg_attr(
    test,
    allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)
)]

#[cfg(not(all(
    target_os = "linux",
    target_pointer_width = "64",
    target_endian = "little",
    any(target_arch = "x86_64", target_arch = "aarch64")
)))]
compile_error!("ham runs on 64-bit Linux, x86-64 or aarch64, little endian");

pub mod allocation;
pub mod clock;
pub mod containment;
pub mod datagrams;
pub mod directory;
pub mod ending;
mod error;
pub mod fault;
pub mod files;
pub mod foreground;
pub mod inotify;
pub mod limited;
pub mod lock;
pub mod machine;
pub mod pipe;
pub mod poller;
pub mod process;
pub(crate) mod raw;
pub mod reap;
pub mod rights;
pub mod shm;
pub mod signal_queue;
pub mod signals;
pub mod socket;
pub mod spawn;
pub mod unmount;
pub mod watchdog;

pub use error::{Errno, Result, SysError};
