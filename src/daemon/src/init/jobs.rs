//! The terminal and job control. The command is a job of its own: it gets the
//! foreground if init has it, and gives it back at its end; when it is stopped
//! by the keyboard, so is init, for the shell that waits for init to see.

use super::report::Report;
use ham_sys::foreground::{Terminal, own_group};
use ham_sys::signal_queue::{Queue, Whom, send};
use ham_sys::signals::{SIGCONT, SIGTTIN, SIGTTOU};
use ham_sys::{process, reap};

/// The terminal, the child, and what became of the two.
#[derive(Debug)]
pub(super) struct Jobs {
    terminal: Option<Terminal>,
    /// Whether init was in the foreground when it began.
    foreground: bool,
    child: Option<i32>,
}

impl Jobs {
    /// `wanted`: there will be a command.
    pub(super) fn new(wanted: bool) -> Jobs {
        let terminal = if wanted { Terminal::of_session() } else { None };
        let foreground = terminal.as_ref().is_some_and(Terminal::is_ours);
        Jobs { terminal, foreground, child: None }
    }

    /// Called by the child: brings its group to the foreground, unless init was
    /// not there itself. By the child, since an init that is the command of
    /// another looks at the terminal at once.
    pub(super) fn give_away(&self, report: &Report) {
        if let Some(terminal) = self.terminal.as_ref().filter(|_| self.foreground)
            && let Err(error) = terminal.give_to(own_group())
        {
            report.warn(error);
        }
    }

    /// In the parent: closes everything else but the standard streams.
    pub(super) fn keep_only(self, child: Option<i32>) -> Jobs {
        // What cannot be closed or kept is done without.
        let terminal = match self.terminal {
            Some(terminal) => terminal.keep_only().ok(),
            None => {
                let _ = process::close_from(3);
                None
            }
        };
        Jobs { terminal, child, ..self }
    }

    /// A child has changed its state: if it was stopped, and somebody may wait
    /// for init to be, init stops too, until it is continued.
    pub(super) fn look_for_stop(&self, queue: &Queue) {
        let (Some(terminal), Some(child)) = (&self.terminal, self.child) else { return };
        let Some(signal) = reap::take_stop(child) else { return };
        if matches!(signal, SIGTTIN | SIGTTOU) && terminal.is_ours() {
            // A shell that brings a job to the front which is running tells
            // nobody; and then the command wanted to use the terminal.
            let _ = terminal.give_to(child);
            let _ = send(Whom::Group(child), SIGCONT);
            return;
        }
        if process::pid() == 1 {
            return;
        }
        if queue.stop_with_group().unwrap_or(false) {
            bring_forward(terminal, child);
            // All of the group was stopped with it.
            let _ = send(Whom::Group(child), SIGCONT);
        }
    }

    /// Init was continued, perhaps in the foreground.
    pub(super) fn continued(&self) {
        if let (Some(terminal), Some(child)) = (&self.terminal, self.child) {
            bring_forward(terminal, child);
        }
    }

    /// The command has ended: whoever started init has the terminal as before.
    pub(super) fn take_back(&self) {
        let (Some(terminal), Some(child)) = (&self.terminal, self.child) else { return };
        let own = own_group();
        if own > 0 && terminal.foreground() == Ok(child) {
            let _ = terminal.give_to(own);
        }
    }
}

fn bring_forward(terminal: &Terminal, child: i32) {
    if terminal.is_ours() {
        let _ = terminal.give_to(child);
    }
}
