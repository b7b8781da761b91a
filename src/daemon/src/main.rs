//! `ham`, the manager. One program, several roles: it starts as the reaper,
//! which forks the monitor; loader, path watcher and the helper for output are
//! the same file executed again by the monitor. `ham init` is none of these.
#![forbid(unsafe_code)]

mod arguments;
mod board;
mod called;
mod container;
mod disk;
mod exit;
mod facts;
mod guardian;
mod help;
mod init;
mod keep;
mod last;
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
mod signalled;
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
    let mut words = std::env::args_os();
    let program = words.next();
    if let Some(called) = program.as_deref().and_then(init::Called::by) {
        return init::main(called, words.collect());
    }
    if let Some(name) = called::Name::of(program.as_deref()) {
        return called::main(name, words.collect());
    }
    match arguments::parse(words.collect()) {
        Ok(arguments::Command::Init(words)) => init::main(init::Called::Ham, words),
        Ok(arguments::Command::Run(options)) => start::run(options),
        Ok(arguments::Command::Resume(options)) => start::resume(options),
        Ok(arguments::Command::Load(directories)) => load::main(&directories),
        Ok(arguments::Command::Watch) => watch::main(),
        Ok(arguments::Command::Last) => last::main(),
        Ok(arguments::Command::Keep) => board::keep(),
        Ok(arguments::Command::Disk) => disk::main(),
        Ok(arguments::Command::Output(look)) => output::main(look),
        Ok(arguments::Command::Emergency(console)) => board::shell::main(console),
        Ok(arguments::Command::Help) => print(help::HELP),
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
