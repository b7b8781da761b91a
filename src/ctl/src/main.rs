//! `hamctl`: the command of the person in front of ham. Reads the command
//! line, runs one verb, and turns what went wrong into one line and an exit
//! code. Talks to the manager only over its control socket.
#![forbid(unsafe_code)]

mod arguments;
mod connection;
mod enablement;
mod error;
mod exit;
mod import;
mod output;
mod render;
mod runtime;
mod table;
mod verbs;
mod zone;

use arguments::Verb;
use exit::Exit;
use std::ffi::OsString;
use std::process::ExitCode;

fn main() -> ExitCode {
    let words: Vec<OsString> = std::env::args_os().collect();
    let program = arguments::program(words.first().map(OsString::as_os_str));
    let arguments = match arguments::read(program, words) {
        Ok(arguments) => arguments,
        Err(message) => {
            // A reader that went away, or no standard error at all, changes
            // nothing about what the message means.
            let _ = message.print();
            return if message.use_stderr() { Exit::Usage } else { Exit::Success }.into();
        }
    };
    let acts = arguments.verb.as_ref().is_some_and(Verb::acts);
    let exit = verbs::run(program, arguments).unwrap_or_else(|error| {
        let exit = error.exit(acts);
        if exit != Exit::Success {
            output::complain(program, &error.to_string());
        }
        exit
    });
    exit.into()
}
