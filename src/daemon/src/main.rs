//! `ham`, the manager. One program, several roles: it starts as the reaper,
//! which forks the monitor; loader, path watcher and the helper for output are
//! the same file executed again by the monitor.
#![forbid(unsafe_code)]

mod arguments;
mod disk;
mod exit;
mod facts;
mod guardian;
mod keep;
mod last_resort;
mod lines;
mod load;
mod monitor;
mod options;
mod output;
mod reaper;
mod runtime;
mod say;
mod shared;
mod start;
mod told;
mod trouble;
mod watch;

use std::io::Write;
use std::process::ExitCode;

/// Counts, so that the reaper can show that it does not use it.
#[global_allocator]
static ALLOCATOR: ham_sys::allocation::Counting = ham_sys::allocation::Counting;

fn main() -> ExitCode {
    match arguments::parse(std::env::args_os().skip(1).collect()) {
        Ok(arguments::Command::Run(options)) => start::run(options),
        Ok(arguments::Command::Resume(options)) => start::resume(options),
        Ok(arguments::Command::Load(directories)) => load::main(&directories),
        Ok(arguments::Command::Watch) => watch::main(),
        Ok(arguments::Command::Disk) => disk::main(),
        Ok(arguments::Command::Output(look)) => output::main(look),
        Ok(arguments::Command::Help) => print(arguments::HELP),
        Ok(arguments::Command::Version) => print(concat!("ham ", env!("CARGO_PKG_VERSION"), "\n")),
        Err(why) => {
            say::say(format_args!("{why}\nTry `ham --help`."));
            ExitCode::from(exit::USAGE)
        }
    }
}

/// A reader who has seen enough has made no mistake.
fn print(text: &str) -> ExitCode {
    let _ = std::io::stdout().write_all(text.as_bytes());
    ExitCode::SUCCESS
}
