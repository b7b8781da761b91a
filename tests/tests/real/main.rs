//! ham as it is: real managers, real processes, real daemons. One program, so that
//! tests which wait do it beside each other; `cargo test -p ham-tests --test real
//! NAME` runs those of a module.
#![forbid(unsafe_code)]

mod actions;
mod attach;
mod attach_by;
mod attach_named;
mod board;
mod conditions;
mod configured;
mod container;
mod container_example;
mod containment;
mod control_by_path;
mod daemons;
mod detached;
mod endings;
mod fallbacks;
mod guardian;
mod hamctl_verbs;
mod hardware_watchdog;
mod heartbeats;
mod history;
mod hung_paths;
mod init;
mod kinds;
mod large_requests;
mod lifecycle;
mod machine_end;
mod notify;
mod options;
mod order;
mod output;
mod pulse_channels;
mod pulses;
mod ready_path;
mod reaper;
mod regressions;
mod reload;
mod settings;
mod show;
mod spawning;
mod starting;
mod takeover;
mod units;
mod varlink;
