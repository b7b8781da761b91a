//! What ham says on standard error outside of its log: why it cannot start,
//! why a monitor ends. Nobody may read that, and nobody may be there: neither
//! must hold up a process of ham or end it, so this never panics and waits
//! for a second at most.

use crate::board::kmsg;
use crate::exit;
use ham_sys::{poller, process};
use std::fmt::Display;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(1);

/// Says it, after the name of the program; on a board to the log of the kernel,
/// and on the console unless the kernel shows it there.
pub(crate) fn say(text: impl Display) {
    let text = text.to_string();
    if !kmsg::say(&text) {
        write(&format!("ham: {text}\n"));
    }
}

/// Says it as it is on standard error.
pub(crate) fn write(text: &str) {
    poller::write_within(std::io::stderr(), text.as_bytes(), PATIENCE);
}

/// From here on a mistake in any thread is said, and ends this process: with a
/// thread missing it would be neither dead nor alive, and nobody would take
/// over.
pub(crate) fn end_on_panic() {
    std::panic::set_hook(Box::new(|what| {
        say(format_args!("monitor: {what}"));
        process::exit_now(i32::from(exit::MISTAKE));
    }));
}
