//! `ham init -- COMMAND`: the init of a container that runs one command, and
//! what ham is when it is called `tini`, `docker-init` or `podman-init`. It
//! starts the command in a process group of its own, passes signals on to it,
//! reaps whatever ends below, and ends with its exit code. One thread, a plain
//! fork, no shared memory; and no heap while the command runs, which is counted.
//!
//! - `arguments`: options and environment; `rewrite`: which signal becomes which
//! - `script`: ham as the interpreter of a text
//! - `child`: between fork and exec
//! - `relay`: the loop; `jobs`: terminal and job control
//! - `rest`: whoever is left when the command has ended
//! - `report`: what it says, and the summary

mod arguments;
mod child;
mod jobs;
mod relay;
mod report;
mod rest;
mod rewrite;
mod script;

use arguments::{Arguments, Asked, Orphans};
use child::FAILED;
use ham_core::signal::Signal;
use ham_sys::process::Forked;
use ham_sys::signal_queue::Queue;
use ham_sys::{allocation, clock, foreground, process};
use jobs::Jobs;
use relay::{Ended, Relay};
use report::{Report, Summary};
pub(crate) use script::{is_meant, words_after};
use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::process::ExitCode;

/// The word on the command line of ham.
pub(crate) const WORD: &str = "init";

/// As what it was called: that is how it names itself, and what it does where
/// the others do not do the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Called {
    /// `ham init`.
    Ham,
    /// By a name of tini, in its place.
    Tini(&'static str),
}

impl Called {
    /// By the name of the program, `argv[0]`; `None`: it is not about init.
    pub(crate) fn by(program: &OsStr) -> Option<Called> {
        let name = Path::new(program).file_name()?.to_str()?;
        let names = ["tini", "tini-static", "docker-init", "podman-init"];
        names.into_iter().find(|known| *known == name).map(Called::Tini)
    }

    fn name(self) -> &'static str {
        match self {
            Called::Ham => "ham init",
            Called::Tini(name) => name,
        }
    }

    /// The exit code for a wrong command line.
    fn usage(self) -> u8 {
        match self {
            Called::Ham => crate::exit::USAGE,
            Called::Tini(_) => FAILED,
        }
    }
}

/// Does what the words ask for; the exit code is that of the command.
pub(crate) fn main(called: Called, words: Vec<OsString>) -> ExitCode {
    let began = clock::monotonic();
    match arguments::parse(called, words, |name| std::env::var_os(name)) {
        Ok(Asked::Run(arguments)) => ExitCode::from(run(&arguments, began)),
        Ok(Asked::Text(text)) => crate::print(&text),
        Err(why) => {
            let report = Report::new(called.name(), 0);
            report.fatal(format_args!("{why}\nTry `{} -h`.", called.name()));
            ExitCode::from(called.usage())
        }
    }
}

fn run(arguments: &Arguments, began: u64) -> u8 {
    let report = Report::new(arguments.called.name(), arguments.verbosity);
    let parent = process::parent_pid();
    // All signals are in the queue from here on: one that comes before there is
    // a child is passed on when there is.
    let queue = match prepare(arguments, &report, parent) {
        Ok(queue) => queue,
        Err(error) => {
            report.fatal(error);
            return FAILED;
        }
    };
    let jobs = Jobs::new(!arguments.pause);
    let pid = if arguments.pause {
        None
    } else {
        match process::fork() {
            Ok(Forked::Child) => child::become_command(arguments, &report, &queue, &jobs),
            Ok(Forked::Parent(pid)) => Some(pid),
            Err(error) => {
                report.fatal(error);
                return FAILED;
            }
        }
    };
    if let Some(pid) = pid {
        // The child does the same: whoever is first. It may have ended, or
        // have executed its program.
        let _ = foreground::lead_group(pid);
        report.info(format_args!("started {} as process {pid}", arguments.shown()));
    }
    let mut summary = Summary::prepare(arguments, began);
    // What the command was to inherit is not kept open, nor its directory
    // in use, by who only waits for it.
    let jobs = jobs.keep_only(pid);
    let _ = std::env::set_current_dir("/");
    allocation::give_back_code();
    allocation::give_back();
    allocation::seal();
    let mut relay = Relay::new(arguments, &report, &queue, jobs, pid);
    let ended = relay.run();
    summary.allocations = allocation::after_seal();
    let (jobs, mut counts) = relay.over();
    jobs.take_back();
    if ended.left {
        rest::end(arguments.wait, &report, &queue, pid, &mut counts);
    }
    let code = code_of(arguments, &ended);
    if arguments.summary {
        summary.write(code, &ended, &counts);
    }
    code
}

/// Makes this process what orphans, parent and signals need.
fn prepare(
    arguments: &Arguments,
    report: &Report,
    parent: i32,
) -> Result<Queue, ham_sys::SysError> {
    let queue = Queue::new()?;
    if let Some(Signal(signal)) = arguments.parent_death {
        process::set_parent_death_signal(signal.into())?;
        if process::parent_pid() != parent {
            // It has ended before the kernel was asked.
            queue.put(signal.into());
        }
    }
    if process::pid() == 1 {
        return Ok(queue);
    }
    match arguments.orphans {
        Orphans::Ours => process::set_child_subreaper()?,
        Orphans::OfPid1 if process::is_child_subreaper() => {}
        Orphans::OfPid1 => report.warn(
            "not PID 1 and no child subreaper: orphans are not reaped here; \
             -s or TINI_SUBREAPER changes that",
        ),
    }
    Ok(queue)
}

fn code_of(arguments: &Arguments, ended: &Ended) -> u8 {
    let code = ended.code();
    if arguments.counts_as_success(code) { 0 } else { code }
}
