//! Unit files: TOML text in, diagnostics or a plan out.
//!
//! This crate finds the files, checks them against the closed list of keys
//! ([`keys`]), resolves users and defaults, and hands over
//! [`ham_core::plan::EntityPlan`]s. It reports every mistake of every file in
//! one run, each with its place. It starts and supervises nothing; the only
//! process it ever runs is `getent`, with a deadline (see [`SystemUsers`]).
//! It is meant to be called in a process that may hang or die without harm:
//! paths and user databases can block.
#![forbid(unsafe_code)]
#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![cfg_attr(
    test,
    allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)
)]

mod action;
mod assemble;
mod attached;
mod capabilities;
mod circles;
pub mod codes;
mod command;
mod compare;
mod condition;
mod conf;
mod diagnostic;
mod difference;
mod directory;
mod draft;
mod duration;
mod enablement;
mod endings;
mod entity;
mod environment;
pub mod explain;
mod gather;
mod getent;
mod graph;
mod heartbeat;
mod host;
mod identity;
pub mod keys;
mod layers;
mod limits;
mod line_starts;
mod links;
mod lists;
mod load;
mod memory;
mod merge;
mod mounts;
mod names;
mod notify;
mod numbers;
mod on;
mod opposites;
mod order;
mod own_directories;
mod placeholders;
mod process;
mod reader;
mod references;
mod render;
mod repair;
mod restart;
pub mod schema;
mod search;
mod shown;
mod snippet;
mod source;
mod stamp;
mod start;
mod states;
mod stop;
mod streams;
mod suggest;
mod syntax;
mod templates;
mod text;
mod toml10;
mod unit;
mod users;
mod waitfor;
mod watchdog;
mod watching;
mod words;
mod write;

pub use capabilities::capability_name;
pub use conf::{Allow, Apply, Conf, VERBS as ALLOWED_VERBS};
pub use diagnostic::{Diagnostic, DiagnosticReport, Related, Severity};
pub use difference::differences;
pub use directory::{Source, SourceState};
pub use duration::parse_duration;
pub use enablement::{ENABLED_DIRECTORY, Enablement, enablement};
pub use heartbeat::{HIGH, LOW};
pub use host::{ham_is_init, no_watchdog};
pub use limits::limit_name;
pub use load::{Loaded, Settings, check_file, check_text, is_drop_ins, load_directories};
pub use memory::Memory;
pub use names::wrong_entity_name;
pub use placeholders::PLACEHOLDERS;
pub use search::{system_directories, user_directories};
pub use shown::{Merged, MergedValue, UnitFiles, merged, unit_files};
pub use snippet::{Snippet, read_action, read_conditions, read_entity};
pub use stamp::{Stamp, is_just_written};
pub use suggest::nearest;
pub use users::{SystemUsers, UserEntry, Users};
pub use watchdog::Watchdog;
pub use write::{NeighbourNames, Writing, write_unit};
