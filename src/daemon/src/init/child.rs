//! What the child does between fork and exec. It is a copy of a process with
//! one thread, so it may do anything; what it may not is come back.

use super::arguments::Arguments;
use super::jobs::Jobs;
use super::report::Report;
use ham_sys::signal_queue::Queue;
use ham_sys::{Errno, foreground, process};
use std::ffi::{CString, OsString};
use std::os::unix::ffi::OsStringExt;

/// Init itself could not do its work.
pub(super) const FAILED: u8 = 1;
/// The command was found, and could not be executed (as shells say it).
const NOT_EXECUTABLE: u8 = 126;
/// There is no such command.
const NOT_FOUND: u8 = 127;

/// Executes the command.
pub(super) fn become_command(
    arguments: &Arguments,
    report: &Report,
    queue: &Queue,
    jobs: &Jobs,
) -> ! {
    let prepared = foreground::lead_group(0).and_then(|()| {
        jobs.give_away(report);
        queue.leave_to_program()
    });
    let code = match prepared {
        Ok(()) => {
            let errno = process::execute(&arguments.command, environment().as_deref());
            report.fatal(format_args!("could not execute {}: {errno}", arguments.shown()));
            if errno == Errno::ENOENT { NOT_FOUND } else { NOT_EXECUTABLE }
        }
        Err(error) => {
            report.fatal(error);
            FAILED
        }
    };
    process::exit_now(code.into())
}

/// The environment, if it has to change: variables by which somebody has told
/// init that something is for this one process mean the command. `None`: it
/// stays as it is.
fn environment() -> Option<Vec<CString>> {
    let own = std::ffi::OsString::from(process::parent_pid().to_string());
    let is_ours = |name: &str| std::env::var_os(name).is_some_and(|value| value == own);
    let (descriptors, watchdog) = (is_ours("LISTEN_PID"), is_ours("WATCHDOG_PID"));
    if !descriptors && !watchdog {
        return None;
    }
    let pid = OsString::from(process::pid().to_string());
    let all = std::env::vars_os().filter_map(|(name, value)| {
        let value = match name.to_str() {
            Some("LISTEN_PID") if descriptors => pid.clone(),
            Some("WATCHDOG_PID") if watchdog => pid.clone(),
            // Says the same in another way.
            Some("LISTEN_PIDFDID") if descriptors => process::own_pidfd_inode()?.to_string().into(),
            _ => value,
        };
        let mut text = name;
        text.push("=");
        text.push(value);
        CString::new(text.into_vec()).ok()
    });
    Some(all.collect())
}
